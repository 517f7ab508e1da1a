//! The small files that say which map is in force and who acknowledged what: TOML, and behind it a line
//! with the sum of all above it, so that a changed byte is seen.

use candor_core::{TradingDate, Venue};
use candor_maps::diff::Difference;
use candor_maps::file::parse_date;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// The format that is written, and the only one that is read.
const FORMAT: u64 = 1;

/// That a map came in force for a date.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pointer {
    /// The venue.
    #[serde(with = "text")]
    pub venue: Venue,
    /// The trading date.
    #[serde(with = "date")]
    pub date: TradingDate,
    /// Which of the date's it is, from 1: the highest is in force.
    pub number: u32,
    /// The map's digest.
    pub digest: String,
    /// When, in UTC.
    pub at: String,
    /// The user of the host who did it.
    pub by: String,
    /// Where the map came from.
    pub from: String,
    /// What it was compared with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compared: Vec<Compared>,
}

impl Pointer {
    /// Whether it came from where the configuration says: nobody has named it.
    #[must_use]
    pub fn is_fetched(&self) -> bool {
        FETCHED.iter().any(|from| self.from.starts_with(from))
    }

    /// Whether somebody has put it in force by name.
    #[must_use]
    pub fn is_named(&self) -> bool {
        !self.is_fetched()
    }
}

/// What `from` begins with where a map was fetched.
pub(super) const FETCHED: [&str; 2] = ["the folder ", "the command "];

/// A comparison with a map that was in force.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compared {
    /// The date of the other map.
    #[serde(with = "date")]
    pub date: TradingDate,
    /// Its digest.
    pub digest: String,
    /// Symbols that it put somewhere.
    pub symbols: u64,
    /// Of these, symbols that are on another partition now.
    pub moved: u64,
    /// And symbols that are nowhere now.
    pub dropped: u64,
    /// Symbols that it put nowhere.
    pub added: u64,
    /// Things that differ, counted as `candor map diff` lists them.
    pub changes: u64,
    /// Whether these are all: not where nobody can know how many symbols moved.
    pub known: bool,
    /// Why the other map could not be read, where it couldn't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// Whether more moved or went than the bound allows, or nobody can know, or something changed that needs
    /// a name whatever moves.
    pub beyond: bool,
    /// Whether something did that needs a name whatever moves.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub grave: bool,
    /// The bound, in parts per million.
    pub bound_ppm: u32,
    /// By whom that was acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledged>,
}

impl Compared {
    /// The counts of a difference from the map with this digest.
    pub(super) fn of(difference: &Difference, digest: String, bound_ppm: u32) -> Compared {
        let gained = difference.gained.iter().map(|group| group.symbols.len());
        Compared {
            date: difference.dates.from,
            digest,
            symbols: difference.placed.from as u64,
            moved: difference.moved_count() as u64,
            dropped: difference.dropped_count() as u64,
            added: gained.sum::<usize>() as u64,
            changes: difference.rows().len() as u64,
            known: difference.known,
            unreadable: None,
            beyond: difference.exceeds(bound_ppm),
            grave: !difference.grave.is_empty(),
            bound_ppm,
            acknowledged: None,
        }
    }

    /// With one that can't be read.
    pub(super) fn unreadable(of: &Pointer, why: String, bound_ppm: u32) -> Compared {
        Compared {
            date: of.date,
            digest: of.digest.clone(),
            symbols: 0,
            moved: 0,
            dropped: 0,
            added: 0,
            changes: 0,
            known: false,
            unreadable: Some(why),
            beyond: true,
            grave: false,
            bound_ppm,
            acknowledged: None,
        }
    }

    /// Whether it may come in force as far as this comparison goes.
    #[must_use]
    pub fn passes(&self) -> bool {
        !self.beyond || self.acknowledged.is_some()
    }
}

/// Who answers for something, and why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acknowledged {
    /// The name given.
    pub name: String,
    /// The reason given.
    pub because: String,
    /// When, in UTC.
    pub at: String,
    /// The user of the host who said it.
    pub by: String,
}

/// That somebody answers for the difference between two maps.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// The new map's digest.
    pub digest: String,
    /// The digest of the map it differs from.
    pub against: String,
    /// Who answers for it.
    pub acknowledged: Acknowledged,
}

/// The text of a record's file.
pub(super) fn write<T: Serialize>(record: &T) -> Result<String, String> {
    let body = toml::to_string(record).map_err(|error| error.to_string())?;
    let body = format!("format = {FORMAT}\n{body}");
    Ok(format!("{body}# sum {}\n", sum(&body)))
}

/// The record in a file's text, or what is wrong with it.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let cut = "was cut or changed since it was written";
    let (body, last) = text.rfind("# sum ").map(|at| text.split_at(at)).ok_or(cut)?;
    if last != format!("# sum {}\n", sum(body)) {
        return Err(cut.to_owned());
    }
    let (format, rest) = body.split_once('\n').ok_or(cut)?;
    if format != format!("format = {FORMAT}") {
        return Err(format!("has {format:?}; this candor reads format {FORMAT}"));
    }
    toml::from_str(rest).map_err(|error| format!("can't be understood: {}", error.message()))
}

fn sum(body: &str) -> String {
    Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Short texts of printable ASCII.
mod text {
    use super::*;
    use candor_core::symbol::Text;

    pub(super) fn serialize<S: Serializer, const N: usize>(
        text: &Text<N>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(text.as_str())
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>, const N: usize>(
        from: D,
    ) -> Result<Text<N>, D::Error> {
        let text = String::deserialize(from)?;
        Text::from_wire(text.as_bytes()).ok_or_else(|| D::Error::custom("no printable text"))
    }
}

/// Trading dates as people write them.
mod date {
    use super::*;

    pub(super) fn serialize<S: Serializer>(date: &TradingDate, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(date)
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<TradingDate, D::Error> {
        let text = String::deserialize(from)?;
        parse_date(&text).ok_or_else(|| D::Error::custom("no date"))
    }
}

//! The kill switch, as operators use it: `candor halt` takes Live away from everything, a venue, a
//! partition or a symbol; `candor resume` gives it back.
//!
//! What makes it hold is in the region: words that every reader obeys by itself, whatever becomes of
//! the handler (`candor_shm::KillSwitch`). Here is what lies around them: what an operator means by a
//! target ([`Target`]), who halted what since when and why, on a disk ([`record`]), who is who
//! ([`users`]), whether a halt may end ([`resume`]), what the handler does about all of it (`keep`), and how
//! it does what it is asked to without waiting for a disk (`clerk`).

pub(crate) mod act;
pub(crate) mod clerk;
pub(crate) mod keep;
pub mod record;
pub mod resume;
pub mod users;

use std::fmt;

use candor_core::symbol::Text;
use candor_core::{Mono, Symbol, Venue};
use candor_settings::nearest;
use candor_shm::{Halt, HaltName, Handle, Region};

use self::record::{Place, Record};
use crate::config::Config;
use crate::exit::Failure;

/// The word for everything.
pub const ALL: &str = "all";

/// Longest reason, in bytes.
pub const REASON_BYTES: usize = 200;

/// What is halted, as operators name it: `all`, `XNAS`, `XNAS/1`, `XNAS:AAPL`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Target {
    /// Everything of the handler.
    All,
    /// All partitions of a venue, also those it may have tomorrow.
    Venue(Venue),
    /// A partition.
    Partition(Venue, Text<16>),
    /// A symbol of a venue, wherever it is.
    Symbol(Venue, Symbol),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::All => f.write_str(ALL),
            Target::Venue(venue) => write!(f, "{venue}"),
            Target::Partition(venue, name) => write!(f, "{venue}/{name}"),
            Target::Symbol(venue, symbol) => write!(f, "{venue}:{symbol}"),
        }
    }
}

/// Text of a record or a region: too long or unprintable is none.
fn text<const N: usize>(text: &str) -> Option<Text<N>> {
    Text::from_wire(text.as_bytes()).filter(|text| !text.is_empty())
}

impl Target {
    /// Reads the form that [`fmt::Display`] writes.
    #[must_use]
    pub fn parse(said: &str) -> Option<Target> {
        if said == ALL {
            return Some(Target::All);
        }
        // A symbol may hold a slash, a partition anything: the first of the two signs decides.
        match said.find([':', '/']) {
            None => text(said).map(Target::Venue),
            Some(at) => {
                let (venue, rest) = (text(&said[..at])?, &said[at + 1..]);
                match said.as_bytes()[at] {
                    b':' => text(rest).map(|symbol| Target::Symbol(venue, symbol)),
                    _ => text(rest).map(|name| Target::Partition(venue, name)),
                }
            }
        }
    }

    /// What an operator means by this in a region: `all`, a venue, `VENUE/PARTITION`, `SYMBOL` or
    /// `VENUE:SYMBOL`. A word that is a venue's and a symbol's is the venue's.
    ///
    /// # Errors
    /// Exit 64 for what is not there, with what is near to it, and for what may be two things.
    pub fn find(said: &str, region: &Region) -> Result<Target, Failure> {
        if said == ALL {
            return Ok(Target::All);
        }
        // `ALL` is Allstate. Who is in a hurry may not mean it.
        if said.eq_ignore_ascii_case(ALL) {
            return Err(Failure::usage(format!(
                "`{said}` may be two things: `{ALL}` is everything, `VENUE:{said}` is a symbol"
            )));
        }
        let partitions = partitions(region);
        let has = |venue: &Venue| partitions.iter().any(|(other, _)| other == venue);
        match Target::parse(said) {
            Some(Target::Venue(venue)) if has(&venue) => return Ok(Target::Venue(venue)),
            Some(Target::Partition(venue, name)) if partitions.contains(&(venue, name)) => {
                return Ok(Target::Partition(venue, name));
            }
            Some(Target::Partition(venue, _)) if has(&venue) => return Err(unknown(said, region)),
            Some(Target::Symbol(venue, symbol)) if region.find(&venue, &symbol).is_some() => {
                return Ok(Target::Symbol(venue, symbol));
            }
            _ => {}
        }
        let Some(symbol) = text(said) else { return Err(unknown(said, region)) };
        let mut found: Vec<Target> = partitions
            .iter()
            .filter(|(venue, _)| region.find(venue, &symbol).is_some())
            .map(|(venue, _)| Target::Symbol(*venue, symbol))
            .collect();
        found.dedup();
        match found[..] {
            [one] => Ok(one),
            [] => Err(unknown(said, region)),
            _ => {
                let names: Vec<String> = found.iter().map(Target::to_string).collect();
                let names = names.join(", ");
                Err(Failure::usage(format!("`{said}` is in several venues: {names}")))
            }
        }
    }

    /// As [`Target::find`], also for what is recorded and not there: not named yet, or no longer.
    ///
    /// # Errors
    /// As [`Target::find`].
    pub fn find_halted(said: &str, region: &Region, place: &Place) -> Result<Target, Failure> {
        let (target, unless) = Target::find_or_recorded(said, region)?;
        match unless {
            Some(failure) if !target.is_recorded(&place.read()?) => Err(failure),
            _ => Ok(target),
        }
    }

    /// As [`Target::find`]; of what is not there what it would be where it is recorded, and the refusal where it
    /// is not: for who may not read the record.
    fn find_or_recorded(said: &str, region: &Region) -> Result<(Target, Option<Failure>), Failure> {
        match Target::find(said, region) {
            Ok(target) => Ok((target, None)),
            Err(failure) => match Target::parse(said) {
                Some(target) => Ok((target, Some(failure))),
                None => Err(failure),
            },
        }
    }

    fn is_recorded(&self, records: &[Record]) -> bool {
        records.iter().any(|record| record.target == *self)
    }

    /// What an operator means by this where there is no region to look at: a symbol needs its venue.
    ///
    /// # Errors
    /// Exit 64 for what is not in the configuration.
    pub fn find_configured(said: &str, config: &Config) -> Result<Target, Failure> {
        let has = |venue: &Venue| config.venues.contains(venue);
        let found = Target::parse(said).filter(|target| match target {
            Target::All => true,
            Target::Venue(venue) | Target::Symbol(venue, _) => has(venue),
            // The partitions of a venue whose maps come from the store are not the configuration's to say.
            Target::Partition(venue, _) if config.mapped.iter().any(|one| one.venue == *venue) => {
                true
            }
            Target::Partition(venue, name) => {
                config.partitions.iter().any(|own| (own.venue, own.name) == (*venue, *name))
            }
        });
        found.ok_or_else(|| {
            Failure::usage(format!(
                "there is no region, and the configuration has no `{}`: `{ALL}`, VENUE, \
                 VENUE/PARTITION or VENUE:SYMBOL",
                said.escape_debug()
            ))
        })
    }

    /// The words that halt it in a region; none of a symbol that nothing has named yet.
    #[must_use]
    pub fn words(&self, region: &Region) -> Vec<Halt> {
        match self {
            Target::All => vec![Halt::All],
            Target::Symbol(venue, symbol) => {
                region.find_all(venue, symbol).into_iter().map(Halt::Symbol).collect()
            }
            // By its number in the region, where some before it may be to spare.
            Target::Venue(..) | Target::Partition(..) => region
                .partitions_when(candor_shm::clock::now)
                .filter(|info| self.covers(&HaltName::Partition(info.spec.venue, info.spec.name)))
                .map(|info| Halt::Partition(info.index))
                .collect(),
        }
    }

    /// The partitions in which it has symbols.
    #[must_use]
    pub fn partitions(&self, region: &Region) -> Vec<u16> {
        match self {
            Target::All => (0..region.partition_count()).collect(),
            _ => self
                .words(region)
                .into_iter()
                .filter_map(|word| match word {
                    Halt::All => None,
                    Halt::Partition(number) => Some(number),
                    Halt::Symbol(handle) => Some(handle.partition()),
                })
                .collect(),
        }
    }

    /// Whether a word of the region, by its name, is one that this halts.
    #[must_use]
    pub fn covers(&self, name: &HaltName) -> bool {
        match (self, name) {
            (Target::All, HaltName::All) => true,
            (Target::Venue(own), HaltName::Partition(venue, _)) => own == venue,
            (Target::Partition(own, name), HaltName::Partition(venue, other)) => {
                (own, name) == (venue, other)
            }
            (Target::Symbol(own, symbol), HaltName::Symbol(venue, other)) => {
                (own, symbol) == (venue, other)
            }
            _ => false,
        }
    }

    /// Whether what this names is part of what `other` does, or the same.
    #[must_use]
    pub fn is_within(&self, other: &Target) -> bool {
        match (self, other) {
            (_, Target::All) => true,
            (Target::All, _) => false,
            (Target::Venue(own) | Target::Partition(own, _) | Target::Symbol(own, _), _)
                if matches!(other, Target::Venue(_)) =>
            {
                *other == Target::Venue(*own)
            }
            _ => self == other,
        }
    }

    /// Whether a word may be this one's and `other`'s.
    #[must_use]
    pub fn shares(&self, other: &Target) -> bool {
        match (self, other) {
            (Target::Venue(own), Target::Partition(venue, _))
            | (Target::Partition(venue, _), Target::Venue(own)) => own == venue,
            _ => self == other,
        }
    }

    /// The word for what a region halts by this name.
    #[must_use]
    pub fn of_word(name: &HaltName) -> Target {
        match name {
            HaltName::All => Target::All,
            HaltName::Partition(venue, name) => Target::Partition(*venue, *name),
            HaltName::Symbol(venue, symbol) => Target::Symbol(*venue, *symbol),
        }
    }
}

/// Venue and name of each partition, in order of these.
fn partitions(region: &Region) -> Vec<(Venue, Text<16>)> {
    let now = candor_shm::clock::now;
    let mut all: Vec<_> =
        region.partitions_when(now).map(|info| (info.spec.venue, info.spec.name)).collect();
    all.sort_unstable();
    all
}

/// No such target; the nearest that there is, or what there is.
fn unknown(said: &str, region: &Region) -> Failure {
    let partitions = partitions(region);
    let mut names = vec![ALL.to_owned()];
    names.extend(partitions.iter().map(|(venue, _)| venue.to_string()));
    names.extend(partitions.iter().map(|(venue, name)| format!("{venue}/{name}")));
    names.dedup();
    let listed = names.join(", ");
    for number in 0..region.partition_count() {
        let venue = partitions_venue(region, number);
        for (_, symbol) in region.symbols(number) {
            // A symbol may hold a slash, so that nothing tells which of the two was meant.
            names.extend(venue.map(|venue| format!("{venue}:{symbol}")));
            names.push(symbol.to_string());
        }
    }
    let candidates: Vec<&str> = names.iter().map(String::as_str).collect();
    let shown = said.escape_debug();
    Failure::usage(match nearest(said, &candidates) {
        Some(near) => format!("nothing here is called `{shown}`; did you mean `{near}`?"),
        None => format!(
            "nothing here is called `{shown}`; there are the symbols (`candor stale`, `candor get`), \
             {listed}"
        ),
    })
}

fn partitions_venue(region: &Region, number: u16) -> Option<Venue> {
    region.partition_when(number, candor_shm::clock::now).map(|info| info.spec.venue)
}

/// How many symbols of these words' read Live, as any subscriber reads them, and how many there are.
#[must_use]
pub fn live(region: &Region, words: &[Halt]) -> (u64, u64) {
    count(region, words, |handle| region.read(handle).live().is_some())
}

/// How many of them would read Live, were it not for what was halted at or after `since`, and how many
/// there are: what a halt has taken away, which nobody counts before it is stored.
pub(crate) fn live_but_for(region: &Region, words: &[Halt], since: Mono) -> (u64, u64) {
    count(region, words, |handle| region.was_live_but_for_halts_since(handle, since))
}

fn count(region: &Region, words: &[Halt], is_live: impl Fn(Handle) -> bool) -> (u64, u64) {
    let (mut live, mut all) = (0, 0);
    let mut count = |handle| {
        all += 1;
        live += u64::from(is_live(handle));
    };
    for word in words {
        match *word {
            Halt::All => (0..region.partition_count())
                .for_each(|number| region.symbols(number).for_each(|(handle, _)| count(handle))),
            Halt::Partition(number) => region.symbols(number).for_each(|(handle, _)| count(handle)),
            Halt::Symbol(handle) => count(handle),
        }
    }
    (live, all)
}

/// A reason that can be written down: what remains of it once its ends are cut.
///
/// # Errors
/// Exit 64 for none, one too long, and one that is no line of text.
pub fn checked_reason(reason: &str) -> Result<&str, Failure> {
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(Failure::usage("a halt has a reason: --reason TEXT"));
    }
    if reason.len() > REASON_BYTES || reason.chars().any(char::is_control) {
        return Err(Failure::usage(format!(
            "the reason is one line of at most {REASON_BYTES} bytes"
        )));
    }
    Ok(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_read_as_it_is_written() {
        for said in ["all", "XNAS", "XNAS/1", "XNAS/two words", "XNAS:AAPL", "XNAS:BRK/A", "X/a:b"]
        {
            assert_eq!(Target::parse(said).unwrap().to_string(), said);
        }
        for said in ["", "/", ":", "XNAS/", "XNAS:", "NINELETTERS", "XNAS/\u{1b}"] {
            assert_eq!(Target::parse(said), None, "{said:?}");
        }
        let within = |one: &str, other: &str| {
            Target::parse(one).unwrap().is_within(&Target::parse(other).unwrap())
        };
        assert!(within("XNAS:A", "all") && within("XNAS", "all") && within("all", "all"));
        assert!(within("XNAS:A", "XNAS") && within("XNAS/1", "XNAS") && within("XNAS", "XNAS"));
        assert!(within("XNAS/1", "XNAS/1") && within("XNAS:A", "XNAS:A"));
        assert!(!within("all", "XNAS") && !within("XNAS", "XNAS/1") && !within("XNAS:A", "XNAS/1"));
        assert!(!within("IEXG:A", "XNAS") && !within("XNAS/2", "XNAS/1"));
    }

    /// A map may add its partition to any lane: what is to spare before it has a number as well.
    #[test]
    fn a_target_is_the_words_of_what_it_names_behind_partitions_to_spare() {
        let name = |name: &str| Text::from_wire(name.as_bytes()).unwrap();
        let partition = |lane, own| candor_shm::PartitionSpec {
            venue: text("XNAS").unwrap(),
            name: name(own),
            feed: name("nasdaq-itch50"),
            silence: candor_core::Nanos::from_secs(3),
            decimals: candor_core::Decimals(4),
            ..candor_shm::PartitionSpec::spare(lane, 8)
        };
        let mut spec = candor_shm::RegionSpec::new(text("spare").unwrap());
        spec.lanes = 2;
        let spare = |lane| candor_shm::PartitionSpec::spare(lane, 8);
        spec.partitions = vec![partition(0, "1"), spare(0), spare(1)];
        let (_handler, mut lanes, region) = candor_shm::heap(&spec).unwrap();
        lanes[1].open(2, &partition(1, "2"));
        let words = |said: &str| Target::find(said, &region).unwrap().words(&region);
        assert_eq!(words("XNAS/1"), [Halt::Partition(0)]);
        assert_eq!(words("XNAS/2"), [Halt::Partition(2)]);
        assert_eq!(words("XNAS"), [Halt::Partition(0), Halt::Partition(2)]);
    }

    #[test]
    fn a_reason_is_a_line() {
        assert_eq!(checked_reason("  fat finger ").unwrap(), "fat finger");
        for bad in ["", "   ", "two\nlines", &"x".repeat(REASON_BYTES + 1)] {
            assert!(checked_reason(bad).is_err(), "{bad:?}");
        }
    }
}

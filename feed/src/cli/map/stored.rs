//! Which store, and which map: a file, or one of a store's.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use candor_core::{Symbol, TradingDate, Venue};
use candor_maps::calendar::{Calendar, Day, Wall};
use candor_maps::check::Wanted;
use candor_maps::diff::BOUND_PPM;
use candor_maps::file::{self, Loaded};
use clap::Args;

use crate::clock;
use crate::config::{self, Maps};
use crate::exit::Failure;
use crate::store::{PREFIX, Store, checked};

/// Which store of maps.
#[derive(Debug, Args)]
pub(super) struct StoreArg {
    /// The folder of the store of maps.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    store: Option<PathBuf>,
    /// The configuration whose `[maps]` names the store.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// A store, and what the configuration says of maps where it was found by that.
pub(super) struct Place {
    pub(super) store: Store,
    pub(super) maps: Option<Maps>,
}

impl StoreArg {
    /// The configuration, where one is named.
    pub(super) fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// The store, where one is named.
    pub(super) fn find(&self) -> Result<Option<Place>, Failure> {
        match (&self.store, &self.config) {
            (Some(folder), _) => Ok(Some(Place { store: Store::open(folder)?, maps: None })),
            (None, Some(path)) => {
                let maps = configured(path)?;
                Ok(Some(Place { store: Store::open(&maps.store)?, maps: Some(maps) }))
            }
            (None, None) => Ok(None),
        }
    }

    /// The store, which must be named.
    pub(super) fn open(&self) -> Result<Place, Failure> {
        self.find()?.ok_or_else(|| {
            Failure::usage(
                "no store of maps is named; add --store DIR, or -c FILE of a configuration",
            )
        })
    }
}

/// What a configuration says of maps.
pub(super) fn configured(path: &Path) -> Result<Maps, Failure> {
    config::load(path)?.maps.ok_or_else(|| {
        let path = path.display();
        Failure::config(format!("{path}: says nothing of maps; add [maps] with `store`"))
    })
}

impl Place {
    /// The bound of a venue: as configured, or the usual one. No option widens it: whoever wants more than it
    /// allows gives a name.
    pub(super) fn bound_ppm(&self, venue: Venue) -> u32 {
        self.maps.as_ref().map_or(BOUND_PPM, |maps| maps.bound_ppm(venue))
    }

    /// The list of a venue's symbols: as given, configured, or empty.
    pub(super) fn symbols(
        &self,
        given: Option<&Path>,
        venue: Venue,
    ) -> Result<Vec<Symbol>, Failure> {
        if let Some(path) = given {
            return Ok(config::symbols_from(path)?);
        }
        let configured = self.maps.as_ref().and_then(|maps| maps.of(venue));
        Ok(configured.map_or(Ok(Vec::new()), config::MapVenue::symbols)?)
    }
}

/// A map by what it is called on the command line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Reference {
    /// A file.
    File(PathBuf),
    /// The first digits of a digest.
    Digest(String),
    /// The one in force on a date.
    On(Venue, TradingDate),
}

impl FromStr for Reference {
    type Err = String;

    /// By the form alone, never by which files there happen to be: `./2026ab` is a file whatever it is called.
    fn from_str(text: &str) -> Result<Reference, String> {
        let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if digits && (PREFIX..=64).contains(&text.len()) {
            return Ok(Reference::Digest(text.to_ascii_lowercase()));
        }
        if let Some((venue, date)) = text.rsplit_once('@')
            && !venue.contains('/')
            && let (Some(venue), Some(date)) =
                (Venue::from_wire(venue.as_bytes()), file::parse_date(date))
        {
            return Ok(Reference::On(venue, date));
        }
        match text {
            "" => Err("a map is a file, a digest or VENUE@DATE".to_owned()),
            _ => Ok(Reference::File(PathBuf::from(text))),
        }
    }
}

impl Reference {
    /// The map, checked against what is wanted.
    pub(super) fn load(&self, place: Option<&Place>, wanted: &Wanted) -> Result<Loaded, Failure> {
        if let Reference::File(path) = self {
            return super::load(path, wanted);
        }
        let Some(place) = place else {
            return Err(Failure::usage(format!(
                "{} is of a store of maps; name it with --store DIR or -c FILE (a file that is called \
                 so is ./{})",
                self.text(),
                self.text()
            )));
        };
        let digest = self.digest(&place.store)?;
        let loaded = place.store.read(&digest)?;
        checked(&loaded.map, Path::new(&self.text()), wanted)?;
        Ok(loaded)
    }

    /// The digest of a map of the store.
    pub(super) fn digest(&self, store: &Store) -> Result<String, Failure> {
        match self {
            Reference::Digest(prefix) => Ok(store.find(prefix)?),
            Reference::On(venue, date) => match store.in_force(*venue, *date)? {
                Some(pointer) => Ok(pointer.digest),
                None => Err(Failure::new(
                    crate::exit::Exit::Unknown,
                    format!(
                        "no map of {venue} is in force for {date}; candor map history lists what is"
                    ),
                )),
            },
            Reference::File(path) => Err(Failure::usage(format!(
                "{} is a file; import it, and name its digest or VENUE@DATE",
                path.display()
            ))),
        }
    }

    /// Whether it is none of a store's.
    pub(super) fn is_file(&self) -> bool {
        matches!(self, Reference::File(_))
    }

    /// Where the map comes from, in words.
    pub(super) fn origin(&self) -> String {
        match self {
            Reference::File(path) => {
                std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string()
            }
            _ => format!("{} of the store", self.text()),
        }
    }

    fn text(&self) -> String {
        match self {
            Reference::File(path) => path.display().to_string(),
            Reference::Digest(digits) => digits.clone(),
            Reference::On(venue, date) => format!("{venue}@{date}"),
        }
    }
}

/// The venue's trading date: today's, or the next where it is between two.
pub(super) fn today(venue: Venue) -> Result<TradingDate, Failure> {
    let say = "say which: --date 2026-11-23";
    let Some(calendar) = Calendar::of(venue.as_str()) else {
        return Err(Failure::usage(format!(
            "no calendar tells the trading date of {venue}; {say}"
        )));
    };
    match calendar.trading_date_at(Wall(clock::wall())) {
        Day::Trading(session) => Ok(session.date),
        Day::Closed { next } => Ok(next),
        Day::Unknown => Err(Failure::usage(format!(
            "the calendar of {venue} ends at {}, and does not know today; {say}",
            calendar.ends()
        ))),
    }
}

/// Parses a venue of the command line.
pub(super) fn venue(text: &str) -> Result<Venue, String> {
    Venue::from_wire(text.as_bytes()).ok_or_else(|| "a venue has 1 to 8 characters".to_owned())
}

/// Parses a date of the command line.
pub(super) fn date(text: &str) -> Result<TradingDate, String> {
    file::parse_date(text).ok_or_else(|| "a date is written 2026-11-23".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_named_by_its_form_alone() {
        let on = |text: &str| Reference::from_str(text).unwrap();
        let venue = |text: &str| Venue::from_wire(text.as_bytes()).unwrap();
        let date = TradingDate(20_261_123);
        assert_eq!(on("abcDEF"), Reference::Digest("abcdef".to_owned()));
        assert_eq!(on("XNAS@2026-11-23"), Reference::On(venue("XNAS"), date));
        assert_eq!(on("A@B@2026-11-23"), Reference::On(venue("A@B"), date));
        for file in ["abcde", "./abcdef", "abcdefg", "XNAS@2026-11-32", "a/b@2026-11-23"] {
            assert_eq!(on(file), Reference::File(file.into()), "{file}");
        }
        assert_eq!(on(&"a".repeat(65)), Reference::File("a".repeat(65).into()));
        assert!(Reference::from_str("").is_err());
    }
}

//! The store of partition maps on disk: every map that was ever taken, and which is in force when.
//!
//! ```text
//! STORE/maps/<digest>/map.toml                 the canonical form, and beside it
//! STORE/maps/<digest>/symbols.csv              where the map lists many symbols
//! STORE/dates/<VENUE>/<YYYY-MM-DD>/000001.toml which map is in force: the highest number
//! STORE/accepted/<digest>/000001.toml          who answers for a difference from another map
//! ```
//!
//! Files are added and never changed, replaced or removed (`disk.rs`). A map's folder has the name of its
//! digest, and what is read is compared with that name, byte by byte; the other files have a sum of
//! their own. What does not agree is an [`Error::Damaged`], never a map. Names that begin with a dot are what
//! a crash left, and are not read.
//!
//! [`load`] decides whether a map comes in force, [`accept`] answers for a difference, [`take`] reads
//! venues' own files, [`fetch`] does all of that by the configuration. Time is an argument, but for how long
//! a command runs.

mod decide;
mod disk;
mod error;
mod fetch;
mod interfaces;
mod record;
mod take;

#[cfg(test)]
mod tests;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use candor_core::{TradingDate, Venue};
use candor_maps::Map;
use candor_maps::check::Wanted;
use candor_maps::file::{self, Loaded, SYMBOLS_FILE, digest_of_bytes, parse_date};
use candor_settings::read_text;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use decide::{
    Accept, Accepted, InForce, Judged, Outcome, Request, Why, accept, advice, checked, load,
};
pub use error::Error;
pub use fetch::{Fetch, Fetched, Order, Origin, PLACEHOLDERS, fetch, fetch_configured};
pub use interfaces::{judged, missing};
pub use record::{Acceptance, Acknowledged, Compared, Pointer};
pub use take::{Format, Given, Recipe, Taken, given, take};

use disk::Disk;

/// The file of a map in its folder.
const MAP_FILE: &str = "map.toml";

/// Digits of a digest that name it at least, where only one map's begins with them.
pub const PREFIX: usize = 6;

/// Numbered files of one folder at most: a map that changes every minute of a day has 1,440.
const NUMBERS: u32 = 100_000;

/// A store that is there.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    disk: Disk,
}

/// What became of a map that was added.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Added {
    /// Its digest.
    pub digest: String,
    /// Whether it was not there before.
    pub new: bool,
}

/// One that was in force, or still is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Past {
    /// Its date.
    pub date: TradingDate,
    /// Its number on that date.
    pub number: u32,
    /// What it says, or why it can't be read.
    pub pointer: Result<Pointer, Error>,
}

impl Store {
    /// The store in this folder, which must be there: a folder made because its name was mistyped would be a
    /// store without a past, where nothing can be compared.
    ///
    /// # Errors
    /// [`Error::NoStore`].
    pub fn open(root: &Path) -> Result<Store, Error> {
        if !root.is_dir() {
            return Err(Error::NoStore(root.to_path_buf()));
        }
        Ok(Store { root: root.to_path_buf(), disk: Disk::default() })
    }

    /// Its folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Adds a map, which is not in force by that. One that is there is read and compared with its digest.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Damaged`] where this map is there and damaged.
    pub fn add(&self, map: &Map) -> Result<Added, Error> {
        let digest = file::digest_text(map);
        let folder = self.folder_of(&digest);
        let above = self.root.join("maps");
        if folder.is_dir() {
            self.read(&digest)?;
            // Whoever put it there may have been stopped before its name had reached the disk.
            self.disk.sync_folder(&above)?;
            return Ok(Added { digest, new: false });
        }
        self.disk.make_folders(&self.root, &above)?;
        let written = file::write(map);
        let mut files = vec![(MAP_FILE, written.toml.as_str())];
        files.extend(written.symbols_csv.as_deref().map(|text| (SYMBOLS_FILE, text)));
        let new = self.disk.place_folder(&folder, &files)?;
        // What is read later is what is there, not what was meant.
        self.read(&digest)?;
        Ok(Added { digest, new })
    }

    /// The map with this digest, and what looks wrong about it.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::Damaged`], [`Error::Io`].
    pub fn read(&self, digest: &str) -> Result<Loaded, Error> {
        let folder = self.folder_of(digest);
        if !folder.is_dir() {
            let here = self.root.display();
            return Err(Error::Absent(format!("no map with the digest {digest} is in {here}")));
        }
        let damaged = |name: &str, why: String| Error::Damaged { file: folder.join(name), why };
        let map = folder.join(MAP_FILE);
        let toml = read_text(&map).map_err(|why| damaged(MAP_FILE, why))?;
        let beside = folder.join(SYMBOLS_FILE);
        let symbols = match beside.try_exists() {
            Ok(false) => None,
            _ => Some(read_text(&beside).map_err(|why| damaged(SYMBOLS_FILE, why))?),
        };
        if digest_of_bytes(&toml, symbols.as_deref()).as_deref() != Some(digest) {
            let why =
                "it, or the file beside it, was cut or changed since it was written".to_owned();
            return Err(damaged(MAP_FILE, why));
        }
        // The text that was compared is the one that is read.
        let loaded = file::load(&map, &toml, &Wanted::default(), &mut |path| match &symbols {
            Some(text) if path == beside => Ok(text.clone()),
            _ => Err("is not beside the map".to_owned()),
        });
        loaded.map_err(|problems| damaged(MAP_FILE, problems.to_string()))
    }

    /// The digest that begins like this, which must be one map's alone.
    ///
    /// # Errors
    /// [`Error::Absent`] where there is none, [`Error::Ambiguous`] where there are several.
    pub fn find(&self, prefix: &str) -> Result<String, Error> {
        let prefix = prefix.to_ascii_lowercase();
        let mut names = names(&self.root.join("maps"))?;
        names.retain(|name| is_digest(name) && name.starts_with(&prefix));
        match &names[..] {
            [digest] => Ok(digest.clone()),
            [] => Err(Error::Absent(format!(
                "no map whose digest begins with {prefix} is in {}",
                self.root.display()
            ))),
            [first, second, ..] => Err(Error::Ambiguous(format!(
                "{} digests begin with {prefix}, such as {first} and {second}: give more digits",
                names.len()
            ))),
        }
    }

    /// What says which map is in force on a date; `None` where none is.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Io`].
    pub fn in_force(&self, venue: Venue, date: TradingDate) -> Result<Option<Pointer>, Error> {
        let folder = self.folder_on(venue, date);
        let Some(last) = numbers(&folder)?.last().copied() else { return Ok(None) };
        self.pointer(venue, date, last).map(Some)
    }

    /// What was in force on the last date before this one that has any.
    ///
    /// # Errors
    /// As [`Store::in_force`].
    pub fn before(&self, venue: Venue, date: TradingDate) -> Result<Option<Pointer>, Error> {
        // A date whose folder a crash left empty has none.
        for earlier in self.dates(venue)?.into_iter().rev().filter(|other| *other < date) {
            if let Some(pointer) = self.in_force(venue, earlier)? {
                return Ok(Some(pointer));
            }
        }
        Ok(None)
    }

    /// Every venue of which something was ever in force, ascending.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn venues(&self) -> Result<Vec<Venue>, Error> {
        let names = names(&self.root.join("dates"))?;
        Ok(names.iter().filter_map(|name| venue_of(name)).collect())
    }

    /// The dates for which a map of a venue is or was in force, ascending.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn dates(&self, venue: Venue) -> Result<Vec<TradingDate>, Error> {
        let names = names(&self.root.join("dates").join(name_of(venue)))?;
        Ok(names.iter().filter_map(|name| parse_date(name)).collect())
    }

    /// Everything that was ever in force of a venue, by date and number, each read or said why not: also the
    /// first number that a date lacks.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn history(&self, venue: Venue) -> Result<Vec<Past>, Error> {
        let mut rows = Vec::new();
        for date in self.dates(venue)? {
            let folder = self.folder_on(venue, date);
            let there = present(&folder)?;
            let mut all = there.clone();
            all.extend(first_hole(&there));
            all.sort_unstable();
            for number in all {
                let pointer = match there.contains(&number) {
                    true => self.pointer(venue, date, number),
                    false => Err(taken_away(&folder, number)),
                };
                rows.push(Past { date, number, pointer });
            }
        }
        Ok(rows)
    }

    /// Who answers for the difference between two maps, by their digests.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Io`].
    pub fn acceptance(&self, digest: &str, against: &str) -> Result<Option<Acknowledged>, Error> {
        let folder = self.root.join("accepted").join(digest);
        let mut found = None;
        for number in numbers(&folder)? {
            let file = folder.join(numbered(number));
            let one: Acceptance = record(&file)?;
            if one.digest != digest {
                let why = "is of another map than its folder".to_owned();
                return Err(Error::Damaged { file, why });
            }
            if one.against == against {
                found = Some(one.acknowledged);
            }
        }
        Ok(found)
    }

    /// What says which maps came in force on a date, behind this number, in their order; each read, or why not.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn pointers(
        &self,
        venue: Venue,
        date: TradingDate,
        behind: u32,
    ) -> Result<Vec<Result<Pointer, Error>>, Error> {
        let numbers = numbers(&self.folder_on(venue, date))?;
        let behind = numbers.into_iter().filter(|number| *number > behind);
        Ok(behind.map(|number| self.pointer(venue, date, number)).collect())
    }

    /// The digests of the maps for which somebody answers, ascending.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn accepted(&self) -> Result<Vec<String>, Error> {
        let mut names = names(&self.root.join("accepted"))?;
        names.retain(|name| is_digest(name));
        Ok(names)
    }

    /// What was answered for of a map, behind this number, with the numbers.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Io`].
    pub fn acceptances(&self, digest: &str, behind: u32) -> Result<Vec<(u32, Acceptance)>, Error> {
        let folder = self.root.join("accepted").join(digest);
        let behind = numbers(&folder)?.into_iter().filter(|number| *number > behind);
        behind.map(|number| Ok((number, record(&folder.join(numbered(number)))?))).collect()
    }

    fn pointer(&self, venue: Venue, date: TradingDate, number: u32) -> Result<Pointer, Error> {
        let file = self.folder_on(venue, date).join(numbered(number));
        let pointer: Pointer = record(&file)?;
        if (pointer.venue, pointer.date, pointer.number) != (venue, date, number) {
            let why = "is of another venue, date or number than its name".to_owned();
            return Err(Error::Damaged { file, why });
        }
        Ok(pointer)
    }

    /// Puts a pointer in force; `false` where another one got its number first.
    fn point(&self, pointer: &Pointer) -> Result<bool, Error> {
        let folder = self.folder_on(pointer.venue, pointer.date);
        self.put(&folder, pointer.number, pointer)
    }

    fn put<T: Serialize>(&self, folder: &Path, number: u32, value: &T) -> Result<bool, Error> {
        let place = folder.join(numbered(number));
        if number > NUMBERS {
            let why = format!("a folder has at most {NUMBERS} of them");
            return Err(Error::Damaged { file: place, why });
        }
        let text =
            record::write(value).map_err(|why| Error::Damaged { file: place.clone(), why })?;
        self.disk.make_folders(&self.root, folder)?;
        self.disk.place_file(&place, &text)
    }

    fn folder_of(&self, digest: &str) -> PathBuf {
        self.root.join("maps").join(digest)
    }

    fn folder_on(&self, venue: Venue, date: TradingDate) -> PathBuf {
        self.root.join("dates").join(name_of(venue)).join(date.to_string())
    }
}

/// Whether this is a whole digest as folders have it for their name.
fn is_digest(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A venue as the name of a folder: what is no letter or digit in it could mean something there.
fn name_of(venue: Venue) -> String {
    let mut name = String::new();
    for byte in venue.as_str().bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    name
}

fn venue_of(name: &str) -> Option<Venue> {
    let mut bytes = Vec::new();
    let mut parts = name.split('%');
    bytes.extend(parts.next()?.bytes());
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(code, 16).ok()?);
        bytes.extend(rest.bytes());
    }
    Venue::from_wire(&bytes).filter(|venue| name_of(*venue) == name)
}

/// The names in a folder, ascending; none where it isn't there.
fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let wrong = |error: &std::io::Error| Error::io(folder, "read", error);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| wrong(&error))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| wrong(&error))?.file_name();
        names.extend(name.into_string());
    }
    names.sort_unstable();
    Ok(names)
}

fn numbered(number: u32) -> String {
    format!("{number:06}.toml")
}

/// The numbers of a folder's files: 1, 2 and so on.
fn numbers(folder: &Path) -> Result<Vec<u32>, Error> {
    let numbers = present(folder)?;
    // Which one is in force is told by the highest number, and a hole tells that files were taken away.
    match first_hole(&numbers) {
        Some(missing) => Err(taken_away(folder, missing)),
        None => Ok(numbers),
    }
}

/// The numbers of the files that are there, ascending.
fn present(folder: &Path) -> Result<Vec<u32>, Error> {
    let number = |name: &String| {
        let number: u32 = name.strip_suffix(".toml")?.parse().ok()?;
        (numbered(number) == *name).then_some(number)
    };
    Ok(names(folder)?.iter().filter_map(number).collect())
}

/// The first number that is not there though higher ones are.
fn first_hole(numbers: &[u32]) -> Option<u32> {
    (1u32..).zip(numbers).find(|(wanted, number)| wanted != *number).map(|(missing, _)| missing)
}

fn taken_away(folder: &Path, number: u32) -> Error {
    let why = "is not there, and higher numbers are".to_owned();
    Error::Damaged { file: folder.join(numbered(number)), why }
}

fn record<T: DeserializeOwned>(file: &Path) -> Result<T, Error> {
    let damaged = |why| Error::Damaged { file: file.to_path_buf(), why };
    record::read(&read_text(file).map_err(damaged)?).map_err(damaged)
}

//! Fetching a venue's map for a date: from where the configuration says, through the importer, into the
//! store, and in force if it may be.
//!
//! Nothing here prints and no deadline is made of the wall clock, which is an argument: whoever runs the day
//! calls [`fetch`] when the map is due, and again while it is missing. What is fetched by itself leaves a map that
//! somebody has put in force by name ([`Order::over_named`]). It waits for the disk and for the command:
//! a thread of its own is the place for it.

use std::fs;
use std::path::{Path, PathBuf};

use candor_core::{Nanos, Symbol, TradingDate, Venue};
use candor_maps::calendar::Wall;
use candor_settings::{Problem, Problems};

use super::decide::{Outcome, Request, Why, load};
use super::record::{FETCHED, Pointer};
use super::take::{Given, Recipe, given, take};
use super::{Error, Store};
use crate::command;
use crate::config::{MapVenue, Maps};

/// Where a venue's map is fetched from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fetch {
    /// A folder or a command.
    pub origin: Origin,
    /// The files' names in that folder, or in the one that the command is started in. Empty, for a command
    /// alone: what it prints is the one file.
    pub files: Vec<String>,
}

/// A folder or a command. In names and arguments `{venue}` stands for the venue, `{date}` for the date as
/// 2026-11-23, `{yyyymmdd}` for it as 20261123.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// Somebody puts the files there.
    Directory(String),
    /// A program and its arguments, started without a shell in an empty folder of its own.
    Command {
        /// Program and arguments.
        argv: Vec<String>,
        /// How long it may run.
        timeout: Nanos,
    },
}

/// What stands for something else in names and arguments.
pub const PLACEHOLDERS: [&str; 3] = ["{venue}", "{date}", "{yyyymmdd}"];

/// What a fetch has come to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fetched {
    /// What became of the map.
    pub outcome: Outcome,
    /// What the venue's files say and the map has no place for: channels that are left out, say.
    pub notes: Vec<String>,
}

impl From<Outcome> for Fetched {
    fn from(outcome: Outcome) -> Fetched {
        Fetched { outcome, notes: Vec::new() }
    }
}

/// Fetches a venue's map for a date as it is configured: [`fetch`] with the configuration's store, recipe and
/// bound.
///
/// # Errors
/// As [`fetch`], and [`Error::NoStore`].
pub fn fetch_configured(
    maps: &Maps,
    of: &MapVenue,
    date: TradingDate,
    interfaces: Option<&[String]>,
    (by, over_named): (&str, bool),
    now: Wall,
) -> Result<Fetched, Error> {
    let store = Store::open(&maps.store)?;
    let Some(fetch) = &of.fetch else {
        let why = format!("nothing says where the maps of {} are fetched from: `fetch`", of.venue);
        return Ok(Outcome::Missing(why).into());
    };
    let (recipe, symbols) = match (of.recipe(), of.symbols()) {
        (Ok(recipe), Ok(symbols)) => (recipe, symbols),
        (Err(problems), _) | (_, Err(problems)) => {
            return Ok(Outcome::Refused(Why::Content(problems)).into());
        }
    };
    let order = Order {
        venue: of.venue,
        date,
        fetch,
        recipe: &recipe,
        bound_ppm: maps.bound_ppm(of.venue),
        symbols: &symbols,
        interfaces,
        over_named,
        by,
        now,
    };
    self::fetch(&store, &order)
}

/// What is to be fetched.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// The venue.
    pub venue: Venue,
    /// The trading date.
    pub date: TradingDate,
    /// From where.
    pub fetch: &'a Fetch,
    /// How its files become a map.
    pub recipe: &'a Recipe,
    /// As in [`Request`].
    pub bound_ppm: u32,
    /// As in [`Request`].
    pub symbols: &'a [Symbol],
    /// As in [`Request`].
    pub interfaces: Option<&'a [String]>,
    /// As in [`Request`].
    pub over_named: bool,
    /// As in [`Request`].
    pub by: &'a str,
    /// The wall clock.
    pub now: Wall,
}

/// Fetches a venue's map for a date. What was in force stays so unless the map may come in force; a map that
/// may not for its difference is in the store, for somebody to look at.
///
/// # Errors
/// [`Error`] where the store can't be read or written.
pub fn fetch(store: &Store, order: &Order<'_>) -> Result<Fetched, Error> {
    let Order { venue, date, fetch, .. } = order;
    // Whatever there is to fetch, it would not come in force.
    let current = if order.over_named { None } else { store.in_force(*venue, *date)? };
    if let Some(pointer) = current.filter(Pointer::is_named) {
        return Ok(Outcome::Kept(pointer).into());
    }
    let fill = |text: &str| filled(text, *venue, *date);
    let mut scratch = None;
    let got = match &fetch.origin {
        Origin::Directory(folder) => {
            let folder = PathBuf::from(fill(folder));
            Ok((format!("{}{}", FETCHED[0], folder.display()), named(fetch, &folder, fill)))
        }
        Origin::Command { argv, timeout } => {
            let folder = store.disk.scratch(store.root())?;
            let argv: Vec<String> = argv.iter().map(|argument| fill(argument)).collect();
            let said = command::run(&argv, &folder, *timeout);
            let from = format!("{}{}", FETCHED[1], argv.join(" "));
            let got = said.map(|out| (from, printed(fetch, &argv, out, &folder, fill)));
            scratch = Some(folder);
            got
        }
    };
    let fetched = match got {
        Ok((from, Got::Files(files))) => bring(store, order, &files, &from),
        Ok((_, Got::Wrong(problems))) => Ok(Outcome::Refused(Why::Content(problems)).into()),
        Ok((from, Got::Nothing(why))) => {
            Ok(Outcome::Missing(format!("{from} has no map: {why}")).into())
        }
        Err(why) => Ok(Outcome::Missing(why).into()),
    };
    if let Some(folder) = scratch {
        // What the command left behind is no part of the store, and does no harm where it can't be removed.
        let _ = fs::remove_dir_all(folder);
    }
    fetched
}

enum Got {
    Files(Vec<Given>),
    Wrong(Problems),
    Nothing(String),
}

fn named(fetch: &Fetch, folder: &Path, fill: impl Fn(&str) -> String) -> Got {
    let paths: Vec<PathBuf> = fetch.files.iter().map(|name| folder.join(fill(name))).collect();
    for path in &paths {
        if let Ok(false) = path.try_exists() {
            return Got::Nothing(format!("there is no {}", path.display()));
        }
    }
    match given(&paths) {
        Ok(files) => Got::Files(files),
        Err(problems) => Got::Wrong(problems),
    }
}

/// What a command that ended well has brought.
fn printed(
    fetch: &Fetch,
    argv: &[String],
    out: Vec<u8>,
    folder: &Path,
    fill: impl Fn(&str) -> String,
) -> Got {
    if !fetch.files.is_empty() {
        return named(fetch, folder, fill);
    }
    if out.is_empty() {
        return Got::Nothing("it printed nothing".to_owned());
    }
    // Files that a map names beside itself are looked for where the command was started.
    let program = argv.first().and_then(|name| Path::new(name).file_name()).unwrap_or_default();
    let path = folder.join(format!("what {} printed", program.to_string_lossy()));
    match String::from_utf8(out) {
        Ok(text) => Got::Files(vec![Given { path, text }]),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let why = format!("is not UTF-8 text: the first bad byte is at offset {at}");
            Got::Wrong(Problems::new("map", &path, vec![Problem::of_file(&path, why)]))
        }
    }
}

fn bring(store: &Store, order: &Order<'_>, files: &[Given], from: &str) -> Result<Fetched, Error> {
    let taken = match take(order.recipe, order.venue, order.date, files) {
        Ok(taken) => taken,
        Err(problems) => return Ok(Outcome::Refused(Why::Content(problems)).into()),
    };
    let request = Request {
        venue: Some(order.venue),
        date: order.date,
        bound_ppm: order.bound_ppm,
        symbols: order.symbols,
        interfaces: order.interfaces,
        over_named: order.over_named,
        first: false,
        by: order.by,
        from,
        now: order.now,
    };
    let outcome = load(store, taken.loaded, &request)?;
    Ok(Fetched { outcome, notes: taken.notes })
}

fn filled(text: &str, venue: Venue, date: TradingDate) -> String {
    let values = [venue.to_string(), date.to_string(), date.0.to_string()];
    let pairs = PLACEHOLDERS.iter().zip(values);
    pairs.fold(text.to_owned(), |text, (name, value)| text.replace(name, &value))
}

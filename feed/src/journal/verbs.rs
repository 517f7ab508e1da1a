//! What operators do beside the handler, and have done while none ran: drills, maps put in force, differences answered
//! for. And what they do to it: halts and resumes ([`super::halts`]).
//!
//! The handler alone writes its journal. `candor drill` adds a line to a file beside it (`NAME.operators.log` in `state`,
//! `<region>.operators.log` without); who put which map in force, and who answers for what, is in the store of maps, which
//! takes nothing away. Both are followed here, on a thread of its own: a disk that hangs keeps nobody waiting. How far
//! they were followed is kept (`NAME.operators.toml`, `<region>.operators`), so that a start goes on where the handler
//! before it ended. It is written a look after the records were handed over: one that is killed may record something
//! twice, and loses nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use candor_core::{Nanos, TradingDate, Venue};
use candor_journal::{Fields, Value, is_name};
use candor_maps::file::parse_date;
use serde::{Deserialize, Serialize};

use super::Journal;
use super::halts::Halts;
use super::operator::Tail;
use crate::clock;
use crate::config::Config;
use crate::daily::taken::put_by;
use crate::exit::Failure;
use crate::halt::clerk::Clerk;
use crate::halt::users;
use crate::kept::{Kept, Named};
use crate::store::{Acceptance, Error, Pointer, Store};

/// How often it is looked.
const LOOK_EVERY: Nanos = Nanos::from_secs(1);

/// How often the kill switch is.
const HALTS_EVERY: Nanos = Nanos::from_millis(500);

/// How often a thread that waits looks whether the handler ends.
const STOP_EVERY: Nanos = Nanos::from_millis(100);

const DAY: u64 = 24 * 3_600_000_000_000;

/// Where nothing says how far it was followed, what is older is of before this handler's time.
const FRESH: u64 = DAY;

/// Dates that are over for longer than that, before the last look, are not looked at any more: nobody puts a map in
/// force for them.
const PAST: u64 = 8 * DAY;

/// Larger is none of ours.
const BYTES: u64 = 1 << 20;

/// The version of what is kept.
const FORMAT: u32 = 1;

fn kept(config: &Config, of: (&str, &str)) -> Kept {
    let name = format!("{}.operators{}", config.handler.name, of.0);
    let ending = format!(".operators{}", of.1);
    let what = "record of what operators did";
    let named = Named { name: &name, ending: &ending, what, bytes: BYTES };
    Kept::of(named, config.handler.state.as_deref(), &config.handler.region)
}

/// The file in which verbs say what they did.
pub(crate) struct Spool(Kept);

impl Spool {
    /// That of a handler.
    pub(crate) fn of(config: &Config) -> Spool {
        Spool(kept(config, (".log", ".log")))
    }

    /// Says that this user has done this now. It is on the disk when this returns.
    ///
    /// # Errors
    /// Exit 77 or 71.
    pub(crate) fn say(&self, verb: &str, by: &str, fields: Fields) -> Result<(), Failure> {
        let fields = fields.text("verb", verb).text("by", by);
        let fields = fields.text("at", clock::display(clock::wall()));
        let path = self.0.path();
        let said = self.0.append(path, &line(&fields));
        said.map_err(|error| Kept::failed(path, "add to", error))
    }
}

fn line(fields: &Fields) -> String {
    use serde_json::Value as Json;
    let json = |value: &Value| match value {
        Value::Text(text) => Json::from(text.as_str()),
        Value::Number(number) => Json::from(*number),
        Value::Flag(flag) => Json::from(*flag),
        Value::List(list) => Json::from(list.as_slice()),
    };
    let all = fields.iter().map(|(name, value)| (name.to_owned(), json(value)));
    Json::Object(all.collect()).to_string()
}

/// What a line of the file says; as it stands where it says nothing that can be understood.
fn said(line: &str) -> Fields {
    let known = |fields: &Fields| {
        fields.text_of("verb").is_some() && fields.iter().all(|(name, _)| is_name(name))
    };
    let fields = serde_json::from_str::<Fields>(line).ok().filter(known);
    fields.unwrap_or_else(|| Fields::new().text("verb", "unknown").text("said", line))
}

/// How far it was followed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    format: u32,
    /// When it was looked last, wall clock in ns since the Unix epoch.
    looked: u64,
    /// Bytes of the file.
    said: u64,
    /// The last number of each date of the store, by venue and date.
    dates: BTreeMap<String, u32>,
    /// And of each map for which somebody answers, by its digest.
    accepted: BTreeMap<String, u32>,
}

impl Seen {
    /// Whether it differs in what was seen.
    fn is(&self, other: &Seen) -> bool {
        (self.said, &self.dates, &self.accepted) == (other.said, &other.dates, &other.accepted)
    }
}

/// See the module's description.
pub(crate) struct Verbs {
    journal: Journal,
    spool: Spool,
    kept: Kept,
    seen: Seen,
    /// As it is kept; `None` where nothing is.
    written: Option<Seen>,
    /// What is older is not recorded, at the first look of the first handler.
    since: u64,
    first: bool,
    unwritten: bool,
    store: Option<PathBuf>,
    venues: Vec<Venue>,
    /// The user whose fetches are the handler's own.
    own: String,
}

impl Verbs {
    /// Goes on where the handler before ended; `wall` is the time of this start.
    pub(crate) fn new(config: &Config, journal: Journal, wall: u64) -> Verbs {
        let kept = kept(config, (".toml", ""));
        let before = kept.read().map_err(|failure| failure.message).and_then(|text| {
            let read = |text: String| {
                let seen = toml::from_str::<Seen>(&text).map_err(|error| error.to_string())?;
                if seen.format == FORMAT { Ok(seen) } else { Err("is of another version".into()) }
            };
            text.map(read).transpose()
        });
        let before = before.unwrap_or_else(|why| {
            let file = kept.path().display();
            tracing::warn!(%file, "how far operators were followed is not known, the last day's is recorded again: {why}");
            None
        });
        let since = if before.is_some() { 0 } else { wall.saturating_sub(FRESH) };
        let written = before.clone();
        let seen = before.unwrap_or(Seen { format: FORMAT, looked: wall, ..Seen::default() });
        let mut venues = config.venues.clone();
        let maps = config.maps.as_ref();
        venues.extend(maps.iter().flat_map(|maps| &maps.venues).map(|one| one.venue));
        venues.sort_unstable();
        venues.dedup();
        Verbs {
            journal,
            spool: Spool::of(config),
            kept,
            written,
            seen,
            since,
            first: true,
            unwritten: false,
            store: maps.map(|maps| maps.store.clone()),
            venues,
            own: users::runs().name,
        }
    }

    /// Records what was done since the last look.
    pub(crate) fn look(&mut self, wall: u64) {
        self.keep();
        self.said();
        if let Some(store) = &self.store
            && let Ok(store) = Store::open(store)
        {
            self.maps(&store, wall);
        }
        self.seen.looked = wall;
        (self.first, self.since) = (false, 0);
    }

    /// Keeps how far it was followed at the look before: its records are written by now.
    fn keep(&mut self) {
        let same = self.written.as_ref().is_some_and(|written| written.is(&self.seen));
        // Also that nothing was done yet: what is done from here on is of this handler's time, however late it is found.
        if same || self.first {
            return;
        }
        let text = toml::to_string(&self.seen).map_err(|error| error.to_string());
        let kept =
            text.and_then(|text| self.kept.replace(Some(&text)).map_err(|failure| failure.message));
        match kept {
            Ok(()) => {
                self.written = Some(self.seen.clone());
                self.unwritten = false;
            }
            Err(why) if !std::mem::replace(&mut self.unwritten, true) => {
                tracing::warn!("what operators do will be recorded again by the next start: {why}");
            }
            Err(_) => {}
        }
    }

    fn record(&self, at: &str, fields: Fields) {
        // A time that can't be read is none of ours: it is recorded rather than not.
        if clock::parse(at).is_none_or(|at| at >= self.since) {
            self.journal.record("operator", fields.flag("found_at_start", self.first));
        }
    }

    fn said(&mut self) {
        let mut tail = Tail { read: self.seen.said };
        // BOUND: what is there now is read to its end.
        while let Ok(Some(file)) = self.spool.0.open_ours(self.spool.0.path())
            && let Some(text) = tail.added(file)
        {
            for line in text.lines() {
                let fields = said(line);
                let at = fields.text_of("at").unwrap_or_default().to_owned();
                self.record(&at, fields);
            }
        }
        self.seen.said = tail.read;
    }

    /// What the store has that it had not. What can't be read now may be at the next look, and stands before what
    /// follows it.
    fn maps(&mut self, store: &Store, wall: u64) {
        let past = self.seen.looked.min(wall).saturating_sub(PAST);
        let floor = clock::date(past, "UTC").unwrap_or(TradingDate(0));
        let is_past = |name: &str| {
            let date = name.rsplit_once(' ').and_then(|(_, date)| parse_date(date));
            date.is_none_or(|date| date < floor)
        };
        self.seen.dates.retain(|name, _| !is_past(name));
        for venue in self.venues.clone() {
            let there = store.dates(venue).unwrap_or_default();
            for date in there.into_iter().filter(|date| *date >= floor) {
                let name = format!("{venue} {date}");
                let last = self.seen.dates.get(&name).copied().unwrap_or(0);
                for pointer in store.pointers(venue, date, last).unwrap_or_default() {
                    let pointer = match pointer {
                        Ok(pointer) => pointer,
                        // It will never be read, and is `map history`'s to say: it hides none behind it.
                        Err(Error::Damaged { .. }) => continue,
                        Err(_) => break,
                    };
                    // What the handler has fetched by itself is its own doing, and recorded as it takes it.
                    if !(pointer.is_fetched() && pointer.by == self.own) {
                        self.record(&pointer.at, loaded(&pointer));
                    }
                    self.seen.dates.insert(name.clone(), pointer.number);
                }
            }
        }
        for digest in store.accepted().unwrap_or_default() {
            let last = self.seen.accepted.get(&digest).copied().unwrap_or(0);
            for (number, one) in store.acceptances(&digest, last).unwrap_or_default() {
                match self.accepted(store, &one) {
                    Ok(Some(fields)) => self.record(&one.acknowledged.at, fields),
                    Ok(None) => {}
                    Err(_) => break,
                }
                self.seen.accepted.insert(digest.clone(), number);
            }
        }
    }

    /// What is recorded of an acceptance; `None` where its map is of no venue of ours.
    fn accepted(&self, store: &Store, one: &Acceptance) -> Result<Option<Fields>, Error> {
        let map = store.read(&one.digest)?.map;
        if !self.venues.contains(&map.venue) {
            return Ok(None);
        }
        let said = &one.acknowledged;
        let fields = Fields::new()
            .text("verb", "map accept")
            .text("by", &said.by)
            .text("target", format!("{}@{}", map.venue, map.date))
            .text("venue", map.venue)
            .text("date", map.date)
            .text("digest", &one.digest)
            .text("against", &one.against)
            .text("accepted_by", &said.name)
            .text("because", &said.because)
            .text("put", &said.at);
        Ok(Some(fields))
    }
}

/// What is recorded of a map that somebody put in force.
fn loaded(pointer: &Pointer) -> Fields {
    let compared = pointer.compared.iter().map(|one| {
        let digest = one.digest.get(..12).unwrap_or(&one.digest);
        match (&one.unreadable, one.known) {
            (Some(why), _) => format!("{} {digest}: can't be read: {why}", one.date),
            (None, false) => format!("{} {digest}: nobody can know what moved", one.date),
            (None, true) => format!(
                "{} {digest}: {} moved, {} dropped, {} new of {}",
                one.date, one.moved, one.dropped, one.added, one.symbols
            ),
        }
    });
    let fields = Fields::new()
        .text("verb", if pointer.is_fetched() { "map fetch" } else { "map load" })
        .text("target", format!("{}@{}", pointer.venue, pointer.date))
        .text("venue", pointer.venue)
        .text("date", pointer.date)
        .text("digest", &pointer.digest)
        .list("compared", compared);
    put_by(fields, pointer)
}

/// Starts the thread that follows them, and that keeps the record of halts for the handler's own. Not waited for at
/// the end: it may wait for a disk.
///
/// # Errors
/// Where the host gives no thread.
pub(crate) fn start(
    config: &Config,
    journal: Journal,
    (mut halts, clerk): (Halts, Clerk),
    stop: &Arc<AtomicBool>,
) -> Result<(), Failure> {
    let (config, stop) = (config.clone(), Arc::clone(stop));
    let follow = move || {
        let mut verbs = Verbs::new(&config, journal.clone(), clock::wall());
        let (mut waited, mut unlooked) = (LOOK_EVERY, HALTS_EVERY);
        // BOUND: until told to stop.
        while !stop.load(Ordering::Relaxed) {
            if unlooked >= HALTS_EVERY {
                halts.look(&journal);
                unlooked = Nanos::ZERO;
            }
            if waited >= LOOK_EVERY {
                verbs.look(clock::wall());
                waited = Nanos::ZERO;
            }
            // An early return only means an early look.
            clerk.work(STOP_EVERY);
            (waited, unlooked) = (waited + STOP_EVERY, unlooked + STOP_EVERY);
        }
        clerk.finish();
    };
    let started = thread::Builder::new().name("operators".to_owned()).spawn(follow);
    let refused = |error| Failure::host(format!("can't start the operators' thread: {error}"));
    started.map(drop).map_err(refused)
}

#[cfg(test)]
mod tests;

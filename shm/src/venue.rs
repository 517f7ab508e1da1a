//! What a region says of a venue: what writer and reader of its record have in common.

use candor_core::{Mono, TradingDate, Venue};

use crate::atomic::{AtomicU64, Ordering};
use crate::layout::{MILESTONES_MAX, VenueRecord};
use crate::mapping::{load_all, store_all, store_changed};

/// What a venue's partitions are by: the trading date and the map in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InForce {
    /// The trading date.
    pub date: TradingDate,
    /// SHA-256 of the map; zeros where the partitions are the configuration's.
    pub digest: [u8; 32],
}

/// A milestone of a venue's morning.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Milestone {
    /// Whether the venue's mornings have it.
    pub applies: bool,
    /// When it is due, wall clock, ns since the Unix epoch; 0: not planned.
    pub planned: u64,
    /// When it was done, likewise; 0: not yet.
    pub actual: u64,
    /// Whether it was found done when the watching began: `actual` is that moment.
    pub found: bool,
    /// How far it is.
    pub done: u32,
    /// Of how many.
    pub of: u32,
}

/// A venue's morning: what has to be done by when, and what is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Morning {
    /// Its trading date, which need not be in force yet.
    pub date: TradingDate,
    /// Since when it is watched, wall clock, ns since the Unix epoch.
    pub watched: u64,
    /// In the order of the morning: map, joins, heartbeats, directory, crossover, preopen, open, prints; the
    /// rest is room.
    pub milestones: [Milestone; MILESTONES_MAX],
}

/// What `candor preopen` answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PreopenVerdict {
    /// The venue may be traded.
    Go,
    /// It may not.
    NoGo,
    /// Nobody can tell.
    Unknown,
}

impl PreopenVerdict {
    /// As an operator reads it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            PreopenVerdict::Go => "go",
            PreopenVerdict::NoGo => "no-go",
            PreopenVerdict::Unknown => "unknown",
        }
    }

    const fn code(self) -> u64 {
        match self {
            PreopenVerdict::Go => 1,
            PreopenVerdict::NoGo => 2,
            PreopenVerdict::Unknown => 3,
        }
    }
}

/// The last verdict of `candor preopen` on a venue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Preopen {
    /// The verdict.
    pub verdict: PreopenVerdict,
    /// The trading date that it is about: it says nothing of another.
    pub date: TradingDate,
    /// When it was reached, wall clock, ns since the Unix epoch.
    pub at: u64,
    /// Checks that hold.
    pub holds: u64,
    /// Checks that don't.
    pub fails: u64,
    /// Checks whose answer nobody knows.
    pub unknown: u64,
}

/// A venue as of one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VenueInfo {
    /// Its place in the region.
    pub index: u16,
    /// Its name.
    pub name: Venue,
    /// Whether the writer was in the way, or died while writing: nothing of the rest is known then, and all of
    /// it is `None`.
    pub busy: bool,
    /// Which date and map are in force; `None`: none.
    pub in_force: Option<InForce>,
    /// Since when that is so; 0 while nothing was said.
    pub since: Mono,
    /// Its morning; `None` where nobody plans it.
    pub morning: Option<Morning>,
    /// The last verdict before an open.
    pub preopen: Option<Preopen>,
}

impl VenueInfo {
    /// What is said of a venue whose record can't be read.
    pub(crate) const fn busy(index: u16, name: Venue) -> VenueInfo {
        let (in_force, since, morning, preopen) = (None, Mono::NEVER, None, None);
        VenueInfo { index, name, busy: true, in_force, since, morning, preopen }
    }
}

fn get(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed)
}

/// Stores which date and map are in force. Inside a write of the record's lock.
pub(crate) fn store_in_force(record: &VenueRecord, in_force: Option<&InForce>, since: Mono) {
    let date = in_force.map_or(0, |one| u64::from(one.date.0));
    let digest = in_force.map_or([0; 32], |one| one.digest);
    let word = |at: usize| u64::from_ne_bytes(std::array::from_fn(|byte| digest[at * 8 + byte]));
    record.trading_date.store(date, Ordering::Relaxed);
    store_all(&record.digest, std::array::from_fn(word));
    record.since.store(since.0, Ordering::Relaxed);
}

/// Stores a morning, or that nobody plans it. Inside a write of the record's lock.
pub(crate) fn store_morning(record: &VenueRecord, morning: Option<&Morning>) {
    const NONE: Morning = Morning {
        date: TradingDate(0),
        watched: 0,
        milestones: [Milestone {
            applies: false,
            planned: 0,
            actual: 0,
            found: false,
            done: 0,
            of: 0,
        }; MILESTONES_MAX],
    };
    let Morning { date, watched, milestones } = morning.unwrap_or(&NONE);
    store_changed(&record.morning, u64::from(date.0));
    store_changed(&record.watched, *watched);
    let bits = |is: fn(&Milestone) -> bool| {
        let each = milestones.iter().enumerate();
        each.fold(0, |bits, (at, one)| bits | u64::from(is(one)) << at)
    };
    store_changed(&record.applies, bits(|one| one.applies));
    store_changed(&record.found, bits(|one| one.found));
    for (at, one) in milestones.iter().enumerate() {
        store_changed(&record.planned[at], one.planned);
        store_changed(&record.actual[at], one.actual);
        store_changed(&record.progress[at], u64::from(one.done) | u64::from(one.of) << 32);
    }
}

/// Stores a verdict. Inside a write of the record's lock.
pub(crate) fn store_preopen(record: &VenueRecord, preopen: &Preopen) {
    record.preopen_verdict.store(preopen.verdict.code(), Ordering::Relaxed);
    record.preopen_date.store(u64::from(preopen.date.0), Ordering::Relaxed);
    record.preopen_at.store(preopen.at, Ordering::Relaxed);
    record.preopen_holds.store(preopen.holds, Ordering::Relaxed);
    record.preopen_fails.store(preopen.fails, Ordering::Relaxed);
    record.preopen_unknown.store(preopen.unknown, Ordering::Relaxed);
}

/// Copies a record. Only of use inside a read of its lock; any words copy to something.
pub(crate) fn load(record: &VenueRecord, index: u16, name: Venue) -> VenueInfo {
    let date = |word| Some(TradingDate(get(word) as u32)).filter(|date| date.0 != 0);
    let mut digest = [0; 32];
    for (bytes, word) in digest.chunks_exact_mut(8).zip(load_all(&record.digest)) {
        bytes.copy_from_slice(&word.to_ne_bytes());
    }
    let (applies, found) = (get(&record.applies), get(&record.found));
    let milestone = |at: usize| {
        let progress = get(&record.progress[at]);
        Milestone {
            applies: applies >> at & 1 != 0,
            planned: get(&record.planned[at]),
            actual: get(&record.actual[at]),
            found: found >> at & 1 != 0,
            done: progress as u32,
            of: (progress >> 32) as u32,
        }
    };
    let verdict = match get(&record.preopen_verdict) {
        0 => None,
        1 => Some(PreopenVerdict::Go),
        2 => Some(PreopenVerdict::NoGo),
        // A code that is not known is no go.
        _ => Some(PreopenVerdict::Unknown),
    };
    VenueInfo {
        index,
        name,
        busy: false,
        in_force: date(&record.trading_date).map(|date| InForce { date, digest }),
        since: Mono(get(&record.since)),
        morning: date(&record.morning).map(|date| Morning {
            date,
            watched: get(&record.watched),
            milestones: std::array::from_fn(milestone),
        }),
        preopen: verdict.map(|verdict| Preopen {
            verdict,
            date: TradingDate(get(&record.preopen_date) as u32),
            at: get(&record.preopen_at),
            holds: get(&record.preopen_holds),
            fails: get(&record.preopen_fails),
            unknown: get(&record.preopen_unknown),
        }),
    }
}

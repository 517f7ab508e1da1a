//! Trading dates that follow each other in one handler: venues of two zones that change theirs at different hours, and a
//! week of them.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, mpsc};

use candor_core::alert::Code;
use candor_core::counters::Counter;
use candor_core::limits::SESSIONS_KEPT;
use candor_core::{Mono, Reason, TradingDate, Venue};
use candor_maps::calendar::Wall;
use candor_shm::{PartitionInfo, Region, clock};

use super::day::{
    Day, Given, HOUR, MORNING, ONE, WALL, date, named, packet, put, put_parts, reason,
};
use super::day::{text, wall};
use crate::alert::{Desk, Sinks};
use crate::config::Config;
use crate::join::Joins;
use crate::morning::{Mornings, Scene};
use crate::sessions::Record;

const DAY: u64 = 24 * HOUR;
/// 00:29 UTC on Monday, 2026-11-23.
const MIDNIGHT: u64 = MORNING - 12 * HOUR;

fn info(region: &Region, number: u16) -> PartitionInfo {
    region.partition(number, clock::now()).unwrap()
}

/// Puts a map of one partition with the symbol `A` in force, whose lines are those of no other venue.
fn put_one(folder: &Path, venue: &str, date: u32) {
    let port = if venue == "XNAS" { 1 } else { 2 };
    let parts = format!(
        "[[partition]]\nname = \"1\"\nlines.A = {{ group = \"239.1.1.1\", port = {port} }}\n\
         symbols = [\"A\"]\n"
    );
    put_parts(folder, (venue, TradingDate(date)), &parts);
}

/// A venue that sends a message after the other, and of which nothing may change meanwhile.
struct Streaming {
    venue: &'static str,
    number: u16,
    session: &'static str,
    next: Cell<u64>,
}

impl Streaming {
    /// A session begins, and names `A`.
    fn begin(day: &mut Day, venue: &'static str, number: u16, session: &'static str) -> Streaming {
        let of = Streaming { venue, number, session, next: Cell::new(1) };
        of.send(&day.given);
        day.until("the session proves it", |region| of.reason(region).is_none());
        of
    }

    fn send(&self, given: &Given) {
        let number = self.next.replace(self.next.get() + 1);
        given.give(self.number, packet(self.session, number, &[named(1, "A")]));
    }

    fn reason(&self, region: &Region) -> Option<Reason> {
        let handle = region.find(&text(self.venue), &text("A")).unwrap();
        region.read(handle).reason()
    }

    /// Goes on until something is so of others, while this one sends: it stays live, on its date, and nothing of it is
    /// lost or published anew.
    fn while_it_sends(&self, day: &mut Day, what: &str, so: impl Fn(&Region) -> bool) {
        let of = |region: &Region| {
            let info = info(region, self.number);
            (info.trading_date, info.epoch, info.counters.get(Counter::GapsOutlived))
        };
        let (before, given) = (of(&day.region), day.given.clone());
        let look = |region: &Region| {
            assert_eq!(self.reason(region), None, "{what}: {} is touched", self.venue);
            assert_eq!(of(region), before, "{what}: {} is touched", self.venue);
            self.send(&given);
        };
        day.each(what, look, so);
        let next = self.next.get();
        let heard = |region: &Region| info(region, self.number).numbers.unwrap().1.0 == next;
        day.until("all of it is applied", heard);
        assert_eq!(of(&day.region), before);
    }
}

/// A reason of the other venue's symbol.
fn is(venue: &'static str, wanted: Reason) -> impl Fn(&Region) -> bool {
    move |region| {
        let handle = region.find(&text(venue), &text("A")).unwrap();
        region.read(handle).reason() == Some(wanted)
    }
}

/// New York's date begins at 07:00 UTC and is over at 01:30; Tokyo's goes from 21:00 to 08:00.
#[test]
fn each_of_two_venues_in_two_zones_changes_its_date_and_the_other_is_not_touched() {
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut day = Day::of("zones", &["XNAS", "XTKS"], |folder| {
        put_one(folder, "XNAS", 20_261_120);
        put_one(folder, "XTKS", 20_261_120);
    });
    let at = |wall| WALL.store(wall, Ordering::Relaxed);
    let number =
        |day: &Day, venue: &str| day.region.find(&text(venue), &text("A")).unwrap().partition();
    let (here, there) = (number(&day, "XNAS"), number(&day, "XTKS"));
    // Monday, a holiday in Tokyo.
    at(MORNING + HOUR);
    put_one(&day.folder, "XNAS", 20_261_123);
    day.until("Monday's map is taken", |region| {
        date(region, here) == 20_261_123 && !is("XNAS", Reason::NoMap)(region)
    });
    let york = Streaming::begin(&mut day, "XNAS", here, "YORKMON001");
    assert!(is("XTKS", Reason::NoMap)(&day.region));

    // 22:29 UTC: Tuesday in Tokyo.
    at(MIDNIGHT + 22 * HOUR);
    put_one(&day.folder, "XTKS", 20_261_124);
    york.while_it_sends(&mut day, "Tokyo has its map", is("XTKS", Reason::NotStarted));
    let tokyo = Streaming::begin(&mut day, "XTKS", there, "TOKYOTUE01");
    assert_eq!((date(&day.region, here), date(&day.region, there)), (20_261_123, 20_261_124));

    // 02:29 UTC: Monday is over in New York.
    at(MIDNIGHT + DAY + 2 * HOUR);
    tokyo.while_it_sends(&mut day, "New York's date is over", is("XNAS", Reason::NoMap));
    // 07:29: Tuesday has begun there; what was heard is Monday's.
    at(MIDNIGHT + DAY + 7 * HOUR);
    put_one(&day.folder, "XNAS", 20_261_124);
    tokyo.while_it_sends(&mut day, "New York has its map", is("XNAS", Reason::NotStarted));
    let york = Streaming::begin(&mut day, "XNAS", here, "YORKTUE001");

    // 08:29: Tuesday is over in Tokyo; and 22:29, Wednesday.
    at(MIDNIGHT + DAY + 8 * HOUR);
    york.while_it_sends(&mut day, "Tokyo's date is over", is("XTKS", Reason::NoMap));
    at(MIDNIGHT + DAY + 22 * HOUR);
    put_one(&day.folder, "XTKS", 20_261_125);
    york.while_it_sends(&mut day, "Tokyo has its next map", is("XTKS", Reason::NotStarted));
    let tokyo = Streaming::begin(&mut day, "XTKS", there, "TOKYOWED01");
    york.while_it_sends(&mut day, "both are live", |region| tokyo.reason(region).is_none());
    assert_eq!((date(&day.region, here), date(&day.region, there)), (20_261_124, 20_261_125));
}

/// How much a handler keeps of what it has gone through.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Kept {
    partitions: (u16, usize),
    seats: (usize, usize),
    symbols: Vec<usize>,
    /// Of each partition, and the bytes of their file.
    sessions: ([usize; 2], u64),
    /// Open, and shown.
    alerts: (usize, usize),
    waiting: usize,
}

/// What looks at a handler while it runs, and keeps something of it.
struct Watch {
    mornings: Mornings,
    desk: Desk,
    record: Record,
}

impl Watch {
    /// With a record of sessions of weeks: there is no room for more of any partition.
    fn new(day: &Day) -> Watch {
        let mut text = "format = 1\n".to_owned();
        for partition in ["1", "2"] {
            for number in 0..SESSIONS_KEPT {
                let id: String =
                    format!("W{number:09}").bytes().map(|byte| format!("{byte:02x}")).collect();
                text += &format!(
                    "\n[[session]]\npartition = \"XNAS/{partition}\"\nid = \"{id:0<32}\"\n\
                     since = \"2026-11-02T12:00:00.{number:09}Z\"\n"
                );
            }
        }
        fs::write(day.folder.join("t.sessions"), text).unwrap();
        let record = Record::read(&day.config).unwrap();
        let mornings = Mornings::new(&day.config, mpsc::channel().1);
        let sinks = Sinks { journal: day.journal.clone(), lines: None, handler: "t".to_owned() };
        Watch { mornings, desk: Desk::new(&day.config, sinks), record }
    }

    fn look(&mut self, day: &mut Day) {
        let partitions = day.joiner.partitions.clone();
        let config = Arc::new(Config { partitions, ..day.config.clone() });
        let (region, joins) = (&day.region, Joins::default());
        let scene = Scene { config: &config, region, joins: &joins };
        // Days pass for all who take the time as an argument.
        let at = (Wall(wall()), Mono(wall() - MORNING + HOUR));
        let handler = &mut day.joiner.handler;
        self.mornings.look(&scene, handler, &day.journal, at);
        self.desk.take(at.1, &config);
        self.desk.look(at.1, &config, region);
        self.desk.show(&config, handler);
        if self.record.look(region, (wall(), candor_shm::clock::now())) {
            self.record.write().unwrap();
        }
    }

    fn kept(&self, day: &Day, dates: usize) -> Kept {
        let region = &day.region;
        let sessions = ["1", "2"].map(|name| {
            let venue = Venue::from_wire(b"XNAS").unwrap();
            self.record.earlier((venue, text(name)), None).len()
        });
        let alerts = region.alerts().unwrap();
        // A machine with other things to do makes lanes stand still, and maps wait for them: one alert a date at most,
        // and one at a time.
        let no_map = || alerts.entries.iter().filter(|entry| entry.code == Code::NoMap);
        assert!(no_map().count() <= dates, "{:?}", alerts.entries);
        let open = no_map().filter(|entry| entry.over == Mono::NEVER).count();
        assert!(open <= 1, "{:?}", alerts.entries);
        let own = |entry: &&candor_shm::AlertEntry| {
            ![Code::LaneStalled, Code::PartitionLate, Code::NoMap].contains(&entry.code)
        };
        let own: Vec<_> = alerts.entries.iter().filter(own).collect();
        let active = own.iter().filter(|entry| entry.over == Mono::NEVER).count();
        Kept {
            partitions: (region.partition_count(), day.joiner.partitions.len()),
            seats: (day.lane.partitions.len(), day.lane.partitions.capacity()),
            symbols: (0..region.partition_count()).map(|at| region.symbols(at).count()).collect(),
            sessions: (sessions, fs::metadata(self.record.path()).unwrap().len()),
            alerts: (active, own.len()),
            waiting: day.lane.inbox.len(),
        }
    }
}

/// With Thanksgiving and a weekend. Each date has another map than the one before: partition 2 and two symbols on it, or
/// all on 1. What the lane, the region, the record of sessions, the mornings and the alerts keep is as much on the eighth date
/// as on the second, but for which of the two maps it is.
#[test]
fn a_week_of_dates_keeps_no_more_than_two_of_them() {
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut day = Day::new("week", |folder| put(folder, 20_261_120, false));
    let mut watch = Watch::new(&day);
    let dates = [
        (20_261_123, 0),
        (20_261_124, 1),
        (20_261_125, 2),
        (20_261_127, 4),
        (20_261_130, 7),
        (20_261_201, 8),
        (20_261_202, 9),
        (20_261_203, 10),
    ];
    let mut kept: Vec<Kept> = Vec::new();
    for (at, (today, later)) in dates.into_iter().enumerate() {
        let (morning, two) = (MORNING + later * DAY, at % 2 == 1);
        // There before it is due: a thread that looks in between would say that it is not, and be right.
        put(&day.folder, today, two);
        WALL.store(morning, Ordering::Relaxed);
        let taken = |region: &Region| {
            date(region, 0) == today && reason(region, "A") == Some(Reason::NotStarted)
        };
        day.until("the map is taken", taken);
        watch.look(&mut day);
        day.begin(0, &format!("A{today:09}"), "A");
        day.until("A is live", |region| reason(region, "A").is_none());
        let other = if two { 1 } else { 0 };
        let (session, number) = if two { ("B", 1) } else { ("A", 2) };
        day.name(other, &format!("{session}{today:09}"), number, "B");
        day.until("B is live", |region| reason(region, "B").is_none());
        assert_eq!(reason(&day.region, "C"), Some(Reason::Unproven));
        let found = day.region.find(&text("XNAS"), &text("B")).unwrap();
        assert_eq!(found.partition(), other);
        watch.look(&mut day);
        // The session is over: 20:30, by the thread's next look.
        WALL.store(morning + 13 * HOUR + HOUR / 30, Ordering::Relaxed);
        day.until("the date is over", |region| reason(region, "A") == Some(Reason::NoMap));
        assert_eq!(reason(&day.region, "B"), Some(Reason::NoMap));
        watch.look(&mut day);
        kept.push(watch.kept(&day, at + 1));
        if dates.get(at + 1).is_some_and(|(_, next)| *next > later + 1) {
            WALL.store(morning + 30 * HOUR, Ordering::Relaxed);
            day.look_around("a day without a session");
            watch.look(&mut day);
            assert_eq!(reason(&day.region, "A"), Some(Reason::NoMap));
        }
    }
    assert_eq!(kept[1].sessions.0, [SESSIONS_KEPT; 2], "{kept:#?}");
    for at in 3..kept.len() {
        assert_eq!(kept[at], kept[1 + (at - 1) % 2], "date {}: {kept:#?}", at + 1);
    }
}

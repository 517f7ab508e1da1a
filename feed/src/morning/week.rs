//! A week in which everything is as it should be raises no alert at all, and each thing that isn't raises its own: the
//! machines that a handler has for its mornings, in virtual time. Maps are fetched, compared and put in force as ever,
//! the handler's own thread takes them, preopen is asked; the venue, and the lanes as far as they publish, are the
//! test's.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::sync::{Arc, Mutex};
use std::thread;

use candor_core::alert::Code;
use candor_core::counters::{Counter, Counters};
use candor_core::symbol::Text;
use candor_core::{
    BookView, Line, Mono, Nanos, Reason, SeqNo, SessionId, Status, SymbolIndex, TradingDate, Venue,
};
use candor_maps::calendar::Wall;
use candor_maps::check::Wanted;
use candor_maps::{Map, file};
use candor_preopen::Sample;
use candor_shm::{Attested, HandlerWriter, InForce, LaneWriter, Region, RegionSpec, heap};

use super::ask::{Ask, Question};
use super::tests::live;
use super::{Mornings, Scene};
use crate::alert::{Desk, Sinks};
use crate::clock;
use crate::config::{Config, LineConfig, Partition, parse_text};
use crate::daily::handover::{Phase, Way};
use crate::daily::taking::{Joiner, Taker};
use crate::daily::tests::Folder;
use crate::daily::thread::Thread;
use crate::daily::{Resolved, resolve};
use crate::join::Joins;
use crate::journal::Journal;
use crate::later::Writer;
use crate::preopen::{self, Of};
use crate::run::partition_spec;
use crate::sessions::{Keeper, Record};
use crate::source::udp;
use crate::world::World;

pub(super) const SECOND: u64 = 1_000_000_000;
pub(super) const ZONE: &str = "America/New_York";

/// Seconds into a day, by the venue's clock.
pub(super) const fn at(hour: u64, minute: u64, second: u64) -> u64 {
    (hour * 60 + minute) * 60 + second
}

pub(super) const NEVER: u64 = at(24, 0, 0);

/// By the number of their partition.
const SYMBOLS: [(u16, &str); 5] = [(0, "A"), (0, "B"), (0, "C"), (1, "D"), (1, "E")];

/// How each day goes, by the venue's clock.
#[derive(Clone)]
pub(super) struct Plays {
    /// The map's file is there from then on.
    pub(super) map: u64,
    /// The second line of the second partition is joined from then on.
    pub(super) joined: u64,
    /// The second partition is heard from then on.
    pub(super) heard: u64,
    /// The last symbol of the second partition is named from then on.
    pub(super) named: u64,
    /// And all the others.
    pub(super) directory: u64,
    /// The second partition prints from then on.
    pub(super) prints: u64,
    /// Until then what asks for preopen has no answer.
    pub(super) answers: u64,
    /// The second partition has a gap.
    pub(super) gap: std::ops::Range<u64>,
    /// What is followed can't be written down.
    pub(super) unwritten: std::ops::Range<u64>,
    /// A map is in force that can't be followed.
    pub(super) refused: std::ops::Range<u64>,
}

/// As it should be.
pub(super) const WELL: Plays = Plays {
    map: at(6, 0, 0),
    joined: 0,
    heard: at(2, 30, 0),
    named: at(7, 45, 0),
    directory: at(7, 45, 0),
    prints: at(9, 30, 5),
    answers: 0,
    gap: NEVER..NEVER,
    unwritten: NEVER..NEVER,
    refused: NEVER..NEVER,
};

/// The time that everything is told.
#[derive(Default)]
struct Times {
    wall: AtomicU64,
    now: AtomicU64,
}

impl Times {
    fn get(&self) -> (Wall, Mono) {
        (Wall(self.wall.load(Ordering::SeqCst)), Mono(self.now.load(Ordering::SeqCst)))
    }
}

/// The lanes, as far as they publish.
struct Lanes {
    writer: LaneWriter,
    way: Arc<Way>,
    /// The date whose map each partition has.
    dates: [Option<TradingDate>; 2],
    counters: [Counters; 2],
    seq: u64,
    /// Symbols named and trades printed, of the date.
    named: [bool; SYMBOLS.len()],
    printed: [bool; 2],
}

/// The memberships and the region of the handler's own thread.
pub(super) struct Hands {
    handler: HandlerWriter,
    pub(super) region: Region,
    joins: Joins,
    partitions: Vec<Partition>,
}

impl Joiner for Hands {
    fn join(
        &mut self,
        number: u16,
        line: Line,
        (at, _): (&LineConfig, bool),
        _: Option<(&udp::Sockets, &udp::Given)>,
    ) -> bool {
        self.joins.add(number, line, at).is_ok()
    }

    fn holds(&self, number: u16) -> bool {
        self.joins.holds(number)
    }

    fn leave(&mut self, number: u16, line: Line, _: &LineConfig, after: &[Partition]) {
        let there = after[usize::from(number)].lines[line.index()].as_ref();
        self.joins.forget_elsewhere(number, line, there);
    }

    fn comes(&mut self, _: Venue, _: Option<&InForce>, _: Mono) {}

    fn taken(&mut self, _: Venue, _: Option<&InForce>, _: Mono) {}

    fn in_force(&mut self, venue: Venue, in_force: Option<&InForce>, now: Mono) {
        self.handler.set_in_force(&venue, in_force, now);
    }

    fn was_in_force(&self, venue: Venue) -> Option<InForce> {
        self.region.venue(&venue)?.in_force
    }

    fn partitions(&mut self) -> &mut Vec<Partition> {
        &mut self.partitions
    }
}

/// A handler and its venue.
pub(super) struct Week {
    folder: Folder,
    times: Arc<Times>,
    plays: Plays,
    config: Arc<Config>,
    pub(super) hands: Hands,
    lanes: Lanes,
    taker: Taker,
    /// Has the maps' thread look once, and that it has.
    tick: Sender<()>,
    ticked: Receiver<()>,
    mornings: Mornings,
    /// What had been heard at the step before.
    heard: Arc<Mutex<Sample>>,
    answers: Arc<AtomicBool>,
    sessions: (Keeper, Writer),
    world: World,
    desk: Desk,
    journal: Journal,
    /// What was raised, with its first words.
    pub(super) raised: BTreeMap<Code, String>,
}

pub(super) fn xnas() -> Venue {
    Venue::from_wire(b"XNAS").unwrap()
}

pub(super) fn midnight(date: TradingDate) -> u64 {
    clock::at(date, ZONE, 0).unwrap()
}

fn text_of(date: TradingDate, partitions: u16) -> String {
    let mut text =
        format!("format = 1\nvenue = \"XNAS\"\ndate = \"{date}\"\nprotocol = \"nasdaq-itch50\"\n");
    for number in 0..partitions {
        let own = SYMBOLS.iter().filter(|(partition, _)| *partition == number);
        let mut own: Vec<String> = own.map(|(_, name)| format!("\"{name}\"")).collect();
        if own.is_empty() {
            own.push("\"F\"".to_owned());
        }
        let name = number + 1;
        text += &format!(
            "[[partition]]\nname = \"{name}\"\nsymbols = [{}]\n\
             lines.A = {{ group = \"239.77.1.{name}\", port = 1 }}\n\
             lines.B = {{ group = \"239.77.2.{name}\", port = 1 }}\n",
            own.join(", ")
        );
    }
    text
}

fn map_of(date: TradingDate, partitions: u16) -> Map {
    let none = &mut |_: &Path| Err(String::new());
    let text = text_of(date, partitions);
    let loaded = file::load(Path::new("m.toml"), &text, &Wanted::default(), none);
    loaded.unwrap_or_else(|problems| panic!("{problems}")).map
}

/// The trading date before this one, of which there is a map: the Friday before a Monday.
fn before(date: TradingDate) -> TradingDate {
    clock::date(midnight(date) - 60 * 3_600 * SECOND, ZONE).unwrap()
}

impl Week {
    /// A handler that starts at the midnight with which this Monday begins.
    pub(super) fn new(name: &str, monday: TradingDate, plays: Plays) -> Week {
        let folder = Folder::new(&format!("week-{name}"));
        let path = folder.path();
        for inner in ["in", "run"] {
            fs::create_dir_all(path.join(inner)).unwrap();
        }
        folder.put(&map_of(before(monday), 2));
        let text = format!(
            "[handler]\nname = \"t\"\nregion = \"{0}/run/r\"\n[source]\nkind = \"udp\"\n\
             interface = \"lo\"\n[preopen]\nclock = \"any\"\ndisk_mb = 1\nmemory_mb = 1\ndrill = \"no\"\n[[lane]]\n\
             idle = \"block\"\n[maps]\nstore = \"{0}\"\n[[maps.venue]]\nname = \"XNAS\"\n\
             format = \"candor\"\nfetch = {{ directory = \"{0}/in\", files = [\"map-{{date}}.toml\"] }}\n\
             [[venue]]\nname = \"XNAS\"\nfeed = \"nasdaq-itch50\"\n\
             [venue.map]\nspare_partitions = 0\nsymbols_max = 16\nretry_ms = 5000\n\
             directory_ppm = 500000\n",
            path.display()
        );
        let config =
            parse_text(Path::new("t.toml"), &text).unwrap_or_else(|wrong| panic!("{wrong}"));
        let times = Arc::new(Times::default());
        times.wall.store(midnight(monday), Ordering::SeqCst);
        times.now.store(SECOND, Ordering::SeqCst);
        let resolved = resolve(&config, Wall(midnight(monday))).unwrap();
        let Resolved { config, .. } = &resolved;
        let config = Arc::new(config.clone());
        let mut spec = RegionSpec::new(Text::from_wire(b"t").unwrap());
        (spec.events, spec.losses) = (64, 16);
        spec.config_digest = config.digest;
        spec.process_lease = Nanos(u64::MAX);
        spec.venues.clone_from(&config.venues);
        spec.partitions = config.partitions.iter().map(partition_spec).collect();
        let (mut handler, mut writers, region) = heap(&spec).unwrap();
        handler.set_status(live(), Mono(1));
        handler.set_attested(Attested::NotRequired);
        handler.set_mode(0, "udp");
        let mut writer = writers.remove(0);
        // Leases, and what is stale without them, are for others to test: here time passes by the hour.
        writer.renew(Mono(u64::MAX));
        for (partition, name) in SYMBOLS {
            let mut index = SYMBOLS.iter().filter(|(own, _)| *own == partition);
            let index = index.position(|(_, own)| *own == name).unwrap() as u32;
            writer.define(
                partition,
                SymbolIndex(index),
                &Text::from_wire(name.as_bytes()).unwrap(),
            );
        }
        let way = Arc::new(Way::new());
        let lanes = Lanes {
            writer,
            way: Arc::clone(&way),
            dates: [None; 2],
            counters: [Counters::new(), Counters::new()],
            seq: 1,
            named: [false; SYMBOLS.len()],
            printed: [false; 2],
        };
        let lines = (0u16..)
            .zip(&config.partitions)
            .flat_map(|(number, one)| one.lines().map(move |(line, at)| (number, line, at)));
        let joins = Joins::open(lines).unwrap();
        let partitions = config.partitions.clone();
        let hands = Hands { handler, region: region.clone(), joins, partitions };
        let ((to, jobs), (done, from)) = (mpsc::channel(), mpsc::channel());
        let taker = Taker {
            jobs,
            done,
            ways: vec![way],
            adder: None,
            sockets: None,
            receive_buffer: 0,
            under_way: None,
        };
        let journal = Journal::none();
        let (told, stop) = (Arc::clone(&times), Arc::new(AtomicBool::new(false)));
        let kept = (journal.clone(), Record::none());
        let told = Box::new(move || told.get());
        let resolved = (resolved, times.get());
        let mut maps = Thread::new(resolved, region.clone(), (to, from), stop, told, kept);
        let ((tick, ticks), (tell, ticked)) = (mpsc::channel(), mpsc::channel());
        thread::spawn(move || {
            while ticks.recv().is_ok() {
                maps.pass();
                maps.settle();
                if tell.send(()).is_err() {
                    return;
                }
            }
        });
        let (_, revised) = mpsc::channel();
        let now = || times.get().1;
        let heard = Arc::new(Mutex::new(Sample::take(&region, &now)));
        let answers = Arc::new(AtomicBool::new(true));
        let ask = asks(Arc::clone(&times), Arc::clone(&heard), Arc::clone(&answers));
        let mornings = Mornings::asking(&config, revised, ask);
        let sessions = Keeper::new(Record::read(&config).unwrap(), journal.alerts().clone());
        let world = World::new(&config);
        let desk = Desk::new(&config, Sinks::of(&config, &journal, None));
        Week {
            folder,
            times,
            plays,
            config,
            hands,
            lanes,
            taker,
            tick,
            ticked,
            mornings,
            heard,
            answers,
            sessions,
            world,
            desk,
            journal,
            raised: BTreeMap::new(),
        }
    }

    /// Goes through a day of the calendar; `trades`: it is a trading date.
    pub(super) fn day(&mut self, date: TradingDate, trades: bool) {
        let began = midnight(date);
        self.lanes.named = [false; SYMBOLS.len()];
        self.lanes.printed = [false; 2];
        let mut second = 0;
        while second < NEVER {
            let (wall, _) = self.times.get();
            let later = (began + second * SECOND).saturating_sub(wall.0);
            self.times.wall.fetch_add(later, Ordering::SeqCst);
            self.times.now.fetch_add(later, Ordering::SeqCst);
            if trades {
                self.around(date, second);
                self.lanes.play(&self.plays, date, second, self.times.get().1);
            }
            self.look();
            second += length(second);
        }
    }

    /// What happens on the host and beside it.
    fn around(&mut self, date: TradingDate, second: u64) {
        let folder = self.folder.path();
        let there: PathBuf = folder.join("in").join(format!("map-{date}.toml"));
        if second >= self.plays.map && !there.exists() {
            let new = folder.join("in").join("new");
            fs::write(&new, text_of(date, 2)).unwrap();
            fs::rename(new, there).unwrap();
        }
        let at = self.config.partitions[1].lines[Line::B.index()].as_ref().unwrap();
        match (second >= self.plays.joined, self.hands.joins.holds_line(1, Line::B, at)) {
            (true, false) => self.hands.joins.add(1, Line::B, at).unwrap(),
            (false, true) => self.hands.joins.forget(1, Line::B),
            _ => {}
        }
        self.answers.store(second >= self.plays.answers, Ordering::SeqCst);
        let run = folder.join("run");
        match (self.plays.unwritten.contains(&second), run.exists()) {
            (true, true) => fs::remove_dir_all(run).unwrap(),
            (false, false) => fs::create_dir(run).unwrap(),
            _ => {}
        }
        for (edge, partitions) in [(self.plays.refused.start, 3), (self.plays.refused.end, 2)] {
            if second == edge {
                self.folder.put(&map_of(date, partitions));
            }
        }
    }

    /// Everything looks once.
    fn look(&mut self) {
        let (wall, now) = self.times.get();
        self.tick.send(()).unwrap();
        // BOUND: the maps' thread looks once.
        loop {
            self.taker.tick(now, &mut self.hands);
            self.lanes.take(now);
            match self.ticked.try_recv() {
                Ok(()) => break,
                Err(TryRecvError::Empty) => thread::yield_now(),
                Err(TryRecvError::Disconnected) => panic!("the maps' thread has ended"),
            }
        }
        let Hands { handler, region, joins, .. } = &mut self.hands;
        let scene = Scene { config: &self.config, region, joins };
        self.mornings.look(&scene, handler, &self.journal, (wall, now));
        let (keeper, writer) = &mut self.sessions;
        keeper.look(region, (wall.0, now));
        writer.turn();
        keeper.look(region, (wall.0, now));
        self.world.look(|| now, region, &self.journal);
        self.desk.take(now, &self.config);
        for info in region.partitions_when(|| now) {
            self.desk.see(&info, joins.holds(info.index));
        }
        self.desk.look(now, &self.config, region);
        self.desk.show(&self.config, handler);
        for entry in region.alerts().unwrap().entries {
            self.raised.entry(entry.code).or_insert(entry.text);
        }
        *self.heard.lock().unwrap() = Sample::take(region, &|| now);
    }

    pub(super) fn codes(&self) -> Vec<Code> {
        self.raised.keys().copied().collect()
    }
}

/// Preopen as it is asked on a thread, here and now: what was heard since the step before is what is heard.
fn asks(times: Arc<Times>, heard: Arc<Mutex<Sample>>, answers: Arc<AtomicBool>) -> Ask {
    let waiting: Mutex<Vec<Question>> = Mutex::default();
    Box::new(move |question| {
        let mut waiting = waiting.lock().unwrap();
        waiting.push(question);
        if !answers.load(Ordering::SeqCst) {
            return Ok(());
        }
        for Question { config, region, venue, date, answer } in waiting.drain(..) {
            let (wall, now) = times.get();
            let before = heard.lock().unwrap().clone();
            let of = Of::Venue(venue);
            let report = preopen::since(&config, &region, of, &before, (wall.0, &|| now));
            let _ = answer.send((venue, date, report));
        }
        Ok(())
    })
}

/// Every second where something is due, and what is far from it faster.
fn length(second: u64) -> u64 {
    let near = [
        at(7, 29, 50)..at(7, 36, 10),
        at(8, 9, 50)..at(8, 10, 10),
        at(8, 44, 50)..at(8, 45, 10),
        at(9, 9, 50)..at(9, 15, 10),
        at(9, 29, 50)..at(9, 31, 10),
    ];
    if near.iter().any(|near| near.contains(&second)) { 1 } else { 10 }
}

impl Lanes {
    /// Takes what is given for a map, as a lane does.
    fn take(&mut self, now: Mono) {
        let Some(change) = self.way.take() else { return };
        for seat in &change.seats {
            let number = usize::from(seat.number);
            match (change.phase, change.date) {
                (Phase::Begin, Some(date)) => self.writer.date(seat.number, date),
                (Phase::Begin, None) => self.dates[number] = None,
                (Phase::Finish, date) => self.dates[number] = date,
                (Phase::Claim, _) => {}
            }
            if self.dates[number].is_none() {
                let none = Status::stale(Reason::NoMap);
                self.writer.partition(seat.number, none, 0, now, SessionId::NONE);
            }
        }
        self.way.give_back(change);
    }

    /// What the venue sends, and what is made of it.
    fn play(&mut self, plays: &Plays, date: TradingDate, second: u64, now: Mono) {
        let session = SessionId(u128::from(date.0));
        self.seq += 1;
        for number in 0..2u16 {
            let own = usize::from(number);
            let from = if number == 1 { plays.heard } else { WELL.heard };
            if !(from..at(20, 0, 0)).contains(&second) {
                continue;
            }
            let counters = &mut self.counters[own];
            for counter in [Counter::PacketsA, Counter::PacketsB, Counter::PacketsAccepted] {
                counters.add(counter, 1);
            }
            self.writer.counters(number, counters);
            self.writer.heard(number, now);
            if self.dates[own] != Some(date) {
                continue;
            }
            let gap = number == 1 && plays.gap.contains(&second);
            let status = if gap { Status::stale(Reason::Gap) } else { live() };
            self.writer.partition(number, status, date.0, now, session);
            self.writer.followed(number, session, now);
            self.writer.numbers(number, SeqNo(self.seq), SeqNo(self.seq));
            self.writer.lease(number, Mono(u64::MAX / 2));
            let prints = if number == 1 { plays.prints } else { WELL.prints };
            let printed =
                second >= prints && !std::mem::replace(&mut self.printed[own], second >= prints);
            let own = SYMBOLS.iter().enumerate().filter(|(_, (of, _))| *of == number);
            for (index, (at, _)) in (0..).zip(own) {
                let named = if at + 1 == SYMBOLS.len() { plays.named } else { plays.directory };
                let news =
                    second >= named && !std::mem::replace(&mut self.named[at], second >= named);
                if news || (printed && self.named[at]) {
                    let mut book = BookView::EMPTY;
                    book.stats.trades = u32::from(second >= prints);
                    self.writer.publish(number, SymbolIndex(index), live(), date.0, now, &book);
                }
            }
        }
    }
}

//! The queries that go on: `tail`, `get --watch`, `top`, and readers that leave.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use candor_core::{
    Event, InstrumentKey, Message, Nanos, Price, Reason, SeqNo, Side, Status, SymbolIndex, WireTime,
};

use crate::world::{World, live, now};

fn event(world: &mut World, partition: u16, index: Option<u32>, seq: u64) {
    let event = Event::Add { order: 7, side: Side::Bid, price: Price(1_850_000), size: 30 };
    let message = Message { key: InstrumentKey(1), time: WireTime(1), kind: b'A', event };
    world.lane.event(partition, index.map(SymbolIndex), SeqNo(seq), now(), &message);
}

fn pause() {
    let wait = candor::clock::timespec(Nanos::from_millis(20));
    let _ = rustix::thread::nanosleep(&wait);
}

/// Writes events, a new one every few milliseconds, until the child has had enough.
fn feed(world: &mut World, child: &mut Child, mut write: impl FnMut(&mut World, u64)) -> i32 {
    for seq in 1..1_000 {
        write(world, seq);
        pause();
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().unwrap_or_else(|| panic!("{status}"));
        }
    }
    let _ = child.kill();
    panic!("it goes on for ever");
}

fn spawn(world: &World, arguments: &[&str]) -> Child {
    let mut command = world.command(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// A child's lines in JSON as they come. Killed when dropped.
struct Followed {
    child: Child,
    lines: Receiver<String>,
}

impl Followed {
    fn of(world: &World, arguments: &[&str]) -> Followed {
        let mut child = spawn(world, &[arguments, &["-o", "json"]].concat());
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|l| sender.send(l)));
        Followed { child, lines }
    }

    /// The next line; `None` when none comes for `millis`.
    fn within(&self, millis: u64) -> Option<serde_json::Value> {
        let line = self.lines.recv_timeout(Duration::from_millis(millis)).ok()?;
        Some(serde_json::from_str(&line).unwrap())
    }

    /// The next line, waited for as long as a busy machine may take.
    fn next(&self) -> serde_json::Value {
        self.within(20_000).expect("a line")
    }

    /// Writes a symbol's event until it is shown; gives the line.
    fn shown(&self, world: &mut World, partition: u16, index: u32) -> serde_json::Value {
        for seq in 1..1_000 {
            event(world, partition, Some(index), seq);
            if let Some(row) = self.within(20) {
                // What was written while the child began.
                while self.within(300).is_some() {}
                return row;
            }
        }
        panic!("it shows nothing");
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn rest(from: impl Read) -> String {
    let mut text = String::new();
    BufReader::new(from).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn tail_shows_events_with_the_symbols_status() {
    let mut world = World::new();
    world.publish(0, 1, Status::stale(Reason::SymbolQuarantined), 9);
    let mut child = spawn(&world, &["tail", "--symbol", "MSFT", "--count", "2", "-o", "json"]);
    let code = feed(&mut world, &mut child, |world, seq| {
        event(world, 1, Some(0), seq);
        event(world, 0, None, seq);
        event(world, 0, Some(1), seq);
    });
    assert_eq!(code, 0);
    let out = rest(child.stdout.take().unwrap());
    let rows: Vec<serde_json::Value> =
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 2, "{out}");
    for row in rows {
        assert_eq!((&row["symbol"], &row["partition"]), (&"MSFT".into(), &"XNAS:1".into()));
        assert_eq!(row["status"], "Stale(SymbolQuarantined)");
        assert_eq!(row["event"], "add bid 30 at 185.0000 order 7");
        assert_eq!(row["type"], "A");
        assert!(row["age_ns"].as_u64().unwrap() < 60_000_000_000);
    }
}

#[test]
fn tail_says_when_it_was_too_slow() {
    let mut world = World::new();
    let mut child = spawn(&world, &["tail", "--count", "400"]);
    // The ring holds 64.
    let code = feed(&mut world, &mut child, |world, seq| {
        for _ in 0..100 {
            event(world, 0, Some(1), seq);
        }
    });
    assert_eq!(code, 0);
    assert_eq!(rest(child.stdout.take().unwrap()).lines().count(), 401, "a header and the events");
    let said = rest(child.stderr.take().unwrap());
    assert!(said.contains("Stale(Lapped)"), "{said}");
}

#[test]
fn tail_says_by_itself_what_time_alone_makes_stale() {
    let mut world = World::new();
    let tail = Followed::of(&world, &["tail"]);
    let row = tail.shown(&mut world, 1, 0);
    assert_eq!((&row["symbol"], &row["status"]), (&"TSLA".into(), &"Live".into()));
    let row = tail.shown(&mut world, 0, 1);
    assert_eq!((&row["symbol"], &row["status"]), (&"MSFT".into(), &"Live".into()));
    // Nothing is written from here on but the lease itself.
    world.lane.lease(1, now() + Nanos::from_millis(100));
    let row = tail.next();
    assert_eq!((&row["symbol"], &row["status"]), (&"TSLA".into(), &"Stale(Silent)".into()));
    assert_eq!((&row["partition"], &row["lane"]), (&"XNAS:2".into(), &0.into()));
    assert!(row["seq"].is_null() && row["type"].is_null() && row["number"].is_null(), "{row}");
    assert!(row["age_ns"].as_u64().unwrap() < 20_000_000_000, "since when: {row}");
    assert_eq!(row["event"], format!("status: {}", Reason::Silent.text()));
    assert_eq!(tail.within(200), None, "said once, and of nobody else");
    world.lane.lease(1, now() + Nanos::from_secs(3_000));
    let row = tail.next();
    assert_eq!((&row["symbol"], &row["status"]), (&"TSLA".into(), &"Live".into()));
    assert_eq!(row["event"], "status: live");
    assert_eq!(tail.within(200), None);
}

#[test]
fn tail_says_so_also_while_others_keep_it_busy() {
    let mut world = World::new();
    let tail = Followed::of(&world, &["tail", "--symbol", "TSLA", "--symbol", "MSFT"]);
    tail.shown(&mut world, 1, 0);
    world.lane.lease(1, now() + Nanos::from_millis(50));
    for seq in 1..2_000 {
        for _ in 0..8 {
            event(&mut world, 0, Some(1), seq);
        }
        while let Some(row) = tail.within(2) {
            if row["symbol"] == "TSLA" {
                assert_eq!(row["status"], "Stale(Silent)");
                return;
            }
        }
    }
    panic!("it never says that TSLA is silent");
}

#[test]
fn tail_says_that_one_lane_of_two_is_dead_and_goes_on() {
    let mut world = World::with_lanes(2);
    let tail = Followed::of(&world, &["tail", "--symbol", "MSFT"]);
    assert_eq!(tail.shown(&mut world, 0, 1)["status"], "Live");
    world.die();
    let row = tail.next();
    assert_eq!((&row["symbol"], &row["status"]), (&"MSFT".into(), &"Stale(WriterGone)".into()));
    assert_eq!(tail.within(200), None);
    world.lane.renew(now() + Nanos::from_secs(3_000));
    assert_eq!(tail.next()["status"], "Live", "its lane went on, and so did the reader");
}

#[test]
fn tail_leaves_nothing_standing_as_live_behind_a_dead_handler() {
    let mut world = World::new();
    let mut tail = Followed::of(&world, &["tail"]);
    assert_eq!(tail.shown(&mut world, 0, 1)["status"], "Live");
    world.die();
    assert_eq!(tail.next()["status"], "Stale(WriterGone)");
    assert_eq!(tail.child.wait().unwrap().code(), Some(3));
}

#[test]
fn tail_shows_what_a_handler_wrote_up_to_its_end() {
    const EVENTS: u64 = 3_000;
    let mut world = World::with_ring(4_096);
    let mut tail = Followed::of(&world, &["tail"]);
    tail.shown(&mut world, 0, 1);
    for seq in 1..=EVENTS {
        event(&mut world, 1, Some(0), 10_000 + seq);
    }
    world.handler.retire(now());
    let rows: Vec<serde_json::Value> = std::iter::from_fn(|| tail.within(20_000)).collect();
    let shown =
        rows.iter().filter(|row| row["symbol"] == "TSLA").filter_map(|row| row["seq"].as_u64());
    assert!(shown.eq(10_001..=10_000 + EVENTS), "{} lines", rows.len());
    assert_eq!(tail.child.wait().unwrap().code(), Some(3));
    // And nothing stands there as live that isn't.
    for symbol in ["MSFT", "TSLA"] {
        let last = rows.iter().rfind(|row| row["symbol"] == symbol).unwrap();
        assert_eq!(last["status"], "Stale(WriterGone)", "{symbol}");
    }
}

/// Whoever reads the lines sets the pace: a look is due by the clock, not by the number of lines.
#[test]
fn tail_looks_in_time_however_slowly_its_lines_are_read() {
    let mut world = World::with_ring(8_192);
    let mut child = spawn(&world, &["tail", "-o", "json"]);
    // A few lines at a time: what isn't read keeps `tail` waiting.
    let mut lines = BufReader::with_capacity(512, child.stdout.take().unwrap()).lines();
    let mut next = move || -> serde_json::Value {
        serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap()
    };
    let ready = AtomicBool::new(false);
    thread::scope(|threads| {
        threads.spawn(|| {
            while !ready.load(Ordering::Relaxed) {
                event(&mut world, 1, Some(0), 1);
                event(&mut world, 2, Some(0), 1);
                pause();
            }
            // The one is silent after 400 ms, the other after 700.
            world.lane.lease(1, now() + Nanos::from_millis(400));
            world.lane.lease(2, now() + Nanos::from_millis(700));
            for seq in 0..4_000 {
                event(&mut world, 0, Some(1), seq);
            }
        });
        let mut live = 0;
        while live < 2 {
            live += usize::from(next()["status"] == "Live");
        }
        ready.store(true, Ordering::Relaxed);
        let mut ages = Vec::new();
        while ages.len() < 2 {
            let row = next();
            if row["status"] == "Stale(Silent)" {
                ages.push(row["age_ns"].as_u64().unwrap() / 1_000_000);
            }
            thread::park_timeout(Duration::from_millis(2));
        }
        assert!(ages.iter().all(|age| *age < 150), "said {ages:?} ms after they fell silent");
    });
    let _ = child.kill();
    let _ = child.wait();
}

#[test]
fn tail_counts_the_lines_that_say_a_status() {
    let mut world = World::new();
    let mut tail = Followed::of(&world, &["tail", "--symbol", "MSFT", "--count", "40"]);
    tail.shown(&mut world, 0, 1);
    // No event any more: what it shows is what the symbol has become.
    let code = feed(&mut world, &mut tail.child, |world, turn| {
        let odd = turn % 2 == 1;
        world.publish(0, 1, if odd { Status::stale(Reason::Recovering) } else { live() }, 10);
    });
    assert_eq!(code, 0);
}

#[test]
fn a_watched_symbol_shows_each_change() {
    let mut world = World::new();
    let mut child = spawn(&world, &["get", "MSFT", "--watch", "--count", "3"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    assert!(next().starts_with("SYMBOL"));
    assert!(next().contains("Live"));
    world.publish(0, 1, Status::stale(Reason::SymbolQuarantined), 10);
    let changed = next();
    assert!(changed.contains("Stale(SymbolQuarantined)") && changed.ends_with("10"), "{changed}");
    world.publish(0, 1, live(), 11);
    assert!(next().contains("Live"));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_watched_symbol_outlives_its_handler_and_finds_the_next() {
    let mut world = World::new();
    let mut child = spawn(&world, &["get", "MSFT", "--watch", "--count", "2"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    assert!(next().starts_with("SYMBOL"));
    assert!(next().contains("Live"));
    world.die();
    assert!(next().contains("Stale(WriterGone)"));
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn a_watched_symbol_finds_the_region_that_took_the_place_of_a_removed_one() {
    let world = World::new();
    let watch = Followed::of(&world, &["get", "MSFT", "--watch"]);
    assert_eq!(watch.next()["status"], "Live");
    let mut world = world.replaced();
    world.publish(0, 1, live(), 77);
    // The dead one's WriterGone, and what the new one says in the course of its making.
    while watch.next()["seq"] != 77 {}
    world.publish(0, 1, Status::stale(Reason::SymbolQuarantined), 78);
    let row = watch.next();
    assert_eq!((&row["status"], &row["seq"]), (&"Stale(SymbolQuarantined)".into(), &78.into()));
}

#[test]
fn a_watched_symbol_says_once_why_the_region_in_its_place_cannot_be_read() {
    let mut world = World::new();
    let mut watch = Followed::of(&world, &["get", "MSFT", "--watch"]);
    let mut said = BufReader::new(watch.child.stderr.take().unwrap()).lines();
    assert_eq!(watch.next()["status"], "Live");
    // The next handler is of another build: its regions have another layout.
    let region = std::fs::read(&world.path).unwrap();
    let mut other = region.clone();
    other[8..16].copy_from_slice(&(candor_shm::LAYOUT_VERSION + 1).to_ne_bytes());
    let beside = world.path.with_extension("new");
    std::fs::write(&beside, other).unwrap();
    std::fs::rename(&beside, &world.path).unwrap();
    world.die();
    assert_eq!(watch.next()["status"], "Stale(WriterGone)");
    let why = said.next().unwrap().unwrap();
    assert!(why.contains("is a region of layout") && why.contains("this build reads"), "{why}");
    assert_eq!(watch.within(300), None);
    let _ = watch.child.kill();
    assert!(said.next().is_none(), "said once");
}

#[test]
fn top_finds_the_region_that_took_the_place_of_a_removed_one() {
    let world = World::new();
    let top = Followed::of(&world, &["top"]);
    let picture = top.next();
    assert_eq!(picture["handler"]["status"], "Live");
    let mut world = world.replaced();
    world.publish(0, 1, live(), 77);
    world.partition(1, Status::stale(Reason::Gap));
    for _ in 0..5 {
        let picture = top.next();
        if picture["partitions"][1]["status"] == "Stale(Gap)" {
            assert_eq!(picture["handler"]["status"], "Live");
            return;
        }
    }
    panic!("it stays with the dead region");
}

#[test]
fn top_elsewhere_than_on_a_terminal_has_no_escapes() {
    let world = World::new();
    let answer = world.run(&["top", "--for", "2", "--symbols", "MSFT,XNAS:AAPL,NOPE"]);
    assert_eq!(answer.code(), 0, "{}", answer.err());
    let out = answer.out();
    assert!(!out.contains('\x1b'));
    assert_eq!(out.matches("XNAS:MSFT").count(), 2, "a picture a second: {out}");
    assert!(out.contains("[##########]"), "{out}");
    assert!(out.contains("PACKETS PER S"), "{out}");
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let mut world = World::new();
    for query in [&["tail"][..], &["get", "MSFT", "--watch"], &["top"]] {
        let mut child = spawn(&world, query);
        drop(child.stdout.take());
        let code = feed(&mut world, &mut child, |world, seq| {
            event(world, 0, Some(1), seq);
            world.publish(0, 1, live(), seq);
        });
        assert_eq!(code, 0, "{query:?}");
        assert_eq!(rest(child.stderr.take().unwrap()), "", "{query:?}");
    }
    for query in [&["status"][..], &["get", "MSFT"]] {
        let mut child = spawn(&world, query);
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{query:?}");
        assert_eq!(rest(child.stderr.take().unwrap()), "", "{query:?}");
    }
}

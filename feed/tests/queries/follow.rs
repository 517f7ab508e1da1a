//! The queries that go on: `tail`, `get --watch`, `top`, and readers that leave.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

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

//! A symbol moves within a date from a partition of which not all was heard on it: the other one may have but the
//! end of its book, however whole everything is by then.

mod common;

use candor_core::counters::Counter;
use candor_core::{Line, Mono, Nanos, Reason};
use candor_engine::{Config, Services};
use common::floor::{Floor, symbol};
use common::services::{SNAPSHOTS, begin, end, load, snapshot_asked};
use common::{Bench, SESSION_GRACE, add, at, config, directory, system};

const BEFORE: [(&str, u16); 3] = [("AAPL", 0), ("GOOG", 1), ("MSFT", 2)];
const AFTER: [(&str, u16); 3] = [("AAPL", 1), ("GOOG", 1), ("MSFT", 2)];
const LATER: [(&str, u16); 3] = [("AAPL", 2), ("GOOG", 1), ("MSFT", 2)];
const NOON: u64 = 12 * 3_600_000_000_000;

/// Three partitions with snapshots; nothing was heard of 0.
fn floor() -> Floor {
    let mut floor = Floor::with_snapshots(3, &BEFORE);
    floor.benches[1].send(Line::A, 1, &[at(1_000, directory(1, "GOOG"))]);
    floor.benches[2].send(Line::A, 1, &[at(1_000, directory(1, "MSFT"))]);
    floor
}

/// 0 is joined by a snapshot without AAPL, before number `next`.
fn image_of_0(floor: &mut Floor, next: u64) {
    let bench = &mut floor.benches[0];
    let ask = snapshot_asked(bench);
    begin(bench, ask.cycle);
    load(bench, ask.cycle, &[at(NOON - 9, directory(2, "INTC"))]);
    end(bench, ask.cycle, next);
    bench.heartbeat(Line::A, next);
    assert!(bench.shown.status.unwrap().is_live());
}

/// The image of a partition that has nothing but the end of its session.
fn joined_by_a_snapshot(floor: &mut Floor) {
    floor.benches[0].send(Line::A, 5, &[at(NOON - 9, directory(2, "INTC"))]);
    floor.benches[0].pass(Nanos::from_millis(300));
    image_of_0(floor, 6);
}

/// 0 has another session, of which all is heard.
fn another_session(floor: &mut Floor) {
    let bench = &mut floor.benches[0];
    bench.pass(SESSION_GRACE);
    bench.session = *b"DAY0000002";
    bench.send(Line::A, 1, &[at(NOON - 5, directory(2, "INTC"))]);
    bench.heartbeat(Line::A, 2);
    assert!(bench.shown.status.unwrap().is_live());
}

/// All of them are as late as the latest, and heard.
fn level(floor: &mut Floor, next: &[u64]) {
    let latest = floor.benches.iter().map(|bench| bench.now).max().unwrap();
    for (bench, next) in floor.benches.iter_mut().zip(next) {
        bench.pass(latest.since(bench.now));
        bench.heartbeat(Line::A, *next);
    }
}

fn named_at_noon(floor: &mut Floor, partition: usize) {
    let noon = [at(NOON, directory(9, "AAPL")), at(NOON + 10, add(9, 21, b'B', 300, 990_000))];
    floor.benches[partition].send(Line::A, 2, &noon);
    floor.claims();
}

#[test]
fn a_later_session_that_is_heard_whole_says_nothing_of_the_one_before() {
    type Begins = fn(&mut Floor);
    let joined: Begins = joined_by_a_snapshot;
    let headless: Begins =
        |floor| floor.benches[0].send(Line::A, 500, &[at(NOON - 9, directory(2, "INTC"))]);
    let holed: Begins = |floor| {
        floor.benches[0].send(Line::A, 1, &[at(1_000, directory(2, "INTC"))]);
        floor.benches[0].send(Line::A, 4, &[at(NOON - 9, directory(2, "INTC"))]);
    };
    // Its last messages may have been lost, AAPL's among them.
    let cut: Begins = |floor| floor.benches[0].send(Line::A, 1, &[at(1_000, directory(2, "INTC"))]);
    let whole: Begins = |floor| {
        floor.benches[0].send(Line::A, 1, &[at(1_000, directory(2, "INTC")), system(b'C')]);
    };
    for (begins, what, reason) in [
        (joined, "joined by a snapshot", Some(Reason::SymbolRecovering)),
        (headless, "its start is missing", Some(Reason::SymbolRecovering)),
        (holed, "a gap is open", Some(Reason::SymbolRecovering)),
        (cut, "it was not over", Some(Reason::SymbolRecovering)),
        (whole, "it was over, and whole", None),
    ] {
        let mut floor = floor();
        begins(&mut floor);
        another_session(&mut floor);
        while floor.benches[0].partition.next_action().is_some() {}
        level(&mut floor, &[2, 2, 2]);
        named_at_noon(&mut floor, 1);
        floor.take(&AFTER, Mono::MAX);
        assert_eq!(floor.reason(1, "AAPL"), reason, "{what}");
    }
}

/// What is missing as the map comes may be the message that named it.
#[test]
fn what_is_missing_as_the_map_comes_may_have_named_it() {
    type Happens = fn(&mut Floor);
    let gap: Happens = |floor| {
        floor.benches[0].send(Line::A, 4, &[at(NOON - 1, directory(2, "INTC"))]);
    };
    let silence: Happens = |floor| {
        for (bench, next) in floor.benches.iter_mut().zip([0, 2, 2]) {
            bench.pass(common::SILENCE);
            if next > 0 {
                bench.heartbeat(Line::A, next);
            }
        }
    };
    let nothing: Happens = |_| {};
    for (happens, what, reason) in [
        (gap, "a gap", Some(Reason::SymbolRecovering)),
        (silence, "silence", Some(Reason::SymbolRecovering)),
        (nothing, "nothing", None),
    ] {
        let mut floor = floor();
        floor.benches[0].send(Line::A, 1, &[at(1_000, directory(2, "INTC"))]);
        happens(&mut floor);
        named_at_noon(&mut floor, 1);
        floor.take(&AFTER, Mono::MAX);
        assert_eq!(floor.reason(1, "AAPL"), reason, "{what}");
        if reason.is_some() && what == "a gap" {
            // And is filled by a snapshot that doesn't have it any more.
            floor.benches[0].pass(Nanos::from_millis(300));
            image_of_0(&mut floor, 5);
            floor.claims();
            assert_eq!(floor.reason(1, "AAPL"), reason);
        }
    }
}

/// Who never named it hands on that another had it before.
#[test]
fn two_maps_on_one_date_and_nobody_in_between_named_it() {
    let mut floor = floor();
    joined_by_a_snapshot(&mut floor);
    level(&mut floor, &[6, 2, 2]);
    floor.take(&AFTER, Mono::MAX);
    assert_eq!(floor.reason(1, "AAPL"), Some(Reason::Unproven));
    floor.take(&LATER, Mono::MAX);
    assert_eq!(floor.reason(2, "AAPL"), Some(Reason::Unproven));
    named_at_noon(&mut floor, 2);
    assert_eq!(floor.reason(2, "AAPL"), Some(Reason::SymbolRecovering));
}

/// A handler that starts behind the move, and has the new partition's session from its beginning: a handler that ran
/// since knows no more of its book than that either.
#[test]
fn a_start_behind_the_move_has_but_the_end_of_its_book() {
    for (moved, reason) in [(vec![symbol("AAPL")], Some(Reason::SymbolRecovering)), (vec![], None)]
    {
        let services = Services { retransmit: None, snapshot: Some(SNAPSHOTS) };
        let mut bench = Bench::with(Config { services, index: 1, moved, ..config(&AFTER) });
        bench.subscribe(true);
        let noon = [at(NOON, directory(9, "AAPL")), at(NOON + 10, add(9, 21, b'B', 300, 990_000))];
        bench.send(Line::A, 1, &[at(1_000, directory(1, "GOOG"))]);
        bench.send(Line::A, 2, &noon);
        assert_eq!(bench.reason("AAPL"), reason);
        assert_eq!(bench.reason("GOOG"), None);
        if reason.is_some() {
            let ask = snapshot_asked(&mut bench);
            begin(&mut bench, ask.cycle);
            load(&mut bench, ask.cycle, &noon);
            end(&mut bench, ask.cycle, 4);
            bench.heartbeat(Line::A, 4);
            assert_eq!(bench.reason("AAPL"), None);
        }
    }
}

/// Two partitions with snapshots, the second of which knows of sessions of before the date.
fn overnight(homes: &[(&str, u16)], earlier: &[candor_core::SessionId]) -> Floor {
    let mut floor = Floor::with_snapshots(2, homes);
    floor.replace(1, Config { earlier: earlier.to_vec(), ..config(homes) });
    floor
}

const YESTERDAY: [(&str, u16); 2] = [("AAPL", 1), ("GOOG", 1)];
const TODAY: [(&str, u16); 2] = [("AAPL", 0), ("GOOG", 1)];

/// Today's sessions begin at both, and name what each has.
fn todays_sessions(floor: &mut Floor) {
    for (bench, name) in floor.benches.iter_mut().zip(["AAPL", "GOOG"]) {
        bench.pass(SESSION_GRACE);
        bench.session = *b"DAY0000002";
        bench.send(Line::A, 1, &[directory(1, name)]);
        bench.pass(SESSION_GRACE);
        bench.heartbeat(Line::A, 2);
    }
    floor.claims();
    level(floor, &[2, 2]);
}

/// A handler starts with today's map, and a partition still has the session of the day before, with a symbol that has
/// moved from it overnight.
#[test]
fn what_yesterdays_session_names_contests_nothing_of_today() {
    let earlier = [candor_core::SessionId::from_text(*b"DAY0000001")];
    let mut floor = overnight(&TODAY, &earlier);
    floor.benches[1].send(Line::A, 1, &[directory(1, "GOOG"), directory(2, "AAPL")]);
    floor.claims();
    assert_eq!(floor.reason(1, "GOOG"), Some(Reason::NotStarted));
    let there = |floor: &Floor| floor.benches[1].shown.names.contains_key(&symbol("AAPL"));
    assert!(!there(&floor), "a region would say that two partitions have the name");
    assert_eq!(floor.benches[1].count(Counter::WrongPartition), 1);
    todays_sessions(&mut floor);
    assert_eq!(floor.reason(0, "AAPL"), None);
    assert_eq!(floor.reason(1, "GOOG"), None);
    assert!(!there(&floor));
    // Today's names it there as well: that is another matter.
    floor.benches[1].send(Line::A, 2, &[directory(2, "AAPL")]);
    floor.claims();
    for partition in 0..2 {
        assert_eq!(floor.reason(partition, "AAPL"), Some(Reason::WrongPartition));
    }
}

/// The same of a handler that has run since, and takes a snapshot of the old session behind today's map.
#[test]
fn what_yesterdays_snapshot_names_contests_nothing_of_today() {
    let mut floor = overnight(&YESTERDAY, &[]);
    floor.benches[0].send(Line::A, 1, &[directory(1, "INTC")]);
    floor.benches[1].send(Line::A, 1, &[directory(1, "GOOG"), directory(2, "AAPL")]);
    floor.take(&YESTERDAY, Mono(1));
    floor.over = true;
    floor.take(&TODAY, Mono::MAX);
    let bench = &mut floor.benches[1];
    bench.send(Line::A, 5, &[directory(1, "GOOG")]);
    bench.pass(Nanos::from_millis(300));
    let ask = snapshot_asked(bench);
    begin(bench, ask.cycle);
    load(bench, ask.cycle, &[directory(1, "GOOG"), directory(2, "AAPL")]);
    end(bench, ask.cycle, 6);
    bench.heartbeat(Line::A, 6);
    floor.claims();
    todays_sessions(&mut floor);
    assert_eq!(floor.reason(0, "AAPL"), None);
    assert_eq!(floor.reason(1, "GOOG"), None);
}

/// An older session takes the place of today's, which had named it: it was there today all the same.
#[test]
fn what_todays_session_named_is_contested_though_an_older_one_is_followed_since() {
    let earlier = candor_core::SessionId::from_text(*b"DAY0000001");
    let mut floor = overnight(&YESTERDAY, &[earlier]);
    for (bench, name) in floor.benches.iter_mut().zip(["INTC", "AAPL"]) {
        bench.session = *b"DAY0000002";
        bench.send(Line::A, 1, &[directory(1, name)]);
        bench.pass(SESSION_GRACE);
        bench.heartbeat(Line::A, 2);
    }
    level(&mut floor, &[2, 2]);
    floor.benches[1].session = *b"DAY0000001";
    floor.benches[1].send(Line::A, 9, &[directory(3, "GOOG")]);
    assert_eq!(floor.reason(1, "AAPL"), Some(Reason::NotStarted));
    floor.benches[0].send(Line::A, 2, &[directory(2, "AAPL")]);
    floor.claims();
    floor.take(&TODAY, Mono::MAX);
    assert_eq!(floor.reason(0, "AAPL"), Some(Reason::WrongPartition));
}

/// A session of this date was followed by a handler before this one: what it named nobody knows any more.
#[test]
fn a_start_behind_another_session_of_the_date_has_not_heard_all_of_it() {
    for (other, reason) in [(true, Some(Reason::SymbolRecovering)), (false, None)] {
        let mut floor = floor();
        let session = if other { *b"DAY0000000" } else { *b"DAY0000001" };
        let followed = vec![candor_core::SessionId::from_text(session)];
        floor.replace(0, Config { followed, ..config(&BEFORE) });
        floor.benches[0].send(Line::A, 1, &[at(1_000, directory(2, "INTC"))]);
        named_at_noon(&mut floor, 1);
        floor.take(&AFTER, Mono::MAX);
        assert_eq!(floor.reason(1, "AAPL"), reason);
    }
}

/// That another had it before is known for as long as the date lasts, whatever sessions begin meanwhile.
#[test]
fn who_hands_it_on_does_so_behind_another_session_as_well() {
    let mut floor = floor();
    joined_by_a_snapshot(&mut floor);
    level(&mut floor, &[6, 2, 2]);
    floor.take(&AFTER, Mono::MAX);
    let bench = &mut floor.benches[1];
    bench.send(Line::A, 2, &[system(b'C')]);
    bench.pass(SESSION_GRACE);
    bench.session = *b"DAY0000002";
    bench.send(Line::A, 1, &[at(NOON - 5, directory(1, "GOOG"))]);
    level(&mut floor, &[6, 2, 2]);
    floor.take(&LATER, Mono::MAX);
    named_at_noon(&mut floor, 2);
    assert_eq!(floor.reason(2, "AAPL"), Some(Reason::SymbolRecovering));
}

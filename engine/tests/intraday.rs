//! A symbol that moves in the middle of a session: contested from the moment at which another partition names it,
//! and Live there once a map says so, out of a snapshot, unless anything says that it has not moved.

mod common;

use candor_core::counters::Counter;
use candor_core::{Line, Mono, Nanos, Reason};
use candor_engine::Config;
use common::floor::{Floor, symbol};
use common::services::{actions, begin, end, load, snapshot_asked};
use common::{Bench, SILENCE, add, at, config, delete, directory};

const BEFORE: [(&str, u16); 3] = [("AAPL", 0), ("GOOG", 1), ("MSFT", 2)];
const AFTER: [(&str, u16); 3] = [("AAPL", 1), ("GOOG", 1), ("MSFT", 2)];

/// When AAPL is named on partition 1, by the venue's clock.
const NOON: u64 = 12 * 3_600_000_000_000;

/// Three partitions with snapshots, each with a symbol that is Live; AAPL's book on 0 has an order.
fn morning() -> Floor {
    let mut floor = Floor::with_snapshots(3, &BEFORE);
    let morning = [at(1_000, directory(1, "AAPL")), at(2_000, add(1, 11, b'B', 100, 1_000_000))];
    floor.benches[0].send(Line::A, 1, &morning);
    floor.benches[1].send(Line::A, 1, &[at(1_000, directory(1, "GOOG"))]);
    floor.benches[2].send(Line::A, 1, &[at(1_000, directory(1, "MSFT"))]);
    for (partition, (name, _)) in BEFORE.iter().enumerate() {
        assert_eq!(floor.reason(partition, name), None);
    }
    floor
}

/// Partition 1 names it, at noon, and says something of an order that was there before.
fn named_at_noon(floor: &mut Floor) {
    let noon = [at(NOON, directory(9, "AAPL")), at(NOON + 10, add(9, 21, b'B', 300, 990_000))];
    floor.benches[1].send(Line::A, 2, &noon);
    floor.claims();
    for partition in 0..2 {
        assert_eq!(floor.reason(partition, "AAPL"), Some(Reason::WrongPartition));
    }
}

/// The venue's snapshot of partition 1, as of number 4.
fn spliced(floor: &mut Floor) {
    let ask = snapshot_asked(&mut floor.benches[1]);
    begin(&mut floor.benches[1], ask.cycle);
    let image = [
        at(1_000, directory(1, "GOOG")),
        at(NOON, directory(9, "AAPL")),
        at(2_000, add(9, 11, b'B', 100, 1_000_000)),
        at(NOON + 10, add(9, 21, b'B', 300, 990_000)),
    ];
    load(&mut floor.benches[1], ask.cycle, &image);
    end(&mut floor.benches[1], ask.cycle, 4);
    floor.benches[1].heartbeat(Line::A, 4);
    floor.claims();
}

#[test]
fn it_is_live_where_the_map_says_once_a_snapshot_has_its_book() {
    let mut floor = morning();
    named_at_noon(&mut floor);
    // What the old partition still brings of before is no contradiction.
    floor.benches[0].send(Line::A, 3, &[at(NOON - 1, add(1, 12, b'B', 7, 1_000_100))]);
    assert_eq!(actions(&mut floor.benches[1]).len(), 0, "nothing is asked for without a map");
    let goog = floor.benches[1].shown.slots[&floor.benches[1].shown.names[&symbol("GOOG")]];
    let maps = floor.begin(&AFTER, Mono::MAX);
    assert_eq!(floor.reason(1, "AAPL"), Some(Reason::Unmapped));
    floor.claim(&maps);
    assert_eq!(floor.reason(1, "AAPL"), Some(Reason::Unmapped));
    floor.finish(&maps);
    assert_eq!(floor.reason(0, "AAPL"), Some(Reason::Unmapped));
    assert_eq!(floor.reason(1, "AAPL"), Some(Reason::SymbolRecovering), "its orders of before");
    spliced(&mut floor);
    assert_eq!(floor.reason(1, "AAPL"), None);
    assert_eq!(floor.benches[1].shown.best("AAPL", candor_core::Side::Bid), Some((1_000_000, 100)));
    let index = floor.benches[0].shown.names[&symbol("AAPL")];
    assert!(floor.benches[0].shown.moved[&index], "found by its name where it went alone");
    // Those beside it were Live all along.
    let index = floor.benches[1].shown.names[&symbol("GOOG")];
    assert_eq!(floor.benches[1].shown.slots[&index], goog);
    for (partition, name) in [(1, "GOOG"), (2, "MSFT")] {
        assert_eq!(floor.reason(partition, name), None);
    }
}

#[test]
fn what_was_sent_before_it_moved_and_comes_late_is_ignored() {
    let mut floor = morning();
    named_at_noon(&mut floor);
    floor.take(&AFTER, Mono::MAX);
    spliced(&mut floor);
    let claimed = floor.benches[0].count(Counter::WrongPartition);
    let late = [
        at(NOON - 1, add(1, 12, b'B', 7, 1_000_100)),
        // Nobody has this order: of a book that is followed it would be asked for again.
        at(NOON - 1, delete(1, 999)),
        at(NOON - 1, directory(1, "AAPL")),
    ];
    floor.benches[0].send(Line::A, 3, &late);
    floor.claims();
    assert_eq!(floor.reason(1, "AAPL"), None);
    assert_eq!(floor.benches[0].count(Counter::WrongPartition), claimed);
    floor.benches[0].pass(Nanos::from_secs(2));
    assert_eq!(actions(&mut floor.benches[0]).len(), 0);
    // And one that was not is a contradiction, for good.
    floor.benches[0].send(Line::A, 6, &[at(NOON, add(1, 13, b'B', 7, 1_000_100))]);
    floor.claims();
    assert_eq!(floor.reason(0, "AAPL"), Some(Reason::Unmapped));
    assert_eq!(floor.reason(1, "AAPL"), Some(Reason::WrongPartition));
    let index = floor.benches[0].shown.names[&symbol("AAPL")];
    assert!(!floor.benches[0].shown.moved[&index], "found at both");
    assert_eq!(floor.benches[0].count(Counter::WrongPartition), claimed + 1);
    floor.benches[0].send(Line::A, 7, &[at(NOON + 5, delete(1, 13))]);
    assert_eq!(floor.benches[0].count(Counter::WrongPartition), claimed + 1, "said once");
}

type Between = fn(&mut Floor);

/// What may be between the first message there and the map, so that nobody can say that it has moved.
#[test]
fn whatever_leaves_its_move_unproven_leaves_it_contested() {
    let cases: [(&str, Between); 8] = [
        ("both publish it", |floor| {
            floor.benches[0].send(Line::A, 3, &[at(NOON, add(1, 12, b'B', 7, 1_000_100))]);
        }),
        ("its old partition has a gap", |floor| {
            floor.benches[0].send(Line::A, 4, &[at(NOON - 1, delete(1, 11))]);
            floor.benches[0].pass(Nanos::from_millis(10));
            assert_eq!(floor.benches[0].shown.status.unwrap().reason(), Some(Reason::Gap));
        }),
        ("and one within its grace", |floor| {
            floor.benches[0].send(Line::A, 4, &[at(NOON - 1, delete(1, 11))]);
            assert!(floor.benches[0].shown.status.unwrap().is_live());
        }),
        ("its old partition is silent", |floor| {
            for (bench, next) in floor.benches.iter_mut().zip([3, 4, 2]) {
                bench.pass(SILENCE);
                if next > 3 {
                    bench.heartbeat(Line::A, next);
                }
            }
        }),
        ("a third partition names it too", |floor| {
            floor.benches[2].send(Line::A, 2, &[at(NOON + 9, directory(7, "AAPL"))]);
            floor.claims();
        }),
        ("its book is being fetched where it was", |floor| {
            floor.benches[0].send(Line::A, 3, &[at(NOON - 1, delete(1, 999))]);
            let ask = snapshot_asked(&mut floor.benches[0]);
            begin(&mut floor.benches[0], ask.cycle);
        }),
        ("a snapshot of where it was still has it", |floor| {
            image_of_0(floor, &[at(2_000, directory(1, "AAPL")), at(2_000, directory(2, "INTC"))]);
        }),
        ("one of where it was is under way", |floor| {
            lose_of_0(floor);
            let ask = snapshot_asked(&mut floor.benches[0]);
            begin(&mut floor.benches[0], ask.cycle);
        }),
    ];
    for (what, between) in cases {
        let mut floor = morning();
        named_at_noon(&mut floor);
        between(&mut floor);
        floor.take(&AFTER, Mono::MAX);
        assert_eq!(floor.reason(1, "AAPL"), Some(Reason::WrongPartition), "{what}");
    }
}

/// Numbers 3 and 4 of partition 0 are lost for good.
fn lose_of_0(floor: &mut Floor) {
    floor.benches[0].send(Line::A, 5, &[at(NOON, directory(2, "INTC"))]);
    floor.benches[0].pass(Nanos::from_millis(300));
}

/// They are, and a snapshot of these messages heals it.
fn image_of_0(floor: &mut Floor, image: &[Vec<u8>]) {
    lose_of_0(floor);
    let ask = snapshot_asked(&mut floor.benches[0]);
    begin(&mut floor.benches[0], ask.cycle);
    load(&mut floor.benches[0], ask.cycle, image);
    end(&mut floor.benches[0], ask.cycle, 6);
    floor.benches[0].heartbeat(Line::A, 6);
    assert!(floor.benches[0].shown.status.unwrap().is_live());
}

/// Whatever makes the old partition forget that it had the symbol: what the new one has of its book is but the end,
/// and it is not Live before a snapshot.
#[test]
fn what_the_old_partition_forgets_is_half_a_book_at_the_new_one() {
    let cases: [(&str, Between); 4] = [
        ("a snapshot of all its books, without it", |floor| {
            image_of_0(floor, &[at(NOON + 5, directory(2, "INTC"))]);
        }),
        ("a new session", |floor| {
            floor.benches[0].pass(common::SESSION_GRACE);
            floor.benches[0].session = *b"DAY0000002";
            floor.benches[0].send(Line::A, 1, &[at(NOON + 5, directory(1, "INTC"))]);
            for (bench, next) in floor.benches.iter_mut().zip([2, 4, 2]) {
                bench.now = bench.now.max(Mono(4_000_000_000));
                bench.heartbeat(Line::A, next);
            }
        }),
        ("another name under its key", |floor| {
            floor.benches[0].send(Line::A, 3, &[at(NOON - 1, directory(1, "INTC"))]);
        }),
        ("a snapshot of its book, without it", |floor| {
            floor.benches[0].send(Line::A, 3, &[at(NOON - 1, delete(1, 999))]);
            let ask = snapshot_asked(&mut floor.benches[0]);
            begin(&mut floor.benches[0], ask.cycle);
            load(&mut floor.benches[0], ask.cycle, &[at(NOON, directory(2, "INTC"))]);
            end(&mut floor.benches[0], ask.cycle, 4);
            floor.benches[0].heartbeat(Line::A, 4);
        }),
    ];
    for (what, between) in cases {
        let mut floor = morning();
        named_at_noon(&mut floor);
        between(&mut floor);
        floor.take(&AFTER, Mono::MAX);
        let reason = floor.reason(1, "AAPL");
        assert_eq!(reason, Some(Reason::SymbolRecovering), "{what}");
        spliced(&mut floor);
        assert_eq!(floor.reason(1, "AAPL"), None, "{what}");
    }
}

/// It was never heard today where the map of the morning had it: what the other partition has may be but the end.
#[test]
fn where_nothing_was_heard_of_the_old_partition_a_snapshot_tells() {
    let mut floor = morning();
    floor.replace(0, config(&BEFORE));
    let noon = [at(NOON, directory(9, "AAPL")), at(NOON + 10, add(9, 21, b'B', 300, 990_000))];
    floor.benches[1].send(Line::A, 2, &noon);
    floor.claims();
    floor.take(&AFTER, Mono::MAX);
    assert_eq!(floor.reason(1, "AAPL"), Some(Reason::SymbolRecovering));
    spliced(&mut floor);
    assert_eq!(floor.reason(1, "AAPL"), None);
    // And the old one begins, with it: contested.
    floor.benches[0].send(Line::A, 1, &[at(NOON + 50, directory(1, "AAPL"))]);
    floor.claims();
    assert_eq!(floor.reason(1, "AAPL"), Some(Reason::WrongPartition));
}

/// A snapshot says what is at the old partition, and not what was there in the morning.
#[test]
fn where_the_old_partition_was_joined_by_a_snapshot_a_snapshot_tells() {
    let mut floor = morning();
    floor.replace(0, config(&BEFORE));
    image_of_0(&mut floor, &[at(NOON + 5, directory(2, "INTC"))]);
    let noon = [at(NOON, directory(9, "AAPL")), at(NOON + 10, add(9, 21, b'B', 300, 990_000))];
    floor.benches[1].send(Line::A, 2, &noon);
    floor.claims();
    floor.take(&AFTER, Mono::MAX);
    assert_eq!(floor.reason(1, "AAPL"), Some(Reason::SymbolRecovering));
}

/// It was at 0 at some time of the date, and 0 can't say when: whatever 1 has said of it may be older or newer.
#[test]
fn what_nobody_knows_the_time_of_is_before_nothing() {
    let mut floor = morning();
    // So late in the day that a time of nought lies nearer behind it than before it.
    let late = 23 * 3_600_000_000_000;
    floor.benches[1].send(Line::A, 2, &[at(late, directory(9, "AAPL"))]);
    floor.claims();
    floor.benches[0].pass(common::SESSION_GRACE);
    floor.benches[0].session = *b"DAY0000002";
    floor.benches[0].send(Line::A, 1, &[at(late + 5, directory(1, "INTC"))]);
    floor.benches[0].heartbeat(Line::A, 5);
    floor.take(&AFTER, Mono::MAX);
    assert_eq!(floor.reason(1, "AAPL"), Some(Reason::WrongPartition));
    floor.benches[1].heartbeat(Line::A, 3);
    floor.take(&BEFORE, Mono::MAX);
    for bench in &floor.benches[..2] {
        assert!(!bench.status("AAPL").is_live());
    }
    let symbol = symbol("AAPL");
    let index = floor.benches[1].shown.names[&symbol];
    assert!(!floor.benches[1].shown.moved[&index], "found at both");
}

/// The map before gave it to 1 and the one after gives it back, where the book of the morning still lies.
#[test]
fn what_was_here_before_it_left_is_no_book_when_it_comes_back() {
    let mut floor = morning();
    named_at_noon(&mut floor);
    floor.take(&AFTER, Mono::MAX);
    spliced(&mut floor);
    // All that 1 knew of it is gone with a snapshot that hasn't got it.
    floor.benches[1].send(Line::A, 6, &[at(NOON + 90, directory(3, "INTC"))]);
    floor.benches[1].pass(Nanos::from_millis(300));
    let ask = snapshot_asked(&mut floor.benches[1]);
    begin(&mut floor.benches[1], ask.cycle);
    load(&mut floor.benches[1], ask.cycle, &[at(1_000, directory(1, "GOOG"))]);
    end(&mut floor.benches[1], ask.cycle, 7);
    floor.benches[1].heartbeat(Line::A, 7);
    floor.take(&BEFORE, Mono::MAX);
    assert_eq!(floor.reason(0, "AAPL"), Some(Reason::SymbolRecovering), "the book of noon");
}

/// The next date begins anew: where it had left it is Live by its naming, though no snapshot can be had.
#[test]
fn what_has_left_on_one_date_is_any_symbol_on_the_next() {
    let mut floor = morning();
    named_at_noon(&mut floor);
    floor.take(&AFTER, Mono::MAX);
    spliced(&mut floor);
    for bench in &mut floor.benches {
        bench.pass(common::SESSION_GRACE);
    }
    floor.overnight(&AFTER, &[&["AAPL", "INTC"], &["GOOG"], &["MSFT"]]);
    floor.take(&BEFORE, Mono::MAX);
    for (partition, (name, _)) in BEFORE.iter().enumerate() {
        assert_eq!(floor.reason(partition, name), None, "{name}");
    }
}

/// A partition that the map removes knows what it knew as the map came.
#[test]
fn a_symbol_of_a_partition_that_the_map_removes_has_left_it() {
    let mut floor = morning();
    named_at_noon(&mut floor);
    let maps = floor.begin(&AFTER, Mono::MAX);
    floor.benches[0].subscribe(false);
    floor.claim(&maps);
    floor.finish(&maps);
    assert_eq!(floor.reason(1, "AAPL"), Some(Reason::SymbolRecovering));
    spliced(&mut floor);
    assert_eq!(floor.reason(1, "AAPL"), None);
}

/// ITCH counts from midnight, and a session may begin before it.
#[test]
fn what_was_said_before_midnight_is_older_than_what_was_said_after() {
    let named = |time, heard| candor_engine::NamedAt {
        time: candor_core::WireTime(time),
        heard: Mono(heard),
    };
    const HOURS: u64 = 3_600_000_000_000;
    let (evening, noon) = (named(23 * HOURS, HOURS), named(12 * HOURS, 14 * HOURS));
    assert!(evening.is_before(noon) && !noon.is_before(evening));
    // Late by an hour, and still of before.
    assert!(named(12 * HOURS - 1, 15 * HOURS).is_before(noon));
    assert!(!noon.is_before(noon));
    // Nanoseconds since the epoch don't wrap, whatever clock the host counts by.
    let epoch = 1_795_000_000_000_000_000;
    assert!(named(epoch, 5).is_before(named(epoch + 1, 3)));
    assert!(!named(epoch + 1, 3).is_before(named(epoch, 5)));
}

/// Where it has gone nobody hears that its book is but the end of one: readers find it at both, and it is contested.
#[test]
fn a_move_that_nobody_hears_of_is_contested_in_the_region() {
    let mut floor = morning();
    named_at_noon(&mut floor);
    floor.benches[0].shown.deaf = true;
    let maps = floor.begin(&AFTER, Mono::MAX);
    let index = floor.benches[0].shown.names[&symbol("AAPL")];
    let bench = &mut floor.benches[0];
    assert!(bench.shown.moved[&index]);
    bench.partition.claim_map(bench.now, &maps[0], &mut bench.shown);
    assert!(!bench.shown.moved[&index]);
}

/// The other partition's clock and the old session's are of yesterday.
#[test]
fn a_session_that_begins_anew_has_not_moved_because_the_one_before_had() {
    let mut floor = morning();
    named_at_noon(&mut floor);
    for bench in &mut floor.benches {
        bench.pass(common::SESSION_GRACE);
        bench.session = *b"DAY0000002";
    }
    // Before noon, and on its own partition again.
    floor.benches[0].send(Line::A, 1, &[at(1_000, directory(1, "AAPL"))]);
    floor.benches[1].send(Line::A, 1, &[at(1_000, directory(1, "GOOG"))]);
    floor.take(&AFTER, Mono::MAX);
    assert!(!floor.benches[0].status("AAPL").is_live());
    floor.benches[1].send(Line::A, 2, &[at(1_500, directory(9, "AAPL"))]);
    floor.claims();
    assert_eq!(floor.reason(1, "AAPL"), Some(Reason::WrongPartition));
}

#[test]
fn without_snapshots_its_book_has_no_beginning() {
    let mut floor = morning();
    let of = Config { index: 1, ..config(&BEFORE) };
    floor.benches[1] = Bench::with(of);
    floor.benches[1].subscribe(true);
    floor.benches[1].send(Line::A, 1, &[at(1_000, directory(1, "GOOG"))]);
    named_at_noon(&mut floor);
    floor.take(&AFTER, Mono::MAX);
    assert_eq!(floor.reason(1, "AAPL"), Some(Reason::SymbolRecovering));
    floor.benches[1].send(Line::A, 4, &[at(NOON + 20, add(9, 22, b'B', 300, 990_000))]);
    assert_eq!(floor.reason(1, "AAPL"), Some(Reason::SymbolRecovering));
    assert_eq!(floor.reason(1, "GOOG"), None);
    // A session's beginning is one.
    floor.benches[1].pass(common::SESSION_GRACE);
    floor.benches[1].session = *b"DAY0000002";
    floor.benches[1].send(Line::A, 1, &[at(NOON + 30, directory(1, "AAPL"))]);
    assert_eq!(floor.reason(1, "AAPL"), None);
}

#[test]
fn it_may_move_back() {
    let mut floor = morning();
    named_at_noon(&mut floor);
    floor.take(&AFTER, Mono::MAX);
    spliced(&mut floor);
    let back = [at(NOON + 100, directory(1, "AAPL"))];
    floor.benches[0].send(Line::A, 3, &back);
    floor.claims();
    assert_eq!(floor.reason(1, "AAPL"), Some(Reason::WrongPartition));
    floor.take(&BEFORE, Mono::MAX);
    assert_eq!(floor.reason(0, "AAPL"), Some(Reason::SymbolRecovering));
    let claims = &floor.benches[1].shown.claims;
    assert_eq!(claims.last(), None, "{claims:?}: handed over");
    let ask = snapshot_asked(&mut floor.benches[0]);
    begin(&mut floor.benches[0], ask.cycle);
    load(&mut floor.benches[0], ask.cycle, &[at(NOON + 100, directory(1, "AAPL"))]);
    end(&mut floor.benches[0], ask.cycle, 4);
    floor.benches[0].heartbeat(Line::A, 4);
    assert_eq!(floor.reason(0, "AAPL"), None);
}

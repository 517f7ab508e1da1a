//! A partition that is left and joined again: its old books are not Live for having been so.

mod common;

use candor_core::{Line, Nanos, Reason, Side};
use common::{Bench, GRACE, SILENCE, add, delete, directory, mold};

/// Live with numbers 1 to 3 applied, left, and joined again a while later.
fn joined_again() -> Bench {
    let mut bench = Bench::open();
    bench.pass(Nanos::from_millis(5));
    bench.subscribe(false);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Unsubscribed));
    bench.pass(Nanos::from_millis(200));
    bench.subscribe(true);
    // The lease of before has not run out: it is not the lease that keeps the book from being Live.
    assert!(bench.shown.lease > bench.now);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Late));
    bench.pass(Nanos(1));
    bench
}

#[test]
fn the_old_book_is_live_only_when_a_packet_shows_that_nothing_was_missed() {
    let mut bench = joined_again();
    bench.heartbeat(Line::A, 4);
    assert!(bench.status("AAPL").is_live());
    let mut bench = joined_again();
    bench.send(Line::B, 4, &[delete(1, 12)]);
    assert!(bench.status("AAPL").is_live());
    assert_eq!(bench.shown.best("AAPL", Side::Ask), None);
}

#[test]
fn numbers_missed_meanwhile_are_a_gap_and_not_live_within_its_grace() {
    for heartbeat in [true, false] {
        let mut bench = joined_again();
        match heartbeat {
            true => bench.heartbeat(Line::A, 7),
            false => bench.send(Line::A, 6, &[add(1, 13, b'B', 1, 990_000)]),
        }
        assert_eq!(bench.reason("AAPL"), Some(Reason::Late), "the grace is for reordering");
        bench.pass(GRACE + Nanos(1));
        assert_eq!(bench.reason("AAPL"), Some(Reason::Gap));
        bench.heartbeat(Line::A, 7);
        bench.send(Line::A, 7, &[add(1, 14, b'B', 1, 980_000)]);
        bench.pass(SILENCE);
        bench.heartbeat(Line::A, 8);
        assert_eq!(bench.reason("AAPL"), Some(Reason::Gap), "no number comes back by itself");
    }
}

#[test]
fn a_gap_that_a_line_fills_ends_with_the_next_packet() {
    let mut bench = joined_again();
    bench.send(Line::A, 5, &[add(1, 14, b'B', 1, 980_000)]);
    bench.send(Line::B, 4, &[add(1, 13, b'B', 1, 990_000)]);
    assert!(bench.status("AAPL").is_live());
    assert_eq!(bench.shown.view("AAPL").seq, 5);
}

#[test]
fn what_arrived_before_shows_nothing() {
    let mut bench = Bench::open();
    bench.subscribe(false);
    bench.pass(Nanos::from_millis(3));
    let arrived = bench.now;
    bench.pass(Nanos(1));
    bench.subscribe(true);
    let next = mold(bench.session, 4, &[delete(1, 12)]);
    bench.partition.on_packet(bench.now, arrived, Line::A, &next, &mut bench.shown);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Late), "it waited in a queue");
    bench.heartbeat(Line::A, 5);
    assert!(bench.status("AAPL").is_live());
}

#[test]
fn joined_twice_and_joined_for_the_first_time_cost_nothing() {
    let mut bench = Bench::open();
    bench.subscribe(true);
    assert!(bench.status("AAPL").is_live(), "it was joined all along");
    let mut bench = Bench::new(&[("AAPL", 0)]);
    bench.subscribe(true);
    bench.subscribe(false);
    bench.subscribe(true);
    assert_eq!(bench.reason("AAPL"), Some(Reason::NotStarted));
    bench.send(Line::A, 1, &[directory(1, "AAPL")]);
    assert!(bench.status("AAPL").is_live());
}

#[test]
fn a_session_that_began_meanwhile_starts_without_its_beginning() {
    let mut bench = joined_again();
    bench.session = *b"DAY0000002";
    bench.send(Line::A, 9, &[add(1, 13, b'B', 1, 990_000)]);
    bench.pass(GRACE + Nanos(1));
    assert_eq!(bench.reason("AAPL"), Some(Reason::Recovering));
}

//! A snapshot against what the lines brought right before its number: which of them refute it.

mod common;

use candor_core::counters::Counter;
use candor_core::{Action, Line, Nanos, Reason};
use candor_engine::Services;
use common::services::{SNAPSHOTS, actions, begin, end, load, opened, snapshot_asked};
use common::{Bench, GRACE, SESSION_GRACE, add, delete, directory, replace, trading};

/// The books as of number 4, and some orders more.
fn image(more: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut messages = vec![
        directory(1, "AAPL"),
        directory(2, "MSFT"),
        trading(1, "AAPL", b'T'),
        add(1, 11, b'B', 100, 1_000_000),
    ];
    messages.extend_from_slice(more);
    messages
}

fn open() -> Bench {
    opened(Services { retransmit: None, snapshot: Some(SNAPSHOTS) }, &["AAPL", "MSFT"])
}

/// Number 5 is missing, these came behind it, and a snapshot with these orders is made right behind them.
fn joined(brought: &[Vec<u8>], more: &[Vec<u8>]) -> Bench {
    let mut bench = open();
    bench.send(Line::A, 6, brought);
    bench.pass(GRACE);
    give(&mut bench, more, 6 + brought.len() as u64);
    bench
}

/// The same as soon as one is asked for; meanwhile there are heartbeats of this number.
fn give_when_asked(bench: &mut Bench, more: &[Vec<u8>], next: u64) {
    let latest = bench.now + SNAPSHOTS.begin + SNAPSHOTS.retry_max;
    loop {
        assert!(bench.now < latest, "none is asked for");
        bench.pass(Nanos::from_millis(10));
        bench.heartbeat(Line::A, next);
        if let Some(Action::Snapshot(ask)) = actions(bench).last() {
            begin(bench, ask.cycle);
            load(bench, ask.cycle, &image(more));
            return end(bench, ask.cycle, next);
        }
    }
}

fn give(bench: &mut Bench, more: &[Vec<u8>], next: u64) {
    let ask = snapshot_asked(bench);
    begin(bench, ask.cycle);
    load(bench, ask.cycle, &image(more));
    end(bench, ask.cycle, next);
}

fn is_joined(brought: &[Vec<u8>], more: &[Vec<u8>]) -> bool {
    let bench = joined(brought, more);
    let joined = bench.status("AAPL").is_live();
    assert_eq!(bench.count(Counter::SnapshotsSpliced), u64::from(joined));
    assert_eq!(bench.count(Counter::SnapshotsUnusable), u64::from(!joined));
    joined
}

#[test]
fn an_order_that_nothing_touched_is_there_as_it_came() {
    let came = [add(1, 20, b'B', 7, 1_005_000)];
    assert!(is_joined(&came, &came));
    assert!(!is_joined(&came, &[]), "it is missing");
    assert!(!is_joined(&came, &[add(1, 20, b'B', 8, 1_005_000)]), "of another size");
    assert!(!is_joined(&came, &[add(1, 20, b'B', 7, 980_000)]), "at another price");
    assert!(!is_joined(&came, &[add(1, 20, b'S', 7, 1_005_000)]), "on the other side");
    assert!(!is_joined(&came, &[add(2, 20, b'B', 7, 1_005_000)]), "of another symbol");
}

#[test]
fn an_order_that_left_is_not_there() {
    let came = [add(1, 20, b'B', 7, 990_000), delete(1, 20)];
    assert!(is_joined(&came, &[]));
    assert!(!is_joined(&came, &came[..1]));
    let came = [replace(1, 19, 20, 7, 990_000)];
    assert!(is_joined(&came, &[add(1, 20, b'B', 7, 990_000)]));
    assert!(!is_joined(&came, &[]), "what replaces it");
    assert!(!is_joined(&came, &[add(1, 20, b'B', 8, 990_000)]), "of another size");
    assert!(!is_joined(&came, &[add(1, 19, b'B', 7, 990_000), add(1, 20, b'B', 7, 990_000)]));
}

#[test]
fn one_that_agrees_does_not_excuse_one_that_does_not() {
    let (one, other) = (add(1, 20, b'B', 7, 990_000), add(1, 21, b'B', 7, 980_000));
    let came = [one.clone(), other.clone()];
    assert!(is_joined(&came, &came));
    assert!(!is_joined(&came, &[one]));
    assert!(!is_joined(&came, &[other]));
}

#[test]
fn what_lies_before_a_gap_says_nothing() {
    let mut bench = open();
    bench.send(Line::A, 6, &[add(1, 20, b'B', 7, 990_000)]);
    // Number 7 may have taken it away.
    bench.send(Line::A, 8, &[trading(1, "AAPL", b'T')]);
    bench.pass(GRACE);
    give(&mut bench, &[], 9);
    assert!(bench.status("AAPL").is_live());
}

#[test]
fn what_is_held_back_while_it_loads_counts_too() {
    let loads = |more: &[Vec<u8>]| {
        let mut bench = open();
        bench.send(Line::A, 6, &[trading(1, "AAPL", b'T')]);
        bench.pass(GRACE);
        let ask = snapshot_asked(&mut bench);
        begin(&mut bench, ask.cycle);
        // The gap is filled, and so all of it is delivered.
        bench.send(Line::B, 5, &[trading(1, "AAPL", b'T')]);
        bench.send(Line::A, 7, &[add(1, 20, b'B', 7, 990_000), delete(1, 11)]);
        load(&mut bench, ask.cycle, &image(more));
        end(&mut bench, ask.cycle, 8);
        bench.status("AAPL").is_live()
    };
    assert!(loads(&[add(1, 20, b'B', 7, 990_000)]));
    assert!(!loads(&[]));
}

#[test]
fn where_the_next_ones_say_the_same_the_lines_are_not_believed_once_none_can_lag() {
    let mut bench = joined(&[add(1, 20, b'B', 7, 990_000)], &[]);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Recovering));
    let refuted = bench.now;
    while bench.count(Counter::SnapshotsSpliced) == 0 {
        assert!(bench.now < refuted + SESSION_GRACE + SNAPSHOTS.retry_max);
        give_when_asked(&mut bench, &[], 7);
    }
    assert!(bench.now >= refuted + SESSION_GRACE);
    assert!(!bench.status("AAPL").is_live(), "nothing since shows where the venue is");
    bench.pass(SESSION_GRACE);
    bench.heartbeat(Line::A, 7);
    assert!(bench.status("AAPL").is_live());
    assert_eq!(bench.shown.view("AAPL").bid_count, 1, "the image's");
}

#[test]
fn one_that_lines_differ_about_is_settled_by_the_image_and_no_other() {
    let [came, other] = [7, 8].map(|size| add(1, 20, b'B', size, 990_000));
    let settled = |brought: &[Vec<u8>]| {
        let mut bench = open();
        bench.send(Line::A, 6, &[trading(1, "AAPL", b'T')]);
        bench.pass(GRACE);
        let ask = snapshot_asked(&mut bench);
        begin(&mut bench, ask.cycle);
        bench.send(Line::B, 5, &[trading(1, "AAPL", b'T')]);
        bench.send(Line::A, 7, brought);
        // Of the last packet alone it is known.
        bench.send(Line::B, 7, std::slice::from_ref(&other));
        assert_eq!(bench.count(Counter::LinesDiffer), 1);
        load(&mut bench, ask.cycle, &image(std::slice::from_ref(&other)));
        end(&mut bench, ask.cycle, 7 + brought.len() as u64);
        bench.count(Counter::SnapshotsSpliced) == 1
    };
    assert!(settled(std::slice::from_ref(&came)));
    assert!(!settled(&[came, add(1, 21, b'B', 7, 980_000)]), "nor has it the next one");
}

#[test]
fn one_symbol_alone_is_refuted_by_its_own_messages_and_all_are_rebuilt_once_no_line_can_lag() {
    let mut bench = open();
    bench.send(Line::A, 5, &[delete(1, 999)]);
    assert_eq!(bench.reason("AAPL"), Some(Reason::SymbolQuarantined));
    let cycle = |bench: &mut Bench, number: u64| {
        let ask = snapshot_asked(bench);
        begin(bench, ask.cycle);
        let of_another = add(2, 100 + number, b'B', 7, 990_000);
        bench.send(Line::A, number, &[add(1, 20 + number, b'B', 7, 990_000), of_another]);
        // It has neither of the two.
        load(bench, ask.cycle, &image(&[]));
        end(bench, ask.cycle, number + 2);
        assert_eq!(bench.count(Counter::SnapshotsSpliced), 0);
        assert!(bench.status("MSFT").is_live(), "the others go on");
        assert_eq!(bench.reason("AAPL"), Some(Reason::SymbolRecovering));
    };
    cycle(&mut bench, 6);
    bench.pass(SESSION_GRACE);
    bench.heartbeat(Line::A, 8);
    cycle(&mut bench, 8);
    assert_eq!(bench.count(Counter::SnapshotsUnusable), 2);
    // The others' books follow numbers that the venue's image doesn't know.
    give_when_asked(&mut bench, &[], 10);
    assert_eq!(bench.count(Counter::SnapshotsSpliced), 1);
    assert!(!bench.status("MSFT").is_live() && !bench.status("AAPL").is_live());
    bench.pass(SESSION_GRACE);
    bench.heartbeat(Line::A, 10);
    assert!(bench.status("MSFT").is_live() && bench.status("AAPL").is_live());
    assert_eq!(bench.shown.view("MSFT").bid_count, 0, "what the image doesn't have");
}

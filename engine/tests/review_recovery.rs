//! Recovery under fire: sequences that could show Live what the venue's book is not, and ones after
//! which nobody would ask for what is missing any more.

mod common;
#[path = "common/recovery.rs"]
mod model;

use candor_core::counters::Counter;
use candor_core::{Action, Line, Nanos, Reason, Side};
use candor_engine::{Services, Step};
use common::services::{SNAPSHOTS, begin, end, load, opened, snapshot_asked};
use common::{Bench, GRACE, add, delete, directory, trading};
use model::World;

/// Three symbols at home here, one of them not defined yet: [`opened`].
fn open() -> Bench {
    let services = Services { retransmit: None, snapshot: Some(SNAPSHOTS) };
    opened(services, &["AAPL", "MSFT", "NEWN"])
}

/// The books as of number 4.
fn image() -> Vec<Vec<u8>> {
    vec![
        directory(1, "AAPL"),
        directory(2, "MSFT"),
        trading(1, "AAPL", b'T'),
        add(1, 11, b'B', 100, 1_000_000),
        add(1, 12, b'S', 200, 1_010_000),
    ]
}

#[test]
fn lines_that_differ_while_a_snapshot_loads_are_settled_by_it() {
    let mut bench = open();
    bench.send(Line::A, 6, &[add(1, 16, b'B', 1, 990_000)]);
    bench.pass(GRACE);
    let ask = snapshot_asked(&mut bench);
    begin(&mut bench, ask.cycle);
    bench.send(Line::A, 5, &[add(1, 15, b'B', 1, 980_000)]);
    bench.send(Line::A, 7, &[add(1, 17, b'B', 1, 970_000)]);
    bench.send(Line::B, 7, &[add(1, 17, b'B', 2, 970_000)]);
    assert_eq!(bench.count(Counter::LinesDiffer), 1);
    let mut messages = image();
    messages.extend([
        add(1, 15, b'B', 1, 980_000),
        add(1, 16, b'B', 1, 990_000),
        add(1, 17, b'B', 2, 970_000),
    ]);
    load(&mut bench, ask.cycle, &messages);
    // It ends beyond the number that differs: it says what is true.
    end(&mut bench, ask.cycle, 8);
    bench.send(Line::A, 8, &[delete(1, 15)]);
    for _ in 0..100 {
        bench.pass(Nanos::from_millis(100));
        bench.heartbeat(Line::A, 9);
        assert!(bench.partition.next_action().is_none(), "another one would do, too");
    }
    assert_eq!(bench.reason("AAPL"), None, "nobody asks for anything any more");
}

#[test]
fn lines_that_differ_again_at_once_are_not_live() {
    let mut bench = open();
    bench.send(Line::A, 5, &[add(1, 15, b'B', 1, 980_000)]);
    bench.send(Line::B, 5, &[add(1, 15, b'B', 2, 980_000)]);
    let ask = snapshot_asked(&mut bench);
    begin(&mut bench, ask.cycle);
    let mut messages = image();
    messages.push(add(1, 15, b'B', 2, 980_000));
    load(&mut bench, ask.cycle, &messages);
    end(&mut bench, ask.cycle, 6);
    assert!(bench.status("AAPL").is_live());
    bench.pass(Nanos::from_millis(10));
    bench.send(Line::A, 6, &[add(1, 16, b'B', 1, 985_000)]);
    bench.send(Line::B, 6, &[add(1, 16, b'B', 2, 985_000)]);
    assert_eq!(bench.reason("AAPL"), Some(Reason::LinesDiffer), "nobody knows which is true");
}

#[test]
fn a_snapshot_before_the_last_number_that_differs_does_not_settle_it() {
    let mut bench = open();
    for number in 5..8 {
        bench.send(Line::A, number, &[add(1, 10 + number, b'B', 1, 980_000)]);
        bench.send(Line::B, number, &[add(1, 10 + number, b'B', 2, 980_000)]);
    }
    let ask = snapshot_asked(&mut bench);
    begin(&mut bench, ask.cycle);
    let mut messages = image();
    messages.push(add(1, 15, b'B', 2, 980_000));
    load(&mut bench, ask.cycle, &messages);
    end(&mut bench, ask.cycle, 6);
    assert!(!bench.status("AAPL").is_live(), "6 and 7 differ as well");
}

#[test]
fn a_rename_of_a_book_that_is_being_rebuilt_inherits_no_empty_book() {
    let mut bench = open();
    bench.send(Line::A, 5, &[delete(1, 999)]);
    let ask = snapshot_asked(&mut bench);
    begin(&mut bench, ask.cycle);
    // What rests under the key is neither in the old name's book, which is empty, nor in the new's.
    bench.send(Line::A, 6, &[directory(1, "NEWN")]);
    assert!(!bench.status("NEWN").is_live(), "two orders rest at the venue");
}

#[test]
fn a_symbol_the_image_does_not_name_is_proven_by_nothing() {
    let mut bench = open();
    bench.send(Line::A, 5, &[delete(1, 999)]);
    let ask = snapshot_asked(&mut bench);
    begin(&mut bench, ask.cycle);
    load(&mut bench, ask.cycle, &[directory(2, "MSFT")]);
    end(&mut bench, ask.cycle, 6);
    assert!(!bench.status("AAPL").is_live(), "the image does not have it");
    assert!(bench.status("MSFT").is_live());
}

#[test]
fn a_second_key_is_learnt_by_a_snapshot_of_all() {
    let mut bench = open();
    bench.send(Line::A, 5, &[directory(7, "AAPL"), add(7, 70, b'B', 5, 500_000)]);
    assert!(!bench.status("AAPL").is_live());
    // BOUND: attempts.
    for _ in 0..4 {
        let mut ask = None;
        // BOUND: what the partition wants.
        while let Some(action) = bench.partition.next_action() {
            if let Action::Snapshot(it) = action {
                ask = Some(it);
            }
        }
        if let Some(ask) = ask {
            begin(&mut bench, ask.cycle);
            let messages =
                [directory(7, "AAPL"), directory(2, "MSFT"), add(7, 70, b'B', 5, 500_000)];
            load(&mut bench, ask.cycle, &messages);
            end(&mut bench, ask.cycle, 7);
        }
        if bench.status("AAPL").is_live() {
            assert_eq!(bench.shown.best("AAPL", Side::Bid), Some((500_000, 5)));
        }
        bench.pass(Nanos::from_secs(2));
        bench.heartbeat(Line::A, 7);
    }
    assert!(bench.status("AAPL").is_live());
}

#[test]
fn a_number_that_no_line_confirms_is_left_again() {
    let mut bench = open();
    bench.send(Line::A, 1 << 40, &[add(1, 16, b'B', 1, 990_000)]);
    let mut cycles = 0;
    // A minute.
    for number in 5..605 {
        bench.send(Line::A, number, &[add(2, 100 + number, b'B', 1, 900_000)]);
        let mut ask = None;
        // BOUND: what the partition wants.
        while let Some(action) = bench.partition.next_action() {
            if let Action::Snapshot(it) = action {
                ask = Some(it);
            }
        }
        if let Some(ask) = ask {
            cycles += 1;
            begin(&mut bench, ask.cycle);
            let mut messages = image();
            messages.extend((5..=number).map(|n| add(2, 100 + n, b'B', 1, 900_000)));
            load(&mut bench, ask.cycle, &messages[..messages.len().min(60)]);
            // A service of another numbering, until it is repaired.
            end(&mut bench, ask.cycle, if cycles <= 2 { 1 << 30 } else { number + 1 });
        }
        bench.pass(Nanos::from_millis(100));
    }
    let resynced = |step: &&Step| matches!(step, Step::Resynced { .. });
    assert!(bench.shown.steps.iter().filter(resynced).count() > 0);
    assert!(cycles > 2, "nobody asks any more");
}

#[test]
fn a_number_that_only_a_higher_one_confirms_is_not_live() {
    let mut bench = open();
    bench.send(Line::A, 5, &[vec![b'A', 0]]);
    let ask = snapshot_asked(&mut bench);
    begin(&mut bench, ask.cycle);
    load(&mut bench, ask.cycle, &image());
    // A heartbeat with a corrupt number, and a snapshot of other numbers, within the grace.
    bench.heartbeat(Line::A, 1 << 40);
    end(&mut bench, ask.cycle, 1 << 30);
    assert!(!bench.status("AAPL").is_live(), "no line has carried anything like it");
}

#[test]
fn losses_while_snapshots_load_are_no_reason_to_go_back() {
    let mut bench = open();
    let mut number = 5;
    // BOUND: attempts.
    for _ in 0..6 {
        // One is lost on both lines; the stream goes on.
        bench.send(Line::A, number + 1, &[delete(2, 999_999)]);
        number += 2;
        bench.pass(GRACE);
        let mut ask = None;
        // BOUND: what the partition wants.
        while let Some(action) = bench.partition.next_action() {
            if let Action::Snapshot(it) = action {
                ask = Some(it);
            }
        }
        if let Some(ask) = ask {
            begin(&mut bench, ask.cycle);
            load(&mut bench, ask.cycle, &image());
            let next = number;
            // And again while the snapshot, which is right, is on its way.
            bench.send(Line::A, number + 1, &[delete(2, 999_999)]);
            number += 2;
            bench.pass(GRACE);
            end(&mut bench, ask.cycle, next);
        }
        bench.pass(SNAPSHOTS.retry);
    }
    let resynced = |step: &Step| matches!(step, Step::Resynced { .. });
    assert!(!bench.shown.steps.iter().any(resynced), "the numbers were the venue's");
}

/// Pairs of messages that leave nothing behind, from this number on, in packets of twenty.
fn come_and_go(bench: &mut Bench, numbers: core::ops::Range<u64>) {
    for number in numbers.step_by(20) {
        let pair = |_| [add(1, 500, b'B', 1, 990_000), delete(1, 500)];
        bench.send(Line::A, number, &(0..10).flat_map(pair).collect::<Vec<_>>());
    }
}

/// What was held back is applied part by part, and right between two parts a late packet brings all at once what
/// waited behind it: more than there is room for. The part that is applied leads nowhere, then.
#[test]
fn a_holdback_that_overflows_while_it_is_replayed_makes_nothing_live() {
    for some in [false, true] {
        let snapshots = candor_snapshot::Config { holdback_bytes: 200_000, ..SNAPSHOTS };
        let services = Services { retransmit: None, snapshot: Some(snapshots) };
        let mut bench = opened(services, &["AAPL", "MSFT"]);
        let first = if some { add(1, 12, b'S', 1, 1) } else { add(1, 15, b'B', 1, 990_000) };
        bench.send(Line::A, 5, &[first]);
        if !some {
            bench.send(Line::B, 5, &[add(1, 15, b'B', 2, 990_000)]);
        }
        let ask = snapshot_asked(&mut bench);
        begin(&mut bench, ask.cycle);
        // The books as of 6: one of two orders that would be there has come since.
        load(&mut bench, ask.cycle, &image());
        come_and_go(&mut bench, 6..5_106);
        come_and_go(&mut bench, 5_107..12_107);
        assert_eq!(bench.count(Counter::HoldbackFull), 0, "what is held fits");
        end(&mut bench, ask.cycle, 6);
        // A part of it is applied, and the rest is due at once.
        assert_eq!(bench.partition.deadline(), Some(bench.now));
        let reason = if some { Reason::SymbolRecovering } else { Reason::Recovering };
        assert_eq!(bench.reason("AAPL"), Some(reason));

        bench.send(Line::B, 5_106, &[add(1, 17, b'B', 7, 995_000)]);
        assert_eq!(bench.count(Counter::HoldbackFull), 1);
        assert_eq!(bench.count(Counter::SnapshotsFailed), 1);
        let why = candor_snapshot::Failure::HoldbackFull;
        assert!(bench.shown.steps.contains(&Step::SnapshotFailed { why }));
        // Neither the rest of what is held nor what the lines bring is the end of it.
        for number in 12_107..12_112 {
            bench.send(Line::A, number, &[delete(2, 999_999)]);
            bench.pass(Nanos(1));
            assert_eq!(bench.reason("AAPL"), Some(reason));
        }
        end(&mut bench, ask.cycle, 12_112);
        assert_eq!(bench.reason("AAPL"), Some(reason), "nor a second end");
        assert_eq!(bench.count(Counter::SnapshotsSpliced), 0);

        bench.pass(SNAPSHOTS.retry);
        let again = snapshot_asked(&mut bench);
        begin(&mut bench, again.cycle);
        let mut messages = image();
        messages.push(add(1, 17, b'B', 7, 995_000));
        load(&mut bench, again.cycle, &messages);
        end(&mut bench, again.cycle, 12_112);
        bench.heartbeat(Line::A, 12_112);
        assert!(bench.status("AAPL").is_live());
        let sizes =
            bench.shown.view("AAPL").levels(Side::Bid).iter().map(|l| l.size).collect::<Vec<_>>();
        assert_eq!(sizes, [100, 7]);
    }
}

fn day(seed: u64, steps: u64) -> u64 {
    let mut world = World::new(seed);
    for step in 0..steps {
        world.step();
        if step % 50 == 0 {
            world.partition.check();
        }
    }
    world.heal();
    world.partition.check();
    world.live
}

#[test]
fn whatever_happens_what_is_live_is_true_and_everything_heals() {
    let seeds = match std::env::var("REVIEW_SEEDS") {
        Ok(text) => {
            let (from, to) = text.split_once("..").expect("FROM..TO");
            from.parse().unwrap()..to.parse().unwrap()
        }
        Err(_) => 0..1_000,
    };
    let mut live = 0;
    let mut failed = Vec::new();
    for seed in seeds {
        match std::panic::catch_unwind(|| day(seed, 250)) {
            Ok(views) => live += views,
            Err(_) => failed.push(seed),
        }
    }
    assert!(failed.is_empty(), "seeds {failed:?}");
    assert!(live > 10_000, "{live} views were Live: nothing was tried");
}

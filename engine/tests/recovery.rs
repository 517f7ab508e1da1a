//! The ladder: the other line, asking, a snapshot, and stale with the reason all along.

mod common;

use candor_core::counters::Counter;
use candor_core::{
    Action, Answer, Line, LossKind, Nanos, Reason, Refusal, Refused, Reject, SeqNo, SessionId,
    Side, SnapshotPart,
};
use candor_engine::{Services, Step};
use common::services::{ASKS, SNAPSHOTS, actions, begin, end, load, opened, part, snapshot_asked};
use common::{
    Bench, GRACE, SESSION, SESSION_GRACE, SILENCE, add, config, delete, directory, mold, trading,
};

fn session() -> SessionId {
    SessionId::from_text(SESSION)
}

/// Two symbols at home here, [`opened`].
fn open(services: Services) -> Bench {
    opened(services, &["AAPL", "MSFT"])
}

fn both() -> Services {
    Services { retransmit: Some(ASKS), snapshot: Some(SNAPSHOTS) }
}

fn only_snapshots() -> Services {
    Services { retransmit: None, snapshot: Some(SNAPSHOTS) }
}

fn asked(bench: &mut Bench) -> Vec<(u64, u64)> {
    let range = |action| match action {
        Action::Retransmit(ask) => Some((ask.range.first.0, ask.range.end.0)),
        _ => None,
    };
    actions(bench).into_iter().filter_map(range).collect()
}

fn answer(bench: &mut Bench, first: u64, messages: &[Vec<u8>]) {
    let payload = mold(bench.session, first, messages);
    bench.partition.on_retransmit(bench.now, &payload, &mut bench.shown);
    bench.partition.check();
}

/// The books as of number 4, as a snapshot says them, with one more buyer at `price`.
fn image(price: u32) -> Vec<Vec<u8>> {
    vec![
        directory(1, "AAPL"),
        directory(2, "MSFT"),
        trading(1, "AAPL", b'T'),
        add(1, 11, b'B', 100, 1_000_000),
        add(1, 12, b'S', 200, 1_010_000),
        add(1, 13, b'B', 10, price),
    ]
}

#[test]
fn gap_both_lines() {
    let mut bench = open(both());
    bench.send(Line::A, 6, &[add(1, 16, b'B', 5, 990_000)]);
    bench.send(Line::B, 6, &[add(1, 16, b'B', 5, 990_000)]);
    assert_eq!(asked(&mut bench), [], "it may be reordering");
    bench.pass(GRACE);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Gap));
    assert_eq!(asked(&mut bench), [(5, 6)]);
    answer(&mut bench, 5, &[delete(1, 11)]);
    assert!(bench.status("AAPL").is_live());
    assert_eq!(bench.shown.best("AAPL", Side::Bid), Some((990_000, 5)));
    assert_eq!(actions(&mut bench), []);
    assert_eq!(bench.count(Counter::RetransmitRequests), 1);
}

#[test]
fn an_answer_is_no_sign_of_life() {
    let mut bench = open(both());
    bench.pass(Nanos::from_millis(100));
    bench.send(Line::A, 6, &[delete(1, 12)]);
    let lease = bench.shown.lease;
    bench.pass(SILENCE);
    answer(&mut bench, 5, &[delete(1, 11)]);
    assert_eq!(bench.shown.lease, lease);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Silent));
    bench.heartbeat(Line::B, 7);
    assert!(bench.status("AAPL").is_live());
}

#[test]
fn everyone_missed_46() {
    let mut bench = open(both());
    bench.send(Line::A, 6, &[add(1, 16, b'B', 5, 990_000)]);
    bench.pass(GRACE);
    assert_eq!(asked(&mut bench), [(5, 6)]);
    bench.pass(ASKS.timeout);
    assert_eq!(asked(&mut bench), [(5, 6)], "asked again by its own deadline");
    bench.pass(ASKS.timeout_max);
    let ask = snapshot_asked(&mut bench);
    assert_eq!((ask.session, ask.needs), (session(), SeqNo(6)));
    assert_eq!(bench.reason("AAPL"), Some(Reason::Gap));
    begin(&mut bench, ask.cycle);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Recovering));
    load(&mut bench, ask.cycle, &image(980_000));
    end(&mut bench, ask.cycle, 6);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Late), "nothing held is newer than the snapshot");
    bench.heartbeat(Line::A, 7);
    assert!(bench.status("AAPL").is_live());
    assert_eq!(bench.shown.best("AAPL", Side::Bid), Some((1_000_000, 100)));
    let view = bench.shown.view("AAPL");
    assert_eq!((view.bid_count, view.ask_count, view.seq), (3, 1, 6));
    assert_eq!(view.stats.since, 6, "what was traded before is not known");
    let spliced = bench.shown.losses.iter().find(|loss| loss.kind == LossKind::Spliced);
    assert_eq!(spliced.map(|loss| (loss.range.first.0, loss.range.end.0)), Some((5, 6)));
    assert_eq!(actions(&mut bench), []);
}

#[test]
fn late_join() {
    let mut bench = Bench::with(candor_engine::Config {
        services: only_snapshots(),
        ..config(&[("AAPL", 0), ("MSFT", 0)])
    });
    bench.subscribe(true);
    bench.send(Line::A, 50_000, &[add(1, 16, b'B', 5, 990_000)]);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Recovering));
    let ask = snapshot_asked(&mut bench);
    assert_eq!(ask.needs, SeqNo(50_000));
    begin(&mut bench, ask.cycle);
    load(&mut bench, ask.cycle, &image(980_000));
    bench.send(Line::B, 50_001, &[delete(1, 11)]);
    end(&mut bench, ask.cycle, 50_000);
    assert!(bench.status("AAPL").is_live());
    assert_eq!(bench.shown.best("AAPL", Side::Bid), Some((990_000, 5)));
    assert_eq!(bench.shown.view("MSFT").bid_count, 0);
    assert!(bench.status("MSFT").is_live(), "named by the snapshot");
}

#[test]
fn a_start_within_the_limit_is_asked_for() {
    let mut bench =
        Bench::with(candor_engine::Config { services: both(), ..config(&[("AAPL", 0)]) });
    bench.subscribe(true);
    bench.send(Line::A, 3, &[add(1, 12, b'S', 200, 1_010_000)]);
    bench.pass(GRACE);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Recovering));
    assert_eq!(asked(&mut bench), [(1, 3)]);
    answer(&mut bench, 1, &[directory(1, "AAPL"), add(1, 11, b'B', 100, 1_000_000)]);
    // Nothing was known that the answer could agree with: the numbers may have begun again.
    assert_eq!(bench.reason("AAPL"), Some(Reason::Late));
    bench.send(Line::B, 3, &[add(1, 12, b'S', 200, 1_010_000)]);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Late), "a copy shows nothing new");
    bench.heartbeat(Line::B, 4);
    assert!(bench.status("AAPL").is_live());
    assert_eq!(bench.shown.view("AAPL").stats.since, 1);
}

#[test]
fn a_start_that_answers_brought_is_unproven_also_where_a_line_brings_the_rest() {
    let mut bench =
        Bench::with(candor_engine::Config { services: both(), ..config(&[("AAPL", 0)]) });
    bench.subscribe(true);
    let known = add(1, 12, b'S', 200, 1_010_000);
    bench.send(Line::A, 3, std::slice::from_ref(&known));
    bench.pass(GRACE);
    assert_eq!(asked(&mut bench), [(1, 3)]);
    answer(&mut bench, 1, &[directory(1, "AAPL")]);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Recovering));
    // It shows by what is known that it is of the same numbers, and of the answer it shows nothing.
    bench.send(Line::B, 2, &[add(1, 11, b'B', 100, 1_000_000), known]);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Late));
    bench.heartbeat(Line::A, 4);
    assert!(bench.status("AAPL").is_live());
}

#[test]
fn snapshot_races_increments() {
    for next in 6..=9 {
        let mut bench = open(only_snapshots());
        bench.send(Line::A, 6, &[add(1, 16, b'B', 1, 990_000)]);
        bench.pass(GRACE);
        let ask = snapshot_asked(&mut bench);
        begin(&mut bench, ask.cycle);
        bench.send(Line::A, 7, &[add(1, 17, b'B', 2, 980_000)]);
        // The snapshot has the orders of the numbers before its own.
        let mut messages = image(970_000);
        for number in 6..next {
            let (size, price) = (number - 5, 990_000 - (number - 6) * 10_000);
            messages.push(add(1, u64::from(10 + number), b'B', size, price));
        }
        load(&mut bench, ask.cycle, &messages);
        end(&mut bench, ask.cycle, u64::from(next));
        bench.send(Line::B, 8, &[add(1, 18, b'B', 3, 970_000)]);
        assert!(bench.status("AAPL").is_live(), "spliced at {next}");
        let view = bench.shown.view("AAPL");
        let sizes: Vec<u64> = view.levels(Side::Bid).iter().map(|level| level.size).collect();
        assert_eq!(sizes, [100, 1, 2, 13], "spliced at {next}");
    }
}

#[test]
fn a_snapshot_is_confirmed_by_the_lines() {
    let mut bench = open(only_snapshots());
    bench.send(Line::A, 6, &[add(1, 16, b'B', 1, 990_000)]);
    bench.pass(GRACE);
    let ask = snapshot_asked(&mut bench);
    begin(&mut bench, ask.cycle);
    load(&mut bench, ask.cycle, &image(970_000));
    end(&mut bench, ask.cycle, 1_000);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Recovering), "nobody has seen number 999");
    bench.pass(SNAPSHOTS.confirm);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Recovering));
    let failed = |step: &Step| matches!(step, Step::SnapshotFailed { .. });
    assert!(bench.shown.steps.iter().any(failed));
    bench.pass(SNAPSHOTS.retry);
    let again = snapshot_asked(&mut bench);
    begin(&mut bench, again.cycle);
    load(&mut bench, again.cycle, &image(970_000));
    end(&mut bench, again.cycle, 9);
    bench.heartbeat(Line::B, 9);
    assert!(bench.status("AAPL").is_live());
}

#[test]
fn snapshot_older_than_gap() {
    let mut bench = open(only_snapshots());
    bench.send(Line::A, 9, &[add(1, 16, b'B', 1, 990_000)]);
    bench.pass(GRACE);
    let ask = snapshot_asked(&mut bench);
    begin(&mut bench, ask.cycle);
    load(&mut bench, ask.cycle, &image(970_000));
    end(&mut bench, ask.cycle, 8);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Recovering));
    assert_eq!(bench.count(Counter::SnapshotsUnusable), 1);
    bench.pass(SNAPSHOTS.retry);
    let again = snapshot_asked(&mut bench);
    begin(&mut bench, again.cycle);
    load(&mut bench, again.cycle, &image(970_000));
    end(&mut bench, again.cycle, 9);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Late), "no line has gone on since it came");
    bench.heartbeat(Line::A, 10);
    assert!(bench.status("AAPL").is_live());
    assert_eq!(bench.shown.view("AAPL").bid_count, 3);
}

#[test]
fn a_line_that_fills_the_gap_makes_the_snapshot_needless() {
    let mut bench = open(only_snapshots());
    bench.send(Line::A, 6, &[add(1, 16, b'B', 1, 990_000)]);
    bench.pass(GRACE);
    let ask = snapshot_asked(&mut bench);
    bench.send(Line::B, 5, &[delete(1, 11)]);
    assert!(bench.status("AAPL").is_live());
    assert_eq!(actions(&mut bench), [Action::DropSnapshot { cycle: ask.cycle }]);
    // It is on its way all the same.
    begin(&mut bench, ask.cycle);
    load(&mut bench, ask.cycle, &image(970_000));
    end(&mut bench, ask.cycle, 7);
    assert!(bench.status("AAPL").is_live());
    assert_eq!(bench.shown.best("AAPL", Side::Bid), Some((990_000, 1)));
}

#[test]
fn a_corrupt_number_costs_no_session() {
    let mut bench = open(both());
    bench.send(Line::A, 1 << 40, &[add(1, 16, b'B', 1, 990_000)]);
    assert!(!bench.status("AAPL").is_live());
    for number in 5..8 {
        bench.send(Line::A, number, &[add(1, 100 + number, b'B', 1, 900_000)]);
        bench.pass(Nanos::from_millis(1));
    }
    for _ in 0..2 {
        let ask = snapshot_asked(&mut bench);
        begin(&mut bench, ask.cycle);
        load(&mut bench, ask.cycle, &image(970_000));
        end(&mut bench, ask.cycle, 8);
        assert!(!bench.status("AAPL").is_live());
        bench.pass(SNAPSHOTS.retry);
    }
    assert!(bench.shown.steps.contains(&Step::Resynced { next: SeqNo(8) }));
    assert_eq!(bench.reason("AAPL"), Some(Reason::Late), "until a packet shows where the venue is");
    bench.send(Line::A, 8, &[delete(1, 11)]);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Late), "a line that lags could have sent that");
    bench.pass(Nanos::from_secs(2));
    bench.heartbeat(Line::A, 9);
    assert!(bench.status("AAPL").is_live());
    assert_eq!(bench.shown.best("AAPL", Side::Bid), Some((970_000, 10)));
}

#[test]
fn unknown_order_is_recovered_alone() {
    let mut bench = open(both());
    bench.send(Line::A, 5, &[delete(1, 999)]);
    assert_eq!(bench.reason("AAPL"), Some(Reason::SymbolQuarantined));
    assert!(bench.status("MSFT").is_live());
    let ask = snapshot_asked(&mut bench);
    begin(&mut bench, ask.cycle);
    assert_eq!(bench.reason("AAPL"), Some(Reason::SymbolRecovering));
    assert!(bench.status("MSFT").is_live(), "others live");
    bench.send(Line::A, 6, &[add(1, 16, b'B', 1, 990_000), add(2, 21, b'B', 7, 500_000)]);
    assert_eq!(bench.shown.best("MSFT", Side::Bid), Some((500_000, 7)), "and go on");
    load(&mut bench, ask.cycle, &image(980_000));
    load(&mut bench, ask.cycle, &[add(2, 22, b'B', 8, 510_000)]);
    end(&mut bench, ask.cycle, 6);
    assert!(bench.status("AAPL").is_live());
    let view = bench.shown.view("AAPL");
    let sizes: Vec<u64> = view.levels(Side::Bid).iter().map(|level| level.size).collect();
    assert_eq!(sizes, [100, 1, 10]);
    assert_eq!(bench.shown.best("MSFT", Side::Bid), Some((500_000, 7)), "of its own stream");
    assert_eq!(actions(&mut bench), []);
}

/// A book of which the image says nothing is not an empty one.
#[test]
fn a_symbol_that_the_image_does_not_name_is_had_from_a_later_one() {
    let mut bench = open(both());
    bench.send(Line::A, 5, &[delete(1, 999)]);
    let ask = snapshot_asked(&mut bench);
    begin(&mut bench, ask.cycle);
    load(&mut bench, ask.cycle, &[directory(2, "MSFT"), add(2, 21, b'B', 7, 500_000)]);
    end(&mut bench, ask.cycle, 6);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Unproven), "nobody has named it");
    assert!(bench.status("MSFT").is_live());
    bench.pass(Nanos::from_secs(2));
    bench.heartbeat(Line::A, 6);
    let again = snapshot_asked(&mut bench);
    begin(&mut bench, again.cycle);
    load(&mut bench, again.cycle, &image(980_000));
    end(&mut bench, again.cycle, 6);
    assert!(bench.status("AAPL").is_live());
}

#[test]
fn a_symbol_that_is_quarantined_again_waits_longer_each_time() {
    let mut bench = open(both());
    let mut asks = 0;
    for number in 5..40 {
        bench.send(Line::A, number, &[delete(1, 999)]);
        for action in actions(&mut bench) {
            let Action::Snapshot(ask) = action else { continue };
            asks += 1;
            begin(&mut bench, ask.cycle);
            load(&mut bench, ask.cycle, &image(980_000));
            bench.send(Line::B, number, &[delete(1, 999)]);
            end(&mut bench, ask.cycle, number + 1);
        }
        assert!(bench.status("MSFT").is_live());
        bench.pass(Nanos::from_millis(500));
    }
    assert!((2..20).contains(&asks), "{asks} snapshots in 17 seconds");
}

#[test]
fn a_loss_while_some_books_are_rebuilt_rebuilds_all() {
    let mut bench = open(only_snapshots());
    bench.send(Line::A, 5, &[delete(1, 999)]);
    let ask = snapshot_asked(&mut bench);
    begin(&mut bench, ask.cycle);
    load(&mut bench, ask.cycle, &image(980_000));
    bench.send(Line::A, 7, &[add(2, 21, b'B', 7, 500_000)]);
    bench.pass(GRACE);
    assert_eq!(bench.reason("MSFT"), Some(Reason::Gap));
    end(&mut bench, ask.cycle, 6);
    assert!(!bench.status("AAPL").is_live());
    assert!(!bench.status("MSFT").is_live());
    bench.pass(SNAPSHOTS.retry);
    let again = snapshot_asked(&mut bench);
    assert_eq!(again.needs, SeqNo(7));
    begin(&mut bench, again.cycle);
    load(&mut bench, again.cycle, &image(980_000));
    end(&mut bench, again.cycle, 7);
    bench.heartbeat(Line::A, 8);
    assert!(bench.status("AAPL").is_live());
    assert!(bench.status("MSFT").is_live());
    assert_eq!(bench.shown.best("MSFT", Side::Bid), Some((500_000, 7)));
}

#[test]
fn lines_differ_until_the_venue_says_what_is_true() {
    let mut bench = open(both());
    bench.send(Line::A, 5, &[add(1, 15, b'B', 1, 990_000)]);
    bench.send(Line::B, 5, &[add(1, 15, b'B', 2, 990_000)]);
    assert_eq!(bench.reason("AAPL"), Some(Reason::LinesDiffer));
    let ask = snapshot_asked(&mut bench);
    assert_eq!(ask.needs, SeqNo(6));
    begin(&mut bench, ask.cycle);
    load(&mut bench, ask.cycle, &image(990_000));
    end(&mut bench, ask.cycle, 6);
    assert!(bench.status("AAPL").is_live());
}

#[test]
fn a_session_that_changes_while_a_snapshot_loads() {
    let mut bench = open(only_snapshots());
    bench.pass(SESSION_GRACE);
    bench.send(Line::A, 7, &[add(1, 16, b'B', 1, 990_000)]);
    bench.pass(GRACE);
    let ask = snapshot_asked(&mut bench);
    begin(&mut bench, ask.cycle);
    load(&mut bench, ask.cycle, &image(980_000));
    bench.session = *b"DAY0000002";
    bench.send(Line::A, 1, &[directory(1, "AAPL")]);
    assert!(bench.status("AAPL").is_live(), "whole from its first number");
    assert_eq!(actions(&mut bench), [Action::DropSnapshot { cycle: ask.cycle }]);
    load(&mut bench, ask.cycle, &image(980_000));
    end(&mut bench, ask.cycle, 2);
    assert_eq!(bench.shown.view("AAPL").bid_count, 0, "nothing of the old session");
}

#[test]
fn failover_new_session() {
    let mut bench = open(only_snapshots());
    bench.pass(SESSION_GRACE);
    bench.session = *b"DAY0000002";
    bench.send(Line::A, 500, &[add(1, 13, b'B', 10, 980_000)]);
    assert!(!bench.status("AAPL").is_live());
    bench.pass(GRACE);
    let ask = snapshot_asked(&mut bench);
    part(&mut bench, ask.cycle, &SnapshotPart::Begin { session: session() });
    assert!(!bench.status("AAPL").is_live(), "a snapshot of the session left behind");
    bench.pass(SNAPSHOTS.retry);
    let again = snapshot_asked(&mut bench);
    begin(&mut bench, again.cycle);
    load(&mut bench, again.cycle, &image(980_000));
    end(&mut bench, again.cycle, 501);
    assert!(bench.status("AAPL").is_live());
}

#[test]
fn a_broken_snapshot_is_not_spliced() {
    for broken in [vec![b'A', 0], add(1, 11, b'B', 100, 1_000_000)] {
        let mut bench = open(only_snapshots());
        bench.send(Line::A, 6, &[add(1, 13, b'B', 10, 980_000)]);
        bench.pass(GRACE);
        let ask = snapshot_asked(&mut bench);
        begin(&mut bench, ask.cycle);
        load(&mut bench, ask.cycle, &image(980_000));
        load(&mut bench, ask.cycle, std::slice::from_ref(&broken));
        end(&mut bench, ask.cycle, 7);
        assert_eq!(bench.reason("AAPL"), Some(Reason::Recovering), "{broken:?}");
        assert_eq!(bench.count(Counter::SnapshotsFailed), 1);
        bench.pass(SNAPSHOTS.retry);
        let again = snapshot_asked(&mut bench);
        begin(&mut bench, again.cycle);
        load(&mut bench, again.cycle, &image(980_000));
        end(&mut bench, again.cycle, 7);
        assert!(bench.status("AAPL").is_live());
    }
}

#[test]
fn what_was_held_back_is_applied_in_parts() {
    let mut bench = open(only_snapshots());
    bench.send(Line::A, 6, &[delete(1, 12)]);
    bench.pass(GRACE);
    let ask = snapshot_asked(&mut bench);
    begin(&mut bench, ask.cycle);
    bench.send(Line::A, 5, &[trading(1, "AAPL", b'T')]);
    for number in (7..20_007).step_by(20) {
        let messages: Vec<_> =
            (0..10).flat_map(|_| [add(1, 500, b'B', 1, 990_000), delete(1, 500)]).collect();
        bench.send(Line::A, number, &messages);
    }
    load(&mut bench, ask.cycle, &image(980_000));
    end(&mut bench, ask.cycle, 6);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Recovering), "20,000 messages are to be applied");
    bench.send(Line::B, 20_007, &[add(1, 501, b'B', 9, 995_000)]);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Recovering));
    bench.pass(Nanos(0));
    assert!(bench.status("AAPL").is_live());
    let view = bench.shown.view("AAPL");
    let sizes: Vec<u64> = view.levels(Side::Bid).iter().map(|level| level.size).collect();
    assert_eq!(sizes, [100, 9, 10]);
}

#[test]
fn retransmit_denied() {
    let mut bench = open(both());
    bench.send(Line::A, 6, &[add(1, 13, b'B', 10, 980_000)]);
    bench.pass(GRACE);
    let Action::Retransmit(ask) = actions(&mut bench)[0] else { panic!("asked") };
    let refused = Refused { session: ask.session, range: ask.range, why: Refusal::Quota };
    bench.partition.on_refused(bench.now, &refused, &mut bench.shown);
    let ask = snapshot_asked(&mut bench);
    part(&mut bench, ask.cycle, &SnapshotPart::Failed(Refusal::Busy));
    assert_eq!(bench.reason("AAPL"), Some(Reason::Gap));
    assert_eq!(actions(&mut bench), []);
    bench.pass(SNAPSHOTS.retry);
    let ask = snapshot_asked(&mut bench);
    begin(&mut bench, ask.cycle);
    load(&mut bench, ask.cycle, &image(980_000));
    end(&mut bench, ask.cycle, 7);
    assert!(bench.status("AAPL").is_live());
    assert_eq!(bench.shown.view("AAPL").bid_count, 2, "number 6 is in the snapshot");
}

#[test]
fn without_services_nothing_is_asked_and_nothing_held() {
    let mut bench = open(Services::default());
    bench.send(Line::A, 6, &[delete(1, 12)]);
    bench.pass(Nanos::from_secs(60));
    assert_eq!(actions(&mut bench), []);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Gap));
    assert_eq!(bench.count(Counter::HeldBack), 0);
}

#[test]
fn an_answer_that_is_no_packet_is_counted_by_reason() {
    let mut bench = open(both());
    bench.send(Line::A, 6, &[delete(1, 12)]);
    let packets = bench.count(Counter::Packets);
    let answer = bench.partition.on_retransmit(bench.now, b"DAY00", &mut bench.shown);
    assert_eq!(answer, Answer::Rejected(Reject::ShortHeader));
    assert_eq!(bench.count(Counter::Packets), packets + 1);
    assert_eq!(bench.partition.counters().rejects(Reject::ShortHeader), 1);
    // The sum of packets holds, as ever.
    bench.heartbeat(Line::A, 7);
}

/// Nothing vouched for the books, and the first packet since shows that they are old: the grace is for
/// what is reordered, not for them.
#[test]
fn what_was_silent_is_not_live_within_the_grace_of_a_gap() {
    let mut bench = open(Services::default());
    bench.pass(SILENCE);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Silent));
    bench.send(Line::A, 5_000, &[add(1, 20, b'B', 100, 900_000)]);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Late));
    bench.pass(GRACE);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Gap));
}

/// The numbers begin again under the same name: what is sent around then may be of either numbering,
/// so that the books are proven by a snapshot of later only.
#[test]
fn after_a_restart_nothing_is_live_before_a_snapshot_that_was_asked_for_when_no_line_lags_so_far() {
    let mut bench = open(both());
    bench.pass(Nanos::from_millis(5));
    bench.send(Line::A, 1, &[directory(5, "MSFT"), directory(6, "AAPL")]);
    assert_eq!(bench.count(Counter::Restarts), 1);
    assert_eq!(bench.reason("MSFT"), Some(Reason::SessionChanged));
    // A gap of the new numbering: nobody is asked while the answer could be of the old one.
    bench.send(Line::A, 5, &[add(5, 20, b'B', 100, 900_000)]);
    bench.pass(Nanos(SESSION_GRACE.0 - 1_000_000));
    assert_eq!(actions(&mut bench), []);
    assert!(!bench.status("MSFT").is_live());
    bench.pass(Nanos::from_millis(1));
    let ask = snapshot_asked(&mut bench);
    begin(&mut bench, ask.cycle);
    load(&mut bench, ask.cycle, &[directory(5, "MSFT"), trading(5, "MSFT", b'T')]);
    end(&mut bench, ask.cycle, 6);
    assert!(!bench.status("MSFT").is_live(), "nothing since shows where the venue is");
    bench.send(Line::A, 6, &[add(5, 21, b'S', 100, 950_000)]);
    assert!(bench.status("MSFT").is_live());
    assert_eq!(bench.shown.view("MSFT").best(Side::Bid), None, "what came before is not believed");
    assert_eq!(bench.reason("AAPL"), Some(Reason::Unproven), "the snapshot does not name it");
}

/// The numbers begin again while the lane stands still, and are past ours when it goes on. The answer
/// to what seems to be missing is not of our numbering.
#[test]
fn numbers_that_began_again_unheard_are_found_out_by_the_answer_to_the_gap() {
    let mut bench = open(both());
    bench.partition.on_stall(bench.now, &mut bench.shown);
    // The new run's number 7; ours has come to 4.
    bench.send(Line::A, 7, &[add(2, 31, b'B', 100, 900_000)]);
    bench.pass(GRACE);
    let Some(Action::Retransmit(ask)) = actions(&mut bench).first().copied() else {
        panic!("what is missing is asked for");
    };
    assert_eq!((ask.with_known, ask.requested().first), (true, SeqNo(4)));
    let other: Vec<_> = (0..3).map(|at| add(2, 40 + at, b'B', 100, 800_000)).collect();
    let payload = mold(bench.session, 4, &other);
    let answer = bench.partition.on_retransmit(bench.now, &payload, &mut bench.shown);
    assert_eq!(answer, Answer::Contradicts);
    assert!(!bench.status("AAPL").is_live());
    // What is known is of no use: a snapshot at once.
    let ask = snapshot_asked(&mut bench);
    begin(&mut bench, ask.cycle);
    let first = add(2, 31, b'B', 100, 900_000);
    load(&mut bench, ask.cycle, &[directory(2, "MSFT"), trading(2, "MSFT", b'T'), first]);
    end(&mut bench, ask.cycle, 8);
    bench.send(Line::A, 8, &[add(2, 50, b'S', 100, 990_000)]);
    assert!(bench.status("MSFT").is_live());
    assert_eq!(bench.reason("AAPL"), Some(Reason::Unproven), "it is not in the snapshot");
}

#[test]
fn after_a_restart_what_is_missing_is_asked_for_with_all_its_patience() {
    let mut bench = open(Services { retransmit: Some(ASKS), snapshot: None });
    bench.pass(Nanos::from_millis(5));
    bench.send(Line::A, 1, &[directory(5, "MSFT"), directory(6, "AAPL")]);
    bench.send(Line::A, 5, &[add(5, 20, b'B', 100, 900_000)]);
    bench.pass(Nanos(SESSION_GRACE.0 - 1));
    assert_eq!(actions(&mut bench), []);
    bench.pass(Nanos(1));
    let asked = actions(&mut bench);
    let Some(Action::Retransmit(ask)) = asked.first() else { panic!("{asked:?}") };
    assert_eq!((ask.range.first, ask.range.end), (SeqNo(3), SeqNo(5)));
    let missing = [add(5, 18, b'B', 100, 890_000), add(5, 19, b'B', 100, 895_000)];
    let payload = mold(bench.session, 3, &missing);
    let answer = bench.partition.on_retransmit(bench.now, &payload, &mut bench.shown);
    assert_eq!(answer, Answer::Filled { range: ask.range });
    bench.heartbeat(Line::A, 6);
    assert!(bench.status("MSFT").is_live());
}

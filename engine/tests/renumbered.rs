//! Numbers that begin again under the same name, while copies of the old ones are on their way: nothing of the
//! numbering before is in a Live book.

mod common;

use candor_core::{Action, Answer, Line, Nanos, Reason, Refusal, Refused, Side};
use candor_engine::{Config, Services};
use candor_gapfill::retransmit::Policy;
use common::services::{ASKS, SNAPSHOTS, actions, begin, end, load, opened, snapshot_asked};
use common::{Bench, GRACE, SESSION_GRACE, add, config, directory, mold, trading};

const BOTH: Services = Services { retransmit: Some(ASKS), snapshot: Some(SNAPSHOTS) };

/// Messages `from..to` of the numbering before: bids at 100.50.
fn old(from: u64, to: u64) -> Vec<Vec<u8>> {
    (from..to).map(|number| add(1, 1_000 + number, b'B', 7, 1_005_000)).collect()
}

/// Messages `from..to` of the numbering since: bids at 99.
fn new(from: u64, to: u64) -> Vec<Vec<u8>> {
    let message = |number| match number {
        1 => directory(2, "MSFT"),
        2 => directory(1, "AAPL"),
        3 => trading(1, "AAPL", b'T'),
        number => add(1, number, b'B', 1, 990_000),
    };
    (from..to).map(message).collect()
}

/// Both lines have carried everything before 20.
fn going_on(services: Services) -> Bench {
    let mut bench = opened(services, &["AAPL", "MSFT"]);
    let start = [
        directory(1, "AAPL"),
        directory(2, "MSFT"),
        add(1, 11, b'B', 100, 1_000_000),
        add(1, 12, b'S', 200, 1_010_000),
    ];
    bench.send(Line::B, 1, &start);
    for line in [Line::A, Line::B] {
        bench.send(line, 5, &old(5, 20));
    }
    bench.pass(GRACE + GRACE);
    bench
}

/// A's publisher begins again.
fn restart(bench: &mut Bench) {
    bench.send(Line::A, 1, &new(1, 3));
    assert_eq!(bench.partition.expected().0, 3);
}

fn holds_nothing_old(bench: &Bench) {
    if bench.status("AAPL").is_live() {
        assert_eq!(bench.shown.best("AAPL", Side::Bid).map(|best| best.0), Some(990_000));
    }
}

/// What lines bring behind the restart, with the snapshot that is asked for where there are services.
fn goes_on(mut bench: Bench, snapshots: bool) {
    bench.send(Line::A, 3, &new(3, 10));
    let mut asked = Vec::new();
    for _ in 0..SESSION_GRACE.0 / GRACE.0 / 10 + 2 {
        bench.pass(Nanos(GRACE.0 * 10));
        bench.heartbeat(Line::A, 10);
        asked.extend(actions(&mut bench));
    }
    holds_nothing_old(&bench);
    if snapshots {
        let cycle = asked.iter().rev().find_map(|action| match action {
            Action::Snapshot(ask) => Some(ask.cycle),
            _ => None,
        });
        let cycle = cycle.expect("a snapshot is asked for");
        begin(&mut bench, cycle);
        load(&mut bench, cycle, &new(1, 10));
        end(&mut bench, cycle, 10);
    }
    for (from, to) in [(10, 20), (20, 22), (22, 30)] {
        bench.send(Line::A, from, &new(from, to));
        holds_nothing_old(&bench);
        assert_eq!(bench.partition.expected().0, to);
        bench.pass(GRACE);
    }
    assert!(bench.status("AAPL").is_live(), "{:?}", bench.reason("AAPL"));
}

#[test]
fn a_packet_that_comes_a_second_time_lowers_no_fence() {
    for snapshots in [false, true] {
        let mut bench = going_on(if snapshots { BOTH } else { Services::default() });
        // A is gone by then: it is quiet when it begins again.
        bench.send(Line::B, 20, &old(20, 25));
        bench.pass(GRACE + GRACE);
        restart(&mut bench);
        bench.pass(GRACE);
        bench.send(Line::B, 20, &old(20, 25));
        assert_eq!(bench.partition.expected().0, 3);
        goes_on(bench, snapshots);
    }
}

#[test]
fn a_heartbeat_that_is_late_lowers_no_fence() {
    for snapshots in [false, true] {
        let mut bench = going_on(if snapshots { BOTH } else { Services::default() });
        restart(&mut bench);
        // It was sent before the last packet of B's, whose publisher goes on with the old numbers for a little.
        bench.heartbeat(Line::B, 12);
        bench.pass(GRACE + GRACE);
        bench.send(Line::B, 20, &old(20, 25));
        assert_eq!(bench.partition.expected().0, 3);
        goes_on(bench, snapshots);
    }
}

#[test]
fn two_answers_to_pieces_of_one_gap_are_of_one_numbering() {
    let policy = Policy { piece: 5, ..ASKS };
    let services = Services { retransmit: Some(policy), snapshot: Some(SNAPSHOTS) };
    for swapped in [false, true] {
        let mut bench = opened(services, &["AAPL", "MSFT"]);
        bench.send(Line::A, 15, &old(15, 17));
        bench.pass(GRACE + Nanos(1));
        let asked: Vec<(u64, u64)> = actions(&mut bench)
            .into_iter()
            .filter_map(|action| match action {
                Action::Retransmit(ask) => Some((ask.requested().first.0, ask.requested().end.0)),
                _ => None,
            })
            .collect();
        assert_eq!(asked, [(4, 10), (9, 15)], "each with the number before");
        // The numbers begin again between the two answers, and no line has brought any of them yet.
        let before = [vec![add(1, 12, b'S', 200, 1_010_000)], old(5, 10)].concat();
        let mut answers = [(4, before), (9, new(9, 15))];
        if swapped {
            answers.reverse();
        }
        let said = answers.map(|(first, messages)| {
            let payload = mold(bench.session, first, &messages);
            let said = bench.partition.on_retransmit(bench.now, &payload, &mut bench.shown);
            bench.partition.check();
            said
        });
        assert!(matches!(said, [Answer::Filled { .. }, Answer::Contradicts]), "{said:?}");
        assert_eq!(bench.reason("AAPL"), Some(Reason::Gap));
    }
}

/// A snapshot before 5 is joined by a heartbeat: no line has brought any number, and the books are the numbering's
/// before.
fn joined_by_a_heartbeat() -> Bench {
    let mut bench = Bench::with(Config { services: BOTH, ..config(&[("AAPL", 0)]) });
    bench.subscribe(true);
    bench.heartbeat(Line::A, 5);
    bench.pass(GRACE + Nanos(1));
    for action in actions(&mut bench) {
        if let Action::Retransmit(ask) = action {
            let (session, range, why) = (ask.session, ask.range, Refusal::Quota);
            let refused = Refused { session, range, why };
            bench.partition.on_refused(bench.now, &refused, &mut bench.shown);
        }
    }
    let cycle = snapshot_asked(&mut bench).cycle;
    begin(&mut bench, cycle);
    load(&mut bench, cycle, &[vec![directory(1, "AAPL")], old(3, 5)].concat());
    end(&mut bench, cycle, 5);
    bench.heartbeat(Line::A, 5);
    assert!(bench.status("AAPL").is_live(), "{:?}", bench.reason("AAPL"));
    bench
}

#[test]
fn nothing_agrees_with_an_answer_right_behind_a_splice() {
    let mut bench = joined_by_a_heartbeat();
    // The numbers begin again unheard, and come further.
    bench.pass(Nanos::from_secs(10));
    bench.heartbeat(Line::A, 9);
    bench.pass(GRACE + Nanos(1));
    let asked = actions(&mut bench);
    let payload = mold(bench.session, 4, &new(4, 9));
    let said = bench.partition.on_retransmit(bench.now, &payload, &mut bench.shown);
    bench.partition.check();
    assert_eq!(said, Answer::Useless, "{asked:?}");
    bench.heartbeat(Line::A, 9);
    assert!(!bench.status("AAPL").is_live());
    // Only a snapshot tells.
    let cycle = asked.iter().find_map(|action| match action {
        Action::Snapshot(ask) => Some(ask.cycle),
        _ => None,
    });
    let cycle = cycle.expect("a snapshot is asked for at once");
    begin(&mut bench, cycle);
    load(&mut bench, cycle, &new(1, 9));
    end(&mut bench, cycle, 9);
    bench.heartbeat(Line::A, 9);
    assert!(bench.status("AAPL").is_live(), "{:?}", bench.reason("AAPL"));
    holds_nothing_old(&bench);
}

/// Where a line has brought the number before, or one since, an answer is believed as ever.
#[test]
fn an_answer_behind_a_splice_agrees_with_what_a_line_has_brought() {
    let mut bench = joined_by_a_heartbeat();
    bench.send(Line::A, 5, &old(5, 6));
    bench.heartbeat(Line::A, 9);
    bench.pass(GRACE + Nanos(1));
    assert!(actions(&mut bench).iter().any(|action| matches!(action, Action::Retransmit(_))));
    let payload = mold(bench.session, 5, &old(5, 9));
    let said = bench.partition.on_retransmit(bench.now, &payload, &mut bench.shown);
    assert!(matches!(said, Answer::Filled { .. }), "{said:?}");
    assert!(bench.status("AAPL").is_live(), "{:?}", bench.reason("AAPL"));
}

//! Everything that clients and desks count happens, by name.

mod common;

use candor_core::{Ask, SnapshotAsk};
use candor_decoders::Format;
use candor_decoders::iex::snap;
use candor_services::desk::Concurrency;
use candor_services::retransmit::Transport;
use candor_services::{Budget, Count, Counts, Decision, Desk, SnapshotDesk};
use common::*;

/// Asked twice, answered by everybody in every wrong way, then rightly, and again.
fn by_datagram() -> Counts {
    let mut bench = Retransmits::new(Format::IexDeep, Transport::Udp, 2);
    bench.ask(10, 14);
    bench.ask(10, 14);
    let expired = Ask { expires: bench.now, ..bench.the_ask(1, 2) };
    bench.call(|client, now| client.ask(now, expired));
    let deep = Format::IexDeep;
    for wrong in
        [answer_of(deep, 8, 1, 10, 14), answer(deep, 20, 24), answer(deep, 10, 10), vec![9]]
    {
        bench.datagram(0, &wrong);
    }
    for from in [2, 0, 0] {
        bench.datagram(from, &answer(deep, 10, 14));
    }
    bench.ask(20, 24);
    bench.call(|client, now| client.on_unreachable(now, 0));
    bench.connected();
    for number in 0..20 {
        bench.ask(100 + 2 * number, 101 + 2 * number);
    }
    *bench.client.counts()
}

/// Logged in, told a no, lost, left waiting, dropped; then a snapshot comes whole.
fn by_connection() -> Counts {
    let mut bench = Snapshots::new(Format::IexDeep, 2);
    let (no, pass) = (snaps(&[snap::FromServer::Error(snap::Error::NotYet)]), [1, 0, b'?']);
    for said in [&no[..], &pass] {
        asked(&mut bench);
        bench.bytes(said);
        bench.closed();
        bench.now = bench.now + secs(60);
    }
    asked(&mut bench);
    bench.deadline();
    bench.now = bench.now + secs(60);
    bench.ask(2);
    bench.drop_cycle(2);
    asked(&mut bench);
    bench.bytes(&image(Format::IexDeep));
    *bench.client.counts()
}

/// Asked at whichever address it is, and connected.
fn asked(bench: &mut Snapshots) {
    bench.ask(1);
    bench.connected();
}

/// One a day, and nothing waits.
fn at_a_desk() -> Counts {
    let mut desk = Desk::new(1, Budget { second: 1, minute: 1, day: 1 });
    let ask = Retransmits::new(Format::IexDeep, Transport::Udp, 1).the_ask(10, 14);
    for partition in 0..2 {
        desk.ask(START, partition, ask);
        while let Some(decision) = desk.next(START) {
            desk.left(START, usize::from(matches!(decision, Decision::Send { .. })));
        }
    }
    *desk.counts()
}

/// One at a time; who waits takes it back.
fn at_the_snapshot_desk() -> Counts {
    let budget = Budget { second: 9, minute: 9, day: 9 };
    let mut desk = SnapshotDesk::new(4, budget, Concurrency { snapshots: 1, longest: secs(5) });
    let ask: SnapshotAsk = Snapshots::new(Format::IexDeep, 1).snapshot_ask(1);
    for partition in 0..2 {
        desk.ask(START, partition, ask);
        while desk.next(START).is_some() {}
    }
    desk.done(START, 1, 1);
    *desk.counts()
}

/// What makes it. A count that is added does not compile here until something does.
fn made_by(count: Count) -> Vec<fn() -> Counts> {
    match count {
        Count::Asks | Count::Requests => {
            vec![by_datagram, by_connection, at_a_desk, at_the_snapshot_desk]
        }
        Count::Answers | Count::Failovers => vec![by_datagram, by_connection],
        Count::AnswersLate
        | Count::ForeignSource
        | Count::ForeignSession
        | Count::ForeignRange
        | Count::Empty
        | Count::Malformed
        | Count::Stray
        | Count::Unreachable
        | Count::Expired
        | Count::Replaced
        | Count::Overflows => vec![by_datagram],
        Count::Connects
        | Count::Passed
        | Count::TimedOut
        | Count::Closed
        | Count::Refused
        | Count::Snapshots => vec![by_connection],
        Count::OverBudget => vec![at_a_desk],
        Count::Dropped => vec![by_connection, at_the_snapshot_desk],
    }
}

#[test]
fn everything_that_is_counted_happens() {
    for count in Count::ALL {
        for make in made_by(count) {
            assert_ne!(make().get(count), 0, "{}", count.label());
        }
    }
}

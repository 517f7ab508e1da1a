//! What is asked for in vain: asked for again where nothing else would heal it, and nowhere else.

mod common;

use candor_core::counters::Counter;
use candor_core::{Action, Ask, Line, Nanos, Reason, Refusal, Refused, SeqNo};
use candor_engine::{Services, Step};
use common::services::{ASKS, SNAPSHOTS, actions, opened};
use common::{Bench, GRACE, add, mold};

/// Number 5 is missing, and was asked for twice.
fn in_vain(services: Services) -> Bench {
    let mut bench = opened(services, &["AAPL", "MSFT"]);
    bench.send(Line::A, 6, &[add(1, 16, b'B', 5, 990_000)]);
    bench.pass(GRACE);
    assert_eq!(asks(&mut bench).len(), 1);
    bench.pass(ASKS.timeout);
    assert_eq!(asks(&mut bench).len(), 1);
    bench.pass(ASKS.timeout_max);
    bench
}

fn asks(bench: &mut Bench) -> Vec<Ask> {
    let ask = |action| match action {
        Action::Retransmit(ask) => Some(ask),
        _ => None,
    };
    actions(bench).into_iter().filter_map(ask).collect()
}

/// The lines go on, and nobody answers what is asked for meanwhile.
fn go_on(bench: &mut Bench, length: Nanos) -> Vec<Ask> {
    let mut asked = Vec::new();
    for _ in 0..length.0 / 10_000_000 {
        bench.pass(Nanos::from_millis(10));
        bench.heartbeat(Line::A, 7);
        assert_eq!(bench.reason("AAPL"), Some(Reason::Gap));
        asked.extend(asks(bench));
    }
    asked
}

#[test]
fn without_snapshots_it_is_asked_for_again_and_stale_until_it_comes() {
    let mut bench = in_vain(Services { retransmit: Some(ASKS), snapshot: None });
    assert_eq!(asks(&mut bench), []);
    // After 200, 400 and 800 ms of pause, and then each second.
    let round = go_on(&mut bench, Nanos::from_millis(2_800));
    assert_eq!(round.len(), 4);
    assert!(round.iter().all(|ask| (ask.range.first, ask.attempt) == (SeqNo(5), 0)));
    // Said once, and not with every round.
    let given_up = Step::RetransmitGivenUp { end: SeqNo(6), for_good: false };
    assert_eq!(bench.shown.steps, [given_up]);
    assert_eq!(bench.count(Counter::RetransmitGivenUp), 1);
    let payload = mold(bench.session, 5, &[add(1, 15, b'B', 5, 1_005_000)]);
    bench.partition.on_retransmit(bench.now, &payload, &mut bench.shown);
    bench.partition.check();
    assert!(bench.status("AAPL").is_live());
    bench.pass(Nanos::from_secs(1));
    assert_eq!(actions(&mut bench), []);
}

#[test]
fn what_is_refused_for_good_in_a_round_is_said_and_not_asked_for_again() {
    let mut bench = in_vain(Services { retransmit: Some(ASKS), snapshot: None });
    let ask = go_on(&mut bench, ASKS.patience)[0];
    let refused = Refused { session: ask.session, range: ask.range, why: Refusal::Quota };
    bench.partition.on_refused(bench.now, &refused, &mut bench.shown);
    let said = [false, true].map(|for_good| Step::RetransmitGivenUp { end: SeqNo(6), for_good });
    assert_eq!(bench.shown.steps, said);
    assert_eq!(go_on(&mut bench, Nanos::from_secs(5)), []);
}

#[test]
fn with_snapshots_it_is_not_asked_for_again() {
    let mut bench = in_vain(Services { retransmit: Some(ASKS), snapshot: Some(SNAPSHOTS) });
    let given_up = Step::RetransmitGivenUp { end: SeqNo(6), for_good: true };
    assert_eq!(bench.shown.steps[0], given_up);
    // Nobody answers for the snapshot either.
    assert_eq!(go_on(&mut bench, Nanos::from_secs(5)), []);
}

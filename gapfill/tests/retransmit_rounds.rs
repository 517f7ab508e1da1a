//! Where no snapshot stands behind: what was asked for in vain is asked for again, in rounds.

mod common;

use candor_core::{Answer, Ask, Mono, Nanos, Refusal, SeqNo};
use candor_gapfill::{Policy, State};
use common::recovery::{POLICY, Recovery, ranges};
use common::{A, B, GRACE, range};

const MS: u64 = 1_000_000;
/// Four attempts, of 10, 20, 40 and 40 ms, and then pauses of 500 ms and more.
const ROUNDS: Policy = Policy { pause_max: Some(Nanos::from_secs(4)), ..POLICY };
const IN_VAIN: Nanos = Nanos::from_millis(110);

/// Line A has carried 1 to 10 and `behind`, so that what lies between was asked for.
fn gap(policy: Policy, behind: u64) -> Recovery {
    let mut it = Recovery::new(policy);
    it.line(|b| b.data(A, 1, 10));
    it.line(|b| b.data(A, behind, 1));
    assert!(!it.wait(GRACE).is_empty());
    it
}

/// When each request was made, from now on.
fn waits(it: &mut Recovery, length: Nanos) -> Vec<(u64, Ask)> {
    let (from, before) = (it.bench.now, it.asked.len());
    it.wait(length);
    it.asked[before..].iter().map(|(at, ask)| (at.since(from).0 / MS, *ask)).collect()
}

#[test]
fn pauses_double_up_to_the_longest_and_begin_anew_with_another_gap() {
    let mut it = gap(ROUNDS, 15);
    it.wait(IN_VAIN);
    assert_eq!((it.machine.given_up(), it.counts()), (Some(SeqNo(15)), [4, 4, 0, 1]));
    assert!(!it.machine.is_given_up_for_good());
    let asked = waits(&mut it, Nanos::from_secs(20));
    let at: Vec<u64> = asked.iter().map(|(at, _)| *at).collect();
    // Each is waited for 40 ms; the pauses are of 500, 1,000, 2,000, 4,000 and 4,000 ms.
    assert_eq!(at, [500, 1_540, 3_580, 7_620, 11_660, 15_700, 19_740]);
    let ask = asked[0].1;
    assert_eq!((ask.range, ask.attempt, ask.with_known), (range(11, 15), 0, true));
    assert_eq!(ask.expires.since(it.asked[4].0), ROUNDS.timeout_max);
    assert_eq!(it.counts(), [11, 11, 0, 1], "what is given up counts once");
    // It is there now: the next request has it.
    let asks = it.wait(Nanos::from_secs(4));
    assert_eq!(it.answered(asks[0].range).1, []);
    assert_eq!((it.bench.state(), it.machine.given_up()), (State::InSync, None));
    it.line(|b| b.data(A, 20, 1));
    it.wait(Nanos(GRACE.0 + IN_VAIN.0));
    assert_eq!(it.machine.given_up(), Some(SeqNo(20)));
    assert_eq!(waits(&mut it, Nanos::from_millis(500))[0].0, 500);
}

/// 24 hours of 30 s, and what is asked before the pauses are as long.
#[test]
fn a_service_that_never_answers_is_asked_as_often_in_a_day_as_is_said() {
    let policy = Policy {
        timeout: Nanos::from_millis(25),
        timeout_max: Nanos::from_millis(100),
        patience: Nanos::from_millis(250),
        pause_max: Some(Nanos::from_secs(30)),
        ..POLICY
    };
    let mut it = gap(policy, 100);
    let asked = it.asked.len() + waits(&mut it, Nanos::from_secs(24 * 60 * 60)).len();
    assert!((2_860..=2_900).contains(&asked), "{asked} requests");
}

#[test]
fn one_request_asks_whether_it_answers_and_then_all_is_asked_for() {
    let mut it = gap(ROUNDS, 111);
    it.wait(IN_VAIN);
    assert_eq!(it.machine.given_up(), Some(SeqNo(111)));
    assert_eq!(ranges(&it.wait(Nanos::from_millis(500))), [(11, 31, 0)]);
    let (answer, asks) = it.answer(11, 20);
    assert_eq!(answer, Answer::Filled { range: range(11, 31) });
    assert_eq!(ranges(&asks), [(31, 51, 0), (51, 71, 0), (71, 91, 0), (91, 111, 0)]);
    // It falls silent again: with all their attempts, and the first pause.
    it.answer(31, 20);
    let before = it.asked.len();
    it.wait(IN_VAIN);
    assert_eq!(it.asked[before..].iter().map(|(_, ask)| ask.attempt).max(), Some(3));
    assert_eq!(it.machine.given_up(), Some(SeqNo(111)));
    let asked = waits(&mut it, Nanos::from_millis(500));
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].1.range, range(51, 71));
}

#[test]
fn an_answer_that_comes_after_all_begins_a_round_at_once() {
    let mut it = gap(ROUNDS, 111);
    it.wait(Nanos::from_secs(3));
    assert_eq!(it.machine.given_up(), Some(SeqNo(111)));
    assert_eq!(ranges(&it.answer(11, 1).1), [(12, 32, 0), (32, 52, 0), (52, 72, 0), (72, 92, 0)]);
    // What is not of it begins none.
    let mut it = gap(ROUNDS, 15);
    it.wait(IN_VAIN);
    it.line(|b| b.data(A, 20, 1));
    assert_eq!(ranges(&it.wait(GRACE)), [(16, 20, 0)]);
    assert_eq!(it.answer(16, 4).1, []);
    assert_eq!(it.answer(16, 4).1, []);
    assert_eq!(waits(&mut it, Nanos::from_secs(1)).len(), 1, "when its pause is over");
}

#[test]
fn another_gap_has_its_own_attempts_between_two_rounds() {
    let mut it = gap(ROUNDS, 15);
    it.wait(IN_VAIN);
    it.line(|b| b.data(A, 20, 1));
    let asked = waits(&mut it, Nanos(GRACE.0 + IN_VAIN.0));
    assert_eq!(asked.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [1, 11, 31, 71]);
    assert!(asked.iter().all(|(_, ask)| ask.range == range(16, 20)));
    // The next round is of both, and comes when it would have.
    assert_eq!((it.machine.given_up(), it.counts()), (Some(SeqNo(20)), [8, 8, 0, 2]));
    let asked = waits(&mut it, Nanos::from_millis(500));
    assert_eq!(
        asked.iter().map(|(at, ask)| (*at, ask.range)).collect::<Vec<_>>(),
        [(389, range(11, 20))]
    );
    // One that opens while a round is under way is asked for beside it.
    let mut it = gap(ROUNDS, 15);
    it.wait(Nanos(IN_VAIN.0 + ROUNDS.patience.0));
    it.line(|b| b.data(A, 20, 1));
    assert_eq!(ranges(&it.wait(GRACE)), [(16, 20, 0)]);
}

/// What is refused for now is asked for again, whatever says so; what is refused for good is not.
#[test]
fn a_refusal_ends_a_round_and_one_for_good_all_of_them() {
    let mut it = gap(ROUNDS, 15);
    it.wait(IN_VAIN);
    for (why, pause) in
        [(Refusal::Busy, 500), (Refusal::Unreachable, 1_000), (Refusal::Closed, 2_000)]
    {
        assert_eq!(waits(&mut it, Nanos(pause * MS)).len(), 1, "{why:?}");
        assert_eq!(it.refuse(range(11, 15), why), []);
        assert_eq!(it.machine.given_up(), Some(SeqNo(15)));
    }
    assert_eq!(it.wait(Nanos::from_secs(4)).len(), 1);
    it.refuse(range(11, 15), Refusal::Quota);
    assert!(it.machine.is_given_up_for_good());
    // Nor is what was given up beside it: it is as useless as long as the first is missing.
    it.line(|b| b.data(A, 20, 1));
    assert_eq!(it.wait(GRACE).len(), 1);
    it.wait(IN_VAIN);
    assert_eq!((it.machine.given_up(), it.machine.deadline()), (Some(SeqNo(20)), None));
    assert_eq!(it.wait(Nanos::from_secs(100)), []);
    // The lines bring both after all.
    it.line(|b| b.data(B, 11, 9));
    assert_eq!((it.bench.state(), it.machine.given_up()), (State::InSync, None));
    it.line(|b| b.data(A, 25, 1));
    it.wait(Nanos(GRACE.0 + IN_VAIN.0));
    assert!(!it.machine.is_given_up_for_good());
    assert_eq!(it.wait(ROUNDS.patience).len(), 1);
}

/// Our own budget turns a request away for as long as there is patience, in a round as before it.
#[test]
fn a_round_that_finds_no_budget_ends_with_the_patience() {
    let mut it = gap(ROUNDS, 15);
    it.wait(IN_VAIN);
    assert_eq!(it.wait(ROUNDS.patience).len(), 1);
    let (begun, mut turned_away) = (it.bench.now, 0);
    loop {
        it.refuse(range(11, 15), Refusal::Budget);
        turned_away += 1;
        let asks = it.wait(ROUNDS.timeout);
        if asks.is_empty() {
            break;
        }
        assert_eq!(ranges(&asks), [(11, 15, 0)]);
    }
    assert_eq!((turned_away, it.bench.now), (50, begun + ROUNDS.patience));
    assert_eq!(it.wait(Nanos(2 * ROUNDS.patience.0 - 1)), []);
    assert_eq!(it.wait(Nanos(1)).len(), 1, "after the next pause");
}

#[test]
fn what_comes_to_be_over_the_limit_is_asked_for_no_more() {
    let mut it = gap(ROUNDS, 131);
    it.wait(IN_VAIN);
    it.line(|b| b.data(A, 220, 1));
    it.wait(Nanos(GRACE.0 + IN_VAIN.0));
    // 120 and 89 numbers, of 200 that are worth asking for.
    assert!(!it.machine.is_given_up_for_good());
    let before = it.asked.len();
    it.wait(Nanos::from_secs(60));
    assert_eq!((it.asked.len(), it.machine.deadline()), (before, None));
    assert!(it.machine.is_given_up_for_good());
}

#[test]
fn an_early_deadline_begins_no_round() {
    let mut it = gap(ROUNDS, 15);
    it.wait(IN_VAIN);
    let due = it.machine.deadline().unwrap();
    assert_eq!(it.keep(Mono(due.0 - 1)), []);
    assert_eq!(ranges(&it.keep(due)), [(11, 15, 0)]);
}

//! The scenarios of retransmission, by their names: a sequencer, its requests and a service.

mod common;

use candor_core::counters::Counter;
use candor_core::limits::OPEN_GAPS;
use candor_core::{Answer, Nanos, Refusal, Refused, SeqNo};
use candor_gapfill::{Config, Policy, State, Wholeness};
use common::recovery::{POLICY, Recovery, ranges};
use common::{A, B, CONFIG, DAY, GRACE, NEXT, content, numbers, range};

const MS: u64 = 1_000_000;
const ONE_AT_A_TIME: Policy = Policy { outstanding: 1, ..POLICY };

/// Line A has carried 1 to 10 and 15, so that 11 to 14 are missing, and were asked for.
fn gap(policy: Policy) -> Recovery {
    let mut it = Recovery::new(policy);
    assert_eq!(it.line(|b| b.data(A, 1, 10)), []);
    assert_eq!(it.line(|b| b.data(A, 15, 1)), [], "within the grace nothing is asked for");
    assert_eq!(it.wait(Nanos(GRACE.0 - 1)), []);
    assert_eq!(ranges(&it.wait(Nanos(1))), [(11, 15, 0)]);
    it
}

#[test]
fn gap_both_lines() {
    let mut it = gap(POLICY);
    let ask = it.asked[0].1;
    assert_eq!((ask.session, ask.opened), (DAY, it.bench.now - GRACE));
    assert_eq!(ask.expires, it.bench.now + POLICY.timeout);
    it.bench.all.clear();
    assert_eq!(it.answer(11, 4), (Answer::Filled { range: range(11, 15) }, vec![]));
    assert_eq!(it.bench.numbers(), [11, 12, 13, 14, 15]);
    let origins: Vec<_> = it.bench.all.iter().map(|one| one.origin.label()).collect();
    assert_eq!(origins, ["retransmit", "retransmit", "retransmit", "retransmit", "A"]);
    assert_eq!((it.bench.state(), it.bench.sequencer.whole()), (State::InSync, Wholeness::Whole));
    assert_eq!((it.machine.deadline(), it.machine.given_up()), (None, None));
    assert_eq!(it.counts(), [1, 0, 0, 0]);
    let filled = [Counter::RetransmitPackets, Counter::RetransmitFilled, Counter::GapsFilled];
    assert_eq!(filled.map(|counter| it.bench.get(counter)), [1, 4, 1]);
    // No line carried them: that is no line's loss, whether the line jumped before or jumps now.
    it.line(|b| b.data(B, 1, 10));
    it.line(|b| b.data(B, 15, 1));
    it.wait(Nanos::from_secs(1));
    assert_eq!((it.bench.get(Counter::LostOnA), it.bench.get(Counter::LostOnB)), (0, 0));
}

#[test]
fn gap_one_line_asks_for_nothing() {
    let mut it = Recovery::new(POLICY);
    for packet in 0..500u64 {
        it.line(|b| b.data(A, 1 + packet * 3, 2));
        it.wait(Nanos(GRACE.0 / 2));
        it.line(|b| b.data(B, 1 + packet * 3, 3));
        assert_eq!((it.machine.deadline(), it.machine.given_up()), (None, None));
    }
    assert_eq!(it.asked.len(), 0);
}

#[test]
fn everyone_missed_46() {
    let mut it = Recovery::new(POLICY);
    it.line(|b| b.data(A, 1, 45));
    it.line(|b| b.data(A, 47, 3));
    it.wait(Nanos::from_secs(1));
    // The service has it no more than the lines: 10, 20, 40 and 40 ms of silence.
    let asked: Vec<_> = it.asked.iter().map(|(at, ask)| (at.0, ask.attempt)).collect();
    let first = it.asked[0].0.0;
    let then = [first, first + 10 * MS, first + 30 * MS, first + 70 * MS];
    assert_eq!(asked, [(then[0], 0), (then[1], 1), (then[2], 2), (then[3], 3)]);
    assert_eq!(it.machine.given_up(), Some(SeqNo(47)));
    assert_eq!(it.counts(), [4, 4, 0, 1]);
    assert_eq!((it.bench.state(), it.machine.deadline()), (State::GapOutlived, None));
    // A snapshot heals it, and retransmission has forgotten it.
    let items = it.bench.splice(49);
    assert_eq!(numbers(&items), [49]);
    assert_eq!(it.follow(&items), []);
    assert_eq!((it.bench.state(), it.machine.given_up()), (State::InSync, None));
}

#[test]
fn gap_over_limit_is_split_by_the_venues_rules() {
    let mut it = Recovery::new(POLICY);
    it.line(|b| b.data(A, 1, 10));
    it.line(|b| b.data(A, 111, 1));
    let mut asks = it.wait(GRACE);
    assert_eq!(ranges(&asks), [(11, 31, 0), (31, 51, 0), (51, 71, 0), (71, 91, 0)]);
    // One is answered, and the last piece takes its place.
    assert_eq!(ranges(&it.answered(asks[2].range).1), [(91, 111, 0)]);
    asks.remove(2);
    for ask in asks {
        assert_eq!(it.answered(ask.range).1, []);
    }
    it.answer(91, 20);
    assert_eq!((it.bench.state(), it.bench.expected()), (State::InSync, 112));
    assert_eq!(it.counts(), [5, 0, 0, 0]);
}

#[test]
fn gap_over_limit_of_a_million_is_never_asked_for() {
    let mut it = Recovery::new(POLICY);
    it.line(|b| b.data(A, 1, 10));
    it.line(|b| b.heartbeat(A, 1_000_000));
    assert_eq!(it.wait(Nanos::from_secs(10)), []);
    assert_eq!((it.machine.given_up(), it.counts()), (Some(SeqNo(1_000_000)), [0, 0, 0, 1]));
    // Just within the limit, and one beyond it while requests are on their way.
    let mut it = Recovery::new(POLICY);
    it.line(|b| b.data(A, 1, 10));
    it.line(|b| b.data(A, 211, 1));
    assert_eq!(it.wait(GRACE).len(), 4);
    it.line(|b| b.data(A, 213, 1));
    assert_eq!(it.wait(GRACE), []);
    assert_eq!((it.machine.given_up(), it.counts()), (Some(SeqNo(213)), [4, 0, 0, 2]));
}

#[test]
fn request_lost_then_silence() {
    let mut it = gap(POLICY);
    // Nothing is heard any more; the request's own deadline asks again.
    let asks = it.wait(POLICY.timeout);
    assert_eq!(ranges(&asks), [(11, 15, 1)]);
    assert_eq!(asks[0].expires, it.bench.now + Nanos(2 * POLICY.timeout.0));
    it.answered(asks[0].range);
    assert_eq!((it.bench.state(), it.machine.deadline()), (State::InSync, None));
    assert_eq!(it.counts(), [2, 1, 0, 0]);
}

#[test]
fn retransmit_denied_for_now() {
    let mut it = gap(POLICY);
    for (why, wait) in [(Refusal::Busy, 10), (Refusal::Unreachable, 20), (Refusal::Closed, 40)] {
        assert_eq!(it.refuse(range(11, 15), why), []);
        assert_eq!(it.wait(Nanos(wait * MS - 1)), [], "{why:?}");
        assert_eq!(it.wait(Nanos(1)).len(), 1, "{why:?}");
    }
    assert_eq!(it.asked.last().map(|(_, ask)| ask.attempt), Some(3));
    assert_eq!(it.machine.given_up(), None);
    it.refuse(range(11, 15), Refusal::Overrun);
    assert_eq!((it.machine.given_up(), it.counts()), (Some(SeqNo(15)), [4, 0, 4, 1]));
}

#[test]
fn what_our_own_budget_holds_back_is_no_attempt_and_ends_with_the_patience() {
    let mut it = gap(POLICY);
    let mut asks = it.asked.iter().map(|(_, ask)| *ask).collect::<Vec<_>>();
    while let Some(ask) = asks.pop() {
        assert_eq!(ask.attempt, 0);
        assert_eq!(it.refuse(range(11, 15), Refusal::Budget), []);
        asks.extend(it.wait(POLICY.timeout));
    }
    // Every 10 ms out of 500, of which the grace takes one.
    assert_eq!(it.bench.get(Counter::RetransmitOverBudget), 50);
    assert_eq!((it.machine.given_up(), it.counts()), (Some(SeqNo(15)), [50, 0, 0, 1]));
}

#[test]
fn an_answer_of_other_numbers_ends_all_asking_until_a_snapshot() {
    let mut it = gap(POLICY);
    let ask = it.asked[0].1;
    assert!(ask.with_known);
    assert_eq!(ask.requested(), range(10, 15));
    // Under 10 it has what a numbering that began again has there.
    let other: Vec<_> = (10..15).map(|seq| content(1, seq)).collect();
    let (answer, items) = it.bench.answer(10, &other);
    assert_eq!(answer, Answer::Contradicts);
    assert_eq!(it.follow(&items), []);
    assert_eq!(it.machine.given_up(), Some(SeqNo(15)));
    // Nothing else of it is believed, nor is anything asked for.
    let rest: Vec<_> = (11..15).map(|seq| content(1, seq)).collect();
    assert_eq!(it.bench.answer(11, &rest), (Answer::Useless, vec![]));
    assert_eq!(it.line(|b| b.data(A, 20, 1)), []);
    assert_eq!(it.wait(GRACE), []);
    assert_eq!(it.machine.given_up(), Some(SeqNo(20)));
    let items = it.bench.splice(20);
    assert_eq!(it.follow(&items), []);
    assert_eq!((it.bench.state(), it.machine.given_up()), (State::InSync, None));
    it.line(|b| b.data(A, 24, 1));
    assert_eq!(ranges(&it.wait(GRACE)), [(21, 24, 0)]);
    assert_eq!(it.answer(21, 3).0, Answer::Filled { range: range(21, 24) });
}

#[test]
fn retransmit_denied_for_good() {
    let mut it = Recovery::new(ONE_AT_A_TIME);
    it.line(|b| b.data(A, 1, 1));
    for first in [3, 30, 60] {
        it.line(|b| b.data(A, first, 1));
    }
    assert_eq!(ranges(&it.wait(GRACE)), [(2, 22, 0)]);
    it.line(|b| b.data(A, 90, 1));
    for why in [Refusal::Expired, Refusal::Quota] {
        assert_eq!(it.refuse(range(2, 22), why), []);
    }
    // All that had outlived the grace, not one after the other; a later gap has its own try.
    assert_eq!((it.machine.given_up(), it.counts()), (Some(SeqNo(60)), [1, 0, 1, 3]));
    assert_eq!(ranges(&it.wait(GRACE)), [(61, 81, 0)]);
    it.refuse(range(61, 81), Refusal::LoginRefused);
    assert_eq!((it.machine.given_up(), it.counts()), (Some(SeqNo(90)), [2, 0, 2, 4]));
    assert_eq!(it.machine.deadline(), None);
}

#[test]
fn a_refusal_of_something_else_changes_nothing() {
    let mut it = gap(POLICY);
    let before = it.machine.deadline();
    it.refuse(range(15, 19), Refusal::Quota);
    it.refuse(range(1, 11), Refusal::Busy);
    it.refused(&Refused { session: NEXT, range: range(11, 15), why: Refusal::Quota });
    // A request that waited too long to be sent has a deadline here, too.
    it.refuse(range(11, 15), Refusal::Expired);
    assert_eq!((it.machine.deadline(), it.machine.given_up()), (before, None));
    assert_eq!(it.counts(), [1, 0, 0, 0]);
}

#[test]
fn an_answer_of_an_earlier_attempt_is_welcome() {
    let mut it = gap(POLICY);
    assert_eq!(it.wait(POLICY.timeout).len(), 1);
    let (answer, asks) = it.answer(11, 4);
    assert_eq!((answer, asks), (Answer::Filled { range: range(11, 15) }, vec![]));
    assert_eq!(it.bench.state(), State::InSync);
    // And then that of the present one: every number is a duplicate.
    assert_eq!(it.answer(11, 4), (Answer::Useless, vec![]));
    assert_eq!((it.bench.get(Counter::Duplicate), it.counts()), (4, [2, 1, 0, 0]));
}

#[test]
fn a_late_answer_after_giving_up_heals_it() {
    let mut it = gap(POLICY);
    it.wait(Nanos::from_secs(1));
    assert_eq!(it.machine.given_up(), Some(SeqNo(15)));
    it.answer(11, 2);
    assert_eq!(it.machine.given_up(), Some(SeqNo(15)));
    assert_eq!(it.answer(13, 2).1, []);
    assert_eq!((it.bench.state(), it.machine.given_up()), (State::InSync, None));
    assert_eq!(it.bench.get(Counter::RetransmitFilled), 4);
}

#[test]
fn a_partial_answer_asks_for_the_rest_at_once() {
    let mut it = gap(POLICY);
    it.wait(POLICY.timeout);
    it.bench.now = it.bench.now + Nanos(MS);
    let (_, asks) = it.answer(11, 1);
    assert_eq!(ranges(&asks), [(12, 15, 1)], "the same attempt");
    assert_eq!(asks[0].expires, it.bench.now + Nanos(2 * POLICY.timeout.0));
    // Nothing new in it: no request, and no more time than before.
    let before = it.machine.deadline();
    it.bench.now = it.bench.now + Nanos(MS);
    it.machine.on_answer(it.bench.now, range(11, 12));
    assert_eq!(it.answer(11, 1), (Answer::Useless, vec![]));
    assert_eq!(it.machine.deadline(), before);
    // Beyond what was asked for, and its last numbers only.
    assert_eq!(ranges(&it.answer(14, 4).1), [(12, 14, 1)]);
    assert_eq!(it.answer(12, 2).1, []);
    assert_eq!((it.bench.state(), it.counts()), (State::InSync, [4, 1, 0, 0]));
}

#[test]
fn an_answer_of_many_packets_is_given_time_for_the_rest() {
    let mut it = gap(Policy { rest: Nanos::from_millis(2), ..POLICY });
    for seq in 11..13 {
        assert_eq!(it.answer(seq, 1).1, []);
        assert_eq!(it.wait(Nanos(2 * MS - 1)), []);
    }
    assert_eq!(ranges(&it.wait(Nanos(1))), [(13, 15, 0)], "no attempt has failed");
    assert_eq!(it.answer(13, 2).1, []);
    assert_eq!((it.bench.state(), it.counts()), (State::InSync, [2, 0, 0, 0]));
}

#[test]
fn what_the_lines_fill_meanwhile_is_not_asked_for_again() {
    let mut it = gap(POLICY);
    assert_eq!(it.line(|b| b.data(B, 11, 1)), []);
    assert_eq!(it.line(|b| b.data(B, 14, 1)), []);
    assert_eq!(ranges(&it.wait(POLICY.timeout)), [(12, 14, 1)]);
    assert_eq!(it.line(|b| b.data(B, 12, 2)), []);
    assert_eq!((it.bench.state(), it.machine.deadline()), (State::InSync, None));
    assert_eq!(it.answer(12, 2), (Answer::Useless, vec![]));
}

#[test]
fn what_is_filled_in_the_middle_of_a_request_splits_it() {
    let mut it = Recovery::new(POLICY);
    it.line(|b| b.data(A, 1, 1));
    it.line(|b| b.data(A, 22, 1));
    it.line(|b| b.data(A, 25, 1));
    assert_eq!(ranges(&it.wait(GRACE)), [(2, 22, 0), (23, 25, 0)]);
    it.line(|b| b.data(B, 6, 11));
    it.bench.now = it.bench.now + Nanos(1);
    // The end of the second request is nearer than the first's: it is refused, and waits.
    it.refuse(range(23, 25), Refusal::Busy);
    let asks = it.wait(Nanos(POLICY.timeout.0 - 1));
    assert_eq!(ranges(&asks), [(2, 6, 1), (17, 22, 0)], "and nothing of the refused one");
    assert_eq!(ranges(&it.wait(Nanos(1))), [(23, 25, 1)]);
}

#[test]
fn overlapping_gaps() {
    let mut it = gap(ONE_AT_A_TIME);
    // Another while the first is asked for; it waits for its turn and then goes as one request
    // with its neighbour, of which only number 20 is not missing.
    it.line(|b| b.data(A, 20, 1));
    it.line(|b| b.data(A, 24, 1));
    assert_eq!(it.wait(GRACE), []);
    assert_eq!(ranges(&it.answer(11, 4).1), [(16, 24, 0)]);
    assert_eq!(it.answer(16, 8).1, []);
    assert_eq!((it.bench.state(), it.counts()), (State::InSync, [2, 0, 0, 0]));
    // An answer across gaps and what is held between them: the new used, the old skipped.
    it.line(|b| b.data(A, 27, 1));
    it.line(|b| b.data(A, 30, 1));
    assert_eq!(ranges(&it.wait(GRACE)), [(25, 30, 0)]);
    let duplicates = it.bench.get(Counter::Duplicate);
    assert_eq!(it.answer(22, 12).0, Answer::Filled { range: range(22, 34) });
    assert_eq!(it.bench.expected(), 31);
    assert_eq!(it.bench.get(Counter::Duplicate) - duplicates, 3 + 1 + 1);
    assert_eq!(it.bench.get(Counter::DiscardUnasked), 3, "nobody has shown 31 to 33");
}

#[test]
fn gaps_with_much_between_them_are_asked_for_apart() {
    let mut it = Recovery::new(POLICY);
    it.line(|b| b.data(A, 1, 1));
    it.line(|b| b.data(A, 3, 1));
    it.line(|b| b.data(A, 5, 1));
    it.line(|b| b.data(A, 10, 3));
    it.line(|b| b.data(A, 15, 1));
    // 2, 4, 6 to 9, 13 and 14: a quarter of 2 to 9 is not missing, a third of 2 and 4 alone.
    assert_eq!(ranges(&it.wait(GRACE)), [(2, 3, 0), (4, 10, 0), (13, 15, 0)]);
}

#[test]
fn session_change_mid_gap() {
    let mut it = gap(POLICY);
    (it.bench.session, it.bench.life) = (NEXT, 1);
    assert_eq!(it.line(|b| b.data(A, 1, 10)), []);
    assert_eq!((it.machine.deadline(), it.machine.given_up()), (None, None));
    // The same numbers are missing again: other numbers.
    it.line(|b| b.data(A, 15, 1));
    let asks = it.wait(GRACE);
    assert_eq!((ranges(&asks), asks[0].session), (vec![(11, 15, 0)], NEXT));
    // The answer of the old session has come now. It is of no use, and takes nothing away.
    (it.bench.session, it.bench.life) = (DAY, 0);
    assert_eq!(it.answer(11, 4), (Answer::Useless, vec![]));
    assert_eq!(it.bench.get(Counter::DiscardUnasked), 4);
    assert_eq!((it.bench.expected(), it.bench.sequencer.session()), (11, NEXT));
    (it.bench.session, it.bench.life) = (NEXT, 1);
    it.answer(11, 4);
    assert_eq!(it.bench.state(), State::InSync);
}

#[test]
fn session_change_into_a_gap() {
    let mut it = gap(POLICY);
    it.wait(Nanos::from_secs(1));
    assert_eq!(it.machine.given_up(), Some(SeqNo(15)));
    (it.bench.session, it.bench.life) = (NEXT, 1);
    // The first packet of the new session shows a gap by itself: nothing of it was given up.
    it.line(|b| b.data(A, 1, 1));
    it.line(|b| b.data(A, 12, 1));
    assert_eq!(it.machine.given_up(), None);
    assert_eq!(ranges(&it.wait(GRACE)), [(2, 12, 0)]);
}

#[test]
fn an_answer_of_the_numbering_before_a_restart() {
    let mut it = gap(POLICY);
    it.bench.life = 1;
    it.line(|b| b.data(A, 1, 10));
    it.wait(GRACE);
    it.line(|b| b.data(A, 15, 1));
    assert_eq!(ranges(&it.wait(GRACE)), [(11, 15, 0)], "of the new numbering");
    // Under the same name, with the same numbers, and nothing beside them to compare: it would be
    // another day's messages.
    it.bench.life = 0;
    assert_eq!(it.answer(11, 4), (Answer::Useless, vec![]));
    assert_eq!((it.bench.expected(), it.bench.get(Counter::DiscardUnasked)), (11, 4));
    it.bench.life = 1;
    it.bench.now = it.bench.now + common::SESSION_GRACE;
    assert_eq!(it.answer(11, 4).0, Answer::Filled { range: range(11, 15) });
}

#[test]
fn a_restart_the_machine_was_not_told_of() {
    for given_up in [false, true] {
        let mut it = gap(POLICY);
        it.wait(if given_up { Nanos::from_secs(1) } else { Nanos(1) });
        assert_eq!(it.machine.given_up().is_some(), given_up);
        let asked = it.asked.len();
        it.bench.life = 1;
        it.bench.data(A, 1, 1);
        it.bench.data(A, 13, 1);
        assert_eq!(it.follow(&[]), []);
        assert_eq!(it.machine.given_up(), None);
        it.wait(GRACE);
        assert_eq!(
            ranges(&it.asked[asked..].iter().map(|(_, ask)| *ask).collect::<Vec<_>>()),
            [(2, 13, 0)]
        );
    }
}

#[test]
fn patience_is_counted_from_the_gaps_opening() {
    let policy = Policy { attempts: 100, patience: Nanos::from_millis(35), ..POLICY };
    let mut it = gap(policy);
    let opened = it.asked[0].1.opened;
    it.line(|b| b.data(A, 40, 1));
    it.wait(Nanos((opened + policy.patience).since(it.bench.now).0 - 1));
    assert_eq!(it.machine.given_up(), None);
    // The last request would have been waited for beyond it.
    assert!(it.asked.iter().any(|(_, ask)| ask.expires > opened + policy.patience));
    it.wait(Nanos(1));
    assert_eq!(it.machine.given_up(), Some(SeqNo(15)));
    it.wait(GRACE);
    assert_eq!((it.machine.given_up(), it.machine.deadline()), (Some(SeqNo(40)), None));
}

#[test]
fn gap_in_recovery_is_asked_for_beyond_what_was_given_up() {
    let mut it = gap(POLICY);
    it.wait(Nanos::from_secs(1));
    assert_eq!(it.machine.given_up(), Some(SeqNo(15)));
    it.line(|b| b.data(A, 18, 1));
    assert_eq!(ranges(&it.wait(GRACE)), [(16, 18, 0)]);
    it.answer(16, 2);
    assert_eq!((it.machine.given_up(), it.machine.deadline()), (Some(SeqNo(15)), None));
    assert_eq!(numbers(&it.bench.splice(15)), [15, 16, 17, 18]);
    assert_eq!(it.bench.state(), State::InSync);
}

#[test]
fn a_missing_start_is_asked_for_where_it_is_kept() {
    let config = Config { keep_start: true, start_limit: 50, ..CONFIG };
    let mut it = Recovery::with(config, Policy { piece: 60, ..POLICY });
    it.line(|b| b.data(A, 51, 2));
    assert_eq!(ranges(&it.wait(GRACE)), [(1, 51, 0)]);
    assert_eq!(
        (it.bench.state(), it.bench.sequencer.whole()),
        (State::GapOutlived, Wholeness::Whole)
    );
    assert!(it.bench.sequencer.gaps().first().is_some_and(|gap| gap.start));
    it.answer(1, 50);
    assert_eq!(it.bench.numbers(), (1..=52).collect::<Vec<_>>());
    assert_eq!((it.bench.state(), it.bench.sequencer.whole()), (State::InSync, Wholeness::Whole));
    // One more is not kept; nor is any where starts are not.
    for (config, first) in [(config, 52), (CONFIG, 2)] {
        let mut it = Recovery::with(config, POLICY);
        it.line(|b| b.data(A, first, 2));
        assert_eq!(it.wait(GRACE), []);
        assert_eq!(it.bench.sequencer.whole(), Wholeness::StartMissing);
        assert_eq!(it.answer(1, 1).0, Answer::Useless, "what is given up is not missing");
    }
}

#[test]
fn more_gaps_than_requests_are_all_healed() {
    let mut it = Recovery::new(Policy { piece: 3, limit: 1000, ..POLICY });
    it.line(|b| b.data(A, 1, 1));
    for gap in 1..=OPEN_GAPS as u64 {
        it.line(|b| b.data(A, 1 + gap * 8, 4));
    }
    // Four of them in each gap: the first is 2 to 8, and pieces are three.
    let mut asks = it.wait(GRACE);
    while let Some(ask) = asks.pop() {
        assert!(it.asked.len() <= 3 * OPEN_GAPS);
        asks.extend(it.answered(ask.range).1);
    }
    assert_eq!((it.bench.state(), it.counts()[1..].iter().sum::<u64>()), (State::InSync, 0));
}

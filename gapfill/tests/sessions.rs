//! The scenarios of sessions: their change, their end, and numbers that restart under one name.

mod common;

use candor_core::counters::Counter;
use candor_core::limits::{HELD_MESSAGE_BYTES, OLD_SESSIONS, WINDOW_MESSAGES};
use candor_core::{Nanos, SeqNo, SessionId};
use candor_gapfill::{Config, Notice, State, Wholeness};
use common::{A, B, Bench, C, DAY, GRACE, Item, NEXT, SESSION_GRACE, THIRD};
use common::{content, notices, numbers};

const WINDOW: u64 = WINDOW_MESSAGES as u64;
const RESTARTED: Notice = Notice::Restarted { session: DAY };

#[test]
fn failover_new_session() {
    let mut bench = Bench::new();
    bench.data(A, 1, 50);
    bench.data(A, 53, 4);
    bench.wait(Nanos::from_millis(2));
    assert_eq!(bench.state(), State::GapOutlived);
    (bench.session, bench.life) = (NEXT, 1);
    let items = bench.data(B, 1, 2);
    assert_eq!(items[0], Item::Notice(Notice::SessionChanged { from: DAY, to: NEXT }));
    assert_eq!(numbers(&items), [1, 2]);
    assert_eq!(bench.all.last().map(|last| last.bytes.clone()), Some(content(1, 2)));
    assert_eq!(bench.get(Counter::DiscardWithSession), 4);
    assert_eq!(bench.get(Counter::Held), 0);
    assert_eq!((bench.state(), bench.sequencer.session()), (State::InSync, NEXT));
    assert_eq!(bench.get(Counter::SessionChanges), 1);
    assert_eq!(bench.sequencer.deadline(), None);
    // The same numbers, other bytes: nothing of the old session is compared with the new one.
    bench.data(A, 1, 2);
    assert_eq!((bench.get(Counter::LinesDiffer), bench.get(Counter::Restarts)), (0, 0));
    // Line A missed nothing of the new session so far.
    bench.data(B, 3, 1);
    bench.wait(Nanos::from_secs(1));
    assert_eq!((bench.get(Counter::LostOnA), bench.get(Counter::LostOnB)), (0, 0));
}

#[test]
fn failover_into_the_middle_of_a_new_session() {
    let mut bench = Bench::new();
    bench.data(A, 1, 5);
    bench.session = NEXT;
    bench.data(A, 100, 5);
    assert_eq!(bench.state(), State::GapOpen);
    bench.wait(GRACE);
    assert_eq!((bench.state(), bench.sequencer.whole()), (State::InSync, Wholeness::StartMissing));
    bench.session = THIRD;
    bench.data(A, 1, 1);
    assert_eq!(bench.sequencer.whole(), Wholeness::Whole);
}

#[test]
fn a_heartbeat_changes_the_session() {
    let mut bench = Bench::new();
    bench.data(A, 1, 5);
    bench.session = NEXT;
    bench.heartbeat(A, 1);
    assert_eq!((bench.state(), bench.expected()), (State::InSync, 1));
    assert_eq!(bench.sequencer.session(), NEXT);
}

#[test]
fn two_publishers() {
    let mut bench = Bench::new();
    bench.data(A, 1, 5);
    bench.data(B, 1, 5);
    bench.session = NEXT;
    bench.data(A, 1, 5);
    for round in 0..10 {
        bench.session = DAY;
        let old = bench.data(B, 6 + round, 1);
        let expected = Notice::OldSession { session: DAY, line: B };
        assert_eq!(notices(&old), if round == 0 { vec![expected] } else { vec![] });
        assert_eq!(numbers(&old), []);
        bench.heartbeat(B, 7 + round);
        bench.session = NEXT;
        assert_eq!(numbers(&bench.data(A, 6 + round, 1)), [6 + round]);
        bench.wait(Nanos::from_secs(1));
    }
    assert_eq!(bench.get(Counter::DiscardOldSession), 10);
    // Said for each line that carries it.
    bench.session = DAY;
    assert_eq!(notices(&bench.data(A, 5, 1)), [Notice::OldSession { session: DAY, line: A }]);
    assert_eq!(bench.sequencer.session(), NEXT);
}

/// A handler starts, hears the session of today and then, by a line that lags or an old publisher, the
/// one of before.
#[test]
fn of_two_sessions_at_the_start_the_venue_knows_one() {
    let mut bench = Bench::new();
    bench.session = NEXT;
    bench.data(A, 40, 1);
    bench.session = DAY;
    bench.data(B, 900, 1);
    assert_eq!(bench.sequencer.session(), DAY);
    bench.session = NEXT;
    bench.data(A, 41, 1);
    assert_eq!(bench.sequencer.session(), DAY, "nothing says that it is the newer");
    // The service may come late with a session, as the line may.
    bench.wait(Nanos(SESSION_GRACE.0 - 1));
    assert!(!bench.sequencer.is_to_be_settled(bench.now));
    bench.sequencer.on_session_refused(bench.now);
    bench.data(A, 42, 1);
    assert_eq!(bench.sequencer.session(), DAY, "its word says nothing yet");
    assert_eq!(bench.sequencer.contest_deadline(bench.now), Some(bench.now + Nanos(1)));
    bench.wait(Nanos(1));
    assert!(bench.sequencer.is_to_be_settled(bench.now));
    bench.sequencer.on_session_refused(bench.now);
    assert_eq!(bench.sequencer.session(), DAY, "until a line brings it");
    let back = bench.data(A, 43, 1);
    let changed = Notice::SessionChanged { from: DAY, to: NEXT };
    assert_eq!(notices(&back)[0], changed);
    // Once: a service that knows neither is no help.
    bench.session = DAY;
    bench.wait(SESSION_GRACE);
    bench.sequencer.on_session_refused(bench.now);
    assert_eq!(notices(&bench.data(B, 901, 1)), [Notice::OldSession { session: DAY, line: B }]);
    assert_eq!(bench.sequencer.session(), NEXT);
    assert_eq!(bench.get(Counter::SessionChanges), 2);
}

/// What was followed for longer is older than what came after it, whatever a service knows.
#[test]
fn a_session_that_ended_for_another_is_never_gone_back_to() {
    let mut bench = Bench::new();
    bench.data(A, 1, 5);
    bench.wait(SESSION_GRACE);
    bench.session = NEXT;
    bench.data(A, 1, 5);
    bench.wait(SESSION_GRACE);
    bench.sequencer.on_session_refused(bench.now);
    bench.session = DAY;
    assert_eq!(notices(&bench.data(B, 6, 1)), [Notice::OldSession { session: DAY, line: B }]);
    assert_eq!(bench.sequencer.session(), NEXT);
}

#[test]
fn only_so_many_sessions_are_remembered() {
    let mut bench = Bench::new();
    for number in 0..=OLD_SESSIONS as u64 {
        bench.session = SessionId::from_number(number);
        bench.data(A, 1, 1);
    }
    bench.session = SessionId::from_number(0);
    bench.data(A, 2, 1);
    assert_eq!(bench.get(Counter::DiscardOldSession), 1);
    bench.session = SessionId::from_number(77);
    bench.data(A, 1, 1);
    bench.session = SessionId::from_number(0);
    bench.data(A, 2, 1);
    assert_eq!(bench.get(Counter::DiscardOldSession), 1);
    assert_eq!(bench.sequencer.session(), SessionId::from_number(0));
}

#[test]
fn an_end_with_everything_delivered() {
    let mut bench = Bench::new();
    bench.data(A, 1, 5);
    let items = bench.end(A, 6);
    assert_eq!(notices(&items), [Notice::Ended { last: SeqNo(5) }]);
    assert_eq!(bench.state(), State::Ended);
    assert_eq!(notices(&bench.end(B, 6)), []);
    bench.heartbeat(A, 6);
    bench.heartbeat(A, 9);
    assert_eq!(bench.state(), State::Ended);
    assert_eq!(notices(&bench.data(A, 4, 4)), []);
    assert_eq!((bench.get(Counter::Duplicate), bench.get(Counter::DiscardAfterEnd)), (2, 2));
    bench.wait(Nanos::from_secs(10));
    assert_eq!((bench.state(), bench.expected()), (State::Ended, 6));
    assert_eq!(bench.get(Counter::Ends), 2);
    bench.session = NEXT;
    bench.data(A, 1, 1);
    assert_eq!(bench.state(), State::InSync);
}

#[test]
fn an_end_with_numbers_missing() {
    let mut bench = Bench::new();
    bench.data(A, 1, 5);
    assert!(notices(&bench.end(A, 8)).iter().all(|n| matches!(n, Notice::GapOpened { .. })));
    assert_eq!(bench.state(), State::GapOpen);
    bench.wait(GRACE);
    assert_eq!(bench.state(), State::GapOutlived);
    let items = bench.data(B, 6, 4);
    assert_eq!(numbers(&items), [6, 7]);
    assert_eq!(notices(&items).last(), Some(&Notice::Ended { last: SeqNo(7) }));
    assert_eq!(items.last(), Some(&Item::Notice(Notice::Ended { last: SeqNo(7) })));
    assert_eq!(bench.get(Counter::DiscardAfterEnd), 2);
    assert_eq!(bench.state(), State::Ended);
}

#[test]
fn an_end_below_its_own_line_is_no_end() {
    let mut bench = Bench::new();
    bench.data(A, 1, 5);
    bench.end(A, 3);
    assert_eq!(bench.state(), State::InSync);
    assert_eq!(numbers(&bench.data(A, 6, 1)), [6]);
    // From a line that lags it is one, behind what the others delivered.
    bench.end(B, 3);
    assert_eq!((bench.state(), bench.expected()), (State::Ended, 7));
}

#[test]
fn an_empty_session_ends() {
    let mut bench = Bench::new();
    let items = bench.end(A, 1);
    assert_eq!(notices(&items)[1..], [Notice::Ended { last: SeqNo(0) }]);
    assert_eq!(bench.state(), State::Ended);
}

#[test]
fn an_end_is_all_that_is_heard() {
    let mut bench = Bench::new();
    bench.end(A, 50);
    assert_eq!(bench.state(), State::GapOpen);
    let items = bench.wait(GRACE);
    assert_eq!(notices(&items).last(), Some(&Notice::Ended { last: SeqNo(49) }));
    assert_eq!((bench.state(), bench.sequencer.whole()), (State::Ended, Wholeness::StartMissing));
}

#[test]
fn number_reset_at_number_one() {
    let mut bench = Bench::new();
    bench.data(A, 1, 50);
    bench.data(B, 1, 40);
    bench.data(A, 53, 2);
    bench.life = 1;
    let items = bench.data(A, 1, 3);
    assert_eq!(items[0], Item::Notice(RESTARTED));
    assert_eq!(numbers(&items), [1, 2, 3]);
    assert_eq!(bench.all.last().map(|last| last.bytes.clone()), Some(content(1, 3)));
    assert_eq!((bench.get(Counter::Restarts), bench.get(Counter::DiscardWithSession)), (1, 2));
    assert_eq!((bench.state(), bench.sequencer.whole()), (State::InSync, Wholeness::Whole));
    assert_eq!(bench.sequencer.session(), DAY);
    // B follows: first the tail of the old numbering, then the new one.
    bench.life = 0;
    let old = bench.data(B, 41, 2);
    assert_eq!(notices(&old), [Notice::OldSession { session: DAY, line: B }]);
    assert_eq!(notices(&bench.data(B, 43, 2)), []);
    bench.heartbeat(B, 45);
    assert_eq!(bench.get(Counter::DiscardOldSession), 4);
    bench.life = 1;
    bench.data(B, 1, 4);
    assert_eq!(bench.get(Counter::LinesDiffer), 0);
    assert_eq!((bench.expected(), bench.state()), (5, State::InSync));
    assert_eq!(bench.get(Counter::Restarts), 1);
}

#[test]
fn number_reset_at_number_one_long_after() {
    let mut bench = Bench::new();
    bench.bulk(A, 1, 3 * WINDOW);
    bench.wait(Nanos::from_secs(60));
    bench.life = 1;
    assert_eq!(notices(&bench.data(A, 1, 1)), [RESTARTED]);
}

#[test]
fn number_reset_shown_by_the_line_that_delivered_nothing() {
    // B is always second. Number 1 gives its restart away all the same.
    let mut bench = Bench::new();
    bench.data(A, 1, 9);
    bench.data(B, 1, 9);
    bench.life = 1;
    assert_eq!(notices(&bench.data(B, 1, 1)), [RESTARTED]);
    // And A, fenced at 10, joins as soon as it shows a number below.
    assert_eq!(numbers(&bench.data(A, 1, 2)), [2]);
}

#[test]
fn number_reset_seen_from_the_middle() {
    let mut bench = Bench::new();
    bench.data(A, 1, 50);
    bench.life = 1;
    // Numbers 1 to 9 of the new life are lost; 10 contradicts what the same line carried.
    let items = bench.data(A, 10, 2);
    assert_eq!(items[0], Item::Notice(RESTARTED));
    assert_eq!((bench.state(), bench.expected()), (State::GapOpen, 1));
    let items = bench.wait(GRACE);
    assert_eq!(numbers(&items), [10, 11]);
    assert_eq!(bench.sequencer.whole(), Wholeness::StartMissing);
}

#[test]
fn number_reset_contradicting_what_is_held() {
    let mut bench = Bench::new();
    bench.data(A, 1, 5);
    bench.data(A, 8, 3);
    bench.life = 1;
    assert_eq!(notices(&bench.data(A, 9, 1))[0], RESTARTED);
    assert_eq!(bench.get(Counter::DiscardWithSession), 3);
}

#[test]
fn number_reset_shown_by_a_heartbeat() {
    let mut bench = Bench::new();
    bench.data(A, 1, 50);
    // One that was overtaken by data is no restart.
    bench.heartbeat(A, 48);
    bench.now = bench.now + GRACE;
    bench.heartbeat(A, 48);
    assert_eq!(bench.get(Counter::Restarts), 0);
    // B's own numbers are B's.
    bench.wait(Nanos::from_millis(5));
    bench.heartbeat(B, 48);
    assert_eq!(bench.get(Counter::Restarts), 0);
    bench.heartbeat(B, 51);
    // One may have been overtaken by more than the grace, and come twice; one that follows more than a
    // grace later was not.
    assert_eq!(notices(&bench.heartbeat(A, 1)), []);
    assert_eq!(notices(&bench.heartbeat(A, 1)), []);
    bench.wait(GRACE);
    assert_eq!(notices(&bench.heartbeat(A, 1)), []);
    assert_eq!(bench.state(), State::InSync);
    bench.now = bench.now + Nanos(1);
    assert_eq!(notices(&bench.heartbeat(A, 1)), [RESTARTED]);
    assert_eq!((bench.state(), bench.sequencer.whole()), (State::InSync, Wholeness::Whole));
    assert_eq!(bench.expected(), 1);
    // To a number beyond 1: the start is missing.
    bench.data(A, 1, 9);
    bench.wait(Nanos::from_secs(1));
    bench.heartbeat(A, 4);
    bench.wait(GRACE + Nanos(1));
    assert_eq!(notices(&bench.heartbeat(A, 4))[0], RESTARTED);
    bench.wait(GRACE);
    assert_eq!((bench.expected(), bench.sequencer.whole()), (4, Wholeness::StartMissing));
    // The line counts from the restart on: one more is one.
    bench.data(A, 4, 2);
    bench.wait(Nanos::from_secs(1));
    assert_eq!(notices(&bench.end(A, 2)), []);
    bench.wait(GRACE + Nanos(1));
    assert_eq!(notices(&bench.end(A, 2))[0], RESTARTED, "ends show it just as well");
}

#[test]
fn late_heartbeats_that_are_not_in_a_row_are_no_restart() {
    let mut bench = Bench::new();
    bench.bulk(A, 1, 2 * WINDOW);
    bench.data(A, 2 * WINDOW + 3, 1);
    bench.data(B, 2 * WINDOW + 1, 5);
    let next = 2 * WINDOW + 4;
    bench.wait(Nanos::from_secs(1));
    for between in 0..6 {
        bench.wait(GRACE + Nanos(1));
        bench.heartbeat(A, 48);
        match between {
            // What agrees with the numbering: the next number as the line has it,
            0 => drop(bench.heartbeat(A, next)),
            // an end there would do as well, and so does a copy,
            1 => drop(bench.data(A, next - 1, 1)),
            2 => drop(bench.data(A, 1, 2)),
            // another line's copy that this line had left out,
            3 => drop(bench.data(A, next - 3, 2)),
            // and the line moving on, after which it isn't quiet for a grace.
            4 => {
                bench.data(A, next, 1);
                bench.heartbeat(A, 48);
                bench.now = bench.now + GRACE;
                bench.heartbeat(A, 48);
                bench.wait(Nanos::from_secs(1));
            }
            // Each line counts for itself.
            _ => drop(bench.heartbeat(B, 48)),
        }
        assert_eq!(bench.get(Counter::Restarts), 0, "{between}");
    }
    // Numbers nothing can be compared with leave it open; what was left behind isn't heard.
    bench.data(A, 5, 1);
    bench.wait(GRACE + Nanos(1));
    assert_eq!(notices(&bench.heartbeat(A, 6))[0], RESTARTED);
}

#[test]
fn a_late_heartbeat_and_a_filled_gap_are_no_restart() {
    let mut bench = Bench::new();
    bench.data(A, 1, 5);
    bench.data(A, 8, 1);
    bench.wait(Nanos::from_secs(1));
    bench.heartbeat(A, 3);
    bench.data(A, 6, 1);
    bench.wait(GRACE + Nanos(1));
    bench.heartbeat(A, 3);
    assert_eq!(bench.get(Counter::Restarts), 0);
    bench.wait(GRACE + Nanos(1));
    bench.heartbeat(A, 3);
    assert_eq!(bench.get(Counter::Restarts), 1);
}

#[test]
fn number_reset_out_of_the_fingerprints() {
    let mut bench = Bench::new();
    bench.bulk(A, 1, 2 * WINDOW);
    bench.wait(Nanos::from_secs(1));
    bench.life = 1;
    // Without number 1, and too far back to be compared: the third packet in a row tells.
    assert_eq!(notices(&bench.data(A, 5, 2)), []);
    assert_eq!(notices(&bench.data(A, 7, 2)), []);
    let items = bench.data(A, 9, 2);
    assert_eq!(items[0], Item::Notice(RESTARTED));
    assert_eq!(bench.get(Counter::Duplicate), 4);
    assert_eq!(numbers(&bench.wait(GRACE)), [9, 10]);
    assert_eq!(bench.sequencer.whole(), Wholeness::StartMissing);
}

#[test]
fn late_copies_out_of_the_fingerprints_are_no_restart() {
    let mut bench = Bench::new();
    bench.bulk(A, 1, 2 * WINDOW);
    bench.wait(Nanos::from_secs(1));
    // Not in a row.
    for first in [5, 9, 7, 20, 1] {
        bench.data(A, first, 2);
    }
    // In a row, with the line moving on in between.
    for step in 0..10 {
        bench.data(A, 5 + step * 2, 2);
        bench.data(A, 1 + 2 * WINDOW + step, 1);
        bench.wait(Nanos::from_secs(1));
    }
    // In a row, but within the grace of the line's last progress.
    bench.data(A, 11 + 2 * WINDOW, 1);
    for step in 0..10 {
        bench.data(A, 5 + step * 2, 2);
    }
    assert_eq!(bench.get(Counter::Restarts), 0);
}

#[test]
fn a_late_join_and_a_reset_without_number_one_known() {
    let mut bench = Bench::new();
    bench.data(A, 5000, 10);
    bench.wait(Nanos::from_secs(1));
    bench.life = 1;
    bench.data(A, 1, 2);
    bench.data(A, 3, 2);
    assert_eq!(bench.get(Counter::DiscardTooLate), 4);
    assert_eq!(notices(&bench.data(A, 5, 2))[0], RESTARTED);
}

#[test]
fn a_late_fill_of_what_was_given_up_is_no_restart() {
    let mut bench = Bench::new();
    bench.data(A, 1, 1);
    bench.bulk(A, 100, 2 * WINDOW);
    assert_eq!(bench.sequencer.whole(), Wholeness::LostInside);
    bench.wait(Nanos::from_secs(1));
    for first in (2..100).step_by(2) {
        bench.data(A, first, 2);
    }
    assert_eq!(bench.get(Counter::Restarts), 0);
    assert_eq!(bench.get(Counter::DiscardTooLate), 98);
}

#[test]
fn a_fence_stands_for_the_session_grace() {
    let mut bench = Bench::new();
    bench.data(A, 1, 50);
    bench.data(B, 1, 50);
    bench.life = 1;
    bench.data(A, 1, 1);
    bench.now = bench.now + SESSION_GRACE;
    // B was silent through the restart and the first 60 numbers of the new life.
    bench.data(A, 2, 59);
    bench.data(B, 61, 1);
    assert_eq!((bench.expected(), bench.get(Counter::DiscardOldSession)), (62, 0));
}

#[test]
fn a_fence_holds_through_a_second_restart() {
    let mut bench = Bench::new();
    bench.data(A, 1, 50);
    bench.data(B, 1, 50);
    bench.life = 1;
    bench.data(A, 1, 3);
    bench.life = 2;
    bench.data(A, 1, 3);
    assert_eq!(bench.get(Counter::Restarts), 2);
    bench.life = 0;
    bench.data(B, 51, 3);
    assert_eq!(bench.get(Counter::DiscardOldSession), 3);
    // A new session has no fences.
    (bench.session, bench.life) = (NEXT, 3);
    bench.data(B, 51, 3);
    assert_eq!(bench.get(Counter::DiscardOldSession), 3);
}

/// A line that comes to the first beginning behind the second brings numbers as low as the new ones: they are
/// refused, until it brings what the new ones are known to have, or no line can lag so far any more.
#[test]
fn a_line_that_lags_behind_two_restarts_is_not_taken_for_the_second() {
    let lagging = || {
        let mut bench = Bench::new();
        bench.data(A, 1, 50);
        bench.data(B, 1, 50);
        for life in 1..3 {
            bench.life = life;
            bench.data(A, 1, 9);
        }
        bench.life = 1;
        bench.data(B, 1, 12);
        assert_eq!((bench.expected(), bench.get(Counter::Restarts)), (10, 2));
        assert_eq!(bench.get(Counter::DiscardOldSession), 12, "of in between");
        bench
    };
    let mut bench = lagging();
    bench.life = 2;
    bench.data(B, 1, 12);
    assert_eq!(
        (bench.expected(), bench.get(Counter::LinesDiffer)),
        (13, 0),
        "they are known, and more"
    );
    let mut bench = lagging();
    bench.now = bench.now + SESSION_GRACE;
    bench.life = 2;
    bench.data(B, 10, 3);
    assert_eq!((bench.expected(), bench.get(Counter::Restarts)), (13, 2), "none lags for so long");
}

#[test]
fn a_line_heard_for_the_first_time_is_never_fenced() {
    let mut bench = Bench::new();
    bench.data(A, 1, 50);
    bench.heartbeat(C, 1);
    bench.life = 1;
    bench.data(A, 1, 5);
    bench.data(B, 4, 5);
    bench.data(C, 9, 1);
    assert_eq!((bench.expected(), bench.get(Counter::DiscardOldSession)), (10, 0));
}

#[test]
fn a_restart_revives_an_ended_session() {
    let mut bench = Bench::new();
    bench.data(A, 1, 50);
    bench.end(A, 51);
    assert_eq!(bench.state(), State::Ended);
    bench.life = 1;
    bench.wait(Nanos::from_secs(1));
    assert_eq!(notices(&bench.data(A, 1, 2)), [RESTARTED]);
    assert_eq!(bench.state(), State::InSync);
}

#[test]
fn late_copies_of_the_old_numbering_are_not_taken_for_the_new_one() {
    let mut bench = Bench::new();
    bench.data(A, 1, 50);
    bench.data(B, 1, 40);
    bench.life = 1;
    bench.data(A, 1, 2);
    // Every packet comes twice and the last ones are overtaken by the first of the new life.
    bench.life = 0;
    assert_eq!(bench.data(A, 49, 2), []);
    assert_eq!(bench.data(A, 3, 2), []);
    // B's copy lies below its own next number and still does not pass for the new numbering.
    assert_eq!(bench.data(B, 30, 2), []);
    assert_eq!(notices(&bench.data(B, 41, 2)).len(), 1);
    assert_eq!(bench.get(Counter::DiscardOldSession), 8);
    // Where nothing was on its way, the same bytes again are the new numbering's own.
    let mut quiet = Bench::new();
    quiet.data(A, 1, 50);
    quiet.wait(Nanos::from_millis(2));
    quiet.messages(A, 1, &[content(1, 1)]);
    assert_eq!(numbers(&quiet.data(A, 2, 3)), [2, 3, 4]);

    bench.life = 1;
    assert_eq!(numbers(&bench.data(B, 1, 60)), (3..=60).collect::<Vec<_>>());
    assert_eq!((bench.get(Counter::Restarts), bench.get(Counter::LinesDiffer)), (1, 0));
}

#[test]
fn a_new_session_right_after_a_restart_is_compared_with_nothing() {
    let mut bench = Bench::new();
    bench.data(A, 1, 50);
    bench.life = 1;
    bench.data(A, 1, 2);
    (bench.session, bench.life) = (NEXT, 0);
    bench.data(A, 1, 1);
    assert_eq!(numbers(&bench.data(A, 2, 1)), [2]);
}

#[test]
fn a_late_fill_behind_a_missing_start_is_no_restart() {
    let mut bench = Bench::new();
    bench.heartbeat(A, 50);
    bench.wait(GRACE);
    assert_eq!(bench.sequencer.whole(), Wholeness::StartMissing);
    bench.data(A, 50 + 2 * WINDOW, 1);
    assert_eq!(bench.sequencer.whole(), Wholeness::LostInside);
    bench.wait(Nanos::from_secs(1));
    for first in [50, 52, 54, 56] {
        bench.data(A, first, 2);
    }
    assert_eq!((bench.get(Counter::Restarts), bench.get(Counter::DiscardTooLate)), (0, 8));
}

#[test]
fn what_could_not_be_held_and_comes_again_is_no_restart() {
    let mut bench = Bench::new();
    let long = vec![7; HELD_MESSAGE_BYTES + 1];
    bench.data(A, 1, 1);
    for _ in 0..2 {
        for seq in 3..8 {
            bench.messages(A, seq, std::slice::from_ref(&long));
        }
        bench.wait(Nanos::from_secs(1));
    }
    assert_eq!((bench.get(Counter::Restarts), bench.expected()), (0, 2));
    assert_eq!(bench.get(Counter::DiscardTooLongToHold), 10);
}

#[test]
fn a_start_that_is_missing_is_not_filled_with_another_run() {
    let keep = Config { keep_start: true, start_limit: 1_000, ..common::CONFIG };
    for number in [1, 5] {
        let mut bench = Bench::with(keep);
        bench.data(A, 100, 10);
        bench.wait(SESSION_GRACE);
        assert_eq!(bench.state(), State::GapOutlived);
        bench.life = 1;
        let items = bench.data(A, number, 3);
        assert!(!bench.vouched() || number == 1);
        if number == 1 {
            assert_eq!(notices(&items), [RESTARTED]);
            assert_eq!(numbers(&items), [1, 2, 3]);
            continue;
        }
        // Nothing says what it is; what it says is not believed.
        assert_eq!((numbers(&items), bench.get(Counter::DiscardTooLate)), (vec![], 3));
        // Nor is another line, which may have begun again as well; the service knows.
        bench.life = 0;
        bench.data(B, 1, 99);
        assert_eq!((bench.expected(), bench.get(Counter::DiscardTooLate)), (1, 102));
        bench.retransmit(1, 99);
        assert_eq!((bench.state(), bench.expected()), (State::InSync, 110));
    }
}

/// A lane that stood still looks at all of it in one instant.
#[test]
fn a_start_is_as_late_as_it_arrived() {
    let keep = Config { keep_start: true, start_limit: 1_000, ..common::CONFIG };
    let stood = Nanos::from_millis(350);
    for (behind, taken) in [(GRACE, vec![1, 2, 3]), (Nanos(GRACE.0 + 1), vec![])] {
        let mut bench = Bench::with(keep);
        bench.waited = stood;
        bench.data(A, 4, 6);
        bench.waited = Nanos(stood.0 - behind.0);
        let items = bench.data(B, 1, 3);
        let all: Vec<u64> = taken.iter().copied().chain(4..10).collect();
        assert_eq!(numbers(&items), if taken.is_empty() { vec![] } else { all });
        assert_eq!(bench.get(Counter::DiscardTooLate), 3 - taken.len() as u64);
    }
}

/// Which of two sessions that are heard within the time by which a line lags is the newer nobody knows, however long
/// after it a lane that stood still looks at the second.
#[test]
fn sessions_are_as_far_apart_as_they_arrived() {
    let stood = Nanos(SESSION_GRACE.0 + 1_000_000);
    for (behind, settled) in [(Nanos(SESSION_GRACE.0 - 1), false), (SESSION_GRACE, true)] {
        let mut bench = Bench::new();
        bench.session = NEXT;
        bench.data(A, 1, 5);
        bench.wait(stood);
        // B lags, and brings the session before.
        bench.waited = Nanos(stood.0 - behind.0);
        (bench.session, bench.life) = (DAY, 1);
        bench.data(B, 1, 5);
        assert_eq!(bench.sequencer.session(), DAY);
        let now = bench.now;
        assert_eq!(bench.sequencer.contested_until(now).is_none(), settled);
    }
}

//! What goes wrong with snapshots, by name.

mod common;

use candor_core::counters::Counter;
use candor_core::{Action, Nanos, Refusal, SeqNo, SeqRange, SnapshotPart};
use candor_snapshot::{Failure, State, Step};
use common::{Bench, CONFIG, DAY, NEXT, Said, failed, message};

/// A bench whose snapshot was asked for; 10 is needed and the stream's next number.
fn asked() -> Bench {
    let mut bench = Bench::new();
    bench.hold_from(10);
    bench.want(10);
    bench.take();
    bench
}

fn splice(next: u64, replay: impl IntoIterator<Item = u64>) -> Said {
    Said::Splice { next, replay: replay.into_iter().collect() }
}

fn dropped(cycle: u32) -> Said {
    Said::Action(Action::DropSnapshot { cycle })
}

#[test]
fn everyone_missed_46() {
    let mut bench = Bench::new();
    (bench.expected, bench.known_end) = (47, 47);
    bench.hold_from(47);
    bench.want(47);
    let ask = bench.ask.unwrap();
    assert_eq!((ask.cycle, ask.session, ask.needs), (1, DAY, SeqNo(47)));
    assert_eq!((ask.opened, ask.expires), (bench.now, bench.now + CONFIG.begin));
    bench.stream_to(50);
    bench.snapshot(48);
    assert_eq!(bench.verdict(), splice(48, 48..50));
    assert_eq!(bench.state(), State::Idle);
    assert!(!bench.snapshots.is_holding());
    assert_eq!(bench.count(Counter::SnapshotRequests), 1);
    assert_eq!(bench.count(Counter::SnapshotsSpliced), 1);
    assert_eq!(bench.snapshots.deadline(), None);
}

#[test]
fn snapshot_older_than_gap() {
    let mut bench = asked();
    bench.stream_to(20);
    bench.snapshot(9);
    assert_eq!(bench.verdict(), Said::Unusable(Failure::TooOld));
    assert_eq!(bench.count(Counter::SnapshotsUnusable), 1);
    // It waits for the next, and holds on meanwhile.
    assert_eq!(bench.state(), State::Waiting);
    bench.stream_to(25);
    bench.wait(CONFIG.retry);
    assert_eq!(bench.ask.map(|ask| ask.cycle), Some(2));
    bench.snapshot(15);
    assert_eq!(bench.verdict(), splice(15, 15..25));
}

#[test]
fn two_too_old_in_a_row_are_a_number_that_was_never_the_venues() {
    let mut bench = asked();
    // A corrupt packet has shown a number far away: what lies before it is given up.
    bench.lose_to(1_000_000);
    bench.want(1_000_000);
    bench.snapshot(12);
    assert_eq!(bench.verdict(), Said::Unusable(Failure::TooOld));
    bench.wait(CONFIG.retry);
    bench.snapshot(14);
    assert_eq!(bench.verdict(), Said::Resync { next: 14 });
    assert_eq!(bench.state(), State::Idle);
    assert!(!bench.snapshots.is_holding());
    // The first of another want stands alone again.
    bench.lose_to(2_000_000);
    bench.hold_from(2_000_000);
    bench.want(2_000_000);
    bench.snapshot(16);
    assert_eq!(bench.verdict(), Said::Unusable(Failure::TooOld));
}

#[test]
fn a_service_that_goes_backwards_carries_nothing_away() {
    let mut bench = asked();
    bench.lose_to(100);
    bench.want(100);
    for next in [50, 40, 30] {
        bench.snapshot(next);
        assert_eq!(bench.verdict(), Said::Unusable(Failure::TooOld));
        bench.wait_for_deadline();
    }
    bench.snapshot(30);
    assert_eq!(bench.verdict(), Said::Resync { next: 30 });
}

#[test]
fn too_old_then_of_other_numbers_then_too_old_is_not_in_a_row() {
    let mut bench = asked();
    bench.lose_to(100);
    bench.want(100);
    bench.snapshot(50);
    assert_eq!(bench.verdict(), Said::Unusable(Failure::TooOld));
    bench.wait(CONFIG.retry);
    bench.snapshot(500);
    assert_eq!(bench.verdict(), Said::Wait);
    bench.wait_for_deadline();
    assert_eq!(bench.state(), State::Waiting);
    bench.wait_for_deadline();
    bench.snapshot(50);
    assert_eq!(bench.verdict(), Said::Unusable(Failure::TooOld));
}

#[test]
fn join_mid_cycle_parts_of_another_cycle() {
    let mut bench = asked();
    assert_eq!(bench.begin(), Step::Begin);
    assert_eq!(bench.messages(), Step::Take);
    bench.take();
    bench.wait_for_deadline();
    assert_eq!(bench.take(), [failed(Failure::Hung), dropped(1)]);
    // The late end of the first cycle completes neither the wait nor the second cycle.
    let end = SnapshotPart::End { next: SeqNo(10) };
    assert_eq!(bench.part(1, &end), Step::Ignore);
    bench.wait(CONFIG.retry);
    assert_eq!(bench.begin(), Step::Begin);
    let late = SnapshotPart::Messages(common::image());
    assert_eq!(bench.part(1, &late), Step::Ignore);
    assert_eq!(bench.part(1, &end), Step::Ignore);
    assert_eq!(bench.part(1, &SnapshotPart::Failed(Refusal::Closed)), Step::Ignore);
    assert_eq!(bench.state(), State::Loading);
    assert_eq!(bench.verdict(), Said::Wait);
    assert_eq!(bench.messages(), Step::Take);
    assert_eq!(bench.end(10), Step::Check);
    assert_eq!(bench.verdict(), splice(10, []));
    // Nor does anything bring back a cycle that was spliced.
    assert_eq!(bench.part(2, &SnapshotPart::Begin { session: DAY }), Step::Ignore);
    assert_eq!(bench.state(), State::Idle);
}

#[test]
fn a_snapshot_that_starts_over_half_way_is_not_used() {
    let mut bench = asked();
    let _ = bench.begin();
    let _ = bench.messages();
    assert_eq!(bench.begin(), Step::Failed(Failure::OutOfOrder));
    assert_eq!(bench.end(10), Step::Ignore);
    assert_eq!(bench.verdict(), Said::Wait);
}

#[test]
fn snapshot_races_increments() {
    // Each number the image may end before, each number the lines may have shown by then.
    for next in 5..30 {
        for before in 10..20 {
            for shown in before..30 {
                let mut bench = asked();
                bench.stream_to(before);
                let _ = bench.begin();
                bench.stream_to(shown);
                let _ = bench.messages();
                let _ = bench.end(next);
                let verdict = bench.verdict();
                let expected = if next < 10 {
                    Said::Unusable(Failure::TooOld)
                } else if next > shown {
                    Said::Wait
                } else {
                    splice(next, next..shown)
                };
                assert_eq!(verdict, expected, "{next} {before} {shown}");
                if verdict == Said::Wait {
                    bench.stream_to(next - 1);
                    assert_eq!(bench.verdict(), Said::Wait);
                    bench.stream_to(next);
                    assert_eq!(bench.verdict(), splice(next, []));
                }
            }
        }
    }
}

#[test]
fn a_snapshot_within_the_gap_splices_behind_it() {
    // 10 to 19 are missing and not given up: the stream has delivered nothing beyond 9.
    let mut bench = Bench::new();
    bench.known_end = 25;
    bench.want(20);
    bench.snapshot(22);
    assert_eq!(bench.verdict(), splice(22, []));
    assert_eq!(bench.expected, 22);
}

#[test]
fn a_heartbeat_confirms_the_number_as_well_as_a_message() {
    let mut bench = asked();
    bench.snapshot(12);
    assert_eq!(bench.verdict(), Said::Wait);
    bench.known_end = 11;
    assert_eq!(bench.verdict(), Said::Wait);
    bench.known_end = 12;
    assert_eq!(bench.verdict(), splice(12, []));
}

#[test]
fn confirm_runs_out() {
    let mut bench = asked();
    bench.snapshot(1_000);
    assert_eq!(bench.verdict(), Said::Wait);
    bench.stream_to(20);
    bench.wait(Nanos(CONFIG.confirm.0 - 1));
    assert_eq!(bench.verdict(), Said::Wait);
    bench.take();
    bench.wait(Nanos(1));
    assert_eq!(bench.take(), [failed(Failure::Unconfirmed)]);
    assert_eq!(bench.count(Counter::SnapshotsUnusable), 1);
    // Reached too late, it is of no use.
    bench.known_end = 1_000;
    assert_eq!(bench.verdict(), Said::Wait);
}

#[test]
fn holdback_full() {
    let mut bench = asked();
    let _ = bench.begin();
    bench.take();
    let bytes = CONFIG.holdback_bytes as u64;
    bench.stream_to(10 + bytes);
    // Once, though many more came: the cycle failed, and nothing grew.
    assert_eq!(bench.take(), [failed(Failure::HoldbackFull), dropped(1)]);
    assert_eq!(bench.count(Counter::HoldbackFull), 1);
    assert_eq!(bench.count(Counter::SnapshotsFailed), 1);
    assert_eq!(bench.state(), State::Waiting);
    assert!(bench.held().len() < bytes / 10);
    assert_eq!(bench.held().end, SeqNo(10 + bytes));
    // What the lines carry while nothing runs makes room without a word.
    bench.stream_to(10 + 2 * bytes);
    assert_eq!(bench.take(), []);
    // The next cycle has all the room there is: what came before its request may go.
    bench.wait(CONFIG.retry);
    let room = bench.held().len();
    bench.stream_to(bench.expected + room * 2 / 3);
    assert_eq!(bench.begin(), Step::Begin);
    assert_eq!(bench.messages(), Step::Take);
    let next = bench.expected - 3;
    assert_eq!(bench.end(next), Step::Check);
    // Now only what lies behind the snapshot is needed.
    bench.stream_to(next + room * 2 / 3);
    assert_eq!(bench.verdict(), splice(next, next..bench.expected));
    assert_eq!(bench.count(Counter::HoldbackFull), 1);
}

#[test]
fn a_message_longer_than_the_holdback_fails_the_cycle_alone() {
    let mut bench = asked();
    let _ = bench.begin();
    bench.take();
    let Bench { snapshots, counters, now, .. } = &mut bench;
    let step = snapshots.hold(*now, SeqNo(10), &[0; 65_535], counters);
    assert_eq!(step, Step::Failed(Failure::HoldbackFull));
    bench.expected = 11;
    assert_eq!(bench.held(), SeqRange::between(SeqNo(11), SeqNo(11)));
    bench.stream_to(13);
    bench.wait(CONFIG.retry);
    bench.snapshot(11);
    assert_eq!(bench.verdict(), splice(11, 11..13));
}

#[test]
fn a_holdback_of_nothing_still_splices_at_the_streams_number() {
    let mut bench = Bench::with(candor_snapshot::Config { holdback_bytes: 0, ..CONFIG });
    bench.want(10);
    bench.snapshot(10);
    assert_eq!(bench.verdict(), splice(10, []));
    bench.want(10);
    let _ = bench.begin();
    bench.stream_to(11);
    assert_eq!(bench.count(Counter::HoldbackFull), 1);
}

#[test]
fn gap_in_recovery() {
    let mut bench = asked();
    let _ = bench.begin();
    bench.stream_to(15);
    // 15 to 19 are lost as well: the snapshot under way would do if it was made late enough.
    bench.lose_to(20);
    bench.want(20);
    assert_eq!(bench.snapshots.needs(), Some(SeqNo(20)));
    assert_eq!(bench.messages(), Step::Take);
    assert_eq!(bench.end(18), Step::Check);
    bench.stream_to(30);
    assert_eq!(bench.verdict(), Said::Unusable(Failure::TooOld));
    bench.wait(CONFIG.retry);
    assert_eq!(bench.ask.map(|ask| ask.needs), Some(SeqNo(20)));
    bench.snapshot(20);
    assert_eq!(bench.verdict(), splice(20, 20..30));
}

#[test]
fn a_gap_between_the_end_and_the_splice() {
    let mut bench = asked();
    bench.snapshot(14);
    assert_eq!(bench.verdict(), Said::Wait);
    bench.lose_to(15);
    bench.want(15);
    assert_eq!(bench.verdict(), Said::Unusable(Failure::TooOld));
    assert_eq!(bench.snapshots.needs(), Some(SeqNo(15)));
}

#[test]
fn needs_never_shrink() {
    let mut bench = asked();
    bench.want(15);
    bench.want(12);
    assert_eq!(bench.snapshots.needs(), Some(SeqNo(15)));
    bench.stream_to(20);
    bench.snapshot(14);
    assert_eq!(bench.verdict(), Said::Unusable(Failure::TooOld));
}

#[test]
fn holding_began_too_late() {
    let mut bench = Bench::new();
    bench.want(10);
    bench.stream_to(20);
    // The image was made before it began to arrive, and nothing was held back by then.
    bench.snapshot(18);
    assert_eq!(bench.verdict(), Said::Unusable(Failure::NotHeld));
    bench.stream_to(22);
    bench.wait(CONFIG.retry);
    bench.snapshot(20);
    assert_eq!(bench.verdict(), splice(20, 20..22));
}

#[test]
fn session_change_mid_load() {
    let mut bench = asked();
    let _ = bench.begin();
    let _ = bench.messages();
    bench.take();
    bench.reset();
    assert_eq!(bench.take(), [dropped(1)]);
    assert!(!bench.snapshots.is_holding());
    assert_eq!(bench.count(Counter::HeldBack), 0);
    bench.session = NEXT;
    (bench.expected, bench.known_end) = (3, 3);
    // What is left of the old session's snapshot is nobody's.
    assert_eq!(bench.part(1, &SnapshotPart::End { next: SeqNo(10) }), Step::Ignore);
    bench.want(3);
    assert_eq!(bench.part(1, &SnapshotPart::End { next: SeqNo(10) }), Step::Ignore);
    let ask = bench.ask.unwrap();
    assert_eq!((ask.cycle, ask.session), (2, NEXT));
    bench.snapshot(3);
    assert_eq!(bench.verdict(), splice(3, []));
}

#[test]
fn a_snapshot_of_another_session() {
    let mut bench = asked();
    let begin = SnapshotPart::Begin { session: NEXT };
    assert_eq!(bench.part(1, &begin), Step::Failed(Failure::OtherSession));
    // The session followed has changed and nobody said so: still not that of the request.
    bench.wait(CONFIG.retry);
    bench.session = NEXT;
    assert_eq!(bench.part(2, &begin), Step::Failed(Failure::OtherSession));
    assert_eq!(bench.count(Counter::SnapshotsFailed), 2);
}

#[test]
fn a_service_that_never_answers() {
    let mut bench = asked();
    let mut waits = Vec::new();
    for cycle in 1..=7 {
        assert_eq!(bench.ask.unwrap().cycle, cycle);
        bench.take();
        bench.wait(CONFIG.begin);
        assert_eq!(bench.take(), [failed(Failure::NoBegin), dropped(cycle)]);
        let since = bench.now;
        bench.wait_for_deadline();
        waits.push(bench.now.since(since).0 / 1_000_000);
    }
    assert_eq!(waits, [10, 20, 40, 80, 100, 100, 100]);
    // Success makes it brief again.
    bench.snapshot(10);
    assert_eq!(bench.verdict(), splice(10, []));
    bench.want(10);
    bench.take();
    bench.wait(CONFIG.begin);
    assert_eq!(bench.snapshots.deadline(), Some(bench.now + CONFIG.retry));
}

#[test]
fn a_service_that_hangs_half_way() {
    let mut bench = asked();
    let _ = bench.begin();
    bench.wait(Nanos(CONFIG.idle.0 - 1));
    assert_eq!(bench.messages(), Step::Take);
    bench.wait(Nanos(CONFIG.idle.0 - 1));
    assert_eq!(bench.state(), State::Loading);
    bench.wait(Nanos(1));
    assert_eq!(bench.state(), State::Waiting);
    assert_eq!(bench.count(Counter::SnapshotsFailed), 1);
}

#[test]
fn a_service_that_answers_and_never_ends() {
    let mut bench = asked();
    let _ = bench.begin();
    let since = bench.now;
    bench.take();
    bench.dribble();
    assert_eq!(bench.take(), [failed(Failure::TooLong), dropped(1)]);
    assert_eq!(bench.now.since(since), CONFIG.whole);
}

#[test]
fn a_login_that_was_refused_is_not_tried_again_at_once() {
    for (why, wait) in [
        (Refusal::LoginRefused, CONFIG.retry_max),
        (Refusal::Quota, CONFIG.retry_max),
        (Refusal::Busy, CONFIG.retry),
        (Refusal::NotYet, CONFIG.retry),
    ] {
        let mut bench = asked();
        assert_eq!(bench.part(1, &SnapshotPart::Failed(why)), Step::Failed(Failure::Refused(why)));
        // The service is done with it: there is nothing to drop.
        assert_eq!(bench.take(), [failed(Failure::Refused(why))]);
        assert_eq!(bench.snapshots.deadline(), Some(bench.now + wait));
    }
}

#[test]
fn wanting_and_not_wanting_is_no_way_round_the_back_off() {
    let mut bench = Bench::new();
    bench.want(10);
    let _ = bench.part(1, &SnapshotPart::Failed(Refusal::Busy));
    bench.unwant();
    assert_eq!(bench.state(), State::Idle);
    bench.want(10);
    assert_eq!(bench.state(), State::Waiting);
    bench.unwant();
    bench.wait(CONFIG.retry);
    bench.want(10);
    assert_eq!(bench.state(), State::Asked);
}

#[test]
fn not_wanted_any_more() {
    let mut bench = Bench::new();
    bench.want(10);
    bench.take();
    bench.unwant();
    assert_eq!(bench.take(), [dropped(1)]);
    assert_eq!(bench.begin(), Step::Ignore);
    // Once it has begun the books are gone, so it must come to its end.
    bench.want(10);
    let _ = bench.begin();
    bench.take();
    bench.unwant();
    assert_eq!(bench.take(), [Said::Stays]);
    assert_eq!(bench.end(10), Step::Check);
    assert_eq!(bench.verdict(), splice(10, []));
}

#[test]
fn an_ask_that_was_not_said_yet_is_taken_back_without_a_word() {
    let Bench { mut snapshots, mut counters, now, .. } = Bench::new();
    snapshots.want(now, DAY, SeqNo(10), &mut counters);
    assert!(snapshots.unwant(now));
    assert_eq!(snapshots.next_action(), None);
    snapshots.want(now, DAY, SeqNo(10), &mut counters);
    snapshots.want(now, DAY, SeqNo(12), &mut counters);
    let Some(Action::Snapshot(ask)) = snapshots.next_action() else {
        panic!("nothing is asked for");
    };
    assert_eq!((ask.cycle, ask.needs), (2, SeqNo(12)));
    assert_eq!(snapshots.next_action(), None);
}

#[test]
fn a_replay_in_parts_while_the_stream_goes_on() {
    let mut bench = asked();
    bench.stream_to(20);
    bench.snapshot(12);
    let Bench { snapshots, counters, now, .. } = &mut bench;
    let verdict = snapshots.verdict(*now, SeqNo(20), SeqNo(20), counters);
    let candor_snapshot::Verdict::Splice(splice) = verdict else { panic!("{verdict:?}") };
    for seq in 12..18 {
        assert_eq!(snapshots.take_held(&splice), Some((SeqNo(seq), &message(seq)[..])));
    }
    bench.stream_to(22);
    for seq in 18..22 {
        assert_eq!(bench.snapshots.take_held(&splice), Some((SeqNo(seq), &message(seq)[..])));
    }
    assert_eq!(bench.snapshots.take_held(&splice), None);
    bench.snapshots.done(bench.now, splice, &mut bench.counters);
    assert_eq!(bench.state(), State::Idle);
}

#[test]
fn what_is_replayed_already_makes_room_for_the_stream() {
    let mut bench = asked();
    let room = CONFIG.holdback_bytes as u64 / 20;
    bench.stream_to(10 + room);
    bench.snapshot(10);
    let Bench { snapshots, counters, now, .. } = &mut bench;
    let verdict = snapshots.verdict(*now, SeqNo(10 + room), SeqNo(10 + room), counters);
    let candor_snapshot::Verdict::Splice(splice) = verdict else { panic!("{verdict:?}") };
    for seq in 10..10 + 5 * room {
        bench.stream_to(seq + room + 1);
        assert_eq!(bench.snapshots.take_held(&splice), Some((SeqNo(seq), &message(seq)[..])));
    }
    // More than fits at once: the splice is off, and with it the cycle.
    bench.stream_to(bench.expected + 4 * room);
    assert_eq!(bench.state(), State::Waiting);
    assert_eq!(bench.count(Counter::HoldbackFull), 1);
}

#[test]
fn time_that_goes_back_does_no_harm() {
    let mut bench = asked();
    bench.wait(Nanos(CONFIG.begin.0 / 2));
    bench.want(10);
    bench.now = bench.ask.unwrap().opened;
    let _ = bench.begin();
    let due = bench.snapshots.deadline().unwrap();
    // As of the latest time that was ever heard.
    assert_eq!(due, bench.now + Nanos(CONFIG.begin.0 / 2) + CONFIG.idle);
}

mod broken_callers {
    use super::*;

    #[test]
    #[should_panic(expected = "a gap opened behind the snapshot")]
    fn a_gap_between_verdict_and_done() {
        let mut bench = asked();
        bench.snapshot(10);
        let Bench { mut snapshots, mut counters, now, .. } = bench;
        let verdict = snapshots.verdict(now, SeqNo(10), SeqNo(10), &mut counters);
        let candor_snapshot::Verdict::Splice(splice) = verdict else { panic!("{verdict:?}") };
        snapshots.want(now, DAY, SeqNo(11), &mut counters);
        snapshots.done(now, splice, &mut counters);
    }

    #[test]
    #[should_panic(expected = "no snapshot is loaded")]
    fn a_splice_kept_over_a_reset() {
        let mut bench = asked();
        bench.snapshot(10);
        let Bench { mut snapshots, mut counters, now, .. } = bench;
        let verdict = snapshots.verdict(now, SeqNo(10), SeqNo(10), &mut counters);
        let candor_snapshot::Verdict::Splice(splice) = verdict else { panic!("{verdict:?}") };
        snapshots.reset(now, &mut counters);
        snapshots.done(now, splice, &mut counters);
    }

    #[test]
    #[should_panic(expected = "held messages leave no number out")]
    fn a_number_left_out_of_the_holdback() {
        let mut bench = asked();
        bench.stream_to(12);
        bench.expected = 13;
        bench.stream_to(14);
    }

    #[test]
    #[should_panic(expected = "what was delivered meanwhile is held")]
    fn a_message_delivered_and_not_held() {
        let mut bench = asked();
        bench.snapshot(10);
        (bench.expected, bench.known_end) = (11, 11);
        bench.verdict();
    }

    #[test]
    #[should_panic(expected = "a snapshot of another session is wanted")]
    fn a_session_that_changed_without_a_reset() {
        let mut bench = asked();
        bench.session = NEXT;
        bench.want(10);
    }
}

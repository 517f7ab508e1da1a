//! The scenarios of lines, gaps and late copies, by their names.

mod common;

use candor_core::counters::Counter;
use candor_core::limits::{HELD_MESSAGE_BYTES, LINE_GAPS, OPEN_GAPS, WINDOW_MESSAGES};
use candor_core::{LossKind, Nanos, SeqNo};
use candor_gapfill::{Notice, State, Wholeness};
use common::{A, B, Bench, C, GRACE, content, losses, notices, numbers, range};

const WINDOW: u64 = WINDOW_MESSAGES as u64;

#[test]
fn gap_one_line() {
    let mut bench = Bench::new();
    let mut lost = 0;
    for packet in 0..1000u64 {
        let first = 1 + packet * 3;
        let dropped = packet > 0 && packet % 20 == 0;
        if !dropped {
            bench.data(A, first, 3);
        }
        bench.wait(Nanos::from_micros(20));
        bench.data(B, first, 3);
        bench.wait(Nanos::from_micros(80));
        assert_eq!(bench.state(), State::InSync);
        lost += if dropped { 3 } else { 0 };
    }
    bench.wait(Nanos::from_secs(1));
    assert_eq!(bench.numbers(), (1..=3000).collect::<Vec<_>>());
    assert_eq!(bench.get(Counter::LostOnA), lost);
    assert_eq!(bench.get(Counter::LostOnB), 0);
    assert_eq!(bench.get(Counter::GapsOpened), 0);
    assert_eq!(bench.get(Counter::Duplicate), 3000 - lost);
    assert_eq!(bench.get(Counter::PacketsA), 1000 - lost / 3);
    assert_eq!(bench.get(Counter::PacketsB), 1000);
    assert_eq!(bench.sequencer.whole(), Wholeness::Whole);
}

#[test]
fn gap_one_line_is_said_with_the_line_that_filled_it() {
    let mut bench = Bench::new();
    bench.data(A, 1, 2);
    bench.data(B, 1, 4);
    assert_eq!(losses(&bench.data(A, 5, 1)), []);
    let said = losses(&bench.wait(GRACE));
    assert_eq!(said, [(LossKind::OneLine, range(3, 5), Some(A), Some(B))]);
    assert_eq!(bench.sequencer.deadline(), None);
}

#[test]
fn a_line_that_is_overtaken_by_itself_lost_nothing() {
    let mut bench = Bench::new();
    bench.data(A, 1, 2);
    bench.data(B, 1, 4);
    bench.data(A, 4, 1);
    bench.data(A, 3, 1);
    bench.wait(Nanos::from_secs(1));
    assert_eq!(bench.get(Counter::LostOnA), 0);
}

#[test]
fn gap_both_lines() {
    let mut bench = Bench::new();
    bench.data(A, 1, 4);
    bench.data(B, 1, 4);
    let opened = bench.now;
    let items = bench.data(A, 6, 2);
    assert_eq!(notices(&items), [Notice::GapOpened { range: range(5, 6), at: opened }]);
    bench.data(B, 6, 2);
    assert_eq!((bench.state(), bench.get(Counter::Held)), (State::GapOpen, 2));
    assert_eq!(bench.sequencer.deadline(), Some(opened + GRACE));

    assert_eq!(bench.wait(Nanos(GRACE.0 - 1)), []);
    assert_eq!(bench.state(), State::GapOpen);
    let items = bench.wait(Nanos(1));
    assert_eq!(losses(&items), [(LossKind::GapOutlived, range(5, 6), None, None)]);
    assert_eq!((bench.state(), bench.expected()), (State::GapOutlived, 5));
    assert_eq!(bench.sequencer.known_end(), SeqNo(8));

    bench.wait(Nanos::from_millis(300));
    let items = bench.data(B, 5, 1);
    let Notice::Loss(loss) = notices(&items)[0] else { panic!("{items:?}") };
    assert_eq!((loss.kind, loss.range), (LossKind::GapFilled, range(5, 6)));
    assert_eq!(
        (loss.filled_by, loss.missing_for),
        (Some(candor_core::Origin::Line(B)), Nanos::from_millis(301))
    );
    assert_eq!(numbers(&items), [5, 6, 7]);
    assert_eq!(bench.state(), State::InSync);
    assert_eq!(bench.sequencer.whole(), Wholeness::Whole);
    // A never carried it, and B carried it in the end.
    assert_eq!((bench.get(Counter::LostOnA), bench.get(Counter::LostOnB)), (1, 0));
    let counted = [Counter::GapsOpened, Counter::GapsFilled, Counter::GapsOutlived];
    assert_eq!(counted.map(|counter| bench.get(counter)), [1, 1, 1]);
}

#[test]
fn overlapping_gaps() {
    let mut bench = Bench::new();
    bench.data(A, 1, 1);
    bench.data(A, 3, 1);
    bench.wait(Nanos(GRACE.0 / 2));
    bench.data(A, 6, 1);
    bench.wait(GRACE);
    assert_eq!(bench.get(Counter::GapsOutlived), 2);
    // One packet that covers parts of both, and what is held between them.
    assert_eq!(numbers(&bench.data(B, 2, 3)), [2, 3, 4]);
    assert_eq!(bench.state(), State::GapOutlived);
    assert_eq!(
        bench.sequencer.gaps().iter().map(|gap| gap.range).collect::<Vec<_>>(),
        [range(5, 6)]
    );
    assert_eq!(numbers(&bench.data(B, 5, 1)), [5, 6]);
    assert_eq!((bench.state(), bench.get(Counter::GapsFilled)), (State::InSync, 2));
}

#[test]
fn straddle() {
    let mut bench = Bench::new();
    bench.data(A, 1, 10);
    let items = bench.data(B, 8, 6);
    assert_eq!(numbers(&items), [11, 12, 13]);
    assert_eq!(bench.get(Counter::Duplicate), 3);
    // It straddles a gap and what is held behind it, too.
    bench.data(A, 16, 2);
    assert_eq!(numbers(&bench.data(B, 12, 8)), [14, 15, 16, 17, 18, 19]);
    assert_eq!(bench.get(Counter::Duplicate), 3 + 2 + 2);
    assert_eq!(bench.state(), State::InSync);
}

#[test]
fn reorder_within_the_grace() {
    let mut bench = Bench::new();
    bench.data(A, 1, 1);
    for first in (2..=40).step_by(3) {
        for seq in [first + 2, first, first + 1] {
            bench.data(A, seq, 1);
            bench.wait(Nanos::from_micros(10));
        }
        assert_eq!(bench.state(), State::InSync);
    }
    bench.wait(Nanos::from_secs(1));
    assert_eq!(bench.numbers(), (1..=40).collect::<Vec<_>>());
    assert_eq!(bench.get(Counter::GapsOutlived), 0);
    assert_eq!(bench.get(Counter::LostOnA), 0);
    assert_eq!(bench.get(Counter::GapsFilled), 13);
}

#[test]
fn reorder_beyond_the_grace_is_used_rightly() {
    let mut bench = Bench::new();
    bench.data(A, 1, 1);
    bench.data(A, 4, 2);
    bench.wait(Nanos::from_millis(20));
    assert_eq!(bench.state(), State::GapOutlived);
    assert_eq!(numbers(&bench.data(A, 3, 1)), []);
    assert_eq!(numbers(&bench.data(A, 2, 1)), [2, 3, 4, 5]);
    assert_eq!(bench.state(), State::InSync);
    assert_eq!(bench.get(Counter::GapsFilled), 1);
}

#[test]
fn duplicates() {
    let mut bench = Bench::new();
    for packet in 0..2000u64 {
        let first = 1 + packet * 5;
        for _ in 0..3 {
            bench.data(A, first, 5);
            bench.data(B, first, 5);
        }
        bench.wait(Nanos::from_micros(700));
        if packet % 7 == 0 {
            // Late ones, from the first number and from the middle, after more than the grace.
            bench.wait(Nanos::from_millis(2));
            bench.data(B, 1, 5);
            bench.data(A, 1, 5);
            bench.data(A, first / 2 + 1, 5);
        }
    }
    assert_eq!(bench.numbers(), (1..=10_000).collect::<Vec<_>>());
    assert_eq!(bench.get(Counter::Restarts), 0);
    assert_eq!(bench.get(Counter::LinesDiffer), 0);
    assert_eq!(bench.get(Counter::Duplicate), bench.get(Counter::Messages) - 10_000);
}

#[test]
fn a_whole_day_replayed_is_no_restart() {
    let mut bench = Bench::new();
    let last = 3 * WINDOW;
    bench.bulk(A, 1, last);
    bench.wait(Nanos::from_secs(1));
    bench.bulk(A, 1, last);
    assert_eq!(bench.get(Counter::Restarts), 0);
    assert_eq!(bench.get(Counter::Duplicate), last);
}

#[test]
fn last_packet_lost() {
    let mut bench = Bench::new();
    bench.data(A, 1, 9);
    bench.data(B, 1, 9);
    bench.wait(Nanos::from_millis(10));
    assert_eq!(bench.state(), State::InSync);
    let items = bench.heartbeat(A, 12);
    assert_eq!(notices(&items), [Notice::GapOpened { range: range(10, 12), at: bench.now }]);
    bench.heartbeat(B, 12);
    assert_eq!(bench.state(), State::GapOpen);
    bench.wait(GRACE);
    assert_eq!(bench.state(), State::GapOutlived);
    assert_eq!(numbers(&bench.data(B, 10, 2)), [10, 11]);
    assert_eq!(bench.state(), State::InSync);
    bench.heartbeat(A, 12);
    bench.wait(Nanos::from_secs(1));
    assert_eq!((bench.get(Counter::LostOnA), bench.get(Counter::LostOnB)), (2, 0));
    assert_eq!(bench.get(Counter::Heartbeats), 3);
}

#[test]
fn lines_differ() {
    let mut bench = Bench::new();
    bench.data(A, 1, 5);
    let other = vec![content(9, 3), content(9, 4)];
    let items = bench.messages(B, 3, &other);
    assert_eq!(notices(&items), [Notice::LinesDiffer { seq: SeqNo(3), line: B }]);
    assert_eq!(bench.get(Counter::LinesDiffer), 2);
    assert_eq!(bench.get(Counter::DiscardLinesDiffer), 2);
    assert_eq!(bench.get(Counter::Duplicate), 0);
    // Again within the second: counted, not said. A second later: said.
    assert_eq!(notices(&bench.messages(B, 3, &other)), []);
    bench.wait(Nanos::from_secs(1));
    assert_eq!(notices(&bench.messages(C, 4, &other[1..])).len(), 1);
    assert_eq!(bench.get(Counter::LinesDiffer), 5);
    // Against what is held, too; the first copy is the one delivered.
    bench.data(A, 7, 1);
    bench.messages(B, 7, &[content(9, 7)]);
    assert_eq!(bench.get(Counter::DiscardLinesDiffer), 6);
    bench.data(A, 6, 1);
    assert_eq!(bench.all[6].bytes, content(0, 7));
    // And number 1, from a line that was dark until now, however late.
    bench.bulk(A, 8, 2 * WINDOW);
    let mut late = Bench::new();
    late.bulk(A, 1, 2 * WINDOW);
    assert_eq!(notices(&late.messages(B, 1, &[content(9, 1)])).len(), 1);
    assert_eq!((late.get(Counter::LinesDiffer), late.get(Counter::Restarts)), (1, 0));
}

#[test]
fn lengths_differ() {
    let mut bench = Bench::new();
    bench.messages(A, 1, &[vec![], vec![0], vec![0, 0]]);
    bench.messages(B, 1, &[vec![], vec![0, 0], vec![0, 0]]);
    assert_eq!((bench.get(Counter::LinesDiffer), bench.get(Counter::Duplicate)), (1, 2));
}

#[test]
fn line_lag() {
    let mut bench = Bench::new();
    for packet in 0..10_000u64 {
        bench.data(A, 1 + packet * 2, 2);
        if packet >= 5_000 {
            bench.data(B, 1 + (packet - 5_000) * 2, 2);
        }
        bench.wait(Nanos::from_micros(100));
        assert_eq!(bench.state(), State::InSync);
    }
    assert_eq!(bench.get(Counter::Applied), 20_000);
    assert_eq!(bench.get(Counter::Duplicate), 10_000);
    assert_eq!((bench.get(Counter::LostOnB), bench.get(Counter::Restarts)), (0, 0));
}

#[test]
fn line_lag_fills_what_the_leader_lost() {
    let mut bench = Bench::new();
    bench.data(A, 1, 1);
    bench.data(A, 3, 1);
    bench.wait(Nanos::from_millis(500));
    assert_eq!(bench.state(), State::GapOutlived);
    bench.data(B, 1, 1);
    let items = bench.data(B, 2, 1);
    assert_eq!(numbers(&items), [2, 3]);
    assert_eq!(
        losses(&items),
        [
            (LossKind::GapFilled, range(2, 3), None, Some(B)),
            (LossKind::OneLine, range(2, 3), Some(A), Some(B)),
        ]
    );
}

#[test]
fn line_dark() {
    let mut bench = Bench::new();
    bench.data(A, 1, 5);
    bench.data(B, 1, 5);
    for packet in 0..36_00u64 {
        bench.data(A, 6 + packet * 2, 2);
        assert_eq!(bench.wait(Nanos::from_secs(1)), []);
        assert_eq!(bench.state(), State::InSync);
    }
    // A line that never said anything misses nothing; one that returns missed all of it at once.
    bench.data(C, 7201, 5);
    bench.data(B, 7201, 5);
    let said = losses(&bench.wait(Nanos::from_secs(1)));
    assert_eq!(said, [(LossKind::OneLine, range(6, 7201), Some(B), Some(A))]);
    assert_eq!((bench.get(Counter::LostOnB), bench.get(Counter::LostOnC)), (7195, 0));
}

#[test]
fn late_join() {
    let mut bench = Bench::new();
    let items = bench.data(A, 1000, 2);
    assert_eq!(
        notices(&items),
        [
            Notice::Started { session: common::DAY, first: SeqNo(1000) },
            Notice::GapOpened { range: range(1, 1000), at: bench.now },
        ]
    );
    assert_eq!((bench.state(), bench.sequencer.whole()), (State::GapOpen, Wholeness::Whole));
    bench.data(A, 1003, 1);
    let items = bench.wait(GRACE);
    // The start is given up at the grace; the gap behind it, opened at the same time, outlives it.
    assert_eq!(
        losses(&items),
        [
            (LossKind::GapLost, range(1, 1000), None, None),
            (LossKind::GapOutlived, range(1002, 1003), None, None),
        ]
    );
    assert_eq!(numbers(&items), [1000, 1001]);
    assert_eq!(bench.state(), State::GapOutlived);
    bench.data(B, 1002, 1);
    assert_eq!(bench.state(), State::InSync);
    assert_eq!(bench.sequencer.whole(), Wholeness::StartMissing);
    assert_eq!((bench.get(Counter::GapsLost), bench.get(Counter::MessagesLost)), (1, 999));
    // What comes of the start now is too late, and says so.
    bench.data(C, 990, 4);
    assert_eq!(bench.get(Counter::DiscardTooLate), 4);
}

#[test]
fn late_join_filled_by_the_other_line() {
    let mut bench = Bench::new();
    bench.data(A, 4, 2);
    assert_eq!(numbers(&bench.data(B, 1, 3)), [1, 2, 3, 4, 5]);
    bench.wait(Nanos::from_secs(1));
    assert_eq!((bench.state(), bench.sequencer.whole()), (State::InSync, Wholeness::Whole));
}

#[test]
fn late_join_beyond_the_window() {
    let mut bench = Bench::new();
    let items = bench.data(A, WINDOW + 1, 2);
    assert_eq!(numbers(&items), [WINDOW + 1, WINDOW + 2]);
    assert_eq!(bench.sequencer.whole(), Wholeness::StartMissing);
    // A heartbeat shows it just as well.
    let mut bench = Bench::new();
    bench.heartbeat(A, WINDOW + 2);
    assert_eq!((bench.state(), bench.expected()), (State::InSync, WINDOW + 2));
    assert_eq!(bench.sequencer.whole(), Wholeness::StartMissing);
    let mut bench = Bench::new();
    bench.heartbeat(A, WINDOW + 1);
    assert_eq!(bench.state(), State::GapOpen);
    bench.wait(GRACE);
    assert_eq!((bench.state(), bench.expected()), (State::InSync, WINDOW + 1));
}

#[test]
fn gap_over_limit() {
    let mut bench = Bench::new();
    bench.data(A, 1, 10);
    bench.bulk(A, 12, WINDOW - 1);
    assert_eq!(bench.get(Counter::Held), WINDOW - 1);
    bench.wait(Nanos::from_secs(1));
    assert_eq!((bench.state(), bench.expected()), (State::GapOutlived, 11));
    // The last cell is for number 11 itself; the next one asks for it.
    let items = bench.data(A, 11 + WINDOW, 1);
    assert_eq!(losses(&items), [(LossKind::GapLost, range(11, 12), None, None)]);
    assert_eq!(numbers(&items).len() as u64, WINDOW);
    assert_eq!((bench.state(), bench.sequencer.whole()), (State::InSync, Wholeness::LostInside));
    assert_eq!((bench.get(Counter::GapsLost), bench.get(Counter::MessagesLost)), (1, 1));
    bench.data(B, 11, 1);
    assert_eq!(bench.get(Counter::DiscardTooLate), 1);
    bench.data(A, 12 + WINDOW, 1);
    assert_eq!(bench.sequencer.whole(), Wholeness::LostInside);
    // No line carried number 11: it is not any line's loss.
    bench.wait(Nanos::from_secs(1));
    assert_eq!(bench.get(Counter::LostOnA), 0);
}

#[test]
fn a_gap_of_a_million() {
    let mut bench = Bench::new();
    bench.data(A, 1, 1);
    bench.data(A, 3, 1);
    let items = bench.data(A, 1_000_000, 3);
    assert_eq!(numbers(&items), [3, 1_000_000, 1_000_001, 1_000_002]);
    assert_eq!(bench.get(Counter::MessagesLost), 1 + 999_996);
    assert_eq!(bench.get(Counter::GapsLost), 2);
}

#[test]
fn a_message_in_the_middle_of_a_huge_gap_is_kept() {
    let mut bench = Bench::new();
    bench.data(A, 1, 1);
    bench.heartbeat(A, 1_000_000);
    bench.wait(GRACE);
    assert_eq!(bench.state(), State::GapOutlived);
    let items = bench.data(B, 500_000, 2);
    assert_eq!(numbers(&items), [500_000, 500_001]);
    assert_eq!(
        losses(&items),
        [
            (LossKind::GapLost, range(2, 500_000), None, None),
            // A's heartbeat spoke of them and A did not carry them.
            (LossKind::OneLine, range(500_000, 500_002), Some(A), Some(B)),
        ]
    );
    assert_eq!((bench.state(), bench.expected()), (State::GapOutlived, 500_002));
    assert_eq!(bench.get(Counter::GapsOpened), 2);
    assert_eq!(bench.sequencer.gaps().missing(), 1_000_000 - 500_002);
}

#[test]
fn number_wrap_is_refused_by_ranges_and_the_last_numbers_do_no_harm() {
    let end = u64::MAX;
    let mut bench = Bench::new();
    bench.data(A, end - 4, 4);
    assert_eq!((bench.expected(), bench.state()), (end, State::InSync));
    bench.heartbeat(A, end);
    bench.data(B, end - 1, 1);
    bench.data(B, 1, 4);
    bench.wait(Nanos::from_secs(100));
    bench.end(A, end);
    assert_eq!(bench.state(), State::Ended);

    let mut bench = Bench::new();
    bench.data(A, 1, 1);
    bench.heartbeat(B, end);
    bench.data(A, 2, 3);
    assert_eq!((bench.expected(), bench.sequencer.known_end()), (5, SeqNo(end)));
    bench.wait(Nanos::from_secs(1));
    bench.data(A, end - 1, 1);
    assert_eq!(bench.expected(), end);
    assert_eq!(bench.get(Counter::MessagesLost), end - 1 - 5);
    // Number 0 is none: it is never delivered.
    bench.data(C, 0, 2);
    assert_eq!(bench.numbers(), [1, 2, 3, 4, end - 1]);
}

#[test]
fn too_long_to_hold() {
    let mut bench = Bench::new();
    let long = vec![7; HELD_MESSAGE_BYTES + 1];
    bench.messages(A, 1, std::slice::from_ref(&long));
    assert_eq!(bench.get(Counter::Applied), 1);
    bench.messages(A, 3, &[long.clone(), long.clone(), content(0, 5)]);
    assert_eq!(bench.get(Counter::DiscardTooLongToHold), 2);
    assert_eq!(bench.get(Counter::Held), 1);
    // They are missing with the number before them, as one gap.
    assert_eq!(bench.sequencer.gaps().first().map(|gap| gap.range), Some(range(2, 5)));
    assert_eq!(bench.get(Counter::GapsOpened), 1);
    assert_eq!(numbers(&bench.data(B, 2, 1)), [2]);
    assert_eq!(numbers(&bench.messages(B, 3, &[long.clone(), long])), [3, 4, 5]);
    bench.wait(Nanos::from_secs(1));
    assert_eq!(bench.state(), State::InSync);
}

#[test]
fn more_gaps_than_the_set_holds() {
    let mut bench = Bench::new();
    bench.data(A, 1, 1);
    for gap in 0..OPEN_GAPS as u64 {
        bench.data(A, 3 + gap * 2, 1);
        bench.wait(Nanos(1000));
    }
    assert_eq!(bench.get(Counter::GapsLost), 0);
    let next = 3 + OPEN_GAPS as u64 * 2;
    let items = bench.data(A, next, 1);
    assert_eq!(losses(&items)[0], (LossKind::GapLost, range(2, 3), None, None));
    assert_eq!(numbers(&items), [3]);
    assert_eq!(bench.sequencer.whole(), Wholeness::LostInside);
    // A gap that is filled in its middle becomes two, and costs the lowest just so.
    bench.heartbeat(A, next + 4);
    assert_eq!(bench.get(Counter::GapsLost), 2);
    bench.data(B, next + 2, 1);
    assert_eq!(bench.get(Counter::GapsLost), 3);
    assert_eq!(bench.sequencer.gaps().iter().count(), OPEN_GAPS);
}

#[test]
fn more_ranges_left_out_than_a_line_is_watched_for() {
    let mut bench = Bench::new();
    bench.data(A, 1, 1);
    bench.data(B, 1, 300);
    for gap in 0..LINE_GAPS as u64 {
        bench.data(A, 3 + gap * 2, 1);
    }
    assert_eq!(bench.get(Counter::LostOnA), 0);
    let items = bench.data(A, 3 + LINE_GAPS as u64 * 2, 1);
    assert_eq!(losses(&items), [(LossKind::OneLine, range(2, 3), Some(A), Some(B))]);
    bench.wait(GRACE);
    assert_eq!(bench.get(Counter::LostOnA), 1 + LINE_GAPS as u64);
}

#[test]
fn gap_in_recovery_is_said_for_each() {
    let mut bench = Bench::new();
    bench.data(A, 1, 1);
    for round in 0..10u64 {
        bench.data(A, 3 + round * 2, 1);
        bench.wait(Nanos::from_millis(2));
    }
    assert_eq!(bench.get(Counter::GapsOutlived), 10);
    for round in (0..10u64).rev() {
        assert_eq!(bench.state(), State::GapOutlived);
        bench.data(B, 2 + round * 2, 1);
    }
    assert_eq!((bench.state(), bench.get(Counter::GapsFilled)), (State::InSync, 10));
}

#[test]
fn a_deadline_is_kept_by_the_next_packet_too() {
    let mut bench = Bench::new();
    bench.data(A, 1, 1);
    bench.data(A, 3, 1);
    bench.now = bench.now + GRACE;
    let items = bench.data(B, 2, 1);
    assert_eq!(
        losses(&items).iter().map(|loss| loss.0).collect::<Vec<_>>(),
        [LossKind::GapOutlived, LossKind::GapFilled, LossKind::OneLine,]
    );
}

#[test]
fn time_that_goes_back_is_no_time() {
    let mut bench = Bench::new();
    bench.data(A, 1, 1);
    let opened = bench.now;
    bench.now = candor_core::Mono(5);
    bench.data(A, 3, 1);
    assert_eq!(bench.sequencer.deadline(), Some(opened + GRACE));
}

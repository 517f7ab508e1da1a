//! Answers and snapshots at the sequencer: what they may do to the stream, and what they must not.

mod common;

use candor_core::counters::Counter;
use candor_core::limits::{HELD_MESSAGE_BYTES, OPEN_GAPS, WINDOW_MESSAGES};
use candor_core::{Answer, Content, LossKind, Nanos, Origin, SeqNo};
use candor_gapfill::{Notice, State, Wholeness};
use common::{A, B, Bench, C, DAY, GRACE, NEXT, content, losses, notices, numbers, range};

const WINDOW: u64 = WINDOW_MESSAGES as u64;

/// Line A has carried 1 to 10 and 15 to 17; B 1 to 8. The grace has passed.
fn missing() -> Bench {
    let mut bench = Bench::new();
    bench.data(A, 1, 10);
    bench.data(B, 1, 8);
    bench.data(A, 15, 3);
    bench.wait(GRACE);
    bench
}

fn filled(first: u64, end: u64) -> Answer {
    Answer::Filled { range: range(first, end) }
}

#[test]
fn an_answer_fills_what_is_missing_and_nothing_else() {
    let mut bench = missing();
    // Straddling: delivered, missing, held, and beyond what anybody has shown.
    let (answer, items) = bench.retransmit(9, 14);
    assert_eq!(answer, filled(9, 23));
    assert_eq!(numbers(&items), [11, 12, 13, 14, 15, 16, 17]);
    let Notice::Loss(loss) = notices(&items)[0] else { panic!("{items:?}") };
    assert_eq!((loss.kind, loss.range), (LossKind::GapFilled, range(11, 15)));
    assert_eq!((loss.filled_by, loss.line), (Some(Origin::Retransmit), None));
    assert_eq!((bench.expected(), bench.sequencer.known_end()), (18, SeqNo(18)));
    assert_eq!((bench.get(Counter::RetransmitFilled), bench.get(Counter::DiscardUnasked)), (4, 5));
    // 9 and 10 were delivered; 15 to 17 had been by the time their turn came.
    assert_eq!(bench.get(Counter::Duplicate), 8 + 2 + 3);
    assert_eq!((bench.get(Counter::PacketsA), bench.get(Counter::PacketsB)), (2, 1));
}

#[test]
fn an_answer_in_the_middle_is_held() {
    let mut bench = missing();
    assert_eq!(bench.retransmit(12, 2).0, filled(12, 14));
    assert_eq!(
        (bench.state(), bench.expected(), bench.get(Counter::Held)),
        (State::GapOutlived, 11, 5)
    );
    let items = bench.data(B, 9, 3);
    assert_eq!(numbers(&items), [11, 12, 13]);
    // B carried 11 and A did not; 12 and 13 no line did.
    assert_eq!(losses(&items), [(LossKind::OneLine, range(11, 12), Some(A), Some(B))]);
    let items = bench.data(B, 14, 1);
    assert_eq!(numbers(&items), [14, 15, 16, 17]);
    bench.wait(Nanos::from_secs(1));
    assert_eq!((bench.get(Counter::LostOnA), bench.get(Counter::LostOnB)), (2, 0));
}

#[test]
fn an_answer_that_contradicts_anything_is_refused_whole() {
    for wrong in [8, 9, 16] {
        let mut bench = missing();
        let messages: Vec<_> = (8..18).map(|seq| content(u64::from(seq == wrong), seq)).collect();
        assert_eq!(bench.answer(8, &messages), (Answer::Contradicts, vec![]));
        assert_eq!((bench.expected(), bench.get(Counter::DiscardUnasked)), (11, 10));
        // It is nobody's line: no lines differ. No answer is believed any more; the lines are.
        assert_eq!(bench.get(Counter::LinesDiffer), 0);
        assert_eq!(bench.retransmit(8, 10).0, Answer::Useless);
        assert_eq!((bench.expected(), bench.get(Counter::RetransmitContradicts)), (11, 1));
        bench.data(B, 8, 10);
        assert_eq!((bench.expected(), bench.state()), (18, State::InSync));
    }
}

#[test]
fn lines_that_contradict_an_answer_are_reported() {
    let mut bench = missing();
    bench.answer(11, &[content(9, 11), content(9, 12)]);
    let items = bench.data(B, 9, 4);
    assert_eq!(notices(&items), [Notice::LinesDiffer { seq: SeqNo(11), line: B }]);
    assert_eq!(bench.get(Counter::DiscardLinesDiffer), 2);
    assert_eq!(bench.get(Counter::Restarts), 0);
}

#[test]
fn an_answer_moves_nothing_but_what_is_missing() {
    let mut bench = Bench::new();
    // Before anything was heard.
    assert_eq!(bench.retransmit(1, 5), (Answer::Useless, vec![]));
    assert_eq!((bench.state(), bench.expected()), (State::NotStarted, 1));
    let mut bench = missing();
    // Another session, one left behind, heartbeats and ends.
    for (session, content) in
        [(NEXT, Content::Data), (NEXT, Content::Heartbeat), (NEXT, Content::End)]
    {
        let encoded = common::encode(&[common::content(0, 11)]);
        let count = usize::from(content == Content::Data);
        let wire = if count == 1 { &encoded[..] } else { &[] };
        let packet = common::packet(session, content, 11, count, wire);
        assert_eq!(bench.give_answer(&packet), (Answer::Useless, vec![]));
    }
    for (content, first) in [(Content::Heartbeat, 30), (Content::End, 18), (Content::End, 11)] {
        let packet = common::packet(DAY, content, first, 0, &[]);
        assert_eq!(bench.give_answer(&packet), (Answer::Useless, vec![]));
    }
    assert_eq!((bench.state(), bench.sequencer.session()), (State::GapOutlived, DAY));
    assert_eq!((bench.expected(), bench.sequencer.known_end()), (11, SeqNo(18)));
    assert_eq!((bench.get(Counter::Heartbeats), bench.get(Counter::Ends)), (0, 0));
    assert_eq!((bench.get(Counter::RetransmitPackets), bench.get(Counter::DiscardUnasked)), (6, 1));
}

#[test]
fn an_answer_gives_nothing_up() {
    // A number the window doesn't reach yet: not taken, though it is missing.
    let mut bench = Bench::new();
    bench.data(A, 1, 1);
    bench.heartbeat(A, 3 * WINDOW);
    bench.wait(GRACE);
    assert_eq!(bench.retransmit(WINDOW + 1, 1).0, filled(WINDOW + 1, WINDOW + 2));
    assert_eq!(bench.retransmit(WINDOW + 2, 1).0, Answer::Useless);
    assert_eq!((bench.get(Counter::GapsLost), bench.expected()), (0, 2));
    // One that would make a gap too many.
    let mut bench = Bench::new();
    bench.data(A, 1, 1);
    for gap in 1..=OPEN_GAPS as u64 {
        bench.data(A, 1 + gap * 4, 1);
    }
    assert_eq!(bench.retransmit(3, 1).0, Answer::Useless);
    assert_eq!((bench.get(Counter::DiscardUnasked), bench.get(Counter::GapsLost)), (1, 0));
    assert_eq!(bench.retransmit(4, 1).0, filled(4, 5));
    assert_eq!(numbers(&bench.retransmit(2, 2).1), [2, 3, 4, 5]);
    // One too long to be held stays missing.
    let mut bench = missing();
    let long = vec![7; HELD_MESSAGE_BYTES + 1];
    assert_eq!(bench.answer(12, std::slice::from_ref(&long)), (Answer::Useless, vec![]));
    assert_eq!(bench.get(Counter::DiscardTooLongToHold), 1);
    assert_eq!(bench.answer(11, &[content(0, 11), long]).0, filled(11, 13));
    assert_eq!(bench.expected(), 13);
}

#[test]
fn an_answer_completes_an_end_the_lines_have_said() {
    let mut bench = Bench::new();
    bench.data(A, 1, 10);
    bench.end(A, 13);
    bench.wait(GRACE);
    let (answer, items) = bench.retransmit(11, 5);
    assert_eq!((answer, numbers(&items)), (filled(11, 16), vec![11, 12]));
    assert_eq!(notices(&items).last(), Some(&Notice::Ended { last: SeqNo(12) }));
    assert_eq!(bench.state(), State::Ended);
    assert_eq!(bench.retransmit(13, 5), (Answer::Useless, vec![]));
}

#[test]
fn a_splice_at_the_gaps_end_delivers_what_is_held() {
    let mut bench = missing();
    let items = bench.splice(15);
    assert_eq!((numbers(&items), notices(&items)), (vec![15, 16, 17], vec![]));
    assert_eq!((bench.state(), bench.sequencer.whole()), (State::InSync, Wholeness::Whole));
    assert_eq!((bench.get(Counter::GapsFilled), bench.get(Counter::GapsLost)), (0, 0));
    assert_eq!((bench.get(Counter::DiscardInSnapshot), bench.sequencer.deadline()), (0, None));
    // B lags: its 9 and 10 are copies, it never carried 11 to 14 and jumps over them.
    bench.data(B, 9, 2);
    bench.data(B, 15, 3);
    bench.data(A, 18, 1);
    bench.wait(Nanos::from_secs(1));
    assert_eq!((bench.get(Counter::LostOnA), bench.get(Counter::LostOnB)), (0, 0));
    assert_eq!((bench.get(Counter::Restarts), bench.expected()), (0, 19));
}

#[test]
fn a_splice_within_what_is_held_drops_what_the_snapshot_contains() {
    let mut bench = missing();
    bench.data(A, 20, 2);
    let items = bench.splice(16);
    assert_eq!(numbers(&items), [16, 17]);
    assert_eq!((bench.get(Counter::DiscardInSnapshot), bench.get(Counter::Held)), (1, 2));
    // The next gap is the next gap.
    assert_eq!((bench.state(), bench.expected()), (State::GapOpen, 18));
    assert_eq!(numbers(&bench.data(B, 18, 2)), [18, 19, 20, 21]);
    // What was dropped was seen, and other bytes under its number are still a contradiction.
    assert_eq!(notices(&bench.messages(B, 15, &[content(9, 15)])).len(), 1);
    // What was never seen can't be compared.
    bench.messages(C, 12, &[content(9, 12)]);
    assert_eq!(bench.get(Counter::LinesDiffer), 1);
}

#[test]
fn a_splice_cuts_the_gap_it_ends_in() {
    let mut bench = missing();
    assert_eq!(bench.splice(13), []);
    let gap = bench.sequencer.gaps().first().unwrap();
    assert_eq!((gap.range, gap.of, gap.outlived), (range(13, 15), range(13, 15), true));
    assert_eq!((bench.state(), bench.expected()), (State::GapOutlived, 13));
    let items = bench.data(C, 13, 2);
    assert_eq!(losses(&items)[0], (LossKind::GapFilled, range(13, 15), None, Some(C)));
    assert_eq!(bench.get(Counter::GapsFilled), 1);
}

#[test]
fn a_splice_beyond_what_is_known() {
    let mut bench = missing();
    assert_eq!(bench.splice(100), []);
    assert_eq!((bench.expected(), bench.sequencer.known_end()), (100, SeqNo(100)));
    assert_eq!((bench.state(), bench.get(Counter::DiscardInSnapshot)), (State::InSync, 3));
    // The lines come to it: nothing of what they carry before is new, or says they are alive.
    bench.heartbeat(A, 18);
    assert!(!bench.vouched());
    assert_eq!(numbers(&bench.data(A, 18, 80)), []);
    assert!(!bench.vouched());
    assert_eq!(numbers(&bench.data(A, 98, 4)), [100, 101]);
    assert!(bench.vouched());
    bench.data(B, 9, 93);
    bench.wait(Nanos::from_secs(1));
    assert_eq!((bench.get(Counter::LostOnA), bench.get(Counter::Restarts)), (0, 0));
}

#[test]
fn a_splice_heals_what_was_given_up() {
    let mut bench = Bench::new();
    bench.data(A, 1, 1);
    bench.data(A, 5, 1);
    bench.data(A, 2 * WINDOW, 2);
    assert_eq!(bench.sequencer.whole(), Wholeness::LostInside);
    assert_eq!(bench.splice(2 * WINDOW + 2), []);
    assert_eq!((bench.state(), bench.sequencer.whole()), (State::InSync, Wholeness::Whole));
    let mut bench = Bench::new();
    bench.data(A, 500, 1);
    bench.wait(GRACE);
    assert_eq!(bench.sequencer.whole(), Wholeness::StartMissing);
    bench.splice(501);
    assert_eq!(bench.sequencer.whole(), Wholeness::Whole);
    // And what is lost after it is lost.
    bench.data(A, 501 + 2 * WINDOW, 1);
    assert_eq!(bench.sequencer.whole(), Wholeness::LostInside);
}

#[test]
fn late_fills_behind_a_splice_are_no_restart() {
    let mut bench = Bench::new();
    bench.data(A, 1, 5);
    bench.data(A, 40, 1);
    bench.wait(Nanos::from_secs(1));
    bench.splice(41);
    // They come after all, three packets in a row of numbers nothing can be compared with, on a
    // line that has been quiet: the line left them out, it does not start over.
    for first in [10, 12, 14, 16, 18] {
        bench.data(A, first, 2);
        assert!(!bench.vouched());
    }
    assert_eq!((bench.get(Counter::Restarts), bench.expected()), (0, 41));
}

#[test]
fn an_end_at_the_splice_ends() {
    let mut bench = missing();
    bench.end(A, 18);
    assert_eq!(bench.state(), State::GapOutlived);
    let items = bench.splice(18);
    assert_eq!(notices(&items), [Notice::Ended { last: SeqNo(17) }]);
    assert_eq!(bench.state(), State::Ended);
    // At the end of what is held behind it, too.
    let mut bench = missing();
    bench.end(A, 18);
    let items = bench.splice(15);
    assert_eq!((numbers(&items), notices(&items).len()), (vec![15, 16, 17], 1));
    assert_eq!(bench.state(), State::Ended);
}

#[test]
fn an_end_before_the_splice_is_an_end_all_the_same() {
    let mut bench = missing();
    bench.end(A, 18);
    let items = bench.splice(25);
    assert_eq!(notices(&items), [Notice::Ended { last: SeqNo(24) }]);
    assert_eq!(bench.state(), State::Ended);
    // Nothing of the session vouches any more, and a later snapshot doesn't say it again.
    bench.data(A, 25, 3);
    assert!(!bench.vouched());
    assert_eq!((bench.splice(30), bench.state()), (vec![], State::Ended));
    bench.heartbeat(A, 30);
    assert!(!bench.vouched());
}

#[test]
fn a_resync_forgets_where_a_corrupt_number_has_led() {
    let far = 1_000_000_000_000;
    for corrupt in ["heartbeat", "data", "end"] {
        let mut bench = Bench::new();
        bench.data(A, 1, 50);
        bench.data(B, 1, 50);
        match corrupt {
            "heartbeat" => drop(bench.heartbeat(A, far)),
            "data" => drop(bench.data(A, far, 1)),
            _ => drop(bench.end(A, far)),
        }
        bench.data(B, 51, 9);
        bench.wait(Nanos::from_secs(1));
        assert!(bench.sequencer.known_end().0 >= far, "{corrupt}");
        let lost = [Counter::LostOnA, Counter::LostOnB, Counter::Restarts, Counter::LinesDiffer];
        let before = lost.map(|counter| bench.get(counter));
        // Where the numbers were carried away this is what a splice before them is, too.
        let healed = if corrupt == "data" { bench.splice(58) } else { bench.resync(58) };
        assert_eq!(healed, []);
        assert_eq!((bench.expected(), bench.sequencer.known_end()), (58, SeqNo(58)), "{corrupt}");
        assert_eq!((bench.state(), bench.sequencer.whole()), (State::InSync, Wholeness::Whole));
        // The lines go on where they are. A's own position is forgotten, so that neither its
        // numbers nor its heartbeats are below it.
        bench.heartbeat(A, 60);
        assert!(bench.vouched(), "{corrupt}");
        assert_eq!(numbers(&bench.data(B, 58, 3)), [58, 59, 60], "{corrupt}");
        bench.wait(Nanos::from_secs(1));
        assert_eq!(numbers(&bench.data(A, 61, 1)), [61]);
        for _ in 0..3 {
            bench.heartbeat(A, 62);
        }
        bench.wait(Nanos::from_secs(1));
        // A left out 60; nothing before 58 is anybody's loss.
        let after = lost.map(|counter| bench.get(counter));
        assert_eq!(after[0] - before[0], 1, "{corrupt}: {}", bench.counts());
        assert_eq!(after[1..], before[1..], "{corrupt}: {}", bench.counts());
    }
}

#[test]
fn a_resync_discards_what_is_held() {
    let mut bench = missing();
    assert_eq!(bench.resync(16), []);
    let discarded = [Counter::DiscardInSnapshot, Counter::DiscardWithSession, Counter::Held];
    assert_eq!(discarded.map(|counter| bench.get(counter)), [1, 2, 0]);
    assert_eq!((bench.expected(), bench.sequencer.session()), (16, DAY));
    // What comes again is new: nothing it could contradict is remembered.
    bench.life = 1;
    assert_eq!(numbers(&bench.data(A, 16, 2)), [16, 17]);
    assert_eq!((bench.get(Counter::LinesDiffer), bench.get(Counter::Restarts)), (0, 0));
}

#[test]
fn an_ended_session_stays_ended() {
    let mut bench = Bench::new();
    bench.data(A, 1, 50);
    bench.end(A, 51);
    for next in [51, 40, 60] {
        assert_eq!((bench.splice(next), bench.state()), (vec![], State::Ended));
        assert_eq!((bench.resync(next), bench.state()), (vec![], State::Ended));
    }
    assert_eq!(numbers(&bench.data(A, 60, 5)), []);
    assert!(!bench.vouched());
}

#[test]
#[should_panic(expected = "a snapshot is of the session followed")]
fn a_splice_before_anything_was_heard_is_the_callers_fault() {
    let _ = Bench::new().splice(5);
}

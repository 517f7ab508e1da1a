//! Which packets are evidence that the stream followed is alive, and which are not.

mod common;

use candor_core::Nanos;
use candor_core::limits::{OPEN_GAPS, WINDOW_MESSAGES};
use candor_gapfill::State;
use common::{A, B, Bench, C, DAY, GRACE, NEXT, SESSION_GRACE, content, numbers};

const WINDOW: u64 = WINDOW_MESSAGES as u64;

/// Lines A and B have carried 1 to 50, and are quiet since.
fn followed() -> Bench {
    let mut bench = Bench::new();
    bench.data(A, 1, 50);
    assert!(bench.vouched(), "the first packet");
    bench.data(B, 1, 50);
    assert!(bench.vouched(), "the other line's copy");
    bench.wait(Nanos::from_secs(1));
    bench
}

#[test]
fn what_goes_on_vouches() {
    let mut bench = followed();
    bench.heartbeat(A, 51);
    assert!(bench.vouched(), "the next number");
    bench.heartbeat(C, 51);
    assert!(bench.vouched(), "on a line that was dark, too");
    bench.data(A, 51, 1);
    assert!(bench.vouched(), "the next message");
    bench.data(A, 53, 1);
    assert!(bench.vouched(), "one ahead of a gap");
    bench.data(B, 53, 1);
    assert!(bench.vouched(), "a copy of what is held");
    for line in [A, B] {
        bench.data(line, 53, 1);
        assert!(!bench.vouched(), "its own echo, for as long as the gap lasts");
    }
    bench.heartbeat(B, 60);
    assert!(bench.vouched(), "a heartbeat that opens a gap");
    bench.data(B, 52, 1);
    assert!(bench.vouched(), "what fills one");
    bench.data(C, 2 * WINDOW, 1);
    assert!(bench.vouched(), "one ahead of the window");
    (bench.session, bench.life) = (NEXT, 1);
    bench.heartbeat(C, 1);
    assert!(bench.vouched(), "a new session");
    bench.data(B, 1, 5);
    bench.life = 2;
    bench.data(B, 1, 5);
    assert!(bench.vouched(), "a restart");
}

#[test]
fn a_lagging_lines_copies_vouch() {
    let mut bench = Bench::new();
    for packet in 0..2000u64 {
        bench.data(A, 1 + packet * 2, 2);
        if packet >= 1000 {
            bench.data(B, 1 + (packet - 1000) * 2, 2);
            assert!(bench.vouched());
        }
    }
    // A is dead: B carries its copies on, and then what is new.
    bench.data(B, 3999, 3);
    assert!(bench.vouched());
    assert_eq!(bench.expected(), 4002);
}

#[test]
fn copies_that_cannot_be_compared_vouch_for_nothing() {
    let mut bench = Bench::new();
    bench.bulk(A, 1, 2 * WINDOW);
    // Number 1 is always remembered, the next ones no longer.
    bench.data(B, 1, 2);
    assert!(bench.vouched());
    bench.data(B, 3, 2);
    assert!(!bench.vouched());
    // One message that can be compared is enough.
    bench.data(B, WINDOW - 3, 5);
    assert!(bench.vouched());
}

#[test]
fn a_session_left_behind_is_foreign() {
    let mut bench = followed();
    (bench.session, bench.life) = (NEXT, 1);
    bench.data(A, 1, 1);
    assert!(bench.vouched());
    bench.session = DAY;
    bench.data(B, 51, 1);
    assert!(!bench.vouched());
    bench.heartbeat(A, 51);
    assert!(!bench.vouched());
    bench.end(B, 51);
    assert!(!bench.vouched());
    assert_eq!((bench.state(), bench.sequencer.session()), (State::InSync, NEXT));
}

#[test]
fn the_old_numbering_behind_a_fence_is_foreign() {
    let mut bench = followed();
    bench.life = 1;
    bench.data(A, 1, 2);
    assert!(bench.vouched(), "the restart");
    bench.life = 0;
    bench.data(B, 51, 2);
    assert!(!bench.vouched());
    bench.heartbeat(B, 53);
    assert!(!bench.vouched());
    bench.end(B, 53);
    assert!(!bench.vouched());
    assert_eq!(bench.state(), State::InSync);
    // It joins the new numbering, of which line A has carried as much.
    bench.life = 1;
    bench.data(B, 1, 2);
    assert!(bench.vouched());
    // Behind the fence of a restart that nothing followed yet, too.
    let mut bench = followed();
    bench.heartbeat(A, 1);
    bench.now = bench.now + GRACE + Nanos(1);
    bench.heartbeat(A, 1);
    assert!(bench.vouched(), "the restart");
    bench.now = bench.now + Nanos(SESSION_GRACE.0 - 1);
    bench.heartbeat(B, 51);
    assert!(!bench.vouched());
}

#[test]
fn late_copies_of_the_old_numbering_are_foreign() {
    let mut bench = Bench::new();
    bench.data(A, 1, 50);
    bench.data(B, 1, 40);
    bench.life = 1;
    bench.data(A, 1, 2);
    bench.life = 0;
    bench.data(A, 49, 2);
    assert!(!bench.vouched());
    bench.data(B, 30, 2);
    assert!(!bench.vouched());
}

#[test]
fn a_heartbeat_below_its_own_line_is_foreign() {
    let mut bench = followed();
    bench.heartbeat(A, 48);
    assert!(!bench.vouched());
    bench.data(A, 51, 1);
    assert!(bench.vouched());
    // Within the grace it was overtaken: by what has vouched already.
    bench.heartbeat(A, 51);
    assert!(!bench.vouched());
    bench.end(A, 51);
    assert!(!bench.vouched());
    assert_eq!(bench.state(), State::InSync);
    // Below what the line has carried behind a gap, though nothing of that is delivered.
    bench.data(A, 60, 1);
    bench.heartbeat(A, 55);
    assert!(!bench.vouched());
}

#[test]
fn a_heartbeat_below_what_was_delivered_is_foreign() {
    let mut bench = Bench::new();
    bench.data(B, 1, 40);
    bench.data(A, 1, 50);
    // All that line B has: but 41 to 50 were sent, so either this is older or B lost its place.
    for _ in 0..3 {
        bench.wait(Nanos::from_secs(1));
        bench.heartbeat(B, 41);
        assert!(!bench.vouched());
        bench.heartbeat(C, 41);
        assert!(!bench.vouched());
    }
    bench.heartbeat(B, 51);
    assert!(bench.vouched());
}

#[test]
fn data_under_suspicion_of_a_restart_is_foreign() {
    let mut bench = Bench::new();
    bench.bulk(A, 1, 2 * WINDOW);
    bench.wait(Nanos::from_secs(1));
    bench.life = 1;
    bench.data(A, 5, 2);
    assert!(!bench.vouched());
    bench.data(A, 7, 2);
    assert!(!bench.vouched());
    bench.data(A, 9, 2);
    assert!(bench.vouched(), "the third restarts the numbering: it is of what is followed now");
    assert_eq!(numbers(&bench.wait(GRACE)), [9, 10]);
}

#[test]
fn bytes_that_contradict_what_was_delivered_are_foreign() {
    let mut bench = followed();
    bench.messages(B, 50, &[content(9, 50)]);
    assert!(!bench.vouched());
    bench.messages(B, 49, &[content(0, 49), content(9, 50)]);
    assert!(!bench.vouched());
    bench.messages(C, 1, &[content(9, 1)]);
    assert!(!bench.vouched());
    bench.messages(B, 50, &[content(9, 50), content(0, 51)]);
    assert!(bench.vouched(), "what is new in it was delivered");
}

#[test]
fn what_was_given_up_and_comes_late_is_foreign() {
    let mut bench = Bench::new();
    bench.data(A, 50, 5);
    bench.wait(GRACE);
    bench.data(B, 40, 5);
    assert!(!bench.vouched());
    bench.data(B, 45, 6);
    assert!(bench.vouched(), "it ends in a copy");
    assert!(bench.sequencer.gaps().iter().count() < OPEN_GAPS);
}

#[test]
fn after_the_end_nothing_vouches() {
    let mut bench = followed();
    bench.end(A, 51);
    assert!(bench.vouched(), "the end itself is of the stream");
    assert_eq!(bench.state(), State::Ended);
    bench.end(A, 51);
    assert!(!bench.vouched());
    bench.end(B, 51);
    assert!(!bench.vouched());
    bench.heartbeat(B, 51);
    assert!(!bench.vouched());
    bench.heartbeat(B, 60);
    assert!(!bench.vouched());
    bench.data(B, 45, 3);
    assert!(!bench.vouched(), "copies");
    bench.data(B, 51, 3);
    assert!(!bench.vouched(), "numbers beyond it");
    // But for what is missing before it, and whoever starts anew.
    bench.session = NEXT;
    bench.data(A, 1, 5);
    bench.end(A, 8);
    assert_eq!(bench.state(), State::GapOpen);
    bench.heartbeat(B, 8);
    assert!(!bench.vouched());
    bench.data(B, 5, 1);
    assert!(!bench.vouched());
    bench.data(B, 9, 1);
    assert!(!bench.vouched());
    bench.data(B, 6, 9);
    assert!(bench.vouched());
    assert_eq!(bench.state(), State::Ended);
    bench.life = 1;
    bench.data(A, 1, 1);
    assert!(bench.vouched(), "a restart");
}

#[test]
fn a_lagging_end_ends_all_the_same() {
    let mut bench = Bench::new();
    bench.data(A, 1, 50);
    bench.end(B, 41);
    assert!(!bench.vouched());
    assert_eq!(bench.state(), State::Ended);
}

#[test]
fn what_a_line_repeats_vouches_for_nothing() {
    let mut bench = followed();
    for _ in 0..3 {
        bench.data(A, 50, 1);
        assert!(!bench.vouched(), "a publisher that is stuck on its last packet");
        bench.data(A, 1, 50);
        assert!(!bench.vouched(), "or goes round");
        bench.data(B, 49, 2);
        assert!(!bench.vouched());
    }
    bench.data(C, 1, 50);
    assert!(bench.vouched(), "a line heard for the first time");
    bench.data(A, 50, 2);
    assert!(bench.vouched(), "an old number and a new one");
    bench.data(B, 51, 1);
    assert!(bench.vouched(), "a copy that brings its line on");
    bench.data(B, 51, 1);
    assert!(!bench.vouched());
}

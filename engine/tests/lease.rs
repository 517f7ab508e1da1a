//! What renews a partition's lease: only what shows that the stream followed is alive.

mod common;

use candor_core::counters::Counter;
use candor_core::{Line, Mono, Nanos, Reason, SeqNo};
use candor_decoders::nasdaq::moldudp64;
use candor_engine::Notice;
use common::{Bench, GRACE, LATE, SESSION_GRACE, SILENCE, add, delete, directory, mold, system};

/// The lease, and when the stream was heard.
fn words(bench: &Bench) -> (Mono, Mono) {
    (bench.shown.lease, bench.shown.heard)
}

fn renewed(bench: &Bench) -> (Mono, Mono) {
    (bench.now + SILENCE, bench.now)
}

fn opening() -> [Vec<u8>; 3] {
    [directory(1, "AAPL"), add(1, 11, b'B', 100, 1_000_000), add(1, 12, b'S', 200, 1_010_000)]
}

fn end(bench: &mut Bench, line: Line, next: u64) {
    let payload = moldudp64::end(bench.session, SeqNo(next));
    bench.packet(line, &payload);
}

#[test]
fn the_old_numbering_renews_nothing() {
    let mut bench = Bench::open();
    bench.send(Line::B, 1, &opening());
    bench.pass(Nanos::from_millis(5));
    bench.send(Line::A, 1, &[directory(5, "MSFT")]);
    assert_eq!(bench.count(Counter::Restarts), 1);
    // What was sent before may still be on its way, under the same name.
    assert_eq!(bench.reason("MSFT"), Some(Reason::SessionChanged));
    let words_then = words(&bench);
    assert_eq!(words_then.1, bench.now, "the restart is what is followed");
    // The old publisher goes on, on line B, and the new one is dead.
    for number in 4..14 {
        bench.pass(Nanos::from_millis(100));
        bench.send(Line::B, number, &[add(1, 100 + number, b'B', 1, 500_000)]);
        bench.heartbeat(Line::B, number + 1);
        assert_eq!(words(&bench), words_then);
    }
    assert_eq!(bench.reason("MSFT"), Some(Reason::SessionChanged));
    bench.pass(SESSION_GRACE);
    assert_eq!(words(&bench), words_then);
    bench.heartbeat(Line::A, 2);
    assert_eq!(words(&bench), renewed(&bench));
    assert!(bench.status("MSFT").is_live());
    bench.pass(SILENCE);
    assert_eq!(bench.reason("MSFT"), Some(Reason::Silent));
}

#[test]
fn a_regressed_heartbeat_renews_nothing() {
    let mut bench = Bench::open();
    let epoch = bench.shown.epoch;
    let words_then = words(&bench);
    bench.pass(Nanos::from_secs(1));
    bench.heartbeat(Line::A, 2);
    assert_eq!(words(&bench), words_then, "on the line's own numbers");
    bench.heartbeat(Line::B, 3);
    bench.pass(Nanos::from_secs(1));
    bench.heartbeat(Line::B, 3);
    assert_eq!(words(&bench), words_then, "below what the other line delivered");
    assert!(bench.status("AAPL").is_live(), "until the lease runs out");
    assert_eq!(bench.shown.epoch, epoch, "one overtaken heartbeat costs nothing");
    bench.pass(Nanos::from_secs(1));
    bench.heartbeat(Line::B, 3);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Silent));
    bench.heartbeat(Line::A, 4);
    assert_eq!(words(&bench), renewed(&bench));
    assert!(bench.status("AAPL").is_live());
    // Two in a row, more than a grace apart, are a restart.
    bench.heartbeat(Line::A, 1);
    bench.heartbeat(Line::A, 1);
    assert_eq!(bench.shown.epoch, epoch, "a network may carry one twice");
    bench.pass(GRACE + Nanos(1));
    bench.heartbeat(Line::A, 1);
    assert_eq!(bench.shown.epoch, epoch + 1);
    assert_eq!(bench.reason("AAPL"), Some(Reason::SessionChanged));
    assert_eq!(bench.shown.heard, bench.now, "the restart is what is followed now");
}

#[test]
fn nothing_renews_after_the_end() {
    let mut bench = Bench::open();
    end(&mut bench, Line::A, 4);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Ended));
    let words_then = words(&bench);
    for _ in 0..3 {
        bench.pass(Nanos::from_millis(500));
        end(&mut bench, Line::A, 4);
        end(&mut bench, Line::B, 4);
        bench.heartbeat(Line::A, 4);
        bench.send(Line::B, 1, &opening());
        bench.send(Line::B, 4, &[delete(1, 11)]);
        assert_eq!(words(&bench), words_then);
        assert_eq!(bench.reason("AAPL"), Some(Reason::Ended));
    }
    assert_eq!(bench.count(Counter::DiscardAfterEnd), 3);
}

/// Not every transport has a word for it: the venue's last message says so (ITCH 5.0, *System Event Message*, `C`;
/// IEX DEEP 1.0, *System Event Message*, `C`).
#[test]
fn the_last_message_of_a_session_ends_it() {
    let mut bench = Bench::open();
    bench.send(Line::A, 4, &[system(b'M'), system(b'E')]);
    assert_eq!(bench.reason("AAPL"), None);
    bench.send(Line::A, 6, &[system(b'C')]);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Ended));
    let lease = bench.shown.lease;
    bench.pass(Nanos::from_millis(500));
    bench.heartbeat(Line::A, 7);
    end(&mut bench, Line::A, 7);
    assert_eq!((bench.shown.lease, bench.reason("AAPL")), (lease, Some(Reason::Ended)));
    let ended = |notice: &&Notice| matches!(notice, Notice::Ended { last: SeqNo(6) });
    assert_eq!(bench.shown.notices.iter().filter(ended).count(), 1, "said once");
    bench.session = *b"DAY0000002";
    bench.send(Line::A, 1, &opening());
    bench.pass(SESSION_GRACE);
    bench.heartbeat(Line::A, 4);
    assert_eq!(bench.reason("AAPL"), None, "another begins");
}

#[test]
fn a_message_behind_the_last_one_says_that_it_was_none() {
    let mut bench = Bench::open();
    bench.send(Line::A, 4, &[system(b'C')]);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Ended));
    bench.send(Line::A, 5, &[delete(1, 11)]);
    assert_eq!(bench.reason("AAPL"), None);
    bench.send(Line::A, 6, &[system(b'C')]);
    bench.heartbeat(Line::A, 9);
    bench.pass(GRACE + Nanos(1));
    assert_eq!(bench.reason("AAPL"), Some(Reason::Gap), "others exist");
}

#[test]
fn other_bytes_renew_nothing() {
    let mut bench = Bench::open();
    let words_then = words(&bench);
    bench.pass(Nanos::from_millis(500));
    bench.send(Line::B, 3, &[add(1, 12, b'S', 300, 1_010_000)]);
    assert_eq!(words(&bench), words_then);
    assert_eq!(bench.reason("AAPL"), Some(Reason::LinesDiffer));
}

#[test]
fn a_lagging_line_vouches_until_its_copies_end() {
    let lag = Nanos::from_millis(500);
    let mut bench = Bench::open();
    let died = bench.now;
    // The venue and line A die at once; line B carries its last packet a lag later.
    bench.pass(lag);
    bench.send(Line::B, 1, &opening());
    assert_eq!(words(&bench), renewed(&bench));
    bench.pass(Nanos(SILENCE.0 - 1));
    assert!(bench.status("AAPL").is_live());
    bench.pass(Nanos(1));
    assert_eq!(bench.reason("AAPL"), Some(Reason::Silent));
    assert_eq!(bench.now.since(died), Nanos(SILENCE.0 + lag.0), "the bound: silence and lag");
}

#[test]
fn what_is_foreign_says_nothing_about_lateness() {
    let mut bench = Bench::open();
    let arrived = bench.now;
    bench.pass(Nanos(LATE.0 + 1));
    let old = moldudp64::heartbeat(bench.session, SeqNo(2));
    bench.partition.on_packet(bench.now, arrived, Line::A, &old, &mut bench.shown);
    assert!(bench.status("AAPL").is_live(), "it was late, and nobody waited for it");
    bench.partition.on_stall(bench.now, &mut bench.shown);
    bench.pass(Nanos(1));
    bench.heartbeat(Line::B, 2);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Late), "it doesn't show where the venue is");
    let next = mold(bench.session, 4, &[delete(1, 12)]);
    bench.packet(Line::A, &next);
    assert!(bench.status("AAPL").is_live());
}

//! Every reason there is, made to happen, and taken back where it can be.

mod common;

use std::fs;
use std::path::Path;

use candor_core::counters::Counter;
use candor_core::{Action, Line, Mono, Nanos, Reason, Side, SnapshotPart, Status};
use candor_engine::Claim;
use common::{Bench, GRACE, LATE, SESSION_GRACE, SILENCE, add, delete, directory, trading};

/// How a reason comes about in this crate, or which test makes it elsewhere.
enum Where {
    Here(fn() -> Status),
    /// Derived by the region's reader, or said by the handler: the file, and the test in it.
    There(&'static str, &'static str),
}

fn made_by(reason: Reason) -> Where {
    use Where::{Here, There};
    match reason {
        Reason::WriterGone => {
            There("shm/tests/verdict.rs", "one_lane_gone_takes_its_own_partitions_only")
        }
        Reason::Halted => {
            There("shm/tests/halt.rs", "an_operators_words_are_obeyed_at_once_and_by_every_reader")
        }
        Reason::NoMap => Here(no_map),
        Reason::NotAttested => There(
            "feed/tests/attest/handler.rs",
            "another_binary_is_never_live_until_it_is_signed_for",
        ),
        Reason::Unsubscribed => Here(unsubscribed),
        Reason::NotStarted => Here(not_started),
        Reason::Silent => Here(silent),
        Reason::Ended => Here(ended),
        Reason::Gap => Here(gap),
        Reason::Recovering => Here(late_join),
        Reason::SessionChanged => Here(session_changed),
        Reason::LinesDiffer => Here(lines_differ),
        Reason::Late => Here(late),
        Reason::Quarantined => Here(unreadable),
        Reason::Unmapped => Here(unmapped),
        Reason::WrongPartition => Here(wrong_partition),
        Reason::Unproven => Here(unproven),
        Reason::SymbolRecovering => Here(rebuilt_alone),
        Reason::SymbolQuarantined => Here(unknown_order),
        Reason::Lapped => {
            There("shm/tests/open.rs", "a_slot_whose_lock_stays_taken_is_stale_and_shows_no_book")
        }
    }
}

#[test]
fn every_reason_happens() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for reason in Reason::ALL {
        match made_by(reason) {
            Where::Here(make) => assert_eq!(make(), Status::stale(reason), "{reason}"),
            Where::There(file, test) => {
                let text = fs::read_to_string(root.join(file)).expect(file);
                let behind = text.split_once(&format!("#[test]\nfn {test}()"));
                let (_, behind) = behind.unwrap_or_else(|| panic!("{reason}: no test {test}"));
                let body = behind.split("\n}\n").next().unwrap_or_default();
                assert!(body.contains(&format!("{reason:?}")), "{reason}: not in {test}");
            }
        }
    }
}

/// `tests/recovery.rs` goes on from here.
fn rebuilt_alone() -> Status {
    let snapshot = Some(candor_snapshot::Config {
        holdback_bytes: 1 << 16,
        begin: Nanos::from_secs(1),
        idle: Nanos::from_secs(1),
        whole: Nanos::from_secs(1),
        confirm: Nanos::from_secs(1),
        retry: Nanos::from_secs(1),
        retry_max: Nanos::from_secs(1),
    });
    let services = candor_engine::Services { retransmit: None, snapshot };
    let config = candor_engine::Config { services, ..common::config(&[("AAPL", 0)]) };
    let mut bench = Bench::with(config);
    bench.subscribe(true);
    bench.send(Line::A, 1, &[directory(1, "AAPL"), delete(1, 999)]);
    let Some(Action::Snapshot(ask)) = bench.partition.next_action() else { panic!("no request") };
    let begin = SnapshotPart::Begin { session: ask.session };
    bench.partition.on_snapshot(bench.now, ask.cycle, &begin, &mut bench.shown);
    bench.status("AAPL")
}

/// `tests/maps.rs` goes on from here.
fn no_map() -> Status {
    let ends = Mono(10_000_000_000);
    let config = candor_engine::Config { mapped_until: ends, ..common::config(&[("AAPL", 0)]) };
    let mut bench = Bench::with(config);
    bench.subscribe(true);
    bench.send(Line::A, 1, &[directory(1, "AAPL")]);
    bench.now = ends;
    bench.partition.on_deadline(bench.now, &mut bench.shown);
    bench.status("AAPL")
}

fn unsubscribed() -> Status {
    let mut bench = Bench::open();
    assert!(bench.status("AAPL").is_live());
    bench.subscribe(false);
    bench.status("AAPL")
}

fn not_started() -> Status {
    let mut bench = Bench::new(&[("AAPL", 0)]);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Unsubscribed));
    bench.subscribe(true);
    bench.status("AAPL")
}

fn silent() -> Status {
    let mut bench = Bench::open();
    bench.now = bench.now + Nanos(SILENCE.0 - 1);
    assert!(bench.status("AAPL").is_live());
    bench.now = bench.now + Nanos(1);
    // No code of ours ran since the last packet.
    bench.status("AAPL")
}

fn ended() -> Status {
    let mut bench = Bench::open();
    let end = candor_decoders::nasdaq::moldudp64::end(bench.session, candor_core::SeqNo(4));
    bench.packet(Line::A, &end);
    bench.status("AAPL")
}

fn gap() -> Status {
    let mut bench = Bench::open();
    bench.send(Line::A, 5, &[delete(1, 12)]);
    assert!(bench.status("AAPL").is_live(), "within the grace the book is true as of number 3");
    assert_eq!(bench.shown.best("AAPL", Side::Ask), Some((1_010_000, 200)));
    bench.pass(GRACE + Nanos(1));
    bench.status("AAPL")
}

fn late_join() -> Status {
    let mut bench = Bench::new(&[("AAPL", 0)]);
    bench.subscribe(true);
    bench.send(Line::A, 9, &[directory(1, "AAPL"), add(1, 11, b'B', 100, 1_000_000)]);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Recovering), "from the first packet on");
    bench.pass(GRACE + Nanos(1));
    bench.status("AAPL")
}

fn session_changed() -> Status {
    let mut bench = Bench::open();
    bench.session = *b"DAY0000002";
    bench.heartbeat(Line::A, 1);
    bench.status("AAPL")
}

fn lines_differ() -> Status {
    let mut bench = Bench::open();
    bench.send(Line::A, 4, &[add(1, 13, b'B', 100, 990_000)]);
    bench.send(Line::B, 4, &[add(1, 13, b'B', 300, 990_000)]);
    bench.status("AAPL")
}

fn late() -> Status {
    let mut bench = Bench::open();
    let arrived = bench.now;
    bench.now = bench.now + LATE + Nanos(1);
    let payload = common::mold(bench.session, 4, &[delete(1, 12)]);
    bench.partition.on_packet(bench.now, arrived, Line::A, &payload, &mut bench.shown);
    bench.status("AAPL")
}

fn unreadable() -> Status {
    let mut bench = Bench::open();
    let mut short = add(1, 13, b'B', 100, 990_000);
    short.truncate(20);
    bench.send(Line::A, 4, &[short]);
    bench.status("AAPL")
}

fn unmapped() -> Status {
    Bench::open().status("NOPE")
}

fn wrong_partition() -> Status {
    let mut bench = Bench::open();
    bench.send(Line::A, 4, &[directory(9, "ELSE")]);
    assert_eq!(bench.shown.claims.len(), 1);
    assert_eq!(bench.shown.claims[0].1, 7);
    assert!(bench.status("AAPL").is_live());
    bench.status("ELSE")
}

fn unproven() -> Status {
    Bench::open().status("MSFT")
}

fn unknown_order() -> Status {
    let mut bench = Bench::open();
    bench.send(Line::A, 4, &[directory(2, "MSFT"), delete(1, 999)]);
    assert!(bench.status("MSFT").is_live(), "others stay live");
    assert_eq!(bench.count(Counter::UnknownOrder), 1);
    bench.status("AAPL")
}

#[test]
fn a_gap_filled_from_the_other_line_gives_liveness_back() {
    let mut bench = Bench::open();
    bench.send(Line::A, 5, &[delete(1, 12)]);
    bench.pass(GRACE + Nanos(1));
    assert_eq!(bench.reason("AAPL"), Some(Reason::Gap));
    bench.send(Line::B, 4, &[add(1, 13, b'S', 50, 1_005_000)]);
    assert!(bench.status("AAPL").is_live());
    assert_eq!(bench.shown.best("AAPL", Side::Ask), Some((1_005_000, 50)));
    assert_eq!(bench.view_orders(), (1, 1));
}

#[test]
fn a_new_session_leaves_nothing_live_and_earns_it_again() {
    let mut bench = Bench::open();
    bench.pass(SESSION_GRACE);
    bench.session = *b"DAY0000002";
    bench.send(Line::A, 1, &[directory(5, "MSFT")]);
    assert!(bench.status("MSFT").is_live());
    assert_eq!(bench.reason("AAPL"), Some(Reason::Unproven));
    // The old locate means nothing any more.
    bench.send(Line::A, 2, &[add(1, 11, b'B', 100, 1_000_000)]);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Unproven));
    assert_eq!(bench.count(Counter::UndefinedInstrument), 1);
    bench.send(Line::A, 3, &[directory(9, "AAPL")]);
    assert!(bench.status("AAPL").is_live());
    assert_eq!(bench.shown.best("AAPL", Side::Bid), None, "no book is carried over");
}

#[test]
fn the_old_session_beside_the_new_changes_nothing() {
    let mut bench = Bench::open();
    bench.pass(SESSION_GRACE);
    let old = bench.session;
    bench.session = *b"DAY0000002";
    bench.send(Line::A, 1, &[directory(1, "AAPL")]);
    bench.session = old;
    let lease = bench.shown.lease;
    bench.now = bench.now + Nanos::from_secs(1);
    bench.send(Line::B, 4, &[delete(1, 11)]);
    assert_eq!(bench.count(Counter::DiscardOldSession), 1);
    assert_eq!(bench.shown.lease, lease, "the old session vouches for nothing");
    assert!(bench.status("AAPL").is_live());
}

/// Whoever has just begun to listen can't tell which of two sessions came first.
#[test]
fn while_two_sessions_of_the_start_are_heard_nothing_is_live() {
    let mut bench = Bench::open();
    let (old, new) = (bench.session, *b"DAY0000002");
    bench.session = new;
    bench.send(Line::A, 1, &[directory(1, "AAPL")]);
    assert_eq!(bench.reason("AAPL"), Some(Reason::SessionChanged));
    for _ in 0..5 {
        bench.session = old;
        bench.heartbeat(Line::B, 4);
        assert_eq!(bench.reason("AAPL"), Some(Reason::SessionChanged));
        bench.session = new;
        bench.pass(Nanos::from_secs(1));
        bench.heartbeat(Line::A, 2);
        assert_eq!(bench.reason("AAPL"), Some(Reason::SessionChanged));
    }
    bench.pass(Nanos(SESSION_GRACE.0 - Nanos::from_secs(1).0 - 1));
    bench.heartbeat(Line::A, 2);
    assert_eq!(bench.reason("AAPL"), Some(Reason::SessionChanged));
    bench.pass(Nanos(1));
    assert!(bench.status("AAPL").is_live(), "by the deadline alone");
}

#[test]
fn heartbeats_keep_a_thin_symbol_live() {
    let mut bench = Bench::open();
    for _ in 0..100 {
        bench.pass(Nanos::from_secs(1));
        bench.heartbeat(Line::B, 4);
        assert!(bench.status("AAPL").is_live());
    }
}

#[test]
fn a_heartbeat_shows_that_the_last_packet_was_lost() {
    let mut bench = Bench::open();
    bench.pass(Nanos::from_secs(1));
    bench.heartbeat(Line::A, 5);
    bench.pass(GRACE + Nanos(1));
    assert_eq!(bench.reason("AAPL"), Some(Reason::Gap));
}

#[test]
fn a_partition_in_trouble_is_not_vouched_for() {
    let mut bench = Bench::open();
    bench.send(Line::A, 5, &[delete(1, 12)]);
    bench.pass(GRACE + Nanos(1));
    let lease = bench.shown.lease;
    bench.pass(Nanos::from_secs(1));
    bench.heartbeat(Line::A, 6);
    assert_eq!(bench.shown.lease, lease);
    assert_eq!(bench.shown.heard, bench.now);
}

#[test]
fn after_a_stall_only_what_arrives_later_proves_anything() {
    let mut bench = Bench::open();
    let before = bench.now;
    bench.pass(Nanos::from_millis(5));
    bench.partition.on_stall(bench.now, &mut bench.shown);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Late));
    let waited = common::mold(bench.session, 4, &[delete(1, 12)]);
    bench.partition.on_packet(bench.now, before, Line::A, &waited, &mut bench.shown);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Late), "it had waited in the queue");
    bench.pass(Nanos(1));
    bench.heartbeat(Line::A, 5);
    assert!(bench.status("AAPL").is_live());
}

#[test]
fn after_a_stall_a_gap_is_given_no_grace() {
    let mut bench = Bench::open();
    bench.partition.on_stall(bench.now, &mut bench.shown);
    // What was dropped while nobody looked: number 4 may be as old as the stall.
    bench.pass(Nanos(1));
    bench.send(Line::A, 5, &[delete(1, 12)]);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Late));
    bench.heartbeat(Line::B, 4);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Late), "it doesn't fill the gap");
    bench.send(Line::B, 4, &[add(1, 13, b'B', 100, 990_000)]);
    assert!(bench.status("AAPL").is_live(), "filled by a line that was behind");
    bench.partition.on_stall(bench.now, &mut bench.shown);
    bench.pass(Nanos(1));
    bench.send(Line::A, 7, &[delete(1, 13)]);
    bench.pass(GRACE + Nanos(1));
    assert_eq!(bench.reason("AAPL"), Some(Reason::Gap));
}

#[test]
fn a_crossed_book_is_stale_for_as_long_as_it_is_crossed() {
    let mut bench = Bench::open();
    bench.send(Line::A, 4, &[add(1, 13, b'B', 100, 1_020_000)]);
    assert!(bench.status("AAPL").is_live(), "nothing says yet that it trades");
    bench.send(Line::A, 5, &[trading(1, "AAPL", b'T')]);
    assert_eq!(bench.reason("AAPL"), Some(Reason::SymbolQuarantined));
    assert_eq!(bench.count(Counter::Crossed), 1);
    bench.send(Line::A, 6, &[delete(1, 13)]);
    assert!(bench.status("AAPL").is_live());
}

#[test]
fn halted_is_not_stale() {
    let mut bench = Bench::open();
    bench.send(Line::A, 4, &[trading(1, "AAPL", b'H')]);
    assert!(bench.status("AAPL").is_live());
    assert_eq!(bench.shown.view("AAPL").trading_state, candor_core::TradingState::Halted);
}

#[test]
fn a_renamed_instrument_inherits_nothing() {
    let mut bench = Bench::open();
    bench.send(Line::A, 4, &[delete(1, 11), delete(1, 12)]);
    bench.send(Line::A, 6, &[directory(1, "NEWN")]);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Unproven));
    assert!(bench.status("NEWN").is_live());
    assert_eq!(bench.shown.best("NEWN", Side::Bid), None);
}

#[test]
fn two_partitions_that_claim_one_symbol_make_it_stale() {
    let mut bench = Bench::open();
    let symbol = candor_core::Symbol::from_wire(b"AAPL").unwrap();
    let claim = Claim::Named { at: None };
    bench.partition.on_claimed(bench.now, &symbol, claim, &mut bench.shown);
    assert_eq!(bench.reason("AAPL"), Some(Reason::WrongPartition));
}

#[test]
fn a_full_table_quarantines_and_counts() {
    let mut bench = Bench::open();
    for order in 0..62 {
        let number = 4 + order;
        bench.send(Line::A, number, &[add(1, 100 + order, b'B', 1, 500_000)]);
    }
    assert!(bench.status("AAPL").is_live());
    bench.send(Line::A, 66, &[add(1, 999, b'B', 1, 500_000)]);
    assert_eq!(bench.reason("AAPL"), Some(Reason::SymbolQuarantined));
    assert_eq!(bench.count(Counter::OrdersFull), 1);
    for locate in 2..12u16 {
        let number = 65 + u64::from(locate);
        bench.send(Line::A, number, &[directory(locate, &format!("S{locate}"))]);
    }
    // AAPL and MSFT are listed; six more find a place.
    assert_eq!(bench.count(Counter::SymbolsFull), 4);
    assert_eq!(bench.reason("S11"), Some(Reason::Unmapped));
}

#[test]
fn foreign_bytes_are_counted_and_poison_nothing() {
    let mut bench = Bench::open();
    for payload in [&b""[..], b"short", &[0; 20], &[0xff; 1400]] {
        bench.packet(Line::A, payload);
    }
    assert_eq!(bench.count(Counter::Packets), bench.count(Counter::PacketsAccepted) + 4);
    assert!(bench.status("AAPL").is_live());
}

impl Bench {
    /// How many sell levels and buy levels AAPL shows.
    fn view_orders(&self) -> (u8, u8) {
        let view = self.shown.view("AAPL");
        (view.bid_count, view.ask_count)
    }
}

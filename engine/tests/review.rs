//! Sequences in which the obvious bookkeeping would show Live what the venue's book is not.

mod common;

use candor_core::counters::Counter;
use candor_core::{Line, Mono, Nanos, Reason, SeqNo, Side, WireTime};
use candor_decoders::Format;
use candor_decoders::iex::tp;
use candor_decoders::nasdaq::moldudp64;
use common::{Bench, GRACE, LATE, SESSION_GRACE, SILENCE, add, config, delete, directory, mold};

fn named(symbol: &str) -> Vec<u8> {
    format!("{symbol:<8}").into_bytes()
}

/// A price level update of DEEP.
fn level(kind: u8, complete: bool, size: u32, price: i64) -> Vec<u8> {
    let mut message = vec![kind, u8::from(complete)];
    message.extend(1i64.to_le_bytes());
    message.extend(named("ZIEXT"));
    message.extend(size.to_le_bytes());
    message.extend(price.to_le_bytes());
    message
}

/// A trade report of DEEP.
fn trade(size: u32, price: i64) -> Vec<u8> {
    let mut message = vec![b'T', 0];
    message.extend(1i64.to_le_bytes());
    message.extend(named("ZIEXT"));
    message.extend(size.to_le_bytes());
    message.extend(price.to_le_bytes());
    message.extend(7i64.to_le_bytes());
    message
}

/// The venue says that the symbol trades.
fn trades(at: i64) -> Vec<u8> {
    let mut message = vec![b'H', b'T'];
    message.extend(at.to_le_bytes());
    message.extend(named("ZIEXT"));
    message.extend(*b"    ");
    message
}

/// A DEEP partition with a book of two bids and an ask.
struct Deep {
    bench: Bench,
    next: u64,
}

impl Deep {
    fn open() -> Deep {
        let mut bench = Bench::with(candor_engine::Config {
            format: Format::IexDeep,
            ..config(&[("ZIEXT", 0)])
        });
        bench.subscribe(true);
        let mut deep = Deep { bench, next: 1 };
        deep.send(&[
            trades(1),
            level(b'8', true, 100, 252_000),
            level(b'8', true, 100, 251_000),
            level(b'5', true, 100, 253_000),
        ]);
        assert!(deep.bench.status("ZIEXT").is_live());
        deep
    }

    fn send(&mut self, messages: &[Vec<u8>]) {
        let stream = tp::Stream { protocol: tp::DEEP_1_0, channel: 1, session: 7 };
        let at = tp::Position { sequence: SeqNo(self.next), stream_offset: 0 };
        let mut buffer = [0; 1400];
        let mut writer = tp::Writer::new(&mut buffer, stream, at).unwrap();
        for message in messages {
            writer.push(message).unwrap();
        }
        self.next = writer.next().sequence.0;
        let payload = writer.finish(WireTime(1)).to_vec();
        self.bench.packet(Line::A, &payload);
    }

    fn bid(&self) -> Option<(i64, u64)> {
        self.bench.shown.best("ZIEXT", Side::Bid)
    }
}

#[test]
fn a_trade_report_does_not_complete_the_transaction_around_it() {
    let mut deep = Deep::open();
    // A sweep of two levels: each trade is reported between the updates of the levels.
    deep.send(&[trade(100, 252_000), level(b'8', false, 0, 252_000), trade(50, 251_000)]);
    assert_eq!(deep.bid(), Some((252_000, 100)), "the last whole book, not one in between");
    assert!(deep.bench.status("ZIEXT").is_live());
    deep.send(&[level(b'8', true, 50, 251_000)]);
    assert_eq!(deep.bid(), Some((251_000, 50)));
    assert!(deep.bench.status("ZIEXT").is_live());
    // Its end is owed for longer than the grace, whatever else comes.
    deep.send(&[level(b'8', false, 0, 251_000), trade(50, 251_000)]);
    deep.bench.pass(GRACE + Nanos(1));
    assert_eq!(deep.bench.reason("ZIEXT"), Some(Reason::SymbolQuarantined));
}

#[test]
fn a_transaction_may_end_with_an_update_that_changes_nothing() {
    let mut deep = Deep::open();
    deep.send(&[level(b'8', false, 70, 250_000)]);
    deep.bench.pass(GRACE + Nanos(1));
    assert_eq!(deep.bench.reason("ZIEXT"), Some(Reason::SymbolQuarantined));
    deep.send(&[level(b'5', true, 100, 253_000)]);
    assert!(deep.bench.status("ZIEXT").is_live(), "whole again");
    // And one that leaves the book crossed is looked at, too.
    deep.send(&[level(b'8', false, 70, 254_000), level(b'5', true, 100, 253_000)]);
    assert_eq!(deep.bench.count(Counter::Crossed), 1);
    assert_eq!(deep.bench.reason("ZIEXT"), Some(Reason::SymbolQuarantined));
}

#[test]
fn a_renamed_instrument_whose_orders_rest_has_no_book_to_show() {
    let mut bench = Bench::open();
    // At the venue the orders 11 and 12 rest on, under the new name.
    bench.send(Line::A, 4, &[directory(1, "NEWN")]);
    assert_eq!(bench.reason("NEWN"), Some(Reason::SymbolQuarantined));
    assert_eq!(bench.reason("AAPL"), Some(Reason::Unproven));
}

#[test]
fn symbols_that_change_keys_are_not_merged() {
    let mut bench = Bench::open();
    bench.send(Line::A, 4, &[directory(2, "MSFT")]);
    assert!(bench.status("MSFT").is_live());
    // AAPL has orders under key 1, and now comes under key 2, which is MSFT's.
    bench.send(Line::A, 5, &[directory(2, "AAPL"), add(2, 13, b'B', 1, 990_000)]);
    assert_eq!(bench.reason("AAPL"), Some(Reason::SymbolQuarantined));
    assert_eq!(bench.reason("MSFT"), Some(Reason::Unproven));
}

#[test]
fn what_came_before_the_definition_is_missing_from_the_book() {
    let mut bench = Bench::open();
    bench.send(Line::A, 4, &[add(2, 13, b'B', 100, 990_000)]);
    assert_eq!(bench.count(Counter::UndefinedInstrument), 1);
    assert!(bench.status("AAPL").is_live());
    bench.send(Line::A, 5, &[directory(2, "MSFT"), directory(3, "ELSE2")]);
    assert_eq!(bench.reason("MSFT"), Some(Reason::SymbolQuarantined));
    assert!(bench.status("ELSE2").is_live());
    // A new session begins with nothing missing. One so soon after the start might not be the later one.
    bench.pass(SESSION_GRACE);
    bench.session = *b"DAY0000002";
    bench.send(Line::A, 1, &[directory(2, "MSFT")]);
    assert!(bench.status("MSFT").is_live());
}

#[test]
fn more_undefined_instruments_than_are_remembered_spare_nobody() {
    let mut bench = Bench::open();
    for key in 0..100u16 {
        bench.send(Line::A, 4 + u64::from(key), &[add(1000 + key, 13, b'B', 100, 990_000)]);
    }
    bench.send(Line::A, 104, &[directory(1099, "MSFT")]);
    assert_eq!(bench.reason("MSFT"), Some(Reason::SymbolQuarantined));
    assert!(bench.status("AAPL").is_live());
}

/// AAPL, and line B 500 ms behind line A.
fn line_b_lags() -> Bench {
    let mut bench = Bench::open();
    for number in 4..10 {
        bench.send(Line::A, number, &[add(1, 100 + number, b'B', 1, 500_000)]);
    }
    bench.pass(Nanos::from_millis(100));
    bench
}

#[test]
fn a_lagging_copy_does_not_show_where_the_venue_is_after_a_stall() {
    let mut bench = line_b_lags();
    // The kernel dropped A's newest packets, 10 and 11.
    bench.partition.on_stall(bench.now, &mut bench.shown);
    bench.pass(Nanos(1));
    bench.send(
        Line::B,
        1,
        &[directory(1, "AAPL"), add(1, 11, b'B', 100, 1_000_000), add(1, 12, b'S', 200, 1_010_000)],
    );
    assert_eq!(bench.reason("AAPL"), Some(Reason::Late));
    bench.heartbeat(Line::A, 10);
    assert!(bench.status("AAPL").is_live(), "nothing was missing after all");
}

#[test]
fn a_prompt_copy_does_not_excuse_a_line_that_is_read_late() {
    let mut bench = line_b_lags();
    let arrived = bench.now;
    bench.pass(Nanos(LATE.0 + 1));
    let late = mold(bench.session, 10, &[delete(1, 104)]);
    bench.partition.on_packet(bench.now, arrived, Line::A, &late, &mut bench.shown);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Late));
    bench.send(
        Line::B,
        1,
        &[directory(1, "AAPL"), add(1, 11, b'B', 100, 1_000_000), add(1, 12, b'S', 200, 1_010_000)],
    );
    assert_eq!(bench.reason("AAPL"), Some(Reason::Late), "A's queue is as long as it was");
    bench.send(Line::A, 11, &[delete(1, 105)]);
    assert!(bench.status("AAPL").is_live());
}

#[test]
fn a_publisher_stuck_on_its_last_packet_is_silent() {
    let mut bench = Bench::open();
    let died = bench.now;
    let last = mold(bench.session, 3, &[add(1, 12, b'S', 200, 1_010_000)]);
    for _ in 0..40 {
        bench.pass(Nanos::from_millis(100));
        bench.packet(Line::A, &last);
    }
    assert_eq!(bench.reason("AAPL"), Some(Reason::Silent));
    assert_eq!(bench.shown.lease, died + SILENCE);
}

#[test]
fn an_arrival_in_the_future_vouches_from_now() {
    let mut bench = Bench::open();
    let beat = moldudp64::heartbeat(bench.session, SeqNo(4));
    bench.partition.on_packet(bench.now, Mono(u64::MAX / 2), Line::A, &beat, &mut bench.shown);
    assert_eq!(bench.shown.lease, bench.now + SILENCE);
    bench.pass(SILENCE);
    assert_eq!(bench.reason("AAPL"), Some(Reason::Silent));
}

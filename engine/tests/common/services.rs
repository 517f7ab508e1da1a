//! The venue's services in a test's hands.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use candor_core::{
    Action, ByteOrder, Line, Messages, Nanos, SeqNo, SessionId, SnapshotAsk, SnapshotPart,
};

use candor_engine::Services;
use candor_gapfill::retransmit::Policy;

use super::{Bench, add, config, directory};

/// How it is asked for missing numbers.
pub const ASKS: Policy = Policy {
    piece: 100,
    outstanding: 4,
    limit: 1_000,
    timeout: Nanos::from_millis(10),
    timeout_max: Nanos::from_millis(40),
    attempts: 2,
    patience: Nanos::from_millis(200),
    rest: Nanos::ZERO,
    pause_max: Some(Nanos::from_secs(1)),
};

/// Waits of a service nearby.
pub const SNAPSHOTS: candor_snapshot::Config = candor_snapshot::Config {
    holdback_bytes: 1 << 20,
    begin: Nanos::from_millis(500),
    idle: Nanos::from_millis(200),
    whole: Nanos::from_secs(5),
    confirm: Nanos::from_millis(1_500),
    retry: Nanos::from_millis(100),
    retry_max: Nanos::from_secs(2),
};

/// Live, with numbers 1 to 4 applied: AAPL and MSFT defined, AAPL with an order on each side.
pub fn opened(services: Services, listed: &[&str]) -> Bench {
    let listed: Vec<(&str, u16)> = listed.iter().map(|symbol| (*symbol, 0)).collect();
    let mut bench = Bench::with(candor_engine::Config { services, ..config(&listed) });
    bench.subscribe(true);
    bench.send(
        Line::A,
        1,
        &[
            directory(1, "AAPL"),
            directory(2, "MSFT"),
            add(1, 11, b'B', 100, 1_000_000),
            add(1, 12, b'S', 200, 1_010_000),
        ],
    );
    assert!(bench.status("AAPL").is_live());
    bench
}

/// All that is wanted now.
pub fn actions(bench: &mut Bench) -> Vec<Action> {
    std::iter::from_fn(|| bench.partition.next_action()).collect()
}

/// The one snapshot that is asked for now.
pub fn snapshot_asked(bench: &mut Bench) -> SnapshotAsk {
    let mut asks = actions(bench).into_iter().filter_map(|action| match action {
        Action::Snapshot(ask) => Some(ask),
        _ => None,
    });
    let ask = asks.next().expect("a snapshot is asked for");
    assert_eq!(asks.next(), None, "one at a time");
    ask
}

pub fn part(bench: &mut Bench, cycle: u32, part: &SnapshotPart<'_>) {
    bench.partition.on_snapshot(bench.now, cycle, part, &mut bench.shown);
    bench.partition.check();
}

pub fn begin(bench: &mut Bench, cycle: u32) {
    let session = SessionId::from_text(bench.session);
    part(bench, cycle, &SnapshotPart::Begin { session });
}

pub fn load(bench: &mut Bench, cycle: u32, messages: &[Vec<u8>]) {
    let mut bytes = Vec::new();
    for message in messages {
        bytes.extend((message.len() as u16).to_be_bytes());
        bytes.extend(message);
    }
    let messages = Messages::walk(&bytes, messages.len() as u16, ByteOrder::Big).unwrap();
    part(bench, cycle, &SnapshotPart::Messages(messages));
}

pub fn end(bench: &mut Bench, cycle: u32, next: u64) {
    part(bench, cycle, &SnapshotPart::End { next: SeqNo(next) });
}

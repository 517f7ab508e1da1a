//! The venue's services in a test's hands.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use candor_core::{
    Action, ByteOrder, Messages, Nanos, SeqNo, SessionId, SnapshotAsk, SnapshotPart,
};

use super::Bench;

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

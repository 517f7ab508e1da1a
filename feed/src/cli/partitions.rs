//! `candor partitions`.

use candor_core::counters::Counter;
use candor_core::{Line, Mono};
use candor_shm::{PartitionInfo, Region};
use clap::Args;

use super::output::{Answer, Row, Value};
use super::region::{RegionArg, finish, status_text};
use super::{OutputArg, counters, recovery};
use crate::exit::{Exit, Failure};

const COLUMNS: &[&str] = &[
    "venue",
    "partition",
    "status",
    "since",
    "lease_left",
    "heard",
    "silence",
    "epoch",
    "trading_date",
    "session",
    "expected",
    "known_end",
    "symbols",
    "live",
    "share_live",
    "packets",
    "messages",
    "rejects",
    "discards",
    "gaps_outlived",
    "messages_lost",
    "retransmit_filled",
    "snapshots_spliced",
    "recovery",
    "feed",
    "lane",
    "line_a",
    "line_b",
    "line_c",
];

/// Lists the partitions: status and since when, what its last packet still vouches for, where it stands in
/// its sequence, how many of its symbols are live, what recovery is at. Exits 0 when all partitions are live,
/// 1 when one is stale, 3 when the handler is gone.
#[derive(Debug, Args)]
pub(super) struct Partitions {
    #[command(flatten)]
    region: RegionArg,
    #[command(flatten)]
    output: OutputArg,
}

impl Partitions {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let mut source = self.region.open()?;
        let partitions = source.partitions();
        let now = source.now();
        let all_live = partitions.iter().all(|partition| partition.status.is_live());
        let rows = partitions.iter().map(|p| row(&source.region, p, now)).collect();
        let answer = Answer::new().many("partitions", COLUMNS, rows);
        finish(&source, &answer, self.output.output, all_live)
    }
}

/// How many symbols of a partition are live.
pub(super) fn live(region: &Region, partition: u16) -> u64 {
    let live = |handle| region.read(handle).reason().is_none();
    region.symbols(partition).filter(|(handle, _)| live(*handle)).count() as u64
}

/// How many symbols a partition has, those left out that a map has moved to another.
pub(super) fn here(region: &Region, partition: &PartitionInfo) -> u64 {
    let moved = region.symbols(partition.index).filter(|(handle, _)| region.is_moved(*handle));
    u64::from(partition.symbols).saturating_sub(moved.count() as u64)
}

fn row(region: &Region, partition: &PartitionInfo, now: Mono) -> Row {
    let spec = &partition.spec;
    let live = live(region, partition.index);
    let symbols = here(region, partition);
    let (session, expected, known_end) = match partition.numbers {
        Some((session, expected, end)) => {
            (Value::text(session), Value::Number(expected.0), Value::Number(end.0))
        }
        None => (Value::Absent, Value::Absent, Value::Absent),
    };
    let count = |counter| Value::Number(partition.counters.get(counter));
    let line = |line: Line| spec.lines[line.index()].map_or(Value::Absent, Value::text);
    Row::new()
        .with("venue", Value::text(spec.venue))
        .with("partition", Value::text(spec.name))
        .with("status", Value::text(status_text(partition.status.reason())))
        .with("since", Value::age(partition.since, now))
        .with("lease_left", Value::Length(Some(partition.lease_left)))
        .with("heard", Value::age(partition.heard, now))
        .with("silence", Value::Length(Some(spec.silence)))
        .with("epoch", Value::Number(u64::from(partition.epoch)))
        .with("trading_date", Value::text(partition.trading_date))
        .with("session", session)
        .with("expected", expected)
        .with("known_end", known_end)
        .with("symbols", Value::Number(symbols))
        .with("live", Value::Number(live))
        .with("share_live", Value::share(live, symbols))
        .with("packets", count(Counter::Packets))
        .with("messages", count(Counter::Messages))
        .with("rejects", Value::Number(counters::rejects(partition)))
        .with("discards", Value::Number(counters::discards(partition)))
        .with("gaps_outlived", count(Counter::GapsOutlived))
        .with("messages_lost", count(Counter::MessagesLost))
        .with("retransmit_filled", count(Counter::RetransmitFilled))
        .with("snapshots_spliced", count(Counter::SnapshotsSpliced))
        .with("recovery", recovery::step(partition).map_or(Value::Absent, Value::Text))
        .with("feed", Value::text(spec.feed))
        .with("lane", Value::Number(u64::from(spec.lane)))
        .with("line_a", line(Line::A))
        .with("line_b", line(Line::B))
        .with("line_c", line(Line::C))
}

//! `candor counters`.

use std::collections::BTreeSet;

use candor_core::Reject;
use candor_core::counters::{Counter, LaneCounter};
use candor_shm::{LaneInfo, PartitionInfo};
use clap::Args;

use super::output::{Answer, Row, Value};
use super::region::{RegionArg, finish};
use super::{Output, OutputArg};
use crate::exit::{Exit, Failure};

const PARTITIONS: &[&str] = &["venue", "partition", "kind", "counter", "count"];
const LANES: &[&str] = &["lane", "counter", "count"];
const PROGRAM: &[&str] = &["counter", "count"];

/// What the XDP program counts: it knows no lane, and the first one carries it for the handler.
const OF_PROGRAM: [LaneCounter; 4] = [
    LaneCounter::Fragments,
    LaneCounter::Malformed,
    LaneCounter::MetaFailed,
    LaneCounter::OtherSource,
];

/// Lists what was counted since the handler's start, by partition, by lane, and by the XDP program
/// for the whole handler; without --all only what is not zero. Kind says how a partition's counter
/// adds up: packets = packets_accepted + every `reject` of a packet, and messages = applied +
/// duplicate + every `discard` + held. Exits 0, or 3 for a partition nobody knows or when the handler
/// is gone.
#[derive(Debug, Args)]
pub(super) struct CountersQuery {
    /// Only these, and their lanes: PARTITION, or VENUE:PARTITION.
    #[arg(value_name = "PARTITION")]
    partitions: Vec<String>,
    /// Those that are zero as well.
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    region: RegionArg,
    #[command(flatten)]
    output: OutputArg,
}

impl CountersQuery {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let mut source = self.region.open()?;
        let now = source.now();
        let mut partitions = source.partitions();
        let mut lanes: Vec<LaneInfo> = source.region.lanes(now).collect();
        if !self.partitions.is_empty() {
            let wanted = match chosen(&partitions, &self.partitions) {
                Ok(wanted) => wanted,
                Err(failure) => {
                    if self.output.output == Output::Json {
                        self.answer(&[], &[], &[]).print(Output::Json)?;
                    }
                    return Err(failure);
                }
            };
            partitions.retain(|partition| wanted.contains(&partition.index));
        }
        let program: Vec<u64> = OF_PROGRAM
            .iter()
            .map(|counter| lanes.iter().map(|lane| lane.get(*counter)).sum())
            .collect();
        lanes.retain(|lane| {
            self.partitions.is_empty() || partitions.iter().any(|one| one.spec.lane == lane.index)
        });
        let answer = self.answer(&partitions, &lanes, &program);
        finish(&source, &answer, self.output.output, true)
    }

    fn answer(&self, partitions: &[PartitionInfo], lanes: &[LaneInfo], program: &[u64]) -> Answer {
        let shown = |count: u64| self.all || count > 0;
        let program = OF_PROGRAM.iter().zip(program).filter(|(_, count)| shown(**count));
        let program = program.map(|(counter, count)| counted(Row::new(), counter.label(), *count));
        let lane = |lane: &LaneInfo| {
            let own = LaneCounter::ALL.into_iter().filter(|one| !OF_PROGRAM.contains(one));
            let own = own.map(|counter| (counter.label(), lane.get(counter)));
            let row = Row::new().with("lane", Value::Number(lane.index.into()));
            let rows = own.filter(|(_, count)| shown(*count));
            rows.map(|(label, count)| counted(row.clone(), label, count)).collect::<Vec<_>>()
        };
        let partition = |partition: &PartitionInfo| {
            let rows = of_partition(partition).filter(|(.., count)| shown(*count));
            let row = |kind: &str| {
                Row::new()
                    .with("venue", Value::text(partition.spec.venue))
                    .with("partition", Value::text(partition.spec.name))
                    .with("kind", Value::text(kind))
            };
            rows.map(|(kind, label, count)| counted(row(kind), label, count)).collect::<Vec<_>>()
        };
        Answer::new()
            .many("partitions", PARTITIONS, partitions.iter().flat_map(partition).collect())
            .many("lanes", LANES, lanes.iter().flat_map(lane).collect())
            .many("program", PROGRAM, program.collect())
    }
}

fn counted(row: Row, label: &str, count: u64) -> Row {
    row.with("counter", Value::text(label)).with("count", Value::Number(count))
}

/// Every counter of a partition: its kind, its name, its count.
fn of_partition(
    partition: &PartitionInfo,
) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
    let own = Counter::ALL.into_iter().map(|counter| {
        let kind = if Counter::DISCARDS.contains(&counter) { "discard" } else { "count" };
        (kind, counter.label(), partition.counters.get(counter))
    });
    let rejects = Reject::ALL
        .into_iter()
        .map(|reject| ("reject", reject.label(), partition.counters.rejects(reject)));
    own.chain(rejects)
}

/// Packets and messages that a partition refused, for all reasons together.
pub(super) fn rejects(partition: &PartitionInfo) -> u64 {
    Reject::ALL.into_iter().map(|reject| partition.counters.rejects(reject)).sum()
}

/// Messages that a partition discarded, for all reasons together.
pub(super) fn discards(partition: &PartitionInfo) -> u64 {
    Counter::DISCARDS.into_iter().map(|counter| partition.counters.get(counter)).sum()
}

/// The indices of the partitions an operator means; a name of several venues means all of them.
///
/// # Errors
/// Exit 3 for a name that no partition has.
fn chosen(partitions: &[PartitionInfo], asked: &[String]) -> Result<BTreeSet<u16>, Failure> {
    let mut wanted = BTreeSet::new();
    for text in asked {
        let is = |partition: &&PartitionInfo| {
            let (venue, name) = (partition.spec.venue.as_str(), partition.spec.name.as_str());
            text == name || text.split_once(':') == Some((venue, name))
        };
        let found: Vec<u16> = partitions.iter().filter(is).map(|one| one.index).collect();
        if found.is_empty() {
            let message = format!("no partition {text}; `candor partitions` lists them");
            return Err(Failure::new(Exit::Unknown, message));
        }
        wanted.extend(found);
    }
    Ok(wanted)
}

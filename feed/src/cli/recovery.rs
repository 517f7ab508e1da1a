//! What recovery is at, by the counters in the region.

use candor_core::Reason;
use candor_core::counters::Counter;
use candor_shm::PartitionInfo;

use super::output::{Row, Value};

/// What recovery has counted, by column.
const COUNTERS: [(&str, Counter); 12] = [
    ("retransmit_requests", Counter::RetransmitRequests),
    ("retransmit_filled", Counter::RetransmitFilled),
    ("retransmit_timeouts", Counter::RetransmitTimeouts),
    ("retransmit_refused", Counter::RetransmitRefused),
    ("retransmit_over_budget", Counter::RetransmitOverBudget),
    ("retransmit_contradicts", Counter::RetransmitContradicts),
    ("retransmit_given_up", Counter::RetransmitGivenUp),
    ("snapshot_requests", Counter::SnapshotRequests),
    ("snapshots_spliced", Counter::SnapshotsSpliced),
    ("snapshots_unusable", Counter::SnapshotsUnusable),
    ("snapshots_failed", Counter::SnapshotsFailed),
    ("held_back", Counter::HeldBack),
];

/// The sums over all partitions.
pub(super) fn sums(partitions: &[PartitionInfo]) -> Row {
    let sum = |counter| partitions.iter().map(|one| one.counters.get(counter)).sum();
    let add = |row: Row, (name, counter): &(&'static str, Counter)| {
        row.with(name, Value::Number(sum(*counter)))
    };
    COUNTERS.iter().fold(Row::new(), add)
}

/// The step a partition is at that is stale for want of messages; `None` where it is not, or where
/// nothing was ever asked for.
pub(super) fn step(partition: &PartitionInfo) -> Option<String> {
    let reason = partition.status.reason()?;
    let wants = [Reason::Gap, Reason::Recovering, Reason::LinesDiffer, Reason::Quarantined];
    if !wants.contains(&reason) {
        return None;
    }
    let count = |counter| partition.counters.get(counter);
    let counts = COUNTERS.map(|(_, counter)| count(counter));
    let [requests, _, timeouts, refused, unsent, contradicts, given_up, rest @ ..] = counts;
    let [asked, spliced, unusable, failed, held_back] = rest;
    let snapshots = || format!("{asked} asked for, {failed} failed, {unusable} unusable");
    if held_back > 0 {
        return Some(format!("a snapshot, {held_back} messages held back for it; {}", snapshots()));
    }
    if asked > spliced {
        return Some(format!("a snapshot; {}", snapshots()));
    }
    if requests == 0 {
        return None;
    }
    Some(format!(
        "asking for what is missing; {requests} requests, {timeouts} timed out, {refused} refused, \
         {unsent} over our budget, {contradicts} answered wrongly, {given_up} given up"
    ))
}

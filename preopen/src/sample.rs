//! What was heard up to a moment.

use candor_core::Mono;
use candor_core::counters::Counter;
use candor_core::limits::LINES;
use candor_shm::{PartitionInfo, Region};

/// The counters of accepted packets, by line.
const ACCEPTED: [Counter; LINES] = [Counter::PacketsA, Counter::PacketsB, Counter::PacketsC];

/// How many packets each line of each partition of a region had brought. Two of them tell what was heard
/// between; a counter alone tells that a line was heard once, on some day of the handler's life.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sample {
    /// When it was taken.
    pub at: Mono,
    /// By the partition's index in the region.
    partitions: Vec<(u16, [u64; LINES])>,
}

impl Sample {
    /// Takes one.
    #[must_use]
    pub fn take(region: &Region, now: &dyn Fn() -> Mono) -> Sample {
        // The moment first: what is heard while the rest is read counts as heard since.
        let at = now();
        let packets = |info: PartitionInfo| (info.index, accepted(&info));
        Sample { at, partitions: region.partitions_when(now).map(packets).collect() }
    }

    /// That nothing had been heard at this moment: what was heard since is all there is.
    #[must_use]
    pub const fn nothing(at: Mono) -> Sample {
        Sample { at, partitions: Vec::new() }
    }

    /// How many packets a partition's lines have brought since.
    pub(crate) fn since(&self, info: &PartitionInfo) -> [u64; LINES] {
        let now = accepted(info);
        let before = self.partitions.iter().find(|(index, _)| *index == info.index);
        let Some((_, before)) = before else { return now };
        // Fewer than before: another partition has the place.
        core::array::from_fn(|line| now[line].checked_sub(before[line]).unwrap_or(now[line]))
    }
}

/// How many packets a partition's lines have brought in all.
pub(crate) fn accepted(info: &PartitionInfo) -> [u64; LINES] {
    ACCEPTED.map(|counter| info.counters.get(counter))
}

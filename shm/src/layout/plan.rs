//! Where everything is, computed from the counts alone. Writer and reader compute it for
//! themselves; a reader refuses a region whose own offsets say something else, and never follows
//! an offset it read.

use candor_core::limits;

use super::record::Record as _;
use super::{
    AlertTable, DirectoryEntry, Header, Lane, Partition, RingRecord, Slot, UnmappedTable,
    VENUES_MAX, VenueRecord,
};

/// Most symbols of one partition: 32 times the widest partition known (an OPRA line).
pub(crate) const SYMBOLS_MAX: u32 = 1 << 20;
/// Most records of a ring.
pub(crate) const RING_MAX: u32 = 1 << 22;

/// Where one partition's parts are, in bytes from the region's start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PartitionPlan {
    pub(crate) lane: u16,
    pub(crate) capacity: u32,
    pub(crate) record_at: u64,
    pub(crate) directory_at: u64,
    pub(crate) index_at: u64,
    pub(crate) index_words: u32,
    pub(crate) slots_at: u64,
}

/// Where one lane's parts are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LanePlan {
    pub(crate) record_at: u64,
    pub(crate) events_at: u64,
    pub(crate) losses_at: u64,
}

/// Where everything is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Plan {
    pub(crate) events: u32,
    pub(crate) losses: u32,
    pub(crate) lanes_at: u64,
    pub(crate) partitions_at: u64,
    pub(crate) venues_at: u64,
    pub(crate) venues: u16,
    pub(crate) unmapped_at: u64,
    pub(crate) alerts_at: u64,
    pub(crate) lanes: Vec<LanePlan>,
    pub(crate) partitions: Vec<PartitionPlan>,
    pub(crate) length: u64,
}

/// Hands out bytes one after another, each part on a cache line of its own.
struct Cursor(u64);

impl Cursor {
    fn take(&mut self, size: usize, count: u64) -> u64 {
        let at = self.0;
        // No overflow: sizes, counts and their number are bounded by the limits checked in `of`;
        // 1024 partitions of 2^20 slots and 64 lanes of two 2^22-record rings stay below 2^41.
        self.0 = (at + size as u64 * count).next_multiple_of(64);
        at
    }
}

impl Plan {
    /// Where the partition records start when there are this many lanes: a reader needs it before
    /// it knows the rest.
    pub(crate) fn partitions_start(lanes: u16) -> u64 {
        (Header::SIZE + UnmappedTable::SIZE + usize::from(lanes) * Lane::SIZE) as u64
    }

    /// The plan for these counts (lanes, venues; records of a ring of events, of losses), or what is wrong
    /// with them. Each partition is its lane and its capacity in symbols.
    pub(crate) fn of(
        (lanes, venues): (u16, u16),
        (events, losses): (u32, u32),
        partitions: &[(u16, u32)],
    ) -> Result<Plan, &'static str> {
        if lanes == 0 || usize::from(lanes) > limits::LANES {
            return Err("a handler has 1 to 64 lanes");
        }
        if partitions.len() > limits::PARTITIONS {
            return Err("a handler has at most 1024 partitions");
        }
        if usize::from(venues) > VENUES_MAX {
            return Err("a handler has at most 1024 venues");
        }
        for records in [events, losses] {
            if !records.is_power_of_two() || !(8..=RING_MAX).contains(&records) {
                return Err("a ring has 8 to 4194304 records, a power of two");
            }
        }
        for (lane, capacity) in partitions {
            if *lane >= lanes {
                return Err("a partition names a lane that isn't there");
            }
            if *capacity == 0 || *capacity > SYMBOLS_MAX {
                return Err("a partition has room for 1 to 1048576 symbols");
            }
        }
        let mut cursor = Cursor(0);
        cursor.take(Header::SIZE, 1);
        let unmapped_at = cursor.take(UnmappedTable::SIZE, 1);
        let lanes_at = cursor.take(Lane::SIZE, u64::from(lanes));
        let partitions_at = cursor.take(Partition::SIZE, partitions.len() as u64);
        assert_eq!(partitions_at, Plan::partitions_start(lanes));
        let venues_at = cursor.take(VenueRecord::SIZE, u64::from(venues));
        let lanes = (0..u64::from(lanes))
            .map(|lane| LanePlan {
                record_at: lanes_at + lane * Lane::SIZE as u64,
                events_at: cursor.take(RingRecord::SIZE, u64::from(events)),
                losses_at: cursor.take(RingRecord::SIZE, u64::from(losses)),
            })
            .collect();
        let partitions = partitions
            .iter()
            .zip(0u64..)
            .map(|(&(lane, capacity), number)| {
                // Half full at most: a probe ends after a step or two.
                let index_words = (capacity * 2).next_power_of_two();
                PartitionPlan {
                    lane,
                    capacity,
                    record_at: partitions_at + number * Partition::SIZE as u64,
                    directory_at: cursor.take(DirectoryEntry::SIZE, u64::from(capacity)),
                    index_at: cursor.take(8, u64::from(index_words)),
                    index_words,
                    slots_at: cursor.take(Slot::SIZE, u64::from(capacity)),
                }
            })
            .collect();
        let alerts_at = cursor.take(AlertTable::SIZE, 1);
        // Whole pages, as the file system hands them out.
        let length = cursor.0.next_multiple_of(4096);
        Ok(Plan {
            events,
            losses,
            lanes_at,
            partitions_at,
            venues_at,
            venues,
            unmapped_at,
            alerts_at,
            lanes,
            partitions,
            length,
        })
    }
}

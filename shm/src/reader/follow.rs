//! Following a lane's event ring and its loss log: the fast way to learn of a change.

use super::Region;
use crate::atomic::{AtomicU64, Ordering};
use crate::event::{self, EventRecord};
use crate::layout::{Lane, RingRecord};
use crate::loss::{self, LossRecord};
use crate::ring::{self, Taken};

/// What a follower finds at its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Next<T> {
    /// The next record.
    Record(T),
    /// Nothing new; records that were written are never skipped silently.
    Nothing,
    /// The writer was faster by a whole ring: `missed` records are gone for this reader, who goes
    /// on behind them. Whatever it derived from the ring is `Stale(Lapped)`: read the slots.
    Lapped {
        /// Records skipped.
        missed: u64,
    },
}

struct Follower {
    region: Region,
    lane: u16,
    next: u64,
}

impl Follower {
    fn next(
        &mut self,
        records: fn(&Region, u16) -> &[RingRecord],
        head: fn(&Lane) -> &AtomicU64,
    ) -> Next<(u64, [u64; ring::PAYLOAD])> {
        let records = records(&self.region, self.lane);
        match ring::take(records, self.next) {
            Taken::NotYet => Next::Nothing,
            Taken::Record(payload) => {
                let number = self.next;
                self.next += 1;
                Next::Record((number, payload))
            }
            Taken::Overwritten => {
                let head = head(self.region.lane_record(self.lane));
                let resume = ring::resume(records, head, self.next);
                let missed = resume - self.next;
                self.next = resume;
                Next::Lapped { missed }
            }
        }
    }
}

fn events(region: &Region, lane: u16) -> &[RingRecord] {
    let (map, plan) = region.parts();
    map.slice(plan.lanes[usize::from(lane)].events_at, plan.events)
}

fn losses(region: &Region, lane: u16) -> &[RingRecord] {
    let (map, plan) = region.parts();
    map.slice(plan.lanes[usize::from(lane)].losses_at, plan.losses)
}

/// Follows one lane's events. It keeps its own place; any number may follow one lane.
pub struct EventReader(Follower);

impl EventReader {
    /// The next event of the lane.
    #[inline]
    #[allow(clippy::should_implement_trait, reason = "a ring has no end, and three answers")]
    pub fn next(&mut self) -> Next<EventRecord> {
        match self.0.next(events, |lane| &lane.events_head) {
            Next::Record((number, payload)) => Next::Record(event::decode(number, payload)),
            Next::Nothing => Next::Nothing,
            Next::Lapped { missed } => Next::Lapped { missed },
        }
    }

    /// The number of the event to come next.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.0.next
    }
}

/// Follows one lane's loss log.
pub struct LossReader(Follower);

impl LossReader {
    /// The next entry of the log. An entry of a kind this build does not know is skipped.
    #[allow(clippy::should_implement_trait, reason = "a log has no end, and three answers")]
    pub fn next(&mut self) -> Next<LossRecord> {
        loop {
            // BOUND: each round takes one record of the ring or ends.
            match self.0.next(losses, |lane| &lane.losses_head) {
                Next::Record((number, payload)) => {
                    if let Some(record) = loss::decode(number, payload) {
                        return Next::Record(record);
                    }
                }
                Next::Nothing => return Next::Nothing,
                Next::Lapped { missed } => return Next::Lapped { missed },
            }
        }
    }
}

impl Region {
    /// Follows a lane's events from the newest on; `None` when there is no such lane.
    #[must_use]
    pub fn events(&self, lane: u16) -> Option<EventReader> {
        self.plan().lanes.get(usize::from(lane))?;
        // ORDER: pairs with the release store of the head: the records up to it are there.
        let head = self.lane_record(lane).events_head.load(Ordering::Acquire);
        let next = head.saturating_add(1);
        Some(EventReader(Follower { region: self.clone(), lane, next }))
    }

    /// Follows a lane's loss log from the oldest entry still there; `None` when there is no such
    /// lane.
    #[must_use]
    pub fn losses(&self, lane: u16) -> Option<LossReader> {
        self.plan().lanes.get(usize::from(lane))?;
        // ORDER: pairs with the release store of the head: the records up to it are there.
        let head = self.lane_record(lane).losses_head.load(Ordering::Acquire);
        let next = head.saturating_add(1).saturating_sub(u64::from(self.plan().losses)).max(1);
        Some(LossReader(Follower { region: self.clone(), lane, next }))
    }
}

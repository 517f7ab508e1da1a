//! Changes of symbols' own status on their way from the lanes to the journal, however short what they were lasted: a
//! look at the region every second would miss most. A bounded queue that no lane waits for, as that of the log; what
//! finds no room is counted, and what lasts of it is found by looking.

use std::sync::atomic::{AtomicU64, Ordering};

use candor_core::{Mono, Reason, SymbolIndex};
use crossbeam_queue::ArrayQueue;

/// Changes that wait for the handler's own thread, which looks fifty times a second: every symbol of several venues
/// at once, there and back. 2 MB.
const ROOM: usize = 65_536;

/// A symbol's own status is another, while its partition is Live.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    /// When.
    pub at: Mono,
    /// The symbol's index in its partition.
    pub symbol: SymbolIndex,
    /// The partition, by its number in the region.
    pub partition: u16,
    /// Why it was stale; `None` where it was Live.
    pub from: Option<Reason>,
    /// Why it is.
    pub to: Option<Reason>,
}

/// The queue.
#[derive(Debug)]
pub struct Statuses {
    queue: ArrayQueue<Change>,
    missed: AtomicU64,
}

impl Default for Statuses {
    fn default() -> Statuses {
        Statuses { queue: ArrayQueue::new(ROOM), missed: AtomicU64::new(0) }
    }
}

impl Statuses {
    /// For a lane: says so, and waits for nobody.
    pub fn push(&self, change: Change) {
        if self.queue.push(change).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What has come since the last time, in its order for each lane.
    pub fn take(&self) -> impl Iterator<Item = Change> + '_ {
        // BOUND: what the queue can hold; what comes meanwhile waits for the next time.
        (0..ROOM).map_while(|_| self.queue.pop())
    }

    /// How much found no room since the last time.
    pub fn take_missed(&self) -> u64 {
        self.missed.swap(0, Ordering::Relaxed)
    }
}

//! From the handler's own thread to its lanes and back: what each has to do for a map, in three calls.
//!
//! A lane takes what is for it between two packets, does it, and gives it back: nothing of it is allocated,
//! freed or looked up by name there that was not made for it before.

use candor_core::limits::LINES;
use candor_core::{Nanos, TradingDate};
use candor_engine::{NewMap, Partition};
use candor_shm::{Endpoint, PartitionSpec};
use crossbeam_queue::ArrayQueue;

use crate::source::udp::Socket;

/// How long a lane may take for a call before that is said: many times what one takes that moves at all.
pub(super) const LANE_WITHIN: Nanos = Nanos::from_secs(2);

/// Which of the calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// Takes away what the map gives elsewhere; places that it adds are opened.
    Begin,
    /// Says where wire and map contradict each other; what was joined meanwhile is subscribed.
    Claim,
    /// Gives what the map gives.
    Finish,
}

impl Phase {
    /// The call behind it.
    pub(crate) const fn next(self) -> Option<Phase> {
        match self {
            Phase::Begin => Some(Phase::Claim),
            Phase::Claim => Some(Phase::Finish),
            Phase::Finish => None,
        }
    }
}

/// What one lane has to do for a map.
pub(crate) struct Change {
    pub(crate) phase: Phase,
    /// The trading date of the map; `None` where it only ends.
    pub(crate) date: Option<TradingDate>,
    pub(crate) seats: Vec<Seat>,
    /// Sockets that the lane's source is to poll from here on, with plain sockets.
    pub(crate) sockets: Vec<Socket>,
}

/// What is new for one partition of the lane.
pub(crate) struct Seat {
    /// Its number in the region.
    pub(crate) number: u16,
    pub(crate) new: NewMap,
    /// The partition, where the map adds it, and what readers are told of it. Taken by the first call.
    pub(crate) open: Option<(PartitionSpec, Partition)>,
    /// Where its lines are from here on, where that changes.
    pub(crate) lines: Option<[Option<Endpoint>; LINES]>,
    /// The map no longer has it.
    pub(crate) leave: bool,
    /// Its lines have been joined: it is subscribed with the second call.
    pub(crate) enter: bool,
}

/// The two ways between the handler's own thread and one lane.
pub(crate) struct Way {
    to: ArrayQueue<Box<Change>>,
    back: ArrayQueue<Box<Change>>,
}

impl Way {
    pub(crate) fn new() -> Way {
        Way { to: ArrayQueue::new(1), back: ArrayQueue::new(1) }
    }

    /// For the handler's own thread: hands a change over. There is one under way at a time.
    pub(crate) fn give(&self, change: Box<Change>) -> bool {
        self.to.push(change).is_ok()
    }

    /// For the handler's own thread: the change, once the lane has done it.
    pub(crate) fn done(&self) -> Option<Box<Change>> {
        self.back.pop()
    }

    /// For the lane: whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.to.is_empty()
    }

    /// For the lane: what there is to do.
    pub(crate) fn take(&self) -> Option<Box<Change>> {
        self.to.pop()
    }

    /// For the lane: it is done, and seen by every reader.
    pub(crate) fn give_back(&self, change: Box<Change>) {
        // There is room: what comes back was taken from here, and is the only one.
        let back = self.back.push(change);
        debug_assert!(back.is_ok(), "one change at a time");
        // Freed by nobody rather than by a lane.
        if let Err(change) = back {
            std::mem::forget(change);
        }
    }
}

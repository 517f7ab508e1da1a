//! From the handler's own thread to a lane: what to do, and the lane's word that it is done.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_queue::ArrayQueue;

/// Orders that wait for a lane. Only one that hangs lets more than one come together; full: the
/// command is refused.
const ROOM: usize = 64;

/// What a lane is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    /// The partition, by its number in the region.
    pub(crate) partition: u16,
    /// Whether its lines are joined from now on.
    pub(crate) subscribe: bool,
    /// Grows from order to order of one inbox.
    pub(crate) ticket: u64,
}

/// One lane's orders. Written by the handler's own thread, emptied by the lane in their order.
#[derive(Debug)]
pub(crate) struct Inbox {
    orders: ArrayQueue<Order>,
    done: AtomicU64,
}

impl Inbox {
    pub(crate) fn new() -> Inbox {
        Inbox { orders: ArrayQueue::new(ROOM), done: AtomicU64::new(0) }
    }

    /// False when there is no room.
    pub(crate) fn push(&self, order: Order) -> bool {
        self.orders.push(order).is_ok()
    }

    /// For the lane: whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }

    /// For the lane: the next order.
    pub(crate) fn next(&self) -> Option<Order> {
        self.orders.pop()
    }

    /// For the lane: this order, and every one before it, is seen by every reader.
    pub(crate) fn done(&self, ticket: u64) {
        // What the lane published before is seen by whoever sees this.
        self.done.store(ticket, Ordering::Release);
    }

    /// Whether that was said of this order.
    pub(crate) fn is_done(&self, ticket: u64) -> bool {
        self.done.load(Ordering::Acquire) >= ticket
    }
}

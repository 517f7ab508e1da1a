//! Packets on their way to a line, by the time they are due.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use candor_core::{Line, Mono, SeqRange};

/// A packet to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// When.
    pub due: Mono,
    /// On which line.
    pub line: Line,
    /// The numbers it carries; empty in a heartbeat and an end.
    pub range: SeqRange,
    /// The datagram's payload.
    pub payload: Vec<u8>,
    pub(super) second_copy: bool,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Key {
    due: Mono,
    /// Packets due at once leave in the order in which they were cut.
    order: u64,
    slot: usize,
}

/// The delay queue of all lines of a partition. Buffers are used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    /// Packets that are due no sooner than those cut before them: all, where no line delays any.
    in_order: VecDeque<(u64, Outgoing)>,
    /// The others.
    keys: BinaryHeap<Reverse<Key>>,
    slots: Vec<Option<Outgoing>>,
    free_slots: Vec<usize>,
    buffers: Vec<Vec<u8>>,
    cut: u64,
}

impl Queue {
    /// An empty buffer, used before if there is one.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        self.buffers.pop().unwrap_or_default()
    }

    /// Takes a buffer back.
    pub(super) fn recycle(&mut self, buffer: Vec<u8>) {
        self.buffers.push(buffer);
    }

    pub(super) fn push(&mut self, packet: Outgoing) {
        let due = packet.due;
        self.cut += 1;
        if self.in_order.back().is_none_or(|(_, last)| last.due <= due) {
            self.in_order.push_back((self.cut, packet));
            return;
        }
        let slot = match self.free_slots.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(None);
                self.slots.len() - 1
            }
        };
        self.slots[slot] = Some(packet);
        self.keys.push(Reverse(Key { due, order: self.cut, slot }));
    }

    /// When the first packet is due.
    pub(super) fn due(&self) -> Option<Mono> {
        let in_order = self.in_order.front().map(|(_, packet)| packet.due);
        in_order.into_iter().chain(self.keys.peek().map(|Reverse(key)| key.due)).min()
    }

    /// The first packet that is due by `now`.
    pub(super) fn pop(&mut self, now: Mono) -> Option<Outgoing> {
        if self.due()? > now {
            return None;
        }
        let heaped = self.keys.peek().map(|Reverse(key)| (key.due, key.order));
        let front = self.in_order.front().map(|(order, packet)| (packet.due, *order));
        if front.is_some_and(|front| heaped.is_none_or(|heaped| front < heaped)) {
            return self.in_order.pop_front().map(|(_, packet)| packet);
        }
        let Reverse(key) = self.keys.pop()?;
        self.free_slots.push(key.slot);
        self.slots[key.slot].take()
    }

    /// Packets waiting.
    pub(super) fn len(&self) -> usize {
        self.in_order.len() + self.keys.len()
    }
}

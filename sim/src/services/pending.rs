//! Datagrams on their way out, by the time they are due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use candor_core::Mono;

use super::Peer;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Waiting {
    due: Mono,
    /// What is due at once leaves in the order in which it was made.
    order: u64,
    to: Peer,
    payload: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Pending {
    waiting: BinaryHeap<Reverse<Waiting>>,
    made: u64,
}

impl Pending {
    pub(super) fn push(&mut self, due: Mono, to: Peer, payload: Vec<u8>) {
        self.made += 1;
        self.waiting.push(Reverse(Waiting { due, order: self.made, to, payload }));
    }

    /// When the first is due.
    pub(super) fn due(&self) -> Option<Mono> {
        self.waiting.peek().map(|Reverse(first)| first.due)
    }

    /// The first that is due by `now`.
    pub(super) fn pop(&mut self, now: Mono) -> Option<(Peer, Vec<u8>)> {
        if self.due()? > now {
            return None;
        }
        self.waiting.pop().map(|Reverse(first)| (first.to, first.payload))
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

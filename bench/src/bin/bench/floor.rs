//! What a stage is read beside: the part of its work that nobody can avoid.

use std::hint::black_box;

use candor_bench::floors::{BOOK_WORDS, BareRecord, BareSlot, Scattered, bare_push, bare_ring};
use candor_core::limits::EVENTS;

use crate::books::BLOCK;

/// Two dependent loads for each message, one message after the other.
pub(crate) fn loads(memory: &Scattered, messages: u64) {
    let mut last = 0;
    for number in 0..messages {
        // The next message's place follows from this one's: nothing overlaps.
        last = memory.two_loads(number ^ (last & 1));
    }
    black_box(last);
}

/// The same for blocks of messages: the first loads of a block overlap, then the second.
pub(crate) fn overlapped_loads(memory: &Scattered, messages: u64) {
    let mut found = [0; BLOCK];
    let mut sum = 0;
    for block in 0..messages.div_ceil(BLOCK as u64) {
        for (number, found) in (block * BLOCK as u64..).zip(&mut found) {
            *found = memory.first_load(number);
        }
        for found in found {
            sum ^= memory.second_load(found);
        }
    }
    black_box(sum);
}

/// Bare slots and a bare ring, as many as a region has.
pub(crate) struct Bare {
    slots: Box<[BareSlot]>,
    ring: Box<[BareRecord]>,
}

impl Bare {
    pub(crate) fn new(symbols: usize) -> Bare {
        let slots = (0..symbols.max(1)).map(|_| BareSlot::new()).collect();
        Bare { slots, ring: bare_ring(EVENTS) }
    }

    /// A record for each message, and so many books among them, each of another symbol.
    pub(crate) fn publish(&self, messages: u64, books: u64) {
        let mut due = 0;
        for number in 0..messages {
            bare_push(&self.ring, number, &[number; 7]);
            due += books;
            if due >= messages {
                due -= messages;
                let symbol = candor_sim::rng::mix(number) % self.slots.len() as u64;
                self.slots[symbol as usize].write(BOOK_WORDS, number);
            }
        }
    }
}

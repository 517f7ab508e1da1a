//! The messages that not every line has cut into packets yet, by number.

use std::collections::VecDeque;

use candor_core::SeqNo;

/// Bytes in front of the oldest message still wanted that are kept before they are moved out.
const SLACK: usize = 1 << 16;

#[derive(Clone, Copy, Debug)]
struct Stored {
    start: usize,
    len: u16,
}

/// A queue of messages, numbered without a hole.
#[derive(Clone, Debug)]
pub(super) struct Store {
    first: SeqNo,
    messages: VecDeque<Stored>,
    bytes: Vec<u8>,
}

impl Store {
    pub(super) fn new(first: SeqNo) -> Store {
        Store { first, messages: VecDeque::new(), bytes: Vec::new() }
    }

    /// The number of the next message.
    pub(super) fn next(&self) -> SeqNo {
        SeqNo(self.first.0 + self.messages.len() as u64)
    }

    pub(super) fn push(&mut self, message: &[u8]) {
        // Publisher::push has refused what does not fit a packet.
        let len = message.len() as u16;
        self.messages.push_back(Stored { start: self.bytes.len(), len });
        self.bytes.extend_from_slice(message);
    }

    /// The message with this number, which no line may have released.
    pub(super) fn get(&self, seq: SeqNo) -> &[u8] {
        let stored = self.messages[(seq.0 - self.first.0) as usize];
        &self.bytes[stored.start..stored.start + usize::from(stored.len)]
    }

    /// Forgets the messages before `seq`.
    pub(super) fn release(&mut self, seq: SeqNo) {
        while self.first.0 < seq.0 && self.messages.pop_front().is_some() {
            self.first = self.first.next();
        }
        let start = self.messages.front().map_or(self.bytes.len(), |stored| stored.start);
        if start == self.bytes.len() {
            self.bytes.clear();
        } else if start > SLACK && start > self.bytes.len() / 2 {
            self.bytes.drain(..start);
            for stored in &mut self.messages {
                stored.start -= start;
            }
        }
    }
}

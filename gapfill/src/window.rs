//! Messages that arrived ahead of a gap, kept until the gap is filled or given up.

use alloc::boxed::Box;
use alloc::vec;

use candor_core::limits::{HELD_MESSAGE_BYTES, WINDOW_MESSAGES};
use candor_core::{Line, Origin, SeqNo, SeqRange};

const WORDS: usize = WINDOW_MESSAGES / 64;
const _: () = assert!(WINDOW_MESSAGES.is_multiple_of(64));
const _: () = assert!(HELD_MESSAGE_BYTES <= u8::MAX as usize);

/// A cell for each number from the next one expected on, [`WINDOW_MESSAGES`] of them: a number's
/// cell is its remainder. The owner lets no number in that is further ahead, so a cell never
/// stands for two numbers.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// One bit a cell: whether a message is in it.
    taken: Box<[u64]>,
    about: Box<[About]>,
    bytes: Box<[[u8; HELD_MESSAGE_BYTES]]>,
    held: u64,
}

#[derive(Clone, Copy, Debug)]
struct About {
    origin: Origin,
    len: u8,
}

// Beside the message's own bytes, for every number the window reaches.
const _: () = assert!(size_of::<About>() == 3);

const NOTHING: About = About { origin: Origin::Line(Line::A), len: 0 };

fn cell(seq: SeqNo) -> (usize, usize, u64) {
    let cell = (seq.0 % WINDOW_MESSAGES as u64) as usize;
    (cell, cell / 64, 1 << (cell % 64))
}

impl Window {
    /// Allocates all cells.
    pub(crate) fn new() -> Window {
        Window {
            taken: vec![0; WORDS].into_boxed_slice(),
            about: vec![NOTHING; WINDOW_MESSAGES].into_boxed_slice(),
            bytes: vec![[0; HELD_MESSAGE_BYTES]; WINDOW_MESSAGES].into_boxed_slice(),
            held: 0,
        }
    }

    /// How many messages are held.
    pub(crate) fn held(&self) -> u64 {
        self.held
    }

    /// Whether this number is held; `seq` must be one the window reaches.
    #[inline]
    pub(crate) fn has(&self, seq: SeqNo) -> bool {
        let (_, word, bit) = cell(seq);
        self.taken[word] & bit != 0
    }

    /// Holds a message. Its cell must be free.
    ///
    /// # Errors
    /// When the message is longer than a cell.
    pub(crate) fn hold(&mut self, seq: SeqNo, origin: Origin, bytes: &[u8]) -> Result<(), TooLong> {
        let (cell, word, bit) = cell(seq);
        assert_eq!(self.taken[word] & bit, 0, "a cell held twice");
        let room = self.bytes[cell].get_mut(..bytes.len()).ok_or(TooLong)?;
        room.copy_from_slice(bytes);
        self.about[cell] = About { origin, len: bytes.len() as u8 };
        self.taken[word] |= bit;
        self.held += 1;
        Ok(())
    }

    /// What is in the cell of this number; `seq` must be one the window reaches.
    pub(crate) fn get(&self, seq: SeqNo) -> Option<&[u8]> {
        let (cell, ..) = cell(seq);
        self.has(seq).then(|| &self.bytes[cell][..usize::from(self.about[cell].len)])
    }

    /// Frees the cell of this number and returns what was in it.
    pub(crate) fn take(&mut self, seq: SeqNo) -> Option<(Origin, &[u8])> {
        let (cell, word, bit) = cell(seq);
        if self.taken[word] & bit == 0 {
            return None;
        }
        self.taken[word] &= !bit;
        self.held -= 1;
        let About { origin, len } = self.about[cell];
        Some((origin, &self.bytes[cell][..usize::from(len)]))
    }

    /// Drops all that is held.
    pub(crate) fn clear(&mut self) {
        self.taken.fill(0);
        self.held = 0;
    }

    /// Drops what is held of `range`, which must begin at the next number expected. Returns how many
    /// messages that were.
    pub(crate) fn drop_from(&mut self, range: SeqRange) -> u64 {
        let before = self.held;
        if range.len() >= WINDOW_MESSAGES as u64 {
            self.clear();
            return before;
        }
        // BOUND: the window.
        for number in range.first.0..range.end.0 {
            let (_, word, bit) = cell(SeqNo(number));
            self.held -= u64::from(self.taken[word] & bit != 0);
            self.taken[word] &= !bit;
        }
        before - self.held
    }

    /// How many numbers of `range` are held; a range longer than the window counts as one of the
    /// window's length. For checking.
    pub(crate) fn count(&self, range: SeqRange) -> u64 {
        let len = range.len().min(WINDOW_MESSAGES as u64);
        (0..len).filter(|ahead| self.has(SeqNo(range.first.0 + ahead))).count() as u64
    }

    /// How many cells are taken, counted anew. For checking.
    pub(crate) fn recount(&self) -> u64 {
        self.taken.iter().map(|word| u64::from(word.count_ones())).sum()
    }
}

/// The message is longer than a cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TooLong;

#[cfg(test)]
mod tests {
    use super::*;

    const B: Origin = Origin::Line(Line::B);

    #[test]
    fn what_is_held_comes_back_once() {
        let mut window = Window::new();
        let seq = SeqNo(WINDOW_MESSAGES as u64 * 3 + 5);
        let longest = [7u8; HELD_MESSAGE_BYTES];
        assert_eq!(window.hold(seq, B, &longest), Ok(()));
        assert_eq!(window.hold(seq.next(), B, &[7; HELD_MESSAGE_BYTES + 1]), Err(TooLong));
        assert_eq!(window.hold(SeqNo(seq.0 + 2), Origin::Retransmit, &[]), Ok(()));
        assert_eq!((window.held(), window.recount()), (2, 2));
        assert_eq!(window.count(SeqRange::of(seq, 2).unwrap()), 1);
        assert_eq!(window.take(seq), Some((B, &longest[..])));
        assert_eq!(window.take(seq), None);
        assert_eq!(window.take(SeqNo(seq.0 + 2)), Some((Origin::Retransmit, &[][..])));
        assert_eq!(window.held(), 0);
    }

    #[test]
    fn what_is_dropped_is_counted_and_the_rest_stays() {
        let mut window = Window::new();
        let from = SeqNo(WINDOW_MESSAGES as u64 - 3);
        for ahead in [1, 2, 5, 7] {
            assert_eq!(window.hold(SeqNo(from.0 + ahead), B, b"x"), Ok(()));
        }
        assert_eq!(window.drop_from(SeqRange::of(from, 6).unwrap()), 3);
        assert_eq!((window.held(), window.recount()), (1, 1));
        assert!(window.has(SeqNo(from.0 + 7)));
        assert_eq!(window.drop_from(SeqRange::of(from, 1 << 40).unwrap()), 1);
        assert_eq!((window.held(), window.recount()), (0, 0));
    }
}

//! The state word: a status code, an epoch, and a count of changes in one atomic word, so that
//! they can't be read apart.

/// A state word taken apart: bits 0-7 the status code, 8-39 the epoch, 40-63 the changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct State {
    /// The status code as [`candor_core::Status::code`] gives it.
    pub(crate) code: u8,
    /// The epoch of the partition.
    pub(crate) epoch: u32,
    /// How often the word has changed, modulo 2^24: two equal words with something in between
    /// differ here, which is what lets a reader prove that nothing was in between.
    pub(crate) changes: u32,
}

const CHANGES: u64 = (1 << 24) - 1;

impl State {
    #[inline]
    pub(crate) const fn word(self) -> u64 {
        self.code as u64 | (self.epoch as u64) << 8 | (self.changes as u64 & CHANGES) << 40
    }

    #[inline]
    pub(crate) const fn of(word: u64) -> State {
        State { code: word as u8, epoch: (word >> 8) as u32, changes: (word >> 40) as u32 }
    }
}

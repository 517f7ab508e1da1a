//! The least that could be done: each floor does the part of the work nobody can avoid, and none of
//! the rest. A figure is its ratio to the floor of the same run.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use candor_core::{BookView, ByteOrder};
use candor_sim::rng::mix;

/// Walks length-prefixed blocks, adding up lengths and type bytes. Checks bounds and nothing else.
#[inline]
#[must_use]
pub fn walk(mut blocks: &[u8], order: ByteOrder) -> u64 {
    let mut sum = 0;
    // BOUND: every turn takes two bytes at least.
    while let Some((prefix, rest)) = blocks.split_first_chunk::<2>() {
        let length = usize::from(match order {
            ByteOrder::Big => u16::from_be_bytes(*prefix),
            ByteOrder::Little => u16::from_le_bytes(*prefix),
        });
        let Some((message, behind)) = rest.split_at_checked(length) else { break };
        sum += length_and_type(message);
        blocks = behind;
    }
    sum
}

/// What [`walk`] adds up of each message.
#[inline]
#[must_use]
pub fn length_and_type(message: &[u8]) -> u64 {
    message.len() as u64 + message.first().map_or(0, |kind| u64::from(*kind))
}

/// Memory of which any place may be wanted next, as a table of orders is.
#[derive(Clone, Debug)]
pub struct Scattered(Vec<[u64; 8]>);

impl Scattered {
    /// So many bytes, at least a cache line; every one is touched.
    #[must_use]
    pub fn new(bytes: usize) -> Scattered {
        let lines = (bytes / 64).max(1) as u64;
        Scattered((0..lines).map(|line| [mix(line); 8]).collect())
    }

    /// Two loads, the second from where the first says: an order, then its level.
    #[inline]
    #[must_use]
    pub fn two_loads(&self, seed: u64) -> u64 {
        self.second_load(self.first_load(seed))
    }

    /// The first of the two.
    #[inline]
    #[must_use]
    pub fn first_load(&self, seed: u64) -> u64 {
        self.line(mix(seed))[0]
    }

    /// The second, from where the first said.
    #[inline]
    #[must_use]
    pub fn second_load(&self, first: u64) -> u64 {
        self.line(first)[1]
    }

    fn line(&self, word: u64) -> &[u64; 8] {
        &self.0[((u128::from(word) * self.0.len() as u128) >> 64) as usize]
    }
}

/// Words of a published book.
pub const BOOK_WORDS: usize = size_of::<BookView>() / 8;

/// A sequence lock over as many words as a published book has, and nothing else: no status, no
/// lease, no epoch.
#[derive(Debug)]
#[repr(align(64))]
pub struct BareSlot {
    lock: AtomicU64,
    words: [AtomicU64; BOOK_WORDS],
}

impl BareSlot {
    /// All zero.
    #[must_use]
    pub fn new() -> BareSlot {
        BareSlot { lock: AtomicU64::new(0), words: [const { AtomicU64::new(0) }; BOOK_WORDS] }
    }

    /// Stores the first `words` words.
    #[inline]
    pub fn write(&self, words: usize, value: u64) {
        let before = self.lock.load(Ordering::Relaxed);
        self.lock.store(before + 1, Ordering::Relaxed);
        // ORDER: as in the region's lock: the odd number before the words, the words before the even one.
        fence(Ordering::Release);
        for word in self.words.iter().take(words) {
            word.store(value, Ordering::Relaxed);
        }
        self.lock.store(before + 2, Ordering::Release);
    }

    /// A copy of all words; `None` when a writer was inside.
    #[inline]
    #[must_use]
    pub fn read(&self) -> Option<[u64; BOOK_WORDS]> {
        self.read_first()
    }

    /// A copy of the first `N` words.
    #[inline]
    #[must_use]
    pub fn read_first<const N: usize>(&self) -> Option<[u64; N]> {
        let before = self.lock.load(Ordering::Acquire);
        let copy = std::array::from_fn(|at| self.words[at].load(Ordering::Relaxed));
        // ORDER: the words before the second look at the lock.
        fence(Ordering::Acquire);
        (before & 1 == 0 && self.lock.load(Ordering::Relaxed) == before).then_some(copy)
    }
}

/// Words of a bare slot that share a cache line with its lock.
pub const LINE_WORDS: usize = 7;

impl Default for BareSlot {
    fn default() -> BareSlot {
        BareSlot::new()
    }
}

/// One 64-byte record that carries its own number: what an event ring can't do without.
#[derive(Debug)]
#[repr(align(64))]
pub struct BareRecord([AtomicU64; 8]);

/// A ring of `records` such records.
#[must_use]
pub fn bare_ring(records: usize) -> Box<[BareRecord]> {
    (0..records).map(|_| BareRecord([const { AtomicU64::new(0) }; 8])).collect()
}

/// Writes the record of this number: seven words, then the number.
#[inline]
pub fn bare_push(ring: &[BareRecord], number: u64, words: &[u64; 7]) {
    let record = &ring[number as usize & (ring.len() - 1)].0;
    record[0].store(0, Ordering::Relaxed);
    fence(Ordering::Release);
    for (word, value) in record[1..].iter().zip(words) {
        word.store(*value, Ordering::Relaxed);
    }
    record[0].store(number, Ordering::Release);
}

/// A copy of the record's words; `None` when it is not there (yet), or no longer.
#[inline]
#[must_use]
pub fn bare_take(ring: &[BareRecord], number: u64) -> Option<[u64; 7]> {
    let record = &ring[number as usize & (ring.len() - 1)].0;
    // ORDER: pairs with the release store that ends `bare_push`.
    if record[0].load(Ordering::Acquire) != number {
        return None;
    }
    let copy = std::array::from_fn(|at| record[at + 1].load(Ordering::Relaxed));
    // ORDER: the words before the second look at the number.
    fence(Ordering::Acquire);
    (record[0].load(Ordering::Relaxed) == number).then_some(copy)
}

/// The number of the record in the place of this one.
#[inline]
#[must_use]
pub fn bare_number(ring: &[BareRecord], number: u64) -> u64 {
    ring[number as usize & (ring.len() - 1)].0[0].load(Ordering::Acquire)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_stops_at_a_broken_length() {
        assert_eq!(walk(&[0, 1, 7, 0, 2, 9, 9], ByteOrder::Big), 1 + 7 + 2 + 9);
        assert_eq!(walk(&[1, 0, 7, 0, 9], ByteOrder::Little), 8);
        assert_eq!(walk(&[0, 9, 7], ByteOrder::Big), 0);
    }

    #[test]
    fn a_bare_slot_gives_back_what_was_written() {
        let slot = BareSlot::new();
        slot.write(2, 5);
        let copy = slot.read().unwrap();
        assert_eq!((copy[0], copy[1], copy[2]), (5, 5, 0));
        assert_eq!(slot.read_first(), Some([5, 5, 0]));
    }

    #[test]
    fn a_bare_record_is_there_once_written_until_another_is() {
        let ring = bare_ring(4);
        assert_eq!(bare_take(&ring, 1), None);
        bare_push(&ring, 1, &[7; 7]);
        assert_eq!(bare_take(&ring, 1), Some([7; 7]));
        bare_push(&ring, 5, &[8; 7]);
        assert_eq!((bare_take(&ring, 1), bare_number(&ring, 1)), (None, 5));
    }
}

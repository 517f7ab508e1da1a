//! A ring of 64-byte records, each carrying its own number: one writer who never waits, any number
//! of readers who never write. A reader learns from the record itself whether it is there yet,
//! whole, or already overwritten, so nobody spins on a line that the writer needs.
//!
//! Numbers count from 1. A record's sequence word is twice its number, plus one while it is written.

use crate::atomic::{AtomicU64, Ordering, fence};
use crate::layout::RingRecord;

/// Words of a record behind its sequence word.
#[cfg(not(loom))]
pub(crate) const PAYLOAD: usize = 7;
/// Two words are enough to be torn.
#[cfg(loom)]
pub(crate) const PAYLOAD: usize = 2;

/// What a reader found at the number it wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Taken {
    /// The record, whole.
    Record([u64; PAYLOAD]),
    /// Not written yet, or being written.
    NotYet,
    /// Overwritten by a later one.
    Overwritten,
}

/// The record that holds `number`. The ring's length is a power of two.
#[inline]
fn at(records: &[RingRecord], number: u64) -> &RingRecord {
    debug_assert!(records.len().is_power_of_two());
    &records[(number & (records.len() as u64 - 1)) as usize]
}

/// Writes record `number`, which follows the one written last, and then moves `head` to it.
#[inline]
pub(crate) fn push(
    records: &[RingRecord],
    head: &AtomicU64,
    number: u64,
    payload: &[u64; PAYLOAD],
) {
    let record = at(records, number);
    record.sequence.store(number << 1 | 1, Ordering::Relaxed);
    // ORDER: the odd number before the payload. Pairs with the acquire fence of `take`: a reader
    // that copied a word of this payload sees this number, or a later one, afterwards.
    fence(Ordering::Release);
    for (word, value) in record.payload.iter().zip(payload) {
        word.store(*value, Ordering::Relaxed);
    }
    // ORDER: the payload before the even number. Pairs with the acquire load of `take`.
    record.sequence.store(number << 1, Ordering::Release);
    // ORDER: the record before the head, so that a reader who starts at the head finds it.
    head.store(number, Ordering::Release);
}

/// Reads record `number`.
#[inline]
pub(crate) fn take(records: &[RingRecord], number: u64) -> Taken {
    let record = at(records, number);
    let wanted = number << 1;
    // ORDER: pairs with the release store that ends `push`: the payload is at least as new.
    let before = record.sequence.load(Ordering::Acquire);
    if before < wanted || before == wanted | 1 {
        return Taken::NotYet;
    }
    if before != wanted {
        return Taken::Overwritten;
    }
    let mut payload = [0; PAYLOAD];
    for (value, word) in payload.iter_mut().zip(&record.payload) {
        *value = word.load(Ordering::Relaxed);
    }
    // ORDER: the copies before the load below. Pairs with the release fence of `push`.
    fence(Ordering::Acquire);
    if record.sequence.load(Ordering::Relaxed) == wanted {
        Taken::Record(payload)
    } else {
        Taken::Overwritten
    }
}

/// Where a reader that was overtaken at `number` goes on: an eighth of the ring after the oldest
/// record, so that it is not overtaken again at once. Always beyond `number`.
pub(crate) fn resume(records: &[RingRecord], head: &AtomicU64, number: u64) -> u64 {
    let length = records.len() as u64;
    // ORDER: pairs with the release store of the head in `push`.
    let head = head.load(Ordering::Acquire);
    let oldest = head.saturating_add(1).saturating_sub(length);
    oldest.saturating_add(length / 8).max(number.saturating_add(1))
}

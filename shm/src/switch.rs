//! One word of the kill switch: 0, or since when it is set, plus one for each time that it was halted
//! again. Any number of processes set and clear it.

use crate::atomic::{AtomicU64, Ordering, fence};

/// Sets a word unless it is set. Whether that changed it.
pub(crate) fn set(word: &AtomicU64, since: u64) -> bool {
    // ORDER: nothing precedes it that a reader relies on. The first one's time stays.
    let changed =
        word.compare_exchange(0, since.max(1), Ordering::AcqRel, Ordering::Acquire).is_ok();
    // ORDER: the word before whatever its writer looks at next, which is whether the region is still the
    // one at its path. Pairs with the fence of `before_looking_back`.
    fence(Ordering::SeqCst);
    changed
}

/// As [`set`], by whoever halts: of a word that is set the first time stays, plus one, so that a resume
/// under way finds that it is another halt than the one it began with.
pub(crate) fn halt(word: &AtomicU64, since: u64) -> bool {
    let halted = |before: u64| if before == 0 { since.max(1) } else { before.saturating_add(1) };
    let mut before = word.load(Ordering::Relaxed);
    // BOUND: each round that fails is another's halt or resume.
    while let Err(other) =
        word.compare_exchange(before, halted(before), Ordering::AcqRel, Ordering::Acquire)
    {
        before = other;
    }
    // ORDER: see `set`.
    fence(Ordering::SeqCst);
    before == 0
}

/// Clears a word that is still the one that was read. Whether it was.
pub(crate) fn clear_only(word: &AtomicU64, read: u64) -> bool {
    word.compare_exchange(read, 0, Ordering::AcqRel, Ordering::Acquire).is_ok()
}

/// Clears a word. Whether it was set.
pub(crate) fn clear(word: &AtomicU64) -> bool {
    word.swap(0, Ordering::AcqRel) != 0
}

/// Between putting another region in a place and reading once more what is set in the one that was there:
/// of whoever sets a word and whoever replaces the region, one sees the other.
pub(crate) fn before_looking_back() {
    // ORDER: see `set`.
    fence(Ordering::SeqCst);
}

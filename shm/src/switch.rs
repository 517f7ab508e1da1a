//! One word of the kill switch: 0, or since when it is set. Any number of processes set and clear it.

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

//! The sequence lock: one writer, any number of readers who never write. Odd means the writer is
//! inside. The data are words copied one by one as relaxed atomics, so that a copy taken during a
//! write is wrong but never undefined, and is thrown away.

use crate::atomic::{AtomicU64, Ordering, fence, spin_loop};

/// How often a read is tried before it counts as busy. A write takes tens of nanoseconds, a try a
/// few when the writer is inside; only a writer that was suspended or died inside outlasts this.
#[cfg(not(loom))]
pub(crate) const TRIES: u32 = 256;
/// Two tries show loom everything that more would.
#[cfg(loom)]
pub(crate) const TRIES: u32 = 2;

/// Runs `body`, which stores the protected words, inside the lock. One writer only.
#[inline]
pub(crate) fn write(lock: &AtomicU64, body: impl FnOnce()) {
    let before = lock.load(Ordering::Relaxed);
    // A writer that died inside never comes back to this memory: its successor builds a new file.
    assert!(before & 1 == 0, "two writers of one sequence lock, or one that was left");
    lock.store(before + 1, Ordering::Relaxed);
    // ORDER: the odd number before any store of the body. Pairs with the acquire fence of `read`:
    // a reader that copied a word of this body sees the odd number, or a later one, afterwards.
    fence(Ordering::Release);
    body();
    // ORDER: every store of the body before the even number. Pairs with the acquire load that
    // starts `read`.
    lock.store(before + 2, Ordering::Release);
}

/// Starts a read: the lock's number, `None` while the writer is inside.
#[inline]
pub(crate) fn begin(lock: &AtomicU64) -> Option<u64> {
    // ORDER: pairs with the release store that ends `write`: the words copied after this load are
    // at least as new as the write that ended with this number.
    let number = lock.load(Ordering::Acquire);
    (number & 1 == 0).then_some(number)
}

/// Ends a read that began with `number`: whether what was copied in between is one write's.
#[inline]
pub(crate) fn ended(lock: &AtomicU64, number: u64) -> bool {
    // ORDER: the copies before the load below. Pairs with the release fence of `write`.
    fence(Ordering::Acquire);
    lock.load(Ordering::Relaxed) == number
}

/// What `body` copies, as of one moment between two writes, and the lock's number then. `None`
/// when the writer was in the way at every try.
#[inline]
pub(crate) fn read<T>(lock: &AtomicU64, mut body: impl FnMut() -> T) -> Option<(T, u64)> {
    for _ in 0..TRIES {
        if let Some(number) = begin(lock) {
            let copy = body();
            if ended(lock, number) {
                return Some((copy, number));
            }
        }
        spin_loop();
    }
    None
}

/// As [`read`], and `word` had one value from before the copy until after it, which is returned.
/// What the lock protects may be written while `word` forbids its use, and put right before `word`
/// allows it again: with this a reader can't pair the one with the other. The word must never come
/// back to a value it had.
#[inline]
pub(crate) fn read_under<T>(
    word: &AtomicU64,
    lock: &AtomicU64,
    mut body: impl FnMut() -> T,
) -> Option<(T, u64)> {
    for _ in 0..TRIES {
        // ORDER: pairs with the release store of the word: what was written before it is copied
        // below, or something newer.
        let value = word.load(Ordering::Acquire);
        if let Some(number) = begin(lock) {
            let copy = body();
            // ORDER: `ended` has the acquire fence that keeps the copies before the second look at
            // the word. Pairs with the release fence of `write`: what was written after the word
            // changed shows the change here.
            if ended(lock, number) && word.load(Ordering::Relaxed) == value {
                return Some((copy, value));
            }
        }
        spin_loop();
    }
    None
}

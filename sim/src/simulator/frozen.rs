//! Whether the handler is inside a call in which it must not allocate. The counting allocator of
//! the program that runs the simulator asks [`is_frozen`] and tells [`allocated`]. Each thread has
//! a simulation of its own.

use std::cell::Cell;

thread_local! {
    static FROZEN: Cell<bool> = const { Cell::new(false) };
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Whether an allocation now would be one on the handler's data path.
#[must_use]
pub fn is_frozen() -> bool {
    FROZEN.try_with(Cell::get).unwrap_or(false)
}

/// One was made.
pub fn allocated() {
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

/// How many were made so far.
#[must_use]
pub fn allocations() -> u64 {
    ALLOCATIONS.with(Cell::get)
}

/// Runs a part of the handler in which it must not allocate.
#[inline]
pub(super) fn frozen<T>(part: impl FnOnce() -> T) -> T {
    with(true, part)
}

/// Lets the simulator's own checks allocate inside a frozen part.
#[inline]
pub(super) fn thawed<T>(part: impl FnOnce() -> T) -> T {
    with(false, part)
}

fn with<T>(frozen: bool, part: impl FnOnce() -> T) -> T {
    // A run that panics in here ends, and the next one begins as if it never was.
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            FROZEN.set(self.0);
        }
    }
    let _before = Before(FROZEN.replace(frozen));
    part()
}

//! The atomics of this crate: the standard library's, or loom's when a model is being checked.
//! No other file names them (a test reads the sources and says so), so that what loom explores is
//! what runs.

#[cfg(not(loom))]
pub(crate) use std::hint::spin_loop;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// Under loom a spin must let the other thread run, or the model never ends.
#[cfg(loom)]
pub(crate) fn spin_loop() {
    loom::thread::yield_now();
}

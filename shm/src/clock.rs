//! The clock a lease is judged by: `CLOCK_MONOTONIC`, which every process of the host shares and
//! which the kernel lets a process read without entering it.

use candor_core::Mono;
use rustix::time::{ClockId, Timespec, clock_gettime};

fn nanos(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let rest = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

/// Now, in nanoseconds of the host's monotonic clock.
#[must_use]
#[inline]
pub fn now() -> Mono {
    Mono(nanos(clock_gettime(ClockId::Monotonic)))
}

/// How far the wall clock (Unix epoch, UTC) is ahead of the monotonic one, in nanoseconds. For
/// display only: the wall clock may be stepped.
#[must_use]
pub(crate) fn wall_offset() -> u64 {
    nanos(clock_gettime(ClockId::Realtime)).saturating_sub(now().0)
}

//! The one place of the exchange that reads a clock and waits.

use candor_core::Mono;
use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec};

pub(super) use candor_shm::clock::now;

/// Waits until `deadline`, or until a signal comes.
pub(super) fn wait_until(deadline: Mono) {
    let request = Timespec {
        tv_sec: (deadline.0 / 1_000_000_000).cast_signed(),
        tv_nsec: (deadline.0 % 1_000_000_000).cast_signed(),
    };
    // Interrupted: the caller looks at the clock and the signals anyway.
    let _ = clock_nanosleep_absolute(ClockId::Boottime, &request);
}

//! How long a piece of work takes, by the clock of the caller's choice.

use candor_core::Nanos;
use rustix::time::{ClockId, clock_gettime};

/// By which clock work is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stopwatch {
    /// The monotonic clock.
    Monotonic,
    /// The thread's processor time: what others of the machine do is left out.
    Thread,
    /// None: work takes no time, and the same seed gives the same numbers.
    None,
}

impl Stopwatch {
    /// Does the work and says how long it took.
    pub fn time<T>(self, work: impl FnOnce() -> T) -> (T, Nanos) {
        let started = self.read();
        let result = work();
        (result, Nanos(self.read().saturating_sub(started)))
    }

    fn read(self) -> u64 {
        let clock = match self {
            Stopwatch::Monotonic => ClockId::Monotonic,
            Stopwatch::Thread => ClockId::ThreadCPUTime,
            Stopwatch::None => return 0,
        };
        let time = clock_gettime(clock);
        (time.tv_sec as u64) * 1_000_000_000 + time.tv_nsec as u64
    }

    /// Its name in output.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Stopwatch::Monotonic => "monotonic clock",
            Stopwatch::Thread => "the thread's processor time",
            Stopwatch::None => "none: calls take no time",
        }
    }
}

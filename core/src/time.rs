//! Three times that must never be mixed, and one length of time.
//!
//! There is no arithmetic between [`Mono`], [`WireTime`] and [`NicTime`]: they count from different
//! origins on different clocks.

use core::fmt;
use core::ops::{Add, Sub};

/// A length of time in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Nanos(pub u64);

impl Nanos {
    /// No time at all.
    pub const ZERO: Nanos = Nanos(0);

    /// A length given in microseconds.
    #[must_use]
    pub const fn from_micros(us: u64) -> Nanos {
        Nanos(us * 1_000)
    }

    /// A length given in milliseconds.
    #[must_use]
    pub const fn from_millis(ms: u64) -> Nanos {
        Nanos(ms * 1_000_000)
    }

    /// A length given in seconds.
    #[must_use]
    pub const fn from_secs(s: u64) -> Nanos {
        Nanos(s * 1_000_000_000)
    }
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..=9_999 => write!(f, "{} ns", self.0),
            10_000..=9_999_999 => write!(f, "{} µs", self.0 / 1_000),
            10_000_000..=9_999_999_999 => write!(f, "{} ms", self.0 / 1_000_000),
            _ => write!(f, "{} s", self.0 / 1_000_000_000),
        }
    }
}

/// Our time: nanoseconds of the host's clock since its boot (`CLOCK_BOOTTIME`). It never goes back, goes
/// on while the host is suspended, is the same for every process of the host, and is the only time a
/// deadline or a lease is made of. Zero is "never".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Mono(pub u64);

impl Mono {
    /// The instant that stands for "never happened".
    pub const NEVER: Mono = Mono(0);

    /// Later than anything that happens.
    pub const MAX: Mono = Mono(u64::MAX);

    /// Time passed since `earlier`; zero when `earlier` lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Mono) -> Nanos {
        Nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add for Nanos {
    type Output = Nanos;
    fn add(self, more: Nanos) -> Nanos {
        Nanos(self.0.saturating_add(more.0))
    }
}

impl Add<Nanos> for Mono {
    type Output = Mono;
    fn add(self, length: Nanos) -> Mono {
        Mono(self.0.saturating_add(length.0))
    }
}

impl Sub<Nanos> for Mono {
    type Output = Mono;
    fn sub(self, length: Nanos) -> Mono {
        Mono(self.0.saturating_sub(length.0))
    }
}

/// The venue's time: nanoseconds as the venue counts them. The origin is the format's own (IEX:
/// the Unix epoch; ITCH: midnight of the trading day) and is stated by each decoder.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct WireTime(pub u64);

/// The network card's time of arrival in nanoseconds of its own clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct NicTime(pub u64);

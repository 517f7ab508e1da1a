//! The one reader of clocks. Everything else is told the time.
//!
//! Deadlines and leases are made of [`Mono`] alone, so a step of the wall clock moves none of
//! them. The wall clock is read for two purposes only: to show a date or a time to a person, and
//! to choose the trading date where the configuration names none.

use candor_core::{Mono, Nanos, TradingDate};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Reads `CLOCK_MONOTONIC` and never lets it go back. One per thread.
#[derive(Debug, Default)]
pub struct Clock {
    last: Mono,
    held: u64,
}

impl Clock {
    /// A clock that has not been read yet.
    #[must_use]
    pub const fn new() -> Clock {
        Clock { last: Mono::NEVER, held: 0 }
    }

    /// Now, never before an earlier answer. A kernel clock that went back is held at its last
    /// value and counted ([`Clock::held`]).
    #[inline]
    pub fn now(&mut self) -> Mono {
        self.clamp(Mono(nanos(clock_gettime(ClockId::Monotonic))))
    }

    fn clamp(&mut self, read: Mono) -> Mono {
        if read < self.last {
            self.held += 1;
        } else {
            self.last = read;
        }
        self.last
    }

    /// How often the clock went back and was held.
    #[must_use]
    pub const fn held(&self) -> u64 {
        self.held
    }
}

/// The wall clock: nanoseconds since the Unix epoch. For display, for the trading date, and for
/// turning a kernel's receive time into ours; no deadline is made of it.
#[must_use]
pub fn wall() -> u64 {
    nanos(clock_gettime(ClockId::Realtime))
}

/// Turns the kernel's receive times, which are the wall clock's, into ours.
///
/// Both clocks are read once a batch. A stamp's age by the wall clock is taken off our present
/// time. Around a step of the wall clock, ages mean nothing: the difference between the clocks
/// has jumped since the last batch, and then the batch counts as having arrived now, as it does
/// without stamps. An arrival never lies ahead of now, so a wrong one makes us late, never early.
#[derive(Debug, Default)]
pub struct Arrivals {
    now: Mono,
    wall: u64,
    difference: i128,
    steady: bool,
}

impl Arrivals {
    /// The clocks may drift apart by this much between batches, as they do when the wall clock
    /// is slewed; more is a step.
    const SLEW: i128 = 1_000_000;

    /// Reads both clocks, for the batch that was just received.
    pub fn read(&mut self, clock: &mut Clock) {
        self.set(clock.now(), wall());
    }

    fn set(&mut self, now: Mono, wall: u64) {
        let difference = i128::from(wall) - i128::from(now.0);
        self.steady =
            self.now != Mono::NEVER && (difference - self.difference).abs() <= Arrivals::SLEW;
        (self.now, self.wall, self.difference) = (now, wall, difference);
    }

    /// When a datagram with this stamp arrived; now, when it has none or none can be trusted.
    #[must_use]
    pub fn at(&self, stamp: Option<u64>) -> Mono {
        match stamp {
            Some(stamp) if self.steady => self.now - Nanos(self.wall.saturating_sub(stamp)),
            _ => self.now,
        }
    }
}

/// The length of time to wait in the form system calls take.
#[must_use]
pub fn timespec(length: Nanos) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(length.0 / 1_000_000_000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(length.0 % 1_000_000_000).unwrap_or(0),
    }
}

fn nanos(at: Timespec) -> u64 {
    let seconds = u64::try_from(at.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(at.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// The date, in UTC, of a wall-clock time in nanoseconds since the Unix epoch; 0 where that lies
/// beyond the calendar.
///
/// The hosts this runs on keep UTC; a venue whose trading date starts elsewhere in the day is
/// given its date by the configuration.
#[must_use]
pub fn date(wall: u64) -> TradingDate {
    let Ok(at) = Timestamp::from_nanosecond(i128::from(wall)) else { return TradingDate(0) };
    let date = at.to_zoned(TimeZone::UTC).date();
    let number = i32::from(date.year()) * 10_000 + i32::from(date.month()) * 100;
    TradingDate(u32::try_from(number + i32::from(date.day())).unwrap_or(0))
}

/// A wall-clock time as `2026-11-21T09:30:00.123456789Z`.
#[must_use]
pub fn display(wall: u64) -> String {
    match Timestamp::from_nanosecond(i128::from(wall)) {
        Ok(at) => format!("{at:.9}"),
        Err(_) => String::from("beyond the calendar"),
    }
}

/// Whether a number `yyyymmdd` is a day of the calendar, from 1970 on.
#[must_use]
pub fn is_date(date: TradingDate) -> bool {
    let year = i16::try_from(date.0 / 10_000).unwrap_or(0);
    let month = i8::try_from(date.0 / 100 % 100).unwrap_or(0);
    let day = i8::try_from(date.0 % 100).unwrap_or(0);
    year >= 1970 && Date::new(year, month, day).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_goes_back_is_held_and_counted() {
        let mut clock = Clock::new();
        assert_eq!(clock.clamp(Mono(10)), Mono(10));
        assert_eq!(clock.clamp(Mono(7)), Mono(10));
        assert_eq!(clock.clamp(Mono(10)), Mono(10));
        assert_eq!(clock.held(), 1);
        assert_eq!(clock.clamp(Mono(11)), Mono(11));
    }

    #[test]
    fn a_step_of_the_wall_clock_makes_no_arrival_early_or_hours_late() {
        let mut arrivals = Arrivals::default();
        let second = 1_000_000_000;
        arrivals.set(Mono(10 * second), 100 * second);
        assert_eq!(arrivals.at(Some(99 * second)), Mono(10 * second), "nothing to compare with");
        arrivals.set(Mono(11 * second), 101 * second);
        assert_eq!(arrivals.at(Some(101 * second - 5)), Mono(11 * second - 5));
        assert_eq!(arrivals.at(Some(102 * second)), Mono(11 * second), "never ahead of now");
        assert_eq!(arrivals.at(None), Mono(11 * second));
        for step in [3_700 * second, 2 * second, 102 * second - 2_000_000] {
            arrivals.set(Mono(12 * second), step);
            assert_eq!(arrivals.at(Some(101 * second)), Mono(12 * second));
            arrivals.set(Mono(13 * second), step + second);
            assert_eq!(arrivals.at(Some(step + second - 7)), Mono(13 * second - 7));
            arrivals.set(Mono(11 * second), 101 * second);
        }
    }

    #[test]
    fn the_real_clock_moves_on() {
        let mut clock = Clock::new();
        let first = clock.now();
        assert!(first > Mono::NEVER);
        assert!(clock.now() >= first);
        assert!(date(wall()).0 > 20_200_101);
    }

    #[test]
    #[expect(clippy::inconsistent_digit_grouping, reason = "yyyy_mm_dd reads as a date")]
    fn dates_follow_the_calendar() {
        for (days, date_is) in [
            (0, 1970_01_01),
            (11_016, 2000_02_29),
            (11_017, 2000_03_01),
            (20_778, 2026_11_21),
            (47_540, 2100_02_28),
            (47_541, 2100_03_01),
        ] {
            assert_eq!(date(days * 86_400_000_000_000).0, date_is);
            assert!(is_date(TradingDate(date_is)));
        }
        assert_eq!(display(1_795_253_400_123_456_789), "2026-11-21T09:30:00.123456789Z");
        for bad in [0, 2026_02_29, 2100_02_29, 2026_13_01, 2026_00_10, 2026_04_31, 2026_04_00] {
            assert!(!is_date(TradingDate(bad)), "{bad}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_is_a_date_and_follows_the_last() {
        let mut last = 0;
        for days in 0..146_097 {
            let today = date(days * 86_400_000_000_000);
            assert!(today.0 > last);
            assert!(is_date(today));
            last = today.0;
        }
    }
}

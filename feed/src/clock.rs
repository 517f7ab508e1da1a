//! The one reader of clocks. Everything else is told the time.
//!
//! Deadlines and leases are made of [`Mono`] alone, so a step of the wall clock moves none of
//! them. The wall clock is read for two purposes only: to show a date or a time to a person, and
//! to know the trading date.

use candor_core::{Mono, Nanos, TradingDate};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Reads the clock of [`candor_shm::clock`] and never lets it go back. One per thread.
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
        self.clamp(candor_shm::clock::now())
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
/// time. Around a step of the wall clock, ages mean nothing: the difference between the clocks has jumped since
/// the last batch. What came before that was noticed is as old as it can be then, and so is all that has no stamp. An
/// arrival never lies ahead of now: a wrong one makes us late, never early.
#[derive(Debug)]
pub struct Arrivals {
    now: Mono,
    wall: u64,
    difference: i128,
    /// When the wall clock was last found to have stepped.
    stepped: Mono,
}

impl Arrivals {
    /// The clocks may drift apart by this much between batches, as they do when the wall clock
    /// is slewed; more is a step.
    const SLEW: i128 = 1_000_000;

    /// To be made before there is anything to arrive: both clocks are read for the first time.
    #[must_use]
    pub fn new(clock: &mut Clock) -> Arrivals {
        Arrivals::from(clock.now(), wall())
    }

    fn from(now: Mono, wall: u64) -> Arrivals {
        let difference = i128::from(wall) - i128::from(now.0);
        Arrivals { now, wall, difference, stepped: Mono::NEVER }
    }

    /// Reads both clocks, for the batch that was just received.
    pub fn read(&mut self, clock: &mut Clock) {
        self.set(clock.now(), wall());
    }

    fn set(&mut self, now: Mono, wall: u64) {
        let read = Arrivals::from(now, wall);
        let steady = (read.difference - self.difference).abs() <= Arrivals::SLEW;
        *self = Arrivals { stepped: if steady { self.stepped } else { now }, ..read };
    }

    /// When a datagram with this stamp arrived, of which nothing is left that arrived before `oldest`.
    #[must_use]
    pub fn at(&self, stamp: Option<u64>, oldest: Mono) -> Mono {
        let oldest = oldest.min(self.now);
        match stamp {
            Some(stamp) if oldest > self.stepped => {
                (self.now - Nanos(self.wall.saturating_sub(stamp))).max(oldest)
            }
            _ => oldest,
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

/// The date in a time zone, by its name in the tz database, at a wall-clock time in nanoseconds since
/// the Unix epoch. `None` for a zone nobody knows and beyond the calendar.
#[must_use]
pub fn date(wall: u64, zone: &str) -> Option<TradingDate> {
    let at = Timestamp::from_nanosecond(i128::from(wall)).ok()?;
    let date = at.to_zoned(TimeZone::get(zone).ok()?).date();
    let number = i32::from(date.year()) * 10_000 + i32::from(date.month()) * 100;
    u32::try_from(number + i32::from(date.day())).ok().map(TradingDate)
}

/// How long it is from a wall-clock time to the next midnight in a time zone. `None` as for [`date`].
#[must_use]
pub fn until_midnight(wall: u64, zone: &str) -> Option<Nanos> {
    let at = Timestamp::from_nanosecond(i128::from(wall)).ok()?;
    let zone = TimeZone::get(zone).ok()?;
    let tomorrow = at.to_zoned(zone.clone()).date().tomorrow().ok()?;
    let midnight = tomorrow.to_zoned(zone).ok()?.timestamp().as_nanosecond();
    u64::try_from(midnight - at.as_nanosecond()).ok().map(Nanos)
}

/// When it is so many minutes past a date's midnight by a time zone's clock, minutes before it being
/// that midnight. `None` as for [`date`].
#[must_use]
pub fn at(date: TradingDate, zone: &str, minutes: i16) -> Option<u64> {
    let part = |number: u32| i8::try_from(number % 100).ok();
    let (year, month) = (i16::try_from(date.0 / 10_000).ok()?, part(date.0 / 100)?);
    let day = jiff::civil::Date::new(year, month, part(date.0)?).ok()?;
    let minutes = minutes.max(0);
    let (hour, minute) = (i8::try_from(minutes / 60).ok()?, i8::try_from(minutes % 60).ok()?);
    let time = jiff::civil::Time::new(hour, minute, 0, 0).ok()?;
    let at = day.to_datetime(time).to_zoned(TimeZone::get(zone).ok()?).ok()?;
    u64::try_from(at.timestamp().as_nanosecond()).ok()
}

/// A wall-clock time as `2026-11-21T09:30:00.123456789Z`.
#[must_use]
pub fn display(wall: u64) -> String {
    match Timestamp::from_nanosecond(i128::from(wall)) {
        Ok(at) => format!("{at:.9}"),
        Err(_) => String::from("beyond the calendar"),
    }
}

/// The time of day in a time zone at a wall-clock time, as `07:30:00`; with an unknown zone in UTC.
#[must_use]
pub fn time(wall: u64, zone: &str) -> String {
    zoned(wall, zone)
        .map_or("beyond the calendar".to_owned(), |at| at.strftime("%H:%M:%S").to_string())
}

/// A wall-clock time with date and offset in a time zone, as `2026-11-23T07:30:00.123-05:00`; with an unknown
/// zone in UTC.
#[must_use]
pub fn local(wall: u64, zone: &str) -> String {
    zoned(wall, zone).map_or("beyond the calendar".to_owned(), |at| {
        at.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
    })
}

fn zoned(wall: u64, zone: &str) -> Option<jiff::Zoned> {
    let at = Timestamp::from_nanosecond(i128::from(wall)).ok()?;
    Some(at.to_zoned(TimeZone::get(zone).unwrap_or(TimeZone::UTC)))
}

/// The wall-clock time that such a text gives; `None` for none, or one before 1970.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let at: Timestamp = text.parse().ok()?;
    u64::try_from(at.as_nanosecond()).ok()
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
    fn a_step_of_the_wall_clock_makes_an_arrival_as_old_as_it_can_be_and_none_newer() {
        let second = 1_000_000_000;
        let at = |seconds: u64| Mono(seconds * second);
        let mut arrivals = Arrivals::from(at(10), 100 * second);
        arrivals.set(at(11), 101 * second);
        assert_eq!(arrivals.at(Some(101 * second - 5), at(8)), Mono(11 * second - 5));
        let since = Mono(at(10).0 + 1);
        assert_eq!(arrivals.at(Some(101 * second - 5), since), Mono(11 * second - 5));
        assert_eq!(
            arrivals.at(Some(99 * second), since),
            since,
            "older than anything that is left"
        );
        assert_eq!(arrivals.at(Some(102 * second), since), at(11), "never ahead of now");
        assert_eq!(arrivals.at(None, since), since);
        for step in [3_700 * second, 2 * second, 102 * second - 2_000_000] {
            arrivals.set(at(12), step);
            assert_eq!(arrivals.at(Some(101 * second), since), since);
            // What was stamped before the step, and is looked at a batch later.
            arrivals.set(at(13), step + second);
            assert_eq!(arrivals.at(Some(103 * second), since), since);
            let behind = Mono(at(12).0 + 1);
            assert_eq!(arrivals.at(Some(step + second - 7), behind), Mono(13 * second - 7));
            arrivals = Arrivals::from(at(11), 101 * second);
        }
    }

    #[test]
    fn the_real_clock_moves_on() {
        let mut clock = Clock::new();
        let first = clock.now();
        assert!(first > Mono::NEVER);
        assert!(clock.now() >= first);
        assert!(date(wall(), "UTC") > Some(TradingDate(20_200_101)));
    }

    #[test]
    fn a_date_is_the_venues_own() {
        // In the night of UTC it is still the evening before in New York, and not so in London.
        let wall = 1_795_318_200_000_000_000;
        assert_eq!(display(wall), "2026-11-22T03:30:00.000000000Z");
        assert_eq!(parse(&display(wall + 1)), Some(wall + 1));
        assert_eq!((parse("yesterday"), parse("1969-12-31T23:59:59Z")), (None, None));
        assert_eq!(date(wall, "America/New_York"), Some(TradingDate(20_261_121)));
        assert_eq!(date(wall, "Europe/London"), Some(TradingDate(20_261_122)));
        assert_eq!(date(wall, "Nowhere/At_All"), None);
        // New York's midnight is an hour nearer to UTC's in summer.
        let summer = 1_783_915_200_000_000_000;
        assert_eq!(display(summer), "2026-07-13T04:00:00.000000000Z");
        assert_eq!(date(summer, "America/New_York"), Some(TradingDate(20_260_713)));
        assert_eq!(date(summer - 1, "America/New_York"), Some(TradingDate(20_260_712)));
    }
}

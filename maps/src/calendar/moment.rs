//! Instants of the wall clock, and times of day in a time zone.

use std::fmt;

use candor_core::TradingDate;
use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};

/// An instant of the wall clock: nanoseconds since the Unix epoch, as `feed`'s clock reads them. No
/// deadline of a lane and no lease is made of it: it can be set, and then it steps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Wall(pub u64);

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(at) => write!(f, "{at}"),
            Err(_) => f.write_str("beyond the calendar"),
        }
    }
}

/// A time of day on the venue's clock, on the trading date or on the day before it: minutes from the
/// trading date's midnight as that clock shows them, so that 07:30 is 07:30 also on a day of 23 or 25
/// hours.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Moment(i16);

/// A day's minutes.
pub(super) const DAY: i16 = 24 * 60;

impl Moment {
    /// A time of the trading date itself.
    ///
    /// # Panics
    /// When the day has no such time.
    #[must_use]
    pub const fn hm(hour: u8, minute: u8) -> Moment {
        assert!(hour < 24 && minute < 60, "a day has no such time");
        Moment(hour as i16 * 60 + minute as i16)
    }

    /// A time of the day before the trading date.
    ///
    /// # Panics
    /// When the day has no such time.
    #[must_use]
    pub const fn eve(hour: u8, minute: u8) -> Moment {
        Moment(Moment::hm(hour, minute).0 - DAY)
    }

    /// Reads `07:30`, and `-1 16:15` for the day before. `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Moment> {
        let (days, text) = match text.strip_prefix("-1 ") {
            Some(rest) => (DAY, rest),
            None => (0, text),
        };
        let [h1, h2, b':', m1, m2] = *text.as_bytes() else { return None };
        let digit = |byte: u8| byte.is_ascii_digit().then(|| i16::from(byte - b'0'));
        let (hour, minute) = (digit(h1)? * 10 + digit(h2)?, digit(m1)? * 10 + digit(m2)?);
        (hour < 24 && minute < 60).then_some(Moment(hour * 60 + minute - days))
    }

    /// Minutes from the trading date's midnight; negative on the day before.
    #[must_use]
    pub const fn minutes(self) -> i16 {
        self.0
    }

    /// So many minutes of the clock later, or earlier; held within the trading date and the day before.
    #[must_use]
    pub fn later(self, minutes: i16) -> Moment {
        Moment(self.0.saturating_add(minutes).clamp(-DAY, DAY - 1))
    }
}

/// As [`Moment::parse`] reads it.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, minutes) = match self.0 {
            ..0 => ("-1 ", self.0 + DAY),
            _ => ("", self.0),
        };
        write!(f, "{before}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

/// The first instant at which the zone's clock shows this time of this date, or a later one.
///
/// Where clocks go forward over it, that is the instant at which they do; where they go back and show
/// it twice, it is the first of the two. So it is never early by the venue's clock, and what is due
/// then is due once.
pub(super) fn at(zone: &TimeZone, date: Date, moment: Moment) -> Option<Wall> {
    let (date, minutes) = match moment.0 {
        ..0 => (date.yesterday().ok()?, moment.0 + DAY),
        _ => (date, moment.0),
    };
    let time =
        Time::new(i8::try_from(minutes / 60).ok()?, i8::try_from(minutes % 60).ok()?, 0, 0).ok()?;
    let shown = date.to_datetime(time);
    let instant = match zone.to_ambiguous_timestamp(shown).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(shown).ok()?,
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(shown).ok()?,
        AmbiguousOffset::Gap { after, .. } => {
            // Read by the later offset, a time in the gap lies before the change.
            let before = after.to_timestamp(shown).ok()?;
            zone.following(before).next()?.timestamp()
        }
    };
    u64::try_from(instant.as_nanosecond()).ok().map(Wall)
}

/// The date that the zone's clock shows. `None` beyond the calendar.
pub(super) fn local_date(zone: &TimeZone, now: Wall) -> Option<Date> {
    let now = Timestamp::from_nanosecond(i128::from(now.0)).ok()?;
    Some(zone.to_datetime(now).date())
}

/// A trading date as a day of the calendar, from 1970 on. `None` when there is no such day.
pub(super) fn civil(date: TradingDate) -> Option<Date> {
    let year = i16::try_from(date.0 / 10_000).ok().filter(|year| *year >= 1970)?;
    let month = i8::try_from(date.0 / 100 % 100).ok()?;
    Date::new(year, month, i8::try_from(date.0 % 100).ok()?).ok()
}

/// A day of the calendar as a trading date; 0 before the year 0.
pub(super) fn number(date: Date) -> TradingDate {
    let number = i32::from(date.year()) * 10_000 + i32::from(date.month()) * 100;
    TradingDate(u32::try_from(number + i32::from(date.day())).unwrap_or(0))
}

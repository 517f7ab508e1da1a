//! Trading calendars: on which dates a venue trades, when, and what is due when.
//!
//! A session is the venue's: its trading date comes from the calendar, not from a midnight. What CME
//! sends on Sunday evening is Monday's; between two sessions there is no trading date at all.
//!
//! Nothing here reads a clock: every instant is an argument. Time zones are the tz database's that is
//! built in, so that no file of the host decides.
//!
//! What is known ends ([`Calendar::ends`]). Beyond it a day is [`Day::Unknown`] and nothing is ever due: a
//! handler then has no map, and says so, rather than trade on a guess.
//!
//! | file | what |
//! | --- | --- |
//! | `dates.rs` | generated: closed days and early closes. A table in Rust, since it can't fail to parse when a handler starts, and a new year reads as a plain difference |
//! | `venues.rs` | which venues keep which dates, and their hours |
//! | `overlay.rs` | what an operator adds when an exchange announces late |
//! | `schedule.rs` | the morning's milestones |
//! | `timeline.rs` | how a morning goes: planned, actual, slack, and what is to be said of it |
//!
//! ```
//! use candor_maps::calendar::{Calendar, Day, Schedule, Step, Wall};
//! let calendar = Calendar::of("XNAS").unwrap();
//! let schedule = Schedule::of(&calendar);
//! // Monday 2026-11-23, 07:31 in New York: the host has just booted.
//! let now = Wall(1_795_437_060_000_000_000);
//! let Day::Trading(session) = calendar.trading_date_at(now) else { panic!() };
//! let map = calendar.at(session.date, schedule.moment(Step::Map)).unwrap();
//! assert_eq!(map.to_string(), "2026-11-23T12:30:00Z");
//! assert!(map < now, "it is late");
//! ```

mod dates;
mod moment;
mod overlay;
mod schedule;
pub mod timeline;
mod venues;

#[cfg(test)]
mod tests;

use candor_core::{Nanos, TradingDate};
use jiff::civil::{Date, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};

pub use moment::{Moment, Wall};
use overlay::OfVenue;
pub use overlay::Overlay;
pub use schedule::{Refused, Schedule, Step};
pub use timeline::Timeline;

use moment::{civil, local_date, number};
use venues::{Dates, KNOWN, PROFILES, Profile};

/// A wall clock that steps back by no more than this was right before: what is of the date that it showed stays.
/// Beyond it the clock was wrong, by a date perhaps, and everything starts afresh. Six hours: longer than any
/// step of a clock that is looked after, a change of daylight saving included, and shorter than a day, so that a
/// host whose date was wrong has today's map once it is right.
pub const STEP_MAX: Nanos = Nanos(6 * 3_600_000_000_000);

/// When one venue trades.
#[derive(Clone)]
pub struct Calendar {
    venue: &'static str,
    profile: &'static Profile,
    zone: TimeZone,
    overlay: OfVenue,
}

/// What day it is at a venue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Day {
    /// Within this session, from [`Session::begins`] on and before [`Session::ends`].
    Trading(Session),
    /// Between sessions.
    Closed {
        /// The next trading date.
        next: TradingDate,
    },
    /// Before or behind what the calendar knows, or behind its last session.
    Unknown,
}

/// One trading date of a venue. Each part contains its first instant and not its last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// The trading date.
    pub date: TradingDate,
    /// From here on what the venue sends is of this date; it may be the evening before.
    pub begins: Wall,
    /// The venue takes orders.
    pub preopen: Wall,
    /// Trading opens.
    pub open: Wall,
    /// Trading closes, early or not.
    pub close: Wall,
    /// Late trading and what else is of this date is over.
    pub ends: Wall,
    /// Why it closes early, if it does.
    pub early: Option<String>,
    /// Breaks within trading, ascending.
    pub breaks: Vec<Break>,
}

/// A break within trading.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Break {
    /// Trading stops.
    pub from: Wall,
    /// Trading goes on.
    pub until: Wall,
}

/// What a session is at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Phase {
    /// Outside of it.
    Outside,
    /// Of its date, but not taking orders for the open yet.
    Early,
    /// Taking orders.
    Preopen,
    /// Trading.
    Open,
    /// In a break: silence is expected.
    Break,
    /// Closed, with what comes behind.
    Late,
}

impl Session {
    /// What the session is at.
    #[must_use]
    pub fn phase(&self, now: Wall) -> Phase {
        match now {
            _ if now < self.begins || now >= self.ends => Phase::Outside,
            _ if now < self.preopen => Phase::Early,
            _ if now < self.open => Phase::Preopen,
            _ if now >= self.close => Phase::Late,
            _ if self.breaks.iter().any(|pause| (pause.from..pause.until).contains(&now)) => {
                Phase::Break
            }
            _ => Phase::Open,
        }
    }
}

impl Calendar {
    /// The calendar of a venue, by its market identifier as maps and configurations write it. `None` for a
    /// venue whose calendar isn't known; [`Calendar::venues`] says which are.
    #[must_use]
    pub fn of(venue: &str) -> Option<Calendar> {
        let find = |profile: &'static Profile| {
            let name = profile.venues.iter().find(|name| **name == venue)?;
            Some((*name, profile))
        };
        let (venue, profile) = PROFILES.iter().find_map(find)?;
        let zone = TimeZoneDatabase::bundled().get(profile.dates.zone).ok()?;
        Some(Calendar { venue, profile, zone, overlay: OfVenue::default() })
    }

    /// Every venue whose calendar is known.
    pub fn venues() -> impl Iterator<Item = &'static str> {
        PROFILES.iter().flat_map(|profile| profile.venues.iter().copied())
    }

    /// This calendar with what an overlay says of its venue, and nothing of an earlier overlay.
    #[must_use]
    pub fn with(mut self, overlay: &Overlay) -> Calendar {
        self.overlay = overlay.of(self.venue);
        self
    }

    /// The venue.
    #[must_use]
    pub const fn venue(&self) -> &'static str {
        self.venue
    }

    /// The venue's time zone, by its name in the tz database.
    #[must_use]
    pub const fn zone(&self) -> &'static str {
        self.profile.dates.zone
    }

    /// The last date of which anything is known.
    #[must_use]
    pub const fn ends(&self) -> TradingDate {
        TradingDate(KNOWN.1)
    }

    /// How many days behind `today` are still known: 0 on the last one, negative behind it. Under 60 it is
    /// time to install a newer release, or generate `dates.rs` anew. `i32::MIN` for a day that isn't one.
    #[must_use]
    pub fn days_left(&self, today: TradingDate) -> i32 {
        match (civil(today), civil(self.ends())) {
            (Some(today), Some(ends)) => today.until(ends).map_or(i32::MIN, |span| span.get_days()),
            _ => i32::MIN,
        }
    }

    /// What day it is at the venue.
    #[must_use]
    pub fn trading_date_at(&self, now: Wall) -> Day {
        let Some(today) = local_date(&self.zone, now).filter(|today| known(*today)) else {
            return Day::Unknown;
        };
        // A session that holds `now`, or the next to begin, is of today or later: no session reaches
        // beyond its date.
        match self.sessions(today).find(|session| now < session.ends) {
            Some(session) if session.begins <= now => Day::Trading(session),
            Some(session) => Day::Closed { next: session.date },
            None => Day::Unknown,
        }
    }

    /// The session of a date. `None` when the venue is closed, or when nothing is known of the date.
    #[must_use]
    pub fn session(&self, date: TradingDate) -> Option<Session> {
        self.session_on(civil(date)?)
    }

    /// The first session of a date behind this one. `None` when none is known.
    #[must_use]
    pub fn next_session(&self, after: TradingDate) -> Option<Session> {
        self.sessions(civil(after)?.tomorrow().ok()?).next()
    }

    /// Why the venue is closed on a date. `None` on trading dates, and when nothing is known of the date.
    #[must_use]
    pub fn closed(&self, date: TradingDate) -> Option<&str> {
        let day = civil(date).filter(|day| known(*day))?;
        if matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) {
            return Some("weekend");
        }
        let listed = self.profile.dates.closed;
        let found = listed.binary_search_by_key(&date.0, |(closed, _)| *closed).ok();
        let found = found.and_then(|index| listed.get(index)).map(|(_, why)| *why);
        found.or_else(|| self.overlay.closed.get(&date.0).map(String::as_str))
    }

    /// The first instant at which the venue's clock shows this moment of a date, or a later one: where
    /// clocks go forward over it, the instant at which they do; where they go back and show it twice, the
    /// first of the two. `None` for a day that isn't one; whether the venue trades doesn't matter.
    #[must_use]
    pub fn at(&self, date: TradingDate, moment: Moment) -> Option<Wall> {
        moment::at(&self.zone, civil(date)?, moment)
    }

    /// The date that the venue's clock shows, whether it trades or not. `None` beyond the calendar.
    #[must_use]
    pub fn local_date(&self, now: Wall) -> Option<TradingDate> {
        local_date(&self.zone, now).map(number)
    }

    /// The sessions from this date on.
    fn sessions(&self, from: Date) -> impl Iterator<Item = Session> + '_ {
        let from = from.max(civil(TradingDate(KNOWN.0)).unwrap_or(from));
        from.series(jiff::Span::new().days(1))
            .take_while(|date| known(*date))
            .filter_map(|date| self.session_on(date))
    }

    fn session_on(&self, day: Date) -> Option<Session> {
        let date = number(day);
        if !known(day) || self.closed(date).is_some() {
            return None;
        }
        let Profile { dates, begins, preopen, open, close, ends, .. } = self.profile;
        let early = self.early_close(date);
        let usual = *close;
        let close = early.map_or(usual, |(close, _)| close);
        // Nothing more is of the date as long after an early close as after the usual one.
        let ends = ends.later(close.minutes() - usual.minutes());
        let instant = |moment: Moment| moment::at(&self.zone, day, moment);
        let mut session = Session {
            date,
            begins: instant(self.overlay.begins.unwrap_or(*begins))?,
            preopen: instant(*preopen)?,
            open: instant(*open)?,
            close: instant(close)?,
            ends: instant(ends)?,
            early: early.map(|(_, why)| why.to_owned()),
            breaks: Vec::new(),
        };
        // Who closes by the time of the break has none.
        if let Some((from, until)) = dates.pause.filter(|(_, until)| *until < close) {
            session.breaks.push(Break { from: instant(from)?, until: instant(until)? });
        }
        Some(session)
    }

    fn early_close(&self, date: TradingDate) -> Option<(Moment, &str)> {
        if let Some((at, why)) = self.overlay.early.get(&date.0) {
            return Some((*at, why));
        }
        let Dates { early, .. } = self.profile.dates;
        let index = early.binary_search_by_key(&date.0, |(day, ..)| *day).ok()?;
        early.get(index).map(|(_, at, why)| (*at, *why))
    }
}

fn known(day: Date) -> bool {
    (KNOWN.0..=KNOWN.1).contains(&number(day).0)
}

//! What day it is at a venue whose maps come from the store: by its calendar, or every day.

use candor_core::{Nanos, TradingDate, Venue};
use candor_maps::calendar::timeline::Plan;
use candor_maps::calendar::{Calendar, Day, Moment, Overlay, Schedule, Step, Wall};

use crate::clock;
use crate::config::{CalendarOf, MAP_AT, Mapped, schedule};

/// The trading dates of one venue.
#[derive(Clone)]
pub enum Days {
    /// Those of its calendar.
    Venue {
        /// The calendar.
        calendar: Box<Calendar>,
        /// When the map's time comes.
        schedule: Schedule,
    },
    /// Every day in this time zone, from midnight to midnight.
    Every {
        /// The zone.
        zone: &'static str,
        /// When the map's time comes.
        at: Moment,
        /// Which other milestones of the morning have a time.
        timeline: Vec<(Step, Moment)>,
    },
}

/// A trading date that is under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Today {
    /// The date.
    pub date: TradingDate,
    /// When it began.
    pub begins: Wall,
    /// When its map's time comes.
    pub map: Wall,
    /// When it is over.
    pub ends: Wall,
}

impl Days {
    /// The days of a venue, with an overlay of its calendar. `None` where the calendar isn't known, or
    /// doesn't allow the time configured: a configuration that was checked has no such venue.
    #[must_use]
    pub fn of(mapped: &Mapped, overlay: Option<&Overlay>) -> Option<Days> {
        if mapped.calendar == CalendarOf::EveryDay {
            let at = mapped.at.unwrap_or(MAP_AT);
            let (zone, timeline) = (mapped.feed.zone(), mapped.timeline.clone());
            return Some(Days::Every { zone, at, timeline });
        }
        let mut calendar = Calendar::of(mapped.venue.as_str())?;
        if let Some(overlay) = overlay {
            calendar = calendar.with(overlay);
        }
        let schedule = schedule(&calendar, mapped.at, &mapped.timeline).ok()?;
        Some(Days::Venue { calendar: Box::new(calendar), schedule })
    }

    /// The days of a venue whose partitions are the configuration's, by its calendar; `None` where that isn't
    /// known.
    #[must_use]
    pub fn of_venue(venue: Venue, overlay: Option<&Overlay>) -> Option<Days> {
        let calendar = Calendar::of(venue.as_str())?;
        let calendar = overlay.map_or_else(|| calendar.clone(), |own| calendar.clone().with(own));
        let schedule = Schedule::of(&calendar);
        Some(Days::Venue { calendar: Box::new(calendar), schedule })
    }

    /// The time zone of the venue's clock.
    #[must_use]
    pub fn zone(&self) -> &'static str {
        match self {
            Days::Venue { calendar, .. } => calendar.zone(),
            Days::Every { zone, .. } => zone,
        }
    }

    /// The last date that anything is known of, and how many days are left to it where that is soon, sixty or
    /// less, by the calendar: below 0 they are over. `None` where there is time, or no end.
    #[must_use]
    pub fn ending(&self, now: Wall) -> Option<(TradingDate, i32)> {
        const SOON: i32 = 60;
        self.known(now).filter(|(_, left)| *left <= SOON)
    }

    /// The last date that anything is known of, by the calendar, and how many days are left to it; `None` where
    /// there is no end.
    pub(super) fn known(&self, now: Wall) -> Option<(TradingDate, i32)> {
        let Days::Venue { calendar, .. } = self else { return None };
        let left = calendar.days_left(clock::date(now.0, calendar.zone())?);
        Some((calendar.ends(), left))
    }

    /// What is planned for the morning of a date; `None` where it is no trading date, or nothing is known of
    /// it.
    #[must_use]
    pub fn plan(&self, date: TradingDate) -> Option<Plan> {
        match self {
            Days::Venue { calendar, schedule } => Plan::of(calendar, schedule, date),
            Days::Every { zone, at, timeline } => {
                let begins = Wall(clock::at(date, zone, 0)?);
                let moments = [&[(Step::Map, *at)], &timeline[..]].concat();
                let instant = |moment: Moment| clock::at(date, zone, moment.minutes()).map(Wall);
                Some(Plan::named(date, begins, &moments, instant))
            }
        }
    }

    /// What is unusual about a date: why it is no trading date, or that it closes early.
    #[must_use]
    pub fn note(&self, date: TradingDate) -> Option<String> {
        let Days::Venue { calendar, .. } = self else { return None };
        if let Some(why) = calendar.closed(date) {
            return Some(format!("no trading date: {why}"));
        }
        let Some(session) = calendar.session(date) else {
            return Some("nothing is known of the date".to_owned());
        };
        let early = session.early?;
        let close = clock::time(session.close.0, calendar.zone());
        Some(format!("closes at {close}: {early}"))
    }

    /// The trading date that is under way; `None` between two, and where nobody knows.
    #[must_use]
    pub fn today(&self, now: Wall) -> Option<Today> {
        match self {
            Days::Venue { calendar, schedule } => {
                let Day::Trading(session) = calendar.trading_date_at(now) else { return None };
                let map = calendar.at(session.date, schedule.moment(Step::Map))?;
                let (begins, ends) = (session.begins, session.ends);
                Some(Today { date: session.date, begins, map, ends })
            }
            Days::Every { zone, at, .. } => {
                let date = clock::date(now.0, zone)?;
                let (begins, map) =
                    (clock::at(date, zone, 0)?, clock::at(date, zone, at.minutes())?);
                let Nanos(left) = clock::until_midnight(now.0, zone)?;
                Some(Today { date, begins: Wall(begins), map: Wall(map), ends: Wall(now.0 + left) })
            }
        }
    }

    /// When a trading date is over, where that is the calendar's to say, and else `otherwise`; `None` where the
    /// date is none.
    #[must_use]
    pub fn ends(&self, date: TradingDate, otherwise: Wall) -> Option<Wall> {
        match self {
            Days::Venue { calendar, .. } => calendar.session(date).map(|session| session.ends),
            Days::Every { .. } => Some(otherwise),
        }
    }

    /// The trading date that is under way, or the next; `None` where nobody knows.
    #[must_use]
    pub fn latest(&self, now: Wall) -> Option<TradingDate> {
        match self {
            Days::Venue { calendar, .. } => match calendar.trading_date_at(now) {
                Day::Trading(session) => Some(session.date),
                Day::Closed { next } => Some(next),
                Day::Unknown => None,
            },
            Days::Every { .. } => self.today(now).map(|today| today.date),
        }
    }
}

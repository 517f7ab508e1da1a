//! When a venue's map has to be loaded: once a trading date, whatever the wall clock does.
//!
//! A date is due from the schedule's `map` on until its session ends. That covers a host that boots at
//! 07:31 and a timer that was missed: what matters is whether the date has been demanded, not whether
//! somebody was awake at 07:30. A date that nobody asked about before its session ended is not due any
//! more, since its map would be yesterday's.
//!
//! | the clock | what is demanded |
//! | --- | --- |
//! | passes 07:30, polled often, seldom, or twice | that date, once |
//! | steps forward over 07:30 | that date, at once |
//! | steps back over 07:30, by [`Due::STEP_MAX`] at most | nothing: that date was demanded |
//! | steps back further | the date it shows now: the clock that demanded the other was wrong |
//! | starts before or behind what the calendar knows | nothing, until it is set right |

use candor_core::Nanos;

use super::{Calendar, Moment, Schedule, Session, Step, TradingDate, Wall};

/// Says when one venue's map is due. It is told the time and keeps one date, however long it runs.
#[derive(Clone)]
pub struct Due {
    calendar: Calendar,
    moment: Moment,
    /// The date that was demanded or loaded last, and from when on it counts as such.
    last: Option<(TradingDate, Wall)>,
    next: Option<Wall>,
}

/// Load the map of this date now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Load {
    /// The trading date.
    pub date: TradingDate,
    /// When it was planned.
    pub planned: Wall,
    /// How long ago that is.
    pub late: Nanos,
}

impl Due {
    /// A wall clock that steps back by no more than this was right before: what it demanded is not demanded
    /// again. Beyond it the clock was wrong, by a date perhaps, and starts afresh. Six hours: longer than any
    /// step of a clock that is looked after, a change of daylight saving included, and shorter than a day,
    /// so that a host whose date was wrong loads today's map once it is right.
    pub const STEP_MAX: Nanos = Nanos(6 * 3_600_000_000_000);

    /// Nothing has been demanded yet.
    #[must_use]
    pub fn new(calendar: Calendar, schedule: &Schedule, now: Wall) -> Due {
        let mut due = Due { calendar, moment: schedule.moment(Step::Map), last: None, next: None };
        due.next = due.pending(now).map(|(_, from)| from);
        due
    }

    /// The map of this date has been loaded, without having been demanded: it will not be.
    pub fn loaded(&mut self, date: TradingDate, now: Wall) {
        if let Some(from) = self.calendar.at(date, self.moment) {
            // Loaded long before its time, it counts from now on: no clock has stepped back.
            self.last = Some((date, from.min(now)));
            self.next = self.pending(now).map(|(_, from)| from);
        }
    }

    /// Takes a changed calendar of the same venue, with another overlay. What was demanded stays so.
    pub fn revise(&mut self, calendar: Calendar, schedule: &Schedule, now: Wall) {
        (self.calendar, self.moment) = (calendar, schedule.moment(Step::Map));
        self.next = self.pending(now).map(|(_, from)| from);
    }

    /// The venue's calendar.
    #[must_use]
    pub const fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// What is due now, once. Ask at least every few seconds rather than sleep until [`Due::next`]: the
    /// wall clock can be set meanwhile.
    pub fn poll(&mut self, now: Wall) -> Option<Load> {
        if self.last.is_some_and(|(_, from)| now.0.saturating_add(Due::STEP_MAX.0) < from.0) {
            self.last = None;
        }
        let mut load = None;
        let mut pending = self.pending(now);
        if let Some((date, planned)) = pending.filter(|(_, from)| *from <= now) {
            self.last = Some((date, planned));
            load = Some(Load { date, planned, late: Nanos(now.0 - planned.0) });
            pending = self.pending(now);
        }
        self.next = pending.map(|(_, from)| from);
        load
    }

    /// When the next map is due, as of the last instant this was told. `None` when the calendar knows of
    /// no further session.
    #[must_use]
    pub const fn next(&self) -> Option<Wall> {
        self.next
    }

    /// The first date that isn't over and hasn't been demanded, and from when on it is due.
    fn pending(&self, now: Wall) -> Option<(TradingDate, Wall)> {
        let session = self.first_from(now)?;
        Some((session.date, self.calendar.at(session.date, self.moment)?))
    }

    fn first_from(&self, now: Wall) -> Option<Session> {
        let today = self.calendar.local_date(now)?;
        let behind = |date| self.calendar.next_session(date);
        let current = self.calendar.session(today).filter(|session| now < session.ends);
        let first = current.or_else(|| behind(today))?;
        match self.last {
            Some((last, _)) if first.date <= last => behind(last),
            _ => Some(first),
        }
    }
}

//! The morning: what has to have happened by when, before a venue opens.

use super::moment::DAY;
use super::{Calendar, Moment, TradingDate, Wall};

/// A milestone of the morning, in the order of the morning.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Step {
    /// The day's map is loaded, checked and compared.
    Map,
    /// Every group of the map is joined.
    Joins,
    /// Every partition has been heard, if only by a heartbeat.
    Heartbeats,
    /// The venue has named every symbol of the map.
    Directory,
    /// The day's map is the only one in force, and the last day's is gone.
    Crossover,
    /// `candor preopen` answers go or no-go.
    Preopen,
    /// Trading opens.
    Open,
    /// Every partition has had its first prints.
    Prints,
}

impl Step {
    /// Every milestone, in order.
    pub const ALL: [Step; 8] = [
        Step::Map,
        Step::Joins,
        Step::Heartbeats,
        Step::Directory,
        Step::Crossover,
        Step::Preopen,
        Step::Open,
        Step::Prints,
    ];

    /// Where it stands in [`Step::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its name in configurations, and for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Step::Map => "map",
            Step::Joins => "joins",
            Step::Heartbeats => "heartbeats",
            Step::Directory => "directory",
            Step::Crossover => "crossover",
            Step::Preopen => "preopen",
            Step::Open => "open",
            Step::Prints => "prints",
        }
    }
}

/// When the milestones of a venue's morning are due, on the venue's clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Schedule {
    moments: [Moment; Step::ALL.len()],
}

/// Why a schedule was refused; the words say what to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// Two milestones in the wrong order.
    #[error("`{}` at {then} comes before `{}` at {first}; the morning goes {}", .later.name(), .earlier.name(), order())]
    Order {
        /// Which comes first in every morning.
        earlier: Step,
        /// When it was to be.
        first: Moment,
        /// Which comes behind it.
        later: Step,
        /// When that was to be.
        then: Moment,
    },
    /// The map would be loaded while the day before still needs its own.
    #[error(
        "`map` at {map} comes while the session before still lasts, until {ends}; load it later"
    )]
    Overlap {
        /// When the map was to be loaded.
        map: Moment,
        /// When the session of the day before ends.
        ends: Moment,
    },
    /// The open is the calendar's.
    #[error("`open` can't be moved to {wanted}: it is the calendar's, {open}; leave it out")]
    Open {
        /// When it was to be.
        wanted: Moment,
        /// When it is.
        open: Moment,
    },
}

fn order() -> String {
    Step::ALL.map(Step::name).join(", ")
}

impl Schedule {
    /// The usual morning of a calendar's venue: 07:30 for the map where the open is at 09:30, and as long
    /// before the open elsewhere; within the one break where a venue trades round the clock.
    #[must_use]
    pub fn of(calendar: &Calendar) -> Schedule {
        let profile = calendar.profile;
        Schedule { moments: profile.morning.map(|minutes| profile.open.later(minutes)) }
    }

    /// The usual morning with these milestones moved. Of two entries for one, the last counts.
    ///
    /// # Errors
    /// When the milestones are no longer in order, the map would come before the day before has ended, or
    /// the open is moved. Two may be due at the same time.
    pub fn with(calendar: &Calendar, moved: &[(Step, Moment)]) -> Result<Schedule, Refused> {
        let mut schedule = Schedule::of(calendar);
        for &(step, moment) in moved {
            schedule.moments[step.index()] = moment;
        }
        let (wanted, open) = (schedule.moment(Step::Open), calendar.profile.open);
        if wanted != open {
            return Err(Refused::Open { wanted, open });
        }
        for pair in Step::ALL.windows(2) {
            let [earlier, later] = *pair else { continue };
            let (first, then) = (schedule.moment(earlier), schedule.moment(later));
            if then < first {
                return Err(Refused::Order { earlier, first, later, then });
            }
        }
        let (map, ends) = (schedule.moment(Step::Map), calendar.profile.ends.later(-DAY));
        if map < ends {
            return Err(Refused::Overlap { map, ends });
        }
        Ok(schedule)
    }

    /// When a milestone is due on the venue's clock.
    #[must_use]
    pub const fn moment(&self, step: Step) -> Moment {
        self.moments[step.index()]
    }

    /// The morning of a trading date, in order. `None` when the venue doesn't trade on it, or when nothing
    /// is known of it.
    #[must_use]
    pub fn on(
        &self,
        calendar: &Calendar,
        date: TradingDate,
    ) -> Option<[(Step, Wall); Step::ALL.len()]> {
        calendar.session(date)?;
        let mut planned = Step::ALL.map(|step| (step, Wall(0)));
        for (step, at) in &mut planned {
            *at = calendar.at(date, self.moment(*step))?;
        }
        Some(planned)
    }
}

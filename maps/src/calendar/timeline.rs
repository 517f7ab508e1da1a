//! How a venue's morning goes: what was to be done by when, what is done, and how much slack is left.
//!
//! A milestone has a *planned* moment, which is its deadline. Of two it is when they begin: the map's is when the
//! map is fetched, and its deadline is the next milestone's, which waits for it; preopen's is when it is asked, and
//! an answer takes a while: its deadline is [`PREOPEN_WITHIN`] later, or the open. The *slack* of a milestone is the
//! time from when the one before it was, or was to be, done (whichever is later), and of these two not before their
//! own moment, until its deadline; what is left of it shrinks to nothing at the deadline and is less than nothing
//! behind it.
//!
//! | what is so | state | said, once |
//! | --- | --- | --- |
//! | done by the deadline | `Done` | that it is done |
//! | done later | `Late` | that it is done after all |
//! | deadline before this start, and done within [`START`] of it | `Found` | that it was found done |
//! | not done, less than half of the slack gone | `Waiting` | |
//! | not done, half of it gone | `Half` | that half of it is gone |
//! | not done, the deadline is past | `Missed` | that it is missed |
//! | the venue's mornings don't have it | `NotToday` | |
//!
//! Nothing is said within [`START`] of a start: what is there takes a moment to be seen. What is done stays
//! done, but for the open, which comes by the clock alone, and what was said is not said again, whatever the wall
//! clock does; states are by the wall clock as it is. Reads no clock: time is an argument.

use std::fmt;

use candor_core::{Mono, Nanos, TradingDate};

use super::{Calendar, Moment, Schedule, Step, Wall};

/// How many milestones a morning has.
pub const STEPS: usize = Step::ALL.len();

/// How long a start has to see what is there already. Heartbeats come once a second; ten of them.
pub const START: Nanos = Nanos::from_secs(10);

/// How long the map has where no later milestone is planned.
const MAP_WITHIN: u64 = 60_000_000_000;

/// How long preopen has from when it is asked until it says go: it listens for seconds, and is asked again where it
/// is not go.
pub const PREOPEN_WITHIN: Nanos = Nanos::from_secs(300);

/// What is planned for one trading date of a venue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The trading date.
    pub date: TradingDate,
    /// From here on what is seen is of this date.
    pub begins: Wall,
    /// By [`Step::index`]: whether the venue's mornings have it.
    pub applies: [bool; STEPS],
    /// By [`Step::index`]: when it is planned; `None` for one without a deadline.
    pub planned: [Option<Wall>; STEPS],
}

/// That a milestone is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Done {
    /// When.
    pub at: Wall,
    /// Whether it was found done by a start behind its deadline: nobody knows since when it was.
    pub found: bool,
}

/// How a milestone stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum State {
    /// The venue's mornings don't have it.
    NotToday,
    /// Done in time.
    Done,
    /// Found done by a start behind its deadline.
    Found,
    /// Not done, and time enough.
    Waiting,
    /// Not done, and half of the slack is gone.
    Half,
    /// Done behind its deadline.
    Late,
    /// Not done by its deadline.
    Missed,
}

impl State {
    /// In words, for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            State::NotToday => "not today",
            State::Done => "done",
            State::Found => "found done",
            State::Waiting => "waiting",
            State::Half => "half gone",
            State::Late => "done late",
            State::Missed => "missed",
        }
    }

    /// Whether somebody has to look.
    #[must_use]
    pub const fn is_late(self) -> bool {
        matches!(self, State::Half | State::Late | State::Missed)
    }
}

/// A length of time that may be less than nothing, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Slack(pub i64);

/// Minutes and seconds, as on a clock: `1:14:55`, `0:04`, `-2:10`.
impl fmt::Display for Slack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.unsigned_abs() / 1_000_000_000;
        let sign = if self.0 < 0 { "-" } else { "" };
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        match hours {
            0 => write!(f, "{sign}{minutes}:{seconds:02}"),
            _ => write!(f, "{sign}{hours}:{minutes:02}:{seconds:02}"),
        }
    }
}

/// A milestone as of one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// When its slack begins.
    pub from: Option<Wall>,
    /// Its deadline.
    pub deadline: Option<Wall>,
    /// What is left of the slack now, or was left when it was done; `None` without a deadline, and for what was
    /// found done.
    pub slack: Option<Slack>,
    /// How it stands.
    pub state: State,
}

impl Plan {
    /// The plan of a date. `None` when the venue doesn't trade on it, or when nothing is known of it.
    #[must_use]
    pub fn of(calendar: &Calendar, schedule: &Schedule, date: TradingDate) -> Option<Plan> {
        let begins = calendar.session(date)?.begins;
        let planned = schedule.on(calendar, date)?.map(|(_, at)| Some(at));
        Some(Plan { date, begins, applies: [true; STEPS], planned })
    }

    /// The plan of a date of a venue without a calendar: only what is named has a deadline. Moments are turned
    /// into instants by `at`, which says `None` beyond the calendar.
    #[must_use]
    pub fn named(
        date: TradingDate,
        begins: Wall,
        moments: &[(Step, Moment)],
        at: impl Fn(Moment) -> Option<Wall>,
    ) -> Plan {
        let mut planned = [None; STEPS];
        for (step, moment) in moments {
            planned[step.index()] = at(*moment);
        }
        let mut applies = [true; STEPS];
        // Nobody knows of an open, or of prints behind it, unless they are named.
        applies[Step::Open.index()] = planned[Step::Open.index()].is_some();
        applies[Step::Prints.index()] = planned[Step::Prints.index()].is_some();
        Plan { date, begins, applies, planned }
    }

    /// A milestone's deadline.
    #[must_use]
    pub fn deadline(&self, step: Step) -> Option<Wall> {
        let own = self.planned[step.index()].filter(|_| self.applies[step.index()])?;
        let behind = self.planned.iter().skip(step.index() + 1).flatten();
        let next = behind.copied().find(|next| *next > own);
        match step {
            Step::Map => Some(next.unwrap_or(Wall(own.0.saturating_add(MAP_WITHIN)))),
            Step::Preopen => {
                let within = Wall(own.0.saturating_add(PREOPEN_WITHIN.0));
                Some(next.map_or(within, |next| next.min(within)))
            }
            _ => Some(own),
        }
    }

    /// When a milestone's slack begins: its predecessor's moment, planned or actual, whichever is later; the
    /// map's with its own, and preopen's not before it.
    fn from(&self, step: Step, done: &[Option<Done>; STEPS]) -> Option<Wall> {
        let before =
            (0..step.index()).rev().find(|at| self.planned[*at].is_some() && self.applies[*at]);
        let Some(before) = before else {
            let begins = Some(self.begins).filter(|begins| begins.0 != 0);
            return if step == Step::Map { self.planned[0] } else { begins };
        };
        let actual = done[before].filter(|one| !one.found).map(|one| one.at);
        let own = self.planned[step.index()].filter(|_| step == Step::Preopen);
        self.planned[before].max(actual).max(own)
    }

    /// How a milestone stands at this moment of the wall clock, what is done being given.
    #[must_use]
    pub fn standing(&self, step: Step, done: &[Option<Done>; STEPS], now: Wall) -> Standing {
        let (from, deadline) = (self.from(step, done), self.deadline(step));
        let own = done[step.index()];
        let left = |at: Wall| deadline.map(|deadline| between(at, deadline));
        let (state, slack) = match own {
            _ if !self.applies[step.index()] => (State::NotToday, None),
            Some(Done { found: true, .. }) => (State::Found, None),
            Some(Done { at, .. }) if deadline.is_some_and(|deadline| at > deadline) => {
                (State::Late, left(at))
            }
            Some(Done { at, .. }) => (State::Done, left(at)),
            // It comes by the clock, and nobody can hurry it.
            None if step == Step::Open => (State::Waiting, left(now)),
            None => (waiting(from, deadline, now), left(now)),
        };
        Standing { from, deadline, slack, state }
    }
}

/// How a milestone stands that is not done.
fn waiting(from: Option<Wall>, deadline: Option<Wall>, now: Wall) -> State {
    match (from, deadline) {
        (_, None) => State::Waiting,
        (_, Some(deadline)) if now > deadline => State::Missed,
        (Some(from), Some(deadline)) if from < deadline => {
            let half = from.0 + (deadline.0 - from.0) / 2;
            if now.0 >= half { State::Half } else { State::Waiting }
        }
        // It has no slack to lose: the one before it was done when it was due itself.
        (_, Some(_)) => State::Waiting,
    }
}

fn between(at: Wall, until: Wall) -> Slack {
    let length = i128::from(until.0) - i128::from(at.0);
    let most = i128::from(i64::MAX);
    Slack(i64::try_from(length.clamp(-most, most)).unwrap_or(0))
}

/// What is seen of a milestone at a look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    /// Whether it holds.
    pub holds: bool,
    /// How far it is.
    pub done: u32,
    /// Of how many.
    pub of: u32,
}

/// What there is to say of a milestone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct News {
    /// Which.
    pub step: Step,
    /// What.
    pub what: What,
    /// How it stands, and since when.
    pub standing: Standing,
    /// How far it is.
    pub seen: Seen,
    /// The first milestone before it that is not done, which it may be waiting for.
    pub behind: Option<Step>,
}

/// What there is to say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// Half of its slack is gone.
    Half,
    /// It is missed.
    Missed,
    /// It is done, be it in time, late or found so.
    Done {
        /// That half of its slack was gone had been said.
        half: bool,
        /// That it was missed had been said.
        missed: bool,
    },
    /// It is not done, its date is over or no trading date any more, and something had been said of it.
    Over {
        /// As of `Done`.
        half: bool,
        /// As of `Done`.
        missed: bool,
    },
}

#[derive(Clone, Copy, Default)]
struct Progress {
    seen: Seen,
    done: Option<Done>,
    half: bool,
    missed: bool,
}

/// One venue's morning of one trading date. It is told what is seen and says what is to be said.
#[derive(Clone)]
pub struct Timeline {
    plan: Plan,
    /// When it was looked at first since its date began: by our clock, which is never set, and the wall's.
    started: Option<(Mono, Wall)>,
    steps: [Progress; STEPS],
}

impl Timeline {
    /// Nothing of it has been seen.
    #[must_use]
    pub fn new(plan: Plan) -> Timeline {
        Timeline { plan, started: None, steps: [Progress::default(); STEPS] }
    }

    /// What is planned.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Since when it is watched, by the wall clock then; `None` before its date begins.
    #[must_use]
    pub fn watched(&self) -> Option<Wall> {
        self.started.map(|(_, wall)| wall)
    }

    /// What is done, by [`Step::index`].
    #[must_use]
    pub fn done(&self) -> [Option<Done>; STEPS] {
        self.steps.map(|one| one.done)
    }

    /// How far a milestone was at the last look.
    #[must_use]
    pub fn seen(&self, step: Step) -> Seen {
        self.steps[step.index()].seen
    }

    /// How a milestone stands.
    #[must_use]
    pub fn standing(&self, step: Step, now: Wall) -> Standing {
        self.plan.standing(step, &self.done(), now)
    }

    /// Takes another plan of the same date, by another overlay: what is done stays done. What was said of a
    /// milestone whose deadline is later now is said again in its time.
    pub fn revise(&mut self, plan: Plan) {
        for step in Step::ALL {
            let one = &mut self.steps[step.index()];
            if plan.deadline(step) > self.plan.deadline(step) {
                (one.half, one.missed) = (false, false);
            }
        }
        self.plan = plan;
    }

    /// Looks: `seen` is what holds by now, by [`Step::index`]; of the open it says nothing, which comes by the
    /// clock. What is seen before the date begins is of no date.
    pub fn look(&mut self, wall: Wall, now: Mono, seen: &[Seen; STEPS], mut say: impl FnMut(News)) {
        if self.started.is_none() && wall < self.plan.begins {
            return;
        }
        let (started, _) = *self.started.get_or_insert((now, wall));
        let running = now.since(started);
        // By the clock as it is now: it may have been set since.
        let start = Wall(wall.0.saturating_sub(running.0));
        for step in Step::ALL {
            let at = step.index();
            if !self.plan.applies[at] {
                continue;
            }
            let planned = self.plan.planned[at];
            self.steps[at].seen = seen[at];
            let holds = match (step, planned) {
                (Step::Open, Some(open)) => wall >= open,
                _ => seen[at].holds,
            };
            // The open is as the clock says: one that was set forward by mistake has opened nothing.
            if step == Step::Open && !holds {
                self.steps[at].done = None;
            }
            if self.steps[at].done.is_some() {
                continue;
            }
            if holds {
                let deadline = self.plan.deadline(step);
                let found = running < START && deadline.is_some_and(|deadline| deadline < start);
                // The open came when it was due, not when somebody looked.
                let open = planned.filter(|_| step == Step::Open && !found);
                self.steps[at].done = Some(Done { at: open.unwrap_or(wall), found });
                let Progress { half, missed, .. } = self.steps[at];
                say(self.news(step, What::Done { half, missed }, wall));
            } else if running >= START {
                self.warn(step, wall, &mut say);
            }
        }
    }

    /// The date is over, or none any more: what was said and is not done ends.
    pub fn end(&mut self, wall: Wall, mut say: impl FnMut(News)) {
        for step in Step::ALL {
            let Progress { done, half, missed, .. } = self.steps[step.index()];
            if done.is_none() && (half || missed) {
                say(self.news(step, What::Over { half, missed }, wall));
                let one = &mut self.steps[step.index()];
                (one.half, one.missed) = (false, false);
            }
        }
    }

    fn warn(&mut self, step: Step, wall: Wall, say: &mut impl FnMut(News)) {
        let state = self.standing(step, wall).state;
        let one = &mut self.steps[step.index()];
        let what = match state {
            State::Missed if !one.missed => {
                one.missed = true;
                What::Missed
            }
            // Who has said that it is missed does not take it back by halves.
            State::Half if !one.half && !one.missed => {
                one.half = true;
                What::Half
            }
            _ => return,
        };
        say(self.news(step, what, wall));
    }

    fn news(&self, step: Step, what: What, wall: Wall) -> News {
        let before = Step::ALL[..step.index()].iter().copied();
        let mut open = before
            .filter(|one| self.plan.applies[one.index()] && self.steps[one.index()].done.is_none());
        News {
            step,
            what,
            standing: self.standing(step, wall),
            seen: self.steps[step.index()].seen,
            behind: open.next(),
        }
    }
}

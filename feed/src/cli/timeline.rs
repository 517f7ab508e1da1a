//! `candor timeline`.

mod draw;

use candor_core::{TradingDate, Venue};
use candor_decoders::Format;
use candor_maps::calendar::timeline::{Done, Plan, STEPS, Standing, State};
use candor_maps::calendar::{Calendar, Step, Wall};
use candor_shm::{Morning, Region, VenueInfo};
use clap::Args;

use super::output::{Answer, Row, Value};
use super::region::{RegionArg, Source, refuse, say_gone};
use super::{Output, OutputArg, print};
use crate::clock;
use crate::config::Config;
use crate::daily::days::Days;
use crate::exit::{Exit, Failure};
use crate::morning;

const VENUES: &[&str] = &["venue", "trading_date", "zone", "at", "watched", "note"];
const MILESTONES: &[&str] = &[
    "venue",
    "milestone",
    "planned",
    "due",
    "actual",
    "slack",
    "state",
    "slack_gone",
    "done",
    "of",
];

/// Shows the morning of each venue: what was to be done by when, what is, and how much slack is left. Exits 0
/// when everything is in time, 1 when half of a slack is gone, or something is late or missed, 3 when the
/// handler is gone. With --config and --date it shows what is planned for that date.
#[derive(Debug, Args)]
pub(super) struct TimelineQuery {
    #[command(flatten)]
    region: RegionArg,
    /// This venue alone.
    #[arg(long, value_name = "VENUE")]
    venue: Option<String>,
    /// What is planned for this trading date, as 2026-11-23; of the one under way also how it goes.
    #[arg(long, value_name = "DATE")]
    date: Option<String>,
    #[command(flatten)]
    output: OutputArg,
}

/// A venue's morning as it is shown.
struct Shown {
    venue: Venue,
    zone: &'static str,
    date: Option<TradingDate>,
    /// As of when; `None` for a plan of another date.
    now: Option<Wall>,
    watched: Option<Wall>,
    /// Why there is no morning, or what is unusual about it.
    note: Option<String>,
    /// Nothing could be read of it.
    unknown: bool,
    milestones: Vec<Line>,
}

/// A milestone as it is shown.
struct Line {
    step: Step,
    planned: Option<Wall>,
    done: Option<Done>,
    standing: Standing,
    /// So many of so many.
    far: (u32, u32),
}

impl TimelineQuery {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let date = self.date.as_deref().map(wanted_date).transpose()?;
        let config = self.region.config()?;
        let path = self.region.path()?;
        let source = match (Region::open(&path), date, &config) {
            (Ok(_), ..) => Some(self.region.open()?),
            // There is a plan without a handler.
            (Err(_), Some(_), Some(_)) => None,
            (Err(error), ..) => return Err(refuse(error)),
        };
        let mut shown = match &source {
            Some(source) => running(source, config.as_ref(), date)?,
            None => Vec::new(),
        };
        if let (Some(date), Some(config)) = (date, &config)
            && shown.is_empty()
        {
            shown = planned(config, date);
        }
        if let Some(wanted) = &self.venue {
            let all: Vec<String> = shown.iter().map(|one| one.venue.to_string()).collect();
            shown.retain(|one| one.venue.as_str() == wanted);
            if shown.is_empty() {
                let text = format!("there is no venue {wanted}: there are {}", all.join(", "));
                return Err(Failure::new(Exit::Unknown, text));
            }
        }
        match self.output.output {
            Output::Json => answer(&shown).print(Output::Json)?,
            Output::Table => print::out(&draw::all(&shown))?,
        };
        // A plan is nobody's state.
        let is_plan = shown.iter().all(|one| one.now.is_none() && !one.unknown && date.is_some());
        let handler = source.filter(|_| !is_plan).and_then(|source| {
            let handler = source.handler();
            say_gone(&source, handler);
            handler
        });
        let late = shown.iter().flat_map(|one| &one.milestones).any(|line| line.is_late());
        Ok(match handler {
            Some(candor_core::Reason::WriterGone) => Exit::Unknown,
            _ if shown.iter().any(|one| one.unknown) => Exit::Unknown,
            _ if late => Exit::Degraded,
            _ => Exit::Ok,
        })
    }
}

impl Line {
    fn is_late(&self) -> bool {
        self.standing.state.is_late()
    }

    /// How much of its slack is gone, in tenths of a per cent; `None` without one.
    fn gone(&self) -> Option<u64> {
        let Standing { from: Some(from), deadline: Some(deadline), slack: Some(slack), .. } =
            self.standing
        else {
            return None;
        };
        let whole = deadline.0.checked_sub(from.0).filter(|whole| *whole > 0)?;
        let left = u64::try_from(slack.0.max(0)).unwrap_or(0).min(whole);
        u64::try_from(u128::from(whole - left) * 1_000 / u128::from(whole)).ok()
    }
}

fn wanted_date(text: &str) -> Result<TradingDate, Failure> {
    let wrong = || Failure::usage(format!("`{text}` is no date like 2026-11-23"));
    let date: jiff::civil::Date = text.parse().map_err(|_| wrong())?;
    let number = i32::from(date.year()) * 10_000 + i32::from(date.month()) * 100;
    u32::try_from(number + i32::from(date.day())).map(TradingDate).map_err(|_| wrong())
}

/// What the handler of a region says; nothing where another date is asked for and a configuration has its plan.
fn running(
    source: &Source,
    config: Option<&Config>,
    date: Option<TradingDate>,
) -> Result<Vec<Shown>, Failure> {
    let venues: Vec<VenueInfo> = source.region.venues().collect();
    let other = |one: &VenueInfo| {
        date.is_some_and(|date| one.morning.is_none_or(|morning| morning.date != date))
    };
    if venues.iter().any(other) {
        if config.is_none() {
            let text =
                "the region knows the date under way alone: name the configuration (--config)";
            return Err(Failure::usage(text));
        }
        return Ok(Vec::new());
    }
    let now = Wall(clock::wall());
    Ok(venues.iter().map(|one| shown_of(source, config, one, now)).collect())
}

/// A venue's time zone: its calendar's, or that of its feed.
fn zone(source: &Source, config: Option<&Config>, venue: Venue) -> &'static str {
    let mapped = config.and_then(|own| own.mapped.iter().find(|one| one.venue == venue));
    if let Some(days) = mapped.and_then(|mapped| Days::of(mapped, None)) {
        return days.zone();
    }
    let feed = || {
        let all = source.partitions();
        let own = all.iter().find(|one| one.spec.venue == venue)?;
        Some(Format::from_name(own.spec.feed.as_str())?.zone())
    };
    let known = Calendar::of(venue.as_str());
    known.map(|calendar| calendar.zone()).or_else(feed).unwrap_or("UTC")
}

fn shown_of(source: &Source, config: Option<&Config>, info: &VenueInfo, now: Wall) -> Shown {
    let venue = info.name;
    let mut shown = Shown {
        venue,
        zone: zone(source, config, venue),
        date: info.morning.map(|morning| morning.date),
        now: Some(now),
        watched: info.morning.filter(|one| one.watched != 0).map(|one| Wall(one.watched)),
        note: None,
        unknown: info.busy,
        milestones: Vec::new(),
    };
    match &info.morning {
        Some(morning) => shown.milestones = lines(morning, now),
        None if info.busy => {
            shown.note = Some("its record can't be read".to_owned());
        }
        None if Calendar::of(venue.as_str()).is_none() => {
            shown.note = Some("no calendar of it is known".to_owned());
        }
        None => shown.note = Some("no trading date is known".to_owned()),
    }
    shown
}

/// The milestones that a region has, judged as of now.
fn lines(morning: &Morning, now: Wall) -> Vec<Line> {
    let own = |step: Step| morning.milestones[step.index()];
    let some = |at: u64| (at != 0).then_some(Wall(at));
    let plan = Plan {
        date: morning.date,
        // What no milestone comes before begins with its watching.
        begins: Wall(morning.watched),
        applies: std::array::from_fn(|at| morning.milestones[at].applies),
        planned: std::array::from_fn(|at| some(morning.milestones[at].planned)),
    };
    let done: [Option<Done>; STEPS] = std::array::from_fn(|at| {
        let found = morning.milestones[at].found;
        some(morning.milestones[at].actual).map(|at| Done { at, found })
    });
    let line = |step: Step| Line {
        step,
        planned: plan.planned[step.index()],
        done: done[step.index()],
        standing: plan.standing(step, &done, now),
        far: (own(step).done, own(step).of),
    };
    Step::ALL.map(line).into()
}

/// What is planned for a date, by the configuration alone.
fn planned(config: &Config, date: TradingDate) -> Vec<Shown> {
    let overlay = morning::overlay(config);
    let all = morning::days(config, overlay.as_ref());
    let of = |(venue, days): (Venue, Option<Days>)| {
        let plan = days.as_ref().and_then(|days| days.plan(date));
        let note = match &days {
            None => Some("no calendar of it is known".to_owned()),
            Some(days) => days.note(date),
        };
        Shown {
            venue,
            zone: days.as_ref().map_or("UTC", Days::zone),
            date: Some(date),
            now: None,
            watched: None,
            note,
            unknown: false,
            milestones: plan.as_ref().map_or_else(Vec::new, plan_lines),
        }
    };
    all.into_iter().map(of).collect()
}

fn plan_lines(plan: &Plan) -> Vec<Line> {
    let none = [None; STEPS];
    let line = |step: Step| {
        // All of the slack is left before it begins.
        let at = plan.standing(step, &none, Wall(0));
        let whole =
            at.from.zip(at.deadline).map(|(from, _)| plan.standing(step, &none, from).slack);
        Line {
            step,
            planned: plan.planned[step.index()],
            done: None,
            standing: Standing { slack: whole.flatten(), ..at },
            far: (0, 0),
        }
    };
    Step::ALL.map(line).into()
}

/// The venues, each with what is said of it as a whole.
fn venues(shown: &[Shown]) -> Vec<Row> {
    let row = |one: &Shown| {
        let time = |at: Option<Wall>| Value::Time(at.map(|at| at.0), one.zone);
        Row::new()
            .with("venue", Value::text(one.venue))
            .with("trading_date", one.date.map_or(Value::Absent, Value::text))
            .with("zone", Value::text(one.zone))
            .with("at", time(one.now))
            .with("watched", time(one.watched))
            .with("note", one.note.as_ref().map_or(Value::Absent, Value::text))
    };
    shown.iter().map(row).collect()
}

/// As a program reads it.
fn answer(shown: &[Shown]) -> Answer {
    let milestone = |one: &Shown, line: &Line| {
        let time = |at: Option<Wall>| Value::Time(at.map(|at| at.0), one.zone);
        let Standing { deadline, slack, .. } = line.standing;
        let count = |number: u32| match one.now {
            Some(_) => Value::Number(u64::from(number)),
            None => Value::Absent,
        };
        Row::new()
            .with("venue", Value::text(one.venue))
            .with("milestone", Value::text(line.step.name()))
            .with("planned", time(line.planned))
            .with("due", time(deadline))
            .with("actual", time(line.done.map(|done| done.at)))
            .with("slack", Value::Slack(slack))
            .with("state", Value::text(state(one, line)))
            .with("slack_gone", Value::Share(line.gone().filter(|_| one.now.is_some())))
            .with("done", count(line.far.0))
            .with("of", count(line.far.1))
    };
    let rows =
        shown.iter().flat_map(|one| one.milestones.iter().map(move |line| milestone(one, line)));
    let rows = rows.collect();
    Answer::new().many("venues", VENUES, venues(shown)).many("milestones", MILESTONES, rows)
}

/// A milestone's state in words; of a plan that it is one.
fn state(one: &Shown, line: &Line) -> &'static str {
    match (one.now, line.standing.state) {
        (None, State::Waiting) => "planned",
        (_, state) => state.name(),
    }
}

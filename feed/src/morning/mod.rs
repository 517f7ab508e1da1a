//! The mornings of the handler's venues: which milestone is done, when, and what is to be said of it. On the
//! handler's own thread, twice a second; nothing is asked of lanes that they don't publish anyway.
//!
//! | milestone | done when |
//! | --- | --- |
//! | map | the map of the date is in force; where the configuration lists the partitions, from the start |
//! | joins | every line of every subscribed partition of the venue is joined |
//! | heartbeats | every one of these lines has brought a packet that was understood since the date began, and its partition follows a session of the date |
//! | directory | the venue has named the map's symbols on each partition, all of them or the share configured; where a partition lists none, any |
//! | crossover | no partition of the venue has another date's map |
//! | preopen | the last verdict of preopen is go, and about this date |
//! | open | the calendar's open has come |
//! | prints | each subscribed partition with symbols has counted a trade, executions and crosses included, since the open; where the handler started behind it, since its statistics begin |
//!
//! `see.rs` looks, `ask.rs` asks for preopen, `tell.rs` says; when what is late is `candor_maps::calendar::timeline`'s to decide, which
//! reads no clock.

mod ask;
#[cfg(test)]
mod clean;
#[cfg(test)]
mod gate;
mod see;
mod tell;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod week;

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use candor_core::alert::Code;
use candor_core::{Mono, Venue};
use candor_maps::calendar::timeline::{News, Timeline};
use candor_maps::calendar::{Overlay, STEP_MAX, Step, Wall};
use candor_shm::{HandlerWriter, MILESTONES_MAX, Milestone, Morning, Region};

use crate::alert::About;
use crate::config::{Config, overlay_from};
use crate::daily::{days::Days, ending};
use crate::join::Joins;
use crate::journal::Journal;
use ask::{Ask, Asker};
use see::Sight;
use tell::{Open, Whose};

/// What there is to look at.
pub(crate) struct Scene<'a> {
    pub(crate) config: &'a Arc<Config>,
    pub(crate) region: &'a Region,
    pub(crate) joins: &'a Joins,
}

/// One venue's.
struct Of {
    venue: Venue,
    days: Days,
    line: Option<Timeline>,
    sight: Sight,
    /// For how many days more the calendar is known, where that was said.
    ending: Option<i32>,
}

/// Every venue's.
pub(crate) struct Mornings {
    venues: Vec<Of>,
    asker: Asker,
    /// What is alerted of, by venue.
    open: Vec<Open>,
    overlays: Receiver<Overlay>,
}

/// The days of each venue of a configuration; `None` for one whose calendar isn't known.
pub(crate) fn days(config: &Config, overlay: Option<&Overlay>) -> Vec<(Venue, Option<Days>)> {
    let of = |venue: &Venue| {
        let mapped = config.mapped.iter().find(|mapped| mapped.venue == *venue);
        let days = match mapped {
            Some(mapped) => Days::of(mapped, overlay),
            None => Days::of_venue(*venue, overlay),
        };
        (*venue, days)
    };
    config.venues.iter().map(of).collect()
}

/// The overlay of a configuration's calendars, where one can be read.
pub(crate) fn overlay(config: &Config) -> Option<Overlay> {
    let path = config.maps.as_ref()?.overlay.as_deref()?;
    overlay_from(path).ok()
}

impl Mornings {
    /// Nothing has been looked at. Overlays of the calendars that change come by the channel.
    pub(crate) fn new(config: &Config, overlays: Receiver<Overlay>) -> Mornings {
        Mornings::asking(config, overlays, Box::new(ask::on_a_thread))
    }

    /// As `new`, and preopen is asked this way.
    fn asking(config: &Config, overlays: Receiver<Overlay>, ask: Ask) -> Mornings {
        let mut venues = Vec::new();
        for (venue, days) in days(config, overlay(config).as_ref()) {
            let Some(days) = days else {
                tracing::info!(%venue, "no timeline of the morning: no calendar of the venue is known");
                continue;
            };
            let mapped = config.mapped.iter().find(|mapped| mapped.venue == venue);
            let ppm = mapped.map_or(1_000_000, |mapped| mapped.directory_ppm);
            let sight = Sight::new(venue, ppm);
            venues.push(Of { venue, days, line: None, sight, ending: None });
        }
        let asker = Asker::new(venues.iter().map(|of: &Of| of.venue), ask);
        let open = venues.iter().map(|_| Open::default()).collect();
        Mornings { venues, asker, open, overlays }
    }

    /// Looks at every venue, publishes what is seen, and says what is to be said.
    pub(crate) fn look(
        &mut self,
        scene: &Scene<'_>,
        handler: &mut HandlerWriter,
        journal: &Journal,
        (wall, now): (Wall, Mono),
    ) {
        let revised = self.overlays.try_iter().last();
        self.asker.take(handler, journal, now);
        for (of, open) in self.venues.iter_mut().zip(&mut self.open) {
            let venue = of.venue;
            let zone = of.days.zone();
            let mut say = |line: &Timeline, news: News| {
                tell::tell(journal, Whose { venue, date: line.plan().date, zone }, open, &news);
            };
            if let Some(overlay) = &revised {
                of.revise(scene.config, overlay, wall, &mut say);
            }
            of.turn(wall, &mut say);
            of.tell_ending(journal, wall);
            let Some(line) = &mut of.line else {
                handler.set_morning(&venue, None);
                continue;
            };
            let seen = of.sight.look(scene, line, (wall, now));
            let mut news = Vec::new();
            line.look(wall, now, &seen, |one| news.push(one));
            news.into_iter().for_each(|one| say(line, one));
            self.asker.ask((scene.config, scene.region), line, (wall, now), (venue, journal));
            handler.set_morning(&venue, Some(&published(line)));
        }
    }
}

impl Of {
    /// Takes another overlay of the calendar.
    fn revise(
        &mut self,
        config: &Config,
        overlay: &Overlay,
        wall: Wall,
        say: &mut impl FnMut(&Timeline, News),
    ) {
        let all = days(config, Some(overlay));
        let Some(days) = all.into_iter().find(|(venue, _)| *venue == self.venue) else { return };
        let Some(days) = days.1 else { return };
        self.days = days;
        let Some(line) = &mut self.line else { return };
        match self.days.plan(line.plan().date) {
            Some(plan) => line.revise(plan),
            None => self.end(wall, say),
        }
    }

    /// Turns to the date under way; between two, the one that is over stays, and at a start the next is shown.
    fn turn(&mut self, wall: Wall, say: &mut impl FnMut(&Timeline, News)) {
        let today = self.days.today(wall).map(|today| today.date);
        let date = match &self.line {
            None => today.or_else(|| self.days.latest(wall)),
            Some(_) => today,
        };
        let Some(date) = date else { return };
        if let Some(line) = &self.line {
            let plan = line.plan();
            // Set back a little, over the beginning of the date: its map stays as well.
            let a_little = wall.0.saturating_add(STEP_MAX.0) >= plan.begins.0;
            if plan.date == date || (date < plan.date && a_little) {
                return;
            }
        }
        self.end(wall, say);
        self.line = self.days.plan(date).map(Timeline::new);
        self.sight.turn();
    }

    /// Says once a day that the calendar ends.
    fn tell_ending(&mut self, journal: &Journal, wall: Wall) {
        let ending = self.days.ending(wall);
        let left = ending.map(|(_, left)| left);
        if self.ending == left {
            return;
        }
        self.ending = left;
        let venue = self.venue;
        match ending {
            None => journal.alerts().end(Code::CalendarEnds, About::Venue(venue)),
            Some((last, left)) => {
                let text = format!("{venue}: {}", ending::words(last, left));
                journal.alerts().raise(Code::CalendarEnds, About::Venue(venue), text);
            }
        }
    }

    fn end(&mut self, wall: Wall, say: &mut impl FnMut(&Timeline, News)) {
        let Some(mut line) = self.line.take() else { return };
        let mut news = Vec::new();
        line.end(wall, |one| news.push(one));
        news.into_iter().for_each(|one| say(&line, one));
    }
}

/// What readers are told of a morning.
fn published(line: &Timeline) -> Morning {
    let (plan, done) = (line.plan(), line.done());
    let mut milestones = [Milestone::default(); MILESTONES_MAX];
    for (step, milestone) in Step::ALL.into_iter().zip(&mut milestones) {
        let (at, seen) = (step.index(), line.seen(step));
        *milestone = Milestone {
            applies: plan.applies[at],
            planned: plan.planned[at].map_or(0, |at| at.0),
            actual: done[at].map_or(0, |done| done.at.0),
            found: done[at].is_some_and(|done| done.found),
            done: seen.done,
            of: seen.of,
        };
    }
    let watched = line.watched().map_or(0, |at| at.0);
    Morning { date: plan.date, watched, milestones }
}

const _: () = assert!(Step::ALL.len() <= MILESTONES_MAX);

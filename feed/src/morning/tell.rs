//! What is said of milestones: alerts, and records of what is done.

use candor_core::alert::Code;
use candor_core::{TradingDate, Venue};
use candor_journal::Fields;
use candor_maps::calendar::Wall;
use candor_maps::calendar::timeline::{News, STEPS, State, What};
use candor_preopen::Report;

use crate::alert::About;
use crate::clock;
use crate::journal::Journal;

/// Checks that a line of the log names at most; the journal has them all.
const NAMED: usize = 4;

/// Preopen is go after all, or its date is over.
pub(super) fn preopen_is_over(journal: &Journal, venue: Venue) {
    journal.alerts().end(Code::PreopenNoGo, About::Venue(venue));
}

/// Says what preopen has answered of a venue's date.
pub(super) fn preopen(journal: &Journal, (venue, date): (Venue, TradingDate), report: &Report) {
    let outcome = report.outcome();
    let wrong: Vec<String> = report
        .wrong()
        .map(|check| {
            let about = if check.about.is_empty() { "" } else { " " };
            format!("{}{about}{}: {}", check.name, check.about, check.evidence)
        })
        .collect();
    let fields = Fields::new()
        .text("venue", venue)
        .text("date", date)
        .text("outcome", outcome.name())
        .text("wrong", wrong.join("; "));
    journal.record("preopen", fields);
    if outcome.is_go() {
        tracing::info!(%venue, %date, "preopen is {}", outcome.name());
        return;
    }
    let more = wrong.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    let named = wrong.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
    let text = format!("preopen of {date} is {}: {named}{more}", outcome.name());
    // An alert that runs has the text it began with.
    tracing::error!(%venue, "{text}");
    journal.alerts().raise(Code::PreopenNoGo, About::Venue(venue), text);
}

/// The milestones of a venue that alerts are about: half of their slack gone, missed.
#[derive(Default)]
pub(super) struct Open {
    late: [bool; STEPS],
    missed: [bool; STEPS],
}

/// Whose morning it is.
#[derive(Clone, Copy)]
pub(super) struct Whose<'a> {
    pub(super) venue: Venue,
    pub(super) date: TradingDate,
    pub(super) zone: &'a str,
}

/// Says one thing of a venue's date.
pub(super) fn tell(journal: &Journal, of: Whose<'_>, open: &mut Open, news: &News) {
    let text = words(of.zone, news);
    let at = news.step.index();
    let raise = |code| journal.alerts().raise(code, About::Venue(of.venue), text.clone());
    match news.what {
        What::Half => {
            open.late[at] = true;
            raise(Code::MilestoneLate);
        }
        What::Missed => {
            open.missed[at] = true;
            raise(Code::MilestoneMissed);
        }
        What::Done { .. } => {
            done(journal, of, news, &text);
            open.end(journal, of.venue, at);
        }
        What::Over { .. } => open.end(journal, of.venue, at),
    }
}

impl Open {
    /// One alert is about all of a venue's: it is over when none is left.
    fn end(&mut self, journal: &Journal, venue: Venue, at: usize) {
        let sets =
            [(&mut self.late, Code::MilestoneLate), (&mut self.missed, Code::MilestoneMissed)];
        for (set, code) in sets {
            if std::mem::replace(&mut set[at], false) && !set.contains(&true) {
                journal.alerts().end(code, About::Venue(venue));
            }
        }
    }
}

/// Records that a milestone is done.
fn done(journal: &Journal, of: Whose<'_>, news: &News, text: &str) {
    let Whose { venue, date, .. } = of;
    let milestone = news.step.name();
    let state = news.standing.state.name();
    let mut fields = Fields::new()
        .text("venue", venue)
        .text("date", date)
        .text("milestone", milestone)
        .text("state", state)
        .text("text", text)
        .number("done", u64::from(news.seen.done))
        .number("of", u64::from(news.seen.of));
    if let Some(Wall(deadline)) = news.standing.deadline {
        fields = fields.number("deadline", deadline);
    }
    journal.record("milestone", fields);
    tracing::info!(%venue, %date, milestone, state, "{text}");
}

/// As operators read it.
fn words(zone: &str, news: &News) -> String {
    let News { step, what, standing, seen, behind } = news;
    let name = step.name();
    let time = |at: Option<Wall>| at.map_or("no time".to_owned(), |at| clock::time(at.0, zone));
    let deadline = time(standing.deadline);
    let slack = standing.slack.map_or(String::new(), |slack| format!(", {slack} left"));
    let far = if seen.of > 1 { format!(", {} of {}", seen.done, seen.of) } else { String::new() };
    let behind = behind.map_or(String::new(), |one| format!("; so is {} before it", one.name()));
    match what {
        What::Half => format!(
            "{name} is not done and half of its slack is gone: due by {deadline}{slack}{far}{behind}"
        ),
        What::Missed => format!("{name} is not done, and was due by {deadline}{far}{behind}"),
        What::Done { .. } => match standing.state {
            State::Found => {
                format!("{name} was found done by this start; it was due by {deadline}")
            }
            State::Late => format!("{name} is done after all; it was due by {deadline}{far}"),
            _ if standing.deadline.is_none() => format!("{name} is done{far}"),
            _ => format!("{name} is done; it is due by {deadline}{slack}{far}"),
        },
        What::Over { .. } => {
            format!("{name} was not done by {deadline}{far}, and its date is over")
        }
    }
}

//! `candor map fetch`.

use std::path::PathBuf;

use candor_core::{TradingDate, Venue};
use candor_maps::calendar::Wall;
use clap::Args;

use super::super::OutputArg;
use super::super::output::{Answer, Row, Value};
use super::stored::{configured, date, today, venue};
use crate::config::{MapVenue, Maps};
use crate::exit::{Exit, Failure};
use crate::halt::users;
use crate::store::{Fetched, Outcome, fetch_configured};
use crate::{clock, interface};

/// Fetches the maps of venues from where the configuration says, and puts in force what may be.
#[derive(Debug, Args)]
pub(in crate::cli) struct FetchCommand {
    /// The configuration.
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// This venue alone.
    #[arg(long, value_parser = venue)]
    venue: Option<Venue>,
    /// The trading date: today's at each venue unless given.
    #[arg(long, value_parser = date)]
    date: Option<TradingDate>,
    #[command(flatten)]
    output: OutputArg,
}

const COLUMNS: &[&str] = &["venue", "date", "outcome", "number", "digest"];

impl FetchCommand {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let maps = configured(&self.config)?;
        let wanted = |one: &&MapVenue| match self.venue {
            Some(venue) => one.venue == venue,
            None => one.fetch.is_some(),
        };
        let venues: Vec<&MapVenue> = maps.venues.iter().filter(wanted).collect();
        if venues.is_empty() {
            let of = self.venue.map_or("any venue".to_owned(), |venue| venue.to_string());
            return Err(Failure::config(format!(
                "{}: nothing says where the maps of {of} are fetched from; add a [[maps.venue]] with `fetch`",
                self.config.display()
            )));
        }
        let (mut rows, mut lines, mut exit) = (Vec::new(), Vec::new(), Exit::Ok);
        let mut undated = None;
        for one in venues {
            // One venue without a date holds up no other.
            let (row, words, end) = match self.date.map_or_else(|| today(one.venue), Ok) {
                Ok(date) => fetched(&maps, one, date),
                Err(failure) => {
                    undated = Some(failure.message.clone());
                    (short(one, None, "failed"), failure.message, failure.exit)
                }
            };
            rows.push(row);
            let venue = || Row::new().with("venue", Value::text(one.venue));
            lines.extend(words.lines().map(|line| venue().with("words", Value::text(line))));
            exit = worse(exit, end);
        }
        Answer::new()
            .many("fetched", COLUMNS, rows)
            .many("details", &["venue", "words"], lines)
            .print(self.output.output)?;
        undated.map_or(Ok(exit), |message| Err(Failure::new(exit, message)))
    }
}

/// Fetches one, and says what became of it: a row, words, and what to exit with.
fn fetched(maps: &Maps, one: &MapVenue, date: TradingDate) -> (Row, String, Exit) {
    let now = Wall(clock::wall());
    let by = users::runs().name;
    let (outcome, notes) =
        match fetch_configured(maps, one, date, Some(&interface::list()), (&by, true), now) {
            Ok(Fetched { outcome, notes }) => (Ok(outcome), notes),
            Err(error) => (Err(error), Vec::new()),
        };
    let without = |word| short(one, Some(date), word);
    let (row, words, exit) = match outcome {
        Ok(Outcome::Loaded(loaded)) => {
            let word = if loaded.new { "loaded" } else { "unchanged" };
            let row = head(one, Some(date), word)
                .with("number", Value::Number(loaded.pointer.number.into()))
                .with("digest", Value::text(&loaded.pointer.digest));
            let mut words = loaded.differs;
            words.extend(loaded.warnings.iter().map(|warning| format!("warning: {}", warning.0)));
            (row, words.join("\n"), Exit::Ok)
        }
        Ok(Outcome::Refused(why)) => (without("refused"), why.to_string(), why.exit()),
        Ok(Outcome::Kept(pointer)) => {
            let row = head(one, Some(date), "kept")
                .with("number", Value::Number(pointer.number.into()))
                .with("digest", Value::text(&pointer.digest));
            (row, format!("put in force by {}", pointer.by), Exit::Ok)
        }
        Ok(Outcome::Missing(why)) => (without("missing"), why, Exit::NoGo),
        Err(error) => {
            let failure = Failure::from(error);
            (without("failed"), failure.message, failure.exit)
        }
    };
    let notes = notes.iter().map(|note| format!("note: {note}"));
    let words: Vec<String> = notes.chain((!words.is_empty()).then_some(words)).collect();
    (row, words.join("\n"), exit)
}

fn head(one: &MapVenue, date: Option<TradingDate>, outcome: &str) -> Row {
    Row::new()
        .with("venue", Value::text(one.venue))
        .with("date", date.map_or(Value::Absent, Value::text))
        .with("outcome", Value::text(outcome))
}

/// Of one of which no map is in force by this.
fn short(one: &MapVenue, date: Option<TradingDate>, outcome: &str) -> Row {
    head(one, date, outcome).with("number", Value::Absent).with("digest", Value::Absent)
}

/// The one to exit with of two: that of the host or a refused file is worse than a no-go.
fn worse(one: Exit, other: Exit) -> Exit {
    if (other as u8) > (one as u8) { other } else { one }
}

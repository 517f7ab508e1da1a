//! `candor map diff`.

use std::path::PathBuf;

use candor_core::Symbol;
use candor_maps::check::Wanted;
use candor_maps::diff::{self, BOUND_PPM, Difference};
use clap::Args;

use super::super::output::{Answer, Row, Value};
use super::super::{Output, OutputArg, print};
use super::outcome::yes;
use super::stored::{Place, Reference, StoreArg};
use crate::config::symbols_from;
use crate::exit::{Exit, Failure};

/// Says what differs between two maps of a venue.
#[derive(Debug, Args)]
pub(in crate::cli) struct Diff {
    /// The old map: a file, a digest or VENUE@DATE.
    #[arg(value_name = "OLD")]
    old: Reference,
    /// The new map, likewise.
    #[arg(value_name = "NEW")]
    new: Reference,
    /// Symbols to look for in both, one a line: where ranges say what partitions carry, only these tell
    /// which symbols move. The configured ones unless given.
    #[arg(long, value_name = "FILE")]
    symbols: Option<PathBuf>,
    /// The share of symbols that may move or go, in parts per million: the configured one, or 10000, unless
    /// given.
    #[arg(long, value_name = "PPM", value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    bound_ppm: Option<u32>,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    output: OutputArg,
}

impl Diff {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let place = self.store.find()?;
        let old = self.old.load(place.as_ref(), &Wanted::default())?.map;
        let new = self.new.load(place.as_ref(), &Wanted::default())?.map;
        // What `load` would say with the same configuration.
        let symbols = match (&place, self.symbols.as_deref()) {
            (Some(place), given) => place.symbols(given, new.venue)?,
            (None, given) => given.map_or(Ok(Vec::new()), symbols_from)?,
        };
        let configured = |place: &Place| place.bound_ppm(new.venue);
        let bound_ppm =
            self.bound_ppm.unwrap_or_else(|| place.as_ref().map_or(BOUND_PPM, configured));
        let difference = Difference::between(&old, &new, &symbols)
            .map_err(|error| Failure::usage(error.to_string()))?;
        let beyond = difference.exceeds(bound_ppm);
        match self.output.output {
            Output::Table => {
                let bound = f64::from(bound_ppm) / 10_000.0;
                let word = match (beyond, difference.grave.is_empty()) {
                    (true, false) => "not to be loaded without a name, whatever",
                    (true, true) => "beyond",
                    (false, _) => "within",
                };
                print::out(&format!("{difference}\n{word} the bound of {bound} %\n"))?
            }
            Output::Json => print::json(&answer(&difference, bound_ppm).json())?,
        };
        Ok(if beyond { Exit::Degraded } else { Exit::Ok })
    }
}

const COLUMNS: &[&str] = &["kind", "partition", "what", "from", "to", "symbols", "examples"];

/// The words' content for a program.
fn answer(difference: &Difference, bound_ppm: u32) -> Answer {
    let number = |count: usize| Value::Number(count as u64);
    let share = difference.moved_share().map_or(Value::Absent, |ppm| Value::Number(ppm.into()));
    let summary = Row::new()
        .with("venue", Value::text(difference.venue))
        .with("from", Value::text(difference.dates.from))
        .with("to", Value::text(difference.dates.to))
        .with("symbols_before", number(difference.placed.from))
        .with("symbols_after", number(difference.placed.to))
        .with("moved", number(difference.moved_count()))
        .with("dropped", number(difference.dropped_count()))
        .with("moved_ppm", share)
        .with("bound_ppm", Value::Number(bound_ppm.into()))
        .with("known", yes(difference.known))
        .with("beyond_the_bound", yes(difference.exceeds(bound_ppm)));
    let rows = difference.rows().into_iter().map(row).collect();
    Answer::new().one("difference", summary).many("changes", COLUMNS, rows)
}

fn row(row: diff::Row) -> Row {
    let text = |text: Option<String>| text.map_or(Value::Absent, Value::Text);
    let examples: Vec<&str> = row.examples.iter().map(Symbol::as_str).collect();
    let examples = if examples.is_empty() { None } else { Some(examples.join(" ")) };
    Row::new()
        .with("kind", Value::text(row.kind))
        .with("partition", text(row.partition))
        .with("what", text(row.what))
        .with("from", text(row.from))
        .with("to", text(row.to))
        .with("symbols", row.symbols.map_or(Value::Absent, |count| Value::Number(count as u64)))
        .with("examples", text(examples))
}

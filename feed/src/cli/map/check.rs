//! `candor map check`.

use candor_core::{TradingDate, Venue};
use candor_maps::check::Wanted;
use clap::Args;

use super::super::OutputArg;
use super::super::output::{Answer, Row, Value};
use super::outcome::{WARNINGS, rows};
use super::stored::{Reference, StoreArg, date, venue};
use crate::exit::{Exit, Failure};
use crate::interface;
use crate::store::missing;

/// Checks a map: refused whole with every problem, or accepted with what looks wrong.
#[derive(Debug, Args)]
pub(in crate::cli) struct Check {
    /// The map: a file, a digest or VENUE@DATE.
    #[arg(value_name = "MAP")]
    map: Reference,
    /// The venue that it must be of.
    #[arg(long, value_parser = venue)]
    venue: Option<Venue>,
    /// The trading date that it must be for: 2026-11-23.
    #[arg(long, value_parser = date)]
    date: Option<TradingDate>,
    /// Warn of interfaces that this host doesn't have: where they are named, the map can't be loaded here.
    #[arg(long)]
    host: bool,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    output: OutputArg,
}

impl Check {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let wanted = Wanted { venue: self.venue, date: self.date };
        let loaded = self.map.load(self.store.find()?.as_ref(), &wanted)?;
        let mut warnings = rows(&loaded.warnings);
        if self.host {
            for (name, lines) in missing(&loaded.map, &interface::list()) {
                let words = format!("there is no interface {name} on this host, which {lines} has");
                warnings.push(
                    Row::new()
                        .with("file", Value::text(self.map.origin()))
                        .with("line", Value::Number(0))
                        .with("warning", Value::text(words)),
                );
            }
        }
        let exit = if warnings.is_empty() { Exit::Ok } else { Exit::Degraded };
        Answer::new()
            .one("map", super::summary(&loaded.map))
            .many("warnings", WARNINGS, warnings)
            .print(self.output.output)?;
        Ok(exit)
    }
}

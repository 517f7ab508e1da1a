//! `candor map check`.

use std::path::PathBuf;

use candor_core::{TradingDate, Venue};
use candor_maps::check::Wanted;
use clap::Args;

use super::super::OutputArg;
use super::super::output::{Answer, Row, Value};
use super::super::region::Source;
use super::outcome::{WARNINGS, rows};
use super::stored::{Reference, StoreArg, date, venue};
use super::wire::Found;
use crate::config;
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
    /// Compare it with the symbols that the partitions of the running handler have named on the wire in the session
    /// they follow. Exits 0 when all agree, 1 when some were not named yet, 2 when the wire says otherwise than the
    /// map, 3 when the handler is gone.
    #[arg(long)]
    wire: bool,
    /// The region's file, for --wire; the configuration names it otherwise.
    #[arg(short, long, value_name = "PATH", requires = "wire")]
    region: Option<PathBuf>,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    output: OutputArg,
}

impl Check {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let wanted = Wanted { venue: self.venue, date: self.date };
        // A configuration that names the region alone need have no store.
        let place = if self.wire && self.map.is_file() { None } else { self.store.find()? };
        let loaded = self.map.load(place.as_ref(), &wanted)?;
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
        let answer = Answer::new()
            .one("map", super::summary(&loaded.map))
            .many("warnings", WARNINGS, warnings);
        if !self.wire {
            answer.print(self.output.output)?;
            return Ok(exit);
        }
        let found = Found::of(&mut self.source()?, &loaded.map)?;
        let wire = found.exit;
        found.add(answer).print(self.output.output)?;
        Ok(if wire == Exit::Ok { exit } else { wire })
    }

    /// The region whose handler hears the wire.
    fn source(&self) -> Result<Source, Failure> {
        let path = match (&self.region, self.store.config()) {
            (Some(path), _) => path.clone(),
            (None, Some(file)) => config::load(file)?.handler.region,
            (None, None) => return Err(Failure::usage("name a region: --region or --config")),
        };
        Source::open(&path)
    }
}

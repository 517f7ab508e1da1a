//! `candor map check`.

use std::path::PathBuf;

use candor_core::{TradingDate, Venue};
use candor_maps::check::Wanted;
use candor_maps::file;
use clap::Args;

use super::super::OutputArg;
use super::super::output::{Answer, Row, Value};
use crate::exit::{Exit, Failure};

/// Checks a map: refused whole with every problem, or accepted with what looks wrong.
#[derive(Debug, Args)]
pub(in crate::cli) struct Check {
    /// The map's file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The venue that it must be of.
    #[arg(long, value_parser = venue)]
    venue: Option<Venue>,
    /// The trading date that it must be for: 2026-11-23.
    #[arg(long, value_parser = date)]
    date: Option<TradingDate>,
    #[command(flatten)]
    output: OutputArg,
}

fn venue(text: &str) -> Result<Venue, String> {
    Venue::from_wire(text.as_bytes()).ok_or_else(|| "a venue has 1 to 8 characters".to_owned())
}

fn date(text: &str) -> Result<TradingDate, String> {
    file::parse_date(text).ok_or_else(|| "a date is written 2026-11-23".to_owned())
}

impl Check {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let wanted = Wanted { venue: self.venue, date: self.date };
        let loaded = super::load(&self.file, &wanted)?;
        let warnings = loaded.warnings.iter().map(|warning| {
            Row::new()
                .with("file", Value::text(warning.0.file.display()))
                .with("line", Value::Number(warning.0.line as u64))
                .with("warning", Value::text(&warning.0.message))
        });
        let exit = if loaded.warnings.is_empty() { Exit::Ok } else { Exit::Degraded };
        Answer::new()
            .one("map", super::summary(&loaded.map))
            .many("warnings", &["file", "line", "warning"], warnings.collect())
            .print(self.output.output)?;
        Ok(exit)
    }
}

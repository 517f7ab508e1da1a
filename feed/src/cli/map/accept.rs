//! `candor map accept`.

use std::path::PathBuf;

use candor_core::TradingDate;
use candor_maps::calendar::Wall;
use clap::Args;

use super::super::OutputArg;
use super::super::output::{Answer, Value};
use super::stored::{Reference, StoreArg, date};
use crate::clock;
use crate::exit::{Exit, Failure};
use crate::halt::users;
use crate::store::{Accept, accept};

/// Characters of a name and of a reason at most.
const LONGEST: (usize, usize) = (64, 400);

/// Answers by name for what a map of the store differs by from the one before it, so that it can be loaded.
#[derive(Debug, Args)]
pub(in crate::cli) struct AcceptCommand {
    /// The map: a digest or VENUE@DATE.
    #[arg(value_name = "MAP")]
    map: Reference,
    /// Who answers for it.
    #[arg(long, value_parser = name)]
    name: String,
    /// Why.
    #[arg(long, value_name = "TEXT", value_parser = because)]
    because: String,
    /// The trading date it is to be used for: its own unless given. With another one its content is taken
    /// for that date: yesterday's map for today, say.
    #[arg(long, value_parser = date)]
    date: Option<TradingDate>,
    /// Symbols to look for, one a line: where ranges say what partitions carry, only these tell which
    /// symbols move. The configured ones unless given.
    #[arg(long, value_name = "FILE")]
    symbols: Option<PathBuf>,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    output: OutputArg,
}

fn name(text: &str) -> Result<String, String> {
    said(text, LONGEST.0)
}

fn because(text: &str) -> Result<String, String> {
    said(text, LONGEST.1)
}

fn said(text: &str, most: usize) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > most || text.chars().any(char::is_control) {
        return Err(format!("it has 1 to {most} characters, on one line"));
    }
    Ok(text.to_owned())
}

impl AcceptCommand {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let place = self.store.open()?;
        let digest = self.map.digest(&place.store)?;
        let map = place.store.read(&digest)?.map;
        let symbols = place.symbols(self.symbols.as_deref(), map.venue)?;
        let accepted = accept(
            &place.store,
            &digest,
            &Accept {
                date: self.date.unwrap_or(map.date),
                bound_ppm: place.bound_ppm(map.venue),
                symbols: &symbols,
                name: &self.name,
                because: &self.because,
                by: &users::runs().name,
                now: Wall(clock::wall()),
            },
        )?;
        let summary = super::summary(&accepted.map)
            .with("name", Value::text(&self.name))
            .with("because", Value::text(&self.because))
            .with("written_against", Value::text(accepted.written.join(" ")));
        Answer::new()
            .one("accepted", summary)
            .judged(&accepted.judged)
            .print(self.output.output)?;
        Ok(Exit::Ok)
    }
}

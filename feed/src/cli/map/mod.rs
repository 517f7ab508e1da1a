//! `candor map`: what partition maps say, and which are in force.

mod accept;
mod check;
mod diff;
mod fetch;
mod history;
mod import;
mod load;
mod outcome;
mod show;
mod stored;
mod wire;

use std::path::Path;

use candor_maps::check::Wanted;
use candor_maps::file::{self, Loaded};
use candor_maps::{Map, Symbols};
use candor_settings::{Problem, Problems, read_text};
use clap::Subcommand;

use super::output::{Row, Value};
use crate::exit::{Exit, Failure};

/// Check, compare, show, take, load and list partition maps.
#[derive(Debug, Subcommand)]
pub(super) enum MapCommand {
    /// Check a map: refused with file and line (exit 78), or accepted, with what looks wrong (exit 1); with --wire
    /// against what a running handler hears (exit 2 where that says otherwise).
    Check(check::Check),
    /// Say what differs between two maps of a venue; exit 1 where more symbols move or go than the bound.
    Diff(diff::Diff),
    /// Show a map, or where it puts a symbol.
    Show(show::Show),
    /// Make a map of a venue's own files and put it into the store, not in force.
    Import(import::Import),
    /// Put a map in force for its date; exit 2 where it differs by more than the bound.
    Load(load::Load),
    /// Answer by name for what a map differs by, so that it can be loaded.
    Accept(accept::AcceptCommand),
    /// List every map that ever came in force.
    History(history::History),
    /// Fetch maps from where the configuration says, and put in force what may be.
    Fetch(fetch::FetchCommand),
}

impl MapCommand {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self {
            MapCommand::Check(command) => command.run(),
            MapCommand::Diff(command) => command.run(),
            MapCommand::Show(command) => command.run(),
            MapCommand::Import(command) => command.run(),
            MapCommand::Load(command) => command.run(),
            MapCommand::Accept(command) => command.run(),
            MapCommand::History(command) => command.run(),
            MapCommand::Fetch(command) => command.run(),
        }
    }
}

/// Reads and checks the map at `path`, with the files it names.
fn load(path: &Path, wanted: &Wanted) -> Result<Loaded, Failure> {
    let text = read_text(path)
        .map_err(|message| Problems::new("map", path, vec![Problem::of_file(path, message)]))?;
    Ok(file::load(path, &text, wanted, &mut |path| read_text(path))?)
}

/// A map in short.
fn summary(map: &Map) -> Row {
    let listed = map.partitions.iter().map(|partition| match &partition.symbols {
        Symbols::List(list) => list.len() as u64,
        Symbols::Ranges(_) | Symbols::Products(_) | Symbols::InBand => 0,
    });
    Row::new()
        .with("venue", Value::text(map.venue))
        .with("date", Value::text(map.date))
        .with("protocol", Value::text(map.protocol))
        .with("partitions", Value::Number(map.partitions.len() as u64))
        .with("symbols_listed", Value::Number(listed.sum()))
        .with("digest", Value::text(file::digest_text(map)))
}

//! `candor map import`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use candor_core::symbol::Text;
use candor_core::{TradingDate, Venue};
use candor_maps::import::cme::Snapshots;
use clap::{Args, ValueEnum};

use super::super::OutputArg;
use super::super::output::{Answer, Value};
use super::outcome::{WARNINGS, rows, words, yes};
use super::stored::{StoreArg, date, today, venue};
use crate::config;
use crate::exit::{Exit, Failure};
use crate::store::{Format, Recipe, given, take};

/// Makes a map of a venue's own files, checks it, and puts it into the store. It is not in force by that.
#[derive(Debug, Args)]
pub(in crate::cli) struct Import {
    /// Whose files they are.
    #[arg(value_name = "FORMAT", value_enum)]
    format: Name,
    /// The venue's files: cboe-units takes the table of units, then daily lists; opra the table of lines,
    /// then the multicast addresses; the others take one.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The venue.
    #[arg(long, value_parser = venue)]
    venue: Venue,
    /// The trading date: today's at the venue unless given.
    #[arg(long, value_parser = date)]
    date: Option<TradingDate>,
    /// A map whose lines, services and silence bounds are taken, by the names of partitions, where the files
    /// say none (Cboe, NYSE).
    #[arg(long, value_name = "MAP")]
    lines: Option<PathBuf>,
    /// cme: the environment the file must be of, like Production.
    #[arg(long)]
    environment: Option<String>,
    /// cme: which snapshots.
    #[arg(long, value_enum)]
    snapshots: Option<Kind>,
    /// opra: the line of roots that begin with a digit.
    #[arg(long, value_name = "LINE")]
    numeric: Option<u16>,
    /// opra: the service whose addresses are taken; production unless given.
    #[arg(long)]
    service: Option<String>,
    /// nyse: the channel of a system ID, like 1=11; once for each.
    #[arg(long = "channel", value_name = "ID=CHANNEL", value_parser = channel)]
    channels: Vec<(u16, Text<16>)>,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    output: OutputArg,
}

/// Whose files.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Name {
    /// Candor's own format.
    Candor,
    /// CME's config.xml.
    Cme,
    /// Cboe's table of units, and its daily lists.
    CboeUnits,
    /// Cboe's daily lists alone.
    CboeListed,
    /// OPRA's table of lines, and its multicast addresses.
    Opra,
    /// NYSE's symbol mapping file.
    Nyse,
}

/// Which of CME's snapshots.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Kind {
    /// Levels.
    ByPrice,
    /// Orders.
    ByOrder,
}

fn channel(text: &str) -> Result<(u16, Text<16>), String> {
    let (system, channel) = text.split_once('=').ok_or("it is written 1=11")?;
    Format::channel(system, channel)
}

impl Import {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let format = self.format()?;
        let store = self.store.open()?.store;
        let date = self.date.map_or_else(|| today(self.venue), Ok)?;
        let lines = self.lines.as_deref().map(config::lines_from).transpose()?;
        let taken = take(&Recipe { format, lines }, self.venue, date, &given(&self.files)?)?;
        let loaded = taken.loaded;
        let added = store.add(&loaded.map)?;
        let map = super::summary(&loaded.map)
            .with("symbols_said_by", Value::text(candor_maps::diff::Rule::of(&loaded.map).name()))
            .with("new", yes(added.new));
        Answer::new()
            .one("map", map)
            .many("notes", &["words"], words(taken.notes.iter().map(String::as_str)))
            .many("warnings", WARNINGS, rows(&loaded.warnings))
            .print(self.output.output)?;
        Ok(if loaded.warnings.is_empty() { Exit::Ok } else { Exit::Degraded })
    }

    fn format(&self) -> Result<Format, Failure> {
        let (cme, opra, nyse) = (Name::Cme, Name::Opra, Name::Nyse);
        for (option, given, of) in [
            ("--environment", self.environment.is_some(), cme),
            ("--snapshots", self.snapshots.is_some(), cme),
            ("--numeric", self.numeric.is_some(), opra),
            ("--service", self.service.is_some(), opra),
            ("--channel", !self.channels.is_empty(), nyse),
        ] {
            if given && of != self.format {
                return Err(Failure::usage(format!("{option} means nothing here; take it out")));
            }
        }
        if self.format == Name::Candor && self.lines.is_some() {
            return Err(Failure::usage("--lines means nothing here; take it out"));
        }
        let need = |option: &str| Failure::usage(format!("{option} is missing; no file says it"));
        Ok(match self.format {
            Name::Candor => Format::Candor,
            Name::Cme => Format::Cme {
                environment: self.environment.clone().ok_or_else(|| need("--environment"))?,
                snapshots: match self.snapshots.ok_or_else(|| need("--snapshots"))? {
                    Kind::ByPrice => Snapshots::ByPrice,
                    Kind::ByOrder => Snapshots::ByOrder,
                },
            },
            Name::CboeUnits => Format::CboeUnits,
            Name::CboeListed => Format::CboeListed,
            Name::Opra => Format::Opra {
                numeric: self.numeric,
                service: self.service.clone().unwrap_or_else(|| "production".to_owned()),
            },
            Name::Nyse if self.channels.is_empty() => return Err(need("--channel")),
            Name::Nyse => {
                let mut channels = BTreeMap::new();
                for (id, name) in &self.channels {
                    if channels.insert(*id, *name).is_some() {
                        return Err(Failure::usage(format!("system ID {id} has two channels")));
                    }
                }
                Format::Nyse { channels }
            }
        })
    }
}

//! `candor map check`.

use std::path::PathBuf;

use candor_core::{TradingDate, Venue};
use candor_maps::check::{Wanted, Warning};
use candor_maps::file::Loaded;
use clap::Args;

use super::super::OutputArg;
use super::super::output::Answer;
use super::super::region::Source;
use super::outcome::{WARNINGS, rows};
use super::stored::{Reference, StoreArg, date, venue};
use super::wire::Found;
use crate::exit::{Exit, Failure};
use crate::interface;
use crate::store::{judged, missing};
use crate::{config, doctor};

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
    /// Warn of interfaces that lines name and this host doesn't have, so that the map can't be loaded here,
    /// and of those that are down, have no carrier, or no multicast.
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
            let Loaded { map, places, .. } = &loaded;
            // What is not here is refused by `map load`; what is down may be up by then.
            let here = interface::list();
            let mut found = missing(map, places, &here);
            found.extend(judged(map, places, &|name| {
                let is_here = here.iter().any(|one| one == name);
                is_here.then(|| doctor::trouble(name)).flatten()
            }));
            found.sort_by_key(|one| one.line);
            warnings.extend(rows(&found.into_iter().map(Warning).collect::<Vec<_>>()));
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

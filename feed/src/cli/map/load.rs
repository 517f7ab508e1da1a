//! `candor map load`.

use candor_core::{TradingDate, Venue};
use candor_maps::calendar::Wall;
use candor_maps::check::Wanted;
use clap::Args;

use super::super::OutputArg;
use super::outcome;
use super::stored::{Reference, StoreArg, date, today, venue};
use crate::exit::{Exit, Failure};
use crate::halt::users;
use crate::store::{Request, load};
use crate::{clock, interface};

/// Puts a map in force for its date, after a comparison with the one in force before: exit 2 where more
/// symbols move or go than the bound, until somebody has accepted that.
#[derive(Debug, Args)]
pub(in crate::cli) struct Load {
    /// The map: a file in Candor's format, a digest or VENUE@DATE.
    #[arg(value_name = "MAP")]
    map: Reference,
    /// The venue that it must be of.
    #[arg(long, value_parser = venue)]
    venue: Option<Venue>,
    /// The trading date that it must be for: today's at the venue unless given.
    #[arg(long, value_parser = date)]
    date: Option<TradingDate>,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    output: OutputArg,
}

impl Load {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let place = self.store.open()?;
        let any = Wanted { venue: self.venue, date: self.date };
        let mut loaded = self.map.load(Some(&place), &any)?;
        let venue = loaded.map.venue;
        let date = self.date.map_or_else(|| today(venue), Ok)?;
        if self.date.is_none() {
            // Once more, with the date that is wanted: it is refused by its line.
            let wanted = Wanted { venue: self.venue, date: Some(date) };
            loaded = self.map.load(Some(&place), &wanted)?;
        }
        // The configured list alone: one of a symbol that stays would be an option that widens the bound.
        let symbols = place.symbols(None, venue)?;
        let request = Request {
            venue: self.venue,
            date,
            bound_ppm: place.bound_ppm(venue),
            symbols: &symbols,
            interfaces: Some(&interface::list()),
            over_named: true,
            first: true,
            by: &users::runs().name,
            from: &self.map.origin(),
            now: Wall(clock::wall()),
        };
        outcome::print(load(&place.store, loaded, &request)?, self.output.output)
    }
}

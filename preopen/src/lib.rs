//! Go or no-go before the open.
//!
//! Judges what a region shows against what the day's map says should be there: every partition subscribed
//! and heard on every line, every symbol of the map named by the venue, nothing stale, nothing on the wire
//! that no map names. A map of yesterday fails here, twenty minutes before the open: the symbols that the
//! venue has moved are named by no partition of it.
//!
//! It reads a region as any reader does, is told the time and the map, and does nothing else: the handler's
//! command line, its own look at the milestone `preopen`, and the simulator ask the same questions. What is
//! to be known of the host and its files is gathered elsewhere and put into the same [`Report`].
//!
//! | file | what |
//! | --- | --- |
//! | `report.rs` | a check, its verdict and evidence; all of them together: go or no-go |
//! | `sample.rs` | what was heard up to a moment, so that "heard" means since then |
//! | `wire.rs` | partitions, lines, statuses, halts, multicast that no map names |
//! | `symbols.rs` | which symbols of the map the venue has named |
#![forbid(unsafe_code)]

mod report;
mod sample;
mod symbols;
mod wire;

use candor_core::limits::LINES;
use candor_core::symbol::Text;
use candor_core::{Mono, Symbol, TradingDate, Venue};
use candor_shm::{Endpoint, Region};

pub use report::{Check, Outcome, Report, Verdict};
pub use sample::Sample;
pub use symbols::stands;
pub use wire::UNMAPPED_READ_WITHIN;

/// A partition as the day's map has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Its venue.
    pub venue: Venue,
    /// Its name within the venue.
    pub name: Text<16>,
    /// The trading date of the map.
    pub date: TradingDate,
    /// Whether the configuration has its lines joined.
    pub subscribe: bool,
    /// Where each line is received.
    pub lines: [Option<Endpoint>; LINES],
    /// The symbols that the map lists; empty where the venue names them on the wire.
    pub symbols: Vec<Symbol>,
}

impl Wanted {
    /// As operators write it.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{}/{}", self.venue, self.name)
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Every partition of every venue's map.
    pub wanted: &'a [Wanted],
    /// What had been heard when listening began.
    pub before: &'a Sample,
    /// Symbols of a partition that the venue may leave unnamed, in millionths of those its map lists.
    pub unproven_ppm: u32,
    /// Multicast that no map names and nobody minds.
    pub ignore: &'a [Endpoint],
}

/// Every check of the wire, with its evidence. `now` is the region's clock.
#[must_use]
pub fn examine(region: &Region, now: &dyn Fn() -> Mono, asked: &Asked<'_>) -> Vec<Check> {
    let mut checks = vec![wire::handler(region, now)];
    let infos: Vec<candor_shm::PartitionInfo> = region.partitions_when(now).collect();
    for venue in venues(asked.wanted) {
        let of_venue = |one: &&Wanted| one.venue == venue;
        let wanted: Vec<&Wanted> = asked.wanted.iter().filter(of_venue).collect();
        let pairs: Vec<wire::Pair<'_>> = wanted
            .iter()
            .map(|wanted| wire::Pair { wanted, info: wire::find(&infos, wanted) })
            .collect();
        checks.extend(wire::partitions(venue, &pairs, &infos));
        checks.extend(wire::lines(venue, &pairs, asked.before, now()));
        checks.extend(wire::statuses(venue, &pairs, now()));
        checks.extend(symbols::named(venue, region, &pairs, asked.unproven_ppm));
    }
    checks.extend(wire::unmapped(region, now, asked));
    checks.extend(wire::halts(region));
    checks
}

/// Whether every line of every partition has been heard since: nothing is learnt by listening on.
#[must_use]
pub fn heard(region: &Region, now: &dyn Fn() -> Mono, asked: &Asked<'_>) -> bool {
    let infos: Vec<candor_shm::PartitionInfo> = region.partitions_when(now).collect();
    asked.wanted.iter().filter(|one| one.subscribe).all(|wanted| {
        let pair = wire::Pair { wanted, info: wire::find(&infos, wanted) };
        wire::dark(&pair, asked.before).is_empty()
    })
}

/// Each venue once, in the order of the maps.
fn venues(wanted: &[Wanted]) -> Vec<Venue> {
    let mut venues: Vec<Venue> = Vec::new();
    for one in wanted {
        if !venues.contains(&one.venue) {
            venues.push(one.venue);
        }
    }
    venues
}

//! What a handler starts with: the maps of the day from the store, or the last ones, which name the partitions
//! and make nothing Live.

use std::collections::{BTreeMap, BTreeSet};

use candor_core::limits::PARTITIONS;
use candor_core::symbol::Text;
use candor_core::{Line, Symbol, TradingDate, Venue};
use candor_maps::calendar::{Overlay, Wall};
use candor_maps::{Map, Symbols};

use super::days::Days;
use super::shape::{self, Place};
use super::thread;
use crate::attest::MapOf;
use crate::clock;
use crate::config::{Config, Mapped, overlay_from};
use crate::exit::Failure;
use crate::store::{self, Pointer, Store};

/// A configuration with all its partitions, and which maps they are of.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The configuration: partitions of the file first, then those of maps, then places kept.
    pub config: Config,
    /// Every place of the region, in the same order.
    pub places: Vec<Place>,
    /// The venues whose partitions come from the store.
    pub starts: Vec<Start>,
}

impl Resolved {
    /// The date of a venue's map, where that comes from the store.
    #[must_use]
    pub fn date_of(&self, venue: Venue) -> Option<TradingDate> {
        self.starts.iter().find(|start| start.venue == venue).map(|start| start.date)
    }
}

impl Resolved {
    /// When the date under way began at a venue whose maps come from the store.
    #[must_use]
    pub fn begins(&self, venue: Venue) -> Option<Wall> {
        self.starts.iter().find(|start| start.venue == venue).and_then(|start| start.begins)
    }

    /// What has moved at a venue on the date, by maps before the one that it starts with.
    #[must_use]
    pub fn moved(&self, venue: Venue) -> &[Symbol] {
        let start = self.starts.iter().find(|start| start.venue == venue);
        start.map_or(&[], |start| &start.moved)
    }

    /// The maps of the store that are in force at the start.
    #[must_use]
    pub fn in_force(&self) -> Vec<MapOf> {
        let in_force = self.starts.iter().filter(|start| start.until.is_some());
        in_force
            .map(|start| (start.venue, thread::in_force(start.date, &start.pointer.digest)))
            .collect()
    }
}

/// What a venue starts with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Start {
    /// The venue.
    pub venue: Venue,
    /// The map that names its partitions, and who put it in force.
    pub pointer: Pointer,
    /// The date that readers are told: of the map in force, or the next to come.
    pub date: TradingDate,
    /// When the date under way began; `None` between two: whatever was heard by then is of before the next.
    pub begins: Option<Wall>,
    /// When the map ends; `None` where it is not in force.
    pub until: Option<Wall>,
    /// Symbols that an earlier map of the date gave to another partition, ascending.
    pub moved: Vec<Symbol>,
}

/// Looks up the maps of a configuration's venues.
///
/// # Errors
/// Where nothing could ever be published: no store, no map of a venue was ever in force, or the one to start with
/// can't be followed. It says what to do.
pub fn resolve(config: &Config, wall: Wall) -> Result<Resolved, Failure> {
    let mut config = config.clone();
    let made = |one: &crate::config::Partition| Place {
        venue: one.venue,
        made: Some(Line::ALL.map(|line| one.lines[line.index()].is_some())),
    };
    let mut starts = Vec::new();
    if let Some(maps) = config.maps.as_ref().filter(|_| !config.mapped.is_empty()) {
        let store = Store::open(&maps.store)?;
        let overlay = maps.overlay.as_deref().map(overlay_from).transpose()?;
        for mapped in &config.mapped {
            let (start, map) = start(&store, mapped, overlay.as_ref(), wall)?;
            let own = shape::partitions(mapped, &map, config.lanes.len());
            config
                .partitions
                .extend(own.map_err(|why| cannot(mapped, &start.pointer.digest, &why))?);
            starts.push(start);
        }
    }
    let mut places: Vec<Place> = config.partitions.iter().map(made).collect();
    for mapped in &config.mapped {
        let lanes = shape::lanes_of(mapped, config.lanes.len());
        for lane in lanes.iter().cycle().take(mapped.spare_partitions.into()) {
            config.partitions.push(mapped.spare(*lane));
            places.push(Place { venue: mapped.venue, made: None });
        }
    }
    if config.partitions.len() > PARTITIONS {
        let count = config.partitions.len();
        return Err(Failure::config(format!(
            "{count} partitions with those kept to spare: a handler has at most {PARTITIONS}; run two"
        )));
    }
    shape::apart(&config.partitions).map_err(Failure::config)?;
    Ok(Resolved { config, places, starts })
}

fn cannot(mapped: &Mapped, digest: &str, why: &str) -> Failure {
    let venue = mapped.venue;
    Failure::config(format!("the map {digest} of {venue} can't be taken: {why}"))
}

fn start(
    store: &Store,
    mapped: &Mapped,
    overlay: Option<&Overlay>,
    wall: Wall,
) -> Result<(Start, Map), Failure> {
    let venue = mapped.venue;
    let days = Days::of(mapped, overlay);
    let days = days.ok_or_else(|| Failure::config(format!("no calendar of {venue} is known")))?;
    let date = days.latest(wall).ok_or_else(|| {
        Failure::config(format!(
            "the calendar of {venue} knows nothing of today: set the host's clock, or install a newer release"
        ))
    })?;
    let today = days.today(wall);
    // Between two dates the next one's map names partitions, and is not in force yet.
    let (pointer, until): (Pointer, _) = match store.in_force(venue, date)? {
        Some(pointer) => (pointer, today.map(|today| today.ends)),
        None => match store.before(venue, date)? {
            Some(pointer) => (pointer, None),
            None => return Err(never(mapped, date)),
        },
    };
    let map = store.read(&pointer.digest)?.map;
    let begins = today.map(|today| today.begins);
    let moved = moved(store, &pointer, begins, &map);
    Ok((Start { venue, pointer, date, begins, until, moved }, map))
}

/// Symbols that an earlier map of the same date gave to another partition than this one does, ascending: a handler that
/// had run since would know that they have moved. Where one of those maps can't be read, anything may have.
fn moved(store: &Store, pointer: &Pointer, begins: Option<Wall>, map: &Map) -> Vec<Symbol> {
    let homes = |map: &Map| -> BTreeMap<Symbol, Text<16>> {
        let own = |one: &candor_maps::Partition| match &one.symbols {
            Symbols::List(list) => list.iter().map(|symbol| (*symbol, one.name)).collect(),
            _ => Vec::new(),
        };
        map.partitions.iter().flat_map(own).collect()
    };
    let now = homes(map);
    let read = || -> Result<Vec<Map>, store::Error> {
        let before = superseded(store, pointer, begins)?;
        before.iter().map(|one| store.read(&one.digest).map(|loaded| loaded.map)).collect()
    };
    let before = match read() {
        Ok(before) => before,
        Err(error) => {
            let venue = pointer.venue;
            tracing::warn!(%venue, %error, "an earlier map of the date can't be read: any symbol may have moved");
            return now.into_keys().collect();
        }
    };
    let mut moved = BTreeSet::new();
    for earlier in &before {
        let other = |(symbol, home): &(Symbol, Text<16>)| {
            now.get(symbol).is_some_and(|today| today != home)
        };
        moved.extend(homes(earlier).into_iter().filter(other).map(|(symbol, _)| symbol));
    }
    moved.into_iter().collect()
}

/// The pointers of a date before this one that were in force when it began, or since: another map took the place of
/// each only then.
pub(super) fn superseded(
    store: &Store,
    pointer: &Pointer,
    begins: Option<Wall>,
) -> Result<Vec<Pointer>, store::Error> {
    let Some(begins) = begins else { return Ok(Vec::new()) };
    let all = store.pointers(pointer.venue, pointer.date, 0)?;
    let all: Vec<Pointer> = all.into_iter().collect::<Result<_, _>>()?;
    let mut nexts = all.iter().skip(1);
    let in_force = |one: &&Pointer| {
        let replaced = nexts.next().and_then(|next| clock::parse(&next.at));
        one.number < pointer.number && replaced.is_none_or(|at| at > begins.0)
    };
    Ok(all.iter().filter(in_force).cloned().collect())
}

/// Nobody would ever put a first map in force but a person: waiting for one helps nobody.
fn never(mapped: &Mapped, date: TradingDate) -> Failure {
    let venue = mapped.venue;
    Failure::config(format!(
        "no map of {venue} was ever in force in this store, so there is nothing to subscribe to. The first one is \
         put in force by name: candor map import, candor map show, then candor map load DIGEST --date {date}"
    ))
}

//! The maps of a simulated venue, and how a handler that runs takes one: in three calls to every partition,
//! made by each lane at a cycle of its own, and the next call only when every lane has made the one before.

use core::fmt;
use std::sync::Arc;

use candor_core::{Mono, Symbol};
use candor_engine::{NewMap, VenueSymbols};

/// A map of the simulated venue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapOf {
    /// Every partition, and every symbol where the venue has it.
    Today,
    /// As it was before the venue added its last partition: that is not in it, and its symbols are
    /// among the others'.
    Yesterday,
}

impl fmt::Display for MapOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MapOf::Today => "today",
            MapOf::Yesterday => "yesterday",
        })
    }
}

impl MapOf {
    /// Whether the map has this partition, of so many.
    pub(super) const fn has(self, partition: usize, partitions: usize) -> bool {
        matches!(self, MapOf::Today) || partition + 1 < partitions || partitions == 1
    }

    /// What it lists, made from what is true today.
    fn listed(self, today: &[(Symbol, u16)], partitions: usize) -> VenueSymbols {
        let before = |(at, (symbol, home)): (usize, &(Symbol, u16))| {
            let there = self.has(usize::from(*home), partitions);
            (*symbol, if there { *home } else { (at % (partitions - 1)) as u16 })
        };
        VenueSymbols::new(today.iter().enumerate().map(before).collect())
    }
}

/// The calls that make a partition take a map, in their order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    Begin,
    Claim,
    Finish,
}

/// A map that is being taken.
#[derive(Debug)]
struct Taking {
    map: MapOf,
    /// For each partition.
    news: Vec<NewMap>,
    phase: Phase,
    /// Which lanes have made the phase's calls.
    done: Vec<bool>,
}

/// Which map a handler has.
#[derive(Debug)]
pub(super) struct Maps {
    /// What is true today, where the map lists symbols at all.
    today: Vec<(Symbol, u16)>,
    partitions: usize,
    /// In force, or being taken.
    venue: Arc<VenueSymbols>,
    /// What was in force before.
    before: Arc<VenueSymbols>,
    /// Another one was in force in this life.
    changed: bool,
    taking: Option<Taking>,
}

impl Maps {
    pub(super) fn new(map: MapOf, today: Vec<(Symbol, u16)>, partitions: usize) -> Maps {
        let venue = Arc::new(map.listed(&today, partitions));
        let before = Arc::clone(&venue);
        let changed = map != MapOf::Today;
        Maps { today, partitions, venue, before, changed, taking: None }
    }

    /// What the map in force lists, or the one that is being taken.
    pub(super) fn venue(&self) -> &Arc<VenueSymbols> {
        &self.venue
    }

    /// Begins to take a map. None is being taken.
    pub(super) fn take(&mut self, map: MapOf, until: Mono, lanes: usize) {
        assert!(self.taking.is_none(), "one map after the other");
        let after = Arc::new(map.listed(&self.today, self.partitions));
        let new = |at: usize| NewMap::between(&self.venue, &after, at as u16, until);
        let news = (0..self.partitions).map(new).collect();
        self.before = core::mem::replace(&mut self.venue, after);
        self.changed = true;
        self.taking = Some(Taking { map, news, phase: Phase::Begin, done: vec![false; lanes] });
    }

    pub(super) const fn is_taking(&self) -> bool {
        self.taking.is_some()
    }

    /// What a lane has to call now, once: the map, the phase and what is new for each partition, to be
    /// given back by [`Maps::called`].
    pub(super) fn call(&mut self, lane: usize) -> Option<(MapOf, Phase, Vec<NewMap>)> {
        let taking = self.taking.as_mut().filter(|taking| !taking.done[lane])?;
        Some((taking.map, taking.phase, core::mem::take(&mut taking.news)))
    }

    pub(super) fn called(&mut self, lane: usize, news: Vec<NewMap>) {
        if let Some(taking) = &mut self.taking {
            taking.done[lane] = true;
            taking.news = news;
        }
    }

    /// The next phase, where every lane is done with the one under way. Claims have been handed over.
    pub(super) fn proceed(&mut self) {
        let Some(taking) = &mut self.taking else { return };
        if taking.done.iter().any(|done| !done) {
            return;
        }
        taking.done.fill(false);
        taking.phase = match taking.phase {
            Phase::Begin => Phase::Claim,
            Phase::Claim => Phase::Finish,
            Phase::Finish => {
                self.taking = None;
                return;
            }
        };
    }

    /// Why a symbol must not be Live on this partition of this lane by its maps, if so.
    pub(super) fn forbids(
        &self,
        symbol: &Symbol,
        partition: usize,
        lane: usize,
    ) -> Option<&'static str> {
        let partition = partition as u16;
        let elsewhere = |venue: &VenueSymbols| venue.home(symbol).is_some_and(|at| at != partition);
        let Some(Taking { phase, done, .. }) = &self.taking else {
            return elsewhere(&self.venue)
                .then_some("Live on a partition that the map doesn't give it to");
        };
        if *phase == Phase::Begin && !done[lane] {
            return elsewhere(&self.before)
                .then_some("Live on a partition that no map gives it to");
        }
        let given = *phase == Phase::Finish && done[lane];
        match self.venue.home(symbol) == Some(partition) && !given {
            true if elsewhere(&self.before) => {
                Some("Live before every partition has taken the map")
            }
            _ => elsewhere(&self.venue).then_some("Live on a partition that loses it"),
        }
    }

    /// Whether a map may have taken the symbol from this partition, or not given it yet.
    pub(super) fn explains_unmapped(&self, symbol: &Symbol, partition: usize) -> bool {
        let here = |venue: &VenueSymbols| venue.home(symbol) == Some(partition as u16);
        self.changed && (!here(&self.venue) || (self.is_taking() && !here(&self.before)))
    }

    /// Whether the venue has the symbol on this partition.
    pub(super) fn is_home(&self, symbol: &Symbol, partition: usize) -> bool {
        self.today.iter().any(|(own, home)| own == symbol && usize::from(*home) == partition)
    }

    /// Whether maps have given the symbol to different partitions in this life.
    pub(super) fn explains_misplaced(&self, symbol: &Symbol) -> bool {
        self.changed && self.is_home(symbol, self.partitions - 1)
    }
}

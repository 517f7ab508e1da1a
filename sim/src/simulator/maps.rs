//! The maps of a simulated venue, and how a handler that runs takes one: in three calls to every partition,
//! made by each lane at a cycle of its own, and the next call only when every lane has made the one before.

use core::fmt;
use std::sync::Arc;

use candor_core::{Mono, Symbol};
use candor_engine::{NewMap, VenueSymbols};

use super::Setup;
use super::overnight::{Homes, Overnight};

/// A map of the simulated venue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapOf {
    /// Every partition, and every symbol where the venue has it.
    Today,
    /// As it was before the venue added its last partition: that is not in it, and its symbols are
    /// among the others'.
    Yesterday,
    /// Today's, with the symbol that moves at noon where it has gone.
    Afternoon,
    /// The next trading date's, by what the venue changes overnight.
    Tomorrow,
}

impl fmt::Display for MapOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MapOf::Today => "today",
            MapOf::Afternoon => "this afternoon",
            MapOf::Yesterday => "yesterday",
            MapOf::Tomorrow => "tomorrow",
        })
    }
}

impl MapOf {
    /// Whether the map has this partition, of the world's.
    pub(super) fn has(self, partition: usize, setup: &Setup) -> bool {
        let fewer = match self {
            MapOf::Today | MapOf::Afternoon => false,
            MapOf::Yesterday => true,
            MapOf::Tomorrow => setup.overnight == Some(Overnight::Removed),
        };
        !fewer || partition + 1 < setup.partitions || setup.partitions == 1
    }
}

/// Where the venue has its symbols, on one day and on the next.
#[derive(Clone, Debug)]
struct Truths {
    today: Homes,
    afternoon: Homes,
    /// The symbol that moves at noon.
    moves: Option<Symbol>,
    tomorrow: Homes,
}

impl Truths {
    fn new(setup: &Setup, today: &[(Symbol, u16)]) -> Truths {
        let tomorrow = setup.overnight.map_or(today.to_vec(), |it| it.tomorrow(today));
        let moves = today.first().map(|(symbol, _)| *symbol).filter(|_| setup.moves_at_noon);
        let last = setup.partitions - 1;
        let there =
            |&(symbol, home)| (symbol, if moves == Some(symbol) { last as u16 } else { home });
        let afternoon = today.iter().map(there).collect();
        Truths { today: today.to_vec(), afternoon, moves, tomorrow }
    }

    /// Where they are on the day of a map.
    fn on(&self, map: MapOf) -> &Homes {
        match map {
            MapOf::Today | MapOf::Yesterday => &self.today,
            MapOf::Afternoon => &self.afternoon,
            MapOf::Tomorrow => &self.tomorrow,
        }
    }

    /// What a map lists, made from what is true on its day; nothing where symbols are left to the wire.
    fn listed(&self, map: MapOf, setup: &Setup) -> VenueSymbols {
        if !setup.listed {
            return VenueSymbols::new(Vec::new());
        }
        let before = |(at, (symbol, home)): (usize, &(Symbol, u16))| {
            let there = map.has(usize::from(*home), setup);
            (*symbol, if there { *home } else { (at % (setup.partitions - 1)) as u16 })
        };
        VenueSymbols::new(self.on(map).iter().enumerate().map(before).collect())
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
    truths: Truths,
    setup: Setup,
    /// In force, or being taken.
    map: MapOf,
    /// In force, or being taken.
    venue: Arc<VenueSymbols>,
    /// What was in force before.
    before: Arc<VenueSymbols>,
    /// Another one was in force in this life.
    changed: bool,
    taking: Option<Taking>,
}

impl Maps {
    pub(super) fn new(map: MapOf, setup: &Setup, today: &[(Symbol, u16)]) -> Maps {
        let truths = Truths::new(setup, today);
        let venue = Arc::new(truths.listed(map, setup));
        let before = Arc::clone(&venue);
        let changed = map != MapOf::Today;
        Maps { truths, setup: setup.clone(), map, venue, before, changed, taking: None }
    }

    /// What the map in force lists, or the one that is being taken.
    pub(super) fn venue(&self) -> &Arc<VenueSymbols> {
        &self.venue
    }

    /// Whether a map lists the symbol.
    pub(super) fn lists(&self, map: MapOf, symbol: &Symbol) -> bool {
        self.setup.listed && self.truths.on(map).iter().any(|(own, _)| own == symbol)
    }

    /// Begins to take a map. None is being taken. `there` are symbols whose places begin anew with it, each with a
    /// partition that has defined it, where it is the first of its date.
    pub(super) fn take(
        &mut self,
        map: MapOf,
        until: Mono,
        lanes: usize,
        there: Option<&[(Symbol, u16)]>,
    ) {
        assert!(self.taking.is_none(), "one map after the other");
        let after = Arc::new(self.truths.listed(map, &self.setup));
        let new = |at: usize| {
            let mut new = NewMap::between(&self.venue, &after, at as u16, until);
            new.first = there.is_some();
            let own = there.unwrap_or_default().iter();
            let own = own.filter(|(_, home)| usize::from(*home) == at);
            own.for_each(|(symbol, _)| anew(&mut new, at as u16, *symbol));
            new
        };
        let news = (0..self.setup.partitions).map(new).collect();
        self.before = core::mem::replace(&mut self.venue, after);
        (self.changed, self.map) = (true, map);
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

    /// Whether the venue has the symbol on this partition, on the day of the map.
    pub(super) fn is_home(&self, symbol: &Symbol, partition: usize) -> bool {
        let homes = self.truths.on(self.map);
        homes.iter().any(|(own, home)| own == symbol && usize::from(*home) == partition)
    }

    /// What an earlier map of the date had elsewhere than the one in force.
    pub(super) fn moved(&self) -> Vec<Symbol> {
        self.truths.moves.filter(|_| self.map == MapOf::Afternoon).into_iter().collect()
    }

    /// Whether the symbol is one that moves at noon.
    pub(super) fn moves_at_noon(&self, symbol: &Symbol) -> bool {
        self.truths.moves == Some(*symbol)
    }

    /// Whether a map that was taken within a date may have given the symbol to a partition that has but the end of its
    /// book.
    pub(super) fn explains_arrival(&self, symbol: &Symbol) -> bool {
        self.moves_at_noon(symbol) || self.explains_misplaced(symbol)
    }

    /// Whether maps have given the symbol to different partitions in this life, and the venue has named it where the
    /// one of yesterday lacks it. Overnight it names all anew, and who had one before says nothing.
    pub(super) fn explains_misplaced(&self, symbol: &Symbol) -> bool {
        let elsewhere = self.setup.partitions - 1;
        let listed = self.setup.listed && self.map != MapOf::Tomorrow;
        self.changed && listed && self.is_home(symbol, elsewhere)
    }
}

/// Has a map begin anew for a symbol that this partition has defined, as a handler's own thread has it.
fn anew(new: &mut NewMap, partition: u16, symbol: Symbol) {
    let list = match new.venue.home(&symbol) {
        Some(home) if home == partition => &mut new.gained,
        Some(_) => &mut new.lost,
        None => &mut new.unlisted,
    };
    if let Err(at) = list.binary_search(&symbol) {
        list.insert(at, symbol);
    }
}

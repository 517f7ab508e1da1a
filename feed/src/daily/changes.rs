//! What each lane has to do for a venue's map.

use std::collections::BTreeMap;
use std::sync::Arc;

use candor_core::{Mono, Symbol, Venue};
use candor_engine::{NewMap, VenueSymbols};
use candor_shm::Region;

use super::days::Today;
use super::handover::{Change, Phase, Seat};
use super::shape::Steps;
use crate::config::{Config, Partition};
use crate::lane::build::engine_config;
use crate::run::{endpoints, partition_spec};
use crate::sessions::Record;

/// What a venue has from here on.
pub(super) struct New<'a> {
    pub(super) venue: Venue,
    /// Whether no map was in force here until now.
    pub(super) anew: bool,
    /// Whether it is the first of its date: what moves has moved overnight.
    pub(super) first: bool,
    /// Where its symbols were until now.
    pub(super) before: &'a Arc<VenueSymbols>,
    pub(super) listed: &'a Arc<VenueSymbols>,
    /// When it ends; [`Mono::NEVER`] where it only ends the one before.
    pub(super) until: Mono,
    /// What was followed before then is of before the date.
    pub(super) over: Option<Mono>,
    /// The date under way; `None` where the map before ends.
    pub(super) today: Option<Today>,
}

impl New<'_> {
    /// What there is to do, by lane; `None` where that is nothing.
    pub(super) fn changes(
        &self,
        config: &Config,
        (region, sessions): (&Region, &Record),
        after: &[Partition],
        steps: &Steps,
    ) -> Vec<Option<Box<Change>>> {
        let mut seats: Vec<Vec<Seat>> = config.lanes.iter().map(|_| Vec::new()).collect();
        let places = match self.anew {
            true => self.placed_anew(region, after),
            false => BTreeMap::new(),
        };
        let own = (0u16..).zip(after).filter(|(_, one)| one.venue == self.venue);
        for (number, one) in own {
            let mut new = NewMap::between(self.before, self.listed, number, self.until);
            again(&mut new, number, &places);
            (new.first, new.over) = (self.first, self.over);
            let open = steps.added.contains(&number).then(|| {
                let recovery = config.recovery_of(one);
                let before = Arc::clone(self.before);
                let earlier = self.today.map_or_else(Vec::new, |today| {
                    sessions.earlier((one.venue, one.name), Some(today.begins))
                });
                let mut made = engine_config(number, one, recovery, before, (Mono::NEVER, earlier));
                made.followed = self.today.map_or_else(Vec::new, |today| {
                    sessions.since((one.venue, one.name), Some(today.begins))
                });
                (partition_spec(one), candor_engine::Partition::new(made))
            });
            let moved = steps.lines.iter().any(|(other, ..)| *other == number)
                || steps.again.contains(&number);
            let lines = moved.then(|| endpoints(one));
            let leave = steps.removed.contains(&number);
            let Some(seats) = seats.get_mut(usize::from(one.lane)) else { continue };
            seats.push(Seat { number, new, open, lines, leave, enter: false });
        }
        let date = self.today.map(|today| today.date);
        let change = |seats: Vec<Seat>| {
            let change = Change { phase: Phase::Begin, date, seats, sockets: Vec::new() };
            (!change.seats.is_empty()).then(|| Box::new(change))
        };
        seats.into_iter().map(change).collect()
    }

    /// Symbols of a venue whose places begin anew with a date, with the partitions that have defined them: those of
    /// more than one, because a map has moved them or wire and map have contradicted each other, and those of no
    /// list, which are wherever the wire names them.
    fn placed_anew(&self, region: &Region, partitions: &[Partition]) -> BTreeMap<Symbol, Vec<u16>> {
        let mut there: BTreeMap<Symbol, Vec<u16>> = BTreeMap::new();
        let own = (0u16..).zip(partitions).filter(|(_, one)| one.venue == self.venue);
        for (number, _) in own {
            for (_, symbol) in region.symbols(number) {
                there.entry(symbol).or_default().push(number);
            }
        }
        there.retain(|symbol, numbers| numbers.len() > 1 || self.listed.home(symbol).is_none());
        there
    }
}

/// Has a map begin anew for these symbols: where they were by the map and the wire of a date that is over says
/// nothing of today.
fn again(new: &mut NewMap, number: u16, places: &BTreeMap<Symbol, Vec<u16>>) {
    for (symbol, _) in places.iter().filter(|(_, numbers)| numbers.contains(&number)) {
        match new.venue.home(symbol) {
            Some(home) if home == number => new.gained.push(*symbol),
            Some(_) => new.lost.push(*symbol),
            // Nobody lists it: it is where the wire names it today.
            None => new.unlisted.push(*symbol),
        }
    }
    for list in [&mut new.gained, &mut new.lost] {
        list.sort_unstable();
        list.dedup();
    }
}

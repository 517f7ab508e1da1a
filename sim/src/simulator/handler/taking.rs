//! A map, taken by a handler that runs.

use std::sync::Arc;

use candor_core::{Mono, Symbol};
use candor_engine::Partition;

use super::specs::{config, partition_spec};
use super::{Handler, Seat, Traces};
use crate::simulator::MapOf;
use crate::simulator::frozen::{allocations, frozen};
use crate::simulator::maps::Phase;

impl Handler {
    /// Takes a map that holds until `until`, as soon as none is being taken.
    pub(in crate::simulator) fn take_map(&mut self, map: MapOf, until: Mono, now: Mono) {
        if self.maps.is_taking() {
            self.wanted = Some((map, until));
            return;
        }
        let before = Arc::clone(self.maps.venue());
        let anew = self.placed_anew(map, now);
        self.maps.take(map, until, self.lanes.len(), anew.as_deref());
        for (index, seat) in self.seats.iter_mut().enumerate().filter(|(_, seat)| !seat.open) {
            // Made by the handler's own thread, to be given to the lane. It takes the map like any other.
            let earlier = self.past.earlier(index);
            let made =
                config(&self.setup, index, self.symbols, &before, (seat.mapped_until, earlier));
            seat.partition = Partition::new(made);
            seat.watch.know(self.past.before(index));
        }
    }

    /// The symbols whose places begin anew with the first map of a date, each with a partition that has defined it:
    /// those of several partitions, and those that the map has on no list. `None` for another map than the first.
    fn placed_anew(&self, map: MapOf, now: Mono) -> Option<Vec<(Symbol, u16)>> {
        let ended = |seat: &Seat| !seat.open || seat.mapped_until <= now;
        if !self.seats.iter().all(ended) {
            return None;
        }
        let there = (0u16..).take(self.seats.len());
        let there = there.flat_map(|at| self.region.symbols(at).map(move |(_, own)| (own, at)));
        let mut there: Vec<(Symbol, u16)> = there.collect();
        there.sort_unstable();
        let listed = |symbol: &Symbol| self.maps.lists(map, symbol);
        let several = |symbol: &Symbol| there.iter().filter(|(own, _)| own == symbol).count() > 1;
        let anew = |(symbol, _): &&(Symbol, u16)| several(symbol) || !listed(symbol);
        Some(there.iter().filter(anew).copied().collect())
    }

    /// What a lane does for a map that is being taken, if it has not done it yet.
    pub(super) fn call_map(&mut self, lane: usize, now: Mono, traces: &mut Traces<'_>) {
        let Some((map, phase, mut news)) = self.maps.call(lane) else { return };
        for (at, new) in news.iter_mut().enumerate() {
            if self.seats[at].lane != lane {
                continue;
            }
            let has = map.has(at, &self.setup);
            if phase == Phase::Begin && has {
                self.add(at, now, traces);
            }
            if !self.seats[at].open {
                continue;
            }
            let before = allocations();
            self.with(at, now, traces, |partition, tap| {
                frozen(|| match phase {
                    Phase::Begin => partition.begin_map(now, new, tap),
                    Phase::Claim => partition.claim_map(now, new, tap),
                    Phase::Finish => partition.finish_map(now, new, tap),
                });
            });
            let seat = &mut self.seats[at];
            if phase == Phase::Begin {
                seat.mapped_until = new.until;
            }
            if allocations() != before {
                seat.watch.blame(|| "a map allocates".to_owned());
            }
            if phase == Phase::Begin && !has && seat.watch.subscribed {
                self.subscribe(at, now, false, traces);
            }
        }
        self.maps.called(lane, news);
    }

    /// A partition that the map has is opened or joined again, if it is not.
    fn add(&mut self, at: usize, now: Mono, traces: &mut Traces<'_>) {
        if !self.seats[at].open {
            let others = self.seats.iter().enumerate().filter(|(_, seat)| seat.open);
            self.halts.add(at, others.map(|(other, _)| other));
            self.seats[at].open = true;
            self.seats[at].watch.subscribed = true;
            let spec = partition_spec(&self.setup, at, self.symbols);
            self.lanes[self.seats[at].lane].writer.open(at as u16, &spec);
            self.with(at, now, traces, |partition, tap| {
                partition.start(now, tap);
                partition.subscribe(now, true, tap);
            });
        } else if !self.seats[at].watch.subscribed {
            self.subscribe(at, now, true, traces);
        }
    }
}

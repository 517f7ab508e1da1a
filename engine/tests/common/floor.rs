//! Partitions of one venue under one map, as lanes drive them.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use std::sync::Arc;

use candor_core::{Line, Mono, Nanos, Reason, Symbol};
use candor_engine::{Config, NewMap, Services, VenueSymbols};

use super::services::SNAPSHOTS;
use super::{Bench, SESSION_GRACE, config, directory};

pub fn symbol(name: &str) -> Symbol {
    Symbol::from_wire(name.as_bytes()).unwrap()
}

pub fn map(listed: &[(&str, u16)]) -> Arc<VenueSymbols> {
    Arc::new(VenueSymbols::new(listed.iter().map(|(name, home)| (symbol(name), *home)).collect()))
}

/// Partitions of one venue under one map, as lanes drive them.
pub struct Floor {
    pub benches: Vec<Bench>,
    pub map: Arc<VenueSymbols>,
    /// The trading date is over, and the next one has no map yet.
    pub over: bool,
}

impl Floor {
    pub fn new(partitions: u16, listed: &[(&str, u16)], until: Mono) -> Floor {
        let bench = |index| {
            let of = Config { index, mapped_until: until, ..config(listed) };
            let mut bench = Bench::with(of);
            bench.subscribe(true);
            bench
        };
        Floor { benches: (0..partitions).map(bench).collect(), map: map(listed), over: false }
    }

    /// The same with a snapshot service each.
    pub fn with_snapshots(partitions: u16, listed: &[(&str, u16)]) -> Floor {
        let mut floor = Floor::new(partitions, listed, Mono::MAX);
        for index in 0..partitions {
            floor.replace(index, config(listed));
        }
        floor
    }

    /// A partition with a snapshot service that has heard nothing takes the place of one.
    pub fn replace(&mut self, index: u16, of: Config) {
        let services = Services { retransmit: None, snapshot: Some(SNAPSHOTS) };
        let mut bench = Bench::with(Config { services, index, ..of });
        bench.subscribe(true);
        self.benches[usize::from(index)] = bench;
    }

    /// Claims reach the partitions they are about.
    pub fn claims(&mut self) {
        for from in 0..self.benches.len() {
            for (name, home, claim) in std::mem::take(&mut self.benches[from].shown.claims) {
                let bench = &mut self.benches[usize::from(home)];
                bench.partition.on_claimed(bench.now, &name, claim, &mut bench.shown);
            }
        }
    }

    pub fn begin(&mut self, listed: &[(&str, u16)], until: Mono) -> Vec<NewMap> {
        let after = map(listed);
        let first = std::mem::take(&mut self.over);
        // One that ends what was heard until now.
        let ends = until <= self.benches[0].now;
        if ends {
            self.benches.iter_mut().for_each(|bench| bench.pass(Nanos(1)));
        }
        let over = ends.then(|| self.benches.iter().map(|bench| bench.now).max().expect("some"));
        let new = |partition| {
            let of = NewMap::between(&self.map, &after, partition, until);
            NewMap { first, over, ..of }
        };
        let mut maps: Vec<NewMap> = (0..self.benches.len() as u16).map(new).collect();
        self.map = after;
        for (bench, map) in self.benches.iter_mut().zip(&mut maps) {
            bench.partition.begin_map(bench.now, map, &mut bench.shown);
            bench.partition.check();
        }
        maps
    }

    /// The trading date ends, and each partition's venue begins the next one's session with these symbols.
    pub fn overnight(&mut self, listed: &[(&str, u16)], named: &[&[&str]]) {
        self.take(listed, Mono(1));
        self.over = true;
        for (partition, names) in named.iter().enumerate() {
            self.benches[partition].session = *b"DAY0000002";
            self.name(partition, 1, names);
        }
    }

    pub fn claim(&mut self, maps: &[NewMap]) {
        for (bench, map) in self.benches.iter_mut().zip(maps) {
            bench.partition.claim_map(bench.now, map, &mut bench.shown);
        }
        self.claims();
    }

    pub fn finish(&mut self, maps: &[NewMap]) {
        for (bench, map) in self.benches.iter_mut().zip(maps) {
            bench.partition.finish_map(bench.now, map, &mut bench.shown);
            bench.partition.check();
        }
    }

    pub fn take(&mut self, listed: &[(&str, u16)], until: Mono) {
        let maps = self.begin(listed, until);
        self.claim(&maps);
        self.finish(&maps);
    }

    pub fn reason(&self, partition: usize, name: &str) -> Option<Reason> {
        self.benches[partition].reason(name)
    }

    pub fn name(&mut self, partition: usize, first: u64, names: &[&str]) {
        let named = |(at, name): (usize, &&str)| directory(at as u16 + 1 + first as u16, name);
        let messages: Vec<_> = names.iter().enumerate().map(named).collect();
        self.benches[partition].send(Line::A, first, &messages);
        self.claims();
    }
}

/// AAPL on partition 0, MSFT and GOOG on partition 1, all named there.
pub fn two() -> Floor {
    let mut floor = Floor::new(2, &[("AAPL", 0), ("GOOG", 1), ("MSFT", 1)], Mono::MAX);
    floor.name(0, 1, &["AAPL"]);
    floor.name(1, 1, &["GOOG", "MSFT"]);
    // Long enough ago that a session that begins is the later one.
    for bench in &mut floor.benches {
        bench.pass(SESSION_GRACE);
    }
    for (partition, name) in [(0, "AAPL"), (1, "GOOG"), (1, "MSFT")] {
        assert_eq!(floor.reason(partition, name), None);
    }
    floor
}

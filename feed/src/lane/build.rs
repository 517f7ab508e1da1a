//! What lanes keep of their partitions, made before anything is joined: with hundreds of them it takes seconds, in
//! which nobody would look at what comes. Each lane's is made on the lane's own core, so that its memory is near.

use std::sync::Arc;
use std::thread;

use candor_core::{Mono, SessionId, Venue};
use candor_engine::{Capacity, Partition, VenueSymbols};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::config::{self, Config};
use crate::daily::{Resolved, shape};
use crate::day::Day;
use crate::exit::Failure;
use crate::run::{Ends, begins};
use crate::sessions::Record;

/// The partitions of one lane.
pub(crate) struct Built {
    /// With their number in the region; with room for those that maps may add.
    pub(crate) partitions: Vec<(u16, Partition)>,
    /// By number in the region: where in `partitions`, `None` when another lane's.
    pub(crate) places: Vec<Option<usize>>,
    /// Whether each is to be joined.
    pub(crate) subscribed: Vec<bool>,
}

/// Every lane's partitions, allocated whole before the first packet.
///
/// # Errors
/// The host refuses a thread to make them on.
pub(crate) fn build(
    resolved: &Resolved,
    (ends, days, sessions): (&Ends, &[Day], &Record),
) -> Result<Vec<Built>, Failure> {
    let config = &resolved.config;
    let venues = venues(config);
    let engine = |number: usize, partition: &config::Partition| {
        let listed = venues.iter().find(|(venue, _)| *venue == partition.venue);
        let listed = listed.map_or_else(Arc::default, |(_, listed)| Arc::clone(listed));
        let begins = begins(resolved, days, partition.venue);
        let name = (partition.venue, partition.name);
        let map = (ends.of_venue(partition.venue), sessions.earlier(name, begins));
        let recovery = config.recovery_of(partition);
        let mut engine = engine_config(number as u16, partition, recovery, listed, map);
        engine.moved = resolved.moved(partition.venue).to_vec();
        engine.followed = sessions.since(name, begins);
        (number as u16, engine)
    };
    let own = |lane: usize| {
        let all = config.partitions.iter().enumerate();
        all.filter(move |(_, one)| usize::from(one.lane) == lane)
    };
    let made = thread::scope(|scope| {
        let start = |(index, lane): (usize, &config::Lane)| {
            let engines: Vec<_> = own(index)
                .filter(|(_, one)| !one.is_spare())
                .map(|(number, one)| engine(number, one))
                .collect();
            let (core, room) = (lane.core, own(index).count());
            let name = format!("build-{index}");
            thread::Builder::new().name(name).spawn_scoped(scope, move || {
                // Where that can't be had, the lane itself is refused it, and says so.
                let _ = core.map(on_core);
                let mut partitions = Vec::with_capacity(room);
                partitions.extend(engines.into_iter().map(|(at, own)| (at, Partition::new(own))));
                partitions
            })
        };
        let started: Vec<_> = config.lanes.iter().enumerate().map(start).collect();
        let refused = |error| Failure::host(format!("can't start a thread: {error}"));
        // A thread that panics aborts the process.
        let join = |one: std::io::Result<thread::ScopedJoinHandle<'_, _>>| {
            Ok(one.map_err(refused)?.join().unwrap_or_default())
        };
        started.into_iter().map(join).collect::<Result<Vec<_>, Failure>>()
    })?;
    let built = |(lane, partitions): (usize, Vec<(u16, Partition)>)| {
        let mut places = vec![None; config.partitions.len()];
        for (at, (number, _)) in partitions.iter().enumerate() {
            places[usize::from(*number)] = Some(at);
        }
        let mut subscribed = Vec::with_capacity(own(lane).count());
        subscribed
            .extend(own(lane).filter(|(_, one)| !one.is_spare()).map(|(_, one)| config.joins(one)));
        Built { partitions, places, subscribed }
    };
    Ok(made.into_iter().enumerate().map(built).collect())
}

/// The calling thread runs on this core alone.
///
/// # Errors
/// The kernel's.
pub(crate) fn on_core(core: u16) -> Result<(), rustix::io::Errno> {
    let mut set = CpuSet::new();
    set.set(usize::from(core));
    sched_setaffinity(None, &set)
}

/// Which partition each listed symbol is at home in, a table for each venue.
fn venues(config: &Config) -> Vec<(Venue, Arc<VenueSymbols>)> {
    let table = |venue: &Venue| (*venue, Arc::new(shape::listed(&config.partitions, *venue)));
    config.venues.iter().map(table).collect()
}

/// A partition's configuration in the engine's terms.
pub(crate) fn engine_config(
    number: u16,
    partition: &config::Partition,
    recovery: Option<&config::Recovery>,
    venue: Arc<VenueSymbols>,
    (mapped_until, earlier): (Mono, Vec<SessionId>),
) -> candor_engine::Config {
    let capacity = partition.capacity;
    candor_engine::Config {
        index: number,
        format: partition.feed,
        lines: std::array::from_fn(|line| partition.lines[line].is_some()),
        grace: partition.reorder_grace,
        // A line that restarts is followed by the others within two heartbeats.
        session_grace: partition.feed.heartbeat_interval() + partition.feed.heartbeat_interval(),
        services: recovery.map_or_else(candor_engine::Services::default, |recovery| {
            recovery.machine(partition.feed, &partition.services)
        }),
        silence: partition.silence,
        late: partition.late,
        capacity: Capacity {
            symbols: capacity.symbols as usize,
            orders: capacity.orders as usize,
            levels: capacity.levels as usize,
            trades: candor_core::limits::TRADES,
        },
        venue,
        mapped_until,
        earlier,
        followed: Vec::new(),
        moved: Vec::new(),
    }
}

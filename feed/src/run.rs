//! `candor run`: from a configuration to lanes that publish, until a signal says stop.
//!
//! Order matters. The configuration's day and cores are checked first, then the region's path is claimed,
//! so that a handler beside a living one is refused before it touches an interface; then interfaces,
//! privileges, sockets and the socket that takes commands. Whatever is refused up to here leaves nothing
//! behind. Only then is the region made, and only then do lanes start. On the way out, wherever it begins
//! from there on, every partition is unsubscribed, every lease ends, and the region says that its writer
//! is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use candor_core::status::Scope;
use candor_core::symbol::Text;
use candor_core::{Mono, Proof, Reason, Status, Symbol, promote};
use candor_engine::{Capacity, Partition, VenueSymbols};
use candor_shm::{
    CreateError, Endpoint, HandlerWriter, LaneWriter, PartitionSpec, Region, RegionSpec,
};
use crossbeam_queue::ArrayQueue;

use crate::clock::{self, Clock};
use crate::config::{self, AfXdpConfig, Checksums, Config, SourceKind};
use crate::control::Listener;
use crate::control::inbox::Inbox;
use crate::control::serve::Server;
use crate::day::Day;
use crate::doctor;
use crate::exit::{Exit, Failure};
use crate::halt::{self, record::Place};
use crate::lane::Lane;
use crate::log::Log;
use crate::privilege;
use crate::publish::{Claim, Links};
use crate::recovery;
use crate::source::{self, Source};
use crate::watch::{self, Keeper};

/// Claims an inbox holds. More than that many symbols on wrong partitions at once say more about
/// the configuration than about any symbol.
const INBOX: usize = 4_096;

/// Runs the handler until SIGINT or SIGTERM.
///
/// # Errors
/// A [`Failure`] that says what was refused or broke. Nothing of the handler is left behind then, but for
/// the region where that was made already: it says that its writer is gone, as after any end.
pub fn run(config: &Config) -> Result<Exit, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    signals(&stop)?;
    privilege::require_open_files(config)?;
    let day = Day::of(config, clock::wall())?;
    doctor::refuse_cores(config)?;
    // What is halted is known, or nothing starts.
    let halts = Place::of(config.handler.state.as_deref(), &config.handler.region);
    halts.read()?;
    let claim = candor_shm::claim(&config.handler.region).map_err(refuse_region)?;
    let opened = source::open(config)?;
    for refused in &opened.refused {
        tracing::warn!("{refused}");
    }
    let group = config.handler.group.as_deref().map(group).transpose()?;
    let listener = Listener::open(&config.handler.control, group)?;
    let recovery = recovery::open(config)?;
    let spec = spec(config, day, group)?;
    let (mut handler, writers) = claim.create(&spec).map_err(refuse_region)?;
    // Its file is there now: whoever halts gives the record to its owner.
    let halts = Place::of(config.handler.state.as_deref(), &config.handler.region);
    let made = Made { handler: &mut handler, writers, opened, listener, recovery, day, halts };
    let ended = work(config, made, &stop);
    handler.retire(Clock::new().now());
    tracing::info!("stopped; every symbol is stale");
    ended
}

/// What a handler works with from the moment its region is there.
struct Made<'a> {
    handler: &'a mut HandlerWriter,
    writers: Vec<LaneWriter>,
    opened: source::Opened,
    listener: Listener,
    recovery: Option<recovery::Opened>,
    day: Day,
    halts: Place,
}

/// Starts the lanes and keeps them until told to stop. None of them runs when this returns, and nothing
/// is subscribed.
fn work(config: &Config, made: Made<'_>, stop: &Arc<AtomicBool>) -> Result<Exit, Failure> {
    let Made { handler, mut writers, opened, listener, recovery, day, halts } = made;
    for (index, lane) in opened.lanes.iter().enumerate() {
        handler.set_mode(index as u16, lane.mode());
        tracing::info!(lane = index, mode = lane.mode(), "receiving");
    }
    if let SourceKind::AfXdp(AfXdpConfig { checksums: Checksums::Trust, .. }) = config.source.kind {
        tracing::warn!(
            "checksums = \"trust\": what was damaged on the way is applied, live and wrong; \
             udp_unverified stays 0, since nothing is looked at"
        );
    }
    let region = own_region(config, handler)?;
    // Before any lane begins. The record is read again: from here on whoever halts finds this region.
    halt::keep::begin(&halts, handler, &mut writers, &region, Clock::new().now())?;
    let halts = halt::keep::Watch::new(halts, &region);
    let inboxes: Vec<_> = config.lanes.iter().map(|_| Arc::new(ArrayQueue::new(INBOX))).collect();
    let owner = |partition: &config::Partition| Arc::clone(&inboxes[usize::from(partition.lane)]);
    let orders: Vec<_> = config.lanes.iter().map(|_| Arc::new(Inbox::new())).collect();
    let links = Links::new(config.partitions.iter().map(owner).collect(), Arc::new(Log::new()));
    let failed = Arc::new(AtomicBool::new(false));
    let mut clock = Clock::new();
    let day_ends = clock.now() + day.left(clock::wall());
    let ways = Ways { inboxes: &inboxes, orders: &orders, recovery: recovery.as_ref() };
    let lanes = lanes(config, opened.lanes, writers, &ways, &links, day_ends, stop);
    let recovery = recovery.map(recovery::Opened::start).transpose()?;
    let started = start(config, lanes, stop, &failed);
    let kept = started.and_then(|threads| {
        handler.set_status(handler_status(), clock.now());
        tracing::info!(
            region = %config.handler.region.display(),
            generation = handler.generation(),
            partitions = config.partitions.len(),
            "running"
        );
        let (watch, joins, links) = (opened.watch, opened.joins, &links);
        let keeper = Keeper { config, handler, region, watch, joins, links, day, halts };
        let kept = keeper.run(Server::new(listener, orders), stop);
        join(threads);
        kept
    });
    if let Some(recovery) = recovery {
        recovery.stop();
    }
    links.log.write(|partition| watch::name(config, partition));
    if failed.load(Ordering::Relaxed) {
        return Err(Failure::host("a lane's source failed; see the log above"));
    }
    kept.map(|()| Exit::Ok)
}

/// The region as any reader finds it, which is watched from here on: the one just made, and no other.
fn own_region(config: &Config, handler: &HandlerWriter) -> Result<Region, Failure> {
    let path = &config.handler.region;
    let region = Region::open(path)
        .map_err(|error| Failure::host(format!("can't read the region just made: {error}")))?;
    if handler.is_of(&region) {
        return Ok(region);
    }
    Err(Failure::host(format!(
        "{}: another file was put in the place of the region just made; find out who did that, see that \
         one handler has the path, and start it again",
        path.display()
    )))
}

/// Starts a thread for each lane. Where the host refuses one, those that run already are ended.
fn start(
    config: &Config,
    lanes: Vec<Lane>,
    stop: &Arc<AtomicBool>,
    failed: &Arc<AtomicBool>,
) -> Result<Vec<JoinHandle<()>>, Failure> {
    let mut threads = Vec::with_capacity(lanes.len());
    for lane in lanes {
        let core = config.lanes[lane.index].core;
        let (stops, failed) = (Arc::clone(stop), Arc::clone(failed));
        let thread = thread::Builder::new()
            .name(format!("lane-{}", lane.index))
            .spawn(move || live(lane, core, &stops, &failed));
        match thread {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                stop.store(true, Ordering::Relaxed);
                join(threads);
                return Err(Failure::host(format!("can't start a lane's thread: {error}")));
            }
        }
    }
    Ok(threads)
}

/// Waits for lanes that have been told to stop.
fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        // A lane that panics aborts the process: there is nothing to collect from one.
        let _ = thread.join();
    }
}

/// What signals do: two of them stop the handler, and one must not kill it.
fn signals(stop: &Arc<AtomicBool>) -> Result<(), Failure> {
    use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
    // Whoever writes a file beyond its size limit, a full log among them, gets an error behind the
    // signal, and has time to clean up. Nobody reads this flag.
    let flags =
        [(SIGINT, Arc::clone(stop)), (SIGTERM, Arc::clone(stop)), (SIGXFSZ, Arc::default())];
    for (signal, flag) in flags {
        signal_hook::flag::register(signal, flag)
            .map_err(|error| Failure::host(format!("can't watch signal {signal}: {error}")))?;
    }
    Ok(())
}

/// What the handler says of itself as a whole. The configuration is the map of the day: it was read
/// whole, and its digest is in the region.
#[must_use]
pub fn handler_status() -> Status {
    let proof = Proof::NOTHING
        .rule_out_scope(Scope::Partition)
        .rule_out_scope(Scope::Symbol)
        .rule_out(Reason::Halted, true)
        .rule_out(Reason::NoMap, true)
        .rule_out(Reason::NotAttested, true)
        .left_to_reader();
    promote(&proof)
}

fn live(lane: Lane, core: Option<u16>, stop: &AtomicBool, failed: &AtomicBool) {
    let index = lane.index;
    if let Some(core) = core {
        let mut set = rustix::thread::CpuSet::new();
        set.set(usize::from(core));
        if let Err(error) = rustix::thread::sched_setaffinity(None, &set) {
            tracing::error!(lane = index, core, %error, "can't pin the lane to its core");
            failed.store(true, Ordering::Relaxed);
            stop.store(true, Ordering::Relaxed);
            return;
        }
    }
    if let Err(error) = lane.run() {
        tracing::error!(lane = index, %error, "the lane stops; its partitions are stale");
        failed.store(true, Ordering::Relaxed);
        stop.store(true, Ordering::Relaxed);
    }
}

/// What leads to the lanes, one of each.
struct Ways<'a> {
    inboxes: &'a [Arc<ArrayQueue<Claim>>],
    orders: &'a [Arc<Inbox>],
    recovery: Option<&'a recovery::Opened>,
}

/// Every lane with its partitions, allocated whole before the first packet.
fn lanes(
    config: &Config,
    sources: Vec<Box<dyn Source>>,
    writers: Vec<LaneWriter>,
    ways: &Ways<'_>,
    links: &Links,
    day_ends: Mono,
    stop: &Arc<AtomicBool>,
) -> Vec<Lane> {
    let venues = venues(config);
    let mut lanes = Vec::with_capacity(sources.len());
    for (index, (source, writer)) in sources.into_iter().zip(writers).enumerate() {
        let mut partitions = Vec::new();
        let mut subscribed = Vec::new();
        let mut places = vec![None; config.partitions.len()];
        for (number, partition) in config.partitions.iter().enumerate() {
            if usize::from(partition.lane) != index {
                continue;
            }
            places[number] = Some(partitions.len());
            let recovery = config.recovery_of(partition);
            let engine = engine_config(number as u16, partition, recovery, &venues, day_ends);
            partitions.push((number as u16, Partition::new(engine)));
            subscribed.push(partition.subscribe);
        }
        lanes.push(Lane {
            index,
            source,
            writer,
            partitions,
            subscribed,
            places,
            inbox: Arc::clone(&ways.inboxes[index]),
            orders: Arc::clone(&ways.orders[index]),
            recovery: ways.recovery.and_then(|recovery| recovery.mailbox(index)),
            links: links.clone(),
            lease: config.handler.process_lease,
            day_ends,
            idle: config.lanes[index].idle,
            stop: Arc::clone(stop),
        });
    }
    lanes
}

/// Which partition each listed symbol is at home in, a table for each venue.
fn venues(config: &Config) -> Vec<(candor_core::Venue, Arc<VenueSymbols>)> {
    let table = |venue: &candor_core::Venue| {
        let listed: Vec<(Symbol, u16)> = config
            .partitions
            .iter()
            .enumerate()
            .filter(|(_, partition)| partition.venue == *venue)
            .flat_map(|(number, partition)| {
                partition.symbols.iter().map(move |symbol| (*symbol, number as u16))
            })
            .collect();
        (*venue, Arc::new(VenueSymbols::new(listed)))
    };
    config.venues.iter().map(table).collect()
}

/// A partition's configuration in the engine's terms.
fn engine_config(
    number: u16,
    partition: &config::Partition,
    recovery: Option<&config::Recovery>,
    venues: &[(candor_core::Venue, Arc<VenueSymbols>)],
    mapped_until: Mono,
) -> candor_engine::Config {
    let venue = venues
        .iter()
        .find(|(venue, _)| *venue == partition.venue)
        .map_or_else(Arc::default, |(_, symbols)| Arc::clone(symbols));
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
    }
}

/// The region a configuration asks for.
fn spec(config: &Config, day: Day, group: Option<u32>) -> Result<RegionSpec, Failure> {
    let name = Text::from_wire(config.handler.name.as_str().as_bytes())
        .ok_or_else(|| Failure::config("the handler has no name"))?;
    let mut spec = RegionSpec::new(name);
    spec.trading_date = day.date();
    spec.process_lease = config.handler.process_lease;
    spec.config_digest = config.digest;
    spec.group = group;
    spec.state_folder = config.handler.state.clone();
    spec.lanes = config.lanes.len() as u16;
    for partition in &config.partitions {
        spec.partitions.push(PartitionSpec {
            venue: partition.venue,
            name: partition.name,
            feed: Text::from_wire(partition.feed.name().as_bytes()).unwrap_or_default(),
            lane: partition.lane,
            symbols: partition.capacity.symbols,
            silence: partition.silence,
            decimals: partition.feed.decimals(),
            lines: std::array::from_fn(|line| {
                let line = partition.lines[line].as_ref()?;
                Some(Endpoint { group: line.group.octets(), port: line.port })
            }),
        });
    }
    Ok(spec)
}

/// A group's number, by the host's own list.
pub(crate) fn group(name: &str) -> Result<u32, Failure> {
    let list = std::fs::read_to_string("/etc/group")
        .map_err(|error| Failure::host(format!("/etc/group: {error}")))?;
    list.lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            (fields.next()? == name).then(|| fields.nth(1)?.parse().ok())?
        })
        .next()
        .ok_or_else(|| Failure::config(format!("handler.group: this host has no group `{name}`")))
}

pub(crate) fn refuse_region(error: CreateError) -> Failure {
    let text = error.to_string();
    match error {
        CreateError::System { .. } | CreateError::NoRoom { .. } => Failure::host(text),
        CreateError::NotPermitted { .. }
        | CreateError::NotOurs { .. }
        | CreateError::FileLimit { .. } => Failure::privilege(text),
        _ => Failure::config(text),
    }
}

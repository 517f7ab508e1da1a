//! `candor run`: from a configuration to lanes that publish, until a signal says stop.
//!
//! Order matters. The configuration's day and cores are checked first, then the region's path is claimed,
//! so that a handler beside a living one is refused before it touches an interface; then what lanes keep is made,
//! which may take seconds; then interfaces,
//! privileges, sockets and the socket that takes commands. Whatever is refused up to here leaves nothing
//! behind. Only then is the region made, and only then do lanes start. On the way out, wherever it begins
//! from there on, every partition is unsubscribed, every lease ends, and the region says that its writer
//! is gone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use candor_core::limits::LINES;
use candor_core::status::Scope;
use candor_core::symbol::Text;
use candor_core::{Mono, Nanos, Proof, Reason, Status, TradingDate, Venue, promote};
use candor_journal::Fields;
use candor_maps::calendar::Wall;
use candor_shm::{
    CreateError, Endpoint, HandlerWriter, InForce, LaneWriter, PartitionSpec, Region, RegionSpec,
};
use crossbeam_queue::ArrayQueue;

use crate::alert::{Desk, Sinks};
use crate::attest::own::Attest;
use crate::attest::{Digests, Verdict};
use crate::clock::{self, Clock};
use crate::config::{self, AfXdpConfig, Checksums, Config, SourceKind};
use crate::control::Listener;
use crate::control::inbox::Inbox;
use crate::control::serve::Server;
use crate::daily::handover::Way;
use crate::daily::taken::put_by;
use crate::daily::taking::Taker;
use crate::daily::thread::Thread as MapsThread;
use crate::daily::{self, Resolved, Start};
use crate::day::Day;
use crate::doctor;
use crate::exit::{Exit, Failure};
use crate::halt::{self, record::Place};
use crate::journal::{self, Journal, follow::Follow, halts::Halts};
use crate::lane::Lane;
use crate::lane::build::{Built, build, on_core};
use crate::log::Log;
use crate::morning::Mornings;
use crate::preopen::lately::Lately;
use crate::privilege;
use crate::publish::{Foreign, Links};
use crate::records::Records;
use crate::recovery;
use crate::requests;
use crate::sessions::Record;
use crate::source::{self, Source, udp};
use crate::stderr::Lines;
use crate::watch::{self, Keeper, Strays};

/// Claims an inbox holds. More than that many symbols on wrong partitions at once say more about
/// the configuration than about any symbol.
const INBOX: usize = 4_096;

/// Runs the handler until SIGINT or SIGTERM. `lines` get a line of JSON for each alert that begins or is over.
///
/// # Errors
/// A [`Failure`] that says what was refused or broke. Nothing of the handler is left behind then, but for
/// the region where that was made already: it says that its writer is gone, as after any end.
pub fn run(config: &Config, lines: Option<&Lines>) -> Result<Exit, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    signals(&stop)?;
    let days = Day::of(config, clock::wall())?;
    // From here on the configuration has the partitions of the maps as well.
    let looked = (Wall(clock::wall()), Clock::new().now());
    let resolved = daily::resolve(config, looked.0)?;
    let config = &resolved.config;
    config.require_rest()?;
    privilege::require_open_files(config)?;
    doctor::refuse_cores(config)?;
    // What is halted is known, or nothing starts.
    let halts = Place::of(config.handler.state.as_deref(), &config.handler.region);
    halts.read()?;
    let claim = candor_shm::claim(&config.handler.region).map_err(refuse_region)?;
    // So is what was heard before the date began; of a handler that was still ending, with the last of it.
    let sessions = Record::read(config)?;
    let ends = Ends::of(&resolved, &days, &mut Clock::new());
    // Before anything is joined that nobody would look at meanwhile.
    let built = build(&resolved, (&ends, &days, &sessions))?;
    let opened = source::open(config)?;
    watch::tell_lines(config);
    for refused in &opened.refused {
        tracing::warn!("{refused}");
    }
    let group = config.handler.group.as_deref().map(group).transpose()?;
    let listener = Listener::open(&config.handler.control, group)?;
    let mut recovery = recovery::open(config, &resolved.places)?;
    let requests = recovery.as_mut().map(|recovery| {
        let record = requests::Record::read(config);
        let begins = |venue| begins(&resolved, &days, venue);
        recovery.remember(&record, begins, clock::wall());
        requests::Opened { record, tallies: recovery.tallies() }
    });
    let own = Digests::own(config.digest);
    let spec = spec(config, &days, (&resolved.starts, &own), group)?;
    let (mut handler, writers) = claim.create(&spec).map_err(refuse_region)?;
    // Its file is there now: whoever halts gives the record to its owner.
    let halts = Place::of(config.handler.state.as_deref(), &config.handler.region);
    let (journal, ending) = Journal::start(config, spec.trading_date, group);
    let recorder = &journal;
    let made = Made {
        handler: &mut handler,
        writers,
        opened,
        built,
        ends,
        listener,
        recovery,
        days,
        halts,
        recorder,
        own,
        looked,
        sessions,
        requests,
        lines: lines.cloned(),
    };
    let ended = work(&resolved, made, &stop);
    handler.retire(Clock::new().now());
    let why = ended.as_ref().err().map_or("told to".to_owned(), ToString::to_string);
    journal.record("stop", Fields::new().text("why", why));
    drop(journal);
    ending.wait();
    tracing::info!("stopped; every symbol is stale");
    ended
}

/// What a handler works with from the moment its region is there.
struct Made<'a> {
    handler: &'a mut HandlerWriter,
    writers: Vec<LaneWriter>,
    opened: source::Opened,
    built: Vec<Built>,
    ends: Ends,
    listener: Listener,
    recovery: Option<recovery::Opened>,
    days: Vec<Day>,
    halts: Place,
    recorder: &'a Journal,
    /// What this process is, by its digests.
    own: Digests,
    /// What time it was as the maps were looked up.
    looked: (Wall, Mono),
    /// What handlers before this one have followed.
    sessions: Record,
    requests: Option<requests::Opened>,
    lines: Option<Lines>,
}

/// Starts the lanes and keeps them until told to stop. None of them runs when this returns, and nothing
/// is subscribed.
fn work(resolved: &Resolved, made: Made<'_>, stop: &Arc<AtomicBool>) -> Result<Exit, Failure> {
    let config = &resolved.config;
    let Made { handler, mut writers, opened, built, ends, listener, recovery, days, halts, .. } =
        made;
    let (recorder, own, lines, sessions) = (made.recorder, made.own, made.lines, made.sessions);
    let (looked, requests) = (made.looked, made.requests);
    tell_modes(config, handler, &opened);
    let region = own_region(config, handler)?;
    // Before any lane begins. The record is read again: from here on whoever halts finds this region.
    halt::keep::begin(&halts, handler, &mut writers, &region, Clock::new().now())?;
    let attest = Attest::start(config.attest.as_ref(), own, resolved.in_force(), stop)?;
    journal::start::begin(recorder, config, &region, (&halts, &attest));
    begin_venues((handler, recorder), resolved, &days, Clock::new().now());
    let mut follow = Follow::new(recorder.clone(), config, &region);
    let inboxes: Vec<_> = config.lanes.iter().map(|_| Arc::new(ArrayQueue::new(INBOX))).collect();
    let owner = |partition: &config::Partition| Arc::clone(&inboxes[usize::from(partition.lane)]);
    let orders: Vec<_> = config.lanes.iter().map(|_| Arc::new(Inbox::new())).collect();
    let links = Links::new(config.partitions.iter().map(owner).collect(), Arc::new(Log::new()));
    let followed = Halts::new(&halts, region.clone(), links.clone());
    let failed = Arc::new(AtomicBool::new(false));
    let mut clock = Clock::new();
    let maps: Vec<_> = config.lanes.iter().map(|_| Arc::new(Way::new())).collect();
    let ways =
        Ways { inboxes: &inboxes, orders: &orders, maps: &maps, recovery: recovery.as_ref() };
    let lanes =
        lanes(resolved, (opened.lanes, built), writers, &ways, &links, (&ends, &days), stop);
    let adder = recovery.as_ref().map(recovery::Opened::adder);
    let (taker, maps_thread) = maps_of(
        (resolved, looked),
        &region,
        (maps, adder, opened.sockets),
        stop,
        (recorder, &sessions),
    );
    let (overlays, revised) = mpsc::channel();
    let maps_thread = maps_thread.map(|mut thread| {
        thread.send_overlays(overlays);
        thread
    });
    // Before any lane runs, so that none is left behind where it can't be had.
    maps_thread.map(start_maps).transpose()?;
    let recovery = recovery.map(recovery::Opened::start).transpose()?;
    let (errands, clerk) = halt::clerk::open(&halts, handler.switch(), region.clone());
    journal::verbs::start(config, recorder.clone(), (followed, clerk), stop)?;
    let mut records = Records::start(sessions, requests, recorder.alerts().clone())?;
    let started = start(config, lanes, stop, &failed);
    let kept = started.and_then(|threads| {
        let standing = attest.declare(handler, clock.now(), recorder);
        tell_running(config, handler);
        let (watch, joins, links) = (opened.watch, opened.joins, &links);
        let config = Arc::new(config.clone());
        let (region, follow) = (region.clone(), &mut follow);
        let (mornings, overdue, mapped) = (Mornings::new(&config, revised), false, true);
        let desk = Desk::new(&config, Sinks::of(&config, recorder, lines));
        let unmapped = Strays::default();
        let heard = Lately::new(&region);
        let keeper = Keeper {
            config,
            handler,
            region,
            watch,
            joins,
            links,
            days,
            errands,
            records: &mut records,
            follow,
            mornings,
            overdue,
            mapped,
            attest,
            standing,
            desk,
            heard,
            unmapped,
        };
        let kept = keeper.run(Server::new(listener, orders), taker, stop);
        stop.store(true, Ordering::Relaxed);
        join(threads);
        kept
    });
    if let Some(recovery) = recovery {
        recovery.stop();
    }
    records.end(&region, clock.now());
    watch::write_log(config, &links, &region, &mut follow);
    follow.look(config, &region, clock.now());
    if failed.load(Ordering::Relaxed) {
        return Err(Failure::host("a lane's source failed; see the log above"));
    }
    kept.map(|()| Exit::Ok)
}

/// Says how each lane receives.
fn tell_modes(config: &Config, handler: &mut HandlerWriter, opened: &source::Opened) {
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
}

fn tell_running(config: &Config, handler: &HandlerWriter) {
    let (region, generation) = (config.handler.region.display(), handler.generation());
    tracing::info!(%region, generation, partitions = config.partitions.len(), "running");
}

/// Says, and records, which date and map of each venue are in force at the start.
fn begin_venues(
    (handler, recorder): (&mut HandlerWriter, &Journal),
    resolved: &Resolved,
    days: &[Day],
    now: Mono,
) {
    for start in &resolved.starts {
        let fields = journal::start::in_force(start.venue, start.date, &start.pointer.digest);
        let fields = put_by(fields.text("taken", "start"), &start.pointer);
        recorder.record("map", fields.flag("in_force", start.until.is_some()));
    }
    for (venue, in_force) in resolved.in_force() {
        handler.set_in_force(&venue, Some(&in_force), now);
    }
    for day in days {
        // The configuration is their map; its digest is the handler's.
        let in_force = InForce { date: day.date(), digest: [0; 32] };
        handler.set_in_force(&day.venue(), Some(&in_force), now);
    }
}

/// The maps' thread and the handler's own thread's end of it; neither where every partition is the
/// configuration's.
fn maps_of(
    (resolved, looked): (&Resolved, (Wall, Mono)),
    region: &Region,
    (ways, adder, sockets): (Vec<Arc<Way>>, Option<recovery::Adder>, Option<udp::Sockets>),
    stop: &Arc<AtomicBool>,
    (recorder, sessions): (&Journal, &Record),
) -> (Option<Taker>, Option<MapsThread>) {
    if resolved.config.mapped.is_empty() {
        return (None, None);
    }
    let ((to, jobs), (done, from)) = (mpsc::channel(), mpsc::channel());
    let receive_buffer = match resolved.config.source.kind {
        SourceKind::Udp { receive_buffer } => receive_buffer,
        SourceKind::AfXdp(_) => 0,
    };
    let under_way = None;
    let taker = Taker { jobs, done, ways, adder, sockets, receive_buffer, under_way };
    let mut clock = Clock::new();
    let thread = MapsThread::new(
        (resolved.clone(), looked),
        region.clone(),
        (to, from),
        Arc::clone(stop),
        Box::new(move || (Wall(clock::wall()), clock.now())),
        (recorder.clone(), sessions.clone()),
    );
    (Some(taker), Some(thread))
}

/// Starts the maps' thread. It is not waited for at the end: it may wait for a command that fetches a map, and
/// nothing of the handler's depends on it then.
fn start_maps(thread: MapsThread) -> Result<(), Failure> {
    let started = thread::Builder::new().name("maps".to_owned()).spawn(move || thread.run());
    let refused = |error| Failure::host(format!("can't start the maps' thread: {error}"));
    started.map(drop).map_err(refused)
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

/// What the handler says of itself as a whole: Live while there is a map for the date (`mapped`: where it lists its
/// partitions the configuration is that map), and what runs is what was attested or nothing must be.
#[must_use]
pub fn handler_status(mapped: bool, attested: &Verdict) -> Status {
    let proof = Proof::NOTHING
        .rule_out_scope(Scope::Partition)
        .rule_out_scope(Scope::Symbol)
        .rule_out(Reason::Halted, true)
        .rule_out(Reason::NoMap, mapped)
        .rule_out(Reason::NotAttested, attested.holds())
        .left_to_reader();
    promote(&proof)
}

fn live(lane: Lane, core: Option<u16>, stop: &AtomicBool, failed: &AtomicBool) {
    let index = lane.index;
    if let Some(core) = core
        && let Err(error) = on_core(core)
    {
        tracing::error!(lane = index, core, %error, "can't pin the lane to its core");
        failed.store(true, Ordering::Relaxed);
        stop.store(true, Ordering::Relaxed);
        return;
    }
    if let Err(error) = lane.run() {
        tracing::error!(lane = index, %error, "the lane stops; its partitions are stale");
        failed.store(true, Ordering::Relaxed);
        stop.store(true, Ordering::Relaxed);
    }
}

/// What leads to the lanes, one of each.
struct Ways<'a> {
    inboxes: &'a [Arc<ArrayQueue<Foreign>>],
    orders: &'a [Arc<Inbox>],
    maps: &'a [Arc<Way>],
    recovery: Option<&'a recovery::Opened>,
}

/// Every lane with its partitions.
fn lanes(
    resolved: &Resolved,
    (sources, built): (Vec<Box<dyn Source>>, Vec<Built>),
    writers: Vec<LaneWriter>,
    ways: &Ways<'_>,
    links: &Links,
    (ends, days): (&Ends, &[Day]),
    stop: &Arc<AtomicBool>,
) -> Vec<Lane> {
    let config = &resolved.config;
    let mut lanes = Vec::with_capacity(sources.len());
    let all = sources.into_iter().zip(writers).zip(built).enumerate();
    for (index, ((source, mut writer), built)) in all {
        for (number, _) in &built.partitions {
            let venue = config.partitions[usize::from(*number)].venue;
            let own = days.iter().find(|day| day.venue() == venue).map(Day::date);
            if let Some(date) = resolved.date_of(venue).or(own) {
                writer.date(*number, date);
            }
        }
        lanes.push(Lane {
            index,
            source,
            writer,
            partitions: built.partitions,
            subscribed: built.subscribed,
            places: built.places,
            inbox: Arc::clone(&ways.inboxes[index]),
            orders: Arc::clone(&ways.orders[index]),
            maps: Arc::clone(&ways.maps[index]),
            recovery: ways.recovery.and_then(|recovery| recovery.mailbox(index)),
            links: links.clone(),
            lease: config.handler.process_lease,
            day_ends: ends.lanes,
            idle: config.lanes[index].idle,
            stop: Arc::clone(stop),
        });
    }
    lanes
}

/// When the trading date under way at a venue began.
pub(crate) fn begins(resolved: &Resolved, days: &[Day], venue: Venue) -> Option<Wall> {
    let own = days.iter().find(|day| day.venue() == venue).map(Day::begins);
    resolved.begins(venue).or(own)
}

/// The region a configuration asks for.
fn spec(
    config: &Config,
    days: &[Day],
    (starts, own): (&[Start], &Digests),
    group: Option<u32>,
) -> Result<RegionSpec, Failure> {
    let name = Text::from_wire(config.handler.name.as_str().as_bytes())
        .ok_or_else(|| Failure::config("the handler has no name"))?;
    let mut spec = RegionSpec::new(name);
    let first = starts.first().map(|start| start.date);
    spec.trading_date = days.first().map(Day::date).or(first).unwrap_or(TradingDate(0));
    spec.process_lease = config.handler.process_lease;
    spec.config_digest = config.digest;
    spec.binary_digest = own.binary.as_ref().copied().unwrap_or_default();
    spec.group = group;
    spec.state_folder = config.handler.state.clone();
    spec.lanes = config.lanes.len() as u16;
    spec.venues.clone_from(&config.venues);
    spec.partitions = config.partitions.iter().map(partition_spec).collect();
    Ok(spec)
}

/// What readers are told of a partition; of a place for one that a later map adds, its room alone.
pub(crate) fn partition_spec(partition: &config::Partition) -> PartitionSpec {
    if partition.is_spare() {
        return PartitionSpec::spare(partition.lane, partition.capacity.symbols);
    }
    PartitionSpec {
        venue: partition.venue,
        name: partition.name,
        feed: Text::from_wire(partition.feed.name().as_bytes()).unwrap_or_default(),
        lane: partition.lane,
        symbols: partition.capacity.symbols,
        silence: partition.silence,
        decimals: partition.feed.decimals(),
        lines: endpoints(partition),
    }
}

/// Where a partition's lines are received, as readers are told.
pub(crate) fn endpoints(partition: &config::Partition) -> [Option<Endpoint>; LINES] {
    std::array::from_fn(|line| {
        let line = partition.lines[line].as_ref()?;
        Some(Endpoint { group: line.group.octets(), port: line.port })
    })
}

/// When the maps end that a handler starts with.
pub(crate) struct Ends {
    /// The lanes': where every partition is the configuration's, no lease reaches beyond its day whatever
    /// becomes of the partitions.
    lanes: Mono,
    venues: Vec<(Venue, Mono)>,
}

impl Ends {
    fn of(resolved: &Resolved, days: &[Day], clock: &mut Clock) -> Ends {
        let (now, wall) = (clock.now(), clock::wall());
        let day = |venue| {
            let day = days.iter().find(|day| day.venue() == venue);
            day.map(|day| now + day.left(wall))
        };
        let of = |venue: &Venue| {
            let start = resolved.starts.iter().find(|start| start.venue == *venue);
            let until = start.map(|start| {
                let ends = start.until.filter(|ends| ends.0 > wall);
                ends.map_or(Mono::NEVER, |ends| now + Nanos(ends.0 - wall))
            });
            (*venue, until.or_else(|| day(*venue)).unwrap_or(Mono::NEVER))
        };
        let venues: Vec<_> = resolved.config.venues.iter().map(of).collect();
        let last = venues.iter().map(|(_, until)| *until).max();
        let lanes = last.filter(|_| resolved.starts.is_empty()).unwrap_or(Mono::MAX);
        Ends { lanes, venues }
    }

    pub(crate) fn of_venue(&self, venue: Venue) -> Mono {
        let found = self.venues.iter().find(|(own, _)| *own == venue);
        found.map_or(Mono::NEVER, |(_, until)| *until)
    }
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

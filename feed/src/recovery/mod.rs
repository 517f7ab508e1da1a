//! What a partition does that misses messages, made real: the way from its lane to one thread with
//! sockets, and back.
//!
//! ```text
//!  lane 0 ── wishes ──►┐                          ┌─► venue's desk ─► clients ─► sockets
//!  lane 1 ── wishes ──►┴─ the recovery thread ────┤   (an agent of candor_services a venue)
//!     ▲                                           └─► ...
//!     └── replies and buffers, a pool each ◄── what the services answer
//! ```
//!
//! A lane decides what is asked for and what an answer is worth (`candor_engine`); the thread decides
//! when it may be asked for and knows how (`candor_services`). Between them are bounded queues: a lane
//! never waits for a service, allocates nothing, and makes a system call only to wake the thread, which
//! is only where that sleeps. A lane that is slow holds up no other: its own buffers run out, and then
//! its sockets are not read until it gives some back.

mod bell;
#[cfg(test)]
pub(crate) mod by_hand;
mod lost;
mod post;
mod seat;
mod sockets;
#[cfg(test)]
mod tests;
mod thread;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use candor_core::{Mono, Nanos, Venue};
use candor_maps::calendar::Wall;
use candor_services::agent::{Agent, Sent};
use candor_services::retransmit::Unsupported;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;

use crate::clock::Clock;
use crate::config::{Config, Partition, Recovery};
use crate::daily::Place;
use crate::exit::Failure;
use crate::requests::{Record, Tally};
pub(crate) use post::{Mailbox, WARM_WAIT, What, messages};
use post::{Post, Wishes};
use seat::{Down, Seat, Service};
use sockets::{Datagrams, Key, Wire};
use thread::{Desk, Thread};

/// Everything of recovery, its sockets open and its thread not started.
pub(crate) struct Opened {
    thread: Thread,
    wishes: Arc<Wishes>,
    posts: Vec<Arc<Post>>,
    stop: Arc<AtomicBool>,
    adder: Adder,
}

/// Adds the services of partitions that a map adds while recovery is at work.
#[derive(Clone)]
pub(crate) struct Adder {
    to: mpsc::Sender<(u16, Partition)>,
    wishes: Arc<Wishes>,
}

impl Adder {
    /// Adds a partition in its place, before its lane has it.
    pub(crate) fn add(&self, number: u16, partition: &Partition) {
        // Where the thread is gone the handler ends.
        let _ = self.to.send((number, partition.clone()));
        self.wishes.bell.ring();
    }
}

/// Recovery at work.
pub(crate) struct Running {
    thread: std::thread::JoinHandle<()>,
    wishes: Arc<Wishes>,
    /// Kept until the lanes are gone: none of them frees what is left of it.
    _posts: Vec<Arc<Post>>,
    stop: Arc<AtomicBool>,
}

/// Opens what the configured services need; `None` where there are none.
///
/// # Errors
/// Naming the address, or the limit that is too low.
pub(crate) fn open(config: &Config, places: &[Place]) -> Result<Option<Opened>, Failure> {
    let served = |partition: &Partition| partition.is_spare() || !partition.services.is_empty();
    if !config.partitions.iter().any(served) {
        return Ok(None);
    }
    let no_epoll = |error: Errno| Failure::host(format!("can't make an epoll: {error}"));
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(no_epoll)?;
    let bell = |error: Errno| Failure::host(format!("can't make an eventfd: {error}"));
    let wishes = Arc::new(Wishes::new(config.partitions.len()).map_err(bell)?);
    epoll::add(&epoll, &wishes.bell, EventData::new_u64(Key::BELL), EventFlags::IN)
        .map_err(bell)?;
    let of = |lane| config.partitions.iter().filter(|p| usize::from(p.lane) == lane).count();
    let posts: Vec<_> = (0..config.lanes.len()).map(|lane| Arc::new(Post::new(of(lane)))).collect();
    let mut homes = vec![None; config.partitions.len()];
    let mut desks = Vec::new();
    for (venue, recovery) in config.venues.iter().zip(&config.recovery) {
        let mut clients = Vec::new();
        let mut seats = Vec::new();
        let number = desks.len() as u16;
        for (index, partition) in (0u16..).zip(&config.partitions) {
            let own = places.get(usize::from(index)).is_some_and(|place| place.venue == *venue);
            if !own || !served(partition) {
                continue;
            }
            let at = seats.len() as u16;
            homes[usize::from(index)] = Some((number, at));
            let unsupported = |error: Unsupported| Failure::config(error.to_string());
            let own = recovery.clients(partition.feed, &partition.services).map_err(unsupported)?;
            clients.push(own);
            seats.push(seat(&epoll, (number, at), index, partition, recovery)?);
        }
        if !seats.is_empty() {
            let agent = Agent::new(recovery.agent(), clients);
            desks.push(Desk::new(*venue, agent, seats, recovery.clone()));
        }
    }
    let stop = Arc::new(AtomicBool::new(false));
    let (to, added) = mpsc::channel();
    let adder = Adder { to, wishes: Arc::clone(&wishes) };
    let thread = Thread {
        clock: Clock::new(),
        wishes: Arc::clone(&wishes),
        posts: posts.clone(),
        homes,
        desks,
        epoll,
        buffer: Thread::buffer(),
        trouble: Vec::new(),
        said_at: Mono::NEVER,
        unsaid: false,
        paused: Vec::new(),
        stop: Arc::clone(&stop),
        added,
    };
    Ok(Some(Opened { thread, wishes, posts, stop, adder }))
}

fn seat(
    epoll: &OwnedFd,
    (venue, at): (u16, u16),
    number: u16,
    partition: &Partition,
    recovery: &Recovery,
) -> Result<Seat, Failure> {
    let services = &partition.services;
    let mut datagrams = Vec::new();
    for (index, address) in (0u8..).zip(&services.retransmit_udp) {
        let key = Key { venue, seat: at, wire: Wire::Datagrams(index) };
        let mut socket = Datagrams::new(recovery.from, *address);
        match socket.open(epoll, key) {
            // The way there may come up later; until then it is said when somebody wants it.
            Ok(()) | Err(Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::NETDOWN) => {}
            Err(error) => return Err(refuse(*address, recovery.from, error)),
        }
        datagrams.push(socket);
    }
    Ok(Seat {
        number,
        name: format!("{}:{}", partition.venue, partition.name),
        lane: usize::from(partition.lane),
        from: recovery.from,
        datagrams,
        datagrams_down: Down::default(),
        retransmit: Service::of(services.retransmit_tcp.clone()),
        snapshot: Service::of(services.snapshot.clone()),
    })
}

fn refuse(address: SocketAddrV4, from: Option<Ipv4Addr>, error: Errno) -> Failure {
    let message = format!("a socket to the service at udp://{address} failed: {error}");
    match (error, from) {
        (Errno::ADDRNOTAVAIL, Some(from)) => Failure::config(format!(
            "{message}. This host has no address {from}; change `from` under [venue.recovery]"
        )),
        (Errno::MFILE | Errno::NFILE, _) => {
            Failure::privilege(format!("{message}. Raise RLIMIT_NOFILE (`ulimit -n`)"))
        }
        _ => Failure::host(message),
    }
}

/// What a window of a minute is, in which nothing counts that an earlier process has sent: a handler that starts is to
/// be Live soon.
const MINUTE: Nanos = Nanos::from_secs(60);

impl Opened {
    /// Counts what handlers before this one have sent to each venue on the trading date under way, which began then.
    pub(crate) fn remember(
        &mut self,
        record: &Record,
        begins: impl Fn(Venue) -> Option<Wall>,
        wall: u64,
    ) {
        let now = self.thread.clock.now();
        for desk in &mut self.thread.desks {
            let venue = desk.tally.venue();
            let mut counted = Sent::default();
            for (age, sent) in record.of_date(venue, begins(venue), wall) {
                // Of before the host was started it counts as of then.
                let left = Mono(now.0.saturating_sub(age.max(MINUTE).0).max(1));
                desk.agent.remember(left, sent);
                counted.retransmits = counted.retransmits.saturating_add(sent.retransmits);
                counted.snapshots = counted.snapshots.saturating_add(sent.snapshots);
            }
            if counted != Sent::default() {
                let Sent { retransmits, snapshots } = counted;
                tracing::info!(%venue, retransmits, snapshots, "requests have left on this date already");
            }
        }
    }

    /// What leaves from now on.
    pub(crate) fn tallies(&self) -> Vec<Arc<Tally>> {
        self.thread.desks.iter().map(|desk| Arc::clone(&desk.tally)).collect()
    }

    /// A lane's end.
    pub(crate) fn mailbox(&self, lane: usize) -> Option<Mailbox> {
        let post = self.posts.get(lane)?;
        Some(Mailbox::new(Arc::clone(&self.wishes), Arc::clone(post)))
    }

    /// What adds partitions.
    pub(crate) fn adder(&self) -> Adder {
        self.adder.clone()
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// When the host gives no thread.
    pub(crate) fn start(self) -> Result<Running, Failure> {
        let Opened { thread, wishes, posts, stop, adder: _ } = self;
        let thread = std::thread::Builder::new()
            .name("recovery".to_owned())
            .spawn(move || thread.run())
            .map_err(|error| Failure::host(format!("can't start the recovery thread: {error}")))?;
        Ok(Running { thread, wishes, _posts: posts, stop })
    }
}

impl Running {
    /// Ends the thread, and every connection with it.
    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.wishes.bell.ring();
        let _ = self.thread.join();
    }
}

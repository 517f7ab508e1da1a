//! The recovery thread: it serves no packet, and the lanes' partitions speak to their venues by it.
//!
//! It waits in the kernel for a wish of a lane, for a socket, or for the next deadline of an agent, and
//! for nothing else. Whatever a service does, nothing here takes longer than a few reads.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use candor_core::{Mono, Nanos, Venue};
use candor_services::agent::{Agent, Channel};
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use super::lost::{self, Lost, Said};
use super::post::{Post, Wishes};
use super::seat;
use super::seat::{Hands, Seat};
use super::sockets::{Change, Key, Wire};
use crate::clock::{Clock, timespec};
use crate::config::{Partition, Recovery};
use crate::exit::Failure;
use crate::requests::Tally;

/// Sockets looked at in one round at most; the others come with the next.
const READY: usize = 64;

/// Datagrams taken from one socket in a round at most.
const DATAGRAMS: usize = 16;

/// Bytes taken from a connection in one read.
const READ: usize = 16 * 1024;

/// Buffers that one read of a connection can fill, and one to spare: what it brings has a length before
/// each message or payload as the wire has, and may begin and end in the middle of one.
const BUFFERS_A_READ: usize = 4;

/// The longest datagram there is.
const DATAGRAM: usize = 65_535;

const NOTHING: epoll::Event =
    epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) };

const NO_WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// How long it waits where the kernel refuses to: it never does.
const REFUSED_WAIT: Nanos = Nanos::from_millis(10);

/// One venue's services and the partitions they are for.
pub(super) struct Desk {
    pub(super) venue: String,
    pub(super) agent: Agent,
    pub(super) seats: Vec<Seat>,
    pub(super) tally: Arc<Tally>,
    recovery: Recovery,
    lost: Lost,
    said: Said,
}

impl Desk {
    pub(super) fn new(venue: Venue, agent: Agent, seats: Vec<Seat>, recovery: Recovery) -> Desk {
        let (tally, lost, said) = (Arc::new(Tally::new(venue)), Lost::default(), Said::default());
        Desk { venue: venue.to_string(), agent, seats, tally, recovery, lost, said }
    }
}

/// See the module's description.
pub(crate) struct Thread {
    pub(super) clock: Clock,
    pub(super) wishes: Arc<Wishes>,
    /// By lane.
    pub(super) posts: Vec<Arc<Post>>,
    /// By a partition's number in the region: its venue's desk, and its seat there.
    pub(super) homes: Vec<Option<(u16, u16)>>,
    pub(super) desks: Vec<Desk>,
    pub(super) epoll: OwnedFd,
    pub(super) buffer: Box<[u8]>,
    pub(super) trouble: Vec<Key>,
    /// Sockets not listened to until their lane has buffers again.
    pub(super) paused: Vec<Key>,
    pub(super) stop: Arc<AtomicBool>,
    /// Partitions that maps add.
    pub(super) added: mpsc::Receiver<(u16, Partition)>,
    /// When what goes wrong unseen was looked at last.
    pub(super) said_at: Mono,
    /// Whether anything has happened since.
    pub(super) unsaid: bool,
}

impl Thread {
    /// A buffer as the thread wants it.
    pub(super) fn buffer() -> Box<[u8]> {
        vec![0; DATAGRAM].into_boxed_slice()
    }

    /// Works until told to stop. Connections are closed when this returns.
    pub(crate) fn run(mut self) {
        while !self.stop.load(Ordering::Relaxed) {
            self.equip();
            self.hear();
            let now = self.clock.now();
            self.report(now);
            self.on_time(now);
            self.resume();
            if self.unsaid && now >= self.said_at + lost::EVERY {
                self.say_what_is_lost(now);
            }
            self.sleep(now);
        }
        self.say_what_is_lost(self.said_at);
        for desk in &self.desks {
            let retransmit = counts(desk.agent.retransmit_desk().counts());
            let snapshot = counts(desk.agent.snapshot_desk().counts());
            tracing::info!(venue = desk.venue, retransmit, snapshot, "services");
        }
    }

    /// What goes wrong and shows in no partition's counters.
    fn say_what_is_lost(&mut self, now: Mono) {
        (self.said_at, self.unsaid) = (now, false);
        for desk in &mut self.desks {
            if let Some(what) = desk.said.news(&desk.agent, &desk.lost) {
                tracing::warn!(venue = desk.venue, what, "lost or refused on the way to services");
            }
        }
    }

    /// Gives partitions that a map has added their sockets and clients. One that can't have them asks for
    /// nothing, which is said.
    fn equip(&mut self) {
        // BOUND: as many as there are places kept.
        while let Ok((number, partition)) = self.added.try_recv() {
            let home = self.homes.get(usize::from(number)).copied().flatten();
            let Some((venue, at)) = home else { continue };
            let Some(desk) = self.desks.get_mut(usize::from(venue)) else { continue };
            let name = format!("{}:{}", partition.venue, partition.name);
            let clients = desk.recovery.clients(partition.feed, &partition.services);
            let clients = clients.map_err(|error| Failure::config(error.to_string()));
            let seat = seat(&self.epoll, (venue, at), number, &partition, &desk.recovery);
            match (clients, seat, desk.seats.get_mut(usize::from(at))) {
                (Ok(clients), Ok(seat), Some(place)) => {
                    *place = seat;
                    desk.agent.equip(at, clients);
                }
                (Err(error), ..) | (_, Err(error), _) => {
                    tracing::error!(partition = name, %error, "nothing of it can be asked for");
                }
                _ => {}
            }
        }
    }

    /// Takes what the lanes want.
    fn hear(&mut self) {
        // BOUND: what the queue holds; what comes meanwhile waits for the next round.
        for _ in 0..self.wishes.capacity() {
            let Some((number, action)) = self.wishes.next() else { break };
            // Behind the wish: a lane gives up when a time has come, and by an earlier reading that had
            // not come here yet, and nobody would be to blame.
            let now = self.clock.now();
            let home = self.homes.get(usize::from(number)).copied().flatten();
            let Some((venue, seat)) = home else { continue };
            self.with(venue, |agent, hands| agent.act(now, seat, action, hands));
        }
    }

    /// Reports what failed at once. What comes of it waits for the next round, so that an address that
    /// fails at once is no reason to turn in circles here.
    fn report(&mut self, now: Mono) {
        for key in std::mem::take(&mut self.trouble) {
            let Some(seat) = self.seat(key) else { continue };
            if let Wire::Datagrams(_) = key.wire {
                self.unreachable(now, key);
                continue;
            }
            let error = seat.service(key.wire).and_then(|at| at.connection.take_broken());
            if let Some(error) = error {
                seat.tell_reached(key.wire, Some(error));
                self.closed(now, key);
            }
        }
    }

    fn on_time(&mut self, now: Mono) {
        for venue in 0..self.desks.len() {
            let due = self.desks[venue].agent.deadline().is_some_and(|deadline| deadline <= now);
            if due {
                self.with(venue as u16, |agent, hands| agent.on_deadline(now, hands));
            }
        }
    }

    /// Listens again to what waited for buffers of its lane.
    fn resume(&mut self) {
        if self.paused.is_empty() {
            return;
        }
        for key in std::mem::take(&mut self.paused) {
            if self.post(key).is_some_and(|post| post.is_starved()) {
                self.paused.push(key);
                continue;
            }
            let Some(desk) = self.desks.get_mut(usize::from(key.venue)) else { continue };
            let Some(seat) = desk.seats.get_mut(usize::from(key.seat)) else { continue };
            match key.wire {
                Wire::Datagrams(at) => {
                    if let Some(datagrams) = seat.datagrams.get_mut(usize::from(at)) {
                        datagrams.resume(&self.epoll, key);
                    }
                }
                wire => {
                    if let Some(service) = seat.service(wire) {
                        service.connection.resume(&self.epoll, key);
                    }
                }
            }
        }
    }

    /// Waits until there is something to do, and takes what the sockets have.
    fn sleep(&mut self, now: Mono) {
        let say = self.unsaid.then(|| self.said_at + lost::EVERY);
        let agents = self.desks.iter().filter_map(|desk| desk.agent.deadline());
        let next = agents.chain(say).min();
        self.wishes.bell.doze();
        let at_most =
            if self.is_busy() { Some(NO_WAIT) } else { next.map(|at| timespec(at.since(now))) };
        // poll(2) on the epoll descriptor: unlike epoll_wait it keeps nanoseconds on any kernel.
        let mut descriptors = [PollFd::new(&self.epoll, PollFlags::IN)];
        let woken = poll(&mut descriptors, at_most.as_ref());
        self.wishes.bell.wake();
        let mut events = [NOTHING; READY];
        let found = woken.and_then(|_| epoll::wait(&self.epoll, &mut events, Some(&NO_WAIT)));
        match found {
            Ok(found) => {
                for event in events.iter().take(found) {
                    let data = event.data.u64();
                    match data {
                        Key::BELL => self.wishes.bell.hush(),
                        data => self.look(Key::of(data)),
                    }
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => {
                // Nothing of ours leads here; a thread that can't wait must not spin for it.
                let _ = rustix::thread::nanosleep(&timespec(REFUSED_WAIT));
            }
        }
    }

    /// Whether there is something to do that nothing would wake us for.
    fn is_busy(&self) -> bool {
        let resumes = |key: &Key| self.post(*key).is_none_or(|post| !post.is_starved());
        !self.wishes.is_empty()
            || !self.trouble.is_empty()
            || self.stop.load(Ordering::Relaxed)
            || self.paused.iter().any(resumes)
    }

    fn look(&mut self, key: Key) {
        let now = self.clock.now();
        match key.wire {
            Wire::Datagrams(address) => self.look_at_datagrams(now, key, usize::from(address)),
            Wire::Retransmit => self.look_at_connection(now, key, Channel::RetransmitTcp),
            Wire::Snapshot => self.look_at_connection(now, key, Channel::Snapshot),
        }
    }

    fn look_at_datagrams(&mut self, now: Mono, key: Key, address: usize) {
        for _ in 0..DATAGRAMS {
            let room = self.post(key).is_some_and(|post| post.has_room(1));
            let mut buffer = std::mem::take(&mut self.buffer);
            let datagrams = self.seat(key).and_then(|seat| seat.datagrams.get_mut(address));
            let received = match datagrams {
                Some(datagrams) if room => datagrams.receive(&mut buffer),
                _ => Ok(None),
            };
            match received {
                Ok(Some(len)) => {
                    if let Some(seat) = self.seat(key) {
                        seat.tell_reached(key.wire, None);
                    }
                    let bytes = buffer.get(..len).unwrap_or(&[]);
                    self.with(key.venue, |agent, hands| {
                        agent.on_datagram(now, key.seat, address, bytes, hands);
                    });
                }
                Ok(None) => {}
                Err(error) => {
                    if let Some(seat) = self.seat(key) {
                        seat.tell_reached(key.wire, Some(error));
                    }
                    self.unreachable(now, key);
                }
            }
            self.buffer = buffer;
            if !room {
                self.pause(key);
            }
            if !matches!(received, Ok(Some(_))) {
                break;
            }
        }
    }

    fn look_at_connection(&mut self, now: Mono, key: Key, channel: Channel) {
        let room = self.post(key).is_some_and(|post| post.has_room(BUFFERS_A_READ));
        let mut buffer = std::mem::take(&mut self.buffer);
        let epoll = &self.epoll;
        let desk = self.desks.get_mut(usize::from(key.venue));
        let seat = desk.and_then(|desk| desk.seats.get_mut(usize::from(key.seat)));
        let service = seat.and_then(|seat| seat.service(key.wire));
        let change = match service {
            Some(service) if room || !service.connection.is_open() => {
                let room = buffer.get_mut(..READ).unwrap_or(&mut []);
                service.connection.look(epoll, key, room)
            }
            _ => Change::Nothing,
        };
        match change {
            Change::Nothing => {}
            Change::Connected => {
                if let Some(seat) = self.seat(key) {
                    seat.tell_reached(key.wire, None);
                }
                self.with(key.venue, |agent, hands| {
                    agent.on_connected(now, key.seat, channel, hands);
                });
            }
            Change::Bytes(len) => {
                let bytes = buffer.get(..len).unwrap_or(&[]);
                self.with(key.venue, |agent, hands| {
                    agent.on_bytes(now, key.seat, channel, bytes, hands);
                });
            }
            Change::Failed(error) => {
                if let Some(seat) = self.seat(key) {
                    seat.tell_reached(key.wire, Some(error));
                }
                self.closed(now, key);
            }
            Change::Closed => self.closed(now, key),
        }
        self.buffer = buffer;
        if !room {
            self.pause(key);
        }
    }

    fn pause(&mut self, key: Key) {
        let epoll = &self.epoll;
        let desk = self.desks.get_mut(usize::from(key.venue));
        let Some(seat) = desk.and_then(|desk| desk.seats.get_mut(usize::from(key.seat))) else {
            return;
        };
        match key.wire {
            Wire::Datagrams(at) => {
                if let Some(datagrams) = seat.datagrams.get_mut(usize::from(at)) {
                    datagrams.pause(epoll);
                }
            }
            wire => {
                if let Some(service) = seat.service(wire) {
                    service.connection.pause(epoll);
                }
            }
        }
        if !self.paused.contains(&key) {
            self.paused.push(key);
        }
    }

    fn unreachable(&mut self, now: Mono, key: Key) {
        if let Wire::Datagrams(address) = key.wire {
            self.with(key.venue, |agent, hands| {
                agent.on_unreachable(now, key.seat, usize::from(address), hands);
            });
        }
    }

    fn closed(&mut self, now: Mono, key: Key) {
        let channel = match key.wire {
            Wire::Datagrams(_) => return,
            Wire::Retransmit => Channel::RetransmitTcp,
            Wire::Snapshot => Channel::Snapshot,
        };
        self.with(key.venue, |agent, hands| agent.on_closed(now, key.seat, channel, hands));
    }

    /// Calls an agent, and hands over what it has gathered.
    pub(super) fn with(&mut self, venue: u16, call: impl FnOnce(&mut Agent, &mut Hands<'_>)) {
        let Some(desk) = self.desks.get_mut(usize::from(venue)) else { return };
        self.unsaid = true;
        let Desk { agent, seats, lost, tally, .. } = desk;
        let trouble = &mut self.trouble;
        let mut hands = Hands {
            venue,
            seats,
            posts: &self.posts,
            epoll: &self.epoll,
            trouble,
            lost,
            filling: None,
        };
        call(agent, &mut hands);
        hands.flush();
        tally.set(agent.sent());
    }

    fn seat(&mut self, key: Key) -> Option<&mut Seat> {
        self.desks.get_mut(usize::from(key.venue))?.seats.get_mut(usize::from(key.seat))
    }

    fn post(&self, key: Key) -> Option<&Post> {
        let seat = self.desks.get(usize::from(key.venue))?.seats.get(usize::from(key.seat))?;
        self.posts.get(seat.lane).map(|post| &**post)
    }
}

/// What a desk counted, zeros left out.
fn counts(counts: &candor_services::Counts) -> String {
    let counted = counts.iter().filter(|(_, count)| *count > 0);
    let words: Vec<String> = counted.map(|(label, count)| format!("{label} {count}")).collect();
    if words.is_empty() { "unused".to_owned() } else { words.join(", ") }
}

//! What the handler asks the venue's services for: the real clients, the real servers, and virtual
//! datagrams and connections in between.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use candor_core::{Action, Mono, Nanos, Refusal, Refused, SeqNo, SessionId};
use candor_services::agent::{Agent, Channel, Clients, Config, Shell, Told};
use candor_services::desk::Concurrency;
use candor_services::retransmit::{self, Transport};
use candor_services::snapshot::{self, Body, SessionChoice};
use candor_services::{Budget, Io};

use super::quota::Quota;
use super::schedule::{ServiceSetup, Ways};
use crate::exchange::Exchange;
use crate::market::Family;
use crate::rng::Rng;
use crate::services::{Connection, Door, Out, Peer};

/// Addresses of a service.
const ADDRESSES: usize = 2;

/// Replies that wait for a lane; a further one finds no room.
const INBOX: usize = 256;

/// The way to a partition's services.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Way {
    /// How long it is.
    pub delay: Nanos,
    /// Chance that a datagram is lost, in millionths.
    pub loss: u32,
    /// An address at which nobody answers.
    pub dead: Option<usize>,
    /// Connections come about and carry nothing; datagrams vanish.
    pub hangs: bool,
}

/// What a lane is given.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    Payload { run: u32, bytes: Vec<u8> },
    Refused(Refused),
    Begin { cycle: u32, session: SessionId },
    Messages { cycle: u32, count: u16, bytes: Vec<u8> },
    // `made` is the run of the image that the service sent, and the first number not in it.
    End { cycle: u32, next: SeqNo, made: Option<(u32, SeqNo)> },
    Failed { cycle: u32, why: Refusal },
}

/// Something on its way between clients and servers.
#[derive(Clone, Debug)]
enum Trip {
    Question { peer: u64, bytes: Vec<u8> },
    Answer { address: usize, run: u32, bytes: Vec<u8> },
    Accept { connection: u32 },
    Connected { connection: u32 },
    Refused { connection: u32 },
    Up { connection: u32, bytes: Vec<u8> },
    Down { connection: u32, bytes: Vec<u8> },
    GoneUp { connection: u32 },
    GoneDown { connection: u32 },
}

/// A connection as both ends have it.
#[derive(Clone, Copy, Debug)]
struct Line {
    partition: u16,
    channel: Channel,
    accepted: bool,
    /// Something was said on it: the request comes first.
    asked: bool,
    /// The run of numbers when the first request came.
    run: Option<u32>,
    /// The run of the image that was sent on it, and the first number not in that.
    image: Option<(u32, SeqNo)>,
    /// Bytes keep their order.
    clear_at: Mono,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Due {
    at: Mono,
    order: u64,
    slot: usize,
}

/// Counts of what went to and fro.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Errand {
    /// Requests for missing numbers sent.
    pub asked: u64,
    /// Datagrams in answer.
    pub answered: u64,
    /// Connections made.
    pub connected: u64,
}

/// Everything between a handler and the venue's services.
pub(super) struct Errands {
    agent: Agent,
    /// What the agent waits for; worked out after each call into it.
    deadline: Option<Mono>,
    roads: Roads,
}

struct Roads {
    ways: Vec<Way>,
    base: Way,
    rng: Rng,
    queue: BinaryHeap<Reverse<Due>>,
    slots: Vec<Option<(u16, Trip)>>,
    free: Vec<usize>,
    sent: u64,
    lines: BTreeMap<u32, Line>,
    /// The connection that each client's channel has.
    open: BTreeMap<(u16, Channel), u32>,
    next_connection: u32,
    /// Replies by partition.
    inboxes: Vec<VecDeque<Reply>>,
    /// Replies in all of them.
    replies: usize,
    now: Mono,
    run: u32,
    image: Option<(u32, SeqNo)>,
    counts: Errand,
    /// Numbers that a request may ask for.
    piece: u32,
    /// Requests as they leave.
    retransmit: Quota,
    snapshot: Quota,
    /// A request that must not have been made, and the partition that made it.
    wrong: Option<(usize, String)>,
}

impl Errands {
    pub(super) fn new(
        venue: Family,
        setup: &ServiceSetup,
        partitions: usize,
        seed: u64,
        next_connection: u32,
    ) -> Errands {
        let format = super::handler::format(venue);
        let (datagrams, connections, datagram_max) = match setup.ways {
            Ways::Datagrams => (true, false, u64::MAX),
            Ways::Connections => (false, true, 0),
            Ways::Both(datagram_max) => (true, true, datagram_max),
        };
        let retransmit = |transport: Transport, answer: Nanos| {
            let config = retransmit::Config {
                answer,
                connect: Nanos(setup.timeout.0 * 4),
                rest: setup.timeout,
                rest_max: Nanos(setup.timeout.0 * 8),
                ..retransmit::Config::of(transport, ADDRESSES)
            };
            retransmit::Client::new(format, config).expect("the venue is asked in this way")
        };
        // Of one that asks for whichever session is current the handler has to compare what comes.
        let session = match seed % 2 {
            0 => SessionChoice::Stream,
            _ => SessionChoice::Current,
        };
        let clients = |_| Clients {
            retransmit_udp: (setup.retransmit && datagrams)
                .then(|| retransmit(Transport::Udp, setup.timeout)),
            retransmit_tcp: (setup.retransmit && connections)
                .then(|| retransmit(Transport::Tcp, Nanos(setup.timeout.0 * 8))),
            snapshot: setup.snapshot.then(|| {
                let config = snapshot::Config {
                    connect: Nanos(setup.timeout.0 * 4),
                    answer: Nanos(setup.timeout.0 * 4),
                    whole: setup.whole(),
                    rest: setup.timeout,
                    rest_max: Nanos(setup.timeout.0 * 8),
                    session,
                    ..snapshot::Config::of(format, ADDRESSES)
                };
                snapshot::Client::new(format, config)
            }),
        };
        let budget = Budget { second: setup.budget, minute: setup.budget * 60, day: setup.day };
        let budget = Budget { minute: budget.minute.min(budget.day), ..budget };
        let config = Config {
            retransmit: budget,
            snapshot: budget,
            concurrency: Concurrency { snapshots: partitions, longest: setup.whole() },
            datagram_max,
        };
        let base = Way { delay: setup.delay, loss: setup.loss, dead: None, hangs: false };
        Errands {
            deadline: None,
            agent: Agent::new(config, (0..partitions).map(clients).collect()),
            roads: Roads {
                ways: vec![base; partitions],
                base,
                rng: Rng::stream(seed, 8 << 40 | u64::from(next_connection)),
                queue: BinaryHeap::new(),
                slots: Vec::new(),
                free: Vec::new(),
                sent: 0,
                lines: BTreeMap::new(),
                open: BTreeMap::new(),
                next_connection,
                inboxes: vec![VecDeque::new(); partitions],
                replies: 0,
                now: Mono::NEVER,
                run: 0,
                image: None,
                counts: Errand::default(),
                piece: setup.piece,
                retransmit: Quota::new("retransmit", budget),
                snapshot: Quota::new("snapshot", budget),
                wrong: None,
            },
        }
    }

    /// The number the next connection would have; none is used twice.
    pub(super) fn next_connection(&self) -> u32 {
        self.roads.next_connection
    }

    /// The way to a partition's services, to be changed.
    pub(super) fn way(&mut self, partition: usize) -> &mut Way {
        &mut self.roads.ways[partition]
    }

    /// All ways are as they were.
    pub(super) fn mend(&mut self) {
        let base = Way { loss: 0, ..self.roads.base };
        self.roads.ways.fill(base);
    }

    /// A partition wants something.
    pub(super) fn act(&mut self, now: Mono, partition: u16, action: Action) {
        self.roads.now = now;
        if let Action::Retransmit(ask) = action {
            let (range, piece) = (ask.range, self.roads.piece);
            if range.is_empty() || range.len() > u64::from(piece) {
                let (first, end) = (range.first.0, range.end.0);
                self.roads.blame(partition, || {
                    format!("{first}..{end} are asked for at once, {piece} are allowed")
                });
            }
        }
        self.agent.act(now, partition, action, &mut self.roads);
        self.deadline = self.agent.deadline();
    }

    /// The next reply for a partition.
    pub(super) fn reply(&mut self, partition: usize) -> Option<Reply> {
        let reply = self.roads.inboxes[partition].pop_front();
        self.roads.replies -= usize::from(reply.is_some());
        reply
    }

    /// Whether a reply waits for any partition.
    pub(super) fn has_replies(&self) -> bool {
        self.roads.replies > 0
    }

    /// A request that must not have been made, and the partition that made it.
    pub(super) fn wrong(&mut self) -> Option<(usize, String)> {
        self.roads.wrong.take()
    }

    /// Whether a reply waits for the partition.
    pub(super) fn has_reply(&self, partition: usize) -> bool {
        !self.roads.inboxes[partition].is_empty()
    }

    /// What went to and fro so far.
    pub(super) fn counts(&self) -> Errand {
        self.roads.counts
    }

    /// When something happens next.
    pub(super) fn due(&self) -> Option<Mono> {
        let trip = self.roads.queue.peek().map(|Reverse(due)| due.at);
        trip.into_iter().chain(self.deadline).min()
    }

    /// Everything that is due: what arrives at servers and clients, and what time brings about.
    pub(super) fn go(&mut self, now: Mono, exchange: &mut Exchange, runs: impl Fn(usize) -> u32) {
        self.roads.now = now;
        let mut called = false;
        // BOUND: every trip takes time, or is answered once.
        while let Some((partition, trip)) = self.roads.arrival(now) {
            called = true;
            self.arrive(now, partition, trip, exchange, &runs);
            self.take_out(now, exchange, &runs);
        }
        if self.deadline.is_some_and(|due| due <= now) {
            called = true;
            self.agent.on_deadline(now, &mut self.roads);
        }
        if called {
            self.deadline = self.agent.deadline();
        }
        self.take_out(now, exchange, &runs);
    }

    fn arrive(
        &mut self,
        now: Mono,
        partition: u16,
        trip: Trip,
        exchange: &mut Exchange,
        runs: &impl Fn(usize) -> u32,
    ) {
        let at = usize::from(partition);
        match trip {
            Trip::Question { peer, bytes } => exchange.on_datagram(now, at, Peer(peer), &bytes),
            Trip::Answer { address, run, bytes } => {
                self.roads.run = run;
                self.roads.counts.answered += 1;
                self.agent.on_datagram(now, partition, address, &bytes, &mut self.roads);
            }
            Trip::Accept { connection } => {
                if let Some(line) = self.roads.lines.get_mut(&connection) {
                    line.accepted = true;
                    let door = match line.channel {
                        Channel::Snapshot => Door::Snapshot,
                        Channel::RetransmitUdp | Channel::RetransmitTcp => Door::Retransmit,
                    };
                    exchange.on_accept(now, at, door, Connection(connection));
                }
            }
            Trip::Up { connection, bytes } => {
                if let Some(line) = self.roads.lines.get_mut(&connection) {
                    line.run.get_or_insert(runs(at));
                    exchange.on_bytes(now, at, Connection(connection), &bytes);
                }
            }
            Trip::GoneUp { connection } => exchange.on_closed(at, Connection(connection)),
            Trip::Connected { connection } => {
                if let Some(channel) = self.roads.channel_of(connection) {
                    self.roads.counts.connected += 1;
                    self.agent.on_connected(now, partition, channel, &mut self.roads);
                }
            }
            Trip::Down { connection, bytes } => {
                if let Some(channel) = self.roads.channel_of(connection) {
                    let line = self.roads.lines.get(&connection);
                    self.roads.run = line.and_then(|line| line.run).unwrap_or(0);
                    self.roads.image = line.and_then(|line| line.image);
                    self.agent.on_bytes(now, partition, channel, &bytes, &mut self.roads);
                }
            }
            Trip::Refused { connection } | Trip::GoneDown { connection } => {
                if let Some(channel) = self.roads.channel_of(connection) {
                    self.roads.forget(connection);
                    self.agent.on_closed(now, partition, channel, &mut self.roads);
                }
            }
        }
    }

    /// What the servers want done sets out.
    fn take_out(&mut self, now: Mono, exchange: &mut Exchange, runs: &impl Fn(usize) -> u32) {
        // BOUND: the servers hand out what was asked for, a part at a time.
        while let Some((partition, out)) = exchange.next_out(now) {
            let roads = &mut self.roads;
            let number = partition as u16;
            match out {
                Out::Datagram { to: Peer(peer), payload } => {
                    let address = peer as usize;
                    let trip = Trip::Answer { address, run: runs(partition), bytes: payload };
                    roads.datagram(number, address, trip);
                }
                Out::Bytes { connection: Connection(connection), bytes } => {
                    let services = &exchange.services()[partition];
                    let sent = services.image_sent(Connection(connection));
                    if let Some(line) = roads.lines.get_mut(&connection) {
                        // There are not so many runs.
                        line.image = sent.map(|(run, next)| (run as u32, next));
                    }
                    roads.bytes(connection, bytes, false);
                }
                Out::Close { connection: Connection(connection) } => {
                    roads.stream(connection, Trip::GoneDown { connection });
                }
            }
        }
    }

    /// The venue restarts a partition: what its services have under way is gone, connections too.
    pub(super) fn restart(&mut self, partition: usize, exchange: &mut Exchange) {
        let roads = &mut self.roads;
        roads.inboxes[partition].retain(|reply| !matches!(reply, Reply::Payload { .. }));
        roads.replies = roads.inboxes.iter().map(VecDeque::len).sum();
        for slot in &mut roads.slots {
            let answer = |(at, trip): &(u16, Trip)| {
                usize::from(*at) == partition
                    && matches!(trip, Trip::Answer { .. } | Trip::Down { .. })
            };
            if slot.as_ref().is_some_and(answer) {
                // It still takes its place in the queue, and does nothing.
                *slot = Some((partition as u16, Trip::GoneUp { connection: u32::MAX }));
            }
        }
        let own = roads.lines.iter().filter(|(_, line)| usize::from(line.partition) == partition);
        let own: Vec<(u32, bool)> = own.map(|(at, line)| (*at, line.accepted)).collect();
        for (connection, accepted) in own {
            if accepted {
                exchange.on_closed(partition, Connection(connection));
                roads.stream(connection, Trip::GoneDown { connection });
            }
        }
    }

    /// The handler dies: its connections are gone.
    pub(super) fn die(&mut self, exchange: &mut Exchange) {
        for (connection, line) in &self.roads.lines {
            if line.accepted {
                exchange.on_closed(usize::from(line.partition), Connection(*connection));
            }
        }
    }
}

impl Roads {
    fn blame(&mut self, partition: u16, wrong: impl FnOnce() -> String) {
        self.wrong.get_or_insert_with(|| (usize::from(partition), wrong()));
    }

    /// A request leaves.
    fn spend(&mut self, partition: u16, channel: Channel) {
        let quota = match channel {
            Channel::Snapshot => &mut self.snapshot,
            Channel::RetransmitUdp | Channel::RetransmitTcp => &mut self.retransmit,
        };
        if let Err(wrong) = quota.spend(self.now) {
            self.blame(partition, || wrong);
        }
    }

    fn send(&mut self, at: Mono, partition: u16, trip: Trip) {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(None);
                self.slots.len() - 1
            }
        };
        self.slots[slot] = Some((partition, trip));
        self.sent += 1;
        self.queue.push(Reverse(Due { at, order: self.sent, slot }));
    }

    fn arrival(&mut self, now: Mono) -> Option<(u16, Trip)> {
        if self.queue.peek()?.0.at > now {
            return None;
        }
        let Reverse(due) = self.queue.pop()?;
        self.free.push(due.slot);
        self.slots[due.slot].take()
    }

    fn datagram(&mut self, partition: u16, address: usize, trip: Trip) {
        let way = self.ways[usize::from(partition)];
        let lost = self.rng.chance(way.loss);
        let late = Nanos(self.rng.below(way.delay.0 / 2 + 1));
        if !lost && !way.hangs && way.dead != Some(address) {
            self.send(self.now + way.delay + late, partition, trip);
        }
    }

    /// Something on a connection, behind everything before it.
    fn stream(&mut self, connection: u32, trip: Trip) {
        let Some(line) = self.lines.get_mut(&connection) else { return };
        let way = self.ways[usize::from(line.partition)];
        line.clear_at = line.clear_at.max(self.now + way.delay);
        let (at, partition) = (line.clear_at, line.partition);
        if !way.hangs {
            self.send(at, partition, trip);
        }
    }

    /// Bytes on a connection, in pieces as a network cuts them.
    fn bytes(&mut self, connection: u32, bytes: Vec<u8>, up: bool) {
        let trip = |bytes| match up {
            true => Trip::Up { connection, bytes },
            false => Trip::Down { connection, bytes },
        };
        let cut = self.rng.below(bytes.len() as u64 + 1) as usize;
        let (front, back) = bytes.split_at(cut);
        for piece in [front, back] {
            if !piece.is_empty() {
                self.stream(connection, trip(piece.to_vec()));
            }
        }
    }

    /// The channel a connection is still that of.
    fn channel_of(&self, connection: u32) -> Option<Channel> {
        let line = self.lines.get(&connection)?;
        let own = self.open.get(&(line.partition, line.channel));
        (own == Some(&connection)).then_some(line.channel)
    }

    fn forget(&mut self, connection: u32) {
        if let Some(line) = self.lines.remove(&connection) {
            self.open.remove(&(line.partition, line.channel));
        }
    }

    fn connect(&mut self, partition: u16, channel: Channel, address: usize) {
        let connection = self.next_connection;
        self.next_connection += 1;
        let way = self.ways[usize::from(partition)];
        let line = Line {
            partition,
            channel,
            accepted: false,
            asked: false,
            run: None,
            image: None,
            clear_at: self.now,
        };
        self.lines.insert(connection, line);
        self.open.insert((partition, channel), connection);
        let there = self.now + way.delay;
        if way.hangs {
            return;
        }
        if way.dead == Some(address) {
            self.send(there + way.delay, partition, Trip::Refused { connection });
            return;
        }
        self.send(there, partition, Trip::Accept { connection });
        self.send(there + way.delay, partition, Trip::Connected { connection });
    }
}

impl Shell for Roads {
    fn io(&mut self, partition: u16, channel: Channel, io: Io<'_>) {
        let own = self.open.get(&(partition, channel)).copied();
        match io {
            Io::Connect { address } => self.connect(partition, channel, address),
            Io::Send(bytes) => {
                if let Some(connection) = own {
                    let line = self.lines.get_mut(&connection);
                    if line.is_some_and(|line| !core::mem::replace(&mut line.asked, true)) {
                        self.spend(partition, channel);
                    }
                    self.bytes(connection, bytes.to_vec(), true);
                }
            }
            Io::SendTo { address, bytes } => {
                self.counts.asked += 1;
                self.spend(partition, channel);
                let trip = Trip::Question { peer: address as u64, bytes: bytes.to_vec() };
                self.datagram(partition, address, trip);
            }
            Io::Close => {
                if let Some(connection) = own {
                    let accepted = self.lines.get(&connection).is_some_and(|line| line.accepted);
                    self.forget(connection);
                    if accepted {
                        let way = self.ways[usize::from(partition)];
                        self.send(self.now + way.delay, partition, Trip::GoneUp { connection });
                    }
                }
            }
        }
    }

    fn tell(&mut self, partition: u16, told: Told<'_>) -> bool {
        let (run, made) = (self.run, self.image);
        let reply = match told {
            Told::Payload(bytes) => Reply::Payload { run, bytes: bytes.to_vec() },
            Told::Refused(refused) => Reply::Refused(refused),
            Told::Snapshot(piece) => {
                let cycle = piece.cycle;
                match piece.body {
                    Body::Begin { session } => Reply::Begin { cycle, session },
                    Body::Messages(block) => {
                        let bytes = block.bytes.to_vec();
                        Reply::Messages { cycle, count: block.count, bytes }
                    }
                    Body::End { next } => Reply::End { cycle, next, made },
                    Body::Failed(why) => Reply::Failed { cycle, why },
                }
            }
        };
        let inbox = &mut self.inboxes[usize::from(partition)];
        // Refusals always have room: they are few.
        let has_room =
            inbox.len() < INBOX || matches!(reply, Reply::Refused(_) | Reply::Failed { .. });
        if has_room {
            inbox.push_back(reply);
            self.replies += 1;
        }
        has_room
    }
}

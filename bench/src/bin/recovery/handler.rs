//! The handler: a lane with its partition and the region it publishes to, and the recovery thread with
//! the venue's agent. Each is one worker: what it does takes the time it was measured to take, and what
//! comes meanwhile waits. Queues, batches and buffers are those of the product.

use std::collections::VecDeque;
use std::sync::Arc;

use candor_bench::live::{self, Heap, Publish};
use candor_bench::stopwatch::Stopwatch;
use candor_core::limits::{
    LINES, RECOVERY_BUFFER_BYTES, RECOVERY_BUFFERS, RECOVERY_REPLIES_A_CYCLE, TRADES,
};
use candor_core::{
    Action, Answer, BookView, Line, Loss, Message, Mono, Nanos, Refused, SeqNo, SessionId, Status,
    Symbol, SymbolIndex,
};
use candor_decoders::Format;
use candor_engine::{Capacity, Claim, Config, Notice, Partition, Sink, Step};
use candor_services::agent::{Agent, Channel};
use candor_services::snapshot::Body;
use candor_shm::Handle;
use candor_sim::services::Connection;

use crate::post::{Hands, Reply, What, Wire};
use crate::terms;
use crate::venue::{Arrival, START, Venue};

/// Packets a lane takes in one cycle at most.
const BATCH: usize = 64;

/// Buffers that must be free before the recovery thread reads on.
const BUFFERS_A_READ: usize = 4;

/// Far enough ahead that no lease but the partition's own runs out.
const LATER: Mono = Mono(u64::MAX);

/// What recovery did since it was last asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// When the partition's own status was first another than Live.
    pub(crate) stale: Option<Mono>,
    /// When the first request left.
    pub(crate) asked: Option<Mono>,
    /// When the last answer that was good for something reached the host.
    pub(crate) answered: Option<Mono>,
    /// Requests for missing messages that left.
    pub(crate) requests: u32,
    /// Requests for snapshots that left.
    pub(crate) snapshots: u32,
    /// Snapshots joined to the stream.
    pub(crate) spliced: u32,
    /// Answers that filled something.
    pub(crate) filled: u32,
    /// The first steps of recovery, for people.
    pub(crate) story: Vec<(Mono, String)>,
    /// The lane's work.
    pub(crate) lane: Nanos,
    /// The recovery thread's work.
    pub(crate) thread: Nanos,
}

/// Steps of one recovery that are kept.
const STORY: usize = 256;

impl Seen {
    fn tell(&mut self, now: Mono, what: std::fmt::Arguments<'_>) {
        if self.story.len() < STORY {
            self.story.push((now, what.to_string()));
        }
    }
}

/// The lane's sink: the region, and steps noted.
struct Watch<'a> {
    publish: Publish<'a>,
    seen: &'a mut Seen,
}

impl Sink for Watch<'_> {
    fn lease(&mut self, deadline: Mono) {
        self.publish.lease(deadline);
    }
    fn status(&mut self, status: Status, epoch: u32, since: Mono, session: SessionId) {
        self.publish.status(status, epoch, since, session);
    }
    fn numbers(&mut self, expected: SeqNo, known_end: SeqNo, heard: Mono) {
        self.publish.numbers(expected, known_end, heard);
    }
    fn define(&mut self, index: SymbolIndex, symbol: &Symbol) {
        self.publish.define(index, symbol);
    }
    fn publish(&mut self, at: SymbolIndex, s: Status, epoch: u32, since: Mono, view: &BookView) {
        self.publish.publish(at, s, epoch, since, view);
    }
    fn event(&mut self, index: Option<SymbolIndex>, seq: SeqNo, now: Mono, message: &Message) {
        self.publish.event(index, seq, now, message);
    }
    fn loss(&mut self, loss: &Loss) {
        self.publish.loss(loss);
    }
    fn notice(&mut self, notice: &Notice, now: Mono) {
        self.publish.notice(notice, now);
    }
    fn step(&mut self, step: &Step, now: Mono) {
        self.seen.spliced += u32::from(matches!(step, Step::Spliced { .. }));
        self.seen.tell(now, format_args!("{step:?}"));
    }
    fn moved(&mut self, index: SymbolIndex, moved: bool) {
        self.publish.moved(index, moved);
    }
    fn foreign(&mut self, symbol: &Symbol, home: u16, claim: Claim) -> bool {
        self.publish.foreign(symbol, home, claim)
    }
}

/// The lane.
struct Lane {
    partition: Partition,
    heap: Heap,
    /// When it has done what it is at.
    free: Mono,
    packets: VecDeque<(Mono, Line, Vec<u8>)>,
    /// Replies on their way, by when they can be seen.
    replies: VecDeque<(Mono, Reply)>,
}

/// The recovery thread.
struct Thread {
    agent: Agent,
    free: Mono,
    wishes: VecDeque<(Mono, Action)>,
    /// What its sockets have to tell, but for the bytes of connections.
    events: VecDeque<(Mono, Arrival)>,
    /// Bytes of connections and their ends, which wait while the lane has no buffers.
    stream: VecDeque<(Mono, Arrival)>,
    starved: bool,
    connections: [Option<Connection>; 3],
}

/// The handler.
pub(crate) struct Handler {
    format: Format,
    lane: Lane,
    thread: Thread,
    pub(crate) stopwatch: Stopwatch,
    pub(crate) seen: Seen,
    symbols: Vec<Handle>,
}

impl Handler {
    pub(crate) fn new(format: Format, symbols: usize, orders: usize) -> Handler {
        let heap = live::region(symbols as u32).expect("memory for a region");
        let partition = Partition::new(Config {
            index: 0,
            format,
            lines: std::array::from_fn(|line| line < LINES - 1),
            grace: candor::config::REORDER_GRACE,
            session_grace: Nanos(2 * format.heartbeat_interval().0),
            silence: candor::config::silence(format),
            late: candor::config::LATE,
            capacity: Capacity { symbols, orders, levels: orders, trades: TRADES },
            venue: Arc::default(),
            mapped_until: Mono::MAX,
            earlier: Vec::new(),
            followed: Vec::new(),
            moved: Vec::new(),
            services: terms::services(format),
        });
        let lane = Lane {
            partition,
            heap,
            free: START,
            packets: VecDeque::new(),
            replies: VecDeque::new(),
        };
        let seen = Seen::default();
        let thread = Thread::new(format, START);
        let stopwatch = Stopwatch::None;
        let mut handler = Handler { format, lane, thread, stopwatch, seen, symbols: Vec::new() };
        let Lane { partition, heap, .. } = &mut handler.lane;
        heap.lane.renew(LATER);
        let mut watch = Watch { publish: Publish(&mut heap.lane), seen: &mut handler.seen };
        partition.start(START, &mut watch);
        partition.subscribe(START, true, &mut watch);
        handler
    }

    /// Finds the symbols that a reader looks at; every one of them must be Live.
    pub(crate) fn find_symbols(&mut self, now: Mono) -> Result<(), String> {
        let region = &self.lane.heap.region;
        self.symbols = region.symbols(0).map(|(handle, _)| handle).collect();
        let stale = self.symbols.iter().find_map(|at| region.read_at(*at, now).reason());
        match stale {
            _ if self.symbols.is_empty() => Err("the market has no symbols".to_owned()),
            Some(reason) => Err(format!("before anything was lost a symbol is stale: {reason:?}")),
            None => Ok(()),
        }
    }

    /// Whether a reader has every symbol Live right now.
    pub(crate) fn is_live(&self, now: Mono) -> bool {
        let region = &self.lane.heap.region;
        self.symbols.iter().all(|symbol| region.read_at(*symbol, now).live().is_some())
    }

    /// Whether its own word for the partition is Live, and it has come so far.
    pub(crate) fn has_come_to(&self, end: u64) -> bool {
        self.lane.partition.status().is_live() && self.lane.partition.expected().0 >= end
    }

    /// Whether the lane has nothing to catch up with.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.lane.packets.len() < BATCH && self.lane.partition.status().is_live()
    }

    pub(crate) fn expected(&self) -> u64 {
        self.lane.partition.expected().0
    }

    pub(crate) fn status(&self) -> String {
        format!("{:?}", self.lane.partition.status())
    }

    /// Orders and levels in the books.
    pub(crate) fn content(&self) -> (usize, usize) {
        let books = self.lane.partition.books();
        (books.order_count(), books.level_count())
    }

    /// New clients and desks with full budgets, without connections.
    pub(crate) fn renew_agent(&mut self, now: Mono) {
        self.thread = Thread::new(self.format, now);
        self.lane.replies.clear();
    }

    /// Something has reached the host.
    pub(crate) fn arrive(&mut self, at: Mono, arrival: Arrival) {
        match arrival {
            Arrival::Packet { line, payload } => self.lane.packets.push_back((at, line, payload)),
            Arrival::Bytes(..) | Arrival::Closed(..) => self.thread.stream.push_back((at, arrival)),
            Arrival::Datagram(_) | Arrival::Connected(..) => {
                self.thread.events.push_back((at, arrival));
            }
        }
    }

    /// When the lane or the thread has something to do.
    pub(crate) fn due(&self) -> (Option<Mono>, Option<Mono>) {
        let lane = &self.lane;
        let packet = lane.packets.front().map(|(at, ..)| *at);
        let reply = lane.replies.front().map(|(at, _)| *at);
        let first = [packet, reply, lane.partition.deadline()].into_iter().flatten().min();
        let thread = &self.thread;
        let front = |queue: &VecDeque<(Mono, Arrival)>| queue.front().map(|(at, _)| *at);
        let wish = thread.wishes.front().map(|(at, _)| *at);
        let stream = front(&thread.stream).filter(|_| !thread.starved);
        let events = [wish, front(&thread.events), stream, thread.agent.deadline()];
        let work = events.into_iter().flatten().min();
        (first.map(|at| at.max(lane.free)), work.map(|at| at.max(thread.free)))
    }

    /// One cycle of the lane; says when it was over.
    pub(crate) fn cycle(&mut self, now: Mono, venue: &mut Venue) -> Mono {
        let Lane { partition, heap, packets, replies, .. } = &mut self.lane;
        let came = packets.iter().take(BATCH).take_while(|(at, ..)| *at <= now).count();
        let told = replies.iter().take(RECOVERY_REPLIES_A_CYCLE);
        let told = told.take_while(|(at, _)| *at <= now).count();
        let mut sink = Watch { publish: Publish(&mut heap.lane), seen: &mut self.seen };
        let mut wishes = Vec::new();
        let ((), took) = self.stopwatch.time(|| {
            for (at, line, payload) in packets.iter().take(came) {
                partition.on_packet(now, *at, *line, payload, &mut sink);
            }
            for (_, reply) in replies.iter().take(told) {
                take(partition, now, reply, &mut sink);
            }
            if partition.deadline().is_some_and(|deadline| deadline <= now) {
                partition.on_deadline(now, &mut sink);
            }
            while let Some(action) = partition.next_action() {
                wishes.push(action);
            }
        });
        let status = partition.status();
        packets.drain(..came).for_each(|(.., payload)| venue.recycle(payload));
        replies.drain(..told);
        let over = now + took;
        self.lane.free = over;
        if !status.is_live() && self.seen.stale.is_none() {
            self.seen.stale = Some(over);
            self.seen.tell(over, format_args!("{status:?}"));
        }
        self.seen.lane = self.seen.lane + took;
        let wake = venue.delays.wake;
        self.thread.wishes.extend(wishes.into_iter().map(|action| (over + wake, action)));
        self.feed_thread();
        over
    }

    /// Buffers the lane has not given back.
    fn buffers(&self) -> usize {
        self.lane.replies.iter().filter(|(_, reply)| reply.what.has_buffer()).count()
    }

    fn feed_thread(&mut self) {
        if self.thread.starved && self.buffers() <= RECOVERY_BUFFERS / 2 {
            self.thread.starved = false;
        }
    }

    /// One thing the recovery thread does; says when it was over.
    pub(crate) fn work(&mut self, now: Mono, venue: &mut Venue) -> Mono {
        let used = self.buffers();
        let thread = &mut self.thread;
        let mut hands = Hands::new(RECOVERY_BUFFERS - used);
        let stopwatch = self.stopwatch;
        let is_due =
            |queue: &VecDeque<(Mono, Arrival)>| queue.front().is_some_and(|(at, _)| *at <= now);
        let mut took = Nanos::ZERO;
        if thread.wishes.front().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, wish)) = thread.wishes.pop_front() {
                took = stopwatch.time(|| thread.agent.act(now, 0, wish, &mut hands)).1;
            }
        } else if thread.agent.deadline().is_some_and(|deadline| deadline <= now) {
            took = stopwatch.time(|| thread.agent.on_deadline(now, &mut hands)).1;
        } else if is_due(&thread.events) {
            if let Some((at, event)) = thread.events.pop_front() {
                took = thread.hear(now, at, event, stopwatch, &mut hands, venue);
            }
        } else if is_due(&thread.stream) && !thread.starved {
            if RECOVERY_BUFFERS - used < BUFFERS_A_READ {
                thread.starved = true;
            } else if let Some((at, event)) = thread.stream.pop_front() {
                took = thread.hear(now, at, event, stopwatch, &mut hands, venue);
            }
        }
        let over = now + took;
        thread.free = over;
        self.seen.thread = self.seen.thread + took;
        let (wires, replies) = hands.done();
        self.lane.replies.extend(replies.into_iter().map(|reply| (over, reply)));
        for wire in wires {
            self.send(over, wire, venue);
        }
        over
    }

    fn send(&mut self, now: Mono, (channel, wire): (Channel, Wire), venue: &mut Venue) {
        let own = &mut self.thread.connections[channel as usize];
        let is_request = match wire {
            Wire::Datagram(bytes) => {
                venue.request(now, bytes);
                true
            }
            Wire::Connect => {
                *own = Some(venue.connect(now, channel));
                true
            }
            Wire::Say(bytes) => {
                own.iter().for_each(|connection| venue.say(now, *connection, bytes.clone()));
                false
            }
            Wire::Close => {
                own.take().iter().for_each(|connection| venue.hang_up(now, *connection));
                false
            }
        };
        if is_request {
            self.seen.tell(now, format_args!("request: {channel:?}"));
            self.seen.asked.get_or_insert(now);
            match channel {
                Channel::Snapshot => self.seen.snapshots += 1,
                Channel::RetransmitUdp | Channel::RetransmitTcp => self.seen.requests += 1,
            }
        }
    }
}

impl Thread {
    fn new(format: Format, now: Mono) -> Thread {
        Thread {
            agent: Agent::new(terms::agent(format), vec![terms::clients(format)]),
            free: now,
            wishes: VecDeque::new(),
            events: VecDeque::new(),
            stream: VecDeque::new(),
            starved: false,
            connections: [None; 3],
        }
    }

    /// Tells the agent of a socket's event; nothing of a connection that is not in use any more.
    fn hear(
        &mut self,
        now: Mono,
        at: Mono,
        arrival: Arrival,
        stopwatch: Stopwatch,
        hands: &mut Hands,
        venue: &mut Venue,
    ) -> Nanos {
        hands.came = at;
        let agent = &mut self.agent;
        let is_own = |channel: Channel, connection: Connection| {
            self.connections[channel as usize] == Some(connection)
        };
        match arrival {
            Arrival::Packet { .. } => Nanos::ZERO,
            Arrival::Datagram(bytes) => {
                stopwatch.time(|| agent.on_datagram(now, 0, 0, &bytes, hands)).1
            }
            Arrival::Connected(channel, connection) if is_own(channel, connection) => {
                stopwatch.time(|| agent.on_connected(now, 0, channel, hands)).1
            }
            Arrival::Bytes(channel, connection, bytes) => {
                venue.read(now, connection, bytes.len());
                if !is_own(channel, connection) {
                    return Nanos::ZERO;
                }
                stopwatch.time(|| agent.on_bytes(now, 0, channel, &bytes, hands)).1
            }
            Arrival::Closed(channel, connection) if is_own(channel, connection) => {
                self.connections[channel as usize] = None;
                stopwatch.time(|| agent.on_closed(now, 0, channel, hands)).1
            }
            Arrival::Connected(..) | Arrival::Closed(..) => Nanos::ZERO,
        }
    }
}

/// Gives a reply to the partition.
fn take(partition: &mut Partition, now: Mono, reply: &Reply, sink: &mut Watch<'_>) {
    match &reply.what {
        What::Payloads(payloads) => {
            for payload in payloads {
                let answer = partition.on_retransmit(now, payload, sink);
                if matches!(answer, Answer::Filled { .. }) {
                    sink.seen.filled += 1;
                    sink.seen.answered = Some(reply.came);
                }
            }
        }
        What::Refused(refused) => {
            let Refused { range, why, .. } = refused;
            let (first, end) = (range.first.0, range.end.0);
            sink.seen.tell(now, format_args!("Refused: {} {first} to {end}", why.label()));
            partition.on_refused(now, refused, sink);
        }
        What::Part(part) => {
            let piece = part.piece();
            if matches!(piece.body, Body::End { .. }) {
                sink.seen.answered = Some(reply.came);
            }
            partition.on_snapshot(now, piece.cycle, &piece.body.part(), sink);
        }
    }
}

// A block of a snapshot goes into one buffer.
const _: () = assert!(candor_services::snapshot::BLOCK_BYTES <= RECOVERY_BUFFER_BYTES);

//! The venue and the network between it and the handler: all virtual. The exchange with its services
//! publishes in ticks; packets, requests and answers take the time they are configured to take.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use candor_core::{Line, Mono, Nanos, SeqRange, WireTime};
use candor_decoders::Format;
use candor_services::agent::Channel;
use candor_sim::exchange::{Exchange, ExchangeConfig, FlowConfig};
use candor_sim::market::{Family, MarketConfig};
use candor_sim::publisher::{Faults, LineConfig, Packing};
use candor_sim::services::{Connection, Door, Out, Peer, ServicesConfig};

/// When a run begins: any time but "never".
pub(crate) const START: Mono = Mono(1_000_000_000);

/// Time between two packets of a line.
pub(crate) const TICK: Nanos = Nanos::from_micros(50);

/// Messages a second while the market opens.
const OPENING_RATE: u64 = 8_000_000;

/// Bytes on their way to a client of a connection at most: its receive window.
const WINDOW: usize = 4 << 20;

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delays {
    /// From the venue to the handler, by line.
    pub(crate) lines: [Nanos; 2],
    /// To a service and back.
    pub(crate) round_trip: Nanos,
    /// What a service thinks before it begins to answer.
    pub(crate) think: Nanos,
    /// Bytes a second that a service's connection carries.
    pub(crate) bandwidth: u64,
    /// From a lane's request to the recovery thread's attention, which sleeps.
    pub(crate) wake: Nanos,
}

impl Delays {
    /// Line B is 20 µs behind A; a service thinks for 50 µs; a gigabit a second; a thread takes 30 µs
    /// to wake.
    pub(crate) const fn of(round_trip: Nanos) -> Delays {
        Delays {
            lines: [Nanos::from_micros(30), Nanos::from_micros(50)],
            round_trip,
            think: Nanos::from_micros(50),
            bandwidth: 125_000_000,
            wake: Nanos::from_micros(30),
        }
    }

    fn way(&self) -> Nanos {
        Nanos(self.round_trip.0 / 2)
    }

    fn sending(&self, bytes: usize) -> Nanos {
        Nanos((bytes as u64).saturating_mul(1_000_000_000) / self.bandwidth)
    }
}

/// The market, and the size of its books.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Size {
    /// Symbols of the partition.
    pub(crate) symbols: usize,
    /// Orders on each side of each book when it opens.
    pub(crate) prefill: usize,
    /// Messages a second.
    pub(crate) rate: u64,
}

/// Something that reaches the handler's host.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// A packet of a line.
    Packet { line: Line, payload: Vec<u8> },
    /// A datagram of the retransmit service.
    Datagram(Vec<u8>),
    /// A connection is there.
    Connected(Channel, Connection),
    /// Bytes of a connection.
    Bytes(Channel, Connection, Vec<u8>),
    /// The venue closed a connection.
    Closed(Channel, Connection),
}

/// Something on its way.
#[derive(Debug)]
enum Flight {
    Home(Arrival),
    Request(Vec<u8>),
    Accept(Door, Connection),
    Say(Connection, Vec<u8>),
    HangUp(Connection),
}

/// One connection, as the network has it.
#[derive(Debug)]
struct Pipe {
    channel: Channel,
    /// When the venue's end has sent what it was given.
    sent: Mono,
    /// Bytes on their way, or not yet read.
    bytes: usize,
    has_room: bool,
}

/// A packet as a line is about to carry it.
pub(crate) struct Outgoing {
    pub(crate) line: Line,
    pub(crate) range: SeqRange,
    /// When it would arrive.
    pub(crate) arrives: Mono,
    payload: Vec<u8>,
}

/// The venue and the network.
pub(crate) struct Venue {
    exchange: Exchange,
    pub(crate) delays: Delays,
    flights: BinaryHeap<Reverse<(Mono, u64)>>,
    cargo: BTreeMap<u64, Flight>,
    sent: u64,
    pipes: BTreeMap<Connection, Pipe>,
    connections: u32,
}

impl Venue {
    pub(crate) fn new(format: Format, size: Size, delays: Delays) -> Venue {
        let packing = Packing { max_payload: 1_400, max_messages: 64, linger: Nanos::ZERO };
        let line = Some(LineConfig { packing, faults: Faults::default() });
        let config = ExchangeConfig {
            lines: [line, line, None],
            heartbeat: Nanos::from_secs(1),
            seed: 1,
            paused: false,
            history: 1 << 20,
            services: ServicesConfig::default(),
        };
        let market = MarketConfig {
            seed: 7,
            partitions: 1,
            symbols: size.symbols,
            prefill: size.prefill,
            halts: false,
            family: Family::of(format).unwrap_or_default(),
        };
        let flow = FlowConfig {
            market,
            session: *b"RECOVERY01",
            rate: size.rate,
            opening_rate: OPENING_RATE,
            begin: WireTime(34_200_000_000_000),
        };
        let exchange = Exchange::market(&config, &flow, None, START);
        Venue {
            exchange: exchange.expect("no log of truth is written"),
            delays,
            flights: BinaryHeap::new(),
            cargo: BTreeMap::new(),
            sent: 0,
            pipes: BTreeMap::new(),
            connections: 0,
        }
    }

    /// Whether the market still opens.
    pub(crate) fn is_opening(&self) -> bool {
        self.exchange.true_market().is_some_and(|market| market.partitions[0].is_opening())
    }

    /// The number of the next message.
    pub(crate) fn next_seq(&self) -> u64 {
        self.exchange.publishers()[0].next_seq().0
    }

    /// When the venue publishes its next message, at the latest.
    pub(crate) fn next_message(&self, now: Mono) -> Mono {
        self.exchange.next_due().unwrap_or(now).max(now + Nanos(1))
    }

    /// Publishes what is due, asks `carried` of each packet whether its line carries it, and lets the
    /// services say what they have to.
    pub(crate) fn step(&mut self, now: Mono, mut carried: impl FnMut(&Outgoing) -> bool) {
        self.exchange.step(now).expect("no log of truth is written");
        while let Some((partition, packet)) = self.exchange.pop(now) {
            let arrives = now + self.delays.lines[packet.line.index()];
            let (line, range) = (packet.line, packet.range);
            let outgoing = Outgoing { line, range, arrives, payload: packet.payload };
            if carried(&outgoing) {
                let payload = outgoing.payload;
                self.fly(arrives, Flight::Home(Arrival::Packet { line, payload }));
            } else {
                self.exchange.recycle(partition, outgoing.payload);
            }
        }
        self.let_say(now);
    }

    /// Takes back the buffer of a packet.
    pub(crate) fn recycle(&mut self, buffer: Vec<u8>) {
        self.exchange.recycle(0, buffer);
    }

    /// When something arrives somewhere.
    pub(crate) fn due(&self) -> Option<Mono> {
        self.flights.peek().map(|Reverse((at, _))| *at)
    }

    /// The next thing that has reached the handler by `now`. What reaches the venue is seen to.
    pub(crate) fn arrival(&mut self, now: Mono) -> Option<(Mono, Arrival)> {
        while self.due().is_some_and(|due| due <= now) {
            let Reverse((at, key)) = self.flights.pop()?;
            match self.cargo.remove(&key)? {
                Flight::Home(arrival) => return Some((at, arrival)),
                Flight::Request(bytes) => self.exchange.on_datagram(now, 0, Peer(1), &bytes),
                Flight::Accept(door, connection) => {
                    self.exchange.on_accept(now, 0, door, connection);
                }
                Flight::Say(connection, bytes) => {
                    self.exchange.on_bytes(now, 0, connection, &bytes);
                }
                Flight::HangUp(connection) => self.exchange.on_closed(0, connection),
            }
            self.let_say(now);
        }
        None
    }

    /// The handler sends a datagram to the retransmit service.
    pub(crate) fn request(&mut self, now: Mono, bytes: Vec<u8>) {
        self.fly(now + self.delays.way() + self.delays.think, Flight::Request(bytes));
    }

    /// The handler connects.
    pub(crate) fn connect(&mut self, now: Mono, channel: Channel) -> Connection {
        self.connections += 1;
        let connection = Connection(self.connections);
        let door = if channel == Channel::Snapshot { Door::Snapshot } else { Door::Retransmit };
        self.pipes.insert(connection, Pipe { channel, sent: now, bytes: 0, has_room: true });
        self.fly(now + self.delays.way(), Flight::Accept(door, connection));
        let home = Flight::Home(Arrival::Connected(channel, connection));
        self.fly(now + self.delays.round_trip, home);
        connection
    }

    /// The handler sends over a connection.
    pub(crate) fn say(&mut self, now: Mono, connection: Connection, bytes: Vec<u8>) {
        self.fly(now + self.delays.way() + self.delays.think, Flight::Say(connection, bytes));
    }

    /// The handler closes a connection.
    pub(crate) fn hang_up(&mut self, now: Mono, connection: Connection) {
        if self.pipes.remove(&connection).is_some() {
            let at = now + self.delays.way() + self.delays.think;
            self.fly(at, Flight::HangUp(connection));
        }
    }

    /// The handler has read bytes of a connection.
    pub(crate) fn read(&mut self, now: Mono, connection: Connection, bytes: usize) {
        let Some(pipe) = self.pipes.get_mut(&connection) else { return };
        pipe.bytes -= bytes.min(pipe.bytes);
        if !pipe.has_room && pipe.bytes <= WINDOW / 2 {
            pipe.has_room = true;
            self.exchange.on_room(0, connection, true);
            self.let_say(now);
        }
    }

    /// Every connection is gone, and what was on its way there.
    pub(crate) fn forget_connections(&mut self) {
        for connection in std::mem::take(&mut self.pipes).into_keys() {
            self.exchange.on_closed(0, connection);
        }
        let (flights, cargo) = (&mut self.flights, &mut self.cargo);
        let exchange = &mut self.exchange;
        flights.retain(|Reverse((_, key))| match cargo.get(key) {
            Some(Flight::Home(Arrival::Packet { .. })) => true,
            flight => {
                // Else the service would keep a place for who has gone.
                if let Some(Flight::HangUp(connection)) = flight {
                    exchange.on_closed(0, *connection);
                }
                cargo.remove(key);
                false
            }
        });
    }

    fn fly(&mut self, at: Mono, flight: Flight) {
        self.sent += 1;
        self.flights.push(Reverse((at, self.sent)));
        self.cargo.insert(self.sent, flight);
    }

    fn let_say(&mut self, now: Mono) {
        while let Some((_, out)) = self.exchange.next_out(now) {
            match out {
                Out::Datagram { payload, .. } => {
                    let at = now + self.delays.way() + self.delays.sending(payload.len());
                    self.fly(at, Flight::Home(Arrival::Datagram(payload)));
                }
                Out::Bytes { connection, bytes } => {
                    let (way, sending) = (self.delays.way(), self.delays.sending(bytes.len()));
                    let Some(pipe) = self.pipes.get_mut(&connection) else { continue };
                    pipe.sent = pipe.sent.max(now) + sending;
                    pipe.bytes += bytes.len();
                    if pipe.bytes >= WINDOW {
                        pipe.has_room = false;
                        self.exchange.on_room(0, connection, false);
                    }
                    let (at, channel) = (pipe.sent + way, pipe.channel);
                    self.fly(at, Flight::Home(Arrival::Bytes(channel, connection, bytes)));
                }
                Out::Close { connection } => {
                    let Some(pipe) = self.pipes.remove(&connection) else { continue };
                    let at = pipe.sent.max(now) + self.delays.way();
                    self.fly(at, Flight::Home(Arrival::Closed(pipe.channel, connection)));
                }
            }
        }
    }
}

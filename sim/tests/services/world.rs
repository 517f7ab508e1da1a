//! An exchange of one partition, and clients of its services.

use std::collections::BTreeMap;

use candor_book::{Capacity, Shape, naive};
use candor_core::{BookView, Decimals, Event, Mono, Nanos, SeqNo, SymbolIndex, WireTime};
use candor_decoders::Format;
use candor_decoders::nasdaq::glimpse;
use candor_decoders::nasdaq::moldudp64::Request;
use candor_decoders::nasdaq::soupbintcp::{self, FromClient, FromServer, Login};
use candor_sim::control;
use candor_sim::exchange::{Exchange, ExchangeConfig, FlowConfig};
use candor_sim::market::{Family, MarketConfig, PartitionMarket};
use candor_sim::publisher::{Faults, History, LineConfig, Packing};
use candor_sim::services::{Connection, Door, Out, Peer, ServicesConfig};
use candor_sim::truth::Seen;

pub(crate) const FORMAT: Format = Format::NasdaqItch50;
pub(crate) const SESSION: [u8; 10] = *b"DAY1      ";
pub(crate) const SYMBOLS: usize = 20;
pub(crate) const CLIENT: Peer = Peer(7);

/// What a client of a connection heard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    pub(crate) bytes: Vec<u8>,
    /// When the first and the last of them came.
    pub(crate) first_at: Option<u64>,
    pub(crate) last_at: u64,
    pub(crate) closed: Option<u64>,
}

pub(crate) struct World {
    pub(crate) exchange: Exchange,
    pub(crate) now: u64,
    pub(crate) datagrams: Vec<(u64, Peer, Vec<u8>)>,
    pub(crate) streams: BTreeMap<u32, Stream>,
}

impl World {
    pub(crate) fn new(rate: u64) -> World {
        World::with(rate, 1 << 20, ServicesConfig::default())
    }

    pub(crate) fn with(rate: u64, history: usize, services: ServicesConfig) -> World {
        World::of(Family::Itch50, rate, history, services)
    }

    pub(crate) fn of(family: Family, rate: u64, history: usize, services: ServicesConfig) -> World {
        let line = |packing| Some(LineConfig { packing, faults: Faults::default() });
        let config = ExchangeConfig {
            lines: [line(Packing::A), line(Packing::B), None],
            heartbeat: Nanos::from_secs(1),
            seed: 5,
            paused: false,
            history,
            services,
        };
        let flow = FlowConfig {
            market: MarketConfig { seed: 5, symbols: SYMBOLS, family, ..MarketConfig::default() },
            session: SESSION,
            rate,
            opening_rate: 100_000,
            begin: WireTime(34_200_000_000_000),
        };
        let exchange = Exchange::market(&config, &flow, None, Mono(1)).unwrap();
        World { exchange, now: 1, datagrams: Vec::new(), streams: BTreeMap::new() }
    }

    /// Lets the exchange do whatever is due within the next milliseconds.
    pub(crate) fn pass(&mut self, ms: u64) {
        let until = self.now + ms * 1_000_000;
        while let Some(due) = self.exchange.next_due().filter(|due| due.0 <= until) {
            self.now = self.now.max(due.0);
            self.exchange.step(Mono(self.now)).unwrap();
            while self.exchange.pop(Mono(self.now)).is_some() {}
            self.take_out();
        }
        self.now = until;
    }

    fn take_out(&mut self) {
        while let Some((partition, out)) = self.exchange.next_out(Mono(self.now)) {
            assert_eq!(partition, 0);
            match out {
                Out::Datagram { to, payload } => self.datagrams.push((self.now, to, payload)),
                Out::Bytes { connection, bytes } => {
                    assert!(!bytes.is_empty() && bytes.len() < 20_000);
                    let stream = self.streams.get_mut(&connection.0).unwrap();
                    assert_eq!(stream.closed, None);
                    stream.bytes.extend(bytes);
                    stream.first_at = stream.first_at.or(Some(self.now));
                    stream.last_at = self.now;
                }
                Out::Close { connection } => {
                    let stream = self.streams.get_mut(&connection.0).unwrap();
                    assert_eq!(stream.closed.replace(self.now), None);
                }
            }
        }
    }

    pub(crate) fn say(&mut self, text: &str) {
        let command = control::parse(text).unwrap();
        self.exchange.apply(Mono(self.now), &command).unwrap();
    }

    pub(crate) fn next(&self) -> u64 {
        self.exchange.publishers()[0].next_seq().0
    }

    pub(crate) fn history(&self) -> &History {
        self.exchange.publishers()[0].history()
    }

    pub(crate) fn market(&self) -> &PartitionMarket {
        &self.exchange.true_market().unwrap().partitions[0]
    }

    /// Asks for numbers again and returns what comes at once.
    pub(crate) fn ask(&mut self, first: u64, count: u16) -> Vec<Vec<u8>> {
        self.ask_in(SESSION, first, count)
    }

    pub(crate) fn ask_in(&mut self, session: [u8; 10], first: u64, count: u16) -> Vec<Vec<u8>> {
        let request = Request { session, first: SeqNo(first), count }.encode();
        self.exchange.on_datagram(Mono(self.now), 0, CLIENT, &request);
        self.take_out();
        self.take_datagrams()
    }

    pub(crate) fn take_datagrams(&mut self) -> Vec<Vec<u8>> {
        self.datagrams
            .drain(..)
            .map(|(_, to, payload)| (assert_eq!(to, CLIENT), payload).1)
            .collect()
    }

    pub(crate) fn connect(&mut self, name: u32) {
        self.exchange.on_accept(Mono(self.now), 0, Door::Snapshot, Connection(name));
        self.streams.insert(name, Stream::default());
    }

    pub(crate) fn send(&mut self, name: u32, packet: FromClient<'_>) {
        let mut buffer = [0; 1_024];
        let packet = packet.encode(&mut buffer).unwrap();
        self.exchange.on_bytes(Mono(self.now), 0, Connection(name), packet);
    }

    /// Connects and logs in to the current session.
    pub(crate) fn log_in(&mut self, name: u32) {
        self.connect(name);
        self.send(name, login(soupbintcp::CURRENT_SESSION));
    }
}

pub(crate) fn login(session: [u8; 10]) -> FromClient<'static> {
    FromClient::Login(Login {
        user: *b"USER  ",
        password: *b"SECRET    ",
        session,
        next: glimpse::LOGIN_SEQUENCE,
    })
}

/// The messages of a datagram by number.
pub(crate) fn messages(payload: &[u8]) -> BTreeMap<u64, Vec<u8>> {
    let packet = FORMAT.frame(payload).unwrap();
    (packet.range.first.0..).zip(packet.messages.map(<[u8]>::to_vec)).collect()
}

/// A snapshot as a client of GLIMPSE heard it.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) accepted: bool,
    pub(crate) rejected: Option<soupbintcp::Rejection>,
    pub(crate) messages: Vec<Vec<u8>>,
    pub(crate) next: Option<u64>,
    pub(crate) heartbeats: usize,
    /// Bytes behind the last whole packet.
    pub(crate) rest: usize,
}

impl Stream {
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let mut packets = soupbintcp::split(&self.bytes);
        while let Some(packet) = packets.take_next().unwrap() {
            match FromServer::parse(packet).unwrap() {
                FromServer::Accepted { session, next } => {
                    assert_eq!(next, SeqNo(1));
                    assert_ne!(session, [b' '; 10]);
                    snapshot.accepted = true;
                }
                FromServer::Rejected(why) => snapshot.rejected = Some(why),
                FromServer::Sequenced(message) => match glimpse::end(message).unwrap() {
                    Some(next) => snapshot.next = Some(next.0),
                    None => {
                        assert_eq!(snapshot.next, None, "a message behind the end");
                        snapshot.messages.push(message.to_vec());
                    }
                },
                FromServer::Heartbeat => snapshot.heartbeats += 1,
                other => panic!("{other:?}"),
            }
        }
        snapshot.rest = self.bytes.len() - packets.consumed();
        snapshot
    }
}

/// The books of a client that takes a snapshot and goes on from there.
pub(crate) struct Books(naive::Books, usize);

impl Books {
    pub(crate) fn new() -> Books {
        let capacity = Capacity { symbols: 100, orders: 100_000, levels: 50_000, trades: 1_000 };
        Books(naive::Books::new(Shape::ByOrder, capacity, Decimals(4)), 0)
    }

    pub(crate) fn apply(&mut self, seq: u64, bytes: &[u8]) {
        let message = FORMAT.decode(bytes).unwrap();
        if let Event::Definition { .. } = message.event {
            self.1 += 1;
            assert_eq!(message.key.0, self.1 as u64, "symbols come in order");
            self.0.add_symbol().unwrap();
        }
        if message.key.0 > 0 {
            let symbol = SymbolIndex(message.key.0 as u32 - 1);
            self.0.apply(symbol, SeqNo(seq), &message).unwrap();
        }
    }

    pub(crate) fn snapshot(messages: &[Vec<u8>], next: u64) -> Books {
        let mut books = Books::new();
        messages.iter().for_each(|message| books.apply(next - 1, message));
        (0..books.1 as u32).for_each(|symbol| books.0.cover(SymbolIndex(symbol), SeqNo(next)));
        books
    }

    /// Whether every book is that of the market.
    pub(crate) fn agree(&self, market: &PartitionMarket) -> bool {
        (0..market.symbols().len() as u32).map(SymbolIndex).all(|symbol| {
            let mut truth = BookView::EMPTY;
            market.book(symbol).view(&mut truth);
            let heard = self.0.view(symbol);
            Seen::of(&truth).agrees(&heard)
        })
    }
}

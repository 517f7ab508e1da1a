//! IEX gap fill and SNAP, of a small DEEP stream.

use candor_book::{Capacity, Shape, naive};
use candor_core::{
    BookView, Decimals, Event, InstrumentKey, Mono, Price, SeqNo, SeqRange, Side, SymbolIndex,
    WireTime,
};
use candor_decoders::iex::deep::{self, PriceLevel};
use candor_decoders::iex::tp::{self, Stream};
use candor_decoders::iex::{gapfill, snap};
use candor_decoders::{Format, IntoBytes};
use candor_sim::market::Family;
use candor_sim::publisher::{Framing, Publisher, PublisherConfig};
use candor_sim::services::{
    Connection, Door, Image, Out, Partition, Peer, ServiceFault, ServiceKind, Services,
    ServicesConfig,
};
use candor_sim::truth::Seen;
use std::collections::BTreeMap;

const FORMAT: Format = Format::IexDeep;
const STREAM: Stream = Stream { protocol: tp::DEEP_1_0, channel: 1, session: 0x55 };
const MESSAGES: u64 = 5_000;

fn level(n: u64) -> Vec<u8> {
    let message = PriceLevel {
        kind: if n.is_multiple_of(3) { deep::BUY } else { deep::SELL },
        // Two updates a transaction: number 4 and 5, 6 and 7, ..
        event_flags: u8::from(!n.is_multiple_of(2)),
        time: (n as i64).into(),
        symbol: *if (n / 2).is_multiple_of(5) { b"ABC     " } else { b"XYZ     " },
        size: ((n * 7 % 13) as u32).into(),
        price: (10_000 + (n * 31 % 97) as i64).into(),
    };
    message.as_bytes().to_vec()
}

fn directory(symbol: &[u8; 8]) -> Vec<u8> {
    let mut message = vec![0; 31];
    message[0] = b'D';
    message[2] = 1;
    message[10..18].copy_from_slice(symbol);
    message[18] = 100;
    message
}

struct World {
    publisher: Publisher,
    services: Services,
    now: u64,
    datagrams: Vec<Vec<u8>>,
    heard: Vec<u8>,
    closed: bool,
}

impl World {
    fn new(config: ServicesConfig) -> World {
        let publisher = PublisherConfig::new(Framing::IexTp(STREAM), 1);
        let mut publisher = Publisher::new(&publisher, Mono(1));
        for symbol in [b"ABC     ", b"XYZ     "] {
            publisher.push(Mono(1), &directory(symbol)).unwrap();
        }
        for n in 3..=MESSAGES {
            publisher.push(Mono(1), &level(n)).unwrap();
        }
        let services = Services::new(config);
        let (datagrams, heard) = (Vec::new(), Vec::new());
        World { publisher, services, now: 1, datagrams, heard, closed: false }
    }

    fn faulty(fault: ServiceFault) -> World {
        let mut world = World::new(ServicesConfig::default());
        for kind in ServiceKind::ALL {
            fault.apply(world.services.faults_mut(kind));
        }
        world
    }

    fn pass(&mut self, ms: u64) {
        self.now += ms * 1_000_000;
        let partition = Partition { publisher: &self.publisher, market: None };
        self.services.on_deadline(Mono(self.now), &partition);
        while let Some(out) = self.services.next_out(Mono(self.now), &partition) {
            match out {
                Out::Datagram { to, payload } => {
                    assert_eq!(to, Peer(9));
                    self.datagrams.push(payload);
                }
                Out::Bytes { bytes, .. } => self.heard.extend(bytes),
                Out::Close { .. } => self.closed = true,
            }
        }
    }

    fn ask(&mut self, ranges: &[(u64, u64)]) -> Vec<Vec<u8>> {
        let request = request(STREAM, ranges);
        let partition = Partition { publisher: &self.publisher, market: None };
        self.services.on_datagram(Mono(self.now), &partition, Peer(9), &request);
        self.pass(0);
        core::mem::take(&mut self.datagrams)
    }

    /// Says this on a connection of its own and returns what came in answer.
    fn talk(&mut self, door: Door, bytes: &[u8]) -> Vec<u8> {
        self.services.on_accept(Mono(self.now), door, Connection(1));
        self.hear(bytes)
    }

    fn hear(&mut self, bytes: &[u8]) -> Vec<u8> {
        let partition = Partition { publisher: &self.publisher, market: None };
        self.services.on_bytes(Mono(self.now), &partition, Connection(1), bytes);
        self.pass(0);
        core::mem::take(&mut self.heard)
    }

    /// The price levels as the messages up to `next` leave them.
    fn levels(&self, next: u64) -> BTreeMap<(InstrumentKey, Side, Price), u32> {
        let history = self.publisher.history();
        levels((1..next).map(|seq| history.get(SeqNo(seq)).unwrap()))
    }
}

fn levels<'a>(
    messages: impl Iterator<Item = &'a [u8]>,
) -> BTreeMap<(InstrumentKey, Side, Price), u32> {
    let mut levels = BTreeMap::new();
    for message in messages {
        let known = FORMAT.decode(message).unwrap();
        if let Event::SetLevel { side, price, size, .. } = known.event {
            levels.insert((known.key, side, price), size);
        }
    }
    levels.retain(|_, size| *size > 0);
    levels
}

fn request(stream: Stream, ranges: &[(u64, u64)]) -> Vec<u8> {
    let range = |(first, end): &(u64, u64)| SeqRange { first: SeqNo(*first), end: SeqNo(*end) };
    let ranges: Vec<SeqRange> = ranges.iter().map(range).collect();
    gapfill::encode(&mut [0; 1_024], stream, &ranges).unwrap().to_vec()
}

/// The numbers of segments, each checked against the history with its place in the stream.
fn numbers(world: &World, segments: &[u8]) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut rest = segments;
    while !rest.is_empty() {
        let len = 40 + usize::from(u16::from_le_bytes([rest[12], rest[13]]));
        let packet = FORMAT.frame(&rest[..len]).unwrap();
        let (header, _) = tp::segment(&rest[..len]).unwrap();
        let place = world.publisher.history().position(packet.range.first).unwrap();
        assert_eq!(header.stream_offset.get(), place.offset as i64);
        for (seq, message) in (packet.range.first.0..).zip(packet.messages) {
            assert_eq!(world.publisher.history().get(SeqNo(seq)), Some(message));
            numbers.push(seq);
        }
        rest = &rest[len..];
    }
    numbers
}

#[test]
fn over_udp_a_thousand_messages_are_sent_at_most_in_ordinary_segments() {
    let mut world = World::new(ServicesConfig::default());
    let answer = world.ask(&[(10, 20), (100, 3_000)]);
    assert!(answer.iter().all(|segment| segment.len() <= 1_400));
    let expected: Vec<u64> = (10..20).chain(100..1_090).collect();
    assert_eq!(numbers(&world, &answer.concat()), expected);
    let tail = world.ask(&[(MESSAGES - 1, MESSAGES + 100)]).concat();
    assert_eq!(numbers(&world, &tail), [MESSAGES - 1, MESSAGES]);
    // A test is answered with a sign of life, another session or channel with nothing.
    let test = world.ask(&[]);
    assert_eq!(FORMAT.frame(&test[0]).unwrap().range.first, SeqNo(MESSAGES + 1));
    let other = request(Stream { session: 0x56, ..STREAM }, &[(1, 2)]);
    let partition = Partition { publisher: &world.publisher, market: None };
    world.services.on_datagram(Mono(1), &partition, Peer(9), &other);
    world.services.on_datagram(Mono(1), &partition, Peer(9), &[1; 7]);
    world.pass(0);
    assert!(world.datagrams.is_empty());
    assert!(world.ask(&[(MESSAGES + 1, MESSAGES + 9)]).is_empty());
}

#[test]
fn over_tcp_everything_is_sent_and_then_the_connection_is_closed() {
    let mut world = World::new(ServicesConfig::default());
    let request = request(STREAM, &[(1, 4_000), (4_500, 9_000)]);
    // The request comes in two pieces.
    assert!(world.talk(Door::Retransmit, &request[..20]).is_empty());
    let heard = world.hear(&request[20..]);
    let expected: Vec<u64> = (1..4_000).chain(4_500..=MESSAGES).collect();
    assert_eq!(numbers(&world, &heard), expected);
    assert!(world.closed);
    let mut world = World::new(ServicesConfig::default());
    assert!(world.talk(Door::Retransmit, &[9; 64]).is_empty());
    assert!(world.closed);
    // Who asks for nothing is given up.
    let mut world = World::new(ServicesConfig::default());
    world.talk(Door::Retransmit, &[]);
    world.pass(9_999);
    assert!(!world.closed);
    world.pass(1);
    assert!(world.closed);
}

#[test]
fn gap_fill_faults() {
    let ask = [(10, 30)];
    let mut expected: Vec<u64> = (10..20).collect();
    for fault in [ServiceFault::Partial, ServiceFault::Hang] {
        let mut world = World::faulty(fault);
        let heard = world.talk(Door::Retransmit, &request(STREAM, &ask));
        assert_eq!(numbers(&world, &heard), expected);
        assert_eq!(world.closed, fault == ServiceFault::Partial);
        let answer = world.ask(&ask).concat();
        assert_eq!(answer.is_empty(), fault == ServiceFault::Hang);
    }
    let mut world = World::faulty(ServiceFault::Refuse);
    assert!(world.talk(Door::Retransmit, &request(STREAM, &ask)).is_empty());
    assert!(world.closed && world.ask(&ask).is_empty());
    let mut world = World::faulty(ServiceFault::WrongRange);
    expected = (30..50).collect();
    let heard = world.talk(Door::Retransmit, &request(STREAM, &ask));
    assert_eq!(numbers(&world, &heard), expected);
    let mut world = World::faulty(ServiceFault::Twice);
    let heard = world.talk(Door::Retransmit, &request(STREAM, &[(10, 12)]));
    assert_eq!(numbers(&world, &heard), [10, 11, 10, 11]);
    let mut world = World::faulty(ServiceFault::Late(candor_core::Nanos::from_millis(5)));
    assert!(world.talk(Door::Retransmit, &request(STREAM, &ask)).is_empty());
    world.pass(4);
    assert!(world.heard.is_empty());
    world.pass(1);
    assert_eq!(world.heard.is_empty(), !world.closed);
}

/// What a client of SNAP heard.
#[derive(Debug, Default, PartialEq, Eq)]
struct Snapshot {
    errors: Vec<snap::Error>,
    image_len: u64,
    messages: Vec<Vec<u8>>,
    last: Option<u64>,
}

fn snapshot(bytes: &[u8]) -> Snapshot {
    snapshot_of(bytes, STREAM.session)
}

fn snapshot_of(bytes: &[u8], session: u32) -> Snapshot {
    let mut heard = Snapshot::default();
    let mut packets = snap::split(bytes);
    while let Some(packet) = packets.take_next().unwrap() {
        match snap::FromServer::parse(packet).unwrap() {
            snap::FromServer::Error(error) => heard.errors.push(error),
            snap::FromServer::Start { image_len } => heard.image_len = image_len,
            snap::FromServer::Data { stream, message } => {
                assert_eq!(stream, Stream { session, ..STREAM });
                heard.messages.push(message.to_vec());
            }
            snap::FromServer::End { last } => heard.last = Some(last.0),
            other => panic!("{other:?}"),
        }
    }
    heard
}

fn bytes_of(messages: &[Vec<u8>]) -> u64 {
    messages.iter().map(|message| (snap::DATA_HEAD + message.len()) as u64).sum()
}

fn snap_request(lowest: u64) -> snap::Request {
    snap::Request { token: [b' '; 40], channel: 1, session: 0x55, lowest: SeqNo(lowest) }
}

#[test]
fn a_snapshot_has_the_levels_as_of_its_number() {
    let mut world = World::new(ServicesConfig::default());
    // The last message is the first of a transaction: the image is as of the one before.
    let ask = snap_request(MESSAGES - 1).encode().unwrap();
    let heard = snapshot(&world.talk(Door::Snapshot, &ask));
    assert_eq!((heard.last, heard.errors.is_empty()), (Some(MESSAGES - 1), true));
    assert_eq!(heard.image_len, bytes_of(&heard.messages));
    assert_eq!(levels(heard.messages.iter().map(Vec::as_slice)), world.levels(MESSAGES));
    let kinds: Vec<u8> = heard.messages.iter().map(|message| message[0]).collect();
    assert_eq!(kinds[..2], *b"DD");
    assert!(kinds[2..].iter().all(|kind| b"85".contains(kind)) && kinds.len() > 100);
    assert!(heard.messages[2..].iter().all(|message| message[1] & deep::EVENT_COMPLETE != 0));
    // The connection serves again, as of then.
    world.publisher.push(Mono(2), &level(MESSAGES + 1)).unwrap();
    let again = snapshot(&world.hear(&ask));
    assert_eq!(again.last, Some(MESSAGES + 1));
    assert_eq!(levels(again.messages.iter().map(Vec::as_slice)), world.levels(MESSAGES + 2));
    world.pass(10_000);
    assert!(world.closed);
}

#[test]
fn a_snapshot_that_is_not_to_be_had_is_refused_with_its_letter() {
    let config =
        ServicesConfig { token: Some([b' '; 40]), snap_quota: 1, ..ServicesConfig::default() };
    let mut world = World::new(config);
    let errors = |world: &mut World, request: snap::Request| {
        snapshot(&world.hear(&request.encode().unwrap())).errors
    };
    world.talk(Door::Snapshot, &[]);
    let good = snap_request(1);
    let wrong = snap::Request { token: [b'x'; 40], ..good };
    assert_eq!(errors(&mut world, wrong), [snap::Error::NotAuthenticated]);
    let wrong = snap::Request { channel: 2, ..good };
    assert_eq!(errors(&mut world, wrong), [snap::Error::WrongChannel]);
    let wrong = snap::Request { session: 2, ..good };
    assert_eq!(errors(&mut world, wrong), [snap::Error::WrongSession]);
    assert_eq!(errors(&mut world, snap_request(MESSAGES)), [snap::Error::NotYet]);
    assert_eq!(snapshot(&world.hear(&[1, 0, b'?'])).errors, [snap::Error::NotUnderstood]);
    // Two at once: the second is told that the first is under way. Then the quota is used up.
    let twice = [good.encode().unwrap(), good.encode().unwrap()].concat();
    let heard = snapshot(&world.hear(&twice));
    assert_eq!((heard.errors, heard.last), (vec![snap::Error::Active], Some(MESSAGES - 1)));
    assert_eq!(errors(&mut world, good), [snap::Error::Quota]);
    let counts = world.services.counts(ServiceKind::Snapshot);
    assert_eq!((counts.requests, counts.answered), (8, 1));
    assert_eq!((counts.refused, counts.ignored), (3, 4));
}

#[test]
fn snap_faults() {
    let ask = snap_request(1).encode().unwrap();
    let whole = snapshot(&World::new(ServicesConfig::default()).talk(Door::Snapshot, &ask));
    let half = whole.messages.len() / 2;
    for (fault, closed) in
        [(ServiceFault::Partial, true), (ServiceFault::Hang, false), (ServiceFault::LostPart, true)]
    {
        let mut world = World::faulty(fault);
        let bytes = world.talk(Door::Snapshot, &ask);
        let heard = snapshot(&bytes);
        assert_eq!((&heard.messages[..], heard.last), (&whole.messages[..half], None), "{fault:?}");
        assert_eq!(world.closed, closed, "{fault:?}");
        let mut packets = snap::split(&bytes);
        while packets.take_next().unwrap().is_some() {}
        assert_eq!(packets.consumed() < bytes.len(), fault == ServiceFault::LostPart);
    }
    let mut world = World::faulty(ServiceFault::BrokenSnapshot);
    let heard = snapshot(&world.talk(Door::Snapshot, &ask));
    assert_eq!((heard.messages.len(), heard.last), (whole.messages.len(), whole.last));
    assert!(FORMAT.decode(&heard.messages[half]).is_err());
    assert_eq!(heard.image_len, bytes_of(&heard.messages), "only the message tells");
    let mut world = World::faulty(ServiceFault::LostPacket);
    let heard = snapshot(&world.talk(Door::Snapshot, &ask));
    let mut expected = whole.messages.clone();
    let lost = expected.remove(half);
    assert_eq!((&heard.messages, heard.last), (&expected, whole.last));
    assert_eq!(heard.image_len, bytes_of(&expected) + bytes_of(&[lost]));
    let mut world = World::faulty(ServiceFault::OldSnapshot(700));
    let heard = snapshot(&world.talk(Door::Snapshot, &ask));
    assert_eq!(heard.last, Some(MESSAGES - 701));
    let expected = world.levels(MESSAGES - 700);
    assert_eq!(levels(heard.messages.iter().map(Vec::as_slice)), expected);
    let mut world = World::faulty(ServiceFault::Throttle(0));
    let heard = snapshot(&world.talk(Door::Snapshot, &ask));
    assert_eq!(heard.errors, [snap::Error::Quota]);
    let mut world = World::faulty(ServiceFault::Refuse);
    let heard = snapshot(&world.talk(Door::Snapshot, &ask));
    assert_eq!(heard.errors, [snap::Error::NotAuthenticated]);
}

#[test]
fn a_snapshot_of_the_market_and_the_history_behind_it_give_the_true_books() {
    for ms in [3, 150, 900] {
        let config = ServicesConfig::default();
        let mut world = crate::world::World::of(Family::Deep, 10_000, 1 << 20, config);
        world.pass(ms);
        let request = snap::Request { session: 1, ..snap_request(world.next() - 1) };
        world.connect(1);
        let request = request.encode().unwrap();
        world.exchange.on_bytes(Mono(world.now), 0, Connection(1), &request);
        world.pass(300);
        let heard = snapshot_of(&world.streams[&1].bytes, 1);
        let next = heard.last.unwrap() + 1;
        let capacity = Capacity { symbols: 100, orders: 1, levels: 50_000, trades: 1_000 };
        let mut books = naive::Books::new(Shape::ByLevel, capacity, Decimals(4));
        let mut keys = Vec::new();
        let image = heard.messages.iter().map(|message| (next - 1, message.as_slice()));
        let history = world.history();
        let rest = (next..world.next()).map(|seq| (seq, history.get(SeqNo(seq)).unwrap()));
        for (seq, bytes) in image.chain(rest) {
            let message = FORMAT.decode(bytes).unwrap();
            if message.key == InstrumentKey::NONE {
                continue;
            }
            let known = keys.iter().position(|key| *key == message.key);
            let symbol = known.map_or_else(
                || {
                    keys.push(message.key);
                    books.add_symbol().unwrap()
                },
                |index| SymbolIndex(index as u32),
            );
            books.cover(symbol, SeqNo(next));
            books.apply(symbol, SeqNo(seq), &message).unwrap();
        }
        for (index, symbol) in world.market().symbols().enumerate() {
            let mut truth = BookView::EMPTY;
            world.market().book(SymbolIndex(index as u32)).view(&mut truth);
            let key = FORMAT.key_of(&symbol).unwrap();
            let at = keys.iter().position(|known| *known == key).unwrap();
            let view = books.view(SymbolIndex(at as u32));
            assert!(Seen::of(&truth).agrees(&view), "{symbol} after {ms} ms");
        }
    }
}

#[test]
fn of_tops_there_is_no_image() {
    let stream = Stream { protocol: tp::TOPS_1_6, ..STREAM };
    let config = PublisherConfig::new(Framing::IexTp(stream), 1);
    let publisher = Publisher::new(&config, Mono(1));
    assert_eq!(Image::now(&Partition { publisher: &publisher, market: None }, Mono(1)), None);
    assert_eq!(publisher.wire_time(Mono(1)), WireTime(1));
}

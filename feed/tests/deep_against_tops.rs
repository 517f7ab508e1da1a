//! The oracle that real data gives: IEX publishes DEEP and TOPS of one session, and the best bid
//! and offer of the one must be the quote of the other, to the share and to the nanosecond.
//!
//! From the DEEP book, at each complete event, a side's best price is the first level at which the
//! running size reaches a round lot (100 up to $250, 40 up to $1,000, 10 up to $10,000, else 1), and
//! its size is that running size. Each change of it must be the symbol's next TOPS quote.
//!
//! Every book here was published to a region and read back, and is compared there with a second
//! one made from the events alone.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use candor::log::Log;
use candor::publish::{Links, Publisher};
use candor::source::Source;
use candor::source::capture::{Capture, Endpoints};
use candor_book::{Books, Capacity, Shape};
use candor_core::counters::Counter;
use candor_core::symbol::Text;
use candor_core::{
    BookView, Decimals, Event, Level, Line, Loss, Message, Mono, Nanos, SeqNo, SessionId, Side,
    Status, Symbol, SymbolIndex, WireTime,
};
use candor_decoders::Format;
use candor_decoders::iex::tp;
use candor_engine::{Claim, Config, Notice, Partition, Sink, VenueSymbols};
use candor_shm::{HandlerWriter, LaneWriter, PartitionSpec, Read, Region, RegionSpec};
use candor_sim::capture::{Capture as Messages, CaptureMessage, recut};
use candor_sim::publisher::{Faults, Framing, LineConfig, Packing};
use candor_sim::rng::Rng;

const CAPACITY: Capacity = Capacity { symbols: 16_384, orders: 0, levels: 200_000, trades: 16_384 };

fn captures(name: &str) -> Option<(PathBuf, PathBuf)> {
    let folder = std::env::var_os("CANDOR_CAPTURES").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")),
        PathBuf::from,
    );
    let file = |feed: &str| folder.join(format!("iex/{feed}-2026-07-13.pcap.zst"));
    if file("deep").exists() && file("tops").exists() {
        return Some((file("deep"), file("tops")));
    }
    println!("skipped: {name}: no captures");
    None
}

/// A quote: bid price and size, offer price and size.
type Best = [(i64, u64); 2];

/// A side's best price by the rule for round lots.
fn best(levels: impl Iterator<Item = Level>) -> (i64, u64) {
    let mut running = 0;
    for level in levels {
        running += level.size;
        let lot = match level.price.0 {
            ..=2_500_000 => 100,
            2_500_001..=10_000_000 => 40,
            10_000_001..=100_000_000 => 10,
            _ => 1,
        };
        if running >= lot {
            return (level.price.0, running);
        }
    }
    (0, 0)
}

/// The region, and beside it what follows from the events alone.
struct Follower {
    writer: LaneWriter,
    links: Links,
    now: Mono,
    region: Region,
    _handler: HandlerWriter,
    books: Books,
    names: Vec<Symbol>,
    shown: BTreeMap<u32, Best>,
    quotes: BTreeMap<Symbol, VecDeque<(WireTime, Best)>>,
    collects: bool,
    compared: u64,
    published: u64,
}

impl Follower {
    fn new(format: Format, quotes: BTreeMap<Symbol, VecDeque<(WireTime, Best)>>) -> Follower {
        let mut spec = RegionSpec::new(Text::from_wire(b"oracle").unwrap());
        spec.partitions.push(PartitionSpec {
            venue: Text::from_wire(b"IEXG").unwrap(),
            name: Text::from_wire(b"1").unwrap(),
            feed: Text::from_wire(format.name().as_bytes()).unwrap(),
            lane: 0,
            symbols: CAPACITY.symbols as u32,
            silence: Nanos::from_secs(3),
            decimals: Decimals(4),
            lines: [None; 3],
        });
        let (mut handler, mut lanes, region) = candor_shm::heap(&spec).unwrap();
        handler.set_status(
            candor::run::handler_status(true, &candor::attest::Verdict::not_required()),
            Mono(1),
        );
        let shape = if format == Format::IexDeep { Shape::ByLevel } else { Shape::Quotes };
        Follower {
            writer: lanes.remove(0),
            links: Links::new(Vec::new(), Arc::new(Log::new())),
            now: Mono(1),
            region,
            _handler: handler,
            books: Books::new(shape, CAPACITY, Decimals(4)),
            names: Vec::new(),
            shown: BTreeMap::new(),
            collects: quotes.is_empty(),
            quotes,
            compared: 0,
            published: 0,
        }
    }

    fn publisher(&mut self) -> Publisher<'_> {
        Publisher { writer: &mut self.writer, partition: 0, links: &self.links }
    }

    /// A quote as the venue's own feed or our book gives it, where it differs from the one before.
    fn quote(&mut self, index: SymbolIndex, time: WireTime, best: Best) {
        if self.shown.get(&index.0).copied().unwrap_or_default() == best {
            return;
        }
        self.shown.insert(index.0, best);
        let queue = self.quotes.entry(self.names[index.0 as usize]).or_default();
        if self.collects {
            queue.push_back((time, best));
        } else {
            let symbol = self.names[index.0 as usize];
            assert_eq!(queue.pop_front(), Some((time, best)), "{symbol} after {}", self.compared);
            self.compared += 1;
        }
    }
}

impl Sink for Follower {
    fn lease(&mut self, deadline: Mono) {
        self.publisher().lease(deadline);
    }
    fn status(&mut self, status: Status, epoch: u32, since: Mono, session: SessionId) {
        self.publisher().status(status, epoch, since, session);
    }
    fn numbers(&mut self, expected: SeqNo, known_end: SeqNo, heard: Mono) {
        self.publisher().numbers(expected, known_end, heard);
    }
    fn define(&mut self, index: SymbolIndex, symbol: &Symbol) {
        assert_eq!(index.0 as usize, self.names.len());
        self.names.push(*symbol);
        self.books.add_symbol().unwrap();
        self.publisher().define(index, symbol);
    }
    fn publish(
        &mut self,
        index: SymbolIndex,
        status: Status,
        epoch: u32,
        since: Mono,
        view: &BookView,
    ) {
        assert!(status.is_live(), "{} {status}", self.names[index.0 as usize]);
        self.publisher().publish(index, status, epoch, since, view);
        let mut followed = BookView::EMPTY;
        self.books.view(index, &mut followed);
        let venue = Text::from_wire(b"IEXG").unwrap();
        let handle = self.region.find(&venue, &self.names[index.0 as usize]).unwrap();
        let read = match self.region.read_at(handle, self.now) {
            Read::Live(view) => view.book,
            Read::Stale { last, .. } => last.unwrap().book,
        };
        assert_eq!(read, followed, "what was published is what the events say");
        self.published += 1;
    }
    fn event(&mut self, index: Option<SymbolIndex>, seq: SeqNo, now: Mono, message: &Message) {
        self.publisher().event(index, seq, now, message);
        let Some(index) = index else { return };
        self.books.apply(index, seq, message).unwrap();
        match message.event {
            Event::SetLevel { complete: true, .. } => {
                let side = |side| best(self.books.levels(index, side));
                self.quote(index, message.time, [side(Side::Bid), side(Side::Ask)]);
            }
            Event::Quote { bid_price, bid_size, ask_price, ask_size } => {
                let bid = (bid_price.0, u64::from(bid_size));
                self.quote(index, message.time, [bid, (ask_price.0, u64::from(ask_size))]);
            }
            _ => {}
        }
    }
    fn loss(&mut self, loss: &Loss) {
        self.publisher().loss(loss);
    }
    fn notice(&mut self, notice: &Notice, now: Mono) {
        self.publisher().notice(notice, now);
    }
    fn moved(&mut self, index: SymbolIndex, moved: bool) {
        self.publisher().moved(index, moved);
    }
    fn foreign(&mut self, symbol: &Symbol, home: u16, claim: Claim) -> bool {
        self.publisher().foreign(symbol, home, claim)
    }
}

struct Run {
    partition: Partition,
    follower: Follower,
}

impl Run {
    fn new(format: Format, quotes: BTreeMap<Symbol, VecDeque<(WireTime, Best)>>) -> Run {
        let mut run = Run {
            partition: Partition::new(Config {
                index: 0,
                format,
                lines: [true, true, false],
                grace: Nanos::from_millis(500),
                session_grace: Nanos::from_secs(2),
                services: candor_engine::Services::default(),
                silence: Nanos::from_secs(3),
                late: Nanos::from_secs(1),
                capacity: CAPACITY,
                venue: Arc::new(VenueSymbols::default()),
                mapped_until: Mono::MAX,
                earlier: Vec::new(),
                followed: Vec::new(),
                moved: Vec::new(),
            }),
            follower: Follower::new(format, quotes),
        };
        run.partition.start(Mono(1), &mut run.follower);
        run.partition.subscribe(Mono(1), true, &mut run.follower);
        run
    }

    fn packet(&mut self, at: Mono, line: Line, payload: &[u8]) {
        if self.partition.deadline().is_some_and(|deadline| deadline <= at) {
            self.partition.on_deadline(at, &mut self.follower);
        }
        self.follower.now = at;
        self.follower.writer.renew(at + Nanos::from_millis(50));
        self.partition.on_packet(at, at, line, payload, &mut self.follower);
    }

    /// The capture as it is, through the source a lane would poll.
    fn capture(&mut self, path: &std::path::Path, group: [u8; 4], port: u16) {
        let mut endpoints = Endpoints::new();
        endpoints.add(group.into(), port, 0, Line::A);
        let mut source = Capture::open(path, endpoints, 64).unwrap();
        while !source.ended() {
            source
                .poll(&mut |arrival| self.packet(arrival.at, arrival.line, arrival.payload))
                .unwrap();
        }
    }

    fn finish(self, changes: u64) -> Partition {
        assert_eq!(self.follower.compared, changes);
        assert_eq!(self.follower.shown.len(), 381);
        assert!(self.partition.status().is_live());
        assert_eq!(self.partition.counters().get(Counter::Applied), 203_110);
        println!(
            "shown: DEEP against TOPS: {changes} of {changes} quotes equal, {} books published",
            self.follower.published
        );
        self.partition
    }
}

fn tops(path: &std::path::Path) -> BTreeMap<Symbol, VecDeque<(WireTime, Best)>> {
    let mut run = Run::new(Format::IexTops, BTreeMap::new());
    run.capture(path, [233, 215, 21, 3], 10377);
    run.follower.quotes
}

#[test]
fn deep_against_tops() {
    let Some((deep, tops_file)) = captures("deep_against_tops") else { return };
    let mut run = Run::new(Format::IexDeep, tops(&tops_file));
    run.capture(&deep, [233, 215, 21, 4], 10378);
    run.finish(121_999);
}

/// Which packets each line loses: 3% of its own, but never a message that the other line lost too,
/// for nobody could bring that back.
fn lossy(packets: Vec<(Mono, Line, Vec<u8>)>, seed: u64) -> Vec<(Mono, Line, Vec<u8>)> {
    let mut rng = Rng::new(seed);
    let mut lost: [Vec<(u64, u64)>; 2] = [Vec::new(), Vec::new()];
    let mut kept = Vec::with_capacity(packets.len());
    for (at, line, payload) in packets {
        let range = Format::IexDeep.frame(&payload).unwrap().range;
        let other = &lost[1 - line.index()];
        let overlap = other
            .iter()
            .rev()
            .take(64)
            .any(|(first, end)| range.first.0 < *end && *first < range.end.0);
        if !range.is_empty() && rng.below(100) < 3 && !overlap {
            lost[line.index()].push((range.first.0, range.end.0));
        } else {
            kept.push((at, line, payload));
        }
    }
    assert!(lost.iter().all(|line| line.len() > 1_000), "both lines lose packets");
    kept
}

#[test]
fn deep_against_tops_from_two_lossy_lines_cut_differently() {
    let name = "deep_against_tops_from_two_lossy_lines_cut_differently";
    let Some((deep, tops_file)) = captures(name) else { return };
    let messages: Vec<CaptureMessage> = {
        let capture = Messages::open(&deep, Format::IexDeep).unwrap();
        capture.map(Result::unwrap).collect()
    };
    assert_eq!(messages.len(), 203_110);
    let stream = tp::Stream { protocol: tp::DEEP_1_0, channel: 1, session: 1_353_121_792 };
    let line = |max_messages, linger| LineConfig {
        packing: Packing { max_payload: 1_400, max_messages, linger },
        faults: Faults::default(),
    };
    let lines =
        [Some(line(3, Nanos::from_micros(100))), Some(line(7, Nanos::from_millis(2))), None];
    let packets = recut(&messages, Framing::IexTp(stream), lines, 7);
    let mut run = Run::new(Format::IexDeep, tops(&tops_file));
    for (at, line, payload) in lossy(packets, 11) {
        run.packet(at, line, &payload);
    }
    let partition = run.finish(121_999);
    let counters = partition.counters();
    assert!(counters.get(Counter::LostOnA) > 1_000);
    assert!(counters.get(Counter::LostOnB) > 1_000);
    assert_eq!(counters.get(Counter::GapsLost), 0);
}

//! A region, on the heap or in a file, that may be Live, and sinks for a partition's machine: one that drops
//! everything, one that publishes as the handler does.

use std::path::Path;

use candor_core::status::Scope;
use candor_core::symbol::Text;
use candor_core::{
    BookView, Changed, Decimals, Event, InstrumentKey, Level, Loss, Message, Mono, Nanos, Price,
    Proof, SeqNo, SessionId, Side, Status, Symbol, SymbolIndex, Venue, WireTime, promote,
};
use candor_engine::{Claim, Notice, Sink};
use candor_shm::{
    CreateError, HandlerWriter, LaneWriter, PartitionSpec, Region, RegionSpec, create, heap,
};

/// A writer's live verdict: what the scopes of others say is left to the reader.
#[must_use]
pub fn live() -> Status {
    let proof = Proof::NOTHING
        .rule_out_scope(Scope::Handler)
        .rule_out_scope(Scope::Partition)
        .rule_out_scope(Scope::Symbol)
        .left_to_reader();
    promote(&proof)
}

/// A region of one lane and one partition, held by its writers.
pub struct Heap {
    /// The handler's half.
    pub handler: HandlerWriter,
    /// The lane's half.
    pub lane: LaneWriter,
    /// A reader of it.
    pub region: Region,
    /// The partition's venue.
    pub venue: Venue,
}

/// A region on the heap with room for this many symbols. Its handler says it is live; its leases are for
/// the caller to give.
///
/// # Errors
/// When it can't be made.
pub fn region(symbols: u32) -> Result<Heap, CreateError> {
    let spec = spec(symbols);
    let (handler, lanes, region) = heap(&spec)?;
    Ok(Heap::of(handler, lanes, region, &spec))
}

/// The same in a file, as a handler's is.
///
/// # Errors
/// In words, when it can't be made or opened.
pub fn region_at(path: &Path, symbols: u32) -> Result<Heap, String> {
    let spec = spec(symbols);
    let (handler, lanes) = create(path, &spec).map_err(|error| error.to_string())?;
    let region = Region::open(path).map_err(|error| error.to_string())?;
    Ok(Heap::of(handler, lanes, region, &spec))
}

fn spec(symbols: u32) -> RegionSpec {
    let text = |text: &str| Text::from_wire(text.as_bytes()).unwrap_or_default();
    let mut spec = RegionSpec::new(Text::from_wire(b"bench").unwrap_or_default());
    // A lane here vouches once, for as long as a measurement takes.
    spec.process_lease = Nanos(u64::MAX);
    spec.partitions.push(PartitionSpec {
        venue: Venue::from_wire(b"XNAS").unwrap_or_default(),
        name: text("1"),
        feed: text("nasdaq-itch50"),
        lane: 0,
        symbols,
        silence: Nanos::from_secs(3),
        decimals: Decimals(4),
        lines: [None; 3],
    });
    spec
}

/// The symbol of this number.
#[must_use]
pub fn name(number: u32) -> Symbol {
    Symbol::from_wire(format!("S{number}").as_bytes()).unwrap_or_default()
}

impl Heap {
    fn of(
        mut handler: HandlerWriter,
        mut lanes: Vec<LaneWriter>,
        region: Region,
        spec: &RegionSpec,
    ) -> Heap {
        handler.set_status(live(), Mono(1));
        Heap { handler, lane: lanes.swap_remove(0), region, venue: spec.partitions[0].venue }
    }

    /// Defines this many symbols and publishes each with a full book; they are Live as long as anybody looks.
    pub fn go_live(&mut self, symbols: u32) {
        let later = Mono(u64::MAX);
        self.lane.renew(later);
        self.lane.lease(0, later);
        self.lane.partition(0, live(), 1, Mono(1), SessionId::from_number(1));
        for number in 0..symbols {
            self.lane.define(0, SymbolIndex(number), &name(number));
            self.lane.publish(0, SymbolIndex(number), live(), 1, Mono(1), &full_book());
        }
    }
}

/// A book of ten levels a side.
#[must_use]
pub fn full_book() -> BookView {
    let level = |price| Level { price: Price(price), size: 100, orders: 1, reserved: 0 };
    BookView {
        bid_count: 10,
        ask_count: 10,
        bids: std::array::from_fn(|at| level(1_000_000 - 100 * at as i64)),
        asks: std::array::from_fn(|at| level(1_000_100 + 100 * at as i64)),
        ..BookView::EMPTY
    }
}

/// Changes the best level of a book as the message of this number would, and says what that is.
#[inline]
pub fn change_best(view: &mut BookView, number: u64) -> Changed {
    (view.seq, view.time) = (number, WireTime(number));
    view.bids[0].size = number;
    view.bids[0].orders = number as u32;
    Changed { bids: 1, ..Changed::NONE }
}

/// The message of this number: an order that is added.
#[inline]
#[must_use]
pub fn add_message(number: u64) -> Message {
    let event = Event::Add { order: number, side: Side::Bid, price: Price(1), size: 1 };
    Message { key: InstrumentKey(1), time: WireTime(number), kind: b'A', event }
}

/// Takes everything a partition says and keeps nothing but a count.
#[derive(Clone, Copy, Default, Debug)]
pub struct Drop {
    /// Events seen.
    pub events: u64,
    /// Books seen.
    pub published: u64,
}

impl Sink for Drop {
    fn lease(&mut self, _: Mono) {}
    fn status(&mut self, _: Status, _: u32, _: Mono, _: SessionId) {}
    fn numbers(&mut self, _: SeqNo, _: SeqNo, _: Mono) {}
    fn define(&mut self, _: SymbolIndex, _: &Symbol) {}
    fn publish(&mut self, _: SymbolIndex, _: Status, _: u32, _: Mono, view: &BookView) {
        std::hint::black_box(view);
        self.published += 1;
    }
    fn event(&mut self, _: Option<SymbolIndex>, _: SeqNo, _: Mono, message: &Message) {
        std::hint::black_box(message);
        self.events += 1;
    }
    fn loss(&mut self, _: &Loss) {}
    fn notice(&mut self, _: &Notice, _: Mono) {}
    fn moved(&mut self, _: SymbolIndex, _: bool) {}
    fn foreign(&mut self, _: &Symbol, _: u16, _: Claim) -> bool {
        true
    }
}

/// Publishes partition 0 to a region, as a lane of the handler does.
pub struct Publish<'a>(
    /// The lane's writing half.
    pub &'a mut LaneWriter,
);

impl Sink for Publish<'_> {
    const TAKES_CHANGES: bool = true;

    fn lease(&mut self, deadline: Mono) {
        self.0.lease(0, deadline);
    }
    fn status(&mut self, status: Status, epoch: u32, since: Mono, session: SessionId) {
        self.0.partition(0, status, epoch, since, session);
    }
    fn numbers(&mut self, expected: SeqNo, known_end: SeqNo, _: Mono) {
        self.0.numbers(0, expected, known_end);
    }
    fn define(&mut self, index: SymbolIndex, symbol: &Symbol) {
        self.0.define(0, index, symbol);
    }
    fn publish(
        &mut self,
        at: SymbolIndex,
        status: Status,
        epoch: u32,
        since: Mono,
        view: &BookView,
    ) {
        self.0.publish(0, at, status, epoch, since, view);
    }
    fn publish_changed(
        &mut self,
        at: SymbolIndex,
        status: Status,
        epoch: u32,
        since: Mono,
        view: &BookView,
        changed: Changed,
    ) {
        self.0.publish_changed(0, at, status, epoch, since, view, changed);
    }
    fn approach(&mut self, index: SymbolIndex) {
        self.0.approach(0, index);
    }
    fn event(&mut self, index: Option<SymbolIndex>, seq: SeqNo, now: Mono, message: &Message) {
        self.0.event(0, index, seq, now, message);
    }
    fn loss(&mut self, loss: &Loss) {
        self.0.loss(0, loss);
    }
    fn notice(&mut self, _: &Notice, _: Mono) {}
    fn moved(&mut self, index: SymbolIndex, moved: bool) {
        self.0.moved(0, index, moved);
    }
    fn foreign(&mut self, _: &Symbol, _: u16, _: Claim) -> bool {
        true
    }
}

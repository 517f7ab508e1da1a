//! `candor tail`.
//!
//! A ring says what was applied, not whether it still holds: time alone can end that. So each status
//! shown is looked at again, whether events come or not, and a line says what has become of it.

use std::collections::BTreeMap;

use candor_core::{Decimals, Event, Mono, Nanos, Price, Reason, SystemEvent, Venue};
use candor_shm::{EventReader, EventRecord, Handle, Next, Region, Subscription};
use clap::Args;

use super::output::{Row, Stream, Value};
use super::region::{Found, RegionArg, Source, exit_of, say_gone, status_text, verdict};
use super::{OutputArg, print};
use crate::exit::{Exit, Failure};

const COLUMNS: &[(&str, usize)] = &[
    ("age", 12),
    ("lane", 4),
    ("number", 10),
    ("partition", 10),
    ("symbol", 14),
    ("status", 16),
    ("seq", 10),
    ("type", 4),
    ("event", 0),
];

/// How often the rings are looked at when they had nothing new, and the statuses shown whether they had
/// or not.
const LOOK_EVERY: Nanos = Nanos::from_millis(10);

/// Events taken from a ring before the next is looked at.
const BURST: usize = 256;

/// Follows the messages as they are applied, from now on, with the symbol's status beside each. When
/// a status that was shown is another, without any message too, a line of its own says so. Says where
/// this reader was too slow for the ring. Exits 0 after --count lines, 3 when the handler is gone.
#[derive(Debug, Args)]
pub(super) struct Tail {
    /// Only these symbols: SYMBOL, or VENUE:SYMBOL; again for each.
    #[arg(short, long = "symbol", value_name = "SYMBOL")]
    symbols: Vec<String>,
    /// Stop after this many lines.
    #[arg(short = 'n', long, value_name = "N")]
    count: Option<u64>,
    #[command(flatten)]
    region: RegionArg,
    #[command(flatten)]
    output: OutputArg,
}

impl Tail {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let mut source = self.region.open()?;
        // The rings' ends first: what happens while symbols are looked up is not missed.
        let mut rings = rings(&source);
        let mut wanted = Vec::with_capacity(self.symbols.len());
        for text in &self.symbols {
            wanted.push(source.find(text)?);
        }
        let follower = Follower {
            stream: Stream::new(self.output.output, COLUMNS),
            watched: watched(&source, &wanted),
            wanted,
            shown: BTreeMap::new(),
            left: self.count.unwrap_or(u64::MAX),
            looked: Mono::NEVER,
        };
        follow(&mut source, &mut rings, follower)
    }
}

fn follow(
    source: &mut Source,
    rings: &mut [EventReader],
    mut follower: Follower,
) -> Result<Exit, Failure> {
    let mut gone = false;
    // BOUND: until enough was shown, nobody reads it, or the handler is gone: then its rings end.
    while follower.left > 0 {
        let mut any = false;
        for (lane, ring) in (0u64..).zip(&mut *rings) {
            match follower.burst(source, lane, ring)? {
                Some(found) => any |= found,
                None => return Ok(Exit::Ok),
            }
        }
        if any && gone {
            continue;
        }
        let handler = source.handler();
        let writes = handler != Some(Reason::WriterGone);
        if !writes && !gone {
            // What it wrote up to its end is in the rings by now: that is shown before this ends.
            gone = true;
            continue;
        }
        gone = !writes;
        // Before the end too: what a dead handler leaves behind is not to stand there as Live.
        let due = gone || !any || follower.is_due(source.now());
        if due && !follower.look(source)? {
            return Ok(Exit::Ok);
        }
        if gone {
            say_gone(source, handler);
            return Ok(exit_of(handler, false));
        }
        if !any {
            source.wait(LOOK_EVERY);
        }
    }
    Ok(Exit::Ok)
}

fn rings(source: &Source) -> Vec<EventReader> {
    (0..).map_while(|lane| source.region.events(lane)).collect()
}

/// What tells that a symbol may read otherwise: of those wanted, or of every venue's.
fn watched(source: &Source, wanted: &[Found]) -> Vec<Subscription> {
    if !wanted.is_empty() {
        let names: Vec<_> = wanted.iter().map(|found| (found.venue, found.symbol)).collect();
        return vec![source.region.subscribe(&names)];
    }
    let mut venues: Vec<Venue> = source.partitions().iter().map(|p| p.spec.venue).collect();
    venues.sort_unstable();
    venues.dedup();
    venues.into_iter().map(|venue| source.region.subscribe_prefix(venue, "")).collect()
}

/// A symbol by its partition and its index in it: handles of one symbol may differ.
type Place = (u16, u32);

fn place(handle: Handle) -> Place {
    (handle.partition(), handle.symbol().0)
}

struct Follower {
    stream: Stream,
    wanted: Vec<Found>,
    watched: Vec<Subscription>,
    /// What the last line of each symbol says it is: its reason, `None` for Live.
    shown: BTreeMap<Place, (Handle, Option<Reason>)>,
    left: u64,
    /// When it was last looked at whether that is still so.
    looked: Mono,
}

impl Follower {
    fn is_due(&self, now: Mono) -> bool {
        now.since(self.looked) >= LOOK_EVERY
    }

    /// Shows what a ring has, up to a burst, and looks at what was shown whenever it is time to: whether
    /// it had any. `None` when that was enough.
    fn burst(
        &mut self,
        source: &mut Source,
        lane: u64,
        ring: &mut EventReader,
    ) -> Result<Option<bool>, Failure> {
        for taken in 0..BURST {
            match ring.next() {
                Next::Nothing => return Ok(Some(taken > 0)),
                Next::Lapped { missed } => {
                    let reason = Reason::Lapped;
                    print::error(&format!(
                        "lane {lane}: Stale({reason}): {missed} events were overwritten before they were read"
                    ));
                }
                Next::Record(record) => {
                    if self.shows(&source.region, &record) && !self.show(source, lane, &record)? {
                        return Ok(None);
                    }
                    if self.left == 0 {
                        return Ok(None);
                    }
                }
            }
            // Lines take time, to a slow terminal more of it than the look may wait.
            if self.is_due(source.now()) && !self.look(source)? {
                return Ok(None);
            }
        }
        Ok(Some(true))
    }

    fn shows(&self, region: &Region, record: &EventRecord) -> bool {
        self.wanted.is_empty() || self.wanted(region, record).is_some()
    }

    /// Which of those wanted it is of, wherever a map has moved that meanwhile.
    fn wanted(&self, region: &Region, record: &EventRecord) -> Option<&Found> {
        let index = record.symbol?;
        self.wanted.iter().find(|found| {
            let handle = found.handle;
            if (handle.partition(), handle.symbol()) == (record.partition, index) {
                return true;
            }
            let there = region.symbol_at(record.partition, index);
            let same = there.is_some_and(|(_, symbol)| symbol == found.symbol);
            same && region
                .find(&found.venue, &found.symbol)
                .is_some_and(|now| (now.partition(), now.symbol()) == (record.partition, index))
        })
    }

    /// Looks at every symbol that may read otherwise, and prints a line for each of which the last one
    /// is no longer true. False when that was enough, or nobody reads it.
    fn look(&mut self, source: &mut Source) -> Result<bool, Failure> {
        self.looked = source.now();
        let mut changed = Vec::new();
        for watched in &mut self.watched {
            changed.extend(watched.changed(&source.region).map(place));
        }
        for place in changed {
            // One that no line names has no status that could be wrong.
            let Some((handle, said)) = self.shown.get_mut(&place) else { continue };
            // Where it was it says nothing more: it is found where the map has it.
            if source.region.is_moved(*handle) {
                self.shown.remove(&place);
                continue;
            }
            let read = source.region.read(*handle);
            if *said == read.reason() {
                continue;
            }
            let (reason, since) = verdict(&read);
            *said = reason;
            let now = source.now();
            let row = changed_row(source, *handle, reason, Value::age(since, now));
            self.left -= 1;
            if !self.stream.print(&row)? || self.left == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Prints one event. False when nobody reads it.
    fn show(
        &mut self,
        source: &mut Source,
        lane: u64,
        record: &EventRecord,
    ) -> Result<bool, Failure> {
        let now = source.now();
        let region = &source.region;
        let partition = source.partition(record.partition);
        let decimals = partition.as_ref().map_or(Decimals(0), |partition| partition.spec.decimals);
        let name = partition
            .map_or(Value::Absent, |p| Value::text(format!("{}:{}", p.spec.venue, p.spec.name)));
        let symbol = record.symbol.and_then(|index| region.symbol_at(record.partition, index));
        let wanted = self.wanted(region, record);
        let wanted = wanted.and_then(|found| region.find(&found.venue, &found.symbol));
        let status = symbol.map(|(handle, _)| {
            let handle = wanted.unwrap_or(handle);
            let reason = region.read(handle).reason();
            self.shown.insert(place(handle), (handle, reason));
            status_text(reason)
        });
        let event = match &record.event {
            Some(event) => describe(event, decimals),
            None => "did not fit a record; the symbol's book has it".to_owned(),
        };
        let row = Row::new()
            .with("age", Value::age(record.arrival, now))
            .with("lane", Value::Number(lane))
            .with("number", Value::Number(record.number))
            .with("partition", name)
            .with("symbol", symbol.map_or(Value::Absent, |(_, symbol)| Value::text(symbol)))
            .with("status", status.map_or(Value::Absent, Value::Text))
            .with("seq", Value::Number(record.seq.0))
            .with("type", Value::Text(wire_type(record.wire_kind)))
            .with("event", Value::Text(event));
        self.left -= 1;
        self.stream.print(&row)
    }
}

/// The line for a symbol whose status is another than the last line said; `age` is since when.
fn changed_row(source: &Source, handle: Handle, reason: Option<Reason>, age: Value) -> Row {
    let partition = source.partition(handle.partition());
    let lane = partition.as_ref().map_or(Value::Absent, |p| Value::Number(p.spec.lane.into()));
    let name = partition
        .map_or(Value::Absent, |p| Value::text(format!("{}:{}", p.spec.venue, p.spec.name)));
    let text = reason.map_or("live", Reason::text);
    Row::new()
        .with("age", age)
        .with("lane", lane)
        .with("number", Value::Absent)
        .with("partition", name)
        .with("symbol", Value::text(source.region.symbol(handle)))
        .with("status", Value::text(status_text(reason)))
        .with("seq", Value::Absent)
        .with("type", Value::Absent)
        .with("event", Value::Text(format!("status: {text}")))
}

fn wire_type(kind: u8) -> String {
    if kind.is_ascii_graphic() { char::from(kind).to_string() } else { format!("0x{kind:02x}") }
}

/// An event in a few words, prices with their decimals.
fn describe(event: &Event, decimals: Decimals) -> String {
    let at = |price: &Price| price.with(decimals);
    match event {
        Event::Add { order, side, price, size } => {
            format!("add {} {size} at {} order {order}", side.label(), at(price))
        }
        Event::Execute { order, size, trade, price, printable } => {
            let price = price.map_or(String::new(), |price| format!(" at {}", at(&price)));
            let hidden = if *printable { "" } else { " not printable" };
            format!("execute {size}{price} of order {order} trade {trade}{hidden}")
        }
        Event::Reduce { order, size } => format!("reduce order {order} by {size}"),
        Event::Delete { order } => format!("delete order {order}"),
        Event::Replace { order, new_order, price, size } => {
            format!("replace order {order} by {new_order}: {size} at {}", at(price))
        }
        Event::SetLevel { side, price, size, complete } => {
            let more = if *complete { "" } else { ", more to come" };
            format!("level {} {size} at {}{more}", side.label(), at(price))
        }
        Event::Quote { bid_price, bid_size, ask_price, ask_size } => {
            format!(
                "quote {bid_size} at {} bid, {ask_size} at {} ask",
                at(bid_price),
                at(ask_price)
            )
        }
        Event::Trade { price, size, trade, .. } => {
            format!("trade {size} at {} trade {trade}", at(price))
        }
        Event::TradeBreak { trade } => format!("break of trade {trade}"),
        rest => describe_rest(rest, decimals),
    }
}

/// What changes no book.
fn describe_rest(event: &Event, decimals: Decimals) -> String {
    let at = |price: &Price| price.with(decimals);
    match event {
        Event::Definition { symbol, round_lot, test } => {
            let test = if *test { ", a test instrument" } else { "" };
            format!("definition of {symbol}, round lot {round_lot}{test}")
        }
        Event::Trading { state, reason } => {
            format!("trading state {} {}", state.label(), String::from_utf8_lossy(reason).trim())
        }
        Event::OperationalHalt { halted } => {
            format!("operational halt {}", if *halted { "begins" } else { "ends" })
        }
        Event::System(event) => system(*event).to_owned(),
        Event::Auction { paired, imbalance, side, reference, indicative, .. } => {
            let side = side.map_or("no side", candor_core::Side::label);
            let (reference, indicative) = (at(reference), at(indicative));
            format!(
                "auction paired {paired} imbalance {imbalance} {side} reference {reference} indicative {indicative}"
            )
        }
        Event::OfficialPrice { price, .. } => format!("official price {}", at(price)),
        Event::Bands { reference, lower, upper } => {
            format!("bands {} to {} around {}", at(lower), at(upper), at(reference))
        }
        Event::ShortSale { restricted } => {
            format!("short sale {}", if *restricted { "restricted" } else { "unrestricted" })
        }
        Event::Clear => "the book is emptied".to_owned(),
        Event::Notice => "notice".to_owned(),
        _ => "unknown type".to_owned(),
    }
}

fn system(event: SystemEvent) -> &'static str {
    match event {
        SystemEvent::StartOfMessages => "start of messages",
        SystemEvent::StartOfSystemHours => "start of system hours",
        SystemEvent::StartOfMarketHours => "start of market hours",
        SystemEvent::EndOfMarketHours => "end of market hours",
        SystemEvent::EndOfSystemHours => "end of system hours",
        SystemEvent::EndOfMessages => "end of messages",
        SystemEvent::Unknown => "system event of a kind nobody lists",
    }
}

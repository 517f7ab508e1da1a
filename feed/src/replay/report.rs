//! What a replay leaves behind: the books as CSV, the counts as JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};

use candor_core::counters::{self, Counter};
use candor_core::{Line, Reject, Side};
use candor_decoders::BookShape;
use serde::Serialize;

use super::Options;
use super::driver::Replayed;
use super::machine::Machine;

/// Symbols that [`busiest`] names.
const BUSIEST: usize = 10;

/// Writes every level of every book: `venue,symbol,side,level,price,size,orders`, by symbol, bid
/// before ask, best level (1) first. `orders` is empty where the feed doesn't say.
///
/// # Errors
/// Where writing fails.
pub fn write_books(out: &mut dyn Write, options: &Options, replayed: &Replayed) -> io::Result<()> {
    let by_order = options.feed.book() == BookShape::ByOrder;
    let decimals = options.feed.decimals();
    let mut symbols = Vec::new();
    for machine in &replayed.partitions {
        symbols.extend(machine.symbols().map(|(index, symbol)| (symbol, machine, index)));
    }
    // Stable: a symbol in two partitions keeps their order.
    symbols.sort_by_key(|(symbol, _, _)| *symbol);
    writeln!(out, "venue,symbol,side,level,price,size,orders")?;
    for (symbol, machine, index) in symbols {
        let symbol = quoted(symbol.as_str());
        for side in [Side::Bid, Side::Ask] {
            for (number, level) in (1u64..).zip(machine.books().levels(index, side)) {
                let (venue, side) = (&options.venue, side.label());
                let price = level.price.with(decimals);
                write!(out, "{venue},{symbol},{side},{number},{price},{},", level.size)?;
                match by_order {
                    true => writeln!(out, "{}", level.orders)?,
                    false => writeln!(out)?,
                }
            }
        }
    }
    Ok(())
}

/// A CSV field: in quotes where it has to be (RFC 4180).
fn quoted(field: &str) -> String {
    if field.contains([',', '"']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[derive(Serialize)]
struct Counts {
    feed: &'static str,
    venue: String,
    captures: Vec<String>,
    frames: u64,
    frames_not_udp: u64,
    frames_other: u64,
    packets: u64,
    messages: u64,
    applied: u64,
    heartbeats: u64,
    duplicates: u64,
    by_type: BTreeMap<String, u64>,
    busiest: Vec<BusyRow>,
    rejects: BTreeMap<&'static str, u64>,
    gaps: Vec<GapRow>,
    one_line_losses: Vec<LossRow>,
    partitions: Vec<PartitionRow>,
    other_endpoints: Vec<OtherRow>,
    truncated: Vec<BrokenRow>,
}

#[derive(Serialize)]
struct BusyRow {
    symbol: String,
    messages: u64,
}

#[derive(Serialize)]
struct GapRow {
    partition: String,
    session: String,
    first: u64,
    last: u64,
    filled_by: Option<String>,
    state: &'static str,
    missing_for_ns: u64,
}

#[derive(Serialize)]
struct LossRow {
    partition: String,
    session: String,
    line: String,
    first: u64,
    last: u64,
    filled_by: Option<String>,
}

#[derive(Serialize)]
struct PartitionRow {
    partition: String,
    status: String,
    session: String,
    later_sessions: Vec<String>,
    expected: u64,
    known_end: u64,
    lines: BTreeMap<String, String>,
    packets: u64,
    by_type: BTreeMap<String, u64>,
    symbols: u64,
    symbols_by_status: BTreeMap<String, u64>,
    counters: Ordered,
}

/// Counters in order of their index, which a map would lose.
struct Ordered(Vec<(&'static str, u64)>);

impl Serialize for Ordered {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

#[derive(Serialize)]
struct OtherRow {
    endpoint: String,
    packets: u64,
    refused: Option<&'static str>,
}

#[derive(Serialize)]
struct BrokenRow {
    file: String,
    offset: u64,
    what: String,
}

/// A message type as text: its letter, or its number where it is none.
fn type_name(kind: usize) -> String {
    match u8::try_from(kind) {
        Ok(letter) if letter.is_ascii_graphic() => char::from(letter).to_string(),
        _ => format!("0x{kind:02x}"),
    }
}

fn letter(line: Line) -> String {
    line.letter().to_string()
}

fn by_type<'a>(machines: impl Iterator<Item = &'a Machine>) -> BTreeMap<String, u64> {
    let mut sum = BTreeMap::new();
    for machine in machines {
        for (kind, count) in machine.by_type().iter().enumerate().filter(|(_, count)| **count > 0) {
            *sum.entry(type_name(kind)).or_default() += count;
        }
    }
    sum
}

fn counts(options: &Options, replayed: &Replayed) -> Counts {
    let machines = &replayed.partitions;
    let total = |counter: Counter| -> u64 {
        machines.iter().map(|machine| machine.counters().get(counter)).sum()
    };
    let refused = |reject: Reject| -> u64 {
        let refused = machines.iter().map(|machine| machine.counters().rejects(reject));
        replayed.rejects.rejects(reject) + refused.sum::<u64>()
    };
    let captures = options.captures.iter().map(|path| path.display().to_string()).collect();
    Counts {
        feed: options.feed.name(),
        venue: options.venue.clone(),
        captures,
        frames: replayed.frames.total,
        frames_not_udp: replayed.frames.not_udp,
        frames_other: replayed.frames.other,
        packets: machines.iter().map(|machine| machine.packets).sum(),
        messages: total(Counter::Messages),
        applied: total(Counter::Applied),
        heartbeats: total(Counter::Heartbeats),
        duplicates: total(Counter::Duplicate),
        by_type: by_type(machines.iter()),
        busiest: busiest(machines),
        rejects: Reject::ALL.into_iter().map(|r| (r.label(), refused(r))).collect(),
        gaps: machines.iter().flat_map(gaps).collect(),
        one_line_losses: machines.iter().flat_map(one_line_losses).collect(),
        partitions: machines.iter().map(partition).collect(),
        other_endpoints: others(replayed),
        truncated: broken(replayed),
    }
}

/// The symbols with most applied messages over all partitions, most first, then by name.
fn busiest(machines: &[Machine]) -> Vec<BusyRow> {
    let mut sums: BTreeMap<candor_core::Symbol, u64> = BTreeMap::new();
    for machine in machines {
        for (index, symbol) in machine.symbols() {
            *sums.entry(symbol).or_default() += machine.messages_of(index);
        }
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, messages)| std::cmp::Reverse(*messages));
    sums.truncate(BUSIEST);
    let row = |(symbol, messages): (candor_core::Symbol, u64)| BusyRow {
        symbol: symbol.to_string(),
        messages,
    };
    sums.into_iter().map(row).collect()
}

fn others(replayed: &Replayed) -> Vec<OtherRow> {
    let row = |(endpoint, other): &(super::Endpoint, super::Other)| OtherRow {
        endpoint: endpoint.to_string(),
        packets: other.packets,
        refused: other.why.map(Reject::label),
    };
    replayed.others.iter().map(row).collect()
}

fn broken(replayed: &Replayed) -> Vec<BrokenRow> {
    let row = |broken: &super::Broken| BrokenRow {
        file: broken.file.display().to_string(),
        offset: broken.offset,
        what: broken.what.clone(),
    };
    replayed.broken.iter().map(row).collect()
}

fn gaps(machine: &Machine) -> Vec<GapRow> {
    let row = |gap: super::Gap| GapRow {
        partition: machine.name.clone(),
        session: gap.session.to_string(),
        first: gap.range.first.0,
        last: gap.range.end.0.saturating_sub(1),
        filled_by: gap.filled_by.map(|by| by.label().to_owned()),
        state: gap.state.label(),
        missing_for_ns: gap.missing_for.0,
    };
    machine.gaps().into_iter().map(row).collect()
}

fn one_line_losses(machine: &Machine) -> Vec<LossRow> {
    let row = |loss: &super::OneLineLoss| LossRow {
        partition: machine.name.clone(),
        session: loss.session.to_string(),
        line: letter(loss.line),
        first: loss.range.first.0,
        last: loss.range.end.0.saturating_sub(1),
        filled_by: loss.filled_by.map(|by| by.label().to_owned()),
    };
    machine.one_line_losses().iter().map(row).collect()
}

fn partition(machine: &Machine) -> PartitionRow {
    let lines = Line::ALL.into_iter().zip(machine.lines);
    let mut symbols_by_status: BTreeMap<String, u64> = BTreeMap::new();
    let mut symbols = 0;
    for (index, _) in machine.symbols() {
        symbols += 1;
        let status = machine.symbol_status(index).map_or("Unproven".to_owned(), |s| s.to_string());
        *symbols_by_status.entry(status).or_default() += 1;
    }
    let labels = (0..).map_while(counters::label);
    PartitionRow {
        partition: machine.name.clone(),
        status: machine.status().to_string(),
        session: machine.session().to_string(),
        later_sessions: machine.later_sessions().iter().map(ToString::to_string).collect(),
        expected: machine.expected().0,
        known_end: machine.known_end().0,
        lines: lines.filter_map(|(line, at)| Some((letter(line), at?.to_string()))).collect(),
        packets: machine.packets,
        by_type: by_type(std::iter::once(machine)),
        symbols,
        symbols_by_status,
        counters: Ordered(labels.zip(machine.counters().values().iter().copied()).collect()),
    }
}

/// Writes the counts as one JSON object whose fields keep their order; `candor replay --help` says
/// what each means.
///
/// # Errors
/// Where writing fails.
pub fn write_counts(out: &mut dyn Write, options: &Options, replayed: &Replayed) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &counts(options, replayed))?;
    writeln!(out)
}

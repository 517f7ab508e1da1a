//! What a message costs, and what memory is taken, as one thing grows and all else stays: live orders, symbols,
//! levels a book, partitions of a lane. Flat is the goal.

use std::fmt::Write as _;
use std::sync::Arc;

use candor_bench::floors::Scattered;
use candor_bench::live::Drop;
use candor_bench::stopwatch::Stopwatch;
use candor_bench::{Blocks, itch, machine};
use candor_book::{Books, Capacity, Shape};
use candor_core::{
    Decimals, Event, InstrumentKey, Line, Message, Mono, Nanos, Price, SeqNo, Side, SymbolIndex,
    WireTime, limits,
};
use candor_decoders::Format;
use candor_engine::{Config, Partition, Services};
use candor_sim::rng::Rng;
use clap::ValueEnum;
use serde_json::{Value, json};

use crate::floor;
use crate::itch::median;

/// What grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Axis {
    /// Orders that rest, over 8,906 symbols.
    Orders,
    /// Symbols, with a million orders.
    Symbols,
    /// Levels a side of one book, with a million orders over them.
    Levels,
    /// Partitions of a lane, each with 64 symbols and their orders; packets of one message, in turns.
    Partitions,
}

impl Axis {
    pub(crate) const ALL: [Axis; 4] = [Axis::Orders, Axis::Symbols, Axis::Levels, Axis::Partitions];

    const fn name(self) -> &'static str {
        match self {
            Axis::Orders => "live orders",
            Axis::Symbols => "symbols",
            Axis::Levels => "levels a side",
            Axis::Partitions => "partitions",
        }
    }

    const fn steps(self) -> &'static [usize] {
        match self {
            Axis::Orders => &[10_000, 100_000, 1_000_000, 10_000_000],
            Axis::Symbols => &[100, 1_000, 10_000, 100_000, 1_000_000],
            Axis::Levels => &[1, 10, 100, 1_000, 10_000],
            Axis::Partitions => &[1, 8, 32, 128, 512],
        }
    }
}

/// One step of an axis.
pub(crate) struct Row {
    axis: Axis,
    size: usize,
    /// Nanoseconds a message, a round each.
    rounds: Vec<f64>,
    /// Of two dependent loads from as much memory.
    floor: Vec<f64>,
    /// What all tables take.
    bytes: u64,
}

/// Messages measured in each round.
const MESSAGES: u64 = 2_000_000;

/// Measures an axis, or each, every step in a process of its own: what one has freed is no memory of the next.
///
/// # Errors
/// In words: a step could not be run, or said something else.
pub(crate) fn measure(
    only: Option<Axis>,
    each: impl Fn(Axis, usize) -> std::io::Result<std::process::Output>,
) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for axis in Axis::ALL.into_iter().filter(|axis| only.is_none_or(|only| only == *axis)) {
        for &size in axis.steps() {
            eprintln!("{} {}", size, axis.name());
            let output = each(axis, size).map_err(|error| error.to_string())?;
            let said = serde_json::from_slice::<Value>(&output.stdout).ok();
            let row = said.and_then(|said| Row::read(axis, &said["rows"][0]));
            rows.push(row.ok_or_else(|| {
                format!("{size} {}: {}", axis.name(), String::from_utf8_lossy(&output.stderr))
            })?);
        }
    }
    Ok(rows)
}

impl Row {
    fn read(axis: Axis, said: &Value) -> Option<Row> {
        let figures =
            |key| said[key].as_array()?.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>();
        Some(Row {
            axis,
            size: usize::try_from(said["size"].as_u64()?).ok()?,
            rounds: figures("rounds")?,
            floor: figures("floor_rounds")?,
            bytes: said["bytes"].as_u64()?,
        })
    }
}

/// What is measured, and what its tables take.
type Churn = (Box<dyn FnMut() -> Nanos>, u64);

/// One step.
pub(crate) fn step(axis: Axis, size: usize, rounds: u32, stopwatch: Stopwatch) -> Row {
    let (mut churn, bytes) = match axis {
        Axis::Orders => books(8_906, size, 64, stopwatch),
        Axis::Symbols => books(size, 1_000_000, 64, stopwatch),
        Axis::Levels => books(1, 1_000_000, size, stopwatch),
        Axis::Partitions => partitions(size, stopwatch),
    };
    let (mut taken, mut floors) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        taken.push(churn().0 as f64 / MESSAGES as f64);
    }
    drop(churn);
    let memory = Scattered::new(bytes as usize);
    for _ in 0..rounds {
        let ((), took) = stopwatch.time(|| floor::loads(&memory, MESSAGES));
        floors.push(took.0 as f64 / MESSAGES as f64);
    }
    Row { axis, size, rounds: taken, floor: floors, bytes }
}

fn message(event: Event) -> Message {
    Message { key: InstrumentKey(1), time: WireTime(1), kind: b'A', event }
}

/// Books in which as many orders come as go, the oldest tenth of them first: nothing is known of the next message,
/// and both best prices are read behind each.
fn books(symbols: usize, orders: usize, levels: usize, stopwatch: Stopwatch) -> Churn {
    let before = machine::resident();
    let sides = 2 * symbols;
    let room = (sides * levels.min(orders.div_ceil(sides) + 1)).max(limits::LEVELS.min(4 * orders));
    let capacity =
        Capacity { symbols, orders: orders + 1, levels: room + 64, trades: limits::TRADES };
    let mut books = Books::new(Shape::ByOrder, capacity, Decimals(4));
    for _ in 0..symbols {
        books.add_symbol().expect("there is room");
    }
    let bytes = machine::resident().saturating_sub(before);
    let mut rng = Rng::new(orders as u64 ^ (symbols as u64) << 32);
    let mut live: Vec<(u64, u32)> = Vec::with_capacity(orders);
    let mut next_id = 1;
    let mut number = 0;
    // Bids below and asks above a price that never moves, `levels` steps of a cent each.
    let mut add = move |rng: &mut Rng| {
        let symbol = rng.below(symbols as u64) as u32;
        let away = 100 * (1 + rng.below(levels as u64)) as i64;
        let (side, price) = match rng.chance(500_000) {
            true => (Side::Bid, 2_000_000 - away),
            false => (Side::Ask, 2_000_000 + away),
        };
        let order = next_id;
        next_id += 1 + rng.below(3);
        (order, symbol, message(Event::Add { order, side, price: Price(price), size: 100 }))
    };
    for _ in 0..orders {
        let (order, symbol, message) = add(&mut rng);
        number += 1;
        books.apply(SymbolIndex(symbol), SeqNo(number), &message).expect("it is sound");
        live.push((order, symbol));
    }
    let churn = move || {
        // What is sent is made before, so that only the books are measured.
        let day: Vec<(u32, Message)> = (0..MESSAGES / 2)
            .flat_map(|_| {
                let at = rng.below(live.len() as u64) as usize;
                let (order, symbol, message_add) = add(&mut rng);
                let gone = std::mem::replace(&mut live[at], (order, symbol));
                [(gone.1, message(Event::Delete { order: gone.0 })), (symbol, message_add)]
            })
            .collect();
        let mut sum = 0;
        let ((), took) = stopwatch.time(|| {
            for (symbol, message) in &day {
                number += 1;
                let symbol = SymbolIndex(*symbol);
                books.apply(symbol, SeqNo(number), message).expect("it is sound");
                let price = |side| books.best_price(symbol, side).map_or(0, |price| price.0);
                sum ^= price(Side::Bid) ^ price(Side::Ask);
            }
        });
        std::hint::black_box(sum);
        took
    };
    (Box::new(churn), bytes)
}

/// Partitions of one lane, each a machine of its own, that hear packets of one message in turns.
fn partitions(count: usize, stopwatch: Stopwatch) -> Churn {
    const SYMBOLS: usize = 64;
    let each = (MESSAGES as usize / count).min(60_000);
    let flow = itch::flow(SYMBOLS, 2_000, each);
    let mut sink = Drop::default();
    let start = Mono(1);
    let before = machine::resident();
    let mut machines: Vec<(Partition, SeqNo)> = (0..count)
        .map(|index| {
            let mut machine = Partition::new(Config {
                index: index as u16,
                format: Format::NasdaqItch50,
                lines: [true, false, false],
                grace: Nanos::from_millis(1),
                session_grace: Nanos::from_secs(2),
                services: Services::default(),
                silence: Nanos::from_secs(3),
                late: Nanos::from_millis(20),
                capacity: Capacity { symbols: SYMBOLS, orders: 4_096, levels: 4_096, trades: 256 },
                venue: Arc::default(),
                mapped_until: Mono::MAX,
                earlier: Vec::new(),
                followed: Vec::new(),
                moved: Vec::new(),
            });
            machine.start(start, &mut sink);
            machine.subscribe(start, true, &mut sink);
            (machine, SeqNo::FIRST)
        })
        .collect();
    let bytes = machine::resident().saturating_sub(before);
    let mut now = 1_000_000_000;
    let parts = [&flow.warm, &flow.measured, &flow.drain];
    let mut parts: [Blocks; 3] = parts.map(|messages| itch::packets(messages, 1, SeqNo::FIRST));
    let churn = move || {
        let (mut took, mut heard) = (Nanos::ZERO, 0);
        while heard < MESSAGES {
            for (nth, part) in parts.iter_mut().enumerate() {
                let first = machines[0].1;
                let next = itch::renumber(part, first);
                let mut feed = || {
                    for packet in part.iter() {
                        for (machine, _) in &mut machines {
                            now += 1_000;
                            machine.on_packet(Mono(now), Mono(now), Line::A, packet, &mut sink);
                        }
                    }
                };
                if nth == 1 {
                    let ((), part_took) = stopwatch.time(feed);
                    took = Nanos(took.0 + part_took.0);
                } else {
                    feed();
                }
                machines.iter_mut().for_each(|(_, expected)| *expected = next);
            }
            heard += (each * machines.len()) as u64;
        }
        assert!(machines.iter().all(|(machine, next)| machine.expected() == *next));
        Nanos((took.0 as f64 * MESSAGES as f64 / heard as f64) as u64)
    };
    (Box::new(churn), bytes)
}

pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = String::new();
    for axis in Axis::ALL {
        let mut rows = rows.iter().filter(|row| row.axis == axis).peekable();
        let Some(first) = rows.peek().map(|row| median(&row.rounds)) else { continue };
        let _ = writeln!(
            text,
            "\n| {} | ns a message | to the first | two dependent loads | MB of tables |",
            axis.name()
        );
        let _ = writeln!(text, "| --- | --- | --- | --- | --- |");
        for row in rows {
            let middle = median(&row.rounds);
            let _ = writeln!(
                text,
                "| {} | {middle:.1} | {:.2} | {:.1} | {:.1} |",
                row.size,
                middle / first,
                median(&row.floor),
                row.bytes as f64 / 1e6
            );
        }
    }
    text
}

pub(crate) fn json(machine: &str, clock: &str, rows: &[Row]) -> Value {
    let row = |row: &Row| {
        json!({
            "axis": row.axis.name(),
            "size": row.size,
            "ns_per_message": median(&row.rounds),
            "rounds": row.rounds,
            "floor_ns_per_message": median(&row.floor),
            "floor_rounds": row.floor,
            "bytes": row.bytes,
        })
    };
    json!({ "machine": machine, "clock": clock, "rows": rows.iter().map(row).collect::<Vec<_>>() })
}

//! `candor top`.

use std::io::{self, IsTerminal};

use candor_core::counters::Counter;
use candor_core::{Mono, Nanos, Reason, Side};
use candor_shm::PartitionInfo;
use clap::Args;

use super::output::{Answer, Row, Value};
use super::region::{Found, RegionArg, Source, exit_of, say_gone, status_text, verdict};
use super::{Output, OutputArg, partitions, print};
use crate::exit::{Exit, Failure};

const PARTITIONS: &[&str] = &[
    "venue",
    "partition",
    "status",
    "lease",
    "lease_left",
    "packets_per_s",
    "messages_per_s",
    "symbols",
    "live",
    "share_live",
    "packets_a",
    "packets_b",
    "packets_c",
    "lost_a",
    "lost_b",
    "lost_c",
    "missing",
];
const SYMBOLS: &[&str] = &["symbol", "status", "since", "bid_size", "bid", "ask", "ask_size"];

/// How often the screen changes.
const EVERY: Nanos = Nanos::from_secs(1);

/// Symbols shown where none are asked for.
const SYMBOLS_SHOWN: usize = 8;

/// Characters of the bar that shows how much of a lease is left.
const BAR: u64 = 10;

/// Shows the handler live, once a second: each partition with what its last packet still vouches
/// for, packets and messages a second, share of symbols live, packets and losses by line, and a few
/// symbols. Redraws a terminal in place; elsewhere prints one picture after another. Exits 0 when
/// all partitions are live at the end, 1 when one is stale, 3 when the handler is gone.
#[derive(Debug, Args)]
pub(super) struct Top {
    /// Stop after this many seconds.
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<u64>,
    /// These symbols: SYMBOL, or VENUE:SYMBOL [default: the first eight].
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    symbols: Vec<String>,
    #[command(flatten)]
    region: RegionArg,
    #[command(flatten)]
    output: OutputArg,
}

impl Top {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let mut source = self.region.open()?;
        let redraw = io::stdout().is_terminal() && self.output.output == Output::Table;
        let mut before = Counts::of(&mut source);
        let mut left = self.seconds.unwrap_or(u64::MAX);
        // BOUND: the seconds asked for, or until nobody looks.
        loop {
            if left == 0 {
                break;
            }
            // A picture of rates needs two looks; the first comes after a second.
            source.wait(EVERY);
            left -= 1;
            if source.follow() {
                before = Counts::of(&mut source);
                continue;
            }
            let now = Counts::of(&mut source);
            let answer = picture(&mut source, &before, &now, &self.symbols);
            let drawn = match redraw {
                // Home; each line, and what is left of the one before it; what is left below.
                true => {
                    let lines = answer.table().replace('\n', "\x1b[K\n");
                    print::out(&format!("\x1b[H{lines}\x1b[J"))?
                }
                false if self.output.output == Output::Json => {
                    print::out(&format!("{}\n", answer.json()))?
                }
                false => print::out(&format!("{}\n", answer.table()))?,
            };
            if !drawn {
                break;
            }
            before = now;
        }
        let handler = source.handler();
        say_gone(&source, handler);
        let all_live = source.partitions().iter().all(|partition| partition.status.is_live());
        Ok(exit_of(handler, all_live))
    }
}

/// The partitions at one moment: rates are differences of two.
struct Counts {
    at: Mono,
    partitions: Vec<PartitionInfo>,
}

impl Counts {
    fn of(source: &mut Source) -> Counts {
        let partitions = source.partitions();
        Counts { at: source.now(), partitions }
    }
}

fn picture(source: &mut Source, before: &Counts, now: &Counts, symbols: &[String]) -> Answer {
    let info = source.region.info();
    let status = source.handler();
    let handler = Row::new()
        .with("handler", Value::text(info.handler))
        .with("status", Value::text(status_text(status)))
        .with("trading_date", Value::text(source.dates()))
        .with("generation", Value::Number(info.generation))
        .with("started", Value::age(info.created, now.at));
    let length = now.at.since(before.at);
    // One that a map has added since has nothing before it: its rates begin with the next look.
    let before_of = |now: &PartitionInfo| {
        before.partitions.iter().find(|before| before.index == now.index).unwrap_or(now).clone()
    };
    let rows = now.partitions.iter();
    let rows = rows.map(|now| partition(source, &before_of(now), now, length)).collect();
    let symbols =
        shown(source, symbols).iter().map(|found| symbol(source, found, now.at)).collect();
    Answer::new()
        .one("handler", handler)
        .many("partitions", PARTITIONS, rows)
        .many("symbols", SYMBOLS, symbols)
}

fn partition(source: &Source, before: &PartitionInfo, now: &PartitionInfo, length: Nanos) -> Row {
    let rate = |counter| {
        let more = now.counters.get(counter).saturating_sub(before.counters.get(counter));
        let rate = u128::from(more) * 1_000_000_000 / u128::from(length.0.max(1));
        Value::Number(u64::try_from(rate).unwrap_or(u64::MAX))
    };
    let count = |counter| Value::Number(now.counters.get(counter));
    let symbols = partitions::here(&source.region, now);
    let live = partitions::live(&source.region, now.index);
    let missing = now.numbers.map(|(_, expected, end)| end.distance_from(expected));
    Row::new()
        .with("venue", Value::text(now.spec.venue))
        .with("partition", Value::text(now.spec.name))
        .with("status", Value::text(status_text(now.status.reason())))
        .with("lease", Value::Text(bar(now.lease_left, now.spec.silence)))
        .with("lease_left", Value::Length(Some(now.lease_left)))
        .with("packets_per_s", rate(Counter::Packets))
        .with("messages_per_s", rate(Counter::Messages))
        .with("symbols", Value::Number(symbols))
        .with("live", Value::Number(live))
        .with("share_live", Value::share(live, symbols))
        .with("packets_a", count(Counter::PacketsA))
        .with("packets_b", count(Counter::PacketsB))
        .with("packets_c", count(Counter::PacketsC))
        .with("lost_a", count(Counter::LostOnA))
        .with("lost_b", count(Counter::LostOnB))
        .with("lost_c", count(Counter::LostOnC))
        .with("missing", missing.map_or(Value::Absent, Value::Number))
}

/// How much of a lease is left, drawn.
fn bar(left: Nanos, whole: Nanos) -> String {
    let full = u128::from(left.0) * u128::from(BAR);
    // Rounded up: an empty bar is a lease that has run out.
    let full = full.div_ceil(u128::from(whole.0.max(1))).min(u128::from(BAR)) as usize;
    format!("[{}{}]", "#".repeat(full), ".".repeat(BAR as usize - full))
}

fn shown(source: &mut Source, asked: &[String]) -> Vec<Found> {
    if !asked.is_empty() {
        // One that nobody knows yet may be named the next second.
        return asked.iter().filter_map(|text| source.find(text).ok()).collect();
    }
    let mut all = Vec::with_capacity(SYMBOLS_SHOWN);
    for partition in source.partitions() {
        let room = SYMBOLS_SHOWN - all.len();
        let venue = partition.spec.venue;
        let here = source.region.symbols(partition.index);
        let symbols = here.filter(|(handle, _)| !source.region.is_moved(*handle)).take(room);
        all.extend(symbols.map(|(handle, symbol)| Found { venue, symbol, handle }));
    }
    all
}

fn symbol(source: &Source, found: &Found, now: Mono) -> Row {
    let read = source.region.read(found.handle);
    let (reason, since): (Option<Reason>, Mono) = verdict(&read);
    let book = super::get::book(&read);
    let best = |side| book.and_then(|book| Some((book.best(side)?, book.decimals)));
    let size = |side| best(side).map_or(Value::Absent, |(level, _)| Value::Number(level.size));
    let price = |side| {
        best(side).map_or(Value::Absent, |(level, decimals)| Value::Price(level.price, decimals))
    };
    Row::new()
        .with("symbol", Value::text(found.name()))
        .with("status", Value::text(status_text(reason)))
        .with("since", Value::age(since, now))
        .with("bid_size", size(Side::Bid))
        .with("bid", price(Side::Bid))
        .with("ask", price(Side::Ask))
        .with("ask_size", size(Side::Ask))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_bar_is_a_lease_that_ran_out() {
        let second = Nanos::from_secs(1);
        assert_eq!(bar(Nanos::ZERO, second), "[..........]");
        assert_eq!(bar(Nanos(1), second), "[#.........]");
        assert_eq!(bar(Nanos::from_millis(500), second), "[#####.....]");
        assert_eq!(bar(Nanos::from_secs(9), second), "[##########]");
    }
}

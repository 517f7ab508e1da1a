//! `candor get`.

use candor_core::{BookView, Level, Mono, Nanos, Price, Reason, Side};
use candor_shm::Read;
use clap::Args;

use super::output::{Answer, Row, Stream, Value};
use super::region::{Found, RegionArg, Source, exit_of, finish, say_gone, status_text, verdict};
use super::{Output, OutputArg};
use crate::exit::{Exit, Failure};

const QUOTE: &[&str] = &[
    "symbol",
    "status",
    "since",
    "bid_size",
    "bid",
    "ask",
    "ask_size",
    "last",
    "last_size",
    "high",
    "low",
    "volume",
    "trades",
    "trading_state",
    "seq",
];
const LEVELS: &[&str] =
    &["status", "level", "bid_orders", "bid_size", "bid", "ask", "ask_size", "ask_orders"];
const WATCH: &[(&str, usize)] = &[
    ("symbol", 14),
    ("status", 24),
    ("since", 12),
    ("bid_size", 8),
    ("bid", 12),
    ("ask", 12),
    ("ask_size", 8),
    ("last", 12),
    ("last_size", 9),
    ("trading_state", 13),
    ("seq", 10),
];

/// How often a watched symbol is looked at.
const LOOK_EVERY: Nanos = Nanos::from_millis(20);

/// Shows a symbol's prices with their status: what isn't live never comes without its reason. Exits 0
/// when the symbol is live, 1 when it is stale, 3 when nobody knows it or the handler is gone.
#[derive(Debug, Args)]
pub(super) struct Get {
    /// SYMBOL, or VENUE:SYMBOL.
    symbol: String,
    /// Go on showing it, a line for each change.
    #[arg(short, long)]
    watch: bool,
    /// With --watch: stop after this many lines.
    #[arg(long, value_name = "N", requires = "watch")]
    count: Option<u64>,
    #[command(flatten)]
    region: RegionArg,
    #[command(flatten)]
    output: OutputArg,
}

impl Get {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let mut source = self.region.open()?;
        if self.watch {
            return watch(&mut source, &self.symbol, self.count, self.output.output);
        }
        let found = match source.find(&self.symbol) {
            Err(failure) if failure.exit == Exit::Unknown && self.output.output == Output::Json => {
                nowhere(&self.symbol).print(Output::Json)?;
                return Err(failure);
            }
            found => found?,
        };
        let read = source.region.read(found.handle);
        let now = source.now();
        let answer = Answer::new().many("quote", QUOTE, vec![quote(&found, &read, now)]).many(
            "levels",
            LEVELS,
            levels(&read),
        );
        finish(&source, &answer, self.output.output, read.reason().is_none())
    }
}

/// The answer for a symbol of no partition: for a program the same fields as any other.
fn nowhere(symbol: &str) -> Answer {
    let value = |name| match name {
        "symbol" => Value::text(symbol),
        "status" => Value::text(status_text(Some(Reason::Unmapped))),
        "since" => Value::Age(None),
        _ => Value::Absent,
    };
    let row = QUOTE.iter().fold(Row::new(), |row, name| row.with(name, value(name)));
    Answer::new().many("quote", QUOTE, vec![row]).many("levels", LEVELS, Vec::new())
}

/// The book beside its verdict, live or not; `None` when there is none to show.
pub(super) fn book(read: &Read) -> Option<&BookView> {
    match read {
        Read::Live(view) => Some(&view.book),
        Read::Stale { last, .. } => last.as_ref().map(|view| &view.book),
    }
}

/// A price of the book, absent where there is none.
fn price(book: Option<&BookView>, price: impl Fn(&BookView) -> Option<Price>) -> Value {
    book.and_then(|book| Some(Value::Price(price(book)?, book.decimals))).unwrap_or(Value::Absent)
}

fn number(book: Option<&BookView>, number: impl Fn(&BookView) -> Option<u64>) -> Value {
    book.and_then(number).map_or(Value::Absent, Value::Number)
}

fn traded(book: &BookView, price: Price) -> Option<Price> {
    (book.stats.trades > 0).then_some(price)
}

fn last(book: &BookView) -> Option<candor_core::Trade> {
    (book.last.size > 0).then_some(book.last)
}

/// The values that a quote and a line of `--watch` share, up to the best offer.
fn head(found: &Found, read: &Read, now: Mono) -> Row {
    let (reason, since) = verdict(read);
    let book = book(read);
    Row::new()
        .with("symbol", Value::text(found.name()))
        .with("status", Value::text(status_text(reason)))
        .with("since", Value::age(since, now))
        .with("bid_size", number(book, |book| Some(book.best(Side::Bid)?.size)))
        .with("bid", price(book, |book| Some(book.best(Side::Bid)?.price)))
        .with("ask", price(book, |book| Some(book.best(Side::Ask)?.price)))
        .with("ask_size", number(book, |book| Some(book.best(Side::Ask)?.size)))
        .with("last", price(book, |book| Some(last(book)?.price)))
        .with("last_size", number(book, |book| Some(last(book)?.size)))
}

fn state(book: Option<&BookView>) -> Value {
    book.map_or(Value::Absent, |book| Value::text(book.trading_state.label()))
}

fn quote(found: &Found, read: &Read, now: Mono) -> Row {
    let book = book(read);
    head(found, read, now)
        .with("high", price(book, |book| traded(book, book.stats.high)))
        .with("low", price(book, |book| traded(book, book.stats.low)))
        .with("volume", number(book, |book| Some(book.stats.volume)))
        .with("trades", number(book, |book| Some(u64::from(book.stats.trades))))
        .with("trading_state", state(book))
        .with("seq", number(book, |book| Some(book.seq)))
}

fn levels(read: &Read) -> Vec<Row> {
    let Some(book) = book(read) else { return Vec::new() };
    let (bids, asks) = (book.levels(Side::Bid), book.levels(Side::Ask));
    let status = status_text(read.reason());
    let cell = |level: Option<&Level>| match level {
        None => [Value::Absent, Value::Absent, Value::Absent],
        Some(level) => [
            // Zero orders: the format doesn't say.
            if level.orders == 0 { Value::Absent } else { Value::Number(level.orders.into()) },
            Value::Number(level.size),
            Value::Price(level.price, book.decimals),
        ],
    };
    let row = |at: usize| {
        let [bid_orders, bid_size, bid] = cell(bids.get(at));
        let [ask_orders, ask_size, ask] = cell(asks.get(at));
        Row::new()
            .with("status", Value::text(&status))
            .with("level", Value::Number(at as u64 + 1))
            .with("bid_orders", bid_orders)
            .with("bid_size", bid_size)
            .with("bid", bid)
            .with("ask", ask)
            .with("ask_size", ask_size)
            .with("ask_orders", ask_orders)
    };
    (0..bids.len().max(asks.len())).map(row).collect()
}

/// What a line of `--watch` shows, but for its age: a line is printed when this changes.
type Shown = (Option<Reason>, Option<BookView>);

fn watch(
    source: &mut Source,
    text: &str,
    count: Option<u64>,
    output: Output,
) -> Result<Exit, Failure> {
    let mut found = source.find(text)?;
    let mut stream = Stream::new(output, WATCH);
    let mut shown: Option<Shown> = None;
    let mut left = count.unwrap_or(u64::MAX);
    // BOUND: until enough was shown, or nobody reads it.
    while left > 0 {
        let read = source.region.read(found.handle);
        let now = source.now();
        let state_now = (read.reason(), book(&read).copied());
        if shown.as_ref() != Some(&state_now) {
            let book = book(&read);
            let row = head(&found, &read, now)
                .with("trading_state", state(book))
                .with("seq", number(book, |book| Some(book.seq)));
            if !stream.print(&row)? {
                break;
            }
            shown = Some(state_now);
            left -= 1;
            continue;
        }
        source.wait(LOOK_EVERY);
        if read.reason() == Some(Reason::WriterGone) {
            source.follow();
            // A handler that has just begun may not have named it yet: wait for it.
            if let Ok(anew) = source.find(&found.name()) {
                found = anew;
            }
        }
    }
    let handler = source.handler();
    say_gone(source, handler);
    Ok(exit_of(handler, source.region.read(found.handle).reason().is_none()))
}

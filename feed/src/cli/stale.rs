//! `candor stale`.

use candor_core::{Mono, Reason};
use clap::Args;

use super::output::{Answer, Row, Value};
use super::region::{Found, RegionArg, Source, finish, reason_text, verdict};
use super::{Output, OutputArg};
use crate::exit::{Exit, Failure};

const COLUMNS: &[&str] = &["symbol", "partition", "reason", "since", "why"];

/// Lists the symbols that are stale, with reason and since when. Exits 0 when none of those asked
/// for is stale, 1 when one is, 3 for a symbol nobody knows or when the handler is gone.
#[derive(Debug, Args)]
pub(super) struct Stale {
    /// Only these: SYMBOL, or VENUE:SYMBOL.
    #[arg(value_name = "SYMBOL")]
    symbols: Vec<String>,
    /// Only those stale for this reason (Silent, Gap, Unproven, ...).
    #[arg(long, value_name = "REASON", value_parser = reason)]
    reason: Option<Reason>,
    #[command(flatten)]
    region: RegionArg,
    #[command(flatten)]
    output: OutputArg,
}

fn reason(text: &str) -> Result<Reason, String> {
    Reason::from_label(text).ok_or_else(|| {
        let known: Vec<&str> = Reason::ALL.iter().map(|reason| reason.label()).collect();
        format!("no such reason; there are {}", known.join(", "))
    })
}

impl Stale {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let mut source = self.region.open()?;
        let mut asked = Vec::with_capacity(self.symbols.len());
        let mut unmapped = Vec::new();
        let mut refused = None;
        for text in &self.symbols {
            match source.find(text) {
                Ok(found) => asked.push(found),
                // A program gets a row for it too; a person is told by the message alone.
                Err(failure)
                    if failure.exit == Exit::Unknown && self.output.output == Output::Json =>
                {
                    unmapped.push(nowhere(text));
                    refused.get_or_insert(failure);
                }
                Err(failure) => return Err(failure),
            }
        }
        let now = source.now();
        let mut rows: Vec<Row> = match self.symbols.is_empty() {
            true => everything(&source, now, self.reason),
            false => asked.iter().filter_map(|one| row(&source, one, now, self.reason)).collect(),
        };
        if self.reason.is_none_or(|wanted| wanted == Reason::Unmapped) {
            rows.append(&mut unmapped);
        }
        let none = rows.is_empty();
        let answer = Answer::new().many("stale_symbols", COLUMNS, rows);
        if let Some(failure) = refused {
            answer.print(self.output.output)?;
            return Err(failure);
        }
        finish(&source, &answer, self.output.output, none)
    }
}

fn everything(source: &Source, now: Mono, wanted: Option<Reason>) -> Vec<Row> {
    let mut rows = Vec::new();
    for partition in source.partitions() {
        for (handle, symbol) in source.region.symbols(partition.index) {
            // It is found where the map has it now.
            if source.region.is_moved(handle) {
                continue;
            }
            let found = Found { venue: partition.spec.venue, symbol, handle };
            rows.extend(row(source, &found, now, wanted));
        }
    }
    rows
}

/// The row of a symbol of no partition: the same fields as any other.
fn nowhere(symbol: &str) -> Row {
    Row::new()
        .with("symbol", Value::text(symbol))
        .with("partition", Value::Absent)
        .with("reason", Value::text(Reason::Unmapped))
        .with("since", Value::Age(None))
        .with("why", reason_text(Some(Reason::Unmapped)))
}

/// The symbol's row, `None` when it is live or stale for another reason.
fn row(source: &Source, found: &Found, now: Mono, wanted: Option<Reason>) -> Option<Row> {
    let (reason, since) = verdict(&source.region.read(found.handle));
    let reason = reason?;
    if wanted.is_some_and(|wanted| wanted != reason) {
        return None;
    }
    let partition = source.partition(found.handle.partition())?;
    Some(
        Row::new()
            .with("symbol", Value::text(found.name()))
            .with("partition", Value::text(partition.spec.name))
            .with("reason", Value::text(reason))
            .with("since", Value::age(since, now))
            .with("why", reason_text(Some(reason))),
    )
}

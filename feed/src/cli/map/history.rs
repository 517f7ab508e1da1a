//! `candor map history`.

use candor_core::Venue;
use clap::Args;

use super::super::OutputArg;
use super::super::output::{Answer, Row, Value};
use super::outcome::yes;
use super::stored::{StoreArg, venue};
use crate::exit::{Exit, Failure};
use crate::store::{Past, Pointer};

/// Lists every map that ever came in force, a row for each that it was compared with.
#[derive(Debug, Args)]
pub(in crate::cli) struct History {
    /// Of this venue alone.
    #[arg(long, value_parser = venue)]
    venue: Option<Venue>,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    output: OutputArg,
}

const COLUMNS: &[&str] = &[
    "venue",
    "date",
    "number",
    "in_force",
    "digest",
    "at",
    "by",
    "from",
    "compared_with",
    "moved",
    "dropped",
    "added",
    "changes",
    "known",
    "acknowledged_by",
    "because",
    "problem",
];

impl History {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let store = self.store.open()?.store;
        let venues = match self.venue {
            Some(venue) => vec![venue],
            None => store.venues()?,
        };
        let mut rows = Vec::new();
        let mut exit = Exit::Ok;
        for venue in venues {
            let history = store.history(venue)?;
            // Of a date with a damaged entry on top, or a hole, none is.
            let in_force = |date| match store.in_force(venue, date) {
                Ok(pointer) => pointer.map(|pointer| pointer.number),
                Err(_) => None,
            };
            for Past { date, number, pointer } in &history {
                let head = || {
                    Row::new()
                        .with("venue", Value::text(venue))
                        .with("date", Value::text(date))
                        .with("number", Value::Number((*number).into()))
                        .with("in_force", yes(in_force(*date) == Some(*number)))
                };
                match pointer {
                    Ok(pointer) => rows.extend(entries(pointer, head)),
                    Err(error) => {
                        exit = Exit::Degraded;
                        let row = COLUMNS[4..COLUMNS.len() - 1]
                            .iter()
                            .fold(head(), |row, name| row.with(name, Value::Absent));
                        rows.push(row.with("problem", Value::text(error)));
                    }
                }
            }
        }
        Answer::new().many("history", COLUMNS, rows).print(self.output.output)?;
        Ok(exit)
    }
}

/// A row for each comparison, or one where there was none.
fn entries(pointer: &Pointer, head: impl Fn() -> Row) -> Vec<Row> {
    let base = || {
        head()
            .with("digest", Value::text(&pointer.digest))
            .with("at", Value::text(&pointer.at))
            .with("by", Value::text(&pointer.by))
            .with("from", Value::text(&pointer.from))
    };
    let all: Vec<_> = match &pointer.compared[..] {
        [] => vec![None],
        list => list.iter().map(Some).collect(),
    };
    let text = |text: Option<&String>| text.map_or(Value::Absent, Value::text);
    all.into_iter()
        .map(|one| {
            let readable = one.filter(|one| one.unreadable.is_none());
            let count = |of: Option<u64>| of.map_or(Value::Absent, Value::Number);
            let by = one.and_then(|one| one.acknowledged.as_ref());
            base()
                .with("compared_with", text(one.map(|one| &one.digest)))
                .with("moved", count(readable.map(|one| one.moved)))
                .with("dropped", count(readable.map(|one| one.dropped)))
                .with("added", count(readable.map(|one| one.added)))
                .with("changes", count(readable.map(|one| one.changes)))
                .with("known", one.map_or(Value::Absent, |one| yes(one.known)))
                .with("acknowledged_by", text(by.map(|one| &one.name)))
                .with("because", text(by.map(|one| &one.because)))
                .with("problem", text(one.and_then(|one| one.unreadable.as_ref())))
        })
        .collect()
}

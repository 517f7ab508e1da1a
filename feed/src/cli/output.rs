//! One model for both forms of output. A query fills in rows of named values; a table and JSON are
//! two ways to show the same rows, so neither can have a field the other lacks.
//!
//! A length of time is `312 ms` in a table and `_ns` behind its name in JSON; a price is text with
//! exactly its venue's decimals in both, since JSON's numbers are floating point to most readers.

use candor_core::{Decimals, Mono, Nanos, Price, Reason, Symbol};
use candor_maps::calendar::timeline::Slack;
use serde_json::{Map, Value as Json, json};

use super::{Output, print};
use crate::clock;
use crate::exit::Failure;
use crate::sign::hex;

/// One value, before it is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Value {
    /// Words.
    Text(String),
    /// A count.
    Number(u64),
    /// How long ago; `None` for "never".
    Age(Option<Nanos>),
    /// How much is left, or how long something took; `None` where that isn't known.
    Length(Option<Nanos>),
    /// An instant of the wall clock in a time zone, ns since the Unix epoch; `None` for none. A time of day for a
    /// person, with date and offset for a program.
    Time(Option<u64>, &'static str),
    /// How much is left, less than nothing where it is used up; `None` where that isn't known.
    Slack(Option<Slack>),
    /// A price.
    Price(Price, Decimals),
    /// Parts per hundred, in tenths; `None` of nothing.
    Share(Option<u64>),
    /// A digest in hexadecimal digits: whole in JSON, in a table as much of it as tells two apart.
    Digest(String),
    /// Symbols with what stands against each: all of them by name in JSON, in a table how many, since no screen has
    /// room for a fifth of a venue.
    Against(Vec<(Symbol, Reason)>),
    /// Nothing is known, or nothing applies.
    Absent,
}

/// Digits of a digest in a table.
const DIGITS: usize = 12;

impl Value {
    /// Words.
    pub(super) fn text(text: impl ToString) -> Value {
        Value::Text(text.to_string())
    }

    /// A digest; absent where it is all zeros, which is what stands where none is known.
    pub(super) fn digest(digest: &[u8]) -> Value {
        match digest.iter().any(|byte| *byte != 0) {
            true => Value::Digest(hex(digest)),
            false => Value::Absent,
        }
    }

    /// How long ago something happened; "never" for [`Mono::NEVER`].
    pub(super) fn age(at: Mono, now: Mono) -> Value {
        Value::Age((at != Mono::NEVER).then(|| now.since(at)))
    }

    /// `part` of `whole` in per cent.
    pub(super) fn share(part: u64, whole: u64) -> Value {
        // A part of the whole: at most a thousand.
        let tenths = (u128::from(part) * 1_000).checked_div(u128::from(whole));
        Value::Share(tenths.map(|tenths| tenths as u64))
    }

    fn cell(&self) -> String {
        match self {
            Value::Text(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Age(Some(age)) => format!("{age} ago"),
            Value::Age(None) => "never".to_owned(),
            Value::Length(Some(length)) => length.to_string(),
            Value::Time(Some(wall), zone) => clock::time(*wall, zone),
            Value::Slack(Some(slack)) => slack.to_string(),
            Value::Price(price, decimals) => price.with(*decimals).to_string(),
            Value::Share(Some(tenths)) => format!("{}.{} %", tenths / 10, tenths % 10),
            Value::Digest(digits) => digits.chars().take(DIGITS).collect(),
            Value::Against(symbols) if !symbols.is_empty() => symbols.len().to_string(),
            Value::Time(None, _)
            | Value::Length(None)
            | Value::Slack(None)
            | Value::Share(None)
            | Value::Against(_)
            | Value::Absent => "-".to_owned(),
        }
    }

    fn json(&self) -> Json {
        match self {
            Value::Text(text) | Value::Digest(text) => Json::from(text.as_str()),
            Value::Number(number) => Json::from(*number),
            Value::Age(length) | Value::Length(length) => Json::from(length.map(|length| length.0)),
            Value::Time(wall, zone) => Json::from(wall.map(|wall| clock::local(wall, zone))),
            Value::Slack(slack) => Json::from(slack.map(|slack| slack.0)),
            Value::Price(price, decimals) => Json::from(price.with(*decimals).to_string()),
            Value::Share(tenths) => Json::from(tenths.map(|tenths| tenths as f64 / 10.0)),
            Value::Against(symbols) => symbols
                .iter()
                .map(|(symbol, reason)| json!({ "symbol": symbol.as_str(), "reason": reason.to_string() }))
                .collect(),
            Value::Absent => Json::Null,
        }
    }

    /// What is put behind the name in JSON, for the unit.
    fn unit(&self) -> &'static str {
        match self {
            Value::Age(_) | Value::Length(_) | Value::Slack(_) => "_ns",
            Value::Share(_) => "_percent",
            _ => "",
        }
    }
}

/// Named values, in the order in which they are shown.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Row(Vec<(&'static str, Value)>);

impl Row {
    pub(super) fn new() -> Row {
        Row::default()
    }

    /// Adds a value.
    pub(super) fn with(mut self, name: &'static str, value: Value) -> Row {
        self.0.push((name, value));
        self
    }

    fn json(&self) -> Json {
        let fields =
            self.0.iter().map(|(name, value)| (format!("{name}{}", value.unit()), value.json()));
        Json::Object(fields.collect::<Map<String, Json>>())
    }

    /// The row alone, a line for each value.
    fn lines(&self) -> String {
        let cells = self.0.iter().map(|(name, value)| [shown(name), value.cell()]);
        print::columns(&cells.collect::<Vec<_>>())
    }
}

fn shown(name: &str) -> String {
    name.replace('_', " ")
}

/// One part of an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Part {
    /// One thing.
    One(Row),
    /// Any number of alike things: the columns of an empty table are named too.
    Many(&'static [&'static str], Vec<Row>),
}

/// An answer: its parts by name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Answer(Vec<(&'static str, Part)>);

impl Answer {
    pub(super) fn new() -> Answer {
        Answer::default()
    }

    /// Adds one thing.
    pub(super) fn one(mut self, name: &'static str, row: Row) -> Answer {
        self.0.push((name, Part::One(row)));
        self
    }

    /// Adds any number of alike things, each with these columns.
    pub(super) fn many(
        mut self,
        name: &'static str,
        columns: &'static [&'static str],
        rows: Vec<Row>,
    ) -> Answer {
        self.0.push((name, Part::Many(columns, rows)));
        self
    }

    /// The answer as JSON.
    pub(super) fn json(&self) -> Json {
        let parts = self.0.iter().map(|(name, part)| {
            let value = match part {
                Part::One(row) => row.json(),
                Part::Many(_, rows) => Json::Array(rows.iter().map(Row::json).collect()),
            };
            ((*name).to_owned(), value)
        });
        Json::Object(parts.collect::<Map<String, Json>>())
    }

    /// The answer for a person: parts with an empty line between them.
    pub(super) fn table(&self) -> String {
        let mut parts = Vec::with_capacity(self.0.len());
        for (name, part) in &self.0 {
            parts.push(match part {
                Part::One(row) => row.lines(),
                Part::Many(columns, rows) if rows.is_empty() && self.0.len() == 1 => {
                    format!("no {}\n", shown(name)) + &header(columns)
                }
                Part::Many(columns, rows) => table(columns, rows),
            });
        }
        parts.join("\n")
    }

    /// Prints the answer in the form asked for. As [`print::out`].
    pub(super) fn print(&self, output: Output) -> Result<bool, Failure> {
        match output {
            Output::Table => print::out(&self.table()),
            Output::Json => print::json(&self.json()),
        }
    }
}

fn header(columns: &[&str]) -> String {
    let names: Vec<String> = columns.iter().map(|name| shown(name).to_uppercase()).collect();
    format!("{}\n", names.join("  "))
}

fn table(columns: &[&str], rows: &[Row]) -> String {
    let mut cells = vec![columns.iter().map(|name| shown(name).to_uppercase()).collect()];
    for row in rows {
        debug_assert!(row.0.iter().map(|(name, _)| name).eq(columns), "a row has its columns");
        cells.push(row.0.iter().map(|(_, value)| value.cell()).collect::<Vec<_>>());
    }
    aligned(&cells)
}

/// Cells in columns as wide as their widest.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| {
        rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|at| width(at).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
    out
}

/// Rows that come one after another, without end: a header first, then each as it comes. In JSON a
/// row is a line of its own.
pub(super) struct Stream {
    output: Output,
    columns: &'static [(&'static str, usize)],
    begun: bool,
}

impl Stream {
    /// A stream with these columns, each as wide as is usual for it.
    pub(super) fn new(output: Output, columns: &'static [(&'static str, usize)]) -> Stream {
        Stream { output, columns, begun: false }
    }

    /// Prints one row. As [`print::out`].
    pub(super) fn print(&mut self, row: &Row) -> Result<bool, Failure> {
        let names = self.columns.iter().map(|(name, _)| name);
        debug_assert!(
            row.0.iter().map(|(name, _)| name).eq(names.clone()),
            "a row has its columns"
        );
        if self.output == Output::Json {
            return print::out(&format!("{}\n", row.json()));
        }
        let mut text = String::new();
        if !std::mem::replace(&mut self.begun, true) {
            let names = names.map(|name| shown(name).to_uppercase());
            text.push_str(&self.line(&names.collect::<Vec<_>>()));
        }
        let cells: Vec<String> = row.0.iter().map(|(_, value)| value.cell()).collect();
        text.push_str(&self.line(&cells));
        print::out(&text)
    }

    fn line(&self, cells: &[String]) -> String {
        let widths = self.columns.iter().map(|(name, width)| name.len().max(*width));
        let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_have_the_same_fields() {
        let row = Row::new()
            .with("symbol", Value::text("AAPL"))
            .with("since", Value::Age(Some(Nanos::from_millis(312))))
            .with("bid", Value::Price(Price(1_234_500), Decimals(4)))
            .with("share_live", Value::share(1, 3))
            .with("ask", Value::Absent)
            .with("digest", Value::digest(&[0xab; 32]))
            .with("unknown", Value::digest(&[0; 32]));
        let columns = &["symbol", "since", "bid", "share_live", "ask", "digest", "unknown"];
        let answer = Answer::new().many("symbols", columns, vec![row]);
        let table = answer.table();
        assert!(
            table.starts_with(
                "SYMBOL  SINCE       BID       SHARE LIVE  ASK  DIGEST        UNKNOWN\n"
            ),
            "{table}"
        );
        assert!(
            table.ends_with("AAPL    312 ms ago  123.4500  33.3 %      -    abababababab  -\n"),
            "{table}"
        );
        let json = &answer.json()["symbols"][0];
        assert_eq!(json["since_ns"], 312_000_000);
        assert_eq!(json["bid"], "123.4500");
        assert_eq!(json["share_live_percent"], 33.3);
        assert_eq!(json["digest"], "ab".repeat(32));
        assert!(json["ask"].is_null() && json["unknown"].is_null());
        assert_eq!(json.as_object().unwrap().len(), columns.len());
    }
}

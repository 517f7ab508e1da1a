//! What a run found, as a table and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::itch::{Input, Results, Row, median};

/// Lowest and highest.
pub(crate) fn spread(figures: &[f64]) -> (f64, f64) {
    let low = figures.iter().copied().fold(f64::INFINITY, f64::min);
    (low, figures.iter().copied().fold(0.0, f64::max))
}

/// Bytes for each order that rests at once, all tables of the books included.
fn bytes_an_order(results: &Results) -> Option<f64> {
    let peak = results.tally?.peak_orders;
    (peak > 0).then(|| results.books_bytes as f64 / peak as f64)
}

/// What one row says: some rounds of it, and as many of its floor.
pub(crate) struct Figure<'a> {
    pub(crate) name: &'a str,
    pub(crate) about: &'a str,
    pub(crate) rounds: &'a [f64],
    pub(crate) floor: &'a str,
    pub(crate) floor_rounds: &'a [f64],
}

/// A row of one's own, as it is measured.
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) about: &'static str,
    pub(crate) rounds: Vec<f64>,
    pub(crate) floor: &'static str,
    pub(crate) floor_rounds: Vec<f64>,
}

impl Measured {
    /// A row of which nothing is known yet.
    pub(crate) fn new(name: String, about: &'static str, floor: &'static str) -> Measured {
        Measured { name, about, rounds: Vec::new(), floor, floor_rounds: Vec::new() }
    }

    pub(crate) fn figure(&self) -> Figure<'_> {
        Figure {
            name: &self.name,
            about: self.about,
            rounds: &self.rounds,
            floor: self.floor,
            floor_rounds: &self.floor_rounds,
        }
    }
}

/// Rows for programs.
pub(crate) fn rows_json(machine: &str, clock: &str, unit: &str, rows: &[Measured]) -> Value {
    let rows: Vec<Value> = rows.iter().map(|row| figure_json("row", unit, &row.figure())).collect();
    json!({ "machine": machine, "clock": clock, "rows": rows })
}

/// A table of figures; `row` and `unit` are what a row and an operation are called. Below it what each is.
pub(crate) fn figures<'a>(
    row: &str,
    unit: &str,
    rows: impl Iterator<Item = Figure<'a>> + Clone,
) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "| {row} | ns a {unit} | rounds | million/s | floor ns | ratio |");
    let _ = writeln!(text, "| --- | --- | --- | --- | --- | --- |");
    for Figure { name, rounds, floor_rounds, .. } in rows.clone() {
        let (middle, floor) = (median(rounds), median(floor_rounds));
        let (low, high) = spread(rounds);
        let _ = writeln!(
            text,
            "| {name} | {middle:.1} | {low:.1}-{high:.1} | {:.1} | {floor:.1} | {:.2} |",
            1_000.0 / middle,
            middle / floor,
        );
    }
    let _ = writeln!(text);
    for Figure { name, about, floor, .. } in rows {
        let _ = writeln!(text, "{name}: {about}; floor: {floor}");
    }
    text
}

/// One of them for programs, under the same names.
pub(crate) fn figure_json(row: &str, unit: &str, figure: &Figure<'_>) -> Value {
    let Figure { name, about, rounds, floor, floor_rounds } = figure;
    let (middle, floor_middle) = (median(rounds), median(floor_rounds));
    let (low, high) = spread(rounds);
    json!({
        row: name,
        "about": about,
        format!("ns_per_{unit}"): middle,
        "low": low,
        "high": high,
        "rounds": rounds,
        format!("{unit}s_per_second"): 1e9 / middle,
        "floor": floor,
        format!("floor_ns_per_{unit}"): floor_middle,
        "floor_rounds": floor_rounds,
        "ratio": middle / floor_middle,
    })
}

fn figure(row: &Row) -> Figure<'_> {
    Figure {
        name: row.stage.name(),
        about: row.stage.about(),
        rounds: &row.rounds,
        floor: row.floor.about(),
        floor_rounds: &row.floor_rounds,
    }
}

pub(crate) fn table(input: &Input, results: &Results) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "file: {} messages, {} symbols, {:.1} bytes a message",
        input.messages,
        input.symbols,
        input.bytes.len() as f64 / input.messages as f64
    );
    if let Some(tally) = results.tally {
        let _ = writeln!(
            text,
            "books: {} live orders at most, {:.0} MB of tables, {:.0} bytes a live order; best prices {:016x}",
            tally.peak_orders,
            results.books_bytes as f64 / 1e6,
            bytes_an_order(results).unwrap_or(f64::NAN),
            tally.prices ^ tally.views,
        );
    }
    let _ = writeln!(text, "memory: {:.0} MB at most\n", results.peak_resident as f64 / 1e6);
    text + &figures("stage", "message", results.rows.iter().map(figure))
}

pub(crate) fn json(machine: &str, clock: &str, input: &Input, results: &Results) -> Value {
    let row = |row: &Row| figure_json("stage", "message", &figure(row));
    json!({
        "machine": machine,
        "clock": clock,
        "messages": input.messages,
        "symbols": input.symbols,
        "file_bytes": input.bytes.len(),
        "live_orders_peak": results.tally.map(|tally| tally.peak_orders),
        "best_prices": results.tally.map(|tally| format!("{:016x}", tally.prices ^ tally.views)),
        "books_bytes": results.books_bytes,
        "bytes_per_live_order": bytes_an_order(results),
        "resident_bytes_peak": results.peak_resident,
        "rows": results.rows.iter().map(row).collect::<Vec<_>>(),
    })
}

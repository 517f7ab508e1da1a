//! How long a reader is without Live when messages are lost: from the first packet that no line brings to
//! a partition whose every symbol is Live again, for both venues, over what is lost and how far away
//! the venue's services are.
//!
//! The venue, its services and the network are virtual: their delays are what they are configured to
//! be. What the handler does is real: the engine, the agent and the publication are called as the
//! product calls them, each call is measured, and the time it took passes in that world before anything
//! else happens on the same thread. A reader of the region judges what is Live.
#![forbid(unsafe_code)]

mod handler;
mod loss;
mod post;
mod report;
mod rows;
mod terms;
mod venue;
mod world;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use candor_bench::machine::machine;
use candor_bench::stopwatch::Stopwatch;
use candor_decoders::Format;
use clap::{Parser, ValueEnum};
use serde_json::{Value, json};

use crate::report::Row;
use crate::rows::{Extent, Part};
use crate::world::{Task, World};

#[derive(Parser)]
#[command(name = "candor-recovery", about = "Measures the time from a loss to Live again")]
struct Arguments {
    /// Some 20 seconds, to see that it works: every loss must heal.
    #[arg(long)]
    quick: bool,
    /// The handler's work takes no time: the same numbers every time.
    #[arg(long, conflicts_with = "clock")]
    r#virtual: bool,
    /// By which clock the handler's work is measured.
    #[arg(long, default_value = "monotonic")]
    clock: Clock,
    /// How results are printed.
    #[arg(short, long, default_value = "table")]
    output: Output,
    /// Says what was done about each row's longest loss.
    #[arg(long)]
    story: bool,
    /// At most so many losses a row.
    #[arg(long, default_value_t = usize::MAX, hide_default_value = true)]
    losses: usize,
    /// Only rows whose market or loss contains this.
    #[arg(long)]
    only: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Clock {
    /// The monotonic clock: what others of the machine do at the time counts.
    Monotonic,
    /// The thread's processor time.
    Thread,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

/// One market with its rows.
struct Section {
    market: String,
    rows: Vec<Row>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let extent = if arguments.quick { Extent::Quick } else { Extent::Full };
    let stopwatch = match (arguments.r#virtual, arguments.clock) {
        (true, _) => Stopwatch::None,
        (false, Clock::Monotonic) => Stopwatch::Monotonic,
        (false, Clock::Thread) => Stopwatch::Thread,
    };
    let machine = machine();
    let json = arguments.output == Output::Json;
    if !json {
        println!("{machine}\nthe handler's work is measured by: {}\n", stopwatch.label());
    }
    let only = arguments.only.as_deref().unwrap_or_default();
    let mut sections = Vec::new();
    for part in rows::parts(extent) {
        match measure(part, stopwatch, only, arguments.losses) {
            Ok(Some(section)) => {
                if !json {
                    println!("{}", section.text());
                    let stories = section.rows.iter().filter(|_| arguments.story);
                    stories.for_each(|row| println!("{}", row.story()));
                }
                sections.push(section);
            }
            Ok(None) => {}
            Err(problem) => {
                eprintln!("candor-recovery: {problem}");
                return ExitCode::FAILURE;
            }
        }
    }
    if json {
        println!("{:#}", as_json(&machine, stopwatch, &sections));
    }
    verdict(&sections, arguments.quick)
}

/// A quick run must heal everything; a full one reports what did not.
fn verdict(sections: &[Section], quick: bool) -> ExitCode {
    let rows = sections.iter().flat_map(|section| &section.rows);
    let unhealed = rows.clone().filter(|row| row.outcome.unhealed.is_some()).count();
    if !quick {
        return ExitCode::SUCCESS;
    }
    let episodes: usize = rows.clone().map(|row| row.outcome.episodes.len()).sum();
    if unhealed > 0 || rows.clone().any(|row| row.outcome.episodes.is_empty()) {
        eprintln!("candor-recovery: {unhealed} losses did not heal");
        return ExitCode::FAILURE;
    }
    println!("shown: recovery: {episodes} losses healed");
    ExitCode::SUCCESS
}

const fn venue(format: Format) -> &'static str {
    match format {
        Format::NasdaqItch50 => "ITCH over MoldUDP64, re-request and GLIMPSE",
        Format::IexDeep | Format::IexTops => "DEEP over IEX-TP, gap fill and SNAP",
    }
}

/// Measures the rows of a part; `None` where none is wanted.
fn measure(
    part: Part,
    stopwatch: Stopwatch,
    only: &str,
    most: usize,
) -> Result<Option<Section>, String> {
    let Part { format, size, mut tasks } = part;
    if !venue(format).contains(only) {
        tasks.retain(|task| task.loss.label().contains(only));
    }
    if tasks.is_empty() {
        return Ok(None);
    }
    let mut world = World::new(format, size, stopwatch)?;
    let (orders, levels, before) = world.content();
    let began = world.now();
    let mut market = report::market(venue(format), size.symbols, (orders, levels));
    let mut rows = Vec::new();
    for task in tasks {
        let task = Task { episodes: task.episodes.min(most), ..task };
        let outcome = world.measure(&task);
        let row = Row { task, outcome };
        let _ = writeln!(std::io::stderr(), "{}", row.line());
        rows.push(row);
        if !world.settle() {
            world = World::new(format, size, stopwatch)?;
        }
    }
    let (orders_after, levels_after, after) = world.content();
    let left = if orders == 0 { levels_after } else { orders_after };
    let seconds = world.now().since(began).0 as f64 / 1e9;
    let rate = after.saturating_sub(before) as f64 / seconds;
    let left = loss::thousands(left as u64);
    let _ = write!(market, " at first and {left} at last, {rate:.0} messages a second");
    Ok(Some(Section { market, rows }))
}

impl Section {
    fn text(&self) -> String {
        let mut text = format!("## {}\n\n{}\n", self.market, report::HEAD);
        for row in &self.rows {
            let _ = writeln!(text, "{}", row.line());
        }
        let _ = writeln!(text, "\n```text\n{}", report::scale());
        for row in &self.rows {
            let _ = writeln!(text, "{}", row.drawing());
        }
        let _ = writeln!(text, "```");
        for row in &self.rows {
            for (what, times) in row.trouble() {
                let _ = writeln!(text, "- {}: {times} times {what}", row.task.loss.label());
            }
            if let Some(what) = row.outcome.relapses.first() {
                let (loss, times) = (row.task.loss.label(), row.outcome.relapses.len());
                let _ = writeln!(text, "- {loss}: {times} times {what} soon after Live");
            }
            if let Some((waited, status)) = &row.outcome.unhealed {
                let (loss, waited) = (row.task.loss.label(), report::time(*waited));
                let _ = writeln!(text, "- {loss}: not Live again after {waited}: {status}");
            }
        }
        text
    }
}

fn as_json(machine: &str, stopwatch: Stopwatch, sections: &[Section]) -> Value {
    let rows = sections
        .iter()
        .flat_map(|section| section.rows.iter().map(|row| row.json(&section.market)));
    json!({
        "machine": machine,
        "clock": stopwatch.label(),
        "rows": rows.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every digit of a small table in which the handler's work takes no time. What moves one of them
    /// moves what readers wait for: it must be meant.
    #[test]
    fn without_the_processors_time_recovery_takes_exactly_this_long() {
        let mut text = String::new();
        for part in rows::parts(Extent::Golden) {
            let section = measure(part, Stopwatch::None, "", usize::MAX).unwrap().unwrap();
            let _ = writeln!(text, "{}", section.text());
        }
        if std::env::var_os("CANDOR_BLESS").is_some() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin/recovery/golden.txt");
            std::fs::write(path, &text).unwrap();
        }
        assert_eq!(text, include_str!("golden.txt"), "CANDOR_BLESS=1 writes what is true now");
    }
}

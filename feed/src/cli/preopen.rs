//! `candor preopen`.

use std::path::PathBuf;

use candor_core::Venue;
use candor_preopen::{Check, Outcome, Report, Verdict};
use candor_shm::Region;
use clap::Args;

use super::output::{Answer, Row, Value};
use super::{ConfigArg, OutputArg};
use crate::clock;
use crate::config::{self, Config};
use crate::exit::{Exit, Failure};
use crate::preopen::{self, Of, metric};

const CHECKS: &[&str] = &["check", "about", "verdict", "symbols", "evidence", "to_do"];

/// Go or no-go before the open: every check with its evidence, those that fail first. Looks at the map of
/// today and its difference, at every partition and line, at the symbols that the venue has named, and at
/// the host, and changes nothing. The table names the first symbols that are missing of a partition and counts
/// all; with `-o json` each is named (`checks[].symbols[]`). Exits 0 when it is go, 1 when it is go with warnings, 2 when it is no-go,
/// 3 when something could not be looked at or the handler is gone.
#[derive(Debug, Args)]
pub(super) struct Preopen {
    #[command(flatten)]
    config: ConfigArg,
    /// Of this venue alone, and what its data needs of the host.
    #[arg(long, value_name = "VENUE")]
    venue: Option<String>,
    /// Also puts the answer into this file as a metric, for a Prometheus textfile collector.
    #[arg(long, value_name = "FILE")]
    metric: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArg,
}

impl Preopen {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let config = config::load(&self.config.config)?;
        let of = match self.venue.as_deref() {
            None => Of::All,
            Some(name) => Of::Venue(venue(&config, name)?),
        };
        let report = match Region::open(&config.handler.region) {
            Ok(region) => preopen::look(&config, &region, of),
            Err(error) => preopen::without(&config, &error.to_string()),
        };
        answer(&report).print(self.output.output)?;
        if let Some(path) = &self.metric {
            metric::write(path, &report, clock::wall())?;
        }
        Ok(exit(&report))
    }
}

/// A venue of the configuration by its name.
fn venue(config: &Config, name: &str) -> Result<Venue, Failure> {
    let found = config.venues.iter().find(|venue| venue.as_str() == name);
    found.copied().ok_or_else(|| {
        let names: Vec<&str> = config.venues.iter().map(Venue::as_str).collect();
        Failure::usage(format!("no venue is called {name:?}; there are {}", names.join(", ")))
    })
}

fn exit(report: &Report) -> Exit {
    // Whatever else is wrong: what was seen of a handler that is gone is not what is.
    let gone = |check: &Check| check.name == "handler" && check.verdict == Verdict::Unknown;
    if report.checks.iter().any(gone) {
        return Exit::Unknown;
    }
    match report.outcome() {
        Outcome::Go => Exit::Ok,
        Outcome::GoWithWarnings => Exit::Degraded,
        Outcome::NoGo => Exit::NoGo,
        Outcome::Unknown => Exit::Unknown,
    }
}

fn answer(report: &Report) -> Answer {
    let count = |verdict| Value::Number(report.count(verdict) as u64);
    let head = Row::new()
        .with("preopen", Value::text(report.outcome().name()))
        .with("at", Value::text(clock::display(clock::wall())))
        .with("checks", Value::Number(report.checks.len() as u64))
        .with("no_go", count(Verdict::Fails))
        .with("unknown", count(Verdict::Unknown))
        .with("warnings", count(Verdict::Warns));
    let mut checks: Vec<&Check> = report.checks.iter().collect();
    // The order within a verdict is that of the checks.
    checks.sort_by_key(|check| std::cmp::Reverse(check.verdict));
    let row = |check: &&Check| {
        let text = |text: &str| if text.is_empty() { Value::Absent } else { Value::text(text) };
        Row::new()
            .with("check", Value::text(check.name))
            .with("about", text(&check.about))
            .with("verdict", Value::text(check.verdict.name()))
            .with("symbols", Value::Against(check.symbols.clone()))
            .with("evidence", text(&check.evidence))
            .with("to_do", text(&check.to_do))
    };
    Answer::new().one("preopen", head).many("checks", CHECKS, checks.iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use candor_core::{Reason, Symbol};

    use super::*;

    #[test]
    fn json_names_every_symbol_that_a_check_fails_for_and_the_table_counts_them() {
        let names: Vec<String> = (0..1_000).map(|at| format!("S{at:03}")).collect();
        let symbol = |name: &String| Symbol::from_wire(name.as_bytes()).unwrap();
        let symbols = names.iter().map(|name| (symbol(name), Reason::Unproven)).collect();
        let check = Check::not(Verdict::Fails, "symbols", "XNAS/1", "0 of 1000 proven", "");
        let checks = vec![Check::holds("lines", "", "2 heard"), Check { symbols, ..check }];
        let answer = answer(&Report { checks });
        let json = answer.json();
        let named = json["checks"][0]["symbols"].as_array().unwrap();
        assert!(named.iter().map(|one| one["symbol"].as_str().unwrap()).eq(&names));
        assert!(named.iter().all(|one| one["reason"] == "Unproven"));
        assert_eq!(json["checks"][1]["symbols"], serde_json::json!([]), "an empty list, not null");
        let table = answer.table();
        assert!(table.contains("CHECK    ABOUT   VERDICT  SYMBOLS  EVIDENCE"), "{table}");
        assert!(table.contains("symbols  XNAS/1  no-go    1000     0 of 1000 proven"), "{table}");
    }

    #[test]
    fn each_outcome_has_its_exit_and_a_handler_that_is_gone_is_unknown() {
        let check = |verdict| Check::not(verdict, "lines", "", "", "");
        let exit = |checks: &[Check]| exit(&Report { checks: checks.to_vec() });
        assert_eq!(exit(&[check(Verdict::Holds)]), Exit::Ok);
        assert_eq!(exit(&[check(Verdict::Warns)]), Exit::Degraded);
        assert_eq!(exit(&[check(Verdict::Fails), check(Verdict::Unknown)]), Exit::NoGo);
        assert_eq!(exit(&[check(Verdict::Unknown)]), Exit::Unknown);
        let gone = Check::not(Verdict::Unknown, "handler", "", "", "");
        assert_eq!(exit(&[gone, check(Verdict::Fails)]), Exit::Unknown);
        assert_eq!(exit(&[]), Exit::Unknown);
    }
}

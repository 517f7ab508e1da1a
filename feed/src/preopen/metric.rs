//! An answer as a metric, for whoever scrapes the host: text that a Prometheus textfile collector reads.

use std::fs;
use std::io;
use std::path::Path;

use candor_preopen::{Report, Verdict};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::exit::Failure;

const VERDICTS: [Verdict; 4] = [Verdict::Holds, Verdict::Warns, Verdict::Unknown, Verdict::Fails];

/// The answer in text: go or not, how many checks came out how, and when; `wall` is ns since the Unix epoch.
///
/// # Errors
/// Never by itself.
pub fn text(report: &Report, wall: u64) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("candor_preopen");
    let go = Gauge::<i64>::default();
    go.set(i64::from(report.outcome().is_go()));
    registry.register("go", "1 where preopen is go, with warnings or without", go);
    let checks = Family::<Vec<(String, String)>, Gauge>::default();
    for verdict in VERDICTS {
        let labels = vec![("verdict".to_owned(), verdict.name().to_owned())];
        let count = i64::try_from(report.count(verdict)).unwrap_or(i64::MAX);
        checks.get_or_create(&labels).set(count);
    }
    registry.register("checks", "Checks of preopen by how they came out", checks);
    let at = Gauge::<i64>::default();
    at.set(i64::try_from(wall / 1_000_000_000).unwrap_or(i64::MAX));
    registry.register_with_unit("asked", "When preopen was asked", Unit::Seconds, at);
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

/// Puts the answer into a file, whole: whoever reads it sees this one or the one before.
///
/// # Errors
/// What the host says.
pub fn write(path: &Path, report: &Report, wall: u64) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::host(format!("{}: the metric can't be written: {error}", path.display()))
    };
    let text = text(report, wall).map_err(|error| failed(&error))?;
    let mut beside = path.as_os_str().to_owned();
    // A collector reads files of its own ending alone.
    beside.push(".new");
    let put = || -> io::Result<()> {
        fs::write(&beside, &text)?;
        fs::rename(&beside, path)
    };
    put().map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use candor_preopen::Check;

    use super::*;

    #[test]
    fn an_answer_is_a_gauge_with_its_checks_and_when() {
        let holds = Check::holds("lines", "XNAS", "8 heard");
        let fails = Check::not(Verdict::Fails, "map", "XNAS", "none", "");
        let of = |checks: &[Check]| {
            text(&Report { checks: checks.to_vec() }, 1_795_437_000_000_000_001).unwrap()
        };
        let go = of(&[holds.clone(), holds.clone()]);
        for line in [
            "candor_preopen_go 1",
            "candor_preopen_checks{verdict=\"ok\"} 2",
            "candor_preopen_checks{verdict=\"no-go\"} 0",
            "candor_preopen_asked_seconds 1795437000",
        ] {
            assert!(go.lines().any(|one| one == line), "{line}: {go}");
        }
        let not = of(&[holds, fails]);
        assert!(not.lines().any(|line| line == "candor_preopen_go 0"), "{not}");
        assert!(not.contains("candor_preopen_checks{verdict=\"no-go\"} 1"), "{not}");
    }
}

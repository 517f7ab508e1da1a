//! `[alerts]`: the command that passes alerts on.

use std::path::Path;

use candor_core::Nanos;
use candor_core::alert::Severity;
use candor_settings::{Context, Table};

/// How long a run may take where nothing is said.
const TIMEOUT_MS: u64 = 10_000;

/// Runs at once where nothing is said.
const AT_ONCE: u64 = 4;

/// The command that passes alerts on, and how it is run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alerts {
    /// Program and arguments; never empty.
    pub command: Vec<String>,
    /// How long a run may take.
    pub timeout: Nanos,
    /// Runs at once at most.
    pub at_once: usize,
    /// Alerts less severe than that are not passed on.
    pub severity: Severity,
}

/// `[alerts]`, where there is one; `None` as well after saying what is wrong with it.
pub(super) fn alerts(cx: &mut Context<'_>, root: &mut Table<'_>) -> Option<Alerts> {
    let mut table = root.table(cx, "alerts", "[alerts]")?;
    let example = "command = [\"/usr/local/bin/page\", \"--from\", \"candor\"]";
    let command = table.texts(cx, "command");
    if command.is_none() && table.line_of(cx, "command").is_none() {
        table.missing(cx, "command", example);
    }
    let timeout = table.integer(cx, "timeout_ms", 1..=600_000).map_or(TIMEOUT_MS, |at| at.value);
    let at_once = table.integer(cx, "at_once", 1..=64).map_or(AT_ONCE, |at| at.value);
    let severities = [Severity::Page, Severity::Notice].map(|it| (it.label(), it));
    let severity = table.choice(cx, "severity", &severities).map_or(Severity::Page, |at| at.value);
    table.finish(cx);
    let command = command?;
    let argv: Vec<String> = command.value.iter().map(|at| at.value.to_owned()).collect();
    // Which program a name means would be for an environment variable to say.
    if !argv.first().is_some_and(|program| Path::new(program).is_absolute()) {
        cx.problem(
            command.line,
            format!("`command` must begin with a program by its absolute name: {example}"),
        );
    }
    let at_once = usize::try_from(at_once).unwrap_or(1);
    Some(Alerts { command: argv, timeout: Nanos::from_millis(timeout), at_once, severity })
}

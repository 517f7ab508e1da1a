//! `candor alerts`.

use candor_core::{Mono, Reason};
use candor_shm::AlertEntry;
use clap::Args;

use super::OutputArg;
use super::output::{Answer, Row, Value};
use super::region::{RegionArg, exit_of, say_gone};
use crate::alert::runbook;
use crate::exit::{Exit, Failure};

const COLUMNS: &[&str] = &[
    "alert", "severity", "kind", "owner", "where", "since", "last", "over", "count", "stale",
    "most", "of", "also", "suspects", "text", "runbook",
];

/// Lists what operators are told of: what is so, since when, what it has in common, what may be the cause, whose
/// it is and what to do. Exits 0 when no alert runs, 1 when one does, 3 when the handler is gone.
#[derive(Debug, Args)]
pub(super) struct AlertsQuery {
    #[command(flatten)]
    region: RegionArg,
    /// Those too that are over, as far back as there is room for.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    output: OutputArg,
}

impl AlertsQuery {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let mut source = self.region.open()?;
        let now = source.now();
        let Some(table) = source.region.alerts() else {
            let handler = source.handler();
            let message = "the table is being written, or was left in the middle: look again";
            return Err(Failure::new(exit_of(handler, false), message));
        };
        let shown = table.entries.iter().filter(|it| self.all || it.over == Mono::NEVER);
        let rows = shown.map(|entry| row(entry, now)).collect();
        let total = Row::new()
            .with("active", Value::Number(table.active))
            .with("passed", Value::Number(table.passed))
            .with("overflowed", Value::Number(table.overflowed))
            .with("commands", Value::Number(table.commands))
            .with("commands_failed", Value::Number(table.commands_failed));
        let answer = Answer::new().one("total", total).many("alerts", COLUMNS, rows);
        answer.print(self.output.output)?;
        let handler = source.handler();
        say_gone(&source, handler);
        // A handler that is stale as a whole is `candor status`'s to say.
        Ok(match handler {
            Some(Reason::WriterGone) => Exit::Unknown,
            _ if table.active > 0 => Exit::Degraded,
            _ => Exit::Ok,
        })
    }
}

fn row(entry: &AlertEntry, now: Mono) -> Row {
    let text = |text: &str| if text.is_empty() { Value::Absent } else { Value::text(text) };
    let over = match entry.over {
        Mono::NEVER => Value::Absent,
        over => Value::age(over, now),
    };
    // In JSON a name has one unit, whether there is a value or not.
    let over = if over == Value::Absent { Value::Length(None) } else { over };
    Row::new()
        .with("alert", Value::text(entry.code))
        .with("severity", Value::text(entry.code.severity().label()))
        .with("kind", Value::text(entry.code.kind().label()))
        .with("owner", Value::text(entry.code.owner().label()))
        .with("where", text(&entry.place))
        .with("since", Value::age(entry.since, now))
        .with("last", Value::age(entry.last, now))
        .with("over", over)
        .with("count", Value::Number(entry.count))
        .with("stale", Value::Number(u64::from(entry.sick)))
        .with("most", Value::Number(u64::from(entry.most)))
        .with("of", Value::Number(u64::from(entry.of)))
        .with("also", text(&entry.also))
        .with("suspects", text(&entry.suspects))
        .with("text", text(&entry.text))
        .with("runbook", Value::text(runbook(entry.code)))
}

//! `candor loss`.

use candor_core::{Line, LossKind};
use candor_shm::{LossRecord, Next};
use clap::Args;

use super::OutputArg;
use super::output::{Answer, Row, Value};
use super::region::{RegionArg, Source, finish};
use crate::exit::{Exit, Failure};

const SUMMARY: &[&str] = &["lane", "entries", "overwritten"];
const COLUMNS: &[&str] = &[
    "since",
    "partition",
    "kind",
    "session",
    "first",
    "last",
    "count",
    "line",
    "filled_by",
    "missing_for",
];

/// Shows the loss log, oldest entry first: numbers one line did not carry, gaps of every line, who
/// filled them and when. Exits 0, or 3 when the handler is gone.
#[derive(Debug, Args)]
pub(super) struct LossQuery {
    /// Leave out what one line lost and another carried.
    #[arg(long)]
    gaps: bool,
    #[command(flatten)]
    region: RegionArg,
    #[command(flatten)]
    output: OutputArg,
}

impl LossQuery {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let mut source = self.region.open()?;
        let mut lanes = Vec::new();
        let mut records = Vec::new();
        let readers: Vec<_> = (0..).map_while(|lane| source.region.losses(lane)).collect();
        let heads: Vec<u64> = {
            let now = source.now();
            source.region.lanes(now).map(|lane| lane.losses).collect()
        };
        for ((lane, mut reader), head) in (0u64..).zip(readers).zip(heads) {
            let before = records.len();
            // BOUND: the log as it was when we began: a lane that goes on losing is not followed.
            loop {
                match reader.next() {
                    Next::Record(record) => {
                        let newest = record.number >= head;
                        records.push(record);
                        if newest {
                            break;
                        }
                    }
                    Next::Nothing => break,
                    Next::Lapped { .. } => {}
                }
            }
            let read = (records.len() - before) as u64;
            lanes.push(
                Row::new()
                    .with("lane", Value::Number(lane))
                    .with("entries", Value::Number(head))
                    .with("overwritten", Value::Number(head.saturating_sub(read))),
            );
        }
        records.retain(|record| !self.gaps || record.loss.kind != LossKind::OneLine);
        records.sort_by_key(|record| record.loss.at);
        let rows = records.iter().map(|record| row(&mut source, record)).collect();
        let answer = Answer::new().many("lanes", SUMMARY, lanes).many("losses", COLUMNS, rows);
        finish(&source, &answer, self.output.output, true)
    }
}

fn row(source: &mut Source, record: &LossRecord) -> Row {
    let now = source.now();
    let loss = &record.loss;
    let partition = source.partition(record.partition);
    let partition = partition
        .map_or(Value::Absent, |p| Value::text(format!("{}:{}", p.spec.venue, p.spec.name)));
    let line = |line: Option<Line>| line.map_or(Value::Absent, Value::text);
    Row::new()
        .with("since", Value::age(loss.at, now))
        .with("partition", partition)
        .with("kind", Value::text(loss.kind.label()))
        .with("session", Value::text(loss.session))
        .with("first", Value::Number(loss.range.first.0))
        .with("last", loss.range.last().map_or(Value::Absent, |last| Value::Number(last.0)))
        .with("count", Value::Number(loss.range.len()))
        .with("line", line(loss.line))
        .with("filled_by", loss.filled_by.map_or(Value::Absent, |by| Value::text(by.label())))
        .with("missing_for", Value::Length(Some(loss.missing_for)))
}

//! What became of a map, for a person and for a program.

use candor_maps::check::Warning;

use super::super::Output;
use super::super::output::{Answer, Row, Value};
use crate::exit::{Exit, Failure};
use crate::store::{Compared, InForce, Judged, Outcome, Pointer, Why, advice};

const COMPARED: &[&str] = &[
    "date",
    "digest",
    "symbols",
    "moved",
    "dropped",
    "added",
    "changes",
    "known",
    "beyond_the_bound",
    "bound_ppm",
    "acknowledged_by",
    "because",
];

/// Prints what became of a map, and says what to exit with.
pub(super) fn print(outcome: Outcome, output: Output) -> Result<Exit, Failure> {
    match outcome {
        Outcome::Loaded(InForce { pointer, new, map: _, warnings, differs }) => {
            let compared = pointer.compared.iter().map(compared).collect();
            Answer::new()
                .one("in_force", in_force(&pointer, new))
                .many("compared", COMPARED, compared)
                .many("differences", &["words"], words(differs.iter().map(String::as_str)))
                .many("warnings", WARNINGS, rows(&warnings))
                .print(output)?;
            Ok(Exit::Ok)
        }
        Outcome::Refused(Why::Difference { from, digest, judged }) => {
            let refused =
                Row::new().with("digest", Value::text(&digest)).with("from", Value::text(&from));
            Answer::new().one("refused", refused).judged(&judged).print(output)?;
            Err(Failure::new(Exit::NoGo, advice(&from, &digest)))
        }
        Outcome::Refused(why) => Err(why.into()),
        Outcome::Kept(pointer) => {
            Answer::new().one("in_force", in_force(&pointer, false)).print(output)?;
            Ok(Exit::Ok)
        }
        Outcome::Missing(why) => Err(Failure::new(Exit::NoGo, why)),
    }
}

impl Answer {
    /// Adds comparisons, with their words.
    pub(super) fn judged(self, judged: &[Judged]) -> Answer {
        let rows = judged.iter().map(|one| compared(&one.compared)).collect();
        let words = words(judged.iter().map(|one| one.words.as_str()));
        self.many("compared", COMPARED, rows).many("differences", &["words"], words)
    }
}

fn in_force(pointer: &Pointer, new: bool) -> Row {
    Row::new()
        .with("venue", Value::text(pointer.venue))
        .with("date", Value::text(pointer.date))
        .with("number", Value::Number(pointer.number.into()))
        .with("digest", Value::text(&pointer.digest))
        .with("at", Value::text(&pointer.at))
        .with("by", Value::text(&pointer.by))
        .with("from", Value::text(&pointer.from))
        .with("new", yes(new))
}

fn compared(one: &Compared) -> Row {
    let count = |count: u64| match one.unreadable {
        Some(_) => Value::Absent,
        None => Value::Number(count),
    };
    let by = one.acknowledged.as_ref();
    let text = |text: Option<&String>| text.map_or(Value::Absent, Value::text);
    Row::new()
        .with("date", Value::text(one.date))
        .with("digest", Value::text(&one.digest))
        .with("symbols", count(one.symbols))
        .with("moved", count(one.moved))
        .with("dropped", count(one.dropped))
        .with("added", count(one.added))
        .with("changes", count(one.changes))
        .with("known", yes(one.known))
        .with("beyond_the_bound", yes(one.beyond))
        .with("bound_ppm", Value::Number(one.bound_ppm.into()))
        .with("acknowledged_by", text(by.map(|one| &one.name)))
        .with("because", text(by.map(|one| &one.because)))
}

pub(super) fn yes(yes: bool) -> Value {
    Value::text(if yes { "yes" } else { "no" })
}

/// A row for each line of each text.
pub(super) fn words<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<Row> {
    texts.flat_map(str::lines).map(|line| Row::new().with("words", Value::text(line))).collect()
}

pub(super) const WARNINGS: &[&str] = &["file", "line", "warning"];

/// A row for each warning.
pub(super) fn rows(warnings: &[Warning]) -> Vec<Row> {
    let row = |warning: &Warning| {
        Row::new()
            .with("file", Value::text(warning.0.file.display()))
            .with("line", Value::Number(warning.0.line as u64))
            .with("warning", Value::text(&warning.0.message))
    };
    warnings.iter().map(row).collect()
}

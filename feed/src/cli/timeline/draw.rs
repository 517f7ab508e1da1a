//! The morning as a person reads it, within 100 columns: a line of time with what was planned above what was
//! done, and a row for each milestone with a bar of its slack.

use std::fmt::Write as _;

use candor_maps::calendar::timeline::State;
use candor_maps::calendar::{Step, Wall};

use super::super::output::Answer;
use super::super::print;
use super::{Line, Shown, VENUES, state, venues};
use crate::clock;

const HEADER: [&str; 9] =
    ["MILESTONE", "PLANNED", "DUE", "ACTUAL", "SLACK", "STATE", "SLACK GONE", "DONE", "OF"];

/// Columns of the line of time.
const WIDE: usize = 72;

/// Columns of a bar within its brackets.
const BAR: usize = 16;

/// What is said of the venues, then each one's morning, with an empty line between them.
pub(super) fn all(shown: &[Shown]) -> String {
    let mut parts = vec![Answer::new().many("venues", VENUES, venues(shown)).table()];
    parts.extend(shown.iter().filter(|one| !one.milestones.is_empty()).map(one));
    parts.join("\n")
}

fn one(shown: &Shown) -> String {
    let mut out = format!("morning of {}\n", shown.venue);
    out.push_str(&axis(shown));
    let time = |at: Option<Wall>| at.map_or("-".to_owned(), |at| clock::time(at.0, shown.zone));
    let mut rows = vec![HEADER.map(String::from)];
    for line in &shown.milestones {
        let far = |number: u32| match shown.now {
            Some(_) => number.to_string(),
            None => "-".to_owned(),
        };
        rows.push([
            line.step.name().to_owned(),
            time(line.planned),
            time(line.standing.deadline),
            time(line.done.map(|done| done.at)),
            line.standing.slack.map_or("-".to_owned(), |slack| slack.to_string()),
            state(shown, line).to_owned(),
            bar(shown, line),
            far(line.far.0),
            far(line.far.1),
        ]);
    }
    out.push_str(&print::columns(&rows));
    out
}

/// How much of the slack is gone: `[######..........]`, `[!!!!]` where all of it is and it is not done.
fn bar(shown: &Shown, line: &Line) -> String {
    let Some(gone) = line.gone().filter(|_| shown.now.is_some()) else { return "-".to_owned() };
    if line.standing.state == State::Missed {
        return format!("[{}]", "!".repeat(BAR));
    }
    let cells = usize::try_from(gone).unwrap_or(0) * BAR / 1_000;
    format!("[{}{}]", "#".repeat(cells), ".".repeat(BAR - cells))
}

/// The line of time: `m` where the map is planned, `M` where it was done, `^` now.
fn axis(shown: &Shown) -> String {
    let planned: Vec<Wall> = shown.milestones.iter().filter_map(|line| line.planned).collect();
    let (Some(first), Some(last)) = (planned.iter().min(), planned.iter().max()) else {
        return String::new();
    };
    let length = (last.0 - first.0).max(1);
    let column = |at: Wall| {
        let from = at.0.saturating_sub(first.0).min(length);
        // At most the width.
        (u128::from(from) * (WIDE as u128 - 1) / u128::from(length)) as usize
    };
    let (mut above, mut below) = (Strip::new('-'), Strip::new(' '));
    for line in &shown.milestones {
        if let Some(at) = line.planned {
            above.put(column(at), letter(line.step));
        }
        if let Some(done) = line.done {
            below.put(column(done.at), letter(line.step).to_ascii_uppercase());
        }
    }
    let mut out = format!(
        "planned  {} {} {}\n",
        clock::time(first.0, shown.zone),
        above.text(),
        clock::time(last.0, shown.zone)
    );
    if let Some(now) = shown.now {
        let within = (first.0..=last.0).contains(&now.0);
        if within {
            below.put(column(now), '^');
        }
        let _ = writeln!(out, "{:<17} {}", "actual", below.text().trim_end());
    }
    out.push('\n');
    out
}

/// A milestone's first letter; of two that have the same the second's next.
const fn letter(step: Step) -> char {
    match step {
        Step::Map => 'm',
        Step::Joins => 'j',
        Step::Heartbeats => 'h',
        Step::Directory => 'd',
        Step::Crossover => 'c',
        Step::Preopen => 'p',
        Step::Open => 'o',
        Step::Prints => 'r',
    }
}

/// A row of columns, each taken once: what finds its own taken takes the next that is free, or the one before.
struct Strip {
    cells: Vec<Option<char>>,
    empty: char,
}

impl Strip {
    fn new(empty: char) -> Strip {
        Strip { cells: vec![None; WIDE], empty }
    }

    fn put(&mut self, column: usize, letter: char) {
        let mut places = (column..WIDE).chain((0..column.min(WIDE)).rev());
        if let Some(at) = places.find(|at| self.cells[*at].is_none()) {
            self.cells[at] = Some(letter);
        }
    }

    fn text(&self) -> String {
        self.cells.iter().map(|cell| cell.unwrap_or(self.empty)).collect()
    }
}

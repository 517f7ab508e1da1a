//! Whether a halt may end: it is one, a second person agrees, and `candor preopen` passes for what is halted.

use candor_preopen::{Check, Report, Verdict};
use candor_shm::Region;

use super::record::Record;
use super::users::{self, User};
use super::{Target, live};
use crate::clock;

/// What the check is called that it is halted.
pub(super) const HALTED: &str = "halted";

/// What is asked: may this end, says whom, and who else.
pub struct Asked<'a> {
    /// What is to be resumed.
    pub target: &'a Target,
    /// Who runs the command, by the host's own word.
    pub by: &'a [User],
    /// The second person's name, as typed.
    pub second: &'a str,
    /// What is recorded.
    pub records: &'a [Record],
    /// What `candor preopen` has found of it.
    pub preopen: &'a Report,
}

/// One check: what it is about, whether it holds, and what that was seen from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// What was checked.
    pub check: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// What was seen.
    pub evidence: String,
}

/// Every check with its evidence. The halt may end when all of them hold.
#[must_use]
pub fn allowed(region: &Region, asked: &Asked<'_>) -> Vec<Line> {
    let mut lines = vec![halted(region, asked), second(asked)];
    lines.extend(asked.preopen.checks.iter().map(of_check));
    lines
}

fn of_check(check: &Check) -> Line {
    let holds = matches!(check.verdict, Verdict::Holds | Verdict::Warns);
    let about = if check.about.is_empty() { String::new() } else { format!("{}: ", check.about) };
    Line { check: check.name, holds, evidence: format!("{about}{}", check.evidence) }
}

/// Whether all of these hold.
#[must_use]
pub fn go(lines: &[Line]) -> bool {
    lines.iter().all(|line| line.holds)
}

/// A halt of its own: one that comes with a wider one ends with that.
fn halted(region: &Region, asked: &Asked<'_>) -> Line {
    let line = |holds, evidence: String| Line { check: HALTED, holds, evidence };
    let target = asked.target;
    let words = target.words(region);
    if words.is_empty() && matches!(target, Target::Symbol(..)) {
        // Its lane halts it when it names it, whatever is recorded by then.
        return line(false, format!("nothing has named {target} yet: resume it when it is there"));
    }
    let own = |record: &&Record| record.target == *target;
    let halters: Vec<String> = asked.records.iter().filter(own).map(halter).collect();
    if !halters.is_empty() {
        return line(true, halters.join("; again "));
    }
    let wider = asked
        .records
        .iter()
        .find(|record| target.is_within(&record.target) && record.target != Target::All);
    if let Some(wider) = wider {
        return line(false, format!("by the halt of {}: resume that", wider.target));
    }
    if words.iter().any(|word| region.halted(*word).is_some()) {
        return line(true, "nobody has recorded by whom and why".to_owned());
    }
    let parts: Vec<String> = asked
        .records
        .iter()
        .filter(|record| record.target.is_within(target) || target.is_within(&record.target))
        .map(|record| record.target.to_string())
        .collect();
    match parts.is_empty() {
        true => line(false, format!("{target} is not halted")),
        false => line(false, format!("{target} is not; what is: {}", parts.join(", "))),
    }
}

/// Who halted, when and why.
pub(super) fn halter(record: &Record) -> String {
    let by = record.by.as_ref().map_or("nobody known", |by| &by.name);
    format!("by {by}, {}: {}", clock::display(record.since), record.reason)
}

/// Another person than who halted and than who asks, and a user of this host. What that proves is
/// that somebody knew a colleague's name; the log and the record name both.
fn second(asked: &Asked<'_>) -> Line {
    let line = |holds, evidence: String| Line { check: "second person", holds, evidence };
    let name = asked.second;
    let shown = name.escape_debug();
    let Some(second) = users::named(name) else {
        return line(false, format!("this host has no user `{shown}`"));
    };
    if second.uid == 0 {
        return line(false, format!("`{shown}` is no person"));
    }
    if asked.by.iter().any(|by| by.uid == second.uid) {
        return line(false, format!("`{shown}` is who runs this: name somebody else"));
    }
    let halter = asked.records.iter().filter(|record| record.target == *asked.target);
    if halter.filter_map(|record| record.by.as_ref()).any(|by| by.uid == second.uid) {
        return line(false, format!("`{shown}` has halted it: name somebody else"));
    }
    line(true, format!("{shown}, user {}", second.uid))
}

/// What ends with a halt: the words to clear, and what goes on being halted by another.
pub(super) fn left(region: &Region, target: &Target, records: &[Record]) -> Vec<candor_shm::Halt> {
    let others: Vec<candor_shm::Halt> = records
        .iter()
        .filter(|record| record.target != *target)
        .flat_map(|record| record.target.words(region))
        .collect();
    target.words(region).into_iter().filter(|word| !others.contains(word)).collect()
}

/// How many symbols of a target are Live, and how many there are.
#[must_use]
pub fn now_live(region: &Region, target: &Target) -> (u64, u64) {
    live(region, &target.words(region))
}

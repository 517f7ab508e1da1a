//! Whether a halt may end: the checks there are today, each with its evidence. One function, so that
//! `candor preopen` can take its place.

use candor_core::Reason;
use candor_decoders::Format;
use candor_shm::{Region, clock as region_clock};

use super::record::Record;
use super::users::{self, User};
use super::{Target, live};
use crate::clock;

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
    let mut lines = vec![halted(region, asked), second(asked), handler(region)];
    lines.extend(dates(region));
    for number in asked.target.partitions(region) {
        lines.extend(partition(region, number));
    }
    lines
}

/// Whether all of these hold.
#[must_use]
pub fn go(lines: &[Line]) -> bool {
    lines.iter().all(|line| line.holds)
}

/// A halt of its own: one that comes with a wider one ends with that.
fn halted(region: &Region, asked: &Asked<'_>) -> Line {
    let line = |holds, evidence: String| Line { check: "halted", holds, evidence };
    let target = asked.target;
    let words = target.words(region);
    if words.is_empty() && matches!(target, Target::Symbol(..)) {
        // Its lane halts it when it names it, whatever is recorded by then.
        return line(false, format!("nothing has named {target} yet: resume it when it is there"));
    }
    if let Some(own) = asked.records.iter().find(|record| record.target == *target) {
        let by = own.by.as_ref().map_or("nobody known", |by| &by.name);
        return line(true, format!("by {by}, {}: {}", clock::display(own.since), own.reason));
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

fn handler(region: &Region) -> Line {
    let status = region.unhalted_status_when(region_clock::now).reason();
    // One that was suspended between the lease and the clock looks again.
    let status = status.and_then(|_| region.unhalted_status_when(region_clock::now).reason());
    let info = region.info();
    let (holds, said) = match status {
        None => (true, "is live".to_owned()),
        // Nobody sets the word that the handler says of itself to that: it is no kill switch's.
        Some(reason) => (false, format!("is Stale({reason}): {}", reason.text())),
    };
    let evidence = format!("{} (process {}) {said}", info.handler, info.pid);
    Line { check: "handler", holds, evidence }
}

/// The region's date is today, where each venue is.
fn dates(region: &Region) -> Option<Line> {
    let own = region.trading_date();
    let mut zones: Vec<&'static str> = region
        .partitions_when(region_clock::now)
        .filter_map(|info| format_of(info.spec.feed.as_str()))
        .map(Format::zone)
        .collect();
    zones.sort_unstable();
    zones.dedup();
    let wall = clock::wall();
    let other = zones.iter().find(|zone| clock::date(wall, zone) != Some(own));
    let (holds, evidence) = match (other, zones.is_empty()) {
        (None, false) => (true, format!("{own}, today in {}", zones.join(", "))),
        (Some(zone), _) => {
            let today = clock::date(wall, zone).map_or("unknown".to_owned(), |at| at.to_string());
            (false, format!("the region is of {own}, and today is {today} in {zone}"))
        }
        (None, true) => (false, format!("of {own}; no feed here says in which time zone")),
    };
    Some(Line { check: "trading date", holds, evidence })
}

fn format_of(name: &str) -> Option<Format> {
    Format::ALL.into_iter().find(|format| format.name() == name)
}

/// What would be so of a partition without the halt.
fn partition(region: &Region, number: u16) -> Option<Line> {
    let info = region.partition_when(number, region_clock::now)?;
    let name = format!("{}/{}", info.spec.venue, info.spec.name);
    let (holds, said) = match info.unhalted.reason() {
        None => (true, "is sound beneath the halt".to_owned()),
        // Left on purpose: nothing of it becomes Live by a resume.
        Some(reason @ Reason::Unsubscribed) => (true, format!("is left alone: Stale({reason})")),
        Some(reason) => (false, format!("is Stale({reason}): {}", reason.text())),
    };
    Some(Line { check: "partition", holds, evidence: format!("{name} {said}") })
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

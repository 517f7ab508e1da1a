//! Halting and resuming, by whoever may write the words: an operator's process, or the handler's own
//! thread for one who may only ask it.

use candor_core::Mono;
use candor_preopen::Report;
use candor_shm::{Halt, HandlerWriter, KillSwitch, Region};

use super::Target;
use super::record::{Place, Record};
use super::resume::{self, Asked, Line};
use super::users::User;
use crate::clock;
use crate::exit::{Exit, Failure};

/// Whose hand stores the words.
pub(crate) trait Hand {
    /// Sets a word; whether that changed it. `None`: no such word.
    fn set(&self, halt: Halt, now: Mono) -> Option<bool>;
    /// Clears a word; whether it was set.
    fn clear(&self, halt: Halt) -> Option<bool>;
}

impl Hand for KillSwitch {
    fn set(&self, halt: Halt, now: Mono) -> Option<bool> {
        self.halt(halt, now)
    }

    fn clear(&self, halt: Halt) -> Option<bool> {
        self.resume(halt)
    }
}

impl Hand for HandlerWriter {
    fn set(&self, halt: Halt, now: Mono) -> Option<bool> {
        self.halt(halt, now)
    }

    fn clear(&self, halt: Halt) -> Option<bool> {
        self.resume(halt)
    }
}

/// Sets every word of a target. Whether any was not set before.
pub(crate) fn halt(hand: &impl Hand, words: &[Halt], now: Mono) -> bool {
    // Each of them, whatever the one before it said.
    words.iter().filter(|word| hand.set(**word, now) == Some(true)).count() > 0
}

/// Writes down that a target is halted, and sets its words once more under the record's lock: whoever
/// resumed it at the same moment has done so before, or will find the record. Whether it is new.
pub(crate) fn record(
    hand: &impl Hand,
    place: &Place,
    region: &Region,
    target: &Target,
    by: &User,
    reason: &str,
) -> Result<bool, Failure> {
    let guard = place.lock()?;
    halt(hand, &target.words(region), candor_shm::clock::now());
    guard.add(Record {
        target: *target,
        since: clock::wall(),
        by: Some(by.clone()),
        reason: reason.to_owned(),
    })
}

/// What became of a wish to resume.
pub(crate) enum Resumed {
    /// It may not be, for what of these does not hold.
    NoGo(Vec<Line>),
    /// It is; these held.
    Done(Vec<Line>),
}

/// Who ends which halt, with whom, and what is known of it: no record says so once it is struck.
fn told(asked: &Asked<'_>) -> String {
    let names = |by: &[User]| {
        let mut names: Vec<String> = by.iter().map(|by| format!("{by} ({})", by.uid)).collect();
        names.dedup();
        names.join(" as ")
    };
    let (now, by) = (clock::display(clock::wall()), names(asked.by));
    let halted = match asked.records.iter().find(|record| record.target == *asked.target) {
        None => "by whom and why was not recorded".to_owned(),
        Some(record) => {
            let halter = record
                .by
                .as_ref()
                .map_or("nobody known".to_owned(), |by| names(std::slice::from_ref(by)));
            format!("by {halter}, {}: {}", clock::display(record.since), record.reason)
        }
    };
    format!("{now} resume {} by {by}, second {}; halted {halted}", asked.target, asked.second)
}

/// Ends a halt if it may: who does so first, then its record, then its words. What fails between the two is still halted.
pub(crate) fn resume(
    hand: &impl Hand,
    place: &Place,
    region: &Region,
    target: &Target,
    (by, second): (&[User], &str),
    preopen: &Report,
) -> Result<Resumed, Failure> {
    let guard = place.lock()?;
    let mut records = guard.read()?;
    let asked = Asked { target, by, second, records: &records, preopen };
    let lines = resume::allowed(region, &asked);
    if !resume::go(&lines) {
        return Ok(Resumed::NoGo(lines));
    }
    let words = resume::left(region, target, &records);
    guard.note(&told(&asked))?;
    if records.iter().any(|record| record.target == *target) {
        records.retain(|record| record.target != *target);
        guard.write(&records)?;
    }
    for word in words {
        hand.clear(word);
    }
    Ok(Resumed::Done(lines))
}

/// The lines that do not hold, as a refusal.
pub(crate) fn no_go(target: &Target, lines: &[Line]) -> Failure {
    let wrong: Vec<String> = lines
        .iter()
        .filter(|line| !line.holds)
        .map(|line| format!("{}: {}", line.check, line.evidence))
        .collect();
    Failure::new(Exit::NoGo, format!("{target} stays halted; {}", wrong.join("; ")))
}

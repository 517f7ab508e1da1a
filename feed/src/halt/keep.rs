//! What the handler does about the kill switch: applies what is recorded before anything can be Live,
//! takes over what the region before it said, and tells in its log what is halted and resumed.

use candor_core::Mono;
use candor_shm::{Carried, HaltName, Halted, HandlerWriter, LaneWriter, Region};

use super::Target;
use super::record::{Place, Record};
use crate::clock;
use crate::exit::Failure;

/// Halts in a region just made what is recorded; records what was only carried over. Called while the
/// handler says `NoMap` of itself.
///
/// # Errors
/// Exit 78 where the record can't be read: what is halted is not known then.
pub(crate) fn begin(
    place: &Place,
    handler: &HandlerWriter,
    lanes: &mut [LaneWriter],
    region: &Region,
    now: Mono,
) -> Result<(), Failure> {
    let records = place.read()?;
    let mut halted: Vec<Halted> = Vec::new();
    for record in &records {
        let words = names(&record.target, region);
        if !is_there(&record.target, region) {
            let target = record.target;
            tracing::warn!(%target, "halted, and of no partition of this handler: it is kept in mind");
        }
        halted.extend(words.into_iter().map(|name| (name, now)));
        tell(record);
    }
    handler.halt_names(&halted);
    for lane in lanes {
        lane.hold(&halted);
    }
    match handler.carried() {
        Carried::Nothing => {}
        Carried::Unreadable(why) => {
            // Not knowing what is halted is no reason to publish any of it.
            handler.halt_names(&[(HaltName::All, now)]);
            let reason = format!("what was halted in the region before can't be read: {why}");
            keep(place, &[Target::All], &reason);
        }
        Carried::Halts(carried) => {
            let unknown = unrecorded(carried.iter().map(|(name, _)| name), &records);
            keep(
                place,
                &unknown,
                "carried over from the region before, where nobody had recorded why",
            );
        }
    }
    Ok(())
}

/// What is halted without a record: once each.
fn unrecorded<'a>(names: impl Iterator<Item = &'a HaltName>, records: &[Record]) -> Vec<Target> {
    let recorded = |name: &&HaltName| records.iter().any(|record| record.target.covers(name));
    names.filter(|name| !recorded(name)).map(Target::of_word).collect()
}

/// Writes down what was carried over, so that it outlives this region too, also what nothing has named
/// in it yet.
fn keep(place: &Place, targets: &[Target], reason: &str) {
    if targets.is_empty() {
        return;
    }
    let record = |target: &Target| Record {
        target: *target,
        since: clock::wall(),
        by: None,
        reason: reason.to_owned(),
    };
    let kept = place.lock().and_then(|guard| {
        targets.iter().try_for_each(|target| guard.add(record(target)).map(|_| ()))
    });
    for target in targets {
        tell(&record(target));
    }
    if let Err(failure) = kept {
        tracing::error!(
            "what was carried over can't be recorded, and holds by the region alone: {failure}"
        );
    }
}

/// The words of a target by name. A symbol has one whether or not anything has named it, a partition
/// whether or not a map has added it.
fn names(target: &Target, region: &Region) -> Vec<HaltName> {
    match target {
        Target::All => vec![HaltName::All],
        Target::Symbol(venue, symbol) => vec![HaltName::Symbol(*venue, *symbol)],
        Target::Partition(venue, name) => vec![HaltName::Partition(*venue, *name)],
        Target::Venue(_) => partitions(region).filter(|name| target.covers(name)).collect(),
    }
}

/// Whether this handler has a partition that it is about.
fn is_there(target: &Target, region: &Region) -> bool {
    partitions(region).any(|name| match (target, &name) {
        (Target::All, _) => true,
        (Target::Symbol(own, _), HaltName::Partition(venue, _)) => own == venue,
        _ => target.covers(&name),
    })
}

fn partitions(region: &Region) -> impl Iterator<Item = HaltName> + '_ {
    let info = region.partitions_when(candor_shm::clock::now);
    info.map(|info| HaltName::Partition(info.spec.venue, info.spec.name))
}

fn tell(record: &Record) {
    let (target, reason) = (record.target, &record.reason);
    let since = clock::display(record.since);
    let by = record.by.as_ref().map_or("unknown", |by| &by.name);
    tracing::warn!(%target, by, reason, since, "halted");
}

/// How often a word may be halted again between two looks: each makes its time a nanosecond later. Nobody
/// ends a halt and begins another within that.
const AGAIN: u64 = 10_000;

/// Whether these are one halt, which may have been halted again.
fn is_in(halted: &Halted, all: &[Halted]) -> bool {
    let (name, since) = halted;
    all.iter().any(|(other, then)| name == other && since.0.abs_diff(then.0) < AGAIN)
}

/// Watches the words: what is set and cleared is told, with who and why as far as that is recorded.
pub(crate) struct Watch {
    place: Place,
    seen: Vec<Halted>,
    /// Set since the last look, and not recorded by then: it may be a moment later.
    awaited: Vec<Halted>,
}

/// What has become of a halt.
pub(crate) enum Verb {
    /// It began, by this record.
    Halted(Record),
    /// It began, and nobody has recorded it.
    HaltedByNobody(Target),
    /// It has ended, as far as its word goes.
    Resumed(Target),
}

/// How many words were set and cleared since the last look.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Changes {
    pub(crate) set: u64,
    pub(crate) cleared: u64,
}

impl Watch {
    /// Starts with what is halted now, which has been told.
    pub(crate) fn new(place: Place, region: &Region) -> Watch {
        Watch { place, seen: region.halts(), awaited: Vec::new() }
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Looks at every word, some milliseconds for ten thousand symbols, and where one has changed at the record.
    /// One that was cleared and set again since the last look is another: it has another time.
    pub(crate) fn look(&mut self, region: &Region) -> (Changes, Vec<Verb>) {
        let mut verbs = Vec::new();
        let mut now = region.halts();
        if now == self.seen {
            self.awaited.clear();
            return (Changes::default(), verbs);
        }
        // One that nobody could read says so where it is needed: the words hold by themselves.
        let records = self.place.read().unwrap_or_default();
        let record_of = |name: &HaltName| records.iter().find(|record| record.target.covers(name));
        let early = |halted: &Halted| {
            let (name, _) = halted;
            record_of(name).is_none() && !is_in(halted, &self.seen) && !is_in(halted, &self.awaited)
        };
        let awaited: Vec<Halted> = now.iter().filter(|halted| early(halted)).copied().collect();
        now.retain(|halted| !awaited.contains(halted));
        let only = |these: &[Halted], those: &[Halted]| -> Vec<HaltName> {
            these.iter().filter(|it| !is_in(it, those)).map(|(name, _)| *name).collect()
        };
        let (set, cleared) = (only(&now, &self.seen), only(&self.seen, &now));
        for name in &cleared {
            let target = Target::of_word(name);
            tracing::warn!(%target, "resumed");
            verbs.push(Verb::Resumed(target));
        }
        let mut told: Vec<Target> = Vec::new();
        for name in &set {
            let record = record_of(name);
            let target = record.map_or_else(|| Target::of_word(name), |record| record.target);
            if told.contains(&target) {
                continue;
            }
            told.push(target);
            match record {
                Some(record) => {
                    tell(record);
                    verbs.push(Verb::Halted(record.clone()));
                }
                None => {
                    tracing::warn!(%target, "halted; by whom and why is not recorded");
                    verbs.push(Verb::HaltedByNobody(target));
                }
            }
        }
        (self.seen, self.awaited) = (now, awaited);
        (Changes { set: set.len() as u64, cleared: cleared.len() as u64 }, verbs)
    }
}

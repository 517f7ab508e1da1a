//! Halting and resuming, by whoever may write the words: an operator's process, or the handler's own
//! thread for one who may only ask it.

use candor_core::Mono;
use candor_preopen::Report;
use candor_shm::{Halt, HandlerWriter, KillSwitch, Region};

use super::Target;
use super::clerk::Wish;
use super::record::{Place, Record};
use super::resume::{self, Asked, Line};
use super::users::User;
use crate::clock;
use crate::exit::{Exit, Failure};

/// Whose hand stores the words.
pub(crate) trait Hand {
    /// Sets a word; whether that changed it. `None`: no such word.
    fn set(&self, halt: Halt, now: Mono) -> Option<bool>;
    /// Sets a word that is not set; whether that changed it.
    fn keep(&self, halt: Halt, now: Mono) -> Option<bool>;
    /// Clears a word that is still the one that was read; whether it was.
    fn clear(&self, halt: Halt, since: Mono) -> Option<bool>;
}

impl Hand for KillSwitch {
    fn set(&self, halt: Halt, now: Mono) -> Option<bool> {
        self.halt(halt, now)
    }

    fn keep(&self, halt: Halt, now: Mono) -> Option<bool> {
        self.keep(halt, now)
    }

    fn clear(&self, halt: Halt, since: Mono) -> Option<bool> {
        self.resume_only(halt, since)
    }
}

impl Hand for HandlerWriter {
    fn set(&self, halt: Halt, now: Mono) -> Option<bool> {
        self.halt(halt, now)
    }

    fn keep(&self, halt: Halt, now: Mono) -> Option<bool> {
        self.keep(halt, now)
    }

    fn clear(&self, halt: Halt, since: Mono) -> Option<bool> {
        self.resume_only(halt, since)
    }
}

/// Sets every word of a target. Whether any was not set before.
pub(crate) fn halt(hand: &impl Hand, words: &[Halt], now: Mono) -> bool {
    // Each of them, whatever the one before it said.
    words.iter().filter(|word| hand.set(**word, now) == Some(true)).count() > 0
}

/// Sets those of the words that are not set.
fn keep(hand: &impl Hand, words: &[Halt]) {
    for word in words {
        hand.keep(*word, candor_shm::clock::now());
    }
}

/// Writes down that a target is halted since then, by the wall clock, and sets its words once more under the record's lock: whoever
/// resumed it at the same moment has done so before, or will find the record. Whether it is new.
pub(crate) fn record(
    hand: &impl Hand,
    place: &Place,
    region: &Region,
    target: &Target,
    (by, reason): (&User, &str),
    since: u64,
) -> Result<bool, Failure> {
    let guard = place.lock()?;
    keep(hand, &target.words(region));
    guard.add(Record { target: *target, since, by: Some(by.clone()), reason: reason.to_owned() })
}

/// What was halted when a resume began, before it looked at anything: what is halted again since is not for
/// it to end.
pub(crate) struct Began {
    words: Vec<(Halt, Option<Mono>)>,
    records: Vec<Record>,
}

impl Began {
    /// Looks now.
    pub(crate) fn look(place: &Place, region: &Region, target: &Target) -> Result<Began, Failure> {
        Ok(Began::words(region, target).with(place.read()?))
    }

    /// Looks at the words now, without touching a disk. Whoever halts stores them before the record, so that
    /// what is recorded by the time that is read, and halted after this, is another's by its words.
    pub(super) fn words(region: &Region, target: &Target) -> Began {
        let words = target.words(region).into_iter();
        let words = words.map(|word| (word, region.halted(word))).collect();
        Began { words, records: Vec::new() }
    }

    pub(super) fn with(self, records: Vec<Record>) -> Began {
        Began { records, ..self }
    }

    /// Whether somebody has halted it since, and who; `None` where nobody has.
    fn again(&self, region: &Region, target: &Target, records: &[Record]) -> Option<Line> {
        let new = |record: &&Record| record.target.shares(target) && !self.records.contains(record);
        let new: Vec<String> = records.iter().filter(new).map(resume::halter).collect();
        let another = |word: &Halt| {
            let now = region.halted(*word);
            now.is_some() && !self.words.contains(&(*word, now))
        };
        if new.is_empty() && !target.words(region).iter().any(another) {
            return None;
        }
        Some(again(&new))
    }

    fn since(&self, word: Halt) -> Option<Mono> {
        self.words.iter().find(|(own, _)| *own == word)?.1
    }
}

fn again(new: &[String]) -> Line {
    let by = match new.is_empty() {
        true => ", and by whom is not recorded by now".to_owned(),
        false => format!(": {}", new.join("; ")),
    };
    let evidence = format!("halted again since this resume began{by}");
    Line { check: resume::HALTED, holds: false, evidence }
}

fn given_up() -> Line {
    let evidence = "who asked for this was told that it stays halted".to_owned();
    Line { check: "asked for", holds: false, evidence }
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
    let own = |record: &&Record| record.target == *asked.target;
    let halter = |record: &Record| {
        let halter = record.by.as_ref();
        let by = halter.map_or("nobody known".to_owned(), |by| names(std::slice::from_ref(by)));
        format!("by {by}, {}: {}", clock::display(record.since), record.reason)
    };
    let halted: Vec<String> = asked.records.iter().filter(own).map(halter).collect();
    let halted = match halted.is_empty() {
        true => "by whom and why was not recorded".to_owned(),
        false => halted.join("; again "),
    };
    format!("{now} resume {} by {by}, second {}; halted {halted}", asked.target, asked.second)
}

/// Ends a halt if it may, and if it is still the one it was when this began: who does so first, then its record, then
/// its words. What fails between the two is still halted, and so is what nobody waits for by then.
pub(crate) fn resume(
    hand: &impl Hand,
    place: &Place,
    region: &Region,
    target: &Target,
    (by, second): (&[User], &str),
    (began, preopen): (&Began, &Report),
    wish: &Wish,
) -> Result<Resumed, Failure> {
    let guard = place.lock()?;
    let records = guard.read()?;
    let asked = Asked { target, by, second, records: &records, preopen };
    let mut lines = resume::allowed(region, &asked);
    lines.extend(began.again(region, target, &records));
    if !resume::go(&lines) {
        return Ok(Resumed::NoGo(lines));
    }
    let words = resume::left(region, target, &records);
    if !wish.stands() {
        return Ok(Resumed::NoGo(vec![given_up()]));
    }
    guard.note(&told(&asked))?;
    let others: Vec<Record> =
        records.iter().filter(|record| record.target != *target).cloned().collect();
    if others.len() < records.len() {
        guard.write(&others)?;
    }
    if !wish.claim() {
        guard.write(&records)?;
        let (now, line) = (clock::display(clock::wall()), given_up());
        guard.note(&format!("{now} {target} stays halted: {}", line.evidence))?;
        return Ok(Resumed::NoGo(vec![line]));
    }
    // One that was not set when this began and is now is another's.
    let words: Vec<(Halt, Mono)> =
        words.into_iter().filter_map(|word| Some((word, began.since(word)?))).collect();
    for (at, (word, since)) in words.iter().enumerate() {
        if hand.clear(*word, *since) != Some(false) || region.halted(*word).is_none() {
            continue;
        }
        // Its words first: nothing that is recorded as halted is ever Live.
        let cleared: Vec<Halt> = words[..at].iter().map(|(word, _)| *word).collect();
        keep(hand, &cleared);
        guard.write(&records)?;
        let now = clock::display(clock::wall());
        guard.note(&format!("{now} {target} was halted again at that moment, and stays halted"))?;
        return Ok(Resumed::NoGo(vec![again(&[])]));
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::path::{Path, PathBuf};

    use candor_core::symbol::Text;
    use candor_core::{Decimals, Nanos};
    use candor_shm::{LaneWriter, PartitionSpec, RegionSpec, clock as region_clock, heap};

    use super::super::users;
    use super::*;

    const SECOND: &str = "nobody";

    /// A venue of two partitions, halted whole by bob.
    struct Scene {
        folder: PathBuf,
        place: Place,
        handler: HandlerWriter,
        _lanes: Vec<LaneWriter>,
        region: Region,
        target: Target,
    }

    impl Scene {
        fn new(name: &str) -> Scene {
            let text = |text: &str| Text::from_wire(text.as_bytes()).unwrap();
            let partition = |name: &str| PartitionSpec {
                venue: Text::from_wire(b"XNAS").unwrap(),
                name: text(name),
                feed: text("nasdaq-itch50"),
                silence: Nanos::from_secs(3),
                decimals: Decimals(4),
                ..PartitionSpec::spare(0, 8)
            };
            let mut spec = RegionSpec::new(Text::from_wire(b"t").unwrap());
            spec.partitions = ["1", "2"].map(partition).to_vec();
            let (handler, lanes, region) = heap(&spec).unwrap();
            let folder =
                std::env::temp_dir().join(format!("candor-act-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            let place = Place::of(Some(&folder), Path::new("/nowhere"));
            let target = Target::parse("XNAS").unwrap();
            let scene = Scene { folder, place, handler, _lanes: lanes, region, target };
            scene.store("XNAS");
            scene.record("bob", "XNAS", "by bob");
            scene
        }

        fn store(&self, target: &str) {
            let words = Target::parse(target).unwrap().words(&self.region);
            halt(&self.handler, &words, region_clock::now());
        }

        fn record(&self, name: &str, target: &str, reason: &str) {
            let (by, target) =
                (User { uid: 7, name: name.to_owned() }, Target::parse(target).unwrap());
            let (place, since) = (&self.place, clock::wall());
            record(&self.handler, place, &self.region, &target, (&by, reason), since).unwrap();
        }

        fn began(&self) -> Began {
            Began::look(&self.place, &self.region, &self.target).unwrap()
        }

        /// What is wrong; nothing where it is resumed.
        fn resume(&self, hand: &impl Hand, began: &Began) -> String {
            self.resume_as(hand, began, &Wish::default())
        }

        fn resume_as(&self, hand: &impl Hand, began: &Began, wish: &Wish) -> String {
            let by = [User { uid: 8, name: "dave".to_owned() }];
            let found = (began, &Report { checks: Vec::new() });
            let asked = (&by[..], SECOND);
            let (place, target) = (&self.place, &self.target);
            match resume(hand, place, &self.region, target, asked, found, wish).unwrap() {
                Resumed::Done(_) => String::new(),
                Resumed::NoGo(lines) => no_go(&self.target, &lines).message,
            }
        }

        fn halted(&self) -> [bool; 2] {
            [0, 1].map(|number| self.region.halted(Halt::Partition(number)).is_some())
        }

        fn reasons(&self) -> Vec<String> {
            self.place.read().unwrap().into_iter().map(|record| record.reason).collect()
        }
    }

    impl Drop for Scene {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }

    #[test]
    fn a_resume_ends_the_halt_that_it_began_with_and_no_other() {
        assert!(users::named(SECOND).is_some(), "a user of every host");
        let scene = Scene::new("began");
        // Its word alone: it is not recorded yet, or can't be.
        let began = scene.began();
        scene.store("XNAS");
        let refused = scene.resume(&scene.handler, &began);
        assert!(refused.contains("stays halted; halted: halted again since"), "{refused}");
        // By whom, once that is recorded; also of a part, and by the one who halted it first.
        for (by, target) in [("alice", "XNAS"), ("alice", "XNAS/2"), ("bob", "XNAS")] {
            let began = scene.began();
            scene.store(target);
            scene.record(by, target, "again");
            let refused = scene.resume(&scene.handler, &began);
            assert!(refused.contains(&format!("began: by {by}, 2")), "{refused}");
            assert_eq!(scene.halted(), [true, true]);
        }
        // By the record alone.
        let began = scene.began();
        let guard = scene.place.lock().unwrap();
        let mut records = guard.read().unwrap();
        records[0].since += 1;
        guard.write(&records).unwrap();
        drop(guard);
        assert!(scene.resume(&scene.handler, &began).contains("again since"));
        // What is halted beside it stays, and is no reason against it.
        let began = scene.began();
        scene.store("all");
        scene.record("alice", "all", "all of it");
        assert_eq!(scene.resume(&scene.handler, &began), "");
        assert_eq!((scene.halted(), scene.reasons().len()), ([false, true], 2));
        assert!(scene.region.halted(Halt::All).is_some());
    }

    /// Halts a word again at the very moment at which it would be cleared.
    struct Again<'a>(&'a HandlerWriter, Halt, Cell<u32>);

    impl Hand for Again<'_> {
        fn set(&self, halt: Halt, now: Mono) -> Option<bool> {
            self.0.halt(halt, now)
        }

        fn keep(&self, halt: Halt, now: Mono) -> Option<bool> {
            self.0.keep(halt, now)
        }

        fn clear(&self, halt: Halt, since: Mono) -> Option<bool> {
            self.2.set(self.2.get() + 1);
            if halt == self.1 {
                self.0.halt(halt, region_clock::now());
            }
            self.0.resume_only(halt, since)
        }
    }

    #[test]
    fn a_halt_between_the_last_look_and_the_store_keeps_all_of_it() {
        let scene = Scene::new("moment");
        let hand = Again(&scene.handler, Halt::Partition(1), Cell::new(0));
        let refused = scene.resume(&hand, &scene.began());
        assert!(refused.contains("again since") && hand.2.get() == 2, "{refused}");
        assert_eq!((scene.halted(), scene.reasons()), ([true, true], vec!["by bob".to_owned()]));
        assert_eq!(scene.resume(&scene.handler, &scene.began()), "");
        assert_eq!((scene.halted(), scene.reasons()), ([false, false], Vec::new()));
    }
}

use std::path::Path;

use candor_core::symbol::Text;
use candor_core::{Decimals, Nanos};
use candor_shm::{Halt, HandlerWriter, LaneWriter, PartitionSpec, RegionSpec, heap};

use super::super::record::Record;
use super::*;
use crate::kept::scene::Folder;

/// The second person: a user of every host, and nobody who halts here.
const SECOND: &str = "nobody";

const NOW: Mono = Mono(5_000_000_000);

/// A venue with a partition, the handler's own thread, and a clerk who comes back from the disk when told to.
struct Scene {
    folder: Folder,
    place: Place,
    handler: HandlerWriter,
    _lanes: Vec<LaneWriter>,
    region: Region,
    errands: Errands,
    clerk: Clerk,
}

impl Scene {
    fn new(name: &str) -> Scene {
        let text = |text: &str| Text::from_wire(text.as_bytes()).unwrap();
        let mut spec = RegionSpec::new(Text::from_wire(b"t").unwrap());
        spec.partitions.push(PartitionSpec {
            venue: Text::from_wire(b"XNAS").unwrap(),
            name: text("1"),
            feed: text("nasdaq-itch50"),
            silence: Nanos::from_secs(3),
            decimals: Decimals(4),
            ..PartitionSpec::spare(0, 8)
        });
        let (handler, lanes, region) = heap(&spec).unwrap();
        let folder = Folder::new(name);
        let place = Place::of(Some(&folder.path(".")), Path::new("/nowhere"));
        let (errands, clerk) = open(&place, handler.switch(), region.clone());
        Scene { folder, place, handler, _lanes: lanes, region, errands, clerk }
    }

    fn halt(&self, reason: &str) -> Pending {
        self.errands.halt((&self.handler, &self.region), ("XNAS", reason), 0, NOW).unwrap()
    }

    fn resume(&self) -> Pending {
        let preopen = |numbers: &[u16]| {
            assert_eq!(numbers, [0]);
            Report { checks: Vec::new() }
        };
        self.errands.resume(&self.region, ("XNAS", SECOND), 0, NOW, preopen).unwrap()
    }

    fn is_halted(&self) -> bool {
        self.region.halted(Halt::Partition(0)).is_some()
    }

    fn reasons(&self) -> Vec<String> {
        self.place.read().unwrap().into_iter().map(|record| record.reason).collect()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path("halted.toml.log")).unwrap_or_default()
    }
}

const TIME: Mono = Mono(NOW.0 + DISK_WITHIN.0);
const BEFORE: Mono = Mono(TIME.0 - 1);

#[test]
fn a_halt_is_in_force_at_once_and_recorded_when_the_disk_answers() {
    let scene = Scene::new("clerk-halt");
    let pending = scene.halt("first");
    assert!(scene.is_halted(), "before anybody has looked at a file");
    assert_eq!(pending.look(NOW), None);
    scene.clerk.finish();
    let answer = pending.look(NOW).unwrap().unwrap();
    assert_eq!((&answer["command"], &answer["target"]), (&json!("halt"), &json!("XNAS")));
    assert_eq!(answer["changed"], true);
    assert!(answer["recorded"].as_str().unwrap().ends_with("halted.toml"), "{answer:?}");
    // The disk hangs.
    let told = clock::wall();
    let pending = scene.halt("second");
    let after = clock::wall();
    assert_eq!(pending.look(BEFORE), None);
    let answer = pending.look(TIME).unwrap().unwrap();
    assert_eq!((&answer["changed"], answer.get("recorded")), (&json!(false), None));
    let why = answer["unrecorded"].as_str().unwrap();
    assert!(why.contains("has not answered in time: it is recorded when it does"), "{why}");
    drop(pending);
    assert_eq!(scene.reasons(), ["first"]);
    scene.clerk.finish();
    let records: Vec<Record> = scene.place.read().unwrap();
    assert_eq!(records[1].reason, "second");
    assert!((told..=after).contains(&records[1].since), "since it was halted");
    assert!(scene.is_halted());
    // It answers, and says no.
    std::fs::write(scene.place.path(), "no record").unwrap();
    let pending = scene.halt("third");
    scene.clerk.finish();
    let answer = pending.look(NOW).unwrap().unwrap();
    assert!(answer["unrecorded"].as_str().unwrap().contains("is not TOML"), "{answer:?}");
    // What nobody can halt is not.
    let halt = |target, reason| {
        scene.errands.halt((&scene.handler, &scene.region), (target, reason), 0, NOW).unwrap_err()
    };
    assert_eq!([halt("XNAS", " ").exit, halt("XBOS", "x").exit], [Exit::Usage; 2]);
}

#[test]
fn a_resume_is_carried_out_in_time_or_never() {
    let scene = Scene::new("clerk-resume");
    scene.halt("first");
    scene.clerk.finish();
    // The disk hangs, and who asked is told, or goes.
    let pending = scene.resume();
    assert_eq!(pending.look(BEFORE), None);
    let failure = pending.look(TIME).unwrap().unwrap_err();
    assert_eq!(failure.exit, Exit::NoGo);
    assert!(failure.message.contains("XNAS stays halted; "), "{failure}");
    assert!(failure.message.contains("its disk has not answered in time; ask again"), "{failure}");
    drop(scene.resume());
    scene.clerk.finish();
    assert_eq!(
        (scene.is_halted(), scene.reasons(), scene.log()),
        (true, vec!["first".into()], String::new())
    );
    // It hung in the middle: the record is as it was.
    let pending = scene.resume();
    *pending.wish.fate() = Fate::Leaves;
    scene.clerk.finish();
    assert_eq!((scene.is_halted(), scene.reasons()), (true, vec!["first".to_owned()]));
    let log = scene.log();
    assert!(
        log.ends_with("XNAS stays halted: who asked for this was told that it stays halted\n"),
        "{log}"
    );
    // In time.
    let pending = scene.resume();
    scene.clerk.finish();
    let answer = pending.look(NOW).unwrap().unwrap();
    assert_eq!((&answer["command"], &answer["target"]), (&json!("resume"), &json!("XNAS")));
    assert_eq!((scene.is_halted(), scene.reasons().len()), (false, 0));
    let pending = scene.resume();
    scene.clerk.finish();
    let failure = pending.look(NOW).unwrap().unwrap_err();
    assert!(failure.message.contains("XNAS is not halted"), "{failure}");
}

/// The resume has begun, waits for the disk, and looks at the record when the second halt is in it.
#[test]
fn a_halt_after_a_resume_was_asked_for_is_not_ended_by_it() {
    let scene = Scene::new("clerk-between");
    scene.halt("first");
    scene.clerk.finish();
    let resume = scene.resume();
    let words = Target::All.words(&scene.region);
    assert!(act::halt(&scene.handler, &words, candor_shm::clock::now()), "beside it");
    let halt = scene.halt("second");
    scene.clerk.finish();
    let failure = resume.look(NOW).unwrap().unwrap_err();
    assert!(failure.message.contains("halted again since this resume began"), "{failure}");
    assert!(halt.look(NOW).unwrap().is_ok());
    assert_eq!((scene.is_halted(), scene.reasons()), (true, vec!["first".into(), "second".into()]));
}

#[test]
fn who_has_taken_a_resume_on_carries_it_out_and_is_waited_for_a_moment() {
    let scene = Scene::new("clerk-claimed");
    scene.halt("first");
    let pending = scene.resume();
    assert!(pending.wish.claim());
    assert_eq!(pending.look(TIME), None);
    let failure = pending.look(NOW + CLAIMED_WITHIN).unwrap().unwrap_err();
    assert_eq!(failure.exit, Exit::Unknown);
    assert!(pending.wish.stands() && !pending.wish.claim(), "once");
}

#[test]
fn what_is_not_there_is_resumed_only_where_it_is_recorded() {
    let scene = Scene::new("clerk-gone");
    let ask = |target| {
        let preopen = |_: &[u16]| Report { checks: Vec::new() };
        let pending = scene.errands.resume(&scene.region, (target, SECOND), 0, NOW, preopen)?;
        scene.clerk.finish();
        pending.look(NOW).unwrap()
    };
    assert_eq!(ask("XNAS/9").unwrap_err().exit, Exit::Usage);
    assert_eq!(ask("").unwrap_err().exit, Exit::Usage);
    let guard = scene.place.lock().unwrap();
    let target = Target::parse("XNAS/9").unwrap();
    guard.add(Record { target, since: 1, by: None, reason: "gone".to_owned() }).unwrap();
    drop(guard);
    ask("XNAS/9").unwrap();
    assert_eq!(scene.reasons().len(), 0);
}

#[test]
fn only_so_many_wait_for_the_disk() {
    let scene = Scene::new("clerk-full");
    let waiting: Vec<Pending> = (0..ROOM).map(|_| scene.halt("again")).collect();
    assert!(waiting.iter().all(|pending| pending.look(NOW).is_none()));
    let answer = scene.halt("one more").look(NOW).unwrap().unwrap();
    let why = answer["unrecorded"].as_str().unwrap();
    assert!(why.contains("its disk does not answer, and 64 others wait for it"), "{why}");
    let failure = scene.resume().look(NOW).unwrap().unwrap_err();
    assert!(failure.message.contains("stays halted"), "{failure}");
    scene.clerk.finish();
    assert!(waiting.iter().all(|pending| pending.look(NOW).is_some()));
}

//! The journal of a handler that lives through a day: what it holds, what it answers, and what a SIGKILL leaves.

use std::path::Path;
use std::process::{Command, Output};

use candor_core::Nanos;
use candor_core::counters::Counter;
use candor_journal::{Item, Reader, Record, check};
use serde_json::Value;

use crate::scene::{QUICK, Scene, eventually, pause};

fn records(folder: &Path) -> Vec<Record> {
    let Ok(reader) = Reader::open(folder) else { return Vec::new() };
    let records = reader.filter_map(|item| match item.unwrap() {
        Item::Record(_, record) => Some(record),
        Item::Broken(fault) => panic!("{fault}"),
        Item::Unfinished { .. } => None,
    });
    records.collect()
}

fn candor(arguments: &[&str], region: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_candor"));
    command.args(arguments).arg("-r").arg(region).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn says(record: &Record, kind: &str, fields: &[(&str, &str)]) -> bool {
    record.kind == kind
        && fields.iter().all(|(name, value)| record.fields.text_of(name) == Some(value))
}

#[test]
fn a_day_is_in_the_journal_and_the_journal_says_what_changed_and_why() {
    let mut scene = Scene::new("journal", true);
    scene.open(&[]);
    let config = scene.configure("mdh1", QUICK);
    let (region, folder) = (scene.path("mdh1"), scene.path("mdh1.journal"));
    let handler = scene.handler("mdh1");
    handler.until_live();
    let has = |what: &str, test: &dyn Fn(&Record) -> bool| {
        eventually(what, || records(&folder).into_iter().find(|record| test(record)))
    };
    let map = has("the first partition's map", &|record| record.kind == "map");
    let partition = map.fields.text_of("partition").unwrap().to_owned();
    // The start, with digests that anybody can take.
    let start = has("the start", &|record| record.kind == "start");
    let digest =
        |path: &Path| candor_journal::Digest::of(&std::fs::read(path).unwrap()).to_string();
    let own = |name: &str| start.fields.text_of(name).unwrap().to_owned();
    assert_eq!(own("binary"), digest(Path::new(env!("CARGO_BIN_EXE_candor"))));
    assert_eq!(own("configuration"), digest(&config));
    assert_eq!(own("layout"), format!("{:016x}", candor_shm::layout_digest()));
    let live = [("partition", partition.as_str()), ("to", "Live")];
    has("the partition is Live", &|record| says(record, "partition", &live));
    let named = has("symbols are Live", &|record| {
        says(record, "symbols", &live) && record.fields.names_of("symbols").count() > 10
    });
    let symbol = named.fields.names_of("symbols").next().unwrap().to_owned();

    // A gap that a retransmit heals.
    let since = candor::clock::display(candor::clock::wall());
    let filled = handler.count(0, Counter::RetransmitFilled);
    scene.tell("skip 1 20");
    eventually("the gap is filled", || {
        (handler.count(0, Counter::RetransmitFilled) >= filled + 20).then_some(())
    });
    let gap = [("partition", partition.as_str()), ("from", "Live"), ("to", "Stale(Gap)")];
    let gap = has("the gap", &|record| says(record, "partition", &gap));
    // What it is next says for how long it was that, by the clocks of the lane.
    let own = |record: &Record| {
        record.number > gap.number
            && record.kind == "partition"
            && record.fields.text_of("partition") == Some(&partition)
    };
    let next = has("its end", &own);
    assert_eq!(next.fields.text_of("from"), Some("Stale(Gap)"));
    let lasted = next.fields.number_of("lasted_ns").unwrap();
    assert_eq!(lasted, next.stamp.mono - gap.stamp.mono);
    has("it is Live again", &|record| own(record) && says(record, "partition", &live));
    let healed = has("its numbers", &|record| {
        says(record, "gap", &[("what", "gap-filled")]) && record.number > gap.number
    });
    assert!(healed.fields.number_of("numbers").unwrap() >= 20);

    // An operator, by way of the handler or not.
    let halted = candor(&["halt", &symbol, "--reason", "a test"], &region);
    assert!(halted.status.success(), "{halted:?}");
    let halt = has("the halt", &|record| says(record, "operator", &[("verb", "halt")]));
    assert_eq!(halt.fields.text_of("reason"), Some("a test"));
    let why = candor(&["why", &symbol, "-o", "json"], &region);
    assert_eq!(why.status.code(), Some(1));
    let behind = json(&why)["journal"].clone();
    let last = behind.as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["number"], &last["kind"]),
        (&Value::from(halt.number), &Value::from("operator"))
    );

    // What changed: the halt is about exactly what went stale of that symbol.
    let changes =
        json(&candor(&["changes", "--since", &since, "--symbol", &symbol, "-o", "json"], &region));
    assert_eq!(changes["changes"][0]["number"], Value::from(halt.number), "{changes}");
    assert_eq!(changes["changes"][0]["overlap_percent"], 100.0);
    let stale: Vec<&str> = changes["stale"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stale| stale["became"].as_str().unwrap())
        .collect();
    assert!(stale.contains(&"Stale(Gap)") && stale.contains(&"Stale(Halted)"), "{stale:?}");
    let resumed = candor(&["resume", &symbol, "--second", "nobody"], &region);
    assert!(resumed.status.success(), "{resumed:?}");
    let resumed = has("the resume", &|record| says(record, "operator", &[("verb", "resume")]));
    assert!(resumed.fields.text_of("said").unwrap().contains("second nobody"));

    // The end, and what the queries say of all of it.
    assert_eq!(handler.process.end(), Some(0));
    let all = records(&folder);
    assert_eq!(all.last().unwrap().kind, "stop");
    let verify = candor(&["journal", "--verify", "-o", "json"], &region);
    assert_eq!(verify.status.code(), Some(0));
    assert_eq!(json(&verify)["journal"]["records"], Value::from(all.len()));
    let of_kind = candor(&["journal", "--kind", "operator", "-o", "json"], &region);
    let lines: Vec<Record> = String::from_utf8(of_kind.stdout)
        .unwrap()
        .lines()
        .map(|line| Record::parse(line.as_bytes()).unwrap())
        .collect();
    assert_eq!(lines, [halt, resumed]);
    assert_eq!(candor(&["journal", "--kind", "nothing"], &region).status.code(), Some(3));
    assert_eq!(candor(&["journal", "--since", "yesterday"], &region).status.code(), Some(64));
    assert_eq!(candor(&["journal"], &scene.path("none")).status.code(), Some(3));
    // Somebody makes it nicer.
    let file = candor_journal::files(&folder).unwrap().remove(0).1;
    let text = std::fs::read_to_string(&file).unwrap().replace("Stale(Gap)", "Stale(Nap)");
    std::fs::write(&file, text).unwrap();
    for arguments in [&["journal", "--verify"][..], &["journal"], &["changes", "--since", "1h"]] {
        let broken = candor(arguments, &region);
        assert_eq!(broken.status.code(), Some(78), "{broken:?}");
        assert!(String::from_utf8_lossy(&broken.stderr).contains(".jsonl:"), "{broken:?}");
    }
}

/// The venue begins another session, and the old primary still sends beside the new: one is followed, the other
/// refused, and both are in the journal by name.
#[test]
fn a_session_that_changes_and_the_publisher_it_leaves_are_in_the_journal() {
    let mut old = Scene::new("old-primary", false);
    old.open(&["--session", "MORNING"]);
    let mut scene = Scene::new("sessions", true);
    scene.lines_of(&old);
    scene.configure("mdh1", QUICK);
    let folder = scene.path("mdh1.journal");
    let handler = scene.handler("mdh1");
    let has = |what: &str, fields: &[(&str, &str)]| {
        let mut all = || records(&folder).into_iter().find(|record| says(record, "venue", fields));
        eventually(what, &mut all)
    };
    let started = has("the session", &[("what", "session-started")]);
    let own = ("partition", started.fields.text_of("partition").unwrap());
    // No line lags for so long: which of two is the newer is known.
    pause(Nanos::from_millis(2_500));
    scene.open(&["--session", "NOON"]);
    let changed = has("the change", &[own, ("what", "session-changed")]);
    assert_eq!(changed.fields.text_of("text"), Some("session MORNING became NOON"));
    let left = has("the old one", &[own, ("what", "old-session")]);
    let text = left.fields.text_of("text").unwrap();
    let named = |line| {
        text == format!("line {line} still carries session MORNING, which was left behind; refused")
    };
    assert!(named("A") || named("B"), "{text}");
    handler.until_live();
    let at = handler.partition(0).numbers.unwrap().0;
    assert_eq!(at.to_string(), "NOON");
    for record in [&changed, &left] {
        // The log is written by another thread than the journal.
        let text = record.fields.text_of("text").unwrap();
        eventually(text, || handler.log().contains(text).then_some(()));
    }
}

#[test]
fn a_handler_that_is_killed_leaves_its_journal_and_the_next_one_goes_on_with_it() {
    let mut scene = Scene::new("journal-kill", true);
    scene.open(&[]);
    scene.configure("mdh1", QUICK);
    let folder = scene.path("mdh1.journal");
    for round in 1..=3u64 {
        let handler = scene.handler("mdh1");
        handler.until_live();
        eventually("that it is Live is recorded", || {
            // Behind the start of this very round, which comes when the program's digest is known.
            let all = records(&folder);
            let mut starts = all.iter().filter(|record| record.kind == "start");
            let start = starts.nth(round as usize - 1)?.number;
            let live = |record: &&Record| says(record, "partition", &[("to", "Live")]);
            all.iter().filter(live).any(|record| record.number > start).then_some(())
        });
        let before = records(&folder);
        // SIGKILL: it gets no word in.
        drop(handler);
        pause(Nanos::from_millis(50));
        let left = records(&folder);
        assert_eq!(left[..before.len()], before);
        assert!(!left.iter().any(|record| record.kind == "stop"));
        let starts = left.iter().filter(|record| record.kind == "start").count() as u64;
        assert_eq!(starts, round);
    }
    let checked = check(Reader::open(&folder).unwrap()).unwrap();
    assert_eq!((checked.faults, checked.first), (0, 1));
}

/// A disk of 128 KiB, gone when dropped.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(path: &Path) -> Option<SmallDisk> {
        std::fs::create_dir_all(path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=128k,mode=755", "none"]).arg(path);
        let output = mount.output().ok()?;
        output.status.success().then(|| SmallDisk(path.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_costs_no_live_symbol_and_is_said_and_the_journal_goes_on_when_there_is_room() {
    let mut scene = Scene::new("journal-full", true);
    let state = scene.path("state");
    let Some(disk) = SmallDisk::mount(&state) else {
        println!("skipped: a full disk under the journal: mounting one needs root");
        return;
    };
    scene.open(&[]);
    let config = scene.configure("mdh1", QUICK);
    let text = std::fs::read_to_string(&config).unwrap();
    let with = format!("name = \"mdh1\"\nstate = \"{}\"", state.display());
    std::fs::write(&config, text.replace("name = \"mdh1\"", &with)).unwrap();
    let handler = scene.handler("mdh1");
    handler.until_live();
    let folder = state.join("journal");
    eventually("the journal is there", || {
        records(&folder).iter().find(|record| record.kind == "symbols").map(|_| ())
    });
    let region = scene.path("mdh1");
    let verify = || candor(&["journal", "--verify"], &region).status.code();
    assert_eq!(verify(), Some(0), "found by the region, in its state folder");
    // Somebody fills the disk, to the last byte.
    let filler = state.join("filler");
    let full = std::fs::write(&filler, vec![b'x'; 1 << 20]);
    assert_eq!(full.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    let stalls = handler.stalls();
    let before = handler.count(0, Counter::RetransmitFilled);
    let mut rounds = 0;
    eventually("the log says so", || {
        rounds += 1;
        scene.tell("skip 1 20");
        eventually("it is live again", || {
            let filled = handler.count(0, Counter::RetransmitFilled) >= before + 20 * rounds;
            (filled && handler.is_live(0)).then_some(())
        });
        assert!(handler.stays_live(1));
        handler.log().contains("the journal is not written").then_some(())
    });
    assert_eq!(handler.stalls(), stalls, "no lane has waited");
    assert_eq!(verify(), Some(0), "what is there is sound");
    std::fs::remove_file(&filler).unwrap();
    let gaps = |record: &Record| says(record, "partition", &[("to", "Stale(Gap)")]);
    eventually("what waited is written", || {
        let written = records(&folder).iter().filter(|record| gaps(record)).count() as u64;
        (written >= rounds && handler.log().contains("the journal is written again")).then_some(())
    });
    assert_eq!(handler.log().matches("alert=\"journal\"").count(), 1, "once");
    assert_eq!(handler.process.end(), Some(0));
    assert_eq!(verify(), Some(0));
    println!(
        "shown: a full disk under the journal: {rounds} gaps healed meanwhile, none missing in it after"
    );
    drop(disk);
}

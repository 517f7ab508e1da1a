//! The desk with its sinks, without partitions that do anything: the region's table, the journal's records, the
//! lines of JSON and a command that is really run.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use candor_core::alert::{Code, Kind};
use candor_core::symbol::Text;
use candor_core::{Line, Mono, Nanos, Venue};
use candor_shm::{AlertsInfo, HandlerWriter, Region, RegionSpec};
use serde_json::Value;

use super::*;
use crate::config::{self, Config};
use crate::journal::Journal;
use crate::stderr::Writer;

struct Scene {
    config: Config,
    desk: Desk,
    handler: HandlerWriter,
    region: Region,
    raiser: Raiser,
    now: Mono,
    folder: PathBuf,
}

impl Scene {
    /// A handler of one partition; `alerts` is its `[alerts]`, in which `FOLDER` is the scene's folder.
    fn new(name: &str, alerts: &str) -> Scene {
        let folder =
            std::env::temp_dir().join(format!("candor-alert-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let alerts = alerts.replace("FOLDER", &folder.display().to_string());
        let text = format!(
            "[handler]\nname = \"h\"\nregion = \"/dev/shm/h\"\n[source]\nkind = \"udp\"\ninterface = \"lo\"\n\
             {alerts}\n[[lane]]\nidle = \"block\"\n[[venue]]\nname = \"XNAS\"\nfeed = \"nasdaq-itch50\"\n\
             [[venue.partition]]\nname = \"1\"\nlane = 0\nlines.A = {{ group = \"239.1.1.1\", port = 1 }}\n"
        );
        let config = config::parse_text(Path::new("c.toml"), &text).expect("a sound configuration");
        let mut spec = RegionSpec::new(Text::from_wire(b"h").expect("short"));
        spec.partitions = config.partitions.iter().map(crate::run::partition_spec).collect();
        let (handler, _, region) = candor_shm::heap(&spec).expect("a sound region");
        let journal = Journal::none();
        let raiser = journal.alerts().clone();
        let sinks = Sinks { journal, lines: None, handler: "h".to_owned() };
        let desk = Desk::new(&config, sinks);
        Scene { config, desk, handler, region, raiser, now: Mono(1_000_000_000), folder }
    }

    /// Lets time pass for the desk, a tenth of a second a look.
    fn pass(&mut self, looks: u32) -> AlertsInfo {
        for _ in 0..looks {
            self.now = self.now + Nanos::from_millis(100);
            self.desk.take(self.now, &self.config);
            self.desk.look(self.now, &self.config, &self.region);
            self.desk.show(&self.config, &mut self.handler);
        }
        self.region.alerts().expect("nobody writes")
    }

    /// Lets time pass, for others too, until this is so.
    fn until(&mut self, what: &str, is: impl Fn(&AlertsInfo, &Path) -> bool) -> AlertsInfo {
        for _ in 0..1_000 {
            let info = self.pass(1);
            if is(&info, &self.folder) {
                return info;
            }
            thread::park_timeout(Duration::from_millis(10));
        }
        panic!("{what} did not come: {:?}", self.pass(1));
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn every_event_is_said_once_and_counted() {
    let mut scene = Scene::new("events", "");
    let venue = Venue::from_wire(b"XNAS").unwrap();
    let events = Code::ALL.into_iter().filter(|code| code.kind() == Kind::Event);
    let events: Vec<Code> = events.filter(|code| *code != Code::AlertsOverflow).collect();
    let about = |code| match code {
        Code::LineNotJoined => About::Line(0, Line::A),
        Code::Interface => About::Interface("eth9".to_owned()),
        Code::NoMap | Code::MapRefused | Code::CalendarEnds => About::Venue(venue),
        Code::UnverifiedPackets => About::Partition(0),
        _ => About::Handler,
    };
    for round in 0..3 {
        for code in &events {
            scene.raiser.raise(*code, about(*code), format!("{code} in words"));
        }
        let info = scene.pass(1);
        assert_eq!(info.active, events.len() as u64, "round {round}");
        for (entry, code) in info.entries.iter().zip(&events) {
            assert_eq!((entry.code, entry.count, entry.over), (*code, round + 1, Mono::NEVER));
            assert_eq!(entry.text, format!("{code} in words"));
        }
    }
    let place = |code: Code| {
        let info = scene.region.alerts().unwrap();
        info.entries.into_iter().find(|entry| entry.code == code).unwrap().place
    };
    assert_eq!(place(Code::LineNotJoined), "line A of XNAS/1");
    assert_eq!(place(Code::Interface), "interface eth9");
    assert_eq!(place(Code::NoMap), "venue XNAS");
    for code in &events {
        scene.raiser.end(*code, about(*code));
    }
    let info = scene.pass(700);
    assert_eq!(info.active, 0, "{:?}", info.entries);
    assert!(info.entries.iter().all(|entry| entry.over != Mono::NEVER), "they are still shown");
}

#[test]
fn what_finds_no_room_on_its_way_is_said() {
    let mut scene = Scene::new("room", "");
    for _ in 0..ROOM + 5 {
        scene.raiser.raise(Code::OtherSenders, About::Handler, "x");
    }
    let info = scene.pass(1);
    let lost = info.entries.iter().find(|entry| entry.code == Code::LogOverflow).unwrap();
    assert_eq!((lost.count, info.active), (5, 2));
}

#[test]
fn a_begin_and_an_over_are_a_line_of_json_each() {
    let mut scene = Scene::new("lines", "");
    let (writer, written) = Writer::into_memory();
    scene.desk.set_lines(writer.lines());
    for _ in 0..5 {
        scene.raiser.raise(Code::NoMap, About::Handler, "there is \"none\"\nat all");
        scene.pass(5);
    }
    scene.raiser.end(Code::NoMap, About::Handler);
    scene.pass(100);
    writer.finish();
    let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [begin, over] = &lines[..] else { panic!("{text}") };
    assert_eq!((&begin["event"], &over["event"]), (&"begin".into(), &"over".into()));
    for line in [begin, over] {
        assert_eq!(line["alert"], "no-map");
        assert_eq!(line["text"], "there is \"none\"\nat all");
        assert_eq!(line["runbook"], "docs/ALERTS.md#no-map");
        assert_eq!((&line["owner"], &line["severity"]), (&"operations".into(), &"page".into()));
    }
    assert_eq!((&begin["count"], &over["count"]), (&1.into(), &5.into()));
}

/// A command of these lines of shell, for the configuration.
fn shell(lines: &str, more: &str) -> String {
    format!("[alerts]\ncommand = [\"/bin/sh\", \"-c\", {lines:?}]\n{more}\n")
}

#[test]
fn a_command_gets_what_is_severe_enough_once_and_its_end() {
    let script = "cat >> FOLDER/out.part; cat FOLDER/out.part > FOLDER/out";
    let mut scene = Scene::new("command", &shell(script, "at_once = 1"));
    scene.raiser.raise(Code::OtherSenders, About::Handler, "no page");
    for _ in 0..10 {
        scene.raiser.raise(Code::NoMap, About::Handler, "none");
    }
    let lines = |folder: &Path| {
        let text = fs::read_to_string(folder.join("out")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect::<Vec<Value>>()
    };
    scene.until("its run", |info, folder| info.commands == 1 && lines(folder).len() == 1);
    scene.raiser.end(Code::NoMap, About::Handler);
    let info = scene
        .until("its second run", |info, folder| info.commands == 2 && lines(folder).len() == 2);
    let got = lines(&scene.folder);
    assert_eq!((&got[0]["event"], &got[1]["event"]), (&"begin".into(), &"over".into()));
    assert!(got.iter().all(|line| line["alert"] == "no-map"), "{got:?}");
    assert_eq!(info.commands_failed, 0);
}

#[test]
fn a_command_that_fails_is_said_once_and_never_by_itself() {
    let script = "echo x >> FOLDER/runs; test -e FOLDER/well";
    let mut scene = Scene::new("fails", &shell(script, "severity = \"notice\""));
    for venue in [b"A", b"B", b"C"] {
        let venue = Venue::from_wire(venue).unwrap();
        scene.raiser.raise(Code::NoMap, About::Venue(venue), "none");
    }
    let info = scene.until("three failures", |info, _| info.commands_failed == 3);
    // Notices are passed on here, and this one is not.
    let of = |info: &AlertsInfo| {
        let found = info.entries.iter().find(|entry| entry.code == Code::AlertCommand);
        found.map(|entry| (entry.count, entry.over == Mono::NEVER, entry.text.clone()))
    };
    let info = if of(&info).is_some_and(|(count, ..)| count == 3) { info } else { scene.pass(3) };
    let (count, runs, text) = of(&info).unwrap();
    assert!(count == 3 && runs && text.contains("exited with 1"), "{info:?}");
    scene.pass(20);
    let runs = || fs::read_to_string(scene.folder.join("runs")).unwrap().lines().count();
    assert_eq!(runs(), 3);
    fs::write(scene.folder.join("well"), "").unwrap();
    scene.raiser.raise(Code::MapRefused, About::Handler, "refused");
    scene.until("the end of it", |info, _| of(info).is_some_and(|(_, runs, _)| !runs));
}

#[test]
fn a_command_that_hangs_is_killed_and_one_that_is_missing_keeps_nobody() {
    let script = "echo $$ >> FOLDER/pids; sleep 1000";
    let mut scene = Scene::new("hangs", &shell(script, "timeout_ms = 200\nat_once = 2"));
    for venue in [b"A", b"B", b"C", b"D"] {
        let venue = Venue::from_wire(venue).unwrap();
        scene.raiser.raise(Code::NoMap, About::Venue(venue), "none");
    }
    let pids = |folder: &Path| {
        let text = fs::read_to_string(folder.join("pids")).unwrap_or_default();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let alive = |pid: &String| Path::new("/proc").join(pid).exists();
    let info = scene.until("all of them are killed", |info, folder| {
        let running = pids(folder).iter().filter(|pid| alive(pid)).count();
        assert!(running <= 2, "never more at once");
        info.commands_failed == 4 && running == 0
    });
    assert_eq!((info.commands, pids(&scene.folder).len()), (0, 4));

    let missing = "[alerts]\ncommand = [\"/no/such/program\"]\n";
    let mut scene = Scene::new("missing", missing);
    scene.raiser.raise(Code::NoMap, About::Handler, "none");
    let info = scene.until("that it is missing is said", |info, _| info.active == 2);
    assert!(info.entries[1].text.contains("/no/such/program can't be started"), "{info:?}");
}

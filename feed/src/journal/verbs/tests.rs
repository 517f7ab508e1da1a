//! What operators did, over a store and a spool of this process, at times of the test's own.

use std::fs;
use std::path::Path;

use candor_journal::{Item, Reader};
use candor_maps::Map;
use candor_maps::calendar::Wall;
use candor_maps::check::Wanted;
use candor_maps::file;

use super::*;
use crate::store::{Accept, Outcome, Request, accept, load};

/// Noon in New York on Monday, 2026-11-23.
const NOON: u64 = 1_795_453_200_000_000_000;
const MINUTE: u64 = 60_000_000_000;

struct Scene {
    folder: PathBuf,
    config: Config,
    store: Store,
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn map(venue: &str, date: &str, symbols: &str) -> Map {
    let text = format!(
        "format = 1\nvenue = \"{venue}\"\ndate = \"{date}\"\nprotocol = \"nasdaq-itch50\"\n\
         [[partition]]\nname = \"1\"\nlines.A = {{ group = \"239.1.1.1\", port = 1 }}\n\
         symbols = [{symbols}]\n"
    );
    let none = &mut |_: &Path| Err(String::new());
    let loaded = file::load(Path::new("m.toml"), &text, &Wanted::default(), none);
    loaded.unwrap_or_else(|problems| panic!("{problems}")).map
}

impl Scene {
    fn new(name: &str) -> Scene {
        let folder =
            std::env::temp_dir().join(format!("candor-verbs-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        for inner in ["state", "store"] {
            fs::create_dir_all(folder.join(inner)).unwrap();
        }
        let text = format!(
            "[handler]\nname = \"h\"\nregion = \"{0}/r\"\nstate = \"{0}/state\"\n[source]\n\
             kind = \"udp\"\ninterface = \"lo\"\n[[lane]]\n[maps]\nstore = \"{0}/store\"\n\
             [[venue]]\nname = \"XNAS\"\nfeed = \"nasdaq-itch50\"\nmap = {{}}\n",
            folder.display()
        );
        let config = crate::config::parse_text(Path::new("c.toml"), &text).unwrap();
        let store = Store::open(&folder.join("store")).unwrap();
        Scene { folder, config, store }
    }

    /// Puts a map in force, as this user and from there; whether it may be.
    fn load(&self, map: Map, (by, from): (&str, &str), wall: u64) -> bool {
        let request = Request {
            venue: None,
            date: map.date,
            bound_ppm: 10_000,
            symbols: &[],
            interfaces: None,
            over_named: true,
            first: true,
            by,
            from,
            now: Wall(wall),
        };
        let places = file::Places::default();
        let loaded = file::Loaded { map, warnings: Vec::new(), places };
        matches!(load(&self.store, loaded, &request).unwrap(), Outcome::Loaded(_))
    }

    fn accept(&self, map: &Map, wall: u64) {
        let said = Accept {
            date: map.date,
            bound_ppm: 10_000,
            symbols: &[],
            name: "martha",
            because: "the venue says so",
            by: "alice",
            now: Wall(wall),
        };
        accept(&self.store, &file::digest_text(map), &said).unwrap();
    }

    /// A handler that looks at these times; what it has recorded of operators.
    fn run(&self, times: &[u64], mut between: impl FnMut(usize)) -> Vec<Fields> {
        let before = self.recorded().len();
        let (journal, ending) = Journal::start(&self.config, TradingDate(20_261_123), None);
        let mut verbs = Verbs::new(&self.config, journal, times[0]);
        for (at, wall) in times.iter().enumerate() {
            verbs.look(*wall);
            between(at);
        }
        drop(verbs);
        ending.wait();
        self.recorded().split_off(before)
    }

    fn recorded(&self) -> Vec<Fields> {
        let Ok(reader) = Reader::open(&self.folder.join("state/journal")) else {
            return Vec::new();
        };
        let records = reader.filter_map(|item| match item.unwrap() {
            Item::Record(_, record) => (record.kind == "operator").then_some(record.fields),
            other => panic!("{other:?}"),
        });
        records.collect()
    }
}

/// Verb, who, what, and whether a start has found it.
fn short(all: &[Fields]) -> Vec<String> {
    let one = |fields: &Fields| {
        let text = |name| fields.text_of(name).unwrap_or("-").to_owned();
        let found = fields.get("found_at_start") == Some(&Value::Flag(true));
        let found = if found { " found" } else { "" };
        format!("{} {} {}{found}", text("verb"), text("by"), text("target"))
    };
    all.iter().map(one).collect()
}

#[test]
fn what_operators_do_is_recorded_once_whether_a_handler_runs_or_not() {
    let scene = Scene::new("once");
    let by_hand =
        |wall, date, symbols| scene.load(map("XNAS", date, symbols), ("bob", "/tmp/m.toml"), wall);
    // Of last week, of yesterday evening, and another venue's.
    assert!(by_hand(NOON - 4 * DAY, "2026-11-19", "\"A\""));
    assert!(by_hand(NOON - DAY / 2, "2026-11-23", "\"A\""));
    assert!(scene.load(map("XLON", "2026-11-23", "\"A\""), ("bob", "x"), NOON));
    let spool = Spool::of(&scene.config);
    let drilled = Fields::new().text("target", "all").text("outcome", "passed");
    spool.say("drill", "carol", drilled.list("maps", ["XNAS@2026-11-23 ab"])).unwrap();
    let all = scene.run(&[NOON, NOON + 1, NOON + 2], |_| {});
    assert_eq!(short(&all), ["drill carol all found", "map load bob XNAS@2026-11-23 found"]);
    assert_eq!(all[0].get("maps"), Some(&Value::List(vec!["XNAS@2026-11-23 ab".to_owned()])));

    // While none runs: a map that is beyond the bound, an answer for it, and then the map; one that was fetched by
    // another user, and one of the handler's own.
    let moved = map("XNAS", "2026-11-24", "\"B\"");
    let digest = file::digest_text(&moved);
    assert!(!scene.load(moved.clone(), ("bob", "/tmp/m.toml"), NOON + MINUTE));
    scene.accept(&moved, NOON + MINUTE);
    assert!(scene.load(moved, ("bob", "/tmp/m.toml"), NOON + 2 * MINUTE));
    let fetched = |by: &str, date| {
        let map = map("XNAS", date, "\"B\"");
        assert!(scene.load(map, (by, "the folder /srv"), NOON + 3 * MINUTE));
    };
    fetched("dave", "2026-11-25");
    fetched(&users::runs().name, "2026-11-27");
    // Ten minutes later; then one more while it runs, and what was done a look before it ends is kept as well.
    let start = NOON + 10 * MINUTE;
    let all = scene.run(&[start, start + 1, start + 2, start + 3], |at| {
        if at == 1 {
            assert!(by_hand(start, "2026-11-30", "\"B\""));
        }
    });
    assert_eq!(
        short(&all),
        [
            "map load bob XNAS@2026-11-24 found",
            "map fetch dave XNAS@2026-11-25 found",
            "map accept alice XNAS@2026-11-24 found",
            "map load bob XNAS@2026-11-30",
        ]
    );
    assert_eq!(all[0].text_of("digest"), Some(digest.as_str()));
    assert_eq!(all[0].text_of("accepted_by"), Some("martha"));
    let [compared] = all[0].names_of("compared").collect::<Vec<_>>()[..] else { panic!() };
    assert!(compared.ends_with("0 moved, 1 dropped, 1 new of 1"), "{compared}");
    assert_eq!(all[2].text_of("because"), Some("the venue says so"));
    assert_eq!(all[2].text_of("digest"), Some(digest.as_str()));
    assert_eq!(scene.run(&[start + MINUTE, start + 2 * MINUTE], |_| {}), [], "nothing twice");
}

#[test]
fn a_look_that_failed_or_a_place_that_is_lost_loses_nothing() {
    let scene = Scene::new("lost");
    let load = |date| {
        assert!(scene.load(map("XNAS", date, "\"A\""), ("bob", "/tmp/m.toml"), NOON));
    };
    load("2026-11-23");
    let (store, away) = (scene.folder.join("store"), scene.folder.join("away"));
    let all = scene.run(&[NOON, NOON + 1, NOON + 2, NOON + 3], |at| match at {
        // As of a file system that is not mounted for a moment.
        0 => fs::rename(&store, &away).unwrap(),
        1 => fs::rename(&away, &store).unwrap(),
        2 => load("2026-11-24"),
        _ => {}
    });
    assert_eq!(short(&all), ["map load bob XNAS@2026-11-23 found", "map load bob XNAS@2026-11-24"]);
    // How far it was followed can't be read: of the last day all, once more.
    fs::write(scene.folder.join("state/h.operators.toml"), "nothing").unwrap();
    let all = scene.run(&[NOON + MINUTE, NOON + 2 * MINUTE], |_| {});
    assert_eq!(all.len(), 2, "{all:?}");
    assert_eq!(scene.run(&[NOON + 3 * MINUTE], |_| {}), []);
}

#[test]
fn what_was_done_long_ago_is_recorded_where_a_handler_had_run_before() {
    let scene = Scene::new("long");
    assert_eq!(scene.run(&[NOON, NOON + 1], |_| {}), []);
    assert!(scene.load(map("XNAS", "2026-11-24", "\"A\""), ("bob", "x"), NOON + DAY));
    let all = scene.run(&[NOON + 20 * DAY, NOON + 20 * DAY + 1], |_| {});
    assert_eq!(short(&all), ["map load bob XNAS@2026-11-24 found"]);
}

#[test]
fn a_line_that_says_nothing_is_recorded_as_it_stands_and_a_file_of_somebody_elses_is_not_read() {
    let scene = Scene::new("lines");
    let path = scene.folder.join("state/h.operators.log");
    fs::write(&path, "nothing\n{\"verb\":\"x\",\"Bad Name\":1}\n{\"verb\":\"y\"}\n{\"ve").unwrap();
    let all = scene.run(&[NOON], |_| {});
    assert_eq!(short(&all), ["unknown - - found", "unknown - - found", "y - - found"]);
    assert_eq!(all[0].text_of("said"), Some("nothing"));
    // Killed before the next look, it does not know that these are written.
    assert_eq!(scene.run(&[NOON + 1], |_| {}).len(), 3);
    fs::remove_file(&path).unwrap();
    let other = scene.folder.join("other");
    fs::write(&other, "{\"verb\":\"z\"}\n").unwrap();
    std::os::unix::fs::symlink(other, &path).unwrap();
    assert_eq!(scene.run(&[NOON + MINUTE], |_| {}), []);
}

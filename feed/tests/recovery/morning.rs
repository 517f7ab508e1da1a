//! The morning of a handler that takes its map from the store, over sockets: what is done shows as done, and a
//! partition that is never heard makes its milestone late.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use candor::config::Partition;
use candor::store::{Outcome, Request, Store, load};
use candor_core::alert::Code;
use candor_core::{Mono, Nanos, TradingDate, Venue};
use candor_maps::calendar::Wall;
use candor_maps::check::Wanted;
use candor_maps::file;
use candor_shm::{Preopen, PreopenVerdict, Region};
use serde_json::Value;

use crate::scene::{Handler, ONE_TEST, PREOPEN, QUICK, Scene, eventually, within_a_day};

/// Deadlines that are past, but in the first minutes of a day, and two that are ahead, but in its last.
const MORNING: &str = "map = { calendar = \"every-day\", at = \"00:00\", timeline = { joins = \"00:01\", \
                       heartbeats = \"00:02\", directory = \"23:58\", crossover = \"23:59\" } }\n";

/// Deadlines that are all past, but in the first minutes of a day.
const LATE: &str = "map = { calendar = \"every-day\", at = \"00:00\", timeline = { joins = \"00:01\", \
                    heartbeats = \"00:01\", directory = \"00:01\", crossover = \"00:01\", preopen = \
                    \"00:01\" } }\n";

fn today() -> TradingDate {
    candor::clock::date(candor::clock::wall(), "America/New_York").unwrap()
}

/// Has the handler of this name take its partitions from a store of its own, which is empty yet. The partitions
/// it had.
fn mapped(scene: &Scene, name: &str, morning: &str) -> Vec<Partition> {
    within_a_day(Nanos::from_secs(125), ONE_TEST + ONE_TEST);
    let path = scene.configure(name, QUICK);
    let config = candor::config::load(&path).unwrap();
    let whole = fs::read_to_string(&path).unwrap();
    let (head, _) = whole.split_once("[[venue.partition]]").unwrap();
    let store = scene.path(&format!("{name}-store"));
    fs::create_dir_all(&store).unwrap();
    // `map` is a key of the venue: before the tables of its partitions and behind nothing else.
    let text = head.replace("\nsilence_ms", &format!("\n{morning}silence_ms"));
    let store_at = store.display();
    fs::write(&path, format!("{text}[maps]\nstore = \"{store_at}\"\n{PREOPEN}")).unwrap();
    config.partitions
}

/// Puts a map of these partitions in force for a date, with these symbols on each and what is added to it.
fn put(
    scene: &Scene,
    name: &str,
    date: TradingDate,
    (partitions, symbols): (&[Partition], &[Vec<String>]),
    more: &str,
) {
    let mut text =
        format!("format = 1\nvenue = \"XNAS\"\ndate = \"{date}\"\nprotocol = \"nasdaq-itch50\"\n");
    for (one, symbols) in partitions.iter().zip(symbols) {
        writeln!(text, "[[partition]]\nname = \"{}\"\nsymbols = {symbols:?}", one.name).unwrap();
        for (line, at) in one.lines() {
            let (group, port) = (at.group, at.port);
            writeln!(text, "lines.{line} = {{ group = \"{group}\", port = {port} }}").unwrap();
        }
        for what in ["retransmit", "snapshot"] {
            let own = one.services.iter().filter(|(service, ..)| *service == what);
            let list: Vec<String> =
                own.map(|(_, scheme, at)| format!("\"{scheme}://{at}\"")).collect();
            writeln!(text, "{what} = [{}]", list.join(", ")).unwrap();
        }
    }
    let none = &mut |_: &Path| Err(String::new());
    let map = file::load(Path::new("m.toml"), &(text + more), &Wanted::default(), none)
        .unwrap_or_else(|problems| panic!("{problems}"));
    let request = Request {
        venue: Venue::from_wire(b"XNAS"),
        date,
        // Few symbols: one that goes would be more than a bound.
        bound_ppm: 1_000_000,
        symbols: &[],
        interfaces: None,
        over_named: true,
        first: true,
        by: "test",
        from: "a test",
        now: Wall(candor::clock::wall()),
    };
    let store = Store::open(&scene.path(&format!("{name}-store"))).unwrap();
    let outcome = load(&store, map, &request).unwrap();
    assert!(matches!(outcome, Outcome::Loaded(_)), "{outcome:?}");
}

/// The symbols of each partition, as a handler without a map learns them.
fn learn(scene: &Scene) -> Vec<Vec<String>> {
    scene.configure("scout", QUICK);
    let scout = scene.handler("scout");
    scout.until_live();
    let names = |index| scout.symbols(index).iter().map(|(_, symbol)| symbol.to_string()).collect();
    (0..2).map(names).collect()
}

/// What `candor timeline` says of each milestone, and its exit code.
fn timeline(scene: &Scene, name: &str) -> (i32, Vec<Value>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_candor"));
    let output =
        command.args(["timeline", "-o", "json", "-r"]).arg(scene.path(name)).output().unwrap();
    let json: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output.status.code().unwrap(), json["milestones"].as_array().unwrap().clone())
}

fn state<'a>(rows: &'a [Value], milestone: &str) -> &'a str {
    rows.iter().find(|row| row["milestone"] == milestone).unwrap()["state"].as_str().unwrap()
}

fn count(rows: &[Value], milestone: &str) -> (u64, u64) {
    let row = rows.iter().find(|row| row["milestone"] == milestone).unwrap();
    (row["done"].as_u64().unwrap(), row["of"].as_u64().unwrap())
}

const DONE: [&str; 2] = ["done", "found done"];

#[test]
fn what_a_handler_does_in_the_morning_shows_as_done_with_its_map_and_date() {
    let mut scene = Scene::new("morning", true);
    scene.open(&[]);
    let symbols = learn(&scene);
    let partitions = mapped(&scene, "mdh1", MORNING);
    put(&scene, "mdh1", today(), (&partitions, &symbols), "");
    let handler = scene.handler("mdh1");
    handler.until_live();
    let rows = eventually("what there is to do is done", || {
        let (_, rows) = timeline(&scene, "mdh1");
        let all = ["map", "joins", "heartbeats", "directory", "crossover"];
        all.iter().all(|one| DONE.contains(&state(&rows, one))).then_some(rows)
    });
    let (code, _) = timeline(&scene, "mdh1");
    assert_eq!(code, 0, "{rows:?}");
    assert_eq!(count(&rows, "joins"), count(&rows, "heartbeats"));
    let lines = count(&rows, "joins").1;
    assert!(lines >= 4, "two lines of two partitions: {lines}");
    assert_eq!(count(&rows, "directory"), (40, 40));
    assert_eq!(count(&rows, "crossover"), (2, 2));
    assert_eq!(state(&rows, "preopen"), "waiting", "nobody has answered go");
    assert_eq!((state(&rows, "open"), state(&rows, "prints")), ("not today", "not today"));
    // The date and the map in force are in the region, and are the store's.
    let venue = handler.region.venues().next().unwrap();
    let in_force = venue.in_force.unwrap();
    let digest: String = in_force.digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(in_force.date, today());
    assert!(scene.path("mdh1-store/maps").join(&digest).is_dir(), "{digest}");
    let status = scene.candor(&["status", "-r", scene.path("mdh1").to_str().unwrap()]);
    assert!(status.contains(&digest[..12]), "{status}");
    // Each is a record, and nothing was late.
    let journal = scene.candor(&["journal", "-r", scene.path("mdh1").to_str().unwrap()]);
    for one in ["map", "joins", "heartbeats", "directory", "crossover"] {
        assert!(journal.contains(&format!("milestone={one}")), "{one}: {journal}");
    }
    assert!(!handler.log().contains("milestone-"), "{}", handler.log());
}

#[test]
fn a_partition_that_is_never_heard_makes_its_milestone_missed_and_that_is_an_alert_once() {
    let mut scene = Scene::new("unheard", true);
    scene.open(&[]);
    let symbols = learn(&scene);
    let more = "[[partition]]\nname = \"9\"\nsymbols = [\"ZUNHEARD\"]\n\
                lines.A = { group = \"239.79.250.250\", port = 19999 }\n";
    let partitions = mapped(&scene, "mdh1", MORNING);
    put(&scene, "mdh1", today(), (&partitions, &symbols), more);
    let handler = scene.handler("mdh1");
    handler.until_live();
    let alert = "alert=\"milestone-missed\"";
    eventually("it is said", || handler.log().contains(alert).then_some(()));
    let (code, rows) = timeline(&scene, "mdh1");
    assert_eq!((code, state(&rows, "heartbeats")), (1, "missed"), "{rows:?}");
    let (heard, of) = count(&rows, "heartbeats");
    assert_eq!(heard + 1, of, "all but the one line: {rows:?}");
    assert_eq!(count(&rows, "directory"), (40, 41));
    assert!(DONE.contains(&state(&rows, "joins")), "it is joined all the same");
    let log = handler.log();
    let said: Vec<&str> = log.lines().filter(|line| line.contains(alert)).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("heartbeats is not done"), "{said:?}");
    let journal = scene.candor(&["journal", "-r", scene.path("mdh1").to_str().unwrap()]);
    assert!(journal.contains("milestone-missed") && journal.contains("heartbeats is not done"));
    let of_one = ["journal", "--kind", "alert", "--partition", "XNAS/9", "-r"];
    let found = scene.candor(&[&of_one[..], &[scene.path("mdh1").to_str().unwrap()]].concat());
    assert!(found.contains("milestone-missed"), "it is about the venue's partitions: {found}");
}

/// The map in force by the region: date and digest in hexadecimal digits.
fn in_force(region: &Region) -> Option<(TradingDate, String)> {
    let one = region.venues().next().unwrap().in_force?;
    Some((one.date, one.digest.iter().map(|byte| format!("{byte:02x}")).collect()))
}

#[test]
fn a_map_that_is_late_is_missed_and_done_after_all_and_no_date_has_anothers_digest() {
    let mut scene = Scene::new("late", true);
    scene.open(&[]);
    let symbols = learn(&scene);
    let partitions = mapped(&scene, "mdh1", MORNING);
    let yesterday =
        candor::clock::date(candor::clock::wall() - 24 * 3_600_000_000_000, "America/New_York");
    put(&scene, "mdh1", yesterday.unwrap(), (&partitions, &symbols), "");
    let handler = scene.handler("mdh1");
    assert_eq!(in_force(&handler.region), None, "the one before's names partitions and no more");
    let missed = "alert=\"milestone-missed\"";
    eventually("the map is missed", || handler.log().contains(missed).then_some(()));
    let (code, rows) = timeline(&scene, "mdh1");
    assert_eq!((code, state(&rows, "map")), (1, "missed"));
    let states = ["joins", "heartbeats"].map(|one| state(&rows, one).to_owned());
    assert_eq!(states, ["missed", "missed"], "of a map that is not here: {rows:?}");
    // Every pair that is ever there, by a reader that looks all the time.
    let stop = Arc::new(AtomicBool::new(false));
    let (region, stopped) = (handler.region.clone(), Arc::clone(&stop));
    let looks = thread::spawn(move || {
        let mut seen = BTreeSet::new();
        while !stopped.load(Ordering::Relaxed) {
            seen.extend(in_force(&region));
        }
        seen
    });
    put(&scene, "mdh1", today(), (&partitions, &symbols), "");
    let first = eventually("today's map is in force", || in_force(&handler.region));
    let (code, rows) = eventually("it is done after all", || {
        let (code, rows) = timeline(&scene, "mdh1");
        (state(&rows, "heartbeats") == "done late").then_some((code, rows))
    });
    assert_eq!((code, state(&rows, "map")), (1, "done late"), "{rows:?}");
    let over = "over=\"milestone-missed\"";
    eventually("that is said", || handler.log().contains(over).then_some(()));
    // Another one at noon: one partition more, and a symbol moved there.
    let mut fewer = symbols.clone();
    let moved = fewer[0].pop().unwrap();
    let more = format!(
        "[[partition]]\nname = \"9\"\nsymbols = [\"{moved}\", \"ZUNHEARD\"]\n\
         lines.A = {{ group = \"239.79.251.251\", port = 19998 }}\n"
    );
    put(&scene, "mdh1", today(), (&partitions, &fewer), &more);
    let second = eventually("the second is in force", || {
        in_force(&handler.region).filter(|found| *found != first)
    });
    stop.store(true, Ordering::Relaxed);
    let seen: Vec<_> = looks.join().unwrap().into_iter().collect();
    let mut expected = vec![first.clone(), second.clone()];
    expected.sort_unstable();
    assert_eq!(seen, expected);
    assert!(expected.iter().all(|(date, _)| *date == today()));
    assert_taken(&scene, &handler, (&first.1, &second.1), &moved);
}

/// Who put the second map in force, what it was before and what moved is in the journal; it is in the log in words;
/// and it is what changed of the symbol that moved.
fn assert_taken(scene: &Scene, handler: &Handler, (first, second): (&str, &str), moved: &str) {
    let region = scene.path("mdh1");
    let journal = |more: &[&str]| -> Vec<Value> {
        let all = [&["journal", "-o", "json", "-r", region.to_str().unwrap()], more].concat();
        let text = scene.candor(&all);
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let own = eventually("the second map is recorded", || {
        let maps = journal(&["--kind", "map"]);
        maps.into_iter().find(|one| one["fields"]["before"] == first)
    });
    let fields = &own["fields"];
    for (field, value) in
        [("digest", second), ("taken", "found"), ("by", "test"), ("from", "a test"), ("added", "9")]
    {
        assert_eq!(fields[field], value, "{field}: {own}");
    }
    assert_eq!((&fields["moved"], &fields["new"]), (&1.into(), &1.into()), "{own}");
    assert_eq!(fields["touched"], serde_json::json!([]), "{own}");
    let start = &journal(&["--kind", "map"])[..];
    let start = start.iter().find(|one| one["fields"]["taken"] == "start").unwrap();
    assert_eq!(start["fields"]["by"], "test", "{start}");
    let named = journal(&["--kind", "moved", "--symbol", moved]);
    assert_eq!(named.len(), 1, "{named:?}");
    assert_eq!(named[0]["fields"]["partition"].as_array().unwrap()[1], "XNAS/9");
    let log = handler.log();
    assert!(log.contains("partition 9 is new") && log.contains("map in force"), "{log}");
    let asked = [
        "changes",
        "--since",
        "1h",
        "--symbol",
        moved,
        "-o",
        "json",
        "-r",
        region.to_str().unwrap(),
    ];
    let ranked = eventually("the symbol is stale, and the map is what changed of it alone", || {
        let answer: Value = serde_json::from_str(&scene.candor(&asked)).unwrap();
        let changes = answer["changes"].as_array().unwrap().clone();
        let map = changes.into_iter().find(|one| one["number"] == own["n"])?;
        (map["went_stale"] == 1).then_some(map)
    });
    assert_eq!((&ranked["about"], &ranked["overlap_percent"]), (&1.into(), &100.0.into()));
}

/// The answer that the handler publishes of its venue, once it has one.
fn answer(handler: &Handler) -> Preopen {
    eventually("the handler has asked", || handler.region.venues().next()?.preopen)
}

#[test]
fn a_handler_asks_for_preopen_by_itself_when_it_is_due() {
    let mut scene = Scene::new("asks", true);
    scene.open(&[]);
    let symbols = learn(&scene);
    let partitions = mapped(&scene, "mdh1", LATE);
    put(&scene, "mdh1", today(), (&partitions, &symbols), "");
    let handler = scene.handler("mdh1");
    handler.until_live();
    let said = answer(&handler);
    assert_eq!((said.verdict, said.date), (PreopenVerdict::Go, today()), "{said:?}");
    assert_eq!((said.fails, said.unknown), (0, 0), "{said:?}");
    assert!(said.holds > 10, "{said:?}");
    eventually("the milestone is done", || {
        DONE.contains(&state(&timeline(&scene, "mdh1").1, "preopen")).then_some(())
    });
    let log = handler.log();
    assert!(log.contains("preopen is go with warnings") && !log.contains("preopen-no-go"), "{log}");
    drop(handler);

    // One partition of the map is never heard.
    let more = "[[partition]]\nname = \"9\"\nsymbols = [\"ZUNHEARD\"]\n\
                lines.A = { group = \"239.79.250.250\", port = 19999 }\n";
    let partitions = mapped(&scene, "mdh2", LATE);
    put(&scene, "mdh2", today(), (&partitions, &symbols), more);
    let handler = scene.handler("mdh2");
    handler.until_live();
    // It is given some time to hear everything.
    let log = eventually("it is no-go", || {
        let log = handler.log();
        log.contains("alert=\"preopen-no-go\"").then_some(log)
    });
    assert!(log.contains("lines XNAS/9 line A: nothing on 239.79.250.250:19999"), "{log}");
    let said = answer(&handler);
    assert_eq!(said.verdict, PreopenVerdict::NoGo, "{said:?}");
    let journal = scene.candor(&["journal", "-r", scene.path("mdh2").to_str().unwrap()]);
    assert!(journal.contains("preopen-no-go") && journal.contains("ZUNHEARD"), "{journal}");
    // Who put its map in force before it started, and what somebody does while it runs.
    let operators = |query: &[&str]| {
        let region = scene.path("mdh2");
        scene.candor(&[query, &["-r", region.to_str().unwrap()]].concat())
    };
    let said = operators(&["journal", "--kind", "operator"]);
    let load = said.lines().find(|line| line.contains("verb=\"map load\"")).expect(&said);
    assert!(load.contains("by=test") && load.contains("found_at_start=true"), "{load}");
    put(&scene, "mdh2", today(), (&partitions, &symbols), "");
    eventually("the second map is said to be loaded", || {
        let changes = operators(&["changes", "--since", "1h"]);
        changes.contains("verb=\"map load\"").then_some(())?;
        operators(&["journal", "--kind", "operator"]).contains("found_at_start=false").then_some(())
    });
}

#[test]
fn a_map_that_can_not_be_followed_is_refused_until_the_one_that_is_here_is_in_force_again() {
    let mut scene = Scene::new("refused", true);
    scene.open(&[]);
    let symbols = learn(&scene);
    let tight = MORNING.replace("\"00:00\",", "\"00:00\", spare_partitions = 0,");
    let partitions = mapped(&scene, "mdh1", &tight);
    put(&scene, "mdh1", today(), (&partitions, &symbols), "");
    let handler = scene.handler("mdh1");
    let first = eventually("today's map is in force", || in_force(&handler.region));
    let refused = || {
        let entries = handler.region.alerts().map(|info| info.entries).unwrap_or_default();
        entries.into_iter().find(|entry| entry.code == Code::MapRefused)
    };
    assert!(refused().is_none());
    let more = "[[partition]]\nname = \"9\"\nsymbols = [\"ZUNHEARD\"]\n\
                lines.A = { group = \"239.79.251.251\", port = 19998 }\n";
    put(&scene, "mdh1", today(), (&partitions, &symbols), more);
    let entry = eventually("it is refused", refused);
    assert!(entry.over == Mono::NEVER && entry.text.contains("no place is left"), "{}", entry.text);
    assert_eq!(in_force(&handler.region), Some(first.clone()), "the one before stays");
    put(&scene, "mdh1", today(), (&partitions, &symbols), "");
    eventually("that is over", || refused().filter(|entry| entry.over != Mono::NEVER));
    assert_eq!(in_force(&handler.region), Some(first));
}

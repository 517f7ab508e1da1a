//! The queries from outside: regions written here, the binary that reads them, its answers in both
//! forms, and its exit codes.

mod counters;
mod follow;
mod timeline;
mod wire;
mod world;

use std::collections::BTreeSet;

use candor_core::alert::Code;
use candor_core::counters::LaneCounter;
use candor_core::symbol::Text;
use candor_core::{
    Line, Loss, LossKind, Mono, Nanos, Origin, Reason, SeqNo, SeqRange, SessionId, Status,
};
use candor_journal::Fields;
use candor_shm::{AlertEntry, AlertsInfo, Endpoint, HaltName, Unmapped};
use serde_json::Value;
use world::{World, live, now};

/// Every query that answers once.
const ONCE: [&[&str]; 11] = [
    &["status"],
    &["partitions"],
    &["stale"],
    &["why", "MSFT"],
    &["get", "MSFT"],
    &["loss"],
    &["counters"],
    &["unmapped"],
    &["timeline"],
    &["alerts", "--all"],
    &["top", "--for", "1"],
];

#[test]
fn a_live_region_answers_zero() {
    let world = World::new();
    for query in ONCE {
        let answer = world.run(query);
        assert_eq!(answer.code(), 0, "{query:?}: {}{}", answer.out(), answer.err());
        assert_eq!(answer.err(), "", "{query:?}");
    }
    let status = world.run(&["status", "-o", "json"]).json();
    assert_eq!(status["handler"]["status"], "Live");
    assert_eq!(status["handler"]["trading_date"], "2026-11-21");
    assert_eq!(status["lanes"][0]["mode"], "native copy");
    assert_eq!(status["lanes"][0]["frames"], 4_711);
    assert_eq!(status["symbols"][0]["symbols"], 4);
    let partitions = world.run(&["partitions", "-o", "json"]).json();
    assert_eq!(partitions["partitions"][0]["expected"], 10);
    assert_eq!(partitions["partitions"][0]["share_live_percent"], 100.0);
    assert_eq!(partitions["partitions"][2]["line_a"], "239.1.1.3:26401");
}

/// The names of a JSON answer's fields, part by part, without their units.
fn fields(answer: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for part in answer.as_object().unwrap().values() {
        let row = part.as_array().map_or(part, |rows| &rows[0]);
        for name in row.as_object().unwrap().keys() {
            let bare = name.strip_suffix("_ns").or_else(|| name.strip_suffix("_percent"));
            names.insert(bare.unwrap_or(name).replace('_', " "));
        }
    }
    names
}

#[test]
fn table_and_json_have_the_same_fields() {
    let mut world = World::new();
    world.publish(0, 1, Status::stale(Reason::SymbolQuarantined), 9);
    world.lane.lane_counter(LaneCounter::Fragments, 1);
    some_losses(&mut world);
    some_unmapped(&mut world);
    timeline::morning(&mut world);
    some_alerts(&mut world);
    let (venue, symbol) = (Text::from_wire(b"XNAS"), Text::from_wire(b"TSLA"));
    let halted = HaltName::Symbol(venue.unwrap(), symbol.unwrap());
    world.handler.halt_names(&[(halted, now())]);
    let partition = || Fields::new().text("partition", "XNAS/1");
    world.record(&[
        ("start", Fields::new()),
        ("partition", partition().text("to", "Live")),
        ("alert", partition().text("what", "a test")),
        ("partition", partition().text("from", "Live").text("to", "Stale(Gap)")),
    ]);
    let recorded = [&["changes", "--since", "1h"][..], &["journal", "--verify"]];
    for query in ONCE.into_iter().chain(recorded) {
        let table = world.run(query).out();
        let json = world.run(&[query, &["-o", "json"]].concat()).json();
        let names = fields(&json);
        assert!(names.len() >= 4, "{query:?}: {names:?}");
        for name in &names {
            let column = table.contains(&name.to_uppercase());
            let row = table.lines().any(|line| line.starts_with(&format!("{name}  ")));
            assert!(column || row, "{query:?}: `{name}` is missing in\n{table}");
        }
        // And no column that JSON lacks.
        for header in table.lines().filter(|line| is_header(line)) {
            for column in header.split("  ").map(str::trim).filter(|column| !column.is_empty()) {
                assert!(
                    names.contains(&column.to_lowercase()),
                    "{query:?}: `{column}` is missing in JSON"
                );
            }
        }
    }
}

#[test]
fn what_is_asked_of_a_journal_is_there_or_not_or_no_question() {
    let world = World::new();
    let hour = &["changes", "--since", "1h"][..];
    assert_eq!(world.run(&["journal"]).code(), 3, "there is none");
    assert_eq!(world.run(hour).code(), 3);
    assert_eq!(world.run(&["why", "MSFT"]).err(), "", "which takes nothing from an answer");
    let partition = || Fields::new().text("partition", "XNAS/1");
    world.record(&[
        ("start", Fields::new()),
        ("partition", partition().text("to", "Live")),
        ("symbols", partition().text("to", "Live").list("symbols", ["MSFT", "AAPL"])),
        ("symbols", Fields::new().text("partition", "IEXG/1").list("symbols", ["AAPL"])),
        ("alert", partition().text("what", "a \u{1b}[31mtest")),
        ("partition", partition().text("from", "Live").text("to", "Stale(Gap)")),
    ]);
    let code = |arguments: &[&str]| world.run(arguments).code();
    let of = |more: &[&str]| code(&[hour, more].concat());
    assert_eq!((of(&[]), of(&["--symbol", "MSFT"]), of(&["--symbol", "XNAS:AAPL"])), (0, 0, 0));
    assert_eq!(of(&["--symbol", "AAPL"]), 64, "of two venues");
    assert_eq!(of(&["--symbol", "NONE"]), 3);
    assert_eq!(of(&["--until", "2h"]), 64, "before its beginning");
    assert_eq!(code(&["changes"]), 64, "since when");
    assert_eq!(code(&["changes", "--since", "0s", "--until", "2099-01-01T00:00:00Z"]), 3);
    assert_eq!(code(&["journal", "--verify", "--kind", "alert"]), 64);
    for partition in ["XNAS/1", "XNAS:1"] {
        assert_eq!(code(&["journal", "--partition", partition, "--symbol", "XNAS:MSFT"]), 0);
    }
    assert_eq!(code(&["journal", "--symbol", "IEXG:MSFT"]), 3);
    let shown = world.run(&["journal", "--kind", "alert"]).out();
    assert!(!shown.contains('\u{1b}') && shown.contains("\\u{1b}"), "{shown}");
    let folder = world.journal().display().to_string();
    let alone = std::process::Command::new(env!("CARGO_BIN_EXE_candor"))
        .args(["journal", "--folder", &folder, "-o", "json"])
        .output()
        .unwrap();
    assert_eq!(alone.stdout.iter().filter(|byte| **byte == b'\n').count(), 7);
    // All that is about it, as it was never Live.
    let why = world.run(&["why", "MSFT", "-o", "json"]).json();
    assert_eq!(why["journal"].as_array().unwrap().len(), 5);
}

fn is_header(line: &str) -> bool {
    line == line.to_uppercase() && line.contains(char::is_alphabetic)
}

fn some_losses(world: &mut World) {
    let loss = Loss {
        kind: LossKind::OneLine,
        range: SeqRange { first: SeqNo(5), end: SeqNo(8) },
        session: SessionId::from_text(*b"20261121A "),
        line: Some(Line::B),
        filled_by: Some(Origin::Line(Line::A)),
        at: now(),
        missing_for: Nanos::from_micros(40),
    };
    world.lane.loss(1, &loss);
    let gap = Loss { kind: LossKind::GapLost, line: None, filled_by: None, ..loss };
    world.lane.loss(0, &gap);
}

fn some_unmapped(world: &mut World) {
    let endpoint = Endpoint { group: [239, 9, 9, 9], port: 30_001 };
    world
        .handler
        .set_unmapped(&[Unmapped { endpoint, packets: 6, bytes: 600, last: now() }], now());
}

/// One that runs, and one that is over.
fn some_alerts(world: &mut World) {
    let entry = |id, code, over| AlertEntry {
        id,
        code,
        sick: 2,
        most: 2,
        of: 2,
        count: 3,
        since: now() - Nanos::from_secs(9),
        last: now() - Nanos::from_secs(8),
        over,
        place: "venue XNAS".to_owned(),
        also: String::new(),
        suspects: "stalled-lane (lane 0) 1 s before".to_owned(),
        text: "all 2 partitions of venue XNAS: nothing".to_owned(),
    };
    let ended = entry(1, Code::OtherSenders, now() - Nanos::from_secs(1));
    let entries = vec![ended, entry(2, Code::PartitionSilent, candor_core::Mono::NEVER)];
    world.handler.set_alerts(&AlertsInfo { entries, active: 1, ..AlertsInfo::default() });
}

#[test]
fn alerts_that_run_exit_1_and_those_that_are_over_are_shown_when_asked_for() {
    let mut world = World::new();
    let none = world.run(&["alerts"]);
    assert_eq!(none.code(), 0, "{}{}", none.out(), none.err());
    // What is stale is another query's: here are those who were told.
    world.partition(1, Status::stale(Reason::Gap));
    assert_eq!(world.run(&["alerts"]).code(), 0);
    some_alerts(&mut world);
    let answer = world.run(&["alerts", "-o", "json"]);
    assert_eq!(answer.code(), 1);
    let rows = answer.json()["alerts"].as_array().unwrap().clone();
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((&row["alert"], &row["owner"]), (&"partition-silent".into(), &"network".into()));
    assert_eq!((&row["where"], &row["stale"]), (&"venue XNAS".into(), &2.into()));
    assert!(row["over_ns"].is_null() && row["also"].is_null() && row["since_ns"].is_number());
    assert_eq!(row["runbook"], "docs/ALERTS.md#partition-silent");
    let all = world.run(&["alerts", "--all", "-o", "json"]).json();
    assert_eq!(all["alerts"].as_array().unwrap().len(), 2);
    assert!(all["alerts"][0]["over_ns"].is_number());
    assert_eq!(world.run(&["status", "-o", "json"]).json()["handler"]["alerts"], 1);
    world.handler.set_alerts(&AlertsInfo::default());
    assert_eq!(world.run(&["alerts"]).code(), 0);
    some_alerts(&mut world);
    world.die();
    assert_eq!(world.run(&["alerts"]).code(), 3);
}

#[test]
fn a_silent_partition_takes_its_symbols_with_it() {
    let mut world = World::new();
    world.lane.lease(1, now() - Nanos::from_secs(2));
    for (query, code) in [
        (&["status"][..], 1),
        (&["partitions"], 1),
        (&["stale"], 1),
        (&["stale", "MSFT"], 0),
        (&["stale", "TSLA"], 1),
        (&["stale", "--reason", "silent"], 1),
        (&["stale", "--reason", "Gap"], 0),
        (&["get", "TSLA"], 1),
        (&["get", "MSFT"], 0),
        (&["why", "TSLA"], 1),
        (&["why", "MSFT"], 0),
        (&["top", "--for", "1"], 1),
    ] {
        let answer = world.run(query);
        assert_eq!(answer.code(), code, "{query:?}: {}{}", answer.out(), answer.err());
    }
    let stale = world.run(&["stale", "-o", "json"]).json();
    let symbols = stale["stale_symbols"].as_array().unwrap();
    assert_eq!(symbols.len(), 1);
    assert_eq!(
        (&symbols[0]["symbol"], &symbols[0]["reason"]),
        (&"XNAS:TSLA".into(), &"Silent".into())
    );
    let since = symbols[0]["since_ns"].as_u64().unwrap();
    assert!((2_000_000_000..60_000_000_000).contains(&since), "since the lease ran out: {since}");
    let why = world.run(&["why", "TSLA", "-o", "json"]).json();
    assert_eq!(why["verdict"]["status"], "Stale(Silent)");
    let chain = why["chain"].as_array().unwrap();
    let broken: Vec<_> = chain.iter().filter(|link| link["holds"] == "no").collect();
    assert_eq!(broken.len(), 1, "{chain:?}");
    assert_eq!(broken[0]["term"], "partition's lease");
    assert_eq!(broken[0]["otherwise"], "Stale(Silent)");
    assert!(broken[0]["evidence"].as_str().unwrap().starts_with("ran out"), "{chain:?}");
}

#[test]
fn each_word_shows_as_the_link_that_broke() {
    let stale = Status::stale;
    let mut world = World::new();
    world.publish(0, 1, stale(Reason::SymbolQuarantined), 9);
    let link = |world: &World| {
        let why = world.run(&["why", "MSFT", "-o", "json"]).json();
        let chain = why["chain"].as_array().unwrap().clone();
        let first = chain.into_iter().find(|link| link["holds"] == "no").unwrap();
        assert!(why["verdict"]["to_do"].as_str().unwrap().len() > 10);
        (
            why["verdict"]["status"].as_str().unwrap().to_owned(),
            first["term"].as_str().unwrap().to_owned(),
        )
    };
    let expect = |status: &str, term: &str| (format!("Stale({status})"), term.to_owned());
    assert_eq!(link(&world), expect("SymbolQuarantined", "symbol's word"));
    world.partition(0, stale(Reason::Gap));
    assert_eq!(link(&world), expect("Gap", "partition's word"));
    world.handler.set_status(stale(Reason::Halted), now());
    assert_eq!(link(&world), expect("Halted", "handler's word"));
    assert_eq!(world.run(&["status"]).code(), 1, "a halted handler is not gone");
    world.die();
    assert_eq!(link(&world).0, "Stale(WriterGone)");
    world.handler.retire(now());
    assert_eq!(link(&world), expect("WriterGone", "region in use"));
}

#[test]
fn a_dead_handlers_region_still_answers_and_says_so() {
    let mut world = World::new();
    world.die();
    for query in ONCE {
        let answer = world.run(query);
        assert_eq!(answer.code(), 3, "{query:?}: {}{}", answer.out(), answer.err());
        assert!(!answer.out().is_empty(), "{query:?}");
        assert!(answer.err().contains("gone"), "{query:?}: {}", answer.err());
    }
    let status = world.run(&["status", "-o", "json"]).json();
    assert_eq!(status["handler"]["status"], "Stale(WriterGone)");
    assert_eq!(status["lanes"][0]["lease_left_ns"], 0);
    assert_eq!(world.run(&["tail"]).code(), 3);
}

/// The price every book here has.
const PRICES: [&str; 4] = ["185.0000", "184.9900", "185.0100", "185.0050"];

#[test]
fn a_stale_price_is_never_shown_without_its_reason() {
    type Spoil = fn(&mut World);
    let reasons: [(Spoil, &str); 4] = [
        (
            |world| world.publish(0, 1, Status::stale(Reason::SymbolQuarantined), 9),
            "SymbolQuarantined",
        ),
        (|world| world.partition(0, Status::stale(Reason::Gap)), "Gap"),
        (|world| world.lane.lease(0, now()), "Silent"),
        (World::die, "WriterGone"),
    ];
    for (spoil, reason) in reasons {
        let mut world = World::new();
        spoil(&mut world);
        let queries: [&[&str]; 3] = [
            &["get", "MSFT"],
            &["get", "MSFT", "--watch", "--count", "1"],
            &["top", "--for", "1", "--symbols", "MSFT"],
        ];
        for query in queries {
            let answer = world.run(query);
            // `top` answers for partitions.
            assert!(answer.code() != 0 || query[0] == "top", "{query:?}");
            let mut shown = 0;
            let out = answer.out();
            for line in out.lines().filter(|line| PRICES.iter().any(|price| line.contains(price))) {
                assert!(line.contains(&format!("Stale({reason})")), "{query:?}: {line}");
                shown += 1;
            }
            assert!(shown > 0, "{query:?}: {out}");
            let json = world.run(&[query, &["-o", "json"]].concat()).out();
            let prices = json.matches("185.0000").count();
            let stale = json.matches(&format!("\"Stale({reason})\"")).count();
            assert!(prices > 0 && stale >= prices, "{query:?}: {json}");
        }
    }
    let world = World::new();
    let live = world.run(&["get", "MSFT"]).out();
    assert!(live.contains("Live") && !live.contains("Stale"), "{live}");
}

#[test]
fn prices_have_exactly_the_venues_decimals_in_both_forms() {
    let world = World::new();
    let json = world.run(&["get", "MSFT", "-o", "json"]).json();
    let quote = &json["quote"][0];
    assert_eq!((&quote["bid"], &quote["ask"]), (&"185.0000".into(), &"185.0100".into()));
    assert_eq!((&quote["bid_size"], &quote["ask_size"]), (&100.into(), &40.into()));
    assert_eq!((&quote["last"], &quote["volume"]), (&"185.0050".into(), &1_000.into()));
    let levels = json["levels"].as_array().unwrap();
    assert_eq!(levels.len(), 2);
    assert_eq!((&levels[1]["bid"], &levels[1]["ask"]), (&"184.9900".into(), &Value::Null));
    assert_eq!(levels[0]["bid_orders"], 2);
}

#[test]
fn symbols_are_found_by_venue_or_refused_with_the_way_out() {
    let world = World::new();
    let ambiguous = world.run(&["get", "AAPL"]);
    assert_eq!(ambiguous.code(), 64);
    let said = ambiguous.err();
    assert!(said.contains("XNAS:AAPL") && said.contains("IEXG:AAPL"), "{said}");
    assert_eq!(world.run(&["get", "IEXG:AAPL"]).code(), 0);
    for unknown in ["NOPE", "XNAS:NOPE", "BATS:AAPL", "IEXG:MSFT"] {
        for query in ["get", "why", "stale"] {
            let answer = world.run(&[query, unknown]);
            assert_eq!(answer.code(), 3, "{query} {unknown}");
            assert_eq!(answer.out(), "");
        }
    }
    assert!(world.run(&["get", "NOPE"]).err().contains("Unmapped"));
    // A program gets the object it always gets, with the reason in it.
    for (query, part) in [("get", "quote"), ("why", "verdict")] {
        let row = |answer: Value| answer[part].get(0).unwrap_or(&answer[part]).clone();
        let names = |row: &Value| row.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let known = row(world.run(&[query, "MSFT", "-o", "json"]).json());
        for unknown in ["NOPE", "BATS:AAPL"] {
            let answer = world.run(&[query, unknown, "-o", "json"]);
            assert_eq!(answer.code(), 3, "{query} {unknown}");
            let row = row(answer.json());
            assert_eq!(names(&row), names(&known), "{query}");
            assert_eq!(
                (&row["symbol"], &row["status"]),
                (&unknown.into(), &"Stale(Unmapped)".into())
            );
            assert!(row["bid"].is_null() && row["since_ns"].is_null());
        }
        let answer = world.run(&[query, "AAPL", "-o", "json"]);
        assert_eq!((answer.code(), answer.out().as_str()), (64, ""), "{query}: of two venues");
    }
    assert_eq!(world.run(&["get", ""]).code(), 64);
    assert_eq!(world.run(&["stale", "AAPL", "-o", "json"]).out(), "", "of two venues");
    assert_eq!(world.run(&["stale", "--reason", "Tired"]).code(), 64);
}

#[test]
fn stale_lists_what_nobody_knows_for_a_program() {
    let mut world = World::new();
    world.publish(0, 1, Status::stale(Reason::SymbolQuarantined), 9);
    let rows = |arguments: &[&str]| {
        let answer = world.run(&[&["stale", "-o", "json"], arguments].concat());
        assert_eq!(answer.code(), 3, "{arguments:?}");
        assert!(answer.err().contains("BATS") || answer.err().contains("Unmapped"));
        answer.json()["stale_symbols"].as_array().unwrap().clone()
    };
    for unknown in ["NOPE", "BATS:AAPL"] {
        let both = rows(&["MSFT", unknown]);
        let names = |row: &Value| row.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&both[0]), names(&both[1]));
        assert_eq!(both[0]["reason"], "SymbolQuarantined", "the others are still told");
        assert_eq!((&both[1]["symbol"], &both[1]["reason"]), (&unknown.into(), &"Unmapped".into()));
        assert!(both[1]["since_ns"].is_null() && both[1]["partition"].is_null());
        assert_eq!(rows(&[unknown, "--reason", "Unmapped"]).len(), 1);
        assert_eq!(rows(&[unknown, "--reason", "Silent"]).len(), 0);
    }
}

#[test]
fn an_answer_that_can_not_be_written_is_none() {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else {
        println!("skipped: an_answer_that_can_not_be_written: no /dev/full");
        return;
    };
    let mut world = World::new();
    let watch: [&[&str]; 2] = [&["get", "MSFT", "--watch", "--count", "1"], &["counters", "1"]];
    for query in ONCE.iter().chain(&watch) {
        for form in [&[][..], &["-o", "json"]] {
            let mut command = world.command(&[query, form].concat());
            let output = command.stdout(full.try_clone().unwrap()).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(71), "{query:?} {form:?}: {said}");
            assert!(said.contains("can't write to standard output: No space left"), "{said}");
        }
    }
    // What was found would have been 3: that it did not arrive is worse.
    world.die();
    let mut command = world.command(&["status"]);
    let output = command.stdout(full.try_clone().unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(71));
    let mut help = std::process::Command::new(env!("CARGO_BIN_EXE_candor"));
    assert_eq!(help.arg("--help").stdout(full).output().unwrap().status.code(), Some(71));
}

#[test]
fn losses_and_unmapped_multicast_are_listed() {
    let mut world = World::new();
    some_losses(&mut world);
    let losses = world.run(&["loss", "-o", "json"]).json();
    let losses = losses["losses"].as_array().unwrap();
    assert_eq!(losses.len(), 2);
    let one = losses.iter().find(|loss| loss["kind"] == "one-line").unwrap();
    assert_eq!((&one["first"], &one["last"], &one["count"]), (&5.into(), &7.into(), &3.into()));
    assert_eq!((&one["line"], &one["filled_by"]), (&"B".into(), &"A".into()));
    assert_eq!((&one["partition"], &one["missing_for_ns"]), (&"XNAS:2".into(), &40_000.into()));
    let gaps = world.run(&["loss", "--gaps", "-o", "json"]).json();
    assert_eq!(gaps["losses"].as_array().unwrap().len(), 1);
    for _ in 0..20 {
        some_losses(&mut world);
    }
    let log = world.run(&["loss", "-o", "json"]).json();
    assert_eq!(log["lanes"][0]["entries"], 42);
    let read = log["losses"].as_array().unwrap().len() as u64;
    assert_eq!(log["lanes"][0]["overwritten"].as_u64().unwrap() + read, 42);
    some_unmapped(&mut world);
    let unmapped = world.run(&["unmapped", "-o", "json"]);
    assert_eq!(unmapped.code(), 1, "multicast that nobody takes is a symptom");
    assert_eq!(unmapped.json()["unmapped"][0]["endpoint"], "239.9.9.9:30001");
    assert!(unmapped.json()["total"]["looked_ns"].as_u64().unwrap() < 5_000_000_000);
    // That nothing came is not known from a table that nobody has read, or not lately.
    for read in [Mono::NEVER, now() - Nanos::from_secs(6)] {
        world.handler.set_unmapped(&[], read);
        let unmapped = world.run(&["unmapped"]);
        assert_eq!(unmapped.code(), 3, "{}", unmapped.out());
        assert!(unmapped.err().contains("nobody has looked lately"), "{}", unmapped.err());
    }
    // What came is.
    let endpoint = Endpoint { group: [239, 9, 9, 9], port: 30_001 };
    let seen = Unmapped { endpoint, packets: 6, bytes: 600, last: now() };
    world.handler.set_unmapped(&[seen], now() - Nanos::from_secs(6));
    assert_eq!(world.run(&["unmapped"]).code(), 1);
}

#[test]
fn what_is_no_region_of_ours_is_refused_by_name() {
    let world = World::new();
    let with = |path: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_candor"));
        world::Answer(command.args(["status", "--region", path]).output().unwrap())
    };
    let missing = with("/nonexistent/region");
    assert_eq!(missing.code(), 3);
    assert!(missing.err().contains("/nonexistent/region"), "{}", missing.err());
    let path = world.path.with_extension("foreign");
    std::fs::write(&path, vec![7; 8_192]).unwrap();
    assert_eq!(with(path.to_str().unwrap()).code(), 78);
    let mut bytes = std::fs::read(&world.path).unwrap();
    bytes[8] = bytes[8].wrapping_add(1);
    std::fs::write(&path, bytes).unwrap();
    let other = with(path.to_str().unwrap());
    assert_eq!(other.code(), 78);
    assert!(other.err().contains("layout"), "{}", other.err());
    std::fs::remove_file(&path).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_candor"));
    assert_eq!(command.arg("status").output().unwrap().status.code(), Some(64));
}

#[test]
fn a_region_of_an_earlier_boot_is_a_handler_that_is_gone() {
    let world = World::new();
    let file = std::fs::OpenOptions::new().write(true).open(&world.path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[7; 16], 0x118).unwrap();
    for query in ONCE.iter().chain(&[&["tail"][..], &["get", "MSFT", "--watch"]]) {
        let answer = world.run(query);
        assert_eq!((answer.code(), answer.out().as_str()), (3, ""), "{query:?}");
        let said = answer.err();
        assert!(said.contains("of an earlier boot") && said.contains("handler is gone"), "{said}");
        assert!(said.contains("start the handler"), "what to do: {said}");
    }
}

#[test]
fn a_region_whose_clock_can_not_be_told_exits_71_and_says_what_to_do() {
    let world = World::new();
    let test = "a_region_whose_clock_can_not_be_told";
    // A mount namespace of its own, in which /proc is empty.
    let inside = |script: &str| {
        let mut command = std::process::Command::new("unshare");
        command.args(["--mount", "sh", "-c", &format!("mount -t tmpfs none /proc && {script}")]);
        command.args(["sh", env!("CARGO_BIN_EXE_candor")]).arg(&world.path);
        command.output()
    };
    if !inside("true").is_ok_and(|output| output.status.success()) {
        println!("skipped: {test}: no mount namespace of its own");
        return;
    }
    let answer = world::Answer(inside("exec \"$1\" status --region \"$2\"").unwrap());
    let said = answer.err();
    assert_eq!((answer.code(), answer.out().as_str()), (71, ""), "{said}");
    assert!(said.contains("boot_id") && said.contains("mount /proc"), "{said}");
}

#[test]
fn the_region_is_found_through_the_configuration() {
    let world = World::new();
    let file = world.path.with_extension("toml");
    let text = format!(
        "[handler]\nname = \"mdh1\"\nregion = \"{}\"\n[source]\nkind = \"udp\"\ninterface = \"lo\"\n\
         [[lane]]\nidle = \"block\"\n[[venue]]\nname = \"XNAS\"\nfeed = \"nasdaq-itch50\"\n\
         [[venue.partition]]\nname = \"1\"\nlane = 0\n\
         lines.A = {{ group = \"239.1.1.1\", port = 26401 }}\n",
        world.path.display()
    );
    std::fs::write(&file, text).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_candor"));
    let output = command.args(["get", "MSFT", "--config"]).arg(&file).output().unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(live().is_live());
}

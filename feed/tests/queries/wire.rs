//! `candor map check --wire`: a map against what the venue has named.

use candor_core::{Reason, Status, SymbolIndex};
use serde_json::Value;

use crate::world::{World, symbol};

/// A map of XNAS with these partitions and lists, beside the region.
fn map(world: &World, partitions: &[(&str, &str)]) -> String {
    let mut text =
        "format = 1\nvenue = \"XNAS\"\ndate = \"2026-11-23\"\nprotocol = \"nasdaq-itch50\"\n"
            .to_owned();
    for (number, (name, symbols)) in partitions.iter().enumerate() {
        let list: Vec<String> = symbols.split(' ').map(|name| format!("\"{name}\"")).collect();
        let list = if symbols.is_empty() { String::new() } else { list.join(", ") };
        text += &format!(
            "[[partition]]\nname = \"{name}\"\nlines.A = {{ group = \"239.1.1.{number}\", port = 1 }}\n"
        );
        if !list.is_empty() {
            text += &format!("symbols = [{list}]\n");
        }
    }
    let path = world.path.with_extension("map");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// The exit code, the counts, and each difference as `kind named mapped symbols examples`.
fn check(world: &World, partitions: &[(&str, &str)]) -> (i32, Value, Vec<String>) {
    let path = map(world, partitions);
    let answer = world.run(&["map", "check", &path, "--wire", "-o", "json"]);
    let table = world.run(&["map", "check", &path, "--wire"]);
    std::fs::remove_file(path).unwrap();
    assert_eq!(answer.code(), table.code(), "{}", table.out());
    let json = answer.json();
    let word = |row: &Value, name: &str| match &row[name] {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let columns = ["kind", "named_on", "mapped_to", "symbols", "examples"];
    let row = |row: &Value| columns.map(|column| word(row, column)).join(" ");
    let rows: Vec<String> = json["differences"].as_array().unwrap().iter().map(row).collect();
    for row in json["differences"].as_array().unwrap() {
        let kind = row["kind"].as_str().unwrap();
        assert!(table.out().lines().any(|line| line.starts_with(kind)), "{}", table.out());
    }
    (answer.code(), json["wire"].clone(), rows)
}

#[test]
fn a_map_that_says_what_the_venue_has_named_is_the_same() {
    let world = World::new();
    let (code, wire, rows) = check(&world, &[("1", "AAPL MSFT"), ("2", "TSLA")]);
    assert_eq!((code, rows.len()), (0, 0), "{wire}");
    assert_eq!((&wire["named"], &wire["unnamed"]), (&3.into(), &0.into()), "IEXG's is not XNAS's");
    // Partitions whose symbols come in band name what they like.
    let (code, _, rows) = check(&world, &[("1", ""), ("2", "")]);
    assert_eq!((code, rows.len()), (0, 0), "{rows:?}");
}

#[test]
fn what_the_wire_says_otherwise_is_said_with_examples() {
    let world = World::new();
    let (code, wire, rows) = check(&world, &[("1", "AAPL TSLA")]);
    assert_eq!(code, 2);
    let wanted = ["elsewhere 2 1 1 TSLA", "lacking 1 - 1 MSFT", "unknown 2 - - -"];
    assert_eq!(rows, wanted);
    let counts = ["named", "elsewhere", "lacking", "unnamed", "twice", "unknown"];
    let counts = counts.map(|count| wire[count].as_u64().unwrap());
    assert_eq!(counts, [3, 1, 1, 0, 0, 1]);
}

#[test]
fn what_nobody_has_named_yet_may_come() {
    let mut world = World::new();
    let right = [("1", "AAPL MSFT NEW"), ("2", "TSLA")];
    let (code, _, rows) = check(&world, &right);
    assert_eq!((code, rows), (1, vec!["unnamed - 1 1 NEW".to_owned()]));
    // Defined by a list, or named in a session that is over: not named.
    world.publish(0, 1, Status::stale(Reason::Unproven), 9);
    let (code, _, rows) = check(&world, &right);
    assert_eq!((code, rows), (1, vec!["unnamed - 1 2 MSFT NEW".to_owned()]));
    // What is stale for another reason was named all the same.
    world.publish(0, 1, Status::stale(Reason::SymbolQuarantined), 9);
    assert_eq!(check(&world, &[("1", "AAPL MSFT"), ("2", "TSLA")]).0, 0);
    world.die();
    assert_eq!(check(&world, &right).0, 3, "of a handler that is gone nobody knows");
    let (code, _, rows) = check(&world, &[("1", "AAPL"), ("2", "TSLA MSFT")]);
    assert_eq!((code, rows), (3, vec!["elsewhere 1 2 1 MSFT".to_owned()]));
}

/// The map in force has TSLA on partition 1 and the venue names it on 2: it is `WrongPartition` at both. The map
/// that has it where it is named is right, and the one in force is not.
#[test]
fn a_symbol_that_is_contested_was_named_where_a_message_has_changed_it() {
    let mut world = World::new();
    let contested = Status::stale(Reason::WrongPartition);
    world.lane.define(0, SymbolIndex(2), &symbol("TSLA"));
    world.publish(0, 2, contested, 0);
    world.publish(1, 0, contested, 7);
    let right = [("1", "AAPL MSFT"), ("2", "TSLA")];
    assert_eq!(check(&world, &right).0, 0);
    let (code, _, rows) = check(&world, &[("1", "AAPL MSFT TSLA"), ("2", "ZZ")]);
    assert_eq!(code, 2);
    assert_eq!(rows, ["elsewhere 2 1 1 TSLA", "unnamed - 2 1 ZZ"]);
    // Named on both, no map is right.
    world.publish(0, 2, contested, 8);
    let (code, _, rows) = check(&world, &right);
    assert_eq!(
        (code, rows),
        (2, ["elsewhere 1 2 1 TSLA", "twice 1 2 - 1 TSLA"].map(str::to_owned).into())
    );
}

/// MSFT was named on partition 1 and has moved to 2 in the middle of the session, by the map in force and by the wire.
#[test]
fn a_symbol_that_has_moved_since_it_was_named_is_held_against_its_new_place_alone() {
    let mut world = World::new();
    let (before, behind) =
        ([("1", "AAPL MSFT"), ("2", "TSLA")], [("1", "AAPL"), ("2", "TSLA MSFT")]);
    world.lane.moved(0, SymbolIndex(1), true);
    world.publish(0, 1, Status::stale(Reason::Unmapped), 9);
    // Given to nobody, it was named all the same.
    let (code, _, rows) = check(&world, &behind);
    assert_eq!((code, rows), (2, vec!["elsewhere 1 2 1 MSFT".to_owned()]));
    // It is there, and not named yet; then it is.
    world.lane.define(1, SymbolIndex(1), &symbol("MSFT"));
    world.publish(1, 1, Status::stale(Reason::Unproven), 0);
    let (code, _, rows) = check(&world, &behind);
    assert_eq!((code, rows), (1, vec!["unnamed - 2 1 MSFT".to_owned()]));
    world.publish(1, 1, Status::stale(Reason::SymbolRecovering), 8);
    let (code, wire, rows) = check(&world, &behind);
    assert_eq!((code, rows.len(), &wire["named"]), (0, 0, &3.into()), "{rows:?}");
    // The map of before is wrong.
    let (code, _, rows) = check(&world, &before);
    assert_eq!((code, rows), (2, vec!["elsewhere 2 1 1 MSFT".to_owned()]));
    // What the old partition brings of after it has left speaks against both.
    world.lane.moved(0, SymbolIndex(1), false);
    for partition in [0, 1] {
        world.publish(partition, 1, Status::stale(Reason::WrongPartition), 10);
    }
    let twice = "twice 1 2 - 1 MSFT".to_owned();
    assert_eq!(check(&world, &behind).2, ["elsewhere 1 2 1 MSFT".to_owned(), twice.clone()]);
    assert_eq!(check(&world, &before).2, ["elsewhere 2 1 1 MSFT".to_owned(), twice]);
}

#[test]
fn a_region_is_named_and_has_the_venue() {
    let world = World::new();
    let path = map(&world, &[("1", "AAPL")]);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("XNAS", "XBOS")).unwrap();
    let answer = world.run(&["map", "check", &path, "--wire"]);
    assert_eq!(answer.code(), 3);
    assert!(answer.err().contains("follows no partition of XBOS"), "{}", answer.err());
    let mut without = std::process::Command::new(env!("CARGO_BIN_EXE_candor"));
    let without = without.args(["map", "check", &path, "--wire"]).output().unwrap();
    assert_eq!(without.status.code(), Some(64));
    let mut unasked = std::process::Command::new(env!("CARGO_BIN_EXE_candor"));
    let unasked = unasked.args(["map", "check", &path, "--region", "r"]).output().unwrap();
    assert_eq!(unasked.status.code(), Some(64), "--region is of no use without --wire");
    std::fs::remove_file(path).unwrap();
}

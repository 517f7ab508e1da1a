//! `counters`: what was refused and why, in both forms.

use candor_core::Reject;
use candor_core::counters::{Counter, Counters, LaneCounter};
use serde_json::Value;

use crate::world::World;

/// XNAS 1 has refused, discarded and skipped; XNAS 2 and IEXG 1 have counted packets alone.
fn rough() -> World {
    let mut world = World::new();
    let mut counters = Counters::new();
    counters.add(Counter::Packets, 5_007);
    counters.add(Counter::Duplicate, 3);
    counters.add(Counter::UnknownType, 2);
    counters.add(Counter::DiscardTooLate, 4);
    counters.add(Counter::DiscardAfterEnd, 5);
    for _ in 0..4_000 {
        counters.reject(Reject::ShortMessage);
    }
    counters.reject(Reject::BadSession);
    world.lane.counters(0, &counters);
    world.lane.lane_counter(LaneCounter::Fragments, 6);
    world.lane.lane_counter(LaneCounter::Malformed, 7);
    world.lane.lane_counter(LaneCounter::RxRingFull, 8);
    world
}

/// A part of the answer as lines `field field .. count`.
fn lines(answer: &Value, part: &str) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
    let names: &[&str] = match part {
        "partitions" => &["venue", "partition", "kind", "counter", "count"],
        "lanes" => &["lane", "counter", "count"],
        _ => &["counter", "count"],
    };
    let line = |row: &Value| names.iter().map(|name| text(&row[*name])).collect::<Vec<_>>();
    answer[part].as_array().unwrap().iter().map(|row| line(row).join(" ")).collect()
}

#[test]
fn counters_by_reason_are_listed_where_they_are_not_zero() {
    let world = rough();
    let answer = world.run(&["counters", "-o", "json"]);
    assert_eq!((answer.code(), answer.err().as_str()), (0, ""));
    let json = answer.json();
    let own = [
        "XNAS 1 count packets 5007",
        "XNAS 1 count duplicate 3",
        "XNAS 1 discard discard_too_late 4",
        "XNAS 1 discard discard_after_end 5",
        "XNAS 1 count unknown_type 2",
        "XNAS 1 reject bad_session 1",
        "XNAS 1 reject short_message 4000",
    ];
    let others = ["XNAS 2 count packets 50", "IEXG 1 count packets 50"];
    assert_eq!(lines(&json, "partitions"), [&own[..], &others].concat());
    assert_eq!(lines(&json, "lanes"), ["0 frames 4711", "0 rx_ring_full 8"]);
    assert_eq!(lines(&json, "program"), ["fragments 6", "malformed 7"]);
    // A person is told the same.
    let table = world.run(&["counters"]).out();
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let told: Vec<String> = table.lines().map(words).collect();
    for part in ["partitions", "lanes", "program"] {
        for line in lines(&json, part) {
            assert!(told.contains(&line), "`{line}` is missing in\n{table}");
        }
    }
    // And where to look is seen without it.
    let partitions = world.run(&["partitions", "-o", "json"]).json();
    let row = &partitions["partitions"][0];
    assert_eq!((&row["rejects"], &row["discards"]), (&4_001.into(), &9.into()));
}

#[test]
fn counters_of_one_partition_and_all_of_them() {
    let world = rough();
    let of = |partitions: &[&str]| {
        let arguments = [&["counters", "-o", "json"], partitions].concat();
        lines(&world.run(&arguments).json(), "partitions")
    };
    assert_eq!(of(&["2"]), ["XNAS 2 count packets 50"]);
    assert_eq!(of(&["IEXG:1"]), ["IEXG 1 count packets 50"]);
    assert_eq!(of(&["1"]).len(), 8, "of both venues");
    assert_eq!(of(&["1", "2", "IEXG:1"]), of(&[]));
    let all = world.run(&["counters", "--all", "-o", "json"]).json();
    let each = Counter::ALL.len() + Reject::ALL.len();
    assert_eq!(all["partitions"].as_array().unwrap().len(), 3 * each);
    let lanes = lines(&all, "lanes").len() + lines(&all, "program").len();
    assert_eq!(lanes, LaneCounter::ALL.len(), "every lane counter once");
    assert!(lines(&all, "partitions").contains(&"IEXG 1 reject short_message 0".to_owned()));
    for unknown in ["9", "BATS:1", "XNAS:", ""] {
        let answer = world.run(&["counters", "1", unknown]);
        assert_eq!((answer.code(), answer.out().as_str()), (3, ""), "{unknown}");
        assert!(answer.err().contains("candor partitions"), "{}", answer.err());
        let answer = world.run(&["counters", "1", unknown, "-o", "json"]);
        assert_eq!(answer.code(), 3);
        assert_eq!(answer.json()["partitions"], serde_json::json!([]));
    }
}

//! Captures of exchanges, where this machine has them.

use std::path::PathBuf;

use crate::make::{Folder, replay};

/// A capture of the shared folder; says that the test is skipped where there is none.
fn capture(test: &str, name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("CANDOR_CAPTURES").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")),
        PathBuf::from,
    );
    let path = folder.join(name);
    if !path.is_file() {
        println!("skipped: {test}: no captures");
        return None;
    }
    Some(path)
}

#[test]
fn an_hour_of_deep() {
    let Some(path) = capture("an_hour_of_deep", "iex/deep-2026-07-13.pcap.zst") else { return };
    let folder = Folder::new();
    let run = replay(&folder, "iex-deep", &[&path], &[]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    let counts = &run.counts;
    assert_eq!(counts["packets"], 150_000);
    assert_eq!(counts["messages"], 203_110);
    assert_eq!(counts["heartbeats"], 2_696);
    let by_type = serde_json::json!({
        "5": 76_025, "8": 74_027, "P": 13_378, "H": 13_021, "O": 13_018, "I": 13_016, "T": 620,
        "D": 3, "S": 2,
    });
    assert_eq!(counts["by_type"], by_type);
    assert_eq!(counts["gaps"], serde_json::json!([]));
    let busiest = counts["busiest"].as_array().unwrap();
    assert_eq!((busiest.len(), &busiest[0]["symbol"]), (10, &"SQQQ".into()));
    assert_eq!(counts["partitions"][0]["lines"]["A"], "233.215.21.4:10378");
    assert_eq!(counts["partitions"][0]["session"], "1353121792");
    assert_eq!(run.books.lines().count(), 1_330);
    assert!(run.books.lines().skip(1).all(|row| row.starts_with("IEXG,") && row.ends_with(',')));
}

#[test]
fn an_hour_of_tops() {
    let Some(path) = capture("an_hour_of_tops", "iex/tops-2026-07-13.pcap.zst") else { return };
    let folder = Folder::new();
    let run = replay(&folder, "iex-tops", &[&path], &[]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert_eq!(run.counts["messages"], 212_153);
    assert_eq!(run.counts["heartbeats"], 2_667);
    assert_eq!(run.counts["by_type"]["Q"], 158_958);
    assert_eq!(run.counts["gaps"], serde_json::json!([]));
    assert!(run.books.lines().skip(1).all(|row| row.split(',').nth(3) == Some("1")));
}

#[test]
fn a_thousand_messages_cut_out_of_a_day() {
    let name = "nasdaq/itch50-2019-12-30-open-1000msgs.bin";
    let Some(path) = capture("a_thousand_messages_cut_out_of_a_day", name) else { return };
    let folder = Folder::new();
    let run = replay(&folder, "nasdaq-itch50", &[&path], &[]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert_eq!(run.counts["messages"], 1_000);
    assert_eq!(run.counts["packets"], 0, "there are none in such a file");
    let counters = &run.counts["partitions"][0]["counters"];
    // References to orders from before the cut: of symbols that some message names, and of others.
    assert_eq!(
        (&counters["unknown_order"], &counters["undefined_instrument"]),
        (&106.into(), &293.into())
    );
    assert_eq!(run.books.lines().count(), 422);
    assert_eq!(run.counts["partitions"][0]["status"], "Recovering");
    // The same file twice is one run of numbers, in which every order is there already.
    let run = replay(&folder, "nasdaq-itch50", &[&path, &path], &[]);
    assert_eq!(run.counts["messages"], 2_000);
    assert_eq!(run.counts["partitions"][0]["expected"], 2_001);
}

//! `candor replay` from outside: captures made here and captures of exchanges, the books and counts
//! they give, and what happens to files that are not what they should be.

mod captures;
mod files;
mod grouping;
mod make;

use make::{
    Folder, Frames, SESSION, add, delete, directory, frame, heartbeat, packet, pcap, replay,
};

/// Two symbols, a few orders: what most tests here replay.
pub(crate) fn messages() -> Vec<Vec<u8>> {
    vec![
        directory(1, "AAPL"),
        directory(2, "MSFT"),
        add(2, "MSFT", 10, b'B', 100, 4_000_000),
        add(1, "AAPL", 11, b'B', 100, 1_850_000),
        add(1, "AAPL", 12, b'B', 50, 1_850_000),
        add(1, "AAPL", 13, b'B', 70, 1_849_900),
        add(1, "AAPL", 14, b'S', 30, 1_850_100),
        add(1, "AAPL", 15, b'S', 10, 1_860_000),
        delete(1, 15),
    ]
}

/// The books they give.
pub(crate) const BOOKS: &str = "\
venue,symbol,side,level,price,size,orders
XNAS,AAPL,bid,1,185.0000,150,2
XNAS,AAPL,bid,2,184.9900,70,1
XNAS,AAPL,ask,1,185.0100,30,1
XNAS,MSFT,bid,1,400.0000,100,1
";

/// The messages one by one, a millisecond apart, to one group and port.
pub(crate) fn frames(group: u8, port: u16) -> Frames {
    let packets = (1u64..)
        .zip(messages())
        .map(|(seq, message)| (seq * 1_000, frame(group, port, &packet(SESSION, seq, &[message]))));
    packets.collect()
}

#[test]
fn books_and_counts_are_what_the_messages_say() {
    let folder = Folder::new();
    let mut frames = frames(1, 26_401);
    frames.push((1_000_000, frame(1, 26_401, &heartbeat(SESSION, 10))));
    let run = replay(&folder, "nasdaq-itch50", &[&folder.file("a.pcap", &pcap(&frames))], &[]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert_eq!(run.books, BOOKS);
    let counts = &run.counts;
    assert_eq!(counts["packets"], 10);
    assert_eq!(counts["messages"], 9);
    assert_eq!(counts["heartbeats"], 1);
    assert_eq!(counts["duplicates"], 0);
    assert_eq!(counts["by_type"], serde_json::json!({ "A": 6, "D": 1, "R": 2 }));
    let busiest = [("AAPL", 7), ("MSFT", 2)]
        .map(|(symbol, messages)| serde_json::json!({ "symbol": symbol, "messages": messages }));
    assert_eq!(counts["busiest"], serde_json::json!(busiest));
    assert_eq!(counts["gaps"], serde_json::json!([]));
    assert_eq!(counts["partitions"][0]["status"], "Live");
    assert_eq!(counts["partitions"][0]["symbols_by_status"], serde_json::json!({ "Live": 2 }));
    assert!(run.stdout().contains("live"), "{}", run.stdout());
    assert_eq!(run.stderr(), "");
}

#[test]
fn what_one_line_lost_the_other_fills() {
    let folder = Folder::new();
    let mut both: Frames = Vec::new();
    for ((at, a), (_, b)) in frames(1, 26_401).into_iter().zip(frames(2, 26_402)) {
        if at != 4_000 {
            both.push((at, a));
        }
        both.push((at + 10, b));
    }
    let run = replay(&folder, "nasdaq-itch50", &[&folder.file("ab.pcap", &pcap(&both))], &[]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert_eq!(run.books, BOOKS);
    assert_eq!(run.counts["messages"], 17);
    assert_eq!(run.counts["applied"], 9);
    assert_eq!(run.counts["duplicates"], 8);
    assert_eq!(run.counts["gaps"], serde_json::json!([]));
    let loss = &run.counts["one_line_losses"];
    assert_eq!(loss.as_array().unwrap().len(), 1, "{loss}");
    assert_eq!(loss[0]["line"], "A");
    assert_eq!((&loss[0]["first"], &loss[0]["last"]), (&4.into(), &4.into()));
    assert_eq!(loss[0]["filled_by"], "B");
    let lines = &run.counts["partitions"][0]["lines"];
    assert_eq!(*lines, serde_json::json!({ "A": "239.0.0.1:26401", "B": "239.0.0.2:26402" }));
}

#[test]
fn gaps_are_filled_or_outlive_or_stay() {
    let folder = Folder::new();
    let mut late = frames(1, 26_401);
    // Number 4 comes half a millisecond late: within the grace of a millisecond.
    late[3].0 = 5_500;
    late.swap(3, 4);
    let run = replay(&folder, "nasdaq-itch50", &[&folder.file("late.pcap", &pcap(&late))], &[]);
    assert_eq!(run.books, BOOKS);
    let gap = &run.counts["gaps"][0];
    assert_eq!((&gap["first"], &gap["last"]), (&4.into(), &4.into()));
    assert_eq!((&gap["state"], &gap["filled_by"]), (&"filled".into(), &"A".into()));
    assert_eq!(gap["missing_for_ns"], 500_000);
    assert_eq!(run.counts["partitions"][0]["counters"]["gaps_outlived"], 0);

    let mut lost = frames(1, 26_401);
    lost.remove(3);
    let run = replay(&folder, "nasdaq-itch50", &[&folder.file("lost.pcap", &pcap(&lost))], &[]);
    assert_eq!(run.code(), 1, "{}", run.stderr());
    let said = run.stderr();
    assert!(said.contains("partition 1 ended Stale(Gap)") && said.contains("number 3"), "{said}");
    let gap = &run.counts["gaps"][0];
    assert_eq!((&gap["first"], &gap["last"]), (&4.into(), &4.into()));
    assert_eq!((&gap["state"], &gap["filled_by"]), (&"outlived".into(), &serde_json::Value::Null));
    assert_eq!(run.counts["partitions"][0]["status"], "Gap");
    assert!(run.stdout().contains("stale: Gap"), "{}", run.stdout());
    assert_eq!(run.counts["partitions"][0]["counters"]["gaps_outlived"], 1);
    assert!(
        run.books.lines().count() == 2,
        "the book as of the last number in sequence: {}",
        run.books
    );
}

#[test]
fn a_start_in_mid_session_still_gives_books() {
    let folder = Folder::new();
    let late = frames(1, 26_401).split_off(2);
    let run = replay(&folder, "nasdaq-itch50", &[&folder.file("mid.pcap", &pcap(&late))], &[]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert_eq!(run.books, BOOKS, "messages that repeat the symbol name it");
    assert_eq!(run.counts["partitions"][0]["status"], "Recovering");
    assert!(run.stdout().contains("stale: Recovering"), "{}", run.stdout());
    let gap = &run.counts["gaps"][0];
    assert_eq!((&gap["first"], &gap["last"]), (&1.into(), &2.into()));
    assert_eq!(gap["state"], "lost");
}

#[test]
fn refused_bytes_and_other_traffic_are_counted_by_reason() {
    let folder = Folder::new();
    let mut all = frames(1, 26_401);
    let mut cut = packet(SESSION, 10, &[delete(1, 14)]);
    cut.truncate(cut.len() - 1);
    all.push((20_000, frame(1, 26_401, &cut)));
    all.push((20_001, frame(1, 26_401, &packet(SESSION, 10, &[b"?what".to_vec(), Vec::new()]))));
    all.push((20_002, frame(9, 53, b"a question of names")));
    all.push((20_003, vec![0xff; 60]));
    let run = replay(&folder, "nasdaq-itch50", &[&folder.file("a.pcap", &pcap(&all))], &[]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    let counts = &run.counts;
    assert_eq!(counts["by_type"]["?"], 1);
    assert_eq!(counts["by_type"]["0x00"], 1);
    assert_eq!(counts["partitions"][0]["counters"]["unknown_type"], 2);
    assert_eq!(counts["rejects"]["truncated_message"], 1);
    assert_eq!(counts["rejects"]["not_ipv4"], 1);
    assert_eq!(counts["rejects"]["short_header"], 1, "too short for a packet of the feed");
    assert_eq!(counts["rejects"]["bad_field"], 0, "all reasons are there");
    assert_eq!(counts["packets"], 11);
    assert_eq!(
        (&counts["frames"], &counts["frames_not_udp"], &counts["frames_other"]),
        (&13.into(), &1.into(), &1.into())
    );
    assert_eq!(counts["other_endpoints"][0]["endpoint"], "239.0.0.9:53");
}

#[test]
fn a_session_that_follows_another_starts_from_nothing() {
    let folder = Folder::new();
    let mut all = frames(1, 26_401);
    let next = b"20261122A ";
    all.push((2_000_000, frame(1, 26_401, &packet(next, 1, &[directory(7, "AAPL")]))));
    all.push((
        2_000_001,
        frame(1, 26_401, &packet(next, 2, &[add(7, "AAPL", 1, b'B', 5, 10_000)])),
    ));
    let run = replay(&folder, "nasdaq-itch50", &[&folder.file("a.pcap", &pcap(&all))], &[]);
    assert_eq!(
        run.books,
        "venue,symbol,side,level,price,size,orders\nXNAS,AAPL,bid,1,1.0000,5,1\n"
    );
    assert_eq!(run.counts["partitions"][0]["session"], "20261122A");
    assert_eq!(run.counts["partitions"][0]["later_sessions"], serde_json::json!(["20261122A"]));
}

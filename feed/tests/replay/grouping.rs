//! Which endpoint is which line of what.

use crate::make::{Folder, Frames, SESSION, add, directory, frame, packet, pcap, replay};
use crate::{BOOKS, frames};

/// Another partition of the same venue and session name: other messages under the same numbers.
fn others(group: u8) -> Frames {
    let messages = [directory(9, "TSLA"), add(9, "TSLA", 900, b'S', 7, 2_500_000)];
    let packets = (1u64..).zip(messages).map(|(seq, message)| {
        (seq * 1_000 + 3, frame(group, 26_401, &packet(SESSION, seq, &[message])))
    });
    packets.collect()
}

fn by_time(captures: &[Frames]) -> Frames {
    let mut all: Frames = captures.concat();
    all.sort_by_key(|(at, _)| *at);
    all
}

#[test]
fn partitions_that_share_a_session_name_are_told_apart_by_their_messages() {
    let folder = Folder::new();
    let shifted = frames(2, 26_402).into_iter().map(|(at, frame)| (at + 5, frame)).collect();
    let capture = by_time(&[frames(1, 26_401), shifted, others(3), others(4)]);
    let run = replay(&folder, "nasdaq-itch50", &[&folder.file("a.pcap", &pcap(&capture))], &[]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    let partitions = run.counts["partitions"].as_array().unwrap();
    assert_eq!(partitions.len(), 2);
    assert_eq!(partitions[0]["lines"]["B"], "239.0.0.2:26402");
    assert_eq!(
        partitions[1]["lines"],
        serde_json::json!({ "A": "239.0.0.3:26401", "B": "239.0.0.4:26401" })
    );
    assert_eq!(partitions[0]["counters"]["lines_differ"], 0);
    assert_eq!(run.books, format!("{BOOKS}XNAS,TSLA,ask,1,250.0000,7,1\n"));
}

#[test]
fn a_line_in_a_file_of_its_own_is_still_a_line() {
    let folder = Folder::new();
    let a = folder.file("a.pcap", &pcap(&frames(1, 26_401)));
    let mut lacking = frames(2, 26_402);
    lacking.remove(5);
    let b = folder.file("b.pcap", &pcap(&lacking));
    for (files, more) in [([&a, &b], &[][..]), ([&b, &a], &["--merge"][..])] {
        let files = files.map(|path| path.as_path());
        let run = replay(&folder, "nasdaq-itch50", &files, more);
        assert_eq!(run.code(), 0, "{}", run.stderr());
        assert_eq!(run.counts["partitions"].as_array().unwrap().len(), 1);
        assert_eq!(run.counts["applied"], 9);
        assert_eq!(run.books, BOOKS);
    }
}

#[test]
fn lines_named_by_hand_are_the_only_ones() {
    let folder = Folder::new();
    let capture = by_time(&[frames(1, 26_401), frames(2, 26_402), others(3)]);
    let file = folder.file("a.pcap", &pcap(&capture));
    let lines = ["--line", "B=239.0.0.1:26401", "--line", "x/A=239.0.0.3:26401"];
    let run = replay(&folder, "nasdaq-itch50", &[&file], &lines);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert_eq!(run.counts["partitions"][0]["lines"], serde_json::json!({ "B": "239.0.0.1:26401" }));
    assert_eq!(run.counts["partitions"][1]["partition"], "x");
    assert_eq!(run.counts["frames_other"], 9);
    assert_eq!(run.counts["other_endpoints"][0]["endpoint"], "239.0.0.2:26402");
}

#[test]
fn a_fourth_line_is_left_aside_and_said() {
    let folder = Folder::new();
    let capture = by_time(&[1, 2, 3, 4].map(|group| frames(group, 26_401)));
    let run = replay(&folder, "nasdaq-itch50", &[&folder.file("a.pcap", &pcap(&capture))], &[]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert_eq!(run.counts["packets"], 27);
    assert_eq!(run.counts["frames_other"], 9);
    assert!(
        run.stdout().contains("not replayed: 9 packets to 239.0.0.4:26401"),
        "{}",
        run.stdout()
    );
}

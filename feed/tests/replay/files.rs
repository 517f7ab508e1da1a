//! Containers, compression, and files that break off.

use std::path::Path;
use std::process::Command;

use crate::make::{Folder, gzip, lengths, pcap, pcap_big, pcapng, replay, start, zstd};
use crate::{BOOKS, frames, messages};

#[test]
fn every_container_and_compression_gives_the_same_books() {
    let folder = Folder::new();
    let frames = frames(1, 26_401);
    let containers = [
        ("pcap", pcap(&frames), 9),
        ("pcap-big-nanos", pcap_big(&frames), 9),
        ("pcapng", pcapng(&frames, false), 9),
        ("pcapng-big", pcapng(&frames, true), 9),
        ("lengths", lengths(&messages()), 0),
    ];
    for (name, plain, packets) in containers {
        let split = plain.len() / 2;
        let parts = |compress: fn(&[u8]) -> Vec<u8>| {
            [compress(&plain[..split]), compress(&plain[split..])].concat()
        };
        let files = [
            ("plain", plain.clone()),
            ("gzip", gzip(&plain)),
            ("zstd", zstd(&plain)),
            ("gzip of two members", parts(gzip)),
            ("zstd of two frames", parts(zstd)),
            (
                "zstd behind a skippable frame",
                [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3], &zstd(&plain)[..]].concat(),
            ),
        ];
        for (compression, bytes) in files {
            // The name says nothing about the content.
            let file = folder.file("capture.dat", &bytes);
            let run = replay(&folder, "nasdaq-itch50", &[&file], &[]);
            assert_eq!(run.code(), 0, "{name}, {compression}: {}", run.stderr());
            assert_eq!(run.books, BOOKS, "{name}, {compression}");
            assert_eq!(run.counts["packets"], packets, "{name}, {compression}");
            assert_eq!(run.counts["messages"], 9, "{name}, {compression}");
            // Without a start of the day's messages a file is a cut, whatever its numbers say.
            let status = if name == "lengths" { "Recovering" } else { "Live" };
            assert_eq!(run.counts["partitions"][0]["status"], status, "{name}, {compression}");
        }
    }
}

#[test]
fn a_file_of_messages_may_end_with_the_venues_end() {
    let folder = Folder::new();
    let whole = [vec![start()], messages()].concat();
    let mut bytes = lengths(&whole);
    let run = replay(&folder, "nasdaq-itch50", &[&folder.file("a.bin", &bytes)], &[]);
    assert_eq!(run.counts["partitions"][0]["status"], "Live");
    bytes.extend([0, 0]);
    let run = replay(&folder, "nasdaq-itch50", &[&folder.file("a.bin", &bytes)], &[]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert_eq!(run.books, BOOKS);
    assert_eq!(run.counts["partitions"][0]["status"], "Ended");
    assert_eq!(run.counts["messages"], 10);
}

#[test]
fn whatever_lies_before_a_cut_is_used() {
    let folder = Folder::new();
    let frames = frames(1, 26_401);
    let whole = pcap(&frames);
    // Into the last packet: eight are whole.
    let last = whole.len() - frames[8].1.len() - 16;
    for (len, offset) in [(whole.len() - 1, last), (last + 5, last), (last + 16, last)] {
        let file = folder.file("cut.pcap", &whole[..len]);
        let run = replay(&folder, "nasdaq-itch50", &[&file], &[]);
        assert_eq!(run.code(), 65);
        let said = run.stderr();
        assert!(said.contains("cut.pcap") && said.contains("truncated"), "{said}");
        assert!(said.contains(&format!("offset {offset}")), "{said}");
        assert_eq!(run.counts["messages"], 8);
        assert_eq!(run.counts["truncated"][0]["offset"], offset);
        assert_eq!(run.books.lines().count(), 6, "the order is not deleted yet: {}", run.books);
    }
    // Exactly between two packets nothing is missing.
    let file = folder.file("cut.pcap", &whole[..last]);
    assert_eq!(replay(&folder, "nasdaq-itch50", &[&file], &[]).code(), 0);

    let whole = lengths(&messages());
    let run = replay(
        &folder,
        "nasdaq-itch50",
        &[&folder.file("cut.bin", &whole[..whole.len() - 3])],
        &[],
    );
    assert_eq!(run.code(), 65);
    assert_eq!(run.counts["messages"], 8);
}

#[test]
fn a_cut_through_compressed_data_costs_no_whole_block() {
    let folder = Folder::new();
    let mut many = Vec::new();
    for turn in 0..4_000u64 {
        let (at, frame) = frames(1, 26_401)[(turn % 9) as usize].clone();
        many.push((turn * 10_000 + at, frame));
    }
    let plain = pcap(&many);
    for compress in [gzip, zstd] {
        let bytes = compress(&plain);
        let file = folder.file("cut.pcap.z", &bytes[..bytes.len() * 3 / 4]);
        let run = replay(&folder, "nasdaq-itch50", &[&file], &[]);
        assert_eq!(run.code(), 65, "{}", run.stderr());
        assert!(run.stderr().contains("truncated"), "{}", run.stderr());
        let frames = run.counts["frames"].as_u64().unwrap();
        assert!(frames > 1_000, "{frames} frames lie before the cut");
    }
}

#[test]
fn no_cut_and_no_flipped_byte_does_more_than_an_exit_code() {
    let folder = Folder::new();
    let frames = frames(1, 26_401);
    for whole in
        [pcap(&frames), pcapng(&frames, false), zstd(&pcap(&frames)), gzip(&lengths(&messages()))]
    {
        for at in (0..whole.len()).step_by(whole.len() / 40 + 1) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0xa5;
            for bytes in [&whole[..at], &flipped] {
                let run = replay(&folder, "nasdaq-itch50", &[&folder.file("x", bytes)], &[]);
                assert!([0, 1, 65].contains(&run.code()), "{at}: {}", run.stderr());
                assert!(!run.stderr().contains("panicked"), "{}", run.stderr());
            }
        }
    }
}

#[test]
fn exit_codes_say_what_was_wrong() {
    let folder = Folder::new();
    let good = folder.file("a.pcap", &pcap(&frames(1, 26_401)));
    let missing = folder.path("nowhere.pcap");
    let run = replay(&folder, "nasdaq-itch50", &[&missing], &[]);
    assert_eq!(run.code(), 64);
    assert!(run.stderr().contains("nowhere.pcap"), "{}", run.stderr());
    assert_eq!(replay(&folder, "nasdaq-itch51", &[&good], &[]).code(), 64);
    assert_eq!(replay(&folder, "nasdaq-itch50", &[], &[]).code(), 64);
    assert_eq!(replay(&folder, "nasdaq-itch50", &[&good], &["--line", "Z=1.2.3.4:5"]).code(), 64);
    let run = replay(&folder, "iex-deep", &[&good], &[]);
    assert_eq!(run.code(), 65, "another feed's capture");
    assert!(run.stderr().contains("iex-deep"), "{}", run.stderr());
    let text = folder.file("a.txt", b"no capture at all");
    assert_eq!(replay(&folder, "nasdaq-itch50", &[&text], &[]).code(), 65);
    assert_eq!(replay(&folder, "nasdaq-itch50", &[&folder.file("empty", b"")], &[]).code(), 65);
    let none = folder.file("none.pcap", &pcap(&Vec::new()));
    let run = replay(&folder, "nasdaq-itch50", &[&none], &[]);
    assert_eq!((run.code(), &run.counts["packets"]), (0, &0.into()), "nothing was captured");
    // Shells complete more than was meant.
    let before = std::fs::read(&good).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_candor"))
        .args(["replay", "--feed", "nasdaq-itch50", "--books"])
        .args([&good, &good])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert_eq!(std::fs::read(&good).unwrap(), before);
}

#[test]
fn one_file_can_not_take_both_outputs() {
    let folder = Folder::new();
    let good = folder.file("a.pcap", &pcap(&frames(1, 26_401)));
    let run = |books: &Path, counts: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_candor"));
        command.args(["replay", "--feed", "nasdaq-itch50"]).arg(&good);
        command.current_dir(good.parent().unwrap());
        command.arg("--books").arg(books).arg("--counts").arg(counts).output().unwrap()
    };
    let there = folder.file("there", b"mine");
    let link = folder.path("link");
    std::fs::hard_link(&there, &link).unwrap();
    let absent = folder.path("absent");
    for (books, counts) in [
        (&*there, &*there),
        (&there, &link),
        (Path::new("there"), &there),
        (&absent, &absent),
        (Path::new("./absent"), &absent),
        (Path::new("absent"), &absent),
        (Path::new("-"), Path::new("-")),
    ] {
        let output = run(books, counts);
        assert_eq!(output.status.code(), Some(64), "{books:?} {counts:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("can't take both"), "{said}");
        assert!(!absent.exists(), "{books:?} {counts:?}");
        assert_eq!(std::fs::read(&there).unwrap(), b"mine");
    }
    let null = Path::new("/dev/null");
    assert_eq!(run(null, null).status.code(), Some(0), "nothing is lost there");
    assert_eq!(run(&absent, &there).status.code(), Some(0));
    assert_eq!(std::fs::read_to_string(&absent).unwrap(), BOOKS);
}

#[test]
fn outputs_that_can_not_be_written_are_an_error() {
    let folder = Folder::new();
    let good = folder.file("a.pcap", &pcap(&frames(1, 26_401)));
    let run = |more: &[&str]| {
        let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else {
            println!("skipped: outputs_that_can_not_be_written: no /dev/full");
            return;
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_candor"));
        command.args(["replay", "--feed", "nasdaq-itch50"]).arg(&good).args(more);
        let output = command.stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(71), "{more:?}: {said}");
        assert!(said.contains("No space left"), "{more:?}: {said}");
    };
    run(&[]);
    run(&["--books", "-"]);
    run(&["--books", "/dev/full"]);
}

#[test]
fn outputs_go_to_standard_output_and_a_reader_may_leave() {
    let folder = Folder::new();
    let good = folder.file("a.pcap", &pcap(&frames(1, 26_401)));
    let run = |pipe: &str| {
        let command = format!(
            "'{}' replay '{}' --feed nasdaq-itch50 --books - {pipe}",
            env!("CARGO_BIN_EXE_candor"),
            good.display()
        );
        Command::new("sh").args(["-c", &command]).output().unwrap()
    };
    assert_eq!(String::from_utf8(run("").stdout).unwrap(), BOOKS);
    let left = run("| true");
    assert_eq!(String::from_utf8(left.stderr).unwrap(), "");
}

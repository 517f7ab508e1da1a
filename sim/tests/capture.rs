//! Captures cut anew: the stream stays, the packets differ.

use std::collections::BTreeMap;
use std::path::PathBuf;

use candor_capture::write::{self, Shape};
use candor_core::{Line, Mono, SeqNo, WireTime};
use candor_decoders::net::{Route, udp_frame};
use candor_decoders::{Format, nasdaq::moldudp64};
use candor_sim::capture::{Capture, CaptureMessage, recut};
use candor_sim::publisher::{Faults, Framing, LineConfig, Packing};

/// The capture of this name; `None`, said aloud, where there are no captures.
fn capture(test: &str, name: &str) -> Option<PathBuf> {
    let folder = match std::env::var_os("CANDOR_CAPTURES") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")),
    };
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {test}: no captures");
    None
}

fn lines(loss_ppm: u32) -> [Option<LineConfig>; 3] {
    let line =
        |packing| Some(LineConfig { packing, faults: Faults { loss_ppm, ..Faults::default() } });
    [line(Packing::A), line(Packing::B), None]
}

/// The messages of each line by number, and how often packets of the lines begin elsewhere.
fn heard(format: Format, packets: &[(Mono, Line, Vec<u8>)]) -> [BTreeMap<u64, Vec<u8>>; 2] {
    let mut heard = [BTreeMap::new(), BTreeMap::new()];
    assert!(packets.is_sorted_by_key(|(due, ..)| *due));
    for (_, line, payload) in packets {
        let packet = format.frame(payload).unwrap();
        for (seq, bytes) in (packet.range.first.0..).zip(packet.messages) {
            assert!(heard[line.index()].insert(seq, bytes.to_vec()).is_none());
        }
    }
    heard
}

#[test]
fn iex_captures_cut_anew_keep_every_message() {
    for (name, format, count) in [
        ("iex/deep-2026-07-13.pcap.zst", Format::IexDeep, 203_110),
        ("iex/tops-2026-07-13.pcap.zst", Format::IexTops, 212_153),
    ] {
        let Some(path) = capture("iex_captures_cut_anew_keep_every_message", name) else { return };
        let mut capture = Capture::open(path, format).unwrap();
        let messages: Vec<CaptureMessage> = capture.by_ref().map(Result::unwrap).collect();
        assert_eq!(messages.len(), count);
        assert_eq!(messages.last().map(|message| message.seq), Some(SeqNo(count as u64)));
        let counts = capture.counts();
        assert_eq!((counts.frames, counts.foreign, counts.again), (150_000, 0, 0));
        let framing = capture.framing().unwrap();

        let packets = recut(&messages, framing, lines(0), 1);
        let [a, b] = heard(format, &packets);
        let stream: BTreeMap<u64, Vec<u8>> =
            messages.iter().map(|message| (message.seq.0, message.bytes.clone())).collect();
        assert!(a == stream && b == stream);
        let per_line = |line| packets.iter().filter(|(_, of, _)| *of == line).count();
        assert_ne!(per_line(Line::A), per_line(Line::B));

        // Each line loses its own packets; together they miss what both lost, and hold no lie.
        let packets = recut(&messages, framing, lines(50_000), 2);
        let [a, b] = heard(format, &packets);
        assert!(a.len() < count && b.len() < count);
        assert!(a.iter().chain(&b).all(|(seq, bytes)| stream.get(seq) == Some(bytes)));
        let both_miss = stream.keys().filter(|s| !a.contains_key(s) && !b.contains_key(s)).count();
        assert!((1..count / 100).contains(&both_miss), "{both_miss}");
        assert_eq!(packets, recut(&messages, framing, lines(50_000), 2));
    }
}

const SESSION: [u8; 10] = *b"CAPTURED01";

/// A pcap file of two lines with a hole at number 4, foreign frames, and another session behind.
fn pcap(nanos: bool) -> Vec<u8> {
    let mut frames = Vec::new();
    let unit = if nanos { 1 } else { 1_000 };
    let mut frame = |fraction: u64, session: [u8; 10], first: u64, count: u64, line: u8| {
        let mut payload = [0; 512];
        let mut writer = moldudp64::Writer::new(&mut payload, session, SeqNo(first)).unwrap();
        (first..first + count).for_each(|seq| writer.push(&seq.to_be_bytes()).unwrap());
        let route = Route {
            source_mac: [2; 6],
            source: [10, 0, 0, 1],
            group: [239, 1, 1, line],
            source_port: 1,
            port: 2,
            vlans: [None, None],
        };
        let mut buffer = [0; 1_024];
        let frame = udp_frame(&mut buffer, &route, writer.finish()).unwrap();
        frames.push((100_000_000_000 + fraction * unit, frame.to_vec()));
    };
    frame(1, SESSION, 1, 2, 1);
    frame(2, SESSION, 1, 1, 2);
    frame(3, SESSION, 2, 2, 2);
    frame(4, SESSION, 4, 0, 1);
    frame(5, *b"ANOTHER001", 1, 9, 1);
    frame(6, SESSION, 5, 1, 1);
    frames.push((100_000_000_000 + 7 * unit, b"odd".to_vec()));
    write::pcap(&frames, Shape { big_endian: false, nanos })
}

#[test]
fn two_lines_of_a_capture_are_one_stream_and_its_holes_stay() {
    for (nanos, unit) in [(true, 1), (false, 1_000)] {
        let file = std::io::Cursor::new(pcap(nanos));
        let mut capture = Capture::read(file, Format::NasdaqItch50).unwrap();
        let messages: Vec<CaptureMessage> = capture.by_ref().map(Result::unwrap).collect();
        let found: Vec<(u64, u64)> =
            messages.iter().map(|m| (m.seq.0, m.at.0 - 100_000_000_000)).collect();
        assert_eq!(found, [(1, unit), (2, unit), (3, 3 * unit), (5, 6 * unit)]);
        assert!(messages.iter().all(|m| m.bytes == m.seq.0.to_be_bytes()));
        assert!(messages.iter().all(|m| m.wire == WireTime(m.at.0)));
        let counts = capture.counts();
        assert_eq!((counts.frames, counts.foreign), (7, 1));
        assert_eq!((counts.again, counts.other_session), (2, 9));
        assert_eq!(capture.framing(), Some(Framing::MoldUdp64(SESSION)));
        let packets = recut(&messages, Framing::MoldUdp64(SESSION), lines(0), 1);
        for line in heard(Format::NasdaqItch50, &packets) {
            assert_eq!(line.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 5]);
        }
    }
}

#[test]
fn what_is_no_capture_or_breaks_off_is_an_error_in_words() {
    let read = |bytes: Vec<u8>| Capture::read(std::io::Cursor::new(bytes), Format::NasdaqItch50);
    assert!(read(Vec::new()).is_err());
    assert!(read(vec![7; 4_096]).is_err());
    let whole = pcap(true);
    let mut broken = 0;
    for cut in 24..whole.len() {
        let messages = read(whole[..cut].to_vec()).unwrap();
        // It ends, with or without an error, and gives nothing that isn't there.
        let found: Vec<_> = messages.take(100).collect();
        broken += usize::from(found.iter().any(Result::is_err));
        assert!(found.len() <= 5);
    }
    assert!(broken > whole.len() / 2, "{broken}");
}

#[test]
fn gzip_is_told_by_its_first_bytes() {
    let path = std::env::temp_dir().join(format!("candor-sim-{}.pcap.gz", std::process::id()));
    std::fs::write(&path, write::gzip(&pcap(true))).unwrap();
    let capture = Capture::open(&path, Format::NasdaqItch50).unwrap();
    assert_eq!(capture.map(Result::unwrap).count(), 4);
    std::fs::remove_file(path).unwrap();
}

//! Files of every kind, whole, cut off and broken.

use std::io::Cursor;

use candor_capture::write::{self, Section, Shape, Stamped, gzip, lengths, zstd};
use candor_capture::{Broken, Capture, Item, Kind, Link, OpenError};

const BEGIN: u64 = 1_784_000_000_123_456_000;

fn frames(count: u64) -> Vec<Stamped> {
    (0..count).map(|n| (BEGIN + n * 1_000, vec![n as u8; 60 + n as usize % 7])).collect()
}

fn open(bytes: &[u8]) -> Result<Capture, OpenError> {
    Capture::read(Cursor::new(bytes.to_vec()))
}

/// Everything a capture gives, and how it ends.
fn all(capture: &mut Capture) -> (Vec<Stamped>, Option<Broken>) {
    let mut found = Vec::new();
    loop {
        match capture.advance() {
            Ok(None) => return (found, None),
            Err(broken) => {
                assert_eq!(capture.item(), None);
                assert_eq!(capture.advance(), Ok(None), "nothing follows an error");
                return (found, Some(broken));
            }
            Ok(Some(time)) => match capture.item().unwrap() {
                Item::Frame(frame) => {
                    assert_eq!((frame.at, frame.cut), (time, false));
                    found.push((time, frame.bytes.to_vec()));
                }
                Item::Message { at, bytes } => {
                    assert_eq!(at, time);
                    found.push((at, bytes.to_vec()));
                }
                Item::EndOfMessages => found.push((time, b"end".to_vec())),
            },
        }
    }
}

fn whole(bytes: &[u8]) -> Vec<Stamped> {
    let (found, broken) = all(&mut open(bytes).unwrap());
    assert_eq!(broken, None);
    found
}

/// A message of its type's length at this time of day.
fn message(at: u64) -> Vec<u8> {
    [&b"S\0\0\0\0"[..], &at.to_be_bytes()[2..], b"O"].concat()
}

#[test]
fn every_kind_under_every_compression_gives_its_frames_with_their_times() {
    let frames = frames(20);
    let mut files = Vec::new();
    for big_endian in [false, true] {
        for nanos in [false, true] {
            files.push((Kind::Pcap, write::pcap(&frames, Shape { big_endian, nanos })));
        }
        for strangers in [false, true] {
            for offset in [0, 1_700_000_000] {
                for resolution in [6, 9, 10] {
                    let section = Section { big_endian, resolution, offset, strangers };
                    files.push((Kind::PcapNg, write::pcapng(&frames, section)));
                }
            }
        }
    }
    for (kind, plain) in files {
        let (one, two) = plain.split_at(plain.len() / 3);
        let skipped = [0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        for bytes in [
            plain.clone(),
            gzip(&plain),
            zstd(&plain),
            [gzip(one), gzip(two)].concat(),
            [skipped.to_vec(), zstd(one), skipped.to_vec(), zstd(two)].concat(),
        ] {
            assert_eq!(open(&bytes).unwrap().kind(), kind);
            assert!(whole(&bytes) == frames, "{kind:?}");
        }
    }
}

#[test]
fn sections_of_either_byte_order_follow_each_other() {
    let frames = frames(6);
    let big = Section { big_endian: true, resolution: 6, ..Section::PLAIN };
    let file = [
        write::pcapng(&frames[..2], Section::PLAIN),
        write::pcapng(&frames[2..4], big),
        write::pcapng(&frames[4..], Section::PLAIN),
    ];
    assert_eq!(whole(&file.concat()), frames);
}

#[test]
fn resolutions_that_are_powers_of_two_are_read() {
    // Units of 1/512 s, and times that are whole ones.
    let section = Section { resolution: 0x80 | 9, ..Section::PLAIN };
    let frames = vec![(1_500_000_000, vec![1; 60]), (2_001_953_125, vec![2; 60])];
    assert_eq!(whole(&write::pcapng(&frames, section)), frames);
}

/// A block of pcapng in either order.
fn block(big: bool, kind: u32, words: &[u32], data: &[u8]) -> Vec<u8> {
    let word = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    let mut body: Vec<u8> = words.iter().flat_map(|n| word(*n)).collect();
    body.extend(data);
    body.resize(body.len().next_multiple_of(4), 0);
    let len = word(body.len() as u32 + 12);
    [&word(kind)[..], &len, &body, &len].concat()
}

#[test]
fn old_and_simple_packets_are_read() {
    for big in [false, true] {
        let mut file = write::pcapng(&[], Section { big_endian: big, ..Section::PLAIN });
        // Interface 0 with three drops, by 16 bits each.
        let ids = if big { 3 } else { 3 << 16 };
        file.extend(block(big, 2, &[ids, 1, 5, 4, 9], b"four"));
        file.extend(block(big, 3, &[2], b"xy"));
        let mut capture = open(&file).unwrap();
        let mut found = Vec::new();
        while let Some(at) = capture.advance().unwrap() {
            let Some(Item::Frame(frame)) = capture.item() else { panic!("only frames") };
            found.push((at, frame.bytes.to_vec(), frame.cut));
        }
        // A simple packet has no time of its own.
        let at = (1 << 32) + 5;
        assert_eq!(found, [(at, b"four".to_vec(), true), (at, b"xy".to_vec(), false)]);
    }
}

#[test]
fn messages_come_with_their_times_and_the_venues_end() {
    let times = [5, 7, 6];
    let messages: Vec<Vec<u8>> = times.iter().map(|at| message(*at)).collect();
    let stamped: Vec<Stamped> = times.into_iter().zip(messages.clone()).collect();
    let mut file = lengths(&messages);
    assert_eq!(open(&file).unwrap().kind(), Kind::Messages);
    assert_eq!(whole(&file), stamped);
    file.extend([0, 0]);
    assert_eq!(whole(&file)[3..], [(6, b"end".to_vec())]);
    // With something behind it, a length of zero is a message like any other.
    file.extend(lengths(&[message(9)]));
    assert_eq!(whole(&file)[3..], [(6, Vec::new()), (9, message(9))]);
    assert_eq!(whole(&[0, 0]), [(0, b"end".to_vec())]);
}

#[test]
fn whatever_lies_before_a_cut_is_given_and_the_cut_is_named() {
    let frames = frames(5);
    let messages: Vec<Vec<u8>> = (1..6).map(message).collect();
    let pcap = |n: usize| write::pcap(&frames[..n], Shape::PLAIN);
    let pcapng = |n: usize| write::pcapng(&frames[..n], Section::PLAIN);
    let bare = |n: usize| lengths(&messages[..n]);
    let kinds: [&dyn Fn(usize) -> Vec<u8>; 3] = [&pcap, &pcapng, &bare];
    for prefix in kinds {
        let file = prefix(5);
        let starts: Vec<usize> = (0..=5).map(|n| prefix(n).len()).collect();
        for cut in starts[0].max(14)..file.len() {
            let (found, broken) = all(&mut open(&file[..cut]).unwrap());
            let complete = starts.iter().filter(|start| **start <= cut).count() - 1;
            assert_eq!(found.len(), complete);
            let offset = broken.map(|broken| {
                assert!(broken.what.starts_with("cut off: "), "{broken}");
                broken.offset as usize
            });
            assert_eq!(offset, (starts[complete] < cut).then_some(starts[complete]));
        }
    }
}

#[test]
fn a_cut_through_compressed_data_costs_no_whole_block() {
    let frames = frames(4_000);
    let plain = write::pcap(&frames, Shape::PLAIN);
    for (name, bytes) in [("gzip", gzip(&plain)), ("zstd", zstd(&plain))] {
        let (found, broken) = all(&mut open(&bytes[..bytes.len() * 3 / 4]).unwrap());
        assert!(found.len() > 1_000, "{name}: {} frames lie before the cut", found.len());
        assert_eq!(found, frames[..found.len()], "{name}");
        let what = broken.unwrap().what;
        assert!(what.starts_with(&format!("{name} data cut off or damaged")), "{what}");
    }
}

#[test]
fn a_changed_checksum_is_an_error_behind_everything() {
    let frames = frames(9);
    let mut bytes = zstd(&write::pcap(&frames, Shape::PLAIN));
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let (found, broken) = all(&mut open(&bytes).unwrap());
    assert_eq!(found, frames);
    assert!(broken.unwrap().what.contains("checksum"));
}

#[test]
fn flipped_bytes_end_in_words() {
    let frames = frames(12);
    let messages: Vec<Vec<u8>> = (1..40).map(message).collect();
    let section = Section { strangers: true, offset: 5, ..Section::PLAIN };
    for file in [
        write::pcap(&frames, Shape::PLAIN),
        write::pcapng(&frames, section),
        zstd(&write::pcap(&frames, Shape::PLAIN)),
        gzip(&lengths(&messages)),
    ] {
        for at in 0..file.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = file.clone();
                bytes[at] ^= flip;
                if let Ok(mut capture) = open(&bytes) {
                    while let Ok(Some(_)) = capture.advance() {
                        assert!(capture.item().is_some());
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_no_capture_is_said() {
    let said = |bytes: &[u8]| open(bytes).err().unwrap().to_string();
    assert_eq!(said(b""), "the file is empty at offset 0");
    assert!(said(b"no capture at all").starts_with("this is no capture: pcap"));
    assert_eq!(said(&[0xd4, 0xc3, 0xb2, 0xa1, 2]), "the file ends within its header at offset 0");
    assert_eq!(said(&[0x0a, 0x0d, 0x0d, 0x0a, 2]), "the file ends within its header at offset 0");
    assert!(said(&zstd(b"text")[..5]).starts_with("zstd data cut off or damaged"));
    assert!(matches!(Capture::open("/nowhere/x".as_ref()), Err(OpenError::Io(_))));
}

#[test]
fn other_link_layers_become_ethernet() {
    let mut scratch = Vec::new();
    let packet = b"\x45the packet";
    let cooked = [&[0; 14][..], &[8, 0], packet].concat();
    let cooked2 = [&[8, 0][..], &[0; 18], packet].concat();
    for (link, bytes) in [(101, &packet[..]), (12, packet), (113, &cooked), (276, &cooked2)] {
        assert!(Link(link).is_known());
        let frame = Link(link).ethernet(bytes, &mut scratch);
        assert_eq!(frame, [&[0; 12][..], &[8, 0], packet].concat(), "{link}");
    }
    assert_eq!(Link::ETHERNET.ethernet(packet, &mut scratch), packet);
    assert_eq!(Link(113).ethernet(&cooked[..15], &mut scratch), b"");
    assert_eq!(Link(147).ethernet(packet, &mut scratch), b"");
    let mut file = write::pcap(&frames(1), Shape::PLAIN);
    file[20] = 113;
    assert_eq!(open(&file).unwrap().link(), Some(Link(113)));
    assert_eq!(open(&write::pcapng(&[], Section::PLAIN)).unwrap().link(), None);
}

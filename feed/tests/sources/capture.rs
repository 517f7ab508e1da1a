//! Capture files as a source.

use std::path::PathBuf;

use candor::exit::Exit;
use candor::source::capture::{Capture, Endpoints, Unmapped};
use candor::source::{Source, SourceCounts, SourceError};
use candor_capture::write::{Shape, gzip, pcap, zstd};
use candor_core::{Content, Line, Mono};
use candor_decoders::Format;

use crate::files::{BEGIN, Temporary, frame, frames, pcapng, system_event};
use crate::scene::{Got, Rig, Scene, drain};
use crate::suite;

const PLAIN: Shape = Shape::PLAIN;

fn endpoints(scene: &Scene) -> Endpoints {
    let mut endpoints = Endpoints::new();
    for (partition, line, config) in &scene.lines {
        endpoints.add(config.group, config.port, *partition, *line);
    }
    endpoints
}

fn open(scene: &Scene, name: &str, bytes: &[u8]) -> Rig {
    let file = Temporary::new(name, bytes);
    let capture = Capture::open(&file.0, endpoints(scene), scene.batch).unwrap();
    Rig { source: Box::new(capture), keep: Box::new(file), host_clock: false }
}

/// The suite compares counts with zero, which a capture's unmapped and foreign frames are not.
struct Clean(Capture);

impl Source for Clean {
    fn poll(
        &mut self,
        deliver: &mut dyn FnMut(candor::source::Arrival<'_>),
    ) -> Result<candor::source::Polled, SourceError> {
        let mut delivered = 0;
        let polled = self.0.poll(&mut |arrival| {
            delivered += 1;
            deliver(arrival);
        })?;
        Ok(candor::source::Polled { frames: delivered, ..polled })
    }
    fn wait(&mut self, at_most: candor_core::Nanos) -> Result<(), SourceError> {
        self.0.wait(at_most)
    }
    fn counts(&mut self) -> SourceCounts {
        SourceCounts { unmapped: 0, ..self.0.counts() }
    }
    fn mode(&self) -> &str {
        self.0.mode()
    }
    fn ended(&self) -> bool {
        self.0.ended()
    }
}

/// A scene as a file of some form.
type Form = Box<dyn Fn(&Scene) -> Vec<u8>>;

#[test]
fn captures_of_every_form_are_sources() {
    let shapes = [(false, false), (false, true), (true, false), (true, true)];
    let pcaps = shapes.map(|(big_endian, nanos)| Shape { big_endian, nanos });
    let mut forms: Vec<(String, Form)> = Vec::new();
    for shape in pcaps {
        let of = move |scene: &Scene| pcap(&frames(&scene.sent), shape);
        forms.push((format!("{shape:?}"), Box::new(of)));
    }
    let of = |scene: &Scene| pcapng(&frames(&scene.sent));
    forms.push(("pcapng".to_owned(), Box::new(of)));
    forms.push(("pcapng.gz".to_owned(), Box::new(move |scene| gzip(&of(scene)))));
    let of = |scene: &Scene| pcap(&frames(&scene.sent), PLAIN);
    forms.push(("pcap.zst".to_owned(), Box::new(move |scene| zstd(&of(scene)))));
    forms.push(("two frames of zstd".to_owned(), Box::new(move |scene| in_two_frames(&of(scene)))));
    for (name, bytes) in forms {
        println!("{name}");
        let make = |scene: &Scene| {
            let file = Temporary::new("capture", &bytes(scene));
            let capture = Capture::open(&file.0, endpoints(scene), scene.batch).unwrap();
            Rig { source: Box::new(Clean(capture)), keep: Box::new(file), host_clock: false }
        };
        suite::run(&make, "none");
    }
}

/// A frame, one to be skipped, another frame.
fn in_two_frames(bytes: &[u8]) -> Vec<u8> {
    let (one, two) = bytes.split_at(bytes.len() / 3);
    let mut file = zstd(one);
    file.extend([0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
    file.extend(zstd(two));
    file
}

fn ten() -> Scene {
    let mut scene = Scene::new("none");
    for n in 0..10 {
        scene.send([239, 77, 1, 1], 26401, &[n; 30]);
    }
    scene
}

#[test]
fn times_come_from_the_capture_and_never_go_back() {
    let scene = ten();
    let mut stamped = frames(&scene.sent);
    stamped[4].0 = BEGIN - 5;
    let file = Temporary::new("times.pcap", &pcap(&stamped, PLAIN));
    let mut capture = Capture::open(&file.0, endpoints(&scene), 3).unwrap();
    let times: Vec<u64> = drain(&mut capture).iter().map(|got| got.at.0 - BEGIN).collect();
    assert_eq!(times, [0, 1, 2, 3, 3, 5, 6, 7, 8, 9].map(|micros| micros * 1_000));
    assert_eq!(capture.held(), 1);
    assert!(capture.ended());
}

#[test]
fn a_capture_cut_anywhere_gives_what_is_before_the_cut_then_says_where_it_is() {
    let scene = ten();
    let stamped = frames(&scene.sent);
    for (whole, name) in [(pcap(&stamped, PLAIN), "pcap"), (pcapng(&stamped), "pcapng")] {
        let starts: Vec<usize> = (0..=10)
            .map(|n| match name {
                "pcap" => pcap(&stamped[..n], PLAIN).len(),
                _ => prefix(&stamped, n),
            })
            .collect();
        for cut in (30..whole.len()).step_by(7) {
            let file = Temporary::new("cut", &whole[..cut]);
            let Ok(mut capture) = Capture::open(&file.0, endpoints(&scene), 4) else {
                assert!(cut < 48, "{name}: refused when cut at {cut}");
                continue;
            };
            let (got, end) = to_the_end(&mut capture);
            let complete = starts.iter().filter(|start| **start <= cut).count().saturating_sub(1);
            assert_eq!(got.len(), complete, "{name} cut at {cut}");
            match end {
                // Cut between blocks, where a capture may well end.
                None => assert!(capture.ended()),
                Some(SourceError::Capture { what, offset, .. }) => {
                    assert!(what.starts_with("cut off"), "{what}");
                    assert!(offset as usize <= cut, "{offset} {cut}");
                    assert!(!capture.ended());
                }
                Some(other) => panic!("{other}"),
            }
        }
    }
}

/// Bytes of a pcapng file up to the end of its `n`th frame.
fn prefix(stamped: &[(u64, Vec<u8>)], n: usize) -> usize {
    let head = pcapng(&[]).len() / 2;
    let block = |(_, frame): &(u64, Vec<u8>)| 32 + frame.len().next_multiple_of(4);
    let sections = if n > stamped.len() / 2 { 2 } else { 1 };
    sections * head + stamped[..n].iter().map(block).sum::<usize>()
}

fn to_the_end(source: &mut dyn Source) -> (Vec<Got>, Option<SourceError>) {
    let mut got = Vec::new();
    for _ in 0..10_000 {
        match source.poll(&mut |arrival| got.push(Got::of(arrival))) {
            Ok(_) if source.ended() => return (got, None),
            Ok(_) => {}
            Err(error) => return (got, Some(error)),
        }
    }
    panic!("never ends");
}

#[test]
fn broken_compression_is_an_error_and_not_an_end() {
    let scene = ten();
    let whole = pcap(&frames(&scene.sent), PLAIN);
    for (name, mut bytes) in [("gz", gzip(&whole)), ("zst", in_two_frames(&whole))] {
        let cut = Temporary::new(name, &bytes[..bytes.len() - 6]);
        if let Ok(mut capture) = Capture::open(&cut.0, endpoints(&scene), 64) {
            let (_, end) = to_the_end(&mut capture);
            assert!(end.is_some(), "{name} cut off");
        }
        let last = bytes.len() - 3;
        bytes[last] ^= 0x55;
        let file = Temporary::new(name, &bytes);
        if let Ok(mut capture) = Capture::open(&file.0, endpoints(&scene), 64) {
            let (_, end) = to_the_end(&mut capture);
            assert!(end.is_some(), "{name} with a changed byte");
        }
    }
}

#[test]
fn what_is_nobodys_is_counted_by_group_and_port() {
    let mut scene = ten();
    scene.send([239, 77, 9, 9], 1, b"12345");
    scene.send([239, 77, 9, 9], 1, b"678");
    scene.send([239, 77, 9, 9], 2, b"9");
    let mut stamped = frames(&scene.sent);
    let mut arp = vec![0; 60];
    arp[12..14].copy_from_slice(&[8, 6]);
    stamped.push((BEGIN + 1_000_000, arp));
    stamped.push((BEGIN + 1_000_001, vec![1, 2, 3]));
    let file = Temporary::new("unmapped", &pcap(&stamped, PLAIN));
    let mut capture = Capture::open(&file.0, endpoints(&scene), 64).unwrap();
    assert_eq!(drain(&mut capture).len(), 10);
    let counts = capture.counts();
    assert_eq!((counts.unmapped, counts.not_udp, counts.rx_invalid), (3, 2, 0));
    let group = [239, 77, 9, 9].into();
    assert_eq!(
        capture.unmapped(),
        [
            Unmapped { group, port: 1, packets: 2, bytes: 8 },
            Unmapped { group, port: 2, packets: 1, bytes: 1 }
        ]
    );
}

#[test]
fn only_the_sender_that_was_named_is_delivered() {
    let scene = ten();
    let file = Temporary::new("senders", &pcap(&frames(&scene.sent), PLAIN));
    let delivered = |sources: &[[u8; 4]]| {
        let mut endpoints = candor::source::capture::Endpoints::new();
        for ((partition, line, at), source) in scene.lines.iter().zip(sources) {
            let source = Some((*source).into());
            endpoints.add_from(source, (at.group, at.port), *partition, *line);
        }
        let mut capture = Capture::open(&file.0, endpoints, 64).unwrap();
        (drain(&mut capture).len() as u64, capture.counts().other_source)
    };
    // Every frame here is from 10.0.0.1.
    let own = [10, 0, 0, 1];
    assert_eq!(delivered(&[own; 3]), (10, 0));
    let (here, elsewhere) = delivered(&[[10, 0, 0, 2], own, own]);
    assert!(here < 10 && elsewhere > 0, "{here} and {elsewhere}");
    assert_eq!(here + elsewhere, 10);
}

#[test]
fn frames_the_capture_cut_short_are_counted_as_that() {
    let scene = ten();
    let whole = frame(&scene.sent[0]);
    let mut file = pcap(&[(BEGIN, whole[..40].to_vec())], PLAIN);
    let at = 24 + 12;
    file[at..at + 4].copy_from_slice(&(whole.len() as u32).to_le_bytes());
    let mut rig = open(&scene, "snapped", &file);
    assert_eq!(drain(&mut *rig.source), []);
    assert_eq!(rig.source.counts().rx_invalid, 1);
}

#[test]
fn what_is_no_capture_is_refused() {
    let scene = ten();
    for (bytes, expected) in [
        (&b""[..], "the file is empty at offset 0"),
        (b"<?xml version=\"1.0\"?><configuration></configuration>", "is no capture: pcap, pcapng"),
        (&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0], "the file ends within its header at offset 0"),
    ] {
        let file = Temporary::new("none", bytes);
        let failure = Capture::open(&file.0, endpoints(&scene), 1).err().unwrap();
        assert_eq!(failure.exit, Exit::Data);
        assert!(failure.message.contains(expected), "{}", failure.message);
    }
    let absent = Capture::open(&PathBuf::from("/nowhere/x.pcap"), Endpoints::new(), 1);
    assert_eq!(absent.err().unwrap().exit, Exit::Data);
    let mut other_link = pcap(&frames(&scene.sent), PLAIN);
    other_link[20] = 113;
    let mut rig = open(&scene, "sll", &other_link);
    let error = to_the_end(&mut *rig.source).1.unwrap().to_string();
    assert!(
        error.contains("frames of link type 113; only Ethernet (1) is read at offset 24"),
        "{error}"
    );
}

fn messages(partition: Option<u16>, bytes: &[u8]) -> Result<Capture, candor::exit::Failure> {
    let file = Temporary::new("itch", bytes);
    let mut endpoints = Endpoints::new();
    if let Some(partition) = partition {
        endpoints.messages_of(partition);
    }
    Capture::open(&file.0, endpoints, 64)
}

#[test]
fn bare_messages_become_packets_with_heartbeats_where_it_was_quiet() {
    let second = 1_000_000_000;
    let times = [5 * second, 5 * second + 100_000, 5 * second + 100_001, 8 * second];
    let file: Vec<u8> = times.iter().flat_map(|at| system_event(*at)).collect();
    assert_eq!(messages(None, &file).err().unwrap().exit, Exit::Config);
    let mut capture = messages(Some(3), &file).unwrap();
    let got = drain(&mut capture);
    let packets: Vec<_> = got
        .iter()
        .map(|got| {
            assert_eq!((got.partition, got.line), (3, Line::A));
            let packet = Format::NasdaqItch50.frame(&got.payload).unwrap();
            (got.at, packet.content, packet.range.first.0, packet.range.len())
        })
        .collect();
    let quiet = 5 * second + 100_001;
    assert_eq!(
        packets,
        [
            (Mono(times[1]), Content::Data, 1, 2),
            (Mono(quiet), Content::Data, 3, 1),
            (Mono(quiet + second), Content::Heartbeat, 4, 0),
            (Mono(quiet + 2 * second), Content::Heartbeat, 4, 0),
            (Mono(times[3]), Content::Data, 4, 1),
        ]
    );
    let cut = &file[..file.len() - 1];
    let (got, end) = to_the_end(&mut messages(Some(3), cut).unwrap());
    assert_eq!(got.len(), 2);
    assert!(end.unwrap().to_string().contains("cut off: the file ends within a message"));
}

/// Where real captures are, if they are.
fn real(name: &str, test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("CANDOR_CAPTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    );
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {test}: no captures");
    None
}

#[test]
fn a_real_feed_is_delivered_whole() {
    let Some(path) = real("iex/deep-2026-07-13.pcap.zst", "a_real_feed") else { return };
    let mut endpoints = Endpoints::new();
    endpoints.add([233, 215, 21, 4].into(), 10378, 0, Line::A);
    let mut capture = Capture::open(&path, endpoints, 64).unwrap();
    let (mut packets, mut next, mut heartbeats) = (0u64, 1, 0u64);
    let (mut first, mut last) = (None, Mono::NEVER);
    while !capture.ended() {
        capture
            .poll(&mut |arrival| {
                let packet = Format::IexDeep.frame(arrival.payload).unwrap();
                assert_eq!(packet.range.first.0, next);
                next += packet.range.len();
                packets += 1;
                heartbeats += u64::from(packet.content == Content::Heartbeat);
                first.get_or_insert(arrival.at);
                last = arrival.at;
            })
            .unwrap();
    }
    assert_eq!((packets, next, heartbeats), (150_000, 203_111, 2_696));
    assert_eq!((capture.counts(), capture.held()), (SourceCounts::default(), 0));
    // 11:06:04 to 12:16:11 of 2026-07-13, UTC.
    let seconds = |at: Mono| at.0 / 1_000_000_000 % 86_400;
    assert_eq!(seconds(first.unwrap()), 11 * 3600 + 6 * 60 + 4);
    assert_eq!(seconds(last), 12 * 3600 + 16 * 60 + 11);
}

#[test]
fn a_real_file_of_messages_is_delivered_whole() {
    let name = "nasdaq/itch50-2019-12-30-open-1000msgs.bin";
    let Some(path) = real(name, "a_real_file_of_messages") else { return };
    let mut endpoints = Endpoints::new();
    endpoints.messages_of(0);
    let mut capture = Capture::open(&path, endpoints, 64).unwrap();
    let mut messages = 0;
    for got in drain(&mut capture) {
        let packet = Format::NasdaqItch50.frame(&got.payload).unwrap();
        assert_eq!(packet.range.first.0, messages + 1);
        messages += packet.range.len();
        assert_eq!(got.at.0 / 1_000_000_000, 9 * 3600 + 30 * 60);
    }
    assert_eq!(messages, 1_000);
}

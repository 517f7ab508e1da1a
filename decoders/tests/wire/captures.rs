//! Every capture of these formats: understood whole, and counted as its source counts it.

use std::collections::BTreeMap;
use std::path::Path;

use candor_core::packet::Content;
use candor_core::{Event, InstrumentKey, Message, Packet, Reject, SeqNo, SessionId};
use candor_decoders::iex::tp;
use candor_decoders::{Format, net};

use crate::pcap;

/// What a capture holds.
#[derive(Default, Debug, PartialEq)]
struct Tally {
    packets: u64,
    heartbeats: u64,
    messages: u64,
    kinds: BTreeMap<char, u64>,
}

fn tally(format: Format, packet: &Packet<'_>, tally: &mut Tally) {
    tally.packets += 1;
    tally.heartbeats += u64::from(packet.content == Content::Heartbeat);
    assert_eq!(packet.messages.count() as u64, packet.range.len());
    for bytes in packet.messages {
        let message = decode(format, bytes);
        assert_ne!(message.event, Event::Unknown, "{bytes:02x?}");
        assert_eq!(format.layout_len(message.kind), Some(bytes.len()));
        tally.messages += 1;
        *tally.kinds.entry(char::from(message.kind)).or_default() += 1;
    }
}

fn decode(format: Format, bytes: &[u8]) -> Message {
    let message = format.decode(bytes).unwrap_or_else(|reject| panic!("{reject:?} {bytes:02x?}"));
    if let Some(symbol) = format.symbol_of(message.key) {
        assert_eq!(format.key_of(&symbol), Some(message.key));
        assert!(bytes[10..18].starts_with(symbol.as_str().as_bytes()));
    } else if format.names_instrument_by_symbol() {
        assert_eq!(message.key, InstrumentKey::NONE);
    }
    message
}

fn kinds(of: &[(char, u64)]) -> BTreeMap<char, u64> {
    of.iter().copied().collect()
}

/// A day's start on IEX: no gap in numbers, none in stream bytes, every message understood.
fn iex_day(format: Format, file: &Path, group: [u8; 4], port: u16) -> (Tally, SeqNo) {
    let mut all = Tally::default();
    let mut expected = SeqNo::FIRST;
    let mut stream_offset = None;
    let mut time = 0;
    for frame in pcap::frames(file) {
        let datagram = net::udp(&frame).unwrap();
        assert_eq!((datagram.group, datagram.port, datagram.vlan), (group, port, None));
        let packet = format.frame(datagram.payload).unwrap();
        assert_eq!(packet.session, SessionId::from_number(1_353_121_792));
        assert_eq!(packet.range.first, expected);
        let (header, blocks) = tp::segment(datagram.payload).unwrap();
        let offset = header.stream_offset.get();
        assert_eq!(stream_offset.replace(offset + blocks.len() as i64).unwrap_or(offset), offset);
        assert!(packet.send_time.unwrap().0 >= time);
        time = packet.send_time.unwrap().0;
        expected = packet.range.end;
        tally(format, &packet, &mut all);
    }
    (all, expected)
}

#[test]
fn deep_day_counts_as_its_source_says() {
    let Some(folder) = pcap::captures("deep_day_counts_as_its_source_says") else { return };
    let file = folder.join("iex/deep-2026-07-13.pcap.zst");
    let (all, next) = iex_day(Format::IexDeep, &file, [233, 215, 21, 4], 10378);
    assert_eq!(next, SeqNo(203_111));
    let expected = Tally {
        packets: 150_000,
        heartbeats: 2_696,
        messages: 203_110,
        kinds: kinds(&[
            ('5', 76_025),
            ('8', 74_027),
            ('P', 13_378),
            ('H', 13_021),
            ('O', 13_018),
            ('I', 13_016),
            ('T', 620),
            ('D', 3),
            ('S', 2),
        ]),
    };
    assert_eq!(all, expected);
}

#[test]
fn tops_day_counts_as_its_source_says() {
    let Some(folder) = pcap::captures("tops_day_counts_as_its_source_says") else { return };
    let file = folder.join("iex/tops-2026-07-13.pcap.zst");
    let (all, next) = iex_day(Format::IexTops, &file, [233, 215, 21, 3], 10377);
    assert_eq!(next, SeqNo(212_154));
    assert_eq!((all.packets, all.heartbeats, all.messages), (150_000, 2_667, 212_153));
    assert_eq!(all.kinds[&'Q'], 158_958);
    assert!(!all.kinds.contains_key(&'8'));
}

#[test]
fn one_packet_of_each_iex_message() {
    let Some(folder) = pcap::captures("one_packet_of_each_iex_message") else { return };
    let read = |format: Format, other: Format, path: &str, all: &mut Tally| {
        for file in pcap::files(&folder.join(path), ".pcap") {
            for frame in pcap::frames(&file) {
                let payload = net::udp(&frame).unwrap().payload;
                tally(format, &format.frame(payload).unwrap(), all);
                assert_eq!(other.frame(payload).err(), Some(Reject::WrongProtocol));
            }
        }
    };
    let (mut deep, mut tops) = (Tally::default(), Tally::default());
    read(Format::IexDeep, Format::IexTops, "packets/Iex/Deep.IexTp.v1.0", &mut deep);
    read(Format::IexTops, Format::IexDeep, "packets/Iex/Tops.IexTp.v1.5", &mut tops);
    read(Format::IexTops, Format::IexDeep, "packets/Iex/Tops.IexTp.v1.6", &mut tops);
    assert_eq!(deep.kinds, kinds(&[('5', 1), ('8', 1)]));
    assert_eq!(deep.heartbeats, 1);
    let seen: String = tops.kinds.keys().collect();
    assert_eq!(seen, "ADHOPQSTX");
}

/// DEEP+ is no format of ours, so its segments are refused; but its administrative messages are
/// DEEP's, and its own types are a test of unknown ones.
#[test]
fn another_protocol_is_refused_and_its_own_types_are_unknown() {
    let Some(folder) = pcap::captures("another_protocol_is_refused") else { return };
    let mut known = BTreeMap::<char, u64>::new();
    let mut unknown = BTreeMap::<char, u64>::new();
    let file = folder.join("packets/Iex/DeepPlus.IexTp.1.0.2/all_message_types.pcap");
    for frame in pcap::frames(&file) {
        let payload = net::udp(&frame).unwrap().payload;
        for format in [Format::IexDeep, Format::IexTops] {
            assert_eq!(format.frame(payload).err(), Some(Reject::WrongProtocol));
        }
        for bytes in tp::frame(0x8005, payload).unwrap().messages {
            let message = decode(Format::IexDeep, bytes);
            let seen = if message.event == Event::Unknown { &mut unknown } else { &mut known };
            *seen.entry(char::from(message.kind)).or_default() += 1;
        }
    }
    assert_eq!(known.keys().collect::<String>(), "BDEHIOPST");
    assert_eq!(unknown, kinds(&[('L', 3), ('M', 1), ('R', 1), ('a', 1)]));
}

/// Some of these packets were wrapped anew by their source, with a blank session and number 0:
/// those are refused, and read again with both filled in.
#[test]
fn packets_of_every_totalview_market() {
    let Some(folder) = pcap::captures("packets_of_every_totalview_market") else { return };
    let format = Format::NasdaqItch50;
    let mut all = Tally::default();
    let mut wrapped = 0;
    for file in pcap::files(&folder.join("packets/Nasdaq"), ".pcap") {
        if !file.to_str().unwrap().contains("Equities.TotalView.Itch.v5.0") {
            continue;
        }
        for frame in pcap::frames(&file) {
            let mut payload = net::udp(&frame).unwrap().payload.to_vec();
            if payload[..18] == [0; 18] {
                assert_eq!(format.frame(&payload).err(), Some(Reject::BadSession));
                payload[..10].copy_from_slice(b"000010059B");
                assert_eq!(format.frame(&payload).err(), Some(Reject::BadSequence));
                payload[17] = 1;
                wrapped += 1;
            }
            let packet = format.frame(&payload).unwrap();
            assert!(packet.session.to_string().starts_with("000010059"));
            tally(format, &packet, &mut all);
        }
    }
    let seen: String = all.kinds.keys().collect();
    assert_eq!(seen, "ACDEFHIJLNPQSUXY");
    assert_eq!((all.packets, all.messages, wrapped), (PACKETS, PACKETS + 37, WRAPPED));
}

/// Packets in the TotalView folders, one of which has 38 messages and every other one.
const PACKETS: u64 = 190;
const WRAPPED: u64 = 178;

#[test]
fn a_thousand_messages_at_the_open() {
    let Some(folder) = pcap::captures("a_thousand_messages_at_the_open") else { return };
    let bytes = std::fs::read(folder.join("nasdaq/itch50-2019-12-30-open-1000msgs.bin")).unwrap();
    let format = Format::NasdaqItch50;
    let mut rest = &bytes[..];
    let mut seen = BTreeMap::new();
    let mut time = 0;
    while let Some((len, behind)) = rest.split_first_chunk::<2>() {
        let (bytes, behind) = behind.split_at(usize::from(u16::from_be_bytes(*len)));
        let message = decode(format, bytes);
        assert_eq!(format.layout_len(message.kind), Some(bytes.len()));
        assert_eq!(message.key == InstrumentKey::NONE, message.kind == b'S');
        // 09:30:00 and the seconds behind it.
        assert!((34_200_000_000_000..34_260_000_000_000).contains(&message.time.0));
        assert!(message.time.0 >= time);
        time = message.time.0;
        *seen.entry(char::from(message.kind)).or_insert(0) += 1;
        rest = behind;
    }
    let expected = [
        ('A', 367),
        ('C', 1),
        ('D', 167),
        ('E', 28),
        ('F', 193),
        ('I', 4),
        ('P', 4),
        ('Q', 4),
        ('S', 1),
        ('U', 225),
        ('X', 6),
    ];
    assert_eq!(seen, kinds(&expected));
}

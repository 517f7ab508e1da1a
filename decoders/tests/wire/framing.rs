//! MoldUDP64 and IEX-TP: hand-made packets, packets packed by the writers and understood again, and
//! every refusal. Requests of both.

use candor_core::packet::Content;
use candor_core::{Packet, Reject, SeqNo, SeqRange, SessionId, WireTime};
use candor_decoders::iex::{gapfill, tp};
use candor_decoders::nasdaq::moldudp64::{self, Request};
use proptest::prelude::*;

use crate::hex;

const SESSION: [u8; 10] = *b"20260727A ";
const STREAM: tp::Stream = tp::Stream { protocol: tp::DEEP_1_0, channel: 1, session: 7 };

fn bodies(packet: &Packet<'_>) -> Vec<Vec<u8>> {
    assert_eq!(packet.messages.len() as u64, packet.range.len());
    packet.messages.map(<[u8]>::to_vec).collect()
}

#[test]
fn moldudp64_by_hand() {
    let bytes = hex("3230323630373237 4120 0000000000000009 0003 0001 41 0000 0002 4242");
    let packet = moldudp64::frame(&bytes).unwrap();
    assert_eq!(packet.session, SessionId::from_text(SESSION));
    assert_eq!(packet.session.to_string(), "20260727A");
    assert_eq!(moldudp64::session_name(packet.session), SESSION);
    assert_eq!((packet.content, packet.send_time), (Content::Data, None));
    assert_eq!(packet.range, SeqRange { first: SeqNo(9), end: SeqNo(12) });
    assert_eq!(bodies(&packet), [&b"A"[..], b"", b"BB"]);

    let mut buffer = [0xa5; 64];
    let mut writer = moldudp64::Writer::new(&mut buffer, SESSION, SeqNo(9)).unwrap();
    for message in [&b"A"[..], b"", b"BB"] {
        writer.push(message).unwrap();
    }
    assert_eq!((writer.count(), writer.byte_len()), (3, bytes.len()));
    assert_eq!(writer.finish(), bytes);
}

#[test]
fn moldudp64_heartbeat_and_end_stand_at_the_next_number() {
    for (bytes, content) in [
        (moldudp64::heartbeat(SESSION, SeqNo(5)), Content::Heartbeat),
        (moldudp64::end(SESSION, SeqNo(5)), Content::End),
    ] {
        let packet = moldudp64::frame(&bytes).unwrap();
        assert_eq!((packet.content, packet.messages.len()), (content, 0));
        assert_eq!(packet.range, SeqRange { first: SeqNo(5), end: SeqNo(5) });
    }
    let mut buffer = [0xa5; 20];
    let writer = moldudp64::Writer::new(&mut buffer, SESSION, SeqNo(5)).unwrap();
    assert_eq!(writer.finish(), moldudp64::heartbeat(SESSION, SeqNo(5)));
    assert!(moldudp64::Writer::new(&mut [0; 19], SESSION, SeqNo(5)).is_none());
}

#[test]
fn moldudp64_refusals() {
    let good = hex("3230323630373237 4120 0000000000000009 0002 0001 41 0002 4242");
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        moldudp64::frame(&bytes).err()
    };
    assert_eq!(refused(&|_| ()), None);
    for cut in 0..20 {
        assert_eq!(refused(&|b| b.truncate(cut)), Some(Reject::ShortHeader));
    }
    for cut in 20..good.len() {
        assert_eq!(refused(&|b| b.truncate(cut)), Some(Reject::TruncatedMessage));
    }
    assert_eq!(refused(&|b| b.push(0)), Some(Reject::TrailingBytes));
    assert_eq!(refused(&|b| b[19] = 1), Some(Reject::TrailingBytes));
    assert_eq!(refused(&|b| b[19] = 0), Some(Reject::TrailingBytes));
    assert_eq!(refused(&|b| b[18..20].fill(0xff)), Some(Reject::TrailingBytes));
    assert_eq!(
        refused(&|b| b[18..20].copy_from_slice(&[0xff, 0xfe])),
        Some(Reject::TruncatedMessage)
    );
    assert_eq!(refused(&|b| b[10..18].fill(0)), Some(Reject::BadSequence));
    assert_eq!(refused(&|b| b[10..18].fill(0xff)), Some(Reject::BadSequence));
    assert_eq!(refused(&|b| b[..10].fill(0)), Some(Reject::BadSession));
    assert_eq!(refused(&|b| b[..10].fill(b' ')), Some(Reject::BadSession));
    assert_eq!(refused(&|b| b[3] = 0x80), Some(Reject::BadSession));
    assert_eq!(refused(&|b| b[..10].copy_from_slice(b"         7")), None, "one letter is a name");
}

#[test]
fn moldudp64_request_by_hand() {
    let request = Request { session: SESSION, first: SeqNo(0x1_0000_0002), count: 0x0304 };
    let bytes = hex("3230323630373237 4120 0000000100000002 0304");
    assert_eq!(request.encode().as_slice(), bytes);
    assert_eq!(Request::parse(&bytes), Ok(request));
    assert_eq!(Request::parse(&bytes[..19]), Err(Reject::ShortHeader));
    let refused =
        |first, count| Request::parse(&Request { first, count, ..request }.encode()).err();
    assert_eq!(refused(SeqNo(0), 1), Some(Reject::BadSequence));
    assert_eq!(refused(SeqNo(1), 0), Some(Reject::BadSequence));
    assert_eq!(refused(SeqNo(u64::MAX), 1), Some(Reject::BadSequence));
    assert_eq!(refused(SeqNo(1), 0xffff), None);
    let mut longer = bytes;
    longer.push(0);
    assert_eq!(Request::parse(&longer), Err(Reject::TrailingBytes));
}

const SEGMENT: &str = "01 00 0480 01000000 07000000 0700 0200 1027000000000000 0900000000000000
    0100000000000000";

fn segment() -> Vec<u8> {
    let mut bytes = hex(SEGMENT);
    bytes.extend_from_slice(&hex("0100 41 0200 4242"));
    bytes
}

#[test]
fn iex_tp_by_hand() {
    let bytes = segment();
    let packet = tp::frame(tp::DEEP_1_0, &bytes).unwrap();
    assert_eq!(packet.session, SessionId::from_number(7));
    assert_eq!((packet.content, packet.send_time), (Content::Data, Some(WireTime(1))));
    assert_eq!(packet.range, SeqRange { first: SeqNo(9), end: SeqNo(11) });
    assert_eq!(bodies(&packet), [&b"A"[..], b"BB"]);

    let at = tp::Position { sequence: SeqNo(9), stream_offset: 10_000 };
    let mut buffer = [0xa5; 64];
    let mut writer = tp::Writer::new(&mut buffer, STREAM, at).unwrap();
    writer.push(b"A").unwrap();
    writer.push(b"BB").unwrap();
    assert_eq!((writer.count(), writer.byte_len()), (2, bytes.len()));
    assert_eq!(writer.next(), tp::Position { sequence: SeqNo(11), stream_offset: 10_007 });
    assert_eq!(writer.finish(WireTime(1)), bytes);
}

#[test]
fn iex_tp_heartbeat_stands_at_the_next_number() {
    let at = tp::Position { sequence: SeqNo(9), stream_offset: 3 };
    let bytes = tp::heartbeat(STREAM, at, WireTime(5));
    let packet = tp::frame(tp::DEEP_1_0, &bytes).unwrap();
    assert_eq!((packet.content, packet.messages.len()), (Content::Heartbeat, 0));
    assert_eq!(packet.range, SeqRange { first: SeqNo(9), end: SeqNo(9) });
    assert!(tp::Writer::new(&mut [0; 39], STREAM, at).is_none());
}

#[test]
fn iex_tp_refusals() {
    let good = segment();
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        tp::frame(tp::DEEP_1_0, &bytes).err()
    };
    assert_eq!(refused(&|_| ()), None);
    assert_eq!(refused(&|b| b[1] = 9), None, "reserved");
    for cut in 0..40 {
        assert_eq!(refused(&|b| b.truncate(cut)), Some(Reject::ShortHeader));
    }
    for cut in 40..good.len() {
        assert_eq!(refused(&|b| b.truncate(cut)), Some(Reject::LengthMismatch));
    }
    assert_eq!(refused(&|b| b.push(0)), Some(Reject::LengthMismatch));
    assert_eq!(refused(&|b| b[0] = 2), Some(Reject::BadVersion));
    assert_eq!(refused(&|b| b[2] = 3), Some(Reject::WrongProtocol));
    assert_eq!(refused(&|b| b[8] = 0), Some(Reject::BadSession));
    assert_eq!(refused(&|b| b[14] = 1), Some(Reject::TrailingBytes));
    assert_eq!(refused(&|b| b[14] = 3), Some(Reject::TruncatedMessage));
    assert_eq!(refused(&|b| b[24] = 0), Some(Reject::BadSequence));
    assert_eq!(refused(&|b| b[31] = 0x80), Some(Reject::BadSequence));
    assert_eq!(
        refused(&|b| b[24..32].copy_from_slice(&i64::MAX.to_le_bytes())),
        Some(Reject::BadSequence)
    );
    let mut early = good.clone();
    early[39] = 0x80;
    assert_eq!(tp::frame(tp::DEEP_1_0, &early).unwrap().send_time, None);
}

#[test]
fn iex_gap_request_by_hand() {
    let ranges = [(1, 3), (10, 11)].map(|(a, b)| SeqRange { first: SeqNo(a), end: SeqNo(b) });
    let bytes = hex("01 01 0480 01000000 07000000 02000000
        0100000000000000 0200000000000000 0a00000000000000 0a00000000000000");
    let mut buffer = [0xa5; 64];
    assert_eq!(gapfill::encode(&mut buffer, STREAM, &ranges), Some(&bytes[..]));
    let request = gapfill::Request::parse(&bytes).unwrap();
    assert_eq!(request.stream, STREAM);
    assert!(request.ranges().eq(ranges));

    assert!(gapfill::encode(&mut [0; 47], STREAM, &ranges).is_none());
    assert!(gapfill::encode(&mut buffer, STREAM, &[ranges[1], ranges[0]]).is_none());
    assert!(gapfill::encode(&mut buffer, STREAM, &[SeqRange::default()]).is_none());
    let test = gapfill::encode(&mut buffer, STREAM, &[]).unwrap();
    assert_eq!(gapfill::Request::parse(test).unwrap().ranges().len(), 0);

    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        gapfill::Request::parse(&bytes).err()
    };
    assert_eq!(refused(&|b| b[0] = 0), Some(Reject::BadVersion));
    assert_eq!(refused(&|b| b[1] = gapfill::BY_STREAM_OFFSET), Some(Reject::BadField));
    assert_eq!(refused(&|b| b[12] = 1), Some(Reject::LengthMismatch));
    assert_eq!(refused(&|b| b.truncate(47)), Some(Reject::LengthMismatch));
    assert_eq!(refused(&|b| b.truncate(15)), Some(Reject::ShortHeader));
    assert_eq!(refused(&|b| b[16] = 0), Some(Reject::BadSequence));
    assert_eq!(refused(&|b| b[16] = 3), Some(Reject::BadSequence));
    assert_eq!(refused(&|b| b[24] = 10), Some(Reject::BadSequence));
    let last = i64::MAX.to_le_bytes();
    assert_eq!(refused(&|b| b[40..48].copy_from_slice(&last)), Some(Reject::BadSequence));
}

fn messages() -> impl Strategy<Value = Vec<Vec<u8>>> {
    proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..90), 0..60)
}

proptest! {
    /// Packed into datagrams of any size and understood again: the same messages, each number
    /// once, no datagram longer than allowed, no room left that the next message fits.
    #[test]
    fn moldudp64_packs_a_stream(messages in messages(), limit in 120usize..1500, from in 1u64..1 << 60) {
        let mut buffer = vec![0xa5; limit];
        let mut sent = 0;
        while sent < messages.len() {
            let first = SeqNo(from + sent as u64);
            let mut writer = moldudp64::Writer::new(&mut buffer, SESSION, first).unwrap();
            let fit = messages[sent..].iter().take_while(|m| writer.push(m).is_ok()).count();
            let room = limit - writer.byte_len();
            let packet = writer.finish();
            let packet = moldudp64::frame(packet).unwrap();
            prop_assert_eq!(packet.range, SeqRange::of(first, fit as u64).unwrap());
            prop_assert_eq!(&bodies(&packet)[..], &messages[sent..sent + fit]);
            sent += fit;
            prop_assert!(fit > 0);
            prop_assert!(messages.get(sent).is_none_or(|m| m.len() + 2 > room));
        }
    }

    #[test]
    fn iex_tp_packs_a_stream(messages in messages(), limit in 140usize..1500) {
        let mut buffer = vec![0xa5; limit];
        let mut at = tp::Position::START;
        let mut sent = 0;
        let mut bytes = 0;
        while sent < messages.len() {
            let mut writer = tp::Writer::new(&mut buffer, STREAM, at).unwrap();
            let fit = messages[sent..].iter().take_while(|m| writer.push(m).is_ok()).count();
            let next = writer.next();
            let segment = writer.finish(WireTime(3));
            bytes += segment.len() as u64 - 40;
            let packet = tp::frame(tp::DEEP_1_0, segment).unwrap();
            prop_assert_eq!(packet.range, SeqRange::of(at.sequence, fit as u64).unwrap());
            prop_assert_eq!(&bodies(&packet)[..], &messages[sent..sent + fit]);
            sent += fit;
            prop_assert!(fit > 0);
            prop_assert_eq!(next, tp::Position { sequence: SeqNo(1 + sent as u64), stream_offset: bytes });
            at = next;
        }
    }
}

#[test]
fn no_packet_holds_so_many_messages_that_its_count_means_something_else() {
    let mut buffer = vec![0; 200_000];
    let mut writer = moldudp64::Writer::new(&mut buffer, SESSION, SeqNo(1)).unwrap();
    while writer.push(b"").is_ok() {}
    assert_eq!(writer.count(), moldudp64::MESSAGES_MAX);
    assert_eq!(moldudp64::frame(writer.finish()).unwrap().content, Content::Data);

    let mut writer = tp::Writer::new(&mut buffer, STREAM, tp::Position::START).unwrap();
    while writer.push(b"0123456789").is_ok() {}
    assert!(writer.byte_len() - 40 <= usize::from(u16::MAX));
    assert!(tp::frame(tp::DEEP_1_0, writer.finish(WireTime(0))).is_ok());
}

//! SoupBinTCP, GLIMPSE and SNAP by hand: bytes made from the tables apart from this crate, the
//! encoders', and what they mean. Every refusal. Streams cut anywhere.

use candor_core::{Reject, SeqNo};
use candor_decoders::iex::{snap, tp};
use candor_decoders::nasdaq::glimpse::{self, EndOfSnapshot};
use candor_decoders::nasdaq::soupbintcp::{self, Login, Rejection};
use candor_decoders::nasdaq::{ascii, moldudp64};
use candor_decoders::{IntoBytes, View};
use proptest::prelude::*;

use crate::hex;

/// A packet of a server three ways; fixed ones may be longer and may not be shorter.
fn soup_server(bytes: &[u8], packet: soupbintcp::FromServer<'_>) {
    let mut buffer = [0xa5; soupbintcp::LONGEST];
    assert_eq!(packet.encode(&mut buffer), Some(bytes));
    assert_eq!(packet.encode(&mut buffer[..bytes.len()]), Some(bytes));
    assert_eq!(packet.encode(&mut buffer[..bytes.len() - 1]), None);
    assert_eq!(soupbintcp::FromServer::parse(bytes), Ok(packet));
}

fn soup_client(bytes: &[u8], packet: soupbintcp::FromClient<'_>) {
    let mut buffer = [0xa5; soupbintcp::LONGEST];
    assert_eq!(packet.encode(&mut buffer), Some(bytes));
    assert_eq!(packet.encode(&mut buffer[..bytes.len() - 1]), None);
    assert_eq!(soupbintcp::FromClient::parse(bytes), Ok(packet));
}

#[test]
fn soupbintcp_of_a_server_by_hand() {
    use soupbintcp::FromServer;
    soup_server(b"\0\x03+hi", FromServer::Debug(b"hi"));
    soup_server(
        b"\0\x1fA 20260727A                   1",
        FromServer::Accepted { session: *b"20260727A ", next: SeqNo(1) },
    );
    soup_server(
        b"\0\x1fA00000000A118446744073709551615",
        FromServer::Accepted { session: *b"00000000A1", next: SeqNo(u64::MAX) },
    );
    soup_server(b"\0\x02JA", FromServer::Rejected(Rejection::NotAuthorised));
    soup_server(b"\0\x02JS", FromServer::Rejected(Rejection::NoSuchSession));
    soup_server(b"\0\x02J?", FromServer::Rejected(Rejection::Other(b'?')));
    soup_server(b"\0\x04SABC", FromServer::Sequenced(b"ABC"));
    soup_server(b"\0\x01S", FromServer::Sequenced(b""));
    soup_server(b"\0\x02UA", FromServer::Unsequenced(b"A"));
    soup_server(b"\0\x01H", FromServer::Heartbeat);
    soup_server(b"\0\x01Z", FromServer::EndOfSession);
    soup_server(b"\0\x01!", FromServer::Unknown(b'!'));
}

#[test]
fn soupbintcp_of_a_client_by_hand() {
    use soupbintcp::FromClient;
    let login = Login {
        user: *b"marta ",
        password: *b"hunter2   ",
        session: *b"20260727A ",
        next: SeqNo(1),
    };
    let bytes = b"\0\x2fLmarta hunter2    20260727A                   1";
    soup_client(bytes, FromClient::Login(login));
    assert!(!format!("{login:?}").contains("hunter"));
    let current = Login { session: soupbintcp::CURRENT_SESSION, next: SeqNo(0), ..login };
    soup_client(
        b"\0\x2fLmarta hunter2                                0",
        FromClient::Login(current),
    );
    soup_client(b"\0\x03+hi", FromClient::Debug(b"hi"));
    soup_client(b"\0\x02UA", FromClient::Unsequenced(b"A"));
    soup_client(b"\0\x01R", FromClient::Heartbeat);
    soup_client(b"\0\x01O", FromClient::Logout);
    soup_client(b"\0\x01!", FromClient::Unknown(b'!'));
}

#[test]
fn soupbintcp_refusals() {
    use soupbintcp::{FromClient, FromServer};
    let accepted = b"\0\x1fA 20260727A                   1";
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = accepted.to_vec();
        change(&mut bytes);
        let len = bytes.len() as u16 - 2;
        bytes[..2].copy_from_slice(&len.to_be_bytes());
        FromServer::parse(&bytes).err()
    };
    assert_eq!(refused(&|_| ()), None);
    assert_eq!(refused(&|b| b.push(b'x')), None, "a newer version's");
    for cut in 3..accepted.len() {
        assert_eq!(refused(&|b| b.truncate(cut)), Some(Reject::ShortMessage));
    }
    assert_eq!(refused(&|b| b[3..13].fill(b' ')), Some(Reject::BadSession));
    assert_eq!(refused(&|b| b[5] = 0), Some(Reject::BadSession));
    assert_eq!(refused(&|b| b[13..33].fill(b' ')), Some(Reject::BadField));
    assert_eq!(refused(&|b| b[13..33].fill(b'9')), Some(Reject::BadField));
    assert_eq!(refused(&|b| b[32] = b'-'), Some(Reject::BadField));
    assert_eq!(refused(&|b| b[13..33].copy_from_slice(b"7                   ")), None);

    for (bytes, reject) in [
        (&b""[..], Reject::ShortHeader),
        (b"\0", Reject::ShortHeader),
        (b"\0\0", Reject::ShortHeader),
        (b"\0\x02H", Reject::LengthMismatch),
        (b"\0\x01HH", Reject::LengthMismatch),
        (b"\0\x01A", Reject::ShortMessage),
        (b"\0\x01J", Reject::ShortMessage),
    ] {
        assert_eq!(FromServer::parse(bytes), Err(reject), "{bytes:?}");
    }
    let login = b"\0\x2fLmarta hunter2    20260727A                   1";
    let mut bytes = login.to_vec();
    bytes[48] = b'x';
    assert_eq!(FromClient::parse(&bytes), Err(Reject::BadField));
    bytes[20] = 7;
    assert_eq!(FromClient::parse(&bytes), Err(Reject::BadSession));
    assert_eq!(FromClient::parse(b"\0\x01L"), Err(Reject::ShortMessage));
    assert_eq!(soupbintcp::LoginRequest::LEN, login.len());
}

#[test]
fn numbers_are_text_with_spaces_at_either_end_and_nothing_else() {
    for (field, number) in [
        ("1", Ok(1)),
        ("007", Ok(7)),
        ("   42", Ok(42)),
        ("42   ", Ok(42)),
        (" 42  ", Ok(42)),
        ("18446744073709551615", Ok(u64::MAX)),
        ("18446744073709551616", Err(Reject::BadField)),
        ("99999999999999999999", Err(Reject::BadField)),
        ("", Err(Reject::BadField)),
        ("     ", Err(Reject::BadField)),
        ("4 2", Err(Reject::BadField)),
        ("+1", Err(Reject::BadField)),
        ("-1", Err(Reject::BadField)),
        ("1\0", Err(Reject::BadField)),
        ("\t1", Err(Reject::BadField)),
        ("1.0", Err(Reject::BadField)),
    ] {
        assert_eq!(ascii::number(field.as_bytes()), number, "{field:?}");
    }
    assert_eq!(ascii::right(0), *b"                   0");
    assert_eq!(ascii::right(u64::MAX), *b"18446744073709551615");
    assert_eq!(ascii::left_aligned(*b"  a b "), *b"a b   ");
    assert_eq!(ascii::right_aligned(*b" a b  "), *b"   a b");
    assert_eq!(ascii::left_aligned(*b"    "), *b"    ");
}

#[test]
fn glimpse_by_hand() {
    let end = EndOfSnapshot::of(SeqNo(123));
    assert_eq!(end.as_bytes(), b"G123                 ");
    assert_eq!(glimpse::end(end.as_bytes()), Ok(Some(SeqNo(123))));
    assert_eq!(glimpse::end(b"G                 123"), Ok(Some(SeqNo(123))));
    assert_eq!(glimpse::end(b"G123                 more"), Ok(Some(SeqNo(123))));
    let longest = EndOfSnapshot::of(SeqNo(u64::MAX));
    assert_eq!(glimpse::end(longest.as_bytes()), Ok(Some(SeqNo(u64::MAX))));
    assert_eq!(glimpse::end(b"A123"), Ok(None));
    assert_eq!(glimpse::end(b""), Ok(None));
    assert_eq!(glimpse::end(b"G0                   "), Err(Reject::BadSequence));
    assert_eq!(glimpse::end(b"G                    "), Err(Reject::BadField));
    for cut in 1..21 {
        assert_eq!(glimpse::end(&end.as_bytes()[..cut]), Err(Reject::ShortMessage));
    }
}

const STREAM: tp::Stream = tp::Stream { protocol: tp::DEEP_1_0, channel: 1, session: 7 };

fn snap_server(bytes: &str, packet: snap::FromServer<'_>) {
    let bytes = hex(bytes);
    let mut buffer = [0xa5; snap::LONGEST];
    assert_eq!(packet.encode(&mut buffer), Some(&bytes[..]));
    assert_eq!(packet.encode(&mut buffer[..bytes.len() - 1]), None);
    assert_eq!(snap::FromServer::parse(&bytes), Ok(packet));
}

#[test]
fn snap_of_a_server_by_hand() {
    use snap::{Error, FromServer};
    for (code, error) in [
        ("41", Error::NotAuthenticated),
        ("43", Error::WrongChannel),
        ("45", Error::Active),
        ("51", Error::Quota),
        ("52", Error::NotYet),
        ("53", Error::WrongSession),
        ("55", Error::NotUnderstood),
        ("3f", Error::Other(b'?')),
    ] {
        snap_server(&format!("0200 65 {code}"), FromServer::Error(error));
    }
    snap_server("0900 73 0403020100000000", FromServer::Start { image_len: 0x0102_0304 });
    snap_server("0900 78 0a00000000000000", FromServer::End { last: SeqNo(10) });
    snap_server("0900 78 0000000000000000", FromServer::End { last: SeqNo(0) });
    snap_server(DATA, FromServer::Data { stream: STREAM, message: b"ABC" });
    snap_server(
        "2b00 64 01 00 0480 01000000 07000000 0200 0100 0000000000000000 0000000000000000
            0000000000000000 0000",
        FromServer::Data { stream: STREAM, message: b"" },
    );
    snap_server("0100 21", FromServer::Unknown(b'!'));
}

const DATA: &str = "2e00 64 01 00 0480 01000000 07000000 0500 0100 0000000000000000
    0000000000000000 0000000000000000 0300 414243";

#[test]
fn snap_of_a_client_by_hand() {
    let mut token = [b' '; 40];
    token[..5].copy_from_slice(b"token");
    let request = snap::Request { token, channel: 1, session: 7, lowest: SeqNo(10) };
    let mut bytes = hex("3900 72 746f6b656e");
    bytes.extend_from_slice(&[b' '; 35]);
    bytes.extend_from_slice(&hex("01000000 07000000 0a00000000000000"));
    assert_eq!(request.encode().unwrap().as_slice(), bytes);
    assert_eq!(snap::FromClient::parse(&bytes), Ok(snap::FromClient::Request(request)));
    assert!(!format!("{request:?}").contains("116"), "no byte of the token is printed");
    assert_eq!(snap::Request { lowest: SeqNo(1 << 63), ..request }.encode(), None);
    assert_eq!(snap::FromClient::parse(b"\x01\0!"), Ok(snap::FromClient::Unknown(b'!')));
    bytes[58] = 0x80;
    assert_eq!(snap::FromClient::parse(&bytes), Err(Reject::BadSequence));
    assert_eq!(snap::FromClient::parse(b"\x01\0r"), Err(Reject::ShortMessage));
    assert_eq!(snap::FromClient::parse(b"\x01\0"), Err(Reject::ShortHeader));
}

#[test]
fn snap_refusals() {
    let good = hex(DATA);
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        let len = bytes.len() as u16 - 2;
        bytes[..2].copy_from_slice(&len.to_le_bytes());
        snap::FromServer::parse(&bytes).err()
    };
    assert_eq!(refused(&|_| ()), None);
    for cut in 3..45 {
        assert_eq!(refused(&|b| b.truncate(cut)), Some(Reject::ShortMessage));
    }
    for cut in 45..good.len() {
        assert_eq!(refused(&|b| b.truncate(cut)), Some(Reject::TruncatedMessage));
    }
    assert_eq!(refused(&|b| b.push(0)), Some(Reject::TrailingBytes));
    assert_eq!(refused(&|b| b[3] = 2), Some(Reject::BadVersion));
    assert_eq!(refused(&|b| b[27] = 0xff), None, "the header's number is not looked at");
    for (bytes, reject) in [
        ("0900 73 00000000000000ff", Reject::BadField),
        ("0900 78 00000000000000ff", Reject::BadSequence),
        ("0900 78 ffffffffffffff7f", Reject::BadSequence),
        ("0800 78 ffffffffffffff", Reject::ShortMessage),
        ("0100 65", Reject::ShortMessage),
        ("0100 73", Reject::ShortMessage),
        ("0200 73", Reject::LengthMismatch),
        ("0000", Reject::ShortHeader),
    ] {
        assert_eq!(snap::FromServer::parse(&hex(bytes)), Err(reject), "{bytes}");
    }
    let mut buffer = [0; 128];
    let beyond = snap::FromServer::End { last: SeqNo(1 << 63) };
    assert_eq!(beyond.encode(&mut buffer), None);
    assert_eq!(snap::FromServer::Start { image_len: 1 << 63 }.encode(&mut buffer), None);
}

#[test]
fn no_packet_is_longer_than_the_longest() {
    let mut buffer = [0; 4096];
    let room = soupbintcp::LONGEST - 3;
    let longest = soupbintcp::FromServer::Sequenced(&[7; soupbintcp::LONGEST - 3]);
    assert_eq!(longest.encode(&mut buffer).unwrap().len(), soupbintcp::LONGEST);
    let text = vec![7; room + 1];
    assert_eq!(soupbintcp::FromServer::Sequenced(&text).encode(&mut buffer), None);
    let data = snap::FromServer::Data { stream: STREAM, message: &text };
    assert_eq!(data.encode(&mut buffer), None);

    for (wire, framing) in [
        ([(room as u16 + 1).to_be_bytes(), [b'S', 1]].concat(), soupbintcp::FRAMING),
        ([(room as u16 + 1).to_le_bytes(), [b'd', 1]].concat(), snap::FRAMING),
    ] {
        assert_eq!(framing.split(&wire).take_next(), Ok(None), "it may still come");
    }
    for (wire, framing) in [
        ([(room as u16 + 2).to_be_bytes(), [b'S', 1]].concat(), soupbintcp::FRAMING),
        ([(room as u16 + 2).to_le_bytes(), [b'd', 1]].concat(), snap::FRAMING),
        (vec![0, 0, b'S'], soupbintcp::FRAMING),
        (vec![0, 0], snap::FRAMING),
        (vec![0xff, 0xff], snap::FRAMING),
    ] {
        let mut frames = framing.split(&wire);
        assert_eq!(frames.take_next(), Err(Reject::LengthMismatch));
        assert_eq!(frames.take_next(), Err(Reject::LengthMismatch), "at every look");
        assert_eq!(frames.consumed(), 0);
    }
}

#[test]
fn segments_over_tcp_are_as_long_as_they_say() {
    let at = tp::Position { sequence: SeqNo(9), stream_offset: 0 };
    let mut buffer = [0; 100];
    let mut writer = tp::Writer::new(&mut buffer, STREAM, at).unwrap();
    writer.push(b"abc").unwrap();
    let segment = writer.finish(candor_core::WireTime(1));
    for cut in 0..40 {
        assert_eq!(tp::segment_len(&segment[..cut]), Ok(None));
    }
    for cut in 40..segment.len() {
        assert_eq!(tp::segment_len(&segment[..cut]), Ok(Some(45)));
    }
    let mut other = segment.to_vec();
    other[0] = 2;
    assert_eq!(tp::segment_len(&other), Err(Reject::BadVersion));
}

proptest! {
    /// However much of a stream is there: the whole packets of it, and what is left is the front of
    /// the next.
    #[test]
    fn a_stream_is_split_alike_wherever_it_is_cut(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..90), 0..20),
        cuts in prop::collection::vec(0usize..60, 0..60),
    ) {
        let mut wire = Vec::new();
        let mut buffer = [0; soupbintcp::LONGEST];
        for message in &messages {
            let packet = soupbintcp::FromServer::Sequenced(message);
            wire.extend_from_slice(packet.encode(&mut buffer).unwrap());
        }
        let (mut kept, mut at, mut got) = (Vec::new(), 0, Vec::new());
        for cut in cuts.into_iter().chain([usize::MAX]) {
            let end = at + cut.min(wire.len() - at);
            kept.extend_from_slice(&wire[at..end]);
            at = end;
            let mut frames = soupbintcp::split(&kept);
            while let Some(packet) = frames.take_next().unwrap() {
                let soupbintcp::FromServer::Sequenced(message) =
                    soupbintcp::FromServer::parse(packet).unwrap() else { panic!() };
                got.push(message.to_vec());
            }
            let consumed = frames.consumed();
            kept.drain(..consumed);
        }
        prop_assert_eq!(got, messages);
        prop_assert!(kept.is_empty());
    }

    #[test]
    fn every_number_is_read_as_it_was_written(number: u64) {
        prop_assert_eq!(ascii::number(&ascii::right(number)), Ok(number));
        let end = EndOfSnapshot::of(SeqNo(number.max(1)));
        prop_assert_eq!(end.next(), Ok(SeqNo(number.max(1))));
        let field = ascii::right(number);
        let digits = number.to_string();
        prop_assert_eq!(digits.as_bytes(), ascii::trimmed(&field));
    }
}

#[test]
fn the_session_of_a_login_is_that_of_the_stream() {
    let name = *b"20260727A ";
    let stream = moldudp64::session_name(moldudp64::session_id(name).unwrap());
    let accepted = b"\0\x1fA 20260727A                   1";
    let soupbintcp::FromServer::Accepted { session, .. } =
        soupbintcp::FromServer::parse(accepted).unwrap()
    else {
        panic!("it is a login accepted");
    };
    assert_eq!(session, stream);
}

//! Target `soupbintcp`: a stream of SoupBinTCP packets from either side, and the end of a snapshot.

use candor_core::SeqNo;
use candor_decoders::nasdaq::glimpse::{self, EndOfSnapshot};
use candor_decoders::nasdaq::soupbintcp::{self, FRAMING, FromClient, FromServer};
use candor_decoders::nasdaq::{ascii, moldudp64};
use candor_decoders::{IntoBytes, View};

/// A stream is split alike wherever it is cut, and what a packet is understood as is written and
/// understood as the same. The bytes are tried as a stream, and as one packet of a sound length.
pub fn check(bytes: &[u8]) {
    crate::stream_is_split(FRAMING, bytes, packet);
    if (1..FRAMING.longest - 1).contains(&bytes.len()) {
        packet(&[&(bytes.len() as u16).to_be_bytes(), bytes].concat());
    }
    packet(bytes);
    end(bytes);
    number(bytes);
}

fn packet(bytes: &[u8]) {
    let mut buffer = [0xa5; soupbintcp::LONGEST];
    if let Ok(said) = FromServer::parse(bytes) {
        if bytes.len() <= FRAMING.longest {
            let again = said.encode(&mut buffer).expect("it came as a packet");
            assert_eq!(FromServer::parse(again), Ok(said));
            assert!(again.len() <= bytes.len());
        }
        if let FromServer::Accepted { session, .. } = said {
            assert_eq!(
                moldudp64::session_name(moldudp64::session_id(session).expect("text")),
                session
            );
        }
    }
    if let Ok(said) = FromClient::parse(bytes)
        && bytes.len() <= FRAMING.longest
    {
        let again = said.encode(&mut buffer).expect("it came as a packet");
        assert_eq!(FromClient::parse(again), Ok(said));
        assert!(again.len() <= bytes.len());
    }
}

fn end(bytes: &[u8]) {
    crate::view_is_its_bytes::<EndOfSnapshot>(bytes);
    if let Ok(Some(next)) = glimpse::end(bytes) {
        assert_ne!(next, SeqNo(0));
        assert!(bytes.len() >= EndOfSnapshot::LEN);
        assert_eq!(glimpse::end(EndOfSnapshot::of(next).as_bytes()), Ok(Some(next)));
    }
}

/// A field's number is what the standard library reads in it.
fn number(bytes: &[u8]) {
    let field = &bytes[..bytes.len().min(24)];
    let text = core::str::from_utf8(field).ok().map(|text| text.trim_matches(' '));
    let slow = text.filter(|text| !text.starts_with('+')).and_then(|text| text.parse::<u64>().ok());
    assert_eq!(ascii::number(field).ok(), slow);
}

//! Target `snap`: a stream of SNAP packets from either side.

use candor_decoders::iex::snap::{self, FRAMING, FromClient, FromServer};

/// A stream is split alike wherever it is cut, and what a packet is understood as is written and
/// understood as the same. The bytes are tried as a stream, as one packet of a sound length, and as a
/// data packet whose message has a sound length.
pub fn check(bytes: &[u8]) {
    crate::stream_is_split(FRAMING, bytes, packet);
    packet(bytes);
    if (1..FRAMING.longest - 1).contains(&bytes.len()) {
        let mut sound = [&(bytes.len() as u16).to_le_bytes(), bytes].concat();
        packet(&sound);
        if let Some(message_len) = sound.len().checked_sub(45) {
            sound[2..4].copy_from_slice(&[b'd', 1]);
            sound[43..45].copy_from_slice(&(message_len as u16).to_le_bytes());
            assert!(matches!(FromServer::parse(&sound), Ok(FromServer::Data { .. })));
            packet(&sound);
        }
    }
}

fn packet(bytes: &[u8]) {
    let mut buffer = [0xa5; snap::LONGEST];
    if let Ok(said) = FromServer::parse(bytes)
        && bytes.len() <= FRAMING.longest
    {
        let again = said.encode(&mut buffer).expect("it came as a packet");
        assert_eq!(FromServer::parse(again), Ok(said));
        assert!(again.len() <= bytes.len());
        if let FromServer::Data { message, .. } = said {
            crate::lies_within(message, bytes);
            assert_eq!(message.len() + 45, bytes.len());
        }
    }
    if let Ok(said) = FromClient::parse(bytes)
        && let FromClient::Request(request) = said
    {
        let again = request.encode().expect("its number came from the wire");
        assert_eq!(FromClient::parse(&again), Ok(said));
        assert_eq!(again[3..], bytes[3..again.len()]);
    }
}

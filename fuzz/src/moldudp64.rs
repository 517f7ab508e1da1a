//! Target `moldudp64`: a MoldUDP64 downstream packet, and a request.

use candor_core::Packet;
use candor_core::packet::Content;
use candor_decoders::nasdaq::moldudp64::{self, Full, HEADER_LEN, Request, Writer};

/// A packet is understood whole or not at all, and packing its messages again gives its bytes. The
/// bytes are tried as they are and with a sound header, so that no gate keeps the blocks from sight.
pub fn check(bytes: &[u8]) {
    downstream(bytes);
    if bytes.len() >= HEADER_LEN {
        let mut sound = bytes.to_vec();
        sound[..10].copy_from_slice(b"20260727A ");
        sound[10] &= 0x7f;
        sound[17] |= 1;
        downstream(&sound);
    }
    if let Ok(request) = Request::parse(bytes) {
        assert_eq!(request.encode().as_slice(), bytes);
        assert!(request.count > 0);
    }
}

fn downstream(bytes: &[u8]) {
    let Ok(packet) = moldudp64::frame(bytes) else { return };
    crate::packet_is_whole(&packet, &bytes[HEADER_LEN..]);
    for cut in [0, HEADER_LEN - 1, HEADER_LEN, bytes.len() - 1] {
        assert!(cut >= bytes.len() || moldudp64::frame(&bytes[..cut]).is_err());
    }
    packed_again(&packet, bytes);
}

fn packed_again(packet: &Packet<'_>, bytes: &[u8]) {
    let session = moldudp64::session_name(packet.session);
    assert_eq!(session, bytes[..10]);
    assert_eq!(moldudp64::session_id(session), Ok(packet.session));
    if packet.content == Content::End {
        assert_eq!(moldudp64::end(session, packet.range.first).as_slice(), bytes);
        return;
    }
    let mut buffer = vec![0xa5; bytes.len()];
    let mut writer = Writer::new(&mut buffer, session, packet.range.first).expect("a header fits");
    for message in packet.messages {
        writer.push(message).expect("it came from a packet of this length");
    }
    assert_eq!(writer.push(b""), Err(Full));
    assert_eq!(writer.finish(), bytes);
}

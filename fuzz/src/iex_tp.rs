//! Target `iex_tp`: an IEX-TP segment, and a gap-fill request.

use candor_core::{Packet, SeqRange, WireTime};
use candor_decoders::iex::gapfill::{self, Request};
use candor_decoders::iex::tp;

/// A segment is understood whole or not at all, and packing its messages again gives its bytes. The
/// bytes are tried as they are and with a sound header, so that no gate keeps the blocks from sight.
pub fn check(bytes: &[u8]) {
    for protocol in [tp::DEEP_1_0, tp::TOPS_1_6] {
        segment(protocol, bytes);
    }
    if let Some((header, blocks)) = bytes.split_first_chunk::<{ tp::HEADER_LEN }>() {
        let mut sound = bytes.to_vec();
        sound[0] = tp::VERSION;
        sound[1] = 0;
        sound[2..4].copy_from_slice(&tp::DEEP_1_0.to_le_bytes());
        sound[12..14].copy_from_slice(&(blocks.len() as u16).to_le_bytes());
        sound[8] |= 1;
        sound[31] &= 0x3f;
        sound[24] |= 1;
        sound[39] = header[39] & 0x7f;
        segment(tp::DEEP_1_0, &sound);
    }
    request(bytes);
}

fn segment(protocol: u16, bytes: &[u8]) {
    let Ok(packet) = tp::frame(protocol, bytes) else { return };
    crate::packet_is_whole(&packet, &bytes[tp::HEADER_LEN..]);
    for cut in [0, tp::HEADER_LEN - 1, tp::HEADER_LEN, bytes.len() - 1] {
        assert!(cut >= bytes.len() || tp::frame(protocol, &bytes[..cut]).is_err());
    }
    packed_again(&packet, bytes);
}

fn packed_again(packet: &Packet<'_>, bytes: &[u8]) {
    let (header, _) = tp::segment(bytes).expect("it was understood");
    if header.reserved != 0 || packet.send_time.is_none() {
        return;
    }
    let stream = tp::Stream {
        protocol: header.protocol.get(),
        channel: header.channel.get(),
        session: header.session.get(),
    };
    let at = tp::Position {
        sequence: packet.range.first,
        stream_offset: header.stream_offset.get().cast_unsigned(),
    };
    let mut buffer = vec![0xa5; bytes.len()];
    let mut writer = tp::Writer::new(&mut buffer, stream, at).expect("a header fits");
    for message in packet.messages {
        writer.push(message).expect("it came from a packet of this length");
    }
    assert_eq!(writer.push(b""), Err(tp::Full));
    assert_eq!(writer.finish(packet.send_time.unwrap_or(WireTime(0))), bytes);
}

fn request(bytes: &[u8]) {
    let Ok(request) = Request::parse(bytes) else { return };
    let ranges: Vec<SeqRange> = request.ranges().collect();
    assert!(ranges.iter().all(|range| !range.is_empty() && range.first.0 > 0));
    assert!(ranges.is_sorted_by(|a, b| a.end <= b.first));
    let mut buffer = vec![0xa5; bytes.len()];
    assert_eq!(gapfill::encode(&mut buffer, request.stream, &ranges), Some(bytes));
}

//! Target `packet`: the whole way from a frame to what its messages mean, and from messages to
//! frames and back.

use candor_core::{SeqNo, WireTime};
use candor_decoders::iex::tp;
use candor_decoders::nasdaq::moldudp64;
use candor_decoders::{Format, net};

const SESSION: [u8; 10] = *b"20260727A ";
const ROUTE: net::Route = net::Route {
    source_mac: [2, 0, 0, 0, 0, 1],
    source: [10, 0, 0, 1],
    group: [239, 1, 1, 1],
    source_port: 40_000,
    port: 26_400,
    vlans: [None, Some(7)],
};

/// The first byte chooses the format; the rest is read as a frame, as a datagram's payload, and as a
/// list of messages (a length byte before each) that is packed into frames and read back.
pub fn check(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let format = Format::ALL[usize::from(*choice) % Format::ALL.len()];
    if let Ok(datagram) = net::udp(bytes) {
        payload(format, datagram.payload);
    }
    payload(format, bytes);
    there_and_back(format, bytes);
}

fn payload(format: Format, payload: &[u8]) {
    let Ok(packet) = format.frame(payload) else { return };
    let header = match format {
        Format::IexDeep | Format::IexTops => tp::HEADER_LEN,
        Format::NasdaqItch50 => moldudp64::HEADER_LEN,
    };
    crate::packet_is_whole(&packet, &payload[header..]);
    for message in packet.messages {
        let _ = crate::message_holds(format, message);
    }
    for other in Format::ALL.into_iter().filter(|other| *other != format) {
        let both_iex = format != Format::NasdaqItch50 && other != Format::NasdaqItch50;
        assert!(!both_iex || other.frame(payload).is_err(), "one protocol number, two formats");
    }
}

/// The messages in `list`, each behind a byte that is its length; what is left at the end is cut.
fn split(list: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    let mut rest = list;
    while let Some((len, behind)) = rest.split_first() {
        let len = usize::from(*len).min(behind.len());
        let (message, behind) = behind.split_at(len);
        messages.push(message);
        rest = behind;
    }
    messages
}

fn there_and_back(format: Format, list: &[u8]) {
    let messages = split(list);
    let mut read: Vec<Vec<u8>> = Vec::new();
    let mut buffer = [0xa5; 600];
    let mut frame = [0xa5; 700];
    let mut at = tp::Position::START;
    while read.len() < messages.len() {
        let (sent, next) = pack(format, &mut buffer, at, &messages[read.len()..]);
        let frame = net::udp_frame(&mut frame, &ROUTE, sent).expect("it fits");
        let datagram = net::udp(frame).expect("as written");
        let packet = format.frame(datagram.payload).expect("as packed");
        assert_eq!((packet.range.first, packet.range.end), (at.sequence, next.sequence));
        assert!(!packet.range.is_empty(), "every packet carries at least one");
        read.extend(packet.messages.map(<[u8]>::to_vec));
        at = next;
    }
    assert_eq!(read, messages);
}

fn pack<'b>(
    format: Format,
    buffer: &'b mut [u8],
    at: tp::Position,
    messages: &[&[u8]],
) -> (&'b [u8], tp::Position) {
    let protocol = match format {
        Format::IexDeep => tp::DEEP_1_0,
        Format::IexTops => tp::TOPS_1_6,
        Format::NasdaqItch50 => {
            let mut writer = moldudp64::Writer::new(buffer, SESSION, at.sequence).expect("it fits");
            let count = messages.iter().take_while(|m| writer.push(m).is_ok()).count();
            let sequence = SeqNo(at.sequence.0 + count as u64);
            return (writer.finish(), tp::Position { sequence, ..at });
        }
    };
    let stream = tp::Stream { protocol, channel: 1, session: 7 };
    let mut writer = tp::Writer::new(buffer, stream, at).expect("it fits");
    let _ = messages.iter().take_while(|m| writer.push(m).is_ok()).count();
    let next = writer.next();
    (writer.finish(WireTime(1)), next)
}

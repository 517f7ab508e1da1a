//! The two framings a publisher speaks, over the encoders of `candor_decoders`.

use candor_core::{Mono, Nanos, SeqNo, WireTime};
use candor_decoders::iex::tp::{self, Position, Stream};
use candor_decoders::nasdaq::moldudp64;

/// How messages are framed and what names their session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// MoldUDP64 with this session name, space padded.
    MoldUdp64([u8; 10]),
    /// IEX-TP segments of this stream.
    IexTp(Stream),
}

/// Which venue time a moment of ours is: both clocks at one instant. What a publisher stamps on
/// packets and messages follows from it, so that no second clock is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WireClock {
    /// Our time at the instant.
    pub mono: Mono,
    /// The venue's time at the same instant.
    pub wire: WireTime,
}

impl WireClock {
    /// The venue's time at `now`.
    #[must_use]
    pub fn at(&self, now: Mono) -> WireTime {
        let Nanos(passed) = now.since(self.mono);
        WireTime(self.wire.0 + passed)
    }
}

/// Where a line's next packet begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct At {
    /// The number of its first message.
    pub seq: SeqNo,
    /// Message bytes of the session before it, length prefixes included.
    pub offset: u64,
}

impl Framing {
    /// Bytes of a packet before its first message.
    #[must_use]
    pub const fn header_len(&self) -> usize {
        match self {
            Framing::MoldUdp64(_) => moldudp64::HEADER_LEN,
            Framing::IexTp(_) => tp::HEADER_LEN,
        }
    }

    /// Writes `messages` as one packet into `packet`, whose old content is dropped. `len` is what
    /// the packet will have.
    pub(crate) fn data<'m>(
        &self,
        packet: &mut Vec<u8>,
        len: usize,
        at: At,
        sent: WireTime,
        messages: impl Iterator<Item = &'m [u8]>,
    ) {
        packet.clear();
        packet.resize(len, 0);
        // The caller counted the bytes before it cut, so every message has its place.
        match *self {
            Framing::MoldUdp64(session) => {
                let writer = moldudp64::Writer::new(packet, session, at.seq);
                let mut writer = writer.expect("the packet has room for its header");
                for message in messages {
                    writer.push(message).expect("the packet has room for its messages");
                }
                assert_eq!(writer.finish().len(), len);
            }
            Framing::IexTp(stream) => {
                let writer = tp::Writer::new(packet, stream, at.position());
                let mut writer = writer.expect("the segment has room for its header");
                for message in messages {
                    writer.push(message).expect("the segment has room for its messages");
                }
                assert_eq!(writer.finish(sent).len(), len);
            }
        }
    }

    pub(crate) fn heartbeat(&self, packet: &mut Vec<u8>, at: At, sent: WireTime) {
        packet.clear();
        match *self {
            Framing::MoldUdp64(session) => {
                packet.extend_from_slice(&moldudp64::heartbeat(session, at.seq));
            }
            Framing::IexTp(stream) => {
                packet.extend_from_slice(&tp::heartbeat(stream, at.position(), sent));
            }
        }
    }

    /// Writes the packet that ends the session; a heartbeat where the framing has none.
    pub(super) fn end(&self, packet: &mut Vec<u8>, at: At, sent: WireTime) {
        match *self {
            Framing::MoldUdp64(session) => {
                packet.clear();
                packet.extend_from_slice(&moldudp64::end(session, at.seq));
            }
            Framing::IexTp(_) => self.heartbeat(packet, at, sent),
        }
    }
}

impl At {
    /// The first message of a session.
    pub const START: At = At { seq: SeqNo::FIRST, offset: 0 };

    fn position(self) -> Position {
        Position { sequence: self.seq, stream_offset: self.offset }
    }
}

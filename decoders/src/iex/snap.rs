//! IEX SNAP (DEEP 1.6, TOPS 1.6): every packet of either side, read and written.
//!
//! | from | type | packet | fields: offset/length, the packet's length standing at 0/2 and its type at 2/1 |
//! | --- | --- | --- | --- |
//! | client | `r` | request | token 3/40, channel u32 43/4, session u32 47/4, lowest number wanted i64 51/8 |
//! | server | `e` | error | code 3/1 |
//! | server | `s` | start | length of the image i64 3/8 |
//! | server | `d` | data | an IEX-TP header 3/40, the message's length u16 43/2, one message 45/.. |
//! | server | `x` | end | number of the last message the snapshot contains i64 3/8 |
//!
//! The length counts what stands behind it. All integers are little-endian. A venue answers 1,000
//! requests a day, and closes a connection that is idle for 10 seconds.
//!
//! Unverified: whether the token is padded with spaces (it is here), what exactly the length of the
//! image counts (every reading in bytes is accepted, [`Taken::agrees`], and what fits none is no whole
//! snapshot), and what number the header inside a data packet carries (it is not looked at; channel,
//! session and message protocol are).

use candor_core::{ByteOrder, Nanos, Reject, SeqNo};
use core::fmt;
use zerocopy::byteorder::little_endian::{I64, U16, U32};
use zerocopy::{FromBytes, IntoBytes};

use super::tp::{self, Segment, Stream};
use crate::stream::{Frames, Framing, PREFIX_LEN};
use crate::view::{View, views};

/// The longest packet, its length included, in bytes. Nothing known is longer than DEEP's auction
/// message (80) behind two headers.
pub const LONGEST: usize = 1024;

/// Bytes of a data packet beside its message.
pub const DATA_HEAD: usize = DataHead::LEN;

/// How packets are marked off.
pub const FRAMING: Framing = Framing { prefix: ByteOrder::Little, longest: LONGEST };

/// How long a side may hear nothing before it takes the other for dead.
pub const SILENCE_MAX: Nanos = Nanos::from_secs(10);

/// Requests a venue answers in a day.
pub const REQUESTS_A_DAY: u32 = 1_000;

views! {
    /// What a client asks for.
    RequestPacket: b'r', 59 {
        /// Bytes behind this field.
        length: U16 = 0,
        /// `r`.
        kind: u8 = 2,
        /// What proves who asks.
        token: [u8; 40] = 3,
        /// Channel.
        channel: U32 = 43,
        /// Session.
        session: U32 = 47,
        /// The snapshot must contain this number.
        sequence: I64 = 51,
    }
    /// The server's no.
    ErrorPacket: b'e', 4 {
        /// Bytes behind this field.
        length: U16 = 0,
        /// `e`.
        kind: u8 = 2,
        /// Why.
        code: u8 = 3,
    }
    /// A snapshot begins.
    StartPacket: b's', 11 {
        /// Bytes behind this field.
        length: U16 = 0,
        /// `s`.
        kind: u8 = 2,
        /// Length of the image.
        image_len: I64 = 3,
    }
    /// One message of a snapshot, up to where the message stands.
    DataHead: b'd', 45 {
        /// Bytes behind this field.
        length: U16 = 0,
        /// `d`.
        kind: u8 = 2,
        /// The stream it is a snapshot of.
        segment: Segment = 3,
        /// Length of the message.
        message_len: U16 = 43,
    }
    /// A snapshot ends.
    EndPacket: b'x', 11 {
        /// Bytes behind this field.
        length: U16 = 0,
        /// `x`.
        kind: u8 = 2,
        /// The last number contained.
        sequence: I64 = 3,
    }
}

/// The whole packets at the front of what either side has received so far.
#[must_use]
pub const fn split(bytes: &[u8]) -> Frames<'_> {
    FRAMING.split(bytes)
}

/// What a client asks for. Printed without the token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// What proves who asks.
    pub token: [u8; 40],
    /// Channel.
    pub channel: u32,
    /// Session.
    pub session: u32,
    /// The snapshot must contain this number; 0 for any.
    pub lowest: SeqNo,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("channel", &self.channel)
            .field("session", &self.session)
            .field("lowest", &self.lowest)
            .finish_non_exhaustive()
    }
}

impl Request {
    /// The length of a request in bytes.
    pub const LEN: usize = RequestPacket::LEN;

    /// The request as it is sent. `None` where the number is beyond the wire's.
    #[must_use]
    pub fn encode(&self) -> Option<[u8; Request::LEN]> {
        let packet = RequestPacket {
            length: length_of::<RequestPacket>(),
            kind: RequestPacket::KIND,
            token: self.token,
            channel: self.channel.into(),
            session: self.session.into(),
            sequence: i64::try_from(self.lowest.0).ok()?.into(),
        };
        Some(zerocopy::transmute!(packet))
    }
}

/// What a client sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FromClient {
    /// It wants a snapshot.
    Request(Request),
    /// A type that the specification does not list.
    Unknown(u8),
}

impl FromClient {
    /// What a whole packet says, its length included.
    ///
    /// # Errors
    /// [`Reject::ShortHeader`] without a type, [`Reject::LengthMismatch`] where it is not one packet,
    /// [`Reject::ShortMessage`] where it is shorter than its layout, [`Reject::BadSequence`] for a
    /// number below 0.
    pub fn parse(packet: &[u8]) -> Result<FromClient, Reject> {
        let kind = kind_of(packet)?;
        if kind != RequestPacket::KIND {
            return Ok(FromClient::Unknown(kind));
        }
        let view = RequestPacket::view(packet)?;
        let lowest = u64::try_from(view.sequence.get()).map_err(|_| Reject::BadSequence)?;
        Ok(FromClient::Request(Request {
            token: view.token,
            channel: view.channel.get(),
            session: view.session.get(),
            lowest: SeqNo(lowest),
        }))
    }
}

/// Why a server sends no snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// The token is nobody's.
    NotAuthenticated,
    /// The channel is not this server's.
    WrongChannel,
    /// A request of ours is being answered already.
    Active,
    /// The day's requests are used up.
    Quota,
    /// No snapshot contains the number yet.
    NotYet,
    /// The session is not the current one.
    WrongSession,
    /// The request was not understood.
    NotUnderstood,
    /// A letter that the specification does not list.
    Other(u8),
}

impl Error {
    const fn from_byte(byte: u8) -> Error {
        match byte {
            b'A' => Error::NotAuthenticated,
            b'C' => Error::WrongChannel,
            b'E' => Error::Active,
            b'Q' => Error::Quota,
            b'R' => Error::NotYet,
            b'S' => Error::WrongSession,
            b'U' => Error::NotUnderstood,
            other => Error::Other(other),
        }
    }

    const fn byte(self) -> u8 {
        match self {
            Error::NotAuthenticated => b'A',
            Error::WrongChannel => b'C',
            Error::Active => b'E',
            Error::Quota => b'Q',
            Error::NotYet => b'R',
            Error::WrongSession => b'S',
            Error::NotUnderstood => b'U',
            Error::Other(byte) => byte,
        }
    }
}

/// What came of an image so far, to be held against the length that its start has told. A data packet
/// carries no number known to be its own: this length is the only thing by which the loss of one shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Taken {
    messages: u64,
    bytes: u64,
}

impl Taken {
    /// What a server may count beside the bytes of each message: nothing, the block's length, the
    /// header of IEX-TP as well, the packet's type as well, or all of the packet.
    const BESIDE: [u64; 5] = {
        let block = 2;
        let segment = block + tp::HEADER_LEN as u64;
        [0, block, segment, segment + 1, DATA_HEAD as u64]
    };

    /// A message came.
    pub fn take(&mut self, message: &[u8]) {
        self.messages += 1;
        self.bytes += message.len() as u64;
    }

    /// Whether all that came can be an image of `image_len` bytes, in any reading of what they are
    /// bytes of: the specification leaves it open. Where messages are missing, another reading fits
    /// only by accident, of an image of up to some 120 messages for each that is missing; never where
    /// whole packets are counted.
    #[must_use]
    pub fn agrees(&self, image_len: u64) -> bool {
        let len = |beside: u64| self.messages.checked_mul(beside)?.checked_add(self.bytes);
        Taken::BESIDE.into_iter().any(|beside| len(beside) == Some(image_len))
    }
}

/// What a server sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FromServer<'a> {
    /// There will be no snapshot.
    Error(Error),
    /// A snapshot begins.
    Start {
        /// Length of the image in bytes, as the server says it: [`Taken::agrees`].
        image_len: u64,
    },
    /// A message of the snapshot.
    Data {
        /// What it is a snapshot of.
        stream: Stream,
        /// The message.
        message: &'a [u8],
    },
    /// The snapshot is whole.
    End {
        /// The number of the last message it contains; 0 for none.
        last: SeqNo,
    },
    /// A type that the specification does not list.
    Unknown(u8),
}

impl<'a> FromServer<'a> {
    /// What a whole packet says, its length included.
    ///
    /// # Errors
    /// [`Reject::ShortHeader`] without a type, [`Reject::LengthMismatch`] where it is not one packet,
    /// [`Reject::ShortMessage`] where it is shorter than its layout, [`Reject::BadField`] for a length
    /// below 0, [`Reject::BadVersion`], [`Reject::TruncatedMessage`] and [`Reject::TrailingBytes`]
    /// where a message does not fill its packet exactly, [`Reject::BadSequence`] for a number below 0
    /// or at the end of numbers.
    pub fn parse(packet: &'a [u8]) -> Result<FromServer<'a>, Reject> {
        Ok(match kind_of(packet)? {
            ErrorPacket::KIND => {
                FromServer::Error(Error::from_byte(ErrorPacket::view(packet)?.code))
            }
            StartPacket::KIND => {
                let image_len = StartPacket::view(packet)?.image_len.get();
                let image_len = u64::try_from(image_len).map_err(|_| Reject::BadField)?;
                FromServer::Start { image_len }
            }
            DataHead::KIND => data(packet)?,
            EndPacket::KIND => {
                let last = EndPacket::view(packet)?.sequence.get();
                match u64::try_from(last) {
                    Ok(number) if last != i64::MAX => FromServer::End { last: SeqNo(number) },
                    _ => return Err(Reject::BadSequence),
                }
            }
            other => FromServer::Unknown(other),
        })
    }

    /// The packet as it is sent, at the front of `buffer`. `None` where it does not fit, would be
    /// longer than [`LONGEST`], or has a number beyond the wire's.
    #[must_use]
    pub fn encode<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        match *self {
            FromServer::Error(error) => written(buffer, ErrorPacket::KIND, &[error.byte()], &[]),
            FromServer::Start { image_len } => {
                let image_len = i64::try_from(image_len).ok()?.to_le_bytes();
                written(buffer, StartPacket::KIND, &image_len, &[])
            }
            FromServer::Data { stream, message } => {
                let message_len = u16::try_from(message.len()).ok()?;
                let segment = Segment {
                    version: tp::VERSION,
                    reserved: 0,
                    protocol: stream.protocol.into(),
                    channel: stream.channel.into(),
                    session: stream.session.into(),
                    payload_len: message_len.checked_add(2)?.into(),
                    count: 1.into(),
                    stream_offset: 0.into(),
                    sequence: 0.into(),
                    send_time: 0.into(),
                };
                let mut head = [0; DataHead::LEN - PREFIX_LEN - 1];
                let (segment_at, len_at) = head.split_at_mut(tp::HEADER_LEN);
                segment.write_to(segment_at).ok()?;
                len_at.copy_from_slice(&message_len.to_le_bytes());
                written(buffer, DataHead::KIND, &head, message)
            }
            FromServer::End { last } => {
                let last = i64::try_from(last.0).ok()?.to_le_bytes();
                written(buffer, EndPacket::KIND, &last, &[])
            }
            FromServer::Unknown(kind) => written(buffer, kind, &[], &[]),
        }
    }
}

fn data(packet: &[u8]) -> Result<FromServer<'_>, Reject> {
    let Ok((head, message)) = DataHead::ref_from_prefix(packet) else {
        return Err(Reject::ShortMessage);
    };
    if head.segment.version != tp::VERSION {
        return Err(Reject::BadVersion);
    }
    match usize::from(head.message_len.get()) {
        len if len > message.len() => return Err(Reject::TruncatedMessage),
        len if len < message.len() => return Err(Reject::TrailingBytes),
        _ => {}
    }
    let stream = Stream {
        protocol: head.segment.protocol.get(),
        channel: head.segment.channel.get(),
        session: head.segment.session.get(),
    };
    Ok(FromServer::Data { stream, message })
}

/// The type of a whole packet.
fn kind_of(packet: &[u8]) -> Result<u8, Reject> {
    FRAMING.whole(packet)?;
    packet.get(PREFIX_LEN).copied().ok_or(Reject::ShortHeader)
}

fn length_of<T: View>() -> U16 {
    ((T::LEN - PREFIX_LEN) as u16).into()
}

fn written<'b>(buffer: &'b mut [u8], kind: u8, head: &[u8], tail: &[u8]) -> Option<&'b [u8]> {
    let head_at = PREFIX_LEN + 1;
    let tail_at = head_at + head.len();
    let packet = buffer.get_mut(..tail_at + tail.len())?;
    packet[PREFIX_LEN] = kind;
    packet[head_at..tail_at].copy_from_slice(head);
    packet[tail_at..].copy_from_slice(tail);
    FRAMING.seal(packet)?;
    Some(packet)
}

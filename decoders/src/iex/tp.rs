//! IEX-TP 1.0 (document revision 1.26): the segment and the gap-fill request, read and written.
//!
//! | offset | length | field | type |
//! | --- | --- | --- | --- |
//! | 0 | 1 | version, always 1 | u8 |
//! | 1 | 1 | reserved | |
//! | 2 | 2 | message protocol | u16 |
//! | 4 | 4 | channel | u32 |
//! | 8 | 4 | session | u32 |
//! | 12 | 2 | payload length: bytes behind this header | u16 |
//! | 14 | 2 | message count; 0 is a heartbeat | u16 |
//! | 16 | 8 | stream offset: payload bytes of the session before this segment | i64 |
//! | 24 | 8 | number of the first message; in a heartbeat, the next one | i64 |
//! | 32 | 8 | send time, ns since the Unix epoch | i64 |
//! | 40 | .. | per message a u16 length, which does not count itself, and that many bytes | |
//!
//! All integers are little-endian. The lines carry the same messages under the same numbers, but may
//! cut them into different segments. There is no end-of-session segment. The session's number is
//! seen to survive a restart of the numbers at 1 (2017 captures), so an unchanged session does not
//! exclude a restart. The channel is not part of the [`SessionId`]: one group and port carry one
//! channel, and [`Segment::channel`] is there for a caller that wants to check it.

use candor_core::packet::{ByteOrder, Content};
use candor_core::{Messages, Packet, Reject, SeqNo, SeqRange, SessionId, WireTime};
use zerocopy::byteorder::little_endian::{I64, U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Length of a segment's header in bytes.
pub const HEADER_LEN: usize = 40;

/// The one version.
pub const VERSION: u8 = 1;

/// Message protocol number of TOPS 1.6.
pub const TOPS_1_6: u16 = 0x8003;

/// Message protocol number of DEEP 1.0.
pub const DEEP_1_0: u16 = 0x8004;

/// The header of a segment.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Segment {
    /// [`VERSION`].
    pub version: u8,
    /// Zero when sent, ignored when received.
    pub reserved: u8,
    /// Which messages it carries: [`TOPS_1_6`], [`DEEP_1_0`].
    pub protocol: U16,
    /// The channel; with protocol and session it names the run of numbers.
    pub channel: U32,
    /// The session.
    pub session: U32,
    /// Bytes behind this header.
    pub payload_len: U16,
    /// Messages in them.
    pub count: U16,
    /// Payload bytes of the session before this segment.
    pub stream_offset: I64,
    /// The first message's number, or the next one's where there is none.
    pub sequence: I64,
    /// When it was sent, in ns since the Unix epoch.
    pub send_time: I64,
}

const _: () = {
    assert!(size_of::<Segment>() == HEADER_LEN);
    assert!(align_of::<Segment>() == 1);
    assert!(core::mem::offset_of!(Segment, version) == 0);
    assert!(core::mem::offset_of!(Segment, reserved) == 1);
    assert!(core::mem::offset_of!(Segment, protocol) == 2);
    assert!(core::mem::offset_of!(Segment, channel) == 4);
    assert!(core::mem::offset_of!(Segment, session) == 8);
    assert!(core::mem::offset_of!(Segment, payload_len) == 12);
    assert!(core::mem::offset_of!(Segment, count) == 14);
    assert!(core::mem::offset_of!(Segment, stream_offset) == 16);
    assert!(core::mem::offset_of!(Segment, sequence) == 24);
    assert!(core::mem::offset_of!(Segment, send_time) == 32);
};

/// The header at the front of a segment.
///
/// # Errors
/// [`Reject::ShortHeader`].
#[inline]
pub fn segment(payload: &[u8]) -> Result<(&Segment, &[u8]), Reject> {
    Segment::ref_from_prefix(payload).map_err(|_| Reject::ShortHeader)
}

/// The length in bytes, header included, of the segment that starts with `head`, where segments come
/// one behind the other over TCP; `None` while too little of it is there to say.
///
/// # Errors
/// [`Reject::BadVersion`]: what follows is no segment.
#[inline]
pub fn segment_len(head: &[u8]) -> Result<Option<usize>, Reject> {
    match segment(head) {
        Ok((header, _)) if header.version != VERSION => Err(Reject::BadVersion),
        Ok((header, _)) => Ok(Some(HEADER_LEN + usize::from(header.payload_len.get()))),
        Err(_) => Ok(None),
    }
}

/// Understands a segment of this message protocol whole.
///
/// # Errors
/// [`Reject::ShortHeader`], [`Reject::BadVersion`], [`Reject::WrongProtocol`],
/// [`Reject::LengthMismatch`] where the payload length is not what the datagram has,
/// [`Reject::BadSession`] for session 0, [`Reject::BadSequence`] for a number below 1 or numbers
/// past the end, [`Reject::TruncatedMessage`] and [`Reject::TrailingBytes`] where the blocks do not
/// fill the payload exactly.
#[inline]
pub fn frame(protocol: u16, payload: &[u8]) -> Result<Packet<'_>, Reject> {
    let (header, blocks) = segment(payload)?;
    if header.version != VERSION {
        return Err(Reject::BadVersion);
    }
    if header.protocol.get() != protocol {
        return Err(Reject::WrongProtocol);
    }
    if usize::from(header.payload_len.get()) != blocks.len() {
        return Err(Reject::LengthMismatch);
    }
    if header.session.get() == 0 {
        return Err(Reject::BadSession);
    }
    let first = match u64::try_from(header.sequence.get()) {
        Ok(first) if first != 0 => SeqNo(first),
        _ => return Err(Reject::BadSequence),
    };
    let count = header.count.get();
    let range = SeqRange::of(first, u64::from(count)).ok_or(Reject::BadSequence)?;
    if i64::try_from(range.end.0).is_err() {
        return Err(Reject::BadSequence);
    }
    Ok(Packet {
        session: SessionId::from_number(u64::from(header.session.get())),
        content: if count == 0 { Content::Heartbeat } else { Content::Data },
        range,
        send_time: u64::try_from(header.send_time.get()).ok().map(WireTime),
        messages: Messages::walk(blocks, count, ByteOrder::Little)?,
    })
}

/// What names one run of sequence numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stream {
    /// Message protocol: [`TOPS_1_6`], [`DEEP_1_0`].
    pub protocol: u16,
    /// Channel.
    pub channel: u32,
    /// Session; not 0.
    pub session: u32,
}

/// Where a stream has got to: what the next segment's header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// The next message's number.
    pub sequence: SeqNo,
    /// Payload bytes of the session so far.
    pub stream_offset: u64,
}

impl Position {
    /// Before the first message of a session.
    pub const START: Position = Position { sequence: SeqNo::FIRST, stream_offset: 0 };
}

fn header(
    stream: Stream,
    at: Position,
    send_time: WireTime,
    payload_len: u16,
    count: u16,
) -> [u8; HEADER_LEN] {
    // The wire's numbers are signed; ours reach their end in 292 years of nanoseconds.
    let header = Segment {
        version: VERSION,
        reserved: 0,
        protocol: stream.protocol.into(),
        channel: stream.channel.into(),
        session: stream.session.into(),
        payload_len: payload_len.into(),
        count: count.into(),
        stream_offset: at.stream_offset.cast_signed().into(),
        sequence: at.sequence.0.cast_signed().into(),
        send_time: send_time.0.cast_signed().into(),
    };
    zerocopy::transmute!(header)
}

/// A segment that says nothing but which number comes next.
#[must_use]
pub fn heartbeat(stream: Stream, at: Position, send_time: WireTime) -> [u8; HEADER_LEN] {
    header(stream, at, send_time, 0, 0)
}

/// A message that the segment being written has no room for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// Writes one segment into a caller's buffer, whose length is the longest datagram payload allowed.
/// The buffer may hold anything before.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    len: usize,
    count: u16,
    stream: Stream,
    at: Position,
}

impl<'a> Writer<'a> {
    /// An empty segment that continues `stream` at `at`. `None` where the buffer does not hold a
    /// header.
    #[must_use]
    pub fn new(buffer: &'a mut [u8], stream: Stream, at: Position) -> Option<Writer<'a>> {
        if buffer.len() < HEADER_LEN {
            return None;
        }
        Some(Writer { buffer, len: HEADER_LEN, count: 0, stream, at })
    }

    /// Appends a message, which takes the next number.
    ///
    /// # Errors
    /// [`Full`] where it does not fit; the segment is as before.
    pub fn push(&mut self, message: &[u8]) -> Result<(), Full> {
        let count = self.count.checked_add(1).ok_or(Full)?;
        let len = u16::try_from(message.len()).map_err(|_| Full)?;
        let end = self.len + 2 + message.len();
        u16::try_from(end - HEADER_LEN).map_err(|_| Full)?;
        let block = self.buffer.get_mut(self.len..end).ok_or(Full)?;
        let (prefix, body) = block.split_at_mut(2);
        prefix.copy_from_slice(&len.to_le_bytes());
        body.copy_from_slice(message);
        self.len = end;
        self.count = count;
        Ok(())
    }

    /// How many messages the segment holds so far.
    #[must_use]
    pub fn count(&self) -> u16 {
        self.count
    }

    /// Bytes of the segment so far, header included.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.len
    }

    /// Where the segment behind this one starts.
    #[must_use]
    pub fn next(&self) -> Position {
        Position {
            sequence: SeqNo(self.at.sequence.0 + u64::from(self.count)),
            stream_offset: self.at.stream_offset + (self.len - HEADER_LEN) as u64,
        }
    }

    /// The segment as sent at `send_time`. Without messages it is a heartbeat.
    #[must_use]
    pub fn finish(self, send_time: WireTime) -> &'a [u8] {
        // `push` kept the payload within 16 bits.
        let payload_len = (self.len - HEADER_LEN) as u16;
        let header = header(self.stream, self.at, send_time, payload_len, self.count);
        let (segment, _) = self.buffer.split_at_mut(self.len);
        segment[..HEADER_LEN].copy_from_slice(&header);
        segment
    }
}

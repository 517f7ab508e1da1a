//! MoldUDP64 1.00: the downstream packet and the request packet, read and written.
//!
//! | offset | length | field | type |
//! | --- | --- | --- | --- |
//! | 0 | 10 | session | text |
//! | 10 | 8 | number of the first message; in heartbeat and end, the next one | u64 |
//! | 18 | 2 | message count; 0 is a heartbeat, 0xFFFF the end of the session | u16 |
//! | 20 | .. | per message a u16 length, which does not count itself, and that many bytes | |
//!
//! All integers are big-endian. A message of length 0 is legal and consumes a number. The document
//! does not promise that the lines cut the stream into the same datagrams.
//!
//! Unverified, because the public document does not say: the highest count a request may ask for.

use candor_core::packet::{ByteOrder, Content};
use candor_core::{Messages, Packet, Reject, SeqNo, SeqRange, SessionId};
use zerocopy::byteorder::big_endian::{U16, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Length of the header in bytes, and of a whole request, heartbeat or end.
pub const HEADER_LEN: usize = 20;

/// The count that says the session is over.
pub const END_OF_SESSION: u16 = 0xFFFF;

/// The most messages one packet can carry; one more would say the session is over.
pub const MESSAGES_MAX: u16 = END_OF_SESSION - 1;

/// The header of a downstream packet, and the whole of a request.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Header {
    /// The session's name, space padded.
    pub session: [u8; 10],
    /// Downstream: the first message's number, or the next. Request: the first number wanted.
    pub sequence: U64,
    /// Downstream: how many messages follow. Request: how many are wanted.
    pub count: U16,
}

const _: () = {
    assert!(size_of::<Header>() == HEADER_LEN);
    assert!(align_of::<Header>() == 1);
    assert!(core::mem::offset_of!(Header, session) == 0);
    assert!(core::mem::offset_of!(Header, sequence) == 10);
    assert!(core::mem::offset_of!(Header, count) == 18);
};

/// Understands a downstream packet whole.
///
/// # Errors
/// [`Reject::ShortHeader`], [`Reject::BadSession`] for a name that is blank or not text,
/// [`Reject::BadSequence`] for number 0 or numbers past the end of 64 bits,
/// [`Reject::TruncatedMessage`] and [`Reject::TrailingBytes`] where the blocks do not fill the
/// packet exactly.
#[inline]
pub fn frame(payload: &[u8]) -> Result<Packet<'_>, Reject> {
    let Ok((header, blocks)) = Header::ref_from_prefix(payload) else {
        return Err(Reject::ShortHeader);
    };
    let session = session_id(header.session)?;
    let first = SeqNo(header.sequence.get());
    if first == SeqNo(0) {
        return Err(Reject::BadSequence);
    }
    let (content, count) = match header.count.get() {
        0 => (Content::Heartbeat, 0),
        END_OF_SESSION if !candor_core::canary!(EndCountTrusted) => (Content::End, 0),
        count => (Content::Data, count),
    };
    let range = SeqRange::of(first, u64::from(count)).ok_or(Reject::BadSequence)?;
    let messages = Messages::walk(blocks, count, ByteOrder::Big)?;
    Ok(Packet { session, content, range, send_time: None, messages })
}

/// The session a name stands for.
///
/// # Errors
/// [`Reject::BadSession`] where the name is blank or holds anything but printable ASCII.
pub fn session_id(name: [u8; 10]) -> Result<SessionId, Reject> {
    let is_text = name.iter().all(|byte| matches!(byte, b' '..=b'~'));
    let is_blank = name.iter().all(|byte| *byte == b' ');
    if !is_text || is_blank { Err(Reject::BadSession) } else { Ok(SessionId::from_text(name)) }
}

/// The name a session of this framing has on the wire: the inverse of [`session_id`].
#[must_use]
pub const fn session_name(session: SessionId) -> [u8; 10] {
    let bytes = session.0.to_be_bytes();
    let mut name = [0; 10];
    let mut at = 0;
    while at < name.len() {
        name[at] = bytes[at];
        at += 1;
    }
    name
}

/// A packet that says nothing but which number comes next.
#[must_use]
pub fn heartbeat(session: [u8; 10], next: SeqNo) -> [u8; HEADER_LEN] {
    header(session, next, 0)
}

/// A packet that says the session is over and which number would have come next.
#[must_use]
pub fn end(session: [u8; 10], next: SeqNo) -> [u8; HEADER_LEN] {
    header(session, next, END_OF_SESSION)
}

fn header(session: [u8; 10], sequence: SeqNo, count: u16) -> [u8; HEADER_LEN] {
    let header = Header { session, sequence: sequence.0.into(), count: count.into() };
    zerocopy::transmute!(header)
}

/// What a receiver asks a re-request server for. The server answers with as many whole messages
/// as one datagram holds; the rest must be asked for again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// The session's name.
    pub session: [u8; 10],
    /// The first number wanted.
    pub first: SeqNo,
    /// How many numbers are wanted.
    pub count: u16,
}

impl Request {
    /// The request as it is sent.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        header(self.session, self.first, self.count)
    }

    /// A request as a server receives it.
    ///
    /// # Errors
    /// [`Reject::ShortHeader`] and [`Reject::TrailingBytes`] where it has not its one length,
    /// [`Reject::BadSession`], and [`Reject::BadSequence`] for number 0, a count of 0, or numbers
    /// past the end of 64 bits.
    pub fn parse(payload: &[u8]) -> Result<Request, Reject> {
        let Ok((header, rest)) = Header::read_from_prefix(payload) else {
            return Err(Reject::ShortHeader);
        };
        if !rest.is_empty() {
            return Err(Reject::TrailingBytes);
        }
        session_id(header.session)?;
        let request = Request {
            session: header.session,
            first: SeqNo(header.sequence.get()),
            count: header.count.get(),
        };
        let range = SeqRange::of(request.first, u64::from(request.count));
        match range {
            Some(range) if request.first != SeqNo(0) && !range.is_empty() => Ok(request),
            _ => Err(Reject::BadSequence),
        }
    }
}

/// A message that the packet being written has no room for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// Writes one downstream packet into a caller's buffer, whose length is the longest payload
/// allowed. The buffer may hold anything before.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    len: usize,
    count: u16,
    session: [u8; 10],
    first: SeqNo,
}

impl<'a> Writer<'a> {
    /// An empty packet whose first message will have the number `first`. `None` where the buffer
    /// does not hold a header.
    #[must_use]
    pub fn new(buffer: &'a mut [u8], session: [u8; 10], first: SeqNo) -> Option<Writer<'a>> {
        if buffer.len() < HEADER_LEN {
            return None;
        }
        Some(Writer { buffer, len: HEADER_LEN, count: 0, session, first })
    }

    /// Appends a message, which takes the next number.
    ///
    /// # Errors
    /// [`Full`] where it does not fit; the packet is as before.
    pub fn push(&mut self, message: &[u8]) -> Result<(), Full> {
        if self.count == MESSAGES_MAX {
            return Err(Full);
        }
        let len = u16::try_from(message.len()).map_err(|_| Full)?;
        let end = self.len + 2 + message.len();
        let block = self.buffer.get_mut(self.len..end).ok_or(Full)?;
        let (prefix, body) = block.split_at_mut(2);
        prefix.copy_from_slice(&len.to_be_bytes());
        body.copy_from_slice(message);
        self.len = end;
        self.count += 1;
        Ok(())
    }

    /// How many messages the packet holds so far.
    #[must_use]
    pub fn count(&self) -> u16 {
        self.count
    }

    /// Bytes of the packet so far, header included.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.len
    }

    /// The packet. Without messages it is a heartbeat.
    #[must_use]
    pub fn finish(self) -> &'a [u8] {
        let header = header(self.session, self.first, self.count);
        let (packet, _) = self.buffer.split_at_mut(self.len);
        packet[..HEADER_LEN].copy_from_slice(&header);
        packet
    }
}

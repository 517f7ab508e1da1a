//! IEX-TP 1.0 (document revision 1.26): the gap-fill request, read and written.
//!
//! | offset | length | field | type |
//! | --- | --- | --- | --- |
//! | 0 | 1 | version, always 1 | u8 |
//! | 1 | 1 | 1: ranges of numbers; 2: ranges of stream bytes | u8 |
//! | 2 | 2 | message protocol | u16 |
//! | 4 | 4 | channel | u32 |
//! | 8 | 4 | session | u32 |
//! | 12 | 4 | number of ranges; 0 over UDP is a test, answered like a heartbeat | u32 |
//! | 16 | 16 each | first and last, both included; ascending, not overlapping | i64, i64 |
//!
//! All integers are little-endian. The answer is ordinary segments. Over UDP at most 1,000 messages
//! are sent for one request; only the current session can be asked for.

use candor_core::{Reject, SeqNo, SeqRange};
use zerocopy::byteorder::little_endian::{I64, U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::tp::{Stream, VERSION};

/// Length of a request's header in bytes.
pub const HEADER_LEN: usize = 16;

/// Length of a range in bytes.
pub const RANGE_LEN: usize = 16;

/// The request type that names numbers.
pub const BY_SEQUENCE: u8 = 1;

/// The request type that names bytes of the stream.
pub const BY_STREAM_OFFSET: u8 = 2;

/// The most messages answered over UDP for one request.
pub const UDP_MESSAGES_MAX: u64 = 1_000;

/// The header of a request.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Header {
    /// Always 1.
    pub version: u8,
    /// [`BY_SEQUENCE`] or [`BY_STREAM_OFFSET`].
    pub request_type: u8,
    /// Message protocol.
    pub protocol: U16,
    /// Channel.
    pub channel: U32,
    /// Session.
    pub session: U32,
    /// How many ranges follow.
    pub ranges: U32,
}

/// One range of a request.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Range {
    /// The first number or byte wanted.
    pub first: I64,
    /// The last number or byte wanted.
    pub last: I64,
}

const _: () = {
    assert!(size_of::<Header>() == HEADER_LEN);
    assert!(align_of::<Header>() == 1);
    assert!(core::mem::offset_of!(Header, version) == 0);
    assert!(core::mem::offset_of!(Header, request_type) == 1);
    assert!(core::mem::offset_of!(Header, protocol) == 2);
    assert!(core::mem::offset_of!(Header, channel) == 4);
    assert!(core::mem::offset_of!(Header, session) == 8);
    assert!(core::mem::offset_of!(Header, ranges) == 12);
    assert!(size_of::<Range>() == RANGE_LEN);
    assert!(align_of::<Range>() == 1);
    assert!(core::mem::offset_of!(Range, first) == 0);
    assert!(core::mem::offset_of!(Range, last) == 8);
};

/// A request by number, as a server reads it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What is asked for.
    pub stream: Stream,
    ranges: &'a [Range],
}

impl<'a> Request<'a> {
    /// The ranges asked for, ascending and apart. Empty for a test.
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = SeqRange> + use<'a> {
        self.ranges.iter().map(|range| {
            let end = range.last.get().saturating_add(1);
            SeqRange::between(SeqNo(range.first.get().cast_unsigned()), SeqNo(end.cast_unsigned()))
        })
    }

    /// A request by number.
    ///
    /// # Errors
    /// [`Reject::ShortHeader`], [`Reject::BadVersion`], [`Reject::BadField`] for a request that is
    /// not by number, [`Reject::LengthMismatch`] where the ranges do not fill the request, and
    /// [`Reject::BadSequence`] where one is below 1, reversed, or not behind the one before.
    pub fn parse(payload: &'a [u8]) -> Result<Request<'a>, Reject> {
        let Ok((header, rest)) = Header::ref_from_prefix(payload) else {
            return Err(Reject::ShortHeader);
        };
        if header.version != VERSION {
            return Err(Reject::BadVersion);
        }
        if header.request_type != BY_SEQUENCE {
            return Err(Reject::BadField);
        }
        let Ok(ranges) = <[Range]>::ref_from_bytes(rest) else {
            return Err(Reject::LengthMismatch);
        };
        if ranges.len() as u64 != u64::from(header.ranges.get()) {
            return Err(Reject::LengthMismatch);
        }
        let mut before = 0;
        for range in ranges {
            if range.first.get() <= before || range.last.get() < range.first.get() {
                return Err(Reject::BadSequence);
            }
            before = range.last.get();
        }
        if before == i64::MAX {
            return Err(Reject::BadSequence);
        }
        let stream = Stream {
            protocol: header.protocol.get(),
            channel: header.channel.get(),
            session: header.session.get(),
        };
        Ok(Request { stream, ranges })
    }
}

/// Writes a request for these ranges, which must be ascending and apart, into `buffer`. `None`
/// where it does not fit, a range is empty or out of order, or a number is beyond the wire's.
#[must_use]
pub fn encode<'b>(buffer: &'b mut [u8], stream: Stream, ranges: &[SeqRange]) -> Option<&'b [u8]> {
    let len = HEADER_LEN.checked_add(ranges.len().checked_mul(RANGE_LEN)?)?;
    let buffer = buffer.get_mut(..len)?;
    let header = Header {
        version: VERSION,
        request_type: BY_SEQUENCE,
        protocol: stream.protocol.into(),
        channel: stream.channel.into(),
        session: stream.session.into(),
        ranges: u32::try_from(ranges.len()).ok()?.into(),
    };
    header.write_to_prefix(buffer).ok()?;
    let mut before = 0;
    let (places, _) = buffer[HEADER_LEN..].as_chunks_mut::<RANGE_LEN>();
    for (place, range) in places.iter_mut().zip(ranges) {
        let (first, last) = (range.first.0, range.last()?.0);
        if first <= before || i64::try_from(last).is_err() || last == i64::MAX.cast_unsigned() {
            return None;
        }
        let range = Range { first: first.cast_signed().into(), last: last.cast_signed().into() };
        range.write_to(place).ok()?;
        before = last;
    }
    Some(buffer)
}

//! What a packet of any sequenced format is once its framing is understood: a session, a range of
//! numbers, and the messages under those numbers. Decoders make it, gapfill consumes it.

use core::fmt;

use crate::{Reject, SeqRange, WireTime};

/// One of the redundant copies of a partition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Line(u8);

impl Line {
    /// The first line.
    pub const A: Line = Line(0);
    /// The second line.
    pub const B: Line = Line(1);
    /// The third line, often the disaster-recovery site's.
    pub const C: Line = Line(2);
    /// Every line a partition can have.
    pub const ALL: [Line; crate::limits::LINES] = [Line::A, Line::B, Line::C];

    /// The line with this index; `None` past the last.
    #[must_use]
    pub const fn from_index(index: usize) -> Option<Line> {
        if index < crate::limits::LINES { Some(Line(index as u8)) } else { None }
    }

    /// 0 for A, 1 for B, 2 for C.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The line's letter.
    #[must_use]
    pub const fn letter(self) -> char {
        (b'A' + self.0) as char
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.letter())
    }
}

/// The name of one run of sequence numbers, as the wire gives it. Formats with a text name store
/// its bytes left-aligned and big-endian ([`SessionId::from_text`]); formats with a number store
/// the number ([`SessionId::from_number`]). Zero is "no session".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct SessionId(pub u128);

impl SessionId {
    /// Before anything was heard.
    pub const NONE: SessionId = SessionId(0);

    /// A session named by at most 16 bytes (MoldUDP64: 10).
    #[must_use]
    pub const fn from_text<const N: usize>(name: [u8; N]) -> SessionId {
        const { assert!(N <= 16, "a session name has at most 16 bytes") };
        let mut bytes = [0u8; 16];
        let mut at = 0;
        while at < N {
            bytes[at] = name[at];
            at += 1;
        }
        SessionId(u128::from_be_bytes(bytes))
    }

    /// A session named by a number. The number is kept apart from text names by being small: text
    /// fills the bytes from the other end.
    #[must_use]
    pub const fn from_number(number: u64) -> SessionId {
        SessionId(number as u128)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 <= u128::from(u64::MAX) {
            return write!(f, "{}", self.0);
        }
        let bytes = self.0.to_be_bytes();
        let len = bytes.iter().rposition(|b| *b != 0 && *b != b' ').map_or(0, |last| last + 1);
        for byte in &bytes[..len] {
            let shown = if byte.is_ascii_graphic() { *byte } else { b'?' };
            write!(f, "{}", shown as char)?;
        }
        Ok(())
    }
}

/// What a packet is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// Messages.
    Data,
    /// No messages; the range is empty and stands at the next number to come.
    Heartbeat,
    /// No messages, and none will follow in this session; the range is empty and stands behind the
    /// last number.
    End,
}

/// The order of the bytes of an integer on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ByteOrder {
    /// Least significant byte first (IEX, CME, Cboe, NYSE, Eurex).
    Little,
    /// Most significant byte first (Nasdaq).
    Big,
}

/// A packet whose framing has been checked whole: there are exactly `range.len()` messages.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The session the numbers belong to.
    pub session: SessionId,
    /// What the packet is for.
    pub content: Content,
    /// The numbers of its messages; empty, at the next number, for heartbeat and end.
    pub range: SeqRange,
    /// When the venue sent it, where the framing says so.
    pub send_time: Option<WireTime>,
    /// The messages, one for each number.
    pub messages: Messages<'a>,
}

/// The messages of one packet in order, each as its own bytes. Made only by a walk over all of
/// them, so iterating can't fail: a packet is understood whole or refused whole.
#[derive(Clone, Copy, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
    left: u16,
    prefix: ByteOrder,
}

impl<'a> Messages<'a> {
    /// No messages.
    pub const NONE: Messages<'static> = Messages { rest: &[], left: 0, prefix: ByteOrder::Little };

    /// `count` blocks of a 16-bit length (not counting itself) and that many bytes, which must
    /// fill `bytes` exactly.
    ///
    /// # Errors
    /// [`Reject::TruncatedMessage`] where a block reaches past the end, [`Reject::TrailingBytes`]
    /// where bytes remain behind the last.
    pub fn walk(bytes: &'a [u8], count: u16, prefix: ByteOrder) -> Result<Messages<'a>, Reject> {
        let mut rest = bytes;
        for _ in 0..count {
            let Some((_, behind)) = split(rest, prefix) else {
                return Err(Reject::TruncatedMessage);
            };
            rest = behind;
        }
        if !rest.is_empty() {
            return Err(Reject::TrailingBytes);
        }
        Ok(Messages { rest: bytes, left: count, prefix })
    }
}

fn split(bytes: &[u8], prefix: ByteOrder) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<2>()?;
    let len = match prefix {
        ByteOrder::Little => u16::from_le_bytes(*len),
        ByteOrder::Big => u16::from_be_bytes(*len),
    };
    rest.split_at_checked(usize::from(len))
}

impl<'a> Iterator for Messages<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        let (message, rest) = split(self.rest, self.prefix)?;
        self.rest = rest;
        Some(message)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(self.left), Some(usize::from(self.left)))
    }
}

impl ExactSizeIterator for Messages<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;
    use std::vec::Vec;

    #[test]
    fn a_walk_takes_whole_packets_only() {
        let bytes = [0, 2, 7, 8, 0, 0, 0, 1, 9];
        let messages: Vec<&[u8]> = Messages::walk(&bytes, 3, ByteOrder::Big).unwrap().collect();
        assert_eq!(messages, [&[7u8, 8][..], &[], &[9]]);
        for cut in 0..bytes.len() {
            assert_eq!(
                Messages::walk(&bytes[..cut], 3, ByteOrder::Big).err(),
                Some(Reject::TruncatedMessage)
            );
        }
        assert_eq!(Messages::walk(&bytes, 2, ByteOrder::Big).err(), Some(Reject::TrailingBytes));
    }

    #[test]
    fn sessions_print_as_the_venue_names_them() {
        assert_eq!(SessionId::from_text(*b"20191230A ").to_string(), "20191230A");
        assert_eq!(SessionId::from_number(1_353_121_792).to_string(), "1353121792");
    }
}

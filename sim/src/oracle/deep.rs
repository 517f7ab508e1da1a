//! IEX-TP 1.0 and DEEP 1.0 by byte offset, as their documents print them. All integers are
//! little-endian.
//!
//! Every message but system events names its symbol, and whatever names it makes it known. Messages
//! that change no level, no trade and no trading state are [`Said::Mentioned`].

use super::wire::{Frame, Said};

/// Bytes in front of a segment's messages.
pub const HEADER: usize = 40;

/// A price level's transaction is complete.
const COMPLETE: u64 = 0x01;

/// Sale conditions of trades that set no last price: outside regular hours, less than a round lot.
const SETS_NOTHING: u64 = 0x40 | 0x20;

/// An unsigned little-endian integer of `len` bytes at `at`; 0 where the bytes are not there.
fn uint(bytes: &[u8], at: usize, len: usize) -> u64 {
    bytes
        .get(at..at + len)
        .map_or(0, |b| b.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte)))
}

/// The framing of a segment; `None` where it is shorter than a header, or not as long as it says.
#[must_use]
pub fn frame(datagram: &[u8]) -> Option<Frame<'_>> {
    let blocks = datagram.get(HEADER..)?;
    if uint(datagram, 12, 2) != blocks.len() as u64 {
        return None;
    }
    let mut session = [0; 10];
    // Protocol, channel and session name a run of numbers.
    session.copy_from_slice(&datagram[2..12]);
    Some(Frame {
        session,
        first: uint(datagram, 24, 8),
        count: uint(datagram, 14, 2),
        end: false,
        offset: Some(uint(datagram, 16, 8)),
        blocks,
    })
}

/// The first message of some blocks and what follows it.
#[must_use]
pub fn split(blocks: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = uint(blocks.get(..2)?, 0, 2) as usize;
    Some((blocks.get(2..2 + len)?, &blocks[2 + len..]))
}

/// The symbol that a message names, when it was sent, and what it says of it; `None` where it names
/// none.
#[must_use]
pub fn message(message: &[u8]) -> Option<([u8; 8], u64, Said)> {
    let n = |at, len| uint(message, at, len);
    // A price that is none of the oracle's can't be any book's either.
    let price = || u32::try_from(n(22, 8)).unwrap_or(u32::MAX);
    let said = match message.first()? {
        side @ (b'8' | b'5') => Said::Level {
            buy: *side == b'8',
            price: price(),
            size: n(18, 4) as u32,
            complete: n(1, 1) & COMPLETE != 0,
        },
        b'T' => Said::Trade {
            size: n(18, 4) as u32,
            price: price(),
            trade: n(30, 8),
            sets_last: n(1, 1) & SETS_NOTHING == 0,
        },
        b'B' => Said::Break { trade: n(30, 8) },
        b'H' => Said::State {
            letter: match n(1, 1) as u8 {
                // Orders are accepted, and quoted, before trading resumes.
                b'O' => b'Q',
                letter => letter,
            },
        },
        b'O' => Said::Halt { halted: n(1, 1) != u64::from(b'N') },
        b'D' | b'P' | b'I' | b'E' | b'X' | b'A' => Said::Mentioned,
        _ => return None,
    };
    let name = *message.get(10..18)?.first_chunk::<8>()?;
    Some((name, n(2, 8), said))
}

/// A heartbeat of a session, made by hand: for publishers that should no longer be there.
#[must_use]
pub fn heartbeat(session: [u8; 10], next: u64, offset: u64) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[0] = 1;
    bytes[2..12].copy_from_slice(&session);
    bytes[16..24].copy_from_slice(&offset.to_le_bytes());
    bytes[24..32].copy_from_slice(&next.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_splits_into_its_messages() {
        let session = [4, 0x80, 1, 0, 0, 0, 7, 0, 0, 0];
        let mut bytes = heartbeat(session, 9, 300).to_vec();
        let beat = frame(&bytes).unwrap();
        assert_eq!((beat.session, beat.first, beat.count, beat.end), (session, 9, 0, false));
        assert_eq!(beat.offset, Some(300));
        bytes[12] = 7;
        bytes[14] = 2;
        assert_eq!(frame(&bytes), None, "not as long as it says");
        bytes.extend_from_slice(&[1, 0, 9, 2, 0, 8, 7]);
        let found = frame(&bytes).unwrap();
        let (one, rest) = split(found.blocks).unwrap();
        let (two, rest) = split(rest).unwrap();
        assert_eq!((found.count, one, two, rest), (2, &[9][..], &[8, 7][..], &[][..]));
        assert_eq!(frame(&bytes[..39]), None);
    }

    #[test]
    fn messages_are_read_where_the_document_has_them() {
        let mut bytes = [0; 30];
        (bytes[0], bytes[1], bytes[2]) = (b'8', 1, 5);
        bytes[10..18].copy_from_slice(b"ZIEXT   ");
        (bytes[18], bytes[22], bytes[23]) = (100, 4, 1);
        let level = Said::Level { buy: true, price: 260, size: 100, complete: true };
        assert_eq!(message(&bytes), Some((*b"ZIEXT   ", 5, level)));
        (bytes[0], bytes[1]) = (b'O', b'N');
        assert_eq!(message(&bytes), Some((*b"ZIEXT   ", 5, Said::Halt { halted: false })));
        bytes[0] = b'S';
        assert_eq!(message(&bytes), None);
        assert_eq!(message(&[]), None);
        assert_eq!(message(b"8"), None);
    }
}

//! What a venue's bytes say, in words common to the venues; and MoldUDP64 1.00 and TotalView-ITCH 5.0
//! by byte offset, as their documents print them ([`super::deep`] has IEX's).
//!
//! Messages of types that change no book, no trade and no trading state are [`Said::Nothing`].

use super::deep;
use crate::market::Family;

/// A datagram's framing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// The ten bytes that name its run of numbers: MoldUDP64's session; protocol, channel and session
    /// of IEX-TP.
    pub session: [u8; 10],
    /// The number of the first message; of the next one where there is none.
    pub first: u64,
    /// Messages.
    pub count: u64,
    /// Whether it says that the session is over.
    pub end: bool,
    /// Bytes of messages, with their lengths, before the first, where the framing says it.
    pub offset: Option<u64>,
    /// The message blocks.
    pub blocks: &'a [u8],
}

/// An unsigned big-endian integer of `len` bytes at `at`; 0 where the bytes are not there.
fn uint(bytes: &[u8], at: usize, len: usize) -> u64 {
    bytes.get(at..at + len).map_or(0, |b| b.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)))
}

/// The framing of a datagram; `None` where it is shorter than a header.
#[must_use]
pub fn frame(venue: Family, datagram: &[u8]) -> Option<Frame<'_>> {
    match venue {
        Family::Itch50 => mold(datagram),
        Family::Deep => deep::frame(datagram),
    }
}

/// The first message of some blocks and what follows it.
#[must_use]
pub fn split(venue: Family, blocks: &[u8]) -> Option<(&[u8], &[u8])> {
    match venue {
        Family::Deep => deep::split(blocks),
        Family::Itch50 => {
            let len = uint(blocks.get(..2)?, 0, 2) as usize;
            Some((blocks.get(2..2 + len)?, &blocks[2 + len..]))
        }
    }
}

/// Bytes in front of a datagram's first message.
#[must_use]
pub const fn header_len(venue: Family) -> usize {
    match venue {
        Family::Itch50 => MOLD_HEADER,
        Family::Deep => deep::HEADER,
    }
}

/// A heartbeat of a session that has come to number `next` and to `offset` bytes, made by hand: for
/// publishers that should no longer be there.
#[must_use]
pub fn heartbeat(venue: Family, session: [u8; 10], next: u64, offset: u64) -> Vec<u8> {
    match venue {
        Family::Itch50 => {
            let mut bytes = vec![0; MOLD_HEADER];
            bytes[..10].copy_from_slice(&session);
            bytes[10..18].copy_from_slice(&next.to_be_bytes());
            bytes
        }
        Family::Deep => deep::heartbeat(session, next, offset).to_vec(),
    }
}

const MOLD_HEADER: usize = 20;

fn mold(datagram: &[u8]) -> Option<Frame<'_>> {
    let mut session = [0; 10];
    session.copy_from_slice(datagram.get(..10)?);
    let count = uint(datagram, 18, 2);
    let blocks = datagram.get(20..)?;
    let (count, end) = if count == 0xffff { (0, true) } else { (count, false) };
    Some(Frame { session, first: uint(datagram, 10, 8), count, end, offset: None, blocks })
}

/// What a message says, as far as books, trades and trading states go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Said {
    /// Of nothing that is kept here.
    Nothing,
    /// A directory entry.
    Named {
        /// Space padded.
        name: [u8; 8],
    },
    /// Nothing but the symbol's name.
    Mentioned,
    /// A trading state's letter.
    State {
        /// `T`, `H`, `P` or `Q`.
        letter: u8,
    },
    /// The venue alone halts the symbol, or no longer.
    Halt {
        /// Whether it is halted.
        halted: bool,
    },
    /// A price level has a new size.
    Level {
        /// A buyer's.
        buy: bool,
        /// Its price in ten-thousandths.
        price: u32,
        /// Its shares; 0 where it is gone.
        size: u32,
        /// Whether the venue's transaction is complete with it.
        complete: bool,
    },
    /// An order rests.
    Add {
        /// Its reference.
        order: u64,
        /// A buyer's.
        buy: bool,
        /// Its price in ten-thousandths.
        price: u32,
        /// Its shares.
        size: u32,
    },
    /// An order trades.
    Execute {
        /// Its reference.
        order: u64,
        /// Shares.
        size: u32,
        /// The match number.
        trade: u64,
        /// Another price than the order's.
        price: Option<u32>,
        /// Whether it counts.
        counts: bool,
    },
    /// An order loses shares.
    Reduce {
        /// Its reference.
        order: u64,
        /// Shares.
        size: u32,
    },
    /// An order leaves.
    Delete {
        /// Its reference.
        order: u64,
    },
    /// An order is replaced.
    Replace {
        /// The old reference.
        old: u64,
        /// The new reference.
        new: u64,
        /// The new price.
        price: u32,
        /// The new shares.
        size: u32,
    },
    /// A trade: of ITCH, one against an order nobody saw; of DEEP, any.
    Trade {
        /// Its price.
        price: u32,
        /// Shares.
        size: u32,
        /// The match number.
        trade: u64,
        /// Whether it is a last price; it counts in any case.
        sets_last: bool,
    },
    /// A trade is broken.
    Break {
        /// The match number.
        trade: u64,
    },
}

/// The stock locate of an ITCH message, and what it says.
#[must_use]
pub fn itch(message: &[u8]) -> (u16, Said) {
    let n = |at, len| uint(message, at, len);
    let said = match message.first() {
        Some(b'R') => {
            let mut name = [b' '; 8];
            name.iter_mut().zip(message.get(11..19).unwrap_or(&[])).for_each(|(to, b)| *to = *b);
            Said::Named { name }
        }
        Some(b'H') => Said::State { letter: n(19, 1) as u8 },
        Some(b'A' | b'F') => Said::Add {
            order: n(11, 8),
            buy: n(19, 1) == u64::from(b'B'),
            size: n(20, 4) as u32,
            price: n(32, 4) as u32,
        },
        Some(b'E') => Said::Execute {
            order: n(11, 8),
            size: n(19, 4) as u32,
            trade: n(23, 8),
            price: None,
            counts: true,
        },
        Some(b'C') => Said::Execute {
            order: n(11, 8),
            size: n(19, 4) as u32,
            trade: n(23, 8),
            counts: n(31, 1) == u64::from(b'Y'),
            price: Some(n(32, 4) as u32),
        },
        Some(b'X') => Said::Reduce { order: n(11, 8), size: n(19, 4) as u32 },
        Some(b'D') => Said::Delete { order: n(11, 8) },
        Some(b'U') => Said::Replace {
            old: n(11, 8),
            new: n(19, 8),
            size: n(27, 4) as u32,
            price: n(31, 4) as u32,
        },
        Some(b'P') => {
            let (size, price) = (n(20, 4) as u32, n(32, 4) as u32);
            Said::Trade { size, price, trade: n(36, 8), sets_last: true }
        }
        Some(b'B') => Said::Break { trade: n(11, 8) },
        _ => Said::Nothing,
    };
    (n(1, 2) as u16, said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_splits_into_its_messages() {
        fn frame(bytes: &[u8]) -> Option<Frame<'_>> {
            super::frame(Family::Itch50, bytes)
        }
        fn split(blocks: &[u8]) -> Option<(&[u8], &[u8])> {
            super::split(Family::Itch50, blocks)
        }
        let mut bytes = heartbeat(Family::Itch50, *b"DAY1      ", 7, 0);
        assert_eq!(frame(&bytes).map(|f| (f.first, f.count, f.end)), Some((7, 0, false)));
        bytes[19] = 2;
        bytes.extend_from_slice(&[0, 1, 9, 0, 2, 8, 7]);
        let found = frame(&bytes).unwrap();
        let (one, rest) = split(found.blocks).unwrap();
        let (two, rest) = split(rest).unwrap();
        assert_eq!((one, two, rest), (&[9][..], &[8, 7][..], &[][..]));
        bytes[18..20].fill(0xff);
        assert_eq!(frame(&bytes).map(|f| (f.count, f.end)), Some((0, true)));
        assert_eq!(frame(&bytes[..19]), None);
    }

    #[test]
    fn a_deletion_is_read_where_the_document_has_it() {
        let mut bytes = [0; 19];
        bytes[0] = b'D';
        bytes[2] = 5;
        bytes[18] = 9;
        assert_eq!(itch(&bytes), (5, Said::Delete { order: 9 }));
        assert_eq!(itch(&[]), (0, Said::Nothing));
    }
}

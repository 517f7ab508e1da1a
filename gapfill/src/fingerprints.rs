//! What was delivered or held lately, by number: enough to tell a second copy from other bytes.

use alloc::boxed::Box;
use alloc::vec;

use candor_core::{Line, Origin, SeqNo, limits::FINGERPRINTS};

/// A hash of a message. Words of eight bytes are folded by one 64 × 64 → 128 bit multiplication
/// each (the step wyhash is made of), the last one filled with zeroes, the length mixed in first.
/// The seed is fixed: equal bytes give equal prints in every run. It is not meant to withstand
/// somebody who looks for collisions; two different messages have the same print once in 2³² times.
#[must_use]
pub(crate) fn print_of(bytes: &[u8]) -> u32 {
    const SEED: u64 = 0xa076_1d64_78bd_642f;
    const FACTOR: u64 = 0xe703_7ed1_a0b4_28db;
    let fold = |word: u64| {
        let product = u128::from(word) * u128::from(FACTOR);
        (product as u64) ^ ((product >> 64) as u64)
    };
    let mut state = fold(SEED ^ bytes.len() as u64);
    let (words, tail) = bytes.as_chunks::<8>();
    for word in words {
        state = fold(state ^ u64::from_le_bytes(*word));
    }
    let mut last = [0u8; 8];
    last[..tail.len()].copy_from_slice(tail);
    // The seed again, so that a state of zero can't swallow a tail of zeroes.
    state = fold(state ^ u64::from_le_bytes(last) ^ SEED);
    (state ^ (state >> 32)) as u32
}

/// The prints of the last [`FINGERPRINTS`] numbers. A cell is eight bytes: the print in the upper
/// half, then three bits for who carried it, then the 29 low bits of the lap (number / FINGERPRINTS),
/// which two numbers share only when 2⁴³ lie between them.
#[derive(Clone, Debug)]
pub(crate) struct Fingerprints {
    cells: Box<[u64]>,
}

const LAP_BITS: u32 = 29;
const LAP_MASK: u64 = (1 << LAP_BITS) - 1;
/// What stands for the retransmit service, where a line has its index.
const RETRANSMIT: u64 = 6;
/// Its origin bits are 7, which is nobody's.
const EMPTY: u64 = u64::MAX;
const _: () = assert!(candor_core::limits::LINES as u64 <= RETRANSMIT);

const fn code_of(origin: Origin) -> u64 {
    match origin {
        Origin::Line(line) => line.index() as u64,
        Origin::Retransmit => RETRANSMIT,
    }
}

fn place(seq: SeqNo) -> (usize, u64) {
    let slot = seq.0 % FINGERPRINTS as u64;
    (slot as usize, (seq.0 / FINGERPRINTS as u64) & LAP_MASK)
}

impl Fingerprints {
    /// Allocates the ring.
    pub(crate) fn new() -> Fingerprints {
        Fingerprints { cells: vec![EMPTY; FINGERPRINTS].into_boxed_slice() }
    }

    /// Remembers a message; what was remembered a lap ago is forgotten.
    #[inline]
    pub(crate) fn put(&mut self, seq: SeqNo, origin: Origin, print: u32) {
        let (slot, lap) = place(seq);
        self.cells[slot] = (u64::from(print) << 32) | (code_of(origin) << LAP_BITS) | lap;
    }

    /// Who carried the message remembered under this number, and its print.
    #[inline]
    pub(crate) fn get(&self, seq: SeqNo) -> Option<(Origin, u32)> {
        let (slot, lap) = place(seq);
        let cell = self.cells[slot];
        if cell & LAP_MASK != lap {
            return None;
        }
        let origin = match (cell >> LAP_BITS) & 7 {
            RETRANSMIT => Origin::Retransmit,
            index => Origin::Line(Line::from_index(index as usize)?),
        };
        Some((origin, (cell >> 32) as u32))
    }

    /// Forgets what lies before `end`.
    pub(crate) fn forget_before(&mut self, end: SeqNo) {
        let (_, end_lap) = place(end);
        // BOUND: the ring. Where numbers were passed over, cells of laps long ago are still there.
        for (slot, cell) in (0u64..).zip(&mut self.cells) {
            let lap = *cell & LAP_MASK;
            let before = lap != end_lap || slot < end.0 % FINGERPRINTS as u64;
            // Ahead of the number expected is less than a lap.
            let ahead = lap == (end_lap + 1) & LAP_MASK;
            if before && !ahead {
                *cell = EMPTY;
            }
        }
    }

    /// Forgets everything: 128 KiB written, once a session.
    pub(crate) fn clear(&mut self) {
        self.cells.fill(EMPTY);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn prints_of_near_messages_differ() {
        let mut seen = BTreeSet::new();
        let mut count = 0;
        for len in 0..64usize {
            let zeroes = std::vec![0u8; len];
            assert!(seen.insert(print_of(&zeroes)), "zeroes of length {len}");
            count += 1;
            for bit in 0..len * 8 {
                let mut flipped = zeroes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                seen.insert(print_of(&flipped));
                count += 1;
            }
        }
        // 16,000 prints of 32 bits: 0.03 collisions are to be expected.
        assert!(count - seen.len() <= 1, "{} of {count}", seen.len());
    }

    #[test]
    fn prints_are_the_same_in_every_run() {
        assert_eq!(print_of(b""), print_of(b""));
        assert_eq!([print_of(b""), print_of(b"candor"), print_of(b"a longer message")], GOLDEN);
    }

    const GOLDEN: [u32; 3] = [3_552_354_436, 3_305_777_471, 3_949_480_267];

    #[test]
    fn the_ring_forgets_by_number() {
        let lap = FINGERPRINTS as u64;
        let mut ring = Fingerprints::new();
        assert_eq!(ring.get(SeqNo(7)), None);
        ring.put(SeqNo(7), Origin::Line(Line::B), 5);
        assert_eq!(ring.get(SeqNo(7)), Some((Origin::Line(Line::B), 5)));
        assert_eq!(ring.get(SeqNo(7 + lap)), None);
        ring.put(SeqNo(7 + lap), Origin::Line(Line::C), u32::MAX);
        assert_eq!(ring.get(SeqNo(7)), None);
        assert_eq!(ring.get(SeqNo(7 + lap)), Some((Origin::Line(Line::C), u32::MAX)));
        ring.put(SeqNo(u64::MAX), Origin::Retransmit, u32::MAX);
        assert_eq!(ring.get(SeqNo(u64::MAX)), Some((Origin::Retransmit, u32::MAX)));
        assert_eq!(ring.get(SeqNo(lap - 1)), None);
        // An empty cell is nobody's, in whichever lap.
        assert_eq!(ring.get(SeqNo(u64::MAX - 1)), None);
        ring.clear();
        assert_eq!(ring.get(SeqNo(7 + lap)), None);
    }
}

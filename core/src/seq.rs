//! Sequence numbers and ranges of them. All sequence arithmetic of the product is here.

use core::fmt;

/// The number a venue gives a message within one session. Venues count from 1; 0 is "none".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct SeqNo(pub u64);

impl SeqNo {
    /// The first number of every session.
    pub const FIRST: SeqNo = SeqNo(1);

    /// The number `count` messages later, or `None` where numbers end.
    #[must_use]
    pub const fn checked_add(self, count: u64) -> Option<SeqNo> {
        match self.0.checked_add(count) {
            Some(n) => Some(SeqNo(n)),
            None => None,
        }
    }

    /// The next number.
    ///
    /// # Panics
    /// At the end of 64 bits: at a billion messages a second that is in 584 years, so reaching it
    /// is a broken invariant. Foreign numbers pass [`SeqRange::of`] first, which refuses them.
    #[must_use]
    pub const fn next(self) -> SeqNo {
        match self.0.checked_add(1) {
            Some(n) => SeqNo(n),
            None => panic!("sequence numbers ended"),
        }
    }

    /// How many numbers lie between `earlier` (included) and `self` (not); zero when `earlier` is later.
    #[must_use]
    pub const fn distance_from(self, earlier: SeqNo) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for SeqNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The numbers from `first` up to and without `end`. Empty when `first == end`; never reversed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct SeqRange {
    /// The first number in the range.
    pub first: SeqNo,
    /// The first number behind the range.
    pub end: SeqNo,
}

/// Where a packet's numbers lie relative to the next number expected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// All of it was seen before (an empty range is old too).
    Old,
    /// It starts at the number expected, or before it and reaches beyond: skip `skip` messages, the rest is new.
    Next {
        /// Messages at the front that are not new.
        skip: u64,
    },
    /// It starts beyond the number expected.
    Ahead {
        /// Numbers missing in between.
        missing: SeqRange,
    },
}

impl SeqRange {
    /// `count` numbers from `first`; `None` where that runs past the end of numbers.
    #[must_use]
    pub const fn of(first: SeqNo, count: u64) -> Option<SeqRange> {
        match first.checked_add(count) {
            Some(end) => Some(SeqRange { first, end }),
            None => None,
        }
    }

    /// From `first` up to and without `end`; empty where `end` lies before.
    #[must_use]
    pub const fn between(first: SeqNo, end: SeqNo) -> SeqRange {
        SeqRange { first, end: if end.0 < first.0 { first } else { end } }
    }

    /// How many numbers are in the range.
    #[must_use]
    pub const fn len(self) -> u64 {
        self.end.0 - self.first.0
    }

    /// Whether the range holds no number.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.first.0 == self.end.0
    }

    /// The last number in the range, `None` when empty.
    #[must_use]
    pub const fn last(self) -> Option<SeqNo> {
        if self.is_empty() { None } else { Some(SeqNo(self.end.0 - 1)) }
    }

    /// Whether `seq` is one of the range.
    #[must_use]
    pub const fn contains(self, seq: SeqNo) -> bool {
        self.first.0 <= seq.0 && seq.0 < self.end.0
    }

    /// The numbers both ranges hold (empty when none, positioned at the later start).
    #[must_use]
    pub const fn intersect(self, other: SeqRange) -> SeqRange {
        let first = if self.first.0 > other.first.0 { self.first } else { other.first };
        let end = if self.end.0 < other.end.0 { self.end } else { other.end };
        SeqRange::between(first, end)
    }

    /// Where these numbers lie when `expected` is the next one wanted.
    #[must_use]
    pub const fn place(self, expected: SeqNo) -> Place {
        if self.first.0 > expected.0 {
            Place::Ahead { missing: SeqRange { first: expected, end: self.first } }
        } else if self.end.0 <= expected.0 {
            Place::Old
        } else {
            Place::Next { skip: expected.0 - self.first.0 }
        }
    }
}

impl fmt::Display for SeqRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last() {
            None => write!(f, "none"),
            Some(last) if last == self.first => write!(f, "{}", self.first),
            Some(last) => write!(f, "{}-{last}", self.first),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn naive(range: SeqRange) -> BTreeSet<u64> {
        (range.first.0..range.end.0).collect()
    }

    #[test]
    fn place_agrees_with_sets_on_every_small_range() {
        for first in 0..8u64 {
            for count in 0..6u64 {
                for expected in 0..14u64 {
                    let range = SeqRange::of(SeqNo(first), count).unwrap();
                    let new: BTreeSet<u64> =
                        naive(range).into_iter().filter(|n| *n >= expected).collect();
                    match range.place(SeqNo(expected)) {
                        Place::Old => assert!(new.is_empty()),
                        Place::Next { skip } => {
                            assert_eq!(new.first(), Some(&expected));
                            assert_eq!(skip, naive(range).len() as u64 - new.len() as u64);
                        }
                        Place::Ahead { missing } => {
                            assert!(first > expected);
                            assert_eq!(naive(missing), (expected..first).collect());
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn intersect_agrees_with_sets() {
        for a in 0..6u64 {
            for b in a..7u64 {
                for c in 0..6u64 {
                    for d in c..7u64 {
                        let (x, y) = (
                            SeqRange::between(SeqNo(a), SeqNo(b)),
                            SeqRange::between(SeqNo(c), SeqNo(d)),
                        );
                        let both: BTreeSet<u64> =
                            naive(x).intersection(&naive(y)).copied().collect();
                        assert_eq!(naive(x.intersect(y)), both);
                        assert_eq!(x.intersect(y).len(), both.len() as u64);
                    }
                }
            }
        }
    }

    #[test]
    fn numbers_end() {
        assert_eq!(SeqRange::of(SeqNo(u64::MAX), 1), None);
        assert_eq!(SeqRange::of(SeqNo(u64::MAX - 1), 1).map(SeqRange::len), Some(1));
    }
}

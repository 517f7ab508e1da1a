//! A bounded list of ranges of numbers in ascending order, with something known about each. Gaps,
//! what a line did not carry, and what was given up are all kept in one of these.

use alloc::vec::Vec;

use candor_core::{SeqNo, SeqRange};

/// A range and what is known about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry<T> {
    pub(crate) range: SeqRange,
    pub(crate) about: T,
}

const _: () = assert!(size_of::<Entry<u64>>() == 24);

/// Ranges that ascend, never overlap and are never empty. Holds `bound` of them and has room for
/// one more, so that an operation may overshoot and its owner then decides which one goes.
#[derive(Clone, Debug)]
pub(crate) struct Ranges<T> {
    list: Vec<Entry<T>>,
    bound: usize,
}

impl<T: Copy> Ranges<T> {
    /// Allocates everything it will ever need.
    pub(crate) fn new(bound: usize) -> Ranges<T> {
        assert!(bound > 0);
        Ranges { list: Vec::with_capacity(bound + 1), bound }
    }

    pub(crate) fn as_slice(&self) -> &[Entry<T>] {
        &self.list
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [Entry<T>] {
        &mut self.list
    }

    pub(crate) fn first(&self) -> Option<Entry<T>> {
        self.list.first().copied()
    }

    pub(crate) fn last_mut(&mut self) -> Option<&mut Entry<T>> {
        self.list.last_mut()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether there is one range too many.
    pub(crate) fn is_over(&self) -> bool {
        self.list.len() > self.bound
    }

    pub(crate) fn clear(&mut self) {
        self.list.clear();
    }

    /// Adds a range behind all others.
    pub(crate) fn push(&mut self, range: SeqRange, about: T) {
        assert!(!range.is_empty());
        assert!(!self.is_over(), "the owner of the ranges left one too many");
        debug_assert!(self.list.last().is_none_or(|last| last.range.end <= range.first));
        self.list.push(Entry { range, about });
    }

    /// Removes the first range.
    pub(crate) fn pop_first(&mut self) -> Option<Entry<T>> {
        if self.list.is_empty() { None } else { Some(self.list.remove(0)) }
    }

    /// Where the first range is that ends behind `range.first`; it overlaps when it also begins
    /// before `range.end`.
    fn position(&self, range: SeqRange) -> usize {
        self.list.partition_point(|entry| entry.range.end <= range.first)
    }

    /// The range that holds `seq`.
    pub(crate) fn find(&self, seq: SeqNo) -> Option<&Entry<T>> {
        let at = self.list.partition_point(|entry| entry.range.end <= seq);
        self.list.get(at).filter(|entry| entry.range.contains(seq))
    }

    /// Whether any number of `range` is in the list.
    pub(crate) fn overlaps(&self, range: SeqRange) -> bool {
        let at = self.position(range);
        self.list.get(at).is_some_and(|entry| !entry.range.intersect(range).is_empty())
    }

    /// The parts of `range` that are not in the list, lowest first.
    pub(crate) fn without(&self, range: SeqRange) -> impl Iterator<Item = SeqRange> + '_ {
        let inside = self.list[self.position(range)..]
            .iter()
            .map(move |entry| entry.range.intersect(range))
            .take_while(|part| !part.is_empty());
        let behind = SeqRange { first: range.end, end: range.end };
        let mut first = range.first;
        inside.chain(core::iter::once(behind)).filter_map(move |part| {
            let before = SeqRange { first, end: part.first };
            first = part.end;
            (!before.is_empty()).then_some(before)
        })
    }

    /// Takes the numbers of `range` out. One range may become two; what is known is known of both.
    pub(crate) fn cut(&mut self, range: SeqRange) {
        assert!(!self.is_over(), "the owner of the ranges left one too many");
        let mut at = self.position(range);
        // BOUND: each turn removes a range, passes one, or is the last.
        while let Some(entry) = self.list.get_mut(at) {
            if entry.range.first >= range.end {
                break;
            }
            let left = SeqRange::between(entry.range.first, range.first);
            let right = SeqRange::between(range.end, entry.range.end);
            match (left.is_empty(), right.is_empty()) {
                (true, true) => {
                    self.list.remove(at);
                }
                (false, true) => {
                    entry.range = left;
                    at += 1;
                }
                (true, false) => {
                    entry.range = right;
                    break;
                }
                (false, false) => {
                    entry.range = left;
                    let about = entry.about;
                    self.list.insert(at + 1, Entry { range: right, about });
                    break;
                }
            }
        }
    }

    /// Asserts what the type promises.
    pub(crate) fn check(&self) {
        assert!(self.list.len() <= self.bound);
        for entry in &self.list {
            assert!(!entry.range.is_empty());
        }
        for pair in self.list.windows(2) {
            assert!(pair[0].range.end <= pair[1].range.first);
        }
        assert_eq!(self.list.capacity().max(self.bound + 1), self.list.capacity());
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::BTreeSet;

    use super::*;

    fn range(first: u64, end: u64) -> SeqRange {
        SeqRange::between(SeqNo(first), SeqNo(end))
    }

    fn numbers(ranges: &Ranges<u8>) -> BTreeSet<u64> {
        ranges.as_slice().iter().flat_map(|e| e.range.first.0..e.range.end.0).collect()
    }

    #[test]
    fn cut_and_overlaps_agree_with_sets() {
        for first in 0..12 {
            for end in first..13 {
                let mut ranges = Ranges::new(4);
                for (from, to) in [(1, 3), (3, 5), (7, 11)] {
                    ranges.push(range(from, to), 0);
                }
                let mut set = numbers(&ranges);
                let hit = set.iter().any(|n| (first..end).contains(n));
                if first < end {
                    assert_eq!(ranges.overlaps(range(first, end)), hit, "{first}..{end}");
                }
                let rest: BTreeSet<u64> = (first..end).filter(|n| !set.contains(n)).collect();
                let parts = ranges.without(range(first, end));
                let parts: BTreeSet<u64> = parts.flat_map(|r| r.first.0..r.end.0).collect();
                assert_eq!(parts, rest, "{first}..{end}");
                set.retain(|n| !(first..end).contains(n));
                if first < end {
                    ranges.cut(range(first, end));
                    assert_eq!(numbers(&ranges), set, "{first}..{end}");
                    ranges.check();
                }
            }
        }
    }

    #[test]
    fn one_too_many_is_kept_until_the_owner_decides() {
        let mut ranges = Ranges::new(1);
        ranges.push(range(1, 10), 7);
        ranges.cut(range(4, 5));
        assert!(ranges.is_over());
        assert_eq!(ranges.pop_first().map(|e| (e.range, e.about)), Some((range(1, 4), 7)));
        assert!(!ranges.is_over());
        ranges.check();
    }
}

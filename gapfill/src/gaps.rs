//! The gap set: which numbers are known to exist, are not yet delivered or held, and since when
//! they have been missing. It is where a retransmission machine finds its work ([`Gaps::iter`]).

use candor_core::{Mono, Nanos, SeqNo, SeqRange, limits};

use crate::ranges::{Entry, Ranges};

/// Missing numbers without a number between them that was received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    /// The numbers still missing.
    pub range: SeqRange,
    /// The gap as it opened. Where a part in the middle has been filled since, several gaps of the
    /// set have the same `of`: they count as one.
    pub of: SeqRange,
    /// Since when the numbers are missing.
    pub opened: Mono,
    /// Whether it has been said that the gap outlived the reorder grace.
    pub outlived: bool,
    /// Whether this is the start of the session, from before the first packet heard.
    pub start: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct About {
    of: SeqRange,
    opened: Mono,
    outlived: bool,
    start: bool,
}

/// What [`Gaps::open`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Opened {
    /// A gap of its own.
    New,
    /// The last gap, opened at this same instant, reaches further.
    Longer,
}

/// The open gaps of one stream, by number. Gaps open at the top only, so they are ordered by the
/// time they opened as well, and those that outlived the grace are the first ones.
#[derive(Clone, Debug)]
pub struct Gaps {
    ranges: Ranges<About>,
    missing: u64,
}

fn gap(entry: Entry<About>) -> Gap {
    let About { of, opened, outlived, start } = entry.about;
    Gap { range: entry.range, of, opened, outlived, start }
}

impl Gaps {
    /// No gaps; room for [`limits::OPEN_GAPS`].
    pub(crate) fn new() -> Gaps {
        Gaps { ranges: Ranges::new(limits::OPEN_GAPS), missing: 0 }
    }

    /// The gaps, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = Gap> + '_ {
        self.ranges.as_slice().iter().copied().map(gap)
    }

    /// The lowest gap: delivery waits for its first number.
    #[must_use]
    pub fn first(&self) -> Option<Gap> {
        self.ranges.first().map(gap)
    }

    /// Whether nothing is missing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many numbers are missing.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// Whether any gap has outlived the grace.
    #[must_use]
    pub fn any_outlived(&self) -> bool {
        self.first().is_some_and(|gap| gap.outlived)
    }

    /// Whether this number is missing.
    #[must_use]
    pub fn has(&self, seq: SeqNo) -> bool {
        self.ranges.find(seq).is_some()
    }

    /// How many numbers of `range` are missing.
    #[must_use]
    pub fn missing_in(&self, range: SeqRange) -> u64 {
        self.ranges.as_slice().iter().map(|entry| entry.range.intersect(range).len()).sum()
    }

    /// The gaps that have outlived the grace, lowest first.
    pub fn outlived(&self) -> impl Iterator<Item = Gap> + '_ {
        self.iter().take_while(|gap| gap.outlived)
    }

    /// Whether `seq` is missing and can be filled without a gap more than the set may hold: one
    /// that is filled in its middle becomes two.
    pub(crate) fn has_room_to_fill(&self, seq: SeqNo) -> bool {
        let Some(entry) = self.ranges.find(seq) else {
            return false;
        };
        let splits = entry.range.first < seq && seq.next() < entry.range.end;
        !splits || self.ranges.as_slice().len() < limits::OPEN_GAPS
    }

    /// Nothing before `next` is missing any more. A gap that reaches beyond is cut.
    pub(crate) fn forget_before(&mut self, next: SeqNo) {
        self.ranges.cut(SeqRange { first: SeqNo(0), end: next });
        for entry in self.ranges.as_mut_slice() {
            entry.about.of.first = entry.about.of.first.max(next);
        }
        self.missing = self.iter().map(|gap| gap.range.len()).sum();
    }

    /// Whether there are more gaps than the set may hold: the caller must give up the lowest
    /// before it does anything else.
    pub(crate) fn is_over(&self) -> bool {
        self.ranges.is_over()
    }

    pub(crate) fn clear(&mut self) {
        self.ranges.clear();
        self.missing = 0;
    }

    /// Opens a gap behind all others. Numbers that turn out missing at one instant and side by side
    /// are one gap.
    pub(crate) fn open(&mut self, range: SeqRange, now: Mono, start: bool) -> Opened {
        self.missing += range.len();
        if let Some(last) = self.ranges.last_mut() {
            debug_assert!(last.about.opened <= now, "time went back");
            let touches = last.range.end == range.first && last.about.of.end == range.first;
            let alike = last.about.opened == now && last.about.start == start;
            if touches && alike && !last.about.outlived {
                last.range.end = range.end;
                let of = last.about.of;
                for entry in self.ranges.as_mut_slice().iter_mut().rev() {
                    if entry.about.of != of {
                        break;
                    }
                    entry.about.of.end = range.end;
                }
                return Opened::Longer;
            }
        }
        self.ranges.push(range, About { of: range, opened: now, outlived: false, start });
        Opened::New
    }

    /// `seq` was received. Returns the gap it was the last missing number of.
    pub(crate) fn fill(&mut self, seq: SeqNo) -> Option<Gap> {
        let one = SeqRange { first: seq, end: seq.next() };
        let list = self.ranges.as_slice();
        let at = list.partition_point(|entry| entry.range.end <= seq);
        let entry = *list.get(at).filter(|entry| entry.range.contains(seq))?;
        let sibling = |index: usize| list.get(index).is_some_and(|e| e.about.of == entry.about.of);
        let before = at > 0 && sibling(at - 1);
        let alone = !before && !sibling(at + 1);
        let done = entry.range == one && alone;
        self.ranges.cut(one);
        self.missing -= 1;
        done.then(|| gap(entry))
    }

    /// Gives up the front of the lowest gap, up to and without `end`. Returns what is left of that
    /// gap: it counts as a gap of its own from here on.
    pub(crate) fn give_up_first(&mut self, end: SeqNo) -> Option<SeqRange> {
        let lowest = self.ranges.first()?;
        let lost = lowest.range.intersect(SeqRange::between(SeqNo(0), end));
        assert_eq!(lost.first, lowest.range.first);
        assert!(!lost.is_empty());
        self.missing -= lost.len();
        if lost == lowest.range {
            self.ranges.pop_first();
        } else {
            self.ranges.as_mut_slice()[0].range.first = lost.end;
        }
        let of = lowest.about.of;
        let siblings = self.ranges.as_slice().iter().take_while(|e| e.about.of == of).count();
        let rest = &mut self.ranges.as_mut_slice()[..siblings];
        let left = SeqRange { first: rest.first()?.range.first, end: rest.last()?.range.end };
        for entry in rest {
            entry.about.of = left;
        }
        Some(left)
    }

    /// When the next gap outlives the grace.
    pub(crate) fn deadline(&self, grace: Nanos) -> Option<Mono> {
        let waiting = self.ranges.as_slice().iter().find(|entry| !entry.about.outlived)?;
        Some(waiting.about.opened + grace)
    }

    /// A gap that has outlived the grace and of which this was not said yet.
    pub(crate) fn due(&self, now: Mono, grace: Nanos) -> Option<Gap> {
        let waiting = self.ranges.as_slice().iter().find(|entry| !entry.about.outlived)?;
        (now >= waiting.about.opened + grace).then(|| gap(*waiting))
    }

    /// Notes that `due` has outlived the grace.
    pub(crate) fn outlive(&mut self, due: &Gap) {
        for entry in self.ranges.as_mut_slice() {
            if entry.about.of == due.of {
                entry.about.outlived = true;
            }
        }
    }

    /// Asserts what the type promises.
    pub(crate) fn check(&self) {
        self.ranges.check();
        assert_eq!(self.missing, self.iter().map(|gap| gap.range.len()).sum::<u64>());
        for gap in self.iter() {
            assert_eq!(gap.range.intersect(gap.of), gap.range);
        }
        for pair in self.ranges.as_slice().windows(2) {
            assert!(pair[0].about.opened <= pair[1].about.opened);
            assert!(pair[0].about.outlived || !pair[1].about.outlived);
            assert!(
                pair[0].about.of == pair[1].about.of
                    || pair[0].about.of.end <= pair[1].about.of.first
            );
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    fn range(first: u64, end: u64) -> SeqRange {
        SeqRange::between(SeqNo(first), SeqNo(end))
    }

    #[test]
    fn a_gap_filled_from_its_middle_is_filled_once() {
        let mut gaps = Gaps::new();
        assert_eq!(gaps.open(range(10, 13), Mono(5), false), Opened::New);
        assert_eq!(gaps.fill(SeqNo(11)), None);
        assert_eq!(gaps.fill(SeqNo(11)), None);
        assert_eq!(gaps.iter().count(), 2);
        assert_eq!(gaps.fill(SeqNo(12)), None);
        let filled = gaps.fill(SeqNo(10));
        assert_eq!(filled.map(|gap| gap.of), Some(range(10, 13)));
        assert!(gaps.is_empty());
        gaps.check();
    }

    #[test]
    fn what_is_left_of_a_gap_is_a_gap_of_its_own() {
        let mut gaps = Gaps::new();
        gaps.open(range(10, 20), Mono(5), false);
        gaps.fill(SeqNo(14));
        gaps.fill(SeqNo(19));
        assert_eq!(gaps.give_up_first(SeqNo(20)), Some(range(15, 19)));
        assert_eq!(gaps.first().map(|gap| gap.of), Some(range(15, 19)));
        assert_eq!(gaps.give_up_first(SeqNo(17)), Some(range(17, 19)));
        assert_eq!(gaps.give_up_first(SeqNo(99)), None);
        assert_eq!(gaps.missing(), 0);
        gaps.check();
    }

    #[test]
    fn what_a_snapshot_contains_is_not_missing() {
        let mut gaps = Gaps::new();
        gaps.open(range(10, 20), Mono(5), false);
        gaps.fill(SeqNo(14));
        gaps.open(range(30, 33), Mono(6), false);
        gaps.forget_before(SeqNo(17));
        gaps.check();
        let left: std::vec::Vec<_> = gaps.iter().map(|gap| (gap.range, gap.of)).collect();
        assert_eq!(left, [(range(17, 20), range(17, 20)), (range(30, 33), range(30, 33))]);
        assert_eq!((gaps.missing(), gaps.missing_in(range(18, 31))), (6, 3));
        for seq in [17, 18] {
            assert_eq!(gaps.fill(SeqNo(seq)), None);
        }
        assert_eq!(gaps.fill(SeqNo(19)).map(|gap| gap.of), Some(range(17, 20)));
        gaps.forget_before(SeqNo(33));
        assert!(gaps.is_empty());
        gaps.check();
    }

    #[test]
    fn numbers_missing_at_one_instant_side_by_side_are_one_gap() {
        let mut gaps = Gaps::new();
        gaps.open(range(10, 13), Mono(5), false);
        gaps.fill(SeqNo(11));
        assert_eq!(gaps.open(range(13, 15), Mono(5), false), Opened::Longer);
        assert_eq!(gaps.open(range(15, 16), Mono(6), false), Opened::New);
        gaps.check();
        assert!(gaps.iter().take(2).all(|gap| gap.of == range(10, 15)));
        assert_eq!(gaps.deadline(Nanos(3)), Some(Mono(8)));
        let due = gaps.due(Mono(8), Nanos(3)).unwrap();
        gaps.outlive(&due);
        assert_eq!(gaps.due(Mono(8), Nanos(3)), None);
        assert_eq!(gaps.deadline(Nanos(3)), Some(Mono(9)));
        gaps.check();
    }
}

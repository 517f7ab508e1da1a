//! What one line has shown of the present numbering: how far it came, which numbers it left out,
//! and whether it seems to have started over.

use candor_core::{Mono, Nanos, SeqNo, SeqRange, limits::LINE_GAPS};

use crate::ranges::{Entry, Ranges};

/// Packets in a row, each beginning where the one before ended, all below what the line has shown
/// before, that are taken for a numbering that restarted. One could be a late copy; reordering
/// doesn't deliver three in order a grace after everything else.
pub(crate) const RESTART_PACKETS: u8 = 3;

/// One line of the partition.
#[derive(Clone, Debug)]
pub(crate) struct LineState {
    /// The number after the highest this line has shown; `None` while it is dark.
    pub(crate) next: Option<SeqNo>,
    /// When `next` last moved.
    pub(crate) advanced: Mono,
    /// What the line left out, with the time it was seen.
    pub(crate) left_out: Ranges<Mono>,
    /// The old packets it repeats.
    pub(crate) repeats: Repeats,
    /// When it was quiet and then heartbeat (or ended) below `next`, where it has carried nothing
    /// since that agrees with the numbering.
    pub(crate) regressed: Option<Mono>,
    /// Set while the line may still carry a numbering that was left behind.
    pub(crate) fence: Option<Fence>,
}

// Read and written with every packet of its line.
const _: () = assert!(size_of::<LineState>() <= 2 * 64);

/// Packets in a row wholly below what the line has shown before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Repeats {
    /// None.
    None,
    /// One of them was shown to be a copy, byte for byte: the line replays what it sent, up to here.
    Copies { end: SeqNo },
    /// So many, up to here, and nothing is left to compare them with.
    Unknown { end: SeqNo, packets: u8 },
}

/// After a restart on another line: what the line carries from `next` on is the old numbering.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fence {
    pub(crate) next: SeqNo,
    pub(crate) until: Mono,
    /// Numbers began again twice before the line came to the first beginning: it may bring those of in between,
    /// which begin as low as the new ones.
    pub(crate) twice: bool,
    /// Whether it has been reported.
    pub(crate) said: bool,
}

/// What is known of a packet of old numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Old {
    /// At least one of its messages equals, byte for byte, what was delivered.
    Copy,
    /// None of its messages is remembered, and the line has carried these numbers before.
    Unknown,
    /// Anything else.
    Explained,
}

impl LineState {
    pub(crate) fn new() -> LineState {
        LineState {
            next: None,
            advanced: Mono::NEVER,
            left_out: Ranges::new(LINE_GAPS),
            repeats: Repeats::None,
            regressed: None,
            fence: None,
        }
    }

    /// Forgets everything: a new session.
    pub(crate) fn reset(&mut self) {
        self.next = None;
        self.advanced = Mono::NEVER;
        self.left_out.clear();
        self.repeats = Repeats::None;
        self.regressed = None;
        self.fence = None;
    }

    /// Forgets everything but where the old numbering stood: a restart that another line showed.
    pub(crate) fn reset_fenced(&mut self, now: Mono, until: Mono) {
        let before = self.next.filter(|next| *next > SeqNo::FIRST);
        let next = before.or(self.fence.map(|fence| fence.next));
        let twice = self.fence.is_some_and(|fence| now < fence.until);
        self.reset();
        self.fence = next.map(|next| Fence { next, until, twice, said: false });
    }

    /// Forgets where the line stands. What it may still carry of a numbering left behind stays so.
    pub(crate) fn forget(&mut self) {
        let fence = self.fence;
        self.reset();
        self.fence = fence;
    }

    /// Whether the line has shown a number of at least `seq`.
    pub(crate) fn has_reached(&self, seq: SeqNo) -> bool {
        self.next.is_some_and(|next| next > seq)
    }

    /// Whether the line has not come to `end` yet.
    pub(crate) fn falls_short_of(&self, end: SeqNo) -> bool {
        self.next.is_none_or(|next| next < end)
    }

    /// Whether the line has stood still for more than `grace`.
    pub(crate) fn is_quiet(&self, now: Mono, grace: Nanos) -> bool {
        now.since(self.advanced) > grace
    }

    /// The line carried a packet with these numbers. May leave one range too many in `left_out`
    /// ([`LineState::overflowed`]).
    pub(crate) fn carried(&mut self, range: SeqRange, now: Mono) {
        let Some(next) = self.next else {
            self.next = Some(range.end);
            self.advanced = now;
            return;
        };
        if range.first > next {
            self.left_out.push(SeqRange { first: next, end: range.first }, now);
        } else if !range.is_empty() && !self.left_out.is_empty() {
            self.left_out.cut(range);
        }
        if range.end > next {
            self.next = Some(range.end);
            self.advanced = now;
            self.repeats = Repeats::None;
        }
        if range.end > next || range.first == next {
            self.regressed = None;
        }
    }

    /// The oldest range the line left out, when there is one too many.
    pub(crate) fn overflowed(&mut self) -> Option<Entry<Mono>> {
        if self.left_out.is_over() { self.left_out.pop_first() } else { None }
    }

    /// Takes the next numbers below `delivered` that the line has left out for the whole grace.
    pub(crate) fn overdue(
        &mut self,
        now: Mono,
        grace: Nanos,
        delivered: SeqNo,
    ) -> Option<Entry<Mono>> {
        if now < self.deadline(grace, delivered)? {
            return None;
        }
        let Entry { range, about } = self.left_out.first()?;
        let range = range.intersect(SeqRange::between(SeqNo(0), delivered));
        self.left_out.cut(range);
        Some(Entry { range, about })
    }

    /// When the next numbers below `delivered` will have been left out for the whole grace. What
    /// nobody delivered yet has no deadline of its own: it is the gap's matter until then.
    pub(crate) fn deadline(&self, grace: Nanos, delivered: SeqNo) -> Option<Mono> {
        let first = self.left_out.first()?;
        (first.range.first < delivered).then(|| first.about + grace)
    }

    /// Notes a heartbeat or end. True when it has to be taken for the line starting over: the
    /// second in a row below what the line itself has shown, on a line that is quiet, and more than a
    /// grace behind the first: that may have been overtaken, and a network may carry it twice.
    pub(crate) fn beats(&mut self, first: SeqNo, now: Mono, grace: Nanos) -> bool {
        if !self.is_quiet(now, grace) || !self.has_reached(first) {
            return false;
        }
        let before = *self.regressed.get_or_insert(now);
        now.since(before) > grace
    }

    /// Notes a packet wholly below what the line has shown. True when it has to be taken for the
    /// line starting over.
    pub(crate) fn repeated(&mut self, range: SeqRange, old: Old) -> bool {
        // Only what nothing can be compared with leaves open whether the line has started over.
        self.regressed = self.regressed.filter(|_| old == Old::Unknown);
        self.repeats = match (old, self.repeats) {
            (Old::Explained, _) => Repeats::None,
            (Old::Copy, _) => Repeats::Copies { end: range.end },
            (Old::Unknown, Repeats::Copies { end }) if end == range.first => {
                Repeats::Copies { end: range.end }
            }
            (Old::Unknown, Repeats::Unknown { end, packets }) if end == range.first => {
                Repeats::Unknown { end: range.end, packets: packets + 1 }
            }
            (Old::Unknown, _) => Repeats::Unknown { end: range.end, packets: 1 },
        };
        matches!(self.repeats, Repeats::Unknown { packets: RESTART_PACKETS.., .. })
    }

    /// Asserts what the type promises.
    pub(crate) fn check(&self) {
        self.left_out.check();
        let next = self.next.unwrap_or_default();
        if let Some(last) = self.left_out.as_slice().last() {
            assert!(last.range.end <= next);
        }
        for pair in self.left_out.as_slice().windows(2) {
            assert!(pair[0].about <= pair[1].about);
        }
        assert!(self.fence.is_none() || self.next.is_none(), "a fenced line is dark");
        assert!(
            self.regressed.is_none() || self.next.is_some(),
            "a dark line has nothing to fall below"
        );
    }
}

//! One run of numbers from 1 on: what was delivered, what is held, what is missing. It knows of
//! lines only as the origin of a copy, and of sessions nothing.

use candor_core::counters::Counter;
use candor_core::limits::{OPEN_GAPS, WINDOW_MESSAGES};
use candor_core::{Line, LossKind, Mono, Nanos, Origin, SeqNo, SeqRange};

use crate::fingerprints::{Fingerprints, print_of};
use crate::gaps::{Gaps, Opened};
use crate::ranges::Ranges;
use crate::sink::Sink;
use crate::window::Window;
use crate::{Notice, Output, Wholeness};

const WINDOW: u64 = WINDOW_MESSAGES as u64;

/// How far the run has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// No packet of it was taken.
    Fresh,
    /// It goes on.
    Open,
    /// The venue said where it ends; numbers before that are missing.
    Ending(SeqNo),
    /// It ended there.
    Ended(SeqNo),
}

/// One run of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) phase: Phase,
    /// The next number to be delivered.
    pub(crate) expected: SeqNo,
    /// The number behind the last one known to exist.
    pub(crate) known_end: SeqNo,
    pub(crate) whole: Wholeness,
    pub(crate) gaps: Gaps,
    pub(crate) window: Window,
    /// What was given up lately; `true` marks the start. Full: the lowest is forgotten, and a late
    /// copy of it counts as a duplicate.
    pub(crate) lost: Ranges<bool>,
    /// What no line had carried when it went into the books: filled by retransmission, or contained
    /// in a snapshot. Full: the lowest is forgotten, and counts as lost on a line that lags so far.
    pub(crate) uncarried: Ranges<()>,
    /// Before this number nothing is known of what any line carried.
    pub(crate) watched_from: SeqNo,
    pub(crate) prints: Fingerprints,
    /// The print of number 1, kept for the whole run: it tells a late copy from a restart.
    pub(crate) genesis: Option<u32>,
    /// When it was last reported that lines differ.
    pub(crate) differ_said: Option<Mono>,
    /// An answer contradicted what is remembered.
    pub(crate) doubts_answers: bool,
    /// Where the last snapshot was joined; `None` where none was.
    joined_at: Option<SeqNo>,
}

impl Stream {
    pub(crate) fn new() -> Stream {
        Stream {
            phase: Phase::Fresh,
            expected: SeqNo::FIRST,
            known_end: SeqNo::FIRST,
            whole: Wholeness::Whole,
            gaps: Gaps::new(),
            window: Window::new(),
            lost: Ranges::new(OPEN_GAPS),
            uncarried: Ranges::new(OPEN_GAPS),
            watched_from: SeqNo::FIRST,
            prints: Fingerprints::new(),
            genesis: None,
            differ_said: None,
            doubts_answers: false,
            joined_at: None,
        }
    }

    /// Starts over at number 1. What was held is discarded.
    pub(crate) fn reset<O: Output>(&mut self, sink: &mut Sink<'_, O>) {
        sink.count(Counter::DiscardWithSession, self.window.held());
        self.phase = Phase::Fresh;
        self.expected = SeqNo::FIRST;
        self.known_end = SeqNo::FIRST;
        self.whole = Wholeness::Whole;
        self.gaps.clear();
        self.window.clear();
        self.lost.clear();
        self.uncarried.clear();
        self.watched_from = SeqNo::FIRST;
        self.prints.clear();
        self.genesis = None;
        self.differ_said = None;
        self.doubts_answers = false;
        self.joined_at = None;
    }

    /// The number the venue said the run ends before.
    pub(crate) fn end(&self) -> Option<SeqNo> {
        match self.phase {
            Phase::Fresh | Phase::Open => None,
            Phase::Ending(end) | Phase::Ended(end) => Some(end),
        }
    }

    /// The numbers of `range` before the venue's end.
    pub(crate) fn before_end(&self, range: SeqRange) -> SeqRange {
        match self.end() {
            None => range,
            Some(end) => SeqRange { first: range.first.min(end), end: range.end.min(end) },
        }
    }

    /// All numbers before `end` exist: those not received are missing.
    pub(crate) fn exists<O: Output>(&mut self, end: SeqNo, sink: &mut Sink<'_, O>) {
        let end = self.end().map_or(end, |last| last.min(end));
        if end <= self.known_end {
            return;
        }
        let range = SeqRange { first: self.known_end, end };
        let start = self.phase == Phase::Fresh;
        self.known_end = end;
        if self.gaps.open(range, sink.now, start) == Opened::New {
            sink.count(Counter::GapsOpened, 1);
        }
        sink.notice(Notice::GapOpened { range, at: sink.now });
        if start && range.len() > WINDOW {
            self.give_up(end, sink);
        }
        self.keep_bound(sink);
    }

    /// Everything before `range.first` exists and `range` is in order: the way nearly all packets go.
    pub(crate) fn deliver_in_order<'p, O: Output>(
        &mut self,
        line: Line,
        messages: impl Iterator<Item = &'p [u8]>,
        sink: &mut Sink<'_, O>,
    ) {
        let origin = Origin::Line(line);
        debug_assert!(self.gaps.is_empty());
        debug_assert_eq!(self.phase, Phase::Open);
        let before = self.expected;
        for bytes in messages {
            let seq = self.expected;
            self.remember(seq, origin, bytes);
            self.expected = seq.next();
            sink.out.message(seq, origin, bytes);
        }
        self.known_end = self.expected;
        sink.count(Counter::Applied, self.expected.distance_from(before));
    }

    /// Takes one message of a line, wherever its number lies.
    pub(crate) fn take<O: Output>(
        &mut self,
        seq: SeqNo,
        line: Line,
        bytes: &[u8],
        sink: &mut Sink<'_, O>,
    ) {
        if self.end().is_some_and(|end| seq >= end) {
            sink.count(Counter::DiscardAfterEnd, 1);
            return;
        }
        debug_assert!(seq <= self.known_end, "the packet's first number was not made known");
        // BOUND: each turn empties or shortens the lowest of at most OPEN_GAPS gaps.
        while seq.distance_from(self.expected) >= WINDOW {
            self.give_up(seq, sink);
        }
        if seq < self.expected || (seq > self.expected && self.window.has(seq)) {
            self.take_again(seq, line, print_of(bytes), sink);
            return;
        }
        self.take_new(seq, Origin::Line(line), bytes, sink);
        self.keep_bound(sink);
    }

    /// Takes a message that is neither delivered nor held and lies within the window.
    pub(crate) fn take_new<O: Output>(
        &mut self,
        seq: SeqNo,
        origin: Origin,
        bytes: &[u8],
        sink: &mut Sink<'_, O>,
    ) {
        debug_assert!(seq >= self.expected);
        debug_assert!(seq.distance_from(self.expected) < WINDOW);
        if seq == self.expected {
            self.received(seq, origin, sink);
            self.remember(seq, origin, bytes);
            self.deliver_one(seq, origin);
            sink.count(Counter::Applied, 1);
            sink.out.message(seq, origin, bytes);
            self.drain(sink);
        } else if !candor_core::canary!(BeyondGapDropped)
            && self.window.hold(seq, origin, bytes).is_ok()
        {
            self.remember(seq, origin, bytes);
            self.received(seq, origin, sink);
        } else {
            sink.count(Counter::DiscardTooLongToHold, 1);
            self.exists(seq.next(), sink);
        }
    }

    /// The next number is on its way out.
    fn deliver_one(&mut self, seq: SeqNo, origin: Origin) {
        debug_assert_eq!(seq, self.expected);
        self.expected = seq.next();
        if origin == Origin::Retransmit {
            self.nobody_carried(SeqRange { first: seq, end: self.expected });
        }
    }

    /// `range`, the last numbers before the next one expected, is in the books and came by no line.
    pub(crate) fn nobody_carried(&mut self, range: SeqRange) {
        debug_assert_eq!(range.end, self.expected);
        if let Some(last) = self.uncarried.last_mut()
            && last.range.end == range.first
        {
            last.range.end = range.end;
        } else if !range.is_empty() {
            self.uncarried.push(range, ());
        }
        if self.uncarried.is_over() {
            self.uncarried.pop_first();
        }
    }

    /// Remembers a message that is delivered or held.
    #[inline]
    fn remember(&mut self, seq: SeqNo, origin: Origin, bytes: &[u8]) {
        let print = print_of(bytes);
        if seq == SeqNo::FIRST {
            self.genesis = Some(print);
        }
        self.prints.put(seq, origin, print);
    }

    /// A number that was missing, or the next one that exists, has been received.
    fn received<O: Output>(&mut self, seq: SeqNo, origin: Origin, sink: &mut Sink<'_, O>) {
        if seq == self.known_end {
            self.known_end = seq.next();
            return;
        }
        if let Some(gap) = self.gaps.fill(seq) {
            sink.count(Counter::GapsFilled, 1);
            sink.gap(LossKind::GapFilled, gap.of, gap.opened, Some(origin));
        }
    }

    /// Another copy of a number that was delivered, held or given up.
    pub(crate) fn take_again<O: Output>(
        &mut self,
        seq: SeqNo,
        line: Line,
        print: u32,
        sink: &mut Sink<'_, O>,
    ) {
        match self.known_print(seq) {
            Some(_) if candor_core::canary!(FalseDiffer) && seq.0 % 1024 == 7 => {
                self.differs(seq, line, 1, sink);
            }
            Some((_, known)) if known == print || candor_core::canary!(RestartSwallowed) => {
                sink.count(Counter::Duplicate, 1);
            }
            Some(_) => self.differs(seq, line, 1, sink),
            None if self.lost_as(seq).is_some() => sink.count(Counter::DiscardTooLate, 1),
            None => sink.count(Counter::Duplicate, 1),
        }
    }

    /// The print under this number, and whose copy it is of. Of number 1 that may be forgotten.
    pub(crate) fn known_print(&self, seq: SeqNo) -> Option<(Option<Origin>, u32)> {
        match self.prints.get(seq) {
            Some((origin, print)) => Some((Some(origin), print)),
            None if seq == SeqNo::FIRST => self.genesis.map(|print| (None, print)),
            None => None,
        }
    }

    /// Whether nothing is known that an answer could agree with: what is missing begins where a snapshot was joined,
    /// and no line has brought the number before. Numbers that began again since would fill it.
    pub(crate) fn is_bare(&self) -> bool {
        let before = SeqNo(self.expected.0 - 1);
        self.joined_at == Some(self.expected)
            && self.expected > SeqNo::FIRST
            && self.gaps.first().is_some_and(|gap| gap.range.first == self.expected)
            && self.known_print(before).is_none()
            && !candor_core::canary!(BareAnswerTaken)
    }

    /// Whether this number was given up, as far as that is remembered: with the start of the run
    /// (`true`) or in its middle (`false`).
    pub(crate) fn lost_as(&self, seq: SeqNo) -> Option<bool> {
        self.lost.find(seq).map(|entry| entry.about)
    }

    /// `count` messages, the first of them under `seq`, contradict another line's.
    pub(crate) fn differs<O: Output>(
        &mut self,
        seq: SeqNo,
        line: Line,
        count: u64,
        sink: &mut Sink<'_, O>,
    ) {
        sink.count(Counter::LinesDiffer, count);
        sink.count(Counter::DiscardLinesDiffer, count);
        let said_lately =
            self.differ_said.is_some_and(|said| sink.now.since(said) < crate::LINES_DIFFER_EVERY);
        if !said_lately {
            self.differ_said = Some(sink.now);
            sink.notice(Notice::LinesDiffer { seq, line });
        }
    }

    /// Gives up the lowest gap, no further than `end`, and delivers what was held behind it.
    pub(crate) fn give_up<O: Output>(&mut self, end: SeqNo, sink: &mut Sink<'_, O>) {
        let gap = self.gaps.first().expect("what lies ahead of the next number lies behind a gap");
        assert_eq!(gap.range.first, self.expected);
        let lost = SeqRange { first: gap.range.first, end: gap.range.end.min(end) };
        let left = self.gaps.give_up_first(lost.end);
        self.remember_lost(lost, gap.start);
        self.whole = match (gap.start, self.whole) {
            (true, Wholeness::Whole | Wholeness::StartMissing) => Wholeness::StartMissing,
            _ => Wholeness::LostInside,
        };
        sink.count(Counter::GapsLost, 1);
        sink.count(Counter::MessagesLost, lost.len());
        sink.gap(LossKind::GapLost, lost, gap.opened, None);
        if let Some(range) = left {
            sink.count(Counter::GapsOpened, 1);
            sink.notice(Notice::GapOpened { range, at: gap.opened });
        }
        self.expected = lost.end;
        self.drain(sink);
    }

    fn remember_lost(&mut self, range: SeqRange, start: bool) {
        if let Some(last) = self.lost.last_mut()
            && last.range.end == range.first
            && last.about == start
        {
            last.range.end = range.end;
            return;
        }
        self.lost.push(range, start);
        if self.lost.is_over() {
            self.lost.pop_first();
        }
    }

    /// Delivers what is held from the next number on.
    fn drain<O: Output>(&mut self, sink: &mut Sink<'_, O>) {
        let before = self.expected;
        // BOUND: the window.
        while let Some((origin, bytes)) = self.window.take(self.expected) {
            let seq = self.expected;
            sink.out.message(seq, origin, bytes);
            self.deliver_one(seq, origin);
        }
        sink.count(Counter::Applied, self.expected.distance_from(before));
        debug_assert!(self.expected <= self.known_end);
    }

    /// Gives up the lowest gaps while there are too many.
    fn keep_bound<O: Output>(&mut self, sink: &mut Sink<'_, O>) {
        // BOUND: an operation leaves at most one gap too many.
        while self.gaps.is_over() {
            self.give_up(SeqNo(u64::MAX), sink);
        }
    }

    /// Says which gaps have outlived the grace, and gives the start up where more than
    /// `start_limit` numbers are missing of it.
    pub(crate) fn outlive<O: Output>(
        &mut self,
        grace: Nanos,
        start_limit: u64,
        sink: &mut Sink<'_, O>,
    ) {
        if candor_core::canary!(GapForgotten) {
            return;
        }
        // BOUND: each turn marks or removes a gap.
        while let Some(gap) = self.gaps.due(sink.now, grace) {
            let over_limit = gap.start && self.gaps.missing_in(gap.of) > start_limit;
            if over_limit || candor_core::canary!(GaveUpAtOnce) {
                self.give_up(gap.range.end, sink);
            } else {
                self.gaps.outlive(&gap);
                sink.count(Counter::GapsOutlived, 1);
                sink.gap(LossKind::GapOutlived, gap.of, gap.opened, None);
            }
        }
    }

    /// The venue says that the run ends before `end`. The first word counts; numbers received
    /// beyond it contradict it and win.
    pub(crate) fn ends(&mut self, end: SeqNo) {
        if self.end().is_none() {
            self.phase = Phase::Ending(end.max(self.known_end));
        }
    }

    /// Says that the run ended, once nothing before its end is missing.
    pub(crate) fn settle_end<O: Output>(&mut self, sink: &mut Sink<'_, O>) {
        if let Phase::Ending(end) = self.phase
            && self.expected == end
        {
            self.phase = Phase::Ended(end);
            sink.notice(Notice::Ended { last: SeqNo(end.0 - 1) });
        }
    }

    /// Whether `range` lies in the session's start, missing since `by` or longer.
    pub(crate) fn is_before_start(&self, range: SeqRange, by: Mono) -> bool {
        // The start is the lowest gap, in one piece or in several.
        let starts = self.gaps.iter().take_while(|gap| gap.start && gap.opened <= by);
        let mut starts = starts.filter(|gap| !gap.range.intersect(range).is_empty());
        starts.next().is_some_and(|gap| range.end <= gap.of.end)
    }

    /// Whether any number of `range` is still to be received.
    pub(crate) fn lacks(&self, range: SeqRange) -> bool {
        range.end > self.known_end.max(range.first) || self.gaps.missing_in(range) > 0
    }

    /// Whether this number is missing and can be taken without giving anything up for it.
    pub(crate) fn wants(&self, seq: SeqNo) -> bool {
        seq.distance_from(self.expected) < WINDOW && self.gaps.has_room_to_fill(seq)
    }

    /// Everything before `next` is in the books, by a snapshot.
    pub(crate) fn splice<O: Output>(&mut self, next: SeqNo, sink: &mut Sink<'_, O>) {
        assert_ne!(self.phase, Phase::Fresh);
        assert!(next >= self.expected);
        let contained = SeqRange { first: self.expected, end: next };
        sink.count(Counter::DiscardInSnapshot, self.window.drop_from(contained));
        self.gaps.forget_before(next);
        if core::mem::take(&mut self.doubts_answers) {
            // What is remembered from before is of the numbers that an answer contradicted. Of those
            // that are in force no line has brought any.
            let before = SeqRange::between(SeqNo::FIRST, self.expected);
            self.prints.forget_before(before.end);
            self.genesis = None;
            self.uncarried.clear();
            self.nobody_carried(before);
        }
        self.lost.clear();
        self.whole = Wholeness::Whole;
        self.expected = next;
        self.joined_at = Some(next);
        self.known_end = self.known_end.max(next);
        self.nobody_carried(contained);
        self.phase = match self.phase {
            Phase::Fresh | Phase::Open => Phase::Open,
            Phase::Ending(end) => Phase::Ending(end.max(next)),
            Phase::Ended(end) => Phase::Ended(end.max(next)),
        };
        self.drain(sink);
    }

    /// Everything before `next` is in the books, by a snapshot, and what else is known is not
    /// believed.
    pub(crate) fn resync<O: Output>(&mut self, next: SeqNo, sink: &mut Sink<'_, O>) {
        assert_ne!(self.phase, Phase::Fresh);
        let phase = match self.phase {
            Phase::Fresh | Phase::Open | Phase::Ending(_) => Phase::Open,
            Phase::Ended(_) => Phase::Ended(next),
        };
        let contained = SeqRange::between(self.expected, next);
        sink.count(Counter::DiscardInSnapshot, self.window.drop_from(contained));
        self.reset(sink);
        self.phase = phase;
        self.expected = next;
        self.joined_at = Some(next);
        self.known_end = next;
        self.watched_from = next;
        assert!(self.gaps.is_empty());
        assert_eq!(self.window.held(), 0);
    }

    /// Asserts what the type promises.
    pub(crate) fn check(&self) {
        self.gaps.check();
        self.lost.check();
        assert!(SeqNo::FIRST <= self.expected);
        assert!(self.expected <= self.known_end);
        assert_eq!(self.window.recount(), self.window.held());
        let ahead = SeqRange { first: self.expected, end: self.known_end };
        assert_eq!(ahead.len(), self.gaps.missing() + self.window.held());
        assert_eq!(self.window.count(ahead), self.window.held());
        for gap in self.gaps.iter() {
            assert_eq!(gap.range.intersect(ahead), gap.range);
            assert_eq!(self.window.count(gap.range.intersect(self.reach())), 0);
            assert!(!self.lost.overlaps(gap.range));
        }
        assert_eq!(self.gaps.is_empty(), ahead.is_empty());
        assert!(self.gaps.first().is_none_or(|gap| gap.range.first == self.expected));
        for lost in self.lost.as_slice() {
            assert!(lost.range.end <= self.expected);
        }
        assert_eq!(self.whole == Wholeness::Whole, self.lost.is_empty());
        self.uncarried.check();
        for range in self.uncarried.as_slice() {
            assert!(range.range.end <= self.expected);
        }
        assert!(SeqNo::FIRST <= self.watched_from);
        assert!(self.watched_from <= self.expected);
        match self.phase {
            Phase::Fresh => assert_eq!(self.known_end, SeqNo::FIRST),
            Phase::Open => {}
            Phase::Ending(end) => assert!(self.expected < end && self.known_end == end),
            Phase::Ended(end) => assert!(self.expected == end && self.known_end == end),
        }
    }

    /// The numbers the window reaches.
    pub(crate) fn reach(&self) -> SeqRange {
        SeqRange { first: self.expected, end: SeqNo(self.expected.0.saturating_add(WINDOW)) }
    }
}

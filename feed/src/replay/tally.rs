//! What comes out of a partition while it is replayed, counted: the [`Sink`] that needs no region.

use candor_core::{
    BookView, LossKind, Message, Mono, SeqNo, SeqRange, SessionId, Status, Symbol, SymbolIndex,
};
use candor_core::{Line, Nanos, Origin};
use candor_engine::{Claim, Notice, Sink};

/// What became of missing numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GapState {
    /// Missing for less than the grace when the capture ended.
    Open,
    /// Missing for longer than the grace, and still missing when the capture ended.
    Outlived,
    /// A line carried them later.
    Filled,
    /// Given up.
    Lost,
}

impl GapState {
    /// The state's name in output.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            GapState::Open => "open",
            GapState::Outlived => "outlived",
            GapState::Filled => "filled",
            GapState::Lost => "lost",
        }
    }
}

/// Numbers that every line was missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    /// Which.
    pub range: SeqRange,
    /// The session they belong to.
    pub session: SessionId,
    /// Who carried the last of them, if anybody did.
    pub filled_by: Option<Origin>,
    /// What became of them.
    pub state: GapState,
    /// How long they were missing before that; zero while they still are.
    pub missing_for: Nanos,
}

/// Numbers one line did not carry and another did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OneLineLoss {
    /// The line.
    pub line: Line,
    /// Which.
    pub range: SeqRange,
    /// The session they belong to.
    pub session: SessionId,
    /// Who carried them.
    pub filled_by: Option<Origin>,
}

/// Everything counted of one partition.
#[derive(Debug)]
pub(super) struct Tally {
    /// Applied messages by their type.
    pub(super) by_type: [u64; 256],
    /// Gaps that ended, in order of their end.
    pub(super) gaps: Vec<Gap>,
    /// Gaps that did not: opened, and whether they outlived the grace.
    open: Vec<(SeqRange, bool)>,
    pub(super) one_line: Vec<OneLineLoss>,
    /// Applied messages by symbol.
    pub(super) by_symbol: Vec<u64>,
    /// By symbol, what was said of it last.
    pub(super) symbols: Vec<Option<Status>>,
    /// Sessions that followed another, and restarts.
    pub(super) sessions: Vec<SessionId>,
    pub(super) known_end: SeqNo,
}

impl Tally {
    pub(super) fn new() -> Tally {
        Tally {
            by_type: [0; 256],
            gaps: Vec::new(),
            open: Vec::new(),
            one_line: Vec::new(),
            by_symbol: Vec::new(),
            symbols: Vec::new(),
            sessions: Vec::new(),
            known_end: SeqNo(0),
        }
    }

    /// Every gap in order of its first number within its session, those still open at the end.
    pub(super) fn all_gaps(&self, session: SessionId) -> Vec<Gap> {
        let open = self.open.iter().map(|(range, outlived)| Gap {
            range: *range,
            session,
            filled_by: None,
            state: if *outlived { GapState::Outlived } else { GapState::Open },
            missing_for: Nanos::ZERO,
        });
        self.gaps.iter().copied().chain(open).collect()
    }

    /// Numbers that are no longer missing leave the open gaps.
    fn close(&mut self, range: SeqRange) {
        let mut left = Vec::with_capacity(self.open.len());
        for (open, outlived) in self.open.drain(..) {
            let before = SeqRange::between(open.first, range.first.min(open.end));
            let behind = SeqRange::between(range.end.max(open.first), open.end);
            for part in [before, behind] {
                if !part.is_empty() {
                    left.push((part, outlived));
                }
            }
        }
        self.open = left;
    }
}

impl Sink for Tally {
    fn lease(&mut self, _deadline: Mono) {}

    fn status(&mut self, _status: Status, _epoch: u32, _since: Mono, _session: SessionId) {}

    fn numbers(&mut self, _expected: SeqNo, known_end: SeqNo, _heard: Mono) {
        self.known_end = known_end;
    }

    fn define(&mut self, index: SymbolIndex, _symbol: &Symbol) {
        let at = index.0 as usize;
        if self.symbols.len() <= at {
            self.symbols.resize(at + 1, None);
            self.by_symbol.resize(at + 1, 0);
        }
    }

    fn publish(&mut self, index: SymbolIndex, status: Status, _: u32, _: Mono, _: &BookView) {
        if let Some(symbol) = self.symbols.get_mut(index.0 as usize) {
            *symbol = Some(status);
        }
    }

    fn event(&mut self, index: Option<SymbolIndex>, _seq: SeqNo, _now: Mono, message: &Message) {
        self.by_type[usize::from(message.kind)] += 1;
        let count = index.and_then(|index| self.by_symbol.get_mut(index.0 as usize));
        if let Some(count) = count {
            *count += 1;
        }
    }

    fn loss(&mut self, loss: &candor_core::Loss) {
        let (range, session) = (loss.range, loss.session);
        let (filled_by, missing_for) = (loss.filled_by, loss.missing_for);
        let ended = |state| Gap { range, session, filled_by, state, missing_for };
        match loss.kind {
            LossKind::OneLine => {
                if let Some(line) = loss.line {
                    self.one_line.push(OneLineLoss { line, range, session, filled_by });
                }
            }
            LossKind::GapFilled => {
                self.close(range);
                self.gaps.push(ended(GapState::Filled));
            }
            // A capture comes with no service to ask for a snapshot.
            LossKind::Spliced => {}
            LossKind::GapLost => {
                self.close(range);
                self.gaps.push(ended(GapState::Lost));
            }
            LossKind::GapOutlived => {
                for (open, outlived) in &mut self.open {
                    *outlived |= !open.intersect(range).is_empty();
                }
            }
        }
    }

    fn notice(&mut self, notice: &Notice, _now: Mono) {
        match notice {
            Notice::GapOpened { range, .. } => {
                self.close(*range);
                self.open.push((*range, false));
            }
            Notice::SessionChanged { to: session, .. } | Notice::Restarted { session } => {
                self.open.clear();
                self.sessions.push(*session);
            }
            _ => {}
        }
    }

    fn moved(&mut self, _index: SymbolIndex, _moved: bool) {}

    fn foreign(&mut self, _symbol: &Symbol, _home: u16, _claim: Claim) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u64, end: u64) -> SeqRange {
        SeqRange { first: SeqNo(first), end: SeqNo(end) }
    }

    fn opened(tally: &mut Tally, first: u64, end: u64) {
        tally.notice(&Notice::GapOpened { range: range(first, end), at: Mono(1) }, Mono(1));
    }

    fn loss(kind: LossKind, first: u64, end: u64) -> candor_core::Loss {
        candor_core::Loss {
            kind,
            range: range(first, end),
            session: SessionId::from_number(7),
            line: None,
            filled_by: None,
            at: Mono(2),
            missing_for: Nanos(1),
        }
    }

    #[test]
    fn a_gap_is_listed_once_with_what_became_of_it() {
        let mut tally = Tally::new();
        opened(&mut tally, 5, 10);
        opened(&mut tally, 20, 22);
        opened(&mut tally, 30, 31);
        tally.loss(&loss(LossKind::GapOutlived, 5, 10));
        tally.loss(&loss(LossKind::GapLost, 5, 7));
        tally.loss(&loss(LossKind::GapFilled, 20, 22));
        let gaps = tally.all_gaps(SessionId::from_number(7));
        let told: Vec<_> = gaps.iter().map(|gap| (gap.range, gap.state)).collect();
        assert_eq!(
            told,
            [
                (range(5, 7), GapState::Lost),
                (range(20, 22), GapState::Filled),
                (range(7, 10), GapState::Outlived),
                (range(30, 31), GapState::Open),
            ]
        );
    }
}

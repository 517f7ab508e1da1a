//! One entry of the loss log: what was missing, where, and who filled it.

use crate::{Line, Mono, Nanos, Origin, SeqRange, SessionId};

/// What became of missing numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
#[repr(u8)]
pub enum LossKind {
    /// One line did not carry them; another had or has.
    OneLine = 1,
    /// Missing on every line for a time, then filled, within the reorder grace or after it.
    GapFilled = 2,
    /// Missing on every line for longer than the reorder grace; the partition is stale. Another
    /// entry follows when the gap is filled or given up.
    GapOutlived = 3,
    /// Given up.
    GapLost = 4,
    /// Contained in a snapshot that took the place of the books: from the first number that was
    /// not applied by then to the first that was again.
    Spliced = 5,
}

impl LossKind {
    /// The kind's name in output.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            LossKind::OneLine => "one-line",
            LossKind::GapFilled => "gap-filled",
            LossKind::GapOutlived => "gap-outlived",
            LossKind::GapLost => "gap-lost",
            LossKind::Spliced => "spliced",
        }
    }

    /// The kind with this number.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<LossKind> {
        match code {
            1 => Some(LossKind::OneLine),
            2 => Some(LossKind::GapFilled),
            3 => Some(LossKind::GapOutlived),
            4 => Some(LossKind::GapLost),
            5 => Some(LossKind::Spliced),
            _ => None,
        }
    }
}

/// Numbers that were missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Loss {
    /// What became of them.
    pub kind: LossKind,
    /// Which.
    pub range: SeqRange,
    /// The session they belong to.
    pub session: SessionId,
    /// The line that did not carry them; `None` when no line did.
    pub line: Option<Line>,
    /// Who carried the last of them; `None` while or if nobody did.
    pub filled_by: Option<Origin>,
    /// When this was established.
    pub at: Mono,
    /// How long they had been missing then.
    pub missing_for: Nanos,
}

//! Where a partition's output goes.

use core::fmt;

use candor_core::{
    BookView, Changed, Loss, Message, Mono, SeqNo, SeqRange, SessionId, Status, Symbol,
    SymbolIndex, WireTime,
};
use candor_gapfill::Notice;
use candor_snapshot::Failure;

/// A step of recovery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// What is missing before `end` was asked for in vain.
    RetransmitGivenUp {
        /// The number behind the last of it.
        end: SeqNo,
        /// It is not asked for again.
        for_good: bool,
    },
    /// An answer with these numbers has other bytes under one that is known. It was not taken, and no
    /// other is until a snapshot, a restart or another session.
    RetransmitContradicted {
        /// Its numbers.
        range: SeqRange,
    },
    /// A snapshot is asked for.
    SnapshotAsked {
        /// The first number it need not contain.
        needs: SeqNo,
        /// Only some symbols' books are to be rebuilt.
        symbols_only: bool,
    },
    /// It begins to arrive: the books are emptied.
    SnapshotBegun,
    /// It was refused, broke off, or was of no use; another one follows.
    SnapshotFailed {
        /// Why.
        why: Failure,
    },
    /// It was joined to the stream: the books are whole.
    Spliced {
        /// The first number it didn't contain.
        next: SeqNo,
    },
    /// It was joined to the stream at a number that is past for us: ours were not the venue's.
    Resynced {
        /// The number the stream goes on from.
        next: SeqNo,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::RetransmitGivenUp { end, for_good: true } => {
                write!(f, "what is missing before {end} can't be had by retransmission; given up")
            }
            Step::RetransmitGivenUp { end, for_good: false } => write!(
                f,
                "what is missing before {end} was asked for in vain; nothing else would heal it, so that it is \
                 asked for again from time to time"
            ),
            Step::RetransmitContradicted { range } => write!(
                f,
                "the answer for {range} has other bytes under a number that is known: the service is wrong, or \
                 the numbers began again; no answer is taken any more until a snapshot"
            ),
            Step::SnapshotAsked { needs, symbols_only: false } => {
                write!(f, "a snapshot of everything before {needs} is asked for")
            }
            Step::SnapshotAsked { needs, symbols_only: true } => write!(
                f,
                "a snapshot is asked for, for the symbols that are quarantined; {needs} at least"
            ),
            Step::SnapshotBegun => write!(f, "the snapshot begins; the books are built anew"),
            Step::SnapshotFailed { why } => {
                write!(f, "the snapshot came to nothing ({}); another one follows", why.label())
            }
            Step::Spliced { next } => write!(f, "the snapshot joins the stream at {next}"),
            Step::Resynced { next } => write!(
                f,
                "the stream goes on from {next}, the snapshot's number: ours were not the venue's"
            ),
        }
    }
}

/// What a partition says of a symbol to the one that the map gives it to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Claim {
    /// It is named here too.
    Named {
        /// When for the first time since that was not so; `None` where that is not known.
        at: Option<NamedAt>,
    },
    /// It is not here any more, and was earlier on this trading date or may have been: what the other partition has
    /// of its book may be but the end.
    Left,
}

/// When a message named a symbol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NamedAt {
    /// By the venue's clock.
    pub time: WireTime,
    /// When it was applied here.
    pub heard: Mono,
}

impl NamedAt {
    /// Whether it was sent before the other, by the venue's clock. Formats that count from midnight begin anew in
    /// the middle of some sessions: of all that the two times could mean, what lies nearest to when they were heard.
    #[must_use]
    pub fn is_before(self, other: NamedAt) -> bool {
        const DAY: i128 = 24 * 3_600_000_000_000;
        let sent = i128::from(self.time.0) - i128::from(other.time.0);
        let heard = i128::from(self.heard.0) - i128::from(other.heard.0);
        let days = (heard - sent + DAY / 2).div_euclid(DAY);
        // More than a day or two is no wrap: clocks that count from elsewhere don't wrap at all.
        sent + if days.abs() <= 2 { days * DAY } else { 0 } < 0
    }
}

/// Receives what a partition has to say, in the order in which it must become visible: a demotion
/// before the data that caused it, a promotion after.
pub trait Sink {
    /// The partition's symbols may be Live until `deadline` at most: a packet vouches for it. Said while
    /// it is Live, or right before the status that makes it so.
    fn lease(&mut self, deadline: Mono);

    /// The partition's own status. `status` speaks for the scope of partitions alone.
    fn status(&mut self, status: Status, epoch: u32, since: Mono, session: SessionId);

    /// This session is followed from here on: first with a packet that reached the host then, or before this partition
    /// was made or nobody knows when ([`Mono::NEVER`]). Where it is followed anew, because its numbers begin anew under
    /// its name, that is said again.
    fn followed(&mut self, _session: SessionId, _at: Mono) {}

    /// How far the partition is: the next number expected, the end of those known to exist, and
    /// when the last packet of it was heard.
    fn numbers(&mut self, expected: SeqNo, known_end: SeqNo, heard: Mono);

    /// A symbol has this index from now on.
    fn define(&mut self, index: SymbolIndex, symbol: &Symbol);

    /// A symbol's book and status as of now. `status` speaks for the scope of symbols alone.
    fn publish(
        &mut self,
        index: SymbolIndex,
        status: Status,
        epoch: u32,
        since: Mono,
        view: &BookView,
    );

    /// Whether [`Sink::publish_changed`] does without what has not changed.
    const TAKES_CHANGES: bool = false;

    /// The same, and what of the view may differ from the symbol's view that was published before. Where
    /// [`Sink::TAKES_CHANGES`], nothing but that need be in it, and what the last message always brings: its number and
    /// time, the counts of levels, states. Whoever does not care gets whole views.
    #[inline]
    fn publish_changed(
        &mut self,
        index: SymbolIndex,
        status: Status,
        epoch: u32,
        since: Mono,
        view: &BookView,
        _changed: Changed,
    ) {
        self.publish(index, status, epoch, since, view);
    }

    /// A message about this symbol is about to be applied, which is likely to be published then. A hint: whoever writes
    /// books where others read them asks for the memory.
    #[inline]
    fn approach(&mut self, _index: SymbolIndex) {}

    /// A message was applied, or named no instrument that is known.
    fn event(&mut self, index: Option<SymbolIndex>, seq: SeqNo, now: Mono, message: &Message);

    /// Numbers were missing.
    fn loss(&mut self, loss: &Loss);

    /// Something happened to the sequence: a session, a restart, lines that differ.
    fn notice(&mut self, notice: &Notice, now: Mono);

    /// Recovery took a step. For those who tell people; the statuses say what may be used.
    fn step(&mut self, _step: &Step, _now: Mono) {}

    /// The map in force gives a symbol of this partition to another one (`moved`), or gives it back, or it
    /// was named here all the same: who looks it up by its name is to find it there, or here as well.
    fn moved(&mut self, index: SymbolIndex, moved: bool);

    /// Something to say of a symbol to partition `home`, which the map gives it to. Answers whether that one will
    /// hear of it.
    fn foreign(&mut self, symbol: &Symbol, home: u16, claim: Claim) -> bool;
}

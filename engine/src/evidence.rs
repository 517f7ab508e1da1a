//! What a partition knows about itself, and the proofs that follow from it.

use candor_core::status::Scope;
use candor_core::{Mono, Nanos, Proof, Reason, SeqNo, Status, promote};
use candor_gapfill::{State, Wholeness};

use crate::symbols::Known;

/// Whether the numbers began again under the same name, and what proves that nothing of before is
/// among what was applied since.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Renumbered {
    /// They did not, or it is proven.
    No,
    /// A snapshot that is spliced in.
    UntilSpliced,
    /// There are no snapshots: a packet in order that comes when no line can lag so far any more.
    UntilFresh,
}

/// What holds for the partition as a whole, beside what its sequencer knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence {
    /// A map is in force.
    pub(crate) mapped: bool,
    /// The session followed is one that was heard under a map that has ended, by this handler or one before
    /// it: not today's.
    pub(crate) yesterdays: bool,
    /// A line of it is joined.
    pub(crate) subscribed: bool,
    /// The session changed and nothing of the new one has been applied yet.
    pub(crate) session_changed: bool,
    /// The numbers began again under the same name.
    pub(crate) renumbered: Renumbered,
    /// Two lines carried different bytes under one number, in this session.
    pub(crate) lines_differ: bool,
    /// A message in sequence could not be understood, in this session.
    pub(crate) unreadable: bool,
    /// Answers have filled some of the session's start. There is no known number before it that they could
    /// agree with: the numbers may have begun again since it was heard.
    pub(crate) start_answered: bool,
    /// The number of a message that says that no other follows in this session.
    pub(crate) over: Option<SeqNo>,
    /// The last packet was older than the bound when we came to it.
    pub(crate) behind: bool,
    /// Packets of this partition may wait for longer than the bound behind those of others.
    pub(crate) waits: bool,
    /// Only packets that arrived since then prove anything: before, some may have been dropped
    /// unseen.
    pub(crate) fresh_since: Option<Mono>,
}

impl Evidence {
    pub(crate) const NONE: Evidence = Evidence {
        mapped: false,
        yesterdays: false,
        subscribed: false,
        session_changed: false,
        renumbered: Renumbered::No,
        lines_differ: false,
        unreadable: false,
        start_answered: false,
        over: None,
        behind: false,
        waits: false,
        fresh_since: None,
    };

    /// A new session: what was said about the old one's bytes no longer matters.
    pub(crate) fn new_session(&mut self) {
        self.session_changed = true;
        self.renumbered = Renumbered::No;
        self.lines_differ = false;
        self.unreadable = false;
        self.start_answered = false;
        self.over = None;
    }

    /// The numbers began again under the same name; from `until` on no line can lag so far that it
    /// brings what was before.
    pub(crate) fn restarted(&mut self, until: Mono, snapshots: bool) {
        self.renumbered = if snapshots { Renumbered::UntilSpliced } else { Renumbered::UntilFresh };
        self.only_since(until);
    }

    /// From now on only packets that arrive at `at` or later prove anything.
    pub(crate) fn only_since(&mut self, at: Mono) {
        self.fresh_since = Some(self.fresh_since.map_or(at, |since| since.max(at)));
    }

    /// Takes note of a packet that reached the host at `at` and is looked at now. What was dropped
    /// unseen may be long ago: where the packet shows a gap, the books are as old as that, and the
    /// grace that reordering is given must not make them Live.
    pub(crate) fn on_packet(&mut self, now: Mono, at: Mono, late: Nanos, state: State) {
        self.behind = now.since(at) > late;
        let gap = matches!(state, State::GapOpen | State::GapOutlived);
        if !gap && self.fresh_since.is_some_and(|since| at >= since) {
            self.fresh_since = None;
            if self.renumbered == Renumbered::UntilFresh {
                self.renumbered = Renumbered::No;
            }
        }
    }

    /// Whether the venue has said that the last message known to exist is the last of the session.
    pub(crate) fn is_over(&self, known_end: SeqNo) -> bool {
        self.over.is_some_and(|last| last.next() == known_end)
    }

    /// The partition's verdict. Silence is left to the lease, which needs no code to run out.
    /// `rebuilding` says that there are no books until a snapshot is spliced in: whatever else is
    /// missing, that is what is waited for. `contested` says that another session may be the one in force, `over` that
    /// the venue has said its last message.
    pub(crate) fn status(
        &self,
        state: State,
        whole: Wholeness,
        rebuilding: bool,
        contested: bool,
        over: bool,
    ) -> Status {
        let late = self.behind || self.waits || self.fresh_since.is_some();
        let missing = state == State::GapOutlived || whole == Wholeness::LostInside;
        // What is missing of the start is said by another name.
        let gap = missing && whole != Wholeness::StartMissing && !rebuilding;
        let changed = self.session_changed || self.renumbered != Renumbered::No || contested;
        let proof = Proof::NOTHING
            .rule_out_scope(Scope::Handler)
            .rule_out_scope(Scope::Symbol)
            .rule_out(Reason::NoMap, self.mapped)
            .rule_out(Reason::Unsubscribed, self.subscribed)
            .rule_out(Reason::NotStarted, state != State::NotStarted && !self.yesterdays)
            .rule_out(Reason::Silent, true)
            .rule_out(Reason::Ended, state != State::Ended && !over)
            .rule_out(Reason::Gap, !gap)
            .rule_out(Reason::Recovering, whole != Wholeness::StartMissing && !rebuilding)
            .rule_out(Reason::SessionChanged, !changed)
            .rule_out(Reason::LinesDiffer, !self.lines_differ)
            .rule_out(Reason::Late, !late)
            .rule_out(Reason::Quarantined, !self.unreadable);
        promote(&proof)
    }
}

impl Known {
    /// The symbol's verdict, the other scopes left to their own words.
    pub(crate) fn verdict(&self) -> Status {
        let proof = Proof::NOTHING
            .rule_out_scope(Scope::Handler)
            .rule_out_scope(Scope::Partition)
            .rule_out(Reason::Unmapped, !self.unmapped || candor_core::canary!(GivenAtOnce))
            .rule_out(Reason::WrongPartition, !self.misplaced)
            // What is being rebuilt is yet to be named: that it is being rebuilt says so.
            .rule_out(Reason::Unproven, self.named || self.recovering)
            .rule_out(Reason::SymbolRecovering, !self.recovering && !self.arrived)
            .rule_out(Reason::SymbolQuarantined, !self.broken && !self.crossed && !self.torn)
            .left_to_reader();
        promote(&proof)
    }
}

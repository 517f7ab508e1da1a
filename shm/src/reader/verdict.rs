//! The reader's verdict: from the words it loaded to a status, by ruling reasons out.
//!
//! | term | rules out | otherwise |
//! | --- | --- | --- |
//! | header not retired, region the handle's, lane lease beyond now and by no more than it is ever given | `WriterGone` | `WriterGone` |
//! | handler's state word | what it does not name, of the handler | the reason it names |
//! | no kill switch set: the region's, the partition's, the symbol's | `Halted` | `Halted`, since the widest of them |
//! | trading date of the partition the expected one; of the handler as a whole that of any partition | `NoMap` | `NoMap` |
//! | partition's state word | what it does not name, of the partition | the reason it names |
//! | last packet heard less than the silence bound ago, where the word gives a reason that `Silent` hides, other than `Ended` | nothing | `Silent` |
//! | partition lease beyond now, where the word claims Live | `NotStarted`, `Silent` | `NotStarted` when 0, else `Silent` |
//! | slot's state word, of the partition's epoch | what it does not name, of the symbol | the reason it names; `Unproven` for another epoch or none |
//! | name in one partition of the venue | `WrongPartition` | `WrongPartition` |
//! | slot copied whole within the tries | `Lapped` | `Lapped` |
//!
//! A word that holds no code of this build rules nothing out. The lease is asked only where the word
//! claims Live: it is written for partitions in sync, so its end says nothing new about one that has
//! a gap or recovers. Whether such a one has fallen silent as well is told by when it was heard last.
//! A partition whose session has ended owes no packets: it stays `Ended`.

use candor_core::status::{LIVE_CODE, Scope};
use candor_core::{Mono, Nanos, Proof, Reason, Status, promote};

use crate::layout::State;

/// How far the clocks of two processors may be apart.
const CLOCKS_APART: Nanos = Nanos::from_millis(1);

/// What was loaded about the handler and a lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct HandlerTerms {
    pub(super) now: Mono,
    /// When the region was made: the `since` of last resort.
    pub(super) created: Mono,
    pub(super) same_region: bool,
    pub(super) same_date: bool,
    pub(super) retired: Mono,
    pub(super) state: State,
    pub(super) since: Mono,
    /// Since when everything is halted; 0 while it is not.
    pub(super) halted: Mono,
    /// The lease of the lane in question.
    pub(super) lease: Mono,
    /// The lease ends later than any that can have been given: see [`is_too_long`].
    pub(super) too_long: bool,
}

/// What was loaded about a partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartitionTerms {
    pub(super) state: State,
    pub(super) since: Mono,
    pub(super) lease: Mono,
    /// Since when the partition is halted; 0 while it is not.
    pub(super) halted: Mono,
    /// When the last packet was heard; 0 when that is not said.
    pub(super) heard: Mono,
    /// The silence bound.
    pub(super) silence: Nanos,
}

/// What was loaded about a symbol.
#[derive(Clone, Copy, Debug)]
pub(super) enum SymbolTerms {
    /// No consistent copy within the tries.
    Busy {
        /// Since when the symbol is halted; 0 while it is not.
        halted: Mono,
    },
    /// A consistent copy, of which this is the status part.
    Copied {
        state: State,
        since: Mono,
        /// The name is in more than one partition of the venue.
        contested: bool,
        /// Since when the symbol is halted; 0 while it is not.
        halted: Mono,
    },
}

/// A status and since when it holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Verdict {
    pub(super) status: Status,
    pub(super) since: Mono,
}

/// A reason that stands, and since when.
type Standing = Option<(Reason, Mono)>;

/// What a state word establishes: of its scope everything but the reason it names.
fn term(scope: Scope, code: u8, since: Mono) -> (Proof, Standing) {
    if code == LIVE_CODE {
        return (Proof::NOTHING.rule_out_scope(scope), None);
    }
    match Reason::from_code(code) {
        Some(reason) => (Proof::NOTHING.rule_out_scope(scope), Some((reason, since))),
        None => (Proof::NOTHING, None),
    }
}

/// Whether a lease that was loaded before the clock was read ends later than one of this length can
/// that was given up to then. Nobody vouches for that long: writer and reader don't share a clock (a
/// time namespace of its own, say), or the word is broken. Its end would come late, or never.
pub(super) fn is_too_long(lease: Mono, length: Nanos, now: Mono) -> bool {
    lease > now + length + CLOCKS_APART
}

/// At most twelve reasons stand at once: of each of the three words its own, of each of the three kill
/// switches one, two derived for the handler, two for the partition, two for the symbol.
struct Case {
    proof: Proof,
    standing: [Standing; 12],
    used: usize,
}

impl Case {
    fn new() -> Case {
        Case { proof: Proof::NOTHING, standing: [None; 12], used: 0 }
    }

    fn establish(&mut self, (proof, standing): (Proof, Standing)) {
        self.proof = self.proof.or(proof);
        self.stand(standing);
    }

    fn stand(&mut self, standing: Standing) {
        if standing.is_some() {
            self.standing[self.used] = standing;
            self.used += 1;
        }
    }

    /// A kill switch's word. Whatever else is so, what it covers is not Live.
    fn halt(&mut self, since: Mono) {
        if since != Mono::NEVER && !candor_core::canary!(HaltIgnored) {
            self.stand(Some((Reason::Halted, since)));
        }
    }

    /// Takes out what stands, after everything is established, and lets the core decide.
    fn decide(self, otherwise: Mono) -> Verdict {
        let mut proof = self.proof;
        // None of what is Live.
        let standing = &self.standing[..self.used];
        for (reason, _) in standing.iter().flatten() {
            proof = proof.rule_out(*reason, false);
        }
        let status = promote(&proof);
        let since = standing
            .iter()
            .flatten()
            .find(|(reason, _)| status.reason() == Some(*reason))
            .map_or(otherwise, |(_, since)| *since);
        Verdict { status, since }
    }
}

fn handler(case: &mut Case, terms: &HandlerTerms) {
    case.establish(term(Scope::Handler, terms.state.code, terms.since));
    if terms.retired != Mono::NEVER {
        case.stand(Some((Reason::WriterGone, terms.retired)));
    } else if !terms.same_region {
        case.stand(Some((Reason::WriterGone, terms.created)));
    } else if terms.lease <= terms.now && !candor_core::canary!(ReaderTrustsFlag) {
        let since = if terms.lease == Mono::NEVER { terms.created } else { terms.lease };
        case.stand(Some((Reason::WriterGone, since)));
    } else if terms.too_long {
        case.stand(Some((Reason::WriterGone, terms.created)));
    }
    case.halt(terms.halted);
    if !terms.same_date {
        case.stand(Some((Reason::NoMap, terms.created)));
    }
}

fn partition(case: &mut Case, now: Mono, terms: &PartitionTerms) {
    let (proof, own) = term(Scope::Partition, terms.state.code, terms.since);
    case.establish((proof, own));
    case.halt(terms.halted);
    if let Some((reason, _)) = own {
        let until = terms.heard + terms.silence;
        if terms.heard != Mono::NEVER && until <= now && expects_packets(reason) {
            case.stand(Some((Reason::Silent, until)));
        }
        return;
    }
    if terms.lease == Mono::NEVER {
        case.stand(Some((Reason::NotStarted, terms.since)));
    } else if terms.lease <= now && !candor_core::canary!(ReaderTrustsFlag) {
        case.stand(Some((Reason::Silent, terms.lease)));
    }
}

/// Whether a partition that gives this reason for itself should be heard nevertheless.
fn expects_packets(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Gap
            | Reason::Recovering
            | Reason::SessionChanged
            | Reason::LinesDiffer
            | Reason::Late
            | Reason::Quarantined
    )
}

fn symbol(case: &mut Case, now: Mono, partition: &PartitionTerms, terms: &SymbolTerms) {
    match *terms {
        SymbolTerms::Busy { halted } => {
            case.halt(halted);
            let copied = Proof::NOTHING.rule_out_scope(Scope::Symbol);
            case.establish((copied, Some((Reason::Lapped, now))));
        }
        SymbolTerms::Copied { state, since, contested, halted } => {
            case.halt(halted);
            // Zero is what nobody wrote: of all the reasons it could be, the one that says so.
            if state.code == 0 {
                let unwritten = Proof::NOTHING.rule_out_scope(Scope::Symbol);
                case.establish((unwritten, Some((Reason::Unproven, partition.since))));
            } else {
                case.establish(term(Scope::Symbol, state.code, since));
            }
            if state.code != 0 && state.epoch != partition.state.epoch {
                case.stand(Some((Reason::Unproven, partition.since)));
            }
            if contested {
                let known = if since == Mono::NEVER { partition.since } else { since };
                case.stand(Some((Reason::WrongPartition, known)));
            }
        }
    }
}

/// What is to be said of the handler, as far as one lane speaks for it.
pub(super) fn of_handler(terms: &HandlerTerms) -> Verdict {
    let mut case = Case::new();
    let rest = Proof::NOTHING.rule_out_scope(Scope::Partition).rule_out_scope(Scope::Symbol);
    case.establish((rest, None));
    handler(&mut case, terms);
    case.decide(terms.since)
}

/// What is to be said of a partition.
pub(super) fn of_partition(terms: &HandlerTerms, own: &PartitionTerms) -> Verdict {
    let mut case = Case::new();
    case.establish((Proof::NOTHING.rule_out_scope(Scope::Symbol), None));
    handler(&mut case, terms);
    partition(&mut case, terms.now, own);
    case.decide(own.since)
}

/// Since when a partition is silent, whatever is to be said of its handler; `None` where it is not, or
/// for a reason of its own owes no packets.
pub(super) fn silent_since(now: Mono, own: &PartitionTerms) -> Option<Mono> {
    let mut case = Case::new();
    partition(&mut case, now, own);
    let mut standing = case.standing.into_iter().flatten();
    standing.find(|(reason, _)| *reason == Reason::Silent).map(|(_, since)| since)
}

/// What is to be said of a symbol.
#[inline]
pub(super) fn of_symbol(
    terms: &HandlerTerms,
    own: &PartitionTerms,
    symbol_terms: &SymbolTerms,
) -> Verdict {
    // Nearly every read ends here. What stands, and since when, is only asked where something does.
    if let SymbolTerms::Copied { since, .. } = *symbol_terms {
        let proof = Proof::NOTHING
            .or(clear_of_handler(terms))
            .or(clear_of_partition(terms.now, own))
            .or(clear_of_symbol(own, symbol_terms));
        let status = promote(&proof);
        if status.is_live() {
            return Verdict { status, since };
        }
    }
    by_case(terms, own, symbol_terms)
}

/// The scope ruled out as a whole where this holds, and nothing of it otherwise.
#[inline]
fn all_or_nothing(scope: Scope, clear: bool) -> Proof {
    if clear { Proof::NOTHING.rule_out_scope(scope) } else { Proof::NOTHING }
}

/// Whether no term of [`handler`] gives a reason.
#[inline]
fn clear_of_handler(terms: &HandlerTerms) -> Proof {
    let vouched = terms.lease > terms.now && !terms.too_long && terms.retired == Mono::NEVER;
    let meant = terms.same_region && terms.same_date;
    let clear = terms.state.code == LIVE_CODE && terms.halted == Mono::NEVER && vouched && meant;
    all_or_nothing(Scope::Handler, clear)
}

/// Whether no term of [`partition`] gives one.
#[inline]
fn clear_of_partition(now: Mono, terms: &PartitionTerms) -> Proof {
    // A lease that was never given ends before any time.
    let clear = terms.state.code == LIVE_CODE && terms.halted == Mono::NEVER && terms.lease > now;
    all_or_nothing(Scope::Partition, clear)
}

/// Whether no term of [`symbol`] does.
#[inline]
fn clear_of_symbol(own: &PartitionTerms, terms: &SymbolTerms) -> Proof {
    let clear = match *terms {
        SymbolTerms::Busy { .. } => false,
        SymbolTerms::Copied { state, contested, halted, .. } => {
            let current = state.code == LIVE_CODE && state.epoch == own.state.epoch;
            current && halted == Mono::NEVER && !contested
        }
    };
    all_or_nothing(Scope::Symbol, clear)
}

/// The same with every reason that stands, and since when.
#[cold]
fn by_case(terms: &HandlerTerms, own: &PartitionTerms, symbol_terms: &SymbolTerms) -> Verdict {
    let mut case = Case::new();
    handler(&mut case, terms);
    partition(&mut case, terms.now, own);
    symbol(&mut case, terms.now, own, symbol_terms);
    let otherwise = match symbol_terms {
        SymbolTerms::Busy { .. } => terms.now,
        SymbolTerms::Copied { since, .. } => *since,
    };
    case.decide(otherwise)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const CODES: [u8; 4] = [LIVE_CODE, 0, Reason::Quarantined.code(), 0xee];
    const FLAGS: [bool; 2] = [true, false];
    const NOW: Mono = Mono(100);
    const LEASES: [Mono; 4] = [Mono::NEVER, Mono(99), NOW, Mono(101)];
    const HALTS: [Mono; 2] = [Mono::NEVER, Mono(7)];

    fn state(code: u8, epoch: u32) -> State {
        State { code, epoch, changes: 3 }
    }

    fn handlers() -> Vec<HandlerTerms> {
        let mut all = Vec::new();
        for (code, lease) in CODES.into_iter().flat_map(|code| LEASES.map(|lease| (code, lease))) {
            for bits in 0..32 {
                let bit = |nth: u32| bits >> nth & 1 == 1;
                all.push(HandlerTerms {
                    now: NOW,
                    created: Mono(1),
                    same_region: bit(0),
                    same_date: bit(1),
                    retired: if bit(2) { Mono(9) } else { Mono::NEVER },
                    state: state(code, 0),
                    since: Mono(2),
                    halted: HALTS[usize::from(bit(3))],
                    lease,
                    too_long: bit(4),
                });
            }
        }
        all
    }

    fn partitions() -> Vec<PartitionTerms> {
        let mut all = Vec::new();
        for (code, lease) in CODES.into_iter().flat_map(|code| LEASES.map(|lease| (code, lease))) {
            for halted in HALTS {
                let (state, heard) = (state(code, 5), Mono(50));
                all.push(PartitionTerms {
                    state,
                    since: Mono(3),
                    lease,
                    halted,
                    heard,
                    silence: Nanos(20),
                });
            }
        }
        all
    }

    fn symbols() -> Vec<SymbolTerms> {
        let mut all: Vec<SymbolTerms> = HALTS.map(|halted| SymbolTerms::Busy { halted }).into();
        for (code, epoch) in CODES.into_iter().flat_map(|code| [5, 6].map(|epoch| (code, epoch))) {
            for (halted, contested) in HALTS.into_iter().flat_map(|at| FLAGS.map(|is| (at, is))) {
                let (state, since) = (state(code, epoch), Mono(4));
                all.push(SymbolTerms::Copied { state, since, contested, halted });
            }
        }
        all
    }

    /// The short way to Live is as long as the other: every combination of every term.
    #[test]
    fn what_is_live_at_once_is_live_by_every_reason() {
        let mut live = 0;
        for terms in &handlers() {
            for own in &partitions() {
                for symbol in &symbols() {
                    let (short, long) =
                        (of_symbol(terms, own, symbol), by_case(terms, own, symbol));
                    assert_eq!(short, long, "{terms:?} {own:?} {symbol:?}");
                    live += u32::from(long.status.is_live());
                }
            }
        }
        assert_eq!(live, 1, "one combination has nothing against it");
    }
}

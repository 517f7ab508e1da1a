//! Whether data may be used, and why not.
//!
//! *Live is what is left when every reason for Stale has been ruled out.* A [`Proof`] is the set of
//! reasons ruled out so far; it starts empty. [`promote`] is the only function anywhere that makes
//! a live [`Status`], and it does so from a whole proof alone: nobody can write `Live` down.

use core::fmt;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $level:ident, $label:literal, $text:literal;)+) => {
        /// Why data is stale. Listed worst first, which is the order in which one hides another.
        /// The codes are in the region and in journals: append only, never reused.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[repr(u8)]
        pub enum Reason { $($(#[doc = $doc])+ $name = $code,)+ }

        impl Reason {
            /// Every reason, worst first.
            pub const ALL: [Reason; [$($code),+].len()] = [$(Reason::$name),+];

            /// What the reason is about.
            #[must_use]
            pub const fn level(self) -> Scope {
                match self { $(Reason::$name => Scope::$level,)+ }
            }

            /// The reason's name in output, JSON and metrics.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Reason::$name => $label,)+ }
            }

            /// The reason in a sentence for an operator.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Reason::$name => $text,)+ }
            }

            /// The reason with this code; `None` for 0, for Live, and for codes of a later version.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Reason> {
                match code { $($code => Some(Reason::$name),)+ _ => None }
            }
        }
    };
}

/// What a reason makes stale.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Everything the handler publishes.
    Handler,
    /// All symbols of a partition.
    Partition,
    /// One symbol.
    Symbol,
}

reasons! {
    /// The handler's lease has run out. Derived by the reader.
    WriterGone = 1, Handler, "WriterGone", "the handler is gone or hangs: its lease has run out";
    /// The operator's kill switch.
    Halted = 2, Handler, "Halted", "an operator has halted it, by the kill switch";
    /// No valid map for this trading date.
    NoMap = 3, Handler, "NoMap", "no valid partition map for this trading date";
    /// Binary, configuration or map is not what it says it is.
    NotAttested = 4, Handler, "NotAttested", "binary, configuration or map is not what was attested";
    /// No line of the partition is joined.
    Unsubscribed = 16, Partition, "Unsubscribed", "the partition is configured but no line of it is subscribed";
    /// Nothing heard of the partition in this session.
    NotStarted = 17, Partition, "NotStarted", "nothing has been heard of the partition yet";
    /// No packet on any line for the silence bound.
    Silent = 18, Partition, "Silent", "no packet on any line for longer than the silence bound";
    /// The venue ended the session.
    Ended = 19, Partition, "Ended", "the venue has ended the session";
    /// A gap has outlived the reorder grace.
    Gap = 20, Partition, "Gap", "messages are missing on every line";
    /// The partition's books are being rebuilt.
    Recovering = 21, Partition, "Recovering", "the books are not whole: the session's start is missing, or they are being rebuilt";
    /// The venue's session changed under us, or restarted.
    SessionChanged = 22, Partition, "SessionChanged", "the venue's session has changed";
    /// Two lines carry different bytes under one number.
    LinesDiffer = 23, Partition, "LinesDiffer", "two lines carry different bytes under one number";
    /// We fall behind the wire by more than the bound.
    Late = 24, Partition, "Late", "the handler has fallen behind the wire";
    /// The partition's bytes break the venue's specification.
    Quarantined = 25, Partition, "Quarantined", "the partition's packets break the venue's specification";
    /// In no partition of today's map.
    Unmapped = 64, Symbol, "Unmapped", "the symbol is in no partition";
    /// Seen on another partition than the map says.
    WrongPartition = 65, Symbol, "WrongPartition", "the symbol was seen on a partition that should not have it";
    /// Nothing on its partition has named it this session.
    Unproven = 66, Symbol, "Unproven", "nothing on its partition has named the symbol this session";
    /// The symbol's book is being rebuilt.
    SymbolRecovering = 67, Symbol, "SymbolRecovering", "the symbol's book is being rebuilt";
    /// The symbol's book broke the venue's rules.
    SymbolQuarantined = 68, Symbol, "SymbolQuarantined", "the symbol's book broke the venue's rules";
    /// The reader fell behind: the event ring lapped it, or no slot could be copied whole between the
    /// writer's changes. Derived by the reader.
    Lapped = 69, Symbol, "Lapped", "this reader could not keep up with the writer";
}

impl Reason {
    /// The reasons only a reader can establish or rule out: the writer's own proof leaves them open.
    pub const DERIVED_BY_READER: [Reason; 2] = [Reason::WriterGone, Reason::Lapped];

    /// The reason's number in the region and in journals.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The reason with this label, as an operator types it; upper and lower case don't matter.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Reason> {
        Reason::ALL.into_iter().find(|reason| reason.label().eq_ignore_ascii_case(label))
    }

    #[inline]
    const fn bit(self) -> u32 {
        BITS[self as usize]
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}

/// What has been ruled out. Starts with nothing ruled out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Proof {
    ruled_out: u32,
}

/// The bit of each reason in a proof, by the reason's code: the worst reason's is the lowest.
const BITS: [u32; 256] = {
    let mut bits = [0; 256];
    let mut rank = 0;
    while rank < Reason::ALL.len() {
        bits[Reason::ALL[rank] as usize] = 1 << rank;
        rank += 1;
    }
    bits
};

/// The bits of a scope's reasons.
const fn bits_of(scope: Scope) -> u32 {
    let mut bits = 0;
    let mut rank = 0;
    while rank < Reason::ALL.len() {
        if Reason::ALL[rank].level() as u8 == scope as u8 {
            bits |= 1 << rank;
        }
        rank += 1;
    }
    bits
}

const OF_HANDLER: u32 = bits_of(Scope::Handler);
const OF_PARTITION: u32 = bits_of(Scope::Partition);
const OF_SYMBOL: u32 = bits_of(Scope::Symbol);

const WHOLE: u32 = (1 << Reason::ALL.len()) - 1;
const BY_READER: u32 = Reason::WriterGone.bit() | Reason::Lapped.bit();

impl Proof {
    /// Nothing is proven.
    pub const NOTHING: Proof = Proof { ruled_out: 0 };

    /// The proof with `reason` ruled out when `evidence` holds. Where it does not hold the reason
    /// stands again, whatever was known before.
    #[must_use]
    #[inline]
    pub const fn rule_out(self, reason: Reason, evidence: bool) -> Proof {
        let bit = reason.bit();
        let ruled_out = if evidence { self.ruled_out | bit } else { self.ruled_out & !bit };
        Proof { ruled_out }
    }

    /// The proof with every reason of this scope ruled out; what a term that covers a whole scope
    /// (a live partition word, a live slot) establishes for its reader.
    #[must_use]
    #[inline]
    pub const fn rule_out_scope(self, scope: Scope) -> Proof {
        let bits = match scope {
            Scope::Handler => OF_HANDLER,
            Scope::Partition => OF_PARTITION,
            Scope::Symbol => OF_SYMBOL,
        };
        Proof { ruled_out: self.ruled_out | bits }
    }

    /// What holds in both proofs.
    #[must_use]
    pub const fn and(self, other: Proof) -> Proof {
        Proof { ruled_out: self.ruled_out & other.ruled_out }
    }

    /// What either proof establishes. For joining terms about *different* scopes.
    #[must_use]
    pub const fn or(self, other: Proof) -> Proof {
        Proof { ruled_out: self.ruled_out | other.ruled_out }
    }

    /// The proof a writer may hold at best: everything but what only a reader can rule out is for
    /// it to establish, so those are left to the reader, who starts from the writer's verdict.
    #[must_use]
    pub const fn left_to_reader(self) -> Proof {
        Proof { ruled_out: self.ruled_out | BY_READER }
    }
}

/// Whether data may be used. There is no way to write a live status down; see [`promote`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(u8);

/// The code of a live status in the region. Not 0, not 0xff, and no reason's: memory that nobody
/// wrote is never Live.
pub const LIVE_CODE: u8 = 0x4c;

/// The only function that makes a live status: every reason is ruled out. Else the worst reason
/// that still stands.
#[must_use]
pub const fn promote(proof: &Proof) -> Status {
    let standing = WHOLE & !proof.ruled_out;
    if standing == 0 {
        return Status(LIVE_CODE);
    }
    Status::stale(Reason::ALL[standing.trailing_zeros() as usize])
}

impl Status {
    /// Stale for this reason. Anyone may demote.
    #[must_use]
    pub const fn stale(reason: Reason) -> Status {
        Status(reason.code())
    }

    /// Whether the data may be used.
    #[must_use]
    pub const fn is_live(self) -> bool {
        self.0 == LIVE_CODE
    }

    /// Why not; `None` when live.
    #[must_use]
    pub const fn reason(self) -> Option<Reason> {
        Reason::from_code(self.0)
    }

    /// The status as stored in the region.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            None => f.pad("Live"),
            Some(reason) => f.pad(reason.label()),
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            None => write!(f, "Live"),
            Some(reason) => write!(f, "Stale({reason})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_but(missing: Reason) -> Proof {
        Reason::ALL.iter().fold(Proof::NOTHING, |p, r| p.rule_out(*r, *r != missing))
    }

    #[test]
    fn live_only_when_every_reason_is_ruled_out() {
        let whole = Reason::ALL.iter().fold(Proof::NOTHING, |p, r| p.rule_out(*r, true));
        assert!(promote(&whole).is_live());
        for reason in Reason::ALL {
            assert_eq!(promote(&all_but(reason)), Status::stale(reason));
        }
    }

    #[test]
    fn the_worst_standing_reason_is_reported() {
        for (rank, worse) in Reason::ALL.iter().enumerate() {
            for better in &Reason::ALL[rank + 1..] {
                let proof = all_but(*worse).rule_out(*better, false);
                assert_eq!(promote(&proof).reason(), Some(*worse));
            }
        }
        assert_eq!(promote(&Proof::NOTHING).reason(), Some(Reason::ALL[0]));
    }

    #[test]
    fn codes_are_stable_unique_and_never_live_or_zero() {
        let codes: std::vec::Vec<u8> = Reason::ALL.iter().map(|r| r.code()).collect();
        assert_eq!(
            codes,
            [1, 2, 3, 4, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 64, 65, 66, 67, 68, 69]
        );
        for reason in Reason::ALL {
            assert_eq!(Reason::from_code(reason.code()), Some(reason));
            assert_eq!(Reason::from_label(reason.label()), Some(reason));
            assert_ne!(reason.code(), LIVE_CODE);
        }
        assert_eq!(Reason::from_code(0), None);
        assert_eq!(Reason::from_code(LIVE_CODE), None);
    }

    #[test]
    fn a_scope_rules_out_its_own_reasons_and_no_other() {
        for scope in [Scope::Handler, Scope::Partition, Scope::Symbol] {
            let alone = Proof::NOTHING.rule_out_scope(scope);
            for reason in Reason::ALL {
                let missing = all_but(reason).or(alone);
                assert_eq!(promote(&missing).is_live(), reason.level() == scope, "{reason}");
            }
        }
    }

    #[test]
    fn evidence_that_fails_takes_proof_back() {
        let proof = all_but(Reason::Lapped).rule_out(Reason::Gap, false);
        assert_eq!(promote(&proof).reason(), Some(Reason::Gap));
    }

    #[test]
    fn a_writer_leaves_to_the_reader_what_only_a_reader_knows() {
        let writer = Proof::NOTHING
            .rule_out_scope(Scope::Handler)
            .rule_out_scope(Scope::Partition)
            .rule_out_scope(Scope::Symbol);
        for reason in Reason::DERIVED_BY_READER {
            let open = writer.rule_out(reason, false);
            assert!(!promote(&open).is_live());
            assert!(promote(&open.left_to_reader()).is_live());
        }
    }
}

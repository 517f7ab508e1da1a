//! What must hold in a run besides the invariants, and what must be said.

use candor_core::alert::Code;
use candor_core::{Nanos, Reason, TradingState};
use candor_engine::alerts::{Place, Suspect};
use candor_engine::odd::Odd;

/// What must hold of the symbols of a partition for a while, beside the invariants.
#[derive(Clone, Debug)]
pub struct Expect {
    /// The partition.
    pub partition: usize,
    /// Which symbols of it.
    pub whose: Whose,
    /// From then on, since the beginning.
    pub from: Nanos,
    /// Up to then.
    pub until: Nanos,
    /// What.
    pub must: Must,
}

/// Which symbols of a partition are meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whose {
    /// All that the handler has there.
    All,
    /// One, by its place in the region.
    One(u32),
    /// Those that the venue has there.
    Own,
    /// Those that some map had there and the venue has on another.
    Others,
}

/// What is expected of a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Must {
    /// Live.
    BeLive,
    /// Live, and its trading state is this.
    BeLiveIn(TradingState),
    /// Stale for one of these reasons.
    BeStale(Vec<Reason>),
}

/// What looks odd for a while, and must be said once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Oddity {
    /// The partition.
    pub partition: usize,
    /// What.
    pub odd: OddKind,
    /// Not before then, since the beginning.
    pub from: Nanos,
    /// Nor after then.
    pub until: Nanos,
}

/// What can look odd.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OddKind {
    /// [`Odd::FrozenNumbers`].
    FrozenNumbers,
    /// [`Odd::EmptyBooks`].
    EmptyBooks,
}

impl OddKind {
    /// The kind of this one.
    #[must_use]
    pub const fn of(odd: &Odd) -> OddKind {
        match odd {
            Odd::FrozenNumbers { .. } => OddKind::FrozenNumbers,
            Odd::EmptyBooks { .. } => OddKind::EmptyBooks,
        }
    }
}

/// An alert that begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Alarm {
    /// What it says.
    pub code: Code,
    /// Where it says that it is.
    pub place: Place,
    /// Partitions that are part of it as it begins.
    pub partitions: u16,
    /// What is suspected first, as it begins or later.
    pub suspect: Option<Suspect>,
}

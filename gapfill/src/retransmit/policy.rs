//! How often, how much and for how long.

use candor_core::Nanos;
#[cfg(doc)]
use candor_core::limits::RETRANSMITS_OUTSTANDING;

/// How a partition asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Numbers one request asks for at most.
    pub piece: u32,
    /// Requests at a time, at most [`RETRANSMITS_OUTSTANDING`].
    pub outstanding: u8,
    /// Missing numbers in all beyond which asking is not worth it.
    pub limit: u64,
    /// How long the first attempt waits for its answer.
    pub timeout: Nanos,
    /// How long any attempt waits at most.
    pub timeout_max: Nanos,
    /// How often a request is made at most.
    pub attempts: u32,
    /// How long a gap may be open, from the beginning, before it is given up.
    pub patience: Nanos,
    /// How long after a part of an answer the rest of it may follow: zero where the service answers
    /// with one packet, so that the rest has to be asked for at once.
    pub rest: Nanos,
    /// The longest pause between two rounds in which what was given up is asked for again; `None` where it is not,
    /// because a snapshot heals it.
    pub pause_max: Option<Nanos>,
}

impl Policy {
    /// How long this attempt waits for its answer.
    pub(super) fn timeout_of(&self, attempt: u32) -> Nanos {
        let doubled = self.timeout.0.saturating_mul(1u64.checked_shl(attempt).unwrap_or(u64::MAX));
        Nanos(doubled.min(self.timeout_max.0))
    }

    /// The first pause before what was given up is asked for again: by then no request made before is under way.
    pub(super) fn pause_min(&self) -> Nanos {
        self.patience.max(self.timeout_max)
    }
}

//! One request for missing numbers, and what is worth one.

use candor_core::counters::{Counter, Counters};
use candor_core::{Mono, Nanos, SeqNo, SeqRange};

use super::Policy;
#[cfg(doc)]
use super::Retransmit;
use crate::Gaps;

/// Where a request stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// To be handed out by [`Retransmit::next_ask`].
    Due { expires: Mono },
    /// Handed out. `heard`: an answer came that belongs to it; whether it brought anything is seen
    /// in the next step.
    Asked { expires: Mono, heard: bool },
    /// A part was answered and the rest may be on its way until then; `heard` as above.
    Answering { until: Mono, heard: bool },
    /// It was refused and is made again then.
    Refused { until: Mono },
}

impl Stage {
    pub(super) fn deadline(self) -> Mono {
        match self {
            Stage::Due { expires } | Stage::Asked { expires, .. } => expires,
            Stage::Answering { until, .. } | Stage::Refused { until } => until,
        }
    }

    /// Whether the service has it, as far as is known.
    pub(super) fn in_flight(self) -> bool {
        matches!(self, Stage::Asked { .. } | Stage::Answering { .. })
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    /// From the first of its numbers that is missing to the last.
    pub(super) range: SeqRange,
    /// How many of them are missing.
    pub(super) missing: u64,
    /// As it was handed out.
    pub(super) asked: SeqRange,
    pub(super) attempt: u32,
    /// The first of its numbers lies right behind one that is known.
    pub(super) with_known: bool,
    /// Since when the first of its numbers is missing.
    pub(super) opened: Mono,
    /// When it was first made.
    pub(super) made: Mono,
    pub(super) stage: Stage,
}

impl Request {
    /// What an answer and the time make of it while `missing` of its numbers are missing still.
    /// False when its attempts are used up.
    pub(super) fn heed(
        &mut self,
        now: Mono,
        missing: u64,
        policy: &Policy,
        counters: &mut Counters,
    ) -> bool {
        debug_assert!(missing > 0);
        debug_assert!(self.attempt <= policy.attempts);
        let more = missing < self.missing;
        self.missing = missing;
        let expires = |attempt| now + policy.timeout_of(attempt);
        match self.stage {
            Stage::Asked { heard: true, .. } | Stage::Answering { heard: true, .. } if more => {
                self.stage = match policy.rest {
                    Nanos::ZERO => Stage::Due { expires: expires(self.attempt) },
                    rest => Stage::Answering { until: now + rest, heard: false },
                };
            }
            Stage::Due { expires: at } | Stage::Asked { expires: at, .. } if now >= at => {
                counters.add(Counter::RetransmitTimeouts, 1);
                self.attempt += 1;
                self.stage = Stage::Due { expires: expires(self.attempt) };
            }
            Stage::Answering { until, .. } | Stage::Refused { until } if now >= until => {
                self.stage = Stage::Due { expires: expires(self.attempt) };
            }
            _ => {}
        }
        // Whatever was heard has been heeded.
        if let Stage::Asked { heard, .. } | Stage::Answering { heard, .. } = &mut self.stage {
            *heard = false;
        }
        self.attempt < policy.attempts
    }
}

/// Whether there is a number before these. It may be missing too, and asked for by another request:
/// whichever of the two answers comes last is compared with the other.
pub(super) fn has_before(range: SeqRange) -> bool {
    range.first > SeqNo::FIRST
}

/// The front of `range`, whose first number is missing, that is worth one request: up to the end of
/// a gap, or of the range, of which at most a quarter is not missing. And how many numbers are.
pub(super) fn worth_a_request(gaps: &Gaps, range: SeqRange) -> (SeqRange, u64) {
    let (mut end, mut missing) = (range.first, 0);
    for gap in gaps.outlived() {
        let part = gap.range.intersect(range);
        if part.is_empty() {
            continue;
        }
        let length = part.end.distance_from(range.first);
        let between = length - missing - part.len();
        if between > length / 4 {
            break;
        }
        (end, missing) = (part.end, missing + part.len());
    }
    assert!(missing > 0, "a request for nothing");
    (SeqRange { first: range.first, end }, missing)
}

//! When numbers were here.

use std::collections::VecDeque;

use candor_core::{Mono, Nanos};

/// How far the numbers of the run followed were here at past instants, as far back as matters.
#[derive(Clone, Debug)]
pub(super) struct Reached {
    /// Everything before the number was here at the time.
    steps: VecDeque<(u64, Mono)>,
    back: Nanos,
}

impl Reached {
    /// Nothing was here; `back` is how far back matters.
    pub(super) fn new(back: Nanos) -> Reached {
        Reached { steps: VecDeque::new(), back }
    }

    /// Of another run, or of what was held back, nothing is known.
    pub(super) fn clear(&mut self) {
        self.steps.clear();
    }

    /// The oldest number that is remembered.
    pub(super) fn first(&self) -> Option<u64> {
        self.steps.front().map(|(next, _)| *next)
    }

    pub(super) fn note(&mut self, next: u64, now: Mono) {
        if self.steps.back().is_some_and(|(known, _)| *known >= next) {
            return;
        }
        while self.steps.get(1).is_some_and(|(_, at)| *at + self.back < now) {
            self.steps.pop_front();
        }
        self.steps.push_back((next, now));
    }

    /// Whether a number was here for longer than the grace at `now`.
    pub(super) fn long_before(&self, now: Mono, seq: u64) -> bool {
        let first = self.steps.iter().find(|(next, _)| *next > seq);
        first.is_some_and(|(_, at)| *at + self.back < now)
    }
}

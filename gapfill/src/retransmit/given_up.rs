//! What is given up, and when it is asked for again.

use candor_core::counters::{Counter, Counters};
use candor_core::{Mono, Nanos, SeqNo, SeqRange};

use super::request::Request;
use super::{Policy, Retransmit, wanted};
use crate::{Gap, Gaps};

/// What is given up of what is missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct GivenUp {
    /// All that is missing before this number.
    pub(super) end: SeqNo,
    /// When the last of it was.
    pub(super) at: Mono,
    /// How many numbers that are.
    pub(super) missing: u64,
    /// An answer came; whether it brought any of them is seen in the next step.
    pub(super) heard: bool,
    pub(super) again: Again,
}

/// Whether what is given up is asked for again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Again {
    /// Not while any of it is missing.
    Never,
    /// From then on, after a pause of this length.
    Resting { from: Mono, pause: Nanos },
    /// A round: one request, made once, stands for all of it. The next pause is longer than this one.
    Probing { pause: Nanos },
    /// A round: the service has answered, and all of it is asked for.
    Asking,
}

impl GivenUp {
    pub(super) fn is_for_good(&self) -> bool {
        self.again == Again::Never
    }

    /// Before this number nothing is asked for.
    pub(super) fn barred(&self) -> Option<SeqNo> {
        match self.again {
            Again::Never | Again::Resting { .. } => Some(self.end),
            Again::Probing { .. } | Again::Asking => None,
        }
    }

    /// Before this number one request at a time is made.
    pub(super) fn probed(&self) -> Option<SeqNo> {
        matches!(self.again, Again::Probing { .. }).then_some(self.end)
    }

    /// When the next round begins.
    pub(super) fn round_at(&self) -> Option<Mono> {
        match self.again {
            Again::Resting { from, .. } => Some(from),
            Again::Never | Again::Probing { .. } | Again::Asking => None,
        }
    }
}

impl Again {
    /// What follows where asking was in vain once more; `before` is `None` the first time.
    pub(super) fn after(before: Option<Again>, now: Mono, policy: &Policy) -> Again {
        let pause = match before {
            Some(again @ (Again::Never | Again::Resting { .. })) => return again,
            Some(Again::Probing { pause }) => Nanos(pause.0.saturating_mul(2)),
            // It answers, or did until now: none of the pauses before counts.
            Some(Again::Asking) | None => policy.pause_min(),
        };
        match policy.pause_max {
            Some(longest) => {
                let pause = pause.min(longest.max(policy.pause_min()));
                Again::Resting { from: now + pause, pause }
            }
            None => Again::Never,
        }
    }
}

impl Retransmit {
    /// Of what is given up only that counts which is missing still. Its rounds begin when their time has come, and
    /// are of all of it once any was brought.
    pub(super) fn follow_given_up(&mut self, gaps: &Gaps) {
        let Some(given_up) = &mut self.given_up else { return };
        let (mut last, mut missing) = (None, 0);
        for gap in gaps.outlived().take_while(|gap| gap.range.first < given_up.end) {
            (last, missing) = (Some(gap), missing + gap.range.len());
        }
        let Some(last) = last else {
            self.given_up = None;
            return;
        };
        let begins = match given_up.again {
            Again::Resting { .. } | Again::Probing { .. }
                if given_up.heard && missing < given_up.missing =>
            {
                Some(Again::Asking)
            }
            Again::Resting { from, pause } if from <= self.now => Some(Again::Probing { pause }),
            _ => None,
        };
        if begins.is_some() {
            self.asks_since = self.now;
        }
        let again = begins.unwrap_or(given_up.again);
        *given_up = GivenUp { end: last.range.end, missing, heard: false, again, ..*given_up };
    }

    /// Before this number nothing is asked for.
    pub(super) fn barred(&self) -> Option<SeqNo> {
        self.given_up.and_then(|given_up| given_up.barred())
    }

    pub(super) fn is_probe(&self, request: &Request) -> bool {
        let probed = self.given_up.and_then(|given_up| given_up.probed());
        probed.is_some_and(|end| request.range.first < end)
    }

    /// Gives up all gaps that begin before `end`, each of them whole, and in a round all that was given up before.
    pub(super) fn give_up(&mut self, end: SeqNo, gaps: &Gaps, counters: &mut Counters) {
        let before = self.given_up;
        let end = before.map_or(end, |before| end.max(before.end));
        let mut last: Option<Gap> = None;
        let mut count = 0;
        for gap in wanted(gaps, self.barred()).take_while(|gap| gap.range.first < end) {
            let again = before.is_some_and(|before| gap.range.first < before.end);
            count += u64::from(!again && last.is_none_or(|last| last.of != gap.of));
            last = Some(gap);
        }
        let Some(last) = last else {
            return;
        };
        counters.add(Counter::RetransmitGivenUp, count);
        let end = last.range.end;
        let again = Again::after(before.map(|before| before.again), self.now, &self.policy);
        let missing = gaps.missing_in(SeqRange { first: SeqNo(0), end });
        self.given_up = Some(GivenUp { end, at: self.now, missing, heard: false, again });
        for slot in &mut self.requests {
            if slot.is_some_and(|request| request.range.end <= end) {
                *slot = None;
            }
        }
    }

    /// Gives up all there is; none of it is asked for again.
    pub(super) fn give_up_for_good(&mut self, gaps: &Gaps, counters: &mut Counters) {
        self.give_up(SeqNo(u64::MAX), gaps, counters);
        if let Some(given_up) = &mut self.given_up {
            given_up.again = Again::Never;
        }
    }

    /// Gives up what is over the limit, or has been missing for too long.
    pub(super) fn give_up_hopeless(&mut self, gaps: &Gaps, counters: &mut Counters) {
        let missing: u64 = wanted(gaps, self.barred()).map(|gap| gap.range.len()).sum();
        if missing > self.policy.limit {
            self.give_up_for_good(gaps, counters);
            return;
        }
        // The lowest gaps are the oldest ones.
        let overdue =
            wanted(gaps, self.barred()).take_while(|gap| self.patience_of(*gap) <= self.now);
        if let Some(gap) = overdue.last() {
            self.give_up(gap.range.end, gaps, counters);
        }
    }
}

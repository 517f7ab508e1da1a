//! What a partition may be stale for, and what need not be whole in the end.

use candor_core::limits::{OPEN_GAPS, WINDOW_MESSAGES};
use candor_core::{Loss, Mono, Reason};

use super::Watch;
use crate::oracle::Followed;
use crate::simulator::Setup;

impl Watch {
    /// Whether the second act must make the partition whole: by its lines alone, where the venue
    /// is not asked for anything.
    pub(in crate::simulator) fn can_be_whole(&self, setup: &Setup) -> bool {
        // The venue has begun no session since the map ended.
        if self.is_yesterdays() || self.has_old_name() {
            return false;
        }
        // The whole ladder is there: everything can.
        if setup.services.is_some_and(|services| services.snapshot) {
            return true;
        }
        let lines_alone = self.followed.missing_since().is_none() && self.run.is_some();
        // After a restart packets that came are refused for a time, and what they brought may not be had
        // again: the services lose one request in three.
        let refused = self.said.restarted && self.known_end != self.expected;
        // Nor may a missing start, of which lines bring nothing after the grace (decision 0008).
        let in_vain = self.lacks_start() && self.expected < self.given_up;
        let doubted = self.said.differs || self.mixed;
        lines_alone && !(self.said.gap_lost || doubted || refused || in_vain)
    }

    /// Whether a reader may be told this reason now, of the partition as a whole; `None` for
    /// reasons that are not a partition's.
    pub(in crate::simulator) fn explains(
        &self,
        reason: Reason,
        now: Mono,
        setup: &Setup,
    ) -> Option<bool> {
        let overdue = |since: Mono| now >= since + setup.grace;
        let known = match reason {
            Reason::Unsubscribed => !self.subscribed,
            Reason::NotStarted => {
                let old = self.is_yesterdays() || self.has_old_name();
                self.run.is_none() || self.evidence == Mono::NEVER || old
            }
            Reason::Silent => {
                // Copies, echoes and what is refused of a missing start or around a restart vouch for less.
                let refuses = self.said.restarted || self.mixed || self.lacks_start();
                let less = refuses || now >= self.vouched + setup.silence;
                now >= self.evidence + setup.silence || (less && self.lease <= now)
            }
            Reason::Ended => self.said.ended && self.ended_run == self.run,
            Reason::Gap => {
                // Numbers that began again unheard, and have passed those known, look like a gap.
                let known = self.followed.known_end();
                let unheard = self.ahead.as_ref().is_some_and(|(_, it)| it.known_end() > known);
                let missing = self.said.restarted
                    || unheard
                    || self.followed.next() < self.old_ahead
                    || self.followed.missing_since().is_some_and(overdue);
                (self.said.gap_outlived && missing) || self.said.gap_lost
            }
            Reason::Recovering => {
                (self.said.rebuilding && !self.said.only_some)
                    || self.said.gap_lost
                    || self.lacks_start()
                    || self.followed.missing_since().is_some()
            }
            Reason::SessionChanged => {
                let rival = self.rival.is_some_and(|at| now < at + setup.session_grace);
                self.said.restarted || (self.said.changed && self.last_applied == 0) || rival
            }
            Reason::LinesDiffer => self.said.differs,
            Reason::Late => {
                self.said.stalled.or(self.lapsed).is_some()
                    || self.behind > setup.late
                    || self.waits
            }
            Reason::Quarantined => false,
            _ => return None,
        };
        Some(known)
    }

    /// Whether what is given up is the session's start, and nobody is asked for so much of it.
    pub(super) fn may_give_up_start(&self, loss: &Loss, setup: &Setup) -> bool {
        let policy = setup.services.and_then(|services| services.policy(setup.venue));
        let limit = policy.map_or(0, |policy| policy.limit);
        loss.range.first.0 < self.began_at && self.began_at - 1 > limit
    }

    /// Whether a handler must give these numbers up, with all that has come: it has room behind them for so many
    /// messages and for so many gaps.
    pub(in crate::simulator) fn must_give_up(&self, loss: &Loss, setup: &Setup) -> bool {
        let ahead = self.ahead.as_ref().map(|(_, followed)| followed);
        let runs = || ahead.into_iter().chain([&self.followed]);
        // What was taken of older numbers under the same name looks like these.
        let known = runs().map(Followed::known_end).fold(self.old_ahead, u64::max);
        let gaps: usize = runs().map(Followed::gaps).sum();
        // Until a snapshot tells, numbers that began again have a beginning of the handler's own, and old ones
        // may stand among them.
        let of_two = self.said.restarted || self.mixed;
        // A packet that opens the one that is too many may fill others.
        of_two
            || self.may_give_up_start(loss, setup)
            || known > loss.range.first.0 + WINDOW_MESSAGES as u64
            || gaps > OPEN_GAPS / 2
    }
}

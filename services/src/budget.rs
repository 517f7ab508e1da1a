//! How many requests a venue allows.

use candor_core::limits::RETRANSMITS_A_DAY;
use candor_core::{Mono, Nanos};

/// Requests that may be sent within any second, minute and 24 hours, each at least 1. The windows
/// slide: whatever moment one looks back from, no more were sent. A venue's own day is a calendar's;
/// 24 hours that slide never allow more. What an earlier process has sent counts where it is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Within any second.
    pub second: u32,
    /// Within any minute.
    pub minute: u32,
    /// Within any 24 hours; [`RETRANSMITS_A_DAY`] at most.
    pub day: u32,
}

const SECOND: Nanos = Nanos::from_secs(1);
const MINUTE: Nanos = Nanos::from_secs(60);
const DAY: Nanos = Nanos::from_secs(24 * 60 * 60);

/// Whether one more request may be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Allowance {
    /// Now.
    Now,
    /// Not before then.
    From(Mono),
    /// Not before one that was let go has left, or never will: nobody knows when.
    Unknown,
    /// Not on this day.
    NotToday,
}

/// Keeps account of when requests were sent, and of those that were let go and may be sent at any time.
/// For each of these every window keeps a place, so that none is ever overdrawn whenever they leave.
/// Eight bytes for each of a day.
#[derive(Debug)]
pub(crate) struct Meter {
    budget: Budget,
    /// The last ones, the newest at `newest`.
    sent: Vec<Mono>,
    room: usize,
    newest: usize,
    /// Let go, and neither sent nor given up.
    reserved: u32,
    /// How many were sent since this was made.
    sent_here: u64,
}

impl Meter {
    /// Nothing sent so far.
    ///
    /// # Panics
    /// Where one of the numbers is zero, or the day's beyond [`RETRANSMITS_A_DAY`].
    pub(crate) fn new(budget: Budget) -> Meter {
        assert!(budget.second > 0, "a budget of nothing a second");
        assert!(budget.minute > 0, "a budget of nothing a minute");
        assert!(budget.day > 0, "a budget of nothing a day");
        assert!(budget.day <= RETRANSMITS_A_DAY, "a budget of more than {RETRANSMITS_A_DAY} a day");
        // No window ever holds more than a day's.
        let room = budget.day as usize;
        Meter { budget, sent: Vec::with_capacity(room), room, newest: 0, reserved: 0, sent_here: 0 }
    }

    /// So many were sent by an earlier process, at this time and none later.
    pub(crate) fn remember(&mut self, at: Mono, count: u32) {
        assert!(self.sent_here == 0, "what was sent before is told first");
        // Of more than a day allows the last are enough.
        for _ in 0..count.min(self.budget.day) {
            self.keep(at);
        }
    }

    /// How many were sent since this was made.
    pub(crate) fn sent_here(&self) -> u64 {
        self.sent_here
    }

    /// When the windows of a second and a minute have room for one more behind `ahead` others, whatever
    /// else is sent meanwhile; `None` where one of them never has so much beside what is reserved.
    pub(crate) fn room_behind(&self, ahead: usize) -> Option<Mono> {
        let Budget { second, minute, .. } = self.budget;
        let ahead = u32::try_from(ahead).ok()?;
        let second = self.room_of(second.checked_sub(ahead)?, SECOND)?;
        Some(second.max(self.room_of(minute.checked_sub(ahead)?, MINUTE)?))
    }

    pub(crate) fn allowance(&self, now: Mono) -> Allowance {
        if candor_core::canary!(BudgetIgnored) {
            return Allowance::Now;
        }
        if self.free_from(self.budget.day, DAY) > now {
            return Allowance::NotToday;
        }
        let of_day = self.room_of(self.budget.day, DAY);
        match self.room_behind(0).zip(of_day).map(|(behind, of_day)| behind.max(of_day)) {
            Some(from) if from <= now => Allowance::Now,
            Some(from) => Allowance::From(from),
            None => Allowance::Unknown,
        }
    }

    /// When a window of `limit` has room for one more beside those reserved; `None` while they fill it.
    fn room_of(&self, limit: u32, window: Nanos) -> Option<Mono> {
        let back = limit.checked_sub(self.reserved).filter(|back| *back > 0)?;
        Some(self.free_from(back, window))
    }

    /// When a window has room for one more: as soon as the one that is `limit` back has left it.
    fn free_from(&self, limit: u32, window: Nanos) -> Mono {
        match self.back(limit as usize) {
            Some(sent) => sent + window,
            None => Mono::NEVER,
        }
    }

    /// When the last but `count - 1` was sent; `None` where fewer were.
    fn back(&self, count: usize) -> Option<Mono> {
        if count > self.sent.len() {
            return None;
        }
        let at = (self.newest + self.sent.len() - (count - 1)) % self.sent.len();
        self.sent.get(at).copied()
    }

    /// One is let go. [`Meter::leave`] or [`Meter::release`] follows, be it much later.
    pub(crate) fn reserve(&mut self, now: Mono) {
        assert!(self.allowance(now) == Allowance::Now, "more is let go than is allowed");
        self.reserved += 1;
    }

    /// One that was let go will not be sent.
    pub(crate) fn release(&mut self) {
        assert!(self.reserved > 0, "nothing was let go");
        self.reserved -= 1;
    }

    /// One that was let go is sent.
    pub(crate) fn leave(&mut self, now: Mono) {
        self.release();
        self.sent_here += 1;
        self.keep(now);
    }

    fn keep(&mut self, now: Mono) {
        assert!(self.back(1).is_none_or(|last| last <= now), "time goes back");
        if self.sent.len() < self.room {
            self.newest = self.sent.len();
            self.sent.push(now);
        } else {
            self.newest = (self.newest + 1) % self.room;
            self.sent[self.newest] = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_room_again_exactly_when_the_one_that_fills_it_has_left() {
        let start = Mono(5);
        for (budget, window) in [
            (Budget { second: 2, minute: 9, day: 9 }, SECOND),
            (Budget { second: 9, minute: 2, day: 9 }, MINUTE),
            (Budget { second: 9, minute: 9, day: 2 }, DAY),
        ] {
            let mut meter = Meter::new(budget);
            for sent in [start, start + Nanos(1)] {
                assert_eq!(meter.allowance(sent), Allowance::Now);
                meter.reserve(sent);
                meter.leave(sent);
            }
            for left in [start + window, start + window + Nanos(1)] {
                let refused = match window {
                    DAY => Allowance::NotToday,
                    _ => Allowance::From(left),
                };
                assert_eq!(meter.allowance(left - Nanos(1)), refused);
                assert_eq!(meter.allowance(left), Allowance::Now);
                meter.reserve(left);
                meter.leave(left);
            }
        }
    }

    #[test]
    fn what_was_sent_before_has_its_place_for_a_day_and_counts_as_nothing_sent_here() {
        let start = Mono(5 + 2 * DAY.0);
        let before = Mono(start.0 - MINUTE.0);
        let mut meter = Meter::new(Budget { second: 2, minute: 9, day: 3 });
        meter.remember(Mono(before.0 - 1), 1);
        meter.remember(before, 1);
        assert_eq!((meter.allowance(start), meter.sent_here()), (Allowance::Now, 0));
        meter.reserve(start);
        meter.leave(start);
        assert_eq!((meter.allowance(start), meter.sent_here()), (Allowance::NotToday, 1));
        assert_eq!(meter.allowance(Mono(before.0 - 2) + DAY), Allowance::NotToday);
        assert_eq!(meter.allowance(Mono(before.0 - 1) + DAY), Allowance::Now);
        // More than is allowed, as where the budget was another.
        let mut meter = Meter::new(Budget { second: 2, minute: 9, day: 3 });
        meter.remember(before, 1_000_000_000);
        assert_eq!(meter.allowance(start), Allowance::NotToday);
        assert_eq!(meter.allowance(before + DAY), Allowance::Now);
    }

    #[test]
    fn what_is_let_go_has_its_place_until_it_has_left_or_never_will() {
        let start = Mono(5);
        for budget in [
            Budget { second: 2, minute: 9, day: 9 },
            Budget { second: 9, minute: 2, day: 9 },
            Budget { second: 9, minute: 9, day: 2 },
        ] {
            let mut meter = Meter::new(budget);
            meter.reserve(start);
            meter.reserve(start);
            let late = start + DAY;
            assert_eq!(meter.allowance(late), Allowance::Unknown, "no time frees it");
            meter.release();
            assert_eq!(meter.allowance(late), Allowance::Now);
            meter.reserve(late);
            meter.leave(late);
            let window = match budget {
                Budget { second: 2, .. } => SECOND,
                Budget { minute: 2, .. } => MINUTE,
                _ => DAY,
            };
            let refused = Allowance::From(late + window);
            assert_eq!(meter.allowance(late + window - Nanos(1)), refused, "one may still leave");
            assert_eq!(meter.allowance(late + window), Allowance::Now);
        }
    }
}

//! How many messages are due, from absolute time: a late wake-up is made good, never added up.

use candor_core::{Mono, Nanos};

/// What an exchange may fall behind before the time is given up instead of caught up with.
const PATIENCE: Nanos = Nanos::from_millis(500);

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// A steady flow of so many messages a second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    rate: u64,
    origin: Mono,
    given: u64,
    /// Messages that were due and given up, because nobody asked for them in time.
    pub(super) slipped: u64,
}

impl Pace {
    pub(super) fn new(rate: u64, now: Mono) -> Pace {
        Pace { rate, origin: now, given: 0, slipped: 0 }
    }

    pub(super) fn rate(&self) -> u64 {
        self.rate
    }

    /// Begins anew with this rate; what was due before is not made good.
    pub(super) fn restart(&mut self, rate: u64, now: Mono) {
        *self = Pace { rate, origin: now, given: 0, slipped: self.slipped };
    }

    /// Takes the messages due by `now`, at most `most`.
    pub(super) fn take(&mut self, now: Mono, most: u64) -> u64 {
        let Nanos(passed) = now.since(self.origin);
        let due = match passed.checked_mul(self.rate) {
            Some(product) => product / SECOND,
            None => (u128::from(passed) * u128::from(self.rate) / u128::from(SECOND)) as u64,
        };
        let due = due.saturating_sub(self.given);
        let taken = due.min(most);
        self.given += taken;
        let behind = due - taken;
        if u128::from(behind) * u128::from(SECOND) > u128::from(self.rate) * u128::from(PATIENCE.0)
        {
            self.slipped += behind;
            self.restart(self.rate, now);
        }
        taken
    }

    /// When the next message is due; `None` at rate 0.
    pub(super) fn next(&self) -> Option<Mono> {
        let (nth, rate) = (self.given + 1, self.rate.max(1));
        let after = match nth.checked_mul(SECOND) {
            Some(nanos) => nanos.div_ceil(rate),
            None => {
                let after = (u128::from(nth) * u128::from(SECOND)).div_ceil(u128::from(rate));
                u64::try_from(after).unwrap_or(u64::MAX)
            }
        };
        (self.rate > 0).then(|| self.origin + Nanos(after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_given_once_however_often_one_asks() {
        let mut often = Pace::new(3, Mono(5));
        let mut once = often;
        let total: u64 = (0..=2_000).map(|ms| often.take(Mono(5 + ms * 1_000_000), 10)).sum();
        assert_eq!((total, once.take(Mono(2_000_000_005), 10)), (6, 6));
        assert_eq!(once.take(Mono(2_000_000_005), 10), 0);
    }

    #[test]
    fn at_the_time_it_names_a_message_is_due() {
        let mut pace = Pace::new(70_001, Mono(1));
        for _ in 0..1_000 {
            let next = pace.next().unwrap();
            assert_eq!(pace.take(Mono(next.0 - 1), 9), 0);
            assert_eq!(pace.take(next, 9), 1);
        }
        assert_eq!(Pace::new(0, Mono(1)).next(), None);
    }

    #[test]
    fn time_nobody_used_is_given_up_and_counted() {
        let mut pace = Pace::new(1_000, Mono(0));
        assert_eq!(pace.take(Mono(2_000_000_000), 100), 100);
        assert_eq!(pace.slipped, 1_900);
        assert_eq!(pace.take(Mono(2_000_000_000), 100), 0);
    }
}

//! The addresses of one service: which one is used, and which ones are left alone for a while.

pub use candor_core::limits::ADDRESSES;
use candor_core::{Mono, Nanos};

/// What is known of one address.
#[derive(Clone, Copy, Debug)]
struct Address {
    /// Not to be used before.
    rested: Mono,
    /// How long it rests after its next failure.
    rest: Nanos,
}

/// Which address to use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pick {
    /// This one.
    Now(usize),
    /// None before then.
    From(Mono),
}

/// The addresses of one service. One is used as long as it works; when it fails it rests, twice as
/// long every time until it works again, and the next one that is rested is used.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    all: [Address; ADDRESSES],
    count: usize,
    current: usize,
    rest: Nanos,
    rest_max: Nanos,
}

impl Addresses {
    /// `count` addresses, none of which has failed.
    ///
    /// # Panics
    /// Where there is none or more than [`ADDRESSES`], or an address would rest for no time.
    pub(crate) fn new(count: usize, rest: Nanos, rest_max: Nanos) -> Addresses {
        assert!((1..=ADDRESSES).contains(&count), "a service has 1 to {ADDRESSES} addresses");
        assert!(Nanos::ZERO < rest, "an address that fails rests");
        assert!(rest <= rest_max, "the first rest is not the longest");
        let fresh = Address { rested: Mono::NEVER, rest };
        Addresses { all: [fresh; ADDRESSES], count, current: 0, rest, rest_max }
    }

    pub(crate) const fn is_one(&self, address: usize) -> bool {
        address < self.count
    }

    /// The address in use where it is rested, else the next that is.
    pub(crate) fn pick(&self, now: Mono) -> Pick {
        let in_turn = (0..self.count).map(|turn| (self.current + turn) % self.count);
        match in_turn.clone().find(|at| self.all[*at].rested <= now) {
            Some(address) => Pick::Now(address),
            None => Pick::From(in_turn.map(|at| self.all[at].rested).min().unwrap_or(now)),
        }
    }

    /// As [`Addresses::pick`]; where none is rested, the one that will be first.
    pub(crate) fn pick_anyway(&self, now: Mono) -> usize {
        let in_turn = (0..self.count).map(|turn| (self.current + turn) % self.count);
        match self.pick(now) {
            Pick::Now(address) => address,
            Pick::From(_) => in_turn.min_by_key(|at| self.all[*at].rested).unwrap_or(0),
        }
    }

    /// It did what was asked of it.
    pub(crate) fn worked(&mut self, address: usize) {
        self.current = address;
        self.all[address] = Address { rested: Mono::NEVER, rest: self.rest };
    }

    /// It did what was asked, and what it has is of no use. Says whether another one is turned to: none has to
    /// rest, since what the service has may be of use the next time, where there is no other to ask.
    pub(crate) fn useless(&mut self, address: usize) -> bool {
        let turned = self.current == address && self.count > 1;
        if turned {
            self.current = (address + 1) % self.count;
        }
        turned
    }

    /// It did not. Says whether another one is turned to.
    pub(crate) fn failed(&mut self, now: Mono, address: usize) -> bool {
        let failed = &mut self.all[address];
        failed.rested = now + failed.rest;
        failed.rest = (failed.rest + failed.rest).min(self.rest_max);
        self.useless(address)
    }

    pub(crate) fn check(&self) {
        assert!(self.current < self.count);
        assert!(self.all.iter().all(|at| self.rest <= at.rest && at.rest <= self.rest_max));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_used_until_it_fails_and_rests_longer_every_time() {
        let mut addresses = Addresses::new(2, Nanos(10), Nanos(30));
        assert_eq!(addresses.pick(Mono(100)), Pick::Now(0));
        assert!(addresses.failed(Mono(100), 0));
        assert_eq!(addresses.pick(Mono(100)), Pick::Now(1));
        assert_eq!(addresses.pick(Mono(500)), Pick::Now(1), "it works: no way back");
        assert!(addresses.failed(Mono(500), 1));
        assert_eq!(addresses.pick(Mono(500)), Pick::Now(0));
        assert!(addresses.failed(Mono(500), 0));
        assert_eq!(addresses.pick(Mono(500)), Pick::From(Mono(510)));
        assert_eq!(addresses.pick_anyway(Mono(500)), 1);
        assert_eq!(addresses.pick(Mono(510)), Pick::Now(1));
        addresses.failed(Mono(510), 1);
        addresses.failed(Mono(520), 0);
        assert_eq!(addresses.pick(Mono(520)), Pick::From(Mono(530)));
        addresses.worked(0);
        assert_eq!(addresses.pick(Mono(520)), Pick::Now(0));
        addresses.failed(Mono(520), 0);
        assert_eq!(addresses.pick(Mono(520)), Pick::From(Mono(530)), "the short rest again");
        addresses.check();
    }

    #[test]
    fn one_that_has_nothing_of_use_makes_place_for_the_next_and_does_not_rest() {
        let mut addresses = Addresses::new(2, Nanos(10), Nanos(30));
        addresses.worked(0);
        assert!(addresses.useless(0));
        assert_eq!(addresses.pick(Mono(5)), Pick::Now(1));
        assert!(!addresses.useless(0), "it is not the one in use");
        assert!(addresses.useless(1));
        assert_eq!(addresses.pick(Mono(5)), Pick::Now(0), "neither rests");
        let mut only = Addresses::new(1, Nanos(10), Nanos(30));
        assert!(!only.useless(0));
        assert_eq!(only.pick(Mono(5)), Pick::Now(0));
    }

    #[test]
    fn a_late_failure_of_another_does_not_turn_away_from_the_one_in_use() {
        let mut addresses = Addresses::new(3, Nanos(10), Nanos(30));
        addresses.worked(1);
        assert!(!addresses.failed(Mono(5), 0));
        assert_eq!(addresses.pick(Mono(5)), Pick::Now(1));
    }
}

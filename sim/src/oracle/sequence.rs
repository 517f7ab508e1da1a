//! Which numbers of a run have reached the handler, and since when one is missing: a naive set.

use std::collections::VecDeque;

use candor_core::Mono;

/// What has been shown of one run of numbers, from number 1.
#[derive(Clone, Debug, Default)]
pub struct Followed {
    /// The first number that has not come.
    next: u64,
    /// Numbers beyond it that have, as half-open ranges in order.
    beyond: Vec<(u64, u64)>,
    /// How far numbers are known to exist, and since when: ends behind `next` only.
    shown: VecDeque<(u64, Mono)>,
    /// The end of the session, once said.
    end: Option<u64>,
}

impl Followed {
    /// Nothing has been heard.
    #[must_use]
    pub fn new() -> Followed {
        Followed { next: 1, ..Followed::default() }
    }

    /// A packet came: `count` numbers from `first`, all before `first` exist, and none from `first`
    /// on where it is the `end`.
    pub fn packet(&mut self, first: u64, count: u64, end: bool, now: Mono) {
        if end && self.end.is_none() {
            self.end = Some(first);
        }
        let behind = first + count;
        if first <= self.next && self.beyond.is_empty() {
            self.next = self.next.max(behind);
            if !self.shown.is_empty() {
                self.forget();
            }
            return;
        }
        self.show(behind, now);
        if count > 0 {
            self.receive(first, behind);
        }
        self.forget();
    }

    /// The venue sent numbers again that were asked for: only those that are missing count.
    pub fn answer(&mut self, first: u64, end: u64) {
        self.receive(first, end.min(self.known_end()));
        self.forget();
    }

    /// Everything before `next` is in a snapshot that took the place of what was followed, and
    /// everything from there on is to come again.
    pub fn resync(&mut self, next: u64) {
        *self = Followed { next, end: self.end, ..Followed::new() };
    }

    /// Numbers before `next` are covered by a snapshot.
    pub fn splice(&mut self, next: u64) {
        if next > self.next {
            self.next = next;
        }
        self.join();
        self.forget();
    }

    fn show(&mut self, end: u64, now: Mono) {
        if end > self.next && self.shown.back().is_none_or(|(last, _)| *last < end) {
            self.shown.push_back((end, now));
        }
    }

    fn receive(&mut self, first: u64, end: u64) {
        let first = first.max(self.next);
        if first >= end {
            return;
        }
        let at = self.beyond.partition_point(|(_, upto)| *upto < first);
        let (mut low, mut high, mut last) = (first, end, at);
        while last < self.beyond.len() && self.beyond[last].0 <= high {
            low = low.min(self.beyond[last].0);
            high = high.max(self.beyond[last].1);
            last += 1;
        }
        self.beyond.splice(at..last, [(low, high)]);
        self.join();
    }

    fn join(&mut self) {
        while let Some((first, end)) = self.beyond.first().copied() {
            if first > self.next {
                break;
            }
            self.next = self.next.max(end);
            self.beyond.remove(0);
        }
    }

    fn forget(&mut self) {
        while self.shown.front().is_some_and(|(end, _)| *end <= self.next) {
            self.shown.pop_front();
        }
    }

    /// The first number that has not come: everything before it has.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Whether this number has come.
    #[must_use]
    pub fn has(&self, seq: u64) -> bool {
        seq < self.next || self.beyond.iter().any(|(first, end)| (*first..*end).contains(&seq))
    }

    /// Whether all of `first..end` have come.
    #[must_use]
    pub fn has_all(&self, first: u64, end: u64) -> bool {
        end <= self.next
            || self.beyond.iter().any(|(low, high)| *low <= first.max(self.next) && end <= *high)
            || (first..end).all(|seq| self.has(seq))
    }

    /// Since when it is known that number [`Followed::next`] exists; `None` when it is not.
    #[must_use]
    pub fn missing_since(&self) -> Option<Mono> {
        self.shown.front().map(|(_, since)| *since)
    }

    /// How far numbers are known to exist.
    #[must_use]
    pub fn known_end(&self) -> u64 {
        self.shown.back().map_or(self.next, |(end, _)| (*end).max(self.next))
    }

    /// How many separate gaps there are.
    #[must_use]
    pub fn gaps(&self) -> usize {
        let tail = self.beyond.last().map_or(self.next, |(_, end)| *end);
        self.beyond.len() + usize::from(self.known_end() > tail)
    }

    /// Whether the end was said and everything before it has come.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.end.is_some_and(|end| self.next >= end)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::rng::Rng;

    #[test]
    fn ranges_are_the_set_of_what_came() {
        for seed in 0..200 {
            let mut rng = Rng::new(seed);
            let mut followed = Followed::new();
            let (mut set, mut known, mut since) = (BTreeSet::new(), 1, Vec::new());
            for step in 1..60 {
                let (first, count) = (rng.between(1, 60), rng.below(6));
                followed.packet(first, count, false, Mono(step));
                set.extend(first..first + count);
                if first + count > known {
                    known = first + count;
                    since.push((known, step));
                }
                let next = (1..).find(|n| !set.contains(n)).unwrap();
                assert_eq!(followed.next(), next);
                assert_eq!(followed.known_end(), known.max(next));
                assert!((1..80).all(|n| followed.has(n) == set.contains(&n)));
                let expected = since.iter().find(|(end, _)| *end > next).map(|(_, at)| Mono(*at));
                assert_eq!(followed.missing_since(), expected, "seed {seed} step {step}");
            }
        }
    }
}

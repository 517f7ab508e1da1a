//! What the venue's services bring, as the twin sees it.

use super::{Given, OPEN_GAPS, SERVICE, Side, Twin, WINDOW, runs, together};

impl Twin {
    /// Takes an answer; whether it filled anything, and whether it is the first that contradicts.
    pub fn answer(&mut self, given: &Given) -> (bool, bool) {
        self.time(given.at);
        self.count("messages", given.messages.len() as u64);
        self.count("retransmit_packets", 1);
        let pairs = || (given.first..).zip(&given.messages);
        let agrees = pairs().all(|(number, bytes)| self.known(number).is_none_or(|b| b == bytes));
        let ours = self.session == Some(given.session)
            && self.now >= self.answers_from
            && !self.run.service_lied
            && !self.is_bare();
        let mut filled = 0;
        for (number, bytes) in pairs() {
            let missing = self.run.missing.len();
            if agrees && ours && number < self.run.expected + WINDOW && self.has_room_for(number) {
                self.accept(number, SERVICE, bytes);
            } else if agrees && ours && self.known(number).is_some() {
                self.count("duplicate", 1);
            } else {
                self.count("discard_unasked", 1);
            }
            filled += (missing - self.run.missing.len()) as u64;
        }
        self.count("retransmit_filled", filled);
        let lies = ours && !agrees;
        self.run.service_lied |= lies;
        self.count("retransmit_contradicts", u64::from(lies));
        self.settle();
        (filled > 0, lies)
    }

    /// Whether what is missing begins where the last snapshot was joined, and no line has brought what comes before.
    fn is_bare(&self) -> bool {
        let at = self.run.expected;
        let joined = self.run.joined == Some(at) && at > 1;
        joined && self.run.missing.contains_key(&at) && self.known(at - 1).is_none()
    }

    /// Whether the number is missing, and filling it makes no gap too many.
    fn has_room_for(&self, number: u64) -> bool {
        let Some(gap) = self.run.missing.get(&number) else {
            return false;
        };
        let beside = |other| self.run.missing.get(&other).is_some_and(|m| m.id == gap.id);
        let splits = beside(number - 1) && beside(number + 1);
        !splits || runs(&self.run.missing, together).len() < OPEN_GAPS
    }

    /// The books contain everything before `next`.
    pub fn splice(&mut self, at: u64, next: u64) {
        if next < self.run.expected {
            return self.resync(at, next);
        }
        self.now = self.now.max(at);
        self.drop_held_before(next);
        self.run.missing.retain(|number, _| *number >= next);
        self.run.lost.clear();
        (self.run.start_lost, self.run.inside_lost) = (false, false);
        if std::mem::take(&mut self.run.service_lied) {
            // All that was known is of other numbers, and so is where the lines stood.
            let expected = self.run.expected;
            self.run.memory.retain(|_, (number, ..)| *number >= expected);
            self.run.genesis = None;
            self.run.uncarried.clear();
            self.nobody_carried(1..expected);
            self.forget_lines();
        }
        self.nobody_carried(self.run.expected..next);
        self.run.expected = next;
        self.run.joined = Some(next);
        self.run.known_end = self.run.known_end.max(next);
        self.run.ends_at = self.run.ends_at.map(|end| end.max(next));
        self.drain();
        self.settle();
    }

    /// They do, and nothing but the session is certain.
    pub fn resync(&mut self, at: u64, next: u64) {
        self.now = self.now.max(at);
        self.drop_held_before(next);
        let ended = self.run.ended;
        self.start_over();
        self.run.fresh = false;
        self.run.ended = ended;
        self.run.ends_at = ended.then_some(next);
        (self.run.expected, self.run.known_end, self.run.watched_from) = (next, next, next);
        self.run.joined = Some(next);
        self.forget_lines();
        self.settle();
    }

    fn forget_lines(&mut self) {
        for side in &mut self.sides {
            *side = Side { fence: side.fence, ..Side::default() };
        }
    }

    fn drop_held_before(&mut self, next: u64) {
        let kept = self.run.held.split_off(&next);
        let dropped = std::mem::replace(&mut self.run.held, kept);
        self.count("discard_in_snapshot", dropped.len() as u64);
    }
}

//! Which sessions a partition has followed, and since when: what a handler that starts is told by the ones
//! before it.
//!
//! A session that began before the trading date under way is not today's, and a handler that
//! has just started has not heard it begin. So each handler writes down what it follows, by the wall clock,
//! and the next one says of what it hears whether it is of before ([`Sessions::earlier`]).

use candor_core::{Nanos, SeqNo, SessionId};

/// How many sessions are remembered of a partition. Those of a day are few, and the latest come last.
pub const SESSIONS_KEPT: usize = 8;

/// By how much a line lags at the most: a number that is lower than one that was heard longer ago than this is
/// no old one.
pub const SETTLED: Nanos = Nanos::from_secs(60);

/// A session that was followed before the trading date under way began: nothing that is heard of it is of
/// today.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Earlier {
    /// Its name.
    pub session: SessionId,
    /// Where its numbers had come to; `None` where that was too short a time ago to tell anything. A stream
    /// that is found below has begun anew under the same name.
    pub reached: Option<SeqNo>,
}

impl Earlier {
    /// Whether a stream of this name that is found at this number is still the one of before; `None` where
    /// the number says nothing.
    pub(crate) fn is(&self, session: SessionId, first: Option<SeqNo>) -> bool {
        let below = self.reached.zip(first).is_some_and(|(reached, first)| first < reached);
        self.session == session && !below
    }
}

/// A session that was followed. Times are the wall clock's, in ns since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Followed {
    /// Its name.
    pub session: SessionId,
    /// When its numbers were followed first.
    pub since: u64,
    /// The number behind the last that was known to exist.
    pub reached: SeqNo,
    /// When that was so.
    pub seen: u64,
}

/// The sessions of one partition.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sessions {
    /// The latest last.
    list: Vec<Followed>,
    /// What the last of them had reached in this life of the handler; `None` where it is of one before.
    own: Option<SeqNo>,
}

impl Sessions {
    /// What was written down, the latest last. Of more than [`SESSIONS_KEPT`] the first are forgotten.
    #[must_use]
    pub fn of(mut list: Vec<Followed>) -> Sessions {
        list.drain(..list.len().saturating_sub(SESSIONS_KEPT));
        Sessions { list, own: None }
    }

    /// The sessions, the latest last.
    #[must_use]
    pub fn list(&self) -> &[Followed] {
        &self.list
    }

    /// Takes note of what is followed now. Whether it is worth writing down at once: another session, or
    /// other numbers, than last time.
    pub fn note(&mut self, session: SessionId, reached: SeqNo, wall: u64) -> bool {
        let new = Followed { session, since: wall, reached, seen: wall };
        match self.list.last_mut().filter(|last| last.session == session) {
            Some(last) => {
                // What is lower soon after a start may be a line that lags. Where this life has followed more, or
                // no line can lag so far, it is numbers that have begun anew.
                let anew = match self.own {
                    Some(own) => reached < own,
                    None => reached < last.reached && wall > last.seen.saturating_add(SETTLED.0),
                };
                if anew {
                    *last = new;
                } else {
                    (last.reached, last.seen) = (last.reached.max(reached), wall);
                }
                self.own = Some(reached);
                anew
            }
            None => {
                // One that is gone back to is as old as it was.
                let known = self.list.iter().position(|one| one.session == session);
                let since = known.map_or(wall, |at| self.list.remove(at).since);
                if self.list.len() >= SESSIONS_KEPT {
                    self.list.remove(0);
                }
                // The number may still be that of the session before: it is read apart from the name.
                self.list.push(Followed { since, reached: SeqNo(0), ..new });
                self.own = Some(SeqNo(0));
                true
            }
        }
    }

    /// Those that are of before a trading date that began at `begins`.
    #[must_use]
    pub fn earlier(&self, begins: u64, now: u64) -> Vec<Earlier> {
        let before = self.list.iter().filter(|one| one.since < begins);
        let earlier = |one: &Followed| {
            let settled = now > one.seen.saturating_add(SETTLED.0);
            Earlier { session: one.session, reached: settled.then_some(one.reached) }
        };
        before.map(earlier).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000_000_000;

    fn session(number: u64) -> SessionId {
        SessionId::from_number(number)
    }

    #[test]
    fn what_was_followed_before_the_date_began_is_of_before() {
        let mut it = Sessions::default();
        assert!(it.note(session(1), SeqNo(5), 10 * MINUTE));
        assert!(!it.note(session(1), SeqNo(900), 20 * MINUTE));
        assert_eq!(it.earlier(10 * MINUTE, 30 * MINUTE), [], "it began with the date");
        assert!(it.note(session(2), SeqNo(900), 30 * MINUTE), "its own number is yet to be read");
        let first = Earlier { session: session(1), reached: Some(SeqNo(900)) };
        assert_eq!(it.earlier(25 * MINUTE, 30 * MINUTE), [first]);
        assert!(!it.note(session(2), SeqNo(1), 30 * MINUTE));
        let second = Earlier { session: session(2), reached: None };
        assert_eq!(it.earlier(40 * MINUTE, 31 * MINUTE), [first, second], "heard a moment ago");
    }

    #[test]
    fn a_number_below_says_that_they_began_anew() {
        let it = Earlier { session: session(1), reached: Some(SeqNo(900)) };
        assert!(it.is(session(1), Some(SeqNo(900))) && it.is(session(1), None));
        assert!(!it.is(session(1), Some(SeqNo(899))) && !it.is(session(2), Some(SeqNo(900))));
        let lately = Earlier { reached: None, ..it };
        assert!(lately.is(session(1), Some(SeqNo(1))), "a line may lag");
    }

    #[test]
    fn numbers_that_begin_anew_are_another_session() {
        let mut it = Sessions::default();
        it.note(session(1), SeqNo(1), MINUTE);
        it.note(session(1), SeqNo(900), MINUTE);
        assert!(it.note(session(1), SeqNo(2), 2 * MINUTE), "heard in this life");
        assert_eq!(it.list()[0].since, 2 * MINUTE);
        // The next life hears a line that lags, a moment later.
        let mut next = Sessions::of(it.list().to_vec());
        assert!(!next.note(session(1), SeqNo(1), 2 * MINUTE + 1));
        assert!(!next.note(session(1), SeqNo(1), 2 * MINUTE + 2), "and comes up slowly");
        assert_eq!((next.list()[0].since, next.list()[0].reached), (2 * MINUTE, SeqNo(2)));
        // Or the numbers of another day.
        let mut later = Sessions::of(it.list().to_vec());
        assert!(later.note(session(1), SeqNo(1), 9 * MINUTE));
        assert_eq!(later.list()[0].since, 9 * MINUTE);
    }

    #[test]
    fn one_that_is_gone_back_to_is_as_old_as_it_was_and_few_are_kept() {
        let mut it = Sessions::default();
        for number in 0..20 {
            it.note(session(number), SeqNo(1), number * MINUTE);
        }
        assert_eq!(it.list().len(), SESSIONS_KEPT);
        assert!(it.note(session(15), SeqNo(9), 30 * MINUTE));
        assert_eq!(it.list().len(), SESSIONS_KEPT);
        let last = it.list().last().unwrap();
        assert_eq!((last.session, last.since, last.seen), (session(15), 15 * MINUTE, 30 * MINUTE));
        assert_eq!(Sessions::of(vec![*last; 20]).list().len(), SESSIONS_KEPT);
    }
}

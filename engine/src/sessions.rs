//! Which sessions a partition has followed, and since when: what a handler that starts is told by the ones
//! before it.
//!
//! A session that began before the trading date under way is not today's, and a handler that has just started has
//! not heard it begin. So each handler writes down what it follows, by the wall clock, and the next one is told
//! which of them are of before ([`Sessions::earlier`], [`crate::Config::earlier`]).

use candor_core::SessionId;
use candor_core::limits::SESSIONS_KEPT;

/// A session that was followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Followed {
    /// Its name.
    pub session: SessionId,
    /// When its numbers were followed first, by the wall clock, in ns since the Unix epoch.
    pub since: u64,
}

/// The sessions of one partition.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sessions {
    /// The latest last.
    list: Vec<Followed>,
    /// How often numbers had begun anew under one name when the last of them was looked at in this life of the
    /// handler; `None` where it is of one before.
    restarts: Option<u64>,
}

impl Sessions {
    /// What was written down, the latest last. Of more than [`SESSIONS_KEPT`] the first are forgotten.
    #[must_use]
    pub fn of(mut list: Vec<Followed>) -> Sessions {
        list.drain(..list.len().saturating_sub(SESSIONS_KEPT));
        Sessions { list, restarts: None }
    }

    /// The sessions, the latest last.
    #[must_use]
    pub fn list(&self) -> &[Followed] {
        &self.list
    }

    /// Takes note of what is followed now, and since when, by the wall clock. `restarts` counts how often numbers were
    /// heard to begin anew under one name. Whether there is anything to write down.
    pub fn note(&mut self, session: SessionId, restarts: u64, since: u64) -> bool {
        let before = self.restarts.replace(restarts);
        if let Some(last) = self.list.last_mut().filter(|last| last.session == session) {
            // It was heard: whatever had that name before, this is another.
            let anew = before.is_some_and(|before| restarts > before);
            if anew {
                last.since = since;
            }
            return anew;
        }
        // One that is gone back to is as old as it was.
        let known = self.list.iter().position(|one| one.session == session);
        let since = known.map_or(since, |at| self.list.remove(at).since);
        if self.list.len() >= SESSIONS_KEPT {
            self.list.remove(0);
        }
        self.list.push(Followed { session, since });
        true
    }

    /// Those that are of before a trading date that began at `begins`. Their numbers say nothing: a publisher that
    /// has died behind the others still has lower ones than those that were followed.
    #[must_use]
    pub fn earlier(&self, begins: u64) -> Vec<SessionId> {
        let before = self.list.iter().filter(|one| one.since < begins);
        before.map(|one| one.session).collect()
    }

    /// Those that were followed since a trading date began.
    #[must_use]
    pub fn since(&self, begins: u64) -> Vec<SessionId> {
        let since = self.list.iter().filter(|one| one.since >= begins);
        since.map(|one| one.session).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: u64) -> SessionId {
        SessionId::from_number(number)
    }

    #[test]
    fn what_was_followed_before_the_date_began_is_of_before() {
        let mut it = Sessions::default();
        assert!(it.note(session(1), 0, 10));
        assert!(!it.note(session(1), 0, 20));
        assert_eq!(it.earlier(10), [], "it began with the date");
        assert!(it.note(session(2), 0, 30));
        assert_eq!(it.earlier(25), [session(1)]);
        assert_eq!(it.since(25), [session(2)]);
        assert_eq!(it.earlier(u64::MAX), [session(1), session(2)]);
    }

    #[test]
    fn numbers_that_are_heard_to_begin_anew_are_another_session() {
        let mut it = Sessions::default();
        it.note(session(1), 3, 10);
        assert!(!it.note(session(1), 3, 20));
        assert!(it.note(session(1), 4, 30));
        assert_eq!(it.list()[0].since, 30);
        // The next life counts from 0, and has heard none of that.
        let mut next = Sessions::of(it.list().to_vec());
        assert!(!next.note(session(1), 5, 40));
        assert_eq!(next.list()[0].since, 30);
    }

    #[test]
    fn one_that_is_gone_back_to_is_as_old_as_it_was_and_few_are_kept() {
        let mut it = Sessions::default();
        for number in 0..40 {
            it.note(session(number), 0, number);
        }
        assert_eq!(it.list().len(), SESSIONS_KEPT);
        assert!(it.note(session(30), 0, 50));
        assert_eq!(it.list().len(), SESSIONS_KEPT);
        let last = it.list().last().unwrap();
        assert_eq!((last.session, last.since), (session(30), 30));
        assert_eq!(Sessions::of(vec![*last; 40]).list().len(), SESSIONS_KEPT);
    }
}

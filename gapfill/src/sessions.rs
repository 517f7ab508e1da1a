//! The sessions left behind, so that a publisher who still sends one is refused by its name.

use candor_core::limits::{LINES, OLD_SESSIONS};
use candor_core::{Line, SessionId};

/// The last [`OLD_SESSIONS`] sessions left behind; the oldest makes room for a further one.
#[derive(Clone, Debug)]
pub(crate) struct OldSessions {
    known: [Old; OLD_SESSIONS],
    len: usize,
    /// Where the next one goes once all places are taken.
    oldest: usize,
}

#[derive(Clone, Copy, Debug)]
struct Old {
    session: SessionId,
    /// It was left when nothing told yet which is the newer, it or the one followed instead.
    unordered: bool,
    /// The venue's own service knows nothing of the one followed instead: it is gone back to.
    welcome: bool,
    /// On which lines it has been reported.
    said: [bool; LINES],
}

/// What a packet of a session left behind is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Past {
    /// The first that its line brings.
    First,
    /// Not the first.
    Again,
    /// As those two, of one that may be the newer for all that anybody knows.
    Rival {
        /// The first that its line brings.
        first: bool,
    },
    /// Of one that was left by mistake, as it turned out.
    Welcome,
}

impl Old {
    fn new(session: SessionId, unordered: bool) -> Old {
        Old { session, unordered, welcome: false, said: [false; LINES] }
    }
}

impl OldSessions {
    pub(crate) fn new() -> OldSessions {
        let none = Old::new(SessionId::NONE, false);
        OldSessions { known: [none; OLD_SESSIONS], len: 0, oldest: 0 }
    }

    /// Remembers a session that is left behind for another. `unordered` says that nothing tells which
    /// of the two is the newer. One that is gone back to makes room for it, and is gone back to once:
    /// whether `other` is one.
    pub(crate) fn leave(&mut self, session: SessionId, other: SessionId, unordered: bool) -> bool {
        // What the venue's service refused is the one followed until now.
        self.known[..self.len].iter_mut().for_each(|old| old.welcome = false);
        // What an ordered change leaves behind is older than anything since.
        if !unordered {
            self.known[..self.len].iter_mut().for_each(|old| old.unordered = false);
        }
        let old = Old::new(session, unordered);
        if let Some(place) = self.known[..self.len].iter_mut().find(|old| old.session == other) {
            *place = Old::new(session, false);
            return true;
        }
        if self.len < OLD_SESSIONS {
            self.known[self.len] = old;
            self.len += 1;
        } else {
            self.known[self.oldest] = old;
            self.oldest = (self.oldest + 1) % OLD_SESSIONS;
        }
        false
    }

    /// The venue's own service knows nothing of the session followed: of those left for it, one that may
    /// be the newer is.
    pub(crate) fn on_refused(&mut self) {
        for old in &mut self.known[..self.len] {
            old.welcome = old.unordered;
        }
    }

    /// The venue's own service has the session followed: it is the newer of any that were left.
    pub(crate) fn on_accepted(&mut self) {
        for old in &mut self.known[..self.len] {
            (old.unordered, old.welcome) = (false, false);
        }
    }

    /// What a packet of `session` on `line` is; `None` where that was not left behind.
    pub(crate) fn heard(&mut self, session: SessionId, line: Line) -> Option<Past> {
        let old = self.known[..self.len].iter_mut().find(|old| old.session == session)?;
        if old.welcome {
            return Some(Past::Welcome);
        }
        let first = !core::mem::replace(&mut old.said[line.index()], true);
        Some(match (old.unordered, first) {
            (true, first) => Past::Rival { first },
            (false, true) => Past::First,
            (false, false) => Past::Again,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn id(number: u64) -> SessionId {
        SessionId::from_number(number)
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut old = OldSessions::new();
        assert_eq!(old.heard(SessionId::NONE, Line::A), None);
        for n in 0..=OLD_SESSIONS as u64 {
            assert!(!old.leave(id(n), id(n + 1), false));
        }
        assert_eq!(old.heard(id(0), Line::A), None);
        assert_eq!(old.heard(id(1), Line::A), Some(Past::First));
        assert_eq!(old.heard(id(1), Line::A), Some(Past::Again));
        assert_eq!(old.heard(id(1), Line::B), Some(Past::First));
    }

    #[test]
    fn one_is_gone_back_to_once_and_only_where_no_order_is_known() {
        let mut old = OldSessions::new();
        old.leave(id(2), id(1), false);
        old.leave(id(1), id(3), true);
        let rival = Some(Past::Rival { first: true });
        assert_eq!(old.heard(id(1), Line::A), rival, "nothing was refused");
        old.on_refused();
        assert_eq!(old.heard(id(2), Line::A), Some(Past::First), "it is known to be the older");
        assert_eq!(old.heard(id(1), Line::A), Some(Past::Welcome));
        assert!(old.leave(id(3), id(1), true));
        assert_eq!(old.heard(id(1), Line::A), None, "it is followed");
        old.on_refused();
        assert_eq!(old.heard(id(3), Line::A), Some(Past::First));
        // What was doubtful is the older from the next change on that is not.
        let mut old = OldSessions::new();
        old.leave(id(1), id(2), true);
        old.leave(id(2), id(3), false);
        assert_eq!(old.heard(id(1), Line::A), Some(Past::First));
        old.on_refused();
        assert_eq!(old.heard(id(1), Line::A), Some(Past::Again));
    }

    #[test]
    fn what_was_refused_is_the_session_followed_then() {
        let mut old = OldSessions::new();
        old.leave(id(1), id(2), true);
        old.on_refused();
        old.leave(id(2), id(3), true);
        assert_eq!(old.heard(id(1), Line::A), Some(Past::Rival { first: true }));
    }

    #[test]
    fn what_the_venue_has_is_no_longer_contested() {
        let mut old = OldSessions::new();
        old.leave(id(1), id(2), true);
        assert_eq!(old.heard(id(1), Line::A), Some(Past::Rival { first: true }));
        assert_eq!(old.heard(id(1), Line::A), Some(Past::Rival { first: false }));
        old.on_accepted();
        assert_eq!(old.heard(id(1), Line::A), Some(Past::Again));
        old.on_refused();
        assert_eq!(old.heard(id(1), Line::B), Some(Past::First));
    }
}

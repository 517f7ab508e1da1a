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
    doubt: Doubt,
    /// The venue's own service knows nothing of the one followed instead: it is gone back to.
    welcome: bool,
    /// On which lines it has been reported.
    said: [bool; LINES],
}

/// Which is the newer, a session left behind or the one followed instead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Doubt {
    /// The one followed instead.
    Ordered,
    /// Nothing tells, but a line brought the one behind the other, as lines do: beside it nothing is Live, and it is
    /// not gone back to on a service's word.
    Contested,
    /// Nothing tells. It is gone back to when the venue's own service knows nothing of the other.
    Open,
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
    fn new(session: SessionId, doubt: Doubt) -> Old {
        Old { session, doubt, welcome: false, said: [false; LINES] }
    }
}

impl OldSessions {
    pub(crate) fn new() -> OldSessions {
        let none = Old::new(SessionId::NONE, Doubt::Ordered);
        OldSessions { known: [none; OLD_SESSIONS], len: 0, oldest: 0 }
    }

    /// Remembers a session that is left behind for another, and whether that is the newer. One that is gone
    /// back to makes room for it, and is gone back to once: whether `other` is one.
    pub(crate) fn leave(&mut self, session: SessionId, other: SessionId, doubt: Doubt) -> bool {
        // What the venue's service refused is the one followed until now.
        self.known[..self.len].iter_mut().for_each(|old| old.welcome = false);
        // What an ordered change leaves behind is older than anything since.
        if doubt == Doubt::Ordered {
            self.known[..self.len].iter_mut().for_each(|old| old.doubt = Doubt::Ordered);
        }
        let old = Old::new(session, doubt);
        if let Some(place) = self.known[..self.len].iter_mut().find(|old| old.session == other) {
            *place = Old::new(session, Doubt::Ordered);
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
            old.welcome = old.doubt == Doubt::Open;
        }
    }

    /// The venue's own service has the session followed: it is the newer of any that were left.
    pub(crate) fn on_accepted(&mut self) {
        for old in &mut self.known[..self.len] {
            (old.doubt, old.welcome) = (Doubt::Ordered, false);
        }
    }

    /// What a packet of `session` on `line` is; `None` where that was not left behind.
    pub(crate) fn heard(&mut self, session: SessionId, line: Line) -> Option<Past> {
        let old = self.known[..self.len].iter_mut().find(|old| old.session == session)?;
        if old.welcome {
            return Some(Past::Welcome);
        }
        let first = !core::mem::replace(&mut old.said[line.index()], true);
        Some(match (old.doubt, first) {
            (Doubt::Contested | Doubt::Open, first) => Past::Rival { first },
            (Doubt::Ordered, true) => Past::First,
            (Doubt::Ordered, false) => Past::Again,
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
            assert!(!old.leave(id(n), id(n + 1), Doubt::Ordered));
        }
        assert_eq!(old.heard(id(0), Line::A), None);
        assert_eq!(old.heard(id(1), Line::A), Some(Past::First));
        assert_eq!(old.heard(id(1), Line::A), Some(Past::Again));
        assert_eq!(old.heard(id(1), Line::B), Some(Past::First));
    }

    #[test]
    fn one_is_gone_back_to_once_and_only_where_no_order_is_known() {
        let mut old = OldSessions::new();
        old.leave(id(2), id(1), Doubt::Ordered);
        old.leave(id(1), id(3), Doubt::Open);
        let rival = Some(Past::Rival { first: true });
        assert_eq!(old.heard(id(1), Line::A), rival, "nothing was refused");
        old.on_refused();
        assert_eq!(old.heard(id(2), Line::A), Some(Past::First), "it is known to be the older");
        assert_eq!(old.heard(id(1), Line::A), Some(Past::Welcome));
        assert!(old.leave(id(3), id(1), Doubt::Open));
        assert_eq!(old.heard(id(1), Line::A), None, "it is followed");
        old.on_refused();
        assert_eq!(old.heard(id(3), Line::A), Some(Past::First));
        // What was doubtful is the older from the next change on that is not.
        let mut old = OldSessions::new();
        old.leave(id(1), id(2), Doubt::Open);
        old.leave(id(2), id(3), Doubt::Ordered);
        assert_eq!(old.heard(id(1), Line::A), Some(Past::First));
        old.on_refused();
        assert_eq!(old.heard(id(1), Line::A), Some(Past::Again));
    }

    #[test]
    fn what_one_line_brought_in_its_order_contests_and_is_not_gone_back_to() {
        let mut old = OldSessions::new();
        old.leave(id(1), id(2), Doubt::Contested);
        old.on_refused();
        assert_eq!(old.heard(id(1), Line::B), Some(Past::Rival { first: true }));
        old.on_accepted();
        assert_eq!(old.heard(id(1), Line::B), Some(Past::Again));
    }

    #[test]
    fn what_was_refused_is_the_session_followed_then() {
        let mut old = OldSessions::new();
        old.leave(id(1), id(2), Doubt::Open);
        old.on_refused();
        old.leave(id(2), id(3), Doubt::Open);
        assert_eq!(old.heard(id(1), Line::A), Some(Past::Rival { first: true }));
    }

    #[test]
    fn what_the_venue_has_is_no_longer_contested() {
        let mut old = OldSessions::new();
        old.leave(id(1), id(2), Doubt::Open);
        assert_eq!(old.heard(id(1), Line::A), Some(Past::Rival { first: true }));
        assert_eq!(old.heard(id(1), Line::A), Some(Past::Rival { first: false }));
        old.on_accepted();
        assert_eq!(old.heard(id(1), Line::A), Some(Past::Again));
        old.on_refused();
        assert_eq!(old.heard(id(1), Line::B), Some(Past::First));
    }
}

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
    /// On which lines it has been reported.
    said: [bool; LINES],
}

impl OldSessions {
    pub(crate) fn new() -> OldSessions {
        let none = Old { session: SessionId::NONE, said: [false; LINES] };
        OldSessions { known: [none; OLD_SESSIONS], len: 0, oldest: 0 }
    }

    /// Remembers a session that is left behind.
    pub(crate) fn leave(&mut self, session: SessionId) {
        let old = Old { session, said: [false; LINES] };
        if self.len < OLD_SESSIONS {
            self.known[self.len] = old;
            self.len += 1;
        } else {
            self.known[self.oldest] = old;
            self.oldest = (self.oldest + 1) % OLD_SESSIONS;
        }
    }

    /// Whether `session` was left behind; and if so, whether this is the first time that `line` is
    /// heard with it.
    pub(crate) fn heard(&mut self, session: SessionId, line: Line) -> Option<bool> {
        let old = self.known[..self.len].iter_mut().find(|old| old.session == session)?;
        let first = !old.said[line.index()];
        old.said[line.index()] = true;
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut old = OldSessions::new();
        assert_eq!(old.heard(SessionId::NONE, Line::A), None);
        for n in 0..=OLD_SESSIONS as u64 {
            old.leave(SessionId::from_number(n));
        }
        assert_eq!(old.heard(SessionId::from_number(0), Line::A), None);
        assert_eq!(old.heard(SessionId::from_number(1), Line::A), Some(true));
        assert_eq!(old.heard(SessionId::from_number(1), Line::A), Some(false));
        assert_eq!(old.heard(SessionId::from_number(1), Line::B), Some(true));
    }
}

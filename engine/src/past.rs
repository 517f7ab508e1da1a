//! Which sessions of a partition are of before the trading date.

use candor_core::SessionId;
use candor_core::limits::SESSIONS_KEPT;

/// Room for sessions: those that earlier handlers have followed, and as many of this one's.
const ROOM: usize = 2 * SESSIONS_KEPT;

/// The sessions that were followed, by this handler and those before it.
#[derive(Clone, Debug)]
pub(crate) struct Past {
    /// Each with whether it is of before the date; the latest last.
    list: Vec<(SessionId, bool)>,
    following: Option<SessionId>,
}

impl Past {
    /// `earlier` are of before. Allocates all it will ever need.
    pub(crate) fn new(earlier: &[SessionId]) -> Past {
        let mut list = Vec::with_capacity(ROOM);
        let latest = earlier.len().saturating_sub(SESSIONS_KEPT);
        list.extend(earlier[latest..].iter().map(|session| (*session, true)));
        Past { list, following: None }
    }

    /// This one is followed from here on. Whether it is of before.
    pub(crate) fn follow(&mut self, session: SessionId) -> bool {
        self.following = Some(session);
        if let Some((_, old)) = self.list.iter().find(|(known, _)| *known == session) {
            return *old && !candor_core::canary!(EarlierBelieved);
        }
        if self.list.len() == ROOM {
            self.list.remove(0);
        }
        self.list.push((session, false));
        false
    }

    pub(crate) fn is_following(&self) -> bool {
        self.following.is_some()
    }

    /// The date is over: what was followed until now is of before the next one.
    pub(crate) fn end(&mut self) {
        self.list.iter_mut().for_each(|(_, old)| *old = true);
    }

    /// Numbers are heard to begin anew under a name: whatever had it before, this is another.
    pub(crate) fn begins_anew(&mut self, session: SessionId) {
        self.list.retain(|(known, _)| *known != session);
    }
}

//! Which sessions of a partition are of before the trading date.

use candor_core::limits::SESSIONS_KEPT;
use candor_core::{Mono, SessionId};

/// Room for sessions: those that earlier handlers have followed on dates that are over and on the one under way, and as
/// many of this one's.
const ROOM: usize = 3 * SESSIONS_KEPT;

/// The sessions that were followed, by this handler and those before it.
#[derive(Clone, Debug)]
pub(crate) struct Past {
    /// Each with when the packet arrived with which it was followed first; those of earlier handlers since
    /// [`Mono::NEVER`]. The latest last.
    list: Vec<(SessionId, Mono)>,
    /// What was followed before then is of before the date. An instant and no mark on each session: whoever says that a
    /// date has begun may say so late, and a packet may wait for the lane, and today's session is today's all the same.
    begins: Mono,
    following: Option<SessionId>,
}

impl Past {
    /// `earlier` are of before. Allocates all it will ever need.
    pub(crate) fn new(earlier: &[SessionId]) -> Past {
        let mut list = Vec::with_capacity(ROOM);
        let latest = earlier.len().saturating_sub(SESSIONS_KEPT);
        list.extend(earlier[latest..].iter().map(|session| (*session, Mono::NEVER)));
        Past { list, begins: FIRST, following: None }
    }

    /// Handlers before this one have followed it, on a date that is over, whenever it was heard here.
    pub(crate) fn is_earlier(&mut self, session: SessionId) {
        self.begins_anew(session);
        self.make_room();
        // Behind those that are older still: the oldest is forgotten first.
        let own = self.list.iter().position(|(_, since)| *since != Mono::NEVER);
        self.list.insert(own.unwrap_or(self.list.len()), (session, Mono::NEVER));
    }

    fn make_room(&mut self) {
        if self.list.len() == ROOM {
            self.list.remove(0);
        }
    }

    /// This one is followed from here on, by a packet that arrived then. Whether it is of before.
    pub(crate) fn follow(&mut self, session: SessionId, at: Mono) -> bool {
        self.following = Some(session);
        if self.since(session).is_none() {
            self.make_room();
            self.list.push((session, at.max(FIRST)));
        }
        let earlier = self.since(session) == Some(Mono::NEVER);
        self.is_of_before() && !(earlier && candor_core::canary!(EarlierBelieved))
    }

    fn since(&self, session: SessionId) -> Option<Mono> {
        self.list.iter().find(|(known, _)| *known == session).map(|(_, since)| *since)
    }

    /// Since when the session followed has been; [`Mono::NEVER`] where that is since before this handler, or where nobody
    /// knows any more.
    pub(crate) fn followed_since(&self) -> Mono {
        self.following.and_then(|session| self.since(session)).unwrap_or(Mono::NEVER)
    }

    /// Whether the session followed is of before the date: also where nobody knows any more since when it was.
    pub(crate) fn is_of_before(&self) -> bool {
        self.following.is_some() && self.followed_since() < self.begins
    }

    /// What was followed before then is of before the date, or of no date at all.
    pub(crate) fn end(&mut self, begins: Mono) {
        self.begins = self.begins.max(begins);
    }

    /// Whether a session has been followed since the date began.
    pub(crate) fn has_begun(&self) -> bool {
        self.list.iter().any(|(_, since)| *since >= self.begins)
    }

    /// Numbers are heard to begin anew under a name: whatever had it before, this is another.
    pub(crate) fn begins_anew(&mut self, session: SessionId) {
        self.list.retain(|(known, _)| *known != session);
    }
}

/// The first moment that is one.
const FIRST: Mono = Mono(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: usize) -> SessionId {
        SessionId::from_number(number as u64)
    }

    /// However many there were: as a date ends, all that a record holds of it are of before, none in another's place.
    #[test]
    fn what_earlier_handlers_followed_on_a_date_is_all_of_before_when_it_ends() {
        let earlier: Vec<SessionId> = (0..SESSIONS_KEPT).map(session).collect();
        let followed: Vec<SessionId> = (100..100 + SESSIONS_KEPT).map(session).collect();
        let mut past = Past::new(&earlier);
        let own = 200..200 + SESSIONS_KEPT;
        own.clone().for_each(|number| assert!(!past.follow(session(number), Mono(10))));
        followed.iter().for_each(|session| past.is_earlier(*session));
        past.end(Mono(20));
        let known = earlier.iter().chain(&followed).copied().chain(own.map(session));
        known.for_each(|session| assert!(past.follow(session, Mono(30)), "{session}"));
        // What is new takes the place of the oldest, and of nothing that came behind it.
        assert!(!past.follow(session(300), Mono(30)));
        assert!(past.follow(followed[0], Mono(31)) && past.follow(session(200), Mono(31)));
        assert_eq!(past.list.len(), ROOM);
    }
}

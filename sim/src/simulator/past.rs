//! What outlives a handler: which sessions its partitions followed, as it writes them down, and beside that which
//! runs of numbers these were, as only the simulator knows.

use candor_core::{Mono, SessionId};
use candor_engine::sessions::Sessions;

use super::watch::Before;

/// Of all partitions. It is written down at once: that a handler may die before it has done so, a quarter of a
/// second later, is not played.
#[derive(Clone, Debug)]
pub(super) struct Past {
    sessions: Vec<Sessions>,
    /// Runs, each with the name it had and when it was followed first.
    runs: Vec<Vec<(u32, SessionId, Mono)>>,
    /// When the trading date under way began.
    began: Mono,
}

impl Past {
    /// Nothing was heard, and the first date began before anything.
    pub(super) fn new(partitions: usize) -> Past {
        let (sessions, runs) =
            (vec![Sessions::default(); partitions], vec![Vec::new(); partitions]);
        Past { sessions, runs, began: Mono::NEVER }
    }

    /// What the next handler reads of it.
    pub(super) fn read(&self) -> Past {
        let read = |own: &Sessions| Sessions::of(own.list().to_vec());
        Past { sessions: self.sessions.iter().map(read).collect(), ..self.clone() }
    }

    /// A trading date began then.
    pub(super) fn begin(&mut self, at: Mono) {
        self.began = at;
    }

    /// What a partition follows now, by the handler's word, and which run that is.
    pub(super) fn note(
        &mut self,
        index: usize,
        session: SessionId,
        restarts: u64,
        run: Option<u32>,
        now: Mono,
    ) {
        if session == SessionId::NONE {
            return;
        }
        self.sessions[index].note(session, restarts, now.0);
        let runs = &mut self.runs[index];
        if let Some(run) = run.filter(|run| runs.iter().all(|(known, ..)| known != run)) {
            runs.push((run, session, now));
        }
    }

    /// As a handler that starts is configured.
    pub(super) fn earlier(&self, index: usize) -> Vec<SessionId> {
        self.sessions[index].earlier(self.began.0)
    }

    /// And those of the date under way.
    pub(super) fn since(&self, index: usize) -> Vec<SessionId> {
        self.sessions[index].since(self.began.0)
    }

    /// The same, as the simulator knows it.
    pub(super) fn before(&self, index: usize) -> Before {
        let before = self.runs[index].iter().filter(|(.., since)| *since < self.began);
        let runs = before.clone().map(|(run, ..)| *run).collect();
        Before { runs, names: before.map(|(_, name, _)| *name).collect() }
    }
}

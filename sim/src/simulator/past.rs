//! What outlives a handler: which sessions its partitions followed, as it writes them down, and beside that which
//! runs of numbers these were, as only the simulator knows.

use candor_core::{Mono, SeqNo, SessionId};
use candor_engine::sessions::{Earlier, Sessions};

use super::watch::Before;

/// Of all partitions. It is written down at once: that a handler may die before it has done so, a quarter of a
/// second later, is not played.
#[derive(Clone, Debug)]
pub(super) struct Past {
    sessions: Vec<Sessions>,
    /// Runs, and when each was followed first.
    runs: Vec<Vec<(u32, Mono)>>,
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

    /// What a partition follows now.
    pub(super) fn note(
        &mut self,
        index: usize,
        session: SessionId,
        reached: u64,
        run: Option<u32>,
        now: Mono,
    ) {
        if session != SessionId::NONE {
            self.sessions[index].note(session, SeqNo(reached), now.0);
        }
        if let Some(run) = run.filter(|run| self.runs[index].iter().all(|(known, _)| known != run))
        {
            self.runs[index].push((run, now));
        }
    }

    /// As a handler that starts is configured.
    pub(super) fn earlier(&self, index: usize, now: Mono) -> Vec<Earlier> {
        self.sessions[index].earlier(self.began.0, now.0)
    }

    /// The same, as the simulator knows it.
    pub(super) fn before(&self, index: usize, now: Mono) -> Before {
        let runs = self.runs[index].iter().filter(|(_, since)| *since < self.began);
        let names = self.earlier(index, now).into_iter().map(|one| one.session);
        Before { runs: runs.map(|(run, _)| *run).collect(), names: names.collect() }
    }
}

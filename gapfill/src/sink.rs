//! Where a call's counts and notices go, with what each of them has to say: when and which session.

use candor_core::counters::{Counter, Counters};
use candor_core::{Loss, LossKind, Mono, Origin, SeqRange, SessionId};

use crate::{Notice, Output};

pub(crate) struct Sink<'a, O> {
    pub(crate) now: Mono,
    pub(crate) session: SessionId,
    pub(crate) counters: &'a mut Counters,
    pub(crate) out: &'a mut O,
}

impl<O: Output> Sink<'_, O> {
    #[inline]
    pub(crate) fn count(&mut self, counter: Counter, n: u64) {
        self.counters.add(counter, n);
    }

    pub(crate) fn notice(&mut self, notice: Notice) {
        self.out.notice(notice);
    }

    /// Numbers that every line is missing, or was.
    pub(crate) fn gap(
        &mut self,
        kind: LossKind,
        range: SeqRange,
        since: Mono,
        filled_by: Option<Origin>,
    ) {
        self.loss(Loss {
            kind,
            range,
            session: self.session,
            line: None,
            filled_by,
            at: self.now,
            missing_for: self.now.since(since),
        });
    }

    /// An entry for the loss log.
    pub(crate) fn loss(&mut self, loss: Loss) {
        assert!(!loss.range.is_empty(), "a loss of nothing");
        self.out.notice(Notice::Loss(loss));
    }
}

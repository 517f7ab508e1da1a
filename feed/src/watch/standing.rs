//! What the handler says of itself as a whole: by whether there is a map, and whether what runs is what was attested.

use candor_core::Mono;
use candor_journal::Fields;

use super::Keeper;
use crate::journal;
use crate::run;

impl Keeper<'_> {
    /// Says what the handler is as a whole by all that is known now, and records it where it is news.
    pub(super) fn declare(&mut self, what: &str, now: Mono) {
        let to = run::handler_status(self.mapped, self.attest.verdict());
        self.handler.set_status(to, now);
        let from = std::mem::replace(&mut self.standing, to);
        if to != from {
            let fields = Fields::new().text("from", journal::status(from));
            let fields = fields.text("to", journal::status(to)).text("what", what);
            self.follow.journal().record_at(now, "handler", fields);
        }
    }

    /// Another verdict on what runs has been reached; `held` is whether the one before held.
    pub(super) fn attested(&mut self, held: bool, now: Mono) {
        let verdict = self.attest.verdict();
        let (says, holds) = (verdict.attested(), verdict.holds());
        self.declare(if holds { "attested" } else { "not attested" }, now);
        self.handler.set_attested(says);
        self.attest.tell(Some(held), self.follow.journal());
    }
}

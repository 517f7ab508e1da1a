//! The engine's sink: into the real region, into the digest, and past the watch.

use candor_core::{
    BookView, Changed, Loss, Message, Mono, SeqNo, SessionId, Status, Symbol, SymbolIndex,
};
use candor_engine::{Claim, Notice, Sink, Step};
use candor_shm::LaneWriter;

use super::digest::Digest;
use super::frozen::thawed;
use super::journal::{Journal, Told};
use super::watch::Watch;
use crate::market::Family;
use crate::oracle::book::{print_of_book, print_of_trades};

/// One partition's place in the region, with everything that looks over the handler's shoulder.
pub(super) struct Tap<'a> {
    pub(super) now: Mono,
    pub(super) partition: u16,
    pub(super) writer: &'a mut LaneWriter,
    pub(super) watch: &'a mut Watch,
    pub(super) digest: &'a mut Digest,
    pub(super) journal: &'a mut Journal,
    pub(super) claims: &'a mut Vec<(u16, Symbol, Claim)>,
    pub(super) setup: &'a super::Setup,
}

impl Sink for Tap<'_> {
    // As the product's.
    const TAKES_CHANGES: bool = true;

    fn lease(&mut self, deadline: Mono) {
        self.writer.lease(self.partition, deadline);
        self.digest.words([1, deadline.0]);
        self.watch.lease = deadline;
    }

    fn status(&mut self, status: Status, epoch: u32, since: Mono, session: SessionId) {
        self.writer.partition(self.partition, status, epoch, since, session);
        let code = u64::from(status.code()) << 32 | u64::from(epoch);
        self.digest.words([2, code, since.0, session.0 as u64, (session.0 >> 64) as u64]);
        (self.watch.status, self.watch.session) = (Some(status), session);
        self.watch.epoch = epoch;
        self.watch.said_status = true;
        self.journal.note(self.now, self.partition, Told::Status { status, epoch });
    }

    fn numbers(&mut self, expected: SeqNo, known_end: SeqNo, heard: Mono) {
        self.writer.numbers(self.partition, expected, known_end);
        self.writer.heard(self.partition, heard);
        self.digest.words([expected.0, known_end.0 ^ heard.0 << 20]);
        self.watch.expected = expected.0;
        self.watch.known_end = known_end.0;
    }

    fn define(&mut self, index: SymbolIndex, symbol: &Symbol) {
        self.writer.define(self.partition, index, symbol);
        self.digest.words([4, u64::from(index.0), symbol.bytes()[0].into()]);
        thawed(|| self.watch.define(index.0, *symbol));
    }

    fn publish(
        &mut self,
        index: SymbolIndex,
        status: Status,
        epoch: u32,
        since: Mono,
        view: &BookView,
    ) {
        self.publish_changed(index, status, epoch, since, view, Changed::ALL);
    }

    fn publish_changed(
        &mut self,
        index: SymbolIndex,
        status: Status,
        epoch: u32,
        since: Mono,
        view: &BookView,
        changed: Changed,
    ) {
        let (writer, at) = (&mut self.writer, self.partition);
        writer.publish_changed(at, index, status, epoch, since, view, changed);
        let code = u64::from(status.code()) << 32 | u64::from(index.0);
        self.digest.words([code, since.0 ^ u64::from(epoch) << 48, view.seq]);
        let part = changed.only(view);
        self.digest.words([print_of_book(&part), print_of_trades(&part)]);
        thawed(|| self.watch.touch(index.0));
    }

    fn approach(&mut self, index: SymbolIndex) {
        self.writer.approach(self.partition, index);
    }

    fn event(&mut self, index: Option<SymbolIndex>, seq: SeqNo, now: Mono, message: &Message) {
        self.writer.event(self.partition, index, seq, now, message);
        let code = u64::from(index.map_or(u32::MAX, |index| index.0)) << 8;
        self.digest.words([code | u64::from(message.kind), seq.0]);
        self.watch.apply(seq.0);
        // What is in the middle of a transaction is not published, and looked at all the same.
        if let (Some(index), Family::Deep) = (index, self.setup.venue) {
            thawed(|| self.watch.touch(index.0));
        }
    }

    fn loss(&mut self, loss: &Loss) {
        self.writer.loss(self.partition, loss);
        let kind = loss.kind as u64 | loss.line.map_or(9, |line| line.index() as u64) << 8;
        self.digest.words([7, kind, loss.range.first.0, loss.range.end.0, loss.missing_for.0]);
        self.watch.loss(loss, self.setup);
    }

    fn notice(&mut self, notice: &Notice, now: Mono) {
        self.digest.words([8, now.0]);
        self.watch.notice(notice, self.setup, now);
        if matches!(notice, Notice::SessionChanged { .. } | Notice::OldSession { .. }) {
            thawed(|| self.watch.sessions.push(*notice));
        }
        self.journal.note(self.now, self.partition, Told::Notice(*notice));
    }

    fn step(&mut self, step: &Step, now: Mono) {
        let (kind, about) = match *step {
            Step::RetransmitGivenUp { end, for_good: true } => (1, end.0),
            Step::RetransmitGivenUp { end, for_good: false } => (9, end.0),
            Step::RetransmitContradicted { range } => (8, range.first.0),
            Step::SnapshotAsked { needs, symbols_only } => (2 + u64::from(symbols_only), needs.0),
            Step::SnapshotBegun => (4, 0),
            Step::SnapshotFailed { why } => (5, why.label().len() as u64),
            Step::Spliced { next } => (6, next.0),
            Step::Resynced { next } => (7, next.0),
        };
        self.digest.words([10 | kind << 8, about, now.0]);
        thawed(|| self.watch.step(step, self.setup, now));
        self.journal.note(self.now, self.partition, Told::Step(*step));
    }

    fn moved(&mut self, index: SymbolIndex, moved: bool) {
        self.writer.moved(self.partition, index, moved);
        self.digest.words([12, u64::from(index.0) << 1 | u64::from(moved)]);
    }

    fn foreign(&mut self, symbol: &Symbol, home: u16, claim: Claim) -> bool {
        self.digest.words([9, u64::from(home)]);
        thawed(|| self.claims.push((home, *symbol, claim)));
        true
    }
}

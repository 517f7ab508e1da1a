//! From a partition's machine to the region: the engine's [`Sink`], written down.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use candor_core::{
    BookView, Changed, Loss, Message, Mono, SeqNo, SessionId, Status, Symbol, SymbolIndex,
};
use candor_engine::{Claim, Notice, Sink, Step};
use candor_shm::LaneWriter;
use crossbeam_queue::ArrayQueue;

use crate::halt::keep::Changes;
use crate::log::{Log, Told};
use crate::statuses::{Change, Statuses};

/// What leaves a lane besides what it publishes: bounded queues, never waited for, and one word
/// that says that frames may have been missed.
#[derive(Clone, Debug)]
pub struct Links {
    /// By a partition's number in the region: the inbox of the lane that owns it, for symbols seen
    /// elsewhere that the map gives to it. Full: counted; the region's directory still marks the
    /// name as contested, so that its readers see `WrongPartition`.
    pub inboxes: Vec<Arc<ArrayQueue<Foreign>>>,
    /// What operators are told of. Full: counted, and said in one line.
    pub log: Arc<Log>,
    /// What the journal is told of symbols. Full: counted.
    pub statuses: Arc<Statuses>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    claims_dropped: AtomicU64,
    disturbances: AtomicU64,
    halts: AtomicU64,
    resumes: AtomicU64,
}

impl Links {
    /// Links to these inboxes and this log.
    #[must_use]
    pub fn new(inboxes: Vec<Arc<ArrayQueue<Foreign>>>, log: Arc<Log>) -> Links {
        Links { inboxes, log, statuses: Arc::default(), counts: Arc::default() }
    }

    /// Frames may have been missed that no counter of a lane shows: an interface was without its
    /// program, packets came to the wrong lane. Every lane takes nothing for fresh that arrived
    /// before it hears of this.
    pub fn disturb(&self) {
        self.counts.disturbances.fetch_add(1, Ordering::Relaxed);
    }

    /// How often that was said.
    #[must_use]
    pub fn disturbances(&self) -> u64 {
        self.counts.disturbances.load(Ordering::Relaxed)
    }

    /// Words of the kill switch were set and cleared.
    pub(crate) fn halted(&self, changes: Changes) {
        self.counts.halts.fetch_add(changes.set, Ordering::Relaxed);
        self.counts.resumes.fetch_add(changes.cleared, Ordering::Relaxed);
    }

    /// How often they were set, and cleared.
    pub(crate) fn halts(&self) -> (u64, u64) {
        (self.counts.halts.load(Ordering::Relaxed), self.counts.resumes.load(Ordering::Relaxed))
    }

    /// Claims that found their inbox full.
    #[must_use]
    pub fn claims_dropped(&self) -> u64 {
        self.counts.claims_dropped.load(Ordering::Relaxed)
    }
}

/// What a partition says of a symbol that the map gives to `home`.
#[derive(Clone, Copy, Debug)]
pub struct Foreign {
    /// The symbol.
    pub symbol: Symbol,
    /// Its partition by the map.
    pub home: u16,
    /// What is said.
    pub claim: Claim,
}

/// One partition's place in the region.
pub struct Publisher<'a> {
    /// The lane's half of the region.
    pub writer: &'a mut LaneWriter,
    /// The partition, by its number in the region.
    pub partition: u16,
    /// Where the rest goes.
    pub links: &'a Links,
}

impl Sink for Publisher<'_> {
    const TAKES_CHANGES: bool = true;

    fn lease(&mut self, deadline: Mono) {
        self.writer.lease(self.partition, deadline);
    }

    fn status(&mut self, status: Status, epoch: u32, since: Mono, session: SessionId) {
        self.writer.partition(self.partition, status, epoch, since, session);
        self.links.log.push(self.partition, since, Told::Status { status, session });
    }

    fn followed(&mut self, session: SessionId, at: Mono) {
        self.writer.followed(self.partition, session, at);
    }

    fn numbers(&mut self, expected: SeqNo, known_end: SeqNo, heard: Mono) {
        self.writer.numbers(self.partition, expected, known_end);
        self.writer.heard(self.partition, heard);
    }

    fn define(&mut self, index: SymbolIndex, symbol: &Symbol) {
        self.writer.define(self.partition, index, symbol);
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
        let was = writer.publish_changed(at, index, status, epoch, since, view, changed);
        if let Some(was) = was.filter(|was| was.shown) {
            let (from, to) = (was.reason, status.reason());
            let (at, symbol, partition) = (since, index, self.partition);
            self.links.statuses.push(Change { at, symbol, partition, from, to });
        }
    }

    #[inline]
    fn approach(&mut self, index: SymbolIndex) {
        self.writer.approach(self.partition, index);
    }

    fn event(&mut self, index: Option<SymbolIndex>, seq: SeqNo, now: Mono, message: &Message) {
        self.writer.event(self.partition, index, seq, now, message);
    }

    fn loss(&mut self, loss: &Loss) {
        self.writer.loss(self.partition, loss);
    }

    fn notice(&mut self, notice: &Notice, now: Mono) {
        self.links.log.push(self.partition, now, Told::Notice(*notice));
    }

    fn step(&mut self, step: &Step, now: Mono) {
        self.links.log.push(self.partition, now, Told::Step(*step));
    }

    fn moved(&mut self, index: SymbolIndex, moved: bool) {
        self.writer.moved(self.partition, index, moved);
    }

    fn foreign(&mut self, symbol: &Symbol, home: u16, claim: Claim) -> bool {
        let Some(inbox) = self.links.inboxes.get(usize::from(home)) else { return false };
        let heard = inbox.push(Foreign { symbol: *symbol, home, claim }).is_ok();
        if !heard {
            self.links.counts.claims_dropped.fetch_add(1, Ordering::Relaxed);
        }
        heard
    }
}

//! The machine of one partition.

use std::sync::Arc;

use candor_book::Books;
use candor_core::counters::Counters;
use candor_core::limits::LINES;
use candor_core::{
    Line, Mono, Nanos, SeqNo, SessionId, Status, Symbol, SymbolIndex, WireTime, counters::Counter,
};
use candor_decoders::Format;
use candor_gapfill::retransmit::{Policy, Retransmit};
use candor_gapfill::{Heard, Sequencer, State, Wholeness};

use crate::content::{Apply, Content};
use crate::{Claim, Sink, VenueSymbols};

/// What a partition is made from.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its number within the handler.
    pub index: u16,
    /// What its lines carry.
    pub format: Format,
    /// Which lines it has.
    pub lines: [bool; LINES],
    /// How long a number may be missing before that is called a gap.
    pub grace: Nanos,
    /// How long the old numbering of a line is recognised after numbers restarted.
    pub session_grace: Nanos,
    /// Longest time without a packet on any line that shows the stream followed to be alive
    /// ([`Heard::Current`]). A line that lags shows it with copies of what was sent before: where
    /// all others are dead and the venue dies too, that is noticed this long, and the lag, after.
    pub silence: Nanos,
    /// Longest time between a packet's arrival at the host and our looking at it.
    pub late: Nanos,
    /// How much it can hold.
    pub capacity: candor_book::Capacity,
    /// What the venue's partitions are known to carry; empty where nothing is listed.
    pub venue: Arc<VenueSymbols>,
    /// When the map ends that this is made from: `Stale(NoMap)` from then on, until another is taken.
    /// [`Mono::NEVER`] where there is none.
    pub mapped_until: Mono,
    /// Sessions that handlers before this one have followed before the trading date began: what is heard of
    /// them is `Stale(NotStarted)`, as what was heard before the end of a map is.
    pub earlier: Vec<SessionId>,
    /// Sessions that handlers before this one have followed since the trading date began: where another one is
    /// heard, not all of the date was.
    pub followed: Vec<SessionId>,
    /// Symbols of the venue that a map of the same date before this one gave to another partition than this one does,
    /// ascending: what is heard of this partition's may be but the end of their books.
    pub moved: Vec<Symbol>,
    /// What the venue does for those who miss messages.
    pub services: Services,
}

/// Which of the venue's services may be asked, and how. Without any, what no line carries is missing
/// until the next session; without snapshots, what was asked for in vain is asked for again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Services {
    /// Asking for missing messages.
    pub retransmit: Option<Policy>,
    /// Fetching snapshots.
    pub snapshot: Option<candor_snapshot::Config>,
}

/// One partition: everything between its packets and what readers may believe of its symbols.
pub struct Partition {
    pub(crate) sequencer: Sequencer,
    pub(crate) sequencing: Counters,
    pub(crate) retransmit: Option<Retransmit>,
    /// The end of what was asked for in vain, as it was said last, and whether that was for good.
    pub(crate) given_up_said: Option<(SeqNo, bool)>,
    /// Neither retransmission nor a snapshot has anything to do.
    pub(crate) quiet: bool,
    /// One of them may have something to be asked for.
    pub(crate) has_acted: bool,
    pub(crate) content: Content,
}

// The lane's part of each partition, its counters and one view among it; tables lie elsewhere.
const _: () = assert!(size_of::<Partition>() <= 82 * 64);

impl Partition {
    /// A partition nobody has heard of yet. Allocates all it will ever need.
    #[must_use]
    pub fn new(config: Config) -> Partition {
        let retransmit = config.services.retransmit.map(|policy| {
            // What is given up a snapshot heals.
            let pause_max = policy.pause_max.filter(|_| config.services.snapshot.is_none());
            Retransmit::new(Policy { pause_max, ..policy })
        });
        let sequencer = Sequencer::new(candor_gapfill::Config {
            lines: config.lines,
            grace: config.grace,
            session_grace: config.session_grace,
            keep_start: config.services.retransmit.is_some(),
            start_limit: config.services.retransmit.map_or(0, |policy| policy.limit),
        });
        Partition {
            sequencer,
            sequencing: Counters::new(),
            retransmit,
            given_up_said: None,
            quiet: true,
            has_acted: false,
            content: Content::new(config),
        }
    }

    /// Says what the partition is before anything is heard: unsubscribed, its listed symbols unproven.
    pub fn start(&mut self, now: Mono, sink: &mut impl Sink) {
        let content = &mut self.content;
        content.advance(now);
        content.hold_map(content.config.mapped_until);
        content.since = now;
        sink.status(content.status, content.epoch, now, content.session);
        let venue = Arc::clone(&content.config.venue);
        for symbol in venue.of(content.config.index) {
            let Some(index) = content.add(symbol, WireTime::default(), sink) else { continue };
            let moved = content.config.moved.binary_search(&symbol).is_ok();
            let known = content.symbols.get_mut(index);
            (known.begun_elsewhere, known.had_elsewhere) = (moved, moved);
        }
        content.publish_dirty(sink);
    }

    /// The partition's lines are joined, or no longer are. Joined again, its books are what they
    /// were: Stale(Late) until a packet that arrives after `now` shows that nothing is missing.
    pub fn subscribe(&mut self, now: Mono, subscribed: bool, sink: &mut impl Sink) {
        self.content.advance(now);
        let again = subscribed && !self.content.evidence.subscribed;
        if again && self.sequencer.state() != State::NotStarted {
            self.content.evidence.only_since(now);
        }
        self.content.evidence.subscribed = subscribed;
        self.settle(sink);
    }

    /// From now on a message that repeats its symbol beside its key defines it where no definition
    /// has. For replaying what was cut out of a day, where the definitions lie before the cut: live,
    /// only the venue's own definition says what a key means.
    pub fn define_by_any_message(&mut self) {
        self.content.named_by_any_message = true;
    }

    /// A packet of this partition: `payload` is what UDP carried, `at` when it reached the host. One
    /// that claims to come from the future came now: it must not vouch for longer than it can.
    pub fn on_packet(
        &mut self,
        now: Mono,
        at: Mono,
        line: Line,
        payload: &[u8],
        sink: &mut impl Sink,
    ) {
        let content = &mut self.content;
        content.advance(now);
        content.counters.add(Counter::Packets, 1);
        content.counters.add(Counter::Bytes, payload.len() as u64);
        #[cfg(canary)]
        let mut behind = crate::canary::Behind::of(0);
        #[cfg(canary)]
        let payload = behind.packet(content.config.format, payload);
        let packet = match content.config.format.frame(payload) {
            Ok(packet) => packet,
            Err(reject) => {
                #[cfg(canary)]
                crate::canary::describe(reject);
                return content.counters.reject(reject);
            }
        };
        content.counters.add(Counter::PacketsAccepted, 1);
        let at = at.min(now);
        content.arrived = at;
        let epoch = content.epoch;
        let ahead = packet.range.is_empty() || packet.range.end > self.sequencer.expected();
        let known_end = self.sequencer.known_end();
        let newest = match packet.range.is_empty() {
            true => packet.range.end >= known_end,
            false => packet.range.end > known_end,
        };
        let differ = self.sequencing.get(Counter::LinesDiffer);
        content.missing_since = self.sequencer.gaps().first().map(|gap| gap.opened);
        let heard = content.heard;
        let silent = heard != Mono::NEVER && at >= heard + content.config.silence;
        if ahead {
            content.look_ahead(&packet);
        }
        let mut apply = Apply { content, sink };
        let heard =
            self.sequencer.on_packet(now, at, line, &packet, &mut self.sequencing, &mut apply);
        let current = heard == Heard::Current || candor_core::canary!(LeaseOnAnyPacket);
        let content = &mut self.content;
        if self.sequencing.get(Counter::LinesDiffer) > differ {
            content.lines_differ(packet.range);
        }
        if current {
            if silent && !candor_core::canary!(SilenceForgiven) {
                // Nothing vouched for the books so long: only what comes with nothing missing does. The
                // grace that reordering is given must not make books Live that are as old as that.
                content.evidence.only_since(at);
            }
            content.heard = content.heard.max(at);
            if newest {
                content.newest = content.newest.max(at);
            }
            // A copy of what is known shows that the venue was alive, not where it is: a line that
            // lags is prompt with what is long past.
            if ahead || content.epoch != epoch {
                let state = self.sequencer.state();
                content.evidence.on_packet(now, at, content.config.late, state);
                content.rebuild.unconfirmed = None;
            }
        }
        self.settle(sink);
        if current {
            self.vouch(sink);
        }
        self.show_numbers(sink);
    }

    /// The deadline has come, or some other moment: both are harmless.
    pub fn on_deadline(&mut self, now: Mono, sink: &mut impl Sink) {
        self.content.advance(now);
        let mut apply = Apply { content: &mut self.content, sink };
        self.sequencer.on_deadline(now, &mut self.sequencing, &mut apply);
        self.recover_on_time(sink);
        self.settle(sink);
        self.show_numbers(sink);
    }

    /// When to call [`Partition::on_deadline`] at the latest; `None` while nothing is waited for.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        // One past: a transaction is torn when it has been open for longer than the grace.
        let torn = self.content.torn_at.map(|at| at + Nanos(1));
        let contested = self.sequencer.contest_deadline(self.content.now);
        let ends = Some(self.content.mapped_until).filter(|at| *at != Mono::NEVER);
        let own = self.sequencer.deadline().into_iter().chain(torn).chain(contested).chain(ends);
        if self.quiet || candor_core::canary!(RetryOnTraffic) {
            own.min()
        } else {
            own.chain(self.recovery_deadline()).min()
        }
    }

    /// The lane stood still or the kernel dropped frames: packets may be lost that nothing has
    /// shown yet. Stale(Late) until a packet that arrived after `now` shows where the venue is.
    pub fn on_stall(&mut self, now: Mono, sink: &mut impl Sink) {
        self.content.advance(now);
        if !candor_core::canary!(StallForgotten) {
            self.content.evidence.only_since(now);
        }
        self.content.counters.add(Counter::Late, 1);
        self.settle(sink);
    }

    /// The lane is behind with what has come, or is no longer: a packet of this partition may wait for longer than
    /// [`Config::late`](crate::Config::late) behind those of others. Stale(Late) meanwhile.
    pub fn on_backlog(&mut self, now: Mono, behind: bool, sink: &mut impl Sink) {
        self.content.advance(now);
        let waits = behind && !candor_core::canary!(BacklogIgnored);
        if waits && !self.content.evidence.waits {
            self.content.counters.add(Counter::Late, 1);
        }
        self.content.evidence.waits = waits;
        self.settle(sink);
    }

    /// For how long a packet may wait for the lane.
    #[must_use]
    pub fn late(&self) -> Nanos {
        self.content.config.late
    }

    /// Another partition has something to say of a symbol that is ours by the map. Where its messages name it,
    /// nobody can say whose book is the book until that is resolved; where it had it until ours did, its book is
    /// rebuilt.
    pub fn on_claimed(&mut self, now: Mono, symbol: &Symbol, claim: Claim, sink: &mut impl Sink) {
        self.content.advance(now);
        let expected = self.sequencer.expected();
        let content = &mut self.content;
        let Some(index) = content.symbols.by_name(symbol) else { return };
        match claim {
            Claim::Named { at } => {
                let known = content.symbols.get_mut(index);
                known.misplaced = true;
                // Of two the earlier; where one can't tell nobody knows what came before it.
                let first = at
                    .map(|at| known.elsewhere.filter(|first| !at.is_before(*first)).unwrap_or(at));
                known.elsewhere = first.filter(|_| !known.untold);
                known.untold |= at.is_none();
                content.touch(index);
            }
            Claim::Left => content.arrive(index, expected),
        }
        self.settle(sink);
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        // The sequencer and the content count different things, so that no counter has two owners.
        self.sequencing.plus(&self.content.counters)
    }

    /// The partition's own status, the symbols' left aside.
    #[must_use]
    pub fn status(&self) -> Status {
        self.content.status
    }

    /// The session followed.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.sequencer.session()
    }

    /// The next number expected.
    #[must_use]
    pub fn expected(&self) -> SeqNo {
        self.sequencer.expected()
    }

    /// Its symbols, in order of their index.
    pub fn symbols(&self) -> impl Iterator<Item = (SymbolIndex, Symbol)> + '_ {
        let symbols = &self.content.symbols;
        symbols.indices().map(|index| (index, symbols.get(index).symbol))
    }

    /// Its books, for those who print or check them.
    #[must_use]
    pub fn books(&self) -> &Books {
        &self.content.books
    }

    /// Asserts what must always hold. For tests and the simulator; walks everything.
    pub fn check(&self) {
        self.sequencer.check();
        if let Some(retransmit) = &self.retransmit {
            retransmit.check();
        }
        self.content.books.check();
        self.content.check_rebuild();
        let dirty = self.content.symbols.indices().filter(|i| self.content.symbols.get(*i).dirty);
        assert_eq!(dirty.count(), self.content.dirty.len(), "the dirty list is the dirty marks");
    }

    /// The one place a lease is renewed: a packet of the stream followed was heard, and we are in sync.
    /// It vouches from when it arrived, not from when we came to look at it.
    pub(crate) fn vouch(&self, sink: &mut impl Sink) {
        let content = &self.content;
        if content.status.is_live() {
            let until = content.heard + content.config.silence;
            let over = !candor_core::canary!(MapNeverEnds);
            sink.lease(if over { until.min(content.mapped_until) } else { until });
        }
    }

    pub(crate) fn show_numbers(&self, sink: &mut impl Sink) {
        sink.numbers(self.sequencer.expected(), self.sequencer.known_end(), self.content.heard);
    }

    /// Makes what is now known visible, in an order in which no reader can see more than is proven.
    pub(crate) fn settle(&mut self, sink: &mut impl Sink) {
        self.recover(sink);
        let content = &mut self.content;
        // While the session's start is missing nothing has been proven, grace or not.
        let starting = self.sequencer.gaps().first().is_some_and(|gap| gap.start);
        let whole = if starting { Wholeness::StartMissing } else { self.sequencer.whole() };
        if !starting && core::mem::take(&mut content.evidence.start_answered) {
            // Where a line goes on behind all that is known, the answers were of its numbers.
            if !candor_core::canary!(StartUnproven) {
                content.evidence.only_since(content.now);
            }
        }
        let rebuilding = content.rebuild.is_emptied();
        let state = self.sequencer.state();
        #[cfg(canary)]
        let (state, whole) = match content.rebuild.promotes() {
            true => (State::InSync, Wholeness::Whole),
            false => (state, whole),
        };
        content.unfinished = content.is_unfinished(&self.sequencer);
        let contested = self.sequencer.contested_until(content.now).is_some();
        let over = content.evidence.is_over(self.sequencer.known_end());
        let status = content.evidence.status(state, whole, rebuilding, contested, over);
        let session = self.sequencer.session();
        let changed = status != content.status || session != content.session;
        if status != content.status {
            content.since = content.now;
            #[cfg(canary)]
            crate::canary::by_the_clock(&mut content.since);
        }
        content.status = status;
        content.session = session;
        // A demotion is seen before the data behind it, a promotion only after.
        if changed && !status.is_live() {
            sink.status(status, content.epoch, content.since, session);
        }
        content.publish_dirty(sink);
        if changed && status.is_live() {
            // Whoever finds it Live finds it vouched for, from when it was heard, stale or not.
            self.vouch(sink);
            let content = &self.content;
            sink.status(status, content.epoch, content.since, session);
        }
    }
}

//! The machine of one partition.

use std::sync::Arc;

use candor_book::{Books, Fault};
use candor_core::counters::Counters;
use candor_core::limits::LINES;
use candor_core::{
    BookView, Event, InstrumentKey, Line, Message, Mono, Nanos, Reason, SeqNo, SessionId, Side,
    Status, Symbol, SymbolIndex, TradingState, counters::Counter,
};
use candor_decoders::{BookShape, Format};
use candor_gapfill::{Heard, Notice, Output, Sequencer, Wholeness};

use crate::evidence::Evidence;
use crate::symbols::{Bound, Symbols};
use crate::{Sink, VenueSymbols};

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
}

/// One partition: everything between its packets and what readers may believe of its symbols.
pub struct Partition {
    sequencer: Sequencer,
    sequencing: Counters,
    content: Content,
}

/// All that is not sequencing: what is applied to when the sequencer says a message is new.
struct Content {
    config: Config,
    books: Books,
    symbols: Symbols,
    evidence: Evidence,
    counters: Counters,
    epoch: u32,
    status: Status,
    since: Mono,
    session: SessionId,
    /// When a packet was heard last that shows the stream followed to be alive.
    heard: Mono,
    /// Whether a message that repeats its symbol defines it where nothing has.
    named_by_any_message: bool,
    now: Mono,
    dirty: Vec<SymbolIndex>,
    /// When the first of the dirty symbols has waited too long for its transaction's end.
    torn_at: Option<Mono>,
    view: BookView,
}

struct Apply<'a, S> {
    content: &'a mut Content,
    sink: &'a mut S,
}

impl<S: Sink> Output for Apply<'_, S> {
    fn message(&mut self, seq: SeqNo, _line: Line, bytes: &[u8]) {
        self.content.on_message(seq, bytes, self.sink);
    }

    fn notice(&mut self, notice: Notice) {
        self.content.on_notice(&notice, self.sink);
    }
}

impl Partition {
    /// A partition nobody has heard of yet. Allocates all it will ever need.
    #[must_use]
    pub fn new(config: Config) -> Partition {
        let shape = match config.format.book() {
            BookShape::ByOrder => candor_book::Shape::ByOrder,
            BookShape::ByLevel => candor_book::Shape::ByLevel,
            BookShape::Quotes => candor_book::Shape::Quotes,
        };
        let sequencer = Sequencer::new(candor_gapfill::Config {
            lines: config.lines,
            grace: config.grace,
            session_grace: config.session_grace,
        });
        let symbols = config.capacity.symbols;
        Partition {
            sequencer,
            sequencing: Counters::new(),
            content: Content {
                books: Books::new(shape, config.capacity, config.format.decimals()),
                symbols: Symbols::new(symbols),
                evidence: Evidence::NONE,
                counters: Counters::new(),
                epoch: 1,
                status: Status::stale(Reason::Unsubscribed),
                since: Mono::NEVER,
                session: SessionId::NONE,
                heard: Mono::NEVER,
                named_by_any_message: false,
                now: Mono::NEVER,
                dirty: Vec::with_capacity(symbols),
                torn_at: None,
                view: BookView::EMPTY,
                config,
            },
        }
    }

    /// Says what the partition is before anything is heard: unsubscribed, its listed symbols unproven.
    pub fn start(&mut self, now: Mono, sink: &mut impl Sink) {
        let content = &mut self.content;
        content.advance(now);
        content.since = now;
        sink.status(content.status, content.epoch, now, content.session);
        let venue = Arc::clone(&content.config.venue);
        for symbol in venue.of(content.config.index) {
            content.add(symbol, sink);
        }
        content.publish_dirty(sink);
    }

    /// The partition's lines are joined, or no longer are.
    pub fn subscribe(&mut self, now: Mono, subscribed: bool, sink: &mut impl Sink) {
        self.content.advance(now);
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
        let packet = match content.config.format.frame(payload) {
            Ok(packet) => packet,
            Err(reject) => return content.counters.reject(reject),
        };
        content.counters.add(Counter::PacketsAccepted, 1);
        let at = at.min(now);
        let epoch = content.epoch;
        let ahead = packet.range.is_empty() || packet.range.end > self.sequencer.expected();
        let mut apply = Apply { content, sink };
        let heard = self.sequencer.on_packet(now, line, &packet, &mut self.sequencing, &mut apply);
        let current = heard == Heard::Current;
        let content = &mut self.content;
        if current {
            content.heard = content.heard.max(at);
            // A copy of what is known shows that the venue was alive, not where it is: a line that
            // lags is prompt with what is long past.
            if ahead || content.epoch != epoch {
                let state = self.sequencer.state();
                content.evidence.on_packet(now, at, content.config.late, state);
            }
        }
        self.settle(sink);
        // The one place a lease is renewed: a packet of the stream followed, while in sync. It
        // vouches from when it arrived, not from when we came to look at it.
        let content = &self.content;
        if current && content.status.is_live() {
            sink.lease(content.heard + content.config.silence);
        }
        sink.numbers(self.sequencer.expected(), self.sequencer.known_end(), content.heard);
    }

    /// The deadline has come, or some other moment: both are harmless.
    pub fn on_deadline(&mut self, now: Mono, sink: &mut impl Sink) {
        self.content.advance(now);
        let mut apply = Apply { content: &mut self.content, sink };
        self.sequencer.on_deadline(now, &mut self.sequencing, &mut apply);
        self.settle(sink);
        sink.numbers(self.sequencer.expected(), self.sequencer.known_end(), self.content.heard);
    }

    /// When to call [`Partition::on_deadline`] at the latest; `None` while nothing is waited for.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        // One past: a transaction is torn when it has been open for longer than the grace.
        let torn = self.content.torn_at.map(|at| at + Nanos(1));
        match (self.sequencer.deadline(), torn) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// The lane stood still or the kernel dropped frames: packets may be lost that nothing has
    /// shown yet. Stale(Late) until a packet that arrived after `now` shows where the venue is.
    pub fn on_stall(&mut self, now: Mono, sink: &mut impl Sink) {
        self.content.advance(now);
        self.content.evidence.fresh_since = Some(now);
        self.content.counters.add(Counter::Late, 1);
        self.settle(sink);
    }

    /// Another partition's messages name this symbol, which is ours by the map: until that is
    /// resolved nobody can say whose book is the book.
    pub fn on_claimed(&mut self, now: Mono, symbol: &Symbol, sink: &mut impl Sink) {
        self.content.advance(now);
        if let Some(index) = self.content.symbols.by_name(symbol) {
            self.content.symbols.get_mut(index).misplaced = true;
            self.content.touch(index);
            self.settle(sink);
        }
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
        self.content.books.check();
        let dirty = self.content.symbols.indices().filter(|i| self.content.symbols.get(*i).dirty);
        assert_eq!(dirty.count(), self.content.dirty.len(), "the dirty list is the dirty marks");
    }

    /// Makes what is now known visible, in an order in which no reader can see more than is proven.
    fn settle(&mut self, sink: &mut impl Sink) {
        let content = &mut self.content;
        // While the session's start is missing nothing has been proven, grace or not.
        let starting = self.sequencer.gaps().first().is_some_and(|gap| gap.start);
        let whole = if starting { Wholeness::StartMissing } else { self.sequencer.whole() };
        let status = content.evidence.status(self.sequencer.state(), whole);
        let session = self.sequencer.session();
        let changed = status != content.status || session != content.session;
        if status != content.status {
            content.since = content.now;
        }
        content.status = status;
        content.session = session;
        // A demotion is seen before the data behind it, a promotion only after.
        if changed && !status.is_live() {
            sink.status(status, content.epoch, content.since, session);
        }
        content.publish_dirty(sink);
        if changed && status.is_live() {
            sink.status(status, content.epoch, content.since, session);
        }
    }
}

impl Content {
    fn advance(&mut self, now: Mono) {
        assert!(now >= self.now, "time went back: the caller's clock must not");
        self.now = now;
    }

    fn on_message(&mut self, seq: SeqNo, bytes: &[u8], sink: &mut impl Sink) {
        self.evidence.session_changed = false;
        let message = match self.config.format.decode(bytes) {
            Ok(message) => message,
            Err(reject) => {
                // A number was used up and we don't know what for: no book here is proven any more.
                self.counters.reject(reject);
                self.evidence.unreadable = true;
                return;
            }
        };
        if message.event == Event::Unknown {
            self.counters.add(Counter::UnknownType, 1);
        } else if self.config.format.layout_len(message.kind).is_some_and(|len| bytes.len() > len) {
            self.counters.add(Counter::LongerMessage, 1);
        }
        let index = self.resolve(&message, bytes, sink);
        if let Some(index) = index {
            self.apply(index, seq, &message);
        }
        sink.event(index, seq, self.now, &message);
    }

    /// Which symbol a message is about, learning its name where the message or its key says it.
    fn resolve(
        &mut self,
        message: &Message,
        bytes: &[u8],
        sink: &mut impl Sink,
    ) -> Option<SymbolIndex> {
        if message.key == InstrumentKey::NONE || message.event == Event::Unknown {
            return None;
        }
        let named = match message.event {
            Event::Definition { symbol, .. } => Some(symbol),
            _ => {
                if let Some(index) = self.symbols.by_key(message.key) {
                    return Some(index);
                }
                match self.named_by_any_message {
                    true => self.config.format.symbol_in(message, bytes),
                    false => self.config.format.symbol_of(message.key),
                }
            }
        };
        let Some(symbol) = named else {
            self.counters.add(Counter::UndefinedInstrument, 1);
            // Where a day was cut, whatever lies before the cut is missing anyway.
            if !self.named_by_any_message {
                self.symbols.miss(message.key);
            }
            return None;
        };
        let index = match self.symbols.by_name(&symbol) {
            Some(index) => index,
            None => self.add(symbol, sink)?,
        };
        let rebound = self.symbols.get(index).key != InstrumentKey::NONE;
        match self.symbols.bind(message.key, index) {
            Bound::Same => {}
            Bound::New if self.symbols.has_missed(message.key) => self.quarantine(index),
            Bound::New => {}
            Bound::TakenFrom(old) => {
                // A rename: nothing is inherited, and the old name is proven by nothing any more.
                self.symbols.get_mut(old).named = false;
                self.touch(old);
                // What rests at the venue under the key is not in the new name's book.
                let rests =
                    [Side::Bid, Side::Ask].iter().any(|s| self.books.best(old, *s).is_some());
                if rests || rebound {
                    self.quarantine(index);
                }
            }
            Bound::SecondKey => self.quarantine(index),
        }
        Some(index)
    }

    fn add(&mut self, symbol: Symbol, sink: &mut impl Sink) -> Option<SymbolIndex> {
        let Some(index) = self.symbols.add(symbol, self.now) else {
            self.counters.add(Counter::SymbolsFull, 1);
            return None;
        };
        let book = self.books.add_symbol();
        assert_eq!(book, Some(index), "books and symbols count alike");
        self.counters.add(Counter::Symbols, 1);
        if let Some(home) = self.config.venue.home(&symbol)
            && home != self.config.index
        {
            self.symbols.get_mut(index).misplaced = true;
            self.counters.add(Counter::WrongPartition, 1);
            sink.foreign(&symbol, home);
        }
        sink.define(index, &symbol);
        self.touch(index);
        Some(index)
    }

    fn apply(&mut self, index: SymbolIndex, seq: SeqNo, message: &Message) {
        let first = !self.symbols.get(index).named;
        self.symbols.get_mut(index).named = true;
        match self.books.apply(index, seq, message) {
            Ok(change) => {
                let known = self.symbols.get_mut(index);
                let before = known.open_since;
                // Only what says whether the transaction is complete opens or completes it: a trade
                // report in its middle says nothing of that.
                if let Event::SetLevel { complete, .. } = message.event {
                    known.open_since = if complete { None } else { before.or(Some(self.now)) };
                }
                let completed = before.is_some() && known.open_since.is_none();
                if change.unmatched {
                    self.counters.add(Counter::BreaksUnmatched, 1);
                } else if matches!(message.event, Event::TradeBreak { .. }) {
                    self.counters.add(Counter::Breaks, 1);
                }
                if change.book || change.state || completed {
                    self.watch_crossing(index);
                }
                if change.any() || first || completed {
                    self.touch(index);
                }
            }
            Err(fault) => {
                self.counters.add(counter_of(fault), 1);
                self.quarantine(index);
                // Two symbols claim one order: either may be the wrong one.
                if let Fault::WrongSymbol { owner } | Fault::DuplicateOrder { owner } = fault {
                    self.quarantine(owner);
                }
            }
        }
    }

    /// A crossed book makes its symbol stale for as long as it lasts, where the venue can't cross:
    /// while it trades, between two transactions.
    fn watch_crossing(&mut self, index: SymbolIndex) {
        let trading = self.books.trading_state(index) == TradingState::Trading;
        let known = self.symbols.get_mut(index);
        if known.open_since.is_some() {
            return;
        }
        let crossed = trading && self.books.is_crossed(index);
        if crossed && !known.crossed {
            self.counters.add(Counter::Crossed, 1);
        }
        known.crossed = crossed;
    }

    fn quarantine(&mut self, index: SymbolIndex) {
        let known = self.symbols.get_mut(index);
        if !known.broken {
            known.broken = true;
            self.counters.add(Counter::Quarantined, 1);
        }
        self.touch(index);
    }

    fn touch(&mut self, index: SymbolIndex) {
        let known = self.symbols.get_mut(index);
        if !known.dirty {
            known.dirty = true;
            debug_assert!(self.dirty.len() < self.dirty.capacity());
            self.dirty.push(index);
        }
    }

    fn on_notice(&mut self, notice: &Notice, sink: &mut impl Sink) {
        match notice {
            Notice::SessionChanged { to, .. } => self.new_session(*to, sink),
            Notice::Restarted { session, .. } => self.new_session(*session, sink),
            Notice::LinesDiffer { .. } => self.evidence.lines_differ = true,
            Notice::Loss(loss) => sink.loss(loss),
            Notice::Started { .. }
            | Notice::GapOpened { .. }
            | Notice::OldSession { .. }
            | Notice::Ended { .. } => {}
        }
        sink.notice(notice, self.now);
    }

    /// Everything earned in the old session is gone. The new epoch is published before anything
    /// else happens: from there on no slot of the old one is Live, whatever it says.
    fn new_session(&mut self, session: SessionId, sink: &mut impl Sink) {
        assert!(self.epoch < u32::MAX, "epochs ended");
        self.epoch += 1;
        self.evidence.new_session();
        self.status = Status::stale(Reason::SessionChanged);
        self.since = self.now;
        self.session = session;
        self.heard = Mono::NEVER;
        sink.status(self.status, self.epoch, self.now, session);
        self.books.reset();
        self.symbols.new_session(self.now);
        self.dirty.clear();
    }

    fn publish_dirty(&mut self, sink: &mut impl Sink) {
        let mut kept = 0;
        self.torn_at = None;
        for at in 0..self.dirty.len() {
            let index = self.dirty[at];
            let known = self.symbols.get_mut(index);
            // Between two states of a transaction there is no book to show. What was published
            // stays the true book as of the number it carries, for as long as a number may be late.
            known.torn = false;
            if let Some(since) = known.open_since {
                let torn_at = since + self.config.grace;
                known.torn = self.now > torn_at;
                if !known.torn {
                    self.torn_at = Some(self.torn_at.map_or(torn_at, |other| other.min(torn_at)));
                }
                // A demotion never waits.
                let verdict = known.verdict();
                if !known.torn && (verdict.is_live() || verdict == known.status) {
                    self.dirty[kept] = index;
                    kept += 1;
                    continue;
                }
            }
            known.dirty = false;
            let status = known.verdict();
            if status != known.status {
                known.status = status;
                known.since = self.now;
            }
            let since = known.since;
            self.books.view(index, &mut self.view);
            sink.publish(index, status, self.epoch, since, &self.view);
        }
        self.dirty.truncate(kept);
    }
}

fn counter_of(fault: Fault) -> Counter {
    match fault {
        Fault::UnknownOrder | Fault::WrongSymbol { .. } => Counter::UnknownOrder,
        Fault::DuplicateOrder { .. } => Counter::DuplicateOrder,
        Fault::OrdersFull => Counter::OrdersFull,
        Fault::LevelsFull => Counter::LevelsFull,
        Fault::BadPrice | Fault::BadSize | Fault::WrongShape => Counter::BadSize,
    }
}

//! What a partition's messages mean: symbols, books, and what may be believed of each.

use candor_book::{Books, Fault};
use candor_core::counters::{Counter, Counters};
use candor_core::limits::DEPTH;
use candor_core::{
    BookView, Changed, Event, InstrumentKey, Level, LossKind, Message, Mono, Origin, Packet, Price,
    Reason, Reject, SeqNo, SeqRange, SessionId, Side, Status, Symbol, SymbolIndex, SystemEvent,
    TradingState, WireTime,
};
use candor_decoders::BookShape;
use candor_gapfill::{Notice, Output};

use crate::evidence::Evidence;
use crate::past::Past;
use crate::rebuild::{Hold, Rebuild};
use crate::symbols::{Bound, Symbols};
use crate::{Config, NamedAt, Sink};

/// All that is not sequencing: what is applied to when the sequencer says a message is new.
pub(crate) struct Content {
    pub(crate) config: Config,
    pub(crate) books: Books,
    pub(crate) symbols: Symbols,
    pub(crate) evidence: Evidence,
    pub(crate) counters: Counters,
    pub(crate) epoch: u32,
    pub(crate) status: Status,
    pub(crate) since: Mono,
    pub(crate) session: SessionId,
    /// Which sessions were followed, and which of them are of before the date.
    pub(crate) past: Past,
    /// When a packet was heard last that shows the stream followed to be alive.
    pub(crate) heard: Mono,
    /// When one came last that shows where the venue is: nothing higher was known.
    pub(crate) newest: Mono,
    /// Whether a message that repeats its symbol defines it where nothing has.
    pub(crate) named_by_any_message: bool,
    pub(crate) now: Mono,
    /// When the packet under way reached the host.
    pub(crate) arrived: Mono,
    pub(crate) dirty: Vec<SymbolIndex>,
    /// When the first of the dirty symbols has waited too long for its transaction's end.
    pub(crate) torn_at: Option<Mono>,
    /// Since when the lowest number was missing before the call under way.
    pub(crate) missing_since: Option<Mono>,
    /// Until when the map holds; [`Mono::NEVER`] without one.
    pub(crate) mapped_until: Mono,
    /// Another one is being taken, the first of a date.
    pub(crate) taking: bool,
    /// Whether nothing that the venue had sent was missing as it began to be taken.
    pub(crate) known_at_map: bool,
    /// Something of this trading date was not heard message by message, and so nobody knows whom it named: a snapshot
    /// was joined, or a session was left before it was over and whole. However whole a later session is.
    pub(crate) unheard: bool,
    /// Whether the session followed may be left with something of it unheard, as of the last call.
    pub(crate) unfinished: bool,
    pub(crate) rebuild: Rebuild,
    pub(crate) view: BookView,
    /// What the packet under way is about, as far as it was looked ahead.
    ahead: Vec<(SymbolIndex, Event)>,
}

/// Messages of one packet that are looked ahead over, at most: as many as fit a packet of 1,400 bytes.
const LOOKAHEAD: usize = 64;

pub(crate) struct Apply<'a, S> {
    pub(crate) content: &'a mut Content,
    pub(crate) sink: &'a mut S,
}

impl<S: Sink> Output for Apply<'_, S> {
    fn message(&mut self, seq: SeqNo, _origin: Origin, bytes: &[u8]) {
        self.content.on_message(seq, bytes, self.sink);
    }

    fn notice(&mut self, notice: Notice) {
        self.content.on_notice(&notice, self.sink);
    }
}

impl Content {
    /// Nothing is known yet. Allocates all it will ever need.
    pub(crate) fn new(config: Config) -> Content {
        let shape = match config.format.book() {
            BookShape::ByOrder => candor_book::Shape::ByOrder,
            BookShape::ByLevel => candor_book::Shape::ByLevel,
            BookShape::Quotes => candor_book::Shape::Quotes,
        };
        let symbols = config.capacity.symbols;
        Content {
            books: Books::new(shape, config.capacity, config.format.decimals()),
            symbols: Symbols::new(symbols),
            evidence: Evidence::NONE,
            counters: Counters::new(),
            epoch: 1,
            status: Status::stale(Reason::Unsubscribed),
            since: Mono::NEVER,
            session: SessionId::NONE,
            past: Past::new(&config.earlier),
            heard: Mono::NEVER,
            newest: Mono::NEVER,
            named_by_any_message: false,
            now: Mono::NEVER,
            arrived: Mono::NEVER,
            dirty: Vec::with_capacity(symbols),
            torn_at: None,
            missing_since: None,
            mapped_until: Mono::NEVER,
            taking: false,
            known_at_map: false,
            unheard: false,
            unfinished: false,
            rebuild: Rebuild::new(&config),
            view: BookView::EMPTY,
            ahead: Vec::with_capacity(LOOKAHEAD),
            config,
        }
    }

    pub(crate) fn advance(&mut self, now: Mono) {
        assert!(now >= self.now, "time went back: the caller's clock must not");
        self.now = now;
        self.end_map();
    }

    /// The next message of the stream.
    #[inline]
    pub(crate) fn on_message(&mut self, seq: SeqNo, bytes: &[u8], sink: &mut impl Sink) {
        if self.rebuild.hold != Hold::Nothing {
            self.hold_back(seq, bytes, sink);
            if self.rebuild.hold == Hold::All {
                return;
            }
        }
        self.apply_message(seq, bytes, sink);
    }

    /// Applies a message to the books, unless its own is being rebuilt.
    pub(crate) fn apply_message(&mut self, seq: SeqNo, bytes: &[u8], sink: &mut impl Sink) {
        self.evidence.session_changed = false;
        let message = match self.decode(bytes) {
            Ok(message) => message,
            Err(reject) => {
                // A number was used up and we don't know what for: no book here is proven any more.
                self.counters.reject(reject);
                self.evidence.unreadable = true;
                self.rebuild.lacks(seq, seq.next(), self.now);
                return;
            }
        };
        if message.event == Event::System(SystemEvent::EndOfMessages) {
            self.end(seq, sink);
        }
        if message.event == Event::Unknown {
            self.counters.add(Counter::UnknownType, 1);
        } else if self.config.format.layout_len(message.kind).is_some_and(|len| bytes.len() > len) {
            self.counters.add(Counter::LongerMessage, 1);
        }
        let index = self.resolve(seq, &message, bytes, sink);
        if let Some(index) = index {
            sink.approach(index);
        }
        if let Some(index) = index.filter(|index| !self.symbols.get(*index).recovering)
            && !self.is_late_for_its_move(index, message.time, sink)
        {
            let _ = self.apply(index, seq, &message);
        }
        sink.event(index, seq, self.now, &message);
    }

    /// The venue says in a message that it was the last one. A transport may say so besides, and not every one
    /// can.
    #[cold]
    fn end(&mut self, seq: SeqNo, sink: &mut impl Sink) {
        self.evidence.over = Some(seq);
        sink.notice(&Notice::Ended { last: seq }, self.now);
    }

    /// Asks for what the messages of a packet will look up, where there are several and they are new: their
    /// misses then overlap. Nothing follows from it but time.
    #[inline]
    pub(crate) fn look_ahead(&mut self, packet: &Packet<'_>) {
        if packet.range.len() < 2 {
            return;
        }
        self.ahead.clear();
        for bytes in packet.messages.take(LOOKAHEAD) {
            // Not the canaries' decoder: it counts, and each message is decoded in earnest later.
            let Ok(message) = self.config.format.decode(bytes) else { continue };
            let Some(index) = self.symbols.by_key(message.key) else { continue };
            self.books.foresee(index, &message.event);
            self.ahead.push((index, message.event));
        }
        for (index, event) in &self.ahead {
            self.books.approach(*index, event);
        }
    }

    /// Understands a message of the partition's format.
    #[inline]
    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<Message, Reject> {
        #[cfg(canary)]
        return crate::canary::Behind::of(b'B').message(self.config.format, bytes);
        #[cfg(not(canary))]
        self.config.format.decode(bytes)
    }

    /// Which symbol a message is about, learning its name where the message or its key says it.
    pub(crate) fn resolve(
        &mut self,
        seq: SeqNo,
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
            // Yesterday's session says nothing of where it is today, and readers would find it at both.
            None if self.evidence.yesterdays && self.is_elsewhere(&symbol) => {
                self.counters.add(Counter::WrongPartition, 1);
                return None;
            }
            None if candor_core::canary!(NeverDefined) && symbol.bytes()[1].is_multiple_of(4) => {
                return None;
            }
            None => self.add(symbol, message.time, sink)?,
        };
        let rebound = self.symbols.get(index).key != InstrumentKey::NONE;
        self.symbols.get_mut(index).today |= !self.evidence.yesterdays;
        let bound = self.symbols.bind(message.key, index);
        if bound != Bound::Same && self.symbols.get(index).unmapped {
            // A snapshot's messages are of now, whatever time they bear.
            let (named, known) = (self.named_at(message.time), self.symbols.get(index));
            let late = known.left && seq != SeqNo(0) && known.is_before_it_left(named);
            if !late {
                self.misplace(index, Some(named), sink);
                self.give_unlisted(index, sink);
            }
        }
        match bound {
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
                // A book that is being rebuilt, or has to be, doesn't say what rests.
                let known = self.symbols.get(old);
                if rests || rebound || known.is_quarantined() || known.recovering {
                    self.quarantine(index);
                }
            }
            Bound::SecondKey => {
                self.quarantine(index);
                // Only a snapshot of all says anew which key is whose.
                self.rebuild.lacks(seq, seq.next(), self.now);
            }
        }
        Some(index)
    }

    /// A symbol that was not known, as of a message of this time.
    pub(crate) fn add(
        &mut self,
        symbol: Symbol,
        at: WireTime,
        sink: &mut impl Sink,
    ) -> Option<SymbolIndex> {
        let Some(index) = self.symbols.add(symbol, self.now) else {
            self.counters.add(Counter::SymbolsFull, 1);
            return None;
        };
        let book = self.books.add_symbol();
        assert_eq!(book, Some(index), "books and symbols count alike");
        self.counters.add(Counter::Symbols, 1);
        self.misplace(index, Some(self.named_at(at)), sink);
        sink.define(index, &symbol);
        self.touch(index);
        Some(index)
    }

    /// Whether the map has a symbol on another partition.
    fn is_elsewhere(&self, symbol: &Symbol) -> bool {
        self.config.venue.home(symbol).is_some_and(|home| home != self.config.index)
    }

    /// When a message of this time names a symbol.
    #[inline]
    fn named_at(&self, time: WireTime) -> NamedAt {
        NamedAt { time, heard: self.now }
    }

    /// A message in sequence, or of a snapshot (numbered 0), for its book.
    ///
    /// # Errors
    /// The venue broke its own rules; the symbols concerned are quarantined.
    pub(crate) fn apply(
        &mut self,
        index: SymbolIndex,
        seq: SeqNo,
        message: &Message,
    ) -> Result<(), Fault> {
        let named = self.named_at(message.time);
        let known = self.symbols.get_mut(index);
        let first = !known.named;
        known.named = true;
        known.last = named;
        if seq == SeqNo(0) {
            // A snapshot that has it after another partition has named it contradicts that it has left.
            (known.elsewhere, known.begun_elsewhere) = (None, false);
        } else if first && core::mem::take(&mut known.begun_elsewhere) {
            self.arrive(index, seq.next());
        }
        match self.books.apply(index, seq, message) {
            Ok(change) => {
                let known = self.symbols.get_mut(index);
                let was_open = known.open;
                // Only what says whether the transaction is complete opens or completes it: a trade
                // report in its middle says nothing of that.
                if let Event::SetLevel { complete, .. } = message.event {
                    known.open = !complete;
                }
                let completed = was_open && !known.open;
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
                Ok(())
            }
            Err(fault) => {
                self.counters.add(counter_of(fault), 1);
                self.quarantine(index);
                // Two symbols claim one order: either may be the wrong one.
                if let Fault::WrongSymbol { owner } | Fault::DuplicateOrder { owner } = fault {
                    self.quarantine(owner);
                }
                self.rebuild.quarantined_needs = self.rebuild.quarantined_needs.max(seq.next());
                Err(fault)
            }
        }
    }

    /// A crossed book makes its symbol stale for as long as it lasts, where the venue can't cross:
    /// while it trades, between two transactions.
    fn watch_crossing(&mut self, index: SymbolIndex) {
        let trading = self.books.trading_state(index) == TradingState::Trading;
        let known = self.symbols.get_mut(index);
        if known.open {
            return;
        }
        let crossed = trading && self.books.is_crossed(index);
        let was_quarantined = known.is_quarantined();
        if crossed && !known.crossed {
            self.counters.add(Counter::Crossed, 1);
        }
        known.crossed = crossed;
        let is_quarantined = known.is_quarantined();
        self.rebuild.count_quarantined(was_quarantined, is_quarantined);
    }

    pub(crate) fn quarantine(&mut self, index: SymbolIndex) {
        let known = self.symbols.get_mut(index);
        let was_quarantined = known.is_quarantined();
        if !known.broken {
            known.broken = true;
            self.counters.add(Counter::Quarantined, 1);
        }
        self.rebuild.count_quarantined(was_quarantined, true);
        self.touch(index);
    }

    pub(crate) fn touch(&mut self, index: SymbolIndex) {
        let known = self.symbols.get_mut(index);
        if !known.dirty {
            known.dirty = true;
            debug_assert!(self.dirty.len() < self.dirty.capacity());
            self.dirty.push(index);
        }
    }

    pub(crate) fn on_notice(&mut self, notice: &Notice, sink: &mut impl Sink) {
        match notice {
            Notice::Started { session, .. } => self.follow(*session, sink),
            Notice::SessionChanged { to, .. } => {
                self.new_session(*to, sink);
                self.follow(*to, sink);
            }
            Notice::Restarted { session, .. } => {
                self.new_session(*session, sink);
                self.past.begins_anew(*session);
                // It is no longer the one that handlers before this one have followed.
                let known = self.config.followed.len();
                self.config.followed.retain(|followed| followed != session);
                self.unheard |= self.config.followed.len() < known;
                self.follow(*session, sink);
                if !candor_core::canary!(RestartBelieved) {
                    let until = self.now + self.config.session_grace;
                    self.evidence.restarted(until, self.rebuild.snapshots.is_some());
                    self.rebuild.restarted(until);
                }
            }
            Notice::Loss(loss) => {
                sink.loss(loss);
                if loss.kind == LossKind::GapLost {
                    self.lost(loss.range);
                }
            }
            // Said now and then; what follows from it follows each time (`Content::lines_differ`).
            Notice::LinesDiffer { .. } | Notice::GapOpened { .. } | Notice::OldSession { .. } => {}
            // A message has said so.
            Notice::Ended { last } if self.evidence.over == Some(*last) => return,
            Notice::Ended { .. } => {}
        }
        sink.notice(notice, self.now);
    }

    /// Lines carried different bytes under some of these numbers: nobody can say which are true.
    #[cold]
    pub(crate) fn lines_differ(&mut self, range: SeqRange) {
        self.evidence.lines_differ = true;
        self.rebuild.contested = range;
        self.rebuild.lacks(range.first, range.end, self.now);
    }

    fn follow(&mut self, session: SessionId, sink: &mut impl Sink) {
        self.evidence.yesterdays = self.past.follow(session, self.arrived);
        sink.followed(session, self.past.followed_since());
        let other = |followed: &SessionId| *followed != session;
        self.unheard |= !self.evidence.yesterdays && self.config.followed.iter().any(other);
    }

    /// Everything earned in the old session is gone. The new epoch is published before anything
    /// else happens: from there on no slot of the old one is Live, whatever it says.
    fn new_session(&mut self, session: SessionId, sink: &mut impl Sink) {
        self.unheard |= self.unfinished;
        self.evidence.new_session();
        self.session = session;
        self.heard = Mono::NEVER;
        self.rebuild.new_session(self.now, &mut self.counters);
        self.symbols.forget_times();
        self.new_epoch(Reason::SessionChanged, sink);
    }

    /// From here on no slot of before is Live, whatever it says, and no book is known.
    pub(crate) fn new_epoch(&mut self, reason: Reason, sink: &mut impl Sink) {
        assert!(self.epoch < u32::MAX, "epochs ended");
        self.epoch += 1;
        self.status = Status::stale(reason);
        self.since = self.now;
        sink.status(self.status, self.epoch, self.now, self.session);
        if !candor_core::canary!(BooksCarriedOver) {
            self.books.reset();
        }
        self.symbols.new_session(self.now);
        self.dirty.clear();
        for index in self.symbols.indices() {
            let known = self.symbols.get(index);
            // What a map had said of it stands in its slot beside what follows from the epoch.
            if known.status != known.verdict() {
                self.touch(index);
            }
        }
    }

    pub(crate) fn publish_dirty<S: Sink>(&mut self, sink: &mut S) {
        #[cfg(canary)]
        crate::canary::shuffle(&mut self.dirty);
        let mut kept = 0;
        // What was delivered behind a gap is as late as the gap is old.
        let missing_since = self.missing_since.take().unwrap_or(self.now);
        self.torn_at = None;
        if self.rebuild.is_emptied() {
            // There are no books to show; the partition is stale until there are.
            return;
        }
        for at in 0..self.dirty.len() {
            let index = self.dirty[at];
            let known = self.symbols.get_mut(index);
            // Between two states of a transaction there is no book to show. What was published
            // stays the true book as of the number it carries, for as long as a number may be late:
            // since the first change that it lacks, be that of this transaction or of one before.
            known.torn = false;
            if known.open && !candor_core::canary!(HalfTransactionShown) {
                let since = *known.unshown_since.get_or_insert(missing_since);
                let torn_at = since + self.config.grace;
                known.torn = self.now > torn_at && !candor_core::canary!(NeverTorn);
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
            known.unshown_since = None;
            let status = known.verdict();
            if status != known.status {
                known.status = status;
                known.since = self.now;
            }
            let since = known.since;
            let changed = self.books.take_changed(index);
            self.look_at(index, changed, S::TAKES_CHANGES);
            sink.publish_changed(index, status, self.epoch, since, &self.view, changed);
        }
        self.dirty.truncate(kept);
    }

    /// Puts a symbol's view where it is published from, or of it what has changed. In builds that check, the rest is
    /// spoilt before: what is shown of it would be what no venue ever said.
    #[inline]
    fn look_at(&mut self, index: SymbolIndex, changed: Changed, takes_changes: bool) {
        if !takes_changes {
            return self.books.view(index, &mut self.view);
        }
        if cfg!(debug_assertions) {
            self.view = SPOILT;
        }
        self.books.view_changed(index, &mut self.view, changed);
        if cfg!(debug_assertions) {
            let mut whole = BookView::EMPTY;
            self.books.view(index, &mut whole);
            assert_eq!(changed.only(&self.view), changed.only(&whole), "a part of another view");
        }
    }
}

/// What no book is.
const SPOILT: BookView = {
    let level = Level { price: Price(i64::MIN), size: u64::MAX, orders: 0xdead, reserved: 0 };
    let mut view = BookView::EMPTY;
    (view.seq, view.round_lot) = (u64::MAX, 0xdead);
    (view.bids, view.asks) = ([level; DEPTH], [level; DEPTH]);
    (view.last.size, view.last.id, view.stats.volume) = (u64::MAX, u64::MAX, u64::MAX);
    view
};

fn counter_of(fault: Fault) -> Counter {
    match fault {
        Fault::UnknownOrder | Fault::WrongSymbol { .. } => Counter::UnknownOrder,
        Fault::DuplicateOrder { .. } => Counter::DuplicateOrder,
        Fault::OrdersFull => Counter::OrdersFull,
        Fault::LevelsFull => Counter::LevelsFull,
        Fault::BadPrice | Fault::BadSize | Fault::WrongShape => Counter::BadSize,
    }
}

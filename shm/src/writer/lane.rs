//! What a lane writes: its leases, its partitions' states, books, events, losses, counters.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

use candor_core::counters::{Counters, LaneCounter};
use candor_core::limits::LINES;
use candor_core::status::LIVE_CODE;
use candor_core::{
    BookView, Changed, Loss, Message, Mono, Reason, SeqNo, SessionId, Status, Symbol, SymbolIndex,
    TradingDate,
};

use super::Shared;
use super::fill::{describe, line_words};
use crate::atomic::{AtomicU64, Ordering, fence};
use crate::halt::{HaltName, Halted, Held};
use crate::layout::{Lane, Partition, PartitionPlan, RingRecord, Slot, State};
use crate::mapping::{Kept, load_all, soon_read, soon_written, store_all, store_changed};
use crate::names::Names;
use crate::reader::FOLLOWED_BEFORE;
use crate::spec::{Endpoint, PartitionSpec, RegionSpec};
use crate::text::{text_of, words_of};
use crate::{event, loss, ring, seqlock, slot, switch};

/// What became of a definition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Defined {
    /// The name is new to the venue.
    New,
    /// This index had this name already.
    Known,
    /// Another partition of the venue, or another index, has the name too: both symbols read
    /// `Stale(WrongPartition)` from now on.
    Contested,
}

/// What a symbol was by itself until it was published as something else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Was {
    /// Why it was stale; `None` where it was Live.
    pub reason: Option<Reason>,
    /// Whether its partition is Live: elsewhere nothing of it was, or is, to be seen.
    pub shown: bool,
}

/// A lane's writing half. It can be moved to the lane's thread and not shared; it writes the
/// partitions of its lane alone and asserts so.
pub struct LaneWriter {
    shared: Arc<Shared>,
    lane: u16,
    /// For each partition of the region: the others that are of its venue, or may come to be. Empty
    /// for those of other lanes.
    siblings: Box<[Box<[u16]>]>,
    /// What is halted as it is defined.
    held: Held,
    /// The lane's record, alone.
    record: Kept<Lane>,
    event_ring: Kept<RingRecord>,
    loss_ring: Kept<RingRecord>,
    /// By partition: its slots; none of another lane's.
    slots: Box<[Kept<Slot>]>,
    events: u64,
    losses: u64,
    published: u64,
    // One thread at a time: plain numbers above, and words with one writer below.
    _not_sync: PhantomData<Cell<()>>,
}

/// The one place a lease is written.
fn write_lease(word: &AtomicU64, deadline: Mono) {
    // ORDER: what was published before the lease was renewed is seen by whoever sees the lease.
    word.store(deadline.0, Ordering::Release);
}

impl LaneWriter {
    pub(super) fn new(shared: Arc<Shared>, lane: u16, spec: &RegionSpec, held: Held) -> LaneWriter {
        let siblings_of = |own: usize| -> Box<[u16]> {
            if spec.partitions[own].lane != lane {
                return Box::default();
            }
            (0u16..)
                .zip(&spec.partitions)
                .filter(|(other, partition)| {
                    let venue = spec.partitions[own].venue;
                    let apart = partition.venue != venue && !partition.is_spare();
                    usize::from(*other) != own && (!apart || spec.partitions[own].is_spare())
                })
                .map(|(other, _)| other)
                .collect()
        };
        let siblings = (0..spec.partitions.len()).map(siblings_of).collect();
        let (map, plan) = (&shared.map, &shared.plan);
        let own = &plan.lanes[usize::from(lane)];
        let slots_of = |place: &PartitionPlan| {
            map.keep(place.slots_at, if place.lane == lane { place.capacity } else { 0 })
        };
        LaneWriter {
            slots: plan.partitions.iter().map(slots_of).collect(),
            record: map.keep(own.record_at, 1),
            event_ring: map.keep(own.events_at, plan.events),
            loss_ring: map.keep(own.losses_at, plan.losses),
            shared,
            lane,
            siblings,
            held,
            events: 0,
            losses: 0,
            published: 0,
            _not_sync: PhantomData,
        }
    }

    /// The lane's number.
    #[must_use]
    pub fn lane(&self) -> u16 {
        self.lane
    }

    /// The partition's place, which must be one of this lane's.
    fn own(&self, partition: u16) -> &PartitionPlan {
        let place = &self.shared.plan.partitions[usize::from(partition)];
        assert_eq!(place.lane, self.lane, "a lane writes its own partitions only");
        place
    }

    fn record(&self, partition: u16) -> &Partition {
        self.shared.map.at(self.own(partition).record_at)
    }

    fn lane_record(&self) -> &Lane {
        &self.record[0]
    }

    fn slot(&self, place: &PartitionPlan, symbol: SymbolIndex) -> &Slot {
        assert!(symbol.0 < place.capacity, "a symbol index beyond the partition's slots");
        self.shared.map.at(place.slots_at + u64::from(symbol.0) * size_of::<Slot>() as u64)
    }

    fn names(&self, place: &PartitionPlan) -> Names<'_> {
        Names {
            entries: self.shared.map.slice(place.directory_at, place.capacity),
            index: self.shared.map.slice(place.index_at, place.index_words),
        }
    }

    /// Makes a partition of one to spare: a map has added it. Its symbols are defined and published like
    /// any other's from here on.
    ///
    /// # Panics
    /// When it is another lane's or none to spare, or `spec` is of another lane or room.
    pub fn open(&mut self, partition: u16, spec: &PartitionSpec) {
        let place = *self.own(partition);
        assert_eq!((place.lane, place.capacity), (spec.lane, spec.symbols), "another place");
        assert!(!spec.is_spare() && !spec.name.is_empty(), "a partition has a venue and a name");
        let record = self.record(partition);
        assert_eq!(record.venue.load(Ordering::Relaxed), 0, "a partition is opened once");
        if let Some(since) = self.held.since(&HaltName::Partition(spec.venue, spec.name)) {
            let _ = switch::set(&record.halted, since.0);
        }
        describe(record, spec);
        // ORDER: our venue before our look at the other partitions' words, against who halts the venue and
        // then looks what it has: one sees the other. Nothing is defined here yet that could be Live.
        fence(Ordering::SeqCst);
        if let Some(since) = self.venue_halted(partition, spec) {
            let _ = switch::set(&record.halted, since);
        }
    }

    /// Says of which trading date the map is that a partition has.
    ///
    /// Call it while nothing of the partition is Live, and before anything is by that map.
    pub fn date(&mut self, partition: u16, date: TradingDate) {
        // ORDER: before the state word that makes anything Live by that map.
        self.record(partition).trading_date.store(u64::from(date.0), Ordering::Release);
    }

    /// Says where the lines of a partition are received from now on: for displays, no reader listens.
    pub fn endpoints(&mut self, partition: u16, lines: [Option<Endpoint>; LINES]) {
        store_all(&self.record(partition).lines, line_words(lines));
    }

    /// Since when every partition is halted of the venue that this one is added to; `None` where any is not.
    fn venue_halted(&self, partition: u16, spec: &PartitionSpec) -> Option<u64> {
        let [venue] = words_of(&spec.venue);
        let of_venue = self.siblings[usize::from(partition)].iter().filter_map(|other| {
            let place = &self.shared.plan.partitions[usize::from(*other)];
            let there: &Partition = self.shared.map.at(place.record_at);
            (there.venue.load(Ordering::Acquire) == venue)
                .then(|| there.halted.load(Ordering::Acquire))
        });
        of_venue.min_by_key(|since| (*since != 0, *since)).filter(|since| *since != 0)
    }

    /// Halts the partitions and symbols among these as they are opened and defined, from here on; not a symbol
    /// that is in another partition and was resumed there. Before the lane begins, and behind
    /// [`HandlerWriter::halt_names`](crate::HandlerWriter::halt_names).
    pub fn hold(&mut self, halted: &[Halted]) {
        self.held.add(halted);
    }

    /// Vouches for this lane until `deadline`: everything it publishes is gone after that unless
    /// it comes back. Also brings the lane's own counts (`events`, `published`) up to date.
    pub fn renew(&mut self, deadline: Mono) {
        let record = self.lane_record();
        store_changed(&record.counters[LaneCounter::Events as usize], self.events);
        store_changed(&record.counters[LaneCounter::Published as usize], self.published);
        write_lease(&record.lease, deadline);
    }

    /// Lets the partition's symbols be Live until `deadline` at most. Call it on the evidence of a
    /// packet of this partition and session while the partition is in sync, and nowhere else.
    pub fn lease(&mut self, partition: u16, deadline: Mono) {
        write_lease(&self.record(partition).lease, deadline);
    }

    /// Says when the last packet of the partition's session was heard, in sync or not. It makes
    /// nothing Live: it lets readers tell a partition with a gap from one that fell silent with it.
    pub fn heard(&mut self, partition: u16, at: Mono) {
        store_changed(&self.record(partition).heard, at.0);
    }

    /// Says what the partition as a whole is, in one store: with a stale status all its symbols
    /// are stale, with another `epoch` all its slots are `Unproven` until published again.
    ///
    /// A partition that becomes live again without a new epoch must have published every symbol
    /// that changed in between *before* this call.
    pub fn partition(
        &mut self,
        partition: u16,
        status: Status,
        epoch: u32,
        since: Mono,
        session: SessionId,
    ) {
        let record = self.record(partition);
        let words = slot::session_words(session);
        let unchanged = |(word, value): (&AtomicU64, u64)| word.load(Ordering::Relaxed) == value;
        if !record.session.iter().zip(words).all(unchanged) {
            seqlock::write(&record.lock, || {
                store_all(&record.session, words);
                store_changed(&record.followed, 0);
            });
        }
        let old = State::of(record.state.load(Ordering::Relaxed));
        if (old.code, old.epoch) == (status.code(), epoch) {
            return;
        }
        let state = State { code: status.code(), epoch, changes: old.changes.wrapping_add(1) };
        record.since.store(since.0, Ordering::Relaxed);
        // ORDER: slots published before are seen by whoever sees this word, and this word (through
        // the release fence of the slot's lock) by whoever sees a slot published after it.
        record.state.store(state.word(), Ordering::Release);
    }

    /// Says which session is followed, and when the packet reached the host with which it was followed first; a time
    /// before any packet of this handler's is [`FOLLOWED_BEFORE`].
    pub fn followed(&mut self, partition: u16, session: SessionId, at: Mono) {
        let record = self.record(partition);
        seqlock::write(&record.lock, || {
            store_all(&record.session, slot::session_words(session));
            store_changed(&record.followed, at.max(FOLLOWED_BEFORE).0);
        });
    }

    /// Says where the partition stands in its sequence: the next number wanted and the number
    /// behind the last known to exist.
    pub fn numbers(&mut self, partition: u16, expected: SeqNo, known_end: SeqNo) {
        let record = self.record(partition);
        seqlock::write(&record.lock, || {
            store_changed(&record.expected, expected.0);
            store_changed(&record.known_end, known_end.0);
        });
    }

    /// Gives a symbol its name and makes it findable. Indices come in order; naming one again is
    /// of no effect. Its slot reads `Stale(Unproven)` until published.
    ///
    /// # Panics
    /// When the index skips one, is beyond the partition's slots, or has another name.
    pub fn define(&mut self, partition: u16, index: SymbolIndex, symbol: &Symbol) -> Defined {
        assert!(!symbol.is_empty());
        let place = *self.own(partition);
        let record = self.record(partition);
        let names = self.names(&place);
        let defined = record.symbols.load(Ordering::Relaxed);
        if u64::from(index.0) < defined {
            assert_eq!(names.name(index), *symbol, "a symbol never changes its name");
            return Defined::Known;
        }
        assert_eq!(u64::from(index.0), defined, "symbols are defined in order of their index");
        assert!(index.0 < place.capacity, "a symbol index beyond the partition's slots");
        let venue = text_of(load_all(std::array::from_ref(&record.venue)));
        let held = self.held.since(&HaltName::Symbol(venue, *symbol));
        if let Some(since) = held.filter(|_| !self.is_resumed(partition, symbol)) {
            // ORDER: before the name by which it is found: no reader finds it without.
            self.slot(&place, index).halted.store(since.0.max(1), Ordering::Relaxed);
        }
        let before = names.find(symbol);
        names.add(index, symbol);
        // ORDER: the entry before the count that covers it.
        record.symbols.store(defined + 1, Ordering::Release);
        if let Some(other) = before {
            self.contest(&place, other);
            self.contest(&place, index);
        }
        let contested = self.look_at_siblings(partition, index, symbol) || before.is_some();
        if contested { Defined::Contested } else { Defined::New }
    }

    /// Says that the map in force gives a symbol of this partition to another one (`moved`), or gives it
    /// back. Lookups by name pass over one that has moved; given back, it is contested by none but
    /// those that have it as well.
    ///
    /// # Panics
    /// When the symbol is not defined.
    pub fn moved(&mut self, partition: u16, index: SymbolIndex, moved: bool) {
        let place = *self.own(partition);
        let names = self.names(&place);
        let symbol = names.name(index);
        assert!(!symbol.is_empty(), "a symbol is defined before it moves");
        let word = &names.entries[index.0 as usize].moved;
        let moves = &self.record(partition).moves;
        let counted = moves.load(Ordering::Relaxed) + 1;
        if moved {
            // ORDER: release, as it sends readers to what was defined elsewhere before; and the count
            // behind what it counts.
            word.store(1, Ordering::Release);
            moves.store(counted, Ordering::Release);
            return;
        }
        // ORDER: both before our look at the others: of two that come to have one name at once, at least
        // one sees the other, and marks both.
        self.slot(&place, index).contested.store(0, Ordering::Release);
        word.store(0, Ordering::Release);
        moves.store(counted, Ordering::Release);
        let _ = self.look_at_siblings(partition, index, &symbol);
    }

    /// Looks whether another partition of the venue has the name too, and marks both slots if so, unless it
    /// has moved from there.
    fn look_at_siblings(&self, partition: u16, index: SymbolIndex, symbol: &Symbol) -> bool {
        let place = self.own(partition);
        let venue = self.record(partition).venue.load(Ordering::Relaxed);
        // ORDER: our name before our look at the other partitions' names, against their lanes doing
        // the same: of two lanes that define one name at once, at least one sees the other.
        fence(Ordering::SeqCst);
        let mut contested = false;
        for other in &self.siblings[usize::from(partition)] {
            let other_place = &self.shared.plan.partitions[usize::from(*other)];
            let there: &Partition = self.shared.map.at(other_place.record_at);
            // ORDER: as for the names: one that is added now looks at ours when it defines the symbol.
            if there.venue.load(Ordering::Acquire) != venue {
                continue;
            }
            let names = self.names(other_place);
            let Some(there) = names.find(symbol) else { continue };
            // What an operator halts by its name is halted wherever a map moves it.
            let halted = self.slot(other_place, there).halted.load(Ordering::Acquire);
            if halted != 0 {
                let _ = switch::set(&self.slot(place, index).halted, halted);
            }
            if !names.is_moved(there) {
                self.contest(other_place, there);
                self.contest(place, index);
                contested = true;
            }
        }
        contested
    }

    /// Whether a symbol that is held was resumed since: another partition of the venue has the name, and it is not
    /// halted there. What is held was halted there before it could be found, so that only who resumes it has
    /// cleared that; who halts it again meanwhile is met where we look at the others behind our name.
    fn is_resumed(&self, partition: u16, symbol: &Symbol) -> bool {
        let venue = self.record(partition).venue.load(Ordering::Relaxed);
        self.siblings[usize::from(partition)].iter().any(|other| {
            let place = &self.shared.plan.partitions[usize::from(*other)];
            let there: &Partition = self.shared.map.at(place.record_at);
            // ORDER: as in `look_at_siblings`; the name before the word that was set before it.
            let found = (there.venue.load(Ordering::Acquire) == venue)
                .then(|| self.names(place).find(symbol))
                .flatten();
            found.is_some_and(|at| self.slot(place, at).halted.load(Ordering::Acquire) == 0)
        })
    }

    /// Marks a slot, of whichever lane: the one word that any of them may set.
    fn contest(&self, place: &PartitionPlan, symbol: SymbolIndex) {
        // ORDER: none needed: a reader that misses it is a reader from before the definition.
        self.slot(place, symbol).contested.store(1, Ordering::Release);
    }

    /// Publishes a symbol: status and book in one write that no reader sees half of.
    /// `epoch` is the partition's; a slot of another epoch reads `Unproven`. What it was until now is returned,
    /// where that is another status.
    ///
    /// # Panics
    /// When the symbol is not one of this lane's.
    #[inline]
    pub fn publish(
        &mut self,
        partition: u16,
        index: SymbolIndex,
        status: Status,
        epoch: u32,
        since: Mono,
        view: &BookView,
    ) -> Option<Was> {
        self.publish_changed(partition, index, status, epoch, since, view, Changed::ALL)
    }

    /// The same for a symbol of whose view no more than `changed` differs from the one that this lane published of it
    /// last: nothing else is written, nor looked at. What is not among `changed` need not be in `view`, except for
    /// the message's number and time, the counts and states.
    ///
    /// # Panics
    /// When the symbol is not one of this lane's.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "what a slot holds, and where it is")]
    pub fn publish_changed(
        &mut self,
        partition: u16,
        index: SymbolIndex,
        status: Status,
        epoch: u32,
        since: Mono,
        view: &BookView,
        changed: Changed,
    ) -> Option<Was> {
        debug_assert!(
            u64::from(index.0) < self.record(partition).symbols.load(Ordering::Relaxed),
            "a symbol is defined before it is published"
        );
        let state = State { code: status.code(), epoch, changes: 0 };
        let slots = self.slots.get(usize::from(partition));
        let Some(slot) = slots.and_then(|slots| slots.get(index.0 as usize)) else {
            self.has_no_slot(partition)
        };
        let before = slot::store(slot, state, since, view, changed);
        self.published += 1;
        if before == state.word() { None } else { self.was(partition, State::of(before), state) }
    }

    /// A symbol is about to be published, a message or a packet from now: asks for the lines of its slot that every
    /// publication needs. A hint without an outcome; one too many costs next to nothing.
    #[inline]
    pub fn approach(&self, partition: u16, index: SymbolIndex) {
        let slots = self.slots.get(usize::from(partition));
        if let Some(slot) = slots.and_then(|slots| slots.get(index.0 as usize)) {
            soon_written([&slot.lock]);
            soon_read([&slot.state]);
        }
    }

    /// Why a slot can't be written.
    #[cold]
    fn has_no_slot(&self, partition: u16) -> ! {
        let _ = self.own(partition);
        panic!("a symbol index beyond the partition's slots");
    }

    /// What a slot's word said before this one, where that is another status.
    #[cold]
    fn was(&self, partition: u16, before: State, after: State) -> Option<Was> {
        if (before.code, before.epoch) == (after.code, after.epoch) {
            return None;
        }
        // One of another epoch, and one that nobody wrote, say nothing.
        let code = if before.epoch == after.epoch { before.code } else { 0 };
        let reason = match code {
            LIVE_CODE => None,
            code => Some(Reason::from_code(code).unwrap_or(Reason::Unproven)),
        };
        let own = State::of(self.record(partition).state.load(Ordering::Relaxed));
        let shown = (own.code, own.epoch) == (LIVE_CODE, after.epoch);
        let is = if after.code == LIVE_CODE { None } else { Reason::from_code(after.code) };
        (reason != is).then_some(Was { reason, shown })
    }

    /// Appends to the lane's event ring; the oldest record is overwritten, nobody is waited for.
    #[inline(always)]
    pub fn event(
        &mut self,
        partition: u16,
        symbol: Option<SymbolIndex>,
        seq: SeqNo,
        arrival: Mono,
        message: &Message,
    ) {
        debug_assert_eq!(self.own(partition).lane, self.lane);
        self.events += 1;
        let payload = event::encode(partition, symbol, seq, arrival, message);
        ring::push(&self.event_ring, &self.lane_record().events_head, self.events, &payload);
    }

    /// Appends to the lane's loss log.
    pub fn loss(&mut self, partition: u16, entry: &Loss) {
        assert_eq!(self.own(partition).lane, self.lane);
        self.losses += 1;
        let payload = loss::encode(partition, entry);
        ring::push(&self.loss_ring, &self.lane_record().losses_head, self.losses, &payload);
    }

    /// Publishes a partition's counters; only those that changed are stored.
    pub fn counters(&mut self, partition: u16, counters: &Counters) {
        let record = self.record(partition);
        for (word, value) in record.counters.iter().zip(counters.values()) {
            store_changed(word, *value);
        }
    }

    /// Publishes one of the lane's counters. `events` and `published` are the writer's own and
    /// follow with each [`LaneWriter::renew`].
    pub fn lane_counter(&mut self, counter: LaneCounter, value: u64) {
        debug_assert!(!matches!(counter, LaneCounter::Events | LaneCounter::Published));
        store_changed(&self.lane_record().counters[counter as usize], value);
    }
}

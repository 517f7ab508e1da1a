//! A map for a partition that runs: how one ends, and how another is taken.
//!
//! When a map ends, what was heard under it is no evidence any more. Sequencing goes on, so that what the
//! venue sends before the next map is there is known when it comes, but the session of then stays
//! `Stale(NotStarted)`: today's is one that began since.
//!
//! Where a trading date begins and no map ends with it, the partition is told so the same way, with the instant
//! ([`NewMap::over`]): it may be told late, by any time, and what was followed by then is of before, and what began
//! later is not.
//!
//! Another map is taken by all partitions of its venue, in three calls each, the next one only when every
//! partition has had the one before: [`Partition::begin_map`] takes away, [`Partition::claim_map`] says
//! where wire and map contradict each other, [`Partition::finish_map`] gives. So no symbol is ever given to
//! two partitions, and none is Live that any partition contradicts. What a map doesn't change is not
//! touched.

use std::sync::Arc;

use candor_core::counters::Counter;
use candor_core::{Mono, SeqNo, Symbol, SymbolIndex, WireTime};
use candor_gapfill::{Sequencer, State, Wholeness};

use crate::content::Content;
use crate::{Claim, NamedAt, Partition, Sink, VenueSymbols};

/// A new map, as far as it concerns one partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewMap {
    /// What the venue's partitions carry. [`Partition::begin_map`] leaves here what it had before, so that
    /// who made this frees it.
    pub venue: Arc<VenueSymbols>,
    /// When it ends; as [`crate::Config::mapped_until`].
    pub until: Mono,
    /// Sessions that were followed before then are of before the date, or of none; `None` where that is no news.
    pub over: Option<Mono>,
    /// Symbols that it gives to the partition and the map before did not, ascending.
    pub gained: Vec<Symbol>,
    /// Symbols that it gives to another partition, and the map before didn't give there, ascending: this one may
    /// have had them, or named them although it didn't.
    pub lost: Vec<Symbol>,
    /// Symbols of no list that this partition has defined: whichever partition names one in its session has it, and
    /// no other, until another names it too. For the first map of a date: who named one before says nothing of
    /// today.
    pub unlisted: Vec<Symbol>,
    /// It is the first of a trading date: what moved has moved overnight, unless today's sessions say otherwise.
    pub first: bool,
}

impl NewMap {
    /// What changes for `partition` when `after` takes the place of `before`.
    #[must_use]
    pub fn between(
        before: &VenueSymbols,
        after: &Arc<VenueSymbols>,
        partition: u16,
        until: Mono,
    ) -> NewMap {
        let (mut gained, mut lost) = (Vec::new(), Vec::new());
        for (symbol, home) in after.iter() {
            let had = before.home(&symbol);
            if had == Some(home) {
                continue;
            }
            if home == partition {
                gained.push(symbol);
            } else {
                lost.push(symbol);
            }
        }
        NewMap {
            venue: Arc::clone(after),
            until,
            over: None,
            gained,
            lost,
            unlisted: Vec::new(),
            first: false,
        }
    }
}

impl Partition {
    /// Takes a new map, but for what it adds: symbols it gives to other partitions are
    /// `Stale(Unmapped)`, and so are those it gives to this one until [`Partition::finish_map`]. Allocates
    /// nothing and frees nothing.
    pub fn begin_map(&mut self, now: Mono, map: &mut NewMap, sink: &mut impl Sink) {
        let content = &mut self.content;
        content.advance(now);
        // Before the partition is left, if the map removes it.
        content.known_at_map = content.knows_all(&self.sequencer);
        core::mem::swap(&mut content.config.venue, &mut map.venue);
        content.hold_map(map.until);
        if let Some(begins) = map.over {
            content.end_date(begins);
        }
        content.taking = !map.unlisted.is_empty();
        for symbol in &map.unlisted {
            let Some(index) = content.symbols.by_name(symbol) else { continue };
            content.symbols.get_mut(index).misplaced = false;
            if content.named_today(symbol).is_none() {
                content.unmap(index, sink);
            } else {
                // It has not moved from here: who else names it from now on contests it at once.
                content.symbols.get_mut(index).unmapped = true;
                content.touch(index);
            }
        }
        for symbol in &map.lost {
            if let Some(index) = content.symbols.by_name(symbol) {
                content.unmap(index, sink);
            }
        }
        for symbol in &map.gained {
            let known = content.symbols.by_name(symbol);
            let added = || content.add(*symbol, WireTime::default(), sink);
            let Some(index) = known.or_else(added) else { continue };
            // It was misplaced by a map that no longer holds; who claims it does so from here on.
            let known = content.symbols.get_mut(index);
            (known.misplaced, known.elsewhere, known.untold) = (false, None, false);
            // What is here of one that comes back is of before it left.
            if core::mem::take(&mut known.left) {
                content.arrive(index, self.sequencer.expected());
            }
            content.unmap(index, sink);
        }
        self.settle(sink);
        // What was heard last vouches under this map for longer than under one that ends sooner.
        self.vouch(sink);
    }

    /// Says which of the symbols that the map gives to other partitions were named here in this session: some of
    /// them have left, the others are contested. Every partition of the venue has begun.
    pub fn claim_map(&mut self, now: Mono, map: &NewMap, sink: &mut impl Sink) {
        let content = &mut self.content;
        content.advance(now);
        let subscribed = content.evidence.subscribed;
        let all_known =
            if subscribed { content.knows_all(&self.sequencer) } else { content.known_at_map };
        let heard = content.has_heard_all_before(&self.sequencer);
        let nothing_missed = heard && all_known || candor_core::canary!(UnheardBelieved);
        for symbol in &map.lost {
            let Some(index) = content.symbols.by_name(symbol) else { continue };
            let known = content.symbols.get(index);
            let was_home = map.venue.home(symbol) == Some(content.config.index);
            let left = match known.today {
                true => all_known && (known.left || content.has_left(index)),
                // Who was told that another had it before passes that on.
                false if known.had_elsewhere => true,
                // Of what was not heard, or is missing yet, nobody knows whether it named it.
                false if was_home && !map.first && !nothing_missed => true,
                false => continue,
            };
            if !(left && content.leave(index, sink)) {
                content.misplace(index, None, sink);
            }
            content.touch(index);
        }
        for symbol in &map.unlisted {
            if let Some(index) = content.named_today(symbol) {
                // Contested by those alone that have named it too, and Stale(Unmapped) still: of two, each finds
                // the other before either is Live.
                sink.moved(index, false);
            }
        }
        self.settle(sink);
    }

    /// Gives the symbols that the map adds. Every partition of the venue has made its claims, and those on
    /// this one have been handed to it ([`Partition::on_claimed`]).
    pub fn finish_map(&mut self, now: Mono, map: &NewMap, sink: &mut impl Sink) {
        self.content.advance(now);
        for symbol in &map.gained {
            if let Some(index) = self.content.symbols.by_name(symbol) {
                self.content.symbols.get_mut(index).unmapped = false;
                sink.moved(index, false);
                self.content.touch(index);
            }
        }
        let content = &mut self.content;
        content.taking = false;
        for symbol in &map.unlisted {
            if let Some(index) = content.named_today(symbol) {
                content.symbols.get_mut(index).unmapped = false;
                content.touch(index);
            }
        }
        self.settle(sink);
    }
}

impl Content {
    /// A symbol that was named here in the session that is followed, where that is today's.
    fn named_today(&self, symbol: &Symbol) -> Option<SymbolIndex> {
        if self.evidence.yesterdays {
            return None;
        }
        let named = |index: &SymbolIndex| {
            let known = self.symbols.get(*index);
            // One that is rebuilt alone was named in this session, and keeps its key.
            known.named || known.recovering
        };
        self.symbols.by_name(symbol).filter(named)
    }

    /// A symbol that maps have taken from here is named here, and none lists it: it is here again. Where another
    /// partition has it as well, whoever comes second finds the first, and both are contested.
    pub(crate) fn give_unlisted(&mut self, index: SymbolIndex, sink: &mut impl Sink) {
        let listed = self.config.venue.home(&self.symbols.get(index).symbol).is_some();
        // Yesterday's session says nothing of today.
        if listed || self.evidence.yesterdays {
            return;
        }
        sink.moved(index, false);
        // While a map is taken another may yet say that it has named it too: `finish_map` gives it.
        if !self.taking {
            self.symbols.get_mut(index).unmapped = false;
            self.touch(index);
        }
    }

    /// A map is in force until then; where that is past already, it has ended.
    pub(crate) fn hold_map(&mut self, until: Mono) {
        self.mapped_until = until;
        self.evidence.mapped = until != Mono::NEVER;
        self.end_map();
    }

    /// The map ends when its time has come.
    pub(crate) fn end_map(&mut self) {
        let over = self.now >= self.mapped_until && !candor_core::canary!(MapNeverEnds);
        if self.evidence.mapped && over {
            let until = core::mem::replace(&mut self.mapped_until, Mono::NEVER);
            self.evidence.mapped = false;
            self.end_date(until);
        }
    }

    /// A date is over, or another has begun then: what was followed before is not of the one that is under way or
    /// comes next.
    fn end_date(&mut self, begins: Mono) {
        let believed = candor_core::canary!(YesterdayBelieved);
        if !believed {
            // Also those of the date that handlers before this one have followed, heard here or not.
            self.config.followed.iter().for_each(|session| self.past.is_earlier(*session));
            self.past.end(begins);
            self.evidence.yesterdays = self.past.is_of_before();
        }
        self.config.followed.clear();
        // Where this is heard late and the date's session has begun, which of it was that session's nobody knows any
        // more: all of it counts, and so no symbol is believed to have been nowhere else.
        if believed || !self.past.has_begun() {
            self.symbols.end_date();
            self.unheard = false;
        }
    }

    fn unmap(&mut self, index: SymbolIndex, sink: &mut impl Sink) {
        self.symbols.get_mut(index).unmapped = true;
        sink.moved(index, true);
        self.touch(index);
    }

    /// Whether nothing is missing here that the venue has sent by now, as far as anybody can know.
    fn knows_all(&self, sequencer: &Sequencer) -> bool {
        let heard = self.now < self.heard + self.config.silence;
        self.status.is_live() && heard && sequencer.gaps().is_empty()
    }

    /// Whether all of this date's sessions was heard from their beginning on, message by message, as far as it was
    /// heard. A snapshot says what is there, and not what was.
    fn has_heard_all_before(&self, sequencer: &Sequencer) -> bool {
        let begun = sequencer.state() != State::NotStarted && !self.evidence.yesterdays;
        begun && !self.unheard && is_whole(sequencer)
    }

    /// Whether the session followed, of today, would be left with something of it unheard, if another began now.
    pub(crate) fn is_unfinished(&self, sequencer: &Sequencer) -> bool {
        let begun = sequencer.state() != State::NotStarted && !self.evidence.yesterdays;
        let over =
            sequencer.state() == State::Ended || self.evidence.is_over(sequencer.known_end());
        begun && !(over && is_whole(sequencer))
    }

    /// Whether a symbol that was here on this date is here no longer: nothing has named it in the session followed,
    /// or since before another partition did, by the venue's clock.
    fn has_left(&self, index: SymbolIndex) -> bool {
        let known = self.symbols.get(index);
        !known.recovering && (!known.named || known.is_before_it_left(known.last))
    }

    /// It has moved where the map has it, and nothing is asked for its book here any more. Answers whether the other
    /// partition will hear of it, which has only the end of its book: without that it must not have the symbol.
    fn leave(&mut self, index: SymbolIndex, sink: &mut impl Sink) -> bool {
        let symbol = self.symbols.get(index).symbol;
        let home = self.config.venue.home(&symbol);
        if !home.is_some_and(|home| sink.foreign(&symbol, home, Claim::Left)) {
            return false;
        }
        let known = self.symbols.get_mut(index);
        let was_quarantined = known.is_quarantined();
        (known.left, known.begun_elsewhere) = (true, false);
        (known.arrived, known.broken, known.crossed) = (false, false, false);
        self.rebuild.count_quarantined(was_quarantined, false);
        true
    }

    /// Whether a message about a symbol was sent before it left and comes late: it is of no book any more. One
    /// that was sent since contradicts the map.
    #[inline]
    pub(crate) fn is_late_for_its_move(
        &mut self,
        index: SymbolIndex,
        time: WireTime,
        sink: &mut impl Sink,
    ) -> bool {
        self.symbols.get(index).left
            && self.is_before_it_left(index, NamedAt { time, heard: self.now }, sink)
    }

    #[cold]
    fn is_before_it_left(
        &mut self,
        index: SymbolIndex,
        named: NamedAt,
        sink: &mut impl Sink,
    ) -> bool {
        let late = self.symbols.get(index).is_before_it_left(named);
        if !late {
            self.misplace(index, Some(named), sink);
            self.give_unlisted(index, sink);
            self.touch(index);
        }
        late
    }

    /// Another partition had the symbol earlier on this date: what this one's messages say of its book begins in the
    /// middle.
    pub(crate) fn arrive(&mut self, index: SymbolIndex, expected: SeqNo) {
        if candor_core::canary!(EndBelieved) {
            return;
        }
        let known = self.symbols.get_mut(index);
        known.had_elsewhere = true;
        if known.recovering {
            return;
        }
        if !known.named {
            known.begun_elsewhere = true;
            return;
        }
        let was_quarantined = known.is_quarantined();
        known.arrived = true;
        self.rebuild.count_quarantined(was_quarantined, true);
        self.rebuild.want_for_quarantined(expected);
        self.touch(index);
    }

    /// Marks a symbol that is named here, since then where that is known, and that the map gives to another
    /// partition, and tells that one.
    pub(crate) fn misplace(
        &mut self,
        index: SymbolIndex,
        at: Option<NamedAt>,
        sink: &mut impl Sink,
    ) {
        let known = self.symbols.get_mut(index);
        if let Some(home) = self.config.venue.home(&known.symbol)
            && home != self.config.index
        {
            if self.evidence.yesterdays && at.is_some() && !known.today {
                // What yesterday's session has here says nothing of where it is today. What today's had does, also
                // when an older one has taken its place.
                return;
            }
            (known.misplaced, known.left) = (true, false);
            self.counters.add(Counter::WrongPartition, 1);
            let _ = sink.foreign(&known.symbol, home, Claim::Named { at });
            if known.unmapped {
                // The map says that it has moved, and the wire that it has not: it is found at both, and
                // contested there, whether or not the other partition is reached.
                sink.moved(index, false);
            }
        }
    }
}

/// Whether nothing of the session followed is missing from its beginning on, as far as it was heard.
fn is_whole(sequencer: &Sequencer) -> bool {
    sequencer.gaps().is_empty() && sequencer.whole() == Wholeness::Whole
}

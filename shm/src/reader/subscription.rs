//! Watching symbols: which of them may read otherwise than at the last look.

use candor_core::{Mono, Symbol, Venue};

use super::verdict::{self, Verdict};
use super::{Handle, Region, partition_terms};
use crate::atomic::Ordering;
use crate::clock;

/// What one watched symbol looked like when it was reported last.
#[derive(Clone, Copy, Debug)]
struct Watched {
    handle: Handle,
    lock: u64,
    contested: u64,
    halted: u64,
    /// Its partition's.
    turn: u64,
}

/// What one partition looked like at the last look.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// How many of its symbols were looked at for the prefix, and how many there were when the
    /// awaited names were last looked up.
    defined: u32,
    /// Changes of which of its symbols have moved, at that look.
    moves: u64,
    /// The look at which the rest was looked at.
    look: u64,
    word: u64,
    /// What is to be said of it as a whole, its handler's word and leases included.
    verdict: Option<Verdict>,
    lease: Mono,
    /// How often any of that has changed: what a symbol is compared with, so that one that is not
    /// taken from this look is still reported at the next.
    turn: u64,
}

/// Symbols being watched: named ones, or all of a venue that begin with a prefix. Names that no
/// partition has yet are waited for. It is the reader's own; the region knows nothing of it.
///
/// It tells which symbols were written, and whose status changed otherwise: by their partition's or
/// their handler's word, by the kill switch, or by time alone, when a lease runs out (`Silent`, `WriterGone`) or holds
/// again. So the reader that reads what is reported, and looks again and again, shows nothing as
/// live for longer than a lease and the time between two looks. What a symbol is now is for
/// [`Region::read`] to say.
#[derive(Clone, Debug)]
pub struct Subscription {
    watched: Vec<Watched>,
    awaited: Vec<(Venue, Symbol)>,
    prefix: Option<(Venue, Vec<u8>)>,
    /// For each partition of the region.
    seen: Vec<Seen>,
    /// Some symbol has moved from one partition to another.
    moves: bool,
    /// Looks so far.
    looks: u64,
}

impl Region {
    /// Watches these symbols. All of them count as changed at the first look.
    #[must_use]
    pub fn subscribe(&self, symbols: &[(Venue, Symbol)]) -> Subscription {
        let mut awaited = symbols.to_vec();
        awaited.sort_unstable();
        awaited.dedup();
        Subscription {
            watched: Vec::with_capacity(awaited.len()),
            awaited,
            prefix: None,
            seen: vec![Seen::default(); usize::from(self.partition_count())],
            moves: false,
            looks: 0,
        }
    }

    /// Watches all symbols of a venue that begin with `prefix`, also those defined later; all of
    /// the venue's when it is empty.
    #[must_use]
    pub fn subscribe_prefix(&self, venue: Venue, prefix: &str) -> Subscription {
        let mut subscription = self.subscribe(&[]);
        subscription.prefix = Some((venue, prefix.as_bytes().to_vec()));
        subscription
    }
}

impl Subscription {
    /// The symbols found so far.
    pub fn handles(&self) -> impl Iterator<Item = Handle> + '_ {
        self.watched.iter().map(|watched| watched.handle)
    }

    /// Names no partition has defined yet: `Unmapped`.
    #[must_use]
    pub fn awaited(&self) -> &[(Venue, Symbol)] {
        &self.awaited
    }

    /// Looks for symbols that were defined since the last look, and for those that a map has moved.
    fn discover(&mut self, region: &Region) {
        let plan = region.plan();
        let (mut any_new, mut any_moved) = (false, false);
        for (partition, place) in (0u16..).zip(&plan.partitions) {
            let Some(seen) = self.seen.get_mut(usize::from(partition)) else { return };
            // ORDER: pairs with the release store of the count.
            let moves = region.partition_record(place).moves.load(Ordering::Acquire);
            any_moved |= std::mem::replace(&mut seen.moves, moves) != moves;
            let defined = region.defined(place);
            if defined == seen.defined {
                continue;
            }
            any_new = true;
            if let Some((venue, prefix)) = &self.prefix
                && region.venue_of(place) == *venue
            {
                // No more than were counted: one that is defined meanwhile comes with the next look.
                let skip = usize::try_from(seen.defined).unwrap_or(usize::MAX);
                let new =
                    usize::try_from(defined.saturating_sub(seen.defined)).unwrap_or(usize::MAX);
                for (handle, symbol) in region.symbols(partition).skip(skip).take(new) {
                    if symbol.as_str().as_bytes().starts_with(prefix) {
                        self.watched.push(Watched::new(handle));
                    }
                }
            }
            seen.defined = defined;
        }
        if any_new {
            let watched = &mut self.watched;
            self.awaited.retain(|(venue, symbol)| match region.find(venue, symbol) {
                Some(handle) => {
                    watched.push(Watched::new(handle));
                    false
                }
                None => true,
            });
        }
        self.moves |= any_moved;
        if any_moved || (any_new && self.moves) {
            self.follow(region);
        }
    }

    /// Watches those that have moved where they have gone to, and asks again of those that two partitions had when
    /// they were found: of one of them it may have moved.
    fn follow(&mut self, region: &Region) {
        for watched in &mut self.watched {
            let place = region.plan().partitions.get(usize::from(watched.handle.partition));
            let asks = watched.handle.contested || region.is_moved(watched.handle);
            let Some(place) = place.filter(|_| asks) else { continue };
            let symbol = region.symbol(watched.handle);
            let found = region.find(&region.venue_of(place), &symbol);
            if let Some(found) = found.filter(|found| *found != watched.handle) {
                *watched = Watched::new(found);
            }
        }
        // What begins with a prefix was found there by itself as well.
        self.watched.sort_unstable_by_key(|watched| watched.handle);
        self.watched.dedup_by_key(|watched| watched.handle);
    }

    /// The symbols that were written since the last call, or whose status may be another: one look
    /// at each partition that has a watched symbol, and one at the clock after each of these.
    /// `region` must be the one this was made from. A symbol being written right now counts, and
    /// counts again the next time.
    pub fn changed<'a>(&'a mut self, region: &'a Region) -> impl Iterator<Item = Handle> + 'a {
        self.changed_when(region, clock::now)
    }

    /// As [`Subscription::changed`], as of `now`: for tests and simulators that own the time.
    pub fn changed_at<'a>(
        &'a mut self,
        region: &'a Region,
        now: Mono,
    ) -> impl Iterator<Item = Handle> + 'a {
        self.changed_when(region, move || now)
    }

    /// As [`Subscription::changed`], with the time that `now` gives: asked once for each partition,
    /// when it is come to and after its words are loaded.
    pub fn changed_when<'a>(
        &'a mut self,
        region: &'a Region,
        mut now: impl FnMut() -> Mono + 'a,
    ) -> impl Iterator<Item = Handle> + 'a {
        self.discover(region);
        self.looks += 1;
        let (look, seen) = (self.looks, &mut self.seen);
        self.watched.iter_mut().filter_map(move |watched| {
            let (_, slot) = region.slot(watched.handle)?;
            let turn = seen.get_mut(usize::from(watched.handle.partition))?.turn(
                region,
                watched.handle.partition,
                look,
                &mut now,
            );
            // ORDER: acquire, so that a read that follows finds at least what is reported here.
            let lock = slot.lock.load(Ordering::Acquire);
            let contested = slot.contested.load(Ordering::Acquire);
            let halted = slot.halted.load(Ordering::Acquire);
            let before = (watched.lock, watched.contested, watched.halted, watched.turn);
            let same = before == (lock, contested, halted, turn);
            (watched.lock, watched.contested) = (lock, contested);
            (watched.halted, watched.turn) = (halted, turn);
            (!same).then_some(watched.handle)
        })
    }
}

impl Seen {
    /// How often the partition has changed up to this look, which looks at it once.
    fn turn(
        &mut self,
        region: &Region,
        partition: u16,
        look: u64,
        now: impl FnOnce() -> Mono,
    ) -> u64 {
        let Some(place) = region.plan().partitions.get(usize::from(partition)) else {
            return self.turn;
        };
        if self.look == look {
            return self.turn;
        }
        self.look = look;
        // ORDER: acquire, as for the slots: a read that follows finds at least these.
        let lane_lease = Mono(region.lane_record(place.lane).lease.load(Ordering::Acquire));
        let record = region.partition_record(place);
        let word = record.state.load(Ordering::Acquire);
        let terms = partition_terms(record, word);
        // Only now the clock: the reader may have spent a long time on what it was told before this, and
        // by an older time a lease that was renewed since would seem another clock's.
        let handler = region.handler_terms(true, region.is_expected(record), lane_lease, now);
        let verdict = verdict::of_partition(&handler, &terms);
        // A read after the last look may have found the partition's lease run out, though by this look
        // it holds again. The same of a lane's lease shows in the word: its lane says `Late`.
        let lapsed = verdict.status.is_live() && self.lease <= handler.now;
        if lapsed || (self.word, self.verdict) != (word, Some(verdict)) {
            self.turn += 1;
        }
        (self.word, self.verdict, self.lease) = (word, Some(verdict), terms.lease);
        self.turn
    }
}

impl Watched {
    /// A symbol that differs from whatever it is found to be.
    fn new(handle: Handle) -> Watched {
        Watched { handle, lock: u64::MAX, contested: u64::MAX, halted: 0, turn: u64::MAX }
    }
}

//! Reading one symbol: its book and what may be believed of it, in one answer.

use core::fmt;

use candor_core::{BookView, Mono, Reason};

use super::verdict::{HandlerTerms, PartitionTerms, SymbolTerms, Verdict};
use super::{Handle, Region, partition_terms, verdict};
use crate::atomic::Ordering;
use crate::clock;
use crate::layout::{Lane, Partition, Slot};
use crate::seqlock;
use crate::slot::load_content;

/// A symbol's book as it was published.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct View {
    /// The book.
    pub book: BookView,
    /// Since when the engine says of the symbol what it says.
    pub since: Mono,
    /// The epoch of the partition in which it was published.
    pub epoch: u32,
}

/// The answer of a read: prices come inside one or the other, never beside them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
#[allow(clippy::large_enum_variant, reason = "both arms carry a book; a read must not allocate")]
pub enum Read {
    /// The data may be used.
    Live(View),
    /// The data may not be used.
    Stale {
        /// Why not: the worst reason that stands.
        reason: Reason,
        /// Since when: for a lease that ran out its deadline, for a word of the writer's the time
        /// it gave with it.
        since: Mono,
        /// What was published last, for display beside the reason; `None` when nothing was, or
        /// when no whole copy could be had. It may be of an earlier session.
        last: Option<View>,
    },
}

// What a read copies: a book and a little beside it.
const _: () = assert!(size_of::<Read>() <= size_of::<BookView>() + 32);

impl Read {
    /// Why the data may not be used; `None` when it may.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Read::Live(_) => None,
            Read::Stale { reason, .. } => Some(*reason),
        }
    }

    /// The book when it may be used.
    #[must_use]
    pub fn live(&self) -> Option<&BookView> {
        match self {
            Read::Live(view) => Some(&view.book),
            Read::Stale { .. } => None,
        }
    }
}

/// Where a read puts its copy: for whoever reads again and again and wants nothing moved behind that. What is in
/// it is to be had by the answer of a read alone.
#[derive(Clone)]
pub struct ReadPlace(View);

// No price without its status, in a log line either.
impl fmt::Debug for ReadPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadPlace").finish_non_exhaustive()
    }
}

impl ReadPlace {
    /// A place in which nothing is yet.
    #[must_use]
    pub const fn new() -> ReadPlace {
        ReadPlace(View { book: BookView::EMPTY, since: Mono::NEVER, epoch: 0 })
    }
}

impl Default for ReadPlace {
    fn default() -> ReadPlace {
        ReadPlace::new()
    }
}

/// The answer of a read into a place, which is borrowed as long as it is looked at; else as [`Read`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum ReadRef<'a> {
    /// The data may be used.
    Live(&'a View),
    /// The data may not be used.
    Stale {
        /// Why not: the worst reason that stands.
        reason: Reason,
        /// Since when, as in [`Read::Stale`].
        since: Mono,
        /// What was published last, as in [`Read::Stale`].
        last: Option<&'a View>,
    },
}

impl ReadRef<'_> {
    /// Why the data may not be used; `None` when it may.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self {
            ReadRef::Live(_) => None,
            ReadRef::Stale { reason, .. } => Some(*reason),
        }
    }

    /// The book when it may be used.
    #[must_use]
    pub fn live(&self) -> Option<&BookView> {
        match self {
            ReadRef::Live(view) => Some(&view.book),
            ReadRef::Stale { .. } => None,
        }
    }

    /// The same by value.
    pub fn to_owned(self) -> Read {
        match self {
            ReadRef::Live(view) => Read::Live(*view),
            ReadRef::Stale { reason, since, last } => {
                Read::Stale { reason, since, last: last.copied() }
            }
        }
    }
}

impl Region {
    /// Reads a symbol, now: a few dozen loads, one look at the clock, no system call.
    pub fn read(&self, handle: Handle) -> Read {
        self.read_when(handle, clock::now)
    }

    /// The same into the caller's place, from where nothing is moved: the fastest way to read.
    pub fn read_into<'a>(&self, handle: Handle, place: &'a mut ReadPlace) -> ReadRef<'a> {
        self.read_obeying(handle, clock::now, |halted| halted, place)
    }

    /// Reads a symbol as of `now`: for tests and simulators that own the time.
    pub fn read_at(&self, handle: Handle, now: Mono) -> Read {
        self.read_when(handle, || now)
    }

    #[inline]
    pub(super) fn read_when(&self, handle: Handle, now: impl FnOnce() -> Mono) -> Read {
        self.read_obeying(handle, now, |halted| halted, &mut ReadPlace::new()).to_owned()
    }

    /// Whether a symbol would read Live now, had nothing been halted at or after `since`: for whoever has
    /// stored a halt and is to say what that took away. Earlier halts count as they do for every reader.
    #[must_use]
    pub fn was_live_but_for_halts_since(&self, handle: Handle, since: Mono) -> bool {
        let earlier = |halted: Mono| if halted >= since { Mono::NEVER } else { halted };
        let mut place = ReadPlace::new();
        self.read_obeying(handle, clock::now, earlier, &mut place).live().is_some()
    }

    /// The order of the loads is what makes the answer true. The lane's lease is loaded first and
    /// the clock last: a Live answer was read as a whole within one lease, however long this
    /// thread was suspended in between. The partition's word is loaded before and after the copy of
    /// the slot and must be the same: no slot written while the partition was stale, and not put
    /// right since, can be taken for Live.
    ///
    /// `obeyed` is what is taken for each kill switch's word that was loaded.
    #[inline]
    fn read_obeying<'a>(
        &self,
        handle: Handle,
        now: impl FnOnce() -> Mono,
        obeyed: impl Fn(Mono) -> Mono,
        ReadPlace(view): &'a mut ReadPlace,
    ) -> ReadRef<'a> {
        let (map, plan) = self.parts();
        let place = plan.partitions.get(usize::from(handle.partition));
        let Some(place) = place.filter(|place| handle.symbol.0 < place.capacity) else {
            let (reason, since) = (Reason::WriterGone, self.created);
            return ReadRef::Stale { reason, since, last: None };
        };
        let slot_at = place.slots_at + u64::from(handle.symbol.0) * size_of::<Slot>() as u64;
        let slot: &Slot = map.at(slot_at);
        let record: &Partition = map.at(place.record_at);
        let lane: &Lane = map.at(plan.lanes[usize::from(place.lane)].record_at);
        // ORDER: acquire, so that nothing below is loaded before it.
        let lane_lease = Mono(lane.lease.load(Ordering::Acquire));
        if candor_core::canary!(ReaderWrites) {
            slot.contested.fetch_add(1, Ordering::Relaxed);
        }
        // Once before the copy and once behind it: what lies in between is of one date.
        let before = self.is_expected(record);
        let copied =
            seqlock::read_under(&record.state, &slot.lock, || load_content(slot, &mut view.book));
        let contested = handle.contested || slot.contested.load(Ordering::Relaxed) != 0;
        // ORDER: acquire, so that the clock is looked at after it, as after the wider ones below.
        let halted = obeyed(Mono(slot.halted.load(Ordering::Acquire)));
        let word = copied.map_or_else(|| record.state.load(Ordering::Acquire), |(_, word)| word);
        let partition = partition_terms(record, word);
        let partition = PartitionTerms { halted: obeyed(partition.halted), ..partition };
        let symbol = match copied {
            None => SymbolTerms::Busy { halted },
            Some(((state, since), _)) => {
                (view.since, view.epoch) = (since, state.epoch);
                SymbolTerms::Copied { state, since, contested, halted }
            }
        };
        let same_region = (handle.generation, handle.made) == (self.generation, self.created);
        let same_date = before && self.is_expected(record);
        let terms = self.handler_terms(same_region, same_date, lane_lease, now);
        let terms = HandlerTerms { halted: obeyed(terms.halted), ..terms };
        let Verdict { status, since } = verdict::of_symbol(&terms, &partition, &symbol);
        // Whatever was in the place before is no part of an answer without a whole copy.
        let written = copied.is_some_and(|((state, _), _)| state.code != 0);
        if status.is_live() && written {
            return ReadRef::Live(view);
        }
        // A live verdict has a copy: that it may have none keeps the types honest, not the logic.
        let reason = status.reason().unwrap_or(Reason::Unproven);
        ReadRef::Stale { reason, since, last: written.then_some(view) }
    }
}

//! The reading half: attach, look a symbol up once, read it as often as wanted. A reader maps the
//! region read-only and costs its writer nothing but the cache lines it looks at.

mod evidence;
mod follow;
mod info;
mod open;
mod read;
mod subscription;
mod venue;
mod verdict;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use candor_core::status::LIVE_CODE;
use candor_core::{Mono, Nanos, Status, Symbol, SymbolIndex, TradingDate, Venue};
use rustix::io::Errno;

pub(crate) use self::open::{attach_to_halt, checked_plan};
use self::verdict::{HandlerTerms, PartitionTerms};
pub use self::{
    evidence::{Evidence, Word},
    follow::{EventReader, LossReader, Next},
    info::{FOLLOWED_BEFORE, LaneInfo, PartitionCounters, PartitionInfo, RegionInfo, UnmappedInfo},
    open::OpenError,
    read::{Read, ReadPlace, ReadRef, View},
    subscription::Subscription,
};
use crate::atomic::Ordering;
use crate::clock;
use crate::layout::{Header, Lane, Partition, PartitionPlan, Plan, Slot, State};
use crate::mapping::Mapping;
use crate::names::Names;
use crate::text::text_of;
use crate::writer::Shared;

/// Where a symbol is: the result of a lookup, good for this region for as long as it is current.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Handle {
    generation: u64,
    /// When its region was made: two paths, or one path after its file was removed, have regions of
    /// one generation, and a handle is good for the one it was found in only.
    made: Mono,
    partition: u16,
    contested: bool,
    symbol: SymbolIndex,
}

const _: () = assert!(size_of::<Handle>() == 24);

impl Handle {
    /// The region it was found in: its generation and when it was made.
    pub(crate) fn region(self) -> (u64, Mono) {
        (self.generation, self.made)
    }

    /// The partition, by its index in the region.
    #[must_use]
    pub fn partition(self) -> u16 {
        self.partition
    }

    /// The symbol's index within its partition.
    #[must_use]
    pub fn symbol(self) -> SymbolIndex {
        self.symbol
    }
}

/// Which file a region was opened from.
struct Origin {
    path: PathBuf,
    device: u64,
    inode: u64,
}

enum Memory {
    /// Mapped read-only from a file.
    File(Mapping, Plan, Origin),
    /// The writers' own memory, in their process.
    Heap(Arc<Shared>),
}

/// An attached region. Cheap to clone and to share between threads; a clone is the same mapping.
#[derive(Clone)]
pub struct Region {
    memory: Arc<Memory>,
    generation: u64,
    created: Mono,
    /// How long a lane vouches for itself at a time.
    lease_length: Nanos,
    expected: Option<TradingDate>,
}

impl Region {
    fn attached(memory: Memory) -> Region {
        let mut region = Region {
            memory: Arc::new(memory),
            generation: 0,
            created: Mono::NEVER,
            lease_length: Nanos(0),
            expected: None,
        };
        let header = region.header();
        let generation = header.generation.load(Ordering::Relaxed);
        let created = Mono(header.created.load(Ordering::Relaxed));
        let lease_length = Nanos(header.process_lease.load(Ordering::Relaxed));
        region.generation = generation;
        region.lease_length = lease_length;
        region.created = created;
        region
    }

    pub(crate) fn over_heap(shared: Arc<Shared>) -> Region {
        Region::attached(Memory::Heap(shared))
    }

    /// The same region for a reader who expects this trading date: every read of a partition that has
    /// another is `Stale(NoMap)`.
    #[must_use]
    pub fn for_date(mut self, date: TradingDate) -> Region {
        self.expected = Some(date);
        self
    }

    #[inline]
    pub(crate) fn parts(&self) -> (&Mapping, &Plan) {
        match &*self.memory {
            Memory::File(map, plan, _) => (map, plan),
            Memory::Heap(shared) => (&shared.map, &shared.plan),
        }
    }

    #[inline]
    fn map(&self) -> &Mapping {
        self.parts().0
    }

    fn plan(&self) -> &Plan {
        self.parts().1
    }

    fn header(&self) -> &Header {
        self.map().header()
    }

    /// How many partitions the region has, those to spare among them.
    #[must_use]
    pub fn partition_count(&self) -> u16 {
        // At most 1024, by the plan.
        self.plan().partitions.len() as u16
    }

    /// Which region of its path this is, counted from 1.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The trading date the region was made for. Which one is in force is each partition's: handlers run
    /// for more than a day, and venues in other zones have another today.
    #[must_use]
    pub fn trading_date(&self) -> TradingDate {
        TradingDate(self.header().trading_date.load(Ordering::Relaxed) as u32)
    }

    /// Finds a symbol of a venue; `None` when no partition of the venue has it (yet): `Unmapped`.
    /// A name that two partitions of the venue have gives a handle that reads
    /// `Stale(WrongPartition)`. One that a map has given to another partition is found there, and where
    /// that has not defined it, here: `Stale(Unmapped)`.
    #[must_use]
    pub fn find(&self, venue: &Venue, symbol: &Symbol) -> Option<Handle> {
        let mut found: Option<Handle> = None;
        let mut left: Option<Handle> = None;
        for (partition, place) in (0u16..).zip(&self.plan().partitions) {
            if self.venue_of(place) != *venue {
                continue;
            }
            let names = self.names(place);
            let Some(index) = names.find(symbol) else { continue };
            if names.is_moved(index) {
                left.get_or_insert(self.handle(partition, index));
                continue;
            }
            match &mut found {
                None => found = Some(self.handle(partition, index)),
                Some(first) => first.contested = true,
            }
        }
        found.or(left)
    }

    pub(crate) fn handle(&self, partition: u16, symbol: SymbolIndex) -> Handle {
        let (generation, made) = (self.generation, self.created);
        Handle { generation, made, partition, contested: false, symbol }
    }

    fn venue_of(&self, place: &PartitionPlan) -> Venue {
        // ORDER: pairs with the release store of the venue: what else says what it is, is there.
        text_of([self.partition_record(place).venue.load(Ordering::Acquire)])
    }

    fn names(&self, place: &PartitionPlan) -> Names<'_> {
        let map = self.map();
        Names {
            entries: map.slice(place.directory_at, place.capacity),
            index: map.slice(place.index_at, place.index_words),
        }
    }

    /// How many symbols the partition has defined; a foreign count is cut to what there is room for.
    fn defined(&self, place: &PartitionPlan) -> u32 {
        // ORDER: pairs with the release store of the count: the entries it covers are there.
        let count = self.partition_record(place).symbols.load(Ordering::Acquire);
        u32::try_from(count).unwrap_or(u32::MAX).min(place.capacity)
    }

    /// The symbol a handle stands for; the empty text for a handle of another region.
    #[must_use]
    pub fn symbol(&self, handle: Handle) -> Symbol {
        match self.plan().partitions.get(usize::from(handle.partition)) {
            Some(place) => self.names(place).name(handle.symbol),
            None => Symbol::EMPTY,
        }
    }

    /// Whether a map has given the symbol to another partition of its venue: it is found there by
    /// [`Region::find`], and what is here reads `Stale(Unmapped)`.
    #[must_use]
    pub fn is_moved(&self, handle: Handle) -> bool {
        let place = self.plan().partitions.get(usize::from(handle.partition));
        place.is_some_and(|place| self.names(place).is_moved(handle.symbol))
    }

    /// The symbols of a partition in order of their index, those that have moved among them; none for a partition that isn't there.
    pub fn symbols(&self, partition: u16) -> impl Iterator<Item = (Handle, Symbol)> + '_ {
        let place = self.plan().partitions.get(usize::from(partition));
        let count = place.map_or(0, |place| self.defined(place));
        (0..count).map(SymbolIndex).filter_map(move |index| {
            Some((self.handle(partition, index), self.names(place?).name(index)))
        })
    }

    /// A symbol by its index in its partition; `None` where none is defined there (yet).
    #[must_use]
    pub fn symbol_at(&self, partition: u16, index: SymbolIndex) -> Option<(Handle, Symbol)> {
        let place = self.plan().partitions.get(usize::from(partition))?;
        let defined = index.0 < self.defined(place);
        defined.then(|| (self.handle(partition, index), self.names(place).name(index)))
    }

    fn partition_record(&self, place: &PartitionPlan) -> &Partition {
        self.map().at(place.record_at)
    }

    fn lane_record(&self, lane: u16) -> &Lane {
        self.map().at(self.plan().lanes[usize::from(lane)].record_at)
    }

    #[inline]
    fn slot(&self, handle: Handle) -> Option<(&PartitionPlan, &Slot)> {
        let (map, plan) = self.parts();
        let place = plan.partitions.get(usize::from(handle.partition))?;
        if handle.symbol.0 >= place.capacity {
            return None;
        }
        let at = place.slots_at + u64::from(handle.symbol.0) * size_of::<Slot>() as u64;
        Some((place, map.at(at)))
    }

    #[inline]
    fn handler_terms(
        &self,
        same_region: bool,
        same_date: bool,
        lane_lease: Mono,
        now: impl FnOnce() -> Mono,
    ) -> HandlerTerms {
        let header = self.header();
        // ORDER: acquire, so that the clock is looked at after these; the loads before them are
        // ordered by the fences of the slot's copy or their own acquire.
        let state = State::of(header.state.load(Ordering::Acquire));
        let since = Mono(header.since.load(Ordering::Relaxed));
        let retired = Mono(header.retired.load(Ordering::Acquire));
        let halted = Mono(header.halted.load(Ordering::Acquire));
        let now = now();
        let too_long = |now| verdict::is_too_long(lane_lease, self.lease_length, now);
        HandlerTerms {
            now,
            created: self.created,
            same_region,
            same_date,
            retired,
            state,
            since,
            halted,
            lease: lane_lease,
            // A caller's time may be older than the lease: renewed since, it lies ahead of that time
            // by as much as the caller is late. Of a clock read by now no lease is ahead that long.
            too_long: too_long(now) && (self.is_heap() || too_long(clock::now())),
        }
    }

    /// Whether a partition is of the date expected, where one is.
    #[inline]
    fn is_expected(&self, record: &Partition) -> bool {
        // ORDER: acquire: what is loaded behind it is of that date or later.
        let is =
            |date: TradingDate| u64::from(date.0) == record.trading_date.load(Ordering::Acquire);
        self.expected.is_none_or(is)
    }

    /// Whether any partition is.
    fn has_expected(&self) -> bool {
        let places = &self.plan().partitions;
        let named = |place: &&PartitionPlan| !self.venue_of(place).is_empty();
        let mut records = places.iter().filter(named).map(|place| self.partition_record(place));
        self.expected.is_none() || records.any(|record| self.is_expected(record))
    }

    /// Whether the region is memory of its own process: its times may be a simulator's. Those of a
    /// file are the host's, which opening it has seen to.
    fn is_heap(&self) -> bool {
        matches!(&*self.memory, Memory::Heap(_))
    }

    /// As [`Region::handler_status_when`], as of `now`: for tests and simulators that own the time.
    #[must_use]
    pub fn handler_status(&self, now: Mono) -> Status {
        self.handler_status_when(|| now)
    }

    /// What the handler is as a whole: `WriterGone` when it retired or when no lane's lease holds any
    /// more, else what it says of itself. `now` is asked last, after everything is loaded:
    /// [`clock::now`] for whoever doesn't own the time.
    #[must_use]
    pub fn handler_status_when(&self, now: impl FnOnce() -> Mono) -> Status {
        let date = self.has_expected();
        verdict::of_handler(&self.handler_terms(true, date, self.latest_lease(), now)).status
    }

    /// What would be said of the handler as a whole if nothing were halted: for whoever is to decide
    /// whether a halt may end.
    #[must_use]
    pub fn unhalted_status_when(&self, now: impl FnOnce() -> Mono) -> Status {
        let terms = self.handler_terms(true, self.has_expected(), self.latest_lease(), now);
        verdict::of_handler(&HandlerTerms { halted: Mono::NEVER, ..terms }).status
    }

    /// The lease of the lane that vouches for itself the longest.
    fn latest_lease(&self) -> Mono {
        let leases = (0u16..)
            .zip(&self.plan().lanes)
            .map(|(lane, _)| Mono(self.lane_record(lane).lease.load(Ordering::Acquire)));
        leases.max().unwrap_or(Mono::NEVER)
    }

    /// When the handler, or its successor, gave this region up; `None` while it is in use.
    #[must_use]
    pub fn retired(&self) -> Option<Mono> {
        let retired = Mono(self.header().retired.load(Ordering::Acquire));
        (retired != Mono::NEVER).then_some(retired)
    }

    /// Whether this is still the region at its path, as far as the file system tells. A look at it:
    /// not for the hot path, but for when reads say `WriterGone`. When it is not, open the path again;
    /// handles of this region are of no use there.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.retired().is_none() && self.is_at_its_path().unwrap_or(true)
    }

    /// Whether the region's file is the one at its path: false where there is none, or another.
    ///
    /// # Errors
    /// Where the file system can't say: nothing is known then of what is at the path.
    pub fn is_at_its_path(&self) -> io::Result<bool> {
        let Memory::File(_, _, origin) = &*self.memory else { return Ok(true) };
        match rustix::fs::lstat(&origin.path) {
            Ok(there) => Ok((there.st_dev, there.st_ino) == (origin.device, origin.inode)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// The rest of what a verdict needs of a partition whose state word is `word`.
#[inline]
fn partition_terms(record: &Partition, word: u64) -> PartitionTerms {
    let state = State::of(word);
    // The bound is on a line of its own, which the way to a live price need not load.
    let silence = if state.code == LIVE_CODE { 0 } else { record.silence.load(Ordering::Relaxed) };
    PartitionTerms {
        state,
        since: Mono(record.since.load(Ordering::Relaxed)),
        lease: Mono(record.lease.load(Ordering::Acquire)),
        // On the line of the state word, which is loaded anyway and seldom written.
        halted: Mono(record.halted.load(Ordering::Acquire)),
        heard: Mono(record.heard.load(Ordering::Relaxed)),
        silence: Nanos(silence),
    }
}

//! The kill switch: one word for the whole region, one for each partition, one for each symbol. A
//! reader obeys them by itself, so that they hold with a handler that hangs, or is stopped, or dead.
//!
//! An operator's process writes them ([`KillSwitch`]), or the handler's own thread on its behalf
//! ([`HandlerWriter::halt`](crate::HandlerWriter::halt)); a lane only passes on to a symbol that it
//! defines what was said of its name before. A word is when the halt began, so that one load tells
//! whether and since when; halting twice keeps the first time, a nanosecond later for each, so that who
//! ends a halt can tell whether it is still the one that they looked at.

use std::path::Path;
use std::sync::Arc;

use candor_core::symbol::Text;
use candor_core::{Mono, Symbol, SymbolIndex, Venue};

use crate::atomic::{AtomicU64, Ordering};
use crate::layout::{Partition, PartitionPlan, Plan, Slot};
use crate::mapping::{Mapping, load_all};
use crate::names::Names;
use crate::reader::{Handle, OpenError, Region, attach_to_halt};
use crate::switch;
use crate::text::text_of;
use crate::writer::Shared;

/// What is halted: one word of the region.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Halt {
    /// Everything.
    All,
    /// A partition, by its index in the region.
    Partition(u16),
    /// A symbol.
    Symbol(Handle),
}

/// What is halted by its name, good for any region of the handler's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum HaltName {
    /// Everything.
    All,
    /// A partition of a venue.
    Partition(Venue, Text<16>),
    /// A symbol of a venue, in whichever of its partitions.
    Symbol(Venue, Symbol),
}

/// A halt by name, and since when.
pub type Halted = (HaltName, Mono);

/// The word of a halt; `None` for one of another region, or of what isn't there.
pub(crate) fn word<'a>(map: &'a Mapping, plan: &Plan, halt: Halt) -> Option<&'a AtomicU64> {
    match halt {
        Halt::All => Some(&map.header().halted),
        Halt::Partition(index) => {
            let place = plan.partitions.get(usize::from(index))?;
            Some(&map.at::<Partition>(place.record_at).halted)
        }
        Halt::Symbol(handle) => {
            let header = map.header();
            let (generation, made) = handle.region();
            let same = header.generation.load(Ordering::Relaxed) == generation
                && header.created.load(Ordering::Relaxed) == made.0;
            let place = plan.partitions.get(usize::from(handle.partition()))?;
            same.then(|| slot_word(map, place, handle.symbol()))?
        }
    }
}

fn slot_word<'a>(
    map: &'a Mapping,
    place: &PartitionPlan,
    index: SymbolIndex,
) -> Option<&'a AtomicU64> {
    let at = place.slots_at + u64::from(index.0) * size_of::<Slot>() as u64;
    (index.0 < place.capacity).then(|| &map.at::<Slot>(at).halted)
}

/// Every word that is set: the widest first, then by name.
pub(crate) fn list(map: &Mapping, plan: &Plan) -> Vec<Halted> {
    let mut found = Vec::new();
    let mut look = |name: HaltName, word: &AtomicU64| {
        let since = word.load(Ordering::Acquire);
        if since != 0 {
            found.push((name, Mono(since)));
        }
    };
    look(HaltName::All, &map.header().halted);
    for place in &plan.partitions {
        let record: &Partition = map.at(place.record_at);
        let venue = text_of(load_all(std::array::from_ref(&record.venue)));
        look(HaltName::Partition(venue, text_of(load_all(&record.name))), &record.halted);
        let names = names(map, place);
        let defined = u32::try_from(record.symbols.load(Ordering::Acquire)).unwrap_or(u32::MAX);
        for index in (0..defined.min(place.capacity)).map(SymbolIndex) {
            if let Some(word) = slot_word(map, place, index) {
                look(HaltName::Symbol(venue, names.name(index)), word);
            }
        }
    }
    found.sort_unstable();
    found.dedup_by_key(|(name, _)| *name);
    found
}

fn names<'a>(map: &'a Mapping, place: &PartitionPlan) -> Names<'a> {
    Names {
        entries: map.slice(place.directory_at, place.capacity),
        index: map.slice(place.index_at, place.index_words),
    }
}

/// Sets the words of what is halted by name, as far as it is there: a symbol that isn't defined yet, or
/// a partition that a map has yet to add, is for its lane to halt when it is.
pub(crate) fn apply(map: &Mapping, plan: &Plan, halted: &[Halted]) {
    for (name, since) in halted {
        for word in words_of(map, plan, name) {
            switch::set(word, since.0);
        }
    }
}

/// The words of a name, as far as it is there.
fn words_of<'a>(map: &'a Mapping, plan: &Plan, name: &HaltName) -> Vec<&'a AtomicU64> {
    if *name == HaltName::All {
        return vec![&map.header().halted];
    }
    let of = |place: &PartitionPlan| -> Option<&'a AtomicU64> {
        let record: &Partition = map.at(place.record_at);
        let venue: Venue = text_of(load_all(std::array::from_ref(&record.venue)));
        match name {
            HaltName::All => None,
            HaltName::Partition(wanted, partition) => {
                let own: Text<16> = text_of(load_all(&record.name));
                (venue == *wanted && own == *partition).then_some(&record.halted)
            }
            HaltName::Symbol(wanted, _) if venue != *wanted => None,
            HaltName::Symbol(_, symbol) => slot_word(map, place, names(map, place).find(symbol)?),
        }
    };
    plan.partitions.iter().filter_map(of).collect()
}

/// What a new region takes over of the kill switch of the one it replaces.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Carried {
    /// There was no region at the path.
    Nothing,
    /// What was halted in it is halted in the new one.
    Halts(Vec<Halted>),
    /// It could not be read, for this reason: what was halted in it is not known.
    Unreadable(&'static str),
}

/// An operator's hand on a region: the only way to write to one but its handler's. It stores the
/// words of the kill switch and nothing else.
pub struct KillSwitch {
    shared: Arc<Shared>,
}

impl KillSwitch {
    /// Attaches to the region at `path`, to halt.
    ///
    /// # Errors
    /// As [`Region::open`]; besides [`OpenError::NotOurs`] for who is neither the file's owner nor
    /// root.
    pub fn open(path: impl AsRef<Path>) -> Result<KillSwitch, OpenError> {
        let (map, plan) = attach_to_halt(path.as_ref())?;
        Ok(KillSwitch { shared: Arc::new(Shared::unlocked(map, plan)) })
    }

    /// The handler's own, for another of its threads.
    pub(crate) fn of(shared: Arc<Shared>) -> KillSwitch {
        KillSwitch { shared }
    }

    fn word(&self, halt: Halt) -> Option<&AtomicU64> {
        word(&self.shared.map, &self.shared.plan, halt)
    }

    /// Whether this is the region that a reader has open.
    #[must_use]
    pub fn is_of(&self, region: &Region) -> bool {
        let header = self.shared.map.header();
        let own = [&header.generation, &header.created].map(|word| word.load(Ordering::Relaxed));
        own == [region.generation(), region.info().created.0]
    }

    /// Halts, since `now`, or once more. Whether that was not so already; `None` for what is not in this
    /// region.
    pub fn halt(&self, halt: Halt, now: Mono) -> Option<bool> {
        self.word(halt).map(|word| switch::halt(word, now.0))
    }

    /// Halts what is not halted; what is stays as it was. Whether that changed it; `None` for what is not in
    /// this region.
    pub fn keep(&self, halt: Halt, now: Mono) -> Option<bool> {
        self.word(halt).map(|word| switch::set(word, now.0))
    }

    /// Ends a halt. Whether there was one; `None` for what is not in this region.
    pub fn resume(&self, halt: Halt) -> Option<bool> {
        self.word(halt).map(switch::clear)
    }

    /// Ends a halt that is still the one that [`Region::halted`] said, by nobody halted again since.
    /// Whether it was; `None` for what is not in this region.
    pub fn resume_only(&self, halt: Halt, since: Mono) -> Option<bool> {
        self.word(halt).map(|word| switch::clear_only(word, since.0))
    }
}

/// Names that their lane halts as it defines them.
#[derive(Clone, Default, Debug)]
pub(crate) struct Held(Box<[Halted]>);

impl Held {
    /// Adds these.
    pub(crate) fn add(&mut self, halted: &[Halted]) {
        let mut all = std::mem::take(&mut self.0).into_vec();
        all.extend_from_slice(halted);
        all.sort_unstable();
        all.dedup_by_key(|(name, _)| *name);
        self.0 = all.into_boxed_slice();
    }

    /// Since when the partition or symbol is halted, if it is.
    pub(crate) fn since(&self, name: &HaltName) -> Option<Mono> {
        let at = self.0.binary_search_by_key(name, |(name, _)| *name).ok();
        at.map(|at| self.0[at].1)
    }
}

impl Region {
    /// Since when this is halted by a word of its own; `None` while it is not.
    #[must_use]
    pub fn halted(&self, halt: Halt) -> Option<Mono> {
        let (map, plan) = self.parts();
        let since = word(map, plan, halt)?.load(Ordering::Acquire);
        (since != 0).then_some(Mono(since))
    }

    /// Everything that is halted, by name. Looks at every symbol: for displays and monitors.
    #[must_use]
    pub fn halts(&self) -> Vec<Halted> {
        let (map, plan) = self.parts();
        list(map, plan)
    }

    /// Every place of a name of a venue: where two partitions have it, both are halted.
    #[must_use]
    pub fn find_all(&self, venue: &Venue, symbol: &Symbol) -> Vec<Handle> {
        let (map, plan) = self.parts();
        let place = |(index, place): (u16, &PartitionPlan)| {
            let own = text_of(load_all(std::array::from_ref(
                &map.at::<Partition>(place.record_at).venue,
            )));
            let symbol = (*venue == own).then(|| names(map, place).find(symbol))??;
            Some(self.handle(index, symbol))
        };
        (0u16..).zip(&plan.partitions).filter_map(place).collect()
    }
}

//! Watching symbols: which of them were written since the last look.

use candor_core::{Symbol, Venue};

use super::{Handle, Region};
use crate::atomic::Ordering;

/// What one watched symbol looked like at the last look.
#[derive(Clone, Copy, Debug)]
struct Watched {
    handle: Handle,
    lock: u64,
    word: u64,
}

/// Symbols being watched: named ones, or all of a venue that begin with a prefix. Names that no
/// partition has yet are waited for. It is the reader's own; the region knows nothing of it.
///
/// It tells which symbols were *written*, or whose partition changed its word. What a symbol is
/// now is for [`Region::read`] to say: a lease that runs out writes nothing.
#[derive(Clone, Debug)]
pub struct Subscription {
    watched: Vec<Watched>,
    awaited: Vec<(Venue, Symbol)>,
    prefix: Option<(Venue, Vec<u8>)>,
    /// For each partition: how many of its symbols were looked at for the prefix, and, for all,
    /// how many there were when the awaited names were last looked up.
    seen: Vec<u32>,
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
            seen: vec![0; usize::from(self.partition_count())],
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

    /// Looks for symbols that were defined since the last look.
    fn discover(&mut self, region: &Region) {
        let plan = region.plan();
        let mut any_new = false;
        for (partition, place) in (0u16..).zip(&plan.partitions) {
            let Some(seen) = self.seen.get_mut(usize::from(partition)) else { return };
            let defined = region.defined(place);
            if defined == *seen {
                continue;
            }
            any_new = true;
            if let Some((venue, prefix)) = &self.prefix
                && region.venue_of(place) == *venue
            {
                let skip = usize::try_from(*seen).unwrap_or(usize::MAX);
                for (handle, symbol) in region.symbols(partition).skip(skip) {
                    if symbol.as_str().as_bytes().starts_with(prefix) {
                        self.watched.push(Watched::new(handle));
                    }
                }
            }
            *seen = defined;
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
    }

    /// The symbols that were written, or whose partition changed its word, since the last call.
    /// `region` must be the one this was made from. A symbol being written right now counts, and
    /// counts again the next time.
    pub fn changed<'a>(&'a mut self, region: &'a Region) -> impl Iterator<Item = Handle> + 'a {
        self.discover(region);
        self.watched.iter_mut().filter_map(|watched| {
            let (place, slot) = region.slot(watched.handle)?;
            // ORDER: acquire, so that a read that follows finds at least what is reported here.
            let word = region.partition_record(place).state.load(Ordering::Acquire);
            let lock = slot.lock.load(Ordering::Acquire);
            let same = (watched.lock, watched.word) == (lock, word);
            (watched.lock, watched.word) = (lock, word);
            (!same).then_some(watched.handle)
        })
    }
}

impl Watched {
    /// A symbol that differs from whatever it is found to be.
    fn new(handle: Handle) -> Watched {
        Watched { handle, lock: u64::MAX, word: u64::MAX }
    }
}

//! What the lines brought right before a snapshot's number, against the books made from it.
//!
//! That the lines have shown its number does not prove that it is theirs: they may lag behind a venue
//! whose numbers began again under the same name, and bring the old ones still. Of the messages right before the
//! number, which the snapshot contains and which are thrown away therefore, the last about each order or level must
//! be what the books say.

use candor_core::{Event, InstrumentKey, Message, SeqNo, Side};

use crate::content::Content;
use crate::rebuild::Extent;

/// Messages that are looked at, at most.
pub(crate) const WITNESSES: u64 = 256;

/// Orders and levels are told apart by as many places: two that share one count as one, of which only the last
/// message says anything.
const PLACES: usize = 2_048;

/// What a message leaves behind.
#[derive(Clone, Copy)]
enum About {
    Order(u64),
    Level(Side, i64),
}

impl Content {
    /// Whether a message of these contradicts the books: the messages right before the number that a snapshot was made
    /// at, in order and without a hole. None says nothing, nor does one of which lines brought different bytes.
    pub(crate) fn is_refuted_by<'a>(
        &self,
        brought: impl Iterator<Item = (SeqNo, &'a [u8])> + Clone,
    ) -> bool {
        #[cfg(canary)]
        if crate::canary::has_no_witness() {
            return false;
        }
        // Not the canaries' decoder: each has to come out alike twice.
        let brought = brought.filter_map(|(seq, bytes)| {
            let message = self.config.format.decode(bytes).ok()?;
            Some((seq, message))
        });
        let mut later = [0_u16; PLACES];
        for (_, message) in brought.clone() {
            for about in abouts(&message.event).into_iter().flatten() {
                later[place_of(message.key, about)] += 1;
            }
        }
        brought.into_iter().any(|(seq, message)| {
            let contested = self.rebuild.contested.contains(seq);
            let mut says = |about| {
                let left = &mut later[place_of(message.key, about)];
                *left -= 1;
                *left == 0 && !contested && self.contradicts(&message, about)
            };
            let [first, second] = abouts(&message.event).map(|about| about.is_some_and(&mut says));
            first || second
        })
    }

    /// Whether the books are not what this message left behind, if nothing followed about it.
    fn contradicts(&self, message: &Message, about: About) -> bool {
        let Some(index) = self.symbols.by_key(message.key) else { return false };
        let known = self.symbols.get(index);
        let made_of_it = self.rebuild.begun == Extent::All || known.recovering;
        if !made_of_it || known.is_quarantined() {
            return false;
        }
        match (message.event, about) {
            (Event::Add { side, price, size, .. }, About::Order(order)) => {
                let rests = self.books.resting(order);
                rests.is_none_or(|it| {
                    (it.symbol, it.side, it.price, it.size) != (index, side, price, size)
                })
            }
            (Event::Replace { new_order, price, size, .. }, About::Order(order))
                if order == new_order =>
            {
                let rests = self.books.resting(order);
                rests.is_none_or(|it| (it.symbol, it.price, it.size) != (index, price, size))
            }
            (Event::Delete { .. } | Event::Replace { .. }, About::Order(order)) => {
                self.books.resting(order).is_some()
            }
            (Event::SetLevel { side, price, size, .. }, About::Level(..)) => {
                self.books.size_at(index, side, price) != u64::from(size)
            }
            // What is left of an order after these isn't said.
            _ => false,
        }
    }
}

/// The orders or the level that an event is about. Quotes are of venues that have no snapshots.
fn abouts(event: &Event) -> [Option<About>; 2] {
    match *event {
        Event::Add { order, .. }
        | Event::Execute { order, .. }
        | Event::Reduce { order, .. }
        | Event::Delete { order } => [Some(About::Order(order)), None],
        Event::Replace { order, new_order, .. } if order == new_order => {
            [Some(About::Order(new_order)), None]
        }
        Event::Replace { order, new_order, .. } => {
            [Some(About::Order(order)), Some(About::Order(new_order))]
        }
        Event::SetLevel { side, price, .. } => [Some(About::Level(side, price.0)), None],
        _ => [None, None],
    }
}

/// The place of an order, whoever's it is, or of a symbol's level.
fn place_of(key: InstrumentKey, about: About) -> usize {
    let mixed = match about {
        About::Order(order) => order,
        About::Level(Side::Bid, price) => key.0.rotate_left(32) ^ price as u64,
        About::Level(Side::Ask, price) => !(key.0.rotate_left(32) ^ price as u64),
    };
    crate::symbols::spread(mixed) % PLACES
}

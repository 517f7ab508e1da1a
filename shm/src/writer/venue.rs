//! What the handler says of its venues.

use candor_core::{Mono, Venue};

use super::HandlerWriter;
use crate::atomic::Ordering;
use crate::layout::VenueRecord;
use crate::seqlock;
use crate::text::text_of;
use crate::venue::{self, InForce, Morning, Preopen};

impl HandlerWriter {
    /// Says which trading date and map of a venue are in force from `since` on, in one write: no reader sees
    /// one date with another's digest. `None`: none is. False for a venue that the region doesn't have.
    pub fn set_in_force(&mut self, venue: &Venue, in_force: Option<&InForce>, since: Mono) -> bool {
        self.on_venue(venue, |record| venue::store_in_force(record, in_force, since))
    }

    /// Says how a venue's morning goes; `None`: nobody plans it. False for a venue that the region doesn't
    /// have.
    pub fn set_morning(&mut self, venue: &Venue, morning: Option<&Morning>) -> bool {
        self.on_venue(venue, |record| venue::store_morning(record, morning))
    }

    /// Says what `candor preopen` answered last of a venue. False for one that the region doesn't have.
    pub fn set_preopen(&mut self, venue: &Venue, preopen: &Preopen) -> bool {
        self.on_venue(venue, |record| venue::store_preopen(record, preopen))
    }

    fn on_venue(&mut self, venue: &Venue, body: impl FnOnce(&VenueRecord)) -> bool {
        let (map, plan) = (&self.shared.map, &self.shared.plan);
        let records = map.slice::<VenueRecord>(plan.venues_at, u32::from(plan.venues));
        let named =
            |record: &&VenueRecord| text_of([record.name.load(Ordering::Relaxed)]) == *venue;
        let Some(record) = records.iter().find(named) else { return false };
        seqlock::write(&record.lock, || body(record));
        true
    }
}

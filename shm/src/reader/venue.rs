//! What a region says of its venues. For displays and monitors.

use candor_core::Venue;

use super::Region;
use crate::atomic::Ordering;
use crate::layout::VenueRecord;
use crate::seqlock;
use crate::text::text_of;
use crate::venue::{VenueInfo, load};

impl Region {
    /// Every venue of the handler, each a consistent copy.
    pub fn venues(&self) -> impl Iterator<Item = VenueInfo> + '_ {
        let (map, plan) = self.parts();
        let records = map.slice::<VenueRecord>(plan.venues_at, u32::from(plan.venues));
        (0u16..).zip(records).map(|(index, record)| {
            let name: Venue = text_of([record.name.load(Ordering::Relaxed)]);
            let copy = seqlock::read(&record.lock, || load(record, index, name));
            copy.map_or_else(|| VenueInfo::busy(index, name), |(info, _)| info)
        })
    }

    /// A venue by its name.
    #[must_use]
    pub fn venue(&self, name: &Venue) -> Option<VenueInfo> {
        self.venues().find(|venue| venue.name == *name)
    }
}

//! The rank of one change; the rule is in the description of the module above.

use std::cmp::Ordering;

use super::{Change, Event, Ranked, SLACK_NS};
use crate::extent::{Set, Sizes};

/// A change's overlap, and how far in ns it is from the first of what it shares.
pub(super) fn one(change: &Change, stale: &[Event], sizes: &Sizes) -> (Ranked, u64) {
    let mut about = Set::default();
    change.extents.iter().for_each(|extent| about.add_extent(extent, sizes));
    let done = |event: &&Event| {
        let late = event.stamp.wall.saturating_add(SLACK_NS) >= change.stamp.wall;
        event.until >= change.number || late
    };
    let done: Vec<&Event> = stale.iter().filter(done).collect();
    let one_incident = |one: &&Event, next: &&Event| {
        let soon = next.stamp.wall <= one.stamp.wall.saturating_add(SLACK_NS);
        one.lasts() == next.lasts() && soon
    };
    let incidents = done.chunk_by(one_incident).chain(std::iter::once(&done[..]));
    let overlap = |events: &[&Event]| {
        let mut all = Set::default();
        events.iter().for_each(|event| all.join(&event.set));
        let shares = |event: &&&Event| event.set.shared(&about, sizes) > 0;
        let near = events
            .iter()
            .find(shares)
            .map_or(u64::MAX, |event| event.stamp.wall.abs_diff(change.stamp.wall));
        let shared = all.shared(&about, sizes);
        let about = about.size(sizes);
        let ranked = Ranked {
            number: change.number,
            stamp: change.stamp,
            kind: change.kind.clone(),
            what: change.what.clone(),
            shared,
            about,
            either: about + all.size(sizes) - shared,
        };
        (ranked, near)
    };
    let best = incidents.map(overlap).reduce(|best, next| {
        let larger = larger(&best.0, &next.0) == Ordering::Greater;
        if larger { next } else { best }
    });
    // There is always the one set that is all of them.
    best.unwrap_or_else(|| overlap(&[]))
}

/// How the overlaps of two compare; `Greater` where the second has the larger.
fn larger(one: &Ranked, other: &Ranked) -> Ordering {
    let parts = |shared: u64, of: u64| u128::from(shared) * u128::from(of.max(1));
    parts(other.shared, one.either).cmp(&parts(one.shared, other.either))
}

pub(super) fn better((one, near): &(Ranked, u64), (other, far): &(Ranked, u64)) -> Ordering {
    larger(one, other).then(near.cmp(far)).then(other.number.cmp(&one.number))
}

//! What the handler's own thread says of a venue: the map in force, how its morning goes, and the last
//! verdict of `candor preopen`.

use super::record::record;
use crate::atomic::AtomicU64;

/// Room for milestones of the morning.
pub const MILESTONES_MAX: usize = 16;

/// Most venues of a region: as many as partitions, each of which has one.
pub(crate) const VENUES_MAX: usize = candor_core::limits::PARTITIONS;

record! {
    /// One venue. Written by the handler's own thread, all of it but the name under its lock.
    VenueRecord = 640 {
        0x000 lock: AtomicU64 = "sequence lock over the record",
        0x008 name: AtomicU64 = "the venue's name, zero padded; constant",
        0x010 trading_date: AtomicU64 = "the trading date in force, as yyyymmdd; 0: none",
        0x018 since: AtomicU64 = "since when that is so, and the map's digest this one, boot ns",
        0x020 digest: [AtomicU64; 4] = "SHA-256 of the map in force; 0 where the partitions are the configuration's, or none is in force",
        0x040 morning: AtomicU64 = "the trading date that the milestones below are of, as yyyymmdd; 0: nobody plans the venue's mornings",
        0x048 watched: AtomicU64 = "since when they are watched, wall clock, ns",
        0x050 applies: AtomicU64 = "which milestones there are, bit by index: map, joins, heartbeats, directory, crossover, preopen, open, prints",
        0x058 found: AtomicU64 = "which were found done when the watching began, bit by index: `actual` is that moment then",
        0x060 reserved: [AtomicU64; 4] = "zero",
        0x080 planned: [AtomicU64; 16] = "when each is due, wall clock, ns; 0: not planned",
        0x100 actual: [AtomicU64; 16] = "when each was done, wall clock, ns; 0: not yet",
        0x180 progress: [AtomicU64; 16] = "how far each is: bits 0-31 done, 32-63 of how many",
        0x200 preopen_verdict: AtomicU64 = "the last verdict of preopen: 0 none, 1 go, 2 no-go, 3 nobody can tell",
        0x208 preopen_date: AtomicU64 = "the trading date it is about, as yyyymmdd",
        0x210 preopen_at: AtomicU64 = "when it was reached, wall clock, ns",
        0x218 preopen_holds: AtomicU64 = "checks that hold",
        0x220 preopen_fails: AtomicU64 = "checks that don't",
        0x228 preopen_unknown: AtomicU64 = "checks whose answer nobody knows",
        0x230 reserved_preopen: [AtomicU64; 10] = "zero",
    }
}

//! Fills a fresh region: everything that stays constant, every status stale, the version last.

use std::os::unix::ffi::OsStrExt as _;

use candor_core::limits::{ALERTS, LINES};
use candor_core::{Mono, Reason, Status};

use super::Shared;
use crate::atomic::Ordering;
use crate::clock::Start;
use crate::halt::{Carried, Held};
use crate::layout::text::layout_digest;
use crate::layout::{
    LAYOUT_VERSION, Lane, MAGIC, Partition, Plan, STATE_FOLDER_BYTES, State, UNMAPPED_MAX,
    VenueRecord,
};
use crate::mapping::{Mapping, store_all};
use crate::spec::{Endpoint, PartitionSpec, RegionSpec};
use crate::text::words_of;

/// What the caller knows about the moment of making.
pub(super) struct Birth {
    pub(super) generation: u64,
    pub(super) created: Mono,
    pub(super) wall_offset: u64,
    pub(super) pid: u32,
    pub(super) start: Start,
}

/// The state word nobody has claimed anything in yet.
fn stale(reason: Reason) -> u64 {
    State { code: Status::stale(reason).code(), epoch: 0, changes: 0 }.word()
}

/// The plan a spec asks for.
pub(super) fn plan(spec: &RegionSpec) -> Result<Plan, &'static str> {
    let partitions: Vec<_> = spec.partitions.iter().map(|p| (p.lane, p.symbols)).collect();
    if spec.handler.is_empty() {
        return Err("a handler has a name");
    }
    // The kernel takes this number for "leave it".
    if spec.group == Some(u32::MAX) {
        return Err("the group's number is none");
    }
    if spec.state_folder.as_ref().is_some_and(|at| at.as_os_str().len() > STATE_FOLDER_BYTES) {
        return Err("the name of the state's folder is longer than 128 bytes");
    }
    for (index, partition) in spec.partitions.iter().enumerate() {
        if partition.venue.is_empty() != partition.name.is_empty() {
            return Err("a partition has a venue and a name");
        }
        if partition.is_spare() {
            continue;
        }
        let same =
            |other: &PartitionSpec| other.venue == partition.venue && other.name == partition.name;
        if spec.partitions[..index].iter().any(same) {
            return Err("two partitions of one venue have the same name");
        }
    }
    // Beyond the limit the plan says so.
    let venues = u16::try_from(spec.all_venues().len()).unwrap_or(u16::MAX);
    Plan::of((spec.lanes, venues), (spec.events, spec.losses), &partitions)
}

/// Fills zeroed memory.
pub(super) fn fill(map: &Mapping, plan: &Plan, spec: &RegionSpec, birth: &Birth) {
    assert_eq!(map.length(), plan.length);
    let header = map.header();
    assert_eq!(header.version.load(Ordering::Relaxed), 0, "the memory is fresh");
    let set = |word: &crate::atomic::AtomicU64, value: u64| word.store(value, Ordering::Relaxed);
    set(&header.magic, MAGIC);
    set(&header.digest, layout_digest());
    set(&header.generation, birth.generation);
    set(&header.length, plan.length);
    set(&header.created, birth.created.0);
    set(&header.wall_offset, birth.wall_offset);
    set(&header.trading_date, u64::from(spec.trading_date.0));
    // No map has been vouched for: the handler says so itself once it has one.
    set(&header.state, stale(Reason::NoMap));
    set(&header.since, birth.created.0);
    store_all(&header.handler, words_of(&spec.handler));
    let words = |digest: &[u8; 32]| -> [u64; 4] {
        let word = |at: usize| std::array::from_fn(|byte| digest[at * 8 + byte]);
        std::array::from_fn(|at| u64::from_ne_bytes(word(at)))
    };
    store_all(&header.config_digest, words(&spec.config_digest));
    store_all(&header.binary_digest, words(&spec.binary_digest));
    set(&header.process_lease, spec.process_lease.0);
    set(&header.pid, u64::from(birth.pid));
    set(&header.lanes, plan.lanes.len() as u64);
    set(&header.partitions, plan.partitions.len() as u64);
    set(&header.events, u64::from(plan.events));
    set(&header.losses, u64::from(plan.losses));
    set(&header.unmapped, UNMAPPED_MAX as u64);
    set(&header.venues, u64::from(plan.venues));
    set(&header.venues_at, plan.venues_at);
    set(&header.lanes_at, plan.lanes_at);
    set(&header.partitions_at, plan.partitions_at);
    set(&header.unmapped_at, plan.unmapped_at);
    set(&header.alerts_at, plan.alerts_at);
    set(&header.alerts, ALERTS as u64);
    store_all(&header.boot, birth.start.boot);
    set(&header.clock_offset, birth.start.offset.cast_unsigned());
    if let Some(folder) = &spec.state_folder {
        let bytes = folder.as_os_str().as_bytes();
        let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
        let word = |word: usize| u64::from_ne_bytes(std::array::from_fn(|at| byte(word * 8 + at)));
        store_all(&header.state_folder, std::array::from_fn(word));
    }
    let records = map.slice::<VenueRecord>(plan.venues_at, u32::from(plan.venues));
    for (record, venue) in records.iter().zip(spec.all_venues()) {
        let [name] = words_of(&venue);
        set(&record.name, name);
    }
    for lane in &plan.lanes {
        let record: &Lane = map.at(lane.record_at);
        set(&record.events_at, lane.events_at);
        set(&record.losses_at, lane.losses_at);
    }
    for (partition, place) in spec.partitions.iter().zip(&plan.partitions) {
        let record: &Partition = map.at(place.record_at);
        set(&record.state, stale(Reason::NotStarted));
        set(&record.since, birth.created.0);
        set(&record.trading_date, u64::from(spec.trading_date.0));
        set(&record.lane, u64::from(place.lane));
        set(&record.capacity, u64::from(place.capacity));
        set(&record.directory_at, place.directory_at);
        set(&record.index_at, place.index_at);
        set(&record.index_words, u64::from(place.index_words));
        set(&record.slots_at, place.slots_at);
        if !partition.is_spare() {
            describe(record, partition);
        }
    }
    // ORDER: everything above before the version: whoever finds the version finds the rest.
    header.version.store(LAYOUT_VERSION, Ordering::Release);
}

/// Says what a partition is. Its place is as planned.
pub(super) fn describe(record: &Partition, spec: &PartitionSpec) {
    record.silence.store(spec.silence.0, Ordering::Relaxed);
    record.decimals.store(u64::from(spec.decimals.0), Ordering::Relaxed);
    store_all(&record.lines, line_words(spec.lines));
    store_all(&record.name, words_of(&spec.name));
    store_all(&record.feed, words_of(&spec.feed));
    let [venue] = words_of(&spec.venue);
    // ORDER: behind the rest: whoever finds the venue finds what the partition is.
    record.venue.store(venue, Ordering::Release);
}

/// The words of a partition's lines.
pub(super) fn line_words(lines: [Option<Endpoint>; LINES]) -> [u64; LINES] {
    lines.map(|endpoint| endpoint.map_or(0, |at| 1 << 63 | at.word()))
}

/// The writers of a filled region.
pub(super) fn writers(
    shared: Shared,
    spec: &RegionSpec,
    carried: Carried,
) -> (super::HandlerWriter, Vec<super::LaneWriter>, std::sync::Arc<Shared>) {
    let shared = std::sync::Arc::new(shared);
    let mut held = Held::default();
    if let Carried::Halts(halted) = &carried {
        held.add(halted);
    }
    let lanes = (0..spec.lanes)
        .map(|lane| {
            super::LaneWriter::new(std::sync::Arc::clone(&shared), lane, spec, held.clone())
        })
        .collect();
    (super::HandlerWriter::new(std::sync::Arc::clone(&shared), carried), lanes, shared)
}

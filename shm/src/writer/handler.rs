//! What the handler says of itself: its status, its lanes' modes, the multicast nobody takes.

use std::sync::Arc;

use candor_core::{Mono, Status};

use super::Shared;
use crate::atomic::{AtomicU64, Ordering};
use crate::attested::Attested;
use crate::halt::{self, Carried, Halt, Halted, KillSwitch};
use crate::layout::{Lane, MODE_BYTES, Plan, State, UNMAPPED_MAX, UnmappedTable};
use crate::mapping::{Mapping, store_all};
use crate::reader::Region;
use crate::seqlock;
use crate::spec::Endpoint;
use crate::switch;

/// A group and port that carry multicast and belong to no partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unmapped {
    /// Group and port.
    pub endpoint: Endpoint,
    /// Packets seen.
    pub packets: u64,
    /// Bytes seen.
    pub bytes: u64,
    /// When the last was seen.
    pub last: Mono,
}

/// The handler's own writing half: one a region, for its control thread. Dropping it changes
/// nothing in the region; leases run out by themselves. [`HandlerWriter::retire`] says goodbye.
pub struct HandlerWriter {
    pub(super) shared: Arc<Shared>,
    carried: Carried,
}

impl HandlerWriter {
    pub(super) fn new(shared: Arc<Shared>, carried: Carried) -> HandlerWriter {
        HandlerWriter { shared, carried }
    }

    pub(crate) fn map(&self) -> &Mapping {
        &self.shared.map
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.shared.plan
    }

    /// Sets what the handler says of itself as a whole, since `since`. A fresh region says `NoMap`.
    pub fn set_status(&mut self, status: Status, since: Mono) {
        let header = self.shared.map.header();
        let old = State::of(header.state.load(Ordering::Relaxed));
        if old.code == status.code() {
            return;
        }
        let state = State { code: status.code(), epoch: 0, changes: old.changes.wrapping_add(1) };
        header.since.store(since.0, Ordering::Relaxed);
        // ORDER: the time before the word it belongs to; and what was demoted before this call is
        // seen by whoever sees the word.
        header.state.store(state.word(), Ordering::Release);
    }

    /// Says whether what runs is what was attested. It makes nothing Live and nothing stale:
    /// [`HandlerWriter::set_status`] does.
    pub fn set_attested(&mut self, attested: Attested) {
        self.shared.map.header().attested.store(attested.word(), Ordering::Relaxed);
    }

    /// Halts, since `now`, or once more: what it covers is `Stale(Halted)` for every reader from here on.
    /// Whether that was not so already; `None` for what is not in this region.
    pub fn halt(&self, halt: Halt, now: Mono) -> Option<bool> {
        halt::word(&self.shared.map, &self.shared.plan, halt).map(|word| switch::halt(word, now.0))
    }

    /// Halts what is not halted; what is stays as it was. Whether that changed it; `None` for what is not in
    /// this region.
    pub fn keep(&self, halt: Halt, now: Mono) -> Option<bool> {
        halt::word(&self.shared.map, &self.shared.plan, halt).map(|word| switch::set(word, now.0))
    }

    /// Ends a halt. Whether there was one; `None` for what is not in this region.
    pub fn resume(&self, halt: Halt) -> Option<bool> {
        halt::word(&self.shared.map, &self.shared.plan, halt).map(switch::clear)
    }

    /// Ends a halt that is still the one that [`Region::halted`](crate::Region::halted) said, by nobody halted again since.
    /// Whether it was; `None` for what is not in this region.
    pub fn resume_only(&self, halt: Halt, since: Mono) -> Option<bool> {
        let word = halt::word(&self.shared.map, &self.shared.plan, halt)?;
        Some(switch::clear_only(word, since.0))
    }

    /// The words of the kill switch alone, for another of the handler's threads.
    #[must_use]
    pub fn switch(&self) -> KillSwitch {
        KillSwitch::of(Arc::clone(&self.shared))
    }

    /// Halts what is there of these by name. Symbols that are not defined yet and
    /// partitions that a map has yet to add are for their lanes: [`LaneWriter::hold`](crate::LaneWriter::hold).
    pub fn halt_names(&self, halted: &[Halted]) {
        halt::apply(&self.shared.map, &self.shared.plan, halted);
    }

    /// What this region has taken over of the kill switch of the one it replaced.
    #[must_use]
    pub fn carried(&self) -> &Carried {
        &self.carried
    }

    /// Gives the region up, at `now`: every read is `Stale(WriterGone)` from here on, without
    /// waiting for a lease. There is no way back; the next handler makes a new region.
    pub fn retire(&mut self, now: Mono) {
        let retired = &self.shared.map.header().retired;
        if retired.load(Ordering::Relaxed) == 0 {
            // ORDER: nothing precedes it that a reader relies on; release for symmetry with reads.
            retired.store(now.0.max(1), Ordering::Release);
        }
    }

    /// Says in words how a lane receives (`native copy`); cut after 56 bytes.
    ///
    /// # Panics
    /// When there is no such lane.
    pub fn set_mode(&mut self, lane: u16, mode: &str) {
        let record: &Lane = self.shared.map.at(self.shared.plan.lanes[usize::from(lane)].record_at);
        let mut bytes = [0; MODE_BYTES];
        for (byte, shown) in bytes.iter_mut().zip(mode.bytes()) {
            *byte = if shown.is_ascii_graphic() || shown == b' ' { shown } else { b'?' };
        }
        let words = std::array::from_fn(|word| {
            u64::from_ne_bytes(std::array::from_fn(|byte| bytes[word * 8 + byte]))
        });
        seqlock::write(&record.mode_lock, || store_all(&record.mode, words));
    }

    /// Replaces the table of multicast that no partition takes by what was seen there at `read`. Beyond 256
    /// entries only the number of them is kept.
    pub fn set_unmapped(&mut self, unmapped: &[Unmapped], read: Mono) {
        let table: &UnmappedTable = self.shared.map.at(self.shared.plan.unmapped_at);
        seqlock::write(&table.lock, || {
            let kept = unmapped.len().min(UNMAPPED_MAX);
            table.count.store(kept as u64, Ordering::Relaxed);
            table.total.store(unmapped.len() as u64, Ordering::Relaxed);
            table.read.store(read.0, Ordering::Relaxed);
            for (words, entry) in table.entries.chunks_exact(4).zip(unmapped) {
                words[0].store(entry.endpoint.word(), Ordering::Relaxed);
                words[1].store(entry.packets, Ordering::Relaxed);
                words[2].store(entry.bytes, Ordering::Relaxed);
                words[3].store(entry.last.0, Ordering::Relaxed);
            }
        });
    }

    /// Whether what this reader has open is the region that this writes: its path may lead elsewhere
    /// since it was made. Regions in this process's own memory are all alike in this.
    #[must_use]
    pub fn is_of(&self, region: &Region) -> bool {
        let (header, info) = (self.shared.map.header(), region.info());
        let word = |word: &AtomicU64| word.load(Ordering::Relaxed);
        // What one process makes is of different times, in ns.
        (word(&header.pid), word(&header.created), word(&header.generation))
            == (u64::from(info.pid), info.created.0, info.generation)
    }

    /// Which region of its path this is, counted from 1.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.shared.map.header().generation.load(Ordering::Relaxed)
    }
}

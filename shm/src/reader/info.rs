//! What a region says besides books: itself, its lanes, its partitions, their counters, and the
//! multicast nobody takes. For displays and monitors; none of it is on the path to a price.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use candor_core::counters::{self, Counter, LaneCounter, PARTITION_COUNTERS};
use candor_core::symbol::Text;
use candor_core::{
    Decimals, Mono, Nanos, Quotes, Reject, SeqNo, SessionId, Status, SymbolIndex, TradingDate,
};

use super::verdict;
use super::verdict::Verdict;
use super::{HandlerTerms, PartitionTerms, Region, partition_terms};
use crate::atomic::{AtomicU64, Ordering};
use crate::attested::Attested;
use crate::layout::{Partition, PartitionPlan, UNMAPPED_MAX, UnmappedTable};
use crate::mapping::load_all;
use crate::seqlock;
use crate::slot::session_of;
use crate::spec::{Endpoint, PartitionSpec};
use crate::text::text_of;
use crate::writer::Unmapped;

/// That a session was followed before the handler that says so was there, or that nobody knows since when.
pub const FOLLOWED_BEFORE: Mono = Mono(1);

/// What a region says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegionInfo {
    /// The handler's name.
    pub handler: Text<32>,
    /// The trading date it was made for; each partition has that of its map.
    pub trading_date: TradingDate,
    /// Digest of the handler's configuration.
    pub config_digest: [u8; 32],
    /// Digest of the handler's program; zeros where it could not read it.
    pub binary_digest: [u8; 32],
    /// What the handler says of its attestation, for display: whether anything is Live is told by reads alone.
    pub attested: Attested,
    /// Which region of its path this is, from 1.
    pub generation: u64,
    /// The handler's process; 0 when it is this one's memory.
    pub pid: u32,
    /// When it was made.
    pub created: Mono,
    /// Wall clock minus our own then, in ns since the Unix epoch: adds up with any [`Mono`]
    /// to a time of day, for display.
    pub wall_offset: u64,
    /// How long a lane vouches for itself at a time.
    pub process_lease: Nanos,
    /// Its length in bytes.
    pub length: u64,
    /// The folder in which the handler's halts are recorded; `None`: beside the region.
    pub state_folder: Option<PathBuf>,
}

/// A partition's counters as they were read, each for itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartitionCounters([u64; PARTITION_COUNTERS]);

impl PartitionCounters {
    /// A counter's value.
    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize]
    }

    /// How often this refusal happened.
    #[must_use]
    pub fn rejects(&self, reject: Reject) -> u64 {
        self.0[Counter::ALL.len() + reject as usize]
    }

    /// Every counter with its label.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let label = |index| counters::label(index).unwrap_or("?");
        self.0.iter().enumerate().map(move |(index, value)| (label(index), *value))
    }
}

/// A partition as of one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartitionInfo {
    /// Its index in the region.
    pub index: u16,
    /// What the configuration, or its map, says of it.
    pub spec: PartitionSpec,
    /// The trading date of the map it has.
    pub trading_date: TradingDate,
    /// What is to be said of it as a whole: what no symbol of it can be better than.
    pub status: Status,
    /// Since when.
    pub since: Mono,
    /// Since when it is silent, also where `status` hides that behind a reason of the handler; `None` where
    /// it is not silent.
    pub silent: Option<Mono>,
    /// What would be said of it if nothing were halted.
    pub unhalted: Status,
    /// Its epoch.
    pub epoch: u32,
    /// Until when its symbols may be Live; 0 before the first evidence.
    pub lease: Mono,
    /// How much of that is left.
    pub lease_left: Nanos,
    /// When its last packet was heard, in sync or not; 0 when that is not said.
    pub heard: Mono,
    /// Its session, the next number wanted, the number behind the last known to exist. `None` when
    /// the writer was in the way, or died while writing them.
    pub numbers: Option<(SessionId, SeqNo, SeqNo)>,
    /// When the packet reached the host with which that session was followed first, read together with it;
    /// [`FOLLOWED_BEFORE`](crate::FOLLOWED_BEFORE) where that was before this handler, 0 where it is not said.
    pub followed: Mono,
    /// Symbols defined.
    pub symbols: u32,
    /// Its counters.
    pub counters: PartitionCounters,
}

/// A lane as of one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LaneInfo {
    /// Its number.
    pub index: u16,
    /// Until when it vouches for itself; 0 before the first time.
    pub lease: Mono,
    /// How much of that is left.
    pub lease_left: Nanos,
    /// How it receives, in words; empty while not said.
    pub mode: Text<56>,
    /// The number of its newest event.
    pub events: u64,
    /// The number of its newest loss entry.
    pub losses: u64,
    counters: [u64; LaneCounter::ALL.len()],
}

impl LaneInfo {
    /// A counter's value.
    #[must_use]
    pub fn get(&self, counter: LaneCounter) -> u64 {
        self.counters[counter as usize]
    }

    /// Every counter with its label.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        LaneCounter::ALL.into_iter().map(|counter| (counter.label(), self.get(counter)))
    }
}

/// The table of multicast that no partition takes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UnmappedInfo {
    /// The entries that found room.
    pub entries: Vec<Unmapped>,
    /// Groups and ports seen in all.
    pub total: u64,
    /// When it was last looked what comes; [`Mono::NEVER`] where nobody has, or can. An empty table says nothing of
    /// what came since.
    pub read: Mono,
}

fn get(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed)
}

impl Region {
    /// What the region says of itself.
    #[must_use]
    pub fn info(&self) -> RegionInfo {
        let header = self.header();
        RegionInfo {
            handler: text_of(load_all(&header.handler)),
            trading_date: self.trading_date(),
            config_digest: bytes_of(&header.config_digest),
            binary_digest: bytes_of(&header.binary_digest),
            attested: Attested::of(get(&header.attested)),
            generation: self.generation,
            pid: get(&header.pid) as u32,
            created: self.created,
            wall_offset: get(&header.wall_offset),
            process_lease: Nanos(get(&header.process_lease)),
            length: self.map().length(),
            state_folder: path_of(load_all(&header.state_folder)),
        }
    }

    /// As [`Region::partition_when`], as of `now`: for tests and simulators that own the time.
    #[must_use]
    pub fn partition(&self, index: u16, now: Mono) -> Option<PartitionInfo> {
        self.partition_when(index, || now)
    }

    /// A partition as it is; `None` when there is no such partition, or it is one to spare. `now` is asked after everything
    /// is loaded that the status follows from: `clock::now` for whoever doesn't own the time.
    #[must_use]
    pub fn partition_when(&self, index: u16, now: impl FnOnce() -> Mono) -> Option<PartitionInfo> {
        let place = self.plan().partitions.get(usize::from(index))?;
        let record = self.partition_record(place);
        if self.venue_of(place).is_empty() {
            return None;
        }
        let lane_lease = Mono(self.lane_record(place.lane).lease.load(Ordering::Acquire));
        // ORDER: pairs with the release store of the word; its time was stored before it.
        let terms = partition_terms(record, record.state.load(Ordering::Acquire));
        let handler = self.handler_terms(true, self.is_expected(record), lane_lease, now);
        let Verdict { status, since } = verdict::of_partition(&handler, &terms);
        let unhalted = verdict::of_partition(
            &HandlerTerms { halted: Mono::NEVER, ..handler },
            &PartitionTerms { halted: Mono::NEVER, ..terms },
        );
        let numbers = seqlock::read(&record.lock, || {
            let session = session_of(load_all(&record.session));
            let numbers = (session, SeqNo(get(&record.expected)), SeqNo(get(&record.known_end)));
            (numbers, Mono(get(&record.followed)))
        });
        let (numbers, followed) = numbers.map(|(read, _)| read).unzip();
        Some(PartitionInfo {
            index,
            spec: spec_of(record, place),
            trading_date: TradingDate(get(&record.trading_date) as u32),
            status,
            since,
            silent: verdict::silent_since(handler.now, &terms),
            unhalted: unhalted.status,
            epoch: terms.state.epoch,
            lease: terms.lease,
            lease_left: terms.lease.since(handler.now),
            heard: terms.heard,
            numbers,
            followed: followed.unwrap_or(Mono::NEVER),
            symbols: self.defined(place),
            counters: PartitionCounters(std::array::from_fn(|at| get(&record.counters[at]))),
        })
    }

    /// As [`Region::partitions_when`], as of `now`: for tests and simulators that own the time.
    pub fn partitions(&self, now: Mono) -> impl Iterator<Item = PartitionInfo> + '_ {
        self.partitions_when(move || now)
    }

    /// Every partition in order, each as of the time it is come to, which `now` is asked for: see
    /// [`Region::partition_when`].
    pub fn partitions_when<'a>(
        &'a self,
        mut now: impl FnMut() -> Mono + 'a,
    ) -> impl Iterator<Item = PartitionInfo> + 'a {
        (0..self.partition_count()).filter_map(move |index| self.partition_when(index, &mut now))
    }

    /// As [`Region::quotes_when`], as of `now`: for tests and simulators that own the time.
    #[must_use]
    pub fn quotes(&self, partition: u16, now: Mono) -> Quotes {
        self.quotes_when(partition, || now)
    }

    /// What the books of a partition's symbols quote that are Live. Reads every symbol as
    /// [`Region::read`] does, `now` being asked once for each: for displays and monitors, about once
    /// a second.
    #[must_use]
    pub fn quotes_when(&self, partition: u16, mut now: impl FnMut() -> Mono) -> Quotes {
        let place = self.plan().partitions.get(usize::from(partition));
        let count = place.map_or(0, |place| self.defined(place));
        let mut quotes = Quotes::default();
        for symbol in (0..count).map(SymbolIndex) {
            if let Some(book) = self.read_when(self.handle(partition, symbol), &mut now).live() {
                quotes.count(book);
            }
        }
        quotes
    }

    /// Every lane as of `now`, in order.
    pub fn lanes(&self, now: Mono) -> impl Iterator<Item = LaneInfo> + '_ {
        (0u16..).zip(&self.plan().lanes).map(move |(index, _)| {
            let record = self.lane_record(index);
            let lease = Mono(record.lease.load(Ordering::Acquire));
            let mode = seqlock::read(&record.mode_lock, || load_all(&record.mode));
            LaneInfo {
                index,
                lease,
                lease_left: lease.since(now),
                mode: mode.map_or(Text::EMPTY, |(words, _)| text_of(words)),
                events: get(&record.events_head),
                losses: get(&record.losses_head),
                counters: std::array::from_fn(|at| get(&record.counters[at])),
            }
        })
    }

    /// The multicast no partition takes; `None` when the writer was in the way, or died while
    /// writing it.
    #[must_use]
    pub fn unmapped(&self) -> Option<UnmappedInfo> {
        let table: &UnmappedTable = self.map().at(self.plan().unmapped_at);
        let copy = seqlock::read(&table.lock, || {
            let count = usize::try_from(get(&table.count)).unwrap_or(0).min(UNMAPPED_MAX);
            let entries = table.entries.chunks_exact(4).take(count).map(|words| Unmapped {
                endpoint: Endpoint::of(get(&words[0])),
                packets: get(&words[1]),
                bytes: get(&words[2]),
                last: Mono(get(&words[3])),
            });
            UnmappedInfo {
                entries: entries.collect(),
                total: get(&table.total),
                read: Mono(get(&table.read)),
            }
        });
        copy.map(|(table, _)| table)
    }
}

/// A digest in words.
fn bytes_of(words: &[AtomicU64; 4]) -> [u8; 32] {
    let mut digest = [0; 32];
    for (bytes, word) in digest.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&get(word).to_ne_bytes());
    }
    digest
}

/// A path in words, zero padded; `None` for the empty one.
fn path_of<const N: usize>(words: [u64; N]) -> Option<PathBuf> {
    let mut bytes: Vec<u8> = words.into_iter().flat_map(u64::to_ne_bytes).collect();
    bytes.truncate(bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()));
    (!bytes.is_empty()).then(|| PathBuf::from(OsString::from_vec(bytes)))
}

fn spec_of(record: &Partition, place: &PartitionPlan) -> PartitionSpec {
    let line = |word: u64| (word >> 63 != 0).then(|| Endpoint::of(word));
    PartitionSpec {
        venue: text_of(load_all(std::array::from_ref(&record.venue))),
        name: text_of(load_all(&record.name)),
        feed: text_of(load_all(&record.feed)),
        lane: place.lane,
        symbols: place.capacity,
        silence: Nanos(get(&record.silence)),
        decimals: Decimals(get(&record.decimals) as u8),
        lines: load_all(&record.lines).map(line),
    }
}

//! What a lane writes about one of its partitions, and what the configuration says of it.

use super::record::record;
use crate::atomic::AtomicU64;

/// Room for partition counters.
pub(crate) const PARTITION_COUNTERS_MAX: usize = 128;

record! {
    /// One partition. Its lane writes it; lease, state and numbers are on lines of their own.
    Partition = 1472 {
        0x000 lease: AtomicU64 = "every Live of the partition holds until then at most, boot ns; 0 before the first evidence. With `heard` alone on its line",
        0x008 heard: AtomicU64 = "when the last packet of the partition was heard, in sync or not, boot ns; 0 before the first",
        0x010 reserved_lease: [AtomicU64; 6] = "zero",
        0x040 state: AtomicU64 = "what the lane says of the partition: a state word",
        0x048 since: AtomicU64 = "since when, boot ns",
        0x050 halted: AtomicU64 = "the kill switch of the partition, as the header's of everything",
        0x058 trading_date: AtomicU64 = "trading date of the map it has, as yyyymmdd; it changes while the state word is not Live, and never back within a lane's lease",
        0x060 reserved_state: [AtomicU64; 4] = "zero",
        0x080 lock: AtomicU64 = "sequence lock over the rest of this line",
        0x088 session: [AtomicU64; 2] = "session id: upper, lower 64 bits",
        0x098 expected: AtomicU64 = "the next sequence number wanted",
        0x0a0 known_end: AtomicU64 = "the number behind the last known to exist",
        0x0a8 followed: AtomicU64 = "when the packet reached the host with which its session was followed first, boot ns; 1 where that was before this handler; 0 where it is not said",
        0x0b0 reserved_numbers: [AtomicU64; 2] = "zero",
        0x0c0 symbols: AtomicU64 = "directory entries in use",
        0x0c8 moves: AtomicU64 = "counts the changes of `moved` in its directory",
        0x0d0 reserved_symbols: [AtomicU64; 6] = "zero",
        0x100 venue: AtomicU64 = "the venue's name, zero padded; 0 where the partition is spare, and written behind what else says what it is",
        0x108 name: [AtomicU64; 2] = "the partition's name, zero padded",
        0x118 feed: [AtomicU64; 2] = "the feed format's name, zero padded",
        0x128 lane: AtomicU64 = "the lane that writes it",
        0x130 capacity: AtomicU64 = "slots",
        0x138 silence: AtomicU64 = "the silence bound, ns",
        0x140 decimals: AtomicU64 = "decimal places of the feed's prices",
        0x148 lines: [AtomicU64; 3] = "endpoint of each line: bit 63 set when there is one, group in bits 16-47 (first octet on top), UDP port in bits 0-15",
        0x160 directory_at: AtomicU64 = "offset of the directory",
        0x168 index_at: AtomicU64 = "offset of the directory's index",
        0x170 index_words: AtomicU64 = "words of the index, a power of two",
        0x178 slots_at: AtomicU64 = "offset of the slots",
        0x180 reserved: [AtomicU64; 8] = "zero",
        0x1c0 counters: [AtomicU64; 128] = "partition counters by index",
    }
}

const _: () = assert!(candor_core::counters::PARTITION_COUNTERS <= PARTITION_COUNTERS_MAX);
const _: () = assert!(candor_core::limits::LINES == 3);

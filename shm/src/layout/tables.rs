//! Rings, the directory, and the table of unmapped multicast.

use super::record::record;
use crate::atomic::AtomicU64;
use crate::ring::PAYLOAD;

/// Entries of the table of unmapped multicast. Reached: the rest is in the total only.
pub(crate) const UNMAPPED_MAX: usize = 256;

record! {
    /// One record of an event ring or a loss log.
    RingRecord = 64 {
        0x00 sequence: AtomicU64 = "twice the record's number, plus one while it is written; written last",
        0x08 payload: [AtomicU64; PAYLOAD] = "the record, see below",
    }
}

record! {
    /// One symbol's entry in its partition's directory, at the symbol's index.
    DirectoryEntry = 32 {
        0x00 name: [AtomicU64; 3] = "the symbol, zero padded",
        0x18 moved: AtomicU64 = "1 while the map in force gives the symbol to another partition of the venue, and nothing has named it here since",
    }
}

record! {
    /// Groups and ports with multicast that no partition takes. Written by the handler's own thread.
    UnmappedTable = 8256 {
        0x00 lock: AtomicU64 = "sequence lock over the table",
        0x08 count: AtomicU64 = "entries in use",
        0x10 total: AtomicU64 = "groups and ports seen, also those that found no entry",
        0x18 read: AtomicU64 = "when it was last looked what comes (boot ns); 0 where nobody has, or can",
        0x20 reserved: [AtomicU64; 4] = "zero",
        0x40 entries: [AtomicU64; 1024] = "256 entries of four words: endpoint (group in bits 16-47, port in bits 0-15), packets, bytes, last seen (boot ns)",
    }
}

const _: () = assert!(UNMAPPED_MAX * 4 == 1024);

//! One symbol's cell: nine cache lines under one sequence lock. Status, best prices, deeper levels
//! and trades are on lines of their own, so that a change of the best price costs two of them.

use super::record::record;
use crate::atomic::AtomicU64;

/// Words of one price level pair: bid price, bid size, ask price, ask size, orders.
pub(crate) const PAIR_WORDS: usize = 5;
/// Price level pairs behind the best.
pub(crate) const DEEPER: usize = candor_core::limits::DEPTH - 1;

record! {
    /// One symbol's cell.
    Slot = 576 {
        0x000 lock: AtomicU64 = "sequence lock over the slot; odd while its lane writes it, 0 before the first time",
        0x008 state: AtomicU64 = "what the engine says of the symbol: a state word without changes",
        0x010 since: AtomicU64 = "since when, boot ns",
        0x018 packed: AtomicU64 = "bits 0-7 bid levels, 8-15 ask levels, 16-23 trading state, 24-31 decimals, 32-63 round lot",
        0x020 contested: AtomicU64 = "1 once another partition of the venue has defined the same name, for as long as the map in force gives it to neither. Not under the lock; any lane may set it, its own clears it",
        0x028 halted: AtomicU64 = "the kill switch of the symbol, as the header's of everything. Not under the lock; its lane sets it too, as it defines a symbol that was halted before, and never clears it",
        0x030 reserved: [AtomicU64; 2] = "zero",
        0x040 seq: AtomicU64 = "sequence number of the last message that changed the symbol",
        0x048 time: AtomicU64 = "that message's time, ns of the venue's clock",
        0x050 trades: AtomicU64 = "bits 0-31 trades counted, 32-63 trades broken",
        0x058 best: [AtomicU64; 5] = "best level pair: bid price, bid size, ask price, ask size, orders (bits 0-31 bid, 32-63 ask)",
        0x080 deeper: [AtomicU64; 45] = "level pairs 2 to 10 in the same form; only the first `bid levels` and `ask levels` mean anything",
        0x1e8 stats_since: AtomicU64 = "first number the last trade and the statistics cover; 1 for the whole session, more behind a snapshot",
        0x1f0 reserved_deeper: [AtomicU64; 2] = "zero",
        0x200 last: [AtomicU64; 4] = "last trade: price, size, time, id",
        0x220 open: AtomicU64 = "first price that counted",
        0x228 high: AtomicU64 = "highest",
        0x230 low: AtomicU64 = "lowest",
        0x238 volume: AtomicU64 = "size traded, broken trades taken off",
    }
}

const _: () = assert!(DEEPER * PAIR_WORDS == 45);

//! One symbol's cell: nine cache lines under one sequence lock. What nearly every message changes is on the lock's own
//! line: its number, its time, both best levels. Status, each side's deeper levels (three to a line) and trades are on lines
//! of their own, so that a change of the best price costs one line, and one of a deeper level those from it on.

use candor_core::Changed;

use super::record::record;
use crate::atomic::{AtomicU32, AtomicU64};

/// Words of a line of three deeper levels: price and size of each, then their orders, 32 bits each.
pub(crate) const LINE_WORDS: usize = 8;

record! {
    /// One symbol's cell.
    Slot = 576 {
        0x000 lock: AtomicU64 = "sequence lock over the slot; odd while its lane writes it, 0 before the first time",
        0x008 seq: AtomicU64 = "sequence number of the last message that changed the symbol",
        0x010 time: AtomicU64 = "that message's time, ns of the venue's clock",
        0x018 best: [AtomicU64; 4] = "best levels: bid price, bid size, ask price, ask size; of the bid only where `bid levels` is not 0, of the ask likewise",
        0x038 best_orders: [AtomicU32; 2] = "their orders, 32 bits each: bid, ask",
        0x040 state: AtomicU64 = "what the engine says of the symbol: a state word without changes",
        0x048 since: AtomicU64 = "since when, boot ns",
        0x050 packed: AtomicU64 = "bits 0-7 bid levels, 8-15 ask levels, 16-23 trading state, 24-31 decimals, 32-63 round lot",
        0x058 contested: AtomicU64 = "1 once another partition of the venue has defined the same name, for as long as the map in force gives it to neither. Not under the lock; any lane may set it, its own clears it",
        0x060 halted: AtomicU64 = "the kill switch of the symbol, as the header's of everything. Not under the lock; its lane sets it too, as it defines a symbol that was halted before, and never clears it",
        0x068 reserved: [AtomicU64; 1] = "zero",
        0x070 trades: AtomicU64 = "bits 0-31 trades counted, 32-63 trades broken",
        0x078 stats_since: AtomicU64 = "first number the last trade and the statistics cover; 1 for the whole session, more behind a snapshot",
        0x080 bids: [AtomicU64; 24] = "bids 2 to 10, three to a line: price and size of each, then their orders, 32 bits each, and 32 bits of zero; only the first `bid levels` of all mean anything",
        0x140 asks: [AtomicU64; 24] = "asks 2 to 10 in the same form",
        0x200 last: [AtomicU64; 4] = "last trade: price, size, time, id",
        0x220 open: AtomicU64 = "first price that counted",
        0x228 high: AtomicU64 = "highest",
        0x230 low: AtomicU64 = "lowest",
        0x238 volume: AtomicU64 = "size traded, broken trades taken off",
    }
}

const _: () = assert!((Changed::GROUPS - 1) * LINE_WORDS == 24);
const _: () = assert!(Changed::GROUP == 3, "as many levels to a line");

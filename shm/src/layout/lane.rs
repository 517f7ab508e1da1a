//! What a lane writes about itself.

use super::record::record;
use crate::atomic::AtomicU64;

/// Room for lane counters.
pub(crate) const LANE_COUNTERS_MAX: usize = 32;
/// Bytes of a lane's mode text.
pub(crate) const MODE_BYTES: usize = 56;

record! {
    /// One lane: its lease, the heads of its rings, its mode, its counters.
    Lane = 448 {
        0x000 lease: AtomicU64 = "the lane vouches for itself until then, boot ns; 0 is never. Alone on its line",
        0x008 reserved_lease: [AtomicU64; 7] = "zero",
        0x040 events_head: AtomicU64 = "number of the newest event record; 0 before the first",
        0x048 losses_head: AtomicU64 = "number of the newest loss record; 0 before the first",
        0x050 events_at: AtomicU64 = "offset of the lane's event ring",
        0x058 losses_at: AtomicU64 = "offset of the lane's loss log",
        0x060 reserved_heads: [AtomicU64; 4] = "zero",
        0x080 mode_lock: AtomicU64 = "sequence lock over the mode text; written by the handler's own thread",
        0x088 mode: [AtomicU64; 7] = "how the lane receives, in words (`native copy`), zero padded",
        0x0c0 counters: [AtomicU64; 32] = "lane counters by index",
    }
}

const _: () = assert!(candor_core::counters::LaneCounter::ALL.len() <= LANE_COUNTERS_MAX);

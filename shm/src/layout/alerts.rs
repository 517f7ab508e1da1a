//! The table of alerts.

use candor_core::limits::ALERTS;

use super::record::record;
use crate::atomic::AtomicU64;

/// Words of an entry.
pub(crate) const ALERT_WORDS: usize = 64;

/// Where texts stand in an entry, in words: where, what else fits as well, suspects, what is so.
pub(crate) const ALERT_TEXTS: [core::ops::Range<usize>; 4] = [8..14, 14..20, 20..32, 32..64];

record! {
    /// What operators are told of: alerts that run, and those that are over until their entry is needed. Written
    /// by the handler's own thread.
    AlertTable = 32832 {
        0x00 lock: AtomicU64 = "sequence lock over the table",
        0x08 active: AtomicU64 = "alerts that run",
        0x10 overflowed: AtomicU64 = "alerts that found no entry",
        0x18 passed: AtomicU64 = "symptoms that were gone before they were spoken of",
        0x20 commands: AtomicU64 = "runs of the configured command that ended well",
        0x28 commands_failed: AtomicU64 = "runs that did not, or could not begin",
        0x30 reserved: [AtomicU64; 2] = "zero",
        0x40 entries: [AtomicU64; 4096] = "64 entries of 64 words: number (0: none), code in bits 0-15 and partitions sick now in bits 16-31, at most in bits 32-47, at its place in bits 48-63, count, since, last, over (0: it runs), all three boot ns, two reserved; then texts, zero padded: where (48 bytes), what else fits as well (48), suspects (96), what is so (256)",
    }
}

const _: () = assert!(ALERTS * ALERT_WORDS == 4096);

//! The region's first bytes: what it is, who made it, and what the whole handler says of itself.

use super::record::record;
use crate::atomic::AtomicU64;

/// Bytes of the name of the folder in which halts are recorded.
pub(crate) const STATE_FOLDER_BYTES: usize = 128;

record! {
    /// The region's first bytes. Everything but the second line and `attested` is constant once the version is there.
    Header = 512 {
        0x000 magic: AtomicU64 = "the bytes `CANDORSM`",
        0x008 version: AtomicU64 = "layout version; written last, zero until everything else is in place",
        0x010 digest: AtomicU64 = "FNV-1a of the layout text",
        0x018 generation: AtomicU64 = "counts the regions a path has held, from 1",
        0x020 length: AtomicU64 = "length of the file in bytes",
        0x028 created: AtomicU64 = "when it was made, boot ns",
        0x030 wall_offset: AtomicU64 = "wall clock minus that of boot ns at that moment, ns; for display",
        0x038 trading_date: AtomicU64 = "the trading date it was made for, as yyyymmdd; which is in force is in each partition's record",
        0x040 state: AtomicU64 = "what the handler says of itself: a state word",
        0x048 since: AtomicU64 = "since when, boot ns",
        0x050 retired: AtomicU64 = "when the region was given up, by its handler or its successor, boot ns; 0 while in use",
        0x058 halted: AtomicU64 = "the kill switch of everything in the region: since when it is halted, boot ns; 0 while it is not. An operator's process or the handler's own thread writes it, no lane",
        0x060 reserved_state: [AtomicU64; 4] = "zero",
        0x080 handler: [AtomicU64; 4] = "the handler's name, zero padded",
        0x0a0 config_digest: [AtomicU64; 4] = "digest of the configuration in force",
        0x0c0 process_lease: AtomicU64 = "how long a lane vouches for itself at a time, ns",
        0x0c8 pid: AtomicU64 = "the handler's process id; 0 for memory of one process",
        0x0d0 lanes: AtomicU64 = "lane records",
        0x0d8 partitions: AtomicU64 = "partition records",
        0x0e0 events: AtomicU64 = "records of each event ring, a power of two",
        0x0e8 losses: AtomicU64 = "records of each loss log, a power of two",
        0x0f0 unmapped: AtomicU64 = "entries of the table of unmapped multicast",
        0x0f8 venues: AtomicU64 = "venue records",
        0x100 lanes_at: AtomicU64 = "offset of the lane records",
        0x108 partitions_at: AtomicU64 = "offset of the partition records",
        0x110 unmapped_at: AtomicU64 = "offset of the table of unmapped multicast",
        0x118 boot: [AtomicU64; 2] = "the boot of the host it was made in, the 16 bytes of `/proc/sys/kernel/random/boot_id`; 0 for memory of one process",
        0x128 clock_offset: AtomicU64 = "its handler's clock of boot ns minus the host's, ns, two's complement: other than 0 in a time namespace",
        0x130 state_folder: [AtomicU64; 16] = "the folder in which the handler's halts are recorded, zero padded; empty: they are beside the region",
        0x1b0 binary_digest: [AtomicU64; 4] = "SHA-256 of the program that the handler is; zero where it could not be read",
        0x1d0 venues_at: AtomicU64 = "offset of the venue records",
        0x1d8 attested: AtomicU64 = "whether what runs is what a signed manifest allows: 0 not said, 1 not required, 2 no, 3 yes. For display: the state word is what a reader judges by",
        0x1e0 reserved_end: [AtomicU64; 2] = "zero",
        0x1f0 alerts_at: AtomicU64 = "offset of the table of alerts",
        0x1f8 alerts: AtomicU64 = "entries of the table of alerts",
    }
}

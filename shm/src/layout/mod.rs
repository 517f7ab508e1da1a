//! The region, byte by byte. It is a protocol between processes: repr(C) records of atomic 64-bit
//! words and nothing else, with a version and a digest of their own. `docs/REGION.md` is made of
//! these declarations.

#[cfg(not(loom))]
mod alerts;
#[cfg(all(test, not(loom)))]
mod document;
#[cfg(not(loom))]
mod header;
#[cfg(not(loom))]
mod lane;
#[cfg(not(loom))]
mod partition;
#[cfg(not(loom))]
pub(crate) mod plan;
pub(crate) mod record;
#[cfg(not(loom))]
mod slot;
#[cfg(not(loom))]
mod state;
mod tables;
#[cfg(not(loom))]
pub(crate) mod text;
#[cfg(not(loom))]
mod venue;

#[cfg(not(loom))]
pub(crate) use self::{
    alerts::{ALERT_TEXTS, ALERT_WORDS, AlertTable},
    header::{Header, STATE_FOLDER_BYTES},
    lane::{Lane, MODE_BYTES},
    partition::Partition,
    plan::{PartitionPlan, Plan},
    slot::{LINE_WORDS, Slot},
    state::State,
    tables::{DirectoryEntry, UNMAPPED_MAX, UnmappedTable},
    venue::{VENUES_MAX, VenueRecord},
};
pub(crate) use tables::RingRecord;
#[cfg(not(loom))]
pub use venue::MILESTONES_MAX;

/// The version of the layout. A reserved word put to use keeps it; anything else moves it.
#[cfg(not(loom))]
pub const LAYOUT_VERSION: u64 = 2;

/// The region's first eight bytes.
#[cfg(not(loom))]
pub(crate) const MAGIC: u64 = u64::from_ne_bytes(*b"CANDORSM");

#[cfg(target_endian = "big")]
compile_error!("the region's words are little endian");

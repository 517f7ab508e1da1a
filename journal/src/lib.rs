//! The journal: an append-only record of what happened to a handler and what it did, in which nothing can
//! be changed, left out or put in without its being seen.
//!
//! A journal is a folder of files, each a sequence of lines, each line a record: JSON that `grep`, `tail -f`
//! and `jq` take as it stands ([`Record`]). Records are numbered from 1 without a gap, over all files; each
//! carries both clocks, the digest of the record before it, and its own. [`Writer`] adds records, many with
//! one `write`; [`Reader`] goes through them and names the first that does not follow from the one before.
//! [`changes`] ranks what changed by what went stale, [`chain`] finds the records behind a symbol's status.
//!
//! What it does not do: it reads no clock, starts no thread and decides nothing about the market. Times are
//! arguments. It never removes a record: where its room is used up it refuses more, and says how many it
//! missed as soon as it can.
//!
//! # What a crash leaves
//!
//! | what happened | what is there |
//! | --- | --- |
//! | the process was killed (SIGKILL, out of memory) | all that [`Writer::commit`] has returned for: it is in the kernel's hands |
//! | the host lost power | all that [`Writer::sync`] has returned for; of the rest, some |
//! | a record was cut in the middle | the next [`Writer::open`] takes the piece off and records that (`cut`), with its digest and its beginning |
//! | anything else that is not as it was written | it stays as it is, the next `open` begins a new file and records that (`broken`) |
//! | the disk was full | what was there; then a record of how many are missing (`missed`) |
//!
//! ```
//! use candor_journal::{Settings, Fields, Item, Reader, Stamp, Writer};
//!
//! let folder = std::env::temp_dir().join(format!("candor-journal-doc-{}", std::process::id()));
//! let stamp = Stamp { wall: 1_795_318_200_000_000_000, mono: 77 };
//! let (mut writer, _) = Writer::open(&folder, Settings::default(), "mdh1", "2026-11-23", stamp)?;
//! writer.add(stamp, "alert", Fields::new().text("what", "odd-world"));
//! writer.commit(stamp)?;
//! let records = Reader::open(&folder)?.filter_map(|item| match item {
//!     Ok(Item::Record(_, record)) => Some(record.kind),
//!     _ => None,
//! });
//! assert_eq!(records.collect::<Vec<_>>(), ["file", "alert"]);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod chain;
pub mod changes;
mod extent;
mod filter;
mod folder;
mod read;
mod record;
mod write;

pub use extent::{Extent, Place, partition_name};
pub use filter::Filter;
pub use folder::{FileName, files};
pub use read::{Fault, Item, Reader, Spot, Why, check};
pub use record::{
    Digest, FORMAT, Fields, LINE_BYTES, Malformed, Record, Stamp, Value, is_name, seal,
};
pub use write::{Committed, Error, Found, Settings, Writer};

//! The handler's journal: which records it writes, where, and the thread that writes them.
//!
//! Lanes know nothing of it. What they say of partitions comes through the queue of the log, losses through
//! the region's loss log, and what symbols are is read from the region as any reader does (`follow`): all of
//! that on the handler's own thread, which hands records to the journal's thread (`thread`) and waits for
//! neither it nor the disk. What operators do stands in files: a thread follows those (`verbs`, `halts`).

pub(crate) mod follow;
pub(crate) mod halts;
pub(crate) mod operator;
pub(crate) mod start;
mod symbols;
mod thread;
pub(crate) mod verbs;

use std::path::{Path, PathBuf};

use candor_core::Mono;
use candor_core::Status;
use candor_journal::{Stamp, partition_name};

use crate::clock::{self, Clock};
use crate::config::Config;

pub(crate) use thread::Journal;

/// The folder's name in a state folder.
const NAME: &str = "journal";

/// What a region's path is followed by in the name of the folder, where no state folder is configured.
const ENDING: &str = ".journal";

/// Bytes of a journal in a state folder at most: years of usual days.
const STATE_BYTES: u64 = 4 << 30;

/// Bytes of one beside the region at most: that is memory.
const BESIDE_BYTES: u64 = 64 << 20;

/// The journal's folder of a region's handler with this state folder, if any.
#[must_use]
pub fn folder(state: Option<&Path>, region: &Path) -> PathBuf {
    match state {
        Some(state) => state.join(NAME),
        None => {
            let mut name = region.as_os_str().to_owned();
            name.push(ENDING);
            PathBuf::from(name)
        }
    }
}

/// How much it takes.
fn bytes(state: Option<&Path>) -> u64 {
    if state.is_some() { STATE_BYTES } else { BESIDE_BYTES }
}

/// The stamp of something that happened at this time since boot, not long ago.
fn stamp(at: Mono) -> Stamp {
    let now = Clock::new().now();
    Stamp { wall: clock::wall().saturating_sub(now.since(at).0), mono: at.0 }
}

/// A partition as the journal names it: `XNAS/1`.
pub(crate) fn name(config: &Config, number: u16) -> String {
    match config.partitions.get(usize::from(number)) {
        Some(own) => partition_name(own.venue.as_str(), own.name.as_str()),
        None => format!("?/{number}"),
    }
}

/// A status as the journal has it: `Live`, `Stale(Gap)`.
pub(crate) fn status(status: Status) -> String {
    match status.reason() {
        None => candor_journal::changes::LIVE.to_owned(),
        Some(reason) => format!("Stale({reason})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_lies_with_the_state_or_beside_the_region() {
        let region = Path::new("/dev/shm/candor-mdh1");
        assert_eq!(folder(None, region), Path::new("/dev/shm/candor-mdh1.journal"));
        let state = Path::new("/var/lib/candor");
        assert_eq!(folder(Some(state), region), Path::new("/var/lib/candor/journal"));
    }
}

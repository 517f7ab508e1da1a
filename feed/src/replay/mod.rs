//! Replay: captures through the very machine a lane runs, as fast as it goes.
//!
//! Time is the captures' own: a packet happens when it was captured, never before the one in front
//! of it, and whatever was due between two packets happens between them. After the last packet one
//! more second passes, so that what was pending is decided.

mod capture;
mod driver;
mod lines;
mod machine;
mod messages;
mod report;
mod tally;

use std::path::PathBuf;

use candor_core::Nanos;
use candor_decoders::Format;
use candor_engine::Capacity;

pub use capture::Broken;
pub(crate) use driver::venue_of;
pub use driver::{Frames, Other, Progress, Replayed, run};
pub use lines::{Endpoint, LineOption};
pub use machine::Machine;
pub use report::{write_books, write_counts};
pub use tally::{Gap, GapState, OneLineLoss};

/// How long the old numbering of a line is recognised after numbers restarted.
const SESSION_GRACE: Nanos = Nanos::from_secs(10);

/// What passes after the last packet.
const AFTER_THE_LAST: Nanos = Nanos::from_secs(1);

/// What to replay.
#[derive(Clone, Debug)]
pub struct Options {
    /// The files, in order.
    pub captures: Vec<PathBuf>,
    /// What their packets carry.
    pub feed: Format,
    /// The venue's name in output.
    pub venue: String,
    /// Lines by name; empty: found in the captures.
    pub lines: Vec<LineOption>,
    /// Whether packets of all captures happen in order of their times; else file by file.
    pub merge: bool,
    /// How long a number may be missing before that is a gap.
    pub grace: Nanos,
    /// How much each partition can hold.
    pub capacity: Capacity,
}

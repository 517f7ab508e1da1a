//! The writing halves. One [`HandlerWriter`] for the process, one [`LaneWriter`] for each lane; no
//! word of the region has two writers, save `contested`, which any lane may set and its own clears, and the
//! words of the kill switch (`halt.rs`), which are an operator's.

mod create;
mod fill;
mod handler;
mod lane;
mod place;
mod refusal;
mod venue;

use std::fs::File;

pub use self::create::{Claim, claim, create, heap};
pub use self::handler::{HandlerWriter, Unmapped};
pub use self::lane::{Defined, LaneWriter, Was};
pub use self::place::{Replaced, look};
pub use self::refusal::CreateError;
use crate::layout::Plan;
use crate::mapping::Mapping;

/// What all writers of a region hold in common.
pub(crate) struct Shared {
    pub(crate) map: Mapping,
    pub(crate) plan: Plan,
    // The file beside the path and the region's own, held, locked, until the last writer is dropped or
    // the process dies: while they are, nobody else may build a region under this path, nor take over
    // this one by another. None for memory of this process.
    _locks: [Option<File>; 2],
}

impl Shared {
    /// Of one that keeps nobody from building another region.
    pub(crate) fn unlocked(map: Mapping, plan: Plan) -> Shared {
        Shared { map, plan, _locks: [None, None] }
    }
}

//! What the handler said of a partition that explains what readers see.

use candor_core::{Mono, SessionId};

/// What was said in this epoch that explains a `Stale`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said {
    pub(super) gap_outlived: bool,
    pub(super) gap_lost: bool,
    pub(super) differs: bool,
    pub(super) ended: bool,
    pub(super) changed: bool,
    pub(super) stalled: Option<Mono>,
    /// A snapshot has begun and was not joined to the stream yet.
    pub(super) rebuilding: bool,
    /// It is of the books of some symbols alone: those of the others go on.
    pub(super) only_some: bool,
    /// A snapshot of all books was joined to the stream.
    pub(super) spliced: bool,
    /// One of some books was.
    pub(super) spliced_some: bool,
    /// Numbers began again under the same name, and no snapshot was joined since: what looks like the
    /// old ones is refused for a time.
    pub(super) restarted: bool,
}

/// A snapshot that was joined to the stream: whose it had to be is for the oracle to say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Joined {
    /// The run followed until then.
    pub(super) followed: u32,
    /// The run that the service made it of.
    pub(super) of: u32,
    /// The session it said it is of.
    pub(super) claimed: SessionId,
}

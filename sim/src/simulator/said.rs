//! What the handler said of a partition that explains what readers see.

use core::fmt;

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

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = [
            (self.gap_outlived, "a gap outlived its grace"),
            (self.gap_lost, "a gap is given up"),
            (self.differs, "lines differ"),
            (self.ended, "the session ended"),
            (self.changed, "the session changed"),
            (self.stalled.is_some(), "the lane stood still"),
            (self.rebuilding && !self.only_some, "a snapshot of all books has begun"),
            (self.rebuilding && self.only_some, "a snapshot of some books has begun"),
            (self.spliced, "a snapshot of all books was spliced"),
            (self.spliced_some, "a snapshot of some books was spliced"),
            (self.restarted, "the numbers began again"),
        ];
        let mut said = said.iter().filter(|(is, _)| *is).map(|(_, words)| *words);
        let Some(first) = said.next() else { return f.write_str("nothing") };
        f.write_str(first)?;
        said.try_for_each(|words| write!(f, ", {words}"))
    }
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

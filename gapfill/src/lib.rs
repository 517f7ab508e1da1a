//! (being written)
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use candor_core::{Line, Loss, Mono, Nanos, SeqNo, SeqRange, SessionId, limits::LINES};

mod sequencer;

pub use sequencer::Sequencer;

/// What a [`Sequencer`] needs to know of its partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// The lines the partition is taken from.
    pub lines: [bool; LINES],
    /// How long a number may be missing before that is more than reordering.
    pub grace: Nanos,
    /// How long after a restart a line may go on with the old numbering.
    pub session_grace: Nanos,
}

/// Where a [`Sequencer`] puts what it finds: each message once and in order, and what happened.
pub trait Output {
    /// The next message of the stream. `line` is the one whose copy this is.
    fn message(&mut self, seq: SeqNo, line: Line, bytes: &[u8]);
    /// Something happened. Comes before the messages that follow from it.
    fn notice(&mut self, notice: Notice);
}

/// What happened to the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// The first packet of all was heard.
    Started {
        /// Its session.
        session: SessionId,
        /// The first number it shows.
        first: SeqNo,
    },
    /// Numbers were missing: an entry for the loss log.
    Loss(Loss),
    /// Numbers are known to exist that no line has carried.
    GapOpened {
        /// Which.
        range: SeqRange,
        /// Since when they are missing.
        at: Mono,
    },
    /// The session has another name; everything starts at number 1 again.
    SessionChanged {
        /// The session left behind.
        from: SessionId,
        /// The session from here on.
        to: SessionId,
    },
    /// The numbers restarted under the same session name.
    Restarted {
        /// The session.
        session: SessionId,
    },
    /// A line still carries a session, or a numbering, that was left behind; said once per line and session.
    OldSession {
        /// The session left behind.
        session: SessionId,
        /// The line.
        line: Line,
    },
    /// A line carries other bytes under a number than were delivered.
    LinesDiffer {
        /// The number.
        seq: SeqNo,
        /// The line whose copy was discarded.
        line: Line,
    },
    /// The venue ended the session and everything up to its end was delivered or given up.
    Ended {
        /// The last number; 0 when the session had none.
        last: SeqNo,
    },
}

/// Where the stream stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// No packet was heard.
    NotStarted,
    /// Every number known to exist was delivered.
    InSync,
    /// Numbers are missing, none for longer than the grace.
    GapOpen,
    /// Numbers are missing for longer than the grace.
    GapOutlived,
    /// The venue ended the session.
    Ended,
}

/// Whether anything was given up in this session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wholeness {
    /// Nothing.
    Whole,
    /// The numbers before the first one heard.
    StartMissing,
    /// Numbers in the middle, whether or not the start is missing too.
    LostInside,
}

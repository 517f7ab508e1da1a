//! GLIMPSE 5.0 (2026-02-13): how a snapshot ends. Everything before is messages of ITCH, in sequenced
//! packets of [`soupbintcp`](super::soupbintcp), for which the client has logged in with number 1.
//!
//! | offset | length | field | type |
//! | --- | --- | --- | --- |
//! | 0 | 1 | `G` | |
//! | 1 | 20 | number of the first message of the stream that the snapshot does not contain | text |
//!
//! The number is written with spaces behind it, as text of ITCH is, and read with spaces at either
//! end.

use candor_core::{Reject, SeqNo};

use super::ascii;
use crate::view::{View, views};

views! {
    /// The last message of a snapshot.
    EndOfSnapshot: b'G', 21 {
        /// `G`.
        kind: u8 = 0,
        /// The number to go on with.
        sequence: [u8; 20] = 1,
    }
}

/// The number a client must log in with, to be sent the snapshot whole.
pub const LOGIN_SEQUENCE: SeqNo = SeqNo::FIRST;

impl EndOfSnapshot {
    /// The end of a snapshot that contains everything before `next`.
    #[must_use]
    pub fn of(next: SeqNo) -> EndOfSnapshot {
        EndOfSnapshot { kind: Self::KIND, sequence: ascii::left_aligned(ascii::right(next.0)) }
    }

    /// The number of the first message that the snapshot does not contain.
    ///
    /// # Errors
    /// [`Reject::BadField`] for text that is no number, [`Reject::BadSequence`] for number 0.
    pub fn next(&self) -> Result<SeqNo, Reject> {
        match ascii::number(&self.sequence)? {
            0 => Err(Reject::BadSequence),
            next => Ok(SeqNo(next)),
        }
    }
}

/// The number that this message of a snapshot says to go on with; `None` for every other message.
///
/// # Errors
/// [`Reject::ShortMessage`], and what [`EndOfSnapshot::next`] refuses.
pub fn end(message: &[u8]) -> Result<Option<SeqNo>, Reject> {
    match message.first() {
        Some(&EndOfSnapshot::KIND) => EndOfSnapshot::view(message)?.next().map(Some),
        _ => Ok(None),
    }
}

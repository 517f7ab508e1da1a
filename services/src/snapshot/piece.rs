//! The parts of a snapshot, as they are handed from a client to whoever asked.

use candor_core::{ByteOrder, Messages, Refusal, SeqNo, SessionId, SnapshotPart};

#[cfg(doc)]
use super::BLOCK_BYTES;
#[cfg(doc)]
use candor_core::SnapshotAsk;

/// Messages that follow one another, as they are handed from place to place: each with its length of
/// two bytes, big-endian, before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block<'a> {
    /// Lengths and messages, [`BLOCK_BYTES`] at most.
    pub bytes: &'a [u8],
    /// How many messages.
    pub count: u16,
}

/// A part of a snapshot: [`SnapshotPart`] in a form that can be copied to another thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body<'a> {
    /// The service has accepted the request.
    Begin {
        /// The session the snapshot is of.
        session: SessionId,
    },
    /// Messages.
    Messages(Block<'a>),
    /// The snapshot is whole.
    End {
        /// The number of the first message that it does not contain.
        next: SeqNo,
    },
    /// There will be no further part.
    Failed(Refusal),
}

impl<'a> Body<'a> {
    /// What a partition is given.
    ///
    /// # Panics
    /// Where a block is none: it was not made by a client.
    #[must_use]
    pub fn part(self) -> SnapshotPart<'a> {
        match self {
            Body::Begin { session } => SnapshotPart::Begin { session },
            Body::Messages(block) => {
                match Messages::walk(block.bytes, block.count, ByteOrder::Big) {
                    Ok(messages) => SnapshotPart::Messages(messages),
                    Err(reject) => panic!("a block of messages is broken: {}", reject.label()),
                }
            }
            Body::End { next } => SnapshotPart::End { next },
            Body::Failed(why) => SnapshotPart::Failed(why),
        }
    }
}

/// A part of the snapshot of one cycle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece<'a> {
    /// The cycle of the [`SnapshotAsk`].
    pub cycle: u32,
    /// The part.
    pub body: Body<'a>,
}

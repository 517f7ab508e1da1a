//! An entry of the loss log as one 64-byte record, and back.
//!
//! Payload words: 0 = partition (bits 0-15), kind (16-23), line plus one (24-31), who filled
//! it plus one (32-39; lines by their index, 16 the venue's retransmit service); 1 and 2 = first number and number behind the last; 3 and 4 = session, upper
//! and lower half; 5 = when, boot ns; 6 = how long missing, ns.

use candor_core::{Line, Loss, LossKind, Mono, Nanos, Origin, SeqNo, SeqRange, SessionId};

use crate::ring::PAYLOAD;

/// One entry of a lane's loss log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LossRecord {
    /// The entry's number on its lane, counting from 1 without holes.
    pub number: u64,
    /// The partition, by its index in the region.
    pub partition: u16,
    /// What was missing.
    pub loss: Loss,
}

fn line_code(line: Option<Line>) -> u64 {
    line.map_or(0, |line| line.index() as u64 + 1)
}

fn line_of(code: u8) -> Option<Line> {
    Line::from_index(usize::from(code.checked_sub(1)?))
}

pub(crate) fn encode(partition: u16, loss: &Loss) -> [u64; PAYLOAD] {
    let head = u64::from(partition)
        | (loss.kind as u64) << 16
        | line_code(loss.line) << 24
        | loss.filled_by.map_or(0, |by| u64::from(by.code()) + 1) << 32;
    let session = loss.session.0;
    [
        head,
        loss.range.first.0,
        loss.range.end.0,
        (session >> 64) as u64,
        session as u64,
        loss.at.0,
        loss.missing_for.0,
    ]
}

/// The entry from its payload words; `None` when they are no entry of this build.
pub(crate) fn decode(number: u64, payload: [u64; PAYLOAD]) -> Option<LossRecord> {
    let [head, first, end, upper, lower, at, missing_for] = payload;
    let loss = Loss {
        kind: LossKind::from_code((head >> 16) as u8)?,
        range: SeqRange::between(SeqNo(first), SeqNo(end)),
        session: SessionId(u128::from(upper) << 64 | u128::from(lower)),
        line: line_of((head >> 24) as u8),
        filled_by: ((head >> 32) as u8).checked_sub(1).and_then(Origin::from_code),
        at: Mono(at),
        missing_for: Nanos(missing_for),
    };
    Some(LossRecord { number, partition: head as u16, loss })
}

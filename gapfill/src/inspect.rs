//! A look at a packet that covers numbers already known, before anything is done with it: is it
//! another copy, does it contradict another line, or has its line started over?

use candor_core::{Line, Origin, Packet, SeqNo, SeqRange};

use crate::lines::LineState;
use crate::stream::Stream;

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Finding {
    /// The line contradicts what it carried itself: its numbers restarted.
    Restarted,
    /// It doesn't.
    Known(Known),
}

/// What was found in a packet of the present numbering. The counts are of messages before the next
/// number expected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Known {
    /// A second copy, byte for byte where the first is remembered.
    pub(crate) duplicate: u64,
    /// Given up before.
    pub(crate) too_late: u64,
    /// Contradicts another line's copy.
    pub(crate) differ: u64,
    /// The first that does.
    pub(crate) differ_first: Option<SeqNo>,
    /// At least one message, delivered or held, equals the remembered one.
    pub(crate) copy: bool,
    /// At least one message, delivered or held, is not what is remembered.
    pub(crate) contradicts: bool,
    /// At least one is remembered, equal or not.
    pub(crate) remembered: bool,
    /// At least one was passed over by every line: given up in the middle of the run, filled by a
    /// retransmission, or contained in a snapshot.
    pub(crate) passed_over: bool,
}

/// Compares the packet with what is remembered.
pub(crate) fn inspect(
    stream: &Stream,
    state: &LineState,
    line: Line,
    packet: &Packet<'_>,
) -> Finding {
    let known = packet.range.intersect(SeqRange::between(SeqNo(0), stream.known_end));
    let mut found = Known::default();
    // BOUND: the packet.
    for (number, bytes) in (known.first.0..known.end.0).zip(packet.messages) {
        let seq = SeqNo(number);
        let old = u64::from(seq < stream.expected);
        match stream.known_print(seq) {
            Some((by, print)) => {
                found.remembered = true;
                if print == crate::fingerprints::print_of(bytes) {
                    found.copy = true;
                    found.duplicate += old;
                } else if contradicts_itself(state, seq, by, line) {
                    return Finding::Restarted;
                } else {
                    found.contradicts = true;
                    if old == 1 {
                        found.differ += 1;
                        found.differ_first = found.differ_first.or(Some(seq));
                    }
                }
            }
            None if old == 0 => {}
            None => match stream.lost_as(seq) {
                Some(start) => {
                    found.too_late += 1;
                    found.passed_over |= !start;
                }
                None => {
                    found.duplicate += 1;
                    found.passed_over |= stream.uncarried.find(seq).is_some();
                }
            },
        }
    }
    Finding::Known(found)
}

/// Whether `line`, whose copy of `seq` differs from the one that came `by` a line, carried other
/// bytes under that number itself. Number 1 is special: a line that comes back to it from beyond
/// has started over, whoever delivered it first.
fn contradicts_itself(state: &LineState, seq: SeqNo, by: Option<Origin>, line: Line) -> bool {
    if seq == SeqNo::FIRST {
        state.has_reached(SeqNo::FIRST)
    } else {
        by == Some(Origin::Line(line))
    }
}

//! Messages sent again: the one datagram of a MoldUDP64 re-request, the segments of an IEX gap fill
//! over UDP or TCP.

use candor_core::{Mono, SeqNo, SeqRange};
use candor_decoders::iex::gapfill;
use candor_decoders::nasdaq::moldudp64;

use super::faults::ServiceFaults;
use crate::publisher::{At, Framing, Publisher};

/// What a request by datagram comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    /// These numbers of the session.
    Numbers(Vec<SeqRange>),
    /// Nothing but a sign of life.
    Test,
    /// Not understood, or of another session: the venue does not answer.
    Nonsense,
}

/// Understands a request to a server of this framing.
pub(super) fn understand(framing: &Framing, request: &[u8]) -> Asked {
    match framing {
        Framing::MoldUdp64(session) => match moldudp64::Request::parse(request) {
            Ok(asked) if asked.session == *session => {
                let range = SeqRange::of(asked.first, u64::from(asked.count));
                range.map_or(Asked::Nonsense, |range| Asked::Numbers(vec![range]))
            }
            _ => Asked::Nonsense,
        },
        Framing::IexTp(stream) => match gapfill::Request::parse(request) {
            Ok(asked) if asked.stream == *stream => {
                let ranges: Vec<SeqRange> = asked.ranges().collect();
                if ranges.is_empty() { Asked::Test } else { Asked::Numbers(ranges) }
            }
            _ => Asked::Nonsense,
        },
    }
}

/// The length of the request that these bytes of a connection begin with; `None` while too few are
/// there to tell.
pub(super) fn request_len(bytes: &[u8]) -> Option<usize> {
    let ranges = bytes.get(12..16)?.first_chunk::<4>()?;
    let ranges = u32::from_le_bytes(*ranges) as usize;
    Some(gapfill::HEADER_LEN.saturating_add(ranges.saturating_mul(gapfill::RANGE_LEN)))
}

/// What is sent of these ranges in the end, with the faults in force: in order, none empty, at most
/// `most` numbers. Numbers that are not remembered any more or still to come are left out; of
/// MoldUDP64 the whole request is, when its first number is.
pub(super) fn plan(
    publisher: &Publisher,
    ranges: Vec<SeqRange>,
    faults: &ServiceFaults,
    most: u64,
) -> Vec<SeqRange> {
    let there = publisher.history().range();
    let ranges = ranges.into_iter().map(|range| {
        if !faults.wrong_range {
            return range;
        }
        let behind =
            SeqRange { first: range.end, end: SeqNo(range.end.0.saturating_add(range.len())) };
        if there.contains(behind.first) {
            return behind;
        }
        SeqRange::between(SeqNo(range.first.0.saturating_sub(range.len()).max(1)), range.first)
    });
    let is_mold = matches!(publisher.framing(), Framing::MoldUdp64(_));
    let ranges = ranges.filter(|range| !is_mold || there.contains(range.first));
    let ranges: Vec<SeqRange> = ranges.map(|range| range.intersect(there)).collect();
    let asked: u64 = ranges.iter().map(|range| range.len()).sum();
    let mut left = asked.min(most);
    if faults.partial {
        left = left.div_ceil(2);
    }
    let mut planned = Vec::new();
    for range in ranges {
        let end = SeqNo(range.first.0 + range.len().min(left));
        let range = SeqRange::between(range.first, end);
        left -= range.len();
        if !range.is_empty() {
            planned.push(range);
        }
    }
    planned
}

/// One packet with as many messages from the beginning of `range` as it holds, and the numbers it
/// carries. `None` where the first is not remembered.
pub(super) fn pack(
    publisher: &Publisher,
    range: SeqRange,
    max_payload: usize,
    now: Mono,
) -> Option<(Vec<u8>, SeqRange)> {
    let (history, framing) = (publisher.history(), publisher.framing());
    let at = history.position(range.first)?;
    let mut len = framing.header_len();
    let mut messages: Vec<&[u8]> = Vec::new();
    for seq in range.first.0..range.end.0 {
        let Some(message) = history.get(SeqNo(seq)) else { break };
        // The first goes whatever its length, or it could never be had.
        let fits = len + 2 + message.len() <= max_payload || messages.is_empty();
        if !fits || messages.len() == usize::from(moldudp64::MESSAGES_MAX) {
            break;
        }
        len += 2 + message.len();
        messages.push(message);
    }
    let end = SeqNo(range.first.0 + messages.len() as u64);
    let mut packet = Vec::new();
    framing.data(&mut packet, len, at, publisher.wire_time(now), messages.into_iter());
    Some((packet, SeqRange { first: range.first, end }))
}

/// What answers a test.
pub(super) fn sign_of_life(publisher: &Publisher, now: Mono) -> Vec<u8> {
    let At { seq, offset } = publisher.history().next();
    let mut packet = Vec::new();
    publisher.framing().heartbeat(&mut packet, At { seq, offset }, publisher.wire_time(now));
    packet
}

/// The datagrams that answer a request by datagram: one of MoldUDP64, as many as needed of IEX-TP.
/// What is not remembered is left out.
pub(super) fn datagrams(
    publisher: &Publisher,
    ranges: Vec<SeqRange>,
    faults: &ServiceFaults,
    max_payload: usize,
    now: Mono,
) -> Vec<(Vec<u8>, u64)> {
    let (most, only_one) = match publisher.framing() {
        Framing::MoldUdp64(_) => (u64::from(moldudp64::MESSAGES_MAX), true),
        Framing::IexTp(_) => (gapfill::UDP_MESSAGES_MAX, false),
    };
    let mut filling = Filling::new(publisher, plan(publisher, ranges, faults, most));
    let mut packets = Vec::new();
    // Of MoldUDP64 the answer begins with the first number asked for, or there is none.
    if only_one && !filling.begins(publisher) {
        return packets;
    }
    while let Some(packet) = filling.next(publisher, max_payload, now) {
        packets.push(packet);
        if only_one {
            break;
        }
    }
    packets
}

/// An answer under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Filling {
    /// The run of numbers they are of.
    run: u64,
    ranges: Vec<SeqRange>,
    nth: usize,
}

impl Filling {
    pub(super) fn new(publisher: &Publisher, ranges: Vec<SeqRange>) -> Filling {
        Filling { run: publisher.run(), ranges, nth: 0 }
    }

    /// Whether the first number is there.
    fn begins(&self, publisher: &Publisher) -> bool {
        self.ranges.first().is_some_and(|range| publisher.history().get(range.first).is_some())
    }

    /// The next packet and how many messages it carries; `None` when all is said.
    pub(super) fn next(
        &mut self,
        publisher: &Publisher,
        max_payload: usize,
        now: Mono,
    ) -> Option<(Vec<u8>, u64)> {
        if publisher.run() != self.run {
            return None;
        }
        while let Some(range) = self.ranges.get_mut(self.nth) {
            if range.is_empty() {
                self.nth += 1;
                continue;
            }
            match pack(publisher, *range, max_payload, now) {
                Some((packet, sent)) => {
                    range.first = sent.end;
                    return Some((packet, sent.len()));
                }
                // A hole, or forgotten by now: the venue has not got it and goes on behind it.
                None => {
                    let there = publisher.history().first_from(range.first.next());
                    range.first = there.unwrap_or(range.end).min(range.end);
                }
            }
        }
        None
    }
}

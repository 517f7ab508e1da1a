//! Recovery: what a message costs that is held back while a snapshot loads, and taken out again behind it.

use std::hint::black_box;

use candor_bench::stopwatch::Stopwatch;
use candor_bench::{Blocks, itch};
use candor_core::counters::Counters;
use candor_core::{Action, Mono, Nanos, SeqNo, SessionId, SnapshotPart};
use candor_snapshot::{Config, Snapshots, Verdict};

use crate::report::Measured;

/// Messages held back: within the caches, and far beyond.
const HELD: [usize; 3] = [1_000, 30_000, 1_000_000];

/// Messages of a round at least: fewer are held again and again.
const ROUND: usize = 300_000;

/// Measures every number of messages in turns.
///
/// # Errors
/// In words: what was taken out is not what was held.
pub(crate) fn measure(rounds: u32, stopwatch: Stopwatch) -> Result<Vec<Measured>, String> {
    let messages = itch::flow(500, 0, HELD[HELD.len() - 1]).measured;
    let mut rows = Vec::new();
    for held in HELD {
        let messages: Blocks = messages.iter().take(held).collect();
        let times = ROUND.div_ceil(held);
        let each = |took: Nanos| took.0 as f64 / (times * held) as f64;
        let about = "held back and, behind the snapshot, taken out in order";
        let floor = "its bytes copied, and copied back";
        let mut row = Measured::new(format!("{held} messages held"), about, floor);
        let mut machine = Machine::new(&messages);
        let (mut room, mut back) = (vec![0; messages.byte_len()], vec![0; 1 << 8]);
        for _ in 0..rounds {
            let (taken, took) =
                stopwatch.time(|| (0..times).map(|_| machine.cycle(&messages)).sum::<usize>());
            if taken != times * messages.byte_len() {
                return Err(format!("{held} messages: {taken} bytes came back"));
            }
            row.rounds.push(each(took));
            let ((), copied) = stopwatch.time(|| {
                (0..times).for_each(|_| copy(&messages, &mut room, &mut back));
            });
            row.floor_rounds.push(each(copied));
        }
        rows.push(row);
    }
    Ok(rows)
}

/// The bytes in, one message behind the other, and out again.
fn copy(messages: &Blocks, room: &mut [u8], back: &mut [u8]) {
    let mut at = 0;
    for message in messages.iter() {
        room[at..at + message.len()].copy_from_slice(black_box(message));
        at += message.len();
    }
    at = 0;
    for message in messages.iter() {
        back[..message.len()].copy_from_slice(&room[at..at + message.len()]);
        black_box(&*back);
        at += message.len();
    }
}

/// Snapshots of one partition whose service sends nothing but beginning and end.
struct Machine {
    snapshots: Snapshots,
    counters: Counters,
    now: u64,
}

const SESSION: SessionId = SessionId(7);

impl Machine {
    fn new(messages: &Blocks) -> Machine {
        let hour = Nanos::from_secs(3_600);
        let snapshots = Snapshots::new(Config {
            holdback_bytes: messages.byte_len() + 2 * messages.len() + 1_024,
            begin: hour,
            idle: hour,
            whole: hour,
            confirm: hour,
            retry: Nanos(1),
            retry_max: Nanos(1),
        });
        Machine { snapshots, counters: Counters::new(), now: 1 }
    }

    /// One snapshot: asked for, begun, whole, joined to what was held back meanwhile. Bytes that came back.
    fn cycle(&mut self, messages: &Blocks) -> usize {
        let Machine { snapshots, counters, .. } = self;
        self.now += 1_000;
        let now = Mono(self.now);
        snapshots.want(now, SESSION, SeqNo::FIRST, counters);
        let mut asked = false;
        // BOUND: a request, and a drop of an earlier one at most.
        while let Some(action) = snapshots.next_action() {
            asked |= matches!(action, Action::Snapshot(_));
        }
        if !asked {
            return 0;
        }
        snapshots.hold_from(SeqNo::FIRST, counters);
        let cycle = snapshots.cycle();
        let begin = SnapshotPart::Begin { session: SESSION };
        let _ = snapshots.on_part(now, cycle, &begin, SESSION, counters);
        let mut next = SeqNo::FIRST;
        for message in messages.iter() {
            let _ = snapshots.hold(now, next, black_box(message), counters);
            next = next.next();
        }
        let end = SnapshotPart::End { next: SeqNo::FIRST };
        let _ = snapshots.on_part(now, cycle, &end, SESSION, counters);
        let Verdict::Splice(splice) = snapshots.verdict(now, next, next, counters) else {
            return 0;
        };
        let mut bytes = 0;
        while let Some((_, message)) = snapshots.take_held(&splice) {
            bytes += black_box(message).len();
        }
        snapshots.done(now, splice, counters);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_was_held_comes_back_in_order() {
        let messages = itch::flow(20, 0, 3_000).measured;
        let mut machine = Machine::new(&messages);
        for _ in 0..3 {
            assert_eq!(machine.cycle(&messages), messages.byte_len());
        }
        // Room for less: the snapshot fails, and nothing is taken for a round.
        let half: Blocks = messages.iter().take(1_000).collect();
        assert_eq!(Machine::new(&half).cycle(&messages), 0);
    }
}

//! What operators are told of, as it happens: partitions that go stale or live again, and what
//! happened to their sequences. Lanes put it into a bounded queue and never wait; the handler's own
//! thread writes it to standard error, a line an event.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use candor_core::{LossKind, Mono, Reason, SessionId, Status};
use candor_engine::{Notice, Step};
use crossbeam_queue::ArrayQueue;

/// Events that wait to be written.
const ROOM: usize = 1_024;

/// Something an operator is told of.
#[derive(Clone, Copy, Debug)]
pub enum Told {
    /// The partition's own status is another.
    Status {
        /// The status.
        status: Status,
        /// The session followed.
        session: SessionId,
    },
    /// Something happened to its sequence.
    Notice(Notice),
    /// Recovery took a step.
    Step(Step),
}

/// The queue from the lanes to the handler's own thread.
#[derive(Debug)]
pub struct Log {
    queue: ArrayQueue<(u16, Mono, Told)>,
    missed: AtomicU64,
}

impl Log {
    /// An empty log.
    #[must_use]
    pub fn new() -> Log {
        Log { queue: ArrayQueue::new(ROOM), missed: AtomicU64::new(0) }
    }

    /// Tells of a partition what happened to it at this time, unless the loss log and the counters have it:
    /// one line's losses, and gaps that the other line fills in time.
    pub fn push(&self, partition: u16, at: Mono, told: Told) {
        let elsewhere = match told {
            Told::Notice(Notice::GapOpened { .. }) => true,
            Told::Notice(Notice::Loss(loss)) => {
                matches!(loss.kind, LossKind::OneLine | LossKind::GapFilled)
            }
            Told::Status { .. } | Told::Notice(_) | Told::Step(_) => false,
        };
        if !elsewhere && self.queue.push((partition, at, told)).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes what has come since the last time, but for what happens every day: a partition is joined and
    /// left. `name` says what a partition is called; `also` gets all of it. How much found no room is returned.
    pub fn write(
        &self,
        name: impl Fn(u16) -> String,
        mut also: impl FnMut(u16, Mono, &Told),
    ) -> u64 {
        // BOUND: what the queue can hold; what comes meanwhile waits for the next time.
        for _ in 0..ROOM {
            let Some((partition, at, told)) = self.queue.pop() else { break };
            also(partition, at, &told);
            let partition = name(partition);
            match told {
                Told::Status { status, .. }
                    if matches!(
                        status.reason(),
                        Some(Reason::Unsubscribed | Reason::NotStarted)
                    ) => {}
                Told::Status { status, .. } if status.is_live() => {
                    tracing::info!(partition, "{told}");
                }
                Told::Step(Step::SnapshotBegun | Step::Spliced { .. }) => {
                    tracing::info!(partition, "{told}");
                }
                _ => tracing::warn!(partition, "{told}"),
            }
        }
        self.missed.swap(0, Ordering::Relaxed)
    }
}

impl Default for Log {
    fn default() -> Self {
        Log::new()
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Told::Status { status, session } => match status.reason() {
                None => write!(f, "Live, session {session}"),
                Some(reason) => write!(f, "Stale({reason}): {}", reason.text()),
            },
            Told::Notice(notice) => write_notice(notice, f),
            Told::Step(step) => step.fmt(f),
        }
    }
}

fn write_notice(notice: &Notice, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match notice {
        Notice::Started { session, first } => {
            write!(f, "session {session} heard for the first time, at number {first}")
        }
        Notice::Loss(loss) => {
            write!(f, "{} {} ({} numbers)", loss.kind.label(), loss.range, loss.range.len())?;
            write!(f, " after {}", loss.missing_for)
        }
        Notice::GapOpened { range, .. } => write!(f, "gap {range}"),
        Notice::SessionChanged { from, to } => write!(f, "session {from} became {to}"),
        Notice::Restarted { session } => {
            write!(f, "numbers restarted under the same session, {session}")
        }
        Notice::OldSession { session, line } => {
            write!(f, "line {line} still carries session {session}, which was left behind; refused")
        }
        Notice::LinesDiffer { seq, line } => {
            write!(f, "line {line} carries other bytes under number {seq}")
        }
        Notice::Ended { last } => write!(f, "the venue ended the session at number {last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_core::{Line, Loss, Nanos, Refusal, SeqNo, SeqRange};
    use candor_snapshot::Failure;

    #[test]
    fn an_operator_reads_sentences() {
        let session = SessionId::from_text(*b"DAY0000001");
        let range = SeqRange::between(SeqNo(4), SeqNo(9));
        let loss = Loss {
            kind: LossKind::GapLost,
            range,
            session,
            line: None,
            filled_by: None,
            at: Mono(1),
            missing_for: Nanos::from_millis(12),
        };
        let told = [
            Told::Status { status: Status::stale(Reason::Gap), session },
            Told::Notice(Notice::Loss(loss)),
            Told::Notice(Notice::LinesDiffer { seq: SeqNo(7), line: Line::B }),
            Told::Step(Step::RetransmitGivenUp { end: SeqNo(9), for_good: true }),
            Told::Step(Step::SnapshotAsked { needs: SeqNo(9), symbols_only: false }),
            Told::Step(Step::SnapshotBegun),
            Told::Step(Step::SnapshotFailed { why: Failure::Refused(Refusal::LoginRefused) }),
            Told::Step(Step::Spliced { next: SeqNo(12) }),
        ];
        assert_eq!(
            told.map(|told| told.to_string()),
            [
                "Stale(Gap): messages are missing on every line",
                "gap-lost 4-8 (5 numbers) after 12 ms",
                "line B carries other bytes under number 7",
                "what is missing before 9 can't be had by retransmission; given up",
                "a snapshot of everything before 9 is asked for",
                "the snapshot begins; the books are built anew",
                "the snapshot came to nothing (login_refused); another one follows",
                "the snapshot joins the stream at 12",
            ]
        );
    }

    #[test]
    fn what_does_not_fit_is_counted_and_what_happens_all_day_is_left_out() {
        let log = Log::new();
        let range = SeqRange::between(SeqNo(1), SeqNo(2));
        log.push(0, Mono(1), Told::Notice(Notice::GapOpened { range, at: Mono(1) }));
        assert!(log.queue.is_empty());
        for _ in 0..ROOM + 3 {
            log.push(0, Mono(1), Told::Notice(Notice::Ended { last: SeqNo(1) }));
        }
        assert_eq!(log.missed.load(Ordering::Relaxed), 3);
        let mut also = 0;
        assert_eq!(log.write(|partition| partition.to_string(), |_, _, _| also += 1), 3);
        assert_eq!(also, ROOM);
        assert!(log.queue.is_empty());
    }
}

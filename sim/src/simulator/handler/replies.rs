//! What the venue's services answered, put before the partition that asked.

use candor_core::{Answer, ByteOrder, Messages, Mono, SnapshotPart};

use super::{Handler, Traces};
use crate::simulator::errands::Reply;
use crate::simulator::frozen::{allocations, frozen};
use crate::simulator::journal::Told;

impl Handler {
    /// Gives a partition of the lane the next reply of the venue's services, if there is one: which.
    pub(in crate::simulator) fn reply(
        &mut self,
        index: usize,
        now: Mono,
        traces: &mut Traces<'_>,
    ) -> Option<usize> {
        let errands = self.errands.as_mut()?;
        if !errands.has_replies() {
            return None;
        }
        let own = |at: &usize| self.seats[*at].lane == index && errands.has_reply(*at);
        let at = (0..self.seats.len()).find(own)?;
        let reply = errands.reply(at)?;
        let before = allocations();
        match &reply {
            Reply::Payload { run, bytes } => {
                traces.journal.note(
                    now,
                    at as u16,
                    Told::Reply("datagram, bytes", bytes.len() as u64),
                );
                let lacked_start = self.seats[at].watch.lacks_start();
                let answer = self.with(at, now, traces, |partition, tap| {
                    frozen(|| partition.on_retransmit(now, bytes, tap))
                });
                let watch = &mut self.seats[at].watch;
                if let Answer::Filled { range } = answer {
                    watch.answered(*run, range.first.0, range.end.0, lacked_start);
                }
            }
            Reply::Refused(refused) => {
                let first = refused.range.first.0;
                traces.journal.note(now, at as u16, Told::Reply(refused.why.label(), first));
                self.with(at, now, traces, |partition, tap| {
                    frozen(|| partition.on_refused(now, refused, tap));
                });
            }
            Reply::Begin { .. }
            | Reply::Messages { .. }
            | Reply::End { .. }
            | Reply::Failed { .. } => {
                self.snapshot(at, &reply, now, traces);
            }
        }
        let watch = &mut self.seats[at].watch;
        if allocations() != before {
            watch.blame(|| "a reply of the services allocates".to_owned());
        }
        watch.end_splice(now);
        watch.settle();
        Some(at)
    }

    fn snapshot(&mut self, at: usize, reply: &Reply, now: Mono, traces: &mut Traces<'_>) {
        let (cycle, part, told) = match reply {
            Reply::Begin { cycle, session } => {
                self.seats[at].watch.claimed = *session;
                let part = SnapshotPart::Begin { session: *session };
                (*cycle, part, Told::Reply("snapshot begins, cycle", u64::from(*cycle)))
            }
            Reply::Messages { cycle, count, bytes } => {
                let Ok(messages) = Messages::walk(bytes, *count, ByteOrder::Big) else {
                    return self.seats[at]
                        .watch
                        .blame(|| "a client makes a broken block".to_owned());
                };
                let told = Told::Reply("snapshot messages", u64::from(*count));
                (*cycle, SnapshotPart::Messages(messages), told)
            }
            Reply::End { cycle, next, made } => {
                // What the service sent, not what its client made of that.
                self.seats[at].watch.offered = made.map(|(run, next)| (run, next.0));
                let told = Told::Reply("snapshot ends before", next.0);
                (*cycle, SnapshotPart::End { next: *next }, told)
            }
            Reply::Failed { cycle, why } => {
                (*cycle, SnapshotPart::Failed(*why), Told::Reply(why.label(), u64::from(*cycle)))
            }
            Reply::Payload { .. } | Reply::Refused(_) => return,
        };
        traces.journal.note(now, at as u16, told);
        self.with(at, now, traces, |partition, tap| {
            frozen(|| partition.on_snapshot(now, cycle, &part, tap));
        });
    }
}

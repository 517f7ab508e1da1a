//! A lane: one thread, the queues it polls and the partitions it owns. Lanes share nothing but the
//! stop flag, the inboxes through which one tells another of a symbol that is in both, and those
//! through which the handler's own thread says which partitions are joined, and what a map changes.
//!
//! A duty cycle reads the clock once, takes one batch and what the venue's services have answered, lets
//! the partitions whose deadline has come act, hands on what they want of the services, and renews the
//! lane's lease. It allocates nothing, takes no lock and, while packets come, makes no system call of its
//! own but to wake a recovery thread that sleeps; the kernel's drop counters are read every ten
//! milliseconds.

#[cfg(test)]
mod behind;
pub(crate) mod build;
#[cfg(test)]
mod day;
#[cfg(test)]
mod days;
mod map;
#[cfg(test)]
mod overrun;
#[cfg(test)]
mod rolls;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use candor_core::counters::{Counter, Counters, LaneCounter};
use candor_core::limits::RECOVERY_REPLIES_A_CYCLE;
use candor_core::{Action, Mono, Nanos, Refusal, Refused, SnapshotPart};
use candor_engine::Partition;
use candor_shm::LaneWriter;
use crossbeam_queue::ArrayQueue;

use crate::clock::Clock;
use crate::config::Idle;
use crate::control::inbox::Inbox;
use crate::daily::handover::Way;
use crate::publish::{Foreign, Links, Publisher};
use crate::recovery::{self, Mailbox, What};
use crate::source::{Polled, Source, SourceCounts, SourceError};

/// How often the kernel's drop counters are read: what they show can't wait for a heartbeat.
const COUNTS_EVERY: Nanos = Nanos::from_millis(10);

/// How often counters are copied to the region.
const FLUSH_EVERY: Nanos = Nanos::from_millis(1);

/// Claims looked at in one cycle at most.
const CLAIMS_A_CYCLE: usize = 64;

/// Longest wait for packets, however long the lease: an order is not to wait for longer.
const IDLE_AT_MOST: Nanos = Nanos::from_millis(50);

/// Everything one lane needs.
pub(crate) struct Lane {
    pub(crate) index: usize,
    pub(crate) source: Box<dyn Source>,
    pub(crate) writer: LaneWriter,
    /// The partitions this lane owns, with their number in the region; with room for those that maps may add.
    pub(crate) partitions: Vec<(u16, Partition)>,
    /// Whether each is joined.
    pub(crate) subscribed: Vec<bool>,
    /// By number in the region: where in `partitions`, `None` when another lane's.
    pub(crate) places: Vec<Option<usize>>,
    /// Symbols of our partitions that were seen elsewhere.
    pub(crate) inbox: Arc<ArrayQueue<Foreign>>,
    /// What an operator wants of our partitions.
    pub(crate) orders: Arc<Inbox>,
    /// What a map that is taken changes of our partitions.
    pub(crate) maps: Arc<Way>,
    /// The way to the venue's services; `None` where nothing of ours has any.
    pub(crate) recovery: Option<Mailbox>,
    pub(crate) links: Links,
    pub(crate) lease: Nanos,
    /// The end of the trading date: no lease reaches beyond it, so that a map is never used for the
    /// next day, whether or not anything runs then that would say so.
    pub(crate) day_ends: Mono,
    pub(crate) idle: Idle,
    pub(crate) stop: Arc<AtomicBool>,
}

/// What a lane remembers from cycle to cycle.
struct Progress {
    clock: Clock,
    touched: Vec<bool>,
    /// What the source says of each partition's packets: refused before they came to it, or taken
    /// unverified.
    by_source: Vec<Counters>,
    lease_until: Mono,
    next_counts: Mono,
    next_flush: Mono,
    counts: SourceCounts,
    frames: u64,
    cycles: u64,
    idle_cycles: u64,
    stalls: u64,
    misdirected: u64,
    /// Frames that reached no lane or the wrong one, when last looked at.
    astray: u64,
    disturbances: u64,
    /// Everything that had come by then has been looked at.
    looked: Mono,
    /// The shortest bound of lateness of the lane's partitions.
    late: Nanos,
    /// What waits may have waited for longer than that.
    behind: bool,
}

impl Lane {
    /// Publishes what is known before the first packet, then runs until told to stop. Leaves every
    /// partition unsubscribed and the lane's lease run out.
    ///
    /// # Errors
    /// Where the source fails for good. The partitions are stale then, too.
    pub(crate) fn run(mut self) -> Result<(), SourceError> {
        let mut progress = self.progress();
        self.start(&mut progress);
        let mut outcome = Ok(());
        while !self.stop.load(Ordering::Relaxed) && outcome.is_ok() {
            outcome = self.cycle(&mut progress);
        }
        self.leave(&mut progress);
        outcome
    }

    /// Nothing yet, with room for what maps may add.
    fn progress(&self) -> Progress {
        let late = self.partitions.iter().map(|(_, one)| one.late()).min();
        let late = late.unwrap_or(Nanos(u64::MAX));
        Progress {
            clock: Clock::new(),
            touched: with_room(true, &self.partitions),
            by_source: with_room(Counters::new(), &self.partitions),
            lease_until: Mono::NEVER,
            next_counts: Mono::NEVER,
            next_flush: Mono::NEVER,
            counts: SourceCounts::default(),
            frames: 0,
            cycles: 0,
            idle_cycles: 0,
            stalls: 0,
            misdirected: 0,
            astray: 0,
            disturbances: 0,
            looked: Mono::NEVER,
            late,
            behind: false,
        }
    }

    fn start(&mut self, progress: &mut Progress) {
        let now = progress.clock.now();
        for (at, (number, partition)) in self.partitions.iter_mut().enumerate() {
            let (writer, links) = (&mut self.writer, &self.links);
            let mut sink = Publisher { writer, partition: *number, links };
            partition.start(now, &mut sink);
            partition.subscribe(now, self.subscribed[at], &mut sink);
        }
        // What happened before the first cycle is no stall: the lease begins here.
        let now = progress.clock.now();
        progress.lease_until = now + self.lease;
        self.writer.renew(progress.lease_until.min(self.day_ends));
    }

    fn leave(&mut self, progress: &mut Progress) {
        let now = progress.clock.now();
        for (number, partition) in &mut self.partitions {
            let (writer, links) = (&mut self.writer, &self.links);
            let mut sink = Publisher { writer, partition: *number, links };
            partition.subscribe(now, false, &mut sink);
        }
        progress.touched.fill(true);
        self.flush(progress);
        self.writer.renew(Mono::NEVER);
    }

    fn cycle(&mut self, progress: &mut Progress) -> Result<(), SourceError> {
        let now = progress.clock.now();
        progress.cycles += 1;
        if now > progress.lease_until {
            // We stood still for longer than we vouched for. Readers saw it by themselves; now
            // nothing that waited in a queue meanwhile proves where the venue is.
            progress.stalls += 1;
            self.stall(now, progress);
        }
        let disturbances = self.links.disturbances();
        if disturbances != progress.disturbances {
            progress.disturbances = disturbances;
            self.stall(now, progress);
        }
        if now >= progress.next_counts {
            progress.next_counts = now + COUNTS_EVERY;
            self.read_counts(now, progress);
        }
        if !self.orders.is_empty() {
            self.obey(now, progress);
        }
        if !self.maps.is_empty() {
            self.take_map(now, progress);
        }
        let polled = self.poll(now, progress)?;
        if !self.inbox.is_empty() {
            self.take_claims(now);
        }
        self.take_replies(now, progress);
        let deadline = self.deadlines(now, progress);
        if now >= progress.next_flush {
            progress.next_flush = now + FLUSH_EVERY;
            self.flush(progress);
        }
        progress.lease_until = now + self.lease;
        self.writer.renew(progress.lease_until.min(self.day_ends));
        if polled.frames == 0 {
            progress.idle_cycles += 1;
            let replies = self.recovery.as_ref().is_some_and(Mailbox::has_reply);
            if self.idle == Idle::Block && !replies {
                // A quarter of the lease: three renewals may be late before a reader sees it.
                let patience = Nanos(self.lease.0 / 4).min(IDLE_AT_MOST);
                // No reply wakes the source: it is looked for often enough while one may come.
                let warm = self.recovery.as_ref().is_some_and(|mailbox| mailbox.is_warm(now));
                let patience = if warm { patience.min(recovery::WARM_WAIT) } else { patience };
                let at_most = deadline.map_or(patience, |at| at.since(now).min(patience));
                self.source.wait(at_most)?;
                if polled.drained {
                    // What comes wakes us: how long that takes is a matter of the lease.
                    progress.looked = progress.clock.now();
                }
            }
        }
        Ok(())
    }

    fn poll(&mut self, now: Mono, progress: &mut Progress) -> Result<Polled, SourceError> {
        let Lane { source, writer, partitions, places, links, .. } = self;
        let Progress { touched, misdirected, .. } = progress;
        let polled = source.poll(&mut |arrival| {
            let place = places.get(usize::from(arrival.partition)).copied().flatten();
            let Some(at) = place else {
                *misdirected += 1;
                return;
            };
            touched[at] = true;
            let (number, partition) = &mut partitions[at];
            let mut sink = Publisher { writer, partition: *number, links };
            partition.on_packet(now, arrival.at, arrival.line, arrival.payload, &mut sink);
        })?;
        progress.frames += u64::from(polled.frames);
        self.weigh(now, &polled, progress);
        Ok(polled)
    }

    /// Whether what waits behind a busy partition's packets may be any other's newest, and for how long it may have
    /// waited: longer than is promised, and none of them is Live until all of it has been looked at.
    fn weigh(&mut self, now: Mono, polled: &Polled, progress: &mut Progress) {
        if polled.drained {
            progress.looked = now;
        } else if let Some(since) = polled.waits_since {
            progress.looked = progress.looked.max(since.min(now));
        }
        let behind = now.since(progress.looked) > progress.late;
        if behind != progress.behind {
            progress.behind = behind;
            self.fall_behind(now, progress);
        }
    }

    #[cold]
    fn fall_behind(&mut self, now: Mono, progress: &mut Progress) {
        for (at, (number, partition)) in self.partitions.iter_mut().enumerate() {
            progress.touched[at] = true;
            let (writer, links) = (&mut self.writer, &self.links);
            let mut sink = Publisher { writer, partition: *number, links };
            partition.on_backlog(now, progress.behind, &mut sink);
        }
    }

    /// Lets every partition act whose deadline has come, and hands on what it wants of the venue's
    /// services; answers the next deadline of any.
    fn deadlines(&mut self, now: Mono, progress: &mut Progress) -> Option<Mono> {
        let mut next: Option<Mono> = None;
        let mut asked = false;
        for (at, (number, partition)) in self.partitions.iter_mut().enumerate() {
            let (writer, links) = (&mut self.writer, &self.links);
            let mut sink = Publisher { writer, partition: *number, links };
            if partition.deadline().is_some_and(|deadline| deadline <= now) {
                progress.touched[at] = true;
                partition.on_deadline(now, &mut sink);
            }
            if let Some(mailbox) = &mut self.recovery {
                // BOUND: what is refused here is not wanted again before a back-off.
                while let Some(action) = partition.next_action() {
                    progress.touched[at] = true;
                    asked = true;
                    if !mailbox.want(*number, action) {
                        overrun(now, &action, partition, &mut sink);
                    }
                }
            }
            if let Some(deadline) = partition.deadline() {
                next = Some(next.map_or(deadline, |other| other.min(deadline)));
            }
        }
        if let Some(mailbox) = self.recovery.as_ref().filter(|_| asked) {
            mailbox.send();
        }
        next
    }

    /// Gives the partitions what the venue's services have answered, a bounded part of it.
    fn take_replies(&mut self, now: Mono, progress: &mut Progress) {
        let Some(mailbox) = &mut self.recovery else { return };
        for _ in 0..RECOVERY_REPLIES_A_CYCLE {
            let Some(reply) = mailbox.next(now) else { break };
            let place = self.places.get(usize::from(reply.partition)).copied().flatten();
            let Some(at) = place else { continue };
            progress.touched[at] = true;
            let (number, partition) = &mut self.partitions[at];
            let (writer, links) = (&mut self.writer, &self.links);
            let mut sink = Publisher { writer, partition: *number, links };
            match reply.what {
                What::Payloads(payloads) => {
                    for payload in payloads.iter() {
                        let _ = partition.on_retransmit(now, payload, &mut sink);
                    }
                    mailbox.give_back(payloads.into_buffer());
                }
                What::Refused(refused) => partition.on_refused(now, &refused, &mut sink),
                What::Begin { cycle, session } => {
                    let part = SnapshotPart::Begin { session };
                    partition.on_snapshot(now, cycle, &part, &mut sink);
                }
                What::Messages { cycle, buffer, len, count } => {
                    let part = match recovery::messages(&buffer, len, count) {
                        Some(messages) => SnapshotPart::Messages(messages),
                        None => SnapshotPart::Failed(Refusal::Malformed),
                    };
                    partition.on_snapshot(now, cycle, &part, &mut sink);
                    mailbox.give_back(buffer);
                }
                What::End { cycle, next } => {
                    let part = SnapshotPart::End { next };
                    partition.on_snapshot(now, cycle, &part, &mut sink);
                }
                What::Failed { cycle, why } => {
                    let part = SnapshotPart::Failed(why);
                    partition.on_snapshot(now, cycle, &part, &mut sink);
                }
            }
        }
    }

    fn stall(&mut self, now: Mono, progress: &mut Progress) {
        for (at, (number, partition)) in self.partitions.iter_mut().enumerate() {
            progress.touched[at] = true;
            let (writer, links) = (&mut self.writer, &self.links);
            let mut sink = Publisher { writer, partition: *number, links };
            partition.on_stall(now, &mut sink);
        }
    }

    /// The kernel's own counters. What it dropped may have been anybody's newest packet.
    fn read_counts(&mut self, now: Mono, progress: &mut Progress) {
        let counts = self.source.counts();
        if counts.dropped() > progress.counts.dropped() {
            self.stall(now, progress);
        }
        let astray = progress.misdirected + counts.misdirected + counts.meta_failed;
        if astray > progress.astray {
            // Somebody else's packets came here, or ours went nowhere: every lane may miss some.
            self.links.disturb();
        }
        progress.astray = astray;
        progress.counts = counts;
    }

    /// Does what an operator wants, before anything that arrives from here on is looked at.
    fn obey(&mut self, now: Mono, progress: &mut Progress) {
        // BOUND: what the inbox holds, by people's doing.
        while let Some(order) = self.orders.next() {
            let place = self.places.get(usize::from(order.partition)).copied().flatten();
            if let Some(at) = place {
                progress.touched[at] = true;
                let (number, partition) = &mut self.partitions[at];
                let (writer, links) = (&mut self.writer, &self.links);
                let mut sink = Publisher { writer, partition: *number, links };
                partition.subscribe(now, order.subscribe, &mut sink);
            }
            self.orders.done(order.ticket);
        }
    }

    fn take_claims(&mut self, now: Mono) {
        for _ in 0..CLAIMS_A_CYCLE {
            let Some(foreign) = self.inbox.pop() else { break };
            self.claimed(now, &foreign);
        }
    }

    fn flush(&mut self, progress: &mut Progress) {
        let (places, Progress { touched, by_source, misdirected, .. }) =
            (&self.places, &mut *progress);
        let place = |partition: u16| places.get(usize::from(partition)).copied().flatten();
        self.source.refused(&mut |partition, reject, packets| match place(partition) {
            Some(at) => {
                touched[at] = true;
                by_source[at].reject_unframed(reject, packets);
            }
            None => *misdirected += packets,
        });
        self.source.unverified(&mut |partition, packets| {
            // Another lane's was counted as misdirected when it was delivered.
            if let Some(at) = place(partition) {
                touched[at] = true;
                by_source[at].add(Counter::UdpUnverified, packets);
            }
        });
        for (at, (number, partition)) in self.partitions.iter().enumerate() {
            if std::mem::take(&mut progress.touched[at]) {
                self.writer.counters(*number, &partition.counters().plus(&progress.by_source[at]));
            }
        }
        let counts = &progress.counts;
        // Of the whole handler.
        let (halts, resumes) = if self.index == 0 { self.links.halts() } else { (0, 0) };
        for (counter, value) in [
            (LaneCounter::Frames, progress.frames),
            (LaneCounter::Cycles, progress.cycles),
            (LaneCounter::IdleCycles, progress.idle_cycles),
            (LaneCounter::Stalls, progress.stalls),
            (LaneCounter::ClockHeld, progress.clock.held()),
            (LaneCounter::Misdirected, progress.misdirected + counts.misdirected),
            (LaneCounter::RxRingFull, counts.rx_ring_full),
            (LaneCounter::FillRingEmpty, counts.fill_ring_empty),
            (LaneCounter::RxDropped, counts.rx_dropped),
            (LaneCounter::RxInvalid, counts.rx_invalid),
            (LaneCounter::TooLong, counts.too_long),
            (LaneCounter::Fragments, counts.fragments),
            (LaneCounter::Malformed, counts.malformed),
            (LaneCounter::MetaFailed, counts.meta_failed),
            (LaneCounter::OtherSource, counts.other_source),
            (LaneCounter::ClaimsDropped, self.links.claims_dropped()),
            (LaneCounter::Halts, halts),
            (LaneCounter::Resumes, resumes),
        ] {
            self.writer.lane_counter(counter, value);
        }
    }
}

/// One for each partition there is, and room for those that maps may add.
fn with_room<T: Clone>(one: T, partitions: &Vec<(u16, Partition)>) -> Vec<T> {
    let mut all = Vec::with_capacity(partitions.capacity());
    all.resize(partitions.len(), one);
    all
}

/// There is no room for a wish: its partition is told at once.
#[cold]
fn overrun(now: Mono, action: &Action, partition: &mut Partition, sink: &mut Publisher<'_>) {
    let why = Refusal::Overrun;
    match action {
        Action::Retransmit(ask) => {
            let refused = Refused { session: ask.session, range: ask.range, why };
            partition.on_refused(now, &refused, sink);
        }
        Action::Snapshot(ask) => {
            partition.on_snapshot(now, ask.cycle, &SnapshotPart::Failed(why), sink);
        }
        // What still comes of it is of a cycle that is over, and ignored.
        Action::DropSnapshot { .. } => {}
    }
}

//! A lane's duty cycle: when it is due, what it finds in its queue, what it does at the end.

use candor_core::{Action, Mono, Nanos};

use super::{Handler, Lane, Seat, Traces, format};
use crate::simulator::Setup;
use crate::simulator::errands::Errands;
use crate::simulator::frozen::{allocations, frozen};
use crate::simulator::journal::{NOWHERE, Told};
use crate::simulator::network::Arrival;

/// How often the kernel's drop counters are read.
const COUNTS_EVERY: Nanos = Nanos::from_millis(10);

/// Packets of one poll.
const BATCH: usize = 64;

impl Handler {
    /// When a lane does something next.
    pub(in crate::simulator) fn due(&mut self, setup: &Setup) -> Option<Mono> {
        (0..self.lanes.len()).map(|lane| self.lane_due(lane, setup)).min()
    }

    pub(in crate::simulator) fn lane_due(&mut self, index: usize, setup: &Setup) -> Mono {
        let lane = &mut self.lanes[index];
        if let Some(until) = lane.stalled_until {
            return until;
        }
        let soonest = lane.last_cycle + setup.poll;
        let renewal = lane.last_cycle + Nanos(setup.lease.0 / 4);
        let packet = lane.queue.front().map(|arrival| arrival.at.max(soonest));
        let seats = &self.seats;
        let deadline = *lane.deadline.get_or_insert_with(|| {
            let own = seats.iter().filter(|seat| seat.lane == index && seat.open);
            own.filter_map(|seat| seat.partition.deadline()).min()
        });
        let deadline = deadline.map(|at| at.max(soonest));
        let waits = |errands: &Errands| {
            let mut own = (0..seats.len()).filter(|at| seats[*at].lane == index);
            errands.has_replies() && own.any(|at| errands.has_reply(at))
        };
        let reply = self.errands.as_ref().is_some_and(waits).then_some(soonest);
        [Some(renewal), packet, deadline, reply].into_iter().flatten().min().unwrap_or(renewal)
    }

    /// The front of a lane's work: the stall that may lie behind it. Call [`Handler::packet`] up to
    /// a batch of times next, then [`Handler::end_cycle`].
    pub(in crate::simulator) fn begin_cycle(
        &mut self,
        index: usize,
        now: Mono,
        traces: &mut Traces<'_>,
    ) {
        self.call_map(index, now, traces);
        let lane = &mut self.lanes[index];
        lane.stalled_until = None;
        let mut stalled = now > lane.lease;
        lane.stalls += u64::from(stalled);
        if now >= lane.next_counts {
            lane.next_counts = now + COUNTS_EVERY;
            stalled |= lane.dropped > lane.dropped_seen;
            lane.dropped_seen = lane.dropped;
        }
        if stalled {
            traces.journal.note(now, NOWHERE, Told::Stalled(index));
            for at in 0..self.seats.len() {
                if self.seats[at].lane == index && self.seats[at].open {
                    self.with(at, now, traces, |partition, tap| partition.on_stall(now, tap));
                    let watch = &mut self.seats[at].watch;
                    watch.said.stalled = watch.said.stalled.max(Some(now));
                }
            }
        }
    }

    /// Puts the next packet of a lane's queue before its partition, if one has arrived.
    pub(in crate::simulator) fn packet(
        &mut self,
        index: usize,
        now: Mono,
        traces: &mut Traces<'_>,
    ) -> Option<Arrival> {
        let arrival = self.lanes[index].queue.pop_front()?;
        self.lanes[index].taken = arrival.at;
        let (at, tag) = (arrival.at, arrival.tag);
        traces.journal.note(now, tag.partition as u16, Told::Took(tag, at));
        let before = allocations();
        self.with(tag.partition, now, traces, |partition, tap| {
            frozen(|| partition.on_packet(now, at, tag.line, &arrival.bytes, tap));
        });
        let Seat { partition, watch, .. } = &mut self.seats[tag.partition];
        let allocated = allocations() - before;
        if allocated > 0 {
            watch.blame(|| format!("the data path allocates, {allocated} times for one packet"));
        }
        // Asked for what is odd alone.
        let name =
            || format(self.setup.venue).frame(&arrival.bytes).ok().map(|packet| packet.session);
        let odd = tag.echo || watch.run != Some(tag.run);
        let name = if odd { name() } else { None };
        let same_name = name == Some(partition.session());
        watch.took(now, at, &tag, same_name, &self.setup);
        if name.is_some_and(|name| !same_name && watch.is_rival(name)) {
            watch.contested(now);
        }
        Some(arrival)
    }

    /// Whether another packet belongs to the batch under way.
    pub(in crate::simulator) fn has_packet(&self, index: usize, now: Mono, taken: usize) -> bool {
        let front = self.lanes[index].queue.front();
        taken < BATCH && front.is_some_and(|arrival| arrival.at <= now)
    }

    /// Whether what is left in a lane's queue may have waited for longer than the bound; it is in order.
    fn weigh(&mut self, index: usize, now: Mono, setup: &Setup, traces: &mut Traces<'_>) {
        let lane = &mut self.lanes[index];
        let left = lane.queue.front().is_some_and(|arrival| arrival.at <= now);
        let behind = left && now.since(lane.taken) > setup.late;
        if !core::mem::replace(&mut lane.behind, behind) && !behind {
            return;
        }
        for at in 0..self.seats.len() {
            let seat = &self.seats[at];
            if seat.lane == index && seat.open && seat.watch.waits != behind {
                self.with(at, now, traces, |partition, tap| partition.on_backlog(now, behind, tap));
                self.seats[at].watch.waits = behind;
            }
        }
    }

    /// The rest of a duty cycle: claims, deadlines, the lane's lease.
    pub(in crate::simulator) fn end_cycle(
        &mut self,
        index: usize,
        now: Mono,
        setup: &Setup,
        traces: &mut Traces<'_>,
    ) {
        self.weigh(index, now, setup, traces);
        while let Some((home, symbol, claim)) = self.claims.pop() {
            let home = usize::from(home);
            self.with(home, now, traces, |partition, tap| {
                partition.on_claimed(now, &symbol, claim, tap);
            });
        }
        for at in 0..self.seats.len() {
            let seat = &self.seats[at];
            let due = seat.partition.deadline().is_some_and(|due| due <= now);
            if seat.lane == index && seat.open && due {
                let before = allocations();
                self.with(at, now, traces, |partition, tap| {
                    frozen(|| partition.on_deadline(now, tap));
                });
                let watch = &mut self.seats[at].watch;
                if allocations() != before {
                    watch.blame(|| "a deadline allocates".to_owned());
                }
                watch.end_splice(now);
                watch.settle();
            }
        }
        self.maps.proceed();
        if let Some((map, until)) = self.wanted.take_if(|_| !self.maps.is_taking()) {
            self.take_map(map, until, now);
        }
        self.lanes[index].renew(now, setup.lease);
        let Some(errands) = &mut self.errands else { return };
        for at in 0..self.seats.len() {
            let seat = &mut self.seats[at];
            if seat.lane != index {
                continue;
            }
            // BOUND: each action is said once.
            while let Some(action) = frozen(|| seat.partition.next_action()) {
                self.lanes[index].deadline = None;
                traces.journal.note(now, at as u16, Told::Asked(action));
                traces.digest.words([11, at as u64, fold_of(&action)]);
                errands.act(now, at as u16, action);
            }
        }
    }
}

impl Lane {
    pub(super) fn renew(&mut self, now: Mono, lease: Nanos) {
        self.last_cycle = now;
        self.lease = now + lease;
        self.writer.renew(self.lease);
    }
}

/// An action in a word.
fn fold_of(action: &Action) -> u64 {
    match action {
        Action::Retransmit(ask) => {
            ask.range.first.0 << 24 ^ ask.range.end.0 << 3 ^ u64::from(ask.attempt)
        }
        Action::Snapshot(ask) => ask.needs.0 << 8 ^ u64::from(ask.cycle) ^ 1 << 62,
        Action::DropSnapshot { cycle } => u64::from(*cycle) | 1 << 63,
    }
}

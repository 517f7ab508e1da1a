//! What a lane does for a map that is taken while it runs.

use candor_core::Mono;
use candor_core::counters::Counters;
use candor_engine::Partition;
use candor_shm::LaneWriter;

use super::{Lane, Progress};
use crate::daily::handover::{Change, Phase, Seat};
use crate::publish::{Foreign, Links, Publisher};

impl Lane {
    /// Makes the call that the handler's own thread asks for to every partition of ours, and gives the change
    /// back. Allocates nothing and frees nothing: there is room for what a map may add.
    #[cold]
    pub(super) fn take_map(&mut self, now: Mono, progress: &mut Progress) {
        let Some(mut change) = self.maps.take() else { return };
        let Change { phase, date, seats, sockets } = &mut *change;
        if *phase == Phase::Begin {
            self.source.adopt(sockets);
        }
        if *phase == Phase::Finish {
            // Every lane has made its claims, and what they are is in the inbox by now.
            self.take_every_claim(now);
        }
        for seat in seats {
            if *phase == Phase::Begin {
                self.open(now, seat, progress);
                if let Some(date) = date {
                    self.writer.date(seat.number, *date);
                }
            }
            let place = self.places.get(usize::from(seat.number)).copied().flatten();
            let Some(at) = place else { continue };
            progress.touched[at] = true;
            let (number, partition) = &mut self.partitions[at];
            let (writer, links) = (&mut self.writer, &self.links);
            call(now, *phase, seat, partition, (writer, *number, links));
        }
        self.maps.give_back(change);
    }

    /// Opens the place of a partition that the map adds.
    fn open(&mut self, now: Mono, seat: &mut Seat, progress: &mut Progress) {
        let Some((spec, mut partition)) = seat.open.take() else {
            if let Some(lines) = seat.lines {
                self.writer.endpoints(seat.number, lines);
            }
            return;
        };
        self.writer.open(seat.number, &spec);
        let (writer, links) = (&mut self.writer, &self.links);
        let mut sink = Publisher { writer, partition: seat.number, links };
        partition.start(now, &mut sink);
        partition.subscribe(now, false, &mut sink);
        partition.on_backlog(now, progress.behind, &mut sink);
        progress.late = progress.late.min(partition.late());
        self.places[usize::from(seat.number)] = Some(self.partitions.len());
        self.partitions.push((seat.number, partition));
        progress.touched.push(true);
        progress.by_source.push(Counters::new());
    }

    fn take_every_claim(&mut self, now: Mono) {
        // BOUND: what the inbox holds.
        for _ in 0..self.inbox.capacity() {
            let Some(foreign) = self.inbox.pop() else { return };
            self.claimed(now, &foreign);
        }
    }

    pub(super) fn claimed(&mut self, now: Mono, Foreign { symbol, home, claim }: &Foreign) {
        let Some(at) = self.places.get(usize::from(*home)).copied().flatten() else { return };
        let (number, partition) = &mut self.partitions[at];
        let (writer, links) = (&mut self.writer, &self.links);
        let mut sink = Publisher { writer, partition: *number, links };
        partition.on_claimed(now, symbol, *claim, &mut sink);
    }
}

fn call(
    now: Mono,
    phase: Phase,
    seat: &mut Seat,
    partition: &mut Partition,
    (writer, number, links): (&mut LaneWriter, u16, &Links),
) {
    let mut sink = Publisher { writer, partition: number, links };
    match phase {
        Phase::Begin => {
            // What it knows as the map comes, before it is left.
            partition.begin_map(now, &mut seat.new, &mut sink);
            if seat.leave {
                partition.subscribe(now, false, &mut sink);
            }
        }
        Phase::Claim => {
            if seat.enter {
                partition.subscribe(now, true, &mut sink);
            }
            partition.claim_map(now, &seat.new, &mut sink);
        }
        Phase::Finish => partition.finish_map(now, &seat.new, &mut sink),
    }
}

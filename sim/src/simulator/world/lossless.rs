//! The handler that loses nothing: another of the same, to which each packet of the venue comes at once, on all lines,
//! and beside which nothing happens. What the one under test shows in the end must be what this one shows, bit for bit.
//!
//! It follows the run and never moves it: with it or without, everything else is the same.

use candor_core::{BookView, Mono, Nanos, Symbol};

use super::{START, World};
use crate::simulator::Setup;
use crate::simulator::checks::Wrong;
use crate::simulator::digest::Digest;
use crate::simulator::handler::{Halts, Handler, Traces};
use crate::simulator::journal::Journal;
use crate::simulator::maps::MapOf;
use crate::simulator::network::{Arrival, Tag};
use crate::simulator::past::Past;

/// Longer than any run.
const FOREVER: Nanos = Nanos::from_secs(40 * 24 * 3_600);

pub(super) struct Lossless {
    handler: Handler,
    setup: Setup,
    /// Partitions of which the wire alone does not say what is so: there is nothing to compare.
    apart: Vec<bool>,
    digest: Digest,
    journal: Journal,
}

impl Lossless {
    pub(super) fn start(
        setup: &Setup,
        listed: &[(Symbol, u16)],
        map: (MapOf, Mono),
    ) -> Box<Lossless> {
        // No lane of it stands still, whenever it is called.
        let setup = Setup { services: None, lease: FOREVER, late: FOREVER, ..setup.clone() };
        let (mut digest, mut journal) = (Digest::default(), Journal::new());
        let mut traces = Traces { digest: &mut digest, journal: &mut journal };
        let past = (&Halts::default(), Past::new(setup.partitions));
        let handler = Handler::start(&setup, listed, map, None, past, START, &mut traces);
        let apart = vec![false; setup.partitions];
        Box::new(Lossless { handler, setup, apart, digest, journal })
    }

    /// A packet is published.
    pub(super) fn take(&mut self, now: Mono, tag: Tag, bytes: &[u8]) {
        let lane = self.handler.seats[tag.partition].lane;
        let arrival = Arrival { at: now, tag, bytes: bytes.to_vec() };
        self.handler.arrive(arrival, usize::MAX, &mut self.journal);
        self.cycle(lane, now);
    }

    /// Lanes do what is due.
    pub(super) fn turn(&mut self, now: Mono) {
        for lane in 0..self.handler.lanes.len() {
            if self.handler.lane_due(lane, &self.setup) <= now {
                self.cycle(lane, now);
            }
        }
    }

    fn cycle(&mut self, lane: usize, now: Mono) {
        let Lossless { handler, setup, digest, journal, .. } = self;
        let mut traces = Traces { digest, journal };
        handler.begin_cycle(lane, now, &mut traces);
        // BOUND: what is in the queue.
        while handler.has_packet(lane, now, 0) {
            handler.packet(lane, now, &mut traces);
        }
        handler.end_cycle(lane, now, setup, &mut traces);
    }

    pub(super) fn give_map(&mut self, map: MapOf, until: Mono, now: Mono) {
        self.handler.take_map(map, until, now);
    }

    pub(super) fn begin_date(&mut self, at: Mono) {
        self.handler.past.begin(at);
    }

    /// Something has happened to a partition that no packet of the good lines says.
    pub(super) fn set_apart(&mut self, partition: usize) {
        self.apart[partition] = true;
    }

    /// The book of a symbol, where it is Live.
    fn book(&self, partition: usize, symbol: &Symbol, now: Mono) -> Option<BookView> {
        let seat = &self.handler.seats[partition];
        let at = seat.watch.slots.iter().position(|slot| slot.symbol == *symbol)?;
        let read = self.handler.region.read_at(*seat.handles.get(at)?, now);
        read.live().copied()
    }
}

impl World<'_> {
    /// At rest, every book that both show is the same. How many there are, of how many that are Live.
    pub(super) fn equals_lossless(&mut self) -> Result<(u64, u64), Wrong> {
        let (now, mut compared, mut live) = (self.now, 0, 0);
        let World { handler: Some(handler), lossless: Some(lossless), .. } = self else {
            return Ok((0, 0));
        };
        for partition in 0..self.setup.partitions {
            handler.learn_handles(partition);
            lossless.handler.learn_handles(partition);
            let (seat, theirs) = (&handler.seats[partition], &lossless.handler.seats[partition]);
            // One that can't be whole may be Live as of a number before the end.
            let at_end = seat.watch.expected == theirs.watch.expected;
            let apart = lossless.apart[partition];
            let comparable = !apart && seat.watch.run == theirs.watch.run && at_end;
            for (slot, handle) in seat.watch.slots.iter().zip(&seat.handles) {
                let read = handler.region.read_at(*handle, now);
                let Some(view) = read.live() else { continue };
                live += 1;
                let wanted = lossless.book(partition, &slot.symbol, now);
                let Some(wanted) = wanted.filter(|_| comparable) else { continue };
                compared += 1;
                if !same(view, &wanted) {
                    let what = format!(
                        "lossless: the book of {} is not that of a handler that lost nothing: {:?}, and there {wanted:?}",
                        slot.symbol, view
                    );
                    return Err(Wrong { partition, what });
                }
            }
        }
        Ok((compared, live))
    }
}

/// A snapshot says nothing of trades, nor when what it has was changed: that is compared where both have all of it from
/// the session's first message on.
fn same(one: &BookView, other: &BookView) -> bool {
    let from_the_first = |view: &BookView| view.stats.since == 1;
    if from_the_first(one) && from_the_first(other) {
        return one == other;
    }
    let untimed = |view: &BookView| BookView {
        seq: 0,
        time: BookView::EMPTY.time,
        last: BookView::EMPTY.last,
        stats: BookView::EMPTY.stats,
        ..*view
    };
    untimed(one) == untimed(other)
}

#[cfg(test)]
mod tests {
    use candor_core::{Price, WireTime};

    use super::*;
    use crate::simulator::{Outcome, Plan, run, swarm};

    #[test]
    fn books_differ_by_anything_but_what_a_snapshot_leaves_out() {
        let mut own = BookView { seq: 7, bid_count: 1, ..BookView::EMPTY };
        own.stats.since = 1;
        assert!(same(&own, &own));
        let late = BookView { time: WireTime(1), ..own };
        assert!(!same(&own, &late), "both have all of it");
        let mut spliced = late;
        spliced.stats.since = 5;
        assert!(same(&own, &spliced));
        spliced.bids[0].price = Price(1);
        assert!(!same(&own, &spliced));
    }

    #[test]
    fn a_handler_that_lost_much_shows_what_one_that_lost_nothing_does() {
        let of = |seed| Plan { lossless: true, ..swarm::plan(seed, swarm::EVENTS) };
        let outcomes: Vec<_> = (1..=12).map(|seed| run(&of(seed))).collect();
        for outcome in &outcomes {
            assert_eq!(outcome.failure, None);
        }
        let sum = |of: fn(&Outcome) -> u64| outcomes.iter().map(of).sum::<u64>();
        let (equal, live) = (sum(|outcome| outcome.equal.0), sum(|outcome| outcome.equal.1));
        assert!(equal > 100 && equal * 10 > live * 8, "{equal} of {live}");
        // It only looks on.
        let alone = run(&Plan { lossless: false, ..of(1) });
        assert_eq!((alone.digest, alone.equal), (outcomes[0].digest, (0, 0)));
    }
}

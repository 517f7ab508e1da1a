//! Looks at what readers see, when something happened and when nothing did.

use candor_core::counters::Counters;
use candor_core::{Mono, Nanos};
use candor_engine::odd::Remark;

use super::{Grave, INSPECT_EVERY, START, World};
use crate::simulator::checks::{Judge, Wrong};
use crate::simulator::journal::Told;
use crate::simulator::schedule::{Expect, OddKind, Oddity};

impl World<'_> {
    /// Every symbol is read at `now`, and the plan's expectations are looked at.
    pub(super) fn look(&mut self, now: Mono) -> Result<(), Wrong> {
        self.looks += 1;
        let inspect = self.looks.is_multiple_of(INSPECT_EVERY);
        let World { handler, grave, setup, truths, plan, .. } = self;
        let mut judge =
            Judge { setup, truths, start: START, reads: &mut self.reads, live: &mut self.live };
        if let Some(Grave { handler, leases }) = grave {
            judge.dead(&handler.region, leases, now)?;
        }
        let Some(handler) = handler else { return Ok(()) };
        for partition in 0..setup.partitions {
            judge.all(handler, partition, now)?;
            if inspect {
                handler.seats[partition].partition.check();
            }
        }
        if self.healing {
            // What a plan expects it expects of the first act, however early that ended.
            return Ok(());
        }
        for (expect, looked) in plan.expects.iter().zip(&mut self.looked) {
            *looked |= judge.expected(handler, expect, now)?;
        }
        for (asked, morning) in plan.preopens.iter().zip(&mut self.mornings) {
            morning.look(asked, handler, (setup, &self.listed), (START, now))?;
        }
        Ok(())
    }

    /// What the handler's own thread says once a second must be what the plan expects, once, and
    /// nothing else.
    pub(super) fn look_at_the_world(&mut self) -> Result<(), Wrong> {
        let now = self.now;
        let Some(handler) = self.handler.as_mut().filter(|it| it.next_odd <= now) else {
            return Ok(());
        };
        let remarks = handler.look_at_the_world(now);
        let told = handler.tell_odd(now, &remarks);
        self.note_alerts(told)?;
        for remark in remarks {
            let Remark { partition, odd, begins } = remark;
            self.journal.note(now, partition, Told::Odd(remark));
            let kind = OddKind::of(&odd);
            let partition = usize::from(partition);
            self.digest.words([12, partition as u64, kind as u64, u64::from(begins), now.0]);
            if !begins {
                continue;
            }
            let since = now.since(START);
            let wanted = |it: &Oddity| {
                (it.partition, it.odd) == (partition, kind) && it.from <= since && since < it.until
            };
            let at = (0..)
                .zip(&self.plan.odd)
                .find(|(at, it): &(usize, _)| !self.said[*at] && wanted(it));
            let Some((at, _)) = at else {
                let what = format!("an alert that nobody expects: {odd}");
                return Err(Wrong { partition, what });
            };
            self.said[at] = true;
        }
        Ok(())
    }

    /// Everything that the plan expects to be said to be odd in the time that has passed has been.
    pub(super) fn all_said(&self, passed: Nanos) -> Result<(), Wrong> {
        let due = |it: &Oddity| it.until <= passed || passed >= self.plan.length;
        let mut odd = self.plan.odd.iter().zip(&self.said);
        let unsaid = odd.find(|(it, said)| !**said && due(it));
        unsaid.map_or(Ok(()), |(oddity, _)| {
            let Oddity { partition, odd, until, .. } = *oddity;
            Err(Wrong { partition, what: format!("no alert of {odd:?} by {until}") })
        })
    }

    /// What the plan wants counted was, and as many partitions are whole as it says.
    pub(super) fn all_counted(&self, healed: usize) -> Result<(), Wrong> {
        let wrong = |what: String| Err(Wrong { partition: 0, what });
        let all = self.setup.partitions;
        if self.plan.heals_all && healed < all {
            return wrong(format!("{healed} of {all} partitions are whole, and all must be"));
        }
        let seats = self.handler.iter().flat_map(|handler| &handler.seats);
        let counted = seats.fold(Counters::new(), |sum, seat| sum.plus(&seat.partition.counters()));
        let mut counts = self.plan.counts.iter().map(|(of, wanted)| (of, wanted, counted.get(*of)));
        counts.find(|(_, wanted, count)| !wanted.contains(count)).map_or(Ok(()), |it| {
            let (of, wanted, count) = it;
            wrong(format!("{count} of {of:?} are counted, and the plan wants {wanted:?}"))
        })
    }

    /// Everything that the plan expects of reads in the time that has passed was looked at: else it holds of
    /// nothing.
    pub(super) fn all_looked_at(&self, passed: Nanos) -> Result<(), Wrong> {
        let due = |until: Nanos| until <= passed || passed >= self.plan.length;
        let mut mornings = self.plan.preopens.iter().zip(&self.mornings);
        let unasked = mornings.position(|(asked, it)| due(asked.until) && !it.is_answered());
        if let Some(at) = unasked {
            let what = format!("nobody asked for {:?}", self.plan.preopens[at]);
            return Err(Wrong { partition: 0, what });
        }
        let mut expects = self.plan.expects.iter().zip(&self.looked);
        let unseen = expects.find(|(expect, looked)| !**looked && due(expect.until));
        unseen.map_or(Ok(()), |(Expect { partition, from, until, must, .. }, _)| {
            let what = format!("nobody read whether {must:?} holds from {from} to {until}");
            Err(Wrong { partition: *partition, what })
        })
    }

    /// Reads at instants at which nothing happens: just before and after each lease that ends
    /// before `next`, and at a random one now and then.
    pub(super) fn look_between(&mut self, next: Mono) -> Result<(), Wrong> {
        if next <= self.now + Nanos(1) {
            return Ok(());
        }
        let mut ends = [Mono::NEVER; 4];
        let mut found = 0;
        let mut end = |at: Mono| {
            if at > self.now && at <= next && found < ends.len() && !ends[..found].contains(&at) {
                ends[found] = at;
                found += 1;
            }
        };
        let lanes = self.handler.iter().flat_map(|handler| &handler.lanes);
        lanes.for_each(|lane| end(lane.lease));
        let seats = self.handler.iter().flat_map(|handler| &handler.seats);
        seats.for_each(|seat| end(seat.watch.lease));
        self.grave.iter().flat_map(|grave| &grave.leases).for_each(|lease| end(*lease));
        let jump = next.since(self.now);
        if found == 0 && (jump < Nanos::from_millis(5) || !self.rng.chance(50_000)) {
            return Ok(());
        }
        ends[..found].sort_unstable();
        for end in &ends[..found] {
            self.look(Mono(end.0 - 1).max(self.now))?;
            if *end < next {
                self.look(*end)?;
            }
        }
        let after = ends[..found].last().copied().unwrap_or(self.now);
        let left = next.since(after);
        if left > Nanos(1) {
            let at = after + Nanos(self.rng.below(left.0));
            self.look(at)?;
        }
        Ok(())
    }
}

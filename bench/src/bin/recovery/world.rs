//! The world moved from event to event, and what is lost in it timed until everything is Live again.

use candor_bench::stopwatch::Stopwatch;
use candor_core::{Mono, Nanos};
use candor_decoders::Format;
use candor_sim::rng::Rng;

use crate::handler::{Handler, Seen};
use crate::loss::{Losing, Loss};
use crate::venue::{Delays, START, Size, TICK, Venue};

/// How long is waited for Live before that counts as never.
pub(crate) const PATIENCE: Nanos = Nanos::from_secs(120);

/// Turns without time passing before the world is broken.
const STILL: u32 = 10_000_000;

/// What healed a loss.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum By {
    /// The other line.
    Line,
    /// Messages asked for again.
    Retransmit,
    /// A snapshot.
    Snapshot,
}

/// One loss and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Episode {
    /// From the first missing packet to Live.
    pub(crate) total: Nanos,
    /// Of it, how long the lines brought nothing.
    pub(crate) outage: Nanos,
    /// Detect, ask, answer, splice.
    pub(crate) split: [Nanos; 4],
    /// How long the partition was not Live.
    pub(crate) stale: Nanos,
    pub(crate) by: By,
    pub(crate) gaps: u64,
    pub(crate) requests: u32,
    pub(crate) snapshots: u32,
    /// What was done, and how long after the first missing packet.
    pub(crate) story: Vec<(Nanos, String)>,
    /// What the lane and the recovery thread worked meanwhile.
    pub(crate) work: [Nanos; 2],
}

/// What is to be measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    pub(crate) loss: Loss,
    pub(crate) delays: Delays,
    /// Losses to be timed, at most.
    pub(crate) episodes: usize,
    /// Time to pass, at most.
    pub(crate) length: Nanos,
}

/// What was measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) episodes: Vec<Episode>,
    /// How long a loss was not healed when the time was over.
    pub(crate) unhealed: Option<(Nanos, String)>,
    /// What was done about that.
    pub(crate) unhealed_story: Vec<(Nanos, String)>,
    /// Time that passed, and how much of it the partition was not Live.
    pub(crate) passed: Nanos,
    pub(crate) stale: Nanos,
    /// How often it was stale again without a loss before it was at rest, and for what.
    pub(crate) relapses: Vec<String>,
}

/// A venue and a handler.
pub(crate) struct World {
    venue: Venue,
    handler: Handler,
    losing: Losing,
    now: Mono,
    next_tick: Mono,
    rate: u64,
    rng: Rng,
    /// When the next loss is brought about.
    arm_at: Option<Mono>,
    outcome: Outcome,
    /// Whether a loss is open: from then on.
    open: Option<Mono>,
}

impl World {
    /// A market that is open, with a handler that has it Live.
    pub(crate) fn new(format: Format, size: Size, stopwatch: Stopwatch) -> Result<World, String> {
        let delays = Delays::of(Nanos::from_millis(1));
        let orders = (2 * size.symbols * size.prefill * 4).next_power_of_two().max(1 << 16);
        let mut world = World {
            venue: Venue::new(format, size, delays),
            handler: Handler::new(format, size.symbols, orders),
            losing: Losing::new(3),
            now: START,
            next_tick: START,
            rate: size.rate,
            rng: Rng::new(5),
            arm_at: None,
            outcome: Outcome::default(),
            open: None,
        };
        while world.venue.is_opening() {
            world.turn();
        }
        world.pass(Nanos::from_millis(100));
        world.handler.stopwatch = stopwatch;
        world.pass(Nanos::from_millis(20));
        world.handler.find_symbols(world.now)?;
        Ok(world)
    }

    /// Orders and levels in the books, and messages published so far.
    pub(crate) fn content(&self) -> (usize, usize, u64) {
        let (orders, levels) = self.handler.content();
        (orders, levels, self.venue.next_seq())
    }

    /// The time in this world.
    pub(crate) fn now(&self) -> Mono {
        self.now
    }

    /// Measures one row.
    pub(crate) fn measure(&mut self, task: &Task) -> Outcome {
        self.venue.delays = task.delays;
        self.losing.loss = Some(task.loss);
        self.renew_agent();
        let began = self.now;
        self.outcome = Outcome::default();
        self.arm_soon(began);
        // BOUND: time passes, and the task's has an end.
        while self.outcome.episodes.len() < task.episodes && self.now.since(began) < task.length {
            self.turn();
            if self.open.is_some_and(|from| self.now.since(from) > PATIENCE) {
                break;
            }
        }
        self.losing.loss = None;
        self.arm_at = None;
        let mut outcome = std::mem::take(&mut self.outcome);
        outcome.passed = self.now.since(began);
        let Some(from) = self.open else { return outcome };
        let Some(stale) = self.handler.seen.stale else { return outcome };
        let waited = self.now.since(from);
        if waited > PATIENCE || !task.loss.is_single() {
            outcome.stale = outcome.stale + self.now.since(stale);
            outcome.unhealed = Some((waited, self.handler.status()));
            let story = &self.handler.seen.story;
            outcome.unhealed_story =
                story.iter().map(|(at, what)| (at.since(from), what.clone())).collect();
        }
        outcome
    }

    /// Lets everything heal that is not; says whether it did.
    pub(crate) fn settle(&mut self) -> bool {
        self.renew_agent();
        let began = self.now;
        while self.open.is_some() && self.now.since(began) < PATIENCE {
            self.turn();
        }
        self.pass(Nanos::from_millis(5));
        while !self.handler.is_at_rest() && self.now.since(began) < PATIENCE {
            self.turn();
        }
        self.open.is_none() && self.handler.is_live(self.now)
    }

    fn renew_agent(&mut self) {
        self.venue.forget_connections();
        self.handler.renew_agent(self.now);
    }

    fn arm_soon(&mut self, now: Mono) {
        if self.losing.loss.is_some_and(Loss::is_single) {
            self.arm_at = Some(now + Nanos(self.rng.between(500_000, 2_000_000)));
        }
    }

    fn pass(&mut self, time: Nanos) {
        let until = self.now + time;
        while self.now < until {
            self.turn();
        }
    }

    /// To the next thing that happens.
    fn turn(&mut self) {
        let mut still = 0;
        let before = self.now;
        while self.now == before {
            self.one_thing();
            still += 1;
            assert!(still < STILL, "time stands still at {before:?}");
        }
    }

    fn one_thing(&mut self) {
        let (lane, thread) = self.handler.due();
        let due = [Some(self.next_tick), self.venue.due(), lane, thread];
        self.now = due.into_iter().flatten().min().unwrap_or(self.now).max(self.now);
        let now = self.now;
        while let Some((at, arrival)) = self.venue.arrival(now) {
            self.handler.arrive(at, arrival);
        }
        if self.next_tick <= now {
            self.tick();
        }
        let (lane, thread) = self.handler.due();
        if thread.is_some_and(|at| at <= now) {
            self.handler.work(now, &mut self.venue);
        }
        if lane.is_some_and(|at| at <= now) {
            let over = self.handler.cycle(now, &mut self.venue);
            self.judge(over);
        }
    }

    fn tick(&mut self) {
        let now = self.now;
        let losing = &mut self.losing;
        self.venue.step(now, |packet| losing.carries(packet));
        self.open_next();
        let may_lose = self.open.is_none() && self.handler.is_at_rest();
        if may_lose && self.arm_at.is_some_and(|at| at <= now) {
            self.arm_at = None;
            self.note_relapse();
            self.renew_agent();
            self.losing.arm(self.venue.next_seq());
        }
        // The last of what is lost may be less than a packet: then message by message, to the number.
        let left = self.losing.messages_left(self.venue.next_seq());
        let a_tick = self.rate * TICK.0 / 1_000_000_000;
        let few = left.is_some_and(|left| left < a_tick);
        self.next_tick = if few { self.venue.next_message(now) } else { now + TICK };
    }

    /// What came after the last moment of Live: stale again although nothing was lost.
    fn note_relapse(&mut self) {
        let seen = std::mem::take(&mut self.handler.seen);
        if let Some((_, what)) = seen.story.into_iter().next().filter(|_| seen.stale.is_some()) {
            self.outcome.relapses.push(what);
        }
    }

    /// What was lost and is not healed opens the next loss to be timed.
    fn open_next(&mut self) {
        if self.open.is_none()
            && let Some(lost) = self.losing.lost.front()
        {
            self.open = Some(lost.from);
            self.handler.seen = Seen::default();
        }
    }

    /// Whether everything is Live again.
    fn judge(&mut self, over: Mono) {
        let Some(from) = self.open else { return };
        let end = self.losing.lost.front().map_or(0, |lost| lost.range.end.0);
        if !self.handler.has_come_to(end) || !self.handler.is_live(over) {
            return;
        }
        let healed = self.losing.heal(self.handler.expected());
        self.open = None;
        let seen = std::mem::take(&mut self.handler.seen);
        let total = over.since(from);
        let outage = healed.first().map_or(Nanos::ZERO, |lost| lost.until.since(lost.from));
        let stale = seen.stale.unwrap_or(over);
        let asked = seen.asked.filter(|_| seen.stale.is_some()).unwrap_or(stale).max(stale);
        let answered = seen.answered.unwrap_or(asked).max(asked);
        let by = match (seen.spliced, seen.filled) {
            (0, 0) => By::Line,
            (0, _) => By::Retransmit,
            _ => By::Snapshot,
        };
        self.outcome.stale = self.outcome.stale + over.since(stale);
        self.outcome.episodes.push(Episode {
            total,
            outage,
            split: [
                stale.since(from),
                asked.since(stale),
                answered.since(asked),
                over.since(answered),
            ],
            stale: over.since(stale),
            by,
            gaps: healed.len() as u64,
            requests: seen.requests,
            snapshots: seen.snapshots,
            story: seen.story.into_iter().map(|(at, what)| (at.since(from), what)).collect(),
            work: [seen.lane, seen.thread],
        });
        self.open_next();
        if self.open.is_none() {
            // The lane is still at what made it Live.
            self.arm_soon(over);
        }
    }
}

//! A partition on the bench with its retransmission: whatever the sequencer hears the machine is
//! told, as its owner would.

use candor_core::counters::Counter;
use candor_core::{Answer, Ask, Mono, Nanos, Refusal, Refused, SeqRange};
use candor_gapfill::{Config, Notice, Policy, Retransmit};

use super::{Bench, CONFIG, Item, notices};

pub const POLICY: Policy = Policy {
    piece: 20,
    outstanding: 4,
    limit: 200,
    timeout: Nanos::from_millis(10),
    timeout_max: Nanos::from_millis(40),
    attempts: 4,
    patience: Nanos::from_millis(500),
    rest: Nanos::ZERO,
    pause_max: None,
};

pub struct Recovery {
    pub bench: Bench,
    pub machine: Retransmit,
    /// Every request so far, and when it was made.
    pub asked: Vec<(Mono, Ask)>,
}

impl Recovery {
    pub fn new(policy: Policy) -> Recovery {
        Recovery::with(CONFIG, policy)
    }

    pub fn with(config: Config, policy: Policy) -> Recovery {
        let bench = Bench::with(config);
        Recovery { bench, machine: Retransmit::new(policy), asked: Vec::new() }
    }

    /// The owner's part after a call: the machine is told, and its requests are taken.
    pub fn follow(&mut self, items: &[Item]) -> Vec<Ask> {
        if notices(items).iter().any(|notice| matches!(notice, Notice::Restarted { .. })) {
            self.machine.reset();
        }
        let (sequencer, counters) = (&self.bench.sequencer, &mut self.bench.counters);
        let tell =
            if sequencer.doubts_answers() { Retransmit::on_doubt } else { Retransmit::on_change };
        let gaps = sequencer.gaps();
        tell(&mut self.machine, self.bench.now, sequencer.session(), gaps, counters);
        self.drain()
    }

    pub fn drain(&mut self) -> Vec<Ask> {
        let mut asks = Vec::new();
        while let Some(ask) = self.machine.next_ask(&mut self.bench.counters) {
            asks.push(ask);
            self.asked.push((self.bench.now, ask));
        }
        self.machine.check();
        asks
    }

    pub fn deadline(&self) -> Option<Mono> {
        let deadlines = [self.bench.sequencer.deadline(), self.machine.deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// Lets time pass, with every deadline kept on the way. What was asked for.
    pub fn wait(&mut self, length: Nanos) -> Vec<Ask> {
        let until = self.bench.now + length;
        let mut asks = Vec::new();
        while let Some(due) = self.deadline().filter(|due| *due <= until) {
            asks.extend(self.keep(due));
            assert!(
                self.deadline().is_none_or(|next| next > due),
                "a deadline that was kept stays"
            );
        }
        self.bench.now = until;
        asks
    }

    /// Time has come to `now`.
    pub fn keep(&mut self, now: Mono) -> Vec<Ask> {
        let items = self.bench.wait(now.since(self.bench.now));
        let mut asks = self.follow(&items);
        let gaps = self.bench.sequencer.gaps();
        self.machine.on_deadline(self.bench.now, gaps, &mut self.bench.counters);
        asks.extend(self.drain());
        asks
    }

    /// Something on a line.
    pub fn line(&mut self, hear: impl FnOnce(&mut Bench) -> Vec<Item>) -> Vec<Ask> {
        let items = hear(&mut self.bench);
        self.follow(&items)
    }

    /// An answer of the service.
    pub fn answer(&mut self, first: u64, count: u64) -> (Answer, Vec<Ask>) {
        let (answer, items) = self.bench.retransmit(first, count);
        if let Answer::Filled { range } = answer {
            self.machine.on_answer(self.bench.now, range);
        }
        (answer, self.follow(&items))
    }

    pub fn answered(&mut self, range: SeqRange) -> (Answer, Vec<Ask>) {
        self.answer(range.first.0, range.len())
    }

    pub fn refuse(&mut self, range: SeqRange, why: Refusal) -> Vec<Ask> {
        let refused = Refused { session: self.bench.session, range, why };
        self.refused(&refused)
    }

    pub fn refused(&mut self, refused: &Refused) -> Vec<Ask> {
        let Recovery { bench, machine, .. } = self;
        machine.on_refused(bench.now, refused, bench.sequencer.gaps(), &mut bench.counters);
        self.drain()
    }

    /// Requests made, timed out, refused, gaps given up.
    pub fn counts(&self) -> [u64; 4] {
        [
            Counter::RetransmitRequests,
            Counter::RetransmitTimeouts,
            Counter::RetransmitRefused,
            Counter::RetransmitGivenUp,
        ]
        .map(|counter| self.bench.get(counter))
    }
}

/// The ranges asked for, with their attempts.
pub fn ranges(asks: &[Ask]) -> Vec<(u64, u64, u32)> {
    asks.iter().map(|ask| (ask.range.first.0, ask.range.end.0, ask.attempt)).collect()
}

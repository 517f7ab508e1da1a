//! Retransmission under a bad service and bad lines, by seed: what it may never do, that it comes
//! to an end, and how much it asks.

mod common;

use std::collections::BTreeMap;

use candor_core::counters::Counter;
use candor_core::{Answer, Ask, Mono, Nanos, Refusal, SeqNo, SeqRange};
use candor_gapfill::{Policy, State};
use common::recovery::{POLICY, Recovery};
use common::{A, B, GRACE, content};
use proptest::prelude::*;

/// xorshift64*: the same run from the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % n
    }

    fn percent(&mut self, of: u64) -> bool {
        self.below(100) < of
    }
}

/// Of a hundred, each.
#[derive(Clone, Copy, Debug)]
struct Service {
    request_lost: u64,
    answer_lost: u64,
    /// Only the front of what was asked for.
    partial: u64,
    /// Longer than any timeout.
    late: u64,
    twice: u64,
    refused: u64,
    garbled: u64,
}

const LOSSY: Service = Service {
    request_lost: 20,
    answer_lost: 20,
    partial: 0,
    late: 0,
    twice: 0,
    refused: 0,
    garbled: 0,
};

const BEST: Service = Service { request_lost: 0, answer_lost: 0, ..LOSSY };

enum Reply {
    Answer { range: SeqRange, garbled: bool },
    Refused { range: SeqRange, why: Refusal },
}

/// When each number was asked for last, and whether it may be asked for again.
#[derive(Default)]
struct Watch {
    asked: BTreeMap<u64, Mono>,
}

impl Watch {
    /// A number is asked for again only after its request's end, a refusal, or a part of an answer.
    fn ask(&mut self, now: Mono, ask: &Ask, it: &Recovery, policy: &Policy) {
        assert!(ask.range.len() <= u64::from(policy.piece));
        assert!(ask.attempt < policy.attempts);
        assert!(ask.expires > now);
        let rounds = policy.pause_max.is_some();
        assert!(rounds || now < ask.opened + policy.patience, "out of patience");
        let gaps = it.bench.sequencer.gaps();
        let missing = |seq| gaps.iter().any(|gap| gap.outlived && gap.range.contains(seq));
        assert!(missing(ask.range.first) && missing(ask.range.last().unwrap()), "{ask:?}");
        let before = ask.range.first > SeqNo::FIRST;
        assert_eq!(ask.with_known, before, "the number before shows whose numbers they are");
        let count = gaps.missing_in(ask.range);
        assert!(ask.range.len() - count <= ask.range.len() / 4, "{ask:?} for {count} numbers");
        // What was given up is not waited for any more.
        let again = it.machine.given_up().is_some_and(|end| ask.range.first < end);
        assert!(rounds || !again);
        for seq in ask.range.first.0..ask.range.end.0 {
            let before = self.asked.insert(seq, ask.expires);
            assert!(
                again || before.is_none_or(|until| until <= now),
                "{seq} was asked for already"
            );
        }
    }

    fn free(&mut self, range: SeqRange) {
        for seq in range.first.0..range.end.0 {
            self.asked.remove(&seq);
        }
    }
}

struct Run {
    it: Recovery,
    policy: Policy,
    service: Service,
    random: Random,
    watch: Watch,
    replies: Vec<(Mono, u64, Reply)>,
    serial: u64,
    /// Requests that a part of an answer or a refusal names.
    open: Vec<SeqRange>,
}

impl Run {
    fn new(seed: u64, policy: Policy, service: Service) -> Run {
        let (it, random) = (Recovery::new(policy), Random(seed | 1));
        let (watch, replies, open) = (Watch::default(), Vec::new(), Vec::new());
        Run { it, policy, service, random, watch, replies, serial: 0, open }
    }

    /// The service receives these.
    fn send(&mut self, asks: &[Ask]) {
        let now = self.it.bench.now;
        for ask in asks {
            self.watch.ask(now, ask, &self.it, &self.policy);
            self.open.push(ask.range);
            if self.random.percent(self.service.request_lost) {
                continue;
            }
            let mut range = ask.range;
            if self.random.percent(self.service.refused) {
                let kinds = [Refusal::Busy, Refusal::Closed, Refusal::Budget, Refusal::Expired];
                let why = kinds[self.random.below(4) as usize];
                self.reply(Reply::Refused { range, why });
                continue;
            }
            if self.random.percent(self.service.partial) {
                range.end.0 -= self.random.below(range.len());
            }
            if self.random.percent(self.service.answer_lost) {
                continue;
            }
            let garbled = self.random.percent(self.service.garbled);
            self.reply(Reply::Answer { range, garbled });
            if self.random.percent(self.service.twice) {
                self.reply(Reply::Answer { range, garbled: false });
            }
        }
    }

    fn reply(&mut self, reply: Reply) {
        let late = self.random.percent(self.service.late);
        let after = if late { 60_000_000 } else { 200_000 + self.random.below(2_000_000) };
        self.serial += 1;
        self.replies.push((self.it.bench.now + Nanos(after), self.serial, reply));
    }

    /// Time passes; replies arrive and deadlines are kept in their order.
    fn pass(&mut self, length: Nanos) {
        let until = self.it.bench.now + length;
        loop {
            let reply = self.replies.iter().map(|(at, serial, _)| (*at, *serial)).min();
            let due = self.it.deadline().filter(|due| *due <= until);
            let asks = match (reply.filter(|(at, _)| *at <= until), due) {
                (Some((at, serial)), due) if due.is_none_or(|due| at <= due) => {
                    let index = self.replies.iter().position(|reply| reply.1 == serial).unwrap();
                    let (_, _, reply) = self.replies.swap_remove(index);
                    self.it.bench.now = self.it.bench.now.max(at);
                    self.arrive(&reply)
                }
                (_, Some(due)) => self.it.keep(due),
                _ => break,
            };
            self.send(&asks);
        }
        self.it.bench.now = until;
    }

    fn arrive(&mut self, reply: &Reply) -> Vec<Ask> {
        match reply {
            Reply::Refused { range, why } => {
                self.watch.free(*range);
                self.it.refuse(*range, *why)
            }
            Reply::Answer { range, garbled: false } => {
                let touched: Vec<_> = self.open.clone();
                for open in touched.iter().filter(|open| !open.intersect(*range).is_empty()) {
                    self.watch.free(*open);
                }
                self.it.answered(*range).1
            }
            Reply::Answer { range, garbled: true } => {
                // The number before it with other bytes: none of it may be taken. Where that one is
                // missing too there is nothing it could contradict.
                let first = range.first.0 - 1;
                if self.it.bench.sequencer.gaps().has(SeqNo(first)) {
                    return vec![];
                }
                let numbers = first..range.end.0;
                let messages: Vec<_> =
                    numbers.map(|seq| content(u64::from(seq == first), seq)).collect();
                let (answer, items) = self.it.bench.answer(first, &messages);
                assert!(!matches!(answer, Answer::Filled { .. }));
                assert!(self.it.bench.sequencer.doubts_answers());
                self.it.follow(&items)
            }
        }
    }

    /// One packet of both lines, each of which may lose it.
    fn publish(&mut self, first: u64, count: u64, both_lose: bool) {
        if !both_lose {
            let line = if self.random.percent(50) { A } else { B };
            let asks = self.it.line(|bench| bench.data(line, first, count));
            self.send(&asks);
        }
    }
}

fn run(seed: u64, packets: u64, policy: Policy, service: Service) -> Recovery {
    let mut run = Run::new(seed, policy, service);
    let mut next = 1;
    for packet in 0..packets {
        let count = 1 + run.random.below(4);
        let lost = packet > 0 && run.random.percent(10);
        run.publish(next, count, lost);
        next += count;
        let pause = run.random.below(400_000);
        run.pass(Nanos(pause));
    }
    run.publish(next, 1, false);
    run.pass(policy.patience + GRACE + Nanos(1));
    if let Some(longest) = policy.pause_max.filter(|_| !run.it.machine.is_given_up_for_good()) {
        // Whatever the service did: once it does its best, all is had within a pause and a round. One
        // may have begun before, and waits for answers that are as late as they come.
        run.service = BEST;
        let round = policy.patience.max(policy.timeout_max);
        run.pass(Nanos(2 * (longest.max(round).0 + round.0)));
        if run.it.bench.state() != State::InSync {
            assert!(run.it.machine.is_given_up_for_good(), "nobody asks for what is missing");
        }
    } else {
        // Nothing waits any more, and what is missing is given up.
        assert_eq!(run.it.machine.deadline(), None);
        let missing = run.it.bench.sequencer.gaps().iter().last();
        assert_eq!(run.it.machine.given_up(), missing.map(|gap| gap.range.end));
    }
    // A wrong message never: every number has its own bytes.
    for one in &run.it.bench.all {
        assert_eq!(one.bytes, content(0, one.seq));
    }
    assert_eq!(run.it.bench.get(Counter::GapsLost), 0);
    run.it
}

#[test]
fn a_fifth_of_requests_and_of_answers_lost() {
    a_fifth_is_lost(Policy { attempts: 8, ..POLICY });
}

/// What is given up is healed too, and costs no more.
#[test]
fn a_fifth_of_requests_and_of_answers_lost_without_snapshots() {
    let rounds = Policy { pause_max: Some(Nanos::from_secs(1)), ..POLICY };
    let healed = a_fifth_is_lost(Policy { attempts: 8, ..rounds });
    assert!(healed, "nothing is refused for good, and nothing beyond the limit");
}

/// Says whether all was had in the end.
fn a_fifth_is_lost(policy: Policy) -> bool {
    let mut healed = true;
    let (mut requests, mut gaps, mut given_up) = (0, 0, 0);
    for seed in 1..=100u64 {
        let it = run(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), 300, policy, LOSSY);
        requests += it.bench.get(Counter::RetransmitRequests);
        gaps += it.bench.get(Counter::GapsOutlived);
        given_up += it.bench.get(Counter::RetransmitGivenUp);
        assert!(it.bench.get(Counter::RetransmitTimeouts) > 0);
        healed &= it.bench.state() == State::InSync;
    }
    println!("{requests} requests, {gaps} gaps, {given_up} given up");
    assert!(gaps > 2000);
    assert!(requests <= 2 * gaps, "{requests} requests for {gaps} gaps");
    // Eight attempts fail together once in 3,500.
    assert!(given_up * 100 < gaps, "{given_up} of {gaps}");
    healed
}

#[test]
fn a_service_that_does_its_best_heals_everything_with_one_request_each() {
    let it = run(7, 1000, POLICY, BEST);
    assert_eq!(it.bench.state(), State::InSync);
    assert_eq!(it.bench.get(Counter::DiscardUnasked), 0);
    assert!(it.counts()[0] <= it.bench.get(Counter::GapsOutlived));
    assert_eq!(it.counts()[1..], [0, 0, 0]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn it_keeps_its_rules_with_any_service(
        seed in any::<u64>(),
        service in (0..60u64, 0..60u64, 0..60u64, 0..40u64, 0..40u64, 0..40u64, 0..40u64),
        policy in (1..30u32, 1..9u8, 1..40u64, 1..6u32, 5..200u64, 0..2u64),
        pause_max in prop::option::of(1..400u64),
    ) {
        let (request_lost, answer_lost, partial, late, twice, refused, garbled) = service;
        let service =
            Service { request_lost, answer_lost, partial, late, twice, refused, garbled };
        let (piece, outstanding, limit, attempts, patience, rest) = policy;
        let policy = Policy {
            piece,
            outstanding,
            limit: limit * limit,
            attempts,
            patience: Nanos::from_millis(patience),
            rest: Nanos::from_millis(rest),
            pause_max: pause_max.map(Nanos::from_millis),
            ..POLICY
        };
        let _ = run(seed, 120, policy, service);
    }
}

//! The desks against a naive twin that remembers everything that ever happened.

mod common;

use candor_core::{Ask, Mono, Nanos, Refusal, SeqNo, SnapshotAsk};
use candor_services::desk::Concurrency;
use candor_services::snapshot::{Body, Piece};
use candor_services::{Budget, Count, Decision, Desk, SnapshotDesk};
use common::*;
use proptest::prelude::*;

const WINDOWS: [u64; 3] = [1, 60, 24 * 60 * 60];

fn limits(budget: Budget) -> [usize; 3] {
    [budget.second, budget.minute, budget.day].map(|limit| limit as usize)
}

/// What a drain came to: who was refused why, in no order, and who was sent, in order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    refused: Vec<(u16, u64, &'static str)>,
    sent: Vec<(u16, u64)>,
}

struct Naive {
    budget: Budget,
    room: usize,
    waiting: Vec<(u16, Ask)>,
    /// Whether what is let go leaves in the same moment.
    at_once: bool,
    let_go: usize,
    /// Let go, and neither sent nor given up.
    reserved: usize,
    sent: Vec<Mono>,
    outcome: Outcome,
}

impl Naive {
    fn new(budget: Budget, room: usize, at_once: bool) -> Naive {
        let (waiting, sent, outcome) = (Vec::new(), Vec::new(), Outcome::default());
        Naive { budget, room, waiting, at_once, let_go: 0, reserved: 0, sent, outcome }
    }

    /// Whether one more is allowed in the window that ends now, beside so many.
    fn allows(&self, now: Mono, which: usize, beside: usize) -> bool {
        let window = secs(WINDOWS[which]);
        let recent = self.sent.iter().filter(|sent| **sent + window > now).count();
        recent + beside < limits(self.budget)[which]
    }

    fn ask(&mut self, now: Mono, partition: u16, ask: Ask) {
        self.waiting.retain(|(of, older)| {
            let overlaps = (older.range.first.0..older.range.end.0)
                .any(|number| ask.range.contains(SeqNo(number)));
            *of != partition || !(overlaps || older.session != ask.session)
        });
        self.waiting.push((partition, ask));
        self.sort();
        let at = self.waiting.iter().position(|waiting| *waiting == (partition, ask)).unwrap();
        if ask.expires > now && !self.can_leave(now, at, ask.expires) {
            let late = self.waiting.remove(at);
            self.refuse(&[late], "budget");
        } else if self.waiting.len() > self.room {
            let (partition, ask) = self.waiting.pop().unwrap();
            self.outcome.refused.push((partition, ask.range.first.0, "busy"));
        }
        self.drain(now);
    }

    /// Whether one with so many ahead of it can leave in time, if nothing else is sent before it. More
    /// than a window allows ahead of it say nothing: they may all expire.
    fn can_leave(&self, now: Mono, ahead: usize, expires: Mono) -> bool {
        let [second, minute, _] = limits(self.budget);
        if ahead == 0 {
            return true;
        }
        let ahead = ahead + self.reserved;
        if ahead >= second || ahead >= minute {
            return true;
        }
        [(second, secs(1)), (minute, secs(60))].into_iter().all(|(limit, window)| {
            let moments = self.sent.iter().map(|sent| *sent + window).chain([now]);
            moments.filter(|at| *at < expires).any(|at| {
                let recent = self.sent.iter().filter(|sent| **sent + window > at.max(now)).count();
                recent + ahead < limit
            })
        })
    }

    fn sort(&mut self) {
        self.waiting.sort_by_key(|(of, ask)| (ask.opened, ask.range.len(), ask.range.first, *of));
    }

    fn drain(&mut self, now: Mono) {
        loop {
            let (expired, fresh) = self.waiting.drain(..).partition(|(_, ask)| ask.expires <= now);
            let expired: Vec<(u16, Ask)> = expired;
            self.waiting = fresh;
            self.sort();
            self.refuse(&expired, "expired");
            if !self.allows(now, 2, 0) {
                let all = std::mem::take(&mut self.waiting);
                self.refuse(&all, "budget");
            }
            let allowed = (0..3).all(|which| self.allows(now, which, self.reserved));
            if self.waiting.is_empty() || !allowed {
                return;
            }
            let (partition, ask) = self.waiting.remove(0);
            self.let_go += 1;
            match self.at_once {
                true => self.sent.push(now),
                false => self.reserved += 1,
            }
            self.outcome.sent.push((partition, ask.range.first.0));
        }
    }

    fn refuse(&mut self, asks: &[(u16, Ask)], why: &'static str) {
        let refused = asks.iter().map(|(of, ask)| (*of, ask.range.first.0, why));
        self.outcome.refused.extend(refused);
    }

    fn take(&mut self) -> Outcome {
        let mut outcome = std::mem::take(&mut self.outcome);
        outcome.refused.sort_unstable();
        outcome
    }
}

/// What is let go leaves `at_once`, or when it is said to.
fn drain(desk: &mut Desk, now: Mono, at_once: bool) -> Outcome {
    let mut outcome = Outcome::default();
    while let Some(decision) = desk.next(now) {
        match decision {
            Decision::Send { partition, ask } => {
                assert!(now < ask.expires);
                desk.left(now, usize::from(at_once));
                outcome.sent.push((partition, ask.range.first.0));
            }
            Decision::Refused { partition, refused } => {
                let number = refused.range.first.0;
                outcome.refused.push((partition, number, refused.why.label()));
            }
        }
    }
    outcome.refused.sort_unstable();
    outcome
}

#[derive(Clone, Debug)]
enum Step {
    Ask {
        partition: u16,
        first: u64,
        len: u64,
        missing: u64,
        patience: u64,
        old_session: bool,
    },
    Wait(u64),
    Deadline,
    /// Of those let go so many leave, and then so many will not.
    Leave(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let millis = prop_oneof![
        4 => 0_u64..400,
        3 => 400_u64..2_000,
        2 => 2_000_u64..70_000,
        1 => 70_000_u64..30_000_000,
    ];
    prop_oneof![
        6 => (0_u16..4, 1_u64..40, 1_u64..9, 0_u64..5, millis.clone(), prop::bool::weighted(0.05))
            .prop_map(|(partition, first, len, missing, patience, old_session)| Step::Ask {
                partition, first, len, missing, patience, old_session
            }),
        2 => millis.prop_map(Step::Wait),
        2 => Just(Step::Deadline),
        3 => (0_usize..3, 0_usize..2).prop_map(|(left, never)| Step::Leave(left, never)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_desk_decides_as_its_twin(
        steps in prop::collection::vec(step(), 1..120),
        budget in (1_u32..4, 1_u32..10, 1_u32..25),
        room in 1_usize..6,
        at_once in prop::bool::ANY,
    ) {
        let budget = Budget { second: budget.0, minute: budget.1, day: budget.2 };
        let mut desk = Desk::new(room, budget);
        let mut naive = Naive::new(budget, room, at_once);
        let mut now = START;
        for step in steps {
            match step {
                Step::Ask { partition, first, len, missing, patience, old_session } => {
                    let session = if old_session { iex_session() } else { mold_session() };
                    let ask = Ask {
                        session,
                        range: range(first, first + len),
                        attempt: 0, with_known: false,
                        opened: now - millis(missing),
                        expires: now + millis(patience),
                    };
                    desk.ask(now, partition, ask);
                    naive.ask(now, partition, ask);
                }
                Step::Wait(time) => {
                    // No deadline is passed over.
                    let end = now + millis(time);
                    while let Some(due) = desk.deadline().filter(|due| *due <= end) {
                        now = due;
                        naive.drain(now);
                        prop_assert_eq!(drain(&mut desk, now, at_once), naive.take());
                    }
                    now = end;
                    naive.drain(now);
                }
                Step::Deadline => {
                    let Some(due) = desk.deadline() else { continue };
                    prop_assert!(due > now);
                    prop_assert_eq!(desk.next(due - Nanos(1)), None, "the deadline is exact");
                    now = due;
                    naive.drain(now);
                    prop_assert_ne!(&naive.outcome, &Outcome::default(), "nothing is due");
                }
                Step::Leave(left, never) => {
                    let left = left.min(naive.reserved);
                    let never = never.min(naive.reserved - left);
                    desk.left(now, left);
                    desk.release(never);
                    naive.reserved -= left + never;
                    naive.sent.extend((0..left).map(|_| now));
                    naive.drain(now);
                }
            }
            prop_assert_eq!(drain(&mut desk, now, at_once), naive.take());
            prop_assert_eq!(desk.deadline().is_some(), !naive.waiting.is_empty());
        }
        // Whatever moment one looks back from: of any `limit + 1` that follow one another the last was
        // sent a window behind the first, or later.
        for (limit, window) in limits(budget).into_iter().zip(WINDOWS) {
            for sent in naive.sent.windows(limit + 1) {
                prop_assert!(sent[limit].since(sent[0]) >= secs(window));
            }
        }
        let asks = desk.counts();
        prop_assert_eq!(asks.get(Count::Requests), naive.let_go as u64);
        let gone = [Count::Requests, Count::Replaced, Count::Expired, Count::Overflows, Count::OverBudget];
        let gone: u64 = gone.into_iter().map(|count| asks.get(count)).sum();
        prop_assert_eq!(asks.get(Count::Asks), gone + naive.waiting.len() as u64);
    }
}

const PLENTY: Budget = Budget { second: 100, minute: 1_000, day: 10_000 };

fn ask(first: u64, end: u64, opened: u64) -> Ask {
    Ask {
        session: mold_session(),
        range: range(first, end),
        attempt: 0,
        with_known: false,
        opened: Mono(opened),
        expires: START + secs(10),
    }
}

#[test]
fn who_waited_longest_goes_first_and_of_several_the_smaller() {
    let mut desk = Desk::new(8, Budget { second: 1, ..PLENTY });
    desk.ask(START, 9, ask(1, 2, 1));
    assert_eq!(drain(&mut desk, START, true).sent, [(9, 1)], "nobody else was there");
    for (partition, ask) in [(0, ask(1, 50, 5)), (1, ask(1, 90, 3)), (2, ask(7, 9, 5))] {
        desk.ask(START, partition, ask);
        assert_eq!(drain(&mut desk, START, true), Outcome::default());
    }
    let order: Vec<u16> = (1..4)
        .flat_map(|second| drain(&mut desk, START + secs(second), true).sent)
        .map(|s| s.0)
        .collect();
    assert_eq!(order, [1, 2, 0]);
}

#[test]
fn what_was_let_go_counts_from_when_it_left() {
    let mut desk = Desk::new(8, Budget { second: 1, ..PLENTY });
    desk.ask(START, 0, ask(1, 2, 1));
    assert_eq!(drain(&mut desk, START, false).sent, [(0, 1)]);
    desk.ask(START, 1, ask(1, 2, 1));
    desk.ask(START, 2, ask(1, 2, 2));
    assert_eq!(drain(&mut desk, START + secs(5), false), Outcome::default());
    assert_eq!(desk.deadline(), Some(START + secs(10)), "no time frees the place, only an end");
    desk.left(START + secs(5), 1);
    assert_eq!(desk.deadline(), Some(START + secs(6)));
    assert_eq!(drain(&mut desk, START + secs(6) - Nanos(1), false), Outcome::default());
    assert_eq!(drain(&mut desk, START + secs(6), false).sent, [(1, 1)]);
    desk.release(1);
    assert_eq!(drain(&mut desk, START + secs(6), false).sent, [(2, 1)], "one never left");
}

#[test]
fn a_day_that_is_let_go_and_not_used_up_refuses_nobody() {
    let mut desk = Desk::new(8, Budget { day: 1, ..PLENTY });
    desk.ask(START, 0, ask(1, 2, 1));
    assert_eq!(drain(&mut desk, START, false).sent, [(0, 1)]);
    desk.ask(START, 1, ask(1, 2, 1));
    assert_eq!(drain(&mut desk, START, false), Outcome::default());
    desk.left(START, 1);
    assert_eq!(drain(&mut desk, START, false).refused, [(1, 1, "budget")]);
}

#[test]
#[should_panic(expected = "nothing was let go")]
fn nothing_leaves_that_was_not_let_go() {
    Desk::new(8, PLENTY).left(START, 1);
}

fn snapshot_ask(cycle: u32, opened: u64) -> SnapshotAsk {
    SnapshotAsk {
        cycle,
        session: mold_session(),
        needs: SeqNo(1),
        opened: Mono(opened),
        expires: START + secs(100),
    }
}

fn snapshots(snapshots: usize) -> SnapshotDesk {
    SnapshotDesk::new(4, PLENTY, Concurrency { snapshots, longest: secs(30) })
}

/// Partition and cycle of what is sent.
fn sent(desk: &mut SnapshotDesk, now: Mono) -> Vec<(u16, u32)> {
    let mut sent = Vec::new();
    while let Some(decision) = desk.next(now) {
        match decision {
            Decision::Send { partition, ask } => {
                desk.left(now, 1);
                sent.push((partition, ask.cycle));
            }
            Decision::Refused { .. } => panic!("nothing is refused here"),
        }
    }
    sent
}

#[test]
fn no_more_snapshots_are_fetched_at_once_than_may_be() {
    let mut desk = snapshots(2);
    for partition in 0..4 {
        desk.ask(START, partition, snapshot_ask(1, 10 - u64::from(partition)));
    }
    assert_eq!(sent(&mut desk, START), [(3, 1), (2, 1)]);
    assert_eq!(desk.deadline(), Some(START + secs(30)), "one counts as over then");
    desk.done(START + secs(1), 3, 7);
    assert_eq!(sent(&mut desk, START + secs(1)), [], "another cycle's end is nobody's");
    desk.done(START + secs(1), 3, 1);
    assert_eq!(sent(&mut desk, START + secs(1)), [(1, 1)]);
    assert_eq!(sent(&mut desk, START + secs(30)), [(0, 1)], "partition 2 was never reported done");
    assert_eq!((desk.running(), desk.deadline()), (2, None));
}

#[test]
fn a_partition_has_one_snapshot_ask_and_takes_it_back() {
    let mut desk = snapshots(1);
    desk.ask(START, 0, snapshot_ask(1, 1));
    assert_eq!(sent(&mut desk, START), [(0, 1)]);
    desk.ask(START, 1, snapshot_ask(4, 1));
    desk.ask(START, 1, snapshot_ask(5, 1));
    desk.ask(START, 2, snapshot_ask(1, 2));
    assert_eq!(desk.counts().get(Count::Replaced), 1);
    desk.done(START, 2, 1);
    assert_eq!(desk.counts().get(Count::Dropped), 1);
    desk.done(START, 0, 1);
    assert_eq!(sent(&mut desk, START), [(1, 5)]);
    assert_eq!(desk.deadline(), None);
}

#[test]
fn a_newer_snapshot_of_a_partition_takes_the_place_of_the_one_being_fetched() {
    let mut desk = snapshots(2);
    desk.ask(START, 0, snapshot_ask(1, 1));
    desk.ask(START, 0, snapshot_ask(2, 1));
    assert_eq!(sent(&mut desk, START), [(0, 2)]);
    desk.ask(START, 0, snapshot_ask(3, 1));
    assert_eq!(sent(&mut desk, START), [(0, 3)]);
    assert_eq!(desk.running(), 1, "the client fetches one");
    desk.done(START, 0, 2);
    assert_eq!(desk.running(), 1, "the one before is nobody's any more");
    desk.ask(START, 1, snapshot_ask(1, 1));
    assert_eq!(sent(&mut desk, START), [(1, 1)]);
}

#[test]
fn a_snapshot_let_go_keeps_its_place_in_the_budget_beyond_its_place_among_those_being_fetched() {
    let concurrency = Concurrency { snapshots: 2, longest: secs(30) };
    let mut desk = SnapshotDesk::new(4, Budget { second: 1, ..PLENTY }, concurrency);
    desk.ask(START, 0, snapshot_ask(1, 1));
    assert!(matches!(desk.next(START), Some(Decision::Send { partition: 0, .. })));
    desk.ask(START, 1, snapshot_ask(1, 1));
    let late = START + secs(31);
    assert_eq!(desk.next(late), None);
    assert_eq!((desk.running(), desk.deadline()), (0, Some(START + secs(100))));
    desk.left(late, 1);
    assert_eq!((desk.next(late), desk.deadline()), (None, Some(late + secs(1))));
    assert!(matches!(desk.next(late + secs(1)), Some(Decision::Send { partition: 1, .. })));
    desk.release(1);
    desk.ask(late + secs(1), 2, snapshot_ask(1, 1));
    let next = desk.next(late + secs(1));
    assert!(matches!(next, Some(Decision::Send { partition: 2, .. })), "one never left");
}

#[test]
fn snapshot_asks_are_refused_in_the_words_of_a_snapshot() {
    let mut desk = SnapshotDesk::new(
        1,
        Budget { day: 1, ..PLENTY },
        Concurrency { snapshots: 1, longest: secs(30) },
    );
    let refusal = |why| Piece { cycle: 2, body: Body::Failed(why) };
    desk.ask(START, 0, snapshot_ask(1, 1));
    assert_eq!(sent(&mut desk, START), [(0, 1)]);
    desk.ask(START, 0, snapshot_ask(2, 1));
    let refused = refusal(Refusal::Budget);
    assert_eq!(desk.next(START), Some(Decision::Refused { partition: 0, refused }));

    let mut desk = snapshots(1);
    desk.ask(START, 1, snapshot_ask(1, 1));
    assert_eq!(sent(&mut desk, START), [(1, 1)]);
    desk.ask(START, 0, snapshot_ask(2, 1));
    assert_eq!(desk.next(START), None);
    let late = START + secs(100);
    let refused = refusal(Refusal::Expired);
    assert_eq!(desk.next(late), Some(Decision::Refused { partition: 0, refused }));
    for partition in 0..5 {
        desk.ask(late, partition, SnapshotAsk { expires: late + secs(1), ..snapshot_ask(2, 1) });
    }
    let refused = refusal(Refusal::Busy);
    assert_eq!(desk.next(late), Some(Decision::Refused { partition: 4, refused }));
}

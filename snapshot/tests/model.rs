//! Random events, the machine against its naive twin after each, and against the stream itself: what
//! a splice leaves in the books is every message before the stream's next number, once.

mod common;
mod twin;

use candor_core::counters::{Counter, Counters};
use candor_core::{
    Action, Messages, Mono, Nanos, Refusal, SeqNo, SessionId, SnapshotAsk, SnapshotPart,
};
use candor_snapshot::{Config, Failure, Snapshots, State, Step, Verdict};
use common::{CONFIG, message};
use proptest::prelude::*;
use twin::{Part, Says, Twin};

#[derive(Clone, Debug)]
enum Op {
    /// Time passes, deadlines unkept.
    Pass(u64),
    /// Time passes up to the deadline, which is kept.
    Deadline,
    /// The deadline is kept though it may not have come.
    Early,
    /// The stream delivers this many.
    Stream(u64),
    /// The stream shows that it goes on this far.
    Show(u64),
    /// The stream gives up this many, so a snapshot is wanted.
    Lose(u64),
    Want,
    Unwant,
    Hold,
    /// The service of the cycle so many before the last says what comes next.
    Serve(u32),
    /// It makes its image as of so many numbers before the stream's end, or behind.
    Image(i64),
    /// A part out of turn.
    Stray(u32, u8),
    Verdict,
    Abandon,
    Refute,
    Session,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..25_000_000_u64).prop_map(Op::Pass),
        3 => Just(Op::Deadline),
        1 => Just(Op::Early),
        12 => (1..8_u64).prop_map(Op::Stream),
        1 => (8..60_u64).prop_map(Op::Stream),
        2 => (1..10_u64).prop_map(Op::Show),
        3 => (1..6_u64).prop_map(Op::Lose),
        2 => Just(Op::Want),
        1 => Just(Op::Unwant),
        2 => Just(Op::Hold),
        24 => Just(Op::Serve(0)),
        2 => (0..3_u32).prop_map(Op::Serve),
        4 => (-12..4_i64).prop_map(Op::Image),
        2 => (0..3_u32, 0..5_u8).prop_map(|(back, part)| Op::Stray(back, part)),
        10 => Just(Op::Verdict),
        1 => Just(Op::Abandon),
        1 => Just(Op::Refute),
        1 => Just(Op::Session),
    ]
}

/// The service's half of one cycle: its image is made when it begins.
#[derive(Clone, Copy, Debug)]
struct Service {
    ask: SnapshotAsk,
    next: Option<u64>,
    parts_left: u32,
    ended: bool,
}

/// What the engine has of a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Loaded {
    cycle: u32,
    parts: u32,
    ended: bool,
}

struct World {
    snapshots: Snapshots,
    counters: Counters,
    twin: Twin,
    now: u64,
    session: u64,
    expected: u64,
    known_end: u64,
    lost_to: u64,
    lag: i64,
    services: Vec<Service>,
    loaded: Loaded,
    splices: u64,
}

const PARTS: u32 = 3;

impl World {
    fn new(config: Config) -> World {
        World {
            snapshots: Snapshots::new(config),
            counters: Counters::new(),
            twin: Twin::new(config),
            now: 1_000_000_000,
            session: 1,
            expected: 10,
            known_end: 10,
            lost_to: 1,
            lag: 0,
            services: Vec::new(),
            loaded: Loaded::default(),
            splices: 0,
        }
    }

    fn now(&mut self) -> Mono {
        self.twin.now = self.twin.now.max(Mono(self.now));
        Mono(self.now)
    }

    fn followed(&self) -> SessionId {
        SessionId::from_number(self.session)
    }

    fn held_end(&self) -> u64 {
        self.snapshots.held().end.0
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Pass(length) => self.now += length,
            Op::Deadline => {
                self.now = self.now.max(self.snapshots.deadline().map_or(self.now, |due| due.0));
                self.deadline();
            }
            Op::Early => self.deadline(),
            Op::Stream(count) => (0..count).for_each(|_| self.message()),
            Op::Show(count) => self.known_end += count,
            Op::Lose(count) => {
                self.expected = self.known_end.max(self.expected + count);
                self.known_end = self.expected;
                self.lost_to = self.expected;
                self.hold();
                self.want(self.lost_to);
            }
            Op::Want => self.want(self.lost_to),
            Op::Unwant => {
                let now = self.now();
                let holding = self.snapshots.is_holding();
                assert_eq!(self.snapshots.unwant(now), self.twin.unwant(holding));
            }
            Op::Hold if self.snapshots.state() != State::Idle => self.hold(),
            Op::Hold => {}
            Op::Serve(back) => self.serve(back),
            Op::Image(lag) => self.lag = lag,
            Op::Stray(back, part) => self.stray(back, part),
            Op::Verdict => self.verdict(),
            Op::Abandon => {
                let now = self.now();
                let step = self.snapshots.abandon(now, &mut self.counters);
                let said = self.twin.abandon();
                self.compare_step(step, said);
            }
            Op::Refute => {
                let now = self.now();
                let step = self.snapshots.refute(now, &mut self.counters);
                let said = self.twin.refute();
                self.compare_step(step, said);
            }
            Op::Session => {
                let now = self.now();
                self.snapshots.reset(now, &mut self.counters);
                self.twin.reset();
                self.session += 1;
                (self.expected, self.known_end, self.lost_to) = (10, 10, 1);
            }
        }
    }

    fn want(&mut self, needs: u64) {
        let now = self.now();
        self.twin.want(needs, self.held_end());
        self.snapshots.want(now, self.followed(), SeqNo(needs), &mut self.counters);
    }

    fn hold(&mut self) {
        // A number that is held already is not held anew: the hole would not be seen.
        self.snapshots.hold_from(SeqNo(self.expected), &mut self.counters);
    }

    fn message(&mut self) {
        let (now, seq) = (self.now(), self.expected);
        self.expected += 1;
        self.known_end = self.known_end.max(self.expected);
        if !self.snapshots.is_holding() {
            return;
        }
        let before = self.snapshots.held().first.0;
        let step = self.snapshots.hold(now, SeqNo(seq), &message(seq), &mut self.counters);
        let said = self.twin.let_go(before, self.snapshots.held().first.0);
        self.compare_step(step, said);
    }

    fn deadline(&mut self) {
        let now = self.now();
        let step = self.snapshots.on_deadline(now, &mut self.counters);
        let said = self.twin.deadline_comes(self.held_end());
        self.compare_step(step, said);
    }

    fn serve(&mut self, back: u32) {
        let Some(at) = self.services.len().checked_sub(1 + back as usize) else {
            return;
        };
        let made = (self.known_end as i64 - self.lag).max(1) as u64;
        let service = &mut self.services[at];
        let (part, twins) = match (service.next, service.parts_left) {
            _ if service.ended => return,
            (None, _) => {
                service.next = Some(made);
                let session = service.ask.session;
                let right_session = session == SessionId::from_number(self.session);
                (SnapshotPart::Begin { session }, Part::Begin { right_session })
            }
            (Some(next), 0) => {
                service.ended = true;
                (SnapshotPart::End { next: SeqNo(next) }, Part::End(next))
            }
            _ => {
                service.parts_left -= 1;
                (SnapshotPart::Messages(Messages::NONE), Part::Messages)
            }
        };
        let cycle = service.ask.cycle;
        self.give(cycle, &part, twins);
    }

    fn stray(&mut self, back: u32, part: u8) {
        let cycle = self.snapshots.cycle().wrapping_sub(back);
        let other = SessionId::from_number(99);
        let (part, twins) = match part {
            0 => (SnapshotPart::Begin { session: other }, Part::Begin { right_session: false }),
            1 => (SnapshotPart::End { next: SeqNo(0) }, Part::End(0)),
            2 => (SnapshotPart::Failed(Refusal::Quota), Part::Failed(Refusal::Quota)),
            3 => (SnapshotPart::Failed(Refusal::Closed), Part::Failed(Refusal::Closed)),
            _ if self.snapshots.state() == State::Loading && back == 0 => return,
            _ => (SnapshotPart::Messages(Messages::NONE), Part::Messages),
        };
        self.give(cycle, &part, twins);
    }

    fn give(&mut self, cycle: u32, part: &SnapshotPart<'_>, twins: Part) {
        let now = self.now();
        let followed = self.followed();
        let step = self.snapshots.on_part(now, cycle, part, followed, &mut self.counters);
        let said = self.twin.part(cycle, twins);
        self.compare_step(step, said);
        match step {
            Step::Begin => {
                self.loaded = Loaded { cycle, parts: 0, ended: false };
                if !self.snapshots.is_holding() {
                    self.hold();
                }
            }
            Step::Take => {
                assert_eq!(self.loaded.cycle, cycle, "a part of another cycle");
                self.loaded.parts += 1;
            }
            Step::Check => {
                assert_eq!(self.loaded.cycle, cycle, "an end of another cycle");
                self.loaded.ended = true;
            }
            Step::Ignore | Step::Failed(_) => {}
        }
    }

    fn verdict(&mut self) {
        let now = self.now();
        let (expected, known_end) = (self.expected, self.known_end);
        let held_from = self.snapshots.held().first.0;
        let said = self.twin.verdict(expected, known_end, held_from);
        let World { snapshots, counters, .. } = self;
        match snapshots.verdict(now, SeqNo(expected), SeqNo(known_end), counters) {
            Verdict::Wait => assert_eq!(said, Says::Wait),
            Verdict::Unusable(failure) => assert_eq!(said, Says::Failed(failure)),
            Verdict::Splice(splice) => {
                let next = splice.next().0;
                assert_eq!(said, Says::Splice(next));
                // Message by message, while the stream goes on.
                let mut seq = next;
                while let Some((held, bytes)) = self.snapshots.take_held(&splice) {
                    assert_eq!((held.0, bytes), (seq, &message(seq)[..]), "what it lacks");
                    seq += 1;
                    if seq < next + 3 {
                        self.message();
                    }
                    if self.snapshots.state() != State::Loaded {
                        return;
                    }
                }
                assert_eq!(seq, next.max(self.expected), "what the snapshot lacks");
                assert!(self.snapshots.held().is_empty());
                self.snapshots.done(now, splice, &mut self.counters);
                self.twin.done(false);
                self.spliced(next);
            }
            Verdict::Resync(splice) => {
                let next = splice.next().0;
                assert_eq!(said, Says::Resync(next));
                assert_eq!(snapshots.take_held(&splice), None);
                snapshots.done(now, splice, counters);
                self.twin.done(true);
                (self.expected, self.known_end) = (next, next);
                self.lost_to = self.lost_to.min(next);
            }
        }
    }

    /// The whole of one snapshot, of this session, that misses nothing that was lost, made by the
    /// service under this number.
    fn spliced(&mut self, next: u64) {
        let cycle = self.snapshots.cycle();
        assert_eq!(self.loaded, Loaded { cycle, parts: PARTS, ended: true });
        let service = self.services.last().unwrap();
        assert_eq!(service.ask.cycle, cycle);
        assert_eq!(service.ask.session, self.followed());
        assert_eq!(service.next, Some(next));
        assert!(next >= self.lost_to);
        self.expected = self.expected.max(next);
        self.splices += 1;
    }

    fn compare_step(&self, step: Step, said: Says) {
        let step = match step {
            Step::Ignore => Says::Ignore,
            Step::Begin => Says::Begin,
            Step::Take => Says::Take,
            Step::Check => Says::Check,
            Step::Failed(failure) => Says::Failed(failure),
        };
        assert_eq!(step, said);
    }

    fn compare(&mut self) {
        while let Some(action) = self.snapshots.next_action() {
            match action {
                Action::Snapshot(ask) => {
                    assert_eq!(ask.cycle, self.twin.cycle());
                    assert_eq!(Some(ask.needs.0), self.twin.needs());
                    assert_eq!(ask.session, self.followed());
                    assert_eq!(Some(ask.expires), self.twin.deadline());
                    let service = Service { ask, next: None, parts_left: PARTS, ended: false };
                    self.services.push(service);
                }
                Action::DropSnapshot { cycle } => {
                    assert_eq!(self.twin.dropped, [cycle]);
                    self.twin.dropped.clear();
                }
                Action::Retransmit(_) => panic!("{action:?}"),
            }
        }
        assert_eq!(self.twin.dropped, []);
        assert_eq!(self.services.len() as u32, self.twin.cycle(), "asks");
        assert_eq!(self.snapshots.state(), self.twin.state());
        assert_eq!(self.snapshots.deadline(), self.twin.deadline());
        assert_eq!(self.snapshots.needs().map(|needs| needs.0), self.twin.needs());
        for (counter, count) in [
            (Counter::SnapshotRequests, self.twin.requests),
            (Counter::SnapshotsFailed, self.twin.failed),
            (Counter::SnapshotsUnusable, self.twin.unusable),
            (Counter::SnapshotsSpliced, self.twin.spliced),
            (Counter::HeldBack, self.snapshots.held().len()),
        ] {
            assert_eq!(self.counters.get(counter), count, "{}", counter.label());
        }
        self.snapshots.check();
    }

    fn run(&mut self, ops: &[Op]) {
        for op in ops {
            self.step(op);
            self.compare();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_500, failure_persistence: None, ..Default::default()
    })]

    #[test]
    fn the_machine_is_its_twin(
        holdback_bytes in 0..700_usize,
        retry in 1..40_u64,
        ops in prop::collection::vec(op(), 0..250),
    ) {
        let retry = Nanos::from_millis(retry);
        World::new(Config { holdback_bytes, retry, ..CONFIG }).run(&ops);
    }
}

/// The random events do reach everything there is to reach.
#[test]
fn random_events_reach_every_outcome() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let ops = prop::collection::vec(op(), 400..500);
    let mut counters = Counters::new();
    let mut splices = 0;
    for _ in 0..200 {
        let mut world = World::new(Config { holdback_bytes: 400, ..CONFIG });
        world.run(&ops.new_tree(&mut runner).unwrap().current());
        splices += world.splices;
        for counter in Counter::ALL {
            counters.add(counter, world.counters.get(counter));
        }
    }
    assert!(splices > 100, "{splices} splices");
    assert!(counters.get(Counter::SnapshotsSpliced) > splices, "no resync was tried");
    assert!(counters.get(Counter::SnapshotsUnusable) > 100);
    assert!(counters.get(Counter::HoldbackFull) > 100);
    assert_eq!(Failure::NotHeld.counter(), Counter::SnapshotsUnusable);
}

//! The machine: when to ask, which part belongs to the cycle that runs, and where books made from it
//! meet the stream.

use candor_core::counters::{Counter, Counters};
use candor_core::{
    Action, Mono, Nanos, Refusal, SeqNo, SeqRange, SessionId, SnapshotAsk, SnapshotPart,
};

use crate::holdback::Holdback;
use crate::{Config, Failure, Splice, State, Step, Verdict};

/// The snapshots of one partition. The crate's description says how to drive it.
#[derive(Debug)]
pub struct Snapshots {
    config: Config,
    phase: Phase,
    /// What the present want is about; stale while `Idle`.
    want: Want,
    holdback: Holdback,
    /// The cycle asked for last.
    cycle: u32,
    back_off: BackOff,
    /// Where the last snapshot ended, if it was older than the gap.
    too_old: Option<SeqNo>,
    /// A cycle to be said dropped.
    dropped: Option<u32>,
    now: Mono,
}

/// What a snapshot is wanted for.
#[derive(Clone, Copy, Debug)]
struct Want {
    session: SessionId,
    needs: SeqNo,
    opened: Mono,
}

/// Where the machine stands, with what it waits for. [`State`] is this without the data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Idle,
    Waiting {
        not_before: Mono,
    },
    Asked {
        until: Mono,
        /// The stream's next number when the request was made: a snapshot made for it contains
        /// what came before.
        floor: SeqNo,
        said: bool,
    },
    Loading {
        until: Mono,
        idle_until: Mono,
        floor: SeqNo,
    },
    Loaded {
        next: SeqNo,
        until: Mono,
    },
}

/// How long to wait between cycles.
#[derive(Clone, Copy, Debug)]
struct BackOff {
    /// The wait after the next failure.
    wait: Nanos,
    /// No request before this.
    not_before: Mono,
}

impl Snapshots {
    /// A machine that wants nothing. Allocates [`Config::holdback_bytes`] and touches none of them.
    ///
    /// # Panics
    /// When a time of the configuration is zero, or the longest retry shorter than the first.
    #[must_use]
    pub fn new(config: Config) -> Snapshots {
        let Config { begin, idle, whole, confirm, retry, retry_max, holdback_bytes } = config;
        for time in [begin, idle, whole, confirm, retry] {
            assert!(time > Nanos(0), "every wait takes time");
        }
        assert!(retry <= retry_max, "the longest retry is the first at least");
        Snapshots {
            config,
            phase: Phase::Idle,
            want: Want { session: SessionId::NONE, needs: SeqNo::FIRST, opened: Mono(0) },
            holdback: Holdback::new(holdback_bytes),
            cycle: 0,
            back_off: BackOff { wait: retry, not_before: Mono(0) },
            too_old: None,
            dropped: None,
            now: Mono(0),
        }
    }

    /// A snapshot is wanted that contains every message of this session before `needs`. From then on
    /// the machine asks for one until [`Snapshots::done`], [`Snapshots::unwant`] or
    /// [`Snapshots::reset`]. When one is wanted already, the higher of both numbers counts.
    ///
    /// # Panics
    /// When one of another session is wanted: a new session calls for [`Snapshots::reset`].
    pub fn want(&mut self, now: Mono, session: SessionId, needs: SeqNo, counters: &mut Counters) {
        assert_ne!(session, SessionId::NONE, "a snapshot is of a session");
        self.pass(now);
        if self.phase == Phase::Idle {
            self.want = Want { session, needs, opened: self.now };
            let not_before = self.back_off.not_before;
            if self.now < not_before {
                self.phase = Phase::Waiting { not_before };
            } else {
                self.ask(counters);
            }
        } else {
            assert_eq!(session, self.want.session, "a snapshot of another session is wanted");
            self.want.needs = self.want.needs.max(needs);
        }
    }

    /// Whatever was missing came by another way: no snapshot is wanted, if that is still so simple.
    /// It isn't while messages are held back instead of applied, nor once a snapshot has begun to
    /// take the place of the books. Says whether none is wanted now.
    pub fn unwant(&mut self, now: Mono) -> bool {
        self.pass(now);
        match self.phase {
            Phase::Idle => true,
            Phase::Waiting { .. } | Phase::Asked { .. } if !self.is_holding() => {
                self.drop_cycle();
                self.phase = Phase::Idle;
                true
            }
            _ => false,
        }
    }

    /// From here on messages are held back, beginning with number `next`; what was held is forgotten.
    pub fn hold_from(&mut self, next: SeqNo, counters: &mut Counters) {
        assert!(next >= SeqNo::FIRST, "numbers begin at 1");
        self.holdback.start(next);
        self.count_held(counters);
    }

    /// Holds back the next message of the stream. Says whether that failed the cycle that runs: what
    /// it may need does not fit any more.
    ///
    /// # Panics
    /// When nothing is to be held, or `seq` is not the number behind the last one held.
    pub fn hold(&mut self, now: Mono, seq: SeqNo, bytes: &[u8], counters: &mut Counters) -> Step {
        self.pass(now);
        let before = self.held().first;
        self.holdback.push(seq, bytes);
        self.count_held(counters);
        let first = self.held().first;
        debug_assert!(first >= before);
        let floor = match self.phase {
            Phase::Idle | Phase::Waiting { .. } => return Step::Ignore,
            Phase::Asked { floor, .. } | Phase::Loading { floor, .. } => floor.max(self.want.needs),
            Phase::Loaded { next, .. } => next,
        };
        if first == before || first <= floor {
            return Step::Ignore;
        }
        self.fail(Failure::HoldbackFull, counters)
    }

    /// Whether messages are to be held back.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        self.holdback.range().is_some()
    }

    /// The numbers held back; empty at the next number while there are none, and at 0 when nothing
    /// is to be held.
    #[must_use]
    pub fn held(&self) -> SeqRange {
        self.holdback.range().unwrap_or_default()
    }

    /// Takes a part of a snapshot and says what to do with it. `followed` is the session the lines
    /// carry.
    ///
    /// # Panics
    /// When messages are not held back once it has begun.
    pub fn on_part(
        &mut self,
        now: Mono,
        cycle: u32,
        part: &SnapshotPart<'_>,
        followed: SessionId,
        counters: &mut Counters,
    ) -> Step {
        self.pass(now);
        if cycle != self.cycle || !self.is_running() {
            return Step::Ignore;
        }
        if let Some(failure) = self.overdue() {
            return self.fail(failure, counters);
        }
        match (self.phase, part) {
            (_, SnapshotPart::Failed(why)) => self.fail(Failure::Refused(*why), counters),
            (Phase::Asked { floor, .. }, SnapshotPart::Begin { session }) => {
                let other = *session != self.want.session || *session != followed;
                if other && !candor_core::canary!(SnapshotSessionIgnored) {
                    return self.fail(Failure::OtherSession, counters);
                }
                let until = self.now + self.config.whole;
                let idle_until = self.now + self.config.idle;
                self.phase = Phase::Loading { until, idle_until, floor };
                Step::Begin
            }
            (Phase::Loading { until, floor, .. }, SnapshotPart::Messages(_)) => {
                assert!(self.is_holding(), "messages are held back from the beginning on");
                let idle_until = self.now + self.config.idle;
                self.phase = Phase::Loading { until, idle_until, floor };
                Step::Take
            }
            (Phase::Loading { .. }, SnapshotPart::End { next }) if *next >= SeqNo::FIRST => {
                assert!(self.is_holding(), "messages are held back from the beginning on");
                self.phase = Phase::Loaded { next: *next, until: self.now + self.config.confirm };
                Step::Check
            }
            _ => self.fail(Failure::OutOfOrder, counters),
        }
    }

    /// Whether the books made from the snapshot may take the place of the old ones. To be called when
    /// [`Step::Check`] says so, and after everything the lines bring from then on; it waits while no
    /// snapshot is loaded. `expected` and `known_end` are those of the stream.
    ///
    /// # Panics
    /// When a snapshot is loaded and the last message held back is not the last one the stream
    /// delivered.
    pub fn verdict(
        &mut self,
        now: Mono,
        expected: SeqNo,
        known_end: SeqNo,
        counters: &mut Counters,
    ) -> Verdict {
        assert!(expected <= known_end, "what is known ends behind what was delivered");
        self.pass(now);
        let Phase::Loaded { next, .. } = self.phase else {
            return Verdict::Wait;
        };
        assert!(self.is_holding(), "messages are held back from the beginning on");
        let held = self.held();
        assert_eq!(held.end, expected, "what was delivered meanwhile is held, all of it");
        if next < self.want.needs {
            return self.is_too_old(next, counters);
        }
        if let Some(failure) = self.overdue() {
            return self.unusable(failure, counters);
        }
        if known_end < next {
            return Verdict::Wait;
        }
        let gone = next < expected && next < held.first;
        if gone && !candor_core::canary!(HoldbackGone) {
            return self.unusable(Failure::NotHeld, counters);
        }
        Verdict::Splice(Splice { next, cycle: self.cycle, resync: false })
    }

    /// A snapshot that ended before the gap did. One may simply be old. When the next one is too, and
    /// is no older than that, it is rather the gap's number that is wrong.
    fn is_too_old(&mut self, next: SeqNo, counters: &mut Counters) -> Verdict {
        if self.too_old.is_some_and(|last| last <= next) {
            return Verdict::Resync(Splice { next, cycle: self.cycle, resync: true });
        }
        let verdict = self.unusable(Failure::TooOld, counters);
        self.too_old = Some(next);
        verdict
    }

    fn unusable(&mut self, failure: Failure, counters: &mut Counters) -> Verdict {
        let _failed = self.fail(failure, counters);
        Verdict::Unusable(failure)
    }

    /// The first of the messages held back that the snapshot doesn't contain, taken out: to be applied
    /// to the books made from it, one after the other until there is none. Messages may be held behind
    /// them meanwhile.
    pub fn take_held(&mut self, splice: &Splice) -> Option<(SeqNo, &[u8])> {
        assert_eq!(splice.cycle, self.cycle, "a splice of another cycle");
        if splice.resync {
            // Numbers that a resync forgets are not delivered again.
            return None;
        }
        // BOUND: the messages held.
        let first =
            if candor_core::canary!(SpliceOffByOne) { splice.next.next() } else { splice.next };
        while self.holdback.range().is_some_and(|held| held.first < first) {
            self.holdback.take()?;
        }
        self.holdback.take()
    }

    /// The cycle that runs is of no use: more is wanted than it was asked for. Another one follows
    /// after the usual wait.
    pub fn abandon(&mut self, now: Mono, counters: &mut Counters) -> Step {
        self.pass(now);
        match self.phase {
            Phase::Idle | Phase::Waiting { .. } => Step::Ignore,
            Phase::Asked { .. } | Phase::Loading { .. } | Phase::Loaded { .. } => {
                self.fail(Failure::Abandoned, counters)
            }
        }
    }

    /// What was delivered right before `next` and is held: the last `most` messages at most, in order and
    /// without a hole. None where messages between are gone.
    pub fn held_before(
        &self,
        next: SeqNo,
        most: u64,
    ) -> impl Iterator<Item = (SeqNo, &[u8])> + Clone {
        let first = SeqNo(next.0.saturating_sub(most));
        let reached = self.held().end >= next;
        let held = self.holdback.iter().filter(move |(seq, _)| reached && *seq >= first);
        // BOUND: the messages held.
        held.take_while(move |(seq, _)| *seq < next)
    }

    /// The books made from the snapshot are not what the lines brought. Another cycle follows after the usual
    /// wait.
    pub fn refute(&mut self, now: Mono, counters: &mut Counters) -> Step {
        self.pass(now);
        match self.phase {
            Phase::Loaded { .. } => self.fail(Failure::Contradicted, counters),
            _ => Step::Ignore,
        }
    }

    /// The books made from the snapshot have taken the place of the old ones. Nothing is wanted or
    /// held any more.
    ///
    /// # Panics
    /// When the splice is not of the snapshot that is loaded, or a higher number is needed by now.
    pub fn done(&mut self, now: Mono, splice: Splice, counters: &mut Counters) {
        self.pass(now);
        let Phase::Loaded { next, .. } = self.phase else {
            panic!("no snapshot is loaded");
        };
        assert_eq!(splice.cycle, self.cycle, "a splice of another cycle");
        assert_eq!(splice.next, next, "a splice at another number");
        assert!(splice.resync || next >= self.want.needs, "a gap opened behind the snapshot");
        self.phase = Phase::Idle;
        let back_off = self.back_off;
        self.forget(counters);
        if splice.resync {
            // What was too old may have been the service's fault after all: then the same happens again.
            self.back_off = back_off;
        }
        counters.add(Counter::SnapshotsSpliced, 1);
    }

    /// Another session, or the numbers restarted: nothing that was asked, loaded or held is of use.
    pub fn reset(&mut self, now: Mono, counters: &mut Counters) {
        self.pass(now);
        self.drop_cycle();
        self.phase = Phase::Idle;
        self.forget(counters);
    }

    fn forget(&mut self, counters: &mut Counters) {
        assert_eq!(self.phase, Phase::Idle);
        self.holdback.stop();
        self.count_held(counters);
        self.too_old = None;
        self.back_off = BackOff { wait: self.config.retry, not_before: Mono(0) };
    }

    /// The next thing to be done off the lane. To be called until there is none.
    pub fn next_action(&mut self) -> Option<Action> {
        if let Some(cycle) = self.dropped.take() {
            return Some(Action::DropSnapshot { cycle });
        }
        match &mut self.phase {
            Phase::Asked { until, said, .. } if !*said => {
                *said = true;
                let Want { session, needs, opened } = self.want;
                let ask =
                    SnapshotAsk { cycle: self.cycle, session, needs, opened, expires: *until };
                Some(Action::Snapshot(ask))
            }
            _ => None,
        }
    }

    /// Keeps the deadline if it has come. Says whether that failed the cycle.
    pub fn on_deadline(&mut self, now: Mono, counters: &mut Counters) -> Step {
        self.pass(now);
        if let Phase::Waiting { not_before } = self.phase {
            if self.now >= not_before {
                self.ask(counters);
            }
            return Step::Ignore;
        }
        match self.overdue() {
            Some(failure) => self.fail(failure, counters),
            None => Step::Ignore,
        }
    }

    /// When [`Snapshots::on_deadline`] has something to do. Every state but `Idle` has one.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        match self.phase {
            Phase::Idle => None,
            Phase::Waiting { not_before } => Some(not_before),
            Phase::Asked { until, .. } | Phase::Loaded { until, .. } => Some(until),
            Phase::Loading { until, idle_until, .. } => Some(until.min(idle_until)),
        }
    }

    /// Where the machine stands.
    #[must_use]
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Idle => State::Idle,
            Phase::Waiting { .. } => State::Waiting,
            Phase::Asked { .. } => State::Asked,
            Phase::Loading { .. } => State::Loading,
            Phase::Loaded { .. } => State::Loaded,
        }
    }

    /// The number before which a snapshot must contain everything; `None` when none is wanted.
    #[must_use]
    pub fn needs(&self) -> Option<SeqNo> {
        (self.phase != Phase::Idle).then_some(self.want.needs)
    }

    /// The cycle asked for last; 0 before the first.
    #[must_use]
    pub fn cycle(&self) -> u32 {
        self.cycle
    }

    /// Asserts what must hold between any two calls. Walks over everything held.
    ///
    /// # Panics
    /// When this crate is wrong.
    pub fn check(&self) {
        self.holdback.check();
        assert!(self.back_off.wait >= self.config.retry);
        assert!(self.back_off.wait <= self.config.retry_max);
        assert_eq!(self.deadline().is_some(), self.state() != State::Idle);
        assert_eq!(self.needs().is_some(), self.state() != State::Idle);
        if self.phase != Phase::Idle {
            assert_ne!(self.want.session, SessionId::NONE);
            assert!(self.want.opened <= self.now);
        }
        if self.is_running() {
            assert_ne!(self.cycle, 0);
            assert_ne!(self.dropped, Some(self.cycle), "a cycle that runs is dropped");
        }
        match self.phase {
            Phase::Loading { until, idle_until, .. } => {
                assert!(until <= self.now + self.config.whole);
                assert!(idle_until <= self.now + self.config.idle);
            }
            Phase::Loaded { next, until } => {
                assert!(next >= SeqNo::FIRST);
                assert!(until <= self.now + self.config.confirm);
            }
            Phase::Idle | Phase::Waiting { .. } | Phase::Asked { .. } => {}
        }
    }

    fn pass(&mut self, now: Mono) {
        self.now = self.now.max(now);
    }

    /// Whether parts of the last cycle may still come and be of use.
    fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Asked { .. } | Phase::Loading { .. })
    }

    /// What took too long, if anything did.
    fn overdue(&self) -> Option<Failure> {
        match self.phase {
            Phase::Asked { until, .. } if self.now >= until => Some(Failure::NoBegin),
            Phase::Loading { until, .. } if self.now >= until => Some(Failure::TooLong),
            Phase::Loading { idle_until, .. } if self.now >= idle_until => Some(Failure::Hung),
            Phase::Loaded { until, .. } if self.now >= until => Some(Failure::Unconfirmed),
            _ => None,
        }
    }

    fn ask(&mut self, counters: &mut Counters) {
        assert!(matches!(self.phase, Phase::Idle | Phase::Waiting { .. }), "a cycle runs already");
        self.cycle = self.cycle.wrapping_add(1).max(1);
        let until = self.now + self.config.begin;
        self.phase = Phase::Asked { until, floor: self.held().end, said: false };
        counters.add(Counter::SnapshotRequests, 1);
    }

    /// The cycle came to nothing: another one after a wait that is longer each time.
    fn fail(&mut self, failure: Failure, counters: &mut Counters) -> Step {
        assert!(self.phase != Phase::Idle, "no cycle to fail");
        assert!(!matches!(self.phase, Phase::Waiting { .. }), "no cycle to fail");
        if !matches!(failure, Failure::Refused(_)) {
            self.drop_cycle();
        }
        let hopeless = matches!(failure, Failure::Refused(Refusal::LoginRefused | Refusal::Quota));
        let BackOff { wait, .. } = self.back_off;
        let not_before = self.now + if hopeless { self.config.retry_max } else { wait };
        let longer = Nanos(wait.0.saturating_mul(2)).min(self.config.retry_max);
        self.back_off = BackOff { wait: longer, not_before };
        self.phase = Phase::Waiting { not_before };
        counters.add(failure.counter(), 1);
        if failure == Failure::HoldbackFull {
            counters.add(Counter::HoldbackFull, 1);
        }
        if matches!(failure, Failure::NotHeld | Failure::Unconfirmed | Failure::Contradicted) {
            self.too_old = None;
        }
        Step::Failed(failure)
    }

    /// Says that the cycle is of no use, if it was asked for and may still bring parts.
    fn drop_cycle(&mut self) {
        let asked = match self.phase {
            Phase::Asked { said, .. } => said,
            Phase::Loading { .. } => true,
            Phase::Idle | Phase::Waiting { .. } | Phase::Loaded { .. } => false,
        };
        if asked {
            assert_eq!(self.dropped, None, "actions were not drained");
            self.dropped = Some(self.cycle);
        }
    }

    fn count_held(&self, counters: &mut Counters) {
        counters.set(Counter::HeldBack, self.held().len());
    }
}

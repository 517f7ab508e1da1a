//! A partition's snapshots on the bench: a stream that goes on, a service that answers, and after
//! every step the invariants and the accounting.
#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use candor_core::counters::{Counter, Counters};
use candor_core::{
    Action, ByteOrder, Messages, Mono, Nanos, SeqNo, SeqRange, SessionId, SnapshotAsk, SnapshotPart,
};
use candor_snapshot::{Config, Failure, Snapshots, State, Step, Verdict};

pub const DAY: SessionId = SessionId::from_text(*b"20191230A ");
pub const NEXT: SessionId = SessionId::from_text(*b"20191230B ");

pub const CONFIG: Config = Config {
    holdback_bytes: 1_000,
    begin: Nanos::from_millis(50),
    idle: Nanos::from_millis(20),
    whole: Nanos::from_millis(200),
    confirm: Nanos::from_millis(30),
    retry: Nanos::from_millis(10),
    retry_max: Nanos::from_millis(100),
};

/// A message of the stream: its number, and as many bytes as that says.
pub fn message(seq: u64) -> Vec<u8> {
    let mut bytes = seq.to_be_bytes().to_vec();
    bytes.resize(8 + (seq % 13) as usize, b'.');
    bytes
}

/// Two messages of a snapshot.
pub fn image() -> Messages<'static> {
    Messages::walk(b"\0\x01a\0\x02bc", 2, ByteOrder::Big).unwrap()
}

/// What was said, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Step(Step),
    Splice { next: u64, replay: Vec<u64> },
    Resync { next: u64 },
    Unusable(Failure),
    Wait,
    Stays,
    Action(Action),
}

pub struct Bench {
    pub snapshots: Snapshots,
    pub counters: Counters,
    pub now: Mono,
    pub session: SessionId,
    pub expected: u64,
    pub known_end: u64,
    /// What was asked for last.
    pub ask: Option<SnapshotAsk>,
    said: Vec<Said>,
}

impl Bench {
    pub fn new() -> Bench {
        Bench::with(CONFIG)
    }

    /// The stream's next number is 10.
    pub fn with(config: Config) -> Bench {
        Bench {
            snapshots: Snapshots::new(config),
            counters: Counters::new(),
            now: Mono(1_000_000_000),
            session: DAY,
            expected: 10,
            known_end: 10,
            ask: None,
            said: Vec::new(),
        }
    }

    pub fn state(&self) -> State {
        self.snapshots.state()
    }

    pub fn cycle(&self) -> u32 {
        self.snapshots.cycle()
    }

    pub fn held(&self) -> SeqRange {
        self.snapshots.held()
    }

    pub fn count(&self, counter: Counter) -> u64 {
        self.counters.get(counter)
    }

    /// What was said since the last time.
    pub fn take(&mut self) -> Vec<Said> {
        std::mem::take(&mut self.said)
    }

    fn say(&mut self, said: Said) {
        if said != Said::Step(Step::Ignore) {
            self.said.push(said);
        }
        while let Some(action) = self.snapshots.next_action() {
            if let Action::Snapshot(ask) = action {
                assert!(self.ask.is_none_or(|last| last.cycle < ask.cycle), "a cycle came again");
                assert!(ask.opened <= self.now);
                assert!(ask.expires > self.now);
                self.ask = Some(ask);
            }
            self.said.push(Said::Action(action));
        }
        self.snapshots.check();
        assert_eq!(self.count(Counter::HeldBack), self.snapshots.held().len());
    }

    pub fn want(&mut self, needs: u64) {
        self.snapshots.want(self.now, self.session, SeqNo(needs), &mut self.counters);
        self.say(Said::Step(Step::Ignore));
    }

    pub fn unwant(&mut self) {
        let gone = self.snapshots.unwant(self.now);
        self.say(if gone { Said::Step(Step::Ignore) } else { Said::Stays });
    }

    pub fn hold_from(&mut self, next: u64) {
        self.snapshots.hold_from(SeqNo(next), &mut self.counters);
        self.say(Said::Step(Step::Ignore));
    }

    /// The stream delivers everything up to and without `next`.
    pub fn stream_to(&mut self, next: u64) {
        for seq in self.expected..next {
            self.expected = seq + 1;
            self.known_end = self.known_end.max(self.expected);
            if self.snapshots.is_holding() {
                let Bench { snapshots, counters, now, .. } = self;
                let step = snapshots.hold(*now, SeqNo(seq), &message(seq), counters);
                self.say(Said::Step(step));
            }
        }
    }

    /// The stream gives up everything before `next`.
    pub fn lose_to(&mut self, next: u64) {
        self.expected = next;
        self.known_end = self.known_end.max(next);
        if self.snapshots.is_holding() {
            self.hold_from(next);
        }
    }

    /// Gives a part of this cycle, and holds from its beginning on.
    pub fn part(&mut self, cycle: u32, part: &SnapshotPart<'_>) -> Step {
        let Bench { snapshots, counters, now, session, .. } = self;
        let step = snapshots.on_part(*now, cycle, part, *session, counters);
        if step == Step::Begin && !self.snapshots.is_holding() {
            self.snapshots.hold_from(SeqNo(self.expected), &mut self.counters);
        }
        self.say(Said::Step(step));
        step
    }

    pub fn begin(&mut self) -> Step {
        self.part(self.cycle(), &SnapshotPart::Begin { session: self.session })
    }

    pub fn messages(&mut self) -> Step {
        self.part(self.cycle(), &SnapshotPart::Messages(image()))
    }

    pub fn end(&mut self, next: u64) -> Step {
        self.part(self.cycle(), &SnapshotPart::End { next: SeqNo(next) })
    }

    /// A whole snapshot that ends before `next`.
    pub fn snapshot(&mut self, next: u64) {
        assert_eq!(self.begin(), Step::Begin);
        assert_eq!(self.messages(), Step::Take);
        assert_eq!(self.end(next), Step::Check);
    }

    /// Asks for the verdict and follows it.
    pub fn verdict(&mut self) -> Said {
        let Bench { snapshots, counters, now, expected, known_end, .. } = self;
        let verdict = snapshots.verdict(*now, SeqNo(*expected), SeqNo(*known_end), counters);
        let said = match verdict {
            Verdict::Wait => Said::Wait,
            Verdict::Unusable(failure) => Said::Unusable(failure),
            Verdict::Splice(splice) => {
                let next = splice.next().0;
                let mut replay = Vec::new();
                while let Some((seq, bytes)) = snapshots.take_held(&splice) {
                    assert_eq!(bytes, message(seq.0), "other bytes are replayed");
                    replay.push(seq.0);
                }
                assert_eq!(replay, (next..*expected).collect::<Vec<_>>(), "the replay");
                assert!(snapshots.needs().is_some_and(|needs| needs.0 <= next));
                snapshots.done(*now, splice, counters);
                *expected = next.max(*expected);
                Said::Splice { next, replay }
            }
            Verdict::Resync(splice) => {
                let next = splice.next().0;
                assert_eq!(snapshots.take_held(&splice), None);
                snapshots.done(*now, splice, counters);
                (*expected, *known_end) = (next, next);
                Said::Resync { next }
            }
        };
        self.say(said.clone());
        said
    }

    pub fn abandon(&mut self) {
        let step = self.snapshots.abandon(self.now, &mut self.counters);
        self.say(Said::Step(step));
    }

    pub fn refute(&mut self) {
        let step = self.snapshots.refute(self.now, &mut self.counters);
        self.say(Said::Step(step));
    }

    pub fn reset(&mut self) {
        self.snapshots.reset(self.now, &mut self.counters);
        self.say(Said::Step(Step::Ignore));
    }

    pub fn deadline(&mut self) {
        let step = self.snapshots.on_deadline(self.now, &mut self.counters);
        self.say(Said::Step(step));
    }

    /// Keeps the next deadline, whenever it is.
    pub fn wait_for_deadline(&mut self) {
        let deadline = self.snapshots.deadline().expect("a deadline");
        self.now = self.now.max(deadline);
        self.deadline();
        let next = self.snapshots.deadline();
        assert!(next.is_none_or(|next| next > deadline), "a deadline that was kept stays");
    }

    /// Lets time pass, with every deadline kept on the way.
    pub fn wait(&mut self, length: Nanos) {
        let until = self.now + length;
        while self.snapshots.deadline().is_some_and(|due| due <= until) {
            self.wait_for_deadline();
        }
        self.now = until;
    }

    /// Lets half the time pass that a service may be silent, and gives a part, for as long as it is
    /// to be taken.
    pub fn dribble(&mut self) {
        while self.state() == State::Loading {
            self.wait(Nanos(CONFIG.idle.0 / 2));
            let _ = self.messages();
            self.said.retain(|said| *said != Said::Step(Step::Take));
        }
    }
}

pub fn failed(failure: Failure) -> Said {
    Said::Step(Step::Failed(failure))
}

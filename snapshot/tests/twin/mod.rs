//! The naive twin: it remembers what happened and works out everything else from that, each time
//! anew.

use candor_core::{Mono, Nanos, Refusal};
use candor_snapshot::{Config, Failure, State};

/// A part, without what the twin doesn't look at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Begin { right_session: bool },
    Messages,
    End(u64),
    Failed(Refusal),
}

/// What the twin expects to be said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Says {
    Ignore,
    Begin,
    Take,
    Check,
    Failed(Failure),
    Wait,
    Splice(u64),
    Resync(u64),
}

#[derive(Debug)]
pub(crate) struct Twin {
    config: Config,
    pub(crate) now: Mono,
    /// Needed by whom there is.
    needs: Vec<u64>,
    /// When each cycle was asked for, and the stream's next number then, if it was held.
    asked: Vec<(Mono, u64)>,
    /// Whether the last cycle still goes on.
    goes_on: bool,
    /// When the parts of the cycle came; the first is its beginning.
    parts: Vec<Mono>,
    ended: Option<(Mono, u64)>,
    /// Since the last success.
    failures: Vec<(Mono, Failure)>,
    /// Where the snapshots ended that ended, since the last success, and whether that was too old.
    ends: Vec<(u64, bool)>,
    /// Cycles said to be dropped, since they were last looked at.
    pub(crate) dropped: Vec<u32>,
    pub(crate) requests: u64,
    pub(crate) failed: u64,
    pub(crate) unusable: u64,
    pub(crate) spliced: u64,
}

impl Twin {
    pub(crate) fn new(config: Config) -> Twin {
        Twin {
            config,
            now: Mono(0),
            needs: Vec::new(),
            asked: Vec::new(),
            goes_on: false,
            parts: Vec::new(),
            ended: None,
            failures: Vec::new(),
            ends: Vec::new(),
            dropped: Vec::new(),
            requests: 0,
            failed: 0,
            unusable: 0,
            spliced: 0,
        }
    }

    pub(crate) fn state(&self) -> State {
        match (self.needs.is_empty(), self.goes_on, self.parts.is_empty(), self.ended) {
            (true, ..) => State::Idle,
            (_, false, ..) => State::Waiting,
            (_, _, true, _) => State::Asked,
            (_, _, _, None) => State::Loading,
            (_, _, _, Some(_)) => State::Loaded,
        }
    }

    pub(crate) fn needs(&self) -> Option<u64> {
        self.needs.iter().copied().max()
    }

    pub(crate) fn cycle(&self) -> u32 {
        self.asked.len() as u32
    }

    /// How long the `nth` failure in a row, from 0, is waited after.
    fn wait(&self, nth: usize) -> Nanos {
        let Config { retry, retry_max, .. } = self.config;
        match self.failures[nth].1 {
            Failure::Refused(Refusal::LoginRefused | Refusal::Quota) => retry_max,
            _ => (0..nth).fold(retry, |wait, _| Nanos(wait.0 * 2).min(retry_max)),
        }
    }

    fn not_before(&self) -> Mono {
        let last = self.failures.len().checked_sub(1);
        last.map_or(Mono(0), |last| self.failures[last].0 + self.wait(last))
    }

    /// Everything that ends the present state, with what it would be said to be.
    fn ends_of_state(&self) -> Vec<(Mono, Option<Failure>)> {
        let asked = self.asked.last().map_or(Mono(0), |(at, _)| *at);
        match self.state() {
            State::Idle => vec![],
            State::Waiting => vec![(self.not_before(), None)],
            State::Asked => vec![(asked + self.config.begin, Some(Failure::NoBegin))],
            State::Loading => vec![
                (self.parts[0] + self.config.whole, Some(Failure::TooLong)),
                (*self.parts.last().unwrap() + self.config.idle, Some(Failure::Hung)),
            ],
            State::Loaded => {
                let (at, _) = self.ended.unwrap();
                vec![(at + self.config.confirm, Some(Failure::Unconfirmed))]
            }
        }
    }

    pub(crate) fn deadline(&self) -> Option<Mono> {
        self.ends_of_state().into_iter().map(|(at, _)| at).min()
    }

    fn overdue(&self) -> Option<Failure> {
        let due = self.ends_of_state().into_iter().find(|(at, _)| *at <= self.now);
        due.and_then(|(_, failure)| failure)
    }

    fn ask(&mut self, held_end: u64) {
        self.requests += 1;
        self.asked.push((self.now, held_end));
        self.goes_on = true;
        self.parts.clear();
        self.ended = None;
    }

    fn stop(&mut self, drop: bool) {
        if drop && matches!(self.state(), State::Asked | State::Loading) {
            self.dropped.push(self.cycle());
        }
        self.goes_on = false;
    }

    fn fail(&mut self, failure: Failure) -> Says {
        self.stop(!matches!(failure, Failure::Refused(_)));
        match failure {
            Failure::TooOld | Failure::NotHeld | Failure::Unconfirmed | Failure::Contradicted => {
                self.unusable += 1
            }
            _ => self.failed += 1,
        }
        if matches!(failure, Failure::NotHeld | Failure::Unconfirmed | Failure::Contradicted) {
            self.ends.push((0, false));
        }
        self.failures.push((self.now, failure));
        Says::Failed(failure)
    }

    pub(crate) fn want(&mut self, needs: u64, held_end: u64) {
        let first = self.needs.is_empty();
        self.needs.push(needs);
        if first && self.now >= self.not_before() {
            self.ask(held_end);
        }
    }

    pub(crate) fn unwant(&mut self, holding: bool) -> bool {
        let simple = matches!(self.state(), State::Waiting | State::Asked) && !holding;
        if simple {
            self.stop(true);
            self.needs.clear();
        }
        self.needs.is_empty()
    }

    /// Numbers from `first` up to `end` were held and are not any more.
    pub(crate) fn let_go(&mut self, first: u64, end: u64) -> Says {
        let needed_from = match self.state() {
            State::Idle | State::Waiting => return Says::Ignore,
            State::Loaded => self.ended.unwrap().1,
            State::Asked | State::Loading => {
                self.asked.last().unwrap().1.max(self.needs().unwrap())
            }
        };
        if (first..end).any(|seq| seq >= needed_from) {
            self.fail(Failure::HoldbackFull)
        } else {
            Says::Ignore
        }
    }

    pub(crate) fn part(&mut self, cycle: u32, part: Part) -> Says {
        let listens = matches!(self.state(), State::Asked | State::Loading);
        if cycle != self.cycle() || !listens {
            return Says::Ignore;
        }
        if let Some(failure) = self.overdue() {
            return self.fail(failure);
        }
        let begun = self.state() == State::Loading;
        match part {
            Part::Failed(why) => self.fail(Failure::Refused(why)),
            Part::Begin { right_session: true } if !begun => {
                self.parts.push(self.now);
                Says::Begin
            }
            Part::Begin { right_session: false } if !begun => self.fail(Failure::OtherSession),
            Part::Messages if begun => {
                self.parts.push(self.now);
                Says::Take
            }
            Part::End(next) if begun && next > 0 => {
                self.ended = Some((self.now, next));
                Says::Check
            }
            _ => self.fail(Failure::OutOfOrder),
        }
    }

    pub(crate) fn verdict(&mut self, expected: u64, known_end: u64, held_from: u64) -> Says {
        let Some((_, next)) = self.ended.filter(|_| self.state() == State::Loaded) else {
            return Says::Wait;
        };
        if next < self.needs().unwrap() {
            if self.ends.last().is_some_and(|(last, old)| *old && *last <= next) {
                return Says::Resync(next);
            }
            self.ends.push((next, true));
            return self.fail(Failure::TooOld);
        }
        if let Some(failure) = self.overdue() {
            return self.fail(failure);
        }
        if next > known_end {
            return Says::Wait;
        }
        if (next..expected).all(|seq| seq >= held_from) {
            Says::Splice(next)
        } else {
            self.fail(Failure::NotHeld)
        }
    }

    pub(crate) fn done(&mut self, resync: bool) {
        self.spliced += 1;
        let failures = std::mem::take(&mut self.failures);
        self.forget();
        if resync {
            self.failures = failures;
        }
    }

    pub(crate) fn abandon(&mut self) -> Says {
        if self.goes_on { self.fail(Failure::Abandoned) } else { Says::Ignore }
    }

    pub(crate) fn refute(&mut self) -> Says {
        let loaded = self.state() == State::Loaded;
        if loaded { self.fail(Failure::Contradicted) } else { Says::Ignore }
    }

    pub(crate) fn reset(&mut self) {
        self.stop(true);
        self.forget();
    }

    fn forget(&mut self) {
        self.goes_on = false;
        self.needs.clear();
        self.failures.clear();
        self.ends.clear();
    }

    pub(crate) fn deadline_comes(&mut self, held_end: u64) -> Says {
        if self.state() == State::Waiting && self.now >= self.not_before() {
            self.ask(held_end);
            return Says::Ignore;
        }
        self.overdue().map_or(Says::Ignore, |failure| self.fail(failure))
    }
}

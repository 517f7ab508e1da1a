//! When to ask the venue's retransmit service for what: a machine beside the [`Sequencer`], which
//! knows what is missing ([`Gaps`]). It does no IO and reads no clock; after [`Retransmit::new`] it
//! allocates nothing.
//!
//! # How to drive it
//!
//! After every call of the sequencer that had or has gaps, call [`Retransmit::on_change`]. Where
//! that was an answer which filled something, call [`Retransmit::on_answer`] first. Tell it of
//! refusals ([`Retransmit::on_refused`]) and of time ([`Retransmit::on_deadline`], when
//! [`Retransmit::deadline`] has come). After any of these take [`Retransmit::next_ask`] until it is
//! `None`, and look at [`Retransmit::given_up`]. After [`Notice::Restarted`] and
//! [`Sequencer::resync`] call [`Retransmit::reset`]: the same numbers are others then. (Left out, this
//! is noticed by a gap that opens where none can, unless both happen at one instant.)
//!
//! # Rules
//!
//! - **What is asked for.** Numbers missing for longer than the grace, lowest first, at most
//!   [`Policy::piece`] in a request and [`Policy::outstanding`] requests at a time. Gaps close
//!   together go into one request where at most a quarter of it is not missing. No number is in two
//!   requests.
//! - **The number before.** A request asks for the number before it too ([`Ask::with_known`]), which is
//!   known, or which another request has asked for: where an answer has other bytes under a number that
//!   is known by then, the numbers have begun again while nobody listened, and the sequencer takes
//!   nothing of it ([`candor_core::Answer::Contradicts`]); tell the machine by [`Retransmit::on_doubt`].
//! - **Answers.** Where one brings less than was asked for, the rest is asked for again, as the same
//!   attempt, at once or when [`Policy::rest`] has passed without more. One that brings nothing new
//!   changes nothing.
//! - **Attempts.** No answer by the deadline, or a refusal that may not last: the attempt has failed. After a
//!   missed deadline the next one begins at once, after a refusal when as much time has passed as
//!   the request would have had. That time doubles with each attempt, from [`Policy::timeout`] to
//!   [`Policy::timeout_max`].
//! - **Our own budget.** A request it has no room for ([`Refusal::Budget`]) was never made: it is no
//!   attempt, and made again when as much time has passed as it would have had, while there is patience.
//! - **Given up** is what a snapshot has to heal: everything up to the end of a gap when its
//!   attempts are used up or its [`Policy::patience`] is over; all of it when more than
//!   [`Policy::limit`] numbers are missing or the service refuses for good. Later gaps are asked for
//!   again. What is filled all the same, by a late answer or a line, is not given up any more.
//! - **In rounds**, where no snapshot stands behind ([`Policy::pause_max`]), what was given up because its attempts
//!   or its patience were over is asked for again while it is missing. One request, made once, asks whether the
//!   service answers; when it does, all is asked for as in the beginning, with all its patience. Between two rounds
//!   there is a pause, [`Policy::patience`] at first, that doubles up to [`Policy::pause_max`]: with 30 s a service
//!   that never answers gets 2,880 requests of a partition a day, and a few as it begins. Nothing is asked for
//!   again while anything is missing that was given up for good: over the limit, refused for good, or in doubt.
//!
//! # Table
//!
//! A gap of four numbers, one request at a time, two attempts, in rounds; Resting and Probing are between two rounds
//! and in one. Without rounds what leads to Resting leads to GivenUp. In a cell stand what is counted, the
//! requests that come of the input (`ask 0` is a first attempt), and the state after it where that
//! is another; `·` is nothing. In Answering one of the four has come, and the service may send the
//! rest. A test reads this table and tries each cell.
//!
//! | input | Idle | Asked | Answering | Refused | GivenUp | Resting | Probing |
//! | --- | --- | --- | --- | --- | --- | --- | --- |
//! | another gap outlives the grace | ask 0 → Asked | · | · | · | ask 0 → Asked | ask 0 → Asked | · |
//! | a gap that is over the limit | given up → GivenUp | given up, given up → GivenUp | given up, given up → GivenUp | given up, given up → GivenUp | given up | given up → GivenUp | given up → GivenUp |
//! | the lines fill it | · | → Idle | → Idle | → Idle | → Idle | → Idle | → Idle |
//! | the lines fill half of it | · | · | · | · | · | · | · |
//! | an answer | · | → Idle | → Idle | → Idle | → Idle | → Idle | → Idle |
//! | an answer with half of it | · | → Answering | · | · | · | ask 0 → Asked | → Answering |
//! | an answer with nothing new | · | · | · | · | · | · | · |
//! | its deadline | · | timeout, ask 1 | ask 0 → Asked | ask 1 → Asked | · | ask 0 → Probing | timeout → Resting |
//! | its deadline, on the last attempt | · | timeout, given up → Resting | ask 1 → Asked | ask 1 → Asked | · | ask 0 → Probing | timeout → Resting |
//! | refused: busy | · | refused → Refused | refused → Refused | · | · | · | refused → Resting |
//! | refused: busy, on the last attempt | · | refused, given up → Resting | refused, given up → Resting | · | · | · | refused → Resting |
//! | refused: budget | · | over budget → Refused | over budget → Refused | · | · | · | over budget |
//! | refused: expired | · | · | · | · | · | · | · |
//! | refused: quota | · | refused, given up → GivenUp | refused, given up → GivenUp | · | · | · | refused → GivenUp |
//! | refused: quota, in another session | · | · | · | · | · | · | · |
//! | the patience ends | · | timeout, given up → Resting | given up → Resting | given up → Resting | · | · | timeout → Resting |
//! | an answer contradicts | · | given up → GivenUp | given up → GivenUp | given up → GivenUp | · | → GivenUp | → GivenUp |
//! | another session | · | → Idle | → Idle | → Idle | → Idle | → Idle | → Idle |

mod given_up;
mod policy;
mod request;

use candor_core::counters::{Counter, Counters};
use candor_core::limits::RETRANSMITS_OUTSTANDING;
use candor_core::{Ask, Mono, Nanos, Refusal, Refused, SeqNo, SeqRange, SessionId};

use crate::{Gap, Gaps};
#[cfg(doc)]
use crate::{Notice, Sequencer};
use given_up::GivenUp;
pub use policy::Policy;
use request::{Request, Stage, has_before, worth_a_request};

/// Decides when to ask for what. See the module's description.
#[derive(Clone, Debug)]
pub struct Retransmit {
    policy: Policy,
    /// The latest time heard of.
    now: Mono,
    session: SessionId,
    /// The requests, in no order. They have no number in common.
    requests: [Option<Request>; RETRANSMITS_OUTSTANDING],
    given_up: Option<GivenUp>,
    /// When the lowest gap that is asked for is out of patience.
    patience_ends: Option<Mono>,
    /// When the next thing happens that nobody brings about.
    wake: Option<Mono>,
    /// Before that nothing could be asked for.
    asks_since: Mono,
}

impl Retransmit {
    /// A machine that has nothing to ask for.
    ///
    /// # Panics
    /// When the policy allows no request at all: a piece, the requests at a time or the attempts
    /// are 0, the requests more than [`RETRANSMITS_OUTSTANDING`], or the first timeout 0 or beyond the longest.
    #[must_use]
    pub fn new(policy: Policy) -> Retransmit {
        assert!(policy.piece > 0, "a request for nothing");
        assert!(policy.outstanding > 0, "no request at a time");
        assert!(
            usize::from(policy.outstanding) <= RETRANSMITS_OUTSTANDING,
            "more requests than room"
        );
        assert!(policy.attempts > 0, "no attempt at all");
        assert!(policy.timeout > Nanos::ZERO, "a request needs time");
        assert!(policy.timeout <= policy.timeout_max, "the first timeout is the shortest");
        Retransmit {
            policy,
            now: Mono::NEVER,
            session: SessionId::NONE,
            requests: [None; RETRANSMITS_OUTSTANDING],
            given_up: None,
            patience_ends: None,
            wake: None,
            asks_since: Mono::NEVER,
        }
    }

    /// Forgets all requests: nothing is missing of what was, or the numbers are others.
    pub fn reset(&mut self) {
        self.requests = [None; RETRANSMITS_OUTSTANDING];
        self.given_up = None;
        self.patience_ends = None;
        self.wake = None;
    }

    /// Nothing may be asked for now: all requests are forgotten. The patience of what is missing
    /// begins when this is called last.
    pub fn hold_off(&mut self, now: Mono) {
        self.now = self.now.max(now);
        self.reset();
        self.asks_since = self.now;
    }

    /// What is missing may have changed. `session` is the one that `gaps` are of. Returns at once
    /// where nothing is missing and nothing was.
    #[inline]
    pub fn on_change(
        &mut self,
        now: Mono,
        session: SessionId,
        gaps: &Gaps,
        counters: &mut Counters,
    ) {
        if gaps.is_empty() && self.is_idle() {
            return;
        }
        if session != self.session {
            self.reset();
            self.session = session;
        }
        self.step(now, gaps, counters);
    }

    /// An answer with these numbers, some of which were missing, was taken by the sequencer.
    /// [`Retransmit::on_change`] must follow.
    pub fn on_answer(&mut self, now: Mono, range: SeqRange) {
        self.now = self.now.max(now);
        // The answer to the request behind another begins with that one's last number.
        let of_the_next =
            self.requests.iter().flatten().any(|next| next.asked.first == range.first.next());
        if let Some(given_up) = &mut self.given_up {
            given_up.heard = true;
        }
        // BOUND: RETRANSMITS_OUTSTANDING.
        for request in self.requests.iter_mut().flatten() {
            let part = request.asked.intersect(range);
            let last = part.len() == 1 && part.first == range.first;
            if part.is_empty() || (last && of_the_next) {
                continue;
            }
            match &mut request.stage {
                Stage::Asked { heard, .. } | Stage::Answering { heard, .. } => *heard = true,
                Stage::Due { .. } | Stage::Refused { .. } => {}
            }
        }
    }

    /// A request was refused. One that names no request in flight changes nothing; nor does
    /// [`Refusal::Expired`], since every request has its own deadline here.
    pub fn on_refused(
        &mut self,
        now: Mono,
        refused: &Refused,
        gaps: &Gaps,
        counters: &mut Counters,
    ) {
        self.now = self.now.max(now);
        if refused.session == self.session && !self.is_idle() {
            match refused.why {
                Refusal::Expired => {}
                Refusal::WrongSession
                | Refusal::Quota
                | Refusal::LoginRefused
                | Refusal::Malformed => self.refused_for_good(refused.range, gaps, counters),
                Refusal::Budget => self.unsent(refused.range, counters),
                Refusal::Unreachable
                | Refusal::Busy
                | Refusal::NotYet
                | Refusal::Closed
                | Refusal::TimedOut
                | Refusal::Overrun => self.refused_for_now(refused.range, counters),
            }
        }
        self.step(now, gaps, counters);
    }

    /// Time has come to `now`. Early and late calls do no harm.
    pub fn on_deadline(&mut self, now: Mono, gaps: &Gaps, counters: &mut Counters) {
        if self.wake.is_some_and(|wake| now >= wake) {
            self.step(now, gaps, counters);
        }
    }

    /// The next request to be made, once. Take them until `None`.
    pub fn next_ask(&mut self, counters: &mut Counters) -> Option<Ask> {
        self.wake?;
        let due = self.requests.iter_mut().flatten();
        let due = due.filter(|request| matches!(request.stage, Stage::Due { .. }));
        let request = due.min_by_key(|request| request.range.first)?;
        let expires = request.stage.deadline();
        request.stage = Stage::Asked { expires, heard: false };
        request.asked = request.range;
        counters.add(Counter::RetransmitRequests, 1);
        assert!(!request.range.is_empty(), "a request for nothing");
        assert!(request.range.len() <= u64::from(self.policy.piece));
        Some(Ask {
            session: self.session,
            range: request.range,
            with_known: request.with_known,
            attempt: request.attempt,
            opened: request.opened,
            expires,
        })
    }

    /// An answer contradicts what is known: asking is of no use. Everything missing is given up, and
    /// what comes to be missing is, as long as this is called instead of [`Retransmit::on_change`].
    pub fn on_doubt(
        &mut self,
        now: Mono,
        session: SessionId,
        gaps: &Gaps,
        counters: &mut Counters,
    ) {
        self.now = self.now.max(now);
        if session != self.session {
            self.reset();
            self.session = session;
        }
        self.give_up_for_good(gaps, counters);
        self.step(now, gaps, counters);
    }

    /// When [`Retransmit::on_deadline`] has something to do if nothing comes before.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        self.wake
    }

    /// What is missing before this number was asked for in vain; `None` where nothing was that is missing still.
    #[must_use]
    pub fn given_up(&self) -> Option<SeqNo> {
        self.given_up.map(|given_up| given_up.end)
    }

    /// Whether what is given up is not asked for again while it is missing.
    #[must_use]
    pub fn is_given_up_for_good(&self) -> bool {
        self.given_up.is_some_and(|given_up| given_up.is_for_good())
    }

    /// Asserts what must hold between any two calls.
    ///
    /// # Panics
    /// When this module is wrong.
    pub fn check(&self) {
        let requests = || self.requests.iter().flatten();
        assert!(requests().count() <= usize::from(self.policy.outstanding));
        for (at, request) in requests().enumerate() {
            assert!(!request.range.is_empty());
            assert!(request.range.len() <= u64::from(self.policy.piece));
            assert!(request.missing > 0);
            assert!(request.missing <= request.range.len());
            assert!(request.attempt < self.policy.attempts);
            assert!(self.barred().is_none_or(|end| end <= request.range.first));
            assert!(self.patience_ends.is_some(), "what is asked for has a deadline of its own");
            for other in requests().skip(at + 1) {
                assert!(request.range.intersect(other.range).is_empty());
            }
        }
        let probes = requests().filter(|request| self.is_probe(request));
        assert!(probes.clone().count() <= 1, "one request stands for all that is given up");
        assert!(probes.clone().all(|probe| probe.attempt == 0), "it is made once");
        assert_eq!(self.wake, self.next_wake());
    }

    /// Nothing is asked for or given up.
    fn is_idle(&self) -> bool {
        self.wake.is_none() && self.given_up.is_none()
    }

    /// Compares the requests with what is missing, lets time pass, gives up and asks.
    fn step(&mut self, now: Mono, gaps: &Gaps, counters: &mut Counters) {
        self.now = self.now.max(now);
        if self.is_of_other_numbers(gaps) {
            self.reset();
        }
        self.follow_given_up(gaps);
        let mut failed: Option<SeqNo> = None;
        let probed = self.given_up.and_then(|given_up| given_up.probed());
        for slot in &mut self.requests {
            let Some(request) = slot else { continue };
            let missing = gaps.missing_in(request.range);
            if missing == 0 {
                *slot = None;
                continue;
            }
            let goes_on = request.heed(self.now, missing, &self.policy, counters);
            let is_probe = probed.is_some_and(|end| request.range.first < end);
            if !goes_on || (is_probe && request.attempt > 0) {
                failed = failed.max(Some(request.range.end));
            }
        }
        if let Some(end) = failed {
            self.give_up(end, gaps, counters);
        }
        self.give_up_hopeless(gaps, counters);
        self.narrow(gaps);
        self.ask_for_more(gaps);
        self.patience_ends = wanted(gaps, self.barred()).next().map(|gap| self.patience_of(gap));
        self.wake = self.next_wake();
    }

    /// Whether numbers are missing that were not when they were asked for or given up. A gap opens
    /// beyond all others only, so the numbers are others and the caller did not say so.
    fn is_of_other_numbers(&self, gaps: &Gaps) -> bool {
        let opened_after =
            |end, at| gaps.iter().any(|gap| gap.range.first < end && gap.opened > at);
        let mut requests = self.requests.iter().flatten();
        self.given_up.is_some_and(|given_up| opened_after(given_up.end, given_up.at))
            || requests.any(|request| {
                gaps.missing_in(request.range) > request.missing
                    || opened_after(request.range.end, request.made)
            })
    }

    fn refused_for_now(&mut self, range: SeqRange, counters: &mut Counters) {
        let Retransmit { policy, now, .. } = *self;
        // BOUND: RETRANSMITS_OUTSTANDING.
        for request in self.requests.iter_mut().flatten() {
            if request.stage.in_flight() && !request.asked.intersect(range).is_empty() {
                counters.add(Counter::RetransmitRefused, 1);
                debug_assert!(request.attempt < policy.attempts);
                let until = now + policy.timeout_of(request.attempt);
                request.attempt += 1;
                request.stage = Stage::Refused { until };
            }
        }
    }

    /// It never left the host: it is made again, as the same attempt, when as much time has passed as
    /// it would have had.
    fn unsent(&mut self, range: SeqRange, counters: &mut Counters) {
        let Retransmit { policy, now, .. } = *self;
        // BOUND: RETRANSMITS_OUTSTANDING.
        for request in self.requests.iter_mut().flatten() {
            if request.stage.in_flight() && !request.asked.intersect(range).is_empty() {
                counters.add(Counter::RetransmitOverBudget, 1);
                let until = now + policy.timeout_of(request.attempt);
                request.stage = Stage::Refused { until };
            }
        }
    }

    fn refused_for_good(&mut self, range: SeqRange, gaps: &Gaps, counters: &mut Counters) {
        let requests = self.requests.iter().flatten();
        let named = requests.filter(|request| {
            request.stage.in_flight() && !request.asked.intersect(range).is_empty()
        });
        let count = named.count() as u64;
        if count > 0 {
            counters.add(Counter::RetransmitRefused, count);
            self.give_up_for_good(gaps, counters);
        }
    }

    /// Takes off a request what is not missing any more, or given up. What is to be asked for anew
    /// must be worth a request: the rest of it is left to others.
    fn narrow(&mut self, gaps: &Gaps) {
        let barred = self.barred();
        for slot in &mut self.requests {
            let Some(request) = slot else { continue };
            let parts = || {
                wanted(gaps, barred)
                    .map(|gap| (gap.range.intersect(request.range), gap.opened))
                    .filter(|(part, _)| !part.is_empty())
            };
            let Some((first, opened)) = parts().next() else {
                *slot = None;
                continue;
            };
            let end = parts().last().map_or(first.end, |(part, _)| part.end);
            let whole = SeqRange { first: first.first, end };
            let (range, missing) = match request.stage {
                Stage::Due { .. } => worth_a_request(gaps, whole),
                _ => (whole, gaps.missing_in(whole)),
            };
            debug_assert_eq!(range.intersect(request.range), range);
            debug_assert_eq!(missing, gaps.missing_in(range));
            let with_known = has_before(range);
            *request = Request { range, missing, with_known, opened, ..*request };
        }
    }

    /// Makes requests for what nobody asks for yet, lowest first, while there is room.
    fn ask_for_more(&mut self, gaps: &Gaps) {
        // BOUND: RETRANSMITS_OUTSTANDING requests, each for other numbers.
        for slot in 0..usize::from(self.policy.outstanding) {
            if self.requests[slot].is_some() {
                continue;
            }
            let Some((first, opened)) = self.first_unasked(gaps) else {
                return;
            };
            let above = self.requests.iter().flatten().map(|request| request.range.first);
            let other = above.filter(|other| *other > first).min();
            let piece = SeqNo(first.0.saturating_add(u64::from(self.policy.piece)));
            let probed = self.given_up.and_then(|it| it.probed()).filter(|end| first < *end);
            let end = [other, probed].into_iter().flatten().fold(piece, SeqNo::min);
            let (range, missing) = worth_a_request(gaps, SeqRange { first, end });
            debug_assert!(range.len() <= u64::from(self.policy.piece));
            debug_assert!(
                self.now < opened.max(self.asks_since) + self.policy.patience,
                "it is given up"
            );
            // Made once, it is waited for as long as any.
            let wait = probed.map_or(self.policy.timeout_of(0), |_| self.policy.timeout_max);
            let stage = Stage::Due { expires: self.now + wait };
            self.requests[slot] = Some(Request {
                range,
                missing,
                asked: range,
                attempt: 0,
                with_known: has_before(range),
                opened,
                made: self.now,
                stage,
            });
        }
    }

    /// The lowest number that is wanted and in no request, and since when it is missing.
    fn first_unasked(&self, gaps: &Gaps) -> Option<(SeqNo, Mono)> {
        let probed = self.given_up.and_then(|given_up| given_up.probed());
        let is_probed = self.requests.iter().flatten().any(|request| self.is_probe(request));
        let barred = if is_probed { probed } else { self.barred() };
        wanted(gaps, barred).find_map(|gap| {
            let mut first = gap.range.first;
            // BOUND: each turn passes one of RETRANSMITS_OUTSTANDING requests.
            while let Some(request) =
                self.requests.iter().flatten().find(|request| request.range.contains(first))
            {
                first = request.range.end;
            }
            (first < gap.range.end).then_some((first, gap.opened))
        })
    }

    fn patience_of(&self, gap: Gap) -> Mono {
        gap.opened.max(self.asks_since) + self.policy.patience
    }

    fn next_wake(&self) -> Option<Mono> {
        let requests = self.requests.iter().flatten().map(|request| request.stage.deadline());
        let round = self.given_up.and_then(|given_up| given_up.round_at());
        requests.chain(self.patience_ends).chain(round).min()
    }
}

/// The gaps to ask for: those that have outlived the grace and don't lie before `barred`.
fn wanted(gaps: &Gaps, barred: Option<SeqNo>) -> impl Iterator<Item = Gap> + '_ {
    gaps.outlived().filter(move |gap| barred.is_none_or(|end| gap.range.first >= end))
}

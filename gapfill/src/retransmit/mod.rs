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
//!
//! # Table
//!
//! A gap of four numbers, one request at a time, two attempts. In a cell stand what is counted, the
//! requests that come of the input (`ask 0` is a first attempt), and the state after it where that
//! is another; `·` is nothing. In Answering one of the four has come, and the service may send the
//! rest. A test reads this table and tries each cell.
//!
//! | input | Idle | Asked | Answering | Refused | GivenUp |
//! | --- | --- | --- | --- | --- | --- |
//! | another gap outlives the grace | ask 0 → Asked | · | · | · | ask 0 → Asked |
//! | a gap that is over the limit | given up → GivenUp | given up, given up → GivenUp | given up, given up → GivenUp | given up, given up → GivenUp | given up |
//! | the lines fill it | · | → Idle | → Idle | → Idle | → Idle |
//! | the lines fill half of it | · | · | · | · | · |
//! | an answer | · | → Idle | → Idle | → Idle | → Idle |
//! | an answer with half of it | · | → Answering | · | · | · |
//! | an answer with nothing new | · | · | · | · | · |
//! | its deadline | · | timeout, ask 1 | ask 0 → Asked | ask 1 → Asked | · |
//! | its deadline, on the last attempt | · | timeout, given up → GivenUp | ask 1 → Asked | ask 1 → Asked | · |
//! | refused: busy | · | refused → Refused | refused → Refused | · | · |
//! | refused: busy, on the last attempt | · | refused, given up → GivenUp | refused, given up → GivenUp | · | · |
//! | refused: budget | · | over budget → Refused | over budget → Refused | · | · |
//! | refused: expired | · | · | · | · | · |
//! | refused: quota | · | refused, given up → GivenUp | refused, given up → GivenUp | · | · |
//! | refused: quota, in another session | · | · | · | · | · |
//! | the patience ends | · | timeout, given up → GivenUp | given up → GivenUp | given up → GivenUp | · |
//! | an answer contradicts | · | given up → GivenUp | given up → GivenUp | given up → GivenUp | · |
//! | another session | · | → Idle | → Idle | → Idle | → Idle |

mod request;

use candor_core::counters::{Counter, Counters};
use candor_core::limits::RETRANSMITS_OUTSTANDING;
use candor_core::{Ask, Mono, Nanos, Refusal, Refused, SeqNo, SeqRange, SessionId};

use crate::{Gap, Gaps};
#[cfg(doc)]
use crate::{Notice, Sequencer};
use request::{Request, Stage, has_before, worth_a_request};

/// How a partition asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Numbers one request asks for at most.
    pub piece: u32,
    /// Requests at a time, at most [`RETRANSMITS_OUTSTANDING`].
    pub outstanding: u8,
    /// Missing numbers in all beyond which asking is not worth it.
    pub limit: u64,
    /// How long the first attempt waits for its answer.
    pub timeout: Nanos,
    /// How long any attempt waits at most.
    pub timeout_max: Nanos,
    /// How often a request is made at most.
    pub attempts: u32,
    /// How long a gap may be open, from the beginning, before it is given up.
    pub patience: Nanos,
    /// How long after a part of an answer the rest of it may follow: zero where the service answers
    /// with one packet, so that the rest has to be asked for at once.
    pub rest: Nanos,
}

impl Policy {
    /// How long this attempt waits for its answer.
    fn timeout_of(&self, attempt: u32) -> Nanos {
        let doubled = self.timeout.0.saturating_mul(1u64.checked_shl(attempt).unwrap_or(u64::MAX));
        Nanos(doubled.min(self.timeout_max.0))
    }
}

/// Decides when to ask for what. See the module's description.
#[derive(Clone, Debug)]
pub struct Retransmit {
    policy: Policy,
    /// The latest time heard of.
    now: Mono,
    session: SessionId,
    /// The requests, in no order. They have no number in common.
    requests: [Option<Request>; RETRANSMITS_OUTSTANDING],
    given_up: Option<SeqNo>,
    /// When that was given up.
    given_up_at: Mono,
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
            given_up_at: Mono::NEVER,
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
        self.give_up(SeqNo(u64::MAX), gaps, counters);
        self.step(now, gaps, counters);
    }

    /// When [`Retransmit::on_deadline`] has something to do if nothing comes before.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        self.wake
    }

    /// Retransmission can't heal what is missing before this number; `None` where it may heal all.
    #[must_use]
    pub fn given_up(&self) -> Option<SeqNo> {
        self.given_up
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
            assert!(self.given_up.is_none_or(|end| end <= request.range.first));
            assert!(self.patience_ends.is_some(), "what is asked for has a deadline of its own");
            for other in requests().skip(at + 1) {
                assert!(request.range.intersect(other.range).is_empty());
            }
        }
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
        // Of what is given up only that counts which is missing still.
        self.given_up = self.given_up.and_then(|end| {
            let missing = gaps.outlived().take_while(|gap| gap.range.first < end);
            missing.last().map(|gap| gap.range.end)
        });
        let mut failed: Option<SeqNo> = None;
        for slot in &mut self.requests {
            let Some(request) = slot else { continue };
            let missing = gaps.missing_in(request.range);
            if missing == 0 {
                *slot = None;
            } else if !request.heed(self.now, missing, &self.policy, counters) {
                failed = failed.max(Some(request.range.end));
            }
        }
        if let Some(end) = failed {
            self.give_up(end, gaps, counters);
        }
        self.give_up_hopeless(gaps, counters);
        self.narrow(gaps);
        self.ask_for_more(gaps);
        self.patience_ends = wanted(gaps, self.given_up).next().map(|gap| self.patience_of(gap));
        self.wake = self.next_wake();
    }

    /// Whether numbers are missing that were not when they were asked for or given up. A gap opens
    /// beyond all others only, so the numbers are others and the caller did not say so.
    fn is_of_other_numbers(&self, gaps: &Gaps) -> bool {
        let opened_after =
            |end, at| gaps.iter().any(|gap| gap.range.first < end && gap.opened > at);
        let mut requests = self.requests.iter().flatten();
        self.given_up.is_some_and(|end| opened_after(end, self.given_up_at))
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
            self.give_up(SeqNo(u64::MAX), gaps, counters);
        }
    }

    /// Gives up all gaps that begin before `end`, each of them whole.
    fn give_up(&mut self, end: SeqNo, gaps: &Gaps, counters: &mut Counters) {
        let mut last: Option<Gap> = None;
        let mut count = 0;
        for gap in wanted(gaps, self.given_up).take_while(|gap| gap.range.first < end) {
            count += u64::from(last.is_none_or(|before| before.of != gap.of));
            last = Some(gap);
        }
        let Some(last) = last else {
            return;
        };
        assert!(count > 0);
        counters.add(Counter::RetransmitGivenUp, count);
        let end = last.range.end;
        assert!(self.given_up.is_none_or(|before| before < end), "what is given up only grows");
        self.given_up = Some(end);
        self.given_up_at = self.now;
        for slot in &mut self.requests {
            if slot.is_some_and(|request| request.range.end <= end) {
                *slot = None;
            }
        }
    }

    /// Gives up what is over the limit, or has been missing for too long.
    fn give_up_hopeless(&mut self, gaps: &Gaps, counters: &mut Counters) {
        let missing: u64 = wanted(gaps, self.given_up).map(|gap| gap.range.len()).sum();
        if missing > self.policy.limit {
            self.give_up(SeqNo(u64::MAX), gaps, counters);
            return;
        }
        // The lowest gaps are the oldest ones.
        let overdue =
            wanted(gaps, self.given_up).take_while(|gap| self.patience_of(*gap) <= self.now);
        if let Some(gap) = overdue.last() {
            self.give_up(gap.range.end, gaps, counters);
        }
    }

    /// Takes off a request what is not missing any more, or given up. What is to be asked for anew
    /// must be worth a request: the rest of it is left to others.
    fn narrow(&mut self, gaps: &Gaps) {
        for slot in &mut self.requests {
            let Some(request) = slot else { continue };
            let parts = || {
                wanted(gaps, self.given_up)
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
            let end = other.map_or(piece, |other| other.min(piece));
            let (range, missing) = worth_a_request(gaps, SeqRange { first, end });
            debug_assert!(range.len() <= u64::from(self.policy.piece));
            debug_assert!(
                self.now < opened.max(self.asks_since) + self.policy.patience,
                "it is given up"
            );
            let expires = self.now + self.policy.timeout_of(0);
            let stage = Stage::Due { expires };
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
        wanted(gaps, self.given_up).find_map(|gap| {
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
        requests.chain(self.patience_ends).min()
    }
}

/// The gaps to ask for: those that have outlived the grace and are not given up.
fn wanted(gaps: &Gaps, given_up: Option<SeqNo>) -> impl Iterator<Item = Gap> + '_ {
    gaps.outlived().filter(move |gap| given_up.is_none_or(|end| gap.range.first >= end))
}

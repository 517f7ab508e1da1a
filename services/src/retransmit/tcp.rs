//! A connection a request.

use candor_core::{Ask, Mono, Nanos, Refusal, Refused, SeqRange};
use candor_decoders::iex::tp;

use super::wire::{Kind, PAYLOAD_MAX, Wire};
use super::{Reply, refused};
use crate::Io;
use crate::addresses::Addresses;
use crate::counts::{Count, Counts};
use crate::inbox::Inbox;
use crate::link::{Change, Link};
use candor_core::limits::RETRANSMITS_REMEMBERED;

/// Whose the inbox is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Segment {
    /// It is being received.
    Partial,
    /// It is to be fetched with `next_result`.
    Fresh,
    /// It was, and can be forgotten at the next call.
    Fetched,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Idle,
    Connecting {
        ask: Ask,
    },
    /// `rest` are the numbers behind the last one heard.
    Receiving {
        ask: Ask,
        rest: SeqRange,
        until: Mono,
    },
}

#[derive(Debug)]
pub(super) struct Tcp {
    wire: Wire,
    answer: Nanos,
    link: Link,
    inbox: Inbox,
    segment: Segment,
    phase: Phase,
    /// In the order they came.
    waiting: [Option<Ask>; RETRANSMITS_REMEMBERED],
    /// One event can end the ask under way and all that wait, and turn a new one away.
    refused: [Option<Refused>; RETRANSMITS_REMEMBERED + 2],
    /// Requests that have left since this was asked for last.
    left: usize,
    counts: Counts,
}

impl Tcp {
    pub(super) fn new(wire: Wire, addresses: Addresses, connect: Nanos, answer: Nanos) -> Tcp {
        Tcp {
            wire,
            answer,
            link: Link::new(addresses, connect),
            inbox: Inbox::new(PAYLOAD_MAX),
            segment: Segment::Partial,
            phase: Phase::Idle,
            waiting: [None; RETRANSMITS_REMEMBERED],
            refused: [None; RETRANSMITS_REMEMBERED + 2],
            left: 0,
            counts: Counts::new(),
        }
    }

    pub(super) fn ask(&mut self, now: Mono, ask: Ask) {
        self.enter();
        self.counts.add(Count::Asks);
        let Some(ask) = self.wire.fit(ask) else {
            self.refuse(&ask, Refusal::WrongSession);
            return;
        };
        self.pass(now);
        self.queue(ask);
        self.go_on(now);
    }

    /// Finds the ask its place: with the one under way whose rest holds it, in place of one that
    /// waits, or behind all that wait.
    fn queue(&mut self, ask: Ask) {
        if let Phase::Receiving { ask: older, rest, .. } = &mut self.phase
            && super::overlap(&ask, older)
            && rest.intersect(ask.range) == ask.range
        {
            older.expires = older.expires.max(ask.expires);
            self.counts.add(Count::Replaced);
            return;
        }
        let waiting = &mut self.waiting;
        if let Some(older) = waiting.iter_mut().flatten().find(|at| super::overlap(&ask, at)) {
            *older = ask;
            self.counts.add(Count::Replaced);
            return;
        }
        match waiting.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(ask),
            None => {
                self.counts.add(Count::Overflows);
                self.refuse(&ask, Refusal::Busy);
            }
        }
    }

    pub(super) fn on_connected(&mut self, now: Mono) {
        self.enter();
        let Phase::Connecting { ask } = self.phase else {
            self.counts.add(Count::Stray);
            return;
        };
        if self.link.on_connected(&mut self.counts) != Change::Opened {
            return;
        }
        // A connection can come before the deadline that would have given it up is looked at.
        if ask.expires <= now {
            self.end(now, &ask, Refusal::Expired);
            return;
        }
        let said = self.link.say(|buffer| self.wire.encode(&ask, buffer));
        assert!(said, "an ask whose request can't be written was refused before");
        self.counts.add(Count::Requests);
        self.left += 1;
        let until = (now + self.answer).min(ask.expires);
        self.phase = Phase::Receiving { ask, rest: ask.range, until };
    }

    pub(super) fn on_bytes(&mut self, now: Mono, bytes: &[u8]) -> usize {
        self.enter();
        if !matches!(self.phase, Phase::Receiving { .. }) {
            self.counts.add(Count::Stray);
            return bytes.len();
        }
        let mut taken = 0;
        // BOUND: every round takes a byte, or ends the loop.
        while taken < bytes.len() {
            match self.inbox.fill(&bytes[taken..], tp::HEADER_LEN, tp::segment_len) {
                Ok((used, false)) => taken += used,
                Ok((used, true)) => {
                    taken += used;
                    let ended = self.on_segment(now);
                    if ended {
                        return bytes.len();
                    }
                    if self.segment == Segment::Fresh {
                        return taken;
                    }
                    self.inbox.clear();
                }
                Err(_) => {
                    self.counts.add(Count::Malformed);
                    self.fault(now, Refusal::Malformed);
                    return bytes.len();
                }
            }
        }
        taken
    }

    /// A whole segment is in the inbox. Says whether the request is over with it.
    fn on_segment(&mut self, now: Mono) -> bool {
        let Phase::Receiving { ask, rest, .. } = self.phase else { return true };
        let (session, range) = match self.wire.read(self.inbox.packet()) {
            Kind::Answer(session, range) => (session, range),
            Kind::Empty => {
                self.counts.add(Count::Empty);
                return false;
            }
            Kind::Foreign => {
                self.counts.add(Count::ForeignSession);
                self.fault(now, Refusal::WrongSession);
                return true;
            }
            Kind::Malformed => {
                self.counts.add(Count::Malformed);
                self.fault(now, Refusal::Malformed);
                return true;
            }
        };
        if session != ask.session {
            self.counts.add(Count::ForeignSession);
            self.fault(now, Refusal::WrongSession);
            return true;
        }
        if ask.requested().intersect(range).is_empty() {
            self.counts.add(Count::ForeignRange);
            return false;
        }
        self.counts.add(Count::Answers);
        self.segment = Segment::Fresh;
        let behind = SeqRange::between(rest.first.max(range.end), rest.end);
        if behind.is_empty() {
            if let Some(address) = self.link.address() {
                self.link.praise(address);
            }
            self.leave();
            self.go_on(now);
            return true;
        }
        // Numbers heard before move no deadline: a service could repeat them for ever.
        if behind.first > rest.first {
            let until = now + self.answer;
            self.phase = Phase::Receiving { ask, rest: behind, until };
        }
        false
    }

    pub(super) fn on_closed(&mut self, now: Mono) {
        self.enter();
        let address = self.link.address();
        match (self.link.on_closed(now, &mut self.counts), self.phase) {
            (Change::Unreachable, Phase::Connecting { ask }) => {
                self.end(now, &ask, Refusal::Unreachable);
            }
            (Change::Lost, Phase::Receiving { ask, rest, .. }) => {
                if let Some(address) = address.filter(|_| rest == ask.range) {
                    self.link.blame(now, address, &mut self.counts);
                }
                self.end(now, &Ask { range: rest, ..ask }, Refusal::Closed);
            }
            _ => {}
        }
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        let under_way = match self.phase {
            Phase::Idle => None,
            Phase::Connecting { .. } => self.link.deadline(),
            Phase::Receiving { until, .. } => Some(until),
        };
        let waiting = self.waiting.iter().flatten().map(|ask| ask.expires).min();
        under_way.into_iter().chain(waiting).min()
    }

    pub(super) fn on_deadline(&mut self, now: Mono) {
        self.enter();
        self.pass(now);
    }

    /// Ends what took too long, and turns to what waits.
    fn pass(&mut self, now: Mono) {
        match self.phase {
            Phase::Idle => {}
            Phase::Connecting { ask } => {
                if self.link.on_deadline(now, &mut self.counts) == Change::Unreachable {
                    self.end(now, &ask, Refusal::Unreachable);
                }
            }
            Phase::Receiving { ask, rest, until } => {
                if until <= now {
                    self.counts.add(Count::TimedOut);
                    let silent = rest == ask.range;
                    if let Some(address) = self.link.address().filter(|_| silent) {
                        self.link.blame(now, address, &mut self.counts);
                    }
                    self.end(now, &Ask { range: rest, ..ask }, Refusal::TimedOut);
                }
            }
        }
        self.go_on(now);
    }

    pub(super) fn next_io(&mut self) -> Option<Io<'_>> {
        self.link.next_io()
    }

    pub(super) fn next_result(&mut self) -> Option<Reply<'_>> {
        if self.segment == Segment::Fresh {
            self.segment = Segment::Fetched;
            return Some(Reply::Payload(self.inbox.packet()));
        }
        self.refused.iter_mut().find_map(Option::take).map(Reply::Refused)
    }

    pub(super) fn stray(&mut self) {
        self.enter();
        self.counts.add(Count::Stray);
    }

    pub(super) fn take_left(&mut self) -> usize {
        core::mem::take(&mut self.left)
    }

    pub(super) fn unsent(&self) -> usize {
        let connecting = matches!(self.phase, Phase::Connecting { .. });
        usize::from(connecting) + self.waiting.iter().flatten().count()
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(super) fn check(&self) {
        self.link.check();
        match self.phase {
            Phase::Idle => assert!(self.link.address().is_none()),
            Phase::Connecting { .. } => assert!(self.link.deadline().is_some()),
            Phase::Receiving { ask, rest, .. } => {
                assert!(self.link.address().is_some());
                assert!(!rest.is_empty());
                assert_eq!(ask.range.intersect(rest), rest);
            }
        }
    }

    fn enter(&mut self) {
        assert!(self.segment != Segment::Fresh, "results are fetched after every call");
        assert!(self.refused.iter().all(Option::is_none), "results are fetched after every call");
        assert!(self.link.is_drained(), "what is to be done is fetched after every call");
        if self.segment == Segment::Fetched {
            self.segment = Segment::Partial;
            self.inbox.clear();
        }
    }

    /// Forgets what waited for too long, and turns to the first that waits where nothing is under way.
    fn go_on(&mut self, now: Mono) {
        let mut kept = 0;
        for at in 0..RETRANSMITS_REMEMBERED {
            match self.waiting[at].take() {
                Some(ask) if ask.expires <= now => self.counts.add(Count::Expired),
                // Those behind move up, so that a new one is behind them.
                Some(ask) => {
                    self.waiting[kept] = Some(ask);
                    kept += 1;
                }
                None => {}
            }
        }
        // BOUND: every round takes one of those that wait.
        while matches!(self.phase, Phase::Idle) {
            let Some(ask) = self.first_waiting() else { return };
            if self.link.open(now, ask.expires, &mut self.counts) {
                self.phase = Phase::Connecting { ask };
            } else {
                self.refuse(&ask, Refusal::Unreachable);
            }
        }
    }

    fn first_waiting(&mut self) -> Option<Ask> {
        let first = self.waiting[0].take();
        self.waiting.rotate_left(1);
        first
    }

    fn refuse(&mut self, ask: &Ask, why: Refusal) {
        let place = self.refused.iter_mut().find(|place| place.is_none());
        let place = place.expect("one event refuses no more than wait, are under way, and come");
        *place = Some(refused(ask, why));
    }

    /// The service at the present address did not give what it was asked for.
    fn fault(&mut self, now: Mono, why: Refusal) {
        if let Some(address) = self.link.address() {
            self.link.blame(now, address, &mut self.counts);
        }
        if let Phase::Receiving { ask, rest, .. } = self.phase {
            self.end(now, &Ask { range: rest, ..ask }, why);
        }
    }

    /// The ask under way will not be answered further.
    fn end(&mut self, now: Mono, rest: &Ask, why: Refusal) {
        self.leave();
        if now < rest.expires {
            self.refuse(rest, why);
        } else {
            self.counts.add(Count::Expired);
        }
        self.go_on(now);
    }

    fn leave(&mut self) {
        self.link.close();
        self.phase = Phase::Idle;
        if self.segment == Segment::Partial {
            self.inbox.clear();
        }
    }
}

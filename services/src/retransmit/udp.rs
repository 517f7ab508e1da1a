//! A datagram a request.

use candor_core::{Ask, Mono, Nanos, Refusal, Refused, SeqRange};

use super::wire::{Kind, PAYLOAD_MAX, REQUEST_MAX, Wire};
use super::{Reply, refused};
use crate::Io;
use crate::addresses::Addresses;
use crate::counts::{Count, Counts};
use candor_core::limits::RETRANSMITS_REMEMBERED;

/// An ask and what has become of it. `rest` are the numbers behind the last one heard.
#[derive(Clone, Copy, Debug)]
enum Entry {
    Free,
    /// Fetched with `next_io`.
    Due {
        ask: Ask,
        since: Mono,
    },
    Sent {
        ask: Ask,
        rest: SeqRange,
        until: Mono,
        address: usize,
    },
    /// Fetched with `next_result`, then over.
    Refusing {
        ask: Ask,
        rest: SeqRange,
        why: Refusal,
    },
    /// Answered or given up, and remembered.
    Over {
        ask: Ask,
    },
}

impl Entry {
    const fn ask(&self) -> Option<&Ask> {
        match self {
            Entry::Free => None,
            Entry::Due { ask, .. }
            | Entry::Sent { ask, .. }
            | Entry::Refusing { ask, .. }
            | Entry::Over { ask } => Some(ask),
        }
    }
}

#[derive(Debug)]
pub(super) struct Udp {
    wire: Wire,
    addresses: Addresses,
    answer: Nanos,
    entries: [Entry; RETRANSMITS_REMEMBERED],
    /// Where the search for a place begins, so that what was over first is forgotten first.
    turn: usize,
    /// An ask there was no place for, or that can't be made.
    turned_away: Option<Refused>,
    request: [u8; REQUEST_MAX],
    payload: Vec<u8>,
    fresh: bool,
    /// Requests that have left since this was asked for last.
    left: usize,
    counts: Counts,
}

impl Udp {
    pub(super) fn new(wire: Wire, addresses: Addresses, answer: Nanos) -> Udp {
        Udp {
            wire,
            addresses,
            answer,
            entries: [Entry::Free; RETRANSMITS_REMEMBERED],
            turn: 0,
            turned_away: None,
            request: [0; REQUEST_MAX],
            payload: Vec::with_capacity(PAYLOAD_MAX),
            fresh: false,
            left: 0,
            counts: Counts::new(),
        }
    }

    pub(super) fn ask(&mut self, now: Mono, ask: Ask) {
        self.enter();
        self.counts.add(Count::Asks);
        if ask.expires <= now {
            self.counts.add(Count::Expired);
            return;
        }
        let Some(ask) = self.wire.fit(ask) else {
            self.turned_away = Some(refused(&ask, Refusal::WrongSession));
            return;
        };
        self.pass(now);
        for entry in &mut self.entries {
            match *entry {
                Entry::Sent { ask: older, .. } if super::overlap(&ask, &older) => {
                    // Whoever asks anew for some of it waits for the older answer no more.
                    *entry = Entry::Over { ask: older };
                    self.counts.add(Count::Replaced);
                }
                _ => {}
            }
        }
        let in_turn =
            (0..RETRANSMITS_REMEMBERED).map(|step| (self.turn + step) % RETRANSMITS_REMEMBERED);
        let free = in_turn
            .clone()
            .find(|at| matches!(self.entries[*at], Entry::Free | Entry::Over { .. }));
        let Some(at) = free else {
            self.counts.add(Count::Overflows);
            self.turned_away = Some(refused(&ask, Refusal::Busy));
            return;
        };
        self.turn = (at + 1) % RETRANSMITS_REMEMBERED;
        self.entries[at] = Entry::Due { ask, since: now };
    }

    pub(super) fn on_datagram(&mut self, now: Mono, from: usize, bytes: &[u8]) {
        self.enter();
        if !self.addresses.is_one(from) {
            self.counts.add(Count::ForeignSource);
            return;
        }
        let (session, range) = match self.wire.read(bytes) {
            Kind::Answer(session, range) => (session, range),
            Kind::Empty => return self.counts.add(Count::Empty),
            Kind::Foreign => return self.counts.add(Count::ForeignSession),
            Kind::Malformed => return self.counts.add(Count::Malformed),
        };
        // Each request asks for the number before it too, which may be another's last.
        let mut asks = self.entries.iter().filter_map(Entry::ask);
        let of_the_next =
            asks.any(|ask| ask.session == session && ask.range.first == range.first.next());
        let (mut of_session, mut asked, mut live) = (false, false, false);
        for entry in &mut self.entries {
            let Some(ask) = entry.ask().filter(|ask| ask.session == session) else { continue };
            of_session = true;
            if ask.requested().intersect(range).is_empty() {
                continue;
            }
            asked = true;
            let part = ask.range.intersect(range);
            let last = part.len() == 1 && part.first == range.first;
            if part.is_empty() || (last && of_the_next) {
                continue;
            }
            if let Entry::Sent { ask, rest, address, .. } = *entry {
                live = true;
                let behind = SeqRange::between(rest.first.max(range.end), rest.end);
                // Of several answers to one request, one that brings nothing further waits for nobody.
                *entry = if behind.is_empty() || self.wire.answers_once() {
                    Entry::Over { ask }
                } else if behind.first > rest.first {
                    Entry::Sent { ask, rest: behind, until: now + self.answer, address }
                } else {
                    continue;
                };
            }
        }
        #[cfg(canary)]
        let asked = match of_session {
            true => asked || candor_core::canary!(ForeignRangeTaken),
            false => candor_core::canary!(ForeignSessionTaken),
        };
        if !asked {
            let why = if of_session { Count::ForeignRange } else { Count::ForeignSession };
            self.counts.add(why);
            return;
        }
        if live {
            self.addresses.worked(from);
        } else {
            self.counts.add(Count::AnswersLate);
        }
        self.counts.add(Count::Answers);
        self.payload.clear();
        self.payload.extend_from_slice(bytes);
        self.fresh = true;
    }

    pub(super) fn on_unreachable(&mut self, now: Mono, unreachable: usize) {
        self.enter();
        let mut blamed = false;
        for entry in &mut self.entries {
            match *entry {
                Entry::Sent { ask, rest, address, .. } if address == unreachable => {
                    *entry = Entry::Refusing { ask, rest, why: Refusal::Unreachable };
                    blamed = true;
                }
                _ => {}
            }
        }
        if blamed {
            self.counts.add(Count::Unreachable);
            self.blame(now, unreachable);
        } else {
            self.counts.add(Count::Stray);
        }
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        let until = self.entries.iter().filter_map(|entry| match entry {
            Entry::Sent { until, .. } => Some(*until),
            // What is due or refused is fetched before anybody asks for the deadline.
            Entry::Free | Entry::Due { .. } | Entry::Refusing { .. } | Entry::Over { .. } => None,
        });
        until.min()
    }

    pub(super) fn on_deadline(&mut self, now: Mono) {
        self.enter();
        self.pass(now);
    }

    /// Ends what was not answered by now.
    fn pass(&mut self, now: Mono) {
        // Several requests lost together are one failure of their address.
        let mut silent = [false; crate::addresses::ADDRESSES];
        for entry in &mut self.entries {
            let Entry::Sent { ask, rest, until, address } = *entry else { continue };
            if until > now {
                continue;
            }
            self.counts.add(Count::TimedOut);
            silent[address] |= rest == ask.range;
            *entry = if ask.expires <= now {
                Entry::Over { ask }
            } else {
                Entry::Refusing { ask, rest, why: Refusal::TimedOut }
            };
        }
        for (address, silent) in silent.into_iter().enumerate() {
            if silent {
                self.blame(now, address);
            }
        }
    }

    pub(super) fn next_io(&mut self) -> Option<Io<'_>> {
        let due = |entry: &&mut Entry| matches!(entry, Entry::Due { .. });
        let entry = self.entries.iter_mut().find(due)?;
        let Entry::Due { ask, since } = *entry else { return None };
        let until = (since + self.answer).min(ask.expires);
        // A datagram costs nobody a connection: where every address rests it is sent nonetheless.
        let address = self.addresses.pick_anyway(since);
        *entry = Entry::Sent { ask, rest: ask.range, until, address };
        let len = self.wire.encode(&ask, &mut self.request)?;
        self.counts.add(Count::Requests);
        self.left += 1;
        Some(Io::SendTo { address, bytes: &self.request[..len] })
    }

    pub(super) fn next_result(&mut self) -> Option<Reply<'_>> {
        if let Some(refused) = self.turned_away.take() {
            return Some(Reply::Refused(refused));
        }
        for entry in &mut self.entries {
            if let Entry::Refusing { ask, rest, why } = *entry {
                *entry = Entry::Over { ask };
                return Some(Reply::Refused(refused(&Ask { range: rest, ..ask }, why)));
            }
        }
        core::mem::take(&mut self.fresh).then_some(Reply::Payload(&self.payload))
    }

    pub(super) fn stray(&mut self) {
        self.enter();
        self.counts.add(Count::Stray);
    }

    pub(super) fn take_left(&mut self) -> usize {
        core::mem::take(&mut self.left)
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(super) fn check(&self) {
        self.addresses.check();
        for entry in &self.entries {
            if let Entry::Sent { ask, rest, .. } = entry {
                assert!(!rest.is_empty());
                assert_eq!(ask.range.intersect(*rest), *rest);
            }
        }
    }

    fn blame(&mut self, now: Mono, address: usize) {
        if self.addresses.failed(now, address) {
            self.counts.add(Count::Failovers);
        }
    }

    fn enter(&self) {
        assert!(!self.fresh, "results are fetched after every call");
        assert!(self.turned_away.is_none(), "results are fetched after every call");
        for entry in &self.entries {
            let pending = matches!(entry, Entry::Due { .. } | Entry::Refusing { .. });
            assert!(!pending, "what is to be done is fetched after every call");
        }
    }
}

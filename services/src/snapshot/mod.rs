//! The client of a partition's snapshot service.
//!
//! One snapshot at a time, and a connection for each. What is in the partition's way stands in columns,
//! what happens in rows; a cell says what is done and said, `-` that nothing is. What ends the request
//! leads to `Idle`; a failure that is the address's own makes it rest, and the next request turns to
//! the next address. So does a drop when the address has had its time: an answer is overdue, or none but
//! signs of life have come for as long as the server may say nothing. A snapshot that is older than what
//! was asked for, or of another session, is passed on; the next request turns to the next address, and
//! this one need not rest.
//!
//! | input | Idle | Connecting | Asked | Loading |
//! | --- | --- | --- | --- | --- |
//! | an ask | Connect | Close Connect | Close Connect | Close Connect |
//! | an expired ask | Failed(expired) | Close Failed(expired) | Close Failed(expired) | Close Failed(expired) |
//! | an ask of no such session | Failed(wrong_session) | Close Failed(wrong_session) | Close Failed(wrong_session) | Close Failed(wrong_session) |
//! | the cycle is dropped | - | Close | Close | Close |
//! | another cycle is dropped | - | - | - | - |
//! | connected | - | Send | - | - |
//! | connected, when the ask has expired | - | Close Failed(expired) | - | - |
//! | closed | - | Connect | Failed(closed) | Failed(closed) |
//! | yes | - | - | Begin | Close Failed(malformed) |
//! | no | - | - | Close Failed(refused) | Close Failed(malformed) |
//! | a message | - | - | Close Failed(malformed) | Messages |
//! | the end | - | - | Close Failed(malformed) | Close End |
//! | garbage | - | - | Close Failed(malformed) | Close Failed(malformed) |
//! | something to pass over | - | - | - | - |
//! | the deadline | - | Close Connect | Close Failed(timed_out) | Close Failed(timed_out) |
//!
//! `the end` is one of a snapshot that is whole as far as its protocol tells: SNAP says before the first
//! message how many bytes will come, and an end behind fewer or more is `garbage` (a message was lost on
//! the way, or never sent). GLIMPSE says nothing of the kind: that its image is whole rests on the server
//! and on TCP.
//!
//! `Connecting` includes waiting for an address that rests. `yes` is a login accepted, or the start of a
//! snapshot; `no` a login rejected, or an error of SNAP (`refused` stands for what it says). With
//! GLIMPSE a heartbeat is sent in `Loading` after each second in which nothing else was, and a logout
//! before the close that follows an end. In `Asked` none is sent: SoupBinTCP asks for heartbeats once the
//! client is logged in, and of whoever is not yet for nothing but a login, within thirty seconds. A server
//! may take whatever else comes before its yes for no client of it. Where the yes comes more than a second
//! behind the login, the first heartbeat is due with it.
//!
//! The deadlines: `Connecting`, the time a connection may take, and when the ask expires; `Asked`, the
//! time an answer may take, and when the ask expires; `Loading`, the time without a byte, and the time
//! for the whole snapshot.

mod dialogue;
mod piece;

use candor_core::{Mono, Nanos, Refusal, SeqNo, SessionId, SnapshotAsk};
use candor_decoders::Format;
use candor_decoders::iex::snap;
use candor_decoders::nasdaq::soupbintcp;

use crate::Io;
use crate::addresses::Addresses;
use crate::counts::{Count, Counts};
use crate::credentials::Credentials;
use crate::inbox::Inbox;
use crate::link::{Change, Link};
use dialogue::{Dialogue, Said};
pub use piece::{Block, Body, Piece};

/// Bytes of messages, with a length of two bytes before each, that are passed on together at most.
pub const BLOCK_BYTES: usize = candor_core::limits::RECOVERY_BUFFER_BYTES;

/// Which session GLIMPSE is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionChoice {
    /// The partition's own, by its name.
    Stream,
    /// Whichever is current. What the server names must still be the partition's: its name is passed on
    /// as it is, for whoever asked to compare.
    Current,
}

/// What a client has to be told.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// How many addresses the service has.
    pub addresses: usize,
    /// Who asks: user and password for GLIMPSE, the token for SNAP.
    pub credentials: Credentials,
    /// Which session GLIMPSE is asked for.
    pub session: SessionChoice,
    /// The channel SNAP is asked for.
    pub channel: u32,
    /// The longest a connection may take to be made.
    pub connect: Nanos,
    /// The longest the server may take to say yes or no.
    pub answer: Nanos,
    /// The longest the server may say nothing during a snapshot.
    pub silence: Nanos,
    /// The longest a snapshot may take from its yes to its end.
    pub whole: Nanos,
    /// How long an address rests after its first failure.
    pub rest: Nanos,
    /// How long it rests at most.
    pub rest_max: Nanos,
}

impl Config {
    /// What suits the venue of this format, for a service of so many addresses.
    #[must_use]
    pub const fn of(format: Format, addresses: usize) -> Config {
        Config {
            addresses,
            credentials: Credentials::BLANK,
            session: SessionChoice::Stream,
            channel: 1,
            connect: Nanos::from_secs(2),
            answer: Nanos::from_secs(5),
            silence: match format {
                Format::NasdaqItch50 => soupbintcp::SILENCE_MAX,
                Format::IexDeep | Format::IexTops => candor_decoders::iex::snap::SILENCE_MAX,
            },
            whole: Nanos::from_secs(60),
            rest: Nanos::from_millis(250),
            rest_max: Nanos::from_secs(10),
        }
    }
}

/// What a client is at.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Idle,
    Connecting {
        ask: SnapshotAsk,
    },
    Asked {
        ask: SnapshotAsk,
        until: Mono,
    },
    /// `brought` is when a part came last: signs of life are none. `foreign`: it is of another session than
    /// was asked for.
    Loading {
        ask: SnapshotAsk,
        brought: Mono,
        silent: Mono,
        whole: Mono,
        foreign: bool,
        length: Length,
    },
}

/// How long the snapshot is to be, where the service says it, and what has come of it.
#[derive(Clone, Copy, Debug)]
struct Length {
    told: Option<u64>,
    taken: snap::Taken,
}

impl Length {
    fn is_whole(&self) -> bool {
        let ignored = candor_core::canary!(SnapLengthIgnored);
        ignored || self.told.is_none_or(|told| self.taken.agrees(told))
    }
}

/// How a snapshot ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Over {
    End(SeqNo),
    Failed(Refusal),
}

/// What is to be fetched with `next_result`: in this order.
#[derive(Debug)]
struct Results {
    cycle: u32,
    begin: Option<SessionId>,
    block: Vec<u8>,
    count: u16,
    over: Option<Over>,
}

impl Results {
    fn is_drained(&self) -> bool {
        self.begin.is_none() && self.count == 0 && self.over.is_none()
    }

    /// Whether a message of any length the wire allows still fits.
    fn has_room(&self) -> bool {
        let room = BLOCK_BYTES - self.block.len();
        self.over.is_none() && self.count < u16::MAX && room >= 2 + dialogue::MESSAGE_MAX
    }

    fn push(&mut self, message: &[u8]) {
        assert!(self.has_room());
        assert!(message.len() <= dialogue::MESSAGE_MAX);
        self.block.extend_from_slice(&(message.len() as u16).to_be_bytes());
        self.block.extend_from_slice(message);
        self.count += 1;
    }
}

/// The client of one partition's snapshot service.
#[derive(Debug)]
pub struct Client {
    dialogue: Dialogue,
    config: Config,
    link: Link,
    inbox: Inbox,
    phase: Phase,
    /// When something was said last.
    spoke: Mono,
    results: Results,
    /// Requests that have left since this was asked for last.
    left: usize,
    counts: Counts,
}

impl Client {
    /// A client for the snapshot service of a partition of this format: GLIMPSE for ITCH, SNAP for
    /// IEX. Allocates everything it will ever need, some 20 KB.
    ///
    /// # Panics
    /// Where the configuration has no address, more than [`ADDRESSES`](crate::addresses::ADDRESSES), or
    /// a time that is zero.
    #[must_use]
    pub fn new(format: Format, config: Config) -> Client {
        for wait in [config.connect, config.answer, config.silence, config.whole] {
            assert!(wait > Nanos::ZERO, "every wait takes time");
        }
        let addresses = Addresses::new(config.addresses, config.rest, config.rest_max);
        let results = Results {
            cycle: 0,
            begin: None,
            block: Vec::with_capacity(BLOCK_BYTES),
            count: 0,
            over: None,
        };
        Client {
            dialogue: Dialogue::new(format, &config),
            link: Link::new(addresses, config.connect),
            inbox: Inbox::new(dialogue::LONGEST),
            phase: Phase::Idle,
            spoke: Mono::NEVER,
            results,
            left: 0,
            counts: Counts::new(),
            config,
        }
    }

    /// Fetch a snapshot. One that is being fetched is given up without a word: its partition does not
    /// ask again before it has no use for the one before.
    pub fn ask(&mut self, now: Mono, ask: SnapshotAsk) {
        self.enter();
        self.counts.add(Count::Asks);
        if !matches!(self.phase, Phase::Idle) {
            self.counts.add(Count::Replaced);
            self.abandon(now);
        }
        self.results.cycle = ask.cycle;
        if ask.expires <= now {
            self.counts.add(Count::Expired);
            self.fail(Refusal::Expired);
        } else if !self.dialogue.can_ask(&ask) {
            self.fail(Refusal::WrongSession);
        } else if self.link.open(now, ask.expires, &mut self.counts) {
            self.phase = Phase::Connecting { ask };
        } else {
            self.fail(Refusal::Unreachable);
        }
    }

    /// The snapshot of this cycle is of no use any more.
    pub fn drop_cycle(&mut self, now: Mono, cycle: u32) {
        self.enter();
        if self.current().is_some_and(|ask| ask.cycle == cycle) {
            self.counts.add(Count::Dropped);
            self.abandon(now);
        }
    }

    /// The connection that was to be made is there.
    pub fn on_connected(&mut self, now: Mono) {
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
            self.counts.add(Count::Expired);
            self.fail(Refusal::Expired);
            return;
        }
        let said = self.link.say(|buffer| self.dialogue.greeting(&ask, buffer));
        assert!(said, "an ask whose request can't be written was refused before");
        self.counts.add(Count::Requests);
        self.left += 1;
        self.spoke = now;
        self.phase = Phase::Asked { ask, until: (now + self.config.answer).min(ask.expires) };
    }

    /// Bytes of the connection. Says how many were taken, at least one: the rest is given again once
    /// every result is fetched.
    #[must_use = "the rest has to be given again"]
    pub fn on_bytes(&mut self, now: Mono, bytes: &[u8]) -> usize {
        self.enter();
        let mut taken = 0;
        // BOUND: every round takes a byte, or ends the loop.
        while taken < bytes.len() && self.results.has_room() {
            if !matches!(self.phase, Phase::Asked { .. } | Phase::Loading { .. }) {
                // What comes behind an end belongs to nothing; without one, nobody was listening.
                if taken == 0 {
                    self.counts.add(Count::Stray);
                }
                return bytes.len();
            }
            let framing = self.dialogue.framing();
            let head = candor_decoders::stream::PREFIX_LEN;
            match self.inbox.fill(&bytes[taken..], head, |head| framing.packet_len(head)) {
                Ok((used, whole)) => {
                    taken += used;
                    if whole {
                        self.on_packet(now);
                        self.inbox.clear();
                    }
                }
                Err(_) => {
                    self.counts.add(Count::Malformed);
                    self.fault(now, Refusal::Malformed);
                }
            }
        }
        if let Phase::Loading { silent, .. } = &mut self.phase {
            *silent = now + self.config.silence;
        }
        if matches!(self.phase, Phase::Idle) { bytes.len() } else { taken }
    }

    /// The connection was closed by the service, or could not be made.
    pub fn on_closed(&mut self, now: Mono) {
        self.enter();
        let address = self.link.address();
        match (self.link.on_closed(now, &mut self.counts), address) {
            (Change::Unreachable, _) => self.fail(Refusal::Unreachable),
            (Change::Lost, Some(address)) => {
                self.link.blame(now, address, &mut self.counts);
                self.fail(Refusal::Closed);
            }
            _ => {}
        }
    }

    /// The next moment at which [`Client::on_deadline`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        match self.phase {
            Phase::Idle => None,
            Phase::Connecting { .. } => self.link.deadline(),
            Phase::Asked { until, .. } => Some(until),
            Phase::Loading { silent, whole, .. } => {
                let beat = self.beat_due().unwrap_or(whole);
                Some(silent.min(whole).min(beat))
            }
        }
    }

    /// Time has passed.
    pub fn on_deadline(&mut self, now: Mono) {
        self.enter();
        match self.phase {
            Phase::Idle => {}
            Phase::Connecting { .. } => {
                if self.link.on_deadline(now, &mut self.counts) == Change::Unreachable {
                    self.fail(Refusal::Unreachable);
                }
            }
            Phase::Asked { until, .. } => {
                if until <= now {
                    self.counts.add(Count::TimedOut);
                    self.fault(now, Refusal::TimedOut);
                }
            }
            Phase::Loading { silent, whole, .. } => {
                if silent.min(whole) <= now {
                    self.counts.add(Count::TimedOut);
                    self.fault(now, Refusal::TimedOut);
                } else if self.beat_due().is_some_and(|due| due <= now) {
                    self.spoke = now;
                    self.link.say(|buffer| self.dialogue.heartbeat(buffer));
                }
            }
        }
    }

    /// The next thing to do with the connection.
    pub fn next_io(&mut self) -> Option<Io<'_>> {
        self.link.next_io()
    }

    /// The next part of the snapshot.
    pub fn next_result(&mut self) -> Option<Piece<'_>> {
        let results = &mut self.results;
        let body = if let Some(session) = results.begin.take() {
            Body::Begin { session }
        } else if results.count > 0 {
            let count = core::mem::take(&mut results.count);
            Body::Messages(Block { bytes: &results.block, count })
        } else {
            match results.over.take()? {
                Over::End(next) => Body::End { next },
                Over::Failed(why) => Body::Failed(why),
            }
        };
        Some(Piece { cycle: results.cycle, body })
    }

    /// Whether nothing is being fetched.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    /// How many requests have left since this was asked last: logins and requests of SNAP, neither
    /// heartbeats nor logouts.
    pub fn take_left(&mut self) -> usize {
        core::mem::take(&mut self.left)
    }

    /// How many asks have not left and still may, one at most: it waits for its connection.
    #[must_use]
    pub fn unsent(&self) -> usize {
        usize::from(matches!(self.phase, Phase::Connecting { .. }))
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Panics where what must always hold does not.
    pub fn check(&self) {
        self.link.check();
        let connected = matches!(self.phase, Phase::Asked { .. } | Phase::Loading { .. });
        assert!(!connected || self.link.address().is_some());
        assert_eq!(self.is_idle(), self.deadline().is_none());
        assert!(self.results.block.len() <= BLOCK_BYTES);
    }

    fn enter(&mut self) {
        assert!(self.results.is_drained(), "results are fetched after every call");
        assert!(self.link.is_drained(), "what is to be done is fetched after every call");
        self.results.block.clear();
    }

    fn current(&self) -> Option<SnapshotAsk> {
        match self.phase {
            Phase::Idle => None,
            Phase::Connecting { ask } | Phase::Asked { ask, .. } | Phase::Loading { ask, .. } => {
                Some(ask)
            }
        }
    }

    /// When a heartbeat has to be sent, where the protocol has them.
    fn beat_due(&self) -> Option<Mono> {
        self.dialogue.heartbeat_interval().map(|interval| self.spoke + interval)
    }

    /// A whole packet is in the inbox.
    fn on_packet(&mut self, now: Mono) {
        let Some(ask) = self.current() else { return };
        let said = self.dialogue.read(self.inbox.packet(), &ask);
        match (&mut self.phase, said) {
            (_, Said::Pass) => self.counts.add(Count::Passed),
            (_, Said::Alive) => {}
            (Phase::Asked { .. }, Said::Yes(session, told)) => {
                self.results.begin = Some(session);
                let foreign = session != ask.session;
                if let Some(address) = self.link.address().filter(|_| foreign) {
                    self.link.turn_from(address, &mut self.counts);
                }
                self.phase = Phase::Loading {
                    ask,
                    brought: now,
                    silent: now + self.config.silence,
                    whole: now + self.config.whole,
                    foreign,
                    length: Length { told, taken: snap::Taken::default() },
                };
            }
            (Phase::Asked { .. }, Said::No(why)) => {
                self.counts.add(Count::Refused);
                self.fault(now, why);
            }
            (Phase::Loading { length, brought, .. }, Said::Message(message)) => {
                *brought = now;
                self.counts.add(Count::Answers);
                length.taken.take(message);
                self.results.push(message);
            }
            (Phase::Loading { length, foreign, .. }, Said::End(next)) if length.is_whole() => {
                // Whoever asked judges what is of use, and asks again where this is not. Nothing says that an
                // address will ever have a newer one: it may be one that the venue has forgotten.
                let useful = !*foreign && ask.needs <= next;
                self.whole(useful, next);
            }
            (_, Said::Other(why)) => {
                if why == Refusal::WrongSession {
                    self.counts.add(Count::ForeignSession);
                }
                self.fault(now, why);
            }
            (_, Said::Yes(..) | Said::No(_) | Said::Message(_) | Said::End(_) | Said::Garbage) => {
                self.counts.add(Count::Malformed);
                self.fault(now, Refusal::Malformed);
            }
        }
    }

    fn whole(&mut self, useful: bool, next: SeqNo) {
        self.counts.add(Count::Snapshots);
        self.results.over = Some(Over::End(next));
        match self.link.address() {
            Some(address) if useful => self.link.praise(address),
            Some(address) => self.link.turn_from(address, &mut self.counts),
            None => {}
        }
        self.link.say(|buffer| self.dialogue.farewell(buffer));
        self.leave();
    }

    /// The service at the present address did not give what it was asked for.
    fn fault(&mut self, now: Mono, why: Refusal) {
        // What the whole service has not, or has not yet, another address has not either.
        let elsewhere = !matches!(why, Refusal::NotYet | Refusal::Busy | Refusal::Quota);
        if let Some(address) = self.link.address().filter(|_| elsewhere) {
            self.link.blame(now, address, &mut self.counts);
        }
        self.fail(why);
    }

    /// Nobody wants it any more. Where that is because it took too long, whoever asked has only been
    /// quicker to say so, and would be served by the same address again.
    fn abandon(&mut self, now: Mono) {
        let took_too_long = match self.phase {
            Phase::Idle => false,
            Phase::Connecting { ask } => ask.expires <= now,
            Phase::Asked { until, .. } => until <= now,
            Phase::Loading { brought, whole, .. } => {
                whole.min(brought + self.config.silence) <= now
            }
        };
        if let Some(address) = self.link.address().filter(|_| took_too_long) {
            self.counts.add(Count::TimedOut);
            self.link.blame(now, address, &mut self.counts);
        }
        self.leave();
    }

    fn fail(&mut self, why: Refusal) {
        self.leave();
        // Messages of a snapshot that will not be whole are of no use to anybody.
        (self.results.count, self.results.over) = (0, Some(Over::Failed(why)));
    }

    fn leave(&mut self) {
        self.link.close();
        self.inbox.clear();
        self.phase = Phase::Idle;
    }
}

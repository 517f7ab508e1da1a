//! One connection to a service: what it waits for, what is on its way out, when it is given up.

use std::sync::Arc;

use candor_core::{Mono, Nanos, SeqNo};
use candor_decoders::IntoBytes;
use candor_decoders::iex::snap;
use candor_decoders::nasdaq::glimpse::EndOfSnapshot;
use candor_decoders::nasdaq::soupbintcp;

use super::faults::ServiceFaults;
use super::image::Image;
use super::retransmit::Filling;
use super::sending::{PACKET, Progress, Sending};
use super::{Door, Partition, ServiceCounts};
use crate::publisher::Framing;

/// Bytes handed out at once, and so the most that waits for a slow client.
pub(super) const CHUNK: usize = 16 << 10;

/// Bytes of a client that may wait to become a packet.
const INBOX: usize = 8 << 10;

/// How long a client may take nothing of what it asked for.
const STALL_MAX: Nanos = Nanos::from_secs(30);

/// How long a connection stays that hangs on purpose.
const HUNG_MAX: Nanos = Nanos::from_secs(60);

/// What a connection is doing.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// Waiting for a login or request.
    Waiting { since: Mono },
    /// A snapshot is on its way.
    Sending(Sending),
    /// Messages are sent again.
    Filling { filling: Filling, twice: bool, then_hangs: bool },
    /// All was said; the client logs out or goes on living (GLIMPSE).
    Resting,
    /// Hung on purpose.
    Hung { since: Mono },
    /// To be closed behind what is still to be said.
    Closing,
}

/// One connection.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) door: Door,
    pub(super) state: State,
    /// Bytes that are no whole packet yet.
    pub(super) inbox: Vec<u8>,
    pub(super) outbox: Vec<u8>,
    /// Whether the way out takes bytes.
    pub(super) has_room: bool,
    heard: Mono,
    said: Mono,
    /// Nothing is said before.
    pub(super) not_before: Mono,
    /// The run of the last image that was sent, as the publisher counts them, and the first number that it
    /// does not contain.
    pub(super) image: Option<(u64, SeqNo)>,
}

impl Link {
    pub(super) fn new(door: Door, now: Mono) -> Link {
        Link {
            door,
            state: State::Waiting { since: now },
            inbox: Vec::new(),
            outbox: Vec::new(),
            has_room: true,
            heard: now,
            said: now,
            not_before: now,
            image: None,
        }
    }

    /// Takes bytes of the client; false where they are of no use, because the connection is as good
    /// as over or they are too many.
    pub(super) fn hear(&mut self, now: Mono, bytes: &[u8]) -> bool {
        self.heard = now;
        if matches!(self.state, State::Hung { .. } | State::Closing) {
            return false;
        }
        if self.inbox.len() + bytes.len() > INBOX {
            self.state = State::Closing;
            return false;
        }
        self.inbox.extend_from_slice(bytes);
        true
    }

    /// Says `packet`, if it was one.
    pub(super) fn say(&mut self, packet: Option<&[u8]>) {
        self.outbox.extend_from_slice(packet.unwrap_or_default());
    }

    /// Sends an image from now on, behind what was said. Its length in bytes.
    pub(super) fn send(&mut self, image: Arc<Image>, faults: &ServiceFaults) -> u64 {
        self.image = Some((image.run, image.next));
        let sending = Sending::new(image, faults);
        let len = sending.byte_len();
        self.state = State::Sending(sending);
        len
    }

    /// When it has something to do by itself.
    pub(super) fn due(&self, framing: &Framing) -> Mono {
        if self.has_room && self.wants_out() {
            return self.not_before;
        }
        match (&self.state, self.door, framing) {
            (State::Waiting { since }, Door::Snapshot, Framing::MoldUdp64(_)) => {
                *since + soupbintcp::LOGIN_MAX
            }
            (State::Waiting { since }, ..) => *since + snap::SILENCE_MAX,
            (State::Resting, ..) => {
                let heartbeat = self.said + soupbintcp::HEARTBEAT_INTERVAL;
                let silence = self.heard + soupbintcp::SILENCE_MAX;
                let stalled = self.said + STALL_MAX;
                silence.min(if self.has_room { heartbeat } else { stalled })
            }
            (State::Hung { since }, ..) => *since + HUNG_MAX,
            (State::Sending(_) | State::Filling { .. } | State::Closing, ..) => {
                self.said.max(self.not_before) + STALL_MAX
            }
        }
    }

    fn wants_out(&self) -> bool {
        !self.outbox.is_empty()
            || matches!(self.state, State::Sending(_) | State::Filling { .. } | State::Closing)
    }

    /// Whether there is something to hand out at `now`.
    pub(super) fn is_ready(&self, now: Mono) -> bool {
        self.has_room && now >= self.not_before && self.wants_out()
    }

    /// Does what is due by itself; false when the connection is given up.
    pub(super) fn on_deadline(&mut self, now: Mono, framing: &Framing) -> bool {
        if self.due(framing) > now || (self.has_room && self.wants_out()) {
            return true;
        }
        let is_heartbeat = matches!(self.state, State::Resting)
            && self.has_room
            && now < self.heard + soupbintcp::SILENCE_MAX;
        if is_heartbeat {
            let mut packet = [0; PACKET];
            self.say(soupbintcp::FromServer::Heartbeat.encode(&mut packet));
        }
        is_heartbeat
    }

    /// The next bytes to hand out; `None` when there are none any more and it is to be closed, empty
    /// where it waits.
    pub(super) fn next_bytes(
        &mut self,
        now: Mono,
        partition: &Partition<'_>,
        max_payload: usize,
        counts: &mut ServiceCounts,
    ) -> Option<Vec<u8>> {
        let mut state = core::mem::replace(&mut self.state, State::Closing);
        let mut out = core::mem::take(&mut self.outbox);
        match &mut state {
            State::Sending(sending) => {
                let before = sending.sent();
                let progress = send_image(sending, &mut out);
                counts.messages += sending.sent() - before;
                match progress {
                    Progress::More => {}
                    Progress::Done => state = end_image(sending, &mut out, now),
                    Progress::Hung => state = State::Hung { since: now },
                    Progress::Broken => state = State::Closing,
                }
            }
            State::Filling { filling, twice, then_hangs } => {
                let mut is_over = false;
                while out.len() < CHUNK && !is_over {
                    match filling.next(partition.publisher, max_payload, now) {
                        Some((segment, messages)) => {
                            let copies = if *twice { 2 } else { 1 };
                            (0..copies).for_each(|_| out.extend_from_slice(&segment));
                            counts.messages += messages * copies;
                        }
                        None => is_over = true,
                    }
                }
                if is_over {
                    state = if *then_hangs { State::Hung { since: now } } else { State::Closing };
                }
            }
            _ => {}
        }
        let closes = matches!(state, State::Closing) && out.is_empty();
        self.state = state;
        if !out.is_empty() {
            self.said = now;
            counts.bytes += out.len() as u64;
        }
        (!closes).then_some(out)
    }
}

/// Appends messages of the image, up to a chunk.
fn send_image(sending: &mut Sending, out: &mut Vec<u8>) -> Progress {
    match sending.image.framing {
        Framing::MoldUdp64(_) => sending.fill(out, CHUNK, |message, packet| {
            soupbintcp::FromServer::Sequenced(message).encode(packet)
        }),
        Framing::IexTp(stream) => sending.fill(out, CHUNK, |message, packet| {
            snap::FromServer::Data { stream, message }.encode(packet)
        }),
    }
}

/// Appends what ends the image, and says how the connection goes on.
fn end_image(sending: &Sending, out: &mut Vec<u8>, now: Mono) -> State {
    let mut packet = [0; PACKET];
    let next = sending.image.next;
    let (end, state) = match sending.image.framing {
        Framing::MoldUdp64(_) => {
            let end = EndOfSnapshot::of(next);
            let end = soupbintcp::FromServer::Sequenced(end.as_bytes()).encode(&mut packet);
            (end, State::Resting)
        }
        Framing::IexTp(_) => {
            let last = SeqNo(next.0 - 1);
            let end = snap::FromServer::End { last }.encode(&mut packet);
            (end, State::Waiting { since: now })
        }
    };
    out.extend_from_slice(end.unwrap_or_default());
    state
}

//! The services of one partition beside its lines, as the venue's own servers: retransmission by
//! MoldUDP64 re-request or IEX gap fill over UDP and TCP, snapshots by GLIMPSE over SoupBinTCP or
//! IEX SNAP. With faults.
//!
//! Sans-IO: time is an argument, sockets are the caller's, who names peers and connections as it
//! likes. Per partition there is one [`Services`]; what it serves is looked up in the [`Partition`]
//! given with each call: the publisher's history, and the true books where there is a market.
//!
//! ```text
//! on_datagram, on_accept, on_bytes, on_closed, on_room, on_deadline; then next_out until None,
//! then wait until next_due
//! ```
//!
//! What a service does with a request:
//!
//! | service | served | not served |
//! | --- | --- | --- |
//! | MoldUDP64 re-request | one datagram with as many whole messages as fit, from the first number asked for | silence: another session, a first number not sent yet, forgotten or lost |
//! | IEX gap fill, UDP | segments with at most 1,000 messages a request; what is not there is left out | silence |
//! | IEX gap fill, TCP | segments with everything asked for that was sent, then the connection is closed | the connection is closed |
//! | GLIMPSE | `A`, the image in sequenced packets, `G`; then heartbeats until the client goes | `J` `A` for credentials, `J` `S` for another session or where nobody knows what stands |
//! | SNAP | `s`, the image in `d`, `x`; then the next request | `e` with the letter for what is wrong |
//!
//! An image is of the number at which login or request came, while the market goes on, or of one
//! published [`ServicesConfig::image_age`] before at most. A login's requested number is not looked
//! at: a snapshot always comes whole. Where a capture is replayed there is no true market: the
//! publisher keeps the open orders itself, so images are as exact; a capture that does not begin
//! with number 1 of its session or has a hole has none, since nobody knows what stands.

mod faults;
mod image;
mod link;
mod past;
mod pending;
mod requests;
mod retransmit;
mod sending;

use std::collections::BTreeMap;

use candor_core::{Mono, Nanos, SeqNo};
use candor_decoders::Format;

use crate::market::PartitionMarket;
use crate::publisher::{Framing, Publisher};
use faults::Throttle;
pub use faults::{ServiceFault, ServiceFaults};
pub use image::Image;
use image::Shelf;
use link::{Link, State};
use past::Past;
use pending::Pending;

/// Datagrams that wait to be sent later; more are dropped, counted as refused.
const DATAGRAMS: usize = 4_096;

/// Who sent a datagram and gets the answer: the caller's own name for an address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Peer(pub u64);

/// A connection by the caller's own name, which it does not use again while the connection lives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Connection(pub u32);

/// Where connections come in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Door {
    /// IEX gap fill over TCP.
    Retransmit,
    /// GLIMPSE or SNAP.
    Snapshot,
}

/// The two services of a partition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum ServiceKind {
    /// Messages sent again, over UDP and TCP.
    Retransmit,
    /// Images.
    Snapshot,
}

impl ServiceKind {
    /// Both.
    pub const ALL: [ServiceKind; 2] = [ServiceKind::Retransmit, ServiceKind::Snapshot];

    /// The service's name in commands and output.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            ServiceKind::Retransmit => "retransmit",
            ServiceKind::Snapshot => "snapshot",
        }
    }
}

impl Door {
    /// The service behind it.
    #[must_use]
    pub const fn service(self) -> ServiceKind {
        match self {
            Door::Retransmit => ServiceKind::Retransmit,
            Door::Snapshot => ServiceKind::Snapshot,
        }
    }

    /// The doors a partition of this format has: retransmission of MoldUDP64 is by datagram alone, and
    /// of TOPS nobody here keeps an image.
    #[must_use]
    pub const fn of(format: Format) -> &'static [Door] {
        match format {
            Format::NasdaqItch50 => &[Door::Snapshot],
            Format::IexDeep => &[Door::Retransmit, Door::Snapshot],
            Format::IexTops => &[Door::Retransmit],
        }
    }
}

/// What a partition's services are made from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServicesConfig {
    /// Longest datagram and segment in bytes, framing included.
    pub max_payload: usize,
    /// How old an image may be that is served to a further client; 0 takes one for each, unless
    /// nothing was published in between.
    pub image_age: Nanos,
    /// Connections served at once at each door; another is closed at once.
    pub connections: usize,
    /// User and password a GLIMPSE client must give, padded with spaces; `None` lets anybody in.
    pub login: Option<([u8; 6], [u8; 10])>,
    /// The token a SNAP client must give, padded; `None` lets anybody in.
    pub token: Option<[u8; 40]>,
    /// SNAP requests answered in all; further ones are told that the quota is used up.
    pub snap_quota: u32,
}

impl Default for ServicesConfig {
    fn default() -> Self {
        ServicesConfig {
            max_payload: 1_400,
            image_age: Nanos::ZERO,
            connections: 8,
            login: None,
            token: None,
            snap_quota: candor_decoders::iex::snap::REQUESTS_A_DAY,
        }
    }
}

/// What the services look into: one partition as it is right now.
#[derive(Clone, Copy, Debug)]
pub struct Partition<'a> {
    /// Its publisher.
    pub publisher: &'a Publisher,
    /// Its true books, as of the publisher's last message; `None` for a replayed capture.
    pub market: Option<&'a PartitionMarket>,
}

/// What the caller has to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Out {
    /// Send a datagram.
    Datagram {
        /// To whom.
        to: Peer,
        /// The payload.
        payload: Vec<u8>,
    },
    /// Send bytes on a connection, at most some 17 KiB at a time.
    Bytes {
        /// Which.
        connection: Connection,
        /// What.
        bytes: Vec<u8>,
    },
    /// Close a connection behind what was sent on it. It is forgotten here already.
    Close {
        /// Which.
        connection: Connection,
    },
}

/// What one service did. Every request is answered, refused or ignored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ServiceCounts {
    /// Connections taken.
    pub connections: u64,
    /// Connections closed at once, because there were too many.
    pub turned_away: u64,
    /// Logins and requests.
    pub requests: u64,
    /// Of these, served, in whole or as the faults have it.
    pub answered: u64,
    /// Of the answered, those that a fault made another answer than was asked for, or late.
    pub spoiled: u64,
    /// Of these, told no, or treated so by a fault.
    pub refused: u64,
    /// Of these, not understood, of another session, or for numbers nobody has.
    pub ignored: u64,
    /// Messages sent.
    pub messages: u64,
    /// Bytes sent, framing included.
    pub bytes: u64,
}

/// One service: its faults, the count of what it did.
#[derive(Clone, Copy, Debug, Default)]
struct Service {
    faults: ServiceFaults,
    throttle: Throttle,
    counts: ServiceCounts,
}

impl Service {
    /// A request is answered, as the faults of this service have it.
    fn count_answer(&mut self, kind: ServiceKind) {
        self.counts.answered += 1;
        self.counts.spoiled += u64::from(self.faults.spoil(kind));
    }
}

/// The services of one partition.
#[derive(Clone, Debug)]
pub struct Services {
    config: ServicesConfig,
    services: [Service; 2],
    links: BTreeMap<Connection, Link>,
    /// The connection that was handed something last: the others come first.
    turn: Connection,
    /// Connections to be closed without having been taken.
    turned_away: Vec<Connection>,
    pending: Pending,
    shelf: Shelf,
    past: Option<Past>,
    snap_answers: u32,
}

impl Services {
    /// Services without clients.
    #[must_use]
    pub fn new(config: ServicesConfig) -> Services {
        Services {
            config,
            services: [Service::default(); 2],
            links: BTreeMap::new(),
            turn: Connection(0),
            turned_away: Vec::new(),
            pending: Pending::default(),
            shelf: Shelf::default(),
            past: None,
            snap_answers: 0,
        }
    }

    /// The faults of a service.
    #[must_use]
    pub fn faults(&self, kind: ServiceKind) -> ServiceFaults {
        self.services[kind as usize].faults
    }

    /// The faults of a service, to be changed from the next request on.
    pub fn faults_mut(&mut self, kind: ServiceKind) -> &mut ServiceFaults {
        &mut self.services[kind as usize].faults
    }

    /// What a service did.
    #[must_use]
    pub fn counts(&self, kind: ServiceKind) -> ServiceCounts {
        self.services[kind as usize].counts
    }

    /// Connections open right now.
    #[must_use]
    pub fn open(&self, kind: ServiceKind) -> usize {
        self.links.values().filter(|link| link.door.service() == kind).count()
    }

    /// The run of the last image that was sent on a connection, as the publisher counts them, and the
    /// first number that the image does not contain; `None` where none was.
    #[must_use]
    pub fn image_sent(&self, connection: Connection) -> Option<(u64, SeqNo)> {
        self.links.get(&connection)?.image
    }

    /// A datagram came to the retransmit service.
    pub fn on_datagram(
        &mut self,
        now: Mono,
        partition: &Partition<'_>,
        from: Peer,
        payload: &[u8],
    ) {
        let publisher = partition.publisher;
        // Nobody asks for numbers of the session before, and it answers no others.
        let is_late = self.is_late(ServiceKind::Retransmit);
        let service = &mut self.services[ServiceKind::Retransmit as usize];
        let faults = service.faults;
        service.counts.requests += 1;
        let asked = retransmit::understand(&publisher.framing(), payload);
        if is_late || asked == retransmit::Asked::Nonsense {
            service.counts.ignored += 1;
            return;
        }
        if faults.refuse || faults.hang || !service.throttle.admits(now, &faults) {
            service.counts.refused += 1;
            return;
        }
        let max_payload = self.config.max_payload;
        let packets = match asked {
            retransmit::Asked::Numbers(ranges) => {
                retransmit::datagrams(publisher, ranges, &faults, max_payload, now)
            }
            _ => vec![(retransmit::sign_of_life(publisher, now), 0)],
        };
        let copies = if faults.twice { 2 } else { 1 };
        if packets.is_empty() {
            service.counts.ignored += 1;
            return;
        }
        if self.pending.len() + packets.len() * copies > DATAGRAMS {
            service.counts.refused += 1;
            return;
        }
        service.count_answer(ServiceKind::Retransmit);
        for (packet, messages) in packets {
            for _ in 0..copies {
                service.counts.messages += messages;
                service.counts.bytes += packet.len() as u64;
                self.pending.push(now + faults.late, from, packet.clone());
            }
        }
    }

    /// A client has connected.
    ///
    /// # Panics
    /// When a connection of this name is still there: the caller's mistake.
    pub fn on_accept(&mut self, now: Mono, door: Door, connection: Connection) {
        let open = self.open(door.service());
        let counts = &mut self.services[door.service() as usize].counts;
        if open >= self.config.connections {
            counts.turned_away += 1;
            self.turned_away.push(connection);
            return;
        }
        counts.connections += 1;
        let before = self.links.insert(connection, Link::new(door, now));
        assert!(before.is_none(), "a connection's name is used twice");
    }

    /// Bytes came on a connection. Those of one that is not known any more are dropped.
    pub fn on_bytes(
        &mut self,
        now: Mono,
        partition: &Partition<'_>,
        connection: Connection,
        bytes: &[u8],
    ) {
        let Some(mut link) = self.links.remove(&connection) else { return };
        if link.hear(now, bytes) {
            match (link.door, self.framing(link.door.service(), partition)) {
                (Door::Retransmit, _) => self.hear_gap(now, partition, &mut link),
                (Door::Snapshot, Framing::MoldUdp64(session)) => {
                    self.hear_glimpse(now, partition, &mut link, session);
                }
                (Door::Snapshot, Framing::IexTp(stream)) => {
                    self.hear_snap(now, partition, &mut link, stream);
                }
            }
        }
        self.links.insert(connection, link);
    }

    /// A connection is gone.
    pub fn on_closed(&mut self, connection: Connection) {
        self.links.remove(&connection);
    }

    /// Whether a connection's way out takes bytes: none are handed out for it while it does not.
    pub fn on_room(&mut self, connection: Connection, has_room: bool) {
        if let Some(link) = self.links.get_mut(&connection) {
            link.has_room = has_room;
        }
    }

    /// Whether there is nobody to be served: nothing is due, and nothing will be by itself.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.links.is_empty() && self.turned_away.is_empty() && self.pending.len() == 0
    }

    /// Says heartbeats and gives up connections that are due to be.
    pub fn on_deadline(&mut self, now: Mono, partition: &Partition<'_>) {
        if self.links.is_empty() {
            return;
        }
        let framing = partition.publisher.framing();
        for link in self.links.values_mut() {
            if !link.on_deadline(now, &framing) {
                link.state = State::Closing;
                link.outbox.clear();
                link.has_room = true;
                link.not_before = now;
            }
        }
    }

    /// When something is next to be done or handed out; in the past where it is due already.
    #[must_use]
    pub fn next_due(&self, partition: &Partition<'_>) -> Option<Mono> {
        if !self.turned_away.is_empty() {
            return Some(Mono(0));
        }
        let framing = partition.publisher.framing();
        let links = self.links.values().map(|link| link.due(&framing));
        links.chain(self.pending.due()).min()
    }

    /// What is to be done by `now`, one after the other.
    pub fn next_out(&mut self, now: Mono, partition: &Partition<'_>) -> Option<Out> {
        if let Some((to, payload)) = self.pending.pop(now) {
            return Some(Out::Datagram { to, payload });
        }
        if let Some(connection) = self.turned_away.pop() {
            return Some(Out::Close { connection });
        }
        let after = self.links.range(Connection(self.turn.0.saturating_add(1))..);
        let mut in_turn = after.chain(self.links.range(..=self.turn));
        let (&connection, _) = in_turn.find(|(_, link)| link.is_ready(now))?;
        self.turn = connection;
        let link = self.links.get_mut(&connection)?;
        let counts = &mut self.services[link.door.service() as usize].counts;
        match link.next_bytes(now, partition, self.config.max_payload, counts) {
            None => {
                self.links.remove(&connection);
                Some(Out::Close { connection })
            }
            // It hangs from here on without another word.
            Some(bytes) if bytes.is_empty() => self.next_out(now, partition),
            Some(bytes) => Some(Out::Bytes { connection, bytes }),
        }
    }
}

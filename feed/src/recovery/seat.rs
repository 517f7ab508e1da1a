//! What the recovery thread has of one partition, and the hands it lends the agents.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use candor_core::{Refusal, limits::RECOVERY_BUFFER_BYTES};
use candor_services::Io;
use candor_services::agent::{Channel, Shell, Told};
use candor_services::snapshot::{Body, Piece};
use rustix::io::Errno;

use super::lost::Lost;
use super::post::{Payloads, Post, Reply, What};
use super::sockets::{Connection, Datagrams, Key, Wire};

// A block of a snapshot goes into one buffer.
const _: () = assert!(candor_services::snapshot::BLOCK_BYTES <= RECOVERY_BUFFER_BYTES);

/// A service of one partition, over connections: where it is, and the connection to it.
#[derive(Debug, Default)]
pub(super) struct Service {
    pub(super) addresses: Vec<SocketAddrV4>,
    pub(super) connection: Connection,
    /// The address it is to, by its index.
    address: usize,
    down: Down,
}

impl Service {
    pub(super) fn of(addresses: Vec<SocketAddrV4>) -> Service {
        Service { addresses, ..Service::default() }
    }

    fn set_down(&mut self, down: bool) -> (bool, Option<SocketAddrV4>) {
        (self.down.set(self.address, down), self.addresses.get(self.address).copied())
    }
}

/// Which addresses are known not to be reached: each is said once, and once that it is reached again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Down(u8);

impl Down {
    fn set(&mut self, address: usize, down: bool) -> bool {
        let bit = 1u8.checked_shl(address as u32).unwrap_or(0);
        let before = self.0;
        self.0 = if down { before | bit } else { before & !bit };
        self.0 != before
    }
}

/// One partition.
#[derive(Debug)]
pub(super) struct Seat {
    /// Its number in the region.
    pub(super) number: u16,
    /// As operators name it.
    pub(super) name: String,
    pub(super) lane: usize,
    pub(super) from: Option<Ipv4Addr>,
    /// One for each address of the retransmit service by datagrams.
    pub(super) datagrams: Vec<Datagrams>,
    pub(super) datagrams_down: Down,
    pub(super) retransmit: Service,
    pub(super) snapshot: Service,
}

impl Seat {
    /// The service of a wire; `None` for datagrams.
    pub(super) fn service(&mut self, wire: Wire) -> Option<&mut Service> {
        match wire {
            Wire::Datagrams(_) => None,
            Wire::Retransmit => Some(&mut self.retransmit),
            Wire::Snapshot => Some(&mut self.snapshot),
        }
    }

    /// The address of this wire can't be reached, or can again: said when that is news.
    pub(super) fn tell_reached(&mut self, wire: Wire, error: Option<Errno>) {
        let (news, address) = match wire {
            Wire::Datagrams(at) => {
                let at = usize::from(at);
                let address = self.datagrams.get(at).map(|datagrams| datagrams.to);
                (self.datagrams_down.set(at, error.is_some()), address)
            }
            Wire::Retransmit => self.retransmit.set_down(error.is_some()),
            Wire::Snapshot => self.snapshot.set_down(error.is_some()),
        };
        if !news {
            return;
        }
        let (partition, service) = (&self.name, wire.service());
        let address = address.map_or_else(String::new, |address| address.to_string());
        match error {
            Some(error) => {
                tracing::warn!(partition, service, address, "can't be reached: {error}");
            }
            None => tracing::info!(partition, service, address, "is reached again"),
        }
    }
}

impl Wire {
    const fn service(self) -> &'static str {
        match self {
            Wire::Datagrams(_) => "retransmit by UDP",
            Wire::Retransmit => "retransmit by TCP",
            Wire::Snapshot => "snapshot",
        }
    }
}

/// Payloads on their way to one partition.
#[derive(Debug)]
pub(super) struct Filling {
    lane: usize,
    number: u16,
    payloads: Payloads,
}

/// The thread's half of an agent: sockets, and the ways to the lanes.
pub(super) struct Hands<'a> {
    pub(super) venue: u16,
    pub(super) seats: &'a mut [Seat],
    pub(super) posts: &'a [Arc<Post>],
    pub(super) epoll: &'a OwnedFd,
    /// What failed at once and is to be reported once the agent's call has returned.
    pub(super) trouble: &'a mut Vec<Key>,
    pub(super) lost: &'a mut Lost,
    /// Payloads gathered so far.
    pub(super) filling: Option<Filling>,
}

impl Hands<'_> {
    /// Hands over payloads that were gathered. There is room for the reply: it was looked for with
    /// the buffer, and all others come behind this.
    pub(super) fn flush(&mut self) {
        if let Some(Filling { lane, number, payloads }) = self.filling.take() {
            self.post(lane, number, What::Payloads(payloads));
        }
    }

    fn post(&mut self, lane: usize, partition: u16, what: What) -> bool {
        let told = self.posts.get(lane).is_some_and(|post| post.tell(Reply { partition, what }));
        self.lost.no_room += u64::from(!told);
        told
    }

    /// Gathers a payload with those before it: an answer may come in many small ones.
    fn payload(&mut self, lane: usize, number: u16, bytes: &[u8]) -> bool {
        if !Payloads::fits(bytes.len()) {
            self.lost.too_long += 1;
            return false;
        }
        if let Some(filling) = &mut self.filling
            && (filling.lane, filling.number) == (lane, number)
            && filling.payloads.push(bytes)
        {
            return true;
        }
        self.flush();
        let Some(buffer) = self.posts.get(lane).and_then(|post| post.buffer()) else {
            self.lost.no_room += 1;
            return false;
        };
        let mut payloads = Payloads::new(buffer);
        let taken = payloads.push(bytes);
        self.filling = Some(Filling { lane, number, payloads });
        taken
    }

    fn piece(&mut self, lane: usize, number: u16, piece: Piece<'_>) -> bool {
        self.flush();
        let cycle = piece.cycle;
        let block = match piece.body {
            Body::Begin { session } => {
                return self.post(lane, number, What::Begin { cycle, session });
            }
            Body::End { next } => return self.post(lane, number, What::End { cycle, next }),
            Body::Failed(why) => return self.post(lane, number, What::Failed { cycle, why }),
            Body::Messages(block) => block,
        };
        let buffer = self.posts.get(lane).and_then(|post| post.buffer());
        let Some(mut buffer) = buffer else {
            // The snapshot is broken off for this; its partition need not wait to find out.
            self.lost.no_room += 1;
            let why = Refusal::Overrun;
            self.post(lane, number, What::Failed { cycle, why });
            return false;
        };
        let len = block.bytes.len();
        let Some(to) = buffer.get_mut(..len) else { return false };
        to.copy_from_slice(block.bytes);
        self.post(lane, number, What::Messages { cycle, buffer, len, count: block.count })
    }

    fn io_of(&mut self, at: u16, wire: Wire, io: Io<'_>) {
        let key = Key { venue: self.venue, seat: at, wire };
        let Some(seat) = self.seats.get_mut(usize::from(at)) else { return };
        let from = seat.from;
        let Some(service) = seat.service(wire) else { return };
        match io {
            Io::Connect { address } => {
                let Some(to) = service.addresses.get(address) else { return };
                service.address = address;
                service.connection.connect(self.epoll, key, from, *to);
            }
            Io::Send(bytes) => service.connection.send(bytes),
            Io::Close => {
                let waited = matches!(service.connection, Connection::Connecting(_));
                service.connection.close();
                if waited {
                    seat.tell_reached(wire, Some(Errno::TIMEDOUT));
                }
                return;
            }
            Io::SendTo { .. } => return,
        }
        if matches!(service.connection, Connection::Broken(_)) {
            self.trouble.push(key);
        }
    }

    fn datagram(&mut self, at: u16, address: usize, bytes: &[u8]) {
        let key = Key { venue: self.venue, seat: at, wire: Wire::Datagrams(address as u8) };
        let Some(seat) = self.seats.get_mut(usize::from(at)) else { return };
        let Some(datagrams) = seat.datagrams.get_mut(address) else { return };
        match datagrams.send(self.epoll, key, bytes) {
            Ok(sent) => self.lost.unsent += u64::from(!sent),
            Err(error) => {
                seat.tell_reached(key.wire, Some(error));
                self.trouble.push(key);
            }
        }
    }
}

impl Shell for Hands<'_> {
    fn io(&mut self, partition: u16, channel: Channel, io: Io<'_>) {
        match (channel, io) {
            (Channel::RetransmitUdp, Io::SendTo { address, bytes }) => {
                self.datagram(partition, address, bytes);
            }
            // A client of datagrams has no connection.
            (Channel::RetransmitUdp, _) => {}
            (Channel::RetransmitTcp, io) => self.io_of(partition, Wire::Retransmit, io),
            (Channel::Snapshot, io) => self.io_of(partition, Wire::Snapshot, io),
        }
    }

    fn tell(&mut self, partition: u16, told: Told<'_>) -> bool {
        let Some(seat) = self.seats.get(usize::from(partition)) else { return false };
        let (lane, number) = (seat.lane, seat.number);
        match told {
            Told::Payload(bytes) => self.payload(lane, number, bytes),
            Told::Refused(refused) => {
                self.flush();
                self.post(lane, number, What::Refused(refused))
            }
            Told::Snapshot(piece) => self.piece(lane, number, piece),
        }
    }
}

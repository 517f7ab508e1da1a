//! The sockets of the services: per partition one for datagrams and the listeners, and whatever
//! clients have connected. Nothing here waits: what a client does not take stays in its socket and
//! at most one chunk here, and each turn does a bounded amount.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};

use candor_core::{Mono, Nanos};
use candor_decoders::Format;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::{AsFd, OwnedFd};
use rustix::time::Timespec;

use crate::exchange::Exchange;
use crate::services::{Connection, Door, Out, Peer};

use super::endpoints::Ports;

/// Sockets looked at in one turn.
const EVENTS: usize = 64;

/// Datagrams taken of one partition in one turn, and connections of one listener.
const TAKEN: usize = 32;

/// Things done for services in one turn.
const DONE: usize = 64;

/// Longest request.
const REQUEST: usize = 16 << 10;

/// What a socket is, as the kernel says it back to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Token {
    Datagrams(usize),
    Listener(usize, Door),
    Client(Connection),
}

impl Token {
    fn pack(self) -> EventData {
        let (kind, number) = match self {
            Token::Datagrams(partition) => (0, partition as u64),
            Token::Listener(partition, Door::Retransmit) => (1, partition as u64),
            Token::Listener(partition, Door::Snapshot) => (2, partition as u64),
            Token::Client(connection) => (3, u64::from(connection.0)),
        };
        EventData::new_u64(kind << 32 | number)
    }

    fn unpack(data: EventData) -> Token {
        let number = data.u64() & 0xFFFF_FFFF;
        match data.u64() >> 32 {
            0 => Token::Datagrams(number as usize),
            1 => Token::Listener(number as usize, Door::Retransmit),
            2 => Token::Listener(number as usize, Door::Snapshot),
            _ => Token::Client(Connection(number as u32)),
        }
    }
}

struct Client {
    partition: usize,
    stream: TcpStream,
    /// What the kernel had no room for.
    rest: Vec<u8>,
}

/// All sockets of the services.
pub(super) struct Doors {
    epoll: OwnedFd,
    address: Ipv4Addr,
    datagrams: Vec<UdpSocket>,
    /// By partition, as many as its format has.
    listeners: Vec<Vec<(Door, TcpListener)>>,
    clients: BTreeMap<Connection, Client>,
    next: u32,
    events: Vec<epoll::Event>,
    buffer: Vec<u8>,
    /// Datagrams the kernel refused.
    pub(super) failed: u64,
}

impl Doors {
    /// Opens the services' sockets of all partitions on this address.
    pub(super) fn open(
        address: Ipv4Addr,
        ports: &Ports,
        format: Format,
        partitions: usize,
    ) -> Result<Doors, String> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC);
        let epoll = epoll.map_err(|error| format!("no epoll: {error}"))?;
        let mut doors = Doors {
            epoll,
            address,
            datagrams: Vec::new(),
            listeners: Vec::new(),
            clients: BTreeMap::new(),
            next: 0,
            events: Vec::with_capacity(EVENTS),
            buffer: vec![0; REQUEST],
            failed: 0,
        };
        for partition in 0..partitions {
            doors.open_partition(ports, format, partition)?;
        }
        Ok(doors)
    }

    fn open_partition(
        &mut self,
        ports: &Ports,
        format: Format,
        partition: usize,
    ) -> Result<(), String> {
        let retransmit = SocketAddrV4::new(self.address, ports.retransmit(partition));
        let said =
            |at: SocketAddrV4| move |error: std::io::Error| format!("services at {at}: {error}");
        let socket = UdpSocket::bind(retransmit).map_err(said(retransmit))?;
        socket.set_nonblocking(true).map_err(said(retransmit))?;
        self.watch(&socket, Token::Datagrams(partition))?;
        self.datagrams.push(socket);
        let mut listeners = Vec::new();
        for door in Door::of(format) {
            let port = match door {
                Door::Retransmit => ports.retransmit(partition),
                Door::Snapshot => ports.snapshot(partition),
            };
            let at = SocketAddrV4::new(self.address, port);
            let listener = TcpListener::bind(at).map_err(said(at))?;
            listener.set_nonblocking(true).map_err(said(at))?;
            self.watch(&listener, Token::Listener(partition, *door))?;
            listeners.push((*door, listener));
        }
        self.listeners.push(listeners);
        Ok(())
    }

    fn watch(&self, socket: &impl AsFd, token: Token) -> Result<(), String> {
        let added = epoll::add(&self.epoll, socket, token.pack(), EventFlags::IN);
        added.map_err(|error| format!("no watch on a socket: {error}"))
    }

    /// The address the services are on.
    pub(super) fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Connections open.
    pub(super) fn open_connections(&self) -> usize {
        self.clients.len()
    }

    /// Waits until a socket has something, at most so long in whole milliseconds: shorter is not for
    /// the kernel to say here. Returns whether something came.
    pub(super) fn wait(&mut self, at_most: Nanos) -> bool {
        let whole = at_most.0 / 1_000_000;
        let timeout = Timespec {
            tv_sec: (whole / 1_000).cast_signed(),
            tv_nsec: (whole % 1_000 * 1_000_000).cast_signed(),
        };
        whole > 0 && self.look(&timeout) > 0
    }

    /// Sockets that have something by the end of `timeout`. What is ready still is when it is asked
    /// for again.
    fn look(&mut self, timeout: &Timespec) -> usize {
        self.events.clear();
        let events = rustix::buffer::spare_capacity(&mut self.events);
        // Interrupted: the caller looks at the clock and the signals anyway.
        epoll::wait(&self.epoll, events, Some(timeout)).unwrap_or(0)
    }

    /// Hands over to the exchange what has come in.
    pub(super) fn take_in(&mut self, now: Mono, exchange: &mut Exchange) {
        self.look(&Timespec { tv_sec: 0, tv_nsec: 0 });
        let events = core::mem::take(&mut self.events);
        for event in &events {
            match Token::unpack(event.data) {
                Token::Datagrams(partition) => self.take_datagrams(now, partition, exchange),
                Token::Listener(partition, door) => self.accept(now, partition, door, exchange),
                Token::Client(connection) => {
                    self.client(now, connection, event.flags, exchange);
                }
            }
        }
        self.events = events;
    }

    fn take_datagrams(&mut self, now: Mono, partition: usize, exchange: &mut Exchange) {
        for _ in 0..TAKEN {
            match self.datagrams[partition].recv_from(&mut self.buffer) {
                Ok((len, SocketAddr::V4(from))) => {
                    exchange.on_datagram(now, partition, peer(from), &self.buffer[..len]);
                }
                Ok(_) => {}
                // Nothing left; or an answer of ours came back undeliverable, which says nothing of
                // the next request.
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {}
            }
        }
    }

    fn accept(&mut self, now: Mono, partition: usize, door: Door, exchange: &mut Exchange) {
        for _ in 0..TAKEN {
            let listener = self.listeners[partition].iter().find(|(its, _)| *its == door);
            let Some(Ok((stream, _))) = listener.map(|(_, listener)| listener.accept()) else {
                return;
            };
            let connection = Connection(self.next);
            let ready = stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true));
            if ready.is_err() || self.watch(&stream, Token::Client(connection)).is_err() {
                continue;
            }
            self.next = self.next.wrapping_add(1);
            self.clients.insert(connection, Client { partition, stream, rest: Vec::new() });
            exchange.on_accept(now, partition, door, connection);
        }
    }

    fn client(
        &mut self,
        now: Mono,
        connection: Connection,
        flags: EventFlags,
        exchange: &mut Exchange,
    ) {
        let Some(client) = self.clients.get_mut(&connection) else { return };
        let partition = client.partition;
        let mut gone = false;
        if flags.contains(EventFlags::OUT) {
            let rest = core::mem::take(&mut client.rest);
            gone = !self.write(connection, &rest, exchange);
        }
        let Some(client) = self.clients.get_mut(&connection) else { return };
        if !gone && flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            match client.stream.read(&mut self.buffer[..4_096]) {
                Ok(0) => gone = true,
                Ok(len) => exchange.on_bytes(now, partition, connection, &self.buffer[..len]),
                Err(error) => gone = error.kind() != ErrorKind::WouldBlock,
            }
        }
        if gone {
            self.clients.remove(&connection);
            exchange.on_closed(partition, connection);
        }
    }

    /// Does what the services want done.
    pub(super) fn hand_out(&mut self, now: Mono, exchange: &mut Exchange) {
        for _ in 0..DONE {
            let Some((partition, out)) = exchange.next_out(now) else { return };
            match out {
                Out::Datagram { to, payload } => {
                    let sent = self.datagrams[partition].send_to(&payload, address(to));
                    self.failed += u64::from(sent.is_err());
                }
                Out::Bytes { connection, bytes } => {
                    if !self.write(connection, &bytes, exchange) {
                        self.clients.remove(&connection);
                        exchange.on_closed(partition, connection);
                    }
                }
                Out::Close { connection } => {
                    self.clients.remove(&connection);
                }
            }
        }
    }

    /// Writes what the kernel takes and keeps the rest; false when the connection is gone.
    fn write(&mut self, connection: Connection, bytes: &[u8], exchange: &mut Exchange) -> bool {
        let Some(client) = self.clients.get_mut(&connection) else { return true };
        let mut done = 0;
        while done < bytes.len() {
            match client.stream.write(&bytes[done..]) {
                Ok(0) => return false,
                Ok(written) => done += written,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return false,
            }
        }
        client.rest = bytes[done..].to_vec();
        let has_room = client.rest.is_empty();
        let flags = if has_room { EventFlags::IN } else { EventFlags::IN | EventFlags::OUT };
        let token = Token::Client(connection).pack();
        let watched = epoll::modify(&self.epoll, &client.stream, token, flags);
        exchange.on_room(client.partition, connection, has_room);
        watched.is_ok()
    }
}

fn peer(from: SocketAddrV4) -> Peer {
    Peer(u64::from(from.ip().to_bits()) << 16 | u64::from(from.port()))
}

fn address(peer: Peer) -> SocketAddr {
    let ip = Ipv4Addr::from((peer.0 >> 16) as u32);
    SocketAddr::new(IpAddr::V4(ip), peer.0 as u16)
}

//! Sockets that wait for nothing. What fails here ends a connection, never the thread.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, connect, getpeername, recv,
    send, socket_with, sockopt,
};

/// Whose socket has something, as the kernel gives it back: a venue, a partition of it, a channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Key {
    pub(super) venue: u16,
    /// By its place among the venue's.
    pub(super) seat: u16,
    pub(super) wire: Wire,
}

/// Which socket of a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wire {
    /// To the retransmit service's address of this index.
    Datagrams(u8),
    Retransmit,
    Snapshot,
}

impl Key {
    /// The key of the thread's bell.
    pub(super) const BELL: u64 = u64::MAX;

    pub(super) fn data(self) -> EventData {
        let wire = match self.wire {
            Wire::Retransmit => 0,
            Wire::Snapshot => 1,
            Wire::Datagrams(address) => 2 + u64::from(address),
        };
        EventData::new_u64(u64::from(self.venue) << 32 | u64::from(self.seat) << 16 | wire)
    }

    pub(super) fn of(data: u64) -> Key {
        let wire = match data & 0xffff {
            0 => Wire::Retransmit,
            1 => Wire::Snapshot,
            more => Wire::Datagrams((more - 2) as u8),
        };
        Key { venue: (data >> 32) as u16, seat: (data >> 16) as u16, wire }
    }
}

/// A socket, and whether it is listened to.
#[derive(Debug)]
pub(super) struct Watched {
    fd: OwnedFd,
    /// Not listened to, since what comes would find no room.
    paused: bool,
}

impl Watched {
    fn pause(&mut self, epoll: &OwnedFd) {
        if !self.paused {
            // A socket with an error is always reported, unless it is taken out altogether.
            self.paused = epoll::delete(epoll, &self.fd).is_ok();
        }
    }

    fn resume(&mut self, epoll: &OwnedFd, key: Key) {
        if self.paused {
            self.paused = epoll::add(epoll, &self.fd, key.data(), EventFlags::IN).is_err();
        }
    }
}

/// A socket for datagrams to and from one address: the kernel lets in what comes from there alone, and
/// says when nobody listens there.
#[derive(Debug)]
pub(super) struct Datagrams {
    pub(super) to: SocketAddrV4,
    from: Option<Ipv4Addr>,
    /// `None` after an error: the next datagram finds the route as it is then.
    socket: Option<Watched>,
}

impl Datagrams {
    pub(super) const fn new(from: Option<Ipv4Addr>, to: SocketAddrV4) -> Datagrams {
        Datagrams { to, from, socket: None }
    }

    /// Opens the socket unless it is.
    pub(super) fn open(&mut self, epoll: &OwnedFd, key: Key) -> Result<(), Errno> {
        if self.socket.is_none() {
            let fd = socket(SocketType::DGRAM, self.from)?;
            connect(&fd, &self.to)?;
            epoll::add(epoll, &fd, key.data(), EventFlags::IN)?;
            self.socket = Some(Watched { fd, paused: false });
        }
        Ok(())
    }

    /// Sends a datagram, and says whether it found room: one that doesn't is lost, as on any network.
    pub(super) fn send(&mut self, epoll: &OwnedFd, key: Key, bytes: &[u8]) -> Result<bool, Errno> {
        self.open(epoll, key)?;
        let Some(socket) = &self.socket else { return Ok(false) };
        match send(&socket.fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(_) => Ok(true),
            Err(Errno::AGAIN | Errno::NOBUFS | Errno::INTR) => Ok(false),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The next datagram's length, if there is one.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Errno> {
        let Some(socket) = &self.socket else { return Ok(None) };
        match recv(&socket.fd, buffer, RecvFlags::DONTWAIT) {
            Ok((len, _)) => Ok(Some(len)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// That nobody listens there passes; anything else may be of the route this socket has.
    fn failed(&mut self, error: Errno) -> Errno {
        if error != Errno::CONNREFUSED {
            self.socket = None;
        }
        error
    }

    pub(super) fn pause(&mut self, epoll: &OwnedFd) {
        if let Some(socket) = &mut self.socket {
            socket.pause(epoll);
        }
    }

    pub(super) fn resume(&mut self, epoll: &OwnedFd, key: Key) {
        if let Some(socket) = &mut self.socket {
            socket.resume(epoll, key);
        }
    }
}

/// One connection at a time.
#[derive(Debug, Default)]
pub(super) enum Connection {
    #[default]
    Closed,
    Connecting(Watched),
    Open(Watched),
    /// It ended, and that is to be reported still.
    Broken(Errno),
}

/// What has become of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    Nothing,
    Connected,
    /// So many bytes came.
    Bytes(usize),
    /// The service has closed it, or it broke.
    Closed,
    /// It could not be made.
    Failed(Errno),
}

impl Connection {
    /// Starts connecting; what comes of it shows later, be it at once.
    pub(super) fn connect(
        &mut self,
        epoll: &OwnedFd,
        key: Key,
        from: Option<Ipv4Addr>,
        to: SocketAddrV4,
    ) {
        *self = match begin(epoll, key, from, to) {
            Ok(fd) => Connection::Connecting(Watched { fd, paused: false }),
            Err(error) => Connection::Broken(error),
        };
    }

    /// Sends this whole, or not at all: what does not fit into an empty send buffer never will.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        let Connection::Open(open) = self else { return };
        let error = loop {
            match send(&open.fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(sent) if sent == bytes.len() => return,
                Ok(_) | Err(Errno::AGAIN) if candor_core::canary!(SendSpins) => {}
                Ok(_) => break Errno::AGAIN,
                Err(error) => break error,
            }
        };
        *self = Connection::Broken(error);
    }

    /// Closes it. Nothing of it is reported any more.
    pub(super) fn close(&mut self) {
        *self = Connection::Closed;
    }

    /// What has failed without the kernel having to say so.
    pub(super) fn take_broken(&mut self) -> Option<Errno> {
        let Connection::Broken(error) = *self else { return None };
        *self = Connection::Closed;
        Some(error)
    }

    /// Looks at it once the kernel has said that there is something. An event may be of a connection
    /// that was closed meanwhile: nothing is taken for granted.
    pub(super) fn look(&mut self, epoll: &OwnedFd, key: Key, buffer: &mut [u8]) -> Change {
        match self {
            Connection::Closed | Connection::Broken(_) => Change::Nothing,
            Connection::Connecting(_) => self.finish_connecting(epoll, key),
            Connection::Open(open) => match recv(&open.fd, buffer, RecvFlags::DONTWAIT) {
                Ok((len, _)) if len > 0 => Change::Bytes(len),
                Err(Errno::AGAIN | Errno::INTR) => Change::Nothing,
                Ok(_) | Err(_) => {
                    *self = Connection::Closed;
                    Change::Closed
                }
            },
        }
    }

    fn finish_connecting(&mut self, epoll: &OwnedFd, key: Key) -> Change {
        let Connection::Connecting(connecting) = std::mem::take(self) else {
            return Change::Nothing;
        };
        let fd = &connecting.fd;
        let listen = || match sockopt::socket_error(fd)? {
            Err(error) => Err(error),
            Ok(()) => {
                getpeername(fd)?;
                epoll::modify(epoll, fd, key.data(), EventFlags::IN)
            }
        };
        match listen() {
            Ok(()) => {
                *self = Connection::Open(connecting);
                Change::Connected
            }
            Err(Errno::NOTCONN) => {
                *self = Connection::Connecting(connecting);
                Change::Nothing
            }
            Err(error) => Change::Failed(error),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self, Connection::Open(_))
    }

    pub(super) fn pause(&mut self, epoll: &OwnedFd) {
        if let Connection::Open(open) = self {
            open.pause(epoll);
        }
    }

    pub(super) fn resume(&mut self, epoll: &OwnedFd, key: Key) {
        if let Connection::Open(open) = self {
            open.resume(epoll, key);
        }
    }
}

fn begin(
    epoll: &OwnedFd,
    key: Key,
    from: Option<Ipv4Addr>,
    to: SocketAddrV4,
) -> Result<OwnedFd, Errno> {
    let fd = socket(SocketType::STREAM, from)?;
    sockopt::set_tcp_nodelay(&fd, true)?;
    match connect(&fd, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(error) => return Err(error),
    }
    epoll::add(epoll, &fd, key.data(), EventFlags::OUT)?;
    Ok(fd)
}

fn socket(kind: SocketType, from: Option<Ipv4Addr>) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = socket_with(AddressFamily::INET, kind, flags, None)?;
    if let Some(from) = from {
        bind(fd.as_fd(), &SocketAddrV4::new(from, 0))?;
    }
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_finds_no_room_is_given_up_at_once() {
        let service = TcpListener::bind("127.0.0.1:0").unwrap();
        let SocketAddr::V4(to) = service.local_addr().unwrap() else { panic!("asked for IPv4") };
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let key = Key { venue: 0, seat: 0, wire: Wire::Snapshot };
        let mut connection = Connection::default();
        connection.connect(&epoll, key, None, to);
        // It accepts, and reads nothing.
        let (deaf, _) = service.accept().unwrap();
        let mut buffer = [0; 64];
        while connection.look(&epoll, key, &mut buffer) != Change::Connected {}
        // Whoever waits for it to read does so until it is gone.
        let (given_up, hears) = channel();
        let service = thread::spawn(move || {
            let in_time = hears.recv_timeout(Duration::from_secs(5)).is_ok();
            drop(deaf);
            in_time
        });
        while connection.is_open() {
            connection.send(&[0; 1_000]);
        }
        let _gone = given_up.send(());
        assert!(service.join().unwrap(), "it was waited for");
        assert_eq!(connection.take_broken(), Some(Errno::AGAIN));
        assert_eq!(connection.take_broken(), None);
    }

    #[test]
    fn a_key_comes_back_from_the_kernel_as_it_was() {
        for wire in [Wire::Retransmit, Wire::Snapshot, Wire::Datagrams(0), Wire::Datagrams(7)] {
            for (venue, seat) in [(0, 0), (3, 1_023), (u16::MAX - 1, u16::MAX)] {
                let key = Key { venue, seat, wire };
                let data = key.data().u64();
                assert_ne!(data, Key::BELL);
                assert_eq!(Key::of(data), key);
            }
        }
    }
}

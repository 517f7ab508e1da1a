//! Ordinary sockets: one for each line, bound to the line's group and port, read in batches.
//!
//! Arrival is when the kernel received the datagram, by its own stamp turned from the wall clock
//! into ours ([`crate::clock::Arrivals`]). Drops are the kernel's own count
//! for each socket, asked for by [`Source::counts`]: one system call a socket, and the very last
//! datagram of a burst is missed as soon as the first.

use std::net::SocketAddrV4;
use std::os::fd::{AsFd, OwnedFd};

use candor_core::limits::LINES;
use candor_core::{Line, Mono, Nanos};
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};
use rustix::time::Timespec;

use super::recvmmsg::{self, Batch};
use super::{Arrival, Polled, Source, SourceCounts, SourceError};
use crate::clock::{Arrivals, Clock, timespec};
use crate::config::{Config, LineConfig, SourceKind};
use crate::exit::Failure;
use crate::join::Joins;

/// How many sockets one look at the kernel finds ready at most; the others come with the next.
const READY: usize = 64;

const NOTHING: epoll::Event =
    epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) };

const NO_WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// The sockets of one lane.
pub struct Udp {
    sockets: Vec<Socket>,
    epoll: OwnedFd,
    /// Places of sockets that were found ready.
    ready: [u32; READY],
    /// The part of `ready` that is still to be polled.
    todo: std::ops::Range<usize>,
    lap: Lap,
    batch: Batch,
    clock: Clock,
    arrivals: Arrivals,
    counts: SourceCounts,
}

/// How far all sockets have been looked at: in turns, of which none is over before each that had something was asked.
#[derive(Debug)]
struct Lap {
    /// Everything that came before has been taken.
    taken: Mono,
    /// When this turn began.
    began: Mono,
    /// Lists of ready sockets in it.
    lists: usize,
    /// Something is left in a socket that came then at the earliest.
    left: Option<Mono>,
}

impl Lap {
    /// A list is worked through, and another is asked for. A full one doesn't name all that are ready; the kernel has
    /// them take turns.
    fn next_list(&mut self, now: Mono, was_full: bool, sockets: usize) {
        self.lists += 1;
        if !was_full || self.lists > sockets / READY + 1 {
            self.taken = self.left.take().map_or(self.began, |left| left.min(self.began));
            (self.began, self.lists) = (now, 0);
        }
    }

    /// As many as could be were taken of a socket, the last of which came then.
    fn leaves(&mut self, last: Mono) {
        self.left = Some(self.left.map_or(last, |left| left.min(last)));
    }
}

/// A line's socket.
pub struct Socket {
    fd: OwnedFd,
    partition: u16,
    line: Line,
    /// The kernel's count of drops when last seen; it wraps.
    dropped: u32,
}

impl Udp {
    /// Opens and joins the lines of every subscribed partition of a lane. The memberships last as
    /// long as the sockets; what comes with them is for renewing them.
    ///
    /// # Errors
    /// Naming the line, and the privilege, limit or interface that is missing.
    pub fn open(config: &Config, lane: u16) -> Result<(Udp, Joins), Failure> {
        let SourceKind::Udp { receive_buffer } = config.source.kind else {
            return Err(Failure::config("the configuration's source is not udp"));
        };
        let ours = config.subscribed_lines().filter(|(partition, _, _)| {
            config.partitions.get(usize::from(*partition)).is_some_and(|p| p.lane == lane)
        });
        let (mut udp, mut joins) = Udp::with_lines(ours, config.source.batch, receive_buffer)?;
        let own = config.partitions.iter().filter(|partition| partition.lane == lane).count();
        udp.sockets.reserve_exact(LATER * own * LINES);
        // What is not subscribed gets its sockets too, so that it can be later. One that can't be had
        // is no reason not to start: it is named when somebody wants it.
        for (number, partition) in (0u16..).zip(&config.partitions) {
            if partition.lane != lane || partition.subscribe {
                continue;
            }
            for (line, at) in partition.lines() {
                let _ = udp.add(&mut joins, (number, line, at), receive_buffer, false);
            }
        }
        Ok((udp, joins))
    }

    /// Opens and joins these lines, taking at most `batch` datagrams a poll, with receive buffers
    /// of this many bytes.
    ///
    /// # Errors
    /// As [`Udp::open`].
    pub fn with_lines<'a>(
        lines: impl IntoIterator<Item = (u16, Line, &'a LineConfig)>,
        batch: u32,
        receive_buffer: u32,
    ) -> Result<(Udp, Joins), Failure> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)
            .map_err(|error| Failure::host(format!("epoll_create failed: {error}")))?;
        let mut joins = Joins::default();
        let mut clock = Clock::new();
        // Nothing comes before there is a socket.
        let arrivals = Arrivals::new(&mut clock);
        let opened = clock.now();
        let lap = Lap { taken: opened, began: opened, lists: 0, left: None };
        let mut udp = Udp {
            sockets: Vec::new(),
            epoll,
            ready: [0; READY],
            todo: 0..0,
            lap,
            batch: Batch::new(usize::try_from(batch.max(1)).unwrap_or(1)),
            clock,
            arrivals,
            counts: SourceCounts::default(),
        };
        for line in lines {
            udp.add(&mut joins, line, receive_buffer, true)?;
        }
        Ok((udp, joins))
    }

    /// One more line, joined or ready to be.
    fn add(
        &mut self,
        joins: &mut Joins,
        (partition, line, config): (u16, Line, &LineConfig),
        receive_buffer: u32,
        joined: bool,
    ) -> Result<(), Failure> {
        let Socket { fd, dropped, .. } = Socket::open(partition, line, config, receive_buffer)?;
        let data = EventData::new_u64(self.sockets.len() as u64);
        epoll::add(&self.epoll, &fd, data, EventFlags::IN)
            .map_err(|error| Failure::host(format!("epoll_ctl failed: {error}")))?;
        joins.adopt(partition, line, config, fd.as_fd(), joined)?;
        self.sockets.push(Socket { fd, partition, line, dropped });
        Ok(())
    }

    /// The place of the next socket that has something.
    fn next(&mut self) -> Result<Option<usize>, SourceError> {
        if self.todo.is_empty() {
            let was_full = self.todo.end == READY;
            self.lap.next_list(self.clock.now(), was_full, self.sockets.len());
            let mut events = [NOTHING; READY];
            let found = match epoll::wait(&self.epoll, &mut events, Some(&NO_WAIT)) {
                Ok(found) => found,
                Err(Errno::INTR) => 0,
                Err(error) => return Err(kernel("epoll_wait", error)),
            };
            for (ready, event) in self.ready.iter_mut().zip(events.iter().take(found)) {
                let data = event.data;
                *ready = u32::try_from(data.u64()).unwrap_or(u32::MAX);
            }
            self.todo = 0..found.min(READY);
        }
        let place = self.todo.next().and_then(|at| self.ready.get(at));
        Ok(place.and_then(|place| usize::try_from(*place).ok()))
    }
}

impl Source for Udp {
    fn poll(&mut self, deliver: &mut dyn FnMut(Arrival<'_>)) -> Result<Polled, SourceError> {
        let Some(at) = self.next()? else {
            return Ok(Polled { frames: 0, drained: true, waits_since: None });
        };
        let Some(socket) = self.sockets.get_mut(at) else {
            let waits_since = Some(self.lap.taken);
            return Ok(Polled { frames: 0, drained: false, waits_since });
        };
        let got = match self.batch.receive(socket.fd.as_fd()) {
            Ok(got) => got,
            // A pending error of the link below (it went down, say): the socket lives on, and what
            // is missing shows as silence.
            Err(Errno::NETDOWN | Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::NODEV) => {
                self.lap.leaves(self.lap.taken);
                0
            }
            Err(error) => return Err(kernel("recvmmsg", error)),
        };
        if got > 0 {
            self.arrivals.read(&mut self.clock);
        }
        let mut last = self.lap.taken;
        for index in 0..got {
            let Some(datagram) = self.batch.get(index) else { break };
            let at = self.arrivals.at(datagram.stamp, self.lap.taken);
            last = at;
            let Some(payload) = datagram.payload else {
                self.counts.too_long += 1;
                continue;
            };
            deliver(Arrival { partition: socket.partition, line: socket.line, at, payload });
        }
        if got == self.batch.room() {
            self.lap.leaves(last);
        }
        let frames = u32::try_from(got).unwrap_or(u32::MAX);
        Ok(Polled { frames, drained: false, waits_since: Some(self.lap.taken) })
    }

    fn wait(&mut self, at_most: Nanos) -> Result<(), SourceError> {
        if !self.todo.is_empty() {
            return Ok(());
        }
        // poll(2) on the epoll descriptor: unlike epoll_wait it keeps nanoseconds on any kernel.
        let mut descriptors = [PollFd::new(&self.epoll, PollFlags::IN)];
        match poll(&mut descriptors, Some(&timespec(at_most))) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(kernel("poll", error)),
        }
    }

    fn counts(&mut self) -> SourceCounts {
        for socket in &mut self.sockets {
            // An open socket always answers; if one did not, its count would stand still, and what
            // is missing would show as a gap or as silence.
            if let Ok(dropped) = recvmmsg::drops(socket.fd.as_fd()) {
                self.counts.rx_ring_full += u64::from(dropped.wrapping_sub(socket.dropped));
                socket.dropped = dropped;
            }
        }
        self.counts
    }

    fn adopt(&mut self, sockets: &mut Vec<Socket>) {
        // Whoever opened them has counted how many there is room for.
        for socket in sockets.drain(..) {
            debug_assert!(self.sockets.len() < self.sockets.capacity());
            self.sockets.push(socket);
        }
    }

    fn mode(&self) -> &str {
        "udp"
    }
}

/// Sockets that a lane may be given later for each line that it may have at once: a line that is elsewhere by
/// another map has a new one.
const LATER: usize = 2;

impl Socket {
    /// Opens a line's socket, which is a member of nothing yet.
    ///
    /// # Errors
    /// As [`Udp::open`].
    pub fn open(
        partition: u16,
        line: Line,
        config: &LineConfig,
        receive_buffer: u32,
    ) -> Result<Socket, Failure> {
        let fd = open(config, receive_buffer)?;
        // Before the first datagram can come: from here on every drop is counted.
        let dropped = recvmmsg::drops(fd.as_fd()).map_err(|error| {
            Failure::host(format!("the kernel does not count a socket's drops: {error}"))
        })?;
        Ok(Socket { fd, partition, line, dropped })
    }
}

/// How the handler's own thread adds lines to lanes that run.
#[derive(Default)]
pub struct Sockets {
    lanes: Vec<Adding>,
}

struct Adding {
    epoll: OwnedFd,
    /// Where the lane's next socket comes to lie.
    next: usize,
    room: usize,
}

/// A socket that a lane is given, with what is left to do once it has it.
pub struct Given {
    lane: usize,
    place: usize,
    fd: OwnedFd,
    /// The partition.
    pub partition: u16,
    /// The line.
    pub line: Line,
}

impl Sockets {
    pub(super) fn add_lane(&mut self, udp: &Udp) -> Result<(), Failure> {
        let epoll = udp.epoll.try_clone().map_err(|error| {
            Failure::host(format!("a second descriptor of an epoll failed: {error}"))
        })?;
        let (next, room) = (udp.sockets.len(), udp.sockets.capacity());
        self.lanes.push(Adding { epoll, next, room });
        Ok(())
    }

    /// Opens a line's socket for a lane, which is to be given it ([`Source::adopt`]) before anything is
    /// received.
    ///
    /// # Errors
    /// As [`Udp::open`], and where the lane has no room left.
    pub fn open(
        &mut self,
        lane: u16,
        (partition, line, config): (u16, Line, &LineConfig),
        receive_buffer: u32,
    ) -> Result<(Socket, Given), Failure> {
        let lane = usize::from(lane);
        let adding = self.lanes.get_mut(lane).filter(|adding| adding.next < adding.room);
        let adding = adding.ok_or_else(|| {
            Failure::host(format!("lane {lane} has no room for another socket: start it again"))
        })?;
        let socket = Socket::open(partition, line, config, receive_buffer)?;
        let fd = socket.fd.try_clone().map_err(|error| {
            Failure::host(format!("a second descriptor of a socket failed: {error}"))
        })?;
        let given = Given { lane, place: adding.next, fd, partition, line };
        adding.next += 1;
        Ok((socket, given))
    }

    /// Lets a lane that has a socket receive by it, and joins its line or keeps it ready to be.
    ///
    /// # Errors
    /// Naming group and interface.
    pub fn begin(
        &self,
        given: &Given,
        (config, joined): (&LineConfig, bool),
        joins: &mut Joins,
    ) -> Result<(), Failure> {
        let Given { lane, place, fd, partition, line } = given;
        let data = EventData::new_u64(*place as u64);
        if let Some(adding) = self.lanes.get(*lane) {
            epoll::add(&adding.epoll, fd, data, EventFlags::IN)
                .map_err(|error| Failure::host(format!("epoll_ctl failed: {error}")))?;
        }
        // Joined by the descriptor that was added: the kernel takes it out when both are closed.
        joins.adopt(*partition, *line, config, fd.as_fd(), joined).inspect_err(|_| {
            // Ready to be joined later: whoever renews memberships tries again.
            let _ = joins.adopt(*partition, *line, config, fd.as_fd(), false);
        })
    }
}

fn kernel(call: &'static str, error: Errno) -> SourceError {
    SourceError::Kernel { call, errno: error.raw_os_error() }
}

fn open(line: &LineConfig, receive_buffer: u32) -> Result<OwnedFd, Failure> {
    let endpoint = SocketAddrV4::new(line.group, line.port);
    let failed = |what: &str, error: Errno| {
        let message = format!("{what} for {endpoint} failed: {error}");
        match error {
            Errno::MFILE | Errno::NFILE => {
                Failure::privilege(format!("{message}. Raise RLIMIT_NOFILE (`ulimit -n`)"))
            }
            Errno::PERM | Errno::ACCESS if line.port < 1024 => Failure::privilege(format!(
                "{message}. A port below 1024 needs CAP_NET_BIND_SERVICE"
            )),
            Errno::ADDRINUSE => Failure::host(format!(
                "{message}. Another process holds it without sharing; `ss -lunp` names it"
            )),
            _ => Failure::host(message),
        }
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)
        .map_err(|error| failed("a socket", error))?;
    // Other processes of the host may listen to the same feed.
    sockopt::set_socket_reuseaddr(&socket, true).map_err(|error| failed("SO_REUSEADDR", error))?;
    recvmmsg::ask(socket.as_fd()).map_err(|error| failed("socket options", error))?;
    size(&socket, line, receive_buffer)?;
    // Bound to the group, so nothing but the group's own datagrams get in.
    bind(&socket, &endpoint).map_err(|error| failed("bind", error))?;
    Ok(socket)
}

/// Gives the socket its receive buffer, and looks whether the kernel did.
fn size(socket: &OwnedFd, line: &LineConfig, wanted: u32) -> Result<(), Failure> {
    let bytes = usize::try_from(wanted).unwrap_or(usize::MAX);
    if sockopt::set_socket_recv_buffer_size_force(socket, bytes).is_err() {
        // Without CAP_NET_ADMIN the kernel caps it at a limit, and says nothing.
        let _ = sockopt::set_socket_recv_buffer_size(socket, bytes);
    }
    // The kernel doubles what it is asked for, for its own overhead, and answers with that.
    let given = sockopt::socket_recv_buffer_size(socket).unwrap_or(0) / 2;
    if given >= bytes {
        return Ok(());
    }
    Err(Failure::privilege(format!(
        "a receive buffer of {wanted} bytes for {}:{} was refused, the kernel gives {given}: \
         give the process CAP_NET_ADMIN, or raise the sysctl net.core.rmem_max to {wanted}",
        line.group, line.port
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_taken_that_came_before_a_turn_in_which_every_ready_socket_was_emptied() {
        let mut lap = Lap { taken: Mono(1), began: Mono(1), lists: 0, left: None };
        lap.next_list(Mono(10), false, 3);
        assert_eq!(lap.taken, Mono(1), "before the first list there was none");
        lap.next_list(Mono(20), false, 3);
        assert_eq!(lap.taken, Mono(10), "the list of then is worked through");
        // One had more than was taken of it, the last of which came at 12.
        lap.leaves(Mono(15));
        lap.leaves(Mono(12));
        lap.next_list(Mono(30), false, 3);
        assert_eq!(lap.taken, Mono(12));
        lap.next_list(Mono(40), false, 3);
        assert_eq!(lap.taken, Mono(30), "the next turn has emptied it");
        // More are ready than a list names: each has had its turn before this one is over.
        for (at, taken) in [(50, 30), (60, 30), (70, 40)] {
            lap.next_list(Mono(at), true, 2 * READY - 1);
            assert_eq!(lap.taken, Mono(taken), "at {at}");
        }
    }
}

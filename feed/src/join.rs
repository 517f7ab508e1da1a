//! Multicast memberships: what makes a switch send us a group at all.
//!
//! Sockets that receive are members themselves ([`Joins::adopt`]). Kernel bypass takes frames
//! before any socket sees them, but the switch still wants an IGMP member: [`Joins::open`] keeps
//! ordinary sockets that are members and receive nothing, since they are bound to no port.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use candor_core::Line;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::config::LineConfig;
use crate::exit::Failure;
use crate::interface;
use crate::source::recvmmsg::member;

/// One membership.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Membership {
    /// The partition, by its index in the configuration.
    pub partition: u16,
    /// The line.
    pub line: Line,
    /// The group.
    pub group: Ipv4Addr,
    /// The port, which is none of the kernel's membership: it says which place of the line's it is.
    pub port: u16,
    /// The only sender wanted, if one was given.
    pub source: Option<Ipv4Addr>,
    /// The interface's name.
    pub interface: String,
    /// Whether it is held: a partition may be left and joined again.
    pub joined: bool,
    ifindex: u32,
    socket: usize,
}

impl Membership {
    /// Whether both are one membership to the kernel, on whichever socket.
    fn is_same(&self, other: &Membership) -> bool {
        self.group == other.group && self.source == other.source && self.ifindex == other.ifindex
    }

    /// Where it is, as a line is configured.
    #[must_use]
    pub fn place(&self) -> LineConfig {
        let Membership { group, port, source, interface, .. } = self;
        LineConfig { group: *group, port: *port, source: *source, interface: interface.clone() }
    }

    fn of(partition: u16, line: Line, config: &LineConfig) -> Result<Membership, Failure> {
        Ok(Membership {
            partition,
            line,
            group: config.group,
            port: config.port,
            source: config.source,
            interface: config.interface.clone(),
            joined: true,
            ifindex: interface::index(&config.interface)?,
            socket: 0,
        })
    }
}

/// Memberships, held until dropped.
#[derive(Debug, Default)]
pub struct Joins {
    sockets: Vec<OwnedFd>,
    members: Vec<Membership>,
    /// Interfaces that are gone, each with the index it had. What comes back under the name is another.
    lost: Vec<(String, u32)>,
}

impl Joins {
    /// Joins every line given.
    ///
    /// # Errors
    /// The first that fails, naming group and interface. Nothing stays joined then.
    pub fn open<'a>(
        lines: impl IntoIterator<Item = (u16, Line, &'a LineConfig)>,
    ) -> Result<Joins, Failure> {
        let mut joins = Joins::default();
        for (partition, line, config) in lines {
            joins.add(partition, line, config)?;
        }
        Ok(joins)
    }

    /// Joins one more line. A group that is joined already, for the same interface and sender, is
    /// joined once: two lines may be two ports of one group.
    ///
    /// # Errors
    /// Naming group and interface.
    pub fn add(&mut self, partition: u16, line: Line, config: &LineConfig) -> Result<(), Failure> {
        let mut membership = Membership::of(partition, line, config)?;
        let same = |other: &&Membership| other.joined && other.is_same(&membership);
        membership.socket = match self.members.iter().find(same) {
            Some(other) => other.socket,
            None => self.join(&membership)?,
        };
        self.members.push(membership);
        Ok(())
    }

    /// Joins a line on the socket that will receive it, or keeps it ready to be joined later, with
    /// a second descriptor of that socket to do so by.
    ///
    /// # Errors
    /// Naming group and interface.
    pub fn adopt(
        &mut self,
        partition: u16,
        line: Line,
        config: &LineConfig,
        socket: BorrowedFd<'_>,
        joined: bool,
    ) -> Result<(), Failure> {
        let mut membership = Membership { joined, ..Membership::of(partition, line, config)? };
        if joined {
            set(socket, true, &membership).map_err(|error| explain(&membership, error))?;
        }
        let second = socket.try_clone_to_owned().map_err(|error| {
            explain(&membership, Errno::from_io_error(&error).unwrap_or(Errno::IO))
        })?;
        membership.socket = self.sockets.len();
        self.sockets.push(second);
        self.members.push(membership);
        Ok(())
    }

    /// The interfaces of memberships that are no longer here and were not said to be lost.
    #[must_use]
    pub fn missing(&self) -> Vec<(String, u32)> {
        let mut missing: Vec<(String, u32)> = Vec::new();
        for Membership { interface, ifindex, .. } in &self.members {
            let known = |(_, index): &(String, u32)| index == ifindex;
            let is_known = self.lost.iter().any(known) || missing.iter().any(known);
            if !is_known && !interface::is_here(*ifindex) {
                missing.push((interface.clone(), *ifindex));
            }
        }
        missing
    }

    /// An interface is gone, and with it its memberships: they stay what was wanted, and nothing is done by them.
    /// Whether that is news.
    pub fn lose(&mut self, interface: &str, ifindex: u32) -> bool {
        let news = self.lost.iter().all(|(_, index)| *index != ifindex);
        if news {
            self.lost.push((interface.to_owned(), ifindex));
        }
        news
    }

    /// Whether the interface of this name is gone; it stays so if one comes back.
    #[must_use]
    pub fn is_lost(&self, interface: &str) -> bool {
        self.lost.iter().any(|(name, _)| name == interface)
    }

    /// Whether every membership that is held is on an interface that is gone, and there are some.
    #[must_use]
    pub fn all_lost(&self) -> bool {
        let mut held = self.members.iter().filter(|member| member.joined).peekable();
        held.peek().is_some() && held.all(|member| self.is_lost(&member.interface))
    }

    /// Takes over the memberships of `others`.
    pub fn merge(&mut self, others: Joins) {
        let first = self.sockets.len();
        self.sockets.extend(others.sockets);
        self.members.extend(others.members.into_iter().map(|mut membership| {
            membership.socket += first;
            membership
        }));
    }

    /// Joins on the newest socket, or on another where that one is full: the kernel allows a
    /// socket 20 groups unless told otherwise.
    fn join(&mut self, membership: &Membership) -> Result<usize, Failure> {
        if let Some(socket) = self.sockets.last() {
            match set(socket.as_fd(), true, membership) {
                Ok(()) => return Ok(self.sockets.len() - 1),
                Err(Errno::NOBUFS) => {}
                // One group from two senders, or from one and from any, takes two sockets.
                Err(Errno::ADDRINUSE | Errno::INVAL | Errno::ADDRNOTAVAIL) => {}
                Err(error) => return Err(explain(membership, error)),
            }
        }
        let socket =
            socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
                .map_err(|error| explain(membership, error))?;
        set(socket.as_fd(), true, membership).map_err(|error| explain(membership, error))?;
        self.sockets.push(socket);
        Ok(self.sockets.len() - 1)
    }

    /// Leaves every line of a partition; a group that another partition needs stays joined. Whether
    /// any was joined.
    pub fn leave(&mut self, partition: u16) -> bool {
        let held = self.held(partition);
        held.iter().for_each(|at| self.give_up(*at));
        !held.is_empty()
    }

    /// Leaves a line for good; a group that another line needs stays joined.
    pub fn forget(&mut self, partition: u16, line: Line) {
        let is = |member: &Membership| (member.partition, member.line) == (partition, line);
        // BOUND: one membership less every time.
        while let Some(at) = self.members.iter().position(is) {
            self.forget_at(at);
        }
    }

    /// Leaves what a line has anywhere but there, and answers where that was.
    pub fn forget_elsewhere(
        &mut self,
        partition: u16,
        line: Line,
        there: Option<&LineConfig>,
    ) -> Vec<LineConfig> {
        let is = |member: &Membership| {
            (member.partition, member.line) == (partition, line) && there != Some(&member.place())
        };
        let mut left = Vec::new();
        // BOUND: one membership less every time.
        while let Some(at) = self.members.iter().position(is) {
            left.push(self.members[at].place());
            self.forget_at(at);
        }
        left
    }

    /// Joins a line that is kept ready to be there. Whether there is any.
    ///
    /// # Errors
    /// Naming group and interface.
    pub fn enter_line(
        &mut self,
        partition: u16,
        line: Line,
        there: &LineConfig,
    ) -> Result<bool, Failure> {
        let is = |member: &Membership| {
            (member.partition, member.line, member.joined) == (partition, line, false)
                && member.place() == *there
        };
        let Some(at) = self.members.iter().position(is) else { return Ok(false) };
        let membership = &self.members[at];
        if let Some(socket) = self.sockets.get(membership.socket)
            && !self.shared(membership)
        {
            set(socket.as_fd(), true, membership).map_err(|error| explain(membership, error))?;
        }
        self.members[at].joined = true;
        Ok(true)
    }

    fn forget_at(&mut self, at: usize) {
        let membership = self.members.remove(at);
        let needed = |other: &Membership| {
            other.joined && other.socket == membership.socket && other.is_same(&membership)
        };
        if membership.joined
            && !self.members.iter().any(needed)
            && let Some(socket) = self.sockets.get(membership.socket)
        {
            let _ = set(socket.as_fd(), false, &membership);
        }
    }

    /// The places of a partition's memberships that are held.
    fn held(&self, partition: u16) -> Vec<usize> {
        let members = self.members.iter().enumerate();
        let held =
            |(_, member): &(usize, &Membership)| member.partition == partition && member.joined;
        members.filter(held).map(|(at, _)| at).collect()
    }

    /// Leaves one line; a group that another line needs stays joined.
    fn give_up(&mut self, at: usize) {
        let Some(membership) = self.members.get_mut(at) else { return };
        membership.joined = false;
        let membership = &self.members[at];
        if self.shared(membership) {
            return;
        }
        if let Some(socket) = self.sockets.get(membership.socket) {
            // Not being a member any more is what was wanted.
            let _ = set(socket.as_fd(), false, membership);
        }
    }

    /// Whether any line of a partition is held.
    #[must_use]
    pub fn holds(&self, partition: u16) -> bool {
        self.members.iter().any(|member| member.partition == partition && member.joined)
    }

    /// Whether a line is joined there. What it has elsewhere, because it could not be joined where it has moved, is
    /// none, nor what is left of one whose interface is gone.
    #[must_use]
    pub fn holds_line(&self, partition: u16, line: Line, there: &LineConfig) -> bool {
        self.at(partition, line, there)
            .any(|member| member.joined && !self.is_lost(&there.interface))
    }

    /// Whether a line is held there, or ready to be.
    #[must_use]
    pub fn has(&self, partition: u16, line: Line, there: &LineConfig) -> bool {
        self.at(partition, line, there).next().is_some()
    }

    fn at(
        &self,
        partition: u16,
        line: Line,
        there: &LineConfig,
    ) -> impl Iterator<Item = &Membership> {
        let is = move |member: &&Membership| {
            (member.partition, member.line) == (partition, line) && member.place() == *there
        };
        self.members.iter().filter(is)
    }

    /// Joins again what [`Joins::leave`] left, or was only made ready, but for what is on an interface that is
    /// gone. Whether there was anything.
    ///
    /// # Errors
    /// The first that fails, naming group and interface; what was not joined before is not then.
    pub fn enter(&mut self, partition: u16) -> Result<bool, Failure> {
        let mut entered = Vec::new();
        for at in 0..self.members.len() {
            let membership = &self.members[at];
            let left = membership.partition == partition && !membership.joined;
            if !left || self.is_lost(&membership.interface) {
                continue;
            }
            let joined = match self.sockets.get(membership.socket) {
                Some(socket) if !self.shared(membership) => set(socket.as_fd(), true, membership),
                _ => Ok(()),
            };
            if let Err(error) = joined {
                let failure = explain(membership, error);
                entered.into_iter().for_each(|at| self.give_up(at));
                return Err(failure);
            }
            self.members[at].joined = true;
            entered.push(at);
        }
        Ok(!entered.is_empty())
    }

    /// Whether another line that is joined holds the same membership on the same socket.
    fn shared(&self, membership: &Membership) -> bool {
        let same = |other: &&Membership| {
            (other.partition, other.line) != (membership.partition, membership.line)
                && other.joined
                && other.socket == membership.socket
                && other.is_same(membership)
        };
        self.members.iter().any(|other| same(&other))
    }

    /// Leaves and joins again every line of a partition, so that a switch that has forgotten it
    /// is told anew; but for a group that another partition has too which is `heard`: that comes, and would be
    /// interrupted. Nor is anything done on an interface that is gone. How many memberships were renewed.
    ///
    /// # Errors
    /// The first that fails, naming group and interface. It is tried again by the next renewal.
    pub fn renew(&mut self, partition: u16, heard: impl Fn(u16) -> bool) -> Result<usize, Failure> {
        let mut renewed = 0;
        let comes = |membership: &Membership| {
            let others = self.members.iter().filter(|other| other.partition != partition);
            let mut same = others.filter(|other| other.joined && other.is_same(membership));
            same.any(|other| heard(other.partition))
        };
        let held = |member: &&Membership| {
            member.partition == partition && member.joined && !self.is_lost(&member.interface)
        };
        for membership in self.members.iter().filter(held).filter(|held| !comes(held)) {
            let Some(socket) = self.sockets.get(membership.socket) else { continue };
            // Not being a member any more is what a link that went down leaves behind: join.
            let _ = set(socket.as_fd(), false, membership);
            set(socket.as_fd(), true, membership).map_err(|error| explain(membership, error))?;
            renewed += 1;
        }
        Ok(renewed)
    }

    /// Every membership, held or ready to be, in the order of its first joining.
    #[must_use]
    pub fn members(&self) -> &[Membership] {
        &self.members
    }
}

fn set(socket: BorrowedFd<'_>, join: bool, membership: &Membership) -> Result<(), Errno> {
    member(socket, join, membership.ifindex, membership.group, membership.source)
}

fn explain(membership: &Membership, error: Errno) -> Failure {
    let Membership { group, source, interface, .. } = membership;
    let from = source.map_or(String::new(), |source| format!(" from {source}"));
    let what = format!("can't join {group}{from} on {interface}: {error}");
    match error {
        Errno::NODEV => Failure::config(format!(
            "{what}. Give {interface} an address and bring it up (`ip link set {interface} up`)"
        )),
        Errno::NOBUFS => Failure::privilege(format!(
            "{what}. The limit is the sysctl net.ipv4.igmp_max_memberships, or igmp_max_msf for \
             one sender; raise it"
        )),
        Errno::PERM | Errno::ACCESS => Failure::privilege(what),
        Errno::MFILE => Failure::privilege(format!("{what}. Raise RLIMIT_NOFILE (`ulimit -n`)")),
        _ => Failure::host(what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(last: u8, port: u16) -> LineConfig {
        let group = Ipv4Addr::new(239, 77, 3, last);
        LineConfig { group, port, source: None, interface: "lo".to_owned() }
    }

    #[test]
    fn a_line_is_held_where_it_is_joined_and_nowhere_else() {
        let (old, new) = (at(1, 7), at(2, 7));
        let mut joins = Joins::open([(3, Line::A, &old)]).unwrap();
        assert!(joins.holds_line(3, Line::A, &old) && joins.has(3, Line::A, &old));
        // It has moved, and could not be joined there: one port or one group is another place.
        for moved in [&new, &at(1, 8)] {
            assert!(!joins.holds_line(3, Line::A, moved) && !joins.has(3, Line::A, moved));
            assert_eq!(joins.enter_line(3, Line::A, moved), Ok(false), "nothing is ready");
        }
        // A socket that is ready for it, and then joins.
        let socket =
            socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None);
        joins.adopt(3, Line::A, &new, socket.unwrap().as_fd(), false).unwrap();
        assert!(joins.has(3, Line::A, &new) && !joins.holds_line(3, Line::A, &new));
        assert_eq!(joins.enter_line(3, Line::A, &new), Ok(true));
        assert!(joins.holds_line(3, Line::A, &new) && joins.holds_line(3, Line::A, &old));
        assert_eq!(joins.forget_elsewhere(3, Line::A, Some(&new)), [old]);
        assert_eq!(joins.members().len(), 1);
        assert_eq!(joins.forget_elsewhere(3, Line::A, None), [new]);
        assert!(!joins.holds(3));
    }
}

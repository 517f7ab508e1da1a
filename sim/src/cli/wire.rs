//! The socket packets leave by: multicast from one named interface, many packets a system call.

use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddrV4};

use crate::publisher::Outgoing;
use candor_core::{Line, Nanos};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::addr::SocketAddrArg;
use rustix::net::netdevice::name_to_index;
use rustix::net::{
    AddressFamily, MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, SocketFlags, SocketType,
    sendmmsg, socket_with, sockopt,
};

use super::endpoints::Endpoints;

/// Packets of one system call.
const BATCH: usize = 64;

/// Bytes the kernel may hold on the way out.
const SEND_BUFFER: usize = 8 << 20;

/// A UDP socket that sends multicast from `interface`, an address or a name.
fn from_interface(interface: &str) -> Result<OwnedFd, String> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None);
    let socket = socket.map_err(|error| format!("no UDP socket: {error}"))?;
    let said = |error: Errno| format!("interface {interface}: {error}");
    if let Ok(address) = interface.parse::<Ipv4Addr>() {
        sockopt::set_ip_multicast_if(&socket, &address).map_err(said)?;
        // Packets carry this source address whatever the routing table prefers.
        rustix::net::bind(&socket, &SocketAddrV4::new(address, 0)).map_err(said)?;
    } else {
        let index = name_to_index(&socket, interface).map_err(said)?;
        let any = Ipv4Addr::UNSPECIFIED;
        sockopt::set_ip_multicast_if_with_ifindex(&socket, &any, &any, index).map_err(said)?;
    }
    Ok(socket)
}

/// The address that packets from `interface` to the partitions' groups carry.
pub(super) fn address_of(interface: &str, endpoints: &Endpoints) -> Result<Ipv4Addr, String> {
    let said = |error: Errno| format!("interface {interface} has no address: {error}");
    // Connecting a UDP socket sends nothing; it chooses the source address.
    let socket = from_interface(interface)?;
    let group = SocketAddrV4::new(endpoints.group(0, Line::A), endpoints.port(0));
    rustix::net::connect(&socket, &group).map_err(said)?;
    let address = rustix::net::getsockname(&socket).map_err(said)?;
    let address = SocketAddrV4::try_from(address).map_err(said)?;
    Ok(*address.ip())
}

/// The socket, and packets waiting for the next system call.
pub(super) struct Wire {
    socket: OwnedFd,
    /// By partition and line.
    addresses: Vec<Vec<SocketAddrAny>>,
    batch: Vec<(usize, Outgoing)>,
    /// Packets the kernel took.
    pub(super) sent: u64,
    /// Packets the kernel refused; they are lost beyond the publisher's account.
    pub(super) failed: u64,
    /// Why, of the last of them.
    pub(super) last_error: Option<Errno>,
    /// Longest time from one turn of the loop to the next: a message leaves line A at most one such
    /// time after it was made, and any line at most two after its linger.
    pub(super) longest_turn: Nanos,
}

impl Wire {
    /// A socket that sends from `interface`, an address or a name.
    pub(super) fn open(
        interface: &str,
        endpoints: &Endpoints,
        partitions: usize,
    ) -> Result<Wire, String> {
        let socket = from_interface(interface)?;
        let said = |error: Errno| format!("interface {interface}: {error}");
        sockopt::set_ip_multicast_ttl(&socket, 1).map_err(said)?;
        sockopt::set_ip_multicast_loop(&socket, true).map_err(said)?;
        // Less than asked for is not an error: the kernel has its own limit.
        let _ = sockopt::set_socket_send_buffer_size(&socket, SEND_BUFFER);
        let address = |partition: usize, line| {
            SocketAddrV4::new(endpoints.group(partition, line), endpoints.port(partition)).as_any()
        };
        let addresses = (0..partitions)
            .map(|partition| Line::ALL.into_iter().map(|line| address(partition, line)).collect());
        Ok(Wire {
            socket,
            addresses: addresses.collect(),
            batch: Vec::with_capacity(BATCH),
            sent: 0,
            failed: 0,
            last_error: None,
            longest_turn: Nanos::ZERO,
        })
    }

    /// Takes a packet for the next system call, which may be now.
    pub(super) fn push(
        &mut self,
        partition: usize,
        packet: Outgoing,
        recycle: &mut impl FnMut(usize, Vec<u8>),
    ) {
        self.batch.push((partition, packet));
        if self.batch.len() == BATCH {
            self.flush(recycle);
        }
    }

    /// Sends what waits. Nothing waits for the kernel: what it has no room for is lost, counted.
    pub(super) fn flush(&mut self, recycle: &mut impl FnMut(usize, Vec<u8>)) {
        let mut done = 0;
        while done < self.batch.len() {
            match self.send(done) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(sent) => {
                    done += sent;
                    self.sent += sent as u64;
                }
                // The first packet is the one that failed; the others get their own chance.
                Err(error) => {
                    done += 1;
                    self.failed += 1;
                    self.last_error = Some(error);
                }
            }
        }
        for (partition, packet) in self.batch.drain(..) {
            recycle(partition, packet.payload);
        }
    }

    fn send(&self, from: usize) -> Result<usize, Errno> {
        let waiting = &self.batch[from..];
        let slices: Vec<[IoSlice<'_>; 1]> =
            waiting.iter().map(|(_, packet)| [IoSlice::new(&packet.payload)]).collect();
        let mut control: Vec<SendAncillaryBuffer<'_, '_, '_>> =
            waiting.iter().map(|_| SendAncillaryBuffer::default()).collect();
        let mut headers: Vec<MMsgHdr<'_>> = waiting
            .iter()
            .zip(&slices)
            .zip(&mut control)
            .map(|(((partition, packet), slice), control)| {
                let address = &self.addresses[*partition][packet.line.index()];
                MMsgHdr::new_with_addr(address, slice, control)
            })
            .collect();
        sendmmsg(&self.socket, &mut headers, SendFlags::empty())
    }
}

//! A partition whose packets a test writes itself, byte for byte: with any sender's address, and sound
//! or damaged.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use candor_core::counters::Counter;
use candor_core::{BookView, Nanos, SeqNo, Symbol, WireTime};
use candor_decoders::nasdaq::moldudp64;
use candor_decoders::net::{Route, udp_frame};
use candor_shm::{PartitionCounters, Region};
use candor_sim::market::{Market, MarketConfig};

use crate::world::{EXCHANGE_INTERFACE, Plan, SENDER, World, eventually, inside, partition};

pub const GROUP: [u8; 4] = [239, 68, 0, 1];
pub const PORT: u16 = 26_600;
pub const SESSION: [u8; 10] = *b"BY HAND   ";
/// Another host of the sender's network.
pub const OTHER: [u8; 4] = [10, 77, 0, 3];

/// The partition's number: it stands behind the exchange's only one, which stays silent.
pub const PARTITION: usize = 1;

/// Where the payload starts in a frame of [`frame`], and the headers before it.
pub const PAYLOAD_AT: usize = 42;
pub const IP_AT: usize = 14;
pub const UDP_AT: usize = 34;

/// A plan with the partition; `edit` adds its lines by [`with_lines`].
pub const fn plan(source: &'static str, edit: fn(String) -> String) -> Plan {
    let silence = Nanos::from_secs(30);
    Plan { partitions: 1, symbols: 4, silence, source, edit, ..Plan::DEFAULT }
}

/// The configuration with the partition and these lines.
pub fn with_lines(text: &str, lines: &str) -> String {
    format!(
        "{text}\n[[venue.partition]]\nname = \"by hand\"\nlane = 0\nsymbols_max = 64\n\
         orders_max = 4096\nlevels_max = 4096\n{lines}"
    )
}

/// The first messages of a market: its symbols, then orders.
pub fn messages(seed: u64, count: usize) -> Vec<Vec<u8>> {
    let mut market = Market::new(MarketConfig { symbols: 8, seed, ..MarketConfig::default() });
    let mut next = |at: usize| market.partitions[0].next(WireTime(at as u64)).unwrap();
    (0..count).map(|at| next(at).message.bytes().to_vec()).collect()
}

/// A packet with one message.
pub fn packet(session: [u8; 10], seq: u64, message: &[u8]) -> Vec<u8> {
    packet_of(session, seq, &[message])
}

/// A packet with several.
pub fn packet_of(session: [u8; 10], first: u64, messages: &[&[u8]]) -> Vec<u8> {
    let mut buffer = [0; 1_400];
    let mut writer = moldudp64::Writer::new(&mut buffer, session, SeqNo(first)).unwrap();
    messages.iter().for_each(|message| writer.push(message).unwrap());
    writer.finish().to_vec()
}

/// A packet as a frame, with both checksums.
pub fn frame(source: [u8; 4], packet: &[u8]) -> Vec<u8> {
    let route = Route {
        source_mac: [2, 0, 0, 0, 0, source[3]],
        source,
        group: GROUP,
        source_port: 40_000,
        port: PORT,
        vlans: [None, None],
    };
    let mut buffer = [0; 2_048];
    let frame = udp_frame(&mut buffer, &route, packet).unwrap();
    frame.to_vec()
}

/// What sends frames from the exchange's interface.
pub struct ByHand {
    socket: OwnedFd,
    address: libc::sockaddr_ll,
}

impl ByHand {
    pub fn new(world: &World) -> ByHand {
        inside(world.sending(), || {
            let name = CString::new(EXCHANGE_INTERFACE).unwrap();
            // SAFETY: a string that ends in zero.
            let ifindex = unsafe { libc::if_nametoindex(name.as_ptr()) };
            assert_ne!(ifindex, 0);
            let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
            // SAFETY: takes no pointer. Protocol 0: it receives nothing.
            let fd = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
            assert!(fd >= 0, "{}", io::Error::last_os_error());
            // SAFETY: just opened, and nobody else's.
            let socket = unsafe { OwnedFd::from_raw_fd(fd) };
            // SAFETY: all-zero bytes are a valid address: integers only.
            let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
            address.sll_family = libc::AF_PACKET as u16;
            address.sll_ifindex = ifindex as i32;
            address.sll_halen = 6;
            ByHand { socket, address }
        })
    }

    /// Sends a frame as it is.
    pub fn send(&self, frame: &[u8]) {
        // SAFETY: a buffer and an address with their lengths.
        let sent = unsafe {
            libc::sendto(
                self.socket.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                0,
                (&raw const self.address).cast(),
                size_of::<libc::sockaddr_ll>() as u32,
            )
        };
        assert_eq!(sent, frame.len() as isize, "{}", io::Error::last_os_error());
    }

    /// Sends messages, each in a packet of its own, numbered from `first` on.
    pub fn send_all(&self, source: [u8; 4], session: [u8; 10], first: u64, messages: &[Vec<u8>]) {
        for (seq, message) in (first..).zip(messages) {
            self.send(&frame(source, &packet(session, seq, message)));
        }
    }

    /// Sends the first messages as the partition's own sender and waits until all are applied.
    pub fn begin(&self, region: &Region, messages: &[Vec<u8>]) {
        self.send_all(SENDER, SESSION, 1, messages);
        until_applied(region, messages.len());
        assert!(!live(region).is_empty(), "nothing is live: nothing is proven");
    }
}

pub fn counters(region: &Region) -> PartitionCounters {
    partition(region, PARTITION).counters
}

/// Waits until as many messages are applied.
pub fn until_applied(region: &Region, count: usize) {
    eventually("everything sent is applied", || {
        (counters(region).get(Counter::Applied) == count as u64).then_some(())
    });
}

/// The books of the partition that are live.
pub fn live(region: &Region) -> Vec<(Symbol, BookView)> {
    let all = region.symbols(PARTITION as u16);
    all.filter_map(|(handle, symbol)| Some((symbol, *region.read(handle).live()?))).collect()
}

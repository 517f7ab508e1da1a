//! The sender: the simulator's market in packets of one session, each message stamped as it leaves.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

use candor_bench::itch::{self, SESSION};
use candor_core::{SeqNo, SymbolIndex, WireTime};
use candor_decoders::nasdaq::moldudp64::{HEADER_LEN, Writer};
use candor_shm::clock;
use candor_sim::market::PartitionMarket;
use rustix::thread::nanosleep;
use rustix::time::Timespec;

use crate::Problem;
use crate::source::{GROUP, PORT};
use crate::veth::Veth;

/// Symbols of the market.
pub(crate) const SYMBOLS: usize = 100;

/// Where the stamp of a packet's only message is: behind header and length, where ITCH has its time.
const STAMP_AT: usize = HEADER_LEN + 2 + 5;

/// ITCH's time has six bytes: the stamp is the clock's low 48 bits, 78 hours.
const STAMP_MASK: u64 = (1 << 48) - 1;

/// Lets the thread sleep; for setting up, never for measuring.
pub(crate) fn pause(nanos: u32) {
    let _ = nanosleep(&Timespec { tv_sec: 0, tv_nsec: nanos.into() });
}

/// Nanoseconds from a stamp to now.
pub(crate) fn age(now: u64, stamp: u64) -> u64 {
    now.wrapping_sub(stamp) & STAMP_MASK
}

/// The number and the stamp of a packet of one message.
pub(crate) fn stamp_of(payload: &[u8]) -> Option<(SeqNo, u64)> {
    let seq = payload.get(10..18)?.first_chunk::<8>()?;
    let [a, b, c, d, e, f] = *payload.get(STAMP_AT..)?.first_chunk::<6>()?;
    Some((SeqNo(u64::from_be_bytes(*seq)), u64::from_be_bytes([0, 0, a, b, c, d, e, f])))
}

/// What was put into the packet that is sent next.
#[derive(Clone, Copy)]
pub(crate) struct Next {
    pub(crate) seq: SeqNo,
    /// The symbol whose published book this message changes; `None` when it may change none.
    pub(crate) changes: Option<SymbolIndex>,
}

/// A session, from its first message on.
pub(crate) struct Traffic {
    socket: UdpSocket,
    market: PartitionMarket,
    next: SeqNo,
    time: u64,
    buffer: [u8; itch::PAYLOAD],
    length: usize,
}

impl Traffic {
    /// A new session, nothing sent yet.
    pub(crate) fn new(veth: &Veth) -> Result<Traffic, Problem> {
        let socket = veth.in_sending(|| {
            let socket =
                UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(Problem::of("socket"))?;
            let group = SocketAddrV4::new(Ipv4Addr::from(GROUP), PORT);
            socket.set_multicast_loop_v4(false).map_err(Problem::of("socket"))?;
            socket.connect(group).map_err(Problem::of("the sender's route"))?;
            Ok(socket)
        })?;
        let market = itch::market(SYMBOLS);
        let (next, time) = (SeqNo::FIRST, 34_200_000_000_000);
        Ok(Traffic { socket, market, next, time, buffer: [0; itch::PAYLOAD], length: 0 })
    }

    /// Whether the books are still being opened.
    pub(crate) fn is_opening(&self) -> bool {
        self.market.is_opening()
    }

    /// The last number given to a message.
    pub(crate) fn last(&self) -> u64 {
        self.next.0 - 1
    }

    /// Fills the next packet with `count` messages.
    pub(crate) fn fill(&mut self, count: u32) -> Result<Next, Problem> {
        let full = |_| Problem::Other("a packet is too short for its messages".into());
        let mut packet = Writer::new(&mut self.buffer, SESSION, self.next)
            .ok_or_else(|| Problem::Other("a packet is too short".into()))?;
        let mut next = Next { seq: self.next, changes: None };
        for _ in 0..count {
            self.time += 1_000;
            let Some(step) = self.market.next(WireTime(self.time)) else { break };
            let bytes = step.message.bytes();
            let changes = matches!(
                bytes.first(),
                Some(b'A' | b'F' | b'E' | b'C' | b'X' | b'D' | b'U' | b'P')
            );
            next.changes = step.touched.filter(|_| changes);
            next.seq = self.next;
            packet.push(bytes).map_err(full)?;
            self.next = self.next.next();
        }
        self.length = packet.finish().len();
        Ok(next)
    }

    /// The packet that was filled, for a copy.
    pub(crate) fn packet(&self) -> &[u8] {
        &self.buffer[..self.length]
    }

    /// Stamps the packet's only message with the time and sends it; the stamp.
    pub(crate) fn send(&mut self) -> Result<u64, Problem> {
        let stamp = clock::now().0 & STAMP_MASK;
        self.buffer[STAMP_AT..STAMP_AT + 6].copy_from_slice(&stamp.to_be_bytes()[2..]);
        self.send_copy(self.packet())?;
        Ok(stamp)
    }

    /// Sends a packet as it is: one copied before, or the last once more, to the byte. Other bytes
    /// under a number would be another numbering to the handler, and rightly so.
    pub(crate) fn send_copy(&self, packet: &[u8]) -> Result<(), Problem> {
        self.socket.send(packet).map_err(Problem::of("send")).map(|_| ())
    }
}

//! The client of a partition's retransmit service.
//!
//! Over UDP ([`Transport::Udp`]) every ask is a datagram, and several are under way at once. Over TCP
//! ([`Transport::Tcp`], IEX only) every ask is a connection, one at a time; further ones wait.
//!
//! | ask | under way until | then |
//! | --- | --- | --- |
//! | waits for the connection of another, or for its own | it expires, be it as the connection comes | forgotten |
//! | sent, nothing heard | the time an answer may take, or it expires | the address rests; `Refused(timed_out)`, or forgotten where it has expired |
//! | sent, a part heard | the time an answer may take, from the last part on | `Refused(timed_out)` for the rest |
//! | sent, some of it asked for anew | at once (UDP) | forgotten; the new one stands for it |
//! | the same | what it was (TCP) | stands for the new one where its rest holds it |
//! | sent, answered | one datagram (MoldUDP64), all numbers (IEX) | done |
//!
//! An ask that has expired is forgotten without a word, because whoever asked has counted it as lost
//! by then and may have asked anew. An answer to one of the last [`limits::RETRANSMITS_REMEMBERED`] asks that comes late is
//! passed on: it is welcome. Everything else that nobody asked for is discarded and counted.

mod tcp;
mod udp;
mod wire;

#[cfg(doc)]
use candor_core::limits;
use candor_core::{Ask, Mono, Nanos, Refusal, Refused};
use candor_decoders::Format;

use crate::Io;
use crate::addresses::Addresses;
use crate::counts::Counts;
use tcp::Tcp;
use udp::Udp;
use wire::Wire;

/// How the service is spoken to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// A datagram a request, datagrams in answer.
    Udp,
    /// A connection a request; the answer comes over it.
    Tcp,
}

/// What a client has to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// How the service is spoken to.
    pub transport: Transport,
    /// How many addresses it has.
    pub addresses: usize,
    /// The channel IEX is asked for, and the only one whose answers are taken.
    pub channel: u32,
    /// The longest a connection may take to be made.
    pub connect: Nanos,
    /// The longest the service may take to answer, and to go on answering.
    pub answer: Nanos,
    /// How long an address rests after its first failure.
    pub rest: Nanos,
    /// How long it rests at most.
    pub rest_max: Nanos,
}

impl Config {
    /// What suits a service of so many addresses.
    #[must_use]
    pub const fn of(transport: Transport, addresses: usize) -> Config {
        Config {
            transport,
            addresses,
            channel: 1,
            connect: Nanos::from_secs(1),
            answer: match transport {
                Transport::Udp => Nanos::from_millis(200),
                Transport::Tcp => Nanos::from_secs(2),
            },
            rest: Nanos::from_millis(250),
            rest_max: Nanos::from_secs(10),
        }
    }
}

/// What came of asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply<'a> {
    /// Messages again, in the partition's own framing: the payload of a datagram, or a segment. Its
    /// framing is sound, its session that of an ask, and it holds numbers that were asked for.
    Payload(&'a [u8]),
    /// Numbers that will not come.
    Refused(Refused),
}

/// A format that can't be asked for again over this transport.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unsupported {
    /// The format.
    pub format: Format,
    /// The transport.
    pub transport: Transport,
}

impl core::fmt::Display for Unsupported {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let transport = match self.transport {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        };
        write!(f, "{} has no retransmit service over {transport}", self.format.name())
    }
}

impl core::error::Error for Unsupported {}

/// The client of one partition's retransmit service, whatever it speaks.
#[derive(Debug)]
pub struct Client(Way);

#[derive(Debug)]
enum Way {
    Udp(Box<Udp>),
    Tcp(Box<Tcp>),
}

impl Client {
    /// A client for a partition of this format. Allocates everything it will ever need, 64 KB.
    ///
    /// # Errors
    /// Nasdaq sends nothing again over TCP.
    ///
    /// # Panics
    /// Where the configuration has no address, more than [`ADDRESSES`](crate::addresses::ADDRESSES), or
    /// a time that is zero.
    pub fn new(format: Format, config: Config) -> Result<Client, Unsupported> {
        for wait in [config.connect, config.answer] {
            assert!(wait > Nanos::ZERO, "every wait takes time");
        }
        let addresses = Addresses::new(config.addresses, config.rest, config.rest_max);
        let wire = Wire { format, transport: config.transport, channel: config.channel };
        Ok(Client(match (format, config.transport) {
            (_, Transport::Udp) => Way::Udp(Box::new(Udp::new(wire, addresses, config.answer))),
            (Format::IexDeep | Format::IexTops, Transport::Tcp) => {
                Way::Tcp(Box::new(Tcp::new(wire, addresses, config.connect, config.answer)))
            }
            (Format::NasdaqItch50, Transport::Tcp) => {
                return Err(Unsupported { format, transport: config.transport });
            }
        }))
    }

    /// Ask for numbers again. Of a range that is longer than what the venue answers in one go, the
    /// front is asked for.
    pub fn ask(&mut self, now: Mono, ask: Ask) {
        match &mut self.0 {
            Way::Udp(udp) => udp.ask(now, ask),
            Way::Tcp(tcp) => tcp.ask(now, ask),
        }
    }

    /// A datagram from the address of this index. One from elsewhere has an index that is none.
    pub fn on_datagram(&mut self, now: Mono, from: usize, bytes: &[u8]) {
        match &mut self.0 {
            Way::Udp(udp) => udp.on_datagram(now, from, bytes),
            Way::Tcp(tcp) => tcp.stray(),
        }
    }

    /// The host at this address says that nobody listens there.
    pub fn on_unreachable(&mut self, now: Mono, address: usize) {
        match &mut self.0 {
            Way::Udp(udp) => udp.on_unreachable(now, address),
            Way::Tcp(tcp) => tcp.stray(),
        }
    }

    /// The connection that was to be made is there.
    pub fn on_connected(&mut self, now: Mono) {
        match &mut self.0 {
            Way::Udp(udp) => udp.stray(),
            Way::Tcp(tcp) => tcp.on_connected(now),
        }
    }

    /// Bytes of the connection. Says how many were taken, at least one: the rest is given again once
    /// every result is fetched.
    #[must_use = "the rest has to be given again"]
    pub fn on_bytes(&mut self, now: Mono, bytes: &[u8]) -> usize {
        match &mut self.0 {
            Way::Udp(udp) => {
                udp.stray();
                bytes.len()
            }
            Way::Tcp(tcp) => tcp.on_bytes(now, bytes),
        }
    }

    /// The connection was closed by the service, or could not be made.
    pub fn on_closed(&mut self, now: Mono) {
        match &mut self.0 {
            Way::Udp(udp) => udp.stray(),
            Way::Tcp(tcp) => tcp.on_closed(now),
        }
    }

    /// The next moment at which [`Client::on_deadline`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        match &self.0 {
            Way::Udp(udp) => udp.deadline(),
            Way::Tcp(tcp) => tcp.deadline(),
        }
    }

    /// Time has passed.
    pub fn on_deadline(&mut self, now: Mono) {
        match &mut self.0 {
            Way::Udp(udp) => udp.on_deadline(now),
            Way::Tcp(tcp) => tcp.on_deadline(now),
        }
    }

    /// The next thing to do with sockets.
    pub fn next_io(&mut self) -> Option<Io<'_>> {
        match &mut self.0 {
            Way::Udp(udp) => udp.next_io(),
            Way::Tcp(tcp) => tcp.next_io(),
        }
    }

    /// The next thing that came of asks.
    pub fn next_result(&mut self) -> Option<Reply<'_>> {
        match &mut self.0 {
            Way::Udp(udp) => udp.next_result(),
            Way::Tcp(tcp) => tcp.next_result(),
        }
    }

    /// How many requests have left since this was asked last.
    pub fn take_left(&mut self) -> usize {
        match &mut self.0 {
            Way::Udp(udp) => udp.take_left(),
            Way::Tcp(tcp) => tcp.take_left(),
        }
    }

    /// How many asks have not left and still may: they wait for a connection. Over UDP none does, once
    /// what is to be done was fetched.
    #[must_use]
    pub fn unsent(&self) -> usize {
        match &self.0 {
            Way::Udp(_) => 0,
            Way::Tcp(tcp) => tcp.unsent(),
        }
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        match &self.0 {
            Way::Udp(udp) => udp.counts(),
            Way::Tcp(tcp) => tcp.counts(),
        }
    }

    /// Panics where what must always hold does not.
    pub fn check(&self) {
        match &self.0 {
            Way::Udp(udp) => udp.check(),
            Way::Tcp(tcp) => tcp.check(),
        }
    }
}

/// Whether two asks are for some of the same numbers.
fn overlap(ask: &Ask, other: &Ask) -> bool {
    ask.session == other.session && !ask.range.intersect(other.range).is_empty()
}

/// What is said of an ask whose numbers will not come.
fn refused(ask: &Ask, why: Refusal) -> Refused {
    Refused { session: ask.session, range: ask.range, why }
}

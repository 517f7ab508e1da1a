//! The client's half of the venues' retransmit and snapshot services, without sockets.
//!
//! Three kinds of machines, each pure: bytes and events go in with the time, what is to be done and
//! what came of it is fetched until there is nothing left. The same events at the same times give the
//! same requests. A shell with real sockets and a simulator with virtual ones hold them alike.
//!
//! - [`retransmit::Client`], one for each partition's retransmit service: MoldUDP64 requests and IEX
//!   gap-fill requests, over UDP or TCP. Takes [`Ask`](candor_core::Ask)s, gives back payloads in the
//!   partition's own framing.
//! - [`snapshot::Client`], one for each partition's snapshot service: GLIMPSE over SoupBinTCP, and
//!   IEX SNAP. Takes [`SnapshotAsk`](candor_core::SnapshotAsk)s, gives back the parts of a snapshot.
//! - [`desk::Desk`] and [`desk::SnapshotDesk`], one of each for a venue: which ask of which partition
//!   goes next, and when the venue's quota allows it.
//!
//! [`agent::Agent`] puts those of a venue together.
//!
//! They know nothing of books, gaps or sessions but what an ask says. Nothing they pass on is proof of
//! anything: whether an answer fits is judged by whoever asked.
//!
//! # The contract of every machine
//!
//! Time never goes back. After every call, `next_io` and `next_result` are called until both say
//! `None`; then `deadline` says when `on_deadline` has to be called at the latest. Called earlier it
//! does nothing. Every wait has such a deadline of its own, and none depends on the venue. A machine
//! that is called while it still has something to say panics: the shell is broken.
//!
//! One ask leads to at most one request on the wire. What failed is said, and it is for whoever asked
//! to ask again, through the desk, so that the budget holds whatever fails. Addresses are turned to in
//! order, and the one that works is kept; one that fails rests, longer every time.
//!
//! A service has [`addresses::ADDRESSES`] addresses at most, and the shell knows them by their index. It
//! reports no event of a connection any more once it was told to close it, or has reported it closed.
//!
//! Nothing is allocated after `new`. Foreign bytes never panic: they are ignored or end the request,
//! and are counted ([`Counts`]).
//!
//! ```
//! use candor_core::{Ask, Mono, Nanos, SeqNo, SeqRange, SessionId};
//! use candor_decoders::Format;
//! use candor_decoders::nasdaq::moldudp64::{Request, Writer};
//! use candor_services::Io;
//! use candor_services::retransmit::{Client, Config, Reply, Transport};
//!
//! let config = Config::of(Transport::Udp, 2);
//! let mut client = Client::new(Format::NasdaqItch50, config).unwrap();
//! let now = Mono(1);
//! client.ask(now, Ask {
//!     session: SessionId::from_text(*b"20260727A "),
//!     range: SeqRange::between(SeqNo(7), SeqNo(9)),
//!     attempt: 0,
//!     with_known: false,
//!     opened: now,
//!     expires: now + Nanos::from_millis(50),
//! });
//! let Some(Io::SendTo { address: 0, bytes }) = client.next_io() else { panic!() };
//! assert_eq!(Request::parse(bytes).unwrap().first, SeqNo(7));
//!
//! let mut buffer = [0; 100];
//! let mut packet = Writer::new(&mut buffer, *b"20260727A ", SeqNo(7)).unwrap();
//! packet.push(b"seven").unwrap();
//! let payload = packet.finish();
//! client.on_datagram(now, 0, payload);
//! assert_eq!(client.next_result(), Some(Reply::Payload(payload)));
//! ```
#![forbid(unsafe_code)]

pub mod addresses;
pub mod agent;
mod budget;
pub mod counts;
pub mod credentials;
pub mod desk;
mod inbox;
mod link;
pub mod retransmit;
pub mod snapshot;

pub use budget::Budget;
pub use counts::{Count, Counts};
pub use credentials::{Credentials, CredentialsError};
pub use desk::{Decision, Desk, SnapshotDesk};

/// Something a client wants done with sockets. A client has one connection at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Io<'a> {
    /// Connect to this address. The answer is `on_connected` or `on_closed`.
    Connect {
        /// The address's index.
        address: usize,
    },
    /// Send this over the connection, whole. A connection that can't take it is closed.
    Send(&'a [u8]),
    /// Send this datagram.
    SendTo {
        /// The address's index.
        address: usize,
        /// The datagram's payload.
        bytes: &'a [u8],
    },
    /// Close the connection, or give up connecting. Has no answer.
    Close,
}

//! Wire formats: what bytes of an exchange mean, and how the same bytes are made.
//!
//! Three steps, each a plain function over borrowed bytes. [`net::udp`] finds the datagram in an
//! Ethernet frame. [`Format::frame`] understands its framing whole or refuses it whole: session,
//! numbers, messages. [`Format::decode`] says what one message means in the words of
//! [`candor_core`].
//!
//! This crate keeps no state, allocates nothing, opens nothing and knows no time. It never panics on
//! bytes from outside: a refusal is a [`Reject`](candor_core::Reject). Messages of an unknown type
//! are values ([`Event::Unknown`]), and known messages may be longer than their layout, because both
//! is how exchanges extend a format.
//!
//! One file per wire format, with the specification and its version on top. Layouts are structs of
//! alignment 1 whose offsets are asserted at compile time beside the field, so that reading after
//! the one length check can't fail. The same structs are the encoders: fill one in and take its
//! bytes ([`zerocopy::IntoBytes`]), then pack messages with [`nasdaq::moldudp64::Writer`] or
//! [`iex::tp::Writer`].
//!
//! ```
//! use candor_decoders::nasdaq::itch50::{AddOrder, Prefix};
//! use candor_decoders::nasdaq::moldudp64::Writer;
//! use candor_decoders::{Format, IntoBytes, alpha};
//! use candor_core::{Event, SeqNo, WireTime};
//!
//! let order = AddOrder {
//!     prefix: Prefix::of::<AddOrder>(7, WireTime(34_200_000_000_000)),
//!     order: 42.into(),
//!     side: b'B',
//!     shares: 100.into(),
//!     stock: alpha("AAPL").unwrap(),
//!     price: 1_850_000.into(),
//! };
//! let mut buffer = [0; 1400];
//! let mut packet = Writer::new(&mut buffer, *b"20260727A ", SeqNo(1)).unwrap();
//! packet.push(order.as_bytes()).unwrap();
//!
//! let format = Format::NasdaqItch50;
//! let packet = format.frame(packet.finish()).unwrap();
//! for message in packet.messages {
//!     assert!(matches!(format.decode(message).unwrap().event, Event::Add { order: 42, .. }));
//! }
//! ```
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod format;
pub mod iex;
pub mod nasdaq;
pub mod net;
pub mod stream;
pub mod view;

pub use format::{BookShape, Format};
pub use view::{View, alpha};
pub use zerocopy::IntoBytes;

use candor_core::{Event, InstrumentKey, Message, WireTime};

/// A message of a type its format does not list.
const fn unknown(kind: u8) -> Message {
    Message { key: InstrumentKey::NONE, time: WireTime(0), kind, event: Event::Unknown }
}

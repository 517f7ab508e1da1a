//! Candor's vocabulary: the words every other crate is written in.
//!
//! This crate does nothing. It opens no socket, reads no clock, allocates nothing and depends on
//! nothing; it says what a time, a sequence number, a price, a symbol, a status and an event *are*,
//! so that two crates can't mean different things by one word.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, canary))]
extern crate std;

pub mod alert;
#[cfg(canary)]
pub mod canary;
pub mod counters;
pub mod event;
pub mod limits;
pub mod loss;
pub mod packet;
pub mod price;
pub mod recovery;
pub mod reject;
pub mod seq;
pub mod status;
pub mod symbol;
pub mod time;
pub mod view;

/// Whether a canary (a known-wrong variant, by the name it has in the module `canary`) is in force: in builds
/// with `--cfg canary` the answer of a switch, in every other build the word `false`.
#[cfg(canary)]
#[macro_export]
macro_rules! canary {
    ($name:ident) => {
        $crate::canary::is($crate::canary::Canary::$name)
    };
}

/// Whether a canary is in force: never, outside builds with `--cfg canary`.
#[cfg(not(canary))]
#[macro_export]
macro_rules! canary {
    ($name:ident) => {
        false
    };
}

pub use event::{Event, InstrumentKey, Message, Side, SystemEvent, TradingState};
pub use loss::{Loss, LossKind};
pub use packet::{ByteOrder, Content, Line, Messages, Packet, SessionId};
pub use price::{Decimals, Price};
pub use recovery::{Action, Answer, Ask, Origin, Refusal, Refused, SnapshotAsk, SnapshotPart};
pub use reject::Reject;
pub use seq::{SeqNo, SeqRange};
pub use status::{Proof, Reason, Status, promote};
pub use symbol::{Symbol, SymbolIndex, TradingDate, Venue};
pub use time::{Mono, Nanos, NicTime, WireTime};
pub use view::{BookView, Changed, Level, Quotes, Stats, Trade};

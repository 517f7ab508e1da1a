//! DEEP 1.0 (specification 1.08): aggregated price levels, and IEX's common messages
//! ([`super::admin`]).
//!
//! A price level update gives the level's new total size. Its event flag says whether the venue's
//! transaction is complete: until it is, the book is between two consistent states.

use candor_core::{Event, Message, Price, Reject, Side};
use zerocopy::byteorder::little_endian::{I64, U32};

use super::{admin, named, time};
use crate::view::{View, views};

/// Type of a price level update on the buy side.
pub const BUY: u8 = b'8';

/// Type of a price level update on the sell side.
pub const SELL: u8 = b'5';

/// Bit of [`PriceLevel::event_flags`]: the transaction is complete.
pub const EVENT_COMPLETE: u8 = 0x01;

views! {
    /// A price level has a new total size.
    PriceLevel: b'8' | b'5', 30 {
        /// [`BUY`] or [`SELL`].
        kind: u8 = 0,
        /// [`EVENT_COMPLETE`] or not.
        event_flags: u8 = 1,
        /// When.
        time: I64 = 2,
        /// The symbol, space padded.
        symbol: [u8; 8] = 10,
        /// Total displayed size; 0 removes the level.
        size: U32 = 18,
        /// The level's price.
        price: I64 = 22,
    }
    /// An opening or closing process of the symbol is complete.
    SecurityEvent: b'E', 18 {
        /// Always `E`.
        kind: u8 = 0,
        /// `O` opening complete, `C` closing complete.
        event: u8 = 1,
        /// When.
        time: I64 = 2,
        /// The symbol, space padded.
        symbol: [u8; 8] = 10,
    }
}

/// Normalises a message. A type the specification does not list is [`Event::Unknown`]; an empty
/// message too, of kind 0.
///
/// # Errors
/// [`Reject::ShortMessage`], and [`Reject::BadField`] for a time before the epoch, a symbol of zero
/// bytes, or a directory entry whose symbol is not text.
#[inline]
pub fn decode(message: &[u8]) -> Result<Message, Reject> {
    match message.first() {
        Some(&(BUY | SELL)) => level(View::view(message)?),
        Some(b'E') => security(View::view(message)?),
        Some(kind) => admin::decode(*kind, message),
        None => Ok(crate::unknown(0)),
    }
}

/// The length in bytes of the layout of this type; `None` for a type the specification does not list.
#[must_use]
pub const fn message_len(kind: u8) -> Option<usize> {
    match layout_len(kind) {
        Some(len) => Some(len),
        None => admin::layout_len(kind),
    }
}

#[inline]
fn level(view: &PriceLevel) -> Result<Message, Reject> {
    let event = Event::SetLevel {
        side: if view.kind == BUY { Side::Bid } else { Side::Ask },
        price: Price(view.price.get()),
        size: view.size.get(),
        complete: view.event_flags & EVENT_COMPLETE != 0,
    };
    Ok(Message { key: named(view.symbol)?, time: time(view.time)?, kind: view.kind, event })
}

fn security(view: &SecurityEvent) -> Result<Message, Reject> {
    let event = Event::Notice;
    Ok(Message { key: named(view.symbol)?, time: time(view.time)?, kind: view.kind, event })
}

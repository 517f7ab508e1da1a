//! TOPS 1.6 (specification 1.66): IEX's best bid and offer, and its common messages
//! ([`super::admin`]).

use candor_core::{Event, Message, Price, Reject};
use zerocopy::byteorder::little_endian::{I64, U32};

use super::{admin, named, time};
use crate::view::{View, views};

views! {
    /// The best bid and offer are now these; a size of 0 means there is none.
    QuoteUpdate: b'Q', 42 {
        /// Always `Q`.
        kind: u8 = 0,
        /// 0x80 not available for trading, 0x40 outside regular hours.
        flags: u8 = 1,
        /// When.
        time: I64 = 2,
        /// The symbol, space padded.
        symbol: [u8; 8] = 10,
        /// Size of the best bid.
        bid_size: U32 = 18,
        /// Price of the best bid.
        bid_price: I64 = 22,
        /// Price of the best offer.
        ask_price: I64 = 30,
        /// Size of the best offer.
        ask_size: U32 = 38,
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
        Some(b'Q') => quote(View::view(message)?),
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
fn quote(view: &QuoteUpdate) -> Result<Message, Reject> {
    let event = Event::Quote {
        bid_price: Price(view.bid_price.get()),
        bid_size: view.bid_size.get(),
        ask_price: Price(view.ask_price.get()),
        ask_size: view.ask_size.get(),
    };
    Ok(Message { key: named(view.symbol)?, time: time(view.time)?, kind: view.kind, event })
}

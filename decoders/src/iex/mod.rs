//! IEX: DEEP 1.0 (price levels) and TOPS 1.6 (best bid and offer) over IEX-TP, the gap-fill request,
//! and SNAP, which sends snapshots.
//!
//! IEX splits nothing: one stream a feed carries every symbol, and every message spells its symbol.
//! The instrument's key is those eight bytes as they are, spaces included, read as a little-endian
//! number: [`key`] and [`symbol`] are each other's inverse.

pub mod admin;
pub mod deep;
pub mod gapfill;
pub mod snap;
pub mod tops;
pub mod tp;

use candor_core::{InstrumentKey, Reject, Symbol, WireTime};
use zerocopy::byteorder::little_endian::I64;

/// The key of an instrument with this symbol field.
#[inline]
#[must_use]
pub const fn key(field: [u8; 8]) -> InstrumentKey {
    InstrumentKey(u64::from_le_bytes(field))
}

/// The symbol a key stands for; `None` where its bytes are not a symbol.
#[must_use]
pub const fn symbol(key: InstrumentKey) -> Option<Symbol> {
    Symbol::from_wire(&key.0.to_le_bytes())
}

/// The key of a symbol, `None` for one longer than the wire's eight bytes.
#[must_use]
pub const fn key_of(symbol: &Symbol) -> Option<InstrumentKey> {
    let bytes = symbol.bytes();
    let mut field = [b' '; 8];
    let mut at = 0;
    while at < bytes.len() && bytes[at] != 0 {
        if at == field.len() {
            return None;
        }
        field[at] = bytes[at];
        at += 1;
    }
    Some(key(field))
}

/// The key of a message that must be about an instrument.
#[inline]
fn named(field: [u8; 8]) -> Result<InstrumentKey, Reject> {
    match key(field) {
        InstrumentKey::NONE => Err(Reject::BadField),
        key => Ok(key),
    }
}

/// Nanoseconds since the Unix epoch, which the wire gives as a signed number.
#[inline]
fn time(field: I64) -> Result<WireTime, Reject> {
    u64::try_from(field.get()).map(WireTime).map_err(|_| Reject::BadField)
}

//! The formats by name, and what a caller has to know of each.

use candor_core::{Decimals, InstrumentKey, Message, Nanos, Packet, Reject, Symbol};

use crate::iex::{self, deep, tops, tp};
use crate::nasdaq::{itch50, moldudp64};

/// What a format lets one know of a book.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BookShape {
    /// Every order.
    ByOrder,
    /// Total size at every price.
    ByLevel,
    /// Best bid and offer only.
    Quotes,
}

/// A framing together with the messages it carries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Format {
    /// IEX DEEP 1.0 over IEX-TP.
    IexDeep,
    /// IEX TOPS 1.6 over IEX-TP.
    IexTops,
    /// Nasdaq TotalView-ITCH 5.0 over MoldUDP64.
    NasdaqItch50,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 3] = [Format::IexDeep, Format::IexTops, Format::NasdaqItch50];

    /// The format of this name, as configurations spell it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The format's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Format::IexDeep => "iex-deep",
            Format::IexTops => "iex-tops",
            Format::NasdaqItch50 => "nasdaq-itch50",
        }
    }

    /// Decimal places of its prices.
    #[must_use]
    pub const fn decimals(self) -> Decimals {
        match self {
            Format::IexDeep | Format::IexTops | Format::NasdaqItch50 => Decimals(4),
        }
    }

    /// What it lets one know of a book.
    #[must_use]
    pub const fn book(self) -> BookShape {
        match self {
            Format::IexDeep => BookShape::ByLevel,
            Format::IexTops => BookShape::Quotes,
            Format::NasdaqItch50 => BookShape::ByOrder,
        }
    }

    /// How long the venue lets a partition be quiet before it sends a heartbeat.
    #[must_use]
    pub const fn heartbeat_interval(self) -> Nanos {
        match self {
            Format::IexDeep | Format::IexTops | Format::NasdaqItch50 => Nanos::from_secs(1),
        }
    }

    /// The time zone the venue's trading dates are counted in, by its name in the tz database.
    #[must_use]
    pub const fn zone(self) -> &'static str {
        match self {
            Format::IexDeep | Format::IexTops | Format::NasdaqItch50 => "America/New_York",
        }
    }

    /// Understands a datagram's payload whole: the packet has exactly as many messages as numbers,
    /// and every byte belongs to one. Which refusals there are, the framing's own file says:
    /// [`tp::frame`], [`moldudp64::frame`].
    ///
    /// # Errors
    /// Why the payload was refused.
    #[inline]
    pub fn frame(self, payload: &[u8]) -> Result<Packet<'_>, Reject> {
        match self {
            Format::IexDeep => tp::frame(tp::DEEP_1_0, payload),
            Format::IexTops => tp::frame(tp::TOPS_1_6, payload),
            Format::NasdaqItch50 => moldudp64::frame(payload),
        }
    }

    /// What one message means. Unknown types and empty messages are
    /// [`Event::Unknown`](candor_core::Event::Unknown); a known message may be longer than its layout
    /// ([`Format::layout_len`]) and is read by its layout. An event about an instrument always has a
    /// key other than [`InstrumentKey::NONE`].
    ///
    /// # Errors
    /// [`Reject::ShortMessage`] and [`Reject::BadField`].
    #[inline]
    pub fn decode(self, message: &[u8]) -> Result<Message, Reject> {
        match self {
            Format::IexDeep => deep::decode(message),
            Format::IexTops => tops::decode(message),
            Format::NasdaqItch50 => itch50::decode(message),
        }
    }

    /// The length in bytes of the layout of this message type; `None` for an unknown type.
    #[inline]
    #[must_use]
    pub const fn layout_len(self, kind: u8) -> Option<usize> {
        match self {
            Format::IexDeep => deep::message_len(kind),
            Format::IexTops => tops::message_len(kind),
            Format::NasdaqItch50 => itch50::layout_len(kind),
        }
    }

    /// Whether every message spells its symbol, so that a key alone gives the symbol
    /// ([`Format::symbol_of`]) and no definition has to come first.
    #[must_use]
    pub const fn names_instrument_by_symbol(self) -> bool {
        match self {
            Format::IexDeep | Format::IexTops => true,
            Format::NasdaqItch50 => false,
        }
    }

    /// The symbol this key spells. `None` for a format whose keys spell nothing, and for a key
    /// whose bytes are not a symbol.
    #[must_use]
    pub const fn symbol_of(self, key: InstrumentKey) -> Option<Symbol> {
        if self.names_instrument_by_symbol() { iex::symbol(key) } else { None }
    }

    /// The symbol a message spells, in its key ([`Format::symbol_of`]) or beside it: most messages of
    /// ITCH that bring something new repeat the symbol. `bytes` are what `message` was decoded from.
    /// `None` for a message that names its instrument by a number alone.
    #[must_use]
    pub fn symbol_in(self, message: &Message, bytes: &[u8]) -> Option<Symbol> {
        match self {
            Format::IexDeep | Format::IexTops => self.symbol_of(message.key),
            Format::NasdaqItch50 => itch50::symbol_in(bytes),
        }
    }

    /// The key that spells this symbol: the inverse of [`Format::symbol_of`].
    #[must_use]
    pub const fn key_of(self, symbol: &Symbol) -> Option<InstrumentKey> {
        if self.names_instrument_by_symbol() { iex::key_of(symbol) } else { None }
    }
}

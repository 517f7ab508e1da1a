//! What a message means once it is normalised: one vocabulary for every venue.

use crate::{Price, Symbol, WireTime};

/// How a format's messages name an instrument, packed into eight bytes: an ITCH stock locate, IEX's
/// eight symbol bytes, a CME security id. Unique within a partition and session; 0 is "none".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct InstrumentKey(pub u64);

impl InstrumentKey {
    /// The message is about no single instrument.
    pub const NONE: InstrumentKey = InstrumentKey(0);
}

/// One side of a book.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
#[repr(u8)]
pub enum Side {
    /// Buyers.
    Bid = 0,
    /// Sellers.
    Ask = 1,
}

impl Side {
    /// `bid` or `ask`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Side::Bid => "bid",
            Side::Ask => "ask",
        }
    }
}

/// Whether the venue lets an instrument trade. Another axis than status: a halted symbol may be Live.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
#[repr(u8)]
pub enum TradingState {
    /// The venue has not said.
    #[default]
    Unknown = 0,
    /// Continuous trading.
    Trading = 1,
    /// Halted; no quoting, no trading.
    Halted = 2,
    /// Paused, by volatility rules of the market.
    Paused = 3,
    /// Quoting or order acceptance without trading.
    QuoteOnly = 4,
    /// Halted by this venue alone, for operational reasons.
    OperationalHalt = 5,
    /// The session is closed for it.
    Closed = 6,
}

impl TradingState {
    /// Every state, in order of its number.
    pub const ALL: [TradingState; 7] = [
        TradingState::Unknown,
        TradingState::Trading,
        TradingState::Halted,
        TradingState::Paused,
        TradingState::QuoteOnly,
        TradingState::OperationalHalt,
        TradingState::Closed,
    ];

    /// The state's name in output.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            TradingState::Unknown => "unknown",
            TradingState::Trading => "trading",
            TradingState::Halted => "halted",
            TradingState::Paused => "paused",
            TradingState::QuoteOnly => "quote-only",
            TradingState::OperationalHalt => "operational-halt",
            TradingState::Closed => "closed",
        }
    }

    /// The state with this number; [`TradingState::Unknown`] for any that isn't one.
    #[must_use]
    pub const fn from_code(code: u8) -> TradingState {
        if (code as usize) < TradingState::ALL.len() {
            TradingState::ALL[code as usize]
        } else {
            TradingState::Unknown
        }
    }
}

/// Where the venue is in its day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
#[repr(u8)]
pub enum SystemEvent {
    /// First message of the day.
    StartOfMessages = 1,
    /// The system accepts orders.
    StartOfSystemHours = 2,
    /// Regular trading begins.
    StartOfMarketHours = 3,
    /// Regular trading ends.
    EndOfMarketHours = 4,
    /// The system accepts no more orders.
    EndOfSystemHours = 5,
    /// Last message of the day.
    EndOfMessages = 6,
    /// A code the specification does not name.
    Unknown = 255,
}

/// One message, normalised.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message {
    /// The instrument, as the format names it.
    pub key: InstrumentKey,
    /// When the venue says it happened.
    pub time: WireTime,
    /// The message type as on the wire, for counts and displays.
    pub kind: u8,
    /// What happened.
    pub event: Event,
}

// Handed on by the million: one cache line.
const _: () = assert!(size_of::<Message>() == 64);

/// What happened. Sizes are in the venue's unit (shares, contracts).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// An order rests on the book.
    Add {
        /// The order's id, unique within partition and session.
        order: u64,
        /// Its side.
        side: Side,
        /// Its price.
        price: Price,
        /// Its size.
        size: u32,
    },
    /// A resting order traded, wholly or in part.
    Execute {
        /// The resting order.
        order: u64,
        /// The size traded.
        size: u32,
        /// The trade.
        trade: u64,
        /// The price, where it is not the order's own.
        price: Option<Price>,
        /// Whether it counts in volume and last price (ITCH `printable`).
        printable: bool,
    },
    /// A resting order lost part of its size.
    Reduce {
        /// The resting order.
        order: u64,
        /// The size taken off.
        size: u32,
    },
    /// A resting order left the book.
    Delete {
        /// The order.
        order: u64,
    },
    /// A resting order was replaced by another on the same side; its place in the queue is lost.
    Replace {
        /// The order that leaves.
        order: u64,
        /// The order that comes.
        new_order: u64,
        /// The new price.
        price: Price,
        /// The new size.
        size: u32,
    },
    /// A price level now has this total size; zero removes it.
    SetLevel {
        /// The side.
        side: Side,
        /// The level's price.
        price: Price,
        /// Its total size.
        size: u32,
        /// Whether the venue's transaction ends here, so that the book is consistent.
        complete: bool,
    },
    /// The venue's best bid and offer; a size of zero means none.
    Quote {
        /// Best bid price.
        bid_price: Price,
        /// Size at the best bid.
        bid_size: u32,
        /// Best offer price.
        ask_price: Price,
        /// Size at the best offer.
        ask_size: u32,
    },
    /// A trade that changes no book by itself.
    Trade {
        /// The price.
        price: Price,
        /// The size.
        size: u64,
        /// The trade's id.
        trade: u64,
        /// Whether it may set last, high and low.
        sets_last: bool,
        /// Whether it counts in volume.
        counts: bool,
    },
    /// A trade was broken. Where the message repeats price and size they are given.
    TradeBreak {
        /// The trade's id.
        trade: u64,
    },
    /// The venue names an instrument.
    Definition {
        /// Its symbol.
        symbol: Symbol,
        /// Its round lot, in the venue's unit; 0 where not given.
        round_lot: u32,
        /// A test instrument: traded by nobody.
        test: bool,
    },
    /// The trading state changed.
    Trading {
        /// The state.
        state: TradingState,
        /// The venue's reason code, space padded.
        reason: [u8; 4],
    },
    /// The venue alone halts or resumes an instrument, beside its trading state.
    OperationalHalt {
        /// Whether it is halted.
        halted: bool,
    },
    /// The venue moved on in its day.
    System(SystemEvent),
    /// An auction's or a cross's state.
    Auction {
        /// The venue's auction type letter.
        auction: u8,
        /// Size paired.
        paired: u64,
        /// Size of the imbalance.
        imbalance: u64,
        /// Side of the imbalance, `None` when there is none.
        side: Option<Side>,
        /// Reference price.
        reference: Price,
        /// Indicative clearing price (ITCH: near price).
        indicative: Price,
    },
    /// An official price.
    OfficialPrice {
        /// The venue's letter (IEX: `Q` opening, `M` closing).
        price_type: u8,
        /// The price.
        price: Price,
    },
    /// Price limits of an instrument.
    Bands {
        /// Reference price.
        reference: Price,
        /// Lower limit.
        lower: Price,
        /// Upper limit.
        upper: Price,
    },
    /// Short-sale restriction in force or not.
    ShortSale {
        /// Whether a restriction is in force.
        restricted: bool,
    },
    /// The venue empties an instrument's book.
    Clear,
    /// A message the format knows and this vocabulary has no field for (participant positions,
    /// retail interest, market-wide levels). Naming the instrument is all it says here.
    Notice,
    /// A type the specification does not list: skipped by its length.
    Unknown,
}

const _: () = assert!(size_of::<Event>() == 40);

//! The messages that DEEP 1.0 (specification 1.08) and TOPS 1.6 (specification 1.66) have in common:
//! administration, trades, official prices and auctions. All integers are little-endian, prices
//! have four decimals, times are ns since the Unix epoch.
//!
//! Letters the specification does not list are values, not errors: a trading status becomes
//! [`TradingState::Unknown`], an operational halt status or a short-sale status other than the one
//! that means "none" counts as in force, an auction side is no side.

use candor_core::{Event, InstrumentKey, Message, Price, Reject, Side, Symbol};
use candor_core::{SystemEvent as CoreSystemEvent, TradingState};
use zerocopy::byteorder::little_endian::{I64, U32};

use super::{named, time};
use crate::view::{View, views};

/// Bit of [`SecurityDirectory::flags`]: a test security.
pub const TEST_SECURITY: u8 = 0x80;

/// Bit of [`Trade::sale_condition`]: intermarket sweep.
pub const INTERMARKET_SWEEP: u8 = 0x80;
/// Bit of [`Trade::sale_condition`]: outside regular hours.
pub const EXTENDED_HOURS: u8 = 0x40;
/// Bit of [`Trade::sale_condition`]: less than a round lot.
pub const ODD_LOT: u8 = 0x20;
/// Bit of [`Trade::sale_condition`]: not subject to trade-through protection.
pub const TRADE_THROUGH_EXEMPT: u8 = 0x10;
/// Bit of [`Trade::sale_condition`]: the single price of a cross.
pub const SINGLE_PRICE_CROSS: u8 = 0x08;

views! {
    /// The venue moves on in its day.
    SystemEvent: b'S', 10 {
        /// Always `S`.
        kind: u8 = 0,
        /// `O`, `S`, `R`, `M`, `E`, `C` in order of the day.
        event: u8 = 1,
        /// When.
        time: I64 = 2,
    }
    /// The venue names a symbol: all of them before the open, more during the day.
    SecurityDirectory: b'D', 31 {
        /// Always `D`.
        kind: u8 = 0,
        /// 0x80 test security, 0x40 when issued, 0x20 exchange-traded product.
        flags: u8 = 1,
        /// When.
        time: I64 = 2,
        /// The symbol, space padded.
        symbol: [u8; 8] = 10,
        /// Shares of a round lot.
        round_lot: U32 = 18,
        /// Yesterday's official closing price, adjusted for corporate actions.
        adjusted_poc_price: I64 = 22,
        /// 0 none, 1 or 2 tier of the limit-up limit-down plan.
        luld_tier: u8 = 30,
    }
    /// Whether the symbol may trade.
    TradingStatus: b'H', 22 {
        /// Always `H`.
        kind: u8 = 0,
        /// `H` halted on all markets, `O` order acceptance after a halt, `P` paused and order
        /// acceptance on IEX, `T` trading.
        status: u8 = 1,
        /// When.
        time: I64 = 2,
        /// The symbol, space padded.
        symbol: [u8; 8] = 10,
        /// Why, space padded.
        reason: [u8; 4] = 18,
    }
    /// Whether retail interest rests within the spread.
    RetailLiquidity: b'I', 18 {
        /// Always `I`.
        kind: u8 = 0,
        /// ` ` none, `A` buy, `B` sell, `C` both.
        indicator: u8 = 1,
        /// When.
        time: I64 = 2,
        /// The symbol, space padded.
        symbol: [u8; 8] = 10,
    }
    /// IEX alone halts or resumes the symbol.
    OperationalHalt: b'O', 18 {
        /// Always `O`.
        kind: u8 = 0,
        /// `O` halted, `N` not halted.
        status: u8 = 1,
        /// When.
        time: I64 = 2,
        /// The symbol, space padded.
        symbol: [u8; 8] = 10,
    }
    /// Short-sale price test.
    ShortSaleStatus: b'P', 19 {
        /// Always `P`.
        kind: u8 = 0,
        /// 0 not in effect, 1 in effect.
        status: u8 = 1,
        /// When.
        time: I64 = 2,
        /// The symbol, space padded.
        symbol: [u8; 8] = 10,
        /// ` ` none, `A` activated, `C` continued, `D` deactivated, `N` not available.
        detail: u8 = 18,
    }
    /// A trade (`T`), or its break (`B`), which repeats it.
    Trade: b'T' | b'B', 38 {
        /// `T` or `B`.
        kind: u8 = 0,
        /// Bits: [`INTERMARKET_SWEEP`], [`EXTENDED_HOURS`], [`ODD_LOT`], [`TRADE_THROUGH_EXEMPT`],
        /// [`SINGLE_PRICE_CROSS`].
        sale_condition: u8 = 1,
        /// When.
        time: I64 = 2,
        /// The symbol, space padded.
        symbol: [u8; 8] = 10,
        /// Shares.
        size: U32 = 18,
        /// Price.
        price: I64 = 22,
        /// The trade's id, unique for the day.
        trade_id: I64 = 30,
    }
    /// An official opening or closing price.
    OfficialPrice: b'X', 26 {
        /// Always `X`.
        kind: u8 = 0,
        /// `Q` opening, `M` closing.
        price_type: u8 = 1,
        /// When.
        time: I64 = 2,
        /// The symbol, space padded.
        symbol: [u8; 8] = 10,
        /// The price.
        price: I64 = 18,
    }
    /// An auction's state, for symbols listed on IEX.
    AuctionInformation: b'A', 80 {
        /// Always `A`.
        kind: u8 = 0,
        /// `O` opening, `C` closing, `I` IPO, `H` halt, `V` volatility.
        auction_type: u8 = 1,
        /// When.
        time: I64 = 2,
        /// The symbol, space padded.
        symbol: [u8; 8] = 10,
        /// Shares paired at the reference price.
        paired: U32 = 18,
        /// Reference price.
        reference: I64 = 22,
        /// Indicative clearing price.
        indicative: I64 = 30,
        /// Shares of the imbalance.
        imbalance: U32 = 38,
        /// `B` buy, `S` sell, `N` none.
        imbalance_side: u8 = 42,
        /// Extensions so far.
        extensions: u8 = 43,
        /// When the auction is due, in seconds since the Unix epoch.
        scheduled_time: U32 = 44,
        /// Clearing price of the auction book alone.
        book_clearing: I64 = 48,
        /// Reference of the collar.
        collar_reference: I64 = 56,
        /// Lower collar.
        collar_lower: I64 = 64,
        /// Upper collar.
        collar_upper: I64 = 72,
    }
}

/// Normalises a message whose type is one of this file's; any other type is
/// [`Event::Unknown`] without instrument and time.
///
/// # Errors
/// [`Reject::ShortMessage`], and [`Reject::BadField`] for a time before the epoch, a symbol of zero
/// bytes, or a directory entry whose symbol is not text.
pub(super) fn decode(kind: u8, message: &[u8]) -> Result<Message, Reject> {
    match kind {
        b'T' | b'B' => trade(View::view(message)?),
        b'S' => system(View::view(message)?),
        b'D' => definition(View::view(message)?),
        b'H' => trading(View::view(message)?),
        b'I' => retail(View::view(message)?),
        b'O' => operational(View::view(message)?),
        b'P' => short_sale(View::view(message)?),
        b'X' => official(View::view(message)?),
        b'A' => auction(View::view(message)?),
        _ => Ok(crate::unknown(kind)),
    }
}

fn system(view: &SystemEvent) -> Result<Message, Reject> {
    let event = match view.event {
        b'O' => CoreSystemEvent::StartOfMessages,
        b'S' => CoreSystemEvent::StartOfSystemHours,
        b'R' => CoreSystemEvent::StartOfMarketHours,
        b'M' => CoreSystemEvent::EndOfMarketHours,
        b'E' => CoreSystemEvent::EndOfSystemHours,
        b'C' => CoreSystemEvent::EndOfMessages,
        _ => CoreSystemEvent::Unknown,
    };
    Ok(Message {
        key: InstrumentKey::NONE,
        time: time(view.time)?,
        kind: view.kind,
        event: Event::System(event),
    })
}

fn definition(view: &SecurityDirectory) -> Result<Message, Reject> {
    let event = Event::Definition {
        symbol: Symbol::from_wire(&view.symbol).ok_or(Reject::BadField)?,
        round_lot: view.round_lot.get(),
        test: view.flags & TEST_SECURITY != 0,
    };
    Ok(Message { key: named(view.symbol)?, time: time(view.time)?, kind: view.kind, event })
}

fn trading(view: &TradingStatus) -> Result<Message, Reject> {
    let state = match view.status {
        b'H' => TradingState::Halted,
        b'O' => TradingState::QuoteOnly,
        b'P' => TradingState::Paused,
        b'T' => TradingState::Trading,
        _ => TradingState::Unknown,
    };
    let event = Event::Trading { state, reason: view.reason };
    Ok(Message { key: named(view.symbol)?, time: time(view.time)?, kind: view.kind, event })
}

fn retail(view: &RetailLiquidity) -> Result<Message, Reject> {
    let event = Event::Notice;
    Ok(Message { key: named(view.symbol)?, time: time(view.time)?, kind: view.kind, event })
}

fn operational(view: &OperationalHalt) -> Result<Message, Reject> {
    let event = Event::OperationalHalt { halted: view.status != b'N' };
    Ok(Message { key: named(view.symbol)?, time: time(view.time)?, kind: view.kind, event })
}

fn short_sale(view: &ShortSaleStatus) -> Result<Message, Reject> {
    let event = Event::ShortSale { restricted: view.status != 0 };
    Ok(Message { key: named(view.symbol)?, time: time(view.time)?, kind: view.kind, event })
}

fn trade(view: &Trade) -> Result<Message, Reject> {
    let trade = view.trade_id.get().cast_unsigned();
    let event = if view.kind == b'B' {
        Event::TradeBreak { trade }
    } else {
        Event::Trade {
            price: Price(view.price.get()),
            size: u64::from(view.size.get()),
            trade,
            sets_last: view.sale_condition & (EXTENDED_HOURS | ODD_LOT) == 0,
            counts: true,
        }
    };
    Ok(Message { key: named(view.symbol)?, time: time(view.time)?, kind: view.kind, event })
}

fn official(view: &OfficialPrice) -> Result<Message, Reject> {
    let event =
        Event::OfficialPrice { price_type: view.price_type, price: Price(view.price.get()) };
    Ok(Message { key: named(view.symbol)?, time: time(view.time)?, kind: view.kind, event })
}

fn auction(view: &AuctionInformation) -> Result<Message, Reject> {
    let side = match view.imbalance_side {
        b'B' => Some(Side::Bid),
        b'S' => Some(Side::Ask),
        _ => None,
    };
    let event = Event::Auction {
        auction: view.auction_type,
        paired: u64::from(view.paired.get()),
        imbalance: u64::from(view.imbalance.get()),
        side,
        reference: Price(view.reference.get()),
        indicative: Price(view.indicative.get()),
    };
    Ok(Message { key: named(view.symbol)?, time: time(view.time)?, kind: view.kind, event })
}

//! The layouts of TotalView-ITCH 5.0 messages, in the order of the specification.

use candor_core::{Reject, WireTime};
use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::view::{View, views};

/// A 48-bit big-endian count of nanoseconds since midnight.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(transparent)]
pub struct Time48(pub [u8; 6]);

impl Time48 {
    /// The time as a number.
    #[inline]
    #[must_use]
    pub const fn get(self) -> WireTime {
        let [a, b, c, d, e, f] = self.0;
        WireTime(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }

    /// The time's low 48 bits, which a day needs 47 of.
    #[must_use]
    pub const fn new(time: WireTime) -> Time48 {
        let [_, _, a, b, c, d, e, f] = time.0.to_be_bytes();
        Time48([a, b, c, d, e, f])
    }
}

/// What every message starts with.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Prefix {
    /// The message type.
    pub kind: u8,
    /// The instrument, by today's number; 0 for the market as a whole.
    pub locate: U16,
    /// Nasdaq's own tracking number.
    pub tracking: U16,
    /// When.
    pub time: Time48,
}

const _: () = {
    assert!(size_of::<Prefix>() == 11);
    assert!(align_of::<Prefix>() == 1);
    assert!(core::mem::offset_of!(Prefix, kind) == 0);
    assert!(core::mem::offset_of!(Prefix, locate) == 1);
    assert!(core::mem::offset_of!(Prefix, tracking) == 3);
    assert!(core::mem::offset_of!(Prefix, time) == 5);
};

impl Prefix {
    /// The prefix of any message: all there is to look at where only type, instrument and time are wanted.
    ///
    /// # Errors
    /// [`Reject::ShortMessage`] where the message is shorter.
    #[inline]
    pub fn peek(message: &[u8]) -> Result<&Prefix, Reject> {
        Prefix::ref_from_prefix(message).map(|(prefix, _)| prefix).map_err(|_| Reject::ShortMessage)
    }

    /// The prefix of a message of layout `T`, tracking number 0.
    #[must_use]
    pub fn of<T: View>(locate: u16, time: WireTime) -> Prefix {
        Prefix {
            kind: T::KIND,
            locate: locate.into(),
            tracking: U16::ZERO,
            time: Time48::new(time),
        }
    }
}

views! {
    /// The market moves on in its day.
    SystemEvent: b'S', 12 {
        /// Common prefix; locate 0.
        prefix: Prefix = 0,
        /// `O` start of messages, `S` of system hours, `Q` of market hours, `M` end of market hours,
        /// `E` of system hours, `C` of messages.
        event: u8 = 11,
    }
    /// Names an instrument: all before the open, more during the day.
    StockDirectory: b'R', 39 {
        /// Common prefix.
        prefix: Prefix = 0,
        /// The symbol.
        stock: [u8; 8] = 11,
        /// Listing market and tier: `Q` `G` `S` Nasdaq, `N` NYSE, `A` NYSE American, `P` Arca, `Z` Cboe
        /// BZX, `V` IEX, space otherwise.
        market_category: u8 = 19,
        /// Compliance with listing rules, for Nasdaq-listed issues.
        financial_status: u8 = 20,
        /// Shares of a round lot.
        round_lot: U32 = 21,
        /// `Y`: round lots only.
        round_lots_only: u8 = 25,
        /// Type of security.
        classification: u8 = 26,
        /// Sub-type of security.
        sub_type: [u8; 2] = 27,
        /// `P` production, `T` test.
        authenticity: u8 = 29,
        /// `Y`, `N` or space: subject to the threshold of Reg SHO rule 203(b)(3).
        short_sale_threshold: u8 = 30,
        /// `Y`, `N` or space: a new issue.
        ipo_flag: u8 = 31,
        /// Limit-up limit-down tier: `1`, `2` or space.
        luld_tier: u8 = 32,
        /// `Y`, `N` or space: exchange-traded product.
        etp_flag: u8 = 33,
        /// The product's leverage, an integer ratio.
        etp_leverage: U32 = 34,
        /// `Y` or `N`: inverse relation to its index.
        inverse: u8 = 38,
    }
    /// Whether the instrument may trade.
    StockTradingAction: b'H', 25 {
        /// Common prefix.
        prefix: Prefix = 0,
        /// The symbol.
        stock: [u8; 8] = 11,
        /// `H` halted, `P` paused, `Q` quotation only, `T` trading.
        state: u8 = 19,
        /// Unused.
        reserved: u8 = 20,
        /// Why.
        reason: [u8; 4] = 21,
    }
    /// Short-sale price test of Reg SHO rule 201.
    RegShoRestriction: b'Y', 20 {
        /// Common prefix.
        prefix: Prefix = 0,
        /// The symbol.
        stock: [u8; 8] = 11,
        /// `0` none, `1` in effect since today, `2` still in effect.
        action: u8 = 19,
    }
    /// A market participant's position in an instrument.
    ParticipantPosition: b'L', 26 {
        /// Common prefix.
        prefix: Prefix = 0,
        /// The participant.
        mpid: [u8; 4] = 11,
        /// The symbol.
        stock: [u8; 8] = 15,
        /// `Y` or `N`: primary market maker.
        primary: u8 = 23,
        /// Market maker mode.
        mode: u8 = 24,
        /// Registration status.
        state: u8 = 25,
    }
    /// The day's levels of the market-wide circuit breaker, in points of the index.
    MwcbDeclineLevels: b'V', 35 {
        /// Common prefix; locate 0.
        prefix: Prefix = 0,
        /// Level 1, eight decimals.
        level_1: U64 = 11,
        /// Level 2, eight decimals.
        level_2: U64 = 19,
        /// Level 3, eight decimals.
        level_3: U64 = 27,
    }
    /// A level of the market-wide circuit breaker was breached.
    MwcbStatus: b'W', 12 {
        /// Common prefix; locate 0.
        prefix: Prefix = 0,
        /// `1`, `2` or `3`.
        breached_level: u8 = 11,
    }
    /// When quoting of a new issue begins.
    IpoQuotingPeriodUpdate: b'K', 28 {
        /// Common prefix.
        prefix: Prefix = 0,
        /// The symbol.
        stock: [u8; 8] = 11,
        /// Seconds since midnight.
        release_time: U32 = 19,
        /// `A` anticipated, `C` cancelled or postponed.
        qualifier: u8 = 23,
        /// Price of the issue.
        price: U32 = 24,
    }
    /// Price limits of the auction that ends a volatility pause.
    LuldAuctionCollar: b'J', 35 {
        /// Common prefix.
        prefix: Prefix = 0,
        /// The symbol.
        stock: [u8; 8] = 11,
        /// Reference price.
        reference: U32 = 19,
        /// Upper limit.
        upper: U32 = 23,
        /// Lower limit.
        lower: U32 = 27,
        /// Extensions so far.
        extension: U32 = 31,
    }
    /// One of Nasdaq's markets alone halts or resumes the instrument.
    OperationalHalt: b'h', 21 {
        /// Common prefix.
        prefix: Prefix = 0,
        /// The symbol.
        stock: [u8; 8] = 11,
        /// `Q` Nasdaq, `B` BX, `X` PSX.
        market: u8 = 19,
        /// `H` halted, `T` resumed.
        action: u8 = 20,
    }
    /// An order rests on the book, without attribution.
    AddOrder: b'A', 36 {
        /// Common prefix.
        prefix: Prefix = 0,
        /// The order's number, unique for the day.
        order: U64 = 11,
        /// `B` buy, `S` sell.
        side: u8 = 19,
        /// Shares displayed.
        shares: U32 = 20,
        /// The symbol.
        stock: [u8; 8] = 24,
        /// Price.
        price: U32 = 32,
    }
    /// An order rests on the book, with its participant.
    AddOrderMpid: b'F', 40 {
        /// Common prefix.
        prefix: Prefix = 0,
        /// The order's number, unique for the day.
        order: U64 = 11,
        /// `B` buy, `S` sell.
        side: u8 = 19,
        /// Shares displayed.
        shares: U32 = 20,
        /// The symbol.
        stock: [u8; 8] = 24,
        /// Price.
        price: U32 = 32,
        /// The participant.
        mpid: [u8; 4] = 36,
    }
    /// A resting order traded at its price.
    OrderExecuted: b'E', 31 {
        /// Common prefix.
        prefix: Prefix = 0,
        /// The order.
        order: U64 = 11,
        /// Shares traded.
        shares: U32 = 19,
        /// The trade.
        match_number: U64 = 23,
    }
    /// A resting order traded at another price.
    OrderExecutedWithPrice: b'C', 36 {
        /// Common prefix.
        prefix: Prefix = 0,
        /// The order.
        order: U64 = 11,
        /// Shares traded.
        shares: U32 = 19,
        /// The trade.
        match_number: U64 = 23,
        /// `Y` counts in volume; `N` is part of a cross that is reported in one sum.
        printable: u8 = 31,
        /// Price of the trade.
        price: U32 = 32,
    }
    /// A resting order lost part of its shares.
    OrderCancel: b'X', 23 {
        /// Common prefix.
        prefix: Prefix = 0,
        /// The order.
        order: U64 = 11,
        /// Shares taken off.
        shares: U32 = 19,
    }
    /// A resting order left the book.
    OrderDelete: b'D', 19 {
        /// Common prefix.
        prefix: Prefix = 0,
        /// The order.
        order: U64 = 11,
    }
    /// A resting order was replaced; side, symbol and participant stay.
    OrderReplace: b'U', 35 {
        /// Common prefix.
        prefix: Prefix = 0,
        /// The order that leaves.
        order: U64 = 11,
        /// The order that comes.
        new_order: U64 = 19,
        /// Its shares.
        shares: U32 = 27,
        /// Its price.
        price: U32 = 31,
    }
    /// A trade against an order that was not displayed. Touches no book.
    Trade: b'P', 44 {
        /// Common prefix.
        prefix: Prefix = 0,
        /// The resting order, or 0.
        order: U64 = 11,
        /// `B`, since 2014 whatever the side was.
        side: u8 = 19,
        /// Shares.
        shares: U32 = 20,
        /// The symbol.
        stock: [u8; 8] = 24,
        /// Price.
        price: U32 = 32,
        /// The trade.
        match_number: U64 = 36,
    }
    /// The one price of a cross. Sent with 0 shares where nothing crossed.
    CrossTrade: b'Q', 40 {
        /// Common prefix.
        prefix: Prefix = 0,
        /// Shares.
        shares: U64 = 11,
        /// The symbol.
        stock: [u8; 8] = 19,
        /// Price.
        price: U32 = 27,
        /// The trade.
        match_number: U64 = 31,
        /// `O` opening, `C` closing, `H` halt or new issue, `I` intraday.
        cross_type: u8 = 39,
    }
    /// A trade was broken. The book stays as it is.
    BrokenTrade: b'B', 19 {
        /// Common prefix.
        prefix: Prefix = 0,
        /// The trade.
        match_number: U64 = 11,
    }
    /// A cross to come: the net order imbalance indicator.
    NetOrderImbalance: b'I', 50 {
        /// Common prefix.
        prefix: Prefix = 0,
        /// Shares paired at the reference price.
        paired: U64 = 11,
        /// Shares not paired.
        imbalance: U64 = 19,
        /// `B` buy, `S` sell, `N` none, `O` too few orders, `P` paused.
        direction: u8 = 27,
        /// The symbol.
        stock: [u8; 8] = 28,
        /// Clearing price of cross orders alone.
        far: U32 = 36,
        /// Clearing price of cross orders and the book.
        near: U32 = 40,
        /// Reference price.
        reference: U32 = 44,
        /// `O` opening, `C` closing, `H` halt or new issue, `A` extended close.
        cross_type: u8 = 48,
        /// Distance of near from reference, in classes.
        variation: u8 = 49,
    }
    /// Retail interest within the spread.
    RetailInterest: b'N', 20 {
        /// Common prefix.
        prefix: Prefix = 0,
        /// The symbol.
        stock: [u8; 8] = 11,
        /// `B` buy, `S` sell, `A` both, `N` none.
        interest: u8 = 19,
    }
    /// A direct listing with a capital raise: what its opening depends on.
    DirectListing: b'O', 48 {
        /// Common prefix.
        prefix: Prefix = 0,
        /// The symbol.
        stock: [u8; 8] = 11,
        /// `Y` or `N`: may be released for trading.
        open_eligibility: u8 = 19,
        /// 20% below the registration's lowest price.
        minimum_price: U32 = 20,
        /// 80% above the registration's highest price.
        maximum_price: U32 = 24,
        /// The reference price of the volatility test.
        near_execution_price: U32 = 28,
        /// When that price was set, in ns since midnight.
        near_execution_time: U64 = 32,
        /// 10% below it.
        lower_collar: U32 = 40,
        /// 10% above it.
        upper_collar: U32 = 44,
    }
}

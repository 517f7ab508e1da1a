//! What the market does, as TotalView-ITCH 5.0 messages, by the encoders of `candor_decoders`.

use candor_core::{Side, Symbol, WireTime};
use candor_decoders::View;
use candor_decoders::nasdaq::itch50::{
    AddOrder, AddOrderMpid, BrokenTrade, OperationalHalt, OrderCancel, OrderDelete, OrderExecuted,
    OrderExecutedWithPrice, OrderReplace, Prefix, RegShoRestriction, StockDirectory,
    StockTradingAction, SystemEvent, Trade,
};

use super::book::Order;

/// Longest message the market sends: the trade.
const LONGEST: usize = size_of::<Trade>();

/// One encoded message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Encoded {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Encoded {
    pub(super) fn of(message: &(impl View + Copy)) -> Encoded {
        let message = message.as_bytes();
        let mut encoded = Encoded { bytes: [0; LONGEST], len: message.len() };
        encoded.bytes[..message.len()].copy_from_slice(message);
        encoded
    }

    /// The message's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// One thing that happens on the market.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// The day goes on; the event's letter.
    System {
        /// `O`, `S`, `Q`, `M`, `E` or `C`.
        event: u8,
    },
    /// A symbol is named.
    Directory {
        /// The symbol.
        symbol: Symbol,
        /// Its round lot in shares.
        round_lot: u32,
    },
    /// A symbol's trading state changes.
    Trading {
        /// The symbol.
        symbol: Symbol,
        /// `H`, `P`, `Q` or `T`.
        state: u8,
        /// Why, space padded.
        reason: [u8; 4],
    },
    /// An order comes to rest.
    Add {
        /// The symbol.
        symbol: Symbol,
        /// The order.
        order: Order,
        /// Whether the message names the participant.
        attributed: bool,
    },
    /// A resting order trades at its price.
    Execute {
        /// The order.
        reference: u64,
        /// Shares.
        size: u32,
        /// The trade.
        trade: u64,
    },
    /// A resting order trades at another price.
    ExecuteAt {
        /// The order.
        reference: u64,
        /// Shares.
        size: u32,
        /// The trade.
        trade: u64,
        /// Whether it counts in volume and last price.
        printable: bool,
        /// The price in ten-thousandths.
        price: u32,
    },
    /// A resting order loses part of its shares.
    Reduce {
        /// The order.
        reference: u64,
        /// Shares taken off.
        size: u32,
    },
    /// A resting order leaves.
    Delete {
        /// The order.
        reference: u64,
    },
    /// A resting order is replaced.
    Replace {
        /// The order that leaves.
        old: u64,
        /// The order that comes, on the same side.
        new: Order,
    },
    /// A trade against an order that was not displayed.
    Trade {
        /// The symbol.
        symbol: Symbol,
        /// The price in ten-thousandths.
        price: u32,
        /// Shares.
        size: u32,
        /// The trade.
        trade: u64,
    },
    /// A trade is broken.
    Break {
        /// The trade.
        trade: u64,
    },
    /// The venue alone halts a symbol, or resumes it.
    OperationalHalt {
        /// The symbol.
        symbol: Symbol,
        /// Whether it is halted.
        halted: bool,
    },
    /// A symbol's short-sale state is repeated: no restriction.
    ShortSale {
        /// The symbol.
        symbol: Symbol,
    },
}

/// A symbol as ITCH pads it. The market's names have at most five letters.
fn stock(symbol: Symbol) -> [u8; 8] {
    let mut stock = [b' '; 8];
    for (to, from) in stock.iter_mut().zip(symbol.as_str().bytes()) {
        *to = from;
    }
    stock
}

const fn letter(side: Side) -> u8 {
    match side {
        Side::Bid => b'B',
        Side::Ask => b'S',
    }
}

/// The message of an action about the instrument `locate` (0: none) at `now`.
#[must_use]
pub fn encode(action: &Action, locate: u16, now: WireTime) -> Encoded {
    match *action {
        Action::System { event } => {
            let prefix = Prefix::of::<SystemEvent>(locate, now);
            Encoded::of(&SystemEvent { prefix, event })
        }
        Action::Directory { symbol, round_lot } => directory(symbol, round_lot, locate, now),
        Action::Trading { symbol, state, reason } => {
            let prefix = Prefix::of::<StockTradingAction>(locate, now);
            let stock = stock(symbol);
            Encoded::of(&StockTradingAction { prefix, stock, state, reserved: b' ', reason })
        }
        Action::Add { symbol, order, attributed } => add(symbol, order, attributed, locate, now),
        Action::Execute { reference, size, trade } => Encoded::of(&OrderExecuted {
            prefix: Prefix::of::<OrderExecuted>(locate, now),
            order: reference.into(),
            shares: size.into(),
            match_number: trade.into(),
        }),
        Action::ExecuteAt { reference, size, trade, printable, price } => {
            Encoded::of(&OrderExecutedWithPrice {
                prefix: Prefix::of::<OrderExecutedWithPrice>(locate, now),
                order: reference.into(),
                shares: size.into(),
                match_number: trade.into(),
                printable: if printable { b'Y' } else { b'N' },
                price: price.into(),
            })
        }
        Action::Reduce { reference, size } => {
            let prefix = Prefix::of::<OrderCancel>(locate, now);
            Encoded::of(&OrderCancel { prefix, order: reference.into(), shares: size.into() })
        }
        Action::Delete { reference } => {
            let prefix = Prefix::of::<OrderDelete>(locate, now);
            Encoded::of(&OrderDelete { prefix, order: reference.into() })
        }
        Action::Replace { old, new } => Encoded::of(&OrderReplace {
            prefix: Prefix::of::<OrderReplace>(locate, now),
            order: old.into(),
            new_order: new.reference.into(),
            shares: new.size.into(),
            price: new.price.into(),
        }),
        Action::Trade { symbol, price, size, trade } => Encoded::of(&Trade {
            prefix: Prefix::of::<Trade>(locate, now),
            order: 0.into(),
            side: b'B',
            shares: size.into(),
            stock: stock(symbol),
            price: price.into(),
            match_number: trade.into(),
        }),
        Action::Break { trade } => {
            let prefix = Prefix::of::<BrokenTrade>(locate, now);
            Encoded::of(&BrokenTrade { prefix, match_number: trade.into() })
        }
        Action::OperationalHalt { symbol, halted } => Encoded::of(&OperationalHalt {
            prefix: Prefix::of::<OperationalHalt>(locate, now),
            stock: stock(symbol),
            market: b'Q',
            action: if halted { b'H' } else { b'T' },
        }),
        Action::ShortSale { symbol } => {
            let prefix = Prefix::of::<RegShoRestriction>(locate, now);
            Encoded::of(&RegShoRestriction { prefix, stock: stock(symbol), action: b'0' })
        }
    }
}

fn directory(symbol: Symbol, round_lot: u32, locate: u16, now: WireTime) -> Encoded {
    Encoded::of(&StockDirectory {
        prefix: Prefix::of::<StockDirectory>(locate, now),
        stock: stock(symbol),
        market_category: b'Q',
        financial_status: b'N',
        round_lot: round_lot.into(),
        round_lots_only: b'N',
        classification: b'C',
        sub_type: *b"Z ",
        authenticity: b'P',
        short_sale_threshold: b'N',
        ipo_flag: b'N',
        luld_tier: b'1',
        etp_flag: b'N',
        etp_leverage: 0.into(),
        inverse: b'N',
    })
}

fn add(symbol: Symbol, order: Order, attributed: bool, locate: u16, now: WireTime) -> Encoded {
    let (reference, side) = (order.reference.into(), letter(order.side));
    let (shares, stock, price) = (order.size.into(), stock(symbol), order.price.into());
    if attributed {
        let prefix = Prefix::of::<AddOrderMpid>(locate, now);
        let mpid = *b"CNDR";
        Encoded::of(&AddOrderMpid { prefix, order: reference, side, shares, stock, price, mpid })
    } else {
        let prefix = Prefix::of::<AddOrder>(locate, now);
        Encoded::of(&AddOrder { prefix, order: reference, side, shares, stock, price })
    }
}

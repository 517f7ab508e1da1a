//! What the books' entry points take and give back.

use candor_core::{Price, Side, SymbolIndex};

/// What a format's books are made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// Single orders, added, executed, reduced, deleted, replaced (ITCH).
    ByOrder,
    /// Price levels with their total size (DEEP).
    ByLevel,
    /// The venue's best bid and offer, nothing deeper (TOPS).
    Quotes,
}

/// How much the books of a partition can hold. Nothing grows beyond it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capacity {
    /// Symbols. Below 2^31.
    pub symbols: usize,
    /// Resting orders of all symbols together; books by order only. At most 2^30.
    pub orders: usize,
    /// Price levels of all symbols and both sides together; not for quotes. At most 2^30.
    pub levels: usize,
    /// Trades remembered for breaks, of all symbols together. Reached: the oldest is forgotten.
    pub trades: usize,
}

/// What a message changed. All false: nothing a reader could see.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Change {
    /// A price level changed.
    pub book: bool,
    /// The last trade or the statistics changed.
    pub trade: bool,
    /// The trading state changed, or a definition came.
    pub state: bool,
    /// The venue's transaction is not complete yet (DEEP): the book may be inconsistent until a
    /// message without this flag. Set or not by each message, whether it changed anything or not.
    pub open: bool,
    /// A trade break whose trade is not remembered; nothing changed.
    pub unmatched: bool,
}

impl Change {
    /// Nothing changed.
    pub const NONE: Change =
        Change { book: false, trade: false, state: false, open: false, unmatched: false };

    /// Whether the symbol's view changed.
    #[must_use]
    pub const fn any(self) -> bool {
        self.book || self.trade || self.state
    }
}

/// An order that rests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resting {
    /// Whose book it is on.
    pub symbol: SymbolIndex,
    /// Its side.
    pub side: Side,
    /// Its price.
    pub price: Price,
    /// What is left of it.
    pub size: u32,
}

/// Why a message could not be applied. Nothing of it was.
///
/// Where several causes hold at once the one listed first here is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The event does not belong to books of this shape.
    WrongShape,
    /// A price below zero.
    BadPrice,
    /// A size of zero where an order, an execution or a reduction needs one. Or, after the order was
    /// found: more than the order has, or a volume beyond 64 bits.
    BadSize,
    /// The order is not on the book.
    UnknownOrder,
    /// The order is on the book of another symbol than the message names. Either may be wrong.
    WrongSymbol {
        /// The symbol whose book has the order.
        owner: SymbolIndex,
    },
    /// An order was added under an id that is on the book already.
    DuplicateOrder {
        /// The symbol whose book has the id.
        owner: SymbolIndex,
    },
    /// As many orders rest as [`Capacity::orders`] allows.
    OrdersFull,
    /// As many levels exist as [`Capacity::levels`] allows.
    LevelsFull,
}

impl Fault {
    /// The fault's name in output.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Fault::WrongShape => "wrong shape",
            Fault::BadPrice => "bad price",
            Fault::BadSize => "bad size",
            Fault::UnknownOrder => "unknown order",
            Fault::WrongSymbol { .. } => "wrong symbol",
            Fault::DuplicateOrder { .. } => "duplicate order",
            Fault::OrdersFull => "orders full",
            Fault::LevelsFull => "levels full",
        }
    }
}

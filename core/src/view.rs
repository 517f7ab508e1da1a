//! What one symbol looks like to a reader: best prices, levels, last trade, statistics. The engine
//! makes it, the region carries it, a reader gets it back.

use crate::limits::DEPTH;
use crate::{Decimals, Price, Side, TradingState, WireTime};

/// One price level.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Level {
    /// The price.
    pub price: Price,
    /// Total size at that price.
    pub size: u64,
    /// How many orders make it up; 0 where the format doesn't say.
    pub orders: u32,
    /// Always zero.
    pub reserved: u32,
}

const _: () = assert!(size_of::<Level>() == 24);

/// The last trade.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Trade {
    /// Its price.
    pub price: Price,
    /// Its size; 0 while there was no trade this session.
    pub size: u64,
    /// When, by the venue's clock.
    pub time: WireTime,
    /// Its id.
    pub id: u64,
}

/// Statistics of this session, from the messages of this session alone. A snapshot carries none:
/// behind one they begin anew, and so does the last trade.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Stats {
    /// First price that counted.
    pub open: Price,
    /// Highest.
    pub high: Price,
    /// Lowest.
    pub low: Price,
    /// Size traded, broken trades taken off.
    pub volume: u64,
    /// Trades counted, broken ones taken off.
    pub trades: u32,
    /// Trades broken.
    pub broken: u32,
    /// The first number they cover, and the last trade with them: 1 for the whole session.
    pub since: u64,
}

/// A symbol's book as of one sequence number. Prices are in units of `decimals`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct BookView {
    /// The number of the last message that changed this symbol.
    pub seq: u64,
    /// That message's time by the venue's clock.
    pub time: WireTime,
    /// Levels in `bids`.
    pub bid_count: u8,
    /// Levels in `asks`.
    pub ask_count: u8,
    /// May it trade.
    pub trading_state: TradingState,
    /// Decimal places of every price here.
    pub decimals: Decimals,
    /// Round lot in the venue's unit; 0 where not given.
    pub round_lot: u32,
    /// Buyers, best first; only the first `bid_count` mean anything.
    pub bids: [Level; DEPTH],
    /// Sellers, best first; only the first `ask_count` mean anything.
    pub asks: [Level; DEPTH],
    /// The last trade.
    pub last: Trade,
    /// The session so far.
    pub stats: Stats,
}

// Copied with every publication and every read.
const _: () = assert!(size_of::<BookView>() == 584);

impl BookView {
    /// A book nothing is known of.
    pub const EMPTY: BookView = BookView {
        seq: 0,
        time: WireTime(0),
        bid_count: 0,
        ask_count: 0,
        trading_state: TradingState::Unknown,
        decimals: Decimals(0),
        round_lot: 0,
        bids: [Level { price: Price(0), size: 0, orders: 0, reserved: 0 }; DEPTH],
        asks: [Level { price: Price(0), size: 0, orders: 0, reserved: 0 }; DEPTH],
        last: Trade { price: Price(0), size: 0, time: WireTime(0), id: 0 },
        stats: Stats {
            open: Price(0),
            high: Price(0),
            low: Price(0),
            volume: 0,
            trades: 0,
            broken: 0,
            since: 1,
        },
    };

    /// The levels of one side, best first.
    #[must_use]
    pub fn levels(&self, side: Side) -> &[Level] {
        let (levels, count) = match side {
            Side::Bid => (&self.bids, self.bid_count),
            Side::Ask => (&self.asks, self.ask_count),
        };
        &levels[..usize::from(count).min(DEPTH)]
    }

    /// The best level of one side; `None` when that side is empty.
    #[must_use]
    pub fn best(&self, side: Side) -> Option<Level> {
        self.levels(side).first().copied()
    }
}

/// What of a view may differ from the one that was shown before it. Levels are counted in groups: the best by itself,
/// then three at a time. The number and the time of the last message are not in it: they differ always.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Changed {
    /// Groups of bids, the best in bit 0.
    pub bids: u8,
    /// Groups of asks.
    pub asks: u8,
    /// The last trade, or the statistics.
    pub trades: bool,
}

impl Changed {
    /// Groups of a side.
    pub const GROUPS: usize = 4;
    /// Levels of a group behind the best.
    pub const GROUP: usize = 3;
    /// Every group of a side.
    pub const SIDE: u8 = (1 << Changed::GROUPS) - 1;
    /// Anything may differ.
    pub const ALL: Changed = Changed { bids: Changed::SIDE, asks: Changed::SIDE, trades: true };
    /// Nothing does.
    pub const NONE: Changed = Changed { bids: 0, asks: 0, trades: false };

    /// Of a view what is among this, and what differs always; the rest is as in [`BookView::EMPTY`].
    #[must_use]
    pub fn only(self, view: &BookView) -> BookView {
        let mut part = *view;
        for group in 0..Changed::GROUPS {
            for place in Changed::places(1 << group) {
                if self.bids >> group & 1 == 0 {
                    part.bids[place] = Level::default();
                }
                if self.asks >> group & 1 == 0 {
                    part.asks[place] = Level::default();
                }
            }
        }
        if !self.trades {
            (part.last, part.stats) = (BookView::EMPTY.last, BookView::EMPTY.stats);
        }
        part
    }

    /// The group of the level at this place of its side, the best being at 0; `None` behind those that are shown.
    #[inline]
    #[must_use]
    pub const fn group(place: u32) -> Option<u32> {
        if place < DEPTH as u32 { Some(place.div_ceil(3)) } else { None }
    }

    /// The places of a side that these groups span: from the first of the first group to the last of the last.
    #[inline]
    #[must_use]
    pub const fn places(groups: u8) -> core::ops::Range<usize> {
        let groups = groups & Changed::SIDE;
        if groups == 0 {
            return 0..0;
        }
        let first = groups.trailing_zeros() as usize;
        let last = groups.ilog2() as usize;
        first_place(first)..Changed::GROUP * last + 1
    }
}

const fn first_place(group: usize) -> usize {
    if group == 0 { 0 } else { Changed::GROUP * group - 2 }
}

const _: () = assert!(1 + (Changed::GROUPS - 1) * Changed::GROUP == DEPTH);

/// How many books have quotes on both sides, on one, on none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Quotes {
    /// Buyers and sellers.
    pub two_sided: u32,
    /// One of them.
    pub one_sided: u32,
    /// Neither.
    pub empty: u32,
}

impl Quotes {
    /// Counts a book, unless the venue says that its symbol does not trade: then no quote is missed. A
    /// level of size zero, or of price zero, is no quote.
    pub fn count(&mut self, book: &BookView) {
        if !matches!(book.trading_state, TradingState::Trading | TradingState::Unknown) {
            return;
        }
        let quote = |level: &Level| level.size != 0 && level.price != Price(0);
        let sides = [Side::Bid, Side::Ask].map(|side| book.levels(side).iter().any(quote));
        match sides {
            [true, true] => self.two_sided += 1,
            [false, false] => self.empty += 1,
            _ => self.one_sided += 1,
        }
    }

    /// Books with any quote.
    #[must_use]
    pub const fn quoted(&self) -> u32 {
        self.two_sided + self.one_sided
    }
}

impl Default for BookView {
    fn default() -> Self {
        BookView::EMPTY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_span_the_places_of_a_side() {
        for place in 0..DEPTH {
            let group = Changed::group(place as u32).unwrap();
            assert!(Changed::places(1 << group).contains(&place));
            assert_eq!((0..4).filter(|g| Changed::places(1 << g).contains(&place)).count(), 1);
        }
        assert_eq!(Changed::group(DEPTH as u32), None);
        assert_eq!(Changed::places(Changed::SIDE), 0..DEPTH);
        assert_eq!((Changed::places(0), Changed::places(0b1010)), (0..0, 1..DEPTH));
    }

    #[test]
    fn what_has_neither_price_nor_size_is_no_quote() {
        let level = |price, size| Level { price: Price(price), size, ..Level::default() };
        let book = |bid: Option<Level>, ask: Option<Level>| {
            let mut book = BookView { trading_state: TradingState::Trading, ..BookView::EMPTY };
            for (levels, count, level) in [
                (&mut book.bids, &mut book.bid_count, bid),
                (&mut book.asks, &mut book.ask_count, ask),
            ] {
                *count = u8::from(level.is_some());
                levels[0] = level.unwrap_or_default();
            }
            book
        };
        let good = Some(level(100, 5));
        let mut quotes = Quotes::default();
        quotes.count(&book(good, good));
        for side in [None, Some(level(100, 0)), Some(level(0, 5)), Some(level(0, 0))] {
            quotes.count(&book(good, side));
            quotes.count(&book(side, side));
        }
        assert_eq!(quotes, Quotes { two_sided: 1, one_sided: 4, empty: 4 });
        assert_eq!(quotes.quoted(), 5);
        quotes.count(&BookView { trading_state: TradingState::Halted, ..book(None, None) });
        assert_eq!(quotes.empty, 4, "nobody misses quotes of what is halted");
    }
}

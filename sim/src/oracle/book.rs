//! A symbol's book of ordered lists, and fingerprints of what a reader may be shown of it.

use candor_core::{BookView, Level, Side, Stats, Trade, TradingState};

/// Best levels a side that a reader is shown.
const SHOWN: usize = 10;

/// Fingerprints of what a book shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fingerprint {
    /// Levels of both sides and the trading state.
    pub book: u64,
    /// The last trade and the statistics of a whole session.
    pub trades: u64,
}

/// Words folded into one, in order.
#[derive(Clone, Copy)]
struct Fold(u64);

impl Fold {
    fn two(&mut self, a: u64, b: u64) {
        let wide = u128::from(a ^ self.0) * u128::from(b ^ 0x9e37_79b9_7f4a_7c15);
        self.0 = (wide as u64 ^ (wide >> 64) as u64).rotate_left(23) ^ 0xe703_7ed1_a0b4_28db;
    }

    fn level(&mut self, price: u64, size: u64, orders: u32) {
        self.two(price << 32 | u64::from(orders) ^ 0x1234_5678, size | 1 << 63);
    }

    fn side(&mut self, side: &[Rung], depth: usize) {
        for Rung { price, size, orders } in side.iter().rev().take(depth) {
            self.level(u64::from(*price), *size, *orders);
        }
    }
}

/// A price level.
#[derive(Clone, Copy, Debug)]
struct Rung {
    price: u32,
    size: u64,
    orders: u32,
}

/// One symbol, in the plainest way.
#[derive(Clone, Debug, Default)]
pub struct NaiveBook {
    /// Levels in order of their prices, the best one last: most of what happens, happens there.
    bids: Vec<Rung>,
    asks: Vec<Rung>,
    /// The trading state's number as readers see it while the venue has not halted it alone.
    pub state: u8,
    /// Whether the venue alone has halted it.
    pub halted: bool,
    /// Price, size, time and id of the last trade that counted.
    last: (u32, u32, u64, u64),
    /// Open, high, low.
    prices: Option<(u32, u32, u32)>,
    volume: u64,
    trades: u32,
    broken: u32,
}

impl NaiveBook {
    /// One side, and where in it a price is or would be.
    fn find(&mut self, buy: bool, price: u32) -> (&mut Vec<Rung>, Result<usize, usize>) {
        let side = if buy { &mut self.bids } else { &mut self.asks };
        let at = side.binary_search_by(|rung| match buy {
            true => rung.price.cmp(&price),
            false => price.cmp(&rung.price),
        });
        (side, at)
    }

    /// `size` more at a price, by one order.
    pub fn join(&mut self, buy: bool, price: u32, size: u32) {
        let (side, at) = self.find(buy, price);
        match at {
            Ok(at) => {
                side[at].size += u64::from(size);
                side[at].orders += 1;
            }
            Err(at) => side.insert(at, Rung { price, size: u64::from(size), orders: 1 }),
        }
    }

    /// `size` less at a price, and one order less where it `left`.
    pub fn leave(&mut self, buy: bool, price: u32, size: u32, left: bool) {
        let (side, Ok(at)) = self.find(buy, price) else { return };
        let level = &mut side[at];
        level.size = level.size.saturating_sub(u64::from(size));
        level.orders -= u32::from(left);
        if level.orders == 0 {
            side.remove(at);
        }
    }

    /// A level has this size from now on; none where it is 0. Of its orders nothing is said.
    pub fn set(&mut self, buy: bool, price: u32, size: u32) {
        let rung = Rung { price, size: u64::from(size), orders: 0 };
        match self.find(buy, price) {
            (side, Ok(at)) if size == 0 => _ = side.remove(at),
            (side, Ok(at)) => side[at] = rung,
            (_, Err(_)) if size == 0 => {}
            (side, Err(at)) => side.insert(at, rung),
        }
    }

    /// A trade that counts, at `time` of the venue; not every one is a last price.
    pub fn trade(&mut self, price: u32, size: u32, time: u64, id: u64, sets_last: bool) {
        if sets_last {
            self.last = (price, size, time, id);
            let (open, high, low) = self.prices.unwrap_or((price, price, price));
            self.prices = Some((open, high.max(price), low.min(price)));
        }
        self.volume += u64::from(size);
        self.trades += 1;
    }

    /// A trade is broken.
    pub fn unmake(&mut self, size: u32, counted: bool) {
        if counted {
            self.volume -= u64::from(size);
            self.trades -= 1;
        }
        self.broken += 1;
    }

    /// Whether a buyer's price is above a seller's. One that meets it is the venue's to match.
    #[must_use]
    pub fn is_crossed(&self) -> bool {
        match (self.bids.last(), self.asks.last()) {
            (Some(bid), Some(ask)) => bid.price > ask.price,
            _ => false,
        }
    }

    /// The trading state's number as readers see it.
    #[must_use]
    pub fn shown_state(&self) -> u8 {
        if self.halted { TradingState::OperationalHalt as u8 } else { self.state }
    }

    /// The fingerprint of levels and state.
    #[must_use]
    pub fn book_print(&self) -> u64 {
        let mut fold = Fold(u64::from(self.shown_state()));
        fold.side(&self.bids, SHOWN);
        fold.two(1, 2);
        fold.side(&self.asks, SHOWN);
        fold.0
    }

    /// The fingerprint of every level, however deep.
    #[must_use]
    pub fn depth_print(&self) -> u64 {
        let mut fold = Fold(3);
        fold.side(&self.bids, usize::MAX);
        fold.two(1, 2);
        fold.side(&self.asks, usize::MAX);
        fold.0
    }

    /// The fingerprint of last trade and statistics.
    #[must_use]
    pub fn trades_print(&self) -> u64 {
        let (price, size, time, id) = self.last;
        let (open, high, low) = self.prices.unwrap_or_default();
        let mut fold = Fold(7);
        fold.two(u64::from(price), u64::from(size));
        fold.two(time, id);
        fold.two(u64::from(open) << 32 | u64::from(high), u64::from(low));
        fold.two(self.volume, u64::from(self.trades) << 32 | u64::from(self.broken));
        fold.0
    }
}

fn levels(fold: &mut Fold, levels: impl IntoIterator<Item = Level>) {
    for level in levels {
        fold.level(level.price.0.cast_unsigned(), level.size, level.orders);
    }
}

/// The fingerprint of every level of a book, best first on each side.
#[must_use]
pub fn print_of_depth(
    bids: impl IntoIterator<Item = Level>,
    asks: impl IntoIterator<Item = Level>,
) -> u64 {
    let mut fold = Fold(3);
    levels(&mut fold, bids);
    fold.two(1, 2);
    levels(&mut fold, asks);
    fold.0
}

/// The fingerprint of a published view's levels and state.
#[must_use]
pub fn print_of_book(view: &BookView) -> u64 {
    let mut fold = Fold(view.trading_state as u64);
    levels(&mut fold, view.levels(Side::Bid).iter().copied());
    fold.two(1, 2);
    levels(&mut fold, view.levels(Side::Ask).iter().copied());
    fold.0
}

/// The fingerprint of a published view's last trade and statistics.
#[must_use]
pub fn print_of_trades(view: &BookView) -> u64 {
    let Trade { price, size, time, id } = view.last;
    let Stats { open, high, low, volume, trades, broken, .. } = view.stats;
    let bits = |price: candor_core::Price| price.0.cast_unsigned();
    let mut fold = Fold(7);
    fold.two(bits(price), size);
    fold.two(time.0, id);
    fold.two(bits(open) << 32 | bits(high), bits(low));
    fold.two(volume, u64::from(trades) << 32 | u64::from(broken));
    fold.0
}

/// The number readers see for a trading state's letter.
#[must_use]
pub fn state_of(letter: u8) -> u8 {
    match letter {
        b'T' => TradingState::Trading as u8,
        b'H' => TradingState::Halted as u8,
        b'P' => TradingState::Paused as u8,
        b'Q' => TradingState::QuoteOnly as u8,
        _ => TradingState::Unknown as u8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_tell_books_apart() {
        let mut book = NaiveBook::default();
        let empty = book.book_print();
        assert_eq!(empty, print_of_book(&BookView::EMPTY));
        assert_eq!(book.trades_print(), print_of_trades(&BookView::EMPTY));
        book.join(true, 100, 5);
        let bid = book.book_print();
        book.join(false, 101, 5);
        let both = book.book_print();
        book.leave(true, 100, 5, true);
        let ask = book.book_print();
        let prints = [empty, bid, both, ask];
        for (n, one) in prints.iter().enumerate() {
            assert!(!prints[..n].contains(one));
        }
        book.leave(false, 101, 5, true);
        assert_eq!(book.book_print(), empty);
        book.set(true, 100, 5);
        assert_ne!(book.book_print(), bid, "levels have no orders");
        book.set(true, 100, 0);
        assert_eq!(book.book_print(), empty);
        book.halted = true;
        assert_ne!(book.book_print(), empty);
        book.trade(3, 4, 5, 6, false);
        let counted = book.trades_print();
        book.trade(3, 4, 5, 6, true);
        assert_ne!(book.trades_print(), counted);
        assert_ne!(book.trades_print(), print_of_trades(&BookView::EMPTY));
    }
}

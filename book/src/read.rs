//! What can be read of the books, and the rules they must obey.

use candor_core::limits::DEPTH;
use candor_core::{BookView, Changed, Level, Price, Side, SymbolIndex, TradingState};

use crate::books::{Books, NO_LEVEL, Store};
use crate::levels::{self, Levels, key_of, price_of, side_of};
use crate::orders::{Orders, Slot};
use crate::summary::Summary;
use crate::types::Resting;

impl Books {
    /// Writes the symbol's view: ten levels a side, last trade, states, statistics. What lies behind
    /// the levels there are is zero.
    ///
    /// # Panics
    /// When the symbol was not given out by [`Books::add_symbol`].
    #[inline]
    pub fn view(&self, symbol: SymbolIndex, view: &mut BookView) {
        assert!(symbol.0 < self.symbols, "a symbol that was never added");
        self.summaries[symbol.0 as usize].write(view);
        view.decimals = self.decimals;
        view.bid_count = self.write_side(symbol, Side::Bid, &mut view.bids);
        view.ask_count = self.write_side(symbol, Side::Ask, &mut view.asks);
    }

    /// What of the symbol's view may differ from what it was when this was asked last. Whoever asks shows it.
    ///
    /// # Panics
    /// When the symbol was not given out by [`Books::add_symbol`].
    #[inline]
    pub fn take_changed(&mut self, symbol: SymbolIndex) -> Changed {
        assert!(symbol.0 < self.symbols, "a symbol that was never added");
        let trades = self.summaries[symbol.0 as usize].take_changed();
        let [bids, asks] = [Side::Bid, Side::Ask].map(|side| match &mut self.store {
            Store::ByOrder { levels, .. } | Store::ByLevel { levels } => {
                levels.take_changed(side_of(symbol.0, side))
            }
            Store::Quotes { .. } => Changed::SIDE,
        });
        let far = if candor_core::canary!(ChangeUnnoted) { 0b100 } else { 0 };
        Changed { bids, asks: asks & !far, trades }
    }

    /// Writes of the symbol's view what is among `changed`, and what may always differ: the last message's number and
    /// time, the counts of levels, states. The rest is left as it is.
    ///
    /// # Panics
    /// When the symbol was not given out by [`Books::add_symbol`].
    #[inline]
    pub fn view_changed(&self, symbol: SymbolIndex, view: &mut BookView, changed: Changed) {
        assert!(symbol.0 < self.symbols, "a symbol that was never added");
        let (Store::ByOrder { levels, .. } | Store::ByLevel { levels }) = &self.store else {
            return self.view(symbol, view);
        };
        let summary = &self.summaries[symbol.0 as usize];
        if changed.trades {
            summary.write(view);
        } else {
            summary.write_states(view);
        }
        view.decimals = self.decimals;
        let part = |side, groups, out: &mut [Level; DEPTH]| {
            let side = side_of(symbol.0, side);
            let places = Changed::places(groups);
            let out = &mut out[places.clone()];
            if !out.is_empty() {
                let written = levels.write(side, places.start, out);
                out[written..].fill(NO_LEVEL);
            }
            levels.len(side).min(DEPTH as u32) as u8
        };
        view.bid_count = part(Side::Bid, changed.bids, &mut view.bids);
        view.ask_count = part(Side::Ask, changed.asks, &mut view.asks);
    }

    #[inline]
    fn write_side(&self, symbol: SymbolIndex, side: Side, out: &mut [Level]) -> u8 {
        let side = side_of(symbol.0, side);
        let written = match &self.store {
            Store::ByOrder { levels, .. } | Store::ByLevel { levels } => levels.write(side, 0, out),
            Store::Quotes { quotes } => {
                out[0] = quotes[side as usize];
                usize::from(out[0].size > 0)
            }
        };
        out[written..].fill(NO_LEVEL);
        written as u8
    }

    /// The best level of a side; `None` when it is empty.
    ///
    /// # Panics
    /// When the symbol was not given out by [`Books::add_symbol`].
    #[inline]
    #[must_use]
    pub fn best(&self, symbol: SymbolIndex, side: Side) -> Option<Level> {
        assert!(symbol.0 < self.symbols, "a symbol that was never added");
        let side = side_of(symbol.0, side);
        match &self.store {
            Store::ByOrder { levels, .. } | Store::ByLevel { levels } => levels.best(side),
            Store::Quotes { quotes } => Some(quotes[side as usize]).filter(|quote| quote.size > 0),
        }
    }

    /// The best price of a side, which is known without its level; `None` when it is empty.
    ///
    /// # Panics
    /// When the symbol was not given out by [`Books::add_symbol`].
    #[inline]
    #[must_use]
    pub fn best_price(&self, symbol: SymbolIndex, side: Side) -> Option<Price> {
        assert!(symbol.0 < self.symbols, "a symbol that was never added");
        let side = side_of(symbol.0, side);
        match &self.store {
            Store::ByOrder { levels, .. } | Store::ByLevel { levels } => {
                levels.best_key(side).map(|key| price_of(key, side as usize))
            }
            Store::Quotes { quotes } => {
                Some(quotes[side as usize]).filter(|quote| quote.size > 0).map(|quote| quote.price)
            }
        }
    }

    /// The order that rests under this id; `None` where none does, and in books that know none.
    #[must_use]
    pub fn resting(&self, order: u64) -> Option<Resting> {
        let Store::ByOrder { orders, .. } = &self.store else { return None };
        let Slot::Found(slot) = orders.find(order) else { return None };
        let found = orders.at(slot, order);
        let (symbol, side) = (found.symbol(), found.book_side());
        Some(Resting { symbol, side, price: found.price(), size: found.size })
    }

    /// The total size of the level at this price; zero where there is none, as at a price below zero.
    ///
    /// # Panics
    /// When the symbol was not given out by [`Books::add_symbol`].
    #[must_use]
    pub fn size_at(&self, symbol: SymbolIndex, side: Side, price: Price) -> u64 {
        assert!(symbol.0 < self.symbols, "a symbol that was never added");
        match &self.store {
            _ if price.0 < 0 => 0,
            Store::ByOrder { levels, .. } | Store::ByLevel { levels } => {
                levels.size_at(side_of(symbol.0, side), key_of(price, side))
            }
            Store::Quotes { quotes } => {
                let quote = quotes[side_of(symbol.0, side) as usize];
                if quote.price == price { quote.size } else { 0 }
            }
        }
    }

    /// Whether the venue lets the symbol trade; what its view shows.
    ///
    /// # Panics
    /// When the symbol was not given out by [`Books::add_symbol`].
    #[inline]
    #[must_use]
    pub fn trading_state(&self, symbol: SymbolIndex) -> TradingState {
        assert!(symbol.0 < self.symbols, "a symbol that was never added");
        self.summaries[symbol.0 as usize].trading_state()
    }

    /// Whether the best bid is above the best offer.
    #[inline]
    #[must_use]
    pub fn is_crossed(&self, symbol: SymbolIndex) -> bool {
        match (self.best_price(symbol, Side::Bid), self.best_price(symbol, Side::Ask)) {
            (Some(bid), Some(ask)) => bid > ask,
            _ => false,
        }
    }

    /// Whether the best bid is at the best offer.
    #[inline]
    #[must_use]
    pub fn is_locked(&self, symbol: SymbolIndex) -> bool {
        match (self.best_price(symbol, Side::Bid), self.best_price(symbol, Side::Ask)) {
            (Some(bid), Some(ask)) => bid == ask,
            _ => false,
        }
    }

    /// Every level of a side, best first.
    ///
    /// # Panics
    /// When the symbol was not given out by [`Books::add_symbol`].
    pub fn levels(&self, symbol: SymbolIndex, side: Side) -> impl Iterator<Item = Level> + '_ {
        assert!(symbol.0 < self.symbols, "a symbol that was never added");
        let side = side_of(symbol.0, side);
        let (tree, quote): (Option<levels::Iter<'_>>, _) = match &self.store {
            Store::ByOrder { levels, .. } | Store::ByLevel { levels } => {
                (Some(levels.iter(side)), None)
            }
            Store::Quotes { quotes } => (None, Some(quotes[side as usize])),
        };
        tree.into_iter().flatten().chain(quote.filter(|quote| quote.size > 0))
    }

    /// Asserts every rule the tables obey. For tests and the simulator: it reads everything, and
    /// allocates.
    ///
    /// # Panics
    /// When a rule is broken.
    pub fn check(&self) {
        assert!(self.symbols as usize <= self.summaries.len());
        self.summaries.iter().for_each(Summary::check);
        assert!(self.summaries[self.symbols as usize..].iter().all(|s| *s == Summary::EMPTY));
        self.trades.check();
        match &self.store {
            Store::ByOrder { orders, levels } => {
                orders.check();
                levels.check();
                check_sums(orders, levels, self.symbols * 2);
            }
            Store::ByLevel { levels } => levels.check(),
            Store::Quotes { quotes } => {
                assert!(quotes.iter().all(|quote| quote.size > 0 || *quote == NO_LEVEL));
            }
        }
    }
}

/// Every level is the sum of its orders, and every order is in a level.
fn check_sums(orders: &Orders, levels: &Levels, sides: u32) {
    let mut resting: Vec<_> = orders.iter().map(|o| (o.side, o.key, u64::from(o.size))).collect();
    resting.sort_unstable();
    let sums: Vec<_> = resting
        .chunk_by(|a, b| (a.0, a.1) == (b.0, b.1))
        .map(|level| {
            let size = level.iter().map(|order| order.2).sum::<u64>();
            (level[0].0, level[0].1, size, level.len() as u32)
        })
        .collect();
    let held = (0..sides).flat_map(|side| {
        let book_side = if side % 2 == 0 { Side::Bid } else { Side::Ask };
        let key = move |level: &Level| key_of(level.price, book_side);
        levels.iter(side).map(move |level| (side, key(&level), level.size, level.orders))
    });
    assert!(held.eq(sums), "levels differ from the sum of their orders");
}

//! The same books once more, as plainly as the rules can be written, to check the real ones against.
//!
//! Shares no code with them but the types of their entry points. Slow, and it grows with the session: every
//! trade is kept and summed up again when asked. For tests and the simulator only.

use std::collections::BTreeMap;

use candor_core::limits::DEPTH;
use candor_core::{
    BookView, Decimals, Event, Level, Message, Price, SeqNo, Side, Stats, SymbolIndex, Trade,
    TradingState, WireTime,
};

use crate::{Capacity, Change, Fault, Resting, Shape};

/// A price level's name: symbol, side, price.
type Place = (u32, Side, i64);

/// Naive books of every symbol of a partition.
#[derive(Clone, Debug)]
pub struct Books {
    shape: Shape,
    capacity: Capacity,
    decimals: Decimals,
    symbols: Vec<Known>,
    /// Where each order rests.
    orders: BTreeMap<u64, Place>,
    /// The sizes at each level by order. Levels not made of orders have one entry, under id 0.
    levels: BTreeMap<Place, BTreeMap<u64, u32>>,
    /// All trades of the session, of all symbols.
    trades: Vec<Traded>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    seq: u64,
    time: WireTime,
    trading: TradingState,
    halted: bool,
    round_lot: u32,
    /// Behind which number the statistics begin.
    forgotten: u64,
}

#[derive(Clone, Copy, Debug)]
struct Traded {
    symbol: u32,
    trade: Trade,
    sets_last: bool,
    counts: bool,
    broken: bool,
    /// Forgotten with its symbol's book.
    erased: bool,
}

fn demand(holds: bool, otherwise: Fault) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(otherwise) }
}

impl Books {
    /// Empty books for no symbol yet.
    #[must_use]
    pub fn new(shape: Shape, capacity: Capacity, decimals: Decimals) -> Books {
        Books {
            shape,
            capacity,
            decimals,
            symbols: Vec::new(),
            orders: BTreeMap::new(),
            levels: BTreeMap::new(),
            trades: Vec::new(),
        }
    }

    /// Takes another symbol into use; `None` when as many as the capacity allows are.
    pub fn add_symbol(&mut self) -> Option<SymbolIndex> {
        if self.symbols.len() == self.capacity.symbols {
            return None;
        }
        self.symbols.push(Known::default());
        Some(SymbolIndex(self.symbols.len() as u32 - 1))
    }

    /// Symbols in use.
    #[must_use]
    pub fn symbols(&self) -> usize {
        self.symbols.len()
    }

    /// Orders that rest, of all symbols.
    #[must_use]
    pub fn order_count(&self) -> usize {
        self.orders.len()
    }

    /// Price levels, of all symbols and sides.
    #[must_use]
    pub fn level_count(&self) -> usize {
        self.levels.len()
    }

    /// Applies a message about this symbol and says what it changed.
    ///
    /// # Errors
    /// The [`Fault`] if the message can't be applied; then nothing changed.
    pub fn apply(
        &mut self,
        symbol: SymbolIndex,
        seq: SeqNo,
        message: &Message,
    ) -> Result<Change, Fault> {
        let change = self.change(symbol.0, message)?;
        if change.book || change.trade || change.state {
            let known = &mut self.symbols[symbol.0 as usize];
            known.seq = seq.0;
            known.time = message.time;
        }
        Ok(change)
    }

    fn change(&mut self, symbol: u32, message: &Message) -> Result<Change, Fault> {
        match message.event {
            Event::Add { .. }
            | Event::Execute { .. }
            | Event::Reduce { .. }
            | Event::Delete { .. }
            | Event::Replace { .. } => self.change_order(symbol, message),
            Event::SetLevel { .. } | Event::Quote { .. } | Event::Clear => {
                self.change_level(symbol, &message.event)
            }
            _ => self.change_beside_the_book(symbol, message),
        }
    }

    fn change_order(&mut self, symbol: u32, message: &Message) -> Result<Change, Fault> {
        let mut change = Change::NONE;
        match message.event {
            Event::Add { order, side, price, size } => {
                self.demand_shape(Shape::ByOrder)?;
                demand(price.0 >= 0, Fault::BadPrice)?;
                demand(size > 0, Fault::BadSize)?;
                self.demand_free(order)?;
                demand(self.orders.len() < self.capacity.orders, Fault::OrdersFull)?;
                let place = (symbol, side, price.0);
                self.demand_room(&[], place)?;
                self.put(order, place, size);
                change.book = true;
            }
            Event::Execute { order, size, trade, price, printable } => {
                self.demand_shape(Shape::ByOrder)?;
                demand(price.is_none_or(|price| price.0 >= 0), Fault::BadPrice)?;
                demand(size > 0, Fault::BadSize)?;
                let place = self.demand_resting(symbol, order)?;
                demand(size <= self.levels[&place][&order], Fault::BadSize)?;
                let price = price.unwrap_or(Price(place.2));
                let trade = Trade { price, size: size.into(), time: message.time, id: trade };
                change.trade = self.trade(symbol, trade, printable, printable)?;
                self.shrink(order, size);
                change.book = true;
            }
            Event::Reduce { order, size } => {
                self.demand_shape(Shape::ByOrder)?;
                demand(size > 0, Fault::BadSize)?;
                let place = self.demand_resting(symbol, order)?;
                demand(size <= self.levels[&place][&order], Fault::BadSize)?;
                self.shrink(order, size);
                change.book = true;
            }
            Event::Delete { order } => {
                self.demand_shape(Shape::ByOrder)?;
                self.demand_resting(symbol, order)?;
                self.pull(order);
                change.book = true;
            }
            Event::Replace { order, new_order, price, size } => {
                self.demand_shape(Shape::ByOrder)?;
                demand(price.0 >= 0, Fault::BadPrice)?;
                demand(size > 0, Fault::BadSize)?;
                let old = self.demand_resting(symbol, order)?;
                if new_order != order {
                    self.demand_free(new_order)?;
                }
                let new = (symbol, old.1, price.0);
                let going: &[Place] = if self.levels[&old].len() == 1 { &[old] } else { &[] };
                self.demand_room(going, new)?;
                self.pull(order);
                self.put(new_order, new, size);
                change.book = true;
            }
            _ => {}
        }
        Ok(change)
    }

    fn change_level(&mut self, symbol: u32, event: &Event) -> Result<Change, Fault> {
        let mut change = Change::NONE;
        match *event {
            Event::SetLevel { side, price, size, complete } => {
                self.demand_shape(Shape::ByLevel)?;
                demand(price.0 >= 0, Fault::BadPrice)?;
                let place = (symbol, side, price.0);
                let before = self.levels.get(&place).cloned();
                if size == 0 {
                    self.levels.remove(&place);
                } else {
                    self.demand_room(&[], place)?;
                    self.levels.insert(place, BTreeMap::from([(0, size)]));
                }
                change.book = self.levels.get(&place) != before.as_ref();
                change.open = !complete;
            }
            Event::Quote { bid_price, bid_size, ask_price, ask_size } => {
                self.demand_shape(Shape::Quotes)?;
                demand(bid_size == 0 || bid_price.0 >= 0, Fault::BadPrice)?;
                demand(ask_size == 0 || ask_price.0 >= 0, Fault::BadPrice)?;
                let before = self.levels.clone();
                self.clear_symbol(SymbolIndex(symbol));
                for (side, price, size) in
                    [(Side::Bid, bid_price, bid_size), (Side::Ask, ask_price, ask_size)]
                {
                    if size > 0 {
                        let level = BTreeMap::from([(0, size)]);
                        self.levels.insert((symbol, side, price.0), level);
                    }
                }
                change.book = self.levels != before;
            }
            Event::Clear => {
                change.book = self.levels.keys().any(|place| place.0 == symbol);
                self.clear_symbol(SymbolIndex(symbol));
            }
            _ => {}
        }
        Ok(change)
    }

    fn change_beside_the_book(&mut self, symbol: u32, message: &Message) -> Result<Change, Fault> {
        let mut change = Change::NONE;
        match message.event {
            Event::Trade { price, size, trade, sets_last, counts } if size > 0 => {
                demand(price.0 >= 0, Fault::BadPrice)?;
                let trade = Trade { price, size, time: message.time, id: trade };
                change.trade = self.trade(symbol, trade, sets_last, counts)?;
            }
            Event::TradeBreak { trade } => {
                let forgotten = self.trades.len().saturating_sub(self.capacity.trades);
                let broken = self.trades[forgotten..].iter_mut().rev().find(|traded| {
                    let unbroken = !traded.broken && !traded.erased;
                    traded.symbol == symbol && traded.trade.id == trade && unbroken
                });
                change.trade = broken.is_some();
                change.unmatched = broken.is_none();
                if let Some(traded) = broken {
                    traded.broken = true;
                }
            }
            Event::Trading { state, .. } => {
                let known = &mut self.symbols[symbol as usize];
                change.state = known.trading != state;
                known.trading = state;
            }
            Event::OperationalHalt { halted } => {
                let known = &mut self.symbols[symbol as usize];
                change.state = known.halted != halted;
                known.halted = halted;
            }
            Event::Definition { round_lot, .. } => {
                if round_lot != 0 {
                    self.symbols[symbol as usize].round_lot = round_lot;
                }
                change.state = true;
            }
            _ => {}
        }
        Ok(change)
    }

    fn demand_shape(&self, shape: Shape) -> Result<(), Fault> {
        demand(self.shape == shape, Fault::WrongShape)
    }

    fn demand_free(&self, order: u64) -> Result<(), Fault> {
        match self.orders.get(&order) {
            None => Ok(()),
            Some(place) => Err(Fault::DuplicateOrder { owner: SymbolIndex(place.0) }),
        }
    }

    fn demand_resting(&self, symbol: u32, order: u64) -> Result<Place, Fault> {
        let place = *self.orders.get(&order).ok_or(Fault::UnknownOrder)?;
        demand(place.0 == symbol, Fault::WrongSymbol { owner: SymbolIndex(place.0) })?;
        Ok(place)
    }

    /// There is room for a level at this place once those at `going` have gone.
    fn demand_room(&self, going: &[Place], place: Place) -> Result<(), Fault> {
        let mut after: usize = self.levels.len() - going.len();
        if !self.levels.contains_key(&place) || going.contains(&place) {
            after += 1;
        }
        demand(after <= self.capacity.levels, Fault::LevelsFull)
    }

    fn put(&mut self, order: u64, place: Place, size: u32) {
        self.orders.insert(order, place);
        self.levels.entry(place).or_default().insert(order, size);
    }

    fn pull(&mut self, order: u64) {
        let Some(place) = self.orders.remove(&order) else { return };
        let Some(level) = self.levels.get_mut(&place) else { return };
        level.remove(&order);
        if level.is_empty() {
            self.levels.remove(&place);
        }
    }

    fn shrink(&mut self, order: u64, by: u32) {
        let place = self.orders[&order];
        let left = self.levels[&place][&order] - by;
        self.pull(order);
        if left > 0 {
            self.put(order, place, left);
        }
    }

    fn trade(
        &mut self,
        symbol: u32,
        trade: Trade,
        sets_last: bool,
        counts: bool,
    ) -> Result<bool, Fault> {
        let volume = u128::from(self.stats(symbol).volume) + u128::from(trade.size);
        demand(!counts || volume <= u128::from(u64::MAX), Fault::BadSize)?;
        self.trades.push(Traded { symbol, trade, sets_last, counts, broken: false, erased: false });
        Ok(sets_last || counts)
    }

    fn traded(&self, symbol: u32) -> impl Iterator<Item = &Traded> {
        self.trades.iter().filter(move |traded| traded.symbol == symbol && !traded.erased)
    }

    fn stats(&self, symbol: u32) -> Stats {
        let priced = || self.traded(symbol).filter(|traded| traded.sets_last);
        let prices = || priced().map(|traded| traded.trade.price);
        let counted = || self.traded(symbol).filter(|traded| traded.counts && !traded.broken);
        Stats {
            open: prices().next().unwrap_or_default(),
            high: prices().max().unwrap_or_default(),
            low: prices().min().unwrap_or_default(),
            volume: counted().map(|traded| traded.trade.size).sum(),
            trades: counted().count() as u32,
            broken: self.traded(symbol).filter(|traded| traded.broken).count() as u32,
            since: self.symbols[symbol as usize].forgotten + 1,
        }
    }

    /// The symbol's view.
    #[must_use]
    pub fn view(&self, symbol: SymbolIndex) -> BookView {
        let known = self.symbols[symbol.0 as usize];
        let mut view = BookView::EMPTY;
        view.seq = known.seq;
        view.time = known.time;
        view.trading_state =
            if known.halted { TradingState::OperationalHalt } else { known.trading };
        view.round_lot = known.round_lot;
        view.decimals = self.decimals;
        view.stats = self.stats(symbol.0);
        let last = self.traded(symbol.0).filter(|traded| traded.sets_last).last();
        view.last = last.map(|traded| traded.trade).unwrap_or_default();
        for (at, level) in self.levels(symbol, Side::Bid).into_iter().take(DEPTH).enumerate() {
            view.bids[at] = level;
            view.bid_count += 1;
        }
        for (at, level) in self.levels(symbol, Side::Ask).into_iter().take(DEPTH).enumerate() {
            view.asks[at] = level;
            view.ask_count += 1;
        }
        view
    }

    /// The order that rests under this id.
    #[must_use]
    pub fn resting(&self, order: u64) -> Option<Resting> {
        let place = *self.orders.get(&order)?;
        let size = *self.levels.get(&place)?.get(&order)?;
        Some(Resting { symbol: SymbolIndex(place.0), side: place.1, price: Price(place.2), size })
    }

    /// Every level of a side, best first.
    #[must_use]
    pub fn levels(&self, symbol: SymbolIndex, side: Side) -> Vec<Level> {
        let places = (symbol.0, side, i64::MIN)..=(symbol.0, side, i64::MAX);
        let rising = self.levels.range(places).map(|(place, level)| Level {
            price: Price(place.2),
            size: level.values().map(|size| u64::from(*size)).sum(),
            orders: if self.shape == Shape::ByOrder { level.len() as u32 } else { 0 },
            reserved: 0,
        });
        match side {
            Side::Bid => rising.rev().collect(),
            Side::Ask => rising.collect(),
        }
    }

    /// The best level of a side; `None` when it is empty.
    #[must_use]
    pub fn best(&self, symbol: SymbolIndex, side: Side) -> Option<Level> {
        self.levels(symbol, side).first().copied()
    }

    /// Empties the symbol's book and nothing else.
    pub fn clear_symbol(&mut self, symbol: SymbolIndex) {
        self.orders.retain(|_, place| place.0 != symbol.0);
        self.levels.retain(|place, _| place.0 != symbol.0);
    }

    /// Forgets one symbol's book, trades, statistics and state.
    pub fn restart_symbol(&mut self, symbol: SymbolIndex) {
        self.clear_symbol(symbol);
        for traded in self.trades.iter_mut().filter(|traded| traded.symbol == symbol.0) {
            traded.erased = true;
        }
        self.symbols[symbol.0 as usize] = Known::default();
    }

    /// The symbol is as of the number before `since`; its statistics begin there.
    pub fn cover(&mut self, symbol: SymbolIndex, since: SeqNo) {
        let known = &mut self.symbols[symbol.0 as usize];
        known.seq = since.0 - 1;
        known.forgotten = known.seq;
    }

    /// Begins a new session: nothing is known of any symbol any more but that it exists.
    pub fn reset(&mut self) {
        self.orders.clear();
        self.levels.clear();
        self.trades.clear();
        self.symbols.fill(Known::default());
    }
}

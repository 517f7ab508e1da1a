//! The books of one partition, and how each event changes them.

use candor_core::{Decimals, Event, Level, Message, Price, SeqNo, Side, SymbolIndex, Trade};

use crate::levels::{Levels, key_of, side_of};
use crate::orders::{Orders, Slot};
use crate::summary::Summary;
use crate::trades::Trades;
use crate::{Capacity, Change, Fault, Shape};

/// The books of every symbol of a partition.
#[derive(Debug)]
pub struct Books {
    pub(crate) store: Store,
    pub(crate) summaries: Box<[Summary]>,
    pub(crate) trades: Trades,
    /// Symbols in use.
    pub(crate) symbols: u32,
    pub(crate) decimals: Decimals,
}

/// What each shape keeps.
#[derive(Debug)]
pub(crate) enum Store {
    ByOrder {
        orders: Orders,
        levels: Levels,
    },
    ByLevel {
        levels: Levels,
    },
    /// By side; size zero is "none".
    Quotes {
        quotes: Box<[Level]>,
    },
}

/// No quote.
pub(crate) const NO_LEVEL: Level = Level { price: Price(0), size: 0, orders: 0, reserved: 0 };

impl Books {
    /// Empty books for no symbol yet. Allocates everything, and writes it, so that no page is first
    /// touched during the day: 32 bytes a slot of the order table (two fifths more than
    /// orders) and half as much as a slot for each order in its ring, 16 MiB at most; 160 bytes a level, of which there
    /// are no more than orders, at most 2,400 a symbol, 24 a trade. With the limits of `candor_core` and 16,384 symbols that is 199 MB.
    ///
    /// # Panics
    /// When a capacity is beyond what [`Capacity`] says.
    #[must_use]
    pub fn new(shape: Shape, capacity: Capacity, decimals: Decimals) -> Books {
        let Capacity { symbols, orders, levels, trades } = capacity;
        assert!(symbols < 1 << 31, "capacity: sides are counted in 32 bits");
        let store = match shape {
            Shape::ByOrder => Store::ByOrder {
                orders: Orders::new(orders, symbols),
                levels: Levels::of_orders(levels, orders, symbols),
            },
            Shape::ByLevel => Store::ByLevel { levels: Levels::new(levels, symbols) },
            Shape::Quotes => Store::Quotes { quotes: vec![NO_LEVEL; symbols * 2].into() },
        };
        Books {
            store,
            summaries: vec![Summary::EMPTY; symbols].into(),
            trades: Trades::new(trades),
            symbols: 0,
            decimals,
        }
    }

    /// Takes another symbol into use, with an empty book. `None` when [`Capacity::symbols`] are.
    pub fn add_symbol(&mut self) -> Option<SymbolIndex> {
        if self.symbols as usize == self.summaries.len() {
            return None;
        }
        self.symbols += 1;
        Some(SymbolIndex(self.symbols - 1))
    }

    /// Symbols in use.
    #[must_use]
    pub fn symbols(&self) -> usize {
        self.symbols as usize
    }

    /// Orders that rest, of all symbols; zero in other shapes than by order.
    #[must_use]
    pub fn order_count(&self) -> usize {
        match &self.store {
            Store::ByOrder { orders, .. } => orders.live(),
            Store::ByLevel { .. } | Store::Quotes { .. } => 0,
        }
    }

    /// Price levels, of all symbols and sides.
    #[must_use]
    pub fn level_count(&self) -> usize {
        match &self.store {
            Store::ByOrder { levels, .. } | Store::ByLevel { levels } => levels.count(),
            Store::Quotes { quotes } => quotes.iter().filter(|quote| quote.size > 0).count(),
        }
    }

    /// Applies a message about this symbol and says what it changed.
    ///
    /// # Errors
    /// The [`Fault`] if the message can't be applied; then nothing changed.
    ///
    /// # Panics
    /// When the symbol was not given out by [`Books::add_symbol`], or a table contradicts another:
    /// both are broken invariants of ours, and no message can cause them.
    #[inline]
    pub fn apply(
        &mut self,
        symbol: SymbolIndex,
        seq: SeqNo,
        message: &Message,
    ) -> Result<Change, Fault> {
        assert!(symbol.0 < self.symbols, "a symbol that was never added");
        let change = self.change(symbol, message)?;
        if change.any() {
            self.summaries[symbol.0 as usize].changed_by(seq, message.time);
        }
        Ok(change)
    }

    #[inline]
    fn change(&mut self, symbol: SymbolIndex, message: &Message) -> Result<Change, Fault> {
        let book = Change { book: true, ..Change::NONE };
        match message.event {
            Event::Add { order, side, price, size } => {
                self.add(symbol, order, side, price, size).map(|()| book)
            }
            Event::Execute { order, size, trade, price, printable } => {
                let traded = self.execute(symbol, order, size, price, printable)?;
                let trade =
                    Trade { price: traded, size: size.into(), time: message.time, id: trade };
                Ok(Change { trade: self.trade(symbol, trade, printable, printable), ..book })
            }
            Event::Reduce { order, size } => self.reduce(symbol, order, size).map(|()| book),
            Event::Delete { order } => self.delete(symbol, order).map(|()| book),
            Event::Replace { order, new_order, price, size } => {
                self.replace(symbol, order, new_order, price, size).map(|()| book)
            }
            Event::SetLevel { side, price, size, complete } => {
                let changed = self.set_level(symbol, side, price, size)?;
                Ok(Change { book: changed, open: !complete, ..Change::NONE })
            }
            Event::Quote { bid_price, bid_size, ask_price, ask_size } => {
                let changed = self.quote(symbol, (bid_price, bid_size), (ask_price, ask_size))?;
                Ok(Change { book: changed, ..Change::NONE })
            }
            Event::Clear => {
                let had = !self.is_empty(symbol);
                self.clear_symbol(symbol);
                Ok(Change { book: had, ..Change::NONE })
            }
            Event::Trade { price, size, trade, sets_last, counts } => {
                if size == 0 {
                    return Ok(Change::NONE);
                }
                not_negative(price)?;
                self.summaries[symbol.0 as usize].can_count(size, counts)?;
                let trade = Trade { price, size, time: message.time, id: trade };
                let changed = self.trade(symbol, trade, sets_last, counts);
                Ok(Change { trade: changed, ..Change::NONE })
            }
            Event::TradeBreak { trade } => Ok(self.break_trade(symbol, trade)),
            Event::Definition { .. } | Event::Trading { .. } | Event::OperationalHalt { .. } => {
                Ok(Change { state: self.state(symbol, &message.event), ..Change::NONE })
            }
            Event::System(_)
            | Event::Auction { .. }
            | Event::OfficialPrice { .. }
            | Event::Bands { .. }
            | Event::ShortSale { .. }
            | Event::Notice
            | Event::Unknown => Ok(Change::NONE),
        }
    }

    #[inline]
    fn add(
        &mut self,
        symbol: SymbolIndex,
        order: u64,
        side: Side,
        price: Price,
        size: u32,
    ) -> Result<(), Fault> {
        let (orders, levels) = by_order(&mut self.store)?;
        not_negative(price)?;
        not_zero(size)?;
        orders.sweep();
        let slot = vacant(orders, order)?;
        if orders.is_full() {
            return Err(Fault::OrdersFull);
        }
        let (key, side) = (key_of(price, side), side_of(symbol.0, side));
        let leaf = levels.join(side, key, size).map_err(|_| Fault::LevelsFull)?;
        orders.insert(slot, order, side, key, size, leaf);
        Ok(())
    }

    /// Takes what traded off the order and the book; the price it traded at.
    #[inline]
    fn execute(
        &mut self,
        symbol: SymbolIndex,
        order: u64,
        size: u32,
        price: Option<Price>,
        counts: bool,
    ) -> Result<Price, Fault> {
        let (orders, levels) = by_order(&mut self.store)?;
        price.map_or(Ok(()), not_negative)?;
        not_zero(size)?;
        let slot = resting(orders, symbol, order)?;
        let resting = orders.at(slot, order);
        let own = resting.price();
        if size > resting.size {
            return Err(Fault::BadSize);
        }
        self.summaries[symbol.0 as usize].can_count(size.into(), counts)?;
        shrink(orders, levels, slot, order, size);
        Ok(price.unwrap_or(own))
    }

    #[inline]
    fn reduce(&mut self, symbol: SymbolIndex, order: u64, size: u32) -> Result<(), Fault> {
        let (orders, levels) = by_order(&mut self.store)?;
        not_zero(size)?;
        let slot = resting(orders, symbol, order)?;
        if size > orders.at(slot, order).size {
            return Err(Fault::BadSize);
        }
        shrink(orders, levels, slot, order, size);
        Ok(())
    }

    #[inline]
    fn delete(&mut self, symbol: SymbolIndex, order: u64) -> Result<(), Fault> {
        let (orders, levels) = by_order(&mut self.store)?;
        let slot = resting(orders, symbol, order)?;
        let size = orders.at(slot, order).size;
        shrink(orders, levels, slot, order, size);
        Ok(())
    }

    fn replace(
        &mut self,
        symbol: SymbolIndex,
        order: u64,
        new_order: u64,
        price: Price,
        size: u32,
    ) -> Result<(), Fault> {
        let (orders, levels) = by_order(&mut self.store)?;
        not_negative(price)?;
        not_zero(size)?;
        orders.sweep();
        let slot = resting(orders, symbol, order)?;
        if new_order != order {
            vacant(orders, new_order)?;
        }
        let old = orders.at(slot, order);
        let key = key_of(price, old.book_side());
        // The old order goes first: it may be the one that makes room for the new level. If there is no
        // room its own level is still there, as its going made none, and takes it back.
        levels.take(old.side, old.key, old.size, true, old.leaf);
        let Ok(leaf) = levels.join(old.side, key, size) else {
            let back = levels.join(old.side, old.key, old.size);
            assert!(back.is_ok(), "the level of a failed replacement is gone");
            return Err(Fault::LevelsFull);
        };
        orders.remove(slot);
        // Removal moves entries, so the place is looked for again.
        let Slot::Vacant(slot) = orders.find(new_order) else {
            panic!("an id that was free is taken");
        };
        orders.insert(slot, new_order, old.side, key, size, leaf);
        Ok(())
    }

    fn set_level(
        &mut self,
        symbol: SymbolIndex,
        side: Side,
        price: Price,
        size: u32,
    ) -> Result<bool, Fault> {
        let Store::ByLevel { levels } = &mut self.store else {
            return Err(Fault::WrongShape);
        };
        not_negative(price)?;
        let (key, side) = (key_of(price, side), side_of(symbol.0, side));
        levels.set(side, key, size).map_err(|_| Fault::LevelsFull)
    }

    fn quote(
        &mut self,
        symbol: SymbolIndex,
        bid: (Price, u32),
        ask: (Price, u32),
    ) -> Result<bool, Fault> {
        let Store::Quotes { quotes } = &mut self.store else {
            return Err(Fault::WrongShape);
        };
        let level = |(price, size): (Price, u32)| {
            if size == 0 {
                return Ok(NO_LEVEL);
            }
            not_negative(price)?;
            Ok(Level { price, size: size.into(), ..NO_LEVEL })
        };
        let new = [level(bid)?, level(ask)?];
        let at = symbol.0 as usize * 2;
        let sides = &mut quotes[at..at + 2];
        let changed = sides != new;
        sides.copy_from_slice(&new);
        Ok(changed)
    }

    /// Takes in a trade that was found countable; whether anything changed.
    #[inline]
    fn trade(&mut self, symbol: SymbolIndex, trade: Trade, sets_last: bool, counts: bool) -> bool {
        self.trades.remember(symbol.0, trade.id, trade.size, counts);
        self.summaries[symbol.0 as usize].trade(trade, sets_last, counts)
    }

    fn break_trade(&mut self, symbol: SymbolIndex, trade: u64) -> Change {
        match self.trades.break_trade(symbol.0, trade) {
            None => Change { unmatched: true, ..Change::NONE },
            Some(broken) => {
                self.summaries[symbol.0 as usize].break_trade(broken);
                Change { trade: true, ..Change::NONE }
            }
        }
    }

    fn state(&mut self, symbol: SymbolIndex, event: &Event) -> bool {
        let summary = &mut self.summaries[symbol.0 as usize];
        match *event {
            Event::Trading { state, .. } => summary.set_trading(state),
            Event::OperationalHalt { halted } => summary.set_operational_halt(halted),
            Event::Definition { round_lot, .. } => {
                summary.define(round_lot);
                true
            }
            _ => false,
        }
    }

    fn is_empty(&self, symbol: SymbolIndex) -> bool {
        [Side::Bid, Side::Ask].into_iter().all(|side| self.best_price(symbol, side).is_none())
    }

    /// Empties the symbol's book. Last trade, statistics, states, and the number and time of the last
    /// change stay. Costs as many steps as the book has nodes of levels; orders are swept out later.
    ///
    /// # Panics
    /// When the symbol was not given out by [`Books::add_symbol`].
    pub fn clear_symbol(&mut self, symbol: SymbolIndex) {
        assert!(symbol.0 < self.symbols, "a symbol that was never added");
        let sides = [Side::Bid, Side::Ask].map(|side| side_of(symbol.0, side));
        match &mut self.store {
            Store::ByOrder { orders, levels } => {
                orders.clear(symbol.0);
                sides.into_iter().for_each(|side| levels.clear(side));
            }
            Store::ByLevel { levels } => sides.into_iter().for_each(|side| levels.clear(side)),
            Store::Quotes { quotes } => {
                sides.into_iter().for_each(|side| quotes[side as usize] = NO_LEVEL);
            }
        }
    }

    /// Forgets one symbol's book, trades, statistics and state: what is applied to it from here on
    /// builds it anew. Looks at every trade that is remembered.
    pub fn restart_symbol(&mut self, symbol: SymbolIndex) {
        self.clear_symbol(symbol);
        self.summaries[symbol.0 as usize] = Summary::EMPTY;
        self.trades.forget_symbol(symbol.0);
    }

    /// The symbol's book was just built from a snapshot of everything before `since`: it is as of the
    /// number before that, and its statistics cover the numbers from `since` on.
    pub fn cover(&mut self, symbol: SymbolIndex, since: SeqNo) {
        assert!(since >= SeqNo::FIRST, "numbers begin at 1");
        self.summaries[symbol.0 as usize].cover(since);
    }

    /// Begins a new session: nothing is known of any symbol any more but that it exists.
    ///
    /// Writes 112 bytes for each symbol in use and 64 for each there could be (quotes: 104 and 48),
    /// 2.9 MB for 16,384, and nothing else: the order table isn't touched, its entries are swept out
    /// as orders are added.
    pub fn reset(&mut self) {
        for symbol in 0..self.symbols {
            self.summaries[symbol as usize] = Summary::EMPTY;
        }
        self.trades.reset();
        match &mut self.store {
            Store::ByOrder { orders, levels } => {
                orders.reset(self.symbols);
                levels.reset();
            }
            Store::ByLevel { levels } => levels.reset(),
            Store::Quotes { quotes } => quotes.fill(NO_LEVEL),
        }
    }
}

#[inline]
fn by_order(store: &mut Store) -> Result<(&mut Orders, &mut Levels), Fault> {
    match store {
        Store::ByOrder { orders, levels } => Ok((orders, levels)),
        Store::ByLevel { .. } | Store::Quotes { .. } => Err(Fault::WrongShape),
    }
}

#[inline]
fn not_negative(price: Price) -> Result<(), Fault> {
    if price.0 < 0 { Err(Fault::BadPrice) } else { Ok(()) }
}

#[inline]
fn not_zero(size: u32) -> Result<(), Fault> {
    if size == 0 { Err(Fault::BadSize) } else { Ok(()) }
}

/// The slot for a new order's id.
#[inline]
fn vacant(orders: &Orders, order: u64) -> Result<usize, Fault> {
    match orders.find(order) {
        Slot::Vacant(slot) => Ok(slot),
        Slot::Found(slot) => Err(Fault::DuplicateOrder { owner: orders.at(slot, order).symbol() }),
    }
}

/// The slot of an order that rests on this symbol's book.
#[inline]
fn resting(orders: &Orders, symbol: SymbolIndex, order: u64) -> Result<usize, Fault> {
    let Slot::Found(slot) = orders.find(order) else {
        return Err(Fault::UnknownOrder);
    };
    let owner = orders.at(slot, order).symbol();
    if owner == symbol { Ok(slot) } else { Err(Fault::WrongSymbol { owner }) }
}

/// Takes size off an order and its level; the order goes with the last of it.
#[inline]
fn shrink(orders: &mut Orders, levels: &mut Levels, slot: usize, id: u64, size: u32) {
    let order = orders.at(slot, id);
    let whole = order.size == size;
    levels.take(order.side, order.key, size, whole, order.leaf);
    if whole {
        orders.remove(slot);
    } else {
        orders.reduce(slot, size);
    }
}

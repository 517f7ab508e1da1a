//! The order flow of one partition: which message comes next, and what it does to the true books.
//!
//! Shares of the flow follow a busy day of Nasdaq: adds 45%, deletes 40%, replaces 8%, executions
//! 4%, partial cancels 2%, the rest hidden trades, broken trades and halts. Each symbol's price
//! walks at random; an order is priced around it and held back from the other side of the book, so
//! that the book is neither crossed nor locked after any message.

use std::collections::VecDeque;

use candor_core::{Side, Symbol, SymbolIndex, TradingState, WireTime};

use super::book::{Order, TrueBook};
use super::deep::{self, Effects, Pending, Traded};
use super::listing::Unlisted;
use super::mood::Mood;
use super::wire::{Action, Encoded, encode};
use super::{Family, Listing, MarketConfig};
use crate::rng::Rng;

/// Trades remembered as candidates for a break.
const RECENT_TRADES: usize = 256;

/// One message of a partition and whom it concerns.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The encoded message.
    pub message: Encoded,
    /// The symbol whose book, last trade or trading state it may have changed.
    pub touched: Option<SymbolIndex>,
}

/// Where the day is. The numbers count the messages of a stage already given out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Opening(usize),
    Open,
    Closing(usize),
    Closed,
}

#[derive(Clone, Debug)]
pub(super) struct Stock {
    pub(super) listing: Listing,
    pub(super) book: TrueBook,
    /// Where its price is, in ticks of `tick`.
    pub(super) fair: u64,
    pub(super) tick: u32,
    /// Resting orders it tends to.
    target: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Halt {
    pub(super) symbol: usize,
    pub(super) until: WireTime,
}

/// One partition: its symbols, their true books, and the flow.
#[derive(Clone, Debug)]
pub struct PartitionMarket {
    pub(super) config: MarketConfig,
    partition: usize,
    run: u64,
    rng: Rng,
    stage: Stage,
    pub(super) stocks: Vec<Stock>,
    /// Running sums of the stocks' activity.
    activity: Vec<u64>,
    pub(super) halts: Vec<Halt>,
    pub(super) mood: Mood,
    pub(super) unlisted: Unlisted,
    /// What rests in the first symbol's book once it is defined.
    pub(super) carried: Vec<Order>,
    pub(super) recent: VecDeque<(usize, Traded)>,
    next_reference: u64,
    next_trade: u64,
    /// What the present step does beside its action, for messages about levels.
    effects: Effects,
    pending: Pending,
}

impl PartitionMarket {
    pub(super) fn new(config: MarketConfig, partition: usize, listings: &[Listing]) -> Self {
        assert!(listings.len() < usize::from(u16::MAX), "a stock locate has 16 bits");
        let mut activity = Vec::with_capacity(listings.len());
        let mut sum = 0;
        for listing in listings {
            sum += listing.activity;
            activity.push(sum);
        }
        let stocks = listings.iter().map(|listing| Stock::new(listing, sum, listings.len()));
        let mut market = PartitionMarket {
            config,
            partition,
            run: 0,
            rng: Rng::new(0),
            stage: Stage::Opening(0),
            stocks: stocks.collect(),
            activity,
            halts: Vec::new(),
            mood: Mood::default(),
            unlisted: Unlisted::default(),
            carried: Vec::new(),
            recent: VecDeque::with_capacity(RECENT_TRADES),
            next_reference: 1,
            next_trade: 1,
            effects: Effects::default(),
            pending: Pending::default(),
        };
        market.begin();
        market
    }

    /// How active the whole partition is, in the same unit for all partitions of a market.
    #[must_use]
    pub fn activity(&self) -> u64 {
        self.activity.last().copied().unwrap_or(0)
    }

    /// Its symbols in order of their index; the stock locate is the index plus 1.
    pub fn symbols(&self) -> impl ExactSizeIterator<Item = Symbol> + '_ {
        self.stocks.iter().map(|stock| stock.listing.symbol)
    }

    /// The true book of a symbol.
    ///
    /// # Panics
    /// When the partition has no such symbol.
    #[must_use]
    pub fn book(&self, symbol: SymbolIndex) -> &TrueBook {
        &self.stocks[symbol.0 as usize].book
    }

    /// A symbol's name.
    ///
    /// # Panics
    /// When the partition has no such symbol.
    #[must_use]
    pub fn symbol(&self, symbol: SymbolIndex) -> Symbol {
        self.stocks[symbol.0 as usize].listing.symbol
    }

    /// Whether the opening sequence is through.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// Whether the opening sequence is under way or still to come.
    #[must_use]
    pub fn is_opening(&self) -> bool {
        matches!(self.stage, Stage::Opening(_))
    }

    /// Whether the last message given out began a transaction that the next one goes on with.
    #[must_use]
    pub fn is_mid_transaction(&self) -> bool {
        self.pending.is_open()
    }

    /// Whether the day is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.stage == Stage::Closed
    }

    /// Begins a new day: empty books, the opening sequence again, then another flow than before.
    pub fn restart(&mut self) {
        self.run += 1;
        self.begin();
    }

    /// Lets the day end: the closing events follow, then nothing.
    pub fn close(&mut self) {
        if !matches!(self.stage, Stage::Closing(_) | Stage::Closed) {
            self.stage = Stage::Closing(0);
        }
    }

    fn begin(&mut self) {
        let stream = (self.partition as u64) << 32 | self.run;
        self.rng = Rng::stream(self.config.seed, stream);
        self.stage = Stage::Opening(0);
        self.halts.clear();
        self.carried.clear();
        self.recent.clear();
        self.next_reference = 1;
        self.next_trade = 1;
        self.effects.clear();
        self.pending.clear();
        let by_level = self.config.family == Family::Deep;
        for stock in &mut self.stocks {
            stock.book = TrueBook::default();
            stock.book.by_level = by_level;
            stock.fair = u64::from(stock.listing.price / stock.tick);
        }
    }

    /// The next message, stamped `now` as its family counts time (ITCH: ns since midnight; DEEP: ns
    /// since the epoch); `None` when the day is over.
    pub fn next(&mut self, now: WireTime) -> Option<Step> {
        if let Some(rest) = self.rest() {
            return Some(rest);
        }
        let (symbol, action) = match self.stage {
            Stage::Opening(step) => self.opening(step),
            Stage::Open => self.flow(now),
            Stage::Closing(step) => {
                const EVENTS: [u8; 3] = *b"MEC";
                self.stage =
                    if step + 1 < EVENTS.len() { Stage::Closing(step + 1) } else { Stage::Closed };
                (None, Action::System { event: EVENTS[step] })
            }
            Stage::Closed => return None,
        };
        let touched = symbol.map(|index| SymbolIndex(index as u32));
        if self.config.family == Family::Itch50 {
            self.effects.clear();
            let locate = symbol.map_or(0, |index| index as u16 + 1);
            return Some(Step { message: encode(&action, locate, now), touched });
        }
        let listing = symbol.map(|index| (index, self.stocks[index].listing));
        if let Some((index, listing)) = listing.filter(|_| self.effects.any_but_break(&action)) {
            self.pending.take_in(index, listing.symbol, &mut self.effects, now);
            return self.rest();
        }
        let broken = self.effects.trade.take();
        let named = listing.map(|(_, listing)| (listing.symbol, listing.price));
        Some(Step { message: deep::encode(&action, named, broken.as_ref(), now), touched })
    }

    /// Leaves out what is still to be said of a symbol.
    pub(super) fn forget_pending(&mut self, symbol: usize) {
        self.pending.forget(symbol);
    }

    /// What is left to say of the last step.
    fn rest(&mut self) -> Option<Step> {
        let index = self.pending.symbol()?;
        self.pending.next(&mut self.stocks[index].book)
    }

    /// An order comes to rest.
    fn put(&mut self, index: usize, order: Order) {
        self.stocks[index].book.add(order);
        self.effects.level(order.side, order.price);
    }

    /// An order loses shares.
    fn take(&mut self, index: usize, at: usize, size: u32) -> Order {
        let order = self.stocks[index].book.take(at, size);
        self.effects.level(order.side, order.price);
        order
    }

    /// A trade happens. Where the messages report it by itself the book hears of it then.
    fn trade(&mut self, index: usize, traded: Traded, now: WireTime) {
        let Traded { id, price, size, printable } = traded;
        if printable && self.config.family == Family::Itch50 {
            self.stocks[index].book.traded(price, size, id, now);
        }
        self.effects.trade = Some(traded);
        if self.recent.len() == RECENT_TRADES {
            self.recent.pop_front();
        }
        self.recent.push_back((index, traded));
    }

    fn opening(&mut self, step: usize) -> (Option<usize>, Action) {
        let stocks = self.stocks.len();
        let prefill = self.config.prefill * 2 * stocks;
        let step = self.listed_from(step);
        self.stage = Stage::Opening(step + 1);
        match step {
            0 => (None, Action::System { event: b'O' }),
            1 => (None, Action::System { event: b'S' }),
            _ if step - 2 < stocks => {
                let symbol = self.stocks[step - 2].listing.symbol;
                (Some(step - 2), Action::Directory { symbol, round_lot: 100 })
            }
            _ if step - 2 < 2 * stocks => {
                let index = step - 2 - stocks;
                (Some(index), self.set_state(index, b'T', TradingState::Trading, *b"    "))
            }
            _ if step - 2 < 2 * stocks + prefill => {
                let nth = step - 2 - 2 * stocks;
                let side = if (nth / stocks).is_multiple_of(2) { Side::Bid } else { Side::Ask };
                self.add(nth % stocks, side).unwrap_or_else(|| self.notice(nth % stocks))
            }
            _ => {
                self.stage = Stage::Open;
                (None, Action::System { event: b'Q' })
            }
        }
    }

    fn flow(&mut self, now: WireTime) -> (Option<usize>, Action) {
        if let Some(resumed) = self.resume(now) {
            return resumed;
        }
        if let Some(listed) = self.list_next() {
            return listed;
        }
        if let Some(asked) = self.moody() {
            return asked;
        }
        // An attempt fails where a symbol has no order to delete or is halted; others follow.
        for _ in 0..8 {
            let index = self.pick();
            if let Some(found) = self.attempt(index, now) {
                return found;
            }
        }
        let index = self.pick();
        self.notice(index)
    }

    fn pick(&mut self) -> usize {
        let draw = self.rng.below(self.activity());
        let index = self.activity.partition_point(|sum| *sum <= draw);
        // The one behind the first: there is one, or nothing is kept back.
        if self.is_unlisted(index) { index + 1 } else { index }
    }

    fn attempt(&mut self, index: usize, now: WireTime) -> Option<(Option<usize>, Action)> {
        let draw = self.rng.below(100_000);
        if self.is_withdrawn(index) {
            return None;
        }
        self.walk(index);
        let stock = &self.stocks[index];
        let (resting, target) = (stock.book.orders().len(), stock.target);
        if stock.book.state != TradingState::Trading {
            return (resting > 0).then(|| self.delete(index));
        }
        let mut draw = draw;
        // Around the target the flow leans to the side that is short, so that books neither grow
        // without end nor run dry.
        if resting > target && draw < 45_000 && self.rng.chance(200_000) {
            draw = 50_000;
        } else if resting < 4 {
            draw = draw.min(44_999);
        }
        match draw {
            0..45_000 => {
                let side = if self.rng.chance(500_000) { Side::Bid } else { Side::Ask };
                self.add(index, side)
            }
            45_000..85_000 => Some(self.delete(index)),
            85_000..93_000 => self.replace(index),
            93_000..97_000 => self.execute(index, now),
            97_000..99_000 => self.reduce(index),
            99_000..99_940 => self.hidden_trade(index, now),
            99_940..99_990 => self.break_trade(),
            _ => self.halt(index, now),
        }
    }

    /// Moves the symbol's price a tick now and then, within half and double its first.
    fn walk(&mut self, index: usize) {
        let draw = self.rng.below(20);
        let stock = &mut self.stocks[index];
        let first = u64::from(stock.listing.price / stock.tick);
        match draw {
            0 if stock.fair < first * 2 => stock.fair += 1,
            1 if stock.fair > first / 2 + 8 => stock.fair -= 1,
            _ => {}
        }
    }

    /// A price on this side that does not meet the other; `None` where there is none.
    fn price(&mut self, index: usize, side: Side) -> Option<u32> {
        let far = if self.rng.chance(20_000) { self.rng.below(400) } else { 0 };
        let away = 1 + far + self.rng.run(750_000, 60);
        let stock = &self.stocks[index];
        let tick = stock.tick;
        match side {
            Side::Bid => {
                let wanted = stock.fair.saturating_sub(away).max(1) as u32 * tick;
                let highest = match stock.book.best(Side::Ask) {
                    Some(ask) => ask.checked_sub(tick)?,
                    None => wanted,
                };
                Some(wanted.min(highest)).filter(|price| *price > 0)
            }
            Side::Ask => {
                let wanted = (stock.fair + away) as u32 * tick;
                Some(stock.book.best(Side::Bid).map_or(wanted, |bid| wanted.max(bid + tick)))
            }
        }
    }

    pub(super) fn reference(&mut self) -> u64 {
        let reference = self.next_reference;
        // Roughly every second number is used, as on the real feed.
        self.next_reference += 1 + self.rng.below(3);
        reference
    }

    fn trade_id(&mut self) -> u64 {
        let id = self.next_trade;
        self.next_trade += 1;
        id
    }

    fn size(&mut self) -> u32 {
        if self.rng.chance(150_000) {
            self.rng.between(1, 99) as u32
        } else {
            100 * (1 + self.rng.run(600_000, 30) as u32)
        }
    }

    fn add(&mut self, index: usize, side: Side) -> Option<(Option<usize>, Action)> {
        let price = self.price(index, side)?;
        let order = Order { reference: self.reference(), side, price, size: self.size() };
        let attributed = self.rng.chance(80_000);
        self.put(index, order);
        let symbol = self.stocks[index].listing.symbol;
        Some((Some(index), Action::Add { symbol, order, attributed }))
    }

    fn any_order(&mut self, index: usize) -> Option<usize> {
        let resting = self.stocks[index].book.orders().len() as u64;
        (resting > 0).then(|| self.rng.below(resting) as usize)
    }

    pub(super) fn delete(&mut self, index: usize) -> (Option<usize>, Action) {
        let Some(at) = self.any_order(index) else { return self.notice(index) };
        let whole = self.stocks[index].book.orders()[at].size;
        let order = self.take(index, at, whole);
        (Some(index), Action::Delete { reference: order.reference })
    }

    fn replace(&mut self, index: usize) -> Option<(Option<usize>, Action)> {
        let at = self.any_order(index)?;
        let old = self.stocks[index].book.orders()[at];
        // The price is held back from the other side only, which the old order is not on.
        let price = self.price(index, old.side)?;
        let new = Order { reference: self.reference(), price, size: self.size(), ..old };
        self.take(index, at, old.size);
        self.put(index, new);
        Some((Some(index), Action::Replace { old: old.reference, new }))
    }

    fn reduce(&mut self, index: usize) -> Option<(Option<usize>, Action)> {
        let at = self.any_order(index)?;
        let order = self.stocks[index].book.orders()[at];
        if order.size < 2 {
            return None;
        }
        let size = self.rng.between(1, u64::from(order.size) - 1) as u32;
        self.take(index, at, size);
        Some((Some(index), Action::Reduce { reference: order.reference, size }))
    }

    fn execute(&mut self, index: usize, now: WireTime) -> Option<(Option<usize>, Action)> {
        let side = if self.rng.chance(500_000) { Side::Bid } else { Side::Ask };
        let at = self.stocks[index].book.first_in_line(side)?;
        let order = self.stocks[index].book.orders()[at];
        let whole = order.size <= 100 || self.rng.chance(600_000);
        let size =
            if whole { order.size } else { self.rng.between(1, u64::from(order.size) - 1) as u32 };
        let trade = self.trade_id();
        let reference = order.reference;
        let at_another_price = self.rng.chance(100_000);
        let printable = !self.rng.chance(300_000);
        self.take(index, at, size);
        let (price, printable, action) = if at_another_price {
            let price = order.price + self.stocks[index].tick;
            (price, printable, Action::ExecuteAt { reference, size, trade, printable, price })
        } else {
            (order.price, true, Action::Execute { reference, size, trade })
        };
        self.trade(index, Traded { id: trade, price, size, printable }, now);
        Some((Some(index), action))
    }

    fn hidden_trade(&mut self, index: usize, now: WireTime) -> Option<(Option<usize>, Action)> {
        let book = &self.stocks[index].book;
        let (bid, ask) = (book.best(Side::Bid)?, book.best(Side::Ask)?);
        let price = self.rng.between(u64::from(bid), u64::from(ask)) as u32;
        let (size, trade) = (self.size(), self.trade_id());
        self.trade(index, Traded { id: trade, price, size, printable: true }, now);
        let symbol = self.stocks[index].listing.symbol;
        Some((Some(index), Action::Trade { symbol, price, size, trade }))
    }

    /// Breaks a recent trade of any symbol. Book and last trade stay; statistics change.
    fn break_trade(&mut self) -> Option<(Option<usize>, Action)> {
        let draw = self.rng.below(self.recent.len() as u64) as usize;
        let (index, traded) = self.recent.remove(draw)?;
        self.effects.trade = Some(traded);
        Some((Some(index), Action::Break { trade: traded.id }))
    }

    fn notice(&self, index: usize) -> (Option<usize>, Action) {
        (Some(index), Action::ShortSale { symbol: self.stocks[index].listing.symbol })
    }

    fn halt(&mut self, index: usize, now: WireTime) -> Option<(Option<usize>, Action)> {
        if !self.config.halts || self.halts.len() * 50 > self.stocks.len() {
            return None;
        }
        let until = WireTime(now.0 + self.rng.between(5, 30) * 1_000_000_000);
        self.halts.push(Halt { symbol: index, until });
        if self.config.family == Family::Deep && deep::is_operational(until) {
            return Some((Some(index), self.set_operational(index, true)));
        }
        Some((Some(index), self.set_state(index, b'H', TradingState::Halted, *b"T1  ")))
    }

    /// The next step of a halt that has run its time: quotes for two seconds, then trading.
    fn resume(&mut self, now: WireTime) -> Option<(Option<usize>, Action)> {
        let at = self.halts.iter().position(|halt| halt.until <= now)?;
        let index = self.halts[at].symbol;
        if self.stocks[index].book.state == TradingState::Halted {
            self.halts[at].until = WireTime(now.0 + 2_000_000_000);
            return Some((
                Some(index),
                self.set_state(index, b'Q', TradingState::QuoteOnly, *b"T3  "),
            ));
        }
        self.halts.swap_remove(at);
        if self.stocks[index].book.state == deep::HALTED {
            return Some((Some(index), self.set_operational(index, false)));
        }
        Some((Some(index), self.set_state(index, b'T', TradingState::Trading, *b"    ")))
    }

    /// The venue alone halts or resumes a symbol.
    fn set_operational(&mut self, index: usize, halted: bool) -> Action {
        let stock = &mut self.stocks[index];
        stock.book.state = if halted { deep::HALTED } else { TradingState::Trading };
        Action::OperationalHalt { symbol: stock.listing.symbol, halted }
    }

    pub(super) fn set_state(
        &mut self,
        index: usize,
        letter: u8,
        state: TradingState,
        reason: [u8; 4],
    ) -> Action {
        let stock = &mut self.stocks[index];
        stock.book.state = state;
        Action::Trading { symbol: stock.listing.symbol, state: letter, reason }
    }
}

impl Stock {
    fn new(listing: &Listing, activity: u64, stocks: usize) -> Stock {
        let tick = if listing.price >= 10_000 { 100 } else { 1 };
        // Twenty orders a symbol for its share of the activity, and a floor for the thin ones.
        let share =
            u128::from(listing.activity) * 20 * stocks as u128 / u128::from(activity.max(1));
        let target = 30 + share.min(3_000) as usize;
        Stock { listing: *listing, book: TrueBook::default(), fair: 0, tick, target }
    }
}

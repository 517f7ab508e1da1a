//! One symbol of the day: its resting orders, and where its price goes.

use std::collections::BTreeMap;

use candor_core::{Side, Symbol};
use candor_sim::market::book::Order;
use candor_sim::rng::Rng;

/// Highest price there is, in ten-thousandths: 190,000 dollars.
const HIGHEST: u32 = 1_900_000_000;

/// A resting order of a level: its reference and shares.
#[derive(Clone, Copy, Debug)]
struct Resting {
    reference: u64,
    size: u32,
}

/// A side's levels by price.
type Levels = BTreeMap<u32, Vec<Resting>>;

#[derive(Clone, Debug)]
pub(super) struct Stock {
    pub(super) symbol: Symbol,
    /// Smallest step of its prices, in ten-thousandths of a dollar.
    tick: u32,
    /// Around where its orders come, a multiple of the tick, between the best prices.
    anchor: u32,
    /// Where it is going: the side whose best level is giving way.
    lean: Option<Side>,
    bids: Levels,
    asks: Levels,
    orders: usize,
}

impl Stock {
    pub(super) fn new(symbol: Symbol, rng: &mut Rng) -> Stock {
        // Three in a hundred cost less than a dollar and go in hundredths of a cent; the rest from one dollar
        // to five hundred, as many from one to two as from two to four.
        let (tick, anchor) = if rng.chance(30_000) {
            (1, rng.between(500, 9_000) as u32)
        } else {
            let doublings = rng.below(9) as u32;
            let dollar = 10_000u32 << doublings;
            (100, dollar + rng.below(u64::from(dollar / 100)) as u32 * 100)
        };
        Stock {
            symbol,
            tick,
            anchor,
            lean: None,
            bids: Levels::new(),
            asks: Levels::new(),
            orders: 0,
        }
    }

    pub(super) fn orders(&self) -> usize {
        self.orders
    }

    fn levels(&mut self, side: Side) -> &mut Levels {
        match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        }
    }

    fn best(&self, side: Side) -> Option<u32> {
        match side {
            Side::Bid => self.bids.last_key_value().map(|(price, _)| *price),
            Side::Ask => self.asks.first_key_value().map(|(price, _)| *price),
        }
    }

    /// A price between the best ones, or as near as there is one.
    pub(super) fn last(&self) -> u32 {
        self.anchor
    }

    /// The price moves on a little, and now and then turns.
    fn walk(&mut self, rng: &mut Rng) {
        if rng.chance(2_000) {
            self.lean = [None, Some(Side::Bid), Some(Side::Ask)][rng.below(3) as usize];
        }
        if self.anchor < self.tick * 200 {
            self.lean = Some(Side::Ask);
        }
        if !rng.chance(100_000) {
            return;
        }
        match self.lean {
            Some(Side::Ask) => self.anchor = (self.anchor + self.tick).min(HIGHEST),
            Some(Side::Bid) => self.anchor -= self.tick,
            None if rng.chance(500_000) => self.anchor += self.tick,
            None => self.anchor -= self.tick,
        }
        // Not beyond what still rests there: the book moves the price as much as the price the book.
        let highest = self.best(Side::Ask).unwrap_or(HIGHEST);
        let lowest = self.best(Side::Bid).unwrap_or(self.tick);
        self.anchor = self.anchor.clamp(lowest, highest);
    }

    /// A price for a new order that neither locks nor crosses the book.
    fn price(&self, side: Side, rng: &mut Rng) -> u32 {
        let ticks = match rng.below(1_000) {
            0..700 => rng.run(800_000, 40),
            700..950 => rng.below(60),
            950..999 => rng.below(600),
            // A market maker's duty and no wish to trade.
            _ => rng.between(1_000, 20_000),
        };
        let away = u64::from(self.tick) * ticks;
        let anchor = u64::from(self.anchor);
        let tick = u64::from(self.tick);
        match side {
            Side::Bid => {
                let highest = self.best(Side::Ask).map_or(anchor, |ask| u64::from(ask) - tick);
                anchor.saturating_sub(away).min(highest).max(tick) as u32
            }
            Side::Ask => {
                let lowest = self.best(Side::Bid).map_or(tick, u64::from) + tick;
                (anchor + away).max(lowest).min(u64::from(HIGHEST)) as u32
            }
        }
    }

    /// A new order under this reference, on either side or the one given.
    pub(super) fn add(&mut self, reference: u64, side: Option<Side>, rng: &mut Rng) -> Order {
        self.walk(rng);
        let side = side.unwrap_or(if rng.chance(500_000) { Side::Bid } else { Side::Ask });
        let size = match rng.below(10) {
            0..6 => 100,
            6..8 => rng.between(1, 99) as u32,
            _ => rng.between(2, 20) as u32 * 100,
        };
        let price = self.price(side, rng);
        self.levels(side).entry(price).or_default().push(Resting { reference, size });
        self.orders += 1;
        Order { reference, side, price, size }
    }

    /// A resting order: mostly near the best price, where the price goes right there.
    fn pick(&mut self, best: bool, rng: &mut Rng) -> Option<(Side, u32, usize)> {
        let other = if rng.chance(500_000) { Side::Bid } else { Side::Ask };
        let mut side = if rng.chance(500_000) { self.lean.unwrap_or(other) } else { other };
        if self.levels(side).is_empty() {
            side = if side == Side::Bid { Side::Ask } else { Side::Bid };
        }
        let giving_way = self.lean == Some(side) && rng.chance(400_000);
        let rank = if best || giving_way { 0 } else { rng.run(800_000, 30) as usize };
        let deep = !best && !giving_way && rng.chance(400_000);
        let point = rng.bits();
        let levels = self.levels(side);
        let (lowest, highest) = (*levels.first_key_value()?.0, *levels.last_key_value()?.0);
        let price = if deep {
            // Anywhere between the best and 600 ticks behind it.
            let wide = u64::from((highest - lowest).min(60_000)) + 1;
            let off = ((u128::from(point) * u128::from(wide)) >> 64) as u32;
            match side {
                Side::Bid => *levels.range(..=highest - off).next_back()?.0,
                Side::Ask => *levels.range(lowest + off..).next()?.0,
            }
        } else {
            let rank = rank.min(levels.len() - 1);
            match side {
                Side::Bid => *levels.keys().nth_back(rank)?,
                Side::Ask => *levels.keys().nth(rank)?,
            }
        };
        let at = rng.below(levels[&price].len() as u64) as usize;
        Some((side, price, if best { 0 } else { at }))
    }

    fn order(&mut self, (side, price, at): (Side, u32, usize)) -> Option<Order> {
        let resting = *self.levels(side).get(&price)?.get(at)?;
        Some(Order { reference: resting.reference, side, price, size: resting.size })
    }

    fn remove(&mut self, (side, price, at): (Side, u32, usize)) {
        let levels = self.levels(side);
        if let Some(level) = levels.get_mut(&price) {
            level.remove(at);
            if level.is_empty() {
                levels.remove(&price);
            }
            self.orders -= 1;
        }
    }

    /// Takes an order off the book; `None` when there is none.
    pub(super) fn take(&mut self, rng: &mut Rng) -> Option<Order> {
        let place = self.pick(false, rng)?;
        let order = self.order(place)?;
        self.remove(place);
        Some(order)
    }

    /// Takes shares off an order, all of them where that may be; the order as it was, and how many.
    pub(super) fn lessen(&mut self, execute: bool, rng: &mut Rng) -> Option<(Order, u32)> {
        let place = self.pick(execute, rng)?;
        let order = self.order(place)?;
        let (side, price, at) = place;
        let whole = order.size == 1 || (execute && rng.chance(350_000));
        if whole {
            self.remove(place);
            return Some((order, order.size));
        }
        let size = rng.between(1, u64::from(order.size) - 1) as u32;
        self.levels(side).get_mut(&price)?[at].size -= size;
        Some((order, size))
    }
}

//! The true book of one symbol, kept in the plainest way: this is what readers are judged by.

use std::collections::BTreeMap;

use candor_core::limits::DEPTH;
use candor_core::{BookView, Decimals, Level, Price, Side, Trade, TradingState, WireTime};

/// Decimal places of an ITCH price.
pub const DECIMALS: Decimals = Decimals(4);

/// A resting order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Order {
    /// Its reference, unique in its partition and session; a lower one was there before.
    pub reference: u64,
    /// Its side.
    pub side: Side,
    /// Its price in ten-thousandths.
    pub price: u32,
    /// What is left of its size.
    pub size: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Total {
    size: u64,
    orders: u32,
}

/// One symbol's orders, levels, last trade and trading state.
#[derive(Clone, Debug, Default)]
pub struct TrueBook {
    orders: Vec<Order>,
    bids: BTreeMap<u32, Total>,
    asks: BTreeMap<u32, Total>,
    /// The last trade that counted.
    pub last: Trade,
    /// Whether it may trade.
    pub state: TradingState,
    /// Readers hear of levels alone: how many orders make them up is not said.
    pub by_level: bool,
}

impl TrueBook {
    /// The resting orders, in no particular order.
    #[must_use]
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// The best price of a side; `None` when it is empty.
    #[must_use]
    pub fn best(&self, side: Side) -> Option<u32> {
        match side {
            Side::Bid => self.bids.last_key_value().map(|(price, _)| *price),
            Side::Ask => self.asks.first_key_value().map(|(price, _)| *price),
        }
    }

    /// The size of a level; 0 where there is none.
    #[must_use]
    pub fn level(&self, side: Side, price: u32) -> u64 {
        let side = match side {
            Side::Bid => &self.bids,
            Side::Ask => &self.asks,
        };
        side.get(&price).map_or(0, |total| total.size)
    }

    /// Whether a buyer's price meets a seller's. It never is.
    #[must_use]
    pub fn is_crossed(&self) -> bool {
        matches!((self.best(Side::Bid), self.best(Side::Ask)), (Some(bid), Some(ask)) if bid >= ask)
    }

    /// Where among [`TrueBook::orders`] the oldest order at a side's best price is.
    #[must_use]
    pub fn first_in_line(&self, side: Side) -> Option<usize> {
        let best = self.best(side)?;
        let at_best =
            self.orders.iter().enumerate().filter(|(_, o)| o.side == side && o.price == best);
        at_best.min_by_key(|(_, order)| order.reference).map(|(index, _)| index)
    }

    /// An order comes to rest.
    pub fn add(&mut self, order: Order) {
        let total = self.side_mut(order.side).entry(order.price).or_default();
        total.size += u64::from(order.size);
        total.orders += 1;
        self.orders.push(order);
        assert!(!self.is_crossed(), "the market crossed its own book with {order:?}");
    }

    /// Takes `size` off the order at `index`, which leaves when nothing remains of it. Returns the
    /// order as it was.
    ///
    /// # Panics
    /// When the order is smaller: the market's own mistake.
    pub fn take(&mut self, index: usize, size: u32) -> Order {
        let order = self.orders[index];
        let left = order.size.checked_sub(size).expect("no more is taken than an order has");
        if left == 0 {
            self.orders.swap_remove(index);
        } else {
            self.orders[index].size = left;
        }
        let side = self.side_mut(order.side);
        let total = side.get_mut(&order.price).expect("an order's level exists");
        total.size -= u64::from(size);
        if left == 0 {
            total.orders -= 1;
        }
        if total.orders == 0 {
            side.remove(&order.price);
        }
        order
    }

    /// Writes the ten best levels a side, the last trade and the state into `view`; its number,
    /// statistics and round lot stay as they are.
    pub fn view(&self, view: &mut BookView) {
        view.bid_count = fill(&mut view.bids, self.bids.iter().rev());
        view.ask_count = fill(&mut view.asks, self.asks.iter());
        view.last = self.last;
        view.trading_state = self.state;
        view.decimals = DECIMALS;
        if self.by_level {
            let levels = view.bids.iter_mut().chain(&mut view.asks);
            levels.for_each(|level| level.orders = 0);
        }
    }

    /// Notes a trade that sets the last price.
    pub fn traded(&mut self, price: u32, size: u32, id: u64, time: WireTime) {
        self.last = Trade { price: Price(i64::from(price)), size: u64::from(size), time, id };
    }

    fn side_mut(&mut self, side: Side) -> &mut BTreeMap<u32, Total> {
        match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        }
    }
}

fn fill<'a>(levels: &mut [Level; DEPTH], totals: impl Iterator<Item = (&'a u32, &'a Total)>) -> u8 {
    let mut count = 0;
    for (level, (price, total)) in levels.iter_mut().zip(totals) {
        *level = Level {
            price: Price(i64::from(*price)),
            size: total.size,
            orders: total.orders,
            reserved: 0,
        };
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(reference: u64, side: Side, price: u32, size: u32) -> Order {
        Order { reference, side, price, size }
    }

    #[test]
    fn levels_are_the_sums_of_their_orders() {
        let mut book = TrueBook::default();
        book.add(order(1, Side::Bid, 100, 5));
        book.add(order(2, Side::Bid, 100, 7));
        book.add(order(3, Side::Bid, 90, 1));
        book.add(order(4, Side::Ask, 101, 2));
        let mut view = BookView::EMPTY;
        book.view(&mut view);
        assert_eq!((view.bid_count, view.ask_count), (2, 1));
        assert_eq!(
            (view.bids[0].price, view.bids[0].size, view.bids[0].orders),
            (Price(100), 12, 2)
        );
        let first = book.first_in_line(Side::Bid).unwrap();
        assert_eq!(book.take(first, 5).reference, 1);
        let second = book.first_in_line(Side::Bid).unwrap();
        assert_eq!(book.take(second, 3), order(2, Side::Bid, 100, 7));
        book.view(&mut view);
        assert_eq!((view.bids[0].size, view.bids[0].orders), (4, 1));
        book.take(book.first_in_line(Side::Bid).unwrap(), 4);
        assert_eq!(book.best(Side::Bid), Some(90));
    }

    #[test]
    #[should_panic(expected = "crossed its own book")]
    fn a_crossing_order_is_the_markets_mistake() {
        let mut book = TrueBook::default();
        book.add(order(1, Side::Bid, 100, 5));
        book.add(order(2, Side::Ask, 100, 5));
    }
}

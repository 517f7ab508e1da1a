//! What a partition lists is not the same for good: another symbol from a day on, one more or one less within a day.

use candor_core::{Side, Symbol, SymbolIndex, TradingState, WireTime};

use super::book::Order;
use super::flow::PartitionMarket;
use super::wire::{Action, Encoded, encode};
use super::{Family, Market, TrueBook, deep};

/// Whether the first symbol of a partition is listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Unlisted {
    /// As every other.
    #[default]
    No,
    /// Nothing names it.
    Yet,
    /// Its definition comes next.
    Defined,
    /// That it trades comes next.
    Opened,
    /// Its orders are deleted, one after the other, and then nothing names it.
    Leaving,
}

impl PartitionMarket {
    /// Lists another symbol in the place of one, which is this partition's no more. For a day that begins at once
    /// ([`PartitionMarket::restart`]): what rests in the book of the one before belongs to nobody.
    pub fn relist(&mut self, index: SymbolIndex, symbol: Symbol) {
        self.stocks[index.0 as usize].listing.symbol = symbol;
    }

    /// Keeps the first symbol back before anything was said: nothing names it until it is listed. The services of a
    /// venue know nothing of that.
    ///
    /// # Panics
    /// When it is the only one.
    pub fn keep_back(&mut self) {
        assert!(self.stocks.len() > 1, "somebody has to say something");
        self.unlisted = Unlisted::Yet;
    }

    /// Lists the one that was kept back.
    pub fn list(&mut self) {
        if self.unlisted == Unlisted::Yet {
            self.unlisted = Unlisted::Defined;
        }
    }

    /// Lists the first symbol no more.
    ///
    /// # Panics
    /// When it is the only one.
    pub fn delist(&mut self) {
        assert!(self.stocks.len() > 1, "somebody has to say something");
        self.halts.retain(|halt| halt.symbol != 0);
        self.recent.retain(|(index, _)| *index != 0);
        self.unlisted = Unlisted::Leaving;
    }

    pub(super) fn is_unlisted(&self, index: usize) -> bool {
        index == 0 && self.unlisted != Unlisted::No
    }

    /// The first step of the opening from this one on that is about nothing or a listed symbol.
    pub(super) fn listed_from(&self, step: usize) -> usize {
        let about = step.checked_sub(2).map(|nth| nth % self.stocks.len());
        if about.is_some_and(|index| self.is_unlisted(index)) { step + 1 } else { step }
    }

    /// The next thing that is said of a symbol as it is listed.
    pub(super) fn list_next(&mut self) -> Option<(Option<usize>, Action)> {
        let symbol = self.stocks[0].listing.symbol;
        match self.unlisted {
            Unlisted::No | Unlisted::Yet => None,
            Unlisted::Leaving if self.stocks[0].book.orders().is_empty() => {
                self.unlisted = Unlisted::Yet;
                None
            }
            Unlisted::Leaving => Some(self.delete(0)),
            Unlisted::Defined => {
                self.unlisted = Unlisted::Opened;
                for order in core::mem::take(&mut self.carried) {
                    self.stocks[0].book.add(order);
                }
                Some((Some(0), Action::Directory { symbol, round_lot: 100 }))
            }
            Unlisted::Opened => {
                self.unlisted = Unlisted::No;
                Some((Some(0), self.set_state(0, b'T', TradingState::Trading, *b"    ")))
            }
        }
    }
}

impl Market {
    /// Moves the first symbol of a partition, with all that rests in its book and without a word, to another, which
    /// has kept it back; that one defines it next. Returns what would have told of those orders: messages that nobody
    /// is sent, and that stand from the definition on.
    pub fn carry(&mut self, from: usize, to: usize, now: WireTime) -> Vec<Encoded> {
        let [from, to] = self.partitions.get_disjoint_mut([from, to]).expect("two partitions");
        from.unlisted = Unlisted::Yet;
        from.halts.retain(|halt| halt.symbol != 0);
        from.recent.retain(|(index, _)| *index != 0);
        from.forget_pending(0);
        let (left, arrived) = (&mut from.stocks[0], &mut to.stocks[0]);
        let symbol = arrived.listing.symbol;
        assert_eq!(symbol, left.listing.symbol, "it is kept back where it goes");
        (arrived.fair, arrived.tick) = (left.fair, left.tick);
        arrived.listing.price = left.listing.price;
        let mut orders = left.book.orders().to_vec();
        let by_level = left.book.by_level;
        left.book = TrueBook::default();
        left.book.by_level = by_level;
        orders.sort_unstable_by_key(|order| order.reference);
        for order in &mut orders {
            order.reference = to.reference();
        }
        to.list();
        let silent = to.silently(symbol, &orders, now);
        to.carried = orders;
        silent
    }
}

impl PartitionMarket {
    fn silently(&self, symbol: Symbol, orders: &[Order], now: WireTime) -> Vec<Encoded> {
        if self.config.family == Family::Itch50 {
            let add = |order: &Order| Action::Add { symbol, order: *order, attributed: false };
            return orders.iter().map(|order| encode(&add(order), 1, now)).collect();
        }
        let mut book = TrueBook::default();
        orders.iter().for_each(|order| book.add(*order));
        let mut levels: Vec<(Side, u32)> = orders.iter().map(|it| (it.side, it.price)).collect();
        levels.sort_unstable_by_key(|(side, price)| (*side == Side::Ask, *price));
        levels.dedup();
        let size = |side, price| book.level(side, price);
        let level = |&(side, price): &(Side, u32)| {
            deep::level(symbol, side, price, size(side, price), true, now)
        };
        levels.iter().map(level).collect()
    }
}

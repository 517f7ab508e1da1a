//! Looking ahead: what messages will need is asked for while other work is done. Nothing here changes a
//! book or has any outcome; a hint that is wrong, or left out, costs time alone.

use candor_core::{Event, SymbolIndex};

use crate::books::{Books, Store};
use crate::levels::{Levels, NONE, key_of, side_of};
use crate::near::near;

impl Books {
    /// Asks for what a message is looked up by: its orders' places, its symbol's heads and summary. Of use
    /// for each of some twenty to a hundred messages before [`Books::approach`] for each of them.
    #[inline]
    pub fn foresee(&self, symbol: SymbolIndex, event: &Event) {
        let (orders, levels) = match &self.store {
            Store::ByOrder { orders, levels } => (orders, levels),
            Store::ByLevel { levels } => return self.near_symbol(levels, symbol),
            Store::Quotes { .. } => return,
        };
        let order = match *event {
            Event::Replace { order, new_order, .. } => {
                orders.near(new_order, symbol.0);
                order
            }
            Event::Add { order, .. }
            | Event::Execute { order, .. }
            | Event::Reduce { order, .. }
            | Event::Delete { order } => order,
            _ => return,
        };
        orders.near(order, symbol.0);
        self.near_symbol(levels, symbol);
    }

    #[inline]
    fn near_symbol(&self, levels: &Levels, symbol: SymbolIndex) {
        if let Some(summary) = self.summaries.get(symbol.0 as usize) {
            near(summary);
            levels.near_heads(symbol.0);
        }
    }

    /// Asks for the levels a message changes, once what was foreseen is there. Of use for each message of a
    /// block before the first of them is applied.
    #[inline]
    pub fn approach(&self, symbol: SymbolIndex, event: &Event) {
        if symbol.0 >= self.symbols {
            return;
        }
        let (orders, levels) = match (&self.store, event) {
            (Store::ByOrder { orders, levels }, _) => (orders, levels),
            (Store::ByLevel { levels }, Event::SetLevel { side, price, .. }) => {
                return levels.near_key(side_of(symbol.0, *side), key_of(*price, *side), NONE);
            }
            _ => return,
        };
        match *event {
            Event::Add { side, price, .. } => {
                levels.near_key(side_of(symbol.0, side), key_of(price, side), NONE);
            }
            Event::Execute { order, .. }
            | Event::Reduce { order, .. }
            | Event::Delete { order } => {
                if let Some(order) = orders.glance(order) {
                    levels.near_key(order.side, order.key, order.leaf);
                }
            }
            Event::Replace { order, price, .. } => {
                if let Some(order) = orders.glance(order) {
                    levels.near_key(order.side, order.key, order.leaf);
                    levels.near_key(order.side, key_of(price, order.book_side()), NONE);
                }
            }
            _ => {}
        }
    }
}

//! Resting orders by id: open addressing, linear probing, deletion by shifting back.
//!
//! An order of a cleared symbol isn't searched for: the symbol's epoch moves on, its entries are dead
//! from then on, and each insertion sweeps a few slots until no dead entry is left.

use candor_core::{Price, Side, SymbolIndex};

use crate::levels::price_of;
use crate::near::near;

/// Slots swept with each insertion while dead entries are left.
const SWEEP: usize = 16;

/// An order on a book. 32 bytes, so that an entry never straddles two cache lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C, align(32))]
pub(crate) struct Order {
    pub(crate) id: u64,
    /// Its price, as a level's key.
    pub(crate) key: i64,
    /// What is left of it. Zero marks an empty slot: a resting order is never empty.
    pub(crate) size: u32,
    /// Its side, as the levels count sides: twice the symbol, plus one for asks.
    pub(crate) side: u32,
    epoch: u32,
    /// The leaf of levels that its level was in when it came.
    pub(crate) leaf: u32,
}

const _: () = assert!(size_of::<Order>() == 32);

impl Order {
    const EMPTY: Order = Order { id: 0, key: 0, size: 0, side: 0, epoch: 0, leaf: 0 };

    pub(crate) fn symbol(&self) -> SymbolIndex {
        SymbolIndex(self.side / 2)
    }

    pub(crate) fn book_side(&self) -> Side {
        if self.side.is_multiple_of(2) { Side::Bid } else { Side::Ask }
    }

    pub(crate) fn price(&self) -> Price {
        price_of(self.key, self.side as usize)
    }
}

/// A symbol's part of the table.
#[derive(Clone, Copy, Debug)]
struct Owner {
    /// Entries with another epoch than this are dead.
    epoch: u32,
    /// Its live orders.
    live: u32,
}

/// Where an id is, or would go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Slot {
    /// The order rests here.
    Found(usize),
    /// Nothing rests under this id; it would go here.
    Vacant(usize),
}

#[derive(Debug)]
pub(crate) struct Orders {
    /// A power of two, at least twice the capacity.
    slots: Box<[Order]>,
    owners: Box<[Owner]>,
    shift: u32,
    capacity: u32,
    live: u32,
    /// Entries of cleared symbols that still lie in slots.
    dead: u32,
    /// Where the sweep goes on.
    cursor: usize,
}

impl Orders {
    pub(crate) fn new(capacity: usize, symbols: usize) -> Orders {
        assert!(capacity <= 1 << 30, "capacity: at most 2^30 orders");
        let slots = (capacity * 2).max(2).next_power_of_two();
        Orders {
            // Written, not merely reserved, so that no page is first touched during the day.
            slots: vec![Order::EMPTY; slots].into(),
            owners: vec![Owner { epoch: 1, live: 0 }; symbols].into(),
            shift: u64::BITS - slots.trailing_zeros(),
            capacity: capacity as u32,
            live: 0,
            dead: 0,
            cursor: 0,
        }
    }

    pub(crate) fn live(&self) -> usize {
        self.live as usize
    }

    pub(crate) fn is_full(&self) -> bool {
        self.live == self.capacity
    }

    /// Where the id's probing begins: its high bits after two rounds of multiply and fold, so that
    /// ids that count up, by any stride, spread over the whole table.
    #[inline]
    fn home(&self, id: u64) -> usize {
        let mut x = id ^ (id >> 32);
        x = x.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x ^= x >> 29;
        x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (x >> self.shift) as usize & !1
    }

    #[inline]
    fn mask(&self) -> usize {
        self.slots.len() - 1
    }

    #[inline]
    fn is_dead(&self, order: &Order) -> bool {
        order.epoch != self.owners[order.side as usize / 2].epoch
    }

    /// Finds an id. The answer holds until the next insertion or removal.
    #[inline]
    pub(crate) fn find(&self, id: u64) -> Slot {
        let mask = self.mask();
        let mut at = self.home(id);
        // BOUND: `sweep` keeps an eighth of the slots empty, so probing meets one.
        loop {
            let order = &self.slots[at];
            if order.size == 0 {
                return Slot::Vacant(at);
            }
            if order.id == id {
                return if self.is_dead(order) { Slot::Vacant(at) } else { Slot::Found(at) };
            }
            at = (at + 1) & mask;
        }
    }

    /// Asks for the line where an id's probing begins.
    #[inline]
    pub(crate) fn near(&self, id: u64) {
        near(&self.slots[self.home(id)]);
    }

    /// The order of an id, if it lies in the first line probed; it may be dead.
    #[inline]
    pub(crate) fn glance(&self, id: u64) -> Option<&Order> {
        let home = self.home(id);
        self.slots[home..].iter().take(2).find(|order| order.id == id && order.size > 0)
    }

    /// The order in a slot that [`Orders::find`] found.
    #[inline]
    pub(crate) fn at(&self, slot: usize) -> &Order {
        &self.slots[slot]
    }

    /// Takes size off a resting order; some must be left.
    #[inline]
    pub(crate) fn reduce(&mut self, slot: usize, size: u32) {
        let order = &mut self.slots[slot];
        assert!(order.size > size, "a reduction must leave something");
        order.size -= size;
    }

    /// Puts a new order in the slot that [`Orders::find`] named vacant for its id.
    #[inline]
    pub(crate) fn insert(
        &mut self,
        slot: usize,
        id: u64,
        side: u32,
        key: i64,
        size: u32,
        leaf: u32,
    ) {
        assert!(size > 0, "a resting order is never empty");
        assert!(self.live < self.capacity, "insertion into a full table");
        let owner = &mut self.owners[side as usize / 2];
        owner.live += 1;
        self.live += 1;
        if self.slots[slot].size > 0 {
            // A dead entry of the same id.
            self.dead -= 1;
        }
        self.slots[slot] = Order { id, key, size, side, epoch: owner.epoch, leaf };
    }

    /// Removes the live order in this slot.
    #[inline]
    pub(crate) fn remove(&mut self, slot: usize) {
        self.owners[self.slots[slot].side as usize / 2].live -= 1;
        self.live -= 1;
        self.erase(slot);
    }

    /// Empties a slot and closes the hole, so that probing needs no tombstones.
    #[inline]
    fn erase(&mut self, slot: usize) {
        let mask = self.mask();
        let mut hole = slot;
        let mut at = slot;
        // BOUND: ends at the first empty slot; `sweep` keeps an eighth of them empty.
        loop {
            at = (at + 1) & mask;
            let order = self.slots[at];
            if order.size == 0 {
                break;
            }
            // An entry may move back to the hole unless its own probing begins behind the hole.
            let probed = at.wrapping_sub(self.home(order.id)) & mask;
            if probed >= (at.wrapping_sub(hole) & mask) {
                self.slots[hole] = order;
                hole = at;
            }
        }
        self.slots[hole] = Order::EMPTY;
    }

    /// To be called before each insertion's `find`: clears away some dead entries.
    ///
    /// A pass over the table takes at most slots + entries steps, sixteen with each insertion. So an
    /// entry that is not live now, or was not when the last pass began, is gone but for those inserted
    /// meanwhile: a quarter of the capacity. Entries that shift back behind the cursor wait for the
    /// next pass; should they pile up, the table is swept at once.
    #[inline]
    pub(crate) fn sweep(&mut self) {
        if self.dead != 0 {
            self.sweep_some();
        }
    }

    #[cold]
    fn sweep_some(&mut self) {
        let crowded = self.live as usize + self.dead as usize >= self.slots.len() / 8 * 7;
        let mut steps = if crowded { 2 * self.slots.len() } else { SWEEP };
        while self.dead > 0 && steps > 0 {
            steps -= 1;
            let order = &self.slots[self.cursor];
            if order.size > 0 && self.is_dead(order) {
                self.erase(self.cursor);
                self.dead -= 1;
            } else {
                self.cursor = (self.cursor + 1) & self.mask();
            }
        }
    }

    /// Drops all orders of a symbol. O(1). The epoch returns to an old value only after 2^32 clearings,
    /// each of at least one order that was inserted since the one before, by when every entry of that
    /// old value has been swept out.
    pub(crate) fn clear(&mut self, symbol: u32) {
        let owner = &mut self.owners[symbol as usize];
        if owner.live > 0 {
            owner.epoch = owner.epoch.wrapping_add(1);
            self.live -= owner.live;
            self.dead += owner.live;
            owner.live = 0;
        }
    }

    /// Every live order, in no order that means anything.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Order> {
        self.slots.iter().filter(|order| order.size > 0 && !self.is_dead(order))
    }

    pub(crate) fn check(&self) {
        assert!(self.live <= self.capacity);
        let mut live = vec![0; self.owners.len()];
        for order in self.iter() {
            live[order.side as usize / 2] += 1;
        }
        for (owner, live) in self.owners.iter().zip(&live) {
            assert_eq!(owner.live, *live, "a symbol's count of orders");
        }
        assert_eq!(self.live, live.iter().sum::<u32>());
        let used = self.slots.iter().filter(|order| order.size > 0).count();
        assert_eq!(self.live as usize + self.dead as usize, used);
        assert!(used < self.slots.len(), "probing must meet an empty slot");
        for (at, order) in self.slots.iter().enumerate() {
            if order.size == 0 {
                continue;
            }
            let found = match self.find(order.id) {
                Slot::Found(slot) | Slot::Vacant(slot) => slot,
            };
            assert_eq!(found, at, "an entry must be found where it lies, and only there");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(orders: &mut Orders, id: u64, side: u32) {
        orders.sweep();
        match orders.find(id) {
            Slot::Vacant(slot) => orders.insert(slot, id, side, 5, 1, 0),
            Slot::Found(_) => panic!("{id} is there"),
        }
    }

    fn longest_probe(orders: &Orders) -> usize {
        let probed = |(at, order): (usize, &Order)| {
            (order.size > 0).then(|| at.wrapping_sub(orders.home(order.id)) & orders.mask())
        };
        orders.slots.iter().enumerate().filter_map(probed).max().unwrap_or(0)
    }

    /// Ids that count up by any stride, as venues number orders, spread as chance would have them.
    #[test]
    fn probing_is_short_at_full_load() {
        const N: usize = 1 << 15;
        let strides = [1, 2, 3, 4, 8, 10, 16, 100, 256, 1_000, 4_096, 1 << 20, 1 << 32, 1 << 48];
        for stride in strides {
            let mut orders = Orders::new(N, 1);
            for i in 0..N as u64 {
                add(&mut orders, 1_000_000 + i * stride, 0);
            }
            assert!(orders.is_full());
            let longest = longest_probe(&orders);
            assert!(longest < 100, "stride {stride}: {longest}");
        }
    }

    /// However symbols are cleared while others fill up, dead entries never crowd the table.
    #[test]
    fn the_sweep_keeps_up_with_clearing() {
        const N: usize = 1 << 10;
        let mut orders = Orders::new(N, 2);
        let (mut id, mut most) = (0, 0);
        for round in 0..200 {
            let symbol = round % 2;
            // A few long rounds fill the table, many short ones leave ever new dead entries.
            let n = if round % 5 == 0 { N as u32 } else { 1 + round * 7 % 300 };
            for _ in 0..n {
                if orders.is_full() {
                    break;
                }
                id += 1;
                add(&mut orders, id, symbol * 2);
                most = most.max(orders.live + orders.dead);
            }
            orders.clear(symbol);
            orders.check();
        }
        assert!(most as usize <= N + N / 4, "{most} entries in {} slots", 2 * N);
        // And once nothing more dies they are all gone soon.
        while orders.dead > 0 {
            id += 1;
            add(&mut orders, id, 0);
            assert!(!orders.is_full());
        }
        orders.check();
    }

    #[test]
    fn entries_at_the_ends_of_the_table_find_back() {
        // Small tables, so that probing runs over the end and back into the beginning.
        for capacity in 1..9 {
            let mut orders = Orders::new(capacity, 1);
            for id in 0..2_000_u64 {
                add(&mut orders, id, 0);
                orders.check();
                if orders.is_full() {
                    let victim = id - id % capacity as u64;
                    let Slot::Found(slot) = orders.find(victim) else { panic!("{victim} is gone") };
                    orders.remove(slot);
                    orders.check();
                    assert!(matches!(orders.find(victim), Slot::Vacant(_)));
                    add(&mut orders, victim, 0);
                    let oldest = id + 1 - capacity as u64;
                    let Slot::Found(slot) = orders.find(oldest) else { panic!("{oldest} is gone") };
                    orders.remove(slot);
                }
            }
        }
    }
}

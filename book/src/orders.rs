//! Resting orders by id. The youngest lie in a ring by their ids, which venues count up: no hashing, and neighbours in
//! time are neighbours in memory. Those that outlive the ring, and those whose ids don't count up, are in a table: open
//! addressing, linear probing, deletion by shifting back.
//!
//! An order of a cleared symbol isn't searched for: the symbol's epoch moves on, its entries are dead
//! from then on, and each insertion sweeps a few slots until no dead entry is left.

use candor_core::{Price, Side, SymbolIndex};

use crate::levels::{NONE, price_of};
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

/// An order in the ring, where its place says its id. Four to a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
struct Young {
    key: i64,
    /// Zero where nothing rests.
    size: u32,
    side: u32,
}

const _: () = assert!(size_of::<Young>() == 16);

impl Young {
    const EMPTY: Young = Young { key: 0, size: 0, side: 0 };

    fn order(self, id: u64) -> Order {
        let Young { key, size, side } = self;
        Order { id, key, size, side, epoch: 0, leaf: NONE }
    }
}

/// Slots beyond the share that a table has empty, so that a small one has some.
const FEW: usize = 8;

/// Ids the ring spans, at most: 16 MiB. Of the orders that go on a busy feed, most are no older.
const RING: usize = 1 << 20;

/// Ids the ring's head goes over with one order, at most. One that is further ahead goes to the table.
const JUMP: u64 = 1_024;

/// Places of the ring that are emptied with each order that is too far ahead for it.
const DRAIN: u64 = 4;

/// How far ahead of the ring's head a survivor's place in the table is asked for.
const OUTLOOK: u64 = 64;

/// Marks a slot as one of the ring.
const YOUNG: usize = 1 << (usize::BITS - 1);

/// A symbol's part of both.
#[derive(Clone, Copy, Debug)]
struct Owner {
    /// Entries of the table with another epoch than this are dead.
    epoch: u32,
    /// Its live orders.
    live: u32,
    /// Those of them in the table.
    old: u32,
    /// Entries of the ring under lower ids than this are dead.
    since: u64,
}

const _: () = assert!(size_of::<Owner>() == 24);

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
    /// Two fifths more than the capacity, and [`FEW`]. Even: two slots make a cache line.
    slots: Box<[Order]>,
    /// By the low bits of their ids: those from `floor` to before `head`. A power of two.
    young: Box<[Young]>,
    floor: u64,
    head: u64,
    /// Behind the highest id that went to the table without having been in the ring.
    strays: u64,
    owners: Box<[Owner]>,
    capacity: u32,
    /// Of both.
    live: u32,
    /// Those of the table.
    old: u32,
    /// Entries of cleared symbols that still lie in slots.
    dead: u32,
    /// Where the sweep goes on.
    cursor: usize,
}

impl Orders {
    pub(crate) fn new(capacity: usize, symbols: usize) -> Orders {
        assert!(capacity <= 1 << 30, "capacity: at most 2^30 orders");
        let slots = (capacity + capacity * 2 / 5 + FEW).next_multiple_of(2);
        Orders {
            // Written, not merely reserved, so that no page is first touched during the day.
            slots: vec![Order::EMPTY; slots].into(),
            young: vec![Young::EMPTY; (capacity / 2).next_power_of_two().min(RING)].into(),
            floor: 0,
            head: 0,
            strays: 0,
            owners: vec![Owner { epoch: 1, live: 0, old: 0, since: 0 }; symbols].into(),
            capacity: capacity as u32,
            live: 0,
            old: 0,
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

    /// Where the id's probing begins: as far into the table as the id, after two rounds of multiply and fold, is
    /// into all numbers, so that ids that count up, by any stride, spread over the whole of it.
    #[inline]
    fn home(&self, id: u64) -> usize {
        let mut x = id ^ (id >> 32);
        x = x.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x ^= x >> 29;
        x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((u128::from(x) * self.slots.len() as u128) >> 64) as usize & !1
    }

    /// The slot behind this one; behind the last, the first.
    #[inline]
    fn behind(&self, slot: usize) -> usize {
        if slot + 1 < self.slots.len() { slot + 1 } else { 0 }
    }

    /// How many slots `slot` lies behind `other`, around the table's end.
    #[inline]
    fn distance(&self, other: usize, slot: usize) -> usize {
        if slot >= other { slot - other } else { slot + self.slots.len() - other }
    }

    #[inline]
    fn is_dead(&self, order: &Order) -> bool {
        order.epoch != self.owners[order.side as usize / 2].epoch
    }

    /// The ring's place of an id.
    #[inline]
    fn ring(&self, id: u64) -> usize {
        id as usize & (self.young.len() - 1)
    }

    /// Where in the ring a live order of this id rests.
    #[inline]
    fn in_ring(&self, id: u64) -> Option<usize> {
        if !(self.floor..self.head).contains(&id) {
            return None;
        }
        let at = self.ring(id);
        let young = &self.young[at];
        // The side of an empty place is that of whoever was there, or the first symbol's.
        (young.size > 0 && id >= self.owners[young.side as usize / 2].since).then_some(at)
    }

    /// Whether a new order of this id goes into the ring: it is the next, or not far ahead.
    #[inline]
    fn is_next(&self, id: u64) -> bool {
        id >= self.head && id - self.head < JUMP && self.head != 0
    }

    /// Finds an id. The answer holds until the next insertion or removal.
    #[inline]
    pub(crate) fn find(&self, id: u64) -> Slot {
        if let Some(at) = self.in_ring(id) {
            return Slot::Found(at | YOUNG);
        }
        let next = self.is_next(id);
        if next && id >= self.strays {
            return Slot::Vacant(YOUNG);
        }
        match self.find_old(id) {
            Slot::Vacant(_) if next => Slot::Vacant(YOUNG),
            found => found,
        }
    }

    /// Finds an id in the table.
    #[inline]
    fn find_old(&self, id: u64) -> Slot {
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
            at = self.behind(at);
        }
    }

    /// Asks for the line where an id is, or would go, and for its symbol's part.
    #[inline]
    pub(crate) fn near(&self, id: u64, symbol: u32) {
        if id >= self.floor && (id < self.head || self.is_next(id)) {
            near(&self.young[self.ring(id)]);
        }
        if id < self.floor || id < self.strays {
            near(&self.slots[self.home(id)]);
        }
        if let Some(owner) = self.owners.get(symbol as usize) {
            near(owner);
        }
    }

    /// What lies under an id in the first line looked at; it may be dead.
    #[inline]
    pub(crate) fn glance(&self, id: u64) -> Option<Order> {
        if (self.floor..self.head).contains(&id) {
            let young = self.young[self.ring(id)];
            if young.size > 0 {
                return Some(young.order(id));
            }
        }
        let home = self.home(id);
        let mut line = self.slots[home..].iter().take(2);
        line.find(|order| order.id == id && order.size > 0).copied()
    }

    /// The order of this id in the slot that [`Orders::find`] found for it.
    #[inline]
    pub(crate) fn at(&self, slot: usize, id: u64) -> Order {
        if slot & YOUNG == 0 { self.slots[slot] } else { self.young[slot ^ YOUNG].order(id) }
    }

    /// Takes size off a resting order; some must be left.
    #[inline]
    pub(crate) fn reduce(&mut self, slot: usize, size: u32) {
        let left = match slot & YOUNG {
            0 => &mut self.slots[slot].size,
            _ => &mut self.young[slot ^ YOUNG].size,
        };
        assert!(*left > size, "a reduction must leave something");
        *left -= size;
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
        self.owners[side as usize / 2].live += 1;
        self.live += 1;
        if slot & YOUNG != 0 {
            self.advance(id);
            let at = self.ring(id);
            self.young[at] = Young { key, size, side };
            return;
        }
        self.insert_old(slot, Order { id, key, size, side, epoch: 0, leaf });
        self.strays = self.strays.max(id.saturating_add(1));
        if id >= self.head {
            self.far(id);
        }
    }

    /// Puts an order into the table.
    fn insert_old(&mut self, slot: usize, order: Order) {
        let owner = &mut self.owners[order.side as usize / 2];
        owner.old += 1;
        self.old += 1;
        if self.slots[slot].size > 0 {
            // A dead entry of the same id.
            self.dead -= 1;
        }
        self.slots[slot] = Order { epoch: owner.epoch, ..order };
    }

    /// Moves the ring's head behind this id. What it comes over that still rests goes to the table.
    #[inline]
    fn advance(&mut self, id: u64) {
        let span = self.young.len() as u64;
        // BOUND: [`JUMP`].
        while self.head <= id {
            if self.head - self.floor >= span {
                self.retire();
            }
            let at = self.ring(self.head);
            self.young[at].size = 0;
            self.head += 1;
        }
    }

    /// Moves the ring's floor behind its lowest id.
    #[inline]
    fn retire(&mut self) {
        let soon = self.floor + OUTLOOK;
        if self.young[self.ring(soon)].size > 0 {
            near(&self.slots[self.home(soon)]);
        }
        let id = self.floor;
        if let Some(at) = self.in_ring(id) {
            let order = self.young[at].order(id);
            self.sweep();
            let Slot::Vacant(slot) = self.find_old(id) else {
                panic!("an order in two places");
            };
            self.insert_old(slot, order);
        }
        self.floor = id + 1;
    }

    /// An order went to the table because it is too far ahead: if the venue's numbers have gone there for good,
    /// the ring is empty after a while and begins there anew.
    #[cold]
    fn far(&mut self, id: u64) {
        for _ in 0..DRAIN {
            if self.floor == self.head {
                // The highest ids are left to the table, so that the head is always a number.
                if id < u64::MAX / 2 {
                    (self.floor, self.head) = (id + 1, id + 1);
                }
                return;
            }
            self.retire();
        }
    }

    /// Removes the live order in this slot.
    #[inline]
    pub(crate) fn remove(&mut self, slot: usize) {
        self.live -= 1;
        if slot & YOUNG == 0 {
            let owner = &mut self.owners[self.slots[slot].side as usize / 2];
            owner.live -= 1;
            owner.old -= 1;
            self.old -= 1;
            self.erase(slot);
        } else {
            let young = &mut self.young[slot ^ YOUNG];
            young.size = 0;
            self.owners[young.side as usize / 2].live -= 1;
        }
    }

    /// Empties a slot and closes the hole, so that probing needs no tombstones.
    #[inline]
    fn erase(&mut self, slot: usize) {
        let mut hole = slot;
        let mut at = slot;
        // BOUND: ends at the first empty slot; `sweep` keeps an eighth of them empty.
        loop {
            at = self.behind(at);
            let order = self.slots[at];
            if order.size == 0 {
                break;
            }
            // An entry may move back to the hole unless its own probing begins behind the hole.
            if self.distance(self.home(order.id), at) >= self.distance(hole, at) {
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
        let crowded = self.old as usize + self.dead as usize >= self.slots.len() / 8 * 7;
        let mut steps = if crowded { 2 * self.slots.len() } else { SWEEP };
        while self.dead > 0 && steps > 0 {
            steps -= 1;
            let order = &self.slots[self.cursor];
            if order.size > 0 && self.is_dead(order) {
                self.erase(self.cursor);
                self.dead -= 1;
            } else {
                self.cursor = self.behind(self.cursor);
            }
        }
    }

    /// Drops all orders of a symbol. O(1). The epoch returns to an old value only after 2^32 clearings,
    /// each of at least one order that was inserted since the one before, by when every entry of that
    /// old value has been swept out.
    pub(crate) fn clear(&mut self, symbol: u32) {
        let owner = &mut self.owners[symbol as usize];
        owner.since = self.head;
        self.live -= owner.live;
        owner.live = 0;
        if owner.old > 0 {
            owner.epoch = owner.epoch.wrapping_add(1);
            self.old -= owner.old;
            self.dead += owner.old;
            owner.old = 0;
        }
    }

    /// Drops all orders of the first so many symbols, which are all that have any: ids may begin again.
    pub(crate) fn reset(&mut self, symbols: u32) {
        for symbol in 0..symbols {
            self.clear(symbol);
            self.owners[symbol as usize].since = 0;
        }
        (self.floor, self.head, self.strays) = (0, 0, 0);
    }

    /// Every live order, in no order that means anything.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Order> + '_ {
        let old = self.slots.iter().filter(|order| order.size > 0 && !self.is_dead(order)).copied();
        let young = (self.floor..self.head).filter_map(|id| {
            let at = self.in_ring(id)?;
            Some(self.young[at].order(id))
        });
        old.chain(young)
    }

    pub(crate) fn check(&self) {
        assert!(self.live <= self.capacity);
        assert!(self.head - self.floor <= self.young.len() as u64);
        let (mut live, mut old) = (vec![0; self.owners.len()], vec![0; self.owners.len()]);
        for order in self.iter() {
            live[order.side as usize / 2] += 1;
            let found = self.find(order.id);
            assert!(matches!(found, Slot::Found(_)), "an order that isn't found");
            let Slot::Found(slot) = found else { continue };
            old[order.side as usize / 2] += u32::from(slot & YOUNG == 0);
            if slot & YOUNG != 0 {
                assert!(matches!(self.find_old(order.id), Slot::Vacant(_)), "an order twice");
            }
        }
        for (owner, (live, old)) in self.owners.iter().zip(live.iter().zip(&old)) {
            assert_eq!((owner.live, owner.old), (*live, *old), "a symbol's count of orders");
        }
        assert_eq!(self.live, live.iter().sum::<u32>());
        assert_eq!(self.old, old.iter().sum::<u32>());
        let used = self.slots.iter().filter(|order| order.size > 0).count();
        assert_eq!(self.old as usize + self.dead as usize, used);
        assert!(used < self.slots.len(), "probing must meet an empty slot");
        for (at, order) in self.slots.iter().enumerate() {
            if order.size == 0 {
                continue;
            }
            let found = match self.find_old(order.id) {
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
            (order.size > 0).then(|| orders.distance(orders.home(order.id), at))
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

    #[test]
    fn the_young_are_in_the_ring_and_survivors_in_the_table() {
        let mut orders = Orders::new(64, 2);
        assert_eq!(orders.young.len(), 32);
        // The first shows where the venue's numbers are.
        (10..=40).for_each(|id| add(&mut orders, id, 0));
        assert_eq!((orders.live, orders.old), (31, 1));
        (41..=60).for_each(|id| add(&mut orders, id, 2));
        assert_eq!((orders.live, orders.old), (51, 19));
        orders.check();
        // What is cleared is forgotten in both, and doesn't move on.
        orders.clear(0);
        assert_eq!((orders.live, orders.old, orders.dead), (20, 0, 19));
        add(&mut orders, 90, 0);
        orders.check();
        assert_eq!((orders.live, orders.old), (21, 18), "the ring begins at 59 now");
        // Far ahead: to the table, until the ring has emptied and goes there.
        let far = 1 << 40;
        (far..far + 20).for_each(|id| add(&mut orders, id, 0));
        orders.check();
        assert!(orders.floor > far, "{}", orders.floor);
        orders.reset(2);
        assert_eq!((orders.live, orders.old), (0, 0));
        (1..9).for_each(|id| add(&mut orders, id, 0));
        orders.check();
        assert_eq!((orders.live, orders.old), (8, 1));
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

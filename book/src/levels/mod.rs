//! Price levels of every symbol and side.
//!
//! Each side has a window, sixty-four cells side by side for the steps of the price near the best (`window.rs`), and
//! a B+ tree for all other levels (`tree.rs`), whose leaves hold fifteen levels in price order, best first, linked to the
//! next, and come from one pool. Where there are more sides than an eighth of the levels there can be, the last sides
//! have no window.
//!
//! Keys make both sides alike: a smaller key is a better price.

mod node;
mod tree;
mod window;

use candor_core::{Level, Price, Side};

use crate::near::near;
use node::{Inner, LEAF, Leaf, Node, Pool};
use window::{Head, Place, WINDOW, Window};

/// No node.
pub(crate) const NONE: u32 = u32::MAX;

/// One window for so many levels there can be, or one for each side where that is less.
const WINDOW_SHARE: usize = 8;

/// Levels of at least this many a leaf, unless it is a side's only one.
const LEAF_MIN: usize = 4;
/// Two neighbours with this many levels together become one.
const LEAF_MERGE: usize = 10;
/// Children of at least this many an inner node, unless it is a root, which has two.
const INNER_MIN: usize = 5;
/// Two neighbours with this many children together become one.
const INNER_MERGE: usize = 14;

/// The key of a price: smaller is better.
#[inline]
pub(crate) fn key_of(price: Price, side: Side) -> i64 {
    match side {
        Side::Bid => !price.0,
        Side::Ask => price.0,
    }
}

/// The price of a key on a side, counted as everywhere here: odd ones are asks.
#[inline]
pub(crate) fn price_of(key: i64, side: usize) -> Price {
    if side.is_multiple_of(2) { Price(!key) } else { Price(key) }
}

/// The index of a symbol's side: twice the symbol, plus one for asks.
#[inline]
pub(crate) fn side_of(symbol: u32, side: Side) -> u32 {
    symbol * 2 + side as u32
}

/// No place is left for another level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Full;

/// Where a key is, or would go, within a leaf.
#[derive(Clone, Copy)]
struct Spot {
    leaf: u32,
    at: usize,
    found: bool,
}

#[derive(Debug)]
pub(crate) struct Levels {
    heads: Box<[Head]>,
    /// Of the first sides; the rest have only trees.
    windows: Box<[Window]>,
    leaves: Pool<Leaf>,
    inners: Pool<Inner>,
    capacity: u32,
    count: u32,
}

impl Levels {
    pub(crate) fn new(capacity: usize, symbols: usize) -> Levels {
        Levels::of_orders(capacity, usize::MAX, symbols)
    }

    /// Levels of so many orders at most: no more nodes than for one level each, and for that of an order that
    /// is replaced.
    pub(crate) fn of_orders(capacity: usize, orders: usize, symbols: usize) -> Levels {
        let windows = (symbols * 2).min(capacity.div_ceil(WINDOW_SHARE));
        Levels::with_windows(windows, capacity.min(orders.saturating_add(1)), symbols)
    }

    fn with_windows(windows: usize, capacity: usize, symbols: usize) -> Levels {
        assert!(capacity <= 1 << 30, "capacity: at most 2^30 levels");
        let sides = symbols * 2;
        // Most leaves: as many sides as can be have one leaf of one level, the rest is in leaves as
        // empty as they may be. Most inner nodes: below a root each has at least INNER_MIN children,
        // so all of them are at most leaves / (INNER_MIN - 1), and a root for each tree of two leaves.
        let lone = sides.min(capacity);
        let paired = capacity / LEAF_MIN;
        let leaves = lone + (capacity - lone) / LEAF_MIN;
        let inners = paired / (INNER_MIN - 1) + sides.min(paired / 2);
        Levels {
            heads: vec![Head::EMPTY; sides].into(),
            windows: vec![Window::EMPTY; windows].into(),
            leaves: Pool::new(leaves),
            inners: Pool::new(inners),
            capacity: capacity as u32,
            count: 0,
        }
    }

    /// Asks for a symbol's heads.
    #[inline]
    pub(crate) fn near_heads(&self, symbol: u32) {
        near(&self.heads[symbol as usize * 2]);
    }

    /// Asks for the cell or the leaf where a key's level is or would go. A level of the tree may lie in the
    /// leaf `hint`; where there is none the tree's inner nodes are read.
    #[inline]
    pub(crate) fn near_key(&self, side: u32, key: i64, hint: u32) {
        let head = &self.heads[side as usize];
        let bit = head.step(side, key).and_then(|step| head.within(step));
        if let (Some(bit), Some(window)) = (bit, self.windows.get(side as usize)) {
            near(&window.0[bit as usize]);
        } else if hint != NONE {
            self.leaves.get(hint).near();
        } else if head.node != NONE {
            self.leaves.get(self.descend(head, key)).near();
        }
    }

    /// Levels of all sides.
    pub(crate) fn count(&self) -> usize {
        self.count as usize
    }

    /// The key's place in the tree; `None` when the tree is empty.
    #[inline]
    fn spot(&self, head: &Head, key: i64) -> Option<Spot> {
        if head.node == NONE {
            return None;
        }
        let first = self.leaves.get(head.first);
        let leaf = if head.height == 0 || key <= first.last_key() {
            head.first
        } else {
            self.descend(head, key)
        };
        let (at, found) = self.leaves.get(leaf).position(key);
        Some(Spot { leaf, at, found })
    }

    /// Adds an order of this size to its level, which is made if it isn't there. The leaf that the level is in
    /// now, for [`Levels::take`] to look into first; [`NONE`] in a window.
    #[inline]
    pub(crate) fn join(&mut self, side: u32, key: i64, size: u32) -> Result<u32, Full> {
        match self.place_for(side, key) {
            Place::Cell(bit) => {
                let cell = &mut self.windows[side as usize].0[bit];
                let Some(sum) = cell.size.checked_add(size) else {
                    let (sum, orders) = (u64::from(cell.size) + u64::from(size), cell.orders + 1);
                    return Ok(self.spill(side, key, bit, sum, orders));
                };
                cell.size = sum;
                cell.orders += 1;
                self.heads[side as usize].cell_changes(bit);
                Ok(NONE)
            }
            Place::Vacant(bit) => self.fill(side, bit, size, 1).map(|()| NONE),
            Place::Tree => self.join_tree(side, key, size),
        }
    }

    fn join_tree(&mut self, side: u32, key: i64, size: u32) -> Result<u32, Full> {
        match self.spot(&self.heads[side as usize], key) {
            Some(spot) if spot.found => {
                let leaf = self.leaves.get_mut(spot.leaf);
                leaf.sizes[spot.at] += u64::from(size);
                leaf.orders[spot.at] += 1;
                self.heads[side as usize].tree_changes();
                Ok(spot.leaf)
            }
            _ => self.grow(side, key, u64::from(size), 1),
        }
    }

    /// Adds a level to the tree.
    fn grow(&mut self, side: u32, key: i64, size: u64, orders: u32) -> Result<u32, Full> {
        if self.count == self.capacity {
            return Err(Full);
        }
        self.count += 1;
        self.heads[side as usize].tree_changes();
        let leaf = self.plant(side, key, size, orders);
        self.heads[side as usize].tree_changes();
        Ok(leaf)
    }

    /// Takes a level off the tree.
    fn remove(&mut self, side: u32, spot: Spot, key: i64) {
        self.count -= 1;
        self.heads[side as usize].tree_changes();
        self.uproot(side, spot, key);
        if self.heads[side as usize].mixed {
            self.look(side);
        }
    }

    /// Takes size off a level, and with `leaves` set the order it belonged to. The level goes with
    /// its last order. The level must be there: an order that rests has one. `hint` is the leaf it was in
    /// once, or [`NONE`].
    #[inline]
    pub(crate) fn take(&mut self, side: u32, key: i64, size: u32, leaves: bool, hint: u32) {
        let Some(bit) = self.heads[side as usize].cell(side, key) else {
            return self.take_tree(side, key, size, leaves, hint);
        };
        let cell = &mut self.windows[side as usize].0[bit];
        cell.size -= size;
        cell.orders -= u32::from(leaves);
        if cell.orders == 0 {
            assert_eq!(cell.size, 0, "a level without orders has size");
            self.vacate(side, bit);
        } else {
            self.heads[side as usize].cell_changes(bit);
        }
    }

    fn take_tree(&mut self, side: u32, key: i64, size: u32, leaves: bool, hint: u32) {
        let spot = self.spot_from(hint, side, key);
        let leaf = self.leaves.get_mut(spot.leaf);
        leaf.sizes[spot.at] -= u64::from(size);
        leaf.orders[spot.at] -= u32::from(leaves);
        self.heads[side as usize].tree_changes();
        if leaf.orders[spot.at] == 0 {
            assert_eq!(leaf.sizes[spot.at], 0, "a level without orders has size");
            self.remove(side, spot, key);
        }
    }

    /// The place of a level that is in the tree. The hint is a guess that is always checked: a leaf of this
    /// side that has the key is the one, since a tree has each key once; levels move, and then the tree tells.
    #[inline]
    fn spot_from(&self, hint: u32, side: u32, key: i64) -> Spot {
        if hint != NONE {
            let leaf = self.leaves.get(hint);
            let (at, found) = leaf.position(key);
            if found && leaf.side == side {
                return Spot { leaf: hint, at, found };
            }
        }
        match self.spot(&self.heads[side as usize], key) {
            Some(spot) if spot.found => spot,
            _ => panic!("a resting order's level is missing"),
        }
    }

    /// Sets a level's total size, zero removing it; whether that changed anything.
    pub(crate) fn set(&mut self, side: u32, key: i64, size: u32) -> Result<bool, Full> {
        let place = if size == 0 { self.place(side, key) } else { self.place_for(side, key) };
        match (place, size) {
            (Place::Vacant(_), 0) => Ok(false),
            (Place::Vacant(bit), size) => self.fill(side, bit, size, 0).map(|()| true),
            (Place::Cell(bit), 0) => {
                self.vacate(side, bit);
                Ok(true)
            }
            (Place::Cell(bit), size) => {
                let old = std::mem::replace(&mut self.windows[side as usize].0[bit].size, size);
                self.heads[side as usize].cell_changes(bit);
                Ok(old != size)
            }
            (Place::Tree, size) => self.set_tree(side, key, u64::from(size)),
        }
    }

    fn set_tree(&mut self, side: u32, key: i64, size: u64) -> Result<bool, Full> {
        match (self.spot(&self.heads[side as usize], key), size) {
            (Some(spot), 0) if spot.found => {
                self.remove(side, spot, key);
                Ok(true)
            }
            (Some(spot), size) if spot.found => {
                self.heads[side as usize].tree_changes();
                let old = &mut self.leaves.get_mut(spot.leaf).sizes[spot.at];
                Ok(std::mem::replace(old, size) != size)
            }
            (_, 0) => Ok(false),
            (_, size) => self.grow(side, key, size, 0).map(|_| true),
        }
    }

    /// The key of the best level.
    #[inline]
    pub(crate) fn best_key(&self, side: u32) -> Option<i64> {
        let head = &self.heads[side as usize];
        let front = || head.key(side, head.base + i64::from(head.in_order().trailing_zeros()));
        match head.bits {
            0 => (head.node != NONE).then(|| self.leaves.get(head.first).keys[0]),
            _ if !head.mixed => Some(front()),
            _ => Some(front().min(self.leaves.get(head.first).keys[0])),
        }
    }

    /// The best level.
    #[inline]
    pub(crate) fn best(&self, side: u32) -> Option<Level> {
        self.iter(side).next()
    }

    /// Every level, best first.
    #[inline]
    pub(crate) fn iter(&self, side: u32) -> Iter<'_> {
        let head = &self.heads[side as usize];
        let (bits, step) = (head.in_order(), head.base);
        Iter { levels: self, side, bits, step, leaf: head.first, at: 0 }
    }

    /// The levels from this place on, the best being at 0.
    #[inline]
    fn iter_from(&self, side: u32, place: usize) -> Iter<'_> {
        let mut iter = self.iter(side);
        let mut left = place;
        if !self.heads[side as usize].mixed {
            // BOUND: a place that is shown.
            while left > 0 && iter.bits != 0 {
                iter.bits &= iter.bits - 1;
                left -= 1;
            }
        }
        for _ in 0..left {
            let _ = iter.next();
        }
        iter
    }

    /// Writes levels from this place on, as many as there are and fit; how many.
    #[inline]
    pub(crate) fn write(&self, side: u32, from: usize, out: &mut [Level]) -> usize {
        let mut written = 0;
        for (level, place) in self.iter_from(side, from).zip(out) {
            *place = level;
            written += 1;
        }
        written
    }

    /// The total size of a level; zero where there is none.
    pub(crate) fn size_at(&self, side: u32, key: i64) -> u64 {
        match self.place(side, key) {
            Place::Vacant(_) => 0,
            Place::Cell(bit) => self.windows[side as usize].0[bit].size.into(),
            Place::Tree => match self.spot(&self.heads[side as usize], key) {
                Some(spot) if spot.found => self.leaves.get(spot.leaf).sizes[spot.at],
                _ => 0,
            },
        }
    }

    /// Levels of a side.
    #[inline]
    pub(crate) fn len(&self, side: u32) -> u32 {
        self.heads[side as usize].count()
    }

    /// Which groups of a side may have changed since this was asked last.
    #[inline]
    pub(crate) fn take_changed(&mut self, side: u32) -> u8 {
        std::mem::take(&mut self.heads[side as usize].changed)
    }

    /// Drops every side. O(sides).
    pub(crate) fn reset(&mut self) {
        self.heads.fill(Head::EMPTY);
        self.leaves.reset();
        self.inners.reset();
        self.count = 0;
    }
}

/// The levels of one side, best first: those of the window and those of the tree, merged.
#[derive(Clone, Debug)]
pub(crate) struct Iter<'a> {
    levels: &'a Levels,
    side: u32,
    /// Cells of the window still to come, and the step of the first bit.
    bits: u64,
    step: i64,
    leaf: u32,
    at: usize,
}

impl Iterator for Iter<'_> {
    type Item = Level;

    #[inline]
    fn next(&mut self) -> Option<Level> {
        let head = &self.levels.heads[self.side as usize];
        if self.bits == 0 {
            return self.next_of_tree();
        }
        let step = self.step + i64::from(self.bits.trailing_zeros());
        let key = head.key(self.side, step);
        if head.mixed && self.leaf != NONE && self.levels.leaves.get(self.leaf).keys[self.at] < key
        {
            return self.next_of_tree();
        }
        self.bits &= self.bits - 1;
        let cell = &self.levels.windows[self.side as usize].0[step as usize % WINDOW as usize];
        Some(Level {
            price: price_of(key, self.side as usize),
            size: cell.size.into(),
            orders: cell.orders,
            reserved: 0,
        })
    }
}

impl Iter<'_> {
    fn next_of_tree(&mut self) -> Option<Level> {
        if self.leaf == NONE {
            return None;
        }
        let leaf = self.levels.leaves.get(self.leaf);
        let level = leaf.level(self.at, self.side as usize);
        self.at += 1;
        if self.at == leaf.len() {
            self.leaf = leaf.next();
            self.at = 0;
        }
        Some(level)
    }
}

// A split leaves both halves above the minimum; two merged fit into one; two that are balanced rather than
// merged both end above the minimum.
const _: () = assert!(LEAF / 2 >= LEAF_MIN);
const _: () = assert!(LEAF_MERGE < LEAF);
const _: () = assert!(LEAF_MERGE.div_ceil(2) >= LEAF_MIN);
const _: () = assert!(node::INNER / 2 >= INNER_MIN);
const _: () = assert!(INNER_MERGE < node::INNER);
const _: () = assert!(INNER_MERGE.div_ceil(2) >= INNER_MIN);

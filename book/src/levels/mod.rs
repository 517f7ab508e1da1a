//! Price levels of every symbol and side, in one pool of nodes.
//!
//! Each side is a B+ tree whose leaves hold fifteen levels in price order, best first, linked to the next.
//! A side of up to fifteen levels is one leaf. The leaf of the best prices never changes its place
//! while the side has levels, so that what happens near the best, which is most, goes straight to it.
//!
//! Keys make both sides alike: a smaller key is a better price.

mod node;
mod tree;

use candor_core::{Level, Price, Side};

use node::{Inner, LEAF, Leaf, Node, Pool};

/// No node.
const NONE: u32 = u32::MAX;

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

/// One side's tree.
#[derive(Clone, Copy, Debug)]
struct Root {
    /// Its root, a leaf when `height` is zero; [`NONE`] when the side is empty.
    node: u32,
    /// The leaf of the best prices.
    first: u32,
    /// Inner nodes between the root and a leaf, the root included.
    height: u32,
    /// Levels.
    len: u32,
}

impl Root {
    const EMPTY: Root = Root { node: NONE, first: NONE, height: 0, len: 0 };
}

/// Where a key is, or would go, within a leaf.
#[derive(Clone, Copy)]
struct Spot {
    leaf: u32,
    at: usize,
    found: bool,
}

#[derive(Debug)]
pub(crate) struct Levels {
    roots: Box<[Root]>,
    leaves: Pool<Leaf>,
    inners: Pool<Inner>,
    capacity: u32,
    count: u32,
}

impl Levels {
    pub(crate) fn new(capacity: usize, symbols: usize) -> Levels {
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
            roots: vec![Root::EMPTY; sides].into(),
            leaves: Pool::new(leaves),
            inners: Pool::new(inners),
            capacity: capacity as u32,
            count: 0,
        }
    }

    /// Levels of all sides.
    pub(crate) fn count(&self) -> usize {
        self.count as usize
    }

    /// The key's place on a side that is not empty.
    #[inline]
    fn spot(&self, root: &Root, key: i64) -> Spot {
        let first = self.leaves.get(root.first);
        let leaf = if root.height == 0 || key <= first.last_key() {
            root.first
        } else {
            self.descend(root, key)
        };
        let (at, found) = self.leaves.get(leaf).position(key);
        Spot { leaf, at, found }
    }

    /// Adds an order of this size to its level, which is made if it isn't there.
    #[inline]
    pub(crate) fn join(&mut self, side: u32, key: i64, size: u32) -> Result<(), Full> {
        let root = self.roots[side as usize];
        if root.node != NONE {
            let spot = self.spot(&root, key);
            if spot.found {
                let leaf = self.leaves.get_mut(spot.leaf);
                leaf.sizes[spot.at] += u64::from(size);
                leaf.orders[spot.at] += 1;
                return Ok(());
            }
            return self.insert(side, spot, key, u64::from(size), 1);
        }
        self.insert_first(side, key, u64::from(size), 1)
    }

    /// Takes size off a level, and with `leaves` set the order it belonged to. The level goes with
    /// its last order. The level must be there: an order that rests has one.
    #[inline]
    pub(crate) fn take(&mut self, side: u32, key: i64, size: u32, leaves: bool) {
        let root = self.roots[side as usize];
        assert!(root.node != NONE, "a resting order's side is empty");
        let spot = self.spot(&root, key);
        assert!(spot.found, "a resting order's level is missing");
        let leaf = self.leaves.get_mut(spot.leaf);
        leaf.sizes[spot.at] -= u64::from(size);
        leaf.orders[spot.at] -= u32::from(leaves);
        if leaf.orders[spot.at] == 0 {
            assert_eq!(leaf.sizes[spot.at], 0, "a level without orders has size");
            self.remove(side, spot, key);
        }
    }

    /// Sets a level's total size, zero removing it; whether that changed anything.
    pub(crate) fn set(&mut self, side: u32, key: i64, size: u32) -> Result<bool, Full> {
        let size = u64::from(size);
        let root = self.roots[side as usize];
        if root.node == NONE {
            if size == 0 {
                return Ok(false);
            }
            return self.insert_first(side, key, size, 0).map(|()| true);
        }
        let spot = self.spot(&root, key);
        if !spot.found {
            if size == 0 {
                return Ok(false);
            }
            return self.insert(side, spot, key, size, 0).map(|()| true);
        }
        if size == 0 {
            self.remove(side, spot, key);
            return Ok(true);
        }
        let old = &mut self.leaves.get_mut(spot.leaf).sizes[spot.at];
        let changed = *old != size;
        *old = size;
        Ok(changed)
    }

    /// The best level.
    #[inline]
    pub(crate) fn best(&self, side: u32) -> Option<Level> {
        let root = &self.roots[side as usize];
        if root.node == NONE {
            return None;
        }
        Some(self.leaves.get(root.first).level(0, side as usize))
    }

    /// Every level, best first.
    #[inline]
    pub(crate) fn iter(&self, side: u32) -> Iter<'_> {
        let root = &self.roots[side as usize];
        Iter { levels: self, side: side as usize, leaf: root.first, at: 0 }
    }

    /// Writes the best levels, as many as there are and fit; how many.
    #[inline]
    pub(crate) fn write(&self, side: u32, out: &mut [Level]) -> usize {
        let mut written = 0;
        let mut next = self.roots[side as usize].first;
        while next != NONE && written < out.len() {
            let leaf = self.leaves.get(next);
            let take = leaf.len().min(out.len() - written);
            for (at, level) in out[written..written + take].iter_mut().enumerate() {
                *level = leaf.level(at, side as usize);
            }
            written += take;
            next = leaf.next();
        }
        written
    }

    /// Drops every side. O(sides).
    pub(crate) fn reset(&mut self) {
        self.roots.fill(Root::EMPTY);
        self.leaves.reset();
        self.inners.reset();
        self.count = 0;
    }
}

/// The levels of one side, best first.
#[derive(Clone, Debug)]
pub(crate) struct Iter<'a> {
    levels: &'a Levels,
    side: usize,
    leaf: u32,
    at: usize,
}

impl Iterator for Iter<'_> {
    type Item = Level;

    fn next(&mut self) -> Option<Level> {
        if self.leaf == NONE {
            return None;
        }
        let leaf = self.levels.leaves.get(self.leaf);
        let level = leaf.level(self.at, self.side);
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

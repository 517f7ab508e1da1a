//! How a side's tree grows and shrinks. What needs no change of shape is in the parent module.

use super::node::{Inner, Node, Pool};
use super::{Head, INNER_MERGE, INNER_MIN, LEAF_MERGE, LEAF_MIN, Levels, NONE, Spot, price_of};

/// Inner nodes above a leaf, at most: with 2^30 levels there are 2^28 leaves at most, and each
/// height divides by five at least, but for the root.
const HEIGHT: usize = 14;

/// The inner nodes above a leaf, nearest first, and which child was taken in each.
type Path = [(u32, usize); HEIGHT];

impl Levels {
    /// The leaf that has the key or would get it.
    pub(super) fn descend(&self, root: &Head, key: i64) -> u32 {
        let mut node = root.node;
        for _ in 0..root.height {
            let inner = self.inners.get(node);
            node = inner.children[inner.child_for(key)];
        }
        node
    }

    /// [`Levels::descend`] with the way there.
    fn path(&self, root: &Head, key: i64) -> (Path, u32) {
        let mut path = [(NONE, 0); HEIGHT];
        let mut node = root.node;
        for step in path[..usize::from(root.height)].iter_mut().rev() {
            let inner = self.inners.get(node);
            let at = inner.child_for(key);
            *step = (node, at);
            node = inner.children[at];
        }
        (path, node)
    }

    /// Puts a level into the tree that isn't there; the leaf it is in then.
    pub(super) fn plant(&mut self, side: u32, key: i64, size: u64, orders: u32) -> u32 {
        self.note(side, key);
        self.heads[side as usize].len += 1;
        let head = self.heads[side as usize];
        let Some(spot) = self.spot(&head, key) else {
            let node = self.leaves.alloc();
            let leaf = self.leaves.get_mut(node);
            leaf.side = side;
            leaf.insert(0, key, size, orders);
            let head = &mut self.heads[side as usize];
            (head.node, head.first, head.height) = (node, node, 0);
            return node;
        };
        debug_assert!(!spot.found);
        let leaf = self.leaves.get_mut(spot.leaf);
        if leaf.is_full() {
            return self.insert_and_split(side, key, size, orders);
        }
        leaf.insert(spot.at, key, size, orders);
        spot.leaf
    }

    /// The tree's first level at a key or behind it: its place, key, size and orders.
    pub(super) fn next_from(&self, side: u32, key: i64) -> Option<(Spot, i64, u64, u32)> {
        let spot = self.spot(&self.heads[side as usize], key)?;
        let leaf = self.leaves.get(spot.leaf);
        let (node, at) = if spot.at < leaf.len() { (spot.leaf, spot.at) } else { (leaf.next(), 0) };
        if node == NONE {
            return None;
        }
        let leaf = self.leaves.get(node);
        let spot = Spot { leaf: node, at, found: true };
        Some((spot, leaf.keys[at], leaf.sizes[at], leaf.orders[at]))
    }

    /// Adds a level to a leaf that is full: it splits, and so may those above it. The leaf it is in then.
    fn insert_and_split(&mut self, side: u32, key: i64, size: u64, orders: u32) -> u32 {
        let root = self.heads[side as usize];
        let (path, leaf) = self.path(&root, key);
        let (mut bound, mut child) = split(&mut self.leaves, leaf);
        let into = if key < bound { leaf } else { child };
        let half = self.leaves.get_mut(into);
        let (at, found) = half.position(key);
        assert!(!found, "a level inserted twice");
        half.insert(at, key, size, orders);

        for &(node, at) in &path[..usize::from(root.height)] {
            let inner = self.inners.get_mut(node);
            if !inner.is_full() {
                inner.insert(at + 1, bound, child);
                return into;
            }
            let (upper, right) = split(&mut self.inners, node);
            let left_len = self.inners.get(node).len();
            // At the boundary it goes to the left, so that the right one's bound stays what it is.
            if at < left_len {
                self.inners.get_mut(node).insert(at + 1, bound, child);
            } else {
                self.inners.get_mut(right).insert(at + 1 - left_len, bound, child);
            }
            (bound, child) = (upper, right);
        }

        let node = self.inners.alloc();
        let inner = self.inners.get_mut(node);
        inner.insert(0, i64::MIN, root.node);
        inner.insert(1, bound, child);
        let root = &mut self.heads[side as usize];
        root.node = node;
        root.height += 1;
        assert!(usize::from(root.height) <= HEIGHT, "a tree of impossible height");
        into
    }

    /// Takes the level at its spot out of the tree.
    pub(super) fn uproot(&mut self, side: u32, spot: Spot, key: i64) {
        debug_assert!(spot.found);
        let root = &mut self.heads[side as usize];
        root.len -= 1;
        let leaf = self.leaves.get_mut(spot.leaf);
        leaf.remove(spot.at);
        if leaf.len() >= LEAF_MIN {
            return;
        }
        if root.height > 0 {
            self.refill(side, key);
        } else if leaf.len() == 0 {
            (root.node, root.first, root.mixed) = (NONE, NONE, false);
            self.leaves.release(spot.leaf);
        }
    }

    /// Restores the minimum of the leaf the key was in, and of those above it.
    fn refill(&mut self, side: u32, key: i64) {
        let root = self.heads[side as usize];
        let (path, leaf) = self.path(&root, key);
        let height = usize::from(root.height);
        debug_assert!(self.leaves.get(leaf).len() < LEAF_MIN);
        let (parent, at) = path[0];
        if !settle(&mut self.leaves, self.inners.get_mut(parent), at, LEAF_MERGE) {
            return;
        }
        for pair in path[..height].windows(2) {
            let ((node, _), (parent, at)) = (pair[0], pair[1]);
            if self.inners.get(node).len() >= INNER_MIN {
                return;
            }
            // The parent is in the same pool as its children, so it is worked on as a copy.
            let mut above = self.inners.get(parent).clone();
            let merged = settle(&mut self.inners, &mut above, at, INNER_MERGE);
            *self.inners.get_mut(parent) = above;
            if !merged {
                return;
            }
        }
        let top = self.inners.get(root.node);
        if top.len() == 1 {
            let root_now = &mut self.heads[side as usize];
            root_now.node = top.children[0];
            root_now.height -= 1;
            self.inners.release(root.node);
        }
    }

    /// Drops all levels of a side. O(nodes).
    pub(crate) fn clear(&mut self, side: u32) {
        let root = std::mem::replace(&mut self.heads[side as usize], Head::EMPTY);
        self.count -= root.count();
        let mut leftmost = root.node;
        for _ in 0..root.height {
            let below = self.inners.get(leftmost).children[0];
            release_chain(&mut self.inners, leftmost);
            leftmost = below;
        }
        release_chain(&mut self.leaves, leftmost);
    }

    /// Asserts every rule of every tree and of the pools.
    pub(crate) fn check(&self) {
        let (mut count, mut leaves, mut inners) = (0, 0, 0);
        for (side, root) in self.heads.iter().enumerate() {
            self.check_window(side as u32);
            count += root.bits.count_ones();
            if root.node == NONE {
                assert_eq!((root.first, root.height, root.len), (NONE, 0, 0));
                assert!(!root.mixed);
                continue;
            }
            let (mut nodes, mut height) = (vec![(root.node, i64::MIN, None)], root.height);
            // BOUND: the tree's height.
            while height > 0 {
                inners += nodes.len();
                self.check_chain(&self.inners, &nodes);
                nodes = nodes.iter().flat_map(|node| self.check_inner(root, *node)).collect();
                height -= 1;
            }
            leaves += nodes.len();
            assert_eq!(root.first, nodes[0].0, "the best leaf moved");
            self.check_chain(&self.leaves, &nodes);
            let len: u32 = nodes.iter().map(|node| self.check_leaf(root, side, *node)).sum();
            assert_eq!(root.len, len);
            count += len;
        }
        assert_eq!(self.count, count);
        assert!(self.count <= self.capacity);
        assert_eq!((self.leaves.used(), self.inners.used()), (leaves, inners), "nodes leaked");
        self.leaves.check();
        self.inners.check();
    }

    /// The nodes of one height follow each other.
    fn check_chain<N: Node>(&self, pool: &Pool<N>, nodes: &[Bounded]) {
        for (at, node) in nodes.iter().enumerate() {
            let next = nodes.get(at + 1).map_or(NONE, |next| next.0);
            assert_eq!(pool.get(node.0).next(), next, "a broken chain");
        }
    }

    fn check_inner(&self, root: &Head, (node, low, high): Bounded) -> Vec<Bounded> {
        let inner = self.inners.get(node);
        let least = if node == root.node { 2 } else { INNER_MIN };
        assert!(inner.len() >= least, "an inner node below its minimum");
        let keys = &inner.keys[..inner.len()];
        assert_eq!(keys[0], low, "a bound that differs from its parent's");
        assert!(keys.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(high.is_none_or(|high| keys[keys.len() - 1] < high));
        let bounded = |i: usize| (inner.children[i], keys[i], keys.get(i + 1).copied().or(high));
        (0..keys.len()).map(bounded).collect()
    }

    fn check_leaf(&self, root: &Head, side: usize, (node, low, high): Bounded) -> u32 {
        let leaf = self.leaves.get(node);
        let least = if node == root.node { 1 } else { LEAF_MIN };
        assert!(leaf.len() >= least, "a leaf below its minimum");
        let keys = &leaf.keys[..leaf.len()];
        assert!(keys.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(leaf.side as usize, side, "a leaf of another side");
        assert!(keys[0] >= low);
        assert!(high.is_none_or(|high| keys[keys.len() - 1] < high));
        assert!(keys.iter().all(|key| price_of(*key, side).0 >= 0));
        assert!(leaf.sizes[..leaf.len()].iter().all(|size| *size > 0), "an empty level");
        leaf.len() as u32
    }
}

/// A node, the least key below it, and the first key beyond it where there is one.
type Bounded = (u32, i64, Option<i64>);

/// Splits a full node; the bound and index of its new right neighbour.
fn split<N: Node>(pool: &mut Pool<N>, node: u32) -> (i64, u32) {
    let new = pool.alloc();
    let (left, right) = pool.get_two(node, new);
    let half = left.len() / 2;
    N::push_right(left, right, half);
    right.set_next(left.next());
    left.set_next(new);
    (right.first_key(), new)
}

/// Merges the child at `at` with a neighbour if they have no more than `merge` entries together, else
/// shares their entries out evenly. Whether it merged.
fn settle<N: Node>(pool: &mut Pool<N>, parent: &mut Inner, at: usize, merge: usize) -> bool {
    // Its left neighbour, or the right one of a first child.
    let right_at = at.max(1);
    let (left_node, right_node) = (parent.children[right_at - 1], parent.children[right_at]);
    let (left, right) = pool.get_two(left_node, right_node);
    let (left_len, right_len) = (left.len(), right.len());
    if left_len + right_len <= merge {
        N::pull_left(left, right, right_len);
        left.set_next(right.next());
        pool.release(right_node);
        parent.remove(right_at);
        return true;
    }
    let half = (left_len + right_len) / 2;
    if left_len < half {
        N::pull_left(left, right, half - left_len);
    } else {
        N::push_right(left, right, left_len - half);
    }
    parent.keys[right_at] = right.first_key();
    false
}

/// Gives back a node and all that follow it at its height.
fn release_chain<N: Node>(pool: &mut Pool<N>, first: u32) {
    let mut node = first;
    // BOUND: the chain ends at the last node of its height.
    while node != NONE {
        let next = pool.get(node).next();
        pool.release(node);
        node = next;
    }
}

#[cfg(test)]
mod tests {
    use super::super::Full;
    use super::*;

    fn keys(levels: &Levels, side: u32) -> Vec<i64> {
        // Asks, so that keys are prices.
        levels.iter(side).map(|level| level.price.0).collect()
    }

    /// Thins every leaf of a side down to its minimum, from keys that leave it at once.
    fn thin(levels: &mut Levels, side: u32) {
        let mut leaf = levels.heads[side as usize].first;
        while leaf != NONE {
            while levels.leaves.get(leaf).len() > LEAF_MIN {
                let key = levels.leaves.get(leaf).keys[0];
                assert_eq!(levels.set(side, key, 0), Ok(true));
            }
            leaf = levels.leaves.get(leaf).next();
        }
        levels.check();
    }

    /// The emptiest trees there can be, and as many lone leaves as there are sides, at several sizes: the
    /// pools are large enough, and not by much.
    #[test]
    fn the_pools_hold_the_worst_case_and_no_leaf_more() {
        for (capacity, symbols) in [(40, 3), (200, 9), (2_000, 5), (2_000, 600), (5_000, 1)] {
            let mut levels = Levels::with_windows(0, capacity, symbols);
            let sides = symbols as u32 * 2;
            let mut next = 0;
            // One side takes everything, as thin as can be; each thinning makes room for more.
            for _ in 0..60 {
                while levels.set(1, next, 1).is_ok() {
                    next += 1;
                }
                thin(&mut levels, 1);
            }
            // The rest goes to the other sides, one level each, then anywhere.
            for side in (0..sides).filter(|side| *side != 1) {
                if levels.count == levels.capacity {
                    let key = keys(&levels, 1).pop().unwrap_or_default();
                    assert_eq!(levels.set(1, key, 0), Ok(true));
                }
                let key = if side % 2 == 0 { !1 } else { 1 };
                assert_eq!(levels.set(side, key, 1), Ok(true));
                levels.check();
            }
            while levels.set(1, next, 1).is_ok() {
                next += 1;
            }
            levels.check();
            assert_eq!(levels.count(), capacity);
            assert_eq!(levels.set(1, next, 1), Err(Full));
        }
    }

    #[test]
    fn the_leaf_bound_is_reached() {
        let (capacity, symbols) = (2_000, 5);
        let mut levels = Levels::with_windows(0, capacity, symbols);
        let mut next = 0;
        for _ in 0..60 {
            while levels.count() + 9 < capacity {
                assert_eq!(levels.set(1, next, 1), Ok(true));
                next += 1;
            }
            thin(&mut levels, 1);
        }
        for side in (0..10).filter(|side| *side != 1) {
            let key = if side % 2 == 0 { !1 } else { 1 };
            assert_eq!(levels.set(side, key, 1), Ok(true));
        }
        let bound = 10 + (capacity - 10) / LEAF_MIN;
        assert!(levels.leaves.used() + 8 >= bound, "{} of {bound}", levels.leaves.used());
    }

    #[test]
    fn trees_grow_and_shrink_from_every_end() {
        const N: i64 = 3_000;
        let rising: Vec<i64> = (0..N).collect();
        let orders: [Box<dyn Fn(i64) -> i64>; 4] = [
            Box::new(|i| i),
            Box::new(|i| N - 1 - i),
            Box::new(|i| i * 1_009 % N),
            Box::new(|i| if i % 2 == 0 { i / 2 } else { N - 1 - i / 2 }),
        ];
        let mut levels = Levels::with_windows(0, N as usize, 2);
        for insert in &orders {
            for remove in &orders {
                for i in 0..N {
                    assert!(levels.join(3, insert(i), 5).is_ok());
                    if i % 250 == 0 {
                        levels.check();
                    }
                }
                assert!(levels.heads[3].height >= 2);
                assert_eq!(keys(&levels, 3), rising);
                assert_eq!(levels.join(3, N, 5), Err(Full));
                for i in 0..N {
                    levels.take(3, remove(i), 5, true, NONE);
                    if i % 250 == 0 {
                        levels.check();
                    }
                }
                levels.check();
                assert_eq!((levels.count(), levels.leaves.used(), levels.inners.used()), (0, 0, 0));
            }
        }
    }

    #[test]
    fn clearing_gives_every_node_back() {
        let mut levels = Levels::with_windows(0, 3_000, 2);
        for _ in 0..3 {
            for key in 0..1_000 {
                assert_eq!(levels.set(1, key, 1), Ok(true));
                assert_eq!(levels.set(2, !key, 1), Ok(true));
            }
            levels.clear(1);
            levels.check();
            assert_eq!((levels.count(), levels.iter(1).next()), (1_000, None));
            levels.clear(1);
            levels.clear(2);
            levels.check();
            assert_eq!((levels.leaves.used(), levels.inners.used()), (0, 0));
        }
    }
}

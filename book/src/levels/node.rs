//! Nodes of the trees and the pools they come from.

use candor_core::Level;

use super::{NONE, price_of};
use crate::near::near;

/// Levels a leaf holds: with its header five cache lines, keys first.
pub(super) const LEAF: usize = 15;
/// Children an inner node holds: with its header four cache lines, keys first.
pub(super) const INNER: usize = 20;

/// What leaves and inner nodes have in common.
pub(super) trait Node: Clone {
    const EMPTY: Self;
    fn len(&self) -> usize;
    /// The next node of the same height, of worse prices; in the pool's free list the next free node.
    fn next(&self) -> u32;
    fn set_next(&mut self, next: u32);
    /// It goes to the free list: nothing is to be found in it any more.
    fn retire(&mut self);
    /// The first key. Of an inner node that is a bound: no key below it is smaller.
    fn first_key(&self) -> i64;
    /// Moves the last `n` entries of `left` to the front of `right`.
    fn push_right(left: &mut Self, right: &mut Self, n: usize);
    /// Moves the first `n` entries of `right` to the end of `left`.
    fn pull_left(left: &mut Self, right: &mut Self, n: usize);
}

/// Levels in order of their keys.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Leaf {
    len: u32,
    next: u32,
    /// [`NO_KEY`] behind the last.
    pub(super) keys: [i64; LEAF],
    pub(super) sizes: [u64; LEAF],
    pub(super) orders: [u32; LEAF],
    /// Whose it is; of no meaning in the free list.
    pub(super) side: u32,
}

/// Stands where a leaf has no level, so that a search needs not look how many there are.
const NO_KEY: i64 = i64::MAX;

/// Children in order of their keys. `keys[i]` is a lower bound of the keys below child `i` and above all
/// below the children before it.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Inner {
    len: u32,
    next: u32,
    pub(super) keys: [i64; INNER],
    pub(super) children: [u32; INNER],
}

const _: () = assert!(size_of::<Leaf>() == 320);
const _: () = assert!(size_of::<Inner>() == 256);

/// Makes room at `at` among the first `len` entries and writes `value` there.
#[inline]
fn open<T: Copy>(entries: &mut [T], len: usize, at: usize, value: T) {
    entries.copy_within(at..len, at + 1);
    entries[at] = value;
}

/// Closes the gap that the entry at `at` leaves among the first `len`.
#[inline]
fn close<T: Copy>(entries: &mut [T], len: usize, at: usize) {
    entries.copy_within(at + 1..len, at);
}

/// [`Node::push_right`] of one array.
fn push<T: Copy>(left: &[T], left_len: usize, right: &mut [T], right_len: usize, n: usize) {
    right.copy_within(..right_len, n);
    right[..n].copy_from_slice(&left[left_len - n..left_len]);
}

/// [`Node::pull_left`] of one array.
fn pull<T: Copy>(left: &mut [T], left_len: usize, right: &mut [T], right_len: usize, n: usize) {
    left[left_len..left_len + n].copy_from_slice(&right[..n]);
    right.copy_within(n..right_len, 0);
}

impl Leaf {
    /// Asks for all of its cache lines.
    #[inline]
    pub(super) fn near(&self) {
        near(&self.keys[0]);
        near(&self.keys[8]);
        near(&self.sizes[1]);
        near(&self.sizes[9]);
        near(&self.orders[14]);
    }

    /// The worst key it holds.
    #[inline]
    pub(super) fn last_key(&self) -> i64 {
        self.keys[self.len as usize - 1]
    }

    /// Where the key is or would go, and whether it is there.
    #[inline]
    pub(super) fn position(&self, key: i64) -> (usize, bool) {
        // All of them and no branch: where a level is can't be foreseen, and a wrong guess costs more.
        let at = self.keys.iter().map(|k| usize::from(*k < key)).sum::<usize>();
        let at = at.min(self.len as usize);
        (at, at < self.len as usize && self.keys[at] == key)
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.len() == LEAF
    }

    #[inline]
    pub(super) fn level(&self, at: usize, side: usize) -> Level {
        debug_assert!(at < self.len());
        Level {
            price: price_of(self.keys[at], side),
            size: self.sizes[at],
            orders: self.orders[at],
            reserved: 0,
        }
    }

    #[inline]
    pub(super) fn insert(&mut self, at: usize, key: i64, size: u64, orders: u32) {
        let len = self.len();
        open(&mut self.keys, len, at, key);
        open(&mut self.sizes, len, at, size);
        open(&mut self.orders, len, at, orders);
        self.len += 1;
    }

    #[inline]
    pub(super) fn remove(&mut self, at: usize) {
        let len = self.len();
        close(&mut self.keys, len, at);
        close(&mut self.sizes, len, at);
        close(&mut self.orders, len, at);
        self.len -= 1;
        self.keys[len - 1] = NO_KEY;
    }
}

impl Inner {
    /// The child below which the key is or would go.
    #[inline]
    pub(super) fn child_for(&self, key: i64) -> usize {
        let keys = &self.keys[1..self.len as usize];
        keys.iter().position(|k| *k > key).unwrap_or(keys.len())
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() == INNER
    }

    pub(super) fn insert(&mut self, at: usize, key: i64, child: u32) {
        let len = self.len();
        open(&mut self.keys, len, at, key);
        open(&mut self.children, len, at, child);
        self.len += 1;
    }

    pub(super) fn remove(&mut self, at: usize) {
        let len = self.len();
        close(&mut self.keys, len, at);
        close(&mut self.children, len, at);
        self.len -= 1;
    }
}

impl Node for Leaf {
    const EMPTY: Leaf = Leaf {
        len: 0,
        next: NONE,
        keys: [NO_KEY; LEAF],
        sizes: [0; LEAF],
        orders: [0; LEAF],
        side: NONE,
    };

    #[inline]
    fn len(&self) -> usize {
        self.len as usize
    }

    #[inline]
    fn next(&self) -> u32 {
        self.next
    }

    fn set_next(&mut self, next: u32) {
        self.next = next;
    }

    fn retire(&mut self) {
        self.side = NONE;
    }

    fn first_key(&self) -> i64 {
        self.keys[0]
    }

    fn push_right(left: &mut Leaf, right: &mut Leaf, n: usize) {
        let (l, r) = (left.len(), right.len());
        push(&left.keys, l, &mut right.keys, r, n);
        push(&left.sizes, l, &mut right.sizes, r, n);
        push(&left.orders, l, &mut right.orders, r, n);
        left.len -= n as u32;
        right.len += n as u32;
        left.keys[l - n..l].fill(NO_KEY);
        right.side = left.side;
    }

    fn pull_left(left: &mut Leaf, right: &mut Leaf, n: usize) {
        let (l, r) = (left.len(), right.len());
        pull(&mut left.keys, l, &mut right.keys, r, n);
        pull(&mut left.sizes, l, &mut right.sizes, r, n);
        pull(&mut left.orders, l, &mut right.orders, r, n);
        left.len += n as u32;
        right.len -= n as u32;
        right.keys[r - n..r].fill(NO_KEY);
    }
}

impl Node for Inner {
    const EMPTY: Inner = Inner { len: 0, next: NONE, keys: [0; INNER], children: [NONE; INNER] };

    fn len(&self) -> usize {
        self.len as usize
    }

    fn next(&self) -> u32 {
        self.next
    }

    fn set_next(&mut self, next: u32) {
        self.next = next;
    }

    fn retire(&mut self) {}

    fn first_key(&self) -> i64 {
        self.keys[0]
    }

    fn push_right(left: &mut Inner, right: &mut Inner, n: usize) {
        let (l, r) = (left.len(), right.len());
        push(&left.keys, l, &mut right.keys, r, n);
        push(&left.children, l, &mut right.children, r, n);
        left.len -= n as u32;
        right.len += n as u32;
    }

    fn pull_left(left: &mut Inner, right: &mut Inner, n: usize) {
        let (l, r) = (left.len(), right.len());
        pull(&mut left.keys, l, &mut right.keys, r, n);
        pull(&mut left.children, l, &mut right.children, r, n);
        left.len += n as u32;
        right.len -= n as u32;
    }
}

/// A fixed number of nodes and the list of those that are free.
#[derive(Debug)]
pub(super) struct Pool<N> {
    nodes: Box<[N]>,
    /// Nodes given back, linked by `next`.
    free: u32,
    /// Nodes from here on were never given out since the last reset.
    fresh: u32,
    used: u32,
}

impl<N: Node> Pool<N> {
    pub(super) fn new(capacity: usize) -> Pool<N> {
        assert!(capacity < NONE as usize, "capacity: nodes are counted in 32 bits");
        // Written, not merely reserved, so that no page is first touched during the day.
        Pool { nodes: vec![N::EMPTY; capacity].into(), free: NONE, fresh: 0, used: 0 }
    }

    #[inline]
    pub(super) fn get(&self, node: u32) -> &N {
        &self.nodes[node as usize]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, node: u32) -> &mut N {
        &mut self.nodes[node as usize]
    }

    /// Two different nodes at once.
    pub(super) fn get_two(&mut self, left: u32, right: u32) -> (&mut N, &mut N) {
        match self.nodes.get_disjoint_mut([left as usize, right as usize]) {
            Ok([left, right]) => (left, right),
            Err(error) => panic!("two neighbours in a tree: {error}"),
        }
    }

    /// An empty node. The pool is large enough for every shape its trees may take ([`super::Levels::new`]).
    pub(super) fn alloc(&mut self) -> u32 {
        let node = if self.free == NONE {
            self.fresh += 1;
            self.fresh - 1
        } else {
            self.free
        };
        let empty = &mut self.nodes[node as usize];
        if self.free == node {
            self.free = empty.next();
        }
        *empty = N::EMPTY;
        self.used += 1;
        node
    }

    pub(super) fn release(&mut self, node: u32) {
        let retired = &mut self.nodes[node as usize];
        retired.retire();
        retired.set_next(self.free);
        self.free = node;
        self.used -= 1;
    }

    /// Takes every node back. O(1).
    pub(super) fn reset(&mut self) {
        self.free = NONE;
        self.fresh = 0;
        self.used = 0;
    }

    pub(super) fn used(&self) -> usize {
        self.used as usize
    }

    pub(super) fn check(&self) {
        let mut free = 0;
        let mut node = self.free;
        // BOUND: a list longer than the pool is a cycle, which the assertion ends.
        while node != NONE {
            free += 1;
            assert!(free <= self.fresh, "the free list has a cycle");
            node = self.nodes[node as usize].next();
        }
        assert_eq!(free + self.used, self.fresh, "nodes lost");
        assert!(self.fresh as usize <= self.nodes.len());
    }
}

//! The levels near the best price of a side: cells side by side, one for each step of the price, sixty-four of
//! them, in a ring. A level there is found by arithmetic, in one cache line.
//!
//! A window is any range of prices. Levels beyond it, off its steps, or too large for a cell are in the side's
//! tree; where both have levels in one range the head says so ([`Head::mixed`]), and whoever reads merges them.
//! So the window's place is a matter of speed alone: it follows the best price as levels come and go.

use candor_core::Changed;

use super::{Full, Levels, NONE};

/// Cells of a window.
pub(super) const WINDOW: i64 = 64;
/// Where in the window the best price is put when it slides: there is room for better ones before it.
const LEAD: i64 = 12;
/// The window follows when the best price is further behind its front than this.
const TRAIL: i64 = 40;
/// Levels looked at in the tree, at most, when a window slides over them.
const PULL: usize = 128;

/// The longer step, of prices that end on a cent where they have four decimals. The shorter one is 1.
const CENT: i64 = 100;

/// One level of a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub(super) struct Cell {
    pub(super) size: u32,
    pub(super) orders: u32,
}

const _: () = assert!(size_of::<Cell>() == 8);

/// The cells of one side: eight cache lines.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Window(pub(super) [Cell; WINDOW as usize]);

impl Window {
    pub(super) const EMPTY: Window = Window([Cell { size: 0, orders: 0 }; WINDOW as usize]);
}

/// What is known of one side: its window's place and its tree's. Both of a symbol share a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub(super) struct Head {
    /// Which cells have a level, by their place in the ring.
    pub(super) bits: u64,
    /// The step of the window's front; steps are counted so that a smaller one is a better price.
    pub(super) base: i64,
    /// The tree's root, a leaf when `height` is zero; [`NONE`] when the tree is empty.
    pub(super) node: u32,
    /// The leaf of the tree's best prices.
    pub(super) first: u32,
    /// Levels in the tree.
    pub(super) len: u32,
    /// Inner nodes between the root and a leaf, the root included.
    pub(super) height: u8,
    /// Steps are [`CENT`] apart, not 1.
    pub(super) cents: bool,
    /// The tree has a level before the window's end.
    pub(super) mixed: bool,
    /// Groups of levels that may differ from what was shown last ([`candor_core::Changed`]).
    pub(super) changed: u8,
}

const _: () = assert!(size_of::<Head>() == 32);
const _: () = assert!(size_of::<Window>() == 512);

impl Head {
    pub(super) const EMPTY: Head = Head {
        bits: 0,
        base: 0,
        node: NONE,
        first: NONE,
        len: 0,
        height: 0,
        cents: false,
        mixed: false,
        changed: Changed::SIDE,
    };

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.bits == 0 && self.node == NONE
    }

    /// Levels of the side.
    pub(super) fn count(&self) -> u32 {
        self.len + self.bits.count_ones()
    }

    /// The step of a key; `None` between two steps.
    #[inline]
    pub(super) fn step(&self, side: u32, key: i64) -> Option<i64> {
        if !self.cents {
            return Some(key);
        }
        let flip = flip_of(side);
        let price = key ^ flip;
        let cents = (price.cast_unsigned() / CENT.cast_unsigned()).cast_signed();
        (cents * CENT == price).then_some(cents ^ flip)
    }

    /// The key of a step.
    #[inline]
    pub(super) fn key(&self, side: u32, step: i64) -> i64 {
        if !self.cents {
            return step;
        }
        let flip = flip_of(side);
        // Steps before the first price there is, or behind the last, have no key of their own.
        (step ^ flip).saturating_mul(CENT) ^ flip
    }

    /// The bit of a step within the window; `None` beyond it.
    #[inline]
    pub(super) fn within(&self, step: i64) -> Option<u32> {
        let off = step.wrapping_sub(self.base).cast_unsigned();
        (off < WINDOW.cast_unsigned()).then_some(step as u32 % WINDOW as u32)
    }

    /// The cell where a key's level is, if it is in the window.
    #[inline]
    pub(super) fn cell(&self, side: u32, key: i64) -> Option<usize> {
        let bit = self.within(self.step(side, key)?)?;
        (self.bits >> bit & 1 == 1).then_some(bit as usize)
    }

    /// The cells with levels, the front's in bit 0.
    #[inline]
    pub(super) fn in_order(&self) -> u64 {
        self.bits.rotate_right(self.base as u32 % WINDOW as u32)
    }

    /// At which place of the side, counted from the best, a level is or would come that has this cell; at most. The
    /// front where the tree may have better ones.
    #[inline]
    fn place_of(&self, bit: usize) -> u32 {
        if self.mixed {
            return 0;
        }
        let off = (bit as u32).wrapping_sub(self.base as u32) % WINDOW as u32;
        (self.in_order() & ((1 << off) - 1)).count_ones()
    }

    /// The size of this cell's level changes.
    #[inline]
    pub(super) fn cell_changes(&mut self, bit: usize) {
        self.changed |= match Changed::group(self.place_of(bit)) {
            _ if self.mixed => Changed::SIDE,
            Some(group) => 1 << group,
            None => 0,
        };
    }

    /// This cell's level comes or goes, and all behind it move.
    #[inline]
    pub(super) fn cells_change_from(&mut self, bit: usize) {
        self.changes_from(self.place_of(bit));
    }

    /// A level of the tree changes, comes or goes. Called before and behind it where the window may come to be before
    /// or behind it.
    #[inline]
    pub(super) fn tree_changes(&mut self) {
        self.changes_from(if self.mixed { 0 } else { self.bits.count_ones() });
    }

    #[inline]
    fn changes_from(&mut self, place: u32) {
        if let Some(group) = Changed::group(place) {
            self.changed |= Changed::SIDE << group & Changed::SIDE;
        }
    }

    /// The first key behind the window.
    #[inline]
    fn end(&self, side: u32) -> i64 {
        self.key(side, self.base + WINDOW)
    }
}

/// All ones for a side whose keys are its prices turned round.
#[inline]
fn flip_of(side: u32) -> i64 {
    if side.is_multiple_of(2) { -1 } else { 0 }
}

/// Where a level is, or would go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// In this cell of the window.
    Cell(usize),
    /// Nowhere; its cell is vacant.
    Vacant(usize),
    /// In the tree, if anywhere.
    Tree,
}

impl Levels {
    /// Where a key's level is or would go, the window being where it is.
    #[inline]
    pub(super) fn place(&self, side: u32, key: i64) -> Place {
        let head = &self.heads[side as usize];
        if side as usize >= self.windows.len() {
            return Place::Tree;
        }
        let Some(bit) = head.step(side, key).and_then(|step| head.within(step)) else {
            return Place::Tree;
        };
        if head.bits >> bit & 1 == 1 {
            return Place::Cell(bit as usize);
        }
        if head.mixed && self.spot(head, key).is_some_and(|spot| spot.found) {
            return Place::Tree;
        }
        Place::Vacant(bit as usize)
    }

    /// [`Levels::place`] of a level that may be about to come: the window moves there where that makes sense.
    #[inline]
    pub(super) fn place_for(&mut self, side: u32, key: i64) -> Place {
        match self.place(side, key) {
            Place::Tree => self.place_beyond(side, key),
            place => place,
        }
    }

    fn place_beyond(&mut self, side: u32, key: i64) -> Place {
        if side as usize >= self.windows.len() {
            return Place::Tree;
        }
        let head = &mut self.heads[side as usize];
        if head.is_empty() {
            head.cents = (key ^ flip_of(side)) % CENT == 0;
        }
        let head = *head;
        let Some(step) = head.step(side, key) else { return Place::Tree };
        let better = head.base.wrapping_sub(step);
        if head.bits == 0 {
            let first = (head.node != NONE).then(|| self.leaves.get(head.first).keys[0]);
            let first = first.and_then(|first| head.step(side, first)).unwrap_or(step);
            self.slide(side, step.min(first).saturating_sub(LEAD));
        } else if (1..WINDOW - LEAD).contains(&better) {
            self.slide(side, step.saturating_sub(LEAD));
        } else {
            return Place::Tree;
        }
        self.place(side, key)
    }

    /// The level of a cell that was vacant.
    #[inline]
    pub(super) fn fill(
        &mut self,
        side: u32,
        bit: usize,
        size: u32,
        orders: u32,
    ) -> Result<(), Full> {
        if self.count == self.capacity {
            return Err(Full);
        }
        self.count += 1;
        let head = &mut self.heads[side as usize];
        head.cells_change_from(bit);
        head.bits |= 1 << bit;
        self.windows[side as usize].0[bit] = Cell { size, orders };
        Ok(())
    }

    /// Takes a level out of its cell.
    #[inline]
    pub(super) fn vacate(&mut self, side: u32, bit: usize) {
        self.count -= 1;
        let head = &mut self.heads[side as usize];
        head.cells_change_from(bit);
        head.bits &= !(1 << bit);
        if head.node != NONE && i64::from(head.in_order().trailing_zeros()) > TRAIL {
            self.follow(side);
        }
    }

    /// Moves a level that is too large for its cell to the tree.
    #[cold]
    pub(super) fn spill(&mut self, side: u32, key: i64, bit: usize, size: u64, orders: u32) -> u32 {
        let head = &mut self.heads[side as usize];
        head.cell_changes(bit);
        head.bits &= !(1 << bit);
        self.plant(side, key, size, orders)
    }

    /// Slides the window to where the best price went.
    #[cold]
    fn follow(&mut self, side: u32) {
        let head = self.heads[side as usize];
        let best = match head.bits {
            0 => head.step(side, self.leaves.get(head.first).keys[0]),
            _ => Some(head.base + i64::from(head.in_order().trailing_zeros())),
        };
        // No level is before it, so that none falls out at the front.
        if let Some(base) = best.map(|best| best.saturating_sub(LEAD)) {
            self.slide(side, base);
        }
    }

    /// Moves the window's front. Levels that fall out go to the tree, those it comes over come in.
    #[cold]
    fn slide(&mut self, side: u32, base: i64) {
        // So that its end is a number too, whatever prices there are.
        let base = base.min(i64::MAX - 2 * WINDOW);
        let old = self.heads[side as usize];
        let was = if old.bits == 0 { base } else { old.base + WINDOW };
        let mut bits = old.in_order();
        // BOUND: as many as the window has cells.
        while bits != 0 {
            let step = old.base + i64::from(bits.trailing_zeros());
            bits &= bits - 1;
            if (base..base + WINDOW).contains(&step) {
                continue;
            }
            let bit = step as u32 % WINDOW as u32;
            let cell = self.windows[side as usize].0[bit as usize];
            self.heads[side as usize].bits &= !(1 << bit);
            self.plant(side, old.key(side, step), u64::from(cell.size), cell.orders);
        }
        self.heads[side as usize].base = base;
        self.pull(side, was);
        self.look(side);
    }

    /// Takes levels from the tree into the window, from a step on to its end.
    fn pull(&mut self, side: u32, from: i64) {
        let head = self.heads[side as usize];
        let (mut key, end) = (head.key(side, from), head.end(side));
        // What is left after so many stays in the tree, and the head says that it is there.
        for _ in 0..PULL {
            let Some((spot, found, size, orders)) = self.next_from(side, key) else { return };
            if found >= end {
                return;
            }
            let bit = head.step(side, found).and_then(|step| head.within(step));
            if let (Some(bit), Ok(size)) = (bit, u32::try_from(size)) {
                self.uproot(side, spot, found);
                self.heads[side as usize].bits |= 1 << bit;
                self.windows[side as usize].0[bit as usize] = Cell { size, orders };
            }
            let Some(next) = found.checked_add(1) else { return };
            key = next;
        }
    }

    /// Finds out anew whether the tree has a level before the window's end.
    pub(super) fn look(&mut self, side: u32) {
        let head = self.heads[side as usize];
        let mixed = head.node != NONE && self.leaves.get(head.first).keys[0] < head.end(side);
        self.heads[side as usize].mixed = mixed;
    }

    /// Notes that a level is in the tree now.
    #[inline]
    pub(super) fn note(&mut self, side: u32, key: i64) {
        let head = &mut self.heads[side as usize];
        head.mixed |= key < head.end(side);
    }

    pub(super) fn check_window(&self, side: u32) {
        let head = &self.heads[side as usize];
        if side as usize >= self.windows.len() {
            assert_eq!(head.bits, 0, "levels in a window that isn't there");
            return;
        }
        for bit in (0..WINDOW as u32).filter(|bit| head.bits >> bit & 1 == 1) {
            let cell = self.windows[side as usize].0[bit as usize];
            assert!(cell.size > 0, "an empty level");
        }
        let first = (head.node != NONE).then(|| self.leaves.get(head.first).keys[0]);
        if let Some(first) = first {
            assert!(head.mixed || first >= head.end(side), "a level in the tree nobody looks for");
        }
        let mut bits = head.in_order();
        while bits != 0 {
            let key = head.key(side, head.base + i64::from(bits.trailing_zeros()));
            bits &= bits - 1;
            let twice = self.spot(head, key).is_some_and(|spot| spot.found);
            assert!(!twice, "a level in two places");
        }
    }
}

//! A partition's directory: symbols by index, and an open-addressing index over their names. One
//! writer, its lane; entries are added and never taken away: one whose symbol has moved says so.
//!
//! An index word is the upper half of the name's hash and, in the lower half, the symbol's index
//! plus one; zero is free.

use candor_core::{Symbol, SymbolIndex};

use crate::atomic::{AtomicU64, Ordering};
use crate::layout::DirectoryEntry;
use crate::mapping::{load_all, store_all};
use crate::text::{text_of, words_of};

/// A directory and its index.
#[derive(Clone, Copy)]
pub(crate) struct Names<'a> {
    pub(crate) entries: &'a [DirectoryEntry],
    pub(crate) index: &'a [AtomicU64],
}

const UPPER: u64 = 0xffff_ffff_0000_0000;

/// The same on every run and host: it is part of the layout.
fn hash(name: &[u64; 3]) -> u64 {
    let mut hash = 0u64;
    for word in name {
        hash = (hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^= hash >> 29;
    }
    hash
}

impl Names<'_> {
    fn start(&self, hash: u64) -> usize {
        debug_assert!(self.index.len().is_power_of_two());
        hash as usize & (self.index.len() - 1)
    }

    /// The symbol of this name, as far as its definition has reached this thread.
    pub(crate) fn find(&self, symbol: &Symbol) -> Option<SymbolIndex> {
        let name: [u64; 3] = words_of(symbol);
        let hash = hash(&name);
        let start = self.start(hash);
        // BOUND: every index word at most once; a free one ends it, and half of them are free.
        for step in 0..self.index.len() {
            let word = &self.index[(start + step) & (self.index.len() - 1)];
            // ORDER: pairs with the release store of `add`: the entry is there when the word is.
            let word = word.load(Ordering::Acquire);
            if word == 0 {
                return None;
            }
            if (word ^ hash) & UPPER != 0 {
                continue;
            }
            // A foreign file may say anything: an index beyond the directory is no entry.
            let index = (word as u32).wrapping_sub(1);
            let Some(entry) = self.entries.get(index as usize) else { continue };
            if load_all(&entry.name) == name {
                return Some(SymbolIndex(index));
            }
        }
        None
    }

    /// Whether the map in force gives the symbol at `index` to another partition.
    pub(crate) fn is_moved(&self, index: SymbolIndex) -> bool {
        let entry = self.entries.get(index.0 as usize);
        // ORDER: acquire, so that who looks elsewhere finds what was defined there before.
        entry.is_some_and(|entry| entry.moved.load(Ordering::Acquire) != 0)
    }

    /// The name at `index`; empty where none is defined.
    pub(crate) fn name(&self, index: SymbolIndex) -> Symbol {
        self.entries
            .get(index.0 as usize)
            .map_or(Symbol::EMPTY, |entry| text_of(load_all(&entry.name)))
    }

    /// Adds a name at `index`, whose entry is free. Its lane only.
    pub(crate) fn add(&self, index: SymbolIndex, symbol: &Symbol) {
        let name: [u64; 3] = words_of(symbol);
        store_all(&self.entries[index.0 as usize].name, name);
        let hash = hash(&name);
        let start = self.start(hash);
        // BOUND: at most half of the words are ever used, so a free one is met.
        for step in 0..self.index.len() {
            let word = &self.index[(start + step) & (self.index.len() - 1)];
            if word.load(Ordering::Relaxed) == 0 {
                // ORDER: the entry before the word that leads to it.
                word.store((hash & UPPER) | (u64::from(index.0) + 1), Ordering::Release);
                return;
            }
        }
        unreachable!("the index has twice as many words as there are symbols");
    }
}

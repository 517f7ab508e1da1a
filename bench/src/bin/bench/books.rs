//! The books of a whole file, and the region they are published to.

use candor_bench::live::{self, Heap, name};
use candor_book::{Books, Capacity, Shape};
use candor_core::{
    BookView, Decimals, Event, Message, Mono, SeqNo, Side, Status, SymbolIndex, limits,
};
use candor_decoders::Format;

use crate::itch::{Input, messages};

/// What the books have room for, beside the file's symbols.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Room {
    pub(crate) orders: usize,
    pub(crate) levels: usize,
}

/// What a pass over the file found; equal for every way of applying the same messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Tally {
    /// Both best prices of the symbol behind every message, folded.
    pub(crate) prices: u64,
    /// Every view at the end, ten levels a side, folded.
    pub(crate) views: u64,
    /// Messages that broke a rule, or found a table full.
    pub(crate) faults: u64,
    /// The most orders that rested at once.
    pub(crate) peak_orders: u64,
}

/// No symbol has this locate.
const NOBODY: u32 = u32::MAX;

/// Messages that are looked ahead over where they are there to be: of a file, of a long burst.
pub(crate) const BLOCK: usize = 64;

/// Messages between two looks at how many orders rest.
const LOOK: u64 = 64;

/// The books of every symbol, empty, and which locate is whose.
pub(crate) struct Market {
    pub(crate) books: Books,
    locates: Vec<u32>,
    tally: Tally,
    number: u64,
    block: Vec<(Option<SymbolIndex>, Message)>,
}

impl Market {
    pub(crate) fn new(room: Room, symbols: usize) -> Market {
        let Room { orders, levels } = room;
        let capacity = Capacity { symbols, orders, levels, trades: limits::TRADES };
        Market {
            books: Books::new(Shape::ByOrder, capacity, Decimals(4)),
            locates: vec![NOBODY; 1 << 16],
            tally: Tally::default(),
            number: 0,
            block: Vec::with_capacity(BLOCK),
        }
    }

    /// Whose message it is: learned from the directory, then one load.
    #[inline]
    fn symbol(&mut self, message: &Message) -> Option<SymbolIndex> {
        let known = &mut self.locates[usize::from(message.key.0 as u16)];
        if *known == NOBODY {
            if !matches!(message.event, Event::Definition { .. }) {
                return None;
            }
            *known = self.books.add_symbol()?.0;
        }
        Some(SymbolIndex(*known))
    }

    /// Applies a message and looks at both best prices. Whether anything changed.
    #[inline]
    fn apply(&mut self, symbol: SymbolIndex, message: &Message) -> bool {
        let change = self.books.apply(symbol, SeqNo(self.number), message);
        self.tally.faults += u64::from(change.is_err());
        let price = |side| self.books.best_price(symbol, side).map_or(0, |price| price.0 as u64);
        let prices = price(Side::Bid) ^ price(Side::Ask).rotate_left(32);
        self.tally.prices = self.tally.prices.rotate_left(1) ^ prices;
        change.is_ok_and(|change| change.any())
    }

    #[inline]
    fn count(&mut self) {
        self.number += 1;
        if self.number.is_multiple_of(LOOK) {
            self.tally.peak_orders = self.tally.peak_orders.max(self.books.order_count() as u64);
        }
    }

    /// Takes one message after the other: nothing is known of the next.
    pub(crate) fn one_by_one(&mut self, file: &[u8]) {
        for bytes in messages(file) {
            let Ok(message) = Format::NasdaqItch50.decode(bytes) else {
                self.tally.faults += 1;
                continue;
            };
            self.count();
            if let Some(symbol) = self.symbol(&message) {
                self.apply(symbol, &message);
            }
        }
    }

    /// Takes up to so many messages, and asks for what they need; whether there were any.
    #[inline]
    fn gather<'a>(&mut self, messages: &mut impl Iterator<Item = &'a [u8]>, each: usize) -> bool {
        self.block.clear();
        for bytes in messages.take(each) {
            let Ok(message) = Format::NasdaqItch50.decode(bytes) else {
                self.tally.faults += 1;
                continue;
            };
            let symbol = self.symbol(&message);
            if let Some(symbol) = symbol
                && each > 1
            {
                self.books.foresee(symbol, &message.event);
            }
            self.block.push((symbol, message));
        }
        if each > 1 {
            for (symbol, message) in &self.block {
                if let Some(symbol) = symbol {
                    self.books.approach(*symbol, &message.event);
                }
            }
        }
        !self.block.is_empty()
    }

    /// Takes so many messages at a time, all of which are there before the first is applied.
    pub(crate) fn ahead(&mut self, file: &[u8], each: usize) {
        let mut messages = messages(file);
        while self.gather(&mut messages, each) {
            let mut block = std::mem::take(&mut self.block);
            for (symbol, message) in &block {
                self.count();
                if let Some(symbol) = symbol {
                    self.apply(*symbol, message);
                }
            }
            block.clear();
            self.block = block;
        }
    }

    /// What was found, every view of the end included.
    pub(crate) fn tally(&self) -> Tally {
        let mut view = BookView::EMPTY;
        let mut tally = self.tally;
        tally.peak_orders = tally.peak_orders.max(self.books.order_count() as u64);
        for symbol in (0..self.books.symbols() as u32).map(SymbolIndex) {
            self.books.view(symbol, &mut view);
            fold_view(&mut tally.views, &view);
        }
        tally
    }
}

/// Folds ten levels a side into a sum.
pub(crate) fn fold_view(sum: &mut u64, view: &BookView) {
    for level in view.levels(Side::Bid).iter().chain(view.levels(Side::Ask)) {
        for word in [level.price.0 as u64, level.size, u64::from(level.orders)] {
            *sum = candor_sim::rng::mix(*sum ^ word);
        }
    }
}

/// A market and the region it is published to.
pub(crate) struct Published {
    pub(crate) market: Market,
    heap: Heap,
    status: Status,
    view: BookView,
    dirty: Vec<SymbolIndex>,
    is_dirty: Vec<bool>,
    /// Books written to the region.
    pub(crate) published: u64,
}

impl Published {
    pub(crate) fn new(room: Room, input: &Input) -> Result<Published, String> {
        let symbols = u32::try_from(input.symbols).map_err(|_| "too many symbols")?;
        let mut heap = live::region(symbols).map_err(|error| error.to_string())?;
        for number in 0..symbols {
            heap.lane.define(0, SymbolIndex(number), &name(number));
        }
        Ok(Published {
            market: Market::new(room, input.symbols),
            heap,
            status: live::live(),
            view: BookView::EMPTY,
            dirty: Vec::with_capacity(input.symbols),
            is_dirty: vec![false; input.symbols],
            published: 0,
        })
    }

    /// Takes packets of so many messages: an event for each message, and behind each packet a book for each
    /// symbol that changed.
    pub(crate) fn packets(&mut self, file: &[u8], each: usize) {
        let mut messages = messages(file);
        while self.market.gather(&mut messages, each) {
            let block = std::mem::take(&mut self.market.block);
            for (symbol, message) in &block {
                self.market.count();
                if let Some(symbol) = symbol {
                    self.heap.lane.approach(0, *symbol);
                }
                if let Some(symbol) = symbol
                    && self.market.apply(*symbol, message)
                    && !self.is_dirty[symbol.0 as usize]
                {
                    self.is_dirty[symbol.0 as usize] = true;
                    self.dirty.push(*symbol);
                }
                let number = self.market.number;
                self.heap.lane.event(0, *symbol, SeqNo(number), Mono(number), message);
            }
            self.market.block = block;
            self.show();
        }
    }

    fn show(&mut self) {
        self.published += self.dirty.len() as u64;
        for symbol in self.dirty.drain(..) {
            self.is_dirty[symbol.0 as usize] = false;
            // As the engine does it for the handler's sink.
            let changed = self.market.books.take_changed(symbol);
            self.market.books.view_changed(symbol, &mut self.view, changed);
            if cfg!(debug_assertions) {
                self.market.books.view(symbol, &mut self.view);
            }
            let (status, since, lane) = (self.status, Mono(1), &mut self.heap.lane);
            lane.publish_changed(0, symbol, status, 1, since, &self.view, changed);
        }
        self.heap.lane.lease(0, Mono(self.market.number));
    }

    /// What the region holds, folded as [`Tally::views`] is.
    pub(crate) fn region_views(&self) -> u64 {
        let mut sum = 0;
        for number in 0..self.market.books.symbols() as u32 {
            let found = self.heap.region.find(&self.heap.venue, &name(number));
            let view = match found.map(|symbol| self.heap.region.read(symbol)) {
                Some(candor_shm::Read::Live(view)) => Some(view),
                Some(candor_shm::Read::Stale { last, .. }) => last,
                None => None,
            };
            if let Some(view) = view {
                fold_view(&mut sum, &view.book);
            }
        }
        sum
    }
}

/// The naive books of a file, for a small one.
#[cfg(test)]
pub(crate) fn naive(file: &[u8], room: Room, symbols: usize) -> Tally {
    let Room { orders, levels } = room;
    let capacity = Capacity { symbols, orders, levels, trades: limits::TRADES };
    let mut books = candor_book::naive::Books::new(Shape::ByOrder, capacity, Decimals(4));
    let mut locates: std::collections::BTreeMap<u64, SymbolIndex> = Default::default();
    let mut tally = Tally::default();
    let mut number = 0;
    for bytes in messages(file) {
        let message = Format::NasdaqItch50.decode(bytes).unwrap();
        number += 1;
        if let Event::Definition { .. } = message.event {
            locates.insert(message.key.0, books.add_symbol().unwrap());
        }
        let Some(symbol) = locates.get(&message.key.0).copied() else { continue };
        tally.faults += u64::from(books.apply(symbol, SeqNo(number), &message).is_err());
        let price = |side| books.best(symbol, side).map_or(0, |level| level.price.0 as u64);
        let prices = price(Side::Bid) ^ price(Side::Ask).rotate_left(32);
        tally.prices = tally.prices.rotate_left(1) ^ prices;
        tally.peak_orders = tally.peak_orders.max(books.order_count() as u64);
    }
    for symbol in (0..books.symbols() as u32).map(SymbolIndex) {
        fold_view(&mut tally.views, &books.view(symbol));
    }
    tally
}

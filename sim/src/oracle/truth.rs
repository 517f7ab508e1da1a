//! The truth of one partition: what every symbol looked like after every message published.

use std::collections::btree_map;
use std::collections::{BTreeMap, VecDeque};

use candor_core::{Mono, Symbol};

use super::book::{Fingerprint, NaiveBook, state_of};
use super::wire::{self, Said};

/// Entries of a symbol kept without asking whether anybody may still need them.
const KEPT: usize = 48;

/// Trades remembered for breaks, over all symbols.
const TRADES: usize = 16_384;

/// What a symbol looked like from one message on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The run of numbers, counted from 0.
    pub run: u32,
    /// The message that made it so.
    pub seq: u64,
    /// What a reader is to be shown.
    pub print: Fingerprint,
    /// Whether the venue has broken its own rules about the symbol in this run.
    pub broken: bool,
    /// Whether its book is crossed while it trades.
    pub crossed: bool,
    /// When it was published.
    pub sent: Mono,
}

/// One symbol.
#[derive(Clone, Debug)]
pub struct TrueSymbol {
    /// Its name.
    pub symbol: Symbol,
    book: NaiveBook,
    history: VecDeque<Entry>,
    broken: bool,
}

#[derive(Clone, Copy, Debug)]
struct Order {
    symbol: u32,
    buy: bool,
    price: u32,
    size: u32,
}

/// One partition as the venue has it.
#[derive(Clone, Debug)]
pub struct Truth {
    run: u32,
    next: u64,
    /// Sessions of the runs.
    sessions: BTreeMap<u32, [u8; 10]>,
    locates: Vec<u32>,
    names: BTreeMap<Symbol, u32>,
    symbols: Vec<TrueSymbol>,
    orders: BTreeMap<u64, Order>,
    trades: BTreeMap<u64, (u32, u32, bool)>,
    /// When the newest message was published.
    sent: Mono,
    messages: u64,
}

const NOBODY: u32 = u32::MAX;

impl Default for Truth {
    fn default() -> Truth {
        Truth {
            run: 0,
            next: 1,
            sessions: BTreeMap::new(),
            locates: Vec::new(),
            names: BTreeMap::new(),
            symbols: Vec::new(),
            orders: BTreeMap::new(),
            trades: BTreeMap::new(),
            sent: Mono::NEVER,
            messages: 0,
        }
    }
}

impl Truth {
    /// The numbers begin again: another session, or the same one restarted. Books are empty.
    pub fn begin(&mut self) {
        self.run += 1;
        self.next = 1;
        self.locates.clear();
        self.orders.clear();
        self.trades.clear();
        for symbol in &mut self.symbols {
            symbol.book = NaiveBook::default();
            symbol.broken = false;
        }
    }

    /// Takes a datagram of any line, published at `sent`; messages seen before are passed over.
    /// Nobody needs to know what was before number `floor.1` of run `floor.0` any more.
    ///
    /// # Panics
    /// When the exchange left numbers out: it must not.
    pub fn consume(&mut self, datagram: &[u8], sent: Mono, floor: (u32, u64)) {
        let frame = wire::frame(datagram).expect("the exchange publishes whole headers");
        self.sessions.entry(self.run).or_insert(frame.session);
        assert!(frame.first <= self.next, "the exchange left numbers out");
        let mut blocks = frame.blocks;
        for seq in frame.first..frame.first + frame.count {
            let (message, rest) = wire::split(blocks).expect("the exchange fills its packets");
            blocks = rest;
            if seq == self.next {
                self.next += 1;
                self.messages += 1;
                self.sent = sent;
                self.take(seq, message, sent, floor);
            }
        }
        assert!(blocks.is_empty(), "the exchange pads its packets");
    }

    fn take(&mut self, seq: u64, message: &[u8], sent: Mono, floor: (u32, u64)) {
        let (locate, said) = wire::itch(message);
        if let Said::Named { name } = said {
            self.define(locate, name);
        }
        let Some(at) = self.locates.get(usize::from(locate)).copied().filter(|at| *at != NOBODY)
        else {
            return;
        };
        let time =
            message.get(5..11).map_or(0, |b| b.iter().fold(0, |n, b| n << 8 | u64::from(*b)));
        if !self.change(at, said, time) {
            return;
        }
        let run = self.run;
        let symbol = &mut self.symbols[at as usize];
        let book = symbol.book.book_print();
        let same = symbol.history.back().filter(|last| last.run == run);
        // A trade's fingerprint is worked out only where one was.
        let trades = match (said, same) {
            (Said::Execute { .. } | Said::Trade { .. } | Said::Break { .. }, _) | (_, None) => {
                symbol.book.trades_print()
            }
            (_, Some(last)) => last.print.trades,
        };
        let trading = symbol.book.state == state_of(b'T');
        let crossed = trading && symbol.book.is_crossed();
        let print = Fingerprint { book, trades };
        let broken = symbol.broken;
        symbol.history.push_back(Entry { run, seq, print, broken, crossed, sent });
        if symbol.history.len() > KEPT {
            while symbol.history.get(1).is_some_and(|second| (second.run, second.seq) < floor) {
                symbol.history.pop_front();
            }
        }
    }

    fn define(&mut self, locate: u16, name: [u8; 8]) {
        let Some(symbol) = Symbol::from_wire(&name) else { return };
        let next = self.symbols.len() as u32;
        let at = *self.names.entry(symbol).or_insert(next);
        if at == next {
            self.symbols.push(TrueSymbol {
                symbol,
                book: NaiveBook::default(),
                history: VecDeque::new(),
                broken: false,
            });
        }
        let locate = usize::from(locate);
        if self.locates.len() <= locate {
            self.locates.resize(locate + 1, NOBODY);
        }
        self.locates[locate] = at;
    }

    /// Applies what was said of a symbol; whether it may show.
    fn change(&mut self, at: u32, said: Said, time: u64) -> bool {
        let symbol = &mut self.symbols[at as usize];
        match said {
            Said::Nothing => return false,
            Said::Named { .. } => {}
            Said::State { letter } => symbol.book.state = state_of(letter),
            Said::Add { order, buy, price, size } => {
                if let btree_map::Entry::Vacant(place) = self.orders.entry(order) {
                    symbol.book.join(buy, price, size);
                    place.insert(Order { symbol: at, buy, price, size });
                } else {
                    symbol.broken = true;
                }
            }
            Said::Execute { order, size, trade, price, counts } => {
                if let Some(taken) = self.shrink(at, order, Some(size)) {
                    let price = price.unwrap_or(taken.price);
                    self.traded(at, (price, size, trade), time, counts);
                }
            }
            Said::Reduce { order, size } => _ = self.shrink(at, order, Some(size)),
            Said::Delete { order } => _ = self.shrink(at, order, None),
            Said::Replace { old, new, price, size } => {
                if let Some(left) = self.shrink(at, old, None) {
                    self.symbols[at as usize].book.join(left.buy, price, size);
                    self.orders.insert(new, Order { price, size, ..left });
                }
            }
            Said::Trade { price, size, trade } => {
                self.traded(at, (price, size, trade), time, true);
            }
            Said::Break { trade } => {
                let Some((of, size, counted)) = self.trades.remove(&trade) else { return false };
                if of == at {
                    self.symbols[at as usize].book.unmake(size, counted);
                }
            }
        }
        true
    }

    fn traded(&mut self, at: u32, trade: (u32, u32, u64), time: u64, counts: bool) {
        let (price, size, id) = trade;
        if counts {
            self.symbols[at as usize].book.trade(price, size, time, id);
        }
        self.trades.insert(id, (at, size, counts));
        if self.trades.len() > TRADES {
            self.trades.pop_first();
        }
    }

    /// Takes `size` off an order, all of it where none is given. A venue that speaks of an order
    /// it doesn't have, or of more than there is, has broken its rules: the symbol is not to be
    /// believed any more in this run.
    fn shrink(&mut self, at: u32, order: u64, size: Option<u32>) -> Option<Order> {
        let symbol = &mut self.symbols[at as usize];
        let Some(resting) = self.orders.get_mut(&order).filter(|o| o.symbol == at) else {
            symbol.broken = true;
            return None;
        };
        let size = size.unwrap_or(resting.size);
        if size > resting.size || size == 0 {
            symbol.broken = true;
            return None;
        }
        resting.size -= size;
        let (taken, left) = (*resting, resting.size == 0);
        symbol.book.leave(taken.buy, taken.price, size, left);
        if left {
            self.orders.remove(&order);
        }
        Some(taken)
    }

    /// The run of numbers in force.
    #[must_use]
    pub fn run(&self) -> u32 {
        self.run
    }

    /// The next number to be published.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// When the newest message was published.
    #[must_use]
    pub fn sent(&self) -> Mono {
        self.sent
    }

    /// Messages read over all runs.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// The session of a run, once anything was published in it.
    #[must_use]
    pub fn session(&self, run: u32) -> Option<[u8; 10]> {
        self.sessions.get(&run).copied()
    }

    /// Where a symbol is among [`Truth::symbols`].
    #[must_use]
    pub fn find(&self, symbol: &Symbol) -> Option<u32> {
        self.names.get(symbol).copied()
    }

    /// Every symbol ever named.
    #[must_use]
    pub fn symbols(&self) -> &[TrueSymbol] {
        &self.symbols
    }

    /// What a symbol looked like before number `next` of a run; `None` where nothing had named it.
    #[must_use]
    pub fn as_of(&self, symbol: u32, run: u32, next: u64) -> Option<&Entry> {
        let history = &self.symbols.get(symbol as usize)?.history;
        // Readers are nearly always near the end.
        let newest = history.back()?;
        if (newest.run, newest.seq) < (run, next) {
            return (newest.run == run).then_some(newest);
        }
        let behind = history.partition_point(|entry| (entry.run, entry.seq) < (run, next));
        history.get(behind.checked_sub(1)?).filter(|entry| entry.run == run)
    }
}

impl TrueSymbol {
    /// The book as it is now.
    #[must_use]
    pub fn book(&self) -> &NaiveBook {
        &self.book
    }
}

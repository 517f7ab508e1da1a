//! The truth of one partition: what every symbol looked like after every message published.

use std::collections::btree_map;
use std::collections::{BTreeMap, VecDeque};

use candor_core::{Mono, Symbol};

use super::book::state_of;
use super::wire::{self, Said};
use super::{Fingerprint, NaiveBook, deep};
use crate::market::Family;

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
    /// The number of the first message of a transaction that is not complete here. Then `print` is of
    /// the book before it, which is all that anybody may be shown.
    pub open: Option<u64>,
    /// Whether there is a book to show: not before the first transaction about it is complete.
    pub shown: bool,
    /// When it was published.
    pub sent: Mono,
}

/// What nobody needs to know any more.
#[derive(Clone, Copy, Debug)]
pub struct Floor {
    /// What was true before this number of this run.
    pub number: (u32, u64),
    /// Unless it was sent since then: it may be on its way still.
    pub sent: Mono,
}

impl Floor {
    fn is_above(&self, entry: &Entry) -> bool {
        (entry.run, entry.seq) < self.number && entry.sent < self.sent
    }
}

/// One symbol.
#[derive(Clone, Debug)]
pub struct TrueSymbol {
    /// Its name.
    pub symbol: Symbol,
    book: NaiveBook,
    history: VecDeque<Entry>,
    broken: bool,
    /// The first number of the transaction under way.
    open: Option<u64>,
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
    venue: Family,
    run: u32,
    next: u64,
    /// Bytes of messages of the run so far, their lengths included.
    offset: u64,
    /// Sessions of the runs.
    sessions: BTreeMap<u32, [u8; 10]>,
    /// Runs, and numbers of them behind which a line carries another message than the others.
    differing: Vec<(u32, u64)>,
    /// Symbols by the number that ITCH gives them.
    locates: Vec<u32>,
    /// Symbols by the bytes that DEEP names them by.
    fields: BTreeMap<u64, u32>,
    names: BTreeMap<Symbol, u32>,
    symbols: Vec<TrueSymbol>,
    orders: BTreeMap<u64, Order>,
    trades: BTreeMap<u64, (u32, u32, bool)>,
    /// Symbols that come from another partition, each with messages that nobody is sent.
    carried: BTreeMap<Symbol, Vec<Vec<u8>>>,
    /// When the newest message was published.
    sent: Mono,
    messages: u64,
}

const NOBODY: u32 = u32::MAX;

/// More messages than a venue has made and not sent yet.
const UNSENT: u64 = 4_096;

impl Truth {
    /// A partition of this venue that has said nothing yet.
    #[must_use]
    pub fn new(venue: Family) -> Truth {
        Truth {
            venue,
            run: 0,
            next: 1,
            offset: 0,
            sessions: BTreeMap::new(),
            differing: Vec::new(),
            locates: Vec::new(),
            fields: BTreeMap::new(),
            names: BTreeMap::new(),
            symbols: Vec::new(),
            orders: BTreeMap::new(),
            trades: BTreeMap::new(),
            carried: BTreeMap::new(),
            sent: Mono::NEVER,
            messages: 0,
        }
    }

    /// The numbers begin again: another session, or the same one restarted. Books are empty.
    pub fn begin(&mut self) {
        self.run += 1;
        self.next = 1;
        self.offset = 0;
        self.locates.clear();
        self.orders.clear();
        self.trades.clear();
        self.carried.clear();
        for symbol in &mut self.symbols {
            symbol.book = NaiveBook::default();
            symbol.broken = false;
            symbol.open = None;
        }
    }

    /// Takes a datagram of any line, published at `sent`, and returns its framing; messages seen before
    /// are passed over. Nobody needs to know what was before the floor any more.
    ///
    /// # Panics
    /// When the exchange left numbers out, or says another offset than its messages come to: it must
    /// not.
    pub fn consume<'d>(&mut self, datagram: &'d [u8], sent: Mono, floor: Floor) -> wire::Frame<'d> {
        let venue = self.venue;
        let frame = wire::frame(venue, datagram).expect("the exchange publishes whole headers");
        let session = *self.sessions.entry(self.run).or_insert(frame.session);
        assert_eq!(session, frame.session, "the exchange changed the session's name");
        assert!(frame.first <= self.next, "the exchange left numbers out");
        let mut blocks = frame.blocks;
        let mut offset = frame.offset;
        for seq in frame.first..frame.first + frame.count {
            let (message, rest) =
                wire::split(venue, blocks).expect("the exchange fills its packets");
            blocks = rest;
            if seq == self.next {
                assert!(
                    offset.is_none_or(|at| at == self.offset),
                    "the exchange lost count of bytes"
                );
                self.next += 1;
                self.messages += 1;
                self.offset += 2 + message.len() as u64;
                self.sent = sent;
                self.take(seq, message, sent, floor);
            }
            offset = offset.map(|at| at + 2 + message.len() as u64);
        }
        assert!(blocks.is_empty(), "the exchange pads its packets");
        if frame.first + frame.count == self.next {
            assert!(offset.is_none_or(|at| at == self.offset), "the exchange lost count of bytes");
        }
        frame
    }

    fn take(&mut self, seq: u64, message: &[u8], sent: Mono, floor: Floor) {
        let Some((at, time, said)) = self.read(message) else { return };
        let shows = self.change(at, said, time);
        if !self.carried.is_empty() {
            self.take_carried(at);
        }
        if shows {
            self.note(at, said, (seq, sent), floor);
        }
    }

    /// The venue moves a symbol here from another partition, with what these messages would have said: nobody is
    /// sent them, and they are true with the first that names it.
    pub fn carry(&mut self, symbol: Symbol, silent: Vec<Vec<u8>>) {
        self.carried.insert(symbol, silent);
    }

    fn take_carried(&mut self, at: u32) {
        let silent = self.carried.remove(&self.symbols[at as usize].symbol);
        for message in silent.into_iter().flatten() {
            if let Some((at, time, said)) = self.read(&message) {
                self.change(at, said, time);
            }
        }
    }

    /// Which symbol a message is about, when it was sent by the venue's clock, and what it says.
    fn read(&mut self, message: &[u8]) -> Option<(u32, u64, Said)> {
        match self.venue {
            Family::Itch50 => {
                let (locate, said) = wire::itch(message);
                if let Said::Named { name } = said {
                    let at = self.named(name)?;
                    self.bind(locate, at);
                }
                let at = self.locates.get(usize::from(locate)).copied();
                let time = message.get(5..11).unwrap_or(&[]);
                let time = time.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
                Some((at.filter(|at| *at != NOBODY)?, time, said))
            }
            Family::Deep => {
                let (name, time, said) = deep::message(message)?;
                let field = u64::from_le_bytes(name);
                let at = match self.fields.get(&field) {
                    Some(at) => *at,
                    None => {
                        let at = self.named(name)?;
                        self.fields.insert(field, at);
                        at
                    }
                };
                Some((at, time, said))
            }
        }
    }

    /// Remembers what a symbol looks like from a message on.
    fn note(&mut self, at: u32, said: Said, (seq, sent): (u64, Mono), floor: Floor) {
        let run = self.run;
        let symbol = &mut self.symbols[at as usize];
        if let Said::Level { complete, .. } = said {
            symbol.open = (!complete).then(|| symbol.open.unwrap_or(seq));
        }
        let last = symbol.history.back().filter(|last| last.run == run);
        let entry = match symbol.open {
            Some(_) => symbol.unfinished(last.copied(), (run, seq), sent),
            None => {
                let book = symbol.book.book_print();
                // A trade's fingerprint is worked out only where one was.
                let trades = match (said, last) {
                    (Said::Execute { .. } | Said::Trade { .. } | Said::Break { .. }, _)
                    | (_, None | Some(Entry { open: Some(_), .. })) => symbol.book.trades_print(),
                    (_, Some(last)) => last.print.trades,
                };
                let trading = symbol.book.shown_state() == state_of(b'T');
                let crossed = trading && symbol.book.is_crossed();
                let (print, broken) = (Fingerprint { book, trades }, symbol.broken);
                Entry { run, seq, print, broken, crossed, open: None, shown: true, sent }
            }
        };
        symbol.history.push_back(entry);
        if symbol.history.len() > KEPT {
            while symbol.history.get(1).is_some_and(|second| floor.is_above(second)) {
                symbol.history.pop_front();
            }
        }
    }

    /// Where the symbol of this name is, known from now on at the latest.
    fn named(&mut self, name: [u8; 8]) -> Option<u32> {
        let symbol = Symbol::from_wire(&name)?;
        let next = self.symbols.len() as u32;
        let at = *self.names.entry(symbol).or_insert(next);
        if at == next {
            self.symbols.push(TrueSymbol {
                symbol,
                book: NaiveBook::default(),
                history: VecDeque::new(),
                broken: false,
                open: None,
            });
        }
        Some(at)
    }

    /// ITCH speaks of a symbol by this number from now on.
    fn bind(&mut self, locate: u16, at: u32) {
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
            // That it exists is news once.
            Said::Mentioned => return symbol.history.back().is_none_or(|last| last.run < self.run),
            Said::State { letter } => symbol.book.state = state_of(letter),
            Said::Halt { halted } => symbol.book.halted = halted,
            Said::Level { buy, price, size, .. } => symbol.book.set(buy, price, size),
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
                    self.traded(at, (price, size, trade), time, counts.then_some(true));
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
            Said::Trade { price, size, trade, sets_last } => {
                self.traded(at, (price, size, trade), time, Some(sets_last));
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

    /// A trade of this price, size and id; `counts` says whether it does, and is a last price.
    fn traded(&mut self, at: u32, trade: (u32, u32, u64), time: u64, counts: Option<bool>) {
        let (price, size, id) = trade;
        if let Some(sets_last) = counts {
            self.symbols[at as usize].book.trade(price, size, time, id, sets_last);
        }
        self.trades.insert(id, (at, size, counts.is_some()));
        if self.trades.len() > TRADES {
            self.trades.pop_first();
        }
    }

    /// Takes `size` off an order, all of it where none is given. A venue that speaks of an order
    /// it doesn't have, or of more than there is, has broken its rules: the symbol is not to be
    /// believed any more in this run.
    fn shrink(&mut self, at: u32, order: u64, size: Option<u32>) -> Option<Order> {
        let symbol = &mut self.symbols[at as usize];
        let mut place = match self.orders.entry(order) {
            btree_map::Entry::Occupied(place) if place.get().symbol == at => place,
            _ => {
                symbol.broken = true;
                return None;
            }
        };
        let resting = place.get_mut();
        let size = size.unwrap_or(resting.size);
        if size > resting.size || size == 0 {
            symbol.broken = true;
            return None;
        }
        resting.size -= size;
        let (taken, left) = (*resting, resting.size == 0);
        symbol.book.leave(taken.buy, taken.price, size, left);
        if left {
            place.remove();
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

    /// Bytes of the run's messages, with their lengths.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
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

    /// The fingerprint of every level of this symbol's book as it is now.
    ///
    /// # Panics
    /// When nothing was ever said of it.
    #[must_use]
    pub fn depth_of(&self, symbol: &Symbol) -> u64 {
        let at = self.find(symbol).expect("a symbol that was named");
        self.symbols[at as usize].book().depth_print()
    }

    /// The session of a run, once anything was published in it.
    #[must_use]
    pub fn session(&self, run: u32) -> Option<[u8; 10]> {
        self.sessions.get(&run).copied()
    }

    /// Whether numbers have begun again under the name that this run has.
    #[must_use]
    pub fn has_namesake(&self, run: u32) -> bool {
        let name = self.sessions.get(&run);
        let same = self.sessions.values().filter(|other| Some(*other) == name);
        same.count() > 1
    }

    /// The venue's next message is to have other bytes on one line.
    pub fn differ(&mut self) {
        self.differing.push((self.run, self.next));
    }

    /// Whether lines may carry different messages under this number of a run. The next message of the venue may
    /// lie behind some that it has not sent yet.
    #[must_use]
    pub fn may_differ(&self, run: u32, seq: u64) -> bool {
        let near = |next: u64| seq.checked_sub(next).is_some_and(|behind| behind < UNSENT);
        self.differing.iter().any(|(of, next)| *of == run && near(*next))
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

    /// The symbol as it was shown with message `seq` of a run, and the first number from which on that
    /// is not the newest to be shown, or a transaction is under way, if that is before `next`. `trades`
    /// says whether statistics are shown that cover the run.
    #[must_use]
    pub fn shown_at(
        &self,
        symbol: u32,
        (run, seq): (u32, u64),
        next: u64,
        trades: bool,
    ) -> Option<(&Entry, u64)> {
        let history = &self.symbols.get(symbol as usize)?.history;
        let behind = history.partition_point(|entry| (entry.run, entry.seq) <= (run, seq));
        // What is forgotten was the same as the oldest that is kept, or lies behind a gap.
        let behind = behind.max(1);
        let shown = history.get(behind - 1).filter(|entry| entry.run == run)?;
        let newer = history.range(behind..).take_while(|e| (e.run, e.seq) < (run, next));
        let differs = |print: &Fingerprint| {
            print.book != shown.print.book || (trades && print.trades != shown.print.trades)
        };
        let mut newer = newer.filter(|e| e.open.is_some() || differs(&e.print));
        let first = newer.next().map_or(shown.open.unwrap_or(next), |e| e.open.unwrap_or(e.seq));
        Some((shown, first))
    }
}

impl TrueSymbol {
    /// What may be shown in the middle of a transaction: what was before it, if anything.
    fn unfinished(&self, last: Option<Entry>, (run, seq): (u32, u64), sent: Mono) -> Entry {
        let (open, broken) = (self.open, self.broken);
        match last {
            Some(last) => Entry { seq, open, broken, sent, ..last },
            None => Entry {
                run,
                seq,
                print: Fingerprint::default(),
                broken,
                crossed: false,
                open,
                shown: false,
                sent,
            },
        }
    }

    /// The book as it is now.
    #[must_use]
    pub fn book(&self) -> &NaiveBook {
        &self.book
    }
}

//! The symbols of one partition: how messages name them, which slot they have, and what is known
//! of each. All tables are fixed; none grows.

use candor_core::limits::UNDEFINED_KEYS;
use candor_core::{InstrumentKey, Mono, Reason, Status, Symbol, SymbolIndex};

use crate::NamedAt;

/// Which partition of a venue each listed symbol belongs to; shared by the venue's partitions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VenueSymbols {
    sorted: Vec<(Symbol, u16)>,
}

impl VenueSymbols {
    /// From pairs of symbol and partition, in any order. A symbol listed twice keeps both entries;
    /// configuration refuses that before it comes here.
    #[must_use]
    pub fn new(mut listed: Vec<(Symbol, u16)>) -> VenueSymbols {
        listed.sort_unstable();
        VenueSymbols { sorted: listed }
    }

    /// The partition a symbol is listed in; `None` when in none.
    #[must_use]
    pub fn home(&self, symbol: &Symbol) -> Option<u16> {
        let at = self.sorted.binary_search_by(|(listed, _)| listed.cmp(symbol)).ok()?;
        Some(self.sorted[at].1)
    }

    /// Every symbol with its partition, in order of their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Symbol, u16)> + '_ {
        self.sorted.iter().copied()
    }

    /// The symbols listed for one partition, in order of their names.
    pub fn of(&self, partition: u16) -> impl Iterator<Item = Symbol> + '_ {
        self.sorted.iter().filter(move |(_, home)| *home == partition).map(|(symbol, _)| *symbol)
    }
}

/// What is known of one symbol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) symbol: Symbol,
    /// How this session's messages name it; `NONE` until one did.
    pub(crate) key: InstrumentKey,
    /// Something on this partition has named it this session.
    pub(crate) named: bool,
    /// It was named here and the map gives it to another partition, or another partition's messages claim
    /// it.
    pub(crate) misplaced: bool,
    /// The map in force doesn't give it to this partition, or not for every partition of the venue yet.
    pub(crate) unmapped: bool,
    /// It was named in a session of this trading date, be that the one followed or one before.
    pub(crate) today: bool,
    /// When a message of this session named it last.
    pub(crate) last: NamedAt,
    /// When another partition named it first in this session, as far as it said so while the map had it here.
    pub(crate) elsewhere: Option<NamedAt>,
    /// Another one has named it, and nobody knows since when.
    pub(crate) untold: bool,
    /// It has gone where the map in force has it, and is here no longer.
    pub(crate) left: bool,
    /// Another partition had it earlier on this date, and nothing has named it here yet.
    pub(crate) begun_elsewhere: bool,
    /// The same, and something has: only a snapshot has all of its book.
    pub(crate) arrived: bool,
    /// Another partition had it on this date, whatever was heard here since: said on where a further map moves it.
    pub(crate) had_elsewhere: bool,
    /// Its book broke the venue's rules and has not been rebuilt since.
    pub(crate) broken: bool,
    /// Its book is being rebuilt from a snapshot.
    pub(crate) recovering: bool,
    /// Its book is crossed while the venue says it trades.
    pub(crate) crossed: bool,
    /// The venue's transaction is not complete, and the book is between two states.
    pub(crate) open: bool,
    /// Since when the book that was published lacks something.
    pub(crate) unshown_since: Option<Mono>,
    /// That has been so for longer than the grace: the venue owes us the transaction's end.
    pub(crate) torn: bool,
    /// It waits to be published.
    pub(crate) dirty: bool,
    /// What was published last, and since when that holds.
    pub(crate) status: Status,
    pub(crate) since: Mono,
}

// One for each symbol, looked at with each of its messages.
const _: () = assert!(size_of::<Known>() <= 2 * 64);

impl Known {
    /// Its book is not to be believed: only a snapshot brings it back.
    pub(crate) fn is_quarantined(&self) -> bool {
        self.broken || self.crossed || self.arrived
    }

    /// Whether a message was sent before another partition had the symbol.
    pub(crate) fn is_before_it_left(&self, named: NamedAt) -> bool {
        self.elsewhere.is_some_and(|at| named.is_before(at))
    }
}

const VACANT: u32 = u32::MAX;

/// Symbols by index, by key and by name.
#[derive(Debug)]
pub(crate) struct Symbols {
    known: Vec<Known>,
    capacity: usize,
    by_key: Vec<(InstrumentKey, u32)>,
    by_name: Vec<u32>,
    mask: usize,
    /// Keys whose messages could not be applied because nothing had defined them.
    missed: Vec<InstrumentKey>,
    /// There were more of them.
    missed_more: bool,
}

/// Spreads a key over the table: Fibonacci hashing (Knuth, TAOCP 3, 6.4), no state, no seed.
pub(crate) fn spread(key: u64) -> usize {
    let mixed = (key ^ (key >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 24) as usize
}

fn spread_name(symbol: &Symbol) -> usize {
    let words = symbol.bytes().chunks_exact(8);
    spread(words.fold(0, |mixed: u64, word| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(word);
        mixed.rotate_left(23).wrapping_mul(31) ^ u64::from_le_bytes(bytes)
    }))
}

impl Symbols {
    pub(crate) fn new(capacity: usize) -> Symbols {
        // Twice as many cells as symbols, so that a search ends soon and always ends.
        let cells = (capacity.max(1) * 2).next_power_of_two();
        Symbols {
            known: Vec::with_capacity(capacity),
            capacity,
            by_key: vec![(InstrumentKey::NONE, VACANT); cells],
            by_name: vec![VACANT; cells],
            mask: cells - 1,
            missed: Vec::with_capacity(UNDEFINED_KEYS),
            missed_more: false,
        }
    }

    /// A message under this key could not be applied: nothing says whose it is.
    pub(crate) fn miss(&mut self, key: InstrumentKey) {
        if self.missed.contains(&key) {
            return;
        }
        if self.missed.len() < UNDEFINED_KEYS {
            self.missed.push(key);
        } else {
            self.missed_more = true;
        }
    }

    /// Whether a message under this key may have been missed in this session.
    pub(crate) fn has_missed(&self, key: InstrumentKey) -> bool {
        self.missed_more || self.missed.contains(&key)
    }

    pub(crate) fn get(&self, index: SymbolIndex) -> &Known {
        &self.known[index.0 as usize]
    }

    pub(crate) fn get_mut(&mut self, index: SymbolIndex) -> &mut Known {
        &mut self.known[index.0 as usize]
    }

    pub(crate) fn indices(&self) -> impl Iterator<Item = SymbolIndex> + use<> {
        (0..self.known.len() as u32).map(SymbolIndex)
    }

    /// The symbol messages of this session name by `key`.
    pub(crate) fn by_key(&self, key: InstrumentKey) -> Option<SymbolIndex> {
        let mut cell = spread(key.0) & self.mask;
        // BOUND: half of the cells are vacant.
        loop {
            let (held, index) = self.by_key[cell];
            if index == VACANT {
                return None;
            }
            if held == key {
                return Some(SymbolIndex(index));
            }
            cell = (cell + 1) & self.mask;
        }
    }

    pub(crate) fn by_name(&self, symbol: &Symbol) -> Option<SymbolIndex> {
        let cell = self.name_cell(symbol);
        (self.by_name[cell] != VACANT).then(|| SymbolIndex(self.by_name[cell]))
    }

    fn name_cell(&self, symbol: &Symbol) -> usize {
        let mut cell = spread_name(symbol) & self.mask;
        // BOUND: half of the cells are vacant.
        loop {
            let index = self.by_name[cell];
            if index == VACANT || self.known[index as usize].symbol == *symbol {
                return cell;
            }
            cell = (cell + 1) & self.mask;
        }
    }

    /// A new symbol gets the next index; `None` when there is no place.
    pub(crate) fn add(&mut self, symbol: Symbol, now: Mono) -> Option<SymbolIndex> {
        debug_assert!(self.by_name(&symbol).is_none());
        if self.known.len() == self.capacity {
            return None;
        }
        let index = self.known.len() as u32;
        let cell = self.name_cell(&symbol);
        self.by_name[cell] = index;
        self.known.push(Known {
            symbol,
            key: InstrumentKey::NONE,
            named: false,
            misplaced: false,
            unmapped: false,
            today: false,
            last: NamedAt::default(),
            elsewhere: None,
            untold: false,
            left: false,
            begun_elsewhere: false,
            had_elsewhere: false,
            arrived: false,
            broken: false,
            recovering: false,
            crossed: false,
            open: false,
            unshown_since: None,
            torn: false,
            dirty: false,
            status: Status::stale(Reason::Unproven),
            since: now,
        });
        Some(SymbolIndex(index))
    }

    /// From now on messages name this symbol by `key`. Answers the symbol that had the key before,
    /// if another, and whether the key found a place.
    pub(crate) fn bind(&mut self, key: InstrumentKey, index: SymbolIndex) -> Bound {
        let mut cell = spread(key.0) & self.mask;
        // BOUND: `bound` below keeps half of the cells vacant.
        loop {
            let (held, before) = self.by_key[cell];
            if before != VACANT && held != key {
                cell = (cell + 1) & self.mask;
                continue;
            }
            if before == index.0 {
                return Bound::Same;
            }
            // A symbol that comes under a second key would take a second cell.
            let rebound = self.get(index).key != InstrumentKey::NONE;
            if before == VACANT && rebound {
                return Bound::SecondKey;
            }
            self.by_key[cell] = (key, index.0);
            self.get_mut(index).key = key;
            return match before {
                VACANT => Bound::New,
                other => Bound::TakenFrom(SymbolIndex(other)),
            };
        }
    }

    /// A new session: when symbols were named in the old one, here and elsewhere, says nothing of this one, of which
    /// every book is told from its beginning.
    pub(crate) fn forget_times(&mut self) {
        for known in &mut self.known {
            (known.last, known.elsewhere) = (NamedAt::default(), None);
            (known.untold, known.begun_elsewhere) = (false, false);
        }
    }

    /// The trading date is over: what was here on it, and what has moved on it, says nothing of the next.
    pub(crate) fn end_date(&mut self) {
        for known in &mut self.known {
            (known.today, known.left) = (false, false);
            (known.begun_elsewhere, known.had_elsewhere) = (false, false);
        }
    }

    /// A new session: names stay, all that was learnt in the old one goes.
    pub(crate) fn new_session(&mut self, now: Mono) {
        self.by_key.fill((InstrumentKey::NONE, VACANT));
        self.missed.clear();
        self.missed_more = false;
        for known in &mut self.known {
            let by_map = [Reason::Unmapped, Reason::WrongPartition];
            let kept = known.status.reason().is_some_and(|reason| by_map.contains(&reason));
            let (status, since) = match kept {
                true => (known.status, known.since),
                false => (Status::stale(Reason::Unproven), now),
            };
            *known = Known {
                key: InstrumentKey::NONE,
                named: false,
                arrived: false,
                broken: false,
                recovering: false,
                crossed: false,
                open: false,
                unshown_since: None,
                torn: false,
                dirty: false,
                // What a reader derives from the new epoch, said here too; but for what the map says, which it
                // finds still.
                status,
                since,
                ..*known
            };
        }
    }
}

/// What binding a key to a symbol met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bound {
    /// Neither was bound before.
    New,
    /// They were bound to each other already.
    Same,
    /// Another symbol had the key: the venue renamed an instrument.
    TakenFrom(SymbolIndex),
    /// The symbol has another key already: the venue broke its own rule.
    SecondKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(n: u32) -> Symbol {
        Symbol::from_wire(format!("S{n}").as_bytes()).unwrap()
    }

    #[test]
    fn symbols_are_found_by_name_and_key_up_to_capacity() {
        let mut symbols = Symbols::new(100);
        for n in 0..100u32 {
            let index = symbols.add(symbol(n), Mono(1)).unwrap();
            assert_eq!(symbols.bind(InstrumentKey(u64::from(n) << 32 | 7), index), Bound::New);
        }
        assert_eq!(symbols.add(symbol(100), Mono(1)), None);
        for n in 0..100 {
            assert_eq!(symbols.by_name(&symbol(n)), Some(SymbolIndex(n)));
            assert_eq!(symbols.by_key(InstrumentKey(u64::from(n) << 32 | 7)), Some(SymbolIndex(n)));
        }
        assert_eq!(symbols.by_name(&symbol(100)), None);
        assert_eq!(symbols.by_key(InstrumentKey(8)), None);
        symbols.new_session(Mono(2));
        assert_eq!(symbols.by_key(InstrumentKey(7)), None);
        assert_eq!(symbols.by_name(&symbol(7)), Some(SymbolIndex(7)));
    }

    #[test]
    fn a_key_has_one_symbol_and_a_symbol_one_key() {
        let mut symbols = Symbols::new(4);
        let old = symbols.add(symbol(1), Mono(1)).unwrap();
        let new = symbols.add(symbol(2), Mono(1)).unwrap();
        assert_eq!(symbols.bind(InstrumentKey(9), old), Bound::New);
        assert_eq!(symbols.bind(InstrumentKey(9), old), Bound::Same);
        assert_eq!(symbols.bind(InstrumentKey(10), old), Bound::SecondKey);
        assert_eq!(symbols.bind(InstrumentKey(9), new), Bound::TakenFrom(old));
        assert_eq!(symbols.by_key(InstrumentKey(9)), Some(new));
    }

    #[test]
    fn a_listed_symbol_has_a_home() {
        let venue = VenueSymbols::new(vec![(symbol(2), 1), (symbol(1), 0), (symbol(3), 1)]);
        assert_eq!(venue.home(&symbol(1)), Some(0));
        assert_eq!(venue.home(&symbol(4)), None);
        assert_eq!(venue.of(1).collect::<Vec<_>>(), [symbol(2), symbol(3)]);
    }
}

//! Trades remembered for breaks: a ring over all symbols.

/// What a break has to know of a trade.
#[derive(Clone, Copy, Debug, Default)]
struct Record {
    size: u64,
    symbol: u32,
    counted: bool,
    broken: bool,
}

// Beside eight bytes of its id.
const _: () = assert!(size_of::<Record>() == 16);

/// A broken trade's part in the statistics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Broken {
    pub(crate) size: u64,
    pub(crate) counted: bool,
}

/// The last `capacity` trades. Ids lie in an array of their own, so that finding one reads nothing else.
#[derive(Debug)]
pub(crate) struct Trades {
    ids: Box<[u64]>,
    records: Box<[Record]>,
    /// Where the next trade goes.
    next: usize,
    /// How many are remembered.
    len: usize,
}

impl Trades {
    pub(crate) fn new(capacity: usize) -> Trades {
        Trades {
            ids: vec![0; capacity].into(),
            records: vec![Record::default(); capacity].into(),
            next: 0,
            len: 0,
        }
    }

    /// Remembers a trade, forgetting the oldest when full.
    pub(crate) fn remember(&mut self, symbol: u32, id: u64, size: u64, counted: bool) {
        if self.ids.is_empty() {
            return;
        }
        self.ids[self.next] = id;
        self.records[self.next] = Record { size, symbol, counted, broken: false };
        self.next = if self.next + 1 == self.ids.len() { 0 } else { self.next + 1 };
        self.len = (self.len + 1).min(self.ids.len());
    }

    /// Breaks the newest unbroken trade of this symbol with this id; `None` when none is remembered.
    /// Reads every id at most once.
    pub(crate) fn break_trade(&mut self, symbol: u32, id: u64) -> Option<Broken> {
        let wrapped = if self.len == self.ids.len() { self.len } else { self.next };
        let newest_first = (0..self.next).rev().chain((self.next..wrapped).rev());
        for at in newest_first {
            if self.ids[at] != id {
                continue;
            }
            let record = &mut self.records[at];
            if record.symbol == symbol && !record.broken {
                record.broken = true;
                return Some(Broken { size: record.size, counted: record.counted });
            }
        }
        None
    }

    /// Forgets the trades of one symbol. Looks at every record.
    pub(crate) fn forget_symbol(&mut self, symbol: u32) {
        for record in &mut self.records[..self.len] {
            // One that is broken can't be broken again: nothing finds it.
            record.broken |= record.symbol == symbol;
        }
    }

    /// Forgets everything. O(1).
    pub(crate) fn reset(&mut self) {
        self.next = 0;
        self.len = 0;
    }

    pub(crate) fn check(&self) {
        assert_eq!(self.ids.len(), self.records.len());
        assert!(self.len <= self.ids.len());
        assert!(self.next < self.ids.len().max(1));
        assert!(self.len == self.ids.len() || self.next == self.len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_and_each_breaks_once() {
        let mut trades = Trades::new(3);
        for id in 1..=4 {
            trades.remember(0, id, id * 10, id % 2 == 0);
            trades.check();
        }
        assert_eq!(trades.break_trade(0, 1), None);
        assert_eq!(trades.break_trade(1, 2), None);
        assert_eq!(trades.break_trade(0, 2), Some(Broken { size: 20, counted: true }));
        assert_eq!(trades.break_trade(0, 2), None);
        assert_eq!(trades.break_trade(0, 3), Some(Broken { size: 30, counted: false }));
        assert_eq!(trades.break_trade(0, 4), Some(Broken { size: 40, counted: true }));
        trades.remember(0, 9, 5, true);
        trades.reset();
        trades.check();
        assert_eq!(trades.break_trade(0, 9), None);
    }

    #[test]
    fn a_ring_of_none_remembers_none() {
        let mut trades = Trades::new(0);
        trades.remember(0, 1, 1, true);
        trades.check();
        assert_eq!(trades.break_trade(0, 1), None);
    }
}

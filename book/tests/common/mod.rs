//! The books and their naive twin side by side: each operation goes to both, and all that can be read
//! of them must agree.
#![allow(dead_code, reason = "each test file uses its part")]

use candor_book::{Books, Capacity, Change, Fault, Shape, naive};
use candor_core::{
    BookView, Decimals, Event, InstrumentKey, Level, Message, Price, SeqNo, Side, SymbolIndex,
    TradingState, WireTime,
};

pub(crate) const SIDES: [Side; 2] = [Side::Bid, Side::Ask];

/// A message with this event.
pub(crate) fn message(time: u64, event: Event) -> Message {
    Message { key: InstrumentKey(1), time: WireTime(time), kind: b'x', event }
}

/// One step of a test.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    AddSymbol,
    Apply(u32, Event),
    ClearSymbol(u32),
    RestartSymbol(u32),
    Cover(u32, u64),
    Reset,
}

pub(crate) struct Pair {
    pub(crate) real: Books,
    pub(crate) twin: naive::Books,
    seq: u64,
    /// Left over from the symbol viewed before, as with a caller that reuses one view.
    view: BookView,
    /// Of each symbol what was shown last, to which nothing is written but what has changed.
    shown: Vec<BookView>,
}

impl Pair {
    pub(crate) fn new(shape: Shape, capacity: Capacity) -> Pair {
        Pair {
            real: Books::new(shape, capacity, Decimals(4)),
            twin: naive::Books::new(shape, capacity, Decimals(4)),
            seq: 0,
            view: BookView::EMPTY,
            shown: vec![BookView::EMPTY; capacity.symbols],
        }
    }

    /// With that many symbols added.
    pub(crate) fn with_symbols(shape: Shape, capacity: Capacity, symbols: u32) -> Pair {
        let mut pair = Pair::new(shape, capacity);
        (0..symbols).for_each(|_| pair.step(Op::AddSymbol));
        pair
    }

    /// Applies to both, compares the answer, and gives it.
    pub(crate) fn apply(&mut self, symbol: u32, event: Event) -> Result<Change, Fault> {
        self.seq += 1;
        let message = message(self.seq * 10, event);
        let (symbol, seq) = (SymbolIndex(symbol), SeqNo(self.seq));
        let real = self.real.apply(symbol, seq, &message);
        assert_eq!(real, self.twin.apply(symbol, seq, &message), "{symbol:?} {event:?}");
        let orders = match event {
            Event::Add { order, .. }
            | Event::Execute { order, .. }
            | Event::Reduce { order, .. }
            | Event::Delete { order } => [order, order],
            Event::Replace { order, new_order, .. } => [order, new_order],
            _ => [0, 0],
        };
        for order in orders {
            assert_eq!(self.real.resting(order), self.twin.resting(order), "{order} {event:?}");
        }
        real
    }

    /// Takes a step with both. Steps about symbols that were never added are skipped.
    pub(crate) fn step(&mut self, op: Op) {
        match op {
            Op::AddSymbol => assert_eq!(self.real.add_symbol(), self.twin.add_symbol()),
            Op::Apply(symbol, event) if (symbol as usize) < self.twin.symbols() => {
                let _ = self.apply(symbol, event);
            }
            Op::ClearSymbol(symbol) if (symbol as usize) < self.twin.symbols() => {
                self.real.clear_symbol(SymbolIndex(symbol));
                self.twin.clear_symbol(SymbolIndex(symbol));
            }
            Op::RestartSymbol(symbol) if (symbol as usize) < self.twin.symbols() => {
                self.real.restart_symbol(SymbolIndex(symbol));
                self.twin.restart_symbol(SymbolIndex(symbol));
            }
            Op::Cover(symbol, since) if (symbol as usize) < self.twin.symbols() => {
                self.real.cover(SymbolIndex(symbol), SeqNo(since));
                self.twin.cover(SymbolIndex(symbol), SeqNo(since));
            }
            Op::Reset => {
                self.real.reset();
                self.twin.reset();
            }
            Op::Apply(..) | Op::ClearSymbol(_) | Op::RestartSymbol(_) | Op::Cover(..) => {}
        }
    }

    /// Compares one symbol.
    pub(crate) fn compare_symbol(&mut self, symbol: u32) {
        let index = SymbolIndex(symbol);
        let expected = self.twin.view(index);
        self.real.view(index, &mut self.view);
        assert_eq!(self.view, expected, "view of {symbol}");
        let shown = &mut self.shown[symbol as usize];
        let changed = self.real.take_changed(index);
        self.real.view_changed(index, shown, changed);
        assert_eq!(*shown, expected, "view of {symbol}, of which {changed:?}");
        assert_eq!(self.real.trading_state(index), expected.trading_state);
        for side in SIDES {
            let levels: Vec<Level> = self.real.levels(index, side).collect();
            assert_eq!(levels, self.twin.levels(index, side), "{side:?} levels of {symbol}");
            for Level { price, .. } in &levels {
                for price in [*price, Price(price.0.saturating_add(1)), Price(price.0 - 1)] {
                    let level = levels.iter().find(|level| level.price == price);
                    let size = level.map_or(0, |level| level.size);
                    assert_eq!(
                        self.real.size_at(index, side, price),
                        size,
                        "{side:?} at {price:?}"
                    );
                }
            }
            let best = self.twin.best(index, side);
            assert_eq!(self.real.best(index, side), best);
            assert_eq!(self.real.best_price(index, side), best.map(|level| level.price));
        }
        let best = SIDES.map(|side| self.twin.best(index, side).map(|level| level.price));
        let crossed = matches!(best, [Some(bid), Some(ask)] if bid > ask);
        let locked = matches!(best, [Some(bid), Some(ask)] if bid == ask);
        assert_eq!(self.real.is_crossed(index), crossed);
        assert_eq!(self.real.is_locked(index), locked);
    }

    /// Compares everything, and checks the real one's own rules.
    pub(crate) fn compare(&mut self) {
        assert_eq!(self.real.symbols(), self.twin.symbols());
        assert_eq!(self.real.order_count(), self.twin.order_count());
        assert_eq!(self.real.level_count(), self.twin.level_count());
        (0..self.twin.symbols() as u32).for_each(|symbol| self.compare_symbol(symbol));
        self.real.check();
    }
}

/// A generator of numbers that depend on the seed alone (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn side(&mut self) -> Side {
        SIDES[self.below(2) as usize]
    }

    /// Any state, `OperationalHalt` and `Unknown` included.
    pub(crate) fn state(&mut self) -> TradingState {
        TradingState::from_code(self.below(7) as u8)
    }

    /// An event that belongs to every shape.
    pub(crate) fn shared_event(&mut self) -> Event {
        let price = Price(self.below(50) as i64 - 1);
        match self.below(20) {
            0..8 => Event::Trade {
                price,
                size: self.below(30),
                trade: self.below(40),
                sets_last: self.chance(60),
                counts: self.chance(60),
            },
            8..12 => Event::TradeBreak { trade: self.below(40) },
            12..15 => Event::Trading { state: self.state(), reason: [b' '; 4] },
            15..17 => Event::OperationalHalt { halted: self.chance(50) },
            17 => Event::Definition {
                symbol: candor_core::Symbol::EMPTY,
                round_lot: self.below(3) as u32 * 100,
                test: false,
            },
            18 => Event::Notice,
            _ => Event::Clear,
        }
    }
}

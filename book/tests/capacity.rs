//! Every short sequence of operations at every small capacity, compared with the twin after each; and
//! tables that are filled, emptied, cleared and reset over and over, and must lose nothing.

mod common;

use candor_book::{Books, Capacity, Change, Fault, Shape};
use candor_core::{Decimals, Event, Price, SeqNo, Side, SymbolIndex};
use common::{Op, Pair, Random, message};

fn add(order: u64, side: Side, price: i64, size: u32) -> Event {
    Event::Add { order, side, price: Price(price), size }
}

fn execute(order: u64, size: u32, trade: u64) -> Event {
    Event::Execute { order, size, trade, price: None, printable: true }
}

fn replace(order: u64, new_order: u64, price: i64) -> Event {
    Event::Replace { order, new_order, price: Price(price), size: 2 }
}

fn set(side: Side, price: i64, size: u32) -> Event {
    Event::SetLevel { side, price: Price(price), size, complete: true }
}

/// Runs every sequence of `length` operations out of `alphabet`, each from a reset.
fn every_sequence(shape: Shape, capacity: Capacity, alphabet: &[Op], length: usize) {
    let mut pair = Pair::with_symbols(shape, capacity, capacity.symbols as u32);
    let mut chosen = vec![0; length];
    // BOUND: counts through alphabet^length sequences.
    loop {
        pair.step(Op::Reset);
        for at in &chosen {
            pair.step(alphabet[*at]);
            pair.compare();
        }
        let Some(digit) = chosen.iter().rposition(|at| at + 1 < alphabet.len()) else { return };
        chosen[digit] += 1;
        chosen[digit + 1..].fill(0);
    }
}

#[test]
fn orders_of_every_small_capacity() {
    let alphabet = [
        Op::Apply(0, add(1, Side::Bid, 5, 2)),
        Op::Apply(0, add(2, Side::Bid, 6, 3)),
        Op::Apply(1, add(3, Side::Ask, 5, 2)),
        Op::Apply(0, execute(1, 1, 1)),
        Op::Apply(0, execute(2, 3, 2)),
        Op::Apply(0, Event::Delete { order: 1 }),
        Op::Apply(0, replace(1, 2, 6)),
        Op::Apply(0, replace(2, 2, 7)),
        Op::Apply(1, Event::Reduce { order: 3, size: 2 }),
        Op::ClearSymbol(0),
    ];
    for orders in 0..=3 {
        for levels in 0..=3 {
            let capacity = Capacity { symbols: 2, orders, levels, trades: 1 };
            let length = if (orders, levels) == (2, 2) { 5 } else { 4 };
            every_sequence(Shape::ByOrder, capacity, &alphabet, length);
        }
    }
}

#[test]
fn levels_of_every_small_capacity() {
    let alphabet = [
        Op::Apply(0, set(Side::Bid, 5, 2)),
        Op::Apply(0, set(Side::Bid, 6, 2)),
        Op::Apply(0, set(Side::Bid, 5, 0)),
        Op::Apply(0, set(Side::Ask, 5, 1)),
        Op::Apply(1, set(Side::Ask, 5, 1)),
        Op::Apply(1, set(Side::Ask, 5, 0)),
        Op::ClearSymbol(0),
    ];
    for levels in 0..=4 {
        let capacity = Capacity { symbols: 2, orders: 0, levels, trades: 1 };
        every_sequence(Shape::ByLevel, capacity, &alphabet, 6);
    }
}

#[test]
fn trades_of_every_small_capacity() {
    let trade = |trade, counts: bool| Event::Trade {
        price: Price(5),
        size: trade,
        trade,
        sets_last: !counts,
        counts,
    };
    let alphabet = [
        Op::Apply(0, trade(1, true)),
        Op::Apply(0, trade(2, false)),
        Op::Apply(1, trade(1, true)),
        Op::Apply(0, Event::TradeBreak { trade: 1 }),
        Op::Apply(0, Event::TradeBreak { trade: 2 }),
        Op::Apply(1, Event::TradeBreak { trade: 1 }),
    ];
    for trades in 0..=4 {
        let capacity = Capacity { symbols: 2, orders: 0, levels: 0, trades };
        every_sequence(Shape::Quotes, capacity, &alphabet, 5);
    }
}

#[test]
fn symbols_end_at_their_capacity() {
    for symbols in 0..4 {
        let capacity = Capacity { symbols, orders: 1, levels: 1, trades: 1 };
        let mut books = Books::new(Shape::ByOrder, capacity, Decimals(4));
        for index in 0..symbols {
            assert_eq!(books.add_symbol(), Some(SymbolIndex(index as u32)));
        }
        assert_eq!(books.add_symbol(), None);
        books.reset();
        assert_eq!(books.symbols(), symbols);
        assert_eq!(books.add_symbol(), None);
        books.check();
    }
}

const FULL: Capacity = Capacity { symbols: 4, orders: 3_000, levels: 1_500, trades: 0 };

/// Adds orders until the table refuses, then levels until the pool does; exactly at the capacities.
fn fill(books: &mut Books, random: &mut Random, first_id: u64) -> Vec<(SymbolIndex, u64)> {
    let mut resting = Vec::new();
    let mut levels = std::collections::BTreeSet::new();
    for id in first_id.. {
        let symbol = SymbolIndex(random.below(4) as u32);
        let (side, price) = (random.side(), 1 + random.below(2_000) as i64);
        let level = (symbol, side, price);
        let new_level = !levels.contains(&level);
        let result = books.apply(symbol, SeqNo(id), &message(id, add(id, side, price, 1)));
        if resting.len() == FULL.orders {
            assert_eq!(result, Err(Fault::OrdersFull));
            break;
        }
        if new_level && levels.len() == FULL.levels {
            assert_eq!(result, Err(Fault::LevelsFull));
            continue;
        }
        assert_eq!(result, Ok(Change { book: true, ..Change::NONE }));
        resting.push((symbol, id));
        levels.insert(level);
    }
    assert_eq!((books.order_count(), books.level_count()), (FULL.orders, FULL.levels));
    books.check();
    resting
}

#[test]
fn deleting_everything_leaves_nothing_and_loses_no_room() {
    let mut random = Random(7);
    let mut books = Books::new(Shape::ByOrder, FULL, Decimals(4));
    (0..4).for_each(|_| assert!(books.add_symbol().is_some()));
    for round in 0..12_u64 {
        let mut resting = fill(&mut books, &mut random, 1 + round * 1_000_000);
        match round % 4 {
            0 | 1 => {
                while !resting.is_empty() {
                    let at = match round % 4 {
                        0 => random.below(resting.len() as u64) as usize,
                        _ => resting.len() - 1,
                    };
                    let (symbol, order) = resting.swap_remove(at);
                    let delete = message(1, Event::Delete { order });
                    assert!(books.apply(symbol, SeqNo(1), &delete).is_ok());
                    if resting.len().is_multiple_of(500) {
                        books.check();
                    }
                }
            }
            2 => (0..4).for_each(|symbol| books.clear_symbol(SymbolIndex(symbol))),
            _ => books.reset(),
        }
        assert_eq!((books.order_count(), books.level_count()), (0, 0));
        for symbol in (0..4).map(SymbolIndex) {
            assert_eq!(books.best(symbol, Side::Bid), None);
            assert_eq!(books.levels(symbol, Side::Ask).count(), 0);
        }
        books.check();
    }
}

/// The ids of cleared orders come again, for other symbols, while the old entries are still being swept.
#[test]
fn cleared_ids_are_free_at_once() {
    let capacity = Capacity { symbols: 3, orders: 64, levels: 64, trades: 0 };
    let mut pair = Pair::with_symbols(Shape::ByOrder, capacity, 3);
    let mut random = Random(3);
    for _ in 0..400 {
        let symbol = random.below(3) as u32;
        for id in 0..64 {
            let _ = pair.apply(symbol, add(id, random.side(), 1 + random.below(9) as i64, 4));
            if random.chance(20) {
                let _ = pair.apply(symbol, Event::Delete { order: random.below(64) });
            }
        }
        pair.compare();
        pair.step(if random.chance(10) { Op::Reset } else { Op::ClearSymbol(symbol) });
        pair.compare();
    }
}

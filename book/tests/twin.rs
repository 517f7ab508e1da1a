//! Random streams of every shape, compared with the naive twin after every operation.

mod common;

use candor_book::{Capacity, Shape};
use candor_core::{Event, Price};
use common::{Op, Pair, Random, SIDES};
use proptest::prelude::*;

/// Orders out of few ids and prices, so that everything collides with everything, faults included.
fn order_event(random: &mut Random, ids: u64, prices: u64) -> Event {
    let order = random.below(ids);
    let price = Price(random.below(prices) as i64 - i64::from(random.chance(3)));
    let size = random.below(12) as u32;
    match random.below(20) {
        0..9 => Event::Add { order, side: random.side(), price, size },
        9..12 => Event::Execute {
            order,
            size,
            trade: random.below(40),
            price: random.chance(30).then_some(price),
            printable: random.chance(70),
        },
        12..14 => Event::Reduce { order, size },
        14..16 => Event::Delete { order },
        _ => Event::Replace { order, new_order: random.below(ids), price, size },
    }
}

fn level_event(random: &mut Random, prices: u64) -> Event {
    Event::SetLevel {
        side: random.side(),
        price: Price(random.below(prices) as i64 - i64::from(random.chance(3))),
        size: random.below(3) as u32 * 50,
        complete: random.chance(50),
    }
}

fn quote_event(random: &mut Random) -> Event {
    let mut price = || Price(random.below(6) as i64 - i64::from(random.chance(5)));
    let (bid_price, ask_price) = (price(), price());
    let mut size = || random.below(3) as u32 * 100;
    Event::Quote { bid_price, bid_size: size(), ask_price, ask_size: size() }
}

fn op(random: &mut Random, shape: Shape, symbols: u64, prices: u64) -> Op {
    let symbol = random.below(symbols) as u32;
    match random.below(400) {
        0 => return Op::Reset,
        1..4 => return Op::ClearSymbol(symbol),
        4..14 => return Op::AddSymbol,
        14..17 => return Op::RestartSymbol(symbol),
        17 => return Op::Cover(symbol, 1 + random.below(1_000)),
        _ => {}
    }
    let event = match random.below(100) {
        0..10 => random.shared_event(),
        10 => order_event(random, 60, prices),
        11 => level_event(random, prices),
        12 => quote_event(random),
        _ => match shape {
            Shape::ByOrder => order_event(random, 60, prices),
            Shape::ByLevel => level_event(random, prices),
            Shape::Quotes => quote_event(random),
        },
    };
    Op::Apply(symbol, event)
}

fn run(shape: Shape, capacity: Capacity, seed: u64, ops: usize, prices: u64) {
    let mut random = Random(seed);
    let mut pair = Pair::with_symbols(shape, capacity, 2);
    for _ in 0..ops {
        pair.step(op(&mut random, shape, 5, prices));
        pair.compare();
    }
}

const ROOMY: Capacity = Capacity { symbols: 5, orders: 100, levels: 200, trades: 16 };
const TIGHT: Capacity = Capacity { symbols: 3, orders: 12, levels: 9, trades: 3 };

#[test]
fn orders_with_room() {
    (0..12).for_each(|seed| run(Shape::ByOrder, ROOMY, seed, 2_000, 40));
}

#[test]
fn orders_with_full_tables() {
    (0..12).for_each(|seed| run(Shape::ByOrder, TIGHT, seed, 2_000, 12));
}

#[test]
fn levels_with_room() {
    (0..6).for_each(|seed| run(Shape::ByLevel, ROOMY, seed, 2_000, 60));
}

#[test]
fn levels_with_a_full_pool() {
    (0..6).for_each(|seed| run(Shape::ByLevel, TIGHT, seed, 2_000, 10));
}

#[test]
fn quotes() {
    (0..6).for_each(|seed| run(Shape::Quotes, TIGHT, seed, 2_000, 10));
}

/// Two thousand levels a side and more, in trees several nodes high, growing and shrinking at the best,
/// at the worst and in between. Compared by symbol after each operation, in whole now and then.
#[test]
fn deep_books() {
    for (seed, shape) in [(1, Shape::ByLevel), (2, Shape::ByOrder), (3, Shape::ByLevel)] {
        let capacity = Capacity { symbols: 3, orders: 9_000, levels: 7_000, trades: 8 };
        let mut random = Random(seed);
        let mut pair = Pair::with_symbols(shape, capacity, 3);
        let (mut ids, mut next) = (Vec::new(), 0);
        let mut deepest = 0;
        for step in 0..60_000_u64 {
            // Waves: fill, churn, empty, so that every kind of split and merge happens.
            let growing = [95, 60, 8, 85, 30, 2][(step / 10_000) as usize];
            let symbol = (step / 1_000 % 3) as u32 / 2;
            let price = match random.below(4) {
                0 => 20_000 + random.below(40),
                1 => 20_000 - step / 8,
                _ => 10_000 + random.below(20_000),
            };
            let price = Price(price as i64);
            let grow = random.chance(growing);
            let event = match shape {
                Shape::ByLevel if grow => {
                    Event::SetLevel { side: random.side(), price, size: 7, complete: true }
                }
                Shape::ByLevel => {
                    let side = random.side();
                    let levels = pair.twin.levels(candor_core::SymbolIndex(symbol), side);
                    let rank = random.below(levels.len().max(1) as u64) as usize;
                    let rank = if random.chance(40) { rank % 20 } else { rank };
                    let price = levels.get(rank).map_or(price, |level| level.price);
                    Event::SetLevel { side, price, size: 0, complete: true }
                }
                _ if grow || ids.is_empty() => {
                    next += 1;
                    ids.push((symbol, next));
                    Event::Add { order: next, side: random.side(), price, size: 5 }
                }
                _ => {
                    let at = random.below(ids.len() as u64) as usize;
                    let (owner, order) = ids.swap_remove(at);
                    let _ = pair.apply(owner, Event::Delete { order });
                    Event::Notice
                }
            };
            let _ = pair.apply(symbol, event);
            if step % 16 == 0 {
                pair.compare_symbol(symbol);
            }
            if step % 500 == 0 {
                pair.compare();
                for side in SIDES {
                    let levels = pair.twin.levels(candor_core::SymbolIndex(0), side);
                    deepest = deepest.max(levels.len());
                }
            }
        }
        pair.compare();
        assert!(deepest > 1_000, "the test must reach deep books, not {deepest}");
    }
}

/// Prices that walk away, jump, come back, end on cents and between them; sizes that no cell of a window holds;
/// the highest and lowest prices there are. What a window does, and what it leaves to the tree, must not show.
#[test]
fn windows_slide_and_spill_unseen() {
    for (seed, shape) in [(1, Shape::ByOrder), (2, Shape::ByLevel), (3, Shape::ByOrder)] {
        // Windows for two sides of the four, one of them of the second symbol in one of the runs.
        let levels = if seed == 3 { 24 } else { 400 };
        let capacity = Capacity { symbols: 2, orders: 600, levels, trades: 8 };
        let mut random = Random(seed);
        let mut pair = Pair::with_symbols(shape, capacity, 2);
        let (mut ids, mut next) = (Vec::new(), 0);
        let mut anchor = 1_000_000_i64;
        for step in 0..30_000_u64 {
            let phase = step / 3_000;
            let tick = if phase % 3 == 1 { 1 } else { 100 };
            anchor = match random.below(2_000) {
                0 => 1_000_000 + random.below(50) as i64 * 100_000,
                1 => i64::MAX - random.below(30_000) as i64,
                2 => random.below(5_000) as i64,
                3..300 => anchor.saturating_add(tick),
                300..597 => anchor.saturating_sub(tick),
                _ => anchor,
            };
            let off = match random.below(20) {
                0 => random.below(100_000) as i64,
                1 => 100 * random.below(1_000) as i64,
                2 => random.below(300) as i64,
                _ => tick * random.below(70) as i64,
            };
            let near = if random.chance(50) {
                anchor.saturating_add(off)
            } else {
                anchor.saturating_sub(off)
            };
            let near = if random.chance(90) { near / tick * tick } else { near };
            let price = Price(near.max(0));
            let size = if random.chance(4) { u32::MAX } else { 1 + random.below(500) as u32 };
            let symbol = random.below(2) as u32;
            let filling = if phase % 2 == 0 { 70 } else { 35 };
            let event = match shape {
                Shape::ByLevel => {
                    let side = random.side();
                    let levels = pair.twin.levels(candor_core::SymbolIndex(symbol), side);
                    match levels.len() {
                        n if n > 0 && !random.chance(filling) => {
                            let at = random.below(n.min(30) as u64) as usize;
                            let price = levels[at].price;
                            Event::SetLevel { side, price, size: 0, complete: true }
                        }
                        _ => Event::SetLevel { side, price, size, complete: true },
                    }
                }
                _ if ids.is_empty() || random.chance(filling) => {
                    next += 1;
                    ids.push((symbol, next));
                    Event::Add { order: next, side: random.side(), price, size }
                }
                _ => {
                    let at = random.below(ids.len() as u64) as usize;
                    let (owner, order) = ids[at];
                    let gone = match random.below(4) {
                        0 => Event::Reduce { order, size: 1 + random.below(200) as u32 },
                        1 => {
                            next += 1;
                            ids.push((owner, next));
                            Event::Replace { order, new_order: next, price, size }
                        }
                        _ => Event::Delete { order },
                    };
                    if !matches!(gone, Event::Reduce { .. }) {
                        ids.swap_remove(at);
                    }
                    let _ = pair.apply(owner, gone);
                    pair.compare_symbol(owner);
                    Event::Notice
                }
            };
            let _ = pair.apply(symbol, event);
            pair.compare_symbol(symbol);
            if step % 200 == 0 {
                pair.compare();
            }
            if random.below(4_000) == 0 {
                pair.step(if random.chance(50) { Op::Reset } else { Op::ClearSymbol(symbol) });
                pair.compare();
            }
        }
        pair.compare();
    }
}

/// Ids that count up closely and by leaps, fall back, begin somewhere else for good, come from anywhere, and begin
/// again after a reset; orders that stay while thousands come and go. Where an order lies must not show.
#[test]
fn orders_are_found_whatever_their_ids() {
    let capacity = Capacity { symbols: 3, orders: 300, levels: 200, trades: 4 };
    for seed in 0..4 {
        let mut random = Random(seed);
        let mut pair = Pair::with_symbols(Shape::ByOrder, capacity, 3);
        let (mut resting, mut id) = (Vec::<(u32, u64)>::new(), 0_u64);
        for step in 0..24_000_u64 {
            let fresh = match step / 2_000 % 6 {
                // As venues number, with an outlier now and then.
                0 | 2 => id + 1 + random.below(3),
                1 => id + 1 + random.below(1_500),
                3 if random.chance(20) => random.next(),
                3 => id + 1,
                4 => id.wrapping_sub(random.below(400)),
                _ => id + random.below(2),
            };
            if step % 5_000 == 4_999 {
                id = [u64::MAX / 2 - 700, 1 << 40, u64::MAX - 4_000_000][(seed % 3) as usize];
            } else if fresh.abs_diff(id) < 2_000 {
                id = fresh;
            }
            let symbol = random.below(3) as u32;
            let (side, price) = (random.side(), Price(500 + random.below(40) as i64));
            let add = Event::Add { order: fresh, side, price, size: 1 + random.below(9) as u32 };
            if pair.apply(symbol, add).is_ok() {
                resting.push((symbol, fresh));
            }
            // The first forty stay for long, whoever else goes.
            let from = if resting.len() > 60 { 40 } else { 0 };
            if !resting.is_empty() && (resting.len() > 200 || random.chance(45)) {
                let at = from + random.below((resting.len() - from) as u64) as usize;
                let (owner, order) = resting.swap_remove(at);
                let event = match random.below(4) {
                    0 => Event::Execute { order, size: 2, trade: 1, price: None, printable: true },
                    1 => {
                        id += 1;
                        Event::Replace { order, new_order: id, price, size: 3 }
                    }
                    _ => Event::Delete { order },
                };
                let changed = pair.apply(owner, event);
                match event {
                    Event::Replace { new_order, .. } if changed.is_ok() => {
                        resting.push((owner, new_order));
                    }
                    Event::Execute { .. } => resting.push((owner, order)),
                    _ => {}
                }
                // And what isn't there is not found.
                let _ = pair.apply(owner, Event::Delete { order: order ^ 1 });
            }
            if step % 100 == 0 {
                pair.compare();
            }
            match random.below(6_000) {
                0 => {
                    pair.step(Op::Reset);
                    resting.clear();
                    id = random.below(1_000);
                }
                1 | 2 => {
                    pair.step(Op::ClearSymbol(symbol));
                    resting.retain(|(owner, _)| *owner != symbol);
                }
                _ => {}
            }
        }
        pair.compare();
    }
}

/// Hints about anything at all, asked for before anything: no outcome, no panic.
#[test]
fn looking_ahead_changes_nothing() {
    for (seed, shape) in [(1, Shape::ByOrder), (2, Shape::ByLevel), (3, Shape::Quotes)] {
        let mut random = Random(seed);
        let mut pair = Pair::with_symbols(shape, ROOMY, 2);
        for _ in 0..3_000 {
            for _ in 0..random.below(4) {
                let event = match random.below(4) {
                    0 => order_event(&mut random, u64::MAX, 1 << 40),
                    1 => level_event(&mut random, 1 << 40),
                    _ => order_event(&mut random, 60, 40),
                };
                let symbol = candor_core::SymbolIndex(random.below(7) as u32);
                pair.real.foresee(symbol, &event);
                pair.real.approach(symbol, &event);
            }
            pair.step(op(&mut random, shape, 5, 40));
            pair.compare();
        }
    }
}

fn ops(shape: Shape) -> impl Strategy<Value = Vec<Op>> {
    // An operation from its own seed: a failing list shrinks by dropping operations.
    let one = any::<u64>().prop_map(move |seed| op(&mut Random(seed), shape, 4, 12));
    prop::collection::vec(one, 0..300)
}

fn capacity() -> impl Strategy<Value = Capacity> {
    (0..5_usize, 0..30_usize, 0..40_usize, 0..6_usize)
        .prop_map(|(symbols, orders, levels, trades)| Capacity { symbols, orders, levels, trades })
}

fn agree(shape: Shape, capacity: Capacity, ops: &[Op]) {
    let mut pair = Pair::with_symbols(shape, capacity, 2);
    for op in ops {
        pair.step(*op);
        pair.compare();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..Default::default() })]

    #[test]
    fn orders_of_any_capacity(capacity in capacity(), ops in ops(Shape::ByOrder)) {
        agree(Shape::ByOrder, capacity, &ops);
    }

    #[test]
    fn levels_of_any_capacity(capacity in capacity(), ops in ops(Shape::ByLevel)) {
        agree(Shape::ByLevel, capacity, &ops);
    }

    #[test]
    fn quotes_of_any_capacity(capacity in capacity(), ops in ops(Shape::Quotes)) {
        agree(Shape::Quotes, capacity, &ops);
    }
}

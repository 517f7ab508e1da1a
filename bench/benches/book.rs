//! Books: decoded messages applied, one at a time, as a packet of one brings them: nothing is
//! prefetched. Floor: two loads a
//! message, the second from where the first says, in as much memory as the table of orders (or
//! of levels) has.

mod common;

use std::hint::black_box;

use candor_bench::floors::Scattered;
use candor_bench::{deep, itch};
use candor_book::{Books, Capacity, Shape};
use candor_core::{BookView, Decimals, Message, SeqNo, SymbolIndex, limits};
use criterion::{Criterion, Throughput};

/// What a book lives through, round after round.
struct Day {
    /// Applied before, and not measured.
    warm: Vec<(SymbolIndex, Message)>,
    measured: Vec<(SymbolIndex, Message)>,
    /// Applied after, and not measured: leaves no order, so that the day can begin again.
    drain: Vec<(SymbolIndex, Message)>,
    /// Bytes of the table that is looked into for each message.
    table_bytes: usize,
}

fn main() {
    let mut criterion = common::criterion();
    for (symbols, warm, orders) in
        [(500, 60_000, 1 << 16), (500, 60_000, limits::ORDERS), (8_000, 400_000, limits::ORDERS)]
    {
        let flow = itch::flow(symbols, warm, 100_000);
        let name = format!("book by order, {symbols} symbols, room for {orders} orders");
        println!("{name}: {} orders rest", flow.resting);
        let [warm, measured, drain] = [&flow.warm, &flow.measured, &flow.drain].map(itch::decoded);
        // Twice the slots, of 32 bytes each.
        let table_bytes = orders * 2 * 32;
        let capacity = Capacity { symbols, orders, levels: 1 << 18, trades: 1 << 14 };
        let books = Books::new(Shape::ByOrder, capacity, Decimals(4));
        bench(&mut criterion, &name, books, &Day { warm, measured, drain, table_bytes });
    }
    let symbols = 500;
    let mut warm = deep::decoded(&deep::messages(symbols, 160_000), symbols);
    let measured = warm.split_off(60_000);
    let capacity =
        Capacity { symbols: symbols as usize, orders: 1, levels: 1 << 17, trades: 1 << 14 };
    let books = Books::new(Shape::ByLevel, capacity, Decimals(4));
    bench(
        &mut criterion,
        "book by level, 500 symbols",
        books,
        &Day { warm, measured, drain: Vec::new(), table_bytes: 1 << 20 },
    );
    criterion.final_summary();
}

fn apply(books: &mut Books, messages: &[(SymbolIndex, Message)]) {
    for (seq, (symbol, message)) in (1..).zip(messages) {
        black_box(books.apply(*symbol, SeqNo(seq), message).expect("the market keeps its rules"));
    }
}

fn bench(criterion: &mut Criterion, name: &str, mut books: Books, day: &Day) {
    let measured = &day.measured;
    // BOUND: as many as there is room for.
    while books.add_symbol().is_some() {}
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(measured.len() as u64));
    let memory = Scattered::new(day.table_bytes);
    group.bench_function("floor: two dependent loads", |b| {
        let mut seed = 0;
        b.iter(|| {
            for message in measured {
                seed += 1;
                black_box((memory.two_loads(seed), message));
            }
        });
    });
    group.bench_function("apply", |b| {
        b.iter_custom(|rounds| {
            let rounds = (0..rounds).map(|_| {
                apply(&mut books, &day.warm);
                let time = common::timed(|| apply(&mut books, measured));
                apply(&mut books, &day.drain);
                time
            });
            rounds.sum()
        });
    });
    group.bench_function("apply and view", |b| {
        b.iter_custom(|rounds| {
            let mut view = BookView::EMPTY;
            let rounds = (0..rounds).map(|_| {
                apply(&mut books, &day.warm);
                let time = common::timed(|| {
                    for (seq, (symbol, message)) in (1..).zip(measured) {
                        let change = books.apply(*symbol, SeqNo(seq), message);
                        if change.is_ok_and(|change| change.any()) {
                            books.view(*symbol, black_box(&mut view));
                        }
                    }
                });
                apply(&mut books, &day.drain);
                time
            });
            rounds.sum()
        });
    });
    group.finish();
}

//! Nothing is allocated after `Books::new`: not by `apply`, `view`, `levels`, `clear_symbol` or `reset`,
//! with faults, full tables and trees that grow and shrink.
//!
//! Each thread counts its own: the test harness allocates beside us when it likes.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use candor_book::{Books, Capacity, Shape};
use candor_core::{BookView, Decimals, Event, Price, SeqNo, Side, SymbolIndex};
use common::{Random, message};

struct Counting;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; counting allocates nothing and touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.with(|calls| calls.set(calls.get() + 1));
        // SAFETY: the caller's promise is the one the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        CALLS.with(|calls| calls.set(calls.get() + 1));
        // SAFETY: as above, and `ptr` came from `System.alloc`.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn event(random: &mut Random, shape: Shape) -> Event {
    let price = Price(1_000 + random.below(900) as i64);
    let (order, size) = (random.below(1_500), random.below(30) as u32);
    if random.chance(10) {
        return random.shared_event();
    }
    match (shape, random.below(6)) {
        (Shape::ByOrder, 0..3) => Event::Add { order, side: random.side(), price, size },
        (Shape::ByOrder, 3) => {
            Event::Execute { order, size, trade: order, price: None, printable: true }
        }
        (Shape::ByOrder, 4) => Event::Delete { order },
        (Shape::ByOrder, _) => {
            Event::Replace { order, new_order: random.below(1_500), price, size }
        }
        (Shape::ByLevel, n) => {
            Event::SetLevel { side: random.side(), price, size: n as u32 / 2, complete: n == 0 }
        }
        (Shape::Quotes, n) => {
            Event::Quote { bid_price: price, bid_size: n as u32, ask_price: price, ask_size: 1 }
        }
    }
}

#[test]
fn nothing_is_allocated_after_new() {
    // The counting itself must be seen to count.
    let before = CALLS.get();
    drop(std::hint::black_box(Box::new(1_u8)));
    assert_eq!(CALLS.get() - before, 2);

    let capacity = Capacity { symbols: 4, orders: 900, levels: 800, trades: 50 };
    for shape in [Shape::ByOrder, Shape::ByLevel, Shape::Quotes] {
        let mut books = Books::new(shape, capacity, Decimals(4));
        let mut random = Random(1);
        let mut view = BookView::EMPTY;
        let (mut applied, mut refused, mut seen) = (0_u32, 0_u32, 0_u64);
        let before = CALLS.get();
        while books.add_symbol().is_some() {}
        for seq in 1..200_000 {
            let symbol = SymbolIndex(random.below(4) as u32);
            let event = event(&mut random, shape);
            match books.apply(symbol, SeqNo(seq), &message(seq, event)) {
                Ok(_) => applied += 1,
                Err(_) => refused += 1,
            }
            books.view(symbol, &mut view);
            if seq % 64 == 0 {
                seen += books.levels(symbol, Side::Bid).map(|level| level.size).sum::<u64>();
            }
            if random.below(5_000) == 0 {
                books.clear_symbol(symbol);
            }
            if random.below(20_000) == 0 {
                books.reset();
            }
        }
        assert_eq!(CALLS.get(), before, "{shape:?} allocated");
        assert!(applied > 1_000 && refused > 10 && seen > 0, "{applied} {refused} {seen}");
        books.check();
    }
}

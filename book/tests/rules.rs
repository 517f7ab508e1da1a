//! The rules one by one, as a reader of the crate's documentation would expect them.

use candor_book::{Books, Capacity, Change, Fault, Shape};
use candor_core::{
    BookView, Decimals, Event, InstrumentKey, Message, Price, SeqNo, Side, Symbol, SymbolIndex,
    Trade, TradingState, WireTime,
};

const CAPACITY: Capacity = Capacity { symbols: 2, orders: 8, levels: 8, trades: 4 };
const A: SymbolIndex = SymbolIndex(0);
const B: SymbolIndex = SymbolIndex(1);
const BOOK: Change = Change { book: true, ..Change::NONE };
const TRADE: Change = Change { trade: true, ..Change::NONE };
const STATE: Change = Change { state: true, ..Change::NONE };

struct Scene {
    books: Books,
    seq: u64,
}

impl Scene {
    fn new(shape: Shape) -> Scene {
        Scene::with(shape, CAPACITY)
    }

    fn with(shape: Shape, capacity: Capacity) -> Scene {
        let mut books = Books::new(shape, capacity, Decimals(4));
        assert_eq!((books.add_symbol(), books.add_symbol()), (Some(A), Some(B)));
        Scene { books, seq: 0 }
    }

    /// Messages are numbered from 1, and a message's time is a hundred times its number.
    fn apply(&mut self, symbol: SymbolIndex, event: Event) -> Result<Change, Fault> {
        self.seq += 1;
        let time = WireTime(self.seq * 100);
        let message = Message { key: InstrumentKey(9), time, kind: b'x', event };
        let result = self.books.apply(symbol, SeqNo(self.seq), &message);
        self.books.check();
        result
    }

    fn view(&self, symbol: SymbolIndex) -> BookView {
        let mut view = BookView::EMPTY;
        self.books.view(symbol, &mut view);
        view
    }

    fn book(&self, symbol: SymbolIndex, side: Side) -> Vec<(i64, u64, u32)> {
        self.books.levels(symbol, side).map(|l| (l.price.0, l.size, l.orders)).collect()
    }

    /// The event is refused and leaves both symbols as they were.
    fn refuses(&mut self, symbol: SymbolIndex, event: Event, fault: Fault) {
        let before = (self.view(A), self.view(B), self.books.order_count());
        assert_eq!(self.apply(symbol, event), Err(fault), "{event:?}");
        assert_eq!((self.view(A), self.view(B), self.books.order_count()), before);
    }
}

fn add(order: u64, side: Side, price: i64, size: u32) -> Event {
    Event::Add { order, side, price: Price(price), size }
}

fn execute(order: u64, size: u32, trade: u64) -> Event {
    Event::Execute { order, size, trade, price: None, printable: true }
}

fn trade(trade: u64, price: i64, size: u64) -> Event {
    Event::Trade { price: Price(price), size, trade, sets_last: true, counts: true }
}

fn set(side: Side, price: i64, size: u32, complete: bool) -> Event {
    Event::SetLevel { side, price: Price(price), size, complete }
}

fn replace(order: u64, new_order: u64, price: i64, size: u32) -> Event {
    Event::Replace { order, new_order, price: Price(price), size }
}

#[test]
fn orders_make_levels() {
    let mut s = Scene::new(Shape::ByOrder);
    assert_eq!(s.apply(A, add(1, Side::Bid, 100, 10)), Ok(BOOK));
    assert_eq!(s.apply(A, add(2, Side::Bid, 100, 5)), Ok(BOOK));
    assert_eq!(s.apply(A, add(3, Side::Bid, 101, 7)), Ok(BOOK));
    assert_eq!(s.apply(A, add(4, Side::Ask, 103, 1)), Ok(BOOK));
    assert_eq!(s.apply(A, add(5, Side::Ask, 102, 2)), Ok(BOOK));
    assert_eq!(s.book(A, Side::Bid), [(101, 7, 1), (100, 15, 2)]);
    assert_eq!(s.book(A, Side::Ask), [(102, 2, 1), (103, 1, 1)]);
    assert!(!s.books.is_crossed(A));
    assert_eq!(s.apply(A, Event::Reduce { order: 1, size: 4 }), Ok(BOOK));
    assert_eq!(s.apply(A, Event::Delete { order: 3 }), Ok(BOOK));
    assert_eq!(s.book(A, Side::Bid), [(100, 11, 2)]);
    assert_eq!(s.apply(A, replace(2, 6, 102, 9)), Ok(BOOK));
    assert_eq!(s.book(A, Side::Bid), [(102, 9, 1), (100, 6, 1)]);
    assert!(s.books.is_locked(A));
    assert!(!s.books.is_crossed(A));
    assert_eq!(s.apply(A, replace(6, 6, 104, 9)), Ok(BOOK));
    assert!(s.books.is_crossed(A));
    assert!(!s.books.is_locked(A));
    // The whole of an order taken off by a reduction removes it.
    assert_eq!(s.apply(A, Event::Reduce { order: 6, size: 9 }), Ok(BOOK));
    s.refuses(A, Event::Delete { order: 6 }, Fault::UnknownOrder);
    assert_eq!(s.view(B), BookView { decimals: Decimals(4), ..BookView::EMPTY });
}

#[test]
fn executions_trade_at_the_orders_price_or_the_one_given() {
    let mut s = Scene::new(Shape::ByOrder);
    assert_eq!(s.apply(A, add(1, Side::Ask, 200, 100)), Ok(BOOK));
    assert_eq!(s.apply(A, execute(1, 30, 7)), Ok(Change { trade: true, ..BOOK }));
    let view = s.view(A);
    assert_eq!(view.last, Trade { price: Price(200), size: 30, time: WireTime(200), id: 7 });
    assert_eq!((view.stats.volume, view.stats.trades, view.asks[0].size), (30, 1, 70));
    let at = |price, printable| Event::Execute {
        order: 1,
        size: 10,
        trade: 8,
        price: Some(Price(price)),
        printable,
    };
    assert_eq!(s.apply(A, at(195, true)), Ok(Change { trade: true, ..BOOK }));
    assert_eq!(s.apply(A, at(150, false)), Ok(BOOK));
    let view = s.view(A);
    assert_eq!((view.last.price, view.asks[0].size), (Price(195), 50));
    assert_eq!(
        (view.stats.open, view.stats.high, view.stats.low),
        (Price(200), Price(200), Price(195))
    );
    assert_eq!((view.stats.volume, view.stats.trades), (40, 2));
    // The rest of it removes the order.
    assert_eq!(s.apply(A, execute(1, 50, 9)), Ok(Change { trade: true, ..BOOK }));
    assert_eq!(s.book(A, Side::Ask), []);
    s.refuses(A, execute(1, 1, 10), Fault::UnknownOrder);
}

#[test]
fn what_breaks_the_venues_rules_changes_nothing() {
    let mut s = Scene::new(Shape::ByOrder);
    assert_eq!(s.apply(A, add(1, Side::Bid, 100, 10)), Ok(BOOK));
    assert_eq!(s.apply(B, add(2, Side::Ask, 100, 10)), Ok(BOOK));
    let (in_a, in_b) = (Fault::WrongSymbol { owner: A }, Fault::WrongSymbol { owner: B });
    s.refuses(A, add(1, Side::Bid, 1, 1), Fault::DuplicateOrder { owner: A });
    s.refuses(A, add(2, Side::Bid, 1, 1), Fault::DuplicateOrder { owner: B });
    s.refuses(A, add(3, Side::Bid, -1, 1), Fault::BadPrice);
    s.refuses(A, add(3, Side::Bid, i64::MIN, 1), Fault::BadPrice);
    s.refuses(A, add(3, Side::Bid, 1, 0), Fault::BadSize);
    s.refuses(A, execute(1, 11, 1), Fault::BadSize);
    s.refuses(A, execute(1, 0, 1), Fault::BadSize);
    s.refuses(A, Event::Reduce { order: 1, size: 11 }, Fault::BadSize);
    s.refuses(A, Event::Reduce { order: 1, size: 0 }, Fault::BadSize);
    for (symbol, order, fault) in [(B, 1, in_a), (A, 2, in_b), (A, 3, Fault::UnknownOrder)] {
        s.refuses(symbol, execute(order, 1, 1), fault);
        s.refuses(symbol, Event::Reduce { order, size: 1 }, fault);
        s.refuses(symbol, Event::Delete { order }, fault);
        s.refuses(symbol, replace(order, 9, 1, 1), fault);
    }
    s.refuses(A, replace(1, 2, 1, 1), Fault::DuplicateOrder { owner: B });
    s.refuses(A, replace(1, 9, -1, 1), Fault::BadPrice);
    s.refuses(A, replace(1, 9, 1, 0), Fault::BadSize);
    s.refuses(A, trade(1, -5, 1), Fault::BadPrice);
    s.refuses(A, set(Side::Bid, 1, 1, true), Fault::WrongShape);
    let quote = Event::Quote { bid_price: Price(1), bid_size: 1, ask_price: Price(2), ask_size: 1 };
    s.refuses(A, quote, Fault::WrongShape);
    let execute_at = |price| Event::Execute { order: 1, size: 1, trade: 1, price, printable: true };
    s.refuses(A, execute_at(Some(Price(-1))), Fault::BadPrice);
    // Price zero is a price.
    assert_eq!(s.apply(A, execute_at(Some(Price(0)))), Ok(Change { trade: true, ..BOOK }));
}

#[test]
fn a_full_table_refuses_and_loses_nothing() {
    let capacity = Capacity { orders: 4, levels: 2, ..CAPACITY };
    let mut s = Scene::with(Shape::ByOrder, capacity);
    assert_eq!(s.apply(A, add(1, Side::Bid, 100, 1)), Ok(BOOK));
    assert_eq!(s.apply(A, add(2, Side::Bid, 100, 1)), Ok(BOOK));
    assert_eq!(s.apply(B, add(3, Side::Ask, 101, 1)), Ok(BOOK));
    s.refuses(A, add(4, Side::Bid, 101, 1), Fault::LevelsFull);
    assert_eq!(s.apply(B, add(4, Side::Ask, 101, 1)), Ok(BOOK));
    s.refuses(A, add(5, Side::Bid, 100, 1), Fault::OrdersFull);
    // An order that leaves others at its level frees none for itself.
    s.refuses(A, replace(1, 1, 102, 1), Fault::LevelsFull);
    s.refuses(A, replace(1, 9, 102, 1), Fault::LevelsFull);
    // Between levels that exist it may move, and needs no further order.
    assert_eq!(s.apply(A, replace(1, 9, 100, 7)), Ok(BOOK));
    assert_eq!(s.book(A, Side::Bid), [(100, 8, 2)]);
    // The last order of a level takes its room along.
    assert_eq!(s.apply(A, Event::Delete { order: 2 }), Ok(BOOK));
    assert_eq!(s.apply(A, replace(9, 9, 102, 7)), Ok(BOOK));
    assert_eq!(s.book(A, Side::Bid), [(102, 7, 1)]);
    s.refuses(A, add(5, Side::Bid, 100, 1), Fault::LevelsFull);
    assert_eq!(s.apply(A, Event::Delete { order: 9 }), Ok(BOOK));
    assert_eq!(s.apply(A, add(5, Side::Ask, 100, 1)), Ok(BOOK));
    assert_eq!((s.books.order_count(), s.books.level_count()), (3, 2));
}

#[test]
fn levels_are_set_and_removed_and_transactions_stay_open() {
    let mut s = Scene::new(Shape::ByLevel);
    let open = Change { open: true, ..Change::NONE };
    assert_eq!(s.apply(A, set(Side::Bid, 100, 300, false)), Ok(Change { open: true, ..BOOK }));
    assert_eq!(s.apply(A, set(Side::Ask, 101, 200, true)), Ok(BOOK));
    assert_eq!(s.book(A, Side::Bid), [(100, 300, 0)]);
    assert_eq!(s.view(A).seq, 2);
    // The same again, and nothing where nothing is: no change, no fault.
    assert_eq!(s.apply(A, set(Side::Bid, 100, 300, false)), Ok(open));
    assert_eq!(s.apply(A, set(Side::Bid, 99, 0, true)), Ok(Change::NONE));
    assert_eq!(s.apply(B, set(Side::Bid, 99, 0, false)), Ok(open));
    assert_eq!((s.view(A).seq, s.view(A).time), (2, WireTime(200)));
    assert_eq!(s.apply(A, set(Side::Bid, 100, 0, true)), Ok(BOOK));
    assert_eq!((s.book(A, Side::Bid), s.view(A).seq), (vec![], 6));
    s.refuses(A, set(Side::Bid, -1, 5, true), Fault::BadPrice);
    s.refuses(A, add(1, Side::Bid, 1, 1), Fault::WrongShape);
    assert_eq!(s.apply(A, Event::Clear), Ok(BOOK));
    assert_eq!(s.apply(A, Event::Clear), Ok(Change::NONE));
}

#[test]
fn a_quote_replaces_both_sides() {
    let mut s = Scene::new(Shape::Quotes);
    let quote = |bid_price, bid_size, ask_price, ask_size| Event::Quote {
        bid_price: Price(bid_price),
        bid_size,
        ask_price: Price(ask_price),
        ask_size,
    };
    assert_eq!(s.apply(A, quote(100, 5, 101, 6)), Ok(BOOK));
    assert_eq!(s.apply(A, quote(100, 5, 101, 6)), Ok(Change::NONE));
    assert_eq!(s.view(A).seq, 1);
    assert_eq!(s.apply(A, quote(99, 5, 0, 0)), Ok(BOOK));
    assert_eq!((s.book(A, Side::Bid), s.book(A, Side::Ask)), (vec![(99, 5, 0)], vec![]));
    assert_eq!((s.view(A).bid_count, s.view(A).ask_count), (1, 0));
    // A size of zero is no quote, whatever its price.
    assert_eq!(s.apply(A, quote(99, 5, -7, 0)), Ok(Change::NONE));
    s.refuses(A, quote(-99, 5, 7, 1), Fault::BadPrice);
    assert_eq!(s.books.level_count(), 1);
}

#[test]
fn breaks_correct_the_statistics_and_leave_the_book() {
    let mut s = Scene::new(Shape::ByOrder);
    assert_eq!(s.apply(A, add(1, Side::Bid, 100, 50)), Ok(BOOK));
    assert_eq!(s.apply(A, execute(1, 20, 1)), Ok(Change { trade: true, ..BOOK }));
    assert_eq!(s.apply(A, trade(2, 130, 5)), Ok(TRADE));
    let unmatched = Change { unmatched: true, ..Change::NONE };
    assert_eq!(s.apply(B, Event::TradeBreak { trade: 2 }), Ok(unmatched));
    assert_eq!(s.apply(A, Event::TradeBreak { trade: 3 }), Ok(unmatched));
    assert_eq!(s.view(A).seq, 3);
    let before = s.view(A);
    assert_eq!(s.apply(A, Event::TradeBreak { trade: 2 }), Ok(TRADE));
    let after = s.view(A);
    assert_eq!((after.stats.volume, after.stats.trades, after.stats.broken), (20, 1, 1));
    assert_eq!(
        (after.stats.high, after.last, after.bids),
        (before.stats.high, before.last, before.bids)
    );
    assert_eq!((after.seq, after.time), (6, WireTime(600)));
    assert_eq!(s.apply(A, Event::TradeBreak { trade: 2 }), Ok(unmatched));
    // The ring holds four; the first of them is forgotten.
    for id in 10..14 {
        assert_eq!(s.apply(B, trade(id, 1, 1)), Ok(TRADE));
    }
    assert_eq!(s.apply(A, Event::TradeBreak { trade: 1 }), Ok(unmatched));
}

#[test]
fn a_trade_that_does_not_count_changes_no_sum() {
    let mut s = Scene::new(Shape::Quotes);
    let with = |sets_last, counts, size| Event::Trade {
        price: Price(10),
        size,
        trade: 5,
        sets_last,
        counts,
    };
    assert_eq!(s.apply(A, with(false, false, 9)), Ok(Change::NONE));
    assert_eq!(s.apply(A, with(true, true, 0)), Ok(Change::NONE));
    assert_eq!((s.view(A).seq, s.view(A).last.size), (0, 0));
    assert_eq!(s.apply(A, with(false, true, 9)), Ok(TRADE));
    assert_eq!((s.view(A).last.size, s.view(A).stats.volume), (0, 9));
    assert_eq!(s.apply(A, with(true, false, 3)), Ok(TRADE));
    assert_eq!((s.view(A).last.size, s.view(A).stats.volume), (3, 9));
    // The newest of an id is broken first; it hadn't counted.
    assert_eq!(s.apply(A, Event::TradeBreak { trade: 5 }), Ok(TRADE));
    assert_eq!((s.view(A).stats.volume, s.view(A).stats.broken), (9, 1));
    assert_eq!(s.apply(A, Event::TradeBreak { trade: 5 }), Ok(TRADE));
    assert_eq!((s.view(A).stats.volume, s.view(A).stats.broken), (0, 2));
    // Sums stay within 64 bits.
    assert_eq!(s.apply(A, with(true, true, u64::MAX)), Ok(TRADE));
    s.refuses(A, with(true, true, 1), Fault::BadSize);
    assert_eq!(s.apply(A, with(true, false, 1)), Ok(TRADE));
}

#[test]
fn an_operational_halt_lies_over_the_trading_state() {
    let mut s = Scene::new(Shape::ByLevel);
    let trading = |state| Event::Trading { state, reason: [b' '; 4] };
    let halt = |halted| Event::OperationalHalt { halted };
    let mut step = |event, change, state| {
        assert_eq!(s.apply(A, event), Ok(change));
        assert_eq!(s.view(A).trading_state, state);
        assert_eq!(s.books.trading_state(A), state);
    };
    step(halt(false), Change::NONE, TradingState::Unknown);
    step(trading(TradingState::Trading), STATE, TradingState::Trading);
    step(trading(TradingState::Trading), Change::NONE, TradingState::Trading);
    step(halt(true), STATE, TradingState::OperationalHalt);
    step(trading(TradingState::Paused), STATE, TradingState::OperationalHalt);
    step(halt(true), Change::NONE, TradingState::OperationalHalt);
    step(halt(false), STATE, TradingState::Paused);
    step(trading(TradingState::Trading), STATE, TradingState::Trading);
}

#[test]
fn definitions_and_other_events() {
    let mut s = Scene::new(Shape::ByOrder);
    let define = |round_lot| Event::Definition { symbol: Symbol::EMPTY, round_lot, test: false };
    assert_eq!(s.apply(A, define(40)), Ok(STATE));
    assert_eq!(s.apply(A, define(0)), Ok(STATE));
    assert_eq!((s.view(A).round_lot, s.view(A).seq, s.view(A).decimals), (40, 2, Decimals(4)));
    for event in [
        Event::Notice,
        Event::Unknown,
        Event::ShortSale { restricted: true },
        Event::OfficialPrice { price_type: b'Q', price: Price(-1) },
        Event::System(candor_core::SystemEvent::EndOfMessages),
    ] {
        assert_eq!(s.apply(A, event), Ok(Change::NONE));
    }
    assert_eq!(s.view(A).seq, 2);
}

#[test]
fn clearing_empties_the_book_and_a_reset_everything() {
    let mut s = Scene::new(Shape::ByOrder);
    assert_eq!(s.apply(A, add(1, Side::Bid, 100, 50)), Ok(BOOK));
    assert_eq!(s.apply(B, add(2, Side::Bid, 100, 50)), Ok(BOOK));
    assert_eq!(s.apply(A, trade(1, 130, 5)), Ok(TRADE));
    let before = s.view(A);
    s.books.clear_symbol(A);
    s.books.check();
    let cleared = s.view(A);
    assert_eq!(cleared, BookView { bid_count: 0, bids: BookView::EMPTY.bids, ..before });
    assert_eq!((s.book(B, Side::Bid), s.books.order_count()), (vec![(100, 50, 1)], 1));
    s.refuses(A, Event::Delete { order: 1 }, Fault::UnknownOrder);
    // Its trades are still remembered, its ids free.
    assert_eq!(s.apply(A, Event::TradeBreak { trade: 1 }), Ok(TRADE));
    assert_eq!(s.apply(B, add(1, Side::Ask, 101, 1)), Ok(BOOK));
    assert_eq!(s.apply(B, Event::Clear), Ok(BOOK));
    assert_eq!((s.books.order_count(), s.books.level_count()), (0, 0));
    s.books.reset();
    s.books.check();
    let empty = BookView { decimals: Decimals(4), ..BookView::EMPTY };
    assert_eq!((s.view(A), s.view(B), s.books.symbols()), (empty, empty, 2));
    let unmatched = Change { unmatched: true, ..Change::NONE };
    assert_eq!(s.apply(A, Event::TradeBreak { trade: 1 }), Ok(unmatched));
}

#[test]
fn the_view_shows_ten_levels_and_zeroes_the_rest() {
    let capacity = Capacity { symbols: 1, orders: 0, levels: 40, trades: 0 };
    let mut books = Books::new(Shape::ByLevel, capacity, Decimals(2));
    assert_eq!(books.add_symbol(), Some(A));
    let mut view = BookView::EMPTY;
    for depth in 1..=30 {
        let event = set(Side::Bid, 100 - depth, depth as u32, true);
        let message = Message { key: InstrumentKey(1), time: WireTime(1), kind: b'8', event };
        assert_eq!(books.apply(A, SeqNo(1), &message), Ok(BOOK));
        books.view(A, &mut view);
        assert_eq!(i64::from(view.bid_count), depth.min(10));
        for (rank, level) in view.levels(Side::Bid).iter().enumerate() {
            assert_eq!((level.price.0, level.size), (99 - rank as i64, rank as u64 + 1));
        }
    }
    books.clear_symbol(A);
    books.view(A, &mut view);
    assert_eq!(view.bids, BookView::EMPTY.bids);
}

#[test]
#[should_panic(expected = "never added")]
fn a_symbol_that_was_never_added_is_our_own_mistake() {
    let mut books = Books::new(Shape::ByLevel, CAPACITY, Decimals(4));
    let message =
        Message { key: InstrumentKey(1), time: WireTime(1), kind: b'x', event: Event::Notice };
    let _ = books.apply(A, SeqNo(1), &message);
}

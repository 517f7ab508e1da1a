//! Order books of one partition: orders, price levels, quotes, last trades, trading states and the
//! session's statistics, all of fixed capacity.
//!
//! This crate applies normalised messages ([`candor_core::Message`]) to books and says what each
//! changed. It does no IO, reads no clock and knows no status: whether a book may be called Live is
//! the engine's business. Everything is allocated in [`Books::new`]; nothing afterwards, but for
//! [`Books::check`], which is for tests and the simulator.
//!
//! ```
//! use candor_book::{Books, Capacity, Shape};
//! use candor_core::{BookView, Decimals, Event, InstrumentKey, Message, Price, SeqNo, Side, WireTime};
//!
//! let capacity = Capacity { symbols: 4, orders: 100, levels: 100, trades: 16 };
//! let mut books = Books::new(Shape::ByOrder, capacity, Decimals(4));
//! let symbol = books.add_symbol().ok_or("no room")?;
//! let add = Event::Add { order: 7, side: Side::Bid, price: Price(1_234_500), size: 100 };
//! let message = Message { key: InstrumentKey(1), time: WireTime(5), kind: b'A', event: add };
//! let change = books.apply(symbol, SeqNo(1), &message).map_err(|fault| fault.label())?;
//! assert!(change.book);
//!
//! let mut view = BookView::EMPTY;
//! books.view(symbol, &mut view);
//! assert_eq!((view.seq, view.bids[0].price, view.bids[0].size), (1, Price(1_234_500), 100));
//! # Ok::<(), &str>(())
//! ```
//!
//! # What each event does
//!
//! | event | by order | by level | quotes |
//! | --- | --- | --- | --- |
//! | Add, Execute, Reduce, Delete, Replace | apply | [`Fault::WrongShape`] | [`Fault::WrongShape`] |
//! | `SetLevel` | [`Fault::WrongShape`] | applies | [`Fault::WrongShape`] |
//! | Quote | [`Fault::WrongShape`] | [`Fault::WrongShape`] | replaces both sides |
//! | Trade, `TradeBreak`, Trading, `OperationalHalt`, Definition, Clear | apply | apply | apply |
//! | all others | nothing | nothing | nothing |
//!
//! - A message that says what is known already (the level's own size, the same quote, the same
//!   state) changes nothing, so the view keeps the number and time of the message before it. A
//!   definition always counts as a change.
//! - `SetLevel` of size zero for a level that isn't there changes nothing and is no fault: DEEP
//!   publishes the new state of a level, and "still nothing there" is a state.
//! - Replace may keep its order's id. It is one step: it either happens wholly or is a fault.
//! - A trade of size zero (a cross that found no match) is no trade: it changes nothing and is not
//!   remembered, whatever its flags.
//! - Open, high and low are set by the trades that set the last price.
//! - A trade break takes the trade's size off the volume and one off the count if the trade had
//!   counted in them, and adds one to `broken`. Book, open, high, low and last stay as they are: what
//!   they would be without the trade can't be known from a bounded memory, and half a correction is
//!   worse than none. `broken` tells the reader that they may include a broken trade.
//! - An operational halt lies over the trading state. While it lasts the view shows
//!   [`candor_core::TradingState::OperationalHalt`]; when it ends the view shows the trading state
//!   the venue gave last, be it from before or during the halt.
//! - Clear empties the book. Last trade, statistics, states and remembered trades stay.
//!
//! # Faults
//!
//! A [`Fault`] means the venue broke its own rules, or a table is full. The message then changed
//! nothing at all. The symbol's book is not to be trusted any more, which is for the caller to act on.
//!
//! # Cost
//!
//! An order is found in expected O(1), in one cache line: the last million ids by themselves, older ones by their
//! hash, at most half of the table's slots being live. An id that leaps ahead of the last one by up to 1,024 moves as many
//! places of the ring on, and what rests there to the table: 50 µs at worst, never in a row of close ids. A level
//! within sixty-four steps of where the best price is, or was, is found by arithmetic, in one cache line; others
//! in O(log n) of the side's n levels. `view` reads two to eight cache lines a side where prices lie close
//! together. A window that slides moves at most 64 levels out and looks at 128 to move in: some microseconds,
//! once for many messages. A trade break scans the remembered trades' ids (8 bytes each, 128 KB at most by
//! default). [`Books::clear_symbol`] is O(n): the orders themselves are swept out in passing, sixteen slots with
//! each order that is added later. See [`Books::reset`] for its own.
//!
//! Where several messages are there at once, [`Books::foresee`] for each and then [`Books::approach`] for each,
//! before the first is applied, let their cache misses overlap. Both are hints and nothing else.
//!
//! The order table's mixer is fixed, so that the same bytes always cost the same: ids chosen to collide
//! under it would make lookups slow, but ids are the venue's, and count up.
// One file has an unsafe line: `near.rs`.
#![deny(unsafe_code)]

mod ahead;
mod books;
mod levels;
pub mod naive;
mod near;
mod orders;
mod read;
mod summary;
mod trades;
mod types;

pub use books::Books;
pub use types::{Capacity, Change, Fault, Resting, Shape};

//! A book in a slot, and back: which word holds what, and which words need storing.

use candor_core::limits::DEPTH;
use candor_core::{
    BookView, Decimals, Level, Mono, Price, SessionId, Stats, Trade, TradingState, WireTime,
};

use crate::atomic::{AtomicU64, Ordering};
use crate::layout::{PAIR_WORDS, Slot, State};
use crate::mapping::{load_all, store_changed};
use crate::seqlock;

const NO_LEVEL: Level = Level { price: Price(0), size: 0, orders: 0, reserved: 0 };

fn load(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed)
}

fn orders(bid: u32, ask: u32) -> u64 {
    u64::from(bid) | u64::from(ask) << 32
}

/// Stores one level pair. A side that has no such level is left as it is: its count says so.
fn store_pair(words: &[AtomicU64], bid: Option<&Level>, ask: Option<&Level>) {
    debug_assert_eq!(words.len(), PAIR_WORDS);
    let mut counts = [0; 2];
    if let Some(bid) = bid {
        store_changed(&words[0], bid.price.0.cast_unsigned());
        store_changed(&words[1], bid.size);
        counts[0] = bid.orders;
    }
    if let Some(ask) = ask {
        store_changed(&words[2], ask.price.0.cast_unsigned());
        store_changed(&words[3], ask.size);
        counts[1] = ask.orders;
    }
    store_changed(&words[4], orders(counts[0], counts[1]));
}

/// Stores status and book under the slot's lock; only words that differ.
pub(crate) fn store(slot: &Slot, state: State, since: Mono, view: &BookView) {
    // Paired with the reader's `min`: what we publish is whole, what a reader finds may be anything.
    assert!(usize::from(view.bid_count) <= DEPTH);
    assert!(usize::from(view.ask_count) <= DEPTH);
    debug_assert_ne!(state.code, 0, "zero is what nobody wrote");
    let packed = u64::from(view.bid_count)
        | u64::from(view.ask_count) << 8
        | (view.trading_state as u64) << 16
        | u64::from(view.decimals.0) << 24
        | u64::from(view.round_lot) << 32;
    let (bids, asks) =
        (&view.bids[..usize::from(view.bid_count)], &view.asks[..usize::from(view.ask_count)]);
    seqlock::write(&slot.lock, || {
        store_changed(&slot.state, state.word());
        store_changed(&slot.since, since.0);
        store_changed(&slot.packed, packed);
        store_changed(&slot.seq, view.seq);
        store_changed(&slot.time, view.time.0);
        store_changed(&slot.trades, orders(view.stats.trades, view.stats.broken));
        store_pair(&slot.best, bids.first(), asks.first());
        let pairs = bids.len().max(asks.len()).saturating_sub(1);
        for (pair, words) in slot.deeper.chunks_exact(PAIR_WORDS).take(pairs).enumerate() {
            store_pair(words, bids.get(pair + 1), asks.get(pair + 1));
        }
        store_changed(&slot.last[0], view.last.price.0.cast_unsigned());
        store_changed(&slot.last[1], view.last.size);
        store_changed(&slot.last[2], view.last.time.0);
        store_changed(&slot.last[3], view.last.id);
        store_changed(&slot.stats_since, view.stats.since);
        store_changed(&slot.open, view.stats.open.0.cast_unsigned());
        store_changed(&slot.high, view.stats.high.0.cast_unsigned());
        store_changed(&slot.low, view.stats.low.0.cast_unsigned());
        store_changed(&slot.volume, view.stats.volume);
    });
}

fn price(word: &AtomicU64) -> Price {
    Price(load(word).cast_signed())
}

fn load_bid(words: &[AtomicU64; PAIR_WORDS]) -> Level {
    let orders = load(&words[4]) as u32;
    Level { price: price(&words[0]), size: load(&words[1]), orders, reserved: 0 }
}

fn load_ask(words: &[AtomicU64; PAIR_WORDS]) -> Level {
    let orders = (load(&words[4]) >> 32) as u32;
    Level { price: price(&words[2]), size: load(&words[3]), orders, reserved: 0 }
}

/// What the engine says of the symbol, and since when; its book is copied in place, where anything may be: it is
/// too large to be handed on by value. Only of use inside a read of the slot's lock; any words copy to something.
#[inline]
pub(crate) fn load_content(slot: &Slot, book: &mut BookView) -> (State, Mono) {
    let said = (State::of(load(&slot.state)), Mono(load(&slot.since)));
    let packed = load(&slot.packed);
    // A copy taken during a write, or from a broken file, may say anything: never beyond the array.
    book.bid_count = (packed as u8).min(DEPTH as u8);
    book.ask_count = ((packed >> 8) as u8).min(DEPTH as u8);
    book.trading_state = TradingState::from_code((packed >> 16) as u8);
    book.decimals = Decimals((packed >> 24) as u8);
    book.round_lot = (packed >> 32) as u32;
    book.seq = load(&slot.seq);
    book.time = WireTime(load(&slot.time));
    let (bids, asks) = (usize::from(book.bid_count), usize::from(book.ask_count));
    if bids > 0 {
        book.bids[0] = load_bid(&slot.best);
    }
    if asks > 0 {
        book.asks[0] = load_ask(&slot.best);
    }
    let deeper = slot.deeper.as_chunks().0;
    let (deeper_bids, deeper_asks) =
        (&mut book.bids[1..bids.max(1)], &mut book.asks[1..asks.max(1)]);
    // Both sides' levels share their words, as far as both go.
    let both = deeper_bids.len().min(deeper_asks.len());
    for ((bid, ask), words) in deeper_bids.iter_mut().zip(&mut *deeper_asks).zip(deeper) {
        (*bid, *ask) = (load_bid(words), load_ask(words));
    }
    for (bid, words) in deeper_bids.iter_mut().zip(deeper).skip(both) {
        *bid = load_bid(words);
    }
    for (ask, words) in deeper_asks.iter_mut().zip(deeper).skip(both) {
        *ask = load_ask(words);
    }
    // What was there before.
    book.bids[bids..].fill(NO_LEVEL);
    book.asks[asks..].fill(NO_LEVEL);
    let [last, size, time, id] = load_all(&slot.last);
    book.last = Trade { price: Price(last.cast_signed()), size, time: WireTime(time), id };
    let trades = load(&slot.trades);
    book.stats = Stats {
        open: price(&slot.open),
        high: price(&slot.high),
        low: price(&slot.low),
        volume: load(&slot.volume),
        trades: trades as u32,
        broken: (trades >> 32) as u32,
        since: load(&slot.stats_since),
    };
    said
}

/// A session id in two words, upper half first.
pub(crate) fn session_words(session: SessionId) -> [u64; 2] {
    [(session.0 >> 64) as u64, session.0 as u64]
}

/// The session id in two words.
pub(crate) fn session_of([upper, lower]: [u64; 2]) -> SessionId {
    SessionId(u128::from(upper) << 64 | u128::from(lower))
}

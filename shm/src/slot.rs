//! A book in a slot, and back: which word holds what, and which words are stored.

use candor_core::limits::DEPTH;
use candor_core::{
    BookView, Changed, Decimals, Level, Mono, Price, SessionId, Stats, Trade, TradingState,
    WireTime,
};

use crate::atomic::{AtomicU64, Ordering};
use crate::layout::{LINE_WORDS, Slot, State};
use crate::mapping::{load_all, store_changed};
use crate::seqlock;

const NO_LEVEL: Level = Level { price: Price(0), size: 0, orders: 0, reserved: 0 };

#[inline(always)]
fn load(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed)
}

#[inline(always)]
fn orders(bid: u32, ask: u32) -> u64 {
    u64::from(bid) | u64::from(ask) << 32
}

#[inline(always)]
fn put(word: &AtomicU64, value: u64) {
    word.store(value, Ordering::Relaxed);
}

/// Stores the best level of a side: 0 the bid, 1 the ask.
#[inline(always)]
fn store_best(slot: &Slot, side: usize, level: &Level) {
    put(&slot.best[2 * side], level.price.0.cast_unsigned());
    put(&slot.best[2 * side + 1], level.size);
    slot.best_orders[side].store(level.orders, Ordering::Relaxed);
}

/// Stores a group of three levels behind the best, which are a line.
#[inline(always)]
fn store_line(line: &[AtomicU64; LINE_WORDS], [a, b, c]: &[Level; Changed::GROUP]) {
    for (words, level) in line.as_chunks::<2>().0.iter().zip([a, b, c]) {
        put(&words[0], level.price.0.cast_unsigned());
        put(&words[1], level.size);
    }
    put(&line[6], orders(a.orders, b.orders));
    put(&line[7], orders(c.orders, 0));
}

/// Stores the groups of a side that may have changed, but for the best.
#[inline(always)]
fn store_side(words: &[AtomicU64; 24], levels: &[Level; DEPTH], groups: u8) {
    let lines = words.as_chunks().0.iter().zip(levels[1..].as_chunks().0);
    for (group, (line, levels)) in (1..).zip(lines) {
        if groups >> group & 1 == 1 {
            store_line(line, levels);
        }
    }
}

/// Stores what has changed beside the best levels. Not inlined: a change of the best price alone goes without what this
/// needs of registers.
#[inline(never)]
fn store_rest(slot: &Slot, view: &BookView, changed: Changed) {
    store_side(&slot.bids, &view.bids, changed.bids);
    store_side(&slot.asks, &view.asks, changed.asks);
    if changed.trades {
        store_trades(slot, view);
    }
}

/// Stores status and book under the slot's lock: of the book the message's number and time, and what may have changed.
/// What the slot's state word was before.
#[inline(always)]
pub(crate) fn store(
    slot: &Slot,
    state: State,
    since: Mono,
    view: &BookView,
    changed: Changed,
) -> u64 {
    debug_assert_ne!(state.code, 0, "zero is what nobody wrote");
    // They lie side by side in the view, so that on a little-endian machine this is one load.
    let packed = u64::from(view.bid_count)
        | u64::from(view.ask_count) << 8
        | (view.trading_state as u64) << 16
        | u64::from(view.decimals.0) << 24
        | u64::from(view.round_lot) << 32;
    let before = load(&slot.state);
    // A line that seldom changes stays in readers' caches.
    let same =
        before == state.word() && load(&slot.since) == since.0 && load(&slot.packed) == packed;
    if !same {
        // Paired with the reader's `min`: what we publish is whole, what a reader finds may be anything.
        assert!(usize::from(view.bid_count.max(view.ask_count)) <= DEPTH, "levels beyond a book's");
    }
    seqlock::write(&slot.lock, || {
        put(&slot.seq, view.seq);
        put(&slot.time, view.time.0);
        if changed.bids & 1 == 1 {
            store_best(slot, 0, &view.bids[0]);
        }
        if changed.asks & 1 == 1 {
            store_best(slot, 1, &view.asks[0]);
        }
        if (changed.bids | changed.asks) >> 1 != 0 || changed.trades {
            store_rest(slot, view, changed);
        }
        if !same {
            put(&slot.state, state.word());
            put(&slot.since, since.0);
            put(&slot.packed, packed);
        }
    });
    before
}

fn store_trades(slot: &Slot, view: &BookView) {
    store_changed(&slot.trades, orders(view.stats.trades, view.stats.broken));
    store_changed(&slot.stats_since, view.stats.since);
    put(&slot.last[0], view.last.price.0.cast_unsigned());
    put(&slot.last[1], view.last.size);
    put(&slot.last[2], view.last.time.0);
    put(&slot.last[3], view.last.id);
    put(&slot.open, view.stats.open.0.cast_unsigned());
    put(&slot.high, view.stats.high.0.cast_unsigned());
    put(&slot.low, view.stats.low.0.cast_unsigned());
    put(&slot.volume, view.stats.volume);
}

#[inline(always)]
fn price(word: &AtomicU64) -> Price {
    Price(load(word).cast_signed())
}

#[inline(always)]
fn low(word: u64) -> u32 {
    word as u32
}

#[inline(always)]
fn high(word: u64) -> u32 {
    (word >> 32) as u32
}

#[inline(always)]
fn level(price_word: &AtomicU64, size: &AtomicU64, orders: u32) -> Level {
    Level { price: price(price_word), size: load(size), orders, reserved: 0 }
}

/// Copies so many levels of a side, the best of which is given.
#[inline(always)]
fn load_side(best: Level, words: &[AtomicU64; 24], count: usize, out: &mut [Level; DEPTH]) {
    out[0] = best;
    let (deeper, _) = out[1..].as_chunks_mut::<{ Changed::GROUP }>();
    // Whole lines; what is too much of the last is cleared below.
    let lines = words.as_chunks::<LINE_WORDS>().0.iter().take((count + 1) / Changed::GROUP);
    for (line, levels) in lines.zip(deeper) {
        let both = load(&line[6]);
        levels[0] = level(&line[0], &line[1], low(both));
        levels[1] = level(&line[2], &line[3], high(both));
        levels[2] = level(&line[4], &line[5], low(load(&line[7])));
    }
    // And what was there before.
    out[count..].fill(NO_LEVEL);
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
    let [bid, ask] = [0, 1].map(|side| {
        let orders = slot.best_orders[side].load(Ordering::Relaxed);
        level(&slot.best[2 * side], &slot.best[2 * side + 1], orders)
    });
    load_side(bid, &slot.bids, bids, &mut book.bids);
    load_side(ask, &slot.asks, asks, &mut book.asks);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::record::Record as _;
    use proptest::prelude::*;

    fn any_view() -> impl Strategy<Value = BookView> {
        let level = (any::<i64>(), any::<u64>(), any::<u32>());
        let side = || prop::collection::vec(level, 0..=DEPTH);
        (side(), side(), any::<[u64; 8]>(), any::<[u32; 3]>(), 0u8..7).prop_map(
            |(bids, asks, words, halves, trading)| {
                let [seq, time, last, size, id, volume, low, since] = words;
                let mut view = BookView {
                    seq,
                    time: WireTime(time),
                    bid_count: bids.len() as u8,
                    ask_count: asks.len() as u8,
                    trading_state: TradingState::from_code(trading),
                    round_lot: halves[0],
                    ..BookView::EMPTY
                };
                for (levels, given) in [(&mut view.bids, bids), (&mut view.asks, asks)] {
                    for (level, (price, size, orders)) in levels.iter_mut().zip(given) {
                        *level = Level { price: Price(price), size, orders, reserved: 0 };
                    }
                }
                view.last =
                    Trade { price: Price(last.cast_signed()), size, time: WireTime(id), id };
                view.stats = Stats { volume, since, low: Price(low.cast_signed()), ..view.stats };
                (view.stats.trades, view.stats.broken) = (halves[1], halves[2]);
                view
            },
        )
    }

    /// The view with everything spoilt that has not changed: it may be of another symbol.
    fn spoilt(view: &BookView, changed: Changed) -> BookView {
        let other = Level { price: Price(-7), size: 7, orders: 7, reserved: 0 };
        let mut spoilt = *view;
        for group in 0..Changed::GROUPS {
            for place in Changed::places(1 << group) {
                if changed.bids >> group & 1 == 0 {
                    spoilt.bids[place] = other;
                }
                if changed.asks >> group & 1 == 0 {
                    spoilt.asks[place] = other;
                }
            }
        }
        if !changed.trades {
            (spoilt.last.id, spoilt.stats.volume) = (!view.last.id, !view.stats.volume);
        }
        spoilt
    }

    /// What differs, found by looking.
    fn difference(old: &BookView, new: &BookView) -> Changed {
        let side = |old: &[Level; DEPTH], new: &[Level; DEPTH]| {
            let differs =
                |group: &usize| Changed::places(1 << *group).any(|place| old[place] != new[place]);
            (0..Changed::GROUPS).filter(differs).fold(0, |groups, group| groups | 1 << group)
        };
        Changed {
            bids: side(&old.bids, &new.bids),
            asks: side(&old.asks, &new.asks),
            trades: (old.last, old.stats) != (new.last, new.stats),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Views one after the other, each of which has parts of the one before.
        #[test]
        fn what_changed_is_stored_and_the_rest_is_there(
            views in prop::collection::vec((any_view(), any::<[bool; 3]>()), 1..6),
        ) {
            let state = State { code: 1, epoch: 1, changes: 0 };
            let map = crate::mapping::Mapping::heap(Slot::SIZE as u64);
            let slot: &Slot = map.at(0);
            store(slot, state, Mono(1), &BookView::EMPTY, Changed::ALL);
            let mut shown = BookView::EMPTY;
            for (mut view, [keeps_bids, keeps_asks, keeps_trades]) in views {
                if keeps_bids {
                    (view.bids, view.bid_count) = (shown.bids, shown.bid_count);
                }
                if keeps_asks {
                    (view.asks, view.ask_count) = (shown.asks, shown.ask_count);
                }
                if keeps_trades {
                    (view.last, view.stats) = (shown.last, shown.stats);
                }
                let changed = difference(&shown, &view);
                store(slot, state, Mono(1), &spoilt(&view, changed), changed);
                let mut found = BookView::EMPTY;
                let _ = load_content(slot, &mut found);
                prop_assert_eq!(found, view);
                shown = view;
            }
        }
    }
}

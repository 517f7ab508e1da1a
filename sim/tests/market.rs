//! The market against a naive book that hears only its messages.

use std::collections::{BTreeMap, BTreeSet};

use candor_book::{Capacity, Shape, naive};
use candor_core::{
    BookView, Decimals, Event, Mono, Nanos, SeqNo, SessionId, Side, Symbol, SymbolIndex, Trade,
    TradingState, WireTime,
};
use candor_decoders::Format;
use candor_sim::market::{Market, MarketConfig};
use candor_sim::truth::{Recorder, Seen, Truth, Verdict};

const FORMAT: Format = Format::NasdaqItch50;

fn config(seed: u64) -> MarketConfig {
    MarketConfig {
        seed,
        partitions: 3,
        symbols: 90,
        prefill: 3,
        halts: true,
        ..MarketConfig::default()
    }
}

/// 09:30 and `n` times 10 µs.
fn at(n: u64) -> WireTime {
    WireTime(34_200_000_000_000 + n * 10_000)
}

fn naive_books() -> naive::Books {
    let capacity = Capacity { symbols: 1_000, orders: 100_000, levels: 100_000, trades: 1_000 };
    naive::Books::new(Shape::ByOrder, capacity, Decimals(4))
}

/// The parts of two views that the truth is about.
fn assert_same(symbol: Symbol, heard: &BookView, truth: &BookView) {
    for side in [Side::Bid, Side::Ask] {
        assert_eq!(heard.levels(side), truth.levels(side), "{symbol}");
    }
    assert_eq!(heard.last, truth.last, "{symbol}");
    assert_eq!(heard.trading_state, truth.trading_state, "{symbol}");
    assert_eq!(Seen::of(heard), Seen::of(truth), "{symbol}");
}

#[test]
fn who_hears_every_message_has_the_true_books() {
    for seed in 1..4 {
        let mut market = Market::new(config(seed));
        for partition in &mut market.partitions {
            let mut books = naive_books();
            let mut names = Vec::new();
            for n in 1..40_000 {
                let step = partition.next(at(n)).unwrap();
                let message = FORMAT.decode(step.message.bytes()).unwrap();
                if let Event::Definition { symbol, .. } = message.event {
                    names.push(symbol);
                    books.add_symbol().unwrap();
                    assert_eq!(message.key.0, names.len() as u64);
                }
                assert_eq!(message.time, at(n));
                let Some(symbol) = step.touched else {
                    assert_eq!(message.key.0, 0);
                    continue;
                };
                assert_eq!(message.key.0, u64::from(symbol.0) + 1);
                books.apply(symbol, SeqNo(n), &message).unwrap();
                let mut truth = BookView::EMPTY;
                partition.book(symbol).view(&mut truth);
                assert!(!partition.book(symbol).is_crossed());
                assert_same(partition.symbol(symbol), &books.view(symbol), &truth);
            }
            assert!(partition.is_open());
            assert_eq!(names, partition.symbols().collect::<Vec<_>>());
        }
    }
}

#[test]
fn the_flow_is_shaped_like_a_busy_day() {
    let mut market = Market::new(MarketConfig { symbols: 2_000, ..MarketConfig::default() });
    let partition = &mut market.partitions[0];
    let mut kinds = BTreeMap::new();
    let mut n = 0;
    while !partition.is_open() {
        n += 1;
        partition.next(at(n)).unwrap();
    }
    let resting = |market: &Market| -> usize {
        let partition = &market.partitions[0];
        let indices = 0..partition.symbols().len() as u32;
        indices.map(|index| partition.book(SymbolIndex(index)).orders().len()).sum()
    };
    let total = 500_000;
    for _ in 0..total {
        n += 1;
        let step = market.partitions[0].next(at(n)).unwrap();
        *kinds.entry(char::from(step.message.bytes()[0])).or_insert(0u32) += 1;
    }
    let share = |letters: &str| -> f64 {
        letters.chars().map(|kind| f64::from(kinds.get(&kind).copied().unwrap_or(0))).sum::<f64>()
            * 100.0
            / f64::from(total)
    };
    for (letters, low, high) in [
        ("AF", 41.0, 49.0),
        ("D", 36.0, 44.0),
        ("U", 6.0, 10.0),
        ("EC", 3.0, 5.0),
        ("X", 1.5, 2.5),
        ("P", 0.5, 1.5),
    ] {
        assert!(
            (low..high).contains(&share(letters)),
            "{letters}: {} of {kinds:?}",
            share(letters)
        );
    }
    for rare in ['B', 'H', 'C'] {
        assert!(kinds.contains_key(&rare), "no {rare} in {kinds:?}");
    }
    // Books neither grow without end nor run dry.
    let resting = resting(&market);
    assert!((20_000..200_000).contains(&resting), "{resting} orders");
}

#[test]
fn one_seed_is_one_stream_whatever_the_order_of_asking() {
    let bytes = |seed: u64, in_turn: bool| -> Vec<Vec<u8>> {
        let mut market = Market::new(config(seed));
        let mut streams = vec![Vec::new(); 3];
        for turn in 0..30_000u64 {
            let (partition, n) =
                if in_turn { (turn % 3, turn / 3) } else { (turn / 10_000, turn % 10_000) };
            let partition = partition as usize;
            let step = market.partitions[partition].next(at(n)).unwrap();
            streams[partition].extend_from_slice(step.message.bytes());
        }
        streams
    };
    assert_eq!(bytes(5, true), bytes(5, false));
    assert_ne!(bytes(5, true), bytes(6, true));
}

#[test]
fn symbols_belong_to_one_partition_and_references_are_never_used_again() {
    let mut market = Market::new(config(9));
    let mut names = BTreeSet::new();
    for partition in &mut market.partitions {
        assert!(partition.symbols().all(|symbol| names.insert(symbol)));
        let mut references = BTreeSet::new();
        for n in 0..20_000 {
            let step = partition.next(at(n)).unwrap();
            match FORMAT.decode(step.message.bytes()).unwrap().event {
                Event::Add { order, .. } => assert!(references.insert(order)),
                Event::Replace { new_order, .. } => assert!(references.insert(new_order)),
                _ => {}
            }
        }
    }
    assert_eq!(names.len(), 90);
}

#[test]
fn a_day_closes_and_another_begins_with_empty_books() {
    let mut market = Market::new(config(2));
    let partition = &mut market.partitions[0];
    let first: Vec<_> = (0..5_000).map(|n| partition.next(at(n)).unwrap().message).collect();
    partition.close();
    let letters: Vec<u8> =
        core::iter::from_fn(|| partition.next(at(5_000))).map(|s| s.message.bytes()[11]).collect();
    assert_eq!(letters, b"MEC");
    assert!(partition.is_closed());
    partition.restart();
    assert!(partition.book(SymbolIndex(0)).orders().is_empty());
    let second: Vec<_> = (0..5_000).map(|n| partition.next(at(n)).unwrap().message).collect();
    assert_eq!(first[..62], second[..62], "the same directory");
    assert_ne!(first, second, "another flow");
}

/// A log of the partition's first messages, each published a millisecond after the last, and what
/// every symbol looked like after each.
fn logged(messages: u64) -> (Truth, Market, Vec<(SymbolIndex, BookView)>) {
    let mut market = Market::new(MarketConfig { symbols: 20, ..MarketConfig::default() });
    let mut bytes = Vec::new();
    let mut recorder = Recorder::new(&mut bytes, &[20]).unwrap();
    let session = SessionId::from_text(*b"CANDOR0001");
    recorder.begin(0, Mono(1), session, SeqNo(1), false).unwrap();
    let mut views = Vec::new();
    for n in 1..=messages {
        let step = market.partitions[0].next(at(n)).unwrap();
        let Some(symbol) = step.touched else { continue };
        let partition = &market.partitions[0];
        recorder.observe(0, Mono(n * 1_000_000), SeqNo(n), partition, symbol).unwrap();
        let mut view = BookView { seq: n, ..BookView::EMPTY };
        partition.book(symbol).view(&mut view);
        views.push((symbol, view));
    }
    drop(recorder);
    (Truth::parse(&bytes).unwrap(), market, views)
}

#[test]
fn the_log_of_truth_knows_true_books_from_others() {
    let (truth, market, views) = logged(20_000);
    let grace = Nanos::from_millis(1);
    let mut old = 0;
    for (symbol, view) in &views {
        let name = market.partitions[0].symbol(*symbol);
        let sent = Mono(view.seq * 1_000_000);
        assert_eq!(truth.judge(&name, view, sent, grace), Verdict::True);
        // Long after, it is true only where nothing has followed.
        let newest = truth.history(&name).last().unwrap();
        let later = truth.judge(&name, view, Mono(u64::MAX / 2), grace);
        if newest.seq.0 <= view.seq {
            assert_eq!(later, Verdict::True);
        } else {
            // A later book may look the same again: that is no reason to call it old earlier.
            assert!(matches!(later, Verdict::Old(next) if next.seq.0 > view.seq));
            old += 1;
        }
        // Another size, order count or price is no true book.
        let mut wrong = *view;
        wrong.last.size += 1;
        assert_eq!(truth.judge(&name, &wrong, sent, grace), Verdict::False);
        // Behind a snapshot a reader knows no last trade, and is judged by the rest; one that has
        // heard of a trade since, or claims to have heard everything, is not let off.
        let mut spliced = *view;
        spliced.stats.since = 2;
        assert_eq!(truth.judge(&name, &spliced, sent, grace), Verdict::True);
        spliced.last = Trade::default();
        assert_eq!(truth.judge(&name, &spliced, sent, grace), Verdict::True);
        let of = |since, size| {
            let mut other = spliced;
            (other.stats.since, other.last.size) = (since, size);
            truth.judge(&name, &other, sent, grace)
        };
        assert_eq!(of(2, view.last.size + 1), Verdict::False);
        assert_eq!(of(1, 0) == Verdict::True, view.last.size == 0);
        spliced.trading_state = TradingState::Closed;
        assert_eq!(truth.judge(&name, &spliced, sent, grace), Verdict::False);
        if view.bid_count > 0 {
            for mut wrong in [*view, BookView { stats: spliced.stats, last: spliced.last, ..*view }]
            {
                wrong.bids[0].orders += 1;
                assert_eq!(truth.judge(&name, &wrong, sent, grace), Verdict::False);
            }
        }
    }
    assert!(old > 1_000);
    let unknown = Symbol::from_wire(b"NOSUCH").unwrap();
    let verdict = truth.judge(&unknown, &BookView::EMPTY, Mono(1), grace);
    assert_eq!(verdict, Verdict::UnknownSymbol);
    assert_eq!(truth.runs().len(), 1);
}

#[test]
fn a_log_cut_short_is_read_up_to_there_and_another_file_is_refused() {
    assert!(Truth::parse(b"").is_err());
    assert!(Truth::parse(&[7; 256]).is_err());
    let mut bytes = Vec::new();
    let mut recorder = Recorder::new(&mut bytes, &[0]).unwrap();
    recorder.begin(0, Mono(1), SessionId::from_number(7), SeqNo(1), false).unwrap();
    drop(recorder);
    for cut in 64..bytes.len() {
        assert_eq!(Truth::parse(&bytes[..cut]).unwrap().runs().len(), 0);
    }
    let run = Truth::parse(&bytes).unwrap().runs()[0];
    assert_eq!((run.session, run.began), (SessionId::from_number(7), Mono(1)));
}

//! The market in DEEP: the same flow as price levels, in transactions, against a naive book that hears
//! only its messages.

use std::collections::{BTreeMap, BTreeSet};

use candor_book::{Capacity, Shape, naive};
use candor_core::{
    BookView, Decimals, Event, Mono, Nanos, SeqNo, SessionId, Side, Symbol, SymbolIndex, WireTime,
};
use candor_decoders::Format;
use candor_sim::exchange::{Exchange, ExchangeConfig, FlowConfig};
use candor_sim::market::book::Order;
use candor_sim::market::{Family, Market, MarketConfig, PartitionMarket};
use candor_sim::publisher::{Faults, Framing, LineConfig, Packing};
use candor_sim::services::ServicesConfig;
use candor_sim::truth::Seen;

const FORMAT: Format = Format::IexDeep;

fn config(seed: u64) -> MarketConfig {
    MarketConfig { seed, partitions: 3, symbols: 90, ..MarketConfig::default() }
}

/// `n` times 10 µs after the opening.
fn at(n: u64) -> WireTime {
    WireTime(1_795_185_000_000_000_000 + n * 10_000)
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

fn market(seed: u64) -> Market {
    Market::new(MarketConfig { family: Family::Deep, ..config(seed) })
}

fn naive_books() -> naive::Books {
    let capacity = Capacity { symbols: 1_000, orders: 0, levels: 100_000, trades: 1_000 };
    naive::Books::new(Shape::ByLevel, capacity, Decimals(4))
}

#[test]
fn who_hears_every_message_has_the_true_books() {
    let (mut opened, mut states) = (0, BTreeSet::new());
    let mut kinds = BTreeMap::new();
    for seed in 1..4 {
        for partition in &mut market(seed).partitions {
            let mut books = naive_books();
            let mut keys = Vec::new();
            let mut open: Option<SymbolIndex> = None;
            // A millisecond apart: halts begin and end.
            for n in 1..40_000 {
                let now = at(n * 100);
                let before = partition.is_mid_transaction();
                let step = partition.next(now).unwrap();
                let message = FORMAT.decode(step.message.bytes()).unwrap();
                *kinds.entry(char::from(message.kind)).or_insert(0) += 1;
                assert_eq!(before, open.is_some());
                if let Event::Definition { symbol, .. } = message.event {
                    assert_eq!(partition.symbol(SymbolIndex(keys.len() as u32)), symbol);
                    keys.push(message.key);
                    books.add_symbol().unwrap();
                }
                let named = keys.iter().position(|key| *key == message.key);
                let Some(symbol) = named.map(|index| SymbolIndex(index as u32)) else {
                    assert!(matches!(message.event, Event::System(_)));
                    assert_eq!(step.touched, None);
                    continue;
                };
                let change = books.apply(symbol, SeqNo(n), &message).unwrap();
                assert_eq!(open.unwrap_or(symbol), symbol, "one transaction after the other");
                open = change.open.then_some(symbol);
                opened += u64::from(change.open);
                if change.open {
                    assert_eq!(step.touched, None, "nobody sees half a transaction");
                    continue;
                }
                assert_eq!(step.touched, Some(symbol));
                let mut truth = BookView::EMPTY;
                partition.book(symbol).view(&mut truth);
                assert_same(partition.symbol(symbol), &books.view(symbol), &truth);
                states.insert(truth.trading_state as u8);
                for side in [Side::Bid, Side::Ask] {
                    for level in books.levels(symbol, side) {
                        let price = u32::try_from(level.price.0).unwrap();
                        assert_eq!(partition.book(symbol).level(side, price), level.size);
                    }
                }
            }
            assert!(partition.is_open());
            assert_eq!(keys.len(), partition.symbols().len());
        }
    }
    assert!(opened > 1_000, "{opened} transactions of more than one level");
    assert!(states.len() >= 4, "trading, quotes only, and both kinds of halt: {states:?}");
    for kind in "SDHOP85TB".chars() {
        assert!(kinds.contains_key(&kind), "no {kind} in {kinds:?}");
    }
}

/// Every order of every symbol.
fn orders(market: &PartitionMarket) -> Vec<Vec<Order>> {
    let indices = 0..market.symbols().len() as u32;
    indices.map(|index| market.book(SymbolIndex(index)).orders().to_vec()).collect()
}

#[test]
fn the_flow_is_that_of_the_other_family() {
    // What happens is the same; how it is said differs. Without halts, whose ends differ.
    let config = MarketConfig { halts: false, ..config(4) };
    let mut by_order = Market::new(config);
    let mut by_level = Market::new(MarketConfig { family: Family::Deep, ..config });
    for (one, other) in by_order.partitions.iter_mut().zip(&mut by_level.partitions) {
        for _ in 0..20 {
            (0..500).for_each(|n| assert!(one.next(at(n)).is_some()));
            let wanted = orders(one);
            // The other needs more messages for it, but not twice as many.
            let reached = (0..1_000).any(|n| {
                other.next(at(n)).unwrap();
                !other.is_mid_transaction() && orders(other) == wanted
            });
            assert!(reached, "the flows part");
        }
    }
}

/// Each packet of line A is framed as IEX-TP, and what it carries builds the true books.
#[test]
fn an_exchange_publishes_it_as_iex_tp() {
    let line = LineConfig { packing: Packing::A, faults: Faults::default() };
    let exchange = ExchangeConfig {
        lines: [Some(line), None, None],
        heartbeat: Nanos::from_secs(1),
        seed: 3,
        paused: false,
        history: 1 << 16,
        services: ServicesConfig::default(),
    };
    let flow = FlowConfig {
        market: MarketConfig { family: Family::Deep, partitions: 1, symbols: 40, ..config(3) },
        session: *b"CANDOR0042",
        rate: 20_000,
        opening_rate: 100_000,
        begin: at(0),
    };
    let mut exchange = Exchange::market(&exchange, &flow, None, Mono(0)).unwrap();
    let mut books = naive_books();
    let (mut keys, mut next, mut open) = (Vec::new(), 1, false);
    for turn in 1..=1_000 {
        let now = Mono(turn * 1_000_000);
        exchange.step(now).unwrap();
        if turn == 1_000 {
            exchange.cut_all(now);
        }
        while let Some((partition, packet)) = exchange.pop(now) {
            let frame = FORMAT.frame(&packet.payload).unwrap();
            assert_eq!(frame.session, SessionId::from_number(42));
            assert_eq!(frame.range.first.0, next);
            for bytes in frame.messages {
                let message = FORMAT.decode(bytes).unwrap();
                if matches!(message.event, Event::Definition { .. }) {
                    keys.push(message.key);
                    books.add_symbol().unwrap();
                }
                if let Some(index) = keys.iter().position(|key| *key == message.key) {
                    let symbol = SymbolIndex(index as u32);
                    open = books.apply(symbol, SeqNo(next), &message).unwrap().open;
                }
                next += 1;
            }
            exchange.recycle(partition, packet.payload);
        }
    }
    assert!(next > 15_000, "{next}");
    assert!(!open, "a transaction is published whole");
    let market = &exchange.true_market().unwrap().partitions[0];
    for index in 0..keys.len() as u32 {
        let symbol = SymbolIndex(index);
        let mut truth = BookView::EMPTY;
        market.book(symbol).view(&mut truth);
        let heard = books.view(symbol);
        for side in [Side::Bid, Side::Ask] {
            assert_eq!(heard.levels(side), truth.levels(side));
        }
    }
}

#[test]
fn a_session_of_iex_is_the_number_its_name_ends_in() {
    let session = |name: &[u8; 10]| match Family::Deep.framing(*name) {
        Framing::IexTp(stream) => stream.session,
        Framing::MoldUdp64(_) => panic!("not IEX-TP"),
    };
    assert_eq!(session(b"CANDOR0001"), 1);
    assert_eq!(session(b"DAY20261  "), 20_261);
    assert_eq!(session(b"NONE      "), 1);
    assert_eq!(session(b"ZERO0     "), 1);
    assert_eq!(session(b"9999999999"), 1);
    let name = *b"CANDOR0001";
    assert_eq!(Family::Itch50.framing(name), Framing::MoldUdp64(name));
    assert_eq!(Family::of(Format::IexTops), None);
}

#[test]
fn a_day_closes_and_another_begins_with_empty_books() {
    let mut market = market(2);
    let partition = &mut market.partitions[0];
    for n in 0..20_000 {
        partition.next(at(n)).unwrap();
    }
    while !partition.is_mid_transaction() {
        partition.next(at(20_000)).unwrap();
    }
    partition.close();
    let kinds: Vec<u8> =
        core::iter::from_fn(|| partition.next(at(20_001))).map(|s| s.message.bytes()[0]).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == b'S').count(), 3);
    assert!(matches!(kinds[0], b'8' | b'5'), "what has begun is said to its end");
    partition.restart();
    assert_eq!(partition.next(at(1)).unwrap().message.bytes()[0], b'S');
    assert!(partition.book(SymbolIndex(0)).orders().is_empty());
}

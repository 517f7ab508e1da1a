//! Images of a symbol that moves with its orders: whole where it is, without it where it was, at any number.

use candor_core::{Event, Mono, Nanos, Side, SymbolIndex, WireTime};
use candor_decoders::Format;
use candor_sim::exchange::{Exchange, ExchangeConfig, FlowConfig};
use candor_sim::market::{Family, MarketConfig};
use candor_sim::publisher::{Faults, LineConfig, Packing};
use candor_sim::services::{Image, ServicesConfig};

const FIRST: SymbolIndex = SymbolIndex(0);

/// Two partitions, of which the second keeps the first one's first symbol back, as it comes.
fn exchange(family: Family) -> Exchange {
    let config = ExchangeConfig {
        lines: [Some(LineConfig { packing: Packing::A, faults: Faults::default() }), None, None],
        heartbeat: Nanos::from_secs(1),
        seed: 3,
        paused: false,
        history: 1 << 20,
        services: ServicesConfig::default(),
    };
    let market = MarketConfig { seed: 3, partitions: 2, symbols: 8, family, ..Default::default() };
    let flow = FlowConfig {
        market,
        session: *b"DAY1      ",
        rate: 10_000,
        opening_rate: 100_000,
        begin: WireTime(34_200_000_000_000),
    };
    let mut exchange = Exchange::market(&config, &flow, None, Mono(1)).unwrap();
    let symbol = exchange.true_market().unwrap().partitions[0].symbol(FIRST);
    exchange.relist(1, FIRST, symbol);
    exchange.keep_back(1, true);
    exchange
}

fn pass(exchange: &mut Exchange, until: Mono) {
    while let Some(due) = exchange.next_due().filter(|due| *due <= until) {
        exchange.step(due).unwrap();
        while exchange.pop(due).is_some() {}
    }
}

/// What an image says rests in a symbol's book: shares by side and price.
fn rests(format: Format, image: &Image, name: &str) -> Vec<(Side, i64, u64)> {
    let mut keys = Vec::new();
    let mut levels: std::collections::BTreeMap<(bool, i64), u64> = Default::default();
    for message in image.messages().map(|bytes| format.decode(bytes).unwrap()) {
        match message.event {
            Event::Definition { symbol, .. } if symbol.as_str() == name => keys.push(message.key),
            Event::Add { side, price, size, .. } if keys.contains(&message.key) => {
                *levels.entry((side == Side::Ask, price.0)).or_default() += u64::from(size);
            }
            Event::SetLevel { side, price, size, .. } if keys.contains(&message.key) => {
                levels.insert((side == Side::Ask, price.0), size.into());
            }
            _ => {}
        }
    }
    let side = |ask| if ask { Side::Ask } else { Side::Bid };
    levels.into_iter().map(|((ask, price), size)| (side(ask), price, size)).collect()
}

fn truly_rests(exchange: &Exchange, partition: usize) -> Vec<(Side, i64, u64)> {
    let book = exchange.true_market().unwrap().partitions[partition].book(FIRST);
    let mut levels: Vec<(bool, u32)> =
        book.orders().iter().map(|order| (order.side == Side::Ask, order.price)).collect();
    levels.sort_unstable();
    levels.dedup();
    let side = |ask| if ask { Side::Ask } else { Side::Bid };
    let level = |(ask, price)| (side(ask), i64::from(price), book.level(side(ask), price));
    levels.into_iter().map(level).collect()
}

#[test]
fn what_moves_without_a_word_is_in_every_image_from_its_definition_on() {
    for (family, format) in
        [(Family::Itch50, Format::NasdaqItch50), (Family::Deep, Format::IexDeep)]
    {
        let mut exchange = exchange(family);
        let symbol = exchange.true_market().unwrap().partitions[0].symbol(FIRST);
        let name = symbol.as_str();
        let noon = Mono(400_000_000);
        pass(&mut exchange, noon);
        let before = truly_rests(&exchange, 0);
        let carried = exchange.carry(0, 1, noon);
        assert!(carried.len() > 8, "there is something to carry");
        let now = |exchange: &Exchange, partition| {
            Image::now(&exchange.partition(partition), noon).unwrap()
        };
        // Not before it is defined there.
        assert_eq!(rests(format, &now(&exchange, 1), name), []);
        assert_eq!(rests(format, &now(&exchange, 0), name), []);
        let at_noon = [0, 1].map(|partition| exchange.publishers()[partition].next_seq());
        for ms in [401, 403, 410, 500, 900] {
            pass(&mut exchange, Mono(ms * 1_000_000));
            for partition in 0..2 {
                let image = now(&exchange, partition);
                let again = Image::back(&exchange.partition(partition), noon, 0).unwrap();
                assert!(image.messages().eq(again.messages()), "{family:?} after {ms} ms");
                assert_eq!(image.next, again.next);
            }
            assert_eq!(rests(format, &now(&exchange, 1), name), truly_rests(&exchange, 1));
            assert_eq!(rests(format, &now(&exchange, 0), name), []);
        }
        assert!(!truly_rests(&exchange, 1).is_empty());
        // As of the number before the move the one has it as it was, and the other not at all.
        for (partition, had) in [before, Vec::new()].into_iter().enumerate() {
            let since = exchange.publishers()[partition].next_seq().0 - at_noon[partition].0;
            let old = Image::back(&exchange.partition(partition), noon, since).unwrap();
            assert_eq!((old.next, rests(format, &old, name)), (at_noon[partition], had));
        }
    }
}

//! DEEP 1.0 messages of a seeded generator, and IEX-TP segments of them. Each symbol has a fixed
//! middle; levels come, change and go on either side of it, so that no book ever crosses.

use candor_core::{InstrumentKey, Message, SymbolIndex, WireTime};
use candor_decoders::iex::admin::{SecurityDirectory, Trade};
use candor_decoders::iex::deep::{BUY, EVENT_COMPLETE, PriceLevel, SELL, SecurityEvent};
use candor_decoders::iex::tp::{self, DEEP_1_0, Position, Stream};
use candor_decoders::{Format, IntoBytes, iex};
use candor_sim::rng::Rng;

use crate::Blocks;
use crate::itch::PAYLOAD;

/// Price levels a side of a symbol may have.
const LADDER: u64 = 40;

/// A cent in the format's ten-thousandths.
const TICK: i64 = 100;

const STREAM: Stream = Stream { protocol: DEEP_1_0, channel: 1, session: 0x0600_0001 };

/// The symbol field of the symbol of this number: four letters.
#[must_use]
pub fn symbol(number: u32) -> [u8; 8] {
    let letter = |power: u32| b'A' + (number / 26u32.pow(power) % 26) as u8;
    [letter(3), letter(2), letter(1), letter(0), b' ', b' ', b' ', b' ']
}

/// `count` messages about `symbols` symbols: 90% price levels, 8% trades, 2% events of a symbol.
#[must_use]
pub fn messages(symbols: u32, count: usize) -> Blocks {
    let mut rng = Rng::new(11);
    let mut blocks = Blocks::default();
    let mut time = 1_700_000_000_000_000_000_i64;
    for number in 0..symbols {
        blocks.push(directory(number, time).as_bytes());
    }
    for id in 0..count as i64 {
        time += 1_000;
        // The lower of two draws: the first symbols are the active ones.
        let number = rng.below(u64::from(symbols)).min(rng.below(u64::from(symbols))) as u32;
        let (symbol, middle) = (symbol(number), 100_0000 + i64::from(number) * TICK);
        match rng.below(100) {
            0..90 => {
                let away = 1 + rng.run(850_000, LADDER - 1) as i64;
                let (kind, price) = if rng.chance(500_000) {
                    (BUY, middle - away * TICK)
                } else {
                    (SELL, middle + away * TICK)
                };
                let size = if rng.chance(300_000) { 0 } else { 100 * rng.between(1, 50) as u32 };
                blocks.push(level(kind, symbol, size, price, time).as_bytes());
            }
            90..98 => blocks.push(trade(symbol, middle, id + 1, time).as_bytes()),
            _ => blocks.push(
                SecurityEvent { kind: b'E', event: b'O', time: time.into(), symbol }.as_bytes(),
            ),
        }
    }
    blocks
}

fn directory(number: u32, time: i64) -> SecurityDirectory {
    SecurityDirectory {
        kind: b'D',
        flags: 0,
        time: time.into(),
        symbol: symbol(number),
        round_lot: 100.into(),
        adjusted_poc_price: 100_0000.into(),
        luld_tier: 1,
    }
}

fn level(kind: u8, symbol: [u8; 8], size: u32, price: i64, time: i64) -> PriceLevel {
    let event_flags = EVENT_COMPLETE;
    PriceLevel {
        kind,
        event_flags,
        time: time.into(),
        symbol,
        size: size.into(),
        price: price.into(),
    }
}

fn trade(symbol: [u8; 8], price: i64, id: i64, time: i64) -> Trade {
    Trade {
        kind: b'T',
        sale_condition: 0,
        time: time.into(),
        symbol,
        size: 100.into(),
        price: price.into(),
        trade_id: id.into(),
    }
}

/// Segments of at most `each` messages, from the session's start.
///
/// # Panics
/// When a message is longer than a segment.
#[must_use]
pub fn segments(messages: &Blocks, each: usize) -> Blocks {
    let mut segments = Blocks::default();
    let mut at = Position::START;
    let mut messages = messages.iter().peekable();
    let mut buffer = [0; PAYLOAD];
    while messages.peek().is_some() {
        let mut segment = tp::Writer::new(&mut buffer, STREAM, at).expect("room");
        let mut count = 0;
        while count < each {
            let Some(message) = messages.peek() else { break };
            if segment.push(message).is_err() {
                assert!(count > 0, "a message longer than a segment");
                break;
            }
            messages.next();
            count += 1;
        }
        at = segment.next();
        segments.push(segment.finish(WireTime(1_700_000_000_000_000_000)));
    }
    segments
}

/// The messages decoded, with the number of the symbol each is about.
///
/// # Panics
/// When the decoder refuses what was generated.
#[must_use]
pub fn decoded(messages: &Blocks, symbols: u32) -> Vec<(SymbolIndex, Message)> {
    let mut keys: Vec<(InstrumentKey, u32)> =
        (0..symbols).map(|number| (iex::key(symbol(number)), number)).collect();
    keys.sort_unstable();
    let decode = |bytes| Format::IexDeep.decode(bytes).expect("the generator speaks DEEP");
    let with_symbol = |message: Message| {
        let at = keys.binary_search_by_key(&message.key, |(key, _)| *key).ok()?;
        Some((SymbolIndex(keys[at].1), message))
    };
    messages.iter().map(decode).filter_map(with_symbol).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_book::{Books, Capacity, Shape};
    use candor_core::{Decimals, SeqNo};

    #[test]
    fn the_stream_is_one_no_book_refuses_or_crosses() {
        let messages = messages(30, 5_000);
        let segments = segments(&messages, 20);
        let framed: usize = segments
            .iter()
            .map(|segment| Format::IexDeep.frame(segment).unwrap().messages.len())
            .sum();
        assert_eq!(framed, messages.len());
        let capacity = Capacity { symbols: 30, orders: 1, levels: 10_000, trades: 64 };
        let mut books = Books::new(Shape::ByLevel, capacity, Decimals(4));
        (0..30).for_each(|_| assert!(books.add_symbol().is_some()));
        let decoded = decoded(&messages, 30);
        assert_eq!(decoded.len(), messages.len());
        for (seq, (symbol, message)) in (1..).zip(&decoded) {
            books.apply(*symbol, SeqNo(seq), message).unwrap();
            assert!(!books.is_crossed(*symbol));
        }
        assert!(books.level_count() > 500);
    }
}

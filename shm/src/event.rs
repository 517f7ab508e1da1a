//! A normalised message as one 64-byte record of the event ring, and back.
//!
//! Payload words behind the sequence word: 0 = partition (bits 0-15), kind (16-23, upper two bits
//! are flags), wire type (24-31), symbol index (32-63, all ones for none); 1 = the venue's sequence
//! number; 2 = the venue's time; 3 = arrival, boot ns; 4 to 6 = the event, by kind. The
//! instrument key is not carried: the symbol index is, and means the same.

use candor_core::{
    Event, Message, Mono, Price, SeqNo, Side, Symbol, SymbolIndex, SystemEvent, TradingState,
    WireTime,
};

use crate::ring::PAYLOAD;

/// One event as a reader of the ring gets it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventRecord {
    /// The event's number on its lane, counting from 1 without holes.
    pub number: u64,
    /// The partition, by its index in the region.
    pub partition: u16,
    /// The symbol within the partition; `None` for events about none.
    pub symbol: Option<SymbolIndex>,
    /// The venue's sequence number.
    pub seq: SeqNo,
    /// When the venue says it happened.
    pub time: WireTime,
    /// When it reached this host.
    pub arrival: Mono,
    /// The message type as on the wire.
    pub wire_kind: u8,
    /// What happened; `None` where it did not fit a record (a replacement above 429,496.7295 at
    /// four decimals, say) or is of a kind this build does not know. The slot has the result.
    pub event: Option<Event>,
}

/// A kind of event, for the layout text and the document.
pub(crate) struct Kind {
    pub(crate) code: u8,
    pub(crate) payload: &'static str,
}

const ADD: u8 = 1;
const EXECUTE: u8 = 2;
const REDUCE: u8 = 3;
const DELETE: u8 = 4;
const REPLACE: u8 = 5;
const SET_LEVEL: u8 = 6;
const QUOTE: u8 = 7;
const TRADE: u8 = 8;
const TRADE_BREAK: u8 = 9;
const DEFINITION: u8 = 10;
const TRADING: u8 = 11;
const OPERATIONAL_HALT: u8 = 12;
const SYSTEM: u8 = 13;
const AUCTION: u8 = 14;
const OFFICIAL_PRICE: u8 = 15;
const BANDS: u8 = 16;
const SHORT_SALE: u8 = 17;
const CLEAR: u8 = 18;
const NOTICE: u8 = 19;
const UNKNOWN: u8 = 20;
const NOT_CARRIED: u8 = 63;

const CODE: u8 = 0x3f;
const FLAG_0: u8 = 0x40;
const FLAG_1: u8 = 0x80;

/// Every kind: its code and what its three words and two flags hold.
pub(crate) const KINDS: [Kind; 21] = [
    Kind { code: ADD, payload: "Add: order, price, size 0-31; flag 1 ask" },
    Kind {
        code: EXECUTE,
        payload: "Execute: order, trade, size 0-31 price 32-63; flag 0 printable, flag 1 has a price",
    },
    Kind { code: REDUCE, payload: "Reduce: order, size 0-31" },
    Kind { code: DELETE, payload: "Delete: order" },
    Kind { code: REPLACE, payload: "Replace: order, new order, size 0-31 price 32-63" },
    Kind { code: SET_LEVEL, payload: "SetLevel: price, size 0-31; flag 0 complete, flag 1 ask" },
    Kind { code: QUOTE, payload: "Quote: bid price, ask price, bid size 0-31 ask size 32-63" },
    Kind { code: TRADE, payload: "Trade: price, size, trade; flag 0 sets last, flag 1 counts" },
    Kind { code: TRADE_BREAK, payload: "TradeBreak: trade" },
    Kind {
        code: DEFINITION,
        payload: "Definition: symbol bytes 0-19, round lot in the last four bytes; flag 0 test",
    },
    Kind { code: TRADING, payload: "Trading: state 0-7, reason 32-63" },
    Kind { code: OPERATIONAL_HALT, payload: "OperationalHalt; flag 0 halted" },
    Kind { code: SYSTEM, payload: "System: event 0-7" },
    Kind {
        code: AUCTION,
        payload: "Auction: paired 0-47 type 48-55 side 56-63, imbalance 0-47 and reference 48-63, reference 0-23 and indicative 24-63",
    },
    Kind { code: OFFICIAL_PRICE, payload: "OfficialPrice: price, type 0-7" },
    Kind { code: BANDS, payload: "Bands: reference, lower, upper" },
    Kind { code: SHORT_SALE, payload: "ShortSale; flag 0 restricted" },
    Kind { code: CLEAR, payload: "Clear" },
    Kind { code: NOTICE, payload: "Notice" },
    Kind { code: UNKNOWN, payload: "Unknown" },
    Kind { code: NOT_CARRIED, payload: "did not fit" },
];

const NO_SYMBOL: u32 = u32::MAX;

fn flags(code: u8, flag_0: bool, flag_1: bool) -> u8 {
    code | if flag_0 { FLAG_0 } else { 0 } | if flag_1 { FLAG_1 } else { 0 }
}

fn pair(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

fn low(word: u64) -> u32 {
    word as u32
}

fn high(word: u64) -> u32 {
    (word >> 32) as u32
}

fn signed(price: Price) -> u64 {
    price.0.cast_unsigned()
}

fn price(word: u64) -> Price {
    Price(word.cast_signed())
}

fn side(flag: bool) -> Side {
    if flag { Side::Ask } else { Side::Bid }
}

/// The record's payload words for this message. Inlined, so that words go from the message to the record by way of
/// registers.
#[inline(always)]
pub(crate) fn encode(
    partition: u16,
    symbol: Option<SymbolIndex>,
    seq: SeqNo,
    arrival: Mono,
    message: &Message,
) -> [u64; PAYLOAD] {
    let (kind, [a, b, c]) = pack(&message.event).unwrap_or((NOT_CARRIED, [0; 3]));
    let symbol = symbol.map_or(NO_SYMBOL, |index| index.0);
    let head = u64::from(partition)
        | u64::from(kind) << 16
        | u64::from(message.kind) << 24
        | u64::from(symbol) << 32;
    [head, seq.0, message.time.0, arrival.0, a, b, c]
}

/// The event as kind and words; `None` where a number is too wide for its place.
#[inline(always)]
fn pack(event: &Event) -> Option<(u8, [u64; 3])> {
    Some(match *event {
        Event::Add { order, side, price, size } => {
            (flags(ADD, false, side == Side::Ask), [order, signed(price), u64::from(size)])
        }
        Event::Execute { order, size, trade, price, printable } => {
            let at = price.map_or(Some(0), |price| u32::try_from(price.0).ok())?;
            (flags(EXECUTE, printable, price.is_some()), [order, trade, pair(size, at)])
        }
        Event::Reduce { order, size } => (REDUCE, [order, u64::from(size), 0]),
        Event::Delete { order } => (DELETE, [order, 0, 0]),
        Event::Replace { order, new_order, price, size } => {
            (REPLACE, [order, new_order, pair(size, u32::try_from(price.0).ok()?)])
        }
        Event::SetLevel { side, price, size, complete } => {
            (flags(SET_LEVEL, complete, side == Side::Ask), [signed(price), u64::from(size), 0])
        }
        Event::Quote { bid_price, bid_size, ask_price, ask_size } => {
            (QUOTE, [signed(bid_price), signed(ask_price), pair(bid_size, ask_size)])
        }
        Event::Trade { price, size, trade, sets_last, counts } => {
            (flags(TRADE, sets_last, counts), [signed(price), size, trade])
        }
        Event::TradeBreak { trade } => (TRADE_BREAK, [trade, 0, 0]),
        Event::Definition { symbol, round_lot, test } => {
            (flags(DEFINITION, test, false), pack_definition(&symbol, round_lot)?)
        }
        Event::Trading { state, reason } => {
            (TRADING, [pair(state as u32, u32::from_ne_bytes(reason)), 0, 0])
        }
        Event::OperationalHalt { halted } => (flags(OPERATIONAL_HALT, halted, false), [0; 3]),
        Event::System(event) => (SYSTEM, [event as u64, 0, 0]),
        Event::Auction { auction, paired, imbalance, side, reference, indicative } => {
            (AUCTION, pack_auction(auction, paired, imbalance, side, reference, indicative)?)
        }
        Event::OfficialPrice { price_type, price } => {
            (OFFICIAL_PRICE, [signed(price), u64::from(price_type), 0])
        }
        Event::Bands { reference, lower, upper } => {
            (BANDS, [signed(reference), signed(lower), signed(upper)])
        }
        Event::ShortSale { restricted } => (flags(SHORT_SALE, restricted, false), [0; 3]),
        Event::Clear => (CLEAR, [0; 3]),
        Event::Notice => (NOTICE, [0; 3]),
        Event::Unknown => (UNKNOWN, [0; 3]),
    })
}

#[inline(never)]
fn pack_definition(symbol: &Symbol, round_lot: u32) -> Option<[u64; 3]> {
    let bytes = symbol.bytes();
    if bytes[20..] != [0; 4] {
        return None;
    }
    let word = |at: usize| std::array::from_fn(|byte| bytes[at + byte]);
    let tail = u32::from_ne_bytes(std::array::from_fn(|byte| bytes[16 + byte]));
    Some([u64::from_ne_bytes(word(0)), u64::from_ne_bytes(word(8)), pair(tail, round_lot)])
}

fn unpack_definition(words: [u64; 3]) -> Option<(Symbol, u32)> {
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(&words[0].to_ne_bytes());
    bytes[8..16].copy_from_slice(&words[1].to_ne_bytes());
    bytes[16..].copy_from_slice(&low(words[2]).to_ne_bytes());
    Some((Symbol::from_wire(&bytes)?, high(words[2])))
}

const BITS_40: u64 = (1 << 40) - 1;
const BITS_48: u64 = (1 << 48) - 1;

/// A price in 40 bits, two's complement: ±54,975,581 at four decimals.
fn narrow(price: Price) -> Option<u64> {
    let narrow = signed(price) & BITS_40;
    (wide(narrow) == price).then_some(narrow)
}

fn wide(bits: u64) -> Price {
    Price((bits << 24).cast_signed() >> 24)
}

#[inline(never)]
fn pack_auction(
    auction: u8,
    paired: u64,
    imbalance: u64,
    side: Option<Side>,
    reference: Price,
    indicative: Price,
) -> Option<[u64; 3]> {
    if paired > BITS_48 || imbalance > BITS_48 {
        return None;
    }
    let (reference, indicative) = (narrow(reference)?, narrow(indicative)?);
    let side = match side {
        None => 0,
        Some(Side::Bid) => 1,
        Some(Side::Ask) => 2,
    };
    Some([
        paired | u64::from(auction) << 48 | side << 56,
        imbalance | reference << 48,
        reference >> 16 | indicative << 24,
    ])
}

fn unpack_auction([a, b, c]: [u64; 3]) -> Option<Event> {
    let side = match a >> 56 {
        0 => None,
        1 => Some(Side::Bid),
        2 => Some(Side::Ask),
        _ => return None,
    };
    Some(Event::Auction {
        auction: (a >> 48) as u8,
        paired: a & BITS_48,
        imbalance: b & BITS_48,
        side,
        reference: wide((b >> 48 | c << 16) & BITS_40),
        indicative: wide(c >> 24),
    })
}

fn system(code: u64) -> SystemEvent {
    [
        SystemEvent::StartOfMessages,
        SystemEvent::StartOfSystemHours,
        SystemEvent::StartOfMarketHours,
        SystemEvent::EndOfMarketHours,
        SystemEvent::EndOfSystemHours,
        SystemEvent::EndOfMessages,
    ]
    .into_iter()
    .find(|event| *event as u64 == code)
    .unwrap_or(SystemEvent::Unknown)
}

fn unpack(kind: u8, words: [u64; 3]) -> Option<Event> {
    let (flag_0, flag_1) = (kind & FLAG_0 != 0, kind & FLAG_1 != 0);
    let [a, b, c] = words;
    Some(match kind & CODE {
        ADD => Event::Add { order: a, side: side(flag_1), price: price(b), size: low(c) },
        EXECUTE => Event::Execute {
            order: a,
            size: low(c),
            trade: b,
            price: flag_1.then_some(Price(i64::from(high(c)))),
            printable: flag_0,
        },
        REDUCE => Event::Reduce { order: a, size: low(b) },
        DELETE => Event::Delete { order: a },
        REPLACE => Event::Replace {
            order: a,
            new_order: b,
            price: Price(i64::from(high(c))),
            size: low(c),
        },
        SET_LEVEL => {
            Event::SetLevel { side: side(flag_1), price: price(a), size: low(b), complete: flag_0 }
        }
        QUOTE => Event::Quote {
            bid_price: price(a),
            bid_size: low(c),
            ask_price: price(b),
            ask_size: high(c),
        },
        TRADE => {
            Event::Trade { price: price(a), size: b, trade: c, sets_last: flag_0, counts: flag_1 }
        }
        TRADE_BREAK => Event::TradeBreak { trade: a },
        DEFINITION => {
            let (symbol, round_lot) = unpack_definition(words)?;
            Event::Definition { symbol, round_lot, test: flag_0 }
        }
        TRADING => Event::Trading {
            state: TradingState::from_code(a as u8),
            reason: high(a).to_ne_bytes(),
        },
        OPERATIONAL_HALT => Event::OperationalHalt { halted: flag_0 },
        SYSTEM => Event::System(system(a)),
        AUCTION => unpack_auction(words)?,
        OFFICIAL_PRICE => Event::OfficialPrice { price_type: b as u8, price: price(a) },
        BANDS => Event::Bands { reference: price(a), lower: price(b), upper: price(c) },
        SHORT_SALE => Event::ShortSale { restricted: flag_0 },
        CLEAR => Event::Clear,
        NOTICE => Event::Notice,
        UNKNOWN => Event::Unknown,
        _ => return None,
    })
}

/// The record `number` from its payload words. Any words decode to something.
pub(crate) fn decode(number: u64, payload: [u64; PAYLOAD]) -> EventRecord {
    let [head, seq, time, arrival, a, b, c] = payload;
    let symbol = high(head);
    EventRecord {
        number,
        partition: head as u16,
        symbol: (symbol != NO_SYMBOL).then_some(SymbolIndex(symbol)),
        seq: SeqNo(seq),
        time: WireTime(time),
        arrival: Mono(arrival),
        wire_kind: (head >> 24) as u8,
        event: unpack((head >> 16) as u8, [a, b, c]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_side() -> impl Strategy<Value = Side> {
        prop_oneof![Just(Side::Bid), Just(Side::Ask)]
    }

    fn any_price() -> impl Strategy<Value = Price> {
        prop_oneof![any::<i64>(), any::<u32>().prop_map(i64::from), -5i64..5].prop_map(Price)
    }

    fn any_size() -> impl Strategy<Value = u64> {
        prop_oneof![any::<u64>(), any::<u32>().prop_map(u64::from)]
    }

    fn book_event() -> impl Strategy<Value = Event> {
        let (id, size) = (any::<u64>, any::<u32>);
        prop_oneof![
            (id(), any_side(), any_price(), size())
                .prop_map(|(order, side, price, size)| Event::Add { order, side, price, size }),
            (id(), size(), id(), prop::option::of(any_price()), any::<bool>()).prop_map(
                |(order, size, trade, price, printable)| Event::Execute {
                    order,
                    size,
                    trade,
                    price,
                    printable
                }
            ),
            (id(), size()).prop_map(|(order, size)| Event::Reduce { order, size }),
            id().prop_map(|order| Event::Delete { order }),
            (id(), id(), any_price(), size()).prop_map(|(order, new_order, price, size)| {
                Event::Replace { order, new_order, price, size }
            }),
            (any_side(), any_price(), size(), any::<bool>()).prop_map(
                |(side, price, size, complete)| Event::SetLevel { side, price, size, complete }
            ),
            (any_price(), size(), any_price(), size()).prop_map(
                |(bid_price, bid_size, ask_price, ask_size)| Event::Quote {
                    bid_price,
                    bid_size,
                    ask_price,
                    ask_size
                }
            ),
            Just(Event::Clear),
        ]
    }

    fn other_event() -> impl Strategy<Value = Event> {
        let any_symbol = "[A-Z]{1}[A-Z .]{0,22}[A-Z]{1}"
            .prop_map(|text| Symbol::from_wire(text.as_bytes()).unwrap());
        let auction = (
            any::<u8>(),
            any_size(),
            any_size(),
            prop::option::of(any_side()),
            any_price(),
            any_price(),
        );
        prop_oneof![
            (any_price(), any_size(), any::<u64>(), any::<bool>(), any::<bool>()).prop_map(
                |(price, size, trade, sets_last, counts)| Event::Trade {
                    price,
                    size,
                    trade,
                    sets_last,
                    counts
                }
            ),
            any::<u64>().prop_map(|trade| Event::TradeBreak { trade }),
            (any_symbol, any::<u32>(), any::<bool>()).prop_map(|(symbol, round_lot, test)| {
                Event::Definition { symbol, round_lot, test }
            }),
            (0u8..7, any::<[u8; 4]>()).prop_map(|(state, reason)| Event::Trading {
                state: TradingState::from_code(state),
                reason
            }),
            any::<bool>().prop_map(|halted| Event::OperationalHalt { halted }),
            (0u64..9).prop_map(|code| Event::System(system(code))),
            auction.prop_map(|(auction, paired, imbalance, side, reference, indicative)| {
                Event::Auction { auction, paired, imbalance, side, reference, indicative }
            }),
            (any::<u8>(), any_price())
                .prop_map(|(price_type, price)| Event::OfficialPrice { price_type, price }),
            (any_price(), any_price(), any_price())
                .prop_map(|(reference, lower, upper)| Event::Bands { reference, lower, upper }),
            any::<bool>().prop_map(|restricted| Event::ShortSale { restricted }),
            Just(Event::Notice),
            Just(Event::Unknown),
        ]
    }

    /// Whether the record has room for it, said the plain way.
    fn fits(event: &Event) -> bool {
        let in_32 = |price: Price| (0..=i64::from(u32::MAX)).contains(&price.0);
        let in_40 = |price: Price| (-(1i64 << 39)..1 << 39).contains(&price.0);
        match event {
            Event::Execute { price: Some(price), .. } | Event::Replace { price, .. } => {
                in_32(*price)
            }
            Event::Definition { symbol, .. } => symbol.as_str().len() <= 20,
            Event::Auction { paired, imbalance, reference, indicative, .. } => {
                paired >> 48 == 0 && imbalance >> 48 == 0 && in_40(*reference) && in_40(*indicative)
            }
            _ => true,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_fits_comes_back_and_what_does_not_says_so(
            event in prop_oneof![book_event(), other_event()],
            number in 1u64..1 << 62,
            partition in any::<u16>(),
            symbol in prop::option::of(0..u32::MAX),
            seq in any::<u64>(),
            time in any::<u64>(),
            arrival in any::<u64>(),
            kind in any::<u8>(),
        ) {
            let message = Message {
                key: candor_core::InstrumentKey(9),
                time: WireTime(time),
                kind,
                event,
            };
            let symbol = symbol.map(SymbolIndex);
            let payload = encode(partition, symbol, SeqNo(seq), Mono(arrival), &message);
            let expected = EventRecord {
                number,
                partition,
                symbol,
                seq: SeqNo(seq),
                time: WireTime(time),
                arrival: Mono(arrival),
                wire_kind: kind,
                event: fits(&event).then_some(event),
            };
            prop_assert_eq!(decode(number, payload), expected);
        }

        #[test]
        fn any_words_decode_to_something(number in any::<u64>(), payload in any::<[u64; PAYLOAD]>()) {
            let _ = decode(number, payload);
        }
    }

    #[test]
    fn every_kind_has_its_own_code_and_no_flag_in_it() {
        for (at, kind) in KINDS.iter().enumerate() {
            assert_eq!(kind.code & !CODE, 0);
            assert!(KINDS[..at].iter().all(|other| other.code != kind.code));
        }
    }
}

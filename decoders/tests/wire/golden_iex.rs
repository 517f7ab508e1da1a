//! Every message of DEEP 1.0 and TOPS 1.6 by hand: bytes made from the table apart from this crate,
//! the encoder's, and what they mean.

use candor_core::{
    Event, InstrumentKey, Message, Price, Reject, Side, Symbol, SystemEvent as Day, TradingState,
    WireTime,
};
use candor_decoders::iex::{admin, deep, tops};
use candor_decoders::{Format, IntoBytes};

use crate::check;

const TIME: i64 = 1_784_000_000_000_000_123;

/// The bytes of `ZIEXT` and three spaces, last first.
const ZIEXT: u64 = 0x20_20_20_54_58_45_49_5a;

fn message(kind: u8, key: u64, event: Event) -> Message {
    Message { key: InstrumentKey(key), time: WireTime(TIME as u64), kind, event }
}

/// DEEP and TOPS have this message in common.
fn both(bytes: &str, encoded: &[u8], expected: Message) {
    check(Format::IexDeep, bytes, encoded, expected);
    check(Format::IexTops, bytes, encoded, expected);
}

/// The other feed does not have it.
fn one(format: Format, other: Format, bytes: &str, encoded: &[u8], expected: Message) {
    check(format, bytes, encoded, expected);
    assert_eq!(other.decode(encoded).map(|m| m.event), Ok(Event::Unknown));
}

#[test]
fn system_event() {
    let view = admin::SystemEvent { kind: b'S', event: b'R', time: TIME.into() };
    let bytes = "53 52 7b004c478c0ac218";
    both(bytes, view.as_bytes(), message(b'S', 0, Event::System(Day::StartOfMarketHours)));
}

#[test]
fn security_directory() {
    let view = admin::SecurityDirectory {
        kind: b'D',
        flags: 0xa0,
        time: TIME.into(),
        symbol: *b"ZIEXT   ",
        round_lot: 100.into(),
        adjusted_poc_price: 990_500.into(),
        luld_tier: 0x1,
    };
    let bytes = "44 a0 7b004c478c0ac218 5a49455854202020 64000000 241d0f0000000000 01";
    both(
        bytes,
        view.as_bytes(),
        message(
            b'D',
            ZIEXT,
            Event::Definition {
                symbol: Symbol::from_wire(b"ZIEXT").unwrap(),
                round_lot: 100,
                test: true,
            },
        ),
    );
}

#[test]
fn trading_status() {
    let view = admin::TradingStatus {
        kind: b'H',
        status: b'P',
        time: TIME.into(),
        symbol: *b"ZIEXT   ",
        reason: *b"IPO1",
    };
    let bytes = "48 50 7b004c478c0ac218 5a49455854202020 49504f31";
    both(
        bytes,
        view.as_bytes(),
        message(b'H', ZIEXT, Event::Trading { state: TradingState::Paused, reason: *b"IPO1" }),
    );
}

#[test]
fn retail_liquidity() {
    let view = admin::RetailLiquidity {
        kind: b'I',
        indicator: b'A',
        time: TIME.into(),
        symbol: *b"ZIEXT   ",
    };
    let bytes = "49 41 7b004c478c0ac218 5a49455854202020";
    both(bytes, view.as_bytes(), message(b'I', ZIEXT, Event::Notice));
}

#[test]
fn operational_halt() {
    let view = admin::OperationalHalt {
        kind: b'O',
        status: b'O',
        time: TIME.into(),
        symbol: *b"ZIEXT   ",
    };
    let bytes = "4f 4f 7b004c478c0ac218 5a49455854202020";
    both(bytes, view.as_bytes(), message(b'O', ZIEXT, Event::OperationalHalt { halted: true }));
}

#[test]
fn operational_resumption() {
    let view = admin::OperationalHalt {
        kind: b'O',
        status: b'N',
        time: TIME.into(),
        symbol: *b"ZIEXT   ",
    };
    let bytes = "4f 4e 7b004c478c0ac218 5a49455854202020";
    both(bytes, view.as_bytes(), message(b'O', ZIEXT, Event::OperationalHalt { halted: false }));
}

#[test]
fn short_sale_status() {
    let view = admin::ShortSaleStatus {
        kind: b'P',
        status: 0x1,
        time: TIME.into(),
        symbol: *b"ZIEXT   ",
        detail: b'A',
    };
    let bytes = "50 01 7b004c478c0ac218 5a49455854202020 41";
    both(bytes, view.as_bytes(), message(b'P', ZIEXT, Event::ShortSale { restricted: true }));
}

#[test]
fn trade() {
    let view = admin::Trade {
        kind: b'T',
        sale_condition: 0x90,
        time: TIME.into(),
        symbol: *b"ZIEXT   ",
        size: 100.into(),
        price: 990_500.into(),
        trade_id: 429_974.into(),
    };
    let bytes =
        "54 90 7b004c478c0ac218 5a49455854202020 64000000 241d0f0000000000 968f060000000000";
    both(
        bytes,
        view.as_bytes(),
        message(
            b'T',
            ZIEXT,
            Event::Trade {
                price: Price(990_500),
                size: 100,
                trade: 429_974,
                sets_last: true,
                counts: true,
            },
        ),
    );
}

#[test]
fn odd_lot() {
    let view = admin::Trade {
        kind: b'T',
        sale_condition: 0x20,
        time: TIME.into(),
        symbol: *b"ZIEXT   ",
        size: 99.into(),
        price: 990_500.into(),
        trade_id: 429_975.into(),
    };
    let bytes =
        "54 20 7b004c478c0ac218 5a49455854202020 63000000 241d0f0000000000 978f060000000000";
    both(
        bytes,
        view.as_bytes(),
        message(
            b'T',
            ZIEXT,
            Event::Trade {
                price: Price(990_500),
                size: 99,
                trade: 429_975,
                sets_last: false,
                counts: true,
            },
        ),
    );
}

#[test]
fn trade_outside_hours() {
    let view = admin::Trade {
        kind: b'T',
        sale_condition: b'@',
        time: TIME.into(),
        symbol: *b"ZIEXT   ",
        size: 100.into(),
        price: 990_500.into(),
        trade_id: 429_976.into(),
    };
    let bytes =
        "54 40 7b004c478c0ac218 5a49455854202020 64000000 241d0f0000000000 988f060000000000";
    both(
        bytes,
        view.as_bytes(),
        message(
            b'T',
            ZIEXT,
            Event::Trade {
                price: Price(990_500),
                size: 100,
                trade: 429_976,
                sets_last: false,
                counts: true,
            },
        ),
    );
}

#[test]
fn trade_break() {
    let view = admin::Trade {
        kind: b'B',
        sale_condition: 0x0,
        time: TIME.into(),
        symbol: *b"ZIEXT   ",
        size: 100.into(),
        price: 990_500.into(),
        trade_id: 429_974.into(),
    };
    let bytes =
        "42 00 7b004c478c0ac218 5a49455854202020 64000000 241d0f0000000000 968f060000000000";
    both(bytes, view.as_bytes(), message(b'B', ZIEXT, Event::TradeBreak { trade: 429_974 }));
}

#[test]
fn official_price() {
    let view = admin::OfficialPrice {
        kind: b'X',
        price_type: b'M',
        time: TIME.into(),
        symbol: *b"ZIEXT   ",
        price: 990_500.into(),
    };
    let bytes = "58 4d 7b004c478c0ac218 5a49455854202020 241d0f0000000000";
    both(
        bytes,
        view.as_bytes(),
        message(b'X', ZIEXT, Event::OfficialPrice { price_type: b'M', price: Price(990_500) }),
    );
}

#[test]
fn auction_information() {
    let view = admin::AuctionInformation {
        kind: b'A',
        auction_type: b'C',
        time: TIME.into(),
        symbol: *b"ZIEXT   ",
        paired: 100_000.into(),
        reference: 990_500.into(),
        indicative: 999_500.into(),
        imbalance: 10_000.into(),
        imbalance_side: b'B',
        extensions: 0x2,
        scheduled_time: 1_784_000_100.into(),
        book_clearing: 999_600.into(),
        collar_reference: 990_400.into(),
        collar_lower: 940_500.into(),
        collar_upper: 1_029_500.into(),
    };
    let bytes = "41 43 7b004c478c0ac218 5a49455854202020 a0860100 241d0f0000000000 4c400f0000000000 10270000 42 02 64ae556a b0400f0000000000 c01c0f0000000000 d4590e0000000000 7cb50f0000000000";
    both(
        bytes,
        view.as_bytes(),
        message(
            b'A',
            ZIEXT,
            Event::Auction {
                auction: b'C',
                paired: 100_000,
                imbalance: 10_000,
                side: Some(Side::Bid),
                reference: Price(990_500),
                indicative: Price(999_500),
            },
        ),
    );
}

#[test]
fn price_level_buy() {
    let view = deep::PriceLevel {
        kind: b'8',
        event_flags: 0x1,
        time: TIME.into(),
        symbol: *b"ZIEXT   ",
        size: 9_700.into(),
        price: 990_500.into(),
    };
    let bytes = "38 01 7b004c478c0ac218 5a49455854202020 e4250000 241d0f0000000000";
    one(
        Format::IexDeep,
        Format::IexTops,
        bytes,
        view.as_bytes(),
        message(
            b'8',
            ZIEXT,
            Event::SetLevel { side: Side::Bid, price: Price(990_500), size: 9_700, complete: true },
        ),
    );
}

#[test]
fn price_level_sell() {
    let view = deep::PriceLevel {
        kind: b'5',
        event_flags: 0x0,
        time: TIME.into(),
        symbol: *b"ZIEXT   ",
        size: 0.into(),
        price: (-1).into(),
    };
    let bytes = "35 00 7b004c478c0ac218 5a49455854202020 00000000 ffffffffffffffff";
    one(
        Format::IexDeep,
        Format::IexTops,
        bytes,
        view.as_bytes(),
        message(
            b'5',
            ZIEXT,
            Event::SetLevel { side: Side::Ask, price: Price(-1), size: 0, complete: false },
        ),
    );
}

#[test]
fn security_event() {
    let view =
        deep::SecurityEvent { kind: b'E', event: b'O', time: TIME.into(), symbol: *b"ZIEXT   " };
    let bytes = "45 4f 7b004c478c0ac218 5a49455854202020";
    one(
        Format::IexDeep,
        Format::IexTops,
        bytes,
        view.as_bytes(),
        message(b'E', ZIEXT, Event::Notice),
    );
}

#[test]
fn quote_update() {
    let view = tops::QuoteUpdate {
        kind: b'Q',
        flags: b'@',
        time: TIME.into(),
        symbol: *b"ZIEXT   ",
        bid_size: 9_700.into(),
        bid_price: 990_500.into(),
        ask_price: 990_700.into(),
        ask_size: 1_000.into(),
    };
    let bytes = "51 40 7b004c478c0ac218 5a49455854202020 e4250000 241d0f0000000000 ec1d0f0000000000 e8030000";
    one(
        Format::IexTops,
        Format::IexDeep,
        bytes,
        view.as_bytes(),
        message(
            b'Q',
            ZIEXT,
            Event::Quote {
                bid_price: Price(990_500),
                bid_size: 9_700,
                ask_price: Price(990_700),
                ask_size: 1_000,
            },
        ),
    );
}

#[test]
fn a_symbol_of_zeros_a_time_before_the_epoch_and_a_name_that_is_no_text_are_refused() {
    let good = deep::PriceLevel {
        kind: deep::BUY,
        event_flags: 1,
        time: TIME.into(),
        symbol: *b"ZIEXT   ",
        size: 1.into(),
        price: 1.into(),
    };
    let refused = |view: deep::PriceLevel| Format::IexDeep.decode(view.as_bytes()).err();
    assert_eq!(refused(good), None);
    assert_eq!(refused(deep::PriceLevel { symbol: [0; 8], ..good }), Some(Reject::BadField));
    assert_eq!(refused(deep::PriceLevel { time: (-1).into(), ..good }), Some(Reject::BadField));
    let directory = admin::SecurityDirectory {
        kind: b'D',
        flags: 0,
        time: TIME.into(),
        symbol: *b"        ",
        round_lot: 100.into(),
        adjusted_poc_price: 0.into(),
        luld_tier: 0,
    };
    assert_eq!(Format::IexTops.decode(directory.as_bytes()), Err(Reject::BadField));
}

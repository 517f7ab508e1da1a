//! Every TotalView-ITCH 5.0 message by hand: bytes made from the table apart from this crate, the
//! encoder's, and what they mean.

use candor_core::{
    Event, InstrumentKey, Message, Price, Side, Symbol, SystemEvent as Day, TradingState, WireTime,
};
use candor_decoders::nasdaq::itch50::*;
use candor_decoders::{Format, IntoBytes};

use crate::check;

const TIME: WireTime = WireTime(34_200_000_000_123);

fn message(kind: u8, key: u64, event: Event) -> Message {
    Message { key: InstrumentKey(key), time: TIME, kind, event }
}

#[test]
fn system_event() {
    let view = SystemEvent { prefix: Prefix::of::<SystemEvent>(0, TIME), event: b'Q' };
    let bytes = "53 0000 0000 1f1aced9f07b 51";
    check(
        Format::NasdaqItch50,
        bytes,
        view.as_bytes(),
        message(b'S', 0, Event::System(Day::StartOfMarketHours)),
    );
}

#[test]
fn stock_directory() {
    let view = StockDirectory {
        prefix: Prefix::of::<StockDirectory>(7, TIME),
        stock: *b"ZVZZT   ",
        market_category: b'Q',
        financial_status: b'N',
        round_lot: 100.into(),
        round_lots_only: b'N',
        classification: b'C',
        sub_type: *b"Z ",
        authenticity: b'T',
        short_sale_threshold: b'N',
        ipo_flag: 0x20,
        luld_tier: b'2',
        etp_flag: b'N',
        etp_leverage: 3.into(),
        inverse: b'N',
    };
    let bytes = "52 0007 0000 1f1aced9f07b 5a565a5a54202020 51 4e 00000064 4e 43 5a20 54 4e 20 32 4e 00000003 4e";
    check(
        Format::NasdaqItch50,
        bytes,
        view.as_bytes(),
        message(
            b'R',
            7,
            Event::Definition {
                symbol: Symbol::from_wire(b"ZVZZT").unwrap(),
                round_lot: 100,
                test: true,
            },
        ),
    );
}

#[test]
fn stock_trading_action() {
    let view = StockTradingAction {
        prefix: Prefix::of::<StockTradingAction>(7, TIME),
        stock: *b"AAPL    ",
        state: b'Q',
        reserved: 0x20,
        reason: *b"T3  ",
    };
    let bytes = "48 0007 0000 1f1aced9f07b 4141504c20202020 51 20 54332020";
    check(
        Format::NasdaqItch50,
        bytes,
        view.as_bytes(),
        message(b'H', 7, Event::Trading { state: TradingState::QuoteOnly, reason: *b"T3  " }),
    );
}

#[test]
fn reg_sho_restriction() {
    let view = RegShoRestriction {
        prefix: Prefix::of::<RegShoRestriction>(7, TIME),
        stock: *b"AAPL    ",
        action: b'2',
    };
    let bytes = "59 0007 0000 1f1aced9f07b 4141504c20202020 32";
    check(
        Format::NasdaqItch50,
        bytes,
        view.as_bytes(),
        message(b'Y', 7, Event::ShortSale { restricted: true }),
    );
}

#[test]
fn participant_position() {
    let view = ParticipantPosition {
        prefix: Prefix::of::<ParticipantPosition>(7, TIME),
        mpid: *b"GSCO",
        stock: *b"AAPL    ",
        primary: b'Y',
        mode: b'N',
        state: b'A',
    };
    let bytes = "4c 0007 0000 1f1aced9f07b 4753434f 4141504c20202020 59 4e 41";
    check(Format::NasdaqItch50, bytes, view.as_bytes(), message(b'L', 7, Event::Notice));
}

#[test]
fn mwcb_decline_levels() {
    let view = MwcbDeclineLevels {
        prefix: Prefix::of::<MwcbDeclineLevels>(0, TIME),
        level_1: 500_012_345_678.into(),
        level_2: 480_000_000_000.into(),
        level_3: 440_000_000_001.into(),
    };
    let bytes = "56 0000 0000 1f1aced9f07b 000000746b0ee94e 0000006fc23ac000 00000066720b3001";
    check(Format::NasdaqItch50, bytes, view.as_bytes(), message(b'V', 0, Event::Notice));
}

#[test]
fn mwcb_status() {
    let view = MwcbStatus { prefix: Prefix::of::<MwcbStatus>(0, TIME), breached_level: b'1' };
    let bytes = "57 0000 0000 1f1aced9f07b 31";
    check(Format::NasdaqItch50, bytes, view.as_bytes(), message(b'W', 0, Event::Notice));
}

#[test]
fn ipo_quoting_period_update() {
    let view = IpoQuotingPeriodUpdate {
        prefix: Prefix::of::<IpoQuotingPeriodUpdate>(7, TIME),
        stock: *b"NEWCO   ",
        release_time: 37_800.into(),
        qualifier: b'A',
        price: 200_000.into(),
    };
    let bytes = "4b 0007 0000 1f1aced9f07b 4e4557434f202020 000093a8 41 00030d40";
    check(Format::NasdaqItch50, bytes, view.as_bytes(), message(b'K', 7, Event::Notice));
}

#[test]
fn luld_auction_collar() {
    let view = LuldAuctionCollar {
        prefix: Prefix::of::<LuldAuctionCollar>(7, TIME),
        stock: *b"AAPL    ",
        reference: 1_850_000.into(),
        upper: 1_942_500.into(),
        lower: 1_757_500.into(),
        extension: 1.into(),
    };
    let bytes = "4a 0007 0000 1f1aced9f07b 4141504c20202020 001c3a90 001da3e4 001ad13c 00000001";
    check(
        Format::NasdaqItch50,
        bytes,
        view.as_bytes(),
        message(
            b'J',
            7,
            Event::Bands {
                reference: Price(1_850_000),
                lower: Price(1_757_500),
                upper: Price(1_942_500),
            },
        ),
    );
}

#[test]
fn operational_halt() {
    let view = OperationalHalt {
        prefix: Prefix::of::<OperationalHalt>(7, TIME),
        stock: *b"AAPL    ",
        market: b'Q',
        action: b'H',
    };
    let bytes = "68 0007 0000 1f1aced9f07b 4141504c20202020 51 48";
    check(
        Format::NasdaqItch50,
        bytes,
        view.as_bytes(),
        message(b'h', 7, Event::OperationalHalt { halted: true }),
    );
}

#[test]
fn add_order() {
    let view = AddOrder {
        prefix: Prefix::of::<AddOrder>(7, TIME),
        order: 72_623_859_790_382_856.into(),
        side: b'B',
        shares: 300.into(),
        stock: *b"AAPL    ",
        price: 1_850_100.into(),
    };
    let bytes = "41 0007 0000 1f1aced9f07b 0102030405060708 42 0000012c 4141504c20202020 001c3af4";
    check(
        Format::NasdaqItch50,
        bytes,
        view.as_bytes(),
        message(
            b'A',
            7,
            Event::Add {
                order: 0x0102_0304_0506_0708,
                side: Side::Bid,
                price: Price(1_850_100),
                size: 300,
            },
        ),
    );
}

#[test]
fn add_order_mpid() {
    let view = AddOrderMpid {
        prefix: Prefix::of::<AddOrderMpid>(7, TIME),
        order: 42.into(),
        side: b'S',
        shares: 16_909_060.into(),
        stock: *b"AAPL    ",
        price: 4_294_967_295.into(),
        mpid: *b"LEHM",
    };
    let bytes =
        "46 0007 0000 1f1aced9f07b 000000000000002a 53 01020304 4141504c20202020 ffffffff 4c45484d";
    check(
        Format::NasdaqItch50,
        bytes,
        view.as_bytes(),
        message(
            b'F',
            7,
            Event::Add {
                order: 42,
                side: Side::Ask,
                price: Price(4_294_967_295),
                size: 0x0102_0304,
            },
        ),
    );
}

#[test]
fn order_executed() {
    let view = OrderExecuted {
        prefix: Prefix::of::<OrderExecuted>(7, TIME),
        order: 42.into(),
        shares: 100.into(),
        match_number: 9_001.into(),
    };
    let bytes = "45 0007 0000 1f1aced9f07b 000000000000002a 00000064 0000000000002329";
    check(
        Format::NasdaqItch50,
        bytes,
        view.as_bytes(),
        message(
            b'E',
            7,
            Event::Execute { order: 42, size: 100, trade: 9_001, price: None, printable: true },
        ),
    );
}

#[test]
fn order_executed_with_price() {
    let view = OrderExecutedWithPrice {
        prefix: Prefix::of::<OrderExecutedWithPrice>(7, TIME),
        order: 42.into(),
        shares: 100.into(),
        match_number: 9_002.into(),
        printable: b'N',
        price: 1_850_200.into(),
    };
    let bytes = "43 0007 0000 1f1aced9f07b 000000000000002a 00000064 000000000000232a 4e 001c3b58";
    check(
        Format::NasdaqItch50,
        bytes,
        view.as_bytes(),
        message(
            b'C',
            7,
            Event::Execute {
                order: 42,
                size: 100,
                trade: 9_002,
                price: Some(Price(1_850_200)),
                printable: false,
            },
        ),
    );
}

#[test]
fn order_cancel() {
    let view = OrderCancel {
        prefix: Prefix::of::<OrderCancel>(7, TIME),
        order: 42.into(),
        shares: 100.into(),
    };
    let bytes = "58 0007 0000 1f1aced9f07b 000000000000002a 00000064";
    check(
        Format::NasdaqItch50,
        bytes,
        view.as_bytes(),
        message(b'X', 7, Event::Reduce { order: 42, size: 100 }),
    );
}

#[test]
fn order_delete() {
    let view = OrderDelete { prefix: Prefix::of::<OrderDelete>(7, TIME), order: 42.into() };
    let bytes = "44 0007 0000 1f1aced9f07b 000000000000002a";
    check(
        Format::NasdaqItch50,
        bytes,
        view.as_bytes(),
        message(b'D', 7, Event::Delete { order: 42 }),
    );
}

#[test]
fn order_replace() {
    let view = OrderReplace {
        prefix: Prefix::of::<OrderReplace>(7, TIME),
        order: 42.into(),
        new_order: 43.into(),
        shares: 200.into(),
        price: 1_850_300.into(),
    };
    let bytes = "55 0007 0000 1f1aced9f07b 000000000000002a 000000000000002b 000000c8 001c3bbc";
    check(
        Format::NasdaqItch50,
        bytes,
        view.as_bytes(),
        message(
            b'U',
            7,
            Event::Replace { order: 42, new_order: 43, price: Price(1_850_300), size: 200 },
        ),
    );
}

#[test]
fn trade() {
    let view = Trade {
        prefix: Prefix::of::<Trade>(7, TIME),
        order: 0.into(),
        side: b'B',
        shares: 50.into(),
        stock: *b"AAPL    ",
        price: 1_850_250.into(),
        match_number: 9_003.into(),
    };
    let bytes = "50 0007 0000 1f1aced9f07b 0000000000000000 42 00000032 4141504c20202020 001c3b8a 000000000000232b";
    check(
        Format::NasdaqItch50,
        bytes,
        view.as_bytes(),
        message(
            b'P',
            7,
            Event::Trade {
                price: Price(1_850_250),
                size: 50,
                trade: 9_003,
                sets_last: true,
                counts: true,
            },
        ),
    );
}

#[test]
fn cross_trade() {
    let view = CrossTrade {
        prefix: Prefix::of::<CrossTrade>(7, TIME),
        shares: 5_000_000_000.into(),
        stock: *b"AAPL    ",
        price: 1_850_000.into(),
        match_number: 9_004.into(),
        cross_type: b'O',
    };
    let bytes =
        "51 0007 0000 1f1aced9f07b 000000012a05f200 4141504c20202020 001c3a90 000000000000232c 4f";
    check(
        Format::NasdaqItch50,
        bytes,
        view.as_bytes(),
        message(
            b'Q',
            7,
            Event::Trade {
                price: Price(1_850_000),
                size: 5_000_000_000,
                trade: 9_004,
                sets_last: true,
                counts: true,
            },
        ),
    );
}

#[test]
fn broken_trade() {
    let view =
        BrokenTrade { prefix: Prefix::of::<BrokenTrade>(7, TIME), match_number: 9_003.into() };
    let bytes = "42 0007 0000 1f1aced9f07b 000000000000232b";
    check(
        Format::NasdaqItch50,
        bytes,
        view.as_bytes(),
        message(b'B', 7, Event::TradeBreak { trade: 9_003 }),
    );
}

#[test]
fn net_order_imbalance() {
    let view = NetOrderImbalance {
        prefix: Prefix::of::<NetOrderImbalance>(7, TIME),
        paired: 1_000.into(),
        imbalance: 250.into(),
        direction: b'S',
        stock: *b"AAPL    ",
        far: 1_840_000.into(),
        near: 1_845_000.into(),
        reference: 1_850_000.into(),
        cross_type: b'C',
        variation: b'L',
    };
    let bytes = "49 0007 0000 1f1aced9f07b 00000000000003e8 00000000000000fa 53 4141504c20202020 001c1380 001c2708 001c3a90 43 4c";
    check(
        Format::NasdaqItch50,
        bytes,
        view.as_bytes(),
        message(
            b'I',
            7,
            Event::Auction {
                auction: b'C',
                paired: 1_000,
                imbalance: 250,
                side: Some(Side::Ask),
                reference: Price(1_850_000),
                indicative: Price(1_845_000),
            },
        ),
    );
}

#[test]
fn retail_interest() {
    let view = RetailInterest {
        prefix: Prefix::of::<RetailInterest>(7, TIME),
        stock: *b"AAPL    ",
        interest: b'A',
    };
    let bytes = "4e 0007 0000 1f1aced9f07b 4141504c20202020 41";
    check(Format::NasdaqItch50, bytes, view.as_bytes(), message(b'N', 7, Event::Notice));
}

#[test]
fn direct_listing() {
    let view = DirectListing {
        prefix: Prefix::of::<DirectListing>(7, TIME),
        stock: *b"NEWCO   ",
        open_eligibility: b'N',
        minimum_price: 160_000.into(),
        maximum_price: 360_000.into(),
        near_execution_price: 250_000.into(),
        near_execution_time: 37_800_000_000_000.into(),
        lower_collar: 225_000.into(),
        upper_collar: 275_000.into(),
    };
    let bytes = "4f 0007 0000 1f1aced9f07b 4e4557434f202020 4e 00027100 00057e40 0003d090 00002260ff929000 00036ee8 00043238";
    check(Format::NasdaqItch50, bytes, view.as_bytes(), message(b'O', 7, Event::Notice));
}

/// Only the market whose feed this is halts an instrument here.
#[test]
fn another_markets_operational_halt_is_a_notice() {
    for (market, action, event) in [
        (b'Q', b'T', Event::OperationalHalt { halted: false }),
        (b'Q', b'?', Event::OperationalHalt { halted: true }),
        (b'B', b'H', Event::Notice),
        (b'X', b'T', Event::Notice),
    ] {
        let prefix = Prefix::of::<OperationalHalt>(7, TIME);
        let view = OperationalHalt { prefix, stock: *b"AAPL    ", market, action };
        assert_eq!(Format::NasdaqItch50.decode(view.as_bytes()), Ok(message(b'h', 7, event)));
    }
}

#[test]
fn a_cross_of_nothing_is_no_trade_to_count() {
    let view = CrossTrade {
        prefix: Prefix::of::<CrossTrade>(7, TIME),
        shares: 0.into(),
        stock: *b"AAPL    ",
        price: 0.into(),
        match_number: 1.into(),
        cross_type: b'O',
    };
    let event = Format::NasdaqItch50.decode(view.as_bytes()).unwrap().event;
    assert!(matches!(event, Event::Trade { sets_last: false, counts: false, .. }));
}

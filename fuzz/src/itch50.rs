//! Target `itch50`: one TotalView-ITCH 5.0 message.

use candor_core::{Event, Message, Side};
use candor_decoders::nasdaq::itch50::*;
use candor_decoders::{Format, IntoBytes};

/// What holds of any message, of every view of it, and of what its meaning is encoded to again.
pub fn check(bytes: &[u8]) {
    views(bytes);
    if let Ok(message) = crate::message_holds(Format::NasdaqItch50, bytes)
        && let Some(encoded) = encode(&message)
    {
        assert_eq!(Format::NasdaqItch50.decode(&encoded), Ok(message));
    }
}

fn views(bytes: &[u8]) {
    crate::view_is_its_bytes::<SystemEvent>(bytes);
    crate::view_is_its_bytes::<StockDirectory>(bytes);
    crate::view_is_its_bytes::<StockTradingAction>(bytes);
    crate::view_is_its_bytes::<RegShoRestriction>(bytes);
    crate::view_is_its_bytes::<ParticipantPosition>(bytes);
    crate::view_is_its_bytes::<MwcbDeclineLevels>(bytes);
    crate::view_is_its_bytes::<MwcbStatus>(bytes);
    crate::view_is_its_bytes::<IpoQuotingPeriodUpdate>(bytes);
    crate::view_is_its_bytes::<LuldAuctionCollar>(bytes);
    crate::view_is_its_bytes::<OperationalHalt>(bytes);
    crate::view_is_its_bytes::<AddOrder>(bytes);
    crate::view_is_its_bytes::<AddOrderMpid>(bytes);
    crate::view_is_its_bytes::<OrderExecuted>(bytes);
    crate::view_is_its_bytes::<OrderExecutedWithPrice>(bytes);
    crate::view_is_its_bytes::<OrderCancel>(bytes);
    crate::view_is_its_bytes::<OrderDelete>(bytes);
    crate::view_is_its_bytes::<OrderReplace>(bytes);
    crate::view_is_its_bytes::<Trade>(bytes);
    crate::view_is_its_bytes::<CrossTrade>(bytes);
    crate::view_is_its_bytes::<BrokenTrade>(bytes);
    crate::view_is_its_bytes::<NetOrderImbalance>(bytes);
    crate::view_is_its_bytes::<RetailInterest>(bytes);
    crate::view_is_its_bytes::<DirectListing>(bytes);
}

/// Prices of this format are 32-bit and never below zero.
fn price32(price: candor_core::Price) -> u32 {
    u32::try_from(price.0).expect("the wire has 32 bits")
}

/// The message that means this, for what moves a book; `None` for the rest.
fn encode(message: &Message) -> Option<Vec<u8>> {
    let locate = u16::try_from(message.key.0).expect("a stock locate has 16 bits");
    let time = message.time;
    let stock = *b"        ";
    let encoded = match message.event {
        Event::Add { order, side, price, size } => {
            let side = if side == Side::Bid { b'B' } else { b'S' };
            let (order, shares, price) = (order.into(), size.into(), price32(price).into());
            if message.kind == b'A' {
                let prefix = Prefix::of::<AddOrder>(locate, time);
                AddOrder { prefix, order, side, shares, stock, price }.as_bytes().to_vec()
            } else {
                let prefix = Prefix::of::<AddOrderMpid>(locate, time);
                let mpid = *b"    ";
                AddOrderMpid { prefix, order, side, shares, stock, price, mpid }.as_bytes().to_vec()
            }
        }
        Event::Execute { order, size, trade, price: None, printable } => {
            assert!(printable);
            let prefix = Prefix::of::<OrderExecuted>(locate, time);
            let (order, shares, match_number) = (order.into(), size.into(), trade.into());
            OrderExecuted { prefix, order, shares, match_number }.as_bytes().to_vec()
        }
        Event::Execute { order, size, trade, price: Some(price), printable } => {
            OrderExecutedWithPrice {
                prefix: Prefix::of::<OrderExecutedWithPrice>(locate, time),
                order: order.into(),
                shares: size.into(),
                match_number: trade.into(),
                printable: if printable { b'Y' } else { b'N' },
                price: price32(price).into(),
            }
            .as_bytes()
            .to_vec()
        }
        Event::Reduce { order, size } => {
            let prefix = Prefix::of::<OrderCancel>(locate, time);
            OrderCancel { prefix, order: order.into(), shares: size.into() }.as_bytes().to_vec()
        }
        Event::Delete { order } => {
            let prefix = Prefix::of::<OrderDelete>(locate, time);
            OrderDelete { prefix, order: order.into() }.as_bytes().to_vec()
        }
        Event::Replace { order, new_order, price, size } => OrderReplace {
            prefix: Prefix::of::<OrderReplace>(locate, time),
            order: order.into(),
            new_order: new_order.into(),
            shares: size.into(),
            price: price32(price).into(),
        }
        .as_bytes()
        .to_vec(),
        Event::TradeBreak { trade } => {
            let prefix = Prefix::of::<BrokenTrade>(locate, time);
            BrokenTrade { prefix, match_number: trade.into() }.as_bytes().to_vec()
        }
        _ => return None,
    };
    Some(encoded)
}

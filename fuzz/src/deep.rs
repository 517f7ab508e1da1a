//! Target `deep`: one DEEP 1.0 message.

use candor_core::{Event, Message, Side};
use candor_decoders::iex::admin::*;
use candor_decoders::iex::deep::{self, PriceLevel, SecurityEvent};
use candor_decoders::{Format, IntoBytes};

/// What holds of any message, of every view of it, and of what its meaning is encoded to again.
pub fn check(bytes: &[u8]) {
    crate::view_is_its_bytes::<PriceLevel>(bytes);
    crate::view_is_its_bytes::<SecurityEvent>(bytes);
    admin_views(bytes);
    let format = Format::IexDeep;
    if let Ok(message) = crate::message_holds(format, bytes) {
        encoded_again(&message);
        if !matches!(message.kind, deep::BUY | deep::SELL | b'E' | b'Q') {
            assert_eq!(Format::IexTops.decode(bytes), Ok(message), "common with TOPS");
        }
    }
}

pub(crate) fn admin_views(bytes: &[u8]) {
    crate::view_is_its_bytes::<SystemEvent>(bytes);
    crate::view_is_its_bytes::<SecurityDirectory>(bytes);
    crate::view_is_its_bytes::<TradingStatus>(bytes);
    crate::view_is_its_bytes::<RetailLiquidity>(bytes);
    crate::view_is_its_bytes::<OperationalHalt>(bytes);
    crate::view_is_its_bytes::<ShortSaleStatus>(bytes);
    crate::view_is_its_bytes::<Trade>(bytes);
    crate::view_is_its_bytes::<OfficialPrice>(bytes);
    crate::view_is_its_bytes::<AuctionInformation>(bytes);
}

fn encoded_again(message: &Message) {
    let time = message.time.0.cast_signed().into();
    let symbol = message.key.0.to_le_bytes();
    let encoded = match message.event {
        Event::SetLevel { side, price, size, complete } => PriceLevel {
            kind: if side == Side::Bid { deep::BUY } else { deep::SELL },
            event_flags: u8::from(complete),
            time,
            symbol,
            size: size.into(),
            price: price.0.into(),
        }
        .as_bytes()
        .to_vec(),
        Event::Trade { price, size, trade, sets_last, counts } => {
            assert!(counts);
            Trade {
                kind: b'T',
                sale_condition: if sets_last { 0 } else { ODD_LOT },
                time,
                symbol,
                size: u32::try_from(size).expect("the wire has 32 bits").into(),
                price: price.0.into(),
                trade_id: trade.cast_signed().into(),
            }
            .as_bytes()
            .to_vec()
        }
        _ => return,
    };
    assert_eq!(Format::IexDeep.decode(&encoded).as_ref(), Ok(message));
}

//! Target `tops`: one TOPS 1.6 message.

use candor_core::Event;
use candor_decoders::iex::tops::QuoteUpdate;
use candor_decoders::{Format, IntoBytes};

/// What holds of any message, of every view of it, and of what its meaning is encoded to again.
pub fn check(bytes: &[u8]) {
    crate::view_is_its_bytes::<QuoteUpdate>(bytes);
    crate::deep::admin_views(bytes);
    let Ok(message) = crate::message_holds(Format::IexTops, bytes) else { return };
    if let Event::Quote { bid_price, bid_size, ask_price, ask_size } = message.event {
        let quote = QuoteUpdate {
            kind: message.kind,
            flags: 0,
            time: message.time.0.cast_signed().into(),
            symbol: message.key.0.to_le_bytes(),
            bid_size: bid_size.into(),
            bid_price: bid_price.0.into(),
            ask_price: ask_price.0.into(),
            ask_size: ask_size.into(),
        };
        assert_eq!(Format::IexTops.decode(quote.as_bytes()), Ok(message));
    }
}

//! What TotalView-ITCH 5.0 messages mean in Candor's words.

use candor_core::{
    Event, InstrumentKey, Message, Price, Reject, Side, Symbol, SystemEvent as Day, TradingState,
};
use zerocopy::byteorder::big_endian::U32;

use super::views::*;
use crate::view::View;

/// The market code of Nasdaq itself in operational halts.
const NASDAQ: u8 = b'Q';

/// Normalises a message. A type the specification does not list is [`Event::Unknown`]; an empty
/// message too, of kind 0.
///
/// # Errors
/// [`Reject::ShortMessage`], and [`Reject::BadField`] for an order's side that is none, a message
/// about an instrument with locate 0, or a directory entry whose symbol is not text.
#[inline]
pub fn decode(message: &[u8]) -> Result<Message, Reject> {
    let Some(kind) = message.first() else {
        return Ok(crate::unknown(0));
    };
    match kind {
        b'A' => add(View::view(message)?),
        b'F' => add_mpid(View::view(message)?),
        b'D' => delete(View::view(message)?),
        b'E' => executed(View::view(message)?),
        b'X' => cancel(View::view(message)?),
        b'U' => replace(View::view(message)?),
        b'C' => executed_with_price(View::view(message)?),
        b'P' => trade(View::view(message)?),
        kind => decode_rest(*kind, message),
    }
}

/// The types that are rare, kept apart from those that are not.
fn decode_rest(kind: u8, message: &[u8]) -> Result<Message, Reject> {
    match kind {
        b'I' => imbalance(View::view(message)?),
        b'Q' => cross(View::view(message)?),
        b'B' => broken(View::view(message)?),
        b'R' => directory(View::view(message)?),
        b'H' => trading(View::view(message)?),
        b'h' => operational(View::view(message)?),
        b'Y' => reg_sho(View::view(message)?),
        b'J' => collar(View::view(message)?),
        b'S' => system(View::view(message)?),
        b'L' => about(&ParticipantPosition::view(message)?.prefix, Event::Notice),
        b'K' => about(&IpoQuotingPeriodUpdate::view(message)?.prefix, Event::Notice),
        b'N' => about(&RetailInterest::view(message)?.prefix, Event::Notice),
        b'O' => about(&DirectListing::view(message)?.prefix, Event::Notice),
        b'V' => Ok(whole_market(&MwcbDeclineLevels::view(message)?.prefix, Event::Notice)),
        b'W' => Ok(whole_market(&MwcbStatus::view(message)?.prefix, Event::Notice)),
        _ => Ok(crate::unknown(kind)),
    }
}

/// The symbol a message spells beside its locate: `None` for a type that doesn't repeat it, for a
/// message shorter than its layout, and where the bytes are not a symbol.
#[must_use]
pub fn symbol_in(message: &[u8]) -> Option<Symbol> {
    let stock = match message.first()? {
        b'A' => AddOrder::view(message).ok()?.stock,
        b'F' => AddOrderMpid::view(message).ok()?.stock,
        b'P' => Trade::view(message).ok()?.stock,
        b'Q' => CrossTrade::view(message).ok()?.stock,
        b'I' => NetOrderImbalance::view(message).ok()?.stock,
        b'R' => StockDirectory::view(message).ok()?.stock,
        b'H' => StockTradingAction::view(message).ok()?.stock,
        b'h' => OperationalHalt::view(message).ok()?.stock,
        b'Y' => RegShoRestriction::view(message).ok()?.stock,
        b'L' => ParticipantPosition::view(message).ok()?.stock,
        b'J' => LuldAuctionCollar::view(message).ok()?.stock,
        b'K' => IpoQuotingPeriodUpdate::view(message).ok()?.stock,
        b'N' => RetailInterest::view(message).ok()?.stock,
        b'O' => DirectListing::view(message).ok()?.stock,
        _ => return None,
    };
    Symbol::from_wire(&stock)
}

/// A message about the instrument its prefix names.
#[inline]
fn about(prefix: &Prefix, event: Event) -> Result<Message, Reject> {
    match prefix.locate.get() {
        0 => Err(Reject::BadField),
        locate => Ok(Message {
            key: InstrumentKey(u64::from(locate)),
            time: prefix.time.get(),
            kind: prefix.kind,
            event,
        }),
    }
}

/// A message about no single instrument.
fn whole_market(prefix: &Prefix, event: Event) -> Message {
    Message { key: InstrumentKey::NONE, time: prefix.time.get(), kind: prefix.kind, event }
}

#[inline]
fn side(letter: u8) -> Result<Side, Reject> {
    match letter {
        b'B' => Ok(Side::Bid),
        b'S' => Ok(Side::Ask),
        _ => Err(Reject::BadField),
    }
}

#[inline]
fn price(field: U32) -> Price {
    Price(i64::from(field.get()))
}

#[inline]
fn add(view: &AddOrder) -> Result<Message, Reject> {
    let event = Event::Add {
        order: view.order.get(),
        side: side(view.side)?,
        price: price(view.price),
        size: view.shares.get(),
    };
    about(&view.prefix, event)
}

#[inline]
fn add_mpid(view: &AddOrderMpid) -> Result<Message, Reject> {
    let event = Event::Add {
        order: view.order.get(),
        side: side(view.side)?,
        price: price(view.price),
        size: view.shares.get(),
    };
    about(&view.prefix, event)
}

#[inline]
fn delete(view: &OrderDelete) -> Result<Message, Reject> {
    about(&view.prefix, Event::Delete { order: view.order.get() })
}

#[inline]
fn executed(view: &OrderExecuted) -> Result<Message, Reject> {
    let event = Event::Execute {
        order: view.order.get(),
        size: view.shares.get(),
        trade: view.match_number.get(),
        price: None,
        printable: true,
    };
    about(&view.prefix, event)
}

#[inline]
fn executed_with_price(view: &OrderExecutedWithPrice) -> Result<Message, Reject> {
    let event = Event::Execute {
        order: view.order.get(),
        size: view.shares.get(),
        trade: view.match_number.get(),
        price: Some(price(view.price)),
        printable: view.printable == b'Y',
    };
    about(&view.prefix, event)
}

#[inline]
fn cancel(view: &OrderCancel) -> Result<Message, Reject> {
    let event = Event::Reduce { order: view.order.get(), size: view.shares.get() };
    about(&view.prefix, event)
}

#[inline]
fn replace(view: &OrderReplace) -> Result<Message, Reject> {
    let event = Event::Replace {
        order: view.order.get(),
        new_order: view.new_order.get(),
        price: price(view.price),
        size: view.shares.get(),
    };
    about(&view.prefix, event)
}

#[inline]
fn trade(view: &Trade) -> Result<Message, Reject> {
    let event = Event::Trade {
        price: price(view.price),
        size: u64::from(view.shares.get()),
        trade: view.match_number.get(),
        sets_last: true,
        counts: true,
    };
    about(&view.prefix, event)
}

fn cross(view: &CrossTrade) -> Result<Message, Reject> {
    let size = view.shares.get();
    let event = Event::Trade {
        price: price(view.price),
        size,
        trade: view.match_number.get(),
        sets_last: size != 0,
        counts: size != 0,
    };
    about(&view.prefix, event)
}

fn broken(view: &BrokenTrade) -> Result<Message, Reject> {
    about(&view.prefix, Event::TradeBreak { trade: view.match_number.get() })
}

fn imbalance(view: &NetOrderImbalance) -> Result<Message, Reject> {
    let event = Event::Auction {
        auction: view.cross_type,
        paired: view.paired.get(),
        imbalance: view.imbalance.get(),
        side: side(view.direction).ok(),
        reference: price(view.reference),
        indicative: price(view.near),
    };
    about(&view.prefix, event)
}

fn directory(view: &StockDirectory) -> Result<Message, Reject> {
    let event = Event::Definition {
        symbol: Symbol::from_wire(&view.stock).ok_or(Reject::BadField)?,
        round_lot: view.round_lot.get(),
        test: view.authenticity == b'T',
    };
    about(&view.prefix, event)
}

fn trading(view: &StockTradingAction) -> Result<Message, Reject> {
    let state = match view.state {
        b'H' => TradingState::Halted,
        b'P' => TradingState::Paused,
        b'Q' => TradingState::QuoteOnly,
        b'T' => TradingState::Trading,
        _ => TradingState::Unknown,
    };
    about(&view.prefix, Event::Trading { state, reason: view.reason })
}

fn operational(view: &OperationalHalt) -> Result<Message, Reject> {
    let event = match view.market {
        NASDAQ => Event::OperationalHalt { halted: view.action != b'T' },
        _ => Event::Notice,
    };
    about(&view.prefix, event)
}

fn reg_sho(view: &RegShoRestriction) -> Result<Message, Reject> {
    about(&view.prefix, Event::ShortSale { restricted: view.action != b'0' })
}

fn collar(view: &LuldAuctionCollar) -> Result<Message, Reject> {
    let event = Event::Bands {
        reference: price(view.reference),
        lower: price(view.lower),
        upper: price(view.upper),
    };
    about(&view.prefix, event)
}

fn system(view: &SystemEvent) -> Result<Message, Reject> {
    let event = match view.event {
        b'O' => Day::StartOfMessages,
        b'S' => Day::StartOfSystemHours,
        b'Q' => Day::StartOfMarketHours,
        b'M' => Day::EndOfMarketHours,
        b'E' => Day::EndOfSystemHours,
        b'C' => Day::EndOfMessages,
        _ => Day::Unknown,
    };
    Ok(whole_market(&view.prefix, Event::System(event)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_found_where_the_specification_puts_it() {
        let places: [(&[u8], usize); 4] = [(b"RHhYJKNO", 11), (b"L", 15), (b"AFP", 24), (b"QI", 0)];
        for (kinds, at) in places {
            for kind in kinds {
                let at = match kind {
                    b'Q' => 19,
                    b'I' => 28,
                    _ => at,
                };
                let mut message = [b'?'; 64];
                message[0] = *kind;
                message[at..at + 8].copy_from_slice(b"BRK.A   ");
                let len = layout_len(*kind).unwrap();
                assert_eq!(symbol_in(&message[..len]), Symbol::from_wire(b"BRK.A"));
                assert_eq!(symbol_in(&message[..len - 1]), None);
                message[at] = 0xff;
                assert_eq!(symbol_in(&message[..len]), None);
            }
        }
        for kind in b"SDEXUCBVWZ" {
            let mut message = [b'A'; 64];
            message[0] = *kind;
            assert_eq!(symbol_in(&message), None);
        }
        assert_eq!(symbol_in(&[]), None);
    }
}

//! What the market does, as DEEP 1.0 messages: price levels instead of orders.
//!
//! A step of the flow that changes levels is one transaction: an update for each, the last of which
//! says that it is complete. Where an order traded the trade report follows, in a message of its own:
//! until then the true last trade is the one before.

use std::collections::VecDeque;

use candor_core::{Side, Symbol, SymbolIndex, TradingState, WireTime};
use candor_decoders::View;
use candor_decoders::iex::admin::{
    EXTENDED_HOURS, INTERMARKET_SWEEP, ODD_LOT, OperationalHalt, SecurityDirectory,
    ShortSaleStatus, SystemEvent, Trade, TradingStatus,
};
use candor_decoders::iex::deep::{BUY, EVENT_COMPLETE, PriceLevel, SELL};

use super::book::TrueBook;
use super::flow::Step;
use super::wire::{Action, Encoded};

/// Shares of a round lot: fewer don't set the last price.
const ROUND_LOT: u32 = 100;

/// A trade as its report says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Traded {
    pub(super) id: u64,
    pub(super) price: u32,
    pub(super) size: u32,
    /// Whether it would set the last price if it were large enough.
    pub(super) printable: bool,
}

impl Traded {
    /// Whether it sets the last price.
    const fn sets_last(&self) -> bool {
        self.printable && self.size >= ROUND_LOT
    }

    /// A trade outside regular hours stands for every kind that sets no last price.
    const fn sale_condition(&self) -> u8 {
        let hours = if self.printable { 0 } else { EXTENDED_HOURS };
        let lot = if self.size < ROUND_LOT { ODD_LOT } else { 0 };
        let sweep = if self.id.is_multiple_of(3) { INTERMARKET_SWEEP } else { 0 };
        hours | lot | sweep
    }
}

/// What a step of the flow did that its action doesn't say.
#[derive(Clone, Debug, Default)]
pub(super) struct Effects {
    /// The levels that changed: no step changes more than two.
    levels: Vec<(Side, u32)>,
    /// The trade that happened, or is broken.
    pub(super) trade: Option<Traded>,
}

impl Effects {
    /// Notes that a level changed.
    pub(super) fn level(&mut self, side: Side, price: u32) {
        if !self.levels.contains(&(side, price)) {
            self.levels.push((side, price));
        }
    }

    /// Whether there is more to say than the action itself: any level, or a trade that isn't broken.
    pub(super) fn any_but_break(&self, action: &Action) -> bool {
        !self.levels.is_empty() || (self.trade.is_some() && !matches!(action, Action::Break { .. }))
    }

    pub(super) fn clear(&mut self) {
        self.levels.clear();
        self.trade = None;
    }
}

/// Messages of the last step that are still to be sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending(VecDeque<Part>);

#[derive(Clone, Copy, Debug)]
struct Part {
    symbol: usize,
    name: Symbol,
    time: WireTime,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Level { side: Side, price: u32, complete: bool },
    Trade(Traded),
}

impl Pending {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes in a step about a symbol, of which everything but its trade is in the book already.
    pub(super) fn take_in(
        &mut self,
        symbol: usize,
        name: Symbol,
        effects: &mut Effects,
        time: WireTime,
    ) {
        debug_assert!(self.0.is_empty(), "one step after the other");
        let last = effects.levels.len().saturating_sub(1);
        let levels = effects.levels.iter().enumerate().map(|(nth, (side, price))| What::Level {
            side: *side,
            price: *price,
            complete: nth == last,
        });
        let trade = effects.trade.map(What::Trade);
        self.0.extend(levels.chain(trade).map(|what| Part { symbol, name, time, what }));
        effects.clear();
    }

    /// Leaves out what is still to be said of a symbol.
    pub(super) fn forget(&mut self, symbol: usize) {
        self.0.retain(|part| part.symbol != symbol);
    }

    /// Whether a transaction has begun whose last level is still to be said.
    pub(super) fn is_open(&self) -> bool {
        self.0.iter().any(|part| matches!(part.what, What::Level { .. }))
    }

    /// Which symbol's book the next message is about.
    pub(super) fn symbol(&self) -> Option<usize> {
        self.0.front().map(|part| part.symbol)
    }

    /// The next message; a trade reaches the true book with it.
    pub(super) fn next(&mut self, book: &mut TrueBook) -> Option<Step> {
        let Part { symbol, name, time, what } = self.0.pop_front()?;
        let (message, shows) = match what {
            What::Level { side, price, complete } => {
                let size = book.level(side, price);
                (level(name, side, price, size, complete, time), complete)
            }
            What::Trade(traded) => {
                if traded.sets_last() {
                    book.traded(traded.price, traded.size, traded.id, time);
                }
                (trade(b'T', name, &traded, time), true)
            }
        };
        // Before its transaction is complete a book shows to nobody.
        Some(Step { message, touched: shows.then_some(SymbolIndex(symbol as u32)) })
    }
}

fn field(symbol: Symbol) -> [u8; 8] {
    // The market's names have at most five letters.
    candor_decoders::alpha(symbol.as_str()).unwrap_or([b' '; 8])
}

/// Nanoseconds as the wire has them: signed.
fn stamp<T: From<i64>>(time: WireTime) -> T {
    time.0.cast_signed().into()
}

pub(super) fn level(
    symbol: Symbol,
    side: Side,
    price: u32,
    size: u64,
    complete: bool,
    time: WireTime,
) -> Encoded {
    Encoded::of(&PriceLevel {
        kind: if side == Side::Bid { BUY } else { SELL },
        event_flags: if complete { EVENT_COMPLETE } else { 0 },
        time: stamp(time),
        symbol: field(symbol),
        size: u32::try_from(size).expect("a level's orders have fewer shares").into(),
        price: i64::from(price).into(),
    })
}

fn trade(kind: u8, symbol: Symbol, traded: &Traded, time: WireTime) -> Encoded {
    Encoded::of(&Trade {
        kind,
        sale_condition: traded.sale_condition(),
        time: stamp(time),
        symbol: field(symbol),
        size: traded.size.into(),
        price: i64::from(traded.price).into(),
        trade_id: traded.id.cast_signed().into(),
    })
}

/// The message of an action that changes no level and is no trade, about this symbol, if any;
/// `first_price` is the symbol's, `trade` the one an action breaks.
///
/// # Panics
/// When the action does change a level or trade.
pub(super) fn encode(
    action: &Action,
    symbol: Option<(Symbol, u32)>,
    broken: Option<&Traded>,
    now: WireTime,
) -> Encoded {
    match (*action, symbol, broken) {
        (Action::System { event }, ..) => {
            // Market hours begin with another letter here.
            let event = if event == b'Q' { b'R' } else { event };
            Encoded::of(&SystemEvent { kind: SystemEvent::KIND, event, time: stamp(now) })
        }
        (Action::Directory { symbol, round_lot }, Some((_, price)), _) => {
            Encoded::of(&SecurityDirectory {
                kind: SecurityDirectory::KIND,
                flags: 0,
                time: stamp(now),
                symbol: field(symbol),
                round_lot: round_lot.into(),
                adjusted_poc_price: i64::from(price).into(),
                luld_tier: 1,
            })
        }
        (Action::Trading { symbol, state, reason }, ..) => Encoded::of(&TradingStatus {
            kind: TradingStatus::KIND,
            // Quotes only before trading resumes.
            status: if state == b'Q' { b'O' } else { state },
            time: stamp(now),
            symbol: field(symbol),
            reason,
        }),
        (Action::OperationalHalt { symbol, halted }, ..) => Encoded::of(&OperationalHalt {
            kind: OperationalHalt::KIND,
            status: if halted { b'O' } else { b'N' },
            time: stamp(now),
            symbol: field(symbol),
        }),
        (Action::ShortSale { symbol }, ..) => Encoded::of(&ShortSaleStatus {
            kind: ShortSaleStatus::KIND,
            status: 0,
            time: stamp(now),
            symbol: field(symbol),
            detail: b' ',
        }),
        (Action::Break { .. }, Some((symbol, _)), Some(traded)) => trade(b'B', symbol, traded, now),
        (other, ..) => panic!("{other:?} is a matter of levels and trades"),
    }
}

/// Whether a halt at this time is the venue's own, not the market's: every other second's.
pub(super) fn is_operational(until: WireTime) -> bool {
    (until.0 / 1_000_000_000).is_multiple_of(2)
}

/// The state of a symbol that the venue alone has halted.
pub(super) const HALTED: TradingState = TradingState::OperationalHalt;

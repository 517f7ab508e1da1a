//! What stands as of the last message: the symbols with their states, and the open orders or price
//! levels. A snapshot service sends nothing else.
//!
//! DEEP changes levels in transactions, and a book in the middle of one is nobody's business: what
//! stands is what stood before the first message of a transaction until the last one is there.

use std::collections::{BTreeMap, VecDeque};

use candor_core::{Event, InstrumentKey, Message, SeqNo, Side, Symbol};
use candor_decoders::Format;
use candor_decoders::iex::tp;

use super::framing::Framing;

/// The messages about an instrument of which only the newest stands, in the order of a snapshot.
const KINDS: usize = 4;

/// Messages of transactions that may be waited for; a stream that leaves more open is taken as it is.
const UNSETTLED: usize = 4_096;

/// The newest message of each kind about an instrument: definition, trading state, short-sale
/// restriction, operational halt.
#[derive(Clone, Debug, Default)]
pub struct Facts([Option<Box<[u8]>>; KINDS]);

impl Facts {
    /// The messages, in the order of a snapshot.
    pub fn messages(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().flatten().map(|message| &**message)
    }
}

/// An open order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenOrder {
    /// Its instrument.
    pub key: InstrumentKey,
    /// Its side.
    pub side: Side,
    /// Its price in the format's unit.
    pub price: i64,
    /// What is left of its size.
    pub size: u32,
}

/// What a venue changes without a word: a symbol goes to another partition with what rests in its book.
#[derive(Clone, Debug, Default)]
pub(super) struct Unsaid {
    /// Symbols that are gone before the message with that number.
    left: Vec<(SeqNo, Symbol)>,
    /// Symbols with messages that nobody is sent and that stand from their definition on.
    arrives: Vec<(Symbol, Vec<Box<[u8]>>)>,
}

/// Everything that stands.
#[derive(Clone, Debug)]
pub struct Standing {
    format: Option<Format>,
    /// Whether open orders are kept; a true market has them already.
    keeps_orders: bool,
    system: Vec<Box<[u8]>>,
    facts: BTreeMap<InstrumentKey, Facts>,
    orders: BTreeMap<u64, OpenOrder>,
    levels: BTreeMap<(InstrumentKey, Side, i64), Box<[u8]>>,
    /// Messages from the first of an open transaction on; they are not in what stands.
    unsettled: VecDeque<Box<[u8]>>,
    /// The instruments with an open transaction.
    open: Vec<InstrumentKey>,
    unsaid: Unsaid,
}

/// The format of the messages in a framing; `None` where it is no format of ours.
fn format(framing: &Framing) -> Option<Format> {
    match framing {
        Framing::MoldUdp64(_) => Some(Format::NasdaqItch50),
        Framing::IexTp(stream) => match stream.protocol {
            tp::DEEP_1_0 => Some(Format::IexDeep),
            tp::TOPS_1_6 => Some(Format::IexTops),
            _ => None,
        },
    }
}

impl Standing {
    /// Before the first message of a session.
    #[must_use]
    pub fn new(framing: &Framing, keeps_orders: bool) -> Standing {
        Standing {
            format: format(framing),
            keeps_orders,
            system: Vec::new(),
            facts: BTreeMap::new(),
            orders: BTreeMap::new(),
            levels: BTreeMap::new(),
            unsettled: VecDeque::new(),
            open: Vec::new(),
            unsaid: Unsaid::default(),
        }
    }

    /// Before the first message of the session, with its orders, so that applying what `messages` has from number 1
    /// on leads to what stood then. `None` behind one that is not there.
    #[must_use]
    pub fn again<'m>(
        &self,
        framing: &Framing,
        mut messages: impl Iterator<Item = (SeqNo, Option<&'m [u8]>)>,
    ) -> Option<Standing> {
        let mut standing = Standing::new(framing, true);
        standing.unsaid = self.unsaid.clone();
        messages.try_for_each(|(seq, message)| {
            let left = self.unsaid.left.iter().filter(|(before, _)| *before == seq);
            left.for_each(|(_, symbol)| standing.forget(*symbol));
            standing.apply(message?);
            Some(())
        })?;
        Some(standing)
    }

    /// A symbol is gone before the message with this number, which is the next.
    pub(super) fn leave(&mut self, seq: SeqNo, symbol: Symbol) {
        self.unsaid.left.push((seq, symbol));
        self.forget(symbol);
    }

    /// These messages, which nobody is sent, stand from the symbol's definition on, which is to come.
    pub(super) fn arrive(&mut self, symbol: Symbol, messages: Vec<Box<[u8]>>) {
        self.unsaid.arrives.push((symbol, messages));
    }

    fn forget(&mut self, symbol: Symbol) {
        let keys = self.facts.keys().copied();
        let Some(gone) = keys.into_iter().find(|key| self.symbol(*key) == Some(symbol)) else {
            return;
        };
        self.facts.remove(&gone);
        self.orders.retain(|_, order| order.key != gone);
        self.levels.retain(|place, _| place.0 != gone);
    }

    /// How many of the last messages are not in what stands, because a transaction is open.
    #[must_use]
    pub fn unsettled(&self) -> u64 {
        self.unsettled.len() as u64
    }

    /// Whether everything of this format that can stand is kept: not the quotes of TOPS.
    #[must_use]
    pub fn is_all(&self) -> bool {
        matches!(self.format, Some(Format::NasdaqItch50 | Format::IexDeep))
    }

    /// Whether open orders are kept.
    #[must_use]
    pub fn keeps_orders(&self) -> bool {
        self.keeps_orders
    }

    /// The system events of the session, oldest first.
    pub fn system(&self) -> impl Iterator<Item = &[u8]> {
        self.system.iter().map(|message| &**message)
    }

    /// What is known of each instrument, by its key.
    pub fn facts(&self) -> impl Iterator<Item = (InstrumentKey, &Facts)> {
        self.facts.iter().map(|(key, facts)| (*key, facts))
    }

    /// The symbol of an instrument, by its definition.
    #[must_use]
    pub fn symbol(&self, key: InstrumentKey) -> Option<Symbol> {
        let definition = self.facts.get(&key)?.0[0].as_deref()?;
        match self.format?.decode(definition).ok()?.event {
            Event::Definition { symbol, .. } => Some(symbol),
            _ => None,
        }
    }

    /// The open orders by their reference; none unless they are kept.
    pub fn orders(&self) -> impl Iterator<Item = (u64, &OpenOrder)> {
        self.orders.iter().map(|(reference, order)| (*reference, order))
    }

    /// The newest message of every price level with a size: by instrument, bids before asks, lower
    /// prices first.
    pub fn levels(&self) -> impl Iterator<Item = &[u8]> {
        self.levels.values().map(|message| &**message)
    }

    /// Takes the next message. What can't be understood changes nothing: it is the publisher's to
    /// send, not ours to judge.
    pub fn apply(&mut self, message: &[u8]) {
        let Some(format) = self.format else { return };
        let is_order = format == Format::NasdaqItch50
            && matches!(message.first(), Some(b'A' | b'F' | b'E' | b'C' | b'X' | b'D' | b'U'));
        if is_order && !self.keeps_orders {
            return;
        }
        let known = format.decode(message);
        if let Ok(Message { key, event: Event::SetLevel { complete, .. }, .. }) = known {
            self.open.retain(|open| *open != key);
            if !complete {
                self.open.push(key);
            }
        }
        if self.open.is_empty() && self.unsettled.is_empty() {
            if let Ok(known) = known {
                self.settle(&known, message);
            }
            return;
        }
        self.unsettled.push_back(message.into());
        if self.unsettled.len() > UNSETTLED {
            self.open.clear();
        }
        if self.open.is_empty() {
            for message in core::mem::take(&mut self.unsettled) {
                if let Ok(known) = format.decode(&message) {
                    self.settle(&known, &message);
                }
            }
        }
    }

    fn settle(&mut self, known: &Message, message: &[u8]) {
        let kind = match known.event {
            Event::System(_) => return self.system.push(message.into()),
            Event::Definition { .. } => 0,
            Event::Trading { .. } => 1,
            Event::ShortSale { .. } => 2,
            Event::OperationalHalt { .. } => 3,
            event => return self.trade_on(known.key, &event, message),
        };
        let fact = &mut self.facts.entry(known.key).or_default().0[kind];
        let is_first = fact.replace(message.into()).is_none();
        if let Event::Definition { symbol, .. } = known.event
            && is_first
        {
            let arrives = self.unsaid.arrives.iter().filter(|(of, _)| *of == symbol);
            let silent: Vec<Box<[u8]>> = arrives.flat_map(|(_, silent)| silent.clone()).collect();
            silent.iter().for_each(|message| self.apply(message));
        }
    }

    fn trade_on(&mut self, key: InstrumentKey, event: &Event, message: &[u8]) {
        match *event {
            Event::SetLevel { side, price, size: 0, .. } => {
                self.levels.remove(&(key, side, price.0));
            }
            Event::SetLevel { side, price, .. } => {
                self.levels.insert((key, side, price.0), message.into());
            }
            Event::Add { order, side, price, size } => {
                self.orders.insert(order, OpenOrder { key, side, price: price.0, size });
            }
            Event::Execute { order, size, .. } | Event::Reduce { order, size } => {
                if let Some(open) = self.orders.get_mut(&order) {
                    open.size = open.size.saturating_sub(size);
                    if open.size == 0 {
                        self.orders.remove(&order);
                    }
                }
            }
            Event::Delete { order } => {
                self.orders.remove(&order);
            }
            Event::Replace { order, new_order, price, size } => {
                if let Some(old) = self.orders.remove(&order) {
                    self.orders.insert(new_order, OpenOrder { price: price.0, size, ..old });
                }
            }
            Event::Clear => {
                self.orders.retain(|_, order| order.key != key);
                self.levels.retain(|place, _| place.0 != key);
            }
            _ => {}
        }
    }
}

//! A day of a whole market as TotalView-ITCH 5.0, of any length: what is written to a file that every tool
//! for ITCH can read.
//!
//! Of the flow behind the opening 45% are orders added, 40% deleted, 8% replaced, 4% executed, 2% reduced;
//! the rest are hidden trades, imbalances, short-sale states, positions, halts and broken trades. So the
//! number of live orders grows all day, by some three for every hundred messages. How busy a symbol is
//! follows Zipf's law. References rise, and about half of the numbers are used. A symbol's price walks;
//! its book is never locked or crossed; most of what happens, happens near the best price, and some far
//! away from it. Memory follows the live orders, not the length of the day.
//!
//! ```
//! use candor_bench::day::{Day, Plan};
//!
//! let mut file = Vec::new();
//! let mut day = Day::new(Plan { seed: 1, messages: 5_000, symbols: 100 })?;
//! while let Some(message) = day.next_message() {
//!     file.extend_from_slice(&(message.len() as u16).to_be_bytes());
//!     file.extend_from_slice(message);
//! }
//! assert!(day.live_orders() > 50);
//! # Ok::<(), String>(())
//! ```

mod clock;
mod stock;
mod zipf;

use candor_core::WireTime;
use candor_decoders::nasdaq::itch50::{NetOrderImbalance, ParticipantPosition, Prefix};
use candor_decoders::{IntoBytes, alpha};
use candor_sim::market::names::names;
use candor_sim::market::wire::{Action, encode};
use candor_sim::rng::Rng;

use clock::Clock;
use stock::Stock;
use zipf::Zipf;

/// What a day is made from. The same plan makes the same bytes on every machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// What everything is drawn from.
    pub seed: u64,
    /// Messages in all.
    pub messages: u64,
    /// Symbols: 1 to 65,535.
    pub symbols: u32,
}

/// A kind of message of the flow.
#[derive(Clone, Copy)]
enum Kind {
    Add,
    Delete,
    Replace,
    Execute,
    Reduce,
    Other,
}

/// Of a million messages of the flow, so many at most are of this kind or one before.
const KINDS: [(u64, Kind); 6] = [
    (450_000, Kind::Add),
    (850_000, Kind::Delete),
    (930_000, Kind::Replace),
    (970_000, Kind::Execute),
    (990_000, Kind::Reduce),
    (1_000_000, Kind::Other),
];

/// Draws of a symbol that has an order, before one is added instead.
const DRAWS: usize = 64;

/// What the market says of its day while there is flow, and at how many seconds since midnight.
const MILESTONES: [(u64, u8); 3] = [(25_200, b'S'), (34_200, b'Q'), (57_600, b'M')];

/// What it says behind the flow.
const LAST: [u8; 2] = *b"EC";

const SECOND: u64 = 1_000_000_000;

/// When the opening is sent: half past three in the morning.
const OPENING: WireTime = WireTime(12_600 * SECOND);

/// A day under way: one message after the other.
#[derive(Debug)]
pub struct Day {
    plan: Plan,
    rng: Rng,
    zipf: Zipf,
    clock: Clock,
    stocks: Vec<Stock>,
    /// The last number given to an order.
    reference: u64,
    /// The last number given to a trade.
    trade: u64,
    /// The last hidden trade, for it to be broken: its symbol and number.
    hidden: Option<(usize, u64)>,
    halted: Option<usize>,
    /// The time of the last message of the flow.
    now: WireTime,
    live: u64,
    peak: u64,
    /// Messages made so far, and of the flow.
    made: u64,
    flowed: u64,
    milestones: usize,
    buffer: Vec<u8>,
}

impl Day {
    /// The day of a plan, before its first message.
    ///
    /// # Errors
    /// In words, when the plan has no symbols, more than a stock locate can name, or fewer messages than
    /// its opening and its system events take: two for each symbol and six.
    pub fn new(plan: Plan) -> Result<Day, String> {
        if plan.symbols == 0 || plan.symbols > u32::from(u16::MAX) {
            return Err(format!("{} symbols: a stock locate names 1 to 65535", plan.symbols));
        }
        let beside = 2 * u64::from(plan.symbols) + 1 + (MILESTONES.len() + LAST.len()) as u64;
        let Some(flow) = plan.messages.checked_sub(beside) else {
            return Err(format!("{} messages: the opening alone takes {beside}", plan.messages));
        };
        let mut rng = Rng::new(plan.seed);
        let stocks = names(plan.symbols as usize, &mut rng);
        let stocks = stocks.into_iter().map(|name| Stock::new(name, &mut rng)).collect();
        Ok(Day {
            plan,
            zipf: Zipf::new(plan.symbols, &mut rng),
            rng,
            clock: Clock::new(flow),
            stocks,
            reference: 0,
            trade: 0,
            hidden: None,
            halted: None,
            now: OPENING,
            live: 0,
            peak: 0,
            made: 0,
            flowed: 0,
            milestones: 0,
            buffer: Vec::with_capacity(64),
        })
    }

    /// Orders that rest now.
    #[must_use]
    pub fn live_orders(&self) -> u64 {
        self.live
    }

    /// The most orders that rested at once so far.
    #[must_use]
    pub fn peak_orders(&self) -> u64 {
        self.peak
    }

    /// Messages made so far.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.made
    }

    /// The next message; `None` behind the last.
    pub fn next_message(&mut self) -> Option<&[u8]> {
        let number = self.made;
        if number == self.plan.messages {
            return None;
        }
        self.made += 1;
        let symbols = u64::from(self.plan.symbols);
        let last = self.plan.messages - LAST.len() as u64;
        if number == 0 {
            self.say(&Action::System { event: b'O' }, 0, OPENING);
        } else if number <= symbols {
            let at = number - 1;
            let symbol = self.stocks[at as usize].symbol;
            self.say(&Action::Directory { symbol, round_lot: 100 }, at as u16 + 1, OPENING);
        } else if number <= 2 * symbols {
            let at = number - 1 - symbols;
            let symbol = self.stocks[at as usize].symbol;
            let action = Action::Trading { symbol, state: b'T', reason: *b"    " };
            self.say(&action, at as u16 + 1, OPENING);
        } else if number >= last {
            let time = WireTime(72_000 * SECOND + (number - last) * 300 * SECOND);
            self.say(&Action::System { event: LAST[(number - last) as usize] }, 0, time);
        } else {
            self.flow();
        }
        Some(&self.buffer)
    }

    fn say(&mut self, action: &Action, locate: u16, time: WireTime) {
        self.buffer.clear();
        self.buffer.extend_from_slice(encode(action, locate, time).bytes());
    }

    fn flow(&mut self) {
        let jitter = self.rng.bits();
        let time = self.clock.time(self.flowed, jitter).max(self.now);
        self.now = time;
        if let Some((due, event)) = MILESTONES.get(self.milestones)
            && (time.0 >= due * SECOND || self.flowed == self.clock.length())
        {
            self.milestones += 1;
            self.say(&Action::System { event: *event }, 0, WireTime(due * SECOND));
            return;
        }
        self.flowed += 1;
        let draw = self.rng.below(1_000_000);
        let kind = KINDS.iter().find(|(below, _)| draw < *below).map_or(Kind::Other, |kind| kind.1);
        let mut at = self.zipf.draw(&mut self.rng);
        match kind {
            Kind::Add => {}
            Kind::Other => return self.other(at, time),
            _ => {
                for _ in 0..DRAWS {
                    if self.stocks[at].orders() > 0 {
                        break;
                    }
                    at = self.zipf.draw(&mut self.rng);
                }
            }
        }
        let action = self.order(kind, at).unwrap_or_else(|| self.add(at));
        self.peak = self.peak.max(self.live);
        self.say(&action, at as u16 + 1, time);
    }

    /// The next number for an order: about half of them are passed over.
    fn next_reference(&mut self) -> u64 {
        self.reference += 1 + self.rng.run(470_000, 8);
        self.reference
    }

    fn next_trade(&mut self) -> u64 {
        self.trade += 1;
        self.trade
    }

    fn add(&mut self, at: usize) -> Action {
        let reference = self.next_reference();
        self.live += 1;
        let attributed = self.rng.chance(50_000);
        let stock = &mut self.stocks[at];
        let order = stock.add(reference, None, &mut self.rng);
        Action::Add { symbol: stock.symbol, order, attributed }
    }

    /// What happens to an order of this symbol; `None` where none rests.
    fn order(&mut self, kind: Kind, at: usize) -> Option<Action> {
        let stock = &mut self.stocks[at];
        match kind {
            Kind::Delete => {
                let order = stock.take(&mut self.rng)?;
                self.live -= 1;
                Some(Action::Delete { reference: order.reference })
            }
            Kind::Replace => {
                let old = stock.take(&mut self.rng)?;
                let reference = self.next_reference();
                let new = self.stocks[at].add(reference, Some(old.side), &mut self.rng);
                Some(Action::Replace { old: old.reference, new })
            }
            Kind::Reduce => {
                let (order, size) = stock.lessen(false, &mut self.rng)?;
                self.live -= u64::from(size == order.size);
                Some(Action::Reduce { reference: order.reference, size })
            }
            Kind::Execute => {
                let (order, size) = stock.lessen(true, &mut self.rng)?;
                self.live -= u64::from(size == order.size);
                let (reference, trade) = (order.reference, self.next_trade());
                if !self.rng.chance(25_000) {
                    return Some(Action::Execute { reference, size, trade });
                }
                let printable = self.rng.chance(500_000);
                Some(Action::ExecuteAt { reference, size, trade, printable, price: order.price })
            }
            Kind::Add | Kind::Other => None,
        }
    }

    fn other(&mut self, at: usize, time: WireTime) {
        let locate = at as u16 + 1;
        let stock = &self.stocks[at];
        let (symbol, price) = (stock.symbol, stock.last());
        match self.rng.below(1_000) {
            0..680 => {
                let size = self.rng.between(1, 500) as u32;
                let trade = self.next_trade();
                self.hidden = Some((at, trade));
                self.say(&Action::Trade { symbol, price, size, trade }, locate, time);
            }
            680..880 => self.imbalance(at, time),
            880..960 => self.say(&Action::ShortSale { symbol }, locate, time),
            960..980 => match self.hidden.take() {
                Some((at, trade)) => self.say(&Action::Break { trade }, at as u16 + 1, time),
                None => self.say(&Action::ShortSale { symbol }, locate, time),
            },
            980..990 => self.position(at, time),
            // One symbol is halted at a time, and trades again when the next one would be.
            _ => {
                let (at, state, reason) = match self.halted.take() {
                    Some(at) => (at, b'T', *b"    "),
                    None => {
                        self.halted = Some(at);
                        (at, b'H', *b"T1  ")
                    }
                };
                let symbol = self.stocks[at].symbol;
                self.say(&Action::Trading { symbol, state, reason }, at as u16 + 1, time);
            }
        }
    }

    fn imbalance(&mut self, at: usize, time: WireTime) {
        let stock = &self.stocks[at];
        let price = stock.last().into();
        let message = NetOrderImbalance {
            prefix: Prefix::of::<NetOrderImbalance>(at as u16 + 1, time),
            paired: self.rng.below(100_000).into(),
            imbalance: self.rng.below(10_000).into(),
            direction: b'B',
            stock: alpha(stock.symbol.as_str()).unwrap_or([b' '; 8]),
            far: price,
            near: price,
            reference: price,
            cross_type: b'C',
            variation: b'L',
        };
        self.buffer.clear();
        self.buffer.extend_from_slice(message.as_bytes());
    }

    fn position(&mut self, at: usize, time: WireTime) {
        let message = ParticipantPosition {
            prefix: Prefix::of::<ParticipantPosition>(at as u16 + 1, time),
            mpid: *b"CNDR",
            stock: alpha(self.stocks[at].symbol.as_str()).unwrap_or([b' '; 8]),
            primary: b'Y',
            mode: b'N',
            state: b'A',
        };
        self.buffer.clear();
        self.buffer.extend_from_slice(message.as_bytes());
    }
}

/// A whole day in length-prefixed framing, in memory.
///
/// # Errors
/// See [`Day::new`].
pub fn file(plan: Plan) -> Result<Vec<u8>, String> {
    let mut file = Vec::new();
    let mut day = Day::new(plan)?;
    while let Some(message) = day.next_message() {
        file.extend_from_slice(&(message.len() as u16).to_be_bytes());
        file.extend_from_slice(message);
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use candor_book::{Capacity, Shape, naive};
    use candor_core::{Decimals, Event, SeqNo, Side, SymbolIndex};
    use candor_decoders::Format;

    use super::*;

    const PLAN: Plan = Plan { seed: 5, messages: 60_000, symbols: 300 };

    fn messages(plan: Plan) -> Vec<Vec<u8>> {
        let mut day = Day::new(plan).unwrap();
        let mut all = Vec::new();
        while let Some(message) = day.next_message() {
            all.push(message.to_vec());
        }
        all
    }

    /// No fault by the rules of the books, no locked or crossed book, nothing that breaks what ITCH says of
    /// order and number.
    #[test]
    fn the_naive_books_take_every_message() {
        let all = messages(PLAN);
        assert_eq!(all.len() as u64, PLAN.messages);
        let n = PLAN.symbols as usize;
        let capacity = Capacity { symbols: n, orders: 1 << 20, levels: 1 << 20, trades: 1 << 14 };
        let mut books = naive::Books::new(Shape::ByOrder, capacity, Decimals(4));
        (0..n).for_each(|_| assert!(books.add_symbol().is_some()));
        let (mut defined, mut newest, mut time) = (vec![false; n], 0, WireTime(0));
        for (number, bytes) in (1..).zip(&all) {
            let message = Format::NasdaqItch50.decode(bytes).unwrap();
            assert_eq!(Format::NasdaqItch50.layout_len(message.kind), Some(bytes.len()));
            assert!(message.time >= time, "time went back at {number}");
            time = message.time;
            let Some(at) = message.key.0.checked_sub(1) else { continue };
            match message.event {
                Event::Definition { .. } => defined[at as usize] = true,
                Event::Add { order, .. } | Event::Replace { new_order: order, .. } => {
                    assert!(order > newest, "references rise");
                    newest = order;
                }
                _ => {}
            }
            assert!(defined[at as usize], "the directory comes first");
            let symbol = SymbolIndex(at as u32);
            let change = books.apply(symbol, SeqNo(number), &message);
            assert!(
                change.is_ok_and(|change| !change.unmatched),
                "{number}: {message:?} {change:?}"
            );
            let best = [Side::Bid, Side::Ask].map(|side| books.best(symbol, side));
            if let [Some(bid), Some(ask)] = best {
                assert!(bid.price < ask.price, "{number}: locked or crossed");
            }
        }
        let mut day = Day::new(PLAN).unwrap();
        while day.next_message().is_some() {}
        assert_eq!(books.order_count() as u64, day.live_orders());
        assert!(day.live_orders() > PLAN.messages / 50 && day.peak_orders() >= day.live_orders());
        let dense = PLAN.messages * 53 / 100 * 100 / newest;
        assert!((45..60).contains(&dense), "{dense}% of references are used");
    }

    #[test]
    fn a_day_has_the_proportions_it_says() {
        let mut kinds: BTreeMap<u8, u64> = BTreeMap::new();
        let all = messages(PLAN);
        all.iter().for_each(|message| *kinds.entry(message[0]).or_default() += 1);
        let flow = PLAN.messages - 2 * u64::from(PLAN.symbols) - 6;
        let share = |letters: &[u8]| {
            let count: u64 = letters.iter().filter_map(|letter| kinds.get(letter)).sum();
            count as f64 * 100.0 / flow as f64
        };
        for (letters, percent) in
            [(&b"AF"[..], 45.0), (b"D", 40.0), (b"U", 8.0), (b"EC", 4.0), (b"X", 2.0), (b"P", 0.68)]
        {
            let seen = share(letters);
            assert!((seen - percent).abs() < percent / 20.0 + 0.1, "{letters:?}: {seen}%");
        }
        assert_eq!((kinds[&b'R'], kinds[&b'S']), (u64::from(PLAN.symbols), 6));
        assert!(kinds[&b'H'] > u64::from(PLAN.symbols));
        assert_eq!(all.last().map(|message| message[11]), Some(b'C'));
    }

    #[test]
    fn the_same_plan_makes_the_same_bytes() {
        let plan = Plan { messages: 5_000, ..PLAN };
        assert_eq!(file(plan), file(plan));
        assert_ne!(file(plan), file(Plan { seed: 6, ..plan }));
        assert!(file(Plan { messages: 605, ..PLAN }).is_err());
        assert!(file(Plan { messages: 606, ..PLAN }).is_ok());
        assert!(file(Plan { symbols: 0, ..PLAN }).is_err());
        assert!(file(Plan { symbols: 65_536, ..PLAN }).is_err());
    }
}

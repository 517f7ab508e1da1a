//! A synthetic market: symbols over partitions, an order flow with true books, in the messages of
//! one family of venues: Nasdaq's, by order, or IEX's, by price level.
//!
//! Pure: time is an argument, and one seed gives one stream of bytes per partition, whatever the
//! order in which partitions are asked.

pub mod book;
mod deep;
pub mod flow;
mod listing;
mod mood;
pub mod names;
pub mod wire;

use candor_core::Symbol;
use candor_decoders::Format;
use candor_decoders::iex::tp::{self, Stream};

use crate::publisher::Framing;
use crate::rng::Rng;
pub use book::TrueBook;
pub use flow::{PartitionMarket, Step};
pub use mood::Mood;

/// Whose messages a market speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Family {
    /// TotalView-ITCH 5.0: every order.
    #[default]
    Itch50,
    /// DEEP 1.0: price levels, in transactions of which the last level says that it is the last.
    Deep,
}

impl Family {
    /// The family that speaks this format; `None` where no market does.
    #[must_use]
    pub const fn of(format: Format) -> Option<Family> {
        match format {
            Format::NasdaqItch50 => Some(Family::Itch50),
            Format::IexDeep => Some(Family::Deep),
            Format::IexTops => None,
        }
    }

    /// How a market of this family frames its messages in a session of this name, space padded. A
    /// session of IEX is a number: the one the name ends in, or 1.
    #[must_use]
    pub fn framing(self, session: [u8; 10]) -> Framing {
        match self {
            Family::Itch50 => Framing::MoldUdp64(session),
            Family::Deep => {
                let name = session.trim_ascii();
                let digits = name.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
                let number = core::str::from_utf8(&name[name.len() - digits..]).ok();
                let number = number.and_then(|digits| digits.parse().ok()).filter(|n| *n > 0);
                let session = number.unwrap_or(1);
                Framing::IexTp(Stream { protocol: tp::DEEP_1_0, channel: 1, session })
            }
        }
    }
}

/// What a market is made from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MarketConfig {
    /// Everything follows from it.
    pub seed: u64,
    /// Number of partitions.
    pub partitions: usize,
    /// Number of symbols over all partitions.
    pub symbols: usize,
    /// Orders put on each side of each book before the market opens.
    pub prefill: usize,
    /// Whether symbols are halted now and then.
    pub halts: bool,
    /// Whose messages it speaks.
    pub family: Family,
}

impl Default for MarketConfig {
    fn default() -> Self {
        MarketConfig {
            seed: 1,
            partitions: 1,
            symbols: 1_000,
            prefill: 3,
            halts: true,
            family: Family::Itch50,
        }
    }
}

/// A symbol as listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listing {
    /// Its name.
    pub symbol: Symbol,
    /// Its first price in ten-thousandths.
    pub price: u32,
    /// Its share of all activity, by Zipf's law: the n-th most active has 1/n of the first's.
    pub activity: u64,
}

/// The activity of the most active symbol.
const MOST_ACTIVE: u64 = 1 << 40;

/// Classes of prices in ten-thousandths, with the share of listings in percent.
const PRICES: [(u64, u64, u64); 6] = [
    (2, 2_000, 9_999),
    (14, 10_000, 50_000),
    (30, 50_000, 200_000),
    (34, 200_000, 800_000),
    (15, 800_000, 3_000_000),
    (5, 3_000_000, 20_000_000),
];

/// All partitions of one market.
#[derive(Clone, Debug)]
pub struct Market {
    /// The partitions, each with a stream of its own.
    pub partitions: Vec<PartitionMarket>,
}

impl Market {
    /// The market of this configuration, before its first message.
    ///
    /// # Panics
    /// When a partition would have no symbol, or more than 65,534.
    #[must_use]
    pub fn new(config: MarketConfig) -> Market {
        let listings = listings(&config);
        let bounds = (0..=config.partitions).map(|p| p * listings.len() / config.partitions);
        let bounds: Vec<usize> = bounds.collect();
        Market::of(config, bounds.windows(2).map(|bounds| &listings[bounds[0]..bounds[1]]))
    }

    /// The market of this configuration with these symbols, by partition; how many there are of each is
    /// theirs to say.
    ///
    /// # Panics
    /// As [`Market::new`].
    #[must_use]
    pub fn listed(config: MarketConfig, lists: &[Vec<Symbol>]) -> Market {
        let mut rng = Rng::stream(config.seed, u64::MAX);
        let mut listings = spread(lists.concat(), &mut rng);
        let own = lists.iter().map(|list| listings.drain(..list.len()).collect::<Vec<_>>());
        let own: Vec<Vec<Listing>> = own.collect();
        Market::of(config, own.iter().map(Vec::as_slice))
    }

    fn of<'a>(config: MarketConfig, lists: impl Iterator<Item = &'a [Listing]>) -> Market {
        let partitions = lists.enumerate().map(|(partition, own)| {
            assert!(!own.is_empty(), "partition {} has no symbol", partition + 1);
            PartitionMarket::new(config, partition, own)
        });
        Market { partitions: partitions.collect() }
    }
}

/// The listings of a market by the alphabet, which is also how they are spread over partitions:
/// each has a range of names.
///
/// # Panics
/// When more than a million symbols are asked for.
#[must_use]
pub fn listings(config: &MarketConfig) -> Vec<Listing> {
    let mut rng = Rng::stream(config.seed, u64::MAX);
    let names = names::names(config.symbols, &mut rng);
    spread(names, &mut rng)
}

/// Gives each name a price and its share of all activity.
fn spread(names: Vec<Symbol>, rng: &mut Rng) -> Vec<Listing> {
    // Ranks of activity, shuffled over the names.
    let mut ranks: Vec<u64> = (1..=names.len() as u64).collect();
    for last in (1..ranks.len()).rev() {
        ranks.swap(last, rng.below(last as u64 + 1) as usize);
    }
    let listing = |(symbol, rank): (Symbol, u64)| {
        let price = first_price(rng);
        Listing { symbol, price, activity: MOST_ACTIVE / rank }
    };
    names.into_iter().zip(ranks).map(listing).collect()
}

fn first_price(rng: &mut Rng) -> u32 {
    let mut draw = rng.below(100);
    for (share, low, high) in PRICES {
        if draw < share {
            let price = rng.between(low, high) as u32;
            return if price >= 10_000 { price / 100 * 100 } else { price };
        }
        draw -= share;
    }
    100_000
}

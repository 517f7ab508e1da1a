//! What differs between two maps of one venue: what an operator must know before a new one is taken, and
//! how much of the venue it moves.
//!
//! Where partitions have ranges, a list of symbols (yesterday's, say) tells which of them move. Without one
//! nobody knows how many do, and what nobody knows exceeds every bound.

mod grave;
mod rows;
mod symbols;
mod words;

use candor_core::symbol::Text;
use candor_core::{Line, Nanos, Symbol, TradingDate, Venue};

pub use grave::Grave;
pub use rows::Row;

use crate::model::{Endpoint, Map, Partition, Protocol, Symbols};
use crate::words::{counted, few};

/// The share of symbols that may move or go without being acknowledged: 1 %, in parts per million.
pub const BOUND_PPM: u32 = 10_000;

/// What something was, and what it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change<T> {
    /// In the old map.
    pub from: T,
    /// In the new one.
    pub to: T,
}

impl<T: PartialEq> Change<T> {
    fn between(from: T, to: T) -> Option<Change<T>> {
        (from != to).then_some(Change { from, to })
    }
}

/// How a map says what partitions carry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// It lists symbols.
    Lists,
    /// It has ranges.
    Ranges,
    /// It lists some, and has ranges for the rest.
    ListsAndRanges,
    /// It leaves that to the wire.
    InBand,
}

impl Rule {
    /// How this map says it.
    #[must_use]
    pub fn of(map: &Map) -> Rule {
        let lists = map.partitions.iter().any(|one| matches!(one.symbols, Symbols::List(_)));
        let ranges = map.partitions.iter().any(|one| matches!(one.symbols, Symbols::Ranges(_)));
        match (lists, ranges) {
            (true, true) => Rule::ListsAndRanges,
            (true, false) => Rule::Lists,
            (false, true) => Rule::Ranges,
            (false, false) => Rule::InBand,
        }
    }

    /// Its name in words and rows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Rule::Lists => "lists",
            Rule::Ranges => "ranges",
            Rule::ListsAndRanges => "lists and ranges",
            Rule::InBand => "in-band",
        }
    }
}

/// A partition in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Described {
    /// Its name.
    pub name: Text<16>,
    /// Its lines and services in words.
    pub endpoints: String,
    /// What it carries in words.
    pub carried: String,
}

/// Something that changed of a partition both maps have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Altered {
    /// The partition, as the new map calls it.
    pub partition: Text<16>,
    /// What changed: `line A`, `snapshot line B`, `retransmit`, `snapshot`, `silence`, `ranges`,
    /// `products`.
    pub what: String,
    /// From what to what, in words; empty where there is none. Of products those that are gone, and those
    /// that are new.
    pub change: Change<String>,
}

/// Symbols that moved from one partition to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Moved {
    /// The partition that carried them, as the old map calls it.
    pub from: Text<16>,
    /// The partition that carries them, as the new map calls it.
    pub to: Text<16>,
    /// The symbols, ascending.
    pub symbols: Vec<Symbol>,
}

/// Symbols that one of the maps puts on this partition, and the other nowhere.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// The partition.
    pub partition: Text<16>,
    /// The symbols, ascending.
    pub symbols: Vec<Symbol>,
}

/// Everything that differs between two maps of one venue, but for their dates.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The venue.
    pub venue: Venue,
    /// The dates of the maps.
    pub dates: Change<TradingDate>,
    /// The protocol, where it changed.
    pub protocol: Option<Change<Protocol>>,
    /// How the map says what partitions carry, where that changed.
    pub rule: Option<Change<Rule>>,
    /// Partitions that are new.
    pub added: Vec<Described>,
    /// Partitions that are gone.
    pub removed: Vec<Described>,
    /// Partitions with the lines and symbols they had, under another name.
    pub renamed: Vec<Change<Text<16>>>,
    /// Lines, services, silence bounds and ranges that changed, by partition.
    pub altered: Vec<Altered>,
    /// Whether partitions that both maps have come in another order.
    pub reordered: bool,
    /// Symbols that moved, by pair of partitions: most first.
    pub moved: Vec<Moved>,
    /// Symbols that the old map put nowhere.
    pub gained: Vec<Group>,
    /// Symbols that the new map puts nowhere.
    pub dropped: Vec<Group>,
    /// Symbols that the maps put somewhere.
    pub placed: Change<usize>,
    /// Whether the symbols above are all there are: not where ranges changed and no symbols were given, nor
    /// where partitions changed that name their symbols on the wire.
    pub known: bool,
    /// What needs somebody's name however few symbols move.
    pub grave: Vec<Grave>,
}

/// Maps of two venues have nothing to compare: what has one name in both is not one thing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("one is a map of {from}, the other of {to}: compare maps of one venue")]
pub struct OtherVenue {
    /// The old map's venue.
    pub from: Venue,
    /// The new map's venue.
    pub to: Venue,
}

impl Difference {
    /// What differs from `old` to `new`. Where ranges say what partitions carry, `symbols` are those that
    /// are looked for in both; what the maps list is looked for anyway.
    ///
    /// # Errors
    /// [`OtherVenue`] where the maps are of two.
    pub fn between(old: &Map, new: &Map, symbols: &[Symbol]) -> Result<Difference, OtherVenue> {
        if old.venue != new.venue {
            return Err(OtherVenue { from: old.venue, to: new.venue });
        }
        let pairs = pairs(old, new);
        let missing = |map: &Map, has: &dyn Fn(usize) -> bool| {
            let absent = (0..map.partitions.len()).filter(|at| !has(*at));
            absent.map(|at| Described::of(&map.partitions[at])).collect::<Vec<_>>()
        };
        let mut renamed = Vec::new();
        let mut altered = Vec::new();
        let rule = Change::between(Rule::of(old), Rule::of(new));
        for (from, to) in &pairs {
            let (from, to) = (&old.partitions[*from], &new.partitions[*to]);
            renamed.extend(Change::between(from.name, to.name));
            alter(&mut altered, from, to, rule.is_none());
        }
        let mut difference = Difference {
            venue: new.venue,
            dates: Change { from: old.date, to: new.date },
            protocol: Change::between(old.protocol, new.protocol),
            rule,
            added: missing(new, &|at| pairs.iter().any(|(_, to)| *to == at)),
            removed: missing(old, &|at| pairs.iter().any(|(from, _)| *from == at)),
            renamed,
            altered,
            reordered: !pairs.is_sorted_by_key(|(_, to)| *to),
            moved: Vec::new(),
            gained: Vec::new(),
            dropped: Vec::new(),
            placed: Change { from: 0, to: 0 },
            known: true,
            grave: grave::between(old, new, &pairs),
        };
        symbols::compare(&mut difference, old, new, symbols, &pairs);
        difference.known = difference.is_known(old, new, !symbols.is_empty());
        Ok(difference)
    }

    fn is_known(&self, old: &Map, new: &Map, given: bool) -> bool {
        let reshaped = self.rule.is_some()
            || !self.added.is_empty()
            || !self.removed.is_empty()
            || self.altered.iter().any(|one| one.what == CARRIED || one.what == PRODUCTS);
        // Symbols of another venue, say, were found nowhere, and tell nothing.
        let looked_for = given && self.placed.from > 0;
        let any = |is: fn(&Symbols) -> bool| {
            old.partitions.iter().chain(&new.partitions).any(|one| is(&one.symbols))
        };
        let in_band = any(|symbols| matches!(symbols, Symbols::Products(_) | Symbols::InBand));
        let ranges = any(|symbols| matches!(symbols, Symbols::Ranges(_)));
        !reshaped || !in_band && (looked_for || !ranges)
    }

    /// Whether the maps say the same, but for their dates.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows().is_empty()
    }

    /// How many symbols moved.
    #[must_use]
    pub fn moved_count(&self) -> usize {
        self.moved.iter().map(|moved| moved.symbols.len()).sum()
    }

    /// How many symbols the new map puts nowhere.
    #[must_use]
    pub fn dropped_count(&self) -> usize {
        self.dropped.iter().map(|group| group.symbols.len()).sum()
    }

    /// The share of symbols that moved, of all that the old map put somewhere, in parts per million; `None`
    /// where nobody can know.
    #[must_use]
    pub fn moved_share(&self) -> Option<u32> {
        let share = (self.moved_count() as u64 * 1_000_000).checked_div(self.placed.from as u64);
        self.known.then(|| share.map_or(0, |ppm| ppm as u32))
    }

    /// Whether more symbols moved or were dropped than this share of them all, or nobody can know; or something
    /// changed that needs somebody's name by itself ([`Difference::grave`]).
    #[must_use]
    pub fn exceeds(&self, bound_ppm: u32) -> bool {
        let lost = (self.moved_count() + self.dropped_count()) as u64;
        let many = lost * 1_000_000 > u64::from(bound_ppm) * self.placed.from as u64;
        !self.known || many || !self.grave.is_empty()
    }
}

/// The partitions that both maps have, by their indices: by name, and where a name is gone by what it was.
fn pairs(old: &Map, new: &Map) -> Vec<(usize, usize)> {
    let named = |map: &Map, name| map.partitions.iter().position(|one| one.name == name);
    let mut pairs = Vec::new();
    for (from, partition) in old.partitions.iter().enumerate() {
        let to = named(new, partition.name).or_else(|| {
            new.partitions
                .iter()
                .position(|other| named(old, other.name).is_none() && is_same(partition, other))
        });
        if let Some(to) = to {
            pairs.push((from, to));
        }
    }
    pairs
}

/// Whether it is one partition under two names.
fn is_same(one: &Partition, other: &Partition) -> bool {
    one.lines == other.lines && one.symbols == other.symbols
}

/// What [`Altered::what`] says where a partition carries something else by its ranges.
const CARRIED: &str = "ranges";

/// What [`Altered::what`] says where a partition has other products.
const PRODUCTS: &str = "products";

fn alter(altered: &mut Vec<Altered>, from: &Partition, to: &Partition, carried_too: bool) {
    let mut put = |what: String, old: String, new: String| {
        let change = Change::between(old, new);
        altered.extend(change.map(|change| Altered { partition: to.name, what, change }));
    };
    for line in Line::ALL {
        let text = |at: &Option<Endpoint>| at.as_ref().map_or(String::new(), ToString::to_string);
        let index = line.index();
        put(format!("line {line}"), text(&from.lines[index]), text(&to.lines[index]));
        let snapshots = |one: &Partition| text(&one.services.snapshot_lines[index]);
        put(format!("snapshot line {line}"), snapshots(from), snapshots(to));
    }
    for what in ["retransmit", "snapshot"] {
        put(what.to_owned(), service(from, what), service(to, what));
    }
    let silence = |bound: Option<Nanos>| bound.map_or(String::new(), |bound| bound.to_string());
    put("silence".to_owned(), silence(from.silence), silence(to.silence));
    match (&from.symbols, &to.symbols) {
        (Symbols::List(_), Symbols::List(_)) => {}
        (Symbols::Products(before), Symbols::Products(now)) => {
            put(PRODUCTS.to_owned(), without(before, now), without(now, before));
        }
        _ if carried_too => put(CARRIED.to_owned(), carried(from), carried(to)),
        _ => {}
    }
}

/// Those of `one` that `other` lacks, in words.
fn without(one: &[Symbol], other: &[Symbol]) -> String {
    let lacking: Vec<&Symbol> =
        one.iter().filter(|each| other.binary_search(each).is_err()).collect();
    few(lacking.iter(), lacking.len())
}

fn service(partition: &Partition, what: &str) -> String {
    let own = partition.services.iter().filter(|(service, ..)| *service == what);
    own.map(|(_, scheme, at)| format!("{scheme}://{at}")).collect::<Vec<_>>().join(", ")
}

impl Described {
    /// This partition in words.
    #[must_use]
    pub fn of(partition: &Partition) -> Described {
        let mut endpoints: Vec<String> =
            partition.lines().map(|(line, at)| format!("{line} {at}")).collect();
        for what in ["retransmit", "snapshot"] {
            let addresses = service(partition, what);
            if !addresses.is_empty() {
                endpoints.push(format!("{what} {addresses}"));
            }
        }
        let snapshots = partition.services.snapshot_lines();
        endpoints.extend(snapshots.map(|(line, at)| format!("snapshot {line} {at}")));
        let (endpoints, carried) = (endpoints.join(", "), carried(partition));
        Described { name: partition.name, endpoints, carried }
    }
}

/// What a partition carries, in words; every range, so that two that differ read differently.
fn carried(partition: &Partition) -> String {
    match &partition.symbols {
        Symbols::List(list) => counted(list.len(), "symbol"),
        Symbols::Ranges(ranges) => few(ranges.iter(), ranges.len()),
        Symbols::Products(list) => {
            format!(
                "what the venue names of {}: {}",
                counted(list.len(), "product"),
                few(list.iter(), list.len())
            )
        }
        Symbols::InBand => "what the venue names".to_owned(),
    }
}

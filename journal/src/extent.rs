//! What a record is about: everything, a venue, partitions, or symbols of a partition.

use std::collections::{BTreeMap, BTreeSet};

use crate::record::Record;

/// A partition as records name it: `XNAS/1`.
#[must_use]
pub fn partition_name(venue: &str, name: &str) -> String {
    format!("{venue}/{name}")
}

/// A symbol's place.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// Its partition, as [`partition_name`] has it.
    pub partition: String,
    /// The symbol.
    pub symbol: String,
}

impl Place {
    /// Its venue.
    #[must_use]
    pub fn venue(&self) -> &str {
        venue_of(&self.partition)
    }
}

fn venue_of(partition: &str) -> &str {
    partition.split_once('/').map_or(partition, |(venue, _)| venue)
}

/// What a record is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Extent {
    /// The journal itself, and what operators do beside the handler.
    Nothing,
    /// All that the handler has.
    Everything,
    /// All partitions of a venue.
    Venue(String),
    /// Partitions, each whole.
    Partitions(BTreeSet<String>),
    /// Symbols of a partition; of those that moved, of both that they were and are on.
    Symbols(BTreeSet<String>, BTreeSet<String>),
}

/// The kind of a record of symbols that a map has moved, brought or dropped.
pub(crate) const MOVED: &str = "moved";

/// Kinds that are about the journal.
const OWN: [&str; 4] = ["file", "cut", "broken", "missed"];

/// What operators do that changes nothing a handler has: a drill has a network of its own, and who answers for a map has
/// not put it in force by that.
fn is_beside(record: &Record) -> bool {
    const BESIDE: [&str; 2] = ["drill", "map accept"];
    let verb = record.fields.text_of("verb").filter(|_| record.kind == "operator");
    verb.is_some_and(|verb| BESIDE.contains(&verb))
}

impl Extent {
    /// Of a record: by its fields `symbols` with `partition`, `partition` (one or many), `venue`; by none of
    /// these it is about everything.
    ///
    /// Only a record of what moved has symbols of several partitions: elsewhere those are a list beside it.
    #[must_use]
    pub fn of(record: &Record) -> Extent {
        if OWN.contains(&record.kind.as_str()) || is_beside(record) {
            return Extent::Nothing;
        }
        let names = |field: &str| -> BTreeSet<String> {
            record.fields.names_of(field).map(str::to_owned).collect()
        };
        let (partitions, symbols) = (names("partition"), names("symbols"));
        match (partitions.len(), record.fields.text_of("venue")) {
            (0, Some(venue)) => Extent::Venue(venue.to_owned()),
            (0, None) if symbols.is_empty() => Extent::Everything,
            (1, _) if !symbols.is_empty() => Extent::Symbols(partitions, symbols),
            _ if record.kind == MOVED => Extent::Symbols(partitions, symbols),
            _ => Extent::Partitions(partitions),
        }
    }

    /// Whether it takes in a symbol.
    #[must_use]
    pub fn covers(&self, place: &Place) -> bool {
        match self {
            Extent::Nothing => false,
            Extent::Everything => true,
            Extent::Venue(venue) => venue == place.venue(),
            Extent::Partitions(partitions) => partitions.contains(&place.partition),
            Extent::Symbols(partitions, symbols) => {
                partitions.contains(&place.partition) && symbols.contains(&place.symbol)
            }
        }
    }
}

/// Symbols by partition; `None` is all of a partition's.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Set(BTreeMap<String, Option<BTreeSet<String>>>);

/// How many symbols each partition has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sizes(BTreeMap<String, u64>);

impl Sizes {
    /// It has at least so many.
    pub(crate) fn at_least(&mut self, partition: &str, symbols: u64) {
        let size = self.0.entry(partition.to_owned()).or_default();
        // More than any region holds: a record may say anything.
        *size = (*size).max(symbols.min(1 << 32));
    }

    /// One of which nothing is known still counts as something.
    fn of(&self, partition: &str) -> u64 {
        self.0.get(partition).copied().unwrap_or(0).max(1)
    }

    pub(crate) fn partitions(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }
}

impl Set {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn add_all(&mut self, partition: &str) {
        self.0.insert(partition.to_owned(), None);
    }

    pub(crate) fn add(&mut self, partition: &str, symbols: impl IntoIterator<Item = String>) {
        let own = self.0.entry(partition.to_owned()).or_insert_with(|| Some(BTreeSet::new()));
        if let Some(own) = own {
            own.extend(symbols);
        }
    }

    pub(crate) fn add_extent(&mut self, extent: &Extent, sizes: &Sizes) {
        match extent {
            Extent::Nothing => {}
            Extent::Everything => sizes.partitions().for_each(|partition| self.add_all(partition)),
            Extent::Venue(venue) => sizes
                .partitions()
                .filter(|partition| venue_of(partition) == venue)
                .for_each(|partition| self.add_all(partition)),
            Extent::Partitions(partitions) => {
                partitions.iter().for_each(|partition| self.add_all(partition));
            }
            Extent::Symbols(partitions, symbols) => {
                partitions.iter().for_each(|one| self.add(one, symbols.iter().cloned()));
            }
        }
    }

    /// What of this is that one symbol, wherever it was.
    pub(crate) fn only(&self, places: &[Place]) -> Set {
        let mut own = Set::default();
        for place in places {
            let there = match self.0.get(&place.partition) {
                Some(Some(symbols)) => symbols.contains(&place.symbol),
                Some(None) => true,
                None => false,
            };
            if there {
                own.add(&place.partition, [place.symbol.clone()]);
            }
        }
        own
    }

    /// A set for each partition.
    pub(crate) fn split(self) -> impl Iterator<Item = (String, Set)> {
        self.0.into_iter().map(|(partition, symbols)| {
            (partition.clone(), Set(BTreeMap::from([(partition, symbols)])))
        })
    }

    /// And all of another one.
    pub(crate) fn join(&mut self, other: &Set) {
        for (partition, symbols) in &other.0 {
            match symbols {
                None => self.add_all(partition),
                Some(symbols) => self.add(partition, symbols.iter().cloned()),
            }
        }
    }

    /// How many symbols it is. One that has moved is one symbol, on whichever partitions it is named.
    pub(crate) fn size(&self, sizes: &Sizes) -> u64 {
        let (mut whole, mut named) = (0, BTreeSet::new());
        for (partition, symbols) in &self.0 {
            match symbols {
                Some(symbols) => named.extend(one_each(partition, symbols)),
                None => whole += sizes.of(partition),
            }
        }
        whole + named.len() as u64
    }

    /// How many symbols are in both.
    pub(crate) fn shared(&self, other: &Set, sizes: &Sizes) -> u64 {
        let (mut whole, mut named) = (0, BTreeSet::new());
        for (partition, own) in &self.0 {
            let Some(other) = other.0.get(partition) else { continue };
            match (own, other) {
                (None, None) => whole += sizes.of(partition),
                (Some(some), None) | (None, Some(some)) => named.extend(one_each(partition, some)),
                (Some(own), Some(other)) => {
                    let both = |(_, symbol): &(&str, &str)| other.contains(*symbol);
                    named.extend(one_each(partition, own).filter(both));
                }
            }
        }
        whole + named.len() as u64
    }
}

/// Each symbol of a partition as one of its venue.
fn one_each<'a>(
    partition: &'a str,
    symbols: &'a BTreeSet<String>,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let venue = venue_of(partition);
    symbols.iter().map(move |symbol| (venue, symbol.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Digest, Fields, Stamp};

    fn of(kind: &str, fields: Fields) -> Extent {
        Extent::of(&Record::new(1, Stamp::default(), kind, fields, Digest::NONE).0)
    }

    #[test]
    fn a_record_is_about_what_its_fields_name() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(of("start", Fields::new()), Extent::Everything);
        assert_eq!(of("missed", Fields::new()), Extent::Nothing);
        assert_eq!(
            of("map", Fields::new().text("venue", "XNAS")),
            Extent::Venue("XNAS".to_owned())
        );
        let one = Fields::new().text("partition", "XNAS/1");
        assert_eq!(of("partition", one.clone()), Extent::Partitions(names(&["XNAS/1"])));
        let two = Fields::new().list("partition", ["XNAS/1", "XNAS/2"]);
        assert_eq!(of("alert", two), Extent::Partitions(names(&["XNAS/1", "XNAS/2"])));
        let symbols = of("symbols", one.list("symbols", ["AAPL"]));
        assert_eq!(symbols, Extent::Symbols(names(&["XNAS/1"]), names(&["AAPL"])));
        let both = Fields::new().list("partition", ["XNAS/1", "XNAS/2"]).list("symbols", ["AAPL"]);
        let moved = of("moved", both.clone());
        assert_eq!(moved, Extent::Symbols(names(&["XNAS/1", "XNAS/2"]), names(&["AAPL"])));
        assert_eq!(of("alert", both), Extent::Partitions(names(&["XNAS/1", "XNAS/2"])));
        let place = |partition: &str, symbol: &str| Place {
            partition: partition.to_owned(),
            symbol: symbol.to_owned(),
        };
        assert!(symbols.covers(&place("XNAS/1", "AAPL")));
        assert!(
            !symbols.covers(&place("XNAS/1", "MSFT")) && !symbols.covers(&place("XNAS/2", "AAPL"))
        );
        assert!(Extent::Venue("XNAS".to_owned()).covers(&place("XNAS/9", "AAPL")));
        assert!(!Extent::Venue("XNAS".to_owned()).covers(&place("XNASX/9", "AAPL")));
    }

    #[test]
    fn sets_are_counted_in_symbols() {
        let mut sizes = Sizes::default();
        sizes.at_least("V/1", 10);
        sizes.at_least("V/2", 5);
        let (mut all, mut some) = (Set::default(), Set::default());
        all.add_extent(&Extent::Everything, &sizes);
        some.add("V/1", ["A".to_owned(), "B".to_owned()]);
        some.add_all("V/2");
        assert_eq!((all.size(&sizes), some.size(&sizes)), (15, 7));
        assert_eq!((all.shared(&some, &sizes), some.shared(&all, &sizes)), (7, 7));
        let mut other = Set::default();
        other.add("V/1", ["B".to_owned(), "C".to_owned()]);
        assert_eq!(some.shared(&other, &sizes), 1);
        let b = Place { partition: "V/1".to_owned(), symbol: "B".to_owned() };
        let elsewhere = Place { partition: "V/2".to_owned(), symbol: "B".to_owned() };
        assert_eq!(
            all.only(&[b.clone(), elsewhere]).size(&sizes),
            1,
            "one symbol on two partitions"
        );
        assert!(other.only(&[Place { symbol: "A".to_owned(), ..b }]).is_empty());
        // One that has moved counts once, and one of the same name at another venue is another.
        let mut moved = Set::default();
        ["V/1", "V/2", "W/1"].iter().for_each(|partition| moved.add(partition, ["B".to_owned()]));
        assert_eq!(moved.size(&sizes), 2);
        assert_eq!(moved.shared(&all, &sizes), 1);
        assert_eq!(moved.shared(&other, &sizes), 1);
    }
}

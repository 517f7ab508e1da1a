//! Directories that come in band, compared with a map.
//!
//! Nasdaq names its symbols at the start of the day (ITCH 5.0, *Stock Directory*, `R`), IEX at the start
//! and during the day (DEEP 1.0 and TOPS 1.6, *Security Directory*, `D`), each on the partition that
//! carries it. What the wire says is the truth: a map that says otherwise is wrong.

use std::collections::{BTreeMap, BTreeSet};

use candor_core::Symbol;
use candor_core::symbol::Text;

use crate::check::Placement;
use crate::model::{Map, Symbols};

/// How a directory and a map differ. Each list ascends.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Compared {
    /// Symbols the map has, but in another partition than the one that named them.
    pub elsewhere: Vec<Elsewhere>,
    /// Symbols that were named and are nowhere in the map, with the partition that named them.
    pub lacking: Vec<(Symbol, Text<16>)>,
    /// Symbols the map lists and nobody named, with their partition.
    pub unnamed: Vec<(Symbol, Text<16>)>,
    /// Symbols that more than one partition named, with all of those.
    pub twice: Vec<(Symbol, Vec<Text<16>>)>,
    /// Partitions that named something and are not in the map. Their symbols are in the other lists too.
    pub unknown: Vec<Text<16>>,
}

/// A symbol that was named elsewhere than the map has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Elsewhere {
    /// The symbol.
    pub symbol: Symbol,
    /// The partition that named it.
    pub named: Text<16>,
    /// The partition the map has it in.
    pub mapped: Text<16>,
}

impl Compared {
    /// Whether map and directory say the same.
    #[must_use]
    pub fn is_same(&self) -> bool {
        *self == Compared::default()
    }
}

/// Compares what partitions `named` with `map`, one that is not refused. A partition whose symbols are in band
/// ([`Symbols::InBand`], [`Symbols::Products`]) may name anything that the map has nowhere else. A symbol named twice on one
/// partition is named once: venues repeat their directories.
#[must_use]
pub fn compare(map: &Map, named: &[(Text<16>, Symbol)]) -> Compared {
    let mut compared = Compared::default();
    let mut by_symbol: BTreeMap<Symbol, BTreeSet<Text<16>>> = BTreeMap::new();
    for (partition, symbol) in named {
        by_symbol.entry(*symbol).or_default().insert(*partition);
    }
    let placement = Placement::new(map);
    let carrier = |symbol: &Symbol| Some(map.partitions[placement.of(symbol, None)?].name);
    let in_band: BTreeMap<Text<16>, bool> = map
        .partitions
        .iter()
        .map(|partition| {
            let names = matches!(partition.symbols, Symbols::Products(_) | Symbols::InBand);
            (partition.name, names)
        })
        .collect();
    for (symbol, partitions) in &by_symbol {
        let mapped = carrier(symbol);
        for named in partitions {
            match mapped {
                Some(mapped) if mapped == *named => {}
                Some(mapped) => {
                    compared.elsewhere.push(Elsewhere { symbol: *symbol, named: *named, mapped });
                }
                None if in_band.get(named) == Some(&true) => {}
                None => compared.lacking.push((*symbol, *named)),
            }
        }
        if partitions.len() > 1 {
            compared.twice.push((*symbol, partitions.iter().copied().collect()));
        }
    }
    for symbol in placement.listed().filter(|symbol| !by_symbol.contains_key(symbol)) {
        compared.unnamed.extend(carrier(&symbol).map(|partition| (symbol, partition)));
    }
    let known = |name: &Text<16>| in_band.contains_key(name);
    let unknown: BTreeSet<Text<16>> =
        by_symbol.values().flatten().copied().filter(|name| !known(name)).collect();
    compared.unknown = unknown.into_iter().collect();
    compared
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::import::testing::{DATE, name, range, symbol, venue};
    use crate::model::{Partition, Protocol, Services};

    fn map(partitions: Vec<(&str, Symbols)>) -> Map {
        let partition = |(text, symbols)| Partition {
            name: name(text),
            lines: Default::default(),
            services: Services::default(),
            silence: None,
            symbols,
        };
        Map {
            venue: venue("XNAS"),
            date: DATE,
            protocol: Protocol::NasdaqItch50,
            partial: false,
            partitions: partitions.into_iter().map(partition).collect(),
        }
    }

    fn list(texts: &[&str]) -> Symbols {
        Symbols::List(texts.iter().map(|text| symbol(text)).collect())
    }

    fn named(pairs: &[(&str, &str)]) -> Vec<(Text<16>, Symbol)> {
        pairs.iter().map(|(partition, text)| (name(partition), symbol(text))).collect()
    }

    #[test]
    fn what_agrees_is_the_same() {
        let map = map(vec![
            ("1", list(&["AAPL", "MSFT"])),
            ("2", Symbols::Ranges(vec![range("N", "ZZZZZ")])),
            ("3", Symbols::InBand),
        ]);
        let said = [("1", "MSFT"), ("1", "AAPL"), ("1", "AAPL"), ("2", "TSLA"), ("3", "1NEW")];
        assert!(compare(&map, &named(&said)).is_same());
    }

    #[test]
    fn what_differs_is_said() {
        let map = map(vec![
            ("1", list(&["AAPL", "GONE", "MSFT"])),
            ("2", Symbols::Ranges(vec![range("N", "ZZZZZ")])),
            ("3", Symbols::InBand),
        ]);
        let compared = compare(
            &map,
            &named(&[
                ("2", "MSFT"),
                ("1", "TSLA"),
                ("3", "NVDA"),
                ("2", "AMZN"),
                ("1", "AAPL"),
                ("3", "AAPL"),
                ("9", "NEW"),
                ("9", "AMD"),
            ]),
        );
        let elsewhere = |text, by, mapped| Elsewhere {
            symbol: symbol(text),
            named: name(by),
            mapped: name(mapped),
        };
        assert_eq!(
            compared,
            Compared {
                elsewhere: vec![
                    elsewhere("AAPL", "3", "1"),
                    elsewhere("MSFT", "2", "1"),
                    elsewhere("NEW", "9", "2"),
                    elsewhere("NVDA", "3", "2"),
                    elsewhere("TSLA", "1", "2"),
                ],
                lacking: vec![(symbol("AMD"), name("9")), (symbol("AMZN"), name("2"))],
                unnamed: vec![(symbol("GONE"), name("1"))],
                twice: vec![(symbol("AAPL"), vec![name("1"), name("3")])],
                unknown: vec![name("9")],
            }
        );
        assert!(!compared.is_same());
    }

    proptest! {
        /// Against a map that lists everything, each symbol is accounted for once.
        #[test]
        fn every_symbol_is_in_one_list(
            listed in prop::collection::btree_map("[A-D]{1,2}", 1..4u8, 0..12),
            said in prop::collection::btree_map("[A-D]{1,2}", 1..5u8, 0..12),
        ) {
            let of = |partition| {
                let mine = listed.iter().filter(|(_, at)| **at == partition);
                Symbols::List(mine.map(|(text, _)| symbol(text)).collect())
            };
            let map = map(vec![("1", of(1)), ("2", of(2)), ("3", of(3))]);
            let directory: Vec<_> =
                said.iter().map(|(text, at)| (name(&at.to_string()), symbol(text))).collect();
            let compared = compare(&map, &directory);
            let count = |test: &dyn Fn(Option<&u8>, Option<&u8>) -> bool| {
                let all: BTreeSet<_> = listed.keys().chain(said.keys()).collect();
                all.into_iter().filter(|text| test(listed.get(*text), said.get(*text))).count()
            };
            prop_assert_eq!(compared.elsewhere.len(), count(&|l, s| l.is_some() && s.is_some() && l != s));
            prop_assert_eq!(compared.lacking.len(), count(&|l, s| l.is_none() && s.is_some()));
            prop_assert_eq!(compared.unnamed.len(), count(&|l, s| l.is_some() && s.is_none()));
            prop_assert_eq!(compared.unknown.len(), usize::from(said.values().any(|at| *at == 4)));
        }
    }
}

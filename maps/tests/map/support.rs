//! Maps made by hand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candor_core::symbol::Text;
use candor_core::{Symbol, TradingDate, Venue};
use candor_maps::check::Wanted;
use candor_maps::file::{self, Loaded};
use candor_maps::{Endpoint, Key, Map, Partition, Protocol, Range, Services, Symbols};
use candor_settings::Problems;

pub(crate) const FILE: &str = "maps/map.toml";

/// Files that a map may name, by path.
pub(crate) type Folder<'a> = BTreeMap<PathBuf, &'a str>;

pub(crate) fn load_with(
    text: &str,
    wanted: &Wanted,
    folder: &Folder<'_>,
) -> Result<Loaded, Problems> {
    file::load(Path::new(FILE), text, wanted, &mut |path| {
        let text = folder
            .get(path)
            .ok_or_else(|| "there is no such file; name one that exists".to_owned())?;
        Ok((*text).to_owned())
    })
}

pub(crate) fn load(text: &str) -> Result<Loaded, Problems> {
    load_with(text, &Wanted::default(), &Folder::new())
}

#[track_caller]
pub(crate) fn accepted(text: &str) -> Map {
    load(text).unwrap_or_else(|problems| panic!("{problems}")).map
}

pub(crate) fn symbol(text: &str) -> Symbol {
    Symbol::from_wire(text.as_bytes()).unwrap()
}

pub(crate) fn symbols(texts: &[&str]) -> Vec<Symbol> {
    texts.iter().map(|text| symbol(text)).collect()
}

/// `IWM/M` is the root IWM with the expiry code M.
pub(crate) fn key(text: &str) -> Key {
    match text.split_once('/') {
        Some((text, code)) => Key { text: symbol(text), expiry: Some(code.as_bytes()[0]) },
        None => Key { text: symbol(text), expiry: None },
    }
}

pub(crate) fn range(first: &str, last: &str) -> Range {
    Range { first: key(first), last: key(last) }
}

pub(crate) fn ranges(pairs: &[[&str; 2]]) -> Symbols {
    Symbols::Ranges(pairs.iter().map(|[first, last]| range(first, last)).collect())
}

pub(crate) fn list(texts: &[&str]) -> Symbols {
    let mut list = symbols(texts);
    list.sort_unstable();
    Symbols::List(list)
}

pub(crate) fn partition(number: u8, symbols: Symbols) -> Partition {
    let line = |site: u8| {
        let group = [239, 1, site, number].into();
        let port = 30_000 + u16::from(number);
        Some(Endpoint { group, port, source: None, interface: None })
    };
    Partition {
        name: Text::from_wire(number.to_string().as_bytes()).unwrap(),
        lines: [line(1), line(2), None],
        services: Services::default(),
        silence: None,
        symbols,
    }
}

pub(crate) fn map(date: u32, protocol: Protocol, carried: Vec<Symbols>) -> Map {
    Map {
        venue: Venue::from_wire(b"XTST").unwrap(),
        date: TradingDate(date),
        protocol,
        partial: false,
        partitions: (1..)
            .zip(carried)
            .map(|(number, symbols)| partition(number, symbols))
            .collect(),
    }
}

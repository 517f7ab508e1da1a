//! Symbols from a file that names each of them.

use std::collections::BTreeMap;

use candor_core::Symbol;
use candor_core::symbol::Text;

use super::Part;
use super::reading::{Reading, shown};
use crate::model::Symbols;

/// Symbols, each in one partition.
#[derive(Default)]
pub(super) struct Lists {
    parts: Vec<(Part, Vec<Symbol>)>,
    at: BTreeMap<Text<16>, usize>,
    seen: BTreeMap<Symbol, (usize, Text<16>)>,
}

impl Lists {
    pub(super) fn add(
        &mut self,
        reading: &mut Reading<'_>,
        line: usize,
        name: Text<16>,
        symbol: Symbol,
    ) {
        if let Some((before, other)) = self.seen.get(&symbol) {
            let symbol = shown(symbol.as_str());
            let message =
                format!("{symbol} is in line {before} already, with {other}: it can be but once");
            reading.wrong(line, message);
            return;
        }
        self.seen.insert(symbol, (line, name));
        let at = *self.at.entry(name).or_insert_with(|| {
            self.parts.push((Part::named(name, line), Vec::new()));
            self.parts.len() - 1
        });
        self.parts[at].1.push(symbol);
    }

    pub(super) fn parts(self) -> Vec<Part> {
        let list = |(part, mut list): (Part, Vec<Symbol>)| {
            list.sort_unstable();
            Part { symbols: Some(Symbols::List(list)), ..part }
        };
        self.parts.into_iter().map(list).collect()
    }
}

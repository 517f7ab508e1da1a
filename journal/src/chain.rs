//! The records behind a symbol's status.

use std::collections::{BTreeSet, VecDeque};

use crate::changes::LIVE;
use crate::extent::{Extent, Place};
use crate::record::Record;

/// Records that are kept of a chain: its beginning and its end, each half of them.
const KEPT: usize = 24;

/// Follows a symbol through a journal: what is about it, its partition, its venue or everything, since all of
/// that was Live last.
///
/// The chain of a symbol that is stale begins with the record that ended Live; that of one that is Live is
/// the one behind its last stale time.
pub struct Chain {
    place: Place,
    handler_live: bool,
    partition_live: bool,
    symbol_live: bool,
    /// What of it an operator has halted, by the targets' names.
    halted: BTreeSet<String>,
    /// Since it was Live last.
    now: Kept,
    /// Behind the last time it was stale.
    before: Kept,
}

#[derive(Default)]
struct Kept {
    first: Vec<Record>,
    last: VecDeque<Record>,
    left_out: u64,
}

impl Kept {
    fn add(&mut self, record: &Record) {
        if self.first.len() < KEPT / 2 {
            self.first.push(record.clone());
            return;
        }
        if self.last.len() == KEPT / 2 {
            self.last.pop_front();
            self.left_out += 1;
        }
        self.last.push_back(record.clone());
    }
}

/// What is behind a status.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Behind {
    /// The records, oldest first.
    pub records: Vec<Record>,
    /// How many between the first half of them and the second are left out.
    pub left_out: u64,
}

/// Kinds that say nothing about a symbol's status.
const LISTS: [&str; 2] = ["listing", "map"];

impl Chain {
    /// Of this symbol.
    #[must_use]
    pub fn new(place: Place) -> Chain {
        let (now, before) = (Kept::default(), Kept::default());
        Chain {
            place,
            handler_live: false,
            partition_live: false,
            symbol_live: false,
            halted: BTreeSet::new(),
            now,
            before,
        }
    }

    /// Takes the next record, from the first on.
    pub fn take(&mut self, record: &Record) {
        if !Extent::of(record).covers(&self.place) || LISTS.contains(&record.kind.as_str()) {
            return;
        }
        let was = self.is_live();
        let to = record.fields.text_of("to");
        match record.kind.as_str() {
            "start" | "stop" => {
                (self.handler_live, self.partition_live, self.symbol_live) = (false, false, false);
                // Said anew by a start that finds them.
                self.halted.clear();
            }
            "operator" => self.operator(record),
            "handler" => self.handler_live = to == Some(LIVE),
            "partition" => self.partition_live = to == Some(LIVE),
            "symbols" => self.symbol_live = to == Some(LIVE),
            _ => {}
        }
        self.now.add(record);
        if self.is_live() {
            let kept = std::mem::take(&mut self.now);
            // What happens to it while it is Live is no reason for anything that was before.
            if !was {
                self.before = kept;
            }
        }
    }

    fn is_live(&self) -> bool {
        self.handler_live && self.partition_live && self.symbol_live && self.halted.is_empty()
    }

    fn operator(&mut self, record: &Record) {
        let target = || record.fields.text_of("target").unwrap_or_default().to_owned();
        match record.fields.text_of("verb") {
            Some("halt") => drop(self.halted.insert(target())),
            Some("resume") => drop(self.halted.remove(&target())),
            _ => {}
        }
    }

    /// The chain.
    #[must_use]
    pub fn behind(self) -> Behind {
        let Kept { first, last, left_out } =
            if self.now.first.is_empty() { self.before } else { self.now };
        Behind { records: first.into_iter().chain(last).collect(), left_out }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Digest, Fields, Stamp};

    fn told(records: &[(&str, Fields)]) -> Vec<u64> {
        let place = Place { partition: "V/1".to_owned(), symbol: "A".to_owned() };
        let mut chain = Chain::new(place);
        for (number, (kind, fields)) in (1..).zip(records) {
            let stamp = Stamp::default();
            chain.take(&Record::new(number, stamp, kind, fields.clone(), Digest::NONE).0);
        }
        chain.behind().records.iter().map(|record| record.number).collect()
    }

    fn partition(name: &str, to: &str) -> (&'static str, Fields) {
        ("partition", Fields::new().text("partition", name).text("to", to))
    }

    fn symbol(name: &str, to: &str) -> (&'static str, Fields) {
        let fields = Fields::new().text("partition", "V/1").list("symbols", [name]);
        ("symbols", fields.text("to", to))
    }

    fn begun() -> Vec<(&'static str, Fields)> {
        let handler = ("handler", Fields::new().text("to", LIVE));
        vec![("start", Fields::new()), handler, partition("V/1", LIVE), symbol("A", LIVE)]
    }

    #[test]
    fn what_is_stale_has_what_happened_since_it_was_live() {
        let mut all = begun();
        assert_eq!(told(&all), [1, 2, 3, 4], "how it came to be Live");
        all.push(symbol("B", "Stale(SymbolQuarantined)"));
        all.push(partition("V/2", "Stale(Gap)"));
        all.push(partition("V/1", "Stale(Gap)"));
        all.push(("recovery", Fields::new().text("partition", "V/1")));
        assert_eq!(told(&all), [7, 8]);
        all.push(partition("V/1", LIVE));
        assert_eq!(told(&all), [7, 8, 9]);
        all.push(("alert", Fields::new()));
        assert_eq!(told(&all), [7, 8, 9], "it stayed Live meanwhile");
        let operator =
            |verb: &str| ("operator", Fields::new().text("verb", verb).text("target", "all"));
        all.push(operator("halt"));
        all.push(partition("V/1", "Stale(Silent)"));
        all.push(partition("V/1", LIVE));
        assert_eq!(told(&all), [11, 12, 13]);
        all.push(operator("resume"));
        assert_eq!(told(&all), [11, 12, 13, 14]);
    }

    #[test]
    fn a_long_chain_has_its_beginning_and_its_end() {
        let mut all = begun();
        all.extend((0..100).map(|_| partition("V/1", "Stale(Gap)")));
        let told = told(&all);
        let half = KEPT as u64 / 2;
        assert_eq!(told[..KEPT / 2], (5..5 + half).collect::<Vec<_>>());
        assert_eq!(told[KEPT / 2..], (105 - half..105).collect::<Vec<_>>());
    }
}

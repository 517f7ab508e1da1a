//! Maps: what each partition's is, and what another one has changed.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, Changes};
use crate::extent::Extent;
use crate::record::{Record, Stamp, Value};

/// A partition's map as of one record.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Map {
    lines: Option<Value>,
    digest: Option<Value>,
    symbols: BTreeSet<String>,
}

impl Map {
    /// Whether it is the same: of one that another map has changed since it was listed there is no digest.
    fn is(&self, other: &Map) -> bool {
        let digest = self.digest.is_none() || other.digest.is_none() || self.digest == other.digest;
        self.lines == other.lines && self.symbols == other.symbols && digest
    }
}

/// A partition's map whose listing may go on.
struct Listing {
    partition: String,
    stamp: Stamp,
    number: u64,
    map: Map,
}

/// What is known of maps so far.
#[derive(Default)]
pub(super) struct Maps {
    partitions: BTreeMap<String, Map>,
    /// Partitions of the start before that this start has not named yet; `None` before the second start.
    awaited: Option<BTreeSet<String>>,
    listing: Option<Listing>,
    /// The map that a running handler has taken last: its venue, its digest, and its place among the changes where
    /// it is one.
    taken: Option<(String, String, Option<usize>)>,
}

impl Maps {
    /// A handler starts; `again` where another one had before it.
    pub(super) fn begin(&mut self, again: bool) {
        let known = || self.partitions.keys().cloned().collect();
        self.awaited = again.then(known);
        self.taken = None;
    }

    /// Takes names of a listing.
    pub(super) fn list(&mut self, record: &Record) {
        let partition = record.fields.text_of("partition").unwrap_or_default();
        let symbols = record.fields.names_of("symbols").map(str::to_owned);
        match &mut self.listing {
            Some(listing) if listing.partition == partition => listing.map.symbols.extend(symbols),
            // Of a map that a running handler has taken: others record meanwhile.
            _ => {
                if let Some(map) = self.partitions.get_mut(partition) {
                    map.symbols.extend(symbols);
                }
            }
        }
    }
}

impl Changes {
    pub(super) fn map(&mut self, record: &Record) {
        let fields = &record.fields;
        let Some(partition) = fields.text_of("partition") else {
            self.of_venue(record);
            return;
        };
        let lines = fields.get("lines").cloned();
        let map = Map { lines, digest: fields.get("digest").cloned(), symbols: BTreeSet::new() };
        // A running handler's: its own record says what changed.
        if fields.get("of").is_some() {
            match fields.names_of("lines").next() {
                Some(_) => drop(self.maps.partitions.insert(partition.to_owned(), map)),
                None => drop(self.maps.partitions.remove(partition)),
            }
            return;
        }
        self.partitions.entry(partition.to_owned()).or_insert_with(|| "not said".to_owned());
        let (partition, stamp, number) = (partition.to_owned(), record.stamp, record.number);
        self.maps.listing = Some(Listing { partition, stamp, number, map });
    }

    /// Somebody has put a venue's map in force: it is about what it touches where it says so.
    fn of_venue(&mut self, record: &Record) {
        let fields = &record.fields;
        let before = self.changes.len();
        match fields.get("touched") {
            Some(_) => {
                let touched = fields.names_of("touched").map(str::to_owned).collect();
                self.change(record, fields.to_string(), Extent::Partitions(touched));
            }
            None => self.cause(record),
        }
        let at = (self.changes.len() > before).then_some(before);
        let name = |name| fields.text_of(name).unwrap_or_default().to_owned();
        self.maps.taken = Some((name("venue"), name("digest"), at));
    }

    /// Symbols that it has moved, brought or dropped.
    pub(super) fn moved(&mut self, record: &Record) {
        let fields = &record.fields;
        let partitions: Vec<&str> = fields.names_of("partition").collect();
        let (from, to) = match (fields.text_of("what"), &partitions[..]) {
            (Some("new"), [to]) => (None, Some(*to)),
            (Some("dropped"), [from]) => (Some(*from), None),
            (_, [from, to]) => (Some(*from), Some(*to)),
            _ => return,
        };
        for (partition, here) in [(from, false), (to, true)] {
            let Some(map) = partition.and_then(|name| self.maps.partitions.get_mut(name)) else {
                continue;
            };
            map.digest = None;
            for symbol in fields.names_of("symbols") {
                match here {
                    true => drop(map.symbols.insert(symbol.to_owned())),
                    false => drop(map.symbols.remove(symbol)),
                }
            }
        }
        let Some((venue, digest, Some(at))) = &self.maps.taken else { return };
        let same = |name, own: &String| fields.text_of(name) == Some(own.as_str());
        if same("venue", venue) && same("of", digest) {
            self.changes[*at].extents.push(Extent::of(record));
        }
    }

    /// What the start before this one had, and this one has not.
    pub(super) fn end_start(&mut self) {
        let Some((number, stamp)) = self.start else { return };
        let awaited = self.maps.awaited.take().unwrap_or_default();
        // A start that got no further says nothing of what it has.
        if awaited.len() == self.maps.partitions.len() {
            return;
        }
        for partition in awaited {
            self.maps.partitions.remove(&partition);
            let what = format!("{partition} is no longer here");
            let extents = vec![Extent::Partitions(BTreeSet::from([partition]))];
            self.changes.push(Change { number, stamp, kind: "map".to_owned(), what, extents });
        }
    }

    /// A partition's map is known whole: is it another than before?
    pub(super) fn end_listing(&mut self) {
        let Some(Listing { partition, stamp, number, map }) = self.maps.listing.take() else {
            return;
        };
        let before = self.maps.partitions.insert(partition.clone(), map.clone());
        let whole = Extent::Partitions(BTreeSet::from([partition.clone()]));
        if let Some(awaited) = &mut self.maps.awaited {
            awaited.remove(&partition);
        }
        let (what, extent) = match before {
            // At the first start there is nothing to be new to.
            None if self.maps.awaited.is_none() => return,
            None => (format!("{partition} is new here"), whole),
            Some(before) if before.is(&map) => return,
            Some(before) => {
                let came: BTreeSet<&String> = map.symbols.difference(&before.symbols).collect();
                let gone: BTreeSet<&String> = before.symbols.difference(&map.symbols).collect();
                let mut parts = Vec::new();
                let mut say = |count: usize, what: &str| {
                    if count > 0 {
                        parts.push(format!("{count} symbols {what}"));
                    }
                };
                say(came.len(), "came");
                say(gone.len(), "went");
                let others = before.lines != map.lines;
                if others {
                    parts.push("other lines".to_owned());
                }
                let all: BTreeSet<String> = came.union(&gone).map(|name| (*name).clone()).collect();
                let extent = match others || all.is_empty() {
                    true => whole,
                    false => Extent::Symbols(BTreeSet::from([partition.clone()]), all),
                };
                if parts.is_empty() {
                    parts.push("another map".to_owned());
                }
                (format!("{partition}: {}", parts.join(", ")), extent)
            }
        };
        if self.is_in(stamp) {
            let extents = vec![extent];
            self.changes.push(Change { number, stamp, kind: "map".to_owned(), what, extents });
        }
    }
}

//! What changed, ranked by what went stale.
//!
//! # What went stale
//! In a window of time, by the records in it:
//! - a partition that became anything else than Live after being Live (`partition`): all of its symbols;
//! - symbols that did so by themselves (`symbols`): those that the record lists;
//! - what an operator halted, and all that was Live where the handler itself became stale (`handler`);
//! - at a `stop`, and at a `start` without one before, all that was Live;
//! - what a `start` in the window has left anything else than Live at the window's end.
//!
//! # What changed
//! A `start` (with what of binary, configuration and layout is another than at the start before), a `stop`, a
//! partition's `map` that is another than the one before (its lines, or symbols that came and went; a
//! partition that came or went), a venue's `map`, and the kinds [`CAUSES`]. A change is about everything, a venue,
//! partitions or symbols ([`crate::Extent`]). A venue's map that a running handler has taken is about the symbols that
//! its `moved` records name, on the partition they were on and on the one they are on, and about the partitions
//! that it has `touched` as a whole; one that says neither, because nobody knew or a version before this one has
//! recorded it, is about the venue.
//!
//! # The rank
//! What went stale is taken together in incidents: each goes on as long as the next thing goes stale at most
//! [`SLACK_NS`] after the one before; what a start has left stale is one of its own. What a change *may have
//! done* is what went stale from it on: recorded after it, or at most [`SLACK_NS`] before it by the wall
//! clock. With *E* what the change is about, its overlap with a set *S* of that is |S ∩ E| / |S ∪ E|, counted
//! in symbols: 1 for a change that is about exactly what went stale, less for one that is about more (a
//! restart, where one partition went stale) or about less. *S* is what it may have done of one incident, or
//! of all of them: that of which the overlap is largest, of equal ones the earliest incident. The larger
//! overlap comes first; of equal ones that which is nearer in time to the first thing it shares; then the
//! later one. A symbol that is named on two partitions of a venue, because it has moved, counts once. Asked for one
//! symbol, nothing but that symbol goes stale, and a change that names it among others is about it alone. A partition counts for as many
//! symbols as any record has said it has, and for one at least. Symbols that a record counts and does not
//! list overlap with nothing.

mod maps;
mod rank;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::extent::{Extent, MOVED, Place, Set, Sizes};
use crate::record::{Fields, Record, Stamp, Value};
use maps::Maps;

/// Kinds that are changes as they stand, but for an alert that is over or a symptom, and a handler that becomes Live.
pub const CAUSES: [&str; 5] = ["stop", "operator", "venue", "alert", "handler"];

/// What an alert's `of_kind` is where it says what is stale, and is no cause.
pub const SYMPTOM: &str = "symptom";

/// How much later than its effect a cause may be stamped: they are noticed by different threads.
pub const SLACK_NS: u64 = 1_000_000_000;

/// What `to` and `from` say of what is Live.
pub const LIVE: &str = "Live";

/// A window of time, both ends included, by the wall clock in ns since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// From here.
    pub since: u64,
    /// To here.
    pub until: u64,
}

/// One change with its rank.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ranked {
    /// The number of its record.
    pub number: u64,
    /// When.
    pub stamp: Stamp,
    /// Its kind.
    pub kind: String,
    /// What changed, in words.
    pub what: String,
    /// Symbols that went stale and that it is about.
    pub shared: u64,
    /// Symbols that it is about.
    pub about: u64,
    /// Symbols that are one or the other: the overlap is `shared / either`.
    pub either: u64,
}

/// Something that went stale.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stale {
    /// The number of the record that says so.
    pub number: u64,
    /// When.
    pub stamp: Stamp,
    /// The partition.
    pub partition: String,
    /// Why: what `to` says.
    pub reason: String,
    /// How many symbols.
    pub symbols: u64,
}

/// The answer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ranking {
    /// What went stale: first what a start has left so, then the rest in order of time.
    pub stale: Vec<Stale>,
    /// What changed, best first.
    pub changes: Vec<Ranked>,
}

struct Change {
    number: u64,
    stamp: Stamp,
    kind: String,
    what: String,
    /// What it is about, together.
    extents: Vec<Extent>,
}

impl Change {
    fn covers(&self, place: &Place) -> bool {
        self.extents.iter().any(|extent| extent.covers(place))
    }

    /// Asked for one symbol: what names symbols is about that one, whatever else it names.
    fn only(&mut self, places: &[Place]) {
        self.extents.retain_mut(|extent| {
            if let Extent::Symbols(partitions, symbols) = extent {
                symbols.retain(|symbol| places.iter().any(|place| place.symbol == *symbol));
                partitions.retain(|one| places.iter().any(|place| place.partition == *one));
                return !symbols.is_empty() && !partitions.is_empty();
            }
            true
        });
    }
}

impl Event {
    /// A start has left it stale.
    fn lasts(&self) -> bool {
        self.until == u64::MAX
    }
}

struct Event {
    number: u64,
    /// The number of the last record at which it went on; changes up to there may have done it.
    until: u64,
    stamp: Stamp,
    partition: String,
    reason: String,
    set: Set,
}

/// Takes a journal's records one after another, from the first on, and ranks at the end.
pub struct Changes {
    window: Window,
    sizes: Sizes,
    /// Where each symbol was named.
    names: BTreeMap<String, BTreeSet<String>>,
    started: Option<Fields>,
    maps: Maps,
    /// What each partition was said to be last, since the last start.
    partitions: BTreeMap<String, String>,
    /// Symbols that are stale by themselves, with what was said of them.
    symbols: BTreeMap<(String, String), String>,
    /// The last start, where it is in the window.
    start: Option<(u64, Stamp)>,
    stale: Vec<Event>,
    changes: Vec<Change>,
}

impl Changes {
    /// For a window.
    #[must_use]
    pub fn new(window: Window) -> Changes {
        Changes {
            window,
            sizes: Sizes::default(),
            names: BTreeMap::new(),
            started: None,
            maps: Maps::default(),
            partitions: BTreeMap::new(),
            symbols: BTreeMap::new(),
            start: None,
            stale: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// Takes the next record. One behind the window is left out.
    pub fn take(&mut self, record: &Record) {
        if record.stamp.wall > self.window.until {
            return;
        }
        if record.kind != "listing" {
            self.end_listing();
        }
        match record.kind.as_str() {
            "start" => self.start(record),
            "stop" => {
                self.all_gone(record, "Stale(WriterGone)");
                self.cause(record);
            }
            "map" => self.map(record),
            "listing" => self.maps.list(record),
            MOVED => self.moved(record),
            "partition" => self.partition(record),
            "symbols" => self.symbols(record),
            "handler" => {
                self.handler(record);
                if record.fields.text_of("to") != Some(LIVE) {
                    self.cause(record);
                }
            }
            "operator" => {
                self.operator(record);
                self.cause(record);
            }
            // That something is over is no cause.
            "alert" if record.fields.get("over") == Some(&Value::Flag(true)) => {}
            // What is stale is what is to be explained.
            "alert" if record.fields.text_of("of_kind") == Some(SYMPTOM) => {}
            kind if CAUSES.contains(&kind) => self.cause(record),
            _ => {}
        }
        self.learn(record);
    }

    /// The partitions on which a symbol was named, last of a venue's where that is given.
    #[must_use]
    pub fn places(&self, symbol: &str) -> Vec<Place> {
        let (venue, name) = symbol.split_once(':').map_or((None, symbol), |(v, s)| (Some(v), s));
        let of = |name: &str, venue: Option<&str>| -> Vec<Place> {
            let partitions = self.names.get(name).into_iter().flatten();
            let place = |partition: &String| Place {
                partition: partition.clone(),
                symbol: name.to_owned(),
            };
            let places = partitions.map(place);
            places.filter(|place| venue.is_none_or(|venue| place.venue() == venue)).collect()
        };
        // A symbol may have a colon in it.
        let whole = of(symbol, None);
        if whole.is_empty() { of(name, venue) } else { whole }
    }

    /// The answer; for one symbol of a venue where that is asked, by all its places.
    #[must_use]
    pub fn rank(mut self, only: Option<&[Place]>) -> Ranking {
        self.end_listing();
        self.end_start();
        self.left_by_the_start();
        let Changes { sizes, mut stale, mut changes, .. } = self;
        if let Some(places) = only {
            stale.iter_mut().for_each(|event| event.set = event.set.only(places));
            changes.retain(|change| places.iter().any(|place| change.covers(place)));
            changes.iter_mut().for_each(|change| change.only(places));
        }
        stale.retain(|event| !event.set.is_empty());
        // What lasts stands first, as an incident of its own.
        stale.sort_by_key(|event| (!event.lasts(), event.stamp.wall, event.number));
        let mut ranked: Vec<(Ranked, u64)> =
            changes.iter().map(|change| rank::one(change, &stale, &sizes)).collect();
        ranked.sort_by(rank::better);
        let stale = stale.into_iter().map(|event| Stale {
            number: event.number,
            stamp: event.stamp,
            partition: event.partition,
            reason: event.reason,
            symbols: event.set.size(&sizes),
        });
        Ranking {
            stale: stale.collect(),
            changes: ranked.into_iter().map(|(ranked, _)| ranked).collect(),
        }
    }

    fn is_in(&self, stamp: Stamp) -> bool {
        stamp.wall >= self.window.since && stamp.wall <= self.window.until
    }

    /// What any record says of how many symbols a partition has, and of which.
    fn learn(&mut self, record: &Record) {
        let partitions: Vec<&str> = record.fields.names_of("partition").collect();
        if partitions.len() != 1 && record.kind != MOVED {
            return;
        }
        for symbol in record.fields.names_of("symbols") {
            let own = self.names.entry(symbol.to_owned()).or_default();
            own.extend(partitions.iter().map(|partition| (*partition).to_owned()));
        }
        let count = record.fields.number_of("has").unwrap_or(0);
        if let [partition] = partitions[..] {
            self.sizes.at_least(partition, count);
        }
    }

    fn change(&mut self, record: &Record, what: String, extent: Extent) {
        if self.is_in(record.stamp) {
            let (number, stamp, kind) = (record.number, record.stamp, record.kind.clone());
            self.changes.push(Change { number, stamp, kind, what, extents: vec![extent] });
        }
    }

    fn cause(&mut self, record: &Record) {
        self.change(record, record.fields.to_string(), Extent::of(record));
    }

    fn start(&mut self, record: &Record) {
        self.all_gone(record, "Stale(WriterGone)");
        self.end_start();
        let what = match &self.started {
            None => "started for the first time".to_owned(),
            Some(before) => {
                let parts = ["binary", "configuration", "layout"];
                let other: Vec<&str> = parts
                    .into_iter()
                    .filter(|part| before.get(part) != record.fields.get(part))
                    .collect();
                match other.is_empty() {
                    true => "started again, as it was".to_owned(),
                    false => format!("started with another {}", other.join(", ")),
                }
            }
        };
        self.change(record, what, Extent::Everything);
        self.maps.begin(self.started.is_some());
        self.started = Some(record.fields.clone());
        self.start = self.is_in(record.stamp).then_some((record.number, record.stamp));
    }

    /// The handler's own word makes all stale that was Live, and gives it back.
    fn handler(&mut self, record: &Record) {
        let Some(to) = record.fields.text_of("to").filter(|to| *to != LIVE) else { return };
        for partition in self.live() {
            let mut set = Set::default();
            set.add_all(&partition);
            self.went_stale(record.number, record.stamp, &partition, to, set);
        }
    }

    fn live(&self) -> Vec<String> {
        let live = self.partitions.iter().filter(|(_, status)| *status == LIVE);
        live.map(|(partition, _)| partition.clone()).collect()
    }

    /// What an operator halts is stale at once.
    fn operator(&mut self, record: &Record) {
        if record.fields.text_of("verb") != Some("halt") {
            return;
        }
        let mut set = Set::default();
        set.add_extent(&Extent::of(record), &self.sizes);
        for (partition, set) in set.split() {
            self.went_stale(record.number, record.stamp, &partition, "Stale(Halted)", set);
        }
    }

    /// All that was Live is not any more.
    fn all_gone(&mut self, record: &Record, reason: &str) {
        let live = self.live();
        self.partitions.clear();
        self.symbols.clear();
        for partition in live {
            let mut set = Set::default();
            set.add_all(&partition);
            self.went_stale(record.number, record.stamp, &partition, reason, set);
        }
    }

    fn went_stale(&mut self, number: u64, stamp: Stamp, partition: &str, reason: &str, set: Set) {
        if self.is_in(stamp) {
            let (partition, reason) = (partition.to_owned(), reason.to_owned());
            self.stale.push(Event { number, until: number, stamp, partition, reason, set });
        }
    }

    fn partition(&mut self, record: &Record) {
        let (Some(partition), Some(to)) =
            (record.fields.text_of("partition"), record.fields.text_of("to"))
        else {
            return;
        };
        let before = self.partitions.insert(partition.to_owned(), to.to_owned());
        if to != LIVE && before.as_deref() == Some(LIVE) {
            let mut set = Set::default();
            set.add_all(partition);
            self.went_stale(record.number, record.stamp, partition, to, set);
        }
    }

    fn symbols(&mut self, record: &Record) {
        let fields = &record.fields;
        let (Some(partition), Some(to)) = (fields.text_of("partition"), fields.text_of("to"))
        else {
            return;
        };
        for symbol in fields.names_of("symbols") {
            let key = (partition.to_owned(), symbol.to_owned());
            match to == LIVE {
                true => drop(self.symbols.remove(&key)),
                false => drop(self.symbols.insert(key, to.to_owned())),
            }
        }
        if to != LIVE && fields.text_of("from") == Some(LIVE) {
            let mut set = Set::default();
            set.add(partition, fields.names_of("symbols").map(str::to_owned));
            self.went_stale(record.number, record.stamp, partition, to, set);
        }
    }

    /// What the last start has left anything else than Live went stale by it, if it is in the window.
    fn left_by_the_start(&mut self) {
        let Some((number, stamp)) = self.start else { return };
        let others = self.stale.len();
        let said: BTreeSet<(String, bool)> = self
            .stale
            .iter()
            .map(|event| (event.partition.clone(), event.number > number))
            .collect();
        let partitions = std::mem::take(&mut self.partitions);
        for (partition, status) in &partitions {
            if status != LIVE && !said.contains(&(partition.clone(), true)) {
                let mut set = Set::default();
                set.add_all(partition);
                self.went_stale(number, stamp, partition, status, set);
            }
        }
        let mut own: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for ((partition, symbol), status) in std::mem::take(&mut self.symbols) {
            own.entry((partition, status)).or_default().push(symbol);
        }
        for ((partition, status), symbols) in own {
            let mut set = Set::default();
            set.add(&partition, symbols);
            self.went_stale(number, stamp, &partition, &status, set);
        }
        // The maps of the start are recorded behind it, and what they do lasts.
        self.stale[others..].iter_mut().for_each(|event| event.until = u64::MAX);
    }
}

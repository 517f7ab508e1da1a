//! What a map's values mean together, and whether it is the one that is wanted.
//!
//! A map is refused whole. What is refused would make a symbol's place doubtful or a packet nobody's; what
//! is only warned of can be meant. Each says where it stands, where the map came from a file, and what to do.
//!
//! A venue either lists what its partitions carry, or has ranges, or names it on the wire, of products that
//! it publishes or not. Ranges follow each
//! other without a hole: behind one that ends in `AIUZZ` begins `AIV`, behind `GOOG` begins `GOOGA`,
//! behind the calls `IWM/L` the puts `IWM/M`. Cboe alone takes symbols out of its ranges: by lists (symbols
//! listed at Cboe), and by narrow ranges within the wide ones (its busiest options). There the list counts
//! first, then the narrow range.

mod endpoints;
mod placement;
mod ranges;
mod symbols;

use std::collections::BTreeMap;

use candor_core::limits::PARTITIONS;
use candor_core::{TradingDate, Venue};
use candor_settings::Problem;

pub use endpoints::Endpoints;
pub use placement::{Placement, of};
pub use symbols::shared;

use crate::file::{Place, Places, SILENCE_MS};
use crate::model::{Map, Partition, Protocol};

/// Which map is wanted; what is `None` may be any.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    /// The venue.
    pub venue: Option<Venue>,
    /// The trading date.
    pub date: Option<TradingDate>,
}

/// Why a map is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal(pub Problem);

/// What looks wrong about a map and may be right.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Warning(pub Problem);

/// What was found, each in order of lines.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Findings {
    /// Why the map is refused; empty for one that isn't.
    pub refusals: Vec<Refusal>,
    /// What looks wrong and may be right.
    pub warnings: Vec<Warning>,
}

/// Checks a map against what is wanted and against itself.
#[must_use]
pub fn check(map: &Map, places: &Places, wanted: &Wanted) -> Findings {
    Check { map, places, whole: true, findings: Findings::default() }.run(wanted)
}

/// Checks what is left of a map some parts of which could not be read: says nothing of what is missing, for
/// that may be one of those parts.
pub(crate) fn check_part(map: &Map, places: &Places, wanted: &Wanted) -> Findings {
    Check { map, places, whole: false, findings: Findings::default() }.run(wanted)
}

/// Whether a venue of this protocol takes symbols out of its ranges, by lists and by narrower ranges.
const fn takes_out(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::CboePitch)
}

struct Check<'a> {
    map: &'a Map,
    places: &'a Places,
    /// Whether the map has all that its file says.
    whole: bool,
    findings: Findings,
}

impl Check<'_> {
    fn run(mut self, wanted: &Wanted) -> Findings {
        self.wanted(wanted);
        self.names();
        endpoints::check(&mut self);
        symbols::check(&mut self);
        ranges::check(&mut self);
        if self.whole {
            self.silence();
        }
        let Findings { refusals, warnings } = &mut self.findings;
        refusals.sort_by_key(|refusal| refusal.0.line);
        warnings.sort_by_key(|warning| warning.0.line);
        self.findings
    }

    fn refuse(&mut self, line: usize, message: String) {
        let problem = Problem { file: self.places.file.clone(), line, message };
        self.findings.refusals.push(Refusal(problem));
    }

    fn warn(&mut self, line: usize, message: String) {
        let problem = Problem { file: self.places.file.clone(), line, message };
        self.findings.warnings.push(Warning(problem));
    }

    /// Where a partition stands; nowhere where that is unknown.
    fn place(&self, partition: usize) -> Place {
        self.places.partitions.get(partition).cloned().unwrap_or_default()
    }

    /// The line of a partition, or the one of its part where that is known.
    fn line(&self, partition: usize, part: impl Fn(&Place) -> usize) -> usize {
        let place = self.place(partition);
        match part(&place) {
            0 => place.line,
            line => line,
        }
    }

    fn wanted(&mut self, wanted: &Wanted) {
        let map = self.map;
        if let Some(venue) = wanted.venue.filter(|venue| *venue != map.venue) {
            let line = self.places.venue;
            self.refuse(
                line,
                format!("is a map of {}; the one of {venue} is wanted: get that", map.venue),
            );
        }
        if let Some(date) = wanted.date.filter(|date| *date != map.date) {
            let line = self.places.date;
            self.refuse(
                line,
                format!(
                    "is the map for {}; the one for {date} is wanted: get that from the venue",
                    map.date
                ),
            );
        }
    }

    fn names(&mut self) {
        let count = self.map.partitions.len();
        if count == 0 && self.whole {
            self.refuse(0, "has no partition; add a [[partition]]".to_owned());
        }
        if count > PARTITIONS {
            let line = self.place(PARTITIONS).line;
            self.refuse(
                line,
                format!("{count} partitions: a handler has at most {PARTITIONS}; is it one venue?"),
            );
        }
        let mut seen = BTreeMap::new();
        for (index, partition) in self.map.partitions.iter().enumerate() {
            let (name, line) = (partition.name, self.place(index).line);
            if name.is_empty() {
                self.refuse(line, format!("partition {index} of the map has no name; give it one"));
            }
            match seen.get(&name) {
                Some(0) => {
                    self.refuse(line, format!("there are two partitions {name}; give this one another name"))
                }
                Some(first) => self.refuse(
                    line,
                    format!("partition {name} is named in line {first} already; give this one another name"),
                ),
                None => {
                    seen.insert(name, line);
                }
            }
        }
    }

    fn silence(&mut self) {
        for (index, partition) in self.map.partitions.iter().enumerate() {
            let Some(silence) = partition.silence else { continue };
            let millis = silence.0 / 1_000_000;
            if silence.0 % 1_000_000 != 0 || !SILENCE_MS.contains(&millis) {
                let line = self.place(index).line;
                let (name, from, to) = (partition.name, SILENCE_MS.start(), SILENCE_MS.end());
                self.refuse(
                    line,
                    format!(
                        "partition {name} is silent after {silence}: that must be whole milliseconds, \
                         {from} to {to}"
                    ),
                );
            }
        }
    }

    /// Warns of partitions that lack what at least as many others have.
    fn lacking(&mut self, what: &str, has: impl Fn(&Partition) -> bool) {
        let (map, count) = (self.map, self.map.partitions.len());
        let without: Vec<usize> = (0..count).filter(|at| !has(&map.partitions[*at])).collect();
        if without.is_empty() || without.len() * 2 > count {
            return;
        }
        let rest = count - without.len();
        for index in without {
            let (name, line) = (map.partitions[index].name, self.place(index).line);
            let others =
                if rest == 1 { "the other has".to_owned() } else { format!("{rest} others have") };
            self.warn(line, format!("partition {name} has no {what}, which {others}"));
        }
    }
}

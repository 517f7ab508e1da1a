//! Importers: from what venues really publish to what a map says.
//!
//! An importer takes a file's text and its name, and gives what the file says, or every problem the file
//! has, each with its line: a file is taken whole or refused whole. Venues publish symbols and endpoints
//! in files of their own, so what comes out of one is often a half: [`Imported::join`] brings halves
//! together by the names of partitions, and [`Imported::into_map`] gives a map once all is said.
//!
//! What a file says and a map has no place for is never dropped in silence: it is in [`Imported::notes`].
//!
//! | file | importer | gives |
//! | --- | --- | --- |
//! | CME `config.xml` | [`cme::config`] | both |
//! | Cboe's tables of ranges | [`cboe::units`] | symbols |
//! | Cboe's daily files of symbols | [`cboe::listed`] | symbols |
//! | OPRA's table of lines | [`opra::lines`] | symbols |
//! | OPRA's multicast addresses | [`opra::multicast`] | endpoints |
//! | NYSE's symbol mapping file | [`nyse::mapping`] | symbols |
//!
//! A directory that comes in band is not imported but compared with a map: [`inband::compare`].

pub mod cboe;
pub mod cme;
pub mod inband;
mod lists;
pub mod nyse;
pub mod opra;
mod ranges;
mod reading;

use std::collections::BTreeMap;
use std::path::PathBuf;

use candor_core::limits::LINES;
use candor_core::symbol::Text;
use candor_core::{TradingDate, Venue};
use candor_settings::{Problem, Problems};

use crate::model::{Endpoint, Map, Partition, Protocol, Services, Symbols};

/// What a venue's file says of its partitions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Imported {
    /// The file.
    pub file: PathBuf,
    /// The venue.
    pub venue: Venue,
    /// The trading date it is taken for.
    pub date: TradingDate,
    /// What the venue's packets are.
    pub protocol: Protocol,
    /// The partitions, in the file's order; no name is twice.
    pub parts: Vec<Part>,
    /// What the file says and a map has no place for, and what is odd but not wrong; in words.
    pub notes: Vec<String>,
}

/// What a file says of one partition; `None` where it doesn't.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// The partition's name.
    pub name: Text<16>,
    /// The line of the file where it is first named, counted from 1.
    pub line: usize,
    /// Where its lines are sent.
    pub lines: Option<[Option<Endpoint>; LINES]>,
    /// The venue's services for it: empty where the file says nothing of them.
    pub services: Services,
    /// What it carries.
    pub symbols: Option<Symbols>,
}

impl Part {
    fn named(name: Text<16>, line: usize) -> Part {
        Part { name, line, lines: None, services: Services::default(), symbols: None }
    }
}

impl Imported {
    /// Brings together what two files say, by the names of their partitions, in this one's order.
    ///
    /// # Errors
    /// They are of different venues, dates or protocols; both say the same thing of a partition; the
    /// other names a partition that this one doesn't; or this one names a partition that still lacks
    /// what the other says of its own.
    pub fn join(mut self, other: Imported) -> Result<Imported, Problems> {
        let mut problems = self.differences(&other);
        let brings_lines = other.parts.iter().any(|part| part.lines.is_some());
        let brings_symbols = other.parts.iter().any(|part| part.symbols.is_some());
        let mut others: BTreeMap<_, _> =
            other.parts.into_iter().map(|part| (part.name, part)).collect();
        for part in &mut self.parts {
            if let Some(more) = others.remove(&part.name) {
                let line = more.line;
                for what in part.add(more) {
                    problems.push(Problem {
                        file: other.file.clone(),
                        line,
                        message: format!(
                            "the {what} of {} are in {}:{} too: name one file that says them",
                            part.name,
                            self.file.display(),
                            part.line
                        ),
                    });
                }
                continue;
            }
            for (what, lacks) in [
                ("lines", brings_lines && part.lines.is_none()),
                ("symbols", brings_symbols && part.symbols.is_none()),
            ] {
                if lacks {
                    problems.push(Problem {
                        file: self.file.clone(),
                        line: part.line,
                        message: format!(
                            "{} is here, but {} does not name it and so does not say its {what}: \
                             are both files of the same venue and time?",
                            part.name,
                            other.file.display()
                        ),
                    });
                }
            }
        }
        for (name, part) in others {
            problems.push(Problem {
                file: other.file.clone(),
                line: part.line,
                message: format!(
                    "{name} is here, but {} does not name it: are both files of the same venue and time?",
                    self.file.display()
                ),
            });
        }
        self.notes.extend(other.notes);
        reading::done(&self.file, problems)?;
        Ok(self)
    }

    /// The map, once everything is said.
    ///
    /// # Errors
    /// There is no partition, or one whose lines or symbols no file has said.
    pub fn into_map(self) -> Result<Map, Problems> {
        let mut problems = Vec::new();
        let mut partitions = Vec::new();
        if self.parts.is_empty() {
            let message = "names no partition: is it the right file, and whole?".to_owned();
            problems.push(Problem::of_file(&self.file, message));
        }
        for part in self.parts {
            let Part { name, line, lines, services, symbols } = part;
            for (what, missing) in [("lines", lines.is_none()), ("symbols", symbols.is_none())] {
                if missing {
                    problems.push(Problem {
                        file: self.file.clone(),
                        line,
                        message: format!(
                            "nothing says the {what} of {name}: import the file that does, and join it"
                        ),
                    });
                }
            }
            if let (Some(lines), Some(symbols)) = (lines, symbols) {
                partitions.push(Partition { name, lines, services, silence: None, symbols });
            }
        }
        reading::done(&self.file, problems)?;
        let Imported { venue, date, protocol, .. } = self;
        // A venue's own table has everything: one that does not was cut.
        Ok(Map { venue, date, protocol, partial: false, partitions })
    }

    fn differences(&self, other: &Imported) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (what, mine, others) in [
            ("venue", self.venue.to_string(), other.venue.to_string()),
            ("date", self.date.to_string(), other.date.to_string()),
            ("protocol", self.protocol.name().to_owned(), other.protocol.name().to_owned()),
        ] {
            if mine != others {
                let message = format!(
                    "its {what} is {others}, that of {} is {mine}: join files of one {what}",
                    self.file.display()
                );
                problems.push(Problem::of_file(&other.file, message));
            }
        }
        problems
    }
}

impl Part {
    /// Takes what `more` says; gives the words for what both do.
    fn add(&mut self, more: Part) -> Vec<&'static str> {
        let mut both = Vec::new();
        if self.lines.is_some() && more.lines.is_some() {
            both.push("lines");
        }
        if self.symbols.is_some() && more.symbols.is_some() {
            both.push("symbols");
        }
        if more.services != Services::default() {
            if self.services != Services::default() {
                both.push("services");
            }
            self.services = more.services;
        }
        self.lines = self.lines.take().or(more.lines);
        self.symbols = self.symbols.take().or(more.symbols);
        both
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use candor_core::{Line, Symbol};

    use super::testing::*;
    use super::*;

    const UNITS: &str = "unit,range_start,range_end\n1,A,MZZZZ\n2,N,ZZZZZ\n3,*listed daily,\n";
    const LISTED: &str = "Symbol,Unit\nZTST,3\n";

    fn symbols() -> Imported {
        cboe::units(Path::new("units.csv"), UNITS, venue("BZX"), DATE).unwrap()
    }

    fn listed(text: &str) -> Imported {
        cboe::listed(Path::new("listed.csv"), text, venue("BZX"), DATE).unwrap()
    }

    /// No venue publishes these as a file that has an importer.
    fn endpoints(names: &[&str]) -> Imported {
        let part = |(index, unit): (usize, &&str)| {
            let mut part = Part::named(name(unit), index + 2);
            let endpoint = Endpoint {
                group: [224, 0, 62, 2].into(),
                port: 30_001,
                source: None,
                interface: None,
            };
            part.lines = Some([Some(endpoint), None, None]);
            part.services.snapshot = vec!["10.0.0.1:18000".parse().unwrap()];
            part
        };
        let parts = names.iter().enumerate().map(part).collect();
        Imported { file: "endpoints".into(), parts, notes: vec!["a note".to_owned()], ..symbols() }
    }

    #[test]
    fn halves_become_a_map() {
        let whole =
            symbols().join(listed(LISTED)).unwrap().join(endpoints(&["3", "1", "2"])).unwrap();
        assert_eq!(whole.notes.len(), 2);
        let map = whole.into_map().unwrap();
        assert_eq!((map.venue, map.date, map.protocol), (venue("BZX"), DATE, Protocol::CboePitch));
        let names: Vec<_> = map.partitions.iter().map(|p| p.name.to_string()).collect();
        assert_eq!(names, ["1", "2", "3"]);
        for partition in &map.partitions {
            assert_eq!(partition.lines().map(|(line, _)| line).collect::<Vec<_>>(), [Line::A]);
            assert_eq!(partition.services.snapshot.len(), 1);
        }
        assert_eq!(map.partitions[2].symbols, Symbols::List(vec![symbol("ZTST")]));
    }

    #[test]
    fn a_half_is_no_map() {
        let problems = said(symbols().into_map());
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert!(problems[0].starts_with("units.csv:2: nothing says the lines of 1"));
        assert!(problems[3].starts_with("units.csv:4: nothing says the symbols of 3"));
        let nothing = Imported { parts: Vec::new(), ..symbols() };
        assert_eq!(
            said(nothing.into_map()),
            ["units.csv: names no partition: is it the right file, and whole?"]
        );
    }

    #[test]
    fn names_that_differ_are_said() {
        let problems = said(symbols().join(endpoints(&["1", "3", "4"])));
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].starts_with("units.csv:3: 2 is here, but endpoints does not name it"));
        assert!(problems[1].starts_with("endpoints:4: 4 is here, but units.csv does not name it"));
    }

    #[test]
    fn one_thing_is_said_by_one_file() {
        let both = listed("Symbol,Unit\nZTST,3\nX,2\n");
        let problems = said(symbols().join(both));
        assert_eq!(
            problems,
            ["listed.csv:3: the symbols of 2 are in units.csv:3 too: name one file that says them"]
        );
        let problems = said(endpoints(&["1"]).join(endpoints(&["1"])));
        assert_eq!(problems.len(), 2, "{problems:?}");
    }

    #[test]
    fn halves_are_of_one_venue_date_and_protocol() {
        let other = Imported {
            venue: venue("EDGX"),
            date: TradingDate(20_260_728),
            protocol: Protocol::Opra,
            ..endpoints(&["1", "2", "3"])
        };
        let problems = said(symbols().join(other));
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[1].contains("its date is 2026-07-28, that of units.csv is 2026-07-27"));
    }

    #[test]
    fn a_symbol_is_as_wide_as_the_model() {
        let text = format!("Symbol,Unit\n{},3\n{},3\n", "X".repeat(24), "Y".repeat(25));
        let problems = said(cboe::listed(Path::new("listed.csv"), &text, venue("BZX"), DATE));
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("listed.csv:3: symbol"));
        assert_eq!(Symbol::EMPTY.bytes().len(), 24);
    }
}

/// What the importers' tests share.
#[cfg(test)]
pub(crate) mod testing {
    use candor_core::symbol::Text;
    use candor_core::{Symbol, TradingDate, Venue};
    use candor_settings::Problems;
    use proptest::prelude::*;

    use crate::model::{Key, Range};

    pub(crate) const DATE: TradingDate = TradingDate(20_260_727);

    pub(crate) fn venue(name: &str) -> Venue {
        Text::from_wire(name.as_bytes()).unwrap()
    }

    pub(crate) fn name(name: &str) -> Text<16> {
        Text::from_wire(name.as_bytes()).unwrap()
    }

    pub(crate) fn symbol(text: &str) -> Symbol {
        Text::from_wire(text.as_bytes()).unwrap()
    }

    /// `SPY:M` is the root SPY with expiry code M.
    pub(crate) fn key(text: &str) -> Key {
        let (text, expiry) = match text.split_once(':') {
            Some((text, expiry)) => (text, Some(expiry.as_bytes()[0])),
            None => (text, None),
        };
        Key { text: symbol(text), expiry }
    }

    pub(crate) fn range(first: &str, last: &str) -> Range {
        Range { first: key(first), last: key(last) }
    }

    /// The problems of something that must be refused, in words.
    #[track_caller]
    pub(crate) fn said<T: std::fmt::Debug>(refused: Result<T, Problems>) -> Vec<String> {
        refused.unwrap_err().list().iter().map(ToString::to_string).collect()
    }

    /// Any text, and text that is nearly `sample`: bytes that change, lines that go, come twice or break off.
    pub(crate) fn foreign(sample: &'static str) -> impl Strategy<Value = String> {
        let edits =
            prop::collection::vec((any::<prop::sample::Index>(), 0..6u8, any::<char>()), 1..6);
        let near = edits.prop_map(move |edits| {
            let mut lines: Vec<String> = sample.lines().map(str::to_owned).collect();
            for (at, how, other) in edits {
                if lines.is_empty() {
                    break;
                }
                let at = at.index(lines.len());
                match how {
                    0 => drop(lines.remove(at)),
                    1 => lines.insert(at, lines[at].clone()),
                    2 => lines[at].push(other),
                    3 => lines[at] = lines[at].chars().rev().collect(),
                    4 => lines.truncate(at + 1),
                    _ => {
                        let half = lines[at].chars().count() / 2;
                        lines[at] = lines[at].chars().take(half).chain([other]).collect();
                    }
                }
            }
            lines.join("\n")
        });
        let bytes = prop::collection::vec(any::<u8>(), 0..400)
            .prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let rows =
            prop::collection::vec("[A-C0-3*~Z,|\"<>/ ]{0,20}", 0..12).prop_map(move |rows| {
                format!("{}\n{}", sample.lines().next().unwrap_or(""), rows.join("\n"))
            });
        prop_oneof![near, bytes, rows, any::<String>()]
    }
}

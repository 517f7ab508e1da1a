//! Cboe: tables of units and ranges, and the daily files of single symbols.
//!
//! Documents: US Equities/Options Multicast Depth of Book (PITCH) 2.41.66 (2026) and 2.41.29 (2022-04-20):
//! *BYX/EDGA/EDGX Unit/Symbol Distribution*, *BZX Unit/Symbol Distribution*, *US Options Unit/Product
//! Distribution*, *Options Specific Symbol Processing*. The tables are printed there; as text they are
//! rows of `unit,range_start,range_end`, or without the end, where a range ends right in front of the next.
//!
//! The tables for options name exceptions: unit 17 has `NKEB` to `PDC~` without `NVDA`, which is unit 26.
//! An exception is a range within another one. Units 31 to 35 differ by venue: rows of their own.
//!
//! The daily files are downloaded from pages of Cboe: for options *Listed Series* with the columns `Cboe
//! Symbol` (the six characters that the feed uses), `OSI Symbol`, `Underlying`, `Matching Unit`, `Closing
//! Only`; for equities *Matching Unit Assignment*, whose columns no document states. So columns are found
//! by their names, in any order.

use std::path::Path;

use candor_core::symbol::Text;
use candor_core::{Symbol, TradingDate, Venue};
use candor_settings::Problems;

use super::lists::Lists;
use super::ranges::{self, Row};
use super::reading::{Reading, Table, shown};
use super::{Imported, Part};
use crate::model::{Key, Protocol};

/// Units are a byte of the Sequenced Unit Header; 0 is none.
const UNITS: (u16, u16) = (1, 255);

/// A table of units and their ranges: columns `unit`, `range_start` and, or not, `range_end`.
///
/// A start that begins with `*` is no symbol: the table says in words what the unit carries, and the part
/// comes out without symbols, for [`listed`] to say. Without ends the starts ascend, a range ends with all
/// that is below the next start, and the last has all above its own. A row with its end left out, in a
/// table that has the column, is a single symbol.
///
/// # Errors
/// Every row that is wrong, and every range that shares symbols with another and is no exception to it.
pub fn units(
    path: &Path,
    text: &str,
    venue: Venue,
    date: TradingDate,
) -> Result<Imported, Problems> {
    let mut reading = Reading::new(path);
    let mut imported = empty(path, venue, date);
    let Some(table) = reading.table(text, ',') else { return reading.finish(imported) };
    let unit = table.need(&mut reading, &["unit"]);
    let first = table.need(&mut reading, &["range_start"]);
    let last = table.column(&["range_end"]);
    if let (Some(unit), Some(first)) = (unit, first) {
        let mut elsewhere = Vec::new();
        let rows = rows(&mut reading, &table, (unit, first, last), &mut elsewhere);
        let (parts, holes) = ranges::parts(&mut reading, rows);
        imported.parts = parts;
        imported.notes = holes;
        for (line, name, words) in elsewhere {
            match imported.parts.iter().find(|part| part.name == name) {
                Some(part) => {
                    let message = format!("unit {name} has a range in line {} already", part.line);
                    reading.wrong(line, message);
                }
                None => {
                    imported.notes.push(format!(
                        "unit {name} has {}, which no table of ranges says",
                        shown(&words)
                    ));
                    imported.parts.push(Part::named(name, line));
                }
            }
        }
    }
    reading.finish(imported)
}

/// A daily file of symbols and their units.
///
/// Columns `Cboe Symbol` or `Symbol`, and `Matching Unit` or `Unit`, in any case; others are not looked at.
///
/// # Errors
/// Every row that is wrong, and every symbol that is there twice.
pub fn listed(
    path: &Path,
    text: &str,
    venue: Venue,
    date: TradingDate,
) -> Result<Imported, Problems> {
    let mut reading = Reading::new(path);
    let mut imported = empty(path, venue, date);
    let Some(table) = reading.table(text, ',') else { return reading.finish(imported) };
    let symbol = table.need(&mut reading, &["cboe symbol", "symbol"]);
    let unit = table.need(&mut reading, &["matching unit", "unit"]);
    if let (Some(symbol), Some(unit)) = (symbol, unit) {
        let mut lists = Lists::default();
        for (line, row) in &table.rows {
            let name = self::unit(&mut reading, *line, &row[unit]);
            let found = reading.symbol(*line, "symbol", &row[symbol]);
            if let (Some(name), Some(found)) = (name, found) {
                lists.add(&mut reading, *line, name, found);
            }
        }
        imported.parts = lists.parts();
    }
    reading.finish(imported)
}

fn empty(path: &Path, venue: Venue, date: TradingDate) -> Imported {
    Imported {
        file: path.to_path_buf(),
        venue,
        date,
        protocol: Protocol::CboePitch,
        parts: Vec::new(),
        notes: Vec::new(),
    }
}

/// The rows with a range; those that say in words what a unit carries go to `elsewhere`.
fn rows(
    reading: &mut Reading<'_>,
    table: &Table<'_>,
    (unit, first, last): (usize, usize, Option<usize>),
    elsewhere: &mut Vec<(usize, Text<16>, String)>,
) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    // A start whose end is still to be told from the start behind it.
    let mut open: Option<(usize, Text<16>, Key)> = None;
    for (line, fields) in &table.rows {
        let Some(name) = self::unit(reading, *line, &fields[unit]) else { continue };
        if let Some(words) = fields[first].strip_prefix('*') {
            let last = last.map_or("", |last| &fields[last]);
            elsewhere.push((*line, name, format!("{words} {last}").trim().to_owned()));
            continue;
        }
        let Some(first) = key(reading, *line, "range_start", &fields[first]) else { continue };
        let Some(last) = last else {
            let next = Some((*line, name, first));
            rows.extend(open.and_then(|open| close(reading, open, next)));
            open = next;
            continue;
        };
        let last = match &*fields[last] {
            "" => Some(first),
            text => key(reading, *line, "range_end", text),
        };
        let range = last.and_then(|last| ranges::range(reading, *line, first, last));
        rows.extend(range.map(|range| Row { line: *line, name, range }));
    }
    rows.extend(open.and_then(|open| close(reading, open, None)));
    rows
}

/// The range that ends right in front of the next start.
fn close(
    reading: &mut Reading<'_>,
    (line, name, first): (usize, Text<16>, Key),
    next: Option<(usize, Text<16>, Key)>,
) -> Option<Row> {
    let Some((next_line, _, next)) = next else {
        let last = Key { text: Text::from_wire(b"ZZZZZ")?, expiry: None };
        return Some(Row { line, name, range: ranges::range(reading, line, first, last)? });
    };
    if next.text <= first.text {
        let message = format!(
            "begins at {}, which is not above {} in line {line}: without range_end the starts must ascend",
            next.text, first.text
        );
        reading.wrong(next_line, message);
        return None;
    }
    let Some(last) = below(next.text) else {
        let message = format!("nothing can end right in front of {}: add range_end", next.text);
        reading.wrong(next_line, message);
        return None;
    };
    let range = ranges::range(reading, line, first, Key { text: last, expiry: None })?;
    Some(Row { line, name, range })
}

/// The end of all that is below `next`, as Cboe writes it: the last character one lower, filled up with
/// `Z` to five characters. Where that would not be a filling, with `~`.
fn below(next: Symbol) -> Option<Symbol> {
    let mut text = next.as_str().as_bytes().to_vec();
    let end = text.last_mut()?;
    *end -= 1;
    let letter = end.is_ascii_uppercase() && *end != b'Z';
    if letter && text.len() < 5 {
        text.resize(5, b'Z');
    } else {
        text.push(b'~');
    }
    Symbol::from_wire(&text)
}

fn unit(reading: &mut Reading<'_>, line: usize, text: &str) -> Option<Text<16>> {
    let unit = reading.number(line, "unit", text, UNITS)?;
    Text::from_wire(unit.to_string().as_bytes())
}

fn key(reading: &mut Reading<'_>, line: usize, what: &str, text: &str) -> Option<Key> {
    Some(Key { text: reading.symbol(line, what, text)?, expiry: None })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{DATE, foreign, name, range, said, symbol, venue};
    use super::*;
    use crate::model::{Range, Symbols};

    const TABLE: &str = "unit,range_start,range_end
1,A,AIPA~
2,AIPB,NKEA~
3,NKEB,PDC~
4,PDD,Z~
26,NVDA,NVDA
27,GOOG,
27,GOOGL,GOOGL
";

    fn table(text: &str) -> Result<Imported, Problems> {
        units(Path::new("units.csv"), text, venue("BZX"), DATE)
    }

    fn daily(text: &str) -> Result<Imported, Problems> {
        listed(Path::new("listed.csv"), text, venue("BZX"), DATE)
    }

    fn ranges(imported: &Imported) -> Vec<(String, Vec<Range>)> {
        let ranges = |part: &Part| match &part.symbols {
            Some(Symbols::Ranges(ranges)) => ranges.clone(),
            other => panic!("{other:?}"),
        };
        imported.parts.iter().map(|part| (part.name.to_string(), ranges(part))).collect()
    }

    #[test]
    fn a_table_with_ends_keeps_what_it_says() {
        let imported = table(TABLE).unwrap();
        assert_eq!(imported.notes, [""; 0]);
        assert_eq!(
            ranges(&imported),
            [
                ("1".to_owned(), vec![range("A", "AIPA~")]),
                ("2".to_owned(), vec![range("AIPB", "NKEA~")]),
                ("3".to_owned(), vec![range("NKEB", "PDC~")]),
                ("4".to_owned(), vec![range("PDD", "Z~")]),
                ("26".to_owned(), vec![range("NVDA", "NVDA")]),
                ("27".to_owned(), vec![range("GOOG", "GOOG"), range("GOOGL", "GOOGL")]),
            ]
        );
    }

    #[test]
    fn a_table_without_ends_ends_in_front_of_the_next() {
        let text = "unit,range_start\r\n1,A\r\n2,AIV\r\n3,AT\r\n4,BA\r\n5,BABCD\r\n6,BB1\r\n7,*all listed\r\n";
        let imported = table(text).unwrap();
        let ends =
            [("A", "AIUZZ"), ("AIV", "ASZZZ"), ("AT", "B@~"), ("BA", "BABCC~"), ("BABCD", "BB0~")];
        let mut expected: Vec<_> = ends.map(|(first, last)| range(first, last)).to_vec();
        expected.push(range("BB1", "ZZZZZ"));
        let said: Vec<_> = imported.parts[..6]
            .iter()
            .map(|part| match part.symbols.as_ref() {
                Some(Symbols::Ranges(ranges)) => ranges[0],
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(said, expected);
        assert_eq!((imported.parts[6].name, &imported.parts[6].symbols), (name("7"), &None));
        assert_eq!(imported.notes, ["unit 7 has \"all listed\", which no table of ranges says"]);
    }

    #[test]
    fn holes_are_said() {
        let imported =
            table("unit,range_start,range_end\n1,A,GLC\n2,GLD,HAYW~\n3,HAYX,Y~\n").unwrap();
        assert_eq!(
            imported.notes,
            ["what lies between GLC (end of 1) and GLD (begin of 2) is in no partition"]
        );
    }

    #[test]
    fn ranges_that_overlap_are_refused() {
        let text = "unit,range_start,range_end\n1,A,C~\n2,B,D~\n3,DA,DA\n4,DA,DA\n5,E,\n";
        assert_eq!(
            said(table(text)),
            [
                "units.csv:3: 2, B to D~, overlaps A to C~ of 1 in line 2: a symbol would be in both",
                "units.csv:5: 4, DA to DA, overlaps DA to DA of 3 in line 4: a symbol would be in both",
            ]
        );
    }

    #[test]
    fn an_exception_may_begin_or_end_with_what_it_is_taken_from() {
        let text = "unit,range_start,range_end\n3,A,A\n1,A,MZZZZ\n4,MA,M~\n2,N,Z~\n";
        let imported = table(text).unwrap();
        assert_eq!((imported.parts.len(), &imported.notes[..]), (4, &[][..]));
    }

    #[test]
    fn every_row_that_is_wrong_is_said() {
        let text =
            "unit,range_start,range_end\n0,A,B\n1,A\n2,,B\n3,B,A\n\n4,Caf\u{e9},D\n5,\"E,F\n";
        let problems = said(table(text));
        let lines: Vec<_> = problems.iter().map(|p| p.split(':').nth(1).unwrap()).collect();
        assert_eq!(lines, ["2", "3", "4", "5", "7", "8"], "{problems:#?}");
        assert!(problems[1].contains("has 2 fields where the header in line 1 has 3"));
        assert!(problems[3].contains("ends at A in front of where it begins, at B"));
        let problems = said(table("unit,range_start\n1,B\n2,A\n"));
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("the starts must ascend"), "{problems:?}");
        let problems = said(table("unit,range_start\n1,B\n2,B\n"));
        assert!(problems[0].contains("the starts must ascend"), "{problems:?}");
        let problems = said(table("unit,range_start\n1,A\n1,*x\n"));
        assert_eq!(problems, ["units.csv:3: unit 1 has a range in line 2 already"]);
    }

    #[test]
    fn a_file_that_is_another_one_is_refused() {
        assert_eq!(said(table("")), ["units.csv: is empty: is it the right file, and whole?"]);
        assert_eq!(
            said(table("unit,range_start\n")),
            ["units.csv: has a header and no row: is it whole?"]
        );
        let problems = said(table("<html>\n<body>\n"));
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].contains(r#"has no column unit, but "<html>""#), "{problems:?}");
    }

    #[test]
    fn a_daily_file_is_read_by_the_names_of_its_columns() {
        let text = "Cboe Symbol,OSI Symbol,Underlying,Matching Unit,Closing Only\n\
            02ABCd,\"SPY   260821C00600000\",SPY,30,False\n02ABCe,SPXW  260821P00100000,SPX,34,False\n\
            01ZZZZ,SPY   260918C00600000,SPY,30,True\n";
        let imported = daily(text).unwrap();
        let lists: Vec<_> = imported.parts.iter().map(|p| (p.name, p.symbols.clone())).collect();
        assert_eq!(
            lists,
            [
                (name("30"), Some(Symbols::List(vec![symbol("01ZZZZ"), symbol("02ABCd")]))),
                (name("34"), Some(Symbols::List(vec![symbol("02ABCe")]))),
            ]
        );
    }

    #[test]
    fn a_symbol_is_in_one_unit() {
        let problems = said(daily("symbol,unit\nCBOE,32\nARKK,33\nCBOE,33\nARKK,33\nX,0\n"));
        assert_eq!(
            problems,
            [
                "listed.csv:4: \"CBOE\" is in line 2 already, with 32: it can be but once",
                "listed.csv:5: \"ARKK\" is in line 3 already, with 33: it can be but once",
                "listed.csv:6: unit \"0\" is not a whole number from 1 to 255",
            ]
        );
    }

    proptest! {
        #[test]
        fn foreign_tables_never_panic(text in foreign(TABLE)) {
            if let Ok(imported) = table(&text) {
                prop_assert!(!imported.parts.is_empty());
            }
        }

        #[test]
        fn foreign_daily_files_never_panic(text in foreign("Symbol,Unit\nCBOE,32\nARKK,33\nZTST,35\n")) {
            if let Ok(imported) = daily(&text) {
                prop_assert!(!imported.parts.is_empty());
            }
        }

        /// Without ends, every symbol from the first start on lies in exactly one unit, in order.
        #[test]
        fn without_ends_nothing_is_left_out(
            starts in prop::collection::btree_set("[A-C0@Z^a]{1,6}", 1..8), text in "[A-C0@Z^a~]{1,7}",
        ) {
            let rows: String =
                starts.iter().enumerate().map(|(at, start)| format!("{},{start}\n", at + 1)).collect();
            let Ok(imported) = table(&format!("unit,range_start\n{rows}")) else {
                // A start such as `A!` has nothing in front of it but a blank.
                return Ok(());
            };
            prop_assert_eq!(&imported.notes, &Vec::<String>::new());
            let key = Key { text: symbol(&text), expiry: None };
            let found: Vec<_> = ranges(&imported)
                .iter().enumerate().filter(|(_, (_, ranges))| ranges[0].covers(&key)).map(|(at, _)| at).collect();
            let below = starts.iter().filter(|start| **start <= text).count();
            prop_assert_eq!(found, Vec::from_iter(below.checked_sub(1)), "{:?}", starts);
        }
    }
}

//! OPRA: which line carries which roots, and where the lines are sent.
//!
//! Documents: OPRA Binary Data Recipient Interface Specification 2.7 (2018-02-12), Appendix B, *Traffic
//! distribution*; Common IP Multicast Distribution Network Recipient Interface Specification 1.58. Both
//! are printed tables; as text they are rows of `line,start_symbol,start_expiry_code,end_symbol,
//! end_expiry_code` and of `service,stream,line,group,port`.
//!
//! From specification 6.3 (2026) on OPRA publishes each series' line every night instead: that file is
//! no table of ranges and is not read here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use candor_core::symbol::Text;
use candor_core::{Line, TradingDate, Venue};
use candor_settings::Problems;

use super::ranges::{self, Row};
use super::reading::{Reading, Table, shown, some_of};
use super::{Imported, Part};
use crate::model::{Endpoint, Key, Protocol, Range};

/// A table of lines and their ranges of roots and expiry codes.
///
/// `numeric` is the line that has every root which begins with a digit, whatever the table says: 4 in
/// Appendix B. It gets a range for them that the table doesn't print.
///
/// # Errors
/// Every row that is wrong, every range that shares keys with another, and a `numeric` line that the
/// table doesn't name.
pub fn lines(
    path: &Path,
    text: &str,
    date: TradingDate,
    numeric: Option<u16>,
) -> Result<Imported, Problems> {
    let mut reading = Reading::new(path);
    let mut imported = empty(path, date);
    let Some(table) = reading.table(text, ',') else { return reading.finish(imported) };
    let names = ["line", "start_symbol", "start_expiry_code", "end_symbol", "end_expiry_code"];
    let columns = names.map(|name| table.need(&mut reading, &[name]));
    if let [Some(line), Some(start), Some(start_code), Some(end), Some(end_code)] = columns {
        let mut rows = Vec::new();
        for (at, row) in &table.rows {
            let name = self::line(&mut reading, *at, &row[line]);
            let first = key(&mut reading, *at, &row[start], &row[start_code]);
            let last = key(&mut reading, *at, &row[end], &row[end_code]);
            if let (Some(name), Some(first), Some(last)) = (name, first, last)
                && let Some(range) = ranges::range(&mut reading, *at, first, last)
            {
                rows.push(Row { line: *at, name, range });
            }
        }
        if let Some(numeric) = numeric {
            rows.extend(digits(&mut reading, &rows, numeric));
        }
        (imported.parts, imported.notes) = ranges::parts(&mut reading, rows);
    }
    reading.finish(imported)
}

/// Where the lines of one service are sent: streams A and B. `production` is the service of the day; the
/// table has others beside it, such as retransmissions.
///
/// # Errors
/// Every row that is wrong, and a service that the table doesn't have.
pub fn multicast(
    path: &Path,
    text: &str,
    date: TradingDate,
    service: &str,
) -> Result<Imported, Problems> {
    let mut reading = Reading::new(path);
    let mut imported = empty(path, date);
    let Some(table) = reading.table(text, ',') else { return reading.finish(imported) };
    let columns = ["service", "stream", "line", "group", "port"]
        .map(|name| table.need(&mut reading, &[name]));
    if let [Some(column), Some(stream), Some(line), Some(group), Some(port)] = columns {
        if !table.rows.iter().any(|(_, row)| row[column] == service) {
            let there: BTreeSet<String> =
                table.rows.iter().map(|(_, row)| shown(&row[column])).collect();
            let message = format!("has no service {}, but {}", shown(service), some_of(there));
            reading.wrong(0, message);
        }
        let columns = [column, stream, line, group, port];
        imported.parts = endpoints(&mut reading, &table, columns, service);
        let one: Vec<_> = imported.parts.iter().filter(|part| streams(part) == 1).collect();
        if !one.is_empty() {
            let names = some_of(one.iter().map(|part| part.name));
            imported.notes.push(format!("one stream only has: {names}"));
        }
    }
    reading.finish(imported)
}

fn streams(part: &Part) -> usize {
    part.lines.iter().flatten().flatten().count()
}

fn empty(path: &Path, date: TradingDate) -> Imported {
    Imported {
        file: path.to_path_buf(),
        venue: Venue::from_wire(b"OPRA").unwrap_or_default(),
        date,
        protocol: Protocol::Opra,
        parts: Vec::new(),
        notes: Vec::new(),
    }
}

/// Every row is checked, also those of other services: a file is right as a whole or not.
fn endpoints(
    reading: &mut Reading<'_>,
    table: &Table<'_>,
    [column, stream, line, group, port]: [usize; 5],
    service: &str,
) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut at_name = BTreeMap::new();
    let mut said = BTreeMap::new();
    for (at, row) in &table.rows {
        let name = self::line(reading, *at, &row[line]);
        let group = reading.group(*at, &row[group]);
        let port = reading.port(*at, &row[port]);
        let stream = self::stream(reading, *at, &row[stream]);
        let (Some(name), Some(group), Some(port), Some(stream)) = (name, group, port, stream)
        else {
            continue;
        };
        if let Some(before) = said.insert((row[column].to_string(), stream, name), *at) {
            let message = format!(
                "says stream {stream} of line {name} again, after line {before} of the file"
            );
            reading.wrong(*at, message);
            continue;
        }
        if row[column] != service {
            continue;
        }
        let part = *at_name.entry(name).or_insert_with(|| {
            parts.push(Part { lines: Some(Default::default()), ..Part::named(name, *at) });
            parts.len() - 1
        });
        if let Some(lines) = &mut parts[part].lines {
            lines[stream.index()] = Some(Endpoint { group, port, source: None, interface: None });
        }
    }
    parts
}

fn stream(reading: &mut Reading<'_>, line: usize, text: &str) -> Option<Line> {
    match text {
        "A" => Some(Line::A),
        "B" => Some(Line::B),
        _ => {
            reading.wrong(line, format!("stream {} is not A or B", shown(text)));
            None
        }
    }
}

fn line(reading: &mut Reading<'_>, at: usize, text: &str) -> Option<Text<16>> {
    let line = reading.number(at, "line", text, (1, u16::MAX))?;
    Text::from_wire(line.to_string().as_bytes())
}

fn key(reading: &mut Reading<'_>, line: usize, text: &str, code: &str) -> Option<Key> {
    let text = reading.symbol(line, "symbol", text);
    let expiry = match code.as_bytes() {
        [code @ b'A'..=b'X'] => Some(*code),
        _ => {
            reading
                .wrong(line, format!("expiry code {} is not one letter from A to X", shown(code)));
            None
        }
    };
    Some(Key { text: text?, expiry: Some(expiry?) })
}

/// The range of everything that begins with a digit.
fn digits(reading: &mut Reading<'_>, rows: &[Row], numeric: u16) -> Option<Row> {
    let name = Text::from_wire(numeric.to_string().as_bytes())?;
    let Some(row) = rows.iter().find(|row| row.name == name) else {
        reading.wrong(
            0,
            format!("has no line {numeric}, which is to have the roots that begin with a digit"),
        );
        return None;
    };
    let key = |text, code| Some(Key { text: Text::from_wire(text)?, expiry: Some(code) });
    let range = Range { first: key(b"0", b'A')?, last: key(b"9ZZZZ", b'X')? };
    Some(Row { line: row.line, name, range })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{DATE, foreign, key, name, range, said};
    use super::*;
    use crate::check;
    use crate::model::Symbols;

    const TABLE: &str = "line,start_symbol,start_expiry_code,end_symbol,end_expiry_code
1,A,A,GOOG,X
2,GOOGA,A,IWM,L
3,IWM,M,RZZZZ,X
4,S,A,ZZZZZ,X
";

    const ADDRESSES: &str = "service,stream,line,group,port
playback,A,1,224.0.205.1,47001
production,A,1,224.0.204.1,45001
production,A,2,224.0.204.2,45002
production,B,1,224.0.206.1,45001
";

    fn table(text: &str, numeric: Option<u16>) -> Result<Imported, Problems> {
        lines(Path::new("lines.csv"), text, DATE, numeric)
    }

    fn addresses(text: &str, service: &str) -> Result<Imported, Problems> {
        multicast(Path::new("groups.csv"), text, DATE, service)
    }

    #[test]
    fn a_table_of_lines_keeps_ends_and_expiry_codes() {
        let imported = table(TABLE, Some(4)).unwrap();
        let symbols: Vec<_> = imported.parts.iter().map(|p| (p.name, p.symbols.clone())).collect();
        let ranges = |list: &[Range]| Some(Symbols::Ranges(list.to_vec()));
        assert_eq!(
            symbols,
            [
                (name("1"), ranges(&[range("A:A", "GOOG:X")])),
                (name("2"), ranges(&[range("GOOGA:A", "IWM:L")])),
                (name("3"), ranges(&[range("IWM:M", "RZZZZ:X")])),
                (name("4"), ranges(&[range("0:A", "9ZZZZ:X"), range("S:A", "ZZZZZ:X")])),
            ]
        );
        assert_eq!((imported.venue.as_str(), imported.protocol), ("OPRA", Protocol::Opra));
        // GOOG1, say: a letter follows in the table, and a digit is below it. Between 9 and A are signs.
        assert_eq!(
            imported.notes,
            [
                "what lies between 9ZZZZ X (end of 4) and A A (begin of 1) is in no partition",
                "what lies between GOOG X (end of 1) and GOOGA A (begin of 2) is in no partition",
            ]
        );
    }

    #[test]
    fn a_key_is_on_one_line() {
        let imported = table(TABLE, Some(4)).unwrap();
        let whole = ["1", "2", "3", "4"]
            .map(|line| format!("production,A,{line},224.0.204.{line},4500{line}\n"));
        let text = format!("service,stream,line,group,port\n{}", whole.concat());
        let map =
            imported.join(addresses(&text, "production").unwrap()).unwrap().into_map().unwrap();
        for (text, line) in [
            ("1AAPL:A", Some("4")),
            ("AAPL:C", Some("1")),
            ("GOOG", Some("1")),
            ("GOOG1:A", None),
            ("GOOGL:A", Some("2")),
            ("IWM:L", Some("2")),
            ("IWM:M", Some("3")),
            ("IWM", None),
            ("ZZZZZ:X", Some("4")),
        ] {
            let key = key(text);
            let place = check::of(&map, &key.text, key.expiry).map(|at| &map.partitions[at]);
            assert_eq!(place.map(|one| one.name.as_str()), line, "{text}");
        }
    }

    #[test]
    fn every_row_that_is_wrong_is_said() {
        let text = "line,start_symbol,start_expiry_code,end_symbol,end_expiry_code\n\
            1,A,A,BZZZZ,Y\n2,C,,CZZZZ,X\nx,D,A,DZZZZ,X\n3,E,A,EZZZZ\n4,IWM,M,IWM,L\n5,F,A,HZZZZ,X\n\
            6,G,A,K,X\n";
        let problems = said(table(text, None));
        assert_eq!(problems.len(), 6, "{problems:#?}");
        for (problem, line) in problems.iter().zip([2, 3, 4, 5, 6, 8]) {
            assert!(problem.starts_with(&format!("lines.csv:{line}: ")), "{problem}");
        }
        assert!(problems[0].ends_with(r#"expiry code "Y" is not one letter from A to X"#));
        assert!(problems[4].ends_with("ends at IWM L in front of where it begins, at IWM M"));
        let problems = said(table(TABLE, Some(5)));
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("lines.csv: has no line 5"), "{problems:?}");
    }

    #[test]
    fn one_service_is_taken() {
        let imported = addresses(ADDRESSES, "production").unwrap();
        assert_eq!(imported.notes, ["one stream only has: 2"]);
        let at = |group: [u8; 4], port| {
            Some(Endpoint { group: group.into(), port, source: None, interface: None })
        };
        let one = [at([224, 0, 204, 1], 45001), at([224, 0, 206, 1], 45001), None];
        assert_eq!(imported.parts[0].lines, Some(one));
        assert_eq!(imported.parts[1].lines, Some([at([224, 0, 204, 2], 45002), None, None]));
        assert_eq!(imported.parts.len(), 2);
        assert_eq!(
            said(addresses(ADDRESSES, "prod")),
            [r#"groups.csv: has no service "prod", but "playback", "production""#]
        );
    }

    #[test]
    fn addresses_are_right_as_a_whole() {
        let text = "service,stream,line,group,port\n\
            production,A,1,224.0.204.1,45001\nproduction,A,1,224.0.204.9,45001\n\
            other,C,1,10.0.0.1,0\nother,A,,224.0.204.300,70000\n";
        let problems = said(addresses(text, "production"));
        assert_eq!(problems.len(), 7, "{problems:#?}");
        assert!(
            problems[0].starts_with(
                "groups.csv:3: says stream A of line 1 again, after line 2 of the file"
            )
        );
        let lines: Vec<_> = problems.iter().map(|p| p.split(':').nth(1).unwrap()).collect();
        assert_eq!(lines, ["3", "4", "4", "4", "5", "5", "5"]);
    }

    proptest! {
        #[test]
        fn foreign_tables_never_panic(text in foreign(TABLE), numeric in prop::option::of(any::<u16>())) {
            if let Ok(imported) = table(&text, numeric) {
                prop_assert!(!imported.parts.is_empty());
            }
        }

        #[test]
        fn foreign_addresses_never_panic(text in foreign(ADDRESSES)) {
            if let Ok(imported) = addresses(&text, "production") {
                prop_assert!(!imported.parts.is_empty());
                prop_assert!(imported.parts.iter().all(|part| streams(part) > 0));
            }
        }
    }
}

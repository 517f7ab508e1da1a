//! What every importer needs: rows of text files, fields with words for what is wrong with them.

use core::net::Ipv4Addr;
use std::borrow::Cow;
use std::fmt::Display;
use std::path::Path;

use candor_core::Symbol;
use candor_core::symbol::Text;
use candor_settings::{Problem, Problems};

/// `Ok`, or the refusal of a file with all its problems.
pub(super) fn done(path: &Path, problems: Vec<Problem>) -> Result<(), Problems> {
    if problems.is_empty() { Ok(()) } else { Err(Problems::new("import", path, problems)) }
}

/// A file that is being read, with the problems found so far.
pub(super) struct Reading<'a> {
    path: &'a Path,
    problems: Vec<Problem>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(path: &'a Path) -> Reading<'a> {
        Reading { path, problems: Vec::new() }
    }

    /// One more problem; line 0 is the whole file.
    pub(super) fn wrong(&mut self, line: usize, message: impl Into<String>) {
        let (file, message) = (self.path.to_path_buf(), message.into());
        self.problems.push(Problem { file, line, message });
    }

    pub(super) fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    /// `value`, unless there were problems.
    pub(super) fn finish<T>(self, value: T) -> Result<T, Problems> {
        done(self.path, self.problems)?;
        Ok(value)
    }

    pub(super) fn symbol(&mut self, line: usize, what: &str, text: &str) -> Option<Symbol> {
        self.text(line, what, text)
    }

    pub(super) fn text<const N: usize>(
        &mut self,
        line: usize,
        what: &str,
        text: &str,
    ) -> Option<Text<N>> {
        let found = Text::from_wire(text.as_bytes());
        if found.is_none() {
            let text = shown(text);
            self.wrong(
                line,
                format!("{what} {text} is not 1 to {N} characters of printable ASCII"),
            );
        }
        found
    }

    /// A whole number within `from` to `to`.
    pub(super) fn number(
        &mut self,
        line: usize,
        what: &str,
        text: &str,
        (from, to): (u16, u16),
    ) -> Option<u16> {
        // Digits alone: `+7` and `007` are how no venue writes a number, and two spellings of one name
        // would be two partitions.
        let plain =
            text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        let found = if plain { text.parse().ok() } else { None };
        let found = found.filter(|number| (from..=to).contains(number));
        if found.is_none() {
            let text = shown(text);
            self.wrong(line, format!("{what} {text} is not a whole number from {from} to {to}"));
        }
        found
    }

    pub(super) fn port(&mut self, line: usize, text: &str) -> Option<u16> {
        self.number(line, "port", text, (1, u16::MAX))
    }

    /// An address of a host: no multicast group, not 0.0.0.0.
    pub(super) fn host(&mut self, line: usize, what: &str, text: &str) -> Option<Ipv4Addr> {
        let found: Option<Ipv4Addr> = text.parse().ok();
        let found =
            found.filter(|ip| !ip.is_multicast() && !ip.is_unspecified() && !ip.is_broadcast());
        if found.is_none() {
            self.wrong(line, format!("{what} {} is not the IPv4 address of a host", shown(text)));
        }
        found
    }

    pub(super) fn group(&mut self, line: usize, text: &str) -> Option<Ipv4Addr> {
        let found: Option<Ipv4Addr> = text.parse().ok();
        let found = found.filter(Ipv4Addr::is_multicast);
        if found.is_none() {
            self.wrong(
                line,
                format!(
                    "group {} is not an IPv4 multicast group (224.0.0.0 to 239.255.255.255)",
                    shown(text)
                ),
            );
        }
        found
    }

    /// A file's rows with a header above them. `None`, and said so, where there is neither.
    pub(super) fn table<'t>(&mut self, text: &'t str, between: char) -> Option<Table<'t>> {
        let mut rows = self.rows(text, between).into_iter();
        let Some((line, header)) = rows.next() else {
            self.wrong(0, "is empty: is it the right file, and whole?");
            return None;
        };
        let width = header.len();
        let mut kept = Vec::new();
        for (at, row) in rows {
            if row.len() == width {
                kept.push((at, row));
            } else {
                let message = format!(
                    "has {} fields where the header in line {line} has {width}: take the file afresh",
                    row.len()
                );
                self.wrong(at, message);
            }
        }
        if kept.is_empty() && !self.has_problems() {
            self.wrong(0, "has a header and no row: is it whole?");
        }
        Some(Table { line, header, rows: kept })
    }

    /// Every line that is not blank, split, with the number of the line.
    pub(super) fn rows<'t>(
        &mut self,
        text: &'t str,
        between: char,
    ) -> Vec<(usize, Vec<Cow<'t, str>>)> {
        let mut rows = Vec::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            match split(line, between) {
                Some(fields) => rows.push((index + 1, fields)),
                None => self.wrong(index + 1, "has a quote that is not closed where a field ends"),
            }
        }
        rows
    }
}

/// Rows under a header.
pub(super) struct Table<'t> {
    /// The header's line.
    pub(super) line: usize,
    pub(super) header: Vec<Cow<'t, str>>,
    /// Each row, as wide as the header, with its line.
    pub(super) rows: Vec<(usize, Vec<Cow<'t, str>>)>,
}

impl Table<'_> {
    /// Where the column is that has one of these names, in any case.
    pub(super) fn column(&self, names: &[&str]) -> Option<usize> {
        self.columns(names).next()
    }

    fn columns(&self, names: &[&str]) -> impl Iterator<Item = usize> {
        let is = move |title: &str| names.iter().any(|name| title.eq_ignore_ascii_case(name));
        (0..).zip(&self.header).filter(move |(_, title)| is(title)).map(|(at, _)| at)
    }

    /// The same, for one that must be there, and once: of two nobody knows which is meant.
    pub(super) fn need(&self, reading: &mut Reading<'_>, names: &[&str]) -> Option<usize> {
        let found = self.column(names);
        if self.columns(names).count() > 1 {
            let message = format!("has more than one column {}: take one out", names.join(" or "));
            reading.wrong(self.line, message);
        }
        if found.is_none() {
            let header: Vec<_> = self.header.iter().take(20).map(|title| shown(title)).collect();
            let names = names.join(" or ");
            let message =
                format!("has no column {names}, but {}: is it the right file?", header.join(", "));
            reading.wrong(self.line, message);
        }
        found
    }
}

/// A line's fields without the blanks around them. A field in double quotes may hold anything but the end
/// of a line, and a double quote as two of them. `None` where a quote doesn't close at a field's end.
fn split(line: &str, between: char) -> Option<Vec<Cow<'_, str>>> {
    if !line.contains('"') {
        return Some(line.split(between).map(|field| Cow::from(field.trim())).collect());
    }
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut field = String::new();
            let mut parts = quoted;
            loop {
                let (part, behind) = parts.split_once('"')?;
                field.push_str(part);
                match behind.strip_prefix('"') {
                    Some(more) => {
                        field.push('"');
                        parts = more;
                    }
                    None => {
                        rest = behind.trim_start_matches([' ', '\t']);
                        break;
                    }
                }
            }
            fields.push(Cow::from(field));
            match rest.strip_prefix(between) {
                Some(more) => rest = more,
                None => return rest.is_empty().then_some(fields),
            }
        } else {
            match rest.split_once(between) {
                Some((field, more)) => {
                    fields.push(Cow::from(field.trim()));
                    rest = more;
                }
                None => {
                    fields.push(Cow::from(rest.trim()));
                    return Some(fields);
                }
            }
        }
    }
}

/// Foreign text as a message may show it: quoted, escaped, and not at any length.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 40;
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

/// Up to this many of a longer list, in words.
pub(super) fn some_of<T: Display>(list: impl IntoIterator<Item = T>) -> String {
    const SHOWN: usize = 12;
    let list: Vec<String> = list.into_iter().map(|each| each.to_string()).collect();
    let shown = list[..list.len().min(SHOWN)].join(", ");
    match list.len() {
        0..=SHOWN => shown,
        n => format!("{shown} and {} more", n - SHOWN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_split_and_quotes_undone() {
        for (line, fields) in [
            ("a,b,,c", vec!["a", "b", "", "c"]),
            (" a , b ", vec!["a", "b"]),
            ("", vec![""]),
            (",", vec!["", ""]),
            ("\"a,b\",c", vec!["a,b", "c"]),
            ("x, \"say \"\"a\"\"\" ,", vec!["x", "say \"a\"", ""]),
            ("a\"b,c", vec!["a\"b", "c"]),
        ] {
            assert_eq!(split(line, ',').unwrap(), fields, "{line}");
        }
        for line in ["\"a", "\"a\"b,c", "a,\"", "\"a\"\""] {
            assert_eq!(split(line, ','), None, "{line}");
        }
        assert_eq!(split("a|b,c|", '|').unwrap(), ["a", "b,c", ""]);
    }

    #[test]
    fn a_column_that_must_be_there_is_there_once() {
        for (header, problem) in [
            ("Unit,x", None),
            ("y,Matching Unit", None),
            ("Unit,matching unit", Some("has more than one column unit or matching unit")),
            ("unit,UNIT", Some("has more than one column")),
            ("x,y", Some("has no column unit or matching unit, but \"x\", \"y\"")),
        ] {
            let mut reading = Reading::new(Path::new("x"));
            let text = format!("{header}\n1,2\n");
            let table = reading.table(&text, ',').unwrap();
            table.need(&mut reading, &["unit", "matching unit"]);
            let found = reading.problems.first().map(|problem| problem.message.as_str());
            assert_eq!(found.is_some(), problem.is_some(), "{header}: {found:?}");
            assert!(found.unwrap_or("").starts_with(problem.unwrap_or("")), "{found:?}");
        }
    }

    #[test]
    fn a_number_has_one_spelling() {
        let mut reading = Reading::new(Path::new("x"));
        assert_eq!(reading.number(1, "unit", "255", (1, 255)), Some(255));
        assert_eq!(reading.number(1, "unit", "0", (0, 9)), Some(0));
        for text in ["", "0", "01", "+1", "-1", "1.0", "256", "99999999999", "١", " 1"] {
            assert_eq!(reading.number(1, "unit", text, (1, 255)), None, "{text}");
        }
        assert_eq!(reading.problems.len(), 10);
    }

    #[test]
    fn what_is_shown_of_foreign_text_is_short_and_escaped() {
        assert_eq!(shown("a\u{1b}[31m\n"), r#""a\u{1b}[31m\n""#);
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), 43);
        assert_eq!(some_of(1..=12), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12");
        assert!(some_of(1..=13).ends_with("12 and 1 more"));
    }
}

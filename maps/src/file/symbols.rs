//! Symbols: listed in the file itself, a symbol a line in a file of their own, or with their partitions in
//! one file for all. `#` starts a comment where a line begins, in the files with a symbol a line behind a
//! blank too; within a symbol it is part of it (`ABC#` is when-issued). Blank lines count for nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use candor_core::Symbol;
use candor_core::symbol::Text;
use candor_settings::{At, Context, Problem, Table, nearest};

use super::Files;

/// Lines of one file of symbols that are each said to be wrong. The rest is counted: a file of another
/// kind is wrong in every line.
const SAID: usize = 20;

/// Symbols as they were read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Listed {
    /// The symbols in the order given, each once.
    pub symbols: Vec<Symbol>,
    /// The line of the file that lists them, or that names the file that does.
    pub line: usize,
}

/// Reads `symbols` or `symbols_file`; `None` where there is neither. Files are named from `folder` on.
pub fn listed(
    cx: &mut Context<'_>,
    table: &mut Table<'_>,
    folder: &Path,
    files: &mut Files<'_>,
) -> Option<Listed> {
    let listed = table.texts(cx, "symbols");
    let file = table.text(cx, "symbols_file", "a file name");
    let line = listed.as_ref().map(|at| at.line).or(file.map(|at| at.line))?;
    let symbols = match (listed, file) {
        (Some(_), Some(file)) => {
            let message = "has both `symbols` and `symbols_file`; keep one";
            cx.problem(file.line, format!("{} {message}", table.name()));
            Vec::new()
        }
        (Some(listed), None) => from_list(cx, "symbol", &listed.value),
        (None, file) => match file.and_then(|file| contents(cx, folder, file, files)) {
            Some((path, text)) => {
                let (symbols, problems) = parse(&path, &text);
                cx.problems.extend(problems);
                symbols
            }
            None => Vec::new(),
        },
    };
    Some(Listed { symbols, line })
}

/// The path and text of a file that another names; what is wrong with it is reported where it is named.
pub(super) fn contents(
    cx: &mut Context<'_>,
    folder: &Path,
    file: At<&str>,
    files: &mut Files<'_>,
) -> Option<(PathBuf, String)> {
    let path = folder.join(file.value);
    match files(&path) {
        Ok(text) => Some((path, text)),
        Err(message) => {
            cx.problem(file.line, format!("`symbols_file` {}: {message}", path.display()));
            None
        }
    }
}

/// The products in a list, as [`listed`] reads symbols.
pub(super) fn products(cx: &mut Context<'_>, table: &mut Table<'_>) -> Option<Listed> {
    let listed = table.texts(cx, "products")?;
    Some(Listed { symbols: from_list(cx, "product", &listed.value), line: listed.line })
}

fn from_list(cx: &mut Context<'_>, what: &str, listed: &[At<&str>]) -> Vec<Symbol> {
    let mut symbols = Vec::new();
    let mut seen = BTreeSet::new();
    for At { value, line } in listed {
        match Symbol::from_wire(value.as_bytes()) {
            None => cx.problem(
                *line,
                format!("{value:?} is no {what}: 1 to 24 characters of printable ASCII"),
            ),
            Some(symbol) if !seen.insert(symbol) => {
                cx.problem(*line, format!("{what} {symbol} is listed twice; take one out"));
            }
            Some(symbol) => symbols.push(symbol),
        }
    }
    symbols
}

/// Takes the symbols out of the text of a file that has one a line. Each problem names its line.
#[must_use]
pub fn parse(path: &Path, text: &str) -> (Vec<Symbol>, Vec<Problem>) {
    let mut symbols = Vec::new();
    let mut problems = Vec::new();
    let mut seen: BTreeMap<Symbol, usize> = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let word = without_comment(line).trim();
        if word.is_empty() {
            continue;
        }
        let mut problem =
            |message| problems.push(Problem { file: path.to_path_buf(), line: number, message });
        match Symbol::from_wire(word.as_bytes()) {
            None => problem(format!(
                "{word:?} is no symbol: 1 to 24 characters of printable ASCII, one symbol a line"
            )),
            Some(symbol) => match seen.get(&symbol) {
                Some(first) => problem(format!(
                    "symbol {symbol} is listed twice, first in line {first}; take one out"
                )),
                None => {
                    seen.insert(symbol, number);
                    symbols.push(symbol);
                }
            },
        }
    }
    if symbols.is_empty() && problems.is_empty() {
        problems.push(Problem::of_file(
            path,
            "lists no symbol; list some, or leave `symbols_file` out to take whatever the venue \
             names"
                .to_owned(),
        ));
    }
    (symbols, problems)
}

/// What stands before the first `#` that begins the line or follows a blank.
fn without_comment(line: &str) -> &str {
    let begins = |at: &usize| line[..*at].chars().next_back().is_none_or(char::is_whitespace);
    let at = line.match_indices('#').map(|(at, _)| at).find(begins);
    &line[..at.unwrap_or(line.len())]
}

/// The header of a file with symbols and their partitions.
pub(super) const HEADER: &str = "symbol,partition";

/// Takes the symbols of each partition out of the text of one file for all: by the index of the partition
/// in `names`. Each problem names its line.
pub(super) fn parse_all(
    path: &Path,
    text: &str,
    names: &[Text<16>],
) -> (Vec<Vec<Symbol>>, Vec<Problem>) {
    let mut rows =
        Rows { names, lists: vec![Vec::new(); names.len()], seen: BTreeMap::new(), header: false };
    let mut problems = Vec::new();
    let mut unsaid = 0;
    for (number, line) in (1..).zip(text.lines()) {
        if let Err(message) = rows.take(number, line) {
            if problems.len() < SAID {
                problems.push(Problem { file: path.to_path_buf(), line: number, message });
            } else {
                unsaid += 1;
            }
        }
    }
    if unsaid > 0 {
        problems.push(Problem {
            file: path.to_path_buf(),
            line: text.lines().count(),
            message: format!("{unsaid} more lines are wrong; is it the right file?"),
        });
    }
    if !rows.header && problems.is_empty() {
        let message = format!("is empty; it must begin with the line {HEADER}");
        problems.push(Problem::of_file(path, message));
    }
    (rows.lists, problems)
}

/// What the rows of one file for all partitions have said so far.
struct Rows<'a> {
    names: &'a [Text<16>],
    lists: Vec<Vec<Symbol>>,
    /// Where each symbol stood first: line and partition.
    seen: BTreeMap<Symbol, (usize, usize)>,
    header: bool,
}

impl Rows<'_> {
    fn take(&mut self, number: usize, line: &str) -> Result<(), String> {
        if line.trim().is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let [symbol, partition] = fields(line)
            .ok_or_else(|| format!("must be a symbol, a comma and a partition, not {line:?}"))?;
        if !self.header {
            self.header = true;
            if format!("{symbol},{partition}") != HEADER {
                return Err(format!("must be the header {HEADER}, not {line:?}"));
            }
            return Ok(());
        }
        let name = Symbol::from_wire(symbol.as_bytes());
        let symbol = name.ok_or_else(|| {
            format!("{symbol:?} is no symbol: 1 to 24 characters of printable ASCII")
        })?;
        let index = self.index(&partition)?;
        if let Some((first, other)) = self.seen.get(&symbol) {
            return Err(if *other == index {
                format!("symbol {symbol} is listed twice, first in line {first}; take one out")
            } else {
                let other = self.names[*other];
                format!(
                    "symbol {symbol} is in partition {other} by line {first} already; a symbol has \
                     one partition"
                )
            });
        }
        self.seen.insert(symbol, (number, index));
        self.lists[index].push(symbol);
        Ok(())
    }

    fn index(&self, partition: &str) -> Result<usize, String> {
        let found = self.names.iter().position(|name| name.as_str() == partition);
        found.ok_or_else(|| {
            let names: Vec<&str> = self.names.iter().map(Text::as_str).collect();
            match nearest(partition, &names) {
                Some(meant) => {
                    format!("the map has no partition {partition:?}, did you mean {meant:?}?")
                }
                None => format!("the map has no partition {partition:?}; give it a [[partition]]"),
            }
        })
    }
}

/// The two fields of a line. One with a comma or a quotation mark is in quotation marks, and each within it
/// is doubled.
fn fields(line: &str) -> Option<[String; 2]> {
    let (first, rest) = field(line)?;
    let (second, rest) = field(rest.strip_prefix(',')?)?;
    rest.trim().is_empty().then_some([first, second])
}

fn field(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(',').unwrap_or(text.len());
        let (field, rest) = text.split_at(end);
        return Some((field.trim().to_owned(), rest));
    };
    let mut field = String::new();
    let mut rest = quoted;
    loop {
        let (before, behind) = rest.split_once('"')?;
        field.push_str(before);
        match behind.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Some((field, behind)),
        }
    }
}

/// A line that [`fields`] takes apart again.
pub(super) fn row(symbol: &str, partition: &str) -> String {
    let field = |text: &str| {
        if text.contains([',', '"', '#']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text.to_owned()
        }
    };
    format!("{},{}", field(symbol), field(partition))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Vec<String>, Vec<String>) {
        let (symbols, problems) = parse(Path::new("p1.txt"), text);
        (
            symbols.iter().map(ToString::to_string).collect(),
            problems.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn comments_blanks_and_either_line_end_are_fine() {
        let (symbols, problems) = parsed("# today\n\nAAPL\r\n  MSFT  # moved\nBRK.B");
        assert_eq!(symbols, ["AAPL", "MSFT", "BRK.B"]);
        assert_eq!(problems, [""; 0]);
    }

    #[test]
    fn a_symbol_keeps_the_sign_that_else_begins_a_comment() {
        let (symbols, problems) = parsed("ABC\nABC# # when-issued\n\t# ABC\nA#B#\n");
        assert_eq!(symbols, ["ABC", "ABC#", "A#B#"]);
        assert_eq!(problems, [""; 0]);
    }

    #[test]
    fn every_bad_line_is_named() {
        let (_, problems) = parsed("AAPL\nMSFT\nAAPL\nÄÖ\nAAPL\nABCDEFGHIJKLMNOPQRSTUVWXYZ\n");
        assert_eq!(
            problems,
            [
                "p1.txt:3: symbol AAPL is listed twice, first in line 1; take one out",
                "p1.txt:4: \"ÄÖ\" is no symbol: 1 to 24 characters of printable ASCII, one symbol a line",
                "p1.txt:5: symbol AAPL is listed twice, first in line 1; take one out",
                "p1.txt:6: \"ABCDEFGHIJKLMNOPQRSTUVWXYZ\" is no symbol: 1 to 24 characters of printable ASCII, one symbol a line",
            ]
        );
    }

    #[test]
    fn an_empty_list_is_a_problem() {
        let (_, problems) = parsed("# nothing today\n");
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("p1.txt: lists no symbol"));
    }

    fn all(text: &str) -> (Vec<Vec<String>>, Vec<String>) {
        let names = ["1", "two"].map(|name| Text::from_wire(name.as_bytes()).unwrap());
        let (lists, problems) = parse_all(Path::new("s.csv"), text, &names);
        let words = |list: Vec<Symbol>| list.iter().map(ToString::to_string).collect();
        (lists.into_iter().map(words).collect(), problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn one_file_lists_the_symbols_of_all() {
        let (lists, problems) =
            all("# today\nsymbol,partition\r\nAAPL,1\r\n MSFT , two \n\"A,\"\"B\",1\n\nBRK A,two");
        assert_eq!(problems, [""; 0]);
        assert_eq!(lists, [vec!["AAPL", "A,\"B"], vec!["MSFT", "BRK A"]]);
    }

    #[test]
    fn a_row_is_taken_apart_as_it_was_put_together() {
        for (symbol, partition) in [("AAPL", "1"), ("#A", "1"), ("A,B", "\"x\""), ("\"", "#, #")] {
            let row = row(symbol, partition);
            assert!(!row.starts_with('#'), "{row} is no comment");
            assert_eq!(fields(&row), Some([symbol.to_owned(), partition.to_owned()]), "{row}");
        }
    }

    #[test]
    fn every_bad_row_is_named() {
        let (_, problems) =
            all("symbol,partition\nAAPL,1\nAAPL,1\nAAPL,two\nIBM,tow\nIBM,9\nÄ,1\nIBM\n\
                                 IBM,1,2\n\"IBM,1\n");
        insta::assert_snapshot!(problems.join("\n"));
        let (_, problems) = all("AAPL,1\nIBM,1\n");
        assert_eq!(problems, ["s.csv:1: must be the header symbol,partition, not \"AAPL,1\""]);
        let (_, problems) = all("");
        assert_eq!(problems, ["s.csv: is empty; it must begin with the line symbol,partition"]);
    }

    #[test]
    fn a_file_of_another_kind_is_not_a_problem_a_line() {
        let rows = "X,9\n".repeat(1_000);
        let (_, problems) = all(&format!("{HEADER}\n{rows}"));
        assert_eq!(problems.len(), SAID + 1);
        assert_eq!(problems[SAID], "s.csv:1001: 980 more lines are wrong; is it the right file?");
    }
}

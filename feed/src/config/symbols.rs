//! Symbols files: a symbol a line, `#` starts a comment, blank lines count for nothing.

use std::collections::BTreeMap;
use std::path::Path;

use candor_core::Symbol;
use candor_settings::Problem;

/// Takes the symbols out of a file's text. Each problem names its line.
pub(super) fn parse(path: &Path, text: &str) -> (Vec<Symbol>, Vec<Problem>) {
    let mut symbols = Vec::new();
    let mut problems = Vec::new();
    let mut seen: BTreeMap<Symbol, usize> = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let word = line.split('#').next().unwrap_or("").trim();
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
}

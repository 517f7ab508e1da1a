//! NYSE: the symbol mapping file of a market.
//!
//! Document: Pillar Common Client Specification for Proprietary Data Feeds 2.4p, section 9, *Symbol Index
//! Mapping File*. `<Market>SymbolMapping_YYYYMMDD.txt`, ready by midnight; no header; fields between
//! pipes: symbol in NYSE's own spelling, CQS symbol, symbol index, market, listed market, tape, round
//! lot, price scale code, **system ID**, security type, and one that is empty, closed by a pipe. Before
//! 2025 the tenth and eleventh were Bloomberg's identifiers.
//!
//! The file names the matching engine (system ID) of a symbol and no channel. Which channel of a product
//! carries which engine's symbols is said by NYSE's list of addresses, and is an argument here.

use std::collections::BTreeSet;
use std::path::Path;

use candor_core::symbol::Text;
use candor_core::{TradingDate, Venue};
use candor_settings::Problems;

use super::Imported;
use super::lists::Lists;
use super::reading::Reading;
use crate::model::Protocol;

/// Where the fields are.
const SYMBOL: usize = 0;
const SYSTEM: usize = 8;
/// Fields with the empty one behind the last pipe, and without that pipe.
const FIELDS: [usize; 2] = [12, 11];

/// A market's symbols by channel; `channel_of` says the channel of a system ID (0 to 255, a byte on the wire).
///
/// # Errors
/// Every row that is wrong, every symbol that is there twice, and the system IDs without a channel.
pub fn mapping(
    path: &Path,
    text: &str,
    venue: Venue,
    date: TradingDate,
    channel_of: impl Fn(u16) -> Option<Text<16>>,
) -> Result<Imported, Problems> {
    let mut reading = Reading::new(path);
    let mut lists = Lists::default();
    let mut without = BTreeSet::new();
    let rows = reading.rows(text, '|');
    if rows.is_empty() && !reading.has_problems() {
        reading.wrong(0, "is empty: is it the right file, and whole?");
    }
    for (line, row) in &rows {
        if !FIELDS.contains(&row.len())
            || row.get(FIELDS[0] - 1).is_some_and(|rest| !rest.is_empty())
        {
            let message =
                format!("has {} fields between pipes, not 11: take the file afresh", row.len());
            reading.wrong(*line, message);
            continue;
        }
        let symbol = reading.symbol(*line, "symbol", &row[SYMBOL]);
        let system = reading.number(*line, "system ID", &row[SYSTEM], (0, 255));
        let (Some(symbol), Some(system)) = (symbol, system) else { continue };
        match channel_of(system) {
            Some(name) => lists.add(&mut reading, *line, name, symbol),
            None => {
                if without.insert(system) {
                    let message = format!(
                        "no channel is known for system ID {system}, here and below: name it"
                    );
                    reading.wrong(*line, message);
                }
            }
        }
    }
    reading.finish(Imported {
        file: path.to_path_buf(),
        venue,
        date,
        protocol: Protocol::NyseXdp,
        parts: lists.parts(),
        notes: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use candor_core::Symbol;
    use proptest::prelude::*;

    use super::super::testing::{DATE, foreign, name, said, symbol, venue};
    use super::*;
    use crate::model::Symbols;

    /// The older form without a pipe at the end is among them.
    const FILE: &str = "A|A|1|N|N|A|100|4|2|C||
ABR PRF|ABRpF|17|N|N|A|100|4|2|P||
IBM|IBM|30|N|N|A|100|4|1|C||
ZZZ|ZZZ|31|N|N|A|100|4|1|EQ0000|BBG000BLNNH6
";

    fn file(text: &str) -> Result<Imported, Problems> {
        let channel =
            |system| if system < 10 { Some(name(&format!("{}", 10 + system))) } else { None };
        mapping(Path::new("NYSESymbolMapping_20260727.txt"), text, venue("XNYS"), DATE, channel)
    }

    #[test]
    fn symbols_go_to_the_channel_of_their_system() {
        let imported = file(FILE).unwrap();
        let lists: Vec<_> = imported.parts.iter().map(|p| (p.name, p.symbols.clone())).collect();
        let list = |texts: &[&str]| {
            Some(Symbols::List(texts.iter().map(|text| symbol(text)).collect::<Vec<Symbol>>()))
        };
        assert_eq!(
            lists,
            [(name("12"), list(&["A", "ABR PRF"])), (name("11"), list(&["IBM", "ZZZ"]))]
        );
        assert!(imported.parts.iter().all(|part| part.lines.is_none()));
    }

    #[test]
    fn every_row_that_is_wrong_is_said() {
        let text = "A|A|1|N|N|A|100|4|2|C||\nB|B|2|N|N|A|100|4|2|C\n|C|3|N|N|A|100|4|2|C||\n\
            D|D|4|N|N|A|100|4||C||\nE|E|5|N|N|A|100|4|12|C||\nF|F|6|N|N|A|100|4|12|C||\n\
            A|A|1|N|N|A|100|4|1|C||\nG|G|7|N|N|A|100|4|2|C||x\n";
        let problems = said(file(text));
        let lines: Vec<_> = problems.iter().map(|p| p.split(':').nth(1).unwrap()).collect();
        assert_eq!(lines, ["2", "3", "4", "5", "7", "8"], "{problems:#?}");
        assert!(
            problems[3].ends_with("no channel is known for system ID 12, here and below: name it")
        );
        assert!(problems[4].contains("\"A\" is in line 1 already, with 12"));
        assert_eq!(said(file("\n \n")).len(), 1);
    }

    proptest! {
        #[test]
        fn foreign_files_never_panic(text in foreign(FILE)) {
            if let Ok(imported) = file(&text) {
                prop_assert!(!imported.parts.is_empty());
            }
        }
    }
}

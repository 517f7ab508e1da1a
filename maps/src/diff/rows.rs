//! A difference as rows of named values, for programs.

use candor_core::Symbol;

use super::{Described, Difference, Group};

/// Symbols of a row that are named; the rest is counted.
const EXAMPLES: usize = 5;

/// One thing that differs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Row {
    /// `protocol`, `rule`, `partition-added`, `partition-removed`, `partition-renamed`, `altered`, `order`,
    /// `symbols-moved`, `symbols-added`, `symbols-dropped` or `symbols-unknown`.
    pub kind: &'static str,
    /// The partition it is about; the new one's name where it was renamed, the old one's where symbols
    /// move or are dropped.
    pub partition: Option<String>,
    /// What changed of it: `line A`, `silence`.
    pub what: Option<String>,
    /// What was.
    pub from: Option<String>,
    /// What is.
    pub to: Option<String>,
    /// How many symbols.
    pub symbols: Option<usize>,
    /// The first few of them.
    pub examples: Vec<Symbol>,
}

impl Difference {
    /// Everything that differs, a row each, in the order of the words.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        if let Some(change) = self.protocol {
            rows.push(Row::change("protocol", change.from, change.to));
        }
        if let Some(change) = self.rule {
            rows.push(Row::change("rule", change.from.name(), change.to.name()));
        }
        rows.extend(self.added.iter().map(|one| Row {
            to: Some(one.endpoints.clone()),
            ..Row::described("partition-added", one)
        }));
        rows.extend(self.removed.iter().map(|one| Row {
            from: Some(one.endpoints.clone()),
            ..Row::described("partition-removed", one)
        }));
        rows.extend(self.renamed.iter().map(|change| Row {
            partition: Some(change.to.to_string()),
            ..Row::change("partition-renamed", change.from, change.to)
        }));
        rows.extend(self.altered.iter().map(|one| {
            let some = |text: &String| (!text.is_empty()).then(|| text.clone());
            Row {
                kind: "altered",
                partition: Some(one.partition.to_string()),
                what: Some(one.what.clone()),
                from: some(&one.change.from),
                to: some(&one.change.to),
                ..Row::default()
            }
        }));
        if self.reordered {
            rows.push(Row { kind: "order", ..Row::default() });
        }
        if !self.known {
            rows.push(Row { kind: "symbols-unknown", ..Row::default() });
        }
        rows.extend(self.moved.iter().map(|moved| Row {
            partition: Some(moved.from.to_string()),
            from: Some(moved.from.to_string()),
            to: Some(moved.to.to_string()),
            ..Row::of_symbols("symbols-moved", &moved.symbols)
        }));
        rows.extend(self.gained.iter().map(|group| Row::group("symbols-added", group)));
        rows.extend(self.dropped.iter().map(|group| Row::group("symbols-dropped", group)));
        rows
    }
}

impl Row {
    fn change(kind: &'static str, from: impl ToString, to: impl ToString) -> Row {
        let (from, to) = (Some(from.to_string()), Some(to.to_string()));
        Row { kind, from, to, ..Row::default() }
    }

    fn described(kind: &'static str, one: &Described) -> Row {
        let (partition, what) = (Some(one.name.to_string()), Some(one.carried.clone()));
        Row { kind, partition, what, ..Row::default() }
    }

    fn of_symbols(kind: &'static str, symbols: &[Symbol]) -> Row {
        let examples = symbols.iter().copied().take(EXAMPLES).collect();
        Row { kind, symbols: Some(symbols.len()), examples, ..Row::default() }
    }

    fn group(kind: &'static str, group: &Group) -> Row {
        let partition = Some(group.partition.to_string());
        Row { partition, ..Row::of_symbols(kind, &group.symbols) }
    }
}

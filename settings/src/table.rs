//! A walk over TOML tables that knows its lines, and knows a key by having asked for it: whatever
//! nobody asked for is unknown, so no list of keys can differ from the code that reads them.

use std::ops::RangeInclusive;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::{Problem, nearest};

/// A value, and the line it stands in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Its line, from 1; 0 where it has none of its own.
    pub line: usize,
}

/// The file being read, and what is wrong with it so far.
pub struct Context<'a> {
    /// Its path.
    pub file: &'a Path,
    /// Where each line begins, in bytes.
    starts: Vec<usize>,
    /// What is wrong with it so far, in the order in which it was found.
    pub problems: Vec<Problem>,
}

impl<'a> Context<'a> {
    /// A file of this path and text, of which nothing has been read.
    #[must_use]
    pub fn new(file: &'a Path, text: &str) -> Context<'a> {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        Context { file, starts, problems: Vec::new() }
    }

    /// The line, from 1, that holds this byte.
    pub fn line(&self, offset: usize) -> usize {
        // A list of thousands asks for the line of each: not by counting from the top.
        self.starts.partition_point(|start| *start <= offset)
    }

    /// Says what is wrong in a line, and what to do.
    pub fn problem(&mut self, line: usize, message: impl Into<String>) {
        self.problems.push(Problem {
            file: self.file.to_path_buf(),
            line,
            message: message.into(),
        });
    }
}

/// One table of the file.
pub struct Table<'t> {
    /// How problems call it: `[handler]`, `[[lane]]`, `lines.A`.
    name: String,
    /// The line of its heading; 0 for the file itself.
    pub line: usize,
    entries: &'t DeTable<'t>,
    asked: Vec<&'static str>,
}

impl<'t> Table<'t> {
    /// A table that problems call `name`.
    #[must_use]
    pub fn new(name: &str, line: usize, entries: &'t DeTable<'t>) -> Table<'t> {
        Table { name: name.to_owned(), line, entries, asked: Vec::new() }
    }

    fn get(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.asked.push(key);
        self.entries.get(key)
    }

    fn wrong(&self, cx: &mut Context<'_>, line: usize, key: &str, wanted: &str, got: &DeValue<'_>) {
        let got = match got {
            DeValue::String(text) => format!("the text {text:?}"),
            DeValue::Integer(number) => format!("the number {number}"),
            DeValue::Float(number) => format!("the number {number}"),
            DeValue::Boolean(value) => value.to_string(),
            DeValue::Datetime(date) => format!("the date {date}"),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        };
        cx.problem(line, format!("`{key}` in {} must be {wanted}, not {got}", self.name));
    }

    /// Says that a key is missing; `example` shows how to write it.
    pub fn missing(&self, cx: &mut Context<'_>, key: &str, example: &str) {
        cx.problem(self.line, format!("{} has no `{key}`; add one like: {example}", self.name));
    }

    /// A text that is not empty; `wanted` says what it should be.
    pub fn text(
        &mut self,
        cx: &mut Context<'_>,
        key: &'static str,
        wanted: &str,
    ) -> Option<At<&'t str>> {
        let value = self.get(key)?;
        let line = cx.line(value.span().start);
        match value.get_ref() {
            DeValue::String(text) if !text.is_empty() => Some(At { value: text, line }),
            other => {
                self.wrong(cx, line, key, wanted, other);
                None
            }
        }
    }

    /// A date, quoted (`"2026-11-21"`) or as TOML writes dates, as its text.
    pub fn date(
        &mut self,
        cx: &mut Context<'_>,
        key: &'static str,
        wanted: &str,
    ) -> Option<At<String>> {
        let value = self.get(key)?;
        let line = cx.line(value.span().start);
        match value.get_ref() {
            DeValue::String(text) => Some(At { value: text.to_string(), line }),
            DeValue::Datetime(date) => Some(At { value: date.to_string(), line }),
            other => {
                self.wrong(cx, line, key, wanted, other);
                None
            }
        }
    }

    /// True or false.
    pub fn boolean(&mut self, cx: &mut Context<'_>, key: &'static str) -> Option<At<bool>> {
        let value = self.get(key)?;
        let line = cx.line(value.span().start);
        match value.get_ref() {
            DeValue::Boolean(value) => Some(At { value: *value, line }),
            other => {
                self.wrong(cx, line, key, "true or false", other);
                None
            }
        }
    }

    /// A whole number in a range.
    pub fn integer(
        &mut self,
        cx: &mut Context<'_>,
        key: &'static str,
        range: RangeInclusive<u64>,
    ) -> Option<At<u64>> {
        let value = self.get(key)?;
        let line = cx.line(value.span().start);
        match number(value.get_ref()).filter(|n| range.contains(n)) {
            Some(value) => Some(At { value, line }),
            None => {
                let wanted = format!("a whole number from {} to {}", range.start(), range.end());
                self.wrong(cx, line, key, &wanted, value.get_ref());
                None
            }
        }
    }

    /// One of a few words.
    pub fn choice<T: Copy>(
        &mut self,
        cx: &mut Context<'_>,
        key: &'static str,
        choices: &[(&'static str, T)],
    ) -> Option<At<T>> {
        let value = self.get(key)?;
        let line = cx.line(value.span().start);
        let names: Vec<&'static str> = choices.iter().map(|(name, _)| *name).collect();
        if let DeValue::String(text) = value.get_ref() {
            if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text.as_ref()) {
                return Some(At { value: *value, line });
            }
            if let Some(meant) = nearest(text, &names) {
                cx.problem(
                    line,
                    format!("`{key}` in {} can't be {text:?}, did you mean {meant:?}?", self.name),
                );
                return None;
            }
        }
        let wanted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
        self.wrong(cx, line, key, &format!("one of {}", wanted.join(", ")), value.get_ref());
        None
    }

    /// A list of whole numbers, each in a range.
    pub fn integers(
        &mut self,
        cx: &mut Context<'_>,
        key: &'static str,
        range: RangeInclusive<u64>,
    ) -> Option<At<Vec<u64>>> {
        let value = self.get(key)?;
        let line = cx.line(value.span().start);
        let wanted = format!("a list of whole numbers from {} to {}", range.start(), range.end());
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong(cx, line, key, &wanted, value.get_ref());
            return None;
        };
        let mut numbers = Vec::new();
        for item in items {
            match number(item.get_ref()).filter(|n| range.contains(n)) {
                Some(n) => numbers.push(n),
                None => {
                    let line = cx.line(item.span().start);
                    self.wrong(cx, line, key, &wanted, item.get_ref());
                }
            }
        }
        Some(At { value: numbers, line })
    }

    /// A list of texts, each with its line.
    pub fn texts(
        &mut self,
        cx: &mut Context<'_>,
        key: &'static str,
    ) -> Option<At<Vec<At<&'t str>>>> {
        let value = self.get(key)?;
        let line = cx.line(value.span().start);
        let wanted = "a list of texts like [\"AAPL\", \"MSFT\"]";
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong(cx, line, key, wanted, value.get_ref());
            return None;
        };
        let mut texts = Vec::new();
        for item in items {
            let line = cx.line(item.span().start);
            match item.get_ref() {
                DeValue::String(text) => texts.push(At { value: text.as_ref(), line }),
                other => self.wrong(cx, line, key, wanted, other),
            }
        }
        Some(At { value: texts, line })
    }

    /// A list of pairs of texts, each text with its line; `wanted` says what it should be.
    pub fn pairs(
        &mut self,
        cx: &mut Context<'_>,
        key: &'static str,
        wanted: &str,
    ) -> Option<At<Vec<[At<&'t str>; 2]>>> {
        let value = self.get(key)?;
        let line = cx.line(value.span().start);
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong(cx, line, key, wanted, value.get_ref());
            return None;
        };
        let mut pairs = Vec::new();
        for item in items {
            let line = cx.line(item.span().start);
            let texts: Vec<At<&'t str>> = match item.get_ref() {
                DeValue::Array(pair) => pair
                    .iter()
                    .filter_map(|text| {
                        let line = cx.line(text.span().start);
                        text.get_ref().as_str().map(|value| At { value, line })
                    })
                    .collect(),
                other => {
                    self.wrong(cx, line, key, wanted, other);
                    continue;
                }
            };
            let whole = item.get_ref().as_array().is_some_and(|pair| pair.len() == 2);
            match texts[..] {
                [first, last] if whole => pairs.push([first, last]),
                _ => cx.problem(line, format!("`{key}` in {} must be {wanted}", self.name)),
            }
        }
        Some(At { value: pairs, line })
    }

    /// A table within this one.
    pub fn table(
        &mut self,
        cx: &mut Context<'_>,
        key: &'static str,
        name: &str,
    ) -> Option<Table<'t>> {
        let value = self.get(key)?;
        let line = cx.line(value.span().start);
        match value.get_ref() {
            DeValue::Table(entries) => Some(Table::new(name, line, entries)),
            other => {
                self.wrong(cx, line, key, &format!("a table, {name}"), other);
                None
            }
        }
    }

    /// The tables of a list of tables.
    pub fn tables(
        &mut self,
        cx: &mut Context<'_>,
        key: &'static str,
        name: &str,
    ) -> Vec<Table<'t>> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let line = cx.line(value.span().start);
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong(
                cx,
                line,
                key,
                &format!("a list of tables, each under {name}"),
                value.get_ref(),
            );
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items {
            let line = cx.line(item.span().start);
            match item.get_ref() {
                DeValue::Table(entries) => tables.push(Table::new(name, line, entries)),
                other => self.wrong(
                    cx,
                    line,
                    key,
                    &format!("a list of tables, each under {name}"),
                    other,
                ),
            }
        }
        tables
    }

    /// Calls the table more precisely from here on.
    pub fn rename(&mut self, name: String) {
        self.name = name;
    }

    /// The table's name in problems.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the key is there; it does not become known by this.
    pub fn line_of(&self, cx: &Context<'_>, key: &str) -> Option<usize> {
        let (key, _) = self.entries.get_key_value(key)?;
        Some(cx.line(key.span().start))
    }

    /// Knows these keys without reading them: their problem has been reported.
    pub fn skip(&mut self, keys: &[&'static str]) {
        self.asked.extend(keys);
    }

    /// Reports every key that nobody asked for.
    pub fn finish(self, cx: &mut Context<'_>) {
        for (key, _) in self.entries.iter() {
            let word = key.get_ref().as_ref();
            if self.asked.contains(&word) {
                continue;
            }
            let message = match nearest(word, &self.asked) {
                Some(meant) => {
                    format!("unknown key `{word}` in {}, did you mean `{meant}`?", self.name)
                }
                None => format!(
                    "unknown key `{word}` in {}; it knows {}",
                    self.name,
                    self.asked.join(", ")
                ),
            };
            let line = cx.line(key.span().start);
            cx.problem(line, message);
        }
    }
}

fn number(value: &DeValue<'_>) -> Option<u64> {
    let number = value.as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_counted_from_one_and_ends_with_its_break() {
        let cx = Context::new(Path::new("t"), "a\nbc\n\nd");
        let lines: Vec<usize> = (0..9).map(|at| cx.line(at)).collect();
        assert_eq!(lines, [1, 1, 2, 2, 2, 3, 4, 4, 4]);
        assert_eq!(Context::new(Path::new("t"), "").line(5), 1);
    }

    #[test]
    fn pairs_are_two_texts_each_or_said_to_be_none() {
        let text =
            "ranges = [[\"A\", \"B\"],\n[\"C\"],\n[\"D\", 1],\n\"E\",\n[\"F\", \"G\", \"H\"]]";
        let root = DeTable::parse(text).unwrap();
        let mut cx = Context::new(Path::new("t"), text);
        let mut table = Table::new("the file", 0, root.get_ref());
        let pairs = table.pairs(&mut cx, "ranges", "a list of pairs").unwrap();
        assert_eq!((pairs.line, pairs.value.len()), (1, 1));
        assert_eq!(pairs.value[0].map(|at| at.value), ["A", "B"]);
        let lines: Vec<usize> = cx.problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [2, 3, 4, 5]);
    }
}

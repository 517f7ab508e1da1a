//! Ranges from a file, put in order: those that overlap are refused, holes between them are said.

use std::collections::BTreeMap;

use candor_core::symbol::Text;

use super::Part;
use super::reading::Reading;
use crate::model::{Key, Range, Symbols};
use crate::place::Span;

/// One row: its line in the file, the partition, the range.
pub(super) struct Row {
    pub(super) line: usize,
    pub(super) name: Text<16>,
    pub(super) range: Range,
}

/// The range, unless it ends in front of where it begins.
pub(super) fn range(
    reading: &mut Reading<'_>,
    line: usize,
    first: Key,
    last: Key,
) -> Option<Range> {
    let range = Range { first, last };
    if range.covers(&first) {
        return Some(range);
    }
    let message =
        format!("ends at {} in front of where it begins, at {}", shown(&last), shown(&first));
    reading.wrong(line, message);
    None
}

/// The partitions with their ranges ascending, in the order in which the rows name them first, and the
/// holes between ranges in words. A range that shares keys with another is a problem unless one is an
/// exception to the other.
pub(super) fn parts(reading: &mut Reading<'_>, mut rows: Vec<Row>) -> (Vec<Part>, Vec<String>) {
    let mut parts: Vec<Part> = Vec::new();
    let mut at = BTreeMap::new();
    for row in &rows {
        at.entry(row.name).or_insert_with(|| {
            parts.push(Part::named(row.name, row.line));
            parts.len() - 1
        });
    }
    // Of those that begin alike the longest first, so that what lies within comes behind.
    rows.sort_by_key(|row| (Span::of(&row.range).widest_first(), row.line));
    let mut open: Vec<usize> = Vec::new();
    let mut holes = Vec::new();
    let mut before: Option<usize> = None;
    for (index, row) in rows.iter().enumerate() {
        while open.last().is_some_and(|last| !rows[*last].range.overlaps(&row.range)) {
            open.pop();
        }
        match open.last() {
            Some(last) if !row.range.is_exception_to(&rows[*last].range) => {
                let other = &rows[*last];
                let message = format!(
                    "{}, {}, overlaps {} of {} in line {}: a symbol would be in both",
                    row.name,
                    words(&row.range),
                    words(&other.range),
                    other.name,
                    other.line
                );
                reading.wrong(row.line, message);
            }
            Some(_) => {}
            None => {
                let hole = before.map(|before| &rows[before]).filter(|before| !meet(before, row));
                if let Some(before) = hole {
                    holes.push(format!(
                        "what lies between {} (end of {}) and {} (begin of {}) is in no partition",
                        shown(&before.range.last),
                        before.name,
                        shown(&row.range.first),
                        row.name
                    ));
                }
                before = Some(index);
            }
        }
        open.push(index);
    }
    for row in rows {
        let part = &mut parts[at[&row.name]];
        match &mut part.symbols {
            Some(Symbols::Ranges(ranges)) => ranges.push(row.range),
            _ => part.symbols = Some(Symbols::Ranges(vec![row.range])),
        }
    }
    (parts, holes)
}

/// Whether nothing lies between the two. Behind a single symbol comes the same one with anything behind it,
/// and nothing comes behind an end that is all filling.
fn meet(before: &Row, row: &Row) -> bool {
    Span::of(&before.range).to() == Span::of(&row.range).from()
}

/// `SPY` or `SPY M`.
fn shown(key: &Key) -> String {
    match key.expiry {
        Some(expiry) => format!("{} {}", key.text, char::from(expiry)),
        None => key.text.to_string(),
    }
}

fn words(range: &Range) -> String {
    format!("{} to {}", shown(&range.first), shown(&range.last))
}

//! Ranges: where each begins and ends, and that they follow each other without overlap and without hole.

use super::{Check, takes_out};
use crate::model::{Protocol, Range, Symbols};
use crate::place::{BYTES, LAST_EXPIRY, Position, Span, is_filled, position, stem};

/// The last symbol that a venue with ranges can have.
const LAST: &str = "ZZZZZ";

/// One range of the map.
#[derive(Clone, Copy)]
struct Entry<'a> {
    span: Span,
    partition: usize,
    line: usize,
    range: &'a Range,
}

pub(super) fn check(check: &mut Check<'_>) {
    let map = check.map;
    let mut entries = Vec::new();
    for (partition, one) in map.partitions.iter().enumerate() {
        let Symbols::Ranges(ranges) = &one.symbols else { continue };
        let place = check.place(partition);
        let mut before: Option<&Range> = None;
        for (at, range) in ranges.iter().enumerate() {
            let line = place.ranges.get(at).copied().unwrap_or(place.symbols);
            let span = Span::of(range);
            one_range(check, range, line);
            if !span.is_empty() {
                entries.push(Entry { span, partition, line, range });
            } else {
                let message = format!("{range} ends before it begins; turn it round");
                check.refuse(line, message);
            }
            if let Some(before) = before.filter(|before| Span::of(before).from() > span.from()) {
                let message = format!(
                    "{range} comes behind {before}; ranges are ascending: put it before that"
                );
                check.refuse(line, message);
            }
            before = Some(range);
        }
    }
    expiries(check, &entries);
    chain(check, entries);
}

fn one_range(check: &mut Check<'_>, range: &Range, line: usize) {
    for key in [range.first, range.last] {
        let Some(code) = key.expiry else { continue };
        if check.map.protocol != Protocol::Opra {
            let text = key.text;
            check.refuse(
                line,
                format!(
                    "{key} is {text} with an expiry code, which {} has none of; the symbol itself is \
                     written {key}/",
                    check.map.protocol
                ),
            );
        } else if !(b'A'..=LAST_EXPIRY).contains(&code) {
            check.refuse(line, format!("{key}: an expiry code is one of A to X"));
        }
    }
    let part = range.last.expiry.filter(|code| *code != LAST_EXPIRY);
    if let Some(code) = part.filter(|_| is_filled(&range.last)) {
        check.refuse(
            line,
            format!(
                "{range} ends with all that begins with {:?}, but with the expiry code {} only; end it \
                 with X",
                stem(range.last.text.as_str()),
                char::from(code)
            ),
        );
    }
}

/// Reports ranges without expiry codes beside others that have them.
fn expiries(check: &mut Check<'_>, entries: &[Entry<'_>]) {
    let coded =
        |one: &&Entry<'_>| one.range.first.expiry.is_some() && one.range.last.expiry.is_some();
    let Some(with) = entries.iter().find(coded) else { return };
    if let Some(without) = entries.iter().find(|one| !coded(one)) {
        check.refuse(
            without.line,
            format!(
                "{} has no expiry codes at both ends, {} has; give each range both",
                without.range, with.range
            ),
        );
    }
}

/// Follows the ranges of all partitions in their order.
fn chain(check: &mut Check<'_>, mut entries: Vec<Entry<'_>>) {
    entries.sort_by_key(|one| one.span.widest_first());
    let Some((first, rest)) = entries.split_first() else { return };
    if check.whole && first.span.from() > position("A", None) {
        outside(
            check,
            first.line,
            format!("nothing carries what comes before {}", first.range.first),
        );
    }
    let mut current = *first;
    let mut taken: Option<Entry<'_>> = None;
    for next in rest {
        if !current.span.overlaps(&next.span) {
            if check.whole && !is_behind(&current, next) {
                hole(check, &current, next);
            }
            current = *next;
            continue;
        }
        if !takes_out(check.map.protocol) || !is_taken_out(next, &current) {
            overlap(check, &current, next);
            if next.span.to() > current.span.to() {
                current = *next;
            }
        } else if let Some(other) = taken.filter(|other| other.span.overlaps(&next.span)) {
            overlap(check, &other, next);
        } else {
            taken = Some(*next);
        }
    }
    if check.whole && current.span.to() <= position(LAST, Some(LAST_EXPIRY)) {
        outside(
            check,
            current.line,
            format!("nothing carries what comes behind {}", current.range.last),
        );
    }
}

/// A hole at an end of the ranges is what a table has that was cut, unless the map says that it is meant.
fn outside(check: &mut Check<'_>, line: usize, message: String) {
    if check.map.partial {
        check.warn(line, message);
    } else {
        let to_do = "get the map again, it may be cut; where that is meant, say `partial = true`";
        check.refuse(line, format!("{message}; {to_do}"));
    }
}

/// Whether a range begins directly behind another: with the very next digit, letter or expiry code.
fn is_behind(range: &Entry<'_>, next: &Entry<'_>) -> bool {
    if behind_nine(range.span.to()) == behind_nine(next.span.from()) {
        return true;
    }
    let (last, first) = (range.range.last, next.range.first);
    // Behind one symbol comes the same with one more letter.
    let whole = last.expiry.is_none_or(|code| code >= LAST_EXPIRY) && !is_filled(&last);
    let more = first.text.as_str().strip_prefix(last.text.as_str());
    whole && more.is_some_and(|more| more <= "A") && next.span.from().1 == 0
}

/// Behind the digits come the letters: no venue's symbols have the signs between `9` and `A`, and OPRA goes on
/// from `9ZZZZ` with `A`.
fn behind_nine((mut bytes, expiry): Position) -> Position {
    let len = bytes.iter().position(|byte| *byte == 0).unwrap_or(BYTES);
    if let Some(last @ b':') = bytes[..len].last_mut() {
        *last = b'A';
    }
    (bytes, expiry)
}

/// Whether a range is a narrow one within the other, from one symbol to another.
fn is_taken_out(narrow: &Entry<'_>, wide: &Entry<'_>) -> bool {
    !is_filled(&narrow.range.last)
        && narrow.span.is_within(&wide.span)
        && narrow.span != wide.span
        && narrow.partition != wide.partition
}

fn overlap(check: &mut Check<'_>, one: &Entry<'_>, next: &Entry<'_>) {
    let name = |entry: &Entry<'_>| check.map.partitions[entry.partition].name;
    let message = format!(
        "{} of partition {} overlaps {} of partition {}; a symbol has one partition: end one \
         before the other begins",
        next.range,
        name(next),
        one.range,
        name(one)
    );
    check.refuse(next.line.max(one.line), message);
}

fn hole(check: &mut Check<'_>, before: &Entry<'_>, next: &Entry<'_>) {
    let name = |entry: &Entry<'_>| check.map.partitions[entry.partition].name;
    let last = before.range.last;
    let text = last.text.as_str();
    let behind = match last.expiry.filter(|code| *code < LAST_EXPIRY) {
        _ if is_filled(&last) => {
            let (bytes, _) = behind_nine(before.span.to());
            let len = bytes.iter().position(|byte| *byte == 0).unwrap_or(0);
            String::from_utf8_lossy(&bytes[..len]).into_owned()
        }
        Some(code) => format!("{text}/{}", char::from(code + 1)),
        None => format!("{text}A"),
    };
    let message = format!(
        "nothing carries what lies between {last} of partition {} and {} of partition {}; behind {last} \
         begins {behind}: begin the next there, or get the map again",
        name(before),
        next.range.first,
        name(next)
    );
    check.refuse(next.line, message);
}

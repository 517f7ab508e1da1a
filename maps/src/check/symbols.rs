//! Symbols that are listed: each once, on one partition, and not too many. Products: each once.

use std::collections::BTreeMap;

use candor_core::limits::SYMBOLS_MAX;
use candor_core::symbol::Text;
use candor_core::{Symbol, Venue};

use super::{Check, takes_out};
use crate::model::{Partition, Symbols};
use crate::words::few;

pub(super) fn check(check: &mut Check<'_>) {
    let map = check.map;
    let lists = map.partitions.iter().map(|one| match &one.symbols {
        Symbols::List(list) => (map.venue, one.name, &list[..]),
        _ => (map.venue, one.name, &[][..]),
    });
    for (index, message) in shared(lists) {
        check.refuse(check.line(index, |place| place.symbols), message);
    }
    for (index, partition) in map.partitions.iter().enumerate() {
        if let Symbols::List(list) | Symbols::Products(list) = &partition.symbols {
            one_list(check, index, partition.name, list);
        }
    }
    if check.whole {
        rule(check);
    }
}

fn one_list(check: &mut Check<'_>, index: usize, name: Text<16>, list: &[Symbol]) {
    let line = check.line(index, |place| place.symbols);
    if list.len() > SYMBOLS_MAX {
        let count = list.len();
        let message = format!("partition {name} lists {count} symbols; it can have {SYMBOLS_MAX}");
        check.refuse(line, message);
    }
    let pair = list.windows(2).find(|pair| pair[0] >= pair[1]);
    if let Some([first, second]) = pair {
        let message = if first == second {
            format!("partition {name} lists {first} twice; take one out")
        } else {
            format!("partition {name} lists {second} behind {first}; lists are ascending")
        };
        check.refuse(line, message);
    }
}

/// Reports partitions that say what they carry in another way than the rest.
fn rule(check: &mut Check<'_>) {
    let map = check.map;
    let listing = |one: &Partition| matches!(one.symbols, Symbols::List(_));
    let ranging = |one: &Partition| matches!(one.symbols, Symbols::Ranges(_));
    let said = map.partitions.iter().find(|one| listing(one) || ranging(one));
    let ranges = map.partitions.iter().find(|one| ranging(one));
    let mut mixed = false;
    for (index, partition) in map.partitions.iter().enumerate() {
        let (name, line) = (partition.name, check.line(index, |place| place.symbols));
        match (&partition.symbols, said) {
            (Symbols::List(list), _) if list.is_empty() => check.refuse(
                line,
                format!(
                    "partition {name} lists no symbol; list some, or leave `symbols` out everywhere to take \
                     whatever the venue names"
                ),
            ),
            (Symbols::Ranges(ranges), _) if ranges.is_empty() => {
                check.refuse(line, format!("partition {name} has no range; add what it carries"));
            }
            (Symbols::List(_), _) if !mixed && !takes_out(map.protocol) => {
                if let Some(other) = ranges {
                    // Once: it is the map's mistake, not the partition's.
                    mixed = true;
                    check.refuse(
                        line,
                        format!(
                            "partition {name} lists its symbols and partition {} has ranges: with {} a \
                             symbol's partition is in one of the two; say it in one way",
                            other.name, map.protocol
                        ),
                    );
                }
            }
            (Symbols::Products(list), _) if list.is_empty() => {
                check.refuse(line, format!("partition {name} has no product; name some, or leave `products` out"));
            }
            (Symbols::Products(_), Some(other)) => check.refuse(
                line,
                format!(
                    "partition {name} has products, whose symbols the venue names, and partition {} says which \
                     symbols it carries; say it in one way",
                    other.name
                ),
            ),
            (Symbols::InBand, Some(other)) => check.refuse(
                line,
                format!(
                    "partition {name} carries nothing, and partition {} says what it carries; give it \
                     `symbols` or `ranges`",
                    other.name
                ),
            ),
            _ => {}
        }
    }
}

/// Symbols that are on two lists of one venue: by the index of the second list, what is wrong and what to do.
/// Once for a pair of lists: two of the same file would else be thousands.
pub fn shared<'a>(
    lists: impl Iterator<Item = (Venue, Text<16>, &'a [Symbol])>,
) -> Vec<(usize, String)> {
    let mut owner: BTreeMap<(Venue, Symbol), (usize, Text<16>)> = BTreeMap::new();
    let mut problems = Vec::new();
    for (index, (venue, name, list)) in lists.enumerate() {
        let mut shared: BTreeMap<(usize, Text<16>), Vec<Symbol>> = BTreeMap::new();
        for symbol in list {
            match owner.get(&(venue, *symbol)) {
                // Twice on one list is another problem.
                Some((other, _)) if *other == index => {}
                Some(other) => shared.entry(*other).or_default().push(*symbol),
                None => {
                    owner.insert((venue, *symbol), (index, name));
                }
            }
        }
        for ((_, other), symbols) in shared {
            let shown = few(symbols.iter(), 3);
            problems.push((
                index,
                format!(
                    "partition {name} of venue {venue} lists {shown}, as does its partition {other}; a \
                     symbol has one partition: take it out of one"
                ),
            ));
        }
    }
    problems
}

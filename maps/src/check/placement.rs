//! Where a map puts a symbol.

use candor_core::Symbol;

use crate::model::{Key, Map, Symbols};
use crate::place::{FIRST_EXPIRY, LAST_EXPIRY, Position, Span, position};

/// Where a map puts each symbol, sorted for being asked often. It speaks for a map that is not refused.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Placement {
    /// Symbols that are listed, with the index of their partition; ascending.
    listed: Vec<(Symbol, u16)>,
    /// Ranges that follow each other, ascending.
    ranges: Vec<(Span, u16)>,
    /// Ranges that lie within one of those, ascending: what they hold is theirs.
    within: Vec<(Span, u16)>,
    /// Whether the expiry code says which range it is.
    coded: bool,
}

impl Placement {
    /// Where this map puts each symbol.
    #[must_use]
    pub fn new(map: &Map) -> Placement {
        let mut placement = Placement::default();
        let mut spans = Vec::new();
        for (index, partition) in (0u16..).zip(&map.partitions) {
            match &partition.symbols {
                Symbols::List(list) => {
                    placement.listed.extend(list.iter().map(|symbol| (*symbol, index)));
                }
                Symbols::Ranges(ranges) => {
                    spans.extend(ranges.iter().map(|range| (Span::of(range), index)));
                    let coded = |key: Key| key.expiry.is_some();
                    placement.coded |= ranges.iter().any(|one| coded(one.first) || coded(one.last));
                }
                Symbols::Products(_) | Symbols::InBand => {}
            }
        }
        placement.listed.sort_unstable();
        spans.sort_by_key(|(span, _)| span.widest_first());
        for (span, index) in spans {
            match placement.ranges.last() {
                Some((wide, _)) if span.is_within(wide) => placement.within.push((span, index)),
                _ => placement.ranges.push((span, index)),
            }
        }
        placement
    }

    /// The index of the partition that carries a symbol; `None` where the map names none.
    ///
    /// Where the venue splits symbols by expiry, one without a code is all of them, from the first to the
    /// last: a symbol that is split is in no one partition. Elsewhere the code is not looked at.
    #[must_use]
    pub fn of(&self, symbol: &Symbol, expiry: Option<u8>) -> Option<usize> {
        if let Ok(at) = self.listed.binary_search_by(|(listed, _)| listed.cmp(symbol)) {
            return Some(usize::from(self.listed[at].1));
        }
        let (lowest, highest) = match expiry {
            _ if !self.coded => (None, None),
            Some(code) if !(FIRST_EXPIRY..=LAST_EXPIRY).contains(&code) => return None,
            Some(code) => (Some(code), Some(code)),
            None => (Some(FIRST_EXPIRY), Some(LAST_EXPIRY)),
        };
        let at = |expiry| position(symbol.as_str(), expiry);
        let from = self.range(at(lowest))?;
        (self.range(at(highest))? == from).then_some(usize::from(from.1))
    }

    /// Whether the expiry code says which partition it is.
    #[must_use]
    pub fn is_coded(&self) -> bool {
        self.coded
    }

    /// Every symbol that is listed, ascending.
    pub fn listed(&self) -> impl Iterator<Item = Symbol> {
        self.listed.iter().map(|(symbol, _)| *symbol)
    }

    /// The range that holds a place.
    fn range(&self, at: Position) -> Option<(Span, u16)> {
        let find = |ranges: &[(Span, u16)]| {
            let behind = ranges.partition_point(|(span, _)| span.from() <= at);
            let (span, index) = ranges.get(behind.checked_sub(1)?)?;
            span.holds(at).then_some((*span, *index))
        };
        find(&self.within).or_else(|| find(&self.ranges))
    }
}

/// Where a map puts one symbol, as [`Placement::of`]; whoever asks more than once keeps a [`Placement`].
#[must_use]
pub fn of(map: &Map, symbol: &Symbol, expiry: Option<u8>) -> Option<usize> {
    Placement::new(map).of(symbol, expiry)
}

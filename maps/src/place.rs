//! Where a key lies: what the venues mean by a range, and by several that hold the same key.
//!
//! Ranges are ordered as ASCII, symbol by symbol, and where the venue splits a symbol by expiry, by the
//! expiry code behind it. The end of a range is written as the venue prints it, filled up with its
//! highest character, so that every symbol which begins with what stands before the filling lies within:
//!
//! - OPRA (Binary Data Recipient Interface Specification 2.7, Appendix B, *Traffic distribution*) and
//!   Cboe's equities (Multicast PITCH 2.41.66, *BZX Unit/Symbol Distribution*) fill with `Z` to five
//!   characters: `AIUZZ`, `KZZZZ`. A shorter end is one symbol and no more (`SPY`, `GOOG`), also when
//!   it ends in `Z`.
//! - Cboe's options (the same document, *US Options Unit/Product Distribution*) fill with `~`: to five
//!   characters up to 2022 (`DH~~~`), with a single one since (`AO~`). An end without is one symbol.
//! - OPRA's expiry codes are `A` to `L` for calls and `M` to `X` for puts, January first. A root whose
//!   range ends in `L` goes on with `M` on the next line.
//!
//! That `Z` fills says more than ASCII alone: suffixes such as `^` and lower-case letters are above `Z`,
//! and `AIU^A` still belongs to the range that ends in `AIUZZ`.
//!
//! **Exceptions.** Cboe's options take single products out of the alphabet: unit 17 has `NKEB` to `PDC~`
//! *excluding* `NVDA`, which is unit 26. So a range that lies in another one whole is an exception to
//! it, and a listed symbol is one to every range ([`Range::is_exception_to`], [`Map::place`]).

use std::cmp::Ordering;

use crate::model::{Key, Map, Partition, Range, Symbols};

/// How long an end is that is filled with `Z`: shorter ones are symbols themselves.
const FILLED: usize = 5;

/// The lowest and the highest expiry code, for a key or an end that names none.
const EXPIRIES: (u8, u8) = (b'A', b'X');

/// What stands for a filling in [`upper`].
pub(crate) const FILLING: char = '\u{7f}';

impl Map {
    /// The one partition that carries `key`: the one that lists it, else the one whose range has it,
    /// exceptions first. `None` where none says so, or more than one with the same right.
    #[must_use]
    pub fn place(&self, key: &Key) -> Option<&Partition> {
        let mut listed = self.partitions.iter().filter(|partition| match &partition.symbols {
            Symbols::List(list) => list.contains(&key.text),
            _ => false,
        });
        if let Some(partition) = listed.next() {
            return listed.next().is_none().then_some(partition);
        }
        self.place_by_range(key)
    }

    /// [`Map::place`], among the ranges alone.
    pub(crate) fn place_by_range(&self, key: &Key) -> Option<&Partition> {
        let mut best: Vec<(&Partition, &Range)> = Vec::new();
        for partition in &self.partitions {
            let Symbols::Ranges(ranges) = &partition.symbols else { continue };
            for range in ranges.iter().filter(|range| range.covers(key)) {
                if best.iter().any(|(_, other)| other.is_exception_to(range)) {
                    continue;
                }
                best.retain(|(_, other)| !range.is_exception_to(other));
                best.push((partition, range));
            }
        }
        match best[..] {
            [(partition, _)] => Some(partition),
            _ => None,
        }
    }
}

impl Range {
    /// Whether `key` lies within, both ends included.
    ///
    /// A key without an expiry code, where the range has them, lies within only when all of it does,
    /// from the first code to the last. Where the range has none, a key's is not looked at.
    #[must_use]
    pub fn covers(&self, key: &Key) -> bool {
        let split = self.first.expiry.is_some() || self.last.expiry.is_some();
        let (lowest, highest) = match key.expiry {
            Some(expiry) if split => (expiry, expiry),
            _ => EXPIRIES,
        };
        self.starts_by(key, lowest) && self.ends_after(key, highest)
    }

    /// Whether some key lies within both.
    #[must_use]
    pub fn overlaps(&self, other: &Range) -> bool {
        // Of two that overlap, one holds the other's first key. That other one may end in front of where it
        // begins: then it holds nothing, its own first key neither.
        self.covers(&lowest(other)) && other.covers(&lowest(other))
            || other.covers(&lowest(self)) && self.covers(&lowest(self))
    }

    /// Whether all of it lies within `other`, and not the other way round: then it is an exception to
    /// `other`, and what lies in both belongs to it.
    #[must_use]
    pub fn is_exception_to(&self, other: &Range) -> bool {
        self.lies_in(other) && !other.lies_in(self)
    }

    /// Whether every key within lies within `other` too. (A range without a key lies nowhere.)
    fn lies_in(&self, other: &Range) -> bool {
        let first = lowest(self);
        if !self.covers(&first) || !other.covers(&first) {
            return false;
        }
        let (mine, others) = (stem(self.last.text.as_str()), stem(other.last.text.as_str()));
        if is_filled(&other.last) && mine.starts_with(others) {
            return true;
        }
        let last =
            Key { text: self.last.text, expiry: Some(self.last.expiry.unwrap_or(EXPIRIES.1)) };
        // What a filling stands for is never above a text that is above the stem and not filled alike.
        other.covers(&last)
            && !(is_filled(&self.last) && other.last.text.as_str().starts_with(mine))
    }

    fn starts_by(&self, key: &Key, lowest: u8) -> bool {
        match self.first.text.cmp(&key.text) {
            Ordering::Less => true,
            Ordering::Equal => self.first.expiry.unwrap_or(EXPIRIES.0) <= lowest,
            Ordering::Greater => false,
        }
    }

    fn ends_after(&self, key: &Key, highest: u8) -> bool {
        if is_filled(&self.last) && key.text.as_str().starts_with(stem(self.last.text.as_str())) {
            return true;
        }
        match key.text.cmp(&self.last.text) {
            Ordering::Less => true,
            Ordering::Equal => highest <= self.last.expiry.unwrap_or(EXPIRIES.1),
            Ordering::Greater => false,
        }
    }
}

/// The range's first key, with an expiry code in any case.
fn lowest(range: &Range) -> Key {
    Key { text: range.first.text, expiry: Some(range.first.expiry.unwrap_or(EXPIRIES.0)) }
}

fn is_filled(last: &Key) -> bool {
    stem(last.text.as_str()).len() < last.text.as_str().len()
}

/// Where a range ends, to sort by: of two that begin alike, one that lies within the other is not above
/// it. The text, with DEL (above every character of a symbol) for a filling, and the expiry code.
pub(crate) fn upper(range: &Range) -> (String, u8) {
    let mut text = stem(range.last.text.as_str()).to_owned();
    if is_filled(&range.last) {
        text.push(FILLING);
    }
    (text, range.last.expiry.unwrap_or(EXPIRIES.1))
}

/// What stands before the filling of a range's last symbol: all of it where it is not filled.
#[must_use]
pub(crate) fn stem(last: &str) -> &str {
    if last.ends_with('~') {
        last.trim_end_matches('~')
    } else if last.len() >= FILLED {
        last.trim_end_matches('Z')
    } else {
        last
    }
}

#[cfg(test)]
mod tests {
    use candor_core::TradingDate;
    use candor_core::symbol::Text;
    use proptest::prelude::*;

    use super::*;
    use crate::import::testing::{key, range};
    use crate::model::{Protocol, Services};

    #[track_caller]
    fn assert_place(range: Range, within: &[&str], outside: &[&str]) {
        for text in within {
            assert!(range.covers(&key(text)), "{range:?} covers {text}");
        }
        for text in outside {
            assert!(!range.covers(&key(text)), "{range:?} does not cover {text}");
        }
    }

    #[test]
    fn both_ends_are_within() {
        assert_place(range("GOOG", "GOOGL"), &["GOOG", "GOOGA", "GOOGL"], &["GOO", "GOOGLA", "H"]);
        assert_place(range("SPY", "SPY"), &["SPY"], &["SPX", "SPYA", "SPZ"]);
    }

    #[test]
    fn an_end_filled_with_z_has_all_that_begins_with_its_stem() {
        let within = ["A", "AIU", "AIUZ", "AIUZZ", "AIUZZZ", "AIU^A", "AIUp", "AIU.WS", "AAPL"];
        assert_place(range("A", "AIUZZ"), &within, &["AIV", "AIVA", "B", "1A"]);
        assert_place(range("XLV", "ZZZZZ"), &["XLV", "Z", "ZZZZZ", "ZZZZZZ", "Zz", "a"], &["XLU"]);
    }

    #[test]
    fn a_short_end_is_a_symbol_also_when_it_ends_in_z() {
        assert_place(range("A", "FIZZ"), &["FIZZ", "FIZ"], &["FIZZA", "FI^A", "FJ"]);
    }

    #[test]
    fn an_end_filled_with_tildes_has_all_that_begins_with_its_stem() {
        for last in ["DH~", "DH~~~"] {
            assert_place(range("COUP", last), &["COUP", "DH", "DHI", "DHZZZZ"], &["COUO", "DI"]);
        }
        assert_place(range("XLU", "Z~"), &["Z", "ZZ"], &["XLT", "a"]);
    }

    #[test]
    fn an_expiry_code_splits_a_symbol() {
        let calls = range("IP:A", "IWM:L");
        assert_place(
            calls,
            &["IP:A", "IP", "IWA:X", "IWM:A", "IWM:L"],
            &["IWM:M", "IWM", "IWMA:A"],
        );
        let puts = range("IWM:M", "JNZZZ:X");
        let within = ["IWM:M", "IWM:X", "IWMA:A", "IWMA", "JN", "JNZZZ:X"];
        assert_place(puts, &within, &["IWM:L", "IWM", "JO:A"]);
    }

    #[test]
    fn an_expiry_code_is_not_looked_at_where_the_range_has_none() {
        assert_place(range("A", "AZZZZ"), &["A:A", "AZ:X"], &["B:A"]);
        assert_place(range("A", "AZ"), &["A:1", "AZ:Z"], &["AZA:A"]);
    }

    #[test]
    fn a_range_that_ends_before_it_begins_has_nothing() {
        assert_place(range("B", "A"), &[], &["A", "B", "AB"]);
        assert!(!range("B", "A").overlaps(&range("A", "ZZZZZ")));
        assert!(!range("A", "ZZZZZ").overlaps(&range("B", "A")));
    }

    #[test]
    fn ranges_overlap_where_a_key_lies_in_both() {
        for (one, other, both) in [
            (range("A", "AIUZZ"), range("AIV", "ASZZZ"), false),
            (range("A", "AIUZZ"), range("AIU^A", "ASZZZ"), true),
            (range("GLDB", "INCX~"), range("GOOG", "GOOGL"), true),
            (range("IP:A", "IWM:L"), range("IWM:M", "JNZZZ:X"), false),
            (range("IP:A", "IWM:M"), range("IWM:M", "JNZZZ:X"), true),
            (range("SPY", "SPY"), range("SPY", "SPY"), true),
        ] {
            assert_eq!(one.overlaps(&other), both, "{one:?} {other:?}");
            assert_eq!(other.overlaps(&one), both, "{other:?} {one:?}");
        }
    }

    #[test]
    fn a_range_within_another_is_an_exception_to_it() {
        for (one, other, is) in [
            (range("NVDA", "NVDA"), range("NKEB", "PDC~"), true),
            (range("GOOG", "GOOGL"), range("GLDB", "INCX~"), true),
            (range("NKEB", "PDC~"), range("NVDA", "NVDA"), false),
            (range("SPY", "SPY"), range("SPY", "SPY"), false),
            (range("A", "BZZZZ"), range("A", "B~"), false),
            (range("A", "AIUZZ"), range("A", "AIUZA"), false),
            (range("A", "AIUZA"), range("A", "AIUZZ"), true),
            (range("A", "GLC"), range("A", "GLC~"), true),
            (range("A", "GLC~"), range("A", "GLC"), false),
            (range("A", "ADBD~"), range("AA", "ASMK~"), false),
            (range("IWM:B", "IWM:C"), range("IP:A", "IWM:L"), true),
            (range("IWM:B", "IWM:M"), range("IP:A", "IWM:L"), false),
            (range("B", "A"), range("A", "ZZZZZ"), false),
        ] {
            assert_eq!(one.is_exception_to(&other), is, "{one:?} {other:?}");
        }
    }

    fn map(symbols: Vec<Symbols>) -> Map {
        let partition = |(at, symbols): (usize, Symbols)| Partition {
            name: Text::from_wire((at + 1).to_string().as_bytes()).unwrap(),
            lines: Default::default(),
            services: Services::default(),
            silence: None,
            symbols,
        };
        Map {
            venue: Text::from_wire(b"BZX").unwrap(),
            date: TradingDate(20_250_331),
            protocol: Protocol::CboePitch,
            partitions: symbols.into_iter().enumerate().map(partition).collect(),
        }
    }

    #[test]
    fn a_key_lies_in_one_partition_exceptions_first() {
        let map = map(vec![
            Symbols::Ranges(vec![range("A", "NKEA~")]),
            Symbols::Ranges(vec![range("NKEB", "Z~"), range("ABC", "ABC")]),
            Symbols::Ranges(vec![range("NVDA", "NVDA")]),
            Symbols::List(vec![key("CBOE").text, key("NVDA").text, key("TWICE").text]),
            Symbols::List(vec![key("TWICE").text]),
            Symbols::Ranges(vec![range("Y", "ZA")]),
            Symbols::Ranges(vec![range("ZA", "ZB")]),
            Symbols::InBand,
        ]);
        for (text, place) in [
            ("A", Some("1")),
            ("ABC", Some("2")),
            ("NVD", Some("2")),
            ("NVDAX", Some("2")),
            ("NVDA", Some("4")),
            ("CBOE", Some("4")),
            ("TWICE", None),
            ("Y", Some("6")),
            ("ZA", None),
            ("a", None),
            ("1", None),
        ] {
            let found = map.place(&key(text)).map(|partition| partition.name.to_string());
            assert_eq!(found.as_deref(), place, "{text}");
        }
    }

    proptest! {
        /// What lies within an exception lies within what it is an exception to.
        #[test]
        fn all_of_an_exception_lies_in_the_other(
            ends in prop::collection::vec("[AB]{1,2}(ZZZZ|~|ZZ~|Z)?", 4), text in "[ABZ^~]{1,6}",
        ) {
            let (one, other) = (range(&ends[0], &ends[1]), range(&ends[2], &ends[3]));
            if one.is_exception_to(&other) && one.covers(&key(&text)) {
                prop_assert!(other.covers(&key(&text)), "{:?} {:?} {}", one, other, text);
            }
        }

        /// Among symbols of capital letters, up to the five that OPRA and Cboe have, a filled end is just
        /// a very high string.
        #[test]
        fn among_letters_a_filled_end_is_ascii_order(
            first in "[A-C]{1,5}", stem in "[A-C]{1,3}", tildes in any::<bool>(), text in "[A-CZ]{1,5}",
        ) {
            let last = format!("{stem:\u{5f}<5}").replace('_', if tildes { "~" } else { "Z" });
            let range = range(&first, &last);
            prop_assert_eq!(range.covers(&key(&text)), first <= text && text <= last);
        }

        /// A common key is found wherever there is one.
        #[test]
        fn a_key_in_both_means_an_overlap(
            ends in prop::collection::vec("[AB]{1,2}(ZZZZ)?", 4), text in "[ABZ]{1,4}",
        ) {
            let (one, other) = (range(&ends[0], &ends[1]), range(&ends[2], &ends[3]));
            let both = |text: &str| one.covers(&key(text)) && other.covers(&key(text));
            if both(&text) {
                prop_assert!(one.overlaps(&other));
            }
            if one.overlaps(&other) {
                prop_assert!(both(&ends[0]) || both(&ends[2]));
            }
        }
    }
}

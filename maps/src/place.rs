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
//! it, and a listed symbol is one to every range ([`Range::is_exception_to`], [`crate::check::Placement`]).

use crate::model::{Key, Range};

/// How long an end is that is filled with `Z`: shorter ones are symbols themselves.
const FILLED: usize = 5;

/// The lowest expiry code.
pub(crate) const FIRST_EXPIRY: u8 = b'A';

/// Bytes of a symbol, and one more for what comes directly behind it.
pub(crate) const BYTES: usize = 25;

/// A place between keys: a text, and behind it an expiry code or 0 for the first.
pub(crate) type Position = ([u8; BYTES], u8);

/// The highest expiry code.
pub(crate) const LAST_EXPIRY: u8 = b'X';

/// A range as its venue means it: from a place up to, and without, another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Span {
    from: Position,
    /// Behind the last.
    to: Position,
}

impl Span {
    pub(crate) fn of(range: &Range) -> Span {
        let first = range.first.expiry.filter(|code| *code > FIRST_EXPIRY).unwrap_or(0);
        Span { from: (bytes(range.first.text.as_str()), first), to: end(&range.last) }
    }

    /// Whether it holds the key with this expiry code.
    pub(crate) fn holds(&self, at: Position) -> bool {
        self.from <= at && at < self.to
    }

    pub(crate) fn from(&self) -> Position {
        self.from
    }

    pub(crate) fn to(&self) -> Position {
        self.to
    }

    /// Sorts a wide one before what is taken out of it.
    pub(crate) fn widest_first(&self) -> (Position, std::cmp::Reverse<Position>) {
        (self.from, std::cmp::Reverse(self.to))
    }

    pub(crate) fn is_within(&self, wide: &Span) -> bool {
        wide.from <= self.from && self.to <= wide.to
    }

    /// Whether some key lies within both.
    pub(crate) fn overlaps(&self, other: &Span) -> bool {
        self.from.max(other.from) < self.to.min(other.to)
    }

    /// Whether it ends in front of where it begins.
    pub(crate) fn is_empty(&self) -> bool {
        self.from >= self.to
    }
}

/// The place of a symbol with this expiry code; `None` stands for its first.
pub(crate) fn position(text: &str, expiry: Option<u8>) -> Position {
    (bytes(text), expiry.filter(|code| *code > FIRST_EXPIRY).unwrap_or(0))
}

fn bytes(text: &str) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    bytes
}

fn end(last: &Key) -> Position {
    let text = last.text.as_str();
    let stem = stem(text);
    if stem.len() < text.len() {
        return match stem.len() {
            0 => ([u8::MAX; BYTES], 0),
            // What is printable has something above it.
            len => {
                let mut behind = bytes(stem);
                behind[len - 1] += 1;
                (behind, 0)
            }
        };
    }
    match last.expiry {
        Some(code) if code < LAST_EXPIRY => (bytes(text), code + 1),
        _ => {
            let mut behind = bytes(text);
            behind[text.len()] = 1;
            (behind, 0)
        }
    }
}

pub(crate) fn is_filled(last: &Key) -> bool {
    stem(last.text.as_str()).len() < last.text.as_str().len()
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

impl Range {
    /// Whether `key` lies within, both ends included.
    ///
    /// A key without an expiry code, where the range has them, lies within only when all of it does,
    /// from the first code to the last. Where the range has none, a key's is not looked at.
    #[must_use]
    pub fn covers(&self, key: &Key) -> bool {
        let split = self.first.expiry.is_some() || self.last.expiry.is_some();
        let (lowest, highest) = match key.expiry {
            _ if !split => (None, None),
            Some(code) => (Some(code), Some(code)),
            None => (Some(FIRST_EXPIRY), Some(LAST_EXPIRY)),
        };
        let (span, text) = (Span::of(self), key.text.as_str());
        span.holds(position(text, lowest)) && span.holds(position(text, highest))
    }

    /// Whether some key lies within both.
    #[must_use]
    pub fn overlaps(&self, other: &Range) -> bool {
        Span::of(self).overlaps(&Span::of(other))
    }

    /// Whether all of it lies within `other`, and not the other way round: then it is an exception to
    /// `other`, and what lies in both belongs to it.
    #[must_use]
    pub fn is_exception_to(&self, other: &Range) -> bool {
        let (narrow, wide) = (Span::of(self), Span::of(other));
        !narrow.is_empty() && narrow.is_within(&wide) && narrow != wide
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::import::testing::{key, range};

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

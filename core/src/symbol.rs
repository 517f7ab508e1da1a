//! Symbols, venues, trading dates, and the index a symbol has within its partition.

use core::fmt;

/// A fixed-size text of printable ASCII, padded with zero bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const N: usize>([u8; N]);

/// A symbol as its venue spells it, without padding. 24 bytes hold every venue's longest
/// (an OCC option series has 21).
pub type Symbol = Text<24>;

/// A venue's short name: the MIC where it has one, else our own word (`XNAS`, `IEXG`, `BZX`).
pub type Venue = Text<8>;

impl<const N: usize> Text<N> {
    /// The empty text.
    pub const EMPTY: Text<N> = Text([0; N]);

    /// From bytes as the wire carries them: trailing spaces and zero bytes are padding. `None` when
    /// what remains is empty, longer than `N`, or holds anything but printable ASCII without spaces
    /// at the edges.
    #[must_use]
    pub const fn from_wire(bytes: &[u8]) -> Option<Text<N>> {
        let mut len = bytes.len();
        while len > 0 && (bytes[len - 1] == b' ' || bytes[len - 1] == 0) {
            len -= 1;
        }
        if len == 0 || len > N {
            return None;
        }
        let mut text = [0; N];
        let mut at = 0;
        while at < len {
            if bytes[at] < b' ' || bytes[at] > b'~' {
                return None;
            }
            text[at] = bytes[at];
            at += 1;
        }
        if text[0] == b' ' { None } else { Some(Text(text)) }
    }

    /// All `N` bytes, padded with zeros: the form the region stores.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; N] {
        &self.0
    }

    /// The text without padding.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|b| *b == 0).unwrap_or(N);
        // `from_wire` let in printable ASCII only, so this always is a str.
        core::str::from_utf8(&self.0[..len]).unwrap_or("")
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0[0] == 0
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Text::EMPTY
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Which symbol of its partition: counts from 0 in the order in which the partition came to know
/// them, and is the symbol's slot in the partition's part of the region.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct SymbolIndex(pub u32);

/// A trading date as the decimal number `yyyymmdd`; 0 is "none".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct TradingDate(pub u32);

impl fmt::Display for TradingDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0 / 10_000, self.0 / 100 % 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_padding_is_no_part_of_a_symbol() {
        assert_eq!(Symbol::from_wire(b"AAPL    ").unwrap().as_str(), "AAPL");
        assert_eq!(Symbol::from_wire(b"AAPL\0\0\0\0"), Symbol::from_wire(b"AAPL"));
        assert_eq!(Symbol::from_wire(b"BRK A").unwrap().as_str(), "BRK A");
        for bad in [&b"        "[..], b"", b" AAPL", b"AA\x01PL", b"\xff", &[b'A'; 25]] {
            assert_eq!(Symbol::from_wire(bad), None);
        }
    }
}

//! How parts of a map are written: in its file, in problems and in differences alike.

use std::fmt;

use crate::model::{Endpoint, Key, Protocol, Range};

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.group, self.port)?;
        if let Some(source) = self.source {
            write!(f, " from {source}")?;
        }
        if let Some(interface) = &self.interface {
            write!(f, " on {interface}")?;
        }
        Ok(())
    }
}

/// The text, then `/` and the expiry code where there is one: `IWM/M`. A text that would be taken for one
/// with an expiry code has a `/` behind it: the symbol `BRK/A` is `BRK/A/`.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.expiry {
            Some(code) => write!(f, "{}/{}", self.text, char::from(code)),
            None if is_ambiguous(self.text.as_str()) => write!(f, "{}/", self.text),
            None => write!(f, "{}", self.text),
        }
    }
}

/// Both ends, `A to AIUZZ`; one where they are the same.
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return write!(f, "{}", self.first);
        }
        write!(f, "{} to {}", self.first, self.last)
    }
}

/// Whether a symbol alone reads as a key with an expiry code, or as one that was marked for having none.
fn is_ambiguous(text: &str) -> bool {
    text.ends_with('/') || matches!(text.as_bytes(), [.., b'/', b'A'..=b'X'])
}

/// Names, the first few of them, and how many more there are: `AAPL, ABNB, ACN and 9 more`.
pub(crate) fn few<T: fmt::Display>(items: impl ExactSizeIterator<Item = T>, most: usize) -> String {
    let count = items.len();
    let shown: Vec<String> = items.take(most).map(|item| item.to_string()).collect();
    match count - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// A count with its noun: `1 symbol`, `2,080 symbols`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(count))
}

/// A number with its thousands apart.
pub(crate) fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use candor_core::Symbol;

    use super::*;

    #[test]
    fn numbers_and_names_are_short() {
        let cases = [(0, "0"), (999, "999"), (2_080, "2,080"), (1_234_567, "1,234,567")];
        for (number, text) in cases {
            assert_eq!(thousands(number), text);
        }
        assert_eq!(counted(1, "symbol"), "1 symbol");
        assert_eq!(few(["A", "B"].iter(), 3), "A, B");
        assert_eq!(few(["A", "B", "C", "D"].iter(), 3), "A, B, C and 1 more");
    }

    #[test]
    fn a_key_says_whether_it_has_an_expiry() {
        let key = |text: &str, expiry| {
            Key { text: Symbol::from_wire(text.as_bytes()).unwrap(), expiry }.to_string()
        };
        assert_eq!(key("IWM", Some(b'M')), "IWM/M");
        assert_eq!(key("IWM", None), "IWM");
        assert_eq!(key("BRK/A", None), "BRK/A/");
        assert_eq!(key("BRK/Z", None), "BRK/Z");
        assert_eq!(key("X/", None), "X//");
    }
}

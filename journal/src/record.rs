//! One record, and the line it is.
//!
//! ```text
//! {"v":1,"n":7,"wall":1795318200000000000,"mono":77,"kind":"alert","fields":{"what":"odd-world"},"prev":"…","sum":"…"}
//! ```
//!
//! | key | what |
//! | --- | --- |
//! | `v` | version of this table: 1. Another is refused by its number |
//! | `n` | number, from 1, one more than the record's before |
//! | `wall` | wall clock, ns since the Unix epoch: for people |
//! | `mono` | time since the host's boot, ns, suspension included: for lengths of time |
//! | `kind` | what it is about; one that is not known is kept and shown |
//! | `fields` | texts, whole numbers from 0, `true` and `false`, and lists of texts, in order of their names; those that are not known are kept and shown |
//! | `prev` | `sum` of the record before; zeros in the very first |
//! | `sum` | SHA-256 of the line up to `,"sum"` |
//!
//! A record has one form only, byte by byte: what reads as the same but is written otherwise is refused, so
//! that no two lines can stand for one record.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, de};
use sha2::{Digest as _, Sha256};

/// The version of the records that are written, and the only one that is read.
pub const FORMAT: u64 = 1;

/// Longest line, its line break included: some thousand symbols.
pub const LINE_BYTES: usize = 64 << 10;

/// Bytes behind the sealed part of a line: `,"sum":"<64 digits>"}`.
const SEAL_BYTES: usize = 74;

/// Longest name of a kind or a field.
const NAME_BYTES: usize = 32;

/// SHA-256 of a record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// What stands in the first record's `prev`.
    pub const NONE: Digest = Digest([0; 32]);

    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }

    /// From 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Digest> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let bytes: &[u8; 64] = text.as_bytes().try_into().ok()?;
        let mut digest = [0; 32];
        for (to, pair) in digest.iter_mut().zip(bytes.chunks_exact(2)) {
            *to = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Digest(digest))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<'d> Deserialize<'d> for Digest {
    fn deserialize<D: Deserializer<'d>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Digest::parse(&text).ok_or_else(|| de::Error::custom("no digest of 64 digits"))
    }
}

/// A moment by both clocks, in ns: the wall clock since the Unix epoch, the other since the boot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Stamp {
    /// Wall clock.
    pub wall: u64,
    /// Since the boot, suspension included.
    pub mono: u64,
}

/// A field's value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// Words.
    Text(String),
    /// A count, a length of time, a number.
    Number(u64),
    /// Whether.
    Flag(bool),
    /// Names.
    List(Vec<String>),
}

impl fmt::Display for Value {
    /// For a person; what could steer a terminal is escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => write!(f, "{}", Shown(text)),
            Value::Number(number) => write!(f, "{number}"),
            Value::Flag(flag) => write!(f, "{flag}"),
            Value::List(list) => list.iter().enumerate().try_for_each(|(at, text)| {
                write!(f, "{}{}", if at == 0 { "" } else { " " }, Shown(text))
            }),
        }
    }
}

struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|char| match char.is_control() {
            true => write!(f, "{}", char.escape_default()),
            false => f.write_char(char),
        })
    }
}

impl<'d> Deserialize<'d> for Value {
    fn deserialize<D: Deserializer<'d>>(from: D) -> Result<Self, D::Error> {
        struct Kinds;
        impl<'d> Visitor<'d> for Kinds {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a whole number, true, false or a list of texts")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
                Ok(Value::Text(text.to_owned()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
                Ok(Value::Number(number))
            }

            fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Value, E> {
                Ok(Value::Flag(flag))
            }

            fn visit_seq<A: SeqAccess<'d>>(self, mut list: A) -> Result<Value, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Ok(Value::List(texts))
            }
        }
        from.deserialize_any(Kinds)
    }
}

/// Whether this can be the name of a kind or a field: lower-case letters, digits, `-` and `_`.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    !name.is_empty() && name.len() <= NAME_BYTES && name.bytes().all(plain)
}

/// What a record says, by name.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Fields(BTreeMap<String, Value>);

impl Fields {
    /// None.
    #[must_use]
    pub fn new() -> Fields {
        Fields::default()
    }

    fn with(mut self, name: &str, value: Value) -> Fields {
        debug_assert!(is_name(name), "{name:?}");
        self.0.insert(name.to_owned(), value);
        self
    }

    /// And a text.
    #[must_use]
    pub fn text(self, name: &str, text: impl fmt::Display) -> Fields {
        self.with(name, Value::Text(text.to_string()))
    }

    /// And a number.
    #[must_use]
    pub fn number(self, name: &str, number: u64) -> Fields {
        self.with(name, Value::Number(number))
    }

    /// And whether.
    #[must_use]
    pub fn flag(self, name: &str, flag: bool) -> Fields {
        self.with(name, Value::Flag(flag))
    }

    /// And a list of names.
    #[must_use]
    pub fn list<T: fmt::Display>(self, name: &str, names: impl IntoIterator<Item = T>) -> Fields {
        self.with(name, Value::List(names.into_iter().map(|name| name.to_string()).collect()))
    }

    /// A field's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A field that is a text.
    #[must_use]
    pub fn text_of(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A field that is a number.
    #[must_use]
    pub fn number_of(&self, name: &str) -> Option<u64> {
        match self.get(name)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// A field that is a list, or one text: none where it is neither.
    pub fn names_of(&self, name: &str) -> impl Iterator<Item = &str> {
        let (one, many) = match self.get(name) {
            Some(Value::Text(text)) => (Some(text.as_str()), &[][..]),
            Some(Value::List(list)) => (None, &list[..]),
            _ => (None, &[][..]),
        };
        one.into_iter().chain(many.iter().map(String::as_str))
    }

    /// All of them, in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl fmt::Display for Fields {
    /// `name=value`, with a space between two; a text with spaces in quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, value)) in self.iter().enumerate() {
            let gap = if at == 0 { "" } else { " " };
            match value {
                Value::Text(text) if text.contains(' ') => write!(f, "{gap}{name}=\"{value}\"")?,
                Value::List(_) => write!(f, "{gap}{name}=[{value}]")?,
                _ => write!(f, "{gap}{name}={value}")?,
            }
        }
        Ok(())
    }
}

/// One record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// From 1.
    pub number: u64,
    /// When it happened. Of two records that follow each other the later may be the older by some 20 ms:
    /// numbers are given where the threads' reports come together.
    pub stamp: Stamp,
    /// What it is about.
    pub kind: String,
    /// What it says.
    pub fields: Fields,
    /// The digest of the one before.
    pub before: Digest,
    /// Its own.
    pub own: Digest,
}

/// Why a line is no record.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// It is too long.
    #[error("is longer than {LINE_BYTES} bytes")]
    TooLong,
    /// It does not end as a record does.
    #[error("is no whole record")]
    NotWhole,
    /// Its own digest is another.
    #[error("is not what was written: its digest is another")]
    Sum,
    /// It is of another version.
    #[error("is of version {0}; this candor reads version {FORMAT}")]
    Version(u64),
    /// It is no JSON of a record's keys.
    #[error("can't be understood: {0}")]
    Json(String),
    /// It could be written otherwise.
    #[error("is not written as records are")]
    Form,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    v: u64,
    n: u64,
    wall: u64,
    mono: u64,
    kind: String,
    fields: Fields,
    prev: Digest,
    sum: Digest,
}

#[derive(Deserialize)]
struct Version {
    v: u64,
}

impl Record {
    /// A record that follows the one with this digest. What would be longer than a line may be is
    /// recorded as that: its kind, and how long it would have been.
    pub(crate) fn new(
        number: u64,
        stamp: Stamp,
        kind: &str,
        fields: Fields,
        before: Digest,
    ) -> (Record, String) {
        let own = Digest::NONE;
        let mut record = Record { number, stamp, kind: kind.to_owned(), fields, before, own };
        let mut body = record.body();
        if body.len() + SEAL_BYTES + 1 > LINE_BYTES {
            record.fields = Fields::new().number("too_long_bytes", body.len() as u64);
            body = record.body();
        }
        let line = seal(&body);
        record.own = Digest::of(body.as_bytes());
        (record, line)
    }

    /// The line up to its seal.
    fn body(&self) -> String {
        let mut out = String::with_capacity(512);
        let Stamp { wall, mono } = self.stamp;
        let _ = write!(
            out,
            "{{\"v\":{FORMAT},\"n\":{},\"wall\":{wall},\"mono\":{mono},\"kind\":",
            self.number
        );
        quote(&mut out, &self.kind);
        out.push_str(",\"fields\":{");
        for (at, (name, value)) in self.fields.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            quote(&mut out, name);
            out.push(':');
            write_value(&mut out, value);
        }
        let _ = write!(out, "}},\"prev\":\"{}\"", self.before);
        out
    }

    /// The line, with its line break.
    #[must_use]
    pub fn line(&self) -> String {
        seal(&self.body())
    }

    /// The record that a line is, without its line break. That it follows from the one before is for
    /// [`crate::Reader`].
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(line: &[u8]) -> Result<Record, Malformed> {
        if line.len() >= LINE_BYTES {
            return Err(Malformed::TooLong);
        }
        let text = std::str::from_utf8(line).map_err(|_| Malformed::NotWhole)?;
        if !text.starts_with("{\"v\":1,")
            && let Ok(Version { v }) = serde_json::from_str(text)
            && v != FORMAT
        {
            return Err(Malformed::Version(v));
        }
        let cut = text.len().checked_sub(SEAL_BYTES).filter(|cut| text.is_char_boundary(*cut));
        let (body, seal) = text.split_at(cut.ok_or(Malformed::NotWhole)?);
        let sum = seal.strip_prefix(",\"sum\":\"").and_then(|seal| seal.strip_suffix("\"}"));
        let sum = sum.and_then(Digest::parse).ok_or(Malformed::NotWhole)?;
        if sum != Digest::of(body.as_bytes()) {
            return Err(Malformed::Sum);
        }
        let line: Line =
            serde_json::from_str(text).map_err(|error| Malformed::Json(error.to_string()))?;
        if line.v != FORMAT {
            return Err(Malformed::Version(line.v));
        }
        let record = Record {
            number: line.n,
            stamp: Stamp { wall: line.wall, mono: line.mono },
            kind: line.kind,
            fields: line.fields,
            before: line.prev,
            own: line.sum,
        };
        let named = is_name(&record.kind) && record.fields.iter().all(|(name, _)| is_name(name));
        if !named || record.number == 0 || record.body() != body {
            return Err(Malformed::Form);
        }
        Ok(record)
    }
}

/// The line of a record whose text up to the seal this is: with its digest, and a line break.
#[must_use]
pub fn seal(body: &str) -> String {
    format!("{body},\"sum\":\"{}\"}}\n", Digest::of(body.as_bytes()))
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Text(text) => quote(out, text),
        Value::Number(number) => drop(write!(out, "{number}")),
        Value::Flag(flag) => drop(write!(out, "{flag}")),
        Value::List(list) => {
            out.push('[');
            for (at, text) in list.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                quote(out, text);
            }
            out.push(']');
        }
    }
}

/// A text in JSON's quotes. Control characters are escaped, so that a record is one line.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => {
                let _ = write!(out, "\\u{:04x}", char as u32);
            }
            _ => out.push(char),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> (Record, String) {
        let fields = Fields::new()
            .text("what", "a \"quoted\" \\ line\nand\u{7f} µ")
            .number("count", u64::MAX)
            .flag("held", false)
            .list("symbols", ["AAPL", "BRK.A"]);
        let stamp = Stamp { wall: 1_795_318_200_000_000_000, mono: 77 };
        Record::new(7, stamp, "alert", fields, Digest::of(b"before"))
    }

    #[test]
    fn a_record_is_one_line_and_reads_as_it_was() {
        let (record, line) = one();
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!(record.line(), line);
        assert_eq!(Record::parse(line.trim_end().as_bytes()).unwrap(), record);
        let start = "{\"v\":1,\"n\":7,\"wall\":1795318200000000000,\"mono\":77,\"kind\":\"alert\",\"fields\":{\
                     \"count\":18446744073709551615,\"held\":false,\"symbols\":[\"AAPL\",\"BRK.A\"],\
                     \"what\":\"a \\\"quoted\\\" \\\\ line\\u000aand\\u007f µ\"},\"prev\":\"";
        assert!(line.starts_with(start), "{line}");
        assert_eq!(
            record.fields.to_string(),
            "count=18446744073709551615 held=false symbols=[AAPL BRK.A] what=\"a \"quoted\" \\ line\\nand\\u{7f} µ\""
        );
    }

    #[test]
    fn every_changed_and_every_missing_byte_is_seen() {
        let (_, line) = one();
        let line = line.trim_end().as_bytes();
        for at in 0..line.len() {
            let mut other = line.to_vec();
            other[at] ^= 1;
            assert!(Record::parse(&other).is_err(), "byte {at}");
            assert!(Record::parse(&line[..at]).is_err(), "{at} bytes");
        }
    }

    #[test]
    fn what_is_sealed_and_no_record_is_refused_by_what_is_wrong() {
        let (record, _) = one();
        let body = record.body();
        let parse = |body: &str| Record::parse(seal(body).trim_end().as_bytes()).unwrap_err();
        assert_eq!(parse(&body.replacen("\"v\":1", "\"v\":2", 1)), Malformed::Version(2));
        assert_eq!(parse(&body.replacen("{\"v\":1", "{ \"v\":1", 1)), Malformed::Form);
        assert_eq!(parse(&body.replacen("\"n\":7", "\"n\":0", 1)), Malformed::Form);
        assert_eq!(parse(&body.replacen("alert", "Alert", 1)), Malformed::Form);
        // Twice: the later one would hide the earlier.
        let twice = body.replacen("\"held\":false", "\"held\":true,\"held\":false", 1);
        assert_eq!(parse(&twice), Malformed::Form);
        for (from, to) in [
            ("\"mono\":77,", "\"mono\":77,\"more\":1,"),
            ("\"mono\":77,", ""),
            ("false", "null"),
            ("false", "-1"),
            ("false", "1.5"),
        ] {
            let refused = parse(&body.replacen(from, to, 1));
            assert!(matches!(refused, Malformed::Json(_)), "{from} {to}: {refused:?}");
        }
        // Of a later version, whatever else that changes.
        assert_eq!(Record::parse(b"{\"v\":9,\"x\":[]}"), Err(Malformed::Version(9)));
        assert_eq!(Record::parse(b""), Err(Malformed::NotWhole));
        assert_eq!(Record::parse(&vec![b' '; LINE_BYTES]), Err(Malformed::TooLong));
    }

    #[test]
    fn what_is_too_long_is_recorded_as_that() {
        let long = Fields::new().list("symbols", (0..9_000).map(|n| format!("SYM{n:05}")));
        let (record, line) = Record::new(1, Stamp::default(), "symbols", long, Digest::NONE);
        assert!(record.fields.number_of("too_long_bytes").unwrap() > LINE_BYTES as u64);
        assert_eq!(Record::parse(line.trim_end().as_bytes()).unwrap(), record);
    }
}

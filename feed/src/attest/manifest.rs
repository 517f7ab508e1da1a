//! The manifest: which digests may run, in a file that is signed as a whole.
//!
//! ```toml
//! signature = "…128 digits…"              # the first line: ed25519, over every byte below it
//! format = 1
//! name = "equities 2026-11-23"
//! binary = ["…64 digits…", "…"]           # SHA-256; a roll-out has two
//! configuration = ["…64 digits…"]         # as `candor check` prints it
//! layout = ["…16 digits…"]
//!
//! [[map]]                                 # where a venue has any, its map in force must be one of them
//! venue = "XNAS"
//! date = "2026-11-23"
//! digest = "…64 digits…"
//! ```
//!
//! One file, so that it is replaced whole by a rename: a signature of its own beside it would be the other one's for
//! a moment.

use std::fmt::Write as _;
use std::path::Path;

use candor_core::{TradingDate, Venue};
use candor_maps::file::{date, name};
use candor_settings::{At, Context, Problem, Problems, Table};
use toml::de::DeTable;

use crate::sign::{PublicKey, Purpose, SIGNATURE_DIGITS, SecretKey, bytes_of};
use crate::small;

/// What signatures of manifests are for.
pub const MANIFEST: Purpose = Purpose("candor manifest 1");

/// The longest manifest, in bytes: some thousand digests.
pub const MANIFEST_BYTES: u64 = 256 << 10;

/// The version of the format.
const FORMAT: u64 = 1;

/// What problems call the file.
const WHAT: &str = "manifest";

/// What may run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Manifest {
    /// Its name, for logs.
    pub name: String,
    /// SHA-256 of programs, as 64 digits.
    pub binary: Vec<String>,
    /// Digests of configurations, likewise.
    pub configuration: Vec<String>,
    /// Digests of the region's layout, as 16 digits.
    pub layout: Vec<String>,
    /// Maps.
    pub maps: Vec<Allowed>,
}

/// A map that may be in force.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Allowed {
    /// Of this venue.
    pub venue: Venue,
    /// On this date.
    pub date: TradingDate,
    /// Its digest in the store, as 64 digits.
    pub digest: String,
}

impl Manifest {
    /// Its text, signed.
    #[must_use]
    pub fn sign(&self, key: &SecretKey) -> String {
        let body = self.text();
        format!("signature = \"{}\"\n{body}", key.sign(MANIFEST, body.as_bytes()))
    }

    /// Everything below the signature.
    fn text(&self) -> String {
        let list = |digests: &[String]| {
            let quoted: Vec<String> = digests.iter().map(|one| format!("\n  \"{one}\",")).collect();
            format!("[{}\n]", quoted.concat())
        };
        let mut text =
            format!("format = {FORMAT}\nname = {}\n", toml::Value::from(self.name.as_str()));
        for (key, digests) in [
            ("binary", &self.binary),
            ("configuration", &self.configuration),
            ("layout", &self.layout),
        ] {
            // Writing to a String can't fail.
            let _ = writeln!(text, "{key} = {}", list(digests));
        }
        for Allowed { venue, date, digest } in &self.maps {
            let venue = toml::Value::from(venue.as_str());
            let _ = write!(
                text,
                "\n[[map]]\nvenue = {venue}\ndate = \"{date}\"\ndigest = \"{digest}\"\n"
            );
        }
        text
    }

    /// Reads the one at `path` and sees that it is signed by this key, before anything in it is looked at.
    ///
    /// # Errors
    /// Every problem by file and line.
    pub fn open(path: &Path, key: &PublicKey) -> Result<Manifest, Problems> {
        let refused = |why| Problems::new(WHAT, path, vec![Problem::of_file(path, why)]);
        let file = small::read(path, MANIFEST_BYTES).map_err(refused)?;
        let text = file.text().map_err(refused)?;
        verified(path, &text, key)?;
        parse(path, &text)
    }
}

/// Sees that a manifest's text is signed by this key.
fn verified(path: &Path, text: &str, key: &PublicKey) -> Result<(), Problems> {
    let refused = |message: String| {
        let problem = Problem { file: path.to_path_buf(), line: 1, message };
        Problems::new(WHAT, path, vec![problem])
    };
    let (first, body) = text.split_once('\n').unwrap_or((text, ""));
    let signature = first.strip_prefix("signature = \"").and_then(|rest| rest.strip_suffix('"'));
    let Some(signature) = signature.filter(|digits| bytes_of::<64>(digits).is_some()) else {
        return Err(refused(format!(
            "is not signed: its first line must be signature = \"..\" with {SIGNATURE_DIGITS} digits; sign it \
             with `candor attest sign`"
        )));
    };
    if !key.verifies(MANIFEST, body.as_bytes(), signature) {
        return Err(refused(format!(
            "the signature is not one of the key {key} over this text: it was changed since, or signed with \
             another key"
        )));
    }
    Ok(())
}

/// Parses a manifest whose signature holds.
fn parse(path: &Path, text: &str) -> Result<Manifest, Problems> {
    let mut cx = Context::new(path, text);
    let (root, errors) = DeTable::parse_recoverable(text);
    if let Some(error) = errors.first() {
        let line = error.span().map_or(0, |span| cx.line(span.start));
        cx.problem(line, format!("is not TOML: {}", error.message().replace('\n', ", ")));
        return Err(Problems::new(WHAT, path, cx.problems));
    }
    let mut root = Table::new("the manifest", 0, root.get_ref());
    root.skip(&["signature"]);
    match root.integer(&mut cx, "format", 0..=u64::MAX) {
        Some(at) if at.value != FORMAT => {
            let found = at.value;
            cx.problem(
                at.line,
                format!("`format` is {found}, and this version reads {FORMAT} alone"),
            );
        }
        None if root.line_of(&cx, "format").is_none() => {
            root.missing(&mut cx, "format", "format = 1")
        }
        _ => {}
    }
    let mut manifest = Manifest::default();
    match root.text(&mut cx, "name", "a name") {
        Some(at) => manifest.name = at.value.to_owned(),
        None if root.line_of(&cx, "name").is_none() => {
            root.missing(&mut cx, "name", "name = \"equities 2026-11-23\"");
        }
        None => {}
    }
    manifest.binary = digests(&mut cx, &mut root, "binary", 64);
    manifest.configuration = digests(&mut cx, &mut root, "configuration", 64);
    manifest.layout = digests(&mut cx, &mut root, "layout", 16);
    for table in root.tables(&mut cx, "map", "[[map]]") {
        manifest.maps.extend(map(&mut cx, table));
    }
    root.finish(&mut cx);
    if cx.problems.is_empty() { Ok(manifest) } else { Err(Problems::new(WHAT, path, cx.problems)) }
}

fn map(cx: &mut Context<'_>, mut table: Table<'_>) -> Option<Allowed> {
    table.rename("a [[map]]".to_owned());
    let venue = name::<8>(cx, &mut table, "venue", "venue = \"XNAS\"");
    let on = date(cx, &mut table, "date");
    if on.is_none() && table.line_of(cx, "date").is_none() {
        table.missing(cx, "date", "date = \"2026-11-23\"");
    }
    let digest = table.text(cx, "digest", "a map's digest");
    if digest.is_none() && table.line_of(cx, "digest").is_none() {
        table.missing(cx, "digest", "digest = \"..\", as `candor map show` prints it");
    }
    let digest = digest.and_then(|at| digest_of(cx, "digest", at, 64));
    table.finish(cx);
    Some(Allowed { venue: venue?.value, date: on?.value, digest: digest? })
}

/// A list of digests, which has one at least.
fn digests(
    cx: &mut Context<'_>,
    table: &mut Table<'_>,
    key: &'static str,
    digits: usize,
) -> Vec<String> {
    let Some(At { value, line }) = table.texts(cx, key) else {
        if table.line_of(cx, key).is_none() {
            table.missing(cx, key, &format!("{key} = [\"..\"] with {digits} digits each"));
        }
        return Vec::new();
    };
    if value.is_empty() {
        cx.problem(line, format!("`{key}` is empty: nothing could run; list what may"));
    }
    value.into_iter().filter_map(|at| digest_of(cx, key, at, digits)).collect()
}

fn digest_of(cx: &mut Context<'_>, key: &str, at: At<&str>, digits: usize) -> Option<String> {
    let is_one = at.value.len() == digits
        && at.value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !is_one {
        let found = at.value;
        cx.problem(
            at.line,
            format!("`{key}` has {found:?}, which is no digest: {digits} digits of 0-9 and a-f"),
        );
    }
    is_one.then(|| at.value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            name: "a \"quoted\" name".to_owned(),
            binary: vec!["a".repeat(64), "b".repeat(64)],
            configuration: vec!["c".repeat(64)],
            layout: vec!["d".repeat(16)],
            maps: vec![Allowed {
                venue: Venue::from_wire(b"XNAS").unwrap(),
                date: TradingDate(20_261_123),
                digest: "e".repeat(64),
            }],
        }
    }

    fn open(text: &str, key: &SecretKey) -> Result<Manifest, String> {
        let path = Path::new("m.toml");
        let read = verified(path, text, &key.public()).and_then(|()| parse(path, text));
        read.map_err(|problems| problems.to_string())
    }

    #[test]
    fn what_is_signed_is_read_as_it_was_written() {
        let key = SecretKey::generate().unwrap();
        assert_eq!(open(&manifest().sign(&key), &key).unwrap(), manifest());
        let bare = Manifest { maps: Vec::new(), ..manifest() };
        assert_eq!(open(&bare.sign(&key), &key).unwrap(), bare);
    }

    #[test]
    fn no_byte_of_it_can_be_another() {
        let key = SecretKey::generate().unwrap();
        let text = manifest().sign(&key).into_bytes();
        for at in 0..text.len() {
            let mut other = text.clone();
            other[at] = if other[at] == b'0' { b'1' } else { b'0' };
            let other = String::from_utf8(other).unwrap();
            assert!(open(&other, &key).is_err(), "byte {at}: {other}");
            let cut = std::str::from_utf8(&text[..at]).unwrap();
            assert!(open(cut, &key).is_err(), "cut at {at}");
        }
        let text = String::from_utf8(text).unwrap();
        assert!(
            open(&format!("{text}\n"), &key)
                .unwrap_err()
                .contains("m.toml:1: the signature is not")
        );
        let stranger = SecretKey::generate().unwrap();
        assert!(open(&text, &stranger).unwrap_err().contains("signed with another key"));
        let (_, body) = text.split_once('\n').unwrap();
        assert!(open(body, &key).unwrap_err().contains("m.toml:1: is not signed"));
    }

    #[test]
    fn what_is_signed_and_wrong_is_refused_by_its_line() {
        let key = SecretKey::generate().unwrap();
        let signed = |body: &str| {
            let signature = key.sign(MANIFEST, body.as_bytes());
            open(&format!("signature = \"{signature}\"\n{body}"), &key).unwrap_err()
        };
        let text = manifest().text();
        let with = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            signed(&text.replacen(from, to, 1))
        };
        for (refused, why) in [
            (signed(""), "has no `format`"),
            (with("format = 1", "format = 2"), "m.toml:2: `format` is 2"),
            (
                with("name = ", "nam = "),
                "m.toml:3: unknown key `nam` in the manifest, did you mean `name`?",
            ),
            (with(&"a".repeat(64), &"A".repeat(64)), "m.toml:5: `binary` has"),
            (with(&"c".repeat(64), &"c".repeat(63)), "which is no digest: 64 digits"),
            (with(&"d".repeat(16), &"d".repeat(64)), "which is no digest: 16 digits"),
            (
                signed(&text.replace(&format!("\n  \"{}\",", "d".repeat(16)), "")),
                "`layout` is empty",
            ),
            (with("date = ", "day = "), "m.toml:17: unknown key `day` in a [[map]]"),
            (with("2026-11-23", "2026-11-32"), "date"),
            (with("binary", "bin"), "has no `binary`"),
            (with("[[map]]", "[[map"), "is not TOML"),
        ] {
            assert!(refused.contains(why), "{why}: {refused}");
        }
    }
}

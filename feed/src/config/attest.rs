//! `[attest]`: the manifest that says what may run here, and the key that it must be signed with.

use std::path::{Path, PathBuf};

use candor_settings::{At, Context, Table};

use super::parse::Reading;

/// `[attest]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attest {
    /// The signed manifest.
    pub manifest: PathBuf,
    /// The public half of the key that signs manifests.
    pub key: PathBuf,
}

pub(super) fn attest(reading: &mut Reading<'_>, root: &mut Table<'_>) -> Option<Attest> {
    let cx = &mut reading.cx;
    let mut table = root.table(cx, "attest", "[attest]")?;
    let manifest = path(cx, &mut table, "manifest", "manifest = \"/etc/candor/manifest.toml\"");
    let key = path(cx, &mut table, "key", "key = \"/etc/candor/attest.pub\"");
    table.finish(cx);
    Some(Attest { manifest: manifest?, key: key? })
}

/// A file that a running handler looks at again: by a name that means the same wherever it was started.
fn path(
    cx: &mut Context<'_>,
    table: &mut Table<'_>,
    key: &'static str,
    example: &str,
) -> Option<PathBuf> {
    let Some(At { value, line }) = table.text(cx, key, "a file's name") else {
        if table.line_of(cx, key).is_none() {
            table.missing(cx, key, example);
        }
        return None;
    };
    if !Path::new(value).is_absolute() {
        cx.problem(line, format!("`{key}` must be an absolute file name, not {value:?}"));
    }
    Some(PathBuf::from(value))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::parse_text;

    fn with(attest: &str) -> Result<Option<super::Attest>, String> {
        let text = format!(
            "[handler]\nname = \"t\"\nregion = \"/dev/shm/t\"\n[source]\nkind = \"udp\"\ninterface = \"lo\"\n\
             [[lane]]\n[[venue]]\nname = \"V\"\nfeed = \"iex-deep\"\n[[venue.partition]]\nname = \"1\"\nlane = 0\n\
             lines.A = {{ group = \"239.1.1.1\", port = 1 }}\n{attest}\n"
        );
        let config = parse_text(Path::new("t.toml"), &text);
        config.map(|config| config.attest).map_err(|problems| problems.to_string())
    }

    #[test]
    fn both_files_are_named_or_nothing_is_required() {
        assert_eq!(with("").unwrap(), None);
        let both = with("[attest]\nmanifest = \"/m\"\nkey = \"/k\"").unwrap().unwrap();
        assert_eq!(
            (both.manifest.as_path(), both.key.as_path()),
            (Path::new("/m"), Path::new("/k"))
        );
        for (text, why) in [
            ("[attest]", "t.toml:15: [attest] has no `manifest`"),
            ("[attest]\nmanifest = \"/m\"", "[attest] has no `key`"),
            (
                "[attest]\nmanifest = \"m\"\nkey = \"/k\"",
                "t.toml:16: `manifest` must be an absolute",
            ),
            ("[attest]\nmanifest = \"/m\"\nkey = 5", "t.toml:17: `key` in [attest] must be"),
            (
                "[attest]\nmanifest = \"/m\"\nkey = \"/k\"\nrequired = false",
                "unknown key `required`",
            ),
        ] {
            let refused = with(text).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }
}

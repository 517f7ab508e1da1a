//! The files of a journal: `000017-2026-11-23.jsonl` is the seventeenth, begun on that trading date.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Behind the name of each file of records.
const ENDING: &str = ".jsonl";

/// The name of one file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FileName {
    /// Which it is, from 1.
    pub number: u64,
    /// The trading date on which it was begun.
    pub date: String,
}

impl FileName {
    /// The name that this is; `None` for any other file's.
    #[must_use]
    pub fn parse(name: &str) -> Option<FileName> {
        let (number, date) = name.strip_suffix(ENDING)?.split_once('-')?;
        let digits = number.len() >= 6 && number.bytes().all(|byte| byte.is_ascii_digit());
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let number: u64 = number.parse().ok().filter(|number| digits && *number > 0)?;
        let own = FileName { number, date: date.to_owned() };
        (!date.is_empty() && date.bytes().all(plain) && own.to_string() == name).then_some(own)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}-{}{ENDING}", self.number, self.date)
    }
}

/// The files of a journal in their order, with the length of each in bytes.
///
/// # Errors
/// The host's, where the folder can't be read.
pub fn files(folder: &Path) -> io::Result<Vec<(FileName, PathBuf, u64)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let Some(name) = entry.file_name().to_str().and_then(FileName::parse) else { continue };
        let about = entry.metadata()?;
        if about.is_file() {
            files.push((name, entry.path(), about.len()));
        }
    }
    files.sort_unstable();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        let name = FileName { number: 17, date: "2026-11-23".to_owned() };
        assert_eq!(name.to_string(), "000017-2026-11-23.jsonl");
        assert_eq!(FileName::parse("000017-2026-11-23.jsonl"), Some(name));
        let million = FileName { number: 12_345_678, date: "2026-11-23".to_owned() };
        assert_eq!(FileName::parse(&million.to_string()), Some(million));
        for other in
            ["17-2026-11-23.jsonl", "000000-d.jsonl", "0000017-d.jsonl", "lock", "000001-.jsonl"]
        {
            assert_eq!(FileName::parse(other), None, "{other}");
        }
    }
}

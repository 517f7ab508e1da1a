//! Going through a journal, record by record.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::folder;
use crate::record::{Digest, LINE_BYTES, Malformed, Record};

/// A line of a journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spot {
    /// Its file.
    pub file: Arc<Path>,
    /// Its line, from 1.
    pub line: u64,
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// Why a line is not what has to come there.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Why {
    /// It is no record.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Records are missing, or come twice.
    #[error("is number {found}, and {wanted} has to come here: records were taken out or put in")]
    Number {
        /// What has to come.
        wanted: u64,
        /// What is there.
        found: u64,
    },
    /// It does not name the digest of the record before.
    #[error("does not follow from the record before: one of the two was put in the other's place")]
    Chain,
}

/// The first thing that is wrong at some place.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{spot}: {why}")]
pub struct Fault {
    /// Where.
    pub spot: Spot,
    /// What.
    pub why: Why,
}

/// What a journal holds at one place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item {
    /// A record.
    Record(Spot, Record),
    /// The chain is broken here. Where the line is a record all the same, that comes next, and the chain is
    /// taken up with it.
    Broken(Fault),
    /// The newest line has no end yet: it is being written, or its writer is gone and the next one will
    /// take it off.
    Unfinished {
        /// Where.
        spot: Spot,
        /// How much of it there is, in bytes.
        bytes: u64,
    },
}

enum Source {
    File(PathBuf),
    Bytes(PathBuf, Vec<u8>),
}

struct Open {
    from: Box<dyn BufRead>,
    spot: Spot,
}

/// Goes through a journal from its oldest record on, one line in memory at a time.
pub struct Reader {
    sources: VecDeque<Source>,
    open: Option<Open>,
    /// Number and digest of the last record, where the next has to follow from it.
    last: Option<(u64, Digest)>,
    next: Option<Item>,
}

/// What a line was found to be.
enum Line {
    Whole,
    /// Longer than a line may be, and left out.
    TooLong,
    /// Without a line break, at the end.
    Cut,
    End,
}

impl Reader {
    /// The journal in a folder.
    ///
    /// # Errors
    /// The host's, where the folder can't be read.
    pub fn open(folder: &Path) -> io::Result<Reader> {
        let files = folder::files(folder)?;
        Ok(Reader::new(files.into_iter().map(|(_, path, _)| Source::File(path)).collect()))
    }

    /// The newest files of a folder alone, as many as are no longer than this together, in bytes; one at
    /// least. The first record is taken as it is.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn newest(folder: &Path, bytes: u64) -> io::Result<Reader> {
        let (mut sources, mut sum) = (VecDeque::new(), 0u64);
        for (_, path, length) in folder::files(folder)?.into_iter().rev() {
            sum = sum.saturating_add(length);
            if sum > bytes && !sources.is_empty() {
                break;
            }
            sources.push_front(Source::File(path));
        }
        Ok(Reader::new(sources))
    }

    /// One file by itself: its first record is taken as it is.
    #[must_use]
    pub fn file(path: &Path) -> Reader {
        Reader::new(VecDeque::from([Source::File(path.to_owned())]))
    }

    /// These bytes, each as the contents of a file of that name.
    #[must_use]
    pub fn bytes(files: impl IntoIterator<Item = (PathBuf, Vec<u8>)>) -> Reader {
        Reader::new(files.into_iter().map(|(path, bytes)| Source::Bytes(path, bytes)).collect())
    }

    fn new(sources: VecDeque<Source>) -> Reader {
        Reader { sources, open: None, last: None, next: None }
    }

    /// The next file; `false` after the last.
    fn turn(&mut self) -> io::Result<bool> {
        let Some(source) = self.sources.pop_front() else { return Ok(false) };
        let (path, from): (PathBuf, Box<dyn BufRead>) = match source {
            Source::File(path) => {
                let file = File::open(&path).map_err(|error| named(&path, &error))?;
                (path, Box::new(BufReader::with_capacity(1 << 16, file)))
            }
            Source::Bytes(path, bytes) => (path, Box::new(Cursor::new(bytes))),
        };
        self.open = Some(Open { from, spot: Spot { file: path.into(), line: 0 } });
        Ok(true)
    }

    /// What a whole line is.
    fn judge(&mut self, spot: &Spot, line: &[u8]) -> Item {
        let record = match Record::parse(line) {
            Ok(record) => record,
            Err(why) => return self.broken(spot, why.into()),
        };
        let last = self.last.replace((record.number, record.own));
        let why = match last {
            None => None,
            // A number at its end has no next one.
            Some((number, _)) if number.checked_add(1) != Some(record.number) => {
                Some(Why::Number { wanted: number.saturating_add(1), found: record.number })
            }
            Some((_, digest)) => (digest != record.before).then_some(Why::Chain),
        };
        let item = Item::Record(spot.clone(), record);
        match why {
            None => item,
            Some(why) => {
                self.next = Some(item);
                Item::Broken(Fault { spot: spot.clone(), why })
            }
        }
    }

    fn broken(&mut self, spot: &Spot, why: Why) -> Item {
        // The next sound record is taken as it is: one fault is said once.
        self.last = None;
        Item::Broken(Fault { spot: spot.clone(), why })
    }

    fn step(&mut self) -> io::Result<Option<Item>> {
        if let Some(item) = self.next.take() {
            return Ok(Some(item));
        }
        loop {
            // BOUND: each round ends, or goes on to the next file.
            let Some(open) = &mut self.open else {
                if self.turn()? {
                    continue;
                }
                return Ok(None);
            };
            let mut line = Vec::new();
            let found =
                take(&mut *open.from, &mut line).map_err(|error| named(&open.spot.file, &error))?;
            open.spot.line += 1;
            let spot = open.spot.clone();
            return Ok(Some(match found {
                Line::End => {
                    self.open = None;
                    continue;
                }
                Line::Whole => self.judge(&spot, &line),
                Line::Cut if self.sources.is_empty() => {
                    Item::Unfinished { spot, bytes: line.len() as u64 }
                }
                Line::Cut => self.broken(&spot, Malformed::NotWhole.into()),
                Line::TooLong => self.broken(&spot, Malformed::TooLong.into()),
            }));
        }
    }
}

impl Iterator for Reader {
    type Item = io::Result<Item>;

    fn next(&mut self) -> Option<io::Result<Item>> {
        let item = self.step();
        if item.is_err() {
            (self.open, self.next) = (None, None);
            self.sources.clear();
        }
        item.transpose()
    }
}

/// Takes one line, without its line break.
fn take(from: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<Line> {
    let got = from.take(LINE_BYTES as u64).read_until(b'\n', line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
        return Ok(Line::Whole);
    }
    if got < LINE_BYTES {
        return Ok(if got == 0 { Line::End } else { Line::Cut });
    }
    // BOUND: the file's length.
    loop {
        let buffer = from.fill_buf()?;
        let (length, end) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        from.consume(length);
        if end {
            return Ok(Line::TooLong);
        }
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// What a whole journal was found to be.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Checked {
    /// Sound records.
    pub records: u64,
    /// Number of the first; more than 1 where older files are no longer there.
    pub first: u64,
    /// Number and digest of the last: who writes these down elsewhere can tell later that nothing was taken
    /// off the end.
    pub last: Option<(u64, Digest)>,
    /// Where the chain is broken first.
    pub fault: Option<Fault>,
    /// In how many places it is.
    pub faults: u64,
    /// Bytes of a last line that has no end yet.
    pub unfinished: u64,
}

/// Goes through all of it.
///
/// # Errors
/// The host's, where a file can't be read.
pub fn check(reader: Reader) -> io::Result<Checked> {
    let mut checked = Checked::default();
    for item in reader {
        match item? {
            Item::Record(_, record) => {
                checked.records += 1;
                if checked.first == 0 {
                    checked.first = record.number;
                }
                checked.last = Some((record.number, record.own));
            }
            Item::Broken(fault) => {
                checked.faults += 1;
                checked.fault.get_or_insert(fault);
            }
            Item::Unfinished { bytes, .. } => checked.unfinished = bytes,
        }
    }
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Fields, Stamp};

    fn lines(count: u64) -> Vec<String> {
        let mut before = Digest::NONE;
        let line = |number| {
            let fields = Fields::new().number("at", number);
            let (record, line) = Record::new(number, Stamp::default(), "test", fields, before);
            before = record.own;
            line
        };
        (1..=count).map(line).collect()
    }

    fn read(files: &[String]) -> Checked {
        let named = |(at, text): (usize, &String)| {
            (PathBuf::from(format!("{}", at + 1)), text.clone().into_bytes())
        };
        check(Reader::bytes(files.iter().enumerate().map(named))).unwrap()
    }

    fn fault(files: &[String]) -> (String, u64) {
        let checked = read(files);
        (checked.fault.map_or(String::new(), |fault| fault.to_string()), checked.faults)
    }

    #[test]
    fn a_chain_goes_on_over_files() {
        let all = lines(9);
        let whole = read(&[all[..4].concat(), String::new(), all[4..].concat()]);
        assert_eq!((whole.records, whole.first, whole.faults), (9, 1, 0));
        assert_eq!(whole.last.unwrap().0, 9);
        // Without the oldest file: it begins where it begins.
        let later = read(&[all[4..].concat()]);
        assert_eq!((later.records, later.first, later.faults), (5, 5, 0));
    }

    #[test]
    fn the_first_record_that_does_not_follow_is_named() {
        let all = lines(9);
        let without = [all[..3].concat(), all[4..].concat()].concat();
        let said = "1:4: is number 5, and 4 has to come here: records were taken out or put in";
        assert_eq!(fault(&[without]), (said.to_owned(), 1));
        let twice = [all[..3].concat(), all[2..].concat()].concat();
        assert_eq!(fault(&[twice]).1, 1);
        let (said, faults) = fault(&[all[..4].concat(), all[5..].concat()]);
        assert!(said.starts_with("2:1: is number 6, and 5"), "{said}");
        assert_eq!(faults, 1);
        // Changed, and sealed anew: then the next does not follow.
        let (record, _) = Record::new(5, Stamp::default(), "test", Fields::new(), Digest::NONE);
        let mut other = all.clone();
        other[4] =
            Record { before: Record::parse(other[3].trim_end().as_bytes()).unwrap().own, ..record }
                .line();
        let (said, faults) = fault(&[other.concat()]);
        assert!(said.starts_with("1:6: does not follow from the record before"), "{said}");
        assert_eq!(faults, 1);
        // Changed in a byte.
        let (said, faults) = fault(&[all.concat().replace("\"at\":5", "\"at\":6")]);
        assert_eq!(said, "1:5: is not what was written: its digest is another");
        assert_eq!(faults, 1);
    }

    #[test]
    fn a_last_line_without_an_end_is_no_fault_and_any_other_is() {
        let all = lines(3);
        let cut = all[2][..20].to_owned();
        let open = read(&[all[..2].concat() + &cut]);
        assert_eq!((open.records, open.faults, open.unfinished), (2, 0, 20));
        let (said, faults) = fault(&[all[..2].concat() + &cut, all[2].clone()]);
        assert_eq!((said.as_str(), faults), ("1:3: is no whole record", 1));
        let (said, faults) =
            fault(&[all[0].clone() + &"x".repeat(LINE_BYTES * 3) + "\n" + &all[1..].concat()]);
        assert_eq!((said.as_str(), faults), ("1:2: is longer than 65536 bytes", 1));
    }
}

//! A file's bytes, decompressed where its first bytes say so, with the offset of what is being
//! read. Streams: a day of captures is larger than memory.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};

use super::zstd;

/// What is asked of the file at a time.
const CHUNK: usize = 1 << 18;

/// What a file holds beneath its content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Compression {
    /// Nothing.
    Plain,
    /// gzip, one member or several.
    Gzip,
    /// Zstandard, one frame or several.
    Zstd,
}

/// Why a file could not be read to its end. What came before has been used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    /// The file.
    pub file: PathBuf,
    /// Where, in bytes of the decompressed content.
    pub offset: u64,
    /// What is wrong there.
    pub what: String,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} at offset {}", self.file.display(), self.what, self.offset)
    }
}

/// A file that is read from its first byte to its last.
pub(super) struct Input {
    path: PathBuf,
    compression: Compression,
    source: Box<dyn Read>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes of the content before `start`.
    offset: u64,
    /// Why there is no more: `None` while there may be.
    ended: Option<Option<io::ErrorKind>>,
}

impl Input {
    /// Opens a file and finds out how it is compressed.
    ///
    /// # Errors
    /// Exit 64 where the file is not there, 71 where it can't be read, 65 for a directory.
    pub(super) fn open(path: &Path) -> Result<Input, Failure> {
        let refused = |error: io::Error| {
            let exit = match error.kind() {
                io::ErrorKind::NotFound => Exit::Usage,
                io::ErrorKind::IsADirectory => Exit::Data,
                _ => Exit::Host,
            };
            Failure::new(exit, format!("{}: {error}", path.display()))
        };
        let mut file = File::open(path).map_err(refused)?;
        let mut front = Vec::with_capacity(4);
        (&mut file).take(4).read_to_end(&mut front).map_err(refused)?;
        let compression = match front.as_slice() {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Compression::Zstd,
            _ => Compression::Plain,
        };
        let whole = io::Cursor::new(front).chain(BufReader::with_capacity(CHUNK, file));
        let source: Box<dyn Read> = match compression {
            Compression::Plain => Box::new(whole),
            Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(whole)),
            Compression::Zstd => Box::new(zstd::Frames::new(whole)),
        };
        Ok(Input {
            path: path.to_path_buf(),
            compression,
            source,
            buffer: vec![0; CHUNK],
            start: 0,
            end: 0,
            offset: 0,
            ended: None,
        })
    }

    /// Bytes of the content taken so far.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Looks at the next `len` bytes without taking them; fewer where the content ends before.
    pub(super) fn peek(&mut self, len: usize) -> &[u8] {
        if self.buffer.len() < len {
            self.buffer.resize(len.next_power_of_two(), 0);
        }
        if self.start + len > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        while self.end - self.start < len && self.ended.is_none() {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.ended = Some(None),
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.ended = Some(Some(error.kind())),
            }
        }
        let there = len.min(self.end - self.start);
        &self.buffer[self.start..self.start + there]
    }

    /// Takes `len` bytes that were looked at.
    pub(super) fn skip(&mut self, len: usize) {
        assert!(len <= self.end - self.start, "only what was looked at can be taken");
        self.start += len;
        self.offset += len as u64;
    }

    /// Whether everything was taken and the content ended as it should.
    pub(super) fn at_end(&mut self) -> bool {
        self.peek(1).is_empty() && self.ended == Some(None)
    }

    /// The content ends where `what` should be; the position is where the whole item began.
    pub(super) fn cut(&self, what: &str) -> Broken {
        let what = match (self.ended, self.compression) {
            (Some(Some(kind)), Compression::Plain) => format!("reading failed ({kind}) in {what}"),
            (Some(Some(_)), Compression::Gzip) => {
                format!("gzip data cut off or damaged: {what} is truncated")
            }
            (Some(Some(_)), Compression::Zstd) => {
                format!("zstd data cut off or damaged: {what} is truncated")
            }
            _ => format!("truncated: the file ends inside {what}"),
        };
        Broken { file: self.path.clone(), offset: self.offset, what }
    }

    /// The content says what it can't say.
    pub(super) fn wrong(&self, what: impl Into<String>) -> Broken {
        Broken { file: self.path.clone(), offset: self.offset, what: what.into() }
    }
}

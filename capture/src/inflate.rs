//! A file's content, decompressed on the way: plain, gzip or zstd, told by its first bytes.

use std::io::{self, BufReader, Cursor, Read};
use std::sync::{Arc, Mutex};

use flate2::bufread::MultiGzDecoder;

use crate::zstd;

/// What is asked of the file at a time.
const BUFFER: usize = 256 << 10;

/// What lies beneath the content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Compression {
    Plain,
    Gzip,
    Zstd,
}

/// Finds out how a file is compressed, and reads what it decompresses to.
pub(crate) fn open(mut bytes: impl Read + Send + 'static) -> io::Result<(Whole, Cause)> {
    let mut front = Vec::with_capacity(4);
    (&mut bytes).take(4).read_to_end(&mut front)?;
    let compression = match front.as_slice() {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        // A frame, or one of the frames a reader skips.
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Compression::Zstd,
        _ => Compression::Plain,
    };
    let bytes = BufReader::with_capacity(BUFFER, Cursor::new(front).chain(bytes));
    let bytes: Box<dyn Read + Send> = match compression {
        Compression::Plain => Box::new(bytes),
        Compression::Gzip => Box::new(MultiGzDecoder::new(bytes)),
        Compression::Zstd => Box::new(zstd::Frames::new(bytes)),
    };
    let cause = Cause { compression, failed: Arc::new(Mutex::new(None)) };
    Ok((Whole { bytes, front: Vec::new(), failed: false, cause: cause.clone() }, cause))
}

/// Why the content broke off, if it did: a parser in between keeps no causes.
#[derive(Clone)]
pub(crate) struct Cause {
    compression: Compression,
    failed: Arc<Mutex<Option<String>>>,
}

impl Cause {
    /// Whether the content broke off otherwise than by its end.
    pub(crate) fn is_set(&self) -> bool {
        self.get().is_some()
    }

    /// Words for content that stops where `what` should go on.
    pub(crate) fn cut(&self, what: &str) -> String {
        match (self.get(), self.compression) {
            (None, _) => format!("cut off: the file ends within {what}, which is truncated"),
            (Some(error), Compression::Plain) => format!("reading failed in {what}: {error}"),
            (Some(error), Compression::Gzip) => {
                format!("gzip data cut off or damaged ({error}): {what} is truncated")
            }
            (Some(error), Compression::Zstd) => {
                format!("zstd data cut off or damaged ({error}): {what} is truncated")
            }
        }
    }

    fn get(&self) -> Option<String> {
        self.failed.lock().ok().and_then(|failed| failed.clone())
    }
}

/// Fills what it is given to fill, since a parser takes a short read for the end; gives everything
/// before a failure first, and then fails for good.
pub(crate) struct Whole {
    bytes: Box<dyn Read + Send>,
    /// Bytes that were put back.
    front: Vec<u8>,
    failed: bool,
    cause: Cause,
}

impl Whole {
    /// Takes the first bytes, and puts them back. Fewer where the content ends before.
    pub(crate) fn head(&mut self) -> Vec<u8> {
        let mut head = vec![0; 4];
        // What fails here fails again behind what is given back.
        let there = self.read(&mut head).unwrap_or(0);
        head.truncate(there);
        self.front.clone_from(&head);
        head
    }
}

impl Read for Whole {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = self.front.len().min(buffer.len());
        buffer[..filled].copy_from_slice(&self.front[..filled]);
        self.front.drain(..filled);
        while filled < buffer.len() && !self.failed {
            match self.bytes.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failed = true;
                    if let Ok(mut failed) = self.cause.failed.lock() {
                        *failed = Some(error.to_string());
                    }
                }
            }
        }
        if filled == 0 && self.failed {
            return Err(io::Error::other("the content broke off"));
        }
        Ok(filled)
    }
}

//! A capture of a replay: [`candor_capture`] with the file's name and exit codes.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use candor_capture::{Item, Kind, OpenError};
use candor_decoders::Format;

use crate::exit::{Exit, Failure};

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

/// A capture file being read.
pub(super) struct Capture {
    path: PathBuf,
    file: candor_capture::Capture,
}

impl Capture {
    /// Opens a file.
    ///
    /// # Errors
    /// Exit 64 where the file is not there, 71 where it can't be read, 65 for a directory and where
    /// the content is nothing that can be replayed as `feed`.
    pub(super) fn open(path: &Path, feed: Format) -> Result<Capture, Failure> {
        let refused = |exit, what: &dyn std::fmt::Display| {
            Failure::new(exit, format!("{}: {what}", path.display()))
        };
        let file = candor_capture::Capture::open(path).map_err(|error| {
            let exit = match &error {
                OpenError::Io(error) if error.kind() == ErrorKind::NotFound => Exit::Usage,
                OpenError::Io(error) if error.kind() != ErrorKind::IsADirectory => Exit::Host,
                _ => Exit::Data,
            };
            refused(exit, &error)
        })?;
        if file.kind() == Kind::Messages && feed != Format::NasdaqItch50 {
            let feed = feed.name();
            return Err(refused(Exit::Data, &format!("ITCH messages, which are not {feed}")));
        }
        if let Some(link) = file.link().filter(|link| !link.is_known()) {
            let what = format!(
                "a capture of link type {}, which is neither Ethernet, raw IP nor Linux cooked",
                link.0
            );
            return Err(refused(Exit::Data, &what));
        }
        Ok(Capture { path: path.to_path_buf(), file })
    }

    /// Bytes of the content read so far.
    pub(super) fn offset(&self) -> u64 {
        self.file.offset()
    }

    /// Moves to the next item and says its time in ns since the Unix epoch; 0 for messages, which
    /// have none. `None` at the end.
    ///
    /// # Errors
    /// Where the file breaks off. Nothing follows then.
    pub(super) fn advance(&mut self) -> Result<Option<u64>, Broken> {
        let time = self.file.advance().map_err(|candor_capture::Broken { what, offset }| {
            Broken { file: self.path.clone(), offset, what }
        })?;
        let has_times = self.file.kind() != Kind::Messages;
        Ok(time.map(|at| if has_times { at } else { 0 }))
    }

    /// The item [`Capture::advance`] moved to.
    pub(super) fn item(&self) -> Option<Item<'_>> {
        self.file.item()
    }
}

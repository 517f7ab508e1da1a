//! What can be wrong with a store.

use std::io;
use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};

/// Why the store can't do what it was asked. Nothing was changed then that anybody reads.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// The store's folder is not there.
    #[error(
        "{}: there is no such folder; name the store's, or make one: mkdir -p {}",
        .0.display(),
        .0.display()
    )]
    NoStore(PathBuf),
    /// The host refused.
    #[error("{} can't be {what}: {error}; what was in the store before stays", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was to be done to it.
        what: &'static str,
        /// What the host says.
        error: String,
    },
    /// A file of the store is not what was written there.
    #[error(
        "{}: {why}; put it back from a copy of the store, or the store of another host",
        .file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// What was asked for is not there.
    #[error("{0}; `candor map history` lists what there is")]
    Absent(String),
    /// What was asked for is not one thing.
    #[error("{0}")]
    Ambiguous(String),
}

impl Error {
    pub(super) fn io(path: &Path, what: &'static str, error: &io::Error) -> Error {
        Error::Io { path: path.to_path_buf(), what, error: error.to_string() }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let exit = match error {
            Error::NoStore(_) | Error::Damaged { .. } => Exit::Config,
            Error::Io { .. } => Exit::Host,
            Error::Absent(_) => Exit::Unknown,
            Error::Ambiguous(_) => Exit::Usage,
        };
        Failure::new(exit, error.to_string())
    }
}

//! Why no region is made, in words that say what to do.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::lstat;
use rustix::io::Errno;

use crate::layout::LAYOUT_VERSION;
use crate::layout::text::layout_digest;

/// Why no region was made. Nothing was changed at the path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// The spec asks for something impossible.
    #[error("the region's specification is wrong: {0}")]
    Spec(&'static str),
    /// Another process writes this region, or has claimed it.
    #[error(
        "{path}: another handler is running on this region; stop it first, or give this one a path of its own"
    )]
    InUse {
        /// The region.
        path: PathBuf,
    },
    /// The region's file is locked, and nothing says that a handler runs on it. Whoever may read a
    /// file may lock it.
    #[error(
        "{path}: no handler is known to run on this region, yet its file is locked ({}): by a reader, or by a handler that has another path to it; end what has locked it, or remove the file, and start again",
        by(*.process)
    )]
    Locked {
        /// The region.
        path: PathBuf,
        /// The process that has locked it, by the kernel's list; 0 when that doesn't tell.
        process: u32,
    },
    /// The path, or its lock's, is a symbolic link.
    #[error(
        "{path}: is a symbolic link; a region is a file of its own: remove the link or name the file"
    )]
    SymbolicLink {
        /// The link.
        path: PathBuf,
    },
    /// The path is a directory, a device, a socket.
    #[error("{path}: is not a regular file; give the region another path")]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The file at the path is not a region.
    #[error(
        "{path}: is a file of something else and stays untouched; give the region another path or remove the file"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file at the path was a region and has lost a part.
    #[error(
        "{path}: is a damaged region ({length} bytes where its header says {wanted}); remove the file and start again"
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        length: u64,
        /// What its header says, 0 when the header itself is cut.
        wanted: u64,
    },
    /// The file at the path is a region of another build.
    #[error(
        "{path}: is a region of layout {version} ({digest:016x}), this build writes {LAYOUT_VERSION} ({:016x}); stop its readers, remove the file and start again",
        layout_digest()
    )]
    OtherLayout {
        /// The file.
        path: PathBuf,
        /// Its layout version; 0 when it was never finished.
        version: u64,
        /// Its layout digest.
        digest: u64,
    },
    /// The file system has no room for the region.
    #[error(
        "{path}: no room for {length} bytes; free space on its file system or configure fewer symbols"
    )]
    NoRoom {
        /// The file that was to be made.
        path: PathBuf,
        /// The region's length in bytes.
        length: u64,
    },
    /// The region's file has another name, by which another handler may take it for its own.
    #[error(
        "{path}: is one file with {links} names (hard links); remove the other names, or this one, and start again"
    )]
    Linked {
        /// The file.
        path: PathBuf,
        /// How many names it has.
        links: u64,
    },
    /// No file can be made where the region is to be, whoever tries.
    #[error("{path}: {what}; make the folder, or give the region another path")]
    NoPlace {
        /// The folder, or the file where its name is the trouble.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// This process may not make files there.
    #[error(
        "{folder}: this process may not make files in this folder; let its user write there (chown, chmod), or give the region another path"
    )]
    NotPermitted {
        /// The folder.
        folder: PathBuf,
    },
    /// A file of another user's is in the way.
    #[error(
        "{path}: this process may not write it, it is user {owner}'s; run the handler as that user, remove the file, or give the region another path"
    )]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// Its owner's number.
        owner: u32,
    },
    /// This process may not make a file that long.
    #[error(
        "{path}: RLIMIT_FSIZE is {limit} bytes, and the region needs {length}: raise it (LimitFSIZE= in a unit, `ulimit -f`), or configure fewer symbols"
    )]
    FileLimit {
        /// The file that was to be made.
        path: PathBuf,
        /// The region's length in bytes.
        length: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The operating system refused.
    #[error("{path}: cannot {attempt}: {source}")]
    System {
        /// What it was about.
        path: PathBuf,
        /// What was attempted.
        attempt: &'static str,
        /// What it said.
        source: io::Error,
    },
}

/// Who has locked a file, or where that can be seen.
fn by(process: u32) -> String {
    match process {
        0 => "see /proc/locks".to_owned(),
        process => format!("process {process}, by /proc/locks"),
    }
}

/// For `map_err`: the operating system refused `attempt` on `path`.
pub(super) fn refused<E: Into<io::Error>>(
    path: &Path,
    attempt: &'static str,
) -> impl FnOnce(E) -> CreateError {
    let path = path.to_owned();
    move |error| CreateError::System { path, attempt, source: error.into() }
}

/// For `map_err`: a file at `path` could not be opened, made, renamed or given its mode.
pub(super) fn denied(path: &Path, attempt: &'static str) -> impl FnOnce(Errno) -> CreateError {
    let path = path.to_owned();
    move |error| {
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        match error {
            Errno::NOENT => CreateError::NoPlace { path: folder, what: "there is no such folder" },
            Errno::NOTDIR => CreateError::NoPlace { path: folder, what: "is not a folder" },
            Errno::ROFS => {
                CreateError::NoPlace { path: folder, what: "is on a read-only file system" }
            }
            Errno::NAMETOOLONG => CreateError::NoPlace { path, what: "is too long a name" },
            Errno::ACCESS | Errno::PERM => match lstat(&path) {
                Ok(stat) => CreateError::NotOurs { path, owner: stat.st_uid },
                Err(_) => CreateError::NotPermitted { folder },
            },
            error => CreateError::System { path, attempt, source: error.into() },
        }
    }
}

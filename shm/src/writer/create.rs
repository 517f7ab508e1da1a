//! How a region comes to be: under a lock, beside the old one, renamed into place when whole.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candor_core::{Mono, Reason};
use rustix::fs::{
    FallocateFlags, FileType, FlockOperation, Gid, Mode, OFlags, Stat, fallocate, fchmod, fchown,
    flock, fstat, lstat, open, rename, unlink,
};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use super::fill::{Birth, fill, plan, writers};
use super::{HandlerWriter, LaneWriter, Plan, Shared};
use crate::atomic::Ordering;
use crate::clock;
use crate::layout::record::Record;
use crate::layout::text::layout_digest;
use crate::layout::{Header, LAYOUT_VERSION, MAGIC};
use crate::mapping::{Mapping, load_all};
use crate::reader::Region;
use crate::spec::RegionSpec;

/// Why no region was made. Nothing was changed at the path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// The spec asks for something impossible.
    #[error("the region's specification is wrong: {0}")]
    Spec(&'static str),
    /// Another process writes this region.
    #[error(
        "{path}: another handler is running on this region; stop it first, or give this one a path of its own"
    )]
    InUse {
        /// The region.
        path: PathBuf,
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

/// For `map_err`: the operating system refused `attempt` on `path`.
fn refused<E: Into<io::Error>>(
    path: &Path,
    attempt: &'static str,
) -> impl FnOnce(E) -> CreateError {
    let path = path.to_owned();
    move |error| CreateError::System { path, attempt, source: error.into() }
}

/// For `map_err`: a file at `path` could not be opened, made, renamed or given its mode.
fn denied(path: &Path, attempt: &'static str) -> impl FnOnce(Errno) -> CreateError {
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

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(ending);
    PathBuf::from(name)
}

const SAFE: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC);

/// Makes the region at `path` and returns its writers, the lanes in order.
///
/// A region that is there already is taken over when nobody writes it and it has this build's
/// layout: the new one gets the next generation, and the old one is marked as retired, so that
/// readers who still map it see `WriterGone` at once. A lock file beside it (`<path>.lock`) is held
/// as long as any of the writers lives, and so is a lock on the region's own file, by whatever name
/// another handler comes to it.
///
/// # Errors
/// See [`CreateError`]; the message says what to do.
pub fn create(
    path: impl AsRef<Path>,
    spec: &RegionSpec,
) -> Result<(HandlerWriter, Vec<LaneWriter>), CreateError> {
    claim(path)?.create(spec)
}

/// Takes the path for a region that is made later ([`Claim::create`]): from here on no other handler
/// can, and what would refuse the region is known.
///
/// # Errors
/// See [`CreateError`].
pub fn claim(path: impl AsRef<Path>) -> Result<Claim, CreateError> {
    let path = path.as_ref().to_owned();
    let lock = lock(&path)?;
    let mut claim = Claim { path, lock: Some(lock), old: None };
    claim.old = old(&claim.path)?;
    Ok(claim)
}

/// What a region that is made at `path` would replace, `None` where nothing is: the answer of
/// [`claim`] without claiming. It makes, changes and locks nothing, so that no handler that starts at this
/// moment is refused because of it; whether one runs is told by the kernel's list of locks and by the
/// region's leases. Where neither says so, a living handler may yet be found by [`claim`].
///
/// # Errors
/// As [`claim`]'s, save for folders that can't be written, which only making a file can tell.
pub fn look(path: impl AsRef<Path>) -> Result<Option<Replaced>, CreateError> {
    let path = path.as_ref();
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let in_use = || CreateError::InUse { path: path.to_owned() };
    let lock_path = beside(path, ".lock");
    if !matches!(lstat(&lock_path), Err(Errno::NOENT)) {
        let file = open_lock(&lock_path, OFlags::NONBLOCK)?;
        if is_locked(&locks, &regular_lock(&lock_path, &file)?) {
            return Err(in_use());
        }
    }
    let Some(Present { stat, header, .. }) = present(path)? else { return Ok(None) };
    let lives = Region::open(path).is_ok_and(|region| {
        region.handler_status(clock::now()).reason() != Some(Reason::WriterGone)
    });
    if lives || is_locked(&locks, &stat) {
        return Err(in_use());
    }
    one_name(path, &stat)?;
    let boot = load_all(&header.header().boot);
    let earlier_boot = clock::start().is_ok_and(|ours| ours.boot != boot);
    let generation = header.header().generation.load(Ordering::Relaxed);
    Ok(Some(Replaced { generation, earlier_boot }))
}

/// A region that the next one at its path would replace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Replaced {
    /// Which region of its path it is, from 1.
    pub generation: u64,
    /// Whether it was made before the host was started.
    pub earlier_boot: bool,
}

/// Whether the kernel lists a lock of ours (`flock`) on this file: `1: FLOCK ADVISORY WRITE 4711
/// 00:19:1234 0 EOF`, the device's numbers in hexadecimal. It leaves out those of processes that this one
/// can't see.
fn is_locked(locks: &str, stat: &Stat) -> bool {
    let (major, minor) = (rustix::fs::major(stat.st_dev), rustix::fs::minor(stat.st_dev));
    let file = format!("{major:02x}:{minor:02x}:{}", stat.st_ino);
    locks.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.nth(1) == Some("FLOCK") && words.any(|word| word == file)
    })
}

/// A path that is taken for a region which is not made yet. Dropped, it leaves the path as it was.
pub struct Claim {
    path: PathBuf,
    /// `None` once it has gone to the region.
    lock: Option<File>,
    /// The region that is there already.
    old: Option<Old>,
}

/// A region nobody writes any more.
struct Old {
    header: Mapping,
    /// Locked, so that nobody takes it over by another name of the file.
    _file: File,
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.lock.is_some() && self.old.is_none() {
            // No region, no lock beside it. Whoever has opened this file in the meantime finds, once
            // it has locked it, that it is no longer the one at the path.
            let _ = unlink(beside(&self.path, ".lock"));
        }
    }
}

impl Claim {
    /// Makes the region.
    ///
    /// # Errors
    /// See [`CreateError`].
    pub fn create(
        mut self,
        spec: &RegionSpec,
    ) -> Result<(HandlerWriter, Vec<LaneWriter>), CreateError> {
        let plan = plan(spec).map_err(CreateError::Spec)?;
        let (map, file) = self.build(&plan, spec)?;
        if let Some(old) = self.old.take() {
            // After the rename, so that a reader who sees it finds the new region at once. Its handler
            // is dead (we hold its locks), so its leases have run out or will within one lease; this is
            // the shorter way. Whoever retired it first stands.
            let retired = &old.header.header().retired;
            if retired.load(Ordering::Relaxed) == 0 {
                retired.store(clock::now().0.max(1), Ordering::Release);
            }
        }
        let locks = [self.lock.take(), Some(file)];
        let (handler, lanes, _) = writers(Shared { map, plan, _locks: locks }, spec);
        Ok((handler, lanes))
    }

    /// The region in place, whole, and its file, locked.
    fn build(&self, plan: &Plan, spec: &RegionSpec) -> Result<(Mapping, File), CreateError> {
        let generation = self.old.as_ref().map_or(1, |old| {
            old.header.header().generation.load(Ordering::Relaxed).saturating_add(1)
        });
        let start = clock::start()
            .map_err(|(file, error)| refused(Path::new(file), "read whose clock this is")(error))?;
        let temporary = beside(&self.path, ".new");
        let file = fresh(&temporary, plan.length, spec.group)?;
        let placed = Mapping::writable(&file, plan.length)
            .map_err(refused(&temporary, "map"))
            .and_then(|map| {
                let birth = Birth {
                    generation,
                    created: clock::now(),
                    wall_offset: clock::wall_offset(),
                    pid: std::process::id(),
                    start,
                };
                fill(&map, plan, spec, &birth);
                rename(&temporary, &self.path)
                    .map_err(denied(&self.path, "rename the new region into place"))?;
                Ok(map)
            });
        match placed {
            Ok(map) => Ok((map, file)),
            Err(error) => {
                // The first error is the one to report; a file that stays is removed by the next start.
                let _ = unlink(&temporary);
                Err(error)
            }
        }
    }
}

/// The same region over memory of this process, its writers and a reader: for tests and for the
/// simulator. Made at time zero, so that two runs make the same bytes.
///
/// # Errors
/// [`CreateError::Spec`].
pub fn heap(spec: &RegionSpec) -> Result<(HandlerWriter, Vec<LaneWriter>, Region), CreateError> {
    let plan = plan(spec).map_err(CreateError::Spec)?;
    let map = Mapping::heap(plan.length);
    let birth = Birth {
        generation: 1,
        created: Mono(0),
        wall_offset: 0,
        pid: 0,
        start: clock::Start::default(),
    };
    fill(&map, &plan, spec, &birth);
    let (handler, lanes, shared) = writers(Shared { map, plan, _locks: [None, None] }, spec);
    Ok((handler, lanes, Region::over_heap(Arc::clone(&shared))))
}

/// Opens the lock beside the path, with these flags besides.
fn open_lock(lock_path: &Path, flags: OFlags) -> Result<OwnedFd, CreateError> {
    match open(lock_path, OFlags::RDWR | flags | SAFE, Mode::RUSR | Mode::WUSR) {
        Ok(file) => Ok(file),
        Err(Errno::LOOP) => Err(CreateError::SymbolicLink { path: lock_path.to_owned() }),
        Err(Errno::ISDIR | Errno::NXIO) => {
            Err(CreateError::NotAFile { path: lock_path.to_owned() })
        }
        Err(error) => Err(denied(lock_path, "open the lock")(error)),
    }
}

/// A lock file as it is; an error where it is no regular file.
fn regular_lock(lock_path: &Path, file: &OwnedFd) -> Result<Stat, CreateError> {
    let stat = fstat(file).map_err(refused(lock_path, "look at the lock"))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(stat),
        _ => Err(CreateError::NotAFile { path: lock_path.to_owned() }),
    }
}

/// Takes the lock beside the path, for as long as the file is held.
fn lock(path: &Path) -> Result<File, CreateError> {
    let lock_path = beside(path, ".lock");
    // BOUND: another round only when somebody removed the lock file in between, which nobody of
    // ours does; three are enough for an operator's rm.
    for _ in 0..3 {
        let file = open_lock(&lock_path, OFlags::CREATE)?;
        // The next start must be able to open it, whatever the umask of this one.
        fchmod(&file, Mode::RUSR | Mode::WUSR)
            .map_err(denied(&lock_path, "set the lock's mode"))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(CreateError::InUse { path: path.to_owned() }),
            Err(error) => return Err(refused(&lock_path, "lock")(error)),
        }
        // The lock counts only while its file is the one at the path: whoever comes next opens that.
        let held = regular_lock(&lock_path, &file)?;
        if let Ok(there) = lstat(&lock_path)
            && (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)
        {
            return Ok(File::from(file));
        }
    }
    let moved = io::Error::other("somebody keeps removing it");
    Err(refused(&lock_path, "lock")(moved))
}

/// The region that is there already, `None` when there is none. Called under the lock.
fn old(path: &Path) -> Result<Option<Old>, CreateError> {
    let Some(Present { file, stat, .. }) = present(path)? else { return Ok(None) };
    // What is refused for what it is was refused above, whoever uses it. The lock beside the path can
    // be removed, and the file can have another path: its writer holds a lock on the file itself.
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Err(CreateError::InUse { path: path.to_owned() }),
        Err(error) => return Err(refused(path, "lock the region that is there")(error)),
    }
    // Looked at under the lock: from here on no handler but this one puts another in its place.
    one_name(path, &stat)?;
    let header = Mapping::writable(&file, Header::SIZE as u64)
        .map_err(refused(path, "map the region that is there"))?;
    Ok(Some(Old { header, _file: file }))
}

/// A whole region of this build's layout at a path, used by whomever.
struct Present {
    file: File,
    stat: Stat,
    /// Its header, read-only.
    header: Mapping,
}

/// What is at the path, `None` when nothing is; an error where it is nothing that a handler may replace.
/// Nothing is changed or locked.
fn present(path: &Path) -> Result<Option<Present>, CreateError> {
    // Non-blocking, so that a pipe at the path can't hold us.
    let file = match open(path, OFlags::RDWR | OFlags::NONBLOCK | SAFE, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(CreateError::SymbolicLink { path: path.to_owned() }),
        Err(Errno::ISDIR | Errno::NXIO) => {
            return Err(CreateError::NotAFile { path: path.to_owned() });
        }
        Err(error) => return Err(denied(path, "open the region that is there")(error)),
    };
    let stat = fstat(&file).map_err(refused(path, "look at the region that is there"))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(CreateError::NotAFile { path: path.to_owned() });
    }
    let length = u64::try_from(stat.st_size).unwrap_or(0);
    if length < Header::SIZE as u64 {
        let mut magic = [0; 8];
        let read = std::os::unix::fs::FileExt::read_at(&file, &mut magic, 0)
            .map_err(refused(path, "read the region that is there"))?;
        if read == 8 && u64::from_ne_bytes(magic) == MAGIC {
            return Err(CreateError::Truncated { path: path.to_owned(), length, wanted: 0 });
        }
        return Err(CreateError::Foreign { path: path.to_owned() });
    }
    let map = Mapping::read_only(&file, Header::SIZE as u64)
        .map_err(refused(path, "map the region that is there"))?;
    let header = map.header();
    if header.magic.load(Ordering::Relaxed) != MAGIC {
        return Err(CreateError::Foreign { path: path.to_owned() });
    }
    // ORDER: pairs with the release store of the version in `fill`.
    let version = header.version.load(Ordering::Acquire);
    let digest = header.digest.load(Ordering::Relaxed);
    if version != LAYOUT_VERSION || digest != layout_digest() {
        return Err(CreateError::OtherLayout { path: path.to_owned(), version, digest });
    }
    let wanted = header.length.load(Ordering::Relaxed);
    if wanted != length {
        return Err(CreateError::Truncated { path: path.to_owned(), length, wanted });
    }
    Ok(Some(Present { file, stat, header: map }))
}

/// Refuses a file that is no longer the one at the path, or has other names.
fn one_name(path: &Path, stat: &Stat) -> Result<(), CreateError> {
    let there = lstat(path).map_err(refused(path, "look at the region that is there"))?;
    if (there.st_dev, there.st_ino) != (stat.st_dev, stat.st_ino) {
        return Err(CreateError::InUse { path: path.to_owned() });
    }
    let links = there.st_nlink;
    if links > 1 {
        return Err(CreateError::Linked { path: path.to_owned(), links });
    }
    Ok(())
}

/// A new file of `length` zeros for the owner and one group, locked, with every block of it allocated.
fn fresh(path: &Path, length: u64, group: Option<u32>) -> Result<File, CreateError> {
    // Beyond the limit the kernel's first answer is a signal, which kills who doesn't expect it.
    if let Some(limit) = getrlimit(Resource::Fsize).current
        && limit < length
    {
        return Err(CreateError::FileLimit { path: path.to_owned(), length, limit });
    }
    // What a handler that died while building left behind. Nobody builds but who holds the lock.
    match unlink(path) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(denied(path, "remove an unfinished region")(error)),
    }
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | SAFE;
    let file = open(path, flags, Mode::RUSR | Mode::WUSR).map_err(denied(path, "make"))?;
    match prepare(file.as_fd(), length, group) {
        Ok(()) => Ok(File::from(file)),
        Err((attempt, error)) => {
            // The first error is the one to report; a file that stays is removed by the next start.
            let _ = unlink(path);
            if error == Errno::NOSPC || error == Errno::DQUOT || error == Errno::FBIG {
                return Err(CreateError::NoRoom { path: path.to_owned(), length });
            }
            Err(refused(path, attempt)(error))
        }
    }
}

fn prepare(
    file: std::os::fd::BorrowedFd<'_>,
    length: u64,
    group: Option<u32>,
) -> Result<(), (&'static str, Errno)> {
    // Before it has the name by which others find it.
    flock(file, FlockOperation::NonBlockingLockExclusive).map_err(|e| ("lock it", e))?;
    // Blocks now: a store into a page that finds no room later would kill the process.
    fallocate(file, FallocateFlags::empty(), 0, length).map_err(|e| ("allocate", e))?;
    if let Some(group) = group {
        fchown(file, None, Some(Gid::from_raw(group))).map_err(|e| ("give it to its group", e))?;
    }
    // After the group, so that no other group ever reads it; explicitly, so that no umask matters.
    fchmod(file, Mode::RUSR | Mode::WUSR | Mode::RGRP).map_err(|e| ("set its mode", e))
}

//! A region's place: what is at its path and beside it, who has it, and how it is taken.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use candor_core::Reason;
use rustix::fs::{FileType, FlockOperation, Mode, OFlags, Stat, fchmod, flock, fstat, lstat, open};
use rustix::io::Errno;

use super::refusal::{CreateError, denied, refused};
use crate::atomic::Ordering;
use crate::clock;
use crate::halt::{self, Carried};
use crate::layout::record::Record;
use crate::layout::text::layout_digest;
use crate::layout::{Header, LAYOUT_VERSION, MAGIC};
use crate::mapping::{Mapping, load_all};
use crate::reader::{Region, checked_plan};

/// The path of a file beside the region's.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(ending);
    PathBuf::from(name)
}

/// How every file of ours is opened: never through a link at its name, never for our children.
pub(super) const SAFE: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC);

/// What a region that is made at `path` would replace, `None` where nothing is: the answer of
/// [`claim`](crate::claim) without claiming. It makes, changes and locks nothing, so that no handler that
/// starts at this moment is refused because of it; whether one runs is told by the kernel's list of locks
/// and by the region's leases. Where neither says so, a living handler may yet be found by a claim.
///
/// # Errors
/// As a claim's, save for folders that can't be written, which only making a file can tell.
pub fn look(path: impl AsRef<Path>) -> Result<Option<Replaced>, CreateError> {
    let path = path.as_ref();
    let locks = list_of_locks();
    let lock_path = beside(path, ".lock");
    if !matches!(lstat(&lock_path), Err(Errno::NOENT)) {
        let file = open_lock(&lock_path, OFlags::NONBLOCK)?;
        if flocks(&locks, &regular_lock(&lock_path, &file)?).next().is_some() {
            return Err(CreateError::InUse { path: path.to_owned() });
        }
    }
    let Some(there) = present(path)? else { return Ok(None) };
    if lives(path) {
        return Err(CreateError::InUse { path: path.to_owned() });
    }
    if flocks(&locks, &there.stat).next().is_some() {
        return Err(locked(path, &there, &locks));
    }
    one_name(path, &there.stat)?;
    let header = there.header.header();
    let boot = load_all(&header.boot);
    let earlier_boot = clock::start().is_ok_and(|ours| ours.boot != boot);
    let generation = header.generation.load(Ordering::Relaxed);
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

/// The kernel's list of locks, read twice one behind the other; nothing where it can't be read. The kernel hands it
/// out in pieces and counts lines from one to the next: where a lock is given up in between, another is left out.
fn list_of_locks() -> String {
    let read = || {
        let mut list = File::open("/proc/locks")?;
        let (mut bytes, mut piece) = (Vec::new(), vec![0; 1 << 16]);
        // BOUND: to the list's end.
        loop {
            match list.read(&mut piece)? {
                0 => return Ok::<_, io::Error>(bytes),
                length => bytes.extend_from_slice(&piece[..length]),
            }
        }
    };
    let both = [read(), read()].map(|bytes| bytes.unwrap_or_default()).concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// A lock (`flock`) that the kernel lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Flock {
    /// Whether it keeps every other out, as a handler's does.
    exclusive: bool,
    /// Who took it; 0 when that can't be seen.
    process: u32,
}

/// The locks the kernel lists on this file: `1: FLOCK ADVISORY WRITE 4711 00:19:1234 0 EOF`, the
/// device's numbers in hexadecimal. It leaves out those of processes that this one can't see.
fn flocks<'a>(list: &'a str, stat: &Stat) -> impl Iterator<Item = Flock> + 'a {
    let (major, minor) = (rustix::fs::major(stat.st_dev), rustix::fs::minor(stat.st_dev));
    let file = format!("{major:02x}:{minor:02x}:{}", stat.st_ino);
    list.lines().filter_map(move |line| {
        let mut words = line.split_whitespace().skip(1);
        let [kind, _, access, process, place] = std::array::from_fn(|_| words.next().unwrap_or(""));
        let process = process.parse().unwrap_or(0);
        (kind == "FLOCK" && place == file)
            .then_some(Flock { exclusive: access == "WRITE", process })
    })
}

/// Whether the region at the path vouches for a handler at this moment.
fn lives(path: &Path) -> bool {
    Region::open(path).is_ok_and(|region| {
        region.handler_status_when(clock::now).reason() != Some(Reason::WriterGone)
    })
}

/// Why a region can't be had whose file is locked although the lock beside it is not. It is a handler's
/// doing where the region vouches for one, or where the process that made it has locked it; whoever may
/// read the file may have done it otherwise.
fn locked(path: &Path, there: &Present, locks: &str) -> CreateError {
    let maker = there.header.header().pid.load(Ordering::Relaxed);
    let makers = |lock: Flock| lock.exclusive && u64::from(lock.process) == maker;
    if lives(path) || flocks(locks, &there.stat).any(makers) {
        return CreateError::InUse { path: path.to_owned() };
    }
    let process = flocks(locks, &there.stat).next().map_or(0, |lock| lock.process);
    CreateError::Locked { path: path.to_owned(), process }
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
pub(super) fn lock(path: &Path) -> Result<File, CreateError> {
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
        if is_at(&lock_path, &held) {
            return Ok(File::from(file));
        }
    }
    let moved = io::Error::other("somebody keeps removing it");
    Err(refused(&lock_path, "lock")(moved))
}

/// A region nobody writes any more.
pub(super) struct Old {
    pub(super) header: Mapping,
    /// Locked, so that nobody takes it over by another name of the file.
    file: File,
}

impl Old {
    /// What is halted in it. Its times may be an earlier boot's.
    pub(super) fn halts(&self) -> Carried {
        let length = self.header.header().length.load(Ordering::Relaxed);
        let Ok(map) = Mapping::read_only(&self.file, length) else {
            return Carried::Unreadable("it can't be mapped");
        };
        match checked_plan(&map) {
            Ok(plan) => {
                let now = clock::now();
                let mut halted = halt::list(&map, &plan);
                // Of an earlier boot: of its clock nothing is known but that it was before.
                halted.iter_mut().for_each(|(_, since)| *since = now.min(*since));
                Carried::Halts(halted)
            }
            Err(what) => Carried::Unreadable(what),
        }
    }
}

/// The region that is there already, `None` when there is none. Called under the lock.
pub(super) fn old(path: &Path) -> Result<Option<Old>, CreateError> {
    let Some(there) = present(path)? else { return Ok(None) };
    // What is refused for what it is was refused above, whoever uses it. The lock beside the path can
    // be removed, and the file can have another path: its writer holds a lock on the file itself.
    match flock(&there.file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Err(locked(path, &there, &list_of_locks())),
        Err(error) => return Err(refused(path, "lock the region that is there")(error)),
    }
    // Looked at under the lock: from here on no handler but this one puts another in its place.
    one_name(path, &there.stat)?;
    let header = Mapping::writable(&there.file, Header::SIZE as u64)
        .map_err(refused(path, "map the region that is there"))?;
    Ok(Some(Old { header, file: there.file }))
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

/// Whether the file at the path is this one.
pub(super) fn is_at(path: &Path, stat: &Stat) -> bool {
    lstat(path).is_ok_and(|there| (there.st_dev, there.st_ino) == (stat.st_dev, stat.st_ino))
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

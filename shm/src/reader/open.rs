//! Attaching to a region, and refusing what isn't one.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, lstat, open};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::{Memory, Origin, Region};
use crate::atomic::{AtomicU64, Ordering};
use crate::clock;
use crate::layout::record::Record;
use crate::layout::text::layout_digest;
use crate::layout::{Header, LAYOUT_VERSION, Lane, MAGIC, Partition, Plan, UNMAPPED_MAX};
use crate::mapping::{Mapping, load_all};

/// Why a region could not be attached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is nothing at the path.
    #[error("{path}: no region there; is the handler running?")]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// The path is a symbolic link.
    #[error("{path}: is a symbolic link; name the region's own file")]
    SymbolicLink {
        /// The path.
        path: PathBuf,
    },
    /// The file may not be read.
    #[error(
        "{path}: not permitted; a region is for its owner and its group: join the group or name another region"
    )]
    NotPermitted {
        /// The path.
        path: PathBuf,
    },
    /// The region is another user's: only its owner and root may halt by its words.
    #[error("{path}: is user {owner}'s; only its owner and root may write its kill switch")]
    NotOurs {
        /// The path.
        path: PathBuf,
        /// Its owner's number.
        owner: u32,
    },
    /// Not a file, or not one of a handler's.
    #[error("{path}: is not a region")]
    Foreign {
        /// The path.
        path: PathBuf,
    },
    /// The region never was finished.
    #[error("{path}: is an unfinished region; remove the file and start its handler")]
    Incomplete {
        /// The path.
        path: PathBuf,
    },
    /// The region has another layout than this build reads.
    #[error(
        "{path}: is a region of layout {version} ({digest:016x}), this build reads {LAYOUT_VERSION} ({:016x}); use the reader that came with its handler",
        layout_digest()
    )]
    OtherLayout {
        /// The path.
        path: PathBuf,
        /// Its layout version.
        version: u64,
        /// Its layout digest.
        digest: u64,
    },
    /// The region was made before the host was started: its times are of another clock, and its
    /// handler is gone.
    #[error(
        "{path}: is a region of an earlier boot of this host, or of another host: its handler is gone; start the handler, which replaces it, or remove the file"
    )]
    EarlierBoot {
        /// The path.
        path: PathBuf,
    },
    /// The region's handler and this process do not share a clock: their time namespaces differ.
    #[error(
        "{path}: its handler's clock since boot is {theirs} ns from the host's, this process's {ours} ns: run both in one time namespace"
    )]
    OtherClock {
        /// The path.
        path: PathBuf,
        /// The handler's clock minus the host's, ns.
        theirs: i64,
        /// This process's clock minus the host's, ns.
        ours: i64,
    },
    /// What the kernel says of this process's clock can't be had, so that no time in the region can
    /// be judged.
    #[error(
        "{file}: cannot be read, which tells whose clock a region is by: {source}; mount /proc"
    )]
    NoClock {
        /// The kernel's file.
        file: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// The region contradicts itself or the file's length.
    #[error("{path}: is a damaged region: {what}; remove the file and start its handler")]
    Damaged {
        /// The path.
        path: PathBuf,
        /// What does not fit.
        what: &'static str,
    },
    /// The operating system refused.
    #[error("{path}: cannot be read: {source}")]
    System {
        /// The path.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl Region {
    /// Attaches to the region at `path`, read-only.
    ///
    /// # Errors
    /// See [`OpenError`]. No content of the file, however broken, does more than that. (A file
    /// that is cut short *after* it was mapped faults its readers, as mapped files do; only its
    /// owner can do that, and handlers replace regions, they never cut them.)
    pub fn open(path: impl AsRef<Path>) -> Result<Region, OpenError> {
        let path = path.as_ref().to_owned();
        let (map, plan, stat) = attach(&path, Access::Read)?;
        let origin = Origin { path, device: stat.st_dev, inode: stat.st_ino };
        Ok(Region::attached(Memory::File(map, plan, origin)))
    }
}

/// What a region is mapped for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Halt,
}

/// The region at `path`, mapped to store the words of its kill switch: for its owner and for root.
pub(crate) fn attach_to_halt(path: &Path) -> Result<(Mapping, Plan), OpenError> {
    attach(path, Access::Halt).map(|(map, plan, _)| (map, plan))
}

fn attach(path: &Path, access: Access) -> Result<(Mapping, Plan, Stat), OpenError> {
    let path = path.to_owned();
    let mode = if access == Access::Read { OFlags::RDONLY } else { OFlags::RDWR };
    let flags = mode | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match open(&path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT | Errno::NOTDIR) => return Err(OpenError::Missing { path }),
        Err(Errno::LOOP) => return Err(OpenError::SymbolicLink { path }),
        Err(Errno::ACCESS | Errno::PERM) => return Err(denied(path, access)),
        Err(Errno::NXIO | Errno::ISDIR) => return Err(OpenError::Foreign { path }),
        Err(error) => return Err(OpenError::System { path, source: error.into() }),
    };
    let stat = match fstat(&file) {
        Ok(stat) => stat,
        Err(error) => return Err(OpenError::System { path, source: error.into() }),
    };
    let length = u64::try_from(stat.st_size).unwrap_or(0);
    let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if !regular || length < Header::SIZE as u64 {
        return Err(OpenError::Foreign { path });
    }
    // A file that anybody may write to is not thereby ours to trust, or to halt: whoever made it.
    let user = geteuid();
    if access == Access::Halt && !user.is_root() && user.as_raw() != stat.st_uid {
        return Err(OpenError::NotOurs { path, owner: stat.st_uid });
    }
    let mapped = match access {
        Access::Read => Mapping::read_only(&file, length),
        Access::Halt => Mapping::to_halt(&file, length),
    };
    let map = match mapped {
        Ok(map) => map,
        Err(source) => return Err(OpenError::System { path, source }),
    };
    let header = map.header();
    if header.magic.load(Ordering::Relaxed) != MAGIC {
        return Err(OpenError::Foreign { path });
    }
    // ORDER: pairs with the release store of the version in `fill`: the rest is there.
    let version = header.version.load(Ordering::Acquire);
    let digest = header.digest.load(Ordering::Relaxed);
    if version == 0 {
        return Err(OpenError::Incomplete { path });
    }
    if version != LAYOUT_VERSION || digest != layout_digest() {
        return Err(OpenError::OtherLayout { path, version, digest });
    }
    same_clock(&path, header)?;
    match checked_plan(&map) {
        Ok(plan) => Ok((map, plan, stat)),
        Err(what) => Err(OpenError::Damaged { path, what }),
    }
}

/// A file that may not be opened: for who wants to halt, whose it is.
fn denied(path: PathBuf, access: Access) -> OpenError {
    match lstat(&path) {
        Ok(stat) if access == Access::Halt => OpenError::NotOurs { path, owner: stat.st_uid },
        _ => OpenError::NotPermitted { path },
    }
}

/// Whether the region's times are by the clock of this process.
fn same_clock(path: &Path, header: &Header) -> Result<(), OpenError> {
    let ours = clock::start().map_err(|(file, source)| OpenError::NoClock { file, source })?;
    if load_all(&header.boot) != ours.boot {
        return Err(OpenError::EarlierBoot { path: path.to_owned() });
    }
    let theirs = header.clock_offset.load(Ordering::Relaxed).cast_signed();
    if theirs != ours.offset {
        return Err(OpenError::OtherClock { path: path.to_owned(), theirs, ours: ours.offset });
    }
    Ok(())
}

/// The plan for the counts the region gives, if everything the region says of itself agrees with
/// it. From here on only the plan is followed.
pub(crate) fn checked_plan(map: &Mapping) -> Result<Plan, &'static str> {
    let header = map.header();
    let get = |word: &AtomicU64| word.load(Ordering::Relaxed);
    if get(&header.length) != map.length() {
        return Err("the file's length is not the header's");
    }
    let lanes = u16::try_from(get(&header.lanes)).map_err(|_| "too many lanes")?;
    let count = u16::try_from(get(&header.partitions)).map_err(|_| "too many partitions")?;
    let events = u32::try_from(get(&header.events)).map_err(|_| "an event ring too long")?;
    let losses = u32::try_from(get(&header.losses)).map_err(|_| "a loss log too long")?;
    if usize::from(count) > candor_core::limits::PARTITIONS {
        return Err("too many partitions");
    }
    let start = Plan::partitions_start(lanes);
    if start + u64::from(count) * Partition::SIZE as u64 > map.length() {
        return Err("partition records beyond the end of the file");
    }
    let mut partitions = Vec::with_capacity(usize::from(count));
    for record in map.slice::<Partition>(start, u32::from(count)) {
        let lane = u16::try_from(get(&record.lane)).map_err(|_| "a partition of no lane")?;
        let capacity = u32::try_from(get(&record.capacity)).map_err(|_| "too many symbols")?;
        partitions.push((lane, capacity));
    }
    let venues = u16::try_from(get(&header.venues)).map_err(|_| "too many venues")?;
    let plan = Plan::of((lanes, venues), (events, losses), &partitions)?;
    if plan.length != map.length() {
        return Err("the file's length is not what its counts ask for");
    }
    let same = get(&header.lanes_at) == plan.lanes_at
        && get(&header.partitions_at) == plan.partitions_at
        && get(&header.unmapped_at) == plan.unmapped_at
        && get(&header.venues_at) == plan.venues_at
        && get(&header.unmapped) == UNMAPPED_MAX as u64
        && get(&header.alerts_at) == plan.alerts_at
        && get(&header.alerts) == candor_core::limits::ALERTS as u64;
    if !same {
        return Err("an offset in the header");
    }
    for place in &plan.lanes {
        let record: &Lane = map.at(place.record_at);
        if (get(&record.events_at), get(&record.losses_at)) != (place.events_at, place.losses_at) {
            return Err("an offset in a lane");
        }
    }
    for place in &plan.partitions {
        let record: &Partition = map.at(place.record_at);
        let same = get(&record.directory_at) == place.directory_at
            && get(&record.index_at) == place.index_at
            && get(&record.index_words) == u64::from(place.index_words)
            && get(&record.slots_at) == place.slots_at;
        if !same {
            return Err("an offset in a partition");
        }
    }
    Ok(plan)
}

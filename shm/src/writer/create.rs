//! How a region comes to be: under a lock, beside the old one, renamed into place when whole.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candor_core::Mono;
use rustix::fs::{
    FallocateFlags, FlockOperation, Gid, Mode, OFlags, fallocate, fchmod, fchown, flock, fstat,
    open, rename, unlink,
};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use super::fill::{Birth, fill, plan, writers};
use super::place::{Old, SAFE, beside, is_at, lock, old};
use super::refusal::{CreateError, denied, refused};
use super::{HandlerWriter, LaneWriter, Plan, Shared};
use crate::atomic::Ordering;
use crate::clock;
use crate::halt::{self, Carried};
use crate::mapping::Mapping;
use crate::reader::Region;
use crate::spec::RegionSpec;
use crate::switch;

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

/// A path that is taken for a region which is not made yet. Dropped, it leaves the path as it was.
pub struct Claim {
    path: PathBuf,
    /// `None` once it has gone to the region.
    lock: Option<File>,
    /// The region that is there already.
    old: Option<Old>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        // A region that could have been taken over keeps the lock beside it. Where there is none, or one
        // that was refused, a lock of ours would be left there for nothing.
        let (Some(lock), None) = (&self.lock, &self.old) else { return };
        let path = beside(&self.path, ".lock");
        // Another's at the same path is not ours to remove. Whoever has opened ours in the meantime
        // finds, once it has locked it, that it is no longer the one there.
        if fstat(lock).is_ok_and(|held| is_at(&path, &held)) {
            let _ = unlink(path);
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
        let before = self.old.as_ref().map_or(Carried::Nothing, Old::halts);
        let (map, file) = self.build(&plan, spec, &before)?;
        let mut carried = before;
        if let Some(old) = self.old.take() {
            // After the rename, so that a reader who sees it finds the new region at once. Its handler
            // is dead (we hold its locks), so its leases have run out or will within one lease; this is
            // the shorter way. Whoever retired it first stands.
            let retired = &old.header.header().retired;
            if retired.load(Ordering::Relaxed) == 0 {
                retired.store(clock::now().0.max(1), Ordering::Release);
            }
            // Once more: whoever has halted the old region since it was read does it to the new one if
            // they find that it is there, and it was not there before.
            switch::before_looking_back();
            carried = old.halts();
            if let Carried::Halts(halted) = &carried {
                halt::apply(&map, &plan, halted);
            }
        }
        let locks = [self.lock.take(), Some(file)];
        let (handler, lanes, _) = writers(Shared { map, plan, _locks: locks }, spec, carried);
        Ok((handler, lanes))
    }

    /// The region in place, whole, and its file, locked.
    fn build(
        &self,
        plan: &Plan,
        spec: &RegionSpec,
        carried: &Carried,
    ) -> Result<(Mapping, File), CreateError> {
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
                if let Carried::Halts(halted) = carried {
                    halt::apply(&map, plan, halted);
                }
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
    let (handler, lanes, shared) = writers(Shared::unlocked(map, plan), spec, Carried::Nothing);
    Ok((handler, lanes, Region::over_heap(Arc::clone(&shared))))
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

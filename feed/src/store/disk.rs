//! What the store does to the disk: it adds, and never overwrites.
//!
//! Whatever is added is written beside its place under a name that begins with a dot, brought to the disk, and
//! put in its place by one system call that fails where something is there already. A crash between any two
//! steps leaves what was there before, and perhaps a name that begins with a dot, which nobody reads.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::Error;

/// One step to be taken; a test stops before any of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    MakeFolder,
    Create,
    Write,
    SyncFile,
    Link,
    Rename,
    Remove,
    SyncFolder,
}

/// The disk. In tests it can stop for good, as a process does that is killed.
#[derive(Debug, Default)]
pub(super) struct Disk {
    #[cfg(test)]
    pub(super) script: std::cell::RefCell<Script>,
}

#[cfg(test)]
#[derive(Debug, Default)]
pub(super) struct Script {
    /// Steps that are still taken; `None` takes all.
    pub(super) left: Option<usize>,
    /// What was done.
    pub(super) taken: Vec<Step>,
}

/// Names that are tried for what is not in its place yet.
const NAMES: u32 = 10_000;

impl Disk {
    fn step(&self, step: Step) -> io::Result<()> {
        #[cfg(test)]
        {
            let mut script = self.script.borrow_mut();
            match &mut script.left {
                Some(0) => return Err(io::Error::other("stopped")),
                Some(left) => *left -= 1,
                None => {}
            }
            script.taken.push(step);
        }
        let _ = step;
        Ok(())
    }

    /// Makes a folder and those above it, down from `root`, which must be there.
    pub(super) fn make_folders(&self, root: &Path, folder: &Path) -> Result<(), Error> {
        if folder == root {
            return Ok(());
        }
        let above = folder.parent().unwrap_or(root);
        self.make_folders(root, above)?;
        if !folder.is_dir() {
            let made = self.step(Step::MakeFolder).and_then(|()| match fs::create_dir(folder) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
                made => made,
            });
            made.map_err(|error| Error::io(folder, "made", &error))?;
        }
        // Also where somebody else made it: whether its name has reached the disk is not known.
        self.sync_folder(above)
    }

    /// Puts a file in its place, whose folder is there. `false` where there is one: that is left as it is.
    pub(super) fn place_file(&self, place: &Path, text: &str) -> Result<bool, Error> {
        let folder = place.parent().unwrap_or(Path::new("."));
        let (path, file) =
            self.fresh(folder, |path| OpenOptions::new().write(true).create_new(true).open(path))?;
        let linked = self.fill(file, text).and_then(|()| {
            self.step(Step::Link)?;
            // A link, unlike a rename, never takes the place of what is there.
            fs::hard_link(&path, place)
        });
        // Left behind it does no harm: nobody reads a name that begins with a dot.
        let _ = self.step(Step::Remove).and_then(|()| fs::remove_file(&path));
        let placed = match linked {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
            Err(error) => return Err(Error::io(place, "written", &error)),
        };
        self.sync_folder(folder)?;
        Ok(placed)
    }

    /// Puts a folder with these files in its place. `false` where there is one: that is left as it is.
    pub(super) fn place_folder(&self, place: &Path, files: &[(&str, &str)]) -> Result<bool, Error> {
        let above = place.parent().unwrap_or(Path::new("."));
        let (path, ()) = self.fresh(above, |path| fs::create_dir(path))?;
        let renamed = self.fill_folder(&path, files).and_then(|()| {
            self.step(Step::Rename)?;
            // Fails where a folder with anything in it is there.
            fs::rename(&path, place)
        });
        let there = |error: &io::Error| {
            matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty)
        };
        let placed = match renamed {
            Ok(()) => true,
            Err(error) => {
                let _ = self.step(Step::Remove).and_then(|()| fs::remove_dir_all(&path));
                if !there(&error) {
                    return Err(Error::io(place, "written", &error));
                }
                false
            }
        };
        self.sync_folder(above)?;
        Ok(placed)
    }

    /// A folder of our own that nobody reads as a part of the store. Whoever asks removes it.
    pub(super) fn scratch(&self, folder: &Path) -> Result<PathBuf, Error> {
        Ok(self.fresh(folder, |path| fs::create_dir(path))?.0)
    }

    fn fill_folder(&self, folder: &Path, files: &[(&str, &str)]) -> io::Result<()> {
        for (name, text) in files {
            self.step(Step::Create)?;
            let path = folder.join(name);
            self.fill(OpenOptions::new().write(true).create_new(true).open(path)?, text)?;
        }
        self.step(Step::SyncFolder)?;
        File::open(folder)?.sync_all()
    }

    fn fill(&self, mut file: File, text: &str) -> io::Result<()> {
        // In two halves: a write may stop anywhere.
        let (first, second) = text.as_bytes().split_at(text.len() / 2);
        self.step(Step::Write)?;
        file.write_all(first)?;
        self.step(Step::Write)?;
        file.write_all(second)?;
        self.step(Step::SyncFile)?;
        file.sync_all()
    }

    /// Makes something under a name that nobody has. Other processes, also of other hosts and with the same
    /// number, do the same in the same folder.
    fn fresh<T>(
        &self,
        folder: &Path,
        make: impl Fn(&Path) -> io::Result<T>,
    ) -> Result<(PathBuf, T), Error> {
        let mut last = io::Error::from(ErrorKind::AlreadyExists);
        for number in 0..NAMES {
            let path = folder.join(format!(".new-{}-{number}", std::process::id()));
            match self.step(Step::Create).and_then(|()| make(&path)) {
                Ok(made) => return Ok((path, made)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => last = error,
                Err(error) => return Err(Error::io(&path, "made", &error)),
            }
        }
        Err(Error::io(folder, "written to", &last))
    }

    /// Brings the names in a folder to the disk.
    pub(super) fn sync_folder(&self, folder: &Path) -> Result<(), Error> {
        let synced = self.step(Step::SyncFolder).and_then(|()| File::open(folder)?.sync_all());
        synced.map_err(|error| Error::io(folder, "brought to the disk", &error))
    }
}

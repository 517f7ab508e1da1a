//! A small file that outlives the handler, in its `state` folder or, where none is configured, beside the region.
//!
//! It is replaced whole: written beside, flushed, renamed; so there is no half of one. A file that can't be read
//! is an error and never taken for an empty one.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use candor_settings::{At, Context, Problem, Problems, Table};
use rustix::fs::{
    FileType, Gid, Mode, OFlags, Stat, Uid, fchmod, fchown, fstat, fsync, lstat, open, rename,
    unlink,
};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};
use toml::de::DeTable;

use crate::exit::Failure;

/// What a kept file is called, and how large it may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named<'a> {
    /// In a state folder.
    pub(crate) name: &'a str,
    /// What a region's path is followed by where no folder is configured.
    pub(crate) ending: &'a str,
    /// What it is a record of, for who is told that it is wrong.
    pub(crate) what: &'static str,
    /// Larger is none of ours, in bytes.
    pub(crate) bytes: u64,
}

/// Where such a file is.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    path: PathBuf,
    what: &'static str,
    bytes: u64,
    /// Whether its folder must be there: one that was configured.
    needed: bool,
    /// Whose the file is to be, so that the handler can read it whoever writes.
    owner: (u32, u32),
}

impl Kept {
    /// The file of a region's handler with this state folder, if any.
    pub(crate) fn of(named: Named<'_>, state: Option<&Path>, region: &Path) -> Kept {
        let (path, whose) = match state {
            Some(folder) => (folder.join(named.name), folder),
            None => (beside(region, named.ending), region),
        };
        // Of a region that is not made yet: its handler is this process.
        let own = (geteuid().as_raw(), getegid().as_raw());
        let owner = rustix::fs::stat(whose).map_or(own, |stat| (stat.st_uid, stat.st_gid));
        let Named { what, bytes, .. } = named;
        Kept { path, what, bytes, needed: state.is_some(), owner }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file's text; `None` where there is none.
    ///
    /// # Errors
    /// Exit 78 where the file is there and can't be read whole, or where its folder is not.
    pub(crate) fn read(&self) -> Result<Option<String>, Failure> {
        let refused = |message: String| {
            let problem = Problem::of_file(&self.path, message);
            Failure::from(Problems::new(self.what, &self.path, vec![problem]))
        };
        let Some(file) = self.open_ours(&self.path).map_err(refused)? else {
            return self.no_file().map(|()| None).map_err(refused);
        };
        let mut text = String::new();
        File::take(file, self.bytes + 1)
            .read_to_string(&mut text)
            .map_err(|error| refused(format!("can't be read: {error}")))?;
        if text.len() as u64 > self.bytes {
            return Err(refused("is longer than any of its kind".to_owned()));
        }
        Ok(Some(text))
    }

    /// Opens a file to read it, and waits for nobody: what somebody else has put there is refused.
    pub(crate) fn open_ours(&self, path: &Path) -> Result<Option<File>, String> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match open(path, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(error) => return Err(format!("can't be read: {error}")),
        };
        let about = fstat(&file).map_err(|error| format!("can't be read: {error}"))?;
        self.is_ours(&about)?;
        Ok(Some(file))
    }

    /// No file is nothing kept, as long as the folder is there that was configured.
    fn no_file(&self) -> Result<(), String> {
        match rustix::fs::stat(folder(&self.path)) {
            Ok(_) => Ok(()),
            // That of the region, which isn't there either.
            Err(_) if !self.needed => Ok(()),
            Err(error) => Err(format!("its folder can't be looked at: {error}; make it")),
        }
    }

    /// In a folder that anybody writes to, anybody may have put it there.
    pub(crate) fn is_ours(&self, about: &Stat) -> Result<(), String> {
        if FileType::from_raw_mode(about.st_mode) != FileType::RegularFile {
            return Err("is no regular file; remove it".to_owned());
        }
        if about.st_uid != 0 && about.st_uid != self.owner.0 && about.st_uid != geteuid().as_raw() {
            return Err(format!(
                "is user {}'s, who is not the handler's: find out who put it there, and remove it",
                about.st_uid
            ));
        }
        Ok(())
    }

    /// Gives a file to whom the others are.
    pub(crate) fn hand_over(&self, file: &File) -> Result<(), Errno> {
        let (user, group) = self.owner;
        if geteuid().is_root() {
            return fchown(file, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)));
        }
        // For whoever may read the region to see it. Where this user is not in the group they do not.
        let _ = fchown(file, None, Some(Gid::from_raw(group)));
        Ok(())
    }

    /// That something can't be done to the file, or one beside it.
    pub(crate) fn failed(path: &Path, what: &str, error: Errno) -> Failure {
        let message = format!("{}: can't {what} it: {error}", path.display());
        match error {
            Errno::ACCESS | Errno::PERM => Failure::privilege(message),
            _ => Failure::host(message),
        }
    }

    /// Replaces the file by this text; `None` is no file. It is on the disk when this returns.
    ///
    /// # Errors
    /// Exit 77 or 71; what was kept before still is.
    pub(crate) fn replace(&self, text: Option<&str>) -> Result<(), Failure> {
        self.put(text).map_err(|(what, error)| Kept::failed(&self.path, what, error))
    }

    fn put(&self, text: Option<&str>) -> Result<(), (&'static str, Errno)> {
        let path = &self.path;
        let Some(text) = text else {
            return match unlink(path) {
                Ok(()) => flush(path).map_err(|error| ("flush the folder of", error)),
                Err(Errno::NOENT) => Ok(()),
                Err(error) => Err(("remove", error)),
            };
        };
        let beside = beside(path, ".new");
        match unlink(&beside) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(("replace", error)),
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP;
        let file = open(&beside, flags, mode).map_err(|error| ("write", error))?;
        let mut file = File::from(file);
        file.write_all(text.as_bytes()).map_err(|error| ("write", errno(&error)))?;
        // After the owner, so that no other group ever reads it; explicitly, whatever the umask.
        self.hand_over(&file).map_err(|error| ("give away", error))?;
        fchmod(&file, mode).map_err(|error| ("set the mode of", error))?;
        fsync(&file).map_err(|error| ("flush", error))?;
        rename(&beside, path).map_err(|error| ("rename", error))?;
        flush(path).map_err(|error| ("flush the folder of", error))
    }

    /// Adds a line to a file that is only ever added to, and makes it where it isn't there. It is on the disk when
    /// this returns.
    pub(crate) fn append(&self, path: &Path, line: &str) -> Result<(), Errno> {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let flags = flags | OFlags::NONBLOCK;
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP;
        let (file, new) = match open(path, flags, Mode::empty()) {
            // Never both at once: a kernel may refuse that in a folder for all.
            Err(Errno::NOENT) => (open(path, flags | OFlags::CREATE | OFlags::EXCL, mode)?, true),
            other => (other?, false),
        };
        let mut file = File::from(file);
        self.is_ours(&fstat(&file)?).map_err(|_| Errno::PERM)?;
        if new {
            match self.hand_over(&file) {
                // In a user namespace that does not know the owner it is this user's anyway.
                Ok(()) | Err(Errno::INVAL) => {}
                Err(error) => return Err(error),
            }
            fchmod(&file, mode)?;
        }
        file.write_all(format!("{line}\n").as_bytes()).map_err(|error| errno(&error))?;
        fsync(&file)?;
        if new { flush(path) } else { Ok(()) }
    }

    /// Whether this process could write it; why not otherwise. Nothing is changed.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn writable(&self) -> Result<(), String> {
        let folder = folder(&self.path);
        let about = rustix::fs::stat(folder).map_err(|error| format!("can't be used: {error}"))?;
        if FileType::from_raw_mode(about.st_mode) != FileType::Directory {
            return Err("is no folder".to_owned());
        }
        rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)
            .map_err(|error| format!("can't be written by this user: {error}"))?;
        match lstat(&self.path) {
            Ok(_) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(format!("can't be looked at: {error}")),
        }
    }
}

/// What a kept file of format 1 says: its tables of this name, each read by `one`, which says what is wrong with
/// it where it gives nothing.
///
/// # Errors
/// Every problem by file and line: such a file is taken whole or not at all.
pub(crate) fn records<T>(
    what: &'static str,
    (path, text): (&Path, &str),
    key: &'static str,
    one: impl Fn(&mut Context<'_>, &mut Table<'_>) -> Option<T>,
) -> Result<Vec<T>, Problems> {
    let mut cx = Context::new(path, text);
    let (root, errors) = DeTable::parse_recoverable(text);
    if let Some(error) = errors.first() {
        let line = error.span().map_or(0, |span| cx.line(span.start));
        cx.problem(line, format!("is not TOML: {}", error.message().replace('\n', ", ")));
    }
    let mut root = Table::new("the file", 0, root.get_ref());
    let mut records = Vec::new();
    if cx.problems.is_empty() {
        if root.integer(&mut cx, "format", 1..=1).is_none() && root.line_of(&cx, "format").is_none()
        {
            root.missing(&mut cx, "format", "format = 1");
        }
        for mut table in root.tables(&mut cx, key, &format!("[[{key}]]")) {
            records.extend(one(&mut cx, &mut table));
            table.finish(&mut cx);
        }
        root.finish(&mut cx);
    }
    if cx.problems.is_empty() {
        return Ok(records);
    }
    Err(Problems::new(what, path, cx.problems))
}

/// A text that a record must have.
pub(crate) fn needed<'t>(
    cx: &mut Context<'_>,
    table: &mut Table<'t>,
    key: &'static str,
    example: &str,
) -> Option<At<&'t str>> {
    let found = table.text(cx, key, "a text");
    if found.is_none() && table.line_of(cx, key).is_none() {
        table.missing(cx, key, example);
    }
    found
}

/// That a file is there, or no longer, is on the disk.
pub(crate) fn flush(path: &Path) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    open(folder(path), flags, Mode::empty()).and_then(fsync)
}

pub(crate) fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// A text as TOML writes it.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."))
}

/// Where tests of records keep them.
#[cfg(test)]
pub(crate) mod scene {
    use std::path::{Path, PathBuf};

    use crate::config::{Config, parse_text};

    /// A folder of the test's own, gone when dropped: the handler `h` keeps its records there.
    pub(crate) struct Folder(PathBuf);

    impl Folder {
        pub(crate) fn new(name: &str) -> Folder {
            let folder =
                std::env::temp_dir().join(format!("candor-kept-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            Folder(folder)
        }

        pub(crate) fn config(&self) -> Config {
            let text = format!(
                "[handler]\nname = \"h\"\nregion = \"{0}/region\"\nstate = \"{0}\"\n[source]\nkind = \"udp\"\n\
                 interface = \"lo\"\n[[lane]]\nidle = \"block\"\n[[venue]]\nname = \"XNAS\"\nfeed = \
                 \"nasdaq-itch50\"\n[[venue.partition]]\nname = \"1\"\nlane = 0\nlines.A = {{ group = \
                 \"239.1.1.1\", port = 1 }}\n",
                self.0.display()
            );
            parse_text(Path::new("h.toml"), &text).expect("a sound configuration")
        }

        pub(crate) fn path(&self, file: &str) -> PathBuf {
            self.0.join(file)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

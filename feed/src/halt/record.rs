//! What is halted, since when, by whom and why: a small file that outlives the handler.
//!
//! `halted.toml` in the handler's `state` folder, or `<region>.halted` where none is configured. It is
//! replaced whole: written beside, flushed, renamed; so there is no half of one. A file that can't be read
//! is an error and never taken for an empty one. What is resumed is struck from it; beside it, in
//! `<file>.log`, a line for each stays: who ended what, with whom, and who had halted it.
//!
//! ```toml
//! format = 1
//!
//! [[halt]]
//! target = "XNAS/1"
//! since = "2026-11-22T14:33:23.000000000Z"
//! by = "alice"
//! user = 1001
//! reason = "prices of line A are off"
//! ```

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};

use candor_core::Nanos;
use candor_settings::{Context, Problems, Table};
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno;

use super::users::User;
use super::{REASON_BYTES, Target};
use crate::clock::{self, Clock, timespec};
use crate::exit::Failure;
use crate::kept::{Kept, Named, beside, needed, quoted, records};

const NAMED: Named<'static> = Named {
    name: "halted.toml",
    ending: ".halted",
    what: "record of what is halted",
    bytes: BYTES,
};

/// Some thousand halts.
const BYTES: u64 = 1 << 20;

/// What the file's name is followed by in that of the journal.
const JOURNAL: &str = ".log";

/// How long another process may have the file.
const PATIENCE: Nanos = Nanos::from_secs(2);

/// One halt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// What is halted.
    pub target: Target,
    /// Since when, wall clock in ns since the Unix epoch.
    pub since: u64,
    /// By whom; `None` where that is not known: a word that was carried over from a region.
    pub by: Option<User>,
    /// Why.
    pub reason: String,
}

/// Where the records of a handler are.
#[derive(Clone, Debug)]
pub struct Place(Kept);

impl Place {
    /// The place for a region's handler with this state folder, if any.
    #[must_use]
    pub fn of(state: Option<&Path>, region: &Path) -> Place {
        Place(Kept::of(NAMED, state, region))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The file in which it stays who ended which halt.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        beside(self.path(), JOURNAL)
    }

    /// What is recorded.
    ///
    /// # Errors
    /// Exit 78 where the file is there and can't be read whole, or where its folder is not.
    pub fn read(&self) -> Result<Vec<Record>, Failure> {
        match self.0.read()? {
            Some(text) => parse(self.path(), &text).map_err(Failure::from),
            None => Ok(Vec::new()),
        }
    }

    /// The file in which it stays who ended which halt, to be read; `None` where there is none.
    ///
    /// # Errors
    /// In words, where it can't be read, or is not ours.
    pub fn open_journal(&self) -> Result<Option<File>, String> {
        self.0.open_ours(&self.journal())
    }

    /// Keeps every other process from changing the file until the guard is dropped.
    ///
    /// # Errors
    /// Exit 77 where this process may not, 71 where another has it for too long.
    pub fn lock(&self) -> Result<Guard<'_>, Failure> {
        let path = beside(self.path(), ".lock");
        let file = self.open_lock(&path).map_err(|error| Kept::failed(&path, "open", error))?;
        let mut clock = Clock::new();
        let until = clock.now() + PATIENCE;
        // BOUND: until then.
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Guard { place: self, _lock: file }),
                Err(Errno::WOULDBLOCK) if clock.now() < until => {
                    let _ = rustix::thread::nanosleep(&timespec(Nanos::from_millis(5)));
                }
                Err(error) => return Err(Kept::failed(&path, "lock", error)),
            }
        }
    }

    /// Opens the lock, or makes it. Never both at once: a kernel may refuse that in a folder for all.
    fn open_lock(&self, path: &Path) -> Result<File, Errno> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        for _ in 0..2 {
            match open(path, flags, Mode::empty()) {
                Err(Errno::NOENT) => {}
                other => return other.map(File::from),
            }
            match open(path, flags | OFlags::CREATE | OFlags::EXCL, Mode::RUSR | Mode::WUSR) {
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
                Ok(file) => {
                    let file = File::from(file);
                    self.0.hand_over(&file)?;
                    return Ok(file);
                }
            }
        }
        Err(Errno::EXIST)
    }
}

/// The file, for one process.
pub struct Guard<'a> {
    place: &'a Place,
    _lock: File,
}

impl Guard<'_> {
    /// As [`Place::read`].
    ///
    /// # Errors
    /// As [`Place::read`].
    pub fn read(&self) -> Result<Vec<Record>, Failure> {
        self.place.read()
    }

    /// Adds a record. Whether its target was not recorded before: of one that was the first record stays, and of
    /// each who has halted it again their last.
    ///
    /// # Errors
    /// As [`Guard::write`].
    pub fn add(&self, record: Record) -> Result<bool, Failure> {
        let mut records = self.read()?;
        let first = records.iter().position(|other| other.target == record.target);
        let mut at = 0..;
        records.retain(|other| {
            let other_one = (other.target, &other.by) != (record.target, &record.by);
            at.next() == first || other_one
        });
        records.push(record);
        self.write(&records).map(|()| first.is_none())
    }

    /// Replaces what is recorded. It is on the disk when this returns.
    ///
    /// # Errors
    /// Exit 77 or 71, also where they are more than is ever read again; what was recorded before still is.
    pub fn write(&self, records: &[Record]) -> Result<(), Failure> {
        let path = self.place.path();
        let text = text(records);
        if text.len() as u64 > BYTES {
            return Err(Failure::host(format!(
                "{}: {} halts are more than it has room for ({BYTES} bytes): halt a partition or a venue",
                path.display(),
                records.len()
            )));
        }
        self.place.0.replace((!records.is_empty()).then_some(text.as_str()))
    }

    /// Writes a line behind those that say who ended which halt. It is on the disk when this returns.
    ///
    /// # Errors
    /// Exit 77 or 71.
    pub fn note(&self, line: &str) -> Result<(), Failure> {
        let path = self.place.journal();
        self.place.0.append(&path, line).map_err(|error| Kept::failed(&path, "add to", error))
    }
}

/// The file's text.
fn text(records: &[Record]) -> String {
    let mut text = String::from(
        "# What is halted. Written by `candor halt` and `candor resume`: use these, not an editor.\n\
         format = 1\n",
    );
    for record in records {
        let _ = writeln!(text, "\n[[halt]]\ntarget = {}", quoted(&record.target.to_string()));
        let _ = writeln!(text, "since = {}", quoted(&clock::display(record.since)));
        if let Some(by) = &record.by {
            let _ = writeln!(text, "by = {}\nuser = {}", quoted(&by.name), by.uid);
        }
        let _ = writeln!(text, "reason = {}", quoted(&record.reason));
    }
    text
}

fn parse(path: &Path, text: &str) -> Result<Vec<Record>, Problems> {
    records(NAMED.what, (path, text), "halt", one)
}

/// One record; `None` after saying what is wrong with it.
fn one(cx: &mut Context<'_>, table: &mut Table<'_>) -> Option<Record> {
    let target = needed(cx, table, "target", "target = \"XNAS/1\"");
    let since = needed(cx, table, "since", "since = \"2026-11-22T14:33:23Z\"");
    let reason = needed(cx, table, "reason", "reason = \"..\"");
    let by = table.text(cx, "by", "a user's name");
    let user = table.integer(cx, "user", 0..=u64::from(u32::MAX));
    let target = target.and_then(|at| {
        let found = Target::parse(at.value);
        if found.is_none() {
            cx.problem(at.line, format!("{:?} is nothing that can be halted", at.value));
        }
        found
    });
    let since = since.and_then(|at| {
        let found = clock::parse(at.value);
        if found.is_none() {
            cx.problem(at.line, format!("{:?} is no time like 2026-11-22T14:33:23Z", at.value));
        }
        found
    });
    if let Some(at) = reason.filter(|at| at.value.len() > REASON_BYTES) {
        cx.problem(at.line, format!("a reason has at most {REASON_BYTES} bytes"));
    }
    let by = by.zip(user).and_then(|(by, user)| {
        Some(User { uid: u32::try_from(user.value).ok()?, name: by.value.to_owned() })
    });
    Some(Record { target: target?, since: since?, by, reason: reason?.value.to_owned() })
}

/// Whether this process could write records there; why not otherwise. Nothing is changed.
///
/// # Errors
/// In words.
pub fn writable(place: &Place) -> Result<(), String> {
    place.0.writable()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    fn place(name: &str) -> (PathBuf, Place) {
        let folder =
            std::env::temp_dir().join(format!("candor-record-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let place = Place::of(Some(&folder), Path::new("/nowhere"));
        (folder, place)
    }

    fn record(target: &str, reason: &str) -> Record {
        let by = (target != "all").then(|| User { uid: 7, name: "al\"ice".to_owned() });
        let since = 1_795_318_200_000_000_001;
        Record { target: Target::parse(target).unwrap(), since, by, reason: reason.to_owned() }
    }

    #[test]
    fn what_is_recorded_is_read_again_and_no_halt_is_no_file() {
        let (folder, place) = place("round");
        assert_eq!(place.read().unwrap(), []);
        let all: Vec<Record> = ["all", "XNAS", "XNAS/two words", "XNAS:BRK/A"]
            .map(|target| record(target, "a \\ \"quoted\" reason, Zürich"))
            .into();
        {
            let guard = place.lock().unwrap();
            for one in &all {
                assert!(guard.add(one.clone()).unwrap());
            }
        }
        assert_eq!(place.read().unwrap(), all);
        let mode = rustix::fs::lstat(place.path()).unwrap().st_mode & 0o777;
        assert_eq!(mode, 0o640);
        let guard = place.lock().unwrap();
        guard.write(&[]).unwrap();
        assert!(!place.path().exists());
        drop(guard);
        std::fs::remove_dir_all(folder).unwrap();
        assert_eq!(place.read().unwrap_err().exit, Exit::Config, "the folder is gone");
    }

    #[test]
    fn of_one_that_is_halted_again_the_first_stays_and_the_last_of_each() {
        let (folder, place) = place("again");
        let by = |name: &str, reason: &str| {
            let by = Some(User { uid: 7, name: name.to_owned() });
            Record { by, ..record("XNAS", reason) }
        };
        let guard = place.lock().unwrap();
        assert!(
            guard.add(by("alice", "first")).unwrap() && guard.add(record("all", "all")).unwrap()
        );
        for reason in ["second", "third"] {
            assert!(!guard.add(by("alice", reason)).unwrap(), "it is recorded");
            assert!(!guard.add(by("carol", reason)).unwrap());
        }
        let read = place.read().unwrap();
        let reasons: Vec<&str> = read.iter().map(|record| record.reason.as_str()).collect();
        assert_eq!(reasons, ["first", "all", "third", "third"]);
        drop(guard);
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// One more than is ever read again would make all of them unreadable.
    #[test]
    fn no_more_is_recorded_than_is_read_again() {
        let (folder, place) = place("full");
        let guard = place.lock().unwrap();
        let reason = "x".repeat(REASON_BYTES);
        let many: Vec<Record> =
            (0..5_000).map(|number| record(&format!("XNAS:S{number}"), &reason)).collect();
        guard.write(&many[..3_000]).unwrap();
        let refused = guard.write(&many).unwrap_err();
        assert_eq!(refused.exit, Exit::Host);
        assert!(refused.message.contains("5000 halts are more than"), "{refused}");
        assert_eq!(place.read().unwrap().len(), 3_000, "what was recorded before still is");
        drop(guard);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_cannot_be_read_is_never_nothing() {
        let (folder, place) = place("bad");
        let halt = |lines: &str| format!("format = 1\n[[halt]]\n{lines}");
        let sound = "target = \"all\"\nsince = \"2026-11-22T14:33:23Z\"\nreason = \"x\"\n";
        std::fs::write(place.path(), halt(sound)).unwrap();
        assert_eq!(place.read().unwrap().len(), 1);
        let cases = [
            ("format = 2\n".to_owned(), "`format`"),
            (String::new(), "has no `format`"),
            ("format = 1\n[[halt]]\ntarget".to_owned(), "is not TOML"),
            (halt(&sound.replace("all", "a/")), "nothing that can be halted"),
            (halt(&sound.replace("2026", "year")), "is no time"),
            (halt(&sound.replace("reason", "why")), "has no `reason`"),
            (halt(&format!("{sound}extra = 1\n")), "unknown key `extra`"),
            (format!("format = 1\n#{}", "x".repeat(1 << 20)), "is longer"),
        ];
        for (text, says) in cases {
            std::fs::write(place.path(), &text).unwrap();
            let refused = place.read().unwrap_err();
            assert_eq!(refused.exit, Exit::Config);
            assert!(refused.message.contains(says), "{says}: {refused}");
        }
        std::fs::remove_file(place.path()).unwrap();
        std::os::unix::fs::symlink("/dev/null", place.path()).unwrap();
        assert!(place.read().is_err(), "a link");
        std::fs::remove_dir_all(folder).unwrap();
    }
}

//! Adding to a journal.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Gid, fchown, flock};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::folder::{self, FileName};
use crate::read::{Fault, Item, Reader, Why};
use crate::record::{Digest, Fields, Malformed, Record, Stamp};

/// How much a journal takes, and who may read it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Bytes of a file at most; with more to write another is begun.
    pub file_bytes: u64,
    /// Bytes of all files at most. With more to write nothing is written any more: only a person removes
    /// the oldest files, and the chain then begins with the first that is left.
    pub total_bytes: u64,
    /// Records that wait while nothing can be written; more are missed, and counted.
    pub waiting: usize,
    /// The group that may read the files, besides their owner.
    pub group: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { file_bytes: 16 << 20, total_bytes: 1 << 30, waiting: 8_192, group: None }
    }
}

/// Bytes written at once at most, but for a single record that is longer.
const BATCH_BYTES: usize = 256 << 10;

/// More than this at a file's end is no record that was cut.
const CUT_BYTES: u64 = 1 << 20;

/// Why a journal can't be written. What was in it stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process writes it.
    #[error("{}: another process writes this journal", .0.display())]
    Busy(PathBuf),
    /// Somebody else has made its folder.
    #[error("{}: is user {user}'s, who is not the handler's: find out who made it, and remove it", folder.display())]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// Its owner, or that of the link which it is.
        user: u32,
    },
    /// Its room is used up.
    #[error("{}: the journal has its {bytes} bytes; move its oldest files away", folder.display())]
    Full {
        /// Its folder.
        folder: PathBuf,
        /// The room it has, in bytes.
        bytes: u64,
    },
    /// The host refused.
    #[error("{} can't be {what}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was to be done to it.
        what: &'static str,
        /// What the host says.
        error: io::Error,
    },
}

impl Error {
    fn io(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |error| Error::Io { path, what, error }
    }

    /// Numbers as large as this one are nothing that a writer has come to.
    fn at_end(path: &Path, what: &'static str) -> Error {
        Error::io(path, what)(io::Error::other("its number is the largest there is"))
    }
}

/// What was wrong with a journal when it was opened, and is recorded in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// A record that was cut in the middle was taken off.
    Cut {
        /// Of this file.
        file: PathBuf,
        /// Bytes.
        bytes: u64,
        /// Where they are kept.
        kept: PathBuf,
    },
    /// A file is not as it was written; it stays as it is.
    Broken(Fault),
}

/// What a call wrote.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Committed {
    /// The number of the last record that is written: it and all before survive the end of the process.
    pub number: u64,
    /// Records that were missed, and of which a record says so now.
    pub missed: u64,
}

struct Draft {
    stamp: Stamp,
    kind: String,
    fields: Fields,
}

struct Missed {
    records: u64,
    from: Stamp,
    until: Stamp,
}

/// The one writer of a journal.
pub struct Writer {
    folder: PathBuf,
    settings: Settings,
    handler: String,
    date: String,
    /// Locked as long as this lives.
    _lock: File,
    file: File,
    path: PathBuf,
    name: FileName,
    /// Bytes of the file that are records.
    at: u64,
    /// Bytes of the files before.
    before: u64,
    number: u64,
    head: Digest,
    queue: VecDeque<Draft>,
    missed: Option<Missed>,
    /// Whether a piece of a record may be behind `at`.
    torn: bool,
    unsynced: bool,
    /// Whether the file is no longer at its path: what is written to it is in no journal.
    gone: bool,
}

impl Writer {
    /// Opens the journal in this folder, which is made where only it is missing, and goes on with its chain.
    /// What was found wrong is returned, and waits to be recorded first.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Foreign`], [`Error::Io`].
    pub fn open(
        folder: &Path,
        settings: Settings,
        handler: &str,
        date: &str,
        now: Stamp,
    ) -> Result<(Writer, Option<Found>), Error> {
        match fs::create_dir(folder) {
            Ok(()) => {
                let mode = fs::Permissions::from_mode(0o750);
                fs::set_permissions(folder, mode).map_err(Error::io(folder, "made"))?;
                let made = File::open(folder).map_err(Error::io(folder, "made"))?;
                give(&made, settings.group).map_err(Error::io(folder, "given to its group"))?;
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => is_ours(folder)?,
            Err(error) => return Err(Error::io(folder, "made")(error)),
        }
        let lock = lock(folder)?;
        let found = find(folder)?;
        // Far more than are written while this lives.
        if found.number > u64::MAX / 2 {
            return Err(Error::at_end(folder, "gone on with"));
        }
        let name = FileName { number: found.file, date: date.to_owned() };
        let mut writer = Writer {
            folder: folder.to_owned(),
            settings,
            handler: handler.to_owned(),
            date: date.to_owned(),
            file: lock.try_clone().map_err(Error::io(folder, "locked"))?,
            _lock: lock,
            path: folder.to_owned(),
            name,
            at: 0,
            before: found.bytes,
            number: found.number,
            head: found.head,
            queue: VecDeque::new(),
            missed: None,
            torn: false,
            unsynced: false,
            gone: false,
        };
        match found.resume {
            Some((name, path, at)) => {
                let mut open = OpenOptions::new();
                writer.file = open.append(true).open(&path).map_err(Error::io(&path, "opened"))?;
                (writer.name, writer.path, writer.at) = (name, path, at);
                writer.before -= at;
            }
            None => writer.begin_file()?,
        }
        match &found.wrong {
            Some(Found::Cut { file, bytes, kept }) => {
                let fields = Fields::new()
                    .text("file", base(file))
                    .number("bytes", *bytes)
                    .text("kept", base(kept));
                writer.add(now, "cut", fields);
            }
            Some(Found::Broken(fault)) => {
                let fields = Fields::new()
                    .text("file", base(&fault.spot.file))
                    .number("line", fault.spot.line)
                    .text("what", &fault.why);
                writer.add(now, "broken", fields);
            }
            None => {}
        }
        Ok((writer, found.wrong))
    }

    /// Takes a record, to be written with the next [`Writer::commit`]. Where too many wait it is missed,
    /// and counted.
    pub fn add(&mut self, stamp: Stamp, kind: &str, fields: Fields) {
        debug_assert!(crate::is_name(kind), "{kind:?}");
        // Behind one that was missed none may come before the record of that.
        if self.missed.is_some() || self.queue.len() >= self.settings.waiting {
            self.miss(1, stamp);
            return;
        }
        self.queue.push_back(Draft { stamp, kind: kind.to_owned(), fields });
    }

    /// So many records never came here.
    pub fn miss(&mut self, records: u64, stamp: Stamp) {
        let missed = self.missed.get_or_insert(Missed { records: 0, from: stamp, until: stamp });
        missed.records += records;
        missed.until = stamp;
    }

    /// How many records are missed so far of which no record says so yet.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed.as_ref().map_or(0, |missed| missed.records)
    }

    /// The trading date from now on: what is written next goes into a file of its own.
    pub fn set_date(&mut self, date: &str) {
        date.clone_into(&mut self.date);
    }

    /// Writes what waits, each batch with one `write`. What has been returned for outlives the process.
    ///
    /// # Errors
    /// What keeps it from being written. What waits goes on waiting.
    pub fn commit(&mut self, now: Stamp) -> Result<Committed, Error> {
        let mut said = 0;
        if self.gone {
            self.begin_file()?;
        }
        // BOUND: what waits, and one record more.
        loop {
            if self.queue.is_empty() {
                let Some(missed) = self.missed.take() else { break };
                said += missed.records;
                let fields = Fields::new()
                    .number("records", missed.records)
                    .number("from_wall", missed.from.wall)
                    .number("until_wall", missed.until.wall);
                self.queue.push_back(Draft { stamp: now, kind: "missed".to_owned(), fields });
            }
            self.write_batch()?;
        }
        Ok(Committed { number: self.number, missed: said })
    }

    /// Brings what is written to the disk. What has been returned for outlives the host. Nothing is done
    /// where nothing is new.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sync(&mut self) -> Result<(), Error> {
        if self.unsynced {
            self.file.sync_data().map_err(Error::io(&self.path, "brought to the disk"))?;
            self.unsynced = false;
            // Somebody may have removed it, or moved it away. The chain shows what is missing.
            self.gone = !self.is_there();
        }
        if self.gone {
            self.begin_file()?;
        }
        Ok(())
    }

    /// Whether the file is where readers look for it; also where nobody can tell.
    fn is_there(&self) -> bool {
        let Ok(own) = self.file.metadata() else { return true };
        match fs::symlink_metadata(&self.path) {
            Ok(there) => (there.dev(), there.ino()) == (own.dev(), own.ino()),
            Err(error) => error.kind() != ErrorKind::NotFound,
        }
    }

    fn write_batch(&mut self) -> Result<(), Error> {
        if self.torn {
            self.file.set_len(self.at).map_err(Error::io(&self.path, "cut back"))?;
            self.torn = false;
        }
        if self.at > 0 && self.name.date != self.date {
            self.begin_file()?;
        }
        let mut batch = self.render();
        if self.at > 0 && self.at + batch.text.len() as u64 > self.settings.file_bytes {
            self.begin_file()?;
            batch = self.render();
        }
        if self.before + self.at + batch.text.len() as u64 > self.settings.total_bytes {
            self.count()?;
        }
        self.file.write_all(batch.text.as_bytes()).map_err(|error| {
            // A piece of a record would be in front of the next one.
            self.torn = self.file.set_len(self.at).is_err();
            Error::io(&self.path, "written")(error)
        })?;
        self.unsynced = true;
        self.at += batch.text.len() as u64;
        (self.number, self.head) = (batch.number, batch.head);
        self.queue.drain(..batch.drafts);
        Ok(())
    }

    /// The text of what waits, as much as is written at once; behind the record that begins a file where
    /// that is still empty.
    fn render(&self) -> Batch {
        let mut batch =
            Batch { text: String::new(), drafts: 0, number: self.number, head: self.head };
        if self.at == 0 {
            let stamp = self.queue.front().map_or(Stamp::default(), |draft| draft.stamp);
            let fields = Fields::new().text("handler", &self.handler).text("date", &self.date);
            batch.push(stamp, "file", fields);
        }
        for draft in &self.queue {
            if batch.text.len() >= BATCH_BYTES {
                break;
            }
            batch.push(draft.stamp, &draft.kind, draft.fields.clone());
            batch.drafts += 1;
        }
        batch
    }

    /// Begins the next file; the one before is on the disk then.
    fn begin_file(&mut self) -> Result<(), Error> {
        if self.unsynced {
            self.file.sync_data().map_err(Error::io(&self.path, "brought to the disk"))?;
            self.unsynced = false;
        }
        let number = self.name.number.checked_add(1);
        let number = number.ok_or_else(|| Error::at_end(&self.path, "followed by another"))?;
        let name = FileName { number, date: self.date.clone() };
        let path = self.folder.join(name.to_string());
        let made = OpenOptions::new().append(true).create_new(true).mode(0o640).open(&path);
        let file = made.map_err(Error::io(&path, "made"))?;
        let mode = fs::Permissions::from_mode(0o640);
        let given = file.set_permissions(mode).and_then(|()| give(&file, self.settings.group));
        let there = given.and_then(|()| File::open(&self.folder)?.sync_all());
        if let Err(error) = there {
            // Empty, and made anew under the same name.
            let _ = fs::remove_file(&path);
            return Err(Error::io(&path, "made")(error));
        }
        self.before += self.at;
        (self.file, self.path, self.name, self.at) = (file, path, name, 0);
        self.gone = false;
        Ok(())
    }

    /// Counts again what the files take: somebody may have made room.
    fn count(&mut self) -> Result<(), Error> {
        let files = folder::files(&self.folder).map_err(Error::io(&self.folder, "read"))?;
        let others = files.iter().filter(|(name, ..)| *name != self.name);
        self.before = others.map(|(.., bytes)| bytes).sum();
        let bytes = self.settings.total_bytes;
        match self.before + self.at + self.render().text.len() as u64 > bytes {
            true => Err(Error::Full { folder: self.folder.clone(), bytes }),
            false => Ok(()),
        }
    }
}

struct Batch {
    text: String,
    /// How many of those that wait are in it.
    drafts: usize,
    number: u64,
    head: Digest,
}

impl Batch {
    fn push(&mut self, stamp: Stamp, kind: &str, fields: Fields) {
        let (record, line) = Record::new(self.number + 1, stamp, kind, fields, self.head);
        self.text.push_str(&line);
        (self.number, self.head) = (record.number, record.own);
    }
}

fn base(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn give(file: &File, group: Option<u32>) -> io::Result<()> {
    match group {
        Some(group) => Ok(fchown(file, None, Some(Gid::from_raw(group)))?),
        None => Ok(()),
    }
}

/// Beside a region anybody may make a folder, or a link to one, and put something else in a file's place at
/// any time. Whose the folder around it is may do so anyhow.
fn is_ours(folder: &Path) -> Result<(), Error> {
    let failed = |error| Error::io(folder, "looked at")(error);
    let mut known = vec![0, geteuid().as_raw()];
    known.extend(folder.parent().and_then(|around| fs::metadata(around).ok()).map(|it| it.uid()));
    for about in [fs::symlink_metadata(folder), fs::metadata(folder)] {
        let user = about.map_err(failed)?.uid();
        if !known.contains(&user) {
            return Err(Error::Foreign { folder: folder.to_owned(), user });
        }
    }
    Ok(())
}

fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join("lock");
    let mut open = OpenOptions::new();
    let file = open.create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = file.map_err(Error::io(&path, "opened"))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(Error::Busy(folder.to_owned())),
        Err(error) => Err(Error::io(&path, "locked")(error.into())),
    }
}

/// Where a journal stands that was found in a folder.
struct Standing {
    /// The newest file's number; 0 where there is none.
    file: u64,
    /// Bytes of all files.
    bytes: u64,
    /// The last record's.
    number: u64,
    head: Digest,
    /// The file that is gone on with, and how long it is.
    resume: Option<(FileName, PathBuf, u64)>,
    wrong: Option<Found>,
}

/// Finds the end of the chain, and takes a record off that was cut.
fn find(folder: &Path) -> Result<Standing, Error> {
    let mut files = folder::files(folder).map_err(Error::io(folder, "read"))?;
    let bytes = files.iter().map(|(.., bytes)| bytes).sum();
    let file = files.last().map_or(0, |(name, ..)| name.number);
    let mut standing =
        Standing { file, bytes, number: 0, head: Digest::NONE, resume: None, wrong: None };
    let Some((name, path, length)) = files.pop() else { return Ok(standing) };
    let scan = Scan::of(&path)?;
    let tail = length.saturating_sub(scan.sound);
    match scan.fault {
        None if tail == 0 => standing.resume = Some((name, path.clone(), length)),
        fault => {
            let fault = fault.filter(|fault| {
                scan.is_sound_behind
                    || tail > CUT_BYTES
                    || matches!(fault.why, Why::Malformed(Malformed::Version(_)))
            });
            match fault {
                Some(fault) => standing.wrong = Some(Found::Broken(fault)),
                None => {
                    let kept = cut(folder, &path, scan.sound)?;
                    let file = path.clone();
                    standing.wrong = Some(Found::Cut { file, bytes: tail, kept });
                    standing.bytes -= tail;
                    standing.resume = Some((name, path.clone(), scan.sound));
                }
            }
        }
    }
    let mut last = scan.last;
    // BOUND: each round takes a file.
    while last.is_none()
        && let Some((_, path, _)) = files.pop()
    {
        last = Scan::of(&path)?.last;
    }
    (standing.number, standing.head) = last.unwrap_or((0, Digest::NONE));
    Ok(standing)
}

/// What is in one file.
struct Scan {
    /// Bytes of the sound records up to the first fault.
    sound: u64,
    /// Number and digest of the last record that is sound by itself, before a fault or behind it.
    last: Option<(u64, Digest)>,
    fault: Option<Fault>,
    /// Whether a sound record follows the fault: then it is no record that was cut.
    is_sound_behind: bool,
}

impl Scan {
    fn of(path: &Path) -> Result<Scan, Error> {
        let mut scan = Scan { sound: 0, last: None, fault: None, is_sound_behind: false };
        for item in Reader::file(path) {
            match item.map_err(Error::io(path, "read"))? {
                Item::Record(_, record) => {
                    match scan.fault {
                        None => scan.sound += record.line().len() as u64,
                        Some(_) => scan.is_sound_behind = true,
                    }
                    scan.last = Some((record.number, record.own));
                }
                Item::Broken(fault) => drop(scan.fault.get_or_insert(fault)),
                Item::Unfinished { spot, .. } => {
                    let why = Why::Malformed(Malformed::NotWhole);
                    scan.fault.get_or_insert(Fault { spot, why });
                }
            }
        }
        Ok(scan)
    }
}

/// Takes what is behind `at` off a file. It is kept beside it, and on the disk before it is gone from here.
fn cut(folder: &Path, path: &Path, at: u64) -> Result<PathBuf, Error> {
    let bytes = fs::read(path).map_err(Error::io(path, "read"))?;
    let tail = usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
    let name = |count: u32| {
        let more = if count == 0 { String::new() } else { format!("-{count}") };
        folder.join(format!("{}.cut-{at}{more}", base(path)))
    };
    let mut count = 0;
    let (kept, mut file) = loop {
        // BOUND: each round tries a name that the one before found taken.
        let kept = name(count);
        match OpenOptions::new().write(true).create_new(true).mode(0o640).open(&kept) {
            Ok(file) => break (kept, file),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && count < 1_000 => count += 1,
            Err(error) => return Err(Error::io(&kept, "made")(error)),
        }
    };
    let saved = file.write_all(tail).and_then(|()| file.sync_all());
    saved.map_err(Error::io(&kept, "written"))?;
    let file = OpenOptions::new().write(true).open(path).map_err(Error::io(path, "opened"))?;
    let done = file.set_len(at).and_then(|()| file.sync_all());
    done.map_err(Error::io(path, "cut"))?;
    Ok(kept)
}

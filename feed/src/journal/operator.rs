//! What operators do: halts and ends of halts, by whomever, and what they have the handler join and leave.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use candor_core::Mono;
use candor_journal::{Fields, partition_name};
use candor_shm::{Region, clock as region_clock};

use super::Journal;
use crate::clock;
use crate::halt::Target;
use crate::halt::record::{Place, Record};
use crate::halt::users;

/// What a record says of its target: its words, and what it is about.
fn about(region: &Region, target: &Target, fields: Fields) -> Fields {
    let fields = fields.text("target", target);
    match target {
        Target::All => fields,
        Target::Venue(venue) => fields.text("venue", venue),
        Target::Partition(venue, name) => {
            fields.text("partition", partition_name(venue.as_str(), name.as_str()))
        }
        Target::Symbol(venue, symbol) => {
            let info = target
                .partitions(region)
                .first()
                .and_then(|number| region.partition_when(*number, region_clock::now));
            // Of one that nothing has named yet nobody knows the partition.
            let name = info.map_or("-".to_owned(), |info| info.spec.name.to_string());
            let partition = partition_name(venue.as_str(), &name);
            fields.text("partition", partition).list("symbols", [symbol])
        }
    }
}

/// A halt, with who and why; `found` where a start found it.
pub(crate) fn halted(journal: &Journal, region: &Region, record: &Record, found: bool) {
    let by = record.by.as_ref().map_or("unknown".to_owned(), ToString::to_string);
    let fields = Fields::new()
        .text("verb", "halt")
        .text("by", by)
        .text("reason", &record.reason)
        .text("since", clock::display(record.since))
        .flag("found_at_start", found);
    journal.record("operator", about(region, &record.target, fields));
}

/// A halt that nobody has recorded.
pub(crate) fn halted_by_nobody(journal: &Journal, region: &Region, target: &Target) {
    let fields = Fields::new().text("verb", "halt").text("by", "unknown");
    journal.record("operator", about(region, target, fields));
}

/// A partition was joined or left by command.
pub(crate) fn joined(journal: &Journal, at: Mono, command: &str, partition: &str, by: u32) {
    let fields = Fields::new()
        .text("verb", command)
        .text("by", users::numbered(by))
        .text("target", partition)
        .text("partition", partition);
    journal.record_at(at, "operator", fields);
}

/// Follows a file that is only ever added to.
#[derive(Default)]
pub(crate) struct Tail {
    /// Bytes that were read.
    pub(crate) read: u64,
}

/// Follows the file in which it stands who ended which halt, and with whom.
pub(crate) struct Resumes {
    tail: Tail,
}

/// More than this at once is read the next time.
const BYTES: u64 = 1 << 16;

impl Resumes {
    /// From its present end on.
    pub(crate) fn new(place: &Place) -> Resumes {
        let read = std::fs::metadata(place.journal()).map_or(0, |about| about.len());
        Resumes { tail: Tail { read } }
    }

    /// Records what was added; whether there was any.
    pub(crate) fn look(&mut self, journal: &Journal, region: &Region, place: &Place) -> bool {
        let Some(text) = self.added(place) else { return false };
        let mut any = false;
        for line in text.lines() {
            let Some(target) = target_of(line) else { continue };
            any = true;
            let fields = Fields::new().text("verb", "resume").text("said", line);
            journal.record("operator", about(region, &target, fields));
        }
        any
    }

    /// The lines that were added. Nothing of a file that is not ours: anybody may write to the folder.
    fn added(&mut self, place: &Place) -> Option<String> {
        self.tail.added(place.open_journal().ok()??)
    }
}

impl Tail {
    /// The lines that were added, some of them where they are many.
    pub(crate) fn added(&mut self, mut file: File) -> Option<String> {
        // Shorter than it was: it is another one, and all of it is new.
        if file.metadata().ok()?.len() < self.read {
            self.read = 0;
        }
        file.seek(SeekFrom::Start(self.read)).ok()?;
        let mut bytes = Vec::new();
        file.take(BYTES).read_to_end(&mut bytes).ok()?;
        let end = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => at + 1,
            // No line of ours is that long: what is behind it is looked at all the same.
            None if bytes.len() as u64 == BYTES => bytes.len(),
            None => return None,
        };
        self.read += end as u64;
        Some(String::from_utf8_lossy(&bytes[..end]).into_owned())
    }
}

/// Of a line like `2026-11-22T14:33:23Z resume XNAS/1 by alice (1001), second bob; halted …`.
fn target_of(line: &str) -> Option<Target> {
    let (_, rest) = line.split_once(" resume ")?;
    // A partition's name may hold anything.
    rest.match_indices(" by ").find_map(|(at, _)| Target::parse(&rest[..at]))
}

/// A halt has ended, and nothing says by whom.
pub(crate) fn resumed_by_nobody(journal: &Journal, region: &Region, target: &Target) {
    let fields = Fields::new().text("verb", "resume").text("by", "unknown");
    journal.record("operator", about(region, target, fields));
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;

    fn place(name: &str) -> (PathBuf, Place, PathBuf) {
        let folder = format!("candor-resumes-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let place = Place::of(None, &folder.join("r"));
        let journal = place.journal();
        (folder, place, journal)
    }

    #[test]
    fn whatever_was_added_is_passed_once() {
        let (folder, place, path) = place("added");
        let mut resumes = Resumes::new(&place);
        assert_eq!(resumes.added(&place), None);
        let mut all = b"one\ntw".to_vec();
        fs::write(&path, &all).unwrap();
        assert_eq!(resumes.added(&place).as_deref(), Some("one\n"));
        assert_eq!(resumes.added(&place), None, "no whole line");
        // No UTF-8; then a line longer than what is read at once, cut amid a character.
        all.extend(b"o \xff\n");
        all.extend("\u{20ac}".repeat(BYTES as usize).as_bytes());
        all.extend(b"\nlast\n");
        fs::write(&path, &all).unwrap();
        assert_eq!(resumes.added(&place).as_deref(), Some("two \u{fffd}\n"));
        let rest: String = std::iter::from_fn(|| resumes.added(&place)).collect();
        assert!(rest.ends_with("\u{20ac}\nlast\n"), "{} bytes", rest.len());
        fs::write(&path, "anew\n").unwrap();
        assert_eq!(resumes.added(&place).as_deref(), Some("anew\n"));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_somebody_put_there_holds_nobody_up() {
        let (folder, place, path) = place("pipe");
        let mut resumes = Resumes::new(&place);
        mkfifoat(CWD, &path, Mode::RWXU).unwrap();
        let (tell, told) = mpsc::channel();
        thread::spawn(move || tell.send(resumes.added(&place)));
        let added = told.recv_timeout(Duration::from_secs(5)).expect("no wait for a writer");
        assert_eq!(added, None);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_target_of_a_resume_is_read_from_its_line() {
        let line =
            "2026-11-22T14:33:23Z resume XNAS/1 by alice (1001), second bob; halted by x: by y";
        assert_eq!(target_of(line).unwrap().to_string(), "XNAS/1");
        assert_eq!(target_of("2026 resume all by a (1), second b").unwrap(), Target::All);
        assert!(target_of("something else").is_none());
    }
}

//! The thread that writes the journal. Whoever has a record hands it over and goes on; a disk that hangs
//! keeps nobody waiting but this.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use candor_core::alert::Code;
use candor_core::{Mono, Nanos, TradingDate};
use candor_journal::{Fields, Found, Settings, Stamp, Writer};

use super::{bytes, folder, stamp};
use crate::alert::{About, Raiser};
use crate::clock::{self, Clock};
use crate::config::Config;

/// Records on their way to the thread: what ten thousand partitions could say at once would not fit, and is
/// counted.
const ROOM: usize = 8_192;

/// How often the thread looks by itself.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How often what is written is brought to the disk, which outlives the host.
const SYNC_EVERY: Nanos = Nanos::from_secs(1);

/// How often a journal is tried again that can't be opened.
const OPEN_EVERY: Nanos = Nanos::from_secs(5);

/// How long the handler's end waits for what is still to be written.
const END_WITHIN: Duration = Duration::from_secs(2);

/// How long one write may take until that is said; the thread itself can't while the host keeps it.
const HANGS_AFTER: Nanos = Nanos::from_secs(5);

/// Records that wait while the journal can't be opened; more are missed, and counted.
const WAITING: usize = 8_192;

struct Entry {
    stamp: Stamp,
    kind: &'static str,
    fields: Fields,
}

/// Where records are handed over. Cheap to clone; the thread ends when the last one is gone.
#[derive(Clone)]
pub(crate) struct Journal {
    /// `None`: nobody writes.
    to: Option<SyncSender<Entry>>,
    missed: Arc<AtomicU64>,
    at_work: Arc<AtWork>,
    alerts: Raiser,
}

/// Since when the thread is at one write, boot ns; 0 where it is at none.
#[derive(Default)]
struct AtWork(AtomicU64);

/// The thread's end, for the one who waits for it.
pub(crate) struct Ending {
    done: Option<Receiver<()>>,
}

impl Journal {
    /// Starts the thread. Where the host gives none that is said, and nothing is written.
    pub(crate) fn start(
        config: &Config,
        date: TradingDate,
        group: Option<u32>,
    ) -> (Journal, Ending) {
        let missed = Arc::new(AtomicU64::new(0));
        let at_work = Arc::new(AtWork::default());
        let alerts = Raiser::new();
        let (to, from) = mpsc::sync_channel(ROOM);
        let (tell, done) = mpsc::channel();
        let state = config.handler.state.as_deref();
        let desk = Desk {
            folder: folder(state, &config.handler.region),
            settings: Settings { total_bytes: bytes(state), group, ..Settings::default() },
            handler: config.handler.name.to_string(),
            date: date.to_string(),
            missed: Arc::clone(&missed),
            at_work: Arc::clone(&at_work),
            alerts: alerts.clone(),
            writer: None,
            waiting: VecDeque::new(),
            lost: 0,
            refused: None,
            next_open: Mono::NEVER,
            synced: Mono::NEVER,
        };
        let spawned = thread::Builder::new().name("journal".to_owned()).spawn(move || {
            desk.work(&from);
            let _ = tell.send(());
        });
        if let Err(error) = spawned {
            let text = format!("the journal has no thread, and is not written: {error}");
            alerts.raise(Code::Journal, About::Handler, text);
            return (Journal { alerts, ..Journal::none() }, Ending { done: None });
        }
        (Journal { to: Some(to), missed, at_work, alerts }, Ending { done: Some(done) })
    }

    /// One that nobody writes.
    pub(crate) fn none() -> Journal {
        let alerts = Raiser::new();
        Journal { to: None, missed: Arc::default(), at_work: Arc::default(), alerts }
    }

    /// Where whoever records says what is wrong: that comes back here as a record of its alert.
    pub(crate) fn alerts(&self) -> &Raiser {
        &self.alerts
    }

    /// Records what is so now.
    pub(crate) fn record(&self, kind: &'static str, fields: Fields) {
        self.record_at(Clock::new().now(), kind, fields);
    }

    /// Records what happened at this time, a moment ago. Never waits: what finds no room is counted.
    pub(crate) fn record_at(&self, at: Mono, kind: &'static str, fields: Fields) {
        self.put(Entry { stamp: stamp(at), kind, fields });
    }

    /// Whether the thread is at one write for so long that somebody has to be told.
    pub(crate) fn hangs(&self, now: Mono) -> bool {
        // ORDER: nothing else is read by what it says.
        let since = self.at_work.0.load(Ordering::Relaxed);
        since != 0 && now.since(Mono(since)) >= HANGS_AFTER
    }

    fn put(&self, entry: Entry) {
        let Some(to) = &self.to else { return };
        if to.try_send(entry).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Ending {
    /// Waits a little for what is still to be written. Every [`Journal`] must be gone.
    pub(crate) fn wait(self) {
        if self.done.is_some_and(|done| done.recv_timeout(END_WITHIN).is_err()) {
            tracing::error!("the journal's disk hangs; what was not written yet is lost");
        }
    }
}

struct Desk {
    folder: PathBuf,
    settings: Settings,
    handler: String,
    date: String,
    /// What found no room on its way here.
    missed: Arc<AtomicU64>,
    at_work: Arc<AtWork>,
    alerts: Raiser,
    writer: Option<Writer>,
    /// What came before the journal could be opened.
    waiting: VecDeque<(Stamp, &'static str, Fields)>,
    /// What came then and found no room.
    lost: u64,
    /// Why nothing is written, as it was said.
    refused: Option<String>,
    next_open: Mono,
    synced: Mono,
}

fn now() -> Stamp {
    Stamp { wall: clock::wall(), mono: Clock::new().now().0 }
}

impl Desk {
    fn work(mut self, from: &Receiver<Entry>) {
        loop {
            let first = from.recv_timeout(LOOK_EVERY);
            let ending = matches!(first, Err(RecvTimeoutError::Disconnected));
            if let Ok(entry) = first {
                self.take(entry);
                // BOUND: as many as there is room for; what comes meanwhile waits for the next time.
                for entry in from.try_iter().take(ROOM) {
                    self.take(entry);
                }
            }
            self.at_work.0.store(Clock::new().now().0, Ordering::Relaxed);
            self.write(ending);
            self.at_work.0.store(0, Ordering::Relaxed);
            if ending {
                return;
            }
        }
    }

    fn take(&mut self, entry: Entry) {
        let Entry { stamp, kind, fields } = entry;
        // A map of a later date is in force.
        let later = fields.text_of("date").filter(|date| kind == "map" && **date > *self.date);
        if let Some(date) = later {
            date.clone_into(&mut self.date);
            if let Some(writer) = &mut self.writer {
                writer.set_date(date);
            }
        }
        match &mut self.writer {
            Some(writer) => writer.add(stamp, kind, fields),
            None if self.lost == 0 && self.waiting.len() < WAITING => {
                self.waiting.push_back((stamp, kind, fields));
            }
            None => self.lost += 1,
        }
    }

    fn write(&mut self, ending: bool) {
        let at = now();
        if self.writer.is_none() && (ending || Mono(at.mono) >= self.next_open) {
            self.next_open = Mono(at.mono) + OPEN_EVERY;
            self.open(at);
        }
        let Some(writer) = &mut self.writer else { return };
        let missed = self.missed.swap(0, Ordering::Relaxed);
        if missed > 0 {
            writer.miss(missed, at);
        }
        let mut done = writer.commit(at).map(|committed| committed.missed);
        let due = Mono(at.mono).since(self.synced) >= SYNC_EVERY;
        if done.is_ok() && (due || ending) {
            self.synced = Mono(at.mono);
            done = writer.sync().and(done);
        }
        match done {
            Ok(missed) => self.written(missed),
            Err(error) => self.refuse(error.to_string()),
        }
    }

    fn open(&mut self, at: Stamp) {
        match Writer::open(&self.folder, self.settings, &self.handler, &self.date, at) {
            Ok((mut writer, found)) => {
                tell(found.as_ref(), &self.alerts);
                for (stamp, kind, fields) in self.waiting.drain(..) {
                    writer.add(stamp, kind, fields);
                }
                if self.lost > 0 {
                    writer.miss(std::mem::take(&mut self.lost), at);
                }
                self.writer = Some(writer);
            }
            Err(error) => self.refuse(error.to_string()),
        }
    }

    /// Said once for every cause.
    fn refuse(&mut self, why: String) {
        if self.refused.as_ref() != Some(&why) {
            let text = format!("the journal is not written: {why}");
            self.alerts.raise(Code::Journal, About::Handler, text);
            self.refused = Some(why);
        }
    }

    fn written(&mut self, missed: u64) {
        if self.refused.take().is_some() || missed > 0 {
            self.alerts.end(Code::Journal, About::Handler);
            tracing::warn!(missed, "the journal is written again");
        }
    }
}

fn tell(found: Option<&Found>, alerts: &Raiser) {
    match found {
        None => {}
        Some(Found::Cut { file, bytes, kept }) => {
            let (file, kept) = (file.display(), kept.display());
            tracing::warn!(%file, bytes, %kept, "the journal ended in the middle of a record: cut off, and kept");
        }
        Some(Found::Broken(fault)) => {
            let text =
                format!("the journal is not as it was written: {fault}; it goes on in a new file");
            alerts.raise(Code::JournalBroken, About::Handler, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use candor_journal::{Item, Reader};
    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;
    use crate::alert::Word;

    fn config(folder: &Path) -> Config {
        let region = folder.join("r").display().to_string();
        let text = format!(
            "[handler]\nname = \"h\"\nregion = \"{region}\"\n[source]\nkind = \"udp\"\ninterface = \
             \"lo\"\n[[lane]]\nidle = \"block\"\n[[venue]]\nname = \"XNAS\"\nfeed = \"nasdaq-itch50\"\n\
             [[venue.partition]]\nname = \"1\"\nlane = 0\nlines.A = {{ group = \"239.1.1.1\", port = 1 }}\n"
        );
        crate::config::parse_text(Path::new("c.toml"), &text).expect("a sound configuration")
    }

    fn kinds(folder: &Path) -> Vec<String> {
        let Ok(reader) = Reader::open(folder) else { return Vec::new() };
        let kinds = reader.map(|item| match item.expect("readable") {
            Item::Record(_, record) => record.kind,
            other => panic!("{other:?}"),
        });
        kinds.collect()
    }

    fn scene(name: &str) -> (PathBuf, Config, PathBuf) {
        let folder =
            std::env::temp_dir().join(format!("candor-desk-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let config = config(&folder);
        let journal = super::folder(None, &config.handler.region);
        (folder, config, journal)
    }

    #[test]
    fn what_was_handed_over_is_written_when_the_end_has_waited() {
        let (folder, config, there) = scene("end");
        let (journal, ending) = Journal::start(&config, TradingDate(20_261_123), None);
        journal.record("start", Fields::new());
        for _ in 0..1_000 {
            journal.clone().record("test", Fields::new());
        }
        drop(journal);
        ending.wait();
        let kinds = kinds(&there);
        assert_eq!(kinds[..2], ["file", "start"]);
        assert_eq!(kinds.len(), 1_002);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn each_trading_date_has_files_of_its_own() {
        let (folder, config, there) = scene("dates");
        let (journal, ending) = Journal::start(&config, TradingDate(20_261_123), None);
        let map = |date| {
            let venue = candor_core::Venue::from_wire(b"XNAS").expect("short");
            super::super::start::in_force(venue, TradingDate(date), "d")
        };
        journal.record("map", map(20_261_123));
        eventually("the first file", || kinds(&there) == ["file", "map"]);
        // Of another venue, where it is still the day before.
        for date in [20_261_124, 20_261_123] {
            journal.record("map", map(date));
        }
        drop(journal);
        ending.wait();
        let files = candor_journal::files(&there).unwrap();
        let dates: Vec<&str> = files.iter().map(|(name, ..)| name.date.as_str()).collect();
        assert_eq!(dates, ["2026-11-23", "2026-11-24"]);
        assert_eq!(kinds(&there), ["file", "map", "file", "map", "map"]);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_journal_that_somebody_has_changed_is_an_alert_and_goes_on_in_a_new_file() {
        let (folder, config, there) = scene("changed");
        for changed in [false, true] {
            if changed {
                let (_, path, ..) = candor_journal::files(&there).unwrap().remove(0);
                let text = fs::read_to_string(&path).unwrap();
                // Of a record that another one follows: nothing vouches for the last.
                assert!(text.lines().next().unwrap().contains("2026-11-23"), "{text}");
                fs::write(&path, text.replacen("2026-11-23", "2026-11-24", 1)).unwrap();
            }
            let (journal, ending) = Journal::start(&config, TradingDate(20_261_123), None);
            let alerts = journal.alerts().clone();
            journal.record("start", Fields::new());
            drop(journal);
            ending.wait();
            let broken = std::iter::from_fn(|| alerts.take())
                .filter(|word| matches!(word, Word::Raise { code: Code::JournalBroken, .. }));
            assert_eq!(broken.count(), usize::from(changed));
            assert_eq!(candor_journal::files(&there).unwrap().len(), 1 + usize::from(changed));
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn that_the_host_keeps_it_is_known_outside() {
        let (folder, config, there) = scene("hangs");
        fs::create_dir(&there).unwrap();
        // Who opens a pipe waits for its other end, as long as that takes.
        mkfifoat(CWD, there.join("lock"), Mode::RWXU).unwrap();
        let (journal, ending) = Journal::start(&config, TradingDate(20_261_123), None);
        journal.record("test", Fields::new());
        let soon = || Clock::new().now() + HANGS_AFTER;
        eventually("the hang", || journal.hangs(soon()));
        assert!(!journal.hangs(Clock::new().now()), "not at once");
        let other = fs::File::open(there.join("lock")).unwrap();
        eventually("the end of it", || !journal.hangs(soon()) && !kinds(&there).is_empty());
        drop((journal, other));
        ending.wait();
        assert_eq!(kinds(&there), ["file", "test"]);
        fs::remove_dir_all(&folder).unwrap();
    }

    fn eventually(what: &str, done: impl Fn() -> bool) {
        for _ in 0..1_000 {
            if done() {
                return;
            }
            thread::park_timeout(Duration::from_millis(10));
        }
        panic!("{what} did not come");
    }

    #[test]
    fn a_journal_that_cannot_be_opened_keeps_nobody_and_misses_nothing_that_can_wait() {
        let (folder, config, there) = scene("late");
        fs::write(&there, "in the way").unwrap();
        let (journal, ending) = Journal::start(&config, TradingDate(20_261_123), None);
        journal.record("test", Fields::new());
        // It is tried once more at the end at the latest.
        thread::park_timeout(Duration::from_millis(300));
        let raised = journal.alerts().take();
        assert!(matches!(raised, Some(Word::Raise { code: Code::Journal, .. })), "{raised:?}");
        fs::remove_file(&there).unwrap();
        drop(journal);
        ending.wait();
        assert_eq!(kinds(&there), ["file", "test"]);
        fs::remove_dir_all(&folder).unwrap();
    }
}

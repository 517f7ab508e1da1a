//! What a venue's maps wait for that is another's: a fetch that hangs, a lane that does. The threads as they are, with
//! a wall clock that stands at the time of both maps.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use candor_core::alert::Code;
use candor_core::symbol::Text;
use candor_core::{Nanos, TradingDate};
use candor_maps::Map;
use candor_maps::check::Wanted;
use candor_maps::file;

use super::tests::{Folder, MONDAY};
use super::thread::{Job, Thread};
use super::{Resolved, resolve};
use crate::alert::{About, Raiser, Word};
use crate::clock::{Clock, timespec};
use crate::config::parse_text;
use crate::journal::Journal;
use crate::run::partition_spec;
use crate::sessions::Record;

/// Far more than a busy machine takes, and far less than what hangs here.
const PATIENCE: Nanos = Nanos::from_secs(60);

const FRIDAY: u32 = 20_261_120;
const TODAY: u32 = 20_261_123;

fn text_of(venue: &str, date: u32) -> String {
    let date = TradingDate(date);
    let port = if venue == "XNAS" { 1 } else { 2 };
    format!(
        "format = 1\nvenue = \"{venue}\"\ndate = \"{date}\"\nprotocol = \"nasdaq-itch50\"\n\
         [[partition]]\nname = \"1\"\nlines.A = {{ group = \"239.1.1.1\", port = {port} }}\n\
         symbols = [\"A\", \"B\"]\n"
    )
}

fn map(venue: &str, date: u32) -> Map {
    let none = &mut |_: &Path| Err(String::new());
    let text = text_of(venue, date);
    let loaded = file::load(Path::new("m.toml"), &text, &Wanted::default(), none);
    loaded.unwrap_or_else(|problems| panic!("{problems}")).map
}

/// What is said now, by code and venue.
type Said = BTreeMap<(Code, String), String>;

/// A handler of two venues on a Monday at the time of their maps, whose lanes are the test.
struct Handler {
    folder: Folder,
    jobs: Receiver<Job>,
    done: Sender<Job>,
    alerts: Raiser,
    said: Said,
    stop: Arc<AtomicBool>,
}

impl Drop for Handler {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Handler {
    /// With Friday's maps; `fetch` says what brings XNAS's.
    fn new(name: &str, fetch: impl FnOnce(&Path) -> String) -> Handler {
        let folder = Folder::new(name);
        for venue in ["XNAS", "XNYS"] {
            folder.put(&map(venue, FRIDAY));
        }
        let venue = |name: &str| {
            format!("[[venue]]\nname = \"{name}\"\nfeed = \"nasdaq-itch50\"\nmap = {{}}\n")
        };
        let text = format!(
            "[handler]\nname = \"t\"\nregion = \"/dev/shm/t\"\n[source]\nkind = \"udp\"\n\
             interface = \"lo\"\n[[lane]]\n[maps]\nstore = \"{}\"\n{}{}{}",
            folder.path().display(),
            fetch(folder.path()),
            venue("XNAS"),
            venue("XNYS"),
        );
        let config =
            parse_text(Path::new("t.toml"), &text).unwrap_or_else(|wrong| panic!("{wrong}"));
        let resolved = resolve(&config, MONDAY).unwrap();
        let Resolved { config, .. } = &resolved;
        let mut spec = candor_shm::RegionSpec::new(Text::from_wire(b"t").unwrap());
        spec.partitions = config.partitions.iter().map(partition_spec).collect();
        let (_, _, region) = candor_shm::heap(&spec).unwrap();
        let ((to, jobs), (done, from)) = (mpsc::channel(), mpsc::channel());
        let stop = Arc::new(AtomicBool::new(false));
        let journal = Journal::none();
        let alerts = journal.alerts().clone();
        let kept = (journal, Record::none());
        let mut clock = Clock::new();
        let times = Box::new(move || (MONDAY, clock.now()));
        let resolved = (resolved, (MONDAY, candor_shm::clock::now()));
        let maps = Thread::new(resolved, region, (to, from), Arc::clone(&stop), times, kept);
        thread::spawn(move || maps.run());
        Handler { folder, jobs, done, alerts, said: Said::new(), stop }
    }

    fn hear(&mut self) {
        while let Some(word) = self.alerts.take() {
            match word {
                Word::Raise { code, about: About::Venue(venue), text, .. } => {
                    self.said.insert((code, venue.to_string()), text);
                }
                Word::End { code, about: About::Venue(venue) }
                | Word::Over { code, about: About::Venue(venue) } => {
                    self.said.remove(&(code, venue.to_string()));
                }
                _ => {}
            }
        }
    }

    /// Waits until what is said is so.
    fn until(&mut self, what: &str, so: impl Fn(&Said) -> bool) {
        let until = candor_shm::clock::now() + PATIENCE;
        loop {
            self.hear();
            if so(&self.said) {
                return;
            }
            assert!(candor_shm::clock::now() < until, "{what}: {:?}", self.said);
            let _ = rustix::thread::nanosleep(&timespec(Nanos::from_millis(10)));
        }
    }

    /// Waits until this is said of a venue that has no map.
    fn until_said(&mut self, venue: &str, words: &str) {
        let about = (Code::NoMap, venue.to_owned());
        let said = |said: &Said| said.get(&about).is_some_and(|text| text.contains(words));
        self.until(&format!("{venue}, {words}"), said);
    }

    /// Waits until nothing is said any more.
    fn until_well(&mut self) {
        self.until("nothing is said", Said::is_empty);
    }

    /// The next map that the lanes are to take; they haven't.
    fn given(&self, venue: &str) -> Job {
        let job = self.next();
        assert_eq!((job.venue.as_str(), job.in_force.is_some()), (venue, true));
        job
    }

    /// As `given`, whatever ends.
    fn next(&self) -> Job {
        loop {
            match self.jobs.recv_timeout(Duration::from_nanos(PATIENCE.0)) {
                Ok(job) if job.in_force.is_some() => return job,
                Ok(job) => self.done.send(job).unwrap(),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no map is given to the lanes")
                }
            }
        }
    }
}

/// A command that ends when the folder is gone, or with what it brings once that is there.
fn hangs(folder: &Path) -> String {
    let script = folder.join("bring");
    let (here, map) = (folder.join("maps").display().to_string(), folder.join("today.toml"));
    let map = map.display();
    fs::write(
        &script,
        format!("while [ -e {here} ] && [ ! -e {map} ]; do sleep 0.05; done\ncat {map}\n"),
    )
    .unwrap();
    format!(
        "[[maps.venue]]\nname = \"XNAS\"\nformat = \"candor\"\n\
         fetch = {{ command = [\"/bin/sh\", \"{}\"], timeout_ms = 600000 }}\n",
        script.display()
    )
}

#[test]
fn a_fetch_that_hangs_holds_up_neither_what_is_said_of_another_venue_nor_its_map() {
    let mut handler = Handler::new("fetch-hangs", hangs);
    handler.until_said("XNYS", "no map is in force for 2026-11-23");
    handler.folder.put(&map("XNYS", TODAY));
    let job = handler.given("XNYS");
    handler.done.send(job).unwrap();
    // Of its own venue it is said as well, before it ends.
    handler.until_said("XNAS", "what fetches it has not ended yet");
    assert!(!handler.said.contains_key(&(Code::NoMap, "XNYS".to_owned())), "{:?}", handler.said);
    // What it brings at last is taken.
    let folder = handler.folder.path();
    let (new, there) = (folder.join("new"), folder.join("today.toml"));
    fs::write(&new, text_of("XNAS", TODAY)).unwrap();
    fs::rename(new, there).unwrap();
    let job = handler.given("XNAS");
    handler.done.send(job).unwrap();
    handler.until_well();
}

#[test]
fn a_map_that_is_put_in_force_while_a_fetch_hangs_is_taken() {
    let mut handler = Handler::new("by-hand", hangs);
    handler.folder.put(&map("XNYS", TODAY));
    let job = handler.given("XNYS");
    handler.done.send(job).unwrap();
    handler.folder.put(&map("XNAS", TODAY));
    let job = handler.given("XNAS");
    handler.done.send(job).unwrap();
    handler.until_well();
}

#[test]
fn a_lane_that_hangs_holds_up_no_word_of_a_venue_without_a_map() {
    let mut handler = Handler::new("lane-hangs", |_| String::new());
    handler.folder.put(&map("XNAS", TODAY));
    let hangs = handler.given("XNAS");
    handler.until_said("XNYS", "no map is in force for 2026-11-23");
    handler.until_said("XNAS", "waits for the lanes: one of them hangs");
    // What is put in force meanwhile waits as well, and that is said.
    handler.folder.put(&map("XNYS", TODAY));
    handler.until_said("XNYS", "waits for the lanes: one of them hangs");
    assert!(handler.jobs.try_recv().is_err(), "one map at a time");
    handler.done.send(hangs).unwrap();
    let job = handler.given("XNYS");
    handler.done.send(job).unwrap();
    handler.until_well();
}

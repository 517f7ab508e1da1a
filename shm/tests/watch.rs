//! A reader that shows what it is told has changed, and a writer in a process of its own that dies,
//! hangs or hears nothing: what was shown last must not stay live.
#![cfg(not(loom))]

#[allow(dead_code, unreachable_pub, reason = "its main is the example's")]
#[path = "../examples/watch.rs"]
mod example;
mod support;

use std::io::{self, BufRead, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use candor_core::{Mono, Nanos, SymbolIndex};
use candor_shm::{clock, create};
use rustix::process::{Pid, Signal, kill_process};
use support::{Folder, SESSION, book, live, spec, symbol};

const LEASE: Nanos = Nanos::from_millis(50);
const SILENCE: Nanos = Nanos::from_millis(200);
/// What the scheduler of a busy host may add to a lease and a look.
const SLACK: Nanos = Nanos::from_secs(1);
const REGION: &str = "CANDOR_WATCH_REGION";

#[test]
#[ignore = "no test: the writer that the others start as a process"]
fn the_program_of_a_child_process() {
    let Ok(path) = std::env::var(REGION) else { return };
    // A test that is killed can't clean up behind itself.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let mut spec = spec();
    spec.process_lease = LEASE;
    spec.partitions[0].silence = SILENCE;
    let (mut handler, mut lanes) = create(path, &spec).unwrap();
    let lane = &mut lanes[0];
    lane.define(0, SymbolIndex(0), &symbol("AAPL"));
    lane.partition(0, live(), 1, clock::now(), SESSION);
    lane.publish(0, SymbolIndex(0), live(), 1, clock::now(), &book(45));
    handler.set_status(live(), clock::now());
    // Every line on standard input says whether packets come from then on, or that it leaves.
    let said = Arc::new(Mutex::new(String::from("packets")));
    let listened = Arc::clone(&said);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            *listened.lock().unwrap() = line;
        }
    });
    loop {
        let now = clock::now();
        match said.lock().unwrap().as_str() {
            "packets" => lane.lease(0, now + SILENCE),
            "retire" => handler.retire(now),
            _ => {}
        }
        lane.renew(now + LEASE);
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

struct Writer(Child);

impl Writer {
    fn start(region: &Path) -> Writer {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "the_program_of_a_child_process", "--ignored", "--nocapture"]);
        command.env(REGION, region).stdin(Stdio::piped()).stdout(Stdio::null());
        Writer(command.spawn().unwrap())
    }

    fn signal(&self, signal: Signal) -> Mono {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
        clock::now()
    }

    fn say(&mut self, what: &str) -> Mono {
        writeln!(self.0.stdin.as_mut().unwrap(), "{what}").unwrap();
        clock::now()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the example has printed, each line with the time it came.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<Vec<(Mono, String)>>>);

impl Write for Shown {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = self.0.lock().unwrap();
        for piece in std::str::from_utf8(bytes).unwrap().split_inclusive('\n') {
            match lines.last_mut() {
                Some((at, line)) if !line.ends_with('\n') => {
                    *at = clock::now();
                    line.push_str(piece);
                }
                _ => lines.push((clock::now(), piece.to_owned())),
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shown {
    /// Waits until the last line is about the symbol and ends like this; when it came.
    fn until(&self, wanted: &str) -> Mono {
        let begun = clock::now();
        // BOUND: ten seconds.
        loop {
            let last = self.0.lock().unwrap().last().cloned();
            if let Some((at, line)) = &last
                && line.starts_with("AAPL ")
                && line.trim_end().ends_with(wanted)
            {
                return *at;
            }
            let waited = clock::now().since(begun);
            assert!(waited < Nanos::from_secs(10), "no {wanted:?}; the last line is {last:?}");
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
}

/// The end of a line with a live price: a level of the book.
const LIVE: &str = "})";

/// A writer, the example that shows it, and what happens until `scene` ends.
fn watched(scene: impl FnOnce(&mut Writer, &Shown)) {
    let folder = Folder::new();
    let mut writer = Writer::start(&folder.region());
    while !folder.region().exists() {
        std::thread::park_timeout(Duration::from_millis(1));
    }
    let shown = Shown::default();
    let mut out = shown.clone();
    let path = folder.region().display().to_string();
    let example = std::thread::spawn(move || {
        let ended = example::watch(&path, "XNAS", "A", &mut out);
        ended.map_err(|error| error.to_string())
    });
    shown.until(LIVE);
    scene(&mut writer, &shown);
    // Where there is no file any more there is nothing to watch.
    let _ = std::fs::remove_file(folder.region());
    let ended = example.join().unwrap();
    assert!(ended.unwrap_err().contains("open it again"));
}

#[test]
fn a_killed_writer_is_shown_stale_within_its_lease() {
    watched(|writer, shown| {
        let killed = writer.signal(Signal::KILL);
        let at = shown.until("Stale(WriterGone)");
        assert!(at < killed + LEASE + SLACK, "after {}", at.since(killed));
    });
}

#[test]
fn a_stopped_writer_is_shown_stale_within_its_lease_and_live_again_when_it_goes_on() {
    watched(|writer, shown| {
        for _ in 0..3 {
            let stopped = writer.signal(Signal::STOP);
            let at = shown.until("Stale(WriterGone)");
            assert!(at < stopped + LEASE + SLACK, "after {}", at.since(stopped));
            writer.signal(Signal::CONT);
            shown.until(LIVE);
        }
    });
}

#[test]
fn silence_is_shown_within_its_bound_and_its_end_too() {
    watched(|writer, shown| {
        for _ in 0..3 {
            let silent = writer.say("silence");
            let at = shown.until("Stale(Silent)");
            assert!(at < silent + SILENCE + SLACK, "after {}", at.since(silent));
            writer.say("packets");
            shown.until(LIVE);
        }
    });
}

#[test]
fn what_a_handler_says_in_leaving_is_the_last_that_is_shown() {
    watched(|writer, shown| {
        writer.say("retire");
        shown.until("Stale(WriterGone)");
    });
}

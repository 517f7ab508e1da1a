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
use candor_shm::{LaneWriter, clock, create};
use rustix::process::{Pid, Signal, kill_process};
use support::{Folder, SESSION, book, live, partition, spec, symbol};

const LEASE: Nanos = Nanos::from_millis(50);
const SILENCE: Nanos = Nanos::from_millis(200);
/// What the scheduler of a busy host may add to a lease and a look.
const SLACK: Nanos = Nanos::from_millis(300);
/// How long the reader takes over each line: a terminal is no faster, and clocks may be less apart.
const LINE: Duration = Duration::from_millis(2);
/// The symbols of two partitions. Those of the first are written all the time.
const SYMBOLS: [[&str; 2]; 2] = [["AAPL", "AMZN"], ["ABNB", "ADBE"]];
const REGION: &str = "CANDOR_WATCH_REGION";

#[test]
#[ignore = "no test: the writer that the others start as a process"]
fn the_program_of_a_child_process() {
    let Ok(path) = std::env::var(REGION) else { return };
    // A test that is killed can't clean up behind itself.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let mut spec = spec();
    spec.process_lease = LEASE;
    spec.partitions.push(partition("XNAS", "2", 0));
    for partition in &mut spec.partitions {
        partition.silence = SILENCE;
    }
    let (mut handler, mut lanes) = create(path, &spec).unwrap();
    let lane = &mut lanes[0];
    let publish = |lane: &mut LaneWriter, partition, at| {
        lane.publish(partition, SymbolIndex(at), live(), 1, clock::now(), &book(45));
    };
    for (number, names) in (0..).zip(SYMBOLS) {
        lane.partition(number, live(), 1, clock::now(), SESSION);
        for (at, name) in (0..).zip(names) {
            lane.define(number, SymbolIndex(at), &symbol(name));
            publish(lane, number, at);
        }
    }
    handler.set_status(live(), clock::now());
    // Every line on standard input says whether packets come for the second partition from then on,
    // or that it leaves.
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
            "packets" => lane.lease(1, now + SILENCE),
            "retire" => handler.retire(now),
            _ => {}
        }
        lane.lease(0, now + SILENCE);
        lane.renew(now + LEASE);
        publish(lane, 0, 0);
        publish(lane, 0, 1);
        std::thread::park_timeout(Duration::from_millis(1));
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
        drop(lines);
        if bytes.ends_with(b"\n") {
            std::thread::park_timeout(LINE);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shown {
    /// When the last line about the symbol came, where it ends like this.
    fn last(&self, symbol: &str, wanted: &str) -> Option<Mono> {
        let lines = self.0.lock().unwrap();
        let about = |(_, line): &&(Mono, String)| line.split(' ').next() == Some(symbol);
        let (at, line) = lines.iter().rev().find(about)?;
        line.trim_end().ends_with(wanted).then_some(*at)
    }

    /// Waits until the last line about each symbol of these partitions ends like this; when the last of
    /// them first did.
    fn until(&self, partitions: &[usize], wanted: &str) -> Mono {
        let begun = clock::now();
        let symbols = || partitions.iter().flat_map(|at| SYMBOLS[*at]);
        // BOUND: ten seconds.
        loop {
            if let Some(all) =
                symbols().map(|symbol| self.last(symbol, wanted)).collect::<Option<Vec<_>>>()
            {
                return all.into_iter().max().unwrap();
            }
            let waited = clock::now().since(begun);
            let last = self.0.lock().unwrap().last().cloned();
            assert!(waited < Nanos::from_secs(10), "no {wanted:?}; the last line is {last:?}");
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
}

/// The end of a line with a live price: a level of the book.
const LIVE: &str = "})";

const BOTH: [usize; 2] = [0, 1];

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
    shown.until(&BOTH, LIVE);
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
        let at = shown.until(&BOTH, "Stale(WriterGone)");
        assert!(at < killed + LEASE + SLACK, "after {}", at.since(killed));
    });
}

#[test]
fn a_stopped_writer_is_shown_stale_within_its_lease_and_live_again_when_it_goes_on() {
    watched(|writer, shown| {
        for _ in 0..3 {
            let stopped = writer.signal(Signal::STOP);
            let at = shown.until(&BOTH, "Stale(WriterGone)");
            assert!(at < stopped + LEASE + SLACK, "after {}", at.since(stopped));
            writer.signal(Signal::CONT);
            shown.until(&BOTH, LIVE);
        }
    });
}

#[test]
fn silence_is_shown_within_its_bound_and_its_end_too() {
    watched(|writer, shown| {
        for _ in 0..3 {
            let silent = writer.say("silence");
            let at = shown.until(&[1], "Stale(Silent)");
            assert!(at < silent + SILENCE + SLACK, "after {}", at.since(silent));
            shown.until(&[0], LIVE);
            writer.say("packets");
            shown.until(&BOTH, LIVE);
        }
    });
}

#[test]
fn what_a_handler_says_in_leaving_is_the_last_that_is_shown() {
    watched(|writer, shown| {
        writer.say("retire");
        shown.until(&BOTH, "Stale(WriterGone)");
    });
}

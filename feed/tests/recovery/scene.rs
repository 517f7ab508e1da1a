//! An exchange with services, handlers that listen to it, and readers that judge what they show.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::thread::{self, JoinHandle};

use candor_core::counters::{Counter, LaneCounter};
use candor_core::{BookView, Mono, Nanos, Reason, Symbol};
use candor_shm::{Handle, PartitionInfo, Read, Region, clock};
use candor_sim::truth::{Truth, Verdict};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::child;
pub use crate::wait::{ONE_TEST, eventually, pause, within_a_day};

/// Waits short enough for a test. Nothing of what is tested depends on them but how long it takes.
pub const QUICK: &str = "recovery = { timeout_ms = 20, patience_ms = 150, begin_ms = 2000, \
                         idle_ms = 700, whole_ms = 4000, retry_ms = 100, retry_max_ms = 400 }\n\
                         snapshot_budget = { minute = 1000 }";

/// A process that does not outlive its owner.
pub struct Process(Child);

impl Process {
    fn start(mut command: Command, log: &Path) -> Process {
        let log = File::options().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log);
        Process(command.spawn().unwrap())
    }

    pub fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// Ends it in order, and gives its exit code.
    pub fn end(mut self) -> Option<i32> {
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        eventually("the process ends", || self.0.try_wait().unwrap()).code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An exchange of two partitions, and a folder for everything. Gone when dropped.
pub struct Scene {
    folder: PathBuf,
    shape: Vec<String>,
    /// The address that the exchange's packets come from.
    sender: &'static str,
    pub exchange: Option<Process>,
}

/// The first of four ports that nobody has: for the services of a scene, away from those of the lines, and from those
/// that a kernel gives to whoever connects.
fn four_ports() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = std::process::id() as u16 % 50 * 200;
    let free = |port: u16| {
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
            && UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
    };
    let mut all =
        (0..500).map(|_| 10_000 + (own + NEXT.fetch_add(4, Ordering::Relaxed) % 2_000) % 10_000);
    all.find(|first| (*first..first + 4).all(free)).expect("four ports that nobody has")
}

/// What is asked before the open, and of a resume: nobody vouches for the clock of a machine that tests run on.
pub const PREOPEN: &str =
    "\n[preopen]\nclock = \"any\"\ndisk_mb = 1\nmemory_mb = 1\ndrill = \"no\"\n";

impl Scene {
    /// An exchange with these flags besides, not started.
    pub fn new(name: &str, services: bool) -> Scene {
        within_a_day(Nanos::ZERO, ONE_TEST);
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let folder = base.join(format!("candor-recovery-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let group = format!("239.{}.{}.1", 79 + nth / 31, nth % 31 * 8);
        let port = 20_000 + (std::process::id() as u16 % 1_000) * 20 + nth;
        let mut shape: Vec<String> =
            ["--partitions", "2", "--symbols", "40"].map(str::to_owned).into();
        shape.extend([
            "--group-base".to_owned(),
            group,
            "--port-base".to_owned(),
            port.to_string(),
        ]);
        shape.extend(["--service-port-base".to_owned(), four_ports().to_string()]);
        let mut scene = Scene { folder, shape, sender: "127.0.0.1", exchange: None };
        if services {
            scene.shape.extend(["--services", "127.0.0.1"].map(str::to_owned));
        }
        scene
    }

    /// The lines of this scene are from now on those of another, without its services.
    pub fn exchange_of(&mut self, other: &Scene) {
        let services = other.shape.iter().position(|flag| flag == "--services").unwrap();
        self.shape = other.shape[..services].to_vec();
    }

    /// The lines of this scene are from now on those of another, and its services its own.
    pub fn lines_of(&mut self, other: &Scene) {
        for flag in ["--group-base", "--port-base"] {
            let at = |shape: &[String]| shape.iter().position(|own| own == flag).unwrap() + 1;
            let own = at(&self.shape);
            self.shape[own].clone_from(&other.shape[at(&other.shape)]);
        }
    }

    /// The exchange's packets come from this address of the loopback interface.
    pub fn sends_from(&mut self, address: &'static str) {
        self.sender = address;
    }

    /// Another feed than Nasdaq's.
    pub fn feed(&mut self, feed: &str) {
        self.shape.extend(["--feed".to_owned(), feed.to_owned()]);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Starts the exchange and waits until it takes commands.
    pub fn open(&mut self, flags: &[&str]) {
        let mut arguments = vec!["run".to_owned()];
        arguments.extend(self.shape.iter().cloned());
        for (flag, value) in [
            ("--interface", self.sender.to_owned()),
            ("--rate", "2000".to_owned()),
            ("--heartbeat", "100ms".to_owned()),
            ("--truth", self.path("truth").display().to_string()),
            ("--control", self.path("control").display().to_string()),
        ] {
            arguments.extend([flag.to_owned(), value]);
        }
        arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
        let mut exchange = Process::start(child::exchange(&arguments), &self.path("exchange.log"));
        eventually("the exchange listens", || {
            assert!(exchange.is_running(), "the exchange ended:\n{}", self.log("exchange.log"));
            candor_sim::cli::ask(&self.path("control"), "status").ok()
        });
        self.exchange = Some(exchange);
    }

    /// Gives the exchange a command.
    pub fn tell(&self, command: &str) {
        let answer = candor_sim::cli::ask(&self.path("control"), command);
        answer.unwrap_or_else(|error| panic!("{command}: {error}"));
    }

    /// What the exchange says of its first partition.
    fn first(&self) -> Value {
        let answer = candor_sim::cli::ask(&self.path("control"), "status").unwrap();
        let mut status: Value = serde_json::from_str(&answer).unwrap();
        status["partitions"][0].take()
    }

    /// What it says of a service of that.
    pub fn service(&self, service: &str, count: &str) -> u64 {
        self.first()["services"][service][count].as_u64().unwrap()
    }

    /// The number of its next message.
    pub fn next(&self) -> u64 {
        self.first()["next"].as_u64().unwrap()
    }

    /// Writes the configuration of a handler of this name, with more keys of the venue.
    pub fn configure(&self, name: &str, venue: &str) -> PathBuf {
        let mut flags = self.shape.clone();
        for (flag, value) in [
            ("--handler-interface", "lo".to_owned()),
            ("--name", name.to_owned()),
            ("--region", self.path(name).display().to_string()),
            ("--silence-ms", "1500".to_owned()),
        ] {
            flags.extend([flag.to_owned(), value]);
        }
        let text = candor_sim::cli::handler_config(&flags).unwrap();
        // Without privilege the kernel gives no more.
        let text =
            text.replace("interface = \"lo\"\n", "interface = \"lo\"\nreceive_buffer = 100000\n");
        let text = text.replace("\nsilence_ms", &format!("\n{venue}\nlate_ms = 200\nsilence_ms"));
        let path = self.path(&format!("{name}.toml"));
        fs::write(&path, text + PREOPEN).unwrap();
        path
    }

    /// Starts a handler of this name with its configuration and waits until it runs.
    pub fn handler(&self, name: &str) -> Handler {
        let live = |region: &Region| region.handler_status(clock::now()).is_live();
        self.handler_of(Path::new(env!("CARGO_BIN_EXE_candor")), name, live)
    }

    /// Starts a handler that is this program, and waits until its region is as it should be.
    pub fn handler_of(
        &self,
        program: &Path,
        name: &str,
        is_ready: impl Fn(&Region) -> bool,
    ) -> Handler {
        let before = Region::open(self.path(name)).map_or(0, |region| region.generation());
        let mut command = Command::new(program);
        command.args(["run", "-c"]).arg(self.path(&format!("{name}.toml")));
        let log = format!("{name}.log");
        let mut process = Process::start(command, &self.path(&log));
        let region = eventually("the handler runs", || {
            assert!(process.is_running(), "the handler ended:\n{}", self.log(&log));
            let region = Region::open(self.path(name)).ok()?;
            let runs = region.generation() > before;
            (runs && is_ready(&region)).then_some(region)
        });
        Handler { process, region, log: self.path(&log) }
    }

    /// What `candor` prints with these arguments.
    pub fn candor(&self, arguments: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_candor")).args(arguments).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    }

    pub fn log(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Stops the exchange; returns all that was true.
    pub fn truth(&mut self) -> Truth {
        self.tell("quit");
        let mut exchange = self.exchange.take().unwrap();
        eventually("the exchange ends", || (!exchange.is_running()).then_some(()));
        Truth::open(self.path("truth")).unwrap()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.exchange = None;
        if thread::panicking() {
            for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.extension().is_some_and(|end| end == "log" || end == "toml") {
                    eprintln!(
                        "{}:\n{}",
                        path.display(),
                        fs::read_to_string(&path).unwrap_or_default()
                    );
                }
            }
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A handler that runs.
pub struct Handler {
    pub process: Process,
    pub region: Region,
    log: PathBuf,
}

impl Handler {
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// A partition now, counted from 0.
    pub fn partition(&self, index: u16) -> PartitionInfo {
        self.region.partition(index, clock::now()).unwrap()
    }

    pub fn reason(&self, index: u16) -> Option<Reason> {
        self.partition(index).status.reason()
    }

    pub fn count(&self, index: u16, counter: Counter) -> u64 {
        self.partition(index).counters.get(counter)
    }

    pub fn stalls(&self) -> u64 {
        self.region.lanes(clock::now()).map(|lane| lane.get(LaneCounter::Stalls)).sum()
    }

    /// The symbols of a partition.
    pub fn symbols(&self, index: u16) -> Vec<(Handle, Symbol)> {
        self.region.symbols(index).collect()
    }

    /// How many symbols of a partition are live.
    pub fn live(&self, index: u16) -> usize {
        let symbols = self.region.symbols(index);
        symbols.filter(|(handle, _)| self.region.read(*handle).live().is_some()).count()
    }

    /// Whether all twenty are.
    pub fn is_live(&self, index: u16) -> bool {
        self.symbols(index).len() == 20 && self.live(index) == 20
    }

    /// Whether they stay live: a machine with other things to do may let its handler wait for a moment.
    pub fn stays_live(&self, index: u16) -> bool {
        (0..100).any(|_| {
            self.is_live(index) || {
                pause(Nanos::from_millis(2));
                false
            }
        })
    }

    pub fn until_live(&self) {
        eventually("every symbol is live", || (self.is_live(0) && self.is_live(1)).then_some(()));
    }

    pub fn until_reason(&self, index: u16, reasons: &[Reason]) {
        eventually(&format!("partition {index} is {reasons:?}"), || {
            self.reason(index).filter(|reason| reasons.contains(reason))
        });
    }
}

/// What a reader saw live, and when.
pub type Seen = (Symbol, BookView, Mono);

/// A reader on a thread of its own that looks at every symbol again and again.
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Seen>>,
}

impl Watch {
    pub fn start(handler: &Handler) -> Watch {
        let stop = Arc::new(AtomicBool::new(false));
        let (region, stopped) = (handler.region.clone(), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let mut seen: Vec<Seen> = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                for partition in 0..region.partition_count() {
                    for (handle, symbol) in region.symbols(partition) {
                        let at = clock::now();
                        if let Read::Live(view) = region.read(handle) {
                            seen.push((symbol, view.book, at));
                        }
                    }
                }
                // What is seen differs from look to look; the rest is the machine's to use.
                pause(Nanos::from_millis(1));
            }
            seen
        });
        Watch { stop, thread }
    }

    /// Ends it, and judges everything it saw live by what the exchange knows to be true.
    pub fn judge(self, scene: &mut Scene) -> usize {
        let seen = self.end();
        judge(&[&scene.truth()], &seen)
    }

    /// Ends it; returns everything it saw live.
    pub fn end(self) -> Vec<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// What no line carried is known with the next packet or by silence at the latest.
const GRACE: Nanos = Nanos::from_secs(3);

/// The first that was seen live and is not true by any of these, of each symbol that has one.
pub fn wrong(truths: &[&Truth], seen: &[Seen]) -> BTreeMap<Symbol, u64> {
    let mut wrong = BTreeMap::new();
    for (symbol, book, at) in seen {
        let verdict = |truth: &&Truth| truth.judge(symbol, book, *at, GRACE);
        if !truths.iter().map(verdict).any(|verdict| verdict == Verdict::True) {
            wrong.entry(*symbol).or_insert(book.seq);
        }
    }
    wrong
}

/// Judges everything that was seen live by exchanges that each sent some of it.
pub fn judge(truths: &[&Truth], seen: &[Seen]) -> usize {
    assert!(!seen.is_empty(), "nothing was ever live: nothing is proven");
    let wrong = wrong(truths, seen);
    assert!(wrong.is_empty(), "not true at these numbers: {wrong:?}");
    let (symbol, book, at) = seen.iter().find(|(_, book, _)| book.bid_count > 0).unwrap();
    let mut other = *book;
    other.bids[0].size += 1;
    for truth in truths {
        assert_eq!(truth.judge(symbol, &other, *at, GRACE), Verdict::False, "it would be noticed");
    }
    seen.len()
}

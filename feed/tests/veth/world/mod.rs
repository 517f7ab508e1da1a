//! A small world for one test: two network namespaces, an exchange in one, a handler in the other,
//! and a folder for the region and the log of truth. Gone when dropped, whatever happened.

mod namespaces;
mod process;
mod steering;

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use candor_core::counters::LaneCounter;
use candor_core::{Mono, Nanos, Symbol, Venue};
use candor_shm::{Handle, LaneInfo, PartitionInfo, Region, clock};
use candor_sim::market::{Market, MarketConfig};
use candor_sim::truth::Truth;
use serde_json::Value;

use crate::child;
pub use crate::wait::{ONE_TEST, PATIENCE, by, eventually, pause, within_a_day};
use namespaces::Namespaces;
pub use namespaces::{EXCHANGE_INTERFACE, HANDLER_INTERFACE, SECOND_INTERFACE, SENDER, inside};
pub use process::{Halt, Process};

/// The lane's lease, the handler's default.
pub const LEASE: Nanos = Nanos::from_millis(50);

/// What a world is made of.
pub struct Plan {
    pub partitions: usize,
    pub symbols: usize,
    /// Messages a second over all partitions.
    pub rate: u64,
    pub silence: Nanos,
    pub grace: Nanos,
    pub heartbeat: Nanos,
    pub source: &'static str,
    pub idle: &'static str,
    /// Lanes, each with a queue of its own. With more than one the exchange's frames are steered.
    pub lanes: usize,
    /// Whether the exchange has the venue's services, and the handler is told of them.
    pub services: bool,
    /// More flags of the exchange.
    pub flags: &'static [&'static str],
    /// The configuration as the exchange prints it, changed.
    pub edit: fn(String) -> String,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan::DEFAULT
    }
}

impl Plan {
    pub const DEFAULT: Plan = Plan {
        partitions: 4,
        symbols: 160,
        rate: 8_000,
        silence: Nanos::from_millis(600),
        grace: Nanos::from_millis(1),
        heartbeat: Nanos::from_millis(100),
        source: "af_xdp",
        idle: "block",
        lanes: 1,
        services: false,
        flags: &[],
        edit: |text| text,
    };

    fn shape(&self) -> Vec<String> {
        let (partitions, symbols) = (self.partitions.to_string(), self.symbols.to_string());
        let mut flags = ["--partitions", &partitions, "--symbols", &symbols].to_vec();
        let [a, b, c, d] = namespaces::SENDER;
        let address = format!("{a}.{b}.{c}.{d}");
        if self.services {
            flags.extend(["--services", &address]);
        }
        flags.into_iter().map(str::to_owned).collect()
    }

    /// The symbols of each partition, as the exchange lists them.
    pub fn symbols(&self) -> Vec<Vec<Symbol>> {
        let (partitions, symbols) = (self.partitions, self.symbols);
        let market = Market::new(MarketConfig { partitions, symbols, ..MarketConfig::default() });
        market.partitions.iter().map(|partition| partition.symbols().collect()).collect()
    }
}

/// See the module's description.
pub struct World {
    pub plan: Plan,
    // Dropped in this order: processes first, then where they ran.
    pub handler: Option<Process>,
    pub exchange: Option<Process>,
    namespaces: Namespaces,
    folder: PathBuf,
    /// Held while the world exists: one at a time on this machine.
    _turn: OwnedFd,
}

/// What is asked before the open, and of a resume: nobody vouches for the clock of a machine that tests run on.
pub const PREOPEN: &str =
    "\n[preopen]\nclock = \"any\"\nlisten_ms = 3000\ndisk_mb = 1\nmemory_mb = 1\ndrill = \"no\"\n";

impl World {
    /// A world without processes yet. `None` after saying why the test is skipped.
    pub fn new(test: &str, plan: Plan) -> Option<World> {
        within_a_day(Nanos::ZERO, ONE_TEST);
        let host = candor_af_xdp::probe::host().ok()?;
        // CAP_NET_ADMIN, and CAP_SYS_ADMIN for the namespaces; the rest is root's anyway.
        let needed: u64 = 1 << 12 | 1 << 21;
        if host.capabilities & needed != needed {
            println!("skipped: {test}: needs CAP_NET_ADMIN");
            return None;
        }
        let turn = turn();
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        namespaces::sweep(&base);
        let (namespaces, name) = Namespaces::new(plan.lanes);
        let folder = base.join(name);
        fs::create_dir_all(&folder).unwrap();
        let world = World { plan, handler: None, exchange: None, namespaces, folder, _turn: turn };
        fs::write(world.path("handler.toml"), world.configuration()).unwrap();
        if world.plan.lanes > 1 {
            let config = candor::config::load(&world.path("handler.toml")).unwrap();
            world.steer(|partition| config.partitions[partition].lane.into());
        }
        Some(world)
    }

    /// The same with everything running and every symbol live.
    pub fn running(test: &str, plan: Plan) -> Option<World> {
        let mut world = World::new(test, plan)?;
        world.start_handler();
        world.start_exchange();
        world.until_live();
        Some(world)
    }

    /// A file of this world.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn receiving(&self) -> &str {
        &self.namespaces.receiving
    }

    pub fn sending(&self) -> &str {
        &self.namespaces.sending
    }

    /// From now on each partition's frames come to the queue said.
    pub fn steer(&self, queue: impl Fn(usize) -> u32) {
        let config = candor::config::load(&self.path("handler.toml")).unwrap();
        let partitions = config.partitions.iter().enumerate();
        let groups = partitions
            .flat_map(|(at, partition)| partition.lines().map(move |(_, line)| (line.group, at)));
        let rules: Vec<_> = groups.map(|(group, at)| (group, queue(at))).collect();
        steering::steer(self.sending(), namespaces::EXCHANGE_INTERFACE, &rules);
    }

    /// Gives the handler its second card. What the configuration has there comes by that from now on.
    pub fn add_second_card(&self) {
        self.namespaces.add_second();
        let config = candor::config::load(&self.path("handler.toml")).unwrap();
        let lines = config.subscribed_lines();
        let second = lines.filter(|(_, _, line)| line.interface == SECOND_INTERFACE);
        let groups: Vec<_> = second.map(|(_, _, line)| line.group).collect();
        let to = (&groups[..], namespaces::SECOND_EXCHANGE_INTERFACE);
        steering::redirect(self.sending(), namespaces::EXCHANGE_INTERFACE, to);
    }

    /// Takes a card away from the handler, as a driver that is unloaded does.
    pub fn remove_card(&self, interface: &str) -> Mono {
        let before = clock::now();
        self.namespaces.remove(interface);
        before
    }

    fn configuration(&self) -> String {
        let plan = &self.plan;
        let region = self.path("region").display().to_string();
        let mut flags = plan.shape();
        for (flag, value) in [
            ("--source", plan.source.to_owned()),
            ("--handler-interface", HANDLER_INTERFACE.to_owned()),
            ("--region", region),
            ("--idle", plan.idle.to_owned()),
            ("--lanes", plan.lanes.to_string()),
            ("--silence-ms", (plan.silence.0 / 1_000_000).to_string()),
            ("--reorder-grace-us", (plan.grace.0 / 1_000).to_string()),
        ] {
            flags.extend([flag.to_owned(), value]);
        }
        let text = candor_sim::cli::handler_config(&flags).unwrap();
        // As long as the lane's lease, so that no partition is late without a stall being counted.
        let text = text.replace("\nsilence_ms", "\nlate_ms = 50\nsilence_ms");
        (plan.edit)(text + PREOPEN)
    }

    /// Starts the handler without waiting for anything.
    pub fn spawn_handler(&mut self) -> &mut Process {
        self.spawn_handler_of(Path::new(env!("CARGO_BIN_EXE_candor")), &[])
    }

    fn spawn_handler_of(&mut self, program: &Path, flags: &[&str]) -> &mut Process {
        let mut command = namespaces::launcher(self.receiving());
        command.arg(program).args(["run", "-c"]).arg(self.path("handler.toml")).args(flags);
        self.handler = Some(Process::spawn(command, &self.path("handler.log")));
        self.handler.as_mut().unwrap()
    }

    /// As [`World::start_handler`], with another program.
    pub fn start_handler_of(&mut self, program: &Path) -> Region {
        let before = Region::open(self.path("region")).map_or(0, |region| region.generation());
        self.spawn_handler_of(program, &[]);
        self.until_runs(before)
    }

    /// Starts the handler and waits until it runs. Returns its region.
    pub fn start_handler(&mut self) -> Region {
        let before = Region::open(self.path("region")).map_or(0, |region| region.generation());
        self.spawn_handler();
        self.until_runs(before)
    }

    /// The same with more flags.
    pub fn start_handler_with(&mut self, flags: &[&str]) -> Region {
        let before = Region::open(self.path("region")).map_or(0, |region| region.generation());
        self.spawn_handler_of(Path::new(env!("CARGO_BIN_EXE_candor")), flags);
        self.until_runs(before)
    }

    /// Starts the handler as a library in a process of this binary, whose lanes are counted.
    pub fn start_counted_handler(&mut self) -> Region {
        let launcher = namespaces::launcher(self.receiving());
        let config = [self.path("handler.toml").display().to_string()];
        let command = child::command(launcher, "handler", &config);
        self.handler = Some(Process::spawn(command, &self.path("handler.log")));
        self.until_runs(0)
    }

    fn until_runs(&mut self, before: u64) -> Region {
        let path = self.path("region");
        let handler = self.handler.as_mut().unwrap();
        eventually("the handler runs", || {
            assert!(handler.is_running(), "the handler ended:\n{}", handler.log());
            let region = Region::open(&path).ok().filter(|region| region.generation() > before)?;
            region.handler_status(clock::now()).is_live().then_some(region)
        })
    }

    /// Starts the exchange and waits until it takes commands.
    pub fn start_exchange(&mut self) {
        let plan = &self.plan;
        let mut arguments = vec!["run".to_owned()];
        arguments.extend(plan.shape());
        for (flag, value) in [
            ("--interface", namespaces::EXCHANGE_INTERFACE.to_owned()),
            ("--rate", plan.rate.to_string()),
            ("--heartbeat", format!("{}us", plan.heartbeat.0 / 1_000)),
            ("--truth", self.path("truth").display().to_string()),
            ("--control", self.path("control").display().to_string()),
        ] {
            arguments.extend([flag.to_owned(), value]);
        }
        arguments.extend(plan.flags.iter().map(|flag| (*flag).to_owned()));
        let launcher = namespaces::launcher(self.sending());
        let command = child::command(launcher, "exchange", &arguments);
        let mut exchange = Process::spawn(command, &self.path("exchange.log"));
        let control = self.path("control");
        eventually("the exchange listens", || {
            assert!(exchange.is_running(), "the exchange ended:\n{}", exchange.log());
            candor_sim::cli::ask(&control, "status").ok()
        });
        self.exchange = Some(exchange);
    }

    /// Gives the exchange a command; returns its answer and a moment before which it was not given.
    pub fn tell(&self, command: &str) -> Mono {
        let before = clock::now();
        let answer = candor_sim::cli::ask(&self.path("control"), command);
        answer.unwrap_or_else(|error| panic!("{command}: {error}"));
        before
    }

    /// What the exchange says of itself.
    pub fn status(&self) -> Value {
        let answer = candor_sim::cli::ask(&self.path("control"), "status").unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    /// Stops the exchange; returns all that was true.
    pub fn end_exchange(&mut self) -> Truth {
        self.tell("quit");
        let mut exchange = self.exchange.take().unwrap();
        eventually("the exchange ends", || (!exchange.is_running()).then_some(()));
        Truth::open(self.path("truth")).unwrap()
    }

    pub fn region(&self) -> Region {
        Region::open(self.path("region")).unwrap()
    }

    /// Every symbol there is, by partition.
    pub fn handles(&self, region: &Region) -> Vec<(Handle, Symbol)> {
        (0..region.partition_count()).flat_map(|p| region.symbols(p).collect::<Vec<_>>()).collect()
    }

    /// What the exchange says that a service of all partitions has counted.
    pub fn service(&self, service: &str, count: &str) -> u64 {
        let status = self.status();
        let partitions = status["partitions"].as_array().unwrap().iter();
        partitions.map(|one| one["services"][service][count].as_u64().unwrap()).sum()
    }

    /// Waits until every symbol of the exchange is live, none missing.
    pub fn until_live(&self) {
        self.live_by(clock::now() + PATIENCE);
    }

    /// The same, which is to be so by a time.
    pub fn live_by(&self, until: Mono) {
        let region = self.region();
        let all: Vec<Symbol> = self.plan.symbols().into_iter().flatten().collect();
        by(until, "every symbol is live", || {
            let live = |symbol| {
                let handle = region.find(&venue(), symbol);
                handle.is_some_and(|handle| region.read(handle).live().is_some())
            };
            all.iter().all(live).then_some(())
        });
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for process in [&self.handler, &self.exchange].into_iter().flatten() {
                eprintln!("{}", process.log());
            }
        }
        (self.handler, self.exchange) = (None, None);
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The venue of the exchange's market.
pub fn venue() -> Venue {
    Venue::from_wire(b"XNAS").unwrap()
}

/// A partition now, counted from 0.
pub fn partition(region: &Region, index: usize) -> PartitionInfo {
    region.partition(index as u16, clock::now()).unwrap()
}

/// The only lane now.
pub fn lane(region: &Region) -> LaneInfo {
    region.lanes(clock::now()).next().unwrap()
}

/// How often any lane stood still for longer than its lease: the machine's doing, unless a test's.
pub fn stalls(region: &Region) -> u64 {
    region.lanes(clock::now()).map(|lane| lane.get(LaneCounter::Stalls)).sum()
}

/// Waits for the turn of this test. Each loads the whole machine and measures time on it.
fn turn() -> OwnedFd {
    let path = std::env::temp_dir().join("candor-veth.turn");
    let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(path).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
    file.into()
}

/// Runs a program to its end. Returns what it printed on both outputs, and its exit code.
pub fn finished(mut command: Command) -> (String, i32) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8_lossy(&text).into_owned(), output.status.code().unwrap_or(-1))
}

/// `candor` with these arguments in the handler's namespace.
pub fn candor(world: &World, arguments: &[&str]) -> Command {
    let mut command = namespaces::launcher(world.receiving());
    command.arg(env!("CARGO_BIN_EXE_candor")).args(arguments);
    command
}

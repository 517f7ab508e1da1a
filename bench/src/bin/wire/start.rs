//! From a handler's start beside an open market to the first symbol that is Live, and to the last, by the venue's
//! snapshots over real sockets; and the memory it has taken by then.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use candor_core::Nanos;
use candor_shm::{Region, clock};
use rustix::process::{Pid, Signal, kill_process};

use crate::Problem;
use crate::traffic::pause;
use crate::veth::{RECEIVES, SENDS, Veth};

/// Symbols of a partition. A configuration made for so few has room for 16,384 orders.
const SYMBOLS: usize = 100;
/// Messages a second while the market opens: directory, states and six orders a symbol.
const OPENING: usize = 200_000;
/// Messages a second once it is open.
const RATE: usize = 5_000;
/// How long everything may take.
const PATIENCE: Nanos = Nanos::from_secs(120);
/// A late handler asks for a snapshot of each partition: the venue lets it.
const BUDGET: &str = "snapshot_budget = { minute = 10000, day = 100000, at_once = 16 }";

/// One row for each number of partitions.
pub(crate) fn measure(partitions: &[u16]) -> Result<(), Problem> {
    println!("| partitions | running, ms | first Live, ms | all Live, ms | peak MB | region MB |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for count in partitions {
        let Row { running, first, all, peak, region } = once(*count)?;
        let [running, first, all] = [running, first, all].map(|time| time.0 / 1_000_000);
        let [peak, region] = [peak, region].map(|bytes| bytes / 1_000_000);
        println!("| {count} | {running} | {first} | {all} | {peak} | {region} |");
    }
    Ok(())
}

struct Row {
    running: Nanos,
    first: Nanos,
    all: Nanos,
    peak: u64,
    region: u64,
}

/// A process that ends with its place here.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}

/// A folder that goes with its place here.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn once(partitions: u16) -> Result<Row, Problem> {
    let folder = Folder(PathBuf::from(format!("/dev/shm/candor-start-{}", std::process::id())));
    fs::create_dir_all(&folder.0).map_err(Problem::of("/dev/shm"))?;
    let (path, config) = (folder.0.join("region"), folder.0.join("candor.toml"));
    let market = [
        "--partitions".to_owned(),
        partitions.to_string(),
        "--symbols".to_owned(),
        (usize::from(partitions) * SYMBOLS).to_string(),
    ];
    fs::write(&config, configuration(&market, &path)?).map_err(Problem::of("/dev/shm"))?;
    let veth = Veth::new()?;
    let _exchange = veth.in_sending(|| {
        let mut exchange = program("candor-exchange")?;
        exchange.arg("run").args(&market).args(["--interface", SENDS, "--services"]);
        exchange.args(["--rate", &RATE.to_string(), "--opening-rate", &OPENING.to_string()]);
        spawn(&mut exchange)
    })?;
    let messages = usize::from(partitions) * SYMBOLS * 8;
    let open = clock::now() + Nanos::from_secs(2 + (messages / OPENING) as u64);
    while clock::now() < open {
        pause(10_000_000);
    }
    let begun = clock::now();
    let mut handler = veth.in_receiving(|| {
        let mut handler = program("candor")?;
        handler.args(["run", "--config"]).arg(&config);
        spawn(&mut handler)
    })?;
    let region = wait(&mut handler, || Region::open(&path).ok())?;
    let live = |region: &Region| region.handler_status_when(clock::now).is_live().then_some(());
    wait(&mut handler, || live(&region))?;
    let running = clock::now().since(begun);
    let named = |at: u16| region.symbols(at).next().is_some();
    let is_live =
        |at: u16| named(at) && region.symbols(at).all(|(one, _)| region.read(one).live().is_some());
    let any = || (0..partitions).find(|at| is_live(*at)).map(drop);
    wait(&mut handler, any)?;
    let first = clock::now().since(begun);
    for at in 0..partitions {
        wait(&mut handler, || is_live(at).then_some(()))?;
    }
    let all = clock::now().since(begun);
    let peak = peak(handler.0.id());
    let region = fs::metadata(&path).map_or(0, |file| file.len());
    Ok(Row { running, first, all, peak, region })
}

/// The handler's configuration for this market.
fn configuration(market: &[String], region: &Path) -> Result<String, Problem> {
    let mut config = program("candor-exchange")?;
    config.arg("config").args(market).args(["--source", "af_xdp", "--mode", "copy"]);
    config
        .args(["--services", "10.79.0.1", "--handler-interface", RECEIVES, "--region"])
        .arg(region);
    let output = config.output().map_err(Problem::of("candor-exchange"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(Problem::Other(format!("candor-exchange config: {}", why.trim())));
    }
    let grace = "reorder_grace_us = 1000\n";
    Ok(text.replacen(grace, &format!("{grace}{BUDGET}\n"), 1))
}

/// A program that was built beside this one.
fn program(name: &str) -> Result<Command, Problem> {
    let own = std::env::current_exe().map_err(Problem::of("this program's own name"))?;
    Ok(Command::new(own.with_file_name(name)))
}

fn spawn(command: &mut Command) -> Result<Running, Problem> {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let refused = "a program built beside this one (cargo build --release) can't be started";
    Ok(Running(quiet.spawn().map_err(Problem::of(refused))?))
}

/// Looks again each millisecond until there is something.
fn wait<T>(handler: &mut Running, mut look: impl FnMut() -> Option<T>) -> Result<T, Problem> {
    let until = clock::now() + PATIENCE;
    while clock::now() < until {
        if let Some(found) = look() {
            return Ok(found);
        }
        if let Ok(Some(status)) = handler.0.try_wait() {
            return Err(Problem::Other(format!("the handler ended: {status}")));
        }
        pause(1_000_000);
    }
    Err(Problem::Other(format!("not within {} s", PATIENCE.0 / 1_000_000_000)))
}

/// The most that was in memory of a process at once; 0 where the kernel doesn't say.
fn peak(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    candor_bench::machine::bytes_of(&status, "VmHWM:")
}

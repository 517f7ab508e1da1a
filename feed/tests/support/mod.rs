//! What the tests of one handler and its region share: a folder, a configuration with ordinary sockets
//! on the loopback interface, and the handler's process.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

mod wait;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use candor_core::Nanos;
use candor_shm::{Region, clock};
use rustix::process::{Pid, Signal, kill_process};

pub use wait::*;

/// The text of a configuration: `extra` under `[handler]`, and these lanes and venues.
pub fn config(region: &Path, extra: &str, lanes_and_venues: &str) -> String {
    let region = region.display();
    format!(
        "[handler]\nname = \"mdh1\"\nregion = \"{region}\"\n{extra}\n\
         [source]\nkind = \"udp\"\ninterface = \"lo\"\n{lanes_and_venues}\n{PREOPEN}"
    )
}

/// What is asked before the open, and of a resume: nobody vouches for the clock of a machine that tests run on.
pub const PREOPEN: &str = "[preopen]\nclock = \"any\"\ndisk_mb = 1\nmemory_mb = 1\n";

/// A folder of a test's own, gone afterwards.
pub struct Folder(PathBuf);

impl Folder {
    /// Of this name among the folders of these tests.
    pub fn new(tests: &str, name: &str) -> Folder {
        within_a_day(Nanos::ZERO, ONE_TEST);
        let path = PathBuf::from(format!("/dev/shm/candor-{tests}-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        // Others may look, so that it is the file in question that refuses them.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Folder(path)
    }

    pub fn root(&self) -> &Path {
        &self.0
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// What is in it, but for configurations, logs and journals.
    pub fn list(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| ![".toml", ".log", ".journal"].iter().any(|end| name.ends_with(end)));
        names.sort();
        names
    }

    /// A file that is appended to.
    pub fn log(&self, name: &str) -> fs::File {
        fs::File::options().create(true).append(true).open(self.path(name)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The program under test.
pub fn candor(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_candor"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// A handler of this configuration, to be started.
pub fn run(config: &Path) -> Command {
    let mut command = candor(&["run", "-c"]);
    command.arg(config);
    command
}

/// A handler that runs. Killed when dropped.
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts it and waits for nothing.
    pub fn start_unseen(mut command: Command, log: PathBuf) -> Running {
        Running { child: command.spawn().unwrap(), log }
    }

    /// Starts it and waits until its region says so. What it writes to `log` is shown where it ends
    /// before that.
    pub fn start(mut command: Command, region: &Path, log: PathBuf) -> Running {
        let before = Region::open(region).map_or(0, |region| region.generation());
        let mut running = Running { child: command.spawn().unwrap(), log };
        eventually("the handler runs", || {
            assert!(running.is_running(), "{}", running.log());
            let region = Region::open(region).ok()?;
            let runs = region.generation() > before || region.info().pid == running.child.id();
            (runs && region.handler_status(clock::now()).is_live()).then_some(())
        });
        running
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its exit code, once it has ended by itself; `None` where a signal killed it.
    pub fn ended(&mut self) -> Option<i32> {
        eventually("the handler ends", || self.child.try_wait().unwrap()).code()
    }

    /// Ends it and gives its exit code.
    pub fn end(&mut self, signal: Signal) -> Option<i32> {
        self.signal(signal);
        self.ended()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether this test may become another user and run the program as one; says so where it may not.
pub fn can_be_another_user(test: &str) -> bool {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: {test}: needs root, to become another user");
        return false;
    }
    // Every folder on the way must let others through.
    let lets_through = |folder: &Path| {
        fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 0o001 != 0)
    };
    if !Path::new(env!("CARGO_BIN_EXE_candor")).ancestors().skip(1).all(lets_through) {
        println!("skipped: {test}: others can't run the binary");
        return false;
    }
    true
}

/// A group's name, where this host has one of this number; says so where it has not.
pub fn name_of_group(test: &str, gid: u32) -> Option<String> {
    let list = fs::read_to_string("/etc/group").ok()?;
    let of = |line: &&str| line.split(':').nth(2) == Some(&gid.to_string());
    let name = list.lines().find(of).and_then(|line| line.split(':').next()).map(str::to_owned);
    if name.is_none() {
        println!("skipped: {test}: no group {gid}");
    }
    name
}

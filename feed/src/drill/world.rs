//! Where a drill takes place: two network namespaces that have no name and no way out, a veth pair between them,
//! the exchanges in one, the handler in the other, and a folder.
//!
//! Nothing of it outlives the drill. The namespaces are gone with the last descriptor and process in them; the
//! kernel kills the processes when this one ends, however it does (`PR_SET_PDEATHSIG`); the folder is removed when
//! dropped, and one that a killed drill has left by the next.
#![allow(
    unsafe_code,
    reason = "unshare of the network, and what a child does before exec; rustix's are unsafe"
)]

use std::fs::{self, DirBuilder, File};
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use candor_core::{Mono, Nanos};
use candor_shm::clock;
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

use super::shape::{EXCHANGE, EXCHANGE_INTERFACE, HANDLER, HANDLER_INTERFACE};
use crate::clock::timespec;
use crate::command;
use crate::exit::Failure;

/// What the name of a drill's folder begins with; its process and when that began follow.
const PREFIX: &str = "candor-drill-";

/// How long an exchange may take for an answer.
const ANSWER: Duration = Duration::from_secs(5);

/// A folder of the drill's own, mode 0700. Removed when dropped.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes it, in memory where there is `/dev/shm`. Those of drills that were killed are removed.
    ///
    /// # Errors
    /// Exit 71 where it can't be made.
    pub(super) fn new() -> Result<Folder, Failure> {
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        sweep(&base);
        let pid = std::process::id();
        let began = began(pid).unwrap_or(0);
        let path = base.join(format!("{PREFIX}{pid}-{began}"));
        let refused = |error| Failure::host(format!("{}: can't be made: {error}", path.display()));
        let mut maker = DirBuilder::new();
        maker.mode(0o700);
        maker.create(&path).map_err(refused)?;
        for inner in ["state", "store"] {
            maker.create(path.join(inner)).map_err(refused)?;
        }
        Ok(Folder(path))
    }

    /// Where it is.
    #[must_use]
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file in it.
    ///
    /// # Errors
    /// Exit 71.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let path = self.0.join(name);
        let written = fs::write(&path, text);
        written.map_err(|error| Failure::host(format!("{}: {error}", path.display())))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// When a process began, in the kernel's ticks since its start: its number and this name one process.
fn began(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, which may hold anything, ends at the last parenthesis; the third field follows.
    stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()
}

/// Removes the folders of drills that are no more.
fn sweep(base: &Path) {
    let entries = fs::read_dir(base).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        let Some((pid, then)) = rest.split_once('-') else { continue };
        let (Ok(pid), Ok(then)) = (pid.parse(), then.parse()) else { continue };
        if began(pid) != Some(then) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The two namespaces.
#[derive(Debug)]
pub(super) struct Network {
    own: File,
    exchange: File,
    handler: File,
}

/// Which end of the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// The venues'.
    Exchange,
    /// The handler's.
    Handler,
}

/// How long a command that sets something up, or a verb, may run.
pub(super) const COMMAND: Nanos = Nanos::from_secs(10);

impl Network {
    /// Makes both, and the wire.
    ///
    /// # Errors
    /// Exit 77 where that is not allowed, 71 where a program that it takes is not there or fails.
    pub(super) fn new() -> Result<Network, Failure> {
        let own = File::open("/proc/thread-self/ns/net").map_err(|error| {
            Failure::host(format!("/proc/thread-self/ns/net: {error}; mount /proc"))
        })?;
        let network = Network { own, exchange: namespace()?, handler: namespace()? };
        // The end is named by a descriptor of this process: no name is taken anywhere.
        let peer = format!("/proc/{}/fd/{}", std::process::id(), network.handler.as_raw_fd());
        let link = format!(
            "ip link add {EXCHANGE_INTERFACE} numrxqueues 1 numtxqueues 1 type veth peer name \
             {HANDLER_INTERFACE} numrxqueues 1 numtxqueues 1 netns {peer}"
        );
        network.run(End::Exchange, &link)?;
        for (end, interface, address) in [
            (End::Exchange, EXCHANGE_INTERFACE, EXCHANGE),
            (End::Handler, HANDLER_INTERFACE, HANDLER),
        ] {
            network.run(end, "ip link set lo up")?;
            network.run(end, &format!("ip addr add {address}/24 dev {interface}"))?;
            network.run(end, &format!("ip link set {interface} up"))?;
            network.run(end, &format!("ip route add 224.0.0.0/4 dev {interface}"))?;
            // A veth pair says that a card will complete checksums, and there is none.
            network.run(end, &format!("ethtool -K {interface} tx off"))?;
        }
        network.wait_for_carrier()?;
        Ok(network)
    }

    fn wait_for_carrier(&self) -> Result<(), Failure> {
        let until = clock::now() + Nanos::from_secs(5);
        // BOUND: until then.
        loop {
            let up = [(End::Exchange, EXCHANGE_INTERFACE), (End::Handler, HANDLER_INTERFACE)]
                .map(|(end, interface)| self.run(end, &format!("ip -o link show {interface}")));
            let [one, other] = up;
            if one?.contains("state UP") && other?.contains("state UP") {
                return Ok(());
            }
            if clock::now() > until {
                return Err(Failure::host("the drill's wire does not come up"));
            }
            sleep(Nanos::from_millis(5));
        }
    }

    fn enter(&self, file: &File) -> Result<(), Failure> {
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|error| Failure::privilege(format!("CAP_SYS_ADMIN: setns: {error}")))
    }

    /// Runs something on this thread at an end of the wire.
    fn at<T>(&self, end: End, body: impl FnOnce() -> T) -> Result<T, Failure> {
        self.enter(match end {
            End::Exchange => &self.exchange,
            End::Handler => &self.handler,
        })?;
        let done = body();
        self.enter(&self.own)?;
        Ok(done)
    }

    fn run(&self, end: End, line: &str) -> Result<String, Failure> {
        let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let out =
            self.at(end, || command::run(&argv, Path::new("/"), COMMAND))?.map_err(|why| {
                Failure::host(format!(
                    "{line}: {why}; the drill needs `ip` (iproute2) and `ethtool`"
                ))
            })?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    /// Starts a program at an end of the wire. It dies with this thread. What it says goes to `log`.
    ///
    /// # Errors
    /// Exit 71 where it can't be started.
    pub(super) fn spawn(
        &self,
        end: End,
        mut command: Command,
        log: &Path,
    ) -> Result<Process, Failure> {
        let refused =
            |error: std::io::Error| Failure::host(format!("{}: {error}", command_name(log)));
        let file = File::options().create(true).append(true).open(log).map_err(refused)?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        // SAFETY: between fork and exec the closure makes one system call, allocates nothing and takes no lock.
        unsafe {
            command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?));
        }
        let child = self.at(end, || command.spawn())?;
        let child = child.map_err(refused)?;
        Ok(Process { child, log: log.to_owned() })
    }
}

fn command_name(log: &Path) -> String {
    log.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// A network namespace with nothing in it.
fn namespace() -> Result<File, Failure> {
    let made = std::thread::spawn(|| -> std::io::Result<File> {
        // SAFETY: nothing but this thread's own view of the network changes; no descriptor is unshared.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET)? };
        // Nothing on the wire but what the drill sends; where it can't be set there is a little more.
        let _ = fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
        File::open("/proc/thread-self/ns/net")
    });
    let made = made.join().unwrap_or_else(|_| Err(std::io::Error::other("its thread panicked")));
    made.map_err(|error| {
        Failure::privilege(format!(
            "CAP_SYS_ADMIN and CAP_NET_ADMIN: a drill makes network namespaces of its own ({error}); run it as root"
        ))
    })
}

/// A program that does not outlive the drill.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Its number.
    #[must_use]
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it runs.
    pub(super) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it said last.
    #[must_use]
    pub(super) fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// Exit 71.
    pub(super) fn signal(&self, signal: Signal) -> Result<(), Failure> {
        kill_process(Pid::from_child(&self.child), signal)
            .map_err(|error| Failure::host(format!("can't signal the handler: {error}")))
    }

    /// Whether no thread of it runs any more, after a signal that stops or kills it: a thread on another core
    /// goes on until the kernel has told it.
    #[must_use]
    pub(super) fn is_halted(&self) -> bool {
        let Ok(tasks) = fs::read_dir(format!("/proc/{}/task", self.pid())) else { return true };
        tasks.flatten().all(|task| {
            let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.bytes().next());
            state.is_none_or(|state| b"TZX".contains(&state))
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Gives an exchange a command, and returns a moment after it was done.
///
/// # Errors
/// Exit 71 with what it said.
pub(super) fn tell(socket: &Path, command: &str) -> Result<Mono, Failure> {
    let said = ask(socket, command).map_err(|error| error.to_string());
    match said {
        Ok(answer) if answer.starts_with("ok") => Ok(clock::now()),
        Ok(other) | Err(other) => {
            Err(Failure::host(format!("the exchange, told to {command}: {}", other.trim_end())))
        }
    }
}

/// What an exchange answers.
pub(super) fn ask(socket: &Path, command: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWER))?;
    writeln!(stream, "{command}")?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Sleeps; a signal may end it early.
pub(super) fn sleep(length: Nanos) {
    let _ = rustix::thread::nanosleep(&timespec(length));
}

//! Two network namespaces joined by a veth pair.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The handler's interface, in its namespace.
pub const HANDLER_INTERFACE: &str = "md0";
/// The exchange's interface, in its namespace.
pub const EXCHANGE_INTERFACE: &str = "ex0";
/// The handler's second interface and the exchange's end of it, where there is one.
pub const SECOND_INTERFACE: &str = "md1";
pub const SECOND_EXCHANGE_INTERFACE: &str = "ex1";
/// The exchange's address.
pub const SENDER: [u8; 4] = [10, 77, 0, 1];

/// What every name begins with; the process id follows.
const PREFIX: &str = "cdv";

/// Deleted when dropped.
pub struct Namespaces {
    pub sending: String,
    pub receiving: String,
}

impl Namespaces {
    /// A pair of its own, with this many queues, and the name both begin with.
    pub fn new(queues: usize) -> (Namespaces, String) {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}n{number}", std::process::id());
        let pair = Namespaces { sending: format!("{name}t"), receiving: format!("{name}r") };
        let (sending, receiving) = (&pair.sending, &pair.receiving);
        for namespace in [sending, receiving] {
            ip(&format!("netns add {namespace}"));
            // Nothing on the wire but what a test sends: counters are compared exactly.
            let quiet = || std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
            let _ = inside(namespace, quiet);
        }
        pair.join(queues, [EXCHANGE_INTERFACE, HANDLER_INTERFACE], 0);
        for (namespace, interface) in
            [(sending, EXCHANGE_INTERFACE), (receiving, HANDLER_INTERFACE)]
        {
            ip(&format!("-n {namespace} route add 224.0.0.0/4 dev {interface}"));
        }
        (pair, name)
    }

    /// A second card of the handler's, with a pair of its own.
    pub fn add_second(&self) {
        self.join(1, [SECOND_EXCHANGE_INTERFACE, SECOND_INTERFACE], 1);
        // What comes there is from an address that the first card leads to.
        let believe = || {
            for name in ["all", SECOND_INTERFACE] {
                let path = format!("/proc/sys/net/ipv4/conf/{name}/rp_filter");
                std::fs::write(path, "0").unwrap();
            }
        };
        inside(&self.receiving, believe);
    }

    /// Takes a card of the handler's away.
    pub fn remove(&self, interface: &str) {
        ip(&format!("-n {} link delete {interface}", self.receiving));
    }

    /// Joins the two by a pair of these interfaces, the exchange's first, and waits until it carries.
    fn join(&self, queues: usize, interfaces: [&str; 2], net: u8) {
        let Namespaces { sending, receiving } = self;
        let [exchange, handler] = interfaces;
        let count = format!("numrxqueues {queues} numtxqueues {queues}");
        ip(&format!(
            "link add {exchange} netns {sending} {count} type veth peer name {handler} netns \
             {receiving} {count}"
        ));
        let ends = [(sending, exchange, 1), (receiving, handler, 2)];
        for (namespace, interface, host) in ends {
            ip(&format!("-n {namespace} link set lo up"));
            ip(&format!("-n {namespace} addr add 10.77.{net}.{host}/24 dev {interface}"));
            ip(&format!("-n {namespace} link set {interface} up"));
            complete_checksums(namespace, interface);
        }
        for (namespace, interface, _) in ends {
            super::eventually("the pair carries", || {
                let said = ip(&format!("-n {namespace} -o link show {interface}"));
                said.contains("state UP").then_some(())
            });
        }
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for namespace in [&self.sending, &self.receiving] {
            let _ = Command::new("ip").args(["netns", "delete", namespace]).status();
        }
    }
}

/// Ends and removes what is left of tests that were killed: their namespaces, what still runs in
/// those, and their folders below `base`.
pub fn sweep(base: &Path) {
    for left in left_behind(Path::new("/run/netns")) {
        let pids = Command::new("ip").args(["netns", "pids", &left]).output();
        let pids = pids.map(|output| output.stdout).unwrap_or_default();
        for pid in String::from_utf8_lossy(&pids).split_whitespace() {
            let pid = pid.parse().ok().and_then(Pid::from_raw);
            let _ = pid.map(|pid| kill_process(pid, Signal::KILL));
        }
        let _ = Command::new("ip").args(["netns", "delete", &left]).status();
    }
    for left in left_behind(base) {
        let _ = std::fs::remove_dir_all(base.join(left));
    }
}

/// Names of ours in a folder whose process is no more.
fn left_behind(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let of_the_dead = |name: &String| {
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('n'));
        let pid = pid.and_then(|(pid, _)| pid.parse::<u32>().ok());
        pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
    };
    names.filter(of_the_dead).collect()
}

/// What a program in a namespace begins with. It is the program's own process in the end. It goes
/// before what else the machine has to do, as on a host with cores of its own: a test of the
/// handler's promises is none of a busy machine's.
pub fn launcher(namespace: &str) -> Command {
    let mut command = Command::new("nice");
    command.args(["-n", "-15", "ip", "netns", "exec", namespace]);
    command
}

/// Runs `body` on a thread of its own in a namespace.
pub fn inside<T: Send>(namespace: &str, body: impl FnOnce() -> T + Send) -> T {
    let file = File::open(format!("/run/netns/{namespace}")).unwrap();
    std::thread::scope(|scope| {
        let run = scope.spawn(move || {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            body()
        });
        run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Has the kernel complete the checksums of what leaves by an interface, as a card does on the way to a
/// wire. A veth pair says that it will, carries frames as they are, and a receiver finds every UDP
/// checksum wrong.
fn complete_checksums(namespace: &str, interface: &str) {
    let command = format!("netns exec {namespace} ethtool -K {interface} tx off");
    let output = Command::new("ip").args(command.split_whitespace()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ethtool -K {interface} tx off: {errors}");
}

/// Runs `ip` and returns what it prints.
fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

//! Two network namespaces joined by a veth pair. They have no name: the kernel takes them away with
//! the last process that holds them, which no crash and no signal can prevent.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::process::Command;
use std::thread;

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

use crate::Problem;

/// The sending interface.
pub(crate) const SENDS: &str = "cdwtx";
/// The receiving interface.
pub(crate) const RECEIVES: &str = "cdwrx";

/// The pair, and the namespaces of its ends.
pub(crate) struct Veth {
    sending: File,
    receiving: File,
}

impl Veth {
    /// A pair that is up on both sides, one queue each.
    pub(crate) fn new() -> Result<Veth, Problem> {
        let veth = Veth { sending: namespace()?, receiving: namespace()? };
        let peer = format!("/proc/{}/fd/{}", std::process::id(), veth.receiving.as_raw_fd());
        veth.in_sending(|| {
            quiet();
            ip(&format!("link add {SENDS} type veth peer name {RECEIVES} netns {peer}"))?;
            up(SENDS, "10.79.0.1")
        })?;
        veth.in_receiving(|| {
            quiet();
            up(RECEIVES, "10.79.0.2")
        })?;
        Ok(veth)
    }

    /// Runs `body` on a thread that is in the sender's namespace.
    pub(crate) fn in_sending<T: Send>(
        &self,
        body: impl FnOnce() -> Result<T, Problem> + Send,
    ) -> Result<T, Problem> {
        inside(&self.sending, body)
    }

    /// Runs `body` on a thread that is in the receiver's namespace. What it starts is there too.
    pub(crate) fn in_receiving<T: Send>(
        &self,
        body: impl FnOnce() -> Result<T, Problem> + Send,
    ) -> Result<T, Problem> {
        inside(&self.receiving, body)
    }
}

/// A new network namespace.
fn namespace() -> Result<File, Problem> {
    let made = thread::spawn(|| {
        // SAFETY: the flag asks for a network namespace alone; the table of open files, which is
        // what makes this call unsafe, stays shared.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }?;
        File::open("/proc/thread-self/ns/net")
    });
    match made.join() {
        Ok(result) => result.map_err(Problem::of("can't make a network namespace")),
        Err(_) => Err(Problem::Other("the thread of a namespace panicked".into())),
    }
}

fn inside<T: Send>(
    namespace: &File,
    body: impl FnOnce() -> Result<T, Problem> + Send,
) -> Result<T, Problem> {
    thread::scope(|scope| {
        let run = scope.spawn(|| {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .map_err(|error| Problem::of("can't enter a namespace")(error.into()))?;
            body()
        });
        run.join().unwrap_or_else(|_| Err(Problem::Other("a thread panicked".into())))
    })
}

/// Nothing on the wire but what is sent: the namespace's interfaces to come speak no IPv6.
fn quiet() {
    let _ = std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
}

fn up(interface: &str, address: &str) -> Result<(), Problem> {
    ip(&format!("addr add {address}/24 dev {interface}"))?;
    ip(&format!("link set {interface} up"))?;
    ip(&format!("route add 224.0.0.0/4 dev {interface}"))?;
    // As a card does on the way to a wire; a veth pair alone never completes a checksum.
    run("ethtool", &format!("-K {interface} tx off"))
}

fn ip(arguments: &str) -> Result<(), Problem> {
    run("ip", arguments)
}

fn run(tool: &str, arguments: &str) -> Result<(), Problem> {
    let output = Command::new(tool)
        .args(arguments.split_whitespace())
        .output()
        .map_err(Problem::of("`ip` or `ethtool` (packages iproute2, ethtool) can't be run"))?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(Problem::Other(format!("{tool} {arguments}: {}", errors.trim())))
}

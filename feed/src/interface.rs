//! Network interfaces, as the kernel of this network namespace has them.

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};

use crate::exit::Failure;

/// The names of the interfaces present, in the kernel's order.
#[must_use]
pub fn list() -> Vec<String> {
    // Two header lines, then `name: counters`. Unlike /sys, this follows the network namespace of
    // the calling thread.
    let text = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
    text.lines()
        .skip(2)
        .filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()))
        .collect()
}

/// Whether this network namespace has an interface of this index, whatever it is called by now. A kernel that
/// does not say has it.
#[must_use]
pub fn is_here(index: u32) -> bool {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None);
    let found = socket.and_then(|socket| netdevice::index_to_name(&socket, index));
    !matches!(found, Err(Errno::NODEV))
}

/// The kernel's index of an interface.
///
/// # Errors
/// With the configuration's exit code, naming the interface and those that are present, when there
/// is none of this name; with the host's when the kernel gives no socket to ask with.
pub fn index(name: &str) -> Result<u32, Failure> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .map_err(|error| Failure::host(format!("no socket to look up interfaces: {error}")))?;
    netdevice::name_to_index(&socket, name).map_err(|_| {
        Failure::config(format!(
            "there is no interface {name} on this host; present are: {}. Change `interface`",
            list().join(", ")
        ))
    })
}

//! What can go wrong, and what to do about it.

use std::io;

/// The program could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A privilege is missing.
    #[error(
        "loading the XDP program was not permitted: give the process CAP_BPF and CAP_NET_ADMIN"
    )]
    NotPermitted,
    /// The kernel could not find the memory for the maps.
    #[error(
        "no memory for the XDP program's maps: ask for fewer endpoints, or on a kernel before 5.11 \
         raise RLIMIT_MEMLOCK"
    )]
    NoMemory,
    /// The kernel refused the program.
    #[error("the kernel refused the XDP program ({reason}); it needs Linux 5.18 or later. {log}")]
    Refused {
        /// What libbpf says.
        reason: String,
        /// The end of the verifier's log.
        log: String,
    },
    /// The embedded object isn't what this crate was built for.
    #[error("the embedded XDP object lacks `{0}`: rebuild it with ebpf/build-object")]
    Incomplete(&'static str),
}

/// The program could not be attached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// A privilege is missing.
    #[error("attaching an XDP program was not permitted: give the process CAP_NET_ADMIN")]
    NotPermitted,
    /// Another program is on the interface.
    #[error(
        "interface {ifindex} already has an XDP program: find its owner with `ip link show`, or \
         remove it with `ip link set dev NAME xdp off`"
    )]
    Occupied {
        /// The interface's index.
        ifindex: u32,
    },
    /// The driver can't run XDP programs.
    #[error(
        "the driver of interface {ifindex} has no native XDP: choose generic mode if its cost is \
         acceptable"
    )]
    NoNative {
        /// The interface's index.
        ifindex: u32,
    },
    /// The driver can, but not with the interface as it is set up.
    #[error(
        "the driver of interface {ifindex} refused native XDP as the interface is set up ({source}): \
         check its MTU, its queue counts and its large-receive offload; the kernel log may say more"
    )]
    Setup {
        /// The interface's index.
        ifindex: u32,
        /// What the kernel says.
        source: io::Error,
    },
    /// There is no such interface.
    #[error("there is no interface {ifindex} in this network namespace")]
    NoInterface {
        /// The interface's index.
        ifindex: u32,
    },
    /// Anything else.
    #[error("attaching the XDP program to interface {ifindex} failed: {source}")]
    Other {
        /// The interface's index.
        ifindex: u32,
        /// What the kernel says.
        source: io::Error,
    },
}

/// A map of the program could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// As many endpoints as the program was loaded for.
    #[error("the program was loaded for {endpoints} endpoints and has them all: load it for more")]
    Full {
        /// The bound given to [`crate::LoadOptions`].
        endpoints: u32,
    },
    /// A queue beyond those the program was loaded for.
    #[error("queue {queue} is beyond the {sockets} the program was loaded for")]
    NoSuchQueue {
        /// The queue asked for.
        queue: u32,
        /// The bound given to [`crate::LoadOptions`].
        sockets: u32,
    },
    /// The group isn't multicast, or the program passes it whatever the map says.
    #[error(
        "{}.{}.{}.{} can't carry market data: not a multicast group, or in 224.0.0.0/24",
        group[0], group[1], group[2], group[3]
    )]
    NotAGroup {
        /// The address asked for.
        group: [u8; 4],
    },
    /// A group and port has as many senders as it can.
    #[error(
        "{}.{}.{}.{}:{port} has {senders} senders already, and can have no more",
        group[0], group[1], group[2], group[3]
    )]
    Senders {
        /// The group.
        group: [u8; 4],
        /// The UDP port.
        port: u16,
        /// How many that are.
        senders: usize,
    },
    /// A group and port from any sender, and beside that from one.
    #[error(
        "{}.{}.{}.{}:{port} can't be taken from any sender and from one: name every sender",
        group[0], group[1], group[2], group[3]
    )]
    AnyAndOne {
        /// The group.
        group: [u8; 4],
        /// The UDP port.
        port: u16,
    },
    /// A bound of the socket map.
    #[error("the kernel refused the socket for queue {queue}: {source}")]
    Socket {
        /// The queue asked for.
        queue: u32,
        /// What the kernel says.
        source: libbpf_rs::Error,
    },
    /// Anything else.
    #[error("a map of the XDP program failed: {0}")]
    Other(#[from] libbpf_rs::Error),
}

//! What can go wrong, and what to do about it.

use std::io;

/// The sockets could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The options contradict themselves.
    #[error("the options can't be opened: {0}")]
    Options(&'static str),
    /// `socket` failed.
    #[error(
        "no AF_XDP socket ({0}): give the process CAP_NET_RAW, and use a kernel with \
         CONFIG_XDP_SOCKETS"
    )]
    Socket(io::Error),
    /// There are too few huge pages.
    #[error(
        "no {bytes} bytes of huge pages ({source}): reserve them in /proc/sys/vm/nr_hugepages, or \
         let huge_pages be \"try\""
    )]
    HugePages {
        /// Bytes asked for.
        bytes: u64,
        /// What the kernel says.
        source: io::Error,
    },
    /// There is too little memory.
    #[error("no {bytes} bytes of packet memory ({source}): configure fewer frames")]
    Memory {
        /// Bytes asked for.
        bytes: u64,
        /// What the kernel says.
        source: io::Error,
    },
    /// Locking packet memory exceeds the limit.
    #[error(
        "locking {bytes} bytes of packet memory exceeds RLIMIT_MEMLOCK: raise it (LimitMEMLOCK= in a \
         unit, `ulimit -l`), or give the process CAP_IPC_LOCK"
    )]
    LockedMemory {
        /// Bytes asked for.
        bytes: u64,
    },
    /// The kernel refused the packet memory or a ring.
    #[error("the kernel refused {what} ({source})")]
    Setup {
        /// What it refused.
        what: &'static str,
        /// What it says.
        source: io::Error,
    },
    /// The queue stayed busy.
    #[error(
        "queue {queue} stayed busy over {attempts} attempts: another AF_XDP socket has it (see `ss \
         -f xdp`, if the kernel has it), or one has only just closed"
    )]
    Busy {
        /// The queue.
        queue: u32,
        /// How often binding was tried.
        attempts: u32,
    },
    /// The driver has no zero-copy, or not as the interface is set up.
    #[error(
        "the driver refused zero-copy on queue {queue} ({source}): it has none, or not with this \
         MTU, frame size or multi-buffer setting; choose copy mode if its cost is acceptable"
    )]
    NoZeroCopy {
        /// The queue.
        queue: u32,
        /// What the kernel says.
        source: io::Error,
    },
    /// The kernel says it bound zero-copy and the socket says otherwise.
    #[error("queue {queue} was bound for zero-copy and is not in zero-copy mode")]
    QuietlyCopied {
        /// The queue.
        queue: u32,
    },
    /// There is no such queue, or something else about the request is wrong.
    #[error(
        "binding queue {queue} was refused as invalid: the interface may have fewer queues \
         (`ethtool -l`), or the kernel no multi-buffer frames (Linux 6.6 has)"
    )]
    Invalid {
        /// The queue.
        queue: u32,
    },
    /// There is no such interface.
    #[error("there is no interface {ifindex} in this network namespace")]
    NoInterface {
        /// The interface's index.
        ifindex: u32,
    },
    /// The interface is down.
    #[error("interface {ifindex} is down: `ip link set dev NAME up`")]
    InterfaceDown {
        /// The interface's index.
        ifindex: u32,
    },
    /// Anything else `bind` says.
    #[error("binding queue {queue} failed: {source}")]
    Bind {
        /// The queue.
        queue: u32,
        /// What the kernel says.
        source: io::Error,
    },
}

/// Receiving failed. Frames already handed out were whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The interface is down. The queue goes on when it comes up.
    #[error("the interface is down: nothing arrives until it is up")]
    InterfaceDown,
    /// The interface was removed. The queue is of no more use.
    #[error("the interface was removed: open the queue again when it is back")]
    InterfaceGone,
    /// Anything else.
    #[error("waking the kernel to receive failed: {0}")]
    Wake(io::Error),
}

/// Waiting failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The interface is down for good: it was removed. The queue is of no more use.
    #[error("the interface was removed: open the queue again when it is back")]
    InterfaceDown,
    /// Anything else.
    #[error("waiting for frames failed: {0}")]
    Poll(io::Error),
}

/// A packet was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Every transmit frame is on its way.
    #[error("all transmit frames are on their way: flush and try again")]
    Full,
    /// The packet is longer than a frame.
    #[error("a packet of {bytes} bytes is longer than a frame")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The interface is down or gone.
    #[error("the interface is down or gone: bring it up and open the queue again")]
    InterfaceDown,
    /// Anything else.
    #[error("waking the kernel to send failed: {0}")]
    Wake(io::Error),
}

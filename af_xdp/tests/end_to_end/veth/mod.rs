//! Two network namespaces joined by a veth pair, gone when dropped.

pub(crate) mod frames;
mod sender;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use candor_af_xdp::{Opened, Options, Queue, Waiter, open};
use candor_decoders::net;
use candor_ebpf::{AttachError, AttachMode, Attachment, LoadOptions, Program};

pub(crate) use sender::Sender;

/// How long anything is waited for before a test fails.
const PATIENCE: Duration = Duration::from_secs(5);

/// The receiving interface's address.
pub(crate) const RECEIVER: &str = "10.77.0.2";
/// The sending interface's address.
pub(crate) const SENDER: &str = "10.77.0.1";

/// A veth pair: `vtx` in one namespace sends, `vrx` in another receives.
pub(crate) struct Veth {
    pub(crate) sending: String,
    pub(crate) receiving: String,
}

impl Veth {
    /// A pair with this many queues on both sides, or `None` after saying why the test is skipped.
    pub(crate) fn new(test: &str, queues: u32, mtu: u32) -> Option<Veth> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let host = candor_af_xdp::probe::host().unwrap();
        // CAP_SYS_ADMIN (bit 21) for the namespaces, the rest is root's anyway.
        if host.capabilities & (1 << 21) == 0 {
            println!("skipped: {test}: needs CAP_NET_ADMIN");
            return None;
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("cdx{}n{number}", std::process::id());
        let veth = Veth { sending: format!("{name}t"), receiving: format!("{name}r") };
        let (sending, receiving) = (&veth.sending, &veth.receiving);
        ip(&format!("netns add {sending}"));
        ip(&format!("netns add {receiving}"));
        for namespace in [sending, receiving] {
            // Nothing on the wire but what a test sends: counters are compared exactly.
            inside(namespace, || {
                let _ = std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
            });
        }
        let count = format!("numrxqueues {queues} numtxqueues {queues} mtu {mtu}");
        ip(&format!(
            "link add vtx {count} netns {sending} type veth peer name vrx {count} netns {receiving}"
        ));
        for (namespace, name, address) in [(sending, "vtx", SENDER), (receiving, "vrx", RECEIVER)] {
            ip(&format!("-n {namespace} addr add {address}/24 dev {name}"));
            ip(&format!("-n {namespace} link set {name} up"));
            ip(&format!("-n {namespace} route add 224.0.0.0/4 dev {name}"));
        }
        Some(veth)
    }

    /// The receiving interface's index in its namespace.
    pub(crate) fn ifindex(&self) -> u32 {
        inside(&self.receiving, || candor_af_xdp::probe::interface("vrx").unwrap().ifindex)
    }

    /// Runs `body` in the receiving namespace.
    pub(crate) fn receiving<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        inside(&self.receiving, body)
    }

    /// Sends frames as they are from `vtx`.
    pub(crate) fn sender(&self) -> Sender {
        inside(&self.sending, || Sender::new("vtx"))
    }

    /// Loads and attaches the program, opens the queues, and puts them on it.
    pub(crate) fn receiver(&self, mode: AttachMode, options: Options) -> Receiver {
        self.receiving(|| {
            let sockets = options.queues.iter().max().unwrap() + 1;
            let mut program = Program::load(LoadOptions { sockets, endpoints: 64 }).unwrap();
            let attachment = attached(&mut program, options.ifindex, mode);
            let Opened { queues, report } = open(&options).unwrap();
            for queue in &queues {
                program.set_socket(queue.number(), queue.as_fd()).unwrap();
            }
            let waiter = Waiter::new(queues.len());
            Receiver { program, attachment, queues, report, waiter }
        })
    }

    /// What `ip -details link show` says of the receiving interface.
    pub(crate) fn link(&self) -> String {
        ip(&format!("-n {} -details link show vrx", self.receiving))
    }
}

impl Drop for Veth {
    fn drop(&mut self) {
        for namespace in [&self.sending, &self.receiving] {
            let _ = Command::new("ip").args(["netns", "delete", namespace]).status();
        }
    }
}

/// Everything that receives.
pub(crate) struct Receiver {
    pub(crate) program: Program,
    pub(crate) attachment: Attachment,
    pub(crate) queues: Vec<Queue>,
    pub(crate) report: candor_af_xdp::Report,
    waiter: Waiter,
}

/// A frame received, copied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Copied {
    pub(crate) queue: u32,
    pub(crate) partition: u16,
    pub(crate) line: u8,
    pub(crate) arrival_ns: u64,
    pub(crate) payload: Vec<u8>,
    pub(crate) packet: (Vec<u8>, usize),
    pub(crate) frame: Vec<u8>,
}

impl Copied {
    /// What its checksums say, as a lane looks at them.
    pub(crate) fn checked(&self) -> Result<net::Verified, candor_core::Reject> {
        net::check(&self.packet.0, self.packet.1)
    }
}

impl Receiver {
    /// Receives until there are `count` frames, and fails the test if they don't come.
    pub(crate) fn expect(&mut self, count: usize) -> Vec<Copied> {
        let mut received = Vec::new();
        while received.len() < count {
            let here = self.receive();
            if here.is_empty() && !self.waiter.wait(&self.queues, PATIENCE).unwrap() {
                panic!("{} of {count} frames came; {}", received.len(), self.state());
            }
            received.extend(here);
        }
        assert_eq!(received.len(), count, "more came than were sent; {}", self.state());
        received
    }

    /// What is there now on any queue.
    pub(crate) fn receive(&mut self) -> Vec<Copied> {
        let mut received = Vec::new();
        for queue in &mut self.queues {
            let number = queue.number();
            let result = queue.receive(64, |frame| {
                let meta =
                    frame.meta().expect("the program writes metadata in front of each frame");
                received.push(Copied {
                    queue: number,
                    partition: meta.partition,
                    line: meta.line,
                    arrival_ns: meta.arrival_ns,
                    payload: frame.payload().expect("the payload is in the frame").to_vec(),
                    packet: frame.packet().map(|(bytes, udp_at)| (bytes.to_vec(), udp_at)).unwrap(),
                    frame: frame.data().to_vec(),
                });
            });
            result.unwrap();
        }
        received
    }

    /// Waits until the program has seen this many frames: everything sent has then arrived.
    pub(crate) fn seen(&self, frames: u64) -> candor_ebpf::ProgramCounters {
        eventually(&format!("{frames} frames"), || {
            let counters = self.program.counters().unwrap();
            (counters.frames() >= frames).then_some(counters)
        })
    }

    /// All there is to know when a test fails.
    pub(crate) fn state(&self) -> String {
        let statistics: Vec<_> = self.queues.iter().map(|queue| queue.statistics()).collect();
        format!("{:?} {statistics:?}", self.program.counters())
    }
}

/// Tries until there is an answer; a bounded number of times.
pub(crate) fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1000 {
        if let Some(found) = attempt() {
            return found;
        }
        pause(Duration::from_millis(5));
    }
    panic!("waited in vain for {what}");
}

/// Lets time pass.
pub(crate) fn pause(length: Duration) {
    let milliseconds = i32::try_from(length.as_millis()).unwrap();
    // SAFETY: polls nothing.
    unsafe { libc::poll(std::ptr::null_mut(), 0, milliseconds) };
}

/// Runs `body` on a thread of its own in a network namespace.
pub(crate) fn inside<T: Send>(namespace: &str, body: impl FnOnce() -> T + Send) -> T {
    let file = File::open(format!("/run/netns/{namespace}")).unwrap();
    std::thread::scope(|scope| {
        let run = scope.spawn(move || {
            // SAFETY: an open descriptor of a namespace; only this thread, made for it, moves.
            let moved = unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) };
            assert_eq!(moved, 0, "{}", io::Error::last_os_error());
            body()
        });
        match run.join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Runs `ip` and returns what it prints.
pub(crate) fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Attaches the program. A child that another test starts at this instant holds a copy of what is on its
/// way out until it has become another program: an interface may be occupied for a moment.
fn attached(program: &mut Program, ifindex: u32, mode: AttachMode) -> Attachment {
    for _ in 0..50 {
        match program.attach(ifindex, mode) {
            Err(AttachError::Occupied { .. }) => {
                pause(Duration::from_millis(10));
            }
            other => return other.unwrap(),
        }
    }
    panic!("the interface is occupied for good");
}

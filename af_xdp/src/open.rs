//! Opening the queues of an interface on one piece of packet memory.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use crate::error::OpenError;
use crate::memory::{Frames, Umem};
use crate::options::{BindMode, Options, Polling};
use crate::queue::Queue;
use crate::receive::Receiver;
use crate::ring::Consumer;
use crate::socket::{ConsumerKind, ProducerKind, Socket, is_down};
use crate::transmit::Transmitter;
use crate::wait::pause;

/// How long to wait between two attempts to bind a busy queue.
const BIND_PAUSE: Duration = Duration::from_millis(5);

/// Entries of a completion ring nobody sends by; the kernel insists on having one.
const UNUSED_COMPLETIONS: u32 = 64;

/// The open queues, in the order asked for.
#[derive(Debug)]
pub struct Opened {
    /// One for each of [`Options::queues`].
    pub queues: Vec<Queue>,
    /// What is in force.
    pub report: Report,
}

/// What is in force, as the kernel says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Report {
    /// How packets get into packet memory.
    pub mode: BindMode,
    /// Whether packet memory lies on huge pages.
    pub huge_pages: bool,
    /// Whether busy polling is on.
    pub polling: Polling,
    /// Bytes of packet memory.
    pub umem_bytes: u64,
    /// The most attempts any queue took to bind; 1 is none in vain.
    pub bind_attempts: u32,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let huge = if self.huge_pages { "huge" } else { "ordinary" };
        let polling = match self.polling {
            Polling::On => ", busy polling",
            Polling::NotZeroCopy => ", no busy polling without zero-copy",
            Polling::Off => "",
        };
        write!(f, "{}, {} KiB on {huge} pages{polling}", self.mode.name(), self.umem_bytes >> 10)
    }
}

/// Opens a socket for each queue, binds it, and hands its frames to the kernel. Nothing arrives
/// before the XDP program has the socket ([`candor_ebpf::Program::set_socket`]).
///
/// # Errors
/// When the options contradict themselves, the host lacks memory or a privilege, or the kernel or
/// the driver refuses. Nothing stays open.
pub fn open(options: &Options) -> Result<Opened, OpenError> {
    if let Some(fault) = options.fault() {
        return Err(OpenError::Options(fault));
    }
    let frames_each = options.receive_frames as usize + options.transmit_frames as usize;
    let bytes = frames_each * options.frame_size as usize * options.queues.len();
    let umem = Arc::new(Umem::new(bytes, options.huge_pages)?);
    let mut queues: Vec<Queue> = Vec::with_capacity(options.queues.len());
    let mut bind_attempts = 1;
    for &number in &options.queues {
        let at = queues.len() as u64 * frames_each as u64 * u64::from(options.frame_size);
        let (queue, attempts) = open_one(options, &umem, number, at, queues.first())?;
        bind_attempts = bind_attempts.max(attempts);
        queues.push(queue);
    }
    let polling = queues.first().map_or(Polling::Off, |queue| queue.polling);
    let report = Report {
        mode: options.mode,
        huge_pages: umem.huge(),
        polling,
        umem_bytes: umem.length() as u64,
        bind_attempts,
    };
    Ok(Opened { queues, report })
}

fn open_one(
    options: &Options,
    umem: &Arc<Umem>,
    number: u32,
    at: u64,
    first: Option<&Queue>,
) -> Result<(Queue, u32), OpenError> {
    let socket = Socket::new().map_err(OpenError::Socket)?;
    if first.is_none() {
        socket.register(umem, options.frame_size).map_err(|source| {
            match source.raw_os_error() {
                Some(libc::ENOBUFS) => OpenError::LockedMemory { bytes: umem.length() as u64 },
                _ => OpenError::Setup { what: "the packet memory", source },
            }
        })?;
    }
    let refused = |what| move |source| OpenError::Setup { what, source };
    let size = options.frame_size;
    let frames = Frames { first: at, count: options.receive_frames, size };
    // Twice the frames: see "Where the frames are" in the crate's documentation.
    let fill = socket
        .producer::<u64>(ProducerKind::Fill, 2 * options.receive_frames)
        .map_err(refused("the fill ring"))?;
    let completions = (2 * options.transmit_frames).max(UNUSED_COMPLETIONS);
    let completion: Consumer<u64> = socket
        .consumer(ConsumerKind::Completion, completions)
        .map_err(refused("the completion ring"))?;
    let receive = socket
        .consumer(ConsumerKind::Receive, options.receive_frames)
        .map_err(refused("the receive ring"))?;
    let longest = if options.multi_buffer { options.longest_frame } else { 0 };
    let transmitter = match options.transmit_frames {
        0 => None,
        count => {
            let transmit = socket
                .producer(ProducerKind::Transmit, 2 * count)
                .map_err(refused("the transmit ring"))?;
            let frames = Frames { first: frames.end(), count, size };
            Some(Transmitter::new(transmit, Arc::clone(umem), frames))
        }
    };
    let receiver = Receiver::new(receive, fill, Arc::clone(umem), frames, longest);
    let attempts = bind(options, &socket, number, first)?;
    let polling = finish(options, &socket, number)?;
    Ok((Queue { socket, receiver, transmitter, completion, number, polling }, attempts))
}

/// Binds the socket and says how many attempts that took.
fn bind(
    options: &Options,
    socket: &Socket,
    number: u32,
    first: Option<&Queue>,
) -> Result<u32, OpenError> {
    // Further sockets on the same packet memory take mode, wake-up and multi-buffer from the first,
    // and saying so again is refused.
    let flags = match first {
        Some(_) => libc::XDP_SHARED_UMEM,
        None => {
            let mode = match options.mode {
                BindMode::ZeroCopy => libc::XDP_ZEROCOPY,
                BindMode::Copy => libc::XDP_COPY,
            };
            let multi = if options.multi_buffer { libc::XDP_USE_SG } else { 0 };
            mode | libc::XDP_USE_NEED_WAKEUP | multi
        }
    };
    let most = 1 + options.bind_within.as_millis() / BIND_PAUSE.as_millis();
    let mut attempts = 1;
    loop {
        // BOUND: `most` attempts.
        match socket.bind(options.ifindex, number, flags, first.map(AsFd::as_fd)) {
            Ok(()) => return Ok(attempts),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                if u128::from(attempts) >= most {
                    return Err(OpenError::Busy { queue: number, attempts });
                }
            }
            Err(error) => return Err(explain_bind(options, number, error)),
        }
        pause(BIND_PAUSE);
        attempts += 1;
    }
}

/// What can be asked for and found out only once the socket is bound.
fn finish(options: &Options, socket: &Socket, number: u32) -> Result<Polling, OpenError> {
    let refused = |what| move |source| OpenError::Setup { what, source };
    let zero_copy = socket.is_zero_copy().map_err(refused("to say whether it copies"))?;
    if options.mode == BindMode::ZeroCopy && !zero_copy {
        return Err(OpenError::QuietlyCopied { queue: number });
    }
    match options.busy_poll {
        None => Ok(Polling::Off),
        Some(_) if !zero_copy => Ok(Polling::NotZeroCopy),
        Some(busy_poll) => {
            socket.busy_poll(busy_poll).map_err(refused("busy polling"))?;
            Ok(Polling::On)
        }
    }
}

fn explain_bind(options: &Options, queue: u32, source: io::Error) -> OpenError {
    let ifindex = options.ifindex;
    match (source.raw_os_error().unwrap_or(0), options.mode) {
        (libc::ENODEV, _) => OpenError::NoInterface { ifindex },
        (libc::EPERM, _) => OpenError::Socket(source),
        _ if is_down(&source) => OpenError::InterfaceDown { ifindex },
        (libc::EOPNOTSUPP, BindMode::ZeroCopy) => OpenError::NoZeroCopy { queue, source },
        (libc::EINVAL, _) => OpenError::Invalid { queue },
        _ => OpenError::Bind { queue, source },
    }
}

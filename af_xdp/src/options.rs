//! What to open.

use std::time::Duration;

/// How packets get from the driver into packet memory. There is no falling back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BindMode {
    /// The card writes into packet memory itself. Needs a driver that can.
    ZeroCopy,
    /// The kernel copies each frame into packet memory. Works with every driver.
    Copy,
}

impl BindMode {
    /// The mode's name in configuration and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            BindMode::ZeroCopy => "zero-copy",
            BindMode::Copy => "copy",
        }
    }
}

/// Whether packet memory lies on huge pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HugePages {
    /// Or else opening fails.
    Require,
    /// Where the host has some to spare; [`crate::Report::huge_pages`] says.
    Try,
    /// Ordinary pages.
    No,
}

/// Busy polling (`SO_PREFER_BUSY_POLL` and what follows): the lane's own system calls drive the card. Whether
/// its interrupts stay off meanwhile is decided by the interface's `napi_defer_hard_irqs` and
/// `gro_flush_timeout`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BusyPoll {
    /// `SO_BUSY_POLL`, in microseconds; how long one call polls is up to the kernel.
    pub micros: u32,
    /// `SO_BUSY_POLL_BUDGET`: packets one poll may take.
    pub budget: u32,
}

/// Whether busy polling is in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Polling {
    /// Nobody asked for it.
    Off,
    /// Asked for, and left off: without zero-copy it does nothing but cost.
    NotZeroCopy,
    /// In force.
    On,
}

/// What to open. [`Options::new`] gives values to start from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// The interface's index in the calling thread's network namespace.
    pub ifindex: u32,
    /// The queues to bind, each once. With receive-side scaling, all the interface has: a group's
    /// frames may come on any.
    pub queues: Vec<u32>,
    /// How packets get into packet memory.
    pub mode: BindMode,
    /// Bytes of a frame: 2048 or 4096, of which the kernel keeps 256 in front for metadata. A
    /// longer packet takes several with `multi_buffer`, and is dropped by the kernel without.
    pub frame_size: u32,
    /// Frames a queue receives into: a power of two, at least 64.
    pub receive_frames: u32,
    /// Frames a queue sends from: 0, or a power of two.
    pub transmit_frames: u32,
    /// Whether packet memory lies on huge pages.
    pub huge_pages: HugePages,
    /// Whether a packet may take several frames. They are put together by copying.
    pub multi_buffer: bool,
    /// The longest packet of several frames that is put together, in bytes. A longer one is counted
    /// ([`crate::Counts::too_long`]).
    pub longest_frame: u32,
    /// Busy polling. Takes effect with zero-copy only.
    pub busy_poll: Option<BusyPoll>,
    /// How long to go on trying while the kernel says a queue is busy. After a socket is closed it
    /// says so for some tens of milliseconds.
    pub bind_within: Duration,
}

impl Options {
    /// Copy mode, 4096 frames of 4096 bytes to a queue (16 MiB: at 200,000 packets a second 20 ms),
    /// packets to 9,216 bytes, huge pages where there are any, and half a second to bind.
    #[must_use]
    pub fn new(ifindex: u32, queues: Vec<u32>) -> Options {
        Options {
            ifindex,
            queues,
            mode: BindMode::Copy,
            frame_size: 4096,
            receive_frames: 4096,
            transmit_frames: 0,
            huge_pages: HugePages::Try,
            multi_buffer: true,
            longest_frame: 9216,
            busy_poll: None,
            bind_within: Duration::from_millis(500),
        }
    }

    /// Why these can't be opened.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let power_of_two = u32::is_power_of_two;
        let frames = u64::from(self.receive_frames) + u64::from(self.transmit_frames);
        let repeated = |queue: &u32| self.queues.iter().filter(|other| *other == queue).count() > 1;
        let faults = [
            (self.queues.is_empty(), "name at least one queue"),
            (self.queues.iter().any(repeated), "name each queue once"),
            (!matches!(self.frame_size, 2048 | 4096), "frame_size must be 2048 or 4096"),
            (
                self.receive_frames < 64 || !power_of_two(self.receive_frames),
                "receive_frames must be a power of two from 64",
            ),
            (
                self.transmit_frames != 0 && !power_of_two(self.transmit_frames),
                "transmit_frames must be 0 or a power of two",
            ),
            (frames > 1 << 24, "receive_frames and transmit_frames must not exceed 2^24 together"),
        ];
        faults.into_iter().find_map(|(broken, text)| broken.then_some(text))
    }
}

//! AF_XDP sockets: packet memory, rings, queues, statistics, over the C library alone.
//!
//! [`open`] makes one socket for each queue of an interface, all on one piece of packet memory
//! (UMEM), each with frames, rings and reassembly buffer of its own, so that a [`Queue`] can go to
//! its lane's thread and share nothing. `candor-ebpf` steers frames into them.
//!
//! What this crate does not do: choose a mode or fall back from one to another ([`BindMode`] is the
//! caller's and a refusal is an error), look into frames beyond the metadata in front of them, read
//! a clock, or start a thread. After [`open`] it allocates nothing.
//!
//! **Frames are lent.** A [`Frame`] borrows packet memory from the [`Batch`] that hands it out, and
//! a batch gives its frames back to the kernel when it is dropped: at its end, on an early return,
//! and while unwinding. A forgotten batch's frames are given back by the next one. A frame can't be
//! used after it went back, because the borrow is over.
//!
//! **System calls.** Receiving makes none unless the kernel asks to be woken or busy polling is on.
//! [`Queue::wait`] and [`Waiter`] block.
//!
//! **Where the frames are.** With N receive frames to a queue, a frame is in exactly one of four
//! places: the fill ring, the kernel's or the card's hands, the receive ring, or the batch. The
//! receive ring has N entries, so it can't be full. The fill ring has 2N: the kernel publishes what
//! it took from it late, so that a frame may be back before its old entry is seen to be free. It
//! looks at no more than the at most N frames that wait there, so it is at most N entries late,
//! with at most N more waiting, and giving back always finds room.
//!
//! **Privileges.** Sockets need `CAP_NET_RAW`; packet memory counts against `RLIMIT_MEMLOCK` unless
//! the process has `CAP_IPC_LOCK`.
//!
//! ```no_run
//! use candor_af_xdp::{BindMode, Options, open};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut opened = open(&Options { mode: BindMode::Copy, ..Options::new(2, vec![0, 1]) })?;
//! let queue = &mut opened.queues[0];
//! queue.receive(64, |frame| {
//!     if let (Some(meta), Some(payload)) = (frame.meta(), frame.payload()) {
//!         println!("partition {} line {}: {} bytes", meta.partition, meta.line, payload.len());
//!     }
//! })?;
//! # Ok(())
//! # }
//! ```

mod error;
mod frame;
mod ledger;
mod memory;
mod open;
mod options;
pub mod probe;
mod queue;
mod receive;
mod ring;
mod socket;
mod transmit;
mod wait;

pub use candor_ebpf::FrameMeta;
pub use error::{OpenError, ReceiveError, SendError, WaitError};
pub use frame::Frame;
pub use open::{Opened, Report, open};
pub use options::{BindMode, BusyPoll, HugePages, Options, Polling};
pub use queue::Queue;
pub use receive::{Batch, Counts, Received};
pub use socket::Statistics;
pub use wait::Waiter;

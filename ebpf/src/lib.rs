//! The XDP program that steers market data into AF_XDP sockets, and its loader.
//!
//! The program ([`program.bpf.c`](../src/program.bpf.c)) looks at every frame an interface
//! receives. UDP to a multicast group and port that [`Program::set_endpoint`] has named, from the sender
//! it has named if it did, goes to the
//! AF_XDP socket that [`Program::set_socket`] has put on the frame's queue, with a [`FrameMeta`] in
//! front of it; every other frame is passed to the host's own network stack untouched, ARP and IGMP
//! included. Multicast nobody has named is counted by group and port ([`Program::unmapped`]): a
//! venue's new partition shows there first.
//!
//! What this crate does not do: open AF_XDP sockets (`candor-af-xdp`), join groups (an ordinary
//! joined socket must, or the switch forwards nothing), or choose a mode. [`AttachMode`] is the
//! caller's, and a mode the driver refuses is an error.
//!
//! **Lifetime.** The program is attached by a bpf link. It leaves the interface when the
//! [`Attachment`] is dropped or the process ends, however it ends.
//!
//! **Privileges.** Loading needs `CAP_BPF` and `CAP_NET_ADMIN`, attaching `CAP_NET_ADMIN`.
//! `CAP_PERFMON` is not needed, because the program moves packet pointers by constants alone.
//!
//! **Unsafe code** is in `attach.rs` only: libbpf-rs has no call that attaches a link in a stated
//! mode.
//!
//! ```no_run
//! use candor_ebpf::{AttachMode, LoadOptions, Program};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut program = Program::load(LoadOptions { sockets: 4, endpoints: 64 })?;
//! program.set_endpoint([239, 1, 1, 1], 26401, Some([10, 0, 0, 1]), 0, 0)?;
//! let attachment = program.attach(2, AttachMode::Native)?;
//! assert!(attachment.is_attached());
//! # Ok(())
//! # }
//! ```
#![deny(unsafe_code)]

mod attach;
mod error;
mod layout;
mod object;
mod program;

pub use attach::{AttachMode, Attachment};
pub use error::{AttachError, LoadError, MapError};
pub use layout::{
    Destination, Endpoint, FRAME_META_MAGIC, FrameMeta, Other, ProgramCounters, SENDERS, Seen,
    Sender,
};
pub use object::OBJECT;
pub use program::{LoadOptions, OtherSource, Program, Traffic};

//! Facts about a host and an interface that decide whether and how AF_XDP works there: what
//! `candor doctor` looks at. Data only; what to make of it is the caller's.
//!
//! Everything about an interface comes by system calls, so it is about the calling thread's network
//! namespace, whatever `/sys` shows.

mod clock;
mod ethtool;
mod host;
mod trial;

pub use clock::{WallClock, wall_clock};
pub use ethtool::{Channels, HashFields, Interface, ProbeError, Steering, interface};
pub use host::{Capability, Host, host};
pub use trial::{TrialError, native_attaches, zero_copy_binds};

//! The deterministic simulator: a venue, a network, the real handler and its readers in one
//! thread, under one seed and a time that is only counted.
//!
//! ```text
//! exchange (market → publisher) ─► oracle            what is true
//!        │
//!        ▼
//!     network  (per link: loss, bursts, delay, jitter, duplicates, cuts, broken frames)
//!        │
//!        ▼
//!     handler  (real partitions, real region over heap memory; stopped, killed, started)
//!        │
//!        ▼
//!      checks  (real readers at any instant, against the oracle)
//! ```
//!
//! A run has two acts. In the first, faults of the [`schedule`] happen and nothing false may be
//! seen: a Live book is the venue's as of the newest number that reached the handler (I1, I2),
//! silence and a handler that stands still are Stale within their leases with no code running (I3,
//! I4), every Stale has a reason that the simulator knows the cause of (I7). In the second the
//! faults end and every partition that can be whole must be Live, and equal to the venue's books,
//! within a bound (I5). Everything that leaves the handler is folded into one number, which is the
//! same for the same seed (I6).
//!
//! Nothing here reads a clock, starts a thread or looks at a hash's order. One seed decides
//! everything; what one part draws never moves another.

mod belief;
#[cfg(canary)]
pub mod canaries;
pub mod checks;
pub mod digest;
pub mod errands;
mod expect;
pub mod frozen;
pub mod handler;
pub mod journal;
mod maps;
pub mod network;
mod overnight;
mod past;
pub mod preopen;
mod quota;
mod reached;
pub mod report;
mod said;
pub mod scenario;
pub mod schedule;
pub mod shrink;
pub mod swarm;
mod tap;
mod watch;
pub mod wire;
pub mod world;

pub use maps::MapOf;
pub use overnight::Overnight;
pub use preopen::Preopen;
pub use report::{Failure, Outcome};
pub use schedule::{
    Alarm, Expect, Fault, Must, OddKind, Oddity, Plan, ServiceSetup, Setup, Ways, What, Whose,
};
pub use world::run;

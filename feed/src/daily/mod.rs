//! The maps of the day, taken by a handler that runs.
//!
//! ```text
//!  the maps' thread                      the handler's own thread              each lane
//!  timer: which date, what is due
//!  fetch, check, accept: the store,
//!   on a thread of its own
//!  shape: what changes ───── job ──────► sockets, services ──── begin ────────► takes away, opens
//!                                        filter, joins     ◄─── done ─────────
//!                                                          ──── claim ────────► contradictions
//!                                                          ◄─── done ─────────
//!                                                          ──── finish ───────► gives
//!  frees what is left  ◄──── done ────── leaves            ◄─── done ─────────
//! ```
//!
//! The maps' thread waits for the disk and the lanes, and makes and frees whatever is large; the handler's own
//! thread has memberships and programs, and waits for nothing; a lane makes three calls. The next call is made
//! only when every lane has made the one before (`docs/decisions/0013`, `0014`).
//!
//! | file | what |
//! | --- | --- |
//! | `days.rs` | which trading date it is at a venue |
//! | `ending.rs` | how long the calendars still know that |
//! | `timer.rs` | when a map is wanted and when it ends: pure |
//! | `shape.rs` | from a map to partitions, and what another one changes: pure |
//! | `resolve.rs` | what a handler starts with |
//! | `thread.rs` | the maps' thread |
//! | `fetching.rs` | what brings a map, on a thread of its own |
//! | `words.rs` | what is said of a map that is missing or can't be followed |
//! | `changes.rs` | what each lane has to do for a map |
//! | `handover.rs` | from the handler's own thread to the lanes and back |
//! | `taken.rs` | what is said and recorded of a map that was taken |
//! | `taking.rs` | the handler's own thread's part |

mod changes;
#[cfg(test)]
mod clocks;
pub mod days;
pub(crate) mod ending;
mod fetching;
pub(crate) mod handover;
#[cfg(test)]
mod passes;
pub mod resolve;
pub mod shape;
pub(crate) mod taken;
pub(crate) mod taking;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod thread;
pub mod timer;
#[cfg(test)]
mod waits;
mod words;

pub use resolve::{Resolved, Start, resolve};
pub use shape::Place;

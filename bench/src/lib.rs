//! What the benchmarks run on: seeded streams of messages, packets of them, a region that is Live,
//! and the floors each figure is to be read beside.
//!
//! Everything here follows from a seed and reads no clock, so that two runs do the same work.
#![forbid(unsafe_code)]

pub mod blocks;
pub mod deep;
pub mod floors;
pub mod itch;
pub mod live;

pub use blocks::Blocks;

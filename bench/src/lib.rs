//! What the benchmarks run on: seeded streams of messages, packets of them, a region that is Live,
//! and the floors each figure is to be read beside.
//!
//! What the work is follows from a seed and reads no clock, so that two runs do the same; the stopwatch and
//! the machine's description are beside it.
#![forbid(unsafe_code)]

pub mod blocks;
pub mod day;
pub mod deep;
pub mod floors;
pub mod itch;
pub mod lines;
pub mod live;
pub mod machine;
pub mod stopwatch;

pub use blocks::Blocks;

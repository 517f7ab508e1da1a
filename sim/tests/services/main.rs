//! The services of a partition under a made-up clock: what clients get of them, with and without
//! faults.

mod carried;
mod faults;
mod glimpse;
mod iex;
mod retransmit;
mod world;

//! Partition maps: which partitions a venue has on a trading date, where they are sent, and which
//! symbols each carries.
//!
//! A venue changes these (an exchange-driven change), and whoever goes on with yesterday's map takes
//! yesterday's prices for live ones. So a map is of one venue and one trading date, is checked whole or
//! refused whole, and is compared with the one before it in words.
//!
//! Nothing here opens a file, a socket or a clock.

#![forbid(unsafe_code)]

pub mod calendar;
pub mod check;
pub mod diff;
pub mod file;
pub mod import;
mod model;
mod place;
mod words;

pub use model::{Endpoint, Key, Map, Partition, Protocol, Range, Services, Symbols};

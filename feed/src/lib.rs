//! Candor, a kernel-bypass market-data feed handler: the process.
//!
//! This crate has the threads, the clock, the sockets and the command line; what packets mean is
//! for the crates below it. Its parts: [`config`] reads the configuration, [`source`] brings
//! packets, [`join`] holds the multicast memberships, [`control`] takes commands, [`journal`] records what
//! happens, `recovery` speaks to the venues' services, [`store`] keeps partition maps on disk, [`daily`]
//! takes one a day while the handler runs, [`attest`] sees that what runs is what was signed for with [`sign`],
//! [`fleet`] compares hosts, [`doctor`] looks at one, [`drill`] makes every stale path happen on it, [`clock`] is
//! the only reader of clocks, [`exit`] says how the process ends.
#![deny(unsafe_code)]

mod alert;
pub mod attest;
pub mod cli;
pub mod clock;
mod command;
pub mod config;
pub mod control;
pub mod daily;
pub mod day;
pub mod doctor;
pub mod drill;
pub mod exit;
pub mod fleet;
pub mod halt;
pub mod interface;
pub mod join;
pub mod journal;
mod kept;
mod later;
mod morning;
pub mod preopen;
pub mod privilege;
pub mod replay;
pub mod sign;
pub mod source;
pub mod stderr;
pub mod store;

mod lane;
pub mod log;
pub mod memory;
pub mod publish;
mod records;
mod recovery;
mod requests;
pub mod run;
mod sessions;
mod small;
pub mod statuses;
mod watch;
mod world;

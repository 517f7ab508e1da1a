//! Candor, a kernel-bypass market-data feed handler: the process.
//!
//! This crate has the threads, the clock, the sockets and the command line; what packets mean is
//! for the crates below it. Its parts: [`config`] reads the configuration, [`source`] brings
//! packets, [`join`] holds the multicast memberships, [`control`] takes commands, `recovery` speaks to the
//! venues' services, [`store`] keeps partition maps on disk, [`doctor`] looks at the host, [`clock`] is
//! the only reader of clocks, [`exit`] says how the process ends.
#![deny(unsafe_code)]

pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod day;
pub mod doctor;
pub mod exit;
pub mod halt;
pub mod interface;
pub mod join;
pub mod privilege;
pub mod replay;
pub mod source;
pub mod stderr;
pub mod store;

mod lane;
pub mod log;
pub mod publish;
mod recovery;
pub mod run;
mod watch;
mod world;

//! An exchange for tests and demonstrations, in pure parts: a synthetic market with its true books
//! ([`market`]), the publisher of a partition on several lines with faults ([`publisher`]), the
//! replay of captures ([`capture`]), the log of what was true when ([`truth`]), and the commands an
//! operator of it gives ([`control`]).
//!
//! Nothing here reads a clock or opens a socket but [`cli`], the program `candor-exchange`; the
//! simulator does without it.
#![forbid(unsafe_code)]

pub mod capture;
pub mod cli;
pub mod control;
pub mod exchange;
pub mod market;
pub mod oracle;
pub mod publisher;
pub mod rng;
pub mod services;
pub mod simulator;
pub mod truth;

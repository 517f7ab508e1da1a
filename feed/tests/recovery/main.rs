//! What becomes of messages that no line carried: a handler with ordinary sockets on the loopback
//! interface, and an exchange with the venue's services, which fail as they are told to. Over a real
//! interface, and under loss: `tests/veth/recovery.rs`.
#![allow(unreachable_pub, reason = "a test is a crate without a public face")]

mod child;
mod failover;
mod faults;
mod iex;
mod join;
mod journal;
mod ladder;
mod morning;
mod scene;
mod senders;
mod trouble;
#[path = "../support/wait.rs"]
mod wait;

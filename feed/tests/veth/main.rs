//! The handler end to end: the real program, AF_XDP on a veth pair between two network namespaces,
//! the exchange on the other side, and readers in this process who are judged by what the exchange
//! knows to be true. Needs root; without it each test says that it was skipped.
#![allow(unreachable_pub, reason = "a test is a crate without a public face")]

mod accounting;
mod alerts;
mod allocation;
mod by_hand;
mod cards;
mod child;
mod control;
mod crash;
mod damage;
mod disk;
mod drill;
mod halt;
mod lanes;
mod lines;
mod maps;
mod modes;
mod recovery;
mod senders;
mod sessions;
mod silence;
mod states;
mod store;
mod syscalls;
mod udp;
#[path = "../support/wait.rs"]
mod wait;
mod watch;
mod world;

//! One suite for every source: what holds for one holds for all, or they are no twins. Then what is
//! each one's own.
#![allow(unreachable_pub, reason = "a test is a crate without a public face")]

mod af_xdp;
mod capture;
mod files;
mod scene;
mod suite;
mod udp;

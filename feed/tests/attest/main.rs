//! What runs is what somebody has signed for, or nothing is Live: handlers with ordinary sockets on the loopback
//! interface, an exchange, readers that look at every symbol, and hosts that are compared.
#![allow(unreachable_pub, reason = "a test is a crate without a public face")]

#[path = "../recovery/child.rs"]
mod child;
mod fleet;
mod handler;
#[allow(dead_code, reason = "each test binary uses its own part")]
#[path = "../recovery/scene.rs"]
mod scene;
mod signed;
#[path = "../support/wait.rs"]
mod wait;

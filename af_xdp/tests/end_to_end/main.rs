//! The XDP program and AF_XDP sockets over real interfaces: a veth pair between two network
//! namespaces. Needs root; without, each test says that it was skipped.

mod lifetime;
mod refusals;
mod steering;
mod sustained;
mod veth;
mod whole_path;

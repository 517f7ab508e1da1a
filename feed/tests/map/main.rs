//! `candor map` as a process: what it prints, what it exits with, and what it leaves on the disk.

mod fetch;
mod files;
mod published;
mod store;
mod support;

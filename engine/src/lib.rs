//! One partition's machine: from packets to books and to what may be called Live.
//!
//! No socket, no clock, no thread, no hash order: time is an argument, so the same bytes at the
//! same times give the same books, statuses and events, always. Everything is allocated by
//! [`Partition::new`]; afterwards nothing is.
//!
//! # The contract
//! Call [`Partition::start`] once, [`Partition::subscribe`] when a line is joined, then
//! [`Partition::on_packet`] for every packet and [`Partition::on_deadline`] when
//! [`Partition::deadline`] has come. `now` never goes back (asserted). What comes out goes to a
//! [`Sink`], in the order in which it must become visible to readers.
//!
//! After each call take [`Partition::next_action`] until there is none: requests to the venue's
//! services. What those answer comes back by [`Partition::on_retransmit`], [`Partition::on_refused`]
//! and [`Partition::on_snapshot`]; without services ([`Services`]) there are no requests, and what no
//! line carries stays missing.
//!
//! A map holds until a moment ([`Config::mapped_until`]); another is taken in three calls
//! ([`Partition::begin_map`]).
//!
//! # The rules of status
//! A reader composes the verdict from words at three scopes, each of which can only take Live away:
//!
//! | scope | word | written here when | what it says |
//! | --- | --- | --- | --- |
//! | symbol | its slot's status, with the epoch | its book or its evidence changed | named this session on this partition, its book sound |
//! | partition | status word, with the epoch | evidence changed | a map in force, subscribed, heard, no gap, whole since the session's start, lines agree, not late |
//! | partition | lease | a packet of this session arrived while in sync | silent at the latest then |
//! | handler | status and lease | by `feed/` | running, not halted |
//!
//! The epoch ties the first two: a new session makes a new epoch, and with it every slot of the
//! partition stops being Live at once, whether or not anything ever writes to it again.
#![forbid(unsafe_code)]

pub mod alerts;
#[cfg(canary)]
mod canary;
mod content;
mod evidence;
mod map;
pub mod odd;
mod partition;
mod past;
mod rebuild;
mod recovery;
pub mod sessions;
mod sink;
mod symbols;
mod witness;

pub use candor_book::Capacity;
pub use candor_gapfill::Notice;
pub use map::NewMap;
pub use partition::{Config, Partition, Services};
pub use sink::{Claim, NamedAt, Sink, Step};
pub use symbols::VenueSymbols;

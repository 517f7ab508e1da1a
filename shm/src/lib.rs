//! The region: shared memory that one handler publishes and any number of processes read.
//!
//! The writing side is [`create`]: a [`HandlerWriter`] for the process and a [`LaneWriter`] for
//! each lane. The reading side is [`Region::open`]: look a symbol up once ([`Region::find`]), read
//! it as often as wanted ([`Region::read`]; [`Region::read_into`] moves nothing), be told which of many may read otherwise by now, be it
//! by time alone ([`Region::subscribe`]), follow what happens ([`Region::events`]). [`heap`] is the
//! same over memory of one process.
//!
//! The contract: a read answers [`Read::Live`] only when the words of the region, loaded in the
//! right order and judged by this reader's own clock, rule out every reason for `Stale`
//! (`reader/verdict.rs` has the table). Zeroed memory, a dead writer, a writer stopped in the
//! middle of a write, a replaced region: each of them is `Stale` without any code running to say so.
//! A book is never torn: a slot is copied under a sequence lock or the answer says that it wasn't.
//!
//! A slot whose lock stays taken for 256 tries answers `Stale(Lapped)` without a book while its
//! writer's lease holds (the writer was suspended inside a write of some tens of nanoseconds), and
//! `Stale(WriterGone)` from the moment the lease is out.
//!
//! An operator can take Live away from everything, a partition or a symbol by a word that readers obey
//! by themselves ([`KillSwitch`]): no code of the handler needs to run for it.
//!
//! What this crate does not do: it keeps no thread, polls nothing by itself, never asks a reader to
//! write, and reads a clock in `clock.rs` only.
//!
//! ```
//! use candor_core::symbol::Text;
//! use candor_core::{Mono, Reason, Symbol, SymbolIndex, Venue};
//! use candor_shm::{RegionSpec, heap};
//! # use candor_shm::PartitionSpec;
//! # use candor_core::{Decimals, Nanos};
//! let mut spec = RegionSpec::new(Text::from_wire(b"mdh1").unwrap());
//! # spec.partitions.push(PartitionSpec {
//! #     venue: Venue::from_wire(b"XNAS").unwrap(), name: Text::from_wire(b"1").unwrap(),
//! #     feed: Text::from_wire(b"nasdaq-itch50").unwrap(), lane: 0, symbols: 8,
//! #     silence: Nanos::from_secs(3), decimals: Decimals(4), lines: [None; 3],
//! # });
//! let (_handler, mut lanes, region) = heap(&spec).unwrap();
//! let (venue, symbol) = (Venue::from_wire(b"XNAS").unwrap(), Symbol::from_wire(b"AAPL").unwrap());
//! assert!(region.find(&venue, &symbol).is_none());
//! lanes[0].define(0, SymbolIndex(0), &symbol);
//! let handle = region.find(&venue, &symbol).unwrap();
//! assert_eq!(region.read_at(handle, Mono(1)).reason(), Some(Reason::WriterGone));
//! ```

#[cfg(not(loom))]
mod alerts;
mod atomic;
#[cfg(not(loom))]
mod attested;
#[cfg_attr(loom, allow(dead_code, unused_imports))]
mod layout;
// Loom checks the two protocols; the rest lays records over bytes, which loom's atomics are not.
#[cfg(not(loom))]
pub mod clock;
#[cfg(not(loom))]
mod event;
#[cfg(not(loom))]
mod halt;
#[cfg(not(loom))]
mod loss;
#[cfg(not(loom))]
mod mapping;
#[cfg(all(test, loom))]
mod model;
#[cfg(not(loom))]
mod names;
#[cfg(not(loom))]
mod reader;
#[cfg_attr(all(loom, not(test)), allow(dead_code))]
mod ring;
#[cfg_attr(all(loom, not(test)), allow(dead_code))]
mod seqlock;
#[cfg(not(loom))]
mod slot;
#[cfg(not(loom))]
mod spec;
#[cfg_attr(all(loom, not(test)), allow(dead_code))]
mod switch;
#[cfg(not(loom))]
mod text;
#[cfg(not(loom))]
mod venue;
#[cfg(not(loom))]
mod writer;

#[cfg(not(loom))]
pub use self::{
    alerts::{AlertEntry, AlertsInfo},
    attested::Attested,
    event::EventRecord,
    halt::{Carried, Halt, HaltName, Halted, KillSwitch},
    layout::text::{layout_digest, layout_text},
    layout::{LAYOUT_VERSION, MILESTONES_MAX},
    loss::LossRecord,
    reader::{
        EventReader, Evidence, FOLLOWED_BEFORE, Handle, LaneInfo, LossReader, Next, OpenError,
        PartitionCounters, PartitionInfo, Read, ReadPlace, ReadRef, Region, RegionInfo,
        Subscription, UnmappedInfo, View, Word,
    },
    spec::{Endpoint, PartitionSpec, RegionSpec},
    venue::{InForce, Milestone, Morning, Preopen, PreopenVerdict, VenueInfo},
    writer::{
        Claim, CreateError, Defined, HandlerWriter, LaneWriter, Replaced, Unmapped, Was, claim,
        create, heap, look,
    },
};

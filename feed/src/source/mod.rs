//! Where packets come from: ordinary sockets, AF_XDP sockets, or a capture file. Three twins behind
//! one trait; one suite of tests holds for all of them (`tests/sources.rs`).

pub mod af_xdp;
pub mod bypass;
pub mod capture;
pub(crate) mod recvmmsg;
pub mod udp;

use candor_core::{Line, Mono, Nanos, Reject};

use crate::config::{Config, SourceKind};
use crate::exit::{Exit, Failure};
use crate::interface;
use crate::join::Joins;
pub use bypass::{Incident, Watch};
use udp::Udp;

/// One UDP payload of one of our partitions. Borrowed from the source for as long as it is
/// delivered.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// The partition, by its index in [`crate::config::Config::partitions`]. It may be another
    /// lane's where a card steers packets to a queue that isn't the partition's; the lane counts
    /// and drops those.
    pub partition: u16,
    /// The line.
    pub line: Line,
    /// When it reached the host. Each source says how it knows. It may lie a little after the
    /// `now` of a cycle that read its clock before it polled.
    pub at: Mono,
    /// The UDP payload.
    pub payload: &'a [u8],
}

/// What one poll did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Polled {
    /// Frames taken, delivered or refused.
    pub frames: u32,
    /// Whether nothing was left behind: the next poll would find only what arrived since.
    pub drained: bool,
    /// What was left behind reached the host then at the earliest; `None` where nobody can say.
    pub waits_since: Option<Mono>,
}

/// What a source could not give its lane, by cause, since it was opened. Every count only grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SourceCounts {
    /// Frames the kernel dropped because no receive descriptor was free, or because a socket's
    /// receive buffer was full: the lane is too slow.
    pub rx_ring_full: u64,
    /// Frames the kernel dropped because no buffer was free.
    pub fill_ring_empty: u64,
    /// Frames the kernel dropped for other causes.
    pub rx_dropped: u64,
    /// Frames with an invalid descriptor, or whose metadata was not ours.
    pub rx_invalid: u64,
    /// Frames of our endpoints that a card steered to a queue no lane polls: the program left them
    /// to the host. They are reported by the first lane.
    pub misdirected: u64,
    /// Datagrams longer than a receive buffer; refused, never cut.
    pub too_long: u64,
    /// Fragments, which are never reassembled (kernel bypass only: sockets never see them).
    pub fragments: u64,
    /// Frames the XDP program could not make sense of.
    pub malformed: u64,
    /// Frames of ours that had no room for metadata and went to the kernel's stack.
    pub meta_failed: u64,
    /// Frames that are no datagram at all (captures only: the program filters before a lane sees
    /// them).
    pub not_udp: u64,
    /// Datagrams for a group and port that no partition has (captures only: others never see
    /// them).
    pub unmapped: u64,
    /// Datagrams for a group and port of ours from a sender that none of its lines has. The kernel
    /// keeps them from sockets without a count.
    pub other_source: u64,
}

impl SourceCounts {
    /// Frames that were ours and are lost, whatever the cause: any of them may have been anybody's.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.rx_ring_full
            + self.fill_ring_empty
            + self.rx_dropped
            + self.rx_invalid
            + self.misdirected
            + self.too_long
    }
}

/// Why a source gave up. A lane that gets one stops: its partitions go stale by their leases.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SourceError {
    /// A system call failed in a way that trying again does not heal.
    #[error("{call} failed: {}", std::io::Error::from_raw_os_error(*errno))]
    Kernel {
        /// The call.
        call: &'static str,
        /// The kernel's error number.
        errno: i32,
    },
    /// A capture file is broken or cut off.
    #[error("{file}: {what} at offset {offset}")]
    Capture {
        /// The file.
        file: String,
        /// What is wrong.
        what: String,
        /// Where, in bytes of the decompressed file.
        offset: u64,
    },
}

/// A source of packets for one lane.
pub trait Source: Send {
    /// Delivers at most one batch, and never waits.
    ///
    /// # Errors
    /// When no further packet can come from here. What was delivered before stays delivered.
    fn poll(&mut self, deliver: &mut dyn FnMut(Arrival<'_>)) -> Result<Polled, SourceError>;

    /// Waits until there may be something to poll, at most this long. It may wake early.
    ///
    /// # Errors
    /// When no further packet can come from here.
    fn wait(&mut self, at_most: Nanos) -> Result<(), SourceError>;

    /// What could not be delivered, by cause.
    fn counts(&mut self) -> SourceCounts;

    /// Tells what was refused since the last call before it could be delivered: the partition, why,
    /// and how many packets. Only what reaches a lane unchecked can be.
    fn refused(&mut self, _tell: &mut dyn FnMut(u16, Reject, u64)) {}

    /// Tells what was delivered since the last call although no checksum vouches for it: the
    /// partition, and how many packets. Only what reaches a lane unchecked can be.
    fn unverified(&mut self, _tell: &mut dyn FnMut(u16, u64)) {}

    /// Takes sockets that the handler's own thread has opened for lines that a map adds, as long as there is
    /// room. They are polled once they are added to [`Opened::sockets`].
    fn adopt(&mut self, _sockets: &mut Vec<udp::Socket>) {}

    /// How frames are received, in words: `udp`, `native copy`, `capture`.
    fn mode(&self) -> &str;

    /// Whether everything this source will ever have has been delivered. Only a capture ends.
    fn ended(&self) -> bool {
        false
    }
}

/// The sources of every lane, open.
pub struct Opened {
    /// One for each lane, in their order.
    pub lanes: Vec<Box<dyn Source>>,
    /// The memberships, to be kept, and renewed where a partition has gone silent.
    pub joins: Joins,
    /// What kernel bypass needs besides; `None` with ordinary sockets.
    pub watch: Option<Watch>,
    /// How lines are added while the lanes run, with ordinary sockets.
    pub sockets: Option<udp::Sockets>,
    /// What was refused on the way to the mode in force, in words.
    pub refused: Vec<String>,
}

/// Opens what the configuration asks for, for every lane.
///
/// # Errors
/// Naming the privilege, limit, interface, queue or mode that is missing. Nothing stays open then.
pub fn open(config: &Config) -> Result<Opened, Failure> {
    require_interfaces(config)?;
    if let SourceKind::AfXdp(_) = config.source.kind {
        let bypass::Opened { lanes, watch, joins, refused } = bypass::open(config)?;
        let lanes = lanes.into_iter().map(|lane| Box::new(lane) as Box<dyn Source>).collect();
        return Ok(Opened { lanes, joins, watch: Some(watch), sockets: None, refused });
    }
    let mut joins = Joins::default();
    let mut lanes: Vec<Box<dyn Source>> = Vec::new();
    let mut sockets = udp::Sockets::default();
    for (index, _) in (0u16..).zip(&config.lanes) {
        let (udp, memberships) = Udp::open(config, index)?;
        joins.merge(memberships);
        sockets.add_lane(&udp)?;
        lanes.push(Box::new(udp));
    }
    Ok(Opened { lanes, joins, watch: None, sockets: Some(sockets), refused: Vec::new() })
}

/// Refuses a start while an interface in use is missing: lines that nobody joins are nobody's decision but an
/// operator's.
fn require_interfaces(config: &Config) -> Result<(), Failure> {
    let names = config.interfaces();
    for name in &names {
        interface::index(name).map_err(|mut failure| {
            if names.len() > 1 && failure.exit == Exit::Config {
                failure.message += &format!(
                    "; or, if its card is gone and is to be done without, start with `--without {name}`: its \
                     lines are not joined then"
                );
            }
            failure
        })?;
    }
    Ok(())
}

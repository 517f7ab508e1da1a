//! What a region is made for: the handler, its lanes, its partitions.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use candor_core::limits::{EVENTS, LINES, LOSSES};
use candor_core::symbol::Text;
use candor_core::{Decimals, Nanos, TradingDate, Venue};

/// Where one line of a partition is received.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Endpoint {
    /// The multicast group.
    pub group: [u8; 4],
    /// The UDP port.
    pub port: u16,
}

impl Endpoint {
    /// Whether it is the hosts' own talk on a link (224.0.0.0/24), which is nobody's partition.
    #[must_use]
    pub const fn is_link_local(self) -> bool {
        matches!(self.group, [224, 0, 0, _])
    }

    /// Group in bits 16-47, first octet on top; port in bits 0-15.
    pub(crate) const fn word(self) -> u64 {
        (u32::from_be_bytes(self.group) as u64) << 16 | self.port as u64
    }

    pub(crate) const fn of(word: u64) -> Endpoint {
        Endpoint { group: ((word >> 16) as u32).to_be_bytes(), port: word as u16 }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", Ipv4Addr::from(self.group), self.port)
    }
}

/// One partition, as configured; without venue and name one to spare, for a partition that a later map adds
/// ([`crate::LaneWriter::open`]).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartitionSpec {
    /// Its venue.
    pub venue: Venue,
    /// Its name at the venue (`1`, `A-F`).
    pub name: Text<16>,
    /// The feed format's name (`nasdaq-itch50`).
    pub feed: Text<16>,
    /// The lane that owns it.
    pub lane: u16,
    /// Room for symbols, at least 1.
    pub symbols: u32,
    /// The silence bound.
    pub silence: Nanos,
    /// Decimal places of the feed's prices.
    pub decimals: Decimals,
    /// Where its lines are received; `None` for a line it doesn't have.
    pub lines: [Option<Endpoint>; LINES],
}

/// One region, as configured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegionSpec {
    /// The handler's name.
    pub handler: Text<32>,
    /// The trading date everything in the region belongs to.
    pub trading_date: TradingDate,
    /// How long a lane vouches for itself at a time.
    pub process_lease: Nanos,
    /// Digest of the configuration in force, for display and attestation.
    pub config_digest: [u8; 32],
    /// Digest of the handler's own program; zeros where it could not be read.
    pub binary_digest: [u8; 32],
    /// The file's group by number; `None` leaves the process's own. Readers need to be in it: the
    /// file's mode is 0640.
    pub group: Option<u32>,
    /// The folder in which halts are recorded, at most 128 bytes; `None`: beside the region.
    pub state_folder: Option<PathBuf>,
    /// How many lanes, 1 to [`candor_core::limits::LANES`].
    pub lanes: u16,
    /// Records of each lane's event ring, a power of two.
    pub events: u32,
    /// Records of each lane's loss log, a power of two.
    pub losses: u32,
    /// Venues that are told of whether or not a partition is theirs; those of partitions are anyway.
    pub venues: Vec<Venue>,
    /// The partitions; a partition's place here is its index in the region.
    pub partitions: Vec<PartitionSpec>,
}

impl PartitionSpec {
    /// Room on a lane for a partition of so many symbols that a later map adds.
    #[must_use]
    pub fn spare(lane: u16, symbols: u32) -> PartitionSpec {
        PartitionSpec {
            venue: Venue::EMPTY,
            name: Text::EMPTY,
            feed: Text::EMPTY,
            lane,
            symbols,
            silence: Nanos::ZERO,
            decimals: Decimals(0),
            lines: [None; LINES],
        }
    }

    /// Whether it is room for a partition that a later map adds.
    #[must_use]
    pub fn is_spare(&self) -> bool {
        self.venue.is_empty()
    }
}

impl RegionSpec {
    /// A region of one lane and no partition yet, with the sizes of [`candor_core::limits`] and a
    /// process lease of 50 ms.
    #[must_use]
    pub fn new(handler: Text<32>) -> RegionSpec {
        RegionSpec {
            handler,
            trading_date: TradingDate(0),
            process_lease: Nanos::from_millis(50),
            config_digest: [0; 32],
            binary_digest: [0; 32],
            group: None,
            state_folder: None,
            lanes: 1,
            events: EVENTS as u32,
            losses: LOSSES as u32,
            venues: Vec::new(),
            partitions: Vec::new(),
        }
    }

    /// Every venue, once, in the order of their records in the region: those of [`RegionSpec::venues`],
    /// then those of partitions.
    #[must_use]
    pub fn all_venues(&self) -> Vec<Venue> {
        let mut venues: Vec<Venue> = Vec::new();
        let own = self.partitions.iter().map(|partition| partition.venue);
        for venue in self.venues.iter().copied().chain(own) {
            // A partition to spare has none yet.
            if !venue.is_empty() && !venues.contains(&venue) {
                venues.push(venue);
            }
        }
        venues
    }
}

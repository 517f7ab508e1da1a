//! The configuration: one TOML file, read whole, refused whole.
//!
//! What [`load`] returns has been checked: endpoints are multicast and unique, indices are in
//! range, capacities fit [`candor_core::limits`]. What it can't know is the host (interfaces,
//! privileges, cores): `candor doctor` looks at those, and `candor run` refuses by them. No
//! environment variable changes anything here or elsewhere.

mod alerts;
mod attest;
mod check;
mod credentials;
mod drill;
mod mapped;
mod maps;
mod parse;
mod preopen;
mod services;
mod terms;
mod venue;
mod without;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use candor_core::limits::LINES;
use candor_core::symbol::Text;
use candor_core::{Line, Nanos, Symbol, TradingDate, Venue};
use candor_decoders::Format;
use candor_settings::{Problem, Problems};

pub use alerts::Alerts;
pub use attest::Attest;
pub use candor_maps::Services;
pub use drill::Drill;
pub use mapped::{CalendarOf, MAP_AT, MAP_RETRY, Mapped, Own, overlay_from, schedule};
pub use maps::{FETCH_TIMEOUT, MapVenue, Maps, lines_from, symbols_from};
pub use preopen::{DrillAsked, LISTEN_MAX, Preopen, WallClock};
pub use services::Recovery;
pub(crate) use venue::protocol;

/// The reorder grace of a venue that configures none.
pub const REORDER_GRACE: Nanos = Nanos::from_micros(1_000);

/// The bound on lateness of a venue that configures none.
pub const LATE: Nanos = Nanos::from_millis(20);

/// The silence bound of a venue that configures none: three heartbeat intervals of the protocol. One
/// lost heartbeat is an accident, three are not.
#[must_use]
pub const fn silence(feed: Format) -> Nanos {
    Nanos(feed.heartbeat_interval().0 * 3)
}

/// A whole configuration, checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// The handler itself.
    pub handler: Handler,
    /// Where packets come from.
    pub source: SourceConfig,
    /// Interfaces that this run does without: their lines are not joined. None by the file; `candor run --without`
    /// names them.
    pub without: Vec<String>,
    /// The lanes; a partition's `lane` is an index into them.
    pub lanes: Vec<Lane>,
    /// The venues, in the file's order.
    pub venues: Vec<Venue>,
    /// How the services of each venue are asked, in the same order.
    pub recovery: Vec<Recovery>,
    /// Every partition of every venue in the file's order. A partition's index here is its index
    /// in the region, in [`crate::source::Arrival`] and everywhere else.
    pub partitions: Vec<Partition>,
    /// The venues whose partitions come from the store: none of theirs is in `partitions` until
    /// [`crate::daily::resolve()`] has put it there.
    pub mapped: Vec<Mapped>,
    /// Where partition maps are kept and come from; `None` where nothing is said of that.
    pub maps: Option<Maps>,
    /// What must have been signed for anything to be Live; `None` where nothing must.
    pub attest: Option<Attest>,
    /// What has to be so before the open.
    pub preopen: Preopen,
    /// The command that passes alerts on; `None` where there is none.
    pub alerts: Option<Alerts>,
    /// How drills are signed.
    pub drill: Drill,
    /// SHA-256 of the file's bytes followed by those of each symbols file in order of the
    /// partitions: what `cat candor.toml p1.txt p2.txt | sha256sum` prints.
    pub digest: [u8; 32],
}

/// `[handler]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Handler {
    /// The handler's name, as readers and operators see it.
    pub name: Text<16>,
    /// The region's file.
    pub region: PathBuf,
    /// The trading date; `None` takes the venue's today at start.
    pub trading_date: Option<TradingDate>,
    /// How long the process vouches for itself at a time: readers see stale this long after it
    /// stops.
    pub process_lease: Nanos,
    /// The group of the region's file, so that other users can read it, and of the control socket,
    /// so that they can command; `None` leaves both to the process's own user.
    pub group: Option<String>,
    /// The socket that takes commands: beside the region unless configured.
    pub control: PathBuf,
    /// The folder in which is recorded what is halted; `None` keeps that beside the region.
    pub state: Option<PathBuf>,
}

/// `[source]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceConfig {
    /// Sockets or kernel bypass, with what belongs to each.
    pub kind: SourceKind,
    /// The interface of every line that names none of its own.
    pub interface: String,
    /// Packets taken in one poll at most.
    pub batch: u32,
}

/// Which source, and its own settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SourceKind {
    /// Ordinary sockets.
    Udp {
        /// Receive buffer of each socket, in bytes as the kernel counts payload and overhead.
        receive_buffer: u32,
    },
    /// AF_XDP sockets.
    AfXdp(AfXdpConfig),
}

/// The settings of `kind = "af_xdp"`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AfXdpConfig {
    /// The mode wanted.
    pub mode: XdpMode,
    /// Whether the next mode down may be used where the one wanted is refused. The mode in force
    /// is published and logged either way.
    pub allow_fallback: bool,
    /// Frames of each queue's packet memory: a power of two.
    pub frames: u32,
    /// Bytes of a frame: 2048 or 4096.
    pub frame_size: u32,
    /// Whether packet memory lies in huge pages.
    pub huge_pages: HugePages,
    /// What is done about the checksums of what comes.
    pub checksums: Checksums,
    /// What each queue's socket gets as `SO_BUSY_POLL`, in microseconds, with `SO_PREFER_BUSY_POLL` and a
    /// budget of `batch`: the lane's own system calls then poll the card. How long one such call does is
    /// the kernel's to decide. Whether interrupts stay off meanwhile is decided by the interface's
    /// `napi_defer_hard_irqs` and `gro_flush_timeout`, which are left as they are. `None` sets nothing.
    /// Zero-copy only.
    pub busy_poll_us: Option<u32>,
}

/// What is done about the checksums of datagrams that no socket of the kernel has looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Checksums {
    /// The lane checks every one: what was damaged is refused and counted.
    Verify,
    /// Nobody does: what was damaged on the way is applied.
    Trust,
}

impl Checksums {
    /// The choice's name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Checksums::Verify => "verify",
            Checksums::Trust => "trust",
        }
    }
}

/// How frames come out of the driver; best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum XdpMode {
    /// The card writes into our buffers.
    ZeroCopy,
    /// The driver runs the program; the kernel copies once.
    Copy,
    /// The kernel's stack runs the program; any driver can.
    Generic,
}

impl XdpMode {
    /// Every mode, best first: the order in which fallback goes down.
    pub const ALL: [XdpMode; 3] = [XdpMode::ZeroCopy, XdpMode::Copy, XdpMode::Generic];

    /// The mode's name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            XdpMode::ZeroCopy => "zero-copy",
            XdpMode::Copy => "copy",
            XdpMode::Generic => "generic",
        }
    }
}

/// Whether buffers lie in huge pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HugePages {
    /// Where there are some; ordinary pages otherwise.
    Try,
    /// Or the handler does not start.
    Require,
    /// Never.
    No,
}

impl HugePages {
    /// The choice's name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            HugePages::Try => "try",
            HugePages::Require => "require",
            HugePages::No => "no",
        }
    }
}

/// `[[lane]]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lane {
    /// The core it is pinned to; `None` leaves it to the scheduler.
    pub core: Option<u16>,
    /// What it does when nothing arrived.
    pub idle: Idle,
    /// The queues it polls on every interface in use. AF_XDP only.
    pub queues: Vec<u32>,
}

/// What a lane does when nothing arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Idle {
    /// Polls again at once.
    Spin,
    /// Waits in the kernel until something arrives or a deadline is due.
    Block,
}

impl Idle {
    /// The policy's name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Idle::Spin => "spin",
            Idle::Block => "block",
        }
    }
}

/// `[[venue.partition]]`, together with what its venue says for all of its partitions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Partition {
    /// Its venue.
    pub venue: Venue,
    /// Its name within the venue.
    pub name: Text<16>,
    /// The format of its packets and messages.
    pub feed: Format,
    /// The lane that owns it.
    pub lane: u16,
    /// Whether its lines are joined; if not it is `Unsubscribed` all day.
    pub subscribe: bool,
    /// The symbols known in advance, in the order given, each once. Empty: whatever the venue
    /// names.
    pub symbols: Vec<Symbol>,
    /// How much it can hold.
    pub capacity: Capacity,
    /// How long nothing at all may be heard before it is `Silent`.
    pub silence: Nanos,
    /// How long a number may be missing on every line before it is a `Gap`.
    pub reorder_grace: Nanos,
    /// How far it may fall behind the wire before it is `Late`.
    pub late: Nanos,
    /// Its lines.
    pub lines: [Option<LineConfig>; LINES],
    /// The venue's services for it.
    pub services: Services,
}

/// How much a partition can hold. What happens beyond is in [`candor_core::limits`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capacity {
    /// Symbols.
    pub symbols: u32,
    /// Resting orders.
    pub orders: u32,
    /// Price levels, over all symbols and both sides.
    pub levels: u32,
}

/// One line of a partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LineConfig {
    /// The multicast group.
    pub group: Ipv4Addr,
    /// The UDP port.
    pub port: u16,
    /// The only sender joined and listened to, where given (source-specific multicast).
    pub source: Option<Ipv4Addr>,
    /// The interface it is received on.
    pub interface: String,
}

impl Partition {
    /// Whether this is a place for a partition that a later map adds.
    #[must_use]
    pub fn is_spare(&self) -> bool {
        self.venue.is_empty()
    }

    /// Its lines, with which line each is.
    pub fn lines(&self) -> impl Iterator<Item = (Line, &LineConfig)> {
        Line::ALL.into_iter().zip(&self.lines).filter_map(|(line, c)| Some((line, c.as_ref()?)))
    }
}

impl Config {
    /// The interfaces that carry any line to be joined, each once, in order of first use.
    #[must_use]
    pub fn interfaces(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for (_, _, line) in self.subscribed_lines() {
            if !names.contains(&line.interface.as_str()) {
                names.push(&line.interface);
            }
        }
        names
    }

    /// Every line to be joined, with its partition's index: those of every subscribed partition, but for the
    /// interfaces that this run does without.
    pub fn subscribed_lines(&self) -> impl Iterator<Item = (u16, Line, &LineConfig)> {
        let lines = (0u16..).zip(&self.partitions).filter(|(_, p)| p.subscribe).flat_map(
            |(index, partition)| partition.lines().map(move |(line, config)| (index, line, config)),
        );
        lines.filter(|(_, _, line)| !self.is_without(line))
    }

    /// How the services of a partition's venue are asked.
    #[must_use]
    pub fn recovery_of(&self, partition: &Partition) -> Option<&Recovery> {
        let venue = self.venues.iter().position(|venue| *venue == partition.venue)?;
        self.recovery.get(venue)
    }

    /// The digest as 64 hexadecimal digits.
    #[must_use]
    pub fn digest_text(&self) -> String {
        self.digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Parses and checks a configuration's text as if it had been read from `path`.
///
/// # Errors
/// As [`load`].
pub fn parse_text(path: &Path, text: &str) -> Result<Config, Problems> {
    parse::parse(path, text)
}

/// Reads and checks the configuration at `path`. Relative `symbols_file` names start at its folder.
///
/// # Errors
/// [`Problems`] with every problem found, each with file and line; nothing is loaded then.
pub fn load(path: &Path) -> Result<Config, Problems> {
    let text = candor_settings::read_text(path).map_err(|message| {
        Problems::new("configuration", path, vec![Problem::of_file(path, message)])
    })?;
    parse::parse(path, &text)
}

//! What a map says.

use core::net::{Ipv4Addr, SocketAddrV4};

use candor_core::limits::LINES;
use candor_core::symbol::Text;
use candor_core::{Line, Nanos, Symbol, TradingDate, Venue};

/// The map of one venue for one trading date.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Map {
    /// The venue.
    pub venue: Venue,
    /// The only trading date it is for, in the venue's time zone.
    pub date: TradingDate,
    /// What the venue's packets are.
    pub protocol: Protocol,
    /// That its ranges need not reach from the first possible symbol to the last is meant: what lies before
    /// and behind them nobody carries. Of one that does not say so a hole there is the mark of a cut table.
    pub partial: bool,
    /// Its partitions, in the venue's order.
    pub partitions: Vec<Partition>,
}

/// What packets and messages are, also where nothing here decodes them (yet): a map can be checked and
/// compared all the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Protocol {
    /// IEX DEEP 1.0 over IEX-TP.
    IexDeep,
    /// IEX TOPS 1.6 over IEX-TP.
    IexTops,
    /// Nasdaq TotalView-ITCH 5.0 over MoldUDP64.
    NasdaqItch50,
    /// CME MDP 3.0: SBE.
    CmeMdp3,
    /// Cboe Multicast PITCH.
    CboePitch,
    /// OPRA's binary format.
    Opra,
    /// NYSE XDP.
    NyseXdp,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Protocol; 7] = [
        Protocol::IexDeep,
        Protocol::IexTops,
        Protocol::NasdaqItch50,
        Protocol::CmeMdp3,
        Protocol::CboePitch,
        Protocol::Opra,
        Protocol::NyseXdp,
    ];

    /// Its name in maps and configurations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Protocol::IexDeep => "iex-deep",
            Protocol::IexTops => "iex-tops",
            Protocol::NasdaqItch50 => "nasdaq-itch50",
            Protocol::CmeMdp3 => "cme-mdp3",
            Protocol::CboePitch => "cboe-pitch",
            Protocol::Opra => "opra",
            Protocol::NyseXdp => "nyse-xdp",
        }
    }
}

/// One partition of a venue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Partition {
    /// Its name within the venue.
    pub name: Text<16>,
    /// Where its lines are sent; by [`Line::index`].
    pub lines: [Option<Endpoint>; LINES],
    /// The venue's services for it.
    pub services: Services,
    /// How long nothing at all may be heard of it before it is silent; `None` leaves it to the protocol.
    pub silence: Option<Nanos>,
    /// What it carries.
    pub symbols: Symbols,
}

impl Partition {
    /// Its lines, with which line each is.
    pub fn lines(&self) -> impl Iterator<Item = (Line, &Endpoint)> {
        Line::ALL.into_iter().zip(&self.lines).filter_map(|(line, at)| Some((line, at.as_ref()?)))
    }
}

/// Where one line is sent.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Endpoint {
    /// The multicast group.
    pub group: Ipv4Addr,
    /// The UDP port.
    pub port: u16,
    /// The only sender, where the venue names one.
    pub source: Option<Ipv4Addr>,
    /// The host's interface it is received on; `None` leaves it to the host's configuration.
    pub interface: Option<String>,
}

/// Where the venue's services for a partition are; empty where it has none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Services {
    /// Messages again, by datagrams.
    pub retransmit_udp: Vec<SocketAddrV4>,
    /// Messages again, over a connection.
    pub retransmit_tcp: Vec<SocketAddrV4>,
    /// Snapshots, over a connection.
    pub snapshot: Vec<SocketAddrV4>,
    /// Snapshots, sent round and round to a group: by line, as [`Partition::lines`].
    pub snapshot_lines: [Option<Endpoint>; LINES],
}

impl Services {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none() && self.snapshot_lines.iter().all(Option::is_none)
    }

    /// Every address with its scheme, by what it is for.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, SocketAddrV4)> {
        let list = |what, scheme, list: &[SocketAddrV4]| {
            list.iter().map(|address| (what, scheme, *address)).collect::<Vec<_>>()
        };
        let udp = list("retransmit", "udp", &self.retransmit_udp);
        let tcp = list("retransmit", "tcp", &self.retransmit_tcp);
        let snapshot = list("snapshot", "tcp", &self.snapshot);
        udp.into_iter().chain(tcp).chain(snapshot)
    }

    /// The lines of its snapshots, with which line each is.
    pub fn snapshot_lines(&self) -> impl Iterator<Item = (Line, &Endpoint)> {
        let lines = Line::ALL.into_iter().zip(&self.snapshot_lines);
        lines.filter_map(|(line, at)| Some((line, at.as_ref()?)))
    }
}

/// What a partition carries, as its venue says it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Symbols {
    /// These, each once, ascending.
    List(Vec<Symbol>),
    /// Whatever lies in these ranges, ascending.
    Ranges(Vec<Range>),
    /// What the venue names on the wire of these products, each once, ascending. A product is no symbol: its
    /// instruments may be spread over several partitions that all have it (CME).
    Products(Vec<Symbol>),
    /// Whatever the venue names on the wire: nobody says it in advance.
    InBand,
}

/// From one key to another, both included.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Range {
    /// The first key.
    pub first: Key,
    /// The last key. Venues fill it up with their highest character (`AIUZZ`, `ADBD~`): a symbol that
    /// begins with what comes before the filling is not above it.
    pub last: Key,
}

/// What ranges are ordered by: the text as ASCII, and behind it, where the venue splits by that too, the
/// expiry code (OPRA: `A` to `X`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key {
    /// The symbol, or the root of options.
    pub text: Symbol,
    /// The expiry code; `None` where the venue's ranges have none.
    pub expiry: Option<u8>,
}

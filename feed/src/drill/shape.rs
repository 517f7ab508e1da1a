//! The world of a drill: the configuration and the day's maps, scaled down, on addresses of the drill's own.
//!
//! What decides when something is stale stays as it is: formats, silence bounds, graces, bounds on lateness,
//! budgets and recovery, leases. What is only large or elsewhere (partitions, symbols, groups, ports, services,
//! buffers, lanes) is made small and put into the drill's own network.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;

use candor_core::limits::LINES;
use candor_core::symbol::Text;
use candor_core::{Line, Nanos, Symbol, TradingDate, Venue};
use candor_decoders::Format;
use candor_maps::{Endpoint, Map, Partition as Mapped, Services, Symbols};
use toml::{Table, Value};

use crate::config::{Config, Idle, Partition, SourceKind, XdpMode, protocol};
use crate::exit::Failure;

/// Partitions of a venue at most.
pub(super) const PARTITIONS: usize = 4;

/// Partitions of a venue at least: one that breaks, one that breaks otherwise, one that comes and goes.
pub(super) const PARTITIONS_MIN: usize = 3;

/// Symbols of a partition at most.
pub(super) const SYMBOLS: usize = 20;

/// Symbols of a partition at least: a fifth of them moves.
const SYMBOLS_MIN: usize = 5;

/// Longest name of a symbol that the messages of every feed here have room for.
const NAME_BYTES: usize = 8;

/// Orders and levels of a partition.
const ORDERS: i64 = 1 << 14;

/// Frames of the one queue.
const FRAMES: i64 = 4_096;

/// Longest silence bound that is played as it is: a drill is to be over in two minutes.
pub(super) const SILENCE_MAX: Nanos = Nanos::from_secs(15);

/// The exchange's address and the handler's.
pub(super) const EXCHANGE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// See [`EXCHANGE`].
pub(super) const HANDLER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

/// The handler's interface in its namespace, and the exchange's.
pub(super) const HANDLER_INTERFACE: &str = "md0";
/// See [`HANDLER_INTERFACE`].
pub(super) const EXCHANGE_INTERFACE: &str = "ex0";

/// Everything that is played.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// The venues that an exchange here can play.
    pub(super) venues: Vec<VenueShape>,
    /// What is other than on the host, in words.
    pub(super) notes: Vec<String>,
    /// What can't be played here, in words.
    pub(super) missing: Vec<String>,
}

/// One venue.
#[derive(Clone, Debug)]
pub(super) struct VenueShape {
    /// The venue.
    pub(super) venue: Venue,
    /// Its format.
    pub(super) feed: Format,
    /// Its number among those played: its addresses follow.
    pub(super) number: u16,
    /// Today where it is.
    pub(super) date: TradingDate,
    /// Its partitions; the last one is that which comes and goes.
    pub(super) partitions: Vec<PartitionShape>,
}

/// One partition.
#[derive(Clone, Debug)]
pub(super) struct PartitionShape {
    /// Its name within the venue.
    pub(super) name: Text<16>,
    /// Which lines it has, and whether each names its sender.
    pub(super) lines: [Option<bool>; LINES],
    /// How long nothing at all may be heard.
    pub(super) silence: Nanos,
    /// Which services it has: retransmission by datagrams, over connections, snapshots.
    pub(super) services: [bool; 3],
    /// Its symbols.
    pub(super) symbols: Vec<Symbol>,
}

impl Shape {
    /// The world of a configuration that has the partitions of the day's maps. `dates` are today's, by venue.
    ///
    /// # Errors
    /// Where none of its venues can be played.
    pub(super) fn of(
        config: &Config,
        date: impl Fn(Format) -> Option<TradingDate>,
    ) -> Result<Shape, Failure> {
        let mut shape = Shape { venues: Vec::new(), notes: Vec::new(), missing: Vec::new() };
        for venue in &config.venues {
            let all: Vec<&Partition> = config
                .partitions
                .iter()
                .filter(|one| one.venue == *venue && one.subscribe)
                .collect();
            let Some(first) = all.first() else {
                shape.missing.push(format!("{venue}: none of its partitions is subscribed"));
                continue;
            };
            if first.feed == Format::IexTops {
                shape
                    .missing
                    .push(format!("{venue}: no exchange here speaks {}", first.feed.name()));
                continue;
            }
            let date = date(first.feed)
                .ok_or_else(|| Failure::host("the host's clock is beyond the calendar; set it"))?;
            let number = shape.venues.len() as u16;
            let partitions = partitions(*venue, &all, &mut shape.notes);
            shape.venues.push(VenueShape {
                venue: *venue,
                feed: first.feed,
                number,
                date,
                partitions,
            });
        }
        if shape.venues.is_empty() {
            let why = shape.missing.join("; ");
            return Err(Failure::config(format!("nothing of it can be played here: {why}")));
        }
        Ok(shape)
    }

    /// The longest silence bound of all.
    #[must_use]
    pub(super) fn silence(&self) -> Nanos {
        let all = self.venues.iter().flat_map(|venue| &venue.partitions);
        all.map(|one| one.silence).max().unwrap_or(Nanos::ZERO)
    }
}

fn partitions(venue: Venue, all: &[&Partition], notes: &mut Vec<String>) -> Vec<PartitionShape> {
    let taken = all.len().min(PARTITIONS);
    let mut made: Vec<PartitionShape> = all[..taken].iter().map(|one| scaled(one)).collect();
    notes.push(format!(
        "{venue}: {taken} of {} partitions, up to {SYMBOLS} symbols each",
        all.len()
    ));
    while made.len() < PARTITIONS_MIN {
        // Names of venues' partitions are numbers, letters or words: none is like this.
        let Some(name) = Text::from_wire(format!("drill-{}", made.len() + 1).as_bytes()) else {
            break;
        };
        let like = made[0].clone();
        made.push(PartitionShape { name, symbols: Vec::new(), ..like });
        notes
            .push(format!("{venue}: partition {name} is the drill's own, so that there are three"));
    }
    for (number, one) in made.iter_mut().enumerate() {
        if one.silence > SILENCE_MAX {
            notes.push(format!(
                "{venue}/{}: silence bound {SILENCE_MAX} in place of {}",
                one.name, one.silence
            ));
            one.silence = SILENCE_MAX;
        }
        if one.symbols.len() < SYMBOLS_MIN {
            notes.push(format!("{venue}/{}: made-up symbols", one.name));
            let name = |at: usize| Symbol::from_wire(format!("DRL{number}{at}").as_bytes());
            one.symbols = (0..SYMBOLS).filter_map(name).collect();
        }
        one.symbols.sort_unstable();
    }
    made
}

fn scaled(one: &Partition) -> PartitionShape {
    let fit: Vec<Symbol> =
        one.symbols.iter().filter(|symbol| symbol.as_str().len() <= NAME_BYTES).copied().collect();
    // Spread over the list, so that not all begin with one letter.
    let count = fit.len().min(SYMBOLS);
    let symbols = (0..count).map(|at| fit[at * fit.len() / count]).collect();
    let Services { retransmit_udp, retransmit_tcp, snapshot, .. } = &one.services;
    PartitionShape {
        name: one.name,
        lines: one.lines.each_ref().map(|line| line.as_ref().map(|line| line.source.is_some())),
        silence: one.silence,
        services: [retransmit_udp, retransmit_tcp, snapshot].map(|list| !list.is_empty()),
        symbols,
    }
}

/// How a venue's symbols are spread in a map of the drill.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Version {
    /// As the exchange has them.
    Right,
    /// As before a partition was added: its symbols are on the others, and one symbol of the first partition
    /// is on the second.
    Before,
    /// Without the last partition and its symbols.
    Removed,
}

impl VenueShape {
    /// The group of a partition's line, counted from 0: as the exchange counts them.
    #[must_use]
    pub(super) fn group(&self, partition: usize, line: Line) -> Ipv4Addr {
        let third = self.number as usize * LINES + line.index();
        Ipv4Addr::new(239, 66, third as u8, 1 + partition as u8)
    }

    /// The first partition's port.
    #[must_use]
    pub(super) const fn port(&self) -> u16 {
        26_400 + 64 * self.number
    }

    /// The first partition's service port.
    #[must_use]
    pub(super) const fn service_port(&self) -> u16 {
        27_400 + 64 * self.number
    }

    /// The partition that comes and goes.
    #[must_use]
    pub(super) fn last(&self) -> usize {
        self.partitions.len() - 1
    }

    /// Whether any partition has a service.
    #[must_use]
    pub(super) fn has_services(&self) -> bool {
        self.partitions.iter().any(|one| one.services != [false; 3])
    }

    /// Whether every partition has two lines that can differ.
    #[must_use]
    pub(super) fn has_two_lines(&self) -> bool {
        let has = |one: &PartitionShape, line: Line| one.lines[line.index()].is_some();
        self.partitions.iter().all(|one| has(one, Line::A) && has(one, Line::B))
    }

    /// Whether every partition can be had from a snapshot.
    #[must_use]
    pub(super) fn has_snapshots(&self) -> bool {
        self.partitions.iter().all(|one| one.services[2])
    }

    /// How often the exchange says that it is there: a third of the silence bound, and no seldomer than the
    /// protocol asks.
    #[must_use]
    pub(super) fn heartbeat(&self) -> Nanos {
        let shortest = self.partitions.iter().map(|one| one.silence).min().unwrap_or(SILENCE_MAX);
        Nanos(shortest.0 / 3).min(self.feed.heartbeat_interval())
    }

    /// The lines that any of its partitions has.
    #[must_use]
    pub(super) fn lines(&self) -> Vec<Line> {
        let has = |line: &Line| self.partitions.iter().any(|one| one.lines[line.index()].is_some());
        Line::ALL.into_iter().filter(has).collect()
    }

    /// Its map for a date.
    #[must_use]
    pub(super) fn map(&self, date: TradingDate, version: Version) -> Map {
        let mut lists: Vec<Vec<Symbol>> =
            self.partitions.iter().map(|one| one.symbols.clone()).collect();
        if version != Version::Right {
            let last = lists.pop().unwrap_or_default();
            if version == Version::Before {
                let swapped = lists[0].remove(0);
                lists[1].push(swapped);
                let others = lists.len();
                for (at, symbol) in last.into_iter().enumerate() {
                    lists[at % others].push(symbol);
                }
            }
        }
        let zip = self.partitions.iter().zip(lists).enumerate();
        let partitions = zip.map(|(index, (one, mut list))| {
            list.sort_unstable();
            self.partition(index, one, list)
        });
        Map {
            venue: self.venue,
            date,
            protocol: protocol(self.feed),
            partial: false,
            partitions: partitions.collect(),
        }
    }

    fn partition(&self, index: usize, one: &PartitionShape, list: Vec<Symbol>) -> Mapped {
        let line = |line: Line| {
            let source = one.lines[line.index()]?.then_some(EXCHANGE);
            let port = self.port() + index as u16;
            Some(Endpoint { group: self.group(index, line), port, source, interface: None })
        };
        let port = self.service_port() + 2 * index as u16;
        let at = |has: bool, port| {
            if has { vec![SocketAddrV4::new(EXCHANGE, port)] } else { Vec::new() }
        };
        let [udp, tcp, snapshot] = one.services;
        Mapped {
            name: one.name,
            lines: Line::ALL.map(line),
            services: Services {
                retransmit_udp: at(udp, port),
                retransmit_tcp: at(tcp, port),
                snapshot: at(snapshot, port + 1),
                ..Services::default()
            },
            silence: Some(one.silence),
            symbols: Symbols::List(list),
        }
    }

    /// The exchange's list of symbols: `PARTITION SYMBOL`, partitions counted from 1.
    #[must_use]
    pub(super) fn listings(&self) -> String {
        let of = |(number, one): (usize, &PartitionShape)| {
            one.symbols.iter().map(move |symbol| format!("{number} {symbol}\n")).collect::<String>()
        };
        (1..).zip(&self.partitions).map(of).collect()
    }
}

/// The configuration of the drill's handler, from the text of the host's and what was read of it. Its files are
/// in `folder`.
///
/// # Errors
/// Where the text is no longer what was read.
pub(super) fn configuration(
    config: &Config,
    text: &str,
    shape: &mut Shape,
    folder: &Path,
) -> Result<String, Failure> {
    let text: Table = text.parse().map_err(|error| {
        Failure::config(format!("the configuration has changed meanwhile: {error}"))
    })?;
    let mut root = Table::new();
    root.insert("handler".to_owned(), Value::Table(handler(config, folder)));
    root.insert("source".to_owned(), Value::Table(source(config, &text, &mut shape.notes)));
    root.insert(
        "lane".to_owned(),
        Value::Array(vec![Value::Table(lane(config, &mut shape.notes))]),
    );
    let tables = text.get("venue").and_then(Value::as_array).cloned().unwrap_or_default();
    let venues = shape.venues.iter().filter_map(|one| {
        let is_it =
            |table: &&Value| table.get("name").and_then(Value::as_str) == Some(one.venue.as_str());
        let mut table = tables.iter().find(is_it)?.as_table()?.clone();
        venue(&mut table);
        Some(Value::Table(table))
    });
    root.insert("venue".to_owned(), Value::Array(venues.collect()));
    let store = Value::String(folder.join("store").display().to_string());
    root.insert("maps".to_owned(), Value::Table(Table::from_iter([("store".to_owned(), store)])));
    Ok(root.to_string())
}

fn handler(config: &Config, folder: &Path) -> Table {
    let path = |name: &str| Value::String(folder.join(name).display().to_string());
    let lease = config.handler.process_lease.0 / 1_000_000;
    Table::from_iter([
        ("name".to_owned(), Value::String("drill".to_owned())),
        ("region".to_owned(), path("region")),
        ("control".to_owned(), path("control")),
        ("state".to_owned(), path("state")),
        ("process_lease_ms".to_owned(), Value::Integer(lease.cast_signed())),
    ])
}

fn source(config: &Config, text: &Table, notes: &mut Vec<String>) -> Table {
    let mut table = text.get("source").and_then(Value::as_table).cloned().unwrap_or_default();
    table.insert("interface".to_owned(), Value::String(HANDLER_INTERFACE.to_owned()));
    if let SourceKind::AfXdp(settings) = config.source.kind {
        if settings.mode == XdpMode::ZeroCopy {
            notes.push("native copy in place of zero-copy: a veth pair has no other".to_owned());
            table.insert("mode".to_owned(), Value::String(XdpMode::Copy.name().to_owned()));
            table.remove("busy_poll_us");
        }
        table.insert("allow_fallback".to_owned(), Value::Boolean(false));
        table.insert("huge_pages".to_owned(), Value::String("no".to_owned()));
        let frames = i64::from(settings.frames).min(FRAMES);
        table.insert("frames".to_owned(), Value::Integer(frames));
    }
    table
}

fn lane(config: &Config, notes: &mut Vec<String>) -> Table {
    let mut idle = config.lanes.first().map_or(Idle::Block, |lane| lane.idle);
    notes.push(format!("one lane in place of {}, pinned to no core", config.lanes.len()));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if idle == Idle::Spin && cores < 3 {
        // The exchange and who reads need one each.
        notes.push(format!("the lane blocks in place of spinning: there are {cores} cores"));
        idle = Idle::Block;
    }
    let mut table = Table::from_iter([("idle".to_owned(), Value::String(idle.name().to_owned()))]);
    if matches!(config.source.kind, SourceKind::AfXdp(_)) {
        table.insert("queues".to_owned(), Value::Array(vec![Value::Integer(0)]));
    }
    table
}

/// A venue's table with everything that is said of times, budgets and recovery, and nothing of where.
fn venue(table: &mut Table) {
    for key in ["partition", "map", "credentials"] {
        table.remove(key);
    }
    if let Some(recovery) = table.get_mut("recovery").and_then(Value::as_table_mut) {
        for key in ["from", "channel", "session"] {
            recovery.remove(key);
        }
    }
    let map = [
        ("calendar", Value::String("every-day".to_owned())),
        ("at", Value::String("00:00".to_owned())),
        ("spare_partitions", Value::Integer(1)),
        ("symbols_max", Value::Integer((PARTITIONS * SYMBOLS * 2) as i64)),
        ("orders_max", Value::Integer(ORDERS)),
        ("levels_max", Value::Integer(ORDERS)),
    ];
    let map = map.into_iter().map(|(key, value)| (key.to_owned(), value));
    table.insert("map".to_owned(), Value::Table(map.collect()));
}

//! From TOML to a [`Config`]: every value by itself. What values mean together is for
//! [`super::check`].

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use candor_core::limits::{LEVELS, LINES, ORDERS, SYMBOLS};
use candor_core::symbol::Text;
use candor_core::{Line, Nanos, Symbol, TradingDate, Venue};
use candor_decoders::Format;
use sha2::{Digest, Sha256};
use toml::de::DeTable;

use super::check;
use super::problem::{ConfigError, Problem};
use super::reader::{At, Context, Table};
use super::{
    AfXdpConfig, Capacity, Config, Handler, HugePages, Idle, Lane, LineConfig, Partition,
    SourceConfig, SourceKind, XdpMode, symbols,
};
use crate::clock;

/// Where things stand in the file, for the problems that only show when values meet.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) lanes: Vec<LanePlace>,
    pub(super) venues: Vec<At<Venue>>,
    pub(super) partitions: Vec<PartitionPlace>,
}

#[derive(Debug, Default)]
pub(super) struct LanePlace {
    pub(super) line: usize,
    pub(super) core: usize,
    pub(super) queues: usize,
}

#[derive(Debug, Default)]
pub(super) struct PartitionPlace {
    pub(super) line: usize,
    pub(super) venue: usize,
    pub(super) lane: usize,
    pub(super) lines: [usize; LINES],
    pub(super) symbols: usize,
}

/// Everything an entry of the file may need from outside itself.
struct Reading<'a> {
    folder: PathBuf,
    digest: Sha256,
    interface: String,
    cx: Context<'a>,
    places: Places,
}

/// Parses and checks the text of the configuration at `path`.
pub(super) fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
    let mut cx = Context::new(path, text);
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let line = error.span().map_or(0, |span| cx.line(span.start));
        cx.problem(line, format!("is not TOML: {}", error.message().replace('\n', ", ")));
    }
    if !cx.problems.is_empty() {
        return Err(ConfigError::new(cx.problems));
    }
    let mut digest = Sha256::new();
    digest.update(text);
    let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
    let mut reading =
        Reading { folder, digest, interface: String::new(), cx, places: Places::default() };

    let mut root = Table::new("the file", 0, root.get_ref());
    let handler = handler(&mut reading, &mut root);
    let source = source(&mut reading, &mut root);
    let lanes = lanes(&mut reading, &mut root);
    let (venues, partitions) = venues(&mut reading, &mut root);
    root.finish(&mut reading.cx);

    let Reading { digest, mut cx, places, .. } = reading;
    if let (Some(handler), Some(source)) = (handler, source) {
        let digest = digest.finalize().into();
        let config = Config { handler, source, lanes, venues, partitions, digest };
        check::check(&mut cx, &config, &places);
        if cx.problems.is_empty() {
            return Ok(config);
        }
    }
    Err(ConfigError::new(cx.problems))
}

fn handler(reading: &mut Reading<'_>, root: &mut Table<'_>) -> Option<Handler> {
    let cx = &mut reading.cx;
    let Some(mut table) = root.table(cx, "handler", "[handler]") else {
        root.missing(cx, "handler", "[handler] with `name` and `region`");
        return None;
    };
    let name = name::<16>(cx, &mut table, "name", "name = \"mdh1\"");
    let region = table.text(cx, "region", "a file name");
    if region.is_none() && table.line_of(cx, "region").is_none() {
        table.missing(cx, "region", "region = \"/dev/shm/candor-mdh1\"");
    }
    if let Some(region) = region.filter(|region| !Path::new(region.value).is_absolute()) {
        // Readers start in folders of their own; one region must have one name for all of them.
        cx.problem(
            region.line,
            format!("`region` must be an absolute file name, not {:?}", region.value),
        );
    }
    let trading_date = trading_date(cx, &mut table);
    let process_lease = table.integer(cx, "process_lease_ms", 1..=60_000).map_or(50, |at| at.value);
    let group = table.text(cx, "group", "a group's name").map(|at| at.value.to_owned());
    table.finish(cx);
    Some(Handler {
        name: name?,
        region: PathBuf::from(region?.value),
        trading_date,
        process_lease: Nanos::from_millis(process_lease),
        group,
    })
}

fn trading_date(cx: &mut Context<'_>, table: &mut Table<'_>) -> Option<TradingDate> {
    let wanted = "a date like \"2026-11-21\"";
    let at = table.date(cx, "trading_date", wanted)?;
    let text = at.value.as_bytes();
    let digits: String = at.value.chars().filter(char::is_ascii_digit).collect();
    let shape = text.len() == 10 && digits.len() == 8 && text[4] == b'-' && text[7] == b'-';
    let date = digits.parse().ok().map(TradingDate).filter(|date| shape && clock::is_date(*date));
    if date.is_none() {
        cx.problem(at.line, format!("`trading_date` must be {wanted}, not {:?}", at.value));
    }
    date
}

fn source(reading: &mut Reading<'_>, root: &mut Table<'_>) -> Option<SourceConfig> {
    let cx = &mut reading.cx;
    let Some(mut table) = root.table(cx, "source", "[source]") else {
        root.missing(cx, "source", "[source] with `kind` and `interface`");
        return None;
    };
    let kind = table.choice(cx, "kind", &[("af_xdp", true), ("udp", false)]);
    if kind.is_none() && table.line_of(cx, "kind").is_none() {
        table.missing(cx, "kind", "kind = \"af_xdp\"");
    }
    let interface = table.text(cx, "interface", "an interface's name");
    match interface {
        Some(at) => reading.interface = interface_name(cx, at)?,
        None if table.line_of(cx, "interface").is_none() => {
            table.missing(cx, "interface", "interface = \"eth1\"");
        }
        None => {}
    }
    let batch = table.integer(cx, "batch", 1..=1024).map_or(64, |at| at.value);
    let kind = match kind.map(|at| at.value) {
        Some(true) => af_xdp(cx, &mut table).map(SourceKind::AfXdp),
        Some(false) => Some(udp(cx, &mut table)),
        None => {
            table.skip(AF_XDP_KEYS);
            table.skip(UDP_KEYS);
            None
        }
    };
    table.finish(cx);
    Some(SourceConfig {
        kind: kind?,
        interface: interface?.value.to_owned(),
        batch: u32::try_from(batch).unwrap_or(64),
    })
}

const AF_XDP_KEYS: &[&str] = &["mode", "allow_fallback", "frames", "frame_size", "huge_pages"];
const UDP_KEYS: &[&str] = &["receive_buffer"];

/// Reports keys of the other kind: a setting without effect would be a silent lie.
fn foreign(cx: &mut Context<'_>, table: &mut Table<'_>, keys: &[&'static str], kind: &str) {
    for key in keys {
        if let Some(line) = table.line_of(cx, key) {
            cx.problem(line, format!("`{key}` means nothing with kind = \"{kind}\"; take it out"));
        }
    }
    table.skip(keys);
}

fn udp(cx: &mut Context<'_>, table: &mut Table<'_>) -> SourceKind {
    foreign(cx, table, AF_XDP_KEYS, "udp");
    let bytes = table.integer(cx, "receive_buffer", 4096..=1 << 30).map_or(4 << 20, |at| at.value);
    SourceKind::Udp { receive_buffer: u32::try_from(bytes).unwrap_or(4 << 20) }
}

fn af_xdp(cx: &mut Context<'_>, table: &mut Table<'_>) -> Option<AfXdpConfig> {
    foreign(cx, table, UDP_KEYS, "af_xdp");
    let mode = table.choice(cx, "mode", &XdpMode::ALL.map(|mode| (mode.name(), mode)));
    if mode.is_none() && table.line_of(cx, "mode").is_none() {
        table.missing(cx, "mode", "mode = \"zero-copy\" (or \"copy\", or \"generic\")");
    }
    let allow_fallback = table.boolean(cx, "allow_fallback").is_some_and(|at| at.value);
    let frames = table.integer(cx, "frames", 64..=1 << 22);
    if let Some(at) = frames.filter(|at| !at.value.is_power_of_two()) {
        cx.problem(at.line, format!("`frames` must be a power of two, not {}", at.value));
    }
    let frame_size = table.integer(cx, "frame_size", 0..=u64::MAX);
    if let Some(at) = frame_size.filter(|at| at.value != 2048 && at.value != 4096) {
        cx.problem(at.line, format!("`frame_size` must be 2048 or 4096, not {}", at.value));
    }
    let pages = [HugePages::Try, HugePages::Require, HugePages::No];
    let huge_pages = table.choice(cx, "huge_pages", &pages.map(|choice| (choice.name(), choice)));
    Some(AfXdpConfig {
        mode: mode?.value,
        allow_fallback,
        frames: u32::try_from(frames.map_or(16_384, |at| at.value)).ok()?,
        frame_size: u32::try_from(frame_size.map_or(4096, |at| at.value)).ok()?,
        huge_pages: huge_pages.map_or(HugePages::Try, |at| at.value),
    })
}

fn lanes(reading: &mut Reading<'_>, root: &mut Table<'_>) -> Vec<Lane> {
    let cx = &mut reading.cx;
    let mut lanes = Vec::new();
    for (index, mut table) in root.tables(cx, "lane", "[[lane]]").into_iter().enumerate() {
        table.rename(format!("lane {index}"));
        let core = table.integer(cx, "core", 0..=8191);
        let idle = [(Idle::Spin.name(), Idle::Spin), (Idle::Block.name(), Idle::Block)];
        let idle = table.choice(cx, "idle", &idle).map_or(Idle::Block, |at| at.value);
        let queues = table.integers(cx, "queues", 0..=4095);
        reading.places.lanes.push(LanePlace {
            line: table.line,
            core: core.map_or(table.line, |at| at.line),
            queues: queues.as_ref().map_or(table.line, |at| at.line),
        });
        lanes.push(Lane {
            core: core.and_then(|at| u16::try_from(at.value).ok()),
            idle,
            queues: queues.map_or_else(Vec::new, |at| {
                at.value.into_iter().filter_map(|queue| u32::try_from(queue).ok()).collect()
            }),
        });
        table.finish(cx);
    }
    lanes
}

/// What a venue says for all of its partitions.
struct VenueTerms {
    venue: Venue,
    feed: Format,
    silence: Nanos,
    reorder_grace: Nanos,
    late: Nanos,
}

fn venues(reading: &mut Reading<'_>, root: &mut Table<'_>) -> (Vec<Venue>, Vec<Partition>) {
    let mut names = Vec::new();
    let mut partitions = Vec::new();
    for mut table in root.tables(&mut reading.cx, "venue", "[[venue]]") {
        let terms = venue_terms(reading, &mut table);
        let venue = table.name().to_owned();
        if let Some(terms) = &terms {
            names.push(terms.venue);
        }
        let entries = table.tables(&mut reading.cx, "partition", "[[venue.partition]]");
        if entries.is_empty() && table.line_of(&reading.cx, "partition").is_none() {
            table.missing(
                &mut reading.cx,
                "partition",
                "[[venue.partition]] with `name`, `lane` and `lines`",
            );
        }
        for entry in entries {
            partitions.extend(partition(reading, entry, &venue, terms.as_ref()));
        }
        table.finish(&mut reading.cx);
    }
    (names, partitions)
}

fn venue_terms(reading: &mut Reading<'_>, table: &mut Table<'_>) -> Option<VenueTerms> {
    let cx = &mut reading.cx;
    let line = table.line;
    let name = name::<8>(cx, table, "name", "name = \"XNAS\"");
    if let Some(name) = name {
        table.rename(format!("venue {name}"));
        reading.places.venues.push(At { value: name, line });
    }
    let feeds: Vec<(&'static str, Format)> =
        Format::ALL.into_iter().map(|format| (format.name(), format)).collect();
    let feed = table.choice(cx, "feed", &feeds);
    if feed.is_none() && table.line_of(cx, "feed").is_none() {
        table.missing(cx, "feed", &format!("feed = \"{}\"", feeds[0].0));
    }
    let silence = table.integer(cx, "silence_ms", 1..=3_600_000);
    let grace = table.integer(cx, "reorder_grace_us", 0..=10_000_000);
    let late = table.integer(cx, "late_ms", 1..=60_000);
    let feed = feed?.value;
    // Three heartbeat intervals of the protocol: one lost heartbeat is an accident, three are not.
    let silence = silence
        .map_or(Nanos(feed.heartbeat().0 * 3), |at| Nanos::from_millis(at.value));
    let reorder_grace = Nanos::from_micros(grace.map_or(1_000, |at| at.value));
    if reorder_grace >= silence {
        cx.problem(
            grace.map_or(line, |at| at.line),
            format!(
                "`reorder_grace_us` ({reorder_grace}) must be shorter than the silence bound ({silence})"
            ),
        );
    }
    let late = Nanos::from_millis(late.map_or(20, |at| at.value));
    Some(VenueTerms { venue: name?, feed, silence, reorder_grace, late })
}

fn partition(
    reading: &mut Reading<'_>,
    mut table: Table<'_>,
    venue: &str,
    terms: Option<&VenueTerms>,
) -> Option<Partition> {
    table.rename(format!("a partition of {venue}"));
    let mut place = PartitionPlace { line: table.line, ..PartitionPlace::default() };
    place.venue = reading.places.venues.len();
    let name = name::<16>(&mut reading.cx, &mut table, "name", "name = \"1\"");
    if let Some(name) = name {
        table.rename(format!("partition {name} of {venue}"));
    }
    let cx = &mut reading.cx;
    let lane = table.integer(cx, "lane", 0..=u64::from(u16::MAX));
    if lane.is_none() && table.line_of(cx, "lane").is_none() {
        table.missing(cx, "lane", "lane = 0");
    }
    place.lane = lane.map_or(table.line, |at| at.line);
    let subscribe = table.boolean(cx, "subscribe").is_none_or(|at| at.value);
    let symbols = symbol_list(reading, &mut table, &mut place);
    let capacity = capacity(reading, &mut table, symbols.len());
    let lines = lines(reading, &mut table, &mut place);
    table.finish(&mut reading.cx);
    let (terms, lane, name) = (terms?, lane?, name?);
    reading.places.partitions.push(place);
    Some(Partition {
        venue: terms.venue,
        name,
        feed: terms.feed,
        lane: u16::try_from(lane.value).ok()?,
        subscribe,
        symbols,
        capacity,
        silence: terms.silence,
        reorder_grace: terms.reorder_grace,
        late: terms.late,
        lines,
    })
}

fn symbol_list(
    reading: &mut Reading<'_>,
    table: &mut Table<'_>,
    place: &mut PartitionPlace,
) -> Vec<Symbol> {
    let listed = table.texts(&mut reading.cx, "symbols");
    let file = table.text(&mut reading.cx, "symbols_file", "a file name");
    place.symbols = listed.as_ref().map(|at| at.line).or(file.map(|at| at.line)).unwrap_or(0);
    let cx = &mut reading.cx;
    match (listed, file) {
        (Some(_), Some(file)) => {
            let message = "has both `symbols` and `symbols_file`; keep one";
            cx.problem(file.line, format!("{} {message}", table.name()));
            Vec::new()
        }
        (Some(listed), None) => from_list(cx, &listed.value),
        (None, Some(file)) => {
            let path = reading.folder.join(file.value);
            match symbols::read_text(&path) {
                Ok(text) => {
                    reading.digest.update(&text);
                    let (symbols, problems) = symbols::parse(&path, &text);
                    cx.problems.extend(problems);
                    symbols
                }
                Err(message) => {
                    let path = path.display();
                    cx.problem(file.line, format!("symbols_file {path} {message}"));
                    Vec::new()
                }
            }
        }
        (None, None) => Vec::new(),
    }
}

fn from_list(cx: &mut Context<'_>, listed: &[At<&str>]) -> Vec<Symbol> {
    let mut symbols = Vec::new();
    let mut seen = BTreeSet::new();
    for At { value, line } in listed {
        match Symbol::from_wire(value.as_bytes()) {
            None => cx.problem(
                *line,
                format!("{value:?} is no symbol: 1 to 24 characters of printable ASCII"),
            ),
            Some(symbol) if !seen.insert(symbol) => {
                cx.problem(*line, format!("symbol {symbol} is listed twice; take one out"));
            }
            Some(symbol) => symbols.push(symbol),
        }
    }
    symbols
}

fn capacity(reading: &mut Reading<'_>, table: &mut Table<'_>, listed: usize) -> Capacity {
    let cx = &mut reading.cx;
    let symbols = table.integer(cx, "symbols_max", 1..=1 << 20);
    let orders = table.integer(cx, "orders_max", 1..=1 << 26);
    let levels = table.integer(cx, "levels_max", 1..=1 << 26);
    if let Some(at) = symbols.filter(|at| at.value < listed as u64) {
        cx.problem(
            at.line,
            format!(
                "`symbols_max` of {} is {}, but {listed} symbols are listed; raise it to {listed} or more",
                table.name(),
                at.value
            ),
        );
    }
    let or = |at: Option<At<u64>>, default: usize| {
        u32::try_from(at.map_or(default as u64, |at| at.value)).unwrap_or(u32::MAX)
    };
    Capacity {
        symbols: or(symbols, SYMBOLS.max(listed)),
        orders: or(orders, ORDERS),
        levels: or(levels, LEVELS),
    }
}

fn lines(
    reading: &mut Reading<'_>,
    table: &mut Table<'_>,
    place: &mut PartitionPlace,
) -> [Option<LineConfig>; LINES] {
    const KEYS: [&str; LINES] = ["A", "B", "C"];
    let mut lines = [const { None }; LINES];
    let name = format!("lines of {}", table.name());
    let Some(mut entries) = table.table(&mut reading.cx, "lines", &name) else {
        return lines;
    };
    for line in Line::ALL {
        let key = KEYS[line.index()];
        let name = format!("line {line} of {}", table.name());
        if let Some(entry) = entries.table(&mut reading.cx, key, &name) {
            place.lines[line.index()] = entry.line;
            lines[line.index()] = line_config(reading, entry);
        }
    }
    entries.finish(&mut reading.cx);
    lines
}

fn line_config(reading: &mut Reading<'_>, mut table: Table<'_>) -> Option<LineConfig> {
    let cx = &mut reading.cx;
    let group = address(cx, &mut table, "group", "a multicast group like \"239.1.1.1\"");
    if group.is_none() && table.line_of(cx, "group").is_none() {
        table.missing(cx, "group", "group = \"239.1.1.1\"");
    }
    if let Some(At { value, line }) = group.filter(|at| !at.value.is_multicast()) {
        cx.problem(
            line,
            format!(
                "{value} is not a multicast group: those are 224.0.0.0 to 239.255.255.255"
            ),
        );
    }
    let port = table.integer(cx, "port", 1..=65_535);
    if port.is_none() && table.line_of(cx, "port").is_none() {
        table.missing(cx, "port", "port = 26401");
    }
    let source = address(cx, &mut table, "source", "a sender's address like \"10.0.0.1\"");
    if let Some(At { value, line }) =
        source.filter(|at| at.value.is_multicast() || at.value.is_unspecified())
    {
        cx.problem(line, format!("{value} can't be a sender; give the address packets come from"));
    }
    let interface = match table.text(cx, "interface", "an interface's name") {
        Some(at) => interface_name(cx, at),
        None => Some(reading.interface.clone()),
    };
    table.finish(cx);
    Some(LineConfig {
        group: group?.value,
        port: u16::try_from(port?.value).ok()?,
        source: source.map(|at| at.value),
        interface: interface?,
    })
}

fn address(
    cx: &mut Context<'_>,
    table: &mut Table<'_>,
    key: &'static str,
    wanted: &str,
) -> Option<At<Ipv4Addr>> {
    let at = table.text(cx, key, wanted)?;
    match at.value.parse() {
        Ok(value) => Some(At { value, line: at.line }),
        Err(_) => {
            cx.problem(at.line, format!("`{key}` in {} must be {wanted}, not {:?}", table.name(), at.value));
            None
        }
    }
}

/// An interface's name as the kernel takes one: at most 15 bytes, no slash, no space.
fn interface_name(cx: &mut Context<'_>, at: At<&str>) -> Option<String> {
    let fits = at.value.len() <= 15 && at.value.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
    if !fits {
        cx.problem(
            at.line,
            format!("{:?} can't be an interface: at most 15 characters, no space, no slash", at.value),
        );
    }
    fits.then(|| at.value.to_owned())
}

/// A short printable name; its absence is a problem too.
fn name<const N: usize>(
    cx: &mut Context<'_>,
    table: &mut Table<'_>,
    key: &'static str,
    example: &str,
) -> Option<Text<N>> {
    let wanted = format!("a text of 1 to {N} printable ASCII characters");
    let Some(at) = table.text(cx, key, &wanted) else {
        if table.line_of(cx, key).is_none() {
            table.missing(cx, key, example);
        }
        return None;
    };
    let text = Text::from_wire(at.value.as_bytes());
    if text.is_none() {
        cx.problem(at.line, format!("`{key}` in {} must be {wanted}, not {:?}", table.name(), at.value));
    }
    text
}

/// A problem about the whole file.
#[allow(dead_code)]
fn whole(path: &Path, message: &str) -> Problem {
    Problem::of_file(path, message.to_owned())
}

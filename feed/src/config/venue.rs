//! Venues, their partitions and lines.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use candor_core::limits::{LEVELS, LINES, ORDERS, SYMBOLS};
use candor_core::{Line, Nanos, Symbol, Venue};
use candor_decoders::Format;
use candor_settings::{At, Context, Table};
use sha2::Digest;

use super::parse::{PartitionPlace, Reading, interface_name, name};
use super::services::{self, Recovery};
use super::{Capacity, LineConfig, Partition, symbols};

/// What a venue says for all of its partitions.
struct VenueTerms {
    venue: Venue,
    feed: Format,
    silence: Nanos,
    reorder_grace: Nanos,
    late: Nanos,
}

pub(super) fn venues(
    reading: &mut Reading<'_>,
    root: &mut Table<'_>,
) -> (Vec<Venue>, Vec<Recovery>, Vec<Partition>) {
    let mut names = Vec::new();
    let mut recoveries = Vec::new();
    let mut partitions = Vec::new();
    for mut table in root.tables(&mut reading.cx, "venue", "[[venue]]") {
        let terms = venue_terms(reading, &mut table);
        let recovery = services::recovery(reading, &mut table, terms.as_ref().map(|t| t.feed));
        let venue = table.name().to_owned();
        if let Some(terms) = &terms {
            names.push(terms.venue);
            recoveries.push(recovery);
        }
        let entries = table.tables(&mut reading.cx, "partition", "[[venue.partition]]");
        if entries.is_empty() && table.line_of(&reading.cx, "partition").is_none() {
            table.missing(
                &mut reading.cx,
                "partition",
                "[[venue.partition]] with `name`, `lane` and `lines`",
            );
        }
        let first = partitions.len();
        for entry in entries {
            partitions.extend(partition(reading, entry, &venue, terms.as_ref()));
        }
        let own = partitions.get(first..).unwrap_or(&[]);
        if own.iter().all(|partition: &Partition| partition.services.is_empty()) {
            services::unused(&mut reading.cx, &table);
        }
        table.finish(&mut reading.cx);
    }
    (names, recoveries, partitions)
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
    let silence = silence.map_or(super::silence(feed), |at| Nanos::from_millis(at.value));
    let reorder_grace = grace.map_or(super::REORDER_GRACE, |at| Nanos::from_micros(at.value));
    if reorder_grace >= silence {
        cx.problem(
            grace.map_or(line, |at| at.line),
            format!(
                "`reorder_grace_us` ({reorder_grace}) must be shorter than the silence bound \
                 ({silence})"
            ),
        );
    }
    let late = late.map_or(super::LATE, |at| Nanos::from_millis(at.value));
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
    let services = services::services(&mut reading.cx, &mut table, terms.map(|terms| terms.feed));
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
        services,
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
            match candor_settings::read_text(&path) {
                Ok(text) => {
                    reading.digest.update(&text);
                    let (symbols, problems) = symbols::parse(&path, &text);
                    cx.problems.extend(problems);
                    symbols
                }
                Err(message) => {
                    let path = path.display();
                    cx.problem(file.line, format!("`symbols_file` {path}: {message}"));
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
                "`symbols_max` of {} is {}, but {listed} symbols are listed; raise it to {listed} \
                 or more",
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
            format!("{value} is not a multicast group: those are 224.0.0.0 to 239.255.255.255"),
        );
    }
    if let Some(At { value, line }) = group.filter(|at| at.value.octets()[..3] == [224, 0, 0]) {
        cx.problem(
            line,
            format!(
                "{value} is for the network's own protocols; no market data is in 224.0.0.0/24"
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
            cx.problem(
                at.line,
                format!("`{key}` in {} must be {wanted}, not {:?}", table.name(), at.value),
            );
            None
        }
    }
}

//! Venues, their partitions and lines.

use candor_core::limits::{LEVELS, LINES, ORDERS, SYMBOLS, SYMBOLS_MAX};
use candor_core::{Nanos, Symbol, Venue};
use candor_decoders::Format;
use candor_maps::Protocol;
use candor_maps::file::{self, Lines, name};
use candor_settings::{At, Table};
use sha2::Digest;

use super::mapped::{self, Mapped, Terms as VenueTerms};
use super::parse::{PartitionPlace, Reading};
use super::services::{self, Recovery};
use super::{Capacity, LineConfig, Partition};

/// Every venue, and what belongs to it.
pub(super) struct Read {
    pub(super) venues: Vec<Venue>,
    pub(super) recovery: Vec<Recovery>,
    pub(super) partitions: Vec<Partition>,
    pub(super) mapped: Vec<Mapped>,
}

pub(super) fn venues(reading: &mut Reading<'_>, root: &mut Table<'_>) -> Read {
    let mut names = Vec::new();
    let mut recoveries = Vec::new();
    let mut partitions = Vec::new();
    let mut mapped = Vec::new();
    for mut table in root.tables(&mut reading.cx, "venue", "[[venue]]") {
        let terms = venue_terms(reading, &mut table);
        let recovery = services::recovery(reading, &mut table, terms.as_ref().map(|t| t.feed));
        let venue = table.name().to_owned();
        if let Some(terms) = &terms {
            names.push(terms.venue);
            recoveries.push(recovery);
        }
        if table.line_of(&reading.cx, "map").is_some() {
            mapped.extend(mapped::mapped(reading, &mut table, terms.as_ref()));
            table.finish(&mut reading.cx);
            continue;
        }
        let entries = table.tables(&mut reading.cx, "partition", "[[venue.partition]]");
        if entries.is_empty() && table.line_of(&reading.cx, "partition").is_none() {
            table.missing(
                &mut reading.cx,
                "partition",
                "[[venue.partition]] with `name`, `lane` and `lines`, or `map`",
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
    Read { venues: names, recovery: recoveries, partitions, mapped }
}

fn venue_terms(reading: &mut Reading<'_>, table: &mut Table<'_>) -> Option<VenueTerms> {
    let cx = &mut reading.cx;
    let line = table.line;
    let name = name::<8>(cx, table, "name", "name = \"XNAS\"");
    if let Some(At { value: name, .. }) = name {
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
    Some(VenueTerms { venue: name?.value, feed, silence, reorder_grace, late })
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
    if let Some(At { value: name, .. }) = name {
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
    let protocol = terms.map(|terms| protocol(terms.feed));
    let services = file::services(&mut reading.cx, &mut table, protocol);
    table.finish(&mut reading.cx);
    let (terms, lane, name) = (terms?, lane?, name?.value);
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
    let Reading { cx, digest, folder, .. } = reading;
    let listed = file::listed(cx, table, folder, &mut |path| {
        let text = candor_settings::read_text(path)?;
        digest.update(&text);
        Ok(text)
    });
    let listed = listed.unwrap_or_default();
    place.symbols = listed.line;
    listed.symbols
}

fn capacity(reading: &mut Reading<'_>, table: &mut Table<'_>, listed: usize) -> Capacity {
    let cx = &mut reading.cx;
    let symbols = table.integer(cx, "symbols_max", 1..=SYMBOLS_MAX as u64);
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
    let Lines { endpoints, places } = file::lines(&mut reading.cx, table, "lines");
    place.lines = places;
    endpoints.map(|at| {
        at.map(|at| LineConfig {
            group: at.group,
            port: at.port,
            source: at.source,
            interface: at.interface.unwrap_or_else(|| reading.interface.clone()),
        })
    })
}

/// What maps call the packets of this format.
pub(crate) fn protocol(feed: Format) -> Protocol {
    match feed {
        Format::NasdaqItch50 => Protocol::NasdaqItch50,
        Format::IexDeep => Protocol::IexDeep,
        Format::IexTops => Protocol::IexTops,
    }
}

//! `candor status`.

use std::collections::BTreeMap;

use candor_core::counters::LaneCounter;
use candor_core::{Mono, Nanos, Reason};
use candor_shm::{LaneInfo, Region, VenueInfo, clock};
use clap::Args;

use super::output::{Answer, Row, Value};
use super::region::{RegionArg, Source, finish, reason_text, status_text};
use super::{OutputArg, recovery};
use crate::exit::{Exit, Failure};
use crate::halt::Target;

const LANES: &[&str] = &[
    "lane",
    "status",
    "lease_left",
    "mode",
    "frames",
    "cycles",
    "idle_cycles",
    "stalls",
    "rx_ring_full",
    "fill_ring_empty",
    "rx_dropped",
    "misdirected",
    "events",
    "losses",
];
const PARTITIONS: &[&str] = &["partition_status", "partitions", "share"];
const VENUES: &[&str] =
    &["venue", "trading_date", "since", "map_digest", "preopen", "preopen_date", "preopen_asked"];
const HALTS: &[&str] = &["halted", "since", "by", "reason", "in_force"];
const SYMBOLS: &[&str] = &["symbol_status", "symbols", "share"];

/// Says what the handler as a whole is: alive or not, its lanes, how much is live and why the rest
/// is not. Exits 0 when everything is live, 1 when anything is stale, 3 when the handler is gone.
#[derive(Debug, Args)]
pub(super) struct StatusQuery {
    #[command(flatten)]
    region: RegionArg,
    #[command(flatten)]
    output: OutputArg,
}

impl StatusQuery {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let mut source = self.region.open()?;
        let mut partitions = Tally::default();
        let infos = source.partitions();
        for partition in &infos {
            partitions.add(partition.status.reason());
        }
        let mut symbols = Tally::default();
        for index in 0..source.region.partition_count() {
            for (handle, _) in source.region.symbols(index) {
                // Counted where the map has it now.
                if !source.region.is_moved(handle) {
                    symbols.add(source.region.read(handle).reason());
                }
            }
        }
        let answer = Answer::new()
            .one("handler", handler(&mut source))
            .many("lanes", LANES, lanes(&source.region))
            .many("venues", VENUES, venues(&mut source))
            .one("recovery", recovery::sums(&infos))
            .many("partitions", PARTITIONS, partitions.rows(PARTITIONS))
            .many("symbols", SYMBOLS, symbols.rows(SYMBOLS))
            .many("halts", HALTS, halts(&source));
        let all_live = partitions.all_live() && symbols.all_live();
        finish(&source, &answer, self.output.output, all_live)
    }
}

fn handler(source: &mut Source) -> Row {
    let info = source.region.info();
    let status = source.handler();
    let now = source.now();
    // Of a table that is being written nothing is known.
    let alerts = source.region.alerts();
    let alerts = alerts.map_or(Value::Absent, |alerts| Value::Number(alerts.active));
    Row::new()
        .with("handler", Value::text(info.handler))
        .with("status", Value::text(status_text(status)))
        .with("why", reason_text(status))
        .with("trading_date", Value::text(source.dates()))
        .with("generation", Value::Number(info.generation))
        .with("pid", Value::Number(u64::from(info.pid)))
        .with("started", Value::age(info.created, now))
        .with("retired", Value::age(source.region.retired().unwrap_or(Mono::NEVER), now))
        .with("process_lease", Value::Length(Some(info.process_lease)))
        .with("alerts", alerts)
        .with("attested", Value::text(info.attested.label()))
        .with("binary_digest", Value::digest(&info.binary_digest))
        .with("config_digest", Value::digest(&info.config_digest))
        // A region of another layout is not read.
        .with("layout_digest", Value::Text(format!("{:016x}", candor_shm::layout_digest())))
}

/// Which date and map of each venue are in force. A venue whose partitions are the configuration's has no map
/// of its own; the configuration's digest is the handler's.
fn venues(source: &mut Source) -> Vec<Row> {
    let (now, wall) = (source.now(), crate::clock::wall());
    let row = |venue: VenueInfo| {
        // What the handler was answered last when it asked for itself.
        let preopen = venue.preopen;
        let asked = preopen.map(|one| Nanos(wall.saturating_sub(one.at)));
        // Zeros where the partitions are the configuration's.
        let digest = venue.in_force.map_or(Value::Absent, |one| Value::digest(&one.digest));
        let since = if venue.in_force.is_some() { venue.since } else { Mono::NEVER };
        Row::new()
            .with("venue", Value::text(venue.name))
            .with("trading_date", venue.in_force.map_or(Value::Absent, |one| Value::text(one.date)))
            .with("since", Value::age(since, now))
            .with("map_digest", digest)
            .with("preopen", preopen.map_or(Value::Absent, |one| Value::text(one.verdict.label())))
            .with("preopen_date", preopen.map_or(Value::Absent, |one| Value::text(one.date)))
            .with("preopen_asked", Value::Age(asked))
    };
    source.region.venues().map(row).collect()
}

/// What is recorded as halted, and what is halted without a record. Who may not read the record sees
/// that it is halted, and since when, and what keeps the rest from them.
fn halts(source: &Source) -> Vec<Row> {
    let set = source.region.halts();
    let records = source.halts().read().unwrap_or_else(|failure| {
        super::print::error(&failure.to_string());
        Vec::new()
    });
    let wall = crate::clock::wall();
    let recorded = records.iter().map(|record| {
        let force = set.iter().any(|(name, _)| record.target.covers(name));
        Row::new()
            .with("halted", Value::text(record.target))
            .with("since", Value::Age(Some(Nanos(wall.saturating_sub(record.since)))))
            .with("by", record.by.as_ref().map_or(Value::Absent, Value::text))
            .with("reason", Value::text(&record.reason))
            .with("in_force", Value::text(if force { "yes" } else { "when it is named" }))
    });
    let bare = |(name, _): &&(_, Mono)| !records.iter().any(|record| record.target.covers(name));
    let now = clock::now();
    let words = set.iter().filter(bare).map(|(name, since)| {
        Row::new()
            .with("halted", Value::text(Target::of_word(name)))
            .with("since", Value::age(*since, now))
            .with("by", Value::Absent)
            .with("reason", Value::Absent)
            .with("in_force", Value::text("yes"))
    });
    recorded.chain(words).collect()
}

fn lanes(region: &Region) -> Vec<Row> {
    let gone = region.retired().is_some();
    let row = |lane: LaneInfo| {
        // After its lease was loaded.
        let now = clock::now();
        let held = !gone && lane.lease > now;
        let count = |counter| Value::Number(lane.get(counter));
        let mode = if lane.mode.is_empty() { Value::Absent } else { Value::text(lane.mode) };
        Row::new()
            .with("lane", Value::Number(u64::from(lane.index)))
            .with("status", Value::text(if held { "held" } else { "Stale(WriterGone)" }))
            .with("lease_left", Value::Length(Some(lane.lease.since(now))))
            .with("mode", mode)
            .with("frames", count(LaneCounter::Frames))
            .with("cycles", count(LaneCounter::Cycles))
            .with("idle_cycles", count(LaneCounter::IdleCycles))
            .with("stalls", count(LaneCounter::Stalls))
            .with("rx_ring_full", count(LaneCounter::RxRingFull))
            .with("fill_ring_empty", count(LaneCounter::FillRingEmpty))
            .with("rx_dropped", count(LaneCounter::RxDropped))
            .with("misdirected", count(LaneCounter::Misdirected))
            .with("events", Value::Number(lane.events))
            .with("losses", Value::Number(lane.losses))
    };
    region.lanes(clock::now()).map(row).collect()
}

/// How many are live, and how many stale for each reason, worst first.
#[derive(Default)]
struct Tally {
    live: u64,
    stale: BTreeMap<u8, u64>,
}

impl Tally {
    fn add(&mut self, reason: Option<Reason>) {
        match reason {
            None => self.live += 1,
            Some(reason) => *self.stale.entry(reason.code()).or_default() += 1,
        }
    }

    fn all_live(&self) -> bool {
        self.stale.is_empty()
    }

    fn rows(&self, columns: &[&'static str]) -> Vec<Row> {
        let total = self.live + self.stale.values().sum::<u64>();
        let row = |status: String, count: u64| {
            Row::new()
                .with(columns[0], Value::Text(status))
                .with(columns[1], Value::Number(count))
                .with(columns[2], Value::share(count, total))
        };
        let stale = self.stale.iter().filter_map(|(code, count)| {
            let reason = Reason::from_code(*code)?;
            Some(row(format!("Stale({reason})"), *count))
        });
        std::iter::once(row("Live".to_owned(), self.live)).chain(stale).collect()
    }
}

//! `candor check`.

use std::fmt::Write as _;

use clap::Args;
use serde_json::{Value, json};

use super::{ConfigArg, Output, OutputArg, print};
use crate::clock;
use crate::config::{
    self, Alerts, Attest, CalendarOf, Config, Lane, MAP_AT, MapVenue, Mapped, Maps, Own, SourceKind,
};
use crate::day::Day;
use crate::exit::{Exit, Failure};
use crate::store::Origin;

/// Checks a configuration and shows in short what it says. Knows nothing of the host: whether its
/// interfaces, cores, groups and privileges are there is what `candor doctor` looks at.
#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    output: OutputArg,
}

impl Check {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let config = config::load(&self.config.config)?;
        match self.output.output {
            Output::Table => print::out(&table(&config))?,
            Output::Json => print::json(&json(&config))?,
        };
        Ok(Exit::Ok)
    }
}

/// The configuration as a table for a person. Ends with a line break.
fn table(config: &Config) -> String {
    let mut out = String::new();
    let handler = &config.handler;
    let date = match (handler.trading_date, Day::of(config, clock::wall())) {
        (None, _) => "today at the venue".to_owned(),
        (Some(date), Ok(_)) => date.to_string(),
        (Some(date), Err(_)) => format!("{date}, which is not today: `run` refuses it today"),
    };
    let mut row = |name: &str, value: String| {
        let _ = writeln!(out, "{name:<13} {value}");
    };
    row("handler", handler.name.to_string());
    row("region", handler.region.display().to_string());
    row("control", handler.control.display().to_string());
    if let Some(state) = &handler.state {
        row("state", state.display().to_string());
    }
    row("trading date", date);
    row("process lease", handler.process_lease.to_string());
    row("source", source(config));
    if let Some(alerts) = &config.alerts {
        row("alerts", alerts_text(alerts));
    }
    if let Some(maps) = &config.maps {
        row("maps", maps_text(maps));
    }
    for mapped in &config.mapped {
        row("map", mapped_text(mapped));
    }
    if let Some(Attest { manifest, key }) = &config.attest {
        row("attest", format!("{}, signed by {}", manifest.display(), key.display()));
    }
    row("digest", config.digest_text());
    for (index, lane) in config.lanes.iter().enumerate() {
        row(&format!("lane {index}"), lane_text(config, index, lane));
    }
    let mut rows = vec![
        ["", "VENUE", "PARTITION", "FEED", "LANE", "SYMBOLS", "SILENCE", "LINES"].map(String::from),
    ];
    for (index, partition) in config.partitions.iter().enumerate() {
        let lines: Vec<String> = partition
            .lines()
            .map(|(line, at)| {
                let source = at.source.map_or(String::new(), |source| format!(" from {source}"));
                format!("{line} {}:{}{source} on {}", at.group, at.port, at.interface)
            })
            .collect();
        let symbols = match partition.symbols.len() {
            0 => format!("any, {} at most", partition.capacity.symbols),
            n => format!("{n} listed, {} at most", partition.capacity.symbols),
        };
        rows.push([
            index.to_string(),
            partition.venue.to_string(),
            partition.name.to_string(),
            partition.feed.name().to_owned(),
            partition.lane.to_string(),
            symbols,
            partition.silence.to_string(),
            if partition.subscribe { lines.join(", ") } else { "not subscribed".to_owned() },
        ]);
    }
    out.push('\n');
    out.push_str(&print::columns(&rows));
    let services = services(config);
    if services.len() > 1 {
        out.push('\n');
        out.push_str(&print::columns(&services));
    }
    out
}

/// The venues' services, with what may be asked of them; a header alone where there are none.
fn services(config: &Config) -> Vec<[String; 6]> {
    let names = ["VENUE", "PARTITION", "RETRANSMIT", "SNAPSHOT", "BUDGETS", "CREDENTIALS"];
    let mut rows = vec![names.map(String::from)];
    for partition in config.partitions.iter().filter(|one| !one.services.is_empty()) {
        let Some(recovery) = config.recovery_of(partition) else { continue };
        let of = |what: &str| {
            let own = partition.services.iter().filter(|(service, ..)| *service == what);
            let list: Vec<String> =
                own.map(|(_, scheme, address)| format!("{scheme}://{address}")).collect();
            if list.is_empty() { "none".to_owned() } else { list.join(", ") }
        };
        let (asks, snapshots) = (recovery.retransmit_budget, recovery.snapshot_budget);
        rows.push([
            partition.venue.to_string(),
            partition.name.to_string(),
            of("retransmit"),
            of("snapshot"),
            format!(
                "{}/s {}/min {}/day, snapshots {}/min {}/day {} at once",
                asks.second,
                asks.minute,
                asks.day,
                snapshots.minute,
                snapshots.day,
                recovery.snapshots_at_once
            ),
            if recovery.credentials.is_some() { "present" } else { "none" }.to_owned(),
        ]);
    }
    rows
}

fn alerts_text(alerts: &Alerts) -> String {
    format!(
        "{} and above: {}, {} at most, {} at once",
        alerts.severity.label(),
        alerts.command.join(" "),
        alerts.timeout,
        alerts.at_once
    )
}

fn lane_text(config: &Config, index: usize, lane: &Lane) -> String {
    let core = lane.core.map_or("no core of its own".to_owned(), |core| format!("core {core}"));
    let owned = config.partitions.iter().filter(|p| usize::from(p.lane) == index).count();
    let queues: Vec<String> = lane.queues.iter().map(ToString::to_string).collect();
    let queues = match config.source.kind {
        SourceKind::AfXdp(_) => format!(", queues {}", queues.join(", ")),
        SourceKind::Udp { .. } => String::new(),
    };
    format!("{core}, {}{queues}, {owned} partitions", lane.idle.name())
}

fn source(config: &Config) -> String {
    let source = &config.source;
    match source.kind {
        SourceKind::Udp { receive_buffer } => format!(
            "udp on {}, {} packets a poll, receive buffers of {receive_buffer} bytes",
            source.interface, source.batch
        ),
        SourceKind::AfXdp(af_xdp) => format!(
            "af_xdp on {}, {}{}, {} packets a poll, {} frames of {} bytes, huge pages: {}, \
             checksums: {}, busy polling: {}",
            source.interface,
            af_xdp.mode.name(),
            if af_xdp.allow_fallback { " or below" } else { " and nothing else" },
            source.batch,
            af_xdp.frames,
            af_xdp.frame_size,
            af_xdp.huge_pages.name(),
            af_xdp.checksums.name(),
            af_xdp.busy_poll_us.map_or("no".to_owned(), |micros| format!("{micros} us"))
        ),
    }
}

/// The configuration as JSON. Lengths of time are in nanoseconds, as the `_ns` of their keys says.
fn json(config: &Config) -> Value {
    let lanes: Vec<Value> = config
        .lanes
        .iter()
        .map(|lane| json!({ "core": lane.core, "idle": lane.idle.name(), "queues": lane.queues }))
        .collect();
    let partitions: Vec<Value> = config
        .partitions
        .iter()
        .map(|partition| {
            let lines: Vec<Value> = partition
                .lines()
                .map(|(line, at)| {
                    json!({
                        "line": line.to_string(),
                        "group": at.group.to_string(),
                        "port": at.port,
                        "source": at.source.map(|source| source.to_string()),
                        "interface": at.interface,
                    })
                })
                .collect();
            json!({
                "venue": partition.venue.as_str(),
                "partition": partition.name.as_str(),
                "feed": partition.feed.name(),
                "lane": partition.lane,
                "subscribe": partition.subscribe,
                "symbols_listed": partition.symbols.len(),
                "symbols_max": partition.capacity.symbols,
                "orders_max": partition.capacity.orders,
                "levels_max": partition.capacity.levels,
                "silence_ns": partition.silence.0,
                "reorder_grace_ns": partition.reorder_grace.0,
                "late_ns": partition.late.0,
                "lines": lines,
                "services": services_json(config, partition),
            })
        })
        .collect();
    json!({
        "handler": config.handler.name.as_str(),
        "region": config.handler.region,
        "control": config.handler.control,
        "state": config.handler.state,
        "trading_date": config.handler.trading_date.map(|date| date.to_string()),
        "process_lease_ns": config.handler.process_lease.0,
        "group": config.handler.group,
        "source": source_json(config),
        "lanes": lanes,
        "partitions": partitions,
        "mapped": config.mapped.iter().map(mapped_json).collect::<Vec<_>>(),
        "alerts": config.alerts.as_ref().map(alerts_json),
        "maps": config.maps.as_ref().map(maps_json),
        "attest": config.attest.as_ref().map(|attest| json!({
            "manifest": attest.manifest,
            "key": attest.key,
        })),
        "digest": config.digest_text(),
    })
}

/// The command that passes alerts on.
fn alerts_json(alerts: &Alerts) -> Value {
    json!({
        "severity": alerts.severity.label(),
        "command": alerts.command,
        "timeout_ns": alerts.timeout.0,
        "at_once": alerts.at_once,
    })
}

/// A venue whose partitions come from the store.
fn mapped_text(mapped: &Mapped) -> String {
    let at = match (mapped.at, mapped.calendar) {
        (Some(at), _) => format!("at {at}"),
        (None, CalendarOf::EveryDay) => format!("at {MAP_AT}"),
        (None, CalendarOf::Venue) => "at its calendar's time".to_owned(),
    };
    let days = match mapped.calendar {
        CalendarOf::Venue => "of each trading date",
        CalendarOf::EveryDay => "every day",
    };
    format!(
        "{}, {}: partitions from the store {at} {days}, tried again after {}; {} partitions and {} symbols of \
         each to spare{}",
        mapped.venue,
        mapped.feed.name(),
        mapped.retry,
        mapped.spare_partitions,
        mapped.spare_symbols,
        timeline_text(mapped)
    )
}

/// What of the morning is due at another time than usual.
fn timeline_text(mapped: &Mapped) -> String {
    let moments = mapped.timeline.iter().map(|(step, at)| format!("{} at {at}", step.name()));
    let mut said: Vec<String> = moments.collect();
    if mapped.directory_ppm < 1_000_000 {
        said.push(format!("directory with {} ppm of the symbols", mapped.directory_ppm));
    }
    if said.is_empty() { String::new() } else { format!("; {}", said.join(", ")) }
}

fn mapped_json(mapped: &Mapped) -> Value {
    let own = |own: &Own| {
        json!({
            "partition": own.name.as_str(),
            "lane": own.lane,
            "subscribe": own.subscribe,
            "symbols_max": own.symbols,
            "orders_max": own.orders,
            "levels_max": own.levels,
        })
    };
    json!({
        "venue": mapped.venue.as_str(),
        "feed": mapped.feed.name(),
        "at": mapped.at.map(|at| at.to_string()),
        "timeline": mapped
            .timeline
            .iter()
            .map(|(step, at)| (step.name().to_owned(), json!(at.to_string())))
            .collect::<serde_json::Map<_, _>>(),
        "directory_ppm": mapped.directory_ppm,
        "calendar": if mapped.calendar == CalendarOf::EveryDay { "every-day" } else { "venue" },
        "retry_ns": mapped.retry.0,
        "lanes": mapped.lanes,
        "symbols_max": mapped.symbols,
        "spare_symbols": mapped.spare_symbols,
        "orders_max": mapped.orders,
        "levels_max": mapped.levels,
        "spare_partitions": mapped.spare_partitions,
        "partitions": mapped.own.iter().map(own).collect::<Vec<_>>(),
    })
}

fn maps_text(maps: &Maps) -> String {
    let mut text = format!("in {}", maps.store.display());
    for one in &maps.venues {
        let bound = f64::from(maps.bound_ppm(one.venue)) / 10_000.0;
        let from =
            one.fetch.as_ref().map_or("not fetched".to_owned(), |fetch| match &fetch.origin {
                Origin::Directory(folder) => format!("from {folder}"),
                Origin::Command { argv, timeout } => {
                    format!("by {} within {timeout}", argv.join(" "))
                }
            });
        let _ = write!(
            text,
            "; {} in format {}, {from}, bound {bound} %",
            one.venue,
            one.format.name()
        );
    }
    text
}

fn maps_json(maps: &Maps) -> Value {
    let venue = |one: &MapVenue| {
        let fetch = one.fetch.as_ref().map(|fetch| match &fetch.origin {
            Origin::Directory(folder) => json!({ "directory": folder, "files": fetch.files }),
            Origin::Command { argv, timeout } => {
                json!({ "command": argv, "timeout_ns": timeout.0, "files": fetch.files })
            }
        });
        json!({
            "venue": one.venue.as_str(),
            "format": one.format.name(),
            "lines": one.lines,
            "symbols": one.symbols,
            "bound_ppm": maps.bound_ppm(one.venue),
            "fetch": fetch,
        })
    };
    json!({ "store": maps.store, "venues": maps.venues.iter().map(venue).collect::<Vec<_>>() })
}

fn services_json(config: &Config, partition: &config::Partition) -> Value {
    let Some(recovery) = config.recovery_of(partition).filter(|_| !partition.services.is_empty())
    else {
        return Value::Null;
    };
    let of = |what: &str| -> Vec<String> {
        let own = partition.services.iter().filter(|(service, ..)| *service == what);
        own.map(|(_, scheme, address)| format!("{scheme}://{address}")).collect()
    };
    let policy = recovery.policy(partition.feed, &partition.services);
    let (asks, snapshots) = (recovery.retransmit_budget, recovery.snapshot_budget);
    json!({
        "retransmit": of("retransmit"),
        "snapshot": of("snapshot"),
        "retransmit_budget": {
            "second": asks.second, "minute": asks.minute, "day": asks.day,
        },
        "snapshot_budget": {
            "minute": snapshots.minute,
            "day": snapshots.day,
            "at_once": recovery.snapshots_at_once,
        },
        "credentials": recovery.credentials.is_some(),
        "piece": policy.map(|policy| policy.piece),
        "limit": policy.map(|policy| policy.limit),
        "timeout_ns": recovery.timeout.0,
        "patience_ns": recovery.patience.0,
        "pause_max_ns": recovery.pause_max.0,
        "holdback_bytes": recovery.snapshot.holdback_bytes,
    })
}

fn source_json(config: &Config) -> Value {
    let source = &config.source;
    match source.kind {
        SourceKind::Udp { receive_buffer } => json!({
            "kind": "udp",
            "interface": source.interface,
            "batch": source.batch,
            "receive_buffer": receive_buffer,
        }),
        SourceKind::AfXdp(af_xdp) => json!({
            "kind": "af_xdp",
            "interface": source.interface,
            "batch": source.batch,
            "mode": af_xdp.mode.name(),
            "allow_fallback": af_xdp.allow_fallback,
            "frames": af_xdp.frames,
            "frame_size": af_xdp.frame_size,
            "huge_pages": af_xdp.huge_pages.name(),
            "checksums": af_xdp.checksums.name(),
            "busy_poll_us": af_xdp.busy_poll_us,
        }),
    }
}

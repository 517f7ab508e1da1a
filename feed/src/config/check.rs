//! What values mean together: indices in range, endpoints and cores and symbols once each.

use std::collections::BTreeMap;

use candor_core::Venue;
use candor_core::limits::{LANES, PARTITIONS};
use candor_ebpf::SENDERS;
use candor_maps::check::{Endpoints, shared};
use candor_settings::Context;

use super::parse::Places;
use super::{Config, SourceKind};

/// Reports every contradiction within a configuration whose values are each right by themselves.
/// Where some were not, those are missing from `config` and their consequences are left unsaid.
pub(super) fn check(cx: &mut Context<'_>, config: &Config, places: &Places) {
    let whole = cx.problems.is_empty();
    lanes(cx, config, places, whole);
    if places.venues.is_empty() && whole {
        cx.problem(0, "names no venue; add a [[venue]] with its partitions");
    }
    if config.partitions.len() > PARTITIONS {
        let count = config.partitions.len();
        cx.problem(0, format!("{count} partitions: a handler has at most {PARTITIONS}; run two"));
    }
    names(cx, config, places);
    endpoints(cx, config, places);
    symbols(cx, config, places);
    mapped(cx, config, places);
}

/// What venues whose partitions come from the store need besides.
fn mapped(cx: &mut Context<'_>, config: &Config, places: &Places) {
    for (one, line) in config.mapped.iter().zip(&places.mapped) {
        let venue = one.venue;
        if config.maps.is_none() {
            cx.problem(
                *line,
                format!(
                    "`map` of {venue}: no store is named; add [maps] with store = \"/var/lib/candor/maps\""
                ),
            );
        }
        if let Some(date) = config.handler.trading_date {
            cx.problem(
                *line,
                format!(
                    "`map` of {venue}: its trading dates are the calendar's; take `trading_date` ({date}) \
                     out of [handler]"
                ),
            );
        }
        let count = config.lanes.len();
        let own = one.own.iter().filter_map(|own| own.lane);
        for lane in one.lanes.iter().copied().chain(own) {
            if usize::from(lane) >= count && count > 0 {
                cx.problem(
                    *line,
                    format!(
                        "`map` of {venue} names lane {lane}, but there are lanes 0 to {} only",
                        count - 1
                    ),
                );
            }
        }
        let mut names = std::collections::BTreeSet::new();
        for own in one.own.iter().filter(|own| !names.insert(own.name)) {
            cx.problem(*line, format!("partition {} of venue {venue} is named twice", own.name));
        }
    }
}

fn lanes(cx: &mut Context<'_>, config: &Config, places: &Places, whole: bool) {
    let count = config.lanes.len();
    if count == 0 && whole {
        cx.problem(0, "names no lane; add a [[lane]], the thread that owns the partitions");
    }
    if count > LANES {
        let line = places.lanes[LANES].line;
        cx.problem(line, format!("{count} lanes: a handler has at most {LANES}"));
    }
    let mut cores = BTreeMap::new();
    let mut queues = BTreeMap::new();
    for (index, (lane, place)) in config.lanes.iter().zip(&places.lanes).enumerate() {
        if let Some(core) = lane.core {
            if let Some(other) = cores.get(&core) {
                cx.problem(
                    place.core,
                    format!("core {core} is lane {other}'s already; give lane {index} its own"),
                );
            } else {
                cores.insert(core, index);
            }
        }
        for queue in &lane.queues {
            match queues.get(queue) {
                Some(other) if *other == index => {
                    cx.problem(place.queues, format!("lane {index} names queue {queue} twice"));
                }
                Some(other) => cx.problem(
                    place.queues,
                    format!("queue {queue} is lane {other}'s already; a queue has one lane"),
                ),
                None => {
                    queues.insert(*queue, index);
                }
            }
        }
        if whole && lane.queues.is_empty() && matches!(config.source.kind, SourceKind::AfXdp(_)) {
            cx.problem(
                place.queues,
                format!("lane {index} polls no queue; add one like: queues = [{index}]"),
            );
        }
    }
    for (partition, place) in config.partitions.iter().zip(&places.partitions) {
        if usize::from(partition.lane) >= count && count > 0 {
            cx.problem(
                place.lane,
                format!(
                    "partition {} of venue {} names lane {}, but there are lanes 0 to {} only",
                    partition.name,
                    partition.venue,
                    partition.lane,
                    count - 1
                ),
            );
        }
    }
}

fn names(cx: &mut Context<'_>, config: &Config, places: &Places) {
    let mut venues: BTreeMap<Venue, usize> = BTreeMap::new();
    for at in &places.venues {
        if let Some(first) = venues.get(&at.value) {
            cx.problem(
                at.line,
                format!(
                    "venue {} is named in line {first} already; put its partitions there",
                    at.value
                ),
            );
        } else {
            venues.insert(at.value, at.line);
        }
    }
    let mut partitions = BTreeMap::new();
    for (partition, place) in config.partitions.iter().zip(&places.partitions) {
        // By the venue's table, not its name: two tables of one name are reported above.
        let key = (place.venue, partition.name);
        if let Some(first) = partitions.get(&key) {
            cx.problem(
                place.line,
                format!(
                    "partition {} of venue {} is named in line {first} already",
                    partition.name, partition.venue
                ),
            );
        } else {
            partitions.insert(key, place.line);
        }
    }
}

fn endpoints(cx: &mut Context<'_>, config: &Config, places: &Places) {
    let mut taken = Endpoints::new(Some(SENDERS));
    for (partition, place) in config.partitions.iter().zip(&places.partitions) {
        let name = format!("partition {} of venue {}", partition.name, partition.venue);
        let mut any = place.lines.iter().any(|line| *line != 0);
        for (line, at) in partition.lines() {
            any = true;
            let called = format!("line {line} of {name}");
            if let Err(problem) = taken.put(at.group, at.port, at.source, called) {
                cx.problem(place.lines[line.index()], problem);
            }
        }
        if partition.subscribe && !any {
            cx.problem(
                place.line,
                format!(
                    "{name} has no line; add lines.A = {{ group = \"239.1.1.1\", port = 26401 }}, \
                     or subscribe = false"
                ),
            );
        }
    }
}

fn symbols(cx: &mut Context<'_>, config: &Config, places: &Places) {
    let lists = config.partitions.iter().map(|one| (one.venue, one.name, &one.symbols[..]));
    for (index, problem) in shared(lists) {
        cx.problem(places.partitions[index].symbols, problem);
    }
}

//! What values mean together: indices in range, endpoints and cores and symbols once each.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use candor_core::limits::{LANES, PARTITIONS};
use candor_core::{Line, Symbol, Venue};
use candor_ebpf::SENDERS;
use candor_settings::Context;

use super::parse::Places;
use super::{Config, LineConfig, SourceKind};

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

/// Who is on a group and port already: the sender, the partition, and which of its lines.
type Taken = (Option<Ipv4Addr>, String, Line);

fn endpoints(cx: &mut Context<'_>, config: &Config, places: &Places) {
    let mut seen: BTreeMap<(Ipv4Addr, u16), Vec<Taken>> = BTreeMap::new();
    for (partition, place) in config.partitions.iter().zip(&places.partitions) {
        let name = format!("partition {} of venue {}", partition.name, partition.venue);
        let mut any = place.lines.iter().any(|line| *line != 0);
        for (line, endpoint) in partition.lines() {
            any = true;
            let others = seen.entry((endpoint.group, endpoint.port)).or_default();
            match clash(others, endpoint) {
                Some(problem) => cx.problem(place.lines[line.index()], problem),
                None => others.push((endpoint.source, name.clone(), line)),
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

/// Why a line can't be on a group and port beside these. Lines on one are told apart by their senders.
fn clash(others: &[Taken], line: &LineConfig) -> Option<String> {
    let at = format!("{}:{}", line.group, line.port);
    if let Some((source, name, other)) = others.iter().find(|other| other.0 == line.source) {
        let from = source.map_or(String::new(), |source| format!(" from {source}"));
        return Some(format!(
            "{at}{from} is line {other} of {name} already; a packet has one partition and line"
        ));
    }
    let any = |source: &Option<Ipv4Addr>| source.is_none();
    if let Some((_, name, other)) = others.iter().find(|other| any(&other.0) != any(&line.source)) {
        return Some(format!(
            "{at} is line {other} of {name} as well: give both a `source`, or no packet can be told \
             to be one's"
        ));
    }
    (others.len() >= SENDERS).then(|| {
        format!("{at} is {SENDERS} lines already, told apart by their senders; no more fit")
    })
}

fn symbols(cx: &mut Context<'_>, config: &Config, places: &Places) {
    // One problem for a pair of partitions: two lists of the same file would else be thousands.
    let mut owner: BTreeMap<(Venue, Symbol), usize> = BTreeMap::new();
    for (index, (partition, place)) in config.partitions.iter().zip(&places.partitions).enumerate()
    {
        let mut shared: BTreeMap<usize, Vec<Symbol>> = BTreeMap::new();
        for symbol in &partition.symbols {
            if let Some(other) = owner.get(&(partition.venue, *symbol)) {
                shared.entry(*other).or_default().push(*symbol);
            } else {
                owner.insert((partition.venue, *symbol), index);
            }
        }
        for (other, symbols) in shared {
            let shown: Vec<String> = symbols.iter().take(3).map(ToString::to_string).collect();
            let more = match symbols.len() - shown.len() {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            cx.problem(
                place.symbols,
                format!(
                    "partition {} of venue {} lists {}{more}, as does its partition {}; a symbol \
                     has one partition",
                    partition.name,
                    partition.venue,
                    shown.join(", "),
                    config.partitions[other].name
                ),
            );
        }
    }
}

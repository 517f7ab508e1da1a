//! From a map to the partitions of a handler: those it starts with, and what another map changes about those
//! that run. Pure: nothing is opened, joined or told here.

use std::net::SocketAddrV4;

use candor_core::limits::LINES;
use candor_core::{Line, Symbol, Venue};
use candor_ebpf::SENDERS;
use candor_engine::VenueSymbols;
use candor_maps::check::Endpoints;
use candor_maps::{Map, Symbols};

use crate::config::{LineConfig, Mapped, Partition, protocol};

/// What another map changes, by the partitions' numbers.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    /// Partitions that take a place kept for them.
    pub added: Vec<u16>,
    /// Partitions that an earlier map had, and this one has again.
    pub again: Vec<u16>,
    /// Partitions that the map no longer has.
    pub removed: Vec<u16>,
    /// Lines of partitions that stay, and are somewhere else now; `None` where the line is gone.
    pub lines: Vec<(u16, Line, Option<LineConfig>)>,
    /// What the map says and a running handler can't follow, which harms nothing.
    pub notes: Vec<String>,
}

/// A place of the region.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The venue whose partition is there, or for whose it is kept.
    pub venue: Venue,
    /// The lines that its partition was made with; `None` while there is none.
    pub made: Option<[bool; LINES]>,
}

/// The partitions that a venue's map asks for, given to its lanes in turn.
///
/// # Errors
/// What of the map this handler can't do.
pub fn partitions(mapped: &Mapped, map: &Map, lanes: usize) -> Result<Vec<Partition>, String> {
    let all = lanes_of(mapped, lanes);
    let mut made = Vec::with_capacity(map.partitions.len());
    for (at, partition) in map.partitions.iter().enumerate() {
        let lane = mapped.own(partition.name).and_then(|own| own.lane);
        let lane = lane.or_else(|| all.get(at % all.len().max(1)).copied()).unwrap_or(0);
        made.push(one(mapped, map, partition, lane)?);
    }
    Ok(made)
}

/// The lanes that a venue's partitions are given to.
#[must_use]
pub fn lanes_of(mapped: &Mapped, lanes: usize) -> Vec<u16> {
    if mapped.lanes.is_empty() { (0..).take(lanes).collect() } else { mapped.lanes.clone() }
}

fn one(
    mapped: &Mapped,
    map: &Map,
    partition: &candor_maps::Partition,
    lane: u16,
) -> Result<Partition, String> {
    let Mapped { venue, feed, .. } = mapped;
    if map.protocol != protocol(*feed) {
        let (protocol, feed) = (map.protocol, feed.name());
        return Err(format!("the map's protocol is {protocol}, and `feed` of {venue} is {feed}"));
    }
    let name = partition.name;
    let symbols = match &partition.symbols {
        Symbols::List(list) => list.clone(),
        Symbols::InBand => Vec::new(),
        Symbols::Ranges(_) | Symbols::Products(_) => {
            return Err(format!(
                "partition {name} has ranges or products: a handler takes maps that list symbols \
                 (`symbols`, or `symbols_file`, one a line), or leave them to the wire"
            ));
        }
    };
    let own = mapped.own(name);
    let capacity = mapped.capacity(own, symbols.len());
    room(name.as_str(), symbols.len(), capacity.symbols)?;
    let subscribe = own.is_none_or(|own| own.subscribe);
    if subscribe && partition.lines().next().is_none() {
        return Err(format!("partition {name} has no line"));
    }
    let line = |at: &candor_maps::Endpoint| LineConfig {
        group: at.group,
        port: at.port,
        source: at.source,
        interface: at.interface.clone().unwrap_or_else(|| mapped.interface.clone()),
    };
    Ok(Partition {
        venue: *venue,
        name,
        feed: *feed,
        lane,
        subscribe,
        symbols,
        capacity,
        silence: partition.silence.unwrap_or(mapped.silence),
        reorder_grace: mapped.reorder_grace,
        late: mapped.late,
        lines: std::array::from_fn(|index| partition.lines[index].as_ref().map(line)),
        services: partition.services.clone(),
    })
}

fn room(name: &str, wanted: usize, room: u32) -> Result<(), String> {
    if wanted <= room as usize {
        return Ok(());
    }
    Err(format!(
        "partition {name} would have {wanted} symbols, and has room for {room}: raise `symbols_max`, or \
         `spare_symbols`, and start the handler again"
    ))
}

/// Whether no two partitions of a handler are on one endpoint, as far as packets could not be told apart.
///
/// # Errors
/// The first two that are.
pub fn apart(partitions: &[Partition]) -> Result<(), String> {
    let mut taken = Endpoints::new(Some(SENDERS));
    for partition in partitions {
        let name = format!("partition {} of venue {}", partition.name, partition.venue);
        for (line, at) in partition.lines() {
            taken.put(at.group, at.port, at.source, format!("line {line} of {name}"))?;
        }
    }
    Ok(())
}

/// Which of a handler's partitions each symbol of a venue is listed in.
#[must_use]
pub fn listed(partitions: &[Partition], venue: Venue) -> VenueSymbols {
    let own = (0u16..).zip(partitions).filter(|(_, one)| one.venue == venue);
    let all = own.flat_map(|(number, one)| one.symbols.iter().map(move |symbol| (*symbol, number)));
    VenueSymbols::new(all.collect())
}

/// What a map changes of partitions that run: what they are from here on, and the steps.
///
/// `running` has every place of the handler. `defined` tells how many symbols a place has defined: none of
/// them leaves it again.
///
/// # Errors
/// Why it can't be taken without another start. Nothing is to be changed then.
pub fn follow(
    mapped: &Mapped,
    map: &Map,
    running: &[Partition],
    places: &[Place],
    defined: &dyn Fn(u16) -> u32,
) -> Result<(Vec<Partition>, Steps), String> {
    let mut after = running.to_vec();
    let mut steps = Steps::default();
    let wanted = partitions(mapped, map, 1)?;
    for (number, one) in (0u16..).zip(&mut after) {
        let gone = !wanted.iter().any(|wanted| wanted.name == one.name);
        if one.venue == mapped.venue && gone && !is_removed(one) {
            steps.removed.push(number);
            (one.symbols, one.subscribe) = (Vec::new(), false);
            one.lines = [const { None }; LINES];
        }
    }
    answers(&after, &wanted)?;
    for new in wanted {
        let there = after.iter().position(|one| one.venue == new.venue && one.name == new.name);
        match there {
            Some(at) => stay(&mut after[at], at as u16, new, places[at], defined, &mut steps)?,
            None => add(mapped, new, &mut after, places, &mut steps)?,
        }
    }
    apart(&after)?;
    Ok((after, steps))
}

/// Whether no partition that stays, and keeps the services it has, would go on asking one that answers for another
/// partition by the map: its bytes would be taken for those that are missing.
///
/// # Errors
/// The first that would.
fn answers(running: &[Partition], wanted: &[Partition]) -> Result<(), String> {
    let is_same =
        |one: &Partition, other: &Partition| (one.venue, one.name) == (other.venue, other.name);
    for (new, kept) in
        wanted.iter().filter_map(|new| Some((new, running.iter().find(|one| is_same(one, new))?)))
    {
        let own = asked(new);
        for at in asked(kept).iter().filter(|at| !own.contains(at)) {
            let other =
                wanted.iter().find(|other| !is_same(other, new) && asked(other).contains(at));
            if let Some(other) = other {
                return Err(format!(
                    "partition {} would go on asking {at}, which answers for partition {} by the map: start the \
                     handler again",
                    new.name, other.name
                ));
            }
        }
    }
    Ok(())
}

/// The addresses of a partition's services, and the groups of its snapshots.
fn asked(one: &Partition) -> Vec<SocketAddrV4> {
    let groups = one.services.snapshot_lines().map(|(_, at)| SocketAddrV4::new(at.group, at.port));
    one.services.iter().map(|(_, _, at)| at).chain(groups).collect()
}

/// Whether a map has removed this partition.
fn is_removed(one: &Partition) -> bool {
    one.lines().next().is_none() && !one.subscribe
}

fn stay(
    one: &mut Partition,
    number: u16,
    mut new: Partition,
    place: Place,
    defined: &dyn Fn(u16) -> u32,
    steps: &mut Steps,
) -> Result<(), String> {
    let name = new.name;
    if new.silence < one.silence {
        return Err(format!(
            "partition {name} is silent after {} by the map, and after {} here: start the handler again",
            new.silence, one.silence
        ));
    }
    // Lists of maps are ascending.
    let has = |symbol: &&Symbol| one.symbols.binary_search(symbol).is_ok();
    let gained = new.symbols.iter().filter(|symbol| !has(symbol)).count();
    room(name.as_str(), defined(number) as usize + gained, one.capacity.symbols)?;
    for (what, changed) in
        [("silence bound", new.silence != one.silence), ("services", new.services != one.services)]
    {
        if changed {
            steps.notes.push(format!("partition {name} keeps its {what} until another start"));
        }
    }
    let again = is_removed(one) && new.lines().next().is_some();
    for line in Line::ALL {
        let at = line.index();
        if new.lines[at].is_some() && !place.made.is_some_and(|made| made[at]) {
            steps.notes.push(format!("partition {name} has no line {line} until another start"));
            new.lines[at] = None;
        }
        if !again && new.lines[at] != one.lines[at] {
            steps.lines.push((number, line, new.lines[at].clone()));
        }
    }
    if again {
        steps.again.push(number);
    }
    one.symbols = new.symbols;
    one.lines = new.lines;
    one.subscribe = new.subscribe;
    Ok(())
}

fn add(
    mapped: &Mapped,
    new: Partition,
    after: &mut [Partition],
    places: &[Place],
    steps: &mut Steps,
) -> Result<(), String> {
    let lane = mapped.own(new.name).and_then(|own| own.lane);
    let spare = |at: &usize| after[*at].is_spare() && places[*at].venue == mapped.venue;
    let spares: Vec<usize> = (0..after.len()).filter(spare).collect();
    let wanted = spares.iter().find(|at| lane.is_none_or(|lane| after[**at].lane == lane));
    let Some(at) = wanted.or_else(|| spares.first()).copied() else {
        return Err(format!(
            "partition {} is new, and no place is left for it: raise `spare_partitions` of {} and start \
             the handler again",
            new.name, mapped.venue
        ));
    };
    let own = &after[at];
    room(new.name.as_str(), new.symbols.len(), own.capacity.symbols)?;
    if lane.is_some_and(|lane| lane != own.lane) {
        steps.notes.push(format!("partition {} is on lane {}", new.name, own.lane));
    }
    let capacity = crate::config::Capacity { symbols: own.capacity.symbols, ..new.capacity };
    steps.added.push(at as u16);
    after[at] = Partition { lane: own.lane, capacity, ..new };
    Ok(())
}

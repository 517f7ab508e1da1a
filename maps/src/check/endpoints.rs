//! Whose a packet is: groups, ports and senders, and the addresses of services.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use candor_core::Line;

use super::Check;
use crate::file::{is_interface, is_service, no_group, no_source, too_many};
use crate::model::{Endpoint, Partition};

/// A sender, if one is named, and what it sends: `line A of partition 1`.
type Taken = (Option<Ipv4Addr>, String);

/// Who is on each group and port.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    taken: BTreeMap<(Ipv4Addr, u16), Vec<Taken>>,
    most: Option<usize>,
}

impl Endpoints {
    /// Nobody anywhere yet. On one group and port `most` lines can be told apart; `None` where that is not
    /// to be judged.
    #[must_use]
    pub fn new(most: Option<usize>) -> Endpoints {
        Endpoints { taken: BTreeMap::new(), most }
    }

    /// Puts a line, called like `line A of partition 1`, on its group and port. Lines on one are told apart
    /// by their senders.
    ///
    /// # Errors
    /// Why it can't be there beside those that are; it is not put there then.
    pub fn put(
        &mut self,
        group: Ipv4Addr,
        port: u16,
        source: Option<Ipv4Addr>,
        line: String,
    ) -> Result<(), String> {
        let at = format!("{group}:{port}");
        let others = self.taken.entry((group, port)).or_default();
        if let Some((source, other)) = others.iter().find(|other| other.0 == source) {
            let from = source.map_or(String::new(), |source| format!(" from {source}"));
            return Err(format!(
                "{at}{from} is {other} already; a packet has one partition and line: give one of the two \
                 another group or port"
            ));
        }
        if let Some((_, other)) = others.iter().find(|other| other.0.is_none() != source.is_none())
        {
            return Err(format!(
                "{at} is {other} as well: give both a `source`, or no packet can be told to be one's"
            ));
        }
        if let Some(most) = self.most.filter(|most| others.len() >= *most) {
            return Err(format!(
                "{at} is {most} lines already, told apart by their senders; no more fit: give this one \
                 another group or port"
            ));
        }
        others.push((source, line));
        Ok(())
    }
}

pub(super) fn check(check: &mut Check<'_>) {
    let map = check.map;
    let mut taken = Endpoints::new(None);
    for (index, partition) in map.partitions.iter().enumerate() {
        let place = check.place(index);
        for (line, at) in partition.lines() {
            let name = format!("line {line} of partition {}", partition.name);
            put(check, &mut taken, at, name, place.lines[line.index()]);
        }
        for (line, at) in partition.services.snapshot_lines() {
            let name = format!("snapshot line {line} of partition {}", partition.name);
            put(check, &mut taken, at, name, place.snapshot_lines[line.index()]);
        }
        if check.whole {
            services(check, partition, place.line);
            if partition.lines().next().is_none() {
                check.refuse(
                    place.line,
                    format!(
                        "partition {} has no line; add lines.A = {{ group = \"239.1.1.1\", port = 26401 }}",
                        partition.name
                    ),
                );
            }
        }
    }
    if check.whole {
        for line in Line::ALL {
            check.lacking(&format!("line {line}"), |one| one.lines[line.index()].is_some());
        }
        check.lacking("retransmit service", |one| {
            let services = &one.services;
            !services.retransmit_udp.is_empty() || !services.retransmit_tcp.is_empty()
        });
        check.lacking("snapshots", |one| {
            let services = &one.services;
            !services.snapshot.is_empty() || services.snapshot_lines().next().is_some()
        });
    }
}

fn put(check: &mut Check<'_>, taken: &mut Endpoints, at: &Endpoint, name: String, line: usize) {
    if check.whole {
        // Where it was read from a file these have been found.
        let interface = at.interface.as_ref().filter(|interface| !is_interface(interface));
        let interface = interface.map(|name| format!("{name:?} can't be an interface"));
        let port = (at.port == 0).then(|| "port 0 is none".to_owned());
        let source = at.source.and_then(no_source);
        for problem in [no_group(at.group), source, port, interface].into_iter().flatten() {
            check.refuse(line, format!("{name}: {problem}"));
        }
    }
    if let Err(problem) = taken.put(at.group, at.port, at.source, name) {
        check.refuse(line, problem);
    }
}

fn services(check: &mut Check<'_>, partition: &Partition, line: usize) {
    let name = format!("partition {}", partition.name);
    let services = &partition.services;
    let mut seen = Vec::new();
    for (what, scheme, address) in services.iter() {
        if !is_service(address) {
            check.refuse(line, format!("{what} of {name}: {address} can't be a host and its port"));
        }
        if seen.contains(&(what, scheme, address)) {
            let message =
                format!("{what} of {name} names {scheme}://{address} twice; take one out");
            check.refuse(line, message);
        }
        seen.push((what, scheme, address));
    }
    for (key, list) in [
        ("retransmit", &services.retransmit_udp),
        ("retransmit", &services.retransmit_tcp),
        ("snapshot", &services.snapshot),
    ] {
        if let Some(problem) = too_many(key, &name, list.len()) {
            check.refuse(line, problem);
        }
    }
}

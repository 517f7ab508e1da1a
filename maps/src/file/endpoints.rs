//! Where lines are sent and services are: tables and addresses, as configurations and maps write them.

use core::net::{Ipv4Addr, SocketAddrV4};
use std::collections::BTreeSet;

use candor_core::Line;
use candor_core::limits::{ADDRESSES, LINES};
use candor_settings::{At, Context, Table};

use super::values::interface_name;
use crate::model::{Endpoint, Protocol, Services};

/// Lines as they were read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lines {
    /// By [`Line::index`]; `None` where there is none, or where it has a problem that was reported.
    pub endpoints: [Option<Endpoint>; LINES],
    /// Where each stands in the file; 0 where there is none.
    pub places: [usize; LINES],
}

/// Reads `lines.A`, `lines.B` and `lines.C`; `key` is `lines` itself, or `snapshot_lines`.
pub fn lines(cx: &mut Context<'_>, table: &mut Table<'_>, key: &'static str) -> Lines {
    const KEYS: [&str; LINES] = ["A", "B", "C"];
    let mut lines = Lines::default();
    let plural = key.replace('_', " ");
    let word = plural.trim_end_matches('s');
    let name = format!("{plural} of {}", table.name());
    let Some(mut entries) = table.table(cx, key, &name) else {
        return lines;
    };
    for line in Line::ALL {
        let name = format!("{word} {line} of {}", table.name());
        if let Some(entry) = entries.table(cx, KEYS[line.index()], &name) {
            lines.places[line.index()] = entry.line;
            lines.endpoints[line.index()] = endpoint(cx, entry);
        }
    }
    entries.finish(cx);
    lines
}

fn endpoint(cx: &mut Context<'_>, mut table: Table<'_>) -> Option<Endpoint> {
    let group = address(cx, &mut table, "group", "a multicast group like \"239.1.1.1\"");
    match group {
        Some(At { value, line }) => {
            if let Some(problem) = no_group(value) {
                cx.problem(line, problem);
            }
        }
        None if table.line_of(cx, "group").is_none() => {
            table.missing(cx, "group", "group = \"239.1.1.1\"");
        }
        None => {}
    }
    let port = table.integer(cx, "port", 1..=65_535);
    if port.is_none() && table.line_of(cx, "port").is_none() {
        table.missing(cx, "port", "port = 26401");
    }
    let source = address(cx, &mut table, "source", "a sender's address like \"10.0.0.1\"");
    if let Some((line, problem)) = source.and_then(|at| Some((at.line, no_source(at.value)?))) {
        cx.problem(line, problem);
    }
    let interface = match table.text(cx, "interface", "an interface's name") {
        Some(at) => interface_name(cx, at).map(Some),
        // It was reported, or there is none.
        None => Some(None),
    };
    table.finish(cx);
    Some(Endpoint {
        group: group?.value,
        port: u16::try_from(port?.value).ok()?,
        source: source.map(|at| at.value),
        interface: interface?,
    })
}

/// Why no line can be sent to this address.
pub(crate) fn no_group(group: Ipv4Addr) -> Option<String> {
    if !group.is_multicast() {
        return Some(format!(
            "{group} is not a multicast group: those are 224.0.0.0 to 239.255.255.255"
        ));
    }
    (group.octets()[..3] == [224, 0, 0]).then(|| {
        format!("{group} is for the network's own protocols; no market data is in 224.0.0.0/24")
    })
}

/// Why no packet can come from this address.
pub(crate) fn no_source(source: Ipv4Addr) -> Option<String> {
    (!is_host(source))
        .then(|| format!("{source} can't be a sender; give the address packets come from"))
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

/// Reads `retransmit` and `snapshot`. What `protocol` offers no service by is a problem.
pub fn services(
    cx: &mut Context<'_>,
    table: &mut Table<'_>,
    protocol: Option<Protocol>,
) -> Services {
    let mut services = Services::default();
    let retransmit = table.texts(cx, "retransmit").map_or_else(Vec::new, |at| at.value);
    for at in distinct(cx, "retransmit", retransmit) {
        match service(cx, "retransmit", &["udp", "tcp"], at) {
            Some(("udp", address)) => services.retransmit_udp.push(address),
            Some((_, address)) => {
                if protocol == Some(Protocol::NasdaqItch50) {
                    cx.problem(
                        at.line,
                        format!(
                            "{:?}: Nasdaq sends nothing again over TCP; give its re-request server \
                             as \"udp://{address}\"",
                            at.value
                        ),
                    );
                }
                services.retransmit_tcp.push(address);
            }
            None => {}
        }
    }
    let snapshot = table.texts(cx, "snapshot").map_or_else(Vec::new, |at| at.value);
    for at in distinct(cx, "snapshot", snapshot) {
        services.snapshot.extend(service(cx, "snapshot", &["tcp"], at).map(|(_, address)| address));
    }
    for (key, list) in [
        ("retransmit", &services.retransmit_udp),
        ("retransmit", &services.retransmit_tcp),
        ("snapshot", &services.snapshot),
    ] {
        if let Some(problem) = too_many(key, table.name(), list.len()) {
            let line = table.line_of(cx, key).unwrap_or(table.line);
            cx.problem(line, problem);
        }
    }
    services
}

/// Why a service can't have this many addresses.
pub(crate) fn too_many(key: &str, name: &str, count: usize) -> Option<String> {
    (count > ADDRESSES).then(|| {
        format!("`{key}` of {name} has {count} addresses; a service has {ADDRESSES} at most")
    })
}

/// The entries of a list without those that were there before, which are reported.
fn distinct<'t>(cx: &mut Context<'_>, key: &str, list: Vec<At<&'t str>>) -> Vec<At<&'t str>> {
    let mut seen = BTreeSet::new();
    let mut once = Vec::new();
    for at in list {
        if seen.insert(at.value) {
            once.push(at);
        } else {
            cx.problem(at.line, format!("`{key}` names {:?} twice; take one out", at.value));
        }
    }
    once
}

/// `SCHEME://ADDRESS:PORT`.
fn service(
    cx: &mut Context<'_>,
    key: &str,
    schemes: &[&'static str],
    at: At<&str>,
) -> Option<(&'static str, SocketAddrV4)> {
    let examples: Vec<String> =
        schemes.iter().map(|scheme| format!("\"{scheme}://10.0.0.1:26477\"")).collect();
    let wanted = examples.join(" or ");
    let Some((scheme, rest)) = at.value.split_once("://") else {
        let message = format!("`{key}` must be a list of {wanted}, not {:?}", at.value);
        cx.problem(at.line, message);
        return None;
    };
    let Some(scheme) = schemes.iter().find(|known| **known == scheme) else {
        let message =
            format!("`{key}` knows no {scheme:?} ({:?}); write it like {wanted}", at.value);
        cx.problem(at.line, message);
        return None;
    };
    match rest.parse::<SocketAddrV4>() {
        Ok(address) if is_service(address) => Some((*scheme, address)),
        _ => {
            cx.problem(
                at.line,
                format!(
                    "{:?} in `{key}` must name a host by its IPv4 address, and a port: like {wanted}",
                    at.value
                ),
            );
            None
        }
    }
}

/// Whether a service can be asked at this address.
pub(crate) fn is_service(address: SocketAddrV4) -> bool {
    address.port() > 0 && is_host(*address.ip())
}

/// Whether one host can have this address.
#[must_use]
pub fn is_host(address: Ipv4Addr) -> bool {
    !address.is_multicast() && !address.is_unspecified() && !address.is_broadcast()
}

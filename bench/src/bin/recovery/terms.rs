//! What the product does by default: a configuration that names the services and tunes nothing.

use std::net::{Ipv4Addr, SocketAddrV4};

use candor::config::{Recovery, Services as Addresses};
use candor_decoders::Format;
use candor_engine::Services;
use candor_services::agent::{Clients, Config};

/// Where a partition's services are: one address for each kind its venue has.
fn addresses(format: Format) -> Addresses {
    let one = |port| vec![SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)];
    Addresses {
        retransmit_udp: one(1),
        retransmit_tcp: if format == Format::NasdaqItch50 { Vec::new() } else { one(2) },
        snapshot: one(3),
        ..Addresses::default()
    }
}

/// What a partition's machine may count on.
pub(crate) fn services(format: Format) -> Services {
    Recovery::of(format).machine(format, &addresses(format))
}

/// What the venue allows.
pub(crate) fn agent(format: Format) -> Config {
    Recovery::of(format).agent()
}

/// The clients of a partition.
pub(crate) fn clients(format: Format) -> Clients {
    let clients = Recovery::of(format).clients(format, &addresses(format));
    clients.expect("each venue offers what its addresses name")
}

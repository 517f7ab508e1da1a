//! What the product does by default, put together as the handler puts it together from a
//! configuration that names the services and tunes nothing.

use std::net::{Ipv4Addr, SocketAddrV4};

use candor::config::{Recovery, Services as Addresses};
use candor_core::Nanos;
use candor_decoders::{Format, iex};
use candor_engine::Services;
use candor_services::agent::{Clients, Config};
use candor_services::desk::Concurrency;
use candor_services::retransmit::{self, Transport};
use candor_services::{Credentials, snapshot};

/// The reorder grace of a venue that configures none.
pub(crate) const GRACE: Nanos = Nanos::from_micros(1_000);

/// The silence bound of a venue that configures none.
pub(crate) const SILENCE: Nanos = Nanos::from_secs(3);

/// The bound on lateness of a venue that configures none.
pub(crate) const LATE: Nanos = Nanos::from_millis(20);

/// Where a partition's services are: one address for each kind its venue has.
fn addresses(format: Format) -> Addresses {
    let one = |port| vec![SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)];
    Addresses {
        retransmit_udp: one(1),
        retransmit_tcp: if format == Format::NasdaqItch50 { Vec::new() } else { one(2) },
        snapshot: one(3),
    }
}

/// What a partition's machine may count on.
pub(crate) fn services(format: Format) -> Services {
    let recovery = Recovery::of(format);
    Services {
        retransmit: recovery.policy(format, &addresses(format)),
        snapshot: Some(recovery.snapshot),
    }
}

/// What the venue allows.
pub(crate) fn agent(format: Format) -> Config {
    let recovery = Recovery::of(format);
    let longest = recovery.snapshot.begin + recovery.snapshot.whole;
    Config {
        retransmit: recovery.retransmit_budget,
        snapshot: recovery.snapshot_budget,
        concurrency: Concurrency { snapshots: recovery.snapshots_at_once, longest },
        datagram_max: iex::gapfill::UDP_MESSAGES_MAX,
    }
}

/// The clients of a partition.
pub(crate) fn clients(format: Format) -> Clients {
    let recovery = Recovery::of(format);
    let retransmit = |transport| {
        let usual = retransmit::Config::of(transport, 1);
        let answer = match transport {
            Transport::Udp => recovery.timeout,
            Transport::Tcp => usual.answer,
        };
        let config = retransmit::Config { channel: recovery.channel, answer, ..usual };
        retransmit::Client::new(format, config).ok()
    };
    let usual = snapshot::Config::of(format, 1);
    let config = snapshot::Config {
        credentials: Credentials::BLANK,
        session: recovery.session,
        channel: recovery.channel,
        silence: usual.silence.min(recovery.snapshot.idle),
        whole: usual.whole.min(recovery.snapshot.whole),
        ..usual
    };
    Clients {
        retransmit_udp: retransmit(Transport::Udp),
        retransmit_tcp: retransmit(Transport::Tcp),
        snapshot: Some(snapshot::Client::new(format, config)),
    }
}

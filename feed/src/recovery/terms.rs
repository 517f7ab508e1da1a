//! From the configuration to what the agents and the partitions' machines want to know.

use candor_core::Nanos;
use candor_engine::Services;
use candor_services::agent::{Clients, Config};
use candor_services::desk::Concurrency;
use candor_services::retransmit::{self, Transport};
use candor_services::{Credentials, snapshot};

use crate::config::{Partition, Recovery};
use crate::exit::Failure;

/// Numbers asked for by datagram at most, where there is a connection as well: IEX answers no more.
const DATAGRAM_MAX: u64 = candor_decoders::iex::gapfill::UDP_MESSAGES_MAX;

/// What a partition's machine may count on.
pub(crate) fn services(partition: &Partition, recovery: Option<&Recovery>) -> Services {
    let Some(recovery) = recovery else { return Services::default() };
    let snapshot = (!partition.services.snapshot.is_empty()).then_some(recovery.snapshot);
    Services { retransmit: recovery.policy(partition.feed, &partition.services), snapshot }
}

/// What a venue allows.
pub(super) fn agent(recovery: &Recovery) -> Config {
    let longest = recovery.snapshot.begin + recovery.snapshot.whole;
    Config {
        retransmit: recovery.retransmit_budget,
        snapshot: recovery.snapshot_budget,
        concurrency: Concurrency { snapshots: recovery.snapshots_at_once, longest },
        datagram_max: DATAGRAM_MAX,
    }
}

/// The clients of one partition.
pub(super) fn clients(partition: &Partition, recovery: &Recovery) -> Result<Clients, Failure> {
    let services = &partition.services;
    let retransmit = |transport, addresses: usize| {
        if addresses == 0 {
            return Ok(None);
        }
        let config = retransmit::Config {
            channel: recovery.channel,
            // An address that has not answered in the time a request has is not asked next.
            answer: match transport {
                Transport::Udp => recovery.timeout,
                Transport::Tcp => retransmit::Config::of(transport, addresses).answer,
            },
            ..retransmit::Config::of(transport, addresses)
        };
        let client = retransmit::Client::new(partition.feed, config);
        client.map(Some).map_err(|error| Failure::config(error.to_string()))
    };
    Ok(Clients {
        retransmit_udp: retransmit(Transport::Udp, services.retransmit_udp.len())?,
        retransmit_tcp: retransmit(Transport::Tcp, services.retransmit_tcp.len())?,
        snapshot: snapshot_client(partition, recovery),
    })
}

fn snapshot_client(partition: &Partition, recovery: &Recovery) -> Option<snapshot::Client> {
    let addresses = partition.services.snapshot.len();
    if addresses == 0 {
        return None;
    }
    let usual = snapshot::Config::of(partition.feed, addresses);
    let config = snapshot::Config {
        credentials: recovery.credentials.unwrap_or(Credentials::BLANK),
        session: recovery.session,
        channel: recovery.channel,
        // The client gives up before its partition does, and says why.
        silence: shorter(usual.silence, recovery.snapshot.idle),
        whole: shorter(usual.whole, recovery.snapshot.whole),
        ..usual
    };
    Some(snapshot::Client::new(partition.feed, config))
}

fn shorter(usual: Nanos, bound: Nanos) -> Nanos {
    usual.min(bound)
}

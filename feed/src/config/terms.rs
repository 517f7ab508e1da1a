//! What follows from a venue's configuration for those who recover: the partitions' machines, the
//! desks and the clients.

use candor_decoders::{Format, iex};
use candor_engine::Services as Machine;
use candor_services::agent::{self, Clients};
use candor_services::desk::Concurrency;
use candor_services::retransmit::{self, Transport, Unsupported};
use candor_services::{Credentials, snapshot};

use super::{Recovery, Services};

impl Recovery {
    /// What the machine of a partition with these services may count on.
    #[must_use]
    pub fn machine(&self, feed: Format, services: &Services) -> Machine {
        let snapshot = (!services.snapshot.is_empty()).then_some(self.snapshot);
        Machine { retransmit: self.policy(feed, services), snapshot }
    }

    /// What the venue allows.
    #[must_use]
    pub fn agent(&self) -> agent::Config {
        let longest = self.snapshot.begin + self.snapshot.whole;
        agent::Config {
            retransmit: self.retransmit_budget,
            snapshot: self.snapshot_budget,
            concurrency: Concurrency { snapshots: self.snapshots_at_once, longest },
            // IEX answers no more in datagrams.
            datagram_max: iex::gapfill::UDP_MESSAGES_MAX,
        }
    }

    /// The clients of a partition with these services.
    ///
    /// # Errors
    /// A transport that the venue does not offer.
    pub fn clients(&self, feed: Format, services: &Services) -> Result<Clients, Unsupported> {
        let retransmit = |transport, addresses: usize| {
            if addresses == 0 {
                return Ok(None);
            }
            let usual = retransmit::Config::of(transport, addresses);
            // An address that has not answered in the time a request has is not asked next.
            let answer = match transport {
                Transport::Udp => self.timeout,
                Transport::Tcp => usual.answer,
            };
            let config = retransmit::Config { channel: self.channel, answer, ..usual };
            retransmit::Client::new(feed, config).map(Some)
        };
        Ok(Clients {
            retransmit_udp: retransmit(Transport::Udp, services.retransmit_udp.len())?,
            retransmit_tcp: retransmit(Transport::Tcp, services.retransmit_tcp.len())?,
            snapshot: self.snapshot_client(feed, services.snapshot.len()),
        })
    }

    fn snapshot_client(&self, feed: Format, addresses: usize) -> Option<snapshot::Client> {
        if addresses == 0 {
            return None;
        }
        let usual = snapshot::Config::of(feed, addresses);
        let config = snapshot::Config {
            credentials: self.credentials.unwrap_or(Credentials::BLANK),
            session: self.session,
            channel: self.channel,
            // The client gives up before its partition does, and says why.
            silence: usual.silence.min(self.snapshot.idle),
            whole: usual.whole.min(self.snapshot.whole),
            ..usual
        };
        Some(snapshot::Client::new(feed, config))
    }
}

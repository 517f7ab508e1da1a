//! The services beside the lines: what comes in for a partition's, and what goes out.

use candor_core::Mono;

use super::{Exchange, Source};
use crate::services::{Connection, Door, Out, Partition, Peer, Services};

impl Exchange {
    /// What the services of a partition look into.
    ///
    /// # Panics
    /// When there is no such partition.
    #[must_use]
    pub fn partition(&self, partition: usize) -> Partition<'_> {
        view(&self.source, &self.publishers, partition)
    }

    /// The services by partition.
    #[must_use]
    pub fn services(&self) -> &[Services] {
        &self.services
    }

    /// The services of a partition, for their faults.
    ///
    /// # Panics
    /// When there is no such partition.
    pub fn services_mut(&mut self, partition: usize) -> &mut Services {
        &mut self.services[partition]
    }

    /// A datagram came to a partition's retransmit service.
    pub fn on_datagram(&mut self, now: Mono, partition: usize, from: Peer, payload: &[u8]) {
        let view = view(&self.source, &self.publishers, partition);
        self.services[partition].on_datagram(now, &view, from, payload);
    }

    /// A client has connected to one of a partition's services.
    pub fn on_accept(&mut self, now: Mono, partition: usize, door: Door, connection: Connection) {
        self.services[partition].on_accept(now, door, connection);
    }

    /// Bytes came on a connection of a partition's services.
    pub fn on_bytes(&mut self, now: Mono, partition: usize, connection: Connection, bytes: &[u8]) {
        let view = view(&self.source, &self.publishers, partition);
        self.services[partition].on_bytes(now, &view, connection, bytes);
    }

    /// A connection of a partition's services is gone.
    pub fn on_closed(&mut self, partition: usize, connection: Connection) {
        self.services[partition].on_closed(connection);
    }

    /// Whether the way out of a connection takes bytes.
    pub fn on_room(&mut self, partition: usize, connection: Connection, has_room: bool) {
        self.services[partition].on_room(connection, has_room);
    }

    /// What the services want done by `now`, with its partition; call it until `None`. Nothing is
    /// handed out for a connection that has no room.
    pub fn next_out(&mut self, now: Mono) -> Option<(usize, Out)> {
        for partition in 0..self.services.len() {
            if self.services[partition].is_idle() {
                continue;
            }
            let view = view(&self.source, &self.publishers, partition);
            if let Some(out) = self.services[partition].next_out(now, &view) {
                return Some((partition, out));
            }
        }
        None
    }

    pub(super) fn step_services(&mut self, now: Mono) {
        for partition in 0..self.services.len() {
            let view = view(&self.source, &self.publishers, partition);
            self.services[partition].on_deadline(now, &view);
        }
    }

    pub(super) fn services_due(&self) -> Option<Mono> {
        let services = self.services.iter().enumerate().filter(|(_, one)| !one.is_idle());
        services.filter_map(|(index, one)| one.next_due(&self.partition(index))).min()
    }
}

/// One partition as it is right now.
pub(super) fn view<'a>(
    source: &'a Source,
    publishers: &'a [crate::publisher::Publisher],
    partition: usize,
) -> Partition<'a> {
    let market = match source {
        Source::Market { market, .. } => Some(&market.partitions[partition]),
        Source::Replay(_) => None,
    };
    Partition { publisher: &publishers[partition], market }
}

//! Which group and port each line of each partition is sent to, and which ports its services have;
//! `run` and `config` agree by it.

use std::net::Ipv4Addr;

use candor_core::Line;

/// The groups and ports of all partitions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Endpoints {
    group_base: Ipv4Addr,
    port_base: u16,
    /// Groups between the lines of a partition: a whole number of 256.
    stride: u32,
}

impl Endpoints {
    /// The endpoints from these bases: a partition adds one to the group and to the port, a line
    /// adds one to the group's third byte (more where 255 partitions need it).
    pub(super) fn new(
        group_base: Ipv4Addr,
        port_base: u16,
        partitions: usize,
    ) -> Result<Endpoints, String> {
        let last = u32::from(group_base.octets()[3]) + partitions as u32;
        let endpoints =
            Endpoints { group_base, port_base, stride: last.div_ceil(256).max(1) * 256 };
        let highest = endpoints.group(partitions.saturating_sub(1), Line::C);
        if !group_base.is_multicast() || !highest.is_multicast() {
            return Err(format!("{group_base} to {highest} are not all multicast groups"));
        }
        if usize::from(port_base) + partitions > usize::from(u16::MAX) || port_base == 0 {
            return Err(format!("{partitions} ports from {port_base} are too many"));
        }
        Ok(endpoints)
    }

    /// The group of a line, partitions counted from 0.
    pub(super) fn group(&self, partition: usize, line: Line) -> Ipv4Addr {
        let line = self.stride * line.index() as u32;
        Ipv4Addr::from(u32::from(self.group_base).wrapping_add(line + partition as u32))
    }

    /// The port of a partition's lines.
    pub(super) fn port(&self, partition: usize) -> u16 {
        self.port_base + partition as u16
    }
}

/// The ports of all partitions' services.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    base: u16,
}

impl Ports {
    /// Two ports a partition from `base` on.
    pub(super) fn new(base: u16, partitions: usize) -> Result<Ports, String> {
        if base == 0 || usize::from(base) + 2 * partitions > usize::from(u16::MAX) {
            return Err(format!("{partitions} times two service ports from {base} are too many"));
        }
        Ok(Ports { base })
    }

    /// The port of a partition's retransmit service, partitions counted from 0.
    pub(super) fn retransmit(&self, partition: usize) -> u16 {
        self.base + 2 * partition as u16
    }

    /// The port of a partition's snapshot service.
    pub(super) fn snapshot(&self, partition: usize) -> u16 {
        self.retransmit(partition) + 1
    }
}

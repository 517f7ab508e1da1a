//! The machine: what it lets us do, which two cores are used, what it is.

use std::fs;

use candor_af_xdp::probe::{self, Capability};
use candor_bench::machine;

use crate::Problem;

/// `CAP_SYS_ADMIN`, which network namespaces need.
const SYS_ADMIN: u64 = 1 << 21;

/// The core of the sender and reader, and that of the lane.
#[derive(Clone, Copy)]
pub(crate) struct Cores {
    pub(crate) sender: u16,
    pub(crate) lane: u16,
}

/// Refuses to go on without the privileges all of this needs.
pub(crate) fn privileges() -> Result<(), Problem> {
    let host = probe::host().map_err(Problem::of("/proc"))?;
    let needed = [Capability::NetAdmin, Capability::NetRaw, Capability::Bpf];
    let mut missing: Vec<&str> =
        needed.into_iter().filter(|one| !host.has(*one)).map(Capability::name).collect();
    if host.capabilities & SYS_ADMIN == 0 {
        missing.push("CAP_SYS_ADMIN");
    }
    if missing.is_empty() { Ok(()) } else { Err(Problem::Privilege(missing.join(", "))) }
}

/// The first two cores this process may run on.
pub(crate) fn two_cores() -> Result<Cores, Problem> {
    let mut cores = machine::cores().map_err(Problem::of("affinity"))?.into_iter();
    match (cores.next(), cores.next()) {
        (Some(sender), Some(lane)) => Ok(Cores { sender, lane }),
        _ => Err(Problem::Other(
            "two cores are needed: one sends and reads, one is the lane's".into(),
        )),
    }
}

/// Keeps the calling thread on one core.
pub(crate) fn pin(core: u16) -> Result<(), Problem> {
    machine::pin(core).map_err(Problem::of("can't pin a thread"))
}

/// Who measures: processor, cores, kernel, load.
pub(crate) fn describe(cores: Cores) -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown processor", |text| text.trim_start_matches([' ', '\t', ':']));
    let count = info.lines().filter(|line| line.starts_with("processor")).count();
    let virtual_machine = info.lines().any(|line| {
        line.starts_with("flags") && line.split_whitespace().any(|flag| flag == "hypervisor")
    });
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or("?");
    format!(
        "machine: {model}, {count} {}cores, kernel {}, load {load} before the run; sender and reader \
         on core {}, lane on core {}; veth pair",
        if virtual_machine { "virtual " } else { "" },
        kernel.trim(),
        cores.sender,
        cores.lane,
    )
}

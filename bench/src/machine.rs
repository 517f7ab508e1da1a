//! The machine that measures: what it is, and what this process takes of it.

use std::{fs, io};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Processor, cores, kernel, load, in one line.
#[must_use]
pub fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown processor", |text| text.trim_start_matches([' ', '\t', ':']));
    let count = info.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or("?");
    format!("machine: {model}, {count} cores, kernel {}, load {load} before the run", kernel.trim())
}

/// The cores that this process may run on.
///
/// # Errors
/// When the kernel doesn't say.
pub fn cores() -> io::Result<Vec<u16>> {
    let allowed = sched_getaffinity(None)?;
    Ok((0..1024u16).filter(|core| allowed.is_set(usize::from(*core))).collect())
}

/// Keeps the calling thread on one core.
///
/// # Errors
/// When the kernel refuses.
pub fn pin(core: u16) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(usize::from(core));
    Ok(sched_setaffinity(None, &set)?)
}

/// Bytes of this process that are in memory now; 0 where the kernel doesn't say.
#[must_use]
pub fn resident() -> u64 {
    status("VmRSS:")
}

/// The most bytes of this process that were in memory at once; 0 where the kernel doesn't say.
#[must_use]
pub fn peak_resident() -> u64 {
    status("VmHWM:")
}

fn status(field: &str) -> u64 {
    bytes_of(&fs::read_to_string("/proc/self/status").unwrap_or_default(), field)
}

/// A field of a process's status in bytes; 0 where it isn't there.
#[must_use]
pub fn bytes_of(status: &str, field: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    let kilobytes = line.trim().trim_end_matches("kB").trim().parse::<u64>();
    kilobytes.map_or(0, |kilobytes| kilobytes * 1024)
}

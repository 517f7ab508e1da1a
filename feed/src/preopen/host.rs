//! The host: mode, clock, links, cores, disk and memory.

use std::path::{Path, PathBuf};

use candor_af_xdp::probe;
use candor_core::Nanos;
use candor_preopen::{Check, Verdict};
use candor_shm::{Attested, Region, clock};

use crate::config::{Config, Maps, SourceKind, WallClock, XdpMode};
use crate::doctor::{self, Finding, Level};
use crate::source::af_xdp::mode_text;

/// How far the wall clock may run away from ours ([`candor_core::Mono`]) in the life of a handler before it was set.
const STEP: Nanos = Nanos::from_secs(1);

/// What is known without a handler.
pub(super) fn look(config: &Config) -> Vec<Check> {
    let mut checks = vec![wall_clock(config)];
    checks.extend(links(config));
    checks.extend(disk(config));
    checks.push(memory(config));
    checks
}

/// What only a running handler shows.
pub(super) fn of_handler(config: &Config, region: &Region) -> Vec<Check> {
    let mut checks = vec![attested(region), modes(config, region)];
    checks.extend(cores(config, region.info().pid));
    checks.push(steps(region));
    checks
}

/// What runs is what was signed for, where somebody asks for that.
fn attested(region: &Region) -> Check {
    const NAME: &str = "attested";
    match region.info().attested {
        Attested::Yes => Check::holds(NAME, "", "what runs is what the manifest allows"),
        Attested::NotRequired => Check::holds(NAME, "", "no manifest is configured"),
        said @ (Attested::No | Attested::Unsaid) => {
            let verdict = if said == Attested::No { Verdict::Fails } else { Verdict::Unknown };
            let evidence = format!("attested: {}", said.label());
            Check::not(
                verdict,
                NAME,
                "",
                evidence,
                "candor attest verify --running; the log names what differs",
            )
        }
    }
}

/// Each lane receives as configured.
fn modes(config: &Config, region: &Region) -> Check {
    const NAME: &str = "mode";
    let (wanted, may_fall) = match config.source.kind {
        SourceKind::Udp { .. } => ("udp", false),
        SourceKind::AfXdp(settings) => (mode_text(settings.mode), settings.allow_fallback),
    };
    let lanes: Vec<String> = region.lanes(clock::now()).map(|lane| lane.mode.to_string()).collect();
    match lanes.iter().enumerate().find(|(_, mode)| *mode != wanted) {
        None => Check::holds(NAME, "", format!("{} lanes, {wanted} as configured", lanes.len())),
        Some((lane, other)) => {
            let known = XdpMode::ALL.into_iter().any(|mode| mode_text(mode) == other);
            let verdict = if may_fall && known { Verdict::Warns } else { Verdict::Fails };
            let other = if other.is_empty() { "nobody knows how" } else { other };
            let evidence = format!("lane {lane} receives {other}, and {wanted} is configured");
            Check::not(verdict, NAME, "", evidence, "candor doctor; the handler's log says why")
        }
    }
}

/// A lane that has a core of its own is pinned to it.
fn cores(config: &Config, handler: u32) -> Option<Check> {
    const NAME: &str = "cores";
    let pinned: Vec<(usize, u16)> = config
        .lanes
        .iter()
        .enumerate()
        .filter_map(|(index, lane)| Some((index, lane.core?)))
        .collect();
    if pinned.is_empty() {
        return None;
    }
    for (lane, core) in &pinned {
        let found = allowed(handler, &format!("lane-{lane}"));
        if found.as_deref() != Some(&core.to_string()) {
            let found = found.unwrap_or("unknown cores".to_owned());
            let evidence = format!("lane {lane} may run on {found}, and core {core} is configured");
            let verdict = if found == "unknown cores" { Verdict::Unknown } else { Verdict::Fails };
            let to_do = "who has moved it? taskset; cpusets; candor doctor";
            return Some(Check::not(verdict, NAME, "", evidence, to_do));
        }
    }
    let each: Vec<String> =
        pinned.iter().map(|(lane, core)| format!("lane {lane} on core {core}")).collect();
    Some(Check::holds(NAME, "", each.join(", ")))
}

/// The cores that a thread of a process may run on, by its name.
fn allowed(process: u32, thread: &str) -> Option<String> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let named = |task: &PathBuf| {
        std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim_end() == thread)
    };
    let task = tasks.flatten().map(|task| task.path()).find(named)?;
    let status = std::fs::read_to_string(task.join("status")).ok()?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    Some(list.trim().to_owned())
}

/// The wall clock was not set since the region was made.
fn steps(region: &Region) -> Check {
    const NAME: &str = "clock";
    let then = region.info().wall_offset;
    let now = crate::clock::wall().saturating_sub(clock::now().0);
    let apart = Nanos(now.abs_diff(then));
    if apart <= STEP {
        return Check::holds(NAME, "", format!("moved by {apart} since the handler's start"));
    }
    let evidence = format!("was set by {apart} since the handler's start");
    let to_do = "who has set it, and is it right now? dates and milestones follow it";
    Check::not(Verdict::Warns, NAME, "", evidence, to_do)
}

/// Somebody vouches for the wall clock: dates, and what is due when, are told by it.
pub(super) fn wall_clock(config: &Config) -> Check {
    const NAME: &str = "clock";
    let bound = config.preopen.clock_error;
    let any = config.preopen.clock == WallClock::Any;
    match probe::wall_clock() {
        _ if any => Check::holds(NAME, "", "nobody need vouch for it, as configured"),
        Err(error) => {
            let evidence = format!("the kernel does not say how it is: {error}");
            Check::not(Verdict::Unknown, NAME, "", evidence, "chronyc tracking; timedatectl")
        }
        Ok(state) if !state.synchronized => {
            let evidence = "nobody vouches for it (not synchronized)";
            let to_do =
                "chronyc tracking; timedatectl; phc2sys; or clock = \"any\" under [preopen]";
            Check::not(Verdict::Fails, NAME, "", evidence, to_do)
        }
        Ok(state) => {
            let error = Nanos::from_micros(state.error_us);
            let evidence = format!("synchronized, within {error}");
            if error <= bound {
                return Check::holds(NAME, "", evidence);
            }
            let evidence = format!("{evidence}; {bound} is the bound");
            Check::not(Verdict::Fails, NAME, "", evidence, "chronyc tracking; timedatectl")
        }
    }
}

/// The interfaces are there and up.
fn links(config: &Config) -> Vec<Check> {
    const NAME: &str = "interface";
    let one = |finding: Finding| match finding.level {
        Level::Ok => Check::holds(NAME, finding.subject, finding.found),
        Level::Warn => {
            Check::not(Verdict::Warns, NAME, finding.subject, finding.found, finding.advice)
        }
        Level::Fail => {
            Check::not(Verdict::Fails, NAME, finding.subject, finding.found, finding.advice)
        }
    };
    doctor::links(config).into_iter().map(one).collect()
}

/// Room for what must be written during the day.
fn disk(config: &Config) -> Vec<Check> {
    const NAME: &str = "disk";
    // A store that nothing is fetched to is only read here: who puts maps there may be another host.
    let fetches = |maps: &&Maps| maps.venues.iter().any(|one| one.fetch.is_some());
    let store = config.maps.as_ref().filter(fetches).map(|maps| maps.store.as_path());
    let beside = config.handler.region.parent();
    let state = config.handler.state.as_deref().or(beside);
    let least = config.preopen.disk_mb;
    let one = |folder: &Path| {
        let about = folder.display().to_string();
        match rustix::fs::statvfs(folder) {
            Err(error) => {
                let evidence = format!("can't be looked at: {error}");
                Check::not(Verdict::Fails, NAME, about, evidence, "see to the folder")
            }
            Ok(there) => {
                let free = (there.f_bavail.saturating_mul(there.f_frsize)) >> 20;
                let evidence = format!("{free} MiB free, {least} wanted");
                if there.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
                    let evidence = "is mounted read-only";
                    return Check::not(Verdict::Fails, NAME, about, evidence, "mount it writable");
                }
                if free >= least {
                    return Check::holds(NAME, about, evidence);
                }
                Check::not(
                    Verdict::Fails,
                    NAME,
                    about,
                    evidence,
                    "make room; `disk_mb` under [preopen]",
                )
            }
        }
    };
    [state, store].into_iter().flatten().map(one).collect()
}

fn memory(config: &Config) -> Check {
    const NAME: &str = "memory";
    let least = config.preopen.memory_mb;
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let Some(available) = available(&text) else {
        let evidence = "/proc/meminfo does not say what is available";
        return Check::not(Verdict::Unknown, NAME, "", evidence, "mount /proc");
    };
    let evidence = format!("{available} MiB available, {least} wanted");
    if available >= least {
        return Check::holds(NAME, "", evidence);
    }
    Check::not(Verdict::Fails, NAME, "", evidence, "what has taken it? `memory_mb` under [preopen]")
}

/// MiB.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib >> 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_available() {
        assert_eq!(available("MemTotal: 9 kB\nMemAvailable:    2097152 kB\n"), Some(2048));
        assert_eq!(available("MemTotal: 9 kB\n"), None);
    }

    #[test]
    fn a_thread_is_found_by_its_name() {
        let (name, process) = ("preopen-test", std::process::id());
        let seen = std::thread::Builder::new().name(name.to_owned());
        let seen = seen.spawn(move || allowed(process, name)).unwrap().join().unwrap();
        assert!(seen.is_some_and(|list| !list.is_empty()));
        assert_eq!(allowed(process, "no-such-thread"), None);
    }
}

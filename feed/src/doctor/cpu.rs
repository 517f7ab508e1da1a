//! Cores, their speed, and the clock.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::{Finding, Level, read};
use crate::config::{Config, Idle};
use crate::exit::Failure;

/// The host's cores by number.
struct Cores {
    /// Those there are; none where that can't be read.
    online: Vec<u16>,
    /// Those this process can run on: a container or a service may be confined to a few.
    allowed: Vec<u16>,
    /// Those the scheduler leaves alone.
    isolated: Vec<u16>,
}

impl Cores {
    fn read() -> Cores {
        let list = |name: &str| {
            let path = format!("/sys/devices/system/cpu/{name}");
            read::text(path).and_then(|text| read::cpus(&text))
        };
        let allowed = confined_to();
        let online = list("online").or_else(|| allowed.clone()).unwrap_or_default();
        let allowed = allowed.unwrap_or_else(|| online.clone());
        Cores { online, allowed, isolated: list("isolated").unwrap_or_default() }
    }
}

/// The cores that a thread of this process can be pinned to: those of its cpuset. The mask it was started
/// with says less, since a thread may leave that. Asked of a thread that ends with the answer.
fn confined_to() -> Option<Vec<u16>> {
    let ask = || {
        let mut all = CpuSet::new();
        (0..CpuSet::MAX_CPU).for_each(|core| all.set(core));
        sched_setaffinity(None, &all).ok()?;
        let mine = sched_getaffinity(None).ok()?;
        let cores = (0..CpuSet::MAX_CPU).filter(|core| mine.is_set(*core));
        Some(cores.filter_map(|core| u16::try_from(core).ok()).collect())
    };
    std::thread::spawn(ask).join().ok()?
}

/// Whether every lane can be pinned to its core, for a handler that is about to start.
///
/// # Errors
/// Exit 78 with every lane whose core is not there, or is none that this process may run on.
pub(crate) fn refuse_cores(config: &Config) -> Result<(), Failure> {
    let cores = Cores::read();
    let mut refused = Vec::new();
    for (index, lane) in config.lanes.iter().enumerate() {
        let Some(core) = lane.core else { continue };
        let finding = core_of("", core, &cores);
        if finding.level == Level::Fail {
            let Finding { found, advice, .. } = finding;
            refused.push(format!("[[lane]] {index}, core = {core}: {found}; {advice}"));
        }
    }
    if refused.is_empty() { Ok(()) } else { Err(Failure::config(refused.join("\n"))) }
}

pub(super) fn examine(config: &Config, findings: &mut Vec<Finding>) {
    let cores = Cores::read();
    for (index, lane) in config.lanes.iter().enumerate() {
        let name = format!("lane {index}");
        match lane.core {
            None if lane.idle == Idle::Spin => findings.push(Finding::warn(
                "core",
                &name,
                "spins on whatever core the scheduler gives it",
                "give it a core of its own: core = N",
            )),
            None => findings.push(Finding::ok("core", &name, "none of its own; it blocks")),
            Some(core) => {
                findings.push(core_of(&name, core, &cores));
                findings.extend(governor(&name, core));
            }
        }
    }
    spinning(config, cores.allowed.len(), findings);
    findings.push(clock());
}

fn core_of(lane: &str, core: u16, cores: &Cores) -> Finding {
    let Cores { online, allowed, isolated } = cores;
    let (Some(first), Some(last)) = (online.first(), online.last()) else {
        return Finding::warn(
            "core",
            lane,
            format!("whether there is a core {core} can't be told"),
            "mount /sys and /proc",
        );
    };
    if usize::from(core) >= CpuSet::MAX_CPU {
        return Finding::fail(
            "core",
            lane,
            format!("core {core} is beyond those a lane can be pinned to"),
            format!("name one below {}", CpuSet::MAX_CPU),
        );
    }
    if !online.contains(&core) {
        return Finding::fail(
            "core",
            lane,
            format!("core {core} is not online; there are {first} to {last}"),
            "name a core that exists",
        );
    }
    if !allowed.contains(&core) {
        return Finding::fail(
            "core",
            lane,
            format!("this process may not run on core {core}"),
            "widen AllowedCPUs= or the cpuset it runs in",
        );
    }
    if !isolated.contains(&core) {
        return Finding::warn(
            "core",
            lane,
            format!("core {core} is shared with everything else the scheduler runs"),
            format!("isolate it: isolcpus={core} nohz_full={core} rcu_nocbs={core} at boot"),
        );
    }
    Finding::ok("core", lane, format!("core {core}, isolated"))
}

fn governor(lane: &str, core: u16) -> Option<Finding> {
    let path = format!("/sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor");
    let governor = read::text(path)?;
    Some(if governor == "performance" {
        Finding::ok("governor", lane, format!("core {core} runs at full speed"))
    } else {
        Finding::warn(
            "governor",
            lane,
            format!("core {core} changes its speed ({governor})"),
            format!("cpupower -c {core} frequency-set -g performance"),
        )
    })
}

fn spinning(config: &Config, cores: usize, findings: &mut Vec<Finding>) {
    let spinning = config.lanes.iter().filter(|lane| lane.idle == Idle::Spin).count();
    if cores > 0 && spinning >= cores {
        findings.push(Finding::warn(
            "cores",
            "",
            format!("{spinning} lanes spin on a host with {cores} cores for this process"),
            "leave one core at least for the handler's own thread and the kernel",
        ));
    }
}

fn clock() -> Finding {
    const PATH: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let check = "clock source";
    match read::text(PATH).as_deref() {
        // These are read without entering the kernel.
        Some(name @ ("tsc" | "kvm-clock" | "hyperv_clocksource_tsc_page" | "arch_sys_counter")) => {
            Finding::ok(check, "", name)
        }
        Some(name) => Finding::warn(
            check,
            "",
            format!("{name}: every reading of the clock is a system call"),
            "boot with tsc=reliable if the processor's counter is sound",
        ),
        None => Finding::warn(check, "", "can't be read", "look at /sys in the host itself"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn a_core_must_be_there_allowed_and_better_be_isolated() {
        let at = |core, allowed: &[u16], isolated: &[u16]| {
            let (allowed, isolated) = (allowed.to_vec(), isolated.to_vec());
            core_of("lane 0", core, &Cores { online: vec![0, 1, 2], allowed, isolated }).level
        };
        assert_eq!(at(u16::MAX, &[0, 1, 2], &[]), Level::Fail);
        assert_eq!(at(3, &[0, 1, 2], &[]), Level::Fail);
        assert_eq!(at(2, &[0, 1], &[]), Level::Fail);
        assert_eq!(at(2, &[0, 1, 2], &[]), Level::Warn);
        assert_eq!(at(2, &[0, 1, 2], &[2]), Level::Ok);
    }
}

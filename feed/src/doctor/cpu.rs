//! Cores, their speed, and the clock.

use super::{Finding, read};
use crate::config::{Config, Idle};

pub(super) fn examine(config: &Config, findings: &mut Vec<Finding>) {
    let list = |name: &str| {
        let path = format!("/sys/devices/system/cpu/{name}");
        read::text(path).and_then(|text| read::cpus(&text))
    };
    let online = list("online").unwrap_or_default();
    let isolated = list("isolated").unwrap_or_default();
    // What this process may run on: a container or a service may be confined to a few.
    let allowed = read::text("/proc/self/status")
        .and_then(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
            read::cpus(line)
        })
        .unwrap_or_else(|| online.clone());
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
                findings.push(core_of(&name, core, &online, &allowed, &isolated));
                findings.extend(governor(&name, core));
            }
        }
    }
    spinning(config, allowed.len(), findings);
    findings.push(clock());
}

fn core_of(lane: &str, core: u16, online: &[u16], allowed: &[u16], isolated: &[u16]) -> Finding {
    if !online.contains(&core) {
        let (first, last) = (online.first().unwrap_or(&0), online.last().unwrap_or(&0));
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
            core_of("lane 0", core, &[0, 1, 2], allowed, isolated).level
        };
        assert_eq!(at(3, &[0, 1, 2], &[]), Level::Fail);
        assert_eq!(at(2, &[0, 1], &[]), Level::Fail);
        assert_eq!(at(2, &[0, 1, 2], &[]), Level::Warn);
        assert_eq!(at(2, &[0, 1, 2], &[2]), Level::Ok);
    }
}

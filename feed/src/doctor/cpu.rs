//! Cores, their speed, and the clock.

use std::collections::BTreeMap;
use std::thread;

use rustix::io::Errno;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::{Finding, Level, read};
use crate::config::{Config, Idle};
use crate::exit::Failure;

/// The host's cores by number, and what becomes of a thread that is pinned to one.
struct Cores {
    /// Those there are; none where that can't be read.
    online: Vec<u16>,
    /// Those the scheduler leaves alone.
    isolated: Vec<u16>,
    /// Those this process was started on: where a thread runs that is not pinned. None where that
    /// can't be asked.
    inherited: Vec<u16>,
    /// What the kernel says of each core that a lane is to be pinned to; none where no thread could be
    /// had to ask it.
    tried: BTreeMap<u16, Result<(), Errno>>,
}

impl Cores {
    fn read(config: &Config) -> Cores {
        let list = |name: &str| {
            let path = format!("/sys/devices/system/cpu/{name}");
            read::text(path).and_then(|text| read::cpus(&text)).unwrap_or_default()
        };
        let inherited = sched_getaffinity(None).map_or_else(
            |_| Vec::new(),
            |mine| {
                (0u16..)
                    .zip(0..CpuSet::MAX_CPU)
                    .filter(|at| mine.is_set(at.1))
                    .map(|at| at.0)
                    .collect()
            },
        );
        Cores {
            online: list("online"),
            isolated: list("isolated"),
            inherited,
            tried: try_to_pin(config).unwrap_or_default(),
        }
    }
}

/// Pins a thread that ends with the answer to each core that a lane names, as a lane would be. The mask
/// this process was started with is no bound to that; its cpuset is.
fn try_to_pin(config: &Config) -> Option<BTreeMap<u16, Result<(), Errno>>> {
    let named = config.lanes.iter().filter_map(|lane| lane.core);
    let cores: Vec<u16> = named.filter(|core| usize::from(*core) < CpuSet::MAX_CPU).collect();
    let pin = |core: u16| {
        let mut one = CpuSet::new();
        one.set(usize::from(core));
        (core, sched_setaffinity(None, &one))
    };
    let ask = move || cores.into_iter().map(pin).collect();
    thread::Builder::new().spawn(ask).ok()?.join().ok()
}

/// Whether every lane can be pinned to its core, for a handler that is about to start.
///
/// # Errors
/// Exit 78 with every lane whose core is not there, or is none that this process may run on; 77 where
/// pinning itself is denied.
pub(crate) fn refuse_cores(config: &Config) -> Result<(), Failure> {
    let cores = Cores::read(config);
    let mut refused = Vec::new();
    let mut denied = false;
    for (index, lane) in config.lanes.iter().enumerate() {
        let Some(core) = lane.core else { continue };
        let finding = core_of("", core, &cores);
        if finding.level == Level::Fail {
            denied |= finding.privilege;
            let Finding { found, advice, .. } = finding;
            refused.push(format!("[[lane]] {index}, core = {core}: {found}; {advice}"));
        }
    }
    match refused.is_empty() {
        true => Ok(()),
        false if denied => Err(Failure::privilege(refused.join("\n"))),
        false => Err(Failure::config(refused.join("\n"))),
    }
}

pub(super) fn examine(config: &Config, findings: &mut Vec<Finding>) {
    let cores = Cores::read(config);
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
    findings.extend(spinning(config, &cores.inherited));
    findings.push(clock());
}

fn core_of(lane: &str, core: u16, cores: &Cores) -> Finding {
    let Cores { online, isolated, tried, .. } = cores;
    if usize::from(core) >= CpuSet::MAX_CPU {
        return Finding::fail(
            "core",
            lane,
            format!("core {core} is beyond those a lane can be pinned to"),
            format!("name one below {}", CpuSet::MAX_CPU),
        );
    }
    match tried.get(&core) {
        Some(Ok(())) => {}
        Some(Err(Errno::INVAL)) => return absent(lane, core, online),
        Some(Err(error)) => {
            return Finding::fail(
                "pinning",
                lane,
                format!("this process may not pin a thread to core {core}: {error}"),
                "allow sched_setaffinity in its seccomp filter (SystemCallFilter=) or security \
                 module, or take `core` out",
            )
            .of_privilege();
        }
        None => {
            return Finding::warn(
                "core",
                lane,
                format!("whether a lane can be pinned to core {core} can't be told"),
                "raise the limit on threads (TasksMax=, `ulimit -u`): none could be started to try",
            );
        }
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

/// What is wrong with a core that the kernel takes no thread of ours to.
fn absent(lane: &str, core: u16, online: &[u16]) -> Finding {
    match (online.first(), online.last()) {
        (Some(first), Some(last)) if !online.contains(&core) => Finding::fail(
            "core",
            lane,
            format!("core {core} is not online; there are {first} to {last}"),
            "name a core that exists",
        ),
        _ => Finding::fail(
            "core",
            lane,
            format!("this process may not run on core {core}"),
            "widen AllowedCPUs= or the cpuset it runs in",
        ),
    }
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

/// Lanes that spin take a core each: their own, or one of those this process was started on, where the
/// handler's own thread runs too.
fn spinning(config: &Config, inherited: &[u16]) -> Option<Finding> {
    let spin = || config.lanes.iter().filter(|lane| lane.idle == Idle::Spin);
    let own = spin().filter_map(|lane| lane.core).filter(|core| inherited.contains(core));
    let taken = spin().filter(|lane| lane.core.is_none()).count() + own.count();
    (taken > 0 && taken >= inherited.len() && !inherited.is_empty()).then(|| {
        let (lanes, cores) = (spin().count(), inherited.len());
        Finding::warn(
            "cores",
            "",
            format!("{lanes} lanes spin, and of the cores this process was started on ({cores}) none is left"),
            "leave one core at least for the handler's own thread and the kernel",
        )
    })
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

    fn finding(core: u16, tried: Result<(), Errno>, isolated: &[u16]) -> Finding {
        let (online, isolated) = (vec![0, 1, 2], isolated.to_vec());
        let tried = BTreeMap::from([(core, tried)]);
        core_of("lane 0", core, &Cores { online, isolated, inherited: vec![0], tried })
    }

    #[test]
    fn a_core_must_be_there_allowed_and_better_be_isolated() {
        let fails = |core, error, what: &str| {
            let finding = finding(core, error, &[]);
            let found = &finding.found;
            assert_eq!(finding.level, Level::Fail, "{found}");
            assert!(found.contains(what), "{found}");
            finding.privilege
        };
        // Beyond what can be asked, whatever the answer.
        assert!(!fails(u16::MAX, Ok(()), "beyond"));
        assert!(!fails(1_024, Ok(()), "beyond"));
        assert!(!fails(3, Err(Errno::INVAL), "not online; there are 0 to 2"));
        assert!(!fails(2, Err(Errno::INVAL), "may not run on core 2"));
        for denied in [Errno::PERM, Errno::ACCESS, Errno::NOSYS] {
            assert!(fails(2, Err(denied), "may not pin a thread to core 2"));
        }
        // Outside the mask it was started with is no matter.
        assert_eq!(finding(2, Ok(()), &[]).level, Level::Warn);
        assert_eq!(finding(2, Ok(()), &[2]).level, Level::Ok);
        let nothing = Cores {
            online: vec![0, 1],
            isolated: vec![1],
            inherited: vec![0],
            tried: BTreeMap::new(),
        };
        assert_eq!(core_of("lane 0", 1, &nothing).level, Level::Warn);
    }

    #[test]
    fn lanes_that_spin_leave_a_core_to_everything_else() {
        let warned = |lanes: &[&str], inherited: &[u16]| {
            let lanes: String = lanes.iter().map(|lane| format!("[[lane]]\n{lane}\n")).collect();
            let text = format!(
                "[handler]\nname = \"t\"\nregion = \"/dev/shm/t\"\n[source]\nkind = \"udp\"\n\
                 interface = \"eth1\"\n{lanes}[[venue]]\nname = \"V\"\nfeed = \"iex-deep\"\n\
                 [[venue.partition]]\nname = \"1\"\nlane = 0\n\
                 lines.A = {{ group = \"239.1.1.1\", port = 1 }}\n"
            );
            let config = crate::config::parse_text(std::path::Path::new("t.toml"), &text).unwrap();
            spinning(&config, inherited).is_some()
        };
        let (free, first, second) =
            ("idle = \"spin\"", "core = 0\nidle = \"spin\"", "core = 1\nidle = \"spin\"");
        assert!(!warned(&[free], &[0, 1]));
        assert!(warned(&[free, free], &[0, 1]));
        assert!(warned(&[first, second], &[0, 1]));
        assert!(warned(&[free, second], &[0, 1]));
        // Confined to core 0 by a mask: a lane on core 1 leaves it free, one that is not pinned doesn't.
        assert!(!warned(&[second], &[0]));
        assert!(warned(&[free], &[0]));
        assert!(warned(&[free, second], &[0]));
        assert!(!warned(&["core = 0\nidle = \"block\""], &[0]));
        assert!(!warned(&[free], &[]));
    }
}

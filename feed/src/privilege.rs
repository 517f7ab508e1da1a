//! Which privileges and limits a configuration needs, and which of them this process lacks, each by
//! its own name.

use candor_af_xdp::probe::{self, Capability, Host};
use rustix::process::{Resource, getrlimit};

use crate::config::{Config, SourceKind};
use crate::exit::Failure;

/// Bytes of each piece of packet memory: one for every lane and interface.
#[must_use]
pub fn packet_memory(config: &Config) -> Vec<u64> {
    let SourceKind::AfXdp(settings) = config.source.kind else { return Vec::new() };
    let frames = u64::from(settings.frames) * u64::from(settings.frame_size);
    let interfaces = config.interfaces().len();
    config
        .lanes
        .iter()
        .filter(|lane| !lane.queues.is_empty())
        .flat_map(|lane| std::iter::repeat_n(lane.queues.len() as u64 * frames, interfaces))
        .collect()
}

/// File descriptors a handler may need: a socket a line and a second descriptor of it, or a socket a
/// queue; and what every handler has (region, locks, log, commands, recovery).
#[must_use]
pub fn open_files(config: &Config) -> u64 {
    let lines = config.subscribed_lines().count() as u64;
    64 + 2 * lines + config.lanes.iter().map(|lane| lane.queues.len() as u64).sum::<u64>()
}

/// How many file descriptors this process may have.
#[must_use]
pub fn open_files_limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Refuses to go on where the file descriptors may run out: whatever comes to be refused for that
/// would blame something else.
///
/// # Errors
/// Naming the limit, and how much is needed.
pub fn require_open_files(config: &Config) -> Result<(), Failure> {
    let (needed, limit) = (open_files(config), open_files_limit());
    if limit >= needed {
        return Ok(());
    }
    Err(Failure::privilege(format!(
        "RLIMIT_NOFILE is {limit} open files, and up to {needed} are needed: LimitNOFILE={needed} in \
         the unit, or `ulimit -n {needed}`"
    )))
}

/// What is missing, with what to do about it. Names of capabilities begin with `CAP_`.
#[must_use]
pub fn missing(config: &Config, host: &Host) -> Vec<(String, String)> {
    if !matches!(config.source.kind, SourceKind::AfXdp(_)) {
        return Vec::new();
    }
    let mut missing: Vec<(String, String)> = [
        (Capability::NetRaw, "to open AF_XDP sockets"),
        (Capability::NetAdmin, "to attach the XDP program"),
        (Capability::Bpf, "to load the XDP program"),
    ]
    .into_iter()
    .filter(|(capability, _)| !host.has(*capability))
    .map(|(capability, what_for)| {
        let name = capability.name();
        let advice = format!(
            "needed {what_for}: AmbientCapabilities={name} in the unit, or `setcap {}+ep` on the \
             program",
            name.to_lowercase()
        );
        (name.to_owned(), advice)
    })
    .collect();
    let bytes: u64 = packet_memory(config).iter().sum();
    if !host.can_lock(bytes) {
        let limit = host.locked_memory.unwrap_or(u64::MAX);
        missing.push((
            format!("RLIMIT_MEMLOCK for {bytes} bytes of packet memory (it is {limit})"),
            format!(
                "LimitMEMLOCK={bytes} in the unit, `ulimit -l {}`, CAP_IPC_LOCK, or fewer frames",
                bytes.div_ceil(1024)
            ),
        ));
    }
    missing
}

/// Refuses to go on where anything is missing.
///
/// # Errors
/// Naming each capability and limit that is.
pub fn require(config: &Config) -> Result<(), Failure> {
    // Where /proc doesn't say, the kernel will, call by call.
    let Ok(host) = probe::host() else { return Ok(()) };
    let missing = missing(config, &host);
    if missing.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> =
        missing.into_iter().map(|(what, advice)| format!("{what} is missing: {advice}")).collect();
    Err(Failure::privilege(lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    const ALL: u64 = 1 << 12 | 1 << 13 | 1 << 14 | 1 << 39;

    fn config(kind: &str) -> Config {
        let text = format!(
            "[handler]\nname = \"t\"\nregion = \"/dev/shm/t\"\n[source]\n{kind}\n\
             interface = \"eth1\"\n[[lane]]\nqueues = [0, 1]\n[[venue]]\nname = \"V\"\n\
             feed = \"iex-deep\"\n[[venue.partition]]\nname = \"1\"\nlane = 0\n\
             lines.A = {{ group = \"239.1.1.1\", port = 1 }}\n"
        );
        crate::config::parse_text(std::path::Path::new("t.toml"), &text).unwrap()
    }

    fn host(capabilities: u64, locked_memory: Option<u64>) -> Host {
        Host { capabilities, locked_memory, huge_pages_free: 0, huge_page_bytes: 2 << 20 }
    }

    #[test]
    fn each_missing_privilege_is_named_and_no_other() {
        let bypass = config("kind = \"af_xdp\"\nmode = \"copy\"\nframes = 1024");
        let names = |host| -> Vec<String> {
            missing(&bypass, &host).into_iter().map(|(what, _)| what).collect()
        };
        assert_eq!(names(host(ALL, Some(0))), [""; 0]);
        assert_eq!(names(host(ALL & !(1 << 13), None)), ["CAP_NET_RAW"]);
        assert_eq!(names(host(ALL & !(1 << 12), None)), ["CAP_NET_ADMIN"]);
        assert_eq!(names(host(ALL & !(1 << 39), None)), ["CAP_BPF"]);
        assert_eq!(names(host(ALL & !(1 << 14), None)), [""; 0]);
        assert_eq!(
            names(host(ALL & !(1 << 14), Some(8 << 20))),
            [""; 0],
            "two queues of 1,024 frames of 4 KiB are 8 MiB"
        );
        assert_eq!(
            names(host(0, Some((8 << 20) - 1))),
            [
                "CAP_NET_RAW",
                "CAP_NET_ADMIN",
                "CAP_BPF",
                "RLIMIT_MEMLOCK for 8388608 bytes of packet memory (it is 8388607)"
            ]
        );
        assert_eq!(missing(&config("kind = \"udp\""), &host(0, Some(0))), []);
    }

    #[test]
    fn a_missing_privilege_has_its_own_exit_code() {
        assert_eq!(Failure::privilege("").exit, Exit::Privilege);
        assert_eq!(Exit::Privilege as u8, 77);
    }
}

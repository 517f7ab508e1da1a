//! Which privileges and limits a configuration needs, and which of them this process lacks, each by
//! its own name.

use candor_af_xdp::probe::{self, Capability, Host};
use candor_core::limits::LINES;
use rustix::process::{Resource, getrlimit};

use crate::config::{Config, Partition, SourceKind};
use crate::exit::Failure;

/// File descriptors that every handler has, and room for those that are open for a moment.
const HANDLER_FILES: u64 = 64;

/// File descriptors of one interface's program: itself, its maps twice, its attachment.
const PROGRAM_FILES: u64 = 16;

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

/// Sockets for the services of a partition that a map adds.
const SPARE_SERVICES: u64 = 4;

/// File descriptors a handler may need: for every line, also one that is subscribed later, a socket
/// and, where it receives by that, a second descriptor of it; with kernel bypass besides a socket for
/// every queue of every interface, and each interface's program; a socket or connection for every
/// service; and what every handler has (region, locks, log, commands).
#[must_use]
pub fn open_files(config: &Config) -> u64 {
    let spare = config.partitions.iter().filter(|one| one.is_spare()).count() as u64;
    let own = config.partitions.iter().flat_map(Partition::lines).count() as u64;
    // Lines that a map adds, or puts elsewhere, have sockets of their own.
    let lines = if config.mapped.is_empty() { own } else { 2 * (own + spare * LINES as u64) };
    // Datagrams have a socket for each address; a connection is to one address at a time.
    let services = |partition: &Partition| {
        let services = &partition.services;
        let connections =
            [&services.retransmit_tcp, &services.snapshot].map(|list| list.len().min(1));
        services.retransmit_udp.len() + connections.iter().sum::<usize>()
    };
    // A place kept for a partition may come to have one of each.
    let services =
        config.partitions.iter().map(services).sum::<usize>() as u64 + spare * SPARE_SERVICES;
    let receive = match config.source.kind {
        SourceKind::Udp { .. } => 2 * lines,
        SourceKind::AfXdp(_) => {
            let queues = config.lanes.iter().map(|lane| lane.queues.len() as u64).sum::<u64>();
            lines + config.interfaces().len() as u64 * (queues + PROGRAM_FILES)
        }
    };
    HANDLER_FILES + receive + services
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

    /// Two lanes of three queues in all, four lines on two interfaces, one of them subscribed later.
    fn wide(kind: &str) -> Config {
        let text = format!(
            "[handler]\nname = \"t\"\nregion = \"/dev/shm/t\"\n[source]\n{kind}\n\
             interface = \"eth1\"\n[[lane]]\nqueues = [0, 1]\n[[lane]]\nqueues = [2]\n\
             [[venue]]\nname = \"V\"\nfeed = \"iex-deep\"\n\
             [[venue.partition]]\nname = \"1\"\nlane = 0\n\
             lines.A = {{ group = \"239.1.1.1\", port = 1 }}\n\
             lines.B = {{ group = \"239.1.1.2\", port = 1, interface = \"eth2\" }}\n\
             [[venue.partition]]\nname = \"2\"\nlane = 1\nsubscribe = false\n\
             lines.A = {{ group = \"239.1.1.3\", port = 1 }}\n\
             lines.B = {{ group = \"239.1.1.4\", port = 1, interface = \"eth2\" }}\n"
        );
        crate::config::parse_text(std::path::Path::new("t.toml"), &text).unwrap()
    }

    #[test]
    fn open_files_are_of_every_queue_of_every_interface_and_of_every_line() {
        let bypass = wide("kind = \"af_xdp\"\nmode = \"copy\"\nframes = 1024");
        assert_eq!(bypass.interfaces(), ["eth1", "eth2"]);
        // As many as there are pieces of packet memory, each for so many queues.
        let (queues, interfaces) = (3, 2);
        let one = 1024 * 4096;
        assert_eq!(packet_memory(&bypass).iter().sum::<u64>(), queues * interfaces * one);
        let programs = interfaces * PROGRAM_FILES;
        assert_eq!(open_files(&bypass), HANDLER_FILES + queues * interfaces + programs + 4);
        let sockets = wide("kind = \"udp\"");
        assert_eq!(
            open_files(&sockets),
            HANDLER_FILES + 2 * 4,
            "one subscribed later has its socket"
        );
    }

    #[test]
    fn open_files_are_of_every_service() {
        let mut config = wide("kind = \"udp\"");
        let address = |port| std::net::SocketAddrV4::new([192, 0, 2, 1].into(), port);
        let before = open_files(&config);
        let services = &mut config.partitions[1].services;
        services.retransmit_udp = vec![address(1), address(2)];
        assert_eq!(open_files(&config), before + 2);
        let services = &mut config.partitions[1].services;
        services.retransmit_tcp = vec![address(3), address(4)];
        services.snapshot = vec![address(5)];
        assert_eq!(
            open_files(&config),
            before + 4,
            "of two addresses one is connected to at a time"
        );
    }

    /// What the kernel has given this process for programs: the program, its maps, its types.
    fn program_files() -> u64 {
        let list = std::fs::read_dir("/proc/self/fd").unwrap();
        let of =
            |entry: std::io::Result<std::fs::DirEntry>| std::fs::read_link(entry.ok()?.path()).ok();
        let is_one = |link: &std::path::PathBuf| {
            ["anon_inode:bpf", "anon_inode:btf"]
                .iter()
                .any(|start| link.to_str().is_some_and(|link| link.starts_with(start)))
        };
        list.filter_map(of).filter(is_one).count() as u64
    }

    #[test]
    fn a_program_takes_no_more_files_than_are_counted_for_it() {
        let options = candor_ebpf::LoadOptions { sockets: 4, endpoints: 4 };
        let before = program_files();
        let Ok(program) = candor_ebpf::Program::load(options) else {
            println!("skipped: a_program_takes_no_more_files: no program can be loaded here");
            return;
        };
        let taken = program_files() - before;
        drop(program);
        assert!(taken >= 6, "the program and five maps: {taken}");
        // And its attachment.
        assert!(taken < PROGRAM_FILES, "{taken}");
    }

    #[test]
    fn a_missing_privilege_has_its_own_exit_code() {
        assert_eq!(Failure::privilege("").exit, Exit::Privilege);
        assert_eq!(Exit::Privilege as u8, 77);
    }
}

//! The process's privileges and limits, and the host's huge pages.

use std::fs;
use std::io;
use std::mem::MaybeUninit;

/// A privilege AF_XDP needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Capability {
    /// `CAP_NET_ADMIN`: loading and attaching the program.
    NetAdmin = 12,
    /// `CAP_NET_RAW`: opening sockets.
    NetRaw = 13,
    /// `CAP_IPC_LOCK`: packet memory beyond `RLIMIT_MEMLOCK`.
    IpcLock = 14,
    /// `CAP_BPF`: loading the program.
    Bpf = 39,
}

impl Capability {
    /// All that are looked at.
    pub const ALL: [Capability; 4] =
        [Capability::NetAdmin, Capability::NetRaw, Capability::IpcLock, Capability::Bpf];

    /// The name as the manual has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Capability::NetAdmin => "CAP_NET_ADMIN",
            Capability::NetRaw => "CAP_NET_RAW",
            Capability::IpcLock => "CAP_IPC_LOCK",
            Capability::Bpf => "CAP_BPF",
        }
    }
}

/// `CAP_SYS_ADMIN`, which stands in for `CAP_BPF`.
const SYS_ADMIN: u8 = 21;

/// What the host lets this process do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Host {
    /// Effective capabilities, by bit.
    pub capabilities: u64,
    /// `RLIMIT_MEMLOCK` in bytes; `None` is unlimited.
    pub locked_memory: Option<u64>,
    /// Huge pages of the default size that are free.
    pub huge_pages_free: u64,
    /// Bytes of a huge page of the default size. Packet memory needs the default to be 2 MiB.
    pub huge_page_bytes: u64,
}

impl Host {
    /// Whether the process has this privilege.
    #[must_use]
    pub const fn has(&self, capability: Capability) -> bool {
        let bit = 1 << capability as u8;
        let stand_in = if matches!(capability, Capability::Bpf) { 1 << SYS_ADMIN } else { 0 };
        self.capabilities & (bit | stand_in) != 0
    }

    /// Whether so much packet memory can be locked.
    #[must_use]
    pub fn can_lock(&self, bytes: u64) -> bool {
        self.has(Capability::IpcLock) || self.locked_memory.is_none_or(|limit| bytes <= limit)
    }
}

/// Looks at the calling process and its host.
///
/// # Errors
/// When `/proc` can't be read or isn't as expected.
pub fn host() -> io::Result<Host> {
    let status = fs::read_to_string("/proc/self/status")?;
    let memory = fs::read_to_string("/proc/meminfo")?;
    let capabilities = field(&status, "CapEff:")
        .and_then(|hex| u64::from_str_radix(hex, 16).ok())
        .ok_or_else(|| io::Error::other("/proc/self/status has no CapEff"))?;
    let number = |name| field(&memory, name).and_then(|text| text.parse::<u64>().ok());
    Ok(Host {
        capabilities,
        locked_memory: locked_memory()?,
        // A kernel without huge pages has no such lines.
        huge_pages_free: number("HugePages_Free:").unwrap_or(0),
        huge_page_bytes: number("Hugepagesize:").unwrap_or(0) << 10,
    })
}

/// The first word behind `name` at the start of a line.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()
}

fn locked_memory() -> io::Result<Option<u64>> {
    let mut limit = MaybeUninit::<libc::rlimit>::zeroed();
    // SAFETY: the kernel writes one whole `rlimit`.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, limit.as_mut_ptr()) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: two integers, zeroed and then written.
    let limit = unsafe { limit.assume_init() };
    Ok((limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_at_line_starts_only() {
        let text = "Name: CapEff:\nCapEff:\t000001ffffffffff\nHugePages_Free:      7\n";
        assert_eq!(field(text, "CapEff:"), Some("000001ffffffffff"));
        assert_eq!(field(text, "HugePages_Free:"), Some("7"));
        assert_eq!(field(text, "CapBnd:"), None);
    }

    #[test]
    fn this_host_can_be_looked_at() {
        let host = host().unwrap();
        assert!(host.can_lock(0));
        let bare = Host { capabilities: 0, locked_memory: Some(8 << 20), ..host };
        assert!(bare.can_lock(8 << 20));
        assert!(!bare.can_lock((8 << 20) + 1));
        assert!(!bare.has(Capability::Bpf));
        assert!(Host { capabilities: 1 << SYS_ADMIN, ..bare }.has(Capability::Bpf));
    }
}

//! The clock a lease is judged by: `CLOCK_BOOTTIME`, which every process of the host shares and
//! which the kernel lets a process read without entering it. Unlike `CLOCK_MONOTONIC` it goes on while the
//! host is suspended, so that no lease outlives the sleep of the handler that gave it.

use std::io;
use std::path::Path;

use candor_core::Mono;
use rustix::time::{ClockId, Timespec, clock_gettime};

fn nanos(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let rest = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

/// Now, in nanoseconds since the host's boot, those in which it was suspended among them.
#[must_use]
#[inline]
pub fn now() -> Mono {
    Mono(nanos(clock_gettime(ClockId::Boottime)))
}

/// How far the wall clock (Unix epoch, UTC) is ahead of [`now`], in nanoseconds. For
/// display only: the wall clock may be stepped.
#[must_use]
pub(crate) fn wall_offset() -> u64 {
    nanos(clock_gettime(ClockId::Realtime)).saturating_sub(now().0)
}

/// The host's name for the time since it was started.
pub(crate) const BOOT_FILE: &str = "/proc/sys/kernel/random/boot_id";
/// How far this process's clocks are from the host's.
pub(crate) const OFFSETS_FILE: &str = "/proc/self/timens_offsets";
/// A file that every process has where it may see itself, whatever the kernel's age.
const SELF_FILE: &str = "/proc/self/stat";

/// From where this process's clock counts. Two processes whose starts are not equal must
/// not compare times.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Start {
    /// The boot, by its id in the order of its bytes: the clock begins anew with each. Containers of
    /// one host have it in common.
    pub(crate) boot: [u64; 2],
    /// This clock minus the host's in nanoseconds: another in a time namespace.
    pub(crate) offset: i64,
}

/// From where the clock counts, by the kernel's word.
///
/// # Errors
/// With the file that can't be read, or says something else than it should.
pub(crate) fn start() -> Result<Start, (&'static str, io::Error)> {
    let strange = || io::Error::other("says something else than expected");
    let boot = std::fs::read_to_string(BOOT_FILE).map_err(|error| (BOOT_FILE, error))?;
    let boot = boot_of(&boot).ok_or_else(|| (BOOT_FILE, strange()))?;
    let offset = match offset(Path::new(OFFSETS_FILE), Path::new(SELF_FILE)) {
        Ok(text) => text.map_or(Some(0), |text| offset_of(&text)),
        Err(error) => return Err((OFFSETS_FILE, error)),
    };
    Ok(Start { boot, offset: offset.ok_or_else(|| (OFFSETS_FILE, strange()))? })
}

/// What the first file says; `None` where the kernel has no time namespaces, so that there is one
/// clock: the file isn't there and the second is. Where neither is, nothing of this process can be seen.
fn offset(offsets: &Path, own: &Path) -> io::Result<Option<String>> {
    match std::fs::read_to_string(offsets) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && own.try_exists()? => Ok(None),
        text => text.map(Some),
    }
}

/// The 16 bytes of `e6a46fb7-4a2a-4535-8fe1-70624521b8d9`. None of all zeros: that is no boot.
fn boot_of(text: &str) -> Option<[u64; 2]> {
    let digits: String = text.trim().chars().filter(|digit| *digit != '-').collect();
    if digits.len() != 32 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let bytes = u128::from_str_radix(&digits, 16).ok()?.to_be_bytes();
    let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| bytes[at * 8 + byte]));
    let boot = [word(0), word(1)];
    (boot != [0, 0]).then_some(boot)
}

/// The line `boottime SECONDS NANOSECONDS`, of which the latter count up also where the former are
/// negative.
fn offset_of(text: &str) -> Option<i64> {
    let line = text.lines().find_map(|line| line.strip_prefix("boottime "))?;
    let mut numbers = line.split_whitespace().map(str::parse::<i64>);
    let (seconds, nanos) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_understood_or_refused() {
        let boot = boot_of("e6a46fb7-4a2a-4535-8fe1-70624521b8d9\n").unwrap();
        let bytes: Vec<u8> = boot.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(bytes[..4], [0xe6, 0xa4, 0x6f, 0xb7]);
        assert_eq!(bytes[12..], [0x45, 0x21, 0xb8, 0xd9]);
        for broken in ["", "\n", "+6a46fb7-4a2a-4535-8fe1-70624521b8d9", "e6a46fb7", "ä"] {
            assert_eq!(boot_of(broken), None, "{broken:?}");
        }
        assert_eq!(boot_of("00000000-0000-0000-0000-000000000000"), None);
        let offsets = |line: &str| offset_of(&format!("monotonic           7         7\n{line}\n"));
        assert_eq!(offsets("boottime            0         0"), Some(0));
        assert_eq!(offsets("boottime         1000         5"), Some(1_000_000_000_005));
        assert_eq!(offsets("boottime           -1 999999999"), Some(-1));
        for broken in ["", "boottime", "boottime x 0", "boottime 9223372036854775807 0"] {
            assert_eq!(offsets(broken), None, "{broken:?}");
        }
        assert_ne!(start().unwrap().boot, [0, 0]);
    }

    #[test]
    fn only_a_kernel_without_time_namespaces_has_no_offset() {
        let (here, nowhere) = (Path::new(SELF_FILE), Path::new("/proc/self/no-such-file"));
        assert!(offset(Path::new(OFFSETS_FILE), here).is_ok());
        assert!(offset(nowhere, here).unwrap().is_none());
        // No /proc, or one in which this process is not to be seen.
        assert_eq!(offset(nowhere, nowhere).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}

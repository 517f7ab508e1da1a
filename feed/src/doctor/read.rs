//! Small files of `/proc` and `/sys`.

use std::path::Path;

/// The file's text without its last line break; `None` where it can't be read.
pub(super) fn text(path: impl AsRef<Path>) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim_end().to_owned())
}

/// The file's whole number.
pub(super) fn number(path: impl AsRef<Path>) -> Option<u64> {
    text(path)?.split_whitespace().next()?.parse().ok()
}

/// A list of CPUs as the kernel writes one: `0-3,8`. Empty text is no CPU.
pub(super) fn cpus(list: &str) -> Option<Vec<u16>> {
    let mut cpus = Vec::new();
    for part in list.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
        cpus.extend(first..=last);
    }
    Some(cpus)
}

/// Major and minor of a kernel release: `6.18.44-x` is `(6, 18)`.
pub(super) fn release(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus() {
        assert_eq!(cpus(""), Some(vec![]));
        assert_eq!(cpus("3"), Some(vec![3]));
        assert_eq!(cpus("0-2,8,10-11\n"), Some(vec![0, 1, 2, 8, 10, 11]));
        assert_eq!(cpus("x"), None);
    }

    #[test]
    fn kernel_releases() {
        assert_eq!(release("6.18.44-fc-v769"), Some((6, 18)));
        assert_eq!(release("7.3-rc1"), Some((7, 3)));
        assert_eq!(release("odd"), None);
    }
}

//! Who somebody is, by the host's own word: its list of users, and the kernel.
#![allow(unsafe_code, reason = "getpwnam_r and getpwuid_r; rustix has no list of users")]

use std::ffi::{CStr, CString, c_char, c_int};
use std::fmt;
use std::mem::MaybeUninit;

use rustix::process::getuid;

/// Bytes for one entry of the list: the fields of a user are some hundred.
const ENTRY_BYTES: usize = 16 << 10;

/// A user of this host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// Its number.
    pub uid: u32,
    /// Its name; the number where the host has no name for it.
    pub name: String,
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

type Entry = MaybeUninit<libc::passwd>;

/// What one of the two calls found: its number and its name.
fn entry(
    ask: impl FnOnce(*mut libc::passwd, *mut c_char, usize, *mut *mut libc::passwd) -> c_int,
) -> Option<User> {
    let mut found = Entry::uninit();
    let mut buffer = vec![0 as c_char; ENTRY_BYTES];
    let mut result = std::ptr::null_mut();
    let refused = ask(found.as_mut_ptr(), buffer.as_mut_ptr(), buffer.len(), &raw mut result);
    if refused != 0 || result.is_null() {
        return None;
    }
    // SAFETY: the call has succeeded with a result that is not null, so it has written the entry.
    let found = unsafe { found.assume_init() };
    // SAFETY: the entry's name is a string that ends with a zero within `buffer`, which lives until the
    // end of this function and is not written any more.
    let name = unsafe { CStr::from_ptr(found.pw_name) };
    Some(User { uid: found.pw_uid, name: name.to_str().ok()?.to_owned() })
}

/// The user of this name; `None` where the host has none, or can't say.
#[must_use]
pub fn named(name: &str) -> Option<User> {
    let name = CString::new(name).ok()?;
    entry(|found, buffer, len, result| {
        // SAFETY: the name ends with a zero; `found` and `result` are places for what is written to
        // them, `buffer` has `len` bytes; all of them outlive the call.
        unsafe { libc::getpwnam_r(name.as_ptr(), found, buffer, len, result) }
    })
}

/// The user of this number.
#[must_use]
pub fn numbered(uid: u32) -> User {
    let found = entry(|found, buffer, len, result| {
        // SAFETY: as above.
        unsafe { libc::getpwuid_r(uid, found, buffer, len, result) }
    });
    found.unwrap_or_else(|| User { uid, name: uid.to_string() })
}

/// Who runs this process: the one who has logged in, where the kernel knows (`loginuid`, which `sudo`
/// does not change), else its real user.
#[must_use]
pub fn runs() -> User {
    let login = std::fs::read_to_string("/proc/self/loginuid").ok();
    // All ones: nobody has logged in, as of a service.
    let login = login.and_then(|text| text.trim().parse().ok()).filter(|uid| *uid != u32::MAX);
    numbered(login.unwrap_or_else(|| getuid().as_raw()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_and_by_number() {
        assert_eq!(named("root"), Some(User { uid: 0, name: "root".to_owned() }));
        assert_eq!(numbered(0).name, "root");
        assert_eq!(named("nobody-is-called-that"), None);
        assert_eq!(named("ro\0ot"), None);
        assert_eq!(numbered(3_999_999_999).name, "3999999999");
        assert!(!runs().name.is_empty());
    }
}

//! Who is at the other end of a Unix socket, by the kernel's word.
#![allow(
    unsafe_code,
    reason = "SO_PEERCRED; safe bindings have no word for a peer without a number"
)]

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

/// A process at the other end, as it was when it connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Peer {
    /// Its process; 0 for one of a namespace outside ours.
    pub(crate) pid: i32,
    /// Its user.
    pub(crate) uid: u32,
}

/// Asks the kernel.
pub(super) fn of(socket: BorrowedFd<'_>) -> Result<Peer, Errno> {
    let mut credentials = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let size = size_of::<libc::ucred>();
    let mut len = libc::socklen_t::try_from(size).map_err(|_| Errno::INVAL)?;
    // SAFETY: the kernel writes at most `len` bytes to `credentials`, which has that many, is
    // borrowed exclusively and holds integers, for which any bytes are valid; it writes how many
    // these were to `len`, and keeps neither pointer behind the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &raw mut len,
        )
    };
    if result != 0 {
        let error = std::io::Error::last_os_error();
        return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO));
    }
    Ok(Peer { pid: credentials.pid, uid: credentials.uid })
}

//! Many datagrams in one system call: `recvmmsg(2)` with the kernel's receive time as ancillary
//! data, and beside it the kernel's count of drops. The one file of this crate with unsafe code.
#![expect(unsafe_code, reason = "rustix has neither recvmmsg nor these socket options")]

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

/// Longest datagram taken. Jumbo frames carry 8,972 bytes; exchanges never fragment. A longer one
/// is refused and counted, never cut.
pub(super) const DATAGRAM_BYTES: usize = 9_216;

/// Room for a time stamp, and to spare.
const CONTROL_BYTES: usize = 64;

/// From `asm-generic/socket.h`, which every architecture this runs on takes it from; libc has not
/// got it.
const SO_MEMINFO: i32 = 55;

/// Aligned as the kernel wants ancillary data.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

/// Buffers for one batch, allocated once.
pub(super) struct Batch {
    payloads: Box<[u8]>,
    controls: Box<[Control]>,
    vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
}

// SAFETY: the raw pointers inside `vectors` and `headers` are written anew by every `receive`, from
// the exclusive borrow it holds, before anything looks at them; between calls nothing reads them.
unsafe impl Send for Batch {}

/// One datagram of a batch.
pub(super) struct Datagram<'a> {
    /// Its payload; `None` when it was longer than [`DATAGRAM_BYTES`].
    pub(super) payload: Option<&'a [u8]>,
    /// When the kernel received it, by the wall clock in nanoseconds since the Unix epoch.
    pub(super) stamp: Option<u64>,
}

impl Batch {
    /// Buffers for this many datagrams a call.
    pub(super) fn new(datagrams: usize) -> Batch {
        let vector = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        // SAFETY: all-zero bytes are a valid mmsghdr: integers, and pointers that may be null.
        let header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        Batch {
            payloads: vec![0; datagrams * DATAGRAM_BYTES].into_boxed_slice(),
            controls: vec![Control([0; CONTROL_BYTES]); datagrams].into_boxed_slice(),
            vectors: vec![vector; datagrams].into_boxed_slice(),
            headers: vec![header; datagrams].into_boxed_slice(),
        }
    }

    /// Datagrams of a batch.
    pub(super) fn room(&self) -> usize {
        self.headers.len()
    }

    /// Takes what is there, at most one batch, and never waits. Zero when nothing is there.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>) -> Result<usize, Errno> {
        let slots = self.payloads.chunks_exact_mut(DATAGRAM_BYTES).zip(self.controls.iter_mut());
        let heads = self.vectors.iter_mut().zip(self.headers.iter_mut());
        for ((payload, control), (vector, header)) in slots.zip(heads) {
            vector.iov_base = payload.as_mut_ptr().cast();
            vector.iov_len = payload.len();
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = CONTROL_BYTES;
            header.msg_hdr.msg_flags = 0;
        }
        let count = u32::try_from(self.headers.len()).unwrap_or(u32::MAX);
        // SAFETY: every header points to one vector and one control buffer of its own, each with
        // its true length, all of which live in `self` and are borrowed exclusively for the call.
        // The kernel writes within those lengths and keeps no pointer behind the call.
        let got = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                count,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        match usize::try_from(got) {
            Ok(got) => Ok(got),
            Err(_) => match last_error() {
                Errno::AGAIN | Errno::INTR => Ok(0),
                errno => Err(errno),
            },
        }
    }

    /// The datagram at this place of the last batch; `None` past its end.
    pub(super) fn get(&self, index: usize) -> Option<Datagram<'_>> {
        let header = self.headers.get(index)?;
        let at = index * DATAGRAM_BYTES;
        let len = usize::try_from(header.msg_len).ok()?;
        let cut = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        let payload = self.payloads.get(at..at + len).filter(|_| !cut);
        let control_len = header.msg_hdr.msg_controllen.min(CONTROL_BYTES);
        let stamp = ancillary(&self.controls.get(index)?.0[..control_len]);
        Some(Datagram { payload, stamp })
    }
}

/// Looks for the receive time in ancillary data as `cmsg(3)` lays it out: a length, a level, a
/// type, then the data, each entry aligned to the word.
fn ancillary(mut bytes: &[u8]) -> Option<u64> {
    const WORD: usize = size_of::<usize>();
    const HEADER: usize = WORD + 8;
    // BOUND: every turn takes at least a header off the bytes.
    while let Some((len, rest)) = bytes.split_first_chunk::<WORD>() {
        let len = usize::from_ne_bytes(*len);
        let Some((kind, _)) = rest.split_first_chunk::<8>() else { break };
        let Some(data) = bytes.get(HEADER..len) else { break };
        let [l0, l1, l2, l3, k0, k1, k2, k3] = *kind;
        let level = i32::from_ne_bytes([l0, l1, l2, l3]);
        let kind = i32::from_ne_bytes([k0, k1, k2, k3]);
        if level == libc::SOL_SOCKET && kind == libc::SCM_TIMESTAMPNS {
            return time(data);
        }
        bytes = bytes.get(len.next_multiple_of(WORD)..).unwrap_or(&[]);
    }
    None
}

/// A `timespec` as nanoseconds.
fn time(data: &[u8]) -> Option<u64> {
    const HALF: usize = size_of::<libc::time_t>();
    let (seconds, rest) = data.split_first_chunk::<HALF>()?;
    let nanos = rest.first_chunk::<{ size_of::<libc::c_long>() }>()?;
    let seconds = u64::try_from(libc::time_t::from_ne_bytes(*seconds)).ok()?;
    let nanos = u64::try_from(libc::c_long::from_ne_bytes(*nanos)).ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

/// Asks the kernel for a receive time with every datagram, and for datagrams of this socket's own
/// memberships only.
pub(super) fn ask(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    set(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &1i32.to_ne_bytes())?;
    // Otherwise a bound socket also gets what other processes of this host have joined.
    set(socket, libc::IPPROTO_IP, libc::IP_MULTICAST_ALL, &0i32.to_ne_bytes())
}

/// How many datagrams the kernel has dropped on this socket since it was made, modulo 2³²: for want
/// of room in its receive buffer, of memory, or for a checksum that doesn't hold.
///
/// Unlike `SO_RXQ_OVFL`, which tells the same number with the next datagram that gets through, this
/// can be asked when nothing comes any more.
pub(super) fn drops(socket: BorrowedFd<'_>) -> Result<u32, Errno> {
    /// Nine numbers since Linux 4.12, when the option came. A kernel with more fills what it is
    /// given.
    const NUMBERS: usize = libc::SK_MEMINFO_DROPS as usize + 1;
    let mut numbers = [0u32; NUMBERS];
    let mut len = libc::socklen_t::try_from(size_of_val(&numbers)).map_err(|_| Errno::INVAL)?;
    // SAFETY: the kernel writes at most `len` bytes to the start of `numbers`, which has that many,
    // is borrowed exclusively and holds integers, for which any bytes are valid; it writes how many
    // these were to `len`, and keeps neither pointer behind the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_MEMINFO,
            numbers.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    if result != 0 {
        return Err(last_error());
    }
    match usize::try_from(len) {
        Ok(len) if len == size_of_val(&numbers) => Ok(numbers[NUMBERS - 1]),
        _ => Err(Errno::OPNOTSUPP),
    }
}

/// Joins or leaves a group on an interface, from any sender or from one.
pub(crate) fn member(
    socket: BorrowedFd<'_>,
    join: bool,
    ifindex: u32,
    group: std::net::Ipv4Addr,
    source: Option<std::net::Ipv4Addr>,
) -> Result<(), Errno> {
    // struct group_req and group_source_req: the index, padding to the alignment of
    // sockaddr_storage (8), then one or two of those (128 bytes each), big enough for any family.
    let mut request = [0u8; 8 + 2 * 128];
    let address = |request: &mut [u8], at: usize, address: std::net::Ipv4Addr| {
        request[at..at + 2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        request[at + 4..at + 8].copy_from_slice(&address.octets());
    };
    request[..4].copy_from_slice(&ifindex.to_ne_bytes());
    address(&mut request, 8, group);
    let (option, len) = match source {
        None if join => (libc::MCAST_JOIN_GROUP, 8 + 128),
        None => (libc::MCAST_LEAVE_GROUP, 8 + 128),
        Some(source) => {
            address(&mut request, 8 + 128, source);
            let option =
                if join { libc::MCAST_JOIN_SOURCE_GROUP } else { libc::MCAST_LEAVE_SOURCE_GROUP };
            (option, 8 + 2 * 128)
        }
    };
    set(socket, libc::IPPROTO_IP, option, &request[..len])
}

fn set(socket: BorrowedFd<'_>, level: i32, option: i32, value: &[u8]) -> Result<(), Errno> {
    let len = libc::socklen_t::try_from(value.len()).map_err(|_| Errno::INVAL)?;
    // SAFETY: the kernel reads `len` bytes from the start of `value`, which has that many.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, value.as_ptr().cast(), len) };
    if result == 0 {
        return Ok(());
    }
    Err(last_error())
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
        let mut bytes = (size_of::<usize>() + 8 + data.len()).to_ne_bytes().to_vec();
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(size_of::<usize>()), 0);
        bytes
    }

    #[test]
    fn ancillary_data_is_found_in_any_order_and_beside_others() {
        let mut seconds = 7i64.to_ne_bytes().to_vec();
        seconds.extend(9i64.to_ne_bytes());
        let stamp = entry(libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS, &seconds);
        let drops = entry(libc::SOL_SOCKET, libc::SO_RXQ_OVFL, &3u32.to_ne_bytes());
        let other = entry(libc::IPPROTO_IP, libc::IP_TTL, &[1, 2, 3, 4]);
        for order in [[&stamp, &drops, &other], [&other, &drops, &stamp], [&drops, &other, &stamp]]
        {
            let bytes: Vec<u8> = order.into_iter().flatten().copied().collect();
            assert_eq!(ancillary(&bytes), Some(7_000_000_009));
        }
        assert_eq!(ancillary(&[]), None);
    }

    #[test]
    fn broken_ancillary_data_ends_the_walk() {
        let whole = entry(libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS, &[0; 16]);
        assert_eq!(ancillary(&whole), Some(0));
        for cut in 0..whole.len() {
            assert_eq!(ancillary(&whole[..cut]), None);
        }
        // A length of zero, or past the end, must neither loop nor read.
        assert_eq!(ancillary(&[0; 64]), None);
        assert_eq!(ancillary(&[0xff; 64]), None);
    }
}

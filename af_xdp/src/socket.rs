//! The system calls of an AF_XDP socket.

use std::ffi::c_void;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use crate::memory::{Mapping, Umem};
use crate::options::BusyPoll;
use crate::ring::{Consumer, Entry, Offsets, Producer};

/// What the kernel counts of one socket (`XDP_STATISTICS`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Statistics {
    /// Frames dropped on receiving. In copy mode these are all that were lost: frames the fill ring
    /// had nothing for, and packets of several frames without multi-buffer.
    pub receive_dropped: u64,
    /// Addresses on the fill ring outside packet memory.
    pub receive_invalid: u64,
    /// Frames dropped because the receive ring was full. It can't be; see the crate's
    /// documentation.
    pub receive_ring_full: u64,
    /// Times the fill ring was empty: the lane is slower than the wire by all its frames. In copy
    /// mode each is a frame in `receive_dropped` too; with zero-copy the card then drops, and
    /// counts in its own statistics.
    pub fill_ring_empty: u64,
    /// Descriptors on the transmit ring the kernel refused.
    pub transmit_invalid: u64,
    /// Times the kernel looked at an empty transmit ring.
    pub transmit_ring_empty: u64,
}

impl Statistics {
    /// Frames this socket has lost. Those a card drops for want of room are in its own statistics.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.receive_dropped + self.receive_ring_full
    }
}

#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Socket {
    pub(crate) fn new() -> io::Result<Socket> {
        // SAFETY: takes no pointer.
        let fd = unsafe { libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel just returned this descriptor; nobody else owns it.
        Ok(Socket { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    pub(crate) fn register(&self, umem: &Umem, frame_size: u32) -> io::Result<()> {
        let request = libc::xdp_umem_reg {
            addr: umem.start().as_ptr() as u64,
            len: umem.length() as u64,
            chunk_size: frame_size,
            headroom: 0,
            flags: 0,
            tx_metadata_len: 0,
        };
        self.set(libc::SOL_XDP, libc::XDP_UMEM_REG, &request)
    }

    /// A ring of `size` entries that the kernel consumes.
    pub(crate) fn producer<T: Entry>(
        &self,
        kind: ProducerKind,
        size: u32,
    ) -> io::Result<Producer<T>> {
        let (option, page) = match kind {
            ProducerKind::Fill => (libc::XDP_UMEM_FILL_RING, libc::XDP_UMEM_PGOFF_FILL_RING as i64),
            ProducerKind::Transmit => (libc::XDP_TX_RING, libc::XDP_PGOFF_TX_RING),
        };
        let part = |all: &libc::xdp_mmap_offsets| match kind {
            ProducerKind::Fill => all.fr,
            ProducerKind::Transmit => all.tx,
        };
        let (mapping, offsets) = self.ring::<T>(option, size, page, part)?;
        Ok(Producer::new(mapping, offsets, size))
    }

    /// A ring of `size` entries that the kernel produces.
    pub(crate) fn consumer<T: Entry>(
        &self,
        kind: ConsumerKind,
        size: u32,
    ) -> io::Result<Consumer<T>> {
        let (option, page) = match kind {
            ConsumerKind::Receive => (libc::XDP_RX_RING, libc::XDP_PGOFF_RX_RING),
            ConsumerKind::Completion => {
                (libc::XDP_UMEM_COMPLETION_RING, libc::XDP_UMEM_PGOFF_COMPLETION_RING as i64)
            }
        };
        let part = |all: &libc::xdp_mmap_offsets| match kind {
            ConsumerKind::Receive => all.rx,
            ConsumerKind::Completion => all.cr,
        };
        let (mapping, offsets) = self.ring::<T>(option, size, page, part)?;
        Ok(Consumer::new(mapping, offsets, size))
    }

    fn ring<T>(
        &self,
        option: i32,
        size: u32,
        page: libc::off_t,
        part: impl Fn(&libc::xdp_mmap_offsets) -> libc::xdp_ring_offset,
    ) -> io::Result<(Mapping, Offsets)> {
        self.set(libc::SOL_XDP, option, &size)?;
        let all: libc::xdp_mmap_offsets = self.get(libc::SOL_XDP, libc::XDP_MMAP_OFFSETS)?;
        let part = part(&all);
        let offsets = Offsets {
            producer: part.producer as usize,
            consumer: part.consumer as usize,
            flags: part.flags as usize,
            entries: part.desc as usize,
        };
        let length = offsets.entries + size as usize * size_of::<T>();
        Ok((Mapping::ring(self.as_fd(), length, page)?, offsets))
    }

    pub(crate) fn bind(
        &self,
        ifindex: u32,
        queue: u32,
        flags: u16,
        shared: Option<BorrowedFd<'_>>,
    ) -> io::Result<()> {
        let address = libc::sockaddr_xdp {
            sxdp_family: libc::AF_XDP as u16,
            sxdp_flags: flags,
            sxdp_ifindex: ifindex,
            sxdp_queue_id: queue,
            sxdp_shared_umem_fd: shared.map_or(0, |fd| fd.as_raw_fd() as u32),
        };
        // SAFETY: the kernel reads a whole `sockaddr_xdp` of the length stated.
        let bound = unsafe {
            libc::bind(
                self.fd.as_raw_fd(),
                (&raw const address).cast(),
                size_of::<libc::sockaddr_xdp>() as u32,
            )
        };
        if bound == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Whether the socket is bound in zero-copy mode.
    pub(crate) fn is_zero_copy(&self) -> io::Result<bool> {
        let options: libc::xdp_options = self.get(libc::SOL_XDP, libc::XDP_OPTIONS)?;
        Ok(options.flags & libc::XDP_OPTIONS_ZEROCOPY != 0)
    }

    pub(crate) fn statistics(&self) -> io::Result<Statistics> {
        let counts: libc::xdp_statistics = self.get(libc::SOL_XDP, libc::XDP_STATISTICS)?;
        Ok(Statistics {
            receive_dropped: counts.rx_dropped,
            receive_invalid: counts.rx_invalid_descs,
            receive_ring_full: counts.rx_ring_full,
            fill_ring_empty: counts.rx_fill_ring_empty_descs,
            transmit_invalid: counts.tx_invalid_descs,
            transmit_ring_empty: counts.tx_ring_empty_descs,
        })
    }

    pub(crate) fn busy_poll(&self, busy_poll: BusyPoll) -> io::Result<()> {
        let number = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
        self.set(libc::SOL_SOCKET, libc::SO_PREFER_BUSY_POLL, &1_i32)?;
        self.set(libc::SOL_SOCKET, libc::SO_BUSY_POLL, &number(busy_poll.micros))?;
        self.set(libc::SOL_SOCKET, libc::SO_BUSY_POLL_BUDGET, &number(busy_poll.budget))
    }

    /// Lets the kernel receive. Fails with `ENXIO` once the interface was removed, and with
    /// `ENETDOWN` while it is down; poll() says nothing then, and `SO_ERROR` says it once.
    pub(crate) fn wake_receive(&self) -> io::Result<()> {
        let (fd, flags) = (self.fd.as_raw_fd(), libc::MSG_DONTWAIT);
        // SAFETY: a null buffer of length 0 and no address: the kernel writes nothing.
        let result = unsafe {
            libc::recvfrom(fd, ptr::null_mut(), 0, flags, ptr::null_mut(), ptr::null_mut())
        };
        woken(result)
    }

    /// Lets the kernel send.
    pub(crate) fn wake_transmit(&self) -> io::Result<()> {
        let (fd, flags) = (self.fd.as_raw_fd(), libc::MSG_DONTWAIT);
        // SAFETY: a null buffer of length 0 and no address: the kernel reads nothing.
        let result = unsafe { libc::sendto(fd, ptr::null(), 0, flags, ptr::null(), 0) };
        woken(result)
    }

    /// `T` is plain data the kernel reads.
    fn set<T: Copy>(&self, level: i32, option: i32, value: &T) -> io::Result<()> {
        // SAFETY: the kernel reads `size_of::<T>()` bytes from a live reference.
        let result = unsafe {
            libc::setsockopt(
                self.fd.as_raw_fd(),
                level,
                option,
                ptr::from_ref(value).cast::<c_void>(),
                size_of::<T>() as u32,
            )
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// `T` is one of the kernel's structures of integers, for which all zeros and all else is
    /// valid.
    fn get<T: Copy>(&self, level: i32, option: i32) -> io::Result<T> {
        let mut value = MaybeUninit::<T>::zeroed();
        let mut length = size_of::<T>() as u32;
        // SAFETY: the kernel writes at most `length` bytes to `value`, which has as many.
        let result = unsafe {
            libc::getsockopt(
                self.fd.as_raw_fd(),
                level,
                option,
                value.as_mut_ptr().cast::<c_void>(),
                &raw mut length,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: integers only; zeroed, then in part or whole written by the kernel.
        Ok(unsafe { value.assume_init() })
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum ProducerKind {
    Fill,
    Transmit,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum ConsumerKind {
    Receive,
    Completion,
}

/// A wake-up call that found nothing to do, or did not get to all of it, has still done its work.
fn woken(result: isize) -> io::Result<()> {
    if result >= 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::EBUSY | libc::EINTR | libc::ENOBUFS) => Ok(()),
        _ => Err(error),
    }
}

/// Whether this says that the interface is down or gone.
pub(crate) fn is_down(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENETDOWN | libc::ENXIO | libc::ENODEV))
}

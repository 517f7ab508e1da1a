//! Mapped memory: packet memory, and the rings the kernel shares.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};

use crate::error::OpenError;
use crate::options::HugePages;

/// The huge page size asked for. The kernel's default on x86-64 and on most of aarch64.
const HUGE_PAGE: usize = 2 << 20;

/// A mapping, removed when dropped.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread; the type itself never reads or writes
// through `start`, and removing it from any thread is the same call.
unsafe impl Send for Mapping {}
// SAFETY: a shared `Mapping` gives out its address and length, nothing else.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Fresh zeroed memory, present in full.
    pub(crate) fn anonymous(length: usize, huge: bool) -> io::Result<Mapping> {
        let length = if huge { length.next_multiple_of(HUGE_PAGE) } else { length };
        let huge = if huge { libc::MAP_HUGETLB } else { 0 };
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE | huge;
        Mapping::map(length, flags, -1, 0)
    }

    /// A ring of an AF_XDP socket.
    pub(crate) fn ring(
        socket: BorrowedFd<'_>,
        length: usize,
        offset: libc::off_t,
    ) -> io::Result<Mapping> {
        let flags = libc::MAP_SHARED | libc::MAP_POPULATE;
        Mapping::map(length, flags, socket.as_raw_fd(), offset)
    }

    fn map(length: usize, flags: i32, fd: i32, offset: libc::off_t) -> io::Result<Mapping> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: without an address hint and MAP_FIXED, mmap replaces no existing mapping.
        let start = unsafe { libc::mmap(ptr::null_mut(), length, protection, flags, fd, offset) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(io::Error::last_os_error)?;
        Ok(Mapping { start, length })
    }

    pub(crate) const fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(crate) const fn length(&self) -> usize {
        self.length
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by us with this length and is removed once. Rings, queues
        // and frames that point into it own or borrow it, so none is left.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

/// Packet memory shared by all queues of one [`crate::open`], each of which uses frames of its own.
#[derive(Debug)]
pub(crate) struct Umem {
    mapping: Mapping,
    huge: bool,
}

impl Umem {
    /// # Errors
    /// When there is no such memory.
    pub(crate) fn new(bytes: usize, huge_pages: HugePages) -> Result<Umem, OpenError> {
        if huge_pages != HugePages::No {
            match Mapping::anonymous(bytes, true) {
                Ok(mapping) => return Ok(Umem { mapping, huge: true }),
                Err(source) if huge_pages == HugePages::Require => {
                    return Err(OpenError::HugePages { bytes: bytes as u64, source });
                }
                Err(_) => {}
            }
        }
        let mapping = Mapping::anonymous(bytes, false)
            .map_err(|source| OpenError::Memory { bytes: bytes as u64, source })?;
        Ok(Umem { mapping, huge: false })
    }

    pub(crate) const fn start(&self) -> NonNull<u8> {
        self.mapping.start()
    }

    pub(crate) const fn length(&self) -> usize {
        self.mapping.length()
    }

    pub(crate) const fn huge(&self) -> bool {
        self.huge
    }
}

/// The frames of packet memory that one half of one queue owns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Frames {
    /// Where the first begins, in bytes from the start of packet memory.
    pub(crate) first: u64,
    /// How many.
    pub(crate) count: u32,
    /// Bytes of each, a power of two.
    pub(crate) size: u32,
}

impl Frames {
    pub(crate) const fn end(self) -> u64 {
        self.first + self.count as u64 * self.size as u64
    }

    /// Where frame `index` begins.
    #[inline]
    pub(crate) const fn address(self, index: u32) -> u64 {
        self.first + index as u64 * self.size as u64
    }

    /// Where the one of these frames begins that an address lies in.
    #[inline]
    pub(crate) const fn start_of(self, address: u64) -> Option<u64> {
        if address < self.first || address >= self.end() {
            return None;
        }
        // `first` is a multiple of the size, so every frame's start is.
        Some(address & !(self.size as u64 - 1))
    }

    /// The number of the frame that starts there.
    #[cfg(debug_assertions)]
    pub(crate) const fn index(self, start: u64) -> usize {
        ((start - self.first) / self.size as u64) as usize
    }

    /// Whether these bytes lie within one of these frames.
    #[inline]
    pub(crate) const fn holds(self, address: u64, length: u32) -> bool {
        let within = address & (self.size as u64 - 1);
        self.start_of(address).is_some() && within + length as u64 <= self.size as u64
    }
}

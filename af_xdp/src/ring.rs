//! The rings shared with the kernel: one side produces, the other consumes, and each keeps a copy
//! of the other's index so that it looks at the shared one only when the copy says there is
//! nothing.
//!
//! Both sides work in two phases. A producer asks for room, writes entries, then submits them all;
//! a consumer asks what is there, reads entries, then releases them all.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::memory::Mapping;

/// Where the parts of a ring are in its mapping, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offsets {
    pub(crate) producer: usize,
    pub(crate) consumer: usize,
    pub(crate) flags: usize,
    pub(crate) entries: usize,
}

/// An entry: plain data without padding, of which every bit pattern is valid.
///
/// # Safety
/// The type must be such.
pub(crate) unsafe trait Entry: Copy {}

// SAFETY: an integer.
unsafe impl Entry for u64 {}
// SAFETY: the kernel's descriptor, a u64 and two u32 without padding.
unsafe impl Entry for libc::xdp_desc {}

const _: () = assert!(size_of::<libc::xdp_desc>() == 16);

/// What both sides of a ring hold.
#[derive(Debug)]
struct Ring<T> {
    producer: NonNull<AtomicU32>,
    consumer: NonNull<AtomicU32>,
    flags: NonNull<AtomicU32>,
    entries: NonNull<T>,
    size: u32,
    _mapping: Mapping,
}

// SAFETY: the pointers point into `_mapping`, which belongs to the process, and `Ring` owns it.
unsafe impl<T: Entry> Send for Ring<T> {}

impl<T: Entry> Ring<T> {
    /// A ring of `size` entries, a power of two, in `mapping`.
    ///
    /// # Panics
    /// When the ring doesn't lie in the mapping: the kernel gave offsets that contradict the length
    /// it was asked to map.
    fn new(mapping: Mapping, offsets: Offsets, size: u32) -> Ring<T> {
        assert!(size.is_power_of_two());
        let part = |offset: usize, bytes: usize, align: usize| {
            assert!(offset.checked_add(bytes).is_some_and(|end| end <= mapping.length()));
            let start = mapping.start();
            assert!((start.as_ptr() as usize + offset).is_multiple_of(align));
            // SAFETY: the offset was just found to lie in the mapping.
            unsafe { start.add(offset) }
        };
        let index = |offset| part(offset, size_of::<AtomicU32>(), align_of::<AtomicU32>());
        Ring {
            producer: index(offsets.producer).cast(),
            consumer: index(offsets.consumer).cast(),
            flags: index(offsets.flags).cast(),
            entries: part(offsets.entries, size as usize * size_of::<T>(), align_of::<T>()).cast(),
            size,
            _mapping: mapping,
        }
    }

    #[inline]
    fn producer(&self) -> &AtomicU32 {
        // SAFETY: `new` found it in the mapping, aligned; the kernel accesses it atomically, and
        // the mapping lives as long as `self`.
        unsafe { self.producer.as_ref() }
    }

    #[inline]
    fn consumer(&self) -> &AtomicU32 {
        // SAFETY: as for `producer`.
        unsafe { self.consumer.as_ref() }
    }

    #[inline]
    fn needs_wakeup(&self) -> bool {
        // SAFETY: as for `producer`.
        let flags = unsafe { self.flags.as_ref() };
        // ORDER: none. The flag says that a system call is wanted, not what is in the ring; one
        // that is seen late is seen on the next call, and poll() looks for itself.
        flags.load(Ordering::Relaxed) & libc::XDP_RING_NEED_WAKEUP != 0
    }

    #[inline]
    fn entry(&self, index: u32) -> NonNull<T> {
        // SAFETY: masked below `size`, and `new` found `size` entries in the mapping.
        unsafe { self.entries.add((index & (self.size - 1)) as usize) }
    }
}

/// Our end of a ring the kernel consumes: fill, transmit.
#[derive(Debug)]
pub(crate) struct Producer<T> {
    ring: Ring<T>,
    /// Ours: entries written, the last of them perhaps not yet submitted.
    written: u32,
    /// The consumer's index as last seen.
    consumed: u32,
}

impl<T: Entry> Producer<T> {
    /// # Panics
    /// As [`Ring::new`].
    pub(crate) fn new(mapping: Mapping, offsets: Offsets, size: u32) -> Producer<T> {
        let ring = Ring::new(mapping, offsets, size);
        let written = ring.producer().load(Ordering::Relaxed);
        let consumed = ring.consumer().load(Ordering::Acquire);
        Producer { ring, written, consumed }
    }

    /// Entries that can be written now. Looks at the shared index only if fewer than `want` seem
    /// free.
    #[inline]
    pub(crate) fn free(&mut self, want: u32) -> u32 {
        let mut free = self.ring.size - self.written.wrapping_sub(self.consumed);
        if free < want {
            // ORDER: acquire, so that our overwriting an entry comes after the kernel's reading it.
            self.consumed = self.ring.consumer().load(Ordering::Acquire);
            free = self.ring.size - self.written.wrapping_sub(self.consumed);
        }
        free
    }

    /// Writes the next entry. [`Producer::free`] must have said that there is one.
    #[inline]
    pub(crate) fn write(&mut self, entry: T) {
        debug_assert!(self.written.wrapping_sub(self.consumed) < self.ring.size);
        // SAFETY: the entry is in the mapping; it is beyond what was submitted and what the kernel
        // has yet to consume, so the kernel doesn't read it until `submit`.
        unsafe { self.ring.entry(self.written).write(entry) };
        self.written = self.written.wrapping_add(1);
    }

    /// Hands all entries written so far to the kernel.
    #[inline]
    pub(crate) fn submit(&mut self) {
        // ORDER: release, so that the kernel sees the entries before the index that covers them.
        self.ring.producer().store(self.written, Ordering::Release);
    }

    /// Whether the kernel has consumed everything submitted.
    pub(crate) fn is_drained(&mut self) -> bool {
        self.free(self.ring.size) == self.ring.size
    }

    /// Whether the kernel wants a system call before it looks at the ring again.
    #[inline]
    pub(crate) fn needs_wakeup(&self) -> bool {
        self.ring.needs_wakeup()
    }
}

/// Our end of a ring the kernel produces: receive, completion.
#[derive(Debug)]
pub(crate) struct Consumer<T> {
    ring: Ring<T>,
    /// Ours: entries released.
    released: u32,
    /// The producer's index as last seen.
    produced: u32,
}

impl<T: Entry> Consumer<T> {
    /// # Panics
    /// As [`Ring::new`].
    pub(crate) fn new(mapping: Mapping, offsets: Offsets, size: u32) -> Consumer<T> {
        let ring = Ring::new(mapping, offsets, size);
        let released = ring.consumer().load(Ordering::Relaxed);
        let produced = ring.producer().load(Ordering::Acquire);
        Consumer { ring, released, produced }
    }

    /// Entries that can be read now. Looks at the shared index only if fewer than `want` are known.
    #[inline]
    pub(crate) fn available(&mut self, want: u32) -> u32 {
        let mut available = self.produced.wrapping_sub(self.released);
        if available < want {
            // ORDER: acquire, so that we read entries, and the frames they name, after the kernel
            // wrote them.
            self.produced = self.ring.producer().load(Ordering::Acquire);
            available = self.produced.wrapping_sub(self.released);
        }
        debug_assert!(available <= self.ring.size);
        available
    }

    /// The entry `ahead` of the oldest unreleased. [`Consumer::available`] must have said that it
    /// is there.
    #[inline]
    pub(crate) fn read(&self, ahead: u32) -> T {
        debug_assert!(ahead < self.produced.wrapping_sub(self.released));
        // SAFETY: the entry is in the mapping; the kernel produced it and doesn't write it again
        // before it is released. Any bits are a valid `T`.
        unsafe { self.ring.entry(self.released.wrapping_add(ahead)).read() }
    }

    /// Gives the oldest `count` entries back to the kernel.
    #[inline]
    pub(crate) fn release(&mut self, count: u32) {
        debug_assert!(count <= self.produced.wrapping_sub(self.released));
        self.released = self.released.wrapping_add(count);
        // ORDER: release, so that our reading the entries comes before the kernel's overwriting
        // them.
        self.ring.consumer().store(self.released, Ordering::Release);
    }
}

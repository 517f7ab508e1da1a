//! The region's memory: a mapped file or plain memory of this process. The only file with unsafe
//! code: it lays records over bytes, and everything else goes through the records.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;

use memmap2::{MmapOptions, MmapRaw};

use crate::atomic::{AtomicU64, Ordering};
use crate::layout::Header;
use crate::layout::record::Record;

/// Memory of this process in whole cache lines.
#[repr(C, align(64))]
struct Line([AtomicU64; 8]);

enum Memory {
    File(MmapRaw),
    Heap(Box<[Line]>),
}

/// The region's memory for as long as anybody holds it.
pub(crate) struct Mapping {
    base: NonNull<u8>,
    length: u64,
    // Keeps `base` alive.
    memory: Arc<Memory>,
}

// SAFETY: `base` points into `memory`, which moves with the mapping and whose address does not
// change; the memory is only ever reached as atomic words, which any thread may use.
unsafe impl Send for Mapping {}
// SAFETY: as above; a shared mapping hands out shared references to atomics alone.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// `length` bytes of zeros in this process, a multiple of 64.
    pub(crate) fn heap(length: u64) -> Mapping {
        let lines: Box<[Line]> =
            (0..length / 64).map(|_| Line(std::array::from_fn(|_| AtomicU64::new(0)))).collect();
        Mapping::over(Memory::Heap(lines), length)
    }

    /// The first `length` bytes of a file, to write. Every page is touched now rather than later.
    pub(crate) fn writable(file: &File, length: u64) -> io::Result<Mapping> {
        let bytes = usize::try_from(length).map_err(io::Error::other)?;
        let map = MmapOptions::new().len(bytes).populate().map_raw(file)?;
        Ok(Mapping::over(Memory::File(map), length))
    }

    /// The first `length` bytes of a file, to read: a store through this mapping would fault.
    pub(crate) fn read_only(file: &File, length: u64) -> io::Result<Mapping> {
        let bytes = usize::try_from(length).map_err(io::Error::other)?;
        let map = MmapOptions::new().len(bytes).map_raw_read_only(file)?;
        Ok(Mapping::over(Memory::File(map), length))
    }

    /// The first `length` bytes of a file that another process writes, for the words of the kill switch
    /// and nothing else; made by [`crate::KillSwitch`] alone. Pages are touched as they are needed.
    // What makes a second writer sound: the mapping is only reached as `Record`s, that is as atomic words,
    // by `at` and `slice` as any other, so that the handler's stores and these are never a data race; and
    // the words stored to (`halt::word`) are none that the handler's process assumes to be its own: it
    // writes them by compare-and-swap, exchange, or a store that sets what is to be set. Everything else in
    // it is loaded only. The file's length is fixed as long as anybody has it (see `read_only`).
    pub(crate) fn to_halt(file: &File, length: u64) -> io::Result<Mapping> {
        let bytes = usize::try_from(length).map_err(io::Error::other)?;
        let map = MmapOptions::new().len(bytes).map_raw(file)?;
        Ok(Mapping::over(Memory::File(map), length))
    }

    fn over(memory: Memory, length: u64) -> Mapping {
        let base = match &memory {
            Memory::File(map) => map.as_mut_ptr(),
            Memory::Heap(lines) => lines.as_ptr().cast_mut().cast(),
        };
        // Neither an allocation nor a mapping is ever at address zero.
        let base = NonNull::new(base).expect("memory has an address");
        Mapping { base, length, memory: Arc::new(memory) }
    }

    /// The record at `offset`.
    ///
    /// # Panics
    /// When it does not lie within the memory: offsets come from our own plan, never from a file.
    #[inline]
    pub(crate) fn at<T: Record>(&self, offset: u64) -> &T {
        &self.slice::<T>(offset, 1)[0]
    }

    /// The `count` records from `offset`.
    #[inline]
    pub(crate) fn slice<T: Record>(&self, offset: u64, count: u32) -> &[T] {
        let size = u64::from(count) * T::SIZE as u64;
        assert!(offset <= self.length);
        assert!(size <= self.length - offset);
        assert!(offset.is_multiple_of(align_of::<T>() as u64));
        // SAFETY: `offset` lies within the memory (asserted), so the result is within the same
        // mapping or allocation, whose size fits in isize as every Rust allocation and mmap does.
        let start = unsafe { self.base.add(offset as usize) };
        // A `Record` is atomic words without padding: any bits are valid, and they may change through
        // shared references, by another process too. A read-only mapping is only loaded from, eight
        // bytes relaxed or acquire (std::sync::atomic, "Atomic accesses to read-only memory").
        // SAFETY: `size` bytes from `start` lie within the memory (asserted), which lives as long as
        // `self`; the base is aligned to 64 at least, the offset to T (asserted); T is a `Record`.
        unsafe { std::slice::from_raw_parts(start.cast().as_ptr(), count as usize) }
    }

    /// The `count` records from `offset`, looked up once: for whoever goes there with every message.
    pub(crate) fn keep<T: Record>(&self, offset: u64, count: u32) -> Kept<T> {
        Kept {
            records: NonNull::from(self.slice(offset, count)),
            _memory: Arc::clone(&self.memory),
        }
    }

    /// The header.
    #[inline]
    pub(crate) fn header(&self) -> &Header {
        self.at(0)
    }

    /// The length in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }
}

/// Records of a mapping whose place was checked when they were asked for ([`Mapping::keep`]).
pub(crate) struct Kept<T> {
    records: NonNull<[T]>,
    // Keeps `records` alive.
    _memory: Arc<Memory>,
}

impl<T: Record> Deref for Kept<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: made from a slice that `Mapping::slice` gave out, which lies in memory that this holds and that
        // stays where it is; shared references to atomic words are all that anybody has of it.
        unsafe { self.records.as_ref() }
    }
}

// SAFETY: as for a mapping: the memory moves with it, stays where it is, and is reached as atomic words alone.
unsafe impl<T: Record> Send for Kept<T> {}

/// Asks the processor for the cache lines of these words, to be read soon: other cores keep theirs. Where it has no such
/// request this does nothing.
#[inline(always)]
pub(crate) fn soon_read<const N: usize>(words: [&AtomicU64; N]) {
    #[cfg(target_arch = "x86_64")]
    for word in words {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: as below.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(core::ptr::from_ref(word).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = words;
}

/// Asks the processor for the cache lines of these words, to be written soon. A build for processors of any age asks for
/// them to be read, which is all that those have.
#[inline(always)]
pub(crate) fn soon_written<const N: usize>(words: [&AtomicU64; N]) {
    #[cfg(target_arch = "x86_64")]
    for word in words {
        use core::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        // SAFETY: a prefetch reads and writes nothing a program can see, whatever the address; this one is a
        // reference's besides, so that it is mapped.
        unsafe { _mm_prefetch::<_MM_HINT_ET0>(core::ptr::from_ref(word).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = words;
}

/// Copies words, each on its own.
pub(crate) fn load_all<const N: usize>(words: &[AtomicU64; N]) -> [u64; N] {
    std::array::from_fn(|word| words[word].load(Ordering::Relaxed))
}

/// Stores words, each on its own.
pub(crate) fn store_all<const N: usize>(words: &[AtomicU64; N], values: [u64; N]) {
    for (word, value) in words.iter().zip(values) {
        word.store(value, Ordering::Relaxed);
    }
}

/// Stores a word that changed; leaves the line alone otherwise, so that it stays in readers' caches.
/// For words of one writer, read back by that writer.
#[inline]
pub(crate) fn store_changed(word: &AtomicU64, value: u64) {
    if word.load(Ordering::Relaxed) != value {
        word.store(value, Ordering::Relaxed);
    }
}

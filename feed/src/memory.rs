//! Memory for the large tables: huge pages where the host gives them.
#![allow(
    unsafe_code,
    reason = "an allocator is unsafe by its trait; advice to the kernel is by its signature"
)]

use std::alloc::{GlobalAlloc, Layout, System};

use rustix::mm::{Advice, madvise};

/// From this many bytes on an allocation is a table, and worth huge pages of its own.
const TABLE: usize = 4 << 20;

/// Where a huge page may begin.
const HUGE_PAGE: usize = 2 << 20;

/// The system's allocator, which asks the kernel for huge pages where much memory is wanted at once: books,
/// order tables, holdback. A lookup at random then misses the order, and not also the page tables on the way
/// to it. A kernel that has none to give is no error; what is smaller is the system's as ever.
///
/// Each large allocation takes up to 2 MiB more address space, and no more memory.
#[derive(Clone, Copy, Debug)]
pub struct LargePages;

fn is_table(layout: Layout) -> bool {
    layout.size() >= TABLE
}

// SAFETY: memory is the system allocator's, of the size asked for and at least its alignment; the same layout
// gives the same one back. Advice changes no byte of it and none that is another's: see `alloc`.
unsafe impl GlobalAlloc for LargePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(aligned) = layout.align_to(HUGE_PAGE).ok().filter(|_| is_table(layout)) else {
            // SAFETY: the caller's promise is the one the system's allocator asks for.
            return unsafe { System.alloc(layout) };
        };
        // SAFETY: its size is the caller's, which isn't zero.
        let memory = unsafe { System.alloc(aligned) };
        if !memory.is_null() {
            // The pages wholly within: a byte of the last one may be another's.
            let whole = layout.size() / HUGE_PAGE * HUGE_PAGE;
            // SAFETY: the range lies in what was just allocated, begins at a page, and this advice leaves what
            // memory holds as it is. The kernel's refusal is of no consequence.
            let _ = unsafe { madvise(memory.cast(), whole, Advice::LinuxHugepage) };
        }
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        let aligned = layout.align_to(HUGE_PAGE).ok().filter(|_| is_table(layout));
        // SAFETY: `alloc` gave it out under this very layout.
        unsafe { System.dealloc(memory, aligned.unwrap_or(layout)) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !is_table(layout) {
            // SAFETY: the caller's promise is the one the system's allocator asks for.
            return unsafe { System.alloc_zeroed(layout) };
        }
        // SAFETY: as above.
        let memory = unsafe { self.alloc(layout) };
        if !memory.is_null() {
            // SAFETY: so many bytes were just allocated, and nobody else has them.
            unsafe { memory.write_bytes(0, layout.size()) };
        }
        memory
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.size() < TABLE && size < TABLE {
            // SAFETY: the system's allocator gave it out under this layout; the rest is the caller's promise.
            return unsafe { System.realloc(memory, layout, size) };
        }
        // SAFETY: the caller promises that the new size, rounded up to the alignment, is no more than there may be.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: the caller promises a size other than zero.
        let grown = unsafe { self.alloc(new) };
        if !grown.is_null() {
            // SAFETY: both are as long as that, and one was just made, so that they don't overlap.
            unsafe { grown.copy_from_nonoverlapping(memory, layout.size().min(size)) };
            // SAFETY: it was given out under this layout, and the caller gives it up.
            unsafe { self.dealloc(memory, layout) };
        }
        grown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_any_size_holds_what_was_written() {
        for size in [1, 4096, TABLE - 1, TABLE, TABLE + 1, 3 * TABLE + 77] {
            let layout = Layout::from_size_align(size, 64).unwrap();
            // SAFETY: the layouts are the ones asked with, no size is zero, and what is read was written.
            #[allow(clippy::multiple_unsafe_ops_per_block, reason = "one life of one allocation")]
            unsafe {
                let zeroed = LargePages.alloc_zeroed(layout);
                assert!(!zeroed.is_null() && zeroed.addr().is_multiple_of(64));
                assert_eq!((*zeroed, *zeroed.add(size - 1)), (0, 0));
                zeroed.write_bytes(7, size);
                let grown = LargePages.realloc(zeroed, layout, size + TABLE);
                assert_eq!((*grown, *grown.add(size - 1)), (7, 7));
                let layout = Layout::from_size_align(size + TABLE, 64).unwrap();
                let shrunk = LargePages.realloc(grown, layout, 1);
                assert_eq!(*shrunk, 7);
                LargePages.dealloc(shrunk, Layout::from_size_align(1, 64).unwrap());
            }
        }
    }
}

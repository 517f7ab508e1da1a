//! Memory for the large tables: huge pages where the host gives them.
#![allow(
    unsafe_code,
    reason = "an allocator is unsafe by its trait; advice to the kernel is by its signature"
)]

use std::alloc::{GlobalAlloc, Layout, System};

use rustix::mm::{Advice, madvise};

/// From this many bytes on an allocation is a table, and worth huge pages of its own.
const TABLE: usize = 4 << 20;

/// A huge page, and where one may begin.
const HUGE_PAGE: usize = 2 << 20;

/// The system's allocator, which asks the kernel for huge pages where much memory is wanted at once: books,
/// order tables, holdback. A lookup at random then misses the order, and not also the page tables on the way
/// to it. A kernel that has none to give is no error; what is smaller is the system's as ever. So is all else:
/// memory that nobody has written to yet is still nobody's.
#[derive(Clone, Copy, Debug)]
pub struct LargePages;

/// Advises the kernel about the huge pages that lie wholly within an allocation just made.
fn advise(memory: *mut u8, size: usize) -> *mut u8 {
    if size >= TABLE && !memory.is_null() {
        let skipped = memory.addr().wrapping_neg() % HUGE_PAGE;
        let whole = (size - skipped) / HUGE_PAGE * HUGE_PAGE;
        let first = memory.wrapping_add(skipped);
        // SAFETY: the range lies in what was just allocated, begins at a page, and this advice leaves what
        // memory holds as it is. The kernel's refusal is of no consequence.
        let _ = unsafe { madvise(first.cast(), whole, Advice::LinuxHugepage) };
    }
    memory
}

// SAFETY: every call is the system allocator's, with what it was called with, and advice changes no byte.
unsafe impl GlobalAlloc for LargePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the one the system's allocator asks for.
        advise(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        advise(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        advise(unsafe { System.realloc(memory, layout, size) }, size)
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

//! An allocator that counts what the handler's data path allocates, which is to be nothing.

use std::alloc::{GlobalAlloc, Layout, System};

use candor_sim::simulator::frozen;

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: every call goes to the system's allocator with what the caller gave, so that its promises
// are this one's; counting touches two atomics and allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if frozen::is_frozen() {
            frozen::allocated();
        }
        // SAFETY: the caller's promise about the layout is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if frozen::is_frozen() {
            frozen::allocated();
        }
        // SAFETY: the caller's promise about the layout is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if frozen::is_frozen() {
            frozen::allocated();
        }
        // SAFETY: the memory came from here, with this layout, and the size is the caller's promise.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the memory came from `alloc` above, with this layout, by the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
}

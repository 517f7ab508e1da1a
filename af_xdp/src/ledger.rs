//! Who has each frame: kept in debug builds to prove that none is handed out twice or leaks.

use crate::memory::Frames;

/// Whether each frame is ours. Empty in release builds.
#[derive(Debug)]
pub(crate) struct Ledger {
    #[cfg(debug_assertions)]
    frames: Frames,
    #[cfg(debug_assertions)]
    ours: Box<[bool]>,
}

#[cfg(debug_assertions)]
impl Ledger {
    /// All frames are the kernel's.
    pub(crate) fn new(frames: Frames) -> Ledger {
        Ledger { frames, ours: vec![false; frames.count as usize].into_boxed_slice() }
    }

    /// The kernel has handed over the frame that starts there.
    pub(crate) fn take(&mut self, start: u64) {
        let ours = &mut self.ours[self.frames.index(start)];
        assert!(!*ours, "the kernel handed over the frame at {start}, which it did not have");
        *ours = true;
    }

    /// The frame that starts there goes back to the kernel.
    pub(crate) fn give(&mut self, start: u64) {
        let ours = &mut self.ours[self.frames.index(start)];
        assert!(*ours, "the frame at {start} goes back to the kernel, which has it");
        *ours = false;
    }
}

#[cfg(not(debug_assertions))]
impl Ledger {
    pub(crate) fn new(_: Frames) -> Ledger {
        Ledger {}
    }

    #[inline(always)]
    pub(crate) fn take(&mut self, _: u64) {}

    #[inline(always)]
    pub(crate) fn give(&mut self, _: u64) {}
}

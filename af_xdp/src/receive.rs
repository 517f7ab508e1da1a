//! The receive half of a queue: receive ring, fill ring, and the frames between them.

use std::ptr::NonNull;
use std::sync::Arc;

use candor_ebpf::FrameMeta;

use crate::frame::Frame;
use crate::ledger::Ledger;
use crate::memory::{Frames, Umem};
use crate::ring::{Consumer, Producer};

/// What came of one call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received {
    /// Frames handed out.
    pub frames: u32,
    /// Whether nothing was left behind when the call looked last.
    pub drained: bool,
}

/// What a queue has received since it was opened. The kernel's own drops are in
/// [`crate::Statistics`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Frames handed out.
    pub frames: u64,
    /// Of these, frames put together from several.
    pub put_together: u64,
    /// Frames not handed out: of several parts, and together longer than
    /// [`crate::Options::longest_frame`].
    pub too_long: u64,
    /// Descriptors that named bytes outside the queue's frames, or metadata that can't be; their
    /// frames were not handed out. Not zero means that the kernel is broken.
    pub bad_descriptors: u64,
}

/// The receive half of a queue.
#[derive(Debug)]
pub(crate) struct Receiver {
    receive: Consumer<libc::xdp_desc>,
    fill: Producer<u64>,
    frames: Frames,
    ledger: Ledger,
    /// Descriptors read and not yet released: the batch's.
    taken: u32,
    /// Where packets of several frames are put together.
    whole: Box<[u8]>,
    pub(crate) counts: Counts,
    umem: Arc<Umem>,
}

impl Receiver {
    /// Takes the rings over and hands all frames to the kernel.
    ///
    /// # Panics
    /// When the frames don't lie in packet memory, or the fill ring is smaller than they are many.
    pub(crate) fn new(
        receive: Consumer<libc::xdp_desc>,
        fill: Producer<u64>,
        umem: Arc<Umem>,
        frames: Frames,
        longest_frame: u32,
    ) -> Receiver {
        assert!(frames.end() <= umem.length() as u64);
        assert!(frames.first.is_multiple_of(u64::from(frames.size)));
        let mut receiver = Receiver {
            receive,
            fill,
            frames,
            ledger: Ledger::new(frames),
            taken: 0,
            whole: vec![0; longest_frame as usize].into_boxed_slice(),
            counts: Counts::default(),
            umem,
        };
        assert!(receiver.fill.free(frames.count) >= frames.count);
        for index in 0..frames.count {
            receiver.fill.write(frames.address(index));
        }
        receiver.fill.submit();
        receiver
    }

    /// Begins a batch of at most `max` frames.
    #[inline]
    pub(crate) fn batch(&mut self, max: u32) -> Batch<'_> {
        // A batch that was forgotten rather than dropped has left its frames taken.
        self.give_back();
        Batch { receiver: self, left: max, drained: false }
    }

    /// Whether the kernel wants a system call before it fills more frames.
    #[inline]
    pub(crate) fn needs_wakeup(&self) -> bool {
        self.fill.needs_wakeup()
    }

    /// Returns the frames of all descriptors taken to the kernel, and the descriptors.
    #[inline]
    fn give_back(&mut self) {
        if self.taken == 0 {
            return;
        }
        // There is room: see "Where the frames are" in the crate's documentation.
        assert!(self.fill.free(self.taken) >= self.taken, "the fill ring has no room");
        for ahead in 0..self.taken {
            // One that isn't ours was counted when it was taken, and must not go back.
            if let Some(start) = self.frames.start_of(self.receive.read(ahead).addr) {
                self.ledger.give(start);
                self.fill.write(start);
            }
        }
        // In this order: a frame the kernel may fill again must find its place on the receive ring.
        self.receive.release(self.taken);
        self.fill.submit();
        self.taken = 0;
    }

    /// How many descriptors the next packet takes; `None` when no whole one is there.
    #[inline]
    fn next_packet(&mut self) -> Option<u32> {
        let mut parts = 1;
        // BOUND: the ring's length. A packet's descriptors come all at once, and the ring has more
        // than the kernel gives one packet.
        while self.receive.available(self.taken + parts) >= self.taken + parts {
            let descriptor = self.receive.read(self.taken + parts - 1);
            if descriptor.options & libc::XDP_PKT_CONTD == 0 {
                return Some(parts);
            }
            parts += 1;
        }
        None
    }

    /// Takes the next descriptor: its frame is ours until `give_back`.
    #[inline]
    fn take(&mut self) -> libc::xdp_desc {
        let descriptor = self.receive.read(self.taken);
        self.taken += 1;
        if let Some(start) = self.frames.start_of(descriptor.addr) {
            self.ledger.take(start);
        }
        descriptor
    }

    /// The bytes a descriptor names; `None` when they aren't in one of our frames.
    #[inline]
    fn bytes(&self, address: u64, length: u32) -> Option<NonNull<u8>> {
        if !self.frames.holds(address, length) {
            return None;
        }
        // SAFETY: the address lies in one of our frames, and those in packet memory (`new`).
        Some(unsafe { self.umem.start().add(address as usize) })
    }

    /// Reads the metadata in front of a frame and uses it up, so that it can't be met again in
    /// front of a later frame that has none.
    #[inline]
    fn take_meta(&mut self, address: u64) -> Option<FrameMeta> {
        let before = address & (u64::from(self.frames.size) - 1);
        if before < FrameMeta::SIZE as u64 {
            return None;
        }
        let start = self.bytes(address - FrameMeta::SIZE as u64, FrameMeta::SIZE as u32)?;
        let start = start.cast::<[u8; FrameMeta::SIZE]>();
        // SAFETY: 24 bytes in one of our frames, alignment 1. The descriptor naming the frame was
        // taken and not given back, so the kernel doesn't write it, and no `Frame` of this packet
        // is out yet; those of others lie in other frames.
        let bytes = unsafe { &mut *start.as_ptr() };
        let meta = FrameMeta::from_bytes(bytes)?;
        bytes[..4].fill(0);
        Some(meta)
    }

    /// A packet in one frame.
    #[inline]
    fn single(&mut self) -> Option<Lent> {
        let descriptor = self.take();
        let Some(start) = self.bytes(descriptor.addr, descriptor.len) else {
            self.counts.bad_descriptors += 1;
            return None;
        };
        let meta = self.take_meta(descriptor.addr);
        self.counts.frames += 1;
        Some(Lent { start, length: descriptor.len as usize, meta })
    }

    /// A packet in several frames, copied into one piece.
    #[cold]
    fn put_together(&mut self, parts: u32) -> Option<Lent> {
        let mut meta = None;
        let mut length = 0;
        let (mut bad, mut too_long) = (false, false);
        for part in 0..parts {
            let descriptor = self.take();
            let Some(start) = self.bytes(descriptor.addr, descriptor.len) else {
                bad = true;
                continue;
            };
            if part == 0 {
                meta = self.take_meta(descriptor.addr);
            }
            let end = length + descriptor.len as usize;
            let Some(target) = self.whole.get_mut(length..end) else {
                too_long = true;
                if candor_core::canary!(FrameLost) {
                    break;
                }
                continue;
            };
            // SAFETY: the bytes lie in one frame of ours (`bytes`), are initialised, and its
            // descriptor was taken, so the kernel doesn't write them. `whole` is other memory.
            let data =
                unsafe { std::slice::from_raw_parts(start.as_ptr(), descriptor.len as usize) };
            target.copy_from_slice(data);
            length = end;
        }
        if bad {
            self.counts.bad_descriptors += 1;
            return None;
        }
        if too_long {
            self.counts.too_long += 1;
            return None;
        }
        self.counts.frames += 1;
        self.counts.put_together += 1;
        Some(Lent { start: NonNull::from(&mut *self.whole).cast(), length, meta })
    }
}

/// Where a packet to lend lies: in one frame taken and not given back, or in `whole`. Always
/// `length` initialised bytes that nobody writes before the next call on the receiver.
struct Lent {
    start: NonNull<u8>,
    length: usize,
    meta: Option<FrameMeta>,
}

/// Frames lent from a queue. They go back to the kernel when the batch is dropped.
#[derive(Debug)]
pub struct Batch<'a> {
    receiver: &'a mut Receiver,
    left: u32,
    drained: bool,
}

impl Batch<'_> {
    /// The next frame; `None` when there is none, or the batch has had as many as it was asked for.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "it lends: the frame borrows the batch")]
    pub fn next(&mut self) -> Option<Frame<'_>> {
        // BOUND: the frames skipped count as well, so at most `left` turns.
        while self.left > 0 {
            let Some(parts) = self.receiver.next_packet() else {
                self.drained = true;
                return None;
            };
            self.left -= 1;
            let lent = match parts {
                1 => self.receiver.single(),
                _ => self.receiver.put_together(parts),
            };
            if let Some(Lent { start, length, meta }) = lent {
                // SAFETY: `Lent` says that these are initialised bytes nobody writes before the
                // next call on the receiver. The frame borrows `self`, which borrows the receiver
                // mutably, so no call can come first: not `next`, and not the drop that gives back.
                let data = unsafe { std::slice::from_raw_parts(start.as_ptr(), length) };
                return Some(Frame::new(data, meta));
            }
        }
        None
    }

    /// Whether the last [`Batch::next`] found nothing left, rather than enough.
    #[must_use]
    pub const fn is_drained(&self) -> bool {
        self.drained
    }
}

impl Drop for Batch<'_> {
    #[inline]
    fn drop(&mut self) {
        self.receiver.give_back();
    }
}

#[cfg(test)]
mod tests;

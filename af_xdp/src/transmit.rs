//! The transmit half of a queue. Candor sends no market data; its benchmarks and tests do.

use std::sync::Arc;

use crate::error::SendError;
use crate::memory::{Frames, Umem};
use crate::ring::{Consumer, Producer};
use crate::socket::{Socket, is_down};

/// The transmit half of a queue.
#[derive(Debug)]
pub(crate) struct Transmitter {
    transmit: Producer<libc::xdp_desc>,
    frames: Frames,
    /// Frames that are ours to write, by address. Never longer than `frames.count`.
    free: Vec<u64>,
    umem: Arc<Umem>,
}

impl Transmitter {
    /// # Panics
    /// When the frames don't lie in packet memory.
    pub(crate) fn new(
        transmit: Producer<libc::xdp_desc>,
        umem: Arc<Umem>,
        frames: Frames,
    ) -> Transmitter {
        assert!(frames.end() <= umem.length() as u64);
        assert!(frames.first.is_multiple_of(u64::from(frames.size)));
        let free = (0..frames.count).map(|index| frames.address(index)).collect();
        Transmitter { transmit, frames, free, umem }
    }

    /// Takes back the frames the kernel has sent.
    pub(crate) fn reclaim(&mut self, completion: &mut Consumer<u64>) {
        let done = completion.available(self.frames.count);
        for ahead in 0..done {
            let address = completion.read(ahead);
            // Anything else is no frame of ours, and `free` never exceeds the frames there are.
            if let Some(start) = self.frames.start_of(address)
                && self.free.len() < self.frames.count as usize
            {
                self.free.push(start);
            }
        }
        completion.release(done);
    }

    /// Copies a packet into a frame and puts it on the ring.
    pub(crate) fn send(&mut self, packet: &[u8]) -> Result<(), SendError> {
        if packet.len() > self.frames.size as usize {
            return Err(SendError::TooLong { bytes: packet.len() });
        }
        if self.transmit.free(1) == 0 {
            return Err(SendError::Full);
        }
        let address = self.free.pop().ok_or(SendError::Full)?;
        // SAFETY: `address` is a frame of ours, in packet memory (`new`).
        let frame = unsafe { self.umem.start().add(address as usize) };
        // SAFETY: the packet is no longer than the frame; the frame was free, so neither the kernel
        // nor anybody else uses it, and `packet` can't be in it, since transmit frames are lent to
        // nobody.
        unsafe { frame.as_ptr().copy_from_nonoverlapping(packet.as_ptr(), packet.len()) };
        self.transmit.write(libc::xdp_desc { addr: address, len: packet.len() as u32, options: 0 });
        Ok(())
    }

    /// Submits what was put on the ring and has the kernel send it.
    pub(crate) fn flush(&mut self, socket: &Socket) -> Result<(), SendError> {
        self.transmit.submit();
        // BOUND: without zero-copy a call sends one packet at least, unless the card is full, which
        // this is patient with for as many calls as there are frames.
        for _ in 0..self.frames.count {
            if self.transmit.is_drained() || !self.transmit.needs_wakeup() {
                break;
            }
            socket.wake_transmit().map_err(|error| match is_down(&error) {
                true => SendError::InterfaceDown,
                false => SendError::Wake(error),
            })?;
        }
        Ok(())
    }
}

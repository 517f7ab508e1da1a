//! One queue: a bound socket with its rings and frames.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::error::{ReceiveError, SendError, WaitError};
use crate::frame::Frame;
use crate::options::Polling;
use crate::receive::{Batch, Counts, Received, Receiver};
use crate::ring::Consumer;
use crate::socket::{Socket, Statistics, is_down};
use crate::transmit::Transmitter;
use crate::wait::wait_one;

/// A bound AF_XDP socket with rings and frames of its own. Goes to one lane's thread.
#[derive(Debug)]
pub struct Queue {
    // Dropped in this order: the socket closes, then rings and packet memory are unmapped.
    pub(crate) socket: Socket,
    pub(crate) receiver: Receiver,
    pub(crate) transmitter: Option<Transmitter>,
    pub(crate) completion: Consumer<u64>,
    pub(crate) number: u32,
    pub(crate) polling: Polling,
}

const _: () = {
    const fn goes_to_a_thread<T: Send>() {}
    goes_to_a_thread::<Queue>();
};

impl Queue {
    /// The queue's number on its interface.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Hands out at most `max` frames that are there now, then gives them back; doesn't wait. If
    /// `deliver` unwinds, the frames are given back all the same.
    ///
    /// # Errors
    /// When the kernel wants to be woken and refuses to be. Frames handed out were whole.
    #[inline]
    pub fn receive<F>(&mut self, max: u32, mut deliver: F) -> Result<Received, ReceiveError>
    where
        F: FnMut(Frame<'_>),
    {
        let mut batch = self.batch(max);
        let mut frames = 0;
        while let Some(frame) = batch.next() {
            frames += 1;
            deliver(frame);
        }
        let drained = batch.is_drained();
        drop(batch);
        self.wake(drained)?;
        Ok(Received { frames, drained })
    }

    /// The same for a caller that wants to stop in between: a batch lends one frame after another
    /// and gives back all when dropped. Call [`Queue::wake`] afterwards.
    #[inline]
    pub fn batch(&mut self, max: u32) -> Batch<'_> {
        self.receiver.batch(max)
    }

    /// Makes the system call the kernel needs, if it needs one: when it asks to be woken, and, with
    /// busy polling, when the last batch was `drained`, for this call is what polls the card.
    ///
    /// # Errors
    /// When the kernel refuses.
    #[inline]
    pub fn wake(&self, drained: bool) -> Result<(), ReceiveError> {
        if self.receiver.needs_wakeup() || (drained && self.polling == Polling::On) {
            return self.wake_now();
        }
        Ok(())
    }

    fn wake_now(&self) -> Result<(), ReceiveError> {
        self.socket.wake_receive().map_err(|error| match error.raw_os_error() {
            Some(libc::ENXIO) => ReceiveError::InterfaceGone,
            _ if is_down(&error) => ReceiveError::InterfaceDown,
            _ => ReceiveError::Wake(error),
        })
    }

    /// Blocks until a frame is there or the time is over; says whether one is there. A signal ends
    /// the wait early. An interface that is merely down is waited for like any other.
    ///
    /// # Errors
    /// When the interface was removed.
    pub fn wait(&self, at_most: Duration) -> Result<bool, WaitError> {
        wait_one(self, at_most)
    }

    /// Whether the queue is still of use: once its interface is removed nothing arrives any more,
    /// which a lane that only looks at rings can't notice. One that is merely down may come up, and
    /// the queue then goes on. One system call.
    ///
    /// # Errors
    /// When it isn't.
    pub fn check(&self) -> Result<(), ReceiveError> {
        match self.wake_now() {
            Err(ReceiveError::InterfaceDown) => Ok(()),
            result => result,
        }
    }

    /// What was received since the queue was opened.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.receiver.counts
    }

    /// What the kernel counts of this socket. One system call.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn statistics(&self) -> io::Result<Statistics> {
        self.socket.statistics()
    }

    /// Puts a packet, from its Ethernet header, on the transmit ring. [`Queue::flush`] sends it.
    ///
    /// # Errors
    /// When all transmit frames are on their way, the packet is longer than one, or the queue was
    /// opened without any ([`SendError::Full`]).
    #[inline]
    pub fn send(&mut self, packet: &[u8]) -> Result<(), SendError> {
        let transmitter = self.transmitter.as_mut().ok_or(SendError::Full)?;
        transmitter.reclaim(&mut self.completion);
        transmitter.send(packet)
    }

    /// Has the kernel send what is on the transmit ring.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn flush(&mut self) -> Result<(), SendError> {
        match &mut self.transmitter {
            Some(transmitter) => transmitter.flush(&self.socket),
            None => Ok(()),
        }
    }
}

impl AsFd for Queue {
    /// The socket, for [`candor_ebpf::Program::set_socket`].
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

//! Blocking until frames are there.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr;
use std::time::Duration;

use crate::error::{ReceiveError, WaitError};
use crate::queue::Queue;

/// Waits for any of a lane's queues. Allocates once.
#[derive(Debug)]
pub struct Waiter {
    polled: Box<[libc::pollfd]>,
}

impl Waiter {
    /// A waiter for at most this many queues.
    #[must_use]
    pub fn new(queues: usize) -> Waiter {
        let none = libc::pollfd { fd: -1, events: 0, revents: 0 };
        Waiter { polled: vec![none; queues].into_boxed_slice() }
    }

    /// Blocks until a frame is there on any of `queues`, or the time is over; says whether one is
    /// there. Wakes the kernel where it wants to be. A signal ends the wait early.
    ///
    /// # Errors
    /// When an interface was removed. One that is merely down is waited for like any other.
    ///
    /// # Panics
    /// When there are more queues than the waiter was made for.
    pub fn wait(&mut self, queues: &[Queue], at_most: Duration) -> Result<bool, WaitError> {
        let polled = &mut self.polled[..queues.len()];
        for (entry, queue) in polled.iter_mut().zip(queues) {
            *entry = interest(queue.as_fd());
        }
        wait(queues, polled, at_most)
    }
}

pub(crate) fn wait_one(queue: &Queue, at_most: Duration) -> Result<bool, WaitError> {
    wait(std::slice::from_ref(queue), &mut [interest(queue.as_fd())], at_most)
}

fn wait(
    queues: &[Queue],
    polled: &mut [libc::pollfd],
    at_most: Duration,
) -> Result<bool, WaitError> {
    let ready = poll(polled, at_most)?;
    if !ready {
        // poll() is silent about an interface that was removed: it just waits.
        for queue in queues {
            queue.check().map_err(|error| match error {
                ReceiveError::Wake(source) => WaitError::Poll(source),
                _ => WaitError::InterfaceDown,
            })?;
        }
    }
    Ok(ready)
}

/// Lets time pass.
pub(crate) fn pause(length: Duration) {
    // With nothing to poll the result can only be that the time is over, or that a signal came.
    let _ = poll(&mut [], length);
}

fn interest(socket: BorrowedFd<'_>) -> libc::pollfd {
    libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 }
}

fn poll(polled: &mut [libc::pollfd], at_most: Duration) -> Result<bool, WaitError> {
    let timeout = libc::timespec {
        tv_sec: i64::try_from(at_most.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(at_most.subsec_nanos()),
    };
    let count = polled.len() as libc::nfds_t;
    // SAFETY: the kernel reads and writes `count` structures behind the pointer, and reads one
    // timeout.
    let ready = unsafe { libc::ppoll(polled.as_mut_ptr(), count, &raw const timeout, ptr::null()) };
    if ready < 0 {
        let error = io::Error::last_os_error();
        // A signal ends the wait early, which is no failure: the caller looks at its own state.
        return match error.kind() {
            io::ErrorKind::Interrupted => Ok(false),
            _ => Err(WaitError::Poll(error)),
        };
    }
    let gone = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;
    if polled.iter().any(|entry| entry.revents & gone != 0) {
        return Err(WaitError::InterfaceDown);
    }
    Ok(ready > 0)
}

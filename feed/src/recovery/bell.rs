//! Wakes a thread that sleeps in the kernel. Ringing costs a system call only while that thread says
//! that it sleeps.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering, fence};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{Errno, read, write};

/// One sleeper, any number of ringers.
///
/// The sleeper says that it dozes, then looks once more at what it would be woken for; a ringer
/// leaves that, then looks whether the sleeper dozes. Both fences together make at least one of them
/// see the other.
#[derive(Debug)]
pub(crate) struct Bell {
    fd: OwnedFd,
    dozes: AtomicBool,
}

impl Bell {
    pub(crate) fn new() -> Result<Bell, Errno> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Bell { fd, dozes: AtomicBool::new(false) })
    }

    /// The sleeper is about to sleep: it looks at everything it is woken for after this.
    pub(crate) fn doze(&self) {
        self.dozes.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The sleeper is awake again, and from now on looks by itself.
    pub(crate) fn wake(&self) {
        self.dozes.store(false, Ordering::Relaxed);
    }

    /// The sleeper has heard the bell.
    pub(crate) fn hush(&self) {
        let _ = read(&self.fd, &mut [0u8; 8]);
    }

    /// Wakes the sleeper if it sleeps. Whether that took a system call.
    pub(crate) fn ring(&self) -> bool {
        fence(Ordering::SeqCst);
        if !self.dozes.load(Ordering::Relaxed) || !self.dozes.swap(false, Ordering::Relaxed) {
            return false;
        }
        // It can't be full: it is rung once for each time the sleeper dozes.
        let _ = write(&self.fd, &1u64.to_ne_bytes());
        true
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rings_once_for_who_dozes_and_not_at_all_for_who_is_awake() {
        let bell = Bell::new().unwrap();
        assert!(!bell.ring(), "nobody sleeps");
        bell.doze();
        assert!(bell.ring());
        assert!(!bell.ring(), "rung already");
        bell.wake();
        let mut count = [0; 8];
        assert_eq!(read(&bell.fd, &mut count), Ok(8));
        assert_eq!(u64::from_ne_bytes(count), 1);
        bell.doze();
        bell.wake();
        assert!(!bell.ring());
        assert_eq!(read(&bell.fd, &mut count), Err(Errno::AGAIN));
    }

    #[test]
    fn no_work_is_left_behind_by_a_sleeper_that_found_none() {
        use std::sync::Arc;
        use std::sync::atomic::AtomicU64;
        const ROUNDS: u64 = 20_000;
        let bell = Arc::new(Bell::new().unwrap());
        let left = Arc::new(AtomicU64::new(0));
        let (ringer, work) = (Arc::clone(&bell), Arc::clone(&left));
        let thread = std::thread::spawn(move || {
            for round in 1..=ROUNDS {
                work.store(round, Ordering::Release);
                ringer.ring();
            }
        });
        let mut seen = 0;
        while seen < ROUNDS {
            bell.doze();
            let now = left.load(Ordering::Acquire);
            if now == seen {
                let mut fds = [rustix::event::PollFd::new(&*bell, rustix::event::PollFlags::IN)];
                let patience = crate::clock::timespec(candor_core::Nanos::from_secs(20));
                let woken = rustix::event::poll(&mut fds, Some(&patience)).unwrap();
                assert_eq!(woken, 1, "slept through round {}", seen + 1);
                bell.hush();
            }
            bell.wake();
            seen = left.load(Ordering::Acquire);
        }
        thread.join().unwrap();
    }
}

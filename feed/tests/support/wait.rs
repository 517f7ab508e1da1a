//! How tests wait for what another process or thread does.

use candor_core::Nanos;
use candor_shm::clock;

/// How long anything is waited for: the machine may have other things to do.
const PATIENCE: Nanos = Nanos::from_secs(30);

/// Tries until there is an answer.
pub fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let until = clock::now() + PATIENCE;
    while clock::now() < until {
        if let Some(found) = attempt() {
            return found;
        }
        pause(Nanos::from_millis(2));
    }
    panic!("waited in vain: {what}");
}

/// Lets time pass.
pub fn pause(length: Nanos) {
    let _ = rustix::thread::nanosleep(&candor::clock::timespec(length));
}

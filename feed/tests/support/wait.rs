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

/// Waits for a time that is at least so far behind the venue's midnight and so far before the next: a handler
/// ends its trading date there.
pub fn within_a_day(behind: Nanos, before: Nanos) {
    let date = |wall| candor::clock::date(wall, "America/New_York").unwrap();
    let now = candor::clock::wall;
    while date(now() - behind.0) != date(now() + before.0) {
        pause(Nanos::from_secs(1));
    }
}

/// What a test takes at most, of one trading date.
pub const ONE_TEST: Nanos = Nanos::from_secs(90);

/// Lets time pass.
pub fn pause(length: Nanos) {
    let _ = rustix::thread::nanosleep(&candor::clock::timespec(length));
}

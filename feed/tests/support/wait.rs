//! How tests wait for what another process or thread does.

use candor_core::{Mono, Nanos};
use candor_shm::clock;

/// How long anything is waited for: the machine may have other things to do.
pub const PATIENCE: Nanos = Nanos::from_secs(30);

/// Tries until there is an answer.
pub fn eventually<T>(what: &str, attempt: impl FnMut() -> Option<T>) -> T {
    by(clock::now() + PATIENCE, what, attempt)
}

/// Tries until there is an answer, which is to be there by a time.
pub fn by<T>(until: Mono, what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
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

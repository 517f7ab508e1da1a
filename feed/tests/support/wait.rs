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
/// ends its trading date there. So it is with two in the morning, where the calendar has the date begin: a handler that
/// is started again behind it takes what was followed before it for yesterday's.
pub fn within_a_day(behind: Nanos, before: Nanos) {
    const TWO_HOURS: u64 = 2 * 3_600_000_000_000;
    let date = |wall| candor::clock::date(wall, "America/New_York").unwrap();
    let now = candor::clock::wall;
    let is_one = |earlier| date(now() - earlier - behind.0) == date(now() - earlier + before.0);
    while !(is_one(0) && is_one(TWO_HOURS)) {
        pause(Nanos::from_secs(1));
    }
}

/// What a test takes at most, of one trading date.
pub const ONE_TEST: Nanos = Nanos::from_secs(90);

/// Lets time pass.
pub fn pause(length: Nanos) {
    let _ = rustix::thread::nanosleep(&candor::clock::timespec(length));
}

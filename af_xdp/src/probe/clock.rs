//! Whether the host's wall clock is looked after.

use std::io;
use std::mem::MaybeUninit;

/// What the kernel says of the wall clock, as whoever disciplines it (NTP, PTP) has told it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WallClock {
    /// Whether anybody vouches for it.
    pub synchronized: bool,
    /// How far it may be off, in microseconds; it grows while nobody corrects it.
    pub error_us: u64,
}

/// Asks the kernel; changes nothing.
///
/// # Errors
/// What the kernel says.
pub fn wall_clock() -> io::Result<WallClock> {
    let mut state = MaybeUninit::<libc::timex>::zeroed();
    // SAFETY: zeros are a `timex` whose `modes` ask for no change; the kernel fills it in, and keeps no
    // reference to it.
    let answer = unsafe { libc::adjtimex(state.as_mut_ptr()) };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: all zeros are valid for this struct of numbers, and the kernel wrote numbers.
    let state = unsafe { state.assume_init() };
    let vouched = answer != libc::TIME_ERROR && state.status & libc::STA_UNSYNC == 0;
    Ok(WallClock {
        synchronized: vouched,
        error_us: u64::try_from(state.maxerror).unwrap_or(u64::MAX),
    })
}

//! The parts of canaries that need more than a word: see `candor_core::canary`.

use std::hash::{BuildHasher, RandomState};

use candor_core::{Mono, Nanos, Reject, SymbolIndex, canary};

/// Puts symbols in a random order.
pub(crate) fn shuffle(symbols: &mut [SymbolIndex]) {
    if canary!(HashOrder) {
        let random = RandomState::new();
        symbols.sort_unstable_by_key(|symbol| random.hash_one(symbol));
    }
}

/// Moves a time by what a clock of the machine says.
#[expect(clippy::disallowed_methods, reason = "this is the fault")]
pub(crate) fn by_the_clock(time: &mut Mono) {
    if canary!(ClockInside) {
        let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        *time = *time - Nanos(clock.map_or(0, |since| since.subsec_nanos()).into());
    }
}

/// Describes a packet that is refused.
pub(crate) fn describe(reject: Reject) {
    if canary!(AllocatesOnError) {
        std::hint::black_box(format!("refused: {}", reject.label()));
    }
}

//! The parts of canaries that need more than a word: see `candor_core::canary`.

use candor_core::{Mono, Nanos, Reject, SymbolIndex, canary};

/// Puts symbols in a random order.
pub(crate) fn shuffle(symbols: &mut [SymbolIndex]) {
    if canary!(HashOrder) {
        let seed = canary::outside();
        symbols.sort_unstable_by_key(|symbol| u64::from(symbol.0).wrapping_mul(seed | 1));
    }
}

/// Moves a time by what a clock of the machine would say.
pub(crate) fn by_the_clock(time: &mut Mono) {
    if canary!(ClockInside) {
        *time = *time - Nanos(canary::outside() % 1_000_000_000);
    }
}

/// Describes a packet that is refused.
pub(crate) fn describe(reject: Reject) {
    if canary!(AllocatesOnError) {
        std::hint::black_box(format!("refused: {}", reject.label()));
    }
}

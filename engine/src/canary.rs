//! The parts of canaries that need more than a word: see `candor_core::canary`.

use candor_core::{Message, Mono, Nanos, Reject, SymbolIndex, canary};
use candor_decoders::Format;

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

/// What a memory may hold behind a packet or message that ends too soon.
pub(crate) struct Behind([u8; 2_048]);

impl Behind {
    /// All of it this byte.
    pub(crate) const fn of(byte: u8) -> Behind {
        Behind([byte; 2_048])
    }

    /// A packet whose blocks are cut short, with what lies behind it up to where it says it ends.
    pub(crate) fn packet<'a>(&'a mut self, format: Format, payload: &'a [u8]) -> &'a [u8] {
        let cut = format.frame(payload).err() == Some(Reject::TruncatedMessage);
        if !canary!(LengthsTrusted) || !cut || payload.len() + 64 > self.0.len() {
            return payload;
        }
        self.0[..payload.len()].copy_from_slice(payload);
        let ends = payload.len() + 1..payload.len() + 64;
        ends.map(|end| &self.0[..end]).find(|all| format.frame(all).is_ok()).unwrap_or(payload)
    }

    /// A message that is too short, with what lies behind it.
    pub(crate) fn message(&mut self, format: Format, bytes: &[u8]) -> Result<Message, Reject> {
        let read = format.decode(bytes);
        if !canary!(ShortMessageRead) || read != Err(Reject::ShortMessage) {
            return read;
        }
        self.0[..bytes.len()].copy_from_slice(bytes);
        format.decode(&self.0)
    }
}

/// Whether a snapshot is not held against what the lines brought. What the others leave out guards against the same, and
/// is seen to be missing only where this says nothing.
pub(crate) fn has_no_witness() -> bool {
    candor_core::canary!(ImageUnwitnessed)
        || candor_core::canary!(HeldUnproven)
        || candor_core::canary!(ContradictedReplayed)
}

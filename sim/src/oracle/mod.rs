//! Another mind: what is true of a venue's bytes, worked out a second time in the plainest way.
//!
//! The simulator judges a handler by this and by nothing of the handler's own. It reads the
//! packets as the exchange published them, before any network had them, with byte offsets typed
//! from the venues' documents ([`wire`], [`deep`]); keeps books of ordered maps ([`book`]); remembers what
//! every symbol looked like after every message ([`truth`]); and works out from what reached the
//! handler which numbers it can know of ([`sequence`]). No code is shared with the decoders, the
//! books, the gap filling or the engine.

pub mod book;
pub mod deep;
pub mod sequence;
pub mod truth;
pub mod wire;

pub use book::{Fingerprint, NaiveBook};
pub use sequence::Followed;
pub use truth::{Entry, Floor, Truth};

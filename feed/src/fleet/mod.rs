//! Many hosts compared: which of them runs another binary, configuration, layout or map than the rest, receives by
//! another mode, or says another thing of itself.
//!
//! What each host's own `candor status -o json` says is asked for ([`ask()`]) and compared by majority
//! ([`compare()`]); nothing here looks at a region.

mod ask;
mod compare;
mod hosts;

pub use ask::{Asked, Map, Said, ask};
pub use compare::{Finding, Kind, compare};
pub use hosts::{From, Host, Hosts};

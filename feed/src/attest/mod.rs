//! Whether what runs is what somebody has signed for: binary, configuration, layout of the region, maps.
//!
//! A handler takes its own digests at the start and publishes them in the region. Where `[attest]` is configured
//! it is Live only while a manifest, signed by the configured key, allows all of them ([`judge`]). Everything else,
//! a manifest that is missing, can't be read, is wrongly signed or says something else, is `NotAttested`
//! (`docs/decisions/0017`).
//!
//! | file | what |
//! | --- | --- |
//! | `binary.rs` | the digest of this very program |
//! | `manifest.rs` | what a manifest says, and that it is signed |
//! | `judge.rs` | whether what runs is what it allows: pure |
//! | `look.rs` | the thread that looks at the manifest's file again and again |
//! | `own.rs` | the handler's own thread's part |

mod binary;
mod judge;
pub(crate) mod look;
pub mod manifest;
pub(crate) mod own;

pub(crate) use binary::OWN;
pub use binary::binary;
pub use judge::{Digests, MapOf, Verdict, judge};
pub use manifest::{MANIFEST, Manifest};

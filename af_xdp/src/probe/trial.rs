//! What only trying tells. Both trials undo themselves.

use std::time::Duration;

use candor_ebpf::{AttachError, AttachMode, LoadError, LoadOptions, Program};

use crate::error::OpenError;
use crate::open::open;
use crate::options::{BindMode, HugePages, Options};

/// Why a trial failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrialError {
    /// The program can't be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It can't be attached.
    #[error(transparent)]
    Attach(#[from] AttachError),
}

/// Whether the driver runs XDP programs natively. Loads the program, attaches it, takes it off
/// again. Many drivers reset their queues for this, and lose what is in them: not for an interface
/// at work.
///
/// # Errors
/// When it doesn't, or a privilege is missing.
pub fn native_attaches(ifindex: u32) -> Result<(), TrialError> {
    let program = Program::load(LoadOptions { sockets: 1, endpoints: 1 })?;
    program.attach(ifindex, AttachMode::Native)?;
    Ok(())
}

/// Whether the driver has zero-copy on this queue. Binds a small socket and closes it again; the
/// queue is busy for some tens of milliseconds afterwards. Not for an interface at work.
///
/// # Errors
/// When it hasn't ([`OpenError::NoZeroCopy`]), or something else is missing.
pub fn zero_copy_binds(ifindex: u32, queue: u32, multi_buffer: bool) -> Result<(), OpenError> {
    open(&Options {
        mode: BindMode::ZeroCopy,
        receive_frames: 64,
        huge_pages: HugePages::No,
        multi_buffer,
        bind_within: Duration::from_millis(200),
        ..Options::new(ifindex, vec![queue])
    })
    .map(drop)
}

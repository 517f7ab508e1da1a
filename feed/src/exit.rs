//! How the process ends: the exit codes, and the one error that carries one.

use std::fmt;
use std::process::ExitCode;

/// Exit codes of every command. Stable: scripts and schedulers match on them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Exit {
    /// All is well.
    Ok = 0,
    /// Degraded, or stale.
    Degraded = 1,
    /// No-go.
    NoGo = 2,
    /// Unknown: no such symbol, or the handler is gone.
    Unknown = 3,
    /// The command line was wrong.
    Usage = 64,
    /// A file was read and its contents are not what they should be (a truncated capture).
    Data = 65,
    /// The operating system refused for a cause that is neither a privilege nor the configuration.
    Host = 71,
    /// A privilege or a limit is missing; the message names it.
    Privilege = 77,
    /// The configuration, or a layout, was refused.
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a command stopped: an exit code, and a text that says what was wrong and what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct Failure {
    /// What the process exits with.
    pub exit: Exit,
    /// What was wrong and what to do, for a person.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Failure {
    /// A failure with this code.
    #[must_use]
    pub fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure { exit, message: message.into() }
    }

    /// The command line asks for something that can't be done.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, message)
    }

    /// A privilege or a limit is missing.
    #[must_use]
    pub fn privilege(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Privilege, message)
    }

    /// The configuration does not fit, in itself or with this host.
    #[must_use]
    pub fn config(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Config, message)
    }

    /// The operating system refused.
    #[must_use]
    pub fn host(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Host, message)
    }

    /// A file's contents are not what they should be.
    #[must_use]
    pub fn data(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Data, message)
    }
}

impl From<candor_settings::Problems> for Failure {
    fn from(problems: candor_settings::Problems) -> Failure {
        Failure::config(problems.to_string())
    }
}

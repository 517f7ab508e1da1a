//! `candor run`.

use clap::Args;

use super::ConfigArg;
use crate::exit::{Exit, Failure};
use crate::{config, run};

/// Run the handler until SIGINT or SIGTERM.
///
/// The log goes to standard error.
#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    config: ConfigArg,
}

impl Run {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let config = config::load(&self.config.config)?;
        // No filter from the environment: what is worth an event at all is worth its line.
        tracing_subscriber::fmt()
            .with_writer(std::io::stderr)
            .with_ansi(false)
            .with_max_level(tracing::Level::INFO)
            .init();
        run::run(&config)
    }
}

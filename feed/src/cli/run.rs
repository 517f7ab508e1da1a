//! `candor run`.

use clap::Args;

use super::ConfigArg;
use crate::exit::{Exit, Failure};
use crate::stderr::Writer;
use crate::{config, run};

/// Run the handler until SIGINT or SIGTERM.
///
/// The log goes to standard error; a standard error that takes nothing holds nothing up, and what it
/// misses is counted.
#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    config: ConfigArg,

    /// Start although this interface is missing: its lines are not joined, and the alert `line-not-joined` says so
    /// as long as the handler runs. Once for each.
    #[arg(long, value_name = "IFACE")]
    without: Vec<String>,
}

impl Run {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let mut config = config::load(&self.config.config)?;
        config.without = self.without;
        let writer = Writer::start()
            .map_err(|error| Failure::host(format!("can't start the log's thread: {error}")))?;
        // No filter from the environment: what is worth an event at all is worth its line.
        tracing_subscriber::fmt()
            .with_writer(writer.lines())
            .with_ansi(false)
            .with_max_level(tracing::Level::INFO)
            .init();
        let outcome = run::run(&config, Some(&writer.lines()));
        // By the same way, so that a standard error that takes nothing can't hold up the end.
        let exit = outcome.unwrap_or_else(|failure| {
            writer.lines().put(format!("candor: {failure}\n").as_bytes());
            failure.exit
        });
        writer.finish();
        Ok(exit)
    }
}

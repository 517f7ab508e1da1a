//! `candor subscribe` and `candor unsubscribe`: a partition of the running handler, joined and left.

use candor_core::Nanos;
use clap::Args;
use serde_json::Value as Json;

use super::OutputArg;
use super::output::{Answer, Row, Value};
use super::region::RegionArg;
use crate::control::{Command, client};
use crate::exit::{Exit, Failure};

/// Has the running handler join a partition's lines again. Its books are Live again when a packet
/// shows that no number was missed; missed numbers are a gap. Exits 0 when that is done, 3 when the
/// handler is gone or hangs, 77 when it may not be asked, 78 when it has no such partition.
#[derive(Debug, Args)]
pub(super) struct Subscribe {
    #[command(flatten)]
    target: Target,
}

/// Has the running handler leave a partition's lines. When this returns, every reader sees its
/// symbols as Stale(Unsubscribed), until `candor subscribe` or the handler's next start. Exits 0 when
/// that is done, 3 when the handler is gone or hangs, 77 when it may not be asked, 78 when it has no
/// such partition.
#[derive(Debug, Args)]
pub(super) struct Unsubscribe {
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
struct Target {
    /// The venue, as configured.
    venue: String,
    /// The partition's name within the venue.
    partition: String,
    #[command(flatten)]
    region: RegionArg,
    #[command(flatten)]
    output: OutputArg,
}

impl Subscribe {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        self.target.run(Command::Subscribe)
    }
}

impl Unsubscribe {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        self.target.run(Command::Unsubscribe)
    }
}

impl Target {
    fn run(self, command: Command) -> Result<Exit, Failure> {
        let target = format!("{} {}", self.venue, self.partition);
        if target.contains(|c: char| c.is_control()) || target.len() > 64 {
            return Err(Failure::usage(format!("`{}` is no partition", target.escape_debug())));
        }
        let answer = client::ask(&self.region.control()?, command, &target)?;
        let text = |name: &str| match &answer[name] {
            Json::String(text) => Value::text(text),
            _ => Value::Absent,
        };
        let changed = if answer["changed"] == true { "yes" } else { "no" };
        let row = Row::new()
            .with("command", text("command"))
            .with("venue", text("venue"))
            .with("partition", text("partition"))
            .with("changed", Value::text(changed))
            .with("status", text("status"))
            .with("took", Value::Length(answer["took_ns"].as_u64().map(Nanos)));
        Answer::new().one("control", row).print(self.output.output)?;
        Ok(Exit::Ok)
    }
}

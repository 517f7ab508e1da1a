//! The command line. A file for each command; this one knows which there are, and turns what they
//! answer into an exit code.

mod alerts;
mod attest;
mod changes;
mod check;
mod control;
mod counters;
mod doctor;
mod drill;
mod fleet;
mod get;
mod halt;
mod journal;
mod loss;
mod map;
mod output;
mod partitions;
mod preopen;
pub mod print;
mod recovery;
mod region;
mod replay;
mod resume;
mod run;
mod stale;
mod status;
mod tail;
mod timeline;
mod top;
mod unmapped;
mod why;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit::{Exit, Failure};

/// A market-data feed handler that says Live only while it can prove it.
#[derive(Debug, Parser)]
#[command(name = "candor", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the handler.
    Run(run::Run),
    /// Check a configuration without running it.
    Check(check::Check),
    /// Check, compare, show, take, load and list the partition maps of venues.
    #[command(subcommand)]
    Map(map::MapCommand),
    /// Make keys, sign what may run, and see whether it does.
    #[command(subcommand)]
    Attest(attest::AttestCommand),
    /// Compare many hosts: who runs another binary, configuration, layout or map than the rest.
    #[command(subcommand)]
    Fleet(fleet::FleetCommand),
    /// Look whether this host can run a configuration.
    Doctor(doctor::Doctor),
    /// Make every stale path happen on this host, and sign what was seen.
    Drill(drill::Drill),
    /// Replay captures as fast as it goes, and write the books and counts they give.
    Replay(replay::Replay),
    /// Say what the handler as a whole is, and how much is live.
    Status(status::StatusQuery),
    /// List what operators are told of: what is wrong, where, since when, and what to do.
    Alerts(alerts::AlertsQuery),
    /// List the partitions.
    Partitions(partitions::Partitions),
    /// List the symbols that are stale, with the reason.
    Stale(stale::Stale),
    /// Explain a symbol's status, term by term.
    Why(why::Why),
    /// Show a symbol's prices with their status.
    Get(get::Get),
    /// Show the journal: every transition, map, digest, operator's verb, alert, gap and recovery.
    Journal(journal::JournalQuery),
    /// List what changed, ranked by how much it overlaps with what went stale.
    Changes(changes::ChangesQuery),
    /// Show the morning: milestones planned and done, and how much slack is left.
    Timeline(timeline::TimelineQuery),
    /// Follow the messages as they are applied.
    Tail(tail::Tail),
    /// List what was counted: refusals, duplicates, discards by reason, drops.
    Counters(counters::CountersQuery),
    /// Show what was lost, on which line, and who filled it.
    Loss(loss::LossQuery),
    /// List multicast that no partition takes.
    Unmapped(unmapped::UnmappedQuery),
    /// Go or no-go before the open, each check with its evidence.
    Preopen(preopen::Preopen),
    /// Show the handler live.
    Top(top::Top),
    /// Have the running handler join a partition's lines again.
    Subscribe(control::Subscribe),
    /// Have the running handler leave a partition's lines; its symbols are stale from then on.
    Unsubscribe(control::Unsubscribe),
    /// The kill switch: nothing of a target is Live any more, for any reader, until it is resumed.
    Halt(halt::Halt),
    /// End a halt, with a second person and if nothing else is wrong.
    Resume(resume::Resume),
}

impl Command {
    fn run(self) -> Result<Exit, Failure> {
        match self {
            Command::Run(command) => command.run(),
            Command::Check(command) => command.run(),
            Command::Map(command) => command.run(),
            Command::Attest(command) => command.run(),
            Command::Fleet(command) => command.run(),
            Command::Doctor(command) => command.run(),
            Command::Drill(command) => command.run(),
            Command::Replay(command) => command.run(),
            Command::Status(command) => command.run(),
            Command::Alerts(command) => command.run(),
            Command::Partitions(command) => command.run(),
            Command::Stale(command) => command.run(),
            Command::Why(command) => command.run(),
            Command::Get(command) => command.run(),
            Command::Journal(command) => command.run(),
            Command::Changes(command) => command.run(),
            Command::Timeline(command) => command.run(),
            Command::Tail(command) => command.run(),
            Command::Counters(command) => command.run(),
            Command::Loss(command) => command.run(),
            Command::Unmapped(command) => command.run(),
            Command::Preopen(command) => command.run(),
            Command::Top(command) => command.run(),
            Command::Subscribe(command) => command.run(),
            Command::Unsubscribe(command) => command.run(),
            Command::Halt(command) => command.run(),
            Command::Resume(command) => command.run(),
        }
    }
}

/// Which configuration.
#[derive(Debug, Args)]
struct ConfigArg {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
}

/// How a command prints its answer.
#[derive(Debug, Args)]
pub struct OutputArg {
    /// How to print.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// A form of output.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Output {
    /// Columns, for a person.
    Table,
    /// JSON, for a program.
    Json,
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, not errors.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            return match print::arrived(error.print()) {
                Err(failure) if exit == Exit::Ok => failed(&failure),
                _ => exit.into(),
            };
        }
    };
    match cli.command.run() {
        Ok(exit) => exit.into(),
        Err(failure) => failed(&failure),
    }
}

fn failed(failure: &Failure) -> ExitCode {
    print::error(&failure.message);
    failure.exit.into()
}

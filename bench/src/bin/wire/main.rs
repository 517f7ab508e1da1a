//! Wire to reader, in one run: how long after a sender stamped a message does a reader have it.
//!
//! Four paths, their rounds interleaved: AF_XDP and recvmmsg, each with nothing behind it and with
//! the whole handler, its own process, behind it. Everything happens on one veth pair between two
//! network namespaces that have no name and are gone with this process, however it ends.
//!
//! One thread sends a message, then looks for it, then sends the next: the machines this is built on
//! have two cores, and the other one is the lane's. What it measures therefore contains the return
//! of the sending system call, on whose time the kernel does all of veth's receive work; that is a
//! row of its own.

mod bare;
mod handler;
mod machine;
mod ramp;
mod report;
mod rounds;
mod source;
mod start;
mod traffic;
mod veth;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::report::Report;
use crate::rounds::Plan;
use crate::source::Kind;

/// The exit code of a missing privilege.
const NO_PRIVILEGE: u8 = 77;

#[derive(Parser)]
#[command(name = "candor-wire", about = "Measures from the wire to a reader of the region")]
struct Arguments {
    /// A few seconds, to see that it works: counts are checked, times mean nothing.
    #[arg(long)]
    quick: bool,
    /// Rounds of each path.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Messages sent in a round.
    #[arg(long, default_value_t = 20_000)]
    messages: u32,
    /// From one message to the next, in microseconds.
    #[arg(long, default_value_t = 50)]
    gap: u64,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Subcommand)]
enum Role {
    /// How long a handler takes from its start to Live beside an open market, and what memory.
    Start {
        /// Numbers of partitions, a row each.
        #[arg(value_delimiter = ',', default_value = "1,32,512")]
        partitions: Vec<u16>,
    },
    /// The handler's process; the benchmark starts it itself.
    #[command(hide = true)]
    Handler {
        /// What it receives by.
        kind: Kind,
        /// Where its region goes.
        folder: PathBuf,
        /// Its lane's core.
        core: u16,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.role {
        Some(Role::Handler { kind, ref folder, core }) => handler::serve(kind, folder, core),
        Some(Role::Start { ref partitions }) => starts(partitions),
        None => measure(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Problem::Privilege(missing)) => {
            println!("skipped: wire: {missing} is missing");
            ExitCode::from(NO_PRIVILEGE)
        }
        Err(Problem::Other(text)) => {
            eprintln!("candor-wire: {text}");
            ExitCode::FAILURE
        }
    }
}

/// Why there is no result.
enum Problem {
    /// These privileges are missing, by name.
    Privilege(String),
    /// Anything else, in words.
    Other(String),
}

impl Problem {
    /// Says what failed, and why.
    fn of(what: &str) -> impl FnOnce(std::io::Error) -> Problem + '_ {
        move |error| Problem::Other(format!("{what}: {error}"))
    }
}

impl From<candor::exit::Failure> for Problem {
    fn from(failure: candor::exit::Failure) -> Problem {
        match failure.exit {
            candor::exit::Exit::Privilege => Problem::Privilege(failure.message),
            _ => Problem::Other(failure.message),
        }
    }
}

fn starts(partitions: &[u16]) -> Result<(), Problem> {
    machine::privileges()?;
    println!("{}", candor_bench::machine::machine());
    start::measure(partitions)
}

fn measure(arguments: &Arguments) -> Result<(), Problem> {
    machine::privileges()?;
    let cores = machine::two_cores()?;
    let plan = match arguments.quick {
        true => Plan { rounds: 1, messages: 2_000, gap_ns: 20_000, ramps: false, cores },
        false => Plan {
            rounds: arguments.rounds.max(1),
            messages: arguments.messages.max(1),
            gap_ns: arguments.gap * 1_000,
            ramps: true,
            cores,
        },
    };
    println!("{}", machine::describe(cores));
    let mut report = Report::default();
    rounds::run(&plan, &mut report)?;
    report.print();
    if !arguments.quick {
        return Ok(());
    }
    match report.check() {
        Ok(summary) => {
            println!("shown: wire: {summary}");
            Ok(())
        }
        Err(text) => Err(Problem::Other(text)),
    }
}

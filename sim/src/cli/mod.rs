//! The program `candor-exchange`: an exchange on real sockets, for tests and demonstrations. The
//! one part of this crate that reads a clock and opens sockets. It is in the library so that a test
//! elsewhere can be the exchange in a process of its own.

mod args;
mod clock;
mod config;
mod doors;
mod endpoints;
mod listen;
mod run;
mod truthfile;
mod wire;

use std::ffi::OsString;
use std::process::ExitCode;

use args::{Cli, Verb};
use clap::Parser;

/// Exit code of a wrong command line.
const USAGE: u8 = 64;

/// Runs the program with these arguments, the first of which is its name. Returns what the process
/// shall exit with.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no mistakes; printing them can fail only where nobody reads.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let outcome = match &cli.command {
        Verb::Run(args) => run::run(args),
        Verb::Config(args) => config::config(args).map(|text| print!("{text}")),
        Verb::Control { socket, command } => control(socket, &command.join(" ")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("candor-exchange: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The handler's configuration that matches an exchange, as the verb `config` prints it with these
/// flags.
///
/// # Errors
/// What is wrong with the flags, in words.
pub fn handler_config(flags: &[String]) -> Result<String, String> {
    let verb = ["candor-exchange", "config"].map(str::to_owned);
    match Cli::try_parse_from(verb.iter().chain(flags)).map(|cli| cli.command) {
        Ok(Verb::Config(args)) => config::config(&args),
        Ok(_) => Err("not the verb config".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Sends one command to a running exchange by its control socket and returns its answer.
///
/// # Errors
/// Why there is none, in words.
pub fn ask(socket: &std::path::Path, command: &str) -> Result<String, String> {
    let answer = listen::ask(socket, command)?;
    match answer.strip_prefix("error: ") {
        Some(error) => Err(error.trim_end().to_owned()),
        None => Ok(answer),
    }
}

fn control(socket: &std::path::Path, command: &str) -> Result<(), String> {
    print!("{}", ask(socket, command)?);
    Ok(())
}

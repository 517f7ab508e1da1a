//! `candor-exchange`: an exchange on real sockets, for tests and demonstrations.
#![forbid(unsafe_code)]

mod args;
mod clock;
mod config;
mod endpoints;
mod listen;
mod run;
mod truthfile;
mod wire;

use std::process::ExitCode;

use args::{Cli, Verb};
use clap::Parser;

/// Exit code of a wrong command line.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
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

fn control(socket: &std::path::Path, command: &str) -> Result<(), String> {
    let answer = listen::ask(socket, command)?;
    match answer.strip_prefix("error: ") {
        Some(error) => Err(error.trim_end().to_owned()),
        None => {
            print!("{answer}");
            Ok(())
        }
    }
}

//! Counts the instructions of single operations under callgrind, and holds them against those of
//! `bench/counts.toml`: a path that takes more is found on any machine, however busy it is.
//!
//! Instructions are no time. What misses a cache or guesses wrong costs nothing here; the benchmarks beside
//! this program are for that.
#![forbid(unsafe_code)]

mod callgrind;
mod file;
mod rows;

use std::path::Path;
use std::process::{Command, ExitCode};

use clap::Parser;

use crate::file::{Counts, Difference};

#[derive(Parser)]
#[command(name = "candor-counts", about = "Counts instructions of single operations")]
struct Arguments {
    /// Only does what is counted, to be watched: what this program runs under valgrind.
    #[arg(long)]
    work: bool,
}

/// Where the counts are kept.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/counts.toml");

fn main() -> ExitCode {
    if Arguments::parse().work {
        rows::all();
        return ExitCode::SUCCESS;
    }
    match compare() {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn compare() -> Result<String, String> {
    let rustc = rustc()?;
    let bless = std::env::var_os("CANDOR_BLESS").is_some();
    let said = if bless { None } else { Some(Counts::read(Path::new(FILE))?) };
    if let Some(said) = &said
        && let Some(difference) = said.other_compiler(&rustc, std::env::consts::ARCH)
    {
        return Ok(format!("skipped: counts: {difference}"));
    }
    // Valgrind shows every processor with AVX2 as one and the same, and glibc copies as that one does.
    #[cfg(target_arch = "x86_64")]
    if !std::arch::is_x86_feature_detected!("avx2") {
        return Ok(
            "skipped: counts: this processor has no AVX2, and those that count here do".into()
        );
    }
    let found = Counts { rustc, machine: std::env::consts::ARCH.into(), rows: callgrind::count()? };
    let Some(said) = said else {
        let written = std::fs::write(FILE, found.text());
        written.map_err(|error| format!("{FILE}: {error}"))?;
        return Ok(format!("{} rows written to {FILE}", found.rows.len()));
    };
    let differences = said.differences(&found);
    if differences.is_empty() {
        let rows = found.rows.len();
        return Ok(format!("shown: {rows} operations take the instructions they took, within 2%"));
    }
    let lines: Vec<String> = differences.iter().map(Difference::to_string).collect();
    Err(format!("{}\n\n{}", lines.join("\n"), file::RESTATE))
}

/// The compiler: which instructions there are, is its doing.
fn rustc() -> Result<String, String> {
    let program = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(program).arg("--version").output();
    let output = output.map_err(|error| format!("rustc --version: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

//! Makes a day of ITCH to measure with, and measures what each stage of the way to a published book costs
//! for one message, with the least that could be done beside it.
#![forbid(unsafe_code)]

mod books;
mod day_file;
mod floor;
mod itch;
mod lines;
mod recover;
mod region;
mod report;
mod scale;

use std::path::PathBuf;
use std::process::ExitCode;

use candor_bench::day::Plan;
use candor_bench::stopwatch::Stopwatch;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// As in the handler.
#[global_allocator]
static MEMORY: candor::memory::LargePages = candor::memory::LargePages;

#[derive(Parser)]
#[command(name = "candor-bench", about = "Measures Candor beside the machine's floors")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes a day of TotalView-ITCH 5.0: each message behind its length, two bytes, big-endian.
    Gen {
        /// The same seed makes the same file.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Messages in all.
        #[arg(long)]
        messages: u64,
        /// Symbols, at most 65,535.
        #[arg(long, default_value_t = 8_906)]
        symbols: u32,
        /// The file to write.
        #[arg(long)]
        out: PathBuf,
    },
    /// Framing, decoding, books and publication of such a file, for one message.
    Itch(ItchArguments),
    /// What the region costs its writer and its readers, and how long a change takes, with none to many readers.
    Region {
        /// How often each row is measured; the middle is reported.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
        /// Only rows whose name contains this.
        #[arg(long, default_value = "")]
        only: String,
        /// By which clock the costs are; hops are always by the monotonic one.
        #[arg(long, default_value = "thread")]
        clock: Clock,
        /// How results are printed.
        #[arg(short, long, default_value = "table")]
        output: Output,
    },
    /// What a message of the stream costs where two lines carry it, lag and lose.
    Lines(RowsArguments),
    /// What a message costs that is held back while a snapshot loads.
    Recover(RowsArguments),
    /// What a message costs and what memory is taken as live orders, symbols, levels or partitions grow.
    Scale {
        /// Only this; all where it is left out.
        #[arg(long)]
        axis: Option<scale::Axis>,
        /// Only this step of it, in this process.
        #[arg(long, requires = "axis")]
        size: Option<usize>,
        /// How often each step is measured; the middle is reported.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
        /// By which clock.
        #[arg(long, default_value = "thread")]
        clock: Clock,
        /// How results are printed.
        #[arg(short, long, default_value = "table")]
        output: Output,
    },
}

#[derive(Args)]
struct RowsArguments {
    /// How often each row is measured; the middle is reported.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// By which clock.
    #[arg(long, default_value = "thread")]
    clock: Clock,
    /// How results are printed.
    #[arg(short, long, default_value = "table")]
    output: Output,
}

#[derive(Args)]
struct ItchArguments {
    /// Messages of TotalView-ITCH 5.0, each behind its length: of `gen`, or a day that Nasdaq published.
    file: PathBuf,
    /// How often each stage is measured; the middle is reported.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Only stages whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Orders the books have room for.
    #[arg(long, default_value_t = candor_core::limits::ORDERS)]
    orders: usize,
    /// Price levels the books have room for.
    #[arg(long, default_value_t = candor_core::limits::LEVELS)]
    levels: usize,
    /// By which clock.
    #[arg(long, default_value = "thread")]
    clock: Clock,
    /// How results are printed.
    #[arg(short, long, default_value = "table")]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Clock {
    /// The thread's processor time: what others of the machine do at the time is left out.
    Thread,
    /// The monotonic clock.
    Monotonic,
}

impl From<Clock> for Stopwatch {
    fn from(clock: Clock) -> Stopwatch {
        match clock {
            Clock::Thread => Stopwatch::Thread,
            Clock::Monotonic => Stopwatch::Monotonic,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Gen { seed, messages, symbols, out } => {
            day_file::write(Plan { seed, messages, symbols }, &out)
        }
        Command::Itch(arguments) => itch(&arguments),
        Command::Lines(arguments) => rows(&arguments, lines::measure),
        Command::Recover(arguments) => rows(&arguments, recover::measure),
        Command::Region { rounds, only, clock, output } => share(rounds, &only, clock, output),
        Command::Scale { axis, size, rounds, clock, output } => {
            grow(axis, size, rounds, clock, output)
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("candor-bench: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn grow(
    axis: Option<scale::Axis>,
    size: Option<usize>,
    rounds: u32,
    clock: Clock,
    output: Output,
) -> Result<(), String> {
    let stopwatch = Stopwatch::from(clock);
    let machine = candor_bench::machine::machine();
    let rows = if let (Some(axis), Some(size)) = (axis, size) {
        vec![scale::step(axis, size, rounds, stopwatch)]
    } else {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let name = |value: &dyn Fn() -> Option<clap::builder::PossibleValue>| {
            value().map(|value| value.get_name().to_owned()).unwrap_or_default()
        };
        let clock = name(&|| clock.to_possible_value());
        scale::measure(axis, |axis, size| {
            let axis = name(&|| axis.to_possible_value());
            let (size, rounds) = (size.to_string(), rounds.to_string());
            let arguments = ["--axis", &axis, "--size", &size, "--rounds", &rounds];
            let mut step = std::process::Command::new(&program);
            step.arg("scale").args(arguments).args(["--clock", &clock, "-o", "json"]).output()
        })?
    };
    match output {
        Output::Table => print!("{machine}\n{}", scale::table(&rows)),
        Output::Json => println!("{:#}", scale::json(&machine, stopwatch.label(), &rows)),
    }
    Ok(())
}

fn rows(
    arguments: &RowsArguments,
    measure: fn(u32, Stopwatch) -> Result<Vec<report::Measured>, String>,
) -> Result<(), String> {
    let stopwatch = Stopwatch::from(arguments.clock);
    let machine = candor_bench::machine::machine();
    let rows = measure(arguments.rounds, stopwatch)?;
    match arguments.output {
        Output::Table => {
            let figures = rows.iter().map(report::Measured::figure);
            print!("{machine}\n\n{}", report::figures("row", "message", figures));
        }
        Output::Json => {
            println!("{:#}", report::rows_json(&machine, stopwatch.label(), "message", &rows));
        }
    }
    Ok(())
}

fn share(rounds: u32, only: &str, clock: Clock, output: Output) -> Result<(), String> {
    let stopwatch = Stopwatch::from(clock);
    let machine = candor_bench::machine::machine();
    let results = region::measure(rounds, only, stopwatch)?;
    match output {
        Output::Table => print!("{machine}\n{}", region::table(&results)),
        Output::Json => println!("{:#}", region::json(&machine, stopwatch.label(), &results)),
    }
    Ok(())
}

fn itch(arguments: &ItchArguments) -> Result<(), String> {
    let stopwatch = Stopwatch::from(arguments.clock);
    let room = books::Room { orders: arguments.orders, levels: arguments.levels };
    let machine = candor_bench::machine::machine();
    let input = itch::Input::read(&arguments.file)?;
    let results = itch::measure(&input, room, arguments.rounds, &arguments.only, stopwatch)?;
    match arguments.output {
        Output::Table => print!("{machine}\n{}", report::table(&input, &results)),
        Output::Json => {
            println!("{:#}", report::json(&machine, stopwatch.label(), &input, &results));
        }
    }
    Ok(())
}

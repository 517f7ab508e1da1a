//! The `candor` command; everything it does is in the library.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    candor::cli::main()
}

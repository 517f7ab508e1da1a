//! `candor-exchange`: an exchange on real sockets, for tests and demonstrations. All of it is in
//! the library.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    candor_sim::cli::main(std::env::args_os())
}

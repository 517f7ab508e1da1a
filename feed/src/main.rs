//! The `candor` command; everything it does is in the library.
#![forbid(unsafe_code)]

#[global_allocator]
static MEMORY: candor::memory::LargePages = candor::memory::LargePages;

fn main() -> std::process::ExitCode {
    candor::cli::main()
}

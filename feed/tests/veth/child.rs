//! What this test binary is when another test starts it again in a process of its own: the
//! exchange, or a handler whose allocations are counted. So no other binary has to be there first.

use std::io::BufRead;
use std::path::Path;
use std::process::Command;

use crate::allocation;

/// Says which of them to be.
const ROLE: &str = "CANDOR_VETH_ROLE";
/// The arguments, one a line.
const ARGUMENTS: &str = "CANDOR_VETH_ARGUMENTS";

/// This binary as another program, to be started by `launcher`'s last argument.
pub fn command(mut launcher: Command, role: &str, arguments: &[String]) -> Command {
    launcher.arg(std::env::current_exe().unwrap());
    launcher.args(["--exact", "child::the_program_of_a_child_process", "--ignored", "--nocapture"]);
    launcher.env(ROLE, role).env(ARGUMENTS, arguments.join("\n"));
    launcher
}

#[test]
#[ignore = "no test: what a child process of the others runs"]
fn the_program_of_a_child_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    // A test that is killed can't clean up behind itself.
    let signal = Some(rustix::process::Signal::KILL);
    let _ = rustix::process::set_parent_process_death_signal(signal);
    let arguments = std::env::var(ARGUMENTS).unwrap();
    match role.as_str() {
        "exchange" => {
            let arguments = std::iter::once("candor-exchange").chain(arguments.lines());
            let _ = candor_sim::cli::main(arguments.map(Into::into));
        }
        "handler" => counted_handler(Path::new(&arguments)),
        other => panic!("no role {other}"),
    }
    std::process::exit(0);
}

/// The handler as a library, answering each line on standard input with what its lanes allocated.
fn counted_handler(config: &Path) {
    std::thread::spawn(|| {
        for _ in std::io::stdin().lock().lines() {
            println!("{}", allocation::counted());
        }
    });
    let config = candor::config::load(config).unwrap_or_else(|error| panic!("{error}"));
    candor::run::run(&config, None).unwrap_or_else(|failure| panic!("{failure}"));
}

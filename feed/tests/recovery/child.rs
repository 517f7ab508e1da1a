//! What this test binary is when a test starts it again: the exchange, in a process of its own. So no
//! other binary has to be there first.

use std::process::Command;

const ROLE: &str = "CANDOR_RECOVERY_ROLE";
/// The arguments, one a line.
const ARGUMENTS: &str = "CANDOR_RECOVERY_ARGUMENTS";

/// The exchange with these arguments.
pub fn exchange(arguments: &[String]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child::the_program_of_a_child_process", "--ignored", "--nocapture"]);
    command.env(ROLE, "exchange").env(ARGUMENTS, arguments.join("\n"));
    command
}

#[test]
#[ignore = "no test: what a child process of the others runs"]
fn the_program_of_a_child_process() {
    if std::env::var(ROLE).is_err() {
        return;
    }
    // A test that is killed can't clean up behind itself.
    let signal = Some(rustix::process::Signal::KILL);
    let _ = rustix::process::set_parent_process_death_signal(signal);
    let arguments = std::env::var(ARGUMENTS).unwrap();
    let arguments = std::iter::once("candor-exchange").chain(arguments.lines());
    let _ = candor_sim::cli::main(arguments.map(Into::into));
    std::process::exit(0);
}

//! A process that does not outlive its owner.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use candor_core::Mono;
use candor_shm::clock;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// Killed when dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
    out: BufReader<ChildStdout>,
}

/// When a process was told to halt, and a moment at which it had.
#[derive(Clone, Copy, Debug)]
pub struct Halt {
    pub sent: Mono,
    pub halted: Mono,
}

impl Process {
    /// Starts a program. What it says on standard error goes to `log`.
    pub fn spawn(mut command: Command, log: &Path) -> Process {
        let file = File::options().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Process { child, log: log.to_owned(), out }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal; returns a moment after which it has been sent.
    pub fn signal(&self, signal: Signal) -> Mono {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        clock::now()
    }

    /// Sends SIGKILL or SIGSTOP and waits until no thread of the process runs any more, which is up
    /// to the kernel: a thread on another core goes on for as long as that takes.
    pub fn halt(&self, signal: Signal) -> Halt {
        let sent = self.signal(signal);
        super::eventually("every thread halts", || self.is_halted().then_some(()));
        Halt { sent, halted: clock::now() }
    }

    fn is_halted(&self) -> bool {
        // The kernel's word first: a list of threads ends early where one of them dies under it.
        let pid = Pid::from_child(&self.child);
        let kinds = [WaitIdOptions::EXITED, WaitIdOptions::STOPPED];
        let ways = kinds.map(|kind| kind | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT);
        if ways.iter().all(|way| waitid(WaitId::Pid(pid), *way).unwrap().is_none()) {
            return false;
        }
        let Ok(tasks) = std::fs::read_dir(format!("/proc/{}/task", self.pid())) else {
            return true;
        };
        tasks.flatten().all(|task| {
            // The state is the first word behind the name, which may hold anything.
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            let state = stat.rsplit_once(") ").map(|(_, rest)| rest.as_bytes()[0]);
            state.is_none_or(|state| b"TZX".contains(&state))
        })
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for the end of it.
    pub fn ended(&mut self) -> ExitStatus {
        super::eventually("the process ends", || self.child.try_wait().unwrap())
    }

    /// Says a line and takes the next that answers in the form of numbers.
    pub fn ask(&mut self) -> Vec<u64> {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        loop {
            let mut line = String::new();
            assert_ne!(self.out.read_line(&mut line).unwrap(), 0, "it ended:\n{}", self.log());
            let numbers: Result<Vec<u64>, _> = line.split_whitespace().map(str::parse).collect();
            if let Some(numbers) = numbers.ok().filter(|numbers| !numbers.is_empty()) {
                return numbers;
            }
        }
    }

    /// What it said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

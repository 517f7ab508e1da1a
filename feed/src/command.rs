//! A command of the operator's, one that fetches a map or asks another host: started without a shell, waited for no
//! longer than it was given, and never believed further than what it wrote.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use candor_core::Nanos;
use candor_settings::TEXT_MAX;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::clock::{Clock, timespec};

/// How long the output of a command is waited for that has ended: what it started may hold it open.
const LINGER: Nanos = Nanos::from_millis(500);

/// Bytes of standard error that are kept: its last ones.
const ERROR_KEPT: usize = 4_096;

/// Lines of standard error that are quoted at most, and characters of each.
const QUOTED: (usize, usize) = (5, 200);

/// A command that has ended by itself.
pub(crate) struct Ended {
    program: String,
    status: ExitStatus,
    /// What it wrote to standard output.
    pub(crate) out: Vec<u8>,
    /// The last lines of its standard error.
    quoted: String,
}

impl Ended {
    /// What it exited with; `None` where a signal ended it.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// How it ended, in words, with the last it wrote to standard error.
    pub(crate) fn how(&self) -> String {
        format!("{} {}{}", self.program, ended(self.status), self.quoted)
    }
}

/// What a command wrote to standard output, once it has ended well.
///
/// # Errors
/// As [`run_to_end`], and where it ended with another code than 0 or by a signal.
pub(crate) fn run(argv: &[String], folder: &Path, timeout: Nanos) -> Result<Vec<u8>, String> {
    let ended = run_to_end(argv, folder, timeout)?;
    if ended.status.success() { Ok(ended.out) } else { Err(ended.how()) }
}

/// A command that has ended, whatever it says by its code.
///
/// # Errors
/// In words: it can't be started, or was killed because it ran for longer than `timeout` or wrote too much. The last
/// lines of its standard error are quoted.
pub(crate) fn run_to_end(argv: &[String], folder: &Path, timeout: Nanos) -> Result<Ended, String> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err("no command is configured".to_owned());
    };
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    // A group of its own, so that what it starts can be killed with it.
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command
        .spawn()
        .map_err(|error| format!("{program} can't be started: {error}; is `command` right?"))?;
    let mut watched = Watched::default();
    let end = watched.watch(&mut child, timeout);
    // Whatever it started and left behind ends with it; there may be nothing.
    if let Ok(Some(group)) = i32::try_from(child.id()).map(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    // And itself, where it has left its group.
    let _ = child.kill();
    let status = end_of(&mut child);
    let killed = match status {
        Ok(None) => "could not be killed: it still runs, as another user, or in the kernel",
        _ => "was killed",
    };
    let quoted = watched.quoted();
    match (end, status) {
        (Ok(End::Ended), Ok(Some(status))) => {
            Ok(Ended { program: program.clone(), status, out: watched.out, quoted })
        }
        (Ok(End::TimedOut | End::Ended), Ok(_)) | (Ok(End::TimedOut), Err(_)) => {
            Err(format!("{program} did not end within {timeout} and {killed}{quoted}"))
        }
        (Ok(End::TooLong), _) => Err(format!(
            "{program} wrote more than {} MiB to standard output and {killed}{quoted}",
            TEXT_MAX >> 20
        )),
        (Ok(End::HeldOpen), _) => Err(format!(
            "{program} ended and left something behind that holds its standard output open: nobody knows \
             whether that was all{quoted}"
        )),
        (Err(error), _) | (Ok(End::Ended), Err(error)) => {
            Err(format!("{program} can't be watched: {error}; it {killed}{quoted}"))
        }
    }
}

/// How a killed command has ended; `None` where it has not soon. One that runs as another user can't be killed,
/// and is not waited for.
fn end_of(child: &mut Child) -> io::Result<Option<ExitStatus>> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // It has not been waited for: the number is still its own.
    let process = pid.map(|pid| pidfd_open(pid, PidfdFlags::empty())).transpose()?;
    if let Some(process) = &process {
        let mut polled = [PollFd::new(process, PollFlags::IN)];
        // A signal that cuts this short leaves a command that seems to run on.
        let _ = poll(&mut polled, Some(&timespec(LINGER)));
    }
    child.try_wait()
}

fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "did not end well".to_owned(),
    }
}

enum End {
    Ended,
    TimedOut,
    TooLong,
    HeldOpen,
}

/// What a command has written so far.
#[derive(Default)]
struct Watched {
    out: Vec<u8>,
    error: VecDeque<u8>,
}

impl Watched {
    /// Reads what the command writes until it has ended, or must.
    fn watch(&mut self, child: &mut Child, timeout: Nanos) -> io::Result<End> {
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("it has no process id"))?;
        let process = pidfd_open(pid, PidfdFlags::empty())?;
        let (mut out, mut error) = (child.stdout.take(), child.stderr.take());
        let mut clock = Clock::new();
        let mut until = clock.now() + timeout;
        let mut running = true;
        if let Some(pipe) = &out {
            never_wait(pipe)?;
        }
        if let Some(pipe) = &error {
            never_wait(pipe)?;
        }
        // BOUND: by `until`, and each round but the last reads something or sees the end.
        loop {
            if out.as_mut().is_some_and(|pipe| !self.take_out(pipe)) {
                out = None;
            }
            if error.as_mut().is_some_and(|pipe| !self.take_error(pipe)) {
                error = None;
            }
            if self.out.len() as u64 > TEXT_MAX {
                return Ok(End::TooLong);
            }
            if !running && out.is_none() && error.is_none() {
                return Ok(End::Ended);
            }
            let now = clock.now();
            if now >= until {
                return Ok(match (running, &out) {
                    (true, _) => End::TimedOut,
                    (false, Some(_)) => End::HeldOpen,
                    (false, None) => End::Ended,
                });
            }
            let mut polled = Vec::with_capacity(3);
            if running {
                polled.push(PollFd::new(&process, PollFlags::IN));
            }
            polled.extend(out.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
            polled.extend(error.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
            match poll(&mut polled, Some(&timespec(until.since(now)))) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            if running && !polled.first().is_none_or(|process| process.revents().is_empty()) {
                running = false;
                until = until.min(clock.now() + LINGER);
            }
        }
    }

    /// Takes what is there; `false` at the end.
    fn take_out(&mut self, pipe: &mut impl Read) -> bool {
        take(pipe, |bytes| self.out.extend(bytes))
    }

    fn take_error(&mut self, pipe: &mut impl Read) -> bool {
        take(pipe, |bytes| {
            self.error.extend(bytes);
            let beyond = self.error.len().saturating_sub(ERROR_KEPT);
            self.error.drain(..beyond);
        })
    }

    /// The last lines of standard error, escaped and cut, to come behind what went wrong.
    fn quoted(&mut self) -> String {
        let text = String::from_utf8_lossy(self.error.make_contiguous()).into_owned();
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let (most, width) = QUOTED;
        let mut quoted = String::new();
        for line in &lines[lines.len().saturating_sub(most)..] {
            let mut short: String = line.chars().take(width).collect();
            if short.len() < line.len() {
                short.push('…');
            }
            quoted.push_str("\n  ");
            short.chars().for_each(|one| match one {
                '"' | '\'' | '\\' => quoted.push(one),
                one => quoted.extend(one.escape_debug()),
            });
        }
        match quoted.is_empty() {
            true => "; it wrote nothing to standard error".to_owned(),
            false => format!("; the last it wrote to standard error:{quoted}"),
        }
    }
}

/// Bytes of one read, and reads of one round: the time is looked at in between.
const ROUND: (usize, usize) = (64 << 10, 16);

/// Takes what is there; `false` at the end, and where nothing can be read any more.
fn take(pipe: &mut impl Read, mut keep: impl FnMut(&[u8])) -> bool {
    let mut buffer = vec![0; ROUND.0];
    for _ in 0..ROUND.1 {
        match pipe.read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) => keep(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
    true
}

fn never_wait(pipe: &impl AsFd) -> io::Result<()> {
    Ok(fcntl_setfl(pipe, fcntl_getfl(pipe)? | OFlags::NONBLOCK)?)
}

//! The operator's command that passes alerts on: started without a shell on a thread of its own, with the line of
//! JSON on its standard input, a few at once at most, and killed when it has run for too long. Nobody waits for it.

use std::collections::VecDeque;
use std::io::{ErrorKind, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use candor_core::Mono;
use candor_core::alert::{Code, Severity};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process_group};

use super::{About, Raiser};
use crate::clock::Clock;
use crate::config;

/// Alerts that wait for their run. More are counted as failed.
const WAITING: usize = 64;

/// How often runs are looked after, while there are any.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The thread's other end.
pub(super) struct Commander {
    to: SyncSender<String>,
    least: Severity,
    counts: Arc<Counts>,
    raiser: Raiser,
}

#[derive(Default)]
struct Counts {
    done: AtomicU64,
    failed: AtomicU64,
}

impl Commander {
    /// Starts the thread. Where the host gives none that is said, and nothing is passed on.
    pub(super) fn start(config: &config::Alerts, raiser: &Raiser) -> Option<Commander> {
        let (to, from) = mpsc::sync_channel(WAITING);
        let counts = Arc::new(Counts::default());
        let desk = Runs {
            config: config.clone(),
            raiser: raiser.clone(),
            counts: Arc::clone(&counts),
            waiting: VecDeque::new(),
            running: Vec::new(),
            failed: false,
            clock: Clock::new(),
        };
        let named = thread::Builder::new().name("alerts".to_owned());
        match named.spawn(move || desk.work(&from)) {
            Ok(_) => Some(Commander { to, least: config.severity, counts, raiser: raiser.clone() }),
            Err(error) => {
                let text = format!("the command has no thread, and is not run: {error}");
                raiser.raise(Code::AlertCommand, About::Handler, text);
                None
            }
        }
    }

    /// Passes an alert on, if it is as severe as that.
    pub(super) fn run(&self, severity: Severity, json: String) {
        if severity < self.least {
            return;
        }
        if self.to.try_send(json).is_err() {
            self.counts.failed.fetch_add(1, Ordering::Relaxed);
            let text = "the command is too slow: alerts are not passed on";
            self.raiser.raise(Code::AlertCommand, About::Handler, text);
        }
    }

    /// Runs that ended well, and those that did not or could not begin.
    pub(super) fn counts(&self) -> [u64; 2] {
        [&self.counts.done, &self.counts.failed].map(|count| count.load(Ordering::Relaxed))
    }
}

struct Run {
    child: Child,
    /// What it has not read yet.
    rest: Vec<u8>,
    input: Option<ChildStdin>,
    until: Mono,
    killed: bool,
}

struct Runs {
    config: config::Alerts,
    raiser: Raiser,
    counts: Arc<Counts>,
    waiting: VecDeque<String>,
    running: Vec<Run>,
    /// The last run failed, and that was said.
    failed: bool,
    clock: Clock,
}

impl Runs {
    fn work(mut self, from: &Receiver<String>) {
        loop {
            let idle = self.running.is_empty() && self.waiting.is_empty();
            let next = match idle {
                true => from.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => from.recv_timeout(LOOK_EVERY),
            };
            match next {
                Ok(json) => self.waiting.push_back(json),
                Err(RecvTimeoutError::Timeout) => {}
                // The handler has ended. What runs goes on by itself.
                Err(RecvTimeoutError::Disconnected) => return,
            }
            // The channel holds the rest: nothing grows here.
            while self.waiting.len() < WAITING
                && let Ok(json) = from.try_recv()
            {
                self.waiting.push_back(json);
            }
            self.look();
            while self.running.len() < self.config.at_once
                && let Some(json) = self.waiting.pop_front()
            {
                self.start(&json);
            }
        }
    }

    fn start(&mut self, json: &str) {
        let Some((program, arguments)) = self.config.command.split_first() else { return };
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // A group of its own, so that what it starts can be killed with it, and a terminal's signals are not
        // for it.
        command.process_group(0);
        match command.spawn() {
            Ok(mut child) => {
                let input = child.stdin.take();
                let never_wait =
                    |pipe: &ChildStdin| fcntl_setfl(pipe, fcntl_getfl(pipe)? | OFlags::NONBLOCK);
                let input = input.filter(|pipe| never_wait(pipe).is_ok());
                let until = self.clock.now() + self.config.timeout;
                let rest = json.as_bytes().to_vec();
                let mut run = Run { child, rest, input, until, killed: false };
                run.write();
                self.running.push(run);
            }
            Err(error) => self.fail(format!("{program} can't be started: {error}")),
        }
    }

    fn look(&mut self) {
        let now = self.clock.now();
        let mut running = std::mem::take(&mut self.running);
        running.retain_mut(|run| {
            run.write();
            match run.child.try_wait() {
                Ok(Some(status)) => {
                    self.ended(run, status);
                    false
                }
                Ok(None) => {
                    if now >= run.until && !run.killed {
                        run.kill();
                        let timeout = self.config.timeout;
                        self.fail(format!("{} did not end within {timeout}", self.program()));
                    }
                    // One that can't be killed keeps its place: never more at once than configured.
                    true
                }
                Err(error) => {
                    self.fail(format!("{} can't be watched: {error}", self.program()));
                    false
                }
            }
        });
        self.running = running;
    }

    fn program(&self) -> String {
        self.config.command.first().cloned().unwrap_or_default()
    }

    fn ended(&mut self, run: &Run, status: ExitStatus) {
        if run.killed {
            return;
        }
        if status.success() {
            self.counts.done.fetch_add(1, Ordering::Relaxed);
            if std::mem::take(&mut self.failed) {
                self.raiser.end(Code::AlertCommand, About::Handler);
            }
            return;
        }
        let program = self.program();
        self.fail(match (status.code(), status.signal()) {
            (Some(code), _) => format!("{program} exited with {code}"),
            (None, signal) => format!("{program} was ended by signal {}", signal.unwrap_or(0)),
        });
    }

    fn fail(&mut self, text: String) {
        self.counts.failed.fetch_add(1, Ordering::Relaxed);
        self.failed = true;
        let text = format!("alerts are not passed on: {text}");
        self.raiser.raise(Code::AlertCommand, About::Handler, text);
    }
}

impl Run {
    /// Gives it what it takes. One that reads nothing gets nothing, and is no failure for that.
    fn write(&mut self) {
        let Some(pipe) = &mut self.input else { return };
        // BOUND: each round writes something, or ends.
        while !self.rest.is_empty() {
            match pipe.write(&self.rest) {
                Ok(0) => break,
                Ok(count) => drop(self.rest.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        self.input = None;
    }

    fn kill(&mut self) {
        self.killed = true;
        if let Ok(Some(group)) = i32::try_from(self.child.id()).map(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.kill();
        self.input = None;
    }
}

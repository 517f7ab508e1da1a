//! Where commands come from: lines of standard input and of a Unix stream socket. Each is answered
//! by one line, `ok: ..` or `error: ..`, or by JSON.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use candor_core::Nanos;

use super::clock;

/// Longest command in bytes.
const LONGEST: u64 = 4_096;

/// Connections served at once; another is closed at once.
const CONNECTIONS: usize = 16;

/// A line that was said, and where its answer goes.
pub(super) struct Said {
    pub(super) line: String,
    pub(super) answer: SyncSender<String>,
}

/// How long an answer may take on its way to whoever asked and does not read it.
const FAREWELL: Nanos = Nanos::from_secs(1);

/// How often it is looked whether it is there.
const LOOK: Nanos = Nanos::from_millis(1);

/// What is said, and by how many threads it is being handed on or answered.
pub(super) struct Commands {
    from: Receiver<Said>,
    busy: Arc<AtomicUsize>,
}

impl Commands {
    /// The next one, if any is there.
    pub(super) fn next(&self) -> Option<Said> {
        self.from.try_recv().ok()
    }

    /// Takes no more. The process may end behind this: what was answered is written.
    pub(super) fn end(self) {
        drop(self.from);
        let until = clock::now() + FAREWELL;
        while self.busy.load(Ordering::Acquire) > 0 && clock::now() < until {
            clock::wait_until(clock::now() + LOOK);
        }
    }
}

/// Where lines go that are said.
#[derive(Clone)]
struct Way {
    to: SyncSender<Said>,
    busy: Arc<AtomicUsize>,
}

impl Way {
    /// Has a line answered, and writes the answer. Says whether that can be done again.
    fn answer(&self, line: String, out: &mut impl Write) -> bool {
        self.busy.fetch_add(1, Ordering::AcqRel);
        let (answer, answered) = sync_channel(1);
        let sent = self.to.send(Said { line, answer }).is_ok();
        let text = sent.then(|| answered.recv().ok()).flatten();
        let written = text.map(|text| writeln!(out, "{text}").and_then(|()| out.flush()));
        self.busy.fetch_sub(1, Ordering::AcqRel);
        written.is_some_and(|written| written.is_ok())
    }
}

/// Starts to listen, on the socket too if there is to be one.
pub(super) fn listen(socket: Option<&Path>) -> Result<Commands, String> {
    let (to, from) = sync_channel(64);
    let busy = Arc::new(AtomicUsize::new(0));
    let to = Way { to, busy: Arc::clone(&busy) };
    if let Some(path) = socket {
        // A socket file outlives its process. One that answers belongs to a living exchange.
        if UnixStream::connect(path).is_ok() {
            return Err(format!("{}: another exchange listens there", path.display()));
        }
        let is_stale = fs::symlink_metadata(path).is_ok_and(|found| {
            use std::os::unix::fs::FileTypeExt;
            found.file_type().is_socket()
        });
        if is_stale {
            let _ = fs::remove_file(path);
        }
        let listener =
            UnixListener::bind(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let to = to.clone();
        thread::spawn(move || accept(&listener, &to));
    }
    thread::spawn(move || serve(io::stdin(), io::stdout(), &to));
    Ok(Commands { from, busy })
}

fn accept(listener: &UnixListener, to: &Way) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming().flatten() {
        if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
            open.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (open, to) = (Arc::clone(&open), to.clone());
        thread::spawn(move || {
            if let Ok(reader) = stream.try_clone() {
                serve(reader, stream, &to);
            }
            open.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

fn serve(from: impl Read, mut out: impl Write, to: &Way) {
    let mut from = BufReader::new(from);
    loop {
        let mut line = String::new();
        match from.by_ref().take(LONGEST).read_line(&mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if line.trim().is_empty() {
            continue;
        }
        if !to.answer(line, &mut out) {
            return;
        }
    }
}

/// Sends one command to an exchange and returns its answer.
pub(super) fn ask(socket: &Path, command: &str) -> Result<String, String> {
    let said = |error: io::Error| format!("{}: {error}", socket.display());
    let mut stream = UnixStream::connect(socket).map_err(said)?;
    let line = command.replace('\n', " ");
    writeln!(stream, "{line}").map_err(said)?;
    stream.shutdown(std::net::Shutdown::Write).map_err(said)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(said)?;
    if answer.is_empty() {
        return Err(format!("{}: no answer", socket.display()));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Takes its time before it writes.
    struct Slow(Arc<Mutex<Vec<u8>>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            clock::wait_until(clock::now() + Nanos::from_millis(50));
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The answer to a `quit` is written before the process ends, and whoever is answered no more is not waited for.
    #[test]
    fn what_was_answered_is_written_in_the_end() {
        let (to, from) = sync_channel(64);
        let busy = Arc::new(AtomicUsize::new(0));
        let commands = Commands { from, busy: Arc::clone(&busy) };
        let written = Arc::new(Mutex::new(Vec::new()));
        let (way, out) = (Way { to, busy }, Slow(Arc::clone(&written)));
        let served = thread::spawn(move || serve(&b"quit\nstatus\n"[..], out, &way));
        let said = loop {
            match commands.next() {
                Some(said) => break said,
                None => thread::yield_now(),
            }
        };
        said.answer.send(format!("ok: {}", said.line.trim())).unwrap();
        commands.end();
        assert_eq!(*written.lock().unwrap(), b"ok: quit\n");
        served.join().unwrap();
    }
}

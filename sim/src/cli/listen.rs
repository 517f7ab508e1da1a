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

/// Longest command in bytes.
const LONGEST: u64 = 4_096;

/// Connections served at once; another is closed at once.
const CONNECTIONS: usize = 16;

/// A line that was said, and where its answer goes.
pub(super) struct Said {
    pub(super) line: String,
    pub(super) answer: SyncSender<String>,
}

/// Starts to listen, on the socket too if there is to be one.
pub(super) fn listen(socket: Option<&Path>) -> Result<Receiver<Said>, String> {
    let (to, from) = sync_channel(64);
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
    Ok(from)
}

fn accept(listener: &UnixListener, to: &SyncSender<Said>) {
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

fn serve(from: impl Read, mut out: impl Write, to: &SyncSender<Said>) {
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
        let (answer, answered) = sync_channel(1);
        if to.send(Said { line, answer }).is_err() {
            return;
        }
        let Ok(text) = answered.recv() else { return };
        if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
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

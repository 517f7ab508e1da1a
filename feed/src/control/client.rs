//! The other end: asks a handler one thing and waits for its answer, but not for ever.

use std::path::Path;
use std::time::Duration;

use candor_core::{Mono, Nanos};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, connect, recv, send};
use serde_json::Value;

use super::{Command, VERSION, socket};
use crate::clock::{Clock, timespec};
use crate::exit::{Exit, Failure};

/// How long a handler has for its answer: longer than its lanes have for theirs.
const PATIENCE: Nanos = Nanos::from_secs(5);

/// Longest answer, in bytes.
const ANSWER_BYTES: usize = 64 << 10;

/// Asks the handler behind the control socket at `path`; gives the fields of its answer.
///
/// # Errors
/// [`Exit::Unknown`] where no handler answers, [`Exit::Privilege`] where it may not be asked, and
/// whatever the handler itself refuses with.
pub fn ask(path: &Path, command: Command, target: &str) -> Result<Value, Failure> {
    let shown = path.display();
    let gone = |what: &str| Failure::new(Exit::Unknown, format!("{shown}: {what}"));
    let address = SocketAddrUnix::new(path)
        .map_err(|_| Failure::config(format!("{shown}: too long a name for a socket")))?;
    let failed = |error: Errno| match error {
        Errno::NOENT | Errno::CONNREFUSED => gone(
            "no handler listens here: it is gone, or its configuration names another control socket \
             (then use --config)",
        ),
        Errno::PERM | Errno::ACCESS => Failure::privilege(format!(
            "{shown}: not permitted; commands are for the handler's own user, and for its `group`"
        )),
        Errno::AGAIN => gone("the handler takes no commands; it hangs"),
        Errno::PIPE | Errno::CONNRESET => gone("the handler went away before it answered"),
        error => Failure::host(format!("{shown}: {error}")),
    };
    let mut clock = Clock::new();
    let until = clock.now() + PATIENCE;
    let stream = socket::stream(SocketFlags::empty()).map_err(failed)?;
    // Too many others may be before us: the kernel keeps the order of those who wait, and lets nobody
    // wait for longer than that.
    set_socket_timeout(&stream, Timeout::Send, Some(Duration::from_nanos(PATIENCE.0)))
        .map_err(failed)?;
    connect(&stream, &address).map_err(failed)?;
    let request = format!("{VERSION} {command} {target}\n");
    // A fresh socket has room for a line.
    send(&stream, request.as_bytes(), SendFlags::NOSIGNAL).map_err(failed)?;
    let mut answer = Vec::new();
    while answer.last() != Some(&b'\n') {
        let left = left(&mut clock, until)
            .ok_or_else(|| gone("the handler has not answered; it hangs"))?;
        let mut descriptors = [PollFd::new(&stream, PollFlags::IN)];
        match poll(&mut descriptors, Some(&timespec(left))) {
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(failed(error)),
        }
        let mut buffer = [0; 4096];
        let (got, _) = match recv(&stream, &mut buffer[..], RecvFlags::DONTWAIT) {
            Ok(got) => got,
            Err(Errno::AGAIN | Errno::INTR) => continue,
            Err(error) => return Err(failed(error)),
        };
        if got == 0 || answer.len() > ANSWER_BYTES {
            return Err(failed(Errno::PIPE));
        }
        answer.extend(&buffer[..got]);
    }
    understood(&answer)
        .unwrap_or_else(|| Err(Failure::config(format!("{shown}: does not speak {VERSION}"))))
}

fn left(clock: &mut Clock, until: Mono) -> Option<Nanos> {
    let now = clock.now();
    (now < until).then(|| until.since(now))
}

/// `None` for what is no answer of this version.
fn understood(answer: &[u8]) -> Option<Result<Value, Failure>> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    if answer["version"] != VERSION {
        return None;
    }
    let exit = answer["exit"].as_u64()?;
    if exit == 0 {
        return Some(Ok(answer));
    }
    let known = [Exit::NoGo, Exit::Unknown, Exit::Usage, Exit::Host, Exit::Privilege, Exit::Config];
    let exit = known.into_iter().find(|known| *known as u64 == exit).unwrap_or(Exit::Host);
    Some(Err(Failure::new(exit, answer["error"].as_str()?)))
}

//! Words to standard output, for as long as somebody reads them.

use std::io::{self, ErrorKind, Write};

/// What a shell makes of a program whose reader has gone (128 and the signal's number).
const READER_GONE: i32 = 141;

/// What a failure of the host is told by, as `candor` does.
const HOST: i32 = 71;

/// Says a line. Where its reader has gone the program ends without another word: whoever it was has seen
/// enough. It is no success either: the seeds that were left nobody has tried.
pub(crate) fn say(line: &str) {
    let mut out = io::stdout().lock();
    let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush()) else { return };
    if error.kind() == ErrorKind::BrokenPipe {
        std::process::exit(READER_GONE);
    }
    let _ = writeln!(io::stderr(), "can't write to standard output: {error}");
    std::process::exit(HOST);
}

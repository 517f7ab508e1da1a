//! Commands to a running handler, over a Unix stream socket beside its region.
//!
//! A line of text in, a line of JSON out, and the connection ends. The line's first word is the
//! protocol's version, its second the command, what follows the command's own:
//!
//! ```text
//! candor/1 unsubscribe XNAS 2
//! {"command":"unsubscribe","exit":0,"partition":"2","venue":"XNAS","version":"candor/1", ..}
//! candor/1 unsubscribe XNAS 9
//! {"error":"no partition `XNAS 9`; did you mean `XNAS 2`?","exit":78,"version":"candor/1"}
//! ```
//!
//! `exit` is what the command line exits with. The handler's own thread serves the socket
//! (`serve`); whoever may connect is known by the kernel's word, not by what they say.

pub mod client;
pub(crate) mod inbox;
mod peer;
pub(crate) mod serve;
mod socket;

use std::fmt;

use candor_settings::nearest;
use serde_json::{Map, Value, json};

use crate::config::Config;
use crate::exit::{Exit, Failure};
pub(crate) use socket::Listener;

/// The protocol's version: the first word of every request and a field of every answer. A handler
/// refuses any other.
pub const VERSION: &str = "candor/1";

/// What a region's path is followed by in the name of its handler's socket, unless configured.
pub const ENDING: &str = ".control";

/// Longest name the kernel takes for a socket, in bytes.
pub const LONGEST_NAME: usize = 107;

/// Longest request, in bytes with its line break: a command, a target, and a reason.
const REQUEST_BYTES: usize = 512;

/// What may be asked of a handler.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// Join a partition's lines.
    Subscribe,
    /// Leave them: the partition is stale until it is subscribed again.
    Unsubscribe,
    /// Set the kill switch of a target: for who may not write the region's words.
    Halt,
    /// Clear it.
    Resume,
}

impl Command {
    /// Every command.
    pub const ALL: [Command; 4] =
        [Command::Subscribe, Command::Unsubscribe, Command::Halt, Command::Resume];

    /// The command's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Command::Subscribe => "subscribe",
            Command::Unsubscribe => "unsubscribe",
            Command::Halt => "halt",
            Command::Resume => "resume",
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A request that was understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Request {
    /// Join or leave a partition.
    Join(Join),
    /// Halt a target, and why.
    Halt { target: String, reason: String },
    /// Resume a target, and the second person's name.
    Resume { target: String, second: String },
}

/// What to do, and with which partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Join {
    pub(crate) command: Command,
    /// By its number in the configuration.
    pub(crate) partition: u16,
}

impl Request {
    /// Reads a line, its line break taken off.
    fn parse(line: &[u8], config: &Config) -> Result<Request, Failure> {
        let text = std::str::from_utf8(line).unwrap_or("").trim_end_matches('\r');
        let (version, rest) = text.split_once(' ').unwrap_or((text, ""));
        if version != VERSION {
            return Err(Failure::usage(format!(
                "this handler speaks {VERSION}: use the `candor` of its own build"
            )));
        }
        let (word, target) = rest.split_once(' ').unwrap_or((rest, ""));
        let words = Command::ALL.map(Command::word);
        let Some(command) = Command::ALL.into_iter().find(|command| command.word() == word) else {
            return Err(Failure::usage(format!(
                "no command of this handler; it knows: {}",
                words.join(", ")
            )));
        };
        if matches!(command, Command::Subscribe | Command::Unsubscribe) {
            return Ok(Request::Join(Join { command, partition: partition(target, config)? }));
        }
        // Names may hold spaces; none holds a tab.
        let Some((target, rest)) = target.split_once('\t') else {
            return Err(Failure::usage(format!(
                "`{command}` is followed by a target, a tab, and a reason or a second person's name"
            )));
        };
        let (target, rest) = (target.to_owned(), rest.to_owned());
        Ok(match command {
            Command::Resume => Request::Resume { target, second: rest },
            _ => Request::Halt { target, reason: rest },
        })
    }
}

/// The partition called `VENUE PARTITION`. Names may hold spaces, so that each is compared whole.
fn partition(target: &str, config: &Config) -> Result<u16, Failure> {
    let called =
        |partition: &crate::config::Partition| format!("{} {}", partition.venue, partition.name);
    let names: Vec<String> = config.partitions.iter().map(called).collect();
    let named = |at: usize| config.partitions.get(at).is_some_and(|one| !one.is_spare());
    if let Some(at) = names.iter().position(|name| name == target).filter(|at| named(*at)) {
        return Ok(at as u16);
    }
    let there = names.iter().enumerate().filter(|(at, _)| named(*at));
    let candidates: Vec<&str> = there.map(|(_, name)| name.as_str()).collect();
    // What a stranger typed is shown as what it is: text, and not too much of it.
    let shown = target.escape_debug();
    Err(Failure::config(match nearest(target, &candidates) {
        Some(near) => format!("no partition `{shown}`; did you mean `{near}`?"),
        None => format!("no partition `{shown}`; there are: {}", candidates.join(", ")),
    }))
}

/// An answer's line: these fields, or the failure, behind version and exit code.
fn line(answer: &Result<Map<String, Value>, Failure>) -> Vec<u8> {
    let mut object = Map::new();
    object.insert("version".to_owned(), json!(VERSION));
    match answer {
        Ok(fields) => {
            object.insert("exit".to_owned(), json!(Exit::Ok as u8));
            object.extend(fields.clone());
        }
        Err(failure) => {
            object.insert("exit".to_owned(), json!(failure.exit as u8));
            object.insert("error".to_owned(), json!(failure.message));
        }
    }
    format!("{}\n", Value::Object(object)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const CONFIG: &str = r#"
[handler]
name = "h"
region = "/dev/shm/h"
[source]
kind = "udp"
interface = "lo"
[[lane]]
[[venue]]
name = "XNAS"
feed = "nasdaq-itch50"
[[venue.partition]]
name = "1"
lane = 0
lines.A = { group = "239.1.1.1", port = 26400 }
[[venue.partition]]
name = "two words"
lane = 0
subscribe = false
"#;

    #[test]
    fn requests_are_understood_or_refused_with_what_to_do() {
        let config = crate::config::parse_text(Path::new("c.toml"), CONFIG).unwrap();
        let parse = |line: &[u8]| Request::parse(line, &config);
        let request = |command, partition| Ok(Request::Join(Join { command, partition }));
        assert_eq!(parse(b"candor/1 unsubscribe XNAS 1"), request(Command::Unsubscribe, 0));
        assert_eq!(parse(b"candor/1 subscribe XNAS two words\r"), request(Command::Subscribe, 1));
        let (target, reason) = ("XNAS/two words".to_owned(), "a reason\tof two".to_owned());
        let halt = parse(b"candor/1 halt XNAS/two words\ta reason\tof two");
        assert_eq!(halt, Ok(Request::Halt { target, reason }));
        let (target, second) = ("all".to_owned(), "bob".to_owned());
        assert_eq!(parse(b"candor/1 resume all\tbob"), Ok(Request::Resume { target, second }));
        for (line, exit, says) in [
            (
                &b"candor/1 subscribe XNAS two word"[..],
                Exit::Config,
                "did you mean `XNAS two words`?",
            ),
            (b"candor/1 subscribe NYSE", Exit::Config, "there are: XNAS 1, XNAS two words"),
            (b"candor/1 subscribe", Exit::Config, "there are:"),
            (b"candor/1 halt all", Exit::Usage, "a tab"),
            (b"candor/1 explode XNAS 1", Exit::Usage, "subscribe, unsubscribe"),
            (b"candor/2 subscribe XNAS 1", Exit::Usage, "speaks candor/1"),
            (b"candor/1", Exit::Usage, "no command"),
            (b"", Exit::Usage, "speaks candor/1"),
            (b"\xff\xfe", Exit::Usage, "speaks candor/1"),
        ] {
            let refused = parse(line).unwrap_err();
            assert_eq!(refused.exit, exit, "{line:?}: {refused}");
            assert!(refused.message.contains(says), "{line:?}: {refused}");
        }
        let shown = parse(b"candor/1 subscribe \x1b[31m").unwrap_err().message;
        assert!(!shown.contains('\x1b'), "{shown:?}");
    }
}

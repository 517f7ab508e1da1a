//! Asks each host for its status, all at the same time, each for no longer than it was given.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use candor_core::Nanos;
use serde_json::Value;

use super::hosts::{From, Host, Hosts};
use crate::clock;
use crate::command;
use crate::small;

/// Hosts asked at a time.
const AT_ONCE: usize = 32;

/// The longest answer, in bytes: that of ten thousand halted symbols fits.
const ANSWER_BYTES: u64 = 4 << 20;

/// The longest text of an answer that is taken over, in bytes.
const WORD_BYTES: usize = 256;

/// What became of asking a host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// The host.
    pub name: String,
    /// What it is for.
    pub role: Option<String>,
    /// How old its answer is: 0 of one that was asked now, and of a file since when it was written.
    pub age: Option<Nanos>,
    /// What it said; or why it could not be asked.
    pub said: Result<Said, String>,
}

/// What a host says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Said {
    /// Its handler's status.
    pub status: String,
    /// Whether that is attested.
    pub attested: String,
    /// How its lanes receive, each mode once.
    pub mode: String,
    /// The digest of its program; `None` where it does not know it.
    pub binary: Option<String>,
    /// Of its configuration.
    pub configuration: Option<String>,
    /// Of the region's layout.
    pub layout: Option<String>,
    /// Its venues' maps.
    pub maps: BTreeMap<String, Map>,
}

/// The map in force of a venue.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Map {
    /// The trading date; `None` where none is in force.
    pub date: Option<String>,
    /// Its digest; `None` where the partitions are the configuration's.
    pub digest: Option<String>,
}

/// Asks every host, in the file's order.
#[must_use]
pub fn ask(hosts: &Hosts) -> Vec<Asked> {
    let next = AtomicUsize::new(0);
    let answers: Vec<Mutex<Option<Asked>>> = hosts.hosts.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        // BOUND: the hosts.
        while let Some((host, answer)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            hosts.hosts.get(at).zip(answers.get(at))
        } {
            let asked = one(hosts, host);
            if let Ok(mut answer) = answer.lock() {
                *answer = Some(asked);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..AT_ONCE.min(hosts.hosts.len()) {
            let started = thread::Builder::new().name("ask".to_owned()).spawn_scoped(scope, work);
            // The others take its part.
            if started.is_err() {
                break;
            }
        }
        work();
    });
    let unasked = |host: &Host| Asked {
        name: host.name.clone(),
        role: host.role.clone(),
        age: None,
        said: Err("was not asked".to_owned()),
    };
    let taken = answers.into_iter().map(|answer| answer.into_inner().ok().flatten());
    taken.zip(&hosts.hosts).map(|(answer, host)| answer.unwrap_or_else(|| unasked(host))).collect()
}

fn one(hosts: &Hosts, host: &Host) -> Asked {
    let (age, said) = match &host.from {
        From::File(path) => {
            let read = small::read(path, ANSWER_BYTES);
            let age = read.as_ref().ok().and_then(|file| {
                let at = i128::from(file.about.st_mtime) * 1_000_000_000
                    + i128::from(file.about.st_mtime_nsec);
                u64::try_from(i128::from(clock::wall()) - at).ok().map(Nanos)
            });
            let said = read.and_then(|file| understand(&file.bytes));
            // Files of yesterday compare well with each other.
            let said = match age.filter(|age| *age > hosts.max_age) {
                Some(age) => {
                    Err(format!("its answer is {age} old; at most {} may be", hosts.max_age))
                }
                None => said,
            };
            (age, said.map_err(|why| format!("{}: {why}", path.display())))
        }
        From::Ssh(at, words) => {
            (Some(Nanos::ZERO), over_ssh(hosts, at, words).map_err(|why| format!("{at}: {why}")))
        }
    };
    Asked { name: host.name.clone(), role: host.role.clone(), age, said }
}

/// Runs the command over there. What `candor status` exits with says how the host is, not whether it answered.
fn over_ssh(hosts: &Hosts, at: &str, words: &[String]) -> Result<Said, String> {
    let seconds = (hosts.timeout.0 / 1_000_000_000).max(1);
    let quoted: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    let argv = [
        hosts.ssh_program.clone(),
        // No question can be answered here.
        "-oBatchMode=yes".to_owned(),
        format!("-oConnectTimeout={seconds}"),
        "-T".to_owned(),
        "--".to_owned(),
        at.to_owned(),
        quoted.join(" "),
    ];
    let ended = command::run_to_end(&argv, Path::new("/"), hosts.timeout)?;
    if ended.out.len() as u64 > ANSWER_BYTES {
        return Err(format!("answers with more than {} MiB", ANSWER_BYTES >> 20));
    }
    understand(&ended.out).map_err(|why| match ended.out.is_empty() {
        true => ended.how(),
        false => format!("{why}; {}", ended.how()),
    })
}

/// A word as the shell at the other end takes it for one: ssh gives it a line, whatever it is given.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// What an answer says.
fn understand(bytes: &[u8]) -> Result<Said, String> {
    let json: Value = serde_json::from_slice(bytes)
        .map_err(|error| format!("is no answer of `candor status -o json`: {error}"))?;
    let handler = &json["handler"];
    let needed = |name: &str| {
        text(&handler[name])?.ok_or_else(|| {
            format!("its answer has no `handler.{name}`: it is of another version, or of another command")
        })
    };
    let mut modes: Vec<String> = Vec::new();
    for lane in list(&json, "lanes")? {
        modes.push(text(&lane["mode"])?.unwrap_or_else(|| "not said".to_owned()));
    }
    modes.sort_unstable();
    modes.dedup();
    let mut maps = BTreeMap::new();
    for venue in list(&json, "venues")? {
        let name = text(&venue["venue"])?.ok_or("its answer has a venue without a name")?;
        let map = Map { date: text(&venue["trading_date"])?, digest: text(&venue["map_digest"])? };
        maps.insert(name, map);
    }
    // A digest that is not known is there, and null.
    let digest = |name: &str| match handler.get(name) {
        Some(value) => text(value),
        None => Err(format!("its answer has no `handler.{name}`: it is of another version")),
    };
    Ok(Said {
        status: needed("status")?,
        attested: needed("attested")?,
        mode: modes.join(", "),
        binary: digest("binary_digest")?,
        configuration: digest("config_digest")?,
        layout: digest("layout_digest")?,
        maps,
    })
}

fn list<'a>(json: &'a Value, name: &str) -> Result<&'a Vec<Value>, String> {
    json[name].as_array().ok_or_else(|| {
        format!("its answer has no `{name}`: it is of another version, or of another command")
    })
}

/// A text of a sane length, for a terminal too; `None` where nothing is said.
fn text(value: &Value) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.len() <= WORD_BYTES => {
            Ok(Some(text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()))
        }
        _ => Err("its answer has something else where a short text belongs".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer() -> Value {
        json!({
            "handler": { "status": "Live", "attested": "yes", "binary_digest": "b", "config_digest": "c",
                         "layout_digest": null },
            "lanes": [{ "mode": "udp" }, { "mode": "native copy" }, { "mode": "udp" }],
            "venues": [{ "venue": "XNAS", "trading_date": "2026-11-23", "map_digest": "m" },
                       { "venue": "IEXG", "trading_date": null, "map_digest": null }],
        })
    }

    #[test]
    fn an_answer_is_understood_whole_or_not_at_all() {
        let said = understand(answer().to_string().as_bytes()).unwrap();
        assert_eq!((said.status.as_str(), said.mode.as_str()), ("Live", "native copy, udp"));
        assert_eq!((said.binary.as_deref(), said.layout), (Some("b"), None));
        assert_eq!(said.maps["XNAS"].digest.as_deref(), Some("m"));
        assert_eq!(said.maps["IEXG"], Map::default());
        for (path, why) in [
            ("/handler/status", "no `handler.status`"),
            ("/handler/attested", "no `handler.attested`"),
            ("/handler/binary_digest", "no `handler.binary_digest`"),
            ("/lanes", "no `lanes`"),
            ("/venues", "no `venues`"),
        ] {
            let mut other = answer();
            let (above, name) = path.rsplit_once('/').unwrap();
            other.pointer_mut(above).unwrap().as_object_mut().unwrap().remove(name);
            let refused = understand(other.to_string().as_bytes()).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
        for bytes in ["", "[]", "{\"handler\":7}", "not JSON"] {
            assert!(understand(bytes.as_bytes()).is_err(), "{bytes}");
        }
        let long = answer().to_string().replace("Live", &"x".repeat(1_000));
        assert!(understand(long.as_bytes()).unwrap_err().contains("short text"));
    }

    #[test]
    fn words_reach_the_other_end_as_they_are() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's $(x)"), "'it'\\''s $(x)'");
    }
}

//! The commands an operator of the exchange gives, as words. Partitions count from 1, as in the
//! handler's configuration.

use candor_core::{Line, Nanos};
use thiserror::Error;

use crate::publisher::{Faults, Packing};
use crate::services::{ServiceFault, ServiceKind};

/// What the words of a command can be; the text a wrong one is answered with.
pub const USAGE: &str = "\
kill partition P          silence, heartbeats included; numbers wait
revive partition P        go on where it stopped
cut partition P           lose everything on all lines; numbers go on
mend partition P          end of that
kill line [P] LINE        lose everything on one line
revive line [P] LINE      end of that
loss [P] [LINE] 5%        lose packets by themselves
burst-loss [P] [LINE] 0.1% 20   lose runs of packets, 20 in the mean
dup [P] [LINE] 1%         send packets twice
delay [P] [LINE] 500ms    send packets later
reorder [P] [LINE] 1% [2ms]     hold packets back for others to overtake
clear                     no loss, duplicates, delay and reordering any more
skip P N                  lose the next N messages on all lines
lose P N                  the same, and no service has them either
differ P                  give the next message other bytes on line B
pause, resume             the order flow; heartbeats go on
rate N                    messages a second over all partitions
session NAME [P]          another session from number 1, books empty
restart [P]               numbers from 1 under the same session, books empty
end [P]                   close the market and end the session
cease [P]                 end the session without its last message, by the transport alone
service [P] [retransmit|snapshot] FAULT    what goes wrong with the venue's services:
  refuse, hang, partial, late 200ms, throttle 5 (requests a second),
  wrong-range, twice (retransmission), old-snapshot 500 (messages), broken-snapshot,
  lost-part, lost-packet (snapshots), late-session (from the next one on), off (none any more)
status                    everything in JSON
quit";

/// One command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Silence a partition or let it go on.
    Partition {
        /// Counted from 0.
        partition: usize,
        /// Whether it speaks.
        alive: bool,
    },
    /// Lose everything on all lines of a partition, or stop that.
    Cut {
        /// Counted from 0.
        partition: usize,
        /// Whether everything is lost.
        cut: bool,
    },
    /// Lose everything on one line, or stop that.
    Line {
        /// Counted from 0; `None` for all.
        partition: Option<usize>,
        /// The line.
        line: Line,
        /// Whether it speaks.
        alive: bool,
    },
    /// Change one fault.
    Fault {
        /// Counted from 0; `None` for all.
        partition: Option<usize>,
        /// `None` for all.
        line: Option<Line>,
        /// What changes.
        fault: Fault,
    },
    /// Lose messages on all lines.
    Skip {
        /// Counted from 0.
        partition: usize,
        /// How many.
        count: u64,
    },
    /// Lose messages on all lines and for all services.
    Lose {
        /// Counted from 0.
        partition: usize,
        /// How many.
        count: u64,
    },
    /// Change one fault of the services.
    Service {
        /// Counted from 0; `None` for all.
        partition: Option<usize>,
        /// `None` for both.
        service: Option<ServiceKind>,
        /// What changes.
        fault: ServiceFault,
    },
    /// Other bytes on line B for one message.
    Differ {
        /// Counted from 0.
        partition: usize,
    },
    /// Stop the order flow.
    Pause,
    /// Let the order flow go on.
    Resume,
    /// Messages a second over all partitions.
    Rate(u64),
    /// Begin another session.
    Session {
        /// Its name: text of at most ten bytes, or a number for IEX-TP.
        name: String,
        /// Counted from 0; `None` for all.
        partition: Option<usize>,
    },
    /// Numbers from 1 under the same session.
    Restart {
        /// Counted from 0; `None` for all.
        partition: Option<usize>,
    },
    /// End the session.
    End {
        /// Counted from 0; `None` for all.
        partition: Option<usize>,
    },
    /// End the session without its last message.
    Cease {
        /// Counted from 0; `None` for all.
        partition: Option<usize>,
    },
    /// Say everything in JSON.
    Status,
    /// Stop the exchange.
    Quit,
}

/// One fault and how strong it shall be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Chance in millionths.
    Loss(u32),
    /// Chance in millionths and mean length in packets.
    Burst(u32, u32),
    /// Chance in millionths.
    Duplicate(u32),
    /// How much later.
    Delay(Nanos),
    /// Chance in millionths and how much later.
    Reorder(u32, Nanos),
    /// None any more.
    Clear,
}

impl Fault {
    /// Changes the faults of a line accordingly.
    pub fn apply(self, faults: &mut Faults) {
        match self {
            Fault::Loss(ppm) => faults.loss_ppm = ppm,
            Fault::Burst(ppm, packets) => {
                faults.burst_ppm = ppm;
                faults.burst_packets = packets;
            }
            Fault::Duplicate(ppm) => faults.duplicate_ppm = ppm,
            Fault::Delay(delay) => faults.delay = delay,
            Fault::Reorder(ppm, by) => {
                faults.reorder_ppm = ppm;
                faults.reorder_by = by;
            }
            Fault::Clear => *faults = Faults::default(),
        }
    }
}

/// A command that isn't one, in words.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{0}")]
pub struct BadCommand(pub String);

fn bad<T>(text: impl Into<String>) -> Result<T, BadCommand> {
    Err(BadCommand(text.into()))
}

/// Understands one command.
///
/// # Errors
/// [`BadCommand`], in words.
pub fn parse(text: &str) -> Result<Command, BadCommand> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let Some((verb, rest)) = words.split_first() else { return bad("no command") };
    let mut words = Words { verb, rest };
    let command = match *verb {
        "kill" | "revive" => object(&mut words, *verb == "revive")?,
        "cut" | "mend" => {
            words.expect("partition")?;
            Command::Cut { partition: words.partition()?, cut: *verb == "cut" }
        }
        "loss" | "burst-loss" | "dup" | "delay" | "reorder" | "clear" => fault(&mut words)?,
        "skip" => Command::Skip { partition: words.partition()?, count: words.number("N")? },
        "lose" => Command::Lose { partition: words.partition()?, count: words.number("N")? },
        "service" => service(&mut words)?,
        "differ" => Command::Differ { partition: words.partition()? },
        "pause" => Command::Pause,
        "resume" => Command::Resume,
        "rate" => Command::Rate(words.number("messages a second")?),
        "session" => {
            let name = words.next("a session name")?.to_owned();
            Command::Session { name, partition: words.maybe_partition()? }
        }
        "restart" => Command::Restart { partition: words.maybe_partition()? },
        "end" => Command::End { partition: words.maybe_partition()? },
        "cease" => Command::Cease { partition: words.maybe_partition()? },
        "status" => Command::Status,
        "quit" => Command::Quit,
        other => return bad(format!("no command \"{other}\"; commands are:\n{USAGE}")),
    };
    match words.rest.first() {
        Some(word) => bad(format!("\"{word}\" is one word too many after \"{verb}\"")),
        None => Ok(command),
    }
}

fn object(words: &mut Words<'_>, alive: bool) -> Result<Command, BadCommand> {
    match words.next("\"partition\" or \"line\"")? {
        "partition" => Ok(Command::Partition { partition: words.partition()?, alive }),
        "line" => {
            let partition = words.maybe_partition()?;
            let Some(line) = words.maybe_line() else { return bad("which line: A, B or C?") };
            Ok(Command::Line { partition, line, alive })
        }
        other => bad(format!("\"{other}\" is neither \"partition\" nor \"line\"")),
    }
}

fn fault(words: &mut Words<'_>) -> Result<Command, BadCommand> {
    let (partition, line) = (words.maybe_partition()?, words.maybe_line());
    let fault = match words.verb {
        "loss" => Fault::Loss(words.chance()?),
        "burst-loss" => {
            let ppm = words.chance()?;
            Fault::Burst(
                ppm,
                if words.rest.is_empty() { 20 } else { words.small_number("packets")? },
            )
        }
        "dup" => Fault::Duplicate(words.chance()?),
        "delay" => Fault::Delay(length(words.next("a length of time, such as 500ms")?)?),
        "reorder" => {
            let ppm = words.chance()?;
            let by = words.rest.first().map_or(Ok(Nanos::from_millis(1)), |word| length(word))?;
            words.rest = words.rest.get(1..).unwrap_or(&[]);
            Fault::Reorder(ppm, by)
        }
        _ => Fault::Clear,
    };
    Ok(Command::Fault { partition, line, fault })
}

fn service(words: &mut Words<'_>) -> Result<Command, BadCommand> {
    let partition = words.maybe_partition()?;
    let named = |word: &&str| ServiceKind::ALL.into_iter().find(|kind| kind.label() == *word);
    let service = words.rest.first().and_then(named);
    if service.is_some() {
        words.rest = &words.rest[1..];
    }
    let fault = match words.next("a fault, such as refuse")? {
        "refuse" => ServiceFault::Refuse,
        "throttle" => ServiceFault::Throttle(words.small_number("requests a second")?),
        "hang" => ServiceFault::Hang,
        "partial" => ServiceFault::Partial,
        "late" => ServiceFault::Late(length(words.next("a length of time, such as 500ms")?)?),
        "wrong-range" => ServiceFault::WrongRange,
        "twice" => ServiceFault::Twice,
        "old-snapshot" => ServiceFault::OldSnapshot(words.number("messages")?),
        "broken-snapshot" => ServiceFault::BrokenSnapshot,
        "lost-part" => ServiceFault::LostPart,
        "lost-packet" => ServiceFault::LostPacket,
        "late-session" => ServiceFault::LateSession,
        "off" => ServiceFault::Off,
        other => return bad(format!("\"{other}\" is no fault of a service; see help")),
    };
    Ok(Command::Service { partition, service, fault })
}

struct Words<'a> {
    verb: &'a str,
    rest: &'a [&'a str],
}

impl<'a> Words<'a> {
    fn next(&mut self, what: &str) -> Result<&'a str, BadCommand> {
        let Some((word, rest)) = self.rest.split_first() else {
            return bad(format!("\"{}\" needs {what}", self.verb));
        };
        self.rest = rest;
        Ok(word)
    }

    fn expect(&mut self, word: &str) -> Result<(), BadCommand> {
        let found = self.next(&format!("\"{word}\""))?;
        if found == word { Ok(()) } else { bad(format!("\"{found}\" is not \"{word}\"")) }
    }

    fn number(&mut self, what: &str) -> Result<u64, BadCommand> {
        let word = self.next(what)?;
        word.replace('_', "").parse().or_else(|_| bad(format!("\"{word}\" is no number ({what})")))
    }

    fn small_number(&mut self, what: &str) -> Result<u32, BadCommand> {
        let number = self.number(what)?;
        let most = u32::MAX;
        u32::try_from(number).or_else(|_| bad(format!("{number} is not from 0 to {most} ({what})")))
    }

    fn partition(&mut self) -> Result<usize, BadCommand> {
        match self.number("a partition, counted from 1")? {
            0 => bad("partitions count from 1"),
            number => Ok(number as usize - 1),
        }
    }

    fn maybe_partition(&mut self) -> Result<Option<usize>, BadCommand> {
        match self.rest.first() {
            Some(word) if word.bytes().all(|b| b.is_ascii_digit()) => self.partition().map(Some),
            _ => Ok(None),
        }
    }

    fn maybe_line(&mut self) -> Option<Line> {
        let line = line(self.rest.first()?)?;
        self.rest = &self.rest[1..];
        Some(line)
    }

    fn chance(&mut self) -> Result<u32, BadCommand> {
        let word = self.next("a chance, such as 5%")?;
        let percent = word.strip_suffix('%').and_then(|number| millionths(number, 4));
        match percent {
            Some(ppm) if ppm <= 1_000_000 => Ok(ppm as u32),
            _ => bad(format!("\"{word}\" is no chance from 0% to 100%")),
        }
    }
}

/// The line of this letter.
#[must_use]
pub fn line(letter: &str) -> Option<Line> {
    Line::ALL
        .into_iter()
        .find(|line| letter.eq_ignore_ascii_case(line.letter().encode_utf8(&mut [0])))
}

/// A decimal number times 10 to the power of `places`, without floating point.
fn millionths(text: &str, places: usize) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > places || !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let part: u64 = format!("{part:0<places$}").parse().ok()?;
    whole.checked_mul(10u64.pow(places as u32))?.checked_add(part)
}

/// A length of time: a number and `ns`, `us`, `ms` or `s`.
///
/// # Errors
/// [`BadCommand`], in words.
pub fn length(text: &str) -> Result<Nanos, BadCommand> {
    let units = [("ns", 1), ("us", 1_000), ("µs", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)];
    let found = units.iter().find_map(|(unit, ns)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(*ns)
    });
    found.map(Nanos).map_or_else(|| bad(format!("\"{text}\" is no time such as 500ms")), Ok)
}

/// A line's packing as `LINE=BYTES/MESSAGES/LINGER`, such as `B=1100/27/50us`.
///
/// # Errors
/// [`BadCommand`], in words.
pub fn packing(text: &str) -> Result<(Line, Packing), BadCommand> {
    let parsed = || {
        let (letter, rule) = text.split_once('=')?;
        let [bytes, messages, linger] = rule.split('/').collect::<Vec<_>>().try_into().ok()?;
        let max_payload = bytes.parse().ok().filter(|bytes| (128..=65_000).contains(bytes))?;
        let max_messages = messages.parse().ok().filter(|count| (1..0xFFFF).contains(count))?;
        let linger = length(linger).ok()?;
        Some((line(letter)?, Packing { max_payload, max_messages, linger }))
    };
    parsed().map_or_else(
        || bad(format!("\"{text}\" is not LINE=BYTES/MESSAGES/LINGER, such as B=1100/27/50us")),
        Ok,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_what_they_say() {
        let fault = |partition, line, fault| Ok(Command::Fault { partition, line, fault });
        let cases = [
            ("kill partition 2", Ok(Command::Partition { partition: 1, alive: false })),
            (
                "revive line 1 b",
                Ok(Command::Line { partition: Some(0), line: Line::B, alive: true }),
            ),
            ("kill line A", Ok(Command::Line { partition: None, line: Line::A, alive: false })),
            ("loss A 5%", fault(None, Some(Line::A), Fault::Loss(50_000))),
            ("loss 3 A 0.05%", fault(Some(2), Some(Line::A), Fault::Loss(500))),
            ("loss 0%", fault(None, None, Fault::Loss(0))),
            ("burst-loss 1% 8", fault(None, None, Fault::Burst(10_000, 8))),
            ("delay B 500ms", fault(None, Some(Line::B), Fault::Delay(Nanos::from_millis(500)))),
            ("reorder 2% 3ms", fault(None, None, Fault::Reorder(20_000, Nanos::from_millis(3)))),
            ("clear", fault(None, None, Fault::Clear)),
            ("skip 1 10", Ok(Command::Skip { partition: 0, count: 10 })),
            ("lose 1 10", Ok(Command::Lose { partition: 0, count: 10 })),
            (
                "service snapshot lost-packet",
                Ok(Command::Service {
                    partition: None,
                    service: Some(ServiceKind::Snapshot),
                    fault: ServiceFault::LostPacket,
                }),
            ),
            (
                "service 2 snapshot old-snapshot 500",
                Ok(Command::Service {
                    partition: Some(1),
                    service: Some(ServiceKind::Snapshot),
                    fault: ServiceFault::OldSnapshot(500),
                }),
            ),
            (
                "service late 20ms",
                Ok(Command::Service {
                    partition: None,
                    service: None,
                    fault: ServiceFault::Late(Nanos::from_millis(20)),
                }),
            ),
            ("rate 50_000", Ok(Command::Rate(50_000))),
            ("session DAY2", Ok(Command::Session { name: "DAY2".into(), partition: None })),
            ("end 4", Ok(Command::End { partition: Some(3) })),
            ("cease", Ok(Command::Cease { partition: None })),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_command_is_refused_in_words() {
        for (text, word) in [
            ("", "no command"),
            ("explode", "kill partition P"),
            ("kill", "needs"),
            ("kill partition 0", "count from 1"),
            ("kill partition x", "no number"),
            ("kill line 2", "which line"),
            ("loss A 5", "no chance"),
            ("loss A 101%", "no chance"),
            ("delay B 5", "no time"),
            ("service 1 retransmit", "a fault"),
            ("service explode", "no fault of a service"),
            ("service throttle", "requests a second"),
            ("service throttle 4294967296", "not from 0 to 4294967295"),
            ("burst-loss 1% 4294967296", "not from 0 to 4294967295"),
            ("status now", "too many"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn packings_are_read() {
        let (line, rule) = packing("B=1100/27/50us").unwrap();
        assert_eq!((line, rule), (Line::B, Packing::B));
        for text in ["B", "D=1/2/3us", "A=1100/0/0us", "A=99999999/1/0us", "A=1100/27"] {
            assert!(packing(text).is_err(), "{text}");
        }
    }
}

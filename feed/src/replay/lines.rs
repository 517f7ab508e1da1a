//! Which (group, port) of a capture is which line of which partition.
//!
//! A capture doesn't say. What it shows: the session each endpoint names, and the bytes under each
//! number. Two endpoints carry one partition when they name one session and agree on the numbers
//! both have; partitions of one venue that share a session name differ there at once. The first
//! frames of the captures are therefore looked at before any is replayed.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use candor_core::limits::LINES;
use candor_core::{Line, Packet, SessionId};
use candor_decoders::Format;

/// Messages of each endpoint that are remembered for comparison.
const REMEMBERED: usize = 1 << 16;

/// A multicast group (or any other destination) and a UDP port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Endpoint {
    /// The group.
    pub group: [u8; 4],
    /// The port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", Ipv4Addr::from(self.group), self.port)
    }
}

/// `[PARTITION/]LINE=GROUP:PORT`, as an operator gives it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LineOption {
    /// The partition's name; `1` where none was given.
    pub partition: String,
    /// The line.
    pub line: Line,
    /// Where it is.
    pub endpoint: Endpoint,
}

impl FromStr for LineOption {
    type Err = String;

    fn from_str(text: &str) -> Result<LineOption, String> {
        let form = "expected [PARTITION/]LINE=GROUP:PORT, such as A=233.215.21.4:10378";
        let (name, place) = text.split_once('=').ok_or(form)?;
        let (partition, letter) = name.split_once('/').unwrap_or(("1", name));
        let line = Line::ALL.into_iter().find(|line| letter == line.letter().to_string());
        let line = line.ok_or_else(|| format!("line `{letter}` is none of A, B, C; {form}"))?;
        let (group, port) = place.rsplit_once(':').ok_or(form)?;
        let group: Ipv4Addr = group.parse().map_err(|_| format!("`{group}`: {form}"))?;
        let port: u16 = port.parse().map_err(|_| format!("`{port}`: {form}"))?;
        if partition.is_empty() {
            return Err(form.to_owned());
        }
        let endpoint = Endpoint { group: group.octets(), port };
        Ok(LineOption { partition: partition.to_owned(), line, endpoint })
    }
}

/// What names one run of numbers: the session, and IEX's channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Identity {
    session: SessionId,
    channel: u32,
}

impl Identity {
    pub(super) fn of(format: Format, payload: &[u8], packet: &Packet<'_>) -> Identity {
        let channel = match format {
            // IEX-TP: the channel is the four bytes at 4, little-endian.
            Format::IexDeep | Format::IexTops => payload
                .get(4..8)
                .and_then(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?)))
                .unwrap_or(0),
            Format::NasdaqItch50 => 0,
        };
        Identity { session: packet.session, channel }
    }
}

/// What an endpoint has shown.
pub(super) struct Seen {
    pub(super) endpoint: Endpoint,
    pub(super) identity: Identity,
    /// Lowest and highest next number shown.
    from: u64,
    to: u64,
    /// Number and print of messages.
    prints: Vec<(u64, u64)>,
    sorted: bool,
}

/// FNV-1a, 64 bits: to tell messages apart, against nobody's malice.
fn print_of(message: &[u8]) -> u64 {
    message.iter().fold(0xcbf2_9ce4_8422_2325, |print, byte| {
        (print ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl Seen {
    pub(super) fn new(endpoint: Endpoint, identity: Identity) -> Seen {
        Seen { endpoint, identity, from: u64::MAX, to: 0, prints: Vec::new(), sorted: true }
    }

    /// Takes note of a packet.
    pub(super) fn add(&mut self, packet: &Packet<'_>) {
        self.from = self.from.min(packet.range.first.0);
        self.to = self.to.max(packet.range.end.0);
        let room = REMEMBERED - self.prints.len();
        let numbered = (packet.range.first.0..).zip(packet.messages);
        self.prints.extend(numbered.take(room).map(|(seq, bytes)| (seq, print_of(bytes))));
        self.sorted = false;
    }

    fn sort(&mut self) {
        if !self.sorted {
            self.prints.sort_unstable();
            self.prints.dedup_by_key(|(seq, _)| *seq);
            self.sorted = true;
        }
    }

    /// How many numbers both have under the same bytes, and under different ones.
    fn compare(&self, other: &Seen) -> (usize, usize) {
        let (mut same, mut different) = (0, 0);
        for (seq, print) in &self.prints {
            if let Ok(at) = other.prints.binary_search_by_key(seq, |(seq, _)| *seq) {
                if other.prints[at].1 == *print {
                    same += 1;
                } else {
                    different += 1;
                }
            }
        }
        (same, different)
    }

    /// Whether the numbers shown touch each other.
    fn touches(&self, other: &Seen) -> bool {
        self.from <= other.to && other.from <= self.to
    }
}

/// The lines of one partition, in order of first sight.
pub(super) struct Group {
    pub(super) name: String,
    pub(super) lines: [Option<Endpoint>; LINES],
    seen: Vec<Seen>,
}

/// All partitions found so far.
pub(super) struct Groups {
    pub(super) groups: Vec<Group>,
    /// Lines were given by name: nothing else is taken.
    given: bool,
}

impl Groups {
    /// Partitions as given by name; none given: they will be found.
    ///
    /// # Errors
    /// A line or an endpoint that is given twice.
    pub(super) fn new(options: &[LineOption]) -> Result<Groups, String> {
        let mut groups = Groups { groups: Vec::new(), given: !options.is_empty() };
        for LineOption { partition, line, endpoint } in options {
            if groups.find(*endpoint).is_some() {
                return Err(format!("--line: {endpoint} is given twice"));
            }
            let at = match groups.groups.iter().position(|group| group.name == *partition) {
                Some(at) => at,
                None => groups.push(partition.clone()),
            };
            let place = &mut groups.groups[at].lines[line.index()];
            if place.replace(*endpoint).is_some() {
                return Err(format!("--line: line {line} of partition {partition} is given twice"));
            }
        }
        Ok(groups)
    }

    /// Whether lines were given by name.
    pub(super) fn are_given(&self) -> bool {
        self.given
    }

    fn push(&mut self, name: String) -> usize {
        self.groups.push(Group { name, lines: [None; LINES], seen: Vec::new() });
        self.groups.len() - 1
    }

    /// A partition without any line: of messages that came in no packets.
    pub(super) fn push_unnamed(&mut self) -> usize {
        let name = (self.groups.len() + 1).to_string();
        self.push(name)
    }

    /// The partition and line of an endpoint.
    pub(super) fn find(&self, endpoint: Endpoint) -> Option<(usize, Line)> {
        self.groups.iter().enumerate().find_map(|(at, group)| {
            let line = group.lines.iter().position(|line| *line == Some(endpoint))?;
            Some((at, Line::from_index(line)?))
        })
    }

    /// Finds the place of an endpoint that has shown what it carries. `None` for a fourth line.
    pub(super) fn place(&mut self, mut seen: Seen) -> Option<(usize, Line)> {
        seen.sort();
        let at = match self.home(&seen) {
            Some(at) => at,
            None => self.push_unnamed(),
        };
        let group = &mut self.groups[at];
        let line = group.lines.iter().position(Option::is_none)?;
        group.lines[line] = Some(seen.endpoint);
        group.seen.push(seen);
        Some((at, Line::from_index(line)?))
    }

    /// The partition this endpoint carries another copy of: the one it agrees with most; else, if
    /// nothing contradicts, the first whose numbers touch its own.
    fn home(&self, seen: &Seen) -> Option<usize> {
        let mut best: Option<(usize, usize)> = None;
        let mut touching = None;
        for (at, group) in self.groups.iter().enumerate() {
            let alike = group.seen.iter().filter(|other| other.identity == seen.identity);
            let (mut same, mut different, mut touches) = (0, 0, false);
            for other in alike {
                let (equal, unequal) = seen.compare(other);
                same += equal;
                different += unequal;
                touches |= seen.touches(other);
            }
            if same > different && best.is_none_or(|(most, _)| same > most) {
                best = Some((same, at));
            } else if different == 0 && touches && touching.is_none() {
                touching = Some(at);
            }
        }
        best.map(|(_, at)| at).or(touching)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_core::SeqNo;
    use candor_decoders::nasdaq::moldudp64::Writer;

    fn seen(port: u16, session: &[u8; 10], first: u64, messages: &[&[u8]]) -> Seen {
        let mut buffer = [0; 1400];
        let mut writer = Writer::new(&mut buffer, *session, SeqNo(first)).unwrap();
        for message in messages {
            writer.push(message).unwrap();
        }
        let payload = writer.finish();
        let packet = Format::NasdaqItch50.frame(payload).unwrap();
        let identity = Identity::of(Format::NasdaqItch50, payload, &packet);
        let mut seen = Seen::new(Endpoint { group: [239, 0, 0, 1], port }, identity);
        seen.add(&packet);
        seen
    }

    #[test]
    fn what_agrees_is_one_partition_and_what_differs_is_another() {
        let mut groups = Groups::new(&[]).unwrap();
        let session = b"SESSION   ";
        let (x, y, z) = (&b"x"[..], &b"y"[..], &b"z"[..]);
        assert_eq!(groups.place(seen(1, session, 1, &[x, y, z])), Some((0, Line::A)));
        assert_eq!(groups.place(seen(2, session, 1, &[z, z, x])), Some((1, Line::A)));
        // One byte that differs between lines makes no other partition.
        assert_eq!(groups.place(seen(3, session, 1, &[x, y, x])), Some((0, Line::B)));
        assert_eq!(groups.place(seen(4, b"OTHER     ", 1, &[x, y, z])), Some((2, Line::A)));
        // Nothing in common but the next number.
        assert_eq!(groups.place(seen(5, session, 4, &[])), Some((0, Line::C)));
        assert_eq!(groups.place(seen(6, session, 1, &[x, y, z])), None);
        assert_eq!(groups.place(seen(7, session, 100_000, &[x])), Some((3, Line::A)));
    }

    #[test]
    fn lines_are_given_by_name() {
        let option: LineOption = "7/B=233.54.12.1:26477".parse().unwrap();
        assert_eq!(option.partition, "7");
        assert_eq!(option.line, Line::B);
        assert_eq!(option.endpoint.to_string(), "233.54.12.1:26477");
        for bad in ["", "A", "A=", "D=1.2.3.4:5", "A=1.2.3:4", "A=1.2.3.4:x", "/A=1.2.3.4:5"] {
            assert!(bad.parse::<LineOption>().is_err(), "{bad}");
        }
        let twice = ["A=1.2.3.4:5", "B=1.2.3.4:5"].map(|text| text.parse().unwrap());
        assert!(Groups::new(&twice).is_err());
    }
}

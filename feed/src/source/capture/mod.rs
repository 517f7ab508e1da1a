//! A capture file as a source: pcap, pcapng, or Nasdaq's length-prefixed ITCH, plain or compressed
//! by gzip or zstd, read once from front to back in constant memory.
//!
//! Arrival is the time in the capture: nanoseconds since the Unix epoch for pcap and pcapng, since
//! midnight for ITCH. That is a clock of its own: a lane fed by a capture takes its `now` from its
//! arrivals, never from the host. Where a capture's times go back, the last one holds and that is
//! counted ([`Capture::held`]).
//!
//! A file that is cut off or broken delivers everything before that place, then an error that names
//! the offset in the decompressed file.

mod itch;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;

use candor_capture::{Broken, Frame, Item, Kind, Link};
use candor_core::{Line, Mono, Nanos};
use candor_decoders::{Format, net};

use super::{Arrival, Polled, Source, SourceCounts, SourceError};
use crate::config::Config;
use crate::exit::Failure;
use itch::Itch;

/// Groups and ports that are remembered as unmapped. Reached: further ones are counted together.
const UNMAPPED: usize = 1024;

/// Which partition and line a group and port is, from whom.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Endpoints {
    lines: BTreeMap<(Ipv4Addr, u16), Vec<Place>>,
    messages: Option<u16>,
}

/// A line on a group and port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    /// The only sender listened to; `None` is any.
    source: Option<Ipv4Addr>,
    partition: u16,
    line: Line,
}

impl Endpoints {
    /// No endpoint.
    #[must_use]
    pub const fn new() -> Endpoints {
        Endpoints { lines: BTreeMap::new(), messages: None }
    }

    /// Every subscribed line of a configuration. A file of bare ITCH messages goes to its only ITCH
    /// partition, if it has exactly one.
    #[must_use]
    pub fn of(config: &Config) -> Endpoints {
        let mut endpoints = Endpoints::new();
        for (partition, line, at) in config.subscribed_lines() {
            endpoints.add_from(at.source, (at.group, at.port), partition, line);
        }
        let mut itch = (0u16..)
            .zip(&config.partitions)
            .filter(|(_, partition)| partition.feed == Format::NasdaqItch50)
            .map(|(index, _)| index);
        endpoints.messages = itch.next().filter(|_| itch.next().is_none());
        endpoints
    }

    /// Names a group and port, from any sender.
    pub fn add(&mut self, group: Ipv4Addr, port: u16, partition: u16, line: Line) {
        self.add_from(None, (group, port), partition, line);
    }

    /// Names a group and port from one sender, or from any. What was named for it before is no more.
    pub fn add_from(
        &mut self,
        source: Option<Ipv4Addr>,
        endpoint: (Ipv4Addr, u16),
        partition: u16,
        line: Line,
    ) {
        let places = self.lines.entry(endpoint).or_default();
        places.retain(|place| place.source != source);
        places.push(Place { source, partition, line });
    }

    /// Names the partition that a file of bare ITCH messages belongs to, as its line A.
    pub fn messages_of(&mut self, partition: u16) {
        self.messages = Some(partition);
    }
}

/// A group and port of the capture that is no partition's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unmapped {
    /// The address, usually a multicast group.
    pub group: Ipv4Addr,
    /// The UDP port.
    pub port: u16,
    /// Datagrams.
    pub packets: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
}

/// A capture being replayed.
pub struct Capture {
    path: String,
    file: candor_capture::Capture,
    /// What packs messages without packets, and whose they are.
    itch: Option<(Itch, u16)>,
    sorter: Sorter,
    batch: u32,
    /// What ends it, once everything before it has been delivered.
    broken: Option<SourceError>,
    ended: bool,
}

/// Everything but the file: which frame is whose, and when.
struct Sorter {
    endpoints: Endpoints,
    last: Mono,
    held: u64,
    counts: SourceCounts,
    unmapped: BTreeMap<(Ipv4Addr, u16), (u64, u64)>,
}

impl Capture {
    /// Opens a capture, to be delivered at most `batch` frames a poll.
    ///
    /// # Errors
    /// When the file is absent, empty, or no capture; when it is a file of bare messages and
    /// `endpoints` names no partition for them.
    pub fn open(path: &Path, endpoints: Endpoints, batch: u32) -> Result<Capture, Failure> {
        let name = path.display().to_string();
        let file = candor_capture::Capture::open(path)
            .map_err(|error| Failure::data(format!("{name}: {error}")))?;
        let itch = match (file.kind(), endpoints.messages) {
            (Kind::Pcap | Kind::PcapNg, _) => None,
            (Kind::Messages, Some(partition)) => Some((Itch::new(), partition)),
            (Kind::Messages, None) => {
                return Err(Failure::config(format!(
                    "{name} holds ITCH messages without groups and ports: configure exactly \
                     one partition with feed = \"nasdaq-itch50\" for them"
                )));
            }
        };
        let sorter = Sorter {
            endpoints,
            last: Mono(1),
            held: 0,
            counts: SourceCounts::default(),
            unmapped: BTreeMap::new(),
        };
        let batch = batch.max(1);
        Ok(Capture { path: name, file, itch, sorter, batch, broken: None, ended: false })
    }

    /// How often the capture's times went back.
    #[must_use]
    pub const fn held(&self) -> u64 {
        self.sorter.held
    }

    /// Groups and ports in the capture that are no partition's, so far. At most a thousand; the
    /// sum is in [`SourceCounts::unmapped`].
    #[must_use]
    pub fn unmapped(&self) -> Vec<Unmapped> {
        self.sorter
            .unmapped
            .iter()
            .map(|(&(group, port), &(packets, bytes))| Unmapped { group, port, packets, bytes })
            .collect()
    }

    /// Takes the next frame or packet; `false` at the end.
    fn step(&mut self, deliver: &mut dyn FnMut(Arrival<'_>)) -> Result<bool, SourceError> {
        let Capture { file, sorter, .. } = self;
        let step = match &mut self.itch {
            Some((itch, partition)) => itch.step(file, &mut |at, payload| {
                let at = sorter.clock(at);
                deliver(Arrival { partition: *partition, line: Line::A, at, payload });
            }),
            None => sorter.step(file, deliver),
        };
        step.map_err(|Broken { what, offset }| SourceError::Capture {
            file: self.path.clone(),
            what,
            offset,
        })
    }
}

impl Sorter {
    fn step(
        &mut self,
        file: &mut candor_capture::Capture,
        deliver: &mut dyn FnMut(Arrival<'_>),
    ) -> Result<bool, Broken> {
        if file.advance()?.is_none() {
            return Ok(false);
        }
        if let Some(Item::Frame(frame)) = file.item() {
            if frame.link != Link::ETHERNET {
                let what =
                    format!("frames of link type {}; only Ethernet (1) is read", frame.link.0);
                return Err(Broken { what, offset: file.offset() });
            }
            self.frame(&frame, deliver);
        }
        Ok(true)
    }

    fn frame(&mut self, frame: &Frame<'_>, deliver: &mut dyn FnMut(Arrival<'_>)) {
        let at = self.clock(frame.at);
        let datagram = match net::udp(frame.bytes) {
            Ok(datagram) => datagram,
            // What the capture cut off can't be told from what the wire did, but is no news of it.
            Err(_) if frame.cut => {
                self.counts.rx_invalid += 1;
                return;
            }
            Err(_) => {
                self.counts.not_udp += 1;
                return;
            }
        };
        let key = (Ipv4Addr::from(datagram.group), datagram.port);
        let payload = datagram.payload;
        let source = Ipv4Addr::from(datagram.source);
        let theirs = |place: &&Place| place.source.is_none_or(|only| only == source);
        let places = self.endpoints.lines.get(&key);
        match places.map(|places| places.iter().find(theirs)) {
            Some(Some(&Place { partition, line, .. })) => {
                deliver(Arrival { partition, line, at, payload });
            }
            Some(None) => self.counts.other_source += 1,
            None => {
                self.counts.unmapped += 1;
                if self.unmapped.len() < UNMAPPED || self.unmapped.contains_key(&key) {
                    let (packets, bytes) = self.unmapped.entry(key).or_default();
                    *packets += 1;
                    *bytes += payload.len() as u64;
                }
            }
        }
    }

    fn clock(&mut self, at: u64) -> Mono {
        // 0 stands for "never".
        let at = Mono(at.max(1));
        if at < self.last {
            self.held += 1;
        }
        self.last = self.last.max(at);
        self.last
    }
}

impl Source for Capture {
    fn poll(&mut self, deliver: &mut dyn FnMut(Arrival<'_>)) -> Result<Polled, SourceError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let mut frames = 0;
        for _ in 0..self.batch {
            if self.ended {
                break;
            }
            match self.step(deliver) {
                Ok(true) => frames += 1,
                Ok(false) => self.ended = true,
                Err(error) if frames == 0 => {
                    self.broken = Some(error.clone());
                    return Err(error);
                }
                Err(error) => {
                    self.broken = Some(error);
                    break;
                }
            }
        }
        Ok(Polled { frames, drained: self.ended, waits_since: None })
    }

    fn wait(&mut self, _at_most: Nanos) -> Result<(), SourceError> {
        Ok(())
    }

    fn counts(&mut self) -> SourceCounts {
        self.sorter.counts
    }

    fn mode(&self) -> &str {
        "capture"
    }

    fn ended(&self) -> bool {
        self.ended && self.broken.is_none()
    }
}

//! From captures to partitions: whose packet it is, and when it happens.

use std::collections::BTreeMap;

use candor_capture::{Frame, Item};
use candor_core::counters::{Counter, Counters};
use candor_core::{Line, Mono, Reject};
use candor_decoders::{Format, net};

use crate::exit::Failure;

use super::capture::{Broken, Capture};
use super::lines::{Endpoint, Groups, Identity, Seen};
use super::machine::Machine;
use super::messages::Packer;
use super::{AFTER_THE_LAST, Options};

/// Datagrams looked at before the first is replayed, to see which lines there are.
const LOOK_AHEAD: usize = 8_192;

/// Bytes of them at most.
const LOOK_AHEAD_BYTES: usize = 32 << 20;

/// Endpoints of other traffic that are told apart; more are counted together.
const OTHERS_MAX: usize = 256;

/// Items between two looks at the progress.
const PROGRESS_EVERY: u64 = 1 << 14;

/// Frames of the captures, whatever they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Frames {
    /// All of them.
    pub total: u64,
    /// Those that are no whole UDP datagram, by the reasons in [`Replayed::rejects`].
    pub not_udp: u64,
    /// Datagrams to endpoints that are no line of any partition.
    pub other: u64,
}

/// An endpoint that is no line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Other {
    /// Datagrams to it.
    pub packets: u64,
    /// Why the last one is no packet of the feed; `None`: it is one, and three other lines carry
    /// its partition already, or the lines were given by name.
    pub why: Option<Reject>,
}

/// How far a replay is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Which of the captures, from 0.
    pub capture: usize,
    /// Bytes of its decompressed content read.
    pub offset: u64,
    /// Frames of all captures so far.
    pub frames: u64,
    /// Messages applied so far.
    pub messages: u64,
}

/// What a replay left.
pub struct Replayed {
    /// The partitions, in order of their first packets.
    pub partitions: Vec<Machine>,
    /// What became of frames.
    pub frames: Frames,
    /// Frames and packets of no partition, refused, by reason.
    pub rejects: Counters,
    /// Endpoints that are no line.
    pub others: Vec<(Endpoint, Other)>,
    /// Files that break off; everything before is in the partitions.
    pub broken: Vec<Broken>,
    /// Whether the captures held anything at all.
    pub anything: bool,
}

/// Replays captures. `progress` is called from time to time.
///
/// # Errors
/// Where a capture can't be opened, or is nothing that can be replayed; nothing was replayed then.
pub fn run(options: &Options, progress: &mut dyn FnMut(Progress)) -> Result<Replayed, Failure> {
    let groups = Groups::new(&options.lines).map_err(Failure::usage)?;
    let mut captures = Vec::with_capacity(options.captures.len());
    for path in &options.captures {
        captures.push(Capture::open(path, options.feed)?);
    }
    let mut driver = Driver::new(options, groups);
    let mut times: Vec<Option<u64>> =
        captures.iter_mut().map(|capture| driver.advance(capture)).collect();
    let mut items = 0u64;
    // BOUND: each turn takes an item from a capture.
    while let Some(at) = next_of(&times, options.merge) {
        if let Some(item) = captures[at].item() {
            driver.take(item);
        }
        times[at] = driver.advance(&mut captures[at]);
        items += 1;
        if items.is_multiple_of(PROGRESS_EVERY) {
            let (frames, messages) = (driver.frames.total, driver.applied());
            progress(Progress { capture: at, offset: captures[at].offset(), frames, messages });
        }
    }
    Ok(driver.finish())
}

/// Whose turn it is: by time, or the first that has anything left.
fn next_of(times: &[Option<u64>], merge: bool) -> Option<usize> {
    let there = times.iter().enumerate().filter_map(|(at, time)| Some((at, (*time)?)));
    if merge {
        there.min_by_key(|(at, time)| (*time, *at)).map(|(at, _)| at)
    } else {
        there.map(|(at, _)| at).next()
    }
}

/// A datagram seen while the lines were not known yet.
struct Held {
    at: u64,
    endpoint: Endpoint,
    from: usize,
    to: usize,
}

struct Driver<'a> {
    options: &'a Options,
    groups: Groups,
    machines: Vec<Machine>,
    /// Where each endpoint's packets go; `None`: to no partition.
    places: BTreeMap<Endpoint, Option<(usize, Line)>>,
    others: BTreeMap<Endpoint, Other>,
    frames: Frames,
    rejects: Counters,
    broken: Vec<Broken>,
    anything: bool,
    now: Mono,
    /// When the first of the partitions has something to do.
    wake: Option<Mono>,
    /// Set until the lines are known.
    looking: bool,
    held: Vec<Held>,
    held_bytes: Vec<u8>,
    seen: Vec<Seen>,
    packer: Packer,
    /// The partition of messages without packets.
    file: Option<usize>,
    /// A frame of another link layer, made Ethernet.
    relinked: Vec<u8>,
}

impl<'a> Driver<'a> {
    fn new(options: &'a Options, groups: Groups) -> Driver<'a> {
        let looking = !groups.are_given();
        Driver {
            options,
            groups,
            machines: Vec::new(),
            places: BTreeMap::new(),
            others: BTreeMap::new(),
            frames: Frames::default(),
            rejects: Counters::new(),
            broken: Vec::new(),
            anything: false,
            now: Mono(1),
            wake: None,
            looking,
            held: Vec::new(),
            held_bytes: Vec::new(),
            seen: Vec::new(),
            packer: Packer::new(),
            file: None,
            relinked: Vec::new(),
        }
    }

    fn advance(&mut self, capture: &mut Capture) -> Option<u64> {
        match capture.advance() {
            Ok(time) => time,
            Err(broken) => {
                self.broken.push(broken);
                None
            }
        }
    }

    fn applied(&self) -> u64 {
        self.machines.iter().map(|machine| machine.counters().get(Counter::Applied)).sum()
    }

    fn take(&mut self, item: Item<'_>) {
        self.anything = true;
        match item {
            Item::Frame(frame) => self.frame(&frame),
            Item::Message { bytes: message, .. } => {
                self.decide();
                if self.packer.push(message) {
                    self.pack();
                }
            }
            Item::EndOfMessages => {
                self.decide();
                self.pack();
                let mut packer = std::mem::replace(&mut self.packer, Packer::new());
                let (time, packet) = packer.end();
                self.file_packet(time, packet);
                packer.clear();
                self.packer = packer;
            }
        }
    }

    /// Hands the messages collected so far to their partition.
    fn pack(&mut self) {
        let mut packer = std::mem::replace(&mut self.packer, Packer::new());
        if let Some((time, packet)) = packer.take() {
            self.file_packet(time, packet);
        }
        packer.clear();
        self.packer = packer;
    }

    fn file_packet(&mut self, time: Mono, packet: &[u8]) {
        let at = match self.file {
            Some(at) => at,
            None => self.groups.push_unnamed(),
        };
        self.file = Some(at);
        self.pass_time(time);
        self.deliver(at, Line::A, packet);
    }

    fn frame(&mut self, frame: &Frame<'_>) {
        let at = frame.at;
        self.frames.total += 1;
        let mut relinked = std::mem::take(&mut self.relinked);
        match net::udp(frame.link.ethernet(frame.bytes, &mut relinked)) {
            Err(reject) => {
                self.frames.not_udp += 1;
                self.rejects.reject(reject);
            }
            Ok(datagram) => {
                let endpoint = Endpoint { group: datagram.group, port: datagram.port };
                if self.looking {
                    self.hold(at, endpoint, datagram.payload);
                } else {
                    self.datagram(at, endpoint, datagram.payload);
                }
            }
        }
        self.relinked = relinked;
    }

    fn hold(&mut self, at: u64, endpoint: Endpoint, payload: &[u8]) {
        if let Ok(packet) = self.options.feed.frame(payload) {
            let known = self.seen.iter_mut().find(|seen| seen.endpoint == endpoint);
            let seen = match known {
                Some(seen) => seen,
                None => {
                    let identity = Identity::of(self.options.feed, payload, &packet);
                    self.seen.push(Seen::new(endpoint, identity));
                    let last = self.seen.len() - 1;
                    &mut self.seen[last]
                }
            };
            seen.add(&packet);
        }
        let from = self.held_bytes.len();
        self.held_bytes.extend_from_slice(payload);
        self.held.push(Held { at, endpoint, from, to: self.held_bytes.len() });
        if self.held.len() >= LOOK_AHEAD || self.held_bytes.len() >= LOOK_AHEAD_BYTES {
            self.decide();
        }
    }

    /// Settles which endpoints are lines of what, and replays what was looked at for that.
    fn decide(&mut self) {
        if !std::mem::take(&mut self.looking) {
            return;
        }
        for seen in std::mem::take(&mut self.seen) {
            let endpoint = seen.endpoint;
            let place = self.groups.place(seen);
            self.places.insert(endpoint, place);
        }
        let bytes = std::mem::take(&mut self.held_bytes);
        for Held { at, endpoint, from, to } in std::mem::take(&mut self.held) {
            self.datagram(at, endpoint, &bytes[from..to]);
        }
    }

    fn datagram(&mut self, at: u64, endpoint: Endpoint, payload: &[u8]) {
        let place = match self.places.get(&endpoint) {
            Some(place) => *place,
            None => self.place(endpoint, payload),
        };
        match place {
            Some((group, line)) => {
                self.pass_time(Mono(at));
                self.deliver(group, line, payload);
                self.machines[group].packets += 1;
            }
            None => self.other(endpoint, payload),
        }
    }

    /// An endpoint met after the lines were settled.
    fn place(&mut self, endpoint: Endpoint, payload: &[u8]) -> Option<(usize, Line)> {
        if self.groups.are_given() {
            let place = self.groups.find(endpoint);
            self.places.insert(endpoint, place);
            return place;
        }
        // Not until it carries a packet of the feed is there anything to settle.
        let packet = self.options.feed.frame(payload).ok()?;
        let mut seen = Seen::new(endpoint, Identity::of(self.options.feed, payload, &packet));
        seen.add(&packet);
        let place = self.groups.place(seen);
        self.places.insert(endpoint, place);
        place
    }

    fn other(&mut self, endpoint: Endpoint, payload: &[u8]) {
        self.frames.other += 1;
        let why = self.options.feed.frame(payload).err();
        if let Some(reject) = why {
            self.rejects.reject(reject);
        }
        if self.others.len() < OTHERS_MAX || self.others.contains_key(&endpoint) {
            let other = self.others.entry(endpoint).or_default();
            other.packets += 1;
            other.why = why;
        }
    }

    fn deliver(&mut self, group: usize, line: Line, payload: &[u8]) {
        // BOUND: the partitions found so far.
        while self.machines.len() <= group {
            let at = self.machines.len();
            let name = &self.groups.groups[at].name;
            self.machines.push(Machine::new(self.options, at, name, self.now));
        }
        let machine = &mut self.machines[group];
        machine.on_packet(self.now, line, payload);
        if let Some(deadline) = machine.partition.deadline() {
            self.wake = Some(self.wake.map_or(deadline, |wake| wake.min(deadline)));
        }
    }

    /// Time comes to `to`, or stays where it is when that lies behind.
    fn pass_time(&mut self, to: Mono) {
        let to = to.max(self.now);
        if self.wake.is_some_and(|wake| wake <= to) {
            self.wake = None;
            for machine in &mut self.machines {
                machine.pass_time(to, self.now);
                if let Some(deadline) = machine.partition.deadline() {
                    self.wake = Some(self.wake.map_or(deadline, |wake| wake.min(deadline)));
                }
            }
        }
        self.now = to;
    }

    fn finish(mut self) -> Replayed {
        self.decide();
        self.pack();
        self.pass_time(self.now + AFTER_THE_LAST);
        // Lines given by name that carried nothing are partitions nobody has heard of.
        for at in self.machines.len()..self.groups.groups.len() {
            let name = &self.groups.groups[at].name;
            self.machines.push(Machine::new(self.options, at, name, self.now));
        }
        for (machine, group) in self.machines.iter_mut().zip(&self.groups.groups) {
            machine.lines = group.lines;
        }
        if let Some(at) = self.file {
            self.machines[at].cut = self.packer.is_cut();
        }
        Replayed {
            partitions: self.machines,
            frames: self.frames,
            rejects: self.rejects,
            others: self.others.into_iter().collect(),
            broken: self.broken,
            anything: self.anything,
        }
    }
}

/// The venue's name unless one is given.
#[must_use]
pub(crate) const fn venue_of(feed: Format) -> &'static str {
    match feed {
        Format::IexDeep | Format::IexTops => "IEXG",
        Format::NasdaqItch50 => "XNAS",
    }
}

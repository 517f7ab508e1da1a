//! The way from the exchange to the host: a link for every partition and line, and one queue of
//! what is on its way.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use candor_core::limits::LINES;
use candor_core::{Line, Mono, Nanos};

use crate::market::Family;
use crate::oracle::wire;
use crate::rng::Rng;

/// What a link does to packets. Chances are in millionths, drawn once a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// How long the way is.
    pub delay: Nanos,
    /// How much longer it may be, evenly.
    pub jitter: Nanos,
    /// Chance that a packet is lost.
    pub loss: u32,
    /// Chance that a run of losses begins.
    pub bursts: u32,
    /// Mean length of such a run in packets.
    pub burst: u32,
    /// Chance that a packet comes twice.
    pub duplicate: u32,
    /// Chance that a packet is held back.
    pub reorder: u32,
    /// By how much.
    pub reorder_by: Nanos,
    /// Chance that a frame is broken.
    pub malform: u32,
    /// Nothing gets through.
    pub cut: bool,
}

impl Link {
    /// Twenty microseconds, and nothing goes wrong.
    pub const GOOD: Link = Link {
        delay: Nanos::from_micros(20),
        jitter: Nanos::ZERO,
        loss: 0,
        bursts: 0,
        burst: 1,
        duplicate: 0,
        reorder: 0,
        reorder_by: Nanos::ZERO,
        malform: 0,
        cut: false,
    };

    /// The longest a packet may be on its way.
    #[must_use]
    pub fn longest(&self) -> Nanos {
        Nanos(self.delay.0 + self.jitter.0 + self.reorder_by.0)
    }
}

/// What the simulator knows of a packet beside its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tag {
    /// The partition.
    pub partition: usize,
    /// The line.
    pub line: Line,
    /// The run of numbers it was published in.
    pub run: u32,
    /// Its first number.
    pub first: u64,
    /// Its messages.
    pub count: u64,
    /// It says that the session is over.
    pub end: bool,
    /// It proves nothing: somebody repeats what was sent long ago.
    pub echo: bool,
    /// Its bytes are broken.
    pub malformed: bool,
    /// When it was published.
    pub sent: Mono,
}

/// A packet that has reached the host.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// When.
    pub at: Mono,
    /// What is known of it.
    pub tag: Tag,
    /// Its bytes; give them back by [`Network::recycle`].
    pub bytes: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Due {
    at: Mono,
    /// Packets due at once arrive in the order in which they were sent.
    order: u64,
    slot: usize,
}

#[derive(Clone, Debug)]
struct State {
    link: Link,
    base: Link,
    rng: Rng,
    burst_left: u64,
    /// A way that becomes shorter does not let packets overtake those before them.
    clear_at: Mono,
    /// The longest that the way ever was.
    longest: Nanos,
    lose_next: u32,
    /// The last packet with messages that got through, for a loop.
    last: Option<(Tag, Vec<u8>)>,
    remembers: bool,
}

/// What became of packets, counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Carried {
    /// Packets that reached the host.
    pub packets: u64,
    /// Messages in them, on all lines.
    pub messages: u64,
    /// Packets lost.
    pub lost: u64,
    /// Packets whose bytes were broken.
    pub malformed: u64,
}

/// All links and what is on them.
#[derive(Clone, Debug)]
pub struct Network {
    venue: Family,
    links: Vec<[State; LINES]>,
    queue: BinaryHeap<Reverse<Due>>,
    slots: Vec<Option<(Tag, Vec<u8>)>>,
    free: Vec<usize>,
    buffers: Vec<Vec<u8>>,
    sent: u64,
    /// What became of packets so far.
    pub carried: Carried,
}

impl Network {
    /// Links as they are when all is well.
    #[must_use]
    pub fn new(venue: Family, seed: u64, partitions: usize, base: [Link; LINES]) -> Network {
        let state = |partition: usize, line: usize| State {
            link: base[line],
            base: base[line],
            rng: Rng::stream(seed, 3 << 40 | (partition * LINES + line) as u64),
            burst_left: 0,
            clear_at: Mono::NEVER,
            longest: base[line].longest(),
            lose_next: 0,
            last: None,
            remembers: false,
        };
        let links = (0..partitions).map(|p| core::array::from_fn(|line| state(p, line)));
        Network {
            venue,
            links: links.collect(),
            queue: BinaryHeap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            buffers: Vec::new(),
            sent: 0,
            carried: Carried::default(),
        }
    }

    /// A link, to be changed from its next packet on.
    pub fn link(&mut self, partition: usize, line: Line) -> &mut Link {
        &mut self.links[partition][line.index()].link
    }

    /// What a link was in the beginning.
    #[must_use]
    pub fn base(&self, partition: usize, line: Line) -> Link {
        self.links[partition][line.index()].base
    }

    /// The link is what it was in the beginning, without its chances of loss when `perfect`.
    pub fn mend(&mut self, partition: usize, line: Line, perfect: bool) {
        let state = &mut self.links[partition][line.index()];
        state.link = state.base;
        if perfect {
            let Link { delay, .. } = state.base;
            state.link = Link { delay, ..Link::GOOD };
        }
        state.burst_left = 0;
        state.lose_next = 0;
    }

    /// A link loses its next packets.
    pub fn lose_next(&mut self, partition: usize, line: Line, packets: u32) {
        self.links[partition][line.index()].lose_next += packets;
    }

    /// From now on the link's last packet with messages is kept for [`Network::last`].
    pub fn remember(&mut self, partition: usize, line: Line) {
        self.links[partition][line.index()].remembers = true;
    }

    /// The longest that any packet of a partition was ever on its way.
    #[must_use]
    pub fn longest(&self, partition: usize) -> Nanos {
        self.links[partition].iter().map(|state| state.longest).max().unwrap_or_default()
    }

    /// The last packet with messages that a link carried.
    #[must_use]
    pub fn last(&self, partition: usize, line: Line) -> Option<&(Tag, Vec<u8>)> {
        self.links[partition][line.index()].last.as_ref()
    }

    /// A packet sets out. Whether it will arrive.
    pub fn send(&mut self, now: Mono, tag: Tag, bytes: &[u8]) -> bool {
        let state = &mut self.links[tag.partition][tag.line.index()];
        let (link, rng) = (&state.link, &mut state.rng);
        // As many draws whatever the faults are, so that one fault never moves another's dice.
        let lost = rng.chance(link.loss);
        let burst = rng.chance(link.bursts);
        let length = rng.between(1, u64::from(link.burst.max(1)) * 2 - 1);
        let twice = rng.chance(link.duplicate);
        let held = rng.chance(link.reorder);
        let broken = rng.chance(link.malform);
        let jitter = [rng.below(link.jitter.0 + 1), rng.below(link.jitter.0 + 1)];
        if burst && state.burst_left == 0 {
            state.burst_left = length;
        }
        let in_burst = state.burst_left > 0;
        state.burst_left = state.burst_left.saturating_sub(1);
        let dropped = state.lose_next > 0;
        state.lose_next = state.lose_next.saturating_sub(1);
        if link.cut || lost || in_burst || dropped {
            self.carried.lost += 1;
            return false;
        }
        if state.remembers && tag.count > 0 && !tag.echo {
            state.last = Some((tag, bytes.to_vec()));
        }
        let held = if held { link.reorder_by } else { Nanos::ZERO };
        state.clear_at = state.clear_at.max(now + link.delay);
        state.longest = state.longest.max(link.longest());
        let clear_at = state.clear_at;
        let entropy = broken.then(|| rng.bits());
        for jitter in &jitter[..1 + usize::from(twice)] {
            self.enqueue(clear_at + held + Nanos(*jitter), tag, bytes, entropy);
        }
        true
    }

    fn enqueue(&mut self, at: Mono, mut tag: Tag, bytes: &[u8], entropy: Option<u64>) {
        let mut copy = self.buffers.pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(bytes);
        if let Some(entropy) = entropy {
            match self.venue {
                Family::Itch50 => break_mold(&mut copy, entropy),
                Family::Deep => break_segment(&mut copy, entropy),
            }
            tag.malformed = true;
            self.carried.malformed += 1;
        }
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(None);
                self.slots.len() - 1
            }
        };
        self.slots[slot] = Some((tag, copy));
        self.sent += 1;
        self.queue.push(Reverse(Due { at, order: self.sent, slot }));
    }

    /// Loses what is on its way of a partition, but what is to be kept.
    pub fn lose_under_way(&mut self, partition: usize, keep: impl Fn(&Tag) -> bool) {
        let kept: Vec<Reverse<Due>> = self.queue.drain().collect();
        for Reverse(due) in kept {
            let tag = self.slots[due.slot].as_ref().map(|(tag, _)| tag);
            let mine = tag.is_some_and(|tag| tag.partition == partition && !keep(tag));
            if mine {
                self.carried.lost += 1;
                self.free.push(due.slot);
                self.buffers.extend(self.slots[due.slot].take().map(|(_, bytes)| bytes));
            } else {
                self.queue.push(Reverse(due));
            }
        }
    }

    /// When the next packet arrives.
    #[must_use]
    pub fn due(&self) -> Option<Mono> {
        self.queue.peek().map(|Reverse(due)| due.at)
    }

    /// The next packet that has arrived by `now`.
    pub fn arrival(&mut self, now: Mono) -> Option<Arrival> {
        if self.due()? > now {
            return None;
        }
        let Reverse(due) = self.queue.pop()?;
        self.free.push(due.slot);
        let (tag, bytes) = self.slots[due.slot].take()?;
        self.carried.packets += 1;
        if !tag.malformed {
            self.carried.messages += tag.count;
        }
        Some(Arrival { at: due.at, tag, bytes })
    }

    /// Takes a packet's bytes back.
    pub fn recycle(&mut self, bytes: Vec<u8>) {
        self.buffers.push(bytes);
    }
}

/// Breaks a datagram's framing, in one of the ways frames are found broken: never so that it could
/// be taken for another whole one.
fn break_mold(bytes: &mut Vec<u8>, entropy: u64) {
    let pick = (entropy >> 8) as usize;
    match entropy % 5 {
        // Cut short: inside the header, or inside the messages so that the last is missing bytes.
        0 => bytes.truncate(pick % 20),
        1 if bytes.len() > 20 => bytes.truncate(bytes.len() - 1),
        // More messages than there are.
        2 => {
            let count = u16::from_be_bytes([bytes[18], bytes[19]]);
            let more = if count == 0xffff { 1 } else { count + 1 };
            bytes[18..20].copy_from_slice(&more.to_be_bytes());
        }
        // No session, no number.
        3 => bytes[..18].fill(0),
        // Longer than it says.
        _ => bytes.extend(core::iter::repeat_n(pick as u8 | 1, 1 + pick % 9_000)),
    }
}

/// The same for IEX-TP.
fn break_segment(bytes: &mut Vec<u8>, entropy: u64) {
    let pick = (entropy >> 8) as usize;
    let header = wire::header_len(Family::Deep);
    let two = |bytes: &[u8], at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    match entropy % 8 {
        // Cut short: inside the header, or inside the messages so that the last is missing bytes.
        0 => bytes.truncate(pick % header),
        1 if bytes.len() > header => bytes.truncate(bytes.len() - 1),
        // The same, and the length says so.
        2 if bytes.len() > header => {
            bytes.truncate(bytes.len() - 1);
            let len = (bytes.len() - header) as u16;
            bytes[12..14].copy_from_slice(&len.to_le_bytes());
        }
        // More messages than there are.
        3 => {
            let more = two(bytes, 14).wrapping_add(1).max(1);
            bytes[14..16].copy_from_slice(&more.to_le_bytes());
        }
        // No session, or no number.
        4 if pick.is_multiple_of(2) => bytes[8..12].fill(0),
        4 => bytes[24..32].fill(0),
        // Another version, another protocol.
        5 => bytes[0] = 2 + (pick % 250) as u8,
        6 => bytes[2] ^= 1 << (pick % 8),
        // Longer than it says.
        _ => bytes.extend(core::iter::repeat_n(pick as u8 | 1, 1 + pick % 9_000)),
    }
}

#[cfg(test)]
mod tests {
    use candor_decoders::Format;

    use super::*;

    #[test]
    fn a_broken_frame_is_never_another_whole_one() {
        let mut rng = Rng::new(5);
        for venue in [Family::Itch50, Family::Deep] {
            let (format, break_frame): (Format, fn(&mut Vec<u8>, u64)) = match venue {
                Family::Itch50 => (Format::NasdaqItch50, break_mold),
                Family::Deep => (Format::IexDeep, break_segment),
            };
            let session = match venue {
                Family::Itch50 => *b"SIM1      ",
                Family::Deep => [4, 0x80, 1, 0, 0, 0, 7, 0, 0, 0],
            };
            let beat = wire::heartbeat(venue, session, 9, 300);
            let mut data = beat.clone();
            match venue {
                Family::Itch50 => {
                    data[19] = 1;
                    data.extend([0, 3, b'z', 1, 2]);
                }
                Family::Deep => {
                    (data[12], data[14]) = (5, 1);
                    data.extend([3, 0, b'z', 1, 2]);
                }
            }
            for whole in [beat, data] {
                assert!(format.frame(&whole).is_ok());
                for _ in 0..2_000 {
                    let mut bytes = whole.clone();
                    break_frame(&mut bytes, rng.bits());
                    assert!(format.frame(&bytes).is_err(), "{venue:?}: {bytes:?}");
                }
            }
        }
    }
}

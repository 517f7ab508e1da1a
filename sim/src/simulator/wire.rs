//! Changes of the venue's own bytes: what a venue does that breaks its rules, or that nobody knew
//! of yet. All lines carry the same, and so does what the oracle reads; but for [`Tampering::differ`].

use std::collections::BTreeSet;

use candor_core::{Line, Symbol};

use super::schedule::Tamper;
use crate::market::Family;
use crate::oracle::wire;

/// A price that no seller of the market asks for.
const FAR_TOO_HIGH: u32 = 1_900_000_000;

/// An order no market ever has.
const NO_ORDER: u64 = u64::MAX - 7;

/// Numbers during which no transaction of a symbol is completed.
const LEFT_OPEN: u64 = 200;

/// The bytes with which messages are longer than documented.
const TAIL: [u8; 3] = [0xa5, 0x5a, 0xff];

/// The changes of one run.
#[derive(Clone, Debug)]
pub struct Tampering {
    venue: Family,
    rules: Vec<Rule>,
    /// Messages that line B carries differently: partition, run and number.
    differing: Vec<(usize, u32, u64)>,
}

#[derive(Clone, Debug)]
struct Rule {
    tamper: Tamper,
    /// The number it hit, so that every line hits the same.
    hit: Option<(u32, u64)>,
    /// The name that another partition has, and the one it takes the place of.
    foreign: [u8; 8],
    own: [u8; 8],
    /// Levels there are, as their messages spell symbol and price, as of a run and number.
    levels: BTreeSet<[u8; 16]>,
    levels_of: (u32, u64),
    /// The level that is moved to another price; in front, the symbol whose transactions stay open.
    level: [u8; 16],
    /// Bytes added before each number of the run, for framings that count them.
    added: Vec<u64>,
    added_in: u32,
    /// Messages changed, and the run and number of the last.
    changed: (u64, (u32, u64)),
}

/// A symbol as messages spell it.
fn spell(symbol: Symbol) -> [u8; 8] {
    let mut field = [b' '; 8];
    field.iter_mut().zip(symbol.as_str().bytes()).for_each(|(to, from)| *to = from);
    field
}

/// Whether something changes messages of this partition.
#[must_use]
pub(super) fn tampers_with(tamper: &Tamper, partition: usize) -> bool {
    let (Tamper::UnknownType { partition: of }
    | Tamper::Longer { partition: of }
    | Tamper::UnknownOrder { partition: of, .. }
    | Tamper::LeftOpen { partition: of, .. }
    | Tamper::Crossed { partition: of, .. }
    | Tamper::Foreign { partition: of, .. }) = tamper;
    *of == partition
}

impl Tampering {
    /// The changes of a setup; `first_of` answers the first symbol of a partition.
    #[must_use]
    pub fn new(venue: Family, tamper: &[Tamper], first_of: impl Fn(usize) -> Symbol) -> Tampering {
        let rule = |tamper: &Tamper| {
            let (mut foreign, mut own) = ([b' '; 8], [b' '; 8]);
            if let Tamper::Foreign { home, partition } = *tamper {
                (foreign, own) = (spell(first_of(home)), spell(first_of(partition)));
            }
            Rule {
                tamper: *tamper,
                hit: None,
                foreign,
                own,
                levels: BTreeSet::new(),
                levels_of: (0, 0),
                level: [0; 16],
                added: vec![0],
                added_in: 0,
                changed: (0, (0, 0)),
            }
        };
        Tampering { venue, rules: tamper.iter().map(rule).collect(), differing: Vec::new() }
    }

    /// Whether nothing is ever changed.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.rules.is_empty() && self.differing.is_empty()
    }

    /// How many messages are of a type that nobody knows, or longer than documented: each once for all lines.
    #[must_use]
    pub fn strange(&self) -> u64 {
        self.rules.iter().map(|rule| rule.changed.0).sum()
    }

    /// Line B carries this number of a partition's run with other bytes than the others: DEEP alone,
    /// in a bit that the document gives no meaning, so that both copies say the same of the book.
    pub fn differ(&mut self, partition: usize, run: u32, seq: u64) {
        self.differing.push((partition, run, seq));
    }

    /// Changes a datagram of a partition's `run`.
    pub fn apply(&mut self, (partition, line): (usize, Line), run: u32, datagram: &mut Vec<u8>) {
        let venue = self.venue;
        for rule in &mut self.rules {
            if let Tamper::Longer { partition: of } = rule.tamper {
                if of == partition {
                    rule.lengthen(venue, run, datagram);
                }
            } else {
                let change = |seq, message: &mut [u8]| {
                    rule.message(venue, partition, (run, seq), message);
                };
                each_message(venue, datagram, change);
            }
        }
        if line == Line::B {
            let differing = &self.differing;
            let differs = |at: (usize, u32, u64)| differing.contains(&at);
            if self.differing.iter().any(|(of, in_run, _)| (*of, *in_run) == (partition, run)) {
                each_message(venue, datagram, |seq, message| {
                    if differs((partition, run, seq)) {
                        alter(message);
                    }
                });
            }
        }
    }
}

/// Calls `change` with every message of a datagram and its number.
fn each_message(venue: Family, datagram: &mut [u8], mut change: impl FnMut(u64, &mut [u8])) {
    let Some(frame) = wire::frame(venue, datagram) else { return };
    let (first, count) = (frame.first, frame.count);
    let mut at = wire::header_len(venue);
    for seq in first..first + count {
        let Some((message, _)) = wire::split(venue, datagram.get(at..).unwrap_or(&[])) else {
            return;
        };
        let end = at + 2 + message.len();
        change(seq, &mut datagram[at + 2..end]);
        at = end;
    }
}

/// Changes a bit of a DEEP message that says nothing: of flags where there are some, else of the time.
fn alter(message: &mut [u8]) {
    let (at, bit) = match message.first() {
        Some(b'8' | b'5' | b'T' | b'B' | b'D') => (1, 0x04),
        _ => (4, 0x01),
    };
    if let Some(byte) = message.get_mut(at) {
        *byte ^= bit;
    }
}

impl Rule {
    fn message(&mut self, venue: Family, partition: usize, at: (u32, u64), message: &mut [u8]) {
        match venue {
            Family::Itch50 => self.itch(partition, at, message),
            Family::Deep => self.deep(partition, at, message),
        }
    }

    fn itch(&mut self, partition: usize, at: (u32, u64), message: &mut [u8]) {
        let kind = message.first().copied().unwrap_or(0);
        let tamper = self.tamper;
        match tamper {
            Tamper::UnknownType { partition: of } if of == partition && kind == b'P' => {
                message[0] = b'z';
                self.count(at);
            }
            Tamper::UnknownOrder { partition: of, from }
                if of == partition && kind == b'D' && self.hits(at, from) =>
            {
                message[11..19].copy_from_slice(&NO_ORDER.to_be_bytes());
            }
            Tamper::Crossed { partition: of, from }
                if of == partition
                    && matches!(kind, b'A' | b'F')
                    && message[19] == b'B'
                    && self.hits(at, from) =>
            {
                message[32..36].copy_from_slice(&FAR_TOO_HIGH.to_be_bytes());
            }
            Tamper::Foreign { partition: of, .. }
                if of == partition && kind == b'R' && message[1..3] == [0, 1] =>
            {
                message[11..19].copy_from_slice(&self.foreign);
            }
            _ => {}
        }
    }

    fn deep(&mut self, partition: usize, at: (u32, u64), message: &mut [u8]) {
        let kind = message.first().copied().unwrap_or(0);
        let tamper = self.tamper;
        match tamper {
            Tamper::UnknownType { partition: of } if of == partition && kind == b'T' => {
                message[0] = b'z';
                self.count(at);
            }
            Tamper::LeftOpen { partition: of, from }
                if of == partition && matches!(kind, b'8' | b'5') =>
            {
                if self.hits(at, from) {
                    self.level[..8].copy_from_slice(&message[10..18]);
                }
                let (run, first) = self.hit.unwrap_or((u32::MAX, 0));
                let left = run == at.0 && (first..first + LEFT_OPEN).contains(&at.1);
                if left && message[10..18] == self.level[..8] {
                    message[1] &= !1;
                }
            }
            Tamper::Crossed { partition: of, from } if of == partition && kind == b'8' => {
                self.cross_level(at, from, message);
            }
            Tamper::Foreign { partition: of, .. }
                if of == partition && kind != b'S' && message[10..18] == self.own =>
            {
                message[10..18].copy_from_slice(&self.foreign);
            }
            _ => {}
        }
    }

    /// A new level is at another price until it is gone: whatever is said of it goes along.
    fn cross_level(&mut self, at: (u32, u64), from: u64, message: &mut [u8]) {
        let mut level = [0; 16];
        level[..8].copy_from_slice(&message[10..18]);
        level[8..].copy_from_slice(&message[22..30]);
        // What one line has said is no news of another.
        if at > self.levels_of {
            if at.0 > self.levels_of.0 {
                self.levels.clear();
            }
            self.levels_of = at;
            let is_new = match message[18..22] == [0; 4] {
                false => self.levels.insert(level),
                true => {
                    self.levels.remove(&level);
                    false
                }
            };
            if is_new && self.hit.is_none() && self.hits(at, from) {
                self.level = level;
            }
        }
        let since_hit = self.hit.is_some_and(|(run, seq)| run == at.0 && seq <= at.1);
        if since_hit && level == self.level {
            message[22..30].copy_from_slice(&u64::from(FAR_TOO_HIGH).to_le_bytes());
        }
    }

    /// Every line goes through the numbers in order.
    fn count(&mut self, at: (u32, u64)) {
        let (changed, last) = self.changed;
        if at > last {
            self.changed = (changed + 1, at);
        }
    }

    fn hits(&mut self, at: (u32, u64), from: u64) -> bool {
        if self.hit.is_none() && at.1 >= from {
            self.hit = Some(at);
        }
        self.hit == Some(at)
    }

    /// Gives directory and trading messages, and deletions or price levels, a tail.
    fn lengthen(&mut self, venue: Family, run: u32, datagram: &mut Vec<u8>) {
        let Some(frame) = wire::frame(venue, datagram) else { return };
        if self.added_in != run {
            (self.added, self.added_in) = (vec![0], run);
        }
        let header = wire::header_len(venue);
        let mut longer = datagram[..header].to_vec();
        let (mut blocks, mut seq) = (frame.blocks, frame.first);
        while let Some((message, rest)) = wire::split(venue, blocks) {
            blocks = rest;
            let tail: &[u8] = match (venue, message.first()) {
                (Family::Itch50, Some(b'R' | b'H' | b'D')) => &TAIL,
                (Family::Deep, Some(b'D' | b'H' | b'8')) => &TAIL,
                _ => &[],
            };
            let len = (message.len() + tail.len()) as u16;
            longer.extend_from_slice(&match venue {
                Family::Itch50 => len.to_be_bytes(),
                Family::Deep => len.to_le_bytes(),
            });
            longer.extend_from_slice(message);
            longer.extend_from_slice(tail);
            if !tail.is_empty() {
                self.count((run, seq));
            }
            // Every line goes through the numbers in order.
            if seq == self.added.len() as u64 {
                let before = self.added.last().copied().unwrap_or(0);
                self.added.push(before + tail.len() as u64);
            }
            seq += 1;
        }
        if let (Family::Deep, Some(offset)) = (venue, frame.offset) {
            let added = self.added.get(frame.first as usize - 1).copied().unwrap_or(0);
            let len = (longer.len() - header) as u16;
            longer[12..14].copy_from_slice(&len.to_le_bytes());
            longer[16..24].copy_from_slice(&(offset + added).to_le_bytes());
        }
        *datagram = longer;
    }
}

//! Changes of the venue's own bytes: what a venue does that breaks its rules, or that nobody knew
//! of yet. All lines carry the same, and so does what the oracle reads.

use candor_core::Symbol;

use super::schedule::Tamper;
use crate::oracle::wire;

/// A price that no seller of the market asks for.
const FAR_TOO_HIGH: u32 = 1_900_000_000;

/// An order no market ever has.
const NO_ORDER: u64 = u64::MAX - 7;

/// The bytes with which messages are longer than documented.
const TAIL: [u8; 3] = [0xa5, 0x5a, 0xff];

/// The changes of one run.
#[derive(Clone, Debug)]
pub struct Tampering {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    tamper: Tamper,
    /// The number it hit, so that every line hits the same.
    hit: Option<(u32, u64)>,
    /// The name that another partition has.
    foreign: [u8; 8],
}

impl Tampering {
    /// The changes of a setup; `first_of` answers the first symbol of a partition.
    #[must_use]
    pub fn new(tamper: &[Tamper], first_of: impl Fn(usize) -> Symbol) -> Tampering {
        let rule = |tamper: &Tamper| {
            let mut foreign = [b' '; 8];
            if let Tamper::Foreign { home, .. } = tamper {
                let name = first_of(*home);
                foreign.iter_mut().zip(name.as_str().bytes()).for_each(|(to, from)| *to = from);
            }
            Rule { tamper: *tamper, hit: None, foreign }
        };
        Tampering { rules: tamper.iter().map(rule).collect() }
    }

    /// Whether nothing is ever changed.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.rules.is_empty()
    }

    /// Changes a datagram of a partition's `run`.
    pub fn apply(&mut self, partition: usize, run: u32, datagram: &mut Vec<u8>) {
        for rule in &mut self.rules {
            if let Tamper::Longer { partition: of } = rule.tamper {
                if of == partition {
                    lengthen(datagram);
                }
            } else {
                rule.change(partition, run, datagram);
            }
        }
    }
}

impl Rule {
    fn change(&mut self, partition: usize, run: u32, datagram: &mut [u8]) {
        let Some(frame) = wire::frame(datagram) else { return };
        let (first, count) = (frame.first, frame.count);
        let mut at = 20;
        for seq in first..first + count {
            let Some(len) = datagram.get(at..at + 2) else { return };
            let len = usize::from(u16::from_be_bytes([len[0], len[1]]));
            if let Some(message) = datagram.get_mut(at + 2..at + 2 + len) {
                self.message(partition, (run, seq), message);
            }
            at += 2 + len;
        }
    }

    fn message(&mut self, partition: usize, at: (u32, u64), message: &mut [u8]) {
        let kind = message.first().copied().unwrap_or(0);
        let tamper = self.tamper;
        match tamper {
            Tamper::UnknownType { partition: of } if of == partition && kind == b'P' => {
                message[0] = b'z';
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

    fn hits(&mut self, at: (u32, u64), from: u64) -> bool {
        if self.hit.is_none() && at.1 >= from {
            self.hit = Some(at);
        }
        self.hit == Some(at)
    }
}

/// Gives directory, trading action and deletion messages a tail.
fn lengthen(datagram: &mut Vec<u8>) {
    let Some(frame) = wire::frame(datagram) else { return };
    let mut longer = datagram[..20].to_vec();
    let mut blocks = frame.blocks;
    while let Some((message, rest)) = wire::split(blocks) {
        blocks = rest;
        let tail: &[u8] = match message.first() {
            Some(b'R' | b'H' | b'D') => &TAIL,
            _ => &[],
        };
        let len = (message.len() + tail.len()) as u16;
        longer.extend_from_slice(&len.to_be_bytes());
        longer.extend_from_slice(message);
        longer.extend_from_slice(tail);
    }
    *datagram = longer;
}

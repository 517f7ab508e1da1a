//! What the lines lose.

use std::collections::VecDeque;

use candor_core::{Line, Mono, SeqRange};
use candor_sim::rng::Rng;

use crate::venue::{Outgoing, TICK};

/// How much is lost, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Loss {
    /// Line A loses so many packets of a million, line B none.
    OneLine(u32),
    /// Both lines lose so many of a million, each by its own dice. Where it is rare that both lose the
    /// same one (`forced`), that is brought about, and all other packets are left to the dice.
    BothLines { ppm: u32, forced: bool },
    /// So many packets in a row, on line A alone.
    OneLinesPackets(u64),
    /// So many packets in a row, on both lines.
    Packets(u64),
    /// So many messages in a row, on both lines.
    Messages(u64),
}

impl Loss {
    /// Whether what is measured is brought about, one thing after the other.
    pub(crate) const fn is_single(self) -> bool {
        !matches!(self, Loss::OneLine(_) | Loss::BothLines { forced: false, .. })
    }

    /// Its name in output.
    pub(crate) fn label(self) -> String {
        let percent = |ppm: u32| f64::from(ppm) / 10_000.0;
        match self {
            Loss::OneLine(ppm) => format!("loss {}% on line A", percent(ppm)),
            Loss::BothLines { ppm, .. } => format!("loss {}% on A and on B", percent(ppm)),
            Loss::OneLinesPackets(count) => format!("burst of {count} packets on line A"),
            Loss::Packets(count) => format!("burst of {count} packets on both"),
            Loss::Messages(1) => "gap of 1 message on both".to_owned(),
            Loss::Messages(count) => format!("gap of {} messages on both", thousands(count)),
        }
    }
}

/// A number for people.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(ascii).collect();
    groups.join(",")
}

fn ascii(digits: &[u8]) -> &str {
    std::str::from_utf8(digits).unwrap_or_default()
}

/// Numbers that no line carried, and when line A would have brought the first of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost {
    pub(crate) range: SeqRange,
    pub(crate) from: Mono,
    /// When the next packet behind it arrives.
    pub(crate) until: Mono,
}

/// The dice, and what was lost and not yet healed.
pub(crate) struct Losing {
    pub(crate) loss: Option<Loss>,
    rng: Rng,
    /// One thing is to be lost from the next packet on.
    armed: bool,
    /// What is left of it: up to this number, or so many packets.
    until_seq: Option<u64>,
    packets_left: u64,
    /// Line A's packet that B's is the copy of.
    first: Option<(SeqRange, Mono, bool)>,
    pub(crate) lost: VecDeque<Lost>,
}

impl Losing {
    pub(crate) fn new(seed: u64) -> Losing {
        Losing {
            loss: None,
            rng: Rng::new(seed),
            armed: false,
            until_seq: None,
            packets_left: 0,
            first: None,
            lost: VecDeque::new(),
        }
    }

    /// The next packet begins what is lost; it begins with this number.
    pub(crate) fn arm(&mut self, next: u64) {
        match self.loss {
            Some(Loss::Messages(count)) => self.until_seq = Some(next + count),
            // Each packet is asked for twice: once a line.
            Some(Loss::Packets(count) | Loss::OneLinesPackets(count)) => {
                self.packets_left = 2 * count;
            }
            _ => self.armed = true,
        }
    }

    /// Messages that are still to be lost, before `next`.
    pub(crate) fn messages_left(&self, next: u64) -> Option<u64> {
        self.until_seq.map(|end| end.saturating_sub(next)).filter(|left| *left > 0)
    }

    /// Whether the line carries this packet.
    pub(crate) fn carries(&mut self, packet: &Outgoing) -> bool {
        let lost = self.loses(packet);
        if packet.line == Line::A {
            self.first = Some((packet.range, packet.arrives, lost));
            return !lost;
        }
        let first = self.first.take().filter(|(range, ..)| *range == packet.range);
        let Some((range, from, lost_first)) = first else { return !lost };
        let all = match self.loss {
            Some(Loss::OneLine(_) | Loss::OneLinesPackets(_)) => lost_first,
            _ => lost_first && lost,
        };
        if all && !range.is_empty() {
            self.note(Lost { range, from, until: from + TICK });
        }
        !lost
    }

    fn note(&mut self, new: Lost) {
        match self.lost.back_mut() {
            Some(last) if last.range.end == new.range.first => {
                last.range.end = new.range.end;
                last.until = new.until;
            }
            _ => self.lost.push_back(new),
        }
    }

    fn loses(&mut self, packet: &Outgoing) -> bool {
        match self.loss {
            None => false,
            Some(Loss::OneLine(ppm)) => packet.line == Line::A && self.rng.chance(ppm),
            Some(Loss::BothLines { ppm, .. }) => {
                let forced = self.armed;
                self.armed &= packet.line == Line::A;
                self.rng.chance(ppm) || forced
            }
            Some(Loss::Packets(_)) => {
                let lost = self.packets_left > 0;
                self.packets_left = self.packets_left.saturating_sub(1);
                lost
            }
            Some(Loss::OneLinesPackets(_)) => {
                let left = self.packets_left > 0;
                self.packets_left = self.packets_left.saturating_sub(1);
                left && packet.line == Line::A
            }
            Some(Loss::Messages(_)) => self.until_seq.is_some_and(|end| packet.range.first.0 < end),
        }
    }

    /// Forgets what was healed, everything before `expected`, and hands it out.
    pub(crate) fn heal(&mut self, expected: u64) -> Vec<Lost> {
        let healed = self.lost.iter().take_while(|lost| lost.range.end.0 <= expected).count();
        self.lost.drain(..healed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_for_people() {
        assert_eq!(
            ["0", "999", "1,000", "1,000,000"],
            [0, 999, 1_000, 1_000_000].map(thousands)[..]
        );
    }
}

//! One line of a partition: how it packs, what goes wrong on it, where it is in the stream.

use candor_core::{Mono, Nanos, SeqNo};

use super::faults::{Dice, Faults, LineCounts, WithheldLog};
use super::framing::At;
use crate::rng::Rng;

/// When a line cuts the stream into packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packing {
    /// Longest UDP payload in bytes, framing included.
    pub max_payload: usize,
    /// Most messages of a packet.
    pub max_messages: u16,
    /// How long a packet that is not full waits for more messages.
    pub linger: Nanos,
}

impl Packing {
    /// What line A does unless told otherwise: packets leave at once, within any usual MTU.
    pub const A: Packing = Packing { max_payload: 1_300, max_messages: 40, linger: Nanos::ZERO };
    /// What the other lines do: smaller packets that wait 50 µs, so that they begin and end
    /// elsewhere than A's.
    pub const B: Packing =
        Packing { max_payload: 1_100, max_messages: 27, linger: Nanos::from_micros(50) };
}

/// What a line is made from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LineConfig {
    /// How it packs.
    pub packing: Packing,
    /// What goes wrong on it, until changed.
    pub faults: Faults,
}

/// The packet a line is filling.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) since: Mono,
    pub(super) count: u16,
    pub(super) len: usize,
    /// Its messages are lost on all lines by command.
    pub(super) skipped: bool,
}

#[derive(Clone, Debug)]
pub(super) struct LineState {
    pub(super) packing: Packing,
    pub(super) faults: Faults,
    pub(super) dice: Dice,
    pub(super) dead: bool,
    /// Where the next packet begins.
    pub(super) at: At,
    pub(super) open: Option<Open>,
    /// When it last cut a packet, a heartbeat included.
    pub(super) last_cut: Mono,
    pub(super) counts: LineCounts,
    pub(super) withheld: WithheldLog,
}

impl LineState {
    pub(super) fn new(config: LineConfig, rng: Rng, first: SeqNo, now: Mono) -> LineState {
        LineState {
            packing: config.packing,
            faults: config.faults,
            dice: Dice::new(rng),
            dead: false,
            at: At { seq: first, offset: 0 },
            open: None,
            last_cut: now,
            counts: LineCounts::default(),
            withheld: WithheldLog::default(),
        }
    }

    /// Whether a message of `len` bytes still goes into the open packet.
    pub(super) fn has_room(&self, len: usize, skipped: bool) -> bool {
        match &self.open {
            None => true,
            Some(open) => {
                open.count < self.packing.max_messages
                    && open.len + 2 + len <= self.packing.max_payload
                    && open.skipped == skipped
            }
        }
    }

    /// Puts a message of `len` bytes into the open packet.
    pub(super) fn append(&mut self, now: Mono, header_len: usize, len: usize, skipped: bool) {
        let fresh = Open { since: now, count: 0, len: header_len, skipped };
        let open = self.open.get_or_insert(fresh);
        open.count += 1;
        open.len += 2 + len;
    }

    /// When it has something to do by itself: the open packet has lingered, or a heartbeat is due.
    pub(super) fn due(&self, heartbeat: Nanos) -> Mono {
        match &self.open {
            Some(open) => open.since + self.packing.linger,
            None => self.last_cut + heartbeat,
        }
    }
}

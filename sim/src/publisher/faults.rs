//! What goes wrong on a line, by chance or by command, and the count of it.

use candor_core::{Nanos, SeqNo, SeqRange};

use crate::rng::Rng;

/// The faults of one line. Chances are in millionths and drawn once a packet, heartbeats included.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Faults {
    /// Chance that a packet is lost by itself.
    pub loss_ppm: u32,
    /// Chance that a burst of losses begins with a packet.
    pub burst_ppm: u32,
    /// Mean length of a burst in packets; lengths are even between 1 and twice that, less 1.
    pub burst_packets: u32,
    /// Chance that a packet is sent twice.
    pub duplicate_ppm: u32,
    /// How much later than cut every packet is sent.
    pub delay: Nanos,
    /// Chance that a packet is held back by `reorder_by` more, so that later ones overtake it.
    pub reorder_ppm: u32,
    /// How long a packet that others shall overtake is held back.
    pub reorder_by: Nanos,
}

macro_rules! causes {
    ($($(#[doc = $doc:literal])+ $name:ident = $label:literal,)+) => {
        /// Why numbers were withheld from a line.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
        #[repr(u8)]
        pub enum Cause { $($(#[doc = $doc])+ $name,)+ }

        impl Cause {
            /// Every cause, in order of its index.
            pub const ALL: [Cause; [$(Cause::$name),+].len()] = [$(Cause::$name),+];

            /// The cause's name in output.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Cause::$name => $label,)+ }
            }
        }
    };
}

causes! {
    /// A packet lost by itself.
    Loss = "loss",
    /// A packet lost in a burst.
    Burst = "burst",
    /// The line was dead.
    Dead = "dead",
    /// Lost on all lines by command.
    Skipped = "skipped",
    /// Delayed, and the partition was killed before it was due.
    Killed = "killed",
}

/// Numbers that a line did not carry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Withheld {
    /// Which.
    pub range: SeqRange,
    /// Why.
    pub cause: Cause,
}

/// What became of one packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Fate {
    /// Withheld, or sent after this delay.
    pub(super) sent: Result<Nanos, Cause>,
    pub(super) twice: bool,
    pub(super) overtaken: bool,
}

/// A line's faults with the dice that decide them.
#[derive(Clone, Debug)]
pub(super) struct Dice {
    rng: Rng,
    burst_left: u64,
}

impl Dice {
    pub(super) fn new(rng: Rng) -> Dice {
        Dice { rng, burst_left: 0 }
    }

    /// Decides on a packet. As many draws are made whatever the faults are, so that another
    /// setting of one leaves the others' outcomes where they were.
    pub(super) fn roll(&mut self, faults: &Faults) -> Fate {
        let lost = self.rng.chance(faults.loss_ppm);
        let burst = self.rng.chance(faults.burst_ppm);
        let length = self.rng.between(1, u64::from(faults.burst_packets.max(1)) * 2 - 1);
        let twice = self.rng.chance(faults.duplicate_ppm);
        let overtaken = self.rng.chance(faults.reorder_ppm);
        if burst && self.burst_left == 0 {
            self.burst_left = length;
        }
        let in_burst = self.burst_left > 0;
        self.burst_left = self.burst_left.saturating_sub(1);
        let held = if overtaken { faults.reorder_by } else { Nanos::ZERO };
        let sent = match (in_burst, lost) {
            (true, _) => Err(Cause::Burst),
            (false, true) => Err(Cause::Loss),
            (false, false) => Ok(Nanos(faults.delay.0 + held.0)),
        };
        Fate { sent, twice, overtaken }
    }
}

/// Packets, messages and heartbeats of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Packets with messages.
    pub packets: u64,
    /// Messages in them.
    pub messages: u64,
    /// Heartbeats and ends.
    pub heartbeats: u64,
}

impl Tally {
    pub(super) fn add(&mut self, messages: u64) {
        if messages == 0 {
            self.heartbeats += 1;
        } else {
            self.packets += 1;
            self.messages += messages;
        }
    }
}

/// What one line carried and what it did not. Of every packet cut, exactly one holds: it was sent,
/// is queued, or is in `withheld` under one cause. Duplicates are counted apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LineCounts {
    /// Cut from the stream.
    pub cut: Tally,
    /// Handed out to be sent, duplicates not counted.
    pub sent: Tally,
    /// Bytes handed out, duplicates included.
    pub bytes: u64,
    /// Second copies handed out.
    pub duplicates: Tally,
    /// Held back for others to overtake.
    pub overtaken: Tally,
    /// Withheld, by [`Cause`].
    pub withheld: [Tally; Cause::ALL.len()],
    /// Ranges that found no place in the log of withheld numbers; the tallies have them.
    pub unlogged: u64,
}

/// Ranges of withheld numbers a line remembers until they are taken.
const LOG: usize = 1 << 16;

/// The withheld numbers of a line, in order, neighbours of one cause joined.
#[derive(Clone, Debug, Default)]
pub(super) struct WithheldLog(Vec<Withheld>);

impl WithheldLog {
    /// Notes a range; false where the log is full.
    pub(super) fn note(&mut self, range: SeqRange, cause: Cause) -> bool {
        if let Some(last) = self.0.last_mut()
            && last.cause == cause
            && last.range.end == range.first
        {
            last.range.end = range.end;
            return true;
        }
        if self.0.len() == LOG {
            return false;
        }
        self.0.push(Withheld { range, cause });
        true
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Withheld> + '_ {
        self.0.drain(..)
    }
}

/// The numbers of `count` messages from `first`.
pub(super) fn numbers(first: SeqNo, count: u64) -> SeqRange {
    SeqRange { first, end: SeqNo(first.0 + count) }
}

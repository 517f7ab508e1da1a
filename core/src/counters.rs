//! What is counted, by name. A counter is an index into an array; the array of each partition and
//! lane is in the region, and every display is a reader of it.

use crate::Reject;

macro_rules! counters {
    ($(#[doc = $about:literal])+ $set:ident: $($(#[doc = $doc:literal])+ $name:ident = $label:literal,)+) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
        #[repr(u8)]
        pub enum $set { $($(#[doc = $doc])+ $name,)+ }

        impl $set {
            /// Every counter, in order of its index.
            pub const ALL: [$set; [$($set::$name),+].len()] = [$($set::$name),+];

            /// The counter's name in output, JSON and metrics.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $($set::$name => $label,)+ }
            }
        }
    };
}

counters! {
    /// What a partition counts. Two sums always hold:
    /// `packets = packets_accepted + every reject of a packet`, and
    /// `messages = applied + duplicate + every discard + held`.
    Counter:
    /// Packets that reached the partition.
    Packets = "packets",
    /// Bytes of their UDP payloads.
    Bytes = "bytes",
    /// Packets whose framing was understood.
    PacketsAccepted = "packets_accepted",
    /// Accepted packets on line A.
    PacketsA = "packets_line_a",
    /// Accepted packets on line B.
    PacketsB = "packets_line_b",
    /// Accepted packets on line C.
    PacketsC = "packets_line_c",
    /// Heartbeats among the accepted packets.
    Heartbeats = "heartbeats",
    /// End-of-session packets among the accepted packets.
    Ends = "ends",
    /// Messages in accepted packets.
    Messages = "messages",
    /// Messages delivered in order, each number once: applied to books, or held back for a snapshot.
    Applied = "applied",
    /// Messages that were applied or held already, from another line or the same.
    Duplicate = "duplicate",
    /// Messages held beyond an open gap right now.
    Held = "held",
    /// Messages of a session left behind, discarded.
    DiscardOldSession = "discard_old_session",
    /// Messages of a gap that arrived after it was given up, discarded.
    DiscardTooLate = "discard_too_late",
    /// Messages beyond a gap that were longer than a held message may be, discarded.
    DiscardTooLongToHold = "discard_too_long_to_hold",
    /// Messages held when a session changed or restarted, discarded with it.
    DiscardWithSession = "discard_with_session",
    /// Messages whose bytes contradict another line's, discarded.
    DiscardLinesDiffer = "discard_lines_differ",
    /// Messages that arrived after the venue ended the session, discarded.
    DiscardAfterEnd = "discard_after_end",
    /// Applied messages of a type the specification does not list, skipped by length.
    UnknownType = "unknown_type",
    /// Applied messages longer than their layout, read by their layout.
    LongerMessage = "longer_message",
    /// Gaps: numbers seen to be missing on every line so far.
    GapsOpened = "gaps_opened",
    /// Gaps filled before or after the grace.
    GapsFilled = "gaps_filled",
    /// Gaps that outlived the reorder grace.
    GapsOutlived = "gaps_outlived",
    /// Gaps given up.
    GapsLost = "gaps_lost",
    /// Numbers given up.
    MessagesLost = "messages_lost",
    /// Numbers line A did not carry and another did.
    LostOnA = "lost_on_line_a",
    /// Numbers line B did not carry and another did.
    LostOnB = "lost_on_line_b",
    /// Numbers line C did not carry and another did.
    LostOnC = "lost_on_line_c",
    /// Times two lines carried different bytes under one number.
    LinesDiffer = "lines_differ",
    /// Times the session changed its name.
    SessionChanges = "session_changes",
    /// Times numbers restarted under the same session name.
    Restarts = "restarts",
    /// Times the lane reported that it had fallen behind.
    Late = "late",
    /// Symbols defined.
    Symbols = "symbols",
    /// Symbols that found no place.
    SymbolsFull = "symbols_full",
    /// Messages about an instrument nothing has defined.
    UndefinedInstrument = "undefined_instrument",
    /// Messages naming a symbol that belongs to another partition.
    WrongPartition = "wrong_partition",
    /// Symbols quarantined, all causes.
    Quarantined = "quarantined",
    /// References to an order that is not on the book.
    UnknownOrder = "unknown_order",
    /// Orders added under an id that is on the book.
    DuplicateOrder = "duplicate_order",
    /// Executions and reductions beyond an order's size.
    BadSize = "bad_size",
    /// Books crossed at the end of a transaction where the venue can't cross.
    Crossed = "crossed",
    /// Orders that found no place.
    OrdersFull = "orders_full",
    /// Price levels that found no place.
    LevelsFull = "levels_full",
    /// Trade breaks whose trade was not remembered.
    BreaksUnmatched = "breaks_unmatched",
    /// Trade breaks applied.
    Breaks = "breaks",
    /// Requests for missing numbers made of the venue's retransmit service.
    RetransmitRequests = "retransmit_requests",
    /// Packets that came in answer to them.
    RetransmitPackets = "retransmit_packets",
    /// Messages of those that were missing.
    RetransmitFilled = "retransmit_filled",
    /// Requests that were not answered in time.
    RetransmitTimeouts = "retransmit_timeouts",
    /// Requests that were refused by the venue, or could not reach it.
    RetransmitRefused = "retransmit_refused",
    /// Requests of those that our own budget had no room for: they never left the host.
    RetransmitOverBudget = "retransmit_over_budget",
    /// Answers that contradicted what is known: they were of another numbering, or wrong.
    RetransmitContradicts = "retransmit_contradicts",
    /// Gaps that retransmission could not heal: too long, or out of patience.
    RetransmitGivenUp = "retransmit_given_up",
    /// Messages of an answer whose number was not missing, or that were of no use otherwise, discarded.
    DiscardUnasked = "discard_unasked",
    /// Messages held beyond a gap when a snapshot that contains them was spliced in, discarded.
    DiscardInSnapshot = "discard_in_snapshot",
    /// Snapshots asked for.
    SnapshotRequests = "snapshot_requests",
    /// Snapshots spliced: the books are whole again.
    SnapshotsSpliced = "snapshots_spliced",
    /// Snapshots that ended before the gap did, or were of other numbers, unused.
    SnapshotsUnusable = "snapshots_unusable",
    /// Snapshots that were refused, broke off, or took too long.
    SnapshotsFailed = "snapshots_failed",
    /// Messages held back for a snapshot right now.
    HeldBack = "held_back",
    /// Times the holdback was full: the snapshot's cycle began anew.
    HoldbackFull = "holdback_full",
    /// Packets whose sender computed no UDP checksum, taken: damage to them can't be told. Counted where
    /// a lane checks checksums; where it is told to trust them, and over sockets, nobody looks, and this
    /// stays 0 whatever comes.
    UdpUnverified = "udp_unverified",
}

counters! {
    /// What a lane counts.
    LaneCounter:
    /// Frames taken from the source.
    Frames = "frames",
    /// Duty cycles.
    Cycles = "cycles",
    /// Duty cycles that found nothing.
    IdleCycles = "idle_cycles",
    /// Times a duty cycle took longer than the process lease.
    Stalls = "stalls",
    /// Times the clock went back and was held.
    ClockHeld = "clock_held",
    /// Frames the kernel dropped because no receive descriptor was free.
    RxRingFull = "rx_ring_full",
    /// Frames the kernel dropped because no buffer was free.
    FillRingEmpty = "fill_ring_empty",
    /// Frames the kernel dropped for other causes.
    RxDropped = "rx_dropped",
    /// Packets of a partition that another lane owns: the steering is not what the lanes need.
    Misdirected = "misdirected",
    /// Frames with an invalid descriptor.
    RxInvalid = "rx_invalid",
    /// Datagrams longer than a receive buffer, refused whole.
    TooLong = "too_long",
    /// Fragments of datagrams, left to the kernel's stack. Counted for the whole handler, on lane 0.
    Fragments = "fragments",
    /// Frames the XDP program could not make sense of. Counted for the whole handler, on lane 0.
    Malformed = "malformed",
    /// Frames of ours that had no room for metadata and were left to the kernel's stack. Counted for
    /// the whole handler, on lane 0.
    MetaFailed = "meta_failed",
    /// Symbols seen here that are at home on another partition, whose lane could not be told.
    ClaimsDropped = "claims_dropped",
    /// Records written to the event ring.
    Events = "events",
    /// Publications of a symbol's slot.
    Published = "published",
    /// Packets to a group and port of ours from a sender that none of its lines has, left to the
    /// kernel's stack. Counted for the whole handler, on lane 0.
    OtherSource = "other_source",
    /// Words of the kill switch that were set, as the handler has noticed since its start. Counted for the
    /// whole handler, on lane 0.
    Halts = "halts",
    /// Words of the kill switch that were cleared. Counted for the whole handler, on lane 0.
    Resumes = "resumes",
}

impl Counter {
    /// The counters of messages that came and were of no use.
    pub const DISCARDS: [Counter; 8] = [
        Counter::DiscardOldSession,
        Counter::DiscardTooLate,
        Counter::DiscardTooLongToHold,
        Counter::DiscardWithSession,
        Counter::DiscardLinesDiffer,
        Counter::DiscardAfterEnd,
        Counter::DiscardUnasked,
        Counter::DiscardInSnapshot,
    ];
}

/// How many counters a partition has: its own and one for each reject.
pub const PARTITION_COUNTERS: usize = Counter::ALL.len() + Reject::ALL.len();

/// A partition's counters, as plain numbers of its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters([u64; PARTITION_COUNTERS]);

impl Counters {
    /// All zero.
    #[must_use]
    pub const fn new() -> Counters {
        Counters([0; PARTITION_COUNTERS])
    }

    /// Adds to a counter.
    #[inline]
    pub fn add(&mut self, counter: Counter, n: u64) {
        self.0[counter as usize] += n;
    }

    /// Sets a counter that stands for a present amount.
    #[inline]
    pub fn set(&mut self, counter: Counter, n: u64) {
        self.0[counter as usize] = n;
    }

    /// Counts a refusal.
    #[inline]
    pub fn reject(&mut self, reject: Reject) {
        self.0[Counter::ALL.len() + reject as usize] += 1;
    }

    /// Counts packets that were refused before they came to their partition's framing: they count as
    /// packets, so that the sum of packets holds.
    pub fn reject_unframed(&mut self, reject: Reject, packets: u64) {
        self.add(Counter::Packets, packets);
        self.0[Counter::ALL.len() + reject as usize] += packets;
    }

    /// A counter's value.
    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize]
    }

    /// How often this refusal happened.
    #[must_use]
    pub fn rejects(&self, reject: Reject) -> u64 {
        self.0[Counter::ALL.len() + reject as usize]
    }

    /// These and `other` added up. For two owners who count different things of one partition.
    #[must_use]
    pub fn plus(&self, other: &Counters) -> Counters {
        let mut sum = self.clone();
        for (value, more) in sum.0.iter_mut().zip(&other.0) {
            *value += more;
        }
        sum
    }

    /// All values in order of their labels ([`label`]).
    #[must_use]
    pub fn values(&self) -> &[u64; PARTITION_COUNTERS] {
        &self.0
    }
}

impl Default for Counters {
    fn default() -> Self {
        Counters::new()
    }
}

/// The label of the partition counter with this index.
#[must_use]
pub fn label(index: usize) -> Option<&'static str> {
    match Counter::ALL.get(index) {
        Some(counter) => Some(counter.label()),
        None => Reject::ALL.get(index - Counter::ALL.len()).map(|reject| reject.label()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_discard_is_one() {
        for counter in Counter::ALL {
            let named = counter.label().starts_with("discard_");
            assert_eq!(Counter::DISCARDS.contains(&counter), named, "{}", counter.label());
        }
    }

    #[test]
    fn every_index_has_its_own_label() {
        let labels: std::collections::BTreeSet<_> =
            (0..PARTITION_COUNTERS).map(|i| label(i).unwrap()).collect();
        assert_eq!(labels.len(), PARTITION_COUNTERS);
        assert_eq!(label(PARTITION_COUNTERS), None);
    }
}

//! What clients and desks count, by name.

macro_rules! counts {
    ($($(#[doc = $doc:literal])+ $name:ident = $label:literal,)+) => {
        /// Something that is counted.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
        #[repr(u8)]
        pub enum Count { $($(#[doc = $doc])+ $name,)+ }

        impl Count {
            /// Everything that is counted, in order of its index.
            pub const ALL: [Count; [$(Count::$name),+].len()] = [$(Count::$name),+];

            /// The count's name in output.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Count::$name => $label,)+ }
            }
        }
    };
}

counts! {
    /// Asks that came in.
    Asks = "asks",
    /// Requests sent to the venue: datagrams, or requests and logins over a connection. Of a desk: those
    /// it let go.
    Requests = "requests",
    /// Connections tried.
    Connects = "connects",
    /// Answers passed on: datagrams or segments; with snapshots, messages.
    Answers = "answers",
    /// Answers among them to a request that was answered or given up before.
    AnswersLate = "answers_late",
    /// Datagrams from an address that is none of the service's, discarded.
    ForeignSource = "foreign_source",
    /// Answers of another session or channel, discarded.
    ForeignSession = "foreign_session",
    /// Answers that hold nothing asked for lately, discarded.
    ForeignRange = "foreign_range",
    /// Answers without a message, discarded.
    Empty = "empty",
    /// Answers whose bytes break the specification.
    Malformed = "malformed",
    /// Packets of a connection that mean nothing for the request: of an unknown type, text for
    /// people, messages without a number.
    Passed = "passed",
    /// Events of a connection that is none of ours any more.
    Stray = "stray",
    /// Requests, connections or snapshots that were not answered in time.
    TimedOut = "timed_out",
    /// Connections that could not be made, and addresses where nobody listens.
    Unreachable = "unreachable",
    /// Connections that the service closed before it was done.
    Closed = "closed",
    /// Requests the service refused.
    Refused = "refused",
    /// Times the next address was turned to.
    Failovers = "failovers",
    /// Asks that waited until they had expired.
    Expired = "expired",
    /// Asks that a newer one of the same partition took the place of.
    Replaced = "replaced",
    /// Asks for which there was no room.
    Overflows = "overflows",
    /// Asks refused because the budget has no room for them in time.
    OverBudget = "over_budget",
    /// Asks taken back.
    Dropped = "dropped",
    /// Snapshots passed on whole.
    Snapshots = "snapshots",
}

/// A number for each [`Count`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counts([u64; Count::ALL.len()]);

impl Default for Counts {
    fn default() -> Counts {
        Counts::new()
    }
}

impl Counts {
    /// All at zero.
    #[must_use]
    pub const fn new() -> Counts {
        Counts([0; Count::ALL.len()])
    }

    /// How often this happened.
    #[must_use]
    pub const fn get(&self, count: Count) -> u64 {
        self.0[count as usize]
    }

    /// Every label and its number, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Count::ALL.into_iter().map(|count| (count.label(), self.get(count)))
    }

    pub(crate) const fn add(&mut self, count: Count) {
        self.0[count as usize] = self.0[count as usize].saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_differ() {
        let labels: std::collections::BTreeSet<_> = Counts::new().iter().map(|row| row.0).collect();
        assert_eq!(labels.len(), Count::ALL.len());
        for (index, count) in Count::ALL.into_iter().enumerate() {
            assert_eq!(count as usize, index);
        }
    }
}

//! What goes wrong between the sockets and the lanes and shows in no partition's counters: counted, and
//! said, at most every ten seconds.

use candor_core::Nanos;
use candor_services::agent::{Agent, Clients};
use candor_services::{Count, Counts};

/// How often it is said at most.
pub(super) const EVERY: Nanos = Nanos::from_secs(10);

/// What the clients and the desks count of it.
const COUNTED: [Count; 7] = [
    Count::Malformed,
    Count::ForeignSource,
    Count::ForeignSession,
    Count::ForeignRange,
    Count::Stray,
    Count::Overflows,
    Count::OverBudget,
];

/// What is lost on the way: of one venue.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Lost {
    /// Requests that found the socket's buffer full. They are made again by their own deadline.
    pub(super) unsent: u64,
    /// Answers longer than a buffer.
    pub(super) too_long: u64,
    /// Replies that found no room on the way to their lane.
    pub(super) no_room: u64,
}

const NUMBERS: usize = COUNTED.len() + 3;

/// What was said of it last.
#[derive(Debug, Default)]
pub(super) struct Said([u64; NUMBERS]);

impl Said {
    /// In words what is new, if anything is.
    pub(super) fn news(&mut self, agent: &Agent, lost: &Lost) -> Option<String> {
        let now = numbers(agent, lost);
        let labels = COUNTED.map(Count::label).into_iter().chain(["unsent", "too_long", "no_room"]);
        let grown = labels.zip(now).zip(self.0).filter(|((_, now), before)| now > before);
        let words: Vec<String> =
            grown.map(|((label, now), before)| format!("{label} {}", now - before)).collect();
        self.0 = now;
        (!words.is_empty()).then(|| words.join(", "))
    }
}

fn numbers(agent: &Agent, lost: &Lost) -> [u64; NUMBERS] {
    let mut sums = [0; NUMBERS];
    let mut add = |counts: &Counts| {
        for (sum, count) in sums.iter_mut().zip(COUNTED) {
            *sum += counts.get(count);
        }
    };
    add(agent.retransmit_desk().counts());
    add(agent.snapshot_desk().counts());
    for Clients { retransmit_udp, retransmit_tcp, snapshot } in agent.clients() {
        let retransmits = [retransmit_udp, retransmit_tcp].into_iter().flatten();
        retransmits.for_each(|client| add(client.counts()));
        snapshot.iter().for_each(|client| add(client.counts()));
    }
    sums[COUNTED.len()..].copy_from_slice(&[lost.unsent, lost.too_long, lost.no_room]);
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Recovery;
    use candor_decoders::Format;

    #[test]
    fn only_what_is_new_is_said() {
        let nobody = Clients { retransmit_udp: None, retransmit_tcp: None, snapshot: None };
        let agent = Agent::new(Recovery::of(Format::NasdaqItch50).agent(), vec![nobody]);
        let (mut said, mut lost) = (Said::default(), Lost::default());
        assert_eq!(said.news(&agent, &lost), None);
        lost.unsent = 2;
        assert_eq!(said.news(&agent, &lost).as_deref(), Some("unsent 2"));
        assert_eq!(said.news(&agent, &lost), None);
        (lost.unsent, lost.no_room) = (3, 5);
        assert_eq!(said.news(&agent, &lost).as_deref(), Some("unsent 1, no_room 5"));
    }
}

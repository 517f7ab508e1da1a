//! Whether the handler keeps to what a venue allows, counted where its requests leave: not by the desk that
//! lets them go.

use std::collections::VecDeque;

use candor_core::{Mono, Nanos};
use candor_services::Budget;

const SECOND: Nanos = Nanos::from_secs(1);
const MINUTE: Nanos = Nanos::from_secs(60);
const DAY: Nanos = Nanos::from_secs(24 * 60 * 60);

/// Requests of one kind, of all partitions.
#[derive(Clone, Debug)]
pub(super) struct Quota {
    kind: &'static str,
    budget: Budget,
    /// When those of the last day left, in order.
    left: VecDeque<Mono>,
}

impl Quota {
    pub(super) fn new(kind: &'static str, budget: Budget) -> Quota {
        Quota { kind, budget, left: VecDeque::new() }
    }

    /// A request leaves, by datagram or over a connection. Says what is wrong where more have left within a
    /// second, a minute or a day than are allowed.
    pub(super) fn spend(&mut self, now: Mono) -> Result<(), String> {
        self.left.push_back(now);
        while self.left.front().is_some_and(|at| *at + DAY <= now) {
            self.left.pop_front();
        }
        let Budget { second, minute, day } = self.budget;
        let windows = [(second, SECOND), (minute, MINUTE), (day, DAY)];
        let counted = windows.map(|(allowed, window)| {
            let within = self.left.iter().rev().take_while(|at| **at + window > now);
            (within.count(), allowed, window)
        });
        match counted.into_iter().find(|(count, allowed, _)| *count > *allowed as usize) {
            None => Ok(()),
            Some((count, allowed, window)) => Err(format!(
                "{count} requests of the {} service within {window}, {allowed} are allowed",
                self.kind
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_left_by_what_is_as_old_as_it() {
        for (second, minute, day, window) in [(2, 9, 9, SECOND), (9, 2, 9, MINUTE), (9, 9, 2, DAY)]
        {
            let start = Mono(5);
            let mut quota = Quota::new("one", Budget { second, minute, day });
            for at in [start, start + Nanos(1), start + window] {
                assert_eq!(quota.spend(at), Ok(()));
            }
            assert!(quota.clone().spend(start + window).is_err());
            assert_eq!(quota.spend(start + window + Nanos(1)), Ok(()));
        }
    }
}

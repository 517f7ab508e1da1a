//! Whether the handler keeps to what a venue allows, counted where its requests leave: not by the desk that
//! lets them go.

use std::collections::VecDeque;

use candor_core::{Mono, Nanos};
use candor_services::Budget;

const SECOND: Nanos = Nanos::from_secs(1);
const MINUTE: Nanos = Nanos::from_secs(60);

/// Requests of one kind, of all partitions.
#[derive(Clone, Debug)]
pub(super) struct Quota {
    kind: &'static str,
    budget: Budget,
    /// When those of the last minute were let go at the earliest, in order.
    let_go: VecDeque<Mono>,
}

impl Quota {
    pub(super) fn new(kind: &'static str, budget: Budget) -> Quota {
        Quota { kind, budget, let_go: VecDeque::new() }
    }

    /// A request leaves that was let go so long ago at most: what goes over a connection waits until that is
    /// made. Says what is wrong where more were let go within a second or a minute than are allowed,
    /// whenever that was.
    pub(super) fn spend(&mut self, now: Mono, late: Nanos) -> Result<(), String> {
        let since = |at: Mono| self.let_go.partition_point(|other| *other <= at);
        let earliest = Mono(now.0.saturating_sub(late.0));
        self.let_go.insert(since(earliest), earliest);
        while self.let_go.front().is_some_and(|at| *at + MINUTE <= now) {
            self.let_go.pop_front();
        }
        let second = self.let_go.iter().rev().take_while(|at| **at + SECOND > now).count();
        let Budget { second: of_second, minute: of_minute, .. } = self.budget;
        let windows = [(second, of_second, SECOND), (self.let_go.len(), of_minute, MINUTE)];
        match windows.into_iter().find(|(count, allowed, _)| *count > *allowed as usize) {
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

    const AT_ONCE: Nanos = Nanos::ZERO;

    #[test]
    fn a_window_is_left_by_what_is_as_old_as_it() {
        for (second, minute, window) in [(2, 9, SECOND), (9, 2, MINUTE)] {
            let start = Mono(5);
            let mut quota = Quota::new("one", Budget { second, minute, day: 9 });
            for at in [start, start + Nanos(1), start + window] {
                assert_eq!(quota.spend(at, AT_ONCE), Ok(()));
            }
            assert!(quota.clone().spend(start + window, AT_ONCE).is_err());
            assert_eq!(quota.spend(start + window + Nanos(1), AT_ONCE), Ok(()));
        }
    }

    #[test]
    fn what_was_let_go_before_is_of_a_window_before() {
        let start = Mono(5_000_000_000);
        let mut quota = Quota::new("one", Budget { second: 2, minute: 9, day: 9 });
        assert_eq!(quota.spend(start, AT_ONCE), Ok(()));
        assert_eq!(quota.spend(start, Nanos(10)), Ok(()));
        assert!(quota.clone().spend(start + SECOND - Nanos(11), Nanos(10)).is_err());
        assert_eq!(quota.spend(start + SECOND - Nanos(10), AT_ONCE), Ok(()));
    }
}

//! Which partitions are silent, as it was said last.

use candor_core::{Mono, Nanos, Reason};
use candor_shm::PartitionInfo;

/// How long a silent partition waits between two renewals of its joins. A switch that has forgotten
/// a group needs one; a venue that is down is not helped by many.
const RENEW_EVERY: Nanos = Nanos::from_secs(10);

/// The same for one that waits for the session of the date, where nothing at all was heard for as long: most likely the
/// venue has not begun.
const RENEW_WAITING_EVERY: Nanos = Nanos::from_secs(60);

/// What is remembered of a partition's silence.
#[derive(Clone, Copy, Default)]
pub(super) struct Silence {
    /// As it was said last.
    silent: bool,
    /// When its groups were joined again last.
    renewed: Mono,
    /// Since when it waits for the session of the date.
    waits: Option<Mono>,
}

/// What is to be said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum News {
    /// It has fallen silent.
    Silent,
    /// It no longer is.
    Heard,
}

impl Silence {
    /// What a look at the partition says that was not said before.
    pub(super) fn look(&mut self, info: &PartitionInfo) -> Option<News> {
        // A lane that is late says nothing of whom it hears: no word on silence, nor on its end. A handler
        // without a map hides silence, and ends none.
        let silent = info.silent.is_some();
        if is_unknown(info) || self.silent == silent {
            return None;
        }
        self.silent = silent;
        Some(if silent { News::Silent } else { News::Heard })
    }

    /// Whether its groups are to be joined again now; if so, that counts as done.
    pub(super) fn is_renewal_due(&mut self, now: Mono, info: &PartitionInfo) -> bool {
        // Of a day that is over nobody wants to hear more.
        let over = info.status.reason() == Some(Reason::NoMap);
        let waits = info.status.reason() == Some(Reason::NotStarted);
        // When it began to, its groups had been joined just then.
        self.waits = self.waits.filter(|_| waits).or(waits.then_some(now));
        let due = match self.waits {
            Some(since) => {
                let latest = since.max(self.renewed).max(info.heard);
                now.since(latest) >= RENEW_WAITING_EVERY
            }
            None => self.silent && now.since(self.renewed) >= RENEW_EVERY,
        };
        let due = due && !over && !is_unknown(info);
        if due {
            self.renewed = now;
        }
        due
    }
}

fn is_unknown(info: &PartitionInfo) -> bool {
    info.status.reason() == Some(Reason::WriterGone)
}

#[cfg(test)]
mod tests {
    use candor_core::status::Scope;
    use candor_core::symbol::Text;
    use candor_core::{Proof, SessionId, Status, promote};
    use candor_shm::{HandlerWriter, LaneWriter, PartitionSpec, Region, RegionSpec};

    use super::*;

    fn live() -> Status {
        let all = [Scope::Handler, Scope::Partition, Scope::Symbol];
        promote(&all.into_iter().fold(Proof::NOTHING, Proof::rule_out_scope))
    }

    #[test]
    fn what_falls_silent_right_behind_its_start_is_joined_again_at_once() {
        let (_handler, mut lane, region) = one();
        let mut silence = Silence::default();
        let info = |now| region.partition(0, now).expect("there is one");
        lane.partition(0, Status::stale(Reason::NotStarted), 1, Mono(1), SessionId::NONE);
        assert!(!silence.is_renewal_due(second(100), &info(second(100))));
        lane.partition(0, live(), 1, Mono(1), SessionId::from_text(*b"DAY0000001"));
        lane.lease(0, second(102));
        assert_eq!(silence.look(&info(second(102))), Some(News::Silent));
        assert!(silence.is_renewal_due(second(102), &info(second(102))));
    }

    #[test]
    fn what_was_never_heard_is_joined_again_each_minute() {
        let (_handler, mut lane, region) = one();
        lane.partition(0, Status::stale(Reason::NotStarted), 1, Mono(1), SessionId::NONE);
        let mut silence = Silence::default();
        let mut look = |now: Mono| {
            let info = region.partition(0, now).expect("there is one");
            (silence.look(&info), silence.is_renewal_due(now, &info))
        };
        assert_eq!(look(second(100)), (None, false), "it was joined just now");
        assert_eq!(look(second(159)), (None, false));
        assert_eq!(look(second(160)), (None, true));
        assert_eq!(look(second(161)), (None, false));
        assert_eq!(look(second(220)), (None, true));
        // It begins, and falls silent: that has waited for nobody.
        lane.partition(0, live(), 1, Mono(1), SessionId::from_text(*b"DAY0000001"));
        lane.lease(0, second(225));
        let info = |now| region.partition(0, now).expect("there is one");
        assert!(!silence.is_renewal_due(second(221), &info(second(221))));
        assert_eq!(silence.look(&info(second(225))), Some(News::Silent));
        assert!(!silence.is_renewal_due(second(229), &info(second(229))), "joined again lately");
        assert!(silence.is_renewal_due(second(230), &info(second(230))));
    }

    /// A region with one partition, whose lane is prompt.
    fn one() -> (HandlerWriter, LaneWriter, Region) {
        let mut spec = RegionSpec::new(Text::from_wire(b"quiet").expect("short"));
        spec.trading_date = candor_core::TradingDate(20_261_123);
        spec.lanes = 1;
        spec.process_lease = Nanos::from_secs(1_000);
        spec.partitions = vec![PartitionSpec {
            venue: Text::from_wire(b"XNAS").expect("short"),
            name: Text::from_wire(b"1").expect("short"),
            feed: Text::from_wire(b"nasdaq-itch50").expect("short"),
            lane: 0,
            symbols: 1,
            silence: Nanos::from_secs(3),
            decimals: candor_core::Decimals(4),
            lines: [None; candor_core::limits::LINES],
        }];
        let (mut handler, mut lanes, region) = candor_shm::heap(&spec).expect("a sound region");
        let mut lane = lanes.remove(0);
        handler.set_status(live(), Mono(1));
        lane.renew(second(1_000));
        (handler, lane, region)
    }

    fn second(count: u64) -> Mono {
        Mono(0) + Nanos::from_secs(count)
    }

    #[test]
    fn silence_is_said_once_and_no_reason_of_the_handler_ends_it() {
        let (mut handler, mut lane, region) = one();
        lane.partition(0, live(), 1, Mono(1), SessionId::from_text(*b"DAY0000001"));
        let mut silence = Silence::default();
        let mut look = |now: Mono| {
            let info = region.partition(0, now).expect("there is one");
            (silence.look(&info), silence.is_renewal_due(now, &info))
        };
        lane.lease(0, second(103));
        assert_eq!(look(second(100)), (None, false));
        assert_eq!(look(second(103)), (Some(News::Silent), true));
        assert_eq!(look(second(112)), (None, false), "it was joined again lately");
        assert_eq!(look(second(113)), (None, true));
        // An operator's halt, and a date that is over: it is not heard for that.
        handler.set_status(Status::stale(Reason::Halted), second(120));
        assert_eq!(look(second(123)), (None, true), "it is to be heard when the halt ends");
        handler.set_status(Status::stale(Reason::NoMap), second(130));
        assert_eq!(look(second(133)), (None, false), "nobody wants to hear more");
        lane.lease(0, second(150));
        assert_eq!(look(second(140)), (Some(News::Heard), false));
        assert_eq!(look(second(150)), (Some(News::Silent), false), "silence is silence");
        lane.renew(second(149));
        lane.lease(0, second(170));
        assert_eq!(look(second(160)), (None, false), "the lane is late: nobody knows");
    }
}

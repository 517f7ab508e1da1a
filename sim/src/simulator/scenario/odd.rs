//! What is Live by protocol and looks odd: said once, within half a minute, and never a status.

use candor_core::Nanos;

use candor_core::alert::Code;
use candor_engine::alerts::Place;

use super::{OPEN_BY, after, ms};
use crate::market::Mood;
use crate::simulator::schedule::{OddKind, Plan, Setup, What};

const BEGINS: Nanos = Nanos::from_secs(40);
const SAID_BY: Nanos = Nanos::from_secs(30);

/// Three partitions for minutes: a hundred messages a second each, about.
fn long(name: &str, seed: u64, length: Nanos) -> Plan {
    let setup =
        Setup { partitions: 3, symbols: 18, rate: 300, quantum: ms(5), ..Setup::plain(seed) };
    Plan::quiet(name, setup, length).alarms(&[]).all_live(OPEN_BY)
}

/// Nothing goes wrong for three minutes: nothing is odd.
pub(super) fn usual(seed: u64) -> Plan {
    long("usual", seed, Nanos::from_secs(180))
}

/// Heartbeats with a frozen number while the siblings run: Live by protocol, and one alert.
pub(super) fn heartbeats_without_data(seed: u64) -> Plan {
    let end = Nanos::from_secs(120);
    let plan = long("heartbeats-without-data", seed, end);
    let plan = plan.alarms(&[(Code::FrozenNumbers, Place::Partition(1), 1)]);
    plan.at(BEGINS, What::Mood(1, Mood::Still)).odd(
        1,
        OddKind::FrozenNumbers,
        after(BEGINS, Nanos::from_secs(20)),
        after(BEGINS, SAID_BY),
    )
}

/// Quotes of zero in most symbols: Live by protocol, and one alert.
pub(super) fn zero_quotes(seed: u64) -> Plan {
    let end = Nanos::from_secs(120);
    let plan = long("zero-quotes", seed, end);
    let plan = plan.alarms(&[(Code::EmptyBooks, Place::Partition(2), 1)]);
    plan.at(BEGINS, What::Mood(2, Mood::Withdrawn)).odd(
        2,
        OddKind::EmptyBooks,
        BEGINS,
        after(BEGINS, SAID_BY),
    )
}

/// All messages stop at once, heartbeats go on: the venue rests, and no partition is odd.
pub(super) fn all_rest(seed: u64) -> Plan {
    long("all-rest", seed, Nanos::from_secs(120)).at(BEGINS, What::Pause)
}

/// A partition with an order now and then beside two that run: thin, not frozen.
pub(super) fn thin_beside_busy(seed: u64) -> Plan {
    let end = Nanos::from_secs(180);
    let mut plan = long("thin-beside-busy", seed, end);
    plan = plan.at(OPEN_BY, What::Mood(1, Mood::Still));
    for step in 1..4 {
        let at = Nanos::from_secs(45 * step);
        plan = plan.at(at, What::Mood(1, Mood::Usual));
        plan = plan.at(after(at, ms(100)), What::Mood(1, Mood::Still));
    }
    plan
}

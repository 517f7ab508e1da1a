//! Partitions that say nothing, or nearly nothing.

use candor_core::{Line, Nanos, Reason, TradingState};

use candor_core::alert::Code;
use candor_engine::alerts::Place;

use super::{OPEN_BY, SOON, VENUE, after, ms, small, stale};
use crate::market::Mood;
use crate::simulator::schedule::{Expect, Must, Plan, ServiceSetup, Setup, What, Whose};

/// No data, no heartbeat: Silent by lease; others live.
pub(super) fn partition_silent(seed: u64) -> Plan {
    let setup = small(seed);
    let (at, back, silence) = (ms(500), ms(1_500), setup.silence);
    Plan::quiet("partition-silent", setup, ms(2_500))
        .alarms(&[(Code::PartitionSilent, Place::Partition(1), 1)])
        .at(at, What::Kill(1))
        .at(back, What::Revive(1))
        .expect(1, OPEN_BY, at, Must::BeLive)
        .expect(1, after(at, after(silence, SOON)), back, stale(&[Reason::Silent]))
        .expect(1, after(back, SOON), ms(2_500), Must::BeLive)
        .others_live(1, OPEN_BY)
}

/// Heartbeats and next to no trade: Live.
pub(super) fn thin_partition(seed: u64) -> Plan {
    let setup = Setup { rate: 1, ..small(seed) };
    Plan::quiet("thin-partition", setup, Nanos::from_secs(120)).alarms(&[]).all_live(OPEN_BY)
}

/// The link is down: all stale.
pub(super) fn all_silent(seed: u64) -> Plan {
    let setup = small(seed);
    let (at, back, silence) = (ms(500), ms(1_500), setup.silence);
    let mut plan = Plan::quiet("all-silent", setup, ms(2_500)).at(at, What::Pause);
    for partition in 0..3 {
        for line in [Line::A, Line::B] {
            plan = plan
                .at(after(at, ms(10)), What::Cut(partition, line, true))
                .at(back, What::Cut(partition, line, false));
        }
        let from = after(at, after(silence, after(ms(10), SOON)));
        plan = plan.expect(partition, from, back, stale(&[Reason::Silent]));
    }
    plan.alarms(&[(Code::PartitionSilent, VENUE, 3)]).all_live(after(back, ms(150)))
}

/// The network brings a partition nothing while the venue goes on: the first packet since shows that its
/// books are old. The grace that reordering is given makes none of them Live.
pub(super) fn silent_then_gap(seed: u64) -> Plan {
    let setup = Setup { grace: ms(5), services: Some(ServiceSetup::BOTH), ..small(seed) };
    let (cut, back, silence) = (ms(600), ms(1_200), setup.silence);
    let mut plan = Plan::quiet("silent-then-gap", setup, ms(2_500));
    for line in [Line::A, Line::B] {
        plan = plan.at(cut, What::Cut(0, line, true)).at(back, What::Cut(0, line, false));
    }
    plan.expect(0, OPEN_BY, cut, Must::BeLive)
        .expect(0, after(cut, after(silence, SOON)), back, stale(&[Reason::Silent]))
        .expect(0, after(back, ms(600)), ms(2_500), Must::BeLive)
        .others_live(0, OPEN_BY)
}

/// One packet at the open, then nothing: stale within the lease.
pub(super) fn opening_tick_only(seed: u64) -> Plan {
    let setup = small(seed);
    let (silence, end) = (setup.silence, Nanos::from_secs(5));
    let mut plan = Plan::quiet("opening-tick-only", setup, end).at(ms(1), What::Pause);
    for partition in 0..3 {
        plan = plan.at(ms(1), What::Kill(partition));
        let from = after(silence, SOON);
        let reasons = [Reason::Silent, Reason::Unproven, Reason::NotStarted];
        plan = plan.expect(partition, from, end, stale(&reasons));
    }
    plan
}

/// Only the next heartbeat's number shows it: found at the heartbeat.
pub(super) fn last_packet_lost(seed: u64) -> Plan {
    let setup = small(seed);
    let (cut, pause, mend) = (ms(500), ms(540), ms(541));
    // Nothing of what the cut took is followed by anything but heartbeats.
    let found = after(mend, after(setup.heartbeat, after(setup.grace, SOON)));
    let mut plan = Plan::quiet("last-packet-lost", setup, ms(1_500)).at(pause, What::Pause);
    for line in [Line::A, Line::B] {
        plan = plan.at(cut, What::Cut(0, line, true)).at(mend, What::Cut(0, line, false));
    }
    plan.expect(0, OPEN_BY, mend, Must::BeLive)
        .expect(0, found, ms(1_500), stale(&[Reason::Gap]))
        .others_live(0, OPEN_BY)
}

/// Partitions silenced one by one, healed in another order: all Live again (I5).
pub(super) fn swizzle(seed: u64) -> Plan {
    let mut plan = Plan::quiet("swizzle", small(seed), ms(3_000));
    // The first begins it, and the others join.
    plan = plan.alarms(&[(Code::PartitionSilent, VENUE, 2)]);
    for (step, partition) in [2, 0, 1].into_iter().enumerate() {
        // Not when alerts are looked at: how long the last packet was under way decides nothing then.
        plan = plan.at(ms(330 + 200 * step as u64), What::Kill(partition));
    }
    for (step, partition) in [0, 1, 2].into_iter().enumerate() {
        let back = ms(1_300 + 200 * step as u64);
        plan = plan.at(back, What::Revive(partition));
        plan = plan.expect(partition, after(back, SOON), ms(3_000), Must::BeLive);
    }
    plan
}

/// All partitions stop and resume ten hours later, in the same session or, of odd seeds, in new ones:
/// nothing Live in between, Live at resume.
pub(super) fn outage(seed: u64) -> Plan {
    let setup = Setup { alerts_every: ms(200), ..small(seed) };
    let (at, back) = (ms(500), Nanos::from_secs(36_000));
    let end = after(back, ms(1_000));
    let mut plan = Plan::quiet("outage-10h", setup, end);
    let renamed = !seed.is_multiple_of(2);
    for partition in 0..3 {
        plan = plan.at(at, What::Kill(partition)).at(back, What::Revive(partition));
        plan = plan.expect(partition, ms(1_000), back, stale(&[Reason::Silent]));
    }
    let plan = plan.alarms(&[(Code::PartitionSilent, VENUE, 3)]);
    let open = if renamed { ms(150) } else { SOON };
    let plan = plan.all_live(after(back, open));
    if renamed { plan.at(back, What::Session(None)) } else { plan }
}

/// A symbol is halted and resumes: Live all along, and readers are told in which state it is.
pub(super) fn halt(seed: u64) -> Plan {
    let (at, back, end) = (ms(500), ms(1_500), ms(5_000));
    let mut plan = Plan::quiet("halt", Setup { halts: false, ..small(seed) }, end)
        .at(at, What::Mood(1, Mood::Halted { all: false }))
        .at(back, What::Mood(1, Mood::Usual))
        .alarms(&[])
        .all_live(OPEN_BY);
    let mut states = |from, until, state| {
        let (whose, must) = (Whose::One(0), Must::BeLiveIn(state));
        plan.expects.push(Expect { partition: 1, whose, from, until, must });
    };
    states(after(at, SAID), back, TradingState::Halted);
    states(after(back, SAID), after(back, ms(2_000)), TradingState::QuoteOnly);
    states(after(back, after(ms(2_000), SAID)), end, TradingState::Trading);
    plan
}

/// Every symbol of every partition is halted, and all resume: the same.
pub(super) fn market_wide_halt(seed: u64) -> Plan {
    let (at, back, end) = (ms(500), ms(1_500), ms(5_000));
    let setup = Setup { halts: false, ..small(seed) };
    let mut plan = Plan::quiet("market-wide-halt", setup, end);
    for partition in 0..3 {
        plan = plan
            .at(at, What::Mood(partition, Mood::Halted { all: true }))
            .at(back, What::Mood(partition, Mood::Usual))
            .expect(partition, after(at, SAID), back, Must::BeLiveIn(TradingState::Halted));
        let trades = after(back, after(ms(2_000), SAID));
        plan = plan.expect(partition, trades, end, Must::BeLiveIn(TradingState::Trading));
    }
    plan.alarms(&[]).all_live(OPEN_BY)
}

/// The market needs a few messages to say a state of all symbols.
const SAID: Nanos = ms(60);

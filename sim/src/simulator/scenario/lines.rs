//! What goes wrong between the lines of a partition.

use candor_core::{Line, Nanos, Reason};

use candor_core::alert::Code;
use candor_core::counters::Counter;
use candor_engine::alerts::Place;

use super::{OPEN_BY, after, ms, small, stale};
use crate::publisher::Packing;
use crate::simulator::schedule::{Must, Plan, Setup, What};

const END: Nanos = ms(2_000);

/// Five in a hundred lost on A only: filled from B, never stale.
pub(super) fn gap_one_line(seed: u64) -> Plan {
    let mut plan = Plan::quiet("gap-one-line", small(seed), END);
    for partition in 0..3 {
        plan = plan.at(ms(0), What::Loss(partition, Line::A, 50_000));
    }
    plan.alarms(&[]).all_live(OPEN_BY)
}

/// The same number lost on both lines: stale(Gap) after the grace.
pub(super) fn gap_both_lines(seed: u64) -> Plan {
    let at = ms(600);
    Plan::quiet("gap-both-lines", small(seed), END)
        .at(at, What::LoseNext(0, 2))
        .alarms(&[(Code::PartitionGap, Place::Partition(0), 1)])
        .expect(0, OPEN_BY, at, Must::BeLive)
        .expect(0, after(at, ms(200)), END, stale(&[Reason::Gap]))
        .others_live(0, OPEN_BY)
}

/// B packs messages differently, so that packets begin before and end after the expected number.
pub(super) fn straddle(seed: u64) -> Plan {
    let a = Packing { max_messages: 7, linger: Nanos::from_micros(100), ..Packing::A };
    let b = Packing { max_messages: 40, linger: Nanos::from_micros(400), ..Packing::B };
    let setup = Setup { packings: [Some(a), Some(b), None], rate: 100_000, ..small(seed) };
    let setup = Setup { quantum: Nanos::from_micros(50), ..setup };
    let mut plan = Plan::quiet("straddle", setup, END);
    for partition in 0..3 {
        plan = plan.at(ms(0), What::Loss(partition, Line::A, 100_000));
    }
    plan.alarms(&[]).all_live(OPEN_BY)
}

/// Every message is a packet of its own, and what ends a transaction often comes late, or on the other
/// line alone: nobody sees half of it, and a symbol whose transaction stays open is quarantined.
pub(super) fn transaction_split(seed: u64) -> Plan {
    let one = |packing| Packing { max_messages: 1, ..packing };
    let packings = [Some(one(Packing::A)), Some(one(Packing::B)), None];
    let setup = Setup { packings, rate: 20_000, ..small(seed) };
    let within = Nanos(setup.grace.0 / 2);
    let mut plan = Plan::quiet("transaction-split", setup, END);
    for line in [Line::A, Line::B] {
        plan = plan.at(ms(0), What::Reorder(0, line, 100_000, within));
        plan = plan.at(OPEN_BY, What::Loss(1, line, 20_000));
    }
    plan.expect(0, OPEN_BY, END, Must::BeLive).expect(2, OPEN_BY, END, Must::BeLive)
}

/// Packets that each end one transaction of a symbol and begin its next, longer than the grace: what
/// is shown as Live is still as new as a number may be late.
pub(super) fn transactions_chained(seed: u64) -> Plan {
    let few = |packing| Packing { max_messages: 3, linger: Nanos::from_millis(1), ..packing };
    let packings = [Some(few(Packing::A)), Some(few(Packing::A)), None];
    let setup = Setup { packings, partitions: 1, symbols: 1, rate: 20_000, ..small(seed) };
    let quick = Nanos::from_micros(20);
    let setup = Setup { grace: Nanos::from_micros(200), quantum: quick, ..setup };
    Plan { events: 12_000, ..Plan::quiet("transactions-chained", setup, END) }
}

/// Within the window no gap; beyond the grace a gap, and the late fill is used rightly.
pub(super) fn reorder(seed: u64) -> Plan {
    let setup = small(seed);
    let (within, beyond) = (Nanos(setup.grace.0 / 2), Nanos(setup.grace.0 * 4));
    let mut plan = Plan::quiet("reorder", setup, END);
    for line in [Line::A, Line::B] {
        plan = plan.at(ms(0), What::Reorder(0, line, 100_000, within));
        plan = plan.at(OPEN_BY, What::Reorder(1, line, 200_000, beyond));
    }
    // What is late fills what is missing: nothing is given up.
    plan.expect(0, OPEN_BY, END, Must::BeLive)
        .expect(2, OPEN_BY, END, Must::BeLive)
        .counts(Counter::GapsOutlived, 1..=u64::MAX)
        .counts(Counter::GapsLost, 0..=0)
        .heals_all()
}

/// Every packet two times: idempotent.
pub(super) fn duplicates(seed: u64) -> Plan {
    let mut plan = Plan::quiet("duplicates", small(seed), END);
    for partition in 0..3 {
        for line in [Line::A, Line::B] {
            plan = plan.at(ms(0), What::Duplicate(partition, line, 1_000_000));
        }
    }
    plan.alarms(&[]).all_live(OPEN_BY)
}

/// A and B carry different bytes under one number: stale(LinesDiffer), never a silent choice.
pub(super) fn lines_differ(seed: u64) -> Plan {
    let at = ms(600);
    Plan::quiet("lines-differ", small(seed), END)
        .at(at, What::Differ(1))
        .alarms(&[(Code::LinesDiffer, Place::Partition(1), 1)])
        .expect(1, OPEN_BY, at, Must::BeLive)
        .expect(1, after(at, ms(100)), END, stale(&[Reason::LinesDiffer]))
        .others_live(1, OPEN_BY)
}

/// B late by half a second: the first copy wins; never stale while A is whole.
pub(super) fn line_lag(seed: u64) -> Plan {
    let lag = What::Lag(0, Line::B, ms(500));
    Plan::quiet("line-lag", small(seed), END).at(ms(300), lag).alarms(&[]).all_live(OPEN_BY)
}

/// B dark for an hour: never stale while A is whole.
pub(super) fn line_dark(seed: u64) -> Plan {
    let hour = Nanos::from_secs(3_600);
    let setup = Setup { rate: 20, ..small(seed) };
    Plan::quiet("line-dark", setup, after(hour, ms(2_000)))
        .at(ms(500), What::Cut(0, Line::B, true))
        .at(hour, What::Cut(0, Line::B, false))
        .alarms(&[])
        .all_live(OPEN_BY)
}

//! What goes wrong between the lines of a partition.

use candor_core::{Line, Nanos, Reason};

use super::{OPEN_BY, after, ms, small, stale};
use crate::publisher::Packing;
use crate::simulator::schedule::{Must, Plan, Setup, What};

const END: Nanos = ms(2_000);

fn all_live(mut plan: Plan) -> Plan {
    let end = plan.length;
    for partition in 0..plan.setup.partitions {
        plan = plan.expect(partition, OPEN_BY, end, Must::BeLive);
    }
    plan
}

/// Five in a hundred lost on A only: filled from B, never stale.
pub(super) fn gap_one_line(seed: u64) -> Plan {
    let mut plan = Plan::quiet("gap-one-line", small(seed), END);
    for partition in 0..3 {
        plan = plan.at(ms(0), What::Loss(partition, Line::A, 50_000));
    }
    all_live(plan)
}

/// The same number lost on both lines: stale(Gap) after the grace.
pub(super) fn gap_both_lines(seed: u64) -> Plan {
    let at = ms(600);
    Plan::quiet("gap-both-lines", small(seed), END)
        .at(at, What::LoseNext(0, 2))
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
    all_live(plan)
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
    plan.expect(0, OPEN_BY, END, Must::BeLive).expect(2, OPEN_BY, END, Must::BeLive)
}

/// Every packet two times: idempotent.
pub(super) fn duplicates(seed: u64) -> Plan {
    let mut plan = Plan::quiet("duplicates", small(seed), END);
    for partition in 0..3 {
        for line in [Line::A, Line::B] {
            plan = plan.at(ms(0), What::Duplicate(partition, line, 1_000_000));
        }
    }
    all_live(plan)
}

/// A and B carry different bytes under one number: stale(LinesDiffer), never a silent choice.
pub(super) fn lines_differ(seed: u64) -> Plan {
    let at = ms(600);
    Plan::quiet("lines-differ", small(seed), END)
        .at(at, What::Differ(1))
        .expect(1, OPEN_BY, at, Must::BeLive)
        .expect(1, after(at, ms(100)), END, stale(&[Reason::LinesDiffer]))
        .others_live(1, OPEN_BY)
}

/// B late by half a second: the first copy wins; never stale while A is whole.
pub(super) fn line_lag(seed: u64) -> Plan {
    let lag = What::Lag(0, Line::B, ms(500));
    all_live(Plan::quiet("line-lag", small(seed), END).at(ms(300), lag))
}

/// B dark for an hour: never stale while A is whole.
pub(super) fn line_dark(seed: u64) -> Plan {
    let hour = Nanos::from_secs(3_600);
    let setup = Setup { rate: 20, ..small(seed) };
    let plan = Plan::quiet("line-dark", setup, after(hour, ms(2_000)))
        .at(ms(500), What::Cut(0, Line::B, true))
        .at(hour, What::Cut(0, Line::B, false));
    all_live(plan)
}

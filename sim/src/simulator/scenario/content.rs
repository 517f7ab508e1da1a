//! What a venue says that it never said before, or should not.

use candor_core::{Line, Nanos, Reason};

use super::{OPEN_BY, after, ms, small, stale};
use crate::simulator::schedule::{Must, Plan, Setup, Tamper, What, Whose};

const END: Nanos = ms(1_500);

fn tampered(name: &str, seed: u64, tamper: Tamper) -> Plan {
    let setup = Setup { tamper: vec![tamper], rate: 20_000, ..small(seed) };
    Plan::quiet(name, setup, END)
}

/// A new message type: skipped by its length, counted; the rest unaffected.
pub(super) fn unknown_type(seed: u64) -> Plan {
    tampered("unknown-type", seed, Tamper::UnknownType { partition: 0 }).all_live(OPEN_BY)
}

/// Known messages grown at their end: read by their layout.
pub(super) fn longer_message(seed: u64) -> Plan {
    tampered("longer-message", seed, Tamper::Longer { partition: 1 }).all_live(OPEN_BY)
}

/// Broken frames of every kind on both lines: counted, never applied; what they cost is a gap like
/// any other.
pub(super) fn malformed(seed: u64) -> Plan {
    let mut plan = Plan::quiet("malformed", small(seed), END);
    for line in [Line::A, Line::B] {
        plan = plan.at(ms(0), What::Malform(0, line, 100_000));
        // Line A alone: B has everything.
        if line == Line::A {
            plan = plan.at(ms(0), What::Malform(1, line, 500_000));
        }
    }
    plan.expect(1, OPEN_BY, END, Must::BeLive).expect(2, OPEN_BY, END, Must::BeLive)
}

/// An order that never was is deleted: its symbol is quarantined, the others live.
pub(super) fn unknown_order(seed: u64) -> Plan {
    tampered("unknown-order", seed, Tamper::UnknownOrder { partition: 0, from: 500 })
        .others_live(0, OPEN_BY)
}

/// A transaction is not completed: its symbol is Live with the book before it for the grace, then
/// quarantined until its next transaction is complete; the others live.
pub(super) fn transaction_left_open(seed: u64) -> Plan {
    let tamper = Tamper::LeftOpen { partition: 0, from: 300 };
    let mut plan = tampered("transaction-left-open", seed, tamper);
    // So slow that the symbol's next transaction comes long after the grace.
    plan.setup.rate = 2_000;
    plan.others_live(0, OPEN_BY)
}

/// A book crosses while it trades: its symbol is quarantined for as long, the others live.
pub(super) fn crossed_book(seed: u64) -> Plan {
    tampered("crossed-book", seed, Tamper::Crossed { partition: 0, from: 500 })
        .others_live(0, OPEN_BY)
}

/// Trades are broken: statistics are corrected, books untouched (I1 compares both).
pub(super) fn trade_bust(seed: u64) -> Plan {
    let setup = Setup { rate: 200_000, ..small(seed) };
    Plan::quiet("trade-bust", setup, END).all_live(OPEN_BY)
}

/// Two partitions publish one symbol: stale(WrongPartition) on both, never a merged book.
pub(super) fn symbol_on_two_partitions(seed: u64) -> Plan {
    let tamper = Tamper::Foreign { partition: 1, home: 0 };
    let mut plan = tampered("symbol-on-two-partitions", seed, tamper);
    let must = stale(&[Reason::WrongPartition]);
    let from = after(OPEN_BY, ms(1));
    // Behind those that the map gives to its partition the foreign one has a slot of its own.
    let own = (plan.setup.symbols / plan.setup.partitions) as u32;
    for (partition, symbol) in [(0, 0), (1, own)] {
        plan = plan.only(partition, Whose::One(symbol), from, END, must.clone());
    }
    // The other partition's first symbol never comes, whose place it takes; the others are as ever.
    for symbol in 1..own {
        plan = plan.only(1, Whose::One(symbol), from, END, Must::BeLive);
    }
    plan.expect(2, OPEN_BY, END, Must::BeLive)
}

//! The handler's own process: killed, stopped, hanging, flooded.

use candor_core::alert::Code;
use candor_core::{Nanos, Reason};
use candor_engine::alerts::{Place, Suspect};

use super::{OPEN_BY, SOON, VENUE, after, ms, small, stale};
use crate::market::Mood;
use crate::publisher::Packing;
use crate::rng::Rng;
use crate::simulator::schedule::{Must, Plan, Setup, What};

const END: Nanos = ms(2_500);

/// Killed at any instant and started again: stale within the process lease (I4), and after the
/// start never Live from the old region, nor before its own books are whole.
pub(super) fn kill(seed: u64) -> Plan {
    let mut rng = Rng::stream(seed, 6 << 40);
    let mut plan = Plan::quiet("kill-9", small(seed), END);
    for round in 0..4 {
        let at = ms(400 + 500 * round).0 + rng.below(100_000_000);
        plan = plan.at(Nanos(at), What::Stop);
        plan = plan.at(Nanos(at + 1 + rng.below(200_000_000)), What::Start);
    }
    plan
}

/// Stopped and continued: stale within the process lease, then Late until something newer than the
/// stop shows where the venue is.
pub(super) fn stop(seed: u64) -> Plan {
    // So long that nothing is dropped meanwhile.
    let setup = Setup { queue: 1 << 16, ..small(seed) };
    let (at, time) = (ms(700), ms(1_200));
    let gone = after(at, after(setup.lease, SOON));
    let back = after(at, time);
    let mut plan = Plan::quiet("stop", setup, END).at(at, What::Stall(0, time));
    for partition in 0..3 {
        plan = plan.expect(partition, OPEN_BY, at, Must::BeLive);
        plan = plan.expect(partition, gone, back, stale(&[Reason::WriterGone]));
    }
    let stalled = (Code::LaneStalled, Place::Lane(0), 3);
    plan.alarms(&[stalled]).suspecting(Suspect::Stall).all_live(after(back, ms(150)))
}

/// More comes than the lane can take, and the kernel keeps all of it: what is looked at is old, and older by the minute.
pub(super) fn overload(seed: u64) -> Plan {
    let silence = Nanos::from_secs(5);
    let setup = Setup { queue: 1 << 18, poll: ms(2), silence, ..small(seed) };
    Plan::quiet("overload", setup, END)
        .at(ms(600), What::Rate(90_000))
        .at(ms(1_300), What::Rate(5_000))
        .alarms(&[(Code::PartitionLate, Place::Lane(0), 3)])
}

/// A lane hangs again and again, for about as long as its lease.
pub(super) fn hang(seed: u64) -> Plan {
    let mut rng = Rng::stream(seed, 7 << 40);
    let setup = Setup { lanes: 2, ..small(seed) };
    let lease = setup.lease.0;
    // None of it lasts long enough for anybody to be told.
    let mut plan = Plan::quiet("hang", setup, END).alarms(&[]);
    for round in 0..12 {
        let time = Nanos(rng.between(lease / 2, lease * 3 / 2));
        plan = plan.at(ms(300 + round * 180), What::Stall((round % 2) as u16, time));
    }
    plan
}

/// An operator halts a partition and then everything; the handler dies and hangs meanwhile. Nothing that
/// is halted is Live, nothing else is stale for it, and what is resumed is Live as if nothing had been.
pub(super) fn halted_by_hand(seed: u64) -> Plan {
    let setup = small(seed);
    let lease = setup.lease;
    let halted = || stale(&[Reason::Halted]);
    let hung = after(ms(700), after(lease, SOON));
    let mut plan = Plan::quiet("halted-by-hand", setup, END)
        .at(ms(300), What::Halt(Some(0), true))
        .at(ms(500), What::Halt(Some(0), false))
        .at(ms(600), What::Halt(None, true))
        .at(ms(700), What::Stall(0, ms(200)))
        .at(ms(1_100), What::Halt(None, false))
        .at(ms(1_400), What::Halt(Some(1), true))
        .at(ms(1_500), What::Stop)
        .at(ms(1_550), What::Start)
        .expect(0, OPEN_BY, ms(300), Must::BeLive)
        .expect(0, ms(300), ms(500), halted())
        .expect(0, after(ms(500), SOON), ms(600), Must::BeLive);
    for partition in 0..3 {
        plan = plan
            .expect(partition, ms(600), ms(700), halted())
            .expect(partition, hung, ms(900), stale(&[Reason::WriterGone]))
            .expect(partition, after(ms(900), SOON), ms(1_100), halted())
            .expect(partition, ms(1_250), ms(1_400), Must::BeLive);
    }
    plan = plan.expect(1, after(ms(300), SOON), ms(600), Must::BeLive);
    plan = plan.expect(1, ms(1_400), ms(1_500), halted());
    plan.expect(1, after(ms(1_550), SOON), END, halted())
}

/// Many times the usual rate into a short queue: what is dropped is counted, and nothing false is
/// Live.
pub(super) fn burst(seed: u64) -> Plan {
    let setup = Setup { queue: 64, poll: Nanos::from_millis(2), ..small(seed) };
    Plan::quiet("burst", setup, END)
        .at(ms(600), What::Rate(400_000))
        .at(ms(900), What::Rate(5_000))
        .alarms(&[(Code::PartitionGap, VENUE, 3)])
        .suspecting(Suspect::Drops)
}

/// A partition's groups are left and joined again.
pub(super) fn resubscribe(seed: u64) -> Plan {
    let (left, back) = (ms(600), ms(1_000));
    Plan::quiet("resubscribe", small(seed), END)
        .at(ms(500), What::Pause)
        .at(left, What::Subscribe(0, false))
        .at(back, What::Subscribe(0, true))
        .expect(0, OPEN_BY, left, Must::BeLive)
        .expect(0, left, back, stale(&[Reason::Unsubscribed]))
        .expect(0, after(back, ms(150)), END, Must::BeLive)
        .others_live(0, OPEN_BY)
}

/// A partition's burst is more than its lane can take for a while, and what another one says waits behind it: Late,
/// and not Live with what it said before. Then the lane has caught up.
pub(super) fn waits_behind_a_burst(seed: u64) -> Plan {
    let (burst, spoke, over, end) = (ms(800), ms(840), ms(860), ms(3_000));
    let one_each = Packing { max_payload: 1_300, max_messages: 1, linger: Nanos::ZERO };
    let setup = Setup {
        partitions: 2,
        symbols: 12,
        poll: ms(1),
        queue: 65_536,
        packings: [Some(one_each), Some(one_each), None],
        ..small(seed)
    };
    let mut plan = Plan::quiet("waits-behind-a-burst", setup, end)
        .at(OPEN_BY, What::Mood(1, Mood::Still))
        .at(burst, What::Rate(400_000))
        .at(spoke, What::Mood(1, Mood::Usual))
        .at(over, What::Rate(5_000));
    for partition in 0..2 {
        plan = plan
            .expect(partition, OPEN_BY, burst, Must::BeLive)
            .expect(partition, over, after(over, ms(10)), stale(&[Reason::Late]))
            .expect(partition, after(over, ms(1_600)), end, Must::BeLive);
    }
    plan
}

//! One line of two: dead, alive again, and contradicting the other.

use candor_core::counters::Counter;
use candor_core::{Mono, Nanos, Reason};
use candor_shm::clock;

use crate::watch::{Stalls, Watch, judge};
use crate::world::{Plan, World, eventually, partition, pause};

#[test]
fn a_dead_line_makes_nothing_stale_and_lines_that_differ_their_partition() {
    let grace = Nanos::from_millis(30);
    let plan = Plan { grace, ..Plan::default() };
    let Some(mut world) = World::running("lines over veth", plan) else { return };
    let region = world.region();
    let stalls = Stalls::from_now(&region);
    let watch = Watch::all(&world);
    for line in ["A", "B"] {
        world.tell(&format!("kill line {line}"));
        // Longer than the silence bound: the other line alone vouches.
        pause(world.plan.silence + Nanos::from_millis(200));
        world.tell(&format!("revive line {line}"));
        pause(Nanos::from_millis(200));
    }
    let differ = world.tell("differ 3");
    eventually("partition 3's lines differ", || {
        (partition(&region, 2).status.reason() == Some(Reason::LinesDiffer)).then_some(())
    });
    let noticed = clock::now();
    pause(Nanos::from_millis(300));
    let stalls = stalls.until_now(&region);
    let log = watch.stop();
    for other in [0, 1, 3] {
        log.assert_only(other, (Mono::NEVER, Mono(u64::MAX)), &["Live"], stalls);
        let counters = partition(&region, other).counters;
        assert!(counters.get(Counter::LostOnA) > 0 && counters.get(Counter::LostOnB) > 0);
        assert_eq!(counters.get(Counter::LinesDiffer), 0);
    }
    log.assert_only(2, (Mono::NEVER, differ), &["Live"], stalls);
    log.assert_only(2, (differ, noticed), &["Live", "LinesDiffer"], stalls);
    log.assert_only(2, (noticed, Mono(u64::MAX)), &["LinesDiffer"], stalls);
    assert_eq!(partition(&region, 2).counters.get(Counter::LinesDiffer), 1);
    judge(&mut world, &log);
}

//! A partition that falls silent, and one that loses everything on both lines: exactly its symbols
//! go stale, in time, and no other.

use candor_core::counters::Counter;
use candor_core::{Mono, Nanos, Reason};
use candor_shm::clock;

use crate::watch::{Log, Stalls, Watch, judge};
use crate::world::{Plan, World, eventually, partition, pause};

/// Room for the machine between a command's answer and the last packet on the ring.
pub const SLACK: Nanos = Nanos::from_millis(50);

/// Kills partition 2 and lets it go on. Returns what a reader saw, when the partition was told to
/// be silent, and when it was told to speak.
pub fn kill_and_revive(world: &World) -> (Log, [Mono; 2], u64) {
    let region = world.region();
    let stalls = Stalls::from_now(&region);
    let watch = Watch::all(world);
    pause(Nanos::from_millis(400));
    world.tell("kill partition 2");
    let silent = clock::now();
    eventually("partition 2 is silent", || {
        (partition(&region, 1).status.reason() == Some(Reason::Silent)).then_some(())
    });
    pause(Nanos::from_millis(200));
    let speaks = world.tell("revive partition 2");
    world.until_live();
    pause(Nanos::from_millis(100));
    (watch.stop(), [silent, speaks], stalls.until_now(&region))
}

/// Asserts that partition 2 alone went stale, for silence, within the bound, and came back.
pub fn assert_killed_and_revived(world: &World, log: &Log, times: [Mono; 2], stalls: u64) {
    let [silent, speaks] = times;
    let always = (Mono::NEVER, Mono(u64::MAX));
    for other in (0..world.plan.partitions).filter(|at| *at != 1) {
        log.assert_only(other, always, &["Live"], stalls);
    }
    log.assert_only(1, (Mono::NEVER, silent), &["Live"], stalls);
    log.assert_only(1, (silent, Mono(u64::MAX)), &["Live", "Silent"], stalls);
    let by = silent + world.plan.silence + SLACK;
    assert!(by < speaks);
    log.assert_only(1, (by, speaks), &["Silent"], stalls);
}

#[test]
fn a_silent_partition_goes_stale_within_its_bound_and_comes_back() {
    let Some(mut world) = World::running("silence over veth", Plan::default()) else { return };
    let (log, times, stalls) = kill_and_revive(&world);
    assert_killed_and_revived(&world, &log, times, stalls);
    let said = world.handler.as_ref().unwrap().log();
    // Where the machine is slow it is an alert as well.
    let own = |line: &&str| line.contains("ilent") && !line.contains("partition-silent");
    let about: Vec<&str> = said.lines().filter(own).collect();
    for (line, says) in
        about.iter().zip(["Stale(Silent): ", "groups joined again", "no longer silent"])
    {
        assert!(line.contains(says) && line.contains("XNAS:2"), "{says}: {line}");
        assert!(line.contains("A 239.") && line.contains("B 239."), "by its groups: {line}");
    }
    assert_eq!(about.len(), 3, "{about:?}");
    judge(&mut world, &log);
}

#[test]
fn what_both_lines_lose_is_a_gap_that_stays_and_hides_no_silence() {
    let plan = Plan::default();
    let Some(mut world) = World::running("a gap over veth", plan) else { return };
    let region = world.region();
    let stalls = Stalls::from_now(&region);
    let watch = Watch::all(&world);
    let is = |reason: Reason| partition(&region, 2).status.reason() == Some(reason);
    pause(Nanos::from_millis(200));
    // The first number behind the hole ends it for the wire, and begins it for the handler.
    let cut = world.tell("cut partition 3");
    pause(Nanos::from_millis(100));
    world.tell("mend partition 3");
    eventually("partition 3 has a gap", || is(Reason::Gap).then_some(()));
    let gap = clock::now();
    pause(Nanos::from_millis(400));
    let still = clock::now();
    // A hole behind a number that goes on: nothing is silent then, and nothing is live.
    world.tell("skip 4 3");
    eventually("partition 4 has a gap", || {
        (partition(&region, 3).status.reason() == Some(Reason::Gap)).then_some(())
    });
    let skipped = clock::now();
    // Silence is worse than a gap, and must not hide behind one.
    world.tell("kill partition 3");
    eventually("partition 3 is silent", || is(Reason::Silent).then_some(()));
    let silent = clock::now();
    world.tell("revive partition 3");
    eventually("partition 3 has its gap again", || is(Reason::Gap).then_some(()));
    let end = clock::now();
    let stalls = stalls.until_now(&region);
    let log = watch.stop();
    for other in [0, 1] {
        log.assert_only(other, (Mono::NEVER, Mono(u64::MAX)), &["Live"], stalls);
    }
    log.assert_only(2, (Mono::NEVER, cut), &["Live"], stalls);
    log.assert_only(2, (cut, gap), &["Live", "Gap"], stalls);
    log.assert_only(2, (gap, still), &["Gap"], stalls);
    log.assert_only(2, (still, silent), &["Gap", "Silent"], stalls);
    log.assert_only(2, (silent, Mono(u64::MAX)), &["Gap", "Silent"], stalls);
    log.assert_only(3, (skipped, end), &["Gap"], stalls);
    for at in [2, 3] {
        let counters = partition(&region, at).counters;
        assert_eq!(counters.get(Counter::GapsOutlived), 1, "partition {}", at + 1);
    }
    judge(&mut world, &log);
}

//! A handler that dies or hangs at any instant: stale for every reader within the lease, by their
//! own clocks, with no code running to say so.

use candor_core::counters::{Counter, LaneCounter};
use candor_core::{Mono, Nanos};
use candor_shm::clock;
use rustix::process::Signal;

use crate::states::listed;
use crate::watch::{INTERRUPTED, Log, Watch, judge};
use crate::world::{Halt, LEASE, Plan, World, eventually, lane, partition, pause, stalls};

/// Asserts that reads that began later than the lease after the handler stood still, and ended
/// before `until`, were all `WriterGone`: no slack, this is the promise. Returns how long after the
/// signal was sent the last live read began.
fn assert_gone(world: &World, log: &Log, halt: Halt, until: Mono) -> Nanos {
    let (by, until) = (halt.halted + LEASE, until - INTERRUPTED);
    assert!(by < until);
    let mut longest = Nanos::ZERO;
    for at in 0..world.plan.partitions {
        log.assert_only(at, (by, until), &["WriterGone"], 0);
        assert!(!log.spells(at, by, until).is_empty());
        if let Some(last) = log.last_live(at, until) {
            longest = longest.max(last.since(halt.sent));
        }
    }
    longest
}

#[test]
fn a_killed_handler_is_stale_for_every_reader_within_the_lease() {
    let plan = Plan { edit: listed, ..Plan::default() };
    let Some(mut world) = World::running("SIGKILL over veth", plan) else { return };
    let region = world.region();
    let (one, other) = (Watch::all(&world), Watch::all(&world));
    pause(Nanos::from_millis(300));
    let halt = world.handler.as_ref().unwrap().halt(Signal::KILL);
    pause(Nanos::from_millis(300));
    let end = clock::now();
    assert!(lane(&region).lease <= halt.halted + LEASE);
    let logs = [one.stop(), other.stop()];
    let longest = logs.iter().map(|log| assert_gone(&world, log, halt, end)).max().unwrap();
    assert!(!world.handler.as_mut().unwrap().ended().success());

    // Its successor was not there at the start of the session: it has nothing to show, and the
    // old region stays as dead as it was.
    let next = world.start_handler();
    assert!(next.generation() > region.generation());
    let old = Watch::start(&region, world.handles(&region));
    let new = Watch::start(&next, world.handles(&next));
    pause(Nanos::from_millis(300));
    assert!(!region.is_current());
    let (old, new) = (old.stop(), new.stop());
    let always = (Mono::NEVER, Mono(u64::MAX));
    for at in 0..world.plan.partitions {
        old.assert_only(at, always, &["WriterGone"], 0);
        let recovering = ["Unsubscribed", "NotStarted", "Unproven", "Recovering"];
        new.assert_only(at, always, &recovering, 0);
    }
    assert_eq!((old.live, new.live), (0, 0));
    world.tell("session NEXT");
    world.until_live();
    let watch = Watch::all(&world);
    pause(Nanos::from_millis(200));
    let after = watch.stop();
    for log in &logs {
        assert!(log.live > 0);
    }
    judge_all(&mut world, &[&logs[0], &logs[1], &after]);
    println!("shown: SIGKILL to the last live read of any of two readers: {longest}");
}

fn judge_all(world: &mut World, logs: &[&Log]) {
    let bound = crate::watch::Bound::of(world);
    let truth = world.end_exchange();
    for log in logs {
        log.assert_true(&truth, bound);
    }
}

#[test]
fn a_stopped_handler_is_stale_within_the_lease_and_late_before_it_is_live_again() {
    const STOPS: u64 = 6;
    let Some(mut world) = World::running("SIGSTOP over veth", Plan::default()) else { return };
    let region = world.region();
    let before = stalls(&region);
    let watch = Watch::all(&world);
    let mut stops = Vec::new();
    for nth in 0..STOPS {
        // Every time at another point of whatever the lane does every ten milliseconds.
        pause(Nanos(150_000_000 + nth * 1_700_000));
        let handler = world.handler.as_ref().unwrap();
        let halt = handler.halt(Signal::STOP);
        pause(Nanos::from_millis(150));
        let goes_on = clock::now();
        handler.signal(Signal::CONT);
        stops.push((halt, goes_on));
        world.until_live();
    }
    let log = watch.stop();
    assert!(stalls(&region) >= before + STOPS);
    let mut longest = Nanos::ZERO;
    for (halt, goes_on) in &stops {
        longest = longest.max(assert_gone(&world, &log, *halt, *goes_on));
    }
    let forever = Mono(u64::MAX);
    for at in 0..world.plan.partitions {
        log.assert_only(at, (Mono::NEVER, forever), &["Live", "WriterGone", "Late"], 0);
        // It may be Late for less time than a reader takes for a round: the handler's own count says
        // that it was.
        assert!(partition(&region, at).counters.get(Counter::Late) >= STOPS);
    }
    judge(&mut world, &log);
    println!("shown: SIGSTOP to the last live read, of {STOPS} stops: {longest}");
}

#[test]
fn a_handler_that_missed_packets_while_it_stood_still_is_never_wrong() {
    // Room for a few milliseconds of this rate: the kernel drops what comes after.
    let plan = Plan {
        rate: 20_000,
        edit: |text| text.replace("mode = \"copy\"", "mode = \"copy\"\nframes = 256"),
        ..Plan::default()
    };
    let Some(mut world) = World::running("SIGSTOP with loss over veth", plan) else { return };
    let region = world.region();
    let watch = Watch::all(&world);
    pause(Nanos::from_millis(200));
    let handler = world.handler.as_ref().unwrap();
    let halt = handler.halt(Signal::STOP);
    pause(Nanos::from_millis(400));
    let goes_on = clock::now();
    handler.signal(Signal::CONT);
    eventually("every partition has a gap", || {
        let gaps = |at| partition(&region, at).counters.get(Counter::GapsOutlived) > 0;
        (0..world.plan.partitions).all(gaps).then_some(())
    });
    let known = clock::now();
    pause(Nanos::from_millis(300));
    let log = watch.stop();
    let lane = lane(&region);
    let dropped = lane.get(LaneCounter::RxRingFull)
        + lane.get(LaneCounter::FillRingEmpty)
        + lane.get(LaneCounter::RxDropped);
    assert!(dropped > 0, "the test did not make the kernel drop anything: {lane:?}");
    assert_gone(&world, &log, halt, goes_on);
    for at in 0..world.plan.partitions {
        // Not live for an instant between standing still and the gap.
        let late = ["WriterGone", "Late", "Gap"];
        log.assert_only(at, (goes_on - INTERRUPTED, known), &late, 0);
        log.assert_only(at, (known, Mono(u64::MAX)), &["Gap", "Late"], 0);
    }
    judge(&mut world, &log);
    println!("shown: {dropped} frames dropped while the handler stood still, never a live book");
}

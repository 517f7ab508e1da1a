//! Two lanes on two queues: each partition's frames go to its lane's queue, as a card's flow rules
//! would have it, and once to another's.

use candor_core::counters::LaneCounter;
use candor_core::{Mono, Nanos, Reason};
use candor_shm::{Region, clock};

use crate::silence::{assert_killed_and_revived, kill_and_revive};
use crate::watch::{Stalls, Watch, judge};
use crate::world::{Plan, World, eventually, partition, pause};

const TWO: Plan = Plan { lanes: 2, ..Plan::DEFAULT };

/// A counter of each lane.
fn of_each(region: &Region, counter: LaneCounter) -> Vec<u64> {
    region.lanes(clock::now()).map(|lane| lane.get(counter)).collect()
}

#[test]
fn each_lane_has_its_own_queue_and_its_own_silence() {
    let Some(mut world) = World::running("two lanes over veth", TWO) else { return };
    let region = world.region();
    let lanes: Vec<u16> = (0..4).map(|at| partition(&region, at).spec.lane).collect();
    assert_eq!(lanes, [0, 1, 0, 1]);
    let before = of_each(&region, LaneCounter::Frames);
    let (log, times, stalls) = kill_and_revive(&world);
    assert_killed_and_revived(&world, &log, times, stalls);
    let frames = of_each(&region, LaneCounter::Frames);
    let more: Vec<u64> = frames.iter().zip(&before).map(|(after, before)| after - before).collect();
    assert!(more.iter().all(|frames| *frames > 500), "both lanes work: {more:?}");
    assert_eq!(of_each(&region, LaneCounter::Misdirected), [0, 0]);
    judge(&mut world, &log);
}

#[test]
fn frames_on_another_lanes_queue_are_counted_and_make_nothing_wrong_live() {
    let Some(mut world) = World::running("frames astray over veth", TWO) else { return };
    let region = world.region();
    let stalls = Stalls::from_now(&region);
    let watch = Watch::all(&world);
    pause(Nanos::from_millis(300));
    assert_eq!(of_each(&region, LaneCounter::Misdirected), [0, 0]);

    // Partition 2 is the second lane's; its frames go to the first lane's queue.
    let astray = clock::now();
    world.steer(|partition| if partition == 1 { 0 } else { partition as u32 % 2 });
    eventually("the first lane counts them", || {
        (of_each(&region, LaneCounter::Misdirected)[0] > 0).then_some(())
    });
    eventually("partition 2 is silent", || {
        (partition(&region, 1).status.reason() == Some(Reason::Silent)).then_some(())
    });
    let silent = clock::now();
    pause(Nanos::from_millis(300));
    let right = clock::now();
    world.steer(|partition| partition as u32 % 2);
    eventually("partition 2 has a gap", || {
        (partition(&region, 1).status.reason() == Some(Reason::Gap)).then_some(())
    });
    let gap = clock::now();
    let counted = of_each(&region, LaneCounter::Misdirected);
    assert!(counted[0] > 100 && counted[1] == 0, "{counted:?}");
    pause(Nanos::from_millis(300));
    assert_eq!(of_each(&region, LaneCounter::Misdirected), counted, "none any more");
    let calm = clock::now();
    let said = world.handler.as_ref().unwrap().log();
    assert!(said.contains("frames came to a queue that isn't their partition's lane's"), "{said}");
    assert!(said.contains("alert=\"frames-astray\""), "{said}");

    let next = world.tell("session NEXT 2");
    world.until_live();
    let live = clock::now();
    pause(Nanos::from_millis(300));
    let stalls = stalls.until_now(&region);
    let log = watch.stop();
    let forever = Mono(u64::MAX);
    // While frames go astray nobody knows whose else are missing: a lane looks for fresh packets
    // again and again, and finds them.
    for other in [0, 2, 3] {
        log.assert_only(other, (Mono::NEVER, astray), &["Live"], stalls);
        log.assert_only(other, (astray, calm), &["Live", "Late"], stalls);
        log.assert_only(other, (calm, forever), &["Live"], stalls);
        assert!(log.statuses(other, astray, right).contains("Late"), "partition {}", other + 1);
    }
    log.assert_only(1, (Mono::NEVER, astray), &["Live"], stalls);
    log.assert_only(1, (astray, silent), &["Live", "Late", "Silent"], stalls);
    log.assert_only(1, (silent, right), &["Silent"], stalls);
    log.assert_only(1, (right, gap), &["Silent", "Late", "Gap"], stalls);
    log.assert_only(1, (gap, next), &["Gap"], stalls);
    // Silent for the moment between the first word of the new session and its lease.
    let renewed = ["Gap", "SessionChanged", "Unproven", "Silent", "Live"];
    log.assert_only(1, (next, live), &renewed, stalls);
    log.assert_only(1, (live, forever), &["Live"], stalls);
    judge(&mut world, &log);
}

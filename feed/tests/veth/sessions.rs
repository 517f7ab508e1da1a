//! Sessions that change, restart and end, and a handler that comes late.

use candor_core::counters::Counter;
use candor_core::{Mono, Nanos, Reason};
use candor_shm::clock;

use crate::states::listed;
use crate::watch::{Stalls, Watch, judge};
use crate::world::{Plan, World, eventually, partition, pause};

#[test]
fn a_new_session_and_a_restart_bring_nothing_old_and_an_ended_session_stays_ended() {
    let Some(mut world) = World::running("sessions over veth", Plan::default()) else { return };
    let region = world.region();
    let stalls = Stalls::from_now(&region);
    let watch = Watch::all(&world);
    pause(Nanos::from_millis(200));
    let changed = world.tell("session TOMORROW 2");
    let restarted = world.tell("restart 3");
    eventually("both were noticed", || {
        let count = |at, counter| partition(&region, at).counters.get(counter);
        let noticed = count(1, Counter::SessionChanges) == 1 && count(2, Counter::Restarts) == 1;
        noticed.then_some(())
    });
    world.until_live();
    let live = clock::now();
    pause(Nanos::from_millis(300));
    let ended = world.tell("end 4");
    eventually("partition 4 has ended", || {
        (partition(&region, 3).status.reason() == Some(Reason::Ended)).then_some(())
    });
    let over = clock::now();
    // Twice the silence bound: an ended session owes no packets.
    pause(world.plan.silence + world.plan.silence);
    let stalls = stalls.until_now(&region);
    let log = watch.stop();
    let forever = Mono(u64::MAX);
    log.assert_only(0, (Mono::NEVER, forever), &["Live"], stalls);
    // The new session starts without anything, and symbols come back as they are named: so soon that
    // a reader may see nothing of it. What it sees Live is judged below.
    let renewed = ["Live", "SessionChanged", "Unproven"];
    for (at, when) in [(1, changed), (2, restarted)] {
        log.assert_only(at, (Mono::NEVER, when), &["Live"], stalls);
        log.assert_only(at, (when, live), &renewed, stalls);
        log.assert_only(at, (live, forever), &["Live"], stalls);
    }
    log.assert_only(3, (Mono::NEVER, ended), &["Live"], stalls);
    log.assert_only(3, (ended, over), &["Live", "Ended"], stalls);
    log.assert_only(3, (over, forever), &["Ended"], stalls);
    judge(&mut world, &log);
}

#[test]
fn a_handler_that_comes_late_has_no_live_book_before_the_next_session() {
    let plan = Plan { edit: listed, ..Plan::default() };
    let Some(mut world) = World::new("a late join over veth", plan) else { return };
    world.start_exchange();
    pause(Nanos::from_millis(500));
    let region = world.start_handler();
    let watch = Watch::all(&world);
    eventually("every partition is heard", || {
        let heard = |at| partition(&region, at).status.reason() == Some(Reason::Recovering);
        (0..world.plan.partitions).all(heard).then_some(())
    });
    let heard = clock::now();
    pause(Nanos::from_millis(500));
    let next = world.tell("session NEXT");
    world.until_live();
    pause(Nanos::from_millis(300));
    let log = watch.stop();
    for at in 0..world.plan.partitions {
        // The missing start is given the grace of any gap; nothing is applied meanwhile.
        let early = ["Unsubscribed", "NotStarted", "Unproven", "Recovering"];
        log.assert_only(at, (Mono::NEVER, heard), &early, 0);
        log.assert_only(at, (heard, next), &["Recovering"], 0);
    }
    judge(&mut world, &log);
}

//! A partition that is left and joined again by command, under traffic.

use candor_core::{Mono, Nanos, Reason};
use candor_shm::{Region, clock};
use serde_json::Value;

use crate::watch::{Stalls, Watch, judge};
use crate::world::{Plan, World, candor, eventually, finished, partition, pause};

/// Commands the handler; when it was told to, and when the command had returned.
fn command(world: &World, verb: &str, name: &str) -> (Mono, Mono, Value) {
    let region = world.path("region").display().to_string();
    let told = clock::now();
    let (said, code) = finished(candor(world, &[verb, "XNAS", name, "-r", &region, "-o", "json"]));
    let returned = clock::now();
    assert_eq!(code, 0, "{said}");
    let json: Value = serde_json::from_str(&said).unwrap();
    (told, returned, json["control"].clone())
}

fn is(region: &Region, at: usize, reason: Option<Reason>) -> Option<()> {
    (partition(region, at).status.reason() == reason).then_some(())
}

#[test]
fn a_partition_is_stale_from_the_command_on_and_live_again_only_when_it_is_whole() {
    let Some(mut world) = World::running("control over veth", Plan::default()) else { return };
    let region = world.region();
    let stalls = Stalls::from_now(&region);
    let watch = Watch::all(&world);
    pause(Nanos::from_millis(300));

    // Under traffic: numbers are missed meanwhile, and they are a gap like any other.
    let (left, gone, answer) = command(&world, "unsubscribe", "2");
    assert_eq!(answer["status"], "Stale(Unsubscribed)");
    pause(world.plan.silence + Nanos::from_millis(200));
    let heard = partition(&region, 1).heard;
    assert!(heard < gone + Nanos::from_millis(50), "no packet reaches it any more");
    assert!(world.status()["partitions"][1]["lines"]["A"]["sent"]["packets"].as_u64().unwrap() > 0);
    let (joined, _, _) = command(&world, "subscribe", "2");
    eventually("partition 2 has its gap", || is(&region, 1, Some(Reason::Gap)));
    let gap = clock::now();
    pause(Nanos::from_millis(300));

    // While the venue sends nothing new nothing can be missed: the next heartbeat proves that.
    world.tell("pause");
    pause(Nanos::from_millis(200));
    let (calm_left, calm_gone, _) = command(&world, "unsubscribe", "3");
    pause(Nanos::from_millis(300));
    let (calm_joined, _, _) = command(&world, "subscribe", "3");
    eventually("partition 3 is live", || is(&region, 2, None));
    let calm = clock::now();
    pause(Nanos::from_millis(100));
    world.tell("resume");
    pause(Nanos::from_millis(300));

    // A new session brings back what the gap took.
    let next = world.tell("session NEXT 2");
    world.until_live();
    let live = clock::now();
    pause(Nanos::from_millis(200));
    let stalls = stalls.until_now(&region);
    let log = watch.stop();
    let forever = Mono(u64::MAX);
    for other in [0, 3] {
        log.assert_only(other, (Mono::NEVER, forever), &["Live"], stalls);
    }
    log.assert_only(1, (Mono::NEVER, left), &["Live"], stalls);
    log.assert_only(1, (left, gone), &["Live", "Unsubscribed"], stalls);
    log.assert_only(1, (gone, joined), &["Unsubscribed"], 0);
    log.assert_only(1, (joined, gap), &["Unsubscribed", "Silent", "Late", "Gap"], 0);
    log.assert_only(1, (gap, next), &["Gap"], stalls);
    // Silent for the moment between the first word of the new session and its lease.
    let renewed = ["Gap", "SessionChanged", "Unproven", "Silent", "Live"];
    log.assert_only(1, (next, live), &renewed, stalls);
    log.assert_only(1, (live, forever), &["Live"], stalls);
    log.assert_only(2, (Mono::NEVER, calm_left), &["Live"], stalls);
    log.assert_only(2, (calm_left, calm_gone), &["Live", "Unsubscribed"], stalls);
    log.assert_only(2, (calm_gone, calm_joined), &["Unsubscribed"], 0);
    let proving = ["Unsubscribed", "Silent", "Late", "Live"];
    log.assert_only(2, (calm_joined, calm), &proving, stalls);
    log.assert_only(2, (calm, forever), &["Live"], stalls);
    let seen = log.statuses(2, calm_gone, calm);
    assert!(seen.contains("Late") || seen.contains("Silent"), "it was never proven anew: {seen:?}");
    judge(&mut world, &log);
}

/// Partition 3 in the configuration and not joined, on both lines.
fn without_3(text: String) -> String {
    let (front, third) = text.split_once("name = \"3\"").unwrap();
    format!("{front}name = \"3\"{}", third.replacen("subscribe = true", "subscribe = false", 1))
}

#[test]
fn a_partition_of_the_configuration_is_joined_by_command() {
    let plan = Plan { edit: without_3, ..Plan::default() };
    let Some(mut world) = World::new("a late subscription over veth", plan) else { return };
    let region = world.start_handler();
    world.start_exchange();
    eventually("the others are live", || {
        [0, 1, 3].into_iter().all(|at| is(&region, at, None).is_some()).then_some(())
    });
    assert_eq!(partition(&region, 2).status.reason(), Some(Reason::Unsubscribed));
    let watch = Watch::all(&world);
    let (_, _, answer) = command(&world, "subscribe", "3");
    assert_eq!(answer["changed"], "yes");
    // It comes late: the session's start was not heard.
    eventually("partition 3 is heard", || is(&region, 2, Some(Reason::Recovering)));
    world.tell("session NEXT 3");
    world.until_live();
    let early = watch.stop();
    let watch = Watch::all(&world);
    pause(Nanos::from_millis(300));
    let log = watch.stop();
    for other in [0, 1, 3] {
        early.assert_only(other, (Mono::NEVER, Mono(u64::MAX)), &["Live", "Unproven"], 0);
    }
    log.assert_only(2, (Mono::NEVER, Mono(u64::MAX)), &["Live"], 0);
    judge(&mut world, &log);
}

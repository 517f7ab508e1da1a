//! The ladder: asking for what is missing, and a snapshot where that is of no use.

use candor_core::counters::Counter;
use candor_core::{Nanos, Reason};

use crate::scene::{QUICK, Scene, Watch, eventually, pause};

#[test]
fn what_no_line_carried_is_asked_for_and_the_partition_is_live_again() {
    let mut scene = Scene::new("asked", true);
    scene.open(&[]);
    scene.configure("mdh1", QUICK);
    let handler = scene.handler("mdh1");
    // It came after the venue: the messages before are more than is asked for, or fewer.
    handler.until_live();
    let watch = Watch::start(&handler);
    let others = handler.count(1, Counter::RetransmitRequests);
    let asked = scene.service("retransmit", "requests");
    let snapshots = handler.count(0, Counter::SnapshotRequests);
    for _ in 0..10 {
        let filled = handler.count(0, Counter::RetransmitFilled);
        scene.tell("skip 1 20");
        eventually("the gap is filled", || {
            (handler.count(0, Counter::RetransmitFilled) >= filled + 20).then_some(())
        });
        eventually("it is live again", || handler.is_live(0).then_some(()));
    }
    let asked = scene.service("retransmit", "requests") - asked;
    assert!(asked <= 20, "{asked} requests for 10 gaps");
    assert_eq!(handler.count(0, Counter::SnapshotRequests), snapshots);
    assert!(handler.stays_live(1), "the other partition has nothing to do with it");
    assert_eq!(handler.count(1, Counter::RetransmitRequests), others);
    let reads = watch.judge(&mut scene);
    assert_eq!(handler.process.end(), Some(0));
    println!("shown: 10 gaps filled by {asked} requests in all; {reads} live reads, none wrong");
}

#[test]
fn a_service_that_does_not_answer_costs_a_snapshot_and_nobody_else_anything() {
    let mut scene = Scene::new("snapshot", true);
    scene.open(&["--command", "service retransmit hang"]);
    scene.configure("mdh1", QUICK);
    let handler = scene.handler("mdh1");
    handler.until_live();
    let watch = Watch::start(&handler);
    let (stalls, others) = (handler.stalls(), handler.count(1, Counter::SnapshotRequests));
    for _ in 0..3 {
        let spliced = handler.count(0, Counter::SnapshotsSpliced);
        scene.tell("skip 1 20");
        handler.until_reason(0, &[Reason::Gap, Reason::Recovering]);
        eventually("a snapshot is spliced", || {
            assert!(handler.stays_live(1), "partition 2 is {:?}", handler.reason(1));
            (handler.count(0, Counter::SnapshotsSpliced) > spliced).then_some(())
        });
        eventually("it is live again", || handler.is_live(0).then_some(()));
    }
    assert!(handler.count(0, Counter::RetransmitTimeouts) > 0);
    assert_eq!(handler.count(1, Counter::SnapshotRequests), others);
    assert_eq!(handler.stalls(), stalls, "no lane stood still");
    let reads = watch.judge(&mut scene);
    let log = handler.log();
    for said in ["is asked for", "the snapshot begins", "joins the stream", "Stale(Gap)"] {
        assert!(log.contains(said), "{said}:\n{log}");
    }
    println!("shown: 3 gaps healed by snapshots; {reads} live reads, none wrong");
}

#[test]
fn a_handler_that_has_nothing_to_ask_asks_nothing() {
    let mut scene = Scene::new("healthy", true);
    scene.configure("mdh1", QUICK);
    let handler = scene.handler("mdh1");
    scene.open(&[]);
    handler.until_live();
    pause(Nanos::from_millis(500));
    for partition in 0..2 {
        for counter in [Counter::RetransmitRequests, Counter::SnapshotRequests] {
            assert_eq!(handler.count(partition, counter), 0, "{}", counter.label());
        }
    }
    assert_eq!(handler.process.end(), Some(0));
}

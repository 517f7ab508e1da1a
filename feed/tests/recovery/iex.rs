//! The same ladder with IEX's services: gap fill by datagrams and over connections, and SNAP. What goes wrong with
//! them: `faults.rs`.

use candor_core::Reason;
use candor_core::counters::Counter;

use crate::scene::{QUICK, Scene, Watch, eventually};

#[test]
fn iex_gaps_are_filled_by_datagrams_or_a_connection_and_snapshots_heal_the_rest() {
    let mut scene = Scene::new("iex", true);
    scene.feed("iex-deep");
    scene.configure("mdh1", QUICK);
    let handler = scene.handler("mdh1");
    scene.open(&["--session", "7"]);
    handler.until_live();
    let watch = Watch::start(&handler);
    // One datagram's worth; more than may be asked for by datagrams.
    for (missing, connections) in [(20, 0), (300, 0), (1_500, 1)] {
        let before = scene.service("retransmit", "connections");
        let filled = handler.count(0, Counter::RetransmitFilled);
        scene.tell(&format!("skip 1 {missing}"));
        eventually("the gap is filled", || {
            (handler.count(0, Counter::RetransmitFilled) >= filled + missing).then_some(())
        });
        eventually("it is live again", || handler.is_live(0).then_some(()));
        let made = scene.service("retransmit", "connections") - before;
        assert_eq!(made > 0, connections > 0, "{made} connections for {missing} messages");
    }
    assert_eq!(handler.count(0, Counter::SnapshotRequests), 0);
    scene.tell("service retransmit hang");
    scene.tell("skip 1 20");
    handler.until_reason(0, &[Reason::Gap, Reason::Recovering]);
    eventually("it is live again", || handler.is_live(0).then_some(()));
    // Counters follow the books within a cycle.
    eventually("a snapshot", || (handler.count(0, Counter::SnapshotsSpliced) == 1).then_some(()));
    let reads = watch.judge(&mut scene);
    println!("shown: IEX's gap fill and SNAP; {reads} live reads, none wrong");
}
